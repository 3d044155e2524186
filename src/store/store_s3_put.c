/* store_s3_put.c - puts at an S3 endpoint: whole, or in parts beyond 64 MiB.
 *
 * Every body carries its SHA-256, which the server checks. The same bytes can be put under the same
 * key again and again; but a conditional put cannot be told from its own echo, so after a lost
 * answer the object found is compared with what was sent.
 */
#include <stdio.h>

#include "base/codec.h"
#include "base/json.h"
#include "store/store_s3.h"

#define PART_BYTES ((int64_t)64 << 20)
#define PARTS_MAX  10000
#define JOIN_MS    ((int64_t)10 * 60 * 1000) /* a server may be silent while it joins parts */

/* --- put -------------------------------------------------------------------------------------- */

/* Content type, metadata and conditions as headers. A conditional put gets a number of its own. */
static int put_headers(struct arena *arena, const struct store_put_options *options,
                       struct request *request, json_t **owned, struct err *err)
{
    struct http_field *out = request->headers;
    size_t count = 0, max = COUNT_OF(request->headers);
    const char *name;
    json_t *value;

    *owned = NULL;
    if (!options)
        return 0;
    if (options->if_none_match || options->if_match) {
        uint8_t random[16];
        char hex[33];

        rand_secret(random, sizeof(random));
        hex_encode(random, sizeof(random), hex);
        request->put_id = arena_strdup(arena, hex);
        if (!request->put_id)
            return err_set(err, ERR_NOMEM, "put");
        out[count++] = (struct http_field){REMOTE_PUT_ID, request->put_id};
    }
    if (options->content_type)
        out[count++] = (struct http_field){"Content-Type", options->content_type};
    if (options->if_none_match)
        out[count++] = (struct http_field){"If-None-Match", "*"};
    if (options->if_match)
        out[count++] =
            (struct http_field){"If-Match", arena_printf(arena, "\"%s\"", options->if_match)};
    if (options->user_metadata && json_parse(slice_str(options->user_metadata), owned, NULL) == 0) {
        json_object_foreach(*owned, name, value)
        {
            if (!json_is_string(value) || strncmp(name, "x-amz-checksum-", 15) == 0)
                continue;
            if (count == max)
                return err_set(err, ERR_LIMIT, "put %s/%s: more than %zu headers", request->bucket,
                               request->key, max);
            out[count++] = (struct http_field){name, json_string_value(value)};
        }
    }
    return 0;
}

/* Is the object there the one that this request put? By its number; by its MD5 from a server that
 * keeps no metadata. */
static bool is_own_echo(struct remote *remote, const struct request *request, const char *md5_hex,
                        struct store_info *found)
{
    struct request head = {.method = "HEAD", .bucket = request->bucket, .key = request->key};
    struct arena arena = {0};
    const char *id;
    bool own = false;

    if (remote_run(remote, &head, &arena, NULL) == 0) {
        remote_read_info(&head.answer, found);
        id = http_answer_header(&head.answer, REMOTE_PUT_ID);
        own = id && request->put_id ? strcmp(id, request->put_id) == 0
                                    : !id && md5_hex && strcmp(found->etag, md5_hex) == 0;
    }
    arena_deinit(&arena);
    return own;
}

/* A conditional put that fails after a lost answer may have met its own object. */
static int after_condition(struct remote *remote, const struct request *request, int rc,
                           const struct store_put_options *options, const char *md5_hex,
                           struct store_info *out, struct err *err)
{
    struct store_info found;

    if (rc != ERR_CONFLICT || !options || !(options->if_none_match || options->if_match))
        return rc;
    if (request->maybe_done) {
        if (is_own_echo(remote, request, md5_hex, &found)) {
            if (out)
                *out = found;
            return 0;
        }
        return err_set(err, ERR_UNKNOWN,
                       "put %s/%s: an answer was lost and the condition fails "
                       "now; it may have been done",
                       request->bucket, request->key);
    }
    return options->if_none_match ? err_set(err, ERR_EXISTS, "object %s/%s: exists already",
                                            request->bucket, request->key)
                                  : rc;
}

static void put_answer(struct remote *remote, const struct request *request, int64_t size,
                       struct store_info *out)
{
    if (!out)
        return;
    *out = (struct store_info){.size = size, .mtime_us = clock_wall_us(remote->clock)};
    remote_copy_etag(out->etag, http_answer_header(&request->answer, "etag"));
}

int remote_put(struct store *store, const char *bucket, const char *key, struct slice bytes,
               const struct store_put_options *options, struct store_info *out, struct err *err)
{
    struct remote *remote = remote_of(store);
    struct buf text = {.max = REMOTE_XML_MAX};
    struct request request = {
        .method = "PUT", .bucket = bucket, .key = key, .body = bytes, .into = &text};
    struct arena arena = {0};
    struct store_info found = {0};
    json_t *metadata = NULL;
    uint8_t hash[16];
    char hex[33];
    int rc;

    rc = put_headers(&arena, options, &request, &metadata, err);
    if (!rc)
        rc = remote_run(remote, &request, &arena, err);
    if (!rc) {
        put_answer(remote, &request, (int64_t)bytes.len, out);
    } else {
        md5(bytes.ptr, bytes.len, hash);
        hex_encode(hash, 16, hex);
        rc = after_condition(remote, &request, rc, options, hex, &found, err);
        if (!rc && out)
            *out = found;
        rc = remote_settle(&request, rc, err);
    }
    json_decref(metadata);
    buf_deinit(&text);
    arena_deinit(&arena);
    return rc;
}

/* SHA-256 of a part of a file, which S3 then checks. */
static int hash_part(struct file *file, int64_t pos, int64_t len, char hex[65], struct err *err)
{
    size_t piece_max = 1 << 20;
    uint8_t *piece = malloc(piece_max), hash[32];
    struct digest *digest = NULL;
    int rc = piece && !digest_new(&digest, DIGEST_SHA256) ? 0 : err_set(err, ERR_NOMEM, "hash");

    while (!rc && len > 0) {
        size_t want = len < (int64_t)piece_max ? (size_t)len : piece_max;

        rc = file_read_all(file, piece, want, pos, err);
        if (!rc)
            digest_update(digest, piece, want);
        pos += (int64_t)want;
        len -= (int64_t)want;
    }
    if (rc) {
        digest_free(digest);
    } else {
        digest_final(digest, hash);
        hex_encode(hash, 32, hex);
    }
    free(piece);
    return rc;
}

static int put_whole(struct remote *remote, const char *bucket, const char *key, struct file *file,
                     int64_t size, const struct store_put_options *options, struct arena *arena,
                     struct store_info *out, struct err *err)
{
    struct buf text = {.max = REMOTE_XML_MAX};
    struct request request = {
        .method = "PUT", .bucket = bucket, .key = key, .file = file, .len = size, .into = &text};
    json_t *metadata = NULL;
    char hex[65];
    int rc = hash_part(file, 0, size, hex, err);

    if (rc)
        return rc;
    request.payload = hex;
    rc = put_headers(arena, options, &request, &metadata, err);
    if (!rc)
        rc = remote_run(remote, &request, arena, err);
    if (!rc)
        put_answer(remote, &request, size, out);
    else
        rc = remote_settle(&request, after_condition(remote, &request, rc, options, NULL, out, err),
                           err);
    json_decref(metadata);
    buf_deinit(&text);
    return rc;
}

/* --- multipart -------------------------------------------------------------------------------- */

/* The text of the one element of that path in an answer, in the arena; NULL: not there. */
static const char *element(struct arena *arena, const struct buf *text, const char *wanted)
{
    const char *path, *value, *found = NULL;
    struct xml xml;
    int rc;

    xml_init(&xml, arena, buf_slice(text));
    while (xml_next(&xml, &path, &value, &rc, NULL))
        if (strcmp(path, wanted) == 0)
            found = value;
    xml_deinit(&xml);
    return found;
}

struct upload {
    struct remote *remote;
    const char *bucket, *key, *id;
    struct arena *arena;
    struct buf xml;  /* of the completing request */
    struct buf md5s; /* of the parts, raw: the object's ETag is made of them */
    bool opaque;     /* an ETag was no MD5: the object's cannot be foretold */
    int parts;
};

static int upload_begin(struct upload *upload, const struct store_put_options *options,
                        struct err *err)
{
    struct store_put_options kept = options ? *options : (struct store_put_options){0};
    struct buf text = {.max = REMOTE_XML_MAX};
    struct request request = {.method = "POST",
                              .bucket = upload->bucket,
                              .key = upload->key,
                              .query = "uploads=",
                              .into = &text};
    json_t *metadata = NULL;
    int rc;

    kept.if_none_match = false; /* conditions are for the end */
    kept.if_match = NULL;
    rc = put_headers(upload->arena, &kept, &request, &metadata, err);
    if (!rc)
        rc = remote_run(upload->remote, &request, upload->arena, err);
    if (!rc) {
        upload->id = element(upload->arena, &text, "InitiateMultipartUploadResult/UploadId");
        if (!upload->id)
            rc = err_set(err, ERR_CORRUPT, "put %s/%s: no upload id", upload->bucket, upload->key);
    }
    json_decref(metadata);
    buf_deinit(&text);
    return rc;
}

static const char *upload_query(const struct upload *upload, int number)
{
    struct buf id = {0};
    const char *query = NULL;

    if (url_encode(&id, slice_str(upload->id), false) == 0)
        query = number ? arena_printf(upload->arena, "partNumber=%d&uploadId=%.*s", number,
                                      SLICE_ARG(buf_slice(&id)))
                       : arena_printf(upload->arena, "uploadId=%.*s", SLICE_ARG(buf_slice(&id)));
    buf_deinit(&id);
    return query;
}

static int keep_md5(struct upload *upload, const char *etag)
{
    char plain[48];
    uint8_t raw[16];

    remote_copy_etag(plain, etag);
    upload->opaque |= strlen(plain) != 32 || hex_decode(slice_of(plain, 32), raw);
    upload->parts++;
    return upload->opaque ? 0 : buf_append(&upload->md5s, raw, sizeof(raw));
}

static int upload_part(struct upload *upload, struct file *file, int number, int64_t pos,
                       int64_t len, struct err *err)
{
    struct buf text = {.max = REMOTE_XML_MAX};
    struct request request = {.method = "PUT",
                              .bucket = upload->bucket,
                              .key = upload->key,
                              .query = upload_query(upload, number),
                              .file = file,
                              .pos = pos,
                              .len = len,
                              .into = &text};
    const char *etag;
    char hex[65];
    int rc = request.query ? hash_part(file, pos, len, hex, err) : ERR_NOMEM;

    request.payload = hex;
    if (!rc)
        rc = remote_run(upload->remote, &request, upload->arena, err);
    etag = rc ? NULL : http_answer_header(&request.answer, "etag");
    if (!rc && !etag)
        rc = err_set(err, ERR_CORRUPT, "part %d of %s: no ETag", number, upload->key);
    if (!rc && (buf_printf(&upload->xml, "<Part><PartNumber>%d</PartNumber>", number) ||
                xml_element(&upload->xml, "ETag", etag) ||
                buf_append_str(&upload->xml, "</Part>") || keep_md5(upload, etag)))
        rc = err_set(err, ERR_NOMEM, "parts");
    buf_deinit(&text);
    return rc;
}

/* The answer to the end was lost: is the object there, made of these parts? */
static bool ended_before(struct upload *upload, struct store_info *found)
{
    char hex[33], etag[48];
    uint8_t hash[16];

    md5(upload->md5s.ptr, upload->md5s.len, hash);
    hex_encode(hash, 16, hex);
    snprintf(etag, sizeof(etag), "%s-%d", hex, upload->parts);
    return !upload->opaque &&
           remote_head(&upload->remote->store, upload->bucket, upload->key, found, NULL) == 0 &&
           strcmp(found->etag, etag) == 0;
}

/* What a failed end means. 0: it was done after all, and *found says how. */
static int judge_end(struct upload *upload, const struct request *request, int rc,
                     const struct store_put_options *options, struct store_info *found,
                     struct err *err)
{
    if (!request->maybe_done)
        return after_condition(upload->remote, request, rc, options, NULL, found, err);
    if (ended_before(upload, found))
        return 0;
    return err_set(err, ERR_UNKNOWN, "put %s/%s: an answer was lost; it may have been done",
                   upload->bucket, upload->key);
}

static int upload_end(struct upload *upload, const struct store_put_options *options, int64_t size,
                      struct store_info *out, struct err *err)
{
    struct store_put_options conditions = {0};
    struct buf text = {.max = REMOTE_XML_MAX};
    struct request request = {.method = "POST",
                              .bucket = upload->bucket,
                              .key = upload->key,
                              .query = upload_query(upload, 0),
                              .body = buf_slice(&upload->xml),
                              .idle_timeout_ms = JOIN_MS,
                              .into = &text};
    struct store_info info = {0};
    json_t *metadata = NULL;
    const char *etag = NULL;
    int rc = request.query ? 0 : ERR_NOMEM;

    if (options) {
        conditions.if_none_match = options->if_none_match;
        conditions.if_match = options->if_match;
    }
    if (!rc)
        rc = put_headers(upload->arena, &conditions, &request, &metadata, err);
    if (!rc)
        rc = remote_run(upload->remote, &request, upload->arena, err);
    if (!rc) { /* AWS sends 200 first and may still fail: the document tells */
        put_answer(upload->remote, &request, size, &info);
        etag = element(upload->arena, &text, "CompleteMultipartUploadResult/ETag");
        request.maybe_done |= !etag;
    }
    if (etag)
        remote_copy_etag(info.etag, etag);
    else
        rc = judge_end(upload, &request, rc, options, &info, err);
    if (!rc && out)
        *out = info;
    json_decref(metadata);
    buf_deinit(&text);
    return rc;
}

static void upload_abort(struct upload *upload)
{
    struct request request = {.method = "DELETE",
                              .bucket = upload->bucket,
                              .key = upload->key,
                              .query = upload_query(upload, 0)};

    if (request.query)
        remote_run(upload->remote, &request, upload->arena,
                   NULL); /* what stays is swept by the server */
}

static int put_parts(struct remote *remote, const char *bucket, const char *key, struct file *file,
                     int64_t size, const struct store_put_options *options, struct arena *arena,
                     struct store_info *out, struct err *err)
{
    struct upload upload = {.remote = remote, .bucket = bucket, .key = key, .arena = arena};
    int64_t part = PART_BYTES;
    int number = 0, rc = upload_begin(&upload, options, err);

    if (rc)
        return rc;
    while (size / part >= PARTS_MAX)
        part *= 2;
    rc = buf_append_str(&upload.xml, "<CompleteMultipartUpload>");
    for (int64_t pos = 0; pos < size && !rc; pos += part)
        rc = upload_part(&upload, file, ++number, pos, size - pos < part ? size - pos : part, err);
    if (!rc)
        rc = buf_append_str(&upload.xml, "</CompleteMultipartUpload>");
    if (!rc)
        rc = upload_end(&upload, options, size, out, err);
    if (rc && rc != ERR_UNKNOWN)
        upload_abort(&upload);
    buf_deinit(&upload.xml);
    buf_deinit(&upload.md5s);
    return rc;
}

int remote_put_file(struct store *store, const char *bucket, const char *key, const char *path,
                    const struct store_put_options *options, struct store_info *out,
                    struct err *err)
{
    struct remote *remote = remote_of(store);
    struct arena arena = {0};
    struct file *file = NULL;
    int64_t size = 0;
    int rc = disk_open(remote->disk, &file, path, DISK_READ, err);

    if (!rc)
        rc = file_size(file, &size, err);
    if (!rc)
        rc = size > PART_BYTES
                 ? put_parts(remote, bucket, key, file, size, options, &arena, out, err)
                 : put_whole(remote, bucket, key, file, size, options, &arena, out, err);
    file_close(file);
    if (!rc)
        disk_unlink(remote->disk, path, NULL); /* a leftover is swept at the next start */
    arena_deinit(&arena);
    return rc;
}
