"""checks_spark.py - rows of a real Spark, by its own spark-sql and pyspark: `scripts/deps --engines`
brings them, and `make acceptance` runs them. What Spark is told is a spark-defaults.conf as a user of
the stack has it; Iceberg's runtime and Hadoop's S3A lie on its class path.
"""

import glob
import os
import re

from checks import PROJECTS, equal, expect, row
from harness import ROOT, iceberg

DEPS = os.environ.get("ENGINES_DEPS", os.path.join(ROOT, ".deps", "engines"))
PYTHON = os.path.join(DEPS, "python", "bin")


def secret(row):
    return PROJECTS[row.document]["settings"]["s3"].get("secret_key", "password")


def defaults(row):
    """A catalog `rest` with S3FileIO, the same as `s3a` through Hadoop, both with keys of their own."""
    found = {"spark.master": "local[2]", "spark.driver.memory": "1g", "spark.ui.enabled": "false",
             "spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1",
             "spark.sql.catalogImplementation": "in-memory", "spark.sql.shuffle.partitions": "2",
             "spark.driver.extraClassPath": ":".join(sorted(glob.glob(f"{DEPS}/spark/*.jar"))),
             "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
             "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
             "spark.hadoop.fs.s3a.endpoint": "http://localhost:9000",
             "spark.hadoop.fs.s3a.path.style.access": "true",
             "spark.hadoop.fs.s3a.access.key": "admin", "spark.hadoop.fs.s3a.secret.key": secret(row)}
    for name, io in (("rest", "aws.s3.S3FileIO"), ("s3a", "hadoop.HadoopFileIO")):
        catalog = f"spark.sql.catalog.{name}"
        found.update({catalog: "org.apache.iceberg.spark.SparkCatalog", f"{catalog}.type": "rest",
                      f"{catalog}.uri": "http://localhost:8181", f"{catalog}.cache-enabled": "false",
                      f"{catalog}.io-impl": f"org.apache.iceberg.{io}",
                      f"{catalog}.s3.endpoint": "http://localhost:9000",
                      f"{catalog}.s3.path-style-access": "true",
                      f"{catalog}.s3.access-key-id": "admin", f"{catalog}.s3.secret-access-key": secret(row)})
    return found


def spark(lab, row, command):
    """What is typed, where Spark's own commands are found and its defaults are the project's."""
    lab.tarn.write("spark/spark-defaults.conf", "".join(f"{k} {v}\n" for k, v in defaults(row).items()))
    lab.tarn.write("spark/log4j2.properties", "rootLogger.level = error\nrootLogger.appenderRef.c.ref = c\n"
                   "appender.c.type = Console\nappender.c.name = c\nappender.c.target = SYSTEM_ERR\n"
                   "appender.c.layout.type = PatternLayout\nappender.c.layout.pattern = %p %m%n%ex\n")
    home, = glob.glob(f"{DEPS}/python/lib/python3*/site-packages/pyspark")
    return lab.type(f"export SPARK_HOME={home} SPARK_CONF_DIR=$PWD/spark AWS_REGION=us-east-1 TZ=UTC "
                    f"PATH={PYTHON}:{home}/bin:$PATH; {command}", timeout=240)


def script(lab, row, text):
    """spark-sql -f; the lines it prints, rows with tabs between columns."""
    path = lab.tarn.write("typed.sql", text)
    return [line for line in spark(lab, row, f"spark-sql -f {path} 2>&1").splitlines()
            if not line.startswith(("Setting default log", "To adjust", "WARN", "Spark ", "Time taken"))]


def catalog(lab, row):
    name = PROJECTS[row.document]["settings"]["catalog"]["name"]
    return iceberg(lab.tarn, "", **{"s3.secret-access-key": secret(row), "warehouse": name})


@row("S0-312", late=5)
def the_same_namespaces(lab, row):
    there = catalog(lab, row)
    for name in ("one", "two"):
        there.create_namespace_if_not_exists(name)
    out = spark(lab, row, row.command.replace("spark-sql ", "spark-sql 2>&1 ", 1))
    for name in there.list_namespaces():
        expect(out, rf"^{name[0]}$")


@row("S0-049", late=5)
def both_settings_meet_in_one_table(lab, row):
    out = script(lab, row, """
        CREATE NAMESPACE IF NOT EXISTS rest.both;
        CREATE TABLE rest.both.t (id BIGINT, w STRING) USING iceberg;
        INSERT INTO rest.both.t VALUES (1, 's3fileio'), (2, 's3fileio');
        INSERT INTO s3a.both.t VALUES (3, 's3a');
        DELETE FROM s3a.both.t WHERE id = 1;
        SELECT 'rest', id, w FROM rest.both.t ORDER BY id;
        SELECT 's3a', id, w FROM s3a.both.t ORDER BY id;""")
    expect("\n".join(out), *(rf"^{by}\t2\ts3fileio\n{by}\t3\ts3a$" for by in ("rest", "s3a")))


@row("S3-020", "S3-328")
def a_real_spark_with_these_defaults(lab, row):
    there = catalog(lab, row)
    there.create_namespace_if_not_exists("df")
    import pyarrow as pa

    if not there.table_exists("df.ours"):
        there.create_table("df.ours", pa.schema([("id", pa.int64())])).append(pa.table({"id": [1, 2, 3]}))
    path = lab.tarn.write("typed.py", f"""
from pyspark.sql import SparkSession, functions as f
spark = SparkSession.builder.getOrCreate()
ours = spark.table("rest.df.ours")
name = "rest.df.theirs_{row.id[-3:]}"
ours.withColumn("square", f.col("id") * f.col("id")).writeTo(name).using("iceberg").create()
ours.select((f.col("id") + 10).alias("id"), f.lit(0).cast("long").alias("square")).writeTo(name).append()
print("rows", sorted(tuple(r) for r in spark.table(name).collect()))
""")
    wanted = [(1, 1), (2, 4), (3, 9), (11, 0), (12, 0), (13, 0)]
    expect(spark(lab, row, f"python {path}"), re.escape(f"rows {wanted}"))
    table = there.load_table(f"df.theirs_{row.id[-3:]}")
    equal(table.location().startswith("s3://warehouse/"), True)
    equal(sorted(tuple(r.values()) for r in table.scan().to_arrow().to_pylist()), wanted)


@row("S3-326")
def each_statement_is_one_snapshot(lab, row):
    script(lab, row, """
        CREATE NAMESPACE IF NOT EXISTS rest.dml;
        CREATE TABLE rest.dml.t (id BIGINT, w STRING) USING iceberg TBLPROPERTIES ('format-version' = '2',
            'write.update.mode' = 'merge-on-read', 'write.delete.mode' = 'merge-on-read', 'write.merge.mode' = 'merge-on-read');
        INSERT INTO rest.dml.t VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd');
        UPDATE rest.dml.t SET w = 'bb' WHERE id = 2;
        DELETE FROM rest.dml.t WHERE id = 3;
        MERGE INTO rest.dml.t AS t USING (SELECT 1 AS id, 'aa' AS w UNION ALL SELECT 9, 'new') AS s ON t.id = s.id
            WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *;""")
    wanted = [(1, "aa"), (2, "bb"), (4, "d"), (9, "new")]
    table = catalog(lab, row).load_table("dml.t")
    equal([s.summary.operation.value for s in table.metadata.snapshots][:4], ["append", "overwrite", "delete", "overwrite"])
    equal(sorted(tuple(r.values()) for r in table.scan().to_arrow().to_pylist()), wanted)
    out = lab.type("tarn sql --format csv -e 'SELECT id, w FROM dml.t ORDER BY id'")
    equal(out.split()[1:], [f"{n},{w}" for n, w in wanted])


@row("S3-327")
def older_rows_and_a_rollback(lab, row):
    script(lab, row, """
        CREATE NAMESPACE IF NOT EXISTS rest.old;
        CREATE TABLE rest.old.t (id BIGINT) USING iceberg;
        INSERT INTO rest.old.t VALUES (1);
        INSERT INTO rest.old.t VALUES (2);""")
    table = catalog(lab, row).load_table("old.t")
    first, second = table.metadata.snapshots
    moment = f"{(first.timestamp_ms + second.timestamp_ms) / 2000:.3f}"
    out = script(lab, row, f"""
        SELECT 'version', id FROM rest.old.t VERSION AS OF {first.snapshot_id};
        SELECT 'timestamp', id FROM rest.old.t TIMESTAMP AS OF CAST({moment} AS TIMESTAMP);
        CALL rest.system.rollback_to_snapshot('old.t', {first.snapshot_id});
        ALTER TABLE rest.old.t ADD COLUMN more STRING;
        SELECT 'now', * FROM rest.old.t;""")
    equal([line for line in out if line.startswith("version")], ["version\t1"])
    equal([line for line in out if line.startswith("timestamp")], ["timestamp\t1"])
    equal([line for line in out if line.startswith("now")], ["now\t1\tNULL"])
    equal(catalog(lab, row).load_table("old.t").current_snapshot().snapshot_id, first.snapshot_id)
