/* rank_test.c - top-N over streams cut at random is ROW_NUMBER over all rows at once. */
#include "operator/test_stream.h"

/* The formatter takes these strings apart, letter by letter. */
/* clang-format off */
#define BASE(rows, keys)                                                                           \
    "SELECT CASE WHEN h % 13 > 0 THEN (h % " keys ")::INTEGER END AS k, CASE WHEN h % 17 > 0 "     \
    "THEN (h % 997 - 500)::BIGINT END AS v, CASE WHEN h % 5 > 0 THEN repeat('é', h % 4) || h % 8 " \
    "END AS s, (h % 31 - 15) / 4.0::DOUBLE AS f, (h % 91 - 45)::DECIMAL(9,2) AS d, i AS u, "       \
    "i, h FROM (SELECT i, (hash(i + 5) % 1000003)::BIGINT AS h FROM range(" rows ") t(i))"
#define ADDED(rows, keys)                                                                          \
    "SELECT k, v, s, f, d, u, TIMESTAMP '2024-01-01' + INTERVAL 1 MILLISECOND * (i * 100 - h % "   \
    "2000)::BIGINT AS ts, TIMESTAMP '2024-01-01' + INTERVAL 10 SECOND * ((i * 100 - h % 2000) // " \
    "10000 + 1)::BIGINT AS we, i FROM (" BASE(rows, keys) ") ORDER BY i"
#define CHANGES(rows, keys)                                                                        \
    "SELECT k, v, s, f, d, u, \"$row_kind\", row_number() OVER (ORDER BY n, \"$row_kind\" DESC) "  \
    "- 1 AS i FROM (SELECT *, i * 3 AS n, 0::UTINYINT AS \"$row_kind\" FROM (" BASE(rows, keys)    \
    ") UNION ALL SELECT *, i * 3 + 301, (1 + i % 2 * 2)::UTINYINT FROM (" BASE(rows, keys)         \
    ") WHERE h % 3 > 0 UNION ALL SELECT *, i * 3 + 602, 2::UTINYINT FROM (" BASE(rows, keys)       \
    ") WHERE h % 7 = 1 UNION ALL SELECT *, i * 3 + 702, 2::UTINYINT FROM (" BASE(rows, keys)       \
    ") WHERE h % 70 = 1) ORDER BY i"
/* clang-format on */

static int build_rank(struct op **leaves, struct op **root, void *arg, struct err *err)
{
    return op_rank_new(root, leaves[0], arg, err);
}

#define NUMBERED(table, keys, order)                                                               \
    "(SELECT *, row_number() OVER (PARTITION BY " keys " ORDER BY " order ") AS r FROM " table ")"

/* The order ends with the column u, so that it leaves no choice. */
static const struct op_order by_value[] = {{1, true, false}, {5, false, false}};
#define BY_VALUE "v DESC NULLS LAST, u"
static const struct op_order by_many[] = {
    {2, false, true}, {3, true, true}, {4, false, false}, {5, true, false}};
#define BY_MANY "s NULLS FIRST, f DESC, d, u DESC"

static void ranks(bool changes, struct op_rank_spec spec, const char *keys, const char *order)
{
    struct test_plan plan = {.inputs = {changes ? CHANGES("700", "20") : ADDED("2500", "20")},
                             .delay_ms = {-1},
                             .build = build_rank,
                             .arg = &spec,
                             .keys = {{spec.keys, spec.key_count}}};
    char sql[3000];

    for (int number = 0; number < 2; number++) {
        spec.with_number = number;
        snprintf(sql, sizeof(sql),
                 "SELECT *, count(*) AS n FROM (SELECT * %s FROM (SELECT *, row_number() OVER "
                 "(PARTITION BY %s ORDER BY %s) AS r FROM %s) WHERE r BETWEEN %" PRId64
                 " AND %" PRId64 ") GROUP BY ALL",
                 number ? "" : "EXCLUDE (r)", keys, order,
                 changes ? LIVE("l") : "(SELECT * EXCLUDE (i) FROM l)", spec.from, spec.to);
        compare(&plan, NET, sql);
    }
}

#define BY_KEY .keys = (size_t[]){0}, .key_count = 1, .window_end = -1

static void the_best_rows_of_rows_that_stay(void **state)
{
    (void)state;
    ranks(false,
          (struct op_rank_spec){BY_KEY, .order = by_value, .order_count = 2, .from = 1, .to = 1},
          "k", BY_VALUE);
    ranks(false,
          (struct op_rank_spec){BY_KEY, .order = by_value, .order_count = 2, .from = 1, .to = 7},
          "k", BY_VALUE);
    ranks(false,
          (struct op_rank_spec){BY_KEY, .order = by_many, .order_count = 4, .from = 3, .to = 10},
          "k", BY_MANY);
}

static void the_best_rows_of_all(void **state)
{
    (void)state;
    ranks(false,
          (struct op_rank_spec){
              .order = by_many, .order_count = 4, .from = 1, .to = 12, .window_end = -1},
          "1", BY_MANY);
    ranks(false,
          (struct op_rank_spec){
              .order = by_value, .order_count = 2, .from = 11, .to = 300, .window_end = -1},
          "1", BY_VALUE);
    ranks(true,
          (struct op_rank_spec){
              .order = by_value, .order_count = 2, .from = 1, .to = 10, .window_end = -1},
          "1", BY_VALUE);
}

static void the_best_rows_of_rows_that_are_taken_back(void **state)
{
    (void)state;
    ranks(true,
          (struct op_rank_spec){BY_KEY, .order = by_value, .order_count = 2, .from = 1, .to = 1},
          "k", BY_VALUE);
    ranks(true,
          (struct op_rank_spec){BY_KEY, .order = by_value, .order_count = 2, .from = 2, .to = 6},
          "k", BY_VALUE);
    ranks(true,
          (struct op_rank_spec){BY_KEY, .order = by_many, .order_count = 4, .from = 1,
                                .to = INT64_MAX},
          "k", BY_MANY);
}

static const struct op_order by_time[] = {{6, true, false}};

/* Equal times: Flink keeps the row that came last. */
static void deduplication_keeps_the_last_or_the_first(void **state)
{
    struct op_rank_spec spec = {BY_KEY,    .order = by_time, .order_count = 1,
                                .from = 1, .to = 1,          .by_time = true};
    struct test_plan plan = {
        .inputs = {ADDED("2500", "20")}, .delay_ms = {-1}, .build = build_rank, .arg = &spec};

    (void)state;
    compare(&plan, NET,
            "SELECT * EXCLUDE (r, i), 1 AS n FROM " NUMBERED("l", "k",
                                                             "ts DESC, i DESC") " WHERE r = 1");
    spec.order = (struct op_order[]){{6, false, false}};
    compare(&plan, NET,
            "SELECT * EXCLUDE (r, i), 1 AS n FROM " NUMBERED("l", "k", "ts, i") " WHERE r = 1");
}

static void a_limit_gives_the_first_rows_that_come(void **state)
{
    struct op_rank_spec spec = {.from = 5, .to = 40, .window_end = -1};
    struct test_plan plan = {
        .inputs = {ADDED("2500", "20")}, .delay_ms = {-1}, .build = build_rank, .arg = &spec};

    (void)state;
    compare(&plan, "SELECT * FROM feed",
            "SELECT * EXCLUDE (i) FROM (SELECT * FROM l ORDER BY i LIMIT 36 OFFSET 4)");
}

static void a_window_gives_its_best_rows_once(void **state)
{
    struct op_rank_spec spec = {.keys = (size_t[]){0, 7},
                                .key_count = 2,
                                .order = by_many,
                                .order_count = 4,
                                .from = 1,
                                .to = 3,
                                .with_number = true,
                                .window_end = 7};
    struct test_plan plan = {.inputs = {ADDED("2500", "20")},
                             .delay_ms = {2000},
                             .forgets = true,
                             .build = build_rank,
                             .arg = &spec};

    (void)state;
    compare(&plan, "SELECT * FROM feed",
            "SELECT * EXCLUDE (i) FROM " NUMBERED("l", "k, we", BY_MANY) " WHERE r <= 3");
}

#define CHANGE(k, v, kind)                                                                         \
    "SELECT " k "::INTEGER AS k, " v "::BIGINT AS v, " kind "::UTINYINT AS \"$row_kind\""

/* Goal: only numbers whose row changed come again, and a key's rows are forgotten in its time. */
static void a_number_comes_again_when_its_row_changed(void **state)
{
    struct op_order order = {1, true, false};
    struct op_rank_spec spec = {BY_KEY,  .order = &order,     .order_count = 1, .from = 1,
                                .to = 3, .with_number = true, .ttl_ms = 60000};
    struct test_graph g;
    struct err err = {0};

    (void)state;
    graph_begin(&g, (const char *const[]){CHANGE("1", "1", "0"), NULL});
    OK(op_rank_new(&g.root, g.leaves[0], &spec, &err));
    graph_gives(&g, 1000, 0, CHANGE("1", "10", "0"), "(1, 10, 1, 0)\n");
    graph_gives(&g, 2000, 0, CHANGE("1", "30", "0"),
                "(1, 10, 1, 1)\n(1, 10, 2, 0)\n(1, 30, 1, 2)\n");
    graph_gives(&g, 3000, 0, CHANGE("1", "20", "0"),
                "(1, 10, 2, 1)\n(1, 10, 3, 0)\n(1, 20, 2, 2)\n");
    graph_gives(&g, 4000, 0, CHANGE("1", "5", "0"), "");
    graph_gives(&g, 5000, 0, CHANGE("1", "10", "3"), "(1, 10, 3, 1)\n(1, 5, 3, 2)\n");
    graph_gives(&g, 70000, 0, CHANGE("1", "1", "0"), "(1, 1, 1, 0)\n"); /* the others are gone */
    graph_end(&g);
}

/* Goal: windows of processing time end with the clock. Method: no watermark ever comes. */
static void windows_of_the_clock_end_with_it(void **state)
{
#define WINDOW_ROW(v, end)                                                                         \
    "SELECT 1::INTEGER AS k, " v "::BIGINT AS v, TIMESTAMP '1970-01-01 00:00:" end "' AS we"
    static const struct op_order by_v[] = {{1, true, false}};
    struct op_rank_spec spec = {.keys = (size_t[]){0, 2},
                                .key_count = 2,
                                .order = by_v,
                                .order_count = 1,
                                .from = 1,
                                .to = 1,
                                .with_number = false,
                                .window_end = 2,
                                .by_clock = true};
    struct test_graph g;
    struct err err = {0};

    (void)state;
    graph_begin(&g, (const char *const[]){WINDOW_ROW("1", "10"), NULL});
    OK(op_rank_new(&g.root, g.leaves[0], &spec, &err));
    graph_gives(&g, 1000, 0, WINDOW_ROW("5", "10"), "");
    graph_gives(&g, 2000, 0, WINDOW_ROW("7", "10"), "");
    graph_gives(&g, 9999, 0, WINDOW_ROW("6", "10"), "");
    graph_gives(&g, 10000, 0, WINDOW_ROW("3", "20"), "(1, 7, '1970-01-01 00:00:10')\n");
    graph_end(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_rows_of_rows_that_stay),
        cmocka_unit_test(the_best_rows_of_all),
        cmocka_unit_test(the_best_rows_of_rows_that_are_taken_back),
        cmocka_unit_test(deduplication_keeps_the_last_or_the_first),
        cmocka_unit_test(a_limit_gives_the_first_rows_that_come),
        cmocka_unit_test(a_window_gives_its_best_rows_once),
        cmocka_unit_test(a_number_comes_again_when_its_row_changed),
        cmocka_unit_test(windows_of_the_clock_end_with_it),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
