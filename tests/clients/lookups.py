"""lookups.py - rows of a topic joined with tables as they are now: an Iceberg table and files of each format.
What changes in them counts for the rows that come later, through kill -9 as well."""

import json
import os
import unittest

from confluent_kafka import Producer

from harness import Tarn, wait_until

ORDERS = """
CREATE TABLE orders (id INT, who STRING, cur STRING, amount INT, now_ AS PROCTIME())
  WITH ('connector' = 'kafka', 'topic' = 'orders', 'format' = 'json',
    'properties.bootstrap.servers' = '127.0.0.1:@KAFKA@', 'scan.startup.mode' = 'earliest-offset');
"""
TABLES = """
CREATE DATABASE IF NOT EXISTS polariscatalog.db;
CREATE TABLE IF NOT EXISTS polariscatalog.db.people (name STRING, city STRING, most INT);
CREATE TABLE IF NOT EXISTS polariscatalog.db.joined (id INT, city STRING, rate DECIMAL(10, 2));
"""
JOINED = """
CREATE TABLE rates (cur STRING, rate DECIMAL(10, 2)) WITH ('connector' = 'filesystem', 'path' = '@FILES@',
    'format' = '@FORMAT@');
INSERT INTO polariscatalog.db.joined
  SELECT /*+ LOOKUP('table' = 'p', 'async' = 'false') */ o.id, UPPER(p.city), r.rate FROM orders AS o
  LEFT JOIN polariscatalog.db.people FOR SYSTEM_TIME AS OF o.now_ AS p ON o.who = p.name AND o.amount <= p.most
  JOIN rates FOR SYSTEM_TIME AS OF o.now_ AS r ON o.cur = r.cur AND r.rate > 0;
"""
WRITTEN = """
script: joined
tests:
  - name: rows of tables that are looked up are given as others are
    steps:
      - rows:
          people: [{name: ann, city: Oslo, most: 9}]
          rates: [{cur: EUR, rate: 3}]
          orders: [{id: 1, who: ann, cur: EUR, amount: 9}, {id: 2, who: ann, cur: EUR, amount: 10}, {id: 3, cur: USD}]
        expect:
          joined: ["+I[1, OSLO, 3.00]", "+I[2, null, 3.00]"]
      - rows:
          rates: [{cur: USD, rate: 4}]
          orders: [{id: 4, cur: USD}]
        expect:
          joined: ["+I[4, null, 4.00]"]
"""
PEOPLE = [("ann", "Oslo", 40), ("bob", "Rome", 90), ("bob", "Bonn", 50), ("cid", None, 99)]
RATES = [("EUR", 1.0), ("USD", 0.92), ("XXX", -1.0)]


def order(i):
    return {"id": i, "who": ["ann", "bob", "cid", "dan", None][i % 5], "cur": ["EUR", "USD", "XXX", "JPY"][i % 4],
            "amount": i * 7 % 100}


def joined(orders, people, rates):
    rows = []
    for o in orders:
        matches = [p for p in people if p[0] == o["who"] and o["amount"] <= p[2]] or [(None, None, None)]
        rows += [(o["id"], city and city.upper(), rate) for _, city, _ in matches
                 for cur, rate in rates if cur == o["cur"] and rate > 0]
    return sorted(rows, key=str)


class Lookups(unittest.TestCase):
    def setUp(self):
        self.tarn = Tarn({}, {"topics": {"orders": {"partitions": 1}}})
        self.addCleanup(self.tarn.close)
        self.folder = os.path.join(self.tarn.dir, "rates")
        self.tarn.start()

    def produce(self, orders):
        producer = Producer({"bootstrap.servers": self.tarn.bootstrap, "acks": "all"})
        for each in orders:
            producer.produce("orders", json.dumps(each).encode())
        self.assertEqual(producer.flush(30), 0)

    def put_rates(self, rates, kind="csv", name="rates"):
        """A new file in the place of the old one."""
        path, hidden = os.path.join(self.folder, f"{name}.{kind}"), os.path.join(self.folder, ".part")
        os.makedirs(self.folder, exist_ok=True)
        if kind == "parquet":
            import pyarrow as pa
            import pyarrow.parquet as pq
            pq.write_table(pa.Table.from_pylist([{"cur": cur, "rate": rate} for cur, rate in rates]), hidden)
        else:
            with open(hidden, "w") as out:
                for cur, rate in rates:
                    out.write(f"{cur},{rate}\n" if kind == "csv" else json.dumps({"cur": cur, "rate": rate}) + "\n")
        os.rename(hidden, path)

    def put_people(self, people):
        values = ", ".join("('{}', {}, {})".format(name, f"'{city}'" if city else "CAST(NULL AS STRING)", most)
                           for name, city, most in people)
        self.tarn.command("sql", "-e", f"INSERT OVERWRITE polariscatalog.db.people VALUES {values}")

    def submit(self, kind="csv", path=None):
        text = ORDERS + TABLES + JOINED.replace("@FILES@", path or f"file://{self.folder}").replace("@FORMAT@", kind)
        self.tarn.write("streams/joined.sql", self.tarn.fill(text))
        self.tarn.kill()
        self.tarn.start()

    def rows(self):
        rows = self.tarn.sql("SELECT * FROM polariscatalog.db.joined")
        return sorted(((r["id"], r["city"], r["rate"] and float(r["rate"])) for r in rows), key=str)

    def expect(self, wanted):
        wait_until(lambda: len(self.rows()) >= len(wanted), f"{len(wanted)} rows", 20)
        self.assertEqual(self.rows(), wanted)

    def test_rows_meet_the_tables_as_they_are_when_they_come(self):
        orders, people, rates = [order(i) for i in range(900)], list(PEOPLE), list(RATES)
        self.tarn.command("sql", "-e", TABLES)
        self.put_people(people)
        self.put_rates(rates)
        self.submit()
        self.produce(orders[:300])
        wanted = joined(orders[:300], people, rates)
        self.expect(wanted)

        people = [("ann", "Lima", 70), ("dan", "Kyiv", 80)]
        self.put_people(people)
        self.produce(orders[300:500])
        wanted += joined(orders[300:500], people, rates)
        self.expect(sorted(wanted, key=str))

        rates = [("EUR", 1.5), ("JPY", 0.01)]
        self.put_rates(rates)
        self.produce(orders[500:700])
        wanted += joined(orders[500:700], people, rates)
        self.expect(sorted(wanted, key=str))

        self.tarn.kill()
        self.tarn.start()
        self.tarn.command("sql", "-e", "DELETE FROM polariscatalog.db.people WHERE name = 'ann'")
        self.put_rates([("EUR", 2.5)])
        self.put_rates([("USD", 3.5)], name="more")
        self.produce(orders[700:])
        wanted += joined(orders[700:], people[1:], [("EUR", 2.5), ("USD", 3.5)])
        self.expect(sorted(wanted, key=str))

    def test_files_of_json_and_parquet(self):
        for kind in ("json", "parquet"):
            with self.subTest(kind):
                self.tarn.command("sql", "-e", TABLES)
                self.put_people(PEOPLE)
                self.put_rates(RATES, kind)
                self.submit(kind, os.path.join(self.folder, f"rates.{kind}"))
                self.produce([order(i) for i in range(100)])
                self.expect(joined([order(i) for i in range(100)], PEOPLE, RATES))
                self.tarn.close()
                self.setUp()

    def test_a_line_that_cannot_be_read_stops_the_job_by_name(self):
        os.makedirs(self.folder)
        with open(os.path.join(self.folder, "rates.csv"), "w") as out:
            out.write("EUR,1.0\nUSD,many\n")
        self.submit()
        self.produce([order(0)])
        wait_until(lambda: "rates.csv" in self.tarn.command("job", "list", "--json"), "the reason", 20)
        reason = json.loads(self.tarn.command("job", "list", "--json"))[0]["reason"]
        self.assertIn("column rate", reason)

    def test_tests_of_sql_give_their_rows(self):
        self.tarn.write("streams/joined.sql", self.tarn.fill(ORDERS + TABLES + JOINED.replace(
            "@FILES@", self.folder).replace("@FORMAT@", "csv")))
        self.tarn.write("tests/joined.yaml", WRITTEN)
        self.assertIn("1 tests, 0 failed", self.tarn.command("test"))

    def test_what_no_lookup_can_do_is_refused(self):
        for join, why in (("RIGHT JOIN {} ON o.who = p.name", "joined by [INNER] JOIN or LEFT JOIN"),
                          ("JOIN {} ON o.amount < p.most", "needs an equality with a column of `people`")):
            text = (TABLES + ORDERS + "INSERT INTO polariscatalog.db.joined SELECT o.id, p.city, 1.0 FROM orders AS o "
                    + join.format("polariscatalog.db.people FOR SYSTEM_TIME AS OF o.now_ AS p"))
            done = self.tarn.command("sql", "-e", self.tarn.fill(text), check=False)
            self.assertIn(why, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
