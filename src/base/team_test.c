/* team_test.c - turns are taken once each, all are done on return, the lowest failure is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/base.h"
#include "base/team.h"

#define TURNS 300

struct counted {
    int taken[TURNS]; /* not atomic: the thread sanitizer looks */
    size_t fails_from;
};

static int count_turn(void *arg, size_t i, struct err *err)
{
    struct counted *c = arg;

    c->taken[i]++;
    return i >= c->fails_from && i % 7 == 3 ? err_set(err, ERR_INVALID, "turn %zu", i) : 0;
}

static struct team *team_of(int threads)
{
    struct team *team;

    assert_int_equal(team_new(&team, "test", threads, NULL), 0);
    assert_int_equal(team_threads(team), threads);
    return team;
}

/* Goal: what a caller reads after a run was written in it. Method: plain memory, many short runs.
 */
static void every_turn_is_taken_once_before_the_run_returns(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 4; threads++) {
        struct team *team = team_of(threads);

        for (size_t n = 0; n < 500; n++) {
            struct counted c = {.fails_from = SIZE_MAX};
            size_t count = n % TURNS;

            assert_int_equal(team_run(team, count_turn, &c, count, NULL), 0);
            for (size_t i = 0; i < TURNS; i++)
                assert_int_equal(c.taken[i], i < count);
        }
        team_free(team);
    }
}

static void the_lowest_failure_is_told_and_all_below_it_are_done(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 4; threads++) {
        struct team *team = team_of(threads);

        for (size_t from = 0; from < 200; from++) {
            struct counted c = {.fails_from = from};
            size_t first = from + (7 + 3 - from % 7) % 7;
            struct err err = {0};
            char text[40];

            assert_int_equal(team_run(team, count_turn, &c, TURNS, &err), ERR_INVALID);
            snprintf(text, sizeof(text), "turn %zu", first);
            assert_string_equal(err.text, text);
            for (size_t i = 0; i <= first; i++)
                assert_int_equal(c.taken[i], 1);
        }
        team_free(team);
    }
}

struct meeting {
    atomic_int here;
    int wanted;
};

/* Each turn waits for the others: one thread alone would wait for ever. */
static int meet(void *arg, size_t i, struct err *err)
{
    struct meeting *m = arg;

    (void)i, (void)err;
    atomic_fetch_add(&m->here, 1);
    while (atomic_load(&m->here) < m->wanted)
        ;
    return 0;
}

static void turns_run_at_the_same_time(void **state)
{
    struct team *team = team_of(3);

    (void)state;
    for (int i = 0; i < 20; i++) {
        struct meeting m = {.wanted = 3};

        assert_int_equal(team_run(team, meet, &m, 3, NULL), 0);
    }
    team_free(team);
}

static void no_team_is_the_caller_alone(void **state)
{
    struct counted c = {.fails_from = 10};
    struct err err = {0};

    (void)state;
    assert_int_equal(team_run(NULL, count_turn, &c, TURNS, &err), ERR_INVALID);
    assert_int_equal(c.taken[10], 1);
    assert_int_equal(c.taken[11], 0);
    assert_int_equal(team_threads(NULL), 1);
    assert_int_equal(team_new(&(struct team *){0}, "none", 0, &err), ERR_INVALID);
    team_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_turn_is_taken_once_before_the_run_returns),
        cmocka_unit_test(the_lowest_failure_is_told_and_all_below_it_are_done),
        cmocka_unit_test(turns_run_at_the_same_time),
        cmocka_unit_test(no_team_is_the_caller_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
