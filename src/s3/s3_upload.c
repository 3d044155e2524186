/* s3_upload.c - multipart uploads: large objects in parts, sent in any order, joined at the end.
 *
 * An upload is a folder in the staging area, staging/uploads/ID: "upload.json" with what it will
 * be, and one file per part named NUMBER-MD5, synced before the part is answered. So uploads
 * survive a restart and need no other record. Completing writes the joined file, hands it to the
 * store and removes the folder; asked again for an upload that is gone, it says yes when the object
 * is there with the ETag that these parts make.
 */
#include <stdio.h>
#include <strings.h>

#include "base/json.h"
#include "net/url.h"
#include "s3/s3_int.h"

#define COPY_BYTES   ((size_t)1 << 20)
#define ABANDONED_US ((int64_t)7 * 24 * 3600 * 1000000)

struct part {
    int number;
    const char *name; /* of its file */
    char md5[33];
    int64_t size, mtime_us;
};

struct parts {
    struct part *list; /* sorted by number */
    size_t count;
};

struct upload {
    const char *id, *dir; /* in the arena */
    json_t *info;         /* owned: upload.json */
};

static struct disk *disk_of(const struct s3_server *server)
{
    return server->store->disk;
}

static const char *uploads_dir(const struct s3_server *server, struct arena *arena)
{
    return arena_printf(arena, "%s/uploads", server->store->staging);
}

/* --- the folder of an upload ---------------------------------------------------------------------
 */

static int load_info(struct disk *disk, struct arena *arena, const char *dir, json_t **out)
{
    const char *path = arena_printf(arena, "%s/upload.json", dir);
    struct buf text = {.max = 64 << 10};
    int rc = path ? disk_read_file(disk, path, &text, NULL) : ERR_NOMEM;

    if (!rc)
        rc = json_parse(buf_slice(&text), out, NULL);
    buf_deinit(&text);
    return rc;
}

static const char *info_text(const json_t *info, const char *name)
{
    const char *text = json_string_value(json_object_get(info, name));

    return text ? text : "";
}

/* The upload that the query names, when it is one of this bucket and key. Answers itself. */
static int find_upload(struct s3_call *call, struct upload *out)
{
    const char *id = s3_query(call, "uploadId"), *dir = uploads_dir(call->server, call->arena);
    int rc = ERR_NOENT;

    *out = (struct upload){.id = id};
    if (strlen(id) == 32 && strspn(id, "0123456789abcdef") == 32 && dir) {
        out->dir = arena_printf(call->arena, "%s/%s", dir, id);
        rc = out->dir ? load_info(disk_of(call->server), call->arena, out->dir, &out->info)
                      : ERR_NOMEM;
    }
    if (!rc && (strcmp(info_text(out->info, "bucket"), call->bucket) ||
                strcmp(info_text(out->info, "key"), call->key))) {
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

static int load_parts(struct s3_call *call, const struct upload *upload, struct parts *out,
                      struct err *err)
{
    struct disk_entry *entries;
    size_t count;
    int rc = disk_list(disk_of(call->server), upload->dir, call->arena, &entries, &count, err);

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

static const struct part *find_part(const struct parts *parts, int number)
{
    for (size_t i = 0; i < parts->count; i++)
        if (parts->list[i].number == number)
            return &parts->list[i];
    return NULL;
}

/* --- create --------------------------------------------------------------------------------------
 */

static json_t *info_new(struct s3_call *call, const struct store_put_options *options)
{
    json_t *info = json_object();
    const struct {
        const char *name, *value;
    } texts[] = {{"bucket", call->bucket},
                 {"key", call->key},
                 {"content_type", options->content_type},
                 {"metadata", options->user_metadata}};

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
    struct disk *disk = disk_of(call->server);
    const char *dir = uploads_dir(call->server, call->arena);
    const char *path = dir ? arena_printf(call->arena, "%s/%s/upload.json", dir, id) : NULL;
    struct buf text = {0};
    int rc = path ? json_print(info, 0, &text, err) : ERR_NOMEM;

    if (!rc)
        rc = disk_mkdirs(disk, arena_printf(call->arena, "%s/%s", dir, id), err);
    if (!rc)
        rc = disk_write_file(disk, path, buf_slice(&text), err);
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

/* --- parts ---------------------------------------------------------------------------------------
 */

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
    struct disk *disk = disk_of(call->server);
    const char *name = arena_printf(call->arena, "%05d-%s", number, call->body.md5_hex);
    const char *path = arena_printf(call->arena, "%s/%s", upload->dir, name ? name : "");
    struct parts parts;
    struct err err = {0};
    int rc = name && path ? file_sync(call->body.file, &err) : ERR_NOMEM;

    file_close(call->body.file);
    call->body.file = NULL;
    if (!rc)
        rc = disk_rename(disk, call->body.path, path, &err);
    if (!rc)
        rc = load_parts(call, upload, &parts, &err);
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

    if (part_number(call, &number) || find_upload(call, &upload))
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
static int copy_source_bytes(struct s3_call *call)
{
    struct store *store = call->server->store;
    const char *range = s3_header(call, "x-amz-copy-source-range"), *bucket, *key;
    struct store_info info;
    struct file *file = NULL;
    struct err err = {0};
    int64_t pos = 0, len;
    int rc = s3_copy_source(call, &bucket, &key);

    if (rc)
        return rc;
    rc = store->ops->open(store, bucket, key, &info, &file, &err);
    if (rc) {
        s3_error(call, s3_code_of(call, rc), NULL);
        return rc;
    }
    len = info.size;
    if (!s3_conditions(call, "x-amz-copy-source-", &info)) {
        rc = ERR_CONFLICT;
    } else if (range && s3_range(range, info.size, &pos, &len) != S3_RANGE_OK) {
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
    struct buf xml = {0};
    char date[32], etag[40];
    int number;

    if (part_number(call, &number) || find_upload(call, &upload))
        return;
    json_decref(upload.info);
    if (copy_source_bytes(call))
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
}

/* --- complete ------------------------------------------------------------------------------------
 */

struct wanted {
    int number;
    char md5[33];
};

static bool parse_etag(const char *text, char md5[33])
{
    size_t quotes = strspn(text, "\" "), len = strcspn(text + quotes, "\" ");

    if (len != 32)
        return false;
    memcpy(md5, text + quotes, 32);
    md5[32] = '\0';
    return true;
}

/* The parts listed in the body, in the arena. Answers itself. */
static int read_wanted(struct s3_call *call, struct wanted *list, size_t *count)
{
    const char *path, *text;
    struct wanted next = {0};
    struct err err = {0};
    enum s3_code code = S3_MALFORMED_XML;
    struct xml xml;
    int rc;

    xml_init(&xml, call->arena, buf_slice(&call->body.text));
    while (xml_next(&xml, &path, &text, &rc, &err)) {
        int64_t number = 0;

        if (strcmp(path, "CompleteMultipartUpload/Part/PartNumber") == 0) {
            rc = slice_to_i64(slice_str(text), &number);
            next.number = number > 0 && number <= S3_PARTS_MAX ? (int)number : 0;
        } else if (strcmp(path, "CompleteMultipartUpload/Part/ETag") == 0 &&
                   !parse_etag(text, next.md5)) {
            code = S3_INVALID_PART;
            rc = ERR_INVALID;
        } else if (strcmp(path, "CompleteMultipartUpload/Part") == 0) {
            if (!next.number || !next.md5[0] || *count == S3_PARTS_MAX) {
                rc = ERR_INVALID;
            } else if (*count && next.number <= list[*count - 1].number) {
                code = S3_INVALID_PART_ORDER;
                rc = ERR_INVALID;
            } else {
                list[(*count)++] = next;
                next = (struct wanted){0};
            }
        }
        if (rc)
            break;
    }
    xml_deinit(&xml);
    if (!rc && *count == 0)
        rc = ERR_INVALID;
    if (rc)
        s3_error(call, code, NULL);
    return rc;
}

/* "MD5 of the parts' MD5s"-COUNT. */
static int joined_etag(const struct wanted *list, size_t count, char out[48])
{
    struct digest *digest;
    uint8_t raw[32];
    char hex[33];

    if (digest_new(&digest, DIGEST_MD5))
        return ERR_NOMEM;
    for (size_t i = 0; i < count; i++) {
        if (hex_decode(slice_of(list[i].md5, 32), raw)) {
            digest_free(digest);
            return ERR_INVALID;
        }
        digest_update(digest, raw, 16);
    }
    digest_final(digest, raw);
    hex_encode(raw, 16, hex);
    snprintf(out, 48, "%s-%zu", hex, count);
    return 0;
}

/* Are the parts there, with these ETags, and large enough? Gives their files in order. */
static int check_wanted(struct s3_call *call, const struct parts *parts, const struct wanted *list,
                        size_t count, const struct part **chosen)
{
    for (size_t i = 0; i < count; i++) {
        const struct part *part = find_part(parts, list[i].number);

        if (!part || strcasecmp(part->md5, list[i].md5)) {
            s3_error(call, S3_INVALID_PART, NULL);
            return ERR_INVALID;
        }
        if (i + 1 < count && part->size < S3_PART_MIN) {
            s3_error(call, S3_ENTITY_TOO_SMALL, NULL);
            return ERR_INVALID;
        }
        chosen[i] = part;
    }
    return 0;
}

/* The checksum of the whole that a client may tell at the end: of all bytes (FULL_OBJECT), or of
 * the parts' checksums (COMPOSITE, with or without "-PARTS" behind). Clients leave out which of the
 * two they mean, so both are computed. */
struct joined_sum {
    const char *expected; /* NULL: none was told */
    enum s3_sum kind;
    struct s3_checksum full, composite;
    char found[80]; /* the one that was meant */
};

static void joined_sum_deinit(struct joined_sum *sum)
{
    s3_checksum_deinit(&sum->full);
    s3_checksum_deinit(&sum->composite);
}

static int joined_sum_begin(struct s3_call *call, struct joined_sum *sum)
{
    *sum = (struct joined_sum){0};
    for (int kind = 0; kind < S3_SUM_COUNT && !sum->expected; kind++) {
        sum->expected = s3_header(call, s3_sum_header((enum s3_sum)kind));
        sum->kind = (enum s3_sum)kind;
    }
    if (!sum->expected)
        return 0;
    return s3_checksum_new(&sum->full, sum->kind) || s3_checksum_new(&sum->composite, sum->kind)
               ? ERR_NOMEM
               : 0;
}

/* False: the parts give another one. */
static bool joined_sum_end(struct joined_sum *sum, size_t count)
{
    char full[64], composite[64];
    size_t len = strcspn(sum->expected, "-");

    s3_checksum_final(&sum->full, full);
    s3_checksum_final(&sum->composite, composite);
    if (strcmp(sum->expected, full) == 0)
        snprintf(sum->found, sizeof(sum->found), "%s", full);
    else
        snprintf(sum->found, sizeof(sum->found), "%s-%zu", composite, count);
    return strcmp(sum->expected, full) == 0 ||
           (len == strlen(composite) && memcmp(sum->expected, composite, len) == 0);
}

/* In a composite sum a part counts by the bytes of its own. */
static int joined_sum_part(struct joined_sum *sum, struct s3_checksum *part)
{
    struct buf raw = {.max = 64};
    char text[64];
    int rc;

    s3_checksum_final(part, text);
    rc = base64_decode(slice_str(text), &raw);
    if (!rc)
        s3_checksum_update(&sum->composite, buf_slice(&raw));
    buf_deinit(&raw);
    return rc;
}

struct joining {
    struct disk *disk;
    struct file *to;
    int64_t pos;
    uint8_t *piece; /* COPY_BYTES */
    struct joined_sum *sum;
};

static int append_part(struct joining *joining, const char *path, int64_t size, struct err *err)
{
    struct joined_sum *sum = joining->sum;
    struct s3_checksum own = {0};
    struct file *from = NULL;
    int64_t done = 0;
    int rc = disk_open(joining->disk, &from, path, DISK_READ, err);

    if (!rc && sum->expected)
        rc = s3_checksum_new(&own, sum->kind);
    while (!rc && done < size) {
        size_t want = size - done < (int64_t)COPY_BYTES ? (size_t)(size - done) : COPY_BYTES;

        rc = file_read_all(from, joining->piece, want, done, err);
        if (!rc && sum->expected) {
            s3_checksum_update(&sum->full, slice_of(joining->piece, want));
            s3_checksum_update(&own, slice_of(joining->piece, want));
        }
        if (!rc)
            rc = file_pwrite(joining->to, joining->piece, want, joining->pos, err);
        done += (int64_t)want;
        joining->pos += (int64_t)want;
    }
    if (!rc && sum->expected)
        rc = joined_sum_part(sum, &own);
    s3_checksum_deinit(&own);
    file_close(from);
    return rc;
}

static int join(struct s3_call *call, const struct upload *upload, const struct part **chosen,
                size_t count, const char *path, struct joined_sum *sum, struct err *err)
{
    struct joining joining = {
        .disk = disk_of(call->server), .piece = malloc(COPY_BYTES), .sum = sum};
    int rc = joining.piece ? disk_open(joining.disk, &joining.to, path,
                                       DISK_WRITE | DISK_CREATE | DISK_EXCLUSIVE, err)
                           : ERR_NOMEM;

    for (size_t i = 0; i < count && !rc; i++) {
        const char *from = arena_printf(call->arena, "%s/%s", upload->dir, chosen[i]->name);

        rc = from ? append_part(&joining, from, chosen[i]->size, err) : ERR_NOMEM;
    }
    file_close(joining.to);
    free(joining.piece);
    return rc;
}

static void reply_completed(struct s3_call *call, const char *etag)
{
    struct buf xml = {0}, where = {0};
    char quoted[64];

    snprintf(quoted, sizeof(quoted), "\"%s\"", etag);
    buf_printf(&where, "http://%s%s", s3_header(call, "host") ? s3_header(call, "host") : "",
               http_path(call->req));
    buf_append_str(&xml, "<CompleteMultipartUploadResult" S3_XMLNS ">");
    xml_element(&xml, "Location", buf_cstr(&where) ? (const char *)where.ptr : "");
    xml_element(&xml, "Bucket", call->bucket);
    xml_element(&xml, "Key", call->key);
    xml_element(&xml, "ETag", quoted);
    buf_append_str(&xml, "</CompleteMultipartUploadResult>");
    buf_deinit(&where);
    s3_reply_xml(call, &xml);
}

/* The answer to an earlier complete may have been lost: is the object there, made of these parts?
 */
static bool completed_before(struct s3_call *call, const char *etag)
{
    struct store *store = call->server->store;
    struct store_info info;

    return store->ops->head(store, call->bucket, call->key, &info, NULL) == 0 &&
           strcmp(info.etag, etag) == 0;
}

/* The metadata kept since the beginning, the checksum of the whole, the sizes of the parts. */
static const char *joined_metadata(struct s3_call *call, const struct upload *upload,
                                   const struct joined_sum *sum, const struct part **chosen,
                                   size_t count)
{
    const char *kept = json_string_value(json_object_get(upload->info, "metadata")), *text = kept;
    int64_t *sizes = ARENA_ARRAY(call->arena, int64_t, count);
    struct buf printed = {.max = sizeof(((struct store_info *)0)->metadata) - 1};
    const char *parts;
    json_t *metadata = NULL;

    for (size_t i = 0; sizes && i < count; i++)
        sizes[i] = chosen[i]->size;
    parts = sizes ? s3_part_sizes(call->arena, sizes, count) : NULL;
    if (kept)
        json_parse(slice_str(kept), &metadata, NULL);
    if (!metadata)
        metadata = json_object();
    if (sum->expected)
        json_object_set_new(metadata, s3_sum_header(sum->kind), json_string(sum->found));
    if (parts)
        json_object_set_new(metadata, S3_PART_SIZES, json_string(parts));
    if (json_print(metadata, 0, &printed, NULL) == 0) /* too long: only what the user gave */
        text = arena_cstr(call->arena, buf_slice(&printed));
    json_decref(metadata);
    buf_deinit(&printed);
    return text;
}

static void read_conditions(struct s3_call *call, struct store_put_options *out)
{
    const char *none = s3_header(call, "if-none-match"), *match = s3_header(call, "if-match");

    out->if_none_match = none && strcmp(none, "*") == 0;
    if (match) {
        match += match[0] == '"';
        out->if_match = arena_cstr(call->arena, slice_of(match, strcspn(match, "\"")));
    }
}

/* Joins the parts and puts them. Answers itself when it fails. */
static int put_joined(struct s3_call *call, const struct upload *upload, const struct part **chosen,
                      size_t count, const char *etag)
{
    struct store *store = call->server->store;
    struct store_put_options options = {
        .etag = etag,
        .content_type = json_string_value(json_object_get(upload->info, "content_type"))};
    const char *path = s3_staged_path(call->server, call->arena);
    struct joined_sum sum;
    struct err err = {0};
    int rc = joined_sum_begin(call, &sum);

    read_conditions(call, &options);
    if (!rc)
        rc = path ? join(call, upload, chosen, count, path, &sum, &err) : ERR_NOMEM;
    if (!rc && sum.expected && !joined_sum_end(&sum, count)) {
        s3_error(call, S3_BAD_DIGEST, "The checksum is not that of the parts.");
        disk_unlink(disk_of(call->server), path, NULL);
        return ERR_INVALID;
    }
    options.user_metadata = joined_metadata(call, upload, &sum, chosen, count);
    if (!rc)
        rc = store->ops->put_file(store, call->bucket, call->key, path, &options, NULL, &err);
    if (rc) {
        s3_fail(call, rc, &err);
        disk_unlink(disk_of(call->server), path, NULL);
    }
    joined_sum_deinit(&sum);
    return rc;
}

static void complete_upload(struct s3_call *call)
{
    struct wanted *list = ARENA_ARRAY(call->arena, struct wanted, S3_PARTS_MAX);
    const struct part **chosen = ARENA_ARRAY(call->arena, const struct part *, S3_PARTS_MAX);
    struct upload upload = {0};
    struct parts parts;
    struct err err = {0};
    size_t count = 0;
    char etag[48];
    int rc;

    if (!list || !chosen) {
        s3_error(call, S3_INTERNAL_ERROR, NULL);
        return;
    }
    if (read_wanted(call, list, &count))
        return;
    if (joined_etag(list, count, etag)) {
        s3_error(call, S3_INVALID_PART, NULL);
        return;
    }
    if (find_upload(call, &upload)) {
        if (completed_before(call, etag)) {
            http_reply_clear(call->reply);
            reply_completed(call, etag);
        }
        return;
    }
    rc = load_parts(call, &upload, &parts, &err);
    if (rc)
        s3_fail(call, rc, &err);
    else if (check_wanted(call, &parts, list, count, chosen) == 0 &&
             put_joined(call, &upload, chosen, count, etag) == 0) {
        disk_remove_tree(disk_of(call->server), upload.dir, NULL);
        reply_completed(call, etag);
    }
    json_decref(upload.info);
}

static void abort_upload(struct s3_call *call)
{
    struct upload upload = {0};
    struct err err = {0};
    int rc = find_upload(call, &upload);

    if (rc)
        return;
    json_decref(upload.info);
    rc = disk_remove_tree(disk_of(call->server), upload.dir, &err);
    if (rc)
        s3_fail(call, rc, &err);
    else
        http_status(call->reply, 204);
}

/* --- lists ---------------------------------------------------------------------------------------
 */

static int64_t query_number(struct s3_call *call, const char *name, int64_t otherwise, int64_t max)
{
    const char *text = s3_query(call, name);
    int64_t value;

    if (!text || slice_to_i64(slice_str(text), &value) || value < 0)
        return otherwise;
    return value < max ? value : max;
}

static void put_part(struct buf *xml, const struct part *part, int64_t mtime_us)
{
    char date[32], etag[40];

    s3_iso_date(mtime_us, date);
    snprintf(etag, sizeof(etag), "\"%s\"", part->md5);
    buf_printf(xml, "<Part><PartNumber>%d</PartNumber>", part->number);
    xml_element(xml, "LastModified", date);
    xml_element(xml, "ETag", etag);
    buf_printf(xml, "<Size>%" PRId64 "</Size></Part>", part->size);
}

static void list_parts(struct s3_call *call)
{
    int64_t max = query_number(call, "max-parts", 1000, 1000);
    int64_t marker = query_number(call, "part-number-marker", 0, S3_PARTS_MAX), last = 0, given = 0;
    struct upload upload = {0};
    struct parts parts;
    struct buf xml = {0}, list = {0};
    struct err err = {0};
    bool more = false;
    int rc = find_upload(call, &upload);

    if (rc)
        return;
    json_decref(upload.info);
    rc = load_parts(call, &upload, &parts, &err);
    if (rc) {
        s3_fail(call, rc, &err);
        return;
    }
    for (size_t i = 0; i < parts.count && !more; i++) {
        const char *path = arena_printf(call->arena, "%s/%s", upload.dir, parts.list[i].name);
        struct disk_stat stat;

        if (parts.list[i].number <= marker || !path ||
            disk_stat(disk_of(call->server), path, &stat, NULL))
            continue;
        more = given == max;
        if (more)
            break;
        put_part(&list, &parts.list[i], stat.mtime_us);
        last = parts.list[i].number;
        given++;
    }
    buf_append_str(&xml, "<ListPartsResult" S3_XMLNS ">");
    xml_element(&xml, "Bucket", call->bucket);
    xml_element(&xml, "Key", call->key);
    xml_element(&xml, "UploadId", upload.id);
    buf_printf(&xml,
               "<PartNumberMarker>%" PRId64 "</PartNumberMarker><NextPartNumberMarker>%" PRId64
               "</NextPartNumberMarker><MaxParts>%" PRId64 "</MaxParts><IsTruncated>%s"
               "</IsTruncated><StorageClass>STANDARD</StorageClass>",
               marker, last, max, more ? "true" : "false");
    buf_append_slice(&xml, buf_slice(&list));
    buf_append_str(&xml, "</ListPartsResult>");
    buf_deinit(&list);
    s3_reply_xml(call, &xml);
}

struct listed_upload {
    const char *key, *id;
    int64_t started_us;
};

static int by_key_and_id(const void *left, const void *right)
{
    const struct listed_upload *a = left, *b = right;
    int order = strcmp(a->key, b->key);

    return order ? order : strcmp(a->id, b->id);
}

/* Every upload of the bucket whose key begins with the prefix, sorted. */
static int load_uploads(struct s3_call *call, const char *prefix, struct listed_upload **out,
                        size_t *count, struct err *err)
{
    struct disk *disk = disk_of(call->server);
    const char *root = uploads_dir(call->server, call->arena);
    struct disk_entry *entries = NULL;
    size_t total = 0;
    int rc = root ? disk_list(disk, root, call->arena, &entries, &total, err) : ERR_NOMEM;

    *count = 0;
    if (rc == ERR_NOENT)
        rc = 0; /* there never was one */
    *out = rc ? NULL : ARENA_ARRAY(call->arena, struct listed_upload, total + 1);
    if (!*out)
        return rc ? rc : ERR_NOMEM;
    for (size_t i = 0; i < total; i++) {
        const char *dir = arena_printf(call->arena, "%s/%s", root, entries[i].name);
        json_t *info = NULL;

        if (!dir || load_info(disk, call->arena, dir, &info))
            continue;
        if (strcmp(info_text(info, "bucket"), call->bucket) == 0 &&
            strncmp(info_text(info, "key"), prefix, strlen(prefix)) == 0) {
            struct listed_upload *item = &(*out)[(*count)++];

            item->key = arena_strdup(call->arena, info_text(info, "key"));
            item->id = entries[i].name;
            item->started_us = json_integer_value(json_object_get(info, "started_us"));
            if (!item->key)
                (*count)--;
        }
        json_decref(info);
    }
    qsort(*out, *count, sizeof(**out), by_key_and_id);
    return 0;
}

static void put_key(struct buf *xml, const char *name, const char *key, bool url_encoded)
{
    struct buf encoded = {0};

    if (url_encoded) {
        url_encode(&encoded, slice_str(key), true);
        key = buf_cstr(&encoded);
    }
    xml_element(xml, name, key ? key : "");
    buf_deinit(&encoded);
}

static void put_uploads(struct s3_call *call, const struct listed_upload *list, size_t count,
                        struct buf *xml)
{
    const char *prefix = s3_query(call, "prefix"), *after_key = s3_query(call, "key-marker");
    const char *after_id = s3_query(call, "upload-id-marker");
    int64_t max = query_number(call, "max-uploads", 1000, 1000), given = 0;
    bool encoded = s3_query(call, "encoding-type") != NULL, more = false;
    const struct listed_upload *last = NULL;

    buf_append_str(xml, "<ListMultipartUploadsResult" S3_XMLNS ">");
    xml_element(xml, "Bucket", call->bucket);
    put_key(xml, "Prefix", prefix ? prefix : "", encoded);
    put_key(xml, "KeyMarker", after_key ? after_key : "", encoded);
    xml_element(xml, "UploadIdMarker", after_id ? after_id : "");
    buf_printf(xml, "<MaxUploads>%" PRId64 "</MaxUploads>", max);
    for (size_t i = 0; i < count && !more; i++) {
        int order = after_key ? strcmp(list[i].key, after_key) : 1;
        char date[32];

        if (order < 0 || (order == 0 && (!after_id || strcmp(list[i].id, after_id) <= 0)))
            continue;
        more = given == max;
        if (more)
            break;
        s3_iso_date(list[i].started_us, date);
        buf_append_str(xml, "<Upload>");
        put_key(xml, "Key", list[i].key, encoded);
        xml_element(xml, "UploadId", list[i].id);
        buf_append_str(xml, "<StorageClass>STANDARD</StorageClass>");
        xml_element(xml, "Initiated", date);
        buf_append_str(xml, "</Upload>");
        last = &list[i];
        given++;
    }
    buf_printf(xml, "<IsTruncated>%s</IsTruncated>", more ? "true" : "false");
    if (more && last) {
        put_key(xml, "NextKeyMarker", last->key, encoded);
        xml_element(xml, "NextUploadIdMarker", last->id);
    }
    buf_append_str(xml, "</ListMultipartUploadsResult>");
}

static void list_uploads(struct s3_call *call)
{
    struct store *store = call->server->store;
    const char *prefix = s3_query(call, "prefix");
    struct listed_upload *list;
    struct buf xml = {0};
    struct err err = {0};
    size_t count;
    int rc = store->ops->bucket_check(store, call->bucket, &err);

    if (!rc)
        rc = load_uploads(call, prefix ? prefix : "", &list, &count, &err);
    if (rc) {
        s3_fail(call, rc, &err);
        return;
    }
    put_uploads(call, list, count, &xml);
    s3_reply_xml(call, &xml);
}

/* --- those nobody finished -------------------------------------------------------------------- */

void s3_uploads_sweep(struct s3_server *server)
{
    struct arena arena = {0};
    struct disk_entry *entries = NULL;
    const char *root = uploads_dir(server, &arena);
    size_t count = 0;

    if (!root || disk_list(disk_of(server), root, &arena, &entries, &count, NULL))
        count = 0;
    for (size_t i = 0; i < count; i++) {
        const char *dir = arena_printf(&arena, "%s/%s", root, entries[i].name);
        int64_t started_us = 0;
        json_t *info = NULL;

        if (!dir)
            break;
        if (load_info(disk_of(server), &arena, dir, &info) == 0)
            started_us = json_integer_value(json_object_get(info, "started_us"));
        json_decref(info);
        if (clock_wall_us(server->clock) - started_us < ABANDONED_US)
            continue;
        diag_info("s3", "upload %s was never finished: removed", entries[i].name);
        disk_remove_tree(disk_of(server), dir, NULL);
    }
    arena_deinit(&arena);
}

const struct s3_op s3_upload_ops[] = {
    {"CreateMultipartUpload", "POST", S3_OBJECT, "uploads", .sink = S3_TO_TEXT,
     .run = create_upload, .sum_elsewhere = true},
    {"UploadPartCopy", "PUT", S3_OBJECT, "uploadId", "x-amz-copy-source", S3_TO_FILE,
     upload_part_copy},
    {"UploadPart", "PUT", S3_OBJECT, "uploadId", .sink = S3_TO_FILE, .run = upload_part},
    {"CompleteMultipartUpload", "POST", S3_OBJECT, "uploadId", .sink = S3_TO_TEXT,
     .run = complete_upload, .sum_elsewhere = true},
    {"AbortMultipartUpload", "DELETE", S3_OBJECT, "uploadId", .run = abort_upload},
    {"ListParts", "GET", S3_OBJECT, "uploadId", .run = list_parts},
    {"ListMultipartUploads", "GET", S3_BUCKET, "uploads", .run = list_uploads},
    {0},
};
