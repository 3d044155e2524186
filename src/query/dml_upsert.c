/* dml_upsert.c - INSERT into a table that is written by key: a row takes the place of those of its
 * key, as it would if a job wrote it (lake/upsert.h). The place of the old rows is only known for
 * the snapshot at hand, so any row that comes in meanwhile has the statement computed anew. */
#include "lake/upsert.h"
#include "query/dml.h"

static int pull(void *arg, duckdb_data_chunk out, struct err *err)
{
    duckdb_data_chunk chunk;
    int rc = vec_result_next(arg, &chunk, err);

    if (rc)
        return rc;
    if (chunk)
        vec_chunk_refer(out, chunk);
    else
        duckdb_data_chunk_set_size(out, 0);
    return 0;
}

bool dml_upserts(const struct dml *d)
{
    const struct sql_insert *insert = d->st->kind == SQL_STMT_INSERT ? d->st->insert : NULL;

    return insert && !insert->overwrite &&
           (insert->upsert || lake_upsert_wanted(d->handle->metadata) ||
            session_asks_for_upsert(d->change.target, &insert->table_hints));
}

int dml_upsert(struct dml *d, struct err *err)
{
    struct lake_upsert_options o = {d->q->options.lake, d->q->options.db, d->handle->metadata};
    struct arena *arena = &d->plan.arena;
    struct lake_upsert *upsert = NULL;
    struct lake_upsert_cut *keys = NULL;
    struct vec_result *result = NULL;
    struct vec_feed feed = {.pull = pull};
    int rc = d->handle->branch
                 ? err_set(err, ERR_UNSUPPORTED, "`%s` is written by key, which a branch cannot be",
                           d->change.target->name)
                 : lake_upsert_new(&upsert, &o, err);

    if (!rc && !buf_cstr(&d->plan.sql))
        rc = dml_nomem(err);
    rc = rc ? rc : vec_query(d->q->conn, buf_cstr(&d->plan.sql), &result, err);
    if (!rc) {
        feed.columns = vec_result_columns(result);
        feed.arg = result;
        rc = lake_upsert_drain(upsert, d->handle->metadata, &feed, arena, &d->added,
                               &d->added_count, &keys, err);
    }
    d->inserted = keys ? lake_upsert_cut_rows(keys) : 0;
    if (!rc && keys)
        rc = lake_upsert_stage(upsert, keys, d->handle->metadata, arena, &d->row_deletes,
                               &d->row_delete_count, err);
    d->upserts = true;
    vec_result_free(result);
    lake_upsert_cut_free(keys);
    lake_upsert_free(upsert);
    return rc;
}
