#!/usr/bin/env python3
"""jobs.py - what a thousand small jobs cost: memory, threads, files, and CPU time while nothing comes.

  TARN=build/tarn .deps/python/bin/python tests/bench/jobs.py [--jobs 1000] [--idle 20]

Half of the jobs filter a topic into blackhole, three in ten count by key into blackhole, two in ten copy into an Iceberg
table of their own (--kinds takes another mix). All read one topic of four partitions. Then some rows come for all of them, then none.
"""

import argparse
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "clients"))

from harness import Tarn, run, wait_until  # noqa: E402

TABLE = """CREATE TABLE ev (id BIGINT, name STRING, price DOUBLE, ts TIMESTAMP(3),
WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) WITH ('connector' = 'kafka', 'topic' = 'ev', 'format' = 'json',
'scan.startup.mode' = 'earliest-offset', 'properties.bootstrap.servers' = '127.0.0.1:@KAFKA@')"""
KINDS = {
    "filter": ("CREATE TABLE out_{n} (id BIGINT, name STRING) WITH ('connector' = 'blackhole')",
               "INSERT INTO out_{n} SELECT id, UPPER(name) FROM ev WHERE price > 10"),
    "count": ("CREATE TABLE out_{n} (name STRING, n BIGINT, total DOUBLE) WITH ('connector' = 'blackhole')",
              "INSERT INTO out_{n} SELECT name, COUNT(*), SUM(price) FROM ev GROUP BY name"),
    "table": ("CREATE CATALOG lake WITH ('type' = 'iceberg'); CREATE DATABASE IF NOT EXISTS lake.db; "
              "CREATE TABLE IF NOT EXISTS lake.db.out_{n} (id BIGINT, name STRING)",
              "INSERT INTO lake.db.out_{n} SELECT id, name FROM ev"),
}
MIX = ["filter"] * 5 + ["count"] * 3 + ["table"] * 2


def figures(pid):
    out = {}
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        for line in status:
            key, _, value = line.partition(":")
            if key in ("VmRSS", "RssAnon", "VmSize", "Threads"):
                out[key] = int(value.split()[0])
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    out["cpu"] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    out["files"] = len(os.listdir(f"/proc/{pid}/fd"))
    return out


def say(what, pid, since=None, jobs=1):
    now = figures(pid)
    print(f"{what:34} resident {now['VmRSS'] / 1024:6.0f} MiB (own {now['RssAnon'] / 1024:5.0f}), {now['Threads']:5} "
          f"threads, {now['files']:5} files", end="")
    if since:
        print(f"; {(now['VmRSS'] - since['VmRSS']) / jobs:6.0f} KiB a job", end="")
    print(flush=True)
    return now


def script(number, kinds):
    create, insert = KINDS[kinds[number % len(kinds)]]
    return ";\n".join([f"SET 'pipeline.name' = 'job_{number}'", TABLE, create.format(n=number),
                       insert.format(n=number)]) + ";\n"


def states(tarn):
    counts = {}
    for job in json.loads(tarn.command("job", "list", "--json", timeout=120)):
        counts[job["state"]] = counts.get(job["state"], 0) + 1
        if job["state"] in ("FAILED", "RESTARTING"):
            raise AssertionError(f"{job['job']}: {job['reason']}")
    return counts


def produce(tarn, count, first):
    rows = "".join(json.dumps({"id": first + i, "name": f"n{i % 10}", "price": i % 100, "ts": "2025-01-01 00:00:00.000"})
                   + "\n" for i in range(count))
    run("kcat", "-P", "-b", tarn.bootstrap, "-t", "ev", stdin=rows)


def idle(what, pid, seconds):
    before = figures(pid)
    time.sleep(seconds)
    spent = figures(pid)["cpu"] - before["cpu"]
    print(f"{what:34} {spent:.2f} CPU s in {seconds} s: {spent / seconds * 100:.1f}% of a processor", flush=True)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--jobs", type=int, default=1000)
    options.add_argument("--idle", type=float, default=20)
    options.add_argument("--kinds", default=",".join(MIX))
    options.add_argument("--hold", action="store_true", help="waits for a line before it ends")
    options = options.parse_args()
    kinds = options.kinds.split(",")
    tarn = Tarn({}, {"topics": {"ev": {"partitions": 4}}, "jobs": {"commit_interval": "5s"}})
    try:
        tarn.start()
        pid = tarn.process.pid
        print("pid", pid)
        start, began = say("before", pid), time.monotonic()
        for number in range(options.jobs):
            tarn.command("sql", "-e", tarn.fill(script(number, kinds)))
        wait_until(lambda: states(tarn).get("RUNNING", 0) == options.jobs, "all jobs to run", 300)
        print(f"{options.jobs} jobs started in {time.monotonic() - began:.1f} s, {figures(pid)['cpu'] - start['cpu']:.1f} CPU s")
        say("all run", pid, start, options.jobs)
        idle("before the first row", pid, options.idle)
        produce(tarn, 1000, 0)
        time.sleep(12)
        say("1,000 rows through each", pid, start, options.jobs)
        idle("idle afterwards", pid, options.idle)
        produce(tarn, 1000, 1000)
        time.sleep(12)
        say("and 1,000 more", pid, start, options.jobs)
        if options.hold:
            input()
    finally:
        tarn.close()


if __name__ == "__main__":
    main()
