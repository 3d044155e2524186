/* fn_pattern.h - Java's patterns for dates: java.time.DateTimeFormatter and
 * java.text.SimpleDateFormat, which differ in letters, in strictness and in what a fraction is.
 * Locale: English, United States.
 */
#ifndef VEC_FN_PATTERN_H
#define VEC_FN_PATTERN_H

#include "base/base.h"

enum pattern_kind {
    PATTERN_JAVA_TIME, /* strict widths; a day past its month's end becomes the last one */
    PATTERN_SIMPLE     /* lenient: the 31st of February is in March; text may go on */
};

struct pattern_time {
    int64_t seconds; /* on the local clock, since the epoch */
    int32_t nanos;
    int32_t offset; /* seconds east of UTC */
    bool has_offset;
};

/* 0 or ERR_INVALID with `why` filled. */
int pattern_check(struct slice pattern, enum pattern_kind kind, char why[120]);
int pattern_write(struct slice pattern, const struct pattern_time *time, enum pattern_kind kind,
                  struct buf *out, char why[120]);
int pattern_read(struct slice pattern, struct slice text, enum pattern_kind kind,
                 struct pattern_time *out, char why[120]);

/* What Flink's casts read: "2024-2-9 10:11:12.123" and "2024", "2024-02", "2024-02-29 ...". */
int pattern_timestamp(struct slice text, struct pattern_time *out);
int pattern_date(struct slice text, int32_t *days);
int pattern_clock(struct slice text, int64_t *micros); /* 10, 10:11, 10:11:12.123 */

/* "2024-02-29 10:11:12.123" with so many digits of the second. Gives the bytes written. */
size_t pattern_timestamp_text(int64_t nanos, int digits, char out[40]);
int64_t pattern_iso_week(int64_t days, int64_t *year);

#endif
