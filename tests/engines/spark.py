"""spark.py - Apache Spark with Iceberg's runtime, in this process's own JVM."""

import os

from sqlengine import SqlEngine, check_types, transform
from harness import ACCESS_KEY, CATALOG, CREDENTIAL, SECRET_KEY

WORDS = {"year": "years", "month": "months", "day": "days", "hour": "hours"}


class Spark(SqlEngine):
    name = "spark"
    catalog = "lake"
    quote_mark = "`"
    TYPES = {"boolean": "BOOLEAN", "int": "INT", "long": "BIGINT", "float": "FLOAT", "double": "DOUBLE",
             "string": "STRING", "binary": "BINARY", "date": "DATE", "timestamp": "TIMESTAMP_NTZ",
             "timestamptz": "TIMESTAMP"}
    lacks = {"time": "Spark 3.5 has no TIME", "timestamp_ns": "Spark 3.5 has no nanoseconds",
             "timestamptz_ns": "Spark 3.5 has no nanoseconds", "uuid": "Spark has no UUID to make a column of",
             "fixed": "Spark has no BINARY(n)"}
    blind = {"time": "Spark 3.5 has no TIME", "timestamp_ns": "Spark 3.5 has no nanoseconds",
             "timestamptz_ns": "Spark 3.5 has no nanoseconds"}

    def __init__(self, jars):
        self.jars = jars
        self.session = None

    def start(self, tarn):
        from pyspark.sql import SparkSession

        os.environ.setdefault("AWS_REGION", "us-east-1")
        jars = [os.path.join(self.jars, name) for name in sorted(os.listdir(self.jars)) if name.endswith(".jar")]
        builder = (SparkSession.builder.master("local[2]").appName("tarn-engines")
                   .config("spark.driver.memory", "1200m")
                   .config("spark.driver.extraClassPath", ":".join(jars))
                   .config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
                   .config("spark.ui.enabled", "false").config("spark.ui.showConsoleProgress", "false")
                   .config("spark.sql.shuffle.partitions", "2").config("spark.default.parallelism", "1")
                   .config("spark.sql.session.timeZone", "UTC")
                   .config("spark.sql.extensions",
                           "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"))
        for name, value in self.catalogs(tarn).items():
            builder = builder.config(f"spark.sql.catalog.{name}", value)
        for name, value in self.hadoop(tarn).items():
            builder = builder.config(f"spark.hadoop.{name}", value)
        self.session = builder.getOrCreate()
        self.session.sparkContext.setLogLevel("ERROR")

    def catalogs(self, tarn):
        """`lake` asks for vended credentials and S3FileIO, `parts` too, in small parts with checksums;
        `signed` has no keys and sends each request to be signed; `s3a` is Hadoop's S3A with keys of its own."""
        kind = "org.apache.iceberg.spark.SparkCatalog"
        common = {"type": "rest", "uri": tarn.rest + "/api/catalog", "warehouse": CATALOG,
                  "credential": CREDENTIAL, "scope": "PRINCIPAL_ROLE:ALL", "cache-enabled": "false"}
        found = {}
        for name in ("lake", "s3a", "parts", "signed"):
            found[name] = kind
            found.update({f"{name}.{key}": value for key, value in common.items()})
        for name in ("lake", "parts", "signed"):
            found[f"{name}.io-impl"] = "org.apache.iceberg.aws.s3.S3FileIO"
            found[f"{name}.header.X-Iceberg-Access-Delegation"] = \
                "remote-signing" if name == "signed" else "vended-credentials"
        for name in ("parts", "signed"):
            found[f"{name}.s3.multipart.part-size-bytes"] = str(5 << 20)
            found[f"{name}.s3.multipart.threshold"] = "1.0"
        found["parts.s3.checksum-enabled"] = "true"
        found["s3a.io-impl"] = "org.apache.iceberg.hadoop.HadoopFileIO"
        return found

    def hadoop(self, tarn):
        return {"fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem", "fs.s3a.endpoint": tarn.s3_url,
                "fs.s3a.access.key": ACCESS_KEY, "fs.s3a.secret.key": SECRET_KEY,
                "fs.s3a.multipart.size": str(5 << 20), "fs.s3a.multipart.threshold": str(5 << 20),
                "fs.s3a.path.style.access": "true", "fs.s3a.connection.ssl.enabled": "false",
                "fs.s3a.endpoint.region": "us-east-1"}

    def stop(self):
        if self.session:
            gateway = self.session.sparkContext._gateway
            self.session.stop()
            gateway.shutdown()
            gateway.proc.stdin.close()
            gateway.proc.wait()
            from pyspark import SparkContext
            SparkContext._gateway = SparkContext._jvm = None
            self.session = None

    def sql(self, text):
        return self.session.sql(text).collect()

    # ---- where Spark has words of its own ----

    def type_list(self, kind):
        return f"ARRAY<{self.type(kind[1])}>"

    def type_map(self, kind):
        return f"MAP<{self.type(kind[1])}, {self.type(kind[2])}>"

    def type_struct(self, kind):
        return "STRUCT<" + ", ".join(f"{self.quote(f.name)}: {self.type(f.type)}"
                                     f"{' NOT NULL' if f.required else ''}" for f in kind[1]) + ">"

    def partition(self, text):
        word, number, column = transform(text)
        if word == "identity":
            return self.quote(column)
        number = f"{number}, " if number else ""
        return f"{WORDS.get(word, word)}({number}{self.quote(column)})"

    def do_create(self, table, fields, version=2, partition=(), sort=None, properties=None, key=None):
        properties = {"format-version": str(version), **(properties or {})}
        parts = f"PARTITIONED BY ({', '.join(map(self.partition, partition))})" if partition else ""
        self.sql(f"CREATE TABLE {self.table(table)} ({self.columns(fields)}) USING iceberg {parts} "
                 f"TBLPROPERTIES ({', '.join(f'{k!r}={v!r}' for k, v in properties.items())})")
        if key:
            self.sql(f"ALTER TABLE {self.table(table)} SET IDENTIFIER FIELDS {key}")
        if sort:
            self.sql(f"ALTER TABLE {self.table(table)} WRITE ORDERED BY {sort}")

    def schema(self, fields):
        from pyspark.sql import types as t

        def of(kind):
            word = kind[0]
            if word == "decimal":
                return t.DecimalType(kind[1], kind[2])
            if word == "list":
                return t.ArrayType(of(kind[1]))
            if word == "map":
                return t.MapType(of(kind[1]), of(kind[2]))
            if word == "struct":
                return self.schema(kind[1])
            return {"boolean": t.BooleanType, "int": t.IntegerType, "long": t.LongType,
                    "float": t.FloatType, "double": t.DoubleType, "string": t.StringType,
                    "binary": t.BinaryType, "fixed": t.BinaryType, "uuid": t.StringType,
                    "date": t.DateType, "timestamp": t.TimestampNTZType,
                    "timestamptz": t.TimestampType}[word]()

        return t.StructType([t.StructField(f.name, of(f.type), not f.required) for f in fields])

    def value(self, kind, value):
        word = kind[0]
        if value is None:
            return None
        if word == "list":
            return [self.value(kind[1], item) for item in value]
        if word == "map":
            return {self.value(kind[1], k): self.value(kind[2], v) for k, v in value.items()}
        if word == "struct":
            return tuple(self.value(f.type, value.get(f.name)) for f in kind[1])
        if word in ("binary", "fixed"):
            return bytearray(value)
        if word == "uuid":
            return str(value)
        if word == "timestamptz":
            return value
        return value

    def frame(self, fields, rows):
        check_types(self.blind, fields)
        return self.session.createDataFrame(
            [tuple(self.value(f.type, row.get(f.name)) for f in fields) for row in rows], self.schema(fields))

    def do_append(self, table, fields, rows, branch=None):
        target = self.table(table) + (f".branch_{branch}" if branch else "")
        self.frame(fields, rows).writeTo(target).append()

    def do_merge(self, table, fields, rows, key, delete=None):
        self.frame(fields, rows).createOrReplaceTempView("incoming")
        gone = f"WHEN MATCHED AND {delete} THEN DELETE " if delete else ""
        self.sql(f"MERGE INTO {self.table(table)} AS t USING incoming AS s ON t.{key} = s.{key} {gone}"
                 "WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *")

    def do_widen_column(self, table, name, kind):
        self.sql(f"ALTER TABLE {self.table(table)} ALTER COLUMN {self.quote(name)} TYPE {self.type(kind)}")

    def do_move_first(self, table, name):
        self.sql(f"ALTER TABLE {self.table(table)} ALTER COLUMN {self.quote(name)} FIRST")

    def do_add_partition(self, table, text):
        self.sql(f"ALTER TABLE {self.table(table)} ADD PARTITION FIELD {self.partition(text)}")

    def do_drop_partition(self, table, text):
        self.sql(f"ALTER TABLE {self.table(table)} DROP PARTITION FIELD {self.partition(text)}")

    def do_tag(self, table, name):
        self.sql(f"ALTER TABLE {self.table(table)} CREATE TAG {self.quote(name)}")

    def do_branch(self, table, name):
        self.sql(f"ALTER TABLE {self.table(table)} CREATE BRANCH {self.quote(name)}")

    def do_rollback(self, table, snapshot):
        self.sql(f"CALL lake.system.rollback_to_snapshot('{table[0]}.{table[1]}', {snapshot})")

    def do_compact(self, table):
        self.sql(f"CALL lake.system.rewrite_data_files(table => '{table[0]}.{table[1]}', "
                 "options => map('rewrite-all', 'true'))")

    def do_expire(self, table):
        self.sql(f"CALL lake.system.expire_snapshots(table => '{table[0]}.{table[1]}', "
                 "older_than => TIMESTAMP '2999-01-01 00:00:00', retain_last => 1)")

    def do_orphans(self, table):
        return self.sql(f"CALL s3a.system.remove_orphan_files(table => '{table[0]}.{table[1]}', "
                        "older_than => TIMESTAMP '2026-01-01 00:00:00')")

    def do_rewrite_manifests(self, table):
        self.sql(f"CALL lake.system.rewrite_manifests('{table[0]}.{table[1]}')")

    def do_meta(self, table, what):
        return [row.asDict(recursive=True) for row in self.sql(f"SELECT * FROM {self.table(table)}.{what}")]

    def at(self, table, snapshot, ref):
        if snapshot or ref:
            return f"{self.table(table)} VERSION AS OF {snapshot or repr(ref)}"
        return self.table(table)
