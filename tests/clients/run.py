"""run.py - runs the client tests, as many files at a time as there are processors.

    python tests/clients/run.py [FILE...]     all *.py beside this file that hold tests
    python tests/clients/run.py --one FILE    one file in this process; a test's name may follow

Each file is a process of its own with a tarn of its own. A file that fails shows all it printed.
Closing line: "N passed, N failed".
"""

import glob
import importlib.util
import os
import re
import subprocess
import sys
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
NO_TESTS = {"run", "harness", "postgres"}
TIMEOUT = int(os.environ.get("CLIENT_TIMEOUT", 600))


class Result(unittest.TextTestResult):
    """One line a test, with its time."""

    def startTest(self, test):
        unittest.TestResult.startTest(self, test)
        self.began = time.monotonic()

    def say(self, word, test):
        self.stream.writeln(f"{word}  {test.id().split('.', 1)[1]} ({time.monotonic() - self.began:.1f} s)")

    def addSuccess(self, test):
        self.passed = getattr(self, "passed", 0) + 1
        self.say("ok  ", test)

    def addError(self, test, err):
        unittest.TestResult.addError(self, test, err)
        self.failed(test)

    def addFailure(self, test, err):
        unittest.TestResult.addFailure(self, test, err)
        self.failed(test)

    def addSubTest(self, test, subtest, err):
        unittest.TestResult.addSubTest(self, test, subtest, err)
        if err is not None:
            self.failed(subtest)

    def failed(self, test):
        self.stream.writeln(f"FAIL  {test.id()}")
        for tarn in sys.modules["harness"].running:
            self.stream.writeln("---- what tarn said:\n" + tarn.tail())


def run_one(path, names):
    sys.path.insert(0, HERE)
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    suite = unittest.TestLoader().loadTestsFromModule(module)
    if names:
        suite = unittest.TestSuite(test for case in suite for test in case
                                   if any(word in test.id() for word in names))
    result = unittest.TextTestRunner(stream=sys.stdout, resultclass=Result, verbosity=0).run(suite)
    print(f"{getattr(result, 'passed', 0)} passed, {len(result.failures) + len(result.errors)} failed")
    return result.wasSuccessful() and result.testsRun > 0


def run_child(path):
    try:
        done = subprocess.run([sys.executable, __file__, "--one", path], text=True,
                              capture_output=True, timeout=TIMEOUT)
        return done.returncode, done.stdout + done.stderr
    except subprocess.TimeoutExpired as late:
        return 1, f"{late.stdout or ''}{late.stderr or ''}\nno end after {TIMEOUT} s"


def run_file(path):
    began = time.monotonic()
    status, text = run_child(path)
    if status < 0:  # a client's library broke its own process: that says nothing of tarn, which is another one
        print(f"again {os.path.relpath(path)}: the client died of signal {-status}\n{text}", flush=True)
        status, text = run_child(path)
    counts = re.findall(r"^(\d+) passed, (\d+) failed$", text, re.M)
    passed, failed = map(int, counts[-1]) if counts else (0, 1)
    if status != 0 and failed == 0:
        failed = 1
    print(f"{'FAIL' if failed else 'ok  '}  {os.path.relpath(path)} "
          f"({passed} tests, {time.monotonic() - began:.0f} s)", flush=True)
    if failed:
        print(text, flush=True)
    return passed, failed


def main():
    args = sys.argv[1:]
    if args[:1] == ["--one"]:
        sys.exit(0 if run_one(args[1], args[2:]) else 1)
    files = args or sorted(path for path in glob.glob(os.path.join(HERE, "*.py"))
                           if os.path.splitext(os.path.basename(path))[0] not in NO_TESTS)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        counts = list(pool.map(run_file, files))
    passed, failed = (sum(column) for column in zip(*counts))
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
