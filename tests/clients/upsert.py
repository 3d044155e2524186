"""upsert.py - tables written by key: the last row of each key is what every reader sees, whatever is
killed or committed by others in between."""

import json
import os
import random
import threading
import time
import unittest

import pyarrow as pa
from confluent_kafka import Producer

from harness import Tarn, duckdb_connection, iceberg, wait_until

CATALOG = """
CREATE CATALOG lake WITH ('type' = 'iceberg', 'catalog-type' = 'rest',
    'uri' = 'http://127.0.0.1:@CATALOG@/api/catalog', 'warehouse' = 'polariscatalog',
    'credential' = 'root:secret', 'scope' = 'PRINCIPAL_ROLE:ALL');
CREATE DATABASE IF NOT EXISTS lake.db;
CREATE TABLE changes (id BIGINT, region STRING, n BIGINT, note STRING) WITH (
    'connector' = 'kafka', 'topic' = 'changes', 'format' = 'json',
    'properties.bootstrap.servers' = '127.0.0.1:@KAFKA@', 'scan.startup.mode' = 'earliest-offset');
"""
TABLES = {  # name: columns' key, where, options
    "plain": ("id", "", "'write.upsert.enabled' = 'true'"),
    "vectors": ("id", "", "'write.upsert.enabled' = 'true', 'format-version' = '3'"),
    "bucketed": ("id", "", "'write.upsert.enabled' = 'true', 'partitioning' = 'bucket(4, id)'"),
    "pairs": ("region, id", "", "'write.upsert.enabled' = 'true'"),
}


def script(tables):
    text = CATALOG
    for name in tables:
        key, _, options = TABLES[name]
        text += f"""CREATE TABLE IF NOT EXISTS lake.db.{name} (id BIGINT NOT NULL,
            region STRING NOT NULL, n BIGINT, note STRING, PRIMARY KEY ({key}) NOT ENFORCED)
            WITH ({options});\n"""
    inserts = "".join(f"INSERT INTO lake.db.{name} SELECT id, region, n, note FROM changes;\n"
                      for name in tables)
    return text + f"EXECUTE STATEMENT SET BEGIN\n{inserts}END;"


def changes(count, keys, seed):
    rand = random.Random(seed)
    return [{"id": rand.randrange(keys), "region": rand.choice(["north", "south"]), "n": n,
             "note": rand.choice([None, "x" * rand.randrange(40)])} for n in range(count)]


def model(all_changes, table):
    names = [name.strip() for name in TABLES[table][0].split(",")]
    return {tuple(change[name] for name in names): change for change in all_changes}


def as_rows(found):
    return sorted((row["id"], row["region"], row["n"], row["note"]) for row in found)


def pyiceberg_rows(tarn, table):
    return as_rows(iceberg(tarn).load_table(f"db.{table}").scan().to_arrow().to_pylist())


def duckdb_rows(tarn, table):
    connection = duckdb_connection(tarn)
    found = connection.execute(f"SELECT id, region, n, note FROM lake.db.{table}").fetchall()
    connection.close()
    return sorted(found)


def own_rows(tarn, table):
    return as_rows(tarn.sql(f"SELECT * FROM polariscatalog.db.{table}"))


class Upserts(unittest.TestCase):
    def produce(self, tarn, values):
        producer = Producer({"bootstrap.servers": tarn.bootstrap, "linger.ms": 5, "acks": "all"})
        for value in values:
            producer.produce("changes", json.dumps(value).encode())
            producer.poll(0)
        self.assertEqual(producer.flush(30), 0)

    def start(self, tables):
        tarn = Tarn({"upsert.sql": script(tables)},
                    {"topics": {"changes": {"partitions": 1}}})
        self.addCleanup(tarn.close)
        tarn.start()
        return tarn

    def until_seen(self, tarn, tables, last, timeout=60):
        """Until the last change has arrived: one partition, so that order is order."""
        for table in tables:
            wait_until(lambda: (tarn.sql(f"SELECT max(n) AS n FROM polariscatalog.db.{table}")
                                or [{"n": None}])[0]["n"] == last,
                       f"change {last} in {table}", timeout, 0.3)

    def test_five_kills_in_a_hundred_thousand_changes(self):
        tables = list(TABLES)
        tarn = self.start(tables)
        made = changes(100_000, 5_000, 1)
        for part in range(10):
            self.produce(tarn, made[part * 10_000:(part + 1) * 10_000])
            if part % 2:
                time.sleep(0.1 + 0.1 * part)
                tarn.kill()
                tarn.start()
        self.until_seen(tarn, tables, 99_999)
        for table in tables:
            wanted = as_rows(model(made, table).values())
            with self.subTest(table=table):
                self.assertEqual(pyiceberg_rows(tarn, table), wanted)
                self.assertEqual(duckdb_rows(tarn, table), wanted)
                self.assertEqual(own_rows(tarn, table), wanted)
                self.assert_one_delete_per_file(tarn, table)

    def assert_one_delete_per_file(self, tarn, table):
        found = iceberg(tarn).load_table(f"db.{table}").inspect.files().to_pylist()
        data = [file for file in found if file["content"] == 0]
        deletes = [file for file in found if file["content"] != 0]
        self.assertLessEqual(len(deletes), len(data))

    def test_others_append_and_delete_in_between(self):
        tarn = self.start(["plain"])
        made = changes(3_000, 300, 2)
        self.produce(tarn, made)
        self.until_seen(tarn, ["plain"], 2_999)
        rows = model(made, "plain")
        table = iceberg(tarn).load_table("db.plain")
        # A key that is there already, twice more, and one that is not.
        foreign = [{"id": 7, "region": "east", "n": -1, "note": None},
                   {"id": 7, "region": "east", "n": -2, "note": None},
                   {"id": 100_000, "region": "east", "n": -3, "note": "new"}]
        table.append(pa.Table.from_pylist(foreign, schema=table.schema().as_arrow()))
        self.assertEqual(len(pyiceberg_rows(tarn, "plain")), len(rows) + 3)
        table = iceberg(tarn).load_table("db.plain")
        table.delete("id < 5")
        more = [{"id": key, "region": "west", "n": 3_000 + i, "note": "again"}
                for i, key in enumerate([7, 3, 100_000, 200])]
        self.produce(tarn, more)
        self.until_seen(tarn, ["plain"], 3_003)
        for key in range(5):
            rows.pop((key,), None)
        for row in more:
            rows[(row["id"],)] = row
        wanted = as_rows(rows.values())
        self.assertEqual(pyiceberg_rows(tarn, "plain"), wanted)
        self.assertEqual(duckdb_rows(tarn, "plain"), wanted)

    def test_a_lost_index_is_built_anew(self):
        tarn = self.start(["plain", "pairs"])
        made = changes(2_000, 100, 3)
        self.produce(tarn, made)
        self.until_seen(tarn, ["plain", "pairs"], 1_999)
        tarn.stop()
        found = 0
        for folder, _, names in os.walk(tarn.dir):
            if "key-index" not in folder:
                continue
            for name in names:
                found += 1
                path = os.path.join(folder, name)
                if name.endswith(".run"):
                    os.remove(path)
                else:
                    with open(path, "r+b") as state:
                        state.truncate(os.path.getsize(path) // 2)
        self.assertGreater(found, 0)
        tarn.start()
        more = [{"id": key, "region": "north", "n": 2_000 + key, "note": None} for key in range(100)]
        self.produce(tarn, more)
        self.until_seen(tarn, ["plain", "pairs"], 2_099)
        for table in ("plain", "pairs"):
            wanted = as_rows(model(made + more, table).values())
            self.assertEqual(pyiceberg_rows(tarn, table), wanted)

    def test_a_rollback_is_followed(self):
        tarn = self.start(["plain"])
        first, second = changes(500, 50, 4), changes(500, 50, 5)
        self.produce(tarn, first)
        self.until_seen(tarn, ["plain"], 499)
        before = iceberg(tarn).load_table("db.plain").current_snapshot().snapshot_id
        for i, change in enumerate(second):
            change["n"] = 500 + i
        self.produce(tarn, second)
        self.until_seen(tarn, ["plain"], 999)
        tarn.command("table", "rollback", "db.plain", str(before))
        self.assertEqual(pyiceberg_rows(tarn, "plain"), as_rows(model(first, "plain").values()))
        third = [{"id": key, "region": "east", "n": 1_000 + key, "note": None} for key in range(25)]
        self.produce(tarn, third)
        self.until_seen(tarn, ["plain"], 1_024)
        self.assertEqual(pyiceberg_rows(tarn, "plain"),
                         as_rows(model(first + third, "plain").values()))


if __name__ == "__main__":
    unittest.main()
