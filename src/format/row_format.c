/* row_format.c - the table of formats, json itself, and what all of them share. */
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "format/json_int.h"
#include "format/row_format_int.h"

#define TEXT_MAX ((size_t)256 << 20)

/* ---- small things ---- */

bool row_option_true(const struct row_options *options, const char *key)
{
    const char *value = options->get ? options->get(options->arg, key) : NULL;

    return value && !strcasecmp(value, "true");
}

int row_option_char(const struct row_options *options, const char *key, char fallback, char *out,
                    struct err *err)
{
    const char *value = options->get ? options->get(options->arg, key) : NULL;

    *out = fallback;
    if (!value)
        return 0;
    if (!strcmp(value, "\\t"))
        value = "\t";
    if (strlen(value) != 1 || (uint8_t)*value >= 0x80)
        return err_set(err, ERR_INVALID, "'%s' = '%s': one character of ASCII", key, value);
    *out = *value;
    return 0;
}

int row_fault(struct json_fault *fault, size_t pos, const char *fmt, ...)
{
    va_list args;

    *fault = (struct json_fault){.pos = pos};
    va_start(args, fmt);
    vsnprintf(fault->reason, sizeof(fault->reason), fmt, args);
    va_end(args);
    return ERR_INVALID;
}

int row_put_string(struct buf *out, struct slice text)
{
    static const char hex[] = "0123456789abcdef";
    const uint8_t *plain = text.ptr, *end = text.ptr + text.len;
    int rc;

    if (!json_utf8_valid(text.ptr, text.len))
        return ERR_INVALID;
    rc = buf_append_u8(out, '"');
    for (const uint8_t *p = text.ptr; p < end && !rc; p++) {
        char escape[6] = {'\\', 'u', '0', '0', hex[*p >> 4], hex[*p & 15]};

        if (*p >= 0x20 && *p != '"' && *p != '\\')
            continue;
        rc = buf_append(out, plain, (size_t)(p - plain));
        rc = rc ? rc : buf_append(out, escape, sizeof(escape));
        plain = p + 1;
    }
    rc = rc ? rc : buf_append(out, plain, (size_t)(end - plain));
    return rc ? rc : buf_append_u8(out, '"');
}

/* ---- messages to rows ---- */

static int whole(struct row_decoder *d, struct slice message, struct json_fault *fault)
{
    (void)fault;
    return row_piece_add(d, ROW_INSERT, message);
}
static const struct row_decoder_ops json_in = {.split = whole};

static const struct decoder_entry {
    const char *name;
    const struct row_decoder_ops *ops;
} decoders[] = {
    {"json", &json_in},
    {"csv", &row_csv_in},
    {"raw", &row_raw_in},
    {"avro", &row_avro_in},
    {"debezium-json", &row_debezium_in},
    {"canal-json", &row_canal_in},
    {"maxwell-json", &row_maxwell_in},
};

static const struct decoder_entry *decoder_find(const char *format)
{
    for (size_t i = 0; i < COUNT_OF(decoders); i++)
        if (!strcmp(decoders[i].name, format))
            return &decoders[i];
    return NULL;
}

bool row_format_known(const char *format)
{
    return decoder_find(format) != NULL;
}

bool row_format_changes(const char *format)
{
    const struct decoder_entry *entry = decoder_find(format);

    return entry && entry->ops->changes;
}

static int piece_room(struct row_decoder *d)
{
    struct row_piece *more;
    size_t cap = d->piece_cap ? d->piece_cap * 2 : 8;

    if (d->piece_count < d->piece_cap)
        return 0;
    if (d->piece_count >= ROWS_OF_MESSAGE_MAX)
        return ERR_LIMIT;
    more = realloc(d->pieces, cap * sizeof(*more));
    if (!more)
        return ERR_NOMEM;
    d->pieces = more;
    d->piece_cap = cap;
    return 0;
}

int row_piece_add(struct row_decoder *d, enum row_kind kind, struct slice text)
{
    int rc = piece_room(d);

    if (!rc)
        d->pieces[d->piece_count++] = (struct row_piece){kind, text};
    return rc;
}

int row_piece_made(struct row_decoder *d, enum row_kind kind, size_t from)
{
    return row_piece_add(d, kind, (struct slice){NULL, d->text.len - from});
}

int row_decoder_new(struct row_decoder **out, const char *format,
                    const struct row_decoder_options *o, struct err *err)
{
    const struct decoder_entry *entry = decoder_find(format);
    struct row_decoder *d;
    struct json_decode_options json = {.fields = o->fields,
                                       .field_count = o->field_count,
                                       .fail_on_missing_field =
                                           row_option_true(&o->options, "fail-on-missing-field"),
                                       .ignore_parse_errors = o->ignore_parse_errors};
    int rc;

    if (!entry)
        return err_set(err, ERR_UNSUPPORTED, "format '%s' is not built yet", format);
    d = calloc(1, sizeof(*d));
    if (!d)
        return err_set(err, ERR_NOMEM, "decoder of %s", format);
    d->ops = entry->ops;
    d->text.max = TEXT_MAX;
    d->ignore_parse_errors = o->ignore_parse_errors;
    rc = json_decoder_new(&d->json, &json, err);
    if (!rc && d->ops->open)
        rc = d->ops->open(d, o, err);
    if (rc) {
        row_decoder_free(d);
        return rc;
    }
    *out = d;
    return 0;
}

void row_decoder_free(struct row_decoder *d)
{
    if (!d)
        return;
    if (d->ops->close)
        d->ops->close(d);
    json_decoder_free(d->json);
    buf_deinit(&d->text);
    free(d->pieces);
    free(d);
}

int row_decode_message(struct row_decoder *d, struct slice message, size_t *rows,
                       struct json_fault *fault)
{
    const uint8_t *at;
    int rc;

    d->piece_count = 0;
    buf_clear(&d->text);
    *rows = 0;
    rc = d->ops->split(d, message, fault);
    if (rc == ERR_LIMIT)
        return row_fault(fault, 0, "a message of more than %d rows", ROWS_OF_MESSAGE_MAX);
    if (rc)
        return rc;
    at = d->text.ptr;
    for (size_t i = 0; i < d->piece_count; i++)
        if (!d->pieces[i].text.ptr) { /* made ones lie one after another */
            d->pieces[i].text.ptr = at;
            at += d->pieces[i].text.len;
        }
    *rows = d->piece_count;
    return 0;
}

void row_decode_begin(struct row_decoder *d, duckdb_data_chunk chunk)
{
    json_decode_begin(d->json, chunk);
}

int row_decode(struct row_decoder *d, size_t nth, idx_t row, enum row_kind *kind,
               struct json_fault *fault)
{
    *kind = d->pieces[nth].kind;
    return json_decode_row(d->json, d->pieces[nth].text, row, fault);
}

int row_decode_json(struct row_decoder *d, struct slice text, idx_t row, struct json_fault *fault)
{
    return json_decode_row(d->json, text, row, fault);
}

void row_decode_end(struct row_decoder *d)
{
    json_decode_end(d->json);
}

/* ---- rows to messages ---- */

int row_put_object(struct row_encoder *e, duckdb_data_chunk chunk, idx_t row, struct buf *out,
                   struct err *err)
{
    bool first = true;
    int rc = buf_append_u8(out, '{');

    for (size_t i = 0; i < e->count && !rc; i++) {
        duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, e->fields[i].column);

        if (e->json.skip_nulls && !vec_is_valid(duckdb_vector_get_validity(vector), row))
            continue;
        if (!first)
            rc = buf_append_u8(out, ',');
        first = false;
        rc = rc ? rc : buf_append_slice(out, buf_slice(&e->members[i]));
        if (rc)
            break;
        rc = json_encode_value(e->fields[i].type, vector, row, &e->json, out, err);
        if (rc)
            return rc;
    }
    rc = rc ? rc : buf_append_u8(out, '}');
    return rc ? err_set(err, rc, "a message") : 0;
}

static int json_row(struct row_encoder *e, duckdb_data_chunk chunk, idx_t row, enum row_kind kind,
                    struct buf *out, bool *null, struct err *err)
{
    (void)kind, (void)null;
    return row_put_object(e, chunk, row, out, err);
}
static const struct row_encoder_ops json_out = {.row = json_row};

static const struct {
    const char *name;
    const struct row_encoder_ops *ops;
} encoders[] = {
    {"json", &json_out},
    {"csv", &row_csv_out},
    {"raw", &row_raw_out},
    {"avro", &row_avro_out},
    {"debezium-json", &row_debezium_out},
    {"canal-json", &row_canal_out},
    {"maxwell-json", &row_maxwell_out},
};

static int json_options(struct row_encoder *e, const struct row_options *o, struct err *err)
{
    static const char *const modes[] = {"FAIL", "DROP", "LITERAL"};
    const char *standard = o->get ? o->get(o->arg, "timestamp-format.standard") : NULL;
    const char *mode = o->get ? o->get(o->arg, "map-null-key.mode") : NULL;
    const char *literal = o->get ? o->get(o->arg, "map-null-key.literal") : NULL;

    e->json.timestamps_iso = standard && !strcasecmp(standard, "ISO-8601");
    e->json.decimals_plain = row_option_true(o, "encode.decimal-as-plain-number");
    e->json.skip_nulls = row_option_true(o, "encode.ignore-null-fields");
    for (size_t i = 0; mode && i < COUNT_OF(modes); i++)
        if (!strcasecmp(mode, modes[i]))
            e->json.null_key = (enum json_null_key)i; /* in the order of the enum */
    if (literal && !(e->json.null_key_text = strdup(literal)))
        return err_set(err, ERR_NOMEM, "encoder");
    return 0;
}

static int take_fields(struct row_encoder *e, const struct row_encoder_field *fields, size_t count)
{
    e->fields = calloc(count + 1, sizeof(*e->fields));
    e->members = calloc(count + 1, sizeof(*e->members));
    if (!e->fields || !e->members)
        return ERR_NOMEM;
    for (; e->count < count; e->count++) {
        struct row_encoder_field *f = &e->fields[e->count];
        int rc;

        *f = fields[e->count];
        f->name = strdup(f->name);
        rc = f->name ? row_put_string(&e->members[e->count], slice_str(f->name)) : ERR_NOMEM;
        rc = rc ? rc : buf_append_u8(&e->members[e->count], ':');
        if (rc) {
            free((char *)f->name);
            buf_deinit(&e->members[e->count]);
            return rc;
        }
    }
    return 0;
}

int row_encoder_new(struct row_encoder **out, const char *format,
                    const struct row_encoder_field *fields, size_t count,
                    const struct row_options *options, struct err *err)
{
    struct row_encoder *e = NULL;
    int rc = ERR_UNSUPPORTED;

    for (size_t i = 0; i < COUNT_OF(encoders) && !e; i++) {
        if (strcmp(encoders[i].name, format) != 0)
            continue;
        e = calloc(1, sizeof(*e));
        if (!e)
            return err_set(err, ERR_NOMEM, "encoder of %s", format);
        e->ops = encoders[i].ops;
    }
    if (!e)
        return err_set(err, rc, "format '%s' is not built yet", format);
    e->text.max = TEXT_MAX;
    rc = take_fields(e, fields, count);
    if (rc)
        err_set(err, rc, "encoder of %s", format);
    if (!rc)
        rc = json_options(e, options, err);
    if (!rc && e->ops->open)
        rc = e->ops->open(e, options, err);
    if (rc) {
        row_encoder_free(e);
        return rc;
    }
    *out = e;
    return 0;
}

void row_encoder_free(struct row_encoder *e)
{
    if (!e)
        return;
    if (e->ops->close)
        e->ops->close(e);
    for (size_t i = 0; i < e->count; i++) {
        free((char *)e->fields[i].name);
        buf_deinit(&e->members[i]);
    }
    free(e->fields);
    free(e->members);
    free((char *)e->json.null_key_text);
    buf_deinit(&e->text);
    free(e);
}

int row_encode(struct row_encoder *e, duckdb_data_chunk chunk, idx_t row, enum row_kind kind,
               struct buf *out, bool *null, struct err *err)
{
    *null = false;
    return e->ops->row(e, chunk, row, kind, out, null, err);
}
