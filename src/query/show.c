/* show.c - SHOW, DESCRIBE, EXPLAIN and SET: answers made of names. */
#include <fnmatch.h>
#include <stdio.h>

#include "query/dml.h"

const struct cell_column *text_columns(const char *const *names, size_t count,
                                       struct cell_column *out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = (struct cell_column){names[i], &sql_type_string};
    return out;
}

/* LIKE's % and _ as a shell pattern. */
static bool matches(const struct sql_show *show, const char *name)
{
    char pattern[512];
    size_t len = 0;
    bool hit;

    if (show->match == SQL_PATTERN_NONE || !show->pattern)
        return true;
    for (const char *c = show->pattern; *c && len + 3 < sizeof(pattern); c++) {
        if (strchr("*?[\\", *c))
            pattern[len++] = '\\';
        pattern[len++] = *c == '%' ? '*' : *c == '_' ? '?' : *c;
    }
    pattern[len] = '\0';
    hit = fnmatch(pattern, name, show->match == SQL_PATTERN_ILIKE ? FNM_CASEFOLD : 0) == 0;
    return hit != show->not_like;
}

static int print_names(const struct query_out *out, const char *title, const struct sql_show *show,
                       const char *const *names, size_t count, struct err *err)
{
    struct cell_column column[1];
    struct results *results;
    int rc = results_new(&results, out, text_columns(&title, 1, column), 1, err);

    for (size_t i = 0; i < count && !rc; i++)
        if (matches(show, names[i]))
            rc = results_row(results, &names[i], err);
    if (!rc)
        rc = results_end(results, err);
    results_free(results);
    return rc;
}

/* What a table's own statement says behind a column's type. */
static int column_extras(const struct session_table *handle, const struct sql_column *column,
                         size_t at, struct buf *out)
{
    struct arena arena = {0};
    int rc = handle->kind == SESSION_LAKE && column->given ? buf_append_str(out, " DEFAULT ") : 0;

    if (!rc && handle->kind == SESSION_LAKE && column->given)
        rc = default_print(&handle->schema->root.fields[at], &arena, out);
    if (!rc && column->comment) {
        rc = buf_append_str(out, " COMMENT ");
        rc = rc ? rc : lake_sql_text(out, column->comment);
    }
    arena_deinit(&arena);
    return rc;
}

/* The statement as it was written, or one that makes the same table. */
static int create_text(struct query_session *q, const struct sql_name *name, struct buf *out,
                       struct err *err)
{
    const struct sql_resolver *resolver = session_resolver(q->session);
    const struct session_table *handle;
    const struct sql_table *table;
    const char *parts[4] = {0};
    int rc;

    for (size_t i = 0; i < name->count && i < COUNT_OF(parts); i++)
        parts[i] = name->parts[i].text;
    rc = resolver->table(resolver->arg, parts, name->count, &table, err);
    if (rc)
        return rc;
    handle = table->handle;
    if (handle->text)
        return sql_hide_secrets(slice_str(handle->text), out);
    rc = buf_printf(out, "CREATE TABLE `%s`.`%s`.`%s` (", table->catalog, table->database,
                    table->name);
    for (size_t i = 0; i < table->column_count && !rc; i++) {
        rc = buf_printf(out, "%s\n  `%s` ", i ? "," : "", table->columns[i].name);
        if (!rc)
            rc = sql_type_print(table->columns[i].type, out);
        if (!rc)
            rc = column_extras(handle, &table->columns[i], i, out);
    }
    if (!rc)
        rc = buf_append_str(out, "\n)");
    for (size_t i = 0; i < handle->metadata->property_count && !rc; i++)
        rc = buf_printf(out, "%s\n  '%s' = '%s'", i ? "," : " WITH (",
                        handle->metadata->properties[i].key, handle->metadata->properties[i].value);
    if (!rc && handle->metadata->property_count)
        rc = buf_append_str(out, "\n)");
    return rc;
}

static int print_text(const struct query_out *out, const char *title, struct buf *text,
                      struct err *err)
{
    struct cell_column column[1];
    struct results *results = NULL;
    const char *line = buf_cstr(text);
    int rc;

    if (!line)
        return err_set(err, ERR_NOMEM, "%s", title);
    if (out->format == QUERY_TABLE) { /* frames and line breaks do not go together */
        rc = buf_append_u8(text, '\n');
        return rc ? rc : out->write(out->arg, buf_slice(text));
    }
    rc = results_new(&results, out, text_columns(&title, 1, column), 1, err);
    if (!rc)
        rc = results_row(results, &line, err);
    if (!rc)
        rc = results_end(results, err);
    results_free(results);
    return rc;
}

static int show_create(struct query_session *q, const struct sql_show *show,
                       const struct query_out *out, struct err *err)
{
    struct buf text = {0};
    int rc = create_text(q, &show->name, &text, err);

    if (!rc)
        rc = print_text(out, "result", &text, err);
    buf_deinit(&text);
    return rc;
}

/* As Flink writes it: options in the order of their names. */
static int put_options(struct buf *out, const struct sql_options *options)
{
    const char *last = "";
    int rc = 0;

    for (size_t n = 0; n < options->count && !rc; n++) {
        const struct sql_option *next = NULL;

        for (size_t i = 0; i < options->count; i++)
            if (strcmp(options->list[i].key, last) > 0 &&
                (!next || strcmp(options->list[i].key, next->key) < 0))
                next = &options->list[i];
        if (!next)
            break;
        last = next->key;
        rc = buf_printf(out, "%s\n  ", n ? "," : "");
        rc = rc ? rc : lake_sql_text(out, next->key);
        rc = rc ? rc : buf_append_str(out, " = ");
        rc = rc ? rc : lake_sql_text(out, next->value);
    }
    return rc;
}

static int show_create_catalog(struct query_session *q, const struct sql_show *show,
                               const struct query_out *out, struct err *err)
{
    const char *name = show->name.parts[show->name.count - 1].text, *comment;
    const struct sql_options *options;
    struct buf plain = {0}, text = {0};
    int rc = session_catalog_options(q->session, name, &options, &comment, err);

    if (!rc)
        rc = buf_printf(&plain, "CREATE CATALOG `%s`", name);
    if (!rc && comment) {
        rc = buf_append_str(&plain, "\nCOMMENT ");
        rc = rc ? rc : lake_sql_text(&plain, comment);
    }
    rc = rc ? rc : buf_append_str(&plain, " WITH (");
    rc = rc ? rc : put_options(&plain, options);
    rc = rc ? rc : buf_append_str(&plain, "\n)");
    rc = rc ? rc : sql_hide_secrets(buf_slice(&plain), &text);
    rc = rc ? rc : print_text(out, "result", &text, err);
    buf_deinit(&plain);
    buf_deinit(&text);
    return rc;
}

static int show_partitions(struct query_session *q, const struct sql_show *show,
                           const struct query_out *out, struct err *err)
{
    struct session_names names;
    int rc = session_partitions(q->session, &show->name, &names, err);

    return rc ? rc : print_names(out, "partition name", show, names.list, names.count, err);
}

static int show_functions(const struct sql_show *show, const struct query_out *out, struct err *err)
{
    struct arena arena = {0};
    size_t count;
    const char *const *names = sql_function_names(&arena, &count);
    int rc = names ? print_names(out, "function name", show, names, count, err)
                   : err_set(err, ERR_NOMEM, "functions");

    arena_deinit(&arena);
    return rc;
}

static int show(struct query_session *q, const struct sql_show *s, const struct query_out *out,
                struct err *err)
{
    const char *first = s->name.count ? s->name.parts[0].text : NULL;
    const char *last = s->name.count ? s->name.parts[s->name.count - 1].text : NULL;
    struct session_names names = {0};
    const char *one;
    int rc;

    switch (s->what) {
    case SQL_SHOW_CATALOGS:
        rc = session_catalogs(q->session, &names, err);
        return rc ? rc : print_names(out, "catalog name", s, names.list, names.count, err);
    case SQL_SHOW_DATABASES:
        rc = session_databases(q->session, first, &names, err);
        return rc ? rc : print_names(out, "database name", s, names.list, names.count, err);
    case SQL_SHOW_TABLES:
    case SQL_SHOW_VIEWS:
        rc = session_tables(q->session, s->name.count > 1 ? first : NULL, last,
                            s->what == SQL_SHOW_VIEWS, &names, err);
        return rc ? rc
                  : print_names(out, s->what == SQL_SHOW_VIEWS ? "view name" : "table name", s,
                                names.list, names.count, err);
    case SQL_SHOW_CURRENT_CATALOG:
        one = session_catalog(q->session);
        return print_names(out, "current catalog name", s, &one, 1, err);
    case SQL_SHOW_CURRENT_DATABASE:
        one = session_database(q->session);
        return print_names(out, "current database name", s, &one, 1, err);
    case SQL_SHOW_COLUMNS:
        return describe_table(q, &s->name, out, err);
    case SQL_SHOW_PARTITIONS:
        return show_partitions(q, s, out, err);
    case SQL_SHOW_CREATE_CATALOG:
        return show_create_catalog(q, s, out, err);
    case SQL_SHOW_CREATE_TABLE:
    case SQL_SHOW_CREATE_VIEW:
        return show_create(q, s, out, err);
    case SQL_SHOW_FUNCTIONS:
        return show_functions(s, out, err);
    case SQL_SHOW_MODULES:
    case SQL_SHOW_FULL_MODULES:
        one = "core";
        return print_names(out, "module name", s, &one, 1, err);
    case SQL_SHOW_USER_FUNCTIONS:
    case SQL_SHOW_JARS:
    case SQL_SHOW_PROCEDURES:
    case SQL_SHOW_MATERIALIZED_TABLES: /* there are none */
        return print_names(out, "name", s, NULL, 0, err);
    case SQL_SHOW_JOBS:
        return describe_jobs(q, NULL, out, err);
    case SQL_SHOW_CREATE_MATERIALIZED_TABLE:
        break;
    }
    return err_set(err, ERR_UNSUPPORTED, "this SHOW is not built yet");
}

static int explain_insert(struct query_session *q, const struct sql_insert *insert,
                          struct buf *text, struct err *err)
{
    struct sql_plan_options options;
    struct sql_insert_plan plan;
    struct arena arena = {0};
    int64_t idle_ms = 0;
    int rc = session_plan_options(q->session, &options, &idle_ms, err);

    if (!rc)
        rc = sql_plan_insert(insert, session_resolver(q->session), &options, &arena, &plan, err);
    if (!rc)
        rc = session_plan_shards(q->session, &arena, &plan.shards, err);
    if (!rc)
        rc = sql_plan_explain(&plan, text);
    arena_deinit(&arena);
    return rc;
}

/* EXPLAIN WHY job, as `tarn job explain`. */
static int explain_why(struct query_session *q, const char *name, struct buf *text, struct err *err)
{
    struct stream_job_info *jobs = NULL;
    struct arena arena = {0};
    size_t count = 0, at = 0;
    int rc = q->options.engine ? stream_engine_list(q->options.engine, &arena, &jobs, &count, err)
                               : err_set(err, ERR_UNSUPPORTED, "no job runs here");

    while (!rc && at < count && strcmp(jobs[at].name, name) && strcmp(jobs[at].id, name))
        at++;
    if (!rc && at == count)
        rc = err_set(err, ERR_NOENT, "no job '%s'; SHOW JOBS lists them", name);
    if (!rc)
        rc = stream_why(&jobs[at], clock_wall_ms(q->options.clock), text);
    if (!rc && text->len)
        text->len--; /* lines are ended by who prints them */
    arena_deinit(&arena);
    return rc;
}

static int explain(struct query_session *q, const struct sql_statement *st,
                   const struct query_out *out, struct err *err)
{
    const struct sql_statement *inner = st->explain->statement;
    struct buf text = {0};
    int rc = 0;

    if (st->explain->why)
        rc = explain_why(q, st->explain->why, &text, err);
    else if (inner->kind == SQL_STMT_QUERY)
        rc = select_explain(q, inner->query, &text, err);
    else if (inner->kind == SQL_STMT_INSERT && !dml_is_bounded(q, inner->insert))
        rc = explain_insert(q, inner->insert, &text, err);
    else if (inner->kind == SQL_STMT_INSERT || inner->kind == SQL_STMT_UPDATE ||
             inner->kind == SQL_STMT_DELETE || inner->kind == SQL_STMT_MERGE)
        rc = dml_explain(q, inner, &text, err);
    else if (inner->kind == SQL_STMT_STATEMENT_SET)
        for (size_t i = 0; i < inner->set_of->count && !rc; i++)
            rc = explain_insert(q, inner->set_of->list[i]->insert, &text, err);
    else
        rc = err_set(err, ERR_UNSUPPORTED, "EXPLAIN of this statement is not built yet");
    if (!rc)
        rc = print_text(out, "result", &text, err);
    buf_deinit(&text);
    return rc;
}

static int settings(struct query_session *q, const struct query_out *out, struct err *err)
{
    static const char *const names[] = {"key", "value"};
    struct cell_column columns[2];
    size_t count;
    const struct session_setting_row *rows = session_settings(q->session, &count);
    struct results *results;
    int rc = results_new(&results, out, text_columns(names, 2, columns), 2, err);

    for (size_t i = 0; i < count && !rc; i++) {
        const char *row[] = {rows[i].key, rows[i].value};

        rc = results_row(results, row, err);
    }
    if (!rc)
        rc = results_end(results, err);
    results_free(results);
    return rc;
}

int show_run(struct query_session *q, const struct sql_statement *st, const struct query_out *out,
             struct err *err)
{
    switch (st->kind) {
    case SQL_STMT_SHOW:
        return show(q, st->show, out, err);
    case SQL_STMT_DESCRIBE:
        return describe_run(q, st->describe, out, err);
    case SQL_STMT_EXPLAIN:
        return explain(q, st, out, err);
    default:
        return settings(q, out, err);
    }
}
