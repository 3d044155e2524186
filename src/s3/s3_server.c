/* s3_server.c - from an HTTP request to an operation: address, signature, table.
 *
 * begin() runs at the headers: it reads the address, checks the signature, finds the operation and
 * prepares for the body, so that whatever is refused is refused before the body is sent. run() does
 * the operation once the body is there and is what it claims to be.
 */
#include <stdio.h>
#include <strings.h>

#include "net/url.h"
#include "s3/s3_int.h"

/* Looked through in this order. */
static const struct s3_op *const tables[] = {
    s3_upload_ops, s3_version_ops,   s3_tag_ops,   s3_setting_ops, s3_cors_ops,   s3_lifecycle_ops,
    s3_sts_ops,    s3_attribute_ops, s3_other_ops, s3_object_ops,  s3_bucket_ops, s3_form_ops,
};

const char *s3_query(struct s3_call *call, const char *name)
{
    return http_query(call->req, name);
}

void s3_reply_xml(struct s3_call *call, struct buf *xml)
{
    struct buf whole = {0};

    buf_append_str(&whole, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    if (buf_append_slice(&whole, buf_slice(xml)))
        http_status(call->reply, 500); /* no memory: without a body */
    else
        http_reply_buf(call->reply, "application/xml", &whole);
    buf_deinit(&whole);
    buf_deinit(xml);
}

/* --- the address ------------------------------------------------------------------------------ */

/* BUCKET of "BUCKET.domain:port"; len 0: path style. */
static struct slice host_bucket(struct s3_call *call)
{
    const char *host = s3_header(call, "host");
    struct slice name = slice_of(host, host ? strcspn(host, ":") : 0);
    struct slice domain = slice_str(call->server->domain);

    if (!domain.len || name.len < domain.len + 2 || !slice_ends(name, domain) ||
        name.ptr[name.len - domain.len - 1] != '.')
        return slice_of(NULL, 0);
    return slice_of(name.ptr, name.len - domain.len - 1);
}

/* RFC 3629. Keys are UTF-8, or no listing of them would be XML. */
bool s3_is_utf8(const char *text)
{
    const uint8_t *at = (const uint8_t *)text;

    while (*at) {
        uint8_t first = *at++;
        int more = first < 0x80   ? 0
                   : first < 0xc2 ? -1
                   : first < 0xe0 ? 1
                   : first < 0xf0 ? 2
                   : first < 0xf5 ? 3
                                  : -1;

        if (more < 0 || (first == 0xe0 && *at < 0xa0) || (first == 0xed && *at > 0x9f) ||
            (first == 0xf0 && *at < 0x90) || (first == 0xf4 && *at > 0x8f))
            return false; /* too long, a surrogate, beyond U+10FFFF */
        for (; more; more--, at++)
            if ((*at & 0xc0) != 0x80)
                return false;
    }
    return true;
}

static bool read_address(struct s3_call *call)
{
    struct slice path = slice_str(http_path(call->req)), bucket = host_bucket(call);
    const uint8_t *slash;

    path = path.len ? slice_of(path.ptr + 1, path.len - 1) : path; /* without the first '/' */
    if (!bucket.len) {
        slash = path.len ? memchr(path.ptr, '/', path.len) : NULL;
        bucket = slice_of(path.ptr, slash ? (size_t)(slash - path.ptr) : path.len);
        path = slash ? slice_of(slash + 1, path.len - bucket.len - 1) : slice_of(NULL, 0);
    }
    if (!bucket.len)
        return true;
    call->level = path.len ? S3_OBJECT : S3_BUCKET;
    if (url_decode(call->arena, bucket, false, &call->bucket) ||
        (path.len && url_decode(call->arena, path, false, &call->key)) ||
        !s3_is_utf8(call->bucket) || (call->key && !s3_is_utf8(call->key))) {
        call->bucket = call->key = NULL; /* not fit to be told */
        s3_error(call, S3_INVALID_URI, NULL);
        return false;
    }
    if (call->key && strlen(call->key) > S3_KEY_MAX) {
        s3_error(call, S3_KEY_TOO_LONG, NULL);
        return false;
    }
    return true;
}

/* --- what is asked ---------------------------------------------------------------------------- */

static bool fits(struct s3_call *call, const struct s3_op *op)
{
    if (op->level != call->level || (op->method && strcmp(op->method, http_method(call->req))))
        return false;
    if (op->query && !s3_query(call, op->query))
        return false;
    return !op->header || s3_header(call, op->header);
}

static const struct s3_op *find_op(struct s3_call *call)
{
    for (size_t i = 0; i < COUNT_OF(tables); i++)
        for (const struct s3_op *op = tables[i]; op->name; op++)
            if (fits(call, op))
                return op;
    return NULL;
}

static void finish(struct s3_call *call)
{
    s3_cors_headers(call);
    http_set_header(call->reply, "x-amz-request-id", call->request_id);
    http_set_header(call->reply, "Server", "tarn");
}

static int on_piece(struct http_request *req, struct http_reply *reply, struct slice piece,
                    void *arg)
{
    struct s3_call *call = http_state(req);
    int rc = call->op->piece ? call->op->piece(call, piece) : s3_body_piece(call, piece);

    (void)arg;
    if (rc && http_is_set(reply)) /* it ends here */
        finish(call);
    return rc;
}

static void call_release(void *state)
{
    struct s3_call *call = state;

    s3_body_deinit(&call->body, call->server->store->disk);
    s3_claim_release(call->server, call->body.claim); /* nothing is written there any more */
    call->body.claim = NULL;
}

static struct s3_call *call_new(struct s3_server *server, struct http_request *req,
                                struct http_reply *reply)
{
    struct s3_call *call = ARENA_NEW(http_arena(req), struct s3_call);

    if (!call) {
        http_status(reply, 500);
        return NULL;
    }
    call->server = server;
    call->req = req;
    call->reply = reply;
    call->arena = http_arena(req);
    snprintf(call->request_id, sizeof(call->request_id), "%.6s%010" PRIX64, server->boot,
             __atomic_add_fetch(&server->requests, 1, __ATOMIC_RELAXED) & 0xffffffffff);
    http_set_state(req, call, call_release);
    return call;
}

static void begin_call(struct s3_call *call)
{
    if (!read_address(call))
        return;
    if (strcmp(http_method(call->req), "OPTIONS") == 0) {
        s3_preflight(call);
        return;
    }
    if (s3_identify(call))
        return;
    call->op = find_op(call);
    if (!call->op && !call->secret)
        s3_error(call, S3_ACCESS_DENIED, NULL);
    else if (!call->op)
        s3_error(call, S3_METHOD_NOT_ALLOWED, NULL);
    else if (s3_authorize(call) || s3_check_headers(call) ||
             (call->op->begin && call->op->begin(call)))
        return;
    else if (call->op->piece)
        http_body_to(call->req, on_piece, NULL);
    else if (call->op->sink != S3_NO_BODY &&
             s3_body_begin(call, call->op->sink == S3_TO_FILE,
                           call->op->sink == S3_TO_FILE ? S3_OBJECT_MAX : (int64_t)S3_XML_MAX) == 0)
        http_body_to(call->req, on_piece, NULL);
}

static void begin(struct http_request *req, struct http_reply *reply, void *arg)
{
    struct s3_call *call = call_new(arg, req, reply);

    if (!call)
        return;
    begin_call(call);
    if (http_is_set(reply))
        finish(call);
}

static void run(struct http_request *req, struct http_reply *reply, void *arg)
{
    struct s3_call *call = http_state(req);

    (void)reply;
    (void)arg;
    if ((!call->body.used || s3_body_end(call) == 0) && s3_identify_late(call) == 0)
        call->op->run(call);
    finish(call);
}

/* --- health, and refusals that never became a call -------------------------------------------- */

static void health(struct http_request *req, struct http_reply *reply, void *arg)
{
    (void)req;
    (void)arg;
    http_status(reply, 200);
    http_reply_bytes(reply, NULL, slice_of("", 0));
}

static void on_refusal(struct http_request *req, struct http_reply *reply, int status,
                       const char *text, void *arg)
{
    struct s3_call call = {
        .server = arg, .req = req, .reply = reply, .arena = http_arena(req), .request_id = "0"};

    s3_error(&call,
             status == 500   ? S3_INTERNAL_ERROR
             : status == 503 ? S3_SLOW_DOWN
                             : S3_INVALID_REQUEST,
             "%s", text);
    http_status(reply, status);
}

/* MinIO's own interface beside S3 ("mc admin"). No bucket can have this name in its way. */
static void no_admin(struct http_request *req, struct http_reply *reply, void *arg)
{
    struct s3_call call = {
        .server = arg, .req = req, .reply = reply, .arena = http_arena(req), .request_id = "0"};

    s3_error(&call, S3_NOT_IMPLEMENTED, "The admin interface of MinIO is not implemented.");
}

static const struct http_route routes[] = {
    {"*", "/minio/health/live", health},    {"*", "/minio/health/ready", health},
    {"*", "/minio/health/cluster", health}, {"*", "/minio/{path...}", no_admin},
    {"*", "/{path...}", run, begin},
};

/* --- the server ------------------------------------------------------------------------------- */

int s3_server_port(const struct s3_server *server)
{
    return http_server_port(server->http);
}

/* The keeper's rounds: once a minute after the start, then every hour. */
static void *keep(void *arg)
{
    struct s3_server *server = arg;
    int wait_s = 60;

    pthread_mutex_lock(&server->keeper_lock);
    while (!server->stopping) {
        struct timespec until;

        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += wait_s;
        if (pthread_cond_timedwait(&server->keeper_wake, &server->keeper_lock, &until) == 0)
            continue; /* stopping, or for nothing */
        wait_s = 3600;
        pthread_mutex_unlock(&server->keeper_lock);
        s3_lifecycle_run(server);
        pthread_mutex_lock(&server->keeper_lock);
    }
    pthread_mutex_unlock(&server->keeper_lock);
    return NULL;
}

static int start_keeper(struct s3_server *server, struct err *err)
{
    if (pthread_create(&server->keeper, NULL, keep, server))
        return err_set(err, ERR_NOMEM, "s3: no thread");
    server->keeper_runs = true;
    return 0;
}

static void stop_keeper(struct s3_server *server)
{
    pthread_mutex_lock(&server->keeper_lock);
    server->stopping = true;
    pthread_cond_broadcast(&server->keeper_wake);
    pthread_mutex_unlock(&server->keeper_lock);
    if (server->keeper_runs)
        pthread_join(server->keeper, NULL);
    pthread_cond_destroy(&server->keeper_wake);
    pthread_mutex_destroy(&server->keeper_lock);
    pthread_mutex_destroy(&server->claims_lock);
    for (size_t i = 0; i < S3_COMPLETING; i++)
        pthread_mutex_destroy(&server->completing[i]);
}

static void init_keeper(struct s3_server *server)
{
    pthread_condattr_t monotonic;

    pthread_mutex_init(&server->keeper_lock, NULL);
    pthread_mutex_init(&server->claims_lock, NULL);
    for (size_t i = 0; i < S3_COMPLETING; i++)
        pthread_mutex_init(&server->completing[i], NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&server->keeper_wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

void s3_server_free(struct s3_server *server)
{
    if (!server)
        return;
    http_server_free(server->http);
    s3_hasher_free(server->hasher);
    stop_keeper(server);
    for (size_t i = 0; server->credentials && i < server->credential_count; i++) {
        free((char *)server->credentials[i].access_key);
        free((char *)server->credentials[i].secret_key);
        free((char *)server->credentials[i].policy);
    }
    free(server->credentials);
    free(server->region);
    free(server->domain);
    free(server);
}

static int copy_credentials(struct s3_server *server, const struct s3_options *options)
{
    server->credentials = calloc(options->credential_count + 1, sizeof(*server->credentials));
    if (!server->credentials)
        return ERR_NOMEM;
    server->credential_count = options->credential_count;
    for (size_t i = 0; i < options->credential_count; i++) {
        server->credentials[i].access_key = strdup(options->credentials[i].access_key);
        server->credentials[i].secret_key = strdup(options->credentials[i].secret_key);
        if (options->credentials[i].policy)
            server->credentials[i].policy = strdup(options->credentials[i].policy);
        if (!server->credentials[i].access_key || !server->credentials[i].secret_key ||
            (options->credentials[i].policy && !server->credentials[i].policy))
            return ERR_NOMEM;
    }
    return 0;
}

int s3_server_new(struct s3_server **out, const struct s3_options *options, struct err *err)
{
    struct s3_server *server = calloc(1, sizeof(*server));
    struct http_options http = {.name = "s3",
                                .address = options->address,
                                .port = options->port,
                                .connections_max = options->connections_max,
                                .error = on_refusal,
                                .error_arg = server};
    uint8_t random[8];
    int rc;

    if (!server)
        return err_set(err, ERR_NOMEM, "s3");
    init_keeper(server);
    rand_secret(random, sizeof(random));
    hex_encode(random, sizeof(random), server->boot);
    server->store = options->store;
    server->meta = options->meta;
    server->clock = options->clock;
    server->anonymous_read = options->anonymous_read;
    server->region = strdup(options->region ? options->region : "us-east-1");
    server->domain = strdup(options->domain ? options->domain : "");
    rc = server->region && server->domain ? copy_credentials(server, options) : ERR_NOMEM;
    if (rc)
        err_set(err, rc, "s3");
    if (!rc)
        s3_uploads_sweep(server);
    if (!rc)
        rc = s3_hasher_new(&server->hasher, err);
    if (!rc)
        rc = http_server_new(&server->http, &http, err);
    if (!rc)
        rc = http_server_routes(server->http, "", routes, COUNT_OF(routes), server, err);
    if (!rc)
        rc = http_server_start(server->http, err);
    if (!rc)
        rc = start_keeper(server, err);
    if (rc) {
        s3_server_free(server);
        return rc;
    }
    *out = server;
    return 0;
}
