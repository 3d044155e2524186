/* budget.h - how much of the machine maintenance may take: one account for all who rewrite files.
 *
 * Re-encoding a row costs about what writing it did, so at full speed merging would take half of
 * the machine. The account fills with the time that goes by, `cpu_percent` of one processor and
 * `bytes_per_second` of disk, up to an hour's worth; work is paid for when it is done. Large work
 * waits until the account covers it (or is full: nothing may wait for ever); small work, that of a
 * quiet stream, never waits, but is paid for too.
 * Threads: any.
 */
#ifndef LAKE_BUDGET_H
#define LAKE_BUDGET_H

#include "base/base.h"

struct lake_budget;
struct lake_budget_limits {
    int64_t cpu_percent;      /* of one processor; 0: 10 */
    int64_t bytes_per_second; /* read and written; 0: 64 MiB */
};
int lake_budget_new(struct lake_budget **out, struct clock *clock,
                    const struct lake_budget_limits *limits, struct err *err);
void lake_budget_free(struct lake_budget *budget); /* NULL is fine */
void lake_budget_set(struct lake_budget *budget, const struct lake_budget_limits *limits);

/* May work on so many rows and bytes begin now? */
bool lake_budget_may(struct lake_budget *budget, int64_t rows, int64_t bytes);
/* Milliseconds until it may, as the account stands; 0: now. */
int64_t lake_budget_wait_ms(struct lake_budget *budget, int64_t rows, int64_t bytes);
void lake_budget_spend(struct lake_budget *budget, int64_t cpu_ns, int64_t bytes);
/* All that was ever spent. */
void lake_budget_spent(struct lake_budget *budget, int64_t *cpu_ns, int64_t *bytes);

#endif
