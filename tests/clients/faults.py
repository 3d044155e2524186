"""faults.py - what goes wrong under a running job, one thing after another: nothing lost, nothing doubled,
a state that says what is the matter, and no person needed to go on.

A job writes each event of a topic into one table and its totals by key into another; every event is
counted in both. `make test-faults` runs the same with faults as long as real ones (FAULTS_SECONDS=60)."""

import contextlib
import glob
import json
import os
import random
import resource
import shutil
import subprocess
import tempfile
import time
import unittest
from collections import defaultdict

from confluent_kafka import Producer

from faulty_store import ERROR, Proxy
from harness import ACCESS_KEY, SECRET_KEY, STORE_ALONE, Tarn, wait_until

SECONDS = float(os.environ.get("FAULTS_SECONDS", 1.5))
LONG = SECONDS > 10
SCRIPT = """
CREATE TABLE events (id BIGINT, who STRING, amount INT)
  WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json',
    'properties.bootstrap.servers' = '127.0.0.1:@KAFKA@', 'scan.startup.mode' = 'earliest-offset');
CREATE DATABASE IF NOT EXISTS polariscatalog.db;
CREATE TABLE IF NOT EXISTS polariscatalog.db.rows_ (id BIGINT, who STRING, amount INT);
CREATE TABLE IF NOT EXISTS polariscatalog.db.per_user (who STRING, n BIGINT, total BIGINT,
    PRIMARY KEY (who) NOT ENFORCED);
SET 'execution.checkpointing.interval' = '200 ms';
"""
COPY = "INSERT INTO polariscatalog.db.rows_ SELECT * FROM events;"
TOTALS = """INSERT INTO polariscatalog.db.per_user
    SELECT who, COUNT(*), SUM(CAST(amount AS BIGINT)) FROM events WHERE who IS NOT NULL GROUP BY who;"""
BOTH = SCRIPT + f"EXECUTE STATEMENT SET BEGIN {COPY} {TOTALS} END;"


class Faults(unittest.TestCase):
    partitions = 2

    def start(self, script=BOTH, settings=None, tarn=None):
        self.tarn = tarn
        if not tarn:
            self.tarn = Tarn({"counts.sql": script},
                             {"topics": {"events": {"partitions": self.partitions}}} | (settings or {}))
            self.addCleanup(self.tarn.close)
        self.events, self.rand = [], random.Random()
        self.tarn.start()

    def event(self, who=None):
        self.events.append({"id": len(self.events), "who": who or f"u{self.rand.randrange(50)}",
                            "amount": self.rand.randrange(1000)})
        return self.events[-1]

    def send(self, values):
        producer = Producer({"bootstrap.servers": self.tarn.bootstrap, "acks": "all", "linger.ms": 5})
        for i, value in enumerate(values):
            value = value if isinstance(value, bytes) else json.dumps(value).encode()
            producer.produce("events", value, partition=i % self.partitions)
            producer.poll(0)
        self.assertEqual(producer.flush(30), 0)

    def produce(self, count):
        self.send([self.event() for _ in range(count)])

    def totals(self):
        groups = defaultdict(list)
        for event in self.events:
            groups[event["who"]].append(event["amount"])
        return sorted((who, len(amounts), sum(amounts)) for who, amounts in groups.items())

    def counted(self):
        rows = self.tarn.sql("SELECT * FROM polariscatalog.db.per_user")
        return sorted((r["who"], r["n"], r["total"]) for r in rows) == self.totals()

    def copied(self):
        return self.tarn.sql("SELECT COUNT(*) AS n FROM polariscatalog.db.rows_")[0]["n"] >= len(self.events)

    def assert_all_once(self, timeout=40):
        wait_until(self.counted, "totals of all events", timeout)
        wait_until(self.copied, "all events", timeout)
        rows = self.tarn.sql("SELECT id FROM polariscatalog.db.rows_")
        self.assertEqual(sorted(r["id"] for r in rows), list(range(len(self.events))))
        self.assertTrue(self.counted())

    def job(self, name="counts"):
        return next(job for job in json.loads(self.tarn.command("job", "list", "--json")) if job["job"] == name)

    def until_job(self, state, reason="", timeout=40):
        def holds():
            job = self.job()
            return job["state"] == state and reason in (job.get("reason") or "") and job
        return wait_until(holds, f"the job to be {state}: {reason}", timeout)


class Records(Faults):
    POISON = [b"", b"no json", b"\xff\xfe", b'{"id": 1', b"[" * 5000,  # each bad for both INSERTs
              b'{"id": 1, "who": "u1", "amount": "much"}', b'{"id": 1, "who": {"a": 1}, "amount": [2]}x',
              b'{"a":' * 3000, b"null and void", b"\x00" * 2000,
              b'{"id": 1, "who": "u1", "amount": 3000000000}']

    def test_poison_records_stop_nothing(self):
        """One record in three is poison, and the process dies in the middle of them."""
        self.start()
        bad = 0
        for part in range(4):
            batch = []
            for i in range(600 if not LONG else 60000):
                batch.append(self.event())
                if i % 2 == 0:
                    batch.append(self.POISON[bad % len(self.POISON)])
                    bad += 1
            self.send(batch)
            if part == 1:
                self.tarn.kill()
                self.tarn.start()
        self.assert_all_once()
        wait_until(lambda: len(self.tarn.sql("SELECT 1 FROM polariscatalog.dlq.counts")) == 2 * bad, "dead letters")
        self.assertEqual(self.until_job("RUNNING")["state"], "RUNNING")

    def test_one_key_has_half_of_the_rows(self):
        """In an aggregate, a join and a top-N, in batches that end anywhere."""
        self.start(SCRIPT + """
            CREATE TABLE IF NOT EXISTS polariscatalog.db.best (who STRING, amount INT, rn BIGINT,
                PRIMARY KEY (who, rn) NOT ENFORCED);
            CREATE TABLE IF NOT EXISTS polariscatalog.db.joined (id BIGINT, n BIGINT, PRIMARY KEY (id) NOT ENFORCED);
            EXECUTE STATEMENT SET BEGIN """ + COPY + TOTALS + """
            INSERT INTO polariscatalog.db.best SELECT * FROM (SELECT who, amount,
                ROW_NUMBER() OVER (PARTITION BY who ORDER BY amount DESC) AS rn FROM events) WHERE rn <= 3;
            INSERT INTO polariscatalog.db.joined SELECT e.id, g.n FROM events AS e
                JOIN (SELECT who, COUNT(*) AS n FROM events GROUP BY who) AS g ON e.who = g.who;
            END;""")
        for part in range(3):
            self.send([self.event("hot" if i % 2 else None) for i in range(400 if not LONG else 4000)])
            if part == 1:
                self.tarn.kill()
                self.tarn.start()
        self.assert_all_once()
        counts = {who: n for who, n, _ in self.totals()}
        joined = {event["id"]: counts[event["who"]] for event in self.events}
        wait_until(lambda: {r["id"]: r["n"] for r in self.tarn.sql("SELECT * FROM polariscatalog.db.joined")} == joined,
                   "each event with its key's number")
        best = defaultdict(list)
        for event in self.events:
            best[event["who"]].append(event["amount"])
        best = {(who, i + 1): amount for who, amounts in best.items()
                for i, amount in enumerate(sorted(amounts, reverse=True)[:3])}
        wait_until(lambda: {(r["who"], r["rn"]): r["amount"]
                            for r in self.tarn.sql("SELECT * FROM polariscatalog.db.best")} == best, "the best three")

    def test_other_threads_at_each_start(self):
        """A state is split anew whenever a start says another number, behind kills and from savepoints."""
        joined = """
            CREATE TABLE IF NOT EXISTS polariscatalog.db.joined (id BIGINT, n BIGINT, PRIMARY KEY (id) NOT ENFORCED);
            EXECUTE STATEMENT SET BEGIN """ + COPY + TOTALS + """
            INSERT INTO polariscatalog.db.joined SELECT e.id, g.n FROM events AS e
                JOIN (SELECT who, COUNT(*) AS n FROM events GROUP BY who) AS g ON e.who = g.who;
            END;"""
        self.start(SCRIPT + joined)
        for threads, saved in ((1, False), (3, False), (2, True), (1, False), (4, True)):
            if saved:
                path = self.tarn.command("job", "stop", "counts").strip().splitlines()[-1]
            self.tarn.kill()
            self.tarn.write("tarn.yaml", self.settings(threads))
            self.tarn.start()
            if saved:  # the job went on from its last commit: no row has come since
                self.tarn.command("job", "stop", "counts")
                self.tarn.command("job", "start", "counts", "--from", path)
            self.produce(300)
            self.assert_all_once()
            counts = {who: n for who, n, _ in self.totals()}
            wanted = {event["id"]: counts[event["who"]] for event in self.events}
            wait_until(lambda: {r["id"]: r["n"] for r in self.tarn.sql("SELECT * FROM polariscatalog.db.joined")}
                       == wanted, f"each event with its key's number, on {threads} threads")
        with open(self.tarn.output) as said:
            text = said.read()
        for now, before in ((3, 1), (2, 3), (1, 2), (4, 1)):
            self.assertIn(f"is in {now} shards now, not {before}", text)

    def settings(self, threads):
        with open(os.path.join(self.tarn.dir, "tarn.yaml")) as text:
            lines = [line for line in text if not line.startswith("flink:")]
        return "".join(lines) + f'flink: {{"settings": {{"parallelism.default": "{threads}"}}}}\n'


class Outage(Proxy):
    """A proxy that is well, answers nothing but 500, is silent, or is not there."""

    def __init__(self, port):
        super().__init__(port, 0, share=0)
        self.server.handle_error = lambda *args: None  # a client that hangs up is part of the test
        self.mode = "well"

    def pick(self, method):
        while self.mode == "silent":
            time.sleep(0.02)
        return None

    def serve(self, request):
        if self.mode == "gone":
            return self.hang_up(request)
        if self.mode == "500":
            request.rfile.read(int(request.headers.get("Content-Length", 0)))
            return self.reply(request, 500, [], ERROR.format("InternalError").encode())
        return super().serve(request)


class Store(Faults):
    """The lake and what is read from it lie on an endpoint of somebody else."""

    def outside(self):
        endpoint = Tarn(settings=STORE_ALONE | {"s3": {"buckets": ["warehouse"]}})
        self.addCleanup(endpoint.close)
        endpoint.start()
        self.proxy = Outage(endpoint.s3)
        self.addCleanup(self.proxy.close)
        return {"store": {"engine": "s3", "endpoint": f"http://127.0.0.1:{self.proxy.port}",
                          "access_key": ACCESS_KEY, "secret_key": SECRET_KEY}}

    def outage(self, mode):
        """Events come all the while; the state is told; it goes on by itself."""
        self.proxy.mode = mode
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            self.produce(50)
            self.assertIn(self.job()["state"], ("RUNNING", "RESTARTING"))
            time.sleep(SECONDS / 8)
        if LONG:
            self.until_job("RESTARTING", "HTTP 500" if mode == "500" else str(self.proxy.port), 400)
        self.proxy.mode = "well"
        self.assert_all_once(90 if not LONG else 400)

    def test_a_store_that_fails_is_silent_or_gone(self):
        self.start(settings=self.outside())
        self.produce(500)
        self.assert_all_once()
        for mode in ("500", "silent", "gone") if LONG else ("500", "silent"):
            with self.subTest(mode):
                self.outage(mode)

    def test_a_source_that_is_gone_is_read_on_when_it_is_back(self):
        """A job reads a table as it grows; what holds the table goes, and the process dies meanwhile."""
        settings = self.outside()
        self.start(settings=settings)
        self.tarn.write("streams/second.sql", self.tarn.fill("""
            CREATE DATABASE IF NOT EXISTS polariscatalog.db;
            CREATE TABLE IF NOT EXISTS polariscatalog.db.rows_ (id BIGINT, who STRING, amount INT);
            CREATE TABLE IF NOT EXISTS polariscatalog.db.again (id BIGINT, who STRING, amount INT);
            SET 'execution.checkpointing.interval' = '200 ms';
            INSERT INTO polariscatalog.db.again SELECT * FROM polariscatalog.db.rows_ /*+ OPTIONS(
                'streaming' = 'true', 'monitor-interval' = '100ms',
                'starting-strategy' = 'TABLE_SCAN_THEN_INCREMENTAL') */;"""))
        self.tarn.kill()
        self.tarn.start()
        self.produce(500)
        self.assert_all_once()
        self.proxy.mode = "gone"
        self.produce(500)
        time.sleep(SECONDS / 2)
        self.tarn.kill()
        self.tarn.start()  # all the same
        self.assertIn(self.job("second")["state"], ("RUNNING", "RESTARTING"))
        if LONG:
            self.tarn.stop(15)
            self.tarn.start()
        time.sleep(SECONDS / 2)
        self.proxy.mode = "well"
        self.assert_all_once(90)
        ids = lambda: sorted(r["id"] for r in self.tarn.sql("SELECT id FROM polariscatalog.db.again"))
        wait_until(lambda: len(ids()) >= len(self.events), "the second table", 60)
        self.assertEqual(ids(), list(range(len(self.events))))


@contextlib.contextmanager
def small_disk(path, megabytes):
    """A file system of its own at `path`: whoever may not mount one gets None."""
    os.makedirs(path, exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", path], capture_output=True)
    try:
        yield path if done.returncode == 0 else None
    finally:
        if done.returncode == 0:
            subprocess.run(["umount", "-l", path], check=True)


def fill(folder):
    """Not a byte is left in the file system of `folder`; the file to be removed."""
    path = os.path.join(folder, "filler")
    with open(path, "wb", buffering=0) as out:
        for size in (1 << 20, 4096):
            with contextlib.suppress(OSError):
                while True:
                    out.write(b"x" * size)
    return path


class Disk(Faults):
    def test_a_disk_that_is_full_in_a_checkpoint(self):
        """Of the state alone, so that events come all the same."""
        tarn = Tarn({"counts.sql": BOTH}, {"topics": {"events": {"partitions": 2}}})
        self.addCleanup(tarn.close)
        tarn.start()
        tarn.kill()
        with small_disk(os.path.join(tarn.dir, ".tarn", "state"), 4) as disk:
            if not disk:
                self.skipTest("no file system may be mounted here: see test_files_that_may_not_grow")
            self.start(tarn=tarn)
            self.produce(1000)
            self.assert_all_once()
            for _ in range(20 if LONG else 1):
                filler = fill(disk)
                self.produce(1000)
                job = self.until_job("RESTARTING", "No space left on device")
                self.assertIn("/.tarn/state/", job["reason"])
                os.remove(filler)
                self.assert_all_once()
            filler = fill(disk)
            self.produce(1000)
            self.until_job("RESTARTING", "No space left on device")
            tarn.kill()
            os.remove(filler)
            tarn.start()
            self.assert_all_once()
            tarn.stop()

    def test_files_that_may_not_grow(self):
        """A limit on files stands for the full disk where nothing can be mounted: everything that is
        written fails, and the producer is told so."""
        self.start()
        self.produce(1000)
        self.assert_all_once()
        pid, unlimited = self.tarn.process.pid, resource.RLIM_INFINITY
        for _ in range(20 if LONG else 1):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, unlimited))
            producer = Producer({"bootstrap.servers": self.tarn.bootstrap, "message.timeout.ms": 1500, "retries": 0,
                                 "partitioner": "consistent_random"})
            refused = []
            producer.produce("events", b'{"id": -1, "who": "nobody", "amount": 1}', partition=0,
                             on_delivery=lambda error, message: refused.append(error))
            producer.flush(10)
            self.assertIsNotNone(refused[0])
            self.assertTrue(self.tarn.alive())
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))
            self.produce(1000)
            self.assert_all_once()


class Checkpoint(Faults):
    """The newest file of a state is not what was written."""

    def state_files(self):
        return sorted(glob.glob(os.path.join(self.tarn.dir, ".tarn", "state", "*", "*", "*.run"))
                      + glob.glob(os.path.join(self.tarn.dir, ".tarn", "state", "*", "*", "*.base")),
                      key=lambda path: os.stat(path).st_mtime_ns)

    def test_what_a_dying_process_left_half_written_is_passed_over(self):
        self.start()
        for _ in range(10 if LONG else 1):
            self.produce(500)
            self.assert_all_once()
            self.tarn.kill()
            last = self.state_files()[-1]
            with open(last, "rb") as text:
                half = text.read()
            number = int(os.path.basename(last).split(".")[0].split("-")[-1]) + 1
            torn = os.path.join(os.path.dirname(last), f"{number}.run")
            with open(torn, "wb") as out:
                out.write(half[:len(half) // 2])
            self.tarn.start()
            self.produce(500)
            self.assert_all_once()
            self.assertFalse(os.path.exists(torn) and os.path.getsize(torn) == len(half) // 2)

    def test_a_torn_file_is_refused_by_name_and_nothing_is_lost(self):
        self.start(SCRIPT + TOTALS)
        self.produce(500)
        wait_until(self.counted, "totals")
        path = self.tarn.command("job", "savepoint", "counts").strip().splitlines()[-1]
        self.produce(500)
        wait_until(self.counted, "totals")
        before = self.totals()
        tears = [lambda whole: whole[:len(whole) // 2], lambda whole: b"",
                 lambda whole: whole[:30] + bytes([whole[30] ^ 1]) + whole[31:]]
        for tear in tears if LONG else [self.rand.choice(tears)]:
            self.tarn.kill()
            last = self.state_files()[-1]
            with open(last, "rb") as text:
                whole = text.read()
            with open(last, "wb") as out:
                out.write(tear(whole))
            self.tarn.start()
            reason = self.until_job("FAILED", os.path.basename(last))["reason"]
            self.assertRegex(reason, "put the file back, or 'tarn job start counts --from .*', which is [0-9]+ commit")
            self.produce(10)
            rows = self.tarn.sql("SELECT * FROM polariscatalog.db.per_user")
            self.assertEqual(sorted((r["who"], r["n"], r["total"]) for r in rows), before)
            with open(last, "wb") as out:  # from a copy of the disk, say
                out.write(whole)
            self.tarn.command("job", "start", "counts")
            wait_until(self.counted, "totals of all events")
            before = self.totals()
        self.tarn.kill()
        os.remove(self.state_files()[-1])
        self.tarn.start()
        self.until_job("FAILED", "savepoint")
        self.tarn.command("job", "start", "counts", "--from", path)
        wait_until(self.counted, "totals of all events, from the savepoint")

    def test_a_torn_file_is_fetched_from_the_copies_of_checkpoints(self):
        """Each file of the state is torn in turn, in each way, and nobody does anything."""
        copies = tempfile.mkdtemp(prefix="tarn-copies-")
        self.addCleanup(shutil.rmtree, copies, True)
        script = BOTH.replace("EXECUTE", f"SET 'state.checkpoints.dir' = 'file://{copies}';\nEXECUTE")
        self.start(script, {"jobs": {"commit_interval": "200ms"}})
        tears = [lambda whole: whole[:len(whole) // 2], lambda whole: b"", lambda whole: None,
                 lambda whole: whole[:30] + bytes([whole[30] ^ 1]) + whole[31:]]
        for tear in tears:
            self.produce(300)
            self.assert_all_once()
            kept = lambda: {os.path.basename(path) for path in glob.glob(f"{copies}/*/shared/*/*")}
            wait_until(lambda: {os.path.basename(path) for path in self.state_files()} <= kept(), "copies")
            self.tarn.kill()
            files = self.state_files() if LONG or tear is tears[0] else [self.rand.choice(self.state_files())]
            for path in files:
                with open(path, "rb") as text:
                    torn = tear(text.read())
                os.remove(path)
                if torn is not None:
                    with open(path, "wb") as out:
                        out.write(torn)
            self.tarn.start()
            self.until_job("RUNNING", "torn state files were fetched")
            self.produce(100)
            self.assert_all_once()


if __name__ == "__main__":
    unittest.main()
