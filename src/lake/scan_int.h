/* scan_int.h - a plan in the making: what scan_plan.c and scan_deletes.c share. */
#ifndef LAKE_SCAN_INT_H
#define LAKE_SCAN_INT_H

#include "lake/lake_int.h"

struct planner {
    struct lake *lake;
    const struct lake_metadata *m;
    const struct lake_predicate *predicates;
    size_t predicate_count;
    struct arena *arena;
    struct lake_plan *plan;
    size_t file_cap, held_cap;
    struct entries deletes;
    bool borrow;
    struct err *err;
};

/* scan_deletes.c: fills plan->deletes and the deletes of each file. */
int plan_deletes(struct planner *p);

#endif
