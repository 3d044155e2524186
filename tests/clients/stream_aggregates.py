"""stream_aggregates.py - aggregates that keep their values, from a topic into Iceberg tables: over rows that stay, over
rows that are taken back, in windows, through a kill; results as Python computes them.
"""

import datetime
import json
import random
import unittest

from confluent_kafka import Producer

from harness import Tarn, wait_until

START = datetime.datetime(2024, 5, 1)
SOURCE = """
CREATE TABLE marks (id INT, who STRING, word STRING, n INT, at_ TIMESTAMP(3), WATERMARK FOR at_ AS at_)
  WITH ('connector' = 'kafka', 'topic' = 'marks', 'format' = 'json',
    'properties.bootstrap.servers' = '127.0.0.1:@KAFKA@', 'scan.startup.mode' = 'earliest-offset');
CREATE VIEW latest AS SELECT id, who, word, n FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY id ORDER BY at_ DESC) AS rn FROM marks) WHERE rn = 1;
CREATE DATABASE IF NOT EXISTS polariscatalog.db;
CREATE TABLE IF NOT EXISTS polariscatalog.db.stay (who STRING, low STRING, high STRING, first_ STRING, last_ STRING,
    words STRING, ns ARRAY<INT>, js STRING, PRIMARY KEY (who) NOT ENFORCED);
CREATE TABLE IF NOT EXISTS polariscatalog.db.left_ (who STRING, low STRING, high STRING, least INT, most INT, c BIGINT,
    words BIGINT, obj STRING, PRIMARY KEY (who) NOT ENFORCED);
CREATE TABLE IF NOT EXISTS polariscatalog.db.timed (who STRING, s TIMESTAMP(3), high STRING, words STRING, d BIGINT);
EXECUTE STATEMENT SET BEGIN
INSERT INTO polariscatalog.db.stay SELECT who, MIN(word), MAX(word), FIRST_VALUE(word), LAST_VALUE(word),
    LISTAGG(word, '|'), ARRAY_AGG(n), JSON_ARRAYAGG(word) FROM marks GROUP BY who;
INSERT INTO polariscatalog.db.left_ SELECT who, MIN(word), MAX(word), MIN(n), MAX(n), COUNT(*), COUNT(DISTINCT word),
    JSON_OBJECTAGG(KEY CAST(id AS STRING) VALUE n) FROM latest GROUP BY who;
INSERT INTO polariscatalog.db.timed SELECT who, window_start, MAX(word), LISTAGG(DISTINCT word), COUNT(DISTINCT n)
    FROM TABLE(HOP(TABLE marks, DESCRIPTOR(at_), INTERVAL '5' SECOND, INTERVAL '10' SECOND))
    GROUP BY who, window_start, window_end;
END;
"""


def rows_of(count):
    rand = random.Random(3)
    rows = []
    for i in range(count):
        at = START + datetime.timedelta(milliseconds=100 * i)
        rows.append({"id": rand.randrange(count // 5), "who": rand.choice(["ann", "bob", "cid"]),
                     "word": rand.choice(["oak", "ash", "elm", "fir", "yew", None]), "n": rand.randrange(20),
                     "at_": at.strftime("%Y-%m-%d %H:%M:%S.%f")[:23]})
    return rows


def of_who(rows):
    people = {}
    for row in rows:
        people.setdefault(row["who"], []).append(row)
    return people


def stay(rows):
    out = []
    for who, mine in of_who(rows).items():
        words = [row["word"] for row in mine if row["word"]]
        out.append((who, min(words), max(words), words[0], words[-1], "|".join(words), [row["n"] for row in mine],
                    json.dumps(words, separators=(",", ":"))))
    return sorted(out)


def left(rows):
    out = []
    for who, mine in of_who({row["id"]: row for row in rows}.values()).items():
        words = [row["word"] for row in mine if row["word"]]
        numbers = [row["n"] for row in mine]
        members = {str(row["id"]): row["n"] for row in mine}
        out.append((who, min(words), max(words), min(numbers), max(numbers), len(mine), len(set(words)),
                    json.dumps(members, separators=(",", ":"), sort_keys=True)))
    return sorted(out)


def timed(rows):
    windows = {}
    for row in rows:
        at = datetime.datetime.fromisoformat(row["at_"])
        start = at - (at - START) % datetime.timedelta(seconds=5)
        for begin in (start, start - datetime.timedelta(seconds=5)):
            windows.setdefault((row["who"], begin), []).append(row)
    out = []
    for (who, begin), mine in windows.items():
        words = list(dict.fromkeys(row["word"] for row in mine if row["word"]))
        out.append((who, begin, max(words) if words else None, ",".join(words) if words else None,
                    len({row["n"] for row in mine})))
    return sorted(out, key=str)


class StreamAggregates(unittest.TestCase):
    def setUp(self):
        self.tarn = Tarn({}, {"topics": {"marks": {"partitions": 1}}})
        self.addCleanup(self.tarn.close)

    def produce(self, rows):
        producer = Producer({"bootstrap.servers": self.tarn.bootstrap, "acks": "all"})
        for row in rows:
            producer.produce("marks", json.dumps(row).encode())
        self.assertEqual(producer.flush(30), 0)

    def got(self, table):
        rows = [tuple(row.values()) for row in self.tarn.sql(f"SELECT * FROM polariscatalog.db.{table}")]
        if table == "timed":
            rows = [(who, datetime.datetime.fromisoformat(str(begin)), *rest) for who, begin, *rest in rows]
        return sorted(rows, key=str if table == "timed" else None)

    def check(self, table, want):
        try:
            wait_until(lambda: self.got(table) == want, table, 20)
        except AssertionError:
            got = self.got(table)
            self.fail(f"{table}: {len(want)} wanted, {len(got)} came; {[r for r in got if r not in want][:2]} instead of "
                      f"{[r for r in want if r not in got][:2]}")

    def test_they_are_what_their_rows_say_through_a_kill(self):
        rows = rows_of(1000)
        end = dict(rows[0], id=100000, who="end", word="end", at_="2030-01-01 00:00:00.000")
        self.tarn.write("streams/all.sql", self.tarn.fill(
            "SET 'execution.checkpointing.interval' = '200ms';" + SOURCE))
        self.tarn.start()
        self.produce(rows[:600])
        wait_until(lambda: self.got("stay"), "first rows", 20)
        self.tarn.kill()
        self.tarn.start()
        self.produce(rows[600:] + [end])
        self.check("stay", stay(rows + [end]))
        self.check("left_", left(rows + [end]))
        self.check("timed", timed(rows))


if __name__ == "__main__":
    unittest.main()
