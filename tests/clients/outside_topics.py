"""outside_topics.py - kafka tables whose broker is another one: a second tarn stands for it. Where to start
and to end, lists and patterns of topics, partitions that come later, offsets through kill -9, group offsets
for tools, a broker that is gone for a while. Real Kafka, logins and transactions: outside_kafka.py."""

import json
import time
import unittest

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from harness import BROKER_ALONE, Tarn, wait_until

THERE = "'connector' = 'kafka', 'properties.bootstrap.servers' = '127.0.0.1:@THERE@', 'format' = 'json'"
COLUMNS = "id INT, topic STRING METADATA VIRTUAL, p INT METADATA FROM 'partition' VIRTUAL"
LAKE = """
CREATE CATALOG lake WITH ('type' = 'iceberg', 'catalog-type' = 'rest', 'uri' = 'http://127.0.0.1:@CATALOG@');
CREATE DATABASE IF NOT EXISTS lake.db;
"""


def produce(bootstrap, topic, ids, partition=0, **options):
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "linger.ms": 5})
    for i in ids:
        producer.produce(topic, json.dumps({"id": i}).encode(), partition=partition, **options)
    assert producer.flush(30) == 0


class Outside(unittest.TestCase):
    def setUp(self):
        self.there = Tarn(settings=BROKER_ALONE)
        self.addCleanup(self.there.close)
        self.there.start()
        self.admin = AdminClient({"bootstrap.servers": self.there.bootstrap})

    def topics(self, **partitions):
        made = self.admin.create_topics([NewTopic(t, n, 1) for t, n in partitions.items()])
        for future in made.values():
            future.result(10)

    def here(self, script, **settings):
        tarn = Tarn({"jobs.sql": (LAKE + script).replace("@THERE@", str(self.there.kafka))}, settings)
        self.addCleanup(tarn.close)
        tarn.start()
        return tarn

    def ids(self, tarn, table):
        try:
            return sorted(row["id"] for row in tarn.sql(f"SELECT id FROM lake.db.{table}"))
        except AssertionError:  # the table is not there yet
            return []

    def until(self, tarn, table, want, timeout=60):
        try:
            wait_until(lambda: self.ids(tarn, table) == sorted(want), table, timeout)
        except AssertionError as e:
            raise AssertionError(f"{e}; it has {self.ids(tarn, table)}") from None

    def test_each_record_once_through_kills_and_an_outage(self):
        self.topics(clicks=2)
        produce(self.there.bootstrap, "clicks", range(100))
        tarn = self.here(f"""
            CREATE TABLE clicks ({COLUMNS}) WITH ({THERE}, 'topic' = 'clicks',
                'scan.startup.mode' = 'earliest-offset', 'properties.group.id' = 'watchers');
            CREATE TABLE lake.db.clicks (id INT, topic STRING, p INT);
            INSERT INTO lake.db.clicks SELECT * FROM clicks;""")
        at = 100
        self.until(tarn, "clicks", range(at))
        for _ in range(3):
            produce(self.there.bootstrap, "clicks", range(at, at + 50), partition=1)
            at += 50
            tarn.kill()
            tarn.start()
        self.until(tarn, "clicks", range(at))

        self.there.kill()
        wait_until(lambda: "no broker answers for clicks" in tarn.command("job", "show", "jobs"), "the job to say so", 60)
        self.there.start()
        produce(self.there.bootstrap, "clicks", range(at, at + 50))
        self.until(tarn, "clicks", range(at + 50))

        group = Consumer({"bootstrap.servers": self.there.bootstrap, "group.id": "watchers"})
        self.addCleanup(group.close)
        parts = [TopicPartition("clicks", 0), TopicPartition("clicks", 1)]
        wait_until(lambda: [p.offset for p in group.committed(parts, 10)] == [150, 150], "the group's offsets", 60)

    def test_start_and_end(self):
        self.topics(t=2)
        first = int(time.time() * 1000) - 100000
        for i in range(10):
            produce(self.there.bootstrap, "t", [i], partition=i % 2, timestamp=first + i * 1000)
        group = Consumer({"bootstrap.servers": self.there.bootstrap, "group.id": "g"})
        group.commit(offsets=[TopicPartition("t", 0, 2)], asynchronous=False)
        group.close()
        modes = {
            "earliest": ("'scan.startup.mode' = 'earliest-offset'", range(10)),
            "latest": ("'scan.startup.mode' = 'latest-offset'", []),
            "stamped": (f"'scan.startup.mode' = 'timestamp', 'scan.startup.timestamp-millis' = '{first + 6500}'",
                        [7, 8, 9]),
            "numbered": ("'scan.startup.mode' = 'specific-offsets', "
                         "'scan.startup.specific-offsets' = 'partition:0,offset:4;partition:1,offset:5'", [8]),
            "grouped": ("'scan.startup.mode' = 'group-offsets', 'properties.group.id' = 'g', "
                        "'properties.auto.offset.reset' = 'latest'", [4, 6, 8]),
            "ended": ("'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'timestamp', "
                      f"'scan.bounded.timestamp-millis' = '{first + 3500}'", [0, 1, 2, 3]),
        }
        script = "".join(f"""
            CREATE TABLE {name} (id INT) WITH ({THERE}, 'topic' = 't', {options}
                {'' if 'bounded' in options else ", 'scan.bounded.mode' = 'latest-offset'"});
            CREATE TABLE lake.db.{name} (id INT);""" for name, (options, _) in modes.items())
        tarn = self.here(script + "EXECUTE STATEMENT SET BEGIN " + "".join(
            f"INSERT INTO lake.db.{name} SELECT id FROM {name};" for name in modes) + "END;")
        wait_until(lambda: "finished" in tarn.command("job", "list").lower(), "the job to end by itself", 60)
        for name, (_, want) in modes.items():
            with self.subTest(name):
                self.assertEqual(self.ids(tarn, name), sorted(want))

    def test_lists_patterns_and_what_comes_later(self):
        self.topics(a=1, b=1, ab=1)
        produce(self.there.bootstrap, "a", [1])
        produce(self.there.bootstrap, "b", [2])
        produce(self.there.bootstrap, "ab", [3])
        soon = "'scan.startup.mode' = 'earliest-offset', 'scan.topic-partition-discovery.interval' = '300 ms'"
        tarn = self.here(f"""
            CREATE TABLE listed ({COLUMNS}) WITH ({THERE}, 'topic' = 'a;b', {soon});
            CREATE TABLE matched ({COLUMNS}) WITH ({THERE}, 'topic-pattern' = 'a[a-z]*', {soon});
            CREATE TABLE ours ({COLUMNS}) WITH ({THERE.replace("@THERE@", "@KAFKA@")}, 'topic' = 'x;y', {soon});
            CREATE TABLE lake.db.listed (id INT, topic STRING, p INT);
            CREATE TABLE lake.db.matched (id INT, topic STRING, p INT);
            CREATE TABLE lake.db.ours (id INT, topic STRING, p INT);
            INSERT INTO lake.db.listed SELECT * FROM listed;
            INSERT INTO lake.db.matched SELECT * FROM matched;
            INSERT INTO lake.db.ours SELECT * FROM ours;""",
                         topics={"x": {"partitions": 1}, "y": {"partitions": 2}})
        produce(tarn.bootstrap, "x", [10])
        produce(tarn.bootstrap, "y", [11], partition=1)
        self.until(tarn, "listed", [1, 2])
        self.until(tarn, "matched", [1, 3])
        self.until(tarn, "ours", [10, 11])
        self.topics(ac=1, c=1)
        self.admin.create_partitions([NewPartitions("a", 2)])["a"].result(10)
        produce(self.there.bootstrap, "ac", [4])
        produce(self.there.bootstrap, "c", [5])
        produce(self.there.bootstrap, "a", [6], partition=1)
        self.until(tarn, "listed", [1, 2, 6])
        self.until(tarn, "matched", [1, 3, 4, 6])
        tarn.kill()  # the places, found in another order than topics have, hold
        produce(self.there.bootstrap, "ac", [7])
        tarn.start()
        self.until(tarn, "matched", [1, 3, 4, 6, 7])
        rows = tarn.sql("SELECT id, topic, p FROM lake.db.matched ORDER BY id")
        self.assertEqual([(r["topic"], r["p"]) for r in rows],
                         [("a", 0), ("ab", 0), ("ac", 0), ("a", 1), ("ac", 0)])

    def test_each_partition_has_its_time(self):
        self.topics(fast=1, slow=1)
        script = f"""
            CREATE TABLE s (id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ({THERE}, 'topic' = 'fast;slow',
                'scan.startup.mode' = 'earliest-offset');
            CREATE TABLE lake.db.w (id INT, n BIGINT);
            INSERT INTO lake.db.w SELECT CAST(MIN(id) AS INT), COUNT(*) FROM s
                GROUP BY TUMBLE(ts, INTERVAL '10' SECOND);"""
        producer = Producer({"bootstrap.servers": self.there.bootstrap})

        def send(topic, second):
            producer.produce(topic, json.dumps({"id": second, "ts": f"2026-01-01 00:00:{second:02}"}).encode(),
                             partition=0)
            producer.flush(10)

        send("slow", 1)
        for second in (2, 12, 22, 32):
            send("fast", second)
        tarn = self.here(script)
        send("slow", 15)
        self.until(tarn, "w", [1])  # partition 0 of `slow` holds it, not partition 0 of `fast`
        send("slow", 25)
        self.until(tarn, "w", [1, 12])
        self.assertEqual({r["id"]: r["n"] for r in tarn.sql("SELECT * FROM lake.db.w")}, {1: 2, 12: 2})

    def test_writing_at_least_once(self):
        self.topics(src=1, out=2)
        tarn = self.here(f"""
            CREATE TABLE src (id INT) WITH ({THERE}, 'topic' = 'src', 'scan.startup.mode' = 'earliest-offset');
            CREATE TABLE outs (id INT, k STRING) WITH ({THERE}, 'topic' = 'out', 'key.format' = 'raw',
                'key.fields' = 'k', 'properties.linger.ms' = '1', 'properties.compression.type' = 'lz4');
            INSERT INTO outs SELECT id, CAST(id AS STRING) FROM src;""")
        consumer = Consumer({"bootstrap.servers": self.there.bootstrap, "group.id": "x",
                             "auto.offset.reset": "earliest"})
        self.addCleanup(consumer.close)
        consumer.assign([TopicPartition("out", 0, 0), TopicPartition("out", 1, 0)])
        got = {}

        def take():
            for m in consumer.consume(1000, 0.3):
                if not m.error():
                    got[json.loads(m.value())["id"]] = (m.key(), m.partition())

        produce(self.there.bootstrap, "src", range(200))
        wait_until(lambda: take() or len(got) >= 50, "some rows", 60)
        tarn.kill()
        tarn.start()
        produce(self.there.bootstrap, "src", range(200, 300))
        wait_until(lambda: take() or set(got) == set(range(300)), "each row", 60)
        self.assertEqual({k for k, _ in got.values()}, {str(i).encode() for i in range(300)})
        # The partition is the one that Java's clients give a key: murmur2 of "1" and "2" differ there.
        check = Producer({"bootstrap.servers": self.there.bootstrap, "partitioner": "murmur2_random"})
        where = {}
        for i in range(20):
            check.produce("out", b'{"id": -1}', key=str(i).encode(),
                          on_delivery=lambda e, m: where.update({m.key(): m.partition()}))
        check.flush(10)
        for i in range(20):
            self.assertEqual(got[i][1], where[str(i).encode()])


class Words(unittest.TestCase):
    """What properties may say; nobody is asked for that."""

    def check(self, *properties, sink=False):
        options = ", ".join([THERE.replace("@THERE@", "1"), "'topic' = 't'", *properties])
        tarn = Tarn({"jobs.sql": f"CREATE TABLE k (id INT) WITH ({options});"
                     + ("CREATE TABLE d (id INT) WITH ('connector' = 'datagen'); INSERT INTO k SELECT id FROM d;" if sink
                        else "CREATE TABLE b (id INT) WITH ('connector' = 'blackhole'); INSERT INTO b SELECT id FROM k;")})
        self.addCleanup(tarn.close)
        done = tarn.command("check", check=False)
        return done.returncode, done.stdout + done.stderr

    def test_java_properties(self):
        good = ["'properties.security.protocol' = 'SASL_SSL'", "'properties.sasl.mechanism' = 'SCRAM-SHA-512'",
                "'properties.sasl.jaas.config' = 'org.apache.kafka.common.security.scram.ScramLoginModule required "
                "username=\"u\" password=\"hidden\";'", "'properties.max.poll.records' = '500'",
                "'properties.key.deserializer' = 'x'", "'properties.fetch.max.wait.ms' = '100'",
                "'properties.ssl.endpoint.identification.algorithm' = ''"]
        self.assertEqual(self.check(*good)[0], 0, self.check(*good))

    def test_refused(self):
        cases = {
            "'properties.ssl.truststore.location' = '/x.jks'": "keytool -exportcert",
            "'properties.ssl.truststore.secret.thing' = 'hidden'": "ssl.truststore.secret.thing",
            "'properties.sasl.jaas.config' = 'hidden'": "PlainLoginModule",
            "'properties.sasl.password' = '${NOWHERE_SET}'": "the environment has no NOWHERE_SET",
            "'properties.sasl.password' = '${file:/nowhere/hidden-file}'": "sasl.password",
            "'properties.security.protocol' = 'MAGIC'": "security.protocol",
            "'topic-pattern' = 'a.*'": "cannot both be set",
        }
        for option, words in cases.items():
            with self.subTest(option):
                status, said = self.check(option)
                self.assertNotEqual(status, 0, said)
                self.assertIn(words, said)
                self.assertNotIn("'hidden'", said)
        status, said = self.check("'properties.transactional.id' = 'mine'", sink=True)
        self.assertNotEqual(status, 0)
        self.assertIn("sink.transactional-id-prefix", said)


if __name__ == "__main__":
    unittest.main()
