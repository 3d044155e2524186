#!/usr/bin/env python3
"""record.py - runs Nexmark's queries in a real Flink 1.20 and keeps what they give in expected/.

  tests/bench/peers/fetch && tests/engines/fetch && TARN=build/tarn .deps/python/bin/python tests/nexmark/record.py [q5 ...]
"""

import glob
import json
import os
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
for folder in ("clients", "engines"):
    sys.path.insert(0, os.path.join(ROOT, "tests", folder))

from harness import free_ports  # noqa: E402
from flink import CONFIG, OPENS, Flink  # noqa: E402
from jvm import Jvm  # noqa: E402

import nexmark  # noqa: E402


class Recorder(Flink):
    def start(self):
        port, = free_ports(1)
        self.base = f"http://127.0.0.1:{port}/v1"
        peers = os.path.join(ROOT, ".deps/peers")
        jars = [jar for folder in (f"{peers}/flink/lib", f"{peers}/flink/opt", f"{peers}/connectors")
                for jar in sorted(glob.glob(f"{folder}/*.jar"))]
        self.jvm = Jvm("flink-nexmark", ["java", "-Xmx1500m", "-XX:+UseSerialGC", *OPENS, "-cp", ":".join(jars),
                                         "org.apache.flink.table.gateway.SqlGateway"])
        os.makedirs(f"{self.jvm.dir}/conf")
        with open(f"{self.jvm.dir}/conf/config.yaml", "w", encoding="utf-8") as out:
            out.write(CONFIG.format(port=port, dir=self.jvm.dir))
        self.jvm.environment = {"FLINK_CONF_DIR": f"{self.jvm.dir}/conf"}
        self.jvm.start(lambda: self.http("GET", "/info"))

    def session_new(self):
        self.session = self.http("POST", "/sessions", {})["sessionHandle"]
        for text in ("SET 'execution.runtime-mode' = 'streaming'", "SET 'table.dml-sync' = 'true'",
                     "SET 'table.local-time-zone' = 'UTC'"):
            self.sql(text)


def run(flink, name, events, folder):
    out = f"{folder}/{name}.out"
    shutil.rmtree(out, ignore_errors=True)
    flink.session_new()
    # Views over one table would be the benchmark's way, but Flink 1.20's planner fails on windows over them.
    for table, columns in nexmark.ROWS.items():
        flink.sql(f"CREATE TABLE {table} ({columns}, WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND) "
                  f"WITH ('connector' = 'filesystem', 'path' = '{events}/{table}', 'format' = 'json')")
    text = nexmark.query(name)
    if name == "q14":  # the benchmark's Java function, in Flink's own words
        text = text.replace("count_char(extra, 'c')", "CHAR_LENGTH(extra) - CHAR_LENGTH(REPLACE(extra, 'c', ''))")
    text = nexmark.into(text, {"connector": "filesystem", "path": out, "format": "debezium-json"})
    for each in nexmark.statements(text):
        if not each.startswith("CREATE FUNCTION"):
            flink.sql(each)
    rows = nexmark.Rows()
    for file in sorted(glob.glob(f"{out}/**/*", recursive=True) + glob.glob(f"{out}/**/.*", recursive=True)):
        if os.path.isfile(file):
            with open(file, encoding="utf-8") as lines:
                for line in lines:
                    rows.debezium(line)
    return rows


def main():
    wanted = sys.argv[1:] or [name for name in nexmark.QUERIES if name not in nexmark.NOT_IN_FLINK]
    folder = tempfile.mkdtemp(prefix="nexmark")
    lines = nexmark.make_events(os.environ.get("TARN", os.path.join(ROOT, "build/tarn")), folder)
    for name, given in (("ordered", lines), ("disordered", nexmark.disorder(lines))):
        for table in nexmark.ROWS:
            os.makedirs(f"{folder}/{name}/{table}")
            with open(f"{folder}/{name}/{table}/events.json", "w", encoding="utf-8") as out:
                out.writelines(json.dumps(row) + "\n" for row in (json.loads(line)[table] for line in given) if row)
    flink = Recorder(os.path.join(ROOT, ".deps/engines"))
    flink.start()
    try:
        for name in wanted:
            ordered = run(flink, name, f"{folder}/ordered", folder)
            lines = ordered.lines()
            nexmark.keep(name, lines)
            print(f"{name}: {len(lines)} rows, {ordered.taken_back} taken back on the way", flush=True)
            other = run(flink, name, f"{folder}/disordered", folder).lines()
            if other != lines:
                print(f"{name}: {len(other)} rows out of order, kept beside", flush=True)
                nexmark.keep(f"{name}-disordered", other)
    finally:
        flink.stop()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
