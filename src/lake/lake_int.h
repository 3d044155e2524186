/* lake_int.h - what the files of this room share. */
#ifndef LAKE_LAKE_INT_H
#define LAKE_LAKE_INT_H

#include "lake/inflight.h"
#include "lake/lake.h"

/* Appends formatted text to a buf and remembers the first failure, so that a run of calls is
 * checked once. */
struct out {
    struct buf *buf;
    int rc;
};
void out_str(struct out *out, const char *text);
void out_fmt(struct out *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void out_name(struct out *out, const char *name); /* "quoted" */
void out_text(struct out *out, const char *text); /* 'quoted' */

/* writer.c: a SELECT list that gives the schema's columns from input columns of the same names,
 * cast to its types; those that are not there take their write default, optional ones else NULL. */
int lake_select_columns(const struct lake_schema *schema, const struct vec_columns *input,
                        struct out *out, struct err *err);

/* json_object_set_new and friends want checking; this collects the failure. */
bool json_put(json_t *obj, const char *key, json_t *value /* take; NULL fails */);

/* Calendar arithmetic, proleptic Gregorian (Howard Hinnant's day counting, re-derived). */
int64_t days_from_civil(int64_t year, int month, int day);
void civil_from_days(int64_t days, int64_t *year, int *month, int *day);
int64_t floor_div(int64_t a, int64_t b);

#define LAKE_DECIMAL_PRECISION_MAX 38

/* A set of texts; members are borrowed. Lives in an arena. */
struct path_set {
    struct arena *arena;
    const char **slots;
    size_t count, cap; /* cap is a power of two */
};
int path_set_add(struct path_set *set, const char *path); /* 1 new, 0 there already, or ERR_NOMEM */
bool path_set_has(const struct path_set *set, const char *path);

/* A list of texts in an arena. */
struct path_list {
    const char **list;
    size_t count, cap;
};
int path_list_add(struct path_list *list, struct arena *arena, const char *path);

struct lines { /* of a manifest list, growing in an arena */
    struct lake_manifest_file *list;
    size_t count, cap;
};
int lines_add(struct lines *lines, struct arena *arena, const struct lake_manifest_file *line);
struct entries {
    struct lake_entry *list;
    size_t count, cap;
};
int entries_add(struct entries *entries, struct arena *arena, const struct lake_entry *entry);

/* stage_list.c: what happens to the lines of a manifest list. */
struct list_job {
    struct lake *lake;
    const struct lake_metadata *metadata; /* the base */
    struct arena *arena;
    int64_t snapshot_id, sequence_number;
    struct path_list *written;    /* gets every manifest made */
    struct path_list *dropped;    /* gets the new files of rewrites left out; NULL: not wanted */
    struct lake_carrier *carrier; /* of manifests and lists; NULL: they are durable when written */
};
/* A manifest or list to where it belongs. */
int list_put(struct lake *lake, struct lake_carrier *carrier, const char *path, struct slice bytes,
             struct err *err);
/* Writes one manifest and its line, sequence numbers filled in. */
int list_write_manifest(struct list_job *job, int32_t spec_id, int32_t content,
                        const struct lake_entry *entries, size_t count,
                        struct lake_manifest_file *line, struct err *err);
/* Small manifests become few when there are many, by the commit.manifest.* properties. */
int list_merge(struct list_job *job, struct lines *lines, struct err *err);

/* columns.c: same names, order and types. */
bool columns_same(const struct vec_columns *a, const struct vec_columns *b);

/* writer_metrics.c: what was gathered of a file's columns, as the table's metrics modes ask. */
struct parquet_result;
int writer_metrics(const struct lake_metadata *metadata, const struct parquet_result *result,
                   struct arena *arena, struct lake_data_file *out, struct err *err);

/* writer_metrics.c: a bound of at most `len` characters (bytes, of binary) that still encloses the
 * value; an upper one of which none can be made has ptr NULL. In the arena. */
int lake_bound_cut(const struct lake_type *type, struct slice whole, bool upper, int32_t len,
                   struct arena *arena, struct slice *out);

/* writer_file.c: one file of one partition of the default spec from a feed; without rows out->path
 * is NULL. */
int writer_one_file(struct lake *lake, struct vec_db *db, struct lake_metadata *metadata,
                    struct vec_conn *conn, const struct vec_feed *feed,
                    const struct lake_value *partition, struct arena *arena,
                    struct lake_data_file *out, struct err *err);

/* footer.c: the schema in a Parquet file's own footer. */
struct footer_node {
    const char *name;
    int32_t field_id; /* -1: none */
    bool repeated;
    enum lake_kind kind; /* PRIMITIVEs: the Iceberg type it reads as; else STRUCT, LIST, MAP */
    int32_t precision, scale;
    struct footer_node *kids; /* LIST: element; MAP: key, value; STRUCT: fields */
    size_t kid_count;
};
struct footer {
    struct arena arena;
    int refs; /* atomic */
    struct footer_node root;
    const char *signature; /* equal for files that one SELECT of table columns can read */
    bool lineage;          /* it has columns of row lineage too, which the signature leaves out */
};
/* Of local files, through the cache under their locations. The caller frees each. */
int footers_load(struct lake *lake, struct vec_conn *conn, const char *const *locations,
                 const char *const *paths, size_t count, struct footer **out, struct err *err);
void footer_free(struct footer *footer);

/* expire.c */
struct expiry {
    int64_t *ids; /* snapshots to forget */
    size_t count;
    const char **refs; /* branches and tags past their age */
    size_t ref_count;
};
/* `fresh` snapshots are about to be added in front of `branch`. */
int expire_pick(const struct lake_metadata *metadata, const char *branch, size_t fresh,
                int64_t now_ms, struct arena *arena, struct expiry *out, struct err *err);
/* Files that nobody names once the expired snapshots are gone. */
int expire_garbage(struct lake *lake, const struct lake_metadata *metadata,
                   const struct expiry *expiry, struct arena *arena, struct path_list *garbage,
                   struct err *err);

/* Result types of a spec's fields, looking for a dropped source column in older schemas too. */
int partition_types(const struct lake_metadata *metadata, const struct lake_partition_spec *spec,
                    struct arena *arena, struct lake_type **out, struct err *err);

/* Avro's names of codecs for write.avro.compression-codec (gzip by default). */
const char *avro_codec_of(const struct lake_metadata *metadata);

/* write.metadata.compression-codec is gzip: for the file's bytes and for its name. */
bool metadata_wants_gzip(const struct lake_metadata *metadata);

/* lake.c: the cache of parsed objects by path. */
enum cached { CACHED_MANIFEST, CACHED_LIST, CACHED_METADATA, CACHED_FOOTER, CACHED_POSITIONS };
/* Of a position delete file about one data file. */
struct cached_positions {
    int refs; /* atomic */
    size_t count;
    int64_t list[];
};
void cached_positions_free(struct cached_positions *positions); /* drops one reference */
/* A new reference, or NULL. */
void *cache_get(struct lake *lake, enum cached kind, const char *path);
/* Keeps a reference of its own when it fits. `bytes`: what the object costs. */
void cache_put(struct lake *lake, enum cached kind, const char *path, void *object, size_t bytes);
void cache_drop(struct lake *lake, const char *path);
/* manifest_list.c: copies into an arena, everything it points to. */
int line_copy(struct arena *arena, struct lake_manifest_file *out,
              const struct lake_manifest_file *from);
/* Into the cache, as reading the file just written would: a list, and a manifest of data files
 * under line->path. A cache may forget: no answer. */
void list_keep(struct lake *lake, int format_version, const char *path, const struct lines *lines);
void manifest_keep(struct lake *lake, const struct lake_metadata *metadata,
                   const struct lake_manifest_file *line, const struct lake_entry *entries,
                   size_t count);
/* manifest_list.c: the path under which a snapshot's list is kept there. In the arena, or NULL. */
const char *list_cache_key(const struct lake_metadata *metadata,
                           const struct lake_snapshot *snapshot, struct arena *arena);
size_t arena_bytes(const struct arena *arena);
struct inflight *lake_inflight(struct lake *lake);

/* deletion_vector.c: the positions in a deletion-vector-v1 blob, ascending, in the arena. */
int deletion_vector_decode(struct slice blob, struct arena *arena, int64_t **positions,
                           size_t *count, struct err *err);

/* scan_prune.c */
struct prune_range { /* what is known of the values of one column, or one partition field */
    struct lake_value lower, upper; /* null: unknown */
    bool may_null, may_value, may_nan;
};
bool prune_range(const struct lake_type *type, const struct lake_predicate *p,
                 const struct prune_range *range, bool exact);
bool prune_manifest(const struct lake_metadata *m, const struct lake_schema *schema,
                    const struct lake_manifest_file *line, const struct lake_predicate *predicates,
                    size_t count); /* true: no row of it can match */
bool prune_file(const struct lake_metadata *m, const struct lake_schema *schema,
                const struct lake_data_file *file, const struct lake_predicate *predicates,
                size_t count);

#endif
