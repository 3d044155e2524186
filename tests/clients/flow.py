"""flow.py - streams that remember: windows and aggregates from a topic into Iceberg tables."""

import datetime
import json
import random
import unittest
from collections import defaultdict

from confluent_kafka import Producer

from harness import Tarn, wait_until

SCRIPT = """
CREATE TABLE clicks (who STRING, amount INT, price DECIMAL(10, 2), at_ TIMESTAMP(3),
    WATERMARK FOR at_ AS at_ - INTERVAL '5' SECOND)
  WITH ('connector' = 'kafka', 'topic' = 'clicks', 'format' = 'json',
    'properties.bootstrap.servers' = '127.0.0.1:@KAFKA@', 'scan.startup.mode' = 'earliest-offset');
CREATE DATABASE IF NOT EXISTS polariscatalog.db;
CREATE TABLE IF NOT EXISTS polariscatalog.db.per_minute (who STRING, window_start TIMESTAMP(3),
    window_end TIMESTAMP(3), n BIGINT, total INT, mean DOUBLE, top DECIMAL(10, 2), faces BIGINT);
CREATE TABLE IF NOT EXISTS polariscatalog.db.per_user (who STRING, n BIGINT, total INT, top DECIMAL(10, 2),
    PRIMARY KEY (who) NOT ENFORCED);
EXECUTE STATEMENT SET BEGIN
INSERT INTO polariscatalog.db.per_minute
  SELECT who, window_start, window_end, COUNT(*) AS n, SUM(amount) AS total,
    AVG(CAST(amount AS DOUBLE)) AS mean, MAX(price) AS top, COUNT(DISTINCT amount) AS faces
  FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(at_), INTERVAL '1' MINUTE))
  WHERE amount <> 3
  GROUP BY who, window_start, window_end;
INSERT INTO polariscatalog.db.per_user
  SELECT who, COUNT(*), SUM(amount), MAX(price) FROM clicks WHERE who IS NOT NULL GROUP BY who;
END;
"""
BOUNDED = """
SET 'execution.runtime-mode' = 'batch';
CREATE TABLE clicks (who STRING, amount INT, price DECIMAL(10, 2), at_ TIMESTAMP(3),
    WATERMARK FOR at_ AS at_ - INTERVAL '5' SECOND)
  WITH ('connector' = 'kafka', 'topic' = 'clicks', 'format' = 'json', 'scan.bounded.mode' = 'latest-offset',
    'properties.bootstrap.servers' = '127.0.0.1:@KAFKA@', 'scan.startup.mode' = 'earliest-offset');
CREATE DATABASE IF NOT EXISTS polariscatalog.db;
CREATE TABLE IF NOT EXISTS polariscatalog.db.shares (who STRING, n BIGINT, many BIGINT);
CREATE TABLE IF NOT EXISTS polariscatalog.db.best (who STRING, price DECIMAL(10, 2));
EXECUTE STATEMENT SET BEGIN
INSERT INTO polariscatalog.db.shares
  SELECT a.who, a.n, b.n FROM (SELECT who, COUNT(*) AS n FROM clicks GROUP BY who) AS a
  LEFT JOIN (SELECT who, COUNT(*) AS n FROM clicks WHERE amount > 7 GROUP BY who) AS b ON a.who = b.who;
INSERT INTO polariscatalog.db.best
  SELECT who, price FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY who ORDER BY price DESC) AS rn FROM clicks)
  WHERE rn <= 3;
END;
"""
START = datetime.datetime(2024, 5, 1)


def clicks(count, seed):
    """In order but for 4 s, for two partitions in turn. The last two are far behind the others, one in
    each partition, so that all windows but their own fire."""
    rand, made = random.Random(seed), []
    for i in range(count):
        at = START + datetime.timedelta(milliseconds=i * 40 + rand.randrange(4000))
        made.append({"who": rand.choice(["ann", "bob", "cid", None]), "amount": rand.randrange(1, 9),
                     "price": rand.randrange(10000) / 100, "at_": at.strftime("%Y-%m-%d %H:%M:%S.%f")[:23]})
    return made + [{"who": "end", "amount": 1, "price": 1.0, "at_": "2024-06-01 00:00:00.000"}] * 2


def per_minute(events):
    groups = defaultdict(list)
    for event in events[:-2]:
        if event["amount"] != 3:
            groups[event["who"], event["at_"][:16]].append(event)
    return sorted((who or "", minute, len(rows), sum(r["amount"] for r in rows),
                   round(sum(r["amount"] for r in rows) / len(rows), 9), max(r["price"] for r in rows),
                   len({r["amount"] for r in rows})) for (who, minute), rows in groups.items())


def per_user(events):
    groups = defaultdict(list)
    for event in events:
        if event["who"]:
            groups[event["who"]].append(event)
    return sorted((who, len(rows), sum(r["amount"] for r in rows), max(r["price"] for r in rows))
                  for who, rows in groups.items())


class Flow(unittest.TestCase):
    def setUp(self):
        self.tarn = Tarn({"clicks.sql": SCRIPT}, {"topics": {"clicks": {"partitions": 2}}})
        self.addCleanup(self.tarn.close)
        self.tarn.start()

    def produce(self, events, first=0):
        """Partition 1 gets all of its events before partition 0: its watermark runs ahead."""
        producer = Producer({"bootstrap.servers": self.tarn.bootstrap, "linger.ms": 5, "acks": "all"})
        for partition in (1, 0):
            for i, event in enumerate(events, first):
                if i % 2 == partition:
                    producer.produce("clicks", json.dumps(event).encode(), partition=partition)
            self.assertEqual(producer.flush(30), 0)

    def windows(self):
        rows = self.tarn.sql("SELECT * FROM polariscatalog.db.per_minute")
        return sorted((r["who"] or "", r["window_start"][:16], r["n"], r["total"], round(r["mean"], 9),
                       float(r["top"]), r["faces"]) for r in rows)

    def users(self):
        rows = self.tarn.sql("SELECT * FROM polariscatalog.db.per_user")
        return sorted((r["who"], r["n"], r["total"], float(r["top"])) for r in rows)

    def test_windows_and_totals_of_a_topic(self):
        events = clicks(6000, 1)
        self.produce(events)
        wait_until(lambda: len(self.windows()) >= len(per_minute(events)), 30)
        self.assertEqual(self.windows(), per_minute(events))
        wait_until(lambda: self.users() == per_user(events), 30)

    def test_each_window_comes_once_through_kills(self):
        events, rand = clicks(9000, 2), random.Random(3)
        at = 0
        while at < len(events):
            step = rand.randrange(500, 2000)
            self.produce(events[at:at + step], at)
            at += step
            if rand.random() < 0.7:
                self.tarn.kill()
                self.tarn.start()
        wait_until(lambda: len(self.windows()) >= len(per_minute(events)), 40)
        self.assertEqual(self.windows(), per_minute(events))
        wait_until(lambda: self.users() == per_user(events), 40)
        self.assertEqual(self.users(), per_user(events))


class Bounded(unittest.TestCase):
    def test_a_bounded_run_gives_last_results_alone(self):
        """Into tables without a key, which take no changes."""
        tarn = Tarn({}, {"topics": {"clicks": {"partitions": 2}}})
        self.addCleanup(tarn.close)
        tarn.start()
        self.tarn, events = tarn, clicks(4000, 5)
        Flow.produce(self, events)
        tarn.write("streams/bounded.sql", tarn.fill(BOUNDED))
        tarn.kill()
        tarn.start()
        wait_until(lambda: "FINISHED" in tarn.command("job", "list"), "the end of the input", 15)
        groups = defaultdict(list)
        for event in events:
            groups[event["who"]].append(event)
        shares = {who: (len(rows), who and len([r for r in rows if r["amount"] > 7]) or None)
                  for who, rows in groups.items()}
        rows = tarn.sql("SELECT * FROM polariscatalog.db.shares")
        self.assertEqual(len(rows), len(shares))
        self.assertEqual({r["who"]: (r["n"], r["many"]) for r in rows}, shares)
        best = sorted((who or "", price) for who, rows in groups.items()
                      for price in sorted((r["price"] for r in rows), reverse=True)[:3])
        rows = tarn.sql("SELECT * FROM polariscatalog.db.best")
        self.assertEqual(sorted((r["who"] or "", float(r["price"])) for r in rows), best)


if __name__ == "__main__":
    unittest.main()
