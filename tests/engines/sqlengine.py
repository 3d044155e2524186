"""sqlengine.py - what the SQL of all engines has in common, and where each may differ.

An engine is a class with the verbs below. A verb that an engine has no words for raises Unsupported,
and the runner prints that as a skip with its reason; any other exception is a failure. A verb takes
the table as (namespace, name) and columns as model.Field.
"""

import math
import re

import model
from model import Unsupported

TRANSFORM = re.compile(r"(\w+)\((?:(\d+), *)?(\w+)\)$")  # day(at), bucket(4, id); a bare name is identity


def transform(text):
    """-> (word, argument or None, column)"""
    match = TRANSFORM.match(text)
    return (match[1], match[2] and int(match[2]), match[3]) if match else ("identity", None, text)


class Engine:
    name = "?"
    light = False   # takes no memory worth counting: it may stay up beside others
    lacks = {}      # type word -> why the engine cannot make a column of it
    blind = {}      # type word -> why it cannot read one

    def start(self, tarn):
        raise NotImplementedError

    def stop(self):
        pass

    def refresh(self, table):
        """Others have committed: forget what is cached of the table."""

    def __getattr__(self, verb):
        if verb.startswith("do_"):
            raise Unsupported(f"{self.name} has no {verb[3:]}")
        raise AttributeError(verb)


def words(kind):
    """All type words inside a type."""
    yield kind[0]
    if kind[0] in ("list", "map"):
        for part in kind[1:]:
            yield from words(part)
    if kind[0] == "struct":
        for field in kind[1]:
            yield from words(field.type)


def check_types(table, fields):
    for field in fields:
        for word in words(field.type):
            if word in table:
                raise Unsupported(table[word])


class SqlEngine(Engine):
    """Subclasses give sql(text) -> rows, quote, TYPES and what differs."""

    quote_mark = '"'
    TYPES = {}

    # ---- names, types, literals ----

    def quote(self, name):
        return ".".join(self.quote_mark + part + self.quote_mark for part in name.split("."))

    def table(self, table):
        return f"{self.catalog}.{self.quote(table[0])}.{self.quote(table[1])}"

    def type(self, kind):
        word = kind[0]
        if word in self.lacks:
            raise Unsupported(self.lacks[word])
        if word == "decimal":
            return f"DECIMAL({kind[1]},{kind[2]})"
        if word == "fixed":
            return self.TYPES["fixed"].format(kind[1])
        if word in ("list", "map", "struct"):
            return getattr(self, "type_" + word)(kind)
        return self.TYPES[word]

    def literal(self, kind, value):
        """An expression of exactly that type."""
        word = kind[0]
        if value is None:
            return f"CAST(NULL AS {self.type(kind)})"
        if word in ("list", "map", "struct"):
            return f"CAST({getattr(self, 'literal_' + word)(kind, value)} AS {self.type(kind)})"
        return f"CAST({self.plain(kind, value)} AS {self.type(kind)})"

    def plain(self, kind, value):
        word = kind[0]
        if word == "boolean":
            return "TRUE" if value else "FALSE"
        if word in ("int", "long"):
            return str(value)
        if word in ("float", "double"):
            return self.real(value) if math.isfinite(value) else f"'{model._number(value)}'"
        if word == "decimal":
            return f"'{value}'"
        if word in ("binary", "fixed"):
            return f"X'{bytes(value).hex()}'"
        if word in ("timestamp", "timestamptz"):
            return "'" + self.moment(value) + "'"
        text = value if isinstance(value, str) else value.isoformat() if hasattr(value, "isoformat") else str(value)
        return "'" + text.replace("'", "''") + "'"

    def real(self, value):
        return f"'{value!r}'"

    def moment(self, value):
        text = value.replace(tzinfo=None).strftime("%Y-%m-%d %H:%M:%S.%f")
        return text + "+00:00" if value.tzinfo else text

    def values(self, fields, rows):
        return ", ".join("(" + ", ".join(self.literal(f.type, row.get(f.name)) for f in fields) + ")"
                         for row in rows)

    # ---- verbs ----

    def columns(self, fields):
        check_types(self.lacks, fields)
        return ", ".join(f"{self.quote(f.name)} {self.type(f.type)}{' NOT NULL' if f.required else ''}"
                         for f in fields)

    def do_namespace(self, name):
        self.sql(f"CREATE SCHEMA IF NOT EXISTS {self.catalog}.{self.quote(name)}")

    def do_append(self, table, fields, rows, branch=None):
        if branch:
            raise Unsupported(f"{self.name} does not write to branches")
        names = ", ".join(self.quote(f.name) for f in fields)
        self.sql(f"INSERT INTO {self.table(table)} ({names}) VALUES {self.values(fields, rows)}")

    def do_insert_select(self, table, select):
        self.sql(f"INSERT INTO {self.table(table)} {select}")

    def do_delete(self, table, where):
        self.sql(f"DELETE FROM {self.table(table)} WHERE {where}")

    def do_update(self, table, sets, where):
        self.sql(f"UPDATE {self.table(table)} SET {sets} WHERE {where}")

    def do_merge(self, table, fields, rows, key, delete=None):
        """Rows with a known key replace, `delete` (a condition on s) takes away, others are new."""
        names = [self.quote(f.name) for f in fields]
        columns = [f"{self.quote(f.name)}" for f in fields]
        source = f"(SELECT * FROM (VALUES {self.values(fields, rows)}) AS v({', '.join(columns)}))"
        gone = f"WHEN MATCHED AND {delete} THEN DELETE " if delete else ""
        self.sql(f"MERGE INTO {self.table(table)} AS t USING {source} AS s "
                 f"ON t.{self.quote(key)} = s.{self.quote(key)} {gone}"
                 f"WHEN MATCHED THEN UPDATE SET {', '.join(f'{n} = s.{n}' for n in names)} "
                 f"WHEN NOT MATCHED THEN INSERT ({', '.join(names)}) "
                 f"VALUES ({', '.join(f's.{n}' for n in names)})")

    def do_add_column(self, table, name, kind):
        self.sql(f"ALTER TABLE {self.table(table)} ADD COLUMN {self.quote(name)} {self.type(kind)}")

    def do_rename_column(self, table, name, to):
        self.sql(f"ALTER TABLE {self.table(table)} RENAME COLUMN {self.quote(name)} TO {self.quote(to)}")

    def do_drop_column(self, table, name):
        self.sql(f"ALTER TABLE {self.table(table)} DROP COLUMN {self.quote(name)}")

    def do_widen_column(self, table, name, kind):
        self.sql(f"ALTER TABLE {self.table(table)} ALTER COLUMN {self.quote(name)} "
                 f"SET DATA TYPE {self.type(kind)}")

    def read_names(self, fields):
        check_types(self.blind, fields)
        return ", ".join(self.quote(f.name) for f in fields)

    def do_read(self, table, fields, snapshot=None, ref=None, where=None):
        text = f"SELECT {self.read_names(fields)} FROM {self.at(table, snapshot, ref)}"
        return self.sql(text + (f" WHERE {where}" if where else ""))

    def at(self, table, snapshot, ref):
        """The table as of a snapshot or a ref."""
        if snapshot:
            return f"{self.table(table)} FOR VERSION AS OF {snapshot}"
        if ref:
            return f"{self.table(table)} FOR VERSION AS OF '{ref}'"
        return self.table(table)

    def do_sql(self, text, table=None):
        """Words that only this engine has; {t} is the table."""
        return self.sql(text.replace("{t}", self.table(table)).replace("{n}", f"{table[0]}.{table[1]}"))
