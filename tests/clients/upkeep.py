"""upkeep.py - tables that only foreign writers commit to are looked after all the same: merged,
freed of deleted rows, expired and swept, while pyiceberg reads and writes them; `tarn table health`,
`tarn maintain` and `tarn fsck` say so."""

import glob
import json
import os
import threading
import unittest

import pyarrow as pa
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.transforms import BucketTransform

from harness import ClientTest, Tarn, iceberg, wait_until


def numbers(start, count):
    return pa.table({"id": pa.array(range(start, start + count), pa.int64()),
                     "word": pa.array([f"w{i}" for i in range(start, start + count)], pa.string())})


def append(table, data):
    """As an engine does it: a lost race, to another writer or to maintenance, is tried again."""
    while True:
        try:
            return table.append(data)
        except CommitFailedException:
            table.refresh()


def files_of(table):
    table.refresh()
    return table.inspect.files().num_rows


class Upkeep(ClientTest):
    settings = {"kafka": {"enabled": False}, "maintenance": {"interval": "1s"}}

    def setUp(self):
        self.catalog = iceberg(self.tarn)
        self.catalog.create_namespace_if_not_exists("upk")
        self.name = "upk." + self.id().rsplit(".", 1)[1][5:45]

    def make(self, properties=None):
        return self.catalog.create_table(self.name, schema=numbers(0, 1).schema,
                                         properties=properties or {})

    def ids(self, table):
        table.refresh()
        return sorted(table.scan().to_arrow().column("id").to_pylist())

    def health(self, *args):
        return json.loads(self.tarn.command("table", "health", *args, "--json"))

    def actions(self):
        return {row["action"]: row for row in self.health(self.name)}

    def test_small_files_of_a_foreign_writer_are_merged_by_themselves(self):
        table = self.make()
        for i in range(16):
            append(table, numbers(i * 10, 10))
        wait_until(lambda: files_of(table) <= 8, "the files to be merged", timeout=60)
        self.assertEqual(self.ids(table), list(range(160)))
        self.assertIn("merge", self.tarn.command("table", "health", self.name))

    def test_a_dry_run_says_what_it_would_do_and_does_nothing(self):
        table = self.make({"tarn.maintain.enabled": "false"})
        for i in range(9):
            table.append(numbers(i, 1))
        said = self.tarn.command("maintain", self.name, "--dry-run")
        self.assertIn("would do", said)
        self.assertIn("9 files of", said)
        self.assertEqual(files_of(table), 9)
        self.assertTrue(self.actions()["merge"]["due"])
        self.assertEqual(self.actions()["merge"]["when"], "by hand")
        self.tarn.command("maintain", self.name)
        self.assertEqual(files_of(table), 1)
        self.assertEqual(self.ids(table), list(range(9)))
        self.assertFalse(self.actions()["merge"]["due"])

    def test_files_of_an_older_partition_spec_move_to_the_new_one(self):
        table = self.make({"tarn.maintain.enabled": "false"})
        for i in range(3):
            table.append(numbers(i * 10, 10))
        self.tarn.command("sql", "-e",
                          f"DELETE FROM polariscatalog.{self.name} WHERE id IN (3, 14)")
        table.refresh()
        with table.update_spec() as update:
            update.add_field("id", BucketTransform(4), "shard")
        table.append(numbers(100, 4))
        before = self.ids(table)
        action = self.actions()["partition"]
        self.assertTrue(action["due"])
        self.assertIn("3 of 3 files", action["reason"])
        self.tarn.command("maintain", self.name)
        self.assertEqual(self.ids(table), before)
        specs = set(table.inspect.files().column("spec_id").to_pylist())
        self.assertEqual(specs, {table.spec().spec_id})
        self.assertEqual(len(before), 32)
        self.assertEqual(sorted(table.scan("id = 14 or id = 15").to_arrow().column("id")
                                .to_pylist()), [15])
        self.assertIn("ok", self.tarn.command("fsck", self.name))

    def test_snapshots_expire_and_a_tag_keeps_its_own(self):
        table = self.make({"tarn.maintain.enabled": "false",
                           "history.expire.max-snapshot-age-ms": "1",
                           "history.expire.min-snapshots-to-keep": "2"})
        table.append(numbers(0, 3))
        table.manage_snapshots().create_tag(table.current_snapshot().snapshot_id, "first").commit()
        for i in range(1, 6):
            table.append(numbers(i * 3, 3))
        self.tarn.command("maintain", self.name)
        table.refresh()
        self.assertEqual(len(table.snapshots()), 3)
        tagged = table.scan(snapshot_id=table.snapshot_by_name("first").snapshot_id).to_arrow()
        self.assertEqual(sorted(tagged.column("id").to_pylist()), [0, 1, 2])
        self.assertEqual(self.ids(table), list(range(18)))

    def test_writers_and_maintenance_do_not_lose_each_others_work(self):
        table = self.make({"tarn.merge.fan-in": "2"})
        table.append(numbers(0, 1))

        def write(first):
            mine = iceberg(self.tarn).load_table(self.name)
            for i in range(5):
                append(mine, numbers(first + i, 1))

        threads = [threading.Thread(target=write, args=(1000 * (n + 1),)) for n in range(2)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            self.tarn.command("maintain", self.name)
        for thread in threads:
            thread.join()
        self.assertEqual(self.ids(table), sorted([0] + [1000 * n + i for n in (1, 2)
                                                        for i in range(5)]))
        self.assertIn("ok", self.tarn.command("fsck", self.name))

    def test_health_of_all_tables_is_one_list(self):
        append(self.make(), numbers(0, 5))
        row, = [row for row in self.health() if row["table"] == self.name]
        self.assertEqual((row["files"], row["small"]), (1, 1))

    def test_wrong_names_are_refused(self):
        for args, say in ((("maintain", "nowhere"), "NAMESPACE.TABLE"),
                          (("maintain", "upk.none"), "no table"),
                          (("table", "health", "upk.none"), "no table"),
                          (("fsck", "upk.none"), "does not exist")):
            done = self.tarn.command(*args, check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(say, done.stderr)


class Fsck(unittest.TestCase):
    def test_a_folder_nobody_uses_is_checked_and_damage_is_named(self):
        tarn = Tarn(settings={"kafka": {"enabled": False}})
        self.addCleanup(tarn.close)
        tarn.start()
        catalog = iceberg(tarn)
        catalog.create_namespace("upk")
        table = catalog.create_table("upk.t", schema=numbers(0, 1).schema)
        table.append(numbers(0, 10))
        table.append(numbers(10, 10))
        self.assertIn("ok", tarn.command("fsck"))
        tarn.stop()
        self.assertIn("20 rows", tarn.command("fsck"))
        data = glob.glob(os.path.join(tarn.dir, ".tarn", "objects", "**", "*.parquet"), recursive=True)
        self.assertEqual(len(data), 2)
        with open(data[0], "r+b") as file:
            file.truncate(os.path.getsize(data[0]) - 1)
        done = tarn.command("fsck", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("bytes, recorded are", done.stdout)
        self.assertIn("1 damages in 1 tables", done.stderr)
        os.remove(data[0])
        lines = [json.loads(line) for line in
                 tarn.command("fsck", "upk.t", "--json", check=False).stdout.splitlines()]
        self.assertEqual(lines[0]["what"], "data file is not there")
        self.assertEqual(lines[-1]["damages"], 1)


if __name__ == "__main__":
    unittest.main()
