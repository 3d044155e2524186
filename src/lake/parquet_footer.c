/* parquet_footer.c - page indexes and the footer: parquet.thrift, FileMetaData and below. */
#include "lake/parquet_int.h"

/* The form that parquet-mr takes apart, to know writers whose statistics it must not believe. */
#define CREATED_BY "tarn version 0.1.0 (build lake)"

/* ---- page indexes ---------------------------------------------------------------------------- */

/* Bounds are kept as the file has them: to order them, they are read again. */
static int cmp_bound(const struct parquet_leaf *leaf, struct slice a, struct slice b)
{
    struct lake_value x, y;
    const struct lake_type *type = &leaf->field->type;
    int32_t narrow[2];
    float real[2];

    x = y = (struct lake_value){.bytes = a};
    y.bytes = b;
    switch (leaf->kind) {
    case CLASS_BOOL:
        return (a.ptr[0] > b.ptr[0]) - (a.ptr[0] < b.ptr[0]);
    case CLASS_INT:
        memcpy(&narrow[0], a.ptr, 4);
        memcpy(&narrow[1], b.ptr, 4);
        return (narrow[0] > narrow[1]) - (narrow[0] < narrow[1]);
    case CLASS_LONG:
        memcpy(&x.i, a.ptr, 8);
        memcpy(&y.i, b.ptr, 8);
        return (x.i > y.i) - (x.i < y.i);
    case CLASS_FLOAT:
        memcpy(&real[0], a.ptr, 4);
        memcpy(&real[1], b.ptr, 4);
        return (real[0] > real[1]) - (real[0] < real[1]);
    case CLASS_DOUBLE:
        memcpy(&x.d, a.ptr, 8);
        memcpy(&y.d, b.ptr, 8);
        return (x.d > y.d) - (x.d < y.d);
    default:
        if (type->kind == LAKE_DECIMAL && ((a.ptr[0] ^ b.ptr[0]) & 0x80))
            return a.ptr[0] & 0x80 ? -1 : 1; /* two's complement, big endian, of one length */
        return slice_cmp(a, b);
    }
}

/* parquet.thrift: BoundaryOrder, of pages that have values. */
static int order_of(const struct parquet_leaf *leaf, const struct parquet_chunk *chunk)
{
    const struct parquet_page *last = NULL;
    bool rises = true, falls = true;

    for (size_t i = 0; i < chunk->page_count; i++) {
        const struct parquet_page *page = &chunk->pages[i];

        if (page->only_nulls)
            continue;
        if (last) {
            int low = cmp_bound(leaf, last->min, page->min);
            int high = cmp_bound(leaf, last->max, page->max);

            rises &= low <= 0 && high <= 0;
            falls &= low >= 0 && high >= 0;
        }
        last = page;
    }
    return rises ? 1 : falls ? 2 : 0;
}

static void put_column_index(struct thrift_out *t, const struct parquet_leaf *leaf,
                             const struct parquet_chunk *chunk)
{
    thrift_begin(t);
    thrift_list(t, 1, T_TRUE, chunk->page_count);
    for (size_t i = 0; i < chunk->page_count; i++)
        thrift_item_bool(t, chunk->pages[i].only_nulls);
    thrift_list(t, 2, T_BINARY, chunk->page_count);
    for (size_t i = 0; i < chunk->page_count; i++)
        thrift_item_binary(t, chunk->pages[i].min);
    thrift_list(t, 3, T_BINARY, chunk->page_count);
    for (size_t i = 0; i < chunk->page_count; i++)
        thrift_item_binary(t, chunk->pages[i].max);
    thrift_i32(t, 4, order_of(leaf, chunk));
    thrift_list(t, 5, T_I64, chunk->page_count);
    for (size_t i = 0; i < chunk->page_count; i++)
        thrift_item_int(t, chunk->pages[i].nulls);
    thrift_end(t);
}

static void put_offset_index(struct thrift_out *t, const struct parquet_leaf *leaf,
                             const struct parquet_chunk *chunk)
{
    thrift_begin(t);
    thrift_list(t, 1, T_STRUCT, chunk->page_count);
    for (size_t i = 0; i < chunk->page_count; i++) {
        thrift_begin(t);
        thrift_i64(t, 1, chunk->pages[i].pos);
        thrift_i32(t, 2, chunk->pages[i].size);
        thrift_i64(t, 3, chunk->pages[i].first_row);
        thrift_end(t);
    }
    if (leaf->physical == P_BYTE_ARRAY) {
        thrift_list(t, 2, T_I64, chunk->page_count);
        for (size_t i = 0; i < chunk->page_count; i++)
            thrift_item_int(t, chunk->pages[i].text_bytes);
    }
    thrift_end(t);
}

/* All indexes of one kind stand together: who wants one of them reads them in one go. */
static int put_indexes(struct parquet_writer *w, bool offsets, struct err *err)
{
    int rc = 0;

    for (struct parquet_group *g = w->groups; g && !rc; g = g->next)
        for (size_t i = 0; i < w->leaf_count && !rc; i++) {
            struct parquet_chunk *chunk = &g->chunks[i];
            struct thrift_out t = {.out = &w->header};

            if (!chunk->pages || (!offsets && !chunk->ordered))
                continue;
            buf_clear(&w->header);
            if (offsets)
                put_offset_index(&t, &w->leaves[i], chunk);
            else
                put_column_index(&t, &w->leaves[i], chunk);
            *(offsets ? &chunk->offset_index_pos : &chunk->column_index_pos) = w->pos;
            *(offsets ? &chunk->offset_index_size : &chunk->column_index_size) =
                (int64_t)w->header.len;
            rc = t.rc ? parquet_nomem(err) : parquet_put(w, buf_slice(&w->header), err);
        }
    return rc;
}

int parquet_indexes_put(struct parquet_writer *w, struct err *err)
{
    int rc = put_indexes(w, false, err);

    return rc ? rc : put_indexes(w, true, err);
}

/* ---- the footer ------------------------------------------------------------------------------ */

/* parquet.thrift: CompressionCodec. */
static int codec_number(enum codec codec)
{
    switch (codec) {
    case CODEC_SNAPPY_RAW:
        return 1;
    case CODEC_GZIP:
        return 2;
    case CODEC_ZSTD:
        return 6;
    case CODEC_LZ4_RAW:
        return 7;
    default:
        return 0;
    }
}

static void put_statistics(struct thrift_out *t, const struct parquet_chunk *chunk)
{
    thrift_begin_field(t, 12);
    thrift_i64(t, 3, chunk->nulls);
    if (chunk->max.ptr)
        thrift_binary(t, 5, chunk->max);
    if (chunk->min.ptr)
        thrift_binary(t, 6, chunk->min);
    if (chunk->max.ptr)
        thrift_bool(t, 7, chunk->max_exact);
    if (chunk->min.ptr)
        thrift_bool(t, 8, chunk->min_exact);
    thrift_end(t);
}

static void put_encoding_counts(struct thrift_out *t, const struct parquet_chunk *chunk)
{
    const struct {
        int page, encoding, count;
    } all[] = {{PAGE_DICTIONARY, ENCODING_PLAIN, chunk->dictionary_pos >= 0},
               {PAGE_DATA, ENCODING_RLE_DICTIONARY, chunk->dictionary_pages},
               {PAGE_DATA, ENCODING_PLAIN, chunk->plain_pages}};
    size_t count = 0;

    for (size_t i = 0; i < COUNT_OF(all); i++)
        count += all[i].count > 0;
    thrift_list(t, 13, T_STRUCT, count);
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        if (!all[i].count)
            continue;
        thrift_begin(t);
        thrift_i32(t, 1, all[i].page);
        thrift_i32(t, 2, all[i].encoding);
        thrift_i32(t, 3, all[i].count);
        thrift_end(t);
    }
}

static void put_encodings(struct thrift_out *t, const struct parquet_leaf *leaf,
                          const struct parquet_chunk *chunk)
{
    bool levels = leaf->def_max || leaf->rep_max, ids = chunk->dictionary_pages;
    bool plain = ids || chunk->plain_pages; /* a dictionary is PLAIN too */

    thrift_list(t, 2, T_I32, (size_t)levels + ids + plain);
    if (plain)
        thrift_item_int(t, ENCODING_PLAIN);
    if (levels)
        thrift_item_int(t, ENCODING_RLE);
    if (ids)
        thrift_item_int(t, ENCODING_RLE_DICTIONARY);
}

/* parquet.thrift: ColumnMetaData. */
static void put_chunk_meta(const struct parquet_writer *w, struct thrift_out *t,
                           const struct parquet_leaf *leaf, const struct parquet_chunk *chunk)
{
    thrift_begin_field(t, 3);
    thrift_i32(t, 1, leaf->physical);
    put_encodings(t, leaf, chunk);
    thrift_list(t, 3, T_BINARY, leaf->part_count);
    for (size_t i = 0; i < leaf->part_count; i++)
        thrift_item_binary(t, slice_str(leaf->parts[i]));
    thrift_i32(t, 4, codec_number(w->options.codec));
    thrift_i64(t, 5, chunk->values);
    thrift_i64(t, 6, chunk->plain_size);
    thrift_i64(t, 7, chunk->size);
    thrift_i64(t, 9, chunk->data_pos);
    if (chunk->dictionary_pos >= 0)
        thrift_i64(t, 11, chunk->dictionary_pos);
    if (leaf->options.stats)
        put_statistics(t, chunk);
    put_encoding_counts(t, chunk);
    if (chunk->bloom_size) {
        thrift_i64(t, 14, chunk->bloom_pos);
        thrift_i32(t, 15, chunk->bloom_size);
    }
    if (leaf->physical == P_BYTE_ARRAY) {
        thrift_begin_field(t, 16);
        thrift_i64(t, 1, chunk->text_bytes);
        thrift_end(t);
    }
    thrift_end(t);
}

static void put_chunk(const struct parquet_writer *w, struct thrift_out *t,
                      const struct parquet_leaf *leaf, const struct parquet_chunk *chunk)
{
    thrift_begin(t);
    thrift_i64(t, 2, 0); /* file_offset: of no use, and read by nobody who knows better */
    put_chunk_meta(w, t, leaf, chunk);
    if (chunk->offset_index_size) {
        thrift_i64(t, 4, chunk->offset_index_pos);
        thrift_i32(t, 5, chunk->offset_index_size);
    }
    if (chunk->column_index_size) {
        thrift_i64(t, 6, chunk->column_index_pos);
        thrift_i32(t, 7, chunk->column_index_size);
    }
    thrift_end(t);
}

static void put_groups(const struct parquet_writer *w, struct thrift_out *t)
{
    int64_t ordinal = 0;

    thrift_list(t, 4, T_STRUCT, w->group_count);
    for (const struct parquet_group *g = w->groups; g; g = g->next, ordinal++) {
        thrift_begin(t);
        thrift_list(t, 1, T_STRUCT, w->leaf_count);
        for (size_t i = 0; i < w->leaf_count; i++)
            put_chunk(w, t, &w->leaves[i], &g->chunks[i]);
        thrift_i64(t, 2, g->plain_size);
        thrift_i64(t, 3, g->rows);
        thrift_i64(t, 5, g->pos);
        thrift_i64(t, 6, g->size);
        if (ordinal <= INT16_MAX)
            thrift_i16(t, 7, ordinal);
        thrift_end(t);
    }
}

int parquet_footer_put(struct parquet_writer *w, struct err *err)
{
    struct thrift_out t = {.out = &w->header};
    uint32_t len;

    buf_clear(&w->header);
    thrift_begin(&t);
    thrift_i32(&t, 1, 1);
    parquet_tree_schema(w, &t);
    thrift_i64(&t, 3, w->rows);
    put_groups(w, &t);
    thrift_binary(&t, 6, SLICE_LIT(CREATED_BY));
    thrift_list(&t, 7, T_STRUCT, w->leaf_count); /* TYPE_ORDER, or bounds mean nothing */
    for (size_t i = 0; i < w->leaf_count; i++) {
        thrift_begin(&t);
        thrift_empty(&t, 1);
        thrift_end(&t);
    }
    thrift_end(&t);
    len = (uint32_t)w->header.len;
    if (t.rc || buf_append(&w->header, &len, 4) || buf_append(&w->header, "PAR1", 4))
        return parquet_nomem(err);
    return parquet_put(w, buf_slice(&w->header), err);
}
