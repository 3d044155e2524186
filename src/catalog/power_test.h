/* power_test.h - a script run over a catalog on a simulated disk, again and again, each time with
 * another of its disk calls failing: that one alone, or with it all that come after. Then the power
 * goes, and a check looks at what a new start finds. */
#ifndef CATALOG_POWER_TEST_H
#define CATALOG_POWER_TEST_H

#include "base/disk_sim.h"
#include "catalog/fixture_test.h"

#define DIR "data" /* of the catalog, on the simulated disk */

struct power {
    int64_t at, seen; /* the call that fails, from 1; those that came */
    bool for_good;    /* and all after it */
    void (*script)(void *arg, struct stack *stack); /* opens and closes the stack */
    void (*check)(void *arg, struct stack *stack);  /* likewise; `at` is for its words */
    void *arg;
};

static inline int power_call(void *arg, enum disk_call call, const char *path)
{
    struct power *power = arg;

    (void)call, (void)path;
    power->seen++;
    return power->seen == power->at || (power->for_good && power->seen > power->at) ? ERR_IO : 0;
}

/* False: the script is over before the call. */
static inline bool power_try(struct power *power)
{
    struct disk_sim *sim = NULL;
    struct clock_fake clock;
    struct stack stack = {0};

    clock_fake_init(&clock, 1700000000000000);
    assert_int_equal(disk_sim_new(&sim, (uint64_t)power->at, NULL), 0);
    stack.disk = disk_sim_disk(sim);
    stack.clock = &clock.clock;
    power->seen = 0;
    disk_sim_on_call(sim, power_call, power);
    power->script(power->arg, &stack);
    disk_sim_on_call(sim, NULL, NULL);
    disk_sim_power_loss(sim);
    disk_sim_reboot(sim);
    power->check(power->arg, &stack);
    disk_sim_free(sim);
    return power->seen >= power->at;
}

/* Every `step`th call in turn; the number of calls that the script makes when none fails. */
static inline int64_t power_everywhere(struct power *power, bool for_good, int64_t step)
{
    power->for_good = for_good;
    for (power->at = 1; power_try(power); power->at += step)
        ;
    return power->seen;
}

/* Hundreds of failures on purpose would say so. */
static inline void say_nothing(void *arg, enum diag_level level, const char *part, const char *line)
{
    (void)arg, (void)level, (void)part, (void)line;
}

#endif
