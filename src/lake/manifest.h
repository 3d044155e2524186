/* manifest.h - manifests and manifest lists: which files a snapshot holds, and what is known of
 * them.
 *
 * A parsed manifest is immutable, counted by reference and kept in a cache by path, bounded in
 * bytes: files never change under a path, so a commit on a large table costs the same after a day.
 * Specification: Iceberg table spec, "Manifests" and "Manifest Lists".
 * Threads: any.
 */
#ifndef LAKE_MANIFEST_H
#define LAKE_MANIFEST_H

#include "lake/metadata.h"

struct lake;

enum lake_content { LAKE_DATA = 0, LAKE_POSITION_DELETES = 1, LAKE_EQUALITY_DELETES = 2 };
enum lake_status { LAKE_EXISTING = 0, LAKE_ADDED = 1, LAKE_DELETED = 2 };

/* What is known of one column of one file; counts are -1 when unknown. */
struct lake_metric {
    int32_t field_id;
    int64_t column_bytes, value_count, null_count, nan_count;
    struct slice lower, upper; /* appendix D; ptr NULL when unknown */
};

struct lake_data_file {
    enum lake_content content;
    const char *path;             /* a location: s3://... */
    const char *format;           /* "PARQUET" */
    int32_t spec_id;              /* of the manifest it is in */
    struct lake_value *partition; /* one per field of that spec */
    size_t partition_count;
    int64_t record_count, file_bytes;
    struct lake_metric *metrics; /* sorted by field_id */
    size_t metric_count;
    struct slice key_metadata;
    int64_t *split_offsets;
    size_t split_count;
    int32_t *equality_ids;
    size_t equality_count;
    int32_t sort_order_id;              /* -1: none */
    int64_t first_row_id;               /* v3; -1: none */
    const char *referenced_data_file;   /* deletes of one file; NULL */
    int64_t content_pos, content_bytes; /* deletion vectors; -1 */
};

struct lake_entry {
    int32_t status;                                /* enum lake_status */
    int64_t snapshot_id;                           /* -1: inherit */
    int64_t sequence_number, file_sequence_number; /* -1: inherit */
    struct lake_data_file file;
};

struct lake_field_summary {
    bool contains_null;
    int8_t contains_nan;       /* -1: unknown */
    struct slice lower, upper; /* appendix D; ptr NULL */
};

/* One line of a manifest list. */
struct lake_manifest_file {
    const char *path;
    int64_t length;
    int32_t spec_id;
    int32_t content;                              /* 0 data, 1 deletes */
    int64_t sequence_number, min_sequence_number; /* -1: to be given when the list is written */
    int64_t added_snapshot_id;
    int32_t added_files, existing_files, deleted_files; /* -1: unknown */
    int64_t added_rows, existing_rows, deleted_rows;
    struct lake_field_summary *partitions;
    size_t partition_count;
    struct slice key_metadata;
    int64_t first_row_id;  /* -1 */
    int64_t numbered_rows; /* v3, not in the file: live rows whose entries have ids of their own */
};

struct lake_manifest {
    struct arena arena;
    int refs; /* atomic */
    const char *path;
    int32_t spec_id, schema_id;
    int32_t content;      /* 0 data, 1 deletes */
    int64_t first_row_id; /* of the line it was read by: entries without row ids count on from it */
    struct lake_entry *entries; /* as written; lake_entry_inherit resolves */
    size_t entry_count;
};
struct lake_manifest_list {
    struct arena arena;
    int refs;
    const char *path;
    struct lake_manifest_file *files;
    size_t file_count;
};

/* Codecs: no I/O. `metadata` supplies specs, schemas and the format version. */
int lake_manifest_parse(struct slice bytes, const char *path, const struct lake_metadata *metadata,
                        const struct lake_manifest_file *from, struct lake_manifest **out,
                        struct err *err);
/* All entries are of one spec and one content. `out` gets the bytes, `line` counts and summaries
 * (strings in the arena; path, length and sequence numbers are the caller's to fill). */
int lake_manifest_print(const struct lake_metadata *metadata, int32_t spec_id, int32_t content,
                        const struct lake_entry *entries, size_t count, struct arena *arena,
                        struct buf *out, struct lake_manifest_file *line, struct err *err);
/* The line of a manifest that no list names: counts and summaries, as above. */
int lake_manifest_summarise(const struct lake_metadata *metadata,
                            const struct lake_manifest *manifest, struct arena *arena,
                            struct lake_manifest_file *line, struct err *err);
int lake_manifest_list_parse(struct slice bytes, const char *path, struct lake_manifest_list **out,
                             struct err *err);
int lake_manifest_list_print(int format_version, int64_t snapshot_id, int64_t parent_id,
                             int64_t sequence_number, const struct lake_manifest_file *files,
                             size_t count, struct buf *out, struct err *err);
void lake_manifest_free(struct lake_manifest *manifest); /* drops one reference */
void lake_manifest_list_free(struct lake_manifest_list *list);

/* Snapshot id and sequence numbers that an entry inherits from its line in the list. */
void lake_entry_inherit(struct lake_entry *entry, const struct lake_manifest_file *line);

/* Through the cache; the caller drops the reference. A snapshot of v1 that names its manifests one
 * by one gets a list too, made by reading them. Worker. */
int lake_manifest_load(struct lake *lake, const struct lake_metadata *metadata,
                       const struct lake_manifest_file *line, struct lake_manifest **out,
                       struct err *err);
int lake_manifest_list_load(struct lake *lake, const struct lake_metadata *metadata,
                            const struct lake_snapshot *snapshot, struct lake_manifest_list **out,
                            struct err *err);

/* Copies into an arena, everything it points to. */
int lake_data_file_copy(struct arena *arena, struct lake_data_file *out,
                        const struct lake_data_file *from);
const struct lake_metric *lake_data_file_metric(const struct lake_data_file *file, int32_t id);

#endif
