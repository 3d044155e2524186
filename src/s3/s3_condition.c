/* s3_condition.c - conditions of a policy's statement: one table of operators, one of keys. */
#include "s3/s3_condition.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <strings.h>

struct operator;

struct s3_condition {
    const struct operator* op;
    bool if_exists;
    const char *key;
    const char **values;
    size_t count;
};

/* --- operators -------------------------------------------------------------------------------- */

static bool is_equal(const char *wanted, const char *found)
{
    return strcmp(wanted, found) == 0;
}

static bool is_equal_folded(const char *wanted, const char *found)
{
    return strcasecmp(wanted, found) == 0;
}

static bool parse_number(const char *text, double *out)
{
    char *end;

    *out = strtod(text, &end);
    return end != text && !*end;
}

#define NUMERIC(name, sign)                                                                        \
    static bool name(const char *wanted, const char *found)                                        \
    {                                                                                              \
        double a, b;                                                                               \
                                                                                                   \
        return parse_number(wanted, &a) && parse_number(found, &b) && b sign a;                    \
    }
NUMERIC(number_equals, ==)
NUMERIC(number_less, <)
NUMERIC(number_at_most, <=)
NUMERIC(number_greater, >)
NUMERIC(number_at_least, >=)

/* "2030-01-01T00:00:00Z": the order of such texts is that of the times. */
static bool date_less(const char *wanted, const char *found)
{
    return strcmp(found, wanted) < 0;
}

static bool date_greater(const char *wanted, const char *found)
{
    return strcmp(found, wanted) > 0;
}

/* "10.0.0.0/8", "2001:db8::/32", or one address. */
static bool parse_network(const char *text, uint8_t out[16], int *family, int *bits)
{
    char address[64];
    size_t len = strcspn(text, "/");
    int64_t prefix;

    if (len >= sizeof(address))
        return false;
    snprintf(address, sizeof(address), "%.*s", (int)len, text);
    *family = strchr(address, ':') ? AF_INET6 : AF_INET;
    *bits = *family == AF_INET ? 32 : 128;
    if (inet_pton(*family, address, out) != 1)
        return false;
    if (!text[len])
        return true;
    if (slice_to_i64(slice_str(text + len + 1), &prefix) || prefix < 0 || prefix > *bits)
        return false;
    *bits = (int)prefix;
    return true;
}

static bool is_in_network(const char *wanted, const char *found)
{
    uint8_t network[16] = {0}, address[16] = {0};
    int family, bits, found_family, unused;

    if (!parse_network(wanted, network, &family, &bits) ||
        !parse_network(found, address, &found_family, &unused) || family != found_family)
        return false;
    for (int bit = 0; bit < bits; bit++)
        if ((network[bit / 8] ^ address[bit / 8]) & (0x80 >> bit % 8))
            return false;
    return true;
}

struct operator
{
    const char *name;
    bool (*holds)(const char *wanted, const char *found);
    bool negated;
    bool is_null; /* holds is not asked */
    bool is_address;
};

static const struct operator operators[] = {
    {"StringEquals", is_equal},
    {"StringNotEquals", is_equal, .negated = true},
    {"StringEqualsIgnoreCase", is_equal_folded},
    {"StringNotEqualsIgnoreCase", is_equal_folded, .negated = true},
    {"StringLike", s3_glob},
    {"StringNotLike", s3_glob, .negated = true},
    {"ArnEquals", s3_glob},
    {"ArnLike", s3_glob},
    {"ArnNotEquals", s3_glob, .negated = true},
    {"ArnNotLike", s3_glob, .negated = true},
    {"NumericEquals", number_equals},
    {"NumericNotEquals", number_equals, .negated = true},
    {"NumericLessThan", number_less},
    {"NumericLessThanEquals", number_at_most},
    {"NumericGreaterThan", number_greater},
    {"NumericGreaterThanEquals", number_at_least},
    {"DateEquals", is_equal},
    {"DateNotEquals", is_equal, .negated = true},
    {"DateLessThan", date_less},
    {"DateLessThanEquals", date_greater, .negated = true},
    {"DateGreaterThan", date_greater},
    {"DateGreaterThanEquals", date_less, .negated = true},
    {"Bool", is_equal_folded},
    {"IpAddress", is_in_network, .is_address = true},
    {"NotIpAddress", is_in_network, .negated = true, .is_address = true},
    {"Null", NULL, .is_null = true},
};

/* --- keys ------------------------------------------------------------------------------------- */

/* Those that a request can tell (s3_auth.c); others would never hold, which is no way to refuse. */
static const char *const keys[] = {
    "aws:CurrentTime",
    "aws:EpochTime",
    "aws:Referer",
    "aws:SourceIp",
    "aws:SecureTransport",
    "aws:UserAgent",
    "aws:username",
    "aws:userid",
    "aws:PrincipalType",
    "s3:prefix",
    "s3:delimiter",
    "s3:max-keys",
    "s3:VersionId",
    "s3:x-amz-acl",
    "s3:x-amz-content-sha256",
    "s3:authType",
    "s3:signatureversion",
    "s3:x-amz-copy-source",
    "s3:x-amz-metadata-directive",
    "s3:x-amz-storage-class",
};

static const char *find_key(const char *key)
{
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (strcasecmp(keys[i], key) == 0)
            return keys[i];
    return NULL;
}

/* --- reading and judging ---------------------------------------------------------------------- */

static const struct operator* find_operator(const char *name, bool *if_exists)
{
    static const char tail[] = "IfExists";
    size_t len = strlen(name);

    *if_exists = len > sizeof(tail) - 1 && strcmp(name + len - (sizeof(tail) - 1), tail) == 0;
    len -= *if_exists ? sizeof(tail) - 1 : 0;
    for (size_t i = 0; i < COUNT_OF(operators); i++)
        if (strlen(operators[i].name) == len && strncmp(operators[i].name, name, len) == 0 &&
            !(*if_exists && operators[i].is_null))
            return &operators[i];
    return NULL;
}

/* Strings, numbers and booleans are all compared as text. */
static const char *value_text(struct arena *arena, const json_t *json)
{
    if (json_is_string(json))
        return arena_strdup(arena, json_string_value(json));
    if (json_is_boolean(json))
        return json_is_true(json) ? "true" : "false";
    if (json_is_integer(json))
        return arena_printf(arena, "%" JSON_INTEGER_FORMAT, json_integer_value(json));
    return NULL;
}

static int read_one(struct arena *arena, const char *name, const char *key, const json_t *values,
                    struct s3_condition *out, struct err *err)
{
    uint8_t network[16];
    int family, bits;

    out->op = find_operator(name, &out->if_exists);
    if (!out->op)
        return err_set(err, ERR_INVALID, "Invalid Condition type : %.100s", name);
    out->key = find_key(key);
    if (!out->key)
        return err_set(err, ERR_INVALID, "Policy has an invalid condition key");
    out->count = json_is_array(values) ? json_array_size(values) : 1;
    out->values = ARENA_ARRAY(arena, const char *, out->count + 1);
    if (!out->values)
        return err_set(err, ERR_NOMEM, "policy");
    for (size_t i = 0; i < out->count; i++) {
        out->values[i] =
            value_text(arena, json_is_array(values) ? json_array_get(values, i) : values);
        if (!out->values[i])
            return err_set(err, ERR_INVALID, "This policy contains invalid Json");
        if (out->op->is_address && !parse_network(out->values[i], network, &family, &bits))
            return err_set(err, ERR_INVALID, "Invalid IP address in Conditions");
    }
    return 0;
}

int s3_conditions_read(struct arena *arena, const json_t *json, struct s3_conditions_set *out,
                       struct err *err)
{
    const char *name, *key;
    json_t *members, *values;
    size_t total = 0;
    int rc = 0;

    if (!json)
        return 0;
    if (!json_is_object(json))
        return err_set(err, ERR_INVALID, "This policy contains invalid Json");
    json_object_foreach((json_t *)json, name, members) total += json_object_size(members);
    out->list = ARENA_ARRAY(arena, struct s3_condition, total + 1);
    if (!out->list)
        return err_set(err, ERR_NOMEM, "policy");
    json_object_foreach((json_t *)json, name, members)
    {
        bool unused;

        if (!json_is_object(members))
            return err_set(err, ERR_INVALID, "This policy contains invalid Json");
        if (!find_operator(name, &unused))
            return err_set(err, ERR_INVALID, "Invalid Condition type : %.100s", name);
        json_object_foreach(members, key, values)
        {
            rc = read_one(arena, name, key, values, &out->list[out->count++], err);
            if (rc)
                return rc;
        }
    }
    return 0;
}

static bool holds(const struct s3_condition *condition, const struct s3_ask *ask)
{
    const char *found = ask->value(ask->arg, condition->key);

    if (condition->op->is_null)
        return condition->count && strcmp(condition->values[0], found ? "false" : "true") == 0;
    if (!found)
        return condition->if_exists || condition->op->negated;
    for (size_t i = 0; i < condition->count; i++)
        if (condition->op->holds(condition->values[i], found))
            return !condition->op->negated;
    return condition->op->negated;
}

bool s3_conditions_hold(const struct s3_conditions_set *set, const struct s3_ask *ask)
{
    for (size_t i = 0; i < set->count; i++)
        if (!holds(&set->list[i], ask))
            return false;
    return true;
}

/* --- actions ---------------------------------------------------------------------------------- */

/* "Actions, resources, and condition keys for Amazon S3": those that a server of this API meets. */
static const char *const object_actions[] = {
    "s3:AbortMultipartUpload",
    "s3:BypassGovernanceRetention",
    "s3:DeleteObject",
    "s3:DeleteObjectTagging",
    "s3:DeleteObjectVersion",
    "s3:DeleteObjectVersionTagging",
    "s3:GetObject",
    "s3:GetObjectAcl",
    "s3:GetObjectAttributes",
    "s3:GetObjectLegalHold",
    "s3:GetObjectRetention",
    "s3:GetObjectTagging",
    "s3:GetObjectTorrent",
    "s3:GetObjectVersion",
    "s3:GetObjectVersionAcl",
    "s3:GetObjectVersionAttributes",
    "s3:GetObjectVersionTagging",
    "s3:ListMultipartUploadParts",
    "s3:PutObject",
    "s3:PutObjectAcl",
    "s3:PutObjectLegalHold",
    "s3:PutObjectRetention",
    "s3:PutObjectTagging",
    "s3:PutObjectVersionAcl",
    "s3:PutObjectVersionTagging",
    "s3:RestoreObject",
    "s3:ReplicateDelete",
    "s3:ReplicateObject",
    "s3:ReplicateTags",
};
static const char *const bucket_actions[] = {
    "s3:CreateBucket",
    "s3:DeleteBucket",
    "s3:DeleteBucketPolicy",
    "s3:DeleteBucketWebsite",
    "s3:GetAccelerateConfiguration",
    "s3:GetAnalyticsConfiguration",
    "s3:GetBucketAcl",
    "s3:GetBucketCORS",
    "s3:GetBucketLocation",
    "s3:GetBucketLogging",
    "s3:GetBucketNotification",
    "s3:GetBucketObjectLockConfiguration",
    "s3:GetBucketOwnershipControls",
    "s3:GetBucketPolicy",
    "s3:GetBucketPolicyStatus",
    "s3:GetBucketPublicAccessBlock",
    "s3:GetBucketRequestPayment",
    "s3:GetBucketTagging",
    "s3:GetBucketVersioning",
    "s3:GetBucketWebsite",
    "s3:GetEncryptionConfiguration",
    "s3:GetIntelligentTieringConfiguration",
    "s3:GetInventoryConfiguration",
    "s3:GetLifecycleConfiguration",
    "s3:GetMetricsConfiguration",
    "s3:GetReplicationConfiguration",
    "s3:ListAllMyBuckets",
    "s3:ListBucket",
    "s3:ListBucketMultipartUploads",
    "s3:ListBucketVersions",
    "s3:PutAccelerateConfiguration",
    "s3:PutAnalyticsConfiguration",
    "s3:PutBucketAcl",
    "s3:PutBucketCORS",
    "s3:PutBucketLogging",
    "s3:PutBucketNotification",
    "s3:PutBucketObjectLockConfiguration",
    "s3:PutBucketOwnershipControls",
    "s3:PutBucketPolicy",
    "s3:PutBucketPublicAccessBlock",
    "s3:PutBucketRequestPayment",
    "s3:PutBucketTagging",
    "s3:PutBucketVersioning",
    "s3:PutBucketWebsite",
    "s3:PutEncryptionConfiguration",
    "s3:PutIntelligentTieringConfiguration",
    "s3:PutInventoryConfiguration",
    "s3:PutLifecycleConfiguration",
    "s3:PutMetricsConfiguration",
    "s3:PutReplicationConfiguration",
};

/* Names of actions are the same in either case. */
bool s3_action_fits(const char *pattern, const char *action)
{
    char folded[2][128];
    const char *texts[2] = {pattern, action};

    for (int i = 0; i < 2; i++) {
        size_t len = 0;

        for (; texts[i][len] && len + 1 < sizeof(folded[i]); len++)
            folded[i][len] = (char)tolower((unsigned char)texts[i][len]);
        folded[i][len] = '\0';
    }
    return s3_glob(folded[0], folded[1]);
}

bool s3_action_known(const char *pattern)
{
    for (size_t i = 0; i < COUNT_OF(object_actions); i++)
        if (s3_action_fits(pattern, object_actions[i]))
            return true;
    for (size_t i = 0; i < COUNT_OF(bucket_actions); i++)
        if (s3_action_fits(pattern, bucket_actions[i]))
            return true;
    return false;
}

bool s3_action_on_object(const char *action)
{
    for (size_t i = 0; i < COUNT_OF(object_actions); i++)
        if (strcasecmp(object_actions[i], action) == 0)
            return true;
    return false;
}
