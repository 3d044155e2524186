"""trino.py - Trino's server with its Iceberg plugin alone, driven over its HTTP protocol."""

import decimal
import json
import os
import time
import urllib.request

from harness import CATALOG, CREDENTIAL, free_ports
from flink import FlinkSql
from jvm import Jvm
from model import Unsupported
from sqlengine import SqlEngine, transform

LAKE = {"connector.name": "iceberg", "iceberg.catalog.type": "rest",
        "iceberg.rest-catalog.warehouse": CATALOG, "iceberg.rest-catalog.security": "OAUTH2",
        "iceberg.rest-catalog.oauth2.credential": CREDENTIAL,
        "iceberg.rest-catalog.oauth2.scope": "PRINCIPAL_ROLE:ALL",
        "iceberg.rest-catalog.vended-credentials-enabled": "true",
        "iceberg.allowed-extra-properties": "*", "iceberg.expire-snapshots.min-retention": "0s",
        "iceberg.remove-orphan-files.min-retention": "0s",
        "fs.native-s3.enabled": "true", "s3.region": "us-east-1", "s3.path-style-access": "true"}


class Trino(SqlEngine):
    name = "trino"
    catalog = "lake"
    TYPES = {"boolean": "BOOLEAN", "int": "INTEGER", "long": "BIGINT", "float": "REAL", "double": "DOUBLE",
             "string": "VARCHAR", "binary": "VARBINARY", "date": "DATE", "time": "TIME(6)", "uuid": "UUID",
             "timestamp": "TIMESTAMP(6)", "timestamptz": "TIMESTAMP(6) WITH TIME ZONE"}
    lacks = {"fixed": "Trino has no VARBINARY(n)", "timestamp_ns": "Trino 476 has no v3 and so no nanoseconds",
             "timestamptz_ns": "Trino 476 has no v3 and so no nanoseconds"}
    blind = {"timestamp_ns": "Trino 476 has no v3 and so no nanoseconds",
             "timestamptz_ns": "Trino 476 has no v3 and so no nanoseconds"}

    def __init__(self, deps):
        self.deps = deps

    def start(self, tarn):
        port, = free_ports(1)
        self.base = f"http://127.0.0.1:{port}"
        java = os.path.join(self.deps, "jdk", "bin", "java")
        home = os.path.join(self.deps, "trino")
        self.jvm = Jvm("trino", [java, "-Xmx1600m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                                 "-XX:+ExplicitGCInvokesConcurrent", "-Djdk.attach.allowAttachSelf=true",
                                 "-Dfile.encoding=UTF-8", "--enable-native-access=ALL-UNNAMED",
                                 "-XX:+EnableDynamicAgentLoading"])
        etc = os.path.join(self.jvm.dir, "etc")
        os.makedirs(os.path.join(etc, "catalog"))
        os.makedirs(os.path.join(self.jvm.dir, "plugin"))
        os.symlink(os.path.join(home, "plugin", "iceberg"), os.path.join(self.jvm.dir, "plugin", "iceberg"))
        self.write(f"{etc}/node.properties", {"node.environment": "test", "node.id": "one", "node.data-dir": self.jvm.dir})
        self.write(f"{etc}/config.properties",
                   {"coordinator": "true", "node-scheduler.include-coordinator": "true", "http-server.http.port": port,
                    "discovery.uri": self.base, "plugin.dir": f"{self.jvm.dir}/plugin", "query.max-memory": "512MB",
                    "query.max-memory-per-node": "512MB", "memory.heap-headroom-per-node": "256MB",
                    "catalog.management": "static"})
        self.write(f"{etc}/catalog/lake.properties",
                   {**LAKE, "iceberg.rest-catalog.uri": tarn.rest + "/api/catalog",
                    "iceberg.rest-catalog.oauth2.server-uri": tarn.rest + "/api/catalog/v1/oauth/tokens",
                    "s3.endpoint": tarn.s3_url})
        self.write(f"{etc}/log.properties", {"io.trino": "WARN", "io.airlift": "WARN"})
        self.jvm.command += [f"-Dconfig={etc}/config.properties", f"-Dnode.data-dir={self.jvm.dir}",
                             "-Dnode.id=one", "-Dnode.environment=test", f"-Dlog.levels-file={etc}/log.properties",
                             f"-Dcatalog.config-dir={etc}/catalog", "-cp", f"{home}/lib/*", "io.trino.server.TrinoServer"]
        self.jvm.start(self.ready)

    @staticmethod
    def write(path, settings):
        with open(path, "w") as out:
            out.writelines(f"{key}={value}\n" for key, value in settings.items())

    def ready(self):
        with urllib.request.urlopen(self.base + "/v1/info") as answer:
            if json.load(answer)["starting"]:
                return False
        try:
            return self.sql("SELECT 1") == [[1]]
        except RuntimeError:  # no node yet that could run it
            return False

    def stop(self):
        self.jvm.stop()

    def call(self, address, body=None):
        request = urllib.request.Request(address, data=body and body.encode(), headers={
            "X-Trino-User": "test", "X-Trino-Time-Zone": "UTC", "X-Trino-Catalog": "lake",
            "X-Trino-Client-Capabilities": "PARAMETRIC_DATETIME"})
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read(), parse_float=decimal.Decimal)

    def sql(self, text):
        """On a machine that is short of time Trino misses its own node's heartbeats for a while."""
        for _ in range(60):
            try:
                return self.run(text)
            except RuntimeError as refused:
                if "No nodes available" not in str(refused):
                    raise
                why = refused
                time.sleep(1)
        raise why

    def run(self, text):
        answer, rows = self.call(self.base + "/v1/statement", text), []
        while True:
            rows += answer.get("data") or []
            if "columns" in answer:
                self.names = [c["name"] for c in answer["columns"]]
            if "error" in answer:
                failure = answer["error"]
                info = failure.get("failureInfo", {})
                cause = info.get("cause", info)
                raise RuntimeError(f"{failure['message']} {cause.get('message', '')} {cause.get('stack', [])[:9]}")
            if "nextUri" not in answer:
                return rows
            answer = self.call(answer["nextUri"])

    # ---- where Trino has words of its own ----

    def type_list(self, kind):
        return f"ARRAY({self.type(kind[1])})"

    def type_map(self, kind):
        return f"MAP({self.type(kind[1])}, {self.type(kind[2])})"

    def type_struct(self, kind):
        return "ROW(" + ", ".join(f"{self.quote(f.name)} {self.type(f.type)}" for f in kind[1]) + ")"

    def literal_list(self, kind, value):
        return "ARRAY[" + ", ".join(self.literal(kind[1], item) for item in value) + "]"

    def literal_map(self, kind, value):
        return (f"MAP(ARRAY[{', '.join(self.literal(kind[1], k) for k in value)}], "
                f"ARRAY[{', '.join(self.literal(kind[2], v) for v in value.values())}])")

    def literal_struct(self, kind, value):
        return "ROW(" + ", ".join(self.literal(f.type, value.get(f.name)) for f in kind[1]) + ")"

    def moment(self, value):
        return super().moment(value).replace("+00:00", " UTC")

    def partition(self, text):
        word, number, column = transform(text)
        return column if word == "identity" else f"{word}({column}{f', {number}' if number else ''})"

    def do_create(self, table, fields, version=2, partition=(), sort=None, properties=None, key=None):
        if version > 2:
            raise Unsupported("Trino 476 has no v3")
        options = [f"format_version = {version}"]
        if partition:
            options.append("partitioning = ARRAY[" + ", ".join(f"'{self.partition(p)}'" for p in partition) + "]")
        if sort:
            options.append(f"sorted_by = ARRAY['{sort}']")
        if properties:
            options.append("extra_properties = MAP(ARRAY[" + ", ".join(f"'{k}'" for k in properties) + "], ARRAY["
                           + ", ".join(f"'{v}'" for v in properties.values()) + "])")
        self.sql(f"CREATE TABLE {self.table(table)} ({self.columns(fields)}) WITH ({', '.join(options)})")

    def partitioning(self, table, change):
        text = self.sql(f"SHOW CREATE TABLE {self.table(table)}")[0][0]
        found = text.partition("partitioning = ARRAY[")[2].partition("]")[0]
        parts = [part.strip("' ") for part in found.replace("','", "'|'").split("|") if part.strip("' ")]
        self.sql(f"ALTER TABLE {self.table(table)} SET PROPERTIES partitioning = ARRAY["
                 + ", ".join(f"'{part}'" for part in change(parts)) + "]")

    def do_add_partition(self, table, text):
        self.partitioning(table, lambda parts: parts + [self.partition(text)])

    def do_drop_partition(self, table, text):
        self.partitioning(table, lambda parts: [p for p in parts if p != self.partition(text)])

    def do_rollback(self, table, snapshot):
        self.sql(f"ALTER TABLE {self.table(table)} EXECUTE rollback_to_snapshot({snapshot})")

    def do_compact(self, table):
        self.sql(f"ALTER TABLE {self.table(table)} EXECUTE optimize")

    def do_expire(self, table):
        self.sql(f"ALTER TABLE {self.table(table)} EXECUTE expire_snapshots(retention_threshold => '0s')")

    def do_orphans(self, table):
        self.sql(f"ALTER TABLE {self.table(table)} EXECUTE remove_orphan_files(retention_threshold => '0s')")

    from_json = FlinkSql.from_json

    def do_read(self, table, fields, snapshot=None, ref=None, where=None):
        return [[self.from_json(f.type, item) for f, item in zip(fields, row, strict=True)]
                for row in super().do_read(table, fields, snapshot, ref, where)]

    def do_meta(self, table, what):
        rows = self.sql(f"SELECT * FROM lake.{self.quote(table[0])}.\"{table[1]}${what}\"")
        return [dict(zip(self.names, row)) for row in rows]
