/* s3_version.c - versions: finding one, the bucket's switch, and their listing. */
#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "base/json.h"
#include "net/url.h"
#include "s3/s3_int.h"

const struct store_version_ops *s3_versions(struct s3_call *call)
{
    const struct store_version_ops *ops = call->server->store->ops->versions;

    if (!ops)
        s3_error(call, S3_NOT_IMPLEMENTED,
                 "The store behind this server keeps no versions, tags "
                 "or settings of buckets.");
    return ops;
}

void s3_put_version(struct s3_call *call, const char *version)
{
    if (version[0])
        http_set_header(call->reply, "x-amz-version-id", version);
}

/* "null", or what could be an id: letters and digits. */
bool s3_version_plausible(const char *id)
{
    size_t len = strlen(id);

    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)id[i]))
            return false;
    return strcmp(id, "null") == 0 || (len >= 20 && len <= 64);
}

/* A delete marker has no bytes: as the latest it is an absence, named itself it cannot be read. */
static int answer_marker(struct s3_call *call, const struct store_info *info, bool named)
{
    char date[32];

    s3_error(call, named ? S3_METHOD_NOT_ALLOWED : S3_NO_SUCH_KEY, NULL);
    http_set_header(call->reply, "x-amz-delete-marker", "true");
    s3_put_version(call, info->version);
    if (named) {
        s3_http_date(info->mtime_us, date);
        http_set_header(call->reply, "Last-Modified", date);
        http_set_header(call->reply, "Allow", "DELETE");
    }
    return ERR_NOENT;
}

static int find_latest(struct s3_call *call, struct store_info *info, struct file **file)
{
    struct store *store = call->server->store;
    const struct store_version_ops *versions = store->ops->versions;
    struct err err = {0};
    int rc = file ? store->ops->open(store, call->bucket, call->key, info, file, &err)
                  : store->ops->head(store, call->bucket, call->key, info, &err);

    if (rc == ERR_NOENT && versions &&
        versions->versioning(store, call->bucket) != STORE_UNVERSIONED &&
        versions->head(store, call->bucket, call->key, NULL, info, NULL) == 0 && info->is_marker)
        return answer_marker(call, info, false);
    if (rc)
        s3_fail(call, rc, &err);
    return rc;
}

int s3_find_object(struct s3_call *call, struct store_info *info, struct file **file)
{
    const char *version = s3_query(call, "versionId");
    struct store *store = call->server->store;
    const struct store_version_ops *versions;
    struct err err = {0};
    int rc;

    if (!version)
        return find_latest(call, info, file);
    versions = s3_versions(call);
    if (!versions)
        return ERR_UNSUPPORTED;
    if (!s3_version_plausible(version)) {
        s3_argument(call, "versionId", version,
                    version[0] ? "Invalid version id specified"
                               : "Version id cannot be the empty string");
        return ERR_INVALID;
    }
    rc = file ? versions->open(store, call->bucket, call->key, version, info, file, &err)
              : versions->head(store, call->bucket, call->key, version, info, &err);
    if (rc == ERR_NOENT && s3_code_of(call, rc) == S3_NO_SUCH_KEY)
        s3_error(call, S3_NO_SUCH_VERSION, NULL);
    else if (rc)
        s3_fail(call, rc, &err);
    else if (info->is_marker)
        rc = answer_marker(call, info, true);
    return rc;
}

/* --- the switch ------------------------------------------------------------------------------- */

static void get_versioning(struct s3_call *call)
{
    static const char *const words[] = {
        [STORE_VERSIONED] = "<Status>Enabled</Status>",
        [STORE_SUSPENDED] = "<Status>Suspended</Status>",
        [STORE_UNVERSIONED] = "",
    };
    struct store *store = call->server->store;
    struct buf xml = {0};
    struct err err = {0};
    int rc = store->ops->bucket_check(store, call->bucket, &err);

    if (rc) {
        s3_fail(call, rc, &err);
        return;
    }
    buf_printf(&xml, "<VersioningConfiguration" S3_XMLNS ">%s</VersioningConfiguration>",
               words[store->ops->versions ? store->ops->versions->versioning(store, call->bucket)
                                          : STORE_UNVERSIONED]);
    s3_reply_xml(call, &xml);
}

static void put_versioning(struct s3_call *call)
{
    const struct store_version_ops *versions = s3_versions(call);
    struct store *store = call->server->store;
    const char *path, *text, *status = "";
    struct err err = {0};
    struct xml xml;
    int rc = 0;

    if (!versions)
        return;
    xml_init(&xml, call->arena, buf_slice(&call->body.text));
    while (xml_next(&xml, &path, &text, &rc, &err))
        if (strcmp(path, "VersioningConfiguration/Status") == 0)
            status = text;
    xml_deinit(&xml);
    if (rc || (strcmp(status, "Enabled") && strcmp(status, "Suspended"))) {
        s3_error(call, S3_MALFORMED_XML, NULL);
        return;
    }
    rc = versions->versioning_put(
        store, call->bucket, strcmp(status, "Enabled") ? STORE_SUSPENDED : STORE_VERSIONED, &err);
    if (rc)
        s3_fail(call, rc, &err);
    else
        http_status(call->reply, 200);
}

/* --- the listing ------------------------------------------------------------------------------ */

struct asked {
    const char *prefix, *delimiter, *key_marker, *version_marker;
    int64_t max;
    bool url_encoded;
};

static const char *query_or(struct s3_call *call, const char *name, const char *otherwise)
{
    const char *value = s3_query(call, name);

    return value ? value : otherwise;
}

static void put_text(const struct asked *asked, struct buf *xml, const char *name, const char *text)
{
    struct buf encoded = {0};

    if (asked->url_encoded) {
        url_encode(&encoded, slice_str(text), true);
        text = buf_cstr(&encoded);
    }
    xml_element(xml, name, text ? text : "");
    buf_deinit(&encoded);
}

static void put_sum_kind(const char *text, struct buf *xml)
{
    json_t *metadata = NULL;

    if (!strstr(text, "x-amz-checksum-") || json_parse(slice_str(text), &metadata, NULL))
        return;
    for (int i = 0; i < S3_SUM_COUNT; i++) {
        const char *value =
            json_string_value(json_object_get(metadata, s3_sum_header((enum s3_sum)i)));

        if (!value)
            continue;
        xml_element(xml, "ChecksumAlgorithm", s3_sum_name((enum s3_sum)i));
        xml_element(xml, "ChecksumType", s3_sum_type(value));
    }
    json_decref(metadata);
}

static void put_one(struct s3_call *call, const struct asked *asked, struct buf *xml,
                    const struct store_version *version)
{
    const char *name = version->is_marker ? "DeleteMarker" : "Version";
    char date[32], etag[64];

    s3_iso_date(version->mtime_us, date);
    buf_printf(xml, "<%s>", name);
    put_text(asked, xml, "Key", version->key);
    xml_element(xml, "VersionId", version->id);
    buf_printf(xml, "<IsLatest>%s</IsLatest>", version->is_latest ? "true" : "false");
    xml_element(xml, "LastModified", date);
    if (!version->is_marker) {
        snprintf(etag, sizeof(etag), "\"%s\"", version->etag);
        xml_element(xml, "ETag", etag);
        put_sum_kind(version->metadata, xml);
        buf_printf(xml, "<Size>%" PRId64 "</Size><StorageClass>STANDARD</StorageClass>",
                   version->size);
    }
    s3_put_owner(call, xml);
    buf_printf(xml, "</%s>", name);
}

static int read_asked(struct s3_call *call, struct asked *out)
{
    const char *encoding = s3_query(call, "encoding-type"), *max = query_or(call, "max-keys", "");

    *out = (struct asked){.prefix = query_or(call, "prefix", ""),
                          .delimiter = query_or(call, "delimiter", ""),
                          .key_marker = query_or(call, "key-marker", ""),
                          .version_marker = query_or(call, "version-id-marker", ""),
                          .max = S3_KEYS_MAX,
                          .url_encoded = encoding != NULL};
    if (encoding && strcasecmp(encoding, "url")) {
        s3_error(call, S3_INVALID_ARGUMENT, "Invalid Encoding Method specified in Request");
        return ERR_INVALID;
    }
    if (max[0] && (slice_to_i64(slice_str(max), &out->max) || out->max < 0)) {
        s3_argument(call, "max-keys", max,
                    max[0] == '-' ? "max-keys cannot be negative"
                                  : "Provided max-keys not an integer or within integer range");
        return ERR_INVALID;
    }
    if (out->version_marker[0] && !out->key_marker[0]) {
        s3_error(call, S3_INVALID_ARGUMENT,
                 "A version-id marker cannot be specified without a key marker.");
        return ERR_INVALID;
    }
    if (out->max > S3_KEYS_MAX)
        out->max = S3_KEYS_MAX;
    return 0;
}

static void put_listing(struct s3_call *call, const struct asked *asked,
                        const struct store_version_list *found, struct buf *xml)
{
    const struct store_version *last = found->count ? &found->entries[found->count - 1] : NULL;
    bool more = found->truncated && last;

    buf_append_str(xml, "<ListVersionsResult" S3_XMLNS ">");
    xml_element(xml, "Name", call->bucket);
    put_text(asked, xml, "Prefix", asked->prefix);
    put_text(asked, xml, "KeyMarker", asked->key_marker);
    xml_element(xml, "VersionIdMarker", asked->version_marker);
    if (asked->delimiter[0])
        put_text(asked, xml, "Delimiter", asked->delimiter);
    if (asked->url_encoded)
        xml_element(xml, "EncodingType", "url");
    buf_printf(xml, "<MaxKeys>%" PRId64 "</MaxKeys><IsTruncated>%s</IsTruncated>", asked->max,
               more ? "true" : "false");
    if (more) {
        put_text(asked, xml, "NextKeyMarker", last->key);
        if (!last->is_prefix)
            xml_element(xml, "NextVersionIdMarker", last->id);
    }
    for (size_t i = 0; i < found->count; i++)
        if (!found->entries[i].is_prefix)
            put_one(call, asked, xml, &found->entries[i]);
    for (size_t i = 0; i < found->count; i++) {
        if (!found->entries[i].is_prefix)
            continue;
        buf_append_str(xml, "<CommonPrefixes>");
        put_text(asked, xml, "Prefix", found->entries[i].key);
        buf_append_str(xml, "</CommonPrefixes>");
    }
    buf_append_str(xml, "</ListVersionsResult>");
}

static void list_versions(struct s3_call *call)
{
    const struct store_version_ops *versions = s3_versions(call);
    struct store *store = call->server->store;
    struct store_version_list found = {0};
    struct buf xml = {0};
    struct err err = {0};
    struct asked asked;
    int rc;

    if (!versions || read_asked(call, &asked))
        return;
    rc = asked.max == 0
             ? store->ops->bucket_check(store, call->bucket, &err)
             : versions->list(store, call->bucket, asked.prefix, asked.delimiter, asked.key_marker,
                              asked.version_marker[0] ? asked.version_marker : NULL,
                              (size_t)asked.max, call->arena, &found, &err);
    if (rc) {
        s3_fail(call, rc, &err);
        return;
    }
    put_listing(call, &asked, &found, &xml);
    s3_reply_xml(call, &xml);
}

const struct s3_op s3_version_ops[] = {
    {"GetBucketVersioning", "GET", S3_BUCKET, "versioning", .run = get_versioning},
    {"PutBucketVersioning", "PUT", S3_BUCKET, "versioning", .sink = S3_TO_TEXT,
     .run = put_versioning},
    {"ListObjectVersions", "GET", S3_BUCKET, "versions", .run = list_versions,
     .action = "s3:ListBucketVersions"},
    {0},
};
