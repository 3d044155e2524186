"""changes_in.py - topics that tell of changes, read as tables: upserts with tombstones, Debezium, Canal and
Maxwell, CSV and raw."""

import json
import random
import unittest

from confluent_kafka import Producer

from harness import Tarn, wait_until

KAFKA = ("'topic' = '{0}', 'properties.bootstrap.servers' = '127.0.0.1:@KAFKA@', "
         "'scan.startup.mode' = 'earliest-offset'")
LAKE = """CREATE DATABASE IF NOT EXISTS polariscatalog.db;
CREATE TABLE IF NOT EXISTS polariscatalog.db.{0} (k INT, city STRING, n INT, PRIMARY KEY (k) NOT ENFORCED);
CREATE TABLE IF NOT EXISTS polariscatalog.db.{0}_sums (city STRING, n BIGINT, total INT, PRIMARY KEY (city) NOT ENFORCED);
"""


def source(name, options, key=""):
    """A table of changes, copied into a keyed table, and summed by city into another."""
    return (LAKE.format(name) + f"CREATE TABLE {name} (k INT, city STRING, n INT{key}) WITH ({options});"
            f"EXECUTE STATEMENT SET BEGIN INSERT INTO polariscatalog.db.{name} SELECT * FROM {name};"
            f"INSERT INTO polariscatalog.db.{name}_sums SELECT city, COUNT(*), SUM(n) FROM {name} GROUP BY city; END;")


def changes(count, seed):
    """(key, row before, row after) of random changes of forty rows; the state they lead to."""
    rand, state, made = random.Random(seed), {}, []
    for _ in range(count):
        k = rand.randrange(40)
        before = state.get(k)
        if before is not None and rand.random() < 0.3:
            made.append((k, before, None))
            del state[k]
        else:
            state[k] = {"k": k, "city": rand.choice("abc"), "n": rand.randrange(100)}
            made.append((k, before, state[k]))
    return made, state


class Changes(unittest.TestCase):
    def run_topic(self, name, options, messages, state, key=""):
        if "scan.startup" in options and "upsert" in options:
            options = options.replace(", 'scan.startup.mode' = 'earliest-offset'", "")
        tarn = Tarn({"job.sql": source(name, options, key)}, {"topics": {name: {"partitions": 1}}})
        self.addCleanup(tarn.close)
        tarn.start()
        producer = Producer({"bootstrap.servers": tarn.bootstrap, "acks": "all"})
        for i, (message_key, value) in enumerate(messages):
            producer.produce(name, value, key=message_key)
            if i == len(messages) // 2:
                self.assertEqual(producer.flush(30), 0)
                tarn.kill()
                tarn.start()
        self.assertEqual(producer.flush(30), 0)

        def table():
            return {r["k"]: r for r in tarn.sql(f"SELECT * FROM polariscatalog.db.{name}")}

        def sums():
            return {r["city"]: (r["n"], r["total"]) for r in
                    tarn.sql(f"SELECT * FROM polariscatalog.db.{name}_sums")}

        wanted = {}
        for row in state.values():
            n, total = wanted.get(row["city"], (0, 0))
            wanted[row["city"]] = (n + 1, total + row["n"])
        wait_until(lambda: table() == state and sums() == wanted, "the final state", 25)

    def test_upserts_with_tombstones(self):
        made, state = changes(1500, 1)
        messages = [(json.dumps({"k": k}).encode(), after and json.dumps(after).encode()) for k, _, after in made]
        self.run_topic("ups", "'connector' = 'upsert-kafka', 'key.format' = 'json', 'value.format' = 'json', "
                       + KAFKA.format("ups"), messages, state, ", PRIMARY KEY (k) NOT ENFORCED")

    def test_upserts_whose_value_has_no_key(self):
        made, state = changes(600, 5)
        messages = [(str(k).encode(), after and f"{after['city']};{after['n']}".encode()) for k, _, after in made]
        self.run_topic("apart", "'connector' = 'upsert-kafka', 'key.format' = 'csv', 'value.format' = 'csv', "
                       "'value.csv.field-delimiter' = ';', 'value.fields-include' = 'EXCEPT_KEY', "
                       + KAFKA.format("apart"), messages, state, ", PRIMARY KEY (k) NOT ENFORCED")

    def test_debezium(self):
        made, state = changes(1500, 2)
        messages = []
        for _, before, after in made:
            op = "c" if before is None else "u" if after else "d"
            messages.append((None, json.dumps({"schema": None, "payload": {
                "before": before, "after": after, "op": op, "ts_ms": 1, "source": {"table": "t"}}}).encode()))
            if op == "d":
                messages.append((b"1", None))  # Debezium's own tombstone
        self.run_topic("dbz", "'connector' = 'kafka', 'format' = 'debezium-json', "
                       "'debezium-json.schema-include' = 'true', " + KAFKA.format("dbz"), messages, state)

    def test_canal_and_maxwell(self):
        for name, seed in (("canal", 3), ("maxwell", 4)):
            made, state = changes(800, seed)
            messages = []
            for _, before, after in made:
                old = before and after and {c: before[c] for c in before if before[c] != after[c]}
                kind = "insert" if before is None else "update" if after else "delete"
                row = after or before
                if name == "canal":
                    message = {"data": [{c: str(v) for c, v in row.items()}], "type": kind.upper(),
                               "old": [old] if old is not None else None, "isDdl": False, "table": "t"}
                else:
                    message = {"data": row, "type": kind, "table": "t", "ts": 1}
                    if old is not None:
                        message["old"] = old
                messages.append((None, json.dumps(message).encode()))
            with self.subTest(format=name):
                self.run_topic(name, f"'connector' = 'kafka', 'format' = '{name}-json', " + KAFKA.format(name),
                               messages, state)


if __name__ == "__main__":
    unittest.main()
