"""outside_kafka.py - a real Kafka as the other broker: rows written exactly once through kill -9 of tarn and
of Kafka, logins (SASL) and TLS, secrets that nobody prints.

OUTSIDE_ROUNDS=N: so many kills (default 3), with the seed of OUTSIDE_SEED."""

import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from harness import ROOT, Tarn, answers, free_ports, run, wait_until

ROUNDS = int(os.environ.get("OUTSIDE_ROUNDS", 3))
SEED = int(os.environ.get("OUTSIDE_SEED", random.randrange(1 << 30)))
PASSWORD = "only-a-test-0815"

PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAIN://127.0.0.1:{plain},LOGIN://127.0.0.1:{login},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAIN://127.0.0.1:{plain},LOGIN://127.0.0.1:{login}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAIN
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAIN:PLAINTEXT,LOGIN:SASL_SSL
listener.name.login.sasl.enabled.mechanisms=PLAIN
listener.name.login.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
user_tarn="{password}";
listener.name.login.ssl.keystore.type=PEM
listener.name.login.ssl.keystore.location={dir}/server.pem
log.dirs={dir}/log
num.partitions=2
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
"""


class Kafka:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="tarn-kafka-")
        self.plain, self.login, self.controller = free_ports(3)
        self.process = None
        self.classpath = os.path.join(ROOT, ".deps", "kafka", "*")
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
            "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", f"{self.dir}/key.pem", "-out", f"{self.dir}/ca.pem")
        with open(f"{self.dir}/server.pem", "w") as out:
            for name in ("key.pem", "ca.pem"):
                with open(os.path.join(self.dir, name)) as part:
                    out.write(part.read())
        self.properties = os.path.join(self.dir, "server.properties")
        with open(self.properties, "w") as out:
            out.write(PROPERTIES.format(dir=self.dir, password=PASSWORD, plain=self.plain, login=self.login,
                                        controller=self.controller))
        run("java", "-cp", self.classpath, "kafka.tools.StorageTool", "format", "--cluster-id",
            "MkU3OEVBNTcwNTJENDM2Qk", "--config", self.properties)

    @property
    def bootstrap(self):
        return f"127.0.0.1:{self.plain}"

    def start(self):
        with open(os.path.join(self.dir, "output.txt"), "ab") as out:
            self.process = subprocess.Popen(
                ["java", "-Xmx400m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", self.classpath,
                 "kafka.Kafka", self.properties], stdout=out, stderr=out, stdin=subprocess.DEVNULL)

        def ready():
            if self.process.poll() is not None:
                with open(os.path.join(self.dir, "output.txt"), errors="replace") as text:
                    raise AssertionError("Kafka ended:\n" + text.read()[-3000:])
            if not answers(self.plain):
                return False
            try:
                return bool(AdminClient({"bootstrap.servers": self.bootstrap}).list_topics(timeout=20).brokers)
            except KafkaException:
                return False

        wait_until(ready, "Kafka", 120, 0.2)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self):
        if self.process and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)


class RealKafka(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kafka = Kafka()
        cls.addClassCleanup(cls.kafka.close)
        cls.kafka.start()

    def topic(self, name, partitions=2):
        admin = AdminClient({"bootstrap.servers": self.kafka.bootstrap})
        admin.create_topics([NewTopic(name, partitions, 1)])[name].result(20)

    def tarn(self, script, **settings):
        tarn = Tarn({"jobs.sql": script}, settings)
        self.addCleanup(tarn.close)
        return tarn

    def table(self, name, columns, *options):
        return (f"CREATE TABLE {name} ({columns}) WITH ('connector' = 'kafka', 'format' = 'json', "
                + ", ".join([f"'topic' = '{name}'", *options]) + ");\n")

    def produce(self, topic, ids):
        producer = Producer({"bootstrap.servers": self.kafka.bootstrap, "linger.ms": 5})
        for i in ids:
            producer.produce(topic, json.dumps({"id": i}).encode())
        self.assertEqual(producer.flush(60), 0)

    def reader(self, topic):
        """Keeps what it has read: called, it reads on and gives all ids so far."""
        consumer = Consumer({"bootstrap.servers": self.kafka.bootstrap, "group.id": f"r{random.random()}",
                             "isolation.level": "read_committed", "auto.offset.reset": "earliest"})
        self.addCleanup(consumer.close)
        consumer.assign([TopicPartition(topic, p, 0) for p in range(2)])
        got = []

        def read():
            got.extend(json.loads(m.value())["id"] for m in consumer.consume(2000, 0.3) if not m.error())
            return got

        return read

    def test_exactly_once_through_kills_of_both(self):
        rand = random.Random(SEED)
        print(f"OUTSIDE_SEED={SEED} OUTSIDE_ROUNDS={ROUNDS}")
        self.topic("source")
        self.topic("target")
        where = f"'properties.bootstrap.servers' = '{self.kafka.bootstrap}'"
        tarn = self.tarn(
            self.table("source", "id INT", where, "'scan.startup.mode' = 'earliest-offset'")
            + self.table("target", "id INT, t TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL", where,
                         "'sink.delivery-guarantee' = 'exactly-once'", "'sink.transactional-id-prefix' = 'shop'")
            + "INSERT INTO target SELECT id FROM source;", jobs={"commit_interval": "200ms"})
        tarn.start()
        read, at = self.reader("target"), 0
        for n in range(ROUNDS):
            step = rand.randrange(50, 2000)
            self.produce("source", range(at, at + step))
            at += step
            time.sleep(rand.random())  # somewhere between read, committed here, sent and committed there
            if n % 3 == 2:
                self.kafka.kill()
                if rand.random() < 0.5:
                    tarn.kill()
                    tarn.start()
                self.kafka.start()
            else:
                tarn.kill()
                tarn.start()
        try:
            wait_until(lambda: len(read()) >= at, "all rows", 180, 0)
        except AssertionError as e:
            raise AssertionError(f"{e}: {len(read())} of {at}, {len(set(read()))} different") from None
        self.assertEqual(sorted(read()), list(range(at)))
        tarn.stop()
        self.assertEqual(sorted(read()), list(range(at)))
        self.assertNotIn("may be there twice", tarn.tail(500))

    def test_logins_and_secrets(self):
        self.topic("private")
        self.produce("private", [1])
        secret = os.path.join(self.kafka.dir, "secret")
        with open(secret, "w") as out:
            out.write(PASSWORD + "\n")
        common = [f"'properties.bootstrap.servers' = '127.0.0.1:{self.kafka.login}'",
                  "'properties.security.protocol' = 'SASL_SSL'", "'properties.sasl.mechanism' = 'PLAIN'",
                  f"'properties.ssl.truststore.location' = '{self.kafka.dir}/ca.pem'",
                  "'properties.ssl.truststore.type' = 'PEM'", "'scan.startup.mode' = 'earliest-offset'",
                  "'topic' = 'private'"]
        jaas = ("'properties.sasl.jaas.config' = 'org.apache.kafka.common.security.plain.PlainLoginModule required "
                "username=\"tarn\" password=\"%s\";'")
        lake = ("CREATE CATALOG lake WITH ('type' = 'iceberg', 'catalog-type' = 'rest', "
                "'uri' = 'http://127.0.0.1:@CATALOG@');\nCREATE DATABASE IF NOT EXISTS lake.db;\n")

        def reads(name, *login):
            return (f"CREATE TABLE {name} (id INT) WITH ('connector' = 'kafka', 'format' = 'json', "
                    + ", ".join([*common, *login]) + f");\nCREATE TABLE lake.db.{name} (id INT);\n"
                    f"INSERT INTO lake.db.{name} SELECT id FROM {name};\n")

        os.environ["TEST_KAFKA_PASSWORD"] = PASSWORD
        tarn = self.tarn(
            lake + reads("by_file", jaas % ("${file:" + secret + "}"))
            + reads("by_env", "'properties.sasl.username' = 'tarn'",
                    "'properties.sasl.password' = '${TEST_KAFKA_PASSWORD}'")
            + reads("wrong", jaas % "wrong-but-hidden"))
        tarn.start()
        del os.environ["TEST_KAFKA_PASSWORD"]
        for name in ("by_file", "by_env"):
            wait_until(lambda: name in tarn.command("sql", "-e", f"SELECT '{name}', id FROM lake.db.{name}",
                                                    check=False).stdout, name, 90)
        # Three jobs of one file: jobs, jobs_2, jobs_3.
        wait_until(lambda: "no broker answers for private" in tarn.command("job", "show", "jobs_3"), "why it waits", 90)
        said = tarn.tail(2000) + tarn.command("job", "show", "jobs_3") + tarn.command("job", "list")
        with open(os.path.join(tarn.dir, ".tarn", "logs", "tarn.log")) as log:
            said += log.read()
        self.assertNotIn(PASSWORD, said)
        self.assertNotIn("wrong-but-hidden", said)


if __name__ == "__main__":
    unittest.main()
