/* http_config.c - GET /v1/config: what a client should know before its first request. */
#include <stdio.h>

#include "catalog/http_int.h"

/* The name by which the client reached us, without the port: "tarn", "127.0.0.1", "[::1]". */
static const char *dialled_host(struct rest_call *call)
{
    const char *header = http_header(call->req, "Host");
    const char *host = header && *header ? header : "127.0.0.1", *end;

    for (const char *at = host; *at; at++) /* it goes into a URL: nothing odd may */
        if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:[]", *at))
            return "127.0.0.1";
    end = *host == '[' ? strchr(host, ']') : strrchr(host, ':');
    if (*host == '[' && end)
        end++;
    return end ? arena_cstr(call->arena, slice_of(host, (size_t)(end - host))) : host;
}

static const char *s3_endpoint(struct rest_call *call)
{
    const char *endpoint = call->http->s3_endpoint;
    const char *place = endpoint ? strstr(endpoint, "{host}") : NULL;
    const char *host = place ? dialled_host(call) : NULL;

    if (!place || !host)
        return endpoint;
    return arena_printf(call->arena, "%.*s%s%s", (int)(place - endpoint), endpoint, host,
                        place + strlen("{host}"));
}

json_t *rest_s3_config(struct rest_call *call, bool keys)
{
    struct catalog_http *http = call->http;
    const char *endpoint = s3_endpoint(call), *region = http->s3_region;

    if (!endpoint)
        return json_object();
    if (!keys || !http->s3_access_key || !http->s3_secret_key)
        return json_pack("{s:s, s:s, s:s*, s:s*}", "s3.endpoint", endpoint,
                         "s3.path-style-access", "true", "s3.region", region, "client.region",
                         region);
    return json_pack("{s:s, s:s, s:s*, s:s*, s:s, s:s}", "s3.endpoint", endpoint,
                     "s3.path-style-access", "true", "s3.region", region, "client.region", region,
                     "s3.access-key-id", http->s3_access_key, "s3.secret-access-key",
                     http->s3_secret_key);
}

/* "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}", as the specification spells it. */
static int add_endpoint(json_t *list, const struct rest_op *op)
{
    const char *place = strstr(op->pattern, "{ns}");
    int before = place ? (int)(place - op->pattern) : (int)strlen(op->pattern);

    return json_array_append_new(
        list, json_sprintf("%s /v1/{prefix}%.*s%s%s", op->method, before, op->pattern,
                           place ? "{namespace}" : "", place ? place + strlen("{ns}") : ""));
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
    defaults = rest_s3_config(call, false);
    if (defaults)
        json_object_set_new(defaults, "warehouse", json_string(catalog_warehouse(call->catalog)));
    return rest_reply(call, 200,
                      json_pack("{s:o, s:o, s:o}", "defaults", defaults, "overrides", overrides,
                                "endpoints", endpoints()),
                      err);
}

static const struct rest_op ops[] = {
    {"GET", "/config", rest_config, REST_OPEN, NULL},
    {"POST", "/oauth/tokens", rest_token, REST_OPEN, NULL},
};
const struct rest_group rest_general = {ops, COUNT_OF(ops)};
