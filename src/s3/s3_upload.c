/* s3_upload.c - multipart uploads: large objects in parts, sent in any order, joined at the end.
 *
 * An upload is a folder in the staging area, staging/uploads/ID: "upload.json" with what it will
 * be, and one file per part named NUMBER-MD5, synced before the part is answered. A part that was
 * received in its place (s3_place.c) has an empty file, NUMBER-MD5=SIZE. So uploads survive a
 * restart and need no other record. They end in s3_complete.c.
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

int s3_upload_open(struct s3_call *call, struct upload *out)
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
    return rc;
}

int s3_upload_find(struct s3_call *call, struct upload *out)
{
    struct store *store = call->server->store;
    int rc = store->ops->bucket_check(store, call->bucket, NULL);

    if (rc) {
        s3_fail(call, rc, NULL);
        return rc;
    }
    rc = s3_upload_open(call, out);
    if (rc)
        s3_error(call, rc == ERR_NOENT ? S3_NO_SUCH_UPLOAD : S3_INTERNAL_ERROR, NULL);
    return rc;
}

pthread_mutex_t *s3_upload_lock(struct s3_server *server, const char *id)
{
    return &server->completing[hash64(id, strlen(id), 0) % S3_COMPLETING];
}

/* "00042-d41d8cd98f00b204e9800998ecf8427e", and with a checksum "-0352441c2": the kind as a digit
 * and the sum in hex. Then "=8388608" when it is placed. */
static bool parse_part(const struct disk_entry *entry, struct part *out)
{
    size_t len = strcspn(entry->name, "=");
    uint8_t raw[DIGEST_BYTES_MAX];
    struct buf text = {.max = S3_SUM_TEXT};
    int64_t number;

    *out = (struct part){.name = entry->name, .size = entry->size};
    if (entry->is_dir || len < 38 || entry->name[5] != '-' ||
        slice_to_i64(slice_of(entry->name, 5), &number))
        return false;
    out->number = (int)number;
    out->placed = entry->name[len] == '=';
    if (out->placed && slice_to_i64(slice_str(entry->name + len + 1), &out->size))
        return false;
    memcpy(out->md5, entry->name + 6, 32);
    if (len == 38)
        return true;
    if (len < 41 || len > 40 + 2 * sizeof(raw) || entry->name[38] != '-' || entry->name[39] < '0' ||
        entry->name[39] >= '0' + S3_SUM_COUNT ||
        hex_decode(slice_of(entry->name + 40, len - 40), raw) ||
        base64_encode(slice_of(raw, (len - 40) / 2), &text)) {
        buf_deinit(&text);
        return false;
    }
    out->has_sum = true;
    out->sum_kind = (enum s3_sum)(entry->name[39] - '0');
    snprintf(out->sum, sizeof(out->sum), "%.*s", SLICE_ARG(buf_slice(&text)));
    buf_deinit(&text);
    return true;
}

/* The name of a part's file, in the arena. */
static const char *part_name(struct s3_call *call, int number)
{
    const struct s3_body *body = &call->body;
    struct buf raw = {.max = 2 * DIGEST_BYTES_MAX};
    char hex[2 * DIGEST_BYTES_MAX + 1] = "", placed[24] = "";
    const char *name;

    if (body->placed)
        snprintf(placed, sizeof(placed), "=%" PRId64, body->size);
    if (!body->has_sum)
        return arena_printf(call->arena, "%05d-%s%s", number, body->md5_hex, placed);
    if (base64_decode(slice_str(body->sum_found), &raw) == 0 && raw.len <= DIGEST_BYTES_MAX)
        hex_encode(raw.ptr, raw.len, hex);
    buf_deinit(&raw);
    name = arena_printf(call->arena, "%05d-%s-%d%s%s", number, body->md5_hex, (int)body->sum.kind,
                        hex, placed);
    return hex[0] ? name : NULL;
}

bool s3_upload_sum(const json_t *info, enum s3_sum *kind, bool *full_object)
{
    *full_object = strcmp(s3_info_text(info, "sum_type"), S3_FULL_OBJECT) == 0;
    return s3_sum_named(s3_info_text(info, "sum"), kind);
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
    for (size_t i = 0; i < count; i++) {
        if (parse_part(&entries[i], &out->list[out->count])) {
            out->count++;
        } else if (s3_whole_size(entries[i].name, &out->part_size)) {
            out->whole = entries[i].name;
            out->whole_size = entries[i].size;
        }
    }
    qsort(out->list, out->count, sizeof(*out->list), by_number);
    return 0;
}

/* --- create ----------------------------------------------------------------------------------- */

/* x-amz-checksum-algorithm and -type. Answers itself. */
static int read_sum(struct s3_call *call, const char **algorithm, const char **type)
{
    enum s3_sum kind = S3_SUM_CRC32;
    const char *algorithm_asked = s3_header(call, "x-amz-checksum-algorithm");
    bool full;

    *type = s3_header(call, "x-amz-checksum-type");
    *algorithm = NULL;
    if (*type && !algorithm_asked) {
        s3_error(call, S3_INVALID_REQUEST,
                 "The x-amz-checksum-type header can only be used with the "
                 "x-amz-checksum-algorithm header.");
        return ERR_INVALID;
    }
    if (!algorithm_asked)
        return 0;
    if (!s3_sum_named(algorithm_asked, &kind)) {
        s3_error(call, S3_INVALID_REQUEST, S3_SUM_UNKNOWN);
        return ERR_UNSUPPORTED;
    }
    *algorithm = s3_sum_name(kind);
    if (!*type)
        *type = kind == S3_SUM_CRC64NVME ? S3_FULL_OBJECT : S3_COMPOSITE;
    full = strcasecmp(*type, S3_FULL_OBJECT) == 0;
    if (!full && strcasecmp(*type, S3_COMPOSITE)) {
        s3_error(call, S3_INVALID_REQUEST, "Value for x-amz-checksum-type header is invalid.");
        return ERR_INVALID;
    }
    *type = full ? S3_FULL_OBJECT : S3_COMPOSITE;
    if (full ? !s3_sum_is_crc(kind) : kind == S3_SUM_CRC64NVME) {
        s3_error(call, S3_INVALID_REQUEST,
                 "The %s checksum type cannot be used with the %s checksum algorithm.", *type,
                 s3_sum_word(kind));
        return ERR_INVALID;
    }
    return 0;
}

static json_t *info_new(struct s3_call *call, const struct store_put_options *options,
                        const char *sum, const char *sum_type)
{
    json_t *info = json_object();
    const struct {
        const char *name, *value;
    } texts[] = {{"bucket", call->bucket},
                 {"key", call->key},
                 {"content_type", options->content_type},
                 {"metadata", options->user_metadata},
                 {"tags", options->tags},
                 {"sum", sum},
                 {"sum_type", sum ? sum_type : NULL}};

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
    const char *sum, *sum_type;
    json_t *info = NULL;
    uint8_t random[16];
    char id[33];
    int rc = store->ops->bucket_check(store, call->bucket, &err);

    if (rc) {
        s3_fail(call, rc, &err);
        return;
    }
    if (s3_put_options(call, &options) || read_sum(call, &sum, &sum_type))
        return;
    rand_secret(random, sizeof(random));
    hex_encode(random, sizeof(random), id);
    info = info_new(call, &options, sum, sum_type);
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
    if (sum) {
        http_set_header(call->reply, "x-amz-checksum-algorithm", sum);
        http_set_header(call->reply, "x-amz-checksum-type", sum_type);
    }
}

/* --- parts ------------------------------------------------------------------------------------ */

static int part_number(struct s3_call *call, int *out)
{
    const char *text = s3_query(call, "partNumber");
    int64_t number;

    if (!text || slice_to_i64(slice_str(text), &number) || number < 1 || number > S3_PARTS_MAX) {
        s3_argument(call, "partNumber", text,
                    "Part number must be an integer between 1 and 10000, inclusive");
        return ERR_INVALID;
    }
    *out = (int)number;
    return 0;
}

/* The bytes are durable where they are, and the record of them has its name. */
static int name_part(struct s3_call *call, const char *path, struct err *err)
{
    struct disk *disk = s3_disk(call->server);
    struct file *record = NULL;
    int rc = file_sync(call->body.file, err);

    file_close(call->body.file);
    call->body.file = NULL;
    if (rc || !call->body.placed)
        return rc ? rc : disk_rename(disk, call->body.path, path, err);
    rc = disk_open(disk, &record, path, DISK_WRITE | DISK_CREATE, err);
    file_close(record);
    return rc;
}

/* The staged bytes become part `number`; an older one of that number goes. Answers itself. */
static int keep_part(struct s3_call *call, const struct upload *upload, int number)
{
    struct disk *disk = s3_disk(call->server);
    const char *name = part_name(call, number);
    const char *path = arena_printf(call->arena, "%s/%s", upload->dir, name ? name : "");
    struct parts parts;
    struct err err = {0};
    int rc;

    if (s3_body_to_file(call))
        return ERR_IO;
    rc = name && path ? name_part(call, path, &err) : ERR_NOMEM;
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

/* A part's checksum must be of the kind that the upload was begun with. Answers itself. */
static int check_part_sum(struct s3_call *call, const struct upload *upload)
{
    enum s3_sum kind;
    bool full;

    if (!s3_upload_sum(upload->info, &kind, &full) ||
        (call->body.has_sum && call->body.sum.kind == kind) || (!call->body.has_sum && full))
        return 0;
    s3_error(call, S3_INVALID_REQUEST,
             "Checksum Type mismatch occurred, expected checksum Type: %s, actual checksum Type: "
             "%s",
             s3_sum_word(kind), call->body.has_sum ? s3_sum_word(call->body.sum.kind) : "null");
    return ERR_INVALID;
}

static void upload_part(struct s3_call *call)
{
    struct upload upload = {0};
    char etag[40];
    int number, rc;

    if (part_number(call, &number) || s3_upload_find(call, &upload))
        return;
    rc = check_part_sum(call, &upload);
    json_decref(upload.info);
    if (rc || keep_part(call, &upload, number))
        return;
    snprintf(etag, sizeof(etag), "\"%s\"", call->body.md5_hex);
    http_set_header(call->reply, "ETag", etag);
    if (call->body.has_sum)
        http_set_header(call->reply, s3_sum_header(call->body.sum.kind), call->body.sum_found);
    http_status(call->reply, 200);
}

/* "bytes=0-99", whole and within the source. Answers itself. */
static bool read_copy_range(struct s3_call *call, const char *text, int64_t size, int64_t *pos,
                            int64_t *len)
{
    int64_t first, last;
    int end = 0;

    if (sscanf(text, "bytes=%" SCNd64 "-%" SCNd64 "%n", &first, &last, &end) != 2 || text[end] ||
        first < 0 || last < first) {
        s3_argument(
            call, "x-amz-copy-source-range", text,
            "The x-amz-copy-source-range value must be of the form bytes=first-last where "
            "first and last are the zero-based offsets of the first and last bytes to copy");
        return false;
    }
    if (last >= size) {
        s3_error_detail(call, "ArgumentName", "x-amz-copy-source-range");
        s3_error_detail(call, "ArgumentValue", text);
        s3_error(call, S3_INVALID_ARGUMENT,
                 "Range specified is not valid for source object of size: %" PRId64, size);
        return false;
    }
    *pos = first;
    *len = last - first + 1;
    return true;
}

/* Reads the source, or the range of it that x-amz-copy-source-range names. Answers itself. */
static int copy_source_bytes(struct s3_call *call, const enum s3_sum *kind, struct store_info *info)
{
    const char *range = s3_header(call, "x-amz-copy-source-range");
    struct s3_source source;
    struct file *file = NULL;
    int64_t pos = 0, len;
    int rc = s3_open_source(call, &source, info, &file);

    if (rc)
        return rc;
    len = info->size;
    if (range && !read_copy_range(call, range, info->size, &pos, &len)) {
        rc = ERR_RANGE; /* answered */
    } else {
        rc = s3_copy_bytes(call, file, pos, len, kind);
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
    bool has_sum, full;
    enum s3_sum kind;
    int number;

    if (part_number(call, &number) || s3_upload_find(call, &upload))
        return;
    has_sum = s3_upload_sum(upload.info, &kind, &full);
    json_decref(upload.info);
    if (copy_source_bytes(call, has_sum ? &kind : NULL, &info))
        return;
    if (s3_body_end(call) || keep_part(call, &upload, number))
        return;
    s3_iso_date(clock_wall_us(call->server->clock), date);
    snprintf(etag, sizeof(etag), "\"%s\"", call->body.md5_hex);
    buf_append_str(&xml, "<CopyPartResult" S3_XMLNS ">");
    xml_element(&xml, "LastModified", date);
    xml_element(&xml, "ETag", etag);
    if (has_sum)
        s3_put_sum(call, &xml, s3_sum_name(kind), call->body.sum_found);
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

/* Those of a bucket that was removed: one made anew under its name has none. */
void s3_uploads_drop(struct s3_server *server, const char *bucket)
{
    struct arena arena = {0};
    struct disk_entry *entries = NULL;
    const char *root = s3_uploads_dir(server, &arena);
    size_t count = 0;

    if (!root || disk_list(s3_disk(server), root, &arena, &entries, &count, NULL))
        count = 0;
    for (size_t i = 0; i < count; i++) {
        const char *dir = arena_printf(&arena, "%s/%s", root, entries[i].name);
        json_t *info = NULL;

        if (dir && s3_upload_info(s3_disk(server), &arena, dir, &info) == 0 &&
            strcmp(s3_info_text(info, "bucket"), bucket) == 0)
            disk_remove_tree(s3_disk(server), dir, NULL);
        json_decref(info);
    }
    arena_deinit(&arena);
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
     .action = "s3:PutObject", .place = s3_place_part},
    {"CompleteMultipartUpload", "POST", S3_OBJECT, "uploadId", .sink = S3_TO_TEXT,
     .run = s3_complete_upload, .sum_elsewhere = true, .action = "s3:PutObject"},
    {"AbortMultipartUpload", "DELETE", S3_OBJECT, "uploadId", .run = abort_upload},
    {"ListParts", "GET", S3_OBJECT, "uploadId", .run = s3_list_parts,
     .action = "s3:ListMultipartUploadParts"},
    {"ListMultipartUploads", "GET", S3_BUCKET, "uploads", .run = s3_list_uploads,
     .action = "s3:ListBucketMultipartUploads"},
    {0},
};
