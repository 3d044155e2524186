"""postgres.py - a real PostgreSQL beside tarn, for tests."""

import os
import pwd
import shutil
import subprocess
import tempfile

from harness import free_ports, run

BIN = "/usr/lib/postgresql/15/bin"
# The server refuses to run as root.
AS_POSTGRES = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []


class Postgres:
    """A server on a port of its own, with a user app and its database shop."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="tarn-postgres-")
        if AS_POSTGRES:
            os.chown(self.dir, pwd.getpwnam("postgres").pw_uid, -1)
        self.port = free_ports(1)[0]
        self.data = os.path.join(self.dir, "data")
        self.tool("initdb", "-D", self.data, "-U", "app", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C")
        self.start()
        self.run("CREATE DATABASE shop", database="postgres")

    def tool(self, name, *args):
        run(*AS_POSTGRES, os.path.join(BIN, name), *args)

    def start(self):
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c fsync=off -k {self.dir}"
        # Its output goes to a file: the server would hold a pipe open.
        self.tool("pg_ctl", "-D", self.data, "-w", "-s", "-l", os.path.join(self.dir, "log"), "-o", options, "start")

    def stop(self):
        self.tool("pg_ctl", "-D", self.data, "-w", "-s", "-m", "immediate", "stop")

    def run(self, sql, database="shop"):
        """The rows of a statement, as texts."""
        done = subprocess.run([os.path.join(BIN, "psql"), "-h", "127.0.0.1", "-p", str(self.port), "-U", "app", "-X", "-q",
                               "-At", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", sql], capture_output=True,
                              text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return [line.split("|") for line in done.stdout.splitlines()]

    def close(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)
