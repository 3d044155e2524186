/* raw.c - one column is the message itself. Source: Flink 1.20, "Raw Format". */
#include <stdio.h>
#include <strings.h>

#include "base/codec.h"
#include "format/row_format_int.h"

struct raw {
    duckdb_type type;
    size_t width; /* of a number; 0: text or bytes */
    bool little;
    struct buf member; /* {"name": */
};

static const struct {
    duckdb_type type;
    size_t width;
} types[] = {
    {DUCKDB_TYPE_VARCHAR, 0}, {DUCKDB_TYPE_BLOB, 0},     {DUCKDB_TYPE_BOOLEAN, 1},
    {DUCKDB_TYPE_TINYINT, 1}, {DUCKDB_TYPE_SMALLINT, 2}, {DUCKDB_TYPE_INTEGER, 4},
    {DUCKDB_TYPE_BIGINT, 8},  {DUCKDB_TYPE_FLOAT, 4},    {DUCKDB_TYPE_DOUBLE, 8},
};

static int raw_open(struct raw **out, const char *name, duckdb_logical_type type, size_t count,
                    const struct row_options *o, struct err *err)
{
    const char *charset = o->get ? o->get(o->arg, "charset") : NULL;
    const char *order = o->get ? o->get(o->arg, "endianness") : NULL;
    struct raw *r;
    size_t i = 0;
    int rc;

    if (count != 1)
        return err_set(err, ERR_INVALID, "the format 'raw' is of one column, here are %zu", count);
    if (charset && strcasecmp(charset, "UTF-8") != 0 && strcasecmp(charset, "UTF8") != 0 &&
        strcasecmp(charset, "US-ASCII") != 0)
        return err_set(err, ERR_UNSUPPORTED, "'raw.charset' = '%s': UTF-8 is", charset);
    while (i < COUNT_OF(types) && types[i].type != duckdb_get_type_id(type))
        i++;
    if (i == COUNT_OF(types))
        return err_set(err, ERR_INVALID, "column `%s`: the format 'raw' has no such type", name);
    r = *out = calloc(1, sizeof(*r));
    if (!r)
        return err_set(err, ERR_NOMEM, "raw");
    r->type = types[i].type;
    r->width = types[i].width;
    r->little = order && !strcasecmp(order, "little-endian");
    rc = buf_append_u8(&r->member, '{');
    rc = rc ? rc : row_put_string(&r->member, slice_str(name));
    rc = rc ? rc : buf_append_u8(&r->member, ':');
    return rc ? err_set(err, rc, "raw") : 0;
}

static void raw_free(struct raw *r)
{
    if (r)
        buf_deinit(&r->member);
    free(r);
}

static int in_open(struct row_decoder *d, const struct row_decoder_options *o, struct err *err)
{
    return raw_open((struct raw **)&d->state, o->fields[0].name, o->fields[0].type, o->field_count,
                    &o->options, err);
}
static void in_close(struct row_decoder *d)
{
    raw_free(d->state);
}

static int put_number(const struct raw *r, uint64_t bits, struct buf *out)
{
    uint32_t low = (uint32_t)bits;
    char text[32];
    double wide;
    float narrow;

    switch (r->type) {
    case DUCKDB_TYPE_BOOLEAN:
        return buf_append_str(out, bits ? "true" : "false");
    case DUCKDB_TYPE_TINYINT:
        return buf_printf(out, "%d", (int)(int8_t)bits);
    case DUCKDB_TYPE_SMALLINT:
        return buf_printf(out, "%d", (int)(int16_t)bits);
    case DUCKDB_TYPE_INTEGER:
        return buf_printf(out, "%d", (int)(int32_t)low);
    case DUCKDB_TYPE_FLOAT:
        memcpy(&narrow, &low, sizeof(narrow));
        return buf_printf(out, "\"%.*s\"", (int)vec_text_float(narrow, text), text);
    case DUCKDB_TYPE_DOUBLE:
        memcpy(&wide, &bits, sizeof(wide));
        return buf_printf(out, "\"%.*s\"", (int)vec_text_double(wide, text), text);
    default:
        return buf_printf(out, "%" PRId64, (int64_t)bits);
    }
}

static int in_split(struct row_decoder *d, struct slice message, struct json_fault *fault)
{
    const struct raw *r = d->state;
    uint64_t bits = 0;
    int rc;

    if (r->width && message.len != r->width)
        return row_fault(fault, 0, "%zu bytes, where the type has %zu", message.len, r->width);
    rc = buf_append_slice(&d->text, buf_slice(&r->member));
    if (r->width) {
        for (size_t i = 0; i < r->width; i++)
            bits = bits << 8 | message.ptr[r->little ? r->width - 1 - i : i];
        rc = rc ? rc : put_number(r, bits, &d->text);
    } else if (r->type == DUCKDB_TYPE_VARCHAR) {
        rc = rc ? rc : row_put_string(&d->text, message);
        if (rc == ERR_INVALID)
            return row_fault(fault, 0, "text that is not UTF-8");
    } else {
        rc = rc ? rc : buf_append_u8(&d->text, '"');
        rc = rc ? rc : base64_encode(message, &d->text);
        rc = rc ? rc : buf_append_u8(&d->text, '"');
    }
    rc = rc ? rc : buf_append_u8(&d->text, '}');
    return rc ? rc : row_piece_made(d, ROW_INSERT, 0);
}

const struct row_decoder_ops row_raw_in = {.open = in_open, .split = in_split, .close = in_close};

static int out_open(struct row_encoder *e, const struct row_options *o, struct err *err)
{
    return raw_open((struct raw **)&e->state, e->count ? e->fields[0].name : "",
                    e->count ? e->fields[0].type : NULL, e->count, o, err);
}
static void out_close(struct row_encoder *e)
{
    raw_free(e->state);
}

static int out_row(struct row_encoder *e, duckdb_data_chunk chunk, idx_t row, enum row_kind kind,
                   struct buf *out, bool *null, struct err *err)
{
    const struct raw *r = e->state;
    duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, e->fields[0].column);
    const uint8_t *data = duckdb_vector_get_data(vector);
    int rc = 0;

    (void)kind;
    *null = !vec_is_valid(duckdb_vector_get_validity(vector), row);
    if (*null)
        return 0;
    if (!r->width) {
        duckdb_string_t *text = (duckdb_string_t *)(void *)data + row;

        rc = buf_append(out, duckdb_string_t_data(text), duckdb_string_t_length(*text));
    }
    for (size_t i = 0; i < r->width && !rc; i++)
        rc = buf_append_u8(out, data[row * r->width + (r->little ? i : r->width - 1 - i)]);
    return rc ? err_set(err, rc, "raw") : 0;
}

const struct row_encoder_ops row_raw_out = {.open = out_open, .row = out_row, .close = out_close};
