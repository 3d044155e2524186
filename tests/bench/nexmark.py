#!/usr/bin/env python3
"""nexmark.py - Nexmark's queries per core: events per CPU second of the whole process, from memory and from a topic.

  TARN=build/tarn .deps/python/bin/python tests/bench/nexmark.py [q0 q5 ...] [--events N] [--from memory,topic]
    [--beside flink] [--threads 1,2]

The queries are the public ones, into blackhole, one job at a time, with each number of threads; memory is the peak resident one. Beside each stands
what Flink 1.20 did on a machine of this kind (events per CPU second, Kafka source), and the ratio. With --beside flink
a real one is started and asked first, in the same run (peers/flink_nexmark.py says how).
"""

import argparse
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
for folder in ("clients", "nexmark"):
    sys.path.insert(0, os.path.join(ROOT, "tests", folder))

from harness import Tarn  # noqa: E402
import nexmark  # noqa: E402

FLINK = {"q0": 200e3, "q1": 222e3, "q2": 226e3, "q3": 194e3, "q4": 79e3, "q5": 162e3, "q7": 44e3, "q8": 122e3,
         "q9": 55e3, "q11": 137e3, "q12": 135e3, "q18": 114e3, "q19": 66e3, "q20": 75e3}
SKIPPED = {"q6", "q10", "q13", "q14"}
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_mib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def job_name(name, threads):
    return name if threads == 1 else f"{name}_x{threads}"


def script(name, origin, events, threads):
    source = ({"connector": "nexmark", "events.num": str(events), "first-event.rate": "10000"} if origin == "memory" else
              {"connector": "kafka", "topic": "nexmark", "format": "json", "scan.startup.mode": "earliest-offset",
               "scan.bounded.mode": "latest-offset", "properties.bootstrap.servers": "127.0.0.1:@KAFKA@"})
    return ";\n".join([f"SET 'pipeline.name' = '{job_name(name, threads)}'", f"SET 'parallelism.default' = '{threads}'",
                       nexmark.source(source),
                       *nexmark.statements(nexmark.views("events")), *nexmark.statements(nexmark.query(name))]) + ";\n"


def begin(origin, events):
    tarn = Tarn({}, {"topics": {"nexmark": {"partitions": 1}}, "jobs": {"commit_interval": "5s"},
                     "kafka": {"retention": "36500d"}})  # the events are of a day long ago
    tarn.start()
    if origin == "topic":
        tarn.write("generators/nexmark.json", json.dumps({"name": "nexmark", "rate": "10000/s", "events": "nexmark"}))
        tarn.command("generate", "--to", f"kafka=127.0.0.1:{tarn.kafka}", "--count", str(events), "--speed", "max",
                     "--start-time", nexmark.START, "-q", timeout=600)
    return tarn


def run(tarn, name, origin, events, threads):
    pid = tarn.process.pid
    with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as clear:
        clear.write("5")  # the peak begins anew
    before, began = cpu_seconds(pid), time.monotonic()
    tarn.command("sql", "-e", tarn.fill(script(name, origin, events, threads)))
    while True:
        job = next(each for each in json.loads(tarn.command("job", "list", "--json")) if each["job"] == job_name(name, threads))
        if job["state"] in ("FINISHED", "FAILED"):
            break
        time.sleep(0.1)
    if job["state"] == "FAILED":
        raise RuntimeError(job["reason"])
    return cpu_seconds(pid) - before, time.monotonic() - began, peak_mib(pid)


def ask_flink(names, events):
    sys.path.insert(0, os.path.join(HERE, "peers"))
    import flink_nexmark

    figures = {}
    flink = flink_nexmark.Flink(os.environ["TARN"], events)
    print(f"{'query':6} {'Flink, events/CPU s':>20} {'MiB':>7}", flush=True)
    try:
        flink.submit("q0", flink_nexmark.one_topic)
        for name in names:
            try:
                figures[name], memory, shape = flink.run(name)
                print(f"{name:6} {figures[name]:20,.0f} {memory:7,.0f}  {shape}", flush=True)
            except flink_nexmark.peers.JobFailed as failed:
                print(f"{name:6} {str(failed).strip().splitlines()[-1][:100]}", flush=True)
    finally:
        flink.close()
    return figures


def main():
    options = argparse.ArgumentParser()
    options.add_argument("queries", nargs="*")
    options.add_argument("--events", type=float, default=2e6)
    options.add_argument("--from", dest="origins", default="memory,topic")
    options.add_argument("--threads", default="1")
    options.add_argument("--beside", choices=["flink"])
    options = options.parse_args()
    events = int(options.events)
    names = options.queries or [name for name in nexmark.QUERIES if name not in SKIPPED]
    theirs = ask_flink(names, events) if options.beside else FLINK
    print(f"{'query':6} {'from':7} {'threads':>7} {'events/CPU s':>13} {'Flink':>8} {'ratio':>6} {'events/s':>10} "
          f"{'peak MiB':>9}")
    threads = [int(each) for each in options.threads.split(",")]
    for origin in options.origins.split(","):
        tarn = begin(origin, events)
        try:
            for name, count in [(name, count) for name in names for count in threads]:
                try:
                    cpu, wall, peak = run(tarn, name, origin, events, count)
                except (RuntimeError, AssertionError) as refused:
                    print(f"{name:6} {origin:7} {count:7} {str(refused).splitlines()[-1][:100]}", flush=True)
                    continue
                flink = theirs.get(name)
                print(f"{name:6} {origin:7} {count:7} {events / cpu:13,.0f} {flink or 0:8,.0f} "
                      f"{events / cpu / flink if flink else 0:6.1f} {events / wall:10,.0f} {peak:9.0f}", flush=True)
        finally:
            tarn.close()


if __name__ == "__main__":
    main()
