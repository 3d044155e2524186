/* http_access.c - how a client gets at a table's files: keys told to it, or requests signed for it.
 *
 * The header X-Iceberg-Access-Delegation names what the client can do with. Keys are told in both
 * places where clients look, `config` and `storage-credentials`; they are lent for the table's
 * places alone, and run out, where whoever started us can lend (options->lend), and are the store's
 * own where not. A client that asks for remote signing only is told no keys: it sends each request
 * to POST .../sign, and only requests for the table's own places are signed. One whose header names
 * neither is told where the store is, and nothing else.
 */
#include <stdio.h>
#include <strings.h>

#include "catalog/http_int.h"
#include "net/sigv4.h"
#include "net/xml.h"

#define PLACES_MAX (1 + PLACE_PROPERTIES)

/* ---- what is asked for ---- */

static bool lists(const char *header, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = header; at && *at;) {
        size_t part = strcspn(at, ",");
        struct slice text = slice_of(at, part);

        while (text.len && *text.ptr == ' ')
            text = slice_of(text.ptr + 1, text.len - 1);
        while (text.len && text.ptr[text.len - 1] == ' ')
            text.len--;
        if (text.len == len && slice_ieq(text, slice_str(word)))
            return true;
        at += part + (at[part] == ',');
    }
    return false;
}

enum access { ACCESS_KEYS, ACCESS_SIGNING, ACCESS_OWN };

/* Who says nothing is told keys: clients older than the header know no other way. Who names neither
 * way has keys of its own, which ours would take the place of. */
static enum access wanted_access(struct rest_call *call)
{
    const char *header = http_header(call->req, "X-Iceberg-Access-Delegation");

    if (!header || lists(header, "vended-credentials"))
        return ACCESS_KEYS;
    if (!lists(header, "remote-signing"))
        return ACCESS_OWN;
    return call->http->s3_access_key ? ACCESS_SIGNING : ACCESS_KEYS;
}

/* ---- where the table's files are ---- */

struct lent_places {
    const char *list[PLACES_MAX]; /* "s3://bucket/path", no slash at the end */
    size_t count;
};

static void add_place(struct rest_call *call, struct lent_places *places, const char *location)
{
    const char *bucket, *key, *place;
    struct slice plain;

    if (!location || store_split(location, call->arena, &bucket, &key, NULL))
        return;
    for (plain = slice_str(key); plain.len && plain.ptr[plain.len - 1] == '/';)
        plain.len--;
    place = arena_printf(call->arena, "s3://%s/%.*s", bucket, SLICE_ARG(plain));
    if (place && places->count < PLACES_MAX)
        places->list[places->count++] = place;
}

static struct lent_places places_of(struct rest_call *call, const struct lake_metadata *metadata)
{
    struct lent_places places = {0};

    add_place(call, &places, metadata->location);
    for (size_t i = 0; i < PLACE_PROPERTIES; i++)
        add_place(call, &places, lake_metadata_property(metadata, place_properties[i]));
    return places;
}

/* ---- endpoint and region, which everybody is told ---- */

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

json_t *rest_s3_config(struct rest_call *call)
{
    const char *endpoint = s3_endpoint(call), *region = call->http->s3_region;

    if (!endpoint)
        return json_object();
    return json_pack("{s:s, s:s, s:s*, s:s*}", "s3.endpoint", endpoint, "s3.path-style-access",
                     "true", "s3.region", region, "client.region", region);
}

/* ---- keys ---- */

static int put(json_t *obj, const char *key, const char *value)
{
    return value ? json_object_set_new(obj, key, json_string(value)) : 0;
}

/* "v1/lake/namespaces/a%1Fb/tables/t/sign": below the address that the client calls the catalog. */
static const char *table_path(struct rest_call *call, const struct lake_ident *ident,
                              const char *what)
{
    const char *prefix = http_param(call->req, "prefix"), *path = NULL;
    struct buf text = {0};
    int rc = buf_append_str(&text, "v1/");

    if (!rc && prefix)
        rc = url_encode(&text, slice_str(prefix), false) || buf_append_str(&text, "/");
    if (!rc)
        rc = buf_append_str(&text, "namespaces/") ||
             url_encode(&text, slice_str(ident->ns), false) || buf_append_str(&text, "/tables/") ||
             url_encode(&text, slice_str(ident->name), false) || buf_append_str(&text, "/") ||
             buf_append_str(&text, what);
    if (!rc)
        path = arena_cstr(call->arena, buf_slice(&text));
    buf_deinit(&text);
    return path;
}

static int lend(struct rest_call *call, const struct lent_places *places, struct catalog_lent *out,
                struct err *err)
{
    struct catalog_http *http = call->http;

    *out =
        (struct catalog_lent){.access_key = http->s3_access_key, .secret_key = http->s3_secret_key};
    if (!http->lend)
        return 0;
    return http->lend(http->lend_arg, places->list, places->count, call->who, call->arena, out,
                      err);
}

static int put_keys(struct rest_call *call, json_t *config, const struct lake_ident *ident,
                    const struct catalog_lent *lent)
{
    int bad = put(config, "s3.access-key-id", lent->access_key) |
              put(config, "s3.secret-access-key", lent->secret_key) |
              put(config, "s3.session-token", lent->session_token);

    if (lent->session_token) {
        bad |= put(config, "s3.session-token-expires-at-ms",
                   arena_printf(call->arena, "%" PRId64, lent->expires_ms));
        bad |= put(config, "client.refresh-credentials-enabled", "true");
        bad |= put(config, "client.refresh-credentials-endpoint",
                   table_path(call, ident, "credentials"));
    }
    return bad;
}

int rest_access(struct rest_call *call, const struct lake_ident *ident,
                const struct lake_metadata *metadata, json_t **config, json_t **credentials,
                struct err *err)
{
    struct lent_places places = places_of(call, metadata);
    struct catalog_lent lent = {0};
    enum access access = wanted_access(call);
    bool keys = call->http->s3_endpoint && access == ACCESS_KEYS;
    int bad = 0, rc = keys ? lend(call, &places, &lent, err) : 0;

    *config = *credentials = NULL;
    if (rc)
        return rc;
    *config = rest_s3_config(call);
    *credentials = json_array();
    if (access == ACCESS_SIGNING) {
        bad |= put(*config, "s3.remote-signing-enabled", "true");
        bad |= put(*config, "s3.signer", "S3V4RestSigner");
        bad |= put(*config, "s3.signer.endpoint", table_path(call, ident, "sign"));
        bad |= put(*config, "signer.endpoint", table_path(call, ident, "sign"));
    } else if (lent.access_key && lent.secret_key) {
        bad |= put_keys(call, *config, ident, &lent);
        for (size_t i = 0; i < places.count; i++) {
            json_t *one = rest_s3_config(call);

            bad |= put_keys(call, one, ident, &lent);
            bad |= json_array_append_new(
                *credentials, json_pack("{s:s, s:o}", "prefix", places.list[i], "config", one));
        }
    }
    if (!bad && *config && *credentials)
        return 0;
    json_decref(*config);
    json_decref(*credentials);
    return err_set(err, ERR_NOMEM, "credentials");
}

/* ---- GET .../credentials ---- */

static int load_table(struct rest_call *call, struct lake_ident *ident, struct catalog_table *table,
                      struct err *err)
{
    *ident = rest_path_ident(call);
    return catalog_table_load(call->catalog, ident, call->arena, table, err);
}

static int credentials(struct rest_call *call, struct err *err)
{
    struct lake_ident ident;
    struct catalog_table table;
    json_t *config, *list;
    int rc = load_table(call, &ident, &table, err);

    if (!rc)
        rc = rest_access(call, &ident, table.metadata, &config, &list, err);
    catalog_table_deinit(&table);
    if (rc)
        return rc;
    json_decref(config);
    return rest_reply(call, 200, json_pack("{s:o}", "storage-credentials", list), err);
}

/* ---- POST .../sign ---- */

static bool is_below(const struct lent_places *places, const char *bucket, const char *key)
{
    for (size_t i = 0; i < places->count; i++) {
        const char *place = places->list[i] + strlen("s3://");
        size_t len = strlen(bucket), rest;

        if (strncmp(place, bucket, len) != 0 || place[len] != '/')
            continue;
        place += len + 1;
        rest = strlen(place);
        if (strncmp(key, place, rest) == 0 && (rest == 0 || key[rest] == '/'))
            return true;
    }
    return false;
}

static const char *query_value(struct rest_call *call, const char *query, const char *wanted)
{
    struct slice rest = slice_str(query), name, value;
    const char *text = NULL;

    while (url_query_next(&rest, &name, &value))
        if (slice_is(name, wanted) && url_decode(call->arena, value, true, &text) == 0)
            return text;
    return NULL;
}

/* DeleteObjects names its keys in the body alone, so without the body it is not signed. */
static int check_delete(struct rest_call *call, const struct lent_places *places,
                        const char *bucket, struct err *err)
{
    const char *body = json_string_value(json_object_get(call->body, "body")), *path, *text;
    struct xml xml;
    size_t keys = 0;
    bool below = true;
    int rc = 0;

    if (!body)
        return err_set(err, ERR_INVALID, "Signing DeleteObjects needs its body");
    xml_init(&xml, call->arena, slice_str(body));
    while (xml_next(&xml, &path, &text, &rc, err))
        if (strcmp(path, "Delete/Object/Key") == 0) {
            below &= is_below(places, bucket, text);
            keys++;
        }
    xml_deinit(&xml);
    if (rc)
        return err_wrap(err, ERR_INVALID, "Cannot parse the body to be signed");
    return below && keys ? 0 : err_set(err, ERR_DENIED, "Cannot sign: not a file of this table");
}

static int check_target(struct rest_call *call, const struct lent_places *places,
                        const struct url *url, const char *method, struct err *err)
{
    const char *path, *slash, *bucket, *key;
    bool object;

    if (url_decode(call->arena, slice_str(url->path), false, &path) || path[0] != '/')
        return err_set(err, ERR_INVALID, "uri: cannot read its path");
    slash = strchr(path + 1, '/');
    bucket =
        slash ? arena_cstr(call->arena, slice_of(path + 1, (size_t)(slash - path - 1))) : path + 1;
    key = slash ? slash + 1 : "";
    object = *key != '\0';
    if (strstr(key, "../") || !bucket)
        return err_set(err, ERR_DENIED, "Cannot sign: not a file of this table");
    if (!object && strcmp(method, "POST") == 0 && query_value(call, url->query, "delete"))
        return check_delete(call, places, bucket, err);
    if (!object && strcmp(method, "GET") == 0) /* a listing */
        key = query_value(call, url->query, "prefix");
    else if (!object)
        key = NULL;
    if (key && is_below(places, bucket, key))
        return 0;
    return err_set(err, ERR_DENIED, "Cannot sign %s %.200s: not a file of this table", method,
                   url->path);
}

static bool is_signed(const char *name)
{
    return strncasecmp(name, "x-amz-", 6) == 0 || strcasecmp(name, "host") == 0 ||
           strcasecmp(name, "content-md5") == 0;
}

/* Of each header the first value; what we add ourselves is left out. */
static int read_headers(struct rest_call *call, const struct url *url,
                        struct http_field list[SIGV4_HEADERS_MAX], size_t *count,
                        const char **payload, struct err *err)
{
    json_t *headers, *values;
    const char *name;
    bool host = false;
    int rc = json_get_obj(call->body, "headers", "request", &headers, err);

    *count = 0;
    if (rc)
        return rc;
    json_object_foreach(headers, name, values)
    {
        const char *value = json_string_value(json_array_get(values, 0));

        if (!value || !is_signed(name) || strcasecmp(name, "x-amz-date") == 0 ||
            strcasecmp(name, "x-amz-security-token") == 0)
            continue;
        if (strcasecmp(name, "x-amz-content-sha256") == 0) {
            *payload = value;
            continue;
        }
        if (*count + 2 > SIGV4_HEADERS_MAX)
            return err_set(err, ERR_LIMIT, "headers: more than %d", SIGV4_HEADERS_MAX - 1);
        host |= strcasecmp(name, "host") == 0;
        list[(*count)++] = (struct http_field){name, value};
    }
    if (!host)
        list[(*count)++] = (struct http_field){"Host", url->authority};
    return 0;
}

/* What came, and over it what was added. */
static json_t *signed_headers(const json_t *came, const struct http_field *added, size_t count)
{
    json_t *all = json_object(), *values;
    const char *name;
    int bad = all ? 0 : 1;

    json_object_foreach((json_t *)came, name, values)
    {
        bool replaced = false;

        for (size_t i = 0; i < count; i++)
            replaced |= strcasecmp(name, added[i].name) == 0;
        if (!replaced)
            bad |= json_object_set(all, name, values);
    }
    for (size_t i = 0; i < count; i++)
        bad |= json_object_set_new(all, added[i].name, json_pack("[s]", added[i].value));
    if (!bad)
        return all;
    json_decref(all);
    return NULL;
}

static int sign_target(struct rest_call *call, const struct url *url, const char *uri,
                       const char *method, const char *region, struct err *err)
{
    const struct sigv4_keys keys = {.access_key = call->http->s3_access_key,
                                    .secret_key = call->http->s3_secret_key,
                                    .region = region,
                                    .service = "s3"};
    struct http_field headers[SIGV4_HEADERS_MAX], added[4];
    struct sigv4_request request = {
        .method = method, .path = url->path, .query = url->query, .headers = headers};
    const char *payload = SIGV4_UNSIGNED;
    size_t added_count = 0;
    int rc = read_headers(call, url, headers, &request.header_count, &payload, err);

    if (!rc)
        rc = sigv4_sign(call->arena, &request, &keys, payload, clock_wall_us(call->http->clock),
                        added, &added_count, err);
    if (rc)
        return rc;
    return rest_reply(
        call, 200,
        json_pack("{s:s, s:o}", "uri", uri, "headers",
                  signed_headers(json_object_get(call->body, "headers"), added, added_count)),
        err);
}

static int sign(struct rest_call *call, struct err *err)
{
    const char *provider = json_string_value(json_object_get(call->body, "provider"));
    const char *uri, *method, *region;
    struct lake_ident ident;
    struct catalog_table table;
    struct lent_places places;
    struct url url;
    int rc = json_get_str(call->body, "uri", "request", &uri, err);

    rc = rc ? rc : json_get_str(call->body, "method", "request", &method, err);
    rc = rc ? rc : json_get_str(call->body, "region", "request", &region, err);
    rc = rc ? rc : url_parse(call->arena, uri, &url, err);
    if (rc)
        return err_wrap(err, ERR_INVALID, "Cannot sign the request");
    if (provider && strcasecmp(provider, "s3") != 0)
        return err_set(err, ERR_INVALID, "Cannot sign for provider '%.60s', only for s3", provider);
    if (!call->http->s3_access_key || !call->http->s3_secret_key)
        return err_set(err, ERR_UNSUPPORTED, "This catalog has no keys to sign with");
    rc = load_table(call, &ident, &table, err);
    if (rc)
        return rc;
    places = places_of(call, table.metadata);
    catalog_table_deinit(&table);
    rc = check_target(call, &places, &url, method, err);
    if (!rc)
        rc = sign_target(call, &url, uri, method, region, err);
    return rc == ERR_NOENT ? err_wrap(err, ERR_INVALID, "Cannot sign the request") : rc;
}

static const struct rest_op ops[] = {
    {"GET", "/namespaces/{ns}/tables/{table}/credentials", credentials, REST_PREFIX, NULL, NULL},
    {"POST", "/namespaces/{ns}/tables/{table}/sign", sign, REST_PREFIX | REST_BODY, NULL, NULL},
};
const struct rest_group rest_signing = {ops, COUNT_OF(ops)};
