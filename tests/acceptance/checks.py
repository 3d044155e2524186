"""checks.py - for rows of commands.tsv: how the answer is judged, by the column `expected`.

A check types the row's command as it stands wherever that is possible. Where a client is not to be
had, or the row describes several steps, the check says in `note` what was done instead, and the
report shows it.
"""

import json
import os
import re
import subprocess
import time

from harness import ROOT, boto, duckdb_connection, iceberg, wait_until

CHECKS = {}


class Check:
    def __init__(self, judge, note="", late=0):
        self.judge, self.note, self.late = judge, note, late


def row(*ids, note="", late=0):
    """Decorator: judge(lab, row) for these rows. `late`: after all with a smaller number."""
    def keep(judge):
        for each in ids:
            assert each not in CHECKS, each
            CHECKS[each] = Check(judge, note, late)
        return judge
    return keep


def expect(text, *patterns):
    for pattern in patterns:
        if not re.search(pattern, text, re.M):
            raise AssertionError(f"nothing matches {pattern!r}")


def says(*ids, has=(), lacks=(), command=None, status=0, note="", late=0, timeout=60):
    """The row's command, or `command` in its place, ends with `status` and prints what is expected."""
    def judge(lab, row):
        out = lab.type(command or row.command, status, timeout)
        expect(out, *has)
        for pattern in lacks:
            if re.search(pattern, out, re.M):
                raise AssertionError(f"{pattern!r} is there")
    row(*ids, note=note, late=late)(judge)


def equal(found, expected):
    if found != expected:
        raise AssertionError(f"{found!r}, expected {expected!r}")


def topics_there(lab):
    return lab.type("kcat -L -J -b localhost:9092 | jq -r '.topics[].topic'").split()


def consume(lab, topic, form="%s"):
    """Every record of a topic, a line each; none when there is no such topic."""
    if topic not in topics_there(lab):
        return []
    return lab.type(f"kcat -C -q -e -b localhost:9092 -t {topic} -o beginning -f '{form}\\n'").splitlines()


# ---- the projects: each document's ports, credentials, buckets and topics ----

def topics(*names):
    return {name: None for name in names}


PROJECTS = {
    "S0": {"ports": (9092, 9000, 8181), "settings": {
        "s3": {"secret_key": "admin123"},
        "topics": topics("shopify.orders", "shopify.customers", "stripe.charges", "hubspot.contacts"),
        "catalog": {"warehouse": "s3://warehouse", "name": "iceberg"}}},
    "S1": {"ports": (9092, 9000, 8181), "settings": {
        "kafka": {"listeners": [{"port": 29092, "advertised": "localhost"}]},
        "s3": {"buckets": ["warehouse", "lake-data"]},
        "topics": topics("user_events", "transaction_logs", "sensor_data")},
        "streams": {"user_events.sql": """
            CREATE TABLE user_events (user_id BIGINT, event_type STRING, page STRING)
            WITH ('connector' = 'kafka', 'topic' = 'user_events', 'format' = 'json',
                  'properties.bootstrap.servers' = 'localhost:9092',
                  'scan.startup.mode' = 'earliest-offset');
            CREATE CATALOG lake WITH ('type' = 'iceberg', 'catalog-type' = 'rest',
                'uri' = 'http://localhost:8181', 'warehouse' = 'polariscatalog');
            CREATE DATABASE IF NOT EXISTS lake.`public`;
            CREATE TABLE IF NOT EXISTS lake.`public`.user_events (
                user_id BIGINT, event_type STRING, page STRING);
            INSERT INTO lake.`public`.user_events SELECT * FROM user_events;"""}},
    "S2": {"ports": (9092, 9000, 8181), "example": "payments"},
    "S3": {"ports": (9092, 9000, 8181), "settings": {
        "s3": {"buckets": ["warehouse", "factorhouse"]},
        "catalog": {"warehouse": "s3://warehouse", "name": "rest"}}},
    "S4": {"ports": (9092, 9000, 8181), "settings": {
        "kafka": {"partitions": 3, "listeners": [{"port": 9093, "advertised": "localhost"}]},
        "topics": topics("user-events", "orders", "pipeline-metrics", "dead-letter-queue")}},
}

MC = os.path.join(ROOT, ".deps", "go", "bin")
NO_MC = "" if os.path.exists(os.path.join(MC, "mc")) else "typed with boto3: mc was not built (scripts/deps --go)"
NO_RPK = "typed with Kafka's tools: rpk is in no package registry"
NO_DOCKER = "tarn's own command, as the row says"

# ---- S0 ----

PAYMENT_TOPICS = ("payment_charges", "payment_refunds", "payment_disputes", "payment_subscriptions")
S0_TOPICS = ("shopify.orders", "shopify.customers", "stripe.charges", "hubspot.contacts")


@row("S0-001")
def health_and_no_anonymous(lab, row):
    expect(lab.type(row.command), r"^HTTP/1.1 200", r"[Cc]ontent-[Ll]ength: 0")
    expect(lab.type("curl -i -s http://localhost:9000/"), r"^HTTP/1.1 403", "<Code>AccessDenied</Code>")


@row("S0-003", "S0-030", "S0-033", "S3-022")
def catalog_config(lab, row):
    """The row's address, by curl where the row opens it in a browser."""
    answer = json.loads(lab.type("curl -sS " + row.command.split()[-1]))
    for key in ("defaults", "overrides"):
        if not isinstance(answer[key], dict):
            raise AssertionError(f"{key} is no object")
    if row.id == "S3-022":
        equal(answer["defaults"]["warehouse"].rstrip("/"), "s3://warehouse")
    if row.id == "S0-033":
        expect(" ".join(answer["endpoints"]), r"GET /v1/\{prefix\}/namespaces")
        json.loads(lab.type(f"curl -sS {row.command.split()[-1]}?warehouse=s3a://warehouse/"))["defaults"]

says("S0-005", has=["1 brokers:"] + [rf'topic "{t}" with 1 partitions' for t in S0_TOPICS])
says("S0-042", has=[rf"Topic: {t}\s.*PartitionCount: 1\s" for t in S0_TOPICS])
says("S0-036", note=NO_RPK, has=[rf"^Topic: {t}\s.*PartitionCount: 1\s+ReplicationFactor: 1" for t in S0_TOPICS],
     command="kafka-topics.sh --bootstrap-server localhost:9092 --describe")
says("S0-044", note=NO_RPK, has=["PartitionCount: 1", "Configs:.*retention.ms|Dynamic configs|retention.ms="],
     command="kafka-topics.sh --bootstrap-server localhost:9092 --describe --topic shopify.orders; "
             "kafka-configs.sh --bootstrap-server localhost:9092 --describe --all --topic shopify.orders")


@row("S0-043", note=NO_RPK)
def lag_of_a_group(lab, row):
    lab.type("seq 5 | kcat -P -b localhost:9092 -t stripe.charges")
    lab.type("kcat -b localhost:9092 -G lagging -q -c 2 -X auto.offset.reset=earliest stripe.charges")
    expect(lab.type("kafka-consumer-groups.sh --bootstrap-server localhost:9092 --list"), "^lagging$")
    expect(lab.type("kafka-consumer-groups.sh --bootstrap-server localhost:9092 --describe "
                    "--group lagging"), r"lagging\s+stripe.charges\s+0\s+2\s+5\s+3\s")


@row("S0-306", note="the webhook's body was produced with kcat: the ingestion API is not built yet")
def one_record_from_the_beginning(lab, row):
    body = '{"id": 1, "email": "a@example.com"}'
    lab.type(f"echo '{body}' | kcat -P -b localhost:9092 -t shopify.orders")
    expect(lab.type(row.command), "^" + re.escape(body) + "$", "Processed a total of 1 messages")


@row("S0-307", late=1)
def reset_to_earliest(lab, row):
    lab.type("seq 3 | kcat -P -b localhost:9092 -t shopify.orders")
    lab.type("kcat -b localhost:9092 -G g -q -c 1 -X auto.offset.reset=latest -X enable.auto.commit=true "
             "-o end shopify.orders & sleep 1; echo x | kcat -P -b localhost:9092 -t shopify.orders; wait")
    expect(lab.type(row.command), r"g\s+shopify.orders\s+0\s+0")
    expect(lab.type("kafka-consumer-groups.sh --bootstrap-server localhost:9092 --describe --group g"),
           r"g\s+shopify.orders\s+0\s+0\s")


@row("S0-037", "S1-044", "S3-021", note="typed with boto3")
def signed_path_style_requests(lab, row):
    import boto3
    from botocore.config import Config

    secret = "admin123" if row.document == "S0" else "password"
    bucket = "lake-data" if row.document == "S1" else "warehouse"
    region = "eu-north-1" if row.document == "S3" else "us-east-1"
    s3 = boto3.client("s3", endpoint_url="http://localhost:9000", region_name=region,
                      aws_access_key_id="admin", aws_secret_access_key=secret,
                      config=Config(s3={"addressing_style": "path"}))
    s3.put_object(Bucket=bucket, Key="key", Body=b"body")
    equal(s3.get_object(Bucket=bucket, Key="key")["Body"].read(), b"body")
    s3.delete_object(Bucket=bucket, Key="key")


def with_mc(lab, command):
    """A row's command by the mc that was built; None when none was."""
    return None if NO_MC else lab.type(f"export PATH={MC}:$PATH; {command}")


@row("S0-038", note=NO_MC)
def warehouse_is_listed(lab, row):
    listed = with_mc(lab, row.command)
    if listed is not None:
        expect(listed, r"\swarehouse/$")
        return
    s3 = boto(lab.tarn, secret="admin123")
    if "warehouse" not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]:
        raise AssertionError("no bucket warehouse")


@row("S0-311")
def namespaces_and_rows(lab, row):
    import pyarrow as pa

    catalog = iceberg(lab.tarn, "", **{"s3.secret-access-key": "admin123", "warehouse": "iceberg"})
    catalog.create_namespace_if_not_exists("listed")
    catalog.create_table("listed.t", pa.schema([("id", pa.int64())])).append(pa.table({"id": [1, 2]}))
    expect(lab.type(row.command), r"\('listed',\)")
    scan = row.command.replace("c.list_namespaces()", "len(c.load_table('listed.t').scan().to_arrow())")
    equal(lab.type(scan).strip(), "2")


@row("S0-313")
def sixteen_writers(lab, row):
    import threading

    import pyarrow as pa
    from pyiceberg.exceptions import CommitFailedException

    def catalog():
        return iceberg(lab.tarn, "", **{"s3.secret-access-key": "admin123", "warehouse": "iceberg"})
    catalog().create_namespace_if_not_exists("raw")
    catalog().create_table("raw.many", pa.schema([("id", pa.int64())]))
    failed = []

    def write(number):
        mine = catalog()
        for _ in range(200):
            try:
                return mine.load_table("raw.many").append(pa.table({"id": [number]}))
            except CommitFailedException:
                continue
            except Exception as error:
                failed.append(error)
                return None
        failed.append(number)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(failed, [])
    equal(sorted(catalog().load_table("raw.many").scan().to_arrow()["id"].to_pylist()), list(range(16)))


@row("S0-039", note="kept in SQLite: a PostgreSQL behind the catalog is not built yet")
def s3a_is_s3(lab, row):
    import pyarrow as pa

    catalog = iceberg(lab.tarn, "", **{"s3.secret-access-key": "admin123", "warehouse": "s3a://warehouse/"})
    catalog.create_namespace("places")
    made = catalog.create_table("places.s3a", pa.schema([("id", pa.int64())]),
                                location="s3a://warehouse/elsewhere/s3a")
    made.append(pa.table({"id": [1, 2]}))
    equal(catalog.load_table("places.s3a").scan().to_arrow()["id"].to_pylist(), [1, 2])
    keys = boto(lab.tarn, secret="admin123").list_objects_v2(
        Bucket="warehouse", Prefix="elsewhere/s3a/data/")
    equal(keys["KeyCount"], 1)
    catalog.drop_table("places.s3a")
    catalog.drop_namespace("places")


@row("S0-315")
def register_again(lab, row):
    import pyarrow as pa

    catalog = iceberg(lab.tarn, "", **{"s3.secret-access-key": "admin123", "warehouse": "iceberg"})
    catalog.create_namespace_if_not_exists("raw")
    location = catalog.create_table("raw.t", pa.schema([("id", pa.int64())])).metadata_location
    catalog.drop_table("raw.t")
    expect(lab.type("tarn doctor"), r"^note .*s3://warehouse/raw/t is on storage and not in the catalog",
           "tarn table register .*" + re.escape(location))
    expect(lab.type(row.command.replace("curl ", "curl -sS -i ").replace(
        "s3a://warehouse/...", location.replace("s3://", "s3a://"))),
           r"^HTTP/1.1 200", '"metadata-location"')
    equal(catalog.load_table("raw.t").metadata_location, location)
    if "s3://warehouse/raw/t " in lab.type("tarn doctor"):
        raise AssertionError("it is there again, and not said to be lost")


# ---- S1 ----

says("S1-001", has=["1 brokers:", r"localhost:29092"]
     + [f'topic "{t}"' for t in ("user_events", "transaction_logs", "sensor_data")])
says("S1-017", has=["broker 1 at localhost:9092|broker 1 at 127.0.0.1:9092", "broker 1 at localhost:29092"])


def run_python(lab, source):
    path = lab.tarn.write("typed.py", source)
    return lab.type(f"python {path}")


@row("S1-008")
def produce_a_page_view(lab, row):
    before = len(consume(lab, "user_events"))
    run_python(lab, row.command + "\nprint(producer.metrics() is not None)")
    found = consume(lab, "user_events")[before:]
    equal([json.loads(line) for line in found],
          [{"user_id": 123, "event_type": "page_view", "timestamp": "2025-12-20T12:00:00Z",
            "page": "/products"}])


def produced_by_function(topic, call, keys):
    """The document prints a function; it is called once and the record read back."""
    def judge(lab, row):
        before = len(consume(lab, topic))
        run_python(lab, f"{row.command}\n{call}\nproducer.flush()")
        found = consume(lab, topic)[before:]
        equal(len(found), 1)
        equal(sorted(json.loads(found[0])), sorted(keys))
    return judge


row("S1-030")(produced_by_function("user_events", "log_user_event(1, '/products', 'click')",
                                   ["user_id", "timestamp", "action", "page"]))
row("S1-033")(produced_by_function(
    "sensor_data", "send_sensor_reading('d1', {'temp': 21.5, 'humidity': 40.0, 'location': 'hall'})",
    ["device_id", "timestamp", "temperature", "humidity", "location"]))
row("S1-036")(produced_by_function(
    "transactions", "record_transaction({'id': 't1', 'user_id': 1, 'amount': 10.0, "
    "'timestamp': '2025-12-20T12:00:00', 'merchant': 'm', 'location': 'x'})",
    ["txn_id", "user_id", "amount", "timestamp", "merchant", "location"]))


@row("S1-045")
def lz4_and_acks_all(lab, row):
    before = len(consume(lab, "user_events"))
    lab.type('for i in $(seq 200); do echo "{\\"user_id\\": $i}"; done | ' + row.command)
    found = consume(lab, "user_events")[before:]
    equal([json.loads(line)["user_id"] for line in found], list(range(1, 201)))
    equal(lab.tarn.alive(), True)


@row("S1-046")
def consumer_properties(lab, row):
    count = len(consume(lab, "user_events"))
    out = lab.type(f"{row.command} --max-messages {count} --timeout-ms 20000")
    expect(out, f"Processed a total of {count} messages")


says("S1-051", has=["^user_events$"])


@row("S1-052", late=1)
def describe_the_demo_group(lab, row):
    lab.type("kcat -b localhost:9092 -G streaming-demo-consumer -q -c 10 -X auto.offset.reset=earliest "
             "user_events")
    out = lab.type(row.command)
    expect(out, r"GROUP\s+TOPIC\s+PARTITION\s+CURRENT-OFFSET\s+LOG-END-OFFSET\s+LAG\s+CONSUMER-ID\s+HOST"
                r"\s+CLIENT-ID", r"streaming-demo-consumer\s+user_events\s+0\s+10\s+\d+\s+\d+")


says("S1-053", has=["Processed a total of 10 messages"], late=1)


@row("S1-062")
def api_versions(lab, row):
    out = lab.type(row.command)
    expect(out, r"^(localhost|127.0.0.1):9092 \(id: 1 rack: null", r"\tProduce\(0\): .*\[usable: \d+\]")
    equal(len(re.findall(r"\(id: \d+ rack", out)), 1)


@row("S1-312")
def a_scan_sees_one_whole_snapshot(lab, row):
    import threading

    import pyarrow as pa

    catalog = iceberg(lab.tarn, "")
    catalog.create_namespace_if_not_exists("watched")
    table = catalog.create_table("watched.t", pa.schema([("id", pa.int64())]))
    stop = threading.Event()

    def write():
        while not stop.wait(0.2):
            table.append(pa.table({"id": list(range(50))}))
    writer = threading.Thread(target=write)
    writer.start()
    try:
        counts = [len(iceberg(lab.tarn, "").load_table("watched.t").scan().to_arrow()) for _ in range(20)]
    finally:
        stop.set()
        writer.join()
    equal([count for count in counts if count % 50], [])
    equal(counts, sorted(counts))


@row("S1-318", note="with the store's keys: pyiceberg needs them", late=2)
def pyiceberg_to_duckdb(lab, row):
    command = row.command.replace("uri='http://localhost:8181')", "uri='http://localhost:8181',**{"
                                  "'s3.endpoint':'http://localhost:9000','s3.access-key-id':'admin',"
                                  "'s3.secret-access-key':'password'})")
    produced = len(consume(lab, "user_events"))

    def counted():
        return re.search(rf"│\s+{produced}\s*│|\b{produced}\b", lab.type(command))
    wait_until(counted, f"{produced} rows", 20, 0.5)


@row("S1-012", note="typed in DuckDB with its iceberg extension, attached as `iceberg`", late=3)
def duckdb_counts_the_last_hour(lab, row):
    import datetime

    import pyarrow as pa
    from pyiceberg.types import TimestampType

    table = iceberg(lab.tarn, "").load_table("public.user_events")
    if "event_time" not in table.schema().column_names:  # the demo's own events have no time
        with table.update_schema() as change:
            change.add_column("event_time", TimestampType())
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    hours = [0, 0.5, 0.9, 1.5, 48]
    schema = table.refresh().schema().as_arrow()
    table.append(pa.Table.from_pylist(
        [{"event_type": "typed_by_duckdb", "event_time": now - datetime.timedelta(hours=h)}
         for h in hours], schema=schema))
    duck = duckdb_connection(lab.tarn, "", "iceberg")
    duck.execute("SET TimeZone = 'UTC'")
    equal(dict(duck.execute(row.command).fetchall()), {"typed_by_duckdb": 3})


for each in ("S1-020", "S1-067", "S3-023"):
    says(each, has=["HTTP/1.1 200"] if each != "S1-067" else (),
         command=None if each != "S1-067" else "curl -fsS http://localhost:9000/minio/health/live")

# ---- S2 ----

says("S2-002", has=["1 brokers:"])


@row("S2-004")
def polaris_config(lab, row):
    expect(lab.type(row.command), r"^HTTP/1.1 200", r'"defaults"', r'"overrides"')
    expect(lab.type("curl -s -o /dev/null -w '%{http_code}' http://localhost:8181"), r"^[2-4]\d\d")


says("S2-029", has=[f"^{topic}$" for topic in PAYMENT_TOPICS])


@row("S2-030")
def ten_charges(lab, row):
    wait_until(lambda: len(consume(lab, "payment_charges")) >= 10, "ten charges", 30, 0.5)
    out = lab.type(row.command)
    events = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    equal(len(events), 10)
    for event in events:
        for key in ("charge_id", "customer_id", "amount", "currency", "status", "provider", "created_at"):
            if key not in event:
                raise AssertionError(f"no {key} in {event}")
    expect(out, "Processed a total of 10 messages")


def committed(lab, table):
    """Rows of one table, as pyiceberg reads them."""
    return len(iceberg(lab.tarn).load_table(f"payments_db.{table}").scan().to_arrow())


@row("S2-031", note=NO_MC)
def files_of_each_table(lab, row):
    wait_until(lambda: all(committed(lab, topic) for topic in PAYMENT_TOPICS), "rows in all tables", 60, 1)
    listed = with_mc(lab, row.command)
    keys = ["payments_db/" + line.split()[-1] for line in listed.splitlines()] if listed else [item["Key"] for page in boto(lab.tarn).get_paginator("list_objects_v2").paginate(
        Bucket="warehouse", Prefix="polariscatalog/payments_db/") for item in page["Contents"]]
    for topic in PAYMENT_TOPICS:
        expect("\n".join(keys), rf"payments_db/{topic}/metadata/.*\.metadata\.json",
               rf"payments_db/{topic}/metadata/.*\.avro", rf"payments_db/{topic}/data/.*\.parquet")


says("S2-033", has=[r'^  "defaults": \{', r'^  "overrides": \{'])


@row("S2-306")
def a_token(lab, row):
    answer = json.loads(lab.type(row.command.replace("curl ", "curl -sS ")))
    equal(answer["token_type"].lower(), "bearer")
    if not answer["access_token"] or not answer["expires_in"] > 0:
        raise AssertionError(str(answer))


@row("S2-309")
def four_tables(lab, row):
    out = lab.type(row.command)
    for topic in PAYMENT_TOPICS:
        expect(out, rf"\('payments_db', '{topic}'\)")


@row("S2-316")
def twenty_newest(lab, row):
    wait_until(lambda: len(consume(lab, "payment_charges")) >= 20, "twenty charges", 60, 0.5)
    lab.type(row.command)
    # kcat goes on until nothing has arrived for a moment, so that more may follow the twenty.
    stamps = [int(stamp) for stamp in lab.type(row.command + " -q -f '%T\\n'").split()][:20]
    equal(len(stamps), 20)
    gaps = [b - a for a, b in zip(stamps, stamps[1:])]
    middle = sorted(gaps)[len(gaps) // 2]
    if not 300 <= middle <= 700:
        raise AssertionError(f"the middle gap is {middle} ms: {gaps}")


@row("S2-319", note="jr itself is in no package registry: events of a user's own template, made by "
                    "tarn generate, come in through kcat")
def a_users_own_template(lab, row):
    lab.type("mkdir -p own && cp generators/payment_charges.json own/payment_charge.json")
    lab.type("tarn generate --templates own --duration 2s --quiet | kcat -P -b localhost:9092 -t own_charges")
    found = consume(lab, "own_charges")
    if len(found) < 2:
        raise AssertionError(f"{len(found)} events at one per 500 ms in 2 s")
    for line in found:
        json.loads(line)


def dead_letters(lab, topic):
    """Headers and value of each dead letter of the payments job that came from this topic."""
    return [line for line in consume(lab, "payments.dlq", "%h %s") if f"tarn.topic={topic}," in line]


def until_all_is_committed(lab):
    """Waits until every record of every topic is a row or a dead letter, and nothing came twice."""
    def settled():
        for topic in PAYMENT_TOPICS:
            if committed(lab, topic) + len(dead_letters(lab, topic)) != len(consume(lab, topic)):
                return False
        return True
    wait_until(settled, "rows and dead letters to be as many as records", 60, 1)


@row("S2-305", late=1, note="the generators are off after the restart, so that rows can be counted")
def resumes_after_kill(lab, row):
    before = {topic: committed(lab, topic) for topic in PAYMENT_TOPICS}
    lab.tarn.kill()
    lab.tarn.without_generators()
    lab.tarn.start()
    lab.type("tarn generate payment_charges --to kafka --speed max --count 1000 --quiet")
    until_all_is_committed(lab)
    for topic in PAYMENT_TOPICS:
        if committed(lab, topic) < before[topic]:
            raise AssertionError(f"{topic}: {committed(lab, topic)} rows, {before[topic]} before the kill")


@row("S2-035", late=2)
def a_bad_timestamp(lab, row):
    rows, letters = committed(lab, "payment_charges"), len(dead_letters(lab, "payment_charges"))
    lab.type(row.command)
    lab.type("""echo '{"charge_id":"good","created_at":"2025-01-01T00:00:00"}' | """
             "kcat -P -b localhost:9092 -t payment_charges")
    wait_until(lambda: committed(lab, "payment_charges") == rows + 1, "the good record after it", 30, 0.5)
    found = dead_letters(lab, "payment_charges")
    equal(len(found), letters + 1)
    expect(found[-1], "tarn.column=created_at", "tarn.reason=.+", re.escape('"created_at":"not a time"'))
    expect(lab.type("tarn status"), r"(?i)payments.*running|running.*payments")


@row("S2-034", late=3)
def delete_a_topic_under_the_job(lab, row):
    other = committed(lab, "payment_refunds")
    lab.type(row.command)
    if re.search("^payment_charges$",
                 lab.type("kafka-topics.sh --list --bootstrap-server localhost:9092"), re.M):
        raise AssertionError("it is still listed")
    expect(wait_until(lambda: re.search(r".*payment_charges.*", lab.type("tarn logs | tail -n 20")),
                      "the job to report it", 20, 0.5)[0], "payment_charges")
    lab.type("tarn generate payment_refunds --to kafka --speed max --count 50 --quiet")
    lab.type("kafka-topics.sh --create --topic payment_charges --bootstrap-server localhost:9092")
    rows = committed(lab, "payment_charges")
    lab.type("tarn generate payment_charges --to kafka --speed max --count 50 --quiet "
             "--fault malformed_timestamp=0")
    wait_until(lambda: committed(lab, "payment_charges") >= rows + 50, "charges of the new topic", 60, 0.5)
    wait_until(lambda: committed(lab, "payment_refunds") > other, "refunds to go on", 60, 0.5)


# ---- S3 ----

says("S3-054", "S4-151", "S4-152")


@row("S3-025", note=NO_MC, late=1)
def buckets_for_everybody(lab, row):
    s3, buckets = boto(lab.tarn), ("warehouse", "factorhouse")
    if with_mc(lab, row.command) is None:
        for bucket in buckets:
            s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Statement": [{
                "Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject", "s3:PutObject"],
                "Resource": f"arn:aws:s3:::{bucket}/*"}]}))
    else:
        again = with_mc(lab, "mc mb minio/warehouse || true")
        expect(again, "you already own it")
    for bucket in buckets:
        s3.put_object(Bucket=bucket, Key="open", Body=b"to everybody")
        equal(lab.type(f"curl -s http://localhost:9000/{bucket}/open"), "to everybody")
        s3.delete_object(Bucket=bucket, Key="open")


# ---- S4 ----

says("S4-014", has=[f"^{t}$" for t in ("user-events", "orders", "pipeline-metrics", "dead-letter-queue")])


@row("S4-015")
def equal_keys_stay_together(lab, row):
    equal(len(re.findall(r"\tPartition: \d", lab.type(row.command))), 3)
    lab.type("for i in $(seq 300); do echo key$((i % 7)):$i; done | "
             "kcat -P -b localhost:9092 -t user-events -K :")
    places = {}
    for line in lab.type("kcat -C -q -e -b localhost:9092 -t user-events -f '%k %p\\n'").splitlines():
        key, partition = line.split()
        places.setdefault(key, set()).add(partition)
    equal({key: len(seen) for key, seen in places.items()}, {f"key{i}": 1 for i in range(7)})


@row("S4-016")
def three_consumers_share_four_partitions(lab, row):
    lab.type("kafka-topics.sh --bootstrap-server localhost:9092 --create --topic shared --partitions 4")
    members = [subprocess.Popen(["bash", "-c", "exec kafka-console-consumer.sh --bootstrap-server "
                                 "localhost:9092 --topic shared --group g"], env=lab.env,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(3)]

    def split():
        out = lab.type("kafka-consumer-groups.sh --bootstrap-server localhost:9092 --describe --members "
                       "--verbose --group g", status=None)
        return sorted(line.split()[4] for line in out.splitlines() if line.startswith("g "))
    try:
        wait_until(lambda: split() == ["1", "1", "2"], "1, 1 and 2 partitions", 60, 0.5)
        members.pop().terminate()
        wait_until(lambda: split() == ["2", "2"], "2 and 2 when one has left", 60, 0.5)
    finally:
        for member in members:
            member.terminate()
            member.wait()


@row("S4-018")
def create_twice(lab, row):
    expect(lab.type(row.command), "Created topic my-test-topic.")
    expect(lab.type(row.command, status=1), "TopicExistsException")


says("S4-019", has=["^my-test-topic$", "^orders$"], late=1)
says("S4-020", has=(), late=1)


@row("S4-021", late=2)
def both_lines_and_it_waits(lab, row):
    child = subprocess.Popen(["bash", "-c", "exec " + row.command], env=lab.env, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        found = sorted(json.loads(child.stdout.readline())["name"] for _ in range(2))
        equal(found, ["Alice", "Bob"])
        time.sleep(1)
        equal(child.poll(), None)
    finally:
        child.terminate()
        child.wait()


says("S4-022", late=1, has=[r"Topic: my-test-topic\s+TopicId: \S+\s+PartitionCount: 3\s+ReplicationFactor: 1"
                            r"\s+Configs:", r"Partition: 2\s+Leader: 1\s+Replicas: 1\s+Isr: 1"])


@row("S4-023", "S4-024", late=3)
def groups_and_lag(lab, row):
    if "--list" in row.command:
        lab.type("kcat -b localhost:9092 -G my-consumer-group -q -c 2 -X auto.offset.reset=earliest "
                 "my-test-topic")
        expect(lab.type(row.command), "^my-consumer-group$")
    else:
        out = lab.type(row.command)
        expect(out, r"CURRENT-OFFSET\s+LOG-END-OFFSET\s+LAG")
        expect(out, r"^my-consumer-group\s+my-test-topic\s+\d+\s+\d+\s+\d+\s+\d+")
        expect(lab.type(row.command.replace("my-consumer-group", "nobody"), status=None),
               "does not exist|not found|no such group")


@row("S4-132")
def auto_created(lab, row):
    lab.type("printf 'one\\ntwo\\n' | " + row.command)
    equal(sorted(consume(lab, "test-topic")), ["one", "two"])
    expect(lab.type("kcat -L -b localhost:9092 -t test-topic"), "with 3 partitions")


says("S4-171", command="kcat -L -b localhost:9093", has=[r"broker 1 at localhost:9093"])

# ---- what the rows call tarn's own commands ----

says("S1-015", "S2-038", "S4-120", command="tarn status", note=NO_DOCKER,
     has=[r"(?i)kafka.*9092", r"(?i)s3.*9000", r"(?i)catalog.*8181"])
says("S1-061", "S4-170", note=NO_DOCKER, has=["kafka .*closed"], command=(
    r"printf '\x7f\xff\xff\xff' >/dev/tcp/localhost/9092; sleep 0.5; tarn logs kafka"))
says("S2-039", command="tarn logs", note=NO_DOCKER, has=["is up after"])


@row("S0-026", "S2-040", "S4-125", late=9, note=NO_DOCKER)
def down_keeps_the_data(lab, row):
    before = lab.type("kcat -L -b localhost:9092 | grep -c topic")
    lab.type("tarn down")
    lab.tarn.process.wait(20)
    lab.tarn.start()
    equal(lab.type("kcat -L -b localhost:9092 | grep -c topic"), before)
