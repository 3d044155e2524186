"""metadata_tables.py - tables about tables and tables as they were, asked of `tarn sql` and compared
with what pyiceberg says of the same table."""

import datetime
import time

import pyarrow as pa
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import DayTransform, IdentityTransform
from pyiceberg.types import DoubleType, LongType, NestedField, StringType, TimestampType

from harness import ClientTest, iceberg

SCHEMA = Schema(NestedField(1, "id", LongType(), required=False),
                NestedField(2, "kind", StringType(), required=False),
                NestedField(3, "at", TimestampType(), required=False),
                NestedField(4, "x", DoubleType(), required=False))
SPEC = PartitionSpec(PartitionField(2, 1000, IdentityTransform(), "kind"),
                     PartitionField(3, 1001, DayTransform(), "at_day"))


def batch(first, count, kind):
    day = datetime.datetime(2024, 1, 1)
    return pa.table({"id": pa.array(range(first, first + count), pa.int64()),
                     "kind": pa.array([kind] * count, pa.string()),
                     "at": pa.array([day + datetime.timedelta(hours=i) for i in range(count)],
                                    pa.timestamp("us")),
                     "x": pa.array([None if i % 3 == 0 else float("nan") if i % 3 == 1 else i / 2
                                    for i in range(count)], pa.float64())})


class Tables(ClientTest):
    settings = {"kafka": {"enabled": False}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        catalog = iceberg(cls.tarn)
        catalog.create_namespace("m")
        cls.table = catalog.create_table("m.t", schema=SCHEMA, partition_spec=SPEC,
                                         properties={"tarn.merge.enabled": "false"})
        cls.times = []
        for i in range(3):
            cls.table.append(batch(i * 30, 30, "abc"[i]))
            time.sleep(0.02)
            cls.times.append(int(time.time() * 1000))
            time.sleep(0.02)
        first = cls.table.snapshots()[0].snapshot_id
        cls.table.manage_snapshots().create_tag(first, "first").create_branch(
            cls.table.snapshots()[1].snapshot_id, "two").commit()
        with cls.table.update_schema() as change:
            change.rename_column("kind", "sort")
            change.add_column("later", LongType())
        cls.table.append(batch(90, 5, "a").rename_columns(["id", "sort", "at", "x"]))
        cls.table.delete("sort = 'b'")
        cls.ids = [s.snapshot_id for s in cls.table.snapshots()]

    def sql(self, text):
        return self.tarn.sql(text)

    def names(self, suffix):
        rows = self.sql(f"SELECT * FROM polariscatalog.m.{suffix}")
        return list(rows[0]) if rows else []

    def test_each_metadata_table_has_the_columns_that_pyiceberg_gives_it(self):
        inspect = self.table.inspect
        for name in ("snapshots", "refs", "history", "metadata_log_entries", "files", "data_files",
                     "manifests", "all_files", "all_data_files", "all_manifests", "entries"):
            with self.subTest(name):
                theirs = getattr(inspect, name)()
                mine = self.sql(f"SELECT * FROM polariscatalog.m.t.{name}")
                self.assertEqual(len(mine), theirs.num_rows)
                self.assertLessEqual(set(theirs.column_names) - {"key_metadata"}, set(mine[0]))
                plain = [c for c in theirs.column_names if c in
                         ("snapshot_id", "file_path", "path", "record_count", "name", "type",
                          "status", "length", "file", "operation", "manifest_list", "content",
                          "spec_id", "partition_spec_id", "added_data_files_count")]
                key = lambda row: [str(row[c]) for c in plain]
                self.assertEqual(sorted(map(key, mine)), sorted(map(key, theirs.to_pylist())))

    def test_partitions_are_counted_as_pyiceberg_counts_them(self):
        theirs = self.table.inspect.partitions().to_pylist()
        mine = self.sql("SELECT p.`partition`.kind AS k, CAST(p.`partition`.at_day AS STRING) AS d, "
                        "record_count, file_count, total_data_file_size_in_bytes AS size, "
                        "last_updated_snapshot_id AS s FROM polariscatalog.m.t.partitions AS p")
        row = lambda r: (r["partition"]["kind"], str(r["partition"]["at_day"]), r["record_count"],
                         r["file_count"], r["total_data_file_size_in_bytes"],
                         r["last_updated_snapshot_id"])
        self.assertEqual(sorted(tuple(r.values()) for r in mine), sorted(map(row, theirs)))

    def test_files_tell_bounds_and_counts_by_column(self):
        rows = self.sql("SELECT f.readable_metrics.id.lower_bound AS low, "
                        "f.readable_metrics.id.upper_bound AS high, "
                        "f.readable_metrics.x.null_value_count AS nulls, record_count AS n "
                        "FROM polariscatalog.m.t.files AS f ORDER BY 1")
        theirs = [(r["readable_metrics"]["id"]["lower_bound"],
                   r["readable_metrics"]["id"]["upper_bound"],
                   r["readable_metrics"]["x"]["null_value_count"], r["record_count"])
                  for r in self.table.inspect.files().to_pylist()]
        self.assertEqual([tuple(r.values()) for r in rows], sorted(theirs))

    def test_flink_and_trino_spell_them_with_a_dollar_sign(self):
        self.assertEqual(self.sql("SELECT count(*) AS n FROM polariscatalog.m.`t$snapshots`"),
                         [{"n": len(self.ids)}])
        self.assertEqual(self.names("`t$refs`"), self.names("t.refs"))

    def test_metadata_tables_join_and_group_like_any_other(self):
        rows = self.sql("SELECT s.operation AS op, count(*) AS n FROM polariscatalog.m.t.history h "
                        "JOIN polariscatalog.m.t.snapshots s ON h.snapshot_id = s.snapshot_id "
                        "GROUP BY s.operation ORDER BY op")
        self.assertEqual(rows, [{"op": "append", "n": 4}, {"op": "delete", "n": 1}])

    def count(self, behind, name="t"):
        return self.sql(f"SELECT count(*) AS n FROM polariscatalog.m.{name} {behind}")[0]["n"]

    def test_a_version_is_named_as_flink_hive_trino_and_spark_name_it(self):
        first, second, third = self.ids[:3]
        for text in (f"FOR SYSTEM_VERSION AS OF {second}", f"FOR VERSION AS OF {second}",
                     f"VERSION AS OF {second}", f"VERSION AS OF '{second}'", "VERSION AS OF 'two'",
                     f"/*+ OPTIONS('snapshot-id'='{second}') */", "/*+ OPTIONS('branch'='two') */",
                     f"/*+ OPTIONS('as-of-timestamp'='{self.times[1]}') */"):
            with self.subTest(text):
                self.assertEqual(self.count(text), 60)
        self.assertEqual(self.count("/*+ OPTIONS('tag'='first') */"), 30)
        self.assertEqual(self.count("", "t.branch_two"), 60)
        self.assertEqual(self.count("", "t.tag_first"), 30)
        self.assertEqual(self.count("", "`t$tag_first`"), 30)
        self.assertEqual(self.count("", f"t.snapshot_id_{third}"), 90)
        self.assertEqual(self.count(""), 65)

    def test_a_time_is_a_timestamp_a_text_or_a_number(self):
        at = datetime.datetime.fromtimestamp(self.times[1] / 1000, datetime.timezone.utc)
        text = at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        for words in (f"FOR SYSTEM_TIME AS OF TIMESTAMP '{text}'", f"TIMESTAMP AS OF '{text}'",
                      f"FOR TIMESTAMP AS OF TIMESTAMP '{text}'", f"TIMESTAMP AS OF {self.times[1]}",
                      f"FOR SYSTEM_TIME AS OF TIMESTAMP '{text}' + INTERVAL '0' SECOND"):
            with self.subTest(words):
                self.assertEqual(self.count(words), 60)
        self.assertEqual(self.count("FOR SYSTEM_TIME AS OF CURRENT_TIMESTAMP"), 65)

    def test_an_old_snapshot_is_read_with_the_columns_of_its_time(self):
        old = self.sql(f"SELECT * FROM polariscatalog.m.t VERSION AS OF {self.ids[0]} LIMIT 1")[0]
        self.assertEqual(list(old), ["id", "kind", "at", "x"])
        new = self.sql("SELECT * FROM polariscatalog.m.t.branch_two LIMIT 1")[0]
        self.assertEqual(list(new), ["id", "sort", "at", "x", "later"])

    def test_two_versions_of_a_table_meet_in_one_query(self):
        rows = self.sql(f"SELECT count(*) AS n FROM polariscatalog.m.t VERSION AS OF {self.ids[1]} AS o "
                        "LEFT JOIN polariscatalog.m.t AS n ON o.id = n.id WHERE n.id IS NULL")
        self.assertEqual(rows, [{"n": 30}])

    def test_what_is_not_there_is_named_with_where_to_look(self):
        for text, said in (("VERSION AS OF 5", "no snapshot 5: `t.snapshots` lists them"),
                           ("VERSION AS OF 'nine'", "no branch or tag `nine`: `t.refs`"),
                           ("TIMESTAMP AS OF '1999-01-01'", "no snapshot as old as that"),
                           ("/*+ OPTIONS('snapshot-id'='x') */", "takes a number")):
            with self.subTest(text):
                done = self.tarn.command("sql", "-e", f"SELECT * FROM polariscatalog.m.t {text}",
                                         check=False)
                self.assertIn(said, done.stderr)
        done = self.tarn.command("sql", "-e", "SELECT * FROM polariscatalog.m.t.snapshotz", check=False)
        self.assertNotEqual(done.returncode, 0)

    def test_deleted_positions_are_told_of_delete_files_and_of_vectors(self):
        for version in ("2", "3"):
            with self.subTest(version):
                name = f"polariscatalog.m.d{version}"
                self.tarn.command("sql", "-e", f"""
                    CREATE TABLE {name} (id INT, k STRING) PARTITIONED BY (k) WITH (
                        'format-version' = '{version}', 'write.delete.mode' = 'merge-on-read');
                    INSERT INTO {name} VALUES (0, 'a'), (1, 'a'), (2, 'a'), (3, 'b'), (4, 'b');
                    DELETE FROM {name} WHERE id IN (1, 2, 3)""")
                rows = self.sql(f"SELECT p.pos AS p, p.`partition`.k AS k, p.spec_id AS s, "
                                f"p.file_path = f.file_path AS same FROM {name}.position_deletes AS p "
                                f"JOIN {name}.data_files AS f ON p.file_path = f.file_path ORDER BY k, p")
                self.assertEqual(rows, [{"p": 1, "k": "a", "s": 0, "same": True},
                                        {"p": 2, "k": "a", "s": 0, "same": True},
                                        {"p": 0, "k": "b", "s": 0, "same": True}])
                self.assertEqual(self.sql(f"SELECT sum(record_count) AS n FROM {name}.delete_files"),
                                 [{"n": 3}])
                self.assertEqual(self.sql(f"SELECT count(*) AS n FROM {name}"), [{"n": 2}])
        self.assertEqual(self.sql("SELECT * FROM polariscatalog.m.t.position_deletes"), [])
