/* key_state.c - state.idx: what a saved key index is. See key_index.h.
 *
 * Little-endian numbers; texts as length and bytes. magic (8), CRC-32C of all that follows, then
 * table, seeds, snapshot, sequence number, next run, runs, files by ordinal with their forwards.
 * It is written and read by one machine, but read as what anybody may have written: the CRC finds
 * torn bytes, and every count is checked against the bytes left. */
#include "base/codec.h"
#include "lake/key_index_int.h"

#define STATE_MAGIC 0x315853454b4e5254ull

enum slot_kind { SLOT_FREE, SLOT_LIVE, SLOT_GONE };

static int put(struct buf *out, const void *ptr, size_t len)
{
    return buf_append(out, ptr, len);
}
static int put_u32(struct buf *out, uint32_t v)
{
    return put(out, &v, sizeof(v));
}
static int put_u64(struct buf *out, uint64_t v)
{
    return put(out, &v, sizeof(v));
}

static int put_text(struct buf *out, const char *text)
{
    uint32_t len = (uint32_t)strlen(text);
    int rc = put_u32(out, len);

    return rc ? rc : put(out, text, len);
}

static int put_slot(struct buf *out, const struct file_slot *slot)
{
    const struct key_file *f = &slot->file;
    int rc = put_u32(out, !f->path ? SLOT_FREE : slot->live ? SLOT_LIVE : SLOT_GONE);

    if (rc || !f->path)
        return rc;
    rc = put_text(out, f->path);
    rc = rc ? rc : put_u64(out, (uint64_t)f->rows);
    rc = rc ? rc : put_u32(out, (uint32_t)f->spec_id);
    rc = rc ? rc : put_u64(out, (uint64_t)f->sequence_number);
    rc = rc ? rc : put_u64(out, (uint64_t)f->file_sequence_number);
    rc = rc ? rc : put_u64(out, slot->forward_count);
    return rc ? rc : put(out, slot->forwards, slot->forward_count * sizeof(*slot->forwards));
}

int key_state_print(const struct key_index *index, struct buf *out)
{
    uint32_t crc;
    int rc = put_u64(out, STATE_MAGIC);

    rc = rc ? rc : put_u32(out, 0);
    rc = rc ? rc : put_text(out, index->table);
    rc = rc ? rc : put(out, index->seeds, sizeof(index->seeds));
    rc = rc ? rc : put_u64(out, (uint64_t)index->snapshot_id);
    rc = rc ? rc : put_u64(out, (uint64_t)index->sequence_number);
    rc = rc ? rc : put_u64(out, index->next_run);
    rc = rc ? rc : put_u32(out, (uint32_t)index->run_count);
    for (size_t i = 0; i < index->run_count && !rc; i++) {
        rc = put_u64(out, index->runs[i]->number);
        rc = rc ? rc : put_u64(out, index->runs[i]->count);
        rc = rc ? rc : put_u32(out, index->runs[i]->crc);
    }
    rc = rc ? rc : put_u32(out, (uint32_t)index->files.count);
    for (size_t i = 1; i < index->files.count && !rc; i++)
        rc = put_slot(out, &index->files.slots[i]);
    if (rc)
        return rc;
    crc = crc32c(0, out->ptr + 12, out->len - 12);
    memcpy(out->ptr + 8, &crc, sizeof(crc));
    return 0;
}

/* ---- reading ---- */

struct cursor {
    struct slice left;
    bool bad;
};

static const uint8_t *take(struct cursor *c, uint64_t len)
{
    const uint8_t *at = c->left.ptr;

    if (c->bad || len > c->left.len) {
        c->bad = true;
        return NULL;
    }
    c->left.ptr += len;
    c->left.len -= len;
    return at;
}

static uint32_t take_u32(struct cursor *c)
{
    const uint8_t *at = take(c, 4);
    uint32_t v = 0;

    if (at)
        memcpy(&v, at, sizeof(v));
    return v;
}

static uint64_t take_u64(struct cursor *c)
{
    const uint8_t *at = take(c, 8);
    uint64_t v = 0;

    if (at)
        memcpy(&v, at, sizeof(v));
    return v;
}

static char *take_text(struct cursor *c, struct arena *arena)
{
    uint32_t len = take_u32(c);
    const uint8_t *at = take(c, len);

    if (!at || memchr(at, 0, len)) {
        c->bad = true;
        return NULL;
    }
    return arena_cstr(arena, slice_of(at, len));
}

/* Forwards lead to ordinals that exist, forward in the file's own rows. */
static bool forwards_hold(const struct file_slot *slot, uint32_t file_count)
{
    uint64_t next = 0;

    for (size_t i = 0; i < slot->forward_count; i++) {
        const struct key_forward *f = &slot->forwards[i];

        if (f->row < next || f->file == 0 || f->file >= file_count || !f->count)
            return false;
        next = (uint64_t)f->row + f->count;
    }
    return next <= (uint64_t)slot->file.rows;
}

/* Files must keep their ordinals: each is added in turn, free ones as gone ones. */
static int read_slot(struct cursor *c, struct key_index *index, struct arena *arena, uint32_t at,
                     uint32_t file_count)
{
    uint32_t kind = take_u32(c), ordinal;
    struct key_file file = {.path = ""};
    struct file_slot *slot;
    uint64_t forwards = 0;
    const uint8_t *bytes;
    int rc;

    if (kind != SLOT_FREE) {
        file.path = take_text(c, arena);
        file.rows = (int64_t)take_u64(c);
        file.spec_id = (int32_t)take_u32(c);
        file.sequence_number = (int64_t)take_u64(c);
        file.file_sequence_number = (int64_t)take_u64(c);
        forwards = take_u64(c);
    }
    if (forwards > c->left.len / sizeof(struct key_forward))
        c->bad = true;
    bytes = take(c, forwards * sizeof(struct key_forward));
    if (c->bad || kind > SLOT_GONE || !file.path || file.rows < 0 || file.rows > UINT32_MAX)
        return ERR_CORRUPT;
    rc = key_files_add(&index->files, &file, &ordinal);
    if (rc)
        return rc;
    if (ordinal != at)
        return ERR_CORRUPT;
    if (kind != SLOT_LIVE)
        key_files_drop(&index->files, ordinal);
    slot = &index->files.slots[ordinal];
    if (forwards) {
        slot->forwards = malloc(forwards * sizeof(*slot->forwards));
        if (!slot->forwards)
            return ERR_NOMEM;
        memcpy(slot->forwards, bytes, forwards * sizeof(*slot->forwards));
        slot->forward_count = forwards;
        index->files.forward_bytes += forwards * sizeof(*slot->forwards);
    }
    return forwards_hold(slot, file_count) ? 0 : ERR_CORRUPT;
}

static int read_runs(struct cursor *c, struct arena *arena, struct key_run_name **runs,
                     size_t *run_count)
{
    *run_count = take_u32(c);
    if (*run_count > KEY_RUNS_MAX)
        return ERR_CORRUPT;
    *runs = ARENA_ARRAY(arena, struct key_run_name, *run_count + 1);
    if (!*runs)
        return ERR_NOMEM;
    for (size_t i = 0; i < *run_count; i++) {
        (*runs)[i].number = take_u64(c);
        (*runs)[i].count = take_u64(c);
        (*runs)[i].crc = take_u32(c);
    }
    return c->bad ? ERR_CORRUPT : 0;
}

int key_state_parse(struct slice bytes, struct key_index *index, struct arena *arena,
                    struct key_run_name **runs, size_t *run_count, struct err *err)
{
    struct cursor c = {bytes, false};
    uint64_t magic = take_u64(&c);
    uint32_t crc = take_u32(&c), file_count;
    const uint8_t *seeds;
    char *table;
    int rc;

    *run_count = 0;
    if (c.bad || magic != STATE_MAGIC || crc != crc32c(0, c.left.ptr, c.left.len))
        return err_set(err, ERR_CORRUPT, "state.idx does not hold");
    table = take_text(&c, arena);
    if (!table || strcmp(table, index->table) != 0)
        return err_set(err, ERR_CORRUPT, "state.idx is of another table");
    seeds = take(&c, sizeof(index->seeds));
    if (seeds)
        memcpy(index->seeds, seeds, sizeof(index->seeds));
    index->snapshot_id = (int64_t)take_u64(&c);
    index->sequence_number = (int64_t)take_u64(&c);
    index->next_run = take_u64(&c);
    rc = read_runs(&c, arena, runs, run_count);
    file_count = take_u32(&c);
    for (uint32_t i = 1; i < file_count && !rc; i++)
        rc = read_slot(&c, index, arena, i, file_count);
    if (!rc && (c.bad || c.left.len))
        rc = ERR_CORRUPT;
    return rc ? err_set(err, rc, "state.idx makes no sense") : 0;
}
