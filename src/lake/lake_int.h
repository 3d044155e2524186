/* lake_int.h - what the files of this room share. */
#ifndef LAKE_LAKE_INT_H
#define LAKE_LAKE_INT_H

#include "lake/lake.h"

/* Appends formatted text to a buf and remembers the first failure, so that a run of calls is
 * checked once. */
struct out {
    struct buf *buf;
    int rc;
};
void out_str(struct out *out, const char *text);
void out_fmt(struct out *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void out_name(struct out *out, const char *name); /* "quoted" */
void out_text(struct out *out, const char *text); /* 'quoted' */

/* json_object_set_new and friends want checking; this collects the failure. */
bool json_put(json_t *obj, const char *key, json_t *value /* take; NULL fails */);

/* Calendar arithmetic, proleptic Gregorian (Howard Hinnant's day counting, re-derived). */
int64_t days_from_civil(int64_t year, int month, int day);
void civil_from_days(int64_t days, int64_t *year, int *month, int *day);
int64_t floor_div(int64_t a, int64_t b);

#define LAKE_DECIMAL_PRECISION_MAX 38

#endif
