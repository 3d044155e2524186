#!/usr/bin/env python3
"""long.py - does an event cost the same after a billion of them? Nexmark from memory into blackhole, in growing sizes.

  TARN=build/tarn .deps/python/bin/python tests/bench/long.py [q0 q5 q11 ...] [--events 1e6,1e7,1e8]

Each size is a tarn and a job of its own. CPU time is that of the whole process; "last tenth" is what an event of the
last tenth cost against one of the whole run. Files are those of the job's state, the most that were seen at once.
The event time of the generator goes on by 10,000 events a second, so windows end and what they held goes.
"""

import argparse
import importlib.util
import json
import os
import time

HERE = os.path.dirname(os.path.abspath(__file__))
spec = importlib.util.spec_from_file_location("nexmark_bench", os.path.join(HERE, "nexmark.py"))
bench = importlib.util.module_from_spec(spec)  # another nexmark.py, of the queries, has its name
spec.loader.exec_module(bench)


def folder_size(path):
    files = size = 0
    for where, _, names in os.walk(path):
        for name in names:
            try:
                size += os.stat(os.path.join(where, name)).st_size
            except FileNotFoundError:  # between two looks the epoch was over
                continue
            files += 1
    return files, size


def resident_mib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


class Run:
    def __init__(self, name, events):
        self.name, self.events = name, events
        self.tarn = bench.begin("memory", events)
        self.pid = self.tarn.process.pid
        self.files = self.bytes = 0
        self.points = []  # (rows read, CPU seconds, MiB)

    def state(self):
        """One look at the job. True: it is over."""
        tarn = self.tarn
        job = next(each for each in json.loads(tarn.command("job", "list", "--json")) if each["job"] == self.name)
        if job["state"] == "FAILED":
            raise RuntimeError(job["reason"])
        steps = json.loads(tarn.command("job", "show", self.name, "--json"))
        rows = next((step["rows in"] for step in steps if step["step"].strip() == "events"), 0)
        self.points.append((rows, bench.cpu_seconds(self.pid), resident_mib(self.pid)))
        files, size = folder_size(os.path.join(tarn.dir, ".tarn", "state"))
        self.files, self.bytes = max(self.files, files), max(self.bytes, size)
        return job["state"] == "FINISHED"

    def last_tenth(self, whole):
        """CPU time of an event near the end against that of all."""
        points = [point for point in self.points if 0 < point[0] < self.events]
        begin = next((point for point in points if point[0] >= 0.9 * self.events), None)
        if not begin or points[-1][0] - begin[0] < self.events / 50:
            return ""
        end = points[-1]
        return f"{(end[1] - begin[1]) / (end[0] - begin[0]) / whole:.2f}"

    def go(self):
        tarn, began = self.tarn, time.monotonic()
        before = bench.cpu_seconds(self.pid)
        tarn.command("sql", "-e", tarn.fill(bench.script(self.name, "memory", self.events)))
        pause = min(10.0, max(0.2, self.events / 1e8))
        while not self.state():
            time.sleep(pause)
        cpu, wall = bench.cpu_seconds(self.pid) - before, time.monotonic() - began
        print(f"{self.name:6} {self.events:14,} {cpu / self.events * 1e9:12,.0f} {self.events / cpu:13,.0f} "
              f"{self.last_tenth(cpu / self.events):>11} {bench.peak_mib(self.pid):9.0f} {self.files:6} "
              f"{self.bytes / 2**20:9.1f} {wall:8.0f}  {os.getloadavg()[1]:.1f}", flush=True)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("queries", nargs="*")
    options.add_argument("--events", default="1e6,1e7,1e8")
    options = options.parse_args()
    print(f"{'query':6} {'events':>14} {'ns of CPU':>12} {'per CPU s':>13} {'last tenth':>11} {'peak MiB':>9} "
          f"{'files':>6} {'MiB there':>9} {'seconds':>8}  load")
    for name in options.queries or ["q0", "q5", "q11"]:
        for events in options.events.split(","):
            run = Run(name, int(float(events)))
            try:
                run.go()
            finally:
                run.tarn.close()


if __name__ == "__main__":
    main()
