"""catalog_rest.py - the REST catalog's further parts over a running tarn: scoped keys, remote
signing, planned scans, views, idempotency keys and principals, with real data behind them."""

import json
import unittest
import urllib.error
import urllib.request
import uuid

import boto3
import botocore
import pyarrow as pa
from pyiceberg.exceptions import NoSuchViewError, OAuthError
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import LongType, NestedField, StringType

from harness import CATALOG, ClientTest, iceberg

SCHEMA = Schema(NestedField(1, "id", LongType()), NestedField(2, "word", StringType()))
VIEW = {"name": "v", "properties": {},
        "schema": {"type": "struct", "schema-id": 0,
                   "fields": [{"id": 1, "name": "id", "required": False, "type": "long"}]},
        "view-version": {"version-id": 1, "timestamp-ms": 1, "schema-id": 0, "summary": {},
                         "default-namespace": ["db"],
                         "representations": [{"type": "sql", "sql": "SELECT id FROM t",
                                              "dialect": "trino"}]}}


class Rest(ClientTest):
    settings = {"kafka": {"enabled": False}, "catalog": {"principals": ["reports:password"]}}

    def setUp(self):
        self.catalog = iceberg(self.tarn)
        self.space = "r" + uuid.uuid4().hex[:8]
        self.catalog.create_namespace(self.space)

    def rest(self, method, path, body=None, headers=None, wanted=200):
        request = urllib.request.Request(
            f"{self.tarn.rest}/v1{path}", method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"Content-Type": "application/json"} | (headers or {}))
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        self.assertEqual(status, wanted, text)
        return json.loads(text) if text else None

    def table(self, name, count, partitioned=False):
        spec = PartitionSpec(PartitionField(2, 1000, IdentityTransform(), "word"))
        made = self.catalog.create_table(f"{self.space}.{name}", SCHEMA,
                                         partition_spec=spec if partitioned else PartitionSpec())
        made.append(pa.table({"id": pa.array(range(count), pa.int64()),
                              "word": pa.array([f"w{i % 3}" for i in range(count)])}))
        return made

    def store(self, config):
        return boto3.client("s3", endpoint_url=self.tarn.s3_url, region_name="us-east-1",
                            aws_access_key_id=config["s3.access-key-id"],
                            aws_secret_access_key=config["s3.secret-access-key"],
                            aws_session_token=config.get("s3.session-token"))

    def test_keys_are_for_the_tables_own_files(self):
        mine, other = self.table("mine", 3), self.table("other", 3)
        answer = self.rest("GET", f"/namespaces/{self.space}/tables/mine")
        self.assertIn("s3.session-token", answer["config"])
        self.assertEqual(answer["storage-credentials"][0]["prefix"], mine.location())
        again = self.rest("GET", f"/namespaces/{self.space}/tables/mine/credentials")
        for config in (answer["config"], again["storage-credentials"][0]["config"]):
            store = self.store(config)
            for table, allowed in ((mine, True), (other, False)):
                bucket, key = table.metadata_location[len("s3://"):].split("/", 1)
                if allowed:
                    store.get_object(Bucket=bucket, Key=key)
                    store.put_object(Bucket=bucket, Key=key + ".copy", Body=b"x")
                    store.delete_object(Bucket=bucket, Key=key + ".copy")
                else:
                    with self.assertRaises(botocore.exceptions.ClientError) as refused:
                        store.get_object(Bucket=bucket, Key=key)
                    self.assertEqual(refused.exception.response["Error"]["Code"], "AccessDenied")

    def test_a_signed_request_reads_the_file(self):
        table = self.table("t", 3)
        path = f"/namespaces/{self.space}/tables/t"
        config = self.rest("GET", path,
                           headers={"X-Iceberg-Access-Delegation": "remote-signing"})["config"]
        self.assertNotIn("s3.secret-access-key", config)
        self.assertEqual("/" + config["s3.signer.endpoint"], f"/v1{path}/sign")
        uri = self.tarn.s3_url + "/" + table.metadata_location[len("s3://"):]
        signed = self.rest("POST", path + "/sign", {"region": "us-east-1", "uri": uri,
                                                    "method": "GET", "headers": {}})
        request = urllib.request.Request(signed["uri"], headers={
            name: values[0] for name, values in signed["headers"].items()})
        with urllib.request.urlopen(request, timeout=30) as answer:
            self.assertEqual(json.load(answer)["table-uuid"], str(table.metadata.table_uuid))

    def test_a_scan_is_planned_with_what_it_needs(self):
        table = self.table("t", 9, partitioned=True)
        path = f"/namespaces/{self.space}/tables/t/plan"
        plan = self.rest("POST", path, {"stats-fields": ["id"]})
        self.assertEqual(plan["status"], "completed")
        files = {task["data-file"]["file-path"]: task["data-file"]
                 for task in plan["file-scan-tasks"]}
        self.assertEqual(set(files), {task.file.file_path for task in table.scan().plan_files()})
        for file in files.values():
            self.assertEqual(file["record-count"], 3)
            self.assertEqual(file["lower-bounds"]["keys"], [1])
        one = self.rest("POST", path, {"filter": {"type": "eq", "term": "word", "value": "w1"}})
        self.assertEqual([task["data-file"]["partition"] for task in one["file-scan-tasks"]],
                         [["w1"]])
        self.assertEqual(one["file-scan-tasks"][0]["residual-filter"]["term"], "word")
        none = self.rest("POST", path, {"filter": {"type": "gt", "term": "id", "value": 100}})
        self.assertEqual(none["file-scan-tasks"], [])
        first = table.metadata.current_snapshot_id
        table.append(pa.table({"id": pa.array([7], pa.int64()), "word": ["w9"]}))
        news = self.rest("POST", path, {"start-snapshot-id": first,
                                        "end-snapshot-id": table.metadata.current_snapshot_id})
        self.assertEqual([task["data-file"]["partition"] for task in news["file-scan-tasks"]],
                         [["w9"]])

    def test_views_are_listed_and_dropped(self):
        self.rest("POST", f"/namespaces/{self.space}/views", VIEW)
        self.assertEqual(self.catalog.list_views(self.space), [(self.space, "v")])
        self.assertTrue(self.catalog.view_exists(f"{self.space}.v"))
        self.catalog.drop_view(f"{self.space}.v")
        with self.assertRaises(NoSuchViewError):
            self.catalog.drop_view(f"{self.space}.v")

    def test_a_view_is_read_in_sql(self):
        self.table("t", 9)
        view = json.loads(json.dumps(VIEW))
        view["view-version"]["default-namespace"] = [self.space]
        view["view-version"]["representations"][0]["sql"] = "SELECT id, word FROM t WHERE id >= 6"
        self.rest("POST", f"/namespaces/{self.space}/views", view)
        self.assertEqual(self.tarn.sql(f"SELECT v.word, count(*) AS n FROM {self.space}.v "
                                       "GROUP BY v.word ORDER BY v.word"),
                         [{"word": f"w{i}", "n": 1} for i in range(3)])
        self.assertIn("v", str(self.tarn.sql(f"SHOW VIEWS FROM {CATALOG}.{self.space}")))
        view["name"] = "in_full"  # by a name that another engine has for the catalog
        view["view-version"]["representations"][0]["sql"] = f'SELECT id FROM mine."{self.space}".t WHERE id < 2'
        self.rest("POST", f"/namespaces/{self.space}/views", view)
        self.assertEqual(self.tarn.sql(f"SELECT count(*) AS n FROM {self.space}.in_full"), [{"n": 2}])
        view["name"] = "astray"
        view["view-version"]["representations"][0]["sql"] = "SELECT id FROM mine.no_such.t"
        self.rest("POST", f"/namespaces/{self.space}/views", view)
        with self.assertRaisesRegex(AssertionError, "there is no catalog `mine`"):
            self.tarn.sql(f"SELECT * FROM {self.space}.astray")
        view["name"] = "strange"
        view["view-version"]["representations"][0]["dialect"] = "mysql"
        self.rest("POST", f"/namespaces/{self.space}/views", view)
        with self.assertRaisesRegex(AssertionError, "no query in a dialect"):
            self.tarn.sql(f"SELECT * FROM {self.space}.strange")

    def test_a_repeated_append_is_one(self):
        self.table("t", 1)
        path = f"/namespaces/{self.space}/tables/t"
        metadata = self.rest("GET", path)["metadata"]
        old = metadata["snapshots"][-1]
        snapshot = old | {"snapshot-id": 4711, "parent-snapshot-id": old["snapshot-id"],
                          "sequence-number": 2}
        body = {"requirements": [{"type": "assert-ref-snapshot-id", "ref": "main",
                                  "snapshot-id": old["snapshot-id"]}],
                "updates": [{"action": "add-snapshot", "snapshot": snapshot},
                            {"action": "set-snapshot-ref", "ref-name": "main", "type": "branch",
                             "snapshot-id": 4711}]}
        key = {"Idempotency-Key": str(uuid.uuid4())}
        self.rest("POST", path, body, key)
        self.tarn.kill()
        self.tarn.start()
        again = self.rest("POST", path, body, key)
        self.assertEqual([s["snapshot-id"] for s in again["metadata"]["snapshots"]],
                         [old["snapshot-id"], 4711])
        self.rest("POST", path, body, {"Idempotency-Key": str(uuid.uuid4())}, wanted=409)

    def test_each_principal_has_a_token_of_its_own(self):
        iceberg(self.tarn, credential="reports:password").list_namespaces()
        with self.assertRaises(OAuthError):
            iceberg(self.tarn, credential="reports:word")


if __name__ == "__main__":
    unittest.main()
