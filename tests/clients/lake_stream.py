"""lake_stream.py - Iceberg tables read by jobs: whole, and as they grow; each row once through kill -9."""

import json
import time
import unittest

from confluent_kafka import Producer

from harness import Tarn, java, wait_until

DDL = """
CREATE DATABASE IF NOT EXISTS polariscatalog.db;
CREATE TABLE IF NOT EXISTS polariscatalog.db.source (id BIGINT, who STRING, price DECIMAL(10, 2), tags ARRAY<STRING>);
CREATE TABLE IF NOT EXISTS polariscatalog.db.target (id BIGINT, who STRING, price DECIMAL(10, 2), tags ARRAY<STRING>);
"""
COLUMNS = "INSERT INTO polariscatalog.db.target SELECT * FROM polariscatalog.db.source"
STREAMING = ("/*+ OPTIONS('streaming' = 'true', 'monitor-interval' = '200ms', "
             "'starting-strategy' = 'TABLE_SCAN_THEN_INCREMENTAL') */")


class Lake(unittest.TestCase):
    def start(self, streams):
        tarn = Tarn(streams, {"topics": {"events": {"partitions": 2}}})
        self.addCleanup(tarn.close)
        tarn.start()
        return tarn

    def insert(self, tarn, first, count):
        rows = ", ".join(f"({i}, 'w{i % 5}', {i}.25, ARRAY['a{i}', 'b'])" for i in range(first, first + count))
        tarn.command("sql", "-e", f"INSERT INTO polariscatalog.db.source VALUES {rows}")

    def ids(self, tarn):
        return sorted(r["id"] for r in tarn.sql("SELECT id FROM polariscatalog.db.target"))

    def test_a_table_is_read_whole_and_the_job_ends(self):
        tarn = self.start({})
        tarn.command("sql", "-e", DDL)
        for first in range(0, 300, 100):
            self.insert(tarn, first, 100)
        tarn.command("sql", "-e", "DELETE FROM polariscatalog.db.source WHERE id IN (5, 105, 250)")
        tarn.command("sql", "-e", "ALTER TABLE polariscatalog.db.source ADD (extra INT)")
        tarn.command("sql", "-e", "ALTER TABLE polariscatalog.db.source DROP extra")
        tarn.write("streams/copy.sql", COLUMNS + ";")
        tarn.stop()
        tarn.start()
        wanted = sorted(set(range(300)) - {5, 105, 250})
        wait_until(lambda: self.ids(tarn) == wanted, "all rows", 20)
        wait_until(lambda: "FINISHED" in tarn.command("status"), "the end of the job", 20)
        row = tarn.sql("SELECT * FROM polariscatalog.db.target WHERE id = 7")[0]
        self.assertEqual((row["who"], float(row["price"]), row["tags"]), ("w2", 7.25, ["a7", "b"]))

    def test_rows_that_come_later_follow_once_through_kills(self):
        tarn = self.start({"copy.sql": DDL + COLUMNS + " " + STREAMING + ";"})
        done = 0
        for step in (40, 60, 1, 99):
            self.insert(tarn, done, step)
            done += step
            if step != 60:
                tarn.kill()
                tarn.start()
            wait_until(lambda: len(self.ids(tarn)) >= done, "rows so far", 20)
        tarn.command("maintain", "db.source")
        self.insert(tarn, done, 10)
        wait_until(lambda: len(self.ids(tarn)) >= done + 10, "rows behind a rewrite", 20)
        time.sleep(0.6)
        self.assertEqual(self.ids(tarn), list(range(done + 10)))

    def test_history_then_live_has_no_gap_and_no_double(self):
        kafka = ("CREATE TABLE {0} (id INT, who STRING, part INT METADATA FROM 'partition' VIRTUAL) WITH ("
                 "'connector' = 'kafka', 'topic' = 'events', 'format' = 'json', "
                 "'properties.bootstrap.servers' = '127.0.0.1:@KAFKA@', 'scan.startup.mode' = 'earliest-offset'{1});")
        tables = """CREATE DATABASE IF NOT EXISTS polariscatalog.db;
            CREATE TABLE IF NOT EXISTS polariscatalog.db.events (id INT, who STRING);
            CREATE TABLE IF NOT EXISTS polariscatalog.db.all_ (id INT, who STRING);"""
        tarn = self.start({"fill.sql": tables + kafka.format("events", "") +
                           "INSERT INTO polariscatalog.db.events SELECT id, who FROM events;"})

        def produce(first, count):
            producer = Producer({"bootstrap.servers": tarn.bootstrap, "acks": "all"})
            for i in range(first, first + count):
                producer.produce("events", json.dumps({"id": i, "who": f"w{i}"}).encode(), partition=i % 2)
            self.assertEqual(producer.flush(30), 0)

        def ids(table):
            return sorted(r["id"] for r in tarn.sql(f"SELECT id FROM polariscatalog.db.{table}"))

        produce(0, 1000)
        wait_until(lambda: len(ids("events")) == 1000, "the table", 20)
        # What the topic forgot is in the table alone.
        java("kafka-delete-records.sh", "--bootstrap-server", tarn.bootstrap, "--offset-json-file",
             tarn.write("delete.json", json.dumps({"version": 1, "partitions": [
                 {"topic": "events", "partition": p, "offset": 300} for p in (0, 1)]})))
        tarn.write("streams/both.sql", tarn.fill(
            tables + kafka.format("all_events", ", 'tarn.history' = 'db.events'") +
            "INSERT INTO polariscatalog.db.all_ SELECT id, who FROM all_events;"))
        tarn.kill()
        tarn.start()
        produce(1000, 500)
        wait_until(lambda: len(ids("all_")) >= 1500, "history and what follows", 30)
        tarn.kill()
        tarn.start()
        produce(1500, 300)
        wait_until(lambda: len(ids("all_")) >= 1800, "what follows a kill", 30)
        time.sleep(0.6)
        self.assertEqual(ids("all_"), list(range(1800)))


if __name__ == "__main__":
    unittest.main()
