"""iceberg_duckdb.py - DuckDB's own iceberg extension, attached to the catalog: reads what pyiceberg
wrote and writes what pyiceberg reads."""

import datetime
import decimal
import unittest

import pyarrow as pa
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import BucketTransform, DayTransform, IdentityTransform
from pyiceberg.types import (DecimalType, DoubleType, ListType, LongType, MapType, NestedField,
                             StringType, StructType, TimestampType, TimestamptzType)

from harness import CATALOG, ClientTest, duckdb_connection, iceberg


class DuckDB(ClientTest):
    settings = {"kafka": {"enabled": False}}

    def setUp(self):
        self.catalog = iceberg(self.tarn)
        self.space = "d" + self.id().rsplit(".", 1)[1].replace("test_", "")[:40]
        self.catalog.create_namespace(self.space)
        self.duckdb = duckdb_connection(self.tarn)
        self.addCleanup(self.duckdb.close)

    def name(self, table="t"):
        return f"{self.space}.{table}"

    def query(self, text):
        return self.duckdb.execute(text.replace("@", f"lake.{self.space}.")).fetchall()

    def test_attaches_under_both_paths_and_lists_what_is_there(self):
        data = pa.table({"id": pa.array([1], pa.int64())})
        self.catalog.create_table(self.name(), data.schema)
        for path, name in (("/api/catalog", "polaris"), ("", "plain")):
            connection = duckdb_connection(self.tarn, path, name)
            found = connection.execute("SELECT database, schema, name FROM (SHOW ALL TABLES) "
                                       f"WHERE schema = '{self.space}'").fetchall()
            connection.close()
            self.assertEqual(found, [(name, self.space, "t")])

    def test_reads_nested_rows_as_pyiceberg_wrote_them(self):
        schema = Schema(
            NestedField(1, "id", LongType()),
            NestedField(2, "tags", ListType(3, StringType(), element_required=False)),
            NestedField(4, "counts", MapType(5, StringType(), 6, LongType(), value_required=False)),
            NestedField(7, "deep", StructType(NestedField(8, "x", DoubleType()), NestedField(
                9, "y", StructType(NestedField(10, "z", StringType()))))),
            NestedField(11, "amount", DecimalType(18, 2)), NestedField(12, "ts", TimestampType()),
            NestedField(13, "tz", TimestamptzType()))
        table = self.catalog.create_table(self.name(), schema)
        rows = [{"id": 1, "tags": ["a", None], "counts": {"k": 1, "n": None},
                 "deep": {"x": 0.5, "y": {"z": "in"}}, "amount": decimal.Decimal("49.90"),
                 "ts": datetime.datetime(2024, 2, 29, 1, 2, 3, 456789),
                 "tz": datetime.datetime(2024, 2, 29, tzinfo=datetime.timezone.utc)},
                {"id": 2, "tags": [], "counts": {}, "deep": {"x": None, "y": {"z": None}},
                 "amount": None, "ts": None, "tz": None}]
        table.append(pa.Table.from_pylist(
            [row | {"counts": list(row["counts"].items())} for row in rows], table.schema().as_arrow()))
        found = self.query("SELECT id, tags, counts, deep, amount, ts, epoch_us(tz) FROM @t ORDER BY id")
        self.assertEqual([row[:6] for row in found],
                         [tuple(row[name] for name in ("id", "tags", "counts", "deep", "amount", "ts"))
                          for row in rows])
        self.assertEqual([row[6] for row in found], [1709164800000000, None])

    def test_reads_partitioned_and_evolved_tables(self):
        schema = Schema(NestedField(1, "id", LongType()), NestedField(2, "ts", TimestampType()),
                        NestedField(3, "kind", StringType()))
        spec = PartitionSpec(PartitionField(2, 1000, DayTransform(), "day"),
                             PartitionField(1, 1001, BucketTransform(4), "bucket"),
                             PartitionField(3, 1002, IdentityTransform(), "kind"))
        table = self.catalog.create_table(self.name(), schema, partition_spec=spec)
        rows = [{"id": i, "ts": datetime.datetime(2024, 1, 1 + i % 5, i % 24), "kind": "ab"[i % 2]}
                for i in range(200)]
        table.append(pa.Table.from_pylist(rows, table.schema().as_arrow()))
        with table.update_schema() as change:
            change.rename_column("kind", "sort")
            change.add_column("note", StringType())
        table.append(pa.Table.from_pylist(
            [{"id": 200, "ts": datetime.datetime(2024, 1, 1), "sort": "a", "note": "new"}],
            table.schema().as_arrow()))
        found = self.query("SELECT id, ts, sort, note FROM @t ORDER BY id")
        self.assertEqual(found, [(r["id"], r["ts"], r["kind"], None) for r in rows]
                         + [(200, datetime.datetime(2024, 1, 1), "a", "new")])
        self.assertEqual(self.query("SELECT count(*), min(id) FROM @t WHERE sort = 'b' AND "
                                    "ts < TIMESTAMP '2024-01-02'"),
                         [(len([r for r in rows if r["kind"] == "b" and r["ts"].day == 1]),
                           min(r["id"] for r in rows if r["kind"] == "b" and r["ts"].day == 1))])

    def test_reads_after_rows_were_deleted_and_an_old_snapshot(self):
        data = pa.table({"id": pa.array(range(10), pa.int64())})
        table = self.catalog.create_table(self.name(), data.schema)
        table.append(data)
        first = table.current_snapshot().snapshot_id
        table.delete("id >= 5")
        self.assertEqual(self.query("SELECT count(*) FROM @t"), [(5,)])
        self.assertEqual(self.query(f"SELECT count(*) FROM @t AT (VERSION => {first})"), [(10,)])

    def test_makes_a_table_that_pyiceberg_reads(self):
        self.query("CREATE TABLE @made (id BIGINT, word VARCHAR, amount DECIMAL(10,2), ts TIMESTAMP, "
                   "tags VARCHAR[], deep STRUCT(a INTEGER, b VARCHAR))")
        self.query("INSERT INTO @made SELECT i, 'w' || i, i / 4, TIMESTAMP '2024-01-01' + to_days(i::INT),"
                   " ['x', 'w' || i], {a: i::INT, b: 'b'} FROM range(1000) t(i)")
        self.query("INSERT INTO @made VALUES (1000, NULL, NULL, NULL, NULL, NULL)")
        table = self.catalog.load_table(self.name("made"))
        found = sorted(table.scan().to_arrow().to_pylist(), key=lambda row: row["id"])
        self.assertEqual(len(found), 1001)
        self.assertEqual(found[3], {
            "id": 3, "word": "w3", "amount": decimal.Decimal("0.75"),
            "ts": datetime.datetime(2024, 1, 4), "tags": ["x", "w3"], "deep": {"a": 3, "b": "b"}})
        self.assertEqual(found[1000]["word"], None)
        self.assertTrue(table.location().startswith(f"s3://warehouse/{CATALOG}/{self.space}/made"))

    def test_deletes_rows_by_position(self):
        # Read back by a second DuckDB: pyiceberg 0.10 does not apply these deletes, since DuckDB 1.5
        # leaves the sequence numbers of its manifest entries empty.
        self.query("CREATE TABLE @cut (id BIGINT)")
        self.query("INSERT INTO @cut SELECT i FROM range(100) t(i)")
        self.query("DELETE FROM @cut WHERE id % 10 = 3")
        other = duckdb_connection(self.tarn)
        self.addCleanup(other.close)
        found = other.execute(f"SELECT id FROM lake.{self.space}.cut ORDER BY id").fetchall()
        self.assertEqual(found, [(i,) for i in range(100) if i % 10 != 3])

    def test_a_transaction_is_one_commit_or_none(self):
        self.query("CREATE TABLE @both (id BIGINT)")
        self.query("BEGIN")
        self.query("INSERT INTO @both VALUES (1)")
        self.query("ROLLBACK")
        self.assertEqual(self.query("SELECT count(*) FROM @both"), [(0,)])
        self.query("BEGIN")
        self.query("INSERT INTO @both VALUES (1)")
        self.query("INSERT INTO @both VALUES (2)")
        self.query("COMMIT")
        self.assertEqual(len(self.catalog.load_table(self.name("both")).scan().to_arrow()), 2)

    def test_makes_and_drops_namespaces_and_tables(self):
        self.duckdb.execute("CREATE SCHEMA lake.made_by_duckdb")
        self.duckdb.execute("CREATE TABLE lake.made_by_duckdb.t (id BIGINT)")
        self.assertEqual(self.catalog.list_tables("made_by_duckdb"), [("made_by_duckdb", "t")])
        self.duckdb.execute("DROP TABLE lake.made_by_duckdb.t")
        self.duckdb.execute("DROP SCHEMA lake.made_by_duckdb")
        self.assertNotIn(("made_by_duckdb",), self.catalog.list_namespaces())


if __name__ == "__main__":
    unittest.main()
