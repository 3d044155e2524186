"""known.py - what an engine itself cannot do, though its words for it exist: each with its reason.

(writer, who, verb, case, reason): who is the engine that plays the verb, the writer or a reader; "*"
and the other patterns of a shell hold in each place. In a full run an entry that no failure needed is
a failure itself, so that the list stays true.
"""

import fnmatch

LIMITS = [
    ("*", "pyiceberg", "read*", "null_structs", "pyiceberg 0.10 reads a null list or map of structs as an empty one"),
    ("pyiceberg", "*", "read", "null_structs", "pyiceberg 0.10 writes a null list or map of structs as an empty one"),
    ("flink", "pyiceberg", "read", "upsert", "pyiceberg 0.10 refuses equality deletes"),
    *(("duckdb", "pyiceberg", "read", case, "pyiceberg 0.10 loses the sequence numbers of DuckDB's manifests, and the deletes with them")
      for case in ("delete_mor_*", "update_*", "upsert", "metadata_tables", "compacted_by_*")),
    ("pyiceberg", "pyiceberg", "create", "sorted", "pyiceberg 0.10 changes no sort order"),
    ("duckdb", "spark", "meta manifests", "metadata_tables", "Spark's table of manifests needs the summaries of partitions that DuckDB leaves out"),
    *(("duckdb", who, "meta manifests", "metadata_tables", "Iceberg's table of manifests needs the summaries of partitions that DuckDB leaves out")
      for who in ("flink", "trino")),
    # Of delete_evolved_v3 too, unless tarn has merged its older partition specs by then, and the vectors with them.
    ("*", "trino", "read*", "*_[em]*_v3", "Trino 476 reads no deletion vectors"),
    ("*", "flink", "read", "type_time", "Flink's gateway tells times in whole seconds"),
    ("flink", "flink", "append", "type_time", "Flink's CAST rounds 23:59:59.999999 to 24:00:00, and refuses that"),
    ("*", "duckdb", "read", "type_timestamptz_ns", "DuckDB's iceberg knows no timestamptz_ns"),
    ("*", "tarn", "read", "type_timestamptz_ns", "tarn reads nanoseconds with a zone cut to microseconds: DuckDB has no such type"),
    ("duckdb", "duckdb", "append", "nested*", "DuckDB's iceberg takes a null map inside a struct for a null key"),
    ("duckdb", "duckdb", "delete", "*_cow_*", "DuckDB deletes merge-on-read alone"),
    ("duckdb", "duckdb", "merge", "merge_*", "DuckDB's MERGE into Iceberg takes one UPDATE or DELETE, merge-on-read"),
]
used, spared = set(), set()


def reason(writer, who, verb, case):
    """-> the entry that excuses this step, or None"""
    for number, entry in enumerate(LIMITS):
        if all(fnmatch.fnmatch(text, pattern) for text, pattern in zip((writer, who, verb, case), entry)):
            return number
    return None


def idle():
    return [entry for number, entry in enumerate(LIMITS) if number in spared - used]
