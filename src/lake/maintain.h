/* maintain.h - what keeps a table that is committed to every five seconds small for ever.
 *
 * Data files: geometric merging. Files of a partition fall into size classes by powers of
 * tarn.merge.fan-in (8); a class that is full is merged into one file of the next, up to
 * write.target-file-size-bytes. A row is rewritten once per class, log8 of the day's commits, and
 * at most 7 files per class stay. Snapshots, manifests and metadata files are pruned inside each
 * commit (stage.h) by work that does not grow with the table's age.
 *
 *   Iceberg's name                               Iceberg's default   set by `streaming` tables
 *   history.expire.max-snapshot-age-ms           432000000 (5 d)     180000
 *   history.expire.min-snapshots-to-keep         1                   10
 *   write.metadata.previous-versions-max         100                 5
 *   write.metadata.delete-after-commit.enabled   false               true
 *   commit.manifest-merge.enabled                true
 *   commit.manifest.min-count-to-merge           100                 10
 *   commit.manifest.target-size-bytes            8388608
 *   write.target-file-size-bytes                 536870912
 *   tarn.merge.enabled                           true    our own: merge small data files
 *   tarn.merge.fan-in                            8       files merged at a time, at least 2
 *   tarn.expire.enabled                          true    expire snapshots when we commit
 *   gc.enabled                                   true    false: expire and remove nothing
 *   tarn.expire.max-snapshots                    1000    never keep more on a branch
 *   tarn.merge.small-bytes                       1048576 below it files differ in number only
 */
#ifndef LAKE_MAINTAIN_H
#define LAKE_MAINTAIN_H

#include "lake/stage.h"
#include "vec/vec.h"

/* Files that should become one: all of one partition and one spec, none of them with deletes that
 * this room cannot apply. */
struct lake_merge {
    struct lake_entry *files; /* inherited */
    size_t file_count;
    int64_t bytes, rows;
    int64_t snapshot_id, base_sequence_number; /* what the files were picked from */
};
struct lake_merges {
    struct lake_merge *list; /* all in the arena */
    size_t count;
};
/* Looks at the newest manifests first and at no more than some thousand entries, so the work per
 * commit stays flat. No merge wanted: count 0. */
int lake_maintain_pick(struct lake *lake, const struct lake_metadata *metadata, struct arena *arena,
                       struct lake_merges *out, struct err *err);

/* Reads a merge's files and writes the merged one: a function so that tests can do without DuckDB.
 * Results in the arena; the files are in the store on return. */
struct lake_rewriter {
    int (*run)(void *arg, struct lake *lake, const struct lake_metadata *metadata,
               const struct lake_merge *merge, struct arena *arena, struct lake_data_file **files,
               size_t *count, struct err *err);
    void *arg;
};
/* The real one, over DuckDB: arg is a struct vec_db *. */
struct lake_rewriter lake_rewriter_duckdb(struct vec_db *db);
/* pick + run for each merge: fills rewrites to be handed to lake_stage. Worker. */
int lake_maintain_run(struct lake *lake, const struct lake_metadata *metadata,
                      const struct lake_rewriter *rewriter, struct arena *arena,
                      struct lake_rewrite **rewrites, size_t *count, struct err *err);

/* Files below the table's location that no retained snapshot names and that are older than
 * `age_ms` (a day is usual: writers in flight). Removes them unless dry. Lists the whole folder. */
int lake_orphans_remove(struct lake *lake, const char *metadata_location, int64_t age_ms, bool dry,
                        int64_t *removed, struct err *err);

#endif
