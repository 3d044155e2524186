/* key_index_int.h - what the files of the key index share: entries, the table, runs. */
#ifndef LAKE_KEY_INDEX_INT_H
#define LAKE_KEY_INDEX_INT_H

#include "lake/key_index.h"

/* `file` of an entry: an ordinal, with KEY_MORE when older places of the key count too. */
#define KEY_MORE     0x80000000u
#define KEY_FILE     0x7fffffffu
#define KEY_TOMB     0x7fffffffu /* the key has no place: ends the search for it */
#define KEY_DEAD     0x7ffffffeu /* in the table: a slot that may be used again */
#define KEY_FILE_MAX 0x7ffffff0u /* ordinals start at 1; 0 is an empty slot */

struct __attribute__((packed)) key_entry {
    uint64_t hash;
    uint32_t check, file, row;
};

static inline int key_cmp(uint64_t ah, uint32_t ac, uint64_t bh, uint32_t bc)
{
    return ah != bh ? (ah < bh ? -1 : 1) : ac != bc ? (ac < bc ? -1 : 1) : 0;
}

/* key_table.c: open addressing by the top bits of the hash, without wrapping around: in the order
 * of its slots the table is nearly sorted, so that a run costs no sort. */
struct key_table {
    struct key_entry *slots;
    size_t cap;   /* a power of two */
    size_t slack; /* slots behind them, for what is pushed over the end */
    size_t used;  /* dead ones included */
    size_t live;
};
int key_table_init(struct key_table *t, size_t expected);
void key_table_deinit(struct key_table *t);
void key_table_clear(struct key_table *t);
/* The key's first slot, or NULL. */
struct key_entry *key_table_find(const struct key_table *t, struct key_hash key);
struct key_entry *key_table_next(const struct key_table *t, struct key_hash key,
                                 const struct key_entry *after);
/* Beside others of the key. ERR_LIMIT: very many keys in one place, most likely all the same. */
int key_table_insert(struct key_table *t, struct key_entry entry);
/* The key has this entry and no other. */
int key_table_put(struct key_table *t, struct key_entry entry);
/* Packs the live entries to the front, sorted by key, entries without KEY_MORE last in a key: the
 * table is good for nothing but key_table_clear after it. */
size_t key_table_sort(struct key_table *t);
size_t key_table_bytes(const struct key_table *t);

/* key_run.c */
#define RUN_PAGE     4096
#define RUN_PER_PAGE 204

struct __attribute__((packed)) key_page {
    struct key_entry entries[RUN_PER_PAGE];
    uint32_t count, crc, zero[2];
};
_Static_assert(sizeof(struct key_page) == RUN_PAGE, "a page is a page");

struct key_run {
    uint64_t number; /* of its file: NUMBER.run */
    uint64_t count, page_count;
    uint64_t *fences;       /* first hash of each page */
    uint8_t *bloom;         /* or NULL: there was no memory for it */
    uint64_t bloom_blocks;  /* of 64 bytes */
    struct key_page *pages; /* all of them in memory, or NULL */
    struct file *file;      /* NULL: in memory alone */
    uint32_t crc;           /* of first hashes and filter, as in its file */
    bool synced;
};

/* Writes a run, entries in order. */
struct run_writer {
    struct key_run *run;
    struct disk *disk;
    const char *path;       /* NULL: in memory alone */
    struct key_page *chunk; /* pages not written yet */
    size_t chunk_count, chunk_cap;
    bool keep; /* all pages stay in memory: chunk grows */
};
int run_writer_init(struct run_writer *w, struct disk *disk, const char *path, uint64_t number,
                    uint64_t count_max, bool keep, struct err *err);
int run_writer_add(struct run_writer *w, const struct key_entry *entry, struct err *err);
int run_writer_end(struct run_writer *w, struct key_run **out, struct err *err);
void run_writer_deinit(struct run_writer *w); /* unfinished: nothing stays but the file */

int key_run_open(struct key_run **out, struct disk *disk, const char *path, uint64_t number,
                 uint64_t count, uint32_t crc, struct err *err);
void key_run_free(struct key_run *run);
int key_run_load(struct key_run *run, struct err *err); /* its pages into memory */
void key_run_unload(struct key_run *run);
/* Bytes of memory: of what finds a page, and of the pages. */
int64_t key_run_fixed_bytes(const struct key_run *run);
int64_t key_run_page_bytes(const struct key_run *run);
bool key_run_may_have(const struct key_run *run, struct key_hash key);

/* Pages in order, from memory or disk. */
struct run_reader {
    struct key_run *run;
    struct key_page *buffer; /* of `window` pages */
    size_t window;           /* how many are read at a time */
    uint64_t from, held;     /* pages in the buffer */
    int64_t *pages_read;
};
int run_reader_init(struct run_reader *r, struct key_run *run, size_t window, int64_t *pages_read,
                    struct err *err);
void run_reader_deinit(struct run_reader *r);
int run_reader_page(struct run_reader *r, uint64_t page, const struct key_page **out,
                    struct err *err);
/* The first page that may hold the hash, at or behind `from`. */
uint64_t key_run_page_of(const struct key_run *run, uint64_t from, uint64_t hash);

/* key_files.c: data files by ordinal. */
struct key_forward { /* rows of a file that went elsewhere */
    uint32_t row, count, file, to;
};
struct file_slot {
    struct key_file file; /* path owned; NULL: the ordinal is free */
    bool live;
    struct key_forward *forwards; /* sorted by row; NULL: its rows are gone, or where they were */
    size_t forward_count;
};
struct key_files {
    struct file_slot *slots; /* by ordinal; 0 is not used */
    size_t count, cap;
    uint32_t *by_path; /* open addressing over live files; 0: empty */
    size_t by_path_cap;
    uint32_t first_free; /* no ordinal below it is free */
    size_t live, gone;   /* gone: ordinals that entries may still name */
    size_t forward_bytes;
};
int key_files_add(struct key_files *f, const struct key_file *file, uint32_t *ordinal);
bool key_files_find(const struct key_files *f, const char *path, uint32_t *ordinal);
void key_files_drop(struct key_files *f, uint32_t ordinal);
/* Where a place is now; false: nowhere. */
bool key_files_resolve(const struct key_files *f, uint32_t *file, uint32_t *row);
void key_files_forget_gone(struct key_files *f); /* no entry names them any more */
void key_files_deinit(struct key_files *f);
size_t key_files_bytes(const struct key_files *f);

/* key_index.c */
#define KEY_RUNS_MAX 64
struct key_index {
    struct disk *disk;
    char *dir, *table;
    int64_t memory_bytes;
    uint64_t seeds[2];
    int64_t snapshot_id, sequence_number;
    struct key_table fresh;
    size_t fresh_max;                   /* entries, then they become a run */
    struct key_run *runs[KEY_RUNS_MAX]; /* newest first */
    size_t run_count;
    uint64_t next_run;
    uint64_t *stale; /* runs that the saved state still names */
    size_t stale_count, stale_cap;
    struct key_files files;
    int64_t pages_read;
};
char *key_run_path(const struct key_index *index, uint64_t number); /* caller frees */
int key_index_lose(struct key_index *index, int rc);                /* at no snapshot; gives rc */

/* key_merge.c */
int key_index_flush(struct key_index *index, struct err *err); /* fresh entries become a run */
int key_index_merge_all(struct key_index *index, struct err *err);
void key_index_fit_memory(struct key_index *index);

/* key_state.c: state.idx. */
struct key_run_name {
    uint64_t number, count;
    uint32_t crc;
};
int key_state_print(const struct key_index *index, struct buf *out);
/* Fills files, seeds and snapshot of an index that is empty but for its options, and names its
 * runs. ERR_CORRUPT says why not. */
int key_state_parse(struct slice bytes, struct key_index *index, struct arena *arena,
                    struct key_run_name **runs, size_t *run_count, struct err *err);

#endif
