"""flink_nexmark.py - Nexmark's queries in a real Flink over a real Kafka: for tests/bench/nexmark.py --beside flink.

The events lie as JSON in a topic of one partition, bounded; results go into blackhole. What counts is the CPU time of
JobManager and TaskManager, without Kafka's. A run of q0 before all others warms the Java machines and is not counted.
Flink 1.20's planner fails on windows over views of one table: where it refuses a query, the three kinds of events come
from topics of their own, which spares it decoding the others and the filter.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import nexmark  # noqa: E402
import peers  # noqa: E402

HEAP = 4096  # MB of the tasks: q9's and q20's state lies in it
SETTINGS = ["SET 'table.dml-sync' = 'true'", "SET 'table.local-time-zone' = 'UTC'", "SET 'parallelism.default' = '1'"]


def kafka(ports, topic):
    return {"connector": "kafka", "topic": topic, "format": "json", "scan.startup.mode": "earliest-offset",
            "scan.bounded.mode": "latest-offset", "properties.bootstrap.servers": f"localhost:{ports['kafka']}"}


def one_topic(ports):
    return [nexmark.source(kafka(ports, "nexmark")), *nexmark.statements(nexmark.views("events"))]


def three_topics(ports):
    return [f"CREATE TABLE {kind} ({columns}, WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND) WITH ("
            + ", ".join(f"'{key}' = '{value}'" for key, value in kafka(ports, f"nexmark-{kind}").items()) + ")"
            for kind, columns in nexmark.ROWS.items()]


class Flink:
    def __init__(self, tarn, events):
        self.folder = tempfile.mkdtemp(prefix="tarn-nexmark-", dir=os.environ.get("BENCH_DIR"))
        names = ("kafka", "controller", "rpc", "rest")
        self.ports = dict(zip(names, peers.bench.free_ports(len(names))))
        self.events, self.started = events, []
        broker, _ = peers.start_kafka(self.folder, self.ports, "nexmark", 1)
        self.started.append(broker)
        self.load(tarn)
        *self.engine, _, self.classpath = peers.start_flink(self.folder, self.ports, HEAP)
        self.started += self.engine

    def load(self, tarn):
        """The same events twice: in one topic, and each kind in its own."""
        from confluent_kafka import Producer

        os.makedirs(f"{self.folder}/generators")
        with open(f"{self.folder}/generators/nexmark.json", "w", encoding="utf-8") as out:
            json.dump({"name": "nexmark", "rate": "10000/s", "events": "nexmark"}, out)
        producer = Producer({"bootstrap.servers": f"localhost:{self.ports['kafka']}", "linger.ms": 50,
                             "queue.buffering.max.messages": 500000, "compression.type": "lz4"})
        with subprocess.Popen([tarn, "generate", "-p", self.folder, "--count", str(self.events), "--speed", "max",
                               "--start-time", nexmark.START, "-q"], stdout=subprocess.PIPE) as made:
            for number, line in enumerate(made.stdout):
                line = line.rstrip()
                event = json.loads(line)
                kind = tuple(nexmark.ROWS)[event["event_type"]]
                producer.produce("nexmark", line)
                producer.produce(f"nexmark-{kind}", json.dumps(event[kind]))
                if number % 10000 == 0:
                    producer.poll(0.1)
        producer.flush()

    def submit(self, name, tables):
        text = [*SETTINGS, *tables(self.ports), *nexmark.statements(nexmark.query(name))]
        before = sum(process.cpu() for process in self.engine)
        peers.run_job(self.folder, self.ports, self.classpath, self.engine, ";\n".join(text) + ";\n")
        return sum(process.cpu() for process in self.engine) - before

    def run(self, name):
        """Events per CPU second, resident MiB at the end, and which tables it had."""
        try:
            cpu, shape = self.submit(name, one_topic), "one topic"
        except peers.JobFailed as first:
            try:
                cpu, shape = self.submit(name, three_topics), "three topics"
            except peers.JobFailed:
                raise first
        return self.events / cpu, sum(process.memory("VmRSS") for process in self.engine), shape

    def close(self):
        for process in self.started:
            process.stop()
        if not os.environ.get("BENCH_KEEP"):
            shutil.rmtree(self.folder, ignore_errors=True)
