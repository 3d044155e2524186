/* run.c - the files: "tarnstate" and a version, then blocks of records.
 *
 * A block is: length of the records (u32), length as stored (u32), CRC-32C of what is stored (u32),
 * then the records, compressed by LZ4. Numbers are little-endian. The last block has length 0 and
 * says how many bytes came before it, so that a file cut at a block's end is not taken for whole.
 * A record is a byte that says what it is, then numbers as varints and bytes with their length:
 *   TABLE       name            records that follow are of this table
 *   PUT         space key sub touched value
 *   DROP        space key sub
 *   DROP_SPACE  space           of what earlier files hold: written before any other of the table
 */
#include <stdio.h>

#include "base/codec.h"
#include "state/state_int.h"

#define MAGIC     "tarnstate\0\0\0\0\0\0\1"
#define MAGIC_LEN ((size_t)16)
#define HEAD_LEN  ((size_t)12)
#define BLOCK     ((size_t)256 << 10)
#define BLOCK_MAX ((size_t)1 << 30)

/* ---- writing ---- */

static void put_u32(uint8_t *at, size_t value)
{
    uint32_t v = (uint32_t)value;

    memcpy(at, &v, sizeof(v));
}

static int put_varint(struct buf *out, uint64_t value)
{
    uint8_t bytes[10];
    size_t len = 0;

    do {
        bytes[len++] = (uint8_t)(value | (value > 127 ? 128 : 0));
        value >>= 7;
    } while (value);
    return buf_append(out, bytes, len);
}

static int put_space(struct buf *out, int64_t space)
{
    return put_varint(out, ((uint64_t)space << 1) ^ (uint64_t)(space >> 63));
}

static int put_bytes(struct buf *out, struct slice bytes)
{
    int rc = put_varint(out, bytes.len);

    return rc || !bytes.len ? rc : buf_append_slice(out, bytes);
}

static char *path_of(const struct state *state, const char *name, char out[4096])
{
    snprintf(out, 4096, "%s/%s", state->dir, name);
    return out;
}

int run_open(struct state *state, struct run_writer *run, bool base, int64_t epoch, struct err *err)
{
    (void)err;
    (void)state;
    buf_clear(&run->raw);
    run->raw.max = run->packed.max = BLOCK_MAX;
    run->pos = 0;
    run->table = NULL;
    snprintf(run->name, sizeof(run->name), "%" PRId64 ".%s", epoch, base ? "base" : "run");
    return 0;
}

/* The file is made with its first block: an epoch that changed nothing leaves none. */
static int begin_block(struct state *state, struct run_writer *run, struct err *err)
{
    char path[4096];
    int rc = 0;

    run->packed.max = BLOCK_MAX;
    if (run->file)
        return 0;
    run->pos = 0;
    rc = written_new(&run->file, state->writer, state->disk, path_of(state, run->name, path), err);
    return !rc && buf_append(&run->packed, MAGIC, MAGIC_LEN) ? err_set(err, ERR_NOMEM, "state")
                                                             : rc;
}

static int put_block(struct run_writer *run, struct err *err)
{
    int64_t pos = run->pos;

    run->pos += (int64_t)run->packed.len;
    return written_put(run->file, &run->packed, pos, err);
}

static int write_block(struct state *state, struct run_writer *run, struct err *err)
{
    uint8_t empty[HEAD_LEN] = {0}, *head;
    size_t at, len;
    int rc = begin_block(state, run, err);

    at = run->packed.len;
    if (!rc && buf_append(&run->packed, empty, HEAD_LEN))
        rc = err_set(err, ERR_NOMEM, "state");
    if (!rc)
        rc = codec_compress(CODEC_LZ4, 0, buf_slice(&run->raw), &run->packed, err);
    if (rc)
        return rc;
    head = run->packed.ptr + at;
    len = run->packed.len - at - HEAD_LEN;
    put_u32(head, run->raw.len);
    put_u32(head + 4, len);
    put_u32(head + 8, crc32c(0, head + HEAD_LEN, len));
    buf_clear(&run->raw);
    return put_block(run, err);
}

static int begin_record(struct run_writer *run, const struct state_table *table, enum record what)
{
    int rc = 0;

    if (run->table != table) {
        rc = buf_append_u8(&run->raw, RECORD_TABLE);
        if (!rc)
            rc = put_bytes(&run->raw, slice_str(table->name));
        run->table = table;
    }
    return rc ? rc : buf_append_u8(&run->raw, (uint8_t)what);
}

static int end_record(struct state *state, struct run_writer *run, int rc, struct err *err)
{
    if (rc)
        return err_set(err, rc, "state: a record");
    return run->raw.len < BLOCK ? 0 : write_block(state, run, err);
}

int run_entry(struct state *state, struct run_writer *run, const struct state_table *table,
              int64_t space, const struct entry *entry, struct err *err)
{
    bool gone = entry->flags & GONE;
    int rc = begin_record(run, table, gone ? RECORD_DROP : RECORD_PUT);

    if (!rc)
        rc = put_space(&run->raw, space);
    if (!rc)
        rc = put_bytes(&run->raw, entry_key(table, entry));
    if (!rc)
        rc = put_bytes(&run->raw, entry_sub(table, entry));
    if (!rc && !gone)
        rc = put_varint(&run->raw, entry->touched);
    if (!rc && !gone)
        rc = put_bytes(&run->raw, slice_of(entry->value, entry->value_len));
    return end_record(state, run, rc, err);
}

int run_drop_space(struct state *state, struct run_writer *run, const struct state_table *table,
                   int64_t space, struct err *err)
{
    int rc = begin_record(run, table, RECORD_DROP_SPACE);

    return end_record(state, run, rc ? rc : put_space(&run->raw, space), err);
}

static int sync_later(struct state *state, struct run_writer *run, struct err *err)
{
    struct state_sync *sync = calloc(1, sizeof(*sync));

    if (!sync)
        return err_set(err, ERR_NOMEM, "state");
    *sync = (struct state_sync){.next = state->unsynced, .disk = state->disk, .file = run->file};
    state->unsynced = sync;
    run->file = NULL;
    return 0;
}

struct state_sync *state_take_sync(struct state *state)
{
    struct state_sync *sync = state->unsynced;

    if (!sync)
        return NULL;
    sync->dir = strdup(state->dir); /* NULL: state_sync_wait says so */
    state->unsynced = NULL;
    return sync;
}

int state_sync_wait(struct state_sync *sync, struct err *err)
{
    int rc = 0;

    if (!sync)
        return 0;
    for (struct state_sync *at = sync; at && !rc; at = at->next)
        rc = written_sync_wait(at->file, err);
    if (!rc)
        rc = sync->dir ? disk_sync_dir(sync->disk, sync->dir, err)
                       : err_set(err, ERR_NOMEM, "state");
    state_sync_free(sync);
    return rc;
}

void state_sync_free(struct state_sync *sync)
{
    while (sync) {
        struct state_sync *next = sync->next;

        written_free(sync->file);
        free(sync->dir);
        free(sync);
        sync = next;
    }
}

int run_close(struct state *state, struct run_writer *run, struct err *err)
{
    uint8_t end[HEAD_LEN] = {0};
    int rc = run->raw.len ? write_block(state, run, err) : 0;

    if (rc || !run->file)
        return rc;
    put_u32(end + 4, (size_t)run->pos);
    put_u32(end + 8, crc32c(0, end, 8));
    rc = buf_append(&run->packed, end, HEAD_LEN) ? err_set(err, ERR_NOMEM, "state")
                                                 : put_block(run, err);
    if (!rc && state->sync_later)
        return sync_later(state, run, err);
    if (!rc)
        rc = written_sync_wait(run->file, err);
    written_free(run->file);
    run->file = NULL;
    return rc ? rc : disk_sync_dir(state->disk, state->dir, err);
}

void run_deinit(struct run_writer *run)
{
    written_free(run->file);
    buf_deinit(&run->raw);
    buf_deinit(&run->packed);
}

/* ---- reading ---- */

struct reading {
    struct state *state;
    const struct run *run;
    struct state_table *table;
    struct slice rest;
    bool check;       /* blocks alone: records are nobody's */
    bool passed_over; /* the table that records are of is not wanted */
    bool bad;         /* a record that ends before it should */
};

static uint32_t get_u32(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

static uint64_t get_varint(struct reading *r)
{
    uint64_t value = 0;

    for (int shift = 0; shift < 64; shift += 7) {
        uint8_t byte;

        if (!r->rest.len)
            break;
        byte = *r->rest.ptr;
        r->rest = slice_of(r->rest.ptr + 1, r->rest.len - 1);
        value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return value;
    }
    r->bad = true;
    return 0;
}

static int64_t get_space(struct reading *r)
{
    uint64_t value = get_varint(r);

    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

static struct slice get_bytes(struct reading *r)
{
    uint64_t len = get_varint(r);
    struct slice out = {0};

    if (len > r->rest.len) {
        r->bad = true;
        return out;
    }
    out = slice_of(r->rest.ptr, (size_t)len);
    r->rest = slice_of(r->rest.ptr + len, r->rest.len - (size_t)len);
    return out;
}

static int corrupt(const struct reading *r, const char *what, struct err *err)
{
    return err_set(err, ERR_CORRUPT, "state file %s/%s: %s", r->state->dir, r->run->name, what);
}

static int read_table(struct reading *r, struct err *err)
{
    struct slice name = get_bytes(r);
    const char *only = r->state->only;

    r->table = NULL;
    r->passed_over = only && !slice_starts(name, slice_str(only));
    if (r->passed_over)
        return 0;
    for (r->table = r->state->tables; r->table; r->table = r->table->next)
        if (slice_is(name, r->table->name))
            return 0;
    return err_set(err, ERR_INVALID,
                   "the state has a table " SLICE_FMT ", which this plan of the job does not: "
                   "start the changed job under another name",
                   SLICE_ARG(name));
}

static int read_record(struct reading *r, struct err *err)
{
    enum record what = (enum record)get_varint(r);
    struct state_key key = {0};
    uint32_t touched;

    if (what == RECORD_TABLE)
        return read_table(r, err);
    if (!r->table && !r->passed_over)
        return corrupt(r, "a record of no table", err);
    key.space = get_space(r);
    if (what == RECORD_DROP_SPACE)
        return r->bad || r->passed_over ? 0 : state_drop_space(r->table, key.space, err);
    if (what != RECORD_PUT && what != RECORD_DROP)
        return corrupt(r, "an unknown record", err);
    key.key = get_bytes(r);
    key.sub = get_bytes(r);
    if (what == RECORD_DROP)
        return r->bad || r->passed_over ? 0 : load_drop(r->table, &key, err);
    touched = (uint32_t)get_varint(r);
    {
        struct slice value = get_bytes(r);

        return r->bad || r->passed_over ? 0 : load_put(r->table, &key, touched, value, err);
    }
}

/* One block; its length in the file. 0: the end. */
static int read_block(struct reading *r, struct file *file, int64_t pos, struct buf *packed,
                      struct buf *raw, size_t *len, struct err *err)
{
    uint8_t head[HEAD_LEN];
    int rc = file_read_all(file, head, HEAD_LEN, pos, err);

    *len = 0;
    if (rc)
        return corrupt(r, "it ends in the middle", err);
    if (get_u32(head) == 0)
        return get_u32(head + 4) == (uint32_t)pos && get_u32(head + 8) == crc32c(0, head, 8) &&
                       pos + (int64_t)HEAD_LEN == r->run->bytes
                   ? 0
                   : corrupt(r, "its end is not where it should be", err);
    if (get_u32(head) > BLOCK_MAX || pos + get_u32(head + 4) > r->run->bytes)
        return corrupt(r, "a block of an impossible size", err);
    buf_clear(packed);
    buf_clear(raw);
    if (buf_reserve(packed, get_u32(head + 4)))
        return err_set(err, ERR_NOMEM, "state");
    packed->len = get_u32(head + 4);
    rc = file_read_all(file, packed->ptr, packed->len, pos + (int64_t)HEAD_LEN, err);
    if (rc || crc32c(0, packed->ptr, packed->len) != get_u32(head + 8))
        return corrupt(r, "a block's CRC-32C is wrong", err);
    rc = codec_decompress(CODEC_LZ4, buf_slice(packed), get_u32(head), raw, err);
    if (rc || raw->len != get_u32(head))
        return corrupt(r, "a block does not decompress", err);
    *len = HEAD_LEN + packed->len;
    return 0;
}

static int read_blocks(struct reading *r, struct file *file, struct err *err)
{
    struct buf packed = {.max = BLOCK_MAX}, raw = {.max = BLOCK_MAX};
    int64_t pos = (int64_t)MAGIC_LEN;
    size_t len;
    int rc;

    do {
        rc = read_block(r, file, pos, &packed, &raw, &len, err);
        r->rest = buf_slice(&raw);
        while (!rc && len && r->rest.len && !r->bad && !r->check)
            rc = read_record(r, err);
        if (!rc && r->bad)
            rc = corrupt(r, "a record that does not end", err);
        pos += (int64_t)len;
    } while (!rc && len);
    buf_deinit(&packed);
    buf_deinit(&raw);
    return rc;
}

static int read_file(struct reading *r, const char *path, struct err *err)
{
    uint8_t magic[MAGIC_LEN];
    struct file *file;
    int64_t size;
    int rc = disk_open(r->state->disk, &file, path, DISK_READ, err);

    if (rc)
        return rc;
    rc = file_size(file, &size, err);
    if (!rc && size != r->run->bytes)
        rc = corrupt(r, "it has another size than was committed", err);
    if (!rc)
        rc = file_read_all(file, magic, MAGIC_LEN, 0, err);
    if (!rc && memcmp(magic, MAGIC, MAGIC_LEN) != 0)
        rc = corrupt(r, "not a state file of this version", err);
    if (!rc)
        rc = read_blocks(r, file, err);
    file_close(file);
    return rc;
}

int run_load(struct state *state, const struct run *run, struct err *err)
{
    struct reading r = {.state = state, .run = run};
    char path[4096];

    return read_file(&r, path_of(state, run->name, path), err);
}

int state_file_check(struct disk *disk, const char *dir, const char *name, int64_t bytes,
                     struct err *err)
{
    struct run run = {.bytes = bytes};
    struct state state = {.disk = disk, .dir = (char *)(uintptr_t)dir};
    struct reading r = {.state = &state, .run = &run, .check = true};
    char path[4096];

    if (snprintf(run.name, sizeof(run.name), "%s", name) >= (int)sizeof(run.name))
        return err_set(err, ERR_CORRUPT, "state file '%s': no such name was given", name);
    return read_file(&r, path_of(&state, name, path), err);
}
