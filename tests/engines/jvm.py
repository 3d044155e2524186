"""jvm.py - a Java process of an engine: started, waited for, ended; its log is shown when it fails."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time


class Jvm:
    def __init__(self, name, command, environment=None):
        self.name = name
        self.dir = tempfile.mkdtemp(prefix=f"tarn-{name}-")
        self.command = command
        self.environment = environment or {}
        self.process = None

    @property
    def log(self):
        return os.path.join(self.dir, "log")

    def start(self, ready, seconds=300):
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                            cwd=self.dir, env={**os.environ, **self.environment})
        until = time.monotonic() + seconds
        while True:
            with contextlib.suppress(OSError):
                if ready():
                    return
            if self.process.poll() is not None or time.monotonic() > until:
                with open(self.log, errors="replace") as text:
                    raise RuntimeError(f"{self.name} did not start:\n" + text.read()[-4000:])
            time.sleep(0.1)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if not os.environ.get("KEEP"):
            shutil.rmtree(self.dir, ignore_errors=True)
