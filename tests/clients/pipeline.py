"""pipeline.py - the whole way: events produced over Kafka, a job of Flink SQL, Iceberg tables read by
pyiceberg, by DuckDB and by `tarn sql`; and everything that must not stop it."""

import datetime
import decimal
import json
import random
import threading
import time
import unittest

import pyarrow as pa
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import BucketTransform, DayTransform, TruncateTransform
from pyiceberg.types import (BooleanType, DecimalType, DoubleType, IntegerType, ListType, LongType,
                             MapType, NestedField, StringType, StructType, TimestampType)

from harness import ClientTest, Tarn, duckdb_connection, iceberg, run, wait_until

CATALOG = """
CREATE CATALOG lake WITH ('type' = 'iceberg', 'catalog-type' = 'rest',
    'uri' = 'http://127.0.0.1:@CATALOG@/api/catalog', 'warehouse' = 'polariscatalog',
    'credential' = 'root:secret', 'scope' = 'PRINCIPAL_ROLE:ALL');
CREATE DATABASE IF NOT EXISTS lake.db;
"""
KAFKA = """WITH ('connector' = 'kafka', 'topic' = '%s', 'format' = 'json',
    'properties.bootstrap.servers' = '127.0.0.1:@KAFKA@', 'scan.startup.mode' = 'earliest-offset',
    'json.timestamp-format.standard' = 'ISO-8601');
"""
EVENT = """(id BIGINT, word STRING, ok BOOLEAN, amount DECIMAL(18, 2), ratio DOUBLE,
    ts TIMESTAMP(3), tags ARRAY<STRING>, counts MAP<STRING, BIGINT>,
    deep ROW<a INT, b ROW<c STRING, d ARRAY<INT>>>)"""


def produce(tarn, topic, values):
    producer = Producer({"bootstrap.servers": tarn.bootstrap, "linger.ms": 5, "acks": "all"})
    for value in values:
        if not isinstance(value, (bytes, type(None))):
            value = json.dumps(value).encode()
        while True:
            try:
                producer.produce(topic, value)
                break
            except BufferError:
                producer.poll(0.1)
    assert producer.flush(30) == 0


def events(count, seed=1):
    """Events of the shape EVENT, with nulls, empty lists and awkward text; and the rows they become."""
    rand, made = random.Random(seed), []
    for i in range(count):
        stamp = datetime.datetime(2024, 1, 1) + datetime.timedelta(milliseconds=rand.randrange(10**10))
        made.append({
            "id": i,
            "word": rand.choice(["plain", "", 'quo"te', "Ärger \u4f60\U0001f600", "a\\b\n\tc", None]),
            "ok": rand.choice([True, False, None]),
            "amount": rand.choice([None, rand.randrange(-10**9, 10**9) / 100]),
            "ratio": rand.choice([None, rand.random(), 1e300, -0.0, 5e-324]),
            "ts": rand.choice([None, stamp.isoformat(timespec="milliseconds")]),
            "tags": rand.choice([None, [], ["x", None, "y" * rand.randrange(30)]]),
            "counts": rand.choice([None, {}, {"k%d" % rand.randrange(9): rand.randrange(-2**63, 2**63),
                                              "n": None}]),
            "deep": rand.choice([None, {"a": 1, "b": None}, {
                "a": None, "b": {"c": "in", "d": [1, None, rand.randrange(2**31)]}}])})
    return made


def row_of(event):
    """What pyarrow makes of the event's row."""
    row = dict(event)
    if event["amount"] is not None:
        row["amount"] = decimal.Decimal(repr(event["amount"])).quantize(decimal.Decimal("0.01"))
    if event["ts"] is not None:
        row["ts"] = datetime.datetime.fromisoformat(event["ts"])
    if event["counts"] is not None:
        row["counts"] = sorted(event["counts"].items())
    return row


def pyiceberg_rows(tarn, table):
    """Rows by id; maps as sorted pairs."""
    rows = iceberg(tarn).load_table(table).scan().to_arrow().to_pylist()
    for row in rows:
        if row.get("counts") is not None:
            row["counts"] = sorted(row["counts"])
    return sorted(rows, key=lambda row: row["id"])


def duckdb_rows(tarn, table):
    connection = duckdb_connection(tarn)
    found = connection.execute(f"SELECT * FROM lake.{table} ORDER BY id")
    names = [column[0] for column in found.description]
    rows = [dict(zip(names, values)) for values in found.fetchall()]
    connection.close()
    for row in rows:
        if row.get("counts") is not None:
            row["counts"] = sorted(row["counts"].items())
    return rows


def count(tarn, table):
    try:
        return len(iceberg(tarn).load_table(table).scan(selected_fields=("id",)).to_arrow())
    except NoSuchTableError:
        return 0


def until_rows(tarn, table, wanted, timeout=30):
    wait_until(lambda: count(tarn, table) >= wanted, f"{wanted} rows in {table}", timeout, 0.2)


class Reads(ClientTest):
    """One job into a plain and a partitioned table; three readers."""

    streams = {"events.sql": CATALOG + "CREATE TABLE events " + EVENT + KAFKA % "events"
               + "CREATE TABLE IF NOT EXISTS lake.db.plain " + EVENT + ";"
               + "CREATE TABLE IF NOT EXISTS lake.db.parted " + EVENT + " PARTITIONED BY (word);"
               + """EXECUTE STATEMENT SET BEGIN
                      INSERT INTO lake.db.plain SELECT * FROM events;
                      INSERT INTO lake.db.parted SELECT * FROM events;
                    END;"""}
    settings = {"topics": {"events": {"partitions": 3}}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.events = events(5000)
        for start in range(0, 5000, 1000):  # several commits
            produce(cls.tarn, "events", cls.events[start:start + 1000])
            time.sleep(0.3)
        for table in ("db.plain", "db.parted"):
            until_rows(cls.tarn, table, 5000)

    def test_pyiceberg_reads_every_event_row_for_row(self):
        expected = [row_of(event) for event in self.events]
        for table in ("db.plain", "db.parted"):
            with self.subTest(table):
                self.assertEqual(pyiceberg_rows(self.tarn, table), expected)

    def test_duckdb_reads_every_event_row_for_row(self):
        expected = [row_of(event) for event in self.events]
        for table in ("db.plain", "db.parted"):
            with self.subTest(table):
                self.assertEqual(duckdb_rows(self.tarn, table), expected)

    def test_tarn_sql_reads_every_event_row_for_row(self):
        for table in ("plain", "parted"):
            with self.subTest(table):
                found = self.tarn.sql(f"SELECT id, word, ok, ratio FROM db.{table} ORDER BY id")
                self.assertEqual([(r["id"], r["word"], r["ok"], r["ratio"]) for r in found],
                                 [(e["id"], e["word"], e["ok"], e["ratio"]) for e in self.events])

    def test_tarn_sql_counts_sums_and_filters(self):
        row, = self.tarn.sql("SELECT COUNT(*) AS n, SUM(amount) AS total, COUNT(word) AS words "
                             "FROM db.parted WHERE id >= 100")
        kept = [row_of(event) for event in self.events[100:]]
        self.assertEqual(int(row["n"]), len(kept))
        self.assertEqual(decimal.Decimal(str(row["total"])),
                         sum(r["amount"] for r in kept if r["amount"] is not None))
        self.assertEqual(int(row["words"]), sum(r["word"] is not None for r in kept))

    def test_a_partition_is_read_alone(self):
        table = iceberg(self.tarn).load_table("db.parted")
        scan = table.scan(row_filter="word = 'plain'")
        paths = [task.file.file_path for task in scan.plan_files()]
        self.assertLess(len(paths), len(table.inspect.files()))
        self.assertEqual(len(scan.to_arrow()), sum(e["word"] == "plain" for e in self.events))

    def test_snapshots_say_which_offsets_they_hold(self):
        summary = iceberg(self.tarn).load_table("db.plain").current_snapshot().summary
        self.assertEqual(summary["tarn.job"], "events")
        self.assertGreater(int(summary["tarn.epoch"]), 0)
        self.assertIn("events", summary["tarn.offsets"])

    def test_status_names_the_job_and_its_tables(self):
        status = self.tarn.command("status")
        self.assertRegex(status, r"(?i)events.*running|running.*events")
        self.assertIn("plain", status)

    def test_metadata_and_data_files_lie_where_users_look(self):
        table = iceberg(self.tarn).load_table("db.plain")
        self.assertEqual(table.location(), "s3://warehouse/polariscatalog/db/plain")
        for path in table.inspect.files()["file_path"].to_pylist():
            self.assertRegex(path, r"^s3://warehouse/polariscatalog/db/plain/data/.*\.parquet$")
        self.assertRegex(table.metadata_location,
                         r"^s3://warehouse/polariscatalog/db/plain/metadata/.*\.metadata\.json$")


class Evolves(unittest.TestCase):
    """A table of pyiceberg's with hidden partitioning, filled by a job, changed while it runs."""

    STREAM = CATALOG + """
        CREATE TABLE src (id BIGINT, word STRING, ts TIMESTAMP(3)) """ + KAFKA % "src" + """
        INSERT INTO lake.db.hidden SELECT id, word, ts FROM src;"""

    def test_hidden_partitions_and_columns_that_change_under_a_running_job(self):
        tarn = Tarn(settings={"topics": {"src": {"partitions": 1}}})
        self.addCleanup(tarn.close)
        tarn.start()
        catalog = iceberg(tarn)
        catalog.create_namespace("db")
        catalog.create_table(
            "db.hidden", Schema(NestedField(1, "id", LongType()), NestedField(2, "word", StringType()),
                                NestedField(3, "ts", TimestampType())),
            partition_spec=PartitionSpec(PartitionField(3, 1000, DayTransform(), "day"),
                                         PartitionField(1, 1001, BucketTransform(4), "bucket"),
                                         PartitionField(2, 1002, TruncateTransform(2), "start")))
        tarn.stop()
        tarn.write("streams/evolve.sql", tarn.fill(self.STREAM))
        tarn.start()
        rows = [{"id": i, "word": f"{'abc'[i % 3]}{i}",
                 "ts": datetime.datetime(2024, 1, 1 + i % 3, i % 24)} for i in range(600)]
        produce(tarn, "src", [row | {"ts": row["ts"].isoformat()} for row in rows[:300]])
        until_rows(tarn, "db.hidden", 300)
        with iceberg(tarn).load_table("db.hidden").update_schema() as change:
            change.add_column("note", StringType())
        produce(tarn, "src", [row | {"ts": row["ts"].isoformat()} for row in rows[300:]])
        until_rows(tarn, "db.hidden", 600)
        expected = [row | {"note": None} for row in rows]
        self.assertEqual(pyiceberg_rows(tarn, "db.hidden"), expected)
        self.assertEqual(duckdb_rows(tarn, "db.hidden"), expected)
        one = iceberg(tarn).load_table("db.hidden").scan(
            row_filter="ts < '2024-01-02T00:00:00' and id = 3")
        self.assertEqual(len(one.to_arrow()), 1)
        self.assertEqual(len(list(one.plan_files())), len({t.file.file_path for t in one.plan_files()}))
        found = tarn.sql("SELECT id, word, note FROM db.hidden WHERE ts < TIMESTAMP '2024-01-02 00:00:00' "
                         "ORDER BY id")
        self.assertEqual([(r["id"], r["word"], r["note"]) for r in found],
                         [(r["id"], r["word"], None) for r in rows if r["ts"].day == 1])


class ForeignTables(ClientTest):
    """Tables written by others, read by `tarn sql`."""

    settings = {"kafka": {"enabled": False}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        iceberg(cls.tarn).create_namespace("db")

    def table(self, name, schema, rows, **options):
        table = iceberg(self.tarn).create_table(f"db.{name}", schema, **options)
        table.append(pa.Table.from_pylist(rows, table.schema().as_arrow()))
        return table

    def test_nested_columns_and_nan(self):
        nan = float("nan")
        self.table("nested", Schema(
            NestedField(1, "id", LongType(), required=True), NestedField(2, "x", DoubleType()),
            NestedField(3, "tags", ListType(4, StringType(), element_required=False)),
            NestedField(5, "deep", StructType(NestedField(6, "a", IntegerType()),
                                              NestedField(7, "b", StringType()))),
            NestedField(8, "m", MapType(9, StringType(), 10, LongType()))),
            [{"id": 1, "x": nan, "tags": ["a", None], "deep": {"a": 1, "b": "z"}, "m": [("k", 7)]},
             {"id": 2, "x": None, "tags": [], "deep": {"a": None, "b": None}, "m": []},
             {"id": 3, "x": -1.5, "tags": None, "deep": None, "m": None}])
        found = self.tarn.sql("SELECT id, deep.a AS a, deep.b AS b, m['k'] AS k, tags[1] AS t "
                              "FROM db.nested ORDER BY id")
        self.assertEqual([(r["id"], r["a"], r["b"], r["k"], r["t"]) for r in found],
                         [(1, 1, "z", 7, "a"), (2, None, None, None, None), (3, None, None, None, None)])
        whole = self.tarn.sql("SELECT * FROM db.nested ORDER BY id")
        self.assertEqual([(r["id"], r["tags"]) for r in whole], [(1, ["a", None]), (2, []), (3, None)])
        self.assertEqual(self.tarn.sql("SELECT COUNT(*) AS n FROM db.nested WHERE x > 5")[0]["n"], 0)

    def test_renamed_reordered_and_widened_columns(self):
        table = self.table("renamed", Schema(NestedField(1, "id", IntegerType()),
                                             NestedField(2, "word", StringType())),
                           [{"id": 1, "word": "old"}])
        with table.update_schema() as change:
            change.rename_column("word", "text")
            change.update_column("id", LongType())
            change.move_first("word")
        with iceberg(self.tarn).load_table("db.renamed").update_schema() as change:
            change.add_column("word", BooleanType())
        table = iceberg(self.tarn).load_table("db.renamed")
        table.append(pa.Table.from_pylist([{"text": "new", "id": 2**40, "word": True}],
                                          table.schema().as_arrow()))
        found = self.tarn.sql("SELECT * FROM db.renamed ORDER BY id")
        self.assertEqual(found, [{"text": "old", "id": 1, "word": None},
                                 {"text": "new", "id": 2**40, "word": True}])
        self.assertEqual(list(found[0]), ["text", "id", "word"])

    def test_partitions_of_every_spec_a_table_had(self):
        table = self.table("respecced", Schema(NestedField(1, "id", LongType()),
                                               NestedField(2, "ts", TimestampType())),
                           [{"id": i, "ts": datetime.datetime(2024, 1, 1 + i)} for i in range(10)])
        with table.update_spec() as change:
            change.add_field("ts", DayTransform(), "day")
        table.append(pa.Table.from_pylist(
            [{"id": i, "ts": datetime.datetime(2024, 1, 1 + i)} for i in range(10, 20)],
            table.schema().as_arrow()))
        found = self.tarn.sql("SELECT id FROM db.respecced WHERE ts >= TIMESTAMP '2024-01-06 00:00:00' "
                              "AND ts < TIMESTAMP '2024-01-16 00:00:00' ORDER BY id")
        self.assertEqual([row["id"] for row in found], list(range(5, 15)))

    def test_deletes_by_position_and_by_rewriting(self):
        table = self.table("cut", Schema(NestedField(1, "id", LongType())),
                           [{"id": i} for i in range(100)])
        table.delete("id < 10")  # pyiceberg rewrites the file
        connection = duckdb_connection(self.tarn)
        connection.execute("DELETE FROM lake.db.cut WHERE id % 10 = 3")  # DuckDB writes positions
        connection.close()
        found = self.tarn.sql("SELECT id FROM db.cut ORDER BY id")
        self.assertEqual([r["id"] for r in found], [i for i in range(10, 100) if i % 10 != 3])

    def test_decimals_and_times_are_printed_as_they_are(self):
        self.table("exact", Schema(NestedField(1, "id", LongType()),
                                   NestedField(2, "amount", DecimalType(18, 2)),
                                   NestedField(3, "ts", TimestampType())),
                   [{"id": 1, "amount": decimal.Decimal("-12345678901234.05"),
                     "ts": datetime.datetime(2024, 2, 29, 23, 59, 59, 123456)}])
        text = self.tarn.command("sql", "--format", "csv", "-e", "SELECT * FROM db.exact")
        self.assertEqual(text.splitlines()[0], "id,amount,ts")
        self.assertRegex(text.splitlines()[1], r"^1,-12345678901234\.05,2024-02-29 23:59:59\.123456")


class DeadLetters(ClientTest):
    """S2's crash loop: a timestamp that is none."""

    streams = {"orders.sql": "SET 'pipeline.name' = 'orders';" + CATALOG + """
        CREATE TABLE orders_src (id BIGINT, amount DECIMAL(18, 2), created_at TIMESTAMP(3)) """
               + KAFKA % "orders" + """
        CREATE TABLE IF NOT EXISTS lake.db.orders (id BIGINT, amount DECIMAL(18, 2),
                                                   created_at TIMESTAMP(6));
        INSERT INTO lake.db.orders SELECT * FROM orders_src;"""}
    settings = {"topics": {"orders": {"partitions": 2}}}

    BAD = [b'{"id": 1, "created_at": "not a time"}', b'{"id": 2, "created_at": "2025-13-45T99:99:99"}',
           b'{"id": 3, "created_at": "yesterday"}', b'{"id": 4, "created_at": "0000-00-00"}',
           b'{"id": "five", "amount": 1}', b'{"id": 6, "amount": "much"}', b"no json at all", b"",
           b'{"id": 7', b"\xff\xfe\x00", b"[1, 2]", b'{"id": 99999999999999999999}']
    GOOD = ["2025-01-01T00:00:00", "2025-01-01 00:00:00", "2025-01-01T00:00:00.123",
            "2025-01-01T00:00:00Z", "2025-01-01T01:00:00+01:00", 1735689600, 1735689600000,
            1735689600000000, 1735689600000000000]

    def test_bad_records_become_dead_letters_and_good_ones_rows(self):
        mixed = []
        for i in range(600):
            mixed.append({"id": i, "amount": i / 4, "created_at": "2025-01-01T00:00:00"})
            if i % 50 == 0:
                mixed.append(self.BAD[i // 50])
        produce(self.tarn, "orders", mixed)
        until_rows(self.tarn, "db.orders", 600)

        def letters():
            try:
                return iceberg(self.tarn).load_table("dlq.orders").scan().to_arrow().to_pylist()
            except NoSuchTableError:
                return []
        found = wait_until(lambda: len(letters()) >= len(self.BAD) and letters(), "the dead letters")
        self.assertEqual(sorted(letter["value"] for letter in found), sorted(self.BAD))
        self.assertEqual(sorted(row["id"] for row in pyiceberg_rows(self.tarn, "db.orders")),
                         list(range(600)))
        for letter in found:
            self.assertTrue(letter["reason"])
            self.assertEqual(letter["topic"], "orders")
            if b"created_at" in letter["value"]:
                self.assertEqual(letter["column"], "created_at")
        self.assertEqual(len({(letter["partition"], letter["offset"]) for letter in found}),
                         len(self.BAD))
        topic = run("kcat", "-C", "-q", "-e", "-b", self.tarn.bootstrap, "-t", "orders.dlq",
                    "-f", "%h|%S\\n").stdout.splitlines()
        self.assertEqual(len(topic), len(self.BAD))
        for line in topic:
            self.assertRegex(line, r"tarn\.reason=.+,tarn\..*tarn\.topic=orders,")
        self.assertRegex(self.tarn.command("status"), r"(?i)orders.*running|running.*orders")
        shown = self.tarn.command("dlq", "list")
        self.assertIn("orders", shown)
        self.assertIn(str(len(self.BAD)), shown)

    def test_timestamps_are_read_in_every_form_people_send(self):
        first = 10000
        produce(self.tarn, "orders", [{"id": first + i, "created_at": form}
                                      for i, form in enumerate(self.GOOD)])
        wait_until(lambda: sum(r["id"] >= first for r in pyiceberg_rows(self.tarn, "db.orders"))
                   == len(self.GOOD), "rows of all forms", 20)
        for row in pyiceberg_rows(self.tarn, "db.orders"):
            if row["id"] >= first:
                self.assertEqual(row["created_at"].replace(microsecond=0),
                                 datetime.datetime(2025, 1, 1), self.GOOD[row["id"] - first])


class DeadLettersRead(unittest.TestCase):
    def test_a_reader_before_the_first_dead_letter_stops_nothing(self):
        tarn = Tarn(DeadLetters.streams, DeadLetters.settings)
        self.addCleanup(tarn.close)
        tarn.start()
        # What Kafka's console consumer does to a topic that is not there: it makes one by asking.
        admin = AdminClient({"bootstrap.servers": tarn.bootstrap})
        admin.create_topics([NewTopic("orders.dlq", 1)])["orders.dlq"].result(10)
        early = Consumer({"bootstrap.servers": tarn.bootstrap, "group.id": "early",
                          "topic.metadata.refresh.interval.ms": 200})
        self.addCleanup(early.close)
        early.assign([TopicPartition("orders.dlq", 0, OFFSET_BEGINNING)])
        self.assertIsNone(early.poll(1))
        produce(tarn, "orders", [{"id": 1}, b"bad", {"id": 2}])
        until_rows(tarn, "db.orders", 2)

        def letter():
            message = early.poll(0.2)
            return message is not None and message.error() is None and message.value()
        self.assertEqual(wait_until(letter, "the dead letter at the early reader"), b"bad")


class Goes(unittest.TestCase):
    """What must not stop a job."""

    STREAMS = {"pair.sql": CATALOG + "CREATE TABLE apples (id BIGINT, word STRING) " + KAFKA % "apples"
               + "CREATE TABLE pears (id BIGINT, word STRING) " + KAFKA % "pears"
               + """CREATE TABLE IF NOT EXISTS lake.db.apples (id BIGINT, word STRING);
                    CREATE TABLE IF NOT EXISTS lake.db.pears (id BIGINT, word STRING)
                        PARTITIONED BY (word);
                    EXECUTE STATEMENT SET BEGIN
                      INSERT INTO lake.db.apples SELECT * FROM apples;
                      INSERT INTO lake.db.pears SELECT * FROM pears;
                    END;"""}
    SETTINGS = {"topics": {"apples": {"partitions": 1}, "pears": {"partitions": 2}}}

    def start(self):
        tarn = Tarn(self.STREAMS, self.SETTINGS)
        self.addCleanup(tarn.close)
        tarn.start()
        return tarn

    def ids(self, tarn, table):
        return [row["id"] for row in pyiceberg_rows(tarn, table)]

    def test_a_deleted_topic_is_waited_for_and_the_others_go_on(self):
        tarn = self.start()
        produce(tarn, "apples", [{"id": i, "word": "a"} for i in range(100)])
        until_rows(tarn, "db.apples", 100)
        admin = AdminClient({"bootstrap.servers": tarn.bootstrap})
        admin.delete_topics(["apples"])["apples"].result(10)
        produce(tarn, "pears", [{"id": i, "word": "b"} for i in range(100)])
        until_rows(tarn, "db.pears", 100)
        admin.create_topics([NewTopic("apples", 1)])["apples"].result(10)
        produce(tarn, "apples", [{"id": i, "word": "c"} for i in range(100, 150)])
        until_rows(tarn, "db.apples", 150)
        self.assertEqual(self.ids(tarn, "db.apples"), list(range(150)))
        self.assertEqual(self.ids(tarn, "db.pears"), list(range(100)))

    def test_jobs_resume_after_kill_9_without_doubles(self):
        tarn, total = self.start(), 0
        for _ in range(3):
            produce(tarn, "apples", [{"id": i, "word": "w"} for i in range(total, total + 2000)])
            produce(tarn, "pears", [{"id": i, "word": f"w{i % 5}"} for i in range(total, total + 2000)])
            total += 2000
            time.sleep(random.uniform(0, 0.8))
            tarn.kill()
            self.assertLess(tarn.start(), 5)
        for table in ("db.apples", "db.pears"):
            until_rows(tarn, table, total)
            self.assertEqual(self.ids(tarn, table), list(range(total)))

    def test_a_clean_stop_and_start_keeps_the_count(self):
        tarn = self.start()
        produce(tarn, "apples", [{"id": i, "word": "w"} for i in range(1000)])
        tarn.stop()
        tarn.start()
        produce(tarn, "apples", [{"id": i, "word": "w"} for i in range(1000, 2000)])
        until_rows(tarn, "db.apples", 2000)
        self.assertEqual(self.ids(tarn, "db.apples"), list(range(2000)))

    def test_commits_of_others_to_its_table_are_kept(self):
        tarn = self.start()
        produce(tarn, "apples", [{"id": 0, "word": "w"}])
        until_rows(tarn, "db.apples", 1)
        stop, appended = threading.Event(), []

        def write():
            number = 1_000_000
            while not stop.is_set():
                try:
                    iceberg(tarn).load_table("db.apples").append(
                        pa.table({"id": pa.array([number], pa.int64()), "word": ["other"]}))
                    appended.append(number)
                    number += 1
                except CommitFailedException:
                    pass
        writer = threading.Thread(target=write)
        writer.start()
        try:
            for i in range(1, 2001, 100):
                produce(tarn, "apples", [{"id": j, "word": "w"} for j in range(i, i + 100)])
                time.sleep(0.2)
        finally:
            stop.set()
            writer.join()
        until_rows(tarn, "db.apples", 2001 + len(appended))
        self.assertGreater(len(appended), 1)
        self.assertEqual(self.ids(tarn, "db.apples"), list(range(2001)) + appended)

    def test_an_idle_job_makes_no_snapshots(self):
        tarn = self.start()
        produce(tarn, "apples", [{"id": 0, "word": "w"}])
        until_rows(tarn, "db.apples", 1)
        time.sleep(2)
        self.assertEqual(len(iceberg(tarn).load_table("db.apples").snapshots()), 1)


if __name__ == "__main__":
    unittest.main()
