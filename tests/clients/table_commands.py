"""table_commands.py - `tarn table`: what it shows of tables, and how it moves branches and tags, seen
by pyiceberg afterwards."""

import json

import pyarrow as pa

from harness import ClientTest, iceberg


def numbers(first, count):
    return pa.table({"id": pa.array(range(first, first + count), pa.int64())})


class TableCommands(ClientTest):
    settings = {"kafka": {"enabled": False}}

    def setUp(self):
        self.catalog = iceberg(self.tarn)
        self.space = "s" + self.id().rsplit(".", 1)[1].replace("test_", "")[:30]
        self.catalog.create_namespace(self.space)
        self.name = f"{self.space}.t"
        self.table = self.catalog.create_table(self.name, schema=numbers(0, 1).schema,
                                               properties={"tarn.merge.enabled": "false"})
        for i in range(3):
            self.table.append(numbers(i * 10, 10))
        self.ids = [s.snapshot_id for s in self.table.snapshots()]

    def ask(self, action, *words):
        return json.loads(self.tarn.command("table", action, self.name, *map(str, words), "--json"))

    def do(self, action, *words):
        return self.tarn.command("table", action, self.name, *map(str, words))

    def refused(self, action, *words):
        done = self.tarn.command("table", action, self.name, *map(str, words), check=False)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        return done.stderr

    def now(self, **scan):
        table = self.catalog.load_table(self.name)
        return table, len(table.scan(**scan).to_arrow())

    def test_show_lists_what_a_table_is(self):
        shown = {row["what"]: row["value"] for row in self.ask("show")}
        self.assertEqual(shown["rows"], "30")
        self.assertEqual(shown["data files"], "3")
        self.assertEqual(shown["column id"], "long")
        self.assertEqual(shown["branch main"], str(self.ids[2]))
        self.assertEqual(shown["metadata file"], self.catalog.load_table(self.name).metadata_location)
        self.assertIn("property tarn.merge.enabled", shown)
        self.assertIn(self.name, self.tarn.command("table", "list"))
        self.assertEqual(len(self.ask("history")), 3)

    def test_files_are_those_of_the_snapshot_asked_for(self):
        paths = {task.file.file_path for task in self.table.scan().plan_files()}
        self.assertEqual({row["file"] for row in self.ask("files")}, paths)
        self.assertEqual([row["rows"] for row in self.ask("files", "--snapshot", self.ids[0])], [10])

    def test_rollback_goes_back_along_the_line_and_nowhere_else(self):
        self.assertIn(str(self.ids[1]), self.do("rollback", self.ids[1]))
        self.assertEqual(self.now()[1], 20)
        self.assertIn("not an ancestor", self.refused("rollback", self.ids[2]))
        self.assertIn("no snapshot, branch or tag '77'", self.refused("rollback", 77))
        self.assertIn("takes a snapshot, or --before", self.refused("rollback"))

    def test_rollback_to_a_time_takes_the_newest_snapshot_before_it(self):
        when = self.table.snapshots()[1].timestamp_ms
        self.do("rollback", "--before", when + 1)
        self.assertEqual(self.now()[0].current_snapshot().snapshot_id, self.ids[1])
        self.assertIn("no valid snapshot older", self.refused("rollback", "--before", "2001-01-01 00:00:00"))
        self.assertIn("is no time", self.refused("rollback", "--before", "yesterday"))

    def test_tags_are_made_moved_and_dropped(self):
        self.do("tag", "v1", "--snapshot", self.ids[0], "--keep", "7d")
        table, count = self.now(snapshot_id=self.ids[0])
        self.assertEqual(count, 10)
        tag = table.refs()["v1"]
        self.assertEqual((tag.snapshot_id, tag.max_ref_age_ms), (self.ids[0], 7 * 86400000))
        self.assertIn("already", self.refused("tag", "v1"))
        self.do("tag", "v1", "--replace")
        self.assertEqual(self.now()[0].refs()["v1"].snapshot_id, self.ids[2])
        self.assertIn("is a tag", self.refused("branch", "v1", "--drop"))
        self.do("tag", "v1", "--drop")
        self.assertNotIn("v1", self.now()[0].refs())
        self.assertIn("no tag 'v1'", self.refused("tag", "v1", "--drop"))

    def test_branches_take_limits_and_are_forwarded(self):
        self.do("branch", "b", "--snapshot", self.ids[0], "--keep-snapshots", 5, "--snapshot-age", "2h")
        ref = self.now()[0].refs()["b"]
        self.assertEqual((ref.snapshot_id, ref.min_snapshots_to_keep, ref.max_snapshot_age_ms),
                         (self.ids[0], 5, 7200000))
        self.do("branch", "b", "--to", "main")
        ref = self.now()[0].refs()["b"]
        self.assertEqual((ref.snapshot_id, ref.min_snapshots_to_keep), (self.ids[2], 5))
        self.do("rollback", self.ids[0], "--branch", "b")
        self.assertEqual(self.now()[0].refs()["b"].snapshot_id, self.ids[0])
        self.assertIn("every table has its main", self.refused("branch", "main"))

    def test_picking_puts_an_append_of_a_branch_on_main(self):
        self.do("branch", "audit", "--snapshot", self.ids[2])
        table = self.catalog.load_table(self.name)
        table.append(numbers(100, 7), branch="audit",
                     snapshot_properties={"wap.id": "night"})
        table.append(numbers(200, 1))  # main moves on
        self.assertEqual(self.now()[1], 31)
        self.do("pick", "night")
        table, count = self.now()
        self.assertEqual(count, 38)
        summary = table.current_snapshot().summary
        self.assertEqual(summary["published-wap-id"], "night")
        self.assertEqual(summary["source-snapshot-id"], str(table.refs()["audit"].snapshot_id))
        self.assertIn("already", self.refused("pick", "night"))

    def test_picking_the_child_of_the_head_forwards_to_it(self):
        self.do("branch", "audit")
        table = self.catalog.load_table(self.name)
        table.append(numbers(100, 7), branch="audit")
        audit = self.now()[0].refs()["audit"].snapshot_id
        self.do("pick", audit)
        self.assertEqual(self.now()[0].current_snapshot().snapshot_id, audit)

    def test_a_dropped_table_comes_back_by_registering_it(self):
        location = self.catalog.load_table(self.name).metadata_location
        self.assertIn(f"tarn table register {self.name} {location}", self.do("drop"))
        self.assertFalse(self.catalog.table_exists(self.name))
        self.do("register", location)
        self.assertEqual(self.now()[1], 30)
        self.do("drop", "--purge")
        self.assertFalse(self.catalog.table_exists(self.name))

    def test_usage_names_what_is_missing(self):
        self.assertIn("usage: tarn table tag NAME TAG", self.refused("tag"))
        self.assertIn("no table 'a.b'", self.tarn.command("table", "show", "a.b", check=False).stderr)
        self.assertIn("register NAME LOCATION", self.tarn.command("table", "--help"))
