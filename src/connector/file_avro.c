/* file_avro.c - container files by blocks. */
#include "connector/file_avro.h"

#include <strings.h>

#include "base/codec.h"
#include "format/avro_rows.h"

#define FIRST_BYTES ((size_t)64 << 10)
#define HEADER_MAX  ((size_t)16 << 20)

struct file_avro {
    struct file *file;
    struct arena arena; /* of the header */
    struct avro_file header;
    struct buf raw; /* of the file, from `pos` - len on */
    struct buf plain, json;
    struct avro_cursor records;
    int64_t left, pos; /* records of the block; bytes read */
    size_t used;       /* of raw: blocks that are done */
};

static int read_more(struct file_avro *a, size_t want, bool *over, struct err *err)
{
    size_t got;
    int rc;

    buf_consume(&a->raw, a->used);
    a->used = 0;
    *over = false;
    while (a->raw.len < want) {
        rc = buf_reserve(&a->raw, want - a->raw.len);
        if (rc)
            return err_set(err, rc, "a block of %zu bytes", want);
        rc = file_pread(a->file, a->raw.ptr + a->raw.len, want - a->raw.len, a->pos, &got, err);
        if (rc)
            return rc;
        a->raw.len += got;
        a->pos += (int64_t)got;
        if (!got) {
            *over = true;
            return 0;
        }
    }
    return 0;
}

/* The header's length is not said: more of the file is read until it fits. */
static int read_header(struct file_avro *a, struct err *err)
{
    bool over = false;
    int rc = 0;

    for (size_t want = FIRST_BYTES; !rc && !over && want <= HEADER_MAX; want *= 4) {
        rc = read_more(a, want, &over, err);
        if (rc)
            return rc;
        arena_reset(&a->arena);
        rc = avro_file_open(buf_slice(&a->raw), &a->arena, &a->header, err);
        if (!rc)
            a->used = a->raw.len - a->header.blocks.len;
        if (!rc || over)
            return rc;
        rc = 0;
    }
    return err_set(err, ERR_LIMIT, "avro: a header of more than %zu bytes", HEADER_MAX);
}

/* 1: a block; 0: the end. */
static int next_block(struct file_avro *a, struct err *err)
{
    size_t need = FIRST_BYTES, used = 0;
    bool over = false;
    int rc;

    for (;;) {
        struct slice bytes = slice_of(a->raw.ptr + a->used, a->raw.len - a->used);

        rc = bytes.len ? avro_block_read(&a->header, bytes, &a->plain, &a->left, &used, &need, err)
                       : ERR_AGAIN;
        if (rc != ERR_AGAIN)
            break;
        if (over)
            return bytes.len ? err_set(err, ERR_CORRUPT, "avro: the file ends inside of a block")
                             : 0;
        rc = read_more(a, need > FIRST_BYTES ? need : FIRST_BYTES, &over, err);
        if (rc)
            return rc;
    }
    if (rc)
        return rc;
    a->used += used;
    a->records = (struct avro_cursor){a->plain.ptr, a->plain.ptr + a->plain.len};
    return 1;
}

int file_avro_next(struct file_avro *a, struct slice *json, struct err *err)
{
    int rc;

    while (a->left == 0) {
        rc = next_block(a, err);
        if (rc <= 0)
            return rc;
    }
    a->left--;
    buf_clear(&a->json);
    rc = avro_put_json(&a->records, a->header.schema, &a->json, err);
    *json = buf_slice(&a->json);
    return rc ? rc : 1;
}

int file_avro_open(struct file_avro **out, struct file *file, int64_t from, struct err *err)
{
    struct file_avro *a = calloc(1, sizeof(*a));
    int rc;

    if (!a)
        return err_set(err, ERR_NOMEM, "avro");
    a->file = file;
    a->raw.max = a->plain.max = a->json.max = AVRO_BLOCK_MAX + FIRST_BYTES;
    rc = read_header(a, err);
    if (!rc && a->header.schema->type != AVRO_RECORD)
        rc = err_set(err, ERR_UNSUPPORTED, "avro: the file's values are no records");
    for (int64_t i = 0; i < from && !rc; i++) {
        while (!rc && a->left == 0)
            if ((rc = next_block(a, err)) == 0)
                rc = err_set(err, ERR_CORRUPT, "the file has fewer records than were read of it");
            else if (rc == 1)
                rc = 0;
        if (!rc)
            rc = avro_skip(&a->records, a->header.schema, err);
        a->left--;
    }
    if (rc) {
        file_avro_close(a);
        return rc;
    }
    *out = a;
    return 0;
}

void file_avro_close(struct file_avro *a)
{
    if (!a)
        return;
    buf_deinit(&a->raw);
    buf_deinit(&a->plain);
    buf_deinit(&a->json);
    arena_deinit(&a->arena);
    free(a);
}

/* ---- writing ---- */

int file_avro_codec(const char *option, const char **codec, struct err *err)
{
    static const char *const codecs[] = {"null", "deflate", "snappy", "zstandard"};

    *codec = "snappy";
    if (!option)
        return 0;
    for (size_t i = 0; i < COUNT_OF(codecs); i++)
        if (!strcasecmp(codecs[i], option)) {
            *codec = codecs[i];
            return 0;
        }
    return err_set(err, ERR_UNSUPPORTED,
                   "'avro.codec' = '%s': null, deflate, snappy and zstandard are built", option);
}

/* The sync marker is a digest of the schema: random in the other respects that matter, it is the
 * same in all of a table's files, and files that are made again have the same bytes. */
int file_avro_block(struct buf *out, bool first, struct slice schema, const char *codec,
                    struct slice records, int64_t count, struct err *err)
{
    uint8_t sync[16];
    int rc;

    md5(schema.ptr, schema.len, sync);
    rc = first ? avro_header_put(out, schema, codec, sync) : 0;
    return rc || !count ? rc : avro_block_put(out, records, count, codec, sync, err);
}
