/* lake.h - Iceberg tables: what a table is, how files get into it, how it stays small, how it is
 * read.
 *
 * Nothing here decides which version of a table is true: that is commit.h's lake_catalog. A change
 * is staged (durable, invisible), swapped by the catalog, and then settled or abandoned.
 *
 *   types.h     types, schemas, partition specs, values        no I/O
 *   metadata.h  the metadata file and the updates to it        no I/O
 *   manifest.h  manifests, manifest lists, their cache
 *   stage.h     staging of appends, rewrites and expiry
 *   maintain.h  which files to merge and what to forget
 *   budget.h    how much of the machine that may take
 *   health.h    what a table needs, and doing it
 *   fsck.h      proving that a table can be read
 *   writer.h    rows to data files
 *   scan.h      snapshots to SQL
 *
 * Threads: a struct lake is shared by all; its calls may block (worker).
 */
#ifndef LAKE_LAKE_H
#define LAKE_LAKE_H

#include "lake/budget.h"
#include "lake/commit.h"
#include "lake/maintain.h"
#include "lake/manifest.h"
#include "lake/metadata.h"
#include "lake/scan.h"
#include "lake/stage.h"
#include "lake/types.h"
#include "lake/writer.h"
#include "store/store.h"

struct lake;
struct lake_options {
    struct store *store;  /* borrowed for life */
    struct clock *clock;  /* likewise */
    int64_t cache_bytes;  /* parsed manifests and metadata; 0: 32 MiB */
    struct lake_budget_limits budget; /* of all maintenance; zeros: the defaults */
};
int lake_new(struct lake **out, const struct lake_options *options, struct err *err);
void lake_free(struct lake *lake);
struct store *lake_store(struct lake *lake);
struct clock *lake_clock(struct lake *lake);
int64_t lake_cache_used(struct lake *lake);
struct lake_budget *lake_budget(struct lake *lake); /* shared by all who rewrite files */
/* Said by a writer with each of its commits: it merges this table's small files itself, so that the
 * maintenance service leaves them alone until it falls silent for LAKE_KEEP_MS. */
#define LAKE_KEEP_MS 120000
void lake_keep(struct lake *lake, const char *uuid);

/* A metadata file, through the cache. The caller owns one reference. */
int lake_metadata_load(struct lake *lake, const char *location, struct lake_metadata **out,
                       struct err *err);
/* Writes `metadata` (with the base logged in it) as the next metadata file and gives its location,
 * in the arena. Durable on return. `dropped` as in lake_metadata_log_base. Used by the catalog for
 * commits of foreign clients and by staging. */
int lake_metadata_store(struct lake *lake, const struct lake_metadata *metadata,
                        const struct lake_metadata *base, const char *base_location,
                        struct arena *arena, const char **location, const char ***dropped,
                        size_t *drop_count, struct err *err);
/* Best effort: failures are noted and left to lake_orphans_remove. */
void lake_remove_files(struct lake *lake, const char *const *locations, size_t count);
/* Removes every file of a dropped table: data, manifests, lists, metadata. */
int lake_purge(struct lake *lake, const char *metadata_location, struct err *err);

#endif
