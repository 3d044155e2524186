"""fair_jobs.py - inputs that wait for each other, and jobs that do not: watermark alignment, a sink that fails or is
slow beside others that go on, greedy jobs side by side, memory under a source that never ends."""

import datetime
import json
import re
import signal
import time
import unittest

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from faulty_store import Proxy
from harness import ACCESS_KEY, BROKER_ALONE, SECRET_KEY, STORE_ALONE, Tarn, wait_until

START = datetime.datetime(2024, 5, 1)
EVENTS = 40000
TABLE = """
CREATE TABLE {0} (id INT, at_ TIMESTAMP(3), WATERMARK FOR at_ AS at_)
  WITH ('connector' = 'kafka', 'topic' = '{0}', 'format' = 'json', 'properties.bootstrap.servers' = '127.0.0.1:@KAFKA@',
    'scan.startup.mode' = 'earliest-offset'{1});"""
ALIGNED = ", 'scan.watermark.alignment.group' = 'g', 'scan.watermark.alignment.max-drift' = '1 min', " \
          "'scan.watermark.alignment.update-interval' = '1 s'"
GONE = "CREATE TABLE gone (n BIGINT) WITH ('connector' = 'blackhole');"
BOTH = """
INSERT INTO gone SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE fast, DESCRIPTOR(at_), INTERVAL '10' SECOND))
  GROUP BY window_start, window_end;
INSERT INTO gone SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE slow, DESCRIPTOR(at_), INTERVAL '10' SECOND))
  GROUP BY window_start, window_end;"""
UNION = """
CREATE VIEW all_ AS SELECT id, at_ FROM fast UNION ALL SELECT id, at_ FROM slow;
INSERT INTO gone SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE all_, DESCRIPTOR(at_), INTERVAL '10' SECOND))
  GROUP BY window_start, window_end;"""


def at(seconds):
    return (START + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%d %H:%M:%S")


class Alignment(unittest.TestCase):
    def begin(self, script):
        self.tarn = Tarn({"both.sql": GONE + script}, {"topics": {n: {"partitions": 1} for n in ("fast", "slow")}})
        self.addCleanup(self.tarn.close)
        self.tarn.start()

    def produce(self, topic, seconds):
        producer = Producer({"bootstrap.servers": self.tarn.bootstrap, "linger.ms": 5, "acks": "all",
                             "queue.buffering.max.messages": 200000})
        for second in seconds:
            producer.produce(topic, json.dumps({"id": second, "at_": at(second)}).encode())
        self.assertEqual(producer.flush(60), 0)

    def read(self, topic):
        """Rows that the job has taken from it."""
        found = re.search(rf"^ *{topic} +(\d+) ", self.tarn.command("job", "show", "both"), re.M)
        return int(found[1]) if found else 0

    def check_waits(self):
        self.produce("slow", [0])
        self.produce("fast", range(EVENTS))
        wait_until(lambda: "waits for others of its watermark group" in self.tarn.command("job", "explain", "both"),
                   "the fast one to wait")
        held = self.read("fast")
        self.assertLess(held, EVENTS)  # a poll takes what a poll takes, and no other follows
        self.produce("slow", [EVENTS // 2])
        wait_until(lambda: self.read("fast") > held, "the fast one to go on")
        self.assertLess(self.read("fast"), EVENTS)
        self.produce("slow", [EVENTS])
        wait_until(lambda: self.read("fast") == EVENTS, "all of the fast one")

    def test_an_input_far_ahead_waits_for_the_others_of_its_group(self):
        self.begin(TABLE.format("fast", ALIGNED) + TABLE.format("slow", ALIGNED) + UNION)
        self.check_waits()

    def test_also_in_another_pipeline_of_the_job_and_by_a_setting(self):
        setting = "SET 'scan.watermark.alignment.group' = 'g'; SET 'scan.watermark.alignment.max-drift' = '1 min';"
        self.begin(setting + TABLE.format("fast", "") + TABLE.format("slow", "") +
                   "EXECUTE STATEMENT SET BEGIN" + BOTH + "END;")
        self.check_waits()

    def test_an_idle_input_holds_nobody(self):
        idle = ALIGNED + ", 'scan.watermark.idle-timeout' = '500 ms'"
        self.begin(TABLE.format("fast", ALIGNED) + TABLE.format("slow", idle) + UNION)
        self.produce("slow", [0])
        self.produce("fast", range(EVENTS))
        wait_until(lambda: self.read("fast") == EVENTS, "all of the fast one")

    def test_a_group_without_a_drift_is_refused(self):
        self.begin("")
        said = self.tarn.command("sql", "-e", GONE + self.tarn.fill(TABLE.format("fast", ", 'scan.watermark.alignment.group' = 'g'"))
                                 + "INSERT INTO gone SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE fast, DESCRIPTOR(at_), "
                                   "INTERVAL '10' SECOND)) GROUP BY window_start, window_end;", check=False)
        self.assertIn("needs 'scan.watermark.alignment.max-drift'", said.stderr)


GREEDY = """
CREATE TABLE made_{0} (n BIGINT, t STRING) WITH ('connector' = 'datagen', 'rows-per-second' = '1000000000');
CREATE TABLE gone_{0} (n BIGINT, t STRING) WITH ('connector' = 'blackhole');
SET 'pipeline.name' = 'greedy_{0}';
INSERT INTO gone_{0} SELECT n, UPPER(t) FROM made_{0};
"""
SMALL = """
CREATE TABLE numbers (n BIGINT) WITH ('connector' = 'kafka', 'topic' = 'numbers', 'format' = 'json',
  'properties.bootstrap.servers' = '127.0.0.1:@KAFKA@', 'scan.startup.mode' = 'earliest-offset');
CREATE DATABASE IF NOT EXISTS polariscatalog.db;
CREATE TABLE IF NOT EXISTS polariscatalog.db.kept (n BIGINT);
CREATE TABLE IF NOT EXISTS polariscatalog.db.broken (n BIGINT);
SET 'execution.checkpointing.interval' = '300 ms';
SET 'pipeline.name' = 'small';
INSERT INTO polariscatalog.db.kept SELECT n FROM numbers;
"""
# It stays where it fails: the next start would make the table again.
BROKEN = """
SET 'pipeline.name' = 'broken';
SET 'restart-strategy.type' = 'fixed-delay';
SET 'restart-strategy.fixed-delay.delay' = '60 s';
SET 'restart-strategy.fixed-delay.attempts' = '10';
INSERT INTO polariscatalog.db.broken SELECT n FROM numbers;
"""


# More rows than any sink takes.
ENDLESS = "CREATE TABLE endless (n BIGINT, t STRING) WITH ('connector' = 'datagen', 'rows-per-second' = '1000000000');"
INTO_BROKER = ENDLESS + """
CREATE TABLE there (n BIGINT, t STRING) WITH ('connector' = 'kafka', 'topic' = 'there', 'format' = 'json',
  'properties.bootstrap.servers' = '127.0.0.1:@THERE@');
SET 'pipeline.name' = 'slow';
INSERT INTO there SELECT n, t FROM endless;
"""
INTO_STORE = ENDLESS + """
CREATE DATABASE IF NOT EXISTS polariscatalog.db;
CREATE TABLE IF NOT EXISTS polariscatalog.db.there (n BIGINT, t STRING);
SET 'execution.checkpointing.interval' = '300 ms';
SET 'pipeline.name' = 'slow';
INSERT INTO polariscatalog.db.there SELECT n, t FROM endless;
"""


class Slow(Proxy):
    """A store that takes a second for each object that is put there."""

    def __init__(self, port):
        super().__init__(port, 0)

    def pick(self, method):
        if method == "PUT":
            time.sleep(1)


class Sharing(unittest.TestCase):
    def begin(self, script, settings=None):
        self.tarn = Tarn({"shared.sql": script}, {"topics": {"numbers": {"partitions": 1}}} | (settings or {}))
        self.addCleanup(self.tarn.close)
        self.tarn.start()

    def resident(self):
        """kB"""
        with open(f"/proc/{self.tarn.process.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])

    def job(self, name):
        return next(job for job in json.loads(self.tarn.command("job", "list", "--json")) if job["job"] == name)

    def waits_for_sink(self, name):
        return int(self.job(name)["waits for sink"].rstrip("%"))

    def send(self, numbers):
        producer = Producer({"bootstrap.servers": self.tarn.bootstrap, "acks": "all"})
        for n in numbers:
            producer.produce("numbers", json.dumps({"n": n}).encode())
        self.assertEqual(producer.flush(30), 0)

    def kept(self):
        return sorted(r["n"] for r in self.tarn.sql("SELECT n FROM polariscatalog.db.kept"))

    def rows(self, job):
        found = re.search(r": (\d+) read,", self.tarn.command("job", "show", job))
        return int(found[1]) if found else 0

    def test_greedy_jobs_share_and_a_small_one_gets_its_turn(self):
        self.begin("".join(GREEDY.format(i) for i in range(3)) + SMALL)
        names = [f"greedy_{i}" for i in range(3)]
        wait_until(lambda: min(self.rows(n) for n in names) > 1000000, "a million rows of each", 60)
        self.send(range(100))
        wait_until(lambda: self.kept() == list(range(100)), "the small job's rows", 60)
        before = {n: self.rows(n) for n in names}
        wait_until(lambda: min(self.rows(n) - before[n] for n in names) > 2000000, "two million more of each", 60)
        made = [self.rows(n) - before[n] for n in names]
        self.assertLess(max(made), 5 * min(made), made)

    def test_a_failing_sink_stalls_nobody_else(self):
        self.begin(SMALL + BROKEN)
        self.send(range(10))
        wait_until(lambda: self.kept() == list(range(10)), "rows before")
        self.tarn.command("table", "drop", "db.broken", "--purge")
        self.send(range(10, 20))
        wait_until(lambda: re.search(r"^broken +(RESTARTING|FAILED)", self.tarn.command("job", "list"), re.M),
                   "the one to fail")
        self.send(range(20, 50))
        wait_until(lambda: self.kept() == list(range(50)), "rows of the other")
        self.assertRegex(self.tarn.command("job", "list"), r"(?m)^small +RUNNING")

    def test_memory_is_bounded_under_a_source_that_never_ends(self):
        """The sink pulls; what it does not take is not made."""
        self.begin(GREEDY.format(0))
        wait_until(lambda: self.rows("greedy_0") > 1000000, "a million rows", 60)
        before = self.resident()
        wait_until(lambda: self.rows("greedy_0") > 3000000, "two million more", 90)
        self.assertLess(self.resident() - before, 100000, "kB more for two million rows")

    def test_a_broker_that_stands_still_holds_its_own_job_alone(self):
        """For as long as the others take for their work; then that job goes on where it stood."""
        there = Tarn(settings=BROKER_ALONE)
        self.addCleanup(there.close)
        there.start()
        admin = AdminClient({"bootstrap.servers": there.bootstrap})
        admin.create_topics([NewTopic("there", 2, 1)])["there"].result(30)
        self.begin((SMALL + GREEDY.format(0) + INTO_BROKER).replace("@THERE@", str(there.kafka)))
        wait_until(lambda: self.job("slow")["checkpoint"] > 1, "the slow one to begin", 60)
        before = self.resident()
        for part in range(2):
            there.process.send_signal(signal.SIGSTOP)
            try:
                wait_until(lambda: self.waits_for_sink("slow") >= 90, "the slow one to wait for its sink", 60)
                held, greedy = self.job("slow")["checkpoint"], self.rows("greedy_0")
                self.send(range(part * 100, part * 100 + 100))
                wait_until(lambda: self.kept() == list(range(part * 100 + 100)), "the small job's rows", 60)
                wait_until(lambda: self.rows("greedy_0") > greedy + 500000, "half a million of the greedy one", 60)
                self.assertEqual(self.job("slow")["checkpoint"], held)
                self.assertEqual(self.job("slow")["state"], "RUNNING")
                self.assertIn("takes rows slower than they come", self.tarn.command("job", "explain", "slow"))
            finally:
                there.process.send_signal(signal.SIGCONT)
            wait_until(lambda: self.job("slow")["checkpoint"] > held + 1, "the slow one to go on", 60)
        self.assertLess(self.resident() - before, 200000, "kB more")

    def test_a_store_that_takes_a_second_an_object_slows_only_who_writes_there(self):
        endpoint = Tarn(settings=STORE_ALONE | {"s3": {"buckets": ["warehouse"]}})
        self.addCleanup(endpoint.close)
        endpoint.start()
        proxy = Slow(endpoint.s3)
        self.addCleanup(proxy.close)
        self.begin(GREEDY.format(0) + INTO_STORE, {
            "store": {"engine": "s3", "endpoint": f"http://127.0.0.1:{proxy.port}", "access_key": ACCESS_KEY,
                      "secret_key": SECRET_KEY}})
        wait_until(lambda: self.job("slow")["checkpoint"] >= 1, "the slow one to begin", 60)
        wait_until(lambda: self.waits_for_sink("slow") >= 50, "the slow one to wait for its sink", 60)
        before, made, greedy = self.resident(), self.job("slow")["checkpoint"], self.rows("greedy_0")
        wait_until(lambda: self.job("slow")["checkpoint"] >= made + 2, "two commits of the slow one", 90)
        wait_until(lambda: self.rows("greedy_0") > greedy + 1000000, "a million of the greedy one", 60)
        self.assertLess(self.resident() - before, 300000, "kB more")
        self.assertEqual([self.job(name)["state"] for name in ("slow", "greedy_0")], ["RUNNING"] * 2)


if __name__ == "__main__":
    unittest.main()
