"""checks_streams.py - rows that type streaming SQL: into `tarn sql`, until the gateway of Flink's client exists.

What a row leaves out (the catalog, the table it writes) is typed before it. Rows come in through the broker, and a last
one far ahead in time closes the windows.
"""

import datetime
import json

from confluent_kafka import Producer

from checks import equal, expect, row
from harness import wait_until
from postgres import Postgres

CATALOG = """CREATE CATALOG {0} WITH ('type' = 'iceberg', 'catalog-type' = 'rest', 'uri' = 'http://localhost:8181',
    'warehouse' = 'polariscatalog');
CREATE DATABASE IF NOT EXISTS {0}.{1};
"""
START = datetime.datetime(2025, 12, 20, 12, 0, 0)
SQL = "typed into tarn sql"


def produce(topic, events, partitions=1):
    """In order; the last event goes into every partition."""
    producer = Producer({"bootstrap.servers": "localhost:9092", "acks": "all"})
    for event in events[:-1]:
        producer.produce(topic, json.dumps(event).encode(), partition=0)
    for partition in range(partitions):
        producer.produce(topic, json.dumps(events[-1]).encode(), partition=partition)
    equal(producer.flush(20), 0)


def submit(lab, text):
    lab.tarn.write("typed.sql", text)
    return lab.type("tarn sql -f typed.sql")


def at(seconds):
    return (START + datetime.timedelta(seconds=seconds)).isoformat(sep=" ", timespec="milliseconds")


def partitions_of(lab, topic):
    return int(lab.type(f"kcat -L -J -b localhost:9092 -t {topic} | jq '.topics[0].partitions | length'"))


@row("S1-009", note=SQL)
def defaults_are_said(lab, row):
    said = submit(lab, row.command)
    expect(said, r"\[INFO\] Execute statement succeeded\.", r"No 'format' is given: json",
           r"no 'scan.startup.mode': group-offsets, .* earliest")


@row("S2-314", note=SQL + ": a lookup of tables of the catalog", late=96)
def enriched(lab, row):
    submit(lab, CATALOG.format("polaris_catalog", "enriched") + """
        CREATE TABLE polaris_catalog.enriched.customers (customer_id STRING, name STRING);
        CREATE TABLE polaris_catalog.enriched.merchants (provider STRING, city STRING);
        CREATE TABLE polaris_catalog.enriched.charges (charge_id STRING, name STRING, city STRING);
        INSERT INTO polaris_catalog.enriched.customers VALUES ('cust_a', 'Ann'), ('cust_b', 'Bob');
        INSERT INTO polaris_catalog.enriched.merchants VALUES ('stripe', 'Dublin');""")
    submit(lab, """SET 'pipeline.name' = 'enriched';
        CREATE CATALOG polaris_catalog WITH ('type' = 'iceberg', 'catalog-type' = 'rest', 'uri' = 'http://localhost:8181',
            'warehouse' = 'polariscatalog');
        CREATE TABLE charges (charge_id STRING, customer_id STRING, provider STRING, proc_time AS PROCTIME())
        WITH ('connector' = 'kafka', 'topic' = 'enrich_charges', 'format' = 'json',
            'properties.bootstrap.servers' = 'localhost:9092', 'scan.startup.mode' = 'earliest-offset');
        INSERT INTO polaris_catalog.enriched.charges SELECT p.charge_id, c.name, m.city FROM charges AS p
        JOIN polaris_catalog.enriched.customers FOR SYSTEM_TIME AS OF p.proc_time AS c ON p.customer_id = c.customer_id
        LEFT JOIN polaris_catalog.enriched.merchants FOR SYSTEM_TIME AS OF p.proc_time AS m ON p.provider = m.provider;""")
    lab.type("kafka-topics.sh --bootstrap-server localhost:9092 --create --topic enrich_charges --partitions 1", status=None)
    produce("enrich_charges", [{"charge_id": "ch_1", "customer_id": "cust_a", "provider": "stripe"},
                               {"charge_id": "ch_2", "customer_id": "nobody", "provider": "stripe"},
                               {"charge_id": "ch_3", "customer_id": "cust_b", "provider": "paypal"}])

    def found():
        return sorted((r["charge_id"], r["name"], r["city"])
                      for r in lab.tarn.sql("SELECT * FROM polaris_catalog.enriched.charges".replace("polaris_", "polaris")))

    wait_until(lambda: len(found()) >= 2, "enriched rows", 30)
    equal(found(), [("ch_1", "Ann", "Dublin"), ("ch_3", "Bob", None)])
    lab.type("tarn job cancel enriched")


@row("S1-010", note=SQL)
def windows_of_user_events(lab, row):
    source = next(each for each in rows_of(row.document) if each.id == "S1-009").command
    submit(lab, CATALOG.format("iceberg_catalog", "db") + """
        CREATE TABLE IF NOT EXISTS iceberg_catalog.db.user_activity (user_id BIGINT, event_type STRING,
            window_end TIMESTAMP(3), event_count BIGINT);
        SET 'pipeline.name' = 'user_activity';
        """ + source + "\n" + row.command)
    partitions = partitions_of(lab, "user_events")
    events = [{"user_id": n % 3, "event_type": "click" if n % 2 else "view", "event_time": at(n)} for n in range(180)]
    produce("user_events", events[:90], partitions)
    lab.tarn.kill()
    lab.tarn.start()
    produce("user_events", events[90:] + [{"user_id": 9, "event_type": "end", "event_time": at(600)}], partitions)
    expected = sorted([user, kind, f"12:0{minute + 1}", 10] for user in range(3) for kind in ("click", "view")
                      for minute in range(3))

    def found():
        return sorted([r["user_id"], r["event_type"], r["window_end"][11:16], r["event_count"]]
                      for r in lab.tarn.sql("SELECT * FROM polariscatalog.db.user_activity"))

    wait_until(lambda: len(found()) >= len(expected), "windows", 30)
    # Only now its windows are over: what comes in one batch with their end is not late.
    late = {"user_id": 0, "event_type": "click", "event_time": at(1)}
    produce("user_events", [late, {"user_id": 9, "event_type": "end", "event_time": at(1200)}], partitions)
    expected.append([9, "end", "12:11", partitions])
    wait_until(lambda: len(found()) >= len(expected), "windows", 30)
    equal(found(), expected)
    lab.type("tarn job cancel user_activity")


def rows_of(document):
    import acceptance  # it is loaded by then, and it is who reads the table
    return [each for each in acceptance.read_rows() if each.document == document]


@row("S1-031", note=SQL)
def five_minutes(lab, row):
    submit(lab, CATALOG.format("iceberg_catalog", "db") + """
        CREATE TABLE clicks (user_id BIGINT, action STRING, `timestamp` TIMESTAMP(3),
            WATERMARK FOR `timestamp` AS `timestamp` - INTERVAL '5' SECOND)
        WITH ('connector' = 'kafka', 'topic' = 'clicks_5m', 'properties.bootstrap.servers' = 'localhost:9092',
            'scan.startup.mode' = 'earliest-offset');
        CREATE TABLE IF NOT EXISTS iceberg_catalog.db.five_minutes (user_id BIGINT, window_start TIMESTAMP(3),
            n BIGINT);
        SET 'pipeline.name' = 'five_minutes';
        INSERT INTO iceberg_catalog.db.five_minutes SELECT user_id, window_start, COUNT(*)
        FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(`timestamp`), INTERVAL '5' MINUTE))
        GROUP BY user_id, window_start, window_end;""")
    lab.type("kafka-topics.sh --bootstrap-server localhost:9092 --create --topic clicks_5m --partitions 1", status=None)
    events = [{"user_id": n % 2, "action": "click", "timestamp": at(n * 10).replace(" ", "T") + "456"}
              for n in range(60)]
    produce("clicks_5m", events + [{"user_id": 9, "timestamp": at(3600)}])

    def found():
        return sorted([r["user_id"], r["window_start"][11:16], r["n"]]
                      for r in lab.tarn.sql("SELECT * FROM polariscatalog.db.five_minutes"))

    wait_until(lambda: len(found()) >= 4, "windows", 30)
    equal(found(), [[0, "12:00", 15], [0, "12:05", 15], [1, "12:00", 15], [1, "12:05", 15]])
    lab.type("tarn job cancel five_minutes")


@row("S1-034", note=SQL)
def moving_averages(lab, row):
    submit(lab, CATALOG.format("iceberg_catalog", "db") + """
        CREATE TABLE sensor_data (device_id STRING, `timestamp` TIMESTAMP(3), temperature DOUBLE, humidity DOUBLE,
            location STRING, WATERMARK FOR `timestamp` AS `timestamp` - INTERVAL '5' SECOND)
        WITH ('connector' = 'kafka', 'topic' = 'sensor_data', 'properties.bootstrap.servers' = 'localhost:9092',
            'scan.startup.mode' = 'latest-offset');
        CREATE TABLE IF NOT EXISTS iceberg_catalog.db.averages (device_id STRING, at_ TIMESTAMP(3), temperature DOUBLE,
            average DOUBLE, anomaly BOOLEAN);
        SET 'pipeline.name' = 'averages';
        INSERT INTO iceberg_catalog.db.averages
        SELECT device_id, at_, temperature, average, temperature > 80 OR temperature > average * 1.5 FROM (
            SELECT device_id, `timestamp` AS at_, temperature, AVG(temperature) OVER (PARTITION BY device_id
                ORDER BY `timestamp` ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS average FROM sensor_data);""")
    wait_until(lambda: "averages" in lab.type("tarn job list"), "the job")
    readings = [("d1", 20.0), ("d2", 90.0), ("d1", 22.0), ("d1", 24.0), ("d1", 60.0)]
    events = [{"device_id": device, "timestamp": at(n), "temperature": degrees, "humidity": 40.0, "location": "hall"}
              for n, (device, degrees) in enumerate(readings)]
    produce("sensor_data", events + [{"device_id": "end", "timestamp": at(3600), "temperature": 0.0}],
            partitions_of(lab, "sensor_data"))

    def found():
        rows = lab.tarn.sql("SELECT * FROM polariscatalog.db.averages WHERE device_id <> 'end'")
        return sorted([r["device_id"], r["at_"][17:19], r["average"], r["anomaly"]] for r in rows)

    wait_until(lambda: len(found()) >= 5, "averages", 30)
    equal(found(), [["d1", "00", 20.0, False], ["d1", "02", 21.0, False], ["d1", "03", 22.0, False],
                    ["d1", "04", 106.0 / 3, True], ["d2", "01", 90.0, True]])
    lab.type("tarn job cancel averages")


@row("S1-042", note=SQL)
def checkpoint_interval(lab, row):
    name = "every_minute"
    submit(lab, f"""SET 'pipeline.name' = '{name}';
        SET 'execution.checkpointing.interval' = '60s';
        SET 'execution.checkpointing.mode' = 'EXACTLY_ONCE';
        CREATE TABLE made (n INT) WITH ('connector' = 'datagen', 'rows-per-second' = '1');
        CREATE TABLE gone (n INT) WITH ('connector' = 'blackhole');
        INSERT INTO gone SELECT n FROM made;""")
    jobs = json.loads(lab.type("curl -s http://localhost:8081/jobs/overview"))["jobs"]
    job = next(each["jid"] for each in jobs if each["name"] == name)
    config = json.loads(lab.type(f"curl -s http://localhost:8081/jobs/{job}/checkpoints/config"))
    equal(config["mode"], "exactly_once")
    equal(config["interval"], 60000)
    lab.type(f"tarn job cancel {name}")


@row("S3-322", note=SQL)
def sessions(lab, row):
    lab.type("kafka-topics.sh --bootstrap-server localhost:9092 --create --topic session_events --partitions 1",
             status=None)
    submit(lab, CATALOG.format("lake", "db").replace("polariscatalog", "rest") + """
        CREATE TABLE events (user_id BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
        WITH ('connector' = 'kafka', 'topic' = 'session_events', 'properties.bootstrap.servers' = 'localhost:9092',
            'scan.startup.mode' = 'earliest-offset');
        CREATE TABLE IF NOT EXISTS lake.db.sessions (s TIMESTAMP(3), e TIMESTAMP(3), user_id BIGINT, n BIGINT);
        SET 'pipeline.name' = 'sessions';
        INSERT INTO lake.db.sessions """ + row.command.rstrip(";") + ";")
    minutes = [(1, 0), (1, 4), (1, 10), (2, 1), (2, 3)]
    produce("session_events", [{"user_id": user, "ts": at(60 * minute)} for user, minute in
                               sorted(minutes, key=lambda each: each[1])] + [{"user_id": 9, "ts": at(7200)}])

    def found():
        return sorted([r["user_id"], r["s"][11:16], r["e"][11:16], r["n"]]
                      for r in lab.tarn.sql("SELECT * FROM rest.db.sessions"))

    wait_until(lambda: len(found()) >= 3, "sessions", 30)
    equal(found(), [[1, "12:00", "12:09", 2], [1, "12:10", "12:15", 1], [2, "12:01", "12:08", 2]])
    lab.type("tarn job cancel sessions")


@row("S3-325", note=SQL + ", with a PostgreSQL beside tarn")
def rows_reach_each_sink(lab, row):
    there = Postgres()
    try:
        there.run("CREATE TABLE sunk (n BIGINT PRIMARY KEY, name TEXT)")
        submit(lab, CATALOG.format("lake", "db").replace("polariscatalog", "rest") + f"""
            CREATE TABLE made (n BIGINT, name AS CONCAT('n', CAST(n AS STRING))) WITH ('connector' = 'datagen',
                'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '500', 'number-of-rows' = '500',
                'rows-per-second' = '1000');
            CREATE TABLE IF NOT EXISTS lake.db.sunk (n BIGINT, name STRING);
            CREATE TABLE files (n BIGINT, name STRING) WITH ('connector' = 'filesystem', 'path' = 's3://warehouse/sunk',
                'format' = 'csv');
            CREATE TABLE sunk (n BIGINT, name STRING, PRIMARY KEY (n) NOT ENFORCED) WITH ('connector' = 'jdbc',
                'url' = 'jdbc:postgresql://127.0.0.1:{there.port}/shop', 'table-name' = 'sunk', 'username' = 'app');
            SET 'pipeline.name' = 'sinks';
            EXECUTE STATEMENT SET BEGIN
              INSERT INTO lake.db.sunk SELECT n, name FROM made;
              INSERT INTO files SELECT n, name FROM made;
              INSERT INTO sunk SELECT n, name FROM made;
            END;""")
        wait_until(lambda: there.run("SELECT COUNT(*), MAX(name) FROM sunk") == [["500", "n99"]], "rows in PostgreSQL", 30)
        count = "SELECT COUNT(*) AS n, COUNT(DISTINCT name) AS d FROM "
        wait_until(lambda: lab.tarn.sql(count + "rest.db.sunk") == [{"n": 500, "d": 500}], "rows in Iceberg", 30)
        equal(lab.tarn.sql("CREATE TABLE files (n BIGINT, name STRING) WITH ('connector' = 'filesystem', 'path' = "
                           "'s3://warehouse/sunk', 'format' = 'csv'); " + count + "files"), [{"n": 500, "d": 500}])
    finally:
        there.close()
