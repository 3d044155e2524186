"""stream_sql.py - every clause that remembers rows, from topics into Iceberg tables, against DuckDB over all of the
input: aggregates, windows old and new, joins, subqueries, top-N, OVER, set operations; also through kills.
"""

import datetime
import decimal
import json
import os
import random
import re
import tempfile
import unittest

import duckdb
from confluent_kafka import Producer

from harness import Tarn, wait_until

WHEN = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?")
START = datetime.datetime(2024, 5, 1)
SOURCES = """
CREATE TABLE orders (id INT, who STRING, price DECIMAL(10, 2), n INT, tags ARRAY<STRING>, at_ TIMESTAMP(3),
    WATERMARK FOR at_ AS at_ - INTERVAL '5' SECOND)
  WITH ('connector' = 'kafka', 'topic' = 'orders', 'format' = 'json',
    'properties.bootstrap.servers' = '127.0.0.1:@KAFKA@', 'scan.startup.mode' = 'earliest-offset');
CREATE TABLE ships (id INT, place STRING, at_ TIMESTAMP(3), WATERMARK FOR at_ AS at_ - INTERVAL '5' SECOND)
  WITH ('connector' = 'kafka', 'topic' = 'ships', 'format' = 'json',
    'properties.bootstrap.servers' = '127.0.0.1:@KAFKA@', 'scan.startup.mode' = 'earliest-offset');
CREATE VIEW firsts AS SELECT id, place, at_ FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY id ORDER BY at_, place) AS rn FROM ships) WHERE rn = 1;
CREATE DATABASE IF NOT EXISTS polariscatalog.db;
"""
# In DuckDB's words: the windows that a time lies in.
MINUTES = "time_bucket(INTERVAL '1 minute', at_)"
SESSION = """(SELECT *, sum(CASE WHEN gap THEN 1 ELSE 0 END) OVER (PARTITION BY who ORDER BY at_) AS s FROM
    (SELECT *, at_ - lag(at_) OVER (PARTITION BY who ORDER BY at_) > INTERVAL '2 seconds' AS gap FROM orders))"""

# name: columns of the table, with its key when rows change; the query; what DuckDB says
CASES = {
    # aggregates
    "statistics": ("who STRING, n BIGINT, mean DOUBLE, spread DOUBLE, faces BIGINT, few BIGINT, "
                   "PRIMARY KEY (who) NOT ENFORCED",
                   "SELECT COALESCE(who, '-'), COUNT(*), AVG(CAST(n AS DOUBLE)), STDDEV_POP(CAST(n AS DOUBLE)), COUNT(DISTINCT price), "
                   "COUNT(*) FILTER (WHERE n > 5) FROM orders GROUP BY who",
                   "SELECT coalesce(who, '-'), count(*), avg(n), stddev_pop(n), count(DISTINCT price), count(*) FILTER (WHERE n > 5) "
                   "FROM orders GROUP BY who"),
    "counts_of_counts": ("c BIGINT, n BIGINT, PRIMARY KEY (c) NOT ENFORCED",
                         "SELECT c, COUNT(*) FROM (SELECT id % 97 AS k, COUNT(*) AS c FROM orders GROUP BY id % 97) "
                         "GROUP BY c",
                         "SELECT c, count(*) FROM (SELECT id % 97, count(*) AS c FROM orders GROUP BY ALL) GROUP BY c"),
    "cube": ("g INT, who STRING, n INT, c BIGINT, PRIMARY KEY (g, who, n) NOT ENFORCED",
             "SELECT CAST(GROUPING(who, n) AS INT), COALESCE(who, '-'), COALESCE(n, -1), COUNT(*) FROM orders "
             "GROUP BY CUBE (who, n)",
             "SELECT grouping(who, n), coalesce(who, '-'), coalesce(n, -1), count(*) FROM orders GROUP BY CUBE (who, n)"),
    "distinct_": ("who STRING, n INT, PRIMARY KEY (who, n) NOT ENFORCED", "SELECT DISTINCT COALESCE(who, '-'), n FROM orders",
                  "SELECT DISTINCT coalesce(who, '-'), n FROM orders"),
    "having_": ("n INT, c BIGINT, PRIMARY KEY (n) NOT ENFORCED",
                "SELECT n, COUNT(*) FROM orders GROUP BY n HAVING COUNT(*) < 700",
                "SELECT n, count(*) FROM orders GROUP BY n HAVING count(*) < 700"),
    # windows
    "tumbles": ("who STRING, s TIMESTAMP(3), e TIMESTAMP(3), c BIGINT, total BIGINT",
                "SELECT who, window_start, window_end, COUNT(*), SUM(CAST(n AS BIGINT)) FROM TABLE(TUMBLE(DATA => "
                "TABLE orders, TIMECOL => DESCRIPTOR(at_), SIZE => INTERVAL '1' MINUTE)) "
                "GROUP BY who, window_start, window_end",
                f"SELECT who, {MINUTES} AS s, s + INTERVAL '1 minute', count(*), sum(n) FROM orders GROUP BY ALL"),
    "tumbles_of_old": ("who STRING, s TIMESTAMP(3), e TIMESTAMP(3), r TIMESTAMP(3), c BIGINT",
                       "SELECT who, TUMBLE_START(at_, INTERVAL '1' MINUTE), TUMBLE_END(at_, INTERVAL '1' MINUTE), "
                       "TUMBLE_ROWTIME(at_, INTERVAL '1' MINUTE), COUNT(*) FROM orders "
                       "GROUP BY who, TUMBLE(at_, INTERVAL '1' MINUTE)",
                       f"SELECT who, {MINUTES} AS s, s + INTERVAL '1 minute', s + INTERVAL '59.999 seconds', count(*) "
                       "FROM orders GROUP BY ALL"),
    "sessions": ("who STRING, s TIMESTAMP(3), e TIMESTAMP(3), c BIGINT",
                 "SELECT who, SESSION_START(at_, INTERVAL '2' SECOND), SESSION_END(at_, INTERVAL '2' SECOND), COUNT(*) "
                 "FROM orders GROUP BY who, SESSION(at_, INTERVAL '2' SECOND)",
                 f"SELECT who, min(at_), max(at_) + INTERVAL '2 seconds', count(*) FROM {SESSION} GROUP BY who, s"),
    "sessions_by_key": ("who STRING, s TIMESTAMP(3), e TIMESTAMP(3), c BIGINT",
                        "SELECT who, window_start, window_end, COUNT(*) FROM TABLE(SESSION(TABLE orders PARTITION BY "
                        "who, DESCRIPTOR(at_), INTERVAL '2' SECOND)) GROUP BY who, window_start, window_end",
                        f"SELECT who, min(at_), max(at_) + INTERVAL '2 seconds', count(*) FROM {SESSION} "
                        "GROUP BY who, s"),
    "cascade": ("s TIMESTAMP(3), e TIMESTAMP(3), c BIGINT, most BIGINT",
                "SELECT window_start, window_end, SUM(c), MAX(c) FROM (SELECT window_start, window_end, who, COUNT(*) "
                "AS c FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(at_), INTERVAL '1' MINUTE)) GROUP BY who, "
                "window_start, window_end) GROUP BY window_start, window_end",
                "SELECT s, s + INTERVAL '1 minute', sum(c)::BIGINT, max(c) FROM (SELECT who, "
                f"{MINUTES} AS s, count(*) AS c FROM orders GROUP BY ALL) GROUP BY ALL"),
    "window_top": ("s TIMESTAMP(3), e TIMESTAMP(3), who STRING, c BIGINT, rn BIGINT",
                   "SELECT window_start, window_end, who, c, rn FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "
                   "window_start, window_end ORDER BY c DESC, who) AS rn FROM (SELECT who, window_start, window_end, "
                   "COUNT(*) AS c FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(at_), INTERVAL '1' MINUTE)) GROUP BY who, "
                   "window_start, window_end)) WHERE rn <= 2",
                   "SELECT s, s + INTERVAL '1 minute', who, c, row_number() OVER (PARTITION BY s ORDER BY c DESC, who "
                   f"NULLS FIRST) AS rn FROM (SELECT who, {MINUTES} AS s, count(*) AS c FROM orders GROUP BY ALL) "
                   "QUALIFY rn <= 2"),
    # joins
    "inner_": ("id INT, n INT, place STRING", "SELECT o.id, o.n, s.place FROM orders o JOIN ships s ON o.id = s.id",
               "SELECT o.id, o.n, s.place FROM orders o JOIN ships s ON o.id = s.id"),
    "left_": ("id INT, n INT, place STRING, PRIMARY KEY (id) NOT ENFORCED",
              "SELECT o.id, o.n, s.place FROM orders o LEFT JOIN firsts s ON o.id = s.id AND o.n > 3",
              "SELECT o.id, o.n, s.place FROM orders o LEFT JOIN firsts s ON o.id = s.id AND o.n > 3"),
    "three": ("id INT, place STRING, other STRING",
              "SELECT o.id, s.place, t.place FROM orders o, ships s, ships t WHERE o.id = s.id AND t.id = s.id + 1 "
              "AND s.place < t.place AND o.n > 2",
              "SELECT o.id, s.place, t.place FROM orders o, ships s, ships t WHERE o.id = s.id AND t.id = s.id + 1 "
              "AND s.place < t.place AND o.n > 2"),
    "interval_": ("id INT, place STRING, who STRING",
                  "SELECT o.id, s.place, o.who FROM orders o JOIN ships s ON o.id = s.id AND s.at_ BETWEEN o.at_ AND "
                  "o.at_ + INTERVAL '10' SECOND",
                  "SELECT o.id, s.place, o.who FROM orders o JOIN ships s ON o.id = s.id AND s.at_ BETWEEN o.at_ AND "
                  "o.at_ + INTERVAL '10 seconds'"),
    "windows_meet": ("id INT, place STRING, s TIMESTAMP(3)",
                     "SELECT l.id, r.place, l.window_start FROM (SELECT * FROM TABLE(TUMBLE(TABLE orders, "
                     "DESCRIPTOR(at_), INTERVAL '1' MINUTE))) l JOIN (SELECT * FROM TABLE(TUMBLE(TABLE ships, "
                     "DESCRIPTOR(at_), INTERVAL '1' MINUTE))) r ON l.id = r.id AND l.window_start = r.window_start AND "
                     "l.window_end = r.window_end",
                     "SELECT o.id, s.place, time_bucket(INTERVAL '1 minute', o.at_) FROM orders o JOIN ships s ON o.id = s.id "
                     "AND time_bucket(INTERVAL '1 minute', o.at_) = time_bucket(INTERVAL '1 minute', s.at_)"),
    "unnested": ("id INT, tag STRING", "SELECT id, t.tag FROM orders CROSS JOIN UNNEST(tags) AS t (tag)",
                 "SELECT id, unnest(tags) FROM orders"),
    # subqueries
    "in_": ("id INT, n INT", "SELECT id, n FROM orders WHERE id IN (SELECT id FROM ships WHERE place <> 'oslo') AND n > 2",
            "SELECT id, n FROM orders WHERE id IN (SELECT id FROM ships WHERE place <> 'oslo') AND n > 2"),
    "not_exists": ("id INT, n INT, PRIMARY KEY (id) NOT ENFORCED",
                   "SELECT id, n FROM orders o WHERE NOT EXISTS (SELECT 1 FROM ships s WHERE s.id = o.id)",
                   "SELECT id, n FROM orders o WHERE NOT EXISTS (SELECT 1 FROM ships s WHERE s.id = o.id)"),
    "above_average": ("id INT, n INT, PRIMARY KEY (id) NOT ENFORCED",
                      "SELECT id, n FROM orders o WHERE n > (SELECT AVG(CAST(i.n AS DOUBLE)) FROM orders i WHERE "
                      "i.who = o.who) AND id < 300",
                      "SELECT id, n FROM orders o WHERE n > (SELECT avg(i.n) FROM orders i WHERE i.who = o.who) "
                      "AND id < 300"),
    "how_many": ("id INT, c BIGINT, PRIMARY KEY (id) NOT ENFORCED",
                 "SELECT id, (SELECT COUNT(*) FROM ships s WHERE s.id = o.id) FROM orders o WHERE id < 300",
                 "SELECT id, (SELECT count(*) FROM ships s WHERE s.id = o.id) FROM orders o WHERE id < 300"),
    # order
    "top": ("who STRING, id INT, price DECIMAL(10, 2), rn BIGINT, PRIMARY KEY (who, rn) NOT ENFORCED",
            "SELECT who, id, price, rn FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY who ORDER BY price DESC, id) "
            "AS rn FROM orders WHERE who IS NOT NULL) WHERE rn <= 3",
            "SELECT who, id, price, row_number() OVER (PARTITION BY who ORDER BY price DESC, id) AS rn FROM orders "
            "WHERE who IS NOT NULL QUALIFY rn <= 3"),
    "latest": ("who STRING, id INT, PRIMARY KEY (who) NOT ENFORCED",
               "SELECT who, id FROM orders WHERE who IS NOT NULL QUALIFY ROW_NUMBER() OVER (PARTITION BY who ORDER BY "
               "price, id) = 1",
               "SELECT who, id FROM orders WHERE who IS NOT NULL QUALIFY row_number() OVER (PARTITION BY who ORDER BY "
               "price, id) = 1"),
    "limited": ("id INT, price DECIMAL(10, 2), PRIMARY KEY (id) NOT ENFORCED",
                "SELECT id, price FROM orders ORDER BY price DESC, id LIMIT 7 OFFSET 2",
                "SELECT id, price FROM orders ORDER BY price DESC, id LIMIT 7 OFFSET 2"),
    "running": ("id INT, total BIGINT, before_ INT",
                "SELECT id, SUM(CAST(n AS BIGINT)) OVER w, LAG(n) OVER w FROM orders WINDOW w AS (PARTITION BY who "
                "ORDER BY at_ ROWS BETWEEN 3 PRECEDING AND CURRENT ROW)",
                "SELECT id, sum(n) OVER (w ROWS BETWEEN 3 PRECEDING AND CURRENT ROW), lag(n) OVER w FROM orders "
                "WINDOW w AS (PARTITION BY who ORDER BY at_)"),
    "ranged": ("id INT, total BIGINT",
               "SELECT id, SUM(CAST(n AS BIGINT)) OVER (PARTITION BY who ORDER BY at_ RANGE BETWEEN INTERVAL '5' "
               "SECOND PRECEDING AND CURRENT ROW) FROM orders",
               "SELECT id, sum(n) OVER (PARTITION BY who ORDER BY at_ RANGE BETWEEN INTERVAL '5 seconds' PRECEDING AND "
               "CURRENT ROW) FROM orders"),
    # sets
    "united": ("id INT, k STRING", "SELECT id, who FROM orders WHERE n > 6 UNION ALL SELECT id, place FROM ships",
               "SELECT id, who FROM orders WHERE n > 6 UNION ALL SELECT id, place FROM ships"),
    "given": ("id INT, k STRING", "SELECT id, who FROM orders WHERE n > 6 UNION ALL VALUES (1, 'a'), (2, 'b')",
              "SELECT id, who FROM orders WHERE n > 6 UNION ALL VALUES (1, 'a'), (2, 'b')"),
    "both": ("id INT, PRIMARY KEY (id) NOT ENFORCED", "SELECT id FROM orders WHERE n > 3 INTERSECT SELECT id FROM ships",
             "SELECT id FROM orders WHERE n > 3 INTERSECT SELECT id FROM ships"),
    "only": ("id INT, PRIMARY KEY (id) NOT ENFORCED", "SELECT id FROM orders EXCEPT SELECT id FROM ships",
             "SELECT id FROM orders EXCEPT SELECT id FROM ships"),
}
# Of the last two rows, which make all others leave: by time, they do not come.
BY_TIME = {"tumbles", "tumbles_of_old", "sessions", "sessions_by_key", "cascade", "window_top", "windows_meet", "running",
           "ranged"}
AHEAD = datetime.datetime(2024, 6, 1)


def script(names):
    made = [SOURCES]
    for name in names:
        columns, query, _ = CASES[name]
        made.append(f"CREATE TABLE IF NOT EXISTS polariscatalog.db.t_{name} ({columns});")
    made.append("EXECUTE STATEMENT SET BEGIN")
    made += [f"INSERT INTO polariscatalog.db.t_{name} {CASES[name][1]};" for name in names]
    return "\n".join(made + ["END;"])


def stamp(at):
    return at.strftime("%Y-%m-%d %H:%M:%S.%f")[:23]


def events(count, seed):
    """In time but for 4 s; no two orders at one time. Most orders are shipped, some twice, some before they came."""
    rand, orders, ships = random.Random(seed), [], []
    for i in range(count):
        at = START + datetime.timedelta(milliseconds=i * 90 + rand.randrange(0, 3900))
        orders.append({"id": i, "who": rand.choice(["ann", "bob", "cid", "dan", None]), "price": rand.randrange(10000) / 100,
                       "n": rand.randrange(1, 9), "tags": rand.sample(["red", "big", "new"], rand.randrange(3)),
                       "at_": stamp(at)})
    taken = set()
    for order in orders:
        while order["at_"] in taken:
            at = datetime.datetime.strptime(order["at_"], "%Y-%m-%d %H:%M:%S.%f") + datetime.timedelta(milliseconds=1)
            order["at_"] = stamp(at)
        taken.add(order["at_"])
    for i in range(count):
        at = START + datetime.timedelta(milliseconds=i * 90 + rand.randrange(0, 3900))
        ships.append({"id": max(0, i + rand.randrange(-60, 60)), "place": rand.choice(["rome", "oslo", "kyiv"]),
                      "at_": stamp(at)})
    return orders, ships


LAST = [{"id": id_, "who": "end", "price": 0.5, "n": 1, "tags": [], "at_": stamp(AHEAD)} for id_ in (-1, -3)]
FAR = [{"id": -2, "place": "end", "at_": stamp(AHEAD)}]


class StreamSql(unittest.TestCase):
    def setUp(self):
        self.tarn = Tarn({}, {"topics": {"orders": {"partitions": 2}, "ships": {"partitions": 1}}})
        self.addCleanup(self.tarn.close)

    def produce(self, topic, rows, partitions):
        producer = Producer({"bootstrap.servers": self.tarn.bootstrap, "linger.ms": 5, "acks": "all"})
        for i, row in enumerate(rows):
            producer.produce(topic, json.dumps(row).encode(), partition=i % partitions)
        self.assertEqual(producer.flush(30), 0)

    def end(self):
        """Rows far ahead in every partition: all windows but their own are over."""
        self.produce("orders", LAST, 2)
        self.produce("ships", FAR, 1)

    def expected(self, name, orders, ships):
        base = duckdb.connect()
        with tempfile.TemporaryDirectory() as folder:
            for table, rows in (("orders", orders), ("ships", ships)):
                path = os.path.join(folder, table)
                with open(path, "w") as out:
                    out.writelines(json.dumps(row) + "\n" for row in rows)
            base.execute(f"CREATE TABLE orders AS FROM read_json('{folder}/orders', columns = {{id: 'INT', who: 'VARCHAR', "
                         "price: 'DECIMAL(10, 2)', n: 'INT', tags: 'VARCHAR[]', at_: 'TIMESTAMP'})")
            base.execute(f"CREATE TABLE ships AS FROM read_json('{folder}/ships', columns = {{id: 'INT', place: 'VARCHAR', "
                         "at_: 'TIMESTAMP'})")
        base.execute("CREATE VIEW firsts AS FROM ships QUALIFY row_number() OVER (PARTITION BY id ORDER BY at_, place) = 1")
        return sorted(map(text, base.execute(CASES[name][2]).fetchall()))

    def got(self, name):
        return sorted(text(row.values()) for row in self.tarn.sql(f"SELECT * FROM polariscatalog.db.t_{name}"))

    def check(self, names, orders, ships):
        for name in names:
            with self.subTest(case=name):
                rows = (orders, ships) if name in BY_TIME else (orders + LAST, ships + FAR)
                want = self.expected(name, *rows)
                self.assertGreater(len(want), 2)
                try:
                    wait_until(lambda: self.got(name) == want, name, 15)
                except AssertionError:
                    got = self.got(name)
                    missing, over = minus(want, got), minus(got, want)
                    self.fail(f"{len(want)} wanted, {len(got)} came; missing {missing[:3]}, too many {over[:3]}")

    def test_each_clause_gives_what_a_batch_gives(self):
        orders, ships = events(3000, 1)
        names = list(CASES)
        self.tarn.start()
        self.produce("orders", orders, 2)
        self.produce("ships", ships, 1)
        self.end()
        for at in range(0, len(names), 10): # a job each
            self.tarn.sql(self.tarn.fill(f"SET 'pipeline.name' = 'all_{at}';" + script(names[at:at + 10])))
        self.check(names, orders, ships)

    def test_a_plan_is_shown_with_what_grows_and_a_sink_says_what_it_cannot_take(self):
        self.tarn.start()
        text = self.tarn.command("sql", "-e", self.tarn.fill(script([]).split("EXECUTE")[0] + """
            CREATE TABLE polariscatalog.db.plain (who STRING, n BIGINT);
            EXPLAIN INSERT INTO polariscatalog.db.plain SELECT o.who, COUNT(*) FROM orders o JOIN ships s
              ON o.id = s.id AND s.at_ BETWEEN o.at_ AND o.at_ + INTERVAL '1' MINUTE GROUP BY o.who"""))
        for words in ("sink db.plain: who, n", "aggregate by c0: COUNT(*)", "state grows with every new key",
                      "inner interval join on left.c0 = right.c0", "scan orders, watermark"):
            self.assertIn(words, text)
        with self.assertRaisesRegex(AssertionError, "doesn't support consuming update changes which is produced by node "
                                                    "GroupAggregate of line [0-9]+: the table has no key: PRIMARY KEY"):
            self.tarn.sql(self.tarn.fill(SOURCES + "INSERT INTO polariscatalog.db.plain "
                                                   "SELECT who, COUNT(*) FROM orders GROUP BY who;"))

    def test_and_through_kills(self):
        orders, ships = events(2000, 2)
        names = ["statistics", "sessions", "cascade", "window_top", "left_", "three", "interval_", "not_exists", "top",
                 "running", "only"]
        rand = random.Random(5)
        self.tarn.write("streams/all.sql", self.tarn.fill(
            "SET 'execution.checkpointing.interval' = '200ms';" + script(names)))
        self.tarn.start()
        for at in range(0, 2000, 400):
            self.produce("ships", ships[at:at + 400], 1)
            self.produce("orders", orders[at:at + 400], 2)
            if rand.random() < 0.7:
                self.tarn.kill()
                self.tarn.start()
        self.end()
        self.check(names, orders, ships)


def text(values):
    made = []
    for value in values:
        if isinstance(value, datetime.datetime):
            value = stamp(value)
        elif isinstance(value, str) and WHEN.fullmatch(value):
            value = (value if "." in value else value + ".").ljust(23, "0")
        elif isinstance(value, (float, decimal.Decimal)):
            value = f"{value:.6f}"
        made.append("NULL" if value is None else str(value))
    return tuple(made)


def minus(left, right):
    rest = list(right)
    only = []
    for row in left:
        if row in rest:
            rest.remove(row)
        else:
            only.append(row)
    return only


if __name__ == "__main__":
    unittest.main()
