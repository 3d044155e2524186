"""dialect.py - what scripts written for Flink hold beside tables and INSERTs: functions of Java classes, jars, modules,
CREATE TABLE ... AS as a job, names made and dropped again. Run by `tarn up`, through a kill; told by `tarn check`.
"""

import tempfile
import unittest

from harness import Tarn, wait_until

FUNCTIONS = {"com.acme.CountChar": "CHAR_LENGTH($1) - CHAR_LENGTH(REPLACE($1, $2, ''))", "com.acme.Wrong": "$1 +"}
SCRIPT = """
ADD JAR '/opt/udf.jar';
LOAD MODULE hive;
CREATE TEMPORARY FUNCTION count_char AS 'com.acme.CountChar';
CREATE FUNCTION IF NOT EXISTS never_called AS 'com.acme.Unknown' LANGUAGE JAVA USING JAR '/opt/udf.jar';
CREATE TABLE words (id INT, word VARCHAR(20) CHARACTER SET `UTF-16LE`) WITH ('connector' = 'faker',
    'number-of-rows' = 200, 'fields.id.expression' = '#{number.numberBetween ''1'',''9''}',
    'fields.word.expression' = '#{regexify ''(banana|cherry)''}');
CREATE DATABASE IF NOT EXISTS polariscatalog.db;
CREATE TABLE IF NOT EXISTS polariscatalog.db.counted AS SELECT word, COUNT_CHAR(word, 'a') AS n FROM words;
CREATE TABLE IF NOT EXISTS polariscatalog.db.wide (extra STRING) AS SELECT id FROM words;
CREATE TABLE gone (a INT) WITH ('connector' = 'blackhole');
DROP TABLE gone;
CREATE TABLE gone (b STRING) WITH ('connector' = 'blackhole');
DROP FUNCTION never_called;
INSERT INTO polariscatalog.db.counted SELECT 'last', count_char('banana', 'n') FROM (VALUES (1)) AS t(x);
"""
COUNTS = ("SELECT word, COUNT(*) AS c, MIN(n) AS least, MAX(n) AS most FROM db.counted "
          "GROUP BY word ORDER BY word")
WRONG = """CREATE FUNCTION f AS 'com.acme.Unknown';
CREATE FUNCTION w AS 'com.acme.Wrong';
CREATE FUNCTION c AS 'com.acme.CountChar';
CREATE TABLE t (a INT, s STRING) WITH ('connector' = 'datagen');
CREATE TABLE o (a BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO o SELECT f(a) FROM t;
INSERT INTO o SELECT w(a) FROM t;
INSERT INTO o SELECT c(s) FROM t;
INSERT INTO o SELECT c(a, 'x') FROM t;
CREATE TABLE q WITH ('connector' = 'blackhole') AS SELECT nope FROM t;
INSERT INTO q SELECT a FROM t;
DROP FUNCTION g;
INSERT INTO o SELECT x FROM t, LATERAL TABLE(c(s)) AS l(x);
UPDATE o SET a = 1;
USE MODULES core;
"""
TOLD = [
    "6:22: function `f` is the class com.acme.Unknown, which does not run here: say in tarn.yaml what it computes, functions: "
    "{com.acme.Unknown: \"an expression over $1, $2\"}",
    "7:22: function `w`: '$1 +' of tarn.yaml: line 1, column 5: found the end, expected an expression",
    "8:22: it takes $2 and was given 1 arguments (line 1 of the function `c`)",
    "9:22: CHAR_LENGTH cannot be applied to (INT); it takes (str) (line 1 of the function `c`)",
    "10:59: unknown column `nope`",
    "12:1: there is no function `g`",
    "13:40: c is an expression of tarn.yaml: it gives no table",
    "14:1: UPDATE is not for a script of jobs: `tarn sql` runs it",
]


class Dialect(unittest.TestCase):
    def test_a_script_for_flink_runs_as_it_is(self):
        with tempfile.TemporaryDirectory() as folder:
            tarn = Tarn(directory=folder, streams={"words.sql": SCRIPT}, settings={"functions": FUNCTIONS})
            try:
                tarn.start()
                wait_until(lambda: self.finished(tarn) == 3, "three jobs")
                first = tarn.sql(COUNTS)
                self.assertEqual([(row["word"], row["least"], row["most"]) for row in first],
                                 [("banana", 3, 3), ("cherry", 0, 0), ("last", 2, 2)])
                self.assertEqual(sum(row["c"] for row in first), 201)
                wide = tarn.sql("SELECT COUNT(*) AS c, COUNT(extra) AS extras, COUNT(id) AS ids FROM db.wide")
                self.assertEqual(wide, [{"c": 200, "extras": 0, "ids": 200}])
                tarn.kill()
                tarn.start()
                wait_until(lambda: self.finished(tarn) == 3, "three jobs again")
                self.assertEqual(tarn.sql(COUNTS), first)
            finally:
                tarn.close()

    @staticmethod
    def finished(tarn):
        return tarn.command("job", "list").count("FINISHED")

    def test_what_cannot_be_called_is_told_where_it_is_called(self):
        tarn = Tarn(streams={"wrong.sql": WRONG}, settings={"functions": FUNCTIONS})
        try:
            told = tarn.command("check", check=False).stderr
            for line in TOLD:
                self.assertIn("wrong.sql:" + line, told)
            self.assertEqual(told.count("wrong.sql:"), len(TOLD), told)
        finally:
            tarn.close()


if __name__ == "__main__":
    unittest.main()
