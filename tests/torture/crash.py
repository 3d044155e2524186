"""crash.py - kill -9 at random moments under load; then every event is there exactly once.

    python tests/torture/crash.py [--rounds 25] [--seed N] [--rate 4000]

Four topics feed four tables as one job: plain and partitioned, flat and nested. One event in fifty is
one that cannot become a row. Meanwhile pyiceberg appends rows of its own to one of the tables. An idempotent producer writes without pause and remembers what was
acknowledged, and where. Each round kills the program at a random moment, now and then while it is
still starting, and starts it again. At the end:

  - each acknowledged event lies in its topic once, at the offset that was told;
  - each good one is in its table once, each bad one in the dead letters once, table and topic alike;
  - each append of pyiceberg's that was answered is there once;
  - nothing is anywhere twice, acknowledged or not.

An event whose fate the producer was not told may be there once or not at all.
"""

import argparse
import collections
import json
import logging
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "clients"))

import pyarrow as pa  # noqa: E402
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition  # noqa: E402
from pyiceberg.exceptions import NoSuchTableError  # noqa: E402

from harness import Tarn, iceberg, wait_until  # noqa: E402

KAFKA = """WITH ('connector' = 'kafka', 'topic' = '%s', 'format' = 'json',
    'properties.bootstrap.servers' = '127.0.0.1:@KAFKA@', 'scan.startup.mode' = 'earliest-offset');
"""
FLAT = "(id BIGINT, provider STRING, amount DECIMAL(18, 2), created_at TIMESTAMP(3))"
NESTED = ("(id BIGINT, provider STRING, evidence ROW<due TIMESTAMP(3), notes ARRAY<STRING>>, "
          "created_at TIMESTAMP(3))")
TABLES = {  # topic: columns, partitioning, partitions of the topic
    "charges": (FLAT, "", 3),
    "refunds": (FLAT, "PARTITIONED BY (provider)", 2),
    "disputes": (NESTED, "PARTITIONED BY (provider)", 1),
    "subscriptions": (NESTED, "", 1),
}
STREAM = """
SET 'pipeline.name' = 'torture';
CREATE CATALOG lake WITH ('type' = 'iceberg', 'catalog-type' = 'rest',
    'uri' = 'http://127.0.0.1:@CATALOG@/api/catalog', 'warehouse' = 'polariscatalog',
    'credential' = 'root:secret', 'scope' = 'PRINCIPAL_ROLE:ALL');
CREATE DATABASE IF NOT EXISTS lake.db;
""" + "".join(f"CREATE TABLE {topic} {columns} {KAFKA % topic}"
              f"CREATE TABLE IF NOT EXISTS lake.db.{topic} {columns} {partitioned};\n"
              for topic, (columns, partitioned, _) in TABLES.items()) + \
    "EXECUTE STATEMENT SET BEGIN\n" + \
    "".join(f"INSERT INTO lake.db.{topic} SELECT * FROM {topic};\n" for topic in TABLES) + "END;"


def event(number, bad):
    return json.dumps({
        "id": number, "provider": ("stripe", "adyen", "braintree", None)[number % 4],
        "amount": number / 100, "evidence": {"due": None, "notes": ["a", str(number)]},
        "created_at": "not a time" if bad else "2025-01-01T00:00:00.000"}).encode()


class Load(threading.Thread):
    """Produces until it is told to stop, and knows what became of each event."""

    def __init__(self, bootstrap, rate, seed):
        super().__init__()
        self.rate, self.random = rate, random.Random(seed)
        self.stopping = threading.Event()
        self.sent = {topic: {} for topic in TABLES}    # number -> bad
        self.acked = {topic: {} for topic in TABLES}   # number -> (partition, offset)
        self.unknown = collections.Counter()
        self.producer = Producer({
            "bootstrap.servers": bootstrap, "enable.idempotence": True, "acks": "all", "linger.ms": 3,
            "reconnect.backoff.max.ms": 100, "message.timeout.ms": 300000, "log_level": 0,
            "compression.type": "lz4"})
        self.problem = None

    def told(self, topic, number):
        def delivered(error, message):
            if error is None:
                self.acked[topic][number] = (message.partition(), message.offset())
            else:
                self.unknown[str(error)] += 1
        return delivered

    def run(self):
        topics, number = list(TABLES), 0
        began = time.monotonic()
        try:
            while not self.stopping.is_set():
                topic, bad = self.random.choice(topics), self.random.random() < 0.02
                try:
                    self.producer.produce(topic, event(number, bad), key=str(number).encode(),
                                          on_delivery=self.told(topic, number))
                except BufferError:  # the program is down and the queue is full
                    self.producer.poll(0.05)
                    continue
                self.sent[topic][number] = bad
                number += 1
                self.producer.poll(0)
                ahead = number / self.rate - (time.monotonic() - began)
                if ahead > 0.01:
                    time.sleep(ahead)
                elif ahead < -1:  # it was down: do not make up for it
                    began = time.monotonic() - number / self.rate
        except Exception as error:
            self.problem = error

    def settle(self):
        """Everything sent has an answer."""
        return self.producer.flush(60) == 0


class Foreign(threading.Thread):
    """Appends rows with negative numbers to one table, in the way of the job's commits."""

    TABLE = "refunds"

    def __init__(self, tarn):
        super().__init__()
        self.tarn = tarn
        self.stopping = threading.Event()
        self.appended, self.number = [], 0

    def run(self):
        while not self.stopping.wait(0.2):
            self.number -= 1
            try:
                table = iceberg(self.tarn).load_table(f"db.{self.TABLE}")
                table.append(pa.Table.from_pylist(
                    [{"id": self.number, "provider": "other", "amount": None, "created_at": None}],
                    table.schema().as_arrow()))
                self.appended.append(self.number)
            except Exception:  # a conflict, or the program is down: it may be in or not
                continue


def records(tarn, topic, partitions):
    """(partition, offset, value) of every readable record, by a consumer."""
    consumer = Consumer({"bootstrap.servers": tarn.bootstrap, "group.id": "check",
                         "enable.auto.commit": False, "log_level": 0})
    places = [TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(partitions)]
    left = {p.partition: consumer.get_watermark_offsets(p, 20)[1] for p in places}
    consumer.assign(places)
    found, until = [], time.monotonic() + 60
    while sum(left.values()) > len(found) and time.monotonic() < until:
        for message in consumer.consume(10000, 0.5):
            if message.error() is None:
                found.append((message.partition(), message.offset(), message.value()))
    consumer.close()
    return found


def column(tarn, table, name, **scan):
    try:
        return iceberg(tarn).load_table(table).scan(selected_fields=(name,), **scan) \
            .to_arrow()[name].to_pylist()
    except NoSuchTableError:
        return []


def letters(tarn):
    """Numbers of the events in the dead letters: those of the table, those of the topic."""
    def numbers(values):
        return sorted(json.loads(value)["id"] for value in values)
    listed = Consumer({"bootstrap.servers": tarn.bootstrap, "group.id": "list", "log_level": 0})
    there = "torture.dlq" in listed.list_topics(timeout=10).topics
    listed.close()
    topic = [value for _, _, value in records(tarn, "torture.dlq", 1)] if there else []
    return numbers(column(tarn, "dlq.torture", "value")), numbers(topic)


def twice(numbers):
    return [number for number, times in collections.Counter(numbers).items() if times > 1]


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def verify_foreign(foreign, rows):
    expect(not twice(rows), f"appended rows twice: {twice(rows)[:5]}")
    missing = sorted(set(foreign.appended) - set(rows))
    expect(not missing, f"answered appends are missing: {missing[:5]}")


def verify(tarn, load, foreign):
    """All that was sent is settled; waits for the job to catch up and compares. The counts."""
    expect(load.settle(), "the producer got no answers within 60 s")
    rows_total, bad_sent = 0, set()
    for topic, (_, _, partitions) in TABLES.items():
        sent, acked = load.sent[topic], load.acked[topic]
        found = records(tarn, topic, partitions)
        kept = [json.loads(value)["id"] for _, _, value in found]
        expect(not twice(kept), f"{topic}: records twice: {twice(kept)[:5]}")
        places = {json.loads(value)["id"]: (p, o) for p, o, value in found}
        wrong = [n for n, place in acked.items() if places.get(n) != place]
        expect(not wrong, f"{topic}: {len(wrong)} acknowledged events are not where they were said to be: "
               + ", ".join(f"{n} at {places.get(n)}, told {acked[n]}" for n in wrong[:5]))
        good = {n for n in kept if not sent[n]}
        bad_sent |= {n for n in kept if sent[n]}

        def caught_up():
            return len(column(tarn, f"db.{topic}", "id", row_filter="id >= 0")) >= len(good)
        try:
            wait_until(caught_up, f"{len(good)} rows in {topic}", 60, 0.3)
        except AssertionError as late:
            rows = column(tarn, f"db.{topic}", "id", row_filter="id >= 0")
            raise AssertionError(f"{late}: {len(rows)} there, missing {sorted(good - set(rows))[:5]}")
        rows = column(tarn, f"db.{topic}", "id")
        if topic == foreign.TABLE:
            verify_foreign(foreign, [number for number in rows if number < 0])
        rows = [number for number in rows if number >= 0]
        expect(not twice(rows), f"{topic}: {len(twice(rows))} rows twice: {twice(rows)[:5]}")
        expect(set(rows) == good, f"{topic}: rows of no event: {sorted(set(rows) - good)[:5]}, "
               f"events without row: {sorted(good - set(rows))[:5]}")
        rows_total += len(rows)
    wait_until(lambda: len(letters(tarn)[0]) >= len(bad_sent), f"{len(bad_sent)} dead letters", 60, 0.3)
    table, topic = letters(tarn)
    expect(not twice(table), f"dead letters twice: {twice(table)[:5]}")
    expect(set(table) == bad_sent, f"dead letters of good events: {sorted(set(table) - bad_sent)[:5]}")
    expect(table == topic, f"table and topic of the dead letters differ: {len(table)} and {len(topic)}")
    return rows_total, len(table)


def one_round(tarn, rand):
    """Runs for a while, dies, starts; seconds that the start took."""
    time.sleep(rand.choice([rand.uniform(0, 0.3), rand.uniform(0.3, 2)]))
    expect(tarn.alive(), "it died by itself:\n" + tarn.tail())
    tarn.kill()
    while rand.random() < 0.2:  # and again while it recovers
        tarn.spawn()
        time.sleep(rand.uniform(0, 0.25))
        tarn.kill()
    return tarn.start()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    parser.add_argument("--rate", type=float, default=4000, help="events per second in all")
    options = parser.parse_args()
    rand = random.Random(options.seed)
    # It says so when a metadata file that it wants to remove has been removed already.
    logging.getLogger("pyiceberg").setLevel(logging.CRITICAL)
    print(f"crash: {options.rounds} rounds, seed {options.seed}", flush=True)
    tarn = Tarn({"torture.sql": STREAM},
                {"topics": {topic: {"partitions": n} for topic, (_, _, n) in TABLES.items()},
                 "jobs": {"commit_interval": "100ms", "restart_delay": "100ms"}})
    began, starts, done = time.monotonic(), [], 0
    try:
        tarn.start()
        load = Load(tarn.bootstrap, options.rate, options.seed)
        foreign = Foreign(tarn)
        load.start()
        foreign.start()
        while done < options.rounds:
            starts.append(one_round(tarn, rand))
            done += 1
            expect(load.problem is None, f"the producer failed: {load.problem}")
            if done % 25 == 0 and done < options.rounds:
                print(f"crash: {done} kills, {sum(map(len, load.acked.values()))} events acknowledged",
                      flush=True)
        for thread in (load, foreign):
            thread.stopping.set()
            thread.join()
        rows, bad = verify(tarn, load, foreign)
        epochs = iceberg(tarn).load_table("db.charges").current_snapshot().summary["tarn.epoch"]
        tarn.stop()
    except AssertionError as failed:
        print(f"---- what tarn said:\n{tarn.tail()}\nFAIL  crash, after {done} kills, seed {options.seed}: "
              f"{failed}", flush=True)
        print("0 passed, 1 failed")
        os._exit(1)
    finally:
        tarn.close()
    starts.sort()
    print(f"ok    {done} kills in {time.monotonic() - began:.0f} s: "
          f"{sum(map(len, load.acked.values()))} events acknowledged, {sum(load.unknown.values())} of unknown "
          f"fate; {rows} rows, {bad} dead letters, each exactly once, in {epochs} epochs; {len(foreign.appended)} "
          f"appends of others; start median "
          f"{starts[len(starts) // 2]:.2f} s, longest {starts[-1]:.2f} s")
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main()
