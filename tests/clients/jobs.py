"""jobs.py - jobs are stopped, kept, started again: from where they were, and from a savepoint."""

import json
import os
import shutil
import unittest

from confluent_kafka import Producer

from harness import Tarn, boto, wait_until

SCRIPT = """
CREATE TABLE clicks (who STRING, amount INT)
  WITH ('connector' = 'kafka', 'topic' = 'clicks', 'format' = 'json',
    'properties.bootstrap.servers' = '127.0.0.1:@KAFKA@', 'scan.startup.mode' = 'earliest-offset');
CREATE DATABASE IF NOT EXISTS polariscatalog.db;
CREATE TABLE IF NOT EXISTS polariscatalog.db.per_user (who STRING, n BIGINT, total INT,
    PRIMARY KEY (who) NOT ENFORCED);
SET 'execution.checkpointing.interval' = '200 ms';
SET 'restart-strategy.type' = 'fixed-delay';
INSERT INTO polariscatalog.db.per_user SELECT who, COUNT(*), SUM(amount) FROM clicks GROUP BY who;
"""


class Jobs(unittest.TestCase):
    def setUp(self):
        self.tarn = Tarn({"clicks.sql": SCRIPT}, {"topics": {"clicks": {"partitions": 2}}})
        self.addCleanup(self.tarn.close)
        self.tarn.start()
        self.sent = 0

    def produce(self, count):
        producer = Producer({"bootstrap.servers": self.tarn.bootstrap, "acks": "all"})
        for i in range(self.sent, self.sent + count):
            producer.produce("clicks", json.dumps({"who": f"u{i % 7}", "amount": i}).encode(), partition=i % 2)
        self.assertEqual(producer.flush(30), 0)
        self.sent += count

    def is_counted(self):
        expected = sorted((f"u{k}", len(range(k, self.sent, 7)), sum(range(k, self.sent, 7))) for k in range(7))
        rows = self.tarn.sql("SELECT * FROM polariscatalog.db.per_user")
        return sorted((r["who"], r["n"], r["total"]) for r in rows) == expected

    def job(self):
        return json.loads(self.tarn.command("job", "list", "--json"))[0]

    def stopped(self, *args):
        path = self.tarn.command(*args).strip().splitlines()[-1]
        wait_until(lambda: self.job()["state"] == "FINISHED", "it ends")
        return path

    def test_a_job_goes_on_from_savepoints(self):
        self.produce(1000)
        wait_until(self.is_counted, "rows")
        path = self.stopped("job", "stop", "clicks")
        self.assertTrue(os.path.exists(os.path.join(path, "_metadata")), path)
        self.produce(500)
        self.tarn.command("job", "start", "clicks")  # where it was
        wait_until(self.is_counted, "rows of meanwhile")

        elsewhere = os.path.join(self.tarn.dir, "kept")
        path = self.stopped("job", "stop", "clicks", "--to", elsewhere)
        self.assertTrue(path.startswith(elsewhere), path)
        moved = elsewhere + "-moved"  # a savepoint needs nothing outside of it
        shutil.move(path, moved)
        self.produce(300)
        self.tarn.command("job", "start", "clicks", "--from", moved)
        wait_until(self.is_counted, "rows behind the savepoint")
        self.tarn.kill()
        self.tarn.start()
        self.produce(10)
        wait_until(self.is_counted, "rows after a kill")

    def test_a_savepoint_lies_in_a_bucket(self):
        s3 = boto(self.tarn)
        s3.create_bucket(Bucket="kept")
        self.produce(700)
        wait_until(self.is_counted, "rows")
        rows = self.tarn.sql("SET 'state.savepoints.dir' = 's3://kept/flink-savepoints';\n"
                             f"STOP JOB '{self.tarn.sql('SHOW JOBS')[0]['job id']}' WITH SAVEPOINT;")
        path = rows[-1]["savepoint path"]
        keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket="kept")["Contents"]]
        self.assertTrue(any(key.endswith("/_metadata") for key in keys), keys)
        self.assertTrue(any(key.endswith(".run") or key.endswith(".base") for key in keys), keys)
        wait_until(lambda: self.job()["state"] == "FINISHED", "it ends")
        self.produce(70)
        self.tarn.command("job", "start", "clicks", "--from", path)
        wait_until(self.is_counted, "rows behind the savepoint")


if __name__ == "__main__":
    unittest.main()
