/* http_config.c - GET /v1/config: what a client should know before its first request. */
#include <stdio.h>

#include "catalog/http_int.h"

/* "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}", as the specification spells it. */
static int add_endpoint(json_t *list, const struct rest_op *op)
{
    const char *place = strstr(op->pattern, "{ns}");
    int before = place ? (int)(place - op->pattern) : (int)strlen(op->pattern);

    return json_array_append_new(list, json_sprintf("%s /v1/{prefix}%.*s%s%s", op->method, before,
                                                    op->pattern, place ? "{namespace}" : "",
                                                    place ? place + strlen("{ns}") : ""));
}

static json_t *endpoints(void)
{
    json_t *list = json_array();

    for (size_t i = 0; rest_groups[i]; i++)
        for (size_t j = 0; j < rest_groups[i]->count; j++) {
            const struct rest_op *op = &rest_groups[i]->ops[j];

            if ((op->flags & REST_PREFIX) && !(op->flags & REST_HIDDEN) && add_endpoint(list, op)) {
                json_decref(list);
                return NULL;
            }
        }
    return list;
}

/* A warehouse is the catalog's name, as with Polaris, and then becomes the prefix of all further
 * paths; or the place of the files, as with the reference catalog, and then says nothing new. */
int rest_config(struct rest_call *call, struct err *err)
{
    const char *warehouse = http_query(call->req, "warehouse");
    const char *name = catalog_name(call->catalog);
    bool named = warehouse && strcmp(warehouse, name) == 0;
    json_t *overrides, *defaults;

    if (warehouse && *warehouse && !named && !strstr(warehouse, "://") &&
        strncmp(http_path(call->req), "/api/catalog", 12) == 0)
        return rest_fail(call, 404, "NotFoundException",
                         arena_printf(call->arena, "Unable to find warehouse %.200s", warehouse));
    overrides = named ? json_pack("{s:s}", "prefix", name) : json_object();
    defaults = rest_s3_config(call);
    if (defaults)
        json_object_set_new(defaults, "warehouse", json_string(catalog_warehouse(call->catalog)));
    return rest_reply(call, 200,
                      json_pack("{s:o, s:o, s:o, s:s}", "defaults", defaults, "overrides",
                                overrides, "endpoints", endpoints(), "idempotency-key-lifetime",
                                "PT1H"),
                      err);
}

static const struct rest_op ops[] = {
    {"GET", "/config", rest_config, REST_OPEN, NULL, NULL},
    {"POST", "/oauth/tokens", rest_token, REST_OPEN, NULL, NULL},
};
const struct rest_group rest_general = {ops, COUNT_OF(ops)};
