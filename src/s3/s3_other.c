/* s3_other.c - sub-resources that have no configuration here. Reading one says truthfully that
 * there is none; writing one is refused by name. To build one, give its line an operation of its
 * own. */
#include "s3/s3_int.h"

static int check_bucket(struct s3_call *call)
{
    struct store *store = call->server->store;
    struct err err = {0};
    int rc = store->ops->bucket_check(store, call->bucket, &err);

    if (rc)
        s3_fail(call, rc, &err);
    return rc;
}

static void absent(struct s3_call *call)
{
    if (check_bucket(call) == 0)
        s3_error(call, S3_NO_SUCH_CONFIGURATION, NULL);
}

static void not_implemented(struct s3_call *call)
{
    s3_error(call, S3_NOT_IMPLEMENTED, "%s ?%s is not implemented.", http_method(call->req),
             call->op->query);
}

/* Buckets are never versioned, which is what an empty answer says. */
static void get_versioning(struct s3_call *call)
{
    struct buf xml = {0};

    if (check_bucket(call))
        return;
    buf_append_str(&xml, "<VersioningConfiguration" S3_XMLNS "/>");
    s3_reply_xml(call, &xml);
}

/* Whoever holds a key of this server may do everything. */
static void get_acl(struct s3_call *call)
{
    struct store *store = call->server->store;
    struct store_info info;
    struct buf xml = {0};
    struct err err = {0};
    int rc = call->key ? store->ops->head(store, call->bucket, call->key, &info, &err)
                       : store->ops->bucket_check(store, call->bucket, &err);

    if (rc) {
        s3_fail(call, rc, &err);
        return;
    }
    buf_append_str(&xml,
                   "<AccessControlPolicy" S3_XMLNS
                   "><Owner><ID>tarn</ID><DisplayName>tarn</DisplayName></Owner><AccessControlList>"
                   "<Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "
                   "xsi:type=\"CanonicalUser\"><ID>tarn</ID><DisplayName>tarn</DisplayName>"
                   "</Grantee><Permission>FULL_CONTROL</Permission></Grant></AccessControlList>"
                   "</AccessControlPolicy>");
    s3_reply_xml(call, &xml);
}

#define ABSENT(name, level, query, code)                                                           \
    {                                                                                              \
        name, "GET", level, query, .run = absent, .absent = code                                   \
    }
#define REFUSED(level, query)                                                                      \
    {                                                                                              \
        "refused", NULL, level, query, .run = not_implemented                                      \
    }

const struct s3_op s3_other_ops[] = {
    {"GetBucketVersioning", "GET", S3_BUCKET, "versioning", .run = get_versioning},
    {"GetBucketAcl", "GET", S3_BUCKET, "acl", .run = get_acl},
    {"GetObjectAcl", "GET", S3_OBJECT, "acl", .run = get_acl},
    ABSENT("GetBucketPolicy", S3_BUCKET, "policy", "NoSuchBucketPolicy"),
    ABSENT("GetBucketTagging", S3_BUCKET, "tagging", "NoSuchTagSet"),
    ABSENT("GetBucketCors", S3_BUCKET, "cors", "NoSuchCORSConfiguration"),
    ABSENT("GetBucketLifecycleConfiguration", S3_BUCKET, "lifecycle",
           "NoSuchLifecycleConfiguration"),
    ABSENT("GetBucketEncryption", S3_BUCKET, "encryption",
           "ServerSideEncryptionConfigurationNotFoundError"),
    ABSENT("GetBucketWebsite", S3_BUCKET, "website", "NoSuchWebsiteConfiguration"),
    ABSENT("GetBucketReplication", S3_BUCKET, "replication",
           "ReplicationConfigurationNotFoundError"),
    ABSENT("GetObjectLockConfiguration", S3_BUCKET, "object-lock",
           "ObjectLockConfigurationNotFoundError"),
    ABSENT("GetPublicAccessBlock", S3_BUCKET, "publicAccessBlock",
           "NoSuchPublicAccessBlockConfiguration"),
    ABSENT("GetBucketOwnershipControls", S3_BUCKET, "ownershipControls",
           "OwnershipControlsNotFoundError"),
    REFUSED(S3_BUCKET, "versioning"),
    REFUSED(S3_BUCKET, "versions"),
    REFUSED(S3_BUCKET, "acl"),
    REFUSED(S3_BUCKET, "policy"),
    REFUSED(S3_BUCKET, "policyStatus"),
    REFUSED(S3_BUCKET, "tagging"),
    REFUSED(S3_BUCKET, "cors"),
    REFUSED(S3_BUCKET, "lifecycle"),
    REFUSED(S3_BUCKET, "encryption"),
    REFUSED(S3_BUCKET, "website"),
    REFUSED(S3_BUCKET, "replication"),
    REFUSED(S3_BUCKET, "object-lock"),
    REFUSED(S3_BUCKET, "publicAccessBlock"),
    REFUSED(S3_BUCKET, "ownershipControls"),
    REFUSED(S3_BUCKET, "accelerate"),
    REFUSED(S3_BUCKET, "analytics"),
    REFUSED(S3_BUCKET, "intelligent-tiering"),
    REFUSED(S3_BUCKET, "inventory"),
    REFUSED(S3_BUCKET, "logging"),
    REFUSED(S3_BUCKET, "metrics"),
    REFUSED(S3_BUCKET, "notification"),
    REFUSED(S3_BUCKET, "requestPayment"),
    REFUSED(S3_BUCKET, "session"),
    REFUSED(S3_OBJECT, "acl"),
    REFUSED(S3_OBJECT, "attributes"),
    REFUSED(S3_OBJECT, "legal-hold"),
    REFUSED(S3_OBJECT, "restore"),
    REFUSED(S3_OBJECT, "retention"),
    REFUSED(S3_OBJECT, "select"),
    REFUSED(S3_OBJECT, "tagging"),
    REFUSED(S3_OBJECT, "torrent"),
    {0},
};
