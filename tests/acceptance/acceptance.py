"""acceptance.py - types the commands of five reference stacks against tarn, each by its real client.

    python tests/acceptance/acceptance.py [--report FILE] [DOCUMENT...]

commands.tsv is what users of those stacks type (nine columns: id, section, system, client, command,
expected, class, origin, lines). checks.py and its like say for a row how its answer is judged. A row
without a check is not built yet, and shown as such: it never counts as passed. Each document gets one
tarn with that document's ports, in a network of its own where the system allows that.

--report writes docs/compatibility.md from the run. Status 1 when a row with a check failed.
"""

import argparse
import contextlib
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "clients")]

import checks  # noqa: E402
import checks_flink  # noqa: E402, F401
import checks_sql  # noqa: E402, F401
import checks_streams  # noqa: E402, F401
import netns  # noqa: E402
from harness import PROGRAM, ROOT, Tarn  # noqa: E402

if os.environ.get("ACCEPTANCE_ENGINES"):  # 2 GB of downloads: `make acceptance` has them, `make test` not
    import checks_spark  # noqa: E402, F401

TITLES = {
    "S0": "Iceberg, Redpanda, Flink, Spark, Trino, ClickHouse, Airflow, Grafana",
    "S1": "Kafka, Flink, Iceberg, Nessie",
    "S2": "payments: Kafka, Flink, Polaris, MinIO, Trino, Dagster",
    "S3": "Kafka with Kpow, Flex, Spark analytics, Pinot",
    "S4": "event-sourced pipelines: Kafka, Cassandra, PostgreSQL, Redis, Elasticsearch",
}
ESCAPES = {"n": "\n", "t": "\t", "\\": "\\"}


class Row:
    def __init__(self, fields):
        for name, text in fields.items():
            text = re.sub(r"\\(.)", lambda m: ESCAPES.get(m[1], m[0]), text)
            setattr(self, {"class": "kind"}.get(name, name), text)
        self.document = self.id.split("-")[0]


def read_rows():
    with open(os.path.join(HERE, "commands.tsv"), newline="") as text:
        return [Row(fields) for fields in
                csv.DictReader(text, delimiter="\t", quoting=csv.QUOTE_NONE)]


class Lab:
    """What a check is given: the running tarn, and a shell in which the clients are found."""

    def __init__(self, tarn, folder):
        self.tarn, self.dir = tarn, folder
        self.shown = ""
        self.env = {**os.environ, "HOME": folder, "PATH": os.pathsep.join([
            os.path.dirname(PROGRAM), os.path.join(ROOT, ".deps", "python", "bin"),
            os.environ["PATH"], os.path.join(HERE, "bin")])}

    def type(self, command, status=0, timeout=60):
        """Runs what a person types; its output with its errors. The status must be the one expected."""
        done = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=self.tarn.dir, env=self.env,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", timeout=timeout)
        self.shown += f"$ {command}\n{done.stdout}"
        if status is not None and done.returncode != status:
            raise AssertionError(f"status {done.returncode}, expected {status}")
        return done.stdout


def run_document(document, rows):
    """Verdicts by id: {"id": [word, seconds, text]}; word is passed or failed."""
    verdicts = {}
    project = checks.PROJECTS[document]
    folder = tempfile.mkdtemp(prefix=f"tarn-acceptance-{document}-")
    tarn = Tarn(streams=project.get("streams"), settings=project.get("settings"),
                ports=project["ports"], directory=folder, example=project.get("example"))
    try:
        tarn.start()
        lab = Lab(tarn, folder)
        if "prepare" in project:
            project["prepare"](lab)
        with_checks = [row for row in rows if row.id in checks.CHECKS]
        # Some rows break what others need: they come last.
        for row in sorted(with_checks, key=lambda row: checks.CHECKS[row.id].late):
            began = time.monotonic()
            lab.shown = ""
            try:
                checks.CHECKS[row.id].judge(lab, row)
                if not tarn.alive():
                    raise AssertionError("tarn died:\n" + tarn.tail())
                verdicts[row.id] = ["passed", time.monotonic() - began, ""]
            except Exception as error:  # a client may fail in any way: that is the verdict
                text = str(error) or traceback.format_exc()
                verdicts[row.id] = ["failed", time.monotonic() - began,
                                    f"{lab.shown}{type(error).__name__}: {text}"]
            say(row, *verdicts[row.id])
    except AssertionError as error:
        print(f"{document}: {error}", flush=True)
    finally:
        tarn.close()
        shutil.rmtree(folder, ignore_errors=True)
    return verdicts


def say(row, word, seconds, text):
    print(f"{'ok  ' if word == 'passed' else 'FAIL'}  {row.id}  {row.client}: "
          f"{row.command.splitlines()[0][:80]} ({seconds:.1f} s)", flush=True)
    if text:
        print("\n".join("      " + line for line in text.rstrip().splitlines()[-30:]), flush=True)


def in_own_network(document):
    """Runs one document in a child process with a network of its own; returns its verdicts."""
    with tempfile.NamedTemporaryFile("r", suffix=".json") as answer:
        done = subprocess.run([sys.executable, __file__, "--child", answer.name, document],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        print(done.stdout, end="", flush=True)
        text = answer.read()
    return json.loads(text) if text else {}


def run_documents(documents):
    """Each with the same ports: at once where each gets a network of its own, else in turn."""
    alone = subprocess.run([sys.executable, "-c", "import netns, sys; sys.exit(not netns.enter())"],
                           cwd=HERE, capture_output=True).returncode == 0
    verdicts = {}
    with ThreadPoolExecutor(os.cpu_count() if alone else 1) as pool:
        for one in pool.map(in_own_network, documents):
            verdicts |= one
    return verdicts


def line_of(document, rows, verdicts):
    passed = sum(verdicts.get(row.id, [""])[0] == "passed" for row in rows)
    built = sum(row.id in checks.CHECKS for row in rows)
    return document, passed, built - passed, len(rows) - built, len(rows)


# ---- docs/compatibility.md ----

KEPT = "<!-- From here on written by hand. -->\n"

def cell(text, width):
    text = " ".join(text.split()).replace("|", "\\|")
    return text if len(text) <= width else text[:width - 1].rstrip("\\") + "…"


def code(text, width):
    return "`" + cell(text.replace("`", "'"), width).replace("\\|", "\\|") + "`"


def report(path, rows, verdicts, lines):
    out = ["# Compatibility", "",
           "Made by `make acceptance`; do not edit. Each row of `tests/acceptance/commands.tsv` is something",
           "that a user of one of five reference stacks types. A verdict comes from a run in which the real",
           "client typed it against tarn, and `tests/acceptance/checks*.py` judged the answer. *Not yet built*",
           "means that there is no check: it is a wish, not a failure.", "",
           "| stack | holds | passed | failed | not yet built | rows |", "|---|---|---|---|---|---|"]
    for document, passed, failed, missing, count in lines:
        out.append(f"| {document} | {TITLES.get(document, '')} | {passed} | {failed} | {missing} | {count} |")
    for document in TITLES:
        mine = [row for row in rows if row.document == document]
        out += ["", f"## {document}: {TITLES[document]}", "",
                "| row | client | typed | verdict |", "|---|---|---|---|"]
        for row in mine:
            check = checks.CHECKS.get(row.id)
            verdict = verdicts.get(row.id, ["failed" if check else "not yet built"])[0]
            if check and check.note:
                verdict += f" ({check.note})"
            out.append(f"| {row.id} | {cell(row.client, 30)} | {code(row.command, 110)} | {verdict} |")
    with contextlib.suppress(OSError), open(path) as text:  # what other tests have to say stays
        before, mark, kept = text.read().partition(KEPT)
        out += ["", mark + kept.rstrip("\n")] if mark else []
    with open(path, "w") as text:
        text.write("\n".join(out) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("documents", nargs="*")
    parser.add_argument("--report")
    parser.add_argument("--child", help="internal: run one document here and write its verdicts")
    options = parser.parse_args()
    rows = read_rows()
    known = {row.id for row in rows}
    unknown = sorted(set(checks.CHECKS) - known)
    if unknown:
        sys.exit(f"checks without a row: {', '.join(unknown)}")
    documents = options.documents or sorted({row.document for row in rows})
    if options.child:
        netns.enter()
        verdicts = run_document(documents[0], [row for row in rows if row.document == documents[0]])
        with open(options.child, "w") as out:
            json.dump(verdicts, out)
        return
    verdicts, lines = run_documents(documents), []
    for document in documents:
        lines.append(line_of(document, [r for r in rows if r.document == document], verdicts))
    lines.append(("in all", *(sum(column) for column in list(zip(*lines))[1:])))
    for document, passed, failed, missing, count in lines:
        print(f"{document}: {passed} passed, {failed} failed, {missing} not yet built, of {count}")
    if options.report:
        report(options.report, rows, verdicts, lines)
    print(f"{lines[-1][1]} passed, {lines[-1][2]} failed")
    sys.exit(1 if lines[-1][2] else 0)


if __name__ == "__main__":
    main()
