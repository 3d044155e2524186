/* dml.c - a changing statement from its text to its answer. See dml.h. */
#include "query/dml.h"

#include <stdio.h>
#include <stdlib.h>

#define ATTEMPTS_MAX 20

void dml_forget(struct dml *d, bool keep_files)
{
    if (d->sub)
        dml_forget(d->sub, true);
    buf_deinit(&d->text);
    for (size_t i = 0; d->files && i < d->scan->plan.file_count; i++)
        free(d->files[i].list);
    free(d->files);
    lake_writer_free(d->writer);
    vec_columns_free(&d->columns);
    if (!keep_files)
        for (size_t i = 0; i < d->added_count; i++)
            lake_remove_files(d->q->options.lake, &d->added[i].path, 1);
    query_plan_deinit(&d->plan);
}

static bool has_lineage(void *arg, const struct sql_table *table)
{
    const struct session_table *handle = table->handle;

    (void)arg;
    return handle->kind == SESSION_LAKE && handle->metadata->format_version >= 3;
}

static int check_target(struct dml *d, struct err *err)
{
    const struct sql_table *table = d->change.target;
    struct sql_pos pos = d->st->pos;

    d->handle = table->handle;
    if (d->handle->kind != SESSION_LAKE)
        return err_set(err, ERR_UNSUPPORTED,
                       "line %u, column %u: %s changes Iceberg tables, and `%s` is none", pos.line,
                       pos.column, sql_statement_kind_name(d->st->kind), table->name);
    if (d->handle->inspect >= 0 || (d->handle->snapshot_id >= 0 && !d->handle->branch))
        return err_set(err, ERR_INVALID, "line %u, column %u: `%s` can only be read", pos.line,
                       pos.column, table->name);
    return d->st->kind == SQL_STMT_INSERT
               ? session_check_target_hints(&d->st->insert->table_hints, err)
               : 0;
}

/* write.delete.mode and its siblings. */
static const char *property(const struct dml *d, const char *what)
{
    const char *kind = d->st->kind == SQL_STMT_UPDATE  ? "update"
                       : d->st->kind == SQL_STMT_MERGE ? "merge"
                                                       : "delete";
    char key[64];

    snprintf(key, sizeof(key), "write.%s.%s", kind, what);
    return lake_metadata_property(d->handle->metadata, key);
}

static bool asks(const struct dml *d, const char *what, const char *value)
{
    const char *text = property(d, what);

    return text && !strcasecmp(text, value);
}

/* Format 1 knows no delete files. */
static bool has_no_deletes(const struct dml *d)
{
    return d->handle->metadata->format_version < 2;
}

static int bind(struct dml *d, struct err *err)
{
    struct sql_change_options options = {.lineage = has_lineage};
    const struct sql_resolver *resolver = session_resolver(d->q->session);
    int rc = sql_bind_change(d->st, resolver, &options, &d->plan.arena, &d->change, err);

    rc = rc ? rc : check_target(d, err);
    if (rc)
        return rc;
    d->plan.q = d->q;
    d->plan.bound = d->change.bound;
    d->plan.addressed = d->change.scanned;
    d->plan.planned = d->st->kind == SQL_STMT_DELETE ? dml_cover : NULL;
    d->plan.planned_arg = d;
    d->copies = d->change.scanned && (asks(d, "mode", "copy-on-write") || has_no_deletes(d));
    rc = query_plan_bound(&d->plan, err);
    for (size_t i = 0; i < d->plan.scan_count && !rc; i++)
        if (d->plan.scans[i].table == d->change.scanned)
            d->scan = &d->plan.scans[i];
    return rc;
}

/* What was written since the last cut, to what is added. */
static int cut(struct dml *d, struct err *err)
{
    struct lake_data_file *files, *all;
    size_t count = 0;
    int rc;

    if (!d->writer)
        return 0;
    rc = lake_writer_cut(d->writer, &d->plan.arena, &files, &count, err);
    lake_writer_free(d->writer);
    d->writer = NULL;
    vec_columns_free(&d->columns);
    d->columns = (struct vec_columns){0};
    if (rc || !count)
        return rc;
    all = ARENA_ARRAY(&d->plan.arena, struct lake_data_file, d->added_count + count);
    for (size_t i = 0; i < count && !all; i++)
        lake_remove_files(d->q->options.lake, &files[i].path, 1);
    if (!all)
        return dml_nomem(err);
    if (d->added_count)
        memcpy(all, d->added, d->added_count * sizeof(*all));
    memcpy(all + d->added_count, files, count * sizeof(*all));
    d->added = all;
    d->added_count += count;
    return 0;
}

bool dml_change(struct dml *d, struct lake_change *out)
{
    struct lake_property *summary = d->summary;

    *out = (struct lake_change){.added = d->added,
                                .added_count = d->added_count,
                                .row_deletes = d->row_deletes,
                                .row_delete_count = d->row_delete_count,
                                .removed = d->removed,
                                .removed_count = d->removed_count,
                                .db = d->q->options.db,
                                .branch = d->handle->branch,
                                .summary = summary,
                                .staged = d->handle->wap_id != NULL,
                                .maintain = !d->handle->wap_id};
    if (d->replaces_partitions)
        summary[out->summary_count++] = (struct lake_property){"replace-partitions", "true"};
    if (d->handle->wap_id)
        summary[out->summary_count++] = (struct lake_property){"wap.id", d->handle->wap_id};
    if (d->scan) { /* INSERT OVERWRITE looks at nothing: rows that came in meanwhile stay */
        out->from_snapshot_id = d->scan->plan.snapshot_id;
        out->filter = d->scan->predicates;
        out->filter_count = d->scan->predicate_count;
        if (!asks(d, "isolation-level", "snapshot"))
            out->checks |= LAKE_CHECK_NEW_ROWS;
        if (d->copies || d->st->kind != SQL_STMT_DELETE)
            out->checks |= LAKE_CHECK_ROWS_LIVE;
    }
    if (d->upserts) {
        const struct lake_snapshot *base = lake_metadata_snapshot(d->handle->metadata);

        out->from_snapshot_id = base ? base->id : -1;
        out->checks = LAKE_CHECK_NEW_ROWS;
    }
    return out->added_count || out->row_delete_count || out->removed_count;
}

static int commit(struct dml *d, struct err *err)
{
    struct catalog *catalog = connector_lake_catalog(d->q->options.connector);
    struct lake_change change;
    int rc;

    if (!dml_change(d, &change))
        return 0;
    rc = lake_commit_wait(d->q->options.lake, catalog_lake(catalog), &d->handle->ident, &change,
                          NULL, err);
    return rc == ERR_AGAIN ? 0 : rc; /* others deleted the same rows meanwhile */
}

/* PARTITION (p = 1): the rows of that partition go, as a DELETE would take them. */
static int overwrite_static(struct dml *d, struct err *err)
{
    const struct sql_insert *insert = d->st->insert;
    struct buf text = {0};
    struct sql_statement *st = NULL;
    struct dml *sub = ARENA_NEW(&d->plan.arena, struct dml);
    bool first = true;
    int rc = sub ? 0 : dml_nomem(err);

    rc = rc ? rc : buf_append_str(&text, "DELETE FROM ");
    rc = rc ? rc : sql_print_name(&insert->table, &text);
    for (size_t i = 0; i < insert->partition.count && !rc; i++) {
        struct sql_name column = {&insert->partition.columns[i], 1};

        if (!insert->partition.values[i])
            continue;
        rc = dml_partition_column(d, column.parts, err);
        rc = rc ? rc : buf_append_str(&text, first ? " WHERE " : " AND ");
        rc = rc ? rc : sql_print_name(&column, &text);
        rc = rc ? rc : buf_append_str(&text, " IS NOT DISTINCT FROM ");
        rc = rc ? rc : sql_print_flink_expr(insert->partition.values[i], NULL, &text, err);
        first = false;
    }
    if (!rc && first) {
        rc = dml_overwrite(d, err);
    } else if (!rc) {
        rc = sql_parse_statement(buf_slice(&text), &d->plan.arena, &st, err);
        sub->q = d->q;
        sub->st = st;
        d->sub = sub;
        rc = rc ? rc : bind(sub, err);
        rc = rc ? rc : dml_rows(sub, err);
        rc = rc ? rc : dml_positions(sub, err);
        d->row_deletes = sub->row_deletes;
        d->row_delete_count = sub->row_delete_count;
        d->removed = sub->removed;
        d->removed_count = sub->removed_count;
    }
    d->text = text; /* the statement's tree borrows it */
    return rc && err && !err->code ? dml_nomem(err) : rc;
}

int dml_compute(struct dml *d, struct err *err)
{
    const struct sql_insert *insert = d->st->kind == SQL_STMT_INSERT ? d->st->insert : NULL;
    int rc = bind(d, err);

    if (!rc && dml_upserts(d))
        return dml_upsert(d, err);
    rc = rc ? rc : dml_rows(d, err);
    rc = rc ? rc : dml_positions(d, err);
    rc = rc ? rc : cut(d, err);
    if (!rc && d->copies) {
        rc = dml_copy(d, err);
        rc = rc ? rc : cut(d, err);
    }
    if (!rc && insert && insert->overwrite)
        rc = insert->partition.count ? overwrite_static(d, err) : dml_overwrite(d, err);
    return rc;
}

static int attempt(struct dml *d, struct err *err)
{
    int rc = dml_compute(d, err);

    return rc ? rc : commit(d, err);
}

/* In words, or as numbers: MERGE tells each kind too. */
int dml_answer(enum sql_statement_kind kind, const int64_t counts[3], const struct query_out *out,
               struct err *err)
{
    static const char *const names[] = {"inserted", "updated", "deleted"};
    const struct results_count numbers[] = {{"rows_affected", counts[0] + counts[1] + counts[2]},
                                            {"rows_inserted", counts[0]},
                                            {"rows_updated", counts[1]},
                                            {"rows_deleted", counts[2]}};
    int only = kind == SQL_STMT_INSERT ? 0 : kind == SQL_STMT_UPDATE ? 1 : 2;
    struct buf text = {0};
    int rc = 0;

    for (int i = 0; i < 3 && !rc; i++)
        if (kind == SQL_STMT_MERGE || i == only)
            rc = buf_printf(&text, "%s%" PRId64 " row%s %s", text.len ? ", " : "", counts[i],
                            counts[i] == 1 ? "" : "s", names[i]);
    rc = rc || !buf_cstr(&text)
             ? dml_nomem(err)
             : results_counts(out, numbers, kind == SQL_STMT_MERGE ? COUNT_OF(numbers) : 1,
                              buf_cstr(&text), err);
    buf_deinit(&text);
    return rc;
}

static int execute(struct query_session *q, const struct sql_statement *st, int64_t counts[3],
                   struct err *err)
{
    int rc = ERR_STALE;

    for (int i = 0; i < ATTEMPTS_MAX && rc == ERR_STALE && !atomic_load(&q->cancelled); i++) {
        struct dml d = {.q = q, .st = st};

        if (err)
            *err = (struct err){0};
        rc = attempt(&d, err);
        counts[0] = d.inserted;
        counts[1] = d.updated;
        counts[2] = d.deleted;
        /* After an unknown end the files may be the table's: nothing is removed. */
        dml_forget(&d, rc == 0 || rc == ERR_UNKNOWN);
    }
    if (atomic_load(&q->cancelled) && rc)
        return err_set(err, ERR_CANCELLED, "cancelled");
    if (rc == ERR_STALE)
        return err_wrap(err, ERR_CONFLICT, "others changed the table during %d attempts",
                        ATTEMPTS_MAX);
    return rc;
}

int dml_run(struct query_session *q, const struct sql_statement *st, const struct query_out *out,
            struct err *err)
{
    struct sql_delete all = {.table = st->truncate};
    struct sql_statement truncate = *st;
    int64_t counts[3] = {0};
    int rc;

    if (st->kind == SQL_STMT_TRUNCATE) { /* a DELETE of all rows reads none where it need not */
        truncate.kind = SQL_STMT_DELETE;
        truncate.delete_from = &all;
        st = &truncate;
    }
    rc = execute(q, st, counts, err);
    return rc ? rc : dml_answer(st->kind, counts, out, err);
}

int dml_explain(struct query_session *q, const struct sql_statement *st, struct buf *out,
                struct err *err)
{
    struct dml d = {.q = q, .st = st};
    int rc = bind(&d, err);

    if (!rc)
        rc = buf_printf(out, "%s in %s.%s%s\n", sql_statement_kind_name(st->kind),
                        d.change.target->database, d.change.target->name,
                        !d.change.scanned ? dml_upserts(&d) ? ", by key" : ""
                        : d.copies        ? ", copy-on-write"
                        : d.handle->metadata->format_version >= 3 ? ", deletion vectors"
                                                                  : ", position deletes");
    if (!rc && d.removed_count)
        rc = buf_printf(out, "dropped unread: %zu files, %" PRId64 " rows\n", d.removed_count,
                        d.deleted);
    rc = rc ? rc : query_plan_explain(&d.plan, out, err);
    dml_forget(&d, true);
    return rc;
}

bool dml_is_bounded(struct query_session *q, const struct sql_insert *insert)
{
    const struct sql_resolver *r = session_resolver(q->session);
    const struct sql_table *target = NULL, *const * tables;
    const struct sql_change_options options = {0};
    const struct sql_statement st = {.kind = SQL_STMT_INSERT,
                                     .insert = (struct sql_insert *)insert};
    struct sql_change change = {0};
    const char *parts[4] = {0};
    struct sql_bound *bound = NULL;
    struct arena arena = {0};
    bool bounded = false;
    size_t count = 0;

    for (size_t i = 0; i < insert->table.count && i < COUNT_OF(parts); i++)
        parts[i] = insert->table.parts[i].text;
    if (insert->table.count <= COUNT_OF(parts) &&
        r->table(r->arg, parts, insert->table.count, &target, NULL) == 0 && target->handle &&
        ((const struct session_table *)target->handle)->kind == SESSION_LAKE) {
        /* A query that does not bind is refused by whoever runs it; DEFAULT among VALUES means
         * something only to a target. */
        bounded = sql_bind_query(insert->query, r, &arena, &bound, NULL) == 0 ||
                  sql_bind_change(&st, r, &options, &arena, &change, NULL) == 0 ||
                  !q->options.engine;
        bound = bound ? bound : change.bound;
        tables = bound ? sql_bound_tables(bound, &count) : NULL;
        for (size_t i = 0; i < count; i++)
            bounded &= session_table_ends(tables[i]);
    }
    arena_deinit(&arena);
    return bounded;
}

/* ---- CREATE TABLE ... AS --------------------------------------------------------------------- */

/* The statement without its query, and with the query's columns. */
static int without_query(struct query_session *q, const struct sql_statement *st,
                         struct sql_statement *out, struct err *err)
{
    const struct sql_create_table *from = st->create_table;
    struct arena *arena = &q->names;
    struct sql_create_table *create = ARENA_NEW(arena, struct sql_create_table);
    const struct sql_output *outputs;
    struct sql_column_def *columns;
    struct sql_bound *bound;
    size_t count;
    int rc = sql_bind_query(from->as, session_resolver(q->session), arena, &bound, err);

    if (rc)
        return rc;
    outputs = sql_bound_outputs(bound, &count);
    columns = ARENA_ARRAY(arena, struct sql_column_def, count + 1);
    if (!create || !columns)
        return dml_nomem(err);
    if (from->schema.column_count || (from->as_column_count && from->as_column_count != count))
        return err_set(err, ERR_INVALID,
                       "line %u, column %u: the query gives the columns; their names may stand "
                       "in front of AS, %zu of them",
                       st->pos.line, st->pos.column, count);
    for (size_t i = 0; i < count; i++) {
        columns[i].name.text = from->as_column_count ? from->as_columns[i].text : outputs[i].name;
        columns[i].name.pos = st->pos;
        columns[i].type = outputs[i].type;
    }
    *create = *from;
    create->as = NULL;
    create->as_column_count = 0;
    create->has_schema = true;
    create->schema.columns = columns;
    create->schema.column_count = count;
    *out = *st;
    out->create_table = create;
    return 0;
}

static bool exists(struct query_session *q, const struct sql_name *name)
{
    const struct sql_resolver *r = session_resolver(q->session);
    const struct sql_table *table;
    const char *parts[3] = {0};

    for (size_t i = 0; i < name->count && i < COUNT_OF(parts); i++)
        parts[i] = name->parts[i].text;
    return name->count <= COUNT_OF(parts) &&
           r->table(r->arg, parts, name->count, &table, NULL) == 0;
}

void dml_undo_create(struct query_session *q, const struct sql_statement *st)
{
    struct sql_drop drop = {.object = SQL_OBJECT_TABLE, .name = st->create_table->name};
    struct sql_statement undo = *st;

    undo.kind = SQL_STMT_DROP;
    undo.drop = &drop;
    session_execute(q->session, &undo, NULL);
}

int dml_create_as(struct query_session *q, const struct sql_statement *st, bool *streams,
                  const struct query_out *out, struct err *err)
{
    const struct sql_create_table *create = st->create_table;
    struct sql_insert insert = {.table = create->name, .query = create->as};
    struct sql_statement make = {0}, fill = *st;
    int64_t counts[3] = {0};
    int rc;

    fill.kind = SQL_STMT_INSERT;
    fill.insert = &insert;
    if (exists(q, &create->name))
        return create->if_not_exists
                   ? results_ok(out, "the table exists already: nothing was done", err)
                   : err_set(err, ERR_EXISTS, "line %u, column %u: table `%s` exists already",
                             st->pos.line, st->pos.column,
                             create->name.parts[create->name.count - 1].text);
    rc = without_query(q, st, &make, err);
    rc = rc ? rc : session_execute(q->session, &make, err);
    if (rc)
        return rc;
    *streams = !dml_is_bounded(q, &insert);
    if (*streams)
        return 0;
    rc = execute(q, &fill, counts, err);
    if (rc && rc != ERR_UNKNOWN)
        dml_undo_create(q, st);
    return rc ? rc : dml_answer(SQL_STMT_INSERT, counts, out, err);
}
