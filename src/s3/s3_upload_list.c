/* s3_upload_list.c - the parts of an upload, and the uploads of a bucket. */
#include <stdio.h>
#include <strings.h>

#include "s3/s3_upload.h"

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

void s3_list_parts(struct s3_call *call)
{
    int64_t max = query_number(call, "max-parts", 1000, 1000);
    int64_t marker = query_number(call, "part-number-marker", 0, S3_PARTS_MAX), last = 0, given = 0;
    struct upload upload = {0};
    struct parts parts;
    struct buf xml = {0}, list = {0};
    struct err err = {0};
    bool more = false;
    int rc = s3_upload_find(call, &upload);

    if (rc)
        return;
    json_decref(upload.info);
    rc = s3_upload_parts(call, &upload, &parts, &err);
    if (rc) {
        s3_fail(call, rc, &err);
        return;
    }
    for (size_t i = 0; i < parts.count && !more; i++) {
        const char *path = arena_printf(call->arena, "%s/%s", upload.dir, parts.list[i].name);
        struct disk_stat stat;

        if (parts.list[i].number <= marker || !path ||
            disk_stat(s3_disk(call->server), path, &stat, NULL))
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
    struct disk *disk = s3_disk(call->server);
    const char *root = s3_uploads_dir(call->server, call->arena);
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

        if (!dir || s3_upload_info(disk, call->arena, dir, &info))
            continue;
        if (strcmp(s3_info_text(info, "bucket"), call->bucket) == 0 &&
            strncmp(s3_info_text(info, "key"), prefix, strlen(prefix)) == 0) {
            struct listed_upload *item = &(*out)[(*count)++];

            item->key = arena_strdup(call->arena, s3_info_text(info, "key"));
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

void s3_list_uploads(struct s3_call *call)
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
