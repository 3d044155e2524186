/* s3_delete.c - DeleteObject and DeleteObjects. */
#include <stdio.h>
#include <strings.h>

#include "s3/s3_int.h"

void s3_delete_object(struct s3_call *call)
{
    struct store *store = call->server->store;
    struct err err = {0};
    int rc = store->ops->remove(store, call->bucket, call->key, &err);

    if (rc)
        s3_fail(call, rc, &err);
    else
        http_status(call->reply, 204);
}

static void delete_one(struct s3_call *call, const char *key, bool quiet, struct buf *xml)
{
    struct store *store = call->server->store;
    struct err err = {0};
    int rc = store->ops->remove(store, call->bucket, key, &err);

    if (rc) {
        buf_append_str(xml, "<Error>");
        xml_element(xml, "Key", key);
        xml_element(xml, "Code", s3_code_name(s3_code_of(call, rc)));
        xml_element(xml, "Message", err.text);
        buf_append_str(xml, "</Error>");
    } else if (!quiet) {
        buf_append_str(xml, "<Deleted>");
        xml_element(xml, "Key", key);
        buf_append_str(xml, "</Deleted>");
    }
}

/* The keys listed, in the arena. Answers itself. */
static int read_delete_list(struct s3_call *call, const char **keys, size_t *count, bool *quiet)
{
    const char *path, *text;
    struct err err = {0};
    struct xml xml;
    int rc;

    xml_init(&xml, call->arena, buf_slice(&call->body.text));
    while (xml_next(&xml, &path, &text, &rc, &err)) {
        if (strcmp(path, "Delete/Quiet") == 0)
            *quiet = strcasecmp(text, "true") == 0;
        if (strcmp(path, "Delete/Object/Key"))
            continue;
        if (*count == S3_KEYS_MAX) {
            rc = err_set(&err, ERR_LIMIT, "more than %d keys", S3_KEYS_MAX);
            break;
        }
        keys[(*count)++] = text;
    }
    xml_deinit(&xml);
    if (!rc && *count == 0)
        rc = err_set(&err, ERR_INVALID, "no keys");
    if (rc)
        s3_error(call, S3_MALFORMED_XML, "%s", err.text);
    return rc;
}

void s3_delete_objects(struct s3_call *call)
{
    const char **keys = ARENA_ARRAY(call->arena, const char *, S3_KEYS_MAX);
    struct store *store = call->server->store;
    struct buf xml = {0};
    bool quiet = false;
    size_t count = 0;
    int rc = store->ops->bucket_check(store, call->bucket, NULL);

    if (!keys)
        rc = ERR_NOMEM;
    if (rc) {
        s3_fail(call, rc, NULL);
        return;
    }
    if (read_delete_list(call, keys, &count, &quiet))
        return;
    buf_append_str(&xml, "<DeleteResult" S3_XMLNS ">");
    for (size_t i = 0; i < count; i++)
        delete_one(call, keys[i], quiet, &xml);
    buf_append_str(&xml, "</DeleteResult>");
    s3_reply_xml(call, &xml);
}
