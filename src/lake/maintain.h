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
 *   tarn.merge.delete-percent                    15      deleted rows that make a file be rewritten
 *   tarn.merge.delete-files                      8       or so many delete files that apply to it
 *   tarn.merge.old-specs                         small   files of older partition specs that move
 *                                                        to the current one: small, all, none
 *   tarn.sort.enabled                            true    write merged files in the sort order
 *
 * Files of older partition specs: nobody adds to them any more, so two small ones are enough to be
 * merged, whatever their partitions, and what comes of them lies in the partitions of the current
 * spec: several files. A row moves once. What is left as it was written are large files, which are
 * read well where they lie (as Iceberg's own rewrite has it), unless `all` asks for them too.
 */
#ifndef LAKE_MAINTAIN_H
#define LAKE_MAINTAIN_H

#include "lake/scan.h"
#include "lake/stage.h"

/* Why files are rewritten. */
enum lake_why {
    LAKE_WHY_SMALL,   /* a size class is full */
    LAKE_WHY_DELETES, /* many of their rows are deleted, or many delete files apply to them */
    LAKE_WHY_SPEC,    /* of an older partition spec */
    LAKE_WHY_SORT,    /* not in the table's sort order */
    LAKE_WHYS
};
/* Files that should become one: all of one partition of the current spec; or those that move. */
struct lake_merge {
    enum lake_why why;
    struct lake_entry *files;     /* inherited */
    struct lake_scan_file *scans; /* the same, each with its deletes: indices into `deletes` */
    size_t file_count;
    struct lake_entry *deletes; /* inherited: all that apply to any of the files */
    size_t delete_count;
    int64_t bytes, rows;  /* of the files, deleted rows included */
    int64_t deleted_rows; /* of those, as far as position deletes are counted by file */
    bool deletes_counted; /* all are vectors: how many rows are left is certain */
    bool moves;           /* of older specs: their rows go to partitions of the current one */
    int64_t snapshot_id, base_sequence_number; /* what the files were picked from */
    struct lake_row_map *map; /* not NULL: the rewriter says there where each row went */
};
struct lake_merges {
    struct lake_merge *list; /* all in the arena */
    size_t count;
    int64_t by_why[LAKE_WHYS]; /* files, also of groups that are not full */
};
/* Looks at the newest manifests first and at no more than some thousand entries, so the work per
 * commit stays flat; a table with deletes or a sort order is looked at whole, up to 65,536 files.
 * No merge wanted: count 0. */
int lake_maintain_pick(struct lake *lake, const struct lake_metadata *metadata, struct arena *arena,
                       struct lake_merges *out, struct err *err);

/* Reads a merge's files, deletes applied, and writes the merged one: a function so that tests can
 * do without DuckDB. Results in the arena; the files are in the store on return. */
struct lake_rewriter {
    int (*run)(void *arg, struct lake *lake, const struct lake_metadata *metadata,
               const struct lake_merge *merge, struct arena *arena, struct lake_data_file **files,
               size_t *count, struct err *err);
    void *arg;
    struct vec_db *db; /* lets deletes that come meanwhile follow the rows; NULL: they do not */
};
/* The real one, over DuckDB: arg is a struct vec_db *. A table with a sort order whose transforms
 * DuckDB can compute is written in that order. */
struct lake_rewriter lake_rewriter_duckdb(struct vec_db *db);
/* pick + run for each merge: fills rewrites to be handed to lake_stage. Worker. */
int lake_maintain_run(struct lake *lake, const struct lake_metadata *metadata,
                      const struct lake_rewriter *rewriter, struct arena *arena,
                      struct lake_rewrite **rewrites, size_t *count, struct err *err);
/* Runs one merge. Its files are the caller's until a commit takes them. */
int lake_maintain_merge(struct lake *lake, const struct lake_metadata *metadata,
                        const struct lake_rewriter *rewriter, const struct lake_merge *merge,
                        struct arena *arena, struct lake_rewrite *out, struct err *err);

/* Files below the table's location that no retained snapshot names and that are older than
 * `age_ms` (a day is usual: writers in flight). Removes them unless dry. Lists the whole folder. */
int lake_orphans_remove(struct lake *lake, const char *metadata_location, int64_t age_ms, bool dry,
                        int64_t *removed, struct err *err);

#endif
