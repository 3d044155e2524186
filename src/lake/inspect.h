/* inspect.h - tables about a table: snapshots, files, partitions, refs and the others that the Java
 * library calls metadata tables, with its columns and its names.
 *
 * Rows are made from the metadata file and the manifests, written as JSON lines into the store's
 * staging folder, and become SQL over that file: so a table of a hundred thousand files is no
 * longer a text than one of ten, and DuckDB filters, groups and joins them like any other.
 * Threads: as scan.h.
 */
#ifndef LAKE_INSPECT_H
#define LAKE_INSPECT_H

#include "lake/scan.h"

enum lake_inspect_kind {
    LAKE_INSPECT_HISTORY,
    LAKE_INSPECT_SNAPSHOTS,
    LAKE_INSPECT_METADATA_LOG,
    LAKE_INSPECT_REFS,
    LAKE_INSPECT_MANIFESTS,
    LAKE_INSPECT_ALL_MANIFESTS,
    LAKE_INSPECT_FILES,
    LAKE_INSPECT_DATA_FILES,
    LAKE_INSPECT_DELETE_FILES,
    LAKE_INSPECT_ALL_FILES,
    LAKE_INSPECT_ALL_DATA_FILES,
    LAKE_INSPECT_ALL_DELETE_FILES,
    LAKE_INSPECT_ENTRIES,
    LAKE_INSPECT_ALL_ENTRIES,
    LAKE_INSPECT_PARTITIONS,
    LAKE_INSPECT_POSITION_DELETES,
    LAKE_INSPECT_STATISTICS, /* of partitions, for their file (statistics.h): found by no name */
    LAKE_INSPECT_KINDS
};

/* "snapshots" and the others, in any case; -1: none of them. */
int lake_inspect_find(const char *name);
const char *lake_inspect_name(enum lake_inspect_kind kind);

struct lake_inspect {
    enum lake_inspect_kind kind;
    const struct lake_metadata *metadata;
    const char *metadata_location;
    int64_t snapshot_id; /* -1: the current one. Only where the rows are of one snapshot */
};

/* The columns: strings in the arena or borrowed from the metadata. */
int lake_inspect_schema(const struct lake_inspect *of, struct arena *arena, struct lake_schema *out,
                        struct err *err);
/* Appends a parenthesised SELECT with these columns. `plan` gets the files that it needs:
 * lake_plan_release when the query is over. */
int lake_inspect_sql(struct lake *lake, const struct lake_inspect *of, struct arena *arena,
                     struct lake_plan *plan, struct buf *sql, struct err *err);

#endif
