/* http_named.c - what the REST catalog asks of tables and of views in the same words. */
#include "catalog/http_int.h"

int rest_done(struct rest_call *call, int rc)
{
    if (!rc)
        http_status(call->reply, 204);
    return rc;
}

int rest_list(struct rest_call *call, rest_list_fn *fn, struct err *err)
{
    const char *ns = http_param(call->req, "ns"), *after;
    struct catalog_names names;
    json_t *array;
    size_t max;
    int rc;

    rest_page(call, &after, &max);
    rc = fn(call->catalog, ns, after, max, call->arena, &names, err);
    if (rc)
        return rc;
    array = json_array();
    for (size_t i = 0; i < names.count && !rc; i++)
        rc = json_array_append_new(array, rest_ident_json(ns, names.list[i]));
    return rest_reply_page(call, "identifiers", array, rc != 0, &names, err);
}

int rest_rename(struct rest_call *call, rest_rename_fn *fn, struct err *err)
{
    struct lake_ident from, to;
    int rc = rest_ident_parse(call, json_object_get(call->body, "source"), &from, err);

    if (!rc)
        rc = rest_ident_parse(call, json_object_get(call->body, "destination"), &to, err);
    return rest_done(call, rc ? rc : fn(call->catalog, &from, &to, err));
}

int rest_read_register(struct rest_call *call, const char *kind, struct lake_ident *ident,
                       const char **location, struct err *err)
{
    int rc;

    *ident = (struct lake_ident){.ns = http_param(call->req, "ns")};
    rc = json_get_str(call->body, "name", "request", &ident->name, err);
    if (!rc)
        rc = json_get_str(call->body, "metadata-location", "request", location, err);
    return rc ? err_wrap(err, ERR_INVALID, "Cannot register the %s", kind) : 0;
}
