"""sql_tests.py - tarn test: a project's SQL against rows that are written down."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest

from harness import PROGRAM, ROOT

SCRIPT = """
CREATE TABLE clicks (who STRING, n BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
  WITH ('connector' = 'kafka', 'topic' = 'clicks', 'format' = 'json');
CREATE TABLE totals (who STRING, n BIGINT) WITH ('connector' = 'print');
CREATE TABLE minutes (who STRING, n BIGINT) WITH ('connector' = 'print');
BEGIN STATEMENT SET;
INSERT INTO totals SELECT who, SUM(n) FROM clicks GROUP BY who;
INSERT INTO minutes SELECT who, COUNT(*) FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
  GROUP BY who, window_start, window_end;
END;
"""
TESTS = """
script: clicks
tests:
  - name: totals change
    steps:
      - rows: {clicks: [{who: a, n: 1, ts: "2025-01-01 10:00:00"}]}
        expect: {totals: ["+I[a, 1]"]}
      - rows: {clicks: [{who: a, n: 2, ts: "2025-01-01 10:00:01"}]}
        in_order: true
        expect: {totals: ["-U[a, 1]", "+U[a, 3]"], minutes: []}
      - end: true
        expect: {minutes: ["+I[a, 2]"]}
"""
DAY = """
CREATE TABLE calls (who STRING, at_ AS PROCTIME()) WITH ('connector' = 'kafka', 'topic' = 'calls', 'format' = 'json');
CREATE TABLE minutes (who STRING, n BIGINT, ended TIMESTAMP(3)) WITH ('connector' = 'print');
CREATE TABLE visits (who STRING, n BIGINT, ended TIMESTAMP(3)) WITH ('connector' = 'print');
BEGIN STATEMENT SET;
INSERT INTO minutes SELECT who, COUNT(*), window_end
  FROM TABLE(TUMBLE(TABLE calls, DESCRIPTOR(at_), INTERVAL '1' MINUTE)) GROUP BY who, window_start, window_end;
INSERT INTO visits SELECT who, COUNT(*), window_end
  FROM TABLE(SESSION(TABLE calls PARTITION BY who, DESCRIPTOR(at_), INTERVAL '30' MINUTE))
  GROUP BY who, window_start, window_end;
END;
"""


class SqlTests(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="tarn-sql-tests-")
        self.addCleanup(shutil.rmtree, self.dir)
        self.write("tarn.yaml", "version: 1\nname: clicks\n")
        self.write("streams/clicks.sql", SCRIPT)

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)

    def run_tests(self, text, *options):
        self.write("tests/clicks.yaml", text)
        return subprocess.run([PROGRAM, "test", self.dir, *options], capture_output=True, text=True, timeout=60)

    def test_what_was_expected_passes(self):
        done = self.run_tests(TESTS)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("1 tests, 0 failed", done.stdout)

    def test_a_difference_is_shown_with_its_line(self):
        done = self.run_tests(TESTS.replace("+U[a, 3]", "+U[a, 4]"))
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"FAIL  line 10: `totals` was to get")
        self.assertIn("- +U[a, 4]", done.stdout)
        self.assertIn("+ +U[a, 3]", done.stdout)

    def test_mistakes_of_the_file_are_named(self):
        for wrong, right, said in (("who: a, n: 1", "whom: a, n: 1", "no column `whom`; did you mean `who`?"),
                                   ("rows: {clicks", "rows: {click", "`click`, which no statement"),
                                   ("expect: {totals: [\"+I", "expect: {total: [\"+I", "no statement of the script"),
                                   ("end: true", "ends: true", "did you mean 'end'?"),
                                   ("script: clicks", "script: click", "click.sql")):
            with self.subTest(said):
                done = self.run_tests(TESTS.replace(wrong, right, 1))
                self.assertEqual(done.returncode, 1)
                self.assertIn(said, done.stdout + done.stderr)

    def test_a_day_of_timers_passes_on_the_clock_of_the_test(self):
        """1,440 windows of the clock, and visits of 20 calls that end an hour apart: about a second of real time."""
        self.write("streams/clicks.sql", DAY)
        steps = []
        for minute in range(1440):
            step = {"advance": "1m"}
            if minute % 80 < 20:
                step["rows"] = {"calls": [{"who": "a"}]}
            steps.append(step)
        ends = [minute + 2 for minute in range(1440) if minute % 80 < 20]
        clock = lambda minute: f"2025-01-{1 + minute // 1440:02}T{minute // 60 % 24:02}:{minute % 60:02}"
        steps.append({"advance": "2h", "expect": {
            "minutes": [f"+I[a, 1, {clock(end)}]" for end in ends],
            "visits": [f"+I[a, 20, {clock(last + 29)}]" for last in ends[19::20]]}})
        done = self.run_tests(json.dumps({"script": "clicks", "tests": [{"name": "a day", "steps": steps}]}))
        self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr)
        self.assertIn("1 tests, 0 failed", done.stdout)

    def test_a_test_is_chosen_by_its_name(self):
        done = self.run_tests(TESTS, "--only", "nothing of that name")
        self.assertIn("0 tests, 0 failed", done.stdout)

    def test_the_clickstream_example_passes_its_tests(self):
        done = subprocess.run([PROGRAM, "test", os.path.join(ROOT, "examples", "clickstream")], capture_output=True,
                              text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
