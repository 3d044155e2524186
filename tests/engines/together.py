"""together.py - one table, three writers at once: a streaming job of tarn, Spark and pyiceberg.

The job commits every half second what a producer sends; Spark appends, deletes rows of its own and
compacts; pyiceberg appends. Their commits meet in the catalog, where the loser must try again. In
the end every row is there once: none lost, none doubled, none back from the dead.
"""

import json
import threading

from confluent_kafka import Producer

import model
from harness import Tarn, iceberg, wait_until

STREAM = """
CREATE CATALOG lake WITH ('type' = 'iceberg', 'catalog-type' = 'rest',
    'uri' = 'http://127.0.0.1:@CATALOG@/api/catalog', 'warehouse' = 'polariscatalog',
    'credential' = 'root:secret', 'scope' = 'PRINCIPAL_ROLE:ALL');
CREATE DATABASE IF NOT EXISTS lake.db;
CREATE TABLE IF NOT EXISTS lake.db.shared (id BIGINT, src STRING) WITH ('format-version' = '2',
    'write.delete.mode' = 'merge-on-read', 'commit.retry.num-retries' = '100');
CREATE TABLE events (id BIGINT, src STRING) WITH ('connector' = 'kafka', 'topic' = 'events',
    'format' = 'json', 'properties.bootstrap.servers' = '127.0.0.1:@KAFKA@',
    'scan.startup.mode' = 'earliest-offset');
INSERT INTO lake.db.shared SELECT id, src FROM events;
"""
TABLE = ("db", "shared")
FIELDS = model.columns("id long, src string")
STREAMED, BATCHES, BATCH = 20000, 12, 50


def produce(tarn, stop, errors):
    producer = Producer({"bootstrap.servers": tarn.bootstrap, "acks": "all"})
    for number in range(STREAMED):
        producer.produce("events", json.dumps({"id": number, "src": "stream"}))
        if number % 200 == 199:
            producer.flush(30)
            stop.wait(0.3)
    if producer.flush(30):
        errors.append("events were not delivered")


def append_from_python(tarn, errors):
    from pyiceberg.exceptions import CommitFailedException
    import pyarrow as pa

    try:
        catalog = iceberg(tarn)
        for batch in range(BATCHES):
            first = 2000000 + batch * BATCH
            data = pa.table({"id": pa.array(range(first, first + BATCH), pa.int64()), "src": ["python"] * BATCH})
            for _ in range(500):
                try:
                    catalog.load_table(TABLE).append(data)
                    break
                except CommitFailedException:
                    continue
            else:
                errors.append(f"pyiceberg's batch {batch} found no gap in 500 tries")
    except Exception as error:
        errors.append(error)


def spark_work(spark):
    """Appends, and takes every tenth row away again; what is left."""
    left = []
    for batch in range(BATCHES):
        first = 1000000 + batch * BATCH
        spark.do_append(TABLE, FIELDS, [{"id": n, "src": "spark"} for n in range(first, first + BATCH)])
        spark.do_delete(TABLE, f"src = 'spark' AND id >= {first} AND id % 10 = 0")
        left += [n for n in range(first, first + BATCH) if n % 10]
        if batch % 5 == 4:
            spark.sql(f"CALL lake.system.rewrite_data_files(table => 'db.shared', "
                      "options => map('rewrite-all', 'true', 'partial-progress.enabled', 'false'))")
    return left


def check(spark):
    """Runs all three; raises AssertionError with what differs."""
    tarn = Tarn({"shared.sql": STREAM})
    stop, errors, threads = threading.Event(), [], []
    try:
        tarn.start()
        spark.start(tarn)
        wait_until(lambda: iceberg(tarn).table_exists(TABLE), "the job's table")
        threads = [threading.Thread(target=produce, args=(tarn, stop, errors)),
                   threading.Thread(target=append_from_python, args=(tarn, errors))]
        for thread in threads:
            thread.start()
        left = spark_work(spark)
        for thread in threads:
            thread.join()
        wanted = sorted([*range(STREAMED), *left, *range(2000000, 2000000 + BATCHES * BATCH)])
        wait_until(lambda: tarn.sql("SELECT COUNT(*) AS c FROM polariscatalog.db.shared WHERE src = 'stream'")[0]["c"]
                   >= STREAMED, "the job to catch up", 60, 0.5)
        assert not errors, errors
        for name, got in (("spark", [r["id"] for r in spark.do_read(TABLE, FIELDS)]),
                          ("tarn", [r["id"] for r in tarn.sql("SELECT id FROM polariscatalog.db.shared")])):
            lost, extra = len(set(wanted) - set(got)), len(got) - len(set(got) & set(wanted))
            assert sorted(got) == wanted, f"{name} reads {len(got)} rows of {len(wanted)}: {lost} lost, {extra} too many"
        return len(iceberg(tarn).load_table(TABLE).metadata.metadata_log)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        spark.stop()
        tarn.close()
