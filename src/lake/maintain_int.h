/* maintain_int.h - what picking, rewriting and health share. */
#ifndef LAKE_MAINTAIN_INT_H
#define LAKE_MAINTAIN_INT_H

#include "lake/delete_int.h"
#include "lake/health.h"
#include "lake/lake_int.h"

/* sort_sql.c: appends the order in which the rows of an addressed scan are best taken to the
 * partitions of the default spec: `together`, when DuckDB can tell them apart, and within one in
 * the table's sort order or else as they were. */
int lake_move_sql(const struct lake_metadata *m, struct buf *sql, bool *together, struct err *err);

/* rewriter.c: the columns of an addressed scan without the two of the address, and where those
 * are. In the arena. */
int rewriter_columns(const struct vec_columns *from, size_t table_columns, struct arena *arena,
                     struct vec_columns *out, idx_t *address, struct err *err);
/* A merge whose rows move, written. `together` as above. Files in the arena; the caller's, also
 * when this fails. */
int rewriter_move(struct lake *lake, struct vec_db *db, struct lake_metadata *m,
                  const struct lake_merge *merge, struct vec_result *result, bool together,
                  struct arena *arena, struct lake_data_file **files, size_t *count,
                  struct err *err);

/* tidy.c: delete files of the current snapshot that apply to no data file. */
int lake_dangling(struct lake *lake, const struct lake_metadata *m, struct arena *arena,
                  size_t *count, struct err *err);
/* sweep.c: fills what lies below the table's folder, and what of it nobody names. */
int lake_stored(struct lake *lake, const char *metadata_location, struct lake_health *out,
                struct err *err);
/* `removed` and `bytes` count what was, or would be, removed. */
int orphans_sweep(struct lake *lake, const char *metadata_location, int64_t age_ms, bool dry,
                  int64_t *removed, int64_t *bytes, struct err *err);
/* Metadata files of versions before those that the log still has. */
int metadata_prune(struct lake *lake, const char *metadata_location, int64_t age_ms, bool dry,
                   int64_t *removed, int64_t *bytes, struct err *err);

#endif
