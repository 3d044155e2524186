/* select.c - a SELECT over committed snapshots, and over what connectors give: bind, plan each
 * table's files, run in DuckDB, stream out.
 *
 * Each Iceberg table in the query becomes a parenthesised SELECT over its Parquet files
 * (lake/scan.h). The snapshot is the one that was current when the name was resolved, so one
 * statement sees one version of each table whatever is committed meanwhile.
 */
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "lake/inspect.h"
#include "query/query_int.h"

/* The statement's conditions on this table, as the lake prunes by them. Values that do not read as
 * the column's type prune nothing: DuckDB will say what it thinks of them. */
static size_t predicates_of(struct query_plan *s, const struct query_scan *scan,
                            struct lake_predicate *out)
{
    static const enum lake_op ops[] = {
        [SQL_COND_EQ] = LAKE_OP_EQ, [SQL_COND_NE] = LAKE_OP_NE, [SQL_COND_LT] = LAKE_OP_LT,
        [SQL_COND_LE] = LAKE_OP_LE, [SQL_COND_GT] = LAKE_OP_GT, [SQL_COND_GE] = LAKE_OP_GE,
        [SQL_COND_IN] = LAKE_OP_IN};
    const struct session_table *handle = scan->table->handle;
    const struct lake_schema *schema = handle->schema;
    size_t count = 0;

    for (size_t i = 0; i < s->condition_count; i++) {
        const struct sql_condition *c = &s->conditions[i];
        const struct lake_field *field =
            c->column < schema->root.field_count ? &schema->root.fields[c->column] : NULL;
        struct lake_value *values = ARENA_ARRAY(&s->arena, struct lake_value, c->value_count);
        bool readable = values && field && lake_type_primitive(&field->type);

        if (c->table != scan->table || !field)
            continue;
        for (size_t v = 0; v < c->value_count && readable; v++)
            readable =
                lake_value_parse(&field->type, c->values[v], &s->arena, &values[v], NULL) == 0;
        if (readable)
            out[count++] = (struct lake_predicate){field->id, ops[c->op], values, c->value_count};
    }
    return count;
}

/* FROM the scan with uuids as text, at any depth. */
static int put_texts(const struct query_scan *scan, struct buf *sql)
{
    struct buf casts = {0};
    int rc = 0;

    for (size_t i = 0; i < scan->table->column_count && !rc; i++) {
        const struct sql_column *column = &scan->table->columns[i];

        if (!type_has_uuid(column->type))
            continue;
        rc = buf_append_str(&casts, casts.len ? ", CAST(" : "(SELECT * REPLACE (CAST(");
        rc = rc ? rc : lake_sql_name(&casts, column->name);
        rc = rc ? rc : buf_append_str(&casts, " AS ");
        rc = rc ? rc : sql_type_print_duckdb(column->type, &casts);
        rc = rc ? rc : buf_append_str(&casts, ") AS ");
        rc = rc ? rc : lake_sql_name(&casts, column->name);
    }
    if (!rc && casts.len) {
        rc = buf_append_str(&casts, ") FROM ");
        rc = rc ? rc : buf_append_slice(&casts, buf_slice(sql));
        rc = rc ? rc : buf_append_str(&casts, ")");
        buf_clear(sql);
        rc = rc ? rc : buf_append_slice(sql, buf_slice(&casts));
    }
    buf_deinit(&casts);
    return rc;
}

static int plan_scan(struct query_plan *s, struct query_scan *scan, struct err *err)
{
    struct lake_predicate *predicates =
        ARENA_ARRAY(&s->arena, struct lake_predicate, s->condition_count + 1);
    struct lake *lake = s->q->options.lake;
    const struct session_table *handle = scan->table->handle;
    const char **columns = ARENA_ARRAY(&s->arena, const char *, scan->table->column_count);
    struct buf sql = {0};
    int rc;

    if (!columns || !predicates)
        return err_set(err, ERR_NOMEM, "plan");
    for (size_t i = 0; i < scan->table->column_count; i++)
        columns[i] = scan->table->columns[i].name;
    if (handle->kind != SESSION_LAKE) {
        rc = (handle->kind == SESSION_STATE ? states_scan : connected_scan)(s, scan->table,
                                                                            &scan->plan, &sql, err);
        scan->planned = rc == 0;
    } else if (handle->inspect >= 0) {
        struct lake_inspect of = {(enum lake_inspect_kind)handle->inspect, handle->metadata,
                                  handle->metadata_location, handle->snapshot_id};

        rc = lake_inspect_sql(lake, &of, &s->arena, &scan->plan, &sql, err);
        scan->planned = rc == 0;
    } else {
        scan->predicates = predicates;
        scan->predicate_count = predicates_of(s, scan, predicates);
        /* What is to be changed is kept beyond the query: copied. */
        rc = (scan->table == s->addressed ? lake_plan : lake_plan_borrowed)(
            lake, handle->metadata, handle->snapshot_id, handle->schema, predicates,
            scan->predicate_count, &s->arena, &scan->plan, err);
        scan->planned = rc == 0;
        if (!rc && scan->table == s->addressed) {
            scan->plan.addressed = true;
            rc = s->planned ? s->planned(s->planned_arg, scan, err) : 0;
        }
        if (!rc)
            rc = lake_scan_sql(lake, s->q->conn, &scan->plan, columns, scan->table->column_count,
                               &s->arena, &sql, err);
        if (!rc && put_texts(scan, &sql))
            rc = err_set(err, ERR_NOMEM, "plan");
    }
    if (!rc && !(scan->sql = arena_cstr(&s->arena, buf_slice(&sql))))
        rc = err_set(err, ERR_NOMEM, "plan");
    buf_deinit(&sql);
    return rc ? err_wrap(err, rc, "table `%s`", scan->table->name) : 0;
}

static const char *scan_text(void *arg, const struct sql_table *table)
{
    struct query_plan *s = arg;

    for (size_t i = 0; i < s->scan_count; i++)
        if (s->scans[i].table == table)
            return s->scans[i].sql;
    return NULL;
}

int query_plan_bound(struct query_plan *s, struct err *err)
{
    struct sql_duckdb_options options = {.table = scan_text, .arg = s};
    const struct sql_table *const *tables;
    size_t count;
    int rc = sql_bound_conditions(s->bound, &s->arena, &s->conditions, &s->condition_count, err);

    if (rc)
        return rc;
    s->outputs = sql_bound_outputs(s->bound, &s->output_count);
    tables = sql_bound_tables(s->bound, &count);
    s->scans = ARENA_ARRAY(&s->arena, struct query_scan, count ? count : 1);
    if (!s->scans)
        return err_set(err, ERR_NOMEM, "plan");
    for (size_t i = 0; i < count && !rc; i++) {
        s->scans[s->scan_count].table = tables[i];
        rc = plan_scan(s, &s->scans[s->scan_count++], err);
    }
    return rc ? rc : sql_print_duckdb(s->bound, &options, &s->sql, err);
}

static int prepare(struct query_plan *s, const struct sql_query *query, struct err *err)
{
    int rc = sql_bind_query(query, session_resolver(s->q->session), &s->arena, &s->bound, err);

    return rc ? rc : query_plan_bound(s, err);
}

void query_plan_deinit(struct query_plan *s)
{
    for (size_t i = 0; i < s->scan_count; i++)
        if (s->scans[i].planned)
            lake_plan_release(s->q->options.lake, &s->scans[i].plan);
    buf_deinit(&s->sql);
    arena_deinit(&s->arena);
}

/* Calls `progress` ten times a second until told to stop. */
struct ticker {
    struct query_session *q;
    const struct query_out *out;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool over, started;
};

static void *tick(void *arg)
{
    struct ticker *t = arg;

    pthread_mutex_lock(&t->mutex);
    while (!t->over) {
        struct timespec until;

        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 100000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&t->changed, &t->mutex, &until);
        if (!t->over)
            t->out->progress(t->out->arg, vec_query_progress(t->q->conn));
    }
    pthread_mutex_unlock(&t->mutex);
    return NULL;
}

static void ticker_start(struct ticker *t, struct query_session *q, const struct query_out *out)
{
    *t = (struct ticker){.q = q, .out = out};
    pthread_mutex_init(&t->mutex, NULL);
    pthread_cond_init(&t->changed, NULL);
    t->started = out->progress && pthread_create(&t->thread, NULL, tick, t) == 0;
}

static void ticker_stop(struct ticker *t)
{
    pthread_mutex_lock(&t->mutex);
    t->over = true;
    pthread_cond_signal(&t->changed);
    pthread_mutex_unlock(&t->mutex);
    if (t->started)
        pthread_join(t->thread, NULL);
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->mutex);
}

static int cancelled(struct query_session *q, int rc, struct err *err)
{
    return atomic_load(&q->cancelled) ? err_set(err, ERR_CANCELLED, "cancelled") : rc;
}

static int run(struct query_plan *s, const struct query_out *out, struct err *err)
{
    struct cell_column *columns = ARENA_ARRAY(&s->arena, struct cell_column, s->output_count + 1);
    struct vec_result *result = NULL;
    struct results *results = NULL;
    struct ticker ticker;
    duckdb_data_chunk chunk;
    int rc;

    if (!columns || !buf_cstr(&s->sql))
        return err_set(err, ERR_NOMEM, "result");
    for (size_t i = 0; i < s->output_count; i++)
        columns[i] = (struct cell_column){s->outputs[i].name, s->outputs[i].type};
    ticker_start(&ticker, s->q, out);
    rc = vec_query(s->q->conn, buf_cstr(&s->sql), &result, err);
    ticker_stop(&ticker);
    if (!rc)
        rc = results_new(&results, out, columns, s->output_count, err);
    while (!rc) {
        rc = vec_result_next(result, &chunk, err);
        if (rc || !chunk)
            break;
        rc = results_chunk(results, chunk, err);
        rc = cancelled(s->q, rc, err);
    }
    if (!rc)
        rc = results_end(results, err);
    results_free(results);
    vec_result_free(result);
    return cancelled(s->q, rc, err);
}

int select_run(struct query_session *q, const struct sql_query *query, const struct query_out *out,
               struct err *err)
{
    struct query_plan s = {.q = q};
    int rc = prepare(&s, query, err);

    if (!rc)
        rc = run(&s, out, err);
    query_plan_deinit(&s);
    return rc;
}

/* The first cell of a query's result, for the session: see session.h. */
static int constant_cell(duckdb_data_chunk chunk, struct arena *arena, const char **text,
                         struct err *err)
{
    duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, 0);
    duckdb_logical_type type = duckdb_vector_get_column_type(vector);
    duckdb_type id = duckdb_get_type_id(type);
    const void *data = duckdb_vector_get_data(vector);

    duckdb_destroy_logical_type(&type);
    *text = NULL;
    if (cell_is_null(vector, 0))
        return 0;
    if (id == DUCKDB_TYPE_VARCHAR) {
        duckdb_string_t cell = *(const duckdb_string_t *)data;

        *text =
            arena_cstr(arena, slice_of(duckdb_string_t_data(&cell), duckdb_string_t_length(cell)));
    } else if (id == DUCKDB_TYPE_TIMESTAMP || id == DUCKDB_TYPE_TIMESTAMP_TZ) {
        *text = arena_printf(arena, "%" PRId64, ((const duckdb_timestamp *)data)->micros);
    } else {
        return err_set(err, ERR_INTERNAL, "a constant of an unexpected type");
    }
    return *text ? 0 : err_set(err, ERR_NOMEM, "constant");
}

int select_constant(void *arg, const char *query, struct arena *arena, const char **text,
                    struct err *err)
{
    struct query_session *q = arg;
    struct query_plan s = {.q = q};
    struct vec_result *result = NULL;
    struct sql_query *parsed;
    duckdb_data_chunk chunk;
    int rc = sql_parse_query(slice_str(query), &s.arena, &parsed, err);

    rc = rc ? rc : prepare(&s, parsed, err);
    if (!rc && !buf_cstr(&s.sql))
        rc = err_set(err, ERR_NOMEM, "constant");
    rc = rc ? rc : vec_query(q->conn, buf_cstr(&s.sql), &result, err);
    rc = rc ? rc : vec_result_next(result, &chunk, err);
    if (!rc)
        rc = chunk && duckdb_data_chunk_get_size(chunk) ? constant_cell(chunk, arena, text, err)
                                                        : err_set(err, ERR_INVALID, "no row");
    vec_result_free(result);
    query_plan_deinit(&s);
    return rc;
}

/* What will be read, and DuckDB's own plan. */
static int explain_scans(struct query_plan *s, struct buf *out)
{
    int rc = 0;

    for (size_t i = 0; i < s->scan_count && !rc; i++) {
        const struct lake_plan *plan = &s->scans[i].plan;

        rc = buf_printf(out,
                        "table %s.%s, snapshot %" PRId64 ": %zu files, %" PRId64 " rows, %" PRId64
                        " bytes; pruned: %zu files, %zu manifests; delete files: %zu\n",
                        s->scans[i].table->database, s->scans[i].table->name, plan->snapshot_id,
                        plan->file_count, plan->rows, plan->bytes, plan->files_pruned,
                        plan->manifests_pruned, plan->delete_count);
    }
    return rc;
}

int query_plan_explain(struct query_plan *s, struct buf *out, struct err *err)
{
    struct vec_result *result = NULL;
    struct buf sql = {0};
    duckdb_data_chunk chunk;
    int rc = explain_scans(s, out);

    if (!rc && (buf_append_str(&sql, "EXPLAIN ") || buf_append_slice(&sql, buf_slice(&s->sql)) ||
                !buf_cstr(&sql)))
        rc = err_set(err, ERR_NOMEM, "plan");
    if (!rc)
        rc = vec_query(s->q->conn, buf_cstr(&sql), &result, err);
    while (!rc) {
        rc = vec_result_next(result, &chunk, err);
        if (rc || !chunk)
            break;
        for (idx_t row = 0; row < duckdb_data_chunk_get_size(chunk) && !rc; row++) {
            duckdb_string_t *text = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 1));

            rc = buf_append(out, duckdb_string_t_data(text + row),
                            duckdb_string_t_length(text[row]));
        }
    }
    vec_result_free(result);
    buf_deinit(&sql);
    return rc;
}

int select_explain(struct query_session *q, const struct sql_query *query, struct buf *out,
                   struct err *err)
{
    struct query_plan s = {.q = q, .explained = true};
    int rc = prepare(&s, query, err);

    rc = rc ? rc : query_plan_explain(&s, out, err);
    query_plan_deinit(&s);
    return rc;
}
