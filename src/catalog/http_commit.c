/* http_commit.c - commits of one table and of several. */
#include "catalog/http_int.h"

static int read_change(struct rest_call *call, const json_t *json, struct catalog_change *out,
                       struct err *err)
{
    const json_t *ident = json_object_get(json, "identifier");
    json_t *requirements, *updates;
    int rc = 0;

    if (!out->ident.name)
        rc = rest_ident_parse(call, ident, &out->ident, err);
    if (!rc)
        rc = json_get_arr(json, "requirements", "commit", &requirements, err);
    if (!rc)
        rc = json_get_arr(json, "updates", "commit", &updates, err);
    if (rc)
        return err_wrap(err, ERR_INVALID, "Cannot parse the request");
    out->requirements = requirements;
    out->updates = updates;
    return 0;
}

static int commit_table(struct rest_call *call, struct err *err)
{
    struct catalog_change change = {.ident = rest_path_ident(call)};
    struct catalog_table table = {0};
    int rc = read_change(call, call->body, &change, err);

    if (!rc)
        rc = catalog_commit(call->catalog, &change, 1, call->who, call->arena, &table, err);
    if (!rc)
        rc = rest_table_reply(call, &change.ident, &table, REST_AS_COMMIT, err);
    catalog_table_deinit(&table);
    return rc;
}

static int commit_transaction(struct rest_call *call, struct err *err)
{
    struct catalog_change *changes;
    struct catalog_table *tables;
    json_t *list;
    size_t count;
    int rc = json_get_arr(call->body, "table-changes", "request", &list, err);

    if (rc)
        return err_wrap(err, ERR_INVALID, "Cannot parse the request");
    count = json_array_size(list);
    if (count == 0)
        return err_set(err, ERR_INVALID, "table-changes: empty");
    changes = ARENA_ARRAY(call->arena, struct catalog_change, count);
    tables = ARENA_ARRAY(call->arena, struct catalog_table, count);
    if (!changes || !tables)
        return err_set(err, ERR_NOMEM, "commit");
    for (size_t i = 0; !rc && i < count; i++)
        rc = read_change(call, json_array_get(list, i), &changes[i], err);
    if (!rc)
        rc = catalog_commit(call->catalog, changes, count, call->who, call->arena, tables, err);
    if (!rc)
        http_status(call->reply, 204);
    for (size_t i = 0; i < count; i++)
        catalog_table_deinit(&tables[i]);
    return rc;
}

/* One that only asks changes nothing, and is simply asked again. */
static int committed_again(struct rest_call *call, struct err *err)
{
    struct lake_ident ident = rest_path_ident(call);
    struct catalog_table table;
    int rc = catalog_table_load(call->catalog, &ident, call->arena, &table, err);

    if (!rc)
        rc = rest_table_reply(call, &ident, &table, REST_AS_COMMIT, err);
    catalog_table_deinit(&table);
    return rc;
}

static const struct rest_op ops[] = {
    {"POST", "/namespaces/{ns}/tables/{table}", commit_table, REST_PREFIX | REST_BODY | REST_ONCE,
     "CommitFailedException", committed_again},
    {"POST", "/transactions/commit", commit_transaction, REST_PREFIX | REST_BODY | REST_ONCE,
     "CommitFailedException", NULL},
};
const struct rest_group rest_commits = {ops, COUNT_OF(ops)};
