/* state.h - what a job remembers between rows: keyed tables in memory, written down by what
 * changed.
 *
 * A table maps (space, key, sub) to a value. Key, sub and value are bytes whose meaning is the
 * user's. A space is a part of a table that is dropped as a whole: the window that ends at a time;
 * 0 where there is none. In a grouped table the entries of one (space, key) form a group that can
 * be walked; elsewhere `sub` is empty.
 *
 * Epochs. state_seal ends one: what was put, changed and dropped since the last seal belongs to it,
 * and takes no time, however much that is. state_flush then writes it down, a slice at a time
 * beside the work that goes on; an entry that is sealed and about to be changed again is written
 * first. When flush says done, the files that state_manifest names are durable and hold exactly the
 * state at the seal: the manifest goes into the transaction that makes the epoch true, and
 * state_committed then removes files that no manifest needs. A process that dies loses only what
 * no epoch named.
 *
 * Files: a run per epoch with its changes, in order; and now and then a base, which is all of it as
 * it was at one seal, so that runs do not pile up: begun when the runs outweigh the last base, and
 * written slice by slice over the following epochs. Loading applies a base and the runs after it.
 * Blocks are compressed and carry a CRC-32C; a file that does not read back whole is ERR_CORRUPT.
 *
 * Errors leave a state that can only be freed: the job starts again from what was committed.
 * Threads: one at a time.
 */
#ifndef STATE_STATE_H
#define STATE_STATE_H

#include "base/base.h"

struct state;
struct state_table;
struct state_writer;

struct state_options {
    struct disk *disk;      /* borrowed for life */
    struct clock *clock;    /* likewise: for slices and for ttl */
    const char *dir;        /* its own folder, made when absent; NULL: nothing is ever written */
    int64_t base_min_bytes; /* of runs before a base is worth its writing; 0: 16 MiB */
    /* Beyond so much memory, state lies in a file in `dir` that is mapped: as long as the disk has
     * room. 0: no limit. */
    int64_t memory_bytes;
    bool read_only; /* of another's folder: nothing is written or removed there; state_load only */
    const char *only; /* tables whose names begin so, the others stay empty; NULL: all. Borrowed for
                         the state's life */
    struct state_writer *writer; /* writes the files (writer.h), with sync_later; borrowed. NULL:
                                    who flushes does */
    bool sync_later; /* files are durable only after state_sync_wait, which another thread may call:
                        flush never waits for the disk */
};
int state_new(struct state **out, const struct state_options *options, struct err *err);
void state_free(struct state *state); /* accepts NULL */

struct state_key {
    int64_t space;
    struct slice key, sub;
};

struct state_table_options {
    const char *name; /* unique in the state and stable over restarts; copied */
    bool grouped;
    int64_t ttl_ms; /* entries not changed for so long are gone, at most 2 s later; 0: never */
    /* Told of an entry whose time is over before it goes: for what belongs to it in other tables,
     * which may be changed meanwhile. NULL: nothing does. */
    int (*expired)(void *arg, const struct state_key *key, void *value, struct err *err);
    void *expired_arg;
};
/* All tables are opened before state_load. */
int state_table_open(struct state *state, const struct state_table_options *options,
                     struct state_table **out, struct err *err);

/* What `manifest` names, into the open tables; other files in the folder are removed. NULL: nothing
 * was ever committed. ERR_CORRUPT, ERR_NOENT: a file is torn or gone, by name: another try finds
 * the same, a reader may look for a newer manifest. ERR_INVALID: nobody opened a table of the
 * files: another plan's. */
int state_load(struct state *state, const char *manifest, struct err *err);
/* Whether the file reads back whole: ERR_CORRUPT, ERR_NOENT. Any thread. */
int state_file_check(struct disk *disk, const char *dir, const char *name, int64_t bytes,
                     struct err *err);

/* ---- made of other states, instead of state_load ---- */

/* The same tables, without a time to live: for what is to be read entry by entry. Those that are
 * there already stay. */
int state_tables_like(struct state *state, const struct state *other, struct err *err);
struct state_table *state_table_find(struct state *state, const char *name); /* NULL: none */
/* Every entry, in no order; nothing is to be changed meanwhile. */
typedef int state_entry_fn(void *arg, const char *table, const struct state_key *key,
                           uint32_t touched, struct slice value, struct err *err);
int state_each(struct state *state, state_entry_fn *fn, void *arg, struct err *err);
/* Puts an entry that another state had, with the time it was changed. The next epoch holds it. */
int state_adopt(struct state_table *table, const struct state_key *key, uint32_t touched,
                struct slice value, struct err *err);
/* The files that `manifest` names in this folder stay until a manifest of this state is true, and
 * go then, as what a base replaces does. */
int state_supersede(struct state *state, const char *manifest, struct err *err);

/* ---- entries ---- */

/* Borrowed until the next call that changes the table. NULL: there is none. */
const void *state_look(struct state_table *table, const struct state_key *key, uint32_t *len);
/* The value in place, for whoever keeps a struct of `size` bytes there: zeroed and *fresh when
 * there was none. Aligned to 8. It stays where it is until the entry is dropped or put; the caller
 * may write to it until the next seal. */
int state_edit(struct state_table *table, const struct state_key *key, uint32_t size, void **value,
               bool *fresh, struct err *err);
/* The same, with the entry's own copy of key->sub, which stays where it is as long as the value. */
int state_edit_sub(struct state_table *table, const struct state_key *key, uint32_t size,
                   void **value, struct slice *sub, bool *fresh, struct err *err);
/* state_edit for many keys, which is several times faster where memory is slower than the cache.
 * `spaces` NULL: all in 0. A key whose ptr is NULL is passed over, its value NULL. Tables without
 * groups; at most STATE_MANY keys. */
#define STATE_MANY 128
int state_edit_many(struct state_table *table, const int64_t *spaces, const struct slice *keys,
                    size_t count, uint32_t size, void **values, bool *fresh, struct err *err);
/* These keys are looked for soon: their way into the cache, and out of the spill's file, begins. At
 * most STATE_MANY. */
void state_soon(struct state_table *table, const struct state_key *keys, size_t count);
/* The value in place, to change some of its bytes; *value NULL: there is none. */
int state_modify(struct state_table *table, const struct state_key *key, void **value,
                 uint32_t *len, struct err *err);
int state_put(struct state_table *table, const struct state_key *key, struct slice value,
              struct err *err);
int state_drop(struct state_table *table, const struct state_key *key, struct err *err);
int state_drop_space(struct state_table *table, int64_t space, struct err *err);

/* The smallest space at or after `from` that has entries. */
bool state_space_from(struct state_table *table, int64_t from, int64_t *space);
int64_t state_count(struct state_table *table); /* entries */

/* Walks in no order that is promised. Between two steps the entry just given may be dropped and no
 * other be changed. */
struct state_walk {
    struct state_table *table;
    void *space, *group, *next;
    uint32_t at;
};
void state_walk_space(struct state_walk *walk, struct state_table *table, int64_t space);
void state_walk_group(struct state_walk *walk, struct state_table *table, int64_t space,
                      struct slice key);
/* false: the end. `key` and `sub` may be NULL: not wanted. */
bool state_walk_next(struct state_walk *walk, struct slice *key, struct slice *sub,
                     struct slice *value);

/* Time goes on: now and then, between other calls. From the first call on, the time of ttl is this
 * one and not the clock's; it may go back, which makes nothing older. Entries whose time is over
 * are looked for, as many as keep every one within a quarter of its ttl behind its end; each call
 * does a slice. They are gone for whoever asks before that, too. */
int state_tick(struct state *state, int64_t now_ms, struct err *err);

/* ---- epochs ---- */

int state_seal(struct state *state, int64_t epoch, struct err *err);
/* Works for about budget_ns (INT64_MAX: to the end), less when the writer has enough to do. *done:
 * the sealed epoch is durable. A base may still be under way then: further calls go on with it. */
int state_flush(struct state *state, int64_t budget_ns, bool *done, struct err *err);
/* Of the sealed epoch, once flush was done: JSON, in the arena. */
int state_manifest(struct state *state, struct arena *arena, const char **json, struct err *err);
void state_committed(struct state *state);
bool state_is_busy(const struct state *state); /* flush has something to do */

/* With sync_later: the files written since the last call, to be made durable before the manifest
 * made last is true. Owned by the caller. NULL: none. */
struct state_sync;
struct state_sync *state_take_sync(struct state *state);
int state_sync_wait(struct state_sync *sync, struct err *err); /* any thread; frees it */
void state_sync_free(struct state_sync *sync);                 /* without; accepts NULL */

struct state_info {
    int64_t entries, memory_bytes, disk_bytes, changed; /* changed: entries since the last seal */
    int64_t spilled_bytes;                              /* of memory_bytes: in the file */
};
void state_info(struct state *state, struct state_info *out);
/* In memory, of the tables whose names begin with `prefix`. Accepts no state: 0. */
int64_t state_bytes_of(const struct state *state, const char *prefix);

#endif
