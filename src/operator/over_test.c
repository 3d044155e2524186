/* over_test.c - OVER on streams cut at random is OVER in SQL over all rows at once. */
#include "operator/test_stream.h"

/* Out of order by up to 2 s; some rows have the same time. */
#define EVENTS                                                                                     \
    "SELECT CASE WHEN h % 13 > 0 THEN (h % 9)::INTEGER END AS k, CASE WHEN h % 7 > 0 THEN "        \
    "(h % 50)::BIGINT END AS v, TIMESTAMP '2024-01-01' + INTERVAL 1 MILLISECOND * (i * 100 - h % " \
    "20 * 100)::BIGINT AS ts, h % 3 > 0 AS b, -(h % 5) AS d, 'text ' || h % 6 AS s, i FROM "       \
    "(SELECT i, (hash(i + 9) % 1000003)::BIGINT AS h FROM range(2000) t(i)) ORDER BY i"

static const struct op_call calls[] = {
    {OP_COUNT, -1, -1},
    {OP_SUM, 1, 3},
    {OP_ROW_NUMBER, -1, -1, .arg2 = -1},
    {OP_MIN, 1, -1},
    {OP_MAX, 5, -1},
    {OP_LAG, 1, -1, .arg2 = 4, .number = 2},
    {OP_COUNT, 5, -1, .distinct = true},
    {OP_FIRST_VALUE, 5, -1},
    {OP_LAST_VALUE, 1, -1},
    {OP_RANK, -1, -1, .arg2 = -1},
    {OP_DENSE_RANK, -1, -1, .arg2 = -1},
    {OP_LAG, 5, -1, .arg2 = -1, .number = 1},
};

static int build_over(struct op **leaves, struct op **root, void *arg, struct err *err)
{
    return op_over_new(root, leaves[0], arg, err);
}

/* `frame`: of the aggregates. */
static void over(struct op_over_spec spec, bool special, const char *by, const char *frame)
{
    struct test_plan plan = {.inputs = {EVENTS},
                             .delay_ms = {2000},
                             .build = build_over,
                             .arg = &spec,
                             .keys = {{spec.keys, spec.key_count}}};
    struct op_call some[COUNT_OF(calls)];
    char sql[4000];

    plan.forgets = !special && !spec.rows;
    spec.calls = some;
    for (size_t i = 0; i < COUNT_OF(calls); i++)
        if (special || calls[i].what < OP_ROW_NUMBER)
            some[spec.call_count++] = calls[i];
    snprintf(sql, sizeof(sql),
             "SELECT * EXCLUDE (i), count(*) OVER f, (sum(v) FILTER (WHERE b) OVER f)::BIGINT, %s "
             "min(v) OVER f, max(s) OVER f, %s count(DISTINCT s) OVER f, first_value(s ORDER BY "
             "ts, i) OVER f, "
             "last_value(v ORDER BY ts, i IGNORE NULLS) OVER f %s FROM l WINDOW f AS (PARTITION BY "
             "%s %s), w AS "
             "(PARTITION BY %s ORDER BY ts, i), t AS (PARTITION BY %s ORDER BY ts)",
             special ? "row_number() OVER w," : "", special ? "lag(v, 2, d) OVER w," : "",
             special ? ", rank() OVER t, dense_rank() OVER t, lag(s) OVER w" : "", by, frame, by,
             by);
    compare(&plan, "SELECT * FROM feed", sql);
}

#define BY_KEY .keys = (size_t[]){0}, .key_count = 1, .rowtime = 2

static void frames_of_rows(void **state)
{
    (void)state;
    over((struct op_over_spec){BY_KEY, .rows = true, .before = 5}, true, "k",
         "ORDER BY ts, i ROWS BETWEEN 5 PRECEDING AND CURRENT ROW");
    over((struct op_over_spec){BY_KEY, .rows = true, .before = INT64_MAX}, true, "k",
         "ORDER BY ts, i ROWS UNBOUNDED PRECEDING");
    over((struct op_over_spec){BY_KEY, .rows = true, .before = 0}, false, "k",
         "ORDER BY ts, i ROWS BETWEEN 0 PRECEDING AND CURRENT ROW");
    over((struct op_over_spec){.rowtime = 2, .rows = true, .before = 30}, true, "1",
         "ORDER BY ts, i ROWS BETWEEN 30 PRECEDING AND CURRENT ROW");
}

/* LAST_VALUE among rows of one time is the one that came last. */
static void frames_of_time(void **state)
{
    (void)state;
    over((struct op_over_spec){BY_KEY, .before = 4000}, false, "k",
         "ORDER BY epoch_ms(ts) RANGE BETWEEN 4000 PRECEDING AND CURRENT ROW");
    over((struct op_over_spec){BY_KEY, .before = 300}, true, "k",
         "ORDER BY epoch_ms(ts) RANGE BETWEEN 300 PRECEDING AND CURRENT ROW");
    over((struct op_over_spec){BY_KEY, .before = INT64_MAX}, true, "k",
         "ORDER BY ts RANGE UNBOUNDED PRECEDING");
}

static void what_looks_ahead_is_refused(void **state)
{
    struct op_call lead = {OP_LEAD, 1, -1, .arg2 = -1, .number = 1};
    struct op_over_spec spec = {BY_KEY, .rows = true, .before = 1, .calls = &lead, .call_count = 1};
    struct vec_columns columns = {0};
    struct vec_batch in = {0};
    struct state *memory;
    struct op_graph *graph;
    struct op *leaf, *root;
    struct err err = {0};

    (void)state;
    run("SELECT * EXCLUDE (i) FROM (" EVENTS ")", NULL, NULL, &columns, &in);
    OK(state_new(&memory, &(struct state_options){0}, &err));
    OK(op_graph_new(&graph, &(struct op_graph_options){conn, memory}, &err));
    OK(op_leaf_new(&leaf, graph, &columns, &err));
    assert_int_equal(op_over_new(&root, leaf, &spec, &err), ERR_UNSUPPORTED);
    /* By processing time rows come at once, in the order they have. */
    spec.rowtime = -1;
    lead.what = OP_SUM;
    OK(op_over_new(&root, leaf, &spec, &err));
    OK(op_graph_clock(graph, 1000, &err));
    OK(op_graph_rows(leaf, &in, &err));
    assert_int_equal(op_graph_out(graph)->rows, 2000);
    op_graph_free(graph);
    state_free(memory);
    vec_batch_deinit(&in);
    vec_columns_free(&columns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_of_rows),
        cmocka_unit_test(frames_of_time),
        cmocka_unit_test(what_looks_ahead_is_refused),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
