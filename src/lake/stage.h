/* stage.h - a change to a table, written down but not yet true.
 *
 *     lake_stage(lake, ident, base, base_location, &change, &staged, &err);
 *     rc = catalog->ops->swap(catalog, lake_staged_swap(staged), 1, &err);    or swap_in
 *     rc == 0              lake_staged_settle   forgets what the change made garbage
 *     rc == ERR_CONFLICT   load the new base, lake_stage again on the same staged, swap again
 *     rc == ERR_UNKNOWN    lake_staged_free alone: delete nothing
 *     else                 lake_staged_abandon  removes what was written
 *
 * Staging again keeps the manifest of added files and rewrites list and metadata only. A rewrite
 * (merge) whose inputs are no longer all live is dropped, never forced: `rewrites_kept` tells, and
 * settling removes its new files; after any other end they stay the caller's.
 * One metadata file carries everything: an append snapshot, then a replace snapshot when files
 * were merged, expiry, manifest merging and pruning of the metadata log. So readers that follow
 * appends see the append, and compaction can never conflict with the writer it rides with.
 * Threads: a staged belongs to one thread at a time; calls block on the store (worker).
 */
#ifndef LAKE_STAGE_H
#define LAKE_STAGE_H

#include "lake/commit.h"
#include "lake/manifest.h"

/* Files replaced by files with the same rows. Borrowed. */
struct lake_rewrite {
    const struct lake_entry *removed; /* inherited: as lake_maintain_pick gave them */
    size_t removed_count;
    const struct lake_data_file *added; /* 0 files is allowed: all rows were deleted ones */
    size_t added_count;
    int64_t base_sequence_number; /* of the snapshot whose rows (and deletes) were read */
};
struct lake_change {
    const struct lake_data_file *added; /* data files, any mix of partition specs */
    size_t added_count;
    const struct lake_rewrite *rewrites;
    size_t rewrite_count;
    const struct lake_property *summary; /* extra: "tarn.job", "tarn.epoch", "tarn.offsets" ... */
    size_t summary_count;
    const struct lake_property *properties; /* table properties to set in the same commit */
    size_t property_count;
    const char *branch; /* NULL: main; one that is not there yet starts from main's head */
    bool maintain;      /* expire, merge manifests, prune: by the table's properties */
    bool allow_empty;   /* an append snapshot without files (offsets moved, no rows) */
};

struct lake_staged;
/* *staged NULL: a new one, owned by the caller. `base` is borrowed until the next stage, settle or
 * free; ident's strings are copied. ERR_AGAIN: nothing to do (no files, nothing to maintain). */
int lake_stage(struct lake *lake, const struct lake_ident *ident, struct lake_metadata *base,
               const char *base_location, const struct lake_change *change,
               struct lake_staged **staged, struct err *err);
const struct lake_swap *lake_staged_swap(const struct lake_staged *staged); /* borrowed */
struct lake_metadata *lake_staged_metadata(const struct lake_staged *staged); /* borrowed */
size_t lake_staged_rewrites_kept(const struct lake_staged *staged);
int64_t lake_staged_snapshot_id(const struct lake_staged *staged); /* the append's; -1 */
/* After the swap is true: removes expired files and dropped metadata, frees. */
void lake_staged_settle(struct lake_staged *staged);
/* After a certain refusal: removes manifests, lists and metadata written here, frees. Data files
 * stay the caller's. */
void lake_staged_abandon(struct lake_staged *staged);
void lake_staged_free(struct lake_staged *staged);

/* The whole loop for callers without a transaction to join: load, stage, swap, retry on conflict
 * up to commit.retry.num-retries (default 4, at least 20 of ours). */
int lake_commit_wait(struct lake *lake, struct lake_catalog *catalog,
                     const struct lake_ident *ident, const struct lake_change *change,
                     int64_t *snapshot_id, struct err *err);

#endif
