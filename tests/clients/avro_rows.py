"""avro_rows.py - the format avro: messages and container files. The bytes are made and read here by hand, after
the specification, and DuckDB's own avro extension reads the files that jobs write."""

import glob
import json
import os
import struct
import unittest
import zlib

from confluent_kafka import Consumer, Producer, TopicPartition

from harness import Tarn, wait_until

TYPES = {
    "i": "INT NOT NULL", "t": "TINYINT", "l": "BIGINT", "f": "FLOAT", "d": "DOUBLE", "b": "BOOLEAN", "s": "STRING",
    "y": "BYTES", "m": "DECIMAL(20, 3)", "da": "DATE", "ts": "TIMESTAMP(3)", "a": "ARRAY<INT>",
    "mp": "MAP<STRING, BIGINT>", "r": "ROW<x INT, y STRING>",
}
COLUMNS = ", ".join(f"{k} {v}" for k, v in TYPES.items())
KAFKA = "'connector' = 'kafka', 'scan.startup.mode' = 'earliest-offset', 'topic' = "
ROWS = [
    {"i": 1, "t": -7, "l": -(1 << 60), "f": 1.5, "d": -2.25, "b": True, "s": "grüße", "y": "AAH/", "m": -1234567890.123,
     "da": "1969-12-31", "ts": "2026-01-02 03:04:05.678", "a": [1, None, -3], "mp": {"k": 5}, "r": {"x": 9, "y": None}},
    {"i": 2},
    {"i": 3, "m": 0.001, "a": [], "mp": {}, "r": {"x": None, "y": ""}, "s": "", "ts": "1960-05-06 07:08:09.001"},
]


def number(value):
    """A zigzag varint."""
    value = value << 1 ^ value >> 63
    out = bytearray()
    while value > 127 or value < 0:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def text(value):
    value = value.encode() if isinstance(value, str) else value
    return number(len(value)) + value


def some(value):
    """The second branch of a union with null."""
    return number(1) + value


NULL = number(0)
FIRST = b"".join([
    number(1), some(number(-7)), some(number(-(1 << 60))), some(struct.pack("<f", 1.5)), some(struct.pack("<d", -2.25)),
    some(b"\1"), some(text("grüße")), some(text(b"\0\1\xff")), some(text((-1234567890123).to_bytes(6, "big", signed=True))),
    some(number(-1)), some(number(1767323045678)),
    some(number(3) + some(number(1)) + NULL + some(number(-3)) + number(0)),
    some(number(1) + text("k") + some(number(5)) + number(0)),
    some(some(number(9)) + NULL)])
SECOND = number(2) + NULL * 13


class Avro(unittest.TestCase):
    def tarn(self, script, **settings):
        tarn = Tarn({"jobs.sql": "CREATE DATABASE IF NOT EXISTS polariscatalog.db;\n" + script}, settings)
        self.addCleanup(tarn.close)
        return tarn

    def test_messages(self):
        tarn = self.tarn(f"""
            CREATE TABLE j ({COLUMNS}) WITH ({KAFKA}'j', 'format' = 'json');
            CREATE TABLE a ({COLUMNS}) WITH ({KAFKA}'a', 'format' = 'avro');
            CREATE TABLE back ({COLUMNS}) WITH ({KAFKA}'back', 'format' = 'json');
            CREATE TABLE k (k1 INT, s STRING) WITH ({KAFKA}'k', 'value.format' = 'avro', 'key.format' = 'avro',
                'key.fields' = 'k1', 'value.fields-include' = 'EXCEPT_KEY');
            EXECUTE STATEMENT SET BEGIN
            INSERT INTO a SELECT * FROM j;
            INSERT INTO back SELECT * FROM a;
            INSERT INTO k SELECT i, s FROM j;
            END;""", topics={t: {"partitions": 1} for t in ("j", "a", "back", "k")})
        tarn.start()
        producer = Producer({"bootstrap.servers": tarn.bootstrap})
        for row in ROWS:
            producer.produce("j", json.dumps(row).encode())
        producer.flush(10)
        consumer = Consumer({"bootstrap.servers": tarn.bootstrap, "group.id": "g", "isolation.level": "read_committed"})
        self.addCleanup(consumer.close)

        def read(topic, count):
            consumer.assign([TopicPartition(topic, 0, 0)])
            got = []
            wait_until(lambda: got.extend(m for m in consumer.consume(100, 0.2) if not m.error()) or len(got) >= count,
                       f"{count} of {topic}", pause=0)
            return got

        messages = read("a", 3)
        self.assertEqual(messages[0].value(), FIRST)
        self.assertEqual(messages[1].value(), SECOND)
        self.assertEqual([(m.key(), m.value()) for m in read("k", 3)],
                         [(some(number(1)), some(text("grüße"))), (some(number(2)), NULL), (some(number(3)), some(text("")))])
        back = [json.loads(m.value()) for m in read("back", 3)]
        for row, got in zip(ROWS, back):
            self.assertEqual(got, {name: row.get(name) for name in TYPES})
        # Bad bytes are dead letters with a reason, and stop nothing.
        for bad in (b"", FIRST[:-1], FIRST + b"x", b"\xff" * 11, number(1) + number(7), b"\2" + b"\2" * 40):
            producer.produce("a", bad)
        producer.produce("a", SECOND)
        producer.flush(10)
        read("back", 4)
        wait_until(lambda: len(tarn.sql("SELECT reason FROM polariscatalog.dlq.jobs")) == 6, "the dead letters")
        for row in tarn.sql("SELECT reason FROM polariscatalog.dlq.jobs"):
            self.assertIn("avro", row["reason"])

    def test_refused(self):
        cases = {
            "a TIMESTAMP(6)": "TIMESTAMP(3)",
            "a TIMESTAMP_LTZ(3)": "avro.timestamp_mapping.legacy",
            "a MAP<INT, INT>": "keys of maps are strings",
            "`a-b` INT": "no name of a field",
        }
        for column, words in cases.items():
            with self.subTest(column):
                tarn = self.tarn(f"CREATE TABLE a ({column}) WITH ({KAFKA}'a', 'format' = 'avro');"
                                 "CREATE TABLE b WITH ('connector' = 'blackhole') LIKE a (EXCLUDING ALL);"
                                 "INSERT INTO b SELECT * FROM a;")
                done = tarn.command("check", check=False)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(words, done.stdout + done.stderr)

    def test_files(self):
        tarn = self.tarn("")
        folder = os.path.join(tarn.dir, "in")
        script = f"""
            CREATE DATABASE IF NOT EXISTS polariscatalog.db;
            CREATE TABLE ins (i INT, s STRING, more DOUBLE, day_ STRING) PARTITIONED BY (day_) WITH (
                'connector' = 'filesystem', 'path' = '{folder}', 'format' = 'avro', 'source.monitor-interval' = '200 ms');
            CREATE TABLE outs (i INT, s STRING, day_ STRING) PARTITIONED BY (day_) WITH (
                'connector' = 'filesystem', 'path' = '{tarn.dir}/out', 'format' = 'avro', 'avro.codec' = '%s');
            CREATE TABLE polariscatalog.db.rows_ (i INT, s STRING, more DOUBLE, day_ STRING);
            EXECUTE STATEMENT SET BEGIN
            INSERT INTO polariscatalog.db.rows_ SELECT * FROM ins;
            INSERT INTO outs SELECT i, s, day_ FROM ins;
            END;""" % "deflate"
        tarn.write("streams/jobs.sql", script)

        def put(name, first, count, codec):
            """Of another schema than the table's: order, a field more, one less, an int that is a long here."""
            schema = json.dumps({"type": "record", "name": "x", "fields": [
                {"name": "extra", "type": {"type": "enum", "name": "e", "symbols": ["A", "B"]}},
                {"name": "s", "type": ["string", "null"]}, {"name": "i", "type": "int"}]})
            sync = b"0123456789abcdef"
            out = b"Obj\1" + number(2) + text("avro.schema") + text(schema) + text("avro.codec") + text(codec) + number(0) + sync
            for block in range(first, first + count, 1000):
                ids = range(block, min(block + 1000, first + count))
                data = b"".join(number(1) + (number(0) + text(f"s{i}") if i % 3 else number(1)) + number(i) for i in ids)
                if codec == "deflate":
                    packer = zlib.compressobj(wbits=-15)
                    data = packer.compress(data) + packer.flush()
                out += number(len(ids)) + text(data) + sync
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            hidden = os.path.join(os.path.dirname(path), ".hidden")
            with open(hidden, "wb") as file:
                file.write(out)
            os.rename(hidden, path)

        def ids():
            return sorted(r["i"] for r in tarn.sql("SELECT i FROM polariscatalog.db.rows_"))

        put("day_=1/a.avro", 0, 20000, "deflate")
        tarn.start()
        wait_until(lambda: len(ids()) > 0, "the first rows")
        tarn.kill()
        tarn.start()
        put("day_=2/b.avro", 20000, 500, "null")
        wait_until(lambda: len(ids()) >= 20500, "all rows")
        self.assertEqual(ids(), list(range(20500)))
        rows = tarn.sql("SELECT * FROM polariscatalog.db.rows_ WHERE i IN (3, 20000) ORDER BY i")
        self.assertEqual([(r["s"], r["more"], r["day_"]) for r in rows], [(None, None, "1"), ("s20000", None, "2")])

        import duckdb
        connection = duckdb.connect(config={"allow_unsigned_extensions": True})
        packages = os.path.dirname(os.path.dirname(duckdb.__file__))
        extension, = glob.glob(f"{packages}/duckdb_extension_avro/extensions/*/*.duckdb_extension")
        connection.execute(f"LOAD '{extension}'")

        def written():
            files = glob.glob(f"{tarn.dir}/out/day_=*/part-*.avro")
            return sorted(connection.execute("SELECT i, s FROM read_avro($1)", [files]).fetchall()) if files else []

        wait_until(lambda: len(written()) >= 20500, "the files")
        self.assertEqual(written(), [(i, f"s{i}" if i % 3 else None) for i in range(20500)])


if __name__ == "__main__":
    unittest.main()
