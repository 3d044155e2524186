/* s3_delete.c - DeleteObject and DeleteObjects.
 *
 * Without a version, a bucket that keeps versions gets a delete marker; with one, that version
 * goes, for good. */
#include <stdio.h>
#include <strings.h>

#include "s3/s3_int.h"

/* A store without versions knows "null", the one there is. */
static int remove_one(struct s3_call *call, const char *key, const char *version,
                      struct store_removed *out, struct err *err)
{
    struct store *store = call->server->store;
    const struct store_version_ops *ops = store->ops->versions;

    *out = (struct store_removed){.version = ""};
    if (ops)
        return ops->remove(store, call->bucket, key, version, out, err);
    if (version && strcmp(version, "null"))
        return err_set(err, ERR_UNSUPPORTED, "this store keeps no versions");
    return store->ops->remove(store, call->bucket, key, err);
}

void s3_delete_object(struct s3_call *call)
{
    const char *version = s3_query(call, "versionId");
    struct store_removed removed;
    struct err err = {0};
    int rc;

    if (version && !s3_version_plausible(version)) {
        s3_argument(call, "versionId", version,
                    version[0] ? "Invalid version id specified"
                               : "Version id cannot be the empty string");
        return;
    }
    rc = remove_one(call, call->key, version, &removed, &err);
    if (rc) {
        s3_fail(call, rc, &err);
        return;
    }
    http_status(call->reply, 204);
    s3_put_version(call, removed.version);
    if (removed.is_marker)
        http_set_header(call->reply, "x-amz-delete-marker", "true");
}

/* --- many ------------------------------------------------------------------------------------- */

struct wanted {
    const char *key, *version; /* version NULL: the latest */
};

static void put_error(struct buf *xml, const struct wanted *wanted, enum s3_code code,
                      const char *text)
{
    buf_append_str(xml, "<Error>");
    xml_element(xml, "Key", wanted->key);
    if (wanted->version)
        xml_element(xml, "VersionId", wanted->version);
    xml_element(xml, "Code", s3_code_name(code));
    xml_element(xml, "Message", text);
    buf_append_str(xml, "</Error>");
}

static void put_deleted(struct buf *xml, const struct wanted *wanted,
                        const struct store_removed *removed)
{
    buf_append_str(xml, "<Deleted>");
    xml_element(xml, "Key", wanted->key);
    if (wanted->version)
        xml_element(xml, "VersionId", wanted->version);
    if (removed->is_marker) {
        buf_append_str(xml, "<DeleteMarker>true</DeleteMarker>");
        xml_element(xml, "DeleteMarkerVersionId", removed->version);
    }
    buf_append_str(xml, "</Deleted>");
}

static void delete_one(struct s3_call *call, const struct wanted *wanted, bool quiet,
                       struct buf *xml)
{
    struct store_removed removed;
    struct err err = {0};
    int rc;

    if (!s3_may(call, wanted->version ? "s3:DeleteObjectVersion" : "s3:DeleteObject", call->bucket,
                wanted->key)) {
        put_error(xml, wanted, S3_ACCESS_DENIED, "Access Denied.");
        return;
    }
    if (wanted->version && !s3_version_plausible(wanted->version)) {
        put_error(xml, wanted, S3_NO_SUCH_VERSION, "The specified version does not exist.");
        return;
    }
    rc = remove_one(call, wanted->key, wanted->version, &removed, &err);
    if (rc)
        put_error(xml, wanted, s3_code_of(call, rc), err.text);
    else if (!quiet)
        put_deleted(xml, wanted, &removed);
}

/* The keys listed, in the arena. Answers itself. */
static int read_list(struct s3_call *call, struct wanted *list, size_t *count, bool *quiet)
{
    const char *path, *text;
    struct wanted next = {0};
    struct err err = {0};
    struct xml xml;
    int rc;

    xml_init(&xml, call->arena, buf_slice(&call->body.text));
    while (xml_next(&xml, &path, &text, &rc, &err)) {
        if (strcmp(path, "Delete/Quiet") == 0)
            *quiet = strcasecmp(text, "true") == 0;
        else if (strcmp(path, "Delete/Object/Key") == 0)
            next.key = text;
        else if (strcmp(path, "Delete/Object/VersionId") == 0 && text[0])
            next.version = text;
        else if (strcmp(path, "Delete/Object") == 0) {
            if (!next.key || !next.key[0] || *count == S3_KEYS_MAX) {
                rc = ERR_INVALID;
                break;
            }
            list[(*count)++] = next;
            next = (struct wanted){0};
        }
    }
    xml_deinit(&xml);
    if (!rc && *count == 0)
        rc = ERR_INVALID;
    if (rc)
        s3_error(call, S3_MALFORMED_XML, NULL);
    return rc;
}

void s3_delete_objects(struct s3_call *call)
{
    struct wanted *list = ARENA_ARRAY(call->arena, struct wanted, S3_KEYS_MAX);
    struct store *store = call->server->store;
    struct buf xml = {0};
    bool quiet = false;
    size_t count = 0;
    int rc = store->ops->bucket_check(store, call->bucket, NULL);

    if (!list)
        rc = ERR_NOMEM;
    if (rc) {
        s3_fail(call, rc, NULL);
        return;
    }
    if (read_list(call, list, &count, &quiet))
        return;
    buf_append_str(&xml, "<DeleteResult" S3_XMLNS ">");
    for (size_t i = 0; i < count; i++)
        delete_one(call, &list[i], quiet, &xml);
    buf_append_str(&xml, "</DeleteResult>");
    s3_reply_xml(call, &xml);
}
