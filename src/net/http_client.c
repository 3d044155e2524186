/* http_client.c - the only file that knows libcurl. */
#include "net/http_client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <strings.h>

#include "base/codec.h"

#define HEADERS_MAX 200
#define KEPT_MAX    64

struct http_client {
    int64_t connect_timeout_ms, idle_timeout_ms;
    char *user_agent, *ca_file; /* owned */
    pthread_mutex_t lock;
    CURL *kept[KEPT_MAX]; /* idle handles, each with its connections */
    int kept_count, kept_max;
};

/* One call on its way through libcurl's callbacks. */
struct transfer {
    const struct http_call *call;
    struct http_answer *answer;
    struct arena *arena;
    size_t sent;       /* of the body slice */
    int64_t file_sent; /* of the body file */
    size_t header_cap;
    int rc; /* why a callback gave up */
    struct err *err;
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static void curl_start(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* --- handles ---------------------------------------------------------------------------------- */

static CURL *handle_take(struct http_client *client)
{
    CURL *handle = NULL;

    pthread_mutex_lock(&client->lock);
    if (client->kept_count)
        handle = client->kept[--client->kept_count];
    pthread_mutex_unlock(&client->lock);
    if (handle)
        curl_easy_reset(handle); /* options only: the connections stay */
    return handle ? handle : curl_easy_init();
}

static void handle_give(struct http_client *client, CURL *handle)
{
    pthread_mutex_lock(&client->lock);
    if (client->kept_count < client->kept_max) {
        client->kept[client->kept_count++] = handle;
        handle = NULL;
    }
    pthread_mutex_unlock(&client->lock);
    if (handle)
        curl_easy_cleanup(handle);
}

/* --- libcurl's callbacks ---------------------------------------------------------------------- */

static size_t on_send(char *ptr, size_t size, size_t count, void *arg)
{
    struct transfer *transfer = arg;
    const struct http_call *call = transfer->call;
    size_t want = size * count, got = 0;

    if (!call->body_file) {
        got = call->body.len - transfer->sent;
        got = got < want ? got : want;
        if (got)
            memcpy(ptr, call->body.ptr + transfer->sent, got);
        transfer->sent += got;
        return got;
    }
    if ((int64_t)want > call->body_len - transfer->file_sent)
        want = (size_t)(call->body_len - transfer->file_sent);
    transfer->rc = want ? file_pread(call->body_file, ptr, want,
                                     call->body_pos + transfer->file_sent, &got, transfer->err)
                        : 0;
    if (!transfer->rc && got < want)
        transfer->rc = err_set(transfer->err, ERR_CORRUPT, "the file to send became shorter");
    if (transfer->rc)
        return CURL_READFUNC_ABORT;
    transfer->file_sent += (int64_t)got;
    return got;
}

/* A kept connection may turn out dead: libcurl then sends again from the start. */
static int on_rewind(void *arg, curl_off_t offset, int origin)
{
    struct transfer *transfer = arg;

    if (origin != SEEK_SET)
        return CURL_SEEKFUNC_CANTSEEK;
    transfer->sent = (size_t)offset;
    transfer->file_sent = offset;
    return CURL_SEEKFUNC_OK;
}

static size_t on_receive(char *ptr, size_t size, size_t count, void *arg)
{
    struct transfer *transfer = arg;
    const struct http_call *call = transfer->call;
    struct slice bytes = slice_of(ptr, size * count);
    int status = transfer->answer->status;

    if (call->take && status >= 200 && status < 300)
        transfer->rc = call->take(call->take_arg, bytes);
    else if (call->into)
        transfer->rc = buf_append_slice(call->into, bytes);
    return transfer->rc ? 0 : bytes.len;
}

static int keep_header(struct transfer *transfer, struct slice line)
{
    struct http_answer *answer = transfer->answer;
    const uint8_t *colon = memchr(line.ptr, ':', line.len);
    struct http_field *field;
    const uint8_t *value;

    if (!colon || answer->header_count == HEADERS_MAX)
        return 0;
    if (answer->header_count == transfer->header_cap) {
        size_t cap = transfer->header_cap ? transfer->header_cap * 2 : 16;
        struct http_field *list = ARENA_ARRAY(transfer->arena, struct http_field, cap);

        if (!list)
            return ERR_NOMEM;
        if (answer->header_count)
            memcpy(list, answer->headers, answer->header_count * sizeof(*list));
        answer->headers = list;
        transfer->header_cap = cap;
    }
    for (value = colon + 1; value < line.ptr + line.len && (*value == ' ' || *value == '\t');)
        value++;
    field = &answer->headers[answer->header_count++];
    field->name = arena_cstr(transfer->arena, slice_of(line.ptr, (size_t)(colon - line.ptr)));
    field->value =
        arena_cstr(transfer->arena, slice_of(value, (size_t)(line.ptr + line.len - value)));
    return field->name && field->value ? 0 : ERR_NOMEM;
}

static size_t on_header(char *ptr, size_t size, size_t count, void *arg)
{
    struct transfer *transfer = arg;
    struct slice line = slice_of(ptr, size * count);

    while (line.len && (line.ptr[line.len - 1] == '\n' || line.ptr[line.len - 1] == '\r'))
        line.len--;
    if (slice_starts(line, SLICE_LIT("HTTP/"))) { /* "100 Continue" comes before the real one */
        const uint8_t *space = memchr(line.ptr, ' ', line.len);

        transfer->answer->status = space ? atoi((const char *)space + 1) : 0;
        transfer->answer->header_count = 0;
    } else {
        transfer->rc = keep_header(transfer, line);
    }
    return transfer->rc ? 0 : size * count;
}

/* --- one call --------------------------------------------------------------------------------- */

static bool has_body(const struct http_call *call)
{
    return call->body_file || call->body.len || strcmp(call->method, "PUT") == 0 ||
           strcmp(call->method, "POST") == 0;
}

static int add_line(struct curl_slist **list, struct arena *arena, const char *name,
                    const char *value)
{
    /* libcurl: "Name;" sends an empty value, "Name:" would leave the header out. */
    const char *line = arena_printf(arena, value[0] ? "%s: %s" : "%s;", name, value);
    struct curl_slist *longer = line ? curl_slist_append(*list, line) : NULL;

    if (!longer)
        return ERR_NOMEM;
    *list = longer;
    return 0;
}

/* Signs Host and the caller's headers. */
static int add_signature(const struct http_call *call, struct arena *arena,
                         struct curl_slist **list, struct err *err)
{
    struct http_field fields[SIGV4_HEADERS_MAX], added[4];
    struct sigv4_request request = {.method = call->method, .headers = fields, .header_count = 1};
    const char *payload = call->payload;
    struct url url;
    size_t count = 0;
    uint8_t hash[32];
    char hex[65];
    int rc = url_parse(arena, call->url, &url, err);

    if (rc)
        return rc;
    if (call->header_count + 1 > SIGV4_HEADERS_MAX)
        return err_set(err, ERR_LIMIT, "%zu headers", call->header_count);
    if (!payload && call->body_file) {
        payload = SIGV4_UNSIGNED;
    } else if (!payload) {
        sha256(call->body.ptr, call->body.len, hash);
        hex_encode(hash, 32, hex);
        payload = hex;
    }
    request.path = url.path;
    request.query = url.query;
    fields[0] = (struct http_field){"Host", url.authority};
    for (size_t i = 0; i < call->header_count; i++)
        fields[request.header_count++] = call->headers[i];
    rc = sigv4_sign(arena, &request, call->keys, payload, clock_wall_us(call->clock), added, &count,
                    err);
    for (size_t i = 0; i < count && !rc; i++)
        rc = add_line(list, arena, added[i].name, added[i].value);
    return rc;
}

static int build_headers(const struct http_call *call, struct arena *arena,
                         struct curl_slist **list, struct err *err)
{
    int rc;

    /* No waiting for "100 Continue": a refusal before the body is rare, a round trip is not. */
    *list = curl_slist_append(NULL, "Expect:");
    rc = *list ? 0 : ERR_NOMEM;
    for (size_t i = 0; i < call->header_count && !rc; i++)
        rc = add_line(list, arena, call->headers[i].name, call->headers[i].value);
    if (!rc && call->keys)
        return add_signature(call, arena, list, err);
    return rc ? err_set(err, rc, "headers") : 0;
}

static void set_body(CURL *handle, const struct http_call *call)
{
    if (strcmp(call->method, "HEAD") == 0) {
        curl_easy_setopt(handle, CURLOPT_NOBODY, 1L);
    } else if (has_body(call)) {
        curl_easy_setopt(handle, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(handle, CURLOPT_INFILESIZE_LARGE,
                         (curl_off_t)(call->body_file ? call->body_len : (int64_t)call->body.len));
        curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, call->method);
    } else {
        curl_easy_setopt(handle, CURLOPT_HTTPGET, 1L);
        curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, call->method);
    }
}

static void set_options(struct http_client *client, CURL *handle, struct transfer *transfer,
                        struct curl_slist *headers)
{
    const struct http_call *call = transfer->call;
    int64_t idle_ms = call->idle_timeout_ms ? call->idle_timeout_ms : client->idle_timeout_ms;
    long idle_s = (long)((idle_ms + 999) / 1000);

    curl_easy_setopt(handle, CURLOPT_URL, call->url);
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L); /* "a/../b" is a key like any other */
    curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(handle, CURLOPT_USERAGENT, client->user_agent);
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 1L);
    curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, (long)client->connect_timeout_ms);
    curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, (long)call->total_timeout_ms);
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, idle_s);
    curl_easy_setopt(handle, CURLOPT_BUFFERSIZE, 262144L);
    curl_easy_setopt(handle, CURLOPT_UPLOAD_BUFFERSIZE, 262144L);
    curl_easy_setopt(handle, CURLOPT_READFUNCTION, on_send);
    curl_easy_setopt(handle, CURLOPT_READDATA, transfer);
    curl_easy_setopt(handle, CURLOPT_SEEKFUNCTION, on_rewind);
    curl_easy_setopt(handle, CURLOPT_SEEKDATA, transfer);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_receive);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(handle, CURLOPT_HEADERDATA, transfer);
    if (client->ca_file)
        curl_easy_setopt(handle, CURLOPT_CAINFO, client->ca_file);
    set_body(handle, call);
}

static int code_of(CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return 0;
    case CURLE_OPERATION_TIMEDOUT:
        return ERR_TIMEOUT;
    case CURLE_OUT_OF_MEMORY:
        return ERR_NOMEM;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return ERR_INVALID;
    default:
        return ERR_IO;
    }
}

/* Nothing of the request can have been understood when there never was a connection. */
static bool never_connected(CURLcode code)
{
    return code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT ||
           code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL ||
           code == CURLE_SSL_CONNECT_ERROR || code == CURLE_PEER_FAILED_VERIFICATION;
}

static int finish(const struct transfer *transfer, CURL *handle, CURLcode code, const char *detail)
{
    const struct http_call *call = transfer->call;
    curl_off_t connected_us = 0;
    int rc = code_of(code);

    if (transfer->rc == ERR_LIMIT)
        return err_set(transfer->err, ERR_LIMIT, "%s %s: the answer is too large", call->method,
                       call->url);
    if (transfer->rc) /* from a callback, which may have said why */
        return transfer->err && transfer->err->code == transfer->rc
                   ? transfer->rc
                   : err_set(transfer->err, transfer->rc, "%s %s: given up on our side",
                             call->method, call->url);
    if (!rc)
        return 0;
    curl_easy_getinfo(handle, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
    transfer->answer->maybe_done = !never_connected(code) && connected_us > 0;
    return err_set(transfer->err, rc, "%s %s: %s", call->method, call->url,
                   detail[0] ? detail : curl_easy_strerror(code));
}

int http_client_call(struct http_client *client, const struct http_call *call, struct arena *arena,
                     struct http_answer *answer, struct err *err)
{
    struct transfer transfer = {.call = call, .answer = answer, .arena = arena, .err = err};
    char detail[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers = NULL;
    CURL *handle = NULL;
    int rc;

    *answer = (struct http_answer){0};
    rc = build_headers(call, arena, &headers, err);
    if (!rc) {
        handle = handle_take(client);
        rc = handle ? 0 : err_set(err, ERR_NOMEM, "http client");
    }
    if (!rc) {
        set_options(client, handle, &transfer, headers);
        curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, detail);
        rc = finish(&transfer, handle, curl_easy_perform(handle), detail);
        curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, NULL);
    }
    if (handle)
        handle_give(client, handle);
    curl_slist_free_all(headers);
    return rc;
}

const char *http_answer_header(const struct http_answer *answer, const char *name)
{
    for (size_t i = 0; i < answer->header_count; i++)
        if (strcasecmp(answer->headers[i].name, name) == 0)
            return answer->headers[i].value;
    return NULL;
}

/* --- the client ------------------------------------------------------------------------------- */

int http_client_new(struct http_client **out, const struct http_client_options *options,
                    struct err *err)
{
    struct http_client *client = calloc(1, sizeof(*client));
    int kept_max = options->kept_max ? options->kept_max : 16;

    pthread_once(&curl_once, curl_start);
    if (!client)
        return err_set(err, ERR_NOMEM, "http client");
    pthread_mutex_init(&client->lock, NULL);
    client->connect_timeout_ms = options->connect_timeout_ms ? options->connect_timeout_ms : 5000;
    client->idle_timeout_ms = options->idle_timeout_ms ? options->idle_timeout_ms : 30000;
    client->kept_max = kept_max < KEPT_MAX ? kept_max : KEPT_MAX;
    client->user_agent = strdup(options->user_agent ? options->user_agent : "tarn");
    client->ca_file = options->ca_file ? strdup(options->ca_file) : NULL;
    if (!client->user_agent || (options->ca_file && !client->ca_file)) {
        http_client_free(client);
        return err_set(err, ERR_NOMEM, "http client");
    }
    *out = client;
    return 0;
}

void http_client_free(struct http_client *client)
{
    if (!client)
        return;
    for (int i = 0; i < client->kept_count; i++)
        curl_easy_cleanup(client->kept[i]);
    pthread_mutex_destroy(&client->lock);
    free(client->user_agent);
    free(client->ca_file);
    free(client);
}
