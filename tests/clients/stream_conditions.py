"""stream_conditions.py - conditions of streams that ask more than a row knows: CURRENT_WATERMARK, ANY and ALL."""

import datetime
import itertools
import json
import random
import unittest

from confluent_kafka import Producer

from harness import Tarn, wait_until

START = datetime.datetime(2024, 5, 1)
SCRIPT = """
SET 'execution.checkpointing.interval' = '300 ms';
CREATE TABLE clicks (id INT, at_ TIMESTAMP(3), WATERMARK FOR at_ AS at_ - INTERVAL '5' SECOND)
  WITH ('connector' = 'kafka', 'topic' = 'clicks', 'format' = 'json',
    'properties.bootstrap.servers' = '127.0.0.1:@KAFKA@', 'scan.startup.mode' = 'earliest-offset');
CREATE DATABASE IF NOT EXISTS polariscatalog.db;
CREATE TABLE IF NOT EXISTS polariscatalog.db.on_time (id INT, at_ TIMESTAMP(3), mark TIMESTAMP(3));
CREATE TABLE IF NOT EXISTS polariscatalog.db.too_late (id INT, at_ TIMESTAMP(3), mark TIMESTAMP(3));
EXECUTE STATEMENT SET BEGIN
INSERT INTO polariscatalog.db.on_time SELECT id, at_, CURRENT_WATERMARK(at_) FROM clicks
  WHERE CURRENT_WATERMARK(at_) IS NULL OR at_ > CURRENT_WATERMARK(at_);
INSERT INTO polariscatalog.db.too_late SELECT id, at_, CURRENT_WATERMARK(at_) FROM clicks
  WHERE at_ <= CURRENT_WATERMARK(at_);
END;
"""


class Watermarks(unittest.TestCase):
    def setUp(self):
        self.tarn = Tarn({"clicks.sql": SCRIPT}, {"topics": {"clicks": {"partitions": 1}}})
        self.addCleanup(self.tarn.close)
        self.tarn.start()

    def produce(self, events):
        producer = Producer({"bootstrap.servers": self.tarn.bootstrap, "acks": "all"})
        for event in events:
            producer.produce("clicks", json.dumps(event).encode())
        self.assertEqual(producer.flush(30), 0)

    def rows(self, table):
        return self.tarn.sql(f"SELECT * FROM polariscatalog.db.{table}")

    def test_rows_are_before_or_behind_the_watermark_through_kills(self):
        """How far the watermark is when a row comes hangs on what was read with it; but a row is on time or too late,
        by the mark that is told beside it, and a mark is of a row read before."""
        rand, events, sent = random.Random(1), [], {}
        for i in range(1200):
            at = START + datetime.timedelta(seconds=i - (rand.randrange(120) if i % 4 == 0 else 0))
            sent[i] = at.strftime("%Y-%m-%d %H:%M:%S")
            events.append({"id": i, "at_": sent[i]})
        at = 0
        while at < len(events):
            self.produce(events[at:at + 150])
            at += 150
            wait_until(lambda: len(self.rows("on_time")) + len(self.rows("too_late")) >= at, "rows", 60)
            if rand.random() < 0.6:
                self.tarn.kill()
                self.tarn.start()
        on_time, late = self.rows("on_time"), self.rows("too_late")
        self.assertEqual(sorted(r["id"] for r in on_time + late), list(range(1200)))
        self.assertTrue(late and any(r["mark"] for r in on_time))
        marks = {(datetime.datetime.fromisoformat(at) - datetime.timedelta(seconds=5)).isoformat(" ") for at in
                 sent.values()}
        for row in on_time:
            self.assertTrue(row["mark"] is None or row["at_"] > row["mark"], row)
        for row in late:
            self.assertLessEqual(row["at_"], row["mark"], row)
        for row in on_time + late:
            self.assertIn((row["mark"] or min(marks))[:19], marks)


def compared(op, left, right):
    if left is None or right is None:
        return None
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right, "=": left == right,
            "<>": left != right}[op]


def quantified(op, word, left, values):
    """As the standard has it, value by value."""
    said = [compared(op, left, each) for each in values]
    if word == "ALL":
        return False if False in said else None if None in said else True
    return True if True in said else None if None in said else False


class AnyAndAll(unittest.TestCase):
    def setUp(self):
        self.tarn = Tarn({}, {})
        self.addCleanup(self.tarn.close)
        self.tarn.start()

    def test_each_comparison_is_that_with_every_value(self):
        left, sets = [None, 1, 2, 3], [[], [1], [2], [2, 2], [1, 3], [None], [2, None], [1, 2, 3, None]]
        wanted, items = [], []
        for op, word, values in itertools.product(["<", "<=", ">", ">=", "=", "<>"], ["ALL", "ANY"], sets):
            rows = ", ".join(f"({'CAST(NULL AS INT)' if v is None else v})" for v in values) or "(1)"
            items.append(f"x {op} {word} (SELECT y FROM (VALUES {rows}) AS v (y){'' if values else ' WHERE y > 9'})")
            wanted.append([quantified(op, word, x, values) for x in left])
        for at in range(0, len(items), 24):
            some = ", ".join(f"{item} AS c{i}" for i, item in enumerate(items[at:at + 24]))
            rows = self.tarn.sql(f"SELECT n, {some} FROM (VALUES (0, CAST(NULL AS INT)), (1, 1), (2, 2), (3, 3)) "
                                 "AS t (n, x) ORDER BY n")
            for i, item in enumerate(items[at:at + 24]):
                self.assertEqual([r[f"c{i}"] for r in rows], wanted[at + i], item)


if __name__ == "__main__":
    unittest.main()
