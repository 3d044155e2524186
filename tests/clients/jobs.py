"""jobs.py - jobs are stopped, kept, started again: from where they were, and from a savepoint."""

import json
import os
import shutil
import unittest
import urllib.error
import urllib.request

from confluent_kafka import Producer

from harness import Tarn, boto, free_ports, wait_until

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
        self.flink = free_ports(1)[0]
        self.tarn = Tarn({"clicks.sql": SCRIPT}, {
            "topics": {"clicks": {"partitions": 2}},
            "flink": {"port": self.flink, "settings": {"taskmanager.numberOfTaskSlots": 4,
                                                       "parallelism.default": 2}}})
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

    def test_a_job_shows_its_steps_and_what_holds_it_back(self):
        self.produce(1000)
        wait_until(self.is_counted, "rows")
        steps = lambda: json.loads(self.tarn.command("job", "show", "clicks", "--json"))
        wait_until(lambda: steps() and steps()[-1]["rows out"] == 1000 and any(step["state"] for step in steps()), "figures")
        shown = steps()
        self.assertTrue(shown[0]["step"].endswith("> db.per_user"), shown)
        self.assertTrue(shown[-1]["step"].strip().startswith("clicks"), shown)
        self.assertEqual(shown[-1]["lag"], 0)
        self.assertTrue(any(step["state"] for step in shown), shown)
        self.assertIn("no watermark holds it back", self.tarn.command("job", "explain", "clicks"))
        script = self.tarn.write("late.sql", self.tarn.fill("""
            CREATE TABLE timed (who STRING, at_ TIMESTAMP(3), WATERMARK FOR at_ AS at_)
              WITH ('connector' = 'kafka', 'topic' = 'clicks', 'format' = 'json',
                'properties.bootstrap.servers' = '127.0.0.1:@KAFKA@', 'scan.startup.mode' = 'latest-offset');
            CREATE TABLE IF NOT EXISTS polariscatalog.db.windows (n BIGINT);
            INSERT INTO polariscatalog.db.windows SELECT COUNT(*) FROM
              TABLE(TUMBLE(TABLE timed, DESCRIPTOR(at_), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;"""))
        self.tarn.command("job", "submit", script)
        wait_until(lambda: "not given a row" in self.tarn.command("job", "explain", "late", "--why"), "why")
        wait_until(lambda: "partition 0 holds its time back" in self.tarn.command("job", "explain", "late"), "the partition")

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

    # ---- Flink's REST ----

    def rest(self, path, method="GET", body=None, status=200):
        request = urllib.request.Request(f"http://127.0.0.1:{self.flink}{path}", method=method,
                                         data=json.dumps(body).encode() if body is not None else None)
        try:
            with urllib.request.urlopen(request, timeout=20) as reply:
                self.assertEqual(reply.status, status)
                return json.load(reply)
        except urllib.error.HTTPError as error:
            self.assertEqual(error.code, status)
            return json.load(error)

    def test_checkpoints_are_copied_to_a_bucket(self):
        s3 = boto(self.tarn)
        s3.create_bucket(Bucket="kept")
        self.tarn.command("job", "cancel", "clicks")
        script = self.tarn.write("streams/clicks.sql", self.tarn.fill(SCRIPT.replace(
            "INSERT INTO", "SET 'state.checkpoints.dir' = 's3://kept/flink-checkpoints';\nINSERT INTO")))
        self.tarn.command("job", "submit", script)
        for _ in range(4):
            self.produce(400)
            wait_until(self.is_counted, "rows")
        at = f"/jobs/{self.rest('/jobs')['jobs'][0]['id']}"
        copied = lambda: self.rest(at + "/checkpoints")["latest"]["completed"]["external_path"]
        wait_until(lambda: copied().startswith("s3://kept/"), "a copy")
        self.tarn.command("job", "cancel", "clicks")
        keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket="kept")["Contents"]]
        last = [key for key in keys if key.endswith("/_metadata")]
        self.assertEqual(len(last), 1, keys)  # the copy before it is gone
        self.assertTrue(any("/shared/" in key for key in keys), keys)
        path = "s3://kept/" + last[0].removesuffix("/_metadata")
        self.produce(70)
        self.tarn.command("job", "start", "clicks", "--from", path)
        wait_until(self.is_counted, "rows behind the checkpoint")

    def test_the_cluster_and_its_jobs(self):
        self.produce(1000)
        wait_until(self.is_counted, "rows")
        self.assertEqual(self.rest("/config")["flink-version"], "1.20.0")
        overview = self.rest("/overview")
        self.assertEqual([overview[key] for key in ("taskmanagers", "slots-total", "slots-available", "jobs-running")],
                         [1, 4, 3, 1])
        settings = {row["key"]: row["value"] for row in self.rest("/jobmanager/config")}
        self.assertEqual(settings["parallelism.default"], "2")
        manager = self.rest("/taskmanagers")["taskmanagers"][0]
        self.assertEqual((manager["slotsNumber"], manager["freeSlots"]), (4, 3))
        self.assertEqual(self.rest(f"/taskmanagers/{manager['id']}")["id"], manager["id"])

        job = self.rest("/jobs")["jobs"][0]
        self.assertEqual(job["status"], "RUNNING")
        self.assertRegex(job["id"], "^[0-9a-f]{32}$")
        shown = self.rest("/jobs/overview")["jobs"][0]
        self.assertEqual((shown["jid"], shown["name"], shown["state"]), (job["id"], "clicks", "RUNNING"))
        self.assertEqual(shown["tasks"]["running"], shown["tasks"]["total"])

        at = f"/jobs/{job['id']}"
        wait_until(lambda: sum(v["metrics"]["read-records"] for v in self.rest(at)["vertices"]) >= 1000, "figures")
        detail = self.rest(at)
        names = [v["name"] for v in detail["vertices"]]
        self.assertTrue(names[0].startswith("Source: "), names)
        self.assertTrue(names[-1].endswith("Sink: db.per_user"), names)
        self.assertEqual({node["id"] for node in detail["plan"]["nodes"]}, {v["id"] for v in detail["vertices"]})
        source = detail["vertices"][0]
        ids = [row["id"] for row in self.rest(f"{at}/vertices/{source['id']}/metrics")]
        self.assertIn("0.numRecordsOut", ids)
        wanted = self.rest(f"{at}/vertices/{source['id']}/metrics?get=0.numRecordsOut,0.pendingRecords")
        self.assertEqual({row["id"]: row["value"] for row in wanted},
                         {"0.numRecordsOut": "1000", "0.pendingRecords": "0"})
        self.assertEqual(self.rest(f"{at}/vertices/{source['id']}")["subtasks"][0]["status"], "RUNNING")
        self.assertEqual(self.rest(f"{at}/vertices/{source['id']}/backpressure")["status"], "ok")
        self.assertEqual(self.rest(f"{at}/vertices/none/metrics", status=404)["errors"], ["Vertex none not found"])

        checkpoints = self.rest(at + "/checkpoints")
        self.assertGreater(checkpoints["counts"]["completed"], 0)
        self.assertEqual(checkpoints["history"][0]["status"], "COMPLETED")
        self.assertGreater(checkpoints["history"][0]["state_size"], 0)
        self.assertEqual(self.rest(at + "/checkpoints/config")["mode"], "exactly_once")
        self.assertEqual(self.rest(at + "/exceptions")["exceptionHistory"]["entries"], [])
        self.assertEqual(self.rest("/jobs/" + "0" * 32, status=404), {"errors": [f"Job {'0' * 32} not found"]})

    def test_savepoints_and_an_end_by_rest(self):
        self.produce(300)
        wait_until(self.is_counted, "rows")
        at = f"/jobs/{self.rest('/jobs')['jobs'][0]['id']}"
        elsewhere = os.path.join(self.tarn.dir, "by-rest")
        asked = self.rest(at + "/savepoints", "POST", {"target-directory": elsewhere, "cancel-job": False}, 202)
        done = self.rest(f"{at}/savepoints/{asked['request-id']}")
        self.assertEqual(done["status"], {"id": "COMPLETED"})
        self.assertTrue(os.path.exists(os.path.join(done["operation"]["location"], "_metadata")))
        self.assertTrue(self.rest(at + "/checkpoints")["latest"]["savepoint"]["is_savepoint"])
        self.assertEqual(self.rest(at)["state"], "RUNNING")
        self.assertEqual(self.rest(at + "?mode=cancel", "PATCH", status=202), {})
        self.assertEqual(self.rest(at)["state"], "CANCELED")


if __name__ == "__main__":
    unittest.main()
