"""INSERT, UPDATE, DELETE, MERGE, TRUNCATE and INSERT OVERWRITE of `tarn sql`: what other engines read
afterwards, what a random run of them leaves against a model, what a kill and a rival leave.

The random run is short unless DML_STATEMENTS says otherwise (2000 is an evening's).
"""

import concurrent.futures
import json
import logging
import os
import random
import struct
import threading
import time
import unittest
import zlib

import pyarrow.parquet as pq

from harness import CATALOG, ClientTest, Tarn, boto, duckdb_connection, iceberg, wait_until

STATEMENTS = int(os.environ.get("DML_STATEMENTS", "60"))
SEED = int(os.environ.get("DML_SEED", "0"))
USE = f"USE CATALOG {CATALOG}; USE d;"


logging.getLogger("pyiceberg").setLevel(logging.CRITICAL)  # it tells of every file gone before it


class Session:
    """Statements of one user: each a `tarn sql` of its own that begins with the same USE."""

    def __init__(self, tarn, use=USE):
        self.tarn, self.use = tarn, use

    def run(self, text):
        """The rows of the statements' answers; an error is raised with its text."""
        done = self.tarn.command("sql", "--format", "json", "-e", f"{self.use} {text}", check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip())
        return [json.loads(line) for line in done.stdout.splitlines()]

    def said(self, text):
        """What is said of a statement to a person: "3 rows updated"."""
        done = self.tarn.command("sql", "-e", f"{self.use} {text}", check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip())
        return done.stdout.splitlines()[-1].removeprefix("[INFO] ")


def rows_of(table, order="id"):
    return sorted(table.scan().to_arrow().to_pylist(), key=lambda row: row[order])
class Lake(ClientTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.tarn.command("sql", "-e", f"USE CATALOG {CATALOG}; CREATE DATABASE IF NOT EXISTS d;")
        cls.session = Session(cls.tarn)
        cls.catalog = iceberg(cls.tarn)

    def table(self, name):
        return self.catalog.load_table(f"d.{name}")

    def summary(self, name):
        return self.table(name).current_snapshot().summary

    def deletes(self, name):
        """(data file, delete file, format, blob) for every live delete."""
        table = self.table(name)
        found = []
        for manifest in table.current_snapshot().manifests(table.io):
            if manifest.content == 1:
                found += [entry.data_file for entry in manifest.fetch_manifest_entry(table.io)]
        return found


class Statements(Lake):
    """What each statement leaves, read by tarn itself, by pyiceberg and by DuckDB's extension."""

    def make(self, name, version, more="", values="(1,'a',10),(2,'b',20),(3,'c',30),(4,'d',40)"):
        self.session.run(f"""CREATE TABLE {name} (id BIGINT NOT NULL, name STRING, n INT) {more}
            WITH ('format-version' = '{version}');
            INSERT INTO {name} VALUES {values};""".replace(") WITH (", ") WITH ("))

    def check(self, name, expected, pyiceberg=True, duckdb=True):
        """`expected`: (id, name, n) in order."""
        want = [dict(zip(("id", "name", "n"), row)) for row in expected]
        self.assertEqual(self.session.run(f"SELECT * FROM {name} ORDER BY id"), want)
        if pyiceberg:
            self.assertEqual(rows_of(self.table(name)), want)
        if duckdb:
            with duckdb_connection(self.tarn) as connection:
                rows = connection.execute(f"SELECT id, name, n FROM lake.d.{name} ORDER BY id")
                self.assertEqual(rows.fetchall(), expected)

    def test_rows_deleted_and_updated_are_so_for_every_reader(self):
        for version in (2, 3):
            with self.subTest(version=version):
                name = f"plain{version}"
                self.make(name, version)
                self.assertEqual(self.session.said(f"DELETE FROM {name} WHERE id = 2"), "1 row deleted")
                self.assertEqual(self.summary(name).operation.value, "delete")
                self.assertEqual(
                    self.session.said(f"UPDATE {name} SET name = name || '!', n = n + 1 WHERE n >= 30"),
                    "2 rows updated")
                self.assertEqual(self.summary(name).operation.value, "overwrite")
                self.check(name, [(1, "a", 10), (3, "c!", 31), (4, "d!", 41)])
                deletes = self.deletes(name)
                self.assertEqual(len(deletes), 1)  # one per data file, whatever the statements
                self.assertEqual(deletes[0].record_count, 3)
                self.assertEqual(str(deletes[0].file_format).rpartition(".")[2],
                                 "PUFFIN" if version == 3 else "PARQUET")
                self.assertEqual(self.session.said(f"DELETE FROM {name} WHERE id = 99"), "0 rows deleted")

    def test_vectors_of_one_commit_are_each_read_as_their_own(self):
        """A large vector beside small ones in one Puffin file: a reader whose cache fetches more
        than it was asked for still finds each one's own (delete_vector.c)."""
        name = "many_vectors"
        digits = "(VALUES " + ",".join(f"({i})" for i in range(20)) + ")"
        self.session.run(f"""CREATE TABLE {name} (id BIGINT NOT NULL, name STRING, n INT)
            PARTITIONED BY (name) WITH ('format-version' = '3');
            INSERT INTO {name} SELECT i, CASE WHEN i < 1000 THEN 'a' WHEN i < 7000 THEN 'b' ELSE 'c'
                END, MOD(i * 7919, 8000) FROM (SELECT x * 400 + y * 20 + z AS i FROM
                {digits} AS a(x), {digits} AS b(y), {digits} AS c(z));""")
        rows = [(i, "a" if i < 1000 else "b" if i < 7000 else "c", i * 7919 % 8000)
                for i in range(8000)]
        for most in (1500, 1900):  # written, then united with what is there
            gone = {"a": most // 10, "b": most * 2, "c": most // 50}
            case = " ".join(f"WHEN '{part}' THEN {below}" for part, below in gone.items())
            self.session.run(f"DELETE FROM {name} WHERE n < CASE name {case} END")
            self.assertEqual(len({file.file_path for file in self.deletes(name)}), 1)
            self.check(name, [row for row in rows if row[2] >= gone[row[1]]])

    def test_merge_does_each_clause_once_and_in_order(self):
        for version in (2, 3):
            with self.subTest(version=version):
                name = f"merge{version}"
                self.make(name, version)
                said = self.session.said(f"""MERGE INTO {name} AS t
                    USING (VALUES (1, 'one'), (2, 'two'), (9, 'nine'), (8, 'eight')) AS s (id, name)
                    ON t.id = s.id
                    WHEN MATCHED AND s.id = 2 THEN DELETE
                    WHEN MATCHED THEN UPDATE SET name = s.name
                    WHEN NOT MATCHED AND s.id = 9 THEN INSERT (id, name) VALUES (s.id, s.name)
                    WHEN NOT MATCHED BY SOURCE AND t.n > 30 THEN DELETE
                    WHEN NOT MATCHED BY SOURCE THEN UPDATE SET n = -t.n""")
                self.assertEqual(said, "1 row inserted, 2 rows updated, 2 rows deleted")
                self.check(name, [(1, "one", 10), (3, "c", -30), (9, "nine", None)])
                with self.assertRaisesRegex(RuntimeError, "matches more than one row of the source"):
                    self.session.run(f"""MERGE INTO {name} t USING (VALUES (1, 2), (1, 3)) s (id, n)
                        ON t.id = s.id WHEN MATCHED THEN UPDATE SET n = s.n""")
                self.session.run(f"""MERGE INTO {name} t USING (SELECT 3 AS id, 'x' AS name, 1 AS n
                    UNION ALL SELECT 4, 'y', 2) s ON t.id = s.id
                    WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *""")
                self.check(name, [(1, "one", 10), (3, "x", 1), (4, "y", 2), (9, "nine", None)])

    def test_a_statement_that_cannot_be_leaves_the_table_alone(self):
        self.make("safe", 2)
        before = self.table("safe").current_snapshot().snapshot_id
        for text, why in (
                ("UPDATE safe SET id = NULL WHERE n = 10", "NOT NULL"),
                ("UPDATE safe SET nam = 'x'", "unknown column `nam`; did you mean `name`"),
                ("UPDATE safe SET n = 'x'", "CAST it"),
                ("UPDATE safe SET n = 1, n = 2", "set twice"),
                ("DELETE FROM nowhere", "there is no table"),
                ("UPDATE safe SET n = 1 / 0", ""),
                ("INSERT INTO safe VALUES (1, 'x')", "2 columns, `safe` takes 3"),
                ("INSERT OVERWRITE safe PARTITION (n = 1) SELECT 1, 'x'", "not partitioned by `n`")):
            with self.subTest(text), self.assertRaisesRegex(RuntimeError, why):
                self.session.run(text)
        self.assertEqual(self.table("safe").current_snapshot().snapshot_id, before)

    def test_whole_partitions_go_without_a_delete_file(self):
        self.make("parts", 2, "PARTITIONED BY (name)",
                  "(1,'a',1),(2,'a',2),(3,'b',3),(4,'b',4),(5,'c',5)")
        said = self.tarn.command("sql", "-e", f"{USE} EXPLAIN DELETE FROM parts WHERE name = 'a'")
        self.assertIn("dropped unread: 1 files, 2 rows", said)
        self.assertEqual(self.session.said("DELETE FROM parts WHERE name = 'a'"), "2 rows deleted")
        self.assertEqual(self.deletes("parts"), [])
        self.assertEqual(self.summary("parts")["deleted-data-files"], "1")
        self.session.run("DELETE FROM parts WHERE id IN (3, 4)")  # all its rows: the file goes too
        self.assertEqual(self.deletes("parts"), [])
        self.check("parts", [(5, "c", 5)])
        self.assertEqual(self.session.said("TRUNCATE TABLE parts"), "1 row deleted")
        self.check("parts", [])

    def test_overwriting_replaces_partitions_that_get_rows_or_are_named(self):
        self.make("replaced", 2, "PARTITIONED BY (name)", "(1,'a',1),(2,'a',2),(3,'b',3),(4,'c',4)")
        self.session.run("INSERT OVERWRITE replaced VALUES (10, 'a', 10)")
        self.assertEqual(self.summary("replaced")["replace-partitions"], "true")
        self.check("replaced", [(3, "b", 3), (4, "c", 4), (10, "a", 10)])
        self.session.run("INSERT OVERWRITE replaced PARTITION (name = 'b') SELECT id + 100, n FROM replaced")
        self.check("replaced", [(4, "c", 4), (10, "a", 10), (103, "b", 3), (104, "b", 4), (110, "b", 10)])
        self.session.run("INSERT OVERWRITE replaced PARTITION (name = 'c') SELECT id, n FROM replaced WHERE id < 0")
        self.check("replaced", [(10, "a", 10), (103, "b", 3), (104, "b", 4), (110, "b", 10)])
        self.make("whole", 2)
        self.session.run("INSERT OVERWRITE whole SELECT id, name, n FROM whole WHERE id = 1")
        self.check("whole", [(1, "a", 10)])

    def test_copy_on_write_writes_no_deletes(self):
        for version in (2, 3):
            with self.subTest(version=version):
                name = f"copies{version}"
                self.make(name, version)
                self.session.run(f"DELETE FROM {name} WHERE id = 4")
                table = self.table(name)
                with table.transaction() as change:
                    change.set_properties({f"write.{what}.mode": "copy-on-write"
                                           for what in ("delete", "update", "merge")})
                self.session.run(f"DELETE FROM {name} WHERE id = 2")
                self.assertEqual(self.deletes(name), [])
                self.session.run(f"UPDATE {name} SET n = 0 WHERE id = 3")
                self.session.run(f"""MERGE INTO {name} t USING (VALUES (1, 'uno'), (7, 'sette')) s (id, name)
                    ON t.id = s.id WHEN MATCHED THEN UPDATE SET name = s.name
                    WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, s.name)""")
                self.assertEqual(self.deletes(name), [])
                self.check(name, [(1, "uno", 10), (3, "c", 0), (7, "sette", None)])

    def test_a_branch_is_changed_alone(self):
        self.make("branched", 2)
        self.session.run("ALTER TABLE branched CREATE BRANCH dev")
        self.session.run("DELETE FROM branched.branch_dev WHERE id < 4; "
                         "UPDATE branched.branch_dev SET n = 0; INSERT INTO branched.branch_dev VALUES (9, 'z', 9)")
        self.assertEqual(self.session.run("SELECT id, n FROM branched.branch_dev ORDER BY id"),
                         [{"id": 4, "n": 0}, {"id": 9, "n": 9}])
        self.check("branched", [(1, "a", 10), (2, "b", 20), (3, "c", 30), (4, "d", 40)])
        with self.assertRaisesRegex(RuntimeError, "can only be read"):
            self.session.run("DELETE FROM branched.snapshots")

    def test_branches_and_tags_are_named_with_catalog_and_database(self):
        self.make("named", 2)
        full = f"{CATALOG}.d.named"
        self.session.run(f"ALTER TABLE {full} CREATE TAG before; ALTER TABLE {full} CREATE BRANCH dev")
        branch = f"{full}.branch_dev"
        self.session.run(f"""INSERT INTO {branch} VALUES (9, 'z', 9), (8, 'y', 8);
            UPDATE {branch} SET n = n + 1 WHERE id >= 8; DELETE FROM {branch} WHERE id < 4;
            MERGE INTO {branch} t USING (VALUES (9, 'w')) s (id, name) ON t.id = s.id
                WHEN MATCHED THEN UPDATE SET name = s.name;
            INSERT INTO {full} VALUES (5, 'e', 50)""")
        self.assertEqual(self.session.run(f"SELECT * FROM {branch} ORDER BY id"),
                         [{"id": 4, "name": "d", "n": 40}, {"id": 8, "name": "y", "n": 9},
                          {"id": 9, "name": "w", "n": 10}])
        self.assertEqual(self.session.run(f"SELECT COUNT(*) AS c FROM {full}.tag_before"), [{"c": 4}])
        self.assertEqual(len(self.table("named").scan().use_ref("dev").to_arrow()), 3)
        self.check("named", [(1, "a", 10), (2, "b", 20), (3, "c", 30), (4, "d", 40), (5, "e", 50)])
        with self.assertRaisesRegex(RuntimeError, "can only be read"):
            self.session.run(f"DELETE FROM {full}.tag_before")

    def test_what_is_written_waits_in_a_branch_until_it_is_published(self):
        self.make("audited", 2)
        self.make("unaudited", 2)
        self.session.run("ALTER TABLE audited SET ('write.wap.enabled' = 'true')")
        rows = [(1, "a", 10), (2, "b", 20), (3, "c", 30), (4, "d", 40)]
        wap = "SET 'spark.wap.branch' = 'audit';"
        self.assertEqual(self.session.run(f"{wap} SELECT COUNT(*) AS c FROM audited"), [{"c": 4}])
        self.session.run(f"{wap} INSERT INTO audited VALUES (5, 'e', 50); DELETE FROM audited WHERE id = 1; "
                         "DELETE FROM unaudited WHERE id = 1")  # which does not ask for it
        self.check("audited", rows)
        self.check("unaudited", rows[1:])
        self.assertEqual(self.session.run(f"{wap} SELECT id FROM audited ORDER BY id"),
                         [{"id": key} for key in (2, 3, 4, 5)])
        with self.assertRaisesRegex(RuntimeError, "Cannot set both WAP ID and branch"):
            self.session.run(f"{wap} SET 'wap.id' = '1'; INSERT INTO audited VALUES (6, 'f', 60)")
        self.session.run(f"CALL {CATALOG}.system.fast_forward('d.audited', 'main', 'audit')")
        self.check("audited", rows[1:] + [(5, "e", 50)])

    def test_a_snapshot_is_staged_under_a_wap_id_and_published_once(self):
        self.make("staged", 2)
        self.session.run("ALTER TABLE staged SET ('write.wap.enabled' = 'true')")
        rows = [(1, "a", 10), (2, "b", 20), (3, "c", 30), (4, "d", 40)]
        publish = f"CALL {CATALOG}.system.publish_changes('d.staged', '%s')"
        self.session.run("SET 'spark.wap.id' = 'night'; INSERT INTO staged VALUES (5, 'e', 50)")
        self.session.run("SET 'wap.id' = 'gone'; DELETE FROM staged WHERE id = 1")
        self.check("staged", rows)  # nothing is published yet
        self.assertEqual(self.session.run("SET 'wap.id' = 'night'; SELECT COUNT(*) AS c FROM staged"),
                         [{"c": 4}])  # nor read
        waiting = {s.summary["wap.id"]: s for s in self.table("staged").snapshots()
                   if "wap.id" in s.summary.additional_properties}
        self.assertEqual(set(waiting), {"night", "gone"})
        self.session.run("INSERT INTO staged VALUES (6, 'f', 60)")  # main goes on meanwhile
        self.session.run(publish % "night")
        self.check("staged", rows + [(5, "e", 50), (6, "f", 60)])
        summary = self.table("staged").current_snapshot().summary
        self.assertEqual(summary["published-wap-id"], "night")
        with self.assertRaisesRegex(RuntimeError, "already picked|Duplicate request"):
            self.session.run(publish % "night")
        with self.assertRaisesRegex(RuntimeError, "Cannot apply unknown WAP ID 'none'"):
            self.session.run(publish % "none")
        with self.assertRaisesRegex(RuntimeError, "(?i)cannot cherry"):  # a delete is not rebased
            self.session.run(publish % "gone")
        for name in ("g", "h"):
            self.session.run(f"SET 'wap.id' = 'twice'; INSERT INTO staged VALUES (7, '{name}', 70)")
        with self.assertRaisesRegex(RuntimeError, "non-unique WAP ID"):
            self.session.run(publish % "twice")
        self.session.run("SET 'wap.id' = 'next'; UPDATE staged SET n = 0 WHERE id = 6")
        self.session.run(publish % "next")  # nothing came in between: main moves to it
        self.check("staged", rows + [(5, "e", 50), (6, "f", 0)])

    def test_rows_are_written_in_the_tables_order_and_files_say_so(self):
        self.session.run("CREATE TABLE ordered (id INT, p STRING, s STRING) PARTITIONED BY (p)")
        self.session.run("INSERT INTO ordered VALUES (9, 'x', 'a'), (8, 'x', 'b')")
        self.session.run("ALTER TABLE ordered WRITE ORDERED BY s DESC, id")
        self.session.run("INSERT INTO ordered SELECT CAST(id AS INT), IF(MOD(id, 2) = 0, 'x', 'y'), "
                         "CAST(MOD(id * 7, 5) AS STRING) FROM (VALUES (1), (2), (3), (4), (5), (6), (7)) AS v (id)")
        self.session.run("UPDATE ordered SET id = id + 100 WHERE id IN (1, 3, 5)")
        table = self.table("ordered")
        unsorted = [f for f in table.inspect.files().to_pylist() if f["content"] == 0 and not f["sort_order_id"]]
        sorted_files = [f for f in table.inspect.files().to_pylist() if f["content"] == 0 and f["sort_order_id"]]
        self.assertEqual(len(unsorted), 1)  # of before
        self.assertEqual([f["sort_order_id"] for f in sorted_files], [1] * 3)
        for file in sorted_files:
            with table.io.new_input(file["file_path"]).open() as source:
                rows = pq.read_table(source).to_pylist()
            self.assertEqual(rows, sorted(rows, key=lambda r: (-int(r["s"]), r["id"])))
        self.session.run("ALTER TABLE ordered SET ('write.delete.mode' = 'copy-on-write')")
        self.session.run("DELETE FROM ordered WHERE id = 8")
        self.assertEqual({f["sort_order_id"] for f in self.table("ordered").inspect.files().to_pylist()
                          if f["content"] == 0}, {1})

    def test_a_statement_set_changes_all_its_tables_or_none(self):
        for name in ("left_side", "right_side"):
            self.session.run(f"CREATE TABLE {name} (id INT, s STRING NOT NULL)")
        whole = ("EXECUTE STATEMENT SET BEGIN INSERT INTO left_side VALUES ({0}, 'a'); "
                 "INSERT INTO right_side SELECT id, 'b' FROM (VALUES ({0})) AS v (id); "
                 "INSERT INTO left_side VALUES ({0} + 1000, 'c'); END")
        self.assertEqual(self.session.run(whole.format(1)), [{"rows_affected": 1}] * 3)
        self.assertEqual(len(self.table("left_side").snapshots()), 1)  # both its INSERTs are one
        before = [self.table(name).metadata_location for name in ("left_side", "right_side")]
        with self.assertRaisesRegex(RuntimeError, "`s` of `right_side` is NOT NULL"):
            self.session.run("EXECUTE STATEMENT SET BEGIN INSERT INTO left_side VALUES (7, 'x'); "
                             "INSERT INTO right_side SELECT id, CASE WHEN id < 0 THEN 'x' END FROM left_side; END")
        self.assertEqual([self.table(name).metadata_location for name in ("left_side", "right_side")], before)
        with self.assertRaisesRegex(RuntimeError, "changes a table once"):
            self.session.run("EXECUTE STATEMENT SET BEGIN INSERT INTO left_side VALUES (7, 'x'); "
                             "INSERT OVERWRITE left_side VALUES (8, 'y'); END")
        with concurrent.futures.ThreadPoolExecutor(4) as pool:  # none is lost, none is half
            list(pool.map(lambda number: self.session.run(whole.format(number)), range(2, 14)))
        left, right = (sorted(r["id"] for r in rows_of(self.table(name))) for name in ("left_side", "right_side"))
        self.assertEqual(right, list(range(1, 14)))
        self.assertEqual(left, right + [number + 1000 for number in right])

    def test_every_format_tells_how_many_rows_a_statement_changed(self):
        self.make("counted", 2)
        merge = ("MERGE INTO counted USING (SELECT 1 AS k UNION ALL SELECT 9) u ON counted.id = u.k "
                 "WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (id) VALUES (u.k)")
        for text, table, number in (
                ("INSERT INTO counted VALUES (5, 'e', 50), (6, 'f', 60)", "2 rows inserted", 2),
                ("UPDATE counted SET n = n + 1 WHERE id > 4", "2 rows updated", 2),
                ("DELETE FROM counted WHERE id >= 5", "2 rows deleted", 2),
                ("DELETE FROM counted WHERE id = 77", "0 rows deleted", 0)):
            if text.startswith(("UPDATE", "INSERT")) or number == 0:
                self.assertEqual(self.session.said(text), table)
            if text.startswith("INSERT"):
                self.session.run("DELETE FROM counted WHERE id >= 5")
            self.assertEqual(self.session.run(text), [{"rows_affected": number}])
        out = self.tarn.command("sql", "--format", "csv", "-e",
                                f"USE CATALOG {CATALOG}; USE d; {merge}")
        self.assertEqual(out.splitlines(), ["rows_affected,rows_inserted,rows_updated,rows_deleted",
                                            "2,1,0,1"])

    def test_a_table_is_made_of_a_query_or_not_at_all(self):
        self.make("origin", 2)
        self.assertEqual(self.session.said("CREATE TABLE made (k, twice) AS SELECT id, n * 2 FROM origin"),
                         "4 rows inserted")
        self.assertEqual(self.session.run("SELECT SUM(twice) AS s FROM made"), [{"s": 200}])
        with self.assertRaises(RuntimeError):
            self.session.run("CREATE TABLE broken AS SELECT CAST(name AS INT) AS n FROM origin")
        self.assertNotIn(("d", "broken"), self.catalog.list_tables("d"))

    def test_a_table_with_a_key_has_one_row_of_each(self):
        for version in (2, 3):
            with self.subTest(version=version):
                name = f"keyed{version}"
                self.session.run(f"""CREATE TABLE {name} (id BIGINT, name STRING, n INT,
                    PRIMARY KEY (id) NOT ENFORCED) WITH ('format-version' = '{version}');
                    INSERT INTO {name} VALUES (1, 'a', 1), (2, 'b', 2)""")
                self.session.run(f"UPSERT INTO {name} VALUES (2, 'c', 3), (3, 'd', 4), (3, 'e', 5)")
                self.check(name, [(1, "a", 1), (2, "c", 3), (3, "e", 5)])
                self.session.run(f"""INSERT INTO {name} /*+ OPTIONS('upsert-enabled' = 'true') */
                    SELECT id, name, n * 10 FROM {name} WHERE id < 3""")
                self.check(name, [(1, "a", 10), (2, "c", 30), (3, "e", 5)])

    def test_rows_of_v3_keep_their_ids_over_updates_and_copies(self):
        self.make("lineage", 3)
        ids = lambda: {row["id"]: row["_row_id"] for row in self.lineage("lineage")}
        before = ids()
        self.session.run("UPDATE lineage SET n = n + 1 WHERE id IN (2, 3)")
        self.assertEqual(ids(), before)
        with self.table("lineage").transaction() as change:
            change.set_properties({"write.update.mode": "copy-on-write"})
        self.session.run("UPDATE lineage SET n = n + 1 WHERE id = 4")
        self.assertEqual(ids(), before)
        changed = {row["id"]: row["_last_updated_sequence_number"] for row in self.lineage("lineage")}
        self.assertEqual(changed, {1: 1, 2: 2, 3: 2, 4: 3})

    def lineage(self, name):
        """_row_id and _last_updated_sequence_number by the specification's rules, from the files."""
        import io
        import pyarrow.parquet as parquet

        rows, deleted = [], {}
        for file in self.session.run(f"SELECT * FROM {name}.delete_files"):
            deleted[file["referenced_data_file"]] = set(self.vector(file))
        entries = self.session.run(f"SELECT sequence_number, data_file FROM {name}.entries "
                                   "WHERE status <> 2")
        for entry in entries:
            file = entry["data_file"]
            if file["content"] != 0:
                continue
            data = parquet.read_table(io.BytesIO(self.get(file["file_path"]))).to_pylist()
            for position, row in enumerate(data):
                if position in deleted.get(file["file_path"], ()):
                    continue
                own, changed = row.get("_row_id"), row.get("_last_updated_sequence_number")
                rows.append({"id": row["id"],
                             "_row_id": file["first_row_id"] + position if own is None else own,
                             "_last_updated_sequence_number":
                             entry["sequence_number"] if changed is None else changed})
        return rows

    def get(self, location):
        bucket, _, key = location.removeprefix("s3://").partition("/")
        return boto(self.tarn).get_object(Bucket=bucket, Key=key)["Body"].read()

    def vector(self, file):
        """Positions in a deletion vector, read byte by byte as the Puffin specification has it."""
        data = self.get(file["file_path"])
        self.assertEqual((data[:4], data[-4:]), (b"PFA1", b"PFA1"))
        size, = struct.unpack("<i", data[-12:-8])
        self.assertEqual(data[-16 - size:-12 - size], b"PFA1")
        footer = json.loads(data[-12 - size:-12])
        blob, = [blob for blob in footer["blobs"] if blob["offset"] == file["content_offset"]]
        self.assertEqual(blob["type"], "deletion-vector-v1")
        self.assertEqual(blob["fields"], [2147483645])
        self.assertEqual((blob["snapshot-id"], blob["sequence-number"]), (-1, -1))
        self.assertNotIn("compression-codec", blob)
        self.assertEqual(blob["length"], file["content_size_in_bytes"])
        self.assertEqual(blob["properties"], {"referenced-data-file": file["referenced_data_file"],
                                              "cardinality": str(file["record_count"])})
        vector = data[blob["offset"]:blob["offset"] + blob["length"]]
        length, = struct.unpack(">I", vector[:4])
        self.assertEqual(length, len(vector) - 8)
        self.assertEqual(vector[4:8], b"\xd1\xd3\x39\x64")
        self.assertEqual(struct.unpack(">I", vector[-4:])[0], zlib.crc32(vector[4:-4]))
        found, at = [], 16
        for _ in range(struct.unpack("<Q", vector[8:16])[0]):
            key, cookie = struct.unpack("<II", vector[at:at + 8])
            at += 8
            self.assertEqual(cookie, 12346)  # small tables: arrays alone
            count, = struct.unpack("<I", vector[at:at + 4])
            heads = struct.unpack(f"<{count * 2}H", vector[at + 4:at + 4 + count * 4])
            at += 4 + count * 8
            for high, less_one in zip(heads[::2], heads[1::2]):
                low = struct.unpack(f"<{less_one + 1}H", vector[at:at + 2 * less_one + 2])
                found += [(key << 32) + (high << 16) + value for value in low]
                at += 2 * less_one + 2
        self.assertEqual((at, len(found)), (len(vector) - 4, file["record_count"]))
        return found


class Model(Lake):
    """Random statements on tables of every kind, each also done by DuckDB in memory."""

    KINDS = [(version, parts, mode)
             for version in (2, 3)
             for parts in ("", "PARTITIONED BY (p)", "bucket")
             for mode in ("merge-on-read", "copy-on-write")]

    def setUp(self):
        import duckdb

        self.seed = SEED or random.randrange(1 << 30)
        self.random = random.Random(self.seed)
        self.model = duckdb.connect()
        self.tables = []
        for number, (version, parts, mode) in enumerate(self.KINDS):
            name = f"m{number}"
            options = {"format-version": version}
            options |= {f"write.{what}.mode": mode for what in ("delete", "update", "merge")}
            if parts == "bucket":
                options["partitioning"] = "bucket(3, id)"
            listed = ", ".join(f"'{key}' = '{value}'" for key, value in options.items())
            self.session.run(f"""CREATE TABLE {name} (id BIGINT NOT NULL, k INT, s STRING, p STRING)
                {"" if parts == "bucket" else parts} WITH ({listed})""")
            self.model.execute(f"CREATE TABLE {name} (id BIGINT NOT NULL, k INT, s TEXT, p TEXT)")
            self.tables.append(name)

    def literal(self, kind):
        r = self.random
        if r.random() < 0.1:
            return "CAST(NULL AS INT)" if kind == "k" else "CAST(NULL AS STRING)"
        return str(r.randrange(20)) if kind == "k" else f"'{r.choice('abcdef')}'" if kind == "s" \
            else f"'{r.choice('xyz')}'"

    def condition(self, prefix="", depth=0):
        r = self.random
        id_, k, s, p = (prefix + name for name in ("id", "k", "s", "p"))
        simple = [lambda: f"{id_} = {r.randrange(120)}", lambda: f"{id_} < {r.randrange(120)}",
                  lambda: f"{id_} BETWEEN {(low := r.randrange(110))} AND {low + r.randrange(15)}",
                  lambda: f"{k} > {r.randrange(20)}", lambda: f"{k} IS NULL",
                  lambda: f"{s} = '{r.choice('abcdef')}'", lambda: f"{p} = '{r.choice('xyz')}'",
                  lambda: f"{p} IN ('{r.choice('xyz')}', '{r.choice('xyz')}')",
                  lambda: f"{p} <> '{r.choice('xyz')}'", lambda: f"{s} IS NOT NULL",
                  lambda: f"MOD({id_}, 3) = {r.randrange(3)}"]
        if depth < 2 and r.random() < 0.4:
            return (f"({self.condition(prefix, depth + 1)} {r.choice(['AND', 'AND', 'OR'])} "
                    f"{self.condition(prefix, depth + 1)})")
        return r.choice(simple)()

    def sets(self, prefix=""):
        r = self.random
        choices = {"k": [lambda: f"{prefix}k + 1", lambda: self.literal("k"), lambda: f"CAST({prefix}id AS INT)"],
                   "s": [lambda: self.literal("s"), lambda: f"{prefix}p"],
                   "p": [lambda: self.literal("p")], "id": [lambda: f"{prefix}id + 1"]}
        chosen = r.sample(sorted(choices), r.randrange(1, 3))
        return ", ".join(f"{name} = {r.choice(choices[name])()}" for name in chosen)

    def rows(self):
        r = self.random
        return ", ".join(f"({r.randrange(120)}, {self.literal('k')}, {self.literal('s')}, {self.literal('p')})"
                         for _ in range(r.choice((1, 3, 20))))

    def source(self):
        """Rows of distinct ids, as a subquery: a merge may meet a row once."""
        ids = self.random.sample(range(120), self.random.choice((1, 5, 30)))
        rows = ", ".join(f"(CAST({i} AS BIGINT), {self.literal('k')}, {self.literal('s')}, {self.literal('p')})"
                         for i in ids)
        return f"(SELECT * FROM (VALUES {rows}) AS v (id, k, s, p)) AS s"

    def statement(self, name):
        """Text for tarn, and for DuckDB where it differs."""
        r = self.random
        kind = r.choices(("insert", "select", "delete", "update", "merge", "overwrite", "truncate"),
                         (6, 1, 5, 6, 6, 0.7, 0.2))[0]
        if kind == "insert":
            return [f"INSERT INTO {name} VALUES {self.rows()}"], None
        if kind == "select":
            other = r.choice(self.tables)
            return [f"INSERT INTO {name} SELECT id + 1, k, s, p FROM {other} WHERE {self.condition()} "
                    f"AND id < 30"], None
        if kind == "delete":
            if r.random() < 0.2:
                inner = f"SELECT id FROM {r.choice(self.tables)} WHERE {self.condition()}"
                return [f"DELETE FROM {name} WHERE id IN ({inner})"], None
            return [f"DELETE FROM {name} WHERE {self.condition()}"], None
        if kind == "update":
            return [f"UPDATE {name} SET {self.sets()} WHERE {self.condition()}"], None
        if kind == "overwrite":
            rows = self.rows()
            return [f"INSERT OVERWRITE {name} VALUES {rows}"], self.overwrite(name, rows)
        if kind == "truncate":
            return [f"TRUNCATE TABLE {name}"], [f"DELETE FROM {name}"]
        return [self.merge(name)], None

    def overwrite(self, name, rows):
        number = self.tables.index(name)
        if self.KINDS[number][1] == "bucket":
            return None  # which rows share a bucket, DuckDB does not know: see below
        where = ""
        if self.KINDS[number][1]:
            where = f" WHERE EXISTS (FROM (VALUES {rows}) v(id, k, s, p) WHERE v.p IS NOT DISTINCT FROM {name}.p)"
        return [f"DELETE FROM {name}{where}", f"INSERT INTO {name} VALUES {rows}"]

    def merge(self, name):
        r, clauses = self.random, []
        for _ in range(r.randrange(0, 3)):
            clauses.append(r.choice((
                lambda: f"WHEN MATCHED AND {self.condition('t.')} THEN DELETE",
                lambda: f"WHEN MATCHED AND {self.condition('s.')} THEN UPDATE SET k = s.k, s = t.p",
                lambda: f"WHEN NOT MATCHED AND {self.condition('s.')} THEN INSERT (id, k) VALUES (s.id, 7)",
                lambda: f"WHEN NOT MATCHED BY SOURCE AND {self.condition('t.')} THEN DELETE",
                lambda: f"WHEN NOT MATCHED BY SOURCE AND {self.condition('t.')} THEN UPDATE SET k = t.k - 1"))())
        clauses.append("WHEN MATCHED THEN UPDATE SET p = s.p, k = t.k + s.k")
        if r.random() < 0.7:
            clauses.append("WHEN NOT MATCHED THEN INSERT (id, k, s, p) VALUES (s.id, s.k, s.s, s.p)")
        return f"MERGE INTO {name} AS t USING {self.source()} ON t.id = s.id " + " ".join(clauses)

    def test_every_statement_leaves_what_the_model_has(self):
        for number in range(STATEMENTS):
            name = self.random.choice(self.tables)
            texts, model = self.statement(name)
            if texts[0].startswith("INSERT OVERWRITE") and model is None:
                continue
            for text in model or texts:
                self.model.execute(text)
            if number % 20 == 19:
                self.tarn.command("maintain", f"d.{self.random.choice(self.tables)}", timeout=120)
            with self.subTest(seed=self.seed, number=number, text=texts[0]):
                done, *rows = self.session.run(f"{texts[0]}; SELECT id, k, s, p FROM {name}")
                self.assertIn("rows_affected", done)
                want = self.model.execute(f"SELECT id, k, s, p FROM {name}").fetchall()
                order = lambda row: tuple((value is not None, value) for value in row)
                self.assertEqual(sorted((tuple(row.values()) for row in rows), key=order),
                                 sorted(want, key=order))
        for name in self.tables:  # what other engines make of it all
            want = [dict(zip(("id", "k", "s", "p"), row))
                    for row in self.model.execute(f"SELECT id, k, s, p FROM {name}").fetchall()]
            key = lambda row: tuple((value is not None, value) for value in row.values())
            self.assertEqual(sorted(self.table(name).scan().to_arrow().to_pylist(), key=key),
                             sorted(want, key=key), f"{name} by pyiceberg, seed {self.seed}")
            with duckdb_connection(self.tarn) as connection:
                rows = connection.execute(f"SELECT id, k, s, p FROM lake.d.{name}").fetchall()
                self.assertEqual(sorted(rows, key=lambda row: tuple((v is not None, v) for v in row)),
                                 sorted((tuple(row.values()) for row in want),
                                        key=lambda row: tuple((v is not None, v) for v in row)),
                                 f"{name} by DuckDB, seed {self.seed}")
            files = [file["referenced_data_file"] for file in
                     self.session.run(f"SELECT referenced_data_file FROM {name}.delete_files")]
            self.assertEqual(len(files), len(set(files)), "a data file with two delete files")


class Rivals(Lake):
    """Others commit while a statement runs: nothing is lost, doubled or brought back."""

    def test_statements_and_a_foreign_writer_take_turns(self):
        import pyarrow as pa

        self.session.run("""CREATE TABLE shared (id BIGINT, n BIGINT);
            INSERT INTO shared SELECT id, 0 FROM (VALUES (1), (2), (3), (4)) AS v (id)""")
        failed, rounds = [], 6

        def appends():
            try:
                table = self.catalog.load_table("d.shared")
                done = 0
                while done < rounds:
                    try:
                        table.refresh()
                        table.append(pa.table({"id": pa.array([100 + done]), "n": pa.array([0])}))
                        done += 1
                    except Exception as lost:  # pyiceberg 0.10 retries nothing by itself
                        if "CommitFailed" not in type(lost).__name__:
                            raise
            except Exception as broken:
                failed.append(broken)

        def updates(which):
            try:
                for _ in range(rounds):
                    self.session.run(f"UPDATE shared SET n = n + 1 WHERE id = {which}")
                    self.session.run("MERGE INTO shared t USING (VALUES (4)) s (id) ON t.id = s.id "
                                     "WHEN MATCHED THEN UPDATE SET n = t.n + 1")
            except Exception as broken:
                failed.append(broken)

        threads = [threading.Thread(target=appends)] + \
                  [threading.Thread(target=updates, args=(which,)) for which in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])
        want = {1: rounds, 2: rounds, 3: 0, 4: 2 * rounds} | {100 + i: 0 for i in range(rounds)}
        rows = self.session.run("SELECT * FROM shared")
        self.assertEqual({row["id"]: row["n"] for row in rows}, want)
        self.assertEqual(len(rows), len(want))

    def test_a_statement_that_is_killed_leaves_files_that_nobody_names(self):
        tarn = Tarn()
        self.addCleanup(tarn.close)
        tarn.start()
        tarn.command("sql", "-e", f"USE CATALOG {CATALOG}; CREATE DATABASE d;")
        session = Session(tarn)
        digits = ", ".join(f"({digit})" for digit in range(10))
        crossed = ", ".join(f"(VALUES {digits}) AS {name} (n)" for name in "abcde")
        session.run(f"""CREATE TABLE big (id BIGINT, s STRING);
            INSERT INTO big SELECT a.n + 10 * b.n + 100 * c.n + 1000 * d.n + 10000 * e.n, 'x'
            FROM {crossed}""")
        for after in (0.02, 0.1, 0.3):
            whole = session.run("SELECT COUNT(*) AS n, SUM(id) AS ids, COUNT(DISTINCT s) AS s FROM big")
            statement = threading.Thread(target=lambda: tarn.command(
                "sql", "-e", f"{USE} UPDATE big SET s = s || 'y', id = -id", check=False))
            statement.start()
            time.sleep(after)
            tarn.kill()
            statement.join()
            tarn.start()
            now = session.run("SELECT COUNT(*) AS n, SUM(id) AS ids, COUNT(DISTINCT s) AS s FROM big")
            self.assertIn(now, ([whole[0]], [{**whole[0], "ids": -whole[0]["ids"]}]))
        tarn.command("fsck")  # fails when a file that is named is missing or wrong
        session.run("UPDATE big SET s = 'z' WHERE MOD(id, 2) = 0")
        self.assertEqual(session.run("SELECT COUNT(*) AS n FROM big WHERE s = 'z'"), [{"n": 50000}])


class BesideAJob(unittest.TestCase):
    """A job appends twice a second and merges its small files; statements change the same table."""

    SCRIPT = """
        CREATE CATALOG lake WITH ('type' = 'iceberg', 'catalog-type' = 'rest',
            'uri' = 'http://127.0.0.1:@CATALOG@/api/catalog', 'warehouse' = 'polariscatalog');
        CREATE DATABASE IF NOT EXISTS lake.d;
        CREATE TABLE events (id BIGINT, n BIGINT) WITH ('connector' = 'kafka', 'topic' = 'events',
            'format' = 'json', 'properties.bootstrap.servers' = '127.0.0.1:@KAFKA@',
            'scan.startup.mode' = 'earliest-offset');
        CREATE TABLE IF NOT EXISTS lake.d.flow (id BIGINT, n BIGINT)
            WITH ('format-version' = '@VERSION@', 'tarn.merge.fan-in' = '3');
        INSERT INTO lake.d.flow SELECT id, n FROM events;"""

    ROUNDS = 5

    def test_no_row_is_lost_doubled_or_brought_back(self):
        from confluent_kafka import Producer

        for version in (2, 3):
            with self.subTest(version=version):
                tarn = Tarn({"a.sql": self.SCRIPT.replace("@VERSION@", str(version))})
                self.addCleanup(tarn.close)
                tarn.start()
                session, over = Session(tarn), threading.Event()
                producer = Producer({"bootstrap.servers": tarn.bootstrap, "linger.ms": 5})
                made = []

                def produce():
                    while not over.is_set() and len(made) < 4000:
                        for _ in range(20):
                            made.append(len(made))
                            producer.produce("events", json.dumps({"id": made[-1], "n": 0}).encode())
                        producer.flush(10)
                        time.sleep(0.05)

                source = threading.Thread(target=produce)
                source.start()
                try:
                    wait_until(lambda: session.run("SELECT COUNT(*) AS n FROM flow")[0]["n"] >= 20, "rows")
                    for number in range(self.ROUNDS):
                        session.run("UPDATE flow SET n = n + 1 WHERE id < 20")
                        session.run(f"DELETE FROM flow WHERE id BETWEEN {100 + number} AND {100 + number}")
                        session.run("""MERGE INTO flow t USING (VALUES (50), (51)) s (id) ON t.id = s.id
                            WHEN MATCHED THEN UPDATE SET n = t.n + 1""")
                finally:
                    over.set()
                    source.join()
                deleted = lambda i: 100 <= i < 100 + self.ROUNDS
                wait_until(lambda: session.run("SELECT MAX(id) AS last FROM flow")[0]["last"] == made[-1],
                           "the last event")
                rows = {}
                for row in session.run("SELECT id, n FROM flow"):
                    self.assertNotIn(row["id"], rows, "a row twice")
                    rows[row["id"]] = row["n"]
                # Rows that came after a statement were not there for it: at most as often as it ran.
                self.assertEqual({i for i in made if not deleted(i)} - set(rows), set())
                self.assertEqual({i: rows[i] for i in range(20)}, {i: self.ROUNDS for i in range(20)})
                self.assertEqual([i for i in rows if rows[i] and i >= 20 and i not in (50, 51)], [])
                with duckdb_connection(tarn) as connection:
                    found = connection.execute("SELECT id, n FROM lake.d.flow").fetchall()
                self.assertEqual(dict(found), rows)
                self.assertEqual(len(found), len(rows))
                tarn.command("fsck")


if __name__ == "__main__":
    unittest.main()
