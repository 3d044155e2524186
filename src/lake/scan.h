/* scan.h - a snapshot becomes SQL that DuckDB can run.
 *
 * Planning drops files whose partition or metrics prove that no row can match. The rest is grouped
 * by the schema in the files' own footers, and each group gets one SELECT that takes columns by
 * field id and casts them to the table's current types: missing ones are NULL (or their initial
 * default), renamed, re-added, reordered and promoted ones come out right at every depth. Position
 * deletes and deletion vectors are an anti join over (file, row number), equality deletes one over
 * their columns.
 * Predicates only prune: the caller's query still filters.
 */
#ifndef LAKE_SCAN_H
#define LAKE_SCAN_H

#include "lake/manifest.h"
#include "vec/vec.h"

enum lake_op { LAKE_OP_EQ, LAKE_OP_NE, LAKE_OP_LT, LAKE_OP_LE, LAKE_OP_GT, LAKE_OP_GE,
               LAKE_OP_IS_NULL, LAKE_OP_NOT_NULL, LAKE_OP_IN, LAKE_OP_STARTS_WITH };
/* One of several conditions that all must hold; values are of the field's type. */
struct lake_predicate {
    int32_t field_id;
    enum lake_op op;
    const struct lake_value *values; /* IN: several */
    size_t value_count;
};

struct lake_scan_file {
    struct lake_entry entry; /* inherited */
    size_t *deletes;         /* indices into lake_plan.deletes */
    size_t delete_count;
};
struct lake_plan {
    int64_t snapshot_id; /* -1: an empty table */
    const struct lake_metadata *metadata; /* borrowed from the caller of lake_plan */
    const struct lake_schema *schema;     /* likewise */
    struct lake_scan_file *files;
    size_t file_count;
    struct lake_entry *deletes; /* delete files that apply to at least one file */
    size_t delete_count;
    int64_t rows, bytes;              /* of the files, before deletes */
    size_t files_pruned, manifests_pruned;
    const char **local; /* files lent by the store: lake_plan_release gives them back */
    size_t local_count;
    /* Set before lake_scan_sql: behind its columns each row has its address, "$file" (an index into
     * `files`) and "$pos" (row number), and in v3 tables its lineage under Iceberg's names, _row_id
     * and _last_updated_sequence_number. */
    bool addressed;
    struct vec_bits **bits; /* deleted rows, for the query; as made below */
    size_t bit_count;
    const char **made; /* files made for the query: lake_plan_release removes them */
    size_t made_count;
    struct lake_manifest **held; /* entries point into them: lake_plan_borrowed */
    size_t held_count;
};

/* snapshot_id -1: the current one. `schema` NULL: the table's current (time travel readers pass the
 * snapshot's). Everything in the arena except the manifests' own memory, which is copied.
 * ERR_UNSUPPORTED: deletes in another format than Parquet or Puffin; the text names the file. */
int lake_plan(struct lake *lake, const struct lake_metadata *metadata, int64_t snapshot_id,
              const struct lake_schema *schema, const struct lake_predicate *predicates,
              size_t predicate_count, struct arena *arena, struct lake_plan *out, struct err *err);
/* The same without copying: entries point into cached manifests, which the plan holds until
 * lake_plan_release. For plans of many files. */
int lake_plan_borrowed(struct lake *lake, const struct lake_metadata *metadata, int64_t snapshot_id,
                       const struct lake_schema *schema, const struct lake_predicate *predicates,
                       size_t predicate_count, struct arena *arena, struct lake_plan *out,
                       struct err *err);
/* Appends a parenthesised SELECT to `sql`: columns are the schema's, all of them or those in
 * `columns` (names; NULL: all). Fetches the files it names (store_ops.local) and reads their
 * footers through `conn`. Release the plan when the query is over. */
int lake_scan_sql(struct lake *lake, struct vec_conn *conn, struct lake_plan *plan,
                  const char *const *columns, size_t column_count, struct arena *arena,
                  struct buf *sql, struct err *err);
/* True when what is known of the file proves that no row of it meets the condition. */
bool lake_file_excludes(const struct lake_metadata *metadata, const struct lake_schema *schema,
                        const struct lake_data_file *file, const struct lake_predicate *predicate);
void lake_plan_release(struct lake *lake, struct lake_plan *plan);

#endif
