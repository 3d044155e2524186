"""jdbc_tables.py - tables of a real PostgreSQL: rows written to it by key and appended, read as a whole, and looked
up for the rows of a topic. Through kill -9 of tarn and an end of the server; each type there and back."""

import json
import unittest

from confluent_kafka import Producer

from harness import Tarn, wait_until
from postgres import Postgres

LAKE = """
CREATE DATABASE IF NOT EXISTS polariscatalog.db;
"""
THERE = "'connector' = 'jdbc', 'url' = 'jdbc:postgresql://127.0.0.1:@PG@/shop?sslmode=disable', 'username' = 'app'"
TYPES = """
CREATE TABLE types (k INT, t TINYINT, s SMALLINT, b BIGINT, d DECIMAL(20, 4), f FLOAT, g DOUBLE, o BOOLEAN, c STRING,
  v VARCHAR(5), y BYTES, da DATE, ti TIME(3), ts TIMESTAMP(6), tz TIMESTAMP_LTZ(3), a ARRAY<INT>, u STRING, j STRING,
  PRIMARY KEY (k) NOT ENFORCED) WITH (""" + THERE + """, 'table-name' = 'public.types');
"""

class Jdbc(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.there = Postgres()
        cls.addClassCleanup(cls.there.close)

    def here(self, script="", **topics):
        settings = {"topics": {name: {"partitions": 1} for name in topics}} if topics else {}
        scripts = {"jobs.sql": (LAKE + script).replace("@PG@", str(self.there.port))} if script else {}
        tarn = Tarn(scripts, settings)
        self.addCleanup(tarn.close)
        tarn.start()
        return tarn

    def sql(self, tarn, text):
        return tarn.sql(text.replace("@PG@", str(self.there.port)))

    def produce(self, tarn, topic, rows):
        producer = Producer({"bootstrap.servers": tarn.bootstrap, "acks": "all"})
        for row in rows:
            producer.produce(topic, json.dumps(row).encode())
        self.assertEqual(producer.flush(30), 0)

    def topic(self, name, columns):
        return f"CREATE TABLE {name} ({columns}) WITH ('connector' = 'kafka', 'topic' = '{name}', 'format' = 'json', " \
               "'properties.bootstrap.servers' = '127.0.0.1:@KAFKA@', 'scan.startup.mode' = 'earliest-offset');\n"

    def test_each_type_goes_there_and_comes_back(self):
        self.there.run("CREATE TYPE mood AS ENUM ('glad', 'sad'); CREATE TABLE types (k INT PRIMARY KEY, t SMALLINT, "
                       "s SMALLINT, b BIGINT, d NUMERIC(20, 4), f REAL, g DOUBLE PRECISION, o BOOLEAN, c mood, "
                       "v VARCHAR(5), y BYTEA, da DATE, ti TIME, ts TIMESTAMP, tz TIMESTAMPTZ, a INT[], u UUID, j JSONB)")
        tarn = self.here()
        row = ("7, CAST(-3 AS TINYINT), CAST(300 AS SMALLINT), 9007199254740993, 1234567890123456.7891, CAST(0.5 AS FLOAT), "
               "1E-300, TRUE, 'glad', 'a\"b\\\\', X'00ff5c', DATE '2024-02-29', TIME '10:11:12.345', "
               "TIMESTAMP '2024-02-29 10:11:12.123456', CAST(TIMESTAMP '2024-02-29 10:11:12.123' AS TIMESTAMP_LTZ(3)), "
               "ARRAY[1, CAST(NULL AS INT), 3], '6f1d7c1e-9a36-4b0e-8f0e-0d3c2b1a0f9e', '{\"a\": [1, null]}'")
        self.sql(tarn, TYPES + f"INSERT INTO types VALUES ({row});"
                       "INSERT INTO types (k) VALUES (8);")
        wait_until(lambda: len(self.there.run("SELECT k FROM types")) == 2, "two rows")
        self.assertEqual(
            self.there.run("SET TimeZone = 'UTC'; SELECT t, s, b, d, f, g, o, c, v, encode(y, 'hex'), da, ti, ts, tz, a, u, "
                           "j->'a'->>0 FROM types WHERE k = 7"),
            [["-3", "300", "9007199254740993", "1234567890123456.7891", "0.5", "1e-300", "t", "glad", 'a"b\\\\', "00ff5c",
              "2024-02-29", "10:11:12.345", "2024-02-29 10:11:12.123456", "2024-02-29 10:11:12.123+00", "{1,NULL,3}",
              "6f1d7c1e-9a36-4b0e-8f0e-0d3c2b1a0f9e", "1"]])
        back = self.sql(tarn, TYPES + "SELECT t, b, CAST(d AS STRING) AS d, g, o, c, v, CAST(ti AS STRING) AS ti, "
                                      "CAST(ts AS STRING) AS ts, CAST(tz AS STRING) AS tz, a[3] AS a, a[2] IS NULL AS n, u "
                                      "FROM types ORDER BY k")
        self.assertEqual(back[0], {"t": -3, "b": 9007199254740993, "d": "1234567890123456.7891", "g": 1e-300, "o": True,
                                   "c": "glad", "v": 'a"b\\\\', "ti": "10:11:12.345", "ts": "2024-02-29 10:11:12.123456",
                                   "tz": "2024-02-29 10:11:12.123", "a": 3, "n": True,
                                   "u": "6f1d7c1e-9a36-4b0e-8f0e-0d3c2b1a0f9e"})
        self.assertTrue(all(v is None or v is True for v in back[1].values()), back[1])
        self.assertEqual(self.sql(tarn, TYPES + "SELECT COUNT(*) AS n FROM types WHERE y = X'00ff5c'"), [{"n": 1}])

    def test_counts_by_key_are_those_of_the_topic_through_kills_and_an_outage(self):
        self.there.run("CREATE TABLE counts (name TEXT PRIMARY KEY, n BIGINT, total NUMERIC(12, 2))")
        tarn = self.here("SET 'execution.checkpointing.interval' = '200 ms';\n" +
                         self.topic("sales", "name STRING, amount DECIMAL(10, 2)") +
                         "CREATE TABLE counts (name STRING, n BIGINT, total DECIMAL(12, 2), PRIMARY KEY (name) NOT ENFORCED)"
                         f" WITH ({THERE}, 'table-name' = 'counts');\n"
                         "INSERT INTO counts SELECT name, COUNT(*), SUM(amount) FROM sales GROUP BY name;", sales=1)
        want = {}
        for turn in range(4):
            rows = [{"name": f"n{i % 97}", "amount": i % 13 + 0.25} for i in range(turn, 3000 + turn)]
            for row in rows:
                n, total = want.get(row["name"], (0, 0))
                want[row["name"]] = n + 1, total + row["amount"]
            if turn == 2:
                self.there.stop()
            self.produce(tarn, "sales", rows)
            if turn == 2:
                wait_until(lambda: "PostgreSQL" in tarn.command("job", "show", "jobs"), "the reason is told")
                self.there.start()
            elif turn < 3:
                tarn.kill()
                tarn.start()
        expected = sorted([k, str(n), f"{total:.2f}"] for k, (n, total) in want.items())
        wait_until(lambda: sorted(self.there.run("SELECT * FROM counts")) == expected, "the counts", 60)

    def test_rows_that_leave_a_result_leave_the_table(self):
        self.there.run("CREATE TABLE top (id INT PRIMARY KEY, price INT)")
        tarn = self.here("SET 'execution.checkpointing.interval' = '100 ms';\n" + self.topic("bids", "id INT, price INT") +
                         f"CREATE TABLE top (id INT, price INT, PRIMARY KEY (id) NOT ENFORCED) WITH ({THERE}, "
                         "'table-name' = 'top');\n"
                         "INSERT INTO top SELECT id, price FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY price DESC) AS n "
                         "FROM bids) WHERE n <= 3;", bids=1)
        self.produce(tarn, "bids", [{"id": i, "price": i * 7 % 40} for i in range(20)])
        best = sorted(((i * 7 % 40, i) for i in range(20)), reverse=True)[:3]
        wait_until(lambda: sorted(self.there.run("SELECT id, price FROM top")) ==
                   sorted([str(i), str(p)] for p, i in best), "three rows")
        self.produce(tarn, "bids", [{"id": 90, "price": 99}])
        wait_until(lambda: ["90", "99"] in self.there.run("SELECT id, price FROM top") and
                   len(self.there.run("SELECT id FROM top")) == 3, "the least is gone")

    def test_rows_of_a_topic_meet_rows_of_the_database_as_they_are(self):
        self.there.run("CREATE TABLE customers (id BIGINT PRIMARY KEY, name VARCHAR(20), tags TEXT[])")
        self.there.run("INSERT INTO customers SELECT i, 'c' || i, ARRAY['t' || i] FROM generate_series(0, 4999) i")
        tarn = self.here("SET 'execution.checkpointing.interval' = '100 ms';\n" +
                         self.topic("orders", "order_id INT, customer_id BIGINT, proc_time AS PROCTIME()") +
                         f"CREATE TABLE customers (id BIGINT, name STRING, tags ARRAY<STRING>) WITH ({THERE}, "
                         "'table-name' = 'customers', 'lookup.cache' = 'NONE');\n"
                         "CREATE TABLE IF NOT EXISTS polariscatalog.db.named (id INT, name STRING, tag STRING);\n"
                         "INSERT INTO polariscatalog.db.named SELECT o.order_id, UPPER(c.name), c.tags[1] FROM orders AS o "
                         "LEFT JOIN customers FOR SYSTEM_TIME AS OF o.proc_time AS c ON o.customer_id = c.id "
                         "AND c.name <> 'c5';", orders=1)
        self.produce(tarn, "orders", [{"order_id": i, "customer_id": i * 3 if i % 10 else None} for i in range(2000)])
        rows = lambda: sorted(((r["id"], r["name"], r["tag"]) for r in tarn.sql("SELECT * FROM polariscatalog.db.named")))
        met = lambda i: i % 10 and i * 3 < 5000
        want = [(i, f"C{i * 3}", f"t{i * 3}") if met(i) else (i, None, None) for i in range(2000)]
        wait_until(lambda: len(rows()) == 2000, "2,000 rows", 60)
        self.assertEqual(rows(), want)
        self.there.run("UPDATE customers SET name = 'new' WHERE id = 3")
        self.produce(tarn, "orders", [{"order_id": 2000, "customer_id": 3}])
        wait_until(lambda: (2000, "NEW", "t3") in rows(), "the new name")

    def test_a_table_is_read_into_a_job_once(self):
        self.there.run("CREATE TABLE history AS SELECT i AS id, repeat('x', i % 50) AS pad FROM generate_series(1, 20000) i")
        tarn = self.here(f"CREATE TABLE history (id INT, pad STRING) WITH ({THERE}, 'table-name' = 'history', "
                         "'scan.fetch-size' = '700');\nCREATE TABLE polariscatalog.db.kept (id INT, pad STRING);\n"
                         "INSERT INTO polariscatalog.db.kept SELECT * FROM history;")
        count = "SELECT COUNT(*) AS n, COUNT(DISTINCT id) AS d, SUM(CHAR_LENGTH(pad)) AS c FROM polariscatalog.db.kept"
        want = {"n": 20000, "d": 20000, "c": sum(i % 50 for i in range(1, 20001))}
        wait_until(lambda: tarn.sql(count) == [want], "all rows", 60)
        tarn.kill()
        tarn.start()
        self.assertEqual(tarn.sql(count), [want])

    def test_what_cannot_be_is_refused_with_its_reason(self):
        self.there.run("CREATE TABLE narrow (id INT, n SMALLINT CHECK (n < 100))")
        tarn = self.here()
        table = f"CREATE TABLE x (id INT, n INT) WITH ({THERE}, 'table-name' = '%s');"
        for text, reason in [
                (table % "missing" + "SELECT * FROM x", 'PostgreSQL has no table "missing"'),
                ((table % "narrow").replace("n INT", "m INT") + "SELECT * FROM x", 'has no column "m"'),
                ((table % "narrow").replace("/shop", "/nowhere") + "SELECT * FROM x", 'database "nowhere" does not exist'),
                ((table % "narrow").replace("postgresql", "mysql") + "SELECT * FROM x", "databases behind 'jdbc'"),
                ((table % "narrow").replace("sslmode", "sslMode") + "SELECT * FROM x", "'sslMode' is not known")]:
            done = tarn.command("sql", "-e", text.replace("@PG@", str(self.there.port)), check=False)
            self.assertNotEqual(done.returncode, 0, text)
            self.assertIn(reason, done.stdout + done.stderr)
        tarn.command("sql", "-e", "SET 'pipeline.name' = 'refused'; " +
                     (table % "narrow" + "INSERT INTO x VALUES (1, 500)").replace("@PG@", str(self.there.port)))
        wait_until(lambda: "narrow_n_check" in tarn.command("job", "show", "refused"), "the server's reason")

    def test_tables_of_connectors_are_asked_as_they_are(self):
        """Not of a database alone: topics, changes by key, files and made rows."""
        tarn = self.here(clicks=1, latest=1)
        self.produce(tarn, "clicks", [{"id": i, "at": f"2024-01-01T00:{i:02}:30Z"} for i in range(30)])
        clicks = self.topic("clicks", "id INT, `at` TIMESTAMP(3), `offset` BIGINT METADATA VIRTUAL, twice AS id * 2, "
                            "WATERMARK FOR `at` AS `at`").replace("@KAFKA@", str(tarn.kafka))
        self.assertEqual(tarn.sql(clicks + "SELECT COUNT(*) AS n, SUM(twice) AS s, MAX(`offset`) AS o FROM clicks"),
                         [{"n": 30, "s": 870, "o": 29}])
        self.assertEqual(len(tarn.sql(clicks + "SELECT * FROM clicks LIMIT 3")), 3)
        self.assertEqual(tarn.sql(clicks + "SELECT CAST(window_end AS STRING) AS e, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE "
                                  "clicks, DESCRIPTOR(`at`), INTERVAL '20' MINUTE)) GROUP BY window_start, window_end "
                                  "ORDER BY e"),
                         [{"e": "2024-01-01 00:20:00.000", "n": 20}, {"e": "2024-01-01 00:40:00.000", "n": 10}])
        latest = (f"CREATE TABLE latest (name STRING, n INT, PRIMARY KEY (name) NOT ENFORCED) WITH ('connector' = "
                  f"'upsert-kafka', 'topic' = 'latest', 'key.format' = 'json', 'value.format' = 'json', "
                  f"'properties.bootstrap.servers' = '127.0.0.1:{tarn.kafka}');")
        producer = Producer({"bootstrap.servers": tarn.bootstrap, "acks": "all"})
        for name, n in [("a", 1), ("b", 2), ("a", 3), ("b", None), ("c", 4)]:
            producer.produce("latest", key=json.dumps({"name": name}),
                             value=None if n is None else json.dumps({"name": name, "n": n}))
        self.assertEqual(producer.flush(30), 0)
        self.assertEqual(tarn.sql(latest + "SELECT * FROM latest ORDER BY name"),
                         [{"name": "a", "n": 3}, {"name": "c", "n": 4}])
        made = "CREATE TABLE made (n BIGINT) WITH ('connector' = 'datagen', 'fields.n.kind' = 'sequence', " \
               "'fields.n.start' = '1', 'fields.n.end' = '100', 'rows-per-second' = '10000');"
        self.assertEqual(tarn.sql(made + "SELECT SUM(n) AS s FROM made /*+ OPTIONS('number-of-rows' = '4') */"), [{"s": 10}])
        self.produce(tarn, "clicks", [{"id": "no number"}])
        tarn.command("sql", "-e", clicks + "EXPLAIN SELECT id FROM clicks")  # reads no record, so none is bad
        for text, reason in [
                (clicks + "SELECT * FROM clicks", "offset 30, column id"),
                (clicks + "SELECT * FROM clicks /*+ OPTIONS('scan.startup.mode' = 'latest-offset') */", "earliest-offset"),
                ("CREATE TABLE r (n INT) WITH ('connector' = 'datagen'); SELECT * FROM r", "number-of-rows"),
                ("CREATE TABLE b (n INT) WITH ('connector' = 'blackhole'); SELECT * FROM b", "is no source")]:
            done = tarn.command("sql", "-e", text, check=False)
            self.assertNotEqual(done.returncode, 0, text)
            self.assertIn(reason, done.stdout + done.stderr)
        self.assertEqual(tarn.sql(clicks + "SELECT COUNT(*) AS n FROM clicks /*+ OPTIONS('json.ignore-parse-errors' = "
                                  "'true') */"), [{"n": 31}])


if __name__ == "__main__":
    unittest.main()
