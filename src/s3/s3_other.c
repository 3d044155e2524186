/* s3_other.c - sub-resources that have no configuration here. Reading one says truthfully that
 * there is none; writing one is refused by name. To build one, give its line an operation of its
 * own. */
#include <strings.h>

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
    s3_error_detail(call, "AdditionalMessage",
                    arena_printf(call->arena, "%s ?%s is not implemented.", http_method(call->req),
                                 call->op->query));
    s3_error(call, S3_NOT_IMPLEMENTED, NULL);
}

/* Headers of a write that ask for what is not done here: to pass over them would be to pretend. A
 * value that asks for nothing is taken. */
static const struct {
    const char *name; /* with '*' at its end: all that begin so */
    const char *fine[2];
    enum s3_code code;
} refused[] = {
    {"x-amz-object-lock-*", {NULL}, S3_NOT_IMPLEMENTED},
    {"x-amz-bucket-object-lock-enabled", {"false"}, S3_NOT_IMPLEMENTED},
    {"x-amz-server-side-encryption*", {NULL}, S3_NOT_IMPLEMENTED},
    {"x-amz-storage-class", {"STANDARD"}, S3_INVALID_STORAGE_CLASS},
    {"x-amz-acl", {"private", "bucket-owner-full-control"}, S3_ACL_NOT_SUPPORTED},
    {"acl", {"private", "bucket-owner-full-control"}, S3_ACL_NOT_SUPPORTED}, /* of a form */
    {"x-amz-grant-*", {NULL}, S3_ACL_NOT_SUPPORTED},
};

static bool is_named(const char *pattern, const char *name)
{
    size_t len = strcspn(pattern, "*");

    return strncasecmp(pattern, name, len) == 0 && (pattern[len] || !name[len]);
}

int s3_check_headers(struct s3_call *call)
{
    const char *name, *value;

    if (s3_is_read(call))
        return 0;
    for (size_t i = 0; s3_header_at(call, i, &name, &value); i++)
        for (size_t r = 0; r < COUNT_OF(refused); r++) {
            if (!is_named(refused[r].name, name))
                continue;
            for (size_t f = 0; f < COUNT_OF(refused[r].fine) && value; f++)
                if (refused[r].fine[f] && strcasecmp(refused[r].fine[f], value) == 0)
                    value = NULL;
            if (!value)
                break;
            s3_error_detail(call, "Header", name);
            s3_error(call, refused[r].code, NULL);
            return ERR_UNSUPPORTED;
        }
    return 0;
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
    ABSENT("GetBucketEncryption", S3_BUCKET, "encryption",
           "ServerSideEncryptionConfigurationNotFoundError"),
    ABSENT("GetBucketWebsite", S3_BUCKET, "website", "NoSuchWebsiteConfiguration"),
    ABSENT("GetBucketReplication", S3_BUCKET, "replication",
           "ReplicationConfigurationNotFoundError"),
    ABSENT("GetObjectLockConfiguration", S3_BUCKET, "object-lock",
           "ObjectLockConfigurationNotFoundError"),
    ABSENT("GetPublicAccessBlock", S3_BUCKET, "publicAccessBlock",
           "NoSuchPublicAccessBlockConfiguration"),
    REFUSED(S3_BUCKET, "encryption"),
    REFUSED(S3_BUCKET, "website"),
    REFUSED(S3_BUCKET, "replication"),
    REFUSED(S3_BUCKET, "object-lock"),
    REFUSED(S3_BUCKET, "publicAccessBlock"),
    REFUSED(S3_BUCKET, "accelerate"),
    REFUSED(S3_BUCKET, "analytics"),
    REFUSED(S3_BUCKET, "intelligent-tiering"),
    REFUSED(S3_BUCKET, "inventory"),
    REFUSED(S3_BUCKET, "logging"),
    REFUSED(S3_BUCKET, "metrics"),
    REFUSED(S3_BUCKET, "notification"),
    REFUSED(S3_BUCKET, "requestPayment"),
    REFUSED(S3_BUCKET, "session"),
    REFUSED(S3_OBJECT, "legal-hold"),
    REFUSED(S3_OBJECT, "restore"),
    REFUSED(S3_OBJECT, "retention"),
    REFUSED(S3_OBJECT, "select"),
    REFUSED(S3_OBJECT, "torrent"),
    {0},
};
