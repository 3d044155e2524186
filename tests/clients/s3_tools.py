"""s3_tools.py - the commands people type at a store: aws, s3cmd, mc where it is built, and DuckDB's
httpfs reading and writing Parquet."""

import configparser
import glob
import os
import shutil
import tempfile
import unittest

import duckdb

from harness import ACCESS_KEY, ROOT, SECRET_KEY, STORE_ALONE, ClientTest, run

BIN = os.path.join(ROOT, ".deps", "python", "bin")
MC = shutil.which("mc", path=os.path.join(ROOT, ".deps", "go", "bin"))


class Tools(ClientTest):
    settings = STORE_ALONE | {"s3": {"buckets": ["warehouse"]}}

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="tarn-tools-")
        self.addCleanup(shutil.rmtree, self.dir)

    def file(self, name, text):
        path = os.path.join(self.dir, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        return path

    def aws(self, *args, **options):
        return run(os.path.join(BIN, "aws"), "--endpoint-url", self.tarn.s3_url, *args, env={
            "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": "us-east-1", "AWS_CONFIG_FILE": os.path.join(self.dir, "none"),
            "AWS_EC2_METADATA_DISABLED": "true"}, **options).stdout

    def s3cmd(self, *args, **options):
        config = configparser.ConfigParser()
        config["default"] = {"access_key": ACCESS_KEY, "secret_key": SECRET_KEY,
                             "host_base": f"127.0.0.1:{self.tarn.s3}", "use_https": "False",
                             "host_bucket": f"127.0.0.1:{self.tarn.s3}"}
        path = os.path.join(self.dir, "s3cfg")
        with open(path, "w", encoding="utf-8") as out:
            config.write(out)
        return run(os.path.join(BIN, "s3cmd"), "-c", path, *args, **options)

    def test_aws_copies_lists_and_removes(self):
        for name in ("a.txt", "deep/b.txt", "deep/er/c.txt"):
            self.file("tree/" + name, name)
        tree = os.path.join(self.dir, "tree")
        self.aws("s3", "mb", "s3://by-aws")  # few commands: each takes a second to start
        self.aws("s3", "sync", tree, "s3://by-aws/t")
        listed = self.aws("s3", "ls", "--recursive", "s3://by-aws/t/")
        self.assertEqual([line.split()[-1] for line in listed.splitlines()],
                         ["t/a.txt", "t/deep/b.txt", "t/deep/er/c.txt"])
        back = os.path.join(self.dir, "back")
        self.aws("s3", "sync", "s3://by-aws/t", back)
        with open(os.path.join(back, "deep/er/c.txt"), encoding="utf-8") as text:
            self.assertEqual(text.read(), "deep/er/c.txt")
        self.aws("s3", "rb", "--force", "s3://by-aws")

    def test_s3cmd_copies_lists_and_removes(self):
        path = self.file("k.txt", "by s3cmd")
        self.s3cmd("mb", "s3://by-s3cmd")
        self.s3cmd("put", path, "s3://by-s3cmd/a/k.txt")
        self.assertIn("s3://by-s3cmd/a/k.txt", self.s3cmd("ls", "-r", "s3://by-s3cmd").stdout)
        self.assertEqual(self.s3cmd("--no-progress", "get", "s3://by-s3cmd/a/k.txt", "-").stdout,
                         "by s3cmd")
        self.s3cmd("cp", "s3://by-s3cmd/a/k.txt", "s3://by-s3cmd/b/k.txt")
        self.s3cmd("del", "-r", "--force", "s3://by-s3cmd")
        self.s3cmd("rb", "s3://by-s3cmd")

    def test_signature_version_2_is_refused_by_name(self):
        told = self.s3cmd("--signature-v2", "-d", "ls").stderr
        self.assertIn("Please use AWS4-HMAC-SHA256", told.replace("'\n         b'", ""))
        self.assertIn("Endpoint requires signature v4", told)  # and it goes on with that

    def test_duckdb_writes_and_reads_parquet(self):
        connection = duckdb.connect(config={"allow_unsigned_extensions": True})
        self.addCleanup(connection.close)
        packages = os.path.dirname(os.path.dirname(duckdb.__file__))
        file, = glob.glob(f"{packages}/duckdb_extension_httpfs/extensions/*/*.duckdb_extension")
        connection.execute(f"LOAD '{file}'")
        connection.execute(f"""CREATE SECRET (TYPE s3, KEY_ID '{ACCESS_KEY}', SECRET '{SECRET_KEY}',
            ENDPOINT '127.0.0.1:{self.tarn.s3}', URL_STYLE 'path', USE_SSL false,
            REGION 'us-east-1')""")
        connection.execute("""COPY (SELECT i AS id, i % 7 AS part, repeat('x', 20) AS text
            FROM range(200000) t(i)) TO 's3://warehouse/by-duckdb' (FORMAT parquet,
            PARTITION_BY part)""")
        found = connection.execute("""SELECT part, count(*), sum(id) FROM
            read_parquet('s3://warehouse/by-duckdb/*/*.parquet', hive_partitioning = true)
            GROUP BY part ORDER BY part""").fetchall()
        self.assertEqual(found, [(p, len(range(p, 200000, 7)), sum(range(p, 200000, 7)))
                                 for p in range(7)])

    @unittest.skipUnless(MC, "mc is not built: scripts/deps --mc")
    def test_mc_does_what_the_stacks_type(self):
        def mc(*args, **options):
            return run(MC, "--config-dir", os.path.join(self.dir, "mc"), *args, **options)
        mc("alias", "set", "tarn", self.tarn.s3_url, ACCESS_KEY, SECRET_KEY)
        mc("mb", "tarn/by-mc")
        self.assertIn("already own it", mc("mb", "tarn/by-mc", check=False).stderr)
        path = self.file("k.txt", "by mc")
        mc("cp", path, "tarn/by-mc/a/k.txt")
        self.assertIn("a/k.txt", mc("ls", "--recursive", "tarn/by-mc/").stdout)
        address = f"{self.tarn.s3_url}/by-mc/a/k.txt"
        self.assertEqual(run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", address).stdout,
                         "403")
        mc("anonymous", "set", "public", "tarn/by-mc")
        self.assertEqual(run("curl", "-s", address).stdout, "by mc")
        mc("version", "enable", "tarn/by-mc")
        mc("rm", "tarn/by-mc/a/k.txt")
        mc("undo", "tarn/by-mc/a/k.txt")
        self.assertEqual(mc("cat", "tarn/by-mc/a/k.txt").stdout, "by mc")
        mc("ilm", "rule", "add", "--expire-days", "30", "tarn/by-mc")
        self.assertIn("ready", mc("ready", "tarn").stdout)
        mc("rb", "--force", "tarn/by-mc")


if __name__ == "__main__":
    unittest.main()
