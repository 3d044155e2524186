"""plan.py - planning and scanning of one table: tarn, DuckDB's own iceberg extension, pyiceberg.

    make bench-plan [FILES=100000] [ROWS=2000000]      FILES=0: the scans alone

First plan_bench makes a table of FILES entries in a tarn's store and times tarn's planning; then the
table is registered and pyiceberg plans the same one over REST and S3 (DuckDB's extension has no plan of
its own to time: it plans while it reads files, and these were never written). Then a table of ROWS rows
in 40 files, written by pyiceberg, is scanned by all three. Load of the machine is printed: compare
only within one run."""

import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "clients"))

import pyarrow as pa  # noqa: E402
from pyiceberg.expressions import EqualTo  # noqa: E402

from harness import Tarn, duckdb_connection, iceberg  # noqa: E402

FILES = int(float(os.environ.get("FILES", "100000")))
ROWS = int(float(os.environ.get("ROWS", "2000000")))
ROUNDS = 3


def best(run, rounds=ROUNDS):
    """Least wall time in ms, and what the last round gave."""
    least, value = 1e12, None
    for _ in range(rounds):
        began = time.perf_counter()
        value = run()
        least = min(least, (time.perf_counter() - began) * 1e3)
    return least, value


def line(what, ms, note=""):
    print(f"{what:52} {ms:10.1f} ms  {note}", flush=True)


def main():
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    tarn = Tarn(settings={"kafka": {"enabled": False}})
    try:
        if FILES:
            plan(tarn)
        tarn.start()
        scan(tarn, iceberg(tarn))
    finally:
        tarn.close()


def plan(tarn):
    """The table of files that were never written: made in the store of a tarn that does not run."""
    tarn.start()
    tarn.stop()
    said = subprocess.run([os.environ["PLAN_BENCH"], find_store(tarn.dir), str(FILES)],
                          check=True, capture_output=True, text=True).stdout
    print(said, end="", flush=True)
    tarn.start()
    catalog = iceberg(tarn)
    catalog.create_namespace("plan")
    tarn.command("table", "register", "plan.t", said.split()[-1])
    table = catalog.load_table("plan.t")
    ms, files = best(lambda: sum(1 for _ in table.scan().plan_files()), 1)
    line("pyiceberg, all files", ms, f"{files} files")
    one = EqualTo("c3", 50000000)
    ms, files = best(lambda: sum(1 for _ in table.scan(row_filter=one).plan_files()), 1)
    line("pyiceberg, one value of a column", ms, f"{files} files")
    tarn.stop()


def find_store(project):
    """The folder below the project that holds objects/BUCKET."""
    for root, folders, _ in os.walk(project):
        if "objects" in folders:
            return root
    raise SystemExit("no store in the project")


def scan(tarn, catalog):
    each = ROWS // 40
    catalog.create_namespace("scan")
    data = pa.table({"id": pa.array(range(each), pa.int64()),
                     "x": pa.array([i * 0.5 for i in range(each)], pa.float64()),
                     "w": pa.array([f"w{i % 100}" for i in range(each)], pa.string())})
    table = catalog.create_table("scan.t", schema=data.schema,
                                 properties={"tarn.merge.enabled": "false",
                                             "commit.manifest-merge.enabled": "false"})
    for _ in range(40):
        table.refresh().append(data)
    print(f"{len(table.refresh().inspect.files())} files, load {os.getloadavg()[0]:.1f}")
    text = "SELECT sum(x) AS s FROM {} WHERE id < 1000"
    duck = duckdb_connection(tarn)
    ours = "polariscatalog.scan.t"
    ms, rows = best(lambda: tarn.sql(text.format(ours)))
    line("tarn sql, sum with a condition, 40 files", ms, str(rows))
    ms, rows = best(lambda: duck.execute(text.format("lake.scan.t")).fetchall())
    line("DuckDB's extension, the same", ms, str(rows))
    ms, rows = best(lambda: table.refresh().scan(row_filter="id < 1000",
                                                 selected_fields=("x",)).to_arrow()["x"])
    line("pyiceberg, the same rows", ms, f"{len(rows)} rows")


main()
