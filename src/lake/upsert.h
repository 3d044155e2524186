/* upsert.h - changes of a keyed table become data files and deleted rows.
 *
 *     lake_upsert_drain       a feed of changes: the last one of each key is written, once
 *     lake_upsert_stage       where the keys' old rows are, in the base of this attempt
 *     lake_stage, swap        as for any change (stage.h), with row_deletes from above
 *     lake_upsert_committed   the index follows what became true; nothing to do after a refusal
 *
 * A feed whose last column is `$row_kind` (UTINYINT) is a change stream: 0 +I, 1 -U, 2 +U, 3 -D; a
 * feed without it is all +I. +I and +U put the row in the place of the key's rows, -D deletes them,
 * -U says nothing that the +U behind it does not.
 *
 * The index (key_index.h) is a function of a snapshot. Staging brings it to the base first, by
 * comparing the files that it knows with the files that are live: those that are gone are dropped,
 * new ones have their key columns read. That is sound as long as the index's snapshot is an
 * ancestor of the base; when it is not, or is not there any more to tell, the index is built anew
 * from the table. Only lake_upsert_committed applies an epoch. So a crash, a refusal, a commit
 * whose answer was lost and a foreign commit are all the same to it: a snapshot it has not seen.
 *
 * Threads: drain belongs to the pipeline's thread, the rest to the job's, which may run beside it.
 */
#ifndef LAKE_UPSERT_H
#define LAKE_UPSERT_H

#include "lake/key_index.h"
#include "lake/maintain.h"
#include "lake/stage.h"
#include "lake/writer.h"

#define LAKE_ROW_KIND "$row_kind"

struct lake_upsert;
struct lake_upsert_options {
    struct lake *lake; /* borrowed for life, as is the next */
    struct vec_db *db;
    const struct lake_metadata *metadata; /* the table, for its key; borrowed for the call */
};
/* The index lies in a folder of its own beside the store's staging files, one per table and user of
 * it in this process. tarn.upsert.index-memory-bytes (256 MiB) bounds the index's memory.
 * ERR_INVALID: the table has no key. ERR_UNSUPPORTED: it is of format version 1. */
int lake_upsert_new(struct lake_upsert **out, const struct lake_upsert_options *options,
                    struct err *err);
void lake_upsert_free(struct lake_upsert *upsert); /* saves the index */

/* The table of this uuid is gone: its indexes on disk go too. ERR_BUSY: one is in use; the others
 * are gone. Worker. */
int lake_upsert_forget(struct lake *lake, const char *uuid, struct err *err);

/* The table has a key and write.upsert.enabled or upsert-enabled is true. */
bool lake_upsert_wanted(const struct lake_metadata *metadata);
/* The last column is LAKE_ROW_KIND. */
bool lake_upsert_changes(const struct vec_columns *columns);

struct lake_upsert_cut; /* the keys of an epoch */
void lake_upsert_cut_free(struct lake_upsert_cut *cut);
int64_t lake_upsert_cut_rows(const struct lake_upsert_cut *cut); /* changes that came */

/* Pulls the feed to its end and writes what is left of it. Rows wait in memory until then, since
 * which of a key is the last is known only there. Files in the arena; *out NULL: no change came.
 * `metadata` is what the data files are for. */
int lake_upsert_drain(struct lake_upsert *upsert, struct lake_metadata *metadata,
                      const struct vec_feed *feed, struct arena *arena,
                      struct lake_data_file **files, size_t *count, struct lake_upsert_cut **out,
                      struct err *err);

/* Rows of `base` that the epoch replaces or deletes, in the arena. */
int lake_upsert_stage(struct lake_upsert *upsert, struct lake_upsert_cut *cut,
                      const struct lake_metadata *base, struct arena *arena,
                      struct lake_row_delete **out, size_t *count, struct err *err);

/* The epoch is true: `snapshot_id` is what lake_staged_snapshot_id said, `now` the table after it,
 * `maps` those of the rewrites that rode along (any may be missing). What goes wrong here costs
 * time later, not correctness. */
void lake_upsert_committed(struct lake_upsert *upsert, const struct lake_upsert_cut *cut,
                           const struct lake_data_file *files, size_t count, int64_t snapshot_id,
                           const struct lake_metadata *now, const struct lake_row_map *maps,
                           size_t map_count);

struct lake_upsert_stats {
    struct key_index_stats index;
    int64_t rebuilds, files_read; /* since it was made */
};
void lake_upsert_stats(const struct lake_upsert *upsert, struct lake_upsert_stats *out);

#endif
