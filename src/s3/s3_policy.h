/* s3_policy.h - policies in AWS's JSON: of buckets, of users, of sessions.
 *
 * "Policies and permissions in Amazon S3", and IAM's policy grammar. A policy is checked whole when
 * it is stored: what we would not judge as AWS does is refused there, by its place. A policy of a
 * bucket names principals; one of a user or a session must not.
 * Threads: a parsed policy is read-only; it and its texts live in the arena given.
 */
#ifndef S3_S3_POLICY_H
#define S3_S3_POLICY_H

#include "base/base.h"
#include "s3/s3.h"

#define S3_POLICY_MAX ((size_t)20 << 10) /* bytes of text, as AWS */

struct s3_policy;

/* ERR_INVALID with AWS's sentence. `bucket` NULL: of a user or a session. */
int s3_policy_parse(struct arena *arena, struct slice json, const char *bucket,
                    struct s3_policy **out, struct err *err);

/* What is asked of a policy. */
struct s3_ask {
    const char *access_key; /* who; NULL: nobody signed */
    const char *action;     /* "s3:GetObject" */
    const char *resource;   /* "arn:aws:s3:::BUCKET/KEY" */
    /* Value of a condition key ("aws:SourceIp", "s3:prefix"); NULL: the request has none. */
    const char *(*value)(void *arg, const char *key);
    void *arg;
};

enum s3_verdict { S3_SAYS_NOTHING, S3_ALLOWS, S3_DENIES };
enum s3_verdict s3_policy_ask(const struct s3_policy *policy, const struct s3_ask *ask);
/* Does any statement let everybody in, whatever the conditions? (GetBucketPolicyStatus) */
bool s3_policy_is_public(const struct s3_policy *policy);

/* '*' is any run of characters, '?' any one. */
bool s3_glob(const char *pattern, const char *text);

#endif
