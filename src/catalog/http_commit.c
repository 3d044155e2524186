/* http_commit.c - commits of one table and of several; and views, which are not there. */
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
        rc = rest_table_reply(call, &table, false, false, err);
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

static const struct rest_op ops[] = {
    {"POST", "/namespaces/{ns}/tables/{table}", commit_table, REST_PREFIX | REST_BODY,
     "CommitFailedException"},
    {"POST", "/transactions/commit", commit_transaction, REST_PREFIX | REST_BODY,
     "CommitFailedException"},
};
const struct rest_group rest_commits = {ops, COUNT_OF(ops)};

/* ---- views ---- */

/* Clients that do not read the list of endpoints look for a view when a table is missing. */
static int view_absent(struct rest_call *call, struct err *err)
{
    struct lake_ident ident = rest_path_ident(call);

    return err_set(err, ERR_NOENT, "View does not exist: %.300s", show_table(&ident).text);
}

static int no_views(struct rest_call *call, struct err *err)
{
    (void)call;
    return err_set(err, ERR_UNSUPPORTED, "This catalog does not keep views");
}

static const struct rest_op view_ops[] = {
    {"GET", "/namespaces/{ns}/views/{table}", view_absent, REST_PREFIX | REST_HIDDEN, NULL},
    {"HEAD", "/namespaces/{ns}/views/{table}", view_absent, REST_PREFIX | REST_HIDDEN, NULL},
    {"*", "/namespaces/{ns}/views/{table}", no_views, REST_PREFIX | REST_HIDDEN, NULL},
    {"*", "/namespaces/{ns}/views", no_views, REST_PREFIX | REST_HIDDEN, NULL},
    {"*", "/views/rename", no_views, REST_PREFIX | REST_HIDDEN, NULL},
};
const struct rest_group rest_views = {view_ops, COUNT_OF(view_ops)};
