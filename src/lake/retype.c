/* retype.c - a Parquet file gone through once more. See retype.h.
 *
 * The file is copied from its front to its back. Column chunks that change are written anew, each
 * page with its own header and, whatever the file's codec, zstd; what lies between them is copied
 * as bytes. Every place that the footer names moves by what the chunks before it grew or shrank.
 * Format: apache/parquet-format, parquet.thrift and Encodings.md.
 */
#include "lake/retype.h"

#include "base/codec.h"
#include "base/disk.h"
#include "lake/thrift.h"

#define FOOTER_MAX  ((int64_t)256 << 20)
#define PAGE_MAX    ((int64_t)1 << 30)
#define HEADER_READ 4096
#define COPY_BYTES  ((size_t)1 << 20)

enum { FIXED_LEN_BYTE_ARRAY = 7 };                            /* Type */
enum { DATA_PAGE = 0, DICTIONARY_PAGE = 2 };                  /* PageType */
enum { PLAIN = 0, PLAIN_DICTIONARY = 2, RLE_DICTIONARY = 8 }; /* Encoding */
enum { REQUIRED = 0, REPEATED = 2 };                          /* FieldRepetitionType */
enum { PARQUET_ZSTD = 6 };                                    /* CompressionCodec */

/* A leaf column: width 0, its chunks stay as they are. */
struct leaf {
    int32_t width;
    bool repeats, optional; /* its pages begin with levels */
};

/* A column chunk that was written anew. */
struct moved {
    int64_t from, until, delta; /* where it lay; how much longer it is now */
};

struct retype {
    const struct lake_schema *schema;
    struct arena arena;
    struct file *in, *out;
    int64_t in_size, at; /* written so far */
    struct thrift_node footer;
    struct leaf *leaves;
    size_t leaf_count;
    struct moved *moved;
    size_t moved_count;
    struct buf footer_bytes; /* the tree borrows from it */
    struct buf bytes, plain, packed, header;
    struct err *err;
};

static int nomem(struct retype *r)
{
    return err_set(r->err, ERR_NOMEM, "a Parquet file");
}

static int corrupt(struct retype *r, const char *what)
{
    return err_set(r->err, ERR_CORRUPT, "a Parquet file: %s", what);
}

static bool any_needs(const struct lake_type *type)
{
    for (size_t i = 0; i < type->field_count; i++)
        if (type->fields[i].type.kind == LAKE_FIXED || any_needs(&type->fields[i].type))
            return true;
    return false;
}

bool retype_needed(const struct lake_schema *schema)
{
    return any_needs(&schema->root);
}

/* parquet.thrift's number of a codec as ours. */
static const struct {
    const char *name;
    int64_t number;
    enum codec codec;
} codecs[] = {{"uncompressed", 0, CODEC_NONE},
              {"snappy", 1, CODEC_SNAPPY},
              {"gzip", 2, CODEC_GZIP},
              {"zstd", PARQUET_ZSTD, CODEC_ZSTD}};

bool retype_reads(const char *codec)
{
    for (size_t i = 0; i < COUNT_OF(codecs); i++)
        if (!strcasecmp(codecs[i].name, codec))
            return true;
    return false;
}

/* ---- the footer ------------------------------------------------------------------------------ */

static int read_footer(struct retype *r)
{
    uint8_t tail[8];
    uint32_t len;
    size_t used;
    int rc = r->in_size < 12 ? corrupt(r, "too short") : 0;

    rc = rc ? rc : file_read_all(r->in, tail, sizeof(tail), r->in_size - 8, r->err);
    if (rc)
        return rc;
    len = (uint32_t)tail[0] | (uint32_t)tail[1] << 8 | (uint32_t)tail[2] << 16 |
          (uint32_t)tail[3] << 24;
    if (memcmp(tail + 4, "PAR1", 4) != 0 || len > FOOTER_MAX || (int64_t)len > r->in_size - 12)
        return corrupt(r, "no footer");
    rc = buf_reserve(&r->footer_bytes, (size_t)len + 1) ? nomem(r) : 0;
    rc = rc ? rc : file_read_all(r->in, r->footer_bytes.ptr, len, r->in_size - 8 - len, r->err);
    r->footer_bytes.len = rc ? 0 : len;
    r->in_size -= 8 + (int64_t)len; /* what is to be copied */
    return rc ? rc : thrift_read(buf_slice(&r->footer_bytes), &r->arena, &r->footer, &used, r->err);
}

static const struct lake_field *find_field(const struct lake_type *type, int64_t id)
{
    const struct lake_field *found = NULL;

    for (size_t i = 0; i < type->field_count && !found; i++)
        found = type->fields[i].id == id ? &type->fields[i] : find_field(&type->fields[i].type, id);
    return found;
}

static int set_number(struct retype *r, struct thrift_node *node, int id, int type, int64_t number)
{
    struct thrift_node field = {.type = (uint8_t)type, .id = (int16_t)id, .number = number};

    return thrift_set(node, &r->arena, field) ? nomem(r) : 0;
}

static int retype_element(struct retype *r, struct thrift_node *element, struct leaf *leaf)
{
    const struct lake_field *field = find_field(&r->schema->root, thrift_number(element, 9, -1));
    int rc;

    if (!field || field->type.kind != LAKE_FIXED)
        return 0;
    leaf->width = field->type.width;
    thrift_remove(element, 6);
    thrift_remove(element, 10);
    rc = set_number(r, element, 1, THRIFT_I32, FIXED_LEN_BYTE_ARRAY);
    return rc ? rc : set_number(r, element, 2, THRIFT_I32, leaf->width);
}

/* The schema is a tree in preorder; leaves in its order are the columns of every row group. */
static int walk(struct retype *r, struct thrift_node *list, size_t *at, bool repeats, bool optional,
                int depth)
{
    struct thrift_node *element = &list->kids[*at];
    int64_t kids = thrift_number(element, 5, 0), repetition = thrift_number(element, 3, REQUIRED);
    int rc = 0;

    repeats |= repetition == REPEATED;
    optional |= repetition != REQUIRED;
    ++*at;
    if (kids == 0) {
        struct leaf *leaf = &r->leaves[r->leaf_count++];

        *leaf = (struct leaf){0, repeats, optional};
        return retype_element(r, element, leaf);
    }
    if (depth > 64 || kids < 0)
        return corrupt(r, "a schema that is no tree");
    for (int64_t i = 0; i < kids && !rc; i++)
        rc = *at < list->kid_count ? walk(r, list, at, repeats, optional, depth + 1)
                                   : corrupt(r, "a schema that is no tree");
    return rc;
}

static int walk_schema(struct retype *r)
{
    struct thrift_node *list = thrift_field(&r->footer, 2);
    size_t at = 0;

    if (!list || list->item_type != THRIFT_STRUCT || !list->kid_count)
        return corrupt(r, "no schema");
    r->leaves = ARENA_ARRAY(&r->arena, struct leaf, list->kid_count + 1);
    if (!r->leaves)
        return nomem(r);
    /* The root's own repetition is left out, or says nothing. */
    thrift_remove(&list->kids[0], 3);
    return walk(r, list, &at, false, false, 0);
}

/* ---- pages ----------------------------------------------------------------------------------- */

static int put(struct retype *r, struct slice bytes)
{
    int rc = file_pwrite(r->out, bytes.ptr, bytes.len, r->at, r->err);

    r->at += (int64_t)bytes.len;
    return rc;
}

static int copy_until(struct retype *r, int64_t from, int64_t until)
{
    int rc = buf_reserve(&r->plain, COPY_BYTES) ? nomem(r) : 0;

    while (!rc && from < until) {
        size_t len = until - from < (int64_t)COPY_BYTES ? (size_t)(until - from) : COPY_BYTES;

        rc = file_read_all(r->in, r->plain.ptr, len, from, r->err);
        rc = rc ? rc : put(r, slice_of(r->plain.ptr, len));
        from += (int64_t)len;
    }
    return rc;
}

/* Values in front of each of which stands its length. */
static int strip(struct retype *r, struct slice values, int32_t width)
{
    while (values.len) {
        uint32_t len;

        if (values.len < 4)
            return corrupt(r, "a value breaks off");
        len = (uint32_t)values.ptr[0] | (uint32_t)values.ptr[1] << 8 |
              (uint32_t)values.ptr[2] << 16 | (uint32_t)values.ptr[3] << 24;
        if (len > values.len - 4)
            return corrupt(r, "a value breaks off");
        if (len != (uint32_t)width)
            return err_set(r->err, ERR_INVALID,
                           "a value of %" PRIu32 " bytes in a column of %" PRId32
                           " bytes (fixed[%" PRId32 "])",
                           len, width, width);
        if (buf_append(&r->bytes, values.ptr + 4, len))
            return nomem(r);
        values.ptr += 4 + len;
        values.len -= 4 + len;
    }
    return 0;
}

/* Levels in front of a data page's values: each run behind its length. */
static int copy_levels(struct retype *r, const struct leaf *leaf, struct slice *body)
{
    for (int i = 0; i < leaf->repeats + leaf->optional; i++) {
        uint32_t len;

        if (body->len < 4)
            return corrupt(r, "levels break off");
        len = (uint32_t)body->ptr[0] | (uint32_t)body->ptr[1] << 8 | (uint32_t)body->ptr[2] << 16 |
              (uint32_t)body->ptr[3] << 24;
        if (len > body->len - 4)
            return corrupt(r, "levels break off");
        if (buf_append(&r->bytes, body->ptr, len + 4))
            return nomem(r);
        body->ptr += len + 4;
        body->len -= len + 4;
    }
    return 0;
}

/* The page's body as it is to be, in r->bytes. */
static int retype_body(struct retype *r, const struct thrift_node *page, const struct leaf *leaf)
{
    int64_t kind = thrift_number(page, 1, -1);
    int64_t encoding = thrift_number(thrift_field(page, kind == DATA_PAGE ? 5 : 7), 2, -1);
    struct slice body = buf_slice(&r->plain);
    int rc;

    buf_clear(&r->bytes);
    if (kind == DICTIONARY_PAGE)
        return strip(r, body, leaf->width);
    if (kind != DATA_PAGE ||
        (encoding != PLAIN && encoding != PLAIN_DICTIONARY && encoding != RLE_DICTIONARY))
        return corrupt(r, "a page of another kind than DuckDB writes");
    if (encoding != PLAIN)
        return buf_append_slice(&r->bytes, body) ? nomem(r) : 0;
    rc = copy_levels(r, leaf, &body);
    return rc ? rc : strip(r, body, leaf->width);
}

/* r->plain, compressed by the file's codec where it lay. */
static int read_body(struct retype *r, int64_t at, int64_t packed, int64_t plain, int64_t codec)
{
    enum codec ours = CODEC_NONE;
    bool known = false;
    int rc;

    for (size_t i = 0; i < COUNT_OF(codecs); i++)
        if (codecs[i].number == codec) {
            ours = codecs[i].codec;
            known = true;
        }
    if (!known || packed < 0 || plain < 0 || packed > PAGE_MAX || plain > PAGE_MAX)
        return corrupt(r, "a page of another codec, or without end");
    buf_clear(&r->packed);
    buf_clear(&r->plain);
    if (buf_reserve(&r->packed, (size_t)packed + 1))
        return nomem(r);
    rc = file_read_all(r->in, r->packed.ptr, (size_t)packed, at, r->err);
    r->packed.len = (size_t)packed;
    if (!rc && ours == CODEC_NONE)
        return buf_append_slice(&r->plain, buf_slice(&r->packed)) ? nomem(r) : 0;
    return rc ? rc
              : codec_decompress(ours, buf_slice(&r->packed), (size_t)plain, &r->plain, r->err);
}

/* A page at `at`: its length there, and what it takes up uncompressed now. */
static int retype_page(struct retype *r, int64_t at, int64_t until, const struct leaf *leaf,
                       int64_t codec, int64_t *len, int64_t *plain_len, bool *dictionary)
{
    size_t window = until - at < HEADER_READ ? (size_t)(until - at) : HEADER_READ, used;
    struct thrift_node page;
    int64_t packed;
    int rc = buf_reserve(&r->header, HEADER_READ) ? nomem(r) : 0;

    rc = rc ? rc : file_read_all(r->in, r->header.ptr, window, at, r->err);
    rc = rc ? rc : thrift_read(slice_of(r->header.ptr, window), &r->arena, &page, &used, r->err);
    if (rc)
        return rc;
    packed = thrift_number(&page, 3, -1);
    if (packed < 0 || packed > until - at - (int64_t)used)
        return corrupt(r, "a page reaches out of its column");
    rc = read_body(r, at + (int64_t)used, packed, thrift_number(&page, 2, -1), codec);
    rc = rc ? rc : retype_body(r, &page, leaf);
    if (rc)
        return rc;
    buf_clear(&r->packed);
    rc = codec_compress(CODEC_ZSTD, 3, buf_slice(&r->bytes), &r->packed, r->err);
    thrift_remove(&page, 4); /* the old bytes' CRC */
    rc = rc ? rc : set_number(r, &page, 2, THRIFT_I32, (int64_t)r->bytes.len);
    rc = rc ? rc : set_number(r, &page, 3, THRIFT_I32, (int64_t)r->packed.len);
    buf_clear(&r->plain); /* statistics in the header borrow from r->header: printed elsewhere */
    rc = rc ? rc : thrift_write(&page, &r->plain) ? nomem(r) : 0;
    *len = (int64_t)used + packed;
    *plain_len = (int64_t)(r->plain.len + r->bytes.len);
    *dictionary = thrift_number(&page, 1, -1) == DICTIONARY_PAGE;
    rc = rc ? rc : put(r, buf_slice(&r->plain));
    return rc ? rc : put(r, buf_slice(&r->packed));
}

/* ---- columns --------------------------------------------------------------------------------- */

static int64_t chunk_start(const struct thrift_node *meta)
{
    int64_t data = thrift_number(meta, 9, -1), dictionary = thrift_number(meta, 11, 0);

    return dictionary > 0 && dictionary < data ? dictionary : data;
}

/* Writes the column's pages; its metadata then speaks of where they lie now. */
static int retype_chunk(struct retype *r, struct thrift_node *chunk, const struct leaf *leaf,
                        int64_t from, int64_t until)
{
    struct thrift_node *meta = thrift_field(chunk, 3);
    int64_t start = r->at, data_at = -1, dictionary_at = -1, plain = 0, len = 0, more = 0;
    int64_t codec = thrift_number(meta, 4, -1);
    int rc = 0;

    if (thrift_field(chunk, 4) || thrift_field(chunk, 6))
        return corrupt(r, "page indexes, which DuckDB does not write");
    for (int64_t at = from; at < until && !rc; at += len) {
        int64_t page_at = r->at;
        bool dictionary = false;

        rc = retype_page(r, at, until, leaf, codec, &len, &more, &dictionary);
        plain += rc ? 0 : more;
        if (!rc && dictionary)
            dictionary_at = page_at;
        else if (!rc && data_at < 0)
            data_at = page_at;
    }
    r->moved[r->moved_count++] = (struct moved){from, until, r->at - start - (until - from)};
    rc = rc ? rc : set_number(r, meta, 1, THRIFT_I32, FIXED_LEN_BYTE_ARRAY);
    rc = rc ? rc : set_number(r, meta, 4, THRIFT_I32, PARQUET_ZSTD);
    rc = rc ? rc : set_number(r, meta, 6, THRIFT_I64, plain);
    rc = rc ? rc : set_number(r, meta, 7, THRIFT_I64, r->at - start);
    rc = rc ? rc : set_number(r, meta, 9, THRIFT_I64, data_at < 0 ? start : data_at);
    if (!rc && dictionary_at >= 0)
        rc = set_number(r, meta, 11, THRIFT_I64, dictionary_at);
    return rc;
}

static struct thrift_node *columns_of(const struct retype *r, const struct thrift_node *group)
{
    struct thrift_node *columns = thrift_field(group, 1);

    return columns && columns->item_type == THRIFT_STRUCT && columns->kid_count == r->leaf_count
               ? columns
               : NULL;
}

/* Copies all that lies in front of the footer, chunks that change written anew on the way. */
static int copy_columns(struct retype *r, struct thrift_node *groups)
{
    int64_t done = 0;
    int rc = 0;

    for (size_t g = 0; g < groups->kid_count && !rc; g++) {
        struct thrift_node *columns = columns_of(r, &groups->kids[g]);

        if (!columns)
            return corrupt(r, "a row group that lacks columns");
        for (size_t c = 0; c < r->leaf_count && !rc; c++) {
            struct thrift_node *meta = thrift_field(&columns->kids[c], 3);
            int64_t from = chunk_start(meta), len = thrift_number(meta, 7, -1);

            if (!r->leaves[c].width)
                continue;
            if (from < done || len < 0 || from > r->in_size - len)
                return corrupt(r, "columns that lie out of order");
            rc = copy_until(r, done, from);
            rc = rc ? rc : retype_chunk(r, &columns->kids[c], &r->leaves[c], from, from + len);
            done = from + len;
        }
    }
    return rc ? rc : copy_until(r, done, r->in_size);
}

static void shift(const struct retype *r, struct thrift_node *node, int id)
{
    struct thrift_node *field = thrift_field(node, id);
    int64_t delta = 0;

    for (size_t i = 0; field && i < r->moved_count; i++)
        if (r->moved[i].until <= field->number)
            delta += r->moved[i].delta;
    if (field && field->number > 0)
        field->number += delta;
}

/* Places and sizes that the footer names, of chunks that were copied and of whole groups. */
static void shift_group(const struct retype *r, struct thrift_node *group)
{
    struct thrift_node *columns = columns_of(r, group), *plain = thrift_field(group, 2);
    struct thrift_node *packed = thrift_field(group, 6);
    int64_t plain_sum = 0, packed_sum = 0;

    for (size_t c = 0; c < r->leaf_count; c++) {
        struct thrift_node *chunk = &columns->kids[c], *meta = thrift_field(chunk, 3);

        shift(r, chunk, 2);
        shift(r, meta, 14);
        for (int id = 9; id <= 11 && !r->leaves[c].width; id++)
            shift(r, meta, id);
        plain_sum += thrift_number(meta, 6, 0);
        packed_sum += thrift_number(meta, 7, 0);
    }
    shift(r, group, 5);
    if (plain)
        plain->number = plain_sum;
    if (packed)
        packed->number = packed_sum;
}

static int write_footer(struct retype *r)
{
    uint8_t tail[8] = {0, 0, 0, 0, 'P', 'A', 'R', '1'};
    int rc;

    buf_clear(&r->plain);
    rc = thrift_write(&r->footer, &r->plain) ? nomem(r) : 0;
    for (int i = 0; i < 4; i++)
        tail[i] = (uint8_t)(r->plain.len >> 8 * i);
    rc = rc ? rc : put(r, buf_slice(&r->plain));
    return rc ? rc : put(r, slice_of(tail, sizeof(tail)));
}

static int run(struct retype *r)
{
    struct thrift_node *groups;
    int rc = file_size(r->in, &r->in_size, r->err);

    rc = rc ? rc : read_footer(r);
    rc = rc ? rc : walk_schema(r);
    if (rc)
        return rc;
    groups = thrift_field(&r->footer, 4);
    if (!groups || (groups->kid_count && groups->item_type != THRIFT_STRUCT))
        return corrupt(r, "no row groups");
    r->moved = ARENA_ARRAY(&r->arena, struct moved, groups->kid_count * r->leaf_count + 1);
    rc = r->moved ? copy_columns(r, groups) : nomem(r);
    for (size_t g = 0; g < groups->kid_count && !rc; g++)
        shift_group(r, &groups->kids[g]);
    return rc ? rc : write_footer(r);
}

int retype_file(struct disk *disk, const char *path, const struct lake_schema *schema,
                int64_t *size, struct err *err)
{
    struct retype r = {.schema = schema, .err = err};
    char *other = arena_printf(&r.arena, "%s.typed", path);
    int rc = other ? disk_open(disk, &r.in, path, DISK_READ, err) : nomem(&r);

    rc = rc ? rc : disk_open(disk, &r.out, other, DISK_WRITE | DISK_CREATE | DISK_TRUNCATE, err);
    rc = rc ? rc : run(&r);
    *size = r.at;
    file_close(r.in);
    file_close(r.out);
    if (!rc)
        rc = disk_rename(disk, other, path, err);
    if (rc && r.out)
        disk_unlink(disk, other, NULL);
    buf_deinit(&r.footer_bytes);
    buf_deinit(&r.bytes);
    buf_deinit(&r.plain);
    buf_deinit(&r.packed);
    buf_deinit(&r.header);
    arena_deinit(&r.arena);
    return rc;
}
