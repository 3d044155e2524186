/* hist.h - how long things took: a histogram of fixed size with buckets that widen with the value.
 *
 * Values from 0 to 2^62; each power of two is cut into 32 buckets, so a percentile is at most 3.2%
 * above the value that it stands for. A zeroed struct hist is ready for use.
 * Threads: a histogram belongs to one thread; merge those of several.
 */
#ifndef BASE_HIST_H
#define BASE_HIST_H

#include <stdint.h>

#define HIST_STEPS   32 /* buckets per power of two */
#define HIST_BUCKETS (59 * HIST_STEPS)

struct hist {
    int64_t count, min, max;
    double sum; /* of nanoseconds over days: more than 64 bits may hold */
    int64_t buckets[HIST_BUCKETS];
};

void hist_record(struct hist *hist, int64_t value); /* below 0 counts as 0 */
void hist_merge(struct hist *into, const struct hist *from);
/* The value that `percent` of all are at or below: the upper end of its bucket, never more than the
 * largest recorded. 0 when nothing was. */
int64_t hist_percentile(const struct hist *hist, double percent);
double hist_mean(const struct hist *hist);

#endif
