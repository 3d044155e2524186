/* aggregate_test.c - aggregates that keep values, over rows that stay and over changes, are what
 * SQL says over all rows at once. */
#include "operator/test_stream.h"

#define BASE(rows)                                                                                 \
    "SELECT CASE WHEN h % 11 > 0 THEN 'key ' || h % 7 END AS k, CASE WHEN h % 5 > 0 THEN "         \
    "(h % 1000)::INTEGER END AS v, CASE WHEN h % 6 > 0 THEN 'text ' || h % 300 || repeat('x', "    \
    "(h % 40)::INTEGER) END AS s, (h % 1000 / 8 - 60)::DECIMAL(12,3) AS d, ((h % 500)::DOUBLE - "  \
    "250) / 4 AS f, h % 3 = 0 AS b, i AS u, CASE WHEN h % 97 > 0 THEN TIMESTAMP '2024-01-01' + "   \
    "INTERVAL 1 MILLISECOND * (i * 100 - h % 20000)::BIGINT END AS ts, 't' || i AS t, h, i FROM "  \
    "(SELECT i, "                                                                                  \
    "hash(i) % 1000003 AS h FROM range(" rows ") t(i))"
#define ROWS "SELECT * EXCLUDE (h) FROM (" BASE("2500") ") ORDER BY i"
/* Half of the rows are taken back later, all of one key; some of them come again. */
#define CHANGES                                                                                    \
    "SELECT * EXCLUDE (i, n, h, \"$row_kind\"), \"$row_kind\", row_number() OVER (ORDER BY n, "    \
    "\"$row_kind\" DESC, u) - 1 AS i FROM (SELECT *, i * 3 AS n, 0::UTINYINT AS \"$row_kind\" "    \
    "FROM (" BASE("1500") ") UNION ALL SELECT *, i * 3 + 301, (1 + i % 2 * 2)::UTINYINT FROM "     \
                          "(" BASE("1500") ") WHERE h % 2 > 0 OR k = 'key 3' UNION ALL SELECT *, " \
                                           "i * 3 + 602, 2::UTINYINT "                             \
                                           "FROM (" BASE("1500") ") WHERE h % 14 = 1) ORDER BY i"

static int build(struct op **leaves, struct op **root, void *arg, struct err *err)
{
    return op_aggregate_new(root, leaves[0], arg, err);
}

#define PLAIN(what, arg)                                                                           \
    {                                                                                              \
        what, arg, -1                                                                              \
    }
enum { K, V, S, D, F, B, U, TS, T };

static struct op_aggregate_spec by_key(const struct op_call *calls, size_t count)
{
    return (struct op_aggregate_spec){(size_t[]){K}, 1, calls, count, NULL, 0};
}

static void check(const char *input, const struct op_aggregate_spec *spec, const char *batch)
{
    struct test_plan plan = {.inputs = {input},
                             .delay_ms = {-1, -1},
                             .build = build,
                             .arg = (void *)(uintptr_t)spec,
                             .keys = {{spec->keys, spec->key_count}}};

    compare(&plan, NET, batch);
}

static const struct op_call extremes[] = {
    PLAIN(OP_MIN, V), PLAIN(OP_MAX, V), PLAIN(OP_MIN, S),  PLAIN(OP_MAX, S), PLAIN(OP_MIN, D),
    PLAIN(OP_MAX, F), PLAIN(OP_MIN, F), PLAIN(OP_MAX, TS), {OP_MAX, U, B},   PLAIN(OP_MIN, B),
};
#define SQL_EXTREMES                                                                               \
    "min(v), max(v), min(s), max(s), min(d), max(f), min(f), max(ts), max(u) FILTER (WHERE b), "   \
    "min(b)"

static void extremes_of_rows_that_stay(void **state)
{
    size_t key = K;
    struct op_aggregate_spec spec = by_key(extremes, COUNT_OF(extremes));

    (void)state;
    spec.keys = &key;
    check(ROWS, &spec, "SELECT k, " SQL_EXTREMES ", 1 AS n FROM l GROUP BY k");
}

static void extremes_of_what_is_left(void **state)
{
    size_t key = K;
    struct op_aggregate_spec spec = by_key(extremes, COUNT_OF(extremes));

    (void)state;
    spec.keys = &key;
    check(CHANGES, &spec, "SELECT k, " SQL_EXTREMES ", 1 AS n FROM " LIVE("l") " GROUP BY k");
    spec.key_count = 0;
    check(CHANGES, &spec, "SELECT " SQL_EXTREMES ", 1 AS n FROM " LIVE("l"));
}

static const struct op_call lists[] = {
    PLAIN(OP_FIRST_VALUE, S),
    PLAIN(OP_LAST_VALUE, S),
    PLAIN(OP_FIRST_VALUE, V),
    PLAIN(OP_LAST_VALUE, F),
    {OP_LISTAGG, S, -1, .separator = "; "},
    {OP_LISTAGG, S, B, true},
    {OP_ARRAY_AGG, V, -1, .keep_nulls = true},
    {OP_ARRAY_AGG, S, -1, true},
    PLAIN(OP_COLLECT, V),
    {OP_JSON_ARRAYAGG, S, -1},
};
#define SQL_COLLECT                                                                                \
    "map_from_entries(list_sort(list_transform(map_entries(histogram(v)), lambda e: {key: e.key, " \
    "value: e.value::INTEGER})))"

/* A multiset has no order: column `number` is sorted first. */
static void check_lists(const char *input, const struct op_aggregate_spec *spec, const char *number,
                        const char *batch)
{
    struct test_plan plan = {
        .inputs = {input}, .delay_ms = {-1, -1}, .build = build, .arg = (void *)(uintptr_t)spec};
    char sql[1000];

    snprintf(sql, sizeof(sql),
             "SELECT * REPLACE (map_from_entries(list_sort(map_entries(c%s))) AS c%s) FROM "
             "(" NET ")",
             number, number);
    compare(&plan, sql, batch);
}

/* Lists keep the order in which their values came. */
static void lists_of_rows_that_stay(void **state)
{
    size_t key = K;
    struct op_aggregate_spec spec = by_key(lists, COUNT_OF(lists));

    (void)state;
    spec.keys = &key;
    check_lists(
        ROWS, &spec, "9",
        "SELECT k, first(s ORDER BY i) FILTER (WHERE s IS NOT NULL), last(s ORDER BY i) FILTER "
        "(WHERE s IS NOT NULL), first(v ORDER BY i) FILTER (WHERE v IS NOT NULL), last(f ORDER BY "
        "i), string_agg(s, '; ' ORDER BY i), (SELECT string_agg(s, ',' ORDER BY m) FROM (SELECT "
        "s, min(i) AS m FROM l t WHERE t.k IS NOT DISTINCT FROM o.k AND t.b GROUP BY s) WHERE s "
        "IS NOT NULL), list(v ORDER BY i), (SELECT list(s ORDER BY m) FROM (SELECT s, min(i) AS m "
        "FROM l t WHERE t.k IS NOT DISTINCT FROM o.k GROUP BY s) WHERE s IS NOT NULL), " SQL_COLLECT
        ", '[' || string_agg(s, ',' ORDER BY i) || ']', 1 AS n FROM l o GROUP BY k");
}

/* When rows are taken back, the first of equal values goes. Each value comes once here, so that
 * who is left is sure. */
static const struct op_call once[] = {
    PLAIN(OP_FIRST_VALUE, U), PLAIN(OP_LAST_VALUE, U), {OP_ARRAY_AGG, U, B},
    PLAIN(OP_COLLECT, V),     PLAIN(OP_LISTAGG, T),    {OP_JSON_OBJECTAGG, T, B, .arg2 = T},
};

static void lists_of_what_is_left(void **state)
{
    size_t key = K;
    struct op_aggregate_spec spec = by_key(once, COUNT_OF(once));

    (void)state;
    spec.keys = &key;
    check_lists(
        CHANGES, &spec, "4",
        "SELECT k, first(u ORDER BY m), last(u ORDER BY m), list(u ORDER BY m) FILTER (WHERE "
        "b), " SQL_COLLECT
        ", string_agg(t, ',' ORDER BY m), '{' || COALESCE(string_agg('\"' || t || '\":' || "
        "t, ',' ORDER BY t) FILTER (WHERE b), '') || '}', 1 AS n FROM (SELECT k, u, v, t, b, "
        "max(i) "
        "FILTER (WHERE \"$row_kind\" IN (0, 2)) AS m, sum(CASE WHEN \"$row_kind\" IN (0, 2) "
        "THEN 1 ELSE -1 END) AS c FROM l GROUP BY ALL HAVING c > 0) GROUP BY k");
}

static const struct op_call distinct[] = {
    {OP_COUNT, S, -1, true}, {OP_SUM, V, B, true},        {OP_SUM, D, -1, true},
    {OP_COUNT, V, -1},       {OP_ARRAY_AGG, B, -1, true},
};

static void distinct_of_what_is_left(void **state)
{
    size_t key = K;
    struct op_aggregate_spec spec = by_key(distinct, 4);

    (void)state;
    spec.keys = &key;
    check(CHANGES, &spec,
          "SELECT k, count(DISTINCT s), sum(DISTINCT v) FILTER (WHERE b)::BIGINT, sum(DISTINCT "
          "d)::DECIMAL(38,3), count(v), 1 AS n FROM " LIVE("l") " GROUP BY k");
}

/* Only the end counts: no changes on the way. */
static void at_the_end_each_key_comes_once(void **state)
{
    size_t key = K;
    struct op_aggregate_spec spec = by_key(extremes, COUNT_OF(extremes));
    struct test_plan plan = {
        .inputs = {CHANGES}, .delay_ms = {-1, -1}, .build = build, .arg = &spec};

    (void)state;
    spec.keys = &key;
    spec.at_end = true;
    compare(&plan, "SELECT * FROM feed",
            "SELECT k, " SQL_EXTREMES " FROM " LIVE("l") " GROUP BY k");
}

/* ---- single cases ---- */

struct one {
    struct state *memory;
    struct op_graph *graph;
    struct op *leaf, *root;
    struct vec_columns columns;
};

static void open_one(struct one *o, const char *rows, const struct op_aggregate_spec *spec)
{
    struct vec_batch none = {0};
    struct err err = {0};

    *o = (struct one){0};
    run(rows, NULL, NULL, &o->columns, &none);
    vec_batch_deinit(&none);
    OK(state_new(&o->memory, &(struct state_options){0}, &err));
    OK(op_graph_new(&o->graph, &(struct op_graph_options){conn, o->memory}, &err));
    OK(op_leaf_new(&o->leaf, o->graph, &o->columns, &err));
    OK(op_aggregate_new(&o->root, o->leaf, spec, &err));
}

static int give_one(struct one *o, const char *rows, struct err *err)
{
    struct vec_batch in = {0};
    int rc;

    run(rows, NULL, NULL, NULL, &in);
    rc = op_graph_rows(o->leaf, &in, err);
    vec_batch_deinit(&in);
    return rc;
}

/* What came out since the last look, as text. */
static void out_is(struct one *o, const char *want)
{
    struct buf got = {0};

    text_of("SELECT * FROM feed", op_graph_columns(o->graph), op_graph_out(o->graph), &got);
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

static void a_single_value_is_alone(void **state)
{
    struct op_call call = PLAIN(OP_SINGLE_VALUE, 0);
    struct op_aggregate_spec spec = {NULL, 0, &call, 1};
    struct err err = {0};
    struct one o;

    (void)state;
    open_one(&o, "SELECT 'a' AS x, 0::UTINYINT AS \"$row_kind\"", &spec);
    OK(give_one(&o, "SELECT 'a' AS x, 0::UTINYINT", &err));
    out_is(&o, "(a, 0)\n");
    OK(give_one(&o, "SELECT * FROM (VALUES ('a', 1::UTINYINT), ('b', 2::UTINYINT))", &err));
    out_is(&o, "(a, 1)\n(b, 2)\n");
    OK(give_one(&o, "SELECT 'b' AS x, 3::UTINYINT", &err));
    out_is(&o, "(NULL, 2)\n(b, 1)\n");
    OK(give_one(&o, "SELECT NULL::VARCHAR AS x, 0::UTINYINT", &err));
    assert_int_equal(give_one(&o, "SELECT 'c' AS x, 0::UTINYINT", &err), ERR_INVALID);
    close_one(&o);
}

static void json_objects_have_each_key_once(void **state)
{
    struct op_call call = {OP_JSON_OBJECTAGG, 0, -1, .arg2 = 1, .keep_nulls = true};
    struct op_aggregate_spec spec = {NULL, 0, &call, 1};
    struct err err = {0};
    struct one o;

    (void)state;
    open_one(&o, "SELECT 'a' AS k, '1' AS v, 0::UTINYINT AS \"$row_kind\"", &spec);
    OK(give_one(&o, "SELECT * FROM (VALUES ('b', '\"x\"', 0::UTINYINT), ('a\"', NULL, 0))", &err));
    out_is(&o, "('{\"a\\\\\"\":null,\"b\":\"x\"}', 0)\n");
    OK(give_one(&o, "SELECT * FROM (VALUES ('b', '\"x\"', 1::UTINYINT), ('b', '2', 2))", &err));
    out_is(&o, "('{\"a\\\\\"\":null,\"b\":\"x\"}', 1)\n('{\"a\\\\\"\":null,\"b\":2}', 2)\n");
    assert_int_equal(give_one(&o, "SELECT 'b', '3', 0::UTINYINT", &err), ERR_INVALID);
    close_one(&o);
}

/* 0.8% is the sketch's standard error. */
static void an_approximate_count_is_near(void **state)
{
    struct op_call call = PLAIN(OP_APPROX_COUNT_DISTINCT, 1);
    struct op_aggregate_spec spec = {(size_t[]){0}, 1, &call, 1};
    struct buf got = {0};
    struct err err = {0};
    struct one o;

    (void)state;
    open_one(&o, "SELECT 0::BIGINT AS k, 0::BIGINT AS v", &spec);
    OK(give_one(
        &o,
        "SELECT k::BIGINT, (i % n)::BIGINT FROM (VALUES (1, 100), (2, 3000), (3, 90000)) v(k, n), "
        "range(200000) t(i)",
        &err));
    text_of("SELECT c0, abs(c1 / CASE c0 WHEN 1 THEN 100 WHEN 2 THEN 3000 ELSE 90000 END - 1) < "
            "CASE c0 WHEN 1 THEN 1e-9 ELSE 0.025 END FROM feed WHERE \"$row_kind\" <> 1",
            op_graph_columns(o.graph), op_graph_out(o.graph), &got);
    assert_string_equal((char *)got.ptr, "(1, true)\n(2, true)\n(3, true)\n");
    buf_deinit(&got);
    close_one(&o);
}

/* A key whose row was never there, or is long gone, gives nothing. */
static void what_was_not_there_is_not_taken_back(void **state)
{
    struct op_call call = PLAIN(OP_COUNT, -1);
    struct op_aggregate_spec spec = {(size_t[]){0}, 1, &call, 1};
    struct err err = {0};
    struct one o;

    (void)state;
    open_one(&o, "SELECT 'a' AS k, 0::UTINYINT AS \"$row_kind\"", &spec);
    OK(give_one(&o, "SELECT * FROM (VALUES ('a', 3::UTINYINT), ('b', 1), ('b', 2))", &err));
    out_is(&o, "(b, 1, 0)\n");
    close_one(&o);
}

/* A key that nothing came for is forgotten without a word, with all that is kept beside it. */
static void keys_are_forgotten_after_their_time(void **state)
{
    struct op_call some[] = {PLAIN(OP_COUNT, -1), {OP_COUNT, 0, -1, true}, PLAIN(OP_LISTAGG, 0)};
    struct op_aggregate_spec spec = {(size_t[]){0}, 1, some, 3, .ttl_ms = 10000};
    struct state_info info;
    struct err err = {0};
    struct one o;

    (void)state;
    open_one(&o, "SELECT 'a' AS k, 0::UTINYINT AS \"$row_kind\"", &spec);
    OK(op_graph_clock(o.graph, 1000000, &err));
    OK(give_one(&o, "SELECT k, 0::UTINYINT FROM (VALUES ('a'), ('b')) v(k)", &err));
    out_is(&o, "(a, 1, 1, a, 0)\n(b, 1, 1, b, 0)\n");
    OK(op_graph_clock(o.graph, 1008000, &err));
    OK(give_one(&o, "SELECT 'a', 0::UTINYINT", &err));
    out_is(&o, "(a, 1, 1, a, 1)\n(a, 2, 1, 'a,a', 2)\n");
    OK(op_graph_clock(o.graph, 1012000, &err));
    OK(give_one(&o, "SELECT k, t::UTINYINT FROM (VALUES ('a', 0), ('b', 3), ('b', 0)) v(k, t)",
                &err));
    out_is(&o, "(a, 2, 1, 'a,a', 1)\n(a, 3, 1, 'a,a,a', 2)\n(b, 1, 1, b, 0)\n");
    for (int64_t now = 1013000; now < 1040000; now += 1000)
        OK(op_graph_clock(o.graph, now, &err));
    state_info(o.memory, &info);
    assert_int_equal(info.entries, 0);
    out_is(&o, "");
    close_one(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(extremes_of_rows_that_stay),
        cmocka_unit_test(extremes_of_what_is_left),
        cmocka_unit_test(lists_of_rows_that_stay),
        cmocka_unit_test(lists_of_what_is_left),
        cmocka_unit_test(distinct_of_what_is_left),
        cmocka_unit_test(at_the_end_each_key_comes_once),
        cmocka_unit_test(a_single_value_is_alone),
        cmocka_unit_test(json_objects_have_each_key_once),
        cmocka_unit_test(an_approximate_count_is_near),
        cmocka_unit_test(what_was_not_there_is_not_taken_back),
        cmocka_unit_test(keys_are_forgotten_after_their_time),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
