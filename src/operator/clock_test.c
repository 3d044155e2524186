/* clock_test.c - windows of processing time under a clock that jumps by hours, there and back,
 * through deaths. */
#pragma GCC diagnostic ignored "-Wunused-function" /* of what the next has for others */
#include "operator/test_stream.h"

#define ROWS                                                                                       \
    "SELECT CASE WHEN hash(i) % 11 > 0 THEN 'key ' || hash(i) % 17 END AS k, i FROM range(2500) "  \
    "t(i) ORDER BY i"
#define HOUR ((int64_t)3600 * 1000)

static int build(struct op **leaves, struct op **root, void *arg, struct err *err)
{
    return op_aggregate_new(root, leaves[0], arg, err);
}

/* Rows come while the clock goes on, or jumps by hours, there and back; now and then all dies. */
static void live_by_the_clock(const struct test_plan *plan, const struct test_input *input,
                              uint64_t seed, struct vec_columns *columns, struct vec_batch *out)
{
    struct test_saved saved = {.marks = {OP_TIME_MIN, OP_TIME_MIN}};
    struct test_life life = {.marks = {OP_TIME_MIN, OP_TIME_MIN}};
    int64_t now_ms = 1700000000000, epoch = 0;
    struct err err = {0};
    struct rng rng;

    rng_init(&rng, seed);
    OK(disk_sim_new(&life.sim, seed, &err));
    begin(&life, plan, input, NULL);
    while (life.next[0] < input->rows.rows) {
        if (rng_below(&rng, 6))
            now_ms += (int64_t)rng_below(&rng, 4000);
        else
            now_ms += ((int64_t)rng_below(&rng, 11) - 5) * HOUR;
        OK(op_graph_clock(life.graph, now_ms, &err));
        keep(&life, out);
        step(&life, plan, input, 0, 1 + (int64_t)rng_below(&rng, 40), out);
        flush(&life, &saved, rng_below(&rng, 3) == 0 ? INT64_MAX : 1);
        if (!life.sealing && rng_below(&rng, 3) == 0)
            seal(&life, out->count, ++epoch);
        if (rng_below(&rng, 8) == 0)
            die(&life, plan, input, &saved, out);
    }
    OK(op_graph_clock(life.graph, now_ms + 1000 * HOUR, &err));
    keep(&life, out);
    assert_int_equal(vec_columns_copy(columns, op_graph_columns(life.graph)), 0);
    end(&life);
    disk_sim_free(life.sim);
}

/* Goal: by processing time each row is counted in as many windows as it lies in, and each window of
 * a key comes once, whatever the clock does and whenever the process dies. */
static void every_row_is_counted_whatever_the_clock_does(void **state)
{
    static const struct op_call count = {OP_COUNT, -1, -1};
    static const struct {
        struct op_window window;
        const char *times;
    } cases[] = {{{OP_TUMBLE, 15000, 0, 0}, "= 1"},
                 {{OP_HOP, 10000, 5000, 0}, "= 2"},
                 {{OP_CUMULATE, 20000, 5000, 0}, "BETWEEN 1 AND 4"},
                 {{OP_SESSION, 5000, 0, 0}, "= 1"}};

    (void)state;
    for (size_t c = 0; c < COUNT_OF(cases); c++) {
        struct op_window window = cases[c].window;
        struct op_aggregate_spec spec = {(size_t[]){0}, 1, &count, 1, &window, -1};
        struct test_plan plan = {
            .inputs = {ROWS}, .delay_ms = {-1, -1}, .build = build, .arg = &spec};
        struct test_input input = {0};
        struct vec_batch none = {0};
        struct buf got = {0};
        char sql[500];

        run(ROWS, NULL, NULL, &input.columns, &input.rows);
        run("SELECT * EXCLUDE (i) FROM feed WHERE false", &input.columns, &none, &input.seen,
            &none);
        snprintf(sql, sizeof(sql),
                 "SELECT sum(c1) / 2500 %s, count(*) = count(DISTINCT (COALESCE(c0, ''), c0 IS "
                 "NULL, c2, c3)) FROM feed",
                 cases[c].times);
        for (uint64_t seed = 1; seed <= 1 + seed_count(); seed++) {
            struct vec_columns columns = {0};
            struct vec_batch out = {0};

            live_by_the_clock(&plan, &input, seed, &columns, &out);
            text_of(sql, &columns, &out, &got);
            if (strcmp(buf_cstr(&got), "(true, true)\n") != 0)
                fail_msg("case %d, seed %d: %s", (int)c, (int)seed, buf_cstr(&got));
            vec_batch_deinit(&out);
            vec_columns_free(&columns);
        }
        buf_deinit(&got);
        vec_batch_deinit(&none);
        vec_batch_deinit(&input.rows);
        vec_columns_free(&input.columns);
        vec_columns_free(&input.seen);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_counted_whatever_the_clock_does),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
