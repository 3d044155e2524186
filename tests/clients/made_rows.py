"""made_rows.py - datagen and faker: what their options say, once each through kill -9."""

import re
import time
import unittest

from harness import Tarn, wait_until

DATAGEN = """
CREATE TABLE made (id BIGINT, small TINYINT, price DECIMAL(10, 2), ratio DOUBLE, yes BOOLEAN, code CHAR(4),
    text STRING, var STRING, at_ TIMESTAMP(3), day_ DATE, name STRING, r ROW<x INT, y STRING>, list ARRAY<INT>,
    m MAP<STRING, INT>, maybe INT, twice AS id * 2)
  WITH ('connector' = 'datagen', 'rows-per-second' = '4000', 'number-of-rows' = '10000',
    'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '100000',
    'fields.small.min' = '-3', 'fields.small.max' = '3', 'fields.price.min' = '1.50', 'fields.price.max' = '2',
    'fields.ratio.min' = '0', 'fields.ratio.max' = '1', 'fields.text.length' = '20', 'fields.var.length' = '8',
    'fields.var.var-len' = 'true', 'fields.at_.max-past' = '1 h', 'fields.name.length' = '3',
    'fields.r.x.min' = '5', 'fields.r.x.max' = '5', 'fields.r.y.length' = '2', 'fields.list.length' = '3',
    'fields.m.length' = '2', 'fields.maybe.null-rate' = '0.5');
CREATE DATABASE IF NOT EXISTS polariscatalog.db;
CREATE TABLE IF NOT EXISTS polariscatalog.db.made (id BIGINT, small INT, price DECIMAL(10, 2), ratio DOUBLE,
    yes BOOLEAN, code STRING, text STRING, var STRING, at_ TIMESTAMP(3), day_ DATE, name STRING,
    r ROW<x INT, y STRING>, list ARRAY<INT>, m MAP<STRING, INT>, maybe INT, twice BIGINT);
INSERT INTO polariscatalog.db.made SELECT * FROM made;
"""
FAKER = """
CREATE TABLE people (name STRING, age INT, score DOUBLE, at_ TIMESTAMP(3), status STRING, code STRING, ip STRING,
    id STRING, tags ARRAY<STRING>, gone STRING, sentence STRING)
  WITH ('connector' = 'faker', 'number-of-rows' = '500', 'rows-per-second' = '1000',
    'fields.name.expression' = '#{Name.first_name} #{Name.lastName}',
    'fields.age.expression' = '#{number.numberBetween ''18'',''65''}',
    'fields.score.expression' = '#{Number.randomDouble ''2'',''1'',''10''}',
    'fields.at_.expression' = '#{date.past ''15'',''5'',''SECONDS''}',
    'fields.status.expression' = '#{Options.option ''PAID'',''OPEN''}',
    'fields.code.expression' = '#{regexify ''(A|B){1}-[0-9]{3}(x|yz)?''}',
    'fields.ip.expression' = '#{Internet.publicIpV4Address}', 'fields.id.expression' = '#{Internet.uuid}',
    'fields.tags.expression' = '#{Lorem.word}', 'fields.tags.length' = '2',
    'fields.gone.expression' = '#{harry_potter.spell}', 'fields.gone.null-rate' = '1.0',
    'fields.sentence.expression' = 'Dear #{name.fullName}, #{numerify ''##''} items');
CREATE DATABASE IF NOT EXISTS polariscatalog.db;
CREATE TABLE IF NOT EXISTS polariscatalog.db.people (name STRING, age INT, score DOUBLE, at_ TIMESTAMP(3),
    status STRING, code STRING, ip STRING, id STRING, tags ARRAY<STRING>, gone STRING, sentence STRING);
INSERT INTO polariscatalog.db.people SELECT * FROM people;
"""


class Made(unittest.TestCase):
    def start(self, script):
        tarn = Tarn({"made.sql": script})
        self.addCleanup(tarn.close)
        tarn.start()
        return tarn

    def count(self, tarn, table):
        return tarn.sql(f"SELECT COUNT(*) AS n FROM polariscatalog.db.{table}")[0]["n"]

    def test_datagen_gives_each_row_once_and_ends(self):
        tarn = self.start(DATAGEN)
        for _ in range(2):
            time.sleep(0.7)
            tarn.kill()
            tarn.start()
        wait_until(lambda: self.count(tarn, "made") >= 10000, "all rows", 30)
        one = tarn.sql("""SELECT COUNT(*) AS n, COUNT(DISTINCT id) AS ids, MIN(id) AS a, MAX(id) AS b,
            MIN(small) AS c, MAX(small) AS d, MIN(price) AS e, MAX(price) AS f, MIN(ratio) AS g, MAX(ratio) AS h,
            COUNT(DISTINCT yes) AS i, MIN(CHAR_LENGTH(code)) AS j, MIN(CHAR_LENGTH(text)) AS k,
            MIN(CHAR_LENGTH(var)) AS l, MAX(CHAR_LENGTH(var)) AS m, COUNT(maybe) AS o, MIN(r.x) AS p,
            MAX(CARDINALITY(list)) AS q, MAX(twice) AS s, COUNT(DISTINCT text) AS u
            FROM polariscatalog.db.made""")[0]
        self.assertEqual((one["n"], one["ids"], one["a"], one["b"]), (10000, 10000, 1, 10000))
        self.assertEqual((one["c"], one["d"], float(one["e"]), float(one["f"])), (-3, 3, 1.5, 2.0))
        self.assertTrue(0 <= one["g"] < 0.01 and 0.99 < one["h"] <= 1)
        self.assertEqual((one["i"], one["j"], one["k"], one["l"], one["m"]), (2, 4, 20, 1, 8))
        self.assertTrue(4500 < one["o"] < 5500)
        self.assertEqual((one["p"], one["q"], one["s"]), (5, 3, 20000))
        self.assertEqual(one["u"], 10000)
        wait_until(lambda: "FINISHED" in tarn.command("status"), "the end of the job", 20)

    def test_faker_makes_what_its_expressions_say(self):
        tarn = self.start(FAKER)
        wait_until(lambda: self.count(tarn, "people") >= 500, "all rows", 20)
        rows = tarn.sql("SELECT * FROM polariscatalog.db.people")
        self.assertEqual(len(rows), 500)
        for row in rows:
            self.assertRegex(row["name"], r"^[A-Z]\w+ [A-Z]\w+$")
            self.assertTrue(18 <= row["age"] < 65 and 1 <= row["score"] <= 10)
            self.assertIn(row["status"], ("PAID", "OPEN"))
            self.assertRegex(row["code"], r"^[AB]-\d{3}(x|yz)?$")
            self.assertRegex(row["ip"], r"^\d+\.\d+\.\d+\.\d+$")
            self.assertRegex(row["id"], r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
            self.assertIsNone(row["gone"])
            self.assertRegex(row["sentence"], r"^Dear \w+ \w+, \d\d items$")
        self.assertEqual(len({row["id"] for row in rows}), 500)
        self.assertGreater(len({row["name"] for row in rows}), 100)
        self.assertTrue(all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d", row["at_"]) for row in rows))

    def test_wrong_options_are_named(self):
        cases = [
            (DATAGEN.replace("'1.50'", "'x'"), "'fields.price.min' = 'x': a number"),
            (DATAGEN.replace("'fields.id.end' = '100000',", ""), "'fields.id.start' and '.end'"),
            (FAKER.replace("#{Lorem.word}", "#{Lorem.wurd}"), "#{Lorem.wurd} is not among"),
            (FAKER.replace("(A|B){1}", "(A|B{1}"), "a group without its end"),
        ]
        for script, wanted in cases:
            with self.subTest(wanted=wanted):
                tarn = Tarn({"made.sql": script})
                self.addCleanup(tarn.close)
                done = tarn.command("check", check=False)
                self.assertIn(wanted, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
