"""hadoop.py - Hadoop's own shell on S3A of the second AWS SDK: files, not tables. One process a command."""

import glob
import os
import subprocess
import tempfile

from harness import ACCESS_KEY, SECRET_KEY

KEYS = {"fs.s3a.access.key": ACCESS_KEY, "fs.s3a.secret.key": SECRET_KEY}


class Shell:
    """`settings` of S3A over those that every store of one's own needs."""

    def __init__(self, deps, tarn, settings=KEYS):
        self.folder = tempfile.TemporaryDirectory(prefix="tarn-hadoop-")
        self.dir = self.folder.name
        self.jars = glob.glob(f"{deps}/hadoop/*.jar")
        assert self.jars, f"no jars in {deps}/hadoop"
        with open(f"{self.dir}/core-site.xml", "w") as out:
            out.write("<configuration>\n")
            for name, value in {"fs.s3a.endpoint": tarn.s3_url, "fs.s3a.endpoint.region": "us-east-1",
                                "fs.s3a.path.style.access": "true", "fs.s3a.connection.ssl.enabled": "false",
                                "fs.s3a.multipart.size": "5M", "fs.s3a.multipart.threshold": "5M",
                                "fs.s3a.attempts.maximum": "2", **settings}.items():
                out.write(f"<property><name>{name}</name><value>{value}</value></property>\n")
            out.write("</configuration>\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    def path(self, name):
        return os.path.join(self.dir, name)

    def __call__(self, *arguments, status=0):
        """`hadoop fs ARGUMENTS`; what it printed, errors too."""
        done = subprocess.run(["java", "-Xmx300m", "-XX:TieredStopAtLevel=1", "-cp", ":".join([self.dir, *self.jars]),
                               "org.apache.hadoop.fs.FsShell", *arguments], text=True, timeout=900,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        text = "".join(line for line in done.stdout.splitlines(keepends=True) if not line.startswith("SLF4J"))
        assert done.returncode == status, f"fs {' '.join(arguments)}: status {done.returncode}\n{text[-2000:]}"
        return text
