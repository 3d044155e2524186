/* local_journal.c - group commit, segments that take turns, and playing back.
 *
 * Who adds a change joins the group that is filling. The first who finds nobody writing takes the
 * group, writes it with one call and syncs; whoever comes meanwhile fills the next one, and one of
 * them is woken to write it. Each waits on a semaphore of its own: with a condition for all of them
 * every sync ended in a crowd before the lock. A group that does not fit moves on to the other
 * segment, and its writer then empties the one that is full.
 *
 * Where the file system lets us, a group goes past the page cache, which halves the processor time
 * of writing and syncing it. Such a group is made whole blocks by a record of no change behind it.
 */
#include "store/local_journal.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/codec.h"

#define MAGIC_SEGMENT UINT32_C(0x4a4e5254) /* "TRNJ" */
#define MAGIC_RECORD  UINT32_C(0x524e5254)
#define HEADER_BYTES  512                  /* a sector of its own: written whole or not */
#define GROW_BYTES    ((int64_t)256 << 10) /* zeroes ahead of the records, so that few syncs grow */
#define RECORDS_MAX   4096                 /* of a segment: bounds the time to play it back */
#define DIRECT_MIN    ((int64_t)8 << 10)   /* of a segment */
#define BLOCKS_BYTES  ((size_t)64 << 10)   /* written at a time past the page cache */
#define SEEN_BITS     (1u << 20)           /* a key taken for another's costs a sync: 1 in 250 */

struct segment_header {
    uint32_t magic, crc; /* of what follows */
    uint64_t generation;
    uint64_t retired; /* 1: its records are carried out and durable */
};

struct record_header {
    uint32_t magic, crc; /* of what follows, texts and bytes too */
    uint64_t generation;
    int64_t mtime_us;
    uint32_t bytes_len, attr_len;
    uint16_t bucket_len, key_len;
    uint8_t kind, zero[3];
};

#define RECORD_PAD 4 /* its kind, beside those of enum journal_kind: zeroes up to a block's end */
#define PAD_MAX    ((size_t)DISK_BLOCK + sizeof(struct record_header))

enum state { EMPTY, ACTIVE, FULL, CLEARING };

struct segment {
    struct file *file;
    struct file *direct;       /* the same past the page cache; NULL: not here */
    uint8_t *blocks;           /* BLOCKS_BYTES of aligned memory for it: owned */
    _Atomic(enum state) state; /* changed under the lock */
    uint64_t generation;
    int64_t end, grown; /* of the records; of what was ever written */
    size_t records;
    atomic_int in_flight; /* added and not yet carried out */
    uint8_t *seen;        /* a bit per hash of a key: owned */
};

/* One who waits for a group to be durable; on its stack. */
struct waiter {
    struct waiter *next;
    size_t at, len; /* of its record in the group */
    uint64_t bit;   /* of its key */
    int rc, ticket;
    bool done; /* else it is woken to write its group */
    sem_t wake;
    struct err *err;
};

struct group {
    struct buf bytes;
    struct waiter *waiters;
    size_t records;
    size_t pad; /* bytes of the last record, which is nobody's */
};

struct journal {
    struct disk *disk;
    char *dir;
    int64_t bytes; /* of a segment */
    pthread_mutex_t lock;
    pthread_cond_t moved; /* a group was written, a segment emptied, a change carried out */
    struct segment segments[2];
    int active;
    struct group filling, writing;
    bool is_writing;
    uint64_t generation; /* the newest given out */
};

static size_t aligned(size_t len)
{
    return (len + 7) & ~(size_t)7;
}

static uint64_t hash_of(struct slice bucket, struct slice key)
{
    return hash64(key.ptr, key.len, hash64(bucket.ptr, bucket.len, 0));
}

/* --- segments --------------------------------------------------------------------------------- */

static uint32_t header_crc(const struct segment_header *header)
{
    return crc32c(0, &header->generation,
                  sizeof(*header) - offsetof(struct segment_header, generation));
}

/* Past the page cache when these are whole blocks. `ptr` NULL: zeroes. */
static int write_at(struct segment *segment, const uint8_t *ptr, size_t len, int64_t pos,
                    struct err *err)
{
    bool direct = segment->direct && len % DISK_BLOCK == 0 && pos % DISK_BLOCK == 0;
    int rc = 0;

    if (!direct && ptr)
        return file_pwrite(segment->file, ptr, len, pos, err);
    for (size_t at = 0, take; at < len && !rc; at += take) {
        take = len - at < BLOCKS_BYTES ? len - at : BLOCKS_BYTES;
        if (ptr)
            memcpy(segment->blocks, ptr + at, take);
        else
            memset(segment->blocks, 0, take);
        rc = file_pwrite(direct ? segment->direct : segment->file, segment->blocks, take,
                         pos + (int64_t)at, err);
    }
    return rc;
}

static int write_header(struct segment *segment, uint64_t generation, bool retired, struct err *err)
{
    struct segment_header header = {
        .magic = MAGIC_SEGMENT, .generation = generation, .retired = retired};
    uint8_t block[HEADER_BYTES] = {0};

    header.crc = header_crc(&header);
    memcpy(block, &header, sizeof(header));
    return write_at(segment, block, sizeof(block), 0, err);
}

/* What stands in a segment: 0 and retired when nothing does. */
static int read_header(struct segment *segment, bool *retired, struct err *err)
{
    struct segment_header header = {0};
    size_t got;
    int rc = file_pread(segment->file, &header, sizeof(header), 0, &got, err);
    bool valid = !rc && got == sizeof(header) && header.magic == MAGIC_SEGMENT &&
                 header.crc == header_crc(&header);

    segment->generation = valid ? header.generation : 0;
    *retired = !valid || header.retired;
    return rc;
}

/* Zeroes up to a multiple of GROW_BYTES behind `end`. */
static int grow(struct journal *journal, struct segment *segment, int64_t end, struct err *err)
{
    int64_t to = (end + GROW_BYTES - 1) / GROW_BYTES * GROW_BYTES;
    int rc;

    to = to < journal->bytes ? to : journal->bytes;
    if (to <= segment->grown)
        return 0;
    rc = write_at(segment, NULL, (size_t)(to - segment->grown), segment->grown, err);
    if (!rc)
        segment->grown = to;
    return rc;
}

/* Called without the lock, on a segment that is CLEARING. */
static int clear(struct journal *journal, struct segment *segment, struct err *err)
{
    int rc = disk_sync_all(journal->disk, journal->dir, err);

    if (!rc)
        rc = write_header(segment, segment->generation, true, err);
    return rc ? rc : file_sync(segment->file, err);
}

/* Empties a FULL segment once its changes are carried out. Caller holds the lock, which is given
 * away meanwhile. */
static int empty(struct journal *journal, struct segment *segment, struct err *err)
{
    int rc;

    segment->state = CLEARING;
    while (segment->in_flight)
        pthread_cond_wait(&journal->moved, &journal->lock);
    pthread_mutex_unlock(&journal->lock);
    rc = clear(journal, segment, err);
    pthread_mutex_lock(&journal->lock);
    segment->state = rc ? FULL : EMPTY;
    if (!rc) {
        memset(segment->seen, 0, SEEN_BITS / 8);
        segment->end = 0;
        segment->records = 0;
    }
    pthread_cond_broadcast(&journal->moved);
    return rc;
}

/* --- adding ----------------------------------------------------------------------------------- */

static int encode(struct group *group, const struct journal_entry *entry, size_t *len)
{
    struct record_header header = {.magic = MAGIC_RECORD,
                                   .mtime_us = entry->mtime_us,
                                   .bytes_len = (uint32_t)entry->bytes.len,
                                   .attr_len = (uint32_t)entry->attr.len,
                                   .bucket_len = (uint16_t)entry->bucket.len,
                                   .key_len = (uint16_t)entry->key.len,
                                   .kind = (uint8_t)entry->kind};
    static const uint8_t zeroes[8];
    size_t begin = group->bytes.len, plain;
    int rc = buf_append(&group->bytes, &header, sizeof(header));

    rc = rc ? rc : buf_append_slice(&group->bytes, entry->bucket);
    rc = rc ? rc : buf_append_slice(&group->bytes, entry->key);
    rc = rc ? rc : buf_append_slice(&group->bytes, entry->attr);
    rc = rc ? rc : buf_append_slice(&group->bytes, entry->bytes);
    plain = group->bytes.len - begin;
    rc = rc ? rc : buf_append(&group->bytes, zeroes, aligned(plain) - plain);
    *len = group->bytes.len - begin;
    if (rc)
        group->bytes.len = begin;
    return rc;
}

/* Makes the group whole blocks. Where memory runs out it stays as it is, and so do the segment's
 * groups behind it: they are written through the page cache. */
static void pad(struct group *group)
{
    static const uint8_t zeroes[DISK_BLOCK];
    size_t gap = DISK_BLOCK - group->bytes.len % DISK_BLOCK;
    struct record_header header = {.magic = MAGIC_RECORD, .kind = RECORD_PAD};

    group->pad = 0;
    if (gap == DISK_BLOCK)
        return;
    gap += gap < sizeof(header) ? DISK_BLOCK : 0;
    header.bytes_len = (uint32_t)(gap - sizeof(header));
    if (buf_reserve(&group->bytes, gap))
        return;
    group->pad = gap;
    buf_append(&group->bytes, &header, sizeof(header));
    buf_append(&group->bytes, zeroes, header.bytes_len);
}

static void seal_record(uint8_t *record, size_t len, uint64_t generation)
{
    size_t from = offsetof(struct record_header, generation);
    uint32_t crc;

    memcpy(record + from, &generation, sizeof(generation));
    crc = crc32c(0, record + from, len - from);
    memcpy(record + offsetof(struct record_header, crc), &crc, sizeof(crc));
}

/* The generation is known only now that the segment is. */
static void seal(struct group *group, struct segment *segment)
{
    for (struct waiter *w = group->waiters; w; w = w->next) {
        seal_record(group->bytes.ptr + w->at, w->len, segment->generation);
        segment->seen[w->bit / 8] |= (uint8_t)(1u << w->bit % 8);
    }
    if (group->pad)
        seal_record(group->bytes.ptr + group->bytes.len - group->pad, group->pad,
                    segment->generation);
}

static bool fits(const struct journal *journal, const struct segment *segment)
{
    int64_t begin = segment->state == ACTIVE ? segment->end : HEADER_BYTES;

    return begin + (int64_t)journal->writing.bytes.len <= journal->bytes &&
           segment->records + journal->writing.records <= RECORDS_MAX;
}

/* The segment for the group that is about to be written; *full is one that must be emptied behind
 * it, or NULL. Caller holds the lock. */
static int choose(struct journal *journal, struct segment **out, struct segment **full,
                  struct err *err)
{
    int rc = 0;

    for (*full = NULL; !rc;) {
        struct segment *active = &journal->segments[journal->active];
        struct segment *other = &journal->segments[!journal->active];

        *out = active;
        if (active->state == ACTIVE && fits(journal, active))
            return 0;
        if (active->state == EMPTY) {
            active->state = ACTIVE;
            active->generation = ++journal->generation;
            active->end = HEADER_BYTES;
            return 0;
        }
        if (active->state == CLEARING || other->state == CLEARING) {
            pthread_cond_wait(&journal->moved, &journal->lock);
        } else if (active->state == FULL || other->state == FULL) { /* emptying it failed before */
            rc = empty(journal, other->state == FULL ? other : active, err);
        } else {
            active->state = FULL;
            *full = active;
            journal->active = !journal->active;
        }
    }
    return rc;
}

/* Without the lock: `segment` is ours as long as is_writing is set. */
static int write_bytes(struct journal *journal, struct segment *segment, struct err *err)
{
    const struct group *group = &journal->writing;
    int rc = grow(journal, segment, segment->end + (int64_t)group->bytes.len, err);

    if (!rc && segment->end == HEADER_BYTES)
        rc = write_header(segment, segment->generation, false, err);
    if (!rc)
        rc = write_at(segment, group->bytes.ptr, group->bytes.len, segment->end, err);
    return rc ? rc : file_sync(segment->file, err);
}

/* A group whose write failed leaves the segment's end where it was: the next one overwrites it. */
static struct segment *write_group(struct journal *journal, struct waiter *mine)
{
    struct segment *segment, *full = NULL;
    struct err err = {0};
    int rc;

    journal->writing = journal->filling;
    journal->filling = (struct group){0};
    if (journal->segments[0].direct)
        pad(&journal->writing);
    rc = choose(journal, &segment, &full, &err);
    if (!rc) {
        seal(&journal->writing, segment);
        pthread_mutex_unlock(&journal->lock);
        rc = write_bytes(journal, segment, &err);
        if (rc) /* none of it was answered: as far as this disk goes, none of it is there */
            (void)file_pwrite(segment->file, &(struct record_header){0},
                              sizeof(struct record_header), segment->end, NULL);
        pthread_mutex_lock(&journal->lock);
    }
    if (!rc) {
        segment->end += (int64_t)journal->writing.bytes.len;
        segment->records += journal->writing.records;
    }
    for (struct waiter *w = journal->writing.waiters, *next; w; w = next) {
        next = w->next;
        w->rc = rc;
        if (rc)
            err_set(w->err, rc, "%s", err.text);
        w->ticket = rc ? -1 : (int)(segment - journal->segments);
        if (!rc)
            atomic_fetch_add(&segment->in_flight, 1);
        w->done = true;
        if (w != mine)
            sem_post(&w->wake); /* its stack may go from here on */
    }
    buf_deinit(&journal->writing.bytes);
    journal->writing = (struct group){0};
    return full;
}

static size_t size_of(const struct journal_entry *entry)
{
    return aligned(sizeof(struct record_header) + entry->bucket.len + entry->key.len +
                   entry->attr.len + entry->bytes.len);
}

/* What a group may hold, so that a segment holds it. */
static size_t group_max(const struct journal *journal)
{
    return (size_t)journal->bytes - HEADER_BYTES - (journal->segments[0].direct ? PAD_MAX : 0);
}

static int join(struct journal *journal, const struct journal_entry *entry, struct waiter *waiter)
{
    struct group *group = &journal->filling;
    int rc;

    while (group->bytes.len + size_of(entry) > group_max(journal))
        pthread_cond_wait(&journal->moved, &journal->lock);
    waiter->at = group->bytes.len;
    rc = encode(group, entry, &waiter->len);
    if (rc)
        return rc;
    waiter->bit = hash_of(entry->bucket, entry->key) % SEEN_BITS;
    waiter->next = group->waiters;
    group->waiters = waiter;
    group->records++;
    return 0;
}

/* Caller holds the lock and writes: is_writing is set. */
static void lead(struct journal *journal, struct waiter *mine)
{
    struct segment *full = write_group(journal, mine);

    if (journal->filling.waiters) /* one of them goes on: is_writing stays */
        sem_post(&journal->filling.waiters->wake);
    else
        journal->is_writing = false;
    pthread_cond_broadcast(&journal->moved);
    /* Its own change is in the other segment, so this waits for others alone. When it fails,
     * whoever needs the segment tries again, and is told. */
    if (full)
        empty(journal, full, NULL);
}

int journal_add(struct journal *journal, const struct journal_entry *entry, int *ticket,
                struct err *err)
{
    struct waiter waiter = {.err = err};
    int rc;

    if (size_of(entry) > JOURNAL_ENTRY_MAX || size_of(entry) > group_max(journal))
        return err_set(err, ERR_LIMIT, "journal: a change of %zu bytes", entry->bytes.len);
    sem_init(&waiter.wake, 0, 0);
    pthread_mutex_lock(&journal->lock);
    rc = join(journal, entry, &waiter);
    if (!rc && journal->is_writing) {
        pthread_mutex_unlock(&journal->lock);
        while (sem_wait(&waiter.wake))
            ; /* a signal */
        if (!waiter.done) {
            pthread_mutex_lock(&journal->lock);
            lead(journal, &waiter);
            pthread_mutex_unlock(&journal->lock);
        }
    } else {
        journal->is_writing |= !rc;
        if (!rc)
            lead(journal, &waiter);
        pthread_mutex_unlock(&journal->lock);
    }
    sem_destroy(&waiter.wake);
    *ticket = waiter.ticket;
    return rc ? err_set(err, rc, "journal") : waiter.rc;
}

void journal_done(struct journal *journal, int ticket)
{
    struct segment *segment = &journal->segments[ticket];

    /* Who empties the segment says so before it looks at the count. */
    if (atomic_fetch_sub(&segment->in_flight, 1) > 1 || segment->state != CLEARING)
        return;
    pthread_mutex_lock(&journal->lock);
    pthread_cond_broadcast(&journal->moved);
    pthread_mutex_unlock(&journal->lock);
}

bool journal_holds(struct journal *journal, struct slice bucket, struct slice key)
{
    uint64_t bit = hash_of(bucket, key) % SEEN_BITS;
    bool seen = false;

    pthread_mutex_lock(&journal->lock);
    for (int i = 0; i < 2; i++)
        seen |= journal->segments[i].seen[bit / 8] >> bit % 8 & 1;
    pthread_mutex_unlock(&journal->lock);
    return seen;
}

int journal_checkpoint(struct journal *journal, struct err *err)
{
    int rc = 0, first;

    pthread_mutex_lock(&journal->lock);
    first = !journal->active; /* the older one: what it holds may be forgotten in the other */
    for (int i = 0; i < 2 && !rc; i++) {
        struct segment *segment = &journal->segments[i ? !first : first];

        while (journal->is_writing || segment->state == CLEARING)
            pthread_cond_wait(&journal->moved, &journal->lock);
        if (segment->state == ACTIVE || segment->state == FULL)
            rc = empty(journal, segment, err);
    }
    pthread_mutex_unlock(&journal->lock);
    return rc;
}

/* --- playing back ----------------------------------------------------------------------------- */

struct replay {
    struct buf bytes[2]; /* the segments */
    struct journal_entry *entries;
    size_t count, cap;
    uint32_t *table; /* of places in `entries`, plus one, by key */
    size_t slots;
};

static void replay_deinit(struct replay *replay)
{
    buf_deinit(&replay->bytes[0]);
    buf_deinit(&replay->bytes[1]);
    free(replay->entries);
    free(replay->table);
}

/* The record at `pos`; false: the records end here. */
static bool read_record(struct slice segment, size_t pos, uint64_t generation,
                        struct journal_entry *out, size_t *len)
{
    struct record_header header;
    const uint8_t *at = segment.ptr + pos;
    size_t from = offsetof(struct record_header, generation);

    if (segment.len - pos < sizeof(header))
        return false;
    memcpy(&header, at, sizeof(header));
    if (header.magic != MAGIC_RECORD || header.generation != generation)
        return false;
    *len = sizeof(header) + header.bucket_len + header.key_len + (size_t)header.attr_len +
           header.bytes_len;
    if (*len > JOURNAL_ENTRY_MAX || aligned(*len) > segment.len - pos ||
        crc32c(0, at + from, aligned(*len) - from) != header.crc)
        return false;
    at += sizeof(header);
    *out =
        (struct journal_entry){.kind = (enum journal_kind)header.kind, .mtime_us = header.mtime_us};
    out->bucket = slice_of(at, header.bucket_len);
    out->key = slice_of(out->bucket.ptr + header.bucket_len, header.key_len);
    out->attr = slice_of(out->key.ptr + header.key_len, header.attr_len);
    out->bytes = slice_of(out->attr.ptr + header.attr_len, header.bytes_len);
    *len = aligned(*len);
    return true;
}

static int load_segment(struct journal *journal, struct segment *segment, struct buf *bytes,
                        struct replay *replay, struct err *err)
{
    int64_t size = 0;
    size_t len;
    int rc = file_size(segment->file, &size, err);

    size = size < journal->bytes ? size : journal->bytes;
    if (!rc && buf_reserve(bytes, (size_t)size))
        rc = err_set(err, ERR_NOMEM, "journal");
    if (!rc && size)
        rc = file_read_all(segment->file, bytes->ptr, (size_t)size, 0, err);
    bytes->len = rc ? 0 : (size_t)size;
    for (size_t pos = HEADER_BYTES; !rc && pos < bytes->len; pos += len) {
        struct journal_entry entry;

        if (!read_record(buf_slice(bytes), pos, segment->generation, &entry, &len))
            break;
        if ((int)entry.kind == RECORD_PAD)
            continue;
        if (replay->count == replay->cap) {
            size_t cap = replay->cap ? replay->cap * 2 : 256;
            struct journal_entry *list = realloc(replay->entries, cap * sizeof(*list));

            if (!list)
                return err_set(err, ERR_NOMEM, "journal");
            replay->entries = list;
            replay->cap = cap;
        }
        replay->entries[replay->count++] = entry;
    }
    return rc;
}

/* Where the key's place in the table is or would be. */
static uint32_t *slot_of(const struct replay *replay, const struct journal_entry *entry)
{
    size_t at = hash_of(entry->bucket, entry->key) % replay->slots;

    for (;; at = (at + 1) % replay->slots) {
        const struct journal_entry *other;

        if (!replay->table[at])
            return &replay->table[at];
        other = &replay->entries[replay->table[at] - 1];
        if (slice_eq(other->bucket, entry->bucket) && slice_eq(other->key, entry->key))
            return &replay->table[at];
    }
}

/* Only the last change of a key counts. */
static int apply_last(struct replay *replay, journal_apply_fn *apply, void *arg, struct err *err)
{
    int rc = 0;

    replay->slots = replay->count * 2 + 1;
    replay->table = calloc(replay->slots, sizeof(*replay->table));
    if (!replay->table)
        return err_set(err, ERR_NOMEM, "journal");
    for (size_t i = 0; i < replay->count; i++)
        *slot_of(replay, &replay->entries[i]) = (uint32_t)i + 1;
    for (size_t i = 0; i < replay->count && !rc; i++)
        if (*slot_of(replay, &replay->entries[i]) == i + 1 &&
            replay->entries[i].kind != JOURNAL_FORGET)
            rc = apply(arg, &replay->entries[i], err);
    return rc;
}

int journal_replay(struct journal *journal, journal_apply_fn *apply, void *arg, struct err *err)
{
    struct replay replay = {0};
    bool retired[2] = {true, true};
    int rc = 0, first;

    for (int i = 0; i < 2 && !rc; i++) {
        rc = read_header(&journal->segments[i], &retired[i], err);
        if (journal->generation < journal->segments[i].generation)
            journal->generation = journal->segments[i].generation;
    }
    first = journal->segments[0].generation > journal->segments[1].generation;
    for (int i = 0; i < 2 && !rc; i++) {
        int which = i ? !first : first;

        if (!retired[which])
            rc = load_segment(journal, &journal->segments[which], &replay.bytes[i], &replay, err);
    }
    if (!rc && replay.count)
        rc = apply_last(&replay, apply, arg, err);
    for (int i = 0; i < 2 && !rc; i++)
        if (!retired[i])
            rc = clear(journal, &journal->segments[i], err);
    replay_deinit(&replay);
    return rc ? err_wrap(err, rc, "journal of %s", journal->dir) : 0;
}

/* --- the journal ------------------------------------------------------------------------------ */

/* It is only a faster way, and small segments would hold little but padding. */
static int open_direct(struct journal *journal, struct segment *segment, const char *path,
                       struct err *err)
{
    segment->blocks = aligned_alloc(DISK_ALIGNED, BLOCKS_BYTES);
    if (!segment->blocks)
        return err_set(err, ERR_NOMEM, "journal");
    if (journal->bytes < DIRECT_MIN ||
        disk_open(journal->disk, &segment->direct, path, DISK_WRITE | DISK_DIRECT, NULL))
        segment->direct = NULL;
    return 0;
}

static int open_segment(struct journal *journal, int which, struct err *err)
{
    struct segment *segment = &journal->segments[which];
    char path[4096];
    int rc;

    snprintf(path, sizeof(path), "%s/%d", journal->dir, which);
    segment->seen = calloc(1, SEEN_BITS / 8);
    if (!segment->seen)
        return err_set(err, ERR_NOMEM, "journal");
    rc = disk_open(journal->disk, &segment->file, path, DISK_WRITE | DISK_CREATE, err);
    if (!rc)
        rc = open_direct(journal, segment, path, err);
    return rc ? rc : file_size(segment->file, &segment->grown, err);
}

int journal_new(struct journal **out, struct disk *disk, const char *dir, int64_t bytes,
                struct err *err)
{
    struct journal *journal = calloc(1, sizeof(*journal));
    bool is_new = false;
    int rc;

    if (!journal)
        return err_set(err, ERR_NOMEM, "journal");
    journal->disk = disk;
    journal->bytes = bytes ? bytes : JOURNAL_BYTES;
    pthread_mutex_init(&journal->lock, NULL);
    pthread_cond_init(&journal->moved, NULL);
    journal->dir = strdup(dir);
    rc = journal->dir ? disk_mkdirs(disk, dir, err) : err_set(err, ERR_NOMEM, "journal");
    for (int i = 0; i < 2 && !rc; i++) {
        rc = open_segment(journal, i, err);
        is_new |= journal->segments[i].grown == 0;
    }
    if (!rc && is_new) /* their names, before anything is said to be in them */
        rc = disk_sync_dir(disk, dir, err);
    if (rc) {
        journal_free(journal);
        return rc;
    }
    *out = journal;
    return 0;
}

void journal_free(struct journal *journal)
{
    if (!journal)
        return;
    for (int i = 0; i < 2; i++) {
        file_close(journal->segments[i].file);
        file_close(journal->segments[i].direct);
        free(journal->segments[i].blocks);
        free(journal->segments[i].seen);
    }
    pthread_mutex_destroy(&journal->lock);
    pthread_cond_destroy(&journal->moved);
    free(journal->dir);
    free(journal);
}
