/* order_test.c - ORDER BY, set operations and the last rows by key, over streams cut at random. */
#include "operator/test_stream.h"

#define BASE(rows, salt)                                                                           \
    "SELECT CASE WHEN h % 13 > 0 THEN (h % 40)::INTEGER END AS k, (h % 5)::BIGINT AS v, TIMESTAMP" \
    " '2024-01-01' + INTERVAL 1 MILLISECOND * (i * 100 - h % 2000)::BIGINT AS ts, i, h FROM "      \
    "(SELECT i, (hash(i + " salt ") % 1000003)::BIGINT AS h FROM range(" rows ") t(i))"
#define ADDED(rows, salt) "SELECT k, v, ts, i FROM (" BASE(rows, salt) ") ORDER BY i"
/* clang-format off: it takes the strings apart, letter by letter */
#define CHANGES(rows, salt)                                                                        \
    "SELECT k, v, \"$row_kind\", row_number() OVER (ORDER BY n, \"$row_kind\" DESC) - 1 AS i "     \
    "FROM (SELECT *, i * 3 AS n, 0::UTINYINT AS \"$row_kind\" FROM (" BASE(rows, salt) ") "        \
    "UNION ALL SELECT *, i * 3 + 301, (1 + i % 2 * 2)::UTINYINT FROM (" BASE(rows, salt) ") "      \
    "WHERE h % 3 > 0 UNION ALL SELECT *, i * 3 + 602, 2::UTINYINT FROM (" BASE(rows, salt) ") "    \
    "WHERE h % 7 = 1) ORDER BY i"
/* clang-format on */

static int build_sort(struct op **leaves, struct op **root, void *arg, struct err *err)
{
    return op_sort_new(root, leaves[0], arg, err);
}

#define AS_THEY_COME "SELECT *, row_number() OVER () AS n FROM feed"

static void rows_leave_in_the_order_of_time(void **state)
{
    struct op_order order[] = {{1, true, false}, {0, false, true}};
    struct op_sort_spec spec = {2, order, 2};
    struct test_plan plan = {.inputs = {ADDED("2500", "1")},
                             .delay_ms = {2000},
                             .forgets = true,
                             .build = build_sort,
                             .arg = &spec};

    (void)state;
    compare(&plan, AS_THEY_COME,
            "SELECT * EXCLUDE (i), row_number() OVER (ORDER BY ts, v DESC, k NULLS FIRST, i) AS n "
            "FROM l");
    spec.rowtime = -1;
    compare(&plan, AS_THEY_COME,
            "SELECT * EXCLUDE (i), row_number() OVER (ORDER BY v DESC, k NULLS FIRST, i) AS n FROM "
            "l");
}

static void late_rows_do_not_break_the_order(void **state)
{
    struct op_sort_spec spec = {2, NULL, 0};
    struct test_plan plan = {
        .inputs = {ADDED("2500", "1")}, .delay_ms = {200}, .build = build_sort, .arg = &spec};

    (void)state;
    compare(&plan,
            "SELECT count(*) > 500 AND bool_and(later) AS y, repeat('.', 200) FROM (SELECT c2 >= "
            "lag(c2, 1, c2) OVER (ORDER BY n) AS later FROM (" AS_THEY_COME "))",
            "SELECT true, repeat('.', 200)");
}

static int build_sets(struct op **leaves, struct op **root, void *arg, struct err *err)
{
    return op_sets_new(root, leaves[0], leaves[1], arg, err);
}

static void set_operations_count_rows_on_both_sides(void **state)
{
    static const char *const words[2][2] = {{"INTERSECT", "INTERSECT ALL"},
                                            {"EXCEPT", "EXCEPT ALL"}};

    (void)state;
    for (int except = 0; except < 2; except++)
        for (int all = 0; all < 2; all++) {
            struct op_sets_spec spec = {except, all};
            struct test_plan plan = {.inputs = {CHANGES("900", "1"), CHANGES("90", "2")},
                                     .delay_ms = {-1, -1},
                                     .build = build_sets,
                                     .arg = &spec,
                                     .keys = {{NULL, 2}, {NULL, 2}}};
            char sql[3000];

            snprintf(sql, sizeof(sql),
                     "SELECT *, count(*) AS n FROM (FROM %s %s FROM %s) GROUP BY ALL", LIVE("l"),
                     words[except][all], LIVE("r"));
            compare(&plan, NET, sql);
        }
}

static int build_normalize(struct op **leaves, struct op **root, void *arg, struct err *err)
{
    return op_normalize_new(root, leaves[0], arg, err);
}

static void the_last_row_of_a_key_counts(void **state)
{
    struct op_normalize_spec spec = {(size_t[]){0}, 1, 0};
    struct test_plan plan = {
        .inputs = {"SELECT k, v, (CASE WHEN h % 5 = 0 THEN 3 ELSE h % 2 * 2 END)::UTINYINT AS "
                   "\"$row_kind\", i FROM (" BASE("2500", "1") ") ORDER BY i"},
        .delay_ms = {-1},
        .build = build_normalize,
        .arg = &spec,
        .keys = {{spec.keys, 1}}};

    (void)state;
    compare(
        &plan, NET,
        "SELECT k, v, 1 AS n FROM (SELECT *, row_number() OVER (PARTITION BY k ORDER BY i DESC) "
        "AS r FROM l) WHERE r = 1 AND \"$row_kind\" <> 3");
}

static int build_final(struct op **leaves, struct op **root, void *arg, struct err *err)
{
    (void)arg;
    return op_final_new(root, leaves[0], err);
}

static void what_is_left_comes_when_the_input_is_over(void **state)
{
    struct test_plan plan = {
        .inputs = {CHANGES("900", "1")},
        .delay_ms = {-1},
        .build = build_final,
        .forgets = true,
        .keys = {{NULL, 2}}};

    (void)state;
    compare(&plan, "SELECT * FROM feed", "SELECT * FROM " LIVE("l"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_leave_in_the_order_of_time),
        cmocka_unit_test(late_rows_do_not_break_the_order),
        cmocka_unit_test(set_operations_count_rows_on_both_sides),
        cmocka_unit_test(the_last_row_of_a_key_counts),
        cmocka_unit_test(what_is_left_comes_when_the_input_is_over),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
