/* s3_bucket.c - buckets: list, make, look, drop, and the two ways of listing objects. */
#include <stdio.h>
#include <strings.h>

#include "net/url.h"
#include "s3/s3_int.h"

/* Buckets from `after` on that begin with the prefix and that the caller may see; `last` is the
 * last one given when there are more. */
static const char *put_buckets(struct s3_call *call, const struct store_entry *list, size_t count,
                               int64_t max, struct buf *xml)
{
    const char *prefix = s3_query(call, "prefix"), *after = s3_query(call, "continuation-token");
    const char *last = NULL;
    int64_t given = 0;

    for (size_t i = 0; i < count; i++) {
        char date[32];

        if ((prefix && strncmp(list[i].key, prefix, strlen(prefix))) ||
            (after && strcmp(list[i].key, after) <= 0))
            continue;
        if (given == max)
            return last;
        s3_iso_date(list[i].mtime_us, date);
        buf_append_str(xml, "<Bucket>");
        xml_element(xml, "Name", list[i].key);
        xml_element(xml, "CreationDate", date);
        xml_element(xml, "BucketRegion", call->server->region);
        buf_append_str(xml, "</Bucket>");
        last = list[i].key;
        given++;
    }
    return NULL;
}

static void list_buckets(struct s3_call *call)
{
    const char *text = s3_query(call, "max-buckets"), *prefix = s3_query(call, "prefix"), *last;
    struct store *store = call->server->store;
    struct store_entry *entries;
    struct buf xml = {0};
    struct err err = {0};
    int64_t max = 10000;
    size_t count;
    int rc = store->ops->bucket_list(store, call->arena, &entries, &count, &err);

    if (rc) {
        s3_fail(call, rc, &err);
        return;
    }
    if (text && (slice_to_i64(slice_str(text), &max) || max < 1 || max > 10000)) {
        s3_argument(call, "max-buckets", text,
                    "Argument max-buckets must be an integer between 1 and 10000.");
        return;
    }
    buf_append_str(&xml, "<ListAllMyBucketsResult" S3_XMLNS ">");
    s3_put_owner(call, &xml);
    buf_append_str(&xml, "<Buckets>");
    last = put_buckets(call, entries, count, max, &xml);
    buf_append_str(&xml, "</Buckets>");
    if (last)
        xml_element(&xml, "ContinuationToken", last);
    if (prefix)
        xml_element(&xml, "Prefix", prefix);
    buf_append_str(&xml, "</ListAllMyBucketsResult>");
    s3_reply_xml(call, &xml);
}

/* "Bucket naming rules". */
static bool is_bucket_name(const char *name)
{
    size_t len = strlen(name);

    if (len < 3 || len > 63 || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") != len ||
        strstr(name, ".."))
        return false;
    return !strchr(".-", name[0]) && !strchr(".-", name[len - 1]);
}

static void create_bucket(struct s3_call *call)
{
    struct store *store = call->server->store;
    struct err err = {0};
    char where[80];
    int rc;

    if (!is_bucket_name(call->bucket)) {
        s3_error(call, S3_INVALID_BUCKET_NAME, NULL);
        return;
    }
    rc = store->ops->bucket_make(store, call->bucket, &err);
    if (rc == ERR_EXISTS) {
        s3_error(call, S3_BUCKET_EXISTS, NULL);
    } else if (rc) {
        s3_fail(call, rc, &err);
    } else {
        snprintf(where, sizeof(where), "/%s", call->bucket);
        http_set_header(call->reply, "Location", where);
        http_status(call->reply, 200);
    }
}

static void head_bucket(struct s3_call *call)
{
    struct store *store = call->server->store;
    struct err err = {0};
    int rc = store->ops->bucket_check(store, call->bucket, &err);

    if (rc) {
        s3_fail(call, rc, &err);
        return;
    }
    http_set_header(call->reply, "x-amz-bucket-region", call->server->region);
    http_status(call->reply, 200);
}

static void delete_bucket(struct s3_call *call)
{
    struct store *store = call->server->store;
    struct err err = {0};
    int rc = store->ops->bucket_remove(store, call->bucket, &err);

    if (rc == ERR_CONFLICT)
        s3_error(call, S3_BUCKET_NOT_EMPTY,
                 store->ops->versions &&
                         store->ops->versions->versioning(store, call->bucket) != STORE_UNVERSIONED
                     ? "The bucket you tried to delete is not empty. You must delete all versions "
                       "in the bucket."
                     : NULL);
    else if (rc)
        s3_fail(call, rc, &err);
    else {
        s3_uploads_drop(call->server, call->bucket);
        http_status(call->reply, 204);
    }
}

/* us-east-1 is told as the empty constraint. */
static void get_location(struct s3_call *call)
{
    const char *region = call->server->region;
    struct store *store = call->server->store;
    struct buf xml = {0};
    struct err err = {0};
    int rc = store->ops->bucket_check(store, call->bucket, &err);

    if (rc) {
        s3_fail(call, rc, &err);
        return;
    }
    buf_printf(&xml, "<LocationConstraint" S3_XMLNS ">%s</LocationConstraint>",
               strcmp(region, "us-east-1") ? region : "");
    s3_reply_xml(call, &xml);
}

/* --- listing objects -------------------------------------------------------------------------- */

struct listing {
    const char *prefix, *delimiter, *start_after;
    const char *token; /* version 2: as the client sent it */
    int64_t max_keys;
    bool url_encoded, v2, fetch_owner;
    struct store_list found;
};

static const char *query_or(struct s3_call *call, const char *name, const char *otherwise)
{
    const char *value = s3_query(call, name);

    return value ? value : otherwise;
}

/* A token is the last key given, in base64: nothing has to be remembered. */
static int read_token(struct s3_call *call, struct listing *listing)
{
    struct buf text = {.max = 4096};
    int rc = base64_decode(slice_str(listing->token), &text);

    if (!rc && memchr(text.ptr ? text.ptr : (const uint8_t *)"", 0, text.len))
        rc = ERR_INVALID;
    if (!rc)
        listing->start_after = arena_cstr(call->arena, buf_slice(&text));
    buf_deinit(&text);
    if (rc || !listing->start_after)
        s3_error(call, S3_INVALID_ARGUMENT, "The continuation token is not one of ours.");
    return rc || !listing->start_after ? ERR_INVALID : 0;
}

static int read_listing(struct s3_call *call, struct listing *out)
{
    const char *encoding = s3_query(call, "encoding-type");
    const char *max_keys = query_or(call, "max-keys", "1000");

    out->prefix = query_or(call, "prefix", "");
    out->delimiter = query_or(call, "delimiter", "");
    out->start_after = query_or(call, out->v2 ? "start-after" : "marker", "");
    out->token = out->v2 ? s3_query(call, "continuation-token") : NULL;
    out->fetch_owner = strcasecmp(query_or(call, "fetch-owner", "false"), "true") == 0;
    out->url_encoded = encoding != NULL;
    if (encoding && strcasecmp(encoding, "url")) {
        s3_argument(call, "encoding-type", encoding,
                    "Invalid Encoding Method specified in Request");
        return ERR_INVALID;
    }
    if (slice_to_i64(slice_str(max_keys), &out->max_keys) || out->max_keys < 0) {
        s3_error_detail(call, "ArgumentName", "maxKeys");
        s3_error_detail(call, "ArgumentValue", max_keys);
        s3_error(call, S3_INVALID_ARGUMENT,
                 "Argument %s must be an integer between 0 and 2147483647", max_keys);
        return ERR_INVALID;
    }
    if (out->max_keys > S3_KEYS_MAX)
        out->max_keys = S3_KEYS_MAX;
    return out->token ? read_token(call, out) : 0;
}

static void put_text(const struct listing *listing, struct buf *xml, const char *name,
                     const char *text)
{
    struct buf encoded = {0};

    if (listing->url_encoded) {
        url_encode(&encoded, slice_str(text), true);
        text = buf_cstr(&encoded);
    }
    xml_element(xml, name, text ? text : "");
    buf_deinit(&encoded);
}

static void put_entry(struct s3_call *call, const struct listing *listing, struct buf *xml,
                      const struct store_entry *entry)
{
    char date[32], etag[64];

    s3_iso_date(entry->mtime_us, date);
    snprintf(etag, sizeof(etag), "\"%s\"", entry->etag);
    buf_append_str(xml, "<Contents>");
    put_text(listing, xml, "Key", entry->key);
    xml_element(xml, "LastModified", date);
    xml_element(xml, "ETag", etag);
    buf_printf(xml, "<Size>%" PRId64 "</Size><StorageClass>STANDARD</StorageClass>", entry->size);
    if (!listing->v2 || listing->fetch_owner)
        s3_put_owner(call, xml);
    buf_append_str(xml, "</Contents>");
}

static void put_next(struct s3_call *call, const struct listing *listing, struct buf *xml)
{
    const char *last = listing->found.entries[listing->found.count - 1].key;
    struct buf token = {0};

    if (!listing->v2) {
        put_text(listing, xml, "NextMarker", last);
        return;
    }
    if (base64_encode(slice_str(last), &token) == 0 && buf_cstr(&token))
        xml_element(xml, "NextContinuationToken", (const char *)token.ptr);
    else
        s3_error(call, S3_INTERNAL_ERROR, NULL);
    buf_deinit(&token);
}

static void put_listing(struct s3_call *call, const struct listing *listing, struct buf *xml)
{
    const struct store_list *found = &listing->found;
    bool more = found->truncated && found->count;

    buf_append_str(xml, "<ListBucketResult" S3_XMLNS ">");
    xml_element(xml, "Name", call->bucket);
    put_text(listing, xml, "Prefix", listing->prefix);
    if (listing->delimiter[0])
        put_text(listing, xml, "Delimiter", listing->delimiter);
    if (listing->url_encoded)
        xml_element(xml, "EncodingType", "url");
    buf_printf(xml, "<MaxKeys>%" PRId64 "</MaxKeys><IsTruncated>%s</IsTruncated>",
               listing->max_keys, more ? "true" : "false");
    if (!listing->v2) {
        put_text(listing, xml, "Marker", listing->start_after);
    } else {
        buf_printf(xml, "<KeyCount>%zu</KeyCount>", found->count);
        if (listing->token)
            xml_element(xml, "ContinuationToken", listing->token);
        else if (listing->start_after[0])
            put_text(listing, xml, "StartAfter", listing->start_after);
    }
    for (size_t i = 0; i < found->count; i++)
        if (!found->entries[i].is_prefix)
            put_entry(call, listing, xml, &found->entries[i]);
    for (size_t i = 0; i < found->count; i++) {
        if (!found->entries[i].is_prefix)
            continue;
        buf_append_str(xml, "<CommonPrefixes>");
        put_text(listing, xml, "Prefix", found->entries[i].key);
        buf_append_str(xml, "</CommonPrefixes>");
    }
    if (more)
        put_next(call, listing, xml);
    buf_append_str(xml, "</ListBucketResult>");
}

static void list_objects(struct s3_call *call, bool v2)
{
    struct store *store = call->server->store;
    struct listing listing = {.v2 = v2};
    struct buf xml = {0};
    struct err err = {0};
    int rc;

    if (read_listing(call, &listing))
        return;
    if (listing.max_keys == 0)
        rc = store->ops->bucket_check(store, call->bucket, &err);
    else
        rc = store->ops->list(store, call->bucket, listing.prefix, listing.delimiter,
                              listing.start_after, (size_t)listing.max_keys, call->arena,
                              &listing.found, &err);
    if (rc) {
        s3_fail(call, rc, &err);
        return;
    }
    put_listing(call, &listing, &xml);
    if (http_is_set(call->reply))
        buf_deinit(&xml);
    else
        s3_reply_xml(call, &xml);
}

static void list_objects_v1(struct s3_call *call)
{
    list_objects(call, false);
}

static void list_objects_v2(struct s3_call *call)
{
    if (strcmp(s3_query(call, "list-type"), "2"))
        s3_error(call, S3_INVALID_ARGUMENT, "list-type must be 2.");
    else
        list_objects(call, true);
}

const struct s3_op s3_bucket_ops[] = {
    {"ListBuckets", "GET", S3_SERVICE, .run = list_buckets, .action = "s3:ListAllMyBuckets"},
    {"GetBucketLocation", "GET", S3_BUCKET, "location", .run = get_location},
    {"ListObjectsV2", "GET", S3_BUCKET, "list-type", .run = list_objects_v2,
     .action = "s3:ListBucket"},
    {"ListObjects", "GET", S3_BUCKET, .run = list_objects_v1, .action = "s3:ListBucket"},
    {"CreateBucket", "PUT", S3_BUCKET, .sink = S3_TO_TEXT, .run = create_bucket},
    {"HeadBucket", "HEAD", S3_BUCKET, .run = head_bucket, .action = "s3:ListBucket"},
    {"DeleteBucket", "DELETE", S3_BUCKET, .run = delete_bucket},
    {0},
};
