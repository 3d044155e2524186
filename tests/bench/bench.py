#!/usr/bin/env python3
"""The whole way, measured: generator (a process of its own) > broker > job > committed Iceberg.

    make bench                        1, 10 and 50 million events, then the same after a simulated day
    make bench BENCH="1e6"            one size;   BENCH="1e6 aged": also on a day's worth of commits

Every figure is of the whole tarn process, from the kernel's own accounting (/proc/PID/stat, VmHWM).
Ratios are against the bars of the project and against what a real Kafka and Flink took on a machine of
this size (docs/compatibility.md says how; `make bench-peers` measures them again beside us).
"""
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
TARN = os.environ.get("TARN", os.path.join(ROOT, "build", "tarn"))
TEMPLATES = os.path.join(ROOT, "examples", "payments", "generators-bench")
TICK = os.sysconf("SC_CLK_TCK")
FLINK = (116_000, 179_000)  # events per CPU second, Kafka JSON to Iceberg, without the broker

SQL = """
{interval}
CREATE TABLE charges (
  charge_id STRING, customer_id STRING, amount DECIMAL(18,2), currency STRING, status STRING,
  provider STRING, failure_code STRING, created_at TIMESTAMP(3)
) WITH ('connector' = 'kafka', 'topic' = 'payment_charges',
  'properties.bootstrap.servers' = 'localhost:{kafka}', 'scan.startup.mode' = 'earliest-offset',
  'format' = 'json');
CREATE CATALOG lake WITH ('type' = 'iceberg', 'catalog-type' = 'rest',
  'uri' = 'http://localhost:{catalog}/api/catalog', 'warehouse' = 'lake');
CREATE DATABASE IF NOT EXISTS lake.bench;
CREATE TABLE IF NOT EXISTS lake.bench.charges (
  charge_id STRING, customer_id STRING, amount DECIMAL(18,2), currency STRING, status STRING,
  provider STRING, failure_code STRING, created_at TIMESTAMP(6)
);
INSERT INTO lake.bench.charges SELECT * FROM charges;
"""

CONFIG = """
version: 1
name: bench
kafka: {{port: {kafka}}}
s3: {{port: {s3}}}
catalog: {{port: {catalog}, name: lake, warehouse: s3://warehouse/lake}}
topics:
  payment_charges: {{partitions: 4}}
"""


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Tarn:
    """One project in a temporary folder, started and stopped as often as wanted."""

    def __init__(self, interval=None):
        self.dir = tempfile.mkdtemp(prefix="tarn-bench-", dir=os.environ.get("BENCH_DIR"))
        kafka, s3, catalog = free_ports(3)
        self.ports = {"kafka": kafka, "s3": s3, "catalog": catalog}
        self.write(interval)
        self.process = None

    def write(self, interval):
        setting = f"SET 'execution.checkpointing.interval' = '{interval}';" if interval else ""
        os.makedirs(os.path.join(self.dir, "streams"), exist_ok=True)
        with open(os.path.join(self.dir, "tarn.yaml"), "w") as f:
            f.write(CONFIG.format(**self.ports))
        with open(os.path.join(self.dir, "streams", "bench.sql"), "w") as f:
            f.write(SQL.format(interval=setting, **self.ports))

    def start(self):
        """Seconds until all ports answer."""
        log = open(os.path.join(self.dir, "tarn.log"), "ab")
        began = time.monotonic()
        self.process = subprocess.Popen([TARN, "up", self.dir], stdout=log, stderr=log)
        for port in self.ports.values():
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    if self.process.poll() is not None:
                        sys.exit(open(os.path.join(self.dir, "tarn.log")).read())
                    time.sleep(0.0005)
        return time.monotonic() - began

    def cpu(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def memory(self, key):
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith(key):
                return int(line.split()[1]) / 1024
        return 0

    def metadata(self):
        url = f"http://127.0.0.1:{self.ports['catalog']}/v1/namespaces/bench/tables/charges"
        try:
            with urllib.request.urlopen(url) as answer:
                return json.load(answer)["metadata"]
        except urllib.error.URLError:
            return {}

    def set_properties(self, **properties):
        body = {"requirements": [], "updates": [{"action": "set-properties", "updates": {
            name.replace("__", ".").replace("_", "-"): value for name, value in properties.items()}}]}
        urllib.request.urlopen(urllib.request.Request(
            f"http://127.0.0.1:{self.ports['catalog']}/v1/namespaces/bench/tables/charges",
            method="POST", data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"})).close()

    def rows(self):
        metadata = self.metadata()
        current = metadata.get("current-snapshot-id")
        for snapshot in metadata.get("snapshots", []):
            if snapshot["snapshot-id"] == current:
                return int(snapshot["summary"].get("total-records", 0))
        return 0

    def wait_rows(self, count, timeout=600):
        until = time.monotonic() + timeout
        while self.rows() < count:
            if time.monotonic() > until:
                sys.exit(f"only {self.rows()} of {count} rows after {timeout} s: see {self.dir}")
            time.sleep(0.1)

    def generate(self, *options):
        return subprocess.Popen(
            [TARN, "generate", "charges", "--templates", TEMPLATES, "--quiet",
             "--to", f"kafka=localhost:{self.ports['kafka']}", *options])

    def stop(self, sig=signal.SIGTERM):
        self.process.send_signal(sig)
        self.process.wait()

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


def latencies(tarn, since, samples=200):
    """Milliseconds from a record's timestamp to the commit of the snapshot that holds it, of records
    picked at random from the snapshots after sequence number `since`."""
    from confluent_kafka import Consumer, TopicPartition

    spans, before = [], None
    for snapshot in tarn.metadata().get("snapshots", []):
        offsets = snapshot["summary"].get("tarn.offsets")
        if not offsets or snapshot["sequence-number"] < since:
            continue
        offsets = json.loads(offsets)["payment_charges"]
        if before:
            spans += [(p, a, b, snapshot["timestamp-ms"])
                      for p, (a, b) in enumerate(zip(before, offsets)) if b > a]
        before = offsets
    if not spans:
        return []
    consumer = Consumer({"bootstrap.servers": f"localhost:{tarn.ports['kafka']}",
                         "group.id": "bench", "enable.auto.commit": False})
    found = []
    for _ in range(samples):
        partition, low, high, committed = random.choice(spans)
        consumer.assign([TopicPartition("payment_charges", partition, random.randrange(low, high))])
        message = consumer.poll(5)
        if message is not None and not message.error():
            found.append(committed - message.timestamp()[1])
    consumer.close()
    return found


def line(name, value, note=""):
    print(f"  {name:<44} {value:>16}  {note}", flush=True)


def measure(tarn, count, label):
    """Full speed: what one event costs. Then a steady rate: how long one takes."""
    rows, cpu = tarn.rows(), tarn.cpu()
    began = time.monotonic()
    generator = tarn.generate("--speed", "max", "--count", str(count))
    if generator.wait():
        sys.exit("the generator failed")
    produced = time.monotonic() - began
    tarn.wait_rows(rows + count)
    took, spent = time.monotonic() - began, tarn.cpu() - cpu
    rate = count / spent
    print(f"{count / 1e6:g} million events of 190 bytes{label}")
    line("events per CPU second of the whole process", f"{rate:,.0f}",
         f"{rate / 800_000:.2f} of the bar (800,000), {rate / FLINK[1]:.1f} to "
         f"{rate / FLINK[0]:.1f} times Flink without its broker")
    line("wall time: produced, committed", f"{produced:.1f} s, {took:.1f} s",
         f"{count / took:,.0f} events/s on this machine, generator beside it")
    line("peak memory", f"{tarn.memory('VmHWM'):.0f} MB", "bar: 400 MB")
    return rate


def steady(tarn, seconds=30, rate=20000):
    since = tarn.metadata()["last-sequence-number"]
    tarn.generate("--rate", str(rate), "--duration", f"{seconds}s").wait()
    time.sleep(6)
    found = latencies(tarn, since)
    line(f"produced to committed at {rate:,}/s: p50, p99",
         f"{percentile(found, 0.5) / 1000:.2f} s, {percentile(found, 0.99) / 1000:.2f} s",
         f"commit interval 5 s; {len(found)} records sampled")


def recovery(tarn):
    """kill -9 under load, then start: until ports answer, and until the job commits again."""
    generator = tarn.generate("--rate", "20000", "--duration", "8s")
    time.sleep(4)
    tarn.stop(signal.SIGKILL)
    generator.kill()
    generator.wait()
    up = tarn.start()
    line("kill -9 under load: ports answer again after", f"{up * 1000:.0f} ms", "bar: 1 s")


def day(tarn):
    """17,280 commits, a day of them at 5 s, as quick as they go. Snapshots are kept by number, since
    time does not pass quicker: 60 of them are the five minutes that a table of ours keeps."""
    commits = int(os.environ.get("BENCH_DAY", "17280"))
    tarn.stop()
    tarn.write("5ms")
    tarn.start()
    tarn.set_properties(history__expire__max_snapshot_age_ms="1",
                        history__expire__min_snapshots_to_keep="60")
    first = tarn.metadata().get("last-sequence-number", 0)
    began, generator, cpu, memory, sequence = time.monotonic(), None, tarn.cpu(), [], first
    while sequence - first < commits:
        if generator is None or generator.poll() is not None:
            generator = tarn.generate("--rate", "2000", "--duration", "60s")
        time.sleep(1)
        sequence = tarn.metadata().get("last-sequence-number", 0)
        memory.append(tarn.memory("VmRSS"))
    generator.kill()
    generator.wait()
    took, spent = time.monotonic() - began, tarn.cpu() - cpu
    tarn.set_properties(history__expire__max_snapshot_age_ms="300000",
                        history__expire__min_snapshots_to_keep="10")
    tarn.stop()
    tarn.write(None)
    tarn.start()
    metadata = tarn.metadata()
    current = [s for s in metadata["snapshots"]
               if s["snapshot-id"] == metadata["current-snapshot-id"]][0]
    folder = os.path.join(tarn.dir, ".tarn", "objects", "warehouse", "lake", "bench", "charges",
                          "metadata")
    size = sum(os.path.getsize(os.path.join(folder, f)) for f in os.listdir(folder))
    print(f"{commits:,} commits, a day of them at 5 s")
    line("commits per second", f"{(sequence - first) / took:.0f}",
         f"{1000 * spent / (sequence - first):.1f} ms of CPU time each")
    quarter = max(1, len(memory) // 4)
    line("memory in the first and the last quarter",
         f"{percentile(memory[:quarter], 0.5):.0f}, {percentile(memory[-quarter:], 0.5):.0f} MB")
    line("data files left", current["summary"].get("total-data-files", "?"), "bar: 200")
    line("metadata left", f"{size / 1e6:.2f} MB", "bar: 1 MB")


def main():
    words = (os.environ.get("BENCH") or " ".join(sys.argv[1:]) or "1e6 1e7 5e7 aged").split()
    sizes = [int(float(word)) for word in words if word != "aged"]
    if not os.access(TARN, os.X_OK):
        sys.exit(f"{TARN} is not there: run make first")
    print(f"machine: {os.cpu_count()} processors, "
          f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB")
    tarn = Tarn()
    try:
        starts = []
        for _ in range(5):
            starts.append(tarn.start())
            time.sleep(0.5)
            idle = tarn.memory("VmRSS")
            tarn.stop()
        print("start")
        line("all ports answer after (median of 5)", f"{percentile(starts, 0.5) * 1000:.0f} ms",
             "bar: 200 ms")
        line("idle memory", f"{idle:.0f} MB", "bar: 120 MB")
        tarn.start()
        rates = [measure(tarn, size, "") for size in sizes]
        if len(rates) > 1:
            line("cost per event, last against first", f"{rates[0] / rates[-1]:.2f}",
                 "flat is 1")
        steady(tarn)
        time.sleep(10)
        line("memory after work", f"{tarn.memory('VmRSS'):.0f} MB", "bar: 120 MB")
        recovery(tarn)
        if "aged" in words:
            day(tarn)
            aged = measure(tarn, sizes[0], ", on that table")
            line("cost per event, aged against fresh", f"{rates[0] / aged:.2f}", "flat is 1")
        tarn.stop()
    finally:
        if tarn.process and tarn.process.poll() is None:
            tarn.stop(signal.SIGKILL)
        tarn.remove()


if __name__ == "__main__":
    main()
