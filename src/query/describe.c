/* describe.c - DESCRIBE of tables, catalogs and jobs; SHOW JOBS. */
#include "query/dml.h"

int describe_jobs(struct query_session *q, const char *only, const struct query_out *out,
                  struct err *err)
{
    static const char *const names[] = {"job id", "job name", "status", "start time"};
    struct cell_column columns[4];
    struct stream_job_info *jobs = NULL;
    struct results *results = NULL;
    struct arena arena = {0};
    size_t count = 0;
    bool found = !only;
    int rc =
        q->options.engine ? stream_engine_list(q->options.engine, &arena, &jobs, &count, err) : 0;

    if (!rc)
        rc = results_new(&results, out, text_columns(names, 4, columns), 4, err);
    for (size_t i = 0; i < count && !rc; i++) {
        if (only && strcmp(only, jobs[i].id) != 0)
            continue;
        found = true;
        duckdb_timestamp_struct ts =
            duckdb_from_timestamp((duckdb_timestamp){jobs[i].created_ms * 1000});
        const char *when =
            arena_printf(&arena, "%04d-%02d-%02dT%02d:%02d:%02dZ", (int)ts.date.year, ts.date.month,
                         ts.date.day, ts.time.hour, ts.time.min, ts.time.sec);
        const char *row[] = {jobs[i].id, jobs[i].name, jobs[i].state, when};

        rc = results_row(results, row, err);
    }
    if (!rc && !found)
        rc = err_set(err, ERR_NOENT, "no job '%s'; SHOW JOBS lists them", only);
    if (!rc)
        rc = results_end(results, err);
    results_free(results);
    arena_deinit(&arena);
    return rc;
}

/* What DESCRIBE says of column `i`: name, type, null, key, extras, watermark, comment. */
static int column_row(const struct sql_table *table, size_t i, struct arena *arena,
                      const char *row[7])
{
    const struct session_table *handle = table->handle;
    const struct sql_column *c = &table->columns[i];
    const struct sql_type *plain = sql_type_nullable(arena, c->type, true);
    struct buf extra = {0};
    int rc = 0;

    row[0] = c->name;
    row[1] = plain ? sql_type_text(arena, plain) : "";
    row[2] = c->type->nullable ? "TRUE" : "FALSE";
    row[6] = c->comment;
    for (size_t k = 0; k < table->primary_key_count; k++)
        if (!strcmp(table->primary_key[k], c->name))
            row[3] = "PRI";
    if (c->kind == SQL_COLUMN_COMPUTED) {
        rc = buf_append_str(&extra, "AS ");
        rc = rc ? rc : sql_print_flink_expr(c->expr, NULL, &extra, NULL);
    } else if (c->given) {
        rc = buf_append_str(&extra, "DEFAULT ");
        rc = rc ? rc : default_print(&handle->schema->root.fields[i], arena, &extra);
    } else if (c->kind == SQL_COLUMN_METADATA) {
        rc = buf_printf(&extra, "METADATA FROM '%s'%s", c->metadata_key ? c->metadata_key : c->name,
                        c->is_virtual ? " VIRTUAL" : "");
    }
    if (!rc && extra.len)
        row[4] = arena_cstr(arena, buf_slice(&extra));
    buf_clear(&extra);
    if (!rc && table->rowtime && !strcmp(table->rowtime, c->name)) {
        rc = sql_print_flink_expr(table->watermark, NULL, &extra, NULL);
        row[5] = rc ? NULL : arena_cstr(arena, buf_slice(&extra));
    }
    buf_deinit(&extra);
    return rc;
}

int describe_table(struct query_session *q, const struct sql_name *name,
                   const struct query_out *out, struct err *err)
{
    static const char *const names[] = {"name",   "type",      "null",   "key",
                                        "extras", "watermark", "comment"};
    struct cell_column columns[7];
    size_t count = 6; /* and, as in Flink, a seventh when any column has a comment */
    struct results *results = NULL;
    struct arena arena = {0};
    const struct sql_resolver *resolver = session_resolver(q->session);
    const struct sql_table *table = NULL;
    const char *parts[4] = {0};
    int rc;

    for (size_t i = 0; i < name->count && i < COUNT_OF(parts); i++)
        parts[i] = name->parts[i].text;
    rc = resolver->table(resolver->arg, parts, name->count, &table, err);
    for (size_t i = 0; !rc && i < table->column_count; i++)
        if (table->columns[i].comment)
            count = 7;
    if (!rc)
        rc = results_new(&results, out, text_columns(names, count, columns), count, err);
    for (size_t i = 0; !rc && i < table->column_count; i++) {
        const char *row[7] = {0};

        rc = column_row(table, i, &arena, row);
        rc = rc ? rc : results_row(results, row, err);
    }
    if (!rc)
        rc = results_end(results, err);
    results_free(results);
    arena_deinit(&arena);
    return rc;
}

/* Stars in place of a secret. */
static const char *shown_value(const struct sql_option *option, struct arena *arena)
{
    const char *plain = arena_printf(arena, "'%s' = '%s'", option->key, option->value);
    struct buf shown = {0};
    bool secret = !plain || sql_hide_secrets(slice_str(plain), &shown) || !buf_cstr(&shown) ||
                  strcmp(buf_cstr(&shown), plain) != 0;

    buf_deinit(&shown);
    return secret ? "******" : option->value;
}

static int describe_catalog(struct query_session *q, const struct sql_describe *d,
                            const struct query_out *out, struct err *err)
{
    static const char *const names[] = {"info name", "info value"};
    const char *name = d->name.parts[d->name.count - 1].text, *comment;
    const struct sql_options *options;
    struct cell_column columns[2];
    struct results *results = NULL;
    struct arena arena = {0};
    int rc = session_catalog_options(q->session, name, &options, &comment, err);

    if (!rc)
        rc = results_new(&results, out, text_columns(names, 2, columns), 2, err);
    if (!rc) {
        const char *const rows[3][2] = {
            {"name", name}, {"type", sql_option(options, "type")}, {"comment", comment}};

        for (size_t i = 0; i < COUNT_OF(rows) && !rc; i++)
            rc = results_row(results, rows[i], err);
    }
    for (size_t i = 0; d->extended && !rc && i < options->count; i++) {
        const struct sql_option *option = &options->list[i];
        const char *row[2] = {arena_printf(&arena, "option:%s", option->key),
                              shown_value(option, &arena)};

        if (strcmp(option->key, "type") != 0)
            rc = results_row(results, row, err);
    }
    if (!rc)
        rc = results_end(results, err);
    results_free(results);
    arena_deinit(&arena);
    return rc;
}

int describe_run(struct query_session *q, const struct sql_describe *d, const struct query_out *out,
                 struct err *err)
{
    switch (d->object) {
    case SQL_OBJECT_TABLE:
        return describe_table(q, &d->name, out, err);
    case SQL_OBJECT_CATALOG:
        return describe_catalog(q, d, out, err);
    case SQL_OBJECT_JOB:
        return describe_jobs(q, d->job, out, err);
    default:
        return err_set(err, ERR_UNSUPPORTED, "DESCRIBE works on tables, views, catalogs and jobs");
    }
}
