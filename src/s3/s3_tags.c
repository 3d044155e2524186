/* s3_tags.c - tags of objects and of buckets.
 *
 * "Categorizing your storage using tags": ten of an object, fifty of a bucket, each a key of 1 to
 * 128 characters and a value of up to 256. Kept as a JSON object of strings.
 */
#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "base/json.h"
#include "net/url.h"
#include "s3/s3_form.h"

#define OBJECT_TAGS_MAX 10
#define BUCKET_TAGS_MAX 50
#define KEY_CHARS       128
#define VALUE_CHARS     256

/* Characters of UTF-8, not bytes. */
static size_t char_count(const char *text)
{
    size_t count = 0;

    for (; *text; text++)
        count += ((uint8_t)*text & 0xc0) != 0x80;
    return count;
}

/* Letters, digits, spaces and + - = . _ : / @, in any script. */
static bool is_tag_text(const char *text)
{
    for (; *text; text++)
        if ((uint8_t)*text < 0x80 && !isalnum((unsigned char)*text) && !strchr(" +-=._:/@", *text))
            return false;
    return true;
}

/* One more tag. Answers itself. */
static int add(struct s3_call *call, json_t *tags, const char *key, const char *value, size_t max)
{
    enum s3_code code = S3_INVALID_TAG;
    const char *text = NULL;

    if (!key[0] || char_count(key) > KEY_CHARS || !is_tag_text(key) ||
        strncasecmp(key, "aws:", 4) == 0)
        text = "The TagKey you have provided is invalid";
    else if (char_count(value) > VALUE_CHARS || !is_tag_text(value))
        text = "The TagValue you have provided is invalid";
    else if (json_object_get(tags, key))
        text = "Cannot provide multiple Tags with the same key";
    else if (json_object_size(tags) == max) {
        code = S3_BAD_REQUEST;
        text = max == OBJECT_TAGS_MAX ? "Object tags cannot be greater than 10"
                                      : "Bucket tag count cannot be greater than 50";
    } else if (json_object_set_new(tags, key, json_string(value))) {
        text = "The TagKey you have provided is invalid"; /* not UTF-8 */
    }
    if (text)
        s3_error(call, code, "%s", text);
    return text ? ERR_INVALID : 0;
}

/* The text in the arena; "" stays NULL. */
static int print(struct s3_call *call, json_t *tags, const char **out)
{
    struct buf text = {0};
    int rc = json_print(tags, 0, &text, NULL);

    *out = rc || !json_object_size(tags) ? NULL : arena_cstr(call->arena, buf_slice(&text));
    if (rc || (json_object_size(tags) && !*out)) {
        s3_error(call, S3_INTERNAL_ERROR, NULL);
        rc = ERR_NOMEM;
    }
    buf_deinit(&text);
    return rc;
}

static int read_xml(struct s3_call *call, struct slice document, size_t max, const char **out);

int s3_tags_of_header(struct s3_call *call, const char **out)
{
    const char *field = call->form ? s3_form_field(call->form, "tagging") : NULL;
    const char *header = s3_header(call, "x-amz-tagging");
    struct slice rest = slice_str(header), name, value;
    json_t *tags;
    int rc = 0;

    *out = NULL;
    if (field)
        return read_xml(call, slice_str(field), OBJECT_TAGS_MAX, out);
    if (!header || !header[0])
        return 0;
    tags = json_object();
    while (!rc && tags && url_query_next(&rest, &name, &value)) {
        const char *key, *text;

        if (url_decode(call->arena, name, true, &key) ||
            url_decode(call->arena, value, true, &text)) {
            s3_error(call, S3_INVALID_ARGUMENT,
                     "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL "
                     "query parameters without tag name duplicates.");
            rc = ERR_INVALID;
        } else {
            rc = add(call, tags, key, text, OBJECT_TAGS_MAX);
        }
    }
    if (!rc)
        rc = print(call, tags, out);
    json_decref(tags);
    return rc;
}

/* A <Tagging>. Answers itself. */
static int read_xml(struct s3_call *call, struct slice document, size_t max, const char **out)
{
    const char *path, *text, *key = NULL, *value = NULL;
    json_t *tags = json_object();
    struct err err = {0};
    bool is_tagging = false, has_set = false;
    struct xml xml;
    int rc = tags ? 0 : ERR_NOMEM;

    xml_init(&xml, call->arena, document);
    while (!rc && xml_next(&xml, &path, &text, &rc, &err)) {
        if (strcmp(path, "Tagging/TagSet/Tag/Key") == 0) {
            key = text;
        } else if (strcmp(path, "Tagging/TagSet/Tag/Value") == 0) {
            value = text;
        } else if (strcmp(path, "Tagging/TagSet/Tag") == 0) {
            rc = add(call, tags, key ? key : "", value ? value : "", max);
            key = value = NULL;
            if (rc) { /* answered */
                xml_deinit(&xml);
                json_decref(tags);
                return rc;
            }
        }
        has_set |= strcmp(path, "Tagging/TagSet") == 0;
        is_tagging |= strcmp(path, "Tagging") == 0;
    }
    xml_deinit(&xml);
    if (rc || !is_tagging || !has_set) {
        rc = ERR_INVALID;
        s3_error(call, S3_MALFORMED_XML, NULL);
    } else {
        rc = print(call, tags, out);
    }
    json_decref(tags);
    return rc;
}

static void reply_tags(struct s3_call *call, const char *text)
{
    json_t *tags = NULL, *value;
    struct buf xml = {0};
    const char *key;

    if (text && text[0])
        json_parse(slice_str(text), &tags, NULL);
    buf_append_str(&xml, "<Tagging" S3_XMLNS "><TagSet>");
    json_object_foreach(tags, key, value)
    {
        buf_append_str(&xml, "<Tag>");
        xml_element(&xml, "Key", key);
        xml_element(&xml, "Value", json_string_value(value) ? json_string_value(value) : "");
        buf_append_str(&xml, "</Tag>");
    }
    buf_append_str(&xml, "</TagSet></Tagging>");
    json_decref(tags);
    s3_reply_xml(call, &xml);
}

/* --- of objects ------------------------------------------------------------------------------- */

/* What went wrong with the tags of an object or one of its versions. */
static void fail_object(struct s3_call *call, int rc, const struct err *err)
{
    if (rc == ERR_UNSUPPORTED) /* a delete marker */
        s3_error(call, S3_METHOD_NOT_ALLOWED, NULL);
    else if (rc == ERR_NOENT && s3_query(call, "versionId") &&
             s3_code_of(call, rc) == S3_NO_SUCH_KEY)
        s3_error(call, S3_NO_SUCH_VERSION, NULL);
    else
        s3_fail(call, rc, err);
}

static bool version_asked(struct s3_call *call, const char **out)
{
    *out = s3_query(call, "versionId");
    if (!*out || s3_version_plausible(*out))
        return true;
    s3_argument(call, "versionId", *out, "Invalid version id specified");
    return false;
}

static void get_object_tags(struct s3_call *call)
{
    const struct store_version_ops *ops = s3_versions(call);
    struct store *store = call->server->store;
    struct store_info info = {0};
    struct buf text = {0};
    struct err err = {0};
    const char *version;
    int rc;

    if (!ops || !version_asked(call, &version))
        return;
    rc = ops->tags_get(store, call->bucket, call->key, version, &info, &text, &err);
    if (rc) {
        fail_object(call, rc, &err);
    } else {
        reply_tags(call, buf_cstr(&text));
        s3_put_version(call, info.version);
    }
    buf_deinit(&text);
}

static void change_object_tags(struct s3_call *call, const char *tags, int status)
{
    const struct store_version_ops *ops = s3_versions(call);
    struct store *store = call->server->store;
    struct store_info info = {0};
    struct err err = {0};
    const char *version;
    int rc;

    if (!ops || !version_asked(call, &version))
        return;
    rc = ops->tags_put(store, call->bucket, call->key, version, tags, &info, &err);
    if (rc) {
        fail_object(call, rc, &err);
        return;
    }
    http_status(call->reply, status);
    s3_put_version(call, info.version);
}

static void put_object_tags(struct s3_call *call)
{
    const char *tags;

    if (read_xml(call, buf_slice(&call->body.text), OBJECT_TAGS_MAX, &tags) == 0)
        change_object_tags(call, tags, 200);
}

static void delete_object_tags(struct s3_call *call)
{
    change_object_tags(call, NULL, 204);
}

/* --- of buckets ------------------------------------------------------------------------------- */

static void get_bucket_tags(struct s3_call *call)
{
    const char *text = s3_setting_asked(call, S3_SETTING_TAGS);

    if (text)
        reply_tags(call, text);
}

static void put_bucket_tags(struct s3_call *call)
{
    const char *tags;

    if (s3_versions(call) &&
        read_xml(call, buf_slice(&call->body.text), BUCKET_TAGS_MAX, &tags) == 0)
        s3_setting_change(call, S3_SETTING_TAGS, tags, 204);
}

static void delete_bucket_tags(struct s3_call *call)
{
    s3_setting_change(call, S3_SETTING_TAGS, NULL, 204);
}

const struct s3_op s3_tag_ops[] = {
    {"GetObjectTagging", "GET", S3_OBJECT, "tagging", .run = get_object_tags,
     .version_action = "s3:GetObjectVersionTagging"},
    {"PutObjectTagging", "PUT", S3_OBJECT, "tagging", .sink = S3_TO_TEXT, .run = put_object_tags,
     .version_action = "s3:PutObjectVersionTagging"},
    {"DeleteObjectTagging", "DELETE", S3_OBJECT, "tagging", .run = delete_object_tags,
     .version_action = "s3:DeleteObjectVersionTagging"},
    {"GetBucketTagging", "GET", S3_BUCKET, "tagging", .run = get_bucket_tags,
     .absent = "NoSuchTagSet"},
    {"PutBucketTagging", "PUT", S3_BUCKET, "tagging", .sink = S3_TO_TEXT, .run = put_bucket_tags},
    {"DeleteBucketTagging", "DELETE", S3_BUCKET, "tagging", .run = delete_bucket_tags,
     .action = "s3:PutBucketTagging"},
    {0},
};
