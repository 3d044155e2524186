"""nexmark_topic.py - Nexmark's queries, unchanged, over a topic: each gives what a real Flink gave for the same events
(tests/nexmark/expected) and what DuckDB gives for all of them at once; in order, out of it, and through kills.

Results go into topics as debezium-json and are read as committed records: what the changes leave is compared.
"""

import collections
import csv
import datetime
import glob
import json
import os
import random
import shutil
import sys
import tempfile
import time
import unittest

from confluent_kafka import Consumer, Producer, TopicPartition

from harness import ROOT, Tarn, wait_until

sys.path.insert(0, os.path.join(ROOT, "tests", "nexmark"))
import batch  # noqa: E402
import nexmark  # noqa: E402

# q6: refused as by Flink: its WHERE names what its own SELECT makes. q10, q12, q13: below
REFUSED = {"q6"}
ELSEWHERE = {"q10", "q12", "q13"}
# What stands for q14's Java function.
FUNCTIONS = {"com.github.nexmark.flink.udf.CountChar": "CHAR_LENGTH($1) - CHAR_LENGTH(REPLACE($1, $2, ''))"}
QUERIES = [name for name in nexmark.QUERIES if name not in REFUSED | ELSEWHERE]


def run_name(topic, threads):
    return topic if threads == 1 else f"{topic}_x{threads}"


def script(name, topic, bounded=True, threads=1, shards=None):
    options = {"connector": "kafka", "topic": topic, "format": "json", "scan.startup.mode": "earliest-offset",
               "properties.bootstrap.servers": "127.0.0.1:@KAFKA@"}
    if bounded:
        options["scan.bounded.mode"] = "latest-offset"
    run = run_name(topic, threads)
    sink = {"connector": "kafka", "topic": f"{name}.{run}", "format": "debezium-json",
            "properties.bootstrap.servers": "127.0.0.1:@KAFKA@"}
    return ";\n".join([f"SET 'pipeline.name' = '{name}_{run}'", "SET 'execution.checkpointing.interval' = '500ms'",
                       f"SET 'parallelism.default' = '{threads}'",
                       f"SET 'pipeline.max-parallelism' = '{shards or threads}'", nexmark.source(options),
                       *nexmark.statements(nexmark.views("events")), *nexmark.statements(nexmark.into(nexmark.query(name), sink))]) + ";\n"


class Nexmark(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="tarn-nexmark-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        tarn = os.environ.get("TARN", os.path.join(ROOT, "build/tarn"))
        cls.lines = nexmark.make_events(tarn, cls.folder)

    def start(self, streams, topics):
        tarn = Tarn(streams, {"topics": {name: {"partitions": 1} for name in topics}, "functions": FUNCTIONS})
        self.addCleanup(tarn.close)
        return tarn

    def produce(self, tarn, topic, lines):
        producer = Producer({"bootstrap.servers": tarn.bootstrap, "linger.ms": 5, "acks": "all"})
        for line in lines:
            producer.produce(topic, line.encode())
            producer.poll(0)
        self.assertEqual(producer.flush(30), 0)

    def job(self, tarn, name):
        jobs = [job for job in json.loads(tarn.command("job", "list", "--json")) if job["job"] == name]
        if jobs and jobs[0]["state"] == "FAILED":
            raise AssertionError(f"{name}: {jobs[0]['reason']}")
        return jobs[0]["state"] if jobs else None

    def result(self, tarn, topic):
        consumer = Consumer({"bootstrap.servers": tarn.bootstrap, "group.id": "nexmark", "enable.auto.commit": False,
                             "isolation.level": "read_committed", "enable.partition.eof": True})
        rows = nexmark.Rows()
        try:
            _, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10)
            consumer.assign([TopicPartition(topic, 0, 0)])
            while end:
                message = consumer.poll(10)
                if message is None or message.error():
                    break
                if message.value():
                    rows.debezium(message.value())
        finally:
            consumer.close()
        return rows.lines()

    def check(self, tarn, name, topic):
        wait_until(lambda: self.job(tarn, f"{name}_{topic}") == "FINISHED", f"{name} to finish", 60)
        wrong = nexmark.differences(name, self.result(tarn, f"{name}.{topic}"))
        self.assertEqual(wrong, [], f"{name} over {topic}")

    def test_each_query_gives_what_flink_gave(self):
        topics = {"ordered": self.lines, "disordered": nexmark.disorder(self.lines)}
        tarn = self.start({}, topics)
        tarn.start()
        for topic, lines in topics.items():
            self.produce(tarn, topic, lines)
        for name in QUERIES:
            for topic in topics:
                with self.subTest(query=name, topic=topic):
                    tarn.command("sql", "-e", tarn.fill(script(name, topic)))
                    self.check(tarn, name, topic)

    def test_threads_change_nothing(self):
        """Rows out of order, split by keys of every kind. NEXMARK_THREADS=all: all queries with 2, 3 and 4."""
        some = [("q3", 2), ("q4", 3), ("q5", 4), ("q7", 2), ("q9", 4), ("q11", 3), ("q18", 2), ("q20", 4)]
        if os.environ.get("NEXMARK_THREADS") == "all":
            some = [(name, threads) for name in QUERIES for threads in (2, 3, 4)]
        tarn = self.start({}, ["disordered"])
        tarn.start()
        self.produce(tarn, "disordered", nexmark.disorder(self.lines, 3))
        for name, threads in some:
            with self.subTest(query=name, threads=threads):
                tarn.command("sql", "-e", tarn.fill(script(name, "disordered", threads=threads)))
                self.check(tarn, name, run_name("disordered", threads))

    def test_and_what_a_batch_gives(self):
        """The recordings and DuckDB agree, so that each of the two stands for the other."""
        over = batch.Batch(self.lines, self.folder)
        for name in QUERIES:
            with self.subTest(query=name):
                self.assertEqual(nexmark.differences(name, over.lines(name)), [])

    def test_a_file_beside_the_stream(self):
        """q13, which Flink itself refuses: a file is no lookup table there. DuckDB's answer stands for it."""
        tarn = self.start({}, ["ordered"])
        tarn.write("data/side_input.txt", "".join(f"{i},v{i}\n" for i in range(0, 10000, 3)))
        tarn.start()
        self.produce(tarn, "ordered", self.lines)
        tarn.command("sql", "-e", tarn.fill(script("q13", "ordered").replace("${FLINK_HOME}", tarn.dir)))
        wait_until(lambda: self.job(tarn, "q13_ordered") == "FINISHED", "q13 to finish", 60)
        wanted = batch.Batch(self.lines, self.folder).lines("q13")
        self.assertGreater(len(wanted), 1000)
        self.assertEqual(self.result(tarn, "q13.ordered"), wanted)

    def test_files_by_day_and_minute(self):
        """q10 as it is: what its files hold, with the partitions of their folders, is what Flink wrote."""
        tarn = self.start({}, ["ordered"])
        tarn.start()
        self.produce(tarn, "ordered", self.lines)
        sql = script("q10", "ordered")
        query = nexmark.query("q10").replace("${NEXMARK_DIR}", tarn.dir).replace("${SUBMIT_TIME}", "now")
        before = sql[:sql.index("CREATE TABLE nexmark_q10")]
        tarn.command("sql", "-e", tarn.fill(before + ";\n".join(nexmark.statements(query)) + ";\n"))
        wait_until(lambda: self.job(tarn, "q10_ordered") == "FINISHED", "q10 to finish", 60)
        rows = nexmark.Rows()
        files = [f for f in glob.glob(f"{tarn.dir}/data/output/now/bid/dt=*/hm=*/*") if not os.path.basename(f).startswith("_")]
        for file in files:
            day, minute = (part.split("=", 1)[1].replace("%3A", ":") for part in file.split("/")[-3:-1])
            with open(file, newline="", encoding="utf-8") as lines:
                for auction, bidder, price, at, extra in csv.reader(lines):
                    rows.add([int(auction), int(bidder), int(price), at, extra, day, minute])
        self.assertEqual(nexmark.differences("q10", rows.lines()), [])
        self.assertEqual(len({os.path.dirname(file) for file in files}), 1)  # the events are of a minute

    def test_windows_of_the_clock_count_every_bid_once(self):
        """q12: which window a bid is in is the clock's, so that its bidder's counts are compared in sum."""
        tarn = self.start({}, ["ordered"])
        tarn.start()
        self.produce(tarn, "ordered", self.lines)
        tarn.command("sql", "-e", tarn.fill(script("q12", "ordered")))
        wait_until(lambda: self.job(tarn, "q12_ordered") == "FINISHED", "q12 to finish", 60)
        counted = collections.Counter()
        for line in self.result(tarn, "q12.ordered"):
            bidder, count, start, end = json.loads(line)
            counted[bidder] += count
            start, end = (datetime.datetime.fromisoformat(at) for at in (start, end))
            self.assertEqual((end - start, start.second % 10, start.microsecond), (datetime.timedelta(seconds=10), 0, 0))
        bids = [json.loads(line) for line in self.lines]
        wanted = collections.Counter(event["bid"]["bidder"] for event in bids if event["event_type"] == 2)
        self.assertGreater(len(wanted), 100)
        self.assertEqual(counted, wanted)

    def test_the_same_through_kills(self):
        some = ["q3", "q4", "q5", "q7", "q8", "q9", "q11", "q16", "q18", "q19"]
        rand = random.Random(7)
        tarn = self.start({}, ["killed"])
        tarn.start()
        self.produce(tarn, "killed", nexmark.disorder(self.lines, 7))
        tarn.kill()
        threads = {name: 1 + number % 3 for number, name in enumerate(some)}
        for name in some:
            tarn.write(f"streams/{name}.sql",
                       tarn.fill(script(name, "killed", threads=threads[name])).replace("500ms", "50ms"))
        for _ in range(12):
            tarn.start()
            time.sleep(rand.random() * 0.3)
            tarn.kill()
        tarn.start()
        for name in some:
            with self.subTest(query=name, threads=threads[name]):
                self.check(tarn, name, run_name("killed", threads[name]))

    def test_a_query_that_flink_refuses_is_refused(self):
        tarn = self.start({}, ["ordered"])
        tarn.start()
        with self.assertRaisesRegex(AssertionError, "unknown column `rownum`"):
            tarn.command("sql", "-e", tarn.fill(script("q6", "ordered")))


if __name__ == "__main__":
    unittest.main()
