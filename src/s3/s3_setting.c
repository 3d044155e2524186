/* s3_setting.c - settings of a bucket that are kept as they are: its policy, its ownership
 * controls; and access control lists, of which there is one kind: the owner may do everything. */
#include <stdio.h>
#include <strings.h>

#include "s3/s3_int.h"

const char *s3_setting(struct s3_call *call, const char *bucket, const char *name)
{
    struct store *store = call->server->store;
    struct buf text = {0};
    const char *out = NULL;

    if (bucket && store->ops->versions &&
        store->ops->versions->setting_get(store, bucket, name, &text, NULL) == 0)
        out = arena_cstr(call->arena, buf_slice(&text));
    buf_deinit(&text);
    return out;
}

const char *s3_setting_asked(struct s3_call *call, const char *name)
{
    struct store *store = call->server->store;
    struct err err = {0};
    int rc = store->ops->bucket_check(store, call->bucket, &err);
    const char *text = rc ? NULL : s3_setting(call, call->bucket, name);

    if (rc)
        s3_fail(call, rc, &err);
    else if (!text)
        s3_error(call, S3_NO_SUCH_CONFIGURATION, NULL);
    return text;
}

void s3_setting_change(struct s3_call *call, const char *name, const char *text, int status)
{
    const struct store_version_ops *ops = s3_versions(call);
    struct err err = {0};
    int rc;

    if (!ops)
        return;
    rc = ops->setting_put(call->server->store, call->bucket, name, text, &err);
    if (rc)
        s3_fail(call, rc, &err);
    else
        http_status(call->reply, status);
}

/* --- the policy ------------------------------------------------------------------------------- */

static void get_policy(struct s3_call *call)
{
    const char *text = s3_setting_asked(call, S3_SETTING_POLICY);

    if (text)
        http_reply_bytes(call->reply, "application/json", slice_str(text));
}

static void put_policy(struct s3_call *call)
{
    struct store *store = call->server->store;
    struct s3_policy *policy;
    struct err err = {0};
    const char *text = arena_cstr(call->arena, buf_slice(&call->body.text));
    int rc = store->ops->bucket_check(store, call->bucket, &err);

    if (rc) {
        s3_fail(call, rc, &err);
        return;
    }
    rc = text ? s3_policy_parse(call->arena, slice_str(text), call->bucket, &policy, &err)
              : ERR_NOMEM;
    if (rc == ERR_INVALID)
        s3_error(call, S3_MALFORMED_POLICY, "%s", err.text);
    else if (rc)
        s3_fail(call, rc, &err);
    else
        s3_setting_change(call, S3_SETTING_POLICY, text, 204);
}

static void delete_policy(struct s3_call *call)
{
    s3_setting_change(call, S3_SETTING_POLICY, NULL, 204);
}

static void get_policy_status(struct s3_call *call)
{
    const char *text = s3_setting_asked(call, S3_SETTING_POLICY);
    struct s3_policy *policy;
    struct buf xml = {0};

    if (!text)
        return;
    if (s3_policy_parse(call->arena, slice_str(text), call->bucket, &policy, NULL)) {
        s3_error(call, S3_INTERNAL_ERROR, NULL);
        return;
    }
    buf_printf(&xml, "<PolicyStatus" S3_XMLNS "><IsPublic>%s</IsPublic></PolicyStatus>",
               s3_policy_is_public(policy) ? "TRUE" : "FALSE");
    s3_reply_xml(call, &xml);
}

/* --- ownership -------------------------------------------------------------------------------- */

#define NO_OWNERSHIP "none" /* deleted */

static void get_ownership(struct s3_call *call)
{
    struct store *store = call->server->store;
    const char *text = s3_setting(call, call->bucket, S3_SETTING_OWNERSHIP);
    struct buf xml = {0};
    struct err err = {0};
    int rc = store->ops->bucket_check(store, call->bucket, &err);

    if (rc) {
        s3_fail(call, rc, &err);
        return;
    }
    if (text && strcmp(text, NO_OWNERSHIP) == 0) {
        s3_error(call, S3_NO_SUCH_CONFIGURATION, NULL);
        return;
    }
    text = text ? text : "BucketOwnerEnforced"; /* of every bucket until it is said otherwise */
    buf_append_str(&xml, "<OwnershipControls" S3_XMLNS "><Rule>");
    xml_element(&xml, "ObjectOwnership", text);
    buf_append_str(&xml, "</Rule></OwnershipControls>");
    s3_reply_xml(call, &xml);
}

static void put_ownership(struct s3_call *call)
{
    static const char *const known[] = {"BucketOwnerEnforced", "BucketOwnerPreferred",
                                        "ObjectWriter"};
    const char *path, *text, *found = NULL;
    struct err err = {0};
    struct xml xml;
    size_t rules = 0;
    int rc = 0;

    xml_init(&xml, call->arena, buf_slice(&call->body.text));
    while (xml_next(&xml, &path, &text, &rc, &err)) {
        rules += strcmp(path, "OwnershipControls/Rule") == 0;
        if (strcmp(path, "OwnershipControls/Rule/ObjectOwnership") == 0)
            for (size_t i = 0; i < COUNT_OF(known); i++)
                if (strcmp(text, known[i]) == 0)
                    found = known[i];
    }
    xml_deinit(&xml);
    if (rc || rules != 1 || !found)
        s3_error(call, S3_MALFORMED_XML, NULL);
    else
        s3_setting_change(call, S3_SETTING_OWNERSHIP, found, 200);
}

static void delete_ownership(struct s3_call *call)
{
    s3_setting_change(call, S3_SETTING_OWNERSHIP, NO_OWNERSHIP, 204);
}

/* --- access control lists --------------------------------------------------------------------- */

static void get_acl(struct s3_call *call)
{
    struct store *store = call->server->store;
    struct store_info info;
    struct buf xml = {0};
    struct err err = {0};
    int rc;

    if (call->key && s3_find_object(call, &info, NULL))
        return;
    rc = call->key ? 0 : store->ops->bucket_check(store, call->bucket, &err);
    if (rc) {
        s3_fail(call, rc, &err);
        return;
    }
    buf_append_str(&xml, "<AccessControlPolicy" S3_XMLNS ">");
    s3_put_owner(call, &xml);
    buf_append_str(&xml, "<AccessControlList><Grant><Grantee "
                         "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "
                         "xsi:type=\"CanonicalUser\">");
    xml_element(&xml, "ID", s3_owner(call));
    xml_element(&xml, "DisplayName", s3_owner(call));
    buf_append_str(&xml, "</Grantee><Permission>FULL_CONTROL</Permission></Grant>"
                         "</AccessControlList></AccessControlPolicy>");
    s3_reply_xml(call, &xml);
}

/* A list that says what get_acl does: the owner may do everything, and nobody else is named. */
static bool gives_owner_all(struct s3_call *call)
{
    static const char grant[] = "AccessControlPolicy/AccessControlList/Grant";
    const char *path, *text;
    bool fits = true;
    size_t grants = 0;
    struct xml xml;
    int rc = 0;

    xml_init(&xml, call->arena, buf_slice(&call->body.text));
    while (xml_next(&xml, &path, &text, &rc, NULL)) {
        if (strncmp(path, grant, sizeof(grant) - 1))
            continue;
        path += sizeof(grant) - 1;
        grants += !*path;
        if (strcmp(path, "/Permission") == 0)
            fits &= strcmp(text, "FULL_CONTROL") == 0;
        else if (strcmp(path, "/Grantee/ID") == 0)
            fits &= strcmp(text, s3_owner(call)) == 0;
        else if (strcmp(path, "/Grantee/URI") == 0 || strcmp(path, "/Grantee/EmailAddress") == 0)
            fits = false;
    }
    xml_deinit(&xml);
    return !rc && fits && grants;
}

/* As AWS does where lists are switched off, which there is the default: one that says what is so
 * anyway is taken, others are refused. */
static void put_acl(struct s3_call *call)
{
    const char *canned = s3_header(call, "x-amz-acl");
    struct store *store = call->server->store;
    struct store_info info;
    struct err err = {0};
    int rc;

    if (call->key && s3_find_object(call, &info, NULL))
        return;
    rc = call->key ? 0 : store->ops->bucket_check(store, call->bucket, &err);
    if (rc)
        s3_fail(call, rc, &err);
    else if (canned ? strcmp(canned, "private") == 0 ||
                          strcmp(canned, "bucket-owner-full-control") == 0
                    : gives_owner_all(call))
        http_status(call->reply, 200);
    else
        s3_error(call, S3_ACL_NOT_SUPPORTED, NULL);
}

const struct s3_op s3_setting_ops[] = {
    {"GetBucketPolicy", "GET", S3_BUCKET, "policy", .run = get_policy,
     .absent = "NoSuchBucketPolicy"},
    {"PutBucketPolicy", "PUT", S3_BUCKET, "policy", .sink = S3_TO_TEXT, .run = put_policy},
    {"DeleteBucketPolicy", "DELETE", S3_BUCKET, "policy", .run = delete_policy},
    {"GetBucketPolicyStatus", "GET", S3_BUCKET, "policyStatus", .run = get_policy_status,
     .absent = "NoSuchBucketPolicy"},
    {"GetBucketOwnershipControls", "GET", S3_BUCKET, "ownershipControls", .run = get_ownership,
     .absent = "OwnershipControlsNotFoundError"},
    {"PutBucketOwnershipControls", "PUT", S3_BUCKET, "ownershipControls", .sink = S3_TO_TEXT,
     .run = put_ownership},
    {"DeleteBucketOwnershipControls", "DELETE", S3_BUCKET, "ownershipControls",
     .run = delete_ownership, .action = "s3:PutBucketOwnershipControls"},
    {"GetBucketAcl", "GET", S3_BUCKET, "acl", .run = get_acl},
    {"GetObjectAcl", "GET", S3_OBJECT, "acl", .run = get_acl,
     .version_action = "s3:GetObjectVersionAcl"},
    {"PutBucketAcl", "PUT", S3_BUCKET, "acl", .sink = S3_TO_TEXT, .run = put_acl},
    {"PutObjectAcl", "PUT", S3_OBJECT, "acl", .sink = S3_TO_TEXT, .run = put_acl,
     .version_action = "s3:PutObjectVersionAcl"},
    {0},
};
