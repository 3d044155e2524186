/* store_s3.c - objects at an S3 endpoint, by its API: AWS, MinIO, another tarn.
 *
 * Every call is tried again after a failure that may pass (5xx, 429, timeouts, a broken
 * connection), with growing waits. A put whose answer got lost may have happened: when trying again
 * does not settle it, the caller is told ERR_UNKNOWN and must delete nothing. Puts of the same
 * bytes under the same key can be repeated safely; a conditional put cannot be told from its own
 * echo, so after a lost answer the object found is compared with what was sent.
 */
#include <pthread.h>
#include <stdio.h>
#include <strings.h>

#include "base/codec.h"
#include "base/json.h"
#include "store/store_s3.h"

#define TRIES   6
#define WAIT_MS 100                       /* before the second try; doubles */
#define CALL_MS ((int64_t)10 * 60 * 1000) /* one attempt, at most */

static const char *url_of(struct remote *remote, struct arena *arena, const struct request *request)
{
    struct buf path = {0};
    const char *url = NULL;
    int rc = url_encode(&path, slice_str(request->key), true);
    const char *query = request->query ? request->query : "";

    if (!rc && (remote->path_style || !request->bucket[0]))
        url = arena_printf(arena, "%s://%s/%s%s%.*s%s%s", remote->url.scheme, remote->url.authority,
                           request->bucket, request->key[0] ? "/" : "", SLICE_ARG(buf_slice(&path)),
                           query[0] ? "?" : "", query);
    else if (!rc)
        url = arena_printf(arena, "%s://%s.%s/%.*s%s%s", remote->url.scheme, request->bucket,
                           remote->url.authority, SLICE_ARG(buf_slice(&path)), query[0] ? "?" : "",
                           query);
    buf_deinit(&path);
    return url;
}

static bool may_pass(int rc, int status)
{
    if (rc)
        return rc == ERR_IO || rc == ERR_TIMEOUT;
    return status == 429 || status >= 500;
}

static void wait_before(struct remote *remote, int try)
{
    uint64_t ms = (uint64_t)WAIT_MS << (try - 1);

    pthread_mutex_lock(&remote->lock);
    ms = ms / 2 + rng_below(&remote->rng, ms); /* so that many do not come back at once */
    pthread_mutex_unlock(&remote->lock);
    remote->clock->sleep_ns(remote->clock, (int64_t)ms * 1000000);
}

/* The Code and Message of an error's XML, for the sentence. */
static void describe(const struct request *request, struct arena *arena, char *out, size_t size)
{
    const char *path, *text, *code = "", *message = "";
    struct xml xml;
    int rc;

    xml_init(&xml, arena, request->into ? buf_slice(request->into) : slice_of(NULL, 0));
    while (xml_next(&xml, &path, &text, &rc, NULL)) {
        if (strcmp(path, "Error/Code") == 0)
            code = text;
        if (strcmp(path, "Error/Message") == 0)
            message = text;
    }
    xml_deinit(&xml);
    snprintf(out, size, "HTTP %d %.60s%s%.200s", request->answer.status, code,
             message[0] ? ": " : "", message);
}

static int code_of_status(int status)
{
    static const struct {
        int status, code;
    } map[] = {
        {301, ERR_INVALID},  {307, ERR_INVALID}, {400, ERR_INVALID},  {401, ERR_DENIED},
        {403, ERR_DENIED},   {404, ERR_NOENT},   {409, ERR_CONFLICT}, {411, ERR_INVALID},
        {412, ERR_CONFLICT}, {416, ERR_RANGE},   {429, ERR_BUSY},     {501, ERR_UNSUPPORTED},
        {507, ERR_NOSPC},
    };

    for (size_t i = 0; i < COUNT_OF(map); i++)
        if (map[i].status == status)
            return map[i].code;
    return ERR_IO;
}

static int attempt(struct remote *remote, struct request *request, struct arena *arena,
                   struct err *err)
{
    struct http_call call = {.method = request->method,
                             .url = url_of(remote, arena, request),
                             .headers = request->headers,
                             .body = request->body,
                             .body_file = request->file,
                             .body_pos = request->pos,
                             .body_len = request->len,
                             .keys = &remote->keys,
                             .payload = request->payload,
                             .clock = remote->clock,
                             .into = request->into,
                             .take = request->take,
                             .take_arg = request->take_arg,
                             .total_timeout_ms = CALL_MS,
                             .idle_timeout_ms = request->idle_timeout_ms};

    while (call.header_count < COUNT_OF(request->headers) &&
           request->headers[call.header_count].name)
        call.header_count++;
    if (!call.url)
        return err_set(err, ERR_NOMEM, "url");
    return http_client_call(remote->client, &call, arena, &request->answer, err);
}

int remote_run(struct remote *remote, struct request *request, struct arena *arena, struct err *err)
{
    size_t begin = request->into ? request->into->len : 0;
    char words[300];
    int rc = 0;

    for (int try = 0; try < TRIES; try++) {
        if (try)
            wait_before(remote, try);
        if (request->into)
            request->into->len = begin;
        if (request->restart)
            request->restart(request->take_arg);
        rc = attempt(remote, request, arena, err);
        if (!may_pass(rc, request->answer.status))
            break;
        /* A 5xx may come after the deed as well: from a proxy, or from a server that lies. */
        request->maybe_done |= rc ? request->answer.maybe_done : request->answer.status >= 500;
    }
    if (rc || (request->answer.status >= 200 && request->answer.status < 300))
        return rc;
    describe(request, arena, words, sizeof(words));
    if (request->into)
        request->into->len = begin;
    return err_set(err, code_of_status(request->answer.status), "%s %s/%s: %s", request->method,
                   request->bucket, request->key, words);
}

int remote_settle(const struct request *request, int rc, struct err *err)
{
    if (rc && request->maybe_done && (may_pass(rc, 0) || rc == ERR_BUSY))
        return err_set(err, ERR_UNKNOWN, "%s %s/%s: no answer; it may have been done",
                       request->method, request->bucket, request->key);
    return rc;
}

/* --- what answers say ------------------------------------------------------------------------- */

void remote_copy_etag(char out[48], const char *etag)
{
    size_t len;

    etag = etag ? etag : "";
    if (strncmp(etag, "W/", 2) == 0)
        etag += 2;
    etag += etag[0] == '"';
    len = strcspn(etag, "\"");
    snprintf(out, 48, "%.*s", (int)(len < 47 ? len : 47), etag);
}

int64_t remote_parse_date(const char *text)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int year, day, hour, minute, second;
    char month[4] = "", iso[80];
    const char *at;
    int64_t time = 0;

    if (!text)
        return 0;
    if (sscanf(text, "%*3s, %2d %3s %4d %2d:%2d:%2d", &day, month, &year, &hour, &minute,
               &second) == 6 &&
        (at = strstr(months, month)))
        snprintf(iso, sizeof(iso), "%04d%02d%02dT%02d%02d%02dZ", year, (int)(at - months) / 3 + 1,
                 day, hour, minute, second);
    else if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &year, &day, &day, &hour, &minute, &second) ==
             6)
        snprintf(iso, sizeof(iso), "%.4s%.2s%.2sT%.2s%.2s%.2sZ", text, text + 5, text + 8,
                 text + 11, text + 14, text + 17);
    else
        return 0;
    return sigv4_time(iso, &time) ? 0 : time;
}

/* Kept headers as the JSON object that put was given. */
static void read_metadata(const struct http_answer *answer, char *out, size_t size)
{
    static const char *const kept[] = {"cache-control", "content-disposition", "content-encoding",
                                       "content-language", "expires"};
    json_t *metadata = json_object();
    struct buf text = {0};

    for (size_t i = 0; metadata && i < answer->header_count; i++) {
        const char *name = answer->headers[i].name;
        bool keep = strncasecmp(name, "x-amz-meta-", 11) == 0;
        char lower[200];

        for (size_t k = 0; k < COUNT_OF(kept); k++)
            keep |= strcasecmp(name, kept[k]) == 0;
        if (!keep || strlen(name) >= sizeof(lower))
            continue;
        for (size_t c = 0; c <= strlen(name); c++)
            lower[c] = (char)(name[c] >= 'A' && name[c] <= 'Z' ? name[c] + 32 : name[c]);
        json_object_set_new(metadata, lower, json_string(answer->headers[i].value));
    }
    if (json_object_size(metadata) && json_print(metadata, 0, &text, NULL) == 0 && text.len < size)
        memcpy(out, buf_cstr(&text), text.len + 1);
    json_decref(metadata);
    buf_deinit(&text);
}

static void read_info(const struct http_answer *answer, struct store_info *out)
{
    const char *size = http_answer_header(answer, "content-length");
    const char *type = http_answer_header(answer, "content-type");

    *out = (struct store_info){.mtime_us =
                                   remote_parse_date(http_answer_header(answer, "last-modified"))};
    if (size)
        slice_to_i64(slice_str(size), &out->size);
    if (type)
        snprintf(out->content_type, sizeof(out->content_type), "%s", type);
    remote_copy_etag(out->etag, http_answer_header(answer, "etag"));
    read_metadata(answer, out->metadata, sizeof(out->metadata));
}

int remote_head(struct store *store, const char *bucket, const char *key, struct store_info *out,
                struct err *err)
{
    struct request request = {.method = "HEAD", .bucket = bucket, .key = key};
    struct arena arena = {0};
    int rc = remote_run(remote_of(store), &request, &arena, err);

    if (!rc)
        read_info(&request.answer, out);
    arena_deinit(&arena);
    return rc;
}

/* --- get -------------------------------------------------------------------------------------- */

static int remote_get(struct store *store, const char *bucket, const char *key, int64_t pos,
                      int64_t len, struct buf *out, struct err *err)
{
    struct request request = {.method = "GET", .bucket = bucket, .key = key, .into = out};
    struct arena arena = {0};
    size_t begin = out->len;
    struct store_info info;
    char range[64];
    int rc;

    if (pos < 0)
        return err_set(err, ERR_RANGE, "position %" PRId64, pos);
    if (len == 0)
        return remote_head(store, bucket, key, &info, err);
    if (pos > 0 || len > 0) {
        if (len > 0)
            snprintf(range, sizeof(range), "bytes=%" PRId64 "-%" PRId64, pos, pos + len - 1);
        else
            snprintf(range, sizeof(range), "bytes=%" PRId64 "-", pos);
        request.headers[0] = (struct http_field){"Range", range};
    }
    rc = remote_run(remote_of(store), &request, &arena, err);
    /* A position right behind the last byte is the empty end, not outside. */
    if (rc == ERR_RANGE && remote_head(store, bucket, key, &info, NULL) == 0 && pos == info.size)
        rc = 0;
    /* Nobody answers a range with the whole, but HTTP allows it. */
    if (!rc && request.headers[0].name && request.answer.status == 200) {
        size_t got = out->len - begin, skip = (size_t)pos < got ? (size_t)pos : got;

        memmove(out->ptr + begin, out->ptr + begin + skip, got - skip);
        out->len -= skip;
        if (len > 0 && out->len - begin > (size_t)len)
            out->len = begin + (size_t)len;
    }
    arena_deinit(&arena);
    return rc;
}

struct fetch {
    struct remote *remote;
    const char *bucket, *key, *etag;
    struct file *file;
    int64_t pos;
    struct err *err;
};

static int fetch_take(void *arg, struct slice bytes)
{
    struct fetch *fetch = arg;
    int rc = file_pwrite(fetch->file, bytes.ptr, bytes.len, fetch->pos, fetch->err);

    fetch->pos += (int64_t)bytes.len;
    return rc;
}

static void fetch_restart(void *arg)
{
    ((struct fetch *)arg)->pos = 0;
}

static int fetch_fill(void *arg, const char *path, int64_t *size, struct err *err)
{
    struct fetch *fetch = arg;
    struct buf text = {.max = REMOTE_XML_MAX};
    struct arena arena = {0};
    struct request request = {.method = "GET",
                              .bucket = fetch->bucket,
                              .key = fetch->key,
                              .into = &text,
                              .take = fetch_take,
                              .restart = fetch_restart,
                              .take_arg = fetch};
    int rc = disk_open(fetch->remote->disk, &fetch->file, path,
                       DISK_WRITE | DISK_CREATE | DISK_TRUNCATE, err);

    fetch->err = err;
    /* The version that was looked at, not one that came since. */
    request.headers[0] =
        (struct http_field){"If-Match", arena_printf(&arena, "\"%s\"", fetch->etag)};
    if (!rc && fetch->etag[0] && !request.headers[0].value)
        rc = ERR_NOMEM;
    if (!fetch->etag[0])
        request.headers[0] = (struct http_field){0};
    if (!rc)
        rc = remote_run(fetch->remote, &request, &arena, err);
    if (!rc)
        rc = file_truncate(fetch->file, fetch->pos, err);
    *size = fetch->pos;
    file_close(fetch->file);
    buf_deinit(&text);
    arena_deinit(&arena);
    return rc;
}

/* The cached copy of the object's present version, held. */
static int take_copy(struct remote *remote, const char *bucket, const char *key,
                     struct store_info *info, struct arena *arena, const char **path,
                     struct err *err)
{
    int rc = ERR_CONFLICT;

    for (int try = 0; try < 3 && rc == ERR_CONFLICT; try++) {
        struct fetch fetch = {.remote = remote, .bucket = bucket, .key = key, .etag = info->etag};

        rc = remote_head(&remote->store, bucket, key, info, err);
        if (!rc)
            rc = store_cache_take(remote->cache, bucket, key, info->etag, fetch_fill, &fetch, arena,
                                  path, err);
    }
    return rc;
}

static int remote_local(struct store *store, const char *bucket, const char *key,
                        struct arena *arena, const char **path, struct err *err)
{
    struct store_info info;

    return take_copy(remote_of(store), bucket, key, &info, arena, path, err);
}

static void remote_local_release(struct store *store, const char *path)
{
    store_cache_release(remote_of(store)->cache, path);
}

static int remote_open(struct store *store, const char *bucket, const char *key,
                       struct store_info *info, struct file **out, struct err *err)
{
    struct remote *remote = remote_of(store);
    struct arena arena = {0};
    const char *path;
    int rc = take_copy(remote, bucket, key, info, &arena, &path, err);

    if (!rc) {
        rc = disk_open(remote->disk, out, path, DISK_READ, err);
        store_cache_release(remote->cache, path); /* an open file stays readable */
    }
    arena_deinit(&arena);
    return rc;
}

/* --- remove ----------------------------------------------------------------------------------- */

static int remote_remove(struct store *store, const char *bucket, const char *key, struct err *err)
{
    struct buf text = {.max = REMOTE_XML_MAX};
    struct request request = {.method = "DELETE", .bucket = bucket, .key = key, .into = &text};
    struct arena arena = {0};
    struct err own = {0};
    int rc = remote_settle(&request, remote_run(remote_of(store), &request, &arena, &own), &own);

    if (rc == ERR_NOENT && !strstr(own.text, "NoSuchBucket"))
        rc = 0; /* some servers say so of a key */
    buf_deinit(&text);
    arena_deinit(&arena);
    return rc ? err_set(err, rc, "%s", own.text) : 0;
}

/* --- the store -------------------------------------------------------------------------------- */

static void remote_free(struct store *store)
{
    struct remote *remote = remote_of(store);

    http_client_free(remote->client);
    store_cache_free(remote->cache);
    pthread_mutex_destroy(&remote->lock);
    arena_deinit(&remote->texts);
    free(remote);
}

static const struct store_ops remote_ops = {
    .put = remote_put,
    .put_file = remote_put_file,
    .get = remote_get,
    .head = remote_head,
    .open = remote_open,
    .remove = remote_remove,
    .list = remote_list,
    .bucket_make = remote_bucket_make,
    .bucket_check = remote_bucket_check,
    .bucket_remove = remote_bucket_remove,
    .bucket_list = remote_bucket_list,
    .local = remote_local,
    .local_release = remote_local_release,
    .free = remote_free,
};

static int copy_texts(struct remote *remote, const struct store_s3_options *options,
                      struct err *err)
{
    const char *endpoint = arena_strdup(&remote->texts, options->endpoint);
    int rc = endpoint ? url_parse(&remote->texts, endpoint, &remote->url, err) : ERR_NOMEM;

    if (rc)
        return rc;
    if (strcmp(remote->url.path, "/") || remote->url.query[0])
        return err_set(err, ERR_INVALID, "endpoint \"%.200s\": has a path", options->endpoint);
    remote->keys = (struct sigv4_keys){
        arena_strdup(&remote->texts, options->access_key),
        arena_strdup(&remote->texts, options->secret_key),
        options->session_token ? arena_strdup(&remote->texts, options->session_token) : NULL,
        arena_strdup(&remote->texts, options->region ? options->region : "us-east-1"), "s3"};
    remote->store.staging = arena_printf(&remote->texts, "%s/staging", options->dir);
    return remote->keys.access_key && remote->keys.secret_key && remote->keys.region &&
                   remote->store.staging
               ? 0
               : err_set(err, ERR_NOMEM, "store");
}

int store_s3_new(struct store **out, const struct store_s3_options *options, struct err *err)
{
    struct remote *remote = calloc(1, sizeof(*remote));
    const struct http_client_options client = {0};
    const char *cache;
    uint64_t seed;
    int rc;

    if (!remote)
        return err_set(err, ERR_NOMEM, "store");
    remote->store.ops = &remote_ops;
    remote->store.disk = remote->disk = options->disk;
    remote->clock = options->clock;
    remote->path_style = options->path_style;
    pthread_mutex_init(&remote->lock, NULL);
    rand_secret(&seed, sizeof(seed));
    rng_init(&remote->rng, seed);
    rc = copy_texts(remote, options, err);
    cache = rc ? NULL : arena_printf(&remote->texts, "%s/cache", options->dir);
    if (!rc && !cache)
        rc = err_set(err, ERR_NOMEM, "store");
    if (!rc)
        rc = disk_mkdirs(remote->disk, remote->store.staging, err);
    if (!rc)
        rc = store_sweep(remote->disk, remote->store.staging, err);
    if (!rc)
        rc = store_cache_new(&remote->cache, cache, options->cache_bytes, remote->disk, err);
    if (!rc)
        rc = http_client_new(&remote->client, &client, err);
    if (rc) {
        remote_free(&remote->store);
        return err_wrap(err, rc, "store %s", options->endpoint);
    }
    *out = &remote->store;
    return 0;
}
