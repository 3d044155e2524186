#!/usr/bin/env python3
"""The same work through real Kafka, Flink and Iceberg's Flink connector, then through tarn: ratios.

    make bench-peers                         5 million charges of 190 bytes
    make bench-peers BENCH_PEERS=1e6         another number of them

Both sides get the same records from `tarn generate`, the same SQL and checkpoints every 10 s, one
after the other, so that neither takes processor time from the other. Kafka 4.3.1 is one KRaft node,
Flink 1.20.1 a JobManager and a TaskManager with two slots, the catalog a folder. Figures are the
kernel's own (/proc/PID/stat, VmHWM); the client that submits the job and the generator count for
neither side. Needs Java 17.
"""
import glob
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import bench  # noqa: E402

DEPS = os.path.join(bench.ROOT, ".deps")
TIMEOUT = 900

KAFKA = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@localhost:{controller}
listeners=PLAINTEXT://localhost:{kafka},CONTROLLER://localhost:{controller}
advertised.listeners=PLAINTEXT://localhost:{kafka}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={dir}/kafka
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
"""

# Sizes that Flink's shell scripts would work out and pass on.
FLINK = """
jobmanager.rpc.address: localhost
jobmanager.rpc.port: {rpc}
jobmanager.memory.process.size: 1600m
rest.address: localhost
rest.port: {rest}
blob.server.port: "0"
taskmanager.host: localhost
taskmanager.resource-id: taskmanager-1
taskmanager.cpu.cores: "2"
taskmanager.numberOfTaskSlots: 2
taskmanager.memory.framework.heap.size: 128m
taskmanager.memory.framework.off-heap.size: 128m
taskmanager.memory.task.heap.size: {heap}m
taskmanager.memory.task.off-heap.size: 0m
taskmanager.memory.network.min: 128m
taskmanager.memory.network.max: 128m
taskmanager.memory.managed.size: 128m
taskmanager.memory.jvm-metaspace.size: 256m
taskmanager.memory.jvm-overhead.min: 192m
taskmanager.memory.jvm-overhead.max: 192m
parallelism.default: 2
execution.target: remote
execution.checkpointing.interval: 10s
classloader.check-leaked-classloader: false
io.tmp.dirs: {dir}/tmp
execution.checkpointing.dir: file://{dir}/checkpoints
"""

SQL = """
SET 'table.dml-sync' = 'true';
CREATE TABLE charges (
  charge_id STRING, customer_id STRING, amount DECIMAL(18,2), currency STRING, status STRING,
  provider STRING, failure_code STRING, created_at TIMESTAMP(3)
) WITH ('connector' = 'kafka', 'topic' = 'payment_charges',
  'properties.bootstrap.servers' = 'localhost:{kafka}', 'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = 'latest-offset', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE CATALOG lake WITH ('type' = 'iceberg', 'catalog-type' = 'hadoop',
  'warehouse' = 'file://{dir}/warehouse');
CREATE DATABASE IF NOT EXISTS lake.bench;
CREATE TABLE IF NOT EXISTS lake.bench.charges (
  charge_id STRING, customer_id STRING, amount DECIMAL(18,2), currency STRING, status STRING,
  provider STRING, failure_code STRING, created_at TIMESTAMP(6)
);
INSERT INTO lake.bench.charges SELECT * FROM charges;
"""

# What Flink's own configuration opens to itself on Java 17.
OPENS = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in (
    "java.lang", "java.net", "java.io", "java.nio", "sun.nio.ch", "java.lang.reflect", "java.text",
    "java.time", "java.util", "java.util.concurrent", "java.util.concurrent.atomic",
    "java.util.concurrent.locks")]


class Java:
    """A Java process whose cost is measured."""

    def __init__(self, folder, name, classpath, options, main, *arguments):
        self.log = os.path.join(folder, f"{name}.log")
        out = open(self.log, "ab")
        environment = dict(os.environ, FLINK_CONF_DIR=os.path.join(folder, "conf"))
        self.name = name
        self.process = subprocess.Popen(
            ["java", *options, *OPENS, "-cp", classpath, main, *arguments], stdout=out, stderr=out,
            stdin=subprocess.DEVNULL, cwd=folder, env=environment)

    cpu = bench.Tarn.cpu
    memory = bench.Tarn.memory

    def alive(self):
        if self.process.poll() is not None:
            sys.exit(f"{self.name} ended:\n" + open(self.log).read()[-3000:])

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def wait_until(what, test, *processes):
    began = time.monotonic()
    while not test():
        for process in processes:
            process.alive()
        if time.monotonic() - began > TIMEOUT:
            sys.exit(f"{what}: not within {TIMEOUT} s")
        time.sleep(0.05)


def start_kafka(folder, ports, topic="payment_charges", partitions=4):
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient, NewTopic

    classpath = os.path.join(DEPS, "kafka", "*")
    properties = os.path.join(folder, "server.properties")
    with open(properties, "w") as f:
        f.write(KAFKA.format(dir=folder, **ports))
    subprocess.run(["java", "-cp", classpath, "kafka.tools.StorageTool", "format", "--cluster-id",
                    "MkU3OEVBNTcwNTJENDM2Qk", "--config", properties], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    began = time.monotonic()
    broker = Java(folder, "kafka", classpath, ["-Xms1g", "-Xmx1g", "-XX:+UseG1GC"], "kafka.Kafka",
                  properties)

    def listening():
        try:
            socket.create_connection(("127.0.0.1", ports["kafka"]), 1).close()
            return True
        except OSError:
            return False

    wait_until("Kafka", listening, broker)
    admin = AdminClient({"bootstrap.servers": f"localhost:{ports['kafka']}"})

    def answers():
        try:
            return bool(admin.list_topics(timeout=1).brokers)
        except KafkaException:
            return False

    wait_until("Kafka", answers, broker)
    took = time.monotonic() - began
    admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result()
    return broker, took


def start_flink(folder, ports, heap=1024):
    """heap: of the tasks, in MB; the framework's 128 come to it."""
    home = os.path.join(DEPS, "peers")
    classpath = ":".join(sorted(glob.glob(f"{home}/flink/lib/*.jar")) +
                         sorted(glob.glob(f"{home}/connectors/*.jar")))
    os.makedirs(os.path.join(folder, "conf"), exist_ok=True)
    os.makedirs(os.path.join(folder, "tmp"), exist_ok=True)
    with open(os.path.join(folder, "conf", "config.yaml"), "w") as f:
        f.write(FLINK.format(dir=folder, heap=heap, **ports))
    began = time.monotonic()
    arguments = ("--configDir", os.path.join(folder, "conf"))
    manager = Java(folder, "jobmanager", classpath, ["-Xmx1g", "-XX:+UseG1GC"],
                   "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint",
                   *arguments)
    worker = Java(folder, "taskmanager", classpath,
                  [f"-Xms{heap + 128}m", f"-Xmx{heap + 128}m", "-XX:MaxDirectMemorySize=256m",
                   "-XX:MaxMetaspaceSize=256m", "-XX:+UseG1GC"],
                  "org.apache.flink.runtime.taskexecutor.TaskManagerRunner", *arguments)

    def slots():
        try:
            with urllib.request.urlopen(f"http://localhost:{ports['rest']}/overview") as answer:
                return json.load(answer)["slots-total"] == 2
        except OSError:
            return False

    wait_until("Flink", slots, manager, worker)
    return manager, worker, time.monotonic() - began, classpath


class JobFailed(SystemExit):
    """Ends the program with Flink's words, unless somebody wants to know."""


def run_job(folder, ports, classpath, flink, sql):
    """Submits the job and waits for its end. Seconds until it ran, and until it ended."""
    script = os.path.join(folder, "job.sql")
    with open(script, "w") as f:
        f.write(sql)
    client = glob.glob(os.path.join(DEPS, "peers", "flink", "opt", "*.jar"))
    log = os.path.join(folder, "sql-client.log")
    said = os.path.getsize(log) if os.path.exists(log) else 0
    began, running = time.monotonic(), None
    submit = Java(folder, "sql-client", ":".join([classpath] + client), [],
                  "org.apache.flink.table.client.SqlClient", "embedded", "-f", script)
    while submit.process.poll() is None:
        for process in flink:
            process.alive()
        if not running:
            with urllib.request.urlopen(f"http://localhost:{ports['rest']}/overview") as answer:
                if json.load(answer)["jobs-running"]:
                    running = time.monotonic() - began
        if time.monotonic() - began > TIMEOUT:
            submit.stop()
            sys.exit(f"the job did not end within {TIMEOUT} s: see {folder}")
        time.sleep(0.1)
    with open(submit.log) as f:
        f.seek(said)
        text = f.read()
    if submit.process.returncode or "[ERROR]" in text:
        raise JobFailed("the job failed:\n" + text[-4000:])
    return running or 0, time.monotonic() - began


def parquet_rows(folder):
    import duckdb

    files = glob.glob(f"{folder}/warehouse/bench/charges/data/**/*.parquet", recursive=True)
    count = duckdb.execute("SELECT count(*) FROM read_parquet(?)", [files]).fetchone()[0] if files else 0
    return count, sum(os.path.getsize(file) for file in files)


def peers(count):
    folder = tempfile.mkdtemp(prefix="tarn-peers-", dir=os.environ.get("BENCH_DIR"))
    names = ("kafka", "controller", "rpc", "rest")
    ports = dict(zip(names, bench.free_ports(len(names))))
    started = []
    try:
        broker, kafka_up = start_kafka(folder, ports)
        started.append(broker)
        manager, worker, flink_up, classpath = start_flink(folder, ports)
        started += [manager, worker]
        time.sleep(3)
        idle = sum(p.memory("VmRSS") for p in started)
        before = [p.cpu() for p in started]
        subprocess.run([bench.TARN, "generate", "charges", "--templates", bench.TEMPLATES, "--quiet",
                        "--to", f"kafka=localhost:{ports['kafka']}", "--speed", "max", "--count",
                        str(count)], check=True)
        running, took = run_job(folder, ports, classpath, [manager, worker],
                                SQL.format(dir=folder, **ports))
        cpu = [p.cpu() - b for p, b in zip(started, before)]
        rows, size = parquet_rows(folder)
        if rows != count:
            sys.exit(f"Flink wrote {rows} of {count} rows")
        return {"start": kafka_up + flink_up, "idle": idle, "broker": cpu[0], "engine": sum(cpu[1:]),
                "running": running, "took": took, "peak": sum(p.memory("VmHWM") for p in started),
                "bytes": size}
    finally:
        for process in started:
            process.stop()
        if not os.environ.get("BENCH_KEEP"):
            shutil.rmtree(folder, ignore_errors=True)


def ours(count):
    tarn = bench.Tarn("10s")
    try:
        start = tarn.start()
        time.sleep(3)
        idle, before, began = tarn.memory("VmRSS"), tarn.cpu(), time.monotonic()
        if tarn.generate("--speed", "max", "--count", str(count)).wait():
            sys.exit("the generator failed")
        tarn.wait_rows(count)
        cpu, took = tarn.cpu() - before, time.monotonic() - began
        folder = os.path.join(tarn.dir, ".tarn", "objects")
        size = sum(os.path.getsize(file) for file in
                   glob.glob(f"{folder}/**/data/**/*.parquet", recursive=True))
        return {"start": start, "idle": idle, "cpu": cpu, "took": took,
                "peak": tarn.memory("VmHWM"), "bytes": size}
    finally:
        tarn.stop()
        tarn.remove()


def row(name, theirs, mine, unit, ratio):
    print(f"  {name:<46} {theirs:>12,.{unit[1]}f} {mine:>12,.{unit[1]}f}  {unit[0]:<12} {ratio:>7.1f}",
          flush=True)


def main():
    count = int(float(os.environ.get("BENCH_PEERS") or (sys.argv[1:] or ["5e6"])[0]))
    print(f"{count / 1e6:g} million charges of 190 bytes, checkpoints every 10 s; "
          f"{os.cpu_count()} processors")
    print("Kafka 4.3.1, Flink 1.20.1, iceberg-flink 1.11.0 ...", flush=True)
    a = peers(count)
    print("tarn ...", flush=True)
    b = ours(count)
    cpu = a["broker"] + a["engine"]
    print(f"  {'':<46} {'Kafka, Flink':>12} {'tarn':>12}  {'':<12} {'ratio':>7}")
    row("events per CPU second of all processes", count / cpu, count / b["cpu"], ("events", 0),
        cpu / b["cpu"])
    row("the same, Kafka's broker left out, ours counted", count / a["engine"], count / b["cpu"],
        ("events", 0), a["engine"] / b["cpu"])
    row("CPU time of all processes", cpu, b["cpu"], ("s", 1), cpu / b["cpu"])
    row("start to ready", a["start"], b["start"], ("s", 2), a["start"] / b["start"])
    row("memory, idle", a["idle"], b["idle"], ("MB", 0), a["idle"] / b["idle"])
    row("memory, peak", a["peak"], b["peak"], ("MB", 0), a["peak"] / b["peak"])
    row("Parquet files", a["bytes"] / 1e6, b["bytes"] / 1e6, ("MB", 1), a["bytes"] / b["bytes"])
    print(f"  Kafka's broker took {a['broker']:.1f} s of the CPU time; Flink's job ran {a['running']:.1f} s after it was submitted and ended after "
          f"{a['took']:.1f} s")


if __name__ == "__main__":
    main()
