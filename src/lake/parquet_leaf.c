/* parquet_leaf.c - a leaf's values become pages, its pages a column chunk.
 *
 * A page ends when it has the rows or the bytes it may have, always at the end of a row. The first
 * page decides on the dictionary: where ids and dictionary together are no shorter than the values,
 * it is written PLAIN and so is the rest. A dictionary that grows too large later stays for the
 * pages that have it.
 */
#include "lake/parquet_int.h"

#define BOUND_INDEX 64   /* characters of a text in an index; parquet-mr's */
#define BOUND_CHUNK 256  /* in the statistics of a chunk */
#define HOPELESS    7    /* row groups that do not try a dictionary after one that found none */
#define SURE        256  /* entries of a dictionary that nobody doubts */
#define STEP        2048 /* slots of nested columns between two looks at the page's size */

void parquet_leaf_deinit(struct parquet_leaf *leaf)
{
    struct buf *bufs[] = {&leaf->defs,  &leaf->reps,   &leaf->plain,
                          &leaf->pages, &leaf->hashes, &leaf->filter};

    for (size_t i = 0; i < COUNT_OF(bufs); i++)
        buf_deinit(bufs[i]);
    parquet_extent_deinit(&leaf->page_extent);
    parquet_extent_deinit(&leaf->chunk_extent);
    parquet_extent_deinit(&leaf->extent);
    parquet_dictionary_deinit(&leaf->dictionary);
    free(leaf->list);
}

void parquet_leaf_begin(struct parquet_leaf *leaf)
{
    leaf->dictionary_on = leaf->kind != CLASS_BOOL && leaf->hopeless == 0;
    if (leaf->hopeless)
        leaf->hopeless--;
    leaf->chunk = (struct parquet_chunk){.dictionary_pos = -1};
    leaf->page_count = 0;
    leaf->chunk_rows = 0;
    leaf->unordered = false;
}

int64_t parquet_leaf_bytes(const struct parquet_leaf *leaf)
{
    return (int64_t)(leaf->pages.len + leaf->dictionary.plain.len +
                     (leaf->dictionary_on ? leaf->plain.len / 3 : leaf->plain.len / 2));
}

/* ---- a page ends ----------------------------------------------------------------------------- */

static int put_levels(const struct parquet_leaf *leaf, const struct buf *levels, uint8_t max,
                      struct buf *out)
{
    size_t head = out->len;
    int width = parquet_bit_width(max), rc = buf_append(out, "\0\0\0", 4);
    uint32_t len;

    if (!rc && levels->len)
        rc = parquet_rle_levels(levels->ptr, levels->len, width, out);
    else if (!rc)
        rc = parquet_rle_run(max, leaf->slots, width, out);
    len = (uint32_t)(out->len - head - 4);
    if (!rc)
        memcpy(out->ptr + head, &len, 4);
    return rc;
}

static int put_body(const struct parquet_leaf *leaf, struct buf *out)
{
    int width, rc = 0;

    buf_clear(out);
    if (leaf->rep_max)
        rc = put_levels(leaf, &leaf->reps, leaf->rep_max, out);
    if (!rc && leaf->def_max)
        rc = put_levels(leaf, &leaf->defs, leaf->def_max, out);
    if (rc || !leaf->dictionary_on)
        return rc ? rc : buf_append_slice(out, buf_slice(&leaf->plain));
    width = leaf->dictionary.count ? parquet_bit_width(leaf->dictionary.count - 1) : 0;
    rc = buf_append_u8(out, (uint8_t)width);
    return rc ? rc
              : parquet_rle_ids((const uint32_t *)(const void *)leaf->plain.ptr, leaf->values,
                                width, out);
}

/* parquet.thrift: PageHeader, and behind it the body, compressed; both behind `out`. */
static int put_page(struct parquet_writer *w, const struct parquet_leaf *leaf, int kind,
                    struct slice plain, struct buf *out, struct err *err)
{
    struct thrift_out t = {.out = out};
    struct slice body = plain;
    int rc = 0;

    buf_clear(&w->packed);
    if (w->options.codec != CODEC_NONE) {
        rc = codec_compress(w->options.codec, w->options.level, plain, &w->packed, err);
        body = buf_slice(&w->packed);
    }
    if (rc)
        return rc;
    thrift_begin(&t);
    thrift_i32(&t, 1, kind);
    thrift_i32(&t, 2, (int64_t)plain.len);
    thrift_i32(&t, 3, (int64_t)body.len);
    thrift_i32(&t, 4, (int32_t)crc32_ieee(0, body.ptr, body.len));
    thrift_begin_field(&t, kind == PAGE_DATA ? 5 : 7);
    if (kind == PAGE_DATA) {
        thrift_i32(&t, 1, (int64_t)leaf->slots);
        thrift_i32(&t, 2, leaf->dictionary_on ? ENCODING_RLE_DICTIONARY : ENCODING_PLAIN);
        thrift_i32(&t, 3, ENCODING_RLE);
        thrift_i32(&t, 4, ENCODING_RLE);
    } else {
        thrift_i32(&t, 1, leaf->dictionary.count);
        thrift_i32(&t, 2, ENCODING_PLAIN);
    }
    thrift_end(&t);
    thrift_end(&t);
    rc = t.rc ? t.rc : buf_append_slice(out, body);
    return rc ? parquet_nomem(err) : 0;
}

static int give_up_dictionary(struct parquet_leaf *leaf)
{
    int rc = parquet_dictionary_undo(leaf);

    leaf->dictionary_on = false;
    if (leaf->chunk.dictionary_pages)
        return rc; /* pages that need it */
    parquet_dictionary_clear(&leaf->dictionary);
    leaf->hopeless = HOPELESS;
    return rc;
}

static int packed_size(struct parquet_writer *w, struct slice plain, size_t *out, struct err *err)
{
    int rc = 0;

    buf_clear(&w->packed);
    if (w->options.codec != CODEC_NONE)
        rc = codec_compress(w->options.codec, w->options.level, plain, &w->packed, err);
    *out = w->options.codec == CODEC_NONE ? plain.len : w->packed.len;
    return rc;
}

/* Looks at the first page both ways, if ids alone do not tell: numbers that rise take less room as
 * they are. Half of the dictionary counts, since later pages will use it too. */
static int judge_dictionary(struct parquet_writer *w, struct parquet_leaf *leaf, bool *pays,
                            struct err *err)
{
    const struct parquet_dictionary *d = &leaf->dictionary;
    size_t width = d->count ? (size_t)parquet_bit_width(d->count - 1) : 0;
    size_t ids = 0, values = 0, plain = 0;
    struct buf kept = leaf->plain;
    int rc;

    *pays = leaf->values * width / 8 + d->plain.len < (size_t)leaf->plain_bytes;
    if (!*pays || d->count <= SURE || leaf->trusted)
        return 0;
    buf_clear(&w->body);
    rc = parquet_rle_ids((const uint32_t *)(const void *)kept.ptr, leaf->values, (int)width,
                         &w->body);
    rc = rc ? parquet_nomem(err) : packed_size(w, buf_slice(&w->body), &ids, err);
    rc = rc ? rc : packed_size(w, buf_slice(&d->plain), &values, err);
    if (rc)
        return rc;
    leaf->plain = (struct buf){0};
    if (buf_append_slice(&leaf->plain, buf_slice(&kept)) || parquet_dictionary_undo(leaf))
        rc = parquet_nomem(err);
    rc = rc ? rc : packed_size(w, buf_slice(&leaf->plain), &plain, err);
    buf_deinit(&leaf->plain);
    leaf->plain = kept;
    *pays = !rc && ids + values / 2 < plain;
    leaf->trusted = *pays;
    return rc;
}

/* What the indexes say of the page. */
static int note_page(struct parquet_writer *w, struct parquet_leaf *leaf, size_t pos)
{
    struct parquet_page *page;
    bool exact;

    if (leaf->page_count == leaf->page_cap) {
        size_t cap = leaf->page_cap ? leaf->page_cap * 2 : 8;
        struct parquet_page *more = realloc(leaf->list, cap * sizeof(*more));

        if (!more)
            return ERR_NOMEM;
        leaf->list = more;
        leaf->page_cap = cap;
    }
    page = &leaf->list[leaf->page_count];
    *page = (struct parquet_page){.pos = (int64_t)pos,
                                  .size = (int64_t)(leaf->pages.len - pos),
                                  .first_row = leaf->chunk_rows,
                                  .nulls = (int64_t)leaf->nulls,
                                  .only_nulls = !leaf->values,
                                  .text_bytes = leaf->text_bytes};
    leaf->page_count++;
    if (!leaf->options.stats)
        return 0;
    if (parquet_extent_bound(&leaf->page_extent, leaf, false, BOUND_INDEX, &w->arena, &page->min,
                             &exact) ||
        parquet_extent_bound(&leaf->page_extent, leaf, true, BOUND_INDEX, &w->arena, &page->max,
                             &exact))
        return ERR_NOMEM;
    if (page->min.ptr && !page->max.ptr) /* no shorter text is as great: the text itself */
        return parquet_extent_bound(&leaf->page_extent, leaf, true, SIZE_MAX, &w->arena, &page->max,
                                    &exact);
    return 0;
}

static void page_clear(struct parquet_leaf *leaf)
{
    buf_clear(&leaf->defs);
    buf_clear(&leaf->reps);
    buf_clear(&leaf->plain);
    leaf->slots = leaf->rows = leaf->values = leaf->nulls = leaf->bits = 0;
    leaf->text_bytes = leaf->plain_bytes = 0;
    parquet_extent_clear(&leaf->page_extent);
}

static int page_end(struct parquet_writer *w, struct parquet_leaf *leaf, struct err *err)
{
    size_t pos = leaf->pages.len, head;
    bool pays = true;
    int rc = 0;

    if (leaf->dictionary_on && !leaf->page_count)
        rc = judge_dictionary(w, leaf, &pays, err);
    if (!rc && ((!pays && give_up_dictionary(leaf)) || put_body(leaf, &w->body)))
        rc = parquet_nomem(err);
    rc = rc ? rc : put_page(w, leaf, PAGE_DATA, buf_slice(&w->body), &leaf->pages, err);
    if (!rc && note_page(w, leaf, pos))
        rc = parquet_nomem(err);
    if (!rc && parquet_extent_merge(&leaf->chunk_extent, leaf->kind, &leaf->page_extent))
        rc = parquet_nomem(err);
    head = w->options.codec == CODEC_NONE ? w->body.len : w->packed.len;
    leaf->chunk.plain_size += (int64_t)(leaf->pages.len - pos - head + w->body.len);
    leaf->chunk.values += (int64_t)leaf->slots;
    leaf->chunk.nulls += (int64_t)leaf->nulls;
    leaf->chunk.text_bytes += leaf->text_bytes;
    leaf->chunk.dictionary_pages += leaf->dictionary_on;
    leaf->chunk.plain_pages += !leaf->dictionary_on;
    leaf->unordered |= leaf->page_extent.nans || (leaf->values && !leaf->page_extent.any);
    leaf->chunk_rows += (int64_t)leaf->rows;
    page_clear(leaf);
    return rc;
}

/* ---- values ---------------------------------------------------------------------------------- */

/* Levels are kept as bytes from the first slot on that is not like the others. */
static int add_defs(struct parquet_leaf *leaf, const struct parquet_slots *slots, size_t from,
                    size_t count)
{
    if (!slots->def && !leaf->defs.len)
        return 0;
    if (!leaf->defs.len && leaf->slots) {
        if (buf_reserve(&leaf->defs, leaf->slots))
            return ERR_NOMEM;
        memset(leaf->defs.ptr, leaf->def_max, leaf->slots);
        leaf->defs.len = leaf->slots;
    }
    if (slots->def)
        return buf_append(&leaf->defs, slots->def + from, count);
    if (buf_reserve(&leaf->defs, count))
        return ERR_NOMEM;
    memset(leaf->defs.ptr + leaf->defs.len, slots->level, count);
    leaf->defs.len += count;
    return 0;
}

#define GATHER(type)                                                                               \
    do {                                                                                           \
        type *to = (type *)(void *)w->values.ptr;                                                  \
        const type *values = data;                                                                 \
                                                                                                   \
        for (size_t i = 0; i < count; i++)                                                         \
            if (at[i] != SLOT_NONE)                                                                \
                to[out->count++] = values[at[i]];                                                  \
    } while (0)

static int gather(struct parquet_writer *w, const struct parquet_leaf *leaf, const void *data,
                  const uint32_t *at, size_t count, struct parquet_values *out)
{
    buf_clear(&w->values);
    if (buf_reserve(&w->values, count * leaf->size + 1))
        return ERR_NOMEM;
    *out = (struct parquet_values){w->values.ptr, 0};
    switch (leaf->size) {
    case 1:
        GATHER(uint8_t);
        break;
    case 4:
        GATHER(uint32_t);
        break;
    case 8:
        GATHER(uint64_t);
        break;
    default:
        GATHER(duckdb_string_t);
    }
    return 0;
}

/* Decimals of up to four digits lie in DuckDB's vectors as int16_t. */
static int gather_small(struct parquet_writer *w, const int16_t *data, const uint32_t *at,
                        size_t from, size_t count, struct parquet_values *out)
{
    int32_t *to;

    buf_clear(&w->values);
    if (buf_reserve(&w->values, count * sizeof(*to) + 1))
        return ERR_NOMEM;
    to = (int32_t *)(void *)w->values.ptr;
    *out = (struct parquet_values){to, 0};
    for (size_t i = from; i < from + count; i++)
        if (!at || at[i] != SLOT_NONE)
            to[out->count++] = data[at ? at[i] : i];
    return 0;
}

static int values_of(struct parquet_writer *w, const struct parquet_leaf *leaf, const void *data,
                     const struct parquet_slots *slots, size_t from, size_t count,
                     struct parquet_values *out)
{
    const struct lake_type *type = &leaf->field->type;

    if (type->kind == LAKE_DECIMAL && type->precision <= 4)
        return gather_small(w, data, slots->at, from, count, out);
    if (slots->at)
        return gather(w, leaf, data, slots->at + from, count, out);
    *out = (struct parquet_values){(const uint8_t *)data + from * leaf->size, count};
    return 0;
}

/* As many PLAIN values as there is room for, and what is to be known of them. */
static int add_plain(struct parquet_writer *w, struct parquet_leaf *leaf,
                     struct parquet_values values, size_t *taken, struct err *err)
{
    size_t before = leaf->plain.len, head = leaf->physical == P_BYTE_ARRAY ? 4 : 0;
    int rc = 0;

    if (parquet_plain_add(leaf, values, (size_t)w->options.page_bytes, taken))
        return parquet_nomem(err);
    values.count = *taken;
    if (parquet_extent_add(&leaf->page_extent, leaf->kind, values))
        return parquet_nomem(err);
    for (size_t i = 0, at = before; leaf->options.bloom && i < *taken; i++) {
        size_t len = (size_t)(leaf->width ? leaf->width : (int32_t)leaf->size);
        uint8_t bit;
        uint32_t told;

        if (leaf->kind == CLASS_BOOL) { /* no filter is of use: written all the same, when asked */
            bit = ((const uint8_t *)values.data)[i];
            rc = parquet_bloom_add(w, leaf, slice_of(&bit, 1));
        } else {
            if (head) {
                memcpy(&told, leaf->plain.ptr + at, 4);
                len = told;
            }
            rc = parquet_bloom_add(w, leaf, slice_of(leaf->plain.ptr + at + head, len));
            at += head + len;
        }
        if (rc)
            return parquet_nomem(err);
    }
    return 0;
}

/* `taken` values fewer than there are: the page is full. */
static int add_values(struct parquet_writer *w, struct parquet_leaf *leaf,
                      struct parquet_values values, size_t *taken, struct err *err)
{
    size_t more = 0;
    int rc;

    *taken = 0;
    if (leaf->dictionary_on) {
        if (parquet_dictionary_add(w, leaf, values, taken))
            return parquet_nomem(err);
        if (leaf->kind != CLASS_BYTES &&
            parquet_extent_add(&leaf->page_extent, leaf->kind,
                               (struct parquet_values){values.data, *taken}))
            return parquet_nomem(err);
        if (*taken == values.count)
            return 0;
        if (give_up_dictionary(leaf))
            return parquet_nomem(err);
        values.data = (const uint8_t *)values.data + *taken * leaf->size;
        values.count -= *taken;
    }
    rc = add_plain(w, leaf, values, &more, err);
    *taken += more;
    return rc;
}

/* The slots that are about the first `values` values, and what follows of NULLs. */
static size_t slots_of(const struct parquet_slots *slots, size_t from, size_t count, size_t values)
{
    size_t i = 0;

    if (!slots->at)
        return values;
    for (; i < count && (values || slots->at[from + i] == SLOT_NONE); i++)
        values -= slots->at[from + i] != SLOT_NONE;
    return i;
}

/* Slots of whole rows from `from` on: as many rows as the page has room for, and of nested columns
 * about as many slots as are looked at in one go. */
static size_t slots_that_fit(const struct parquet_writer *w, const struct parquet_leaf *leaf,
                             const struct parquet_slots *slots, size_t from, size_t *rows)
{
    size_t room = (size_t)w->options.page_rows - leaf->rows, left = slots->count - from;
    size_t step = leaf->kind == CLASS_BYTES ? STEP / 32 : STEP, i = 0;

    if (!slots->rep) {
        *rows = left < room ? left : room;
        return *rows;
    }
    for (*rows = 0; i < left; i++) {
        bool begins = slots->rep[from + i] == 0;

        if (begins && (*rows == room || i >= step))
            break;
        *rows += begins;
    }
    return i;
}

static int add_slots(struct parquet_writer *w, struct parquet_leaf *leaf, const void *data,
                     const struct parquet_slots *slots, size_t from, size_t *count, size_t rows,
                     struct err *err)
{
    struct parquet_values values = {0}, left;
    size_t taken = 0, more = 0;
    int rc = values_of(w, leaf, data, slots, from, *count, &values) ? parquet_nomem(err) : 0;

    rc = rc ? rc : parquet_check_widths(leaf, values, err);
    do { /* a row never crosses a page: nested ones go in whole, however long they are */
        left = (struct parquet_values){(const uint8_t *)values.data + taken * leaf->size,
                                       values.count - taken};
        rc = rc ? rc : add_values(w, leaf, left, &more, err);
        taken += rc ? 0 : more;
    } while (!rc && slots->rep && taken < values.count);
    if (rc)
        return rc;
    if (taken < values.count)
        rows = *count = slots_of(slots, from, *count, taken);
    rc = leaf->def_max ? add_defs(leaf, slots, from, *count) : 0;
    if (!rc && slots->rep)
        rc = buf_append(&leaf->reps, slots->rep + from, *count);
    leaf->slots += *count;
    leaf->rows += rows;
    leaf->values += taken;
    leaf->nulls += *count - taken;
    return rc ? parquet_nomem(err) : 0;
}

int parquet_leaf_add(struct parquet_writer *w, struct parquet_leaf *leaf, const void *data,
                     const struct parquet_slots *slots, struct err *err)
{
    size_t count = 0, rows;
    int rc = 0;

    for (size_t from = 0; from < slots->count && !rc; from += count) {
        count = slots_that_fit(w, leaf, slots, from, &rows);
        rc = add_slots(w, leaf, data, slots, from, &count, rows, err);
        if (!rc && ((int64_t)leaf->rows >= w->options.page_rows ||
                    (int64_t)leaf->plain.len >= w->options.page_bytes))
            rc = page_end(w, leaf, err);
    }
    return rc;
}

/* ---- a chunk ends ---------------------------------------------------------------------------- */

static int put_dictionary(struct parquet_writer *w, struct parquet_leaf *leaf, struct err *err)
{
    struct slice plain = buf_slice(&leaf->dictionary.plain);
    size_t packed;
    int rc;

    if (!leaf->chunk.dictionary_pages)
        return 0;
    buf_clear(&w->header);
    rc = put_page(w, leaf, PAGE_DICTIONARY, plain, &w->header, err);
    packed = w->options.codec == CODEC_NONE ? plain.len : w->packed.len;
    leaf->chunk.dictionary_pos = w->pos;
    leaf->chunk.plain_size += (int64_t)(w->header.len - packed + plain.len);
    return rc ? rc : parquet_put(w, buf_slice(&w->header), err);
}

/* One page needs no index: what it would say is in the chunk's statistics. */
static int keep_pages(struct parquet_writer *w, struct parquet_leaf *leaf)
{
    struct parquet_chunk *chunk = &leaf->chunk;

    if (leaf->page_count < 2)
        return 0;
    chunk->pages = ARENA_ARRAY(&w->arena, struct parquet_page, leaf->page_count);
    if (!chunk->pages)
        return ERR_NOMEM;
    memcpy(chunk->pages, leaf->list, leaf->page_count * sizeof(*leaf->list));
    for (size_t i = 0; i < leaf->page_count; i++)
        chunk->pages[i].pos += chunk->data_pos;
    chunk->page_count = leaf->page_count;
    chunk->ordered = leaf->options.stats && !leaf->unordered;
    return 0;
}

static int put_bounds(struct parquet_writer *w, struct parquet_leaf *leaf)
{
    struct parquet_chunk *chunk = &leaf->chunk;
    const struct parquet_extent *e = &leaf->chunk_extent;
    int rc;

    if (!leaf->options.stats || e->nans)
        return 0;
    rc = parquet_extent_bound(e, leaf, false, BOUND_CHUNK, &w->arena, &chunk->min,
                              &chunk->min_exact);
    return rc ? rc
              : parquet_extent_bound(e, leaf, true, BOUND_CHUNK, &w->arena, &chunk->max,
                                     &chunk->max_exact);
}

int parquet_leaf_end(struct parquet_writer *w, struct parquet_leaf *leaf, struct parquet_chunk *out,
                     struct err *err)
{
    int64_t start = w->pos;
    int rc = leaf->slots ? page_end(w, leaf, err) : 0;

    rc = rc ? rc : put_dictionary(w, leaf, err);
    leaf->chunk.data_pos = w->pos;
    rc = rc ? rc : parquet_put(w, buf_slice(&leaf->pages), err);
    leaf->chunk.size = w->pos - start;
    if (!rc && (keep_pages(w, leaf) || put_bounds(w, leaf) ||
                parquet_extent_merge(&leaf->extent, leaf->kind, &leaf->chunk_extent)))
        rc = parquet_nomem(err);
    leaf->all_values += leaf->chunk.values;
    leaf->all_nulls += leaf->chunk.nulls;
    leaf->all_bytes += leaf->chunk.size;
    *out = leaf->chunk;
    buf_clear(&leaf->pages);
    parquet_extent_clear(&leaf->chunk_extent);
    parquet_dictionary_clear(&leaf->dictionary);
    return rc;
}
