"""old_data.py - data folders of earlier releases, kept in tests/fixtures/data, open and go on.

    python tests/clients/old_data.py VERSION     makes the folder of this release (once a release)
"""

import glob
import json
import os
import subprocess
import sys
import tarfile
import unittest

from harness import ROOT, Tarn, run, wait_until

FOLDERS = os.path.join(ROOT, "tests", "fixtures", "data")
SETTINGS = {"topics": {"events": {"partitions": 2}}}
STREAMS = {"events.sql": """
CREATE TABLE source (id BIGINT, name STRING, at_ TIMESTAMP(3)) WITH ('connector' = 'kafka',
  'topic' = 'events', 'properties.bootstrap.servers' = 'localhost:@KAFKA@',
  'scan.startup.mode' = 'earliest-offset', 'format' = 'json');
CREATE DATABASE IF NOT EXISTS polariscatalog.kept;
CREATE TABLE IF NOT EXISTS polariscatalog.kept.events (id BIGINT, name STRING, at_ TIMESTAMP(6));
INSERT INTO polariscatalog.kept.events SELECT * FROM source;
"""}
ROWS, BAD = 500, 3


def produce(tarn, first, count, bad=0):
    lines = [json.dumps({"id": i, "name": f"n{i}", "at_": "2025-01-01T00:00:00"})
             for i in range(first, first + count)]
    lines += [json.dumps({"id": f"bad {i}"}) for i in range(bad)]
    run("kcat", "-P", "-b", tarn.bootstrap, "-t", "events", stdin="\n".join(lines) + "\n")


def rows(tarn):
    return tarn.sql("SELECT COUNT(*) AS n, COUNT(DISTINCT id) AS d FROM kept.events")[0]


def letters(tarn):
    return tarn.sql("SELECT COUNT(*) AS n FROM dlq.events")[0]["n"]


def make(version):
    tarn = Tarn(STREAMS, SETTINGS)
    tarn.start()
    try:
        produce(tarn, 0, ROWS, BAD)
        wait_until(lambda: rows(tarn)["n"] == ROWS and letters(tarn) == BAD, "the rows")
        run("kcat", "-b", tarn.bootstrap, "-G", "readers", "-X",
            "auto.offset.reset=earliest", "-c", "100", "-q", "events")
        tarn.stop()
        os.makedirs(FOLDERS, exist_ok=True)
        with tarfile.open(os.path.join(FOLDERS, f"{version}.tar.gz"), "w:gz") as out:
            out.add(os.path.join(tarn.dir, ".tarn"), ".tarn",
                    filter=lambda f: None if f.name.endswith((".sock", "LOCK", ".log.1")) or
                    "/logs" in f.name else f)
    finally:
        tarn.close()


class OldData(unittest.TestCase):
    def test_opens_the_folder_of_every_release_and_goes_on_from_its_offsets(self):
        folders = sorted(glob.glob(os.path.join(FOLDERS, "*.tar.gz")))
        self.assertTrue(folders, f"no folder in {FOLDERS}")
        for folder in folders:
            with self.subTest(os.path.basename(folder)):
                tarn = Tarn(STREAMS, SETTINGS)
                self.addCleanup(tarn.close)
                with tarfile.open(folder) as archive:
                    archive.extractall(tarn.dir)
                tarn.start()
                self.assertEqual(rows(tarn), {"n": ROWS, "d": ROWS})
                produce(tarn, ROWS, 100, 1)
                wait_until(lambda: rows(tarn)["n"] >= ROWS + 100, "the new rows")
                wait_until(lambda: letters(tarn) >= BAD + 1, "the new dead letter")
                self.assertEqual(rows(tarn), {"n": ROWS + 100, "d": ROWS + 100})
                self.assertEqual(letters(tarn), BAD + 1)
                groups = run("kcat", "-L", "-J", "-b", tarn.bootstrap).stdout
                self.assertIn("events.dlq", groups)
                tarn.stop()

    def test_refuses_a_folder_of_a_newer_program(self):
        tarn = Tarn(STREAMS, SETTINGS)
        self.addCleanup(tarn.close)
        tarn.start()
        tarn.stop()
        path = os.path.join(tarn.dir, ".tarn", "VERSION")
        with open(path) as text:
            version = json.load(text)
        version["format"]["metadata"] += 1
        with open(path, "w") as out:
            json.dump(version, out)
        done = subprocess.run([os.environ.get("TARN", os.path.join(ROOT, "build", "tarn")), "up",
                               tarn.dir], capture_output=True, text=True, timeout=30)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("newer", done.stdout + done.stderr)


if __name__ == "__main__":
    make(sys.argv[1])
