"""light.py - the engines that live in this process or start in a moment: pyiceberg, DuckDB, tarn."""

import decimal
import json

import model
from harness import CATALOG, duckdb_connection, iceberg
from flink import FlinkSql
from sqlengine import Engine, SqlEngine, check_types, transform


class PyIceberg(Engine):
    name = "pyiceberg"
    light = True
    lacks = {}
    blind = {}

    def start(self, tarn):
        self.catalog = iceberg(tarn)

    def load(self, table):
        return self.catalog.load_table(table)

    # ---- types ----

    def field_type(self, kind):
        from pyiceberg import types as t

        word = kind[0]
        if word == "decimal":
            return t.DecimalType(kind[1], kind[2])
        if word == "fixed":
            return t.FixedType(kind[1])
        if word == "list":
            return t.ListType(self.number(), self.field_type(kind[1]), element_required=False)
        if word == "map":
            return t.MapType(self.number(), self.field_type(kind[1]), self.number(),
                             self.field_type(kind[2]), value_required=False)
        if word == "struct":
            return t.StructType(*self.fields(kind[1]))
        return {"boolean": t.BooleanType, "int": t.IntegerType, "long": t.LongType, "float": t.FloatType,
                "double": t.DoubleType, "string": t.StringType, "binary": t.BinaryType, "date": t.DateType,
                "time": t.TimeType, "timestamp": t.TimestampType, "timestamptz": t.TimestamptzType,
                "timestamp_ns": t.TimestampNanoType, "timestamptz_ns": t.TimestamptzNanoType,
                "uuid": t.UUIDType}[word]()

    def number(self):
        self.last += 1
        return self.last

    def fields(self, fields):
        from pyiceberg.types import NestedField

        return [NestedField(self.number(), f.name, self.field_type(f.type), required=f.required)
                for f in fields]

    def do_create(self, table, fields, version=2, partition=(), sort=None, properties=None, key=None):
        from pyiceberg.schema import Schema

        check_types(self.lacks, fields)
        if version > 2:
            raise model.Unsupported("pyiceberg 0.10 writes no v3")
        self.last = 0
        numbered = self.fields(fields)
        keys = [f.field_id for f in numbered if f.name == key]
        made = self.catalog.create_table(table, Schema(*numbered, identifier_field_ids=keys),
                                         properties={"format-version": str(version), **(properties or {})})
        if partition or sort:
            with made.transaction() as change:
                if partition:
                    with change.update_spec() as spec:
                        for text in partition:
                            self.add_partition(spec, text)
                if sort:
                    from pyiceberg.transforms import IdentityTransform
                    with change.update_sort_order() as order:
                        order.asc(sort, IdentityTransform())

    def add_partition(self, spec, text):
        from pyiceberg import transforms as t

        word, number, column = transform(text)
        spec.add_field(column, {"identity": t.IdentityTransform, "day": t.DayTransform, "month": t.MonthTransform,
                                "year": t.YearTransform, "hour": t.HourTransform,
                                "bucket": lambda: t.BucketTransform(number),
                                "truncate": lambda: t.TruncateTransform(number)}[word]())

    def value(self, kind, value):
        word = kind[0]
        if value is None:
            return None
        if word == "list":
            return [self.value(kind[1], item) for item in value]
        if word == "map":
            return [(self.value(kind[1], k), self.value(kind[2], v)) for k, v in value.items()]
        if word == "struct":
            return {f.name: self.value(f.type, value.get(f.name)) for f in kind[1]}
        if word.endswith("_ns"):
            return model.canon(kind, value)
        return value.bytes if word == "uuid" else value

    def arrow(self, loaded, fields, rows):
        import pyarrow as pa

        order = [f.name for f in loaded.schema().fields]
        known = {f.name: f for f in fields}
        return pa.Table.from_pylist([{name: self.value(known[name].type, row.get(name)) for name in order}
                                     for row in rows], loaded.schema().as_arrow())

    # ---- verbs ----

    def do_namespace(self, name):
        self.catalog.create_namespace_if_not_exists(name)

    def do_append(self, table, fields, rows, branch=None):
        loaded = self.load(table)
        loaded.append(self.arrow(loaded, fields, rows), **({"branch": branch} if branch else {}))

    def do_delete(self, table, where):
        """pyiceberg does not try again when another commit came first, as maintenance makes them."""
        from pyiceberg.exceptions import CommitFailedException

        for _ in range(5):
            try:
                return self.load(table).delete(where)
            except CommitFailedException as lost:
                why = lost
        raise why

    def do_merge(self, table, fields, rows, key, delete=None):
        if delete:
            raise model.Unsupported("pyiceberg's upsert deletes nothing")
        loaded = self.load(table)
        loaded.upsert(self.arrow(loaded, fields, rows), join_cols=[key])

    def do_add_column(self, table, name, kind):
        self.last = 0
        with self.load(table).update_schema() as change:
            change.add_column(tuple(name.split(".")), self.field_type(kind))

    def do_rename_column(self, table, name, to):
        with self.load(table).update_schema() as change:
            change.rename_column(name, to)

    def do_drop_column(self, table, name):
        with self.load(table).update_schema() as change:
            change.delete_column(name)

    def do_widen_column(self, table, name, kind):
        with self.load(table).update_schema() as change:
            change.update_column(name, self.field_type(kind))

    def do_move_first(self, table, name):
        with self.load(table).update_schema() as change:
            change.move_first(name)

    def do_add_partition(self, table, text):
        with self.load(table).update_spec() as spec:
            self.add_partition(spec, text)

    def do_drop_partition(self, table, text):
        word, _, column = transform(text)
        loaded = self.load(table)
        source = loaded.schema().find_field(column).field_id
        name, = [f.name for f in loaded.spec().fields if f.source_id == source]
        with loaded.update_spec() as spec:
            spec.remove_field(name)

    def do_tag(self, table, name):
        loaded = self.load(table)
        loaded.manage_snapshots().create_tag(loaded.current_snapshot().snapshot_id, name).commit()

    def do_branch(self, table, name):
        loaded = self.load(table)
        loaded.manage_snapshots().create_branch(loaded.current_snapshot().snapshot_id, name).commit()

    def do_read(self, table, fields, snapshot=None, ref=None, where=None):
        import pyarrow as pa

        check_types(self.blind, fields)
        names = tuple(f.name for f in fields)
        scan = self.load(table).scan(selected_fields=names, snapshot_id=snapshot,
                                     **({"row_filter": where} if where else {}))
        data = (scan.use_ref(ref) if ref else scan).to_arrow()
        for at, column in enumerate(data.schema):  # Python's own times stop at micros
            if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
                data = data.set_column(at, column.name, data.column(at).cast(pa.int64()))
        return data.select(names).to_pylist()

    def do_meta(self, table, what):
        inspect = self.load(table).inspect
        if not hasattr(inspect, what):
            raise model.Unsupported(f"pyiceberg has no metadata table {what}")
        return getattr(inspect, what)().to_pylist()


class DuckDB(SqlEngine):
    name = "duckdb"
    light = True
    catalog = "lake"
    TYPES = {"boolean": "BOOLEAN", "int": "INTEGER", "long": "BIGINT", "float": "FLOAT", "double": "DOUBLE",
             "string": "VARCHAR", "binary": "BLOB", "date": "DATE", "time": "TIME", "timestamp": "TIMESTAMP",
             "timestamptz": "TIMESTAMPTZ", "timestamp_ns": "TIMESTAMP_NS", "uuid": "UUID"}
    lacks = {"fixed": "DuckDB has no BINARY(n)", "timestamptz_ns": "DuckDB has no nanoseconds with a zone"}
    blind = {}

    def start(self, tarn):
        self.connection = duckdb_connection(tarn)
        self.connection.execute("SET TimeZone = 'UTC'; SET threads = 2")

    def stop(self):
        self.connection.close()

    def sql(self, text):
        done = self.connection.execute(text)
        return done.fetchall() if done.description else []

    def type_list(self, kind):
        return self.type(kind[1]) + "[]"

    def type_map(self, kind):
        return f"MAP({self.type(kind[1])}, {self.type(kind[2])})"

    def type_struct(self, kind):
        return "STRUCT(" + ", ".join(f"{self.quote(f.name)} {self.type(f.type)}" for f in kind[1]) + ")"

    def plain(self, kind, value):
        if kind[0] == "binary":
            return "from_hex('" + bytes(value).hex() + "')"
        return super().plain(kind, value)

    def literal_list(self, kind, value):
        return "[" + ", ".join(self.literal(kind[1], item) for item in value) + "]"

    def literal_map(self, kind, value):
        return "MAP {" + ", ".join(f"{self.literal(kind[1], k)}: {self.literal(kind[2], v)}"
                                   for k, v in value.items()) + "}"

    def literal_struct(self, kind, value):
        return "{" + ", ".join(f"{self.quote(f.name)}: {self.literal(f.type, value.get(f.name))}"
                               for f in kind[1]) + "}"

    def do_create(self, table, fields, version=2, partition=(), sort=None, properties=None, key=None):
        if sort:
            raise model.Unsupported("DuckDB sets no sort order")
        parts = f" PARTITIONED BY ({', '.join(map(self.partition, partition))})" if partition else ""
        properties = {"format-version": str(version), **(properties or {})}
        self.sql(f"CREATE TABLE {self.table(table)} ({self.columns(fields)}){parts} "
                 f"WITH ({', '.join(f'{k!r} = {v!r}' for k, v in properties.items())})")

    def partition(self, text):
        word, number, column = transform(text)
        if word == "identity":
            return self.quote(column)
        return f"{word}({f'{number}, ' if number else ''}{self.quote(column)})"

    def read_names(self, fields):
        check_types(self.blind, fields)
        as_number = {"timestamp_ns": "epoch_ns", "timestamptz_ns": "epoch_ns", "timestamptz": "epoch_us"}
        return ", ".join(f"{as_number.get(f.type[0], '')}({self.quote(f.name)})" for f in fields)

    def do_read(self, table, fields, snapshot=None, ref=None, where=None):
        return [dict(zip((f.name for f in fields), row))
                for row in super().do_read(table, fields, snapshot, ref, where)]

    def at(self, table, snapshot, ref):
        if ref:
            raise model.Unsupported("DuckDB reads no refs")
        return self.table(table) + (f" AT (VERSION => {snapshot})" if snapshot else "")

    def do_meta(self, table, what):
        if what != "snapshots":
            raise model.Unsupported(f"DuckDB has no metadata table {what}")
        done = self.connection.execute(f"SELECT * FROM iceberg_snapshots({self.table(table)})")
        return [dict(zip([c[0] for c in done.description], row)) for row in done.fetchall()]


class Tarn(FlinkSql):
    """tarn sql, which speaks Flink's SQL, with the words of Iceberg's extension of Spark in ALTER TABLE."""

    name = "tarn"
    light = True
    catalog = CATALOG
    TYPES = {**FlinkSql.TYPES, "uuid": "UUID"}
    lacks = {"timestamptz_ns": "tarn writes no nanoseconds with a zone: DuckDB reads them cut"}

    def start(self, tarn):
        self.tarn = tarn

    def sql(self, text):
        done = self.tarn.command("sql", "--format", "json", "-e", text, check=False)
        if done.returncode:
            raise RuntimeError(f"{done.stderr.strip()} in {text}")
        return [json.loads(line, parse_float=decimal.Decimal) for line in done.stdout.splitlines()
                if line.startswith("{")]

    def alter(self, table, clause):
        self.sql(f"ALTER TABLE {self.table(table)} {clause}")

    def partition(self, text):
        word, number, column = transform(text)
        words = {"year": "years", "month": "months", "day": "days", "hour": "hours"}
        return column if word == "identity" else \
            f"{words.get(word, word)}({f'{number}, ' if number else ''}{column})"

    def do_create(self, table, fields, version=2, partition=(), sort=None, **options):
        plain = [text for text in partition if transform(text)[0] == "identity"]
        super().do_create(table, fields, version, plain, **options)
        for text in partition:
            if text not in plain:
                self.do_add_partition(table, text)
        if sort:
            self.alter(table, f"WRITE ORDERED BY {sort}")

    def do_add_partition(self, table, text):
        self.alter(table, f"ADD PARTITION FIELD {self.partition(text)}")

    def do_drop_partition(self, table, text):
        self.alter(table, f"DROP PARTITION FIELD {self.partition(text)}")

    def do_tag(self, table, name):
        self.alter(table, f"CREATE TAG {self.quote(name)}")

    def do_branch(self, table, name):
        self.alter(table, f"CREATE BRANCH {self.quote(name)}")

    def do_append(self, table, fields, rows, branch=None):
        to = f"$branch_{branch}" if branch else ""
        names = ", ".join(self.quote(f.name) for f in fields)
        self.sql(f"INSERT INTO {self.table((table[0], table[1] + to))} ({names}) VALUES {self.values(fields, rows)}")

    def do_rollback(self, table, snapshot):
        self.tarn.command("table", "rollback", f"{table[0]}.{table[1]}", str(snapshot))

    def at(self, table, snapshot, ref):
        option = {"snapshot-id": snapshot} if snapshot else {"tag" if ref == "before" else "branch": ref} if ref else {}
        return self.table(table) + "".join(f" /*+ OPTIONS('{k}'='{v}') */" for k, v in option.items())

    def do_meta(self, table, what):
        return self.sql(f"SELECT * FROM {self.catalog}.{self.quote(table[0])}.`{table[1]}${what}`")

    def do_compact(self, table):
        self.tarn.command("maintain", f"{table[0]}.{table[1]}")
