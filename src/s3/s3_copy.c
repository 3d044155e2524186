/* s3_copy.c - CopyObject, and what it shares with UploadPartCopy: the source and its bytes. */
#include <stdio.h>
#include <strings.h>

#include "base/json.h"
#include "net/url.h"
#include "s3/s3_int.h"

#define COPY_BYTES ((size_t)1 << 20)

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
    return s3_write_conditions(call, out);
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

void s3_copy_object(struct s3_call *call)
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
    if (s3_put_staged(call, &options, &made))
        return;
    s3_iso_date(made.mtime_us, date);
    snprintf(etag, sizeof(etag), "\"%s\"", made.etag);
    buf_append_str(&xml, "<CopyObjectResult" S3_XMLNS ">");
    xml_element(&xml, "LastModified", date);
    xml_element(&xml, "ETag", etag);
    buf_append_str(&xml, "</CopyObjectResult>");
    s3_reply_xml(call, &xml);
}
