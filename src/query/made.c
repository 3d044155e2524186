/* made.c - rows into a file of the statement's own, and how DuckDB reads it. */
#include "base/rand.h"
#include "query/query_int.h"

int made_open(struct query_made *m, struct query_session *q, const struct vec_columns *columns,
              struct arena *arena, struct err *err)
{
    struct vec_copy_options options = {.select = "*", .codec = "lz4"};
    struct vec_columns numbered = {0};
    char uuid[37], name[24];
    int rc = 0;

    uuid_v4(uuid);
    m->path = arena_printf(arena, "%s/%s.made.parquet", lake_store(q->options.lake)->staging, uuid);
    for (size_t i = 0; i < columns->count && !rc; i++) {
        duckdb_logical_type type = vec_type_copy(columns->list[i].type);

        snprintf(name, sizeof(name), "v%zu", i);
        rc = type ? vec_columns_add(&numbered, name, type) : ERR_NOMEM;
    }
    options.path = m->path;
    if (rc || !m->path)
        rc = err_set(err, ERR_NOMEM, "rows of a query");
    if (!rc)
        rc = vec_copy_new(&m->copy, q->options.db, &numbered, &options, err);
    vec_columns_free(&numbered);
    return rc;
}

int made_push(void *made, struct vec_batch *rows, struct err *err)
{
    return vec_copy_push(((struct query_made *)made)->copy, rows, err);
}

int made_close(struct query_made *m, int rc, struct arena *arena, struct lake_plan *plan,
               struct err *err)
{
    struct vec_copy_result result;

    memset(plan, 0, sizeof(*plan));
    plan->made = rc ? NULL : ARENA_ARRAY(arena, const char *, 1);
    if (!rc && !plan->made)
        rc = err_set(err, ERR_NOMEM, "rows of a query");
    if (!rc)
        rc = vec_copy_finish(m->copy, arena, &result, err);
    vec_copy_free(m->copy);
    m->copy = NULL;
    if (!rc)
        plan->made[plan->made_count++] = m->path;
    return rc;
}

int made_put_select(const struct query_made *m, const struct sql_table *table, const char *tail,
                    struct buf *sql)
{
    int rc = buf_append_str(sql, "(SELECT ");
    size_t at = 0;

    for (size_t i = 0; i < table->column_count && !rc; i++) {
        if (table->columns[i].kind == SQL_COLUMN_COMPUTED)
            continue;
        rc = buf_printf(sql, "%sv%zu AS ", at ? ", " : "", at);
        rc = rc ? rc : lake_sql_name(sql, table->columns[i].name);
        at++;
    }
    rc = rc ? rc : buf_append_str(sql, " FROM read_parquet(");
    rc = rc ? rc : lake_sql_text(sql, m->path);
    return rc ? rc : buf_printf(sql, ", file_row_number = true)%s)", tail);
}
