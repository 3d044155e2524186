/* state_int.h - what the files of this room share: entries, spaces, tables, what is on its way to
 * disk.
 *
 * An entry is one allocation of its space's pool: the header, its link in a grouped table, then key
 * (of tables that are not grouped: a group keeps the key for all), sub, and room for the value. A
 * value that outgrows its room moves out; the entry itself never moves, so lists may point to it.
 *
 * Two writers run behind the table, and each needs entries as they were at a seal:
 *   the run    `changed` lists what changed since the last seal. The seal turns it into `sealed`,
 *              which state_flush writes from the front. One flag marks those of `changed`, another
 *              those of `sealed` that are not written yet; a seal touches no entry: the two flags
 *              change their meaning.
 *   the base   every entry of `all` up to base_end as it was at the seal the base belongs to;
 *              those before base_pos are written. An entry that is written out of turn is swapped
 *              to base_pos, since `all` has no order.
 * before_change writes an entry for both when they still need it. A dropped entry that one of the
 * lists points to stays as a tombstone (GONE) until it is written.
 */
#ifndef STATE_STATE_INT_H
#define STATE_STATE_INT_H

#include "state/state.h"
#include "state/writer.h"

#define LISTED 3 /* two flags: state->changed, in space->changed; the other, sealed_flag() */
#define GONE   4 /* dropped; in no index, freed when neither list needs it */
#define BIG    8 /* its value has an allocation of its own */

struct entry {
    uint64_t hash;
    uint8_t *value;
    uint32_t at;                                              /* in space->all */
    uint32_t key_len, sub_len, value_len, value_cap, own_cap; /* own_cap: of the room in it */
    uint32_t touched; /* seconds since the epoch; tables with a ttl */
    uint8_t flags;
};

struct group {
    uint64_t hash;
    struct entry *first;
    uint32_t key_len, members; /* tombstones too: they need its key */
    uint8_t key[];
};

/* Behind the header, in grouped tables. */
struct link {
    struct group *group;
    struct entry *next, *prev;
};

/* Open addressing, linear probing, at most 7 of 10 places in use. */
struct place {
    uint64_t hash;
    void *what; /* NULL: free */
};
struct index {
    struct place *places; /* NULL while empty */
    uint32_t mask, used;
    struct spill *spill; /* NULL: memory alone */
};

/* Memory of a space: given back as a whole, with lists of freed pieces by size. */
#define POOL_SMALL   64                   /* classes of 16 bytes: pieces up to 1,024 */
#define POOL_CLASSES (POOL_SMALL + 4 * 8) /* up to 256 KiB */
struct pool {
    void *blocks, *bigs;
    void *free[POOL_CLASSES + 1];
    uint8_t *next;
    size_t left, block, bytes; /* bytes: of all blocks and bigs */
    struct spill *spill;       /* NULL: memory alone */
};

struct entries {
    struct entry **list;
    uint32_t count, cap;
};

struct space {
    int64_t number;
    struct index entries, groups;
    struct pool pool;
    struct entries all, changed, sealed;
    uint32_t sealed_pos;         /* what is before it is written */
    uint32_t base_pos, base_end; /* of `all`; both 0: the base does not need this space */
};

struct state_table {
    struct state *state;
    struct state_table *next;
    char *name;
    bool grouped;
    int64_t ttl_ms;
    int (*expired)(void *arg, const struct state_key *key, void *value, struct err *err);
    void *expired_arg;
    int64_t sweep_space;   /* where the search for entries whose time is over stands: */
    uint32_t sweep_at;     /* those of the space's `all` from here on were looked at */
    int64_t sweep_round;   /* entries when the search began anew */
    int64_t sweep_due;     /* thousandths of entries to look at */
    struct space **spaces; /* by number */
    size_t space_count, space_cap;
    struct space *last; /* the one that was asked for last */
    int64_t *dropped;   /* spaces dropped since the last seal */
    size_t dropped_count, dropped_cap;
};

/* A file being written: records gather in `raw`, blocks go to the disk. */
struct run_writer {
    struct written *file; /* NULL: none */
    char name[40];
    const struct state_table *table; /* that the last record is of */
    struct buf raw, packed;
    int64_t pos; /* 0: nothing was written */
};

/* A file that is part of the state. */
struct run {
    struct run *next;
    char name[40];
    int64_t bytes, epoch;
    bool base;
    bool unnamed; /* obsolete, and the last manifest does without it */
};

struct state {
    struct disk *disk;
    struct clock *clock;
    struct state_writer *writer; /* NULL: none */
    char *dir;                   /* NULL: in memory alone */
    struct state_table *tables;
    struct spill *spill; /* NULL: memory without a budget */
    bool loading;        /* nothing is over: a later file may say that it changed since */
    int64_t now_ms;      /* 0: the clock's */
    int64_t epoch;       /* of the last seal */
    uint8_t changed;     /* the flag of LISTED that says: changed since the last seal */
    bool sealing;        /* its run is not durable yet */
    struct run_writer run, base;
    bool basing; /* a base is under way */
    int64_t base_epoch, base_bytes, base_min_bytes;
    struct run *runs;     /* oldest first: what a manifest names */
    struct run *obsolete; /* named by older manifests only */
    bool sync_later, read_only;
    const char *only;
    struct state_sync *unsynced; /* written files, for state_take_sync */
};

struct state_sync {
    struct state_sync *next;
    struct disk *disk;
    char *dir; /* of the first alone */
    struct written *file;
};

/* Of entries in space->sealed that are not written yet. */
static inline uint8_t sealed_flag(const struct state *state)
{
    return state->changed ^ LISTED;
}

/* spill.c: large pieces of memory, which lie in a file beyond the budget. A spill belongs to its
 * state's thread. */
#define HUGE_BYTES ((size_t)2 << 20)
struct spill {
    struct disk *disk;
    char *path;
    struct file *file; /* NULL: not needed yet */
    int fd;
    int64_t budget; /* bytes */
    int64_t plain;  /* of it, memory that is not in the file: large pieces, lists of entries */
    uint8_t *base;  /* addresses of the file; NULL: not needed yet */
    size_t end;     /* bytes of it in use, or free in `units` */
    uint32_t *units;
    size_t unit_count, unit_cap;
    int64_t pages, faults; /* in memory, about; of the thread when it was counted */
    size_t hand, changes;
};
int spill_new(struct spill **out, struct disk *disk, const char *dir, int64_t memory_bytes,
              struct err *err);
void spill_free(struct spill *spill);
void spill_plain(struct spill *spill, int64_t bytes); /* more, or less, of other memory */
/* Not zeroed. The size is given again when it is freed. `spill` may be NULL. */
void *huge_alloc(struct spill *spill, size_t size, bool index);
void huge_free(struct spill *spill, void *memory, size_t size);
/* These bytes are wanted soon. */
void spill_soon(const struct spill *spill, const void *memory, size_t size);
void spill_touch(const struct spill *spill, void *memory, size_t size); /* it is written to next */
/* So many entries were looked for: pages beyond the budget are sent away. */
void spill_breathe(struct spill *spill, size_t changes);

/* pool.c */
void *pool_take(struct pool *pool, size_t size); /* NULL: out of memory */
void pool_give(struct pool *pool, void *piece, size_t size);
void pool_deinit(struct pool *pool);

/* index.c: `same` tells whether `what` is the one looked for. */
typedef bool same_fn(const void *what, const void *arg);
void *index_find(const struct index *index, uint64_t hash, same_fn *same, const void *arg);
int index_add(struct index *index, uint64_t hash, void *what); /* not there yet. ERR_NOMEM */
void index_remove(struct index *index, uint64_t hash, const void *what);
void index_deinit(struct index *index);

/* table.c */
bool entry_expired(const struct state_table *table, const struct entry *entry);
int entry_expire(struct state_table *table, struct space *space, struct entry *entry,
                 struct err *err);
struct space *table_space(struct state_table *table, int64_t number, bool make);
struct slice entry_key(const struct state_table *table, const struct entry *entry);
struct slice entry_sub(const struct state_table *table, const struct entry *entry);
void entry_release(struct state_table *table, struct space *space, struct entry *entry);
int entry_list_add(struct space *space, struct entries *entries, struct entry *entry);
void space_free(struct space *space);

int load_put(struct state_table *table, const struct state_key *key, uint32_t touched,
             struct slice value, struct err *err);
int load_drop(struct state_table *table, const struct state_key *key, struct err *err);
void load_end(struct state_table *table);

/* flush.c */
int before_change(struct state_table *table, struct space *space, struct entry *entry,
                  struct err *err);
int before_drop_space(struct state_table *table, struct space *space, struct err *err);
void base_forget(struct space *space, struct entry *entry); /* takes it out of `all` */

/* run.c */
enum record { RECORD_TABLE = 1, RECORD_PUT = 2, RECORD_DROP = 3, RECORD_DROP_SPACE = 4 };
int run_open(struct state *state, struct run_writer *run, bool base, int64_t epoch,
             struct err *err);
int run_entry(struct state *state, struct run_writer *run, const struct state_table *table,
              int64_t space, const struct entry *entry, struct err *err);
int run_drop_space(struct state *state, struct run_writer *run, const struct state_table *table,
                   int64_t space, struct err *err);
int run_close(struct state *state, struct run_writer *run, struct err *err); /* durable */
void run_deinit(struct run_writer *run);
int run_load(struct state *state, const struct run *run, struct err *err);

#endif
