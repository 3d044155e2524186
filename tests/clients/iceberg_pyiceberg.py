"""iceberg_pyiceberg.py - pyiceberg against the catalog and the store: tables made, written, changed
and read by a client that knows nothing of tarn."""

import datetime
import decimal
import json
import threading
import unittest
import urllib.error
import urllib.parse
import urllib.request
import uuid

import pyarrow as pa
from pyiceberg.exceptions import (CommitFailedException, NamespaceAlreadyExistsError,
                                  NamespaceNotEmptyError, NoSuchNamespaceError, NoSuchTableError,
                                  TableAlreadyExistsError)
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import (BucketTransform, DayTransform, HourTransform, IdentityTransform,
                                  MonthTransform, TruncateTransform, YearTransform)
from pyiceberg.types import (BinaryType, BooleanType, DateType, DecimalType, DoubleType, FixedType,
                             FloatType, IntegerType, ListType, LongType, MapType, NestedField,
                             StringType, StructType, TimestampType, TimestamptzType, TimeType,
                             UUIDType)

from harness import CATALOG, ClientTest, Tarn, boto, iceberg, wait_until

UTC = datetime.timezone.utc


def rows_of(table, *order):
    """A scan's rows, in the order of the named columns."""
    rows = table.scan().to_arrow().to_pylist()
    return sorted(rows, key=lambda row: tuple(row[name] for name in order)) if order else rows


class Catalog(ClientTest):
    settings = {"kafka": {"enabled": False}}
    path = "/api/catalog"

    def setUp(self):
        self.catalog = iceberg(self.tarn, self.path)
        self.space = "n" + self.id().rsplit(".", 1)[1].replace("test_", "")[:40]
        self.catalog.create_namespace(self.space)

    def name(self, table="t"):
        return f"{self.space}.{table}"

    def numbers(self, table="t", count=10):
        data = pa.table({"id": pa.array(range(count), pa.int64()),
                         "word": pa.array([f"w{i}" for i in range(count)], pa.string())})
        made = self.catalog.create_table(self.name(table), schema=data.schema)
        made.append(data)
        return made

    def rest(self, method, path, body=None, headers=None):
        """A request as curl would make it: status and decoded answer."""
        request = urllib.request.Request(self.tarn.rest + path, method=method,
                                         data=json.dumps(body).encode() if body is not None else None,
                                         headers={"Content-Type": "application/json", **(headers or {})})
        try:
            with urllib.request.urlopen(request) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            text = error.read()
            return error.code, json.loads(text) if text else None


class Names(Catalog):
    def test_namespaces_hold_properties_and_nest(self):
        catalog = self.catalog
        catalog.create_namespace(f"{self.space}.inner", {"owner": "me"})
        self.assertIn((self.space,), catalog.list_namespaces())
        self.assertEqual(catalog.list_namespaces(self.space), [(self.space, "inner")])
        catalog.update_namespace_properties(f"{self.space}.inner", removals={"owner"},
                                            updates={"team": "us"})
        properties = catalog.load_namespace_properties(f"{self.space}.inner")
        self.assertEqual(properties.get("team"), "us")
        self.assertNotIn("owner", properties)
        with self.assertRaises(NamespaceAlreadyExistsError):
            catalog.create_namespace(self.space)
        with self.assertRaises(NamespaceNotEmptyError):
            catalog.drop_namespace(self.space)
        catalog.drop_namespace(f"{self.space}.inner")
        with self.assertRaises(NoSuchNamespaceError):
            catalog.drop_namespace(f"{self.space}.inner")

    def test_tables_are_listed_renamed_and_dropped(self):
        catalog, table = self.catalog, self.numbers()
        self.assertEqual(catalog.list_tables(self.space), [(self.space, "t")])
        self.assertTrue(catalog.table_exists(self.name()))
        with self.assertRaises(TableAlreadyExistsError):
            catalog.create_table(self.name(), schema=table.schema())
        catalog.rename_table(self.name(), self.name("renamed"))
        self.assertFalse(catalog.table_exists(self.name()))
        self.assertEqual(len(rows_of(catalog.load_table(self.name("renamed")))), 10)
        catalog.drop_table(self.name("renamed"))
        with self.assertRaises(NoSuchTableError):
            catalog.load_table(self.name("renamed"))

    def test_locations_are_those_of_the_document(self):
        table = self.numbers()
        self.assertEqual(table.location(), f"s3://warehouse/{CATALOG}/{self.space}/t")
        keys = [o["Key"] for o in boto(self.tarn).list_objects_v2(
            Bucket="warehouse", Prefix=f"{CATALOG}/{self.space}/t/")["Contents"]]
        self.assertTrue(any("/t/metadata/" in key and key.endswith(".metadata.json") for key in keys))
        self.assertTrue(any("/t/metadata/" in key and key.endswith(".avro") for key in keys))
        self.assertTrue(any("/t/data/" in key and key.endswith(".parquet") for key in keys))

    def test_purge_removes_the_files_and_drop_keeps_them(self):
        for purge in (False, True):
            name = "purged" if purge else "dropped"
            self.numbers(name)
            prefix = f"{CATALOG}/{self.space}/{name}/"
            (self.catalog.purge_table if purge else self.catalog.drop_table)(self.name(name))
            def left():
                return boto(self.tarn).list_objects_v2(Bucket="warehouse", Prefix=prefix)["KeyCount"]
            if purge:  # the answer does not wait for the files
                wait_until(lambda: left() == 0, "the files to go")
            else:
                self.assertGreater(left(), 2)

    def test_a_dropped_table_is_registered_again(self):
        location = self.numbers().metadata_location
        self.catalog.drop_table(self.name())
        self.catalog.register_table(self.name("back"), location)
        self.assertEqual(len(rows_of(self.catalog.load_table(self.name("back")))), 10)


class PlainPath(Names):
    """The same under /v1, as the plain Iceberg REST catalog has it."""
    path = ""


class Types(Catalog):
    def test_every_type_comes_back_as_it_went_in(self):
        schema = Schema(
            NestedField(1, "b", BooleanType()), NestedField(2, "i", IntegerType()),
            NestedField(3, "l", LongType(), required=True), NestedField(4, "f", FloatType()),
            NestedField(5, "d", DoubleType()), NestedField(6, "dec", DecimalType(38, 10)),
            NestedField(7, "day", DateType()), NestedField(8, "tod", TimeType()),
            NestedField(9, "ts", TimestampType()), NestedField(10, "tz", TimestamptzType()),
            NestedField(11, "s", StringType()), NestedField(12, "u", UUIDType()),
            NestedField(13, "fix", FixedType(4)), NestedField(14, "bin", BinaryType()))
        table = self.catalog.create_table(self.name(), schema)
        rows = [{"b": True, "i": -2**31, "l": 2**63 - 1, "f": 1.5, "d": float("inf"),
                 "dec": decimal.Decimal("-1234567890123456789012345678.0123456789"),
                 "day": datetime.date(1, 1, 1), "tod": datetime.time(23, 59, 59, 999999),
                 "ts": datetime.datetime(1969, 12, 31, 23, 59, 59, 1),
                 "tz": datetime.datetime(2024, 2, 29, 12, tzinfo=UTC), "s": "\u00e4\u4f60\U0001f600",
                 "u": uuid.UUID("f79c3e09-677c-4bbd-a479-3f349cb785e7").bytes, "fix": b"\x00\x01\xfe\xff",
                 "bin": b""},
                {name: None for name in ("b", "i", "f", "d", "dec", "day", "tod", "ts", "tz", "s", "u",
                                         "fix", "bin")} | {"l": 0}]
        table.append(pa.Table.from_pylist(rows, table.schema().as_arrow()))
        found = rows_of(self.catalog.load_table(self.name()))
        for row in found:
            if isinstance(row["u"], uuid.UUID):
                row["u"] = row["u"].bytes
        self.assertEqual(found, rows)

    def test_nested_columns_come_back_as_they_went_in(self):
        schema = Schema(
            NestedField(1, "id", LongType(), required=True),
            NestedField(2, "tags", ListType(element_id=3, element=StringType(), element_required=False)),
            NestedField(4, "counts", MapType(5, StringType(), 6, LongType(), value_required=False)),
            NestedField(7, "deep", StructType(
                NestedField(8, "a", IntegerType()),
                NestedField(9, "more", ListType(10, StructType(
                    NestedField(11, "x", DoubleType()),
                    NestedField(12, "y", MapType(13, StringType(), 14, ListType(15, LongType())))))))))
        table = self.catalog.create_table(self.name(), schema)
        rows = [{"id": 1, "tags": ["a", None, ""], "counts": [("k", 1), ("n", None)],
                 "deep": {"a": 1, "more": [{"x": 0.5, "y": [("p", [1, 2]), ("q", [])]}]}},
                {"id": 2, "tags": [], "counts": [], "deep": {"a": None, "more": []}},
                {"id": 3, "tags": None, "counts": None, "deep": None}]
        arrow = pa.Table.from_pylist(rows, table.schema().as_arrow())
        table.append(arrow)
        self.assertEqual(rows_of(self.catalog.load_table(self.name()), "id"), arrow.to_pylist())

    def test_an_unwritable_type_is_refused(self):
        status, answer = self.rest("POST", f"/v1/{CATALOG}/namespaces/{self.space}/tables", {
            "name": "odd", "schema": {"type": "struct", "schema-id": 0, "fields": [
                {"id": 1, "name": "x", "required": False, "type": "decimal(39,0)"}]}})
        self.assertEqual(status, 400, answer)
        self.assertIn("decimal", answer["error"]["message"])


class Partitions(Catalog):
    def test_every_transform_prunes_and_reads(self):
        schema = Schema(NestedField(1, "id", LongType()), NestedField(2, "ts", TimestampType()),
                        NestedField(3, "word", StringType()))
        rows = [{"id": i, "ts": datetime.datetime(2024, 1 + i % 3, 1 + i, i), "word": "word%02d" % i}
                for i in range(20)]
        for source, transform in ((1, BucketTransform(4)), (1, TruncateTransform(5)),
                                  (1, IdentityTransform()), (2, YearTransform()), (2, MonthTransform()),
                                  (2, DayTransform()), (2, HourTransform()), (3, TruncateTransform(5)),
                                  (3, IdentityTransform())):
            with self.subTest(str(transform), source=source):
                name = self.name(f"p{source}_{str(transform).replace('[', '').replace(']', '')}")
                table = self.catalog.create_table(name, schema, partition_spec=PartitionSpec(
                    PartitionField(source, 1000, transform, "part")))
                table.append(pa.Table.from_pylist(rows, table.schema().as_arrow()))
                table = self.catalog.load_table(name)
                self.assertEqual(rows_of(table, "id"), rows)
                one = table.scan(row_filter="id = 7 and ts = '2024-02-08T07:00:00' and word = 'word07'")
                self.assertEqual(one.to_arrow().to_pylist(), [rows[7]])
                if len(table.inspect.files()) > 1:
                    self.assertLess(len(list(one.plan_files())), len(table.inspect.files()))

    def test_a_partition_spec_changes_and_old_files_stay(self):
        table = self.numbers(count=10)
        with table.update_spec() as change:
            change.add_field("id", BucketTransform(3), "id_bucket")
        table.append(pa.table({"id": pa.array([10, 11], pa.int64()), "word": ["w10", "w11"]}))
        with table.update_spec() as change:
            change.remove_field("id_bucket")
            change.add_identity("word")
        table.append(pa.table({"id": pa.array([12], pa.int64()), "word": ["w12"]}))
        table = self.catalog.load_table(self.name())
        self.assertEqual(rows_of(table, "id"), [{"id": i, "word": f"w{i}"} for i in range(13)])
        self.assertEqual(len(table.specs()), 3)


class Changes(Catalog):
    def test_columns_are_added_renamed_moved_widened_and_dropped(self):
        schema = Schema(NestedField(1, "id", IntegerType()), NestedField(2, "word", StringType()),
                        NestedField(3, "price", FloatType()), NestedField(4, "gone", LongType()))
        table = self.catalog.create_table(self.name(), schema)
        table.append(pa.Table.from_pylist([{"id": 1, "word": "a", "price": 0.5, "gone": 9}],
                                          table.schema().as_arrow()))
        with table.update_schema() as change:
            change.add_column("extra", StructType(NestedField(1, "x", LongType())), "what else")
            change.rename_column("word", "text")
            change.update_column("id", LongType())
            change.update_column("price", DoubleType())
            change.move_first("price")
            change.delete_column("gone")
        table = self.catalog.load_table(self.name())
        table.append(pa.Table.from_pylist(
            [{"price": 1e300, "id": 2**40, "text": "b", "extra": {"x": 1}}], table.schema().as_arrow()))
        table = self.catalog.load_table(self.name())
        self.assertEqual([field.name for field in table.schema().fields],
                         ["price", "id", "text", "extra"])
        self.assertEqual(rows_of(table, "id"), [
            {"price": 0.5, "id": 1, "text": "a", "extra": None},
            {"price": 1e300, "id": 2**40, "text": "b", "extra": {"x": 1}}])

    def test_rows_are_overwritten_and_deleted(self):
        table = self.numbers(count=20)
        table.delete("id < 5")
        table.overwrite(pa.table({"id": pa.array([7], pa.int64()), "word": ["new"]}), "id = 7")
        found = {row["id"]: row["word"] for row in rows_of(self.catalog.load_table(self.name()))}
        self.assertEqual(sorted(found), list(range(5, 20)))
        self.assertEqual((found[7], found[8]), ("new", "w8"))

    def test_old_snapshots_tags_and_branches_are_read(self):
        table = self.numbers(count=3)
        first = table.current_snapshot().snapshot_id
        table.manage_snapshots().create_tag(first, "before").commit()
        table.append(pa.table({"id": pa.array([3], pa.int64()), "word": ["w3"]}))
        table = self.catalog.load_table(self.name())
        self.assertEqual(len(table.scan(snapshot_id=first).to_arrow()), 3)
        self.assertEqual(len(table.scan().use_ref("before").to_arrow()), 3)
        self.assertEqual(len(table.scan().to_arrow()), 4)
        self.assertEqual([e.snapshot_id for e in table.history()][0], first)

    def test_properties_are_set_and_removed(self):
        table = self.numbers()
        with table.transaction() as change:
            change.set_properties({"write.parquet.compression-codec": "zstd", "note": "x"})
            change.remove_properties("note")
        properties = self.catalog.load_table(self.name()).properties
        self.assertEqual(properties.get("write.parquet.compression-codec"), "zstd")
        self.assertNotIn("note", properties)

    def test_a_table_made_in_a_transaction_appears_with_its_rows(self):
        data = pa.table({"id": pa.array([1], pa.int64())})
        with self.catalog.create_table_transaction(self.name("staged"), data.schema) as change:
            self.assertFalse(self.catalog.table_exists(self.name("staged")))
            change.append(data)
        self.assertEqual(len(rows_of(self.catalog.load_table(self.name("staged")))), 1)


class Conflicts(Catalog):
    def test_a_commit_on_an_old_base_is_refused_with_409(self):
        self.numbers()
        first, second = (self.catalog.load_table(self.name()) for _ in range(2))
        more = pa.table({"id": pa.array([99], pa.int64()), "word": ["w"]})
        first.append(more)
        with self.assertRaises(CommitFailedException):
            second.append(more)
        self.assertEqual(len(rows_of(self.catalog.load_table(self.name()))), 11)

    def test_sixteen_writers_lose_nothing(self):
        self.numbers(count=0)
        failed = []

        def write(number):
            more = pa.table({"id": pa.array([number], pa.int64()), "word": ["w"]})
            catalog = iceberg(self.tarn, self.path)
            for _ in range(200):
                try:
                    catalog.load_table(self.name()).append(more)
                    return
                except CommitFailedException:
                    continue
                except Exception as error:
                    failed.append(error)
                    return
            failed.append(number)

        threads = [threading.Thread(target=write, args=(n,)) for n in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])
        found = rows_of(self.catalog.load_table(self.name()), "id")
        self.assertEqual([row["id"] for row in found], list(range(16)))

    def test_a_reader_never_sees_half_a_commit(self):
        self.numbers(count=0)
        stop, seen = threading.Event(), []

        def read():
            while not stop.is_set():
                seen.append(len(self.catalog.load_table(self.name()).scan().to_arrow()))

        reader = threading.Thread(target=read)
        reader.start()
        table = self.catalog.load_table(self.name())
        try:
            for _ in range(10):
                table.append(pa.table({"id": pa.array(range(100), pa.int64()), "word": ["w"] * 100}))
        finally:
            stop.set()
            reader.join()
        self.assertEqual([count for count in seen if count % 100], [])
        self.assertEqual(seen, sorted(seen))

    def test_commits_survive_kill_9(self):
        self.numbers(count=5)
        self.tarn.kill()
        self.tarn.start()
        table = self.catalog.load_table(self.name())
        table.append(pa.table({"id": pa.array([5], pa.int64()), "word": ["w5"]}))
        self.assertEqual(len(rows_of(self.catalog.load_table(self.name()))), 6)


class Protocol(Catalog):
    def test_the_configuration_names_the_endpoints_under_both_paths(self):
        for path in ("/v1/config", "/api/catalog/v1/config", f"/api/catalog/v1/config?warehouse={CATALOG}"):
            status, answer = self.rest("GET", path)
            self.assertEqual(status, 200)
            self.assertIn("defaults", answer)
            self.assertIn("overrides", answer)
            self.assertIn("POST /v1/{prefix}/namespaces/{namespace}/tables/{table}", answer["endpoints"])

    def test_errors_have_the_form_of_the_specification(self):
        status, answer = self.rest("GET", f"/v1/{CATALOG}/namespaces/nowhere/tables/t")
        self.assertEqual((status, answer["error"]["code"]), (404, 404))
        self.assertRegex(answer["error"]["type"], "NoSuch(Table|Namespace)Exception")
        status, answer = self.rest("POST", f"/v1/{CATALOG}/namespaces/{self.space}/tables", {"name": 5})
        self.assertEqual(status, 400)
        self.assertIn("message", answer["error"])
        self.assertEqual(self.rest("GET", "/v1/no/such/route/at/all")[0], 404)

    def test_tokens_are_given_to_those_who_know_the_secret(self):
        def token(secret):
            form = urllib.parse.urlencode({"grant_type": "client_credentials", "client_id": "root",
                                           "client_secret": secret, "scope": "PRINCIPAL_ROLE:ALL"})
            request = urllib.request.Request(f"{self.tarn.rest}/api/catalog/v1/oauth/tokens",
                                             data=form.encode())
            with urllib.request.urlopen(request) as answer:
                return json.load(answer)
        good = token("secret")
        self.assertEqual(good["token_type"].lower(), "bearer")
        self.assertGreater(good["expires_in"], 0)
        with self.assertRaises(urllib.error.HTTPError) as refused:
            token("wrong")
        self.assertEqual(refused.exception.code, 401)


class Login(unittest.TestCase):
    def test_a_catalog_that_asks_for_tokens_lets_nobody_in_without(self):
        tarn = Tarn(settings={"kafka": {"enabled": False}, "catalog": {"token_required": True}})
        self.addCleanup(tarn.close)
        tarn.start()
        with self.assertRaises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{tarn.rest}/api/catalog/v1/{CATALOG}/namespaces")
        self.assertEqual(refused.exception.code, 401)
        urllib.request.urlopen(f"{tarn.rest}/api/catalog/v1/config").close()
        catalog = iceberg(tarn)
        catalog.create_namespace("inside")
        self.assertIn(("inside",), catalog.list_namespaces())


if __name__ == "__main__":
    unittest.main()
