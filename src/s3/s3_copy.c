/* s3_copy.c - CopyObject, and what it shares with UploadPartCopy: the source and its bytes. */
#include <stdio.h>
#include <strings.h>

#include "base/json.h"
#include "net/url.h"
#include "s3/s3_int.h"

#define COPY_BYTES ((size_t)1 << 20)

int s3_copy_source(struct s3_call *call, struct s3_source *out)
{
    const char *raw = s3_header(call, "x-amz-copy-source"), *text, *slash, *mark;
    struct slice path = slice_of(raw, strcspn(raw, "?"));

    *out = (struct s3_source){0};
    mark = strstr(raw, "?versionId=");
    if (mark)
        out->version = arena_strdup(call->arena, mark + strlen("?versionId="));
    if (path.len && path.ptr[0] == '/')
        path = slice_of(path.ptr + 1, path.len - 1);
    if (url_decode(call->arena, path, false, &text) || !(slash = strchr(text, '/')) ||
        slash == text || !slash[1] || (strchr(raw, '?') && !out->version)) {
        s3_error(call, S3_INVALID_ARGUMENT,
                 "Copy Source must mention the source bucket and key: sourcebucket/sourcekey");
        return ERR_INVALID;
    }
    if (out->version && !s3_version_plausible(out->version)) {
        s3_error(call, S3_INVALID_ARGUMENT, "Invalid version id specified");
        return ERR_INVALID;
    }
    out->bucket = arena_cstr(call->arena, slice_of(text, (size_t)(slash - text)));
    out->key = slash + 1;
    if (!out->bucket) {
        s3_error(call, S3_INTERNAL_ERROR, NULL);
        return ERR_NOMEM;
    }
    if (s3_may(call, out->version ? "s3:GetObjectVersion" : "s3:GetObject", out->bucket, out->key))
        return 0;
    s3_error(call, S3_ACCESS_DENIED, NULL);
    return ERR_DENIED;
}

int s3_open_source(struct s3_call *call, struct s3_source *source, struct store_info *info,
                   struct file **file)
{
    struct store *store = call->server->store;
    const struct store_version_ops *versions = store->ops->versions;
    const char *own_bucket = call->bucket, *own_key = call->key;
    struct err err = {0};
    int rc = s3_copy_source(call, source);

    if (rc)
        return rc;
    rc = source->version && versions
             ? versions->open(store, source->bucket, source->key, source->version, info, file, &err)
             : store->ops->open(store, source->bucket, source->key, info, file, &err);
    call->bucket = source->bucket; /* the error is about the source */
    call->key = source->key;
    if (rc == ERR_NOENT && source->version && s3_code_of(call, rc) == S3_NO_SUCH_KEY)
        s3_error(call, S3_NO_SUCH_VERSION, NULL);
    else if (rc)
        s3_fail(call, rc, &err);
    else if (info->is_marker) {
        s3_error(call, S3_INVALID_REQUEST,
                 "The source of a copy request may not specifically refer to a delete marker by "
                 "version id.");
        rc = ERR_INVALID;
    }
    call->bucket = own_bucket;
    call->key = own_key;
    if (rc || s3_conditions(call, "x-amz-copy-source-", info))
        return rc;
    file_close(*file);
    return ERR_CONFLICT;
}

int s3_copy_bytes(struct s3_call *call, struct file *from, int64_t pos, int64_t len,
                  const enum s3_sum *kind)
{
    uint8_t *piece = NULL;
    struct err err = {0};
    int rc = s3_body_restart(call, kind);

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

/* Is it true of an object alone, and not of a copy? Its parts, a checksum made of theirs, any when
 * the copy has one of its own; and where a website sends its readers, as AWS has it. */
static bool stays_behind(const struct s3_call *call, const char *name, const char *value)
{
    if (strncmp(name, "x-amz-checksum-", 15) == 0)
        return call->body.has_sum || strchr(value, '-');
    return strcmp(name, S3_PART_SIZES) == 0 || strcmp(name, S3_WEBSITE_REDIRECT) == 0;
}

static const char *copied_metadata(struct s3_call *call, const struct store_info *info)
{
    const char *name, *text = NULL, *redirect = s3_header(call, S3_WEBSITE_REDIRECT);
    struct buf printed = {0};
    json_t *metadata = NULL, *value;
    void *next;

    if (info->metadata[0] && json_parse(slice_str(info->metadata), &metadata, NULL))
        return NULL;
    if (!metadata)
        metadata = json_object();
    json_object_foreach_safe(metadata, next, name, value)
    {
        if (stays_behind(call, name, json_string_value(value)))
            json_object_del(metadata, name);
    }
    if (call->body.has_sum)
        json_object_set_new(metadata, s3_sum_header(call->body.sum.kind),
                            json_string(call->body.sum_found));
    if (redirect)
        json_object_set_new(metadata, S3_WEBSITE_REDIRECT, json_string(redirect));
    if (json_object_size(metadata) && json_print(metadata, 0, &printed, NULL) == 0)
        text = arena_cstr(call->arena, buf_slice(&printed));
    json_decref(metadata);
    buf_deinit(&printed);
    return text;
}

/* Tags of the source, or of the request. Answers itself. */
static int copy_tags(struct s3_call *call, const struct s3_source *source,
                     const struct store_info *info, struct store_put_options *out)
{
    const char *directive = s3_header(call, "x-amz-tagging-directive");
    struct store *store = call->server->store;
    struct store_info unused;
    struct buf text = {0};
    struct err err = {0};
    int rc;

    out->tags = NULL;
    if (directive && strcmp(directive, "COPY") && strcmp(directive, "REPLACE")) {
        s3_error(call, S3_INVALID_ARGUMENT, "Unknown tagging directive.");
        return ERR_INVALID;
    }
    if (directive && strcmp(directive, "REPLACE") == 0)
        return s3_tags_of_header(call, &out->tags);
    if (!info->tag_count)
        return 0;
    rc = store->ops->versions->tags_get(store, source->bucket, source->key,
                                        info->version[0] ? info->version : NULL, &unused, &text,
                                        &err);
    if (!rc && text.len) {
        out->tags = arena_cstr(call->arena, buf_slice(&text));
        rc = out->tags ? 0 : ERR_NOMEM;
    }
    buf_deinit(&text);
    if (rc)
        s3_fail(call, rc, &err);
    return rc;
}

static bool replaces(struct s3_call *call)
{
    const char *directive = s3_header(call, "x-amz-metadata-directive");

    return directive && strcmp(directive, "REPLACE") == 0;
}

/* A copy keeps what the source had, unless the request says REPLACE. */
static int copy_options(struct s3_call *call, const struct s3_source *source,
                        struct store_info *info, struct store_put_options *out)
{
    int rc = 0;

    if (replaces(call)) {
        rc = s3_put_options(call, out);
    } else {
        *out = (struct store_put_options){.content_type =
                                              info->content_type[0] ? info->content_type : NULL,
                                          .user_metadata = copied_metadata(call, info)};
        rc = s3_write_conditions(call, out);
    }
    return rc ? rc : copy_tags(call, source, info, out);
}

/* What can be said against it before the source is looked for, and the checksum that the copy is to
 * have. Answers itself. */
static int check_request(struct s3_call *call, enum s3_sum *kind, bool *has_kind)
{
    const char *directive = s3_header(call, "x-amz-metadata-directive");
    const char *algorithm = s3_header(call, "x-amz-checksum-algorithm");

    *has_kind = algorithm != NULL;
    if (algorithm && !s3_sum_named(algorithm, kind)) {
        s3_error(call, S3_INVALID_REQUEST, S3_SUM_UNKNOWN);
        return ERR_UNSUPPORTED;
    }
    if (s3_check_redirect(call))
        return ERR_INVALID;

    if (directive && strcmp(directive, "COPY") && strcmp(directive, "REPLACE")) {
        s3_error(call, S3_INVALID_ARGUMENT, "Unknown metadata directive.");
        return ERR_INVALID;
    }
    return 0;
}

static int open_source(struct s3_call *call, struct s3_source *source, struct store_info *info,
                       struct file **file)
{
    int rc = s3_open_source(call, source, info, file);

    if (!rc && strcmp(source->bucket, call->bucket) == 0 && strcmp(source->key, call->key) == 0 &&
        !source->version && !replaces(call) && !s3_header(call, S3_WEBSITE_REDIRECT)) {
        s3_error(call, S3_INVALID_REQUEST,
                 "This copy request is illegal because it is trying to copy an object to itself "
                 "without changing the object's metadata, storage class, website redirect location "
                 "or encryption attributes.");
        file_close(*file);
        rc = ERR_INVALID;
    }
    return rc;
}

/* The checksums that the copy has. */
static void put_sums(struct s3_call *call, const struct store_info *info, struct buf *xml)
{
    json_t *metadata = NULL;

    if (info->metadata[0])
        json_parse(slice_str(info->metadata), &metadata, NULL);
    for (int i = 0; i < S3_SUM_COUNT; i++) {
        const char *value =
            json_string_value(json_object_get(metadata, s3_sum_header((enum s3_sum)i)));

        if (!value)
            continue;
        s3_put_sum(call, xml, s3_sum_name((enum s3_sum)i), value);
        xml_element(xml, "ChecksumType", s3_sum_type(value));
    }
    json_decref(metadata);
}

void s3_copy_object(struct s3_call *call)
{
    struct store_put_options options;
    struct store_info info, made;
    struct s3_source source;
    struct file *from = NULL;
    struct buf xml = {0};
    char date[32], etag[64];
    enum s3_sum kind;
    bool has_kind;
    int rc;

    if (check_request(call, &kind, &has_kind) || open_source(call, &source, &info, &from))
        return;
    rc = s3_copy_bytes(call, from, 0, info.size, has_kind ? &kind : NULL);
    file_close(from);
    if (rc || s3_body_end(call) || copy_options(call, &source, &info, &options))
        return;
    options.etag = call->body.md5_hex;
    if (s3_put_staged(call, &options, &made))
        return;
    s3_iso_date(made.mtime_us, date);
    snprintf(etag, sizeof(etag), "\"%s\"", made.etag);
    buf_append_str(&xml, "<CopyObjectResult" S3_XMLNS ">");
    xml_element(&xml, "LastModified", date);
    xml_element(&xml, "ETag", etag);
    put_sums(call, &made, &xml);
    buf_append_str(&xml, "</CopyObjectResult>");
    s3_reply_xml(call, &xml);
    if (strcmp(made.version, "null"))
        s3_put_version(call, made.version);
    if (info.version[0])
        http_set_header(call->reply, "x-amz-copy-source-version-id", info.version);
}
