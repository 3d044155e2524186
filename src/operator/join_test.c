/* join_test.c - joins over streams cut at random are what SQL's joins say over
 * all rows at once. */
#include "operator/test_stream.h"

/* Two tables of changes: some rows come twice, some keys are NULL, many are
 * taken back, some of them to come again. */
#define CHANGES(rows, keys, salt)                                                                  \
    "SELECT k, v, s, \"$row_kind\", row_number() OVER (ORDER BY n, "                               \
    "\"$row_kind\" DESC) - 1 AS i "                                                                \
    "FROM (SELECT *, i * 3 AS n, 0::UTINYINT AS \"$row_kind\" FROM (" BASE(                        \
        rows, keys, salt) ") UNION ALL SELECT *, i * 3 + 301, (1 + i % 2 * 2)::UTINYINT "          \
                          "FROM "                                                                  \
                          "(" BASE(rows, keys,                                                     \
                                   salt) ") WHERE h % 3 > 0 UNION ALL SELECT *, i * 3 + 602, "     \
                                         "2::UTINYINT FROM (" BASE(rows, keys,                     \
                                                                   salt) ") WHERE h % 7 = 1) "     \
                                                                         "ORDER BY i"
#define BASE(rows, keys, salt)                                                                     \
    "SELECT CASE WHEN h % 13 > 0 THEN (h % " keys ")::INTEGER END AS k, (h % 50)::BIGINT AS v, "   \
    "CASE WHEN h % 5 > 0 THEN 'text ' || h % 4 END AS s, i, h FROM (SELECT i, "                    \
    "hash(i + " salt ") % 1000003 AS h FROM range(" rows ") t(i))"
/* The same without kinds. */
#define ADDED(rows, keys, salt) "SELECT k, v, s, i FROM (" BASE(rows, keys, salt) ") ORDER BY i"

static int build_join(struct op **leaves, struct op **root, void *arg, struct err *err)
{
    return op_join_new(root, leaves[0], leaves[1], arg, err);
}

static const struct {
    enum op_join_kind kind;
    const char *sql, *columns;
} kinds[] = {
    {OP_INNER, "INNER JOIN", "l.*, r.*"},
    {OP_LEFT, "LEFT JOIN", "l.*, r.*"},
    {OP_RIGHT, "RIGHT JOIN", "l.*, r.*"},
    {OP_FULL, "FULL JOIN", "l.*, r.*"},
    {OP_SEMI, "SEMI JOIN", "l.*"},
    {OP_ANTI, "ANTI JOIN", "l.*"},
    {OP_MARK, "", ""},
};

/* All kinds of join over the two inputs, which are changes or not. */
static void all_kinds_timed(const char *left, const char *right, bool left_changes,
                            bool right_changes, struct op_join_spec spec, const char *on,
                            int64_t left_delay_ms, int64_t right_delay_ms)
{
    struct test_plan plan = {
        .inputs = {left, right},
        .delay_ms = {left_delay_ms, right_delay_ms},
        .build = build_join,
        .arg = &spec,
        .keys = {{spec.left_keys, spec.key_count}, {spec.right_keys, spec.key_count}}};
    const char *of_left = left_changes ? LIVE("l") : "(SELECT * EXCLUDE (i) FROM l)";
    const char *of_right = right_changes ? LIVE("r") : "(SELECT * EXCLUDE (i) FROM r)";

    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        bool changes = left_changes || right_changes ||
                       (kinds[i].kind != OP_INNER && kinds[i].kind != OP_SEMI);
        char sql[4000];

        spec.kind = kinds[i].kind;
        if (kinds[i].kind == OP_MARK)
            snprintf(sql, sizeof(sql),
                     "SELECT *, count(*) AS n FROM (SELECT l.*, EXISTS (SELECT 1 FROM %s r WHERE "
                     "%s) AS m FROM %s l) GROUP BY ALL",
                     of_right, on, of_left);
        else
            snprintf(sql, sizeof(sql),
                     "SELECT *, count(*) AS n FROM (SELECT %s FROM %s l %s %s r ON %s) "
                     "GROUP BY ALL",
                     kinds[i].columns, of_left, kinds[i].sql, of_right, on);
        compare(&plan, changes ? NET : "SELECT *, count(*) AS n FROM feed GROUP BY ALL", sql);
    }
}

static void all_kinds(const char *left, const char *right, bool left_changes, bool right_changes,
                      struct op_join_spec spec, const char *on)
{
    all_kinds_timed(left, right, left_changes, right_changes, spec, on, -1, -1);
}

#define ON_KEY .left_keys = (size_t[]){0}, .right_keys = (size_t[]){0}, .key_count = 1

static void joins_of_changes_end_as_joins_of_what_is_left(void **state)
{
    (void)state;
    all_kinds(CHANGES("900", "400", "1"), CHANGES("700", "300", "2"), true, true,
              (struct op_join_spec){ON_KEY}, "l.k = r.k");
}

static void joins_of_rows_that_stay(void **state)
{
    (void)state;
    all_kinds(ADDED("900", "300", "1"), ADDED("500", "400", "2"), false, false,
              (struct op_join_spec){ON_KEY}, "l.k = r.k");
    all_kinds(CHANGES("500", "300", "1"), ADDED("500", "400", "2"), true, false,
              (struct op_join_spec){ON_KEY}, "l.k = r.k");
    all_kinds(ADDED("500", "300", "1"), CHANGES("500", "400", "2"), false, true,
              (struct op_join_spec){ON_KEY}, "l.k = r.k");
}

static void pairs_fulfil_the_condition(void **state)
{
    (void)state;
    all_kinds(CHANGES("500", "60", "1"), CHANGES("400", "50", "2"), true, true,
              (struct op_join_spec){ON_KEY, .condition =
                                                "SELECT l1 + 3 > r1 AND (l2 <> r2 OR l2 IS "
                                                "NULL) FROM feed"},
              "l.k = r.k AND l.v + 3 > r.v AND (l.s <> r.s OR l.s IS NULL)");
}

/* Goal: NOT IN as SQL has it. Method: NULLs on the right come and go; the last one stays or not. */
static void not_in_knows_what_null_means(void **state)
{
    static const char *const lasts[] = {"k IS NOT NULL OR h % 7 <> 1", "true", "false"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(lasts); i++) {
        struct op_join_spec spec = {ON_KEY, .kind = OP_ANTI, .null_aware = true};
        struct test_plan plan = {.delay_ms = {-1, -1}, .build = build_join, .arg = &spec};
        char right[4000], sql[4000];

        /* Rows of the right come, and all go again but those that stay. */
        snprintf(right, sizeof(right),
                 "SELECT k, v, \"$row_kind\", row_number() OVER (ORDER BY n, \"$row_kind\" DESC) - "
                 "1 AS i FROM (SELECT *, i * 3 AS n, 0::UTINYINT AS \"$row_kind\" FROM (%s) UNION "
                 "ALL SELECT *, i * 3 + 50, 3::UTINYINT FROM (%s) WHERE NOT (h %% 3 = 0 AND (%s))) "
                 "ORDER BY i",
                 BASE("400", "300", "2"), BASE("400", "300", "2"), lasts[i]);
        plan.inputs[0] = CHANGES("700", "400", "1");
        plan.inputs[1] = right;
        snprintf(sql, sizeof(sql),
                 "SELECT *, count(*) AS n FROM (SELECT * FROM %s l WHERE k NOT IN (SELECT k FROM "
                 "%s)) GROUP BY ALL UNION ALL SELECT NULL, NULL, repeat('.', 100), 1",
                 LIVE("l"), LIVE("r"));
        compare(&plan, "SELECT * FROM (" NET ") UNION ALL SELECT NULL, NULL, repeat('.', 100), 1",
                sql);
    }
}

static void keys_of_several_columns_may_be_null(void **state)
{
    struct op_join_spec spec = {.left_keys = (size_t[]){0, 2},
                                .right_keys = (size_t[]){0, 2},
                                .null_safe = (bool[]){true, false},
                                .key_count = 2};

    (void)state;
    all_kinds(CHANGES("600", "30", "1"), CHANGES("500", "30", "2"), true, true, spec,
              "l.k IS NOT DISTINCT FROM r.k AND l.s = r.s");
}

static void without_keys_every_row_meets_every_row(void **state)
{
    (void)state;
    all_kinds(CHANGES("60", "30", "1"), CHANGES("50", "30", "2"), true, true,
              (struct op_join_spec){.condition = "SELECT l1 + 20 < r1 FROM feed"},
              "l.v + 20 < r.v");
}

/* ---- by time: out of order by up to 2 s around a clock of 10 rows a second
 * ---- */

#define TIMED(rows, keys, salt)                                                                    \
    "SELECT k, v, s, CASE WHEN h % 97 > 0 THEN " TIME_OF " END AS ts, " TIME_OF                    \
    " + INTERVAL 1 HOUR AS later, i FROM (" BASE(rows, keys, salt) ") ORDER BY i"
#define TIME_OF                                                                                    \
    "(TIMESTAMP '2024-01-01' + INTERVAL 1 MILLISECOND * (i::BIGINT * 100 - (h "                    \
    "% 2000)::BIGINT))"
#define WINDOWED(rows, keys, salt)                                                                 \
    "SELECT k, v, s, ts, time_bucket(INTERVAL 10 SECOND, ts) + INTERVAL 10 "                       \
    "SECOND AS we, i FROM "                                                                        \
    "(SELECT k, v, s, " TIME_OF " AS ts, i FROM (" BASE(rows, keys, salt) ")) ORDER BY i"

static void timed_kinds(const char *left, const char *right, struct op_join_spec spec,
                        const char *on)
{
    struct test_plan plan = {
        .inputs = {left, right},
        .delay_ms = {2000, 2000},
        .forgets = true,
        .build = build_join,
        .arg = &spec,
        .keys = {{spec.left_keys, spec.key_count}, {spec.right_keys, spec.key_count}}};

    for (size_t i = 0; i < COUNT_OF(kinds) && kinds[i].kind != OP_MARK; i++) {
        char sql[4000];

        spec.kind = kinds[i].kind;
        snprintf(sql, sizeof(sql),
                 "SELECT %s FROM (SELECT * EXCLUDE (i) FROM l) l %s (SELECT * "
                 "EXCLUDE (i) FROM r) r ON %s",
                 kinds[i].columns, kinds[i].sql, on);
        compare(&plan, "SELECT * FROM feed", sql);
    }
}

static void times_lie_within_an_interval(void **state)
{
    struct op_join_spec spec = {ON_KEY,          .time = OP_INTERVAL, .left_time = 3,
                                .right_time = 3, .low_ms = -3000,     .high_ms = 7000};

    (void)state;
    timed_kinds(TIMED("1500", "9", "1"), TIMED("1200", "9", "2"), spec,
                "l.k = r.k AND r.ts BETWEEN l.ts - INTERVAL 3 SECOND AND l.ts + "
                "INTERVAL 7 SECOND");
    spec.condition = "SELECT l1 > r1 FROM feed";
    spec.low_ms = 1000;
    timed_kinds(TIMED("1500", "9", "1"), TIMED("1200", "9", "2"), spec,
                "l.k = r.k AND r.ts BETWEEN l.ts + INTERVAL 1 SECOND AND l.ts + "
                "INTERVAL 7 SECOND "
                "AND l.v > r.v");
}

/* Goal: what comes out is not late for whoever goes by its times. Method: sort
 * it by one. */
static int build_sorted(struct op **leaves, struct op **root, void *arg, struct err *err)
{
    struct op_sort_spec sort = {.rowtime = 8};
    struct op *join;
    int rc = op_join_new(&join, leaves[0], leaves[1], arg, err);

    return rc ? rc : op_sort_new(root, join, &sort, err);
}

static void pairs_of_an_interval_are_not_late(void **state)
{
    struct op_join_spec spec = {ON_KEY,         .kind = OP_RIGHT, .time = OP_INTERVAL,
                                .left_time = 3, .right_time = 3,  .low_ms = -3000,
                                .high_ms = 7000};
    struct test_plan plan = {.inputs = {TIMED("1500", "9", "1"), TIMED("1200", "9", "2")},
                             .delay_ms = {2000, 2000},
                             .forgets = true,
                             .build = build_sorted,
                             .arg = &spec};

    (void)state;
    compare(&plan, "SELECT * FROM feed",
            "SELECT l.*, r.* FROM (SELECT * EXCLUDE (i) FROM l) l RIGHT JOIN "
            "(SELECT * EXCLUDE (i) "
            "FROM r) r ON l.k = r.k AND r.ts BETWEEN l.ts - INTERVAL 3 SECOND "
            "AND l.ts + INTERVAL "
            "7 SECOND WHERE r.ts IS NOT NULL");
}

static void rows_of_one_window_meet(void **state)
{
    struct op_join_spec spec = {.left_keys = (size_t[]){0, 4},
                                .right_keys = (size_t[]){0, 4},
                                .key_count = 2,
                                .time = OP_WINDOWED,
                                .left_end = 4,
                                .right_end = 4};

    (void)state;
    timed_kinds(WINDOWED("1500", "60", "1"), WINDOWED("1200", "60", "2"), spec,
                "l.k = r.k AND l.we = r.we");
    spec.condition = "SELECT l1 > r1 FROM feed";
    timed_kinds(WINDOWED("1500", "20", "1"), WINDOWED("1200", "20", "2"), spec,
                "l.k = r.k AND l.we = r.we AND l.v > r.v");
}

#define VERSIONS(rows, keys, salt)                                                                 \
    "SELECT k, v, ts, (CASE WHEN v % 9 = 0 THEN 3 WHEN v % 9 = 1 THEN 1 ELSE 2 "                   \
    "END)::UTINYINT AS "                                                                           \
    "\"$row_kind\", i FROM (" WINDOWED(rows, keys, salt) ") ORDER BY i"

static void rows_meet_the_version_of_their_time(void **state)
{
    struct op_join_spec spec = {ON_KEY, .time = OP_TEMPORAL, .left_time = 3, .right_time = 2};
    struct test_plan plan = {.inputs = {WINDOWED("2500", "9", "1"), VERSIONS("900", "11", "2")},
                             .delay_ms = {2000, 2000},
                             .build = build_join,
                             .arg = &spec,
                             .keys = {{spec.left_keys, 1}, {spec.right_keys, 1}}};

    (void)state;
    for (int left = 0; left < 2; left++) {
        char sql[3000];

        spec.kind = left ? OP_LEFT : OP_INNER;
        snprintf(sql, sizeof(sql),
                 "SELECT l.* EXCLUDE (i), x.* FROM l %s JOIN LATERAL (SELECT * EXCLUDE "
                 "(\"$row_kind\", i) FROM (SELECT r.* FROM r WHERE r.k = l.k AND r.ts "
                 "<= l.ts AND "
                 "\"$row_kind\" <> 1 ORDER BY r.ts DESC, r.i DESC LIMIT 1) WHERE "
                 "\"$row_kind\" <> "
                 "3) x ON true",
                 left ? "LEFT" : "INNER");
        compare(&plan, "SELECT * FROM feed", sql);
        spec.condition = "SELECT l1 > r1 FROM feed";
        snprintf(sql + strlen(sql) - 4, 20, "l.v > x.v");
        compare(&plan, "SELECT * FROM feed", sql);
        spec.condition = NULL;
    }
}

/* ---- a table that is asked now ---- */

struct test_table {
    struct op_lookup_table table;
    struct vec_columns columns;
    int reads;
    bool new;
};

#define TABLE "SELECT mod(i, 40)::INTEGER AS k, i::BIGINT AS v FROM range(100 + 10 * %d) t(i)"

static int table_changed(struct op_lookup_table *table, bool *yes, struct err *err)
{
    (void)err;
    *yes = ((struct test_table *)table)->new;
    return 0;
}

static int table_read(struct op_lookup_table *table, struct vec_batch *out, struct err *err)
{
    struct test_table *t = (struct test_table *)table;
    char sql[200];

    (void)err;
    snprintf(sql, sizeof(sql), TABLE, t->reads++);
    t->new = false;
    run(sql, NULL, NULL, NULL, out);
    return 0;
}

static void table_free(struct op_lookup_table *table)
{
    (void)table;
}

static void a_table_is_asked_again_when_it_has_changed(void **state)
{
    struct test_table table = {{.columns = &table.columns,
                                .changed = table_changed,
                                .read = table_read,
                                .free = table_free}};
    struct op_lookup_spec spec = {.table = &table.table,
                                  .left_keys = (size_t[]){0},
                                  .right_keys = (size_t[]){0},
                                  .key_count = 1,
                                  .left = true,
                                  .condition = "SELECT l1 < r1 FROM feed"};
    struct vec_columns columns = {0};
    struct vec_batch in = {0}, none = {0};
    struct buf got = {0}, want = {0};
    struct state *memory;
    struct op_graph *graph;
    struct op *leaf, *root;
    struct err err = {0};

    (void)state;
    run("SELECT * FROM (SELECT 0::INTEGER AS k, 0::BIGINT AS v)", NULL, NULL, &table.columns,
        &none);
    run("SELECT * EXCLUDE (i) FROM (" ADDED("900", "50", "1") ")", NULL, NULL, &columns, &in);
    OK(state_new(&memory, &(struct state_options){0}, &err));
    OK(op_graph_new(&graph, &(struct op_graph_options){conn, memory}, &err));
    OK(op_leaf_new(&leaf, graph, &columns, &err));
    OK(op_lookup_new(&root, leaf, &spec, &err));
    for (int n = 0; n < 3; n++) {
        char sql[600];

        OK(op_graph_rows(leaf, &in, &err));
        snprintf(sql, sizeof(sql),
                 "SELECT l.*, r.* FROM feed l LEFT JOIN (" TABLE ") r ON l.k = "
                 "r.k AND l.v < r.v",
                 n / 2);
        text_of(sql, &columns, &in, &want);
        text_of("SELECT * FROM feed", op_graph_columns(graph), op_graph_out(graph), &got);
        assert_true(want.len > 100 && slice_eq(buf_slice(&want), buf_slice(&got)));
        vec_batch_clear(op_graph_out(graph));
        table.new = n == 1;
    }
    assert_int_equal(table.reads, 2);
    op_graph_free(graph);
    state_free(memory);
    vec_batch_deinit(&in);
    vec_batch_deinit(&none);
    vec_columns_free(&columns);
    vec_columns_free(&table.columns);
    buf_deinit(&got);
    buf_deinit(&want);
}

/* Goal: with a time to live rows are forgotten, and nothing is taken back that was not given.
 * Method: a minute between batches of a join whose rows live for two; the clock is the graph's. */
static void rows_are_forgotten_in_their_time(void **state)
{
    struct op_join_spec spec = {ON_KEY, .kind = OP_FULL, .left_ttl_ms = 120000,
                                .right_ttl_ms = 120000};
    struct test_input inputs[2] = {0};
    struct vec_batch out = {0}, first = {0};
    struct test_life life = {0};
    struct state_info info;
    struct err err = {0};

    (void)state;
    for (int n = 0; n < 2; n++)
        run(n ? ADDED("3000", "300", "2") : ADDED("3000", "300", "1"), NULL, NULL,
            &inputs[n].columns, &inputs[n].rows);
    run("SELECT * EXCLUDE (i) FROM feed WHERE i < 0", &inputs[0].columns, &inputs[0].rows,
        &inputs[0].seen, &first);
    OK(state_new(&life.states[0], &(struct state_options){.clock = clock_system()}, &err));
    OK(op_graph_new(&life.graph, &(struct op_graph_options){conn, life.states[0]}, &err));
    for (int n = 0; n < 2; n++)
        OK(op_leaf_new(&life.leaves[n], life.graph, &inputs[0].seen, &err));
    OK(op_join_new(&life.root, life.leaves[0], life.leaves[1], &spec, &err));
    for (int k = 0; k < 30; k++) {
        OK(op_graph_clock(life.graph, 1000000 + k * 60000, &err));
        keep(&life, &out);
        step(&life, &(struct test_plan){.delay_ms = {-1, -1}}, &inputs[k % 2], k % 2, 200, &out);
    }
    check_whole(op_graph_columns(life.graph), &out, 0);
    state_info(life.states[0], &info);
    assert_true(info.entries > 100 && info.entries < 900); /* of 6,000 */
    op_graph_free(life.graph);
    state_free(life.states[0]);
    for (int n = 0; n < 2; n++) {
        vec_batch_deinit(&inputs[n].rows);
        vec_columns_free(&inputs[n].columns);
        vec_columns_free(&inputs[n].seen);
    }
    vec_batch_deinit(&out);
    vec_batch_deinit(&first);
}

/* ---- rows that can meet nothing more ---- */

/* Changes of 90 s, a third of them up to a minute behind the others; some are taken back half a
 * minute later, some come again. One in 40 has no time. */
#define STRAGGLERS                                                                                 \
    "SELECT k, v, ts, \"$row_kind\", row_number() OVER (ORDER BY n, i) - 1 AS i FROM (SELECT *, "  \
    "i * 3 AS n, 0::UTINYINT AS \"$row_kind\" FROM (" STRAGGLER ") UNION ALL SELECT *, i * 3 + "   \
    "901, 3::UTINYINT FROM (" STRAGGLER ") WHERE h % 3 = 0 UNION ALL SELECT *, i * 3 + 1202, "     \
    "2::UTINYINT FROM (" STRAGGLER ") WHERE h % 21 = 0) ORDER BY i"
#define STRAGGLER                                                                                  \
    "SELECT (h % 9)::INTEGER AS k, (h % 50)::BIGINT AS v, CASE WHEN h % 40 > 0 THEN "              \
    "make_timestamp((i * 100 - CASE WHEN h % 3 = 1 THEN h % 60000 ELSE 0 END)::BIGINT * 1000) "    \
    "END AS ts, "                                                                                  \
    "i, h FROM (SELECT i, hash(i + 1) % 1000003 AS h FROM range(900) t(i))"
/* Windows of a second, five rows each, in the order in which they end. */
#define WINDOW_ENDS                                                                                \
    "SELECT (h % 9)::INTEGER AS k, (h % 50)::BIGINT AS v, make_timestamp((i // 5 * 1000 + 1000) "  \
    "* 1000) AS ts, i FROM (SELECT i, hash(i + 2) % 1000003 AS h FROM range(450) t(i)) ORDER BY i"

/* Goal: what is forgotten is missed by nobody. Method: one side's times bound the other's, whose
 * rows are late and taken back in all ways. */
static void rows_that_can_meet_nothing_more_are_not_missed(void **state)
{
#define BY_TIME(low, high)                                                                         \
    ON_KEY, .left_time = 2, .right_time = 2, .low_ms = low * 1000, .high_ms = high * 1000,         \
            .condition = "SELECT l1 % 5 = r1 % 5 AND r2 >= l2 + INTERVAL '" #low "' SECOND AND "   \
                         "r2 <= l2 + INTERVAL '" #high "' SECOND FROM feed"
#define IS_BY_TIME(low, high)                                                                      \
    "l.k = r.k AND l.v % 5 = r.v % 5 AND r.ts >= l.ts + INTERVAL '" #low "' SECOND AND r.ts <= "   \
    "l.ts + INTERVAL '" #high "' SECOND"
    (void)state;
    all_kinds_timed(STRAGGLERS, WINDOW_ENDS, true, false,
                    (struct op_join_spec){BY_TIME(0, 10), .left_forgets = true}, IS_BY_TIME(0, 10),
                    -1, 1);
    all_kinds_timed(WINDOW_ENDS, STRAGGLERS, false, true,
                    (struct op_join_spec){BY_TIME(-20, -2), .right_forgets = true},
                    IS_BY_TIME(-20, -2), 1, 1);
    all_kinds_timed(
        WINDOW_ENDS, WINDOW_ENDS, false, false,
        (struct op_join_spec){BY_TIME(1, 5), .left_forgets = true, .right_forgets = true},
        IS_BY_TIME(1, 5), 1, 1);
}

#define AT(v, seconds)                                                                             \
    "SELECT 1::INTEGER AS k, '" v "' AS v, make_timestamp(" seconds "000000) AS t"

/* Goal: they go, and a late one is not even kept. Method: entries of state are counted. */
static void rows_that_can_meet_nothing_more_go(void **state)
{
    struct op_join_spec spec = {ON_KEY,
                                .left_time = 2,
                                .right_time = 2,
                                .high_ms = 10000,
                                .left_forgets = true,
                                .condition = "SELECT l2 BETWEEN r2 - INTERVAL 10 SECOND AND r2 "
                                             "FROM feed"};
    struct test_graph g;
    struct state_info info;
    struct err err = {0};

    (void)state;
    graph_begin(&g, (const char *const[]){AT("l", "0"), AT("r", "0")});
    OK(op_join_new(&g.root, g.leaves[0], g.leaves[1], &spec, &err));
    graph_gives(&g, 1, 0, AT("a", "1"), "");
    graph_gives(&g, 1, 0, AT("b", "8"), "");
    OK(op_graph_mark(g.leaves[1], 15000, &err));
    graph_gives(&g, 1, 0, AT("c", "12"), "");
    state_info(g.state, &info);
    assert_int_equal(info.entries, 2); /* b and c */
    graph_gives(&g, 1, 1, AT("x", "16"),
                "(1, b, '1970-01-01 00:00:08', 1, x, '1970-01-01 00:00:16')\n"
                "(1, c, '1970-01-01 00:00:12', 1, x, '1970-01-01 00:00:16')\n");
    OK(op_graph_mark(g.leaves[1], 60000, &err));
    graph_gives(&g, 1, 0, AT("late", "9"),
                "(1, late, '1970-01-01 00:00:09', 1, x, '1970-01-01 00:00:16')\n");
    state_info(g.state, &info);
    assert_int_equal(info.entries, 1); /* x */
    graph_end(&g);
}

/* ---- by the clock ---- */

#define ROW(k, v) "SELECT " k "::INTEGER AS k, '" v "' AS v"
#define CHANGE(k, v, kind)                                                                         \
    "SELECT " k "::INTEGER AS k, '" v "' AS v, " kind "::UTINYINT AS \"$row_kind\""

static void rows_meet_within_an_interval_of_the_clock(void **state)
{
    struct op_join_spec spec = {ON_KEY,          .kind = OP_LEFT,  .time = OP_INTERVAL,
                                .left_time = -1, .right_time = -1, .low_ms = -2000,
                                .high_ms = 2000};
    struct test_graph g;
    struct err err = {0};

    (void)state;
    graph_begin(&g, (const char *const[]){ROW("1", "l"), ROW("1", "r")});
    OK(op_join_new(&g.root, g.leaves[0], g.leaves[1], &spec, &err));
    graph_gives(&g, 10000, 0, ROW("1", "a"), "");
    graph_gives(&g, 12000, 1, ROW("1", "b"), "(1, a, 1, b)\n");
    graph_gives(&g, 12500, 1, ROW("1", "c"), "");
    graph_gives(&g, 13000, 0, ROW("2", "d"), "");
    graph_gives(&g, 14000, 0, ROW("1", "e"), "(1, e, 1, b)\n(1, e, 1, c)\n");
    graph_gives(&g, 20000, 0, NULL, "(2, d, NULL, NULL)\n");
    graph_end(&g);
}

/* Goal: windows of processing time meet when the clock ends them. Method: no watermark comes. */
static void windows_of_the_clock_meet_at_their_end(void **state)
{
#define WINDOW_ROW(end) "SELECT 1::INTEGER AS k, TIMESTAMP '1970-01-01 00:00:" end "' AS we"
    struct op_join_spec spec = {.left_keys = (size_t[]){0, 1},
                                .right_keys = (size_t[]){0, 1},
                                .key_count = 2,
                                .time = OP_WINDOWED,
                                .left_end = 1,
                                .right_end = 1,
                                .by_clock = true};
    struct test_graph g;
    struct err err = {0};

    (void)state;
    graph_begin(&g, (const char *const[]){WINDOW_ROW("10"), WINDOW_ROW("10")});
    OK(op_join_new(&g.root, g.leaves[0], g.leaves[1], &spec, &err));
    graph_gives(&g, 1000, 0, WINDOW_ROW("10"), "");
    graph_gives(&g, 2000, 1, WINDOW_ROW("10"), "");
    graph_gives(&g, 9999, 1, WINDOW_ROW("20"), "");
    graph_gives(&g, 10000, 0, NULL, "(1, '1970-01-01 00:00:10', 1, '1970-01-01 00:00:10')\n");
    graph_gives(&g, 20000, 0, NULL, "");
    graph_end(&g);
}

static void rows_meet_the_newest_version_now(void **state)
{
    struct op_join_spec spec = {ON_KEY, .kind = OP_LEFT, .time = OP_TEMPORAL, .left_time = -1,
                                .right_time = -1};
    struct test_graph g;
    struct err err = {0};

    (void)state;
    graph_begin(&g, (const char *const[]){ROW("1", "l"), CHANGE("1", "r", "0")});
    OK(op_join_new(&g.root, g.leaves[0], g.leaves[1], &spec, &err));
    graph_gives(&g, 1, 0, ROW("1", "a"), "(1, a, NULL, NULL)\n");
    graph_gives(&g, 2, 1, CHANGE("1", "x", "0"), "");
    graph_gives(&g, 3, 0, ROW("1", "b"), "(1, b, 1, x)\n");
    graph_gives(&g, 4, 1, CHANGE("1", "y", "2"), "");
    graph_gives(&g, 5, 0, ROW("1", "c"), "(1, c, 1, y)\n");
    graph_gives(&g, 6, 1, CHANGE("1", "y", "3"), "");
    graph_gives(&g, 7, 0, ROW("1", "d"), "(1, d, NULL, NULL)\n");
    graph_end(&g);
}

/* As Flink's StreamingJoinOperator: +U stays +U where no side is outer. */
static void kinds_are_flinks(void **state)
{
    struct op_join_spec spec = {ON_KEY};
    struct test_graph g;
    struct err err = {0};

    (void)state;
    graph_begin(&g, (const char *const[]){CHANGE("1", "l", "0"), ROW("1", "r")});
    OK(op_join_new(&g.root, g.leaves[0], g.leaves[1], &spec, &err));
    graph_gives(&g, 1, 1, ROW("1", "r"), "");
    graph_gives(&g, 1, 0, CHANGE("1", "a", "0"), "(1, a, 1, r, 0)\n");
    graph_gives(&g, 1, 0, CHANGE("1", "a", "1"), "(1, a, 1, r, 1)\n");
    graph_gives(&g, 1, 0, CHANGE("1", "b", "2"), "(1, b, 1, r, 2)\n");
    graph_end(&g);
    graph_begin(&g, (const char *const[]){CHANGE("1", "l", "0"), ROW("1", "r")});
    spec.kind = OP_LEFT;
    OK(op_join_new(&g.root, g.leaves[0], g.leaves[1], &spec, &err));
    graph_gives(&g, 1, 0, CHANGE("1", "a", "0"), "(1, a, NULL, NULL, 0)\n");
    graph_gives(&g, 1, 1, ROW("1", "r"), "(1, a, 1, r, 0)\n(1, a, NULL, NULL, 3)\n");
    graph_gives(&g, 1, 0, CHANGE("1", "a", "1"), "(1, a, 1, r, 3)\n");
    graph_gives(&g, 1, 0, CHANGE("1", "b", "2"), "(1, b, 1, r, 0)\n");
    graph_end(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joins_of_changes_end_as_joins_of_what_is_left),
        cmocka_unit_test(joins_of_rows_that_stay),
        cmocka_unit_test(pairs_fulfil_the_condition),
        cmocka_unit_test(not_in_knows_what_null_means),
        cmocka_unit_test(keys_of_several_columns_may_be_null),
        cmocka_unit_test(without_keys_every_row_meets_every_row),
        cmocka_unit_test(times_lie_within_an_interval),
        cmocka_unit_test(pairs_of_an_interval_are_not_late),
        cmocka_unit_test(rows_of_one_window_meet),
        cmocka_unit_test(rows_meet_the_version_of_their_time),
        cmocka_unit_test(rows_meet_within_an_interval_of_the_clock),
        cmocka_unit_test(windows_of_the_clock_meet_at_their_end),
        cmocka_unit_test(rows_meet_the_newest_version_now),
        cmocka_unit_test(kinds_are_flinks),
        cmocka_unit_test(a_table_is_asked_again_when_it_has_changed),
        cmocka_unit_test(rows_are_forgotten_in_their_time),
        cmocka_unit_test(rows_that_can_meet_nothing_more_are_not_missed),
        cmocka_unit_test(rows_that_can_meet_nothing_more_go),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
