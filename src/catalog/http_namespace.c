/* http_namespace.c - the REST catalog's namespaces. */
#include "catalog/http_int.h"

static int list(struct rest_call *call, struct err *err)
{
    const char *parent = http_query(call->req, "parent"), *after;
    struct catalog_names names;
    json_t *array;
    size_t max;
    int rc;

    rest_page(call, &after, &max);
    rc = catalog_namespace_list(call->catalog, parent, after, max, call->arena, &names, err);
    if (rc)
        return rc;
    array = json_array();
    for (size_t i = 0; i < names.count && !rc; i++)
        rc = json_array_append_new(array, rest_ns_json(names.list[i]));
    return rest_reply_page(call, "namespaces", array, rc != 0, &names, err);
}

static int reply_namespace(struct rest_call *call, const char *ns, struct err *err)
{
    json_t *properties = NULL;
    int rc = catalog_namespace_load(call->catalog, ns, &properties, err);

    if (rc)
        return rc;
    return rest_reply(
        call, 200, json_pack("{s:o, s:o}", "namespace", rest_ns_json(ns), "properties", properties),
        err);
}

static int create(struct rest_call *call, struct err *err)
{
    const char *ns = rest_ns_parse(call, json_object_get(call->body, "namespace"), err);
    const json_t *properties = json_object_get(call->body, "properties");
    int rc;

    if (!ns)
        return ERR_INVALID;
    rc = catalog_namespace_create(call->catalog, ns, json_is_null(properties) ? NULL : properties,
                                  err);
    return rc ? rc : reply_namespace(call, ns, err);
}

static int load(struct rest_call *call, struct err *err)
{
    return reply_namespace(call, http_param(call->req, "ns"), err);
}

static int exists(struct rest_call *call, struct err *err)
{
    int rc = catalog_namespace_load(call->catalog, http_param(call->req, "ns"), NULL, err);

    if (!rc)
        http_status(call->reply, 204);
    return rc;
}

static int drop(struct rest_call *call, struct err *err)
{
    int rc = catalog_namespace_drop(call->catalog, http_param(call->req, "ns"), err);

    if (!rc)
        http_status(call->reply, 204);
    return rc;
}

/* The specification has a status of its own for a key that is set and removed at once. */
static bool contradicts(const json_t *removals, const json_t *updates)
{
    size_t at;
    json_t *key;

    json_array_foreach(removals, at, key)
    {
        if (json_is_string(key) && json_object_get(updates, json_string_value(key)))
            return true;
    }
    return false;
}

static int update(struct rest_call *call, struct err *err)
{
    const json_t *removals = json_object_get(call->body, "removals");
    const json_t *updates = json_object_get(call->body, "updates");
    json_t *result = NULL;
    int rc;

    if (contradicts(removals, updates))
        return rest_fail(call, 422, "UnprocessableEntityException",
                         "A key is both updated and removed");
    rc = catalog_namespace_update(call->catalog, http_param(call->req, "ns"), removals, updates,
                                  &result, err);
    return rc ? rc : rest_reply(call, 200, result, err);
}

static int created_again(struct rest_call *call, struct err *err)
{
    const char *ns = rest_ns_parse(call, json_object_get(call->body, "namespace"), err);

    return ns ? reply_namespace(call, ns, err) : ERR_INVALID;
}

#define WRITE (REST_PREFIX | REST_ONCE)

static const struct rest_op ops[] = {
    {"GET", "/namespaces", list, REST_PREFIX, NULL, NULL},
    {"POST", "/namespaces", create, WRITE | REST_BODY, NULL, created_again},
    {"GET", "/namespaces/{ns}", load, REST_PREFIX, NULL, NULL},
    {"HEAD", "/namespaces/{ns}", exists, REST_PREFIX, NULL, NULL},
    {"DELETE", "/namespaces/{ns}", drop, WRITE, "NamespaceNotEmptyException", NULL},
    {"POST", "/namespaces/{ns}/properties", update, WRITE | REST_BODY, NULL, NULL},
};
const struct rest_group rest_namespaces = {ops, COUNT_OF(ops)};
