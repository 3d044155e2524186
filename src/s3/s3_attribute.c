/* s3_attribute.c - GetObjectAttributes: what HeadObject tells, as XML and by request. */
#include <stdio.h>
#include <strings.h>

#include "base/json.h"
#include "s3/s3_int.h"

enum { WANT_ETAG = 1, WANT_CHECKSUM = 2, WANT_PARTS = 4, WANT_CLASS = 8, WANT_SIZE = 16 };

static const struct {
    const char *name;
    int bit;
} wants[] = {
    {"ETag", WANT_ETAG},          {"Checksum", WANT_CHECKSUM}, {"ObjectParts", WANT_PARTS},
    {"StorageClass", WANT_CLASS}, {"ObjectSize", WANT_SIZE},
};

/* The header may come more than once, each a list by comma. Answers itself. */
static int read_wants(struct s3_call *call, int *out)
{
    const char *name, *value;

    *out = 0;
    for (size_t i = 0; http_header_at(call->req, i, &name, &value); i++) {
        if (strcasecmp(name, "x-amz-object-attributes"))
            continue;
        while (*value) {
            struct slice one;
            int bit = 0;

            value += strspn(value, " ,\t");
            one = slice_of(value, strcspn(value, ", \t"));
            for (size_t w = 0; w < COUNT_OF(wants); w++)
                if (slice_is(one, wants[w].name))
                    bit = wants[w].bit;
            if (one.len && !bit) {
                s3_error(call, S3_INVALID_ARGUMENT, "Invalid attribute name specified.");
                return ERR_INVALID;
            }
            *out |= bit;
            value += one.len;
        }
    }
    if (!*out)
        s3_error(call, S3_INVALID_REQUEST,
                 "The x-amz-object-attributes header specifying the attributes to be retrieved is "
                 "either missing or empty");
    return *out ? 0 : ERR_INVALID;
}

static void put_checksum(struct s3_call *call, struct buf *xml, const json_t *metadata)
{
    for (int i = 0; i < S3_SUM_COUNT; i++) {
        const char *value =
            json_string_value(json_object_get(metadata, s3_sum_header((enum s3_sum)i)));

        if (!value)
            continue;
        buf_append_str(xml, "<Checksum>");
        s3_put_sum(call, xml, s3_sum_name((enum s3_sum)i), value);
        xml_element(xml, "ChecksumType", s3_sum_type(value));
        buf_append_str(xml, "</Checksum>");
    }
}

static void put_parts(struct buf *xml, const json_t *metadata)
{
    const char *sizes = json_string_value(json_object_get(metadata, S3_PART_SIZES));
    int64_t pos, len, count = 0;

    if (sizes && s3_part_find(sizes, 1, &pos, &len, &count) == 0)
        buf_printf(xml, "<ObjectParts><TotalPartsCount>%" PRId64 "</TotalPartsCount></ObjectParts>",
                   count);
}

static void get_attributes(struct s3_call *call)
{
    struct store_info info;
    json_t *metadata = NULL;
    struct buf xml = {0};
    char date[32];
    int asked;
    struct store *store = call->server->store;
    int rc = store->ops->bucket_check(store, call->bucket, NULL);

    if (rc) {
        s3_fail(call, rc, NULL);
        return;
    }
    if (read_wants(call, &asked) || s3_find_object(call, &info, NULL))
        return;
    if (info.metadata[0])
        json_parse(slice_str(info.metadata), &metadata, NULL);
    buf_append_str(&xml, "<GetObjectAttributesResponse" S3_XMLNS ">");
    if (asked & WANT_ETAG)
        xml_element(&xml, "ETag", info.etag);
    if (asked & WANT_CHECKSUM)
        put_checksum(call, &xml, metadata);
    if (asked & WANT_PARTS)
        put_parts(&xml, metadata);
    if (asked & WANT_CLASS)
        xml_element(&xml, "StorageClass", "STANDARD");
    if (asked & WANT_SIZE)
        buf_printf(&xml, "<ObjectSize>%" PRId64 "</ObjectSize>", info.size);
    buf_append_str(&xml, "</GetObjectAttributesResponse>");
    json_decref(metadata);
    s3_reply_xml(call, &xml);
    s3_http_date(info.mtime_us, date);
    http_set_header(call->reply, "Last-Modified", date);
    s3_put_version(call, info.version);
}

const struct s3_op s3_attribute_ops[] = {
    {"GetObjectAttributes", "GET", S3_OBJECT, "attributes", .run = get_attributes,
     .version_action = "s3:GetObjectVersionAttributes"},
    {0},
};
