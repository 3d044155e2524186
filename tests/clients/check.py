"""check.py - `tarn check`: every mistake of a project, with file, line, column and a suggestion."""

import os
import unittest

from harness import Tarn

SCRIPT = """CREATE TABLE ev (id BIGINT) WITH ('connector'='kafka', 'topc'='ev', 'format'='json');
CREATE TABLE ok (id BIGINT, name STRING) WITH ('connector'='kafka', 'topic'='ev',
  'properties.bootstrap.servers'='localhost:@KAFKA@', 'format'='json');
CREATE DATABASE polariscatalog.db;
CREATE TABLE polariscatalog.db.t (id BIGINT, name STRING);
INSERT INTO polariscatalog.db.t SELECT id, UPER(name) FROM ok;
INSERT INTO polariscatalog.db.t SELECT id, name FROM ev;
INSERT INTO polariscatalog.db.t SELECT idd, name FROM ok;
INSERT INTO polariscatalog.db.t SELECT id, name FROM okk;
INSERT INTO polariscatalog.db.t SELECT id, MAX(name) OVER (ORDER BY name) FROM ok;
INSERT INTO polariscatalog.db.t SELECT COUNT(*), name FROM ok GROUP BY name;
"""


class Check(unittest.TestCase):
    def project(self, script, settings=None):
        tarn = Tarn({"a.sql": script}, settings)
        self.addCleanup(tarn.close)
        done = tarn.command("check", check=False)
        return done.returncode, (done.stdout + done.stderr).splitlines()

    def test_goes_on_after_each_wrong_statement_and_names_no_mistake_twice(self):
        status, lines = self.project(SCRIPT)
        self.assertEqual(status, 2)
        found = [line for line in lines if "a.sql:" in line]
        for line, place, words in zip(found, ("1:56", "6:44", "8:40", "9:54", "10:33", "11:1"),
                                      ("'topic'", "UPPER", "`id`", "`ok`", "time attribute", "key")):
            self.assertIn(f"a.sql:{place}:", line)
            self.assertIn(words, line)
        self.assertEqual(len(found), 6, "\n".join(lines))

    def test_names_every_mistake_of_grammar(self):
        status, lines = self.project("SELEC 1;\nCREATE TABEL t (a INT);\nINSERT INTO;\n")
        self.assertEqual(status, 2)
        self.assertEqual(len([line for line in lines if "a.sql:" in line]), 3, "\n".join(lines))

    def test_a_broker_that_is_not_ours_is_another_one_and_its_properties_are_looked_at(self):
        script = """CREATE TABLE far (id BIGINT) WITH ('connector'='kafka', 'topic'='ev',
  'properties.bootstrap.servers'='elsewhere:1', 'properties.ssl.truststore.location'='@STORE@', 'format'='json');
CREATE TABLE near (id BIGINT) WITH ('connector'='kafka', 'topic'='ev',
  'properties.bootstrap.servers'='elsewhere:1,broker:@KAFKA@', 'format'='json');
CREATE DATABASE polariscatalog.db;
CREATE TABLE polariscatalog.db.t (id BIGINT);
INSERT INTO polariscatalog.db.t SELECT id FROM far;
INSERT INTO polariscatalog.db.t SELECT id FROM near;
"""
        status, lines = self.project(script.replace("@STORE@", "/x.jks"))
        self.assertEqual(status, 2)
        found = [line for line in lines if "a.sql:" in line]
        self.assertEqual(len(found), 1, "\n".join(lines))
        self.assertIn("a.sql:7:1: table `far`: 'properties.ssl.truststore.location': a keystore of Java", found[0])
        status, lines = self.project(script.replace("'properties.ssl.truststore.location'='@STORE@', ", ""))
        self.assertEqual(status, 0, "\n".join(lines))

    def test_a_hint_overrides_the_options_of_the_table_and_an_unknown_one_is_named(self):
        status, lines = self.project("""CREATE TABLE src (id BIGINT) WITH ('connector'='kafka', 'topic'='ev',
  'properties.bootstrap.servers'='elsewhere:1', 'format'='json');
CREATE DATABASE polariscatalog.db;
CREATE TABLE polariscatalog.db.t (id BIGINT);
INSERT INTO polariscatalog.db.t SELECT id FROM src
  /*+ OPTIONS('properties.bootstrap.servers'='localhost:@KAFKA@', 'scan.startup.mode'='latest-offset') */;
INSERT INTO polariscatalog.db.t SELECT id FROM src /*+ OPTIONS('scan.startup.mod'='latest-offset') */;
""")
        self.assertEqual(status, 2)
        found = [line for line in lines if "a.sql:" in line]
        self.assertEqual(len(found), 1, "\n".join(lines))
        self.assertIn("a.sql:7:", found[0])
        self.assertIn("did you mean 'scan.startup.mode'", found[0])

    def test_leaves_nothing_behind(self):
        tarn = Tarn({"a.sql": SCRIPT})
        self.addCleanup(tarn.close)
        tarn.command("check", check=False)
        self.assertEqual(tarn.command("check", check=False).returncode, 2)
        self.assertEqual(sorted(os.listdir(tarn.dir)), ["streams", "tarn.yaml"])


if __name__ == "__main__":
    unittest.main()
