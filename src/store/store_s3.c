/* store_s3.c - objects at an S3 endpoint, by its API: AWS, MinIO, another tarn.
 *
 * Every call is tried again after a failure that may pass (store_s3_try.c). A read that broke off
 * goes on where it stopped, if the object is still the same. A put whose answer got lost may have
 * happened: when trying again does not settle it, the caller is told ERR_UNKNOWN and must delete
 * nothing. Puts of the same bytes under the same key can be repeated safely; a conditional put
 * cannot be told from its own echo, so after a lost answer the object found is compared with what
 * was sent.
 */
#include <pthread.h>
#include <stdio.h>
#include <strings.h>

#include "base/codec.h"
#include "base/json.h"
#include "store/store_s3.h"

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
        keep &= strcasecmp(name, REMOTE_PUT_ID) != 0;
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

void remote_read_info(const struct http_answer *answer, struct store_info *out)
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
        remote_read_info(&request.answer, out);
    arena_deinit(&arena);
    return rc;
}

/* --- get -------------------------------------------------------------------------------------- */

/* Bytes [from, from+len) of an object on their way to a file or into a buffer. After a broken
 * connection what is missing is asked for, of the same version: by its etag, or else from the
 * beginning. */
struct fetch {
    const char *etag;  /* without quotes; "" or NULL: not known yet */
    int64_t from, len; /* len -1: to the end */
    int64_t got;
    struct file *file; /* NULL: into `out` */
    struct buf *out;
    size_t begin; /* of `out` */
    struct arena *arena;
    struct err *err;
    int64_t skip; /* bytes ahead of the range, when the answer is not the range but the whole */
    const struct request *request;
    char etag_seen[48];
};

/* Before every try: the range that is still missing. */
static void fetch_restart(void *arg, struct request *request)
{
    struct fetch *fetch = arg;
    const char *etag = fetch->etag && fetch->etag[0] ? fetch->etag : fetch->etag_seen;
    int64_t from, end = fetch->len < 0 ? -1 : fetch->from + fetch->len - 1;
    size_t count = 0;

    if (!etag[0]) { /* it could be another object by now */
        fetch->got = 0;
        if (fetch->out)
            fetch->out->len = fetch->begin;
    }
    from = fetch->from + fetch->got;
    memset(request->headers, 0, sizeof(request->headers));
    if (etag[0])
        request->headers[count++] =
            (struct http_field){"If-Match", arena_printf(fetch->arena, "\"%s\"", etag)};
    if (from > 0 || end >= 0)
        request->headers[count++] = (struct http_field){
            "Range", end < 0 ? arena_printf(fetch->arena, "bytes=%" PRId64 "-", from)
                             : arena_printf(fetch->arena, "bytes=%" PRId64 "-%" PRId64, from, end)};
    fetch->request = request;
    fetch->skip = from;
}

/* A server may answer a range with the whole (status 200). */
static int fetch_take(void *arg, struct slice bytes)
{
    struct fetch *fetch = arg;
    const struct http_answer *answer = &fetch->request->answer;
    int64_t room;
    int rc;

    if (!fetch->etag_seen[0])
        remote_copy_etag(fetch->etag_seen, http_answer_header(answer, "etag"));
    if (answer->status == 200 && fetch->skip > 0) {
        size_t drop = (int64_t)bytes.len < fetch->skip ? bytes.len : (size_t)fetch->skip;

        bytes = slice_of(bytes.ptr + drop, bytes.len - drop);
        fetch->skip -= (int64_t)drop;
    }
    room = fetch->len < 0 ? INT64_MAX : fetch->len - fetch->got;
    if ((int64_t)bytes.len > room)
        bytes.len = (size_t)room;
    rc = !bytes.len    ? 0
         : fetch->file ? file_pwrite(fetch->file, bytes.ptr, bytes.len, fetch->got, fetch->err)
                       : buf_append_slice(fetch->out, bytes);
    fetch->got += rc ? 0 : (int64_t)bytes.len;
    return rc;
}

/* ERR_CONFLICT: the object is another one by now. */
static int fetch_run(struct remote *remote, const char *bucket, const char *key,
                     struct fetch *fetch, struct err *err)
{
    struct buf text = {.max = REMOTE_XML_MAX};
    struct arena arena = {0};
    struct request request = {.method = "GET",
                              .bucket = bucket,
                              .key = key,
                              .into = &text,
                              .take = fetch_take,
                              .restart = fetch_restart,
                              .take_arg = fetch};
    int rc;

    fetch->arena = &arena;
    fetch->err = err;
    rc = remote_run(remote, &request, &arena, err);
    /* Broken off right at the end: there is nothing behind it to ask for. */
    if (rc == ERR_RANGE && fetch->got > 0)
        rc = 0;
    buf_deinit(&text);
    arena_deinit(&arena);
    return rc;
}

static int remote_get(struct store *store, const char *bucket, const char *key, int64_t pos,
                      int64_t len, struct buf *out, struct err *err)
{
    struct remote *remote = remote_of(store);
    size_t begin = out->len;
    struct store_info info;
    int rc = ERR_CONFLICT;

    if (pos < 0)
        return err_set(err, ERR_RANGE, "position %" PRId64, pos);
    if (len == 0)
        return remote_head(store, bucket, key, &info, err);
    for (int try = 0; try < 3 && rc == ERR_CONFLICT; try++) {
        struct fetch fetch = {.from = pos, .len = len, .out = out, .begin = begin};

        out->len = begin;
        rc = fetch_run(remote, bucket, key, &fetch, err);
    }
    if (rc)
        out->len = begin;
    /* A position right behind the last byte is the empty end, not outside. */
    if (rc == ERR_RANGE && remote_head(store, bucket, key, &info, NULL) == 0 && pos == info.size)
        rc = 0;
    return rc;
}

/* A copy of one version for the cache. */
struct copying {
    struct remote *remote;
    const char *bucket, *key, *etag;
    int64_t size;
};

static int copy_fill(void *arg, const char *path, int64_t *size, struct err *err)
{
    struct copying *copying = arg;
    struct fetch fetch = {.etag = copying->etag, .len = -1};
    int rc = disk_open(copying->remote->disk, &fetch.file, path,
                       DISK_WRITE | DISK_CREATE | DISK_TRUNCATE, err);

    if (!rc)
        rc = fetch_run(copying->remote, copying->bucket, copying->key, &fetch, err);
    if (!rc && fetch.got != copying->size)
        rc = err_set(err, ERR_CORRUPT, "get %s/%s: %" PRId64 " bytes came of %" PRId64,
                     copying->bucket, copying->key, fetch.got, copying->size);
    if (!rc)
        rc = file_truncate(fetch.file, fetch.got, err);
    *size = fetch.got;
    file_close(fetch.file);
    return rc;
}

/* The cached copy of the object's present version, held. */
static int take_copy(struct remote *remote, const char *bucket, const char *key,
                     struct store_info *info, struct arena *arena, const char **path,
                     struct err *err)
{
    int rc = ERR_CONFLICT;

    for (int try = 0; try < 3 && rc == ERR_CONFLICT; try++) {
        struct copying copying = {
            .remote = remote, .bucket = bucket, .key = key, .etag = info->etag};

        rc = remote_head(&remote->store, bucket, key, info, err);
        copying.size = rc ? 0 : info->size;
        if (!rc)
            rc = store_cache_take(remote->cache, bucket, key, info->etag, copy_fill, &copying,
                                  arena, path, err);
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

static void remote_hurry(struct store *store)
{
    struct remote *remote = remote_of(store);

    atomic_store(&remote->hurry_ms, clock_mono_ms(remote->clock) + REMOTE_HURRY_MS);
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
    .hurry = remote_hurry,
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
    remote->tokens = REMOTE_TOKENS;
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
