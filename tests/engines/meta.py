"""meta.py - metadata tables: what an engine shows, against the metadata file that the catalog hands out
and pyiceberg's own walk through the manifests."""

import json
import urllib.request

from harness import CATALOG, iceberg


def metadata(tarn, table):
    address = f"{tarn.rest}/v1/{CATALOG}/namespaces/{table[0]}/tables/{table[1]}"
    with urllib.request.urlopen(address) as answer:
        return json.load(answer)["metadata"]


def value(row, *names):
    for name in names:
        if name in row:
            return row[name]
    raise AssertionError(f"no column {names[0]} among {sorted(row)}")


def snapshots(row):
    return [value(row, "snapshot_id"), value(row, "operation")]


def history(row):
    return [value(row, "snapshot_id"), value(row, "parent_id")]


def refs(row):
    return [value(row, "name"), value(row, "type").upper(), value(row, "snapshot_id")]


def files(row):
    return [value(row, "content"), value(row, "file_path"), value(row, "record_count")]


def manifests(row):
    return [value(row, "path"), value(row, "length")]


def partitions(row):
    return [value(row, "record_count"), value(row, "file_count")]


def truth(tarn, table, what):
    found = metadata(tarn, table)
    if what == "snapshots":
        return [[s["snapshot-id"], s["summary"]["operation"]] for s in found["snapshots"]]
    if what == "history":
        parents = {s["snapshot-id"]: s.get("parent-snapshot-id") for s in found["snapshots"]}
        return [[e["snapshot-id"], parents[e["snapshot-id"]]] for e in found["snapshot-log"]]
    if what == "refs":
        return [[name, ref["type"].upper(), ref["snapshot-id"]] for name, ref in found["refs"].items()]
    rows = getattr(iceberg(tarn).load_table(table).inspect, what)().to_pylist()
    return [REDUCE[what](row) for row in rows]


REDUCE = {"snapshots": snapshots, "history": history, "refs": refs, "files": files,
          "manifests": manifests, "partitions": partitions}


def check(tarn, engine, table, what):
    got = sorted((REDUCE[what](row) for row in engine.do_meta(table, what)), key=str)
    wanted = sorted(truth(tarn, table, what), key=str)
    if got != wanted:
        raise AssertionError(f"wanted {wanted}, got {got}")
