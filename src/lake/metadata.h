/* metadata.h - one version of a table: its metadata file, parsed.
 *
 * The JSON document is kept whole, unknown fields included; the struct is a typed view of it.
 * Metadata never changes: every change makes a new one. v1, v2 and v3 are read and written, each as
 * itself: a table is upgraded by being told so. A struct lake_metadata is counted by reference and
 * may be read by any thread. Specification: Iceberg table spec, "Table Metadata"; REST catalog
 * spec, "TableUpdate" and "TableRequirement".
 */
#ifndef LAKE_METADATA_H
#define LAKE_METADATA_H

#include "lake/types.h"

struct lake_property {
    const char *key, *value;
};
struct lake_snapshot {
    int64_t id, parent_id; /* parent -1: none */
    int64_t sequence_number, timestamp_ms;
    const char *manifest_list; /* NULL in some snapshots of v1: see manifests */
    const char **manifests;    /* of a snapshot made in v1, whatever the table is now */
    size_t manifest_count;
    const char *operation; /* "append", "replace", "overwrite", "delete"; "" unknown */
    struct lake_property *summary;
    size_t summary_count;
    int32_t schema_id;                /* -1: none */
    int64_t first_row_id, added_rows; /* v3; -1: none */
    const char *key_id;               /* v3: its manifest list is encrypted; NULL: it is not */
};
struct lake_ref {
    const char *name;
    int64_t snapshot_id;
    bool is_tag;
    int64_t max_ref_age_ms, max_snapshot_age_ms; /* -1: not set */
    int32_t min_snapshots_to_keep;               /* -1: not set */
};
struct lake_log_entry {
    int64_t timestamp_ms;
    int64_t snapshot_id;       /* snapshot-log */
    const char *metadata_file; /* metadata-log */
};

struct lake_metadata {
    json_t *doc; /* the whole document; read only */
    struct arena arena;
    int refs; /* atomic */
    int format_version;
    const char *uuid, *location;
    int64_t last_sequence_number, last_updated_ms, next_row_id;
    int32_t last_column_id, last_partition_id;
    int32_t current_schema_id, default_spec_id, default_order_id;
    int64_t current_snapshot_id; /* -1: none */
    struct lake_schema *schemas;
    size_t schema_count;
    struct lake_partition_spec *specs;
    size_t spec_count;
    struct lake_sort_order *orders;
    size_t order_count;
    struct lake_snapshot *snapshots;
    size_t snapshot_count;
    struct lake_ref *branches; /* branches and tags; main included */
    size_t branch_count;
    struct lake_log_entry *snapshot_log, *metadata_log;
    size_t snapshot_log_count, metadata_log_count;
    struct lake_property *properties;
    size_t property_count;
    struct snapshot_card **cards; /* metadata_share.c: one per snapshot */
    struct metadata_shape *shape; /* likewise: holds schemas, specs and orders */
};

/* The caller owns *out: lake_metadata_free drops one reference, NULL is fine. ERR_CORRUPT and
 * ERR_UNSUPPORTED (a format version we do not know) name the field. gzip'd files are read too. */
int lake_metadata_parse(struct slice text, struct lake_metadata **out, struct err *err);
int lake_metadata_from_json(json_t *doc /* take */, struct lake_metadata **out, struct err *err);
/* The same of a document that was forked from that of `base` (draft.h): what did not change is
 * shared. base NULL: nothing is. */
int lake_metadata_from_fork(json_t *doc /* take */, const struct lake_metadata *base,
                            struct lake_metadata **out, struct err *err);
int lake_metadata_print(const struct lake_metadata *metadata, struct buf *out, struct err *err);
struct lake_metadata *lake_metadata_ref(struct lake_metadata *metadata);
void lake_metadata_free(struct lake_metadata *metadata);

const struct lake_schema *lake_metadata_schema(const struct lake_metadata *m); /* current */
const struct lake_schema *lake_metadata_schema_by_id(const struct lake_metadata *m, int32_t id);
const struct lake_partition_spec *lake_metadata_spec(const struct lake_metadata *m); /* default */
const struct lake_partition_spec *lake_metadata_spec_by_id(const struct lake_metadata *m,
                                                           int32_t id);
const struct lake_snapshot *lake_metadata_snapshot(const struct lake_metadata *m); /* or NULL */
const struct lake_snapshot *lake_metadata_snapshot_by_id(const struct lake_metadata *m, int64_t id);
/* The one that `snapshot`, of this metadata, came from; NULL: none, or it is gone. */
const struct lake_snapshot *lake_metadata_parent(const struct lake_metadata *m,
                                                 const struct lake_snapshot *snapshot);
/* The snapshot as of a time, by the snapshot log: for time travel. */
const struct lake_snapshot *lake_metadata_snapshot_at(const struct lake_metadata *m,
                                                      int64_t timestamp_ms);
const struct lake_ref *lake_metadata_branch(const struct lake_metadata *m, const char *name);
const char *lake_metadata_property(const struct lake_metadata *m, const char *key); /* or NULL */
int64_t lake_metadata_property_i64(const struct lake_metadata *m, const char *key,
                                   int64_t fallback);
bool lake_metadata_property_bool(const struct lake_metadata *m, const char *key, bool fallback);
const char *lake_summary(const struct lake_snapshot *snapshot, const char *key); /* or NULL */

/* A new table. Ids in the schema are assigned anew, and the spec's and order's source ids follow.
 * Properties not given get the explicit values that keep a streamed table small (see maintain.h)
 * when `streaming` is set. */
struct lake_table_options {
    const char *uuid; /* NULL: a new one */
    const char *location;
    const struct lake_schema *schema;
    const struct lake_partition_spec *spec; /* NULL: unpartitioned */
    const struct lake_sort_order *order;    /* NULL: unsorted */
    const struct lake_property *properties;
    size_t property_count;
    int format_version; /* 0: 2 */
    bool streaming;
    int64_t now_ms;
};
int lake_metadata_new(struct lake_metadata **out, const struct lake_table_options *options,
                      struct err *err);

/* Applies the REST catalog's `requirements` and `updates` (JSON arrays, either may be NULL) to a
 * base (NULL: the table does not exist yet). Requirements that do not hold: ERR_CONFLICT with the
 * words clients expect. Updates that make no sense: ERR_INVALID; unknown ones: ERR_UNSUPPORTED.
 * The result has no metadata-log entry for the base yet: lake_metadata_commit_file adds it. */
int lake_metadata_apply(const struct lake_metadata *base, const json_t *requirements,
                        const json_t *updates, int64_t now_ms, struct lake_metadata **out,
                        struct err *err);

/* Where the next metadata file goes: <location>/metadata/00012-<uuid>.metadata.json, numbered one
 * past `base_location` (NULL: 00000). In the arena. Honours write.metadata.path. */
const char *lake_metadata_next_location(const struct lake_metadata *metadata,
                                        const char *base_location, struct arena *arena);
/* Adds the base to the metadata log and prunes it by write.metadata.previous-versions-max (default
 * 100). `dropped` (may be NULL) gets the files that fell off, in the arena, when the table says
 * write.metadata.delete-after-commit.enabled: remove them once the commit is true. */
int lake_metadata_log_base(const struct lake_metadata *metadata, const struct lake_metadata *base,
                           const char *base_location, struct arena *arena,
                           struct lake_metadata **out, const char ***dropped, size_t *drop_count,
                           struct err *err);

#endif
