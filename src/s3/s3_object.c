/* s3_object.c - objects: get, head, put, copy, delete, and deleting many. */
#include <stdio.h>
#include <strings.h>

#include "base/json.h"
#include "net/url.h"
#include "s3/s3_int.h"

#define COPY_BYTES ((size_t)1 << 20)

/* Headers that are kept with an object and given back as they came. */
static const char *const kept_headers[] = {
    "cache-control", "content-disposition", "content-encoding", "content-language", "expires",
};

/* Query parameters of a signed GET that replace a header of the answer. */
static const struct {
    const char *query, *header;
} overrides[] = {
    {"response-cache-control", "Cache-Control"},
    {"response-content-disposition", "Content-Disposition"},
    {"response-content-encoding", "Content-Encoding"},
    {"response-content-language", "Content-Language"},
    {"response-content-type", "Content-Type"},
    {"response-expires", "Expires"},
};

/* --- conditions and ranges -------------------------------------------------------------------- */

bool s3_etag_matches(const char *list, const char *etag)
{
    size_t wanted = strlen(etag);

    while (*list) {
        const char *start = list + strspn(list, " ,\t");
        size_t len = strcspn(start, ",");

        list = start + len;
        while (len && (start[len - 1] == ' ' || start[len - 1] == '\t'))
            len--;
        if (len > 2 && strncmp(start, "W/", 2) == 0) {
            start += 2;
            len -= 2;
        }
        if (len > 1 && start[0] == '"' && start[len - 1] == '"') {
            start++;
            len -= 2;
        }
        if ((len == 1 && *start == '*') || (len == wanted && memcmp(start, etag, len) == 0))
            return true;
    }
    return false;
}

static const char *condition(struct s3_call *call, const char *prefix, const char *name)
{
    char full[64];

    snprintf(full, sizeof(full), "%s%s", prefix, name);
    return s3_header(call, full);
}

/* RFC 9110, section 13.2.2: the order and the precedence of conditions. */
bool s3_conditions(struct s3_call *call, const char *prefix, const struct store_info *info)
{
    const char *match = condition(call, prefix, "if-match");
    const char *none_match = condition(call, prefix, "if-none-match");
    const char *modified = condition(call, prefix, "if-modified-since");
    const char *unmodified = condition(call, prefix, "if-unmodified-since");
    int64_t second = info->mtime_us / 1000000 * 1000000, date;
    bool not_modified = false, failed = false;

    if (match)
        failed = !s3_etag_matches(match, info->etag);
    else if (unmodified && !s3_parse_http_date(unmodified, &date))
        failed = second > date;
    if (!failed && none_match)
        not_modified = s3_etag_matches(none_match, info->etag);
    else if (!failed && modified && !s3_parse_http_date(modified, &date))
        not_modified = second <= date;
    if (not_modified && !prefix[0]) {
        char etag[64];

        snprintf(etag, sizeof(etag), "\"%s\"", info->etag);
        http_set_header(call->reply, "ETag", etag);
        http_status(call->reply, 304);
        return false;
    }
    if (failed || not_modified)
        s3_error(call, S3_PRECONDITION_FAILED, NULL);
    return !failed && !not_modified;
}

/* "bytes=0-9", "bytes=5-", "bytes=-5". What is not understood is not there: RFC 9110, 14.2. */
enum s3_range s3_range(const char *text, int64_t size, int64_t *pos, int64_t *len)
{
    struct slice first, last;
    int64_t from = -1, to = -1;
    const char *dash;

    if (strncasecmp(text, "bytes=", 6) || strchr(text, ','))
        return S3_RANGE_NONE;
    text += 6;
    dash = strchr(text, '-');
    if (!dash)
        return S3_RANGE_NONE;
    first = slice_of(text, (size_t)(dash - text));
    last = slice_str(dash + 1);
    if ((first.len && (slice_to_i64(first, &from) || from < 0)) ||
        (last.len && (slice_to_i64(last, &to) || to < 0)) || (!first.len && !last.len) ||
        (first.len && last.len && to < from))
        return S3_RANGE_NONE;
    if (!first.len) { /* the last `to` bytes */
        if (to == 0 || size == 0)
            return S3_RANGE_BAD;
        from = to < size ? size - to : 0;
        to = size - 1;
    } else if (!last.len || to >= size) {
        to = size - 1;
    }
    if (from >= size)
        return S3_RANGE_BAD;
    *pos = from;
    *len = to - from + 1;
    return S3_RANGE_OK;
}

/* --- get and head ----------------------------------------------------------------------------- */

static void put_metadata(struct s3_call *call, const struct store_info *info, bool whole)
{
    const char *mode = s3_header(call, "x-amz-checksum-mode");
    bool sums = whole && mode && strcasecmp(mode, "ENABLED") == 0;
    json_t *metadata = NULL, *value;
    const char *name;

    if (!info->metadata[0] || json_parse(slice_str(info->metadata), &metadata, NULL))
        return;
    json_object_foreach(metadata, name, value)
    {
        if (!json_is_string(value) || strcmp(name, S3_PART_SIZES) == 0 ||
            (strncmp(name, "x-amz-checksum-", 15) == 0 && !sums))
            continue;
        http_set_header(call->reply, name, json_string_value(value));
    }
    json_decref(metadata);
}

static void put_object_headers(struct s3_call *call, const struct store_info *info, bool whole)
{
    char text[64];

    snprintf(text, sizeof(text), "\"%s\"", info->etag);
    http_set_header(call->reply, "ETag", text);
    s3_http_date(info->mtime_us, text);
    http_set_header(call->reply, "Last-Modified", text);
    http_set_header(call->reply, "Accept-Ranges", "bytes");
    http_set_header(call->reply, "Content-Type",
                    info->content_type[0] ? info->content_type : "binary/octet-stream");
    put_metadata(call, info, whole);
    for (size_t i = 0; i < COUNT_OF(overrides) && call->secret; i++)
        if (s3_query(call, overrides[i].query))
            http_set_header(call->reply, overrides[i].header, s3_query(call, overrides[i].query));
}

static void put_range(struct s3_call *call, int64_t pos, int64_t len, int64_t size)
{
    char text[96];

    http_status(call->reply, 206);
    snprintf(text, sizeof(text), "bytes %" PRId64 "-%" PRId64 "/%" PRId64, pos, pos + len - 1,
             size);
    http_set_header(call->reply, "Content-Range", text);
}

/* ?partNumber: the bytes that came as one part. An object put whole has the one part 1. */
static bool pick_part(struct s3_call *call, const struct store_info *info, int64_t *pos,
                      int64_t *len)
{
    const char *text = s3_query(call, "partNumber"), *sizes;
    int64_t number, count = 0;
    json_t *metadata = NULL;
    char total[32];
    int rc = 0;

    if (s3_header(call, "range")) {
        s3_error(call, S3_INVALID_REQUEST, "Range and partNumber exclude each other.");
        return false;
    }
    if (slice_to_i64(slice_str(text), &number) || number < 1 || number > S3_PARTS_MAX) {
        s3_error(call, S3_INVALID_ARGUMENT, "partNumber must be from 1 to %d.", S3_PARTS_MAX);
        return false;
    }
    if (info->metadata[0])
        json_parse(slice_str(info->metadata), &metadata, NULL);
    sizes = json_string_value(json_object_get(metadata, S3_PART_SIZES));
    if (sizes)
        rc = s3_part_find(sizes, number, pos, len, &count);
    else if (number > 1)
        rc = ERR_RANGE;
    json_decref(metadata);
    if (rc || *pos + *len > info->size) {
        s3_error(call, S3_INVALID_PART_NUMBER, NULL);
        return false;
    }
    if (count) {
        snprintf(total, sizeof(total), "%" PRId64, count);
        http_set_header(call->reply, "x-amz-mp-parts-count", total);
    }
    if (info->size)
        put_range(call, *pos, *len, info->size);
    return true;
}

/* The part of the object that is asked for. Answers itself and returns false when there is none. */
static bool pick_range(struct s3_call *call, const struct store_info *info, int64_t *pos,
                       int64_t *len)
{
    const char *range = s3_header(call, "range"), *only_if = s3_header(call, "if-range");
    char text[96];

    *pos = 0;
    *len = info->size;
    if (s3_query(call, "partNumber"))
        return pick_part(call, info, pos, len);
    if (!range || (only_if && !s3_etag_matches(only_if, info->etag)))
        return true;
    switch (s3_range(range, info->size, pos, len)) {
    case S3_RANGE_NONE:
        return true;
    case S3_RANGE_OK:
        put_range(call, *pos, *len, info->size);
        return true;
    case S3_RANGE_BAD:
        break;
    }
    s3_error(call, S3_INVALID_RANGE, NULL);
    snprintf(text, sizeof(text), "bytes */%" PRId64, info->size);
    http_set_header(call->reply, "Content-Range", text);
    return false;
}

static void get_object(struct s3_call *call)
{
    struct store *store = call->server->store;
    struct store_info info;
    struct file *file = NULL;
    struct err err = {0};
    int64_t pos, len;
    int rc = store->ops->open(store, call->bucket, call->key, &info, &file, &err);

    if (rc) {
        s3_fail(call, rc, &err);
        return;
    }
    if (!s3_conditions(call, "", &info) || !pick_range(call, &info, &pos, &len)) {
        file_close(file);
        return;
    }
    put_object_headers(call, &info, len == info.size);
    http_reply_file(call->reply, NULL, file, pos, len);
}

static void head_object(struct s3_call *call)
{
    struct store *store = call->server->store;
    struct store_info info;
    struct err err = {0};
    int64_t pos, len;
    int rc = store->ops->head(store, call->bucket, call->key, &info, &err);

    if (rc) {
        s3_fail(call, rc, &err);
        return;
    }
    if (!s3_conditions(call, "", &info) || !pick_range(call, &info, &pos, &len))
        return;
    put_object_headers(call, &info, len == info.size);
    http_reply_length(call->reply, NULL, len);
}

/* --- put -------------------------------------------------------------------------------------- */

/* "aws-chunked,gzip" is gzip: the first part is the transfer's, not the object's. */
static const char *without_aws_chunked(struct arena *arena, const char *value)
{
    const char *rest;

    if (strncasecmp(value, "aws-chunked", 11))
        return value;
    rest = value + 11;
    rest += strspn(rest, ", ");
    return *rest ? arena_strdup(arena, rest) : NULL;
}

static int keep_header(struct s3_call *call, json_t *metadata, const char *name, const char *value)
{
    char *lower = arena_strdup(call->arena, name);

    if (!lower)
        return ERR_NOMEM;
    for (char *c = lower; *c; c++)
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
    if (strcmp(lower, "content-encoding") == 0)
        value = without_aws_chunked(call->arena, value);
    return value && json_object_set_new(metadata, lower, json_string(value)) ? ERR_INVALID : 0;
}

static bool is_kept(const char *name)
{
    if (strncasecmp(name, "x-amz-meta-", 11) == 0)
        return true;
    for (size_t i = 0; i < COUNT_OF(kept_headers); i++)
        if (strcasecmp(name, kept_headers[i]) == 0)
            return true;
    return false;
}

static int gather_metadata(struct s3_call *call, json_t *metadata)
{
    const char *name, *value;
    int rc = 0;

    for (size_t i = 0; !rc && http_header_at(call->req, i, &name, &value); i++)
        if (is_kept(name))
            rc = keep_header(call, metadata, name, value);
    if (!rc && call->body.has_sum)
        rc = keep_header(call, metadata, s3_sum_header(call->body.sum.kind), call->body.sum_found);
    return rc;
}

static int read_preconditions(struct s3_call *call, struct store_put_options *out)
{
    const char *match = s3_header(call, "if-match"), *none = s3_header(call, "if-none-match");

    if (none && strcmp(none, "*")) {
        s3_error(call, S3_NOT_IMPLEMENTED, "If-None-Match of a write takes only \"*\".");
        return ERR_UNSUPPORTED;
    }
    out->if_none_match = none != NULL;
    if (match) {
        size_t len = strlen(match);

        if (len > 1 && match[0] == '"' && match[len - 1] == '"')
            match = arena_cstr(call->arena, slice_of(match + 1, len - 2));
        out->if_match = match;
    }
    return 0;
}

int s3_put_options(struct s3_call *call, struct store_put_options *out)
{
    static const struct store_info limits;
    json_t *metadata = json_object();
    struct buf text = {0};
    int rc = metadata ? gather_metadata(call, metadata) : ERR_NOMEM;

    *out = (struct store_put_options){.content_type = s3_header(call, "content-type")};
    if (!rc && json_object_size(metadata)) {
        rc = json_print(metadata, 0, &text, NULL);
        out->user_metadata = rc ? NULL : arena_cstr(call->arena, buf_slice(&text));
    }
    json_decref(metadata);
    if (rc == ERR_INVALID)
        s3_error(call, S3_INVALID_ARGUMENT, "Metadata must be UTF-8.");
    else if (rc)
        s3_error(call, S3_INTERNAL_ERROR, NULL);
    else if (text.len >= sizeof(limits.metadata))
        rc = ERR_LIMIT;
    if (out->content_type && strlen(out->content_type) >= sizeof(limits.content_type))
        rc = ERR_LIMIT;
    if (rc == ERR_LIMIT)
        s3_error(call, S3_METADATA_TOO_LARGE, NULL);
    buf_deinit(&text);
    return rc ? rc : read_preconditions(call, out);
}

static void put_etag(struct s3_call *call, const char *etag)
{
    char text[64];

    snprintf(text, sizeof(text), "\"%s\"", etag);
    http_set_header(call->reply, "ETag", text);
}

/* The staged bytes become the object. */
static int put_staged(struct s3_call *call, const struct store_put_options *options,
                      struct store_info *info)
{
    struct store *store = call->server->store;
    struct err err = {0};
    int rc;

    file_close(call->body.file);
    call->body.file = NULL;
    rc = store->ops->put_file(store, call->bucket, call->key, call->body.path, options, info, &err);
    if (rc)
        s3_fail(call, rc, &err);
    return rc;
}

static void put_object(struct s3_call *call)
{
    struct store_put_options options;
    struct store_info info;

    if (s3_put_options(call, &options))
        return;
    options.etag = call->body.md5_hex;
    if (put_staged(call, &options, &info))
        return;
    http_status(call->reply, 200);
    put_etag(call, info.etag);
    if (call->body.has_sum)
        http_set_header(call->reply, s3_sum_header(call->body.sum.kind), call->body.sum_found);
}

/* --- copy ------------------------------------------------------------------------------------- */

int s3_copy_source(struct s3_call *call, const char **bucket, const char **key)
{
    const char *raw = s3_header(call, "x-amz-copy-source"), *text, *slash;
    struct slice path = slice_of(raw, strcspn(raw, "?"));

    if (strchr(raw, '?') && strcmp(strchr(raw, '?'), "?versionId=null")) {
        s3_error(call, S3_NOT_IMPLEMENTED, "Versions are not kept.");
        return ERR_UNSUPPORTED;
    }
    if (path.len && path.ptr[0] == '/')
        path = slice_of(path.ptr + 1, path.len - 1);
    if (url_decode(call->arena, path, false, &text) || !(slash = strchr(text, '/')) ||
        slash == text || !slash[1]) {
        s3_error(call, S3_INVALID_ARGUMENT, "x-amz-copy-source is not BUCKET/KEY.");
        return ERR_INVALID;
    }
    *bucket = arena_cstr(call->arena, slice_of(text, (size_t)(slash - text)));
    *key = slash + 1;
    if (!*bucket)
        s3_error(call, S3_INTERNAL_ERROR, NULL);
    return *bucket ? 0 : ERR_NOMEM;
}

int s3_copy_bytes(struct s3_call *call, struct file *from, int64_t pos, int64_t len)
{
    uint8_t *piece = NULL;
    struct err err = {0};
    int rc = s3_body_restart(call);

    if (rc)
        return rc;
    piece = malloc(COPY_BYTES);
    rc = piece ? 0 : ERR_NOMEM;
    while (!rc && len > 0) {
        size_t want = len < (int64_t)COPY_BYTES ? (size_t)len : COPY_BYTES;

        rc = file_read_all(from, piece, want, pos, &err);
        if (rc)
            break;
        rc = s3_body_piece(call, slice_of(piece, want));
        if (rc) { /* answered already */
            free(piece);
            return rc;
        }
        pos += (int64_t)want;
        len -= (int64_t)want;
    }
    free(piece);
    if (rc)
        s3_fail(call, rc, &err);
    return rc;
}

/* What of the source's metadata is true of a copy: not its parts, nor a checksum made of theirs. */
static const char *copied_metadata(struct s3_call *call, const struct store_info *info)
{
    const char *name, *text = NULL;
    struct buf printed = {0};
    json_t *metadata, *value;
    void *next;

    if (!info->metadata[0] || json_parse(slice_str(info->metadata), &metadata, NULL))
        return NULL;
    json_object_foreach_safe(metadata, next, name,
                             value) if (strcmp(name, S3_PART_SIZES) == 0 ||
                                        (strncmp(name, "x-amz-checksum-", 15) == 0 &&
                                         strchr(json_string_value(value), '-')))
        json_object_del(metadata, name);
    if (json_object_size(metadata) && json_print(metadata, 0, &printed, NULL) == 0)
        text = arena_cstr(call->arena, buf_slice(&printed));
    json_decref(metadata);
    buf_deinit(&printed);
    return text;
}

/* A copy keeps what the source had, unless the request says REPLACE. */
static int copy_options(struct s3_call *call, struct store_info *info,
                        struct store_put_options *out)
{
    const char *directive = s3_header(call, "x-amz-metadata-directive");

    if (directive && strcasecmp(directive, "REPLACE") == 0)
        return s3_put_options(call, out);
    *out = (struct store_put_options){.content_type =
                                          info->content_type[0] ? info->content_type : NULL,
                                      .user_metadata = copied_metadata(call, info)};
    return read_preconditions(call, out);
}

/* Opens the source and checks its conditions. Answers itself. */
static int open_source(struct s3_call *call, struct store_info *info, struct file **file)
{
    struct store *store = call->server->store;
    const char *directive = s3_header(call, "x-amz-metadata-directive"), *bucket, *key;
    const char *own_bucket = call->bucket, *own_key = call->key;
    struct err err = {0};
    int rc = s3_copy_source(call, &bucket, &key);

    if (rc)
        return rc;
    if (strcmp(bucket, call->bucket) == 0 && strcmp(key, call->key) == 0 &&
        !(directive && strcasecmp(directive, "REPLACE") == 0)) {
        s3_error(call, S3_INVALID_REQUEST,
                 "A copy onto itself must change something: x-amz-metadata-directive: REPLACE.");
        return ERR_INVALID;
    }
    rc = store->ops->open(store, bucket, key, info, file, &err);
    if (rc) { /* the error is about the source */
        call->bucket = bucket;
        call->key = key;
        s3_fail(call, rc, &err);
        call->bucket = own_bucket;
        call->key = own_key;
        return rc;
    }
    if (s3_conditions(call, "x-amz-copy-source-", info))
        return 0;
    file_close(*file);
    return ERR_CONFLICT;
}

static void copy_object(struct s3_call *call)
{
    struct store_put_options options;
    struct store_info info, made;
    struct file *from = NULL;
    struct buf xml = {0};
    char date[32], etag[64];
    int rc = open_source(call, &info, &from);

    if (rc)
        return;
    rc = s3_copy_bytes(call, from, 0, info.size);
    file_close(from);
    if (rc || s3_body_end(call) || copy_options(call, &info, &options))
        return;
    options.etag = call->body.md5_hex;
    if (put_staged(call, &options, &made))
        return;
    s3_iso_date(made.mtime_us, date);
    snprintf(etag, sizeof(etag), "\"%s\"", made.etag);
    buf_append_str(&xml, "<CopyObjectResult" S3_XMLNS ">");
    xml_element(&xml, "LastModified", date);
    xml_element(&xml, "ETag", etag);
    buf_append_str(&xml, "</CopyObjectResult>");
    s3_reply_xml(call, &xml);
}

/* --- delete ----------------------------------------------------------------------------------- */

static void delete_object(struct s3_call *call)
{
    struct store *store = call->server->store;
    struct err err = {0};
    int rc = store->ops->remove(store, call->bucket, call->key, &err);

    if (rc)
        s3_fail(call, rc, &err);
    else
        http_status(call->reply, 204);
}

static void delete_one(struct s3_call *call, const char *key, bool quiet, struct buf *xml)
{
    struct store *store = call->server->store;
    struct err err = {0};
    int rc = store->ops->remove(store, call->bucket, key, &err);

    if (rc) {
        buf_append_str(xml, "<Error>");
        xml_element(xml, "Key", key);
        xml_element(xml, "Code", s3_code_name(s3_code_of(call, rc)));
        xml_element(xml, "Message", err.text);
        buf_append_str(xml, "</Error>");
    } else if (!quiet) {
        buf_append_str(xml, "<Deleted>");
        xml_element(xml, "Key", key);
        buf_append_str(xml, "</Deleted>");
    }
}

/* The keys listed, in the arena. Answers itself. */
static int read_delete_list(struct s3_call *call, const char **keys, size_t *count, bool *quiet)
{
    const char *path, *text;
    struct err err = {0};
    struct xml xml;
    int rc;

    xml_init(&xml, call->arena, buf_slice(&call->body.text));
    while (xml_next(&xml, &path, &text, &rc, &err)) {
        if (strcmp(path, "Delete/Quiet") == 0)
            *quiet = strcasecmp(text, "true") == 0;
        if (strcmp(path, "Delete/Object/Key"))
            continue;
        if (*count == S3_KEYS_MAX) {
            rc = err_set(&err, ERR_LIMIT, "more than %d keys", S3_KEYS_MAX);
            break;
        }
        keys[(*count)++] = text;
    }
    xml_deinit(&xml);
    if (!rc && *count == 0)
        rc = err_set(&err, ERR_INVALID, "no keys");
    if (rc)
        s3_error(call, S3_MALFORMED_XML, "%s", err.text);
    return rc;
}

static void delete_objects(struct s3_call *call)
{
    const char **keys = ARENA_ARRAY(call->arena, const char *, S3_KEYS_MAX);
    struct store *store = call->server->store;
    struct buf xml = {0};
    bool quiet = false;
    size_t count = 0;
    int rc = store->ops->bucket_check(store, call->bucket, NULL);

    if (!keys)
        rc = ERR_NOMEM;
    if (rc) {
        s3_fail(call, rc, NULL);
        return;
    }
    if (read_delete_list(call, keys, &count, &quiet))
        return;
    buf_append_str(&xml, "<DeleteResult" S3_XMLNS ">");
    for (size_t i = 0; i < count; i++)
        delete_one(call, keys[i], quiet, &xml);
    buf_append_str(&xml, "</DeleteResult>");
    s3_reply_xml(call, &xml);
}

const struct s3_op s3_object_ops[] = {
    {"GetObject", "GET", S3_OBJECT, .run = get_object},
    {"HeadObject", "HEAD", S3_OBJECT, .run = head_object},
    {"CopyObject", "PUT", S3_OBJECT, .header = "x-amz-copy-source", .sink = S3_TO_FILE,
     .run = copy_object},
    {"PutObject", "PUT", S3_OBJECT, .sink = S3_TO_FILE, .run = put_object},
    {"DeleteObject", "DELETE", S3_OBJECT, .run = delete_object},
    {"DeleteObjects", "POST", S3_BUCKET, "delete", .sink = S3_TO_TEXT, .run = delete_objects},
    {0},
};
