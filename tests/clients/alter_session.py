"""alter_session.py - ALTER of what a session holds in memory: tables of connectors, views, catalogs. What is refused is
what a real Flink 1.20 refused of the same statements."""

from harness import ClientTest, iceberg

MADE = """CREATE TABLE t (id BIGINT NOT NULL, uid BIGINT, name STRING, m FLOAT, log_ts STRING, c1 INT, c2 AS c1 + 1)
  WITH ('connector' = 'datagen', 'number-of-rows' = '3');"""
KEYED = MADE + """ALTER TABLE t ADD (ts AS TO_TIMESTAMP(log_ts) AFTER log_ts, PRIMARY KEY (id) NOT ENFORCED,
  WATERMARK FOR ts AS ts - INTERVAL '3' SECOND);"""


class AlterSession(ClientTest):
    settings = {"kafka": {"enabled": False}}

    def columns(self, script, table="t"):
        return [(r["name"], r["type"], r["key"], r["extras"], r["watermark"])
                for r in self.tarn.sql(f"{script} DESCRIBE {table}")]

    def refused(self, script, said):
        done = self.tarn.command("sql", "-e", script, check=False)
        self.assertEqual(done.returncode, 1, script)
        self.assertIn(said, done.stderr)

    def test_columns_are_added_modified_renamed_and_dropped(self):
        self.assertEqual([c[0] for c in self.columns(KEYED + "ALTER TABLE t ADD category STRING COMMENT 'c';"
                                                             "ALTER TABLE t ADD first_ INT FIRST;")],
                         ["first_", "id", "uid", "name", "m", "log_ts", "ts", "c1", "c2", "category"])
        changed = self.columns(KEYED + "ALTER TABLE t MODIFY m DOUBLE COMMENT 'unit' AFTER id;"
                               "ALTER TABLE t MODIFY (log_ts STRING COMMENT 'l' AFTER id, ts AS TO_TIMESTAMP(log_ts) AFTER "
                               "log_ts, PRIMARY KEY (uid) NOT ENFORCED, WATERMARK FOR ts AS ts);"
                               "ALTER TABLE t DROP (c1, c2); ALTER TABLE t RENAME uid TO uid2;")
        self.assertEqual([c[0] for c in changed], ["id", "log_ts", "ts", "m", "uid2", "name"])
        self.assertEqual(changed[2][3:], ("AS TO_TIMESTAMP(log_ts)", "ts"))
        self.assertEqual((changed[3][1], changed[4][2]), ("DOUBLE", "PRI"))
        self.assertEqual(len(self.tarn.sql(KEYED + "ALTER TABLE t DROP (c1, c2); ALTER TABLE t DROP WATERMARK; "
                                                   "ALTER TABLE t DROP PRIMARY KEY; SHOW CREATE TABLE t")), 1)

    def test_what_flink_refuses_is_refused_in_its_words(self):
        for clause, said in (
                ("ADD name STRING", "Try to add a column `name` which already exists in the table."),
                ("ADD PRIMARY KEY (uid) NOT ENFORCED", "has already defined the primary key constraint"),
                ("ADD WATERMARK FOR ts AS ts", "has already defined the watermark strategy"),
                ("ADD x INT AFTER nope", "Referenced column `nope` by 'AFTER' does not exist in the table."),
                ("ADD (a INT, a INT)", "Try to add a column `a` which already exists in the table."),
                ("MODIFY nope DOUBLE", "Try to modify a column `nope` which does not exist in the table."),
                ("MODIFY c1 BOOLEAN", "cannot be applied to (BOOLEAN, INT NOT NULL)"),
                ("DROP nope", "The column `nope` does not exist in the base table."),
                ("DROP c1", "The column `c1` is referenced by computed column `c2`."),
                ("DROP id", "The column `id` is used as the primary key."),
                ("DROP ts", "The column `ts` is referenced by watermark expression."),
                ("RENAME log_ts TO lt", "The column `log_ts` is referenced by computed column `ts`."),
                ("RENAME ts TO ts2", "The column `ts` is referenced by watermark expression."),
                ("RENAME nope TO x", "The column `nope` does not exist in the base table."),
                ("RENAME name TO uid", "The column `uid` already existed in table schema."),
                ("DROP CONSTRAINT nope", "a primary key constraint named 'nope'. Available constraint name: ['PK_id']."),
                ("RESET ('connector')", "ALTER TABLE RESET does not support changing 'connector'"),
                ("RESET ()", "ALTER TABLE RESET does not support empty key"),
                ("SET ('nope' = '1')", "unknown option 'nope'"),
                ("ADD PARTITION (p = 1)", "is not partitioned"),
                ("ADD DISTRIBUTION BY (nope)", "The column `nope` does not exist in the base table.")):
            with self.subTest(clause):
                self.refused(f"{KEYED} ALTER TABLE t {clause}", said)
        self.refused(MADE + "ALTER TABLE t DROP PRIMARY KEY", "does not define any primary key")
        self.refused(MADE + "ALTER TABLE t DROP WATERMARK", "does not define any watermark strategy")
        self.refused(MADE + "ALTER TABLE t MODIFY PRIMARY KEY (id) NOT ENFORCED", "does not define any primary key constraint")
        self.refused(MADE + "ALTER TABLE t ADD PRIMARY KEY (id)", "NOT ENFORCED")
        self.refused(MADE + "ALTER TABLE t ADD WATERMARK FOR nope AS nope", "unknown column `nope`")

    def test_options_names_and_partitions(self):
        made = self.tarn.sql(KEYED + "ALTER TABLE t SET ('number-of-rows' = '5', 'rows-per-second' = '10');"
                             "ALTER TABLE t RESET ('rows-per-second', 'nope'); ALTER TABLE t RENAME TO t2;"
                             "SHOW CREATE TABLE t2")[0]["result"]
        self.assertIn("'number-of-rows' = '5'", made)
        self.assertNotIn("rows-per-second", made)
        self.assertEqual([c[0] for c in self.columns(made + ";", "t2")], ["id", "uid", "name", "m", "log_ts", "ts", "c1", "c2"])
        self.refused(MADE + "CREATE TABLE u (a INT) WITH ('connector' = 'print'); ALTER TABLE u RENAME TO t", "exists already")
        parts = ("CREATE TABLE p (a INT, b STRING, c INT) PARTITIONED BY (b, a) WITH ('connector' = 'filesystem', "
                 "'path' = 'x', 'format' = 'csv'); ALTER TABLE p ADD PARTITION (a = 1, b = 'x') PARTITION (a = 2, b = 'x');")
        self.assertEqual(self.tarn.sql(parts + "ALTER TABLE p ADD IF NOT EXISTS PARTITION (a = 1, b = 'x');"
                                       "ALTER TABLE p DROP PARTITION (a = 2, b = 'x'); SHOW PARTITIONS p"),
                         [{"partition name": "b=x/a=1"}])
        self.refused(parts + "ALTER TABLE p ADD PARTITION (a = 1, b = 'x')", "exists already")
        self.refused(parts + "ALTER TABLE p DROP PARTITION (a = 3, b = 'x')", "there is no partition `b=x/a=3`")
        self.refused(parts + "ALTER TABLE p DROP PARTITION (a = 1)", "each of its 2 partition keys")

    def test_views(self):
        view = MADE + "CREATE VIEW v AS SELECT id FROM t;"
        self.assertEqual(self.tarn.sql(view + "ALTER VIEW v RENAME TO w; SHOW VIEWS"), [{"view name": "w"}])
        self.assertIn("uid", self.tarn.sql(view + "ALTER VIEW v AS SELECT uid FROM t; SHOW CREATE VIEW v")[0]["result"])
        self.refused(view + "ALTER VIEW v AS SELECT nope FROM t", "unknown column `nope`")
        self.refused(view + "ALTER VIEW t RENAME TO x", "ALTER VIEW for a table is not allowed")
        self.refused(view + "ALTER TABLE v RENAME TO x", "ALTER TABLE for a view is not allowed")
        self.refused(view + "DROP TABLE v", "there is no table `v`")
        self.refused(view + "DROP VIEW t", "there is no view `t`")
        self.assertEqual(self.tarn.sql(view + "DROP VIEW IF EXISTS nope; DROP VIEW v; SHOW VIEWS"), [])

    def test_catalogs_in_memory(self):
        made = "CREATE CATALOG cat2 WITH ('type' = 'generic_in_memory', 'default-database' = 'db');"
        self.assertEqual(self.tarn.sql(made + "SHOW CREATE CATALOG cat2")[0]["result"],
                         "CREATE CATALOG `cat2` WITH (\n  'default-database' = 'db',\n  'type' = 'generic_in_memory'\n)")
        told = made + ("ALTER CATALOG cat2 SET ('default-database' = 'db2'); ALTER CATALOG cat2 COMMENT 'hm';"
                       "DESCRIBE CATALOG EXTENDED cat2")
        self.assertEqual([(r["info name"], r["info value"]) for r in self.tarn.sql(told)],
                         [("name", "cat2"), ("type", "generic_in_memory"), ("comment", "hm"), ("option:default-database", "db2")])
        self.assertEqual(self.tarn.sql(made + "USE CATALOG cat2; CREATE DATABASE db1; USE db1;"
                                       "CREATE TABLE t (a INT) WITH ('connector' = 'print'); SHOW TABLES IN cat2.db1"),
                         [{"table name": "t"}])
        self.assertEqual(self.tarn.sql(MADE + made + "USE CATALOG cat2; SHOW TABLES"), [])
        self.refused(made + "USE CATALOG cat2; DROP CATALOG cat2", "is in use")
        self.refused(made + "ALTER CATALOG cat2 SET ('type' = 'iceberg')", "does not support changing 'type'")
        self.assertNotIn("cat2", str(self.tarn.sql(made + "DROP CATALOG cat2; SHOW CATALOGS")))

    def test_properties_of_a_database_of_the_lake(self):
        self.tarn.command("sql", "-e", "CREATE DATABASE polariscatalog.props; ALTER DATABASE polariscatalog.props "
                                       "SET ('owner' = 'ann')")
        self.assertEqual(iceberg(self.tarn).load_namespace_properties("props")["owner"], "ann")
