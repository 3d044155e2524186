/* IN, EXISTS and queries as values, wherever they stand: the joins that they become. */
#include "sql/test_plan.h"

static const struct claim subqueries_are_joins_claims[] = {
    {"uno", "SELECT id FROM orders WHERE id IN (SELECT id FROM ships WHERE place = 'x') AND n > 1",
     "  select  (line 1)\n"
     "    semi join on left.c0 = right.c0  (line 1, state grows with every row: SET "
     "'table.exec.state.ttl' or join by time)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"
     "      select  (line 1)\n"
     "        scan ships  (line 1)\n"},
    {"uno", "SELECT id FROM orders WHERE id NOT IN (SELECT id FROM ships)",
     "  select  (line 1, changes)\n"
     "    anti join on left.c0 = right.c0  (line 1, changes, state grows with every row: SET "
     "'table.exec.state.ttl' or join by time)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"
     "      select  (line 1)\n"
     "        scan ships  (line 1)\n"},
    {"uno",
     "SELECT id FROM orders o WHERE NOT EXISTS (SELECT 1 FROM ships s WHERE s.id = o.id AND s.at_ "
     "> o.at_)",
     "  select  (line 1, changes)\n"
     "    anti join on left.c0 = right.c0, with a condition  (line 1, changes, state grows with "
     "every row: SET 'table.exec.state.ttl' or join by time)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"
     "      select  (line 1)\n"
     "        scan ships  (line 1)\n"},
    {"uno", "SELECT id FROM orders WHERE n > (SELECT COUNT(*) FROM ships)",
     "  select  (line 1, changes)\n"
     "    left join  (line 1, changes, state grows with every row: SET 'table.exec.state.ttl' or "
     "join by time)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"
     "      select  (line 1, changes)\n"
     "        aggregate: COUNT(*)  (line 1, changes)\n"
     "          select  (line 1)\n"
     "            scan ships  (line 1)\n"},
    {"uno", "SELECT id FROM orders o WHERE n = (SELECT COUNT(*) FROM ships s WHERE s.id = o.id)",
     "  select  (line 1, changes)\n"
     "    left join on left.c0 = right.c1  (line 1, changes, state grows with every row: SET "
     "'table.exec.state.ttl' or join by time)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"
     "      select  (line 1, changes)\n"
     "        aggregate by c0: COUNT(*)  (line 1, changes, state grows with every new key: SET "
     "'table.exec.state.ttl' or use windows)\n"
     "          select  (line 1)\n"
     "            scan ships  (line 1)\n"},
    {"uno", "SELECT (SELECT city FROM places) FROM orders",
     "  select  (line 1, changes)\n"
     "    left join  (line 1, changes, state grows with every row: SET 'table.exec.state.ttl' or "
     "join by time)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"
     "      aggregate: SINGLE_VALUE(c0)  (line 1, changes)\n"
     "        select  (line 1)\n"
     "          scan places  (line 1)\n"},
    {"uno",
     "SELECT id FROM orders WHERE id IN (SELECT id FROM ships GROUP BY id HAVING COUNT(*) > 1)",
     "  select  (line 1, changes)\n"
     "    semi join on left.c0 = right.c0  (line 1, changes, state grows with every row: SET "
     "'table.exec.state.ttl' or join by time)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"
     "      select  (line 1, changes)\n"
     "        aggregate by c0: COUNT(*)  (line 1, changes, state grows with every new key: SET "
     "'table.exec.state.ttl' or use windows)\n"
     "          select  (line 1)\n"
     "            scan ships  (line 1)\n"},
};

static void subqueries_are_joins(void **state)
{
    check(*state, subqueries_are_joins_claims, COUNT_OF(subqueries_are_joins_claims),
          (struct sql_plan_options){0});
}

static const struct claim anywhere_else_they_are_marks_claims[] = {
    {"uno", "SELECT id FROM orders WHERE id = 'a' OR id IN (SELECT id FROM ships)",
     "  select  (line 1, changes)\n"
     "    mark join on left.c0 = right.c0  (line 1, changes, state grows with every row: SET "
     "'table.exec.state.ttl' or join by time)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"
     "      select  (line 1)\n"
     "        scan ships  (line 1)\n"},
    {"uno",
     "SELECT id FROM orders WHERE NOT (n > 1 AND EXISTS (SELECT 1 FROM ships s WHERE s.id = "
     "orders.id))",
     "  select  (line 1, changes)\n"
     "    mark join on left.c0 = right.c0  (line 1, changes, state grows with every row: SET "
     "'table.exec.state.ttl' or join by time)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"
     "      select  (line 1)\n"
     "        scan ships  (line 1)\n"},
    {"uno", "SELECT CASE WHEN id IN (SELECT id FROM ships) THEN 'y' ELSE 'n' END FROM orders",
     "  select  (line 1, changes)\n"
     "    mark join on left.c0 = right.c0  (line 1, changes, state grows with every row: SET "
     "'table.exec.state.ttl' or join by time)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"
     "      select  (line 1)\n"
     "        scan ships  (line 1)\n"},
    {"uno", "SELECT CAST(id IN (SELECT id FROM ships) AS STRING) FROM orders",
     "  select  (line 1, changes)\n"
     "    mark join  (line 1, changes, state grows with every row: SET 'table.exec.state.ttl' or "
     "join by time)\n"
     "      mark join on left.c2 = right.c1  (line 1, changes, state grows with every row: SET "
     "'table.exec.state.ttl' or join by time)\n"
     "        select  (line 1, changes)\n"
     "          mark join on left.c0 = right.c0  (line 1, changes, state grows with every row: SET "
     "'table.exec.state.ttl' or join by time)\n"
     "            select  (line 1)\n"
     "              scan orders  (line 1)\n"
     "            select  (line 1)\n"
     "              scan ships  (line 1)\n"
     "        select  (line 1)\n"
     "          select  (line 1, the rows of line 1 again)\n"
     "      select  (line 1)\n"
     "        select  (line 1, the rows of line 1 again)\n"},
    {"uno",
     "SELECT id FROM orders o WHERE id NOT IN (SELECT id FROM ships s WHERE s.place = o.who)",
     "  select  (line 1, changes)\n"
     "    mark join on left.c1 = right.c1  (line 1, changes, state grows with every row: SET "
     "'table.exec.state.ttl' or join by time)\n"
     "      mark join on left.c1 = right.c1 and left.c3 = right.c2  (line 1, changes, state grows "
     "with every row: SET 'table.exec.state.ttl' or join by time)\n"
     "        select  (line 1, changes)\n"
     "          mark join on left.c1 = right.c1 and left.c0 = right.c0  (line 1, changes, state "
     "grows with every row: SET 'table.exec.state.ttl' or join by time)\n"
     "            select  (line 1)\n"
     "              scan orders  (line 1)\n"
     "            select  (line 1)\n"
     "              scan ships  (line 1)\n"
     "        select  (line 1)\n"
     "          select  (line 1, the rows of line 1 again)\n"
     "      select  (line 1)\n"
     "        select  (line 1, the rows of line 1 again)\n"},
    {"uno", "SELECT id FROM orders WHERE (id, who) NOT IN (SELECT id, place FROM ships)",
     "  select  (line 1, changes)\n"
     "    mark join, with a condition  (line 1, changes, state grows with every row: SET "
     "'table.exec.state.ttl' or join by time)\n"
     "      mark join on left.c0 = right.c0 and left.c1 = right.c1  (line 1, changes, state grows "
     "with every row: SET 'table.exec.state.ttl' or join by time)\n"
     "        select  (line 1)\n"
     "          scan orders  (line 1)\n"
     "        select  (line 1)\n"
     "          scan ships  (line 1)\n"
     "      select  (line 1, the rows of line 1 again)\n"},
    {"duo",
     "SELECT who, COUNT(*) FROM orders GROUP BY who HAVING COUNT(*) > 3 OR who IN (SELECT id FROM "
     "ships)",
     "  select  (line 1, changes)\n"
     "    mark join on left.c0 = right.c0  (line 1, changes, state grows with every row: SET "
     "'table.exec.state.ttl' or join by time)\n"
     "      aggregate by c0: COUNT(*)  (line 1, changes, state grows with every new key: SET "
     "'table.exec.state.ttl' or use windows)\n"
     "        select  (line 1)\n"
     "          scan orders  (line 1)\n"
     "      select  (line 1)\n"
     "        scan ships  (line 1)\n"},
    {"duo",
     "SELECT who, SUM(CASE WHEN EXISTS (SELECT 1 FROM ships s WHERE s.id = orders.id) THEN 1 ELSE "
     "0 END) FROM orders GROUP BY who",
     "  select  (line 1, changes)\n"
     "    aggregate by c0: SUM(c1)  (line 1, changes, state grows with every new key: SET "
     "'table.exec.state.ttl' or use windows)\n"
     "      select  (line 1, changes)\n"
     "        mark join on left.c0 = right.c0  (line 1, changes, state grows with every row: SET "
     "'table.exec.state.ttl' or join by time)\n"
     "          select  (line 1)\n"
     "            scan orders  (line 1)\n"
     "          select  (line 1)\n"
     "            scan ships  (line 1)\n"},
    {"duo",
     "SELECT o.id, n FROM orders o LEFT JOIN ships s ON o.id = s.id AND o.who IN (SELECT cur FROM "
     "rates)",
     "  select  (line 1, changes)\n"
     "    left join on left.c0 = right.c0, with a condition  (line 1, changes, state grows with "
     "every row: SET 'table.exec.state.ttl' or join by time)\n"
     "      mark join on left.c1 = right.c0  (line 1, changes, state grows with every row: SET "
     "'table.exec.state.ttl' or join by time)\n"
     "        select  (line 1)\n"
     "          scan orders  (line 1)\n"
     "        select  (line 1)\n"
     "          scan rates  (line 1)\n"
     "      select  (line 1)\n"
     "        scan ships  (line 1)\n"},
};

static void anywhere_else_they_are_marks(void **state)
{
    check(*state, anywhere_else_they_are_marks_claims,
          COUNT_OF(anywhere_else_they_are_marks_claims), (struct sql_plan_options){0});
}

static const struct claim each_kind_keeps_its_meaning_claims[] = {
    {"uno", "SELECT id FROM orders WHERE (id, who) IN (SELECT id, place FROM ships)",
     "  select  (line 1)\n"
     "    semi join on left.c0 = right.c0 and left.c1 = right.c1  (line 1, state grows with every "
     "row: SET 'table.exec.state.ttl' or join by time)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"
     "      select  (line 1)\n"
     "        scan ships  (line 1)\n"},
    {"uno", "SELECT id FROM orders WHERE id = ANY (SELECT id FROM ships)",
     "  select  (line 1)\n"
     "    semi join on left.c0 = right.c0  (line 1, state grows with every row: SET "
     "'table.exec.state.ttl' or join by time)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"
     "      select  (line 1)\n"
     "        scan ships  (line 1)\n"},
    {"uno", "SELECT (SELECT place FROM ships s WHERE s.id = o.id) FROM orders o",
     "  select  (line 1, changes)\n"
     "    left join on left.c0 = right.c0  (line 1, changes, state grows with every row: SET "
     "'table.exec.state.ttl' or join by time)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"
     "      aggregate by c1: SINGLE_VALUE(c0)  (line 1, changes, state grows with every new key: "
     "SET 'table.exec.state.ttl' or use windows)\n"
     "        select  (line 1)\n"
     "          scan ships  (line 1)\n"},
    {"uno",
     "SELECT id FROM orders o WHERE EXISTS (SELECT place FROM ships s WHERE s.id = o.id GROUP BY "
     "place HAVING COUNT(*) > 2)",
     "  select  (line 1, changes)\n"
     "    semi join on left.c0 = right.c1  (line 1, changes, state grows with every row: SET "
     "'table.exec.state.ttl' or join by time)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"
     "      select  (line 1, changes)\n"
     "        aggregate by c0, c1: COUNT(*)  (line 1, changes, state grows with every new key: SET "
     "'table.exec.state.ttl' or use windows)\n"
     "          select  (line 1)\n"
     "            scan ships  (line 1)\n"},
    {"uno",
     "SELECT id FROM orders o WHERE EXISTS (SELECT DISTINCT place FROM ships s WHERE s.id = o.id "
     "LIMIT 1)",
     "  select  (line 1)\n"
     "    semi join on left.c0 = right.c0  (line 1, state grows with every row: SET "
     "'table.exec.state.ttl' or join by time)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"
     "      select  (line 1)\n"
     "        scan ships  (line 1)\n"},
    {"duo",
     "SELECT who, COUNT(*) FROM orders GROUP BY who HAVING COUNT(*) > (SELECT COUNT(*) FROM ships "
     "s WHERE s.id = who)",
     "  select  (line 1, changes)\n"
     "    left join on left.c0 = right.c1  (line 1, changes, state grows with every row: SET "
     "'table.exec.state.ttl' or join by time)\n"
     "      aggregate by c0: COUNT(*)  (line 1, changes, state grows with every new key: SET "
     "'table.exec.state.ttl' or use windows)\n"
     "        select  (line 1)\n"
     "          scan orders  (line 1)\n"
     "      select  (line 1, changes)\n"
     "        aggregate by c0: COUNT(*)  (line 1, changes, state grows with every new key: SET "
     "'table.exec.state.ttl' or use windows)\n"
     "          select  (line 1)\n"
     "            scan ships  (line 1)\n"},
    {"duo",
     "SELECT o.id, n FROM orders o LEFT JOIN ships s ON o.id = s.id AND s.place IN (SELECT cur "
     "FROM rates)",
     "  select  (line 1, changes)\n"
     "    left join on left.c0 = right.c0  (line 1, changes, state grows with every row: SET "
     "'table.exec.state.ttl' or join by time)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"
     "      semi join on left.c1 = right.c0  (line 1, state grows with every row: SET "
     "'table.exec.state.ttl' or join by time)\n"
     "        select  (line 1)\n"
     "          scan ships  (line 1)\n"
     "        select  (line 1)\n"
     "          scan rates  (line 1)\n"},
    {"duo",
     "SELECT o.id, n FROM orders o JOIN ships s ON o.id = s.id AND EXISTS (SELECT 1 FROM rates "
     "WHERE cur = o.who AND cur <> s.place)",
     "  select  (line 1)\n"
     "    semi join on left.c1 = right.c0, with a condition  (line 1, state grows with every row: "
     "SET 'table.exec.state.ttl' or join by time)\n"
     "      inner join on left.c0 = right.c0  (line 1, state grows with every row: SET "
     "'table.exec.state.ttl' or join by time)\n"
     "        select  (line 1)\n"
     "          scan orders  (line 1)\n"
     "        select  (line 1)\n"
     "          scan ships  (line 1)\n"
     "      select  (line 1)\n"
     "        scan rates  (line 1)\n"},
    {"duo", "SELECT 'all', (SELECT COUNT(*) FROM ships)",
     "  select  (line 1, changes)\n"
     "    left join  (line 1, changes, state grows with every row: SET 'table.exec.state.ttl' or "
     "join by time)\n"
     "      values  (line 1)\n"
     "      select  (line 1, changes)\n"
     "        aggregate: COUNT(*)  (line 1, changes)\n"
     "          select  (line 1)\n"
     "            scan ships  (line 1)\n"},
};

static void each_kind_keeps_its_meaning(void **state)
{
    check(*state, each_kind_keeps_its_meaning_claims, COUNT_OF(each_kind_keeps_its_meaning_claims),
          (struct sql_plan_options){0});
}

static const struct claim what_cannot_be_is_refused_by_place_claims[] = {
    {"uno",
     "SELECT id FROM orders o WHERE EXISTS (SELECT 1 FROM (SELECT id FROM ships WHERE place = "
     "o.who) s)",
     "line 1, column 105: `who` is a column of the query around: on a stream a subquery compares "
     "such columns in its WHERE, under AND alone"},
    {"uno",
     "SELECT (SELECT place FROM ships s WHERE s.id = o.id ORDER BY at_ LIMIT 1) FROM orders o",
     "line 1, column 62: LIMIT or OVER in a subquery that names columns of the query around it on "
     "a stream is not built yet"},
    {"uno", "SELECT (SELECT MAX(place) FROM ships s WHERE s.id > o.id) FROM orders o",
     "line 1, column 67: an aggregate that is compared with the query around it otherwise than by "
     "equality on a stream is not built yet"},
    {"duo",
     "SELECT who, COUNT(*) FROM orders o GROUP BY who HAVING EXISTS (SELECT 1 FROM ships s WHERE "
     "s.id = o.id)",
     "line 1, column 115: column `id` is neither in GROUP BY nor inside an aggregate (of the query "
     "around)"},
    {"uno",
     "SELECT o.id FROM orders o LEFT JOIN ships s ON EXISTS (SELECT 1 FROM rates WHERE cur = o.who "
     "AND cur <> s.place)",
     "line 1, column 64: a subquery in ON of an outer join names columns of one side alone"},
    {"duo", "SELECT MIN(id), COUNT(*) FROM orders GROUP BY who IN (SELECT id FROM ships)",
     "line 1, column 67: a subquery in GROUP BY: name it in a subquery in FROM"},
    {"uno", "SELECT id FROM orders WHERE n > ALL (SELECT 1, 2 FROM ships)",
     "line 1, column 47: ALL compares one value with a query of one column, but for = ANY and <> "
     "ALL"},
};

static void what_cannot_be_is_refused_by_place(void **state)
{
    check(*state, what_cannot_be_is_refused_by_place_claims,
          COUNT_OF(what_cannot_be_is_refused_by_place_claims), (struct sql_plan_options){0});
}

static void survives_each_failed_allocation(void **state)
{
    struct sql_resolver resolver = {.table = lookup, .arg = *state};
    int rc = ERR_NOMEM;

    for (int nth = 1; rc; nth++) {
        struct arena arena = {.fail_at = nth};
        struct sql_statement *statement;
        struct sql_insert_plan plan;

        assert_true(nth < 20000);
        rc = sql_parse_statement(SLICE_LIT("INSERT INTO duo SELECT who, COUNT(*) FROM orders o "
                                           "WHERE n = 1 OR (id, who) NOT IN "
                                           "(SELECT id, place FROM ships s WHERE s.at_ = o.at_) "
                                           "GROUP BY who HAVING COUNT(*) > "
                                           "(SELECT COUNT(*) FROM ships WHERE id = who)"),
                                 &arena, &statement, NULL);
        if (!rc)
            rc = sql_plan_insert(statement->insert, &resolver, NULL, &arena, &plan, NULL);
        arena_deinit(&arena);
    }
    assert_int_equal(rc, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subqueries_are_joins),
        cmocka_unit_test(anywhere_else_they_are_marks),
        cmocka_unit_test(each_kind_keeps_its_meaning),
        cmocka_unit_test(what_cannot_be_is_refused_by_place),
        cmocka_unit_test(survives_each_failed_allocation),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
