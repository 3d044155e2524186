"""flink.py - Apache Flink with Iceberg's runtime: the SQL gateway, whose jobs run in its own JVM."""

import base64
import decimal
import glob
import json
import math
import os
import re
import time
import urllib.error
import urllib.request

from harness import CATALOG, CREDENTIAL, free_ports
from jvm import Jvm
from model import Unsupported
from sqlengine import SqlEngine, transform

OPENS = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in (
    "java.lang", "java.net", "java.io", "java.nio", "sun.nio.ch", "java.lang.reflect", "java.text",
    "java.time", "java.util", "java.util.concurrent", "java.util.concurrent.atomic",
    "java.util.concurrent.locks")]

CONFIG = """
execution.target: local
parallelism.default: 1
taskmanager.numberOfTaskSlots: 2
taskmanager.memory.network.min: 32m
taskmanager.memory.network.max: 32m
taskmanager.memory.managed.size: 96m
sql-gateway.endpoint.rest.address: 127.0.0.1
sql-gateway.endpoint.rest.port: {port}
classloader.check-leaked-classloader: false
io.tmp.dirs: {dir}
"""


class FlinkSql(SqlEngine):
    """The words of Flink's SQL, which tarn speaks too."""

    quote_mark = "`"
    TYPES = {"boolean": "BOOLEAN", "int": "INT", "long": "BIGINT", "float": "FLOAT", "double": "DOUBLE",
             "string": "STRING", "binary": "BYTES", "fixed": "BINARY({})", "date": "DATE", "time": "TIME(6)",
             "timestamp": "TIMESTAMP(6)", "timestamptz": "TIMESTAMP_LTZ(6)", "timestamp_ns": "TIMESTAMP(9)",
             "timestamptz_ns": "TIMESTAMP_LTZ(9)"}
    lacks = {"uuid": "Flink's SQL has no UUID"}

    def type_list(self, kind):
        return f"ARRAY<{self.type(kind[1])}>"

    def type_map(self, kind):
        return f"MAP<{self.type(kind[1])}, {self.type(kind[2])}>"

    def type_struct(self, kind):
        return "ROW<" + ", ".join(f"{self.quote(f.name)} {self.type(f.type)}{' NOT NULL' if f.required else ''}"
                                  for f in kind[1]) + ">"

    def literal_list(self, kind, value):
        if not value:  # ARRAY[] has no type
            nothing = f"ARRAY[CAST(NULL AS {self.type(kind[1])})]"
            return f"ARRAY_EXCEPT({nothing}, {nothing})"
        return "ARRAY[" + ", ".join(self.literal(kind[1], item) for item in value) + "]"

    def literal_map(self, kind, value):
        if not value:
            return f"MAP_FROM_ARRAYS({self.literal(('list', kind[1]), [])}, {self.literal(('list', kind[2]), [])})"
        return "MAP[" + ", ".join(f"{self.literal(kind[1], k)}, {self.literal(kind[2], v)}"
                                  for k, v in value.items()) + "]"

    def literal_struct(self, kind, value):
        return "ROW(" + ", ".join(self.literal(f.type, value.get(f.name)) for f in kind[1]) + ")"

    def moment(self, value):
        return value.replace(tzinfo=None).strftime("%Y-%m-%d %H:%M:%S.%f")

    def plain(self, kind, value):
        if kind[0].endswith("_ns"):
            return "'" + value.replace("+00:00", "") + "'"
        return super().plain(kind, value)

    def do_namespace(self, name):
        self.sql(f"CREATE DATABASE IF NOT EXISTS {self.catalog}.{self.quote(name)}")

    def do_create(self, table, fields, version=2, partition=(), sort=None, properties=None, key=None):
        properties = {"format-version": str(version), **(properties or {})}
        parts = f" PARTITIONED BY ({', '.join(map(self.quote, partition))})" if partition else ""
        keys = f", PRIMARY KEY ({self.quote(key)}) NOT ENFORCED" if key else ""
        self.sql(f"CREATE TABLE {self.table(table)} ({self.columns(fields)}{keys}){parts} "
                 f"WITH ({', '.join(f'{k!r} = {v!r}' for k, v in properties.items())})")

    def do_add_column(self, table, name, kind):
        self.sql(f"ALTER TABLE {self.table(table)} ADD {self.quote(name)} {self.type(kind)}")

    def do_rename_column(self, table, name, to):
        self.sql(f"ALTER TABLE {self.table(table)} RENAME {self.quote(name)} TO {self.quote(to)}")

    def do_drop_column(self, table, name):
        self.sql(f"ALTER TABLE {self.table(table)} DROP {self.quote(name)}")

    def do_widen_column(self, table, name, kind):
        self.sql(f"ALTER TABLE {self.table(table)} MODIFY {self.quote(name)} {self.type(kind)}")

    def from_json(self, kind, value):
        """Bytes are base64, maps are objects or pairs, rows objects or lists."""
        word = kind[0]
        if value is None:
            return None
        if word in ("binary", "fixed") or word == "uuid" and len(value) < 36:
            return base64.b64decode(value)
        if word == "list":
            return [self.from_json(kind[1], item) for item in value]
        if word == "map" and isinstance(value, list):
            value = [item.values() if isinstance(item, dict) else item for item in value]
        if word == "map":
            pairs = value.items() if isinstance(value, dict) else value
            return [(self.from_json(kind[1], k), self.from_json(kind[2], v)) for k, v in pairs]
        if word == "struct":
            values = [value[f.name] for f in kind[1]] if isinstance(value, dict) else value
            return [self.from_json(f.type, item) for f, item in zip(kind[1], values, strict=True)]
        return value

    def do_read(self, table, fields, snapshot=None, ref=None, where=None):
        return [[self.from_json(f.type, item) for f, item in
                 zip(fields, row.values() if isinstance(row, dict) else row, strict=True)]
                for row in super().do_read(table, fields, snapshot, ref, where)]


class Flink(FlinkSql):
    name = "flink"
    catalog = "lake"

    def __init__(self, deps):
        self.deps = deps

    def start(self, tarn):
        port, = free_ports(1)
        self.base = f"http://127.0.0.1:{port}/v1"
        peers = os.path.join(os.path.dirname(self.deps), "peers")
        jars = [jar for folder in (f"{peers}/flink/lib", f"{peers}/flink/opt", f"{peers}/connectors", f"{self.deps}/flink")
                for jar in sorted(glob.glob(f"{folder}/*.jar"))]
        self.jvm = Jvm("flink", ["java", "-Xmx1200m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", *OPENS, "-cp",
                                 ":".join(jars), "org.apache.flink.table.gateway.SqlGateway"])
        os.makedirs(f"{self.jvm.dir}/conf")
        with open(f"{self.jvm.dir}/conf/config.yaml", "w") as out:
            out.write(CONFIG.format(port=port, dir=self.jvm.dir))
        self.jvm.environment = {"FLINK_CONF_DIR": f"{self.jvm.dir}/conf", "AWS_REGION": "us-east-1"}
        self.jvm.start(lambda: self.http("GET", "/info"))
        self.session = self.http("POST", "/sessions", {})["sessionHandle"]
        options = {"type": "iceberg", "catalog-type": "rest", "uri": tarn.rest + "/api/catalog", "warehouse": CATALOG,
                   "credential": CREDENTIAL, "scope": "PRINCIPAL_ROLE:ALL", "cache-enabled": "false",
                   "header.X-Iceberg-Access-Delegation": "vended-credentials",
                   "io-impl": "org.apache.iceberg.aws.s3.S3FileIO"}
        for text in ("SET 'execution.runtime-mode' = 'batch'", "SET 'table.dml-sync' = 'true'",
                     "SET 'table.local-time-zone' = 'UTC'",
                     f"CREATE CATALOG lake WITH ({', '.join(f'{k!r} = {v!r}' for k, v in options.items())})"):
            self.sql(text)

    def stop(self):
        self.jvm.stop()

    # ---- what tarn says in further words, Flink cannot ----

    def real(self, value):
        if value == 0 and str(value)[0] == "-":
            raise Unsupported("Flink's SQL makes 0.0 of -0.0")
        return super().real(value)

    def plain(self, kind, value):
        """The planner computes constants as decimals, which are finite: it must not see a constant."""
        text = super().plain(kind, value)
        if kind[0] in ("float", "double") and not math.isfinite(value):
            return f"CASE WHEN RAND() < 2 THEN {text} ELSE '0' END"
        return text

    def do_create(self, table, fields, version=2, partition=(), sort=None, **options):
        if any(transform(text)[0] != "identity" for text in partition):
            raise Unsupported("Flink's SQL partitions by columns alone")
        if sort:
            raise Unsupported("Flink's SQL has no sort order")
        super().do_create(table, fields, version, partition, **options)

    def do_add_column(self, table, name, kind):
        if "." in name:
            raise Unsupported("Flink's SQL changes no field of a row")
        super().do_add_column(table, name, kind)

    def http(self, method, path, body=None):
        request = urllib.request.Request(self.base + path, method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request) as answer:
                return json.loads(answer.read(), parse_float=decimal.Decimal)
        except urllib.error.HTTPError as refused:
            text = refused.read().decode(errors="replace")
            try:
                text = json.loads(text)["errors"][-1]
            except (ValueError, KeyError):
                pass
            causes = [line for line in text.splitlines() if "Caused by" in line or "Exception" in line]
            raise RuntimeError(" | ".join(causes[-3:]) or text[:500]) from None

    def sql(self, text):
        operation = self.http("POST", f"/sessions/{self.session}/statements", {"statement": text})["operationHandle"]
        path, rows = f"/sessions/{self.session}/operations/{operation}/result/0?rowFormat=JSON", []
        while path:
            answer = self.http("GET", path)
            if answer["resultType"] == "NOT_READY":
                time.sleep(0.02)
                continue
            self.names = [c["name"] for c in answer["results"]["columns"]]
            rows += [row["fields"] for row in answer["results"]["data"]]
            path = answer.get("nextResultUri", "").removeprefix("/v1").removeprefix("/v2")
            if answer["resultType"] == "EOS":
                break
        return rows

    def read_names(self, fields):
        """The gateway's JSON has no maps but of texts."""
        super().read_names(fields)
        return ", ".join(f"MAP_ENTRIES({self.quote(f.name)})" if f.type[0] == "map" and f.type[1] != ("string",)
                         else self.quote(f.name) for f in fields)

    def do_read(self, table, fields, snapshot=None, ref=None, where=None):
        """5.0 is a decimal, which Iceberg's filters do not compare with a double."""
        return super().do_read(table, fields, snapshot, ref, where and re.sub(r"\b(\d+\.\d+)\b", r"\1e0", where))

    def do_merge(self, table, fields, rows, key, delete=None):
        if delete:
            raise Unsupported("Flink's upsert deletes nothing")
        names = ", ".join(self.quote(f.name) for f in fields)
        self.sql(f"INSERT INTO {self.table(table)} /*+ OPTIONS('upsert-enabled'='true') */ ({names}) "
                 f"VALUES {self.values(fields, rows)}")

    def do_delete(self, table, where):
        raise Unsupported("Iceberg's Flink has no DELETE")

    def do_update(self, table, sets, where):
        raise Unsupported("Iceberg's Flink has no UPDATE")

    def do_append(self, table, fields, rows, branch=None):
        hint = f" /*+ OPTIONS('branch'='{branch}') */" if branch else ""
        names = ", ".join(self.quote(f.name) for f in fields)
        self.sql(f"INSERT INTO {self.table(table)}{hint} ({names}) VALUES {self.values(fields, rows)}")

    def at(self, table, snapshot, ref):
        option = f"'snapshot-id'='{snapshot}'" if snapshot else f"'tag'='{ref}'" if ref == "before" else \
            f"'branch'='{ref}'" if ref else ""
        return self.table(table) + (f" /*+ OPTIONS({option}) */" if option else "")

    def do_meta(self, table, what):
        """The gateway's JSON has no maps whose keys are numbers, as those of metrics are."""
        names = "content, file_path, record_count" if what == "files" else "*"
        rows = self.sql(f"SELECT {names} FROM {self.catalog}.{self.quote(table[0])}.`{table[1]}${what}`")
        return [dict(zip(self.names, row)) for row in rows]
