"""cases.py - the matrix: tables made, changed and read. One case is a list of steps.

A step is (verb, arguments); verbs are the do_* of sqlengine.Engine, played by the case's writer, but
for `expect` and `meta`, which every reader answers. `by` names another engine for one step. A step
may `mark` the snapshot it left, for a later expect(at=mark).
"""

import datetime
import decimal
import math
import uuid
from collections import namedtuple

import model

Case = namedtuple("Case", "name says steps writers readers", defaults=(None, None))
Step = namedtuple("Step", "verb arguments by mark")
CASES = []
D = decimal.Decimal
VERSIONS = ((2, ""), (3, "_v3"))  # of the format, and what a case's name says of it


def case(name, says, *steps, writers=None, readers=None):
    CASES.append(Case(name, says, steps, writers, readers))


def step(verb, by=None, mark=None, **arguments):
    return Step(verb, arguments, by, mark)


def create(columns, **options):
    return step("create", fields=model.columns(columns), **options)


def append(*rows, **options):
    return step("append", rows=list(rows), **options)


def expect(*rows, at=None, ref=None, columns=None, where=None):
    return step("expect", rows=list(rows), at=at, ref=ref, where=where,
                fields=model.columns(columns) if columns else None)


def columns(text):
    """The columns from here on, after a change of the schema."""
    return step("columns", fields=model.columns(text))


def row(**values):
    return values


def at(text):
    return datetime.datetime.fromisoformat(text)


def utc(text):
    return at(text).replace(tzinfo=datetime.timezone.utc)


NUMBERS = [row(id=n, w=f"w{n % 3}", v=n / 4) for n in range(12)]

# ---- types ----

TYPED = [
    row(id=1, bo=True, i=2147483647, l=-9223372036854775808, f=1.5, d=-2.25, de=D("12345.67"),
        big=D("99999999999999999999999999999999.999999"), s="naïve ✓ 'quoted'", by=b"\x00\xff\x10",
        da=datetime.date(1969, 12, 31), ts=at("2024-02-29 23:59:59.999999"), tz=utc("2024-02-29 23:59:59.000001")),
    row(id=2, bo=False, i=-2147483648, l=9223372036854775807, f=1e-45, d=1e308, de=D("-0.01"),
        big=D("-0.000001"), s="", by=b"", da=datetime.date(2038, 1, 20), ts=at("1969-12-31 23:59:59.999999"),
        tz=utc("1900-01-01 00:00:00")),
    row(id=3),
]
TYPES = ("id long, bo boolean, i int, l long, f float, d double, de decimal(7,2), big decimal(38,6), "
         "s string, by binary, da date, ts timestamp, tz timestamptz")

for version in (1, 2, 3):
    case(f"types_v{version}", f"every type that all engines have, format v{version}",
         create(TYPES, version=version), append(*TYPED), expect(*TYPED))

for word, values in {
    "time": [datetime.time(0, 0), datetime.time(23, 59, 59, 999999)],
    "uuid": [uuid.UUID(int=0), uuid.UUID("f79c3e09-677c-4bbd-a479-3f349cb785e7")],
    "fixed(4)": [b"\x00\x01\x02\xff", b"abcd"],
    "timestamp_ns": [], "timestamptz_ns": [],
}.items():
    short = word.replace("(4)", "")
    rows = [row(id=n, v=value) for n, value in enumerate(values + [None])]
    if short.endswith("_ns"):  # Python's own times stop at micros: text
        zone = "+00:00" if "tz" in short else ""
        rows = [row(id=1, v="2024-02-29 23:59:59.123456789" + zone), row(id=2, v="1969-12-31 00:00:00.000000001" + zone),
                row(id=9)]
    case(f"type_{short}", f"a column of {word}", create(f"id long, v {word}", version=3 if "_ns" in short else 2),
         append(*rows), expect(*rows))

SECONDS = [row(id=0, v=datetime.time(0, 0)), row(id=1, v=datetime.time(12, 34, 56)), row(id=2, v=datetime.time(23, 59, 59)), row(id=3)]
case("type_time_seconds", "a column of times without fractions",
     create("id long, v time"), append(*SECONDS), expect(*SECONDS))

for version, short in VERSIONS:
    case("nested" + short, "lists, maps and structs in each other, empty and null at every level",
         create("id long, l list<int>, m map<string,long>, s struct<x double, y list<string>>, "
                "ls list<struct<a int, b map<string,list<int>>>>, mm map<int,struct<k string, v decimal(9,3)>>", version=version),
         append(row(id=1, l=[1, None, 3], m={"a": 1, "b": None}, s={"x": 0.5, "y": ["p", None]},
                    ls=[{"a": 1, "b": {"k": [1, 2], "e": []}}, None, {"a": None, "b": None}],
                    mm={7: {"k": "x", "v": D("1.500")}, 8: None}),
                row(id=2, l=[], m={}, s={"x": None, "y": []}, ls=[], mm={}),
                row(id=3, ls=[], mm={})),
         expect(row(id=1, l=[1, None, 3], m={"a": 1, "b": None}, s={"x": 0.5, "y": ["p", None]},
                    ls=[{"a": 1, "b": {"k": [1, 2], "e": []}}, None, {"a": None, "b": None}],
                    mm={7: {"k": "x", "v": D("1.500")}, 8: None}),
                row(id=2, l=[], m={}, s={"x": None, "y": []}, ls=[], mm={}),
                row(id=3, ls=[], mm={})))

case("null_structs", "no list and no map of structs at all, beside empty ones",
     create("id long, ls list<struct<a int>>, ms map<string,struct<a int>>"),
     append(row(id=1, ls=[], ms={}), row(id=2), row(id=3, ls=[None], ms={"k": None})),
     expect(row(id=1, ls=[], ms={}), row(id=2), row(id=3, ls=[None], ms={"k": None})))

case("negative_zero", "zero has a sign",
     create("id long, f float, d double"), append(row(id=1, f=-0.0, d=-0.0)), expect(row(id=1, f=-0.0, d=-0.0)))

for version, short in VERSIONS:
    case("required" + short, "required columns, one of them nested",
         create("id long!, w string!, s struct<x int!, y string>", version=version),
         append(row(id=1, w="a", s={"x": 1, "y": None}), row(id=2, w="b", s={"x": 2, "y": "z"}), row(id=3, w="", s=None)),
         expect(row(id=1, w="a", s={"x": 1, "y": None}), row(id=2, w="b", s={"x": 2, "y": "z"}), row(id=3, w="", s=None)))

BOUNDS = [row(id=1, d=math.nan, f=math.nan, s="b"), row(id=2, d=math.inf, f=-math.inf, s="a" * 40),
          row(id=3, d=0.0, f=1.25, s=None), row(id=4, d=None, f=None, s="\U0010ffff" * 20), row(id=5, d=7.0, f=7.0, s="z")]
case("nan_bounds", "NaN, infinities, nulls and long texts in files whose bounds prune",
     create("id long, d double, f float, s string"),
     *(append(r) for r in BOUNDS),
     expect(*BOUNDS),
     expect(row(id=5, d=7.0, f=7.0, s="z"), where="d > 5.0 AND d < 100.0"),
     expect(row(id=2, d=math.inf, f=-math.inf, s="a" * 40), where="f < -1.0"),
     expect(BOUNDS[3], where="s > 'zz'"),
     expect(BOUNDS[3], where="d IS NULL"),
     expect(BOUNDS[0], BOUNDS[1], where="id <= 2"))

# ---- partitions, order, evolution ----

P = [row(id=n, w=f"word{n % 4}", ts=at(f"20{20 + n % 3}-0{1 + n % 9}-1{n % 9} 0{n % 9}:00:00"), de=D(n) / 4)
     for n in range(16)] + [row(id=99)]
for name, spec in {"identity": ["w"], "bucket": ["bucket(4, id)"], "truncate": ["truncate(5, w)"],
                   "year": ["year(ts)"], "month": ["month(ts)"], "day": ["day(ts)"], "hour": ["hour(ts)"],
                   "several": ["bucket(2, w)", "month(ts)", "truncate(10, id)"]}.items():
    case(f"partition_{name}", f"partitioned by {', '.join(spec)}",
         create("id long, w string, ts timestamp, de decimal(9,2)", partition=spec),
         append(*P), expect(*P), expect(*(r for r in P if r["id"] in (3, 5)), where="id = 3 OR id = 5"))

for version, short in VERSIONS:
    case("partition_evolution" + short, "a partition field added, then one dropped, rows of three specs in one table",
         create("id long, w string, v double", partition=["w"], version=version),
         append(*NUMBERS[:4]), step("add_partition", text="bucket(4, id)"), append(*NUMBERS[4:8]),
         step("drop_partition", text="w"), append(*NUMBERS[8:]),
         expect(*NUMBERS), expect(*(r for r in NUMBERS if r["w"] == "w1"), where="w = 'w1'"))

case("sorted", "a sort order",
     create("id long, w string, v double", sort="w"), append(*reversed(NUMBERS)), expect(*NUMBERS))

for version, short in VERSIONS:
    case("schema_evolution" + short, "columns added, renamed, widened, moved, dropped; old files read by field id",
         create("id int, word string, price float, gone long, s struct<x int, y string>", version=version),
         append(row(id=1, word="a", price=0.5, gone=9, s={"x": 1, "y": "p"})),
         step("add_column", name="extra", kind=("string",)), step("rename_column", name="word", to="text"),
         step("widen_column", name="id", kind=("long",)), step("widen_column", name="price", kind=("double",)),
         step("drop_column", name="gone"),
         columns("id long, text string, price double, s struct<x int, y string>, extra string"),
         append(row(id=2**40, text="b", price=1e300, s={"x": 2, "y": "q"}, extra="e")),
         expect(row(id=1, text="a", price=0.5, s={"x": 1, "y": "p"}), row(id=2**40, text="b", price=1e300, s={"x": 2, "y": "q"}, extra="e")))

for version, short in VERSIONS:
    case("nested_evolution" + short, "a field of a struct added, renamed, dropped",
         create("id long, s struct<x int, y string>", version=version), append(row(id=1, s={"x": 1, "y": "p"})),
         step("add_column", name="s.z", kind=("long",)), step("rename_column", name="s.x", to="xx"),
         step("drop_column", name="s.y"), columns("id long, s struct<xx int, z long>"),
         append(row(id=2, s={"xx": 2, "z": 3})),
         expect(row(id=1, s={"xx": 1, "z": None}), row(id=2, s={"xx": 2, "z": 3})))

for version, short in VERSIONS:
    case("name_again" + short, "a column dropped and its name given to a new one; a rename, and the old name given again",
         create("id long, a string, b string", version=version), append(row(id=1, a="old", b="kept")),
         step("drop_column", name="a"), step("add_column", name="a", kind=("string",)),
         step("rename_column", name="b", to="c"), step("add_column", name="b", kind=("long",)),
         columns("id long, c string, a string, b long"),
         append(row(id=2, c="y", a="new", b=5)),
         expect(row(id=1, c="kept"), row(id=2, c="y", a="new", b=5)))

case("decimal_widened", "a decimal of more digits, whose bytes in old files are fewer",
     create("id long, v decimal(7,2)"), append(row(id=1, v=D("12345.67")), row(id=2, v=D("-0.01"))),
     step("widen_column", name="v", kind=("decimal", 20, 2)), columns("id long, v decimal(20,2)"),
     append(row(id=3, v=D("123456789012345678.90"))),
     expect(row(id=1, v=D("12345.67")), row(id=2, v=D("-0.01")), row(id=3, v=D("123456789012345678.90"))),
     expect(row(id=3, v=D("123456789012345678.90")), where="v > 20000"))

# ---- rows taken away ----

for version, short in VERSIONS:
    case("delete_evolved" + short, "rows of three schemas and three specs deleted, each by columns it may lack",
         create("id long, w string, v double", partition=["w"], version=version,
                properties={"write.delete.mode": "merge-on-read", "write.update.mode": "merge-on-read"}),
         append(*NUMBERS[:4]), step("add_partition", text="bucket(4, id)"), append(*NUMBERS[4:8]),
         step("rename_column", name="v", to="price"), step("add_column", name="more", kind=("string",)),
         step("drop_partition", text="w"), columns("id long, w string, price double, more string"),
         append(*(row(id=r["id"], w=r["w"], price=r["v"], more="m" if r["id"] % 2 else None) for r in NUMBERS[8:])),
         step("delete", where="more = 'm'"), step("delete", where="id = 1 OR id = 6"), step("delete", where="price = 0.5"),
         expect(*(row(id=r["id"], w=r["w"], price=r["v"], more=None) for r in NUMBERS
                  if r["id"] not in (1, 2, 6, 9, 11))),
         expect(*(row(id=r["id"], w=r["w"], price=r["v"], more=None) for r in NUMBERS
                  if r["id"] not in (1, 2, 6, 9, 11) and r["w"] == "w1"), where="w = 'w1'"))

for style in ("copy-on-write", "merge-on-read"):
    for version in (2, 3):
        properties = {f"write.{verb}.mode": style for verb in ("delete", "update", "merge")}
        short = ("cow" if style[0] == "c" else "mor") + f"_v{version}"
        case(f"delete_{short}", f"DELETE, {style}, v{version}",
             create("id long, w string, v double", version=version, properties=properties, partition=["w"]),
             append(*NUMBERS, mark="whole"), step("delete", where="id = 4 OR id = 9"), step("delete", where="v > 2.5"),
             expect(*(r for r in NUMBERS if r["id"] not in (4, 9) and r["v"] <= 2.5)),
             expect(*NUMBERS, at="whole"))
        case(f"update_{short}", f"UPDATE, {style}, v{version}",
             create("id long, w string, v double", version=version, properties=properties),
             append(*NUMBERS), step("update", sets="v = v + 100", where="w = 'w1'"), step("update", sets="w = 'x'", where="id = 0"),
             expect(*(dict(r, v=r["v"] + 100 * (r["w"] == "w1"), w="x" if r["id"] == 0 else r["w"]) for r in NUMBERS)))
        case(f"merge_{short}", f"MERGE that deletes, updates and inserts, {style}, v{version}",
             create("id long, w string, v double", version=version, properties=properties),
             append(*NUMBERS),
             step("merge", rows=[row(id=1, w="new", v=9.5), row(id=2, w="gone", v=0.0), row(id=50, w="more", v=None)],
                  key="id", delete="s.w = 'gone'"),
             expect(*(dict(r, w="new", v=9.5) if r["id"] == 1 else r for r in NUMBERS if r["id"] != 2),
                    row(id=50, w="more", v=None)))

case("upsert", "a merge without deletes, twice over the same keys",
     create("id long!, w string, v double", key="id"), append(*NUMBERS),
     step("merge", rows=[row(id=n, w="u", v=1.0) for n in range(10, 14)], key="id"),
     step("merge", rows=[row(id=n, w="uu", v=2.0) for n in range(13, 15)], key="id"),
     expect(*NUMBERS[:10], *(row(id=n, w="u", v=1.0) for n in range(10, 13)),
            *(row(id=n, w="uu", v=2.0) for n in range(13, 15))))

# ---- time ----

case("time_travel", "old snapshots by id, a tag and a branch that goes its own way",
     create("id long, w string, v double"), append(*NUMBERS[:3], mark="first"), step("tag", name="before"),
     append(*NUMBERS[3:6], mark="second"), step("branch", name="aside"),
     append(NUMBERS[6], branch="aside"), append(NUMBERS[7]),
     expect(*NUMBERS[:6], NUMBERS[7]), expect(*NUMBERS[:3], at="first"), expect(*NUMBERS[:6], at="second"),
     expect(*NUMBERS[:3], ref="before"), expect(*NUMBERS[:7], ref="aside"))

case("metadata_tables", "snapshots, files, refs, history, manifests as every engine shows them",
     create("id long, w string, v double"), append(*NUMBERS[:3]), append(*NUMBERS[3:6]), step("delete", where="id < 3"),
     expect(*NUMBERS[3:6]),
     step("meta", what="snapshots"), step("meta", what="history"), step("meta", what="refs"),
     step("meta", what="files"), step("meta", what="manifests"), step("meta", what="partitions"))

# ---- maintenance ----

case("compacted_by_spark", "rewrite_data_files, rewrite_manifests, expire_snapshots over somebody's table",
     create("id long, w string, v double", partition=["w"]),
     *(append(r) for r in NUMBERS[:6]), step("delete", where="id = 4"),
     step("compact", by="spark"), step("rewrite_manifests", by="spark"), step("expire", by="spark"),
     append(NUMBERS[7]), expect(*(r for r in NUMBERS[:6] if r["id"] != 4), NUMBERS[7]))

case("orphans_by_spark", "remove_orphan_files through Hadoop's S3A finds no file of a live table",
     create("id long, w string, v double"), append(*NUMBERS[:3]), append(*NUMBERS[3:6]),
     step("orphans", by="spark"), expect(*NUMBERS[:6]))

case("compacted_by_tarn", "tarn's maintenance over somebody's table with deletes",
     create("id long, w string, v double", properties={"write.delete.mode": "merge-on-read"}),
     *(append(r) for r in NUMBERS[:6]), step("delete", where="id = 4"), step("compact", by="tarn"),
     append(NUMBERS[7]), expect(*(r for r in NUMBERS[:6] if r["id"] != 4), NUMBERS[7]))

# ---- many hands on one table ----

case("relay", "each engine appends to one table and takes one row of another's away",
     create("id long, w string, v double", by="pyiceberg"),
     append(*NUMBERS[:2], by="pyiceberg"), append(*NUMBERS[2:4], by="duckdb"), append(*NUMBERS[4:6], by="spark"),
     step("delete", where="id = 2", by="spark"),
     append(*NUMBERS[6:8], by="flink"), append(*NUMBERS[8:10], by="trino"), step("delete", where="id = 6", by="trino"),
     step("delete", where="id = 8", by="pyiceberg"), step("add_column", name="more", kind=("string",), by="pyiceberg"),
     columns("id long, w string, v double, more string"),
     append(dict(NUMBERS[10], more="m"), by="duckdb"), append(dict(NUMBERS[11], more="n"), by="spark"),
     expect(*(r for r in NUMBERS[:10] if r["id"] not in (2, 6, 8)), dict(NUMBERS[10], more="m"), dict(NUMBERS[11], more="n")),
     writers=["pyiceberg"])
