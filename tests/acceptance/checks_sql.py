"""checks_sql.py - rows that are typed at a SQL prompt: Flink's client and its like, with `tarn sql`
in the client's place, which speaks the same words and prints the same tables."""

import csv
import io
import json
import os
import pty
import re
import select
import time

from checks import NO_DOCKER, PAYMENT_TOPICS, committed, consume, equal, expect, row
from harness import PROGRAM, boto, iceberg, wait_until

TARN_SQL = "typed in tarn sql"


def typed(lab, text, status=0):
    """`tarn sql` is given the text as a script; what it prints."""
    path = lab.tarn.write("typed.sql", text)
    return lab.type(f"tarn sql -f {path}", status)


def rows_of(lab, text):
    """One SELECT's rows as dicts of texts."""
    path = lab.tarn.write("typed.sql", text)
    return list(csv.DictReader(io.StringIO(lab.type(f"tarn sql --format csv -f {path}"))))


# ---- S0 ----

@row("S0-045", note="streams/*.sql in place of /jobs/flink")
def statements_run_at_start(lab, row):
    lab.tarn.write("streams/orders.sql", lab.tarn.fill("""
        CREATE TABLE orders (id BIGINT, total DECIMAL(10, 2)) WITH ('connector' = 'kafka',
            'topic' = 'orders_in', 'format' = 'json', 'scan.startup.mode' = 'earliest-offset',
            'properties.bootstrap.servers' = 'localhost:@KAFKA@');
        CREATE CATALOG sink WITH ('type' = 'iceberg', 'catalog-type' = 'rest',
            'uri' = 'http://localhost:@CATALOG@', 'warehouse' = 'iceberg');
        CREATE DATABASE IF NOT EXISTS sink.`raw`;
        CREATE TABLE IF NOT EXISTS sink.`raw`.orders (id BIGINT, total DECIMAL(10, 2));
        INSERT INTO sink.`raw`.orders SELECT id, total FROM orders;"""))
    lab.tarn.stop()
    lab.tarn.start()
    wait_until(lambda: re.search(r"^orders\s+RUNNING", lab.type("tarn job list"), re.M), "the job to run", 20, 0.3)
    counts = []
    for batch in range(2):
        lab.type(f"seq {batch * 5} {batch * 5 + 4} | sed 's/.*/{{\"id\": &, \"total\": 1.5}}/' | "
                 "kcat -P -b localhost:9092 -t orders_in")
        wait_until(lambda: int(rows_of(lab, "SELECT COUNT(*) AS n FROM `raw`.orders")[0]["n"]) == batch * 5 + 5,
                   "the raw table to grow", 30, 0.5)
        counts.append(batch)
    equal(counts, [0, 1])


# ---- S1 ----

@row("S1-050", note=TARN_SQL + ", through the catalog's name here", late=4)
def properties_are_kept_and_obeyed(lab, row):
    import pyarrow as pa

    catalog = iceberg(lab.tarn, "")
    catalog.create_namespace_if_not_exists("public")
    if not catalog.table_exists("public.user_events"):
        catalog.create_table("public.user_events", pa.schema([("user_id", pa.int64())]))
    typed(lab, row.command.replace("iceberg.public", "polariscatalog.public"))
    table = catalog.load_table("public.user_events")
    for name, value in (("write.format.default", "parquet"), ("write.target-file-size-bytes", "536870912"),
                        ("commit.manifest.min-count-to-merge", "5"), ("commit.manifest-merge.enabled", "true")):
        equal(table.properties[name], value)
    name = table.schema().column_names[0]
    for number in range(8):
        typed(lab, f"INSERT INTO polariscatalog.public.user_events ({name}) VALUES ({number});")
    manifests = len(catalog.load_table("public.user_events").inspect.manifests())
    if manifests > 6:
        raise AssertionError(f"{manifests} manifests after 8 commits: not merged at 5")


@row("S1-039", note="settings of tarn.yaml in place of the variables")
def broker_one_makes_topics_on_first_use(lab, row):
    name = "made_on_first_use"
    lab.type(f"echo hello | kcat -P -b localhost:9092 -t {name}")
    equal(consume(lab, name), ["hello"])
    listed = lab.type("kcat -L -b localhost:29092")
    expect(listed, "broker 1 at localhost:29092", f'topic "{name}" with 1 partitions')
    described = lab.type(f"kafka-topics.sh --bootstrap-server localhost:9092 --describe --topic {name}")
    expect(described, r"ReplicationFactor: 1\b", r"Leader: 1\b")


# ---- S2: the payments project runs ----

def prompt(lab, lines, seconds=20):
    """`tarn sql` at a terminal: what is on the screen after each line, and its exit status."""
    child, screen = pty.fork()
    if child == 0:
        os.chdir(lab.tarn.dir)
        os.execve(PROGRAM, ["tarn", "sql"], {**lab.env, "TERM": "dumb"})
    shown = []

    def read_until(pattern):
        text, until = "", time.monotonic() + seconds
        while not re.search(pattern, text):
            ready = select.select([screen], [], [], 0.2)[0]
            if ready:
                try:
                    text += os.read(screen, 65536).decode(errors="replace")
                except OSError:  # the terminal's other end is closed
                    break
            elif time.monotonic() > until:
                raise AssertionError(f"no {pattern!r} at the prompt: {text!r}")
        shown.append(text)
        lab.shown += text
    read_until("Flink SQL> ")
    for line in lines:
        os.write(screen, line.encode() + b"\n")
        read_until("Flink SQL> $" if line != lines[-1] else "(?!)")
    return shown, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@row("S2-018", "S2-024", note=TARN_SQL)
def a_prompt_that_ends(lab, row):
    shown, status = prompt(lab, ["SHOW CATALOGS;", "exit;"])
    expect(shown[1], "polaris_catalog", "1 row|rows in set")
    equal(status, 0)


@row("S2-019", "S2-020", "S2-021", "S2-022", note=TARN_SQL)
def a_count_that_grows(lab, row):
    def count():
        out = typed(lab, row.command)
        expect(out, r"^\| EXPR\$0 \|$", "^1 row in set$")
        return int(re.search(r"^\|\s+(\d+) \|$", out, re.M)[1])
    table = re.search(r"payment_\w+", row.command)[0]
    first = wait_until(count, "the first rows", 60, 1)
    lab.type(f"tarn generate {table} --to kafka --speed max --count 20 --quiet")
    wait_until(lambda: count() > first, "a larger number", 30, 0.5)


@row("S2-023", note=TARN_SQL)
def ten_newest_charges(lab, row):
    wait_until(lambda: committed(lab, "payment_charges") > 10, "more than ten charges", 60, 1)
    found = rows_of(lab, row.command)
    equal(len(found), 10)
    equal(list(found[0]), ["charge_id", "customer_id", "amount", "currency", "status", "provider", "created_at"])
    times = [each["created_at"] for each in found]
    equal(times, sorted(times, reverse=True))
    equal(times[0][:16], rows_of(lab, "SELECT MAX(created_at) AS m FROM payments_db.payment_charges")[0]["m"][:16])


@row("S2-301", note=TARN_SQL)
def a_kafka_table(lab, row):
    text = row.command + ";\n"
    for topic in PAYMENT_TOPICS:
        text += row.command.replace("kafka_payment_charges", "mine_" + topic).replace(
            "'topic'='payment_charges'", f"'topic'='{topic}'") + ";\n"
    out = typed(lab, text + "SHOW TABLES;\nDESCRIBE mine_payment_refunds;")
    equal(out.count("[INFO] Execute statement succeeded."), 1 + len(PAYMENT_TOPICS))
    expect(out, *(rf"\bmine_{topic}\b" for topic in PAYMENT_TOPICS), r"amount\s.*DECIMAL\(18, 2\)")


@row("S2-302", note=TARN_SQL)
def a_catalog_is_made_and_used(lab, row):
    out = typed(lab, row.command.replace("polaris_catalog", "another") +
                ";\nUSE CATALOG another;\nSHOW DATABASES;\nSELECT COUNT(*) FROM payments_db.payment_charges;")
    expect(out, r"^\| payments_db\s+\|$", r"^\| EXPR\$0 \|$")


@row("S2-303", note="submitted at start from streams/payments.sql, which holds the statement set")
def four_inserts_are_one_job(lab, row):
    with open(os.path.join(lab.tarn.dir, "streams", "payments.sql")) as text:
        script = text.read()
    expect(script, "EXECUTE STATEMENT SET")
    equal(len(re.findall(r"^\s*INSERT INTO", script, re.M)), 4)
    jobs = lab.type("tarn job list").splitlines()[1:]
    equal(len(jobs), 1)
    expect(jobs[0], r"^payments\s+RUNNING\s+4\s")


@row("S2-313", note=TARN_SQL)
def one_row_per_charge(lab, row):
    event = '{"charge_id": "twice", "created_at": "2026-01-01T00:00:0%d"}'
    for second in (1, 0):
        lab.type(f"echo '{event % second}' | kcat -P -b localhost:9092 -t payment_charges")
    table = "polaris_catalog.payments_db.payment_charges"
    wait_until(lambda: rows_of(lab, f"SELECT COUNT(*) AS n FROM {table} WHERE charge_id = 'twice'")[0]["n"] == "2",
               "both events", 30, 0.5)
    first = (f"SELECT charge_id, created_at FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY charge_id "
             f"ORDER BY created_at) rn FROM {table}) WHERE rn = 1")
    found = rows_of(lab, first)
    equal(len(found), len({each["charge_id"] for each in found}))
    equal([each["created_at"][:19] for each in found if each["charge_id"] == "twice"], ["2026-01-01 00:00:00"])


# ---- S3, S4 ----

@row("S3-061", note=NO_DOCKER)
def catalog_port_is_listed(lab, row):
    lab.type(row.command)
    expect(lab.type("tarn status"), r"catalog\s+http://\S+:8181")


@row("S3-304")
def sizes_of_log_dirs(lab, row):
    lab.type("seq 100 | kcat -P -b localhost:9092 -t measured")
    answer = json.loads(lab.type(row.command).splitlines()[-1])
    sizes = {part["partition"]: part["size"] for part in answer["brokers"][0]["logDirs"][0]["partitions"]}
    if sizes["measured-0"] < 192:
        raise AssertionError(f"measured-0 has {sizes['measured-0']} bytes")


@row("S4-017", note="listeners and partitions of tarn.yaml in place of the variables")
def each_listener_tells_its_own_address(lab, row):
    expect(lab.type("kcat -L -b localhost:9093"), r"broker 1 at localhost:9093")
    expect(lab.type("kcat -L -b localhost:9092"), r"broker 1 at (localhost|127.0.0.1):9092")
    lab.type("echo x | kcat -P -b localhost:9093 -t unknown_before")
    expect(lab.type("kcat -L -b localhost:9092 -t unknown_before"), "with 3 partitions")


@row("S2-036", late=8, note="tarn down and tarn up -d, which is what a restart is")
def all_is_there_after_a_restart(lab, row):
    before = (committed(lab, "payment_refunds"), lab.type("kcat -L -b localhost:9092 | grep -c topic"))
    lab.type("tarn down")
    lab.tarn.process.wait(20)
    lab.tarn.start()
    equal(lab.type("kcat -L -b localhost:9092 | grep -c topic"), before[1])
    if committed(lab, "payment_refunds") < before[0]:
        raise AssertionError("rows are gone")
    expect(lab.type("tarn job list"), r"^payments\s+RUNNING")
    equal("warehouse" in [bucket["Name"] for bucket in boto(lab.tarn).list_buckets()["Buckets"]], True)
