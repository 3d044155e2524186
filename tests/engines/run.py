#!/usr/bin/env python3
"""run.py - real engines write and read the same tables, side by side with tarn.

    make test-engines                                 all engines, all cases
    make test-engines ENGINES="spark pyiceberg" CASES="delete* upsert"

For every case and every writer a table is made and changed by that writer's own words; then every
engine reads it, row for row. A line a verdict:

    ok    delete_mor_v2  spark -> trino
    skip  type_time      spark: Spark 3.5 has no TIME

A skip is an engine's own limit, said by the adapter or by known.py with its reason; everything else
that goes wrong is a failure. Engines with a JVM run one at a time: a case waits until the engine of
its next step is up. Closing line: "N passed, N failed".
"""

import argparse
import collections
import contextlib
import fnmatch
import json
import os
import signal
import sys
import time
import traceback
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "clients")]
os.environ["TZ"] = "UTC"  # Spark hands times over in the local zone
time.tzset()

import cases  # noqa: E402
import known  # noqa: E402
import meta  # noqa: E402
import model  # noqa: E402
import special  # noqa: E402
import together  # noqa: E402
from harness import CATALOG, Tarn  # noqa: E402

DEPS = os.environ.get("ENGINES_DEPS", os.path.join(os.path.dirname(os.path.dirname(HERE)), ".deps", "engines"))
ORDER = ["pyiceberg", "duckdb", "tarn", "spark", "flink", "trino"]
TOOLS = ["hadoop"]  # play no tables, but in checks of special.py
# Who has nothing to do in a turn is left out. A step of one may wait for another's: all read in the end.
SWEEPS = ["spark", "flink", "trino", "spark", "flink", "trino", "spark", "flink"]
STEP_SECONDS = 900  # of what hangs: on a busy machine a step of seconds takes minutes


def make(name):
    if name == "spark":
        from spark import Spark
        return Spark(os.path.join(DEPS, "spark"))
    if name == "flink":
        from flink import Flink
        return Flink(DEPS)
    if name == "trino":
        from trino import Trino
        return Trino(DEPS)
    import light
    return {"pyiceberg": light.PyIceberg, "duckdb": light.DuckDB, "tarn": light.Tarn}[name]()


@contextlib.contextmanager
def within(seconds):
    def late(*_):
        raise TimeoutError(f"no end after {seconds} s")

    signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


class Table:
    """A case as one writer plays it."""

    def __init__(self, case, writer):
        self.case, self.writer = case, writer
        self.name = (f"by_{writer}", case.name)
        self.play = [s for s in case.steps if s.verb not in ("expect", "meta")]
        self.reads = [s for s in case.steps if s.verb in ("expect", "meta")]
        assert list(case.steps) == self.play + self.reads, f"{case.name}: all changes come first"
        self.next = 0
        self.fields, self.marks, self.over = None, {}, False
        self.answered = set()

    def done(self):
        return not self.over and self.next == len(self.play)

    def engine(self):
        return self.play[self.next].by or self.writer


class Run:
    def __init__(self, options):
        self.options = options
        self.counts = collections.Counter()
        self.failures, self.skips = [], []
        self.up = {}
        self.whole = options.engines == ORDER + TOOLS and options.writers == options.readers == ORDER and options.cases == ["*"]
        names = [name for name in ORDER if name in options.engines]
        self.tarn = Tarn(settings={"kafka": {"enabled": False}})
        self.tarn.start()
        self.tables = []
        for one in cases.CASES:
            if not any(fnmatch.fnmatch(one.name, pattern) for pattern in options.cases):
                continue
            if any(s.by and s.by not in names for s in one.steps):
                continue
            for writer in one.writers or names:
                if writer in names and writer in options.writers:
                    self.tables.append(Table(one, writer))
        self.readers = [name for name in names if name in options.readers]

    # ---- verdicts ----

    def verdict(self, word, table, who, text="", seconds=None):
        self.say(word, table.case.name, f"{table.writer} -> {who}" if who else table.writer, text, seconds)

    def say(self, word, name, who, text="", seconds=None):
        self.counts[word] += 1
        line = f"{word:4}  {name}  {who}{': ' if text else ''}{text}"
        print(line + (f" ({seconds:.1f} s)" if seconds is not None else ""), flush=True)
        if word == "FAIL":
            self.failures.append(line)

    def judged(self, table, who, verb, action):
        """Plays one action and says what came of it unless it went well."""
        entry = known.reason(table.writer, who or table.writer, verb, table.case.name)
        try:
            with within(STEP_SECONDS):
                action()
            known.spared.add(entry)
            return True
        except model.Unsupported as why:
            self.verdict("skip", table, who, str(why))
        except Exception as error:
            if not self.tarn.alive():
                raise AssertionError(f"{table.case.name}, {verb}: tarn ended\n" + self.tarn.tail()) from error
            text = " ".join(f"{type(error).__name__}: {error}".split())
            if entry is not None:
                known.used.add(entry)
                self.verdict("skip", table, who, known.LIMITS[entry][4])
            else:
                self.verdict("FAIL", table, who, f"{verb}: {text[:self.options.width]}")
                if self.options.trace:
                    traceback.print_exc()
        return False

    # ---- one step ----

    def snapshot(self, table):
        address = f"{self.tarn.rest}/v1/{CATALOG}/namespaces/{table.name[0]}/tables/{table.name[1]}"
        with urllib.request.urlopen(address) as answer:
            return json.load(answer)["metadata"]["current-snapshot-id"]

    def play(self, table):
        step = table.play[table.next]
        engine = self.up[table.engine()]
        arguments = dict(step.arguments)
        if step.verb == "columns":
            table.fields = arguments["fields"]
        else:
            if step.verb == "create":
                table.fields = arguments["fields"]
            if step.verb in ("append", "merge"):
                arguments["fields"] = table.fields

            def act():
                if step.verb == "create":
                    engine.do_namespace(table.name[0])
                getattr(engine, "do_" + step.verb)(table.name, **arguments)
                if step.mark:
                    table.marks[step.mark] = self.snapshot(table)

            who = step.by if step.by and step.by != table.writer else None
            if not self.judged(table, who, step.verb, act):
                table.over = True
                return
        table.next += 1

    def read(self, table, reader):
        began = time.monotonic()
        engine = self.up[reader]
        whole = True
        for step in table.reads:
            if step.verb == "meta":
                whole &= self.judged(table, reader, "meta " + step.arguments["what"],
                                     lambda: meta.check(self.tarn, engine, table.name, step.arguments["what"]))
            else:
                verb = "read at" if step.arguments["at"] else "read ref" if step.arguments["ref"] else "read"
                whole &= self.judged(table, reader, verb, lambda: self.compare(table, engine, step.arguments))
        if whole:
            self.verdict("ok", table, reader, seconds=time.monotonic() - began)

    def compare(self, table, engine, asked):
        fields = asked["fields"] or table.fields
        got = engine.do_read(table.name, fields, snapshot=asked["at"] and table.marks[asked["at"]],
                             ref=asked["ref"], where=asked["where"])
        wanted = [{f.name: row.get(f.name) for f in fields} for row in asked["rows"]]
        wanted, got = model.canon_rows(fields, wanted), model.canon_rows(fields, got)
        if wanted != got:
            what = "".join(f" {k} {asked[k]}" for k in ("at", "ref", "where") if asked[k])
            raise AssertionError(f"{what} {model.difference(wanted, got)}")

    # ---- the schedule ----

    def progress(self, only=None):
        """Plays all that the engines now up can play; `only` narrows reading to one engine."""
        for table in self.tables:
            while not table.over and table.next < len(table.play) and table.engine() in self.up:
                self.play(table)
            if table.done():
                for reader in table.case.readers or self.readers:
                    if reader in self.readers and reader in self.up and reader not in table.answered:
                        table.answered.add(reader)
                        self.read(table, reader)

    def wanted(self, name):
        """Whether something waits for this engine: a step, or a table that it has not read."""
        return any(not t.over and (t.next < len(t.play) and t.engine() == name or
                                   name in self.readers and name in (t.case.readers or self.readers) and name not in t.answered)
                   for t in self.tables)

    def start(self, name):
        began = time.monotonic()
        engine = make(name)
        self.up[name] = engine
        engine.start(self.tarn)
        print(f"----  {name} is up after {time.monotonic() - began:.1f} s", flush=True)

    def stop(self, name):
        self.up.pop(name).stop()

    def go(self):
        for name in ORDER[:3]:
            if name in self.options.engines:
                self.start(name)
        self.progress()
        for name in SWEEPS:
            if name in self.options.engines and self.wanted(name):
                self.start(name)
                try:
                    self.progress()
                finally:
                    self.stop(name)
        for table in self.tables:
            if not table.over and not table.done():
                self.verdict("FAIL", table, None, f"never came to step {table.next + 1}, of {table.engine()}")

    def specials(self):
        """One after the other; each needs its engines up."""
        chosen = [one for one in special.CHECKS
                  if any(fnmatch.fnmatch(one[0], pattern) for pattern in self.options.cases)
                  and set(one[1]) <= set(self.options.engines)]
        if not chosen:
            return
        if not self.light():
            self.start("pyiceberg")
        self.light()[0].do_namespace(special.SPACE)
        for name, needs, function in sorted(chosen, key=lambda one: "trino" in one[1]):
            for engine in needs:
                if engine not in self.up and engine in ORDER:
                    self.start(engine)
            self.alone(name, ", ".join(needs), lambda: function(self.up, self.tarn))
        for name in ("spark", "trino"):
            if name in self.up:
                self.stop(name)

    def light(self):
        return [self.up[name] for name in ORDER[:3] if name in self.up]

    def alone(self, name, who, action):
        began = time.monotonic()
        try:
            with within(STEP_SECONDS * 2):
                action()
            self.say("ok", name, who, seconds=time.monotonic() - began)
        except Exception as error:
            text = " ".join(f"{type(error).__name__}: {error}".split())[:self.options.width]
            self.say("FAIL", name, who, text)
            if self.options.trace:
                traceback.print_exc()

    def together(self):
        name = "three_writers_at_once"
        if "spark" in self.options.engines and any(fnmatch.fnmatch(name, p) for p in self.options.cases):
            self.alone(name, "tarn, spark, pyiceberg", lambda: together.check(make("spark")))

    def close(self):
        for name in list(self.up):
            self.stop(name)
        self.tarn.close()


def main():
    parser = argparse.ArgumentParser()
    names = lambda text: text.replace(",", " ").split()  # noqa: E731
    parser.add_argument("--engines", type=names, default=ORDER + TOOLS)
    parser.add_argument("--writers", type=names, default=ORDER)
    parser.add_argument("--readers", type=names, default=ORDER)
    parser.add_argument("--cases", type=names, default=["*"])
    parser.add_argument("--width", type=int, default=600, help="characters of an error")
    parser.add_argument("--trace", action="store_true")
    run, began = Run(parser.parse_args()), time.monotonic()
    try:
        run.go()
        run.specials()
        run.together()
        for entry in known.idle() if run.whole else ():
            run.say("FAIL", "known.py", str(entry[:4]), "works by now")
    finally:
        run.close()
    for line in run.failures:
        print(line)
    print(f"{run.counts['skip']} skipped, {time.monotonic() - began:.0f} s")
    print(f"{run.counts['ok']} passed, {run.counts['FAIL']} failed")
    sys.exit(1 if run.counts["FAIL"] or not run.counts["ok"] else 0)


if __name__ == "__main__":
    main()
