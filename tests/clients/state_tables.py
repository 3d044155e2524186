"""state_tables.py - what jobs remember, read by SQL: state.JOB.OPERATOR as of the last commit, of jobs that run, were
killed, or are canceled."""

import datetime
import json
import unittest
from collections import defaultdict

from confluent_kafka import Producer

from harness import Tarn, wait_until

START = datetime.datetime(2024, 5, 1)
KAFKA = "'connector' = 'kafka', 'properties.bootstrap.servers' = '127.0.0.1:@KAFKA@', 'format' = 'json', " \
        "'scan.startup.mode' = 'earliest-offset'"
SCRIPT = f"""
CREATE TABLE orders (id INT, who STRING, price DECIMAL(10, 2), at_ TIMESTAMP(3),
    WATERMARK FOR at_ AS at_ - INTERVAL '5' SECOND) WITH ({KAFKA}, 'topic' = 'orders');
CREATE TABLE ships (id INT, place STRING, at_ TIMESTAMP(3), WATERMARK FOR at_ AS at_ - INTERVAL '5' SECOND)
  WITH ({KAFKA}, 'topic' = 'ships');
CREATE TABLE levels (who STRING, level INT, PRIMARY KEY (who) NOT ENFORCED)
  WITH ('connector' = 'upsert-kafka', 'topic' = 'levels', 'key.format' = 'json', 'value.format' = 'json',
    'properties.bootstrap.servers' = '127.0.0.1:@KAFKA@');
CREATE TABLE nowhere (a STRING, b BIGINT, c BIGINT) WITH ('connector' = 'blackhole');
SET 'pipeline.name' = 'totals';
INSERT INTO nowhere SELECT who, COUNT(DISTINCT id), CAST(SUM(price) AS BIGINT) FROM orders GROUP BY who;
SET 'pipeline.name' = 'days';
INSERT INTO nowhere SELECT who, COUNT(*), CAST(MAX(price) AS BIGINT)
  FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(at_), INTERVAL '1' HOUR)) GROUP BY who, window_start, window_end;
SET 'pipeline.name' = 'pairs';
INSERT INTO nowhere SELECT o.who, o.id, s.id FROM orders AS o JOIN ships AS s ON o.id = s.id;
SET 'pipeline.name' = 'near';
INSERT INTO nowhere SELECT o.who, o.id, s.id FROM orders AS o JOIN ships AS s ON o.id = s.id
  AND s.at_ BETWEEN o.at_ AND o.at_ + INTERVAL '1' HOUR;
SET 'pipeline.name' = 'best';
INSERT INTO nowhere SELECT who, id, CAST(price AS BIGINT) FROM
  (SELECT *, ROW_NUMBER() OVER (PARTITION BY who ORDER BY price DESC) AS rn FROM orders) WHERE rn <= 2;
SET 'pipeline.name' = 'sums';
INSERT INTO nowhere SELECT who, id, CAST(SUM(price) OVER (PARTITION BY who ORDER BY at_) AS BIGINT) FROM orders;
SET 'pipeline.name' = 'newest';
INSERT INTO nowhere SELECT l.who, l.level, COUNT(*) FROM levels AS l GROUP BY l.who, l.level;
SET 'pipeline.name' = 'twice';
EXECUTE STATEMENT SET BEGIN
INSERT INTO nowhere SELECT who, COUNT(*), 0 FROM orders GROUP BY who;
INSERT INTO nowhere SELECT place, COUNT(*), 0 FROM ships GROUP BY place;
END;
SET 'pipeline.name' = 'plain';
INSERT INTO nowhere SELECT who, id, 0 FROM orders WHERE id > 3;
"""


def when(seconds):
    return (START + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%d %H:%M:%S")


ORDERS = [{"id": i, "who": "abc"[i % 3], "price": round((i * 37 % 101) + 0.25, 2), "at_": when(i * 10)} for i in range(300)]
SHIPS = [{"id": i * 2, "place": "xyz"[i % 3], "at_": when(i * 20 + 1)} for i in range(150)]


class StateTables(unittest.TestCase):
    def setUp(self):
        settings = {"topics": {name: {"partitions": 1} for name in ("orders", "ships", "levels")}}
        self.tarn = Tarn({"jobs.sql": SCRIPT}, settings)
        self.addCleanup(self.tarn.close)
        self.tarn.start()
        producer = Producer({"bootstrap.servers": self.tarn.bootstrap, "linger.ms": 5, "acks": "all"})
        for topic, rows in (("orders", ORDERS), ("ships", SHIPS)):
            for row in rows:
                producer.produce(topic, json.dumps(row).encode())
        for who, level in (("a", 1), ("b", 2), ("a", 3), ("c", 4), ("c", None)):
            value = None if level is None else json.dumps({"who": who, "level": level}).encode()
            producer.produce("levels", key=json.dumps({"who": who}).encode(), value=value)
        self.assertEqual(producer.flush(30), 0)

    def names(self, job):
        return [row["table name"] for row in self.tarn.sql(f"SHOW TABLES IN state.{job}")]

    def rows(self, job, kind, part="", columns="*"):
        """Of the table of the operator of that kind, whatever its number."""
        names = [n for n in self.names(job) if n.startswith(kind) and n.endswith(part)]
        self.assertEqual(len(names), 1, self.names(job))
        return self.tarn.sql(f"SELECT {columns} FROM state.{job}.{names[0]}")

    def until(self, job, kind, count, part=""):
        wait_until(lambda: len(self.rows(job, kind, part)) == count, f"{count} rows of {job}")
        return self.rows(job, kind, part)

    def totals(self):
        by_who = defaultdict(list)
        for row in ORDERS:
            by_who[row["who"]].append(row)
        return {w: (len(rows), sum(r["price"] for r in rows)) for w, rows in by_who.items()}

    def check_totals(self):
        def now():
            return {r["who"]: (r["count_distinct_id"], float(r["sum_price"])) for r in self.rows("totals", "aggregate")}
        wait_until(lambda: now() == self.totals(), "all orders in state")

    def test_aggregates_by_their_keys(self):
        self.check_totals()
        table = self.names("totals")[0]
        kinds = {r["name"]: r["type"] for r in self.tarn.sql(f"DESCRIBE state.totals.{table}")}
        self.assertEqual(kinds, {"who": "STRING", "count_distinct_id": "BIGINT", "sum_price": "DECIMAL(38, 2)"})

    def test_windows_that_are_open(self):
        """300 orders, 10 s apart: the hour they lie in is not over."""
        rows = self.until("days", "window_aggregate", 3)
        wait_until(lambda: sum(r["count"] for r in self.rows("days", "window_aggregate")) == 300, "all orders")
        self.assertEqual({r["window_start"][:19] for r in rows}, {when(0)})
        self.assertEqual({r["window_end"][:19] for r in rows}, {when(3600)})

    def test_rows_of_both_sides_of_a_join(self):
        left = self.until("pairs", "join", 300, "left")
        self.assertEqual({(r["who"], r["id"], r["times"]) for r in left}, {(r["who"], r["id"], 1) for r in ORDERS})
        right = self.until("pairs", "join", 150, "right")
        self.assertEqual({r["id"] for r in right}, {r["id"] for r in SHIPS})
        self.assertTrue(self.until("near", "interval_join", 300, "left"))

    def test_the_best_rows_and_their_numbers(self):
        best = defaultdict(list)
        for row in sorted(ORDERS, key=lambda r: -r["price"]):
            best[row["who"]].append(row["price"])
        want = {(who, n + 1): price for who, prices in best.items() for n, price in enumerate(prices[:2])}
        wait_until(lambda: {(r["who"], r["number"]): float(r["price"]) for r in self.rows("best", "top_rows")} == want,
                   "the best of all orders")

    def test_frames_and_rows_that_wait(self):
        """The last order's watermark is 5 s behind it: it waits, all others are in their frames."""
        wait_until(lambda: [r["id"] for r in self.rows("sums", "over", "waiting")] == [299], "the last order alone")
        name = [n for n in self.names("sums") if n.startswith("over") and not n.endswith("waiting")][0]
        rows = self.tarn.sql(f"SELECT who, sum_price, rows_in_frame FROM state.sums.{name}")
        self.assertEqual(sum(r["rows_in_frame"] for r in rows), 299)
        self.assertAlmostEqual(sum(float(r["sum_price"]) for r in rows), sum(r["price"] for r in ORDERS[:-1]))

    def test_the_last_row_of_each_key(self):
        wait_until(lambda: {(r["who"], r["level"]) for r in self.rows("newest", "last_rows_by_key")} == {("a", 3), ("b", 2)},
                   "the last levels")

    def test_it_is_sql_like_any_other(self):
        self.check_totals()
        table = self.names("totals")[0]
        pairs = [n for n in self.names("pairs") if n.endswith("right")][0]
        self.until("pairs", "join", 150, "right")
        got = self.tarn.sql(f"SELECT t.who, COUNT(*) AS n FROM state.totals.{table} AS t JOIN state.pairs.{pairs} AS p "
                            "ON p.id < t.count_distinct_id GROUP BY t.who ORDER BY t.who")
        self.assertEqual([(r["who"], r["n"]) for r in got], [("a", 50), ("b", 50), ("c", 50)])
        self.tarn.sql("CREATE DATABASE IF NOT EXISTS polariscatalog.db; CREATE TABLE polariscatalog.db.kept (who STRING, n BIGINT);"
                      f"INSERT INTO polariscatalog.db.kept SELECT who, count_distinct_id FROM state.totals.{table};")
        self.assertEqual(sum(r["n"] for r in self.tarn.sql("SELECT n FROM polariscatalog.db.kept")), 300)

    def test_of_a_job_that_was_killed_or_canceled(self):
        self.check_totals()
        self.tarn.kill()
        self.tarn.start()
        self.check_totals()
        self.tarn.command("job", "cancel", "totals")
        self.check_totals()

    def test_names_are_clear_and_nothing_is_written(self):
        wait_until(lambda: len(self.names("twice")) == 2, "two pipelines")
        self.assertEqual([n[:3] for n in self.names("twice")], ["p1_", "p2_"])
        self.assertEqual(self.names("plain"), [])
        for text, want in (("SELECT * FROM state.totals.agregate_1", "did you mean aggregate_1"),
                           ("SELECT * FROM state.plain.aggregate", "remembers nothing"),
                           ("SELECT * FROM state.nobody.x", "no job named nobody"),
                           ("DELETE FROM state.totals.aggregate_1 WHERE who = 'a'", "changes Iceberg tables"),
                           ("INSERT INTO state.totals.aggregate_1 VALUES ('a', 1, 2)", "there is no catalog `state`")):
            self.assertIn(want, self.tarn.command("sql", "-e", text, check=False).stderr, text)


if __name__ == "__main__":
    unittest.main()
