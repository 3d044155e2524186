/* analyze.c - ANALYZE TABLE t COMPUTE STATISTICS [FOR COLUMNS a, b | FOR ALL COLUMNS]: the numbers
 * of distinct values of an Iceberg table's current snapshot, and what its partitions hold,
 * committed beside it (lake/statistics.h). */
#include <stdio.h>

#include "lake/statistics.h"
#include "query/query_int.h"

static int find(struct query_session *q, const struct sql_name *name,
                const struct session_table **out, struct err *err)
{
    const struct sql_resolver *resolver = session_resolver(q->session);
    const struct sql_table *table;
    const char *parts[4];
    int rc;

    if (name->count > COUNT_OF(parts))
        return err_set(err, ERR_INVALID, "a table's name has one to three parts");
    for (size_t i = 0; i < name->count; i++)
        parts[i] = name->parts[i].text;
    rc = resolver->table(resolver->arg, parts, name->count, &table, err);
    if (rc)
        return rc;
    *out = table->handle;
    if (!*out || (*out)->kind != SESSION_LAKE || (*out)->inspect >= 0 || (*out)->branch)
        return err_set(err, ERR_UNSUPPORTED, "ANALYZE TABLE works on Iceberg tables; `%s` is none",
                       table->name);
    return 0;
}

/* `partitions` NULL: the table has none. */
static int commit(struct query_session *q, const struct session_table *handle, const json_t *update,
                  const json_t *partitions, struct arena *arena, struct err *err)
{
    json_t *updates =
        partitions ? json_pack("[O, O]", update, partitions) : json_pack("[O]", update);
    json_t *requirements =
        json_pack("[{s:s, s:s}]", "type", "assert-table-uuid", "uuid", handle->metadata->uuid);
    struct catalog_change change = {handle->ident, requirements, updates};
    struct catalog_table made = {0};
    int rc = updates && requirements ? 0 : err_set(err, ERR_NOMEM, "statistics");

    rc = rc ? rc
            : catalog_commit(connector_lake_catalog(q->options.connector), &change, 1, "sql", arena,
                             &made, err);
    catalog_table_deinit(&made);
    json_decref(updates);
    json_decref(requirements);
    return rc;
}

int analyze_run(struct query_session *q, const struct sql_statement *st,
                const struct query_out *out, struct err *err)
{
    const struct sql_analyze *analyze = st->analyze;
    const struct session_table *handle = NULL;
    struct arena arena = {0};
    const char **columns = ARENA_ARRAY(&arena, const char *, analyze->column_count + 1);
    json_t *update = NULL, *partitions = NULL;
    char said[120];
    int rc = columns ? 0 : err_set(err, ERR_NOMEM, "statistics");

    if (!rc && analyze->partition.count)
        rc = err_set(err, ERR_UNSUPPORTED, "statistics of one partition are not built");
    rc = rc ? rc : find(q, &analyze->table, &handle, err);
    for (size_t i = 0; i < analyze->column_count && !rc; i++)
        columns[i] = analyze->columns[i].text;
    rc = rc ? rc
            : lake_statistics_wait(q->options.lake, q->conn, handle->metadata,
                                   analyze->column_count ? columns : NULL, analyze->column_count,
                                   &update, err);
    rc = rc ? rc
            : lake_partition_statistics_wait(q->options.lake, q->conn, handle->metadata,
                                             &partitions, err);
    rc = rc ? rc : commit(q, handle, update, partitions, &arena, err);
    if (!rc) {
        const json_t *blobs =
            json_object_get(json_object_get(update, "statistics"), "blob-metadata");

        snprintf(said, sizeof(said), "distinct values of %zu columns counted%s",
                 json_array_size(blobs), partitions ? ", and what each partition holds" : "");
        rc = results_ok(out, said, err);
    }
    json_decref(update);
    json_decref(partitions);
    arena_deinit(&arena);
    return rc;
}
