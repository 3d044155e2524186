"""catalog.py - 32 writers on 8 tables, and kill -9: no commit is lost, none is made twice.

    python tests/torture/catalog.py [--rounds 20] [--seed N]

Thirty writers speak the REST catalog over bare sockets and add a snapshot at a time; two are foreign
and append rows, pyiceberg and DuckDB with its iceberg extension. Some commits are of two tables at once. Each round kills the program at a
random moment under this load and starts it again. A writer that did not hear its answer finds its
commit again: one half of them send the request once more under its Idempotency-Key, the other half
look for it in the table. At the end, over each table's snapshots:

  - a commit that was answered, or found again, is there once;
  - one that was refused is not there; one of two tables is in both or in neither;
  - nothing is there twice; each snapshot's parent is the one before it;
  - each append of a foreign writer that was answered has its rows there, once.
"""

import argparse
import collections
import http.client
import json
import logging
import multiprocessing
import os
import random
import sys
import threading
import time
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "clients"))

import pyarrow as pa  # noqa: E402
from pyiceberg.exceptions import NoSuchTableError  # noqa: E402

from harness import Tarn, duckdb_connection, iceberg, wait_until  # noqa: E402

TABLES = [f"t{number}" for number in range(8)]
CALM = TABLES[6:]  # where those who take long and do not try again have a chance
PATH = "/v1/namespaces/db/tables/"
ROWS = 3  # of each append of a foreign writer
PATIENCE = 240  # seconds of one append: DuckDB tries each request four times, for half a minute


class Gone(Exception):
    """No answer: the request may have been done or not."""


class Connection:
    """One kept connection; whoever breaks it off makes the next call dial again."""

    def __init__(self, port):
        self.port, self.http = port, None

    def call(self, method, path, body=None, key=None):
        headers = {"Idempotency-Key": key} if key else {}
        try:
            if not self.http:
                self.http = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
            self.http.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = self.http.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
        except (OSError, http.client.HTTPException, ValueError) as error:
            if self.http:
                self.http.close()
            self.http = None
            raise Gone() from error


def change(metadata, commit, number):
    """What an append that reuses its parent's manifest list would send."""
    head = metadata["refs"]["main"]["snapshot-id"]
    parent = next(s for s in metadata["snapshots"] if s["snapshot-id"] == head)
    snapshot = {"snapshot-id": number, "parent-snapshot-id": head,
                "sequence-number": metadata["last-sequence-number"] + 1,
                "timestamp-ms": int(time.time() * 1000),
                "manifest-list": parent["manifest-list"], "schema-id": 0,
                "summary": {"operation": "append", "commit": commit}}
    return ([{"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": head}],
            [{"action": "add-snapshot", "snapshot": snapshot},
             {"action": "set-snapshot-ref", "ref-name": "main", "type": "branch",
              "snapshot-id": number}])


class Writer(threading.Thread):
    def __init__(self, port, name, seed, keyed, state):
        super().__init__(daemon=True, name=name)
        self.connection, self.keyed, self.state = Connection(port), keyed, state
        self.random = random.Random(f"{seed}/{name}")
        self.count = 0
        self.told = {}  # commit -> (tables, "done" | "refused" | "found" | "absent")
        self.failure = None

    def run(self):
        try:
            while not self.state.stopping.is_set():
                self.one()
                time.sleep(self.random.uniform(0, 0.1))
        except Exception as error:  # told at the end, not in the middle of the load
            self.failure = error

    def patiently(self, *args, **more):
        """Asks until there is an answer: for questions, and for what carries a key."""
        while True:
            try:
                status, body = self.connection.call(*args, **more)
                if status < 500:
                    return status, body
            except Gone:
                pass
            time.sleep(0.02)

    def one(self):
        busy = TABLES if self.random.random() < 0.03 else TABLES[:6]
        tables = self.random.sample(busy, 2 if self.random.random() < 0.1 else 1)
        self.count += 1
        commit = f"{self.name}-{self.count}"
        changes = []
        for table in tables:
            status, body = self.patiently("GET", PATH + table)
            assert status == 200, body
            requirements, updates = change(body["metadata"], commit,
                                           self.random.getrandbits(62))
            changes.append({"identifier": {"namespace": ["db"], "name": table},
                            "requirements": requirements, "updates": updates})
        if len(tables) == 1:
            path, body = PATH + tables[0], {"requirements": requirements, "updates": updates}
        else:
            path, body = "/v1/transactions/commit", {"table-changes": changes}
        self.told[commit] = tables, self.send(path, body, tables, commit)

    def send(self, path, body, tables, commit):
        key = str(uuid.UUID(int=self.random.getrandbits(128))) if self.keyed else None
        try:
            status, answer = self.connection.call("POST", path, body, key)
        except Gone:
            status, answer = 0, None
        if status in (200, 204):
            return "done"
        if status == 409:
            return "refused"
        if 400 <= status < 500:
            raise AssertionError(f"{commit}: {status} {answer}")
        self.state.unheard += 1
        if key:
            status, answer = self.patiently("POST", path, body, key)
            assert status in (200, 204, 409), (commit, status, answer)
            return "found" if status < 300 else "refused"
        status, answer = self.patiently("GET", PATH + tables[0])
        there = any(s.get("summary", {}).get("commit") == commit
                    for s in answer["metadata"]["snapshots"])
        return "found" if there else "absent"


def by_pyiceberg(tarn, name, tag):
    table = iceberg(tarn, "").load_table(f"db.{name}")
    table.append(pa.table({"who": pa.array([tag] * ROWS, pa.string())}))


def by_duckdb(tarn, name, tag):
    # Or it removes the files of a commit whose answer it did not hear, though it was made.
    connection = duckdb_connection(tarn, options=", REMOVE_FILES_ON_DELETE false")
    try:
        rows = ", ".join(f"('{tag}')" for _ in range(ROWS))
        connection.execute(f"INSERT INTO lake.db.{name} VALUES {rows}")
    finally:
        connection.close()


Address = collections.namedtuple("Address", "s3 rest")


def serve(append, pipe):
    """In the other process: one append after the other, until the pipe is closed."""
    while True:
        try:
            tarn, name, tag = pipe.recv()
        except EOFError:
            return
        try:
            append(tarn, name, tag)
            pipe.send("")
        except Exception as error:
            pipe.send(repr(error))


class Aside:
    """An engine in a process of its own, which is ended and begun anew when it answers no more: DuckDB
    1.5.5 waits for a lock that it holds itself when the store goes while it reads a file's length."""

    def __init__(self, append):
        self.append, self.process, self.pipe, self.stuck = append, None, None, 0

    def __call__(self, tarn, name, tag):
        if not self.process:
            spawn = multiprocessing.get_context("spawn")
            self.pipe, theirs = spawn.Pipe()
            self.process = spawn.Process(target=serve, args=(self.append, theirs), daemon=True)
            self.process.start()
            theirs.close()
        try:
            self.pipe.send((Address(tarn.s3, tarn.rest), name, tag))
            if not self.pipe.poll(PATIENCE):
                self.stuck += 1
                raise Gone("no answer")
            error = self.pipe.recv()
        except (OSError, EOFError, Gone) as error:
            self.end()
            raise Gone(error) from error
        if error:
            raise Gone(error)

    def end(self):
        if self.process:
            self.process.kill()
            self.process.join()
            self.pipe.close()
        self.process = None


class Foreign(threading.Thread):
    """Another engine, with its own idea of trying again."""

    def __init__(self, tarn, name, seed, state, append):
        super().__init__(daemon=True, name=name)
        self.tarn, self.state, self.append = tarn, state, append
        self.random = random.Random(f"{seed}/{name}")
        self.done, self.tried = [], []
        self.failure = None

    def run(self):
        number = 0
        while not self.state.stopping.is_set():
            number += 1
            tag = f"{self.name}-{number}"
            name = self.random.choice(CALM if self.random.random() < 0.8 else TABLES)
            self.tried.append((name, tag))
            try:
                self.append(self.tarn, name, tag)
                self.done.append((name, tag))
            except NoSuchTableError as error:
                self.failure = error
                return
            except Exception:  # killed, refused, gone: it may be there or not, but whole
                time.sleep(0.05)


class State:
    def __init__(self):
        self.stopping = threading.Event()
        self.unheard = 0


def check_table(name, metadata, writers, rows, foreign, problems):
    snapshots = metadata["snapshots"]
    by_id = {snapshot["snapshot-id"] for snapshot in snapshots}
    if len(by_id) != len(snapshots):
        problems.append(f"{name}: a snapshot id is there twice")
    at, length = metadata["refs"]["main"]["snapshot-id"], 0
    parents = {s["snapshot-id"]: s.get("parent-snapshot-id") for s in snapshots}
    while at is not None:
        length, at = length + 1, parents[at]
    if length != len(snapshots):
        problems.append(f"{name}: {len(snapshots)} snapshots, and {length} from main's head on")
    count = collections.Counter(s["summary"]["commit"] for s in snapshots
                                if "commit" in s["summary"])
    for writer in writers:
        for commit, (tables, told) in writer.told.items():
            wanted = 1 if told in ("done", "found") and name in tables else 0
            if count[commit] != wanted:
                problems.append(f"{name}: {commit} was told {told}, and is there "
                                f"{count[commit]} times instead of {wanted}")
    for tag in {tag for where, tag in foreign if where == name}:
        if rows[tag] != ROWS:
            problems.append(f"{name}: {tag} has {rows[tag]} rows instead of {ROWS}")
    for tag, found in rows.items():
        if found not in (0, ROWS):
            problems.append(f"{name}: {tag} has {found} rows")
    return len(snapshots)


def check(tarn, writers, foreigners):
    problems, snapshots = [], 0
    done = [entry for foreign in foreigners for entry in foreign.done]
    catalog = iceberg(tarn, "")
    for name in TABLES:
        status, body = Connection(tarn.catalog).call("GET", PATH + name)
        assert status == 200, body
        found = catalog.load_table(f"db.{name}").scan().to_arrow()["who"].to_pylist()
        snapshots += check_table(name, body["metadata"], writers, collections.Counter(found), done,
                                 problems)
    return problems, snapshots


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    chance = random.Random(options.seed)
    logging.disable(logging.CRITICAL)
    print(f"{options.rounds} rounds, seed {options.seed}", flush=True)
    tarn, state, began = Tarn(settings={"kafka": {"enabled": False}}), State(), time.monotonic()
    problems = []
    try:
        tarn.start(timeout=PATIENCE)
        catalog = iceberg(tarn, "")
        catalog.create_namespace("db")
        for name in TABLES:
            catalog.create_table(f"db.{name}", schema=pa.schema([("who", pa.string())])).append(
                pa.table({"who": pa.array(["first"] * ROWS, pa.string())}))
        writers = [Writer(tarn.catalog, f"w{number}", options.seed, number % 2 == 0, state)
                   for number in range(30)]
        duckdb = Aside(by_duckdb)
        foreigners = [Foreign(tarn, name, options.seed, state, append) for name, append in
                      (("pyiceberg", by_pyiceberg), ("duckdb", duckdb))]
        for thread in writers + foreigners:
            thread.start()
        for _ in range(options.rounds):
            time.sleep(chance.uniform(0.3, 2.5))
            tarn.kill()
            tarn.start(timeout=PATIENCE)
        wait_until(lambda: all(writer.count for writer in writers), "every writer to begin")
        state.stopping.set()
        for thread in writers + foreigners:
            thread.join(2 * PATIENCE)
            if thread.is_alive():
                problems.append(f"{thread.name} does not end")
            if thread.failure:
                problems.append(f"{thread.name}: {thread.failure!r}")
        duckdb.end()
        found, snapshots = check(tarn, writers, foreigners)
        problems += found
        told = collections.Counter(how for writer in writers for _, how in writer.told.values())
        print(f"{snapshots} snapshots; of the writers' commits {told['done']} done, "
              f"{told['found']} found again, {told['refused']} refused, {told['absent']} not made; "
              f"{state.unheard} answers lost; "
              + "; ".join(f"{f.name} {len(f.done)} of {len(f.tried)}" for f in foreigners)
              + (f" ({duckdb.stuck} times it stood still)" if duckdb.stuck else "")
              + f"; {time.monotonic() - began:.0f} s")
    finally:
        tarn.close()
    for problem in problems[:20]:
        print("  " + problem)
    print(f"{0 if problems else 1} passed, {1 if problems else 0} failed")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
