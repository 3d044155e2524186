"""model.py - tables as the matrix speaks of them: types, values, one canonical form of a row.

A type is a tuple whose first word is Iceberg's own: ("long",), ("decimal", 9, 2), ("list", element),
("map", key, value), ("struct", [Field]). Every engine hands rows over in its own habit (a timestamp is
a datetime here, a text there, a number elsewhere); canon() turns any of them into JSON whose equality
is the equality of Iceberg: exact decimals, times in micros or nanos, floats by their bits.
"""

import datetime
import decimal
import json
import math
import re
import struct
import uuid
from collections import namedtuple

Field = namedtuple("Field", "name type required doc", defaults=(False, None))
EPOCH = datetime.datetime(1970, 1, 1)
UTC = datetime.timezone.utc


class Unsupported(Exception):
    """The engine cannot, by its own documentation or design; the text says why."""


# ---- types from text: "id long!, tags list<string>, at struct<x double, y double>" ----

class _Parser:
    def __init__(self, text):
        self.tokens = re.findall(r"[A-Za-z_][A-Za-z_0-9]*|\d+|[<>(),!]|'[^']*'", text)

    def next(self, *wanted):
        token = self.tokens.pop(0)
        assert not wanted or token in wanted, (token, wanted, self.tokens)
        return token

    def accept(self, token):
        if self.tokens and self.tokens[0] == token:
            self.tokens.pop(0)
            return True
        return False

    def type(self):
        word = self.next()
        if word == "decimal":
            self.next("(")
            precision = int(self.next())
            self.next(",")
            scale = int(self.next())
            self.next(")")
            return word, precision, scale
        if word == "fixed":
            self.next("(")
            size = int(self.next())
            self.next(")")
            return word, size
        if word == "list":
            self.next("<")
            element = self.type()
            self.next(">")
            return word, element
        if word == "map":
            self.next("<")
            key = self.type()
            self.next(",")
            value = self.type()
            self.next(">")
            return word, key, value
        if word == "struct":
            self.next("<")
            fields = self.fields(">")
            return word, fields
        return (word,)

    def fields(self, end=None):
        found = []
        while self.tokens:
            name = self.next()
            kind = self.type()
            found.append(Field(name, kind, self.accept("!")))
            if not self.accept(","):
                break
        if end:
            self.next(end)
        return found


def columns(text):
    parser = _Parser(text)
    found = parser.fields()
    assert not parser.tokens, parser.tokens
    return found


def type_of(text):
    return _Parser(text).type()


# ---- canonical form ----

def _number(value):
    return "NaN" if math.isnan(value) else "Infinity" if value == math.inf else \
        "-Infinity" if value == -math.inf else repr(value)


def _float(value, kind):
    value = float(value)
    if kind == "float" and math.isfinite(value):
        value = struct.unpack("<f", struct.pack("<f", value))[0]
    return _number(value)


def _micros(delta):
    return (delta.days * 86400 + delta.seconds) * 1000000 + delta.microseconds


MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:\.(\d+))?\s*(Z|UTC|[+-]\d\d:?\d\d|[+-]\d\d)?$")


def _moment(value, unit):
    """A timestamp in any habit as a count since the epoch, in UTC; unit is 10**6 or 10**9 a second."""
    if isinstance(value, datetime.datetime):
        nanos = getattr(value, "nanosecond", 0)  # pandas
        if value.tzinfo is not None:
            value = value.astimezone(UTC).replace(tzinfo=None)
        value = value.to_pydatetime(warn=False) if hasattr(value, "to_pydatetime") else value
        return _micros(value - EPOCH) * (unit // 10**6) + (nanos if unit == 10**9 else 0)
    if isinstance(value, int):
        return value
    match = MOMENT.match(str(value).strip())
    if not match:
        raise ValueError(f"no timestamp: {value!r}")
    day, clock, fraction, zone = match.groups()
    clock = clock if len(clock) == 8 else clock + ":00"
    base = datetime.datetime.fromisoformat(f"{day} {clock}")
    if zone and zone not in ("Z", "UTC"):
        digits = zone[1:].replace(":", "").ljust(4, "0")
        shift = datetime.timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
        base += -shift if zone[0] == "+" else shift
    digits = len(str(unit)) - 1
    fraction = (fraction or "").ljust(digits, "0")
    if set(fraction[digits:]) - {"0"}:
        raise ValueError(f"finer than the type: {value!r}")
    return _micros(base - EPOCH) // 10**6 * unit + int(fraction[:digits])


def _time(value):
    if isinstance(value, datetime.timedelta):
        return _micros(value)
    if isinstance(value, str):
        clock, _, fraction = value.partition(".")
        parts = [int(p) for p in clock.split(":")] + [0]
        return (parts[0] * 3600 + parts[1] * 60 + parts[2]) * 10**6 + int((fraction or "0").ljust(6, "0")[:6])
    if isinstance(value, int):
        return value
    return (value.hour * 3600 + value.minute * 60 + value.second) * 10**6 + value.microsecond


def _bytes(value):
    if isinstance(value, str):
        raise ValueError(f"text for bytes: {value!r}")
    return bytes(value).hex()


def _date(value):
    if isinstance(value, datetime.datetime):
        value = value.date()
    if isinstance(value, int):
        value = (EPOCH + datetime.timedelta(days=value)).date()
    return value if isinstance(value, str) else value.isoformat()


def _pairs(value):
    return value.items() if isinstance(value, dict) else value


def _decimal(value, scale):
    exact = decimal.Decimal(repr(value)) if isinstance(value, float) else decimal.Decimal(value)
    with decimal.localcontext(decimal.Context(prec=60)):
        done = exact.quantize(decimal.Decimal(1).scaleb(-scale))
    if done != exact:
        raise ValueError(f"{value!r} has more than {scale} decimals")
    return str(done)


def _struct(fields, value):
    if hasattr(value, "asDict"):
        value = value.asDict(recursive=False)
    if not isinstance(value, dict):
        assert len(value) == len(fields), (value, [f.name for f in fields])
        value = dict(zip((f.name for f in fields), value))
    unknown = set(value) - {f.name for f in fields}
    assert not unknown, f"fields nobody asked for: {sorted(unknown)}"
    return {f.name: canon(f.type, value[f.name]) for f in fields}


def canon(kind, value):
    word = kind[0]
    if value is None:
        return None
    if word == "boolean":
        if not isinstance(value, bool):
            raise ValueError(f"no boolean: {value!r}")
        return value
    if word in ("int", "long"):
        return int(value)
    if word in ("float", "double"):
        return _float(value, word)
    if word == "decimal":
        return _decimal(value, kind[2])
    if word == "string":
        if not isinstance(value, str):
            raise ValueError(f"no text: {value!r}")
        return value
    if word == "date":
        return _date(value)
    if word == "time":
        return _time(value)
    if word in ("timestamp", "timestamptz"):
        return _moment(value, 10**6)
    if word in ("timestamp_ns", "timestamptz_ns"):
        return _moment(value, 10**9)
    if word == "uuid":
        return str(uuid.UUID(bytes=bytes(value))) if isinstance(value, (bytes, bytearray)) else str(uuid.UUID(str(value)))
    if word in ("binary", "fixed"):
        return _bytes(value)
    if word == "list":
        return [canon(kind[1], item) for item in value]
    if word == "map":
        return sorted(([canon(kind[1], k), canon(kind[2], v)] for k, v in _pairs(value)), key=json.dumps)
    if word == "struct":
        return _struct(kind[1], value)
    raise AssertionError(f"no such type: {kind}")


def canon_rows(fields, rows):
    """Rows in a fixed order, each one line of JSON: what two readers must agree on."""
    return sorted(json.dumps(_struct(fields, row), ensure_ascii=False) for row in rows)


def difference(wanted, got):
    """What a person needs to see of two lists of canonical rows that differ."""
    left, right = list(wanted), list(got)
    for line in wanted:
        if line in right:
            left.remove(line)
            right.remove(line)
    return (f"{len(wanted)} rows wanted, {len(got)} came; missing {left[:3]}{' ...' if left[3:] else ''}, "
            f"not wanted {right[:3]}{' ...' if right[3:] else ''}")
