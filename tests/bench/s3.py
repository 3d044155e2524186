#!/usr/bin/env python3
"""S3 beside nginx's static files and, where it was built, MinIO: rates, and processor time per GB.

    make bench-s3                              nginx and tarn
    tests/bench/peers/fetch-minio              builds MinIO (13 minutes); then it takes part
    make bench-s3 BENCH_S3="64MiB:1 4KiB:8"    sizes and connections; S3_ROUNDS, S3_SECONDS

The load comes from s3_bench (C, blocking sockets, requests signed beforehand, answers dropped in the
kernel), so that it is not the bottleneck; its own processor time is shown. Servers take turns, round
after round, on fresh folders of one file system; the best round of each counts, which is the one that
other work on the machine disturbed least. Processor time is the kernel's, of all a server's processes.
tarn and MinIO check the signature of every request; nginx does nothing of the kind.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
import bench  # noqa: E402

LOAD = os.environ.get("S3_BENCH", os.path.join(ROOT, "build", "tests", "bench", "s3_bench"))
MINIO = os.environ.get("MINIO", os.path.join(ROOT, ".deps", "minio"))
SECONDS = os.environ.get("S3_SECONDS", "4")
ROUNDS = int(os.environ.get("S3_ROUNDS", "2"))
ACCESS, SECRET, BUCKET = "benchbench", "benchbenchbench", "bench"
SIZES = {"KiB": 1 << 10, "MiB": 1 << 20}

NGINX = """
daemon off; worker_processes 2; pid {dir}/nginx.pid; error_log {dir}/error.log;
events {{ worker_connections 512; }}
http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000;
  client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
  uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
  server {{ listen 127.0.0.1:{port}; root {dir}/www; }} }}
"""

TARN = """
version: 1
name: bench
kafka: {{port: {kafka}}}
s3: {{port: {port}, access_key: {access}, secret_key: {secret}}}
catalog: {{port: {catalog}}}
"""


class Server:
    """One that is measured, in a fresh folder."""

    def __init__(self, name, can_put, sign):
        self.name, self.can_put, self.sign = name, can_put, sign
        self.process, self.dir = None, None

    def start(self):
        self.dir = tempfile.mkdtemp(prefix="s3-bench-", dir=os.environ.get("BENCH_DIR", "/"))
        self.port, kafka, catalog = bench.free_ports(3)
        command, environment = getattr(self, self.name)(kafka, catalog)
        log = open(os.path.join(self.dir, "log"), "wb")
        self.process = subprocess.Popen(command, stdout=log, stderr=log,
                                        env=dict(os.environ, **environment))
        until = time.monotonic() + 30
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/minio/health/live").close()
                break
            except urllib.error.HTTPError:
                break
            except OSError:
                if self.process.poll() is not None or time.monotonic() > until:
                    sys.exit(f"{self.name} did not start:\n" + open(log.name).read()[-2000:])
                time.sleep(0.05)
        if self.can_put:
            import boto3
            from botocore.config import Config
            boto3.client("s3", endpoint_url=f"http://127.0.0.1:{self.port}", region_name="us-east-1",
                         aws_access_key_id=ACCESS, aws_secret_access_key=SECRET,
                         config=Config(s3={"addressing_style": "path"})).create_bucket(Bucket=BUCKET)

    def nginx(self, kafka, catalog):
        path = os.path.join(self.dir, "nginx.conf")
        with open(path, "w") as f:
            f.write(NGINX.format(dir=self.dir, port=self.port))
        os.makedirs(os.path.join(self.dir, "www"))
        os.chmod(self.dir, 0o755)
        return ["nginx", "-c", path, "-e", os.path.join(self.dir, "error.log")], {}

    def minio(self, kafka, catalog):
        return [MINIO, "server", os.path.join(self.dir, "data"), "--quiet",
                "--address", f"127.0.0.1:{self.port}"], {
            "MINIO_ROOT_USER": ACCESS, "MINIO_ROOT_PASSWORD": SECRET, "MINIO_UPDATE": "off",
            "MINIO_CI_CD": "1"}

    def tarn(self, kafka, catalog):
        if os.environ.get("S3D"):  # the store and its S3 face alone: tests/tools/s3d.c
            return [os.environ["S3D"], os.path.join(self.dir, "data"), str(self.port), ACCESS,
                    SECRET], {}
        with open(os.path.join(self.dir, "tarn.yaml"), "w") as f:
            f.write(TARN.format(kafka=kafka, catalog=catalog, port=self.port, access=ACCESS,
                                secret=SECRET))
        return [bench.TARN, "up", self.dir], {}

    def fill(self, size, connections, keys):
        """What nginx is to give, which nobody puts."""
        for lane in range(connections):
            folder = os.path.join(self.dir, "www", BUCKET, str(size), str(lane))
            os.makedirs(folder, exist_ok=True)
            for key in range(keys):
                with open(os.path.join(folder, str(key)), "wb") as f:
                    f.write(os.urandom(size))

    def pids(self):
        found = [self.process.pid]
        for entry in os.listdir("/proc"):
            try:
                with open(f"/proc/{entry}/stat") as f:
                    if int(f.read().rsplit(")", 1)[1].split()[1]) == self.process.pid:
                        found.append(int(entry))
            except (OSError, ValueError, IndexError):
                continue
        return found

    def cpu(self):
        total = 0
        for pid in self.pids():
            fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / bench.TICK

    def peak(self):
        total = 0
        for pid in self.pids():
            for line in open(f"/proc/{pid}/status"):
                if line.startswith("VmHWM"):
                    total += int(line.split()[1]) / 1024
        return total

    def load(self, what, size, connections, keys):
        before = self.cpu()
        done = subprocess.run(
            [LOAD, f"http://127.0.0.1:{self.port}", ACCESS, SECRET, BUCKET, what, str(size),
             str(connections), SECONDS, self.sign, str(keys)], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{self.name} {what} {size}: {done.stderr}")
        result = json.loads(done.stdout)
        result["cpu"] = self.cpu() - before
        return result

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


def parse(text):
    size, connections = text.split(":")
    unit = size[-3:]
    return int(size[:-3]) * SIZES[unit], int(connections), size


def measure(server, cases, results):
    server.start()
    try:
        for size, connections, label in cases:
            small = size <= 65536
            put_keys, get_keys = (20000, 100) if small else (1, 1)
            if server.can_put:
                keep(results, server, ("put", label, connections),
                     server.load("put", size, connections, put_keys))
            else:
                server.fill(size, connections, get_keys)
            keep(results, server, ("get", label, connections),
                 server.load("get", size, connections, get_keys))
        results[server.name, "peak"] = max(server.peak(), results.get((server.name, "peak"), 0))
    finally:
        server.stop()


def keep(results, server, case, result):
    old = results.get((server.name, case))
    rate = result["count"] / result["seconds"]
    if not old or rate > old["count"] / old["seconds"]:
        results[server.name, case] = result


def show(server, case, result, of):
    what, label, connections = case
    rate, gigabytes = result["count"] / result["seconds"], result["bytes"] / 1e9
    text = (f"  {what} {label} x{connections:<3} {server:<6} {rate:>9,.0f}/s "
            f"{gigabytes / result['seconds']:>7.3f} GB/s {result['cpu'] / gigabytes:>7.2f} CPU s/GB "
            f"{result['cpu'] / result['count'] * 1e6:>9,.0f} us each  p99 "
            f"{result['p99_us'] / 1e3:>7.1f} ms  client {result['client_cpu'] / result['count'] * 1e6:>6,.0f} us")
    if of:
        ratio = rate / (of["count"] / of["seconds"])
        cpu = (result["cpu"] / result["count"]) / (of["cpu"] / of["count"])
        text += f"  tarn: {1 / ratio:.2f} x its rate, {1 / cpu:.2f} x its CPU"
    print(text, flush=True)


def main():
    cases = [parse(text) for text in
             (os.environ.get("BENCH_S3") or "64MiB:1 4KiB:8").split()]
    servers = [Server("nginx", False, "plain"), Server("tarn", True, "url")]
    if os.access(MINIO, os.X_OK):
        servers.insert(1, Server("minio", True, "url"))
    else:
        print("MinIO is not here: tests/bench/peers/fetch-minio builds it")
    results = {}
    for _ in range(ROUNDS):
        for server in servers:
            measure(server, cases, results)
    print(f"best of {ROUNDS} rounds of {SECONDS} s; {os.cpu_count()} processors, load "
          f"{os.getloadavg()[0]:.1f}")
    for size, connections, label in cases:
        for what in ("put", "get"):
            ours = results[("tarn", (what, label, connections))]
            for server in servers:
                result = results.get((server.name, (what, label, connections)))
                if result:
                    show(server.name, (what, label, connections), result,
                         ours if server.name != "tarn" else None)
    for server in servers:
        print(f"  peak memory of {server.name}: {results[server.name, 'peak']:.0f} MB")


if __name__ == "__main__":
    main()
