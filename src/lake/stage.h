/* stage.h - a change to a table, written down but not yet true.
 *
 *     lake_stage(lake, ident, base, base_location, &change, &staged, &err);
 *     rc = catalog->ops->swap(catalog, lake_staged_swap(staged), 1, &err);    or swap_in
 *     rc == 0              lake_staged_settle   forgets what the change made garbage
 *     rc == ERR_CONFLICT   load the new base, lake_stage again on the same staged, swap again
 *     rc == ERR_UNKNOWN    lake_staged_free alone: delete nothing
 *     else                 lake_staged_abandon  removes what was written
 *
 * For a catalog with a queue the same goes through lake_stage_part, which the queue calls.
 *
 * One metadata file carries everything, as at most two snapshots: first what the change adds and
 * takes away (append, delete or overwrite), then a replace snapshot when files were merged; then
 * expiry, manifest merging and pruning of the metadata log. So readers that follow appends see the
 * append, and compaction can never conflict with the writer it rides with.
 *
 * What a change with row deletes or removed files guarantees:
 * - A data file has at most one live delete file of ours: new positions are united with those of
 *   the file's position delete file (v2) or deletion vector (v3), and the old one leaves the table
 *   in the same snapshot. Position deletes of a foreign writer that name many data files stay live
 *   in v2, and are taken into the vector in v3, as the specification asks.
 * - Deletes carry this commit's sequence number and name data files that were there before it, so
 *   they never touch a row the same change adds. Added data files have the commit's number too.
 * - A removed data file takes its vector or its own position delete file along.
 * - Staging again after ERR_CONFLICT unites with whatever deletes are live by then. A change that
 *   no longer holds is refused with ERR_STALE: compute it anew from the newest snapshot. It is
 *   stale when a data file that it removes or deletes rows from is not live any more (compacted,
 *   overwritten), or when one of its `checks` fails. So a deleted row never comes back.
 * - Order in the manifest list: added data, added deletes, then the rest in their order.
 * - Snapshot operation and summary are those of Iceberg's Java library.
 *
 * Staging again keeps the manifest of added files and rewrites the rest. A rewrite (merge) whose
 * inputs are no longer all live, or to which a delete applies that it was not read with and that
 * cannot follow its rows (`map`), is dropped, never forced: `rewrites_kept` tells, and settling
 * removes its new files; after any other end they stay the caller's. That includes rewrites of
 * files the same change deletes rows from. A newer delete by equality is no reason: it applies to
 * the new files by its sequence number.
 * Threads: a staged belongs to one thread at a time; calls block on the store (worker).
 */
#ifndef LAKE_STAGE_H
#define LAKE_STAGE_H

#include "lake/commit.h"
#include "lake/manifest.h"

struct vec_db;
struct lake_predicate;
struct lake_row_map; /* key_index.h */

/* Files replaced by files with the same rows. Borrowed. */
struct lake_rewrite {
    const struct lake_entry *removed; /* inherited: as lake_maintain_pick gave them */
    size_t removed_count;
    const struct lake_data_file *added; /* 0 files is allowed: all rows were deleted ones */
    size_t added_count;
    int64_t base_sequence_number; /* the new files' data sequence number: that of the snapshot whose
                                     rows (and deletes) were read, or the newest of the inputs' */
    const struct lake_entry *deletes; /* inherited: all that were applied when reading (told apart
                                         by path and content_pos). Those of the removed files alone
                                         leave the table with them */
    size_t delete_count;
    const struct lake_row_map *map; /* where each row went, files in the order of the above: deletes
                                       by position that were not applied follow the rows into the
                                       new files. NULL, or no `db`: they drop the rewrite */
};

/* Rows of one data file that go. */
struct lake_row_delete {
    const char *path;        /* the data file */
    int32_t spec_id;         /* -1, and -1 below: not known, costs looking through all manifests */
    int64_t sequence_number; /* its data sequence number */
    int64_t file_sequence_number;
    const int64_t *positions; /* ascending, each once, below the file's record_count */
    size_t position_count;    /* 0: nothing more is deleted, its deletes only become one */
};

/* What must not have happened since the snapshot that a change was computed from. */
enum lake_check {
    /* No row was added that may match the filter: serializable isolation. */
    LAKE_CHECK_NEW_ROWS = 1,
    /* No row that the change takes away was deleted by somebody else: an update, merge or
     * copy-on-write adds the row's successor, which would bring the row back. */
    LAKE_CHECK_ROWS_LIVE = 2,
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
    bool tidy;          /* manifests by partition, delete files that apply to nothing dropped */
    bool allow_empty;   /* an append snapshot without files (offsets moved, no rows) */
    bool staged;        /* the snapshot waits beside the branch, which stays where it is */

    const struct lake_row_delete *row_deletes; /* at most one per data file; none that is removed */
    size_t row_delete_count;
    const struct lake_entry *removed; /* whole data files, inherited, as lake_plan gave them */
    size_t removed_count;
    struct vec_db *db; /* reads and writes position delete files: v2 row deletes need it */
    int checks;        /* enum lake_check */
    int64_t from_snapshot_id; /* for checks: the change was computed from it; -1: an empty table */
    const struct lake_predicate *filter; /* all hold for each row that mattered; none: any row */
    size_t filter_count;
};

struct lake_staged;
/* *staged NULL: a new one, owned by the caller. `base` is borrowed until the next stage, settle or
 * free; ident's strings are copied. ERR_AGAIN: nothing to do (no files, nothing to maintain).
 * ERR_STALE: see above; *staged is abandoned by the caller when it was not new. */
int lake_stage(struct lake *lake, const struct lake_ident *ident, struct lake_metadata *base,
               const char *base_location, const struct lake_change *change,
               struct lake_staged **staged, struct err *err);
/* The same as the part of a commit through a catalog's queue (commit.h): small files go to the
 * carrier, no metadata file is written, and *next is a reference for the caller. There is no swap
 * then; what is staged ends as above. */
int lake_stage_part(struct lake *lake, const struct lake_ident *ident, struct lake_metadata *base,
                    const struct lake_change *change, struct lake_carrier *carrier,
                    struct lake_staged **staged, struct lake_metadata **next, struct err *err);
const struct lake_swap *lake_staged_swap(const struct lake_staged *staged); /* borrowed */
struct lake_metadata *lake_staged_metadata(const struct lake_staged *staged); /* borrowed */
size_t lake_staged_rewrites_kept(const struct lake_staged *staged);
int64_t lake_staged_snapshot_id(const struct lake_staged *staged); /* the first of the two; -1 */
/* After the swap is true: removes expired files and dropped metadata, frees. */
void lake_staged_settle(struct lake_staged *staged);
/* After a certain refusal: removes manifests, lists, metadata and delete files written here, frees.
 * Data files stay the caller's. */
void lake_staged_abandon(struct lake_staged *staged);
void lake_staged_free(struct lake_staged *staged);

/* The whole of it for callers without a transaction to join: through the catalog's queue, or where
 * there is none load, stage, swap, retry on conflict up to commit.retry.num-retries (default 4, at
 * least 20 of ours). ERR_STALE as above. */
struct lake_committed {
    int64_t snapshot_id;  /* of what was added and taken away; -1: nothing was */
    size_t rewrites_kept; /* of the change's rewrites */
};
int lake_commit_wait(struct lake *lake, struct lake_catalog *catalog,
                     const struct lake_ident *ident, const struct lake_change *change,
                     struct lake_committed *out /* NULL: does not ask */, struct err *err);

/* The same for several tables, each once: all become true in one transaction of the catalog, or
 * none does. A change that finds nothing to do takes no part. */
struct lake_table_change {
    struct lake_ident ident;
    const struct lake_change *change;
};
int lake_commit_many_wait(struct lake *lake, struct lake_catalog *catalog,
                          const struct lake_table_change *list, size_t count, struct err *err);

#endif
