"""kafka_jobs.py - jobs that write to topics: each record once for clients that read committed, through
kill -9; early for those who do not wait; changes in the formats that tell of them."""

import json
import os
import random
import time
import unittest

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from harness import Tarn, deadline, java, run, wait_until

KAFKA = "'connector' = 'kafka', 'properties.bootstrap.servers' = '127.0.0.1:@KAFKA@'"
SCRIPT = f"""
CREATE TABLE clicks (id INT, who STRING, amount INT) WITH ({KAFKA}, 'topic' = 'clicks', 'format' = 'json',
    'scan.startup.mode' = 'earliest-offset');
CREATE TABLE copies (id INT, who STRING, amount INT) WITH ({KAFKA}, 'topic' = 'copies',
    'format' = 'json', 'key.format' = 'raw', 'key.fields' = 'who', 'sink.delivery-guarantee' = 'exactly-once',
    'sink.transactional-id-prefix' = 'copies');
CREATE TABLE seconds (id INT, who STRING) WITH ({KAFKA}, 'topic' = 'seconds', 'format' = 'csv');
CREATE TABLE copied (id INT, who STRING, amount INT) WITH ({KAFKA}, 'topic' = 'copies', 'format' = 'json',
    'scan.startup.mode' = 'earliest-offset');
EXECUTE STATEMENT SET BEGIN
INSERT INTO copies SELECT id, who, amount * 10 FROM clicks WHERE id >= 0;
INSERT INTO seconds SELECT id, who FROM copied;
END;
"""
COUNTS = f"""
CREATE TABLE clicks (id INT, who STRING, amount INT) WITH ({KAFKA}, 'topic' = 'clicks', 'format' = 'json',
    'scan.startup.mode' = 'earliest-offset');
CREATE TABLE counts (who STRING, n BIGINT, total INT, PRIMARY KEY (who) NOT ENFORCED) WITH (
    'connector' = 'upsert-kafka', 'topic' = 'counts', 'properties.bootstrap.servers' = '127.0.0.1:@KAFKA@',
    'key.format' = 'json', 'value.format' = 'json');
CREATE TABLE changes (who STRING, n BIGINT) WITH ({KAFKA}, 'topic' = 'changes', 'format' = 'debezium-json',
    'key.format' = 'raw', 'key.fields' = 'who');
EXECUTE STATEMENT SET BEGIN
INSERT INTO counts SELECT who, COUNT(*), SUM(amount) FROM clicks GROUP BY who;
INSERT INTO changes SELECT who, COUNT(*) FROM clicks GROUP BY who;
END;
"""


def produce(tarn, first, count, topic="clicks"):
    producer = Producer({"bootstrap.servers": tarn.bootstrap, "acks": "all", "linger.ms": 5})
    for i in range(first, first + count):
        producer.produce(topic, json.dumps({"id": i, "who": f"w{i % 7}", "amount": i}).encode(),
                         partition=i % 2)
    assert producer.flush(30) == 0


def records(tarn, topic, isolation="read_committed"):
    """Every record up to the end of each partition, with partition and offset."""
    consumer = Consumer({"bootstrap.servers": tarn.bootstrap, "group.id": f"g{random.random()}",
                         "isolation.level": isolation, "auto.offset.reset": "earliest", "enable.partition.eof": True})
    left = set(consumer.list_topics(topic, timeout=30).topics[topic].partitions)
    consumer.assign([TopicPartition(topic, p, 0) for p in left])
    got, until = [], deadline(30)
    while left:
        message = consumer.poll(0.2)
        if message is not None and not message.error():
            got.append(message)
        elif message is not None and message.error().code() == KafkaError._PARTITION_EOF:
            left.discard(message.partition())
        assert time.monotonic() < until, f"the ends of {topic} {left}"
    consumer.close()
    return got


def commit_every(tarn, before, after):
    """From its next start on."""
    path = os.path.join(tarn.dir, "tarn.yaml")
    with open(path) as text:
        config = text.read()
    assert config.count(f'"{before}"') == 1, config
    with open(path, "w") as out:
        out.write(config.replace(f'"{before}"', f'"{after}"'))


def values(messages):
    return [json.loads(m.value()) for m in messages]


class Jobs(unittest.TestCase):
    def start(self, script, **settings):
        topics = {"topics": {name: {"partitions": 2} for name in ("clicks", "copies", "seconds")}}
        tarn = Tarn({"jobs.sql": script}, {**topics, **settings})
        self.addCleanup(tarn.close)
        tarn.start()
        return tarn

    def test_each_record_once_through_kills(self):
        tarn, rand, at = self.start(SCRIPT), random.Random(5), 0
        while at < 4000:
            step = rand.randrange(300, 1200)
            produce(tarn, at, step)
            at += step
            time.sleep(rand.random() * 0.8)
            if rand.random() < 0.75:
                tarn.kill()
                tarn.start()
        wait_until(lambda: len(records(tarn, "copies")) >= at, "all records", 40)
        got = records(tarn, "copies")
        self.assertEqual(sorted(v["id"] for v in values(got)), list(range(at)))
        for m in got:
            v = json.loads(m.value())
            self.assertEqual(v, {"id": v["id"], "who": f"w{v['id'] % 7}", "amount": v["id"] * 10})
            self.assertEqual(m.key().decode(), v["who"])
        self.assertEqual(len({(m.key(), m.partition()) for m in got}), 7)
        wait_until(lambda: len(records(tarn, "seconds")) >= at, "all of the second job", 40)
        seconds = sorted(m.value().decode() for m in records(tarn, "seconds"))
        self.assertEqual(seconds, sorted(f"{i},w{i % 7}" for i in range(at)))

    def test_other_clients_see_the_same(self):
        tarn = self.start(SCRIPT)
        produce(tarn, 0, 500)
        wait_until(lambda: len(records(tarn, "copies")) >= 500, "all records", 30)
        kcat = run("kcat", "-C", "-b", tarn.bootstrap, "-t", "copies", "-e", "-q", "-X",
                   "isolation.level=read_committed", "-f", "%s\n").stdout.split()
        self.assertEqual(sorted(json.loads(line)["id"] for line in kcat), list(range(500)))
        shown = java("kafka-console-consumer.sh", "--bootstrap-server", tarn.bootstrap, "--topic", "copies",
                     "--from-beginning", "--max-messages", "500", "--isolation-level", "read_committed",
                     timeout=60)
        self.assertEqual(sorted(json.loads(line)["id"] for line in shown.stdout.split()), list(range(500)))

    def test_uncommitted_records_come_early_and_committed_ones_at_the_commit(self):
        tarn = self.start(SCRIPT, jobs={"commit_interval": "1h"})
        produce(tarn, 0, 51)
        wait_until(lambda: len(records(tarn, "copies", "read_uncommitted")) == 51, "early ones", 20)
        self.assertEqual(len(records(tarn, "copies")), 0)
        tarn.kill()
        commit_every(tarn, "1h", "500ms")
        tarn.start()
        wait_until(lambda: len(records(tarn, "copies")) == 51, "all committed", 20)
        # What the kill left open was ended as aborted: there for those who read it all.
        self.assertGreater(len(records(tarn, "copies", "read_uncommitted")), 51)

    def test_plain_records_where_that_is_asked_for(self):
        tarn = self.start(SCRIPT.replace("'exactly-once'", "'at-least-once'").replace(
            "'key.fields' = 'who'", "'key.fields' = 'who', 'properties.compression.type' = 'lz4'"),
            jobs={"commit_interval": "1h"})
        produce(tarn, 0, 300)
        # Seen before any commit, by those too who read committed.
        wait_until(lambda: len(records(tarn, "copies")) == 300, "the records", 20)
        tarn.kill()
        tarn.start()
        produce(tarn, 300, 100)
        wait_until(lambda: {v["id"] for v in values(records(tarn, "copies"))} == set(range(400)),
                   "each at least once", 20)

    def test_upserts_and_changes(self):
        tarn = self.start(COUNTS)
        for first in range(0, 3000, 1000):
            produce(tarn, first, 1000)
            time.sleep(0.7)
        wanted = {f"w{k}": (len(range(k, 3000, 7)), sum(range(k, 3000, 7))) for k in range(7)}

        def table():
            state = {}
            for m in records(tarn, "counts"):
                key = json.loads(m.key())["who"]
                if m.value() is None:
                    state.pop(key, None)
                else:
                    row = json.loads(m.value())
                    self.assertEqual(row["who"], key)
                    state[key] = (row["n"], row["total"])
            return state

        wait_until(lambda: table() == wanted, "the counts", 30)

        def changed():
            state = {}
            for m in records(tarn, "changes"):
                change = json.loads(m.value())
                if change["op"] == "d":
                    self.assertEqual(state.pop(change["before"]["who"]), change["before"]["n"])
                else:
                    self.assertEqual(change["op"], "c")
                    state[change["after"]["who"]] = change["after"]["n"]
            return state

        wait_until(lambda: changed() == {k: n for k, (n, _) in wanted.items()}, "the changes", 30)

    def test_what_a_table_cannot_be_is_said(self):
        cases = [
            ("'format' = 'json'", "SELECT who, COUNT(*) FROM clicks GROUP BY who",
             "cannot tell of updates and deletes"),
            ("'format' = 'raw'", "SELECT who, 1 FROM clicks", "is of one column"),
            ("'format' = 'json', 'key.format' = 'json', 'key.fields' = 'nobody'",
             "SELECT who, 1 FROM clicks", "`nobody`"),
        ]
        clicks = SCRIPT.split(";")[0] + ";"
        for options, query, wanted in cases:
            with self.subTest(options=options):
                tarn = Tarn({"try.sql": f"{clicks}\nCREATE TABLE t (who STRING, n BIGINT) WITH ({KAFKA}, "
                                        f"'topic' = 't', {options});\nINSERT INTO t {query};"})
                self.addCleanup(tarn.close)
                done = tarn.command("check", check=False)
                self.assertIn(wanted, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
