/* delete_vector.c - positions of deleted rows as a deletion vector, vectors as a Puffin file.
 *
 * Puffin spec, "File structure" and "deletion-vector-v1". The bitmap is 64-bit Roaring in its
 * portable form: a count of 32-bit bitmaps, each behind its key (the upper half of its positions),
 * each in the portable 32-bit form: cookie, keys and sizes, places, containers. A container holds
 * the positions of one upper 48 bits as runs, as an array or as a bitmap, whichever is smallest,
 * which is what runOptimize makes of it in Java, so that both write the same bytes.
 *
 * Small vectors come before large ones, and a gap parts them. DuckDB's iceberg extension 1.5.5
 * takes a vector from the start of the range that its file cache has read, and that cache reads on
 * to the next range it holds (at first the end of the footer) when what lies between is no longer
 * than what was asked for. Where a large vector came before small ones, their files lost the rows
 * of the large one. With this order what lies between a vector and any range behind the next vector
 * is always longer than the vector itself, in whatever order they are read.
 */
#include "base/codec.h"
#include "lake/delete_int.h"

#define COOKIE_PLAIN    12346
#define COOKIE_RUNS     12347
#define OFFSETS_FROM    4    /* with runs, smaller bitmaps have no offsets */
#define ARRAY_MAX       4096 /* more values than that are a bitmap container */
#define BITMAP_BYTES    8192
#define VECTOR_FIELD_ID 2147483645 /* reserved: _pos, the column that a vector is about */
#define VECTOR_GAP      4          /* bytes between vectors of the same length */

static const uint8_t vector_magic[] = {0xd1, 0xd3, 0x39, 0x64};
static const char puffin_magic[] = "PFA1";

static void put_u16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static void put_u32(uint8_t *at, uint32_t value)
{
    put_u16(at, value);
    put_u16(at + 2, value >> 16);
}

static void put_u32_big(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* Room for `len` more bytes, zeroed; their place in the buffer, or -1. */
static int64_t extend(struct buf *out, size_t len)
{
    size_t at = out->len;

    if (buf_reserve(out, len))
        return -1;
    memset(out->ptr + at, 0, len);
    out->len += len;
    return (int64_t)at;
}

struct container { /* positions [first, first + count) of the list share their upper 48 bits */
    size_t first;
    uint32_t count, runs;
};

static size_t plain_bytes(const struct container *c)
{
    return c->count <= ARRAY_MAX ? c->count * 2 : BITMAP_BYTES;
}

static bool is_run(const struct container *c)
{
    return 2 + (size_t)c->runs * 4 < plain_bytes(c);
}

static size_t container_bytes(const struct container *c)
{
    return is_run(c) ? 2 + (size_t)c->runs * 4 : plain_bytes(c);
}

static struct container next_container(const struct positions *p, size_t at)
{
    struct container c = {.first = at};

    for (size_t i = at; i < p->count && p->list[i] >> 16 == p->list[at] >> 16; i++) {
        c.count++;
        c.runs += i == at || p->list[i] != p->list[i - 1] + 1;
    }
    return c;
}

static void put_container(const struct positions *p, const struct container *c, uint8_t *at)
{
    const int64_t *list = p->list + c->first;

    if (is_run(c)) {
        put_u16(at, c->runs);
        at += 2;
        for (uint32_t i = 0; i < c->count;) {
            uint32_t start = i;

            for (i++; i < c->count && list[i] == list[i - 1] + 1; i++)
                ;
            put_u16(at, (uint32_t)(list[start] & 0xffff));
            put_u16(at + 2, i - start - 1);
            at += 4;
        }
    } else if (c->count <= ARRAY_MAX) {
        for (uint32_t i = 0; i < c->count; i++)
            put_u16(at + i * 2, (uint32_t)(list[i] & 0xffff));
    } else {
        for (uint32_t i = 0; i < c->count; i++)
            at[(list[i] & 0xffff) / 8] |= (uint8_t)(1 << (list[i] & 7));
    }
}

/* The containers of one 32-bit bitmap: those that begin at `at` and share its upper half. */
static size_t count_containers(const struct positions *p, size_t at, bool *runs)
{
    size_t count = 0;

    *runs = false;
    for (size_t i = at; i < p->count && p->list[i] >> 32 == p->list[at] >> 32; count++) {
        struct container c = next_container(p, i);

        *runs |= is_run(&c);
        i += c.count;
    }
    return count;
}

/* Key and bitmap of the positions from `*at` on that share their upper half. */
static int put_bitmap(const struct positions *p, size_t *at, struct buf *out)
{
    bool runs;
    size_t count = count_containers(p, *at, &runs), flag_bytes = runs ? (count + 7) / 8 : 0;
    bool offsets = !runs || count >= OFFSETS_FROM;
    size_t head = (runs ? 4 + flag_bytes : 8) + count * (offsets ? 8 : 4);
    int64_t key = extend(out, 4), start = key < 0 ? -1 : extend(out, head);
    size_t sizes = (size_t)start + (runs ? 4 + flag_bytes : 8), places = sizes + count * 4;

    if (start < 0)
        return ERR_NOMEM;
    put_u32(out->ptr + key, (uint32_t)(p->list[*at] >> 32));
    if (runs) {
        put_u32(out->ptr + start, COOKIE_RUNS | (uint32_t)(count - 1) << 16);
    } else {
        put_u32(out->ptr + start, COOKIE_PLAIN);
        put_u32(out->ptr + start + 4, (uint32_t)count);
    }
    for (size_t i = 0; i < count; i++) {
        struct container c = next_container(p, *at);
        int64_t body = extend(out, container_bytes(&c));

        if (body < 0)
            return ERR_NOMEM;
        if (is_run(&c))
            out->ptr[(size_t)start + 4 + i / 8] |= (uint8_t)(1 << (i % 8));
        put_u16(out->ptr + sizes + i * 4, (uint32_t)(p->list[*at] >> 16 & 0xffff));
        put_u16(out->ptr + sizes + i * 4 + 2, c.count - 1);
        if (offsets)
            put_u32(out->ptr + places + i * 4, (uint32_t)(body - start));
        put_container(p, &c, out->ptr + body);
        *at += c.count;
    }
    return 0;
}

int deletion_vector_encode(const struct positions *p, struct buf *out, struct err *err)
{
    int64_t start = extend(out, 16);
    uint32_t bitmaps = 0;
    int64_t crc;
    int rc = start < 0 ? ERR_NOMEM : 0;

    for (size_t at = 0; at < p->count && !rc; bitmaps++)
        rc = put_bitmap(p, &at, out);
    crc = rc ? -1 : extend(out, 4);
    if (rc || crc < 0)
        return err_set(err, ERR_NOMEM, "deletion vector");
    put_u32_big(out->ptr + start, (uint32_t)(crc - start - 4));
    memcpy(out->ptr + start + 4, vector_magic, sizeof(vector_magic));
    put_u32(out->ptr + start + 8, bitmaps);
    put_u32_big(out->ptr + crc, crc32_ieee(0, out->ptr + start + 4, (size_t)(crc - start - 4)));
    return 0;
}

static int add_blob(struct puffin *puffin, const struct vector_blob *v)
{
    char cardinality[24];
    /* The snapshot is not known when the file is written: the specification's -1. */
    snprintf(cardinality, sizeof(cardinality), "%" PRId64, v->cardinality);
    return json_array_append_new(
               puffin->blobs,
               json_pack("{s:s, s:[I], s:i, s:i, s:I, s:I, s:{s:s, s:s}}", "type",
                         "deletion-vector-v1", "fields", (json_int_t)VECTOR_FIELD_ID, "snapshot-id",
                         -1, "sequence-number", -1, "offset", (json_int_t)v->pos, "length",
                         (json_int_t)v->bytes.len, "properties", "referenced-data-file", v->path,
                         "cardinality", cardinality))
               ? ERR_NOMEM
               : 0;
}

int vectors_add(struct vectors *vectors, const char *path, const struct positions *positions,
                struct lake_data_file *out, struct err *err)
{
    struct vector_blob *v;
    int rc;

    if (vectors->count == vectors->cap) {
        size_t cap = vectors->cap ? vectors->cap * 2 : 16;
        struct vector_blob *more = realloc(vectors->list, cap * sizeof(*more));

        if (!more)
            return err_set(err, ERR_NOMEM, "deletion vectors");
        vectors->list = more;
        vectors->cap = cap;
    }
    v = &vectors->list[vectors->count++];
    *v = (struct vector_blob){.path = path, .cardinality = (int64_t)positions->count};
    rc = deletion_vector_encode(positions, &v->bytes, err);
    *out = (struct lake_data_file){.content = LAKE_POSITION_DELETES,
                                   .format = "PUFFIN",
                                   .sort_order_id = -1,
                                   .first_row_id = -1,
                                   .record_count = v->cardinality,
                                   .referenced_data_file = path,
                                   .content_bytes = (int64_t)v->bytes.len};
    return rc;
}

static int by_length(const void *a, const void *b)
{
    const struct vector_blob *const *x = a, *const *y = b;

    return ((*x)->bytes.len > (*y)->bytes.len) - ((*x)->bytes.len < (*y)->bytes.len);
}

int vectors_encode(struct vectors *vectors, struct puffin *out, struct err *err)
{
    struct vector_blob **order = calloc(vectors->count + 1, sizeof(struct vector_blob *));
    int rc = order ? buf_append_str(&out->bytes, puffin_magic) : ERR_NOMEM;

    out->blobs = json_array();
    for (size_t i = 0; i < vectors->count && !rc; i++)
        order[i] = &vectors->list[i];
    if (!rc)
        qsort(order, vectors->count, sizeof(struct vector_blob *), by_length);
    for (size_t i = 0; i < vectors->count && !rc; i++) {
        if (i && extend(&out->bytes, VECTOR_GAP) < 0)
            rc = ERR_NOMEM;
        order[i]->pos = (int64_t)out->bytes.len;
        rc = rc ? rc : buf_append_slice(&out->bytes, buf_slice(&order[i]->bytes));
        rc = rc ? rc : add_blob(out, order[i]);
    }
    free(order);
    return rc ? err_set(err, rc, "deletion vectors") : puffin_end(out, err);
}

int vectors_write(struct vectors *vectors, struct lake *lake, const struct lake_metadata *m,
                  struct entries *entries, struct arena *arena, const char **path, struct err *err)
{
    const char *dir = delete_folder(m, "", arena);
    struct puffin puffin = {0};
    char uuid[37];
    int rc;

    uuid_v4(uuid);
    *path = dir ? arena_printf(arena, "%s/00000-0-%s-deletes.puffin", dir, uuid) : NULL;
    rc =
        *path ? vectors_encode(vectors, &puffin, err) : err_set(err, ERR_NOMEM, "deletion vectors");
    rc = rc ? rc : store_put_at(lake_store(lake), *path, buf_slice(&puffin.bytes), err);
    for (size_t i = 0; i < entries->count && !rc; i++) {
        struct lake_data_file *f = &entries->list[i].file;

        f->path = *path;
        f->content_pos = vectors->list[i].pos;
        f->file_bytes = (int64_t)puffin.bytes.len;
    }
    puffin_deinit(&puffin);
    return rc;
}

void vectors_deinit(struct vectors *vectors)
{
    for (size_t i = 0; i < vectors->count; i++)
        buf_deinit(&vectors->list[i].bytes);
    free(vectors->list);
    *vectors = (struct vectors){0};
}

int puffin_end(struct puffin *puffin, struct err *err)
{
    json_t *footer =
        json_pack("{s:O, s:{s:s}}", "blobs", puffin->blobs, "properties", "created-by", "tarn");
    char *text = footer ? json_dumps(footer, JSON_COMPACT) : NULL;
    uint8_t tail[8] = {0}; /* payload length; flags: the footer is not compressed */
    int rc = text ? 0 : ERR_NOMEM;

    if (!rc)
        put_u32(tail, (uint32_t)strlen(text));
    rc = rc ? rc : buf_append_str(&puffin->bytes, puffin_magic);
    rc = rc ? rc : buf_append_str(&puffin->bytes, text);
    rc = rc ? rc : buf_append(&puffin->bytes, tail, sizeof(tail));
    rc = rc ? rc : buf_append_str(&puffin->bytes, puffin_magic);
    free(text);
    json_decref(footer);
    return rc ? err_set(err, rc, "deletion vectors") : 0;
}

void puffin_deinit(struct puffin *puffin)
{
    buf_deinit(&puffin->bytes);
    json_decref(puffin->blobs);
    puffin->blobs = NULL;
}
