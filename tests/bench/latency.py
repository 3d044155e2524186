#!/usr/bin/env python3
"""latency.py - from an event to its result, at half of the rate that a job can take.

  TARN=build/tarn .deps/python/bin/python tests/bench/latency.py [--seconds 20] [--interval 1s] [--rate N]

A job without windows filters and shapes a topic into another topic. The highest rate is that of a backlog; then
`tarn generate` fills the topic at half of it, and probes with the time in them go between: one every 5 ms. A probe's
time is from before its produce call until a consumer has its result: read_uncommitted, which sees results as they
come, and read_committed, which waits for the job's commit. --rate 0: probes alone.
"""

import argparse
import json
import os
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "clients"))

from confluent_kafka import Consumer, Producer  # noqa: E402
from harness import PROGRAM, Tarn, wait_until  # noqa: E402

GENERATOR = {"name": "charges", "topic": "charges", "rate": "1000/s",
             "fields": {"id": {"kind": "sequence", "prefix": "ch_", "digits": 9},
                        "customer": {"kind": "choice", "values": {f"c{n}": 1 for n in range(50)}},
                        "amount": {"kind": "number", "min": 1, "max": 500},
                        "sent": -1}}
JOB = """SET 'pipeline.name' = 'shape';
CREATE TABLE charges (id STRING, customer STRING, amount DOUBLE, sent BIGINT) WITH ('connector' = 'kafka',
  'topic' = 'charges', 'format' = 'json', 'scan.startup.mode' = 'earliest-offset',
  'properties.bootstrap.servers' = '127.0.0.1:@KAFKA@');
CREATE TABLE results (id STRING, amount DOUBLE, sent BIGINT) WITH ('connector' = 'kafka', 'topic' = 'results',
  'format' = 'json', 'properties.bootstrap.servers' = '127.0.0.1:@KAFKA@', 'sink.delivery-guarantee' = 'exactly-once',
  'sink.transactional-id-prefix' = 'shape');
INSERT INTO results SELECT UPPER(id), ROUND(amount * 1.19, 2), sent FROM charges WHERE sent >= 0 OR amount > 495;
"""
TICKS = os.sysconf("SC_CLK_TCK")


def rows_read(tarn):
    return max((step["rows in"] for step in json.loads(tarn.command("job", "show", "shape", "--json"))), default=0)


def generate(tarn, *options):
    return subprocess.Popen([PROGRAM, "generate", "charges", "--to", f"kafka=127.0.0.1:{tarn.kafka}", "-q", *options],
                            cwd=tarn.dir)


def highest_rate(tarn, count):
    """Events a second that the job takes of a backlog, with a look every 50 ms."""
    generate(tarn, "--count", str(count), "--speed", "max").wait()
    tarn.command("sql", "-e", tarn.fill(JOB))
    began = time.monotonic()
    wait_until(lambda: rows_read(tarn) >= count, "the backlog to be read", 120)
    return count / (time.monotonic() - began)


class Reader(threading.Thread):
    def __init__(self, tarn, isolation):
        super().__init__(daemon=True)
        self.times, self.over = [], False
        self.consumer = Consumer({"bootstrap.servers": tarn.bootstrap, "group.id": isolation, "isolation.level": isolation,
                                  "auto.offset.reset": "earliest", "fetch.wait.max.ms": 500, "enable.auto.commit": False})
        self.consumer.subscribe(["results"])

    def run(self):
        while not self.over:
            message = self.consumer.poll(0.05)  # one at a time: consume() would wait for more
            if message is None or message.error():
                continue
            now, sent = time.time_ns(), json.loads(message.value())["sent"]
            if sent > 0:
                self.times.append((now - sent) / 1e6)
        self.consumer.close()


def probe(tarn, seconds, pause):
    producer = Producer({"bootstrap.servers": tarn.bootstrap, "linger.ms": 0, "acks": "all"})
    until, count = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        producer.produce("charges", json.dumps({"id": f"p{count}", "customer": "c1", "amount": 1,
                                                "sent": time.time_ns()}))
        producer.poll(0)
        count += 1
        time.sleep(pause)
    producer.flush()
    return count


def shares(times):
    times = sorted(times)
    return "  ".join(f"p{share:<5g} {times[min(len(times) - 1, int(len(times) * share / 100))]:8.1f} ms"
                     for share in (50, 90, 99, 99.9))


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--seconds", type=float, default=20)
    options.add_argument("--interval", default="1s")
    options.add_argument("--rate", type=int)
    options.add_argument("--fsync", default="always")
    options = options.parse_args()
    tarn = Tarn({}, {"kafka": {"fsync": options.fsync}, "topics": {"charges": {"partitions": 1}, "results": {"partitions": 1}},
                     "jobs": {"commit_interval": options.interval}})
    try:
        tarn.write("generators/charges.json", json.dumps(GENERATOR))
        tarn.start()
        highest = highest_rate(tarn, 1_000_000)
        rate = int(highest / 2) if options.rate is None else options.rate
        readers = [Reader(tarn, isolation) for isolation in ("read_uncommitted", "read_committed")]
        for reader in readers:
            reader.start()
        load = generate(tarn, "--rate", str(rate), "--duration", f"{options.seconds + 5}s", "--batch", "16k") if rate else None
        time.sleep(2)  # of load before the first probe
        count = probe(tarn, options.seconds, 0.005)
        for reader in readers:
            wait_until(lambda reader=reader: len(reader.times) >= count, "all probes to come out", 60)
        print(f"highest rate {highest:,.0f}/s, load {rate:,}/s, {count} probes, commits every {options.interval}, "
              f"fsync {options.fsync}, load average {os.getloadavg()[0]:.0f}")
        for reader in readers:
            reader.over = True
            reader.join()
            print(f"{'read_uncommitted' if reader is readers[0] else 'read_committed':18}"
                  f"{shares(reader.times)}", flush=True)
        if load:
            load.wait()
    finally:
        tarn.close()


if __name__ == "__main__":
    main()
