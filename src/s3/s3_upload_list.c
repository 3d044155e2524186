/* s3_upload_list.c - the parts of an upload, and the uploads of a bucket. */
#include <stdio.h>
#include <strings.h>

#include "s3/s3_upload.h"

/* -1: it is no number, answered. */
static int64_t query_number(struct s3_call *call, const char *name, int64_t otherwise, int64_t max)
{
    const char *text = s3_query(call, name);
    int64_t value = 0;

    if (!text || !text[0])
        return otherwise;
    if (slice_to_i64(slice_str(text), &value) || value < 0) {
        s3_error_detail(call, "ArgumentName", name);
        s3_error_detail(call, "ArgumentValue", text);
        if (value < 0)
            s3_error(call, S3_INVALID_ARGUMENT,
                     "Argument %s must be an integer between 0 and 2147483647", text);
        else
            s3_error(call, S3_INVALID_ARGUMENT,
                     "Provided %s not an integer or within integer range", text);
        return -1;
    }
    return value < max ? value : max;
}

static void put_part(struct s3_call *call, struct buf *xml, const struct part *part,
                     int64_t mtime_us)
{
    char date[32], etag[40];

    s3_iso_date(mtime_us, date);
    snprintf(etag, sizeof(etag), "\"%s\"", part->md5);
    buf_printf(xml, "<Part><PartNumber>%d</PartNumber>", part->number);
    xml_element(xml, "LastModified", date);
    xml_element(xml, "ETag", etag);
    if (part->has_sum)
        s3_put_sum(call, xml, s3_sum_name(part->sum_kind), part->sum);
    buf_printf(xml, "<Size>%" PRId64 "</Size></Part>", part->size);
}

static void put_people(struct s3_call *call, struct buf *xml)
{
    buf_append_str(xml, "<Initiator>");
    xml_element(xml, "ID", s3_owner(call));
    xml_element(xml, "DisplayName", s3_owner(call));
    buf_append_str(xml, "</Initiator>");
    s3_put_owner(call, xml);
}

void s3_list_parts(struct s3_call *call)
{
    int64_t max = query_number(call, "max-parts", 1000, 1000);
    int64_t marker = query_number(call, "part-number-marker", 0, S3_PARTS_MAX), last = 0, given = 0;
    struct upload upload = {0};
    struct parts parts;
    struct buf xml = {0}, list = {0};
    struct err err = {0};
    enum s3_sum kind;
    bool more = false, full_object, has_sum;
    int rc = max < 0 || marker < 0 ? ERR_INVALID : s3_upload_find(call, &upload);

    if (rc)
        return;
    has_sum = s3_upload_sum(upload.info, &kind, &full_object);
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
        put_part(call, &list, &parts.list[i], stat.mtime_us);
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
    if (has_sum) {
        xml_element(&xml, "ChecksumAlgorithm", s3_sum_name(kind));
        xml_element(&xml, "ChecksumType", full_object ? S3_FULL_OBJECT : S3_COMPOSITE);
    }
    put_people(call, &xml);
    buf_append_slice(&xml, buf_slice(&list));
    buf_append_str(&xml, "</ListPartsResult>");
    buf_deinit(&list);
    s3_reply_xml(call, &xml);
}

struct listed_upload {
    const char *key, *id;
    const char *sum, *sum_type; /* "": none */
    int64_t started_us;
};

/* By key, then by time. */
static int by_key(const void *left, const void *right)
{
    const struct listed_upload *a = left, *b = right;
    int order = strcmp(a->key, b->key);

    if (!order)
        order = (a->started_us > b->started_us) - (a->started_us < b->started_us);
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

            *item = (struct listed_upload){
                .key = arena_strdup(call->arena, s3_info_text(info, "key")),
                .id = entries[i].name,
                .sum = arena_strdup(call->arena, s3_info_text(info, "sum")),
                .sum_type = arena_strdup(call->arena, s3_info_text(info, "sum_type")),
                .started_us = json_integer_value(json_object_get(info, "started_us"))};
            if (!item->key || !item->sum || !item->sum_type)
                (*count)--;
        }
        json_decref(info);
    }
    qsort(*out, *count, sizeof(**out), by_key);
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

/* What the client asks for, and what of the list it gets. */
struct paging {
    const char *prefix, *delimiter, *after_key, *after_id;
    int64_t max;
    bool encoded;
    size_t start;         /* the first upload behind the markers */
    const char *last_key; /* key, or common prefix, given last; NULL: none */
    const char *last_id;  /* "" when that was a prefix */
    bool more;
};

static void put_upload(struct s3_call *call, const struct paging *paging,
                       const struct listed_upload *upload, struct buf *xml)
{
    char date[32];

    s3_iso_date(upload->started_us, date);
    buf_append_str(xml, "<Upload>");
    put_key(xml, "Key", upload->key, paging->encoded);
    xml_element(xml, "UploadId", upload->id);
    put_people(call, xml);
    buf_append_str(xml, "<StorageClass>STANDARD</StorageClass>");
    xml_element(xml, "Initiated", date);
    if (upload->sum[0]) {
        xml_element(xml, "ChecksumAlgorithm", upload->sum);
        xml_element(xml, "ChecksumType", upload->sum_type);
    }
    buf_append_str(xml, "</Upload>");
}

/* The common prefix of a key, in the arena; NULL: it has none. */
static const char *prefix_of(struct s3_call *call, const struct paging *paging, const char *key)
{
    const char *behind = key + strlen(paging->prefix);
    const char *mark = paging->delimiter[0] ? strstr(behind, paging->delimiter) : NULL;

    return mark ? arena_cstr(call->arena,
                             slice_of(key, (size_t)(mark - key) + strlen(paging->delimiter)))
                : NULL;
}

static void put_found(struct s3_call *call, struct paging *paging, const struct listed_upload *list,
                      size_t count, struct buf *uploads, struct buf *prefixes)
{
    const char *common = NULL;
    int64_t given = 0;

    for (size_t i = paging->start; i < count; i++) {
        const char *prefix = prefix_of(call, paging, list[i].key);

        if (prefix &&
            ((common && strcmp(prefix, common) == 0) || strcmp(prefix, paging->after_key) <= 0))
            continue; /* told already */
        if (given == paging->max) {
            paging->more = paging->max > 0;
            return;
        }
        given++;
        if (prefix) {
            common = prefix;
            buf_append_str(prefixes, "<CommonPrefixes>");
            put_key(prefixes, "Prefix", prefix, paging->encoded);
            buf_append_str(prefixes, "</CommonPrefixes>");
        } else {
            put_upload(call, paging, &list[i], uploads);
        }
        paging->last_key = prefix ? prefix : list[i].key;
        paging->last_id = prefix ? "" : list[i].id;
    }
}

/* Answers itself and returns false when the markers make no sense. */
static bool find_start(struct s3_call *call, struct paging *paging,
                       const struct listed_upload *list, size_t count)
{
    bool found = false;
    size_t i = 0;

    while (i < count && strcmp(list[i].key, paging->after_key) < 0)
        i++;
    for (; i < count && strcmp(list[i].key, paging->after_key) == 0; i++)
        if (paging->after_id[0]) {
            found = strcmp(list[i].id, paging->after_id) == 0;
            if (found) {
                i++;
                break;
            }
        }
    if (paging->after_id[0] && paging->after_key[0] && !found) {
        s3_argument(call, "upload-id-marker", paging->after_id, "Invalid uploadId marker");
        return false;
    }
    paging->start = i;
    return true;
}

static const char *query_text(struct s3_call *call, const char *name)
{
    const char *text = s3_query(call, name);

    return text ? text : "";
}

static void put_uploads(struct s3_call *call, struct paging *paging,
                        const struct listed_upload *list, size_t count, struct buf *xml)
{
    struct buf uploads = {0}, prefixes = {0};

    put_found(call, paging, list, count, &uploads, &prefixes);
    buf_append_str(xml, "<ListMultipartUploadsResult" S3_XMLNS ">");
    xml_element(xml, "Bucket", call->bucket);
    put_key(xml, "Prefix", paging->prefix, paging->encoded);
    if (paging->delimiter[0])
        put_key(xml, "Delimiter", paging->delimiter, paging->encoded);
    put_key(xml, "KeyMarker", paging->after_key, paging->encoded);
    xml_element(xml, "UploadIdMarker", paging->after_id);
    if (paging->encoded)
        xml_element(xml, "EncodingType", "url");
    buf_printf(xml, "<MaxUploads>%" PRId64 "</MaxUploads><IsTruncated>%s</IsTruncated>",
               paging->max, paging->more ? "true" : "false");
    if (paging->more && paging->last_key) {
        put_key(xml, "NextKeyMarker", paging->last_key, paging->encoded);
        if (paging->last_id[0])
            xml_element(xml, "NextUploadIdMarker", paging->last_id);
    }
    buf_append_slice(xml, buf_slice(&uploads));
    buf_append_slice(xml, buf_slice(&prefixes));
    buf_append_str(xml, "</ListMultipartUploadsResult>");
    buf_deinit(&uploads);
    buf_deinit(&prefixes);
}

void s3_list_uploads(struct s3_call *call)
{
    struct store *store = call->server->store;
    struct paging paging = {.prefix = query_text(call, "prefix"),
                            .delimiter = query_text(call, "delimiter"),
                            .after_key = query_text(call, "key-marker"),
                            .after_id = query_text(call, "upload-id-marker"),
                            .encoded = s3_query(call, "encoding-type") != NULL};
    struct listed_upload *list;
    struct buf xml = {0};
    struct err err = {0};
    size_t count;
    int rc = store->ops->bucket_check(store, call->bucket, &err);

    paging.max = query_number(call, "max-uploads", 1000, 1000);
    if (paging.max < 0)
        return;
    if (!rc)
        rc = load_uploads(call, paging.prefix, &list, &count, &err);
    if (rc) {
        s3_fail(call, rc, &err);
        return;
    }
    if (!find_start(call, &paging, list, count))
        return;
    put_uploads(call, &paging, list, count, &xml);
    s3_reply_xml(call, &xml);
}
