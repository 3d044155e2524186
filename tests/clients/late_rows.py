"""late_rows.py - rows that come too late are in a side table, in the epoch that read them: each row counts in a result
or is there, once, whatever is killed."""

import datetime
import json
import random
import unittest

from confluent_kafka import Producer

from harness import Tarn, wait_until

START = datetime.datetime(2024, 5, 1)
SCRIPT = """
SET 'execution.checkpointing.interval' = '300 ms';
@SETTING@
CREATE TABLE clicks (who STRING, id INT, at_ TIMESTAMP(3), WATERMARK FOR at_ AS at_ - INTERVAL '1' SECOND)
  WITH ('connector' = 'kafka', 'topic' = 'clicks', 'format' = 'json',
    'properties.bootstrap.servers' = '127.0.0.1:@KAFKA@', 'scan.startup.mode' = 'earliest-offset');
CREATE DATABASE IF NOT EXISTS polariscatalog.db;
CREATE TABLE IF NOT EXISTS polariscatalog.db.counts (who STRING, window_start TIMESTAMP(3), ids ARRAY<INT>);
CREATE TABLE IF NOT EXISTS polariscatalog.db.sums (who STRING, id INT, n BIGINT);
EXECUTE STATEMENT SET BEGIN
INSERT INTO polariscatalog.db.counts SELECT who, window_start, ARRAY_AGG(id)
  FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(at_), INTERVAL '10' SECOND)) GROUP BY who, window_start, window_end;
INSERT INTO polariscatalog.db.sums SELECT who, id, COUNT(*) OVER (PARTITION BY who ORDER BY at_) FROM clicks;
END;
"""
SET = "SET 'table.exec.late-rows.table' = 'polariscatalog.side.late';"


def clicks(count, seed):
    """A second apart; every fifth may be up to a minute too late. The last closes all windows."""
    rand = random.Random(seed)
    made = []
    for i in range(count):
        at = START + datetime.timedelta(seconds=i - (rand.randrange(60) if i % 5 == 0 else 0))
        made.append({"who": rand.choice("ab"), "id": i, "at_": at.strftime("%Y-%m-%d %H:%M:%S")})
    return made


END = {"who": "end", "id": -1, "at_": "2024-06-01 00:00:00"}


class LateRows(unittest.TestCase):
    def begin(self, setting, settings=None):
        self.tarn = Tarn({"late.sql": SCRIPT.replace("@SETTING@", setting)},
                         {"topics": {"clicks": {"partitions": 1}}, **(settings or {})})
        self.addCleanup(self.tarn.close)
        self.tarn.start()

    def produce(self, events):
        producer = Producer({"bootstrap.servers": self.tarn.bootstrap, "acks": "all"})
        for event in events:
            producer.produce("clicks", json.dumps(event).encode())
        self.assertEqual(producer.flush(30), 0)

    def produce_in_two(self, events):
        """The watermark goes up behind what is polled at once: the second half comes when the first has been read."""
        self.produce(events[:len(events) // 2])
        wait_until(self.sums, "the first half")
        self.produce([*events[len(events) // 2:], END])

    def late(self):
        if "side" not in [r["database name"] for r in self.tarn.sql("SHOW DATABASES IN polariscatalog")] or \
                not self.tarn.sql("SHOW TABLES IN polariscatalog.side"):
            return []
        return self.tarn.sql("SELECT * FROM polariscatalog.side.late")

    def windows(self):
        return [i for r in self.tarn.sql("SELECT ids FROM polariscatalog.db.counts") for i in r["ids"] if i >= 0]

    def sums(self):
        return [r["id"] for r in self.tarn.sql("SELECT id FROM polariscatalog.db.sums") if r["id"] >= 0]

    def late_ids(self, kind):
        return [json.loads(r["row"])["id"] for r in self.late() if r["operator"].startswith(kind)]

    def check(self, events):
        """No row twice, and none lost: in a result or late."""
        ids = [e["id"] for e in events]
        wait_until(lambda: len(self.windows()) + len(self.late_ids("window_aggregate")) >= len(ids), "all windows", 40)
        wait_until(lambda: len(self.sums()) + len(self.late_ids("over")) >= len(ids), "all sums", 40)
        self.assertEqual(sorted(self.windows() + self.late_ids("window_aggregate")), ids)
        self.assertEqual(sorted(self.sums() + self.late_ids("over")), ids)
        self.assertTrue(self.late_ids("window_aggregate") and self.late_ids("over"))

    def test_each_row_is_in_a_result_or_late_through_kills(self):
        self.begin(SET)
        events, rand, at = clicks(3000, 1), random.Random(2), 0
        while at < len(events):
            step = rand.randrange(200, 600)
            self.produce(events[at:at + step])
            at += step
            if rand.random() < 0.6:
                self.tarn.kill()
                self.tarn.start()
        self.produce([END])
        self.check(events)
        one = [r for r in self.late() if r["operator"].startswith("window")][0]
        self.assertEqual(set(json.loads(one["row"])), {"who", "id", "at_"})
        self.assertEqual((one["job"], one["row_kind"]), ("late", "+I"))
        self.assertIn("counts", one["pipeline"])
        told = self.tarn.command("job", "explain", "late")
        self.assertIn("came too late", told)
        self.assertIn("clicks: at 2024-05-31 23:59:59.000Z", told)
        self.assertIn("clicks partition 0 holds its time back", self.tarn.command("sql", "-e", "EXPLAIN WHY late"))
        self.assertIn("no job 'nobody'", self.tarn.command("sql", "-e", "EXPLAIN WHY 'nobody'", check=False).stderr)

    def test_a_project_may_say_it_for_all_jobs(self):
        self.begin("", {"flink": {"settings": {"table.exec.late-rows.table": "side.late"}}})
        events = clicks(300, 3)
        self.produce_in_two(events)
        self.check(events)

    def test_without_it_they_are_counted_only(self):
        self.begin("")
        self.produce_in_two(clicks(300, 4))
        wait_until(lambda: "came too late" in self.tarn.command("job", "explain", "late"), "late rows")
        self.assertNotIn("side", [r["database name"] for r in self.tarn.sql("SHOW DATABASES IN polariscatalog")])

    def test_a_name_that_is_no_table_of_ours_is_refused(self):
        self.begin("")
        said = self.tarn.command("sql", "-e", "SET 'table.exec.late-rows.table' = 'late';" +
                                 "CREATE TABLE t (a INT) WITH ('connector' = 'datagen', 'number-of-rows' = '1');"
                                 "CREATE TABLE n (a INT) WITH ('connector' = 'blackhole'); INSERT INTO n SELECT a FROM t",
                                 check=False)
        self.assertIn("DATABASE.TABLE of the catalog polariscatalog is wanted", said.stderr)


if __name__ == "__main__":
    unittest.main()
