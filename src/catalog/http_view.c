/* http_view.c - the REST catalog's views. */
#include "catalog/http_int.h"

static struct lake_ident path_view(struct rest_call *call)
{
    return (struct lake_ident){.ns = http_param(call->req, "ns"),
                               .name = http_param(call->req, "view")};
}

static int reply_view(struct rest_call *call, struct catalog_view *view, struct err *err)
{
    return rest_reply(call, 200,
                      json_pack("{s:s, s:O, s:{}}", "metadata-location", view->location, "metadata",
                                view->view->doc, "config"),
                      err);
}

static int list(struct rest_call *call, struct err *err)
{
    return rest_list(call, catalog_view_list, err);
}

static int load_as(struct rest_call *call, const struct lake_ident *ident, struct err *err)
{
    struct catalog_view view;
    int rc = catalog_view_load(call->catalog, ident, call->arena, &view, err);

    if (!rc)
        rc = reply_view(call, &view, err);
    catalog_view_deinit(&view);
    return rc;
}

static int load(struct rest_call *call, struct err *err)
{
    struct lake_ident ident = path_view(call);

    return load_as(call, &ident, err);
}

static int exists(struct rest_call *call, struct err *err)
{
    struct lake_ident ident = path_view(call);

    return rest_done(call, catalog_view_exists(call->catalog, &ident, err));
}

/* ---- create, register ---- */

static int add_update(json_t *updates, const char *action, const char *key,
                      json_t *value /* take */)
{
    return json_array_append_new(updates, json_pack("{s:s, s:o}", "action", action, key, value));
}

/* A request to create, as the updates that make it. */
static json_t *create_updates(const json_t *body, const json_t *schema, const json_t *version)
{
    json_t *updates = json_array(), *copy = json_copy((json_t *)version);
    json_t *properties = json_object_get(body, "properties");
    json_t *location = json_object_get(body, "location");
    int bad = json_object_set_new(copy, "schema-id", json_integer(-1));

    bad |= add_update(updates, "add-schema", "schema", json_incref((json_t *)schema));
    if (json_is_string(location) && json_string_length(location))
        bad |= add_update(updates, "set-location", "location", json_incref(location));
    if (json_is_object(properties))
        bad |= add_update(updates, "set-properties", "updates", json_incref(properties));
    bad |= add_update(updates, "add-view-version", "view-version", copy);
    bad |= add_update(updates, "set-current-view-version", "view-version-id", json_integer(-1));
    if (!bad)
        return updates;
    json_decref(updates);
    return NULL;
}

static int create(struct rest_call *call, struct err *err)
{
    struct lake_ident ident = {.ns = http_param(call->req, "ns")};
    struct catalog_view view = {0};
    json_t *schema, *version, *updates;
    int rc = json_get_str(call->body, "name", "request", &ident.name, err);

    rc = rc ? rc : json_get_obj(call->body, "schema", "request", &schema, err);
    rc = rc ? rc : json_get_obj(call->body, "view-version", "request", &version, err);
    if (rc)
        return err_wrap(err, ERR_INVALID, "Cannot create the view");
    updates = create_updates(call->body, schema, version);
    rc = updates ? rest_check_location(call, err) : err_set(err, ERR_NOMEM, "view");
    if (!rc)
        rc =
            catalog_view_create(call->catalog, &ident, updates, call->who, call->arena, &view, err);
    if (!rc)
        rc = reply_view(call, &view, err);
    json_decref(updates);
    catalog_view_deinit(&view);
    return rc;
}

static int named_again(struct rest_call *call, struct err *err)
{
    struct lake_ident ident = {.ns = http_param(call->req, "ns")};
    int rc = json_get_str(call->body, "name", "request", &ident.name, err);

    return rc ? rc : load_as(call, &ident, err);
}

static int register_view(struct rest_call *call, struct err *err)
{
    struct lake_ident ident;
    struct catalog_view view = {0};
    const char *location;
    int rc = rest_read_register(call, "view", &ident, &location, err);

    if (rc)
        return rc;
    rc = catalog_view_register(call->catalog, &ident, location, call->arena, &view, err);
    if (!rc)
        rc = reply_view(call, &view, err);
    catalog_view_deinit(&view);
    return rc == ERR_CORRUPT ? ERR_INVALID : rc; /* what the client named is no view */
}

/* ---- replace, drop, rename ---- */

static int replace(struct rest_call *call, struct err *err)
{
    struct lake_ident ident = path_view(call);
    struct catalog_view view = {0};
    json_t *updates;
    int rc = json_get_arr(call->body, "updates", "commit", &updates, err);

    if (rc)
        return err_wrap(err, ERR_INVALID, "Cannot parse the request");
    rc = catalog_view_commit(call->catalog, &ident, json_object_get(call->body, "requirements"),
                             updates, call->who, call->arena, &view, err);
    if (!rc)
        rc = reply_view(call, &view, err);
    catalog_view_deinit(&view);
    return rc;
}

static int drop(struct rest_call *call, struct err *err)
{
    struct lake_ident ident = path_view(call);

    return rest_done(call, catalog_view_drop(call->catalog, &ident, err));
}

static int rename_view(struct rest_call *call, struct err *err)
{
    return rest_rename(call, catalog_view_rename, err);
}

#define WRITE (REST_PREFIX | REST_ONCE)

static const struct rest_op ops[] = {
    {"GET", "/namespaces/{ns}/views", list, REST_PREFIX, NULL, NULL},
    {"POST", "/namespaces/{ns}/views", create, WRITE | REST_BODY, NULL, named_again},
    {"GET", "/namespaces/{ns}/views/{view}", load, REST_PREFIX, NULL, NULL},
    {"HEAD", "/namespaces/{ns}/views/{view}", exists, REST_PREFIX, NULL, NULL},
    {"POST", "/namespaces/{ns}/views/{view}", replace, WRITE | REST_BODY, "CommitFailedException",
     load},
    {"DELETE", "/namespaces/{ns}/views/{view}", drop, WRITE, NULL, NULL},
    {"POST", "/namespaces/{ns}/register-view", register_view, WRITE | REST_BODY, NULL, named_again},
    {"POST", "/views/rename", rename_view, WRITE | REST_BODY, NULL, NULL},
};
const struct rest_group rest_views = {ops, COUNT_OF(ops)};
