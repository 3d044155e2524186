/* s3_upload.c - multipart uploads: large objects in parts, sent in any order, joined at the end.
 *
 * An upload is a folder in the staging area, staging/uploads/ID: "upload.json" with what it will
 * be, and one file per part named NUMBER-MD5, synced before the part is answered. So uploads
 * survive a restart and need no other record. They end in s3_complete.c.
 */
#include <stdio.h>
#include <strings.h>

#include "s3/s3_upload.h"

#define ABANDONED_US ((int64_t)7 * 24 * 3600 * 1000000)

const char *s3_uploads_dir(const struct s3_server *server, struct arena *arena)
{
    return arena_printf(arena, "%s/uploads", server->store->staging);
}

/* --- the folder of an upload ------------------------------------------------------------------ */

int s3_upload_info(struct disk *disk, struct arena *arena, const char *dir, json_t **out)
{
    const char *path = arena_printf(arena, "%s/upload.json", dir);
    struct buf text = {.max = 64 << 10};
    int rc = path ? disk_read_file(disk, path, &text, NULL) : ERR_NOMEM;

    if (!rc)
        rc = json_parse(buf_slice(&text), out, NULL);
    buf_deinit(&text);
    return rc;
}

const char *s3_info_text(const json_t *info, const char *name)
{
    const char *text = json_string_value(json_object_get(info, name));

    return text ? text : "";
}

/* The upload that the query names, when it is one of this bucket and key. Answers itself. */
int s3_upload_find(struct s3_call *call, struct upload *out)
{
    const char *id = s3_query(call, "uploadId"), *dir = s3_uploads_dir(call->server, call->arena);
    int rc = ERR_NOENT;

    *out = (struct upload){.id = id};
    if (strlen(id) == 32 && strspn(id, "0123456789abcdef") == 32 && dir) {
        out->dir = arena_printf(call->arena, "%s/%s", dir, id);
        rc = out->dir ? s3_upload_info(s3_disk(call->server), call->arena, out->dir, &out->info)
                      : ERR_NOMEM;
    }
    if (!rc && (strcmp(s3_info_text(out->info, "bucket"), call->bucket) ||
                strcmp(s3_info_text(out->info, "key"), call->key))) {
        json_decref(out->info);
        out->info = NULL;
        rc = ERR_NOENT;
    }
    if (rc)
        s3_error(call, rc == ERR_NOENT ? S3_NO_SUCH_UPLOAD : S3_INTERNAL_ERROR, NULL);
    return rc;
}

/* "00042-d41d8cd98f00b204e9800998ecf8427e". */
static bool parse_part(const struct disk_entry *entry, struct part *out)
{
    int64_t number;

    if (entry->is_dir || strlen(entry->name) != 38 || entry->name[5] != '-' ||
        slice_to_i64(slice_of(entry->name, 5), &number))
        return false;
    out->number = (int)number;
    out->name = entry->name;
    out->size = entry->size;
    memcpy(out->md5, entry->name + 6, 33);
    return true;
}

static int by_number(const void *left, const void *right)
{
    return ((const struct part *)left)->number - ((const struct part *)right)->number;
}

int s3_upload_parts(struct s3_call *call, const struct upload *upload, struct parts *out,
                    struct err *err)
{
    struct disk_entry *entries;
    size_t count;
    int rc = disk_list(s3_disk(call->server), upload->dir, call->arena, &entries, &count, err);

    *out = (struct parts){0};
    if (rc)
        return rc;
    out->list = ARENA_ARRAY(call->arena, struct part, count + 1);
    if (!out->list)
        return err_set(err, ERR_NOMEM, "parts");
    for (size_t i = 0; i < count; i++)
        if (parse_part(&entries[i], &out->list[out->count]))
            out->count++;
    qsort(out->list, out->count, sizeof(*out->list), by_number);
    return 0;
}

/* --- create ----------------------------------------------------------------------------------- */

static json_t *info_new(struct s3_call *call, const struct store_put_options *options)
{
    json_t *info = json_object();
    const struct {
        const char *name, *value;
    } texts[] = {{"bucket", call->bucket},
                 {"key", call->key},
                 {"content_type", options->content_type},
                 {"metadata", options->user_metadata},
                 {"tags", options->tags}};

    for (size_t i = 0; i < COUNT_OF(texts) && info; i++)
        if (texts[i].value && json_object_set_new(info, texts[i].name, json_string(texts[i].value)))
            goto fail;
    if (info &&
        !json_object_set_new(info, "started_us", json_integer(clock_wall_us(call->server->clock))))
        return info;
fail:
    json_decref(info);
    return NULL;
}

static int make_upload(struct s3_call *call, const char *id, const json_t *info, struct err *err)
{
    struct disk *disk = s3_disk(call->server);
    const char *root = s3_uploads_dir(call->server, call->arena);
    const char *dir = root ? arena_printf(call->arena, "%s/%s", root, id) : NULL;
    const char *path = dir ? arena_printf(call->arena, "%s/upload.json", dir) : NULL;
    struct buf text = {0};
    int rc = path ? json_print(info, 0, &text, err) : ERR_NOMEM;

    if (!rc)
        rc = disk_mkdirs(disk, dir, err);
    if (!rc)
        rc = disk_write_file(disk, path, buf_slice(&text), err);
    if (rc && dir)
        disk_remove_tree(disk, dir, NULL);
    buf_deinit(&text);
    return rc;
}

static void create_upload(struct s3_call *call)
{
    struct store *store = call->server->store;
    struct store_put_options options;
    struct buf xml = {0};
    struct err err = {0};
    json_t *info = NULL;
    uint8_t random[16];
    char id[33];
    int rc = store->ops->bucket_check(store, call->bucket, &err);

    if (rc) {
        s3_fail(call, rc, &err);
        return;
    }
    if (s3_put_options(call, &options))
        return;
    rand_secret(random, sizeof(random));
    hex_encode(random, sizeof(random), id);
    info = info_new(call, &options);
    rc = info ? make_upload(call, id, info, &err)
              : err_set(&err, ERR_INVALID, "The key must be UTF-8.");
    json_decref(info);
    if (rc) {
        s3_fail(call, rc, &err);
        return;
    }
    buf_append_str(&xml, "<InitiateMultipartUploadResult" S3_XMLNS ">");
    xml_element(&xml, "Bucket", call->bucket);
    xml_element(&xml, "Key", call->key);
    xml_element(&xml, "UploadId", id);
    buf_append_str(&xml, "</InitiateMultipartUploadResult>");
    s3_reply_xml(call, &xml);
}

/* --- parts ------------------------------------------------------------------------------------ */

static int part_number(struct s3_call *call, int *out)
{
    const char *text = s3_query(call, "partNumber");
    int64_t number;

    if (!text || slice_to_i64(slice_str(text), &number) || number < 1 || number > S3_PARTS_MAX) {
        s3_error(call, S3_INVALID_ARGUMENT, "partNumber must be from 1 to %d.", S3_PARTS_MAX);
        return ERR_INVALID;
    }
    *out = (int)number;
    return 0;
}

/* The staged bytes become part `number`; an older one of that number goes. Answers itself. */
static int keep_part(struct s3_call *call, const struct upload *upload, int number)
{
    struct disk *disk = s3_disk(call->server);
    const char *name = arena_printf(call->arena, "%05d-%s", number, call->body.md5_hex);
    const char *path = arena_printf(call->arena, "%s/%s", upload->dir, name ? name : "");
    struct parts parts;
    struct err err = {0};
    int rc;

    if (s3_body_to_file(call))
        return ERR_IO;
    rc = name && path ? file_sync(call->body.file, &err) : ERR_NOMEM;
    file_close(call->body.file);
    call->body.file = NULL;
    if (!rc)
        rc = disk_rename(disk, call->body.path, path, &err);
    if (!rc)
        rc = s3_upload_parts(call, upload, &parts, &err);
    for (size_t i = 0; !rc && i < parts.count; i++)
        if (parts.list[i].number == number && strcmp(parts.list[i].name, name))
            disk_unlink(disk, arena_printf(call->arena, "%s/%s", upload->dir, parts.list[i].name),
                        NULL);
    if (!rc)
        rc = disk_sync_dir(disk, upload->dir, &err);
    if (rc == ERR_NOENT) /* aborted meanwhile */
        s3_error(call, S3_NO_SUCH_UPLOAD, NULL);
    else if (rc)
        s3_fail(call, rc, &err);
    return rc;
}

static void upload_part(struct s3_call *call)
{
    struct upload upload = {0};
    char etag[40];
    int number;

    if (part_number(call, &number) || s3_upload_find(call, &upload))
        return;
    json_decref(upload.info);
    if (keep_part(call, &upload, number))
        return;
    snprintf(etag, sizeof(etag), "\"%s\"", call->body.md5_hex);
    http_set_header(call->reply, "ETag", etag);
    if (call->body.has_sum)
        http_set_header(call->reply, s3_sum_header(call->body.sum.kind), call->body.sum_found);
    http_status(call->reply, 200);
}

/* Reads the source, or the range of it that x-amz-copy-source-range names. Answers itself. */
static int copy_source_bytes(struct s3_call *call, struct store_info *info)
{
    const char *range = s3_header(call, "x-amz-copy-source-range");
    struct s3_source source;
    struct file *file = NULL;
    int64_t pos = 0, len;
    int rc = s3_open_source(call, &source, info, &file);

    if (rc)
        return rc;
    len = info->size;
    if (range && s3_range(range, info->size, &pos, &len) != S3_RANGE_OK) {
        s3_error(call, S3_INVALID_ARGUMENT, "x-amz-copy-source-range lies outside of the source.");
        rc = ERR_RANGE;
    } else {
        rc = s3_copy_bytes(call, file, pos, len);
    }
    file_close(file);
    return rc;
}

static void upload_part_copy(struct s3_call *call)
{
    struct upload upload = {0};
    struct store_info info;
    struct buf xml = {0};
    char date[32], etag[40];
    int number;

    if (part_number(call, &number) || s3_upload_find(call, &upload))
        return;
    json_decref(upload.info);
    if (copy_source_bytes(call, &info))
        return;
    if (s3_body_end(call) || keep_part(call, &upload, number))
        return;
    s3_iso_date(clock_wall_us(call->server->clock), date);
    snprintf(etag, sizeof(etag), "\"%s\"", call->body.md5_hex);
    buf_append_str(&xml, "<CopyPartResult" S3_XMLNS ">");
    xml_element(&xml, "LastModified", date);
    xml_element(&xml, "ETag", etag);
    buf_append_str(&xml, "</CopyPartResult>");
    s3_reply_xml(call, &xml);
    if (info.version[0])
        http_set_header(call->reply, "x-amz-copy-source-version-id", info.version);
}

static void abort_upload(struct s3_call *call)
{
    struct upload upload = {0};
    struct err err = {0};
    int rc = s3_upload_find(call, &upload);

    if (rc)
        return;
    json_decref(upload.info);
    rc = disk_remove_tree(s3_disk(call->server), upload.dir, &err);
    if (rc)
        s3_fail(call, rc, &err);
    else
        http_status(call->reply, 204);
}

/* --- those nobody finished -------------------------------------------------------------------- */

void s3_uploads_sweep(struct s3_server *server)
{
    struct arena arena = {0};
    struct disk_entry *entries = NULL;
    const char *root = s3_uploads_dir(server, &arena);
    size_t count = 0;

    if (!root || disk_list(s3_disk(server), root, &arena, &entries, &count, NULL))
        count = 0;
    for (size_t i = 0; i < count; i++) {
        const char *dir = arena_printf(&arena, "%s/%s", root, entries[i].name);
        int64_t started_us = 0;
        json_t *info = NULL;

        if (!dir)
            break;
        if (s3_upload_info(s3_disk(server), &arena, dir, &info) == 0)
            started_us = json_integer_value(json_object_get(info, "started_us"));
        json_decref(info);
        if (clock_wall_us(server->clock) - started_us < ABANDONED_US)
            continue;
        diag_info("s3", "upload %s was never finished: removed", entries[i].name);
        disk_remove_tree(s3_disk(server), dir, NULL);
    }
    arena_deinit(&arena);
}

const struct s3_op s3_upload_ops[] = {
    {"CreateMultipartUpload", "POST", S3_OBJECT, "uploads", .sink = S3_TO_TEXT,
     .run = create_upload, .sum_elsewhere = true, .action = "s3:PutObject"},
    {"UploadPartCopy", "PUT", S3_OBJECT, "uploadId", "x-amz-copy-source", S3_TO_FILE,
     upload_part_copy, .action = "s3:PutObject"},
    {"UploadPart", "PUT", S3_OBJECT, "uploadId", .sink = S3_TO_FILE, .run = upload_part,
     .action = "s3:PutObject"},
    {"CompleteMultipartUpload", "POST", S3_OBJECT, "uploadId", .sink = S3_TO_TEXT,
     .run = s3_complete_upload, .sum_elsewhere = true, .action = "s3:PutObject"},
    {"AbortMultipartUpload", "DELETE", S3_OBJECT, "uploadId", .run = abort_upload},
    {"ListParts", "GET", S3_OBJECT, "uploadId", .run = s3_list_parts,
     .action = "s3:ListMultipartUploadParts"},
    {"ListMultipartUploads", "GET", S3_BUCKET, "uploads", .run = s3_list_uploads,
     .action = "s3:ListBucketMultipartUploads"},
    {0},
};
