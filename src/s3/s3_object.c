/* s3_object.c - objects: get, head and put. */
#include <stdio.h>
#include <strings.h>

#include "base/json.h"
#include "s3/s3_int.h"

#define USER_METADATA_MAX 2048 /* bytes of names and values, as AWS counts them */

/* Headers that are kept with an object and given back as they came. */
static const char *const kept_headers[] = {
    "cache-control", "content-disposition", "content-encoding", "content-language",
    "expires",       S3_WEBSITE_REDIRECT,
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
        if (strncmp(name, "x-amz-checksum-", 15) == 0)
            http_set_header(call->reply, "x-amz-checksum-type",
                            s3_sum_type(json_string_value(value)));
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
    s3_put_version(call, info->version);
    if (info->tag_count) {
        snprintf(text, sizeof(text), "%d", info->tag_count);
        http_set_header(call->reply, "x-amz-tagging-count", text);
    }
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
        s3_error(call, S3_INVALID_REQUEST,
                 "Cannot specify both Range header and partNumber query parameter");
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
    struct store_info info;
    struct file *file = NULL;
    int64_t pos, len;

    if (s3_find_object(call, &info, &file))
        return;
    if (!s3_conditions(call, "", &info) || !pick_range(call, &info, &pos, &len)) {
        file_close(file);
        return;
    }
    put_object_headers(call, &info, len == info.size);
    http_reply_file(call->reply, NULL, file, pos, len);
}

static void head_object(struct s3_call *call)
{
    struct store_info info;
    int64_t pos, len;

    if (s3_find_object(call, &info, NULL))
        return;
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
    const char *before;

    if (!lower)
        return ERR_NOMEM;
    for (char *c = lower; *c; c++)
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
    if (strcmp(lower, "content-encoding") == 0)
        value = without_aws_chunked(call->arena, value);
    before = json_string_value(json_object_get(metadata, lower));
    if (before && value) /* RFC 9110, section 5.2: lines of one name are one list */
        value = arena_printf(call->arena, "%s,%s", before, value);
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
    size_t user_bytes = 0;
    int rc = 0;

    for (size_t i = 0; !rc && s3_header_at(call, i, &name, &value); i++) {
        if (!is_kept(name))
            continue;
        if (strncasecmp(name, "x-amz-meta-", 11) == 0)
            user_bytes += strlen(name) - 11 + strlen(value);
        rc = user_bytes > USER_METADATA_MAX ? ERR_LIMIT : keep_header(call, metadata, name, value);
    }
    if (!rc && call->body.has_sum && !call->op->sum_elsewhere)
        rc = keep_header(call, metadata, s3_sum_header(call->body.sum.kind), call->body.sum_found);
    return rc;
}

int s3_check_redirect(struct s3_call *call)
{
    const char *to = s3_header(call, S3_WEBSITE_REDIRECT);

    if (!to || to[0] == '/' || strncasecmp(to, "http://", 7) == 0 ||
        strncasecmp(to, "https://", 8) == 0)
        return 0;
    s3_error(call, S3_INVALID_REDIRECT, NULL);
    return ERR_INVALID;
}

int s3_write_conditions(struct s3_call *call, struct store_put_options *out)
{
    const char *match = s3_header(call, "if-match"), *none = s3_header(call, "if-none-match");

    if (none && strcmp(none, "*")) {
        s3_error_detail(call, "AdditionalMessage", "If-None-Match of a write takes only \"*\".");
        s3_error(call, S3_NOT_IMPLEMENTED, NULL);
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
    int rc;

    if (s3_check_redirect(call)) {
        json_decref(metadata);
        return ERR_INVALID;
    }
    rc = metadata ? gather_metadata(call, metadata) : ERR_NOMEM;

    *out = (struct store_put_options){.content_type = s3_header(call, "content-type")};
    if (!rc && json_object_size(metadata)) {
        rc = json_print(metadata, 0, &text, NULL);
        out->user_metadata = rc ? NULL : arena_cstr(call->arena, buf_slice(&text));
    }
    json_decref(metadata);
    if (rc == ERR_INVALID)
        s3_error(call, S3_INVALID_ARGUMENT, "Metadata must be UTF-8.");
    else if (rc && rc != ERR_LIMIT)
        s3_error(call, S3_INTERNAL_ERROR, NULL);
    else if (text.len >= sizeof(limits.metadata))
        rc = ERR_LIMIT;
    if (out->content_type && strlen(out->content_type) >= sizeof(limits.content_type))
        rc = ERR_LIMIT;
    if (rc == ERR_LIMIT)
        s3_error(call, S3_METADATA_TOO_LARGE, NULL);
    buf_deinit(&text);
    if (!rc)
        rc = s3_tags_of_header(call, &out->tags);
    return rc ? rc : s3_write_conditions(call, out);
}

static void put_etag(struct s3_call *call, const char *etag)
{
    char text[64];

    snprintf(text, sizeof(text), "\"%s\"", etag);
    http_set_header(call->reply, "ETag", text);
}

/* The staged bytes become the object. */
int s3_put_staged(struct s3_call *call, const struct store_put_options *options,
                  struct store_info *info)
{
    struct store *store = call->server->store;
    struct err err = {0};
    int rc;

    if (call->body.file) {
        file_close(call->body.file);
        call->body.file = NULL;
        rc = store->ops->put_file(store, call->bucket, call->key, call->body.path, options, info,
                                  &err);
        if (!rc)
            call->body.path = NULL; /* the store's */
    } else {
        rc = store->ops->put(store, call->bucket, call->key, buf_slice(&call->body.text), options,
                             info, &err);
    }
    if (rc)
        s3_fail(call, rc, &err);
    return rc;
}

void s3_put_answer(struct s3_call *call, const struct store_info *info)
{
    put_etag(call, info->etag);
    if (strcmp(info->version, "null"))
        s3_put_version(call, info->version);
    if (call->body.has_sum) {
        http_set_header(call->reply, s3_sum_header(call->body.sum.kind), call->body.sum_found);
        http_set_header(call->reply, "x-amz-checksum-type", s3_sum_type(call->body.sum_found));
    }
}

static void put_object(struct s3_call *call)
{
    struct store_put_options options;
    struct store_info info;

    if (s3_put_options(call, &options))
        return;
    options.etag = call->body.md5_hex;
    if (s3_put_staged(call, &options, &info))
        return;
    http_status(call->reply, 200);
    s3_put_answer(call, &info);
}

const struct s3_op s3_object_ops[] = {
    {"GetObject", "GET", S3_OBJECT, .run = get_object, .version_action = "s3:GetObjectVersion"},
    {"HeadObject", "HEAD", S3_OBJECT, .run = head_object, .action = "s3:GetObject",
     .version_action = "s3:GetObjectVersion"},
    {"CopyObject", "PUT", S3_OBJECT, .header = "x-amz-copy-source", .sink = S3_TO_FILE,
     .run = s3_copy_object, .action = "s3:PutObject"},
    {"PutObject", "PUT", S3_OBJECT, .sink = S3_TO_FILE, .run = put_object},
    {"DeleteObject", "DELETE", S3_OBJECT, .run = s3_delete_object,
     .version_action = "s3:DeleteObjectVersion"},
    {"DeleteObjects", "POST", S3_BUCKET, "delete", .sink = S3_TO_TEXT, .run = s3_delete_objects,
     .asks_itself = true},
    {0},
};
