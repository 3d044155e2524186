/* window_test.c - windows over rows and over changes, sessions, windows of windows, processing
 * time, results before and after the end. */
#include "operator/test_stream.h"

/* Times are out of order by up to 20 s around a clock of 10 rows a second. */
#define BASE(rows)                                                                                 \
    "SELECT CASE WHEN h % 11 > 0 THEN 'key ' || h % 17 END AS k, CASE WHEN h % 5 > 0 THEN "        \
    "(h % 100)::INTEGER END AS v, CASE WHEN h % 6 > 0 THEN 'text ' || h % 30 END AS s, i AS u, "   \
    "TIMESTAMP '2024-01-01' + INTERVAL 1 MILLISECOND * (i * 100 - h % 20000)::BIGINT AS ts, h, i " \
    "FROM (SELECT i, hash(i) % 1000003 AS h FROM range(" rows ") t(i))"
#define ROWS "SELECT * EXCLUDE (h) FROM (" BASE("2500") ") ORDER BY i"
/* A change comes at most 90 rows, 9 s, behind the row it takes back. */
#define CHANGES                                                                                    \
    "SELECT * EXCLUDE (i, n, h, \"$row_kind\"), \"$row_kind\", row_number() OVER (ORDER BY n, "    \
    "\"$row_kind\" DESC, u) - 1 AS i FROM (SELECT *, i * 3 AS n, 0::UTINYINT AS \"$row_kind\" "    \
    "FROM (" BASE("1500") ") UNION ALL SELECT *, i * 3 + 270, (1 + i % 2 * 2)::UTINYINT FROM "     \
                          "(" BASE("1500") ") WHERE h % 2 > 0 OR k = 'key 3') ORDER BY i"
enum { K, V, S, U, TS };

static const struct op_call calls[] = {
    {OP_COUNT, -1, -1},      {OP_SUM, V, -1},       {OP_MIN, V, -1},     {OP_MAX, S, -1},
    {OP_COUNT, S, -1, true}, {OP_SUM, V, -1, true}, {OP_COLLECT, S, -1},
};
#define SQL_CALLS                                                                                  \
    "count(*), sum(v)::BIGINT, min(v), max(s), count(DISTINCT s), sum(DISTINCT v)::BIGINT, "       \
    "COALESCE(map_from_entries(list_sort(list_transform(map_entries(histogram(s)), lambda e: "     \
    "{key: e.key, value: e.value::INTEGER}))), MAP {})"
/* A multiset has no order. */
#define SORTED "* REPLACE (map_from_entries(list_sort(map_entries(c7))) AS c7)"

static int build(struct op **leaves, struct op **root, void *arg, struct err *err)
{
    return op_aggregate_new(root, leaves[0], arg, err);
}

static void windows(const char *input, const char *live, struct op_window window,
                    const char *assign)
{
    struct op_aggregate_spec spec = {(size_t[]){K}, 1, calls, COUNT_OF(calls), &window, TS};
    struct test_plan plan = {.inputs = {input},
                             .delay_ms = {30000, -1},
                             .build = build,
                             .arg = &spec,
                             .keys = {{spec.keys, 1}}};
    char sql[4000];

    snprintf(sql, sizeof(sql),
             "SELECT k, " SQL_CALLS ", ws, we FROM (SELECT *, UNNEST(%s, recursive := true) FROM "
             "(SELECT *, epoch_ms(ts) AS ms FROM %s)) GROUP BY k, ws, we",
             assign, live);
    compare(&plan, "SELECT " SORTED " FROM feed", sql);
}

#define WINDOW_AT(start, end)                                                                      \
    "{ws: make_timestamp((" start ") * 1000), we: make_timestamp((" end ") * 1000)}"
#define TUMBLES "[" WINDOW_AT("ms // 15000 * 15000", "ms // 15000 * 15000 + 15000") "]"
#define HOPS                                                                                       \
    "list_filter(list_transform(range(ms // 4000 * 4000 - 8000, ms // 4000 * 4000 + 1, "           \
    "4000)::BIGINT[], lambda s: " WINDOW_AT("s", "s + 10000") "), lambda w: epoch_ms(w.we) > ms)"
#define STEPS                                                                                      \
    "list_transform(range((ms // 5000 + 1) * 5000, ms // 20000 * 20000 + 20001, 5000)::BIGINT[], " \
    "lambda e: " WINDOW_AT("ms // 20000 * 20000", "e") ")"

static void windows_of_rows(void **state)
{
    (void)state;
    windows(ROWS, "l", (struct op_window){OP_TUMBLE, 15000, 0, 0}, TUMBLES);
    windows(ROWS, "l", (struct op_window){OP_HOP, 10000, 4000, 0}, HOPS);
    windows(ROWS, "l", (struct op_window){OP_CUMULATE, 20000, 5000, 0}, STEPS);
}

static void windows_of_what_is_left(void **state)
{
    (void)state;
    windows(CHANGES, LIVE("l"), (struct op_window){OP_TUMBLE, 15000, 0, 0}, TUMBLES);
    windows(CHANGES, LIVE("l"), (struct op_window){OP_HOP, 10000, 4000, 0}, HOPS);
    windows(CHANGES, LIVE("l"), (struct op_window){OP_CUMULATE, 20000, 5000, 0}, STEPS);
}

/* Goal: rows that come behind the watermark within the lateness are in the last result of their
 * window, through deaths too. Method: a watermark that leaves most rows late. */
static void late_rows_end_in_their_windows(void **state)
{
    struct op_window window = {OP_HOP, 10000, 4000, 0, .lateness = 40000};
    struct op_aggregate_spec spec = {(size_t[]){K}, 1, calls, COUNT_OF(calls), &window, TS};
    struct test_plan plan = {.inputs = {CHANGES},
                             .delay_ms = {500, -1},
                             .build = build,
                             .arg = &spec,
                             .keys = {{spec.keys, 1}}};

    (void)state;
    compare(&plan, "SELECT " SORTED " FROM (" NET ")",
            "SELECT k, " SQL_CALLS ", ws, we, 1 AS n FROM (SELECT *, UNNEST(" HOPS
            ", recursive := true) FROM (SELECT *, epoch_ms(ts) AS ms FROM " LIVE(
                "l") ")) GROUP BY k, ws, we");
}

/* ---- sessions ---- */

#define SESSIONS(keys, gap, calls)                                                                 \
    "SELECT " keys "," calls ", min(ts), max(ts) + INTERVAL 1 MILLISECOND * " gap " FROM (SELECT " \
    "*, sum(fresh) OVER (PARTITION BY " keys " ORDER BY ts, u) AS session FROM (SELECT *, CASE "   \
    "WHEN ts - lag(ts) OVER (PARTITION BY " keys                                                   \
    " ORDER BY ts, u) <= INTERVAL 1 MILLISECOND * " gap                                            \
    " THEN 0 ELSE 1 END AS fresh FROM l)) GROUP BY " keys ", session"

static void sessions(const char *gap, const char *sql)
{
    struct op_window window = {OP_SESSION, atoi(gap), 0, 0};
    struct op_aggregate_spec spec = {(size_t[]){K}, 1, calls, COUNT_OF(calls), &window, TS};
    struct test_plan plan = {.inputs = {ROWS},
                             .delay_ms = {30000, -1},
                             .build = build,
                             .arg = &spec,
                             .keys = {{spec.keys, 1}}};

    compare(&plan, "SELECT " SORTED " FROM feed", sql);
}

/* Out of order: sessions grow at both ends and become one. */
static void sessions_are_cut_by_gaps(void **state)
{
    (void)state;
    sessions("300", SESSIONS("k", "300", SQL_CALLS));
    sessions("2000", SESSIONS("k", "2000", SQL_CALLS));
    sessions("6000", SESSIONS("k", "6000", SQL_CALLS));
}

/* ---- windows of windows ---- */

static int build_cascade(struct op **leaves, struct op **root, void *arg, struct err *err)
{
    /* Per key and window, then per window alone. */
    static const struct op_call first[] = {{OP_COUNT, -1, -1}, {OP_SUM, V, -1}};
    static const struct op_call second[] = {{OP_COUNT, -1, -1}, {OP_SUM, 2, -1}, {OP_MAX, 1, -1}};
    struct op_window attached = {.kind = OP_ATTACHED, .start = 3, .end = 4};
    struct op_aggregate_spec below = {(size_t[]){K}, 1, first, 2, arg, TS};
    struct op_aggregate_spec above = {NULL, 0, second, 3, &attached, 4};
    struct op *lower;
    int rc = op_aggregate_new(&lower, leaves[0], &below, err);

    return rc ? rc : op_aggregate_new(root, lower, &above, err);
}

static void windows_of_windows_fire_with_them(void **state)
{
    struct op_window hop = {OP_HOP, 10000, 4000, 0}, session = {OP_SESSION, 2000, 0, 0};
    struct test_plan plan = {.inputs = {ROWS}, .delay_ms = {30000, -1}, .build = build_cascade};

    (void)state;
    plan.arg = &hop;
    compare(&plan, "SELECT * FROM feed",
            "SELECT count(*), sum(v)::BIGINT, max(c), ws, we FROM (SELECT k, count(*) AS c, "
            "sum(v)::BIGINT AS v, ws, we FROM (SELECT *, UNNEST(" HOPS ", recursive := true) FROM "
            "(SELECT *, epoch_ms(ts) AS ms FROM l)) GROUP BY k, ws, we) GROUP BY ws, we");
    plan.arg = &session;
    compare(&plan, "SELECT * FROM feed",
            "SELECT count(*), sum(v)::BIGINT, max(c), ws, we FROM (" SESSIONS(
                "k", "2000", "count(*), sum(v)::BIGINT") ") t(k, c, v, ws, we) GROUP BY ws, we");
}

/* The counts of a window go two ways: into their maximum, and to where they meet it. */
static int build_two_ways(struct op **leaves, struct op **root, void *arg, struct err *err)
{
    static const struct op_call first = {OP_COUNT, -1, -1}, second = {OP_MAX, 1, -1};
    struct op_window attached = {.kind = OP_ATTACHED, .start = 2, .end = 3};
    struct op_aggregate_spec below = {(size_t[]){K}, 1, &first, 1, arg, TS};
    struct op_aggregate_spec above = {NULL, 0, &second, 1, &attached, 3};
    struct op_join_spec meet = {.time = OP_WINDOWED,
                                .left_keys = (size_t[]){2, 3},
                                .right_keys = (size_t[]){1, 2},
                                .key_count = 2,
                                .left_end = 3,
                                .right_end = 2,
                                .condition = "SELECT l1 >= r0 FROM feed"};
    struct op *counts, *most;
    int rc = op_aggregate_new(&counts, leaves[0], &below, err);

    if (!rc)
        rc = op_aggregate_new(&most, counts, &above, err);
    return rc ? rc : op_join_new(root, counts, most, &meet, err);
}

static void rows_of_one_operator_go_to_several(void **state)
{
    struct op_window hop = {OP_HOP, 10000, 4000, 0};
    struct test_plan plan = {
        .inputs = {ROWS}, .delay_ms = {30000, -1}, .build = build_two_ways, .arg = &hop};

    (void)state;
    compare(
        &plan, "SELECT * FROM feed",
        "SELECT k, c, ws, we, m, ws AS ws2, we AS we2 FROM (SELECT *, max(c) OVER (PARTITION BY "
        "ws, we) AS m FROM (SELECT k, count(*) AS c, ws, we FROM (SELECT *, UNNEST(" HOPS
        ", recursive := true) FROM (SELECT *, epoch_ms(ts) AS ms FROM l)) GROUP BY k, ws, we)) "
        "WHERE c >= m");
}

/* ---- by hand ---- */

struct one {
    struct state *memory;
    struct op_graph *graph;
    struct op *leaf, *root;
    struct vec_columns columns;
    int late;
};

static int count_late(void *arg, const struct op_late_row *late, struct err *err)
{
    (void)err;
    assert_int_equal(late->columns->count, 2);
    assert_true(late->row < duckdb_data_chunk_get_size(late->chunk));
    ++*(int *)arg;
    return 0;
}

static const char *const shape = "SELECT 'a' AS k, TIMESTAMP '1970-01-01' AS ts";
static const struct op_call count = {OP_COUNT, -1, -1};

static void open_one(struct one *o, struct op_window *window, int rowtime)
{
    struct op_aggregate_spec spec = {(size_t[]){0}, 1, &count, 1, window, rowtime};
    struct op_graph_options options = {.conn = conn, .late = count_late, .late_arg = &o->late};
    struct vec_batch none = {0};
    struct err err = {0};

    *o = (struct one){0};
    run(shape, NULL, NULL, &o->columns, &none);
    vec_batch_deinit(&none);
    OK(state_new(&o->memory, &(struct state_options){0}, &err));
    options.state = o->memory;
    OK(op_graph_new(&o->graph, &options, &err));
    OK(op_leaf_new(&o->leaf, o->graph, &o->columns, &err));
    OK(op_aggregate_new(&o->root, o->leaf, &spec, &err));
}

/* Rows: pairs of a key and seconds. */
static void give(struct one *o, const char *values)
{
    struct vec_batch in = {0};
    struct err err = {0};
    char sql[500];

    snprintf(sql, sizeof(sql),
             "SELECT k, make_timestamp((t::DOUBLE * 1000000)::BIGINT) FROM (VALUES %s) v(k, t)",
             values);
    run(sql, NULL, NULL, NULL, &in);
    OK(op_graph_rows(o->leaf, &in, &err));
    vec_batch_deinit(&in);
}

static void mark(struct one *o, double seconds)
{
    struct err err = {0};

    OK(op_graph_mark(o->leaf, (int64_t)(seconds * 1000), &err));
}

static void tick(struct one *o, double seconds)
{
    struct err err = {0};

    OK(op_graph_clock(o->graph, (int64_t)(seconds * 1000), &err));
}

/* What came out since the last look: key, count, start and end in seconds, kind. */
static void out_is(struct one *o, const char *want)
{
    struct buf got = {0};

    text_of("SELECT c0, c1, epoch(c2)::BIGINT, epoch(c3)::BIGINT, "
            "* EXCLUDE (c0, c1, c2, c3) FROM feed",
            op_graph_columns(o->graph), op_graph_out(o->graph), &got);
    assert_string_equal(got.ptr ? (char *)got.ptr : "", want);
    vec_batch_clear(op_graph_out(o->graph));
    buf_deinit(&got);
}

static void close_one(struct one *o)
{
    op_graph_free(o->graph);
    state_free(o->memory);
    vec_columns_free(&o->columns);
}

static void late_rows_are_handed_over(void **state)
{
    struct op_window tumble = {OP_TUMBLE, 10000}, session = {OP_SESSION, 10000};
    struct one o;

    (void)state;
    open_one(&o, &tumble, 1);
    give(&o, "('a', 5), ('a', 12)");
    mark(&o, 10);
    out_is(&o, "(a, 1, 0, 10)\n");
    give(&o, "('a', 6), ('b', 7), ('a', 11)");
    assert_int_equal(o.late, 2);
    mark(&o, 20);
    out_is(&o, "(a, 2, 10, 20)\n");
    close_one(&o);
    open_one(&o, &session, 1);
    give(&o, "('a', 5), ('a', 12), ('b', 5)");
    mark(&o, 16);
    out_is(&o, "(b, 1, 5, 15)\n");
    /* Alone it would be over, but it meets a session that is open. */
    give(&o, "('a', 4), ('b', 4)");
    assert_int_equal(o.late, 1);
    mark(&o, 30);
    out_is(&o, "(a, 3, 4, 22)\n");
    close_one(&o);
}

static void windows_of_processing_time_go_by_the_clock(void **state)
{
    struct op_window tumble = {OP_TUMBLE, 10000}, session = {OP_SESSION, 10000};
    struct one o;

    (void)state;
    open_one(&o, &tumble, -1);
    tick(&o, 3);
    give(&o, "('a', 0), ('a', 0)");
    tick(&o, 9.999);
    give(&o, "('a', 0)");
    out_is(&o, "");
    tick(&o, 10);
    out_is(&o, "(a, 3, 0, 10)\n");
    give(&o, "('a', 0)");
    mark(&o, 1000);
    out_is(&o, "");
    tick(&o, 21);
    out_is(&o, "(a, 1, 10, 20)\n");
    close_one(&o);
    open_one(&o, &session, -1);
    tick(&o, 3);
    give(&o, "('a', 0), ('b', 0)");
    tick(&o, 8);
    give(&o, "('a', 0)");
    tick(&o, 13);
    out_is(&o, "(b, 1, 3, 13)\n");
    tick(&o, 30);
    out_is(&o, "(a, 2, 3, 18)\n");
    close_one(&o);
}

static void results_come_before_the_end(void **state)
{
    struct op_window tumble = {OP_TUMBLE, 10000, .early = 2000};
    struct one o;

    (void)state;
    open_one(&o, &tumble, 1);
    tick(&o, 100);
    give(&o, "('a', 1), ('b', 2)");
    tick(&o, 101);
    out_is(&o, "");
    tick(&o, 102);
    out_is(&o, "(a, 1, 0, 10, 0)\n(b, 1, 0, 10, 0)\n");
    give(&o, "('a', 3)");
    tick(&o, 103);
    out_is(&o, "");
    tick(&o, 104);
    out_is(&o, "(a, 1, 0, 10, 1)\n(a, 2, 0, 10, 2)\n");
    mark(&o, 10);
    out_is(&o, "");
    give(&o, "('a', 4)");
    assert_int_equal(o.late, 1);
    close_one(&o);
}

static void late_rows_change_results_within_the_lateness(void **state)
{
    struct op_window tumble = {OP_TUMBLE, 10000, .lateness = 5000};
    struct one o;

    (void)state;
    open_one(&o, &tumble, 1);
    give(&o, "('a', 1), ('a', 11)");
    out_is(&o, "");
    mark(&o, 10);
    out_is(&o, "(a, 1, 0, 10, 0)\n");
    give(&o, "('a', 2), ('b', 3)");
    out_is(&o, "(a, 1, 0, 10, 1)\n(a, 2, 0, 10, 2)\n(b, 1, 0, 10, 0)\n");
    mark(&o, 15);
    give(&o, "('a', 4), ('a', 12)");
    assert_int_equal(o.late, 1);
    out_is(&o, "");
    mark(&o, 20);
    out_is(&o, "(a, 2, 10, 20, 0)\n");
    close_one(&o);
}

/* A day of Berlin's clock: 23 hours long on the last Sunday of March, 25 in October. */
static void windows_go_by_the_clock_of_their_zone(void **state)
{
    struct op_window day = {OP_TUMBLE, 86400000, .zone = "Europe/Berlin"};
    struct one o;

    (void)state;
    open_one(&o, &day, 1);
    /* 2024-03-30T23:00Z to 2024-03-31T22:00Z */
    give(&o, "('a', 1711839599), ('b', 1711839600), ('b', 1711922399), ('c', 1711922400)");
    mark(&o, 1711839599.5);
    out_is(&o, "");
    mark(&o, 1711839600);
    out_is(&o, "(a, 1, 1711756800, 1711843200)\n");
    mark(&o, 1711922399.999);
    out_is(&o, "(b, 2, 1711843200, 1711929600)\n");
    close_one(&o);
    /* An hour that comes twice is over when it has come twice: 2024-10-27T00:00Z to 02:00Z. */
    day.size = 3600000;
    open_one(&o, &day, 1);
    give(&o, "('a', 1729987200), ('a', 1729990800)");
    mark(&o, 1729990800);
    out_is(&o, "");
    mark(&o, 1729994399.999);
    out_is(&o, "(a, 2, 1729994400, 1729998000)\n");
    close_one(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_of_rows),
        cmocka_unit_test(windows_of_what_is_left),
        cmocka_unit_test(late_rows_end_in_their_windows),
        cmocka_unit_test(sessions_are_cut_by_gaps),
        cmocka_unit_test(windows_of_windows_fire_with_them),
        cmocka_unit_test(rows_of_one_operator_go_to_several),
        cmocka_unit_test(late_rows_are_handed_over),
        cmocka_unit_test(windows_of_processing_time_go_by_the_clock),
        cmocka_unit_test(results_come_before_the_end),
        cmocka_unit_test(late_rows_change_results_within_the_lateness),
        cmocka_unit_test(windows_go_by_the_clock_of_their_zone),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
