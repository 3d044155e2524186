/* s3_lifecycle.h - lifecycle rules: read here, obeyed in s3_expire.c.
 *
 * "Managing the lifecycle of objects". Expiration (days, date, orphaned delete markers), expiration
 * of noncurrent versions, and giving up unfinished uploads; by prefix, tags and size. There is one
 * storage class, so transitions are refused.
 */
#ifndef S3_S3_LIFECYCLE_H
#define S3_S3_LIFECYCLE_H

#include "s3/s3_int.h"

#define S3_RULES_MAX 1000
#define S3_RULE_TAGS 10

struct s3_rule {
    const char *id, *prefix; /* prefix "": every key */
    bool enabled, legacy;    /* legacy: the prefix stands beside, not in a filter */
    struct {
        const char *key, *value;
    } tags[S3_RULE_TAGS];
    size_t tag_count;
    int64_t larger_than, smaller_than; /* -1: any size */
    int64_t days, date_us;             /* -1: not told */
    bool markers;                      /* delete markers with nothing behind them */
    int64_t noncurrent_days;           /* -1: not told */
    int64_t newer_kept;                /* of the noncurrent ones, so many stay; 0: none */
    int64_t abort_days;                /* -1: not told */
};

struct s3_rules {
    struct s3_rule *list; /* in the arena */
    size_t count;
};

/* ERR_CORRUPT: not such XML; ERR_INVALID and ERR_UNSUPPORTED say what of a rule. */
int s3_rules_parse(struct arena *arena, struct slice xml, struct s3_rules *out, struct err *err);

/* When something of `since_us` that expires after `days` does: at the midnight (UTC) after. */
int64_t s3_expires_at(int64_t since_us, int64_t days);

#endif
