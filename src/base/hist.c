/* hist.c - the first 32 buckets hold one value each; from there on, the five bits behind the
 * highest one pick the bucket within the power of two. */
#include "base/hist.h"

#include <math.h>

#define STEP_BITS 5

static int bucket_of(int64_t value)
{
    int shift;

    if (value < HIST_STEPS)
        return (int)value;
    shift = 63 - __builtin_clzll((unsigned long long)value) - STEP_BITS;
    shift = shift < 57 ? shift : 57;
    value >>= shift;
    return shift * HIST_STEPS + (int)(value < 2 * HIST_STEPS ? value : 2 * HIST_STEPS - 1);
}

static int64_t bucket_end(int bucket) /* the largest value in it */
{
    int shift = bucket / HIST_STEPS - 1;

    if (shift <= 0)
        return bucket;
    return (int64_t)(((uint64_t)(bucket - shift * HIST_STEPS + 1) << shift) - 1);
}

void hist_record(struct hist *hist, int64_t value)
{
    if (value < 0)
        value = 0;
    if (hist->count == 0 || value < hist->min)
        hist->min = value;
    if (value > hist->max)
        hist->max = value;
    hist->count++;
    hist->sum += (double)value;
    hist->buckets[bucket_of(value)]++;
}

void hist_merge(struct hist *into, const struct hist *from)
{
    if (from->count == 0)
        return;
    if (into->count == 0 || from->min < into->min)
        into->min = from->min;
    if (from->max > into->max)
        into->max = from->max;
    into->count += from->count;
    into->sum += from->sum;
    for (int i = 0; i < HIST_BUCKETS; i++)
        into->buckets[i] += from->buckets[i];
}

int64_t hist_percentile(const struct hist *hist, double percent)
{
    int64_t wanted = (int64_t)ceil((double)hist->count * percent / 100), seen = 0;

    if (hist->count == 0)
        return 0;
    if (wanted < 1)
        return hist->min;
    for (int i = 0; i < HIST_BUCKETS; i++) {
        seen += hist->buckets[i];
        if (seen >= wanted)
            return bucket_end(i) < hist->max ? bucket_end(i) : hist->max;
    }
    return hist->max;
}

double hist_mean(const struct hist *hist)
{
    return hist->count ? hist->sum / (double)hist->count : 0;
}
