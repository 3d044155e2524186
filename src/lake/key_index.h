/* key_index.h - where the row of a key is: the index behind upserts.
 *
 * A key is known by 96 bits: a 64-bit hash and a 32-bit check, by which a hit is verified. One
 * column of at most eight bytes is hashed one to one, and then the hash alone is the key: exact.
 * All others go through SipHash under a secret key of 128 bits, drawn for each index and kept
 * beside it, never in the table: two different keys of a hundred million share their 96 bits with
 * a probability of 6 * 10^-14, less than that of a memory error nobody notices, and nobody who
 * writes rows can choose keys that do. To read the key of every hit from its data file instead
 * would decode nearly every page of a large table for some thousand changes spread over it.
 *
 * A place is a data file, by an ordinal that the index gives, and a row in it. The index belongs
 * to a snapshot and holds one invariant: of every live row of that snapshot it has a place under
 * the row's key. It may know more: places of rows that were deleted since, in files that are gone.
 * Those of gone files are never given; those of deleted rows are, and to delete a deleted row again
 * changes nothing. So a delete by a foreign writer needs no work here, a foreign append is added to
 * what is known (a key may then have several rows, all of which the next upsert replaces), and
 * only history that ran backwards (a rollback) makes the index worthless: key_index_reset, read the
 * table. What could not be applied completely leaves the index at no snapshot, which says the same.
 *
 * Inside: the newest changes in a hash table; when that is full, or at key_index_save, they become
 * a run: entries sorted by hash in pages of 4 KiB, each with a checksum, a first hash per page and
 * a Bloom filter in memory. Runs are merged so that each is at least twice the one before. They
 * stay in memory while memory_bytes allow, largest out first; beyond that a search reads pages from
 * disk, batch by batch in the order of the hashes. Nothing on disk is trusted: state.idx names the
 * snapshot, the runs, their sizes and checksums, is replaced atomically, and anything that does not
 * fit it is a lost index.
 *
 * Why not RocksDB, which the design names for spilled state: keys are hashes of one size, so a
 * page needs no keys, no restarts and no prefix coding, an entry is 20 bytes instead of 40, there
 * is nothing to write ahead since the table itself is the log, and a search takes a sorted batch.
 *
 * Rewritten files: key_index_move takes the old-to-new map of a rewrite and keeps it as a forward
 * of the old file: places are translated when they are found and for good when runs are merged, so
 * a compaction costs the index nothing that grows with the table.
 *
 * Threads: one at a time; calls may block on the disk (worker).
 */
#ifndef LAKE_KEY_INDEX_H
#define LAKE_KEY_INDEX_H

#include "base/base.h"

/* What a rewrite did to rows: runs of rows that stayed together. Rows in no run are gone. */
struct lake_row_run {
    uint32_t old_file, new_file; /* indices into the map's files */
    int64_t old_row, new_row, count;
};
struct lake_row_map {
    const char *const *old_files; /* locations */
    const char *const *new_files;
    size_t old_count, new_count;
    const struct lake_row_run *runs; /* sorted by (old_file, old_row), none overlapping */
    size_t run_count;
};
/* Makes a map's runs row by row, old rows ascending within each old file; neighbours become one
 * run. In the arena; *cap starts at 0. */
int lake_row_map_add(struct lake_row_map *map, size_t *cap, struct arena *arena,
                     const struct lake_row_run *row);

struct key_hash {
    uint64_t hash;
    uint32_t check;
};
struct key_place {
    uint32_t file; /* ordinal */
    uint32_t row;
};

#define KEY_INDEX_NONE INT64_MIN /* at no snapshot: rebuild */

struct key_index;
struct key_index_options {
    struct disk *disk;    /* borrowed for life */
    const char *dir;      /* its own folder, made when absent; NULL: kept in memory alone */
    const char *table;    /* uuid and key columns: what is on disk for another is forgotten */
    int64_t memory_bytes; /* of table, runs, first hashes and filters; at least 64 KiB */
};
/* Opens what key_index_save left, or an empty index at no snapshot. Neither a torn nor a foreign
 * state is an error; the text of `lost` (may be NULL) then says what was found. */
int key_index_new(struct key_index **out, const struct key_index_options *options, struct err *lost,
                  struct err *err);
void key_index_free(struct key_index *index);

void key_index_seeds(const struct key_index *index, uint64_t seeds[2]);
int64_t key_index_snapshot(const struct key_index *index); /* -1: of an empty table */
int64_t key_index_sequence(const struct key_index *index);

/* Changes, between key_index_begin and key_index_end. A change that fails leaves the index at no
 * snapshot, and so does an open change at key_index_save. */
void key_index_begin(struct key_index *index);
int key_index_end(struct key_index *index, int64_t snapshot_id, int64_t sequence_number,
                  struct err *err);
void key_index_reset(struct key_index *index); /* forgets everything, keeps the seeds */

/* What the index remembers of a data file, for whoever deletes rows of it. */
struct key_file {
    const char *path; /* borrowed by add, owned by the index in what find and get give */
    int64_t rows;     /* below 2^32 */
    int32_t spec_id;
    int64_t sequence_number, file_sequence_number;
};
int key_index_file_add(struct key_index *index, const struct key_file *file, uint32_t *ordinal,
                       struct err *err);
bool key_index_file_find(const struct key_index *index, const char *path, uint32_t *ordinal);
const struct key_file *key_index_file(const struct key_index *index, uint32_t ordinal); /* until
                                                                            the next file_add */
void key_index_file_drop(struct key_index *index, uint32_t ordinal); /* not live any more */
/* Each live file; `dropped` files are left out. `at` starts at 0; false: no more. */
bool key_index_file_next(const struct key_index *index, uint32_t *at, uint32_t *ordinal);

/* Rows first_row .. first_row + count of a file have these keys, beside what they had. */
int key_index_add(struct key_index *index, uint32_t file, uint32_t first_row,
                  const struct key_hash *keys, size_t count, struct err *err);
/* The key has this place and no other. */
int key_index_put(struct key_index *index, struct key_hash key, struct key_place place,
                  struct err *err);
int key_index_remove(struct key_index *index, struct key_hash key, struct err *err);
/* New files must have been added; the old ones are dropped. */
int key_index_move(struct key_index *index, const struct lake_row_map *map, struct err *err);

/* Places of each key in live files, in no order. `keys` are sorted here by hash and check, and
 * `found` gets the index into that order. A place may come twice. ERR_CORRUPT, ERR_IO: the index
 * is at no snapshot from now on. */
typedef int key_found_fn(void *arg, size_t at, struct key_place place);
int key_index_find(struct key_index *index, struct key_hash *keys, size_t count,
                   key_found_fn *found, void *arg, struct err *err);
void key_hash_sort(struct key_hash *keys, size_t count);

/* Makes the index of its present snapshot the one that key_index_new will find. */
int key_index_save(struct key_index *index, struct err *err);

struct key_index_stats {
    int64_t entries; /* of table and runs, superseded ones included */
    int64_t memory_bytes, disk_bytes;
    size_t runs, runs_in_memory;
    int64_t pages_read; /* from disk, since it was opened */
};
void key_index_stats(const struct key_index *index, struct key_index_stats *out);

#endif
