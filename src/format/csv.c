/* csv.c - lines of separated values to rows and back, as Flink's csv format reads and writes them
 * (Jackson's CSV underneath). Source: Flink 1.20, "CSV Format".
 *
 * Columns go by position. Arrays and rows are one field, split by array-element-delimiter. What is
 * quoted on the way out follows Jackson: text longer than 24 characters, and text with a character
 * up to the largest of delimiter, quote and line end, which includes blanks.
 */
#include <stdio.h>

#include "format/json_int.h"
#include "format/row_format_int.h"

#define QUOTE_CHECK_MAX 24

struct csv_rules {
    char delimiter, quote, escape; /* quote, escape: '\0' is none */
    bool comments;
    char *element;      /* between the elements of an array */
    char *null_literal; /* NULL: none */
};

struct csv_field {
    struct buf member; /* "name": */
    struct buf *parts; /* ROW: the same of its fields */
    size_t part_count; /* 0: no row */
    bool list, text;
};

struct csv_in {
    struct csv_rules rules;
    struct csv_field *fields;
    size_t count;
    struct buf value; /* the field being read, without quotes */
};

static void rules_free(struct csv_rules *r)
{
    free(r->element);
    free(r->null_literal);
}

static int rules_read(struct csv_rules *r, const struct row_options *o, struct err *err)
{
    const char *element = o->get ? o->get(o->arg, "array-element-delimiter") : NULL;
    const char *literal = o->get ? o->get(o->arg, "null-literal") : NULL;
    int rc = row_option_char(o, "field-delimiter", ',', &r->delimiter, err);

    if (!rc)
        rc = row_option_char(o, "quote-character", '"', &r->quote, err);
    if (!rc)
        rc = row_option_char(o, "escape-character", '\0', &r->escape, err);
    if (rc)
        return rc;
    if (row_option_true(o, "disable-quote-character"))
        r->quote = '\0';
    r->comments = row_option_true(o, "allow-comments");
    r->element = strdup(element && *element ? element : ";");
    r->null_literal = literal ? strdup(literal) : NULL;
    return r->element && (!literal || r->null_literal) ? 0 : err_set(err, ERR_NOMEM, "csv");
}

static int put_member_name(struct buf *out, const char *name)
{
    int rc = row_put_string(out, slice_str(name));

    return rc ? rc : buf_append_u8(out, ':');
}

static bool is_nested(duckdb_logical_type type)
{
    duckdb_type id = duckdb_get_type_id(type);

    return id == DUCKDB_TYPE_LIST || id == DUCKDB_TYPE_STRUCT || id == DUCKDB_TYPE_MAP;
}

static int row_parts(struct csv_field *f, const char *name, duckdb_logical_type type,
                     struct err *err)
{
    size_t count = (size_t)duckdb_struct_type_child_count(type);
    int rc = 0;

    f->parts = calloc(count + 1, sizeof(*f->parts));
    for (; f->parts && f->part_count < count && !rc; f->part_count++) {
        char *part = duckdb_struct_type_child_name(type, f->part_count);
        duckdb_logical_type child = duckdb_struct_type_child_type(type, f->part_count);

        rc = put_member_name(&f->parts[f->part_count], part);
        if (!rc && is_nested(child))
            rc = err_set(err, ERR_UNSUPPORTED,
                         "column `%s`: csv has no arrays or rows inside of a row", name);
        duckdb_destroy_logical_type(&child);
        duckdb_free(part);
    }
    return f->parts ? rc : err_set(err, ERR_NOMEM, "csv");
}

static int field_init(struct csv_field *f, const char *name, duckdb_logical_type type,
                      struct err *err)
{
    duckdb_type id = duckdb_get_type_id(type);
    int rc = put_member_name(&f->member, name);

    f->text = id == DUCKDB_TYPE_VARCHAR;
    if (rc)
        return err_set(err, rc, "csv");
    if (id == DUCKDB_TYPE_MAP)
        return err_set(err, ERR_UNSUPPORTED, "column `%s`: csv has no maps", name);
    if (id == DUCKDB_TYPE_LIST) {
        duckdb_logical_type child = duckdb_list_type_child_type(type);

        f->list = true;
        if (is_nested(child))
            rc = err_set(err, ERR_UNSUPPORTED,
                         "column `%s`: csv has no arrays or rows inside of an array", name);
        duckdb_destroy_logical_type(&child);
    }
    return id == DUCKDB_TYPE_STRUCT ? row_parts(f, name, type, err) : rc;
}

static void field_deinit(struct csv_field *f)
{
    for (size_t i = 0; i < f->part_count; i++)
        buf_deinit(&f->parts[i]);
    free(f->parts);
    buf_deinit(&f->member);
}

static int csv_open(struct row_decoder *d, const struct row_decoder_options *o, struct err *err)
{
    struct csv_in *c = d->state = calloc(1, sizeof(*c));
    int rc = c ? rules_read(&c->rules, &o->options, err) : err_set(err, ERR_NOMEM, "csv");

    if (rc)
        return rc;
    c->value.max = d->text.max;
    c->fields = calloc(o->field_count + 1, sizeof(*c->fields));
    if (!c->fields)
        return err_set(err, ERR_NOMEM, "csv");
    for (; c->count < o->field_count && !rc; c->count++)
        rc = field_init(&c->fields[c->count], o->fields[c->count].name, o->fields[c->count].type,
                        err);
    return rc;
}

static void csv_close(struct row_decoder *d)
{
    struct csv_in *c = d->state;

    if (!c)
        return;
    for (size_t i = 0; i < c->count; i++)
        field_deinit(&c->fields[i]);
    free(c->fields);
    buf_deinit(&c->value);
    rules_free(&c->rules);
    free(c);
}

/* ---- a line to a JSON object ---- */

/* One field from *at on, into c->value. 1: another follows; 0: it was the last. */
static int take_field(struct csv_in *c, struct slice line, size_t *at, struct json_fault *fault)
{
    const struct csv_rules *r = &c->rules;
    const uint8_t *p = line.ptr + *at, *end = line.ptr + line.len;
    bool quoted = r->quote && p < end && *p == (uint8_t)r->quote;
    int rc = 0;

    buf_clear(&c->value);
    p += quoted;
    for (; p < end && !rc; p++) {
        if (r->escape && *p == (uint8_t)r->escape && p + 1 < end) {
            rc = buf_append_u8(&c->value, *++p);
        } else if (quoted && *p == (uint8_t)r->quote) {
            if (p + 1 == end || p[1] != (uint8_t)r->quote)
                break;
            rc = buf_append_u8(&c->value, *++p);
        } else if (!quoted && (*p == (uint8_t)r->delimiter || *p == '\n' || *p == '\r')) {
            break;
        } else {
            rc = buf_append_u8(&c->value, *p);
        }
    }
    if (rc)
        return rc;
    if (quoted && p == end)
        return row_fault(fault, *at, "the quote at byte %zu has no end", *at);
    p += quoted;
    if (p < end && *p != (uint8_t)r->delimiter && *p != '\n' && *p != '\r')
        return row_fault(fault, (size_t)(p - line.ptr),
                         "byte %zu follows a quoted value: expected '%c'", (size_t)(p - line.ptr),
                         r->delimiter);
    *at = (size_t)(p - line.ptr) + 1;
    return p < end && *p == (uint8_t)r->delimiter;
}

static struct slice trim(struct slice s)
{
    while (s.len && s.ptr[0] == ' ')
        s = slice_of(s.ptr + 1, s.len - 1);
    while (s.len && s.ptr[s.len - 1] == ' ')
        s.len--;
    return s;
}

static int put_text(struct row_decoder *d, struct slice text, struct json_fault *fault)
{
    int rc = row_put_string(&d->text, text);

    return rc == ERR_INVALID ? row_fault(fault, 0, "a value that is not UTF-8") : rc;
}

/* An array, or with `parts` a row, of one field. */
static int put_split(struct row_decoder *d, const struct csv_field *f, const char *between,
                     struct slice value, struct json_fault *fault)
{
    size_t step = strlen(between), n = 0;
    int rc = buf_append_u8(&d->text, f->list ? '[' : '{');

    for (bool more = value.len > 0; more && !rc; n++) {
        const uint8_t *next = memmem(value.ptr, value.len, between, step);
        struct slice part = slice_of(value.ptr, next ? (size_t)(next - value.ptr) : value.len);

        more = next != NULL;
        if (more)
            value = slice_of(next + step, value.len - part.len - step);
        if (!f->list && n == f->part_count)
            return row_fault(fault, 0, "more than the %zu values of a row", f->part_count);
        if (n)
            rc = buf_append_u8(&d->text, ',');
        if (!rc && !f->list)
            rc = buf_append_slice(&d->text, buf_slice(&f->parts[n]));
        rc = rc ? rc : put_text(d, part, fault);
    }
    return rc ? rc : buf_append_u8(&d->text, f->list ? ']' : '}');
}

static int put_field(struct row_decoder *d, size_t n, struct json_fault *fault)
{
    struct csv_in *c = d->state;
    const struct csv_field *f = &c->fields[n];
    struct slice value = buf_slice(&c->value);
    int rc = n ? buf_append_u8(&d->text, ',') : 0;

    rc = rc ? rc : buf_append_slice(&d->text, buf_slice(&f->member));
    if (rc)
        return rc;
    if (c->rules.null_literal && slice_is(value, c->rules.null_literal))
        return buf_append_str(&d->text, "null");
    if (f->list || f->parts)
        return put_split(d, f, c->rules.element, value, fault);
    if (!f->text)
        value = trim(value);
    return put_text(d, value, fault);
}

static int csv_split(struct row_decoder *d, struct slice message, struct json_fault *fault)
{
    struct csv_in *c = d->state;
    size_t at = 0, n = 0;
    int more = 1, rc = 0;

    if (c->rules.comments && message.len && message.ptr[0] == '#')
        return 0;
    rc = buf_append_u8(&d->text, '{');
    for (; more == 1 && !rc; n++) {
        more = take_field(c, message, &at, fault);
        if (more < 0)
            return more;
        if (n < c->count)
            rc = put_field(d, n, fault);
    }
    if (!rc && n != c->count && !(d->ignore_parse_errors && n < c->count))
        return row_fault(fault, 0, "%zu values, where the table has %zu columns", n, c->count);
    rc = rc ? rc : buf_append_u8(&d->text, '}');
    return rc ? rc : row_piece_made(d, ROW_INSERT, 0);
}

const struct row_decoder_ops row_csv_in = {
    .open = csv_open, .split = csv_split, .close = csv_close};

/* ---- rows to lines ---- */

static int csv_out_open(struct row_encoder *e, const struct row_options *o, struct err *err)
{
    struct csv_rules *r = e->state = calloc(1, sizeof(*r));
    int rc = r ? rules_read(r, o, err) : err_set(err, ERR_NOMEM, "csv");

    for (size_t i = 0; i < e->count && !rc; i++) {
        struct csv_field f = {0};

        rc = field_init(&f, e->fields[i].name, e->fields[i].type, err);
        field_deinit(&f);
    }
    return rc;
}

static void csv_out_close(struct row_encoder *e)
{
    if (e->state)
        rules_free(e->state);
    free(e->state);
}

static bool wants_quotes(const struct csv_rules *r, struct slice text)
{
    uint8_t top =
        (uint8_t)r->delimiter > (uint8_t)r->quote ? (uint8_t)r->delimiter : (uint8_t)r->quote;

    if (!r->quote)
        return false;
    if (text.len > QUOTE_CHECK_MAX)
        return true;
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= top || (r->escape && text.ptr[i] == (uint8_t)r->escape))
            return true;
    return false;
}

static int put_quoted(const struct csv_rules *r, struct slice text, struct buf *out)
{
    bool quotes = wants_quotes(r, text);
    int rc = quotes ? buf_append_u8(out, (uint8_t)r->quote) : 0;

    for (size_t i = 0; i < text.len && !rc; i++) {
        if (quotes && text.ptr[i] == (uint8_t)r->quote)
            rc = buf_append_u8(out, (uint8_t)(r->escape ? r->escape : r->quote));
        else if (r->escape && text.ptr[i] == (uint8_t)r->escape)
            rc = buf_append_u8(out, (uint8_t)r->escape);
        rc = rc ? rc : buf_append_u8(out, text.ptr[i]);
    }
    return rc || !quotes ? rc : buf_append_u8(out, (uint8_t)r->quote);
}

/* A value's text: that of JSON without its quotes. *text: it is quoted where need be. */
static int scalar_text(struct row_encoder *e, duckdb_logical_type type, duckdb_vector vector,
                       idx_t row, struct buf *out, bool *text, struct err *err)
{
    duckdb_string_t *string;
    size_t from = out->len;
    int rc;

    if (duckdb_get_type_id(type) == DUCKDB_TYPE_VARCHAR) {
        string = (duckdb_string_t *)duckdb_vector_get_data(vector) + row;
        *text = true;
        rc = buf_append(out, duckdb_string_t_data(string), duckdb_string_t_length(*string));
        return rc ? err_set(err, rc, "csv") : 0;
    }
    rc = json_encode_value(type, vector, row, &e->json, out, err);
    if (rc || out->len == from || out->ptr[from] != '"')
        return rc;
    *text = true;
    memmove(out->ptr + from, out->ptr + from + 1, out->len - from - 2);
    out->len -= 2;
    return 0;
}

static int put_parts(struct row_encoder *e, duckdb_logical_type type, duckdb_vector vector,
                     idx_t row, struct buf *out, struct err *err)
{
    const struct csv_rules *r = e->state;
    bool list = duckdb_get_type_id(type) == DUCKDB_TYPE_LIST, text;
    duckdb_list_entry entry = {0};
    int rc = 0;

    if (list)
        entry = ((duckdb_list_entry *)duckdb_vector_get_data(vector))[row];
    else
        entry.length = duckdb_struct_type_child_count(type);
    for (idx_t i = 0; i < entry.length && !rc; i++) {
        duckdb_logical_type child =
            list ? duckdb_list_type_child_type(type) : duckdb_struct_type_child_type(type, i);
        duckdb_vector values =
            list ? duckdb_list_vector_get_child(vector) : duckdb_struct_vector_get_child(vector, i);
        idx_t at = list ? entry.offset + i : row;

        if (i)
            rc = buf_append_str(out, r->element);
        if (!rc && vec_is_valid(duckdb_vector_get_validity(values), at))
            rc = scalar_text(e, child, values, at, out, &text, err);
        else if (!rc && r->null_literal)
            rc = buf_append_str(out, r->null_literal);
        duckdb_destroy_logical_type(&child);
    }
    return rc;
}

static int csv_row(struct row_encoder *e, duckdb_data_chunk chunk, idx_t row, enum row_kind kind,
                   struct buf *out, bool *null, struct err *err)
{
    const struct csv_rules *r = e->state;
    int rc = 0;

    (void)kind, (void)null;
    for (size_t i = 0; i < e->count && !rc; i++) {
        duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, e->fields[i].column);
        bool text = false;

        if (i)
            rc = buf_append_u8(out, (uint8_t)r->delimiter);
        if (rc)
            break;
        if (!vec_is_valid(duckdb_vector_get_validity(vector), row)) {
            rc = buf_append_str(out, r->null_literal ? r->null_literal : "");
            continue;
        }
        buf_clear(&e->text);
        if (is_nested(e->fields[i].type)) {
            text = true;
            rc = put_parts(e, e->fields[i].type, vector, row, &e->text, err);
        } else {
            rc = scalar_text(e, e->fields[i].type, vector, row, &e->text, &text, err);
        }
        if (!rc)
            rc = text ? put_quoted(r, buf_slice(&e->text), out)
                      : buf_append_slice(out, buf_slice(&e->text));
    }
    return rc && !(err && err->code == rc) ? err_set(err, rc, "csv") : rc;
}

const struct row_encoder_ops row_csv_out = {
    .open = csv_out_open, .row = csv_row, .close = csv_out_close};
