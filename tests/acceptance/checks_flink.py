"""checks_flink.py - rows of Flink's REST: the cluster, its jobs, their vertices and checkpoints, savepoints."""

import json
import os
import re
import shutil
import tempfile
import time

from checks import PROJECTS, equal, row
from harness import Tarn, boto, free_ports, wait_until

MAPPED = {  # what a document's tarn.yaml has of its Flink cluster
    "S0": {"port": 8083, "settings": {"state.checkpoints.dir": "s3://warehouse/flink-checkpoints"}},
    "S1": {"port": 8081, "settings": {"jobmanager.rpc.address": "flink-jobmanager",
                                      "taskmanager.numberOfTaskSlots": 4, "parallelism.default": 2,
                                      "state.backend": "rocksdb",
                                      "state.checkpoints.dir": "s3://lake-data/flink-checkpoints",
                                      "state.savepoints.dir": "s3://lake-data/flink-savepoints"}},
    "S3": {"port": 8082, "taskmanagers": 3},
}
for document, flink in MAPPED.items():
    PROJECTS[document]["settings"]["flink"] = flink


def ask(lab, command):
    return json.loads(lab.type(re.sub(r"\bcurl (?!-s)", "curl -s ", command)))


def job_id(lab, port=8081, name=None):
    jobs = ask(lab, f"curl http://localhost:{port}/jobs/overview")["jobs"]
    return next(job["jid"] for job in jobs if name in (None, job["name"]) and job["state"] == "RUNNING")


def field_names(found, *names):
    missing = set(names) - set(found)
    if missing:
        raise AssertionError(f"{sorted(missing)} are not there: {sorted(found)}")


@row("S1-018", "S1-063", "S3-012")
def overview(lab, row):
    found = ask(lab, row.command)
    field_names(found, "taskmanagers", "slots-total", "slots-available", "jobs-running", "jobs-finished",
                "jobs-cancelled", "jobs-failed", "flink-version", "flink-commit")
    equal(found["taskmanagers"], 3 if row.document == "S3" else 1)
    if row.document == "S1":
        equal(found["slots-total"], 4)


@row("S1-019")
def task_managers(lab, row):
    managers = ask(lab, row.command)["taskmanagers"]
    if not managers or managers[0]["slotsNumber"] < 1:
        raise AssertionError(f"no slots: {managers}")


@row("S3-014", note="one process, shown in the parts that `flink: {taskmanagers: 3}` asks for")
def three_task_managers(lab, row):
    managers = ask(lab, row.command)["taskmanagers"]
    equal(len({each["id"] for each in managers}), 3)
    total = ask(lab, "curl http://localhost:8082/overview")
    equal(sum(each["slotsNumber"] for each in managers), total["slots-total"])
    equal(sum(each["freeSlots"] for each in managers), total["slots-available"])
    for each in managers:
        equal(ask(lab, f"curl http://localhost:8082/taskmanagers/{each['id']}")["slotsNumber"], each["slotsNumber"])


@row("S3-013", note="tarn.yaml in place of Flink's configuration, streams/*.sql in place of the script")
def configuration_and_script(lab, row):
    folder, port = tempfile.mkdtemp(prefix="tarn-acceptance-start-"), free_ports(1)[0]
    script = """CREATE TABLE made (n INT) WITH ('connector' = 'datagen', 'rows-per-second' = '1');
        CREATE TABLE gone (n INT) WITH ('connector' = 'blackhole'); INSERT INTO gone SELECT n FROM made;"""
    settings = {"parallelism.default": 2, "execution.checkpointing.interval": "7 s"}
    tarn = Tarn({"defaults.sql": script}, {"flink": {"port": port, "settings": settings}}, directory=folder)
    try:
        tarn.start()
        found = {each["key"]: each["value"] for each in ask(lab, f"curl http://localhost:{port}/jobmanager/config")}
        equal(found["execution.checkpointing.interval"], "7 s")
        wait_until(lambda: [job["name"] for job in ask(lab, f"curl http://localhost:{port}/jobs/overview")["jobs"]
                            if job["state"] == "RUNNING"] == ["defaults"], "the script's job")
        job = job_id(lab, port)
        equal(ask(lab, f"curl http://localhost:{port}/jobs/{job}/checkpoints/config")["interval"], 7000)
        equal(ask(lab, f"curl http://localhost:{port}/jobs/{job}/config")["execution-config"]["job-parallelism"], 2)
    finally:
        tarn.close()
        shutil.rmtree(folder, ignore_errors=True)


@row("S1-049", note="also at a hundredth of the times, to see them kept")
def pauses(lab, row):
    folder, port = tempfile.mkdtemp(prefix="tarn-acceptance-pause-"), free_ports(1)[0]
    settings = dict(line.split(": ", 1) for line in row.command.splitlines())
    made = "CREATE TABLE made (n INT) WITH ('connector' = 'datagen', 'rows-per-second' = '500');\n" \
           "CREATE TABLE gone (n INT) WITH ('connector' = 'blackhole');\n"
    fast = "SET 'execution.checkpointing.interval' = '600 ms'; SET 'execution.checkpointing.min-pause' = '500 ms';"
    tarn = Tarn({"minute.sql": made + "INSERT INTO gone SELECT n FROM made;",
                 "fast.sql": made + fast + "INSERT INTO gone SELECT n FROM made;"},
                {"flink": {"port": port, "settings": settings}}, directory=folder)
    try:
        tarn.start()
        config = ask(lab, f"curl http://localhost:{port}/jobs/{job_id(lab, port, 'minute')}/checkpoints/config")
        equal([config["interval"], config["min_pause"]], [60000, 30000])
        command = f"curl http://localhost:{port}/jobs/{job_id(lab, port, 'fast')}/checkpoints"
        wait_until(lambda: ask(lab, command)["counts"]["completed"] >= 5, "five checkpoints")
        history = sorted(ask(lab, command)["history"], key=lambda each: each["id"])
        for one, after in zip(history, history[1:]):
            if after["id"] == one["id"] + 1:  # the clock is read a little before the cut
                apart = after["trigger_timestamp"] - one["trigger_timestamp"]
                if apart < 590 or after["trigger_timestamp"] - one["trigger_timestamp"] - one["end_to_end_duration"] < 490:
                    raise AssertionError(f"{apart} ms apart, {one['end_to_end_duration']} ms long")
    finally:
        tarn.close()
        shutil.rmtree(folder, ignore_errors=True)


@row("S1-041", note="below `flink: {settings: ...}`; tarn's own state takes the place of RocksDB", late=30)
def state_survives(lab, row):
    wanted = dict(line.split(": ", 1) for line in row.command.splitlines())
    found = {each["key"]: each["value"] for each in ask(lab, "curl http://localhost:8081/jobmanager/config")}
    equal({key: found.get(key) for key in wanted}, wanted)
    path = lab.tarn.write("counted.sql", """SET 'pipeline.name' = 'counted';
        CREATE TABLE seen (k STRING) WITH ('connector' = 'kafka', 'topic' = 'counted', 'format' = 'json',
            'properties.bootstrap.servers' = 'localhost:9092', 'scan.startup.mode' = 'earliest-offset');
        CREATE CATALOG c WITH ('type' = 'iceberg', 'catalog-type' = 'rest', 'uri' = 'http://localhost:8181',
            'warehouse' = 'polariscatalog');
        CREATE DATABASE IF NOT EXISTS c.counted;
        CREATE TABLE IF NOT EXISTS c.counted.totals (k STRING, n BIGINT, PRIMARY KEY (k) NOT ENFORCED);
        INSERT INTO c.counted.totals SELECT k, COUNT(*) FROM seen GROUP BY k;""")
    lab.type("tarn topic create counted")

    def send():
        lab.type("for i in 1 2 3; do echo '{\"k\": \"a\"}'; done | kcat -P -b localhost:9092 -t counted")

    def counts(number):
        wait_until(lambda: [r["n"] for r in lab.tarn.sql("SELECT n FROM polariscatalog.counted.totals")] == [number],
                   f"a count of {number}")

    lab.type(f"tarn job submit {path}")
    send()
    counts(3)
    lab.tarn.kill()
    lab.tarn.start()
    send()
    counts(6)
    job = job_id(lab, name="counted")
    client = boto(lab.tarn)
    wait_until(lambda: [each for each in client.list_objects_v2(
        Bucket="lake-data", Prefix=f"flink-checkpoints/{job}/").get("Contents", []) if "_metadata" in each["Key"]],
        "the copy of a checkpoint")
    asked = ask(lab, f"curl -X POST http://localhost:8081/jobs/{job}/savepoints -d '{{\"cancel-job\":true}}'")["request-id"]
    place = ask(lab, f"curl http://localhost:8081/jobs/{job}/savepoints/{asked}")["operation"]["location"]
    if not place.startswith("s3://lake-data/flink-savepoints/"):
        raise AssertionError(place)
    send()
    lab.type(f"tarn job start counted --from {place}")
    counts(9)
    lab.type("tarn job cancel counted")


@row("S3-011")
def config(lab, row):
    field_names(ask(lab, row.command), "refresh-interval", "flink-version", "flink-revision", "features")


@row("S1-040", note="the settings stand in tarn.yaml below `flink: {settings: ...}`")
def cluster_settings(lab, row):
    found = {each["key"]: each["value"] for each in ask(lab, "curl http://localhost:8081/jobmanager/config")}
    for line in row.command.splitlines():
        key, value = line.split(": ", 1)
        equal(found.get(key), value)
    equal(ask(lab, "curl http://localhost:8081/overview")["slots-total"], 4)
    job = job_id(lab)
    equal(ask(lab, f"curl http://localhost:8081/jobs/{job}/config")["execution-config"]["job-parallelism"], 2)


@row("S1-047", "S1-048", note="in a project of its own: its settings are not those of section Configuration")
def tuned(lab, row):
    settings = dict(line.split(": ", 1) for line in row.command.splitlines())
    folder, port = tempfile.mkdtemp(prefix="tarn-acceptance-tuned-"), free_ports(1)[0]
    tarn = Tarn(directory=folder, settings={"flink": {"port": port, "settings": settings}})
    try:
        tarn.start()
        found = {each["key"]: each["value"] for each in ask(lab, f"curl http://localhost:{port}/jobmanager/config")}
        for key, value in settings.items():
            equal(found.get(key), value)
        slots = settings.get("taskmanager.numberOfTaskSlots")
        if slots:
            equal(ask(lab, f"curl http://localhost:{port}/overview")["slots-total"], int(slots))
        else:
            resident = int(ask(lab, f"curl 'http://localhost:{port}/taskmanagers/localhost:tarn/metrics"
                                    "?get=Status.JVM.Memory.Heap.Used'")[0]["value"])
            if resident > 4096 << 20:
                raise AssertionError(f"{resident} bytes")
    finally:
        tarn.close()
        shutil.rmtree(folder, ignore_errors=True)


@row("S1-055")
def jobs(lab, row):
    found = ask(lab, row.command)["jobs"]
    if not found or not all(re.fullmatch("[0-9a-f]{32}", job["id"]) for job in found):
        raise AssertionError(f"no ids: {found}")
    if "RUNNING" not in [job["status"] for job in found]:
        raise AssertionError(f"none runs: {found}")


@row("S1-056")
def vertex_metrics(lab, row):
    job = job_id(lab)
    vertex = ask(lab, f"curl http://localhost:8081/jobs/{job}")["vertices"][0]["id"]
    command = row.command.replace("<job-id>", job).replace("<vertex-id>", vertex)
    ids = [each["id"] for each in ask(lab, command)]
    field_names(ids, "0.numRecordsIn", "0.numRecordsOut", "0.busyTimeMsPerSecond")
    value = ask(lab, f"curl '{command.split()[-1]}?get=0.numRecordsIn'")
    equal(value[0]["id"], "0.numRecordsIn")
    int(value[0]["value"])


@row("S1-316")
def savepoint(lab, row):
    job = job_id(lab)
    asked = ask(lab, row.command.replace("<job-id>", job))["request-id"]
    done = ask(lab, f"curl http://localhost:8081/jobs/{job}/savepoints/{asked}")
    equal(done["status"]["id"], "COMPLETED")
    location = done["operation"]["location"]
    if not location.startswith("s3://lake-data/flink-savepoints/"):
        raise AssertionError(location)
    prefix = location.removeprefix("s3://lake-data/")
    keys = [each["Key"] for each in boto(lab.tarn).list_objects_v2(Bucket="lake-data", Prefix=prefix)["Contents"]]
    if f"{prefix}/_metadata" not in keys:
        raise AssertionError(f"{keys}")


BROKEN = """
CREATE TABLE broken_in (n BIGINT) WITH ('connector' = 'kafka', 'topic' = 'broken', 'format' = 'json',
    'properties.bootstrap.servers' = 'localhost:9092', 'scan.startup.mode' = 'earliest-offset');
CREATE CATALOG c WITH ('type' = 'iceberg', 'catalog-type' = 'rest', 'uri' = 'http://localhost:8181',
    'warehouse' = 'polariscatalog');
CREATE DATABASE IF NOT EXISTS c.broken;
CREATE TABLE IF NOT EXISTS c.broken.numbers (n BIGINT);
SET 'restart-strategy.type' = 'none';
INSERT INTO c.broken.numbers SELECT * FROM broken_in;
"""


@row("S1-317", note="a job whose table is dropped beneath it; the alert comes with the console")
def exceptions(lab, row):
    path = os.path.join(lab.tarn.dir, "broken.sql")
    with open(path, "w") as out:
        out.write(BROKEN)
    lab.type("tarn topic create broken")
    lab.type(f"tarn job submit {path}")
    job = job_id(lab, name="broken")
    lab.type("tarn table drop broken.numbers --purge")
    lab.type("echo '{\"n\": 1}' | kcat -P -b localhost:9092 -t broken")
    wait_until(lambda: ask(lab, f"curl http://localhost:8081/jobs/{job}")["state"] == "FAILED", "it fails")
    found = ask(lab, row.command.replace("<job-id>", job))
    if "numbers" not in found["root-exception"]:
        raise AssertionError(found)
    told = [found["root-exception"], found["exceptionHistory"]["entries"][0]["stacktrace"]]
    equal(*(re.sub(r"^after \d+ restarts: ", "", text) for text in told))  # it gave up, or not yet
    lab.type("tarn job cancel broken")


@row("S2-012")
def one_job(lab, row):
    found = ask(lab, row.command)["jobs"]
    equal([job["state"] for job in found], ["RUNNING"])


@row("S2-013")
def resources(lab, row):
    managers, checkpoints = row.command.replace("<job-id>", job_id(lab)).split("; ")
    field_names(ask(lab, managers)["taskmanagers"][0], "slotsNumber", "totalResource", "hardware")
    wait_until(lambda: ask(lab, checkpoints)["counts"]["completed"] > 0, "a checkpoint")
    field_names(ask(lab, checkpoints)["history"][0], "id", "status", "end_to_end_duration", "state_size")


@row("S2-304", late=90)
def cancel(lab, row):
    job = job_id(lab)
    out = lab.type("curl -s -o /dev/null -w '%{http_code}' " + row.command.removeprefix("curl ")
                   .replace("<job-id>", job))
    equal(out.strip(), "202")
    equal(ask(lab, f"curl http://localhost:8081/jobs/{job}")["state"], "CANCELED")
    lab.type(f"tarn job start {job}")  # for the rows behind this one
    wait_until(lambda: ask(lab, f"curl http://localhost:8081/jobs/{job}")["state"] == "RUNNING", "it runs again")


SHOP = """
CREATE TABLE orders_in (order_id STRING) WITH ('connector' = 'kafka', 'topic' = 'shopify.orders', 'format' = 'json',
    'properties.bootstrap.servers' = 'localhost:9092', 'scan.startup.mode' = 'earliest-offset');
CREATE CATALOG c WITH ('type' = 'iceberg', 'catalog-type' = 'rest', 'uri' = 'http://localhost:8181',
    'warehouse' = 'iceberg');
CREATE DATABASE IF NOT EXISTS c.flink_rest;
CREATE TABLE IF NOT EXISTS c.flink_rest.orders (order_id STRING);
INSERT INTO c.flink_rest.orders SELECT order_id FROM orders_in;
"""


@row("S0-047", note="of a job that is submitted for it")
def shop_job(lab, row):
    path = os.path.join(lab.tarn.dir, "flink_rest.sql")
    with open(path, "w") as out:
        out.write(SHOP)
    lab.type(f"tarn job submit {path}")
    job_id(lab, 8083, "flink_rest")
    found = next(job for job in ask(lab, row.command)["jobs"] if job["name"] == "flink_rest")
    deadline = time.monotonic() + 20
    while found["tasks"]["running"] < 1 and time.monotonic() < deadline:
        found = next(job for job in ask(lab, row.command)["jobs"] if job["name"] == "flink_rest")
    equal(found["tasks"]["running"], found["tasks"]["total"])


@row("S0-046", late=10, note="of the same job")
def shop_checkpoints(lab, row):
    command = row.command.replace("<job-id>", job_id(lab, 8083, "flink_rest"))
    before = ask(lab, command)["counts"]["completed"]
    lab.type("""echo '{"order_id": "a"}' | kcat -P -b localhost:9092 -t shopify.orders""")
    wait_until(lambda: ask(lab, command)["counts"]["completed"] > before, "a checkpoint")
    wait_until(lambda: ask(lab, command)["latest"]["completed"]["external_path"].startswith("s3://warehouse/flink-"),
               "its copy")
    path = ask(lab, command)["latest"]["completed"]["external_path"]
    key = path.removeprefix("s3://warehouse/") + "/_metadata"
    boto(lab.tarn, secret="admin123").head_object(Bucket="warehouse", Key=key)
    lab.type("tarn job cancel flink_rest")
