/* What a query is for a stream: the tree of nodes, as EXPLAIN prints it; and what is refused. */
#include "sql/test_plan.h"

static const struct claim aggregates_are_between_two_selects_claims[] = {
    {"duo", "SELECT who, COUNT(*) FROM orders WHERE n > 1 GROUP BY who",
     "  select  (line 1, changes)\n"
     "    aggregate by c0: COUNT(*)  (line 1, changes, state grows with every new key: SET "
     "'table.exec.state.ttl' or use windows)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"},
    {"duo",
     "SELECT who, n FROM (SELECT who, COUNT(*) AS n, SUM(price) AS s FROM orders GROUP BY who) "
     "WHERE n > 2",
     "  select  (line 1, changes)\n"
     "    aggregate by c0: COUNT(*)  (line 1, changes, state grows with every new key: SET "
     "'table.exec.state.ttl' or use windows)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"},
    {"duo", "SELECT MAX(who), COUNT(DISTINCT id) FILTER (WHERE n > 3) FROM orders",
     "  select  (line 1, changes)\n"
     "    aggregate: MAX(c0), COUNT(DISTINCT c1) FILTER c2  (line 1, changes)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"},
    {"duo",
     "SELECT MAX(k), COUNT(*) FROM (SELECT COUNT(*) AS c, who AS k FROM orders GROUP BY who) GROUP "
     "BY c",
     "  select  (line 1, changes)\n"
     "    aggregate by c0: MAX(c1), COUNT(*)  (line 1, changes, state grows with every new key: "
     "SET 'table.exec.state.ttl' or use windows)\n"
     "      select  (line 1, changes)\n"
     "        aggregate by c0: COUNT(*)  (line 1, changes, state grows with every new key: SET "
     "'table.exec.state.ttl' or use windows)\n"
     "          select  (line 1)\n"
     "            scan orders  (line 1)\n"},
    {"duo", "SELECT DISTINCT who, CAST(n AS BIGINT) FROM orders",
     "  select  (line 1, changes)\n"
     "    aggregate by c0, c1  (line 1, changes, state grows with every new key: SET "
     "'table.exec.state.ttl' or use windows)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"},
    {"duo", "SELECT who, CAST(AVG(n) + STDDEV_POP(price) AS BIGINT) FROM orders GROUP BY who",
     "  select  (line 1, changes)\n"
     "    aggregate by c0: COUNT(c1), SUM(c1), SUM(c2), SUM(c3), COUNT(c3)  (line 1, changes, "
     "state grows with every new key: SET 'table.exec.state.ttl' or use windows)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"},
    {"duo",
     "SELECT COALESCE(who, id), GROUPING(who, id) FROM orders GROUP BY GROUPING SETS ((who), (id), "
     "())",
     "  select  (line 1, changes)\n"
     "    aggregate by c0, c1, c2  (line 1, changes, state grows with every new key: SET "
     "'table.exec.state.ttl' or use windows)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"},
    {"duo", "SELECT who, COUNT(*) FROM orders GROUP BY CUBE (who, id)",
     "  select  (line 1, changes)\n"
     "    aggregate by c0, c1, c2: COUNT(*)  (line 1, changes, state grows with every new key: SET "
     "'table.exec.state.ttl' or use windows)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"},
};

static void aggregates_are_between_two_selects(void **state)
{
    check(*state, aggregates_are_between_two_selects_claims,
          COUNT_OF(aggregates_are_between_two_selects_claims), (struct sql_plan_options){0});
}

static const struct claim windows_are_made_by_the_operator_or_attached_claims[] = {
    {"windows_",
     "SELECT who, window_start, window_end, COUNT(*) FROM TABLE(TUMBLE(TABLE orders, "
     "DESCRIPTOR(at_), INTERVAL '1' MINUTE)) GROUP BY who, window_start, window_end",
     "  select  (line 1)\n"
     "    aggregate by c0 in windows of 1 min, by c1: COUNT(*)  (line 1)\n"
     "      select  (line 1)\n"
     "        scan orders, watermark  (line 1)\n"},
    {"windows_",
     "SELECT who, window_start, window_end, COUNT(*) FROM TABLE(HOP(TABLE orders, "
     "DESCRIPTOR(now_), INTERVAL '1' MINUTE, INTERVAL '1' HOUR)) GROUP BY who, window_start, "
     "window_end",
     "  select  (line 1)\n"
     "    aggregate by c0 in windows of 1 h every 1 min, by processing time: COUNT(*)  (line 1)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"},
    {"windows_",
     "SELECT 'x', window_start, window_end, SUM(c) FROM (SELECT window_start, window_end, who, "
     "COUNT(*) AS c FROM TABLE(CUMULATE(TABLE orders, DESCRIPTOR(at_), INTERVAL '1' MINUTE, "
     "INTERVAL '1' HOUR)) GROUP BY who, window_start, window_end) GROUP BY window_start, "
     "window_end",
     "  select  (line 1)\n"
     "    aggregate in windows that end at c2: SUM(c0)  (line 1)\n"
     "      select  (line 1)\n"
     "        aggregate by c0 in windows of up to 1 h every 1 min, by c1: COUNT(*)  (line 1)\n"
     "          select  (line 1)\n"
     "            scan orders, watermark  (line 1)\n"},
    {"windows_",
     "SELECT 'x', window_start, window_end, SUM(c) FROM TABLE(TUMBLE(TABLE (SELECT window_time AS "
     "t, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(at_), INTERVAL '1' MINUTE)) "
     "GROUP BY window_start, window_end, window_time), DESCRIPTOR(t), INTERVAL '1' HOUR)) GROUP BY "
     "window_start, window_end",
     "  select  (line 1)\n"
     "    aggregate in windows of 1 h, by c1: SUM(c0)  (line 1)\n"
     "      select  (line 1)\n"
     "        aggregate in windows of 1 min, by c0: COUNT(*)  (line 1)\n"
     "          select  (line 1)\n"
     "            scan orders, watermark  (line 1)\n"},
    {"duo",
     "SELECT CAST(window_end AS STRING), COUNT(*) FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "
     "who ORDER BY c "
     "DESC) AS rn FROM (SELECT who, window_start, window_end, COUNT(*) AS c FROM "
     "TABLE(TUMBLE(TABLE orders, DESCRIPTOR(at_), INTERVAL '1' MINUTE)) GROUP BY who, "
     "window_start, window_end)) WHERE rn <= 2 GROUP BY window_start, window_end",
     "  select  (line 1, changes)\n"
     "    aggregate by c0, c1: COUNT(*)  (line 1, changes, state grows with every new key: SET "
     "'table.exec.state.ttl' or use windows)\n"
     "      select  (line 1, changes)\n"
     "        rows 1 to 2 of c0 order by c3 desc  (line 1, changes, state grows with every new "
     "key: "
     "SET 'table.exec.state.ttl' or use windows)\n"
     "          select  (line 1)\n"
     "            aggregate by c0 in windows of 1 min, by c1: COUNT(*)  (line 1)\n"
     "              select  (line 1)\n"
     "                scan orders, watermark  (line 1)\n"},
    {"windows_",
     "SELECT who, window_start, window_end, COUNT(*) FROM TABLE(TUMBLE(TABLE orders, "
     "DESCRIPTOR(at_), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, GROUPING SETS "
     "((who), ())",
     "  select  (line 1)\n"
     "    aggregate by c0, c1 in windows of 1 min, by c2: COUNT(*)  (line 1)\n"
     "      select  (line 1)\n"
     "        scan orders, watermark  (line 1)\n"},
    {"windows_",
     "SELECT who, window_start, window_end, 1 FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(at_), "
     "INTERVAL '1' MINUTE))",
     "  select  (line 1)\n"
     "    scan orders  (line 1)\n"},
    {"duo",
     "SELECT who, COUNT(*) FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(at_), INTERVAL '1' MINUTE)) "
     "GROUP BY who, window_start",
     "  select  (line 1, changes)\n"
     "    aggregate by c0, c1: COUNT(*)  (line 1, changes, state grows with every new key: SET "
     "'table.exec.state.ttl' or use windows)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"},
    {"windows_",
     "SELECT place, window_start, window_end, COUNT(*) FROM TABLE(TUMBLE(TABLE (SELECT place, id, "
     "at_ + INTERVAL '1' SECOND AS t FROM ships), DESCRIPTOR(t), INTERVAL '1' MINUTE)) GROUP BY "
     "place, window_start, window_end",
     "line 1, column 76: column `t` has no watermark, so its windows would never end: WATERMARK "
     "FOR `t` AS `t` - INTERVAL '5' SECOND in its CREATE TABLE"},
};

static void windows_are_made_by_the_operator_or_attached(void **state)
{
    check(*state, windows_are_made_by_the_operator_or_attached_claims,
          COUNT_OF(windows_are_made_by_the_operator_or_attached_claims),
          (struct sql_plan_options){0});
}

static const struct claim group_windows_are_windows_claims[] = {
    {"windows_",
     "SELECT who, TUMBLE_START(at_, INTERVAL '1' HOUR), TUMBLE_END(at_, INTERVAL '1' HOUR), "
     "COUNT(*) FROM orders GROUP BY who, TUMBLE(at_, INTERVAL '1' HOUR)",
     "  select  (line 1)\n"
     "    aggregate by c0 in windows of 1 h, by c1: COUNT(*)  (line 1)\n"
     "      select  (line 1)\n"
     "        scan orders, watermark  (line 1)\n"},
    {"windows_",
     "SELECT who, HOP_START(now_, INTERVAL '1' MINUTE, INTERVAL '1' HOUR), HOP_END(now_, INTERVAL "
     "'1' MINUTE, INTERVAL '1' HOUR), COUNT(*) FROM orders GROUP BY HOP(now_, INTERVAL '1' MINUTE, "
     "INTERVAL '1' HOUR), who",
     "  select  (line 1)\n"
     "    aggregate by c0 in windows of 1 h every 1 min, by processing time: COUNT(*)  (line 1)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"},
    {"windows_",
     "SELECT who, SESSION_START(at_, INTERVAL '1' MINUTE), SESSION_END(at_, INTERVAL '1' MINUTE), "
     "COUNT(*) FROM orders GROUP BY who, SESSION(at_, INTERVAL '1' MINUTE)",
     "  select  (line 1)\n"
     "    aggregate by c0 in sessions, gap 1 min, by c1: COUNT(*)  (line 1)\n"
     "      select  (line 1)\n"
     "        scan orders, watermark  (line 1)\n"},
    {"windows_",
     "SELECT 'x', TUMBLE_START(r, INTERVAL '1' DAY), TUMBLE_END(r, INTERVAL '1' DAY), SUM(c) FROM "
     "(SELECT COUNT(*) AS c, TUMBLE_ROWTIME(at_, INTERVAL '1' HOUR) AS r FROM orders GROUP BY "
     "TUMBLE(at_, INTERVAL '1' HOUR)) GROUP BY TUMBLE(r, INTERVAL '1' DAY)",
     "  select  (line 1)\n"
     "    aggregate in windows of 1 d, by c1: SUM(c0)  (line 1)\n"
     "      select  (line 1)\n"
     "        aggregate in windows of 1 h, by c0: COUNT(*)  (line 1)\n"
     "          select  (line 1)\n"
     "            scan orders, watermark  (line 1)\n"},
    {"windows_",
     "SELECT who, window_start, window_end, COUNT(*) FROM TABLE(SESSION(TABLE orders PARTITION BY "
     "who, DESCRIPTOR(at_), INTERVAL '5' MINUTE)) GROUP BY who, window_start, window_end",
     "  select  (line 1)\n"
     "    aggregate by c0 in sessions, gap 5 min, by c1: COUNT(*)  (line 1)\n"
     "      select  (line 1)\n"
     "        scan orders, watermark  (line 1)\n"},
    {"windows_",
     "SELECT who, window_start, window_end, COUNT(*) FROM TABLE(SESSION(DATA => TABLE orders, "
     "TIMECOL => DESCRIPTOR(at_), GAP => INTERVAL '5' MINUTE)) GROUP BY who, window_start, "
     "window_end",
     "line 1, column 74: SESSION(TABLE t PARTITION BY ...) takes the columns of GROUP BY, all of "
     "them: sessions of other keys on a stream are not built yet"},
    {"uno",
     "SELECT CAST(TUMBLE_END(at_, INTERVAL '2' HOUR) AS STRING) FROM orders GROUP BY TUMBLE(at_, "
     "INTERVAL '1' HOUR)",
     "line 1, column 29: TUMBLE_END: GROUP BY has no window TUMBLE of this time and size"},
};

static void group_windows_are_windows(void **state)
{
    check(*state, group_windows_are_windows_claims, COUNT_OF(group_windows_are_windows_claims),
          (struct sql_plan_options){0});
}

static const struct claim joins_take_keys_times_and_conditions_claims[] = {
    {"duo", "SELECT o.id, CAST(o.n AS BIGINT) FROM orders o JOIN ships s ON o.id = s.id",
     "  select  (line 1)\n"
     "    inner join on left.c0 = right.c0  (line 1, state grows with every row: SET "
     "'table.exec.state.ttl' or join by time)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"
     "      select  (line 1)\n"
     "        scan ships  (line 1)\n"},
    {"duo",
     "SELECT o.id, CAST(o.n AS BIGINT) FROM orders o, ships s WHERE o.id = s.id AND o.n > 3 AND "
     "s.place = 'x' AND o.who <> s.place",
     "  select  (line 1)\n"
     "    inner join on left.c0 = right.c0, with a condition  (line 1, state grows with every row: "
     "SET 'table.exec.state.ttl' or join by time)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"
     "      select  (line 1)\n"
     "        scan ships  (line 1)\n"},
    {"duo",
     "SELECT s.place, CAST(o.n AS BIGINT) FROM orders o LEFT JOIN ships s ON o.id = s.id AND o.n > "
     "3 AND s.place = 'x'",
     "  select  (line 1, changes)\n"
     "    left join on left.c0 = right.c0, with a condition  (line 1, changes, state grows with "
     "every row: SET 'table.exec.state.ttl' or join by time)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"
     "      select  (line 1)\n"
     "        scan ships  (line 1)\n"},
    {"duo",
     "SELECT a.id, CAST(a.n AS BIGINT) FROM orders a JOIN orders b ON a.id = b.id JOIN ships c ON "
     "UPPER(b.who) = c.place",
     "  select  (line 1)\n"
     "    inner join on left.c4 = right.c0  (line 1, state grows with every row: SET "
     "'table.exec.state.ttl' or join by time)\n"
     "      select  (line 1)\n"
     "        inner join on left.c0 = right.c0  (line 1, state grows with every row: SET "
     "'table.exec.state.ttl' or join by time)\n"
     "          select  (line 1)\n"
     "            scan orders  (line 1)\n"
     "          select  (line 1)\n"
     "            scan orders  (line 1)\n"
     "      select  (line 1)\n"
     "        scan ships  (line 1)\n"},
    {"duo",
     "SELECT o.id, CAST(o.n AS BIGINT) FROM orders o JOIN ships s ON o.id = s.id AND s.at_ BETWEEN "
     "o.at_ - INTERVAL '1' MINUTE AND o.at_ + INTERVAL '4' HOUR",
     "  select  (line 1)\n"
     "    inner interval join on left.c0 = right.c0, right.c1 from -1 min to 4 h after left.c2  "
     "(line 1)\n"
     "      select  (line 1)\n"
     "        scan orders, watermark  (line 1)\n"
     "      select  (line 1)\n"
     "        scan ships, watermark  (line 1)\n"},
    {"duo",
     "SELECT o.id, CAST(o.n AS BIGINT) FROM orders o, ships s WHERE o.id = s.id AND o.at_ > s.at_ "
     "AND o.at_ <= s.at_ + INTERVAL '10' SECOND",
     "  select  (line 1)\n"
     "    inner interval join on left.c0 = right.c0, right.c1 from -10 s to -1 ms after left.c2  "
     "(line 1)\n"
     "      select  (line 1)\n"
     "        scan orders, watermark  (line 1)\n"
     "      select  (line 1)\n"
     "        scan ships, watermark  (line 1)\n"},
    {"duo",
     "SELECT o.id, w.c FROM orders o JOIN (SELECT COUNT(*) AS c, window_end AS e FROM "
     "TABLE(TUMBLE(TABLE ships, DESCRIPTOR(at_), INTERVAL '1' MINUTE)) GROUP BY window_start, "
     "window_end) w ON CAST(o.n AS BIGINT) = w.c WHERE o.at_ BETWEEN w.e - INTERVAL '1' MINUTE AND "
     "w.e",
     "  select  (line 1)\n"
     "    inner join on left.c3 = right.c0, with a condition, left rows kept until right.c1 is 1 "
     "min ahead  (line 1, state grows with every row: SET 'table.exec.state.ttl' or join by time)\n"
     "      select  (line 1)\n"
     "        scan orders, watermark  (line 1)\n"
     "      select  (line 1)\n"
     "        aggregate in windows of 1 min, by c0: COUNT(*)  (line 1)\n"
     "          select  (line 1)\n"
     "            scan ships, watermark  (line 1)\n"},
    {"duo",
     "SELECT o.id, CAST(r.rate AS BIGINT) FROM orders AS o JOIN rates FOR SYSTEM_TIME AS OF o.at_ "
     "AS r ON o.who = r.cur",
     "  select  (line 1)\n"
     "    inner temporal join on left.c1 = right.c0 as of left.c2  (line 1)\n"
     "      select  (line 1)\n"
     "        scan orders, watermark  (line 1)\n"
     "      select  (line 1)\n"
     "        scan rates, watermark  (line 1)\n"},
    {"duo",
     "SELECT o.id, CAST(r.v AS BIGINT) FROM orders AS o LEFT JOIN ups FOR SYSTEM_TIME AS OF o.now_ "
     "AS r ON o.who = r.id",
     "  select  (line 1)\n"
     "    left temporal join on left.c1 = right.c0 as of left.processing time  (line 1)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"
     "      last row by c0  (line 1, changes, state grows with every new key: SET "
     "'table.exec.state.ttl' or use windows)\n"
     "        select  (line 1, changes)\n"
     "          scan ups  (line 1, changes)\n"},
    {"duo",
     "SELECT p.city, CAST(o.n AS BIGINT) FROM orders AS o JOIN places FOR SYSTEM_TIME AS OF o.now_ "
     "AS p ON o.who = p.name",
     "  select  (line 1)\n"
     "    lookup join with places by c0  (line 1)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"},
    {"windows_",
     "SELECT l.who, l.window_start, r.window_end, 1 FROM (SELECT * FROM TABLE(TUMBLE(TABLE orders, "
     "DESCRIPTOR(at_), INTERVAL '1' MINUTE))) l JOIN (SELECT * FROM TABLE(TUMBLE(TABLE ships, "
     "DESCRIPTOR(at_), INTERVAL '1' MINUTE))) r ON l.id = r.id AND l.window_start = r.window_start "
     "AND l.window_end = r.window_end",
     "  select  (line 1)\n"
     "    inner window join on left.c0 = right.c0 and left.c2 = right.c1 and left.c3 = right.c2  "
     "(line 1)\n"
     "      select  (line 1)\n"
     "        scan orders, watermark  (line 1)\n"
     "      select  (line 1)\n"
     "        scan ships, watermark  (line 1)\n"},
    {"duo", "SELECT who, COUNT(*) FROM orders JOIN latest ON orders.id = latest.id GROUP BY who",
     "  select  (line 1, changes)\n"
     "    aggregate by c0: COUNT(*)  (line 1, changes, state grows with every new key: SET "
     "'table.exec.state.ttl' or use windows)\n"
     "      select  (line 1, changes)\n"
     "        inner join on left.c0 = right.c0  (line 1, changes, state grows with every row: SET "
     "'table.exec.state.ttl' or join by time)\n"
     "          select  (line 1)\n"
     "            scan orders  (line 1)\n"
     "          select  (line 1, changes)\n"
     "            rows 1 to 1 of c0 order by c1 desc  (line 1, changes, state grows with every new "
     "key: SET 'table.exec.state.ttl' or use windows)\n"
     "              select  (line 1)\n"
     "                scan ships  (line 1)\n"},
    {"duo", "SELECT u.tag, CAST(n AS BIGINT) FROM orders CROSS JOIN UNNEST(tags) AS u (tag)",
     "  select  (line 1)\n"
     "    scan orders  (line 1)\n"},
    {"duo",
     "SELECT u.tag, CAST(s.c AS BIGINT) FROM (SELECT id, COUNT(*) AS c FROM ships GROUP BY id) s "
     "JOIN orders o ON s.id = o.id CROSS JOIN UNNEST(o.tags) AS u (tag)",
     "  select  (line 1, changes)\n"
     "    inner join on left.c0 = right.c0  (line 1, changes, state grows with every row: SET "
     "'table.exec.state.ttl' or join by time)\n"
     "      select  (line 1, changes)\n"
     "        aggregate by c0: COUNT(*)  (line 1, changes, state grows with every new key: SET "
     "'table.exec.state.ttl' or use windows)\n"
     "          select  (line 1)\n"
     "            scan ships  (line 1)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"},
};

static void joins_take_keys_times_and_conditions(void **state)
{
    check(*state, joins_take_keys_times_and_conditions_claims,
          COUNT_OF(joins_take_keys_times_and_conditions_claims), (struct sql_plan_options){0});
}

static const struct claim first_rows_of_a_key_are_counted_claims[] = {
    {"duo",
     "SELECT who, CAST(rn AS BIGINT) FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY who ORDER BY "
     "price DESC) AS rn FROM orders) WHERE rn <= 3",
     "  select  (line 1, changes)\n"
     "    rows 1 to 3 of c0 order by c1 desc  (line 1, changes, state grows with every new key: "
     "SET 'table.exec.state.ttl' or use windows)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"},
    {"uno",
     "SELECT who FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY who ORDER BY at_) AS rn FROM "
     "orders) WHERE rn = 1",
     "  select  (line 1, changes)\n"
     "    rows 1 to 1 of c0 order by c1  (line 1, changes, state grows with every new key: SET "
     "'table.exec.state.ttl' or use windows)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"},
    {"uno",
     "SELECT who FROM orders QUALIFY ROW_NUMBER() OVER (PARTITION BY who ORDER BY now_ DESC) < 2",
     "  select  (line 1, changes)\n"
     "    rows 1 to 1 of c0 order by c1 desc  (line 1, changes, state grows with every new key: "
     "SET 'table.exec.state.ttl' or use windows)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"},
    {"windows_",
     "SELECT who, window_start, window_end, rn FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "
     "window_start, window_end ORDER BY c DESC) AS rn FROM (SELECT who, window_start, window_end, "
     "COUNT(*) AS c FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(at_), INTERVAL '1' MINUTE)) GROUP "
     "BY who, window_start, window_end)) WHERE rn <= 2",
     "  select  (line 1)\n"
     "    rows 1 to 2 of c1, c2 order by c3 desc, once per window  (line 1)\n"
     "      select  (line 1)\n"
     "        aggregate by c0 in windows of 1 min, by c1: COUNT(*)  (line 1)\n"
     "          select  (line 1)\n"
     "            scan orders, watermark  (line 1)\n"},
    {"uno", "SELECT who FROM orders ORDER BY price LIMIT 5 OFFSET 2",
     "  select  (line 1, changes)\n"
     "    rows 3 to 7 order by c1  (line 1, changes)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"},
    {"uno", "SELECT who FROM orders LIMIT 5",
     "  select  (line 1)\n"
     "    rows 1 to 5  (line 1)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"},
    {"uno", "SELECT who FROM orders ORDER BY at_, n",
     "  select  (line 1)\n"
     "    sort by c1 order by c2  (line 1)\n"
     "      select  (line 1)\n"
     "        scan orders, watermark  (line 1)\n"},
    {"uno", "SELECT who FROM orders ORDER BY n",
     "line 1, column 40: Sort on a non-time-attribute field is not supported: a stream has no end. "
     "ORDER BY a rowtime first, add a LIMIT, or SET 'execution.runtime-mode' = 'batch'"},
    {"duo",
     "SELECT who, rn FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY who ORDER BY price) AS rn "
     "FROM orders) WHERE rn > 3",
     "line 1, column 48: Rank end is not specified. Currently rank only support TopN, which means "
     "the rank end must be specified: WHERE rn <= N"},
    {"duo",
     "SELECT who, rn FROM (SELECT *, RANK() OVER (PARTITION BY who ORDER BY price) AS rn FROM "
     "orders) WHERE rn < 3",
     "line 1, column 48: RANK() on streaming table is not supported: ROW_NUMBER() is"},
    /* The number may be missing: the condition is below and above. */
    {"uno",
     "SELECT s.id FROM ships AS s LEFT JOIN (SELECT id, ROW_NUMBER() OVER (PARTITION BY who ORDER "
     "BY price) AS rn FROM orders) AS o ON s.id = o.id WHERE rn <= 2",
     "  select  (line 1, changes)\n"
     "    left join on left.c0 = right.c0  (line 1, changes, state grows with every row: SET "
     "'table.exec.state.ttl' or join by time)\n"
     "      select  (line 1)\n"
     "        scan ships  (line 1)\n"
     "      select  (line 1, changes)\n"
     "        rows 1 to 2 of c1 order by c2  (line 1, changes, state grows with every new key: SET "
     "'table.exec.state.ttl' or use windows)\n"
     "          select  (line 1)\n"
     "            scan orders  (line 1)\n"},
    /* Another number is counted between the two, over all rows. */
    {"uno",
     "SELECT who FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY price ORDER BY n) AS b FROM "
     "(SELECT *, ROW_NUMBER() OVER (PARTITION BY who ORDER BY price) AS a FROM orders)) "
     "WHERE a <= 2 AND b = 1",
     "line 1, column 105: OVER windows' ordering in stream mode must be defined on a time "
     "attribute. The first rows of a key are ROW_NUMBER() in a subquery and WHERE rn <= N above "
     "it"},
    /* It is of a row of another query. */
    {"uno",
     "SELECT who FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY who ORDER BY price) AS rn FROM "
     "orders) AS o WHERE NOT EXISTS (SELECT 1 FROM ships WHERE ships.id = o.id AND o.rn <= 2)",
     "line 1, column 34: OVER windows' ordering in stream mode must be defined on a time "
     "attribute. The first rows of a key are ROW_NUMBER() in a subquery and WHERE rn <= N above "
     "it"},
};

static void first_rows_of_a_key_are_counted(void **state)
{
    check(*state, first_rows_of_a_key_are_counted_claims,
          COUNT_OF(first_rows_of_a_key_are_counted_claims), (struct sql_plan_options){0});
}

static const struct claim queries_nest_claims[] = {
    {"uno",
     "SELECT id FROM orders WHERE EXISTS (SELECT 1 FROM ships WHERE ships.id = orders.id AND "
     "ships.id IN (SELECT cur FROM rates))",
     "  select  (line 1)\n"
     "    semi join on left.c0 = right.c0  (line 1, state grows with every row: SET "
     "'table.exec.state.ttl' or join by time)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"
     "      semi join on left.c0 = right.c0  (line 1, state grows with every row: SET "
     "'table.exec.state.ttl' or join by time)\n"
     "        select  (line 1)\n"
     "          scan ships  (line 1)\n"
     "        select  (line 1)\n"
     "          scan rates  (line 1)\n"},
    {"uno",
     "SELECT CAST(COUNT(*) AS STRING) FROM orders a JOIN orders b USING (id) JOIN ships USING (id)",
     "  select  (line 1, changes)\n"
     "    aggregate: COUNT(*)  (line 1, changes)\n"
     "      select  (line 1)\n"
     "        inner join on left.c0 = right.c0  (line 1, state grows with every row: SET "
     "'table.exec.state.ttl' or join by time)\n"
     "          inner join on left.c0 = right.c0  (line 1, state grows with every row: SET "
     "'table.exec.state.ttl' or join by time)\n"
     "            select  (line 1)\n"
     "              scan orders  (line 1)\n"
     "            select  (line 1, the rows of line 1 again)\n"
     "          select  (line 1)\n"
     "            scan ships  (line 1)\n"},
    {"duo",
     "SELECT x.who, m.most FROM (SELECT who, COUNT(*) AS c, window_end AS e FROM "
     "TABLE(TUMBLE(TABLE orders, DESCRIPTOR(at_), INTERVAL '1' MINUTE)) GROUP BY who, "
     "window_start, window_end) x JOIN (SELECT MAX(c) AS most FROM (SELECT who, COUNT(*) AS c FROM "
     "TABLE(TUMBLE(TABLE orders, DESCRIPTOR(at_), INTERVAL '1' MINUTE)) GROUP BY who, "
     "window_start, window_end)) m ON x.c = m.most",
     "  select  (line 1, changes)\n"
     "    inner join on left.c1 = right.c0  (line 1, changes, state grows with every row: SET "
     "'table.exec.state.ttl' or join by time)\n"
     "      select  (line 1)\n"
     "        aggregate by c0 in windows of 1 min, by c1: COUNT(*)  (line 1)\n"
     "          select  (line 1)\n"
     "            scan orders, watermark  (line 1)\n"
     "      select  (line 1, changes)\n"
     "        aggregate: MAX(c0)  (line 1, changes)\n"
     "          select  (line 1)\n"
     "            aggregate by c0 in windows of 1 min, by c1: COUNT(*)  (line 1, the rows of line "
     "1 "
     "again)\n"},
    {"uno",
     "SELECT a.id FROM (SELECT id, UUID() AS u FROM orders) a JOIN (SELECT id, UUID() AS u FROM "
     "orders) b ON a.u = b.u",
     "  select  (line 1)\n"
     "    inner join on left.c1 = right.c0  (line 1, state grows with every row: SET "
     "'table.exec.state.ttl' or join by time)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"},
    {"uno", "SELECT a FROM (SELECT 'x' AS a) JOIN orders ON a = id",
     "  select  (line 1)\n"
     "    inner join on left.c1 = right.c0  (line 1, state grows with every row: SET "
     "'table.exec.state.ttl' or join by time)\n"
     "      select  (line 1)\n"
     "        values  (line 1)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"},
    {"uno", "SELECT DISTINCT id FROM orders ORDER BY id LIMIT 3",
     "  select  (line 1, changes)\n"
     "    rows 1 to 3 order by c0  (line 1, changes)\n"
     "      aggregate by c0  (line 1, changes, state grows with every new key: SET "
     "'table.exec.state.ttl' or use windows)\n"
     "        select  (line 1)\n"
     "          scan orders  (line 1)\n"},
    {"uno", "SELECT who FROM orders GROUP BY who ORDER BY COUNT(*) DESC LIMIT 3",
     "  select  (line 1, changes)\n"
     "    rows 1 to 3 order by c1 desc  (line 1, changes)\n"
     "      aggregate by c0: COUNT(*)  (line 1, changes, state grows with every new key: SET "
     "'table.exec.state.ttl' or use windows)\n"
     "        select  (line 1)\n"
     "          scan orders  (line 1)\n"},
    {"uno",
     "SELECT who FROM (SELECT who, SUM(SUM(n)) OVER (PARTITION BY who ORDER BY window_time) AS s "
     "FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(at_), INTERVAL '1' MINUTE)) GROUP BY who, "
     "window_start, window_end, window_time) WHERE s > 3",
     "  select  (line 1)\n"
     "    over by c0 order by c5: SUM(c4)  (line 1, state grows with every new key: SET "
     "'table.exec.state.ttl' or use windows)\n"
     "      select  (line 1)\n"
     "        aggregate by c0 in windows of 1 min, by c2: SUM(c1)  (line 1)\n"
     "          select  (line 1)\n"
     "            scan orders, watermark  (line 1)\n"},
    {"uno",
     "SELECT o.id FROM orders o RIGHT JOIN ships s ON o.id = s.id AND o.n > 3 AND s.place = 'a' "
     "WHERE s.place <> 'b'",
     "  select  (line 1, changes)\n"
     "    right join on left.c0 = right.c0, with a condition  (line 1, changes, state grows with "
     "every row: SET 'table.exec.state.ttl' or join by time)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"
     "      select  (line 1)\n"
     "        scan ships  (line 1)\n"},
    {"uno",
     "SELECT o.id FROM orders o LEFT JOIN (ships s JOIN rates r ON s.place = r.cur) ON o.id = s.id",
     "  select  (line 1, changes)\n"
     "    left join on left.c0 = right.c0  (line 1, changes, state grows with every row: SET "
     "'table.exec.state.ttl' or join by time)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"
     "      inner join on left.c1 = right.c0  (line 1, state grows with every row: SET "
     "'table.exec.state.ttl' or join by time)\n"
     "        select  (line 1)\n"
     "          scan ships  (line 1)\n"
     "        select  (line 1)\n"
     "          scan rates  (line 1)\n"},
    {"uno",
     "SELECT id FROM orders, LATERAL (SELECT tag FROM UNNEST(tags) AS t (tag) WHERE tag <> who) AS "
     "x (tag)",
     "  select  (line 1)\n"
     "    scan orders  (line 1)\n"},
    {"uno",
     "SELECT id FROM (SELECT id FROM orders LIMIT 3) x JOIN (SELECT place FROM ships LIMIT 4) y ON "
     "TRUE",
     "  select  (line 1)\n"
     "    inner join  (line 1, state grows with every row: SET 'table.exec.state.ttl' or join by "
     "time)\n"
     "      select  (line 1)\n"
     "        rows 1 to 3  (line 1)\n"
     "          select  (line 1)\n"
     "            scan orders  (line 1)\n"
     "      select  (line 1)\n"
     "        rows 1 to 4  (line 1)\n"
     "          select  (line 1)\n"
     "            scan ships  (line 1)\n"},
    {"uno",
     "SELECT MAX(id) FROM TABLE(HOP(TABLE orders, DESCRIPTOR(at_), INTERVAL '1' MINUTE, INTERVAL "
     "'5' MINUTE)) GROUP BY window_start, window_end HAVING MAX(window_start) < MAX(window_end)",
     "  select  (line 1)\n"
     "    aggregate in windows that end at c2: MAX(c0), MAX(c1), MAX(c2)  (line 1)\n"
     "      select  (line 1)\n"
     "        scan orders, watermark  (line 1)\n"},
    {"uno",
     "SELECT id FROM (SELECT id, ROW_NUMBER() OVER (PARTITION BY who ORDER BY price) AS rn FROM "
     "orders) WHERE rn <= 0",
     "  select  (line 1)\n"
     "    scan orders  (line 1)\n"},
    {"uno", "SELECT l.id FROM orders l JOIN latest FOR SYSTEM_TIME AS OF l.at_ AS r ON l.id = r.id",
     "line 1, column 43: Event-Time Temporal Table Join requires both primary key and row time "
     "attribute in versioned table, but no row time attribute can be found: WATERMARK FOR"},
};

static void queries_nest(void **state)
{
    check(*state, queries_nest_claims, COUNT_OF(queries_nest_claims), (struct sql_plan_options){0});
}

static const struct claim over_goes_by_time_claims[] = {
    {"duo",
     "SELECT who, SUM(n) OVER (PARTITION BY who ORDER BY at_ RANGE BETWEEN INTERVAL '1' HOUR "
     "PRECEDING AND CURRENT ROW) FROM orders",
     "  select  (line 1)\n"
     "    over by c0 order by c2, 1 h before: SUM(c1)  (line 1, state grows with every new key: "
     "SET 'table.exec.state.ttl' or use windows)\n"
     "      select  (line 1)\n"
     "        scan orders, watermark  (line 1)\n"},
    {"duo",
     "SELECT LAG(who) OVER w, COUNT(*) OVER w FROM orders WINDOW w AS (PARTITION BY id ORDER BY "
     "at_ ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)",
     "  select  (line 1)\n"
     "    over by c0 order by c2, 2 rows before: LAG(c1), COUNT(*)  (line 1, state grows with "
     "every new key: SET 'table.exec.state.ttl' or use windows)\n"
     "      select  (line 1)\n"
     "        scan orders, watermark  (line 1)\n"},
    {"duo", "SELECT who, SUM(n) OVER (PARTITION BY who ORDER BY price) FROM orders",
     "line 1, column 17: OVER windows' ordering in stream mode must be defined on a time "
     "attribute. The first rows of a key are ROW_NUMBER() in a subquery and WHERE rn <= N above "
     "it"},
    {"duo",
     "SELECT who, SUM(n) OVER (ORDER BY at_) + SUM(n) OVER (PARTITION BY who ORDER BY at_) FROM "
     "orders",
     "line 1, column 58: Over Agg: all aggregates must be computed on the same window"},
};

static void over_goes_by_time(void **state)
{
    check(*state, over_goes_by_time_claims, COUNT_OF(over_goes_by_time_claims),
          (struct sql_plan_options){0});
}

static const struct claim the_watermark_is_asked_of_a_rowtime_claims[] = {
    {"uno",
     "SELECT id FROM orders WHERE CURRENT_WATERMARK(at_) IS NULL OR at_ > CURRENT_WATERMARK(at_)",
     "  select  (line 1)\n"
     "    scan orders, watermark  (line 1)\n"},
    {"uno",
     "SELECT o.id FROM orders AS o JOIN ships AS s ON o.id = s.id AND s.at_ BETWEEN o.at_ - "
     "INTERVAL '1' HOUR AND o.at_ WHERE s.at_ > CURRENT_WATERMARK(o.at_) AND o.n > 1",
     "  select  (line 1)\n"
     "    inner interval join on left.c0 = right.c0, right.c1 from -1 h to 0 ms after left.c2  "
     "(line 1)\n"
     "      select  (line 1)\n"
     "        scan orders, watermark  (line 1)\n"
     "      select  (line 1)\n"
     "        scan ships, watermark  (line 1)\n"},
    {"uno", "SELECT CAST(CURRENT_WATERMARK(now_) AS STRING) FROM orders",
     "line 1, column 29: The argument of CURRENT_WATERMARK() must be a rowtime attribute, but was "
     "'TIMESTAMP_LTZ(3) NOT NULL *PROCTIME*'"},
    {"uno",
     "SELECT CAST(CURRENT_WATERMARK(o.at_) AS STRING) FROM orders AS o JOIN ships AS s ON o.id = "
     "s.id",
     "line 1, column 29: The argument of CURRENT_WATERMARK() must be a rowtime attribute, but was "
     "'TIMESTAMP(3)'"},
};

static void the_watermark_is_asked_of_a_rowtime(void **state)
{
    check(*state, the_watermark_is_asked_of_a_rowtime_claims,
          COUNT_OF(the_watermark_is_asked_of_a_rowtime_claims), (struct sql_plan_options){0});
}

/* ---- bounded runs ---- */

static const struct claim a_bounded_run_gives_what_is_left_claims[] = {
    {"duo", "SELECT id, CAST(v AS BIGINT) FROM ups",
     "line 1, column 51: Querying an unbounded table 'ups' in batch mode is not allowed. The table "
     "source is unbounded."},
    {"duo", "SELECT o.id, CAST(o.n AS BIGINT) FROM orders AS o LEFT JOIN ships AS s ON o.id = s.id",
     "  select  (line 1)\n"
     "    what is left  (line 1)\n"
     "      select  (line 1, changes)\n"
     "        left join on left.c0 = right.c0  (line 1, changes, state grows with every "
     "row: SET 'table.exec.state.ttl' or join by time)\n"
     "          select  (line 1)\n"
     "            scan orders  (line 1)\n"
     "          select  (line 1)\n"
     "            scan ships  (line 1)\n"},
    {"uno", "SELECT who FROM orders ORDER BY n LIMIT 5",
     "  select  (line 1)\n"
     "    rows 1 to 5  (line 1)\n"
     "      sort order by c1  (line 1)\n"
     "        select  (line 1)\n"
     "          scan orders  (line 1)\n"},
    {"duo",
     "SELECT o.id, CAST(o.n AS BIGINT) FROM orders AS o LEFT JOIN ships AS s ON o.id = s.id "
     "ORDER BY o.n",
     "  select  (line 1)\n"
     "    sort order by c2  (line 1)\n"
     "      what is left  (line 1)\n"
     "        select  (line 1, changes)\n"
     "          left join on left.c0 = right.c0  (line 1, changes, state grows with "
     "every row: SET 'table.exec.state.ttl' or join by time)\n"
     "            select  (line 1)\n"
     "              scan orders  (line 1)\n"
     "            select  (line 1)\n"
     "              scan ships  (line 1)\n"},
    {"duo", "SELECT who, COUNT(*) FROM orders GROUP BY who",
     "  select  (line 1)\n"
     "    aggregate by c0: COUNT(*)  (line 1, state grows with every new key: SET "
     "'table.exec.state.ttl' or use windows)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"},
};

static void a_bounded_run_gives_what_is_left(void **state)
{
    check(*state, a_bounded_run_gives_what_is_left_claims,
          COUNT_OF(a_bounded_run_gives_what_is_left_claims),
          (struct sql_plan_options){.batch = true});
}

static const struct claim sets_unite_or_compare_claims[] = {
    {"uno", "SELECT id FROM orders UNION ALL SELECT id FROM ships UNION ALL SELECT who FROM orders",
     "  select  (line 1)\n"
     "    union all  (line 1)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"
     "      select  (line 1)\n"
     "        scan ships  (line 1)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"},
    {"uno", "SELECT id FROM orders UNION SELECT id FROM ships",
     "  select  (line 1, changes)\n"
     "    aggregate by c0  (line 1, changes, state grows with every new key: SET "
     "'table.exec.state.ttl' or use windows)\n"
     "      union all  (line 1)\n"
     "        select  (line 1)\n"
     "          scan orders  (line 1)\n"
     "        select  (line 1)\n"
     "          scan ships  (line 1)\n"},
    {"uno", "SELECT id FROM orders EXCEPT SELECT id FROM ships",
     "  select  (line 1, changes)\n"
     "    except  (line 1, changes, state grows with every row: SET 'table.exec.state.ttl' or join "
     "by time)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"
     "      select  (line 1)\n"
     "        scan ships  (line 1)\n"},
    {"uno", "SELECT id FROM orders INTERSECT ALL SELECT id FROM ships",
     "  select  (line 1, changes)\n"
     "    intersect all  (line 1, changes, state grows with every row: SET 'table.exec.state.ttl' "
     "or join by time)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"
     "      select  (line 1)\n"
     "        scan ships  (line 1)\n"},
    {"uno", "SELECT id FROM orders UNION ALL VALUES ('a'), ('b')",
     "  select  (line 1)\n"
     "    union all  (line 1)\n"
     "      select  (line 1)\n"
     "        scan orders  (line 1)\n"
     "      select  (line 1)\n"
     "        values  (line 1)\n"},
};

static void sets_unite_or_compare(void **state)
{
    check(*state, sets_unite_or_compare_claims, COUNT_OF(sets_unite_or_compare_claims),
          (struct sql_plan_options){0});
}

static const struct claim tables_of_upserts_are_made_whole_claims[] = {
    {"duo", "SELECT id, CAST(v AS BIGINT) FROM ups WHERE v > 1",
     "  select  (line 1, changes)\n"
     "    last row by c0  (line 1, changes, state grows with every new key: SET "
     "'table.exec.state.ttl' or use windows)\n"
     "      select  (line 1, changes)\n"
     "        scan ups  (line 1, changes)\n"},
};

static void tables_of_upserts_are_made_whole(void **state)
{
    check(*state, tables_of_upserts_are_made_whole_claims,
          COUNT_OF(tables_of_upserts_are_made_whole_claims), (struct sql_plan_options){0});
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
        rc = sql_parse_statement(
            SLICE_LIT("INSERT INTO duo SELECT who, SUM(c) FROM (SELECT who, COUNT(*) AS c FROM "
                      "TABLE(TUMBLE(TABLE orders, DESCRIPTOR(at_), INTERVAL '1' MINUTE)) GROUP BY "
                      "who, window_start, window_end) WHERE who IN (SELECT id FROM latest) GROUP "
                      "BY who ORDER BY who LIMIT 3"),
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
        cmocka_unit_test(aggregates_are_between_two_selects),
        cmocka_unit_test(windows_are_made_by_the_operator_or_attached),
        cmocka_unit_test(group_windows_are_windows),
        cmocka_unit_test(joins_take_keys_times_and_conditions),
        cmocka_unit_test(first_rows_of_a_key_are_counted),
        cmocka_unit_test(queries_nest),
        cmocka_unit_test(over_goes_by_time),
        cmocka_unit_test(the_watermark_is_asked_of_a_rowtime),
        cmocka_unit_test(a_bounded_run_gives_what_is_left),
        cmocka_unit_test(sets_unite_or_compare),
        cmocka_unit_test(tables_of_upserts_are_made_whole),
        cmocka_unit_test(survives_each_failed_allocation),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
