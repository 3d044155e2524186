"""alter_table.py - ALTER TABLE in `tarn sql`, in Flink's words and in those of Spark's extension for
Iceberg: what pyiceberg then finds, and that rows written before still read."""

import pyarrow as pa
from pyiceberg.schema import Schema
from pyiceberg.types import (DecimalType, FloatType, IntegerType, ListType, LongType, MapType,
                             NestedField, StringType, StructType, TimestampType)

from harness import ClientTest, iceberg

SCHEMA = Schema(
    NestedField(1, "id", IntegerType(), required=True),
    NestedField(2, "name", StringType(), required=False),
    NestedField(3, "price", FloatType(), required=False),
    NestedField(4, "cost", DecimalType(9, 2), required=False),
    NestedField(5, "at", TimestampType(), required=False),
    NestedField(6, "person", StructType(NestedField(7, "age", IntegerType(), required=False)),
                required=False),
    NestedField(8, "points", ListType(9, StructType(NestedField(10, "x", IntegerType(),
                                                                required=False)),
                                      element_required=False), required=False),
    NestedField(11, "tags", MapType(12, StringType(), 13, IntegerType(), value_required=False),
                required=False))


class Alter(ClientTest):
    settings = {"kafka": {"enabled": False}}

    def setUp(self):
        self.catalog = iceberg(self.tarn)
        self.space = "a" + self.id().rsplit(".", 1)[1].replace("test_", "")[:30]
        self.catalog.create_namespace(self.space)
        self.catalog.create_table(f"{self.space}.t", schema=SCHEMA)
        self.append(first=0)

    def append(self, first):
        table = self.catalog.load_table(f"{self.space}.t")
        schema = table.schema().as_arrow()
        rows = [{"id": first + i, "name": f"n{i}", "price": i / 2, "person": {"age": i},
                 "points": [{"x": i}], "tags": [("a", i)]} for i in range(3)]
        names = set(schema.names)
        table.append(pa.Table.from_pylist([{k: v for k, v in r.items() if k in names} for r in rows],
                                          schema=schema))

    def alter(self, clause, check=True):
        text = f"ALTER TABLE polariscatalog.{self.space}.t {clause}"
        done = self.tarn.command("sql", "-e", text, check=check)
        return done if check else done.stderr

    def refused(self, clause):
        said = self.alter(clause, check=False)
        self.assertTrue(said, clause)
        return said

    def table(self):
        return self.catalog.load_table(f"{self.space}.t")

    def rows(self, select="*", order="id"):
        return self.tarn.sql(f"SELECT {select} FROM polariscatalog.{self.space}.t ORDER BY {order}")

    def test_columns_are_added_in_flinks_words(self):
        self.alter("ADD note STRING COMMENT 'a note'")
        self.alter("ADD (`first` BIGINT FIRST, `second` ROW<a INT, b ARRAY<STRING>> AFTER id)")
        schema = self.table().schema()
        self.assertEqual(schema.column_names[:2], ["first", "id"])
        self.assertEqual(schema.find_field("note").doc, "a note")
        self.assertEqual([f.name for f in schema.fields],
                         ["first", "id", "second", "name", "price", "cost", "at", "person", "points",
                          "tags", "note"])
        self.assertEqual(self.rows("id, note, `first`"),
                         [{"id": i, "note": None, "first": None} for i in range(3)])
        self.assertIn("no value for a required column", self.refused("ADD x INT NOT NULL"))
        self.assertIn("exists already", self.refused("ADD name STRING"))

    def test_types_are_promoted_and_nothing_else(self):
        self.alter("MODIFY (id BIGINT NOT NULL, price DOUBLE, cost DECIMAL(18, 2))")
        schema = self.table().schema()
        self.assertIsInstance(schema.find_type("id"), LongType)
        self.assertEqual(str(schema.find_type("cost")), "decimal(18, 2)")
        self.assertEqual(self.rows("id, price"), [{"id": i, "price": i / 2} for i in range(3)])
        self.assertIn("cannot go from", self.refused("MODIFY name INT"))
        self.assertIn("cannot go from", self.refused("MODIFY cost DECIMAL(9, 2)"))
        self.assertIn("cannot become NOT NULL", self.refused("MODIFY name STRING NOT NULL"))
        self.alter("MODIFY id BIGINT")
        self.assertFalse(self.table().schema().find_field("id").required)

    def test_nested_columns_evolve(self):
        self.alter("ADD person.city STRING")
        self.alter("ADD points.`element`.y BIGINT")
        self.alter("RENAME person.age TO years")
        self.alter("MODIFY person.years BIGINT")
        self.append(first=10)
        rows = self.rows("id, person, points")
        self.assertEqual(rows[1], {"id": 1, "person": {"years": 1, "city": None},
                                   "points": [{"x": 1, "y": None}]})
        self.assertIsInstance(self.table().schema().find_type("person.years"), LongType)
        self.alter("DROP person.city")
        self.assertEqual(self.rows("id, person")[2],
                         {"id": 2, "person": {"years": 2}})

    def test_a_name_that_comes_back_is_another_column(self):
        self.alter("RENAME name TO title")
        self.alter("ADD name STRING")
        self.assertEqual(self.rows("id, title, name")[1], {"id": 1, "title": "n1", "name": None})
        self.alter("DROP title")
        self.alter("ADD title STRING")
        self.append(first=10)
        rows = self.rows("id, title, name")
        self.assertEqual(rows[0], {"id": 0, "title": None, "name": None})
        self.assertEqual(rows[3], {"id": 10, "title": None, "name": "n0"})

    def test_columns_move(self):
        self.alter("ALTER COLUMN `at` FIRST")
        self.alter("MODIFY price FLOAT AFTER `at`")
        self.assertEqual([f.name for f in self.table().schema().fields][:3], ["at", "price", "id"])
        self.assertEqual(list(self.rows()[0])[:3], ["at", "price", "id"])

    def test_spark_words_for_columns(self):
        for clause in ("ADD COLUMN c INT", "ADD COLUMNS (d STRING, e DOUBLE)",
                       "RENAME COLUMN c TO cc", "ALTER COLUMN cc TYPE BIGINT",
                       "ALTER COLUMN cc COMMENT 'big'", "DROP COLUMNS (d, e)",
                       "ALTER COLUMN id DROP NOT NULL", "ADD COLUMN IF NOT EXISTS cc BIGINT",
                       "DROP COLUMN IF EXISTS nowhere"):
            with self.subTest(clause):
                self.alter(clause)
        field = self.table().schema().find_field("cc")
        self.assertEqual((str(field.field_type), field.doc), ("long", "big"))
        self.assertFalse(self.table().schema().find_field("id").required)

    def test_keys_are_identifier_fields(self):
        self.alter("ADD PRIMARY KEY (id) NOT ENFORCED")
        self.assertEqual(self.table().schema().identifier_field_ids, [1])
        self.assertIn("identifier column", self.refused("DROP id"))
        self.alter("DROP PRIMARY KEY")
        self.alter("SET IDENTIFIER FIELDS id")
        self.alter("DROP IDENTIFIER FIELDS id")
        self.assertEqual(self.table().schema().identifier_field_ids, [])
        self.assertIn("cannot be part of a key", self.refused("SET IDENTIFIER FIELDS name"))

    def test_partitions_evolve_and_old_files_still_read(self):
        self.alter("ADD PARTITION FIELD bucket(4, id)")
        self.append(first=10)
        self.alter("ADD PARTITION FIELD days(`at`) AS d")
        self.alter("REPLACE PARTITION FIELD bucket(4, id) WITH truncate(name, 1)")
        self.append(first=20)
        spec = self.table().spec()
        self.assertEqual([(f.name, str(f.transform)) for f in spec.fields],
                         [("d", "day"), ("name_trunc_1", "truncate[1]")])
        self.alter("DROP PARTITION FIELD d")
        self.alter("DROP PARTITION FIELD truncate(1, name)")
        self.assertEqual(len(self.table().spec().fields), 0)
        self.alter("ADD PARTITION FIELD bucket(4, id)")
        field, = self.table().spec().fields
        self.assertEqual((field.name, field.field_id), ("id_bucket_4", 1000))  # its own id again
        self.assertEqual(len(self.rows("id")), 9)
        self.assertEqual(len(self.rows("id")), len(self.table().scan().to_arrow()))
        self.assertIn("the same already", self.refused("ADD PARTITION FIELD bucket(4, id) AS other"))
        self.assertIn("no partition field", self.refused("DROP PARTITION FIELD nine"))
        self.assertIn("there is no transform", self.refused("ADD PARTITION FIELD cube(id)"))

    def test_write_orders(self):
        self.alter("WRITE ORDERED BY name DESC, bucket(4, id) NULLS LAST")
        table = self.table()
        self.assertEqual([(f.source_id, str(f.transform), f.direction.name, f.null_order.name)
                          for f in table.sort_order().fields],
                         [(2, "identity", "DESC", "NULLS_LAST"), (1, "bucket[4]", "ASC", "NULLS_LAST")])
        self.assertEqual(table.properties["write.distribution-mode"], "range")
        self.alter("WRITE DISTRIBUTED BY PARTITION LOCALLY ORDERED BY id")
        self.assertEqual(self.table().properties["write.distribution-mode"], "hash")
        self.alter("WRITE UNORDERED")
        self.assertTrue(self.table().sort_order().is_unsorted)

    def test_properties(self):
        self.alter("SET ('a.b' = 'c', 'commit.retry.num-retries' = '7')")
        self.alter("SET TBLPROPERTIES ('x' = 'y')")
        self.assertEqual(self.table().properties["a.b"], "c")
        self.alter("RESET ('a.b')")
        self.alter("UNSET TBLPROPERTIES ('x')")
        self.assertEqual(set(self.table().properties) & {"a.b", "x"}, set())
        self.alter("SET ('format-version' = '3')")
        self.assertEqual(self.table().format_version, 3)
        self.assertIn("downgrade", self.refused("SET ('format-version' = '2')"))
        self.assertIn("cannot be set", self.refused("SET ('uuid' = 'x')"))

    def test_defaults_are_read_for_rows_that_are_older(self):
        self.assertIn("format version 3", self.refused("ADD COLUMN n INT DEFAULT 5"))
        self.alter("SET ('format-version' = '3')")
        self.alter("ADD COLUMN n INT NOT NULL DEFAULT 5")
        self.alter("ADD COLUMN w STRING DEFAULT 'it''s \"x\"'")
        self.alter("ADD COLUMN d DATE DEFAULT DATE '2024-02-29'")
        self.alter("ADD COLUMN m DECIMAL(9, 2) DEFAULT 12.50")
        self.alter("ADD person.q BIGINT DEFAULT 7")
        row = self.rows("n, w, d, CAST(m AS STRING) AS m, person.q AS q", order="n")[0]
        self.assertEqual(list(row.values()), [5, "it's \"x\"", "2024-02-29", "12.50", 7])
        field = self.table().schema().find_field("n")
        self.assertEqual((field.initial_default, field.write_default), (5, 5))
        self.alter("ALTER COLUMN n SET DEFAULT 6")
        field = self.table().schema().find_field("n")
        self.assertEqual((field.initial_default, field.write_default), (5, 6))
        self.alter("ALTER COLUMN n DROP DEFAULT")
        self.assertIsNone(self.table().schema().find_field("n").write_default)

    def run_sql(self, text, check=True):
        done = self.tarn.command("sql", "-e", f"USE CATALOG polariscatalog; USE {self.space}; {text}",
                                 check=check)
        return done if check else done.stderr

    def test_defaults_of_a_new_table_are_written_by_every_statement(self):
        self.assertIn("line 1, column", self.run_sql("CREATE TABLE n2 (a INT DEFAULT 1)", check=False))
        self.assertIn("'format-version' = '3'",
                      self.run_sql("CREATE TABLE n2 (a INT DEFAULT 1)", check=False))
        self.run_sql("""SET 'table.local-time-zone' = 'Europe/Berlin';
            CREATE TABLE n (k INT, i INT DEFAULT 7, b BOOLEAN NOT NULL DEFAULT TRUE,
                m DECIMAL(9, 2) DEFAULT 1.5, s STRING DEFAULT 'it''s',
                t TIMESTAMP(6) DEFAULT TIMESTAMP '2024-01-01 00:00:00.123456',
                z TIMESTAMP_LTZ(6) DEFAULT TIMESTAMP '2024-01-01 00:00:00',
                x BYTES DEFAULT X'00ff') WITH ('format-version' = '3')""")
        fields = {f.name: f for f in self.catalog.load_table(f"{self.space}.n").schema().fields}
        self.assertEqual((fields["i"].initial_default, fields["i"].write_default), (None, 7))
        self.run_sql("""INSERT INTO n (k) VALUES (1);
            INSERT INTO n (k, i, s) VALUES (2, DEFAULT, 'x'), (3, NULL, DEFAULT);
            UPDATE n SET s = DEFAULT WHERE k = 2;
            MERGE INTO n USING (SELECT 3 AS q UNION ALL SELECT 4) u ON n.k = u.q
                WHEN MATCHED THEN UPDATE SET i = DEFAULT
                WHEN NOT MATCHED THEN INSERT (k, s) VALUES (q, DEFAULT)""")
        rows = self.catalog.load_table(f"{self.space}.n").scan().to_arrow().to_pylist()
        self.assertEqual(sorted(r["k"] for r in rows), [1, 2, 3, 4])
        for row in rows:
            self.assertEqual((row["i"], row["b"], str(row["m"]), row["s"], row["x"]),
                             (7, True, "1.50", "it's", b"\x00\xff"))
            self.assertEqual(row["t"].isoformat(), "2024-01-01T00:00:00.123456")
            self.assertEqual(row["z"].isoformat(), "2023-12-31T23:00:00+00:00")
        said = self.run_sql("SHOW CREATE TABLE n")
        self.assertIn("`i` INT DEFAULT 7", said)
        self.assertIn("`s` STRING DEFAULT 'it''s'", said)
        self.assertIn("DEFAULT stands for", self.run_sql("SELECT * FROM (VALUES (DEFAULT)) AS v",
                                                         check=False))
        self.assertIn("NOT NULL", self.run_sql("INSERT INTO n (k, b) VALUES (9, NULL)", check=False))

    def test_branches_and_tags(self):
        first = self.table().current_snapshot().snapshot_id
        self.alter(f"CREATE BRANCH audit AS OF VERSION {first} RETAIN 7 DAYS "
                   "WITH SNAPSHOT RETENTION 5 SNAPSHOTS 2 HOURS")
        self.alter("CREATE TAG IF NOT EXISTS eod RETAIN 90 MINUTES")
        self.alter("CREATE TAG IF NOT EXISTS eod")
        refs = self.table().refs()
        self.assertEqual((refs["audit"].max_ref_age_ms, refs["audit"].min_snapshots_to_keep,
                          refs["audit"].max_snapshot_age_ms), (604800000, 5, 7200000))
        self.assertEqual(refs["eod"].max_ref_age_ms, 5400000)
        self.append(first=10)
        self.alter("REPLACE BRANCH audit")
        self.assertNotEqual(self.table().refs()["audit"].snapshot_id, first)
        self.alter(f"SET ('current-snapshot-id' = '{first}')")
        self.assertEqual(len(self.rows("id")), 3)
        head = self.table().refs()["audit"].snapshot_id
        self.alter(f"SET ('cherry-pick-snapshot-id' = '{head}')")
        self.assertEqual(len(self.rows("id")), 6)
        self.alter("DROP BRANCH audit")
        self.alter("DROP TAG eod")
        self.alter("DROP TAG IF EXISTS eod")
        self.assertEqual(set(self.table().refs()), {"main"})

    def test_a_table_is_renamed(self):
        self.alter(f"RENAME TO {self.space}.u")
        self.assertTrue(self.catalog.table_exists(f"{self.space}.u"))
        self.assertIn("no table", self.refused("ADD x INT"))
        self.tarn.command("sql", "-e", f"ALTER TABLE IF EXISTS polariscatalog.{self.space}.t ADD x INT")

    def test_distinct_values_are_counted_and_named_by_the_metadata(self):
        import json

        self.append(first=0)  # the same values again
        analyze = f"ANALYZE TABLE polariscatalog.{self.space}.t COMPUTE STATISTICS"
        self.assertIn("6 columns", self.tarn.command("sql", "-e", analyze))  # not points, not tags
        table = self.table()
        stats, = table.metadata.statistics
        self.assertEqual(stats.snapshot_id, table.current_snapshot().snapshot_id)
        ndv = {blob.fields[0]: blob.properties["ndv"] for blob in stats.blob_metadata}
        age = table.schema().find_field("person.age").field_id
        self.assertEqual(ndv, {1: "3", 2: "3", 3: "3", 4: "0", 5: "0", age: "3"})
        with table.io.new_input(stats.statistics_path).open() as file:
            data = file.read()
        self.assertEqual((data[:4], data[-4:]), (b"PFA1", b"PFA1"))
        self.assertEqual(len(data), stats.file_size_in_bytes)
        size = int.from_bytes(data[-12:-8], "little")
        footer = json.loads(data[-12 - size:-12])
        self.assertEqual(stats.file_footer_size_in_bytes, size + 16)
        blob = footer["blobs"][0]
        sketch = data[blob["offset"]:blob["offset"] + blob["length"]]
        self.assertEqual(sketch[:8].hex(), "02030300001acc93")
        self.assertEqual(int.from_bytes(sketch[8:12], "little"), 3)
        self.append(first=50)  # another commit keeps what was counted
        self.assertEqual(len(self.table().metadata.statistics), 1)
        self.tarn.command("sql", "-e", analyze + " FOR COLUMNS id")
        newest = [s for s in self.table().metadata.statistics
                  if s.snapshot_id == self.table().current_snapshot().snapshot_id]
        self.assertEqual([b.fields for b in newest[0].blob_metadata], [[1]])

    def test_partitions_are_summed_up_in_a_file_of_their_own(self):
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.alter("ADD PARTITION FIELD bucket(2, id)")
        self.append(first=10)
        self.tarn.command("sql", "-e", f"ANALYZE TABLE polariscatalog.{self.space}.t COMPUTE STATISTICS")
        table = self.table()
        listed, = table.metadata.partition_statistics
        self.assertEqual(listed.snapshot_id, table.current_snapshot().snapshot_id)
        with table.io.new_input(listed.statistics_path).open() as file:
            data = file.read()
        self.assertEqual(len(data), listed.file_size_in_bytes)
        rows = pq.read_table(pa.BufferReader(data)).to_pylist()
        self.assertEqual(sum(r["data_record_count"] for r in rows), 6)
        self.assertEqual([r["partition"]["id_bucket_2"] for r in rows], [None, 0, 1])
        self.assertEqual([r["spec_id"] for r in rows], [0, 1, 1])
        shown = self.tarn.command("table", "show", f"{self.space}.t")
        self.assertIn(f"3 partitions, as of snapshot {listed.snapshot_id}", shown)
        self.assertRegex(shown, r"'id_bucket_2': NULL\} +3 rows in 1 files")

    def test_procedures_move_main(self):
        first = self.table().current_snapshot().snapshot_id
        self.append(first=10)
        second = self.table().current_snapshot().snapshot_id
        call = lambda text, check=True: self.tarn.command(
            "sql", "-e", f"CALL polariscatalog.{text}".replace("@", self.space), check=check)
        call(f"system.rollback_to_snapshot('@.t', {first})")
        self.assertEqual(self.table().current_snapshot().snapshot_id, first)
        call(f"system.set_current_snapshot(`table` => 'polariscatalog.@.t', snapshot_id => {second})")
        call(f"system.rollback_to_snapshot('@', 't', {first})")  # Trino's words
        self.assertEqual(self.table().current_snapshot().snapshot_id, first)
        call(f"system.cherrypick_snapshot('@.t', {second})")
        self.assertEqual(len(self.rows("id")), 6)
        self.alter(f"CREATE BRANCH b AS OF VERSION {first}")
        call("system.fast_forward('@.t', 'b', 'main')")
        self.assertEqual(self.table().refs()["b"].snapshot_id, second)
        call("system.set_current_snapshot(`table` => '@.t', ref => 'b')")
        self.assertIn("there is no procedure nine", call("system.nine('@.t')", False).stderr)
        self.assertIn("wants snapshot_id", call("system.rollback_to_snapshot('@.t')", False).stderr)
        self.assertIn("unknown WAP ID", call("system.publish_changes('@.t', 'w')", False).stderr)
