/* http.c - the server, the way of a request to its handler, and errors in the protocol's words.
 *
 * The API is a table of lines (struct rest_op), spread over one file per family. Every line is
 * served under four prefixes: /v1 and /v1/{prefix}, and the same below /api/catalog.
 */
#include <stdio.h>

#include "catalog/http_int.h"

#define BODY_MAX ((size_t)64 << 20) /* a commit of many snapshots is large */

const struct rest_group *const rest_groups[] = {
    &rest_general,  &rest_namespaces, &rest_tables,  &rest_commits, &rest_views,
    &rest_planning, &rest_signing,    &rest_metrics, NULL,
};

/* ---- errors ---- */

static const struct {
    int code, status;
    const char *type;
} errors[] = {
    {ERR_INVALID, 400, "BadRequestException"},
    {ERR_LIMIT, 413, "BadRequestException"},
    {ERR_DENIED, 403, "ForbiddenException"},
    {ERR_EXISTS, 409, "AlreadyExistsException"},
    {ERR_UNSUPPORTED, 406, "UnsupportedOperationException"},
    {ERR_UNKNOWN, 500, "CommitStateUnknownException"},
    {ERR_NOSPC, 503, "ServiceUnavailableException"},
    {ERR_NOMEM, 503, "ServiceUnavailableException"},
    {ERR_BUSY, 503, "ServiceUnavailableException"},
    {ERR_CLOSED, 503, "ServiceUnavailableException"},
    {ERR_TIMEOUT, 503, "ServiceUnavailableException"},
    {ERR_READONLY, 503, "ServiceUnavailableException"},
};

static json_t *error_json(int status, const char *type, const char *text)
{
    json_t *message = json_string(text);

    if (!message) /* not UTF-8 */
        message = json_string(type);
    return json_pack("{s:{s:o, s:s, s:i}}", "error", "message", message, "type", type, "code",
                     status);
}

static void send_error(struct http_reply *reply, int status, const char *type, const json_t *json)
{
    http_reply_clear(reply);
    if (json)
        http_reply_json(reply, status, json);
    else
        http_reply_text(reply, status, "%s", type);
}

static void reply_error(struct http_reply *reply, int status, const char *type, const char *text)
{
    json_t *json = error_json(status, type, text);

    send_error(reply, status, type, json);
    json_decref(json);
}

int rest_fail(struct rest_call *call, int status, const char *type, const char *text)
{
    json_decref(call->error);
    call->error = error_json(status, type, text);
    call->error_status = status;
    send_error(call->reply, status, type, call->error);
    return 0;
}

/* What is missing is the first word of the sentence: see catalog.h. */
static const char *missing_type(const char *text)
{
    if (strncmp(text, "Namespace ", 10) == 0)
        return "NoSuchNamespaceException";
    if (strncmp(text, "View ", 5) == 0)
        return "NoSuchViewException";
    if (strncmp(text, "Plan task ", 10) == 0)
        return "NoSuchPlanTaskException";
    if (strncmp(text, "Plan ", 5) == 0)
        return "NoSuchPlanIdException";
    return "NoSuchTableException";
}

void rest_fail_with(struct rest_call *call, int code, const struct err *err)
{
    const char *type = "ServiceFailureException";
    int status = 500;

    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        if (errors[i].code == code) {
            status = errors[i].status;
            type = errors[i].type;
        }
    }
    if (code == ERR_NOENT) {
        status = 404;
        type = missing_type(err->text);
    } else if (code == ERR_CORRUPT && strncmp(err->text, "Location does not", 17) == 0) {
        status = 404; /* the metadata file is gone, and the client should say so */
        type = "NotFoundException";
    } else if (code == ERR_INVALID && strncmp(err->text, "Invalid view version", 20) == 0) {
        type = "IllegalArgumentException"; /* what Java's clients make of it by name */
    } else if (code == ERR_CONFLICT) {
        status = 409;
        type = call->op->conflict ? call->op->conflict : "CommitFailedException";
    }
    if (status >= 500)
        diag_warn("catalog", "%s %s: %s", http_method(call->req), http_path(call->req), err->text);
    rest_fail(call, status, type, err->text);
}

/* Errors that the server makes itself. */
static void server_error(struct http_request *req, struct http_reply *reply, int status,
                         const char *text, void *arg)
{
    (void)req, (void)arg;
    reply_error(reply, status, status == 404 ? "NotFoundException" : "BadRequestException", text);
}

/* ---- the way of a request ---- */

static int parse_body(struct rest_call *call, struct err *err)
{
    int rc = json_parse(http_body(call->req), &call->body, err);

    if (rc)
        return err_wrap(err, rc == ERR_CORRUPT ? ERR_INVALID : rc, "Cannot parse the request");
    if (!json_is_object(call->body))
        return err_set(err, ERR_INVALID, "Cannot parse the request: not a JSON object");
    return 0;
}

static int run(struct rest_call *call, struct err *err)
{
    const char *prefix = http_param(call->req, "prefix");

    if (prefix && strcmp(prefix, catalog_name(call->catalog)) != 0) {
        char text[300];

        snprintf(text, sizeof(text), "Unable to find warehouse %.200s", prefix);
        return rest_fail(call, 404, "NotFoundException", text);
    }
    if (call->op->flags & REST_BODY) {
        int rc = parse_body(call, err);

        if (rc)
            return rc;
    }
    return rest_run_once(call, call->op->run, err);
}

static void handle(struct http_request *req, struct http_reply *reply, void *arg)
{
    struct rest_bound *bound = arg;
    struct rest_call call = {
        .http = bound->http,
        .catalog = bound->http->catalog,
        .op = bound->op,
        .req = req,
        .reply = reply,
        .arena = http_arena(req),
        .who = "",
    };
    struct err err = {0};
    int rc;

    if (!(bound->op->flags & REST_OPEN) && !rest_allows(&call)) {
        http_set_header(reply, "WWW-Authenticate", "Bearer");
        reply_error(reply, 401, "NotAuthorizedException",
                    "Not authorized: a valid token is needed");
        return;
    }
    rc = run(&call, &err);
    if (rc) {
        err.code = rc;
        rest_fail_with(&call, rc, &err);
    }
    json_decref(call.error);
    json_decref(call.body);
}

/* ---- helpers of the families ---- */

int rest_reply(struct rest_call *call, int status, json_t *json, struct err *err)
{
    if (!json)
        return err_set(err, ERR_NOMEM, "reply");
    http_reply_json(call->reply, status, json);
    json_decref(json);
    return 0;
}

const char *rest_ns_parse(struct rest_call *call, const json_t *levels, struct err *err)
{
    char *ns = NULL;
    size_t at;
    json_t *level;

    if (!json_is_array(levels) || json_array_size(levels) == 0) {
        err_set(err, ERR_INVALID, "namespace: not an array of names");
        return NULL;
    }
    json_array_foreach(levels, at, level)
    {
        const char *text = json_string_value(level);

        if (!text || strchr(text, LEVEL_SEPARATOR)) {
            err_set(err, ERR_INVALID, "namespace: not an array of names");
            return NULL;
        }
        ns = ns ? arena_printf(call->arena, "%s%c%s", ns, LEVEL_SEPARATOR, text)
                : arena_strdup(call->arena, text);
        if (!ns) {
            err_set(err, ERR_NOMEM, "namespace");
            return NULL;
        }
    }
    return ns;
}

json_t *rest_ns_json(const char *ns)
{
    json_t *levels = json_array();

    for (;;) {
        size_t len = strcspn(ns, "\x1f");

        if (json_array_append_new(levels, json_stringn(ns, len))) {
            json_decref(levels);
            return NULL;
        }
        if (!ns[len])
            return levels;
        ns += len + 1;
    }
}

json_t *rest_ident_json(const char *ns, const char *name)
{
    return json_pack("{s:o, s:s}", "namespace", rest_ns_json(ns), "name", name);
}

int rest_ident_parse(struct rest_call *call, const json_t *json, struct lake_ident *out,
                     struct err *err)
{
    int rc = json_get_str(json, "name", "identifier", &out->name, err);

    if (rc)
        return err_wrap(err, ERR_INVALID, "Cannot parse the request");
    out->ns = rest_ns_parse(call, json_object_get(json, "namespace"), err);
    return out->ns ? 0 : ERR_INVALID;
}

struct lake_ident rest_path_ident(struct rest_call *call)
{
    return (struct lake_ident){.ns = http_param(call->req, "ns"),
                               .name = http_param(call->req, "table")};
}

/* A page token is the last name of the page before. */
void rest_page(struct rest_call *call, const char **after, size_t *max)
{
    const char *size = http_query(call->req, "pageSize");
    int64_t wanted = 0;

    *after = http_query(call->req, "pageToken");
    *max = 0;
    if (size && slice_to_i64(slice_str(size), &wanted) == 0 && wanted > 0)
        *max = (size_t)(wanted < PAGE_MAX ? wanted : PAGE_MAX);
    else if (*after)
        *max = PAGE_MAX;
}

int rest_reply_page(struct rest_call *call, const char *key, json_t *list, bool failed,
                    const struct catalog_names *names, struct err *err)
{
    json_t *next = names->more ? json_string(names->list[names->count - 1]) : json_null();

    if (failed) { /* a list that is cut in silence would look like tables that are gone */
        json_decref(list);
        list = NULL;
    }
    return rest_reply(call, 200, json_pack("{s:o, s:o}", key, list, "next-page-token", next), err);
}

/* ---- life ---- */

static const char *const prefixes[] = {
    "/v1",
    "/api/catalog/v1",
    "/v1/{prefix}",
    "/api/catalog/v1/{prefix}",
};

static int bind_routes(struct catalog_http *http, struct err *err)
{
    size_t count = 0, at = 0;
    int rc = 0;

    for (size_t i = 0; rest_groups[i]; i++)
        count += rest_groups[i]->count;
    http->bound = calloc(count, sizeof(*http->bound));
    if (!http->bound)
        return err_set(err, ERR_NOMEM, "routes");
    for (size_t i = 0; rest_groups[i]; i++)
        for (size_t j = 0; j < rest_groups[i]->count; j++, at++) {
            const struct rest_op *op = &rest_groups[i]->ops[j];

            http->bound[at] = (struct rest_bound){
                .http = http,
                .op = op,
                .route = {.method = op->method,
                          .pattern = op->pattern,
                          .handle = handle,
                          .body_max = BODY_MAX},
            };
        }
    http->bound_count = at;
    for (size_t p = 0; p < COUNT_OF(prefixes); p++)
        for (size_t i = 0; !rc && i < http->bound_count; i++)
            if (p < 2 || (http->bound[i].op->flags & REST_PREFIX))
                rc = http_server_routes(http->server, prefixes[p], &http->bound[i].route, 1,
                                        &http->bound[i], err);
    return rc;
}

static int copy_text(char **out, const char *text)
{
    *out = text ? strdup(text) : NULL;
    return text && !*out ? ERR_NOMEM : 0;
}

static int copy_options(struct catalog_http *http, const struct catalog_http_options *options)
{
    http->catalog = options->catalog;
    http->clock = options->clock;
    http->login = options->login;
    http->loopback_open = options->loopback_open;
    http->lend = options->lend;
    http->lend_arg = options->lend_arg;
    return rest_auth_init(http, options) || copy_text(&http->s3_endpoint, options->s3_endpoint) ||
                   copy_text(&http->s3_region, options->s3_region) ||
                   copy_text(&http->s3_access_key, options->s3_access_key) ||
                   copy_text(&http->s3_secret_key, options->s3_secret_key)
               ? ERR_NOMEM
               : 0;
}

int catalog_http_new(struct catalog_http **out, const struct catalog_http_options *options,
                     struct err *err)
{
    struct http_options server = {.name = "catalog",
                                  .address = options->address,
                                  .port = options->port,
                                  .body_max = BODY_MAX,
                                  .error = server_error};
    struct catalog_http *http = calloc(1, sizeof(*http));
    int rc;

    if (!http || copy_options(http, options) || rest_plans_new(&http->plans, options->clock) ||
        rest_reports_new(&http->reports)) {
        catalog_http_free(http);
        return err_set(err, ERR_NOMEM, "catalog server");
    }
    rc = http_server_new(&http->server, &server, err);
    if (!rc)
        rc = bind_routes(http, err);
    if (!rc)
        rc = http_server_start(http->server, err);
    if (rc) {
        catalog_http_free(http);
        return rc;
    }
    *out = http;
    return 0;
}

int catalog_http_port(const struct catalog_http *http)
{
    return http_server_port(http->server);
}

void catalog_http_free(struct catalog_http *http)
{
    if (!http)
        return;
    http_server_free(http->server);
    free(http->bound);
    rest_auth_deinit(http);
    rest_plans_free(http->plans);
    rest_reports_free(http->reports);
    free(http->s3_endpoint);
    free(http->s3_region);
    free(http->s3_access_key);
    free(http->s3_secret_key);
    free(http);
}
