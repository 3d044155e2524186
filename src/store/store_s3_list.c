/* store_s3_list.c - listings and buckets at an S3 endpoint. */
#include <strings.h>

#include "store/store_s3.h"

#define PAGE_KEYS 1000

/* --- objects ---------------------------------------------------------------------------------- */

struct page {
    struct store_entry *entries; /* in the arena */
    size_t count;
    bool truncated;
    const char *token;
};

static int read_entry(struct page *page, const char *path, const char *text, struct arena *arena)
{
    struct store_entry *entry = &page->entries[page->count];
    char etag[48];

    if (strcmp(path, "ListBucketResult/IsTruncated") == 0)
        page->truncated = strcasecmp(text, "true") == 0;
    else if (strcmp(path, "ListBucketResult/NextContinuationToken") == 0)
        page->token = text;
    else if (page->count == PAGE_KEYS)
        return strncmp(path, "ListBucketResult/Co", 19) == 0 ? ERR_CORRUPT : 0;
    else if (strcmp(path, "ListBucketResult/Contents/Key") == 0)
        entry->key = text;
    else if (strcmp(path, "ListBucketResult/Contents/Size") == 0)
        return slice_to_i64(slice_str(text), &entry->size) ? ERR_CORRUPT : 0;
    else if (strcmp(path, "ListBucketResult/Contents/LastModified") == 0)
        entry->mtime_us = remote_parse_date(text);
    else if (strcmp(path, "ListBucketResult/Contents/ETag") == 0) {
        remote_copy_etag(etag, text);
        entry->etag = arena_strdup(arena, etag);
    } else if (strcmp(path, "ListBucketResult/CommonPrefixes/Prefix") == 0) {
        entry->key = text;
        entry->is_prefix = true;
    } else if (strcmp(path, "ListBucketResult/Contents") == 0 ||
               strcmp(path, "ListBucketResult/CommonPrefixes") == 0) {
        /* Keys are asked for in URL encoding, which alone carries every byte through XML. */
        if (!entry->key || url_decode(arena, slice_str(entry->key), true, &entry->key))
            return ERR_CORRUPT;
        if (!entry->etag)
            entry->etag = "";
        page->count++;
    }
    return 0;
}

static int by_key(const void *left, const void *right)
{
    return strcmp(((const struct store_entry *)left)->key,
                  ((const struct store_entry *)right)->key);
}

static int read_page(struct arena *arena, const struct buf *text, struct page *page,
                     struct err *err)
{
    const char *path, *value;
    struct xml xml;
    int rc;

    *page = (struct page){.entries = ARENA_ARRAY(arena, struct store_entry, PAGE_KEYS + 1)};
    if (!page->entries)
        return err_set(err, ERR_NOMEM, "list");
    xml_init(&xml, arena, buf_slice(text));
    while (xml_next(&xml, &path, &value, &rc, err)) {
        rc = read_entry(page, path, value, arena);
        if (rc) {
            err_set(err, rc, "list: an answer that is not a listing");
            break;
        }
    }
    xml_deinit(&xml);
    if (!rc && page->count)
        qsort(page->entries, page->count, sizeof(*page->entries), by_key);
    return rc;
}

static int add_parameter(struct buf *query, const char *name, const char *value)
{
    int rc = value && value[0] ? buf_printf(query, "&%s=", name) : 0;

    return rc || !value || !value[0] ? rc : url_encode(query, slice_str(value), false);
}

struct listing {
    const char *bucket, *prefix, *delimiter, *start_after, *token;
    size_t want;
};

static int list_page(struct remote *remote, const struct listing *listing, struct arena *arena,
                     struct page *page, struct err *err)
{
    struct buf query = {0}, text = {.max = REMOTE_XML_MAX};
    struct request request = {.method = "GET", .bucket = listing->bucket, .key = "", .into = &text};
    int rc = buf_printf(&query, "list-type=2&encoding-type=url&max-keys=%zu",
                        listing->want < PAGE_KEYS ? listing->want : (size_t)PAGE_KEYS);

    if (!rc)
        rc = add_parameter(&query, "prefix", listing->prefix);
    if (!rc)
        rc = add_parameter(&query, "delimiter", listing->delimiter);
    if (!rc && listing->token)
        rc = add_parameter(&query, "continuation-token", listing->token);
    else if (!rc)
        rc = add_parameter(&query, "start-after", listing->start_after);
    request.query = rc ? NULL : buf_cstr(&query);
    if (!request.query)
        rc = err_set(err, ERR_NOMEM, "list");
    if (!rc)
        rc = remote_run(remote, &request, arena, err);
    if (!rc)
        rc = read_page(arena, &text, page, err);
    buf_deinit(&query);
    buf_deinit(&text);
    return rc;
}

/* AWS gives the common prefix that start-after names once more: it is not after itself. */
static bool is_wanted(const struct store_entry *entry, const char *start_after)
{
    return !start_after || strcmp(entry->key, start_after) > 0;
}

int remote_list(struct store *store, const char *bucket, const char *prefix, const char *delimiter,
                const char *start_after, size_t max_keys, struct arena *arena,
                struct store_list *out, struct err *err)
{
    struct listing listing = {bucket, prefix, delimiter, start_after, NULL, max_keys};
    size_t cap = 0;

    *out = (struct store_list){0};
    do {
        struct page page;
        int rc;

        listing.want = max_keys - out->count + 1; /* the one more tells whether there is more */
        rc = list_page(remote_of(store), &listing, arena, &page, err);
        if (rc)
            return rc;
        for (size_t i = 0; i < page.count; i++) {
            if (!is_wanted(&page.entries[i], start_after))
                continue;
            if (out->count == max_keys) {
                out->truncated = true;
                return 0;
            }
            if (out->count == cap) {
                struct store_entry *list;

                cap = cap ? cap * 2 : 64;
                list = ARENA_ARRAY(arena, struct store_entry, cap);
                if (!list)
                    return err_set(err, ERR_NOMEM, "list");
                if (out->count)
                    memcpy(list, out->entries, out->count * sizeof(*list));
                out->entries = list;
            }
            out->entries[out->count++] = page.entries[i];
        }
        listing.token = page.truncated ? page.token : NULL;
    } while (listing.token);
    return 0;
}

/* --- buckets ---------------------------------------------------------------------------------- */

static int bucket_call(struct store *store, const char *method, const char *bucket,
                       struct slice body, struct err *err)
{
    struct buf text = {.max = REMOTE_XML_MAX};
    struct request request = {
        .method = method, .bucket = bucket, .key = "", .body = body, .into = &text};
    struct arena arena = {0};
    int rc = remote_settle(&request, remote_run(remote_of(store), &request, &arena, err), err);

    buf_deinit(&text);
    arena_deinit(&arena);
    return rc;
}

int remote_bucket_make(struct store *store, const char *bucket, struct err *err)
{
    const char *region = remote_of(store)->keys.region;
    struct buf xml = {0};
    int rc = 0;

    if (strcmp(region, "us-east-1")) /* which must not be named */
        rc = buf_printf(&xml,
                        "<CreateBucketConfiguration><LocationConstraint>%s</LocationConstraint>"
                        "</CreateBucketConfiguration>",
                        region);
    if (!rc)
        rc = bucket_call(store, "PUT", bucket, buf_slice(&xml), err);
    buf_deinit(&xml);
    return rc == ERR_CONFLICT ? err_set(err, ERR_EXISTS, "bucket %s: exists already", bucket) : rc;
}

int remote_bucket_check(struct store *store, const char *bucket, struct err *err)
{
    return bucket_call(store, "HEAD", bucket, slice_of(NULL, 0), err);
}

int remote_bucket_remove(struct store *store, const char *bucket, struct err *err)
{
    return bucket_call(store, "DELETE", bucket, slice_of(NULL, 0), err);
}

static int read_buckets(struct arena *arena, const struct buf *text, struct store_entry **out,
                        size_t *count, struct err *err)
{
    const char *path, *value;
    size_t cap = 0;
    struct xml xml;
    int rc;

    xml_init(&xml, arena, buf_slice(text));
    *out = NULL;
    *count = 0;
    while (xml_next(&xml, &path, &value, &rc, err)) {
        if (strcmp(path, "ListAllMyBucketsResult/Buckets/Bucket/CreationDate") == 0 && *count)
            (*out)[*count - 1].mtime_us = remote_parse_date(value);
        if (strcmp(path, "ListAllMyBucketsResult/Buckets/Bucket/Name"))
            continue;
        if (*count == cap) {
            struct store_entry *list = ARENA_ARRAY(arena, struct store_entry, cap ? cap * 2 : 16);

            if (!list) {
                rc = err_set(err, ERR_NOMEM, "buckets");
                break;
            }
            if (*count)
                memcpy(list, *out, *count * sizeof(*list));
            *out = list;
            cap = cap ? cap * 2 : 16;
        }
        (*out)[(*count)++] = (struct store_entry){.key = value, .etag = "", .is_prefix = true};
    }
    xml_deinit(&xml);
    if (!rc && *count)
        qsort(*out, *count, sizeof(**out), by_key);
    return rc;
}

int remote_bucket_list(struct store *store, struct arena *arena, struct store_entry **out,
                       size_t *count, struct err *err)
{
    struct buf text = {.max = REMOTE_XML_MAX};
    struct request request = {.method = "GET", .bucket = "", .key = "", .into = &text};
    int rc = remote_run(remote_of(store), &request, arena, err);

    if (!rc)
        rc = read_buckets(arena, &text, out, count, err);
    buf_deinit(&text);
    return rc;
}
