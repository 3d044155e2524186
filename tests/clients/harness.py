"""harness.py - a tarn of its own in a temporary folder, and how tests talk to it.

A test makes a Tarn from streams/*.sql and settings, starts it on free ports, drives it with a real
client and stops it. Nothing here knows how tarn works inside: it starts the built program, waits for
its ports and reads what it prints. The environment variable TARN names another program to test.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.abspath(os.environ.get("TARN", os.path.join(ROOT, "build", "tarn")))
JAVA_TOOLS = os.path.join(ROOT, "tests", "acceptance", "bin")
ACCESS_KEY, SECRET_KEY = "admin", "password"
CREDENTIAL = "root:secret"
CATALOG = "polariscatalog"
BROKER_ALONE = {"s3": {"enabled": False}, "catalog": {"enabled": False}}
STORE_ALONE = {"kafka": {"enabled": False}, "catalog": {"enabled": False}}
# Limits of time are what a quiet machine needs at most, and only a failure waits for them: a busy machine,
# or a tarn under a sanitizer, may take this many times as long.
PATIENCE = float(os.environ.get("PATIENCE", 4))


def free_ports(count):
    """Ports below those that the system hands to outgoing connections: a restart finds them free."""
    found = []
    while len(found) < count:
        port = random.randint(15000, 32000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                if port not in found:
                    found.append(port)
    return found


def answers(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def deadline(timeout):
    return time.monotonic() + timeout * PATIENCE


def wait_until(condition, what, timeout=30, pause=0.05):
    """Polls until condition() is true and returns its value; fails loudly after `timeout` seconds, or with
    more patience."""
    until = deadline(timeout)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise AssertionError(f"waited {timeout * PATIENCE:.0f} s for {what}")
        time.sleep(pause)


def yaml(value):
    """As much YAML as tarn.yaml needs: JSON is YAML in flow style."""
    return "".join(f"{key}: {json.dumps(item)}\n" for key, item in value.items())


running = []  # what a failed test shows the output of


class Tarn:
    """One project folder and the process that runs it."""

    def __init__(self, streams=None, settings=None, ports=None, directory=None, example=None):
        """`streams`: {"name.sql": text}, where @KAFKA@, @S3@ and @CATALOG@ become the ports.
        `settings`: sections laid over the generated tarn.yaml.
        `example`: a copy of a project of examples/ instead, as it is; `ports` are those it names."""
        self.made = directory is None
        self.dir = directory or tempfile.mkdtemp(prefix="tarn-test-")
        self.kafka, self.s3, self.catalog = ports or free_ports(3)
        self.process = None
        self.starts = 0
        self.ports = [self.kafka, self.s3, self.catalog]
        if example:
            shutil.copytree(os.path.join(ROOT, "examples", example), self.dir, dirs_exist_ok=True,
                            ignore=shutil.ignore_patterns(".tarn"))
            return
        config = {
            "version": 1,
            "name": "test",
            "kafka": {"port": self.kafka},
            "s3": {"port": self.s3, "access_key": ACCESS_KEY, "secret_key": SECRET_KEY},
            "catalog": {"port": self.catalog, "name": CATALOG, "credential": CREDENTIAL,
                        "warehouse": f"s3://warehouse/{CATALOG}"},
            "jobs": {"commit_interval": "500ms"},
        }
        for section, values in (settings or {}).items():
            if isinstance(values, dict) and isinstance(config.get(section), dict):
                config[section] = config[section] | values
            else:
                config[section] = values
        self.ports = [config[part]["port"] for part in ("kafka", "s3", "catalog")
                      if config[part].get("enabled", True)]
        with open(os.path.join(self.dir, "tarn.yaml"), "w") as out:
            out.write(yaml(config))
        for name, text in (streams or {}).items():
            self.write(os.path.join("streams", name), self.fill(text))

    def fill(self, text):
        return (text.replace("@KAFKA@", str(self.kafka)).replace("@S3@", str(self.s3))
                .replace("@CATALOG@", str(self.catalog)))

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as out:
            out.write(text)
        return path

    def without_generators(self):
        """The project no longer makes up events, from its next start on."""
        path = os.path.join(self.dir, "tarn.yaml")
        with open(path) as text:
            lines = text.read().splitlines(keepends=True)
        with open(path, "w") as out:
            out.writelines(line for line in lines if not line.startswith("  run:"))

    # ---- the process ----

    @property
    def output(self):
        return os.path.join(self.dir, "output.txt")

    def spawn(self):
        """Starts the process and waits for nothing; where in its output this start begins."""
        self.starts += 1
        if self not in running:
            running.append(self)
        with open(self.output, "ab") as out:
            before = out.tell()
            out.write(f"---- start {self.starts}\n".encode())
            out.flush()
            self.process = subprocess.Popen([PROGRAM, "up", self.dir], stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=out)
        return before

    def start(self, timeout=20):
        """Returns once every port answers and tarn says so: the seconds it took."""
        began, before = time.monotonic(), self.spawn()
        ready = [lambda: b" is up after " in self.said_since(before),
                 *(lambda port=port: answers(port) for port in self.ports)]
        while not all(condition() for condition in ready):
            if self.process.poll() is not None:
                raise AssertionError(f"tarn up ended with status {self.process.returncode}:\n"
                                     + self.tail())
            if time.monotonic() - began > timeout * PATIENCE:
                raise AssertionError(f"not up, or not all ports answer, after {timeout * PATIENCE:.0f} s:\n"
                                     + self.tail())
            time.sleep(0.005)
        return time.monotonic() - began

    def said_since(self, position):
        with open(self.output, "rb") as text:
            text.seek(position)
            return text.read()

    def kill(self):
        """kill -9: no handler runs, nothing is flushed by the program."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, timeout=30):
        """SIGTERM; a tarn that does not end, or ends badly, is a failure."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            status = self.process.wait(timeout * PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)
            self.process.wait()
            raise AssertionError(f"tarn did not stop within {timeout * PATIENCE:.0f} s of SIGTERM:\n" + self.tail())
        if status != 0:
            raise AssertionError(f"tarn ended with status {status} after SIGTERM:\n" + self.tail())

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def close(self):
        """Stops and removes everything."""
        if self in running:
            running.remove(self)
        try:
            if not self.alive() and self.process is not None and self.process.returncode not in (0, -9):
                raise AssertionError(f"tarn died with status {self.process.returncode}:\n" + self.tail())
            self.stop()
        finally:
            if self.alive():
                self.kill()
            if self.made and not os.environ.get("KEEP"):
                shutil.rmtree(self.dir, ignore_errors=True)

    def tail(self, lines=40):
        with contextlib.suppress(OSError):
            with open(self.output, errors="replace") as text:
                return "".join(text.readlines()[-lines:])
        return ""

    # ---- its own commands ----

    def command(self, *args, check=True, stdin=None, timeout=60):
        """`tarn ARGS` in the project folder; its standard output."""
        done = subprocess.run([PROGRAM, *args], cwd=self.dir, input=stdin, text=True,
                              capture_output=True, timeout=timeout * PATIENCE)
        if check and done.returncode != 0:
            raise AssertionError(f"tarn {' '.join(args)}: status {done.returncode}\n"
                                 f"{done.stdout}{done.stderr}")
        return done.stdout if check else done

    def sql(self, text, timeout=60):
        """Rows of one SELECT as dicts, through `tarn sql`."""
        out = self.command("sql", "--format", "json", "-e", text, timeout=timeout).strip()
        if out.startswith("["):
            return json.loads(out)
        return [json.loads(line) for line in out.splitlines()]

    # ---- addresses ----

    @property
    def bootstrap(self):
        return f"127.0.0.1:{self.kafka}"

    @property
    def rest(self):
        return f"http://127.0.0.1:{self.catalog}"

    @property
    def s3_url(self):
        return f"http://127.0.0.1:{self.s3}"


# ---- real clients ----

def run(*command, stdin=None, timeout=60, check=True, env=None):
    """Runs a client and returns what it did; a status other than 0 fails unless check is False."""
    done = subprocess.run(command, input=stdin, text=isinstance(stdin, (str, type(None))),
                          capture_output=True, timeout=timeout * PATIENCE,
                          env=None if env is None else {**os.environ, **env})
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: status {done.returncode}\n"
                             f"{done.stdout}\n{done.stderr}")
    return done


def java(tool, *args, **options):
    """One of Kafka's own scripts, by the name it has in Kafka's bin folder."""
    return run(os.path.join(JAVA_TOOLS, tool), *args, **options)


def boto(tarn, service="s3", **options):
    import boto3
    from botocore.config import Config

    return boto3.client(service, endpoint_url=tarn.s3_url, aws_access_key_id=ACCESS_KEY,
                        aws_secret_access_key=options.pop("secret", SECRET_KEY),
                        region_name="us-east-1",
                        config=Config(s3={"addressing_style": "path"}, signature_version="s3v4",
                                      retries={"max_attempts": 1}, **options))


def iceberg(tarn, path="/api/catalog", **options):
    """A pyiceberg catalog, as a user of Polaris would load it."""
    from pyiceberg.catalog import load_catalog

    return load_catalog("tarn", **{"type": "rest", "uri": tarn.rest + path, "warehouse": CATALOG,
                                   "credential": CREDENTIAL, "scope": "PRINCIPAL_ROLE:ALL",
                                   "s3.endpoint": tarn.s3_url, "s3.access-key-id": ACCESS_KEY,
                                   "s3.secret-access-key": SECRET_KEY, "s3.region": "us-east-1",
                                   "s3.path-style-access": "true", **options})


def duckdb_connection(tarn, path="/api/catalog", name="lake", options=""):
    """DuckDB's own iceberg extension, attached to the catalog as `name`; more options of ATTACH."""
    import glob
    import duckdb

    connection = duckdb.connect(config={"allow_unsigned_extensions": True})
    packages = os.path.dirname(os.path.dirname(duckdb.__file__))
    for extension in ("avro", "httpfs", "iceberg"):  # iceberg asks for avro when it is loaded
        file, = glob.glob(f"{packages}/duckdb_extension_{extension}/extensions/*/*.duckdb_extension")
        connection.execute(f"LOAD '{file}'")
    connection.execute(f"""CREATE SECRET (TYPE s3, KEY_ID '{ACCESS_KEY}', SECRET '{SECRET_KEY}',
        ENDPOINT '127.0.0.1:{tarn.s3}', URL_STYLE 'path', USE_SSL false, REGION 'us-east-1')""")
    connection.execute(f"""CREATE SECRET login (TYPE iceberg, CLIENT_ID 'root',
        CLIENT_SECRET 'secret', OAUTH2_SCOPE 'PRINCIPAL_ROLE:ALL',
        OAUTH2_SERVER_URI '{tarn.rest}{path}/v1/oauth/tokens')""")
    connection.execute(f"""ATTACH '{CATALOG}' AS {name} (TYPE iceberg, SECRET login,
        ENDPOINT '{tarn.rest}{path}'{options})""")
    return connection


# ---- tests ----

class ClientTest(unittest.TestCase):
    """One tarn for all tests of a class."""

    streams = None
    settings = None

    @classmethod
    def setUpClass(cls):
        cls.tarn = Tarn(cls.streams, cls.settings)
        cls.addClassCleanup(cls.tarn.close)
        cls.tarn.start()
