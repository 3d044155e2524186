/* faker.c - 'connector' = 'faker': rows of expressions such as #{Name.fullName}, as flink-faker's.
 * The words are ours; what matters to a script is which expressions there are and what their
 * values look like.
 *
 * An expression is text with directives #{category.method 'argument', ...}. A row becomes a JSON
 * object of the texts, which the json format reads by the columns' types.
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "connector/faker.h"
#include "connector/formats.h"
#include "connector/made_source.h"

#define ARGS_MAX     16
#define TEXT_MAX     ((size_t)64 << 20)
#define MOMENT_FIELD (1u << 21) /* keeps random numbers of a field apart */

struct piece { /* of an expression: text, or a directive */
    char *text;
    const struct faker_word *word; /* NULL: text alone */
    char *args[ARGS_MAX];
    size_t arg_count;
};

struct field {
    char *name; /* "name": */
    struct piece *pieces;
    size_t count;
    double null_rate;
    int64_t elements; /* ARRAY; -1: a scalar */
    bool is_bool;
};

struct faker {
    struct field *fields;
    size_t count;
    struct row_decoder *decoder;
    struct clock *clock;
    struct buf text, value;
};

/* ---- expressions ---- */

static int parse_args(struct piece *piece, const char *at, const char *end, struct err *err)
{
    while (at < end) {
        const char *close;

        at += strspn(at, " ,");
        if (at >= end)
            break;
        close = *at == '\'' ? memchr(at + 1, '\'', (size_t)(end - at - 1)) : NULL;
        if (!close)
            return err_set(err, ERR_INVALID, "arguments stand in quotes: '1','100'");
        if (piece->arg_count == ARGS_MAX)
            return err_set(err, ERR_LIMIT, "more than %d arguments", ARGS_MAX);
        piece->args[piece->arg_count] = strndup(at + 1, (size_t)(close - at - 1));
        if (!piece->args[piece->arg_count])
            return err_set(err, ERR_NOMEM, "faker");
        piece->arg_count++;
        at = close + 1;
    }
    return 0;
}

/* The end of a directive: a brace outside of quotes. */
static const char *directive_end(const char *at)
{
    bool quoted = false;

    for (; *at; at++) {
        quoted ^= *at == '\'';
        if (*at == '}' && !quoted)
            return at;
    }
    return NULL;
}

static int parse_directive(struct piece *piece, const char *at, const char *end, struct err *err)
{
    size_t len = strcspn(at, " }");
    char name[80];

    snprintf(name, sizeof(name), "%.*s", (int)len, at);
    piece->word = faker_word_find(name);
    if (!piece->word)
        return err_set(err, ERR_UNSUPPORTED,
                       "#{%s} is not among the expressions that are built: %s", name,
                       faker_word_names());
    return parse_args(piece, at + len, end, err);
}

static int parse_expression(struct field *f, const char *text, struct err *err)
{
    while (*text) {
        const char *open = strstr(text, "#{"), *end;
        struct piece *more = realloc(f->pieces, (f->count + 1) * sizeof(*more));
        int rc;

        if (!more)
            return err_set(err, ERR_NOMEM, "faker");
        f->pieces = more;
        more[f->count] = (struct piece){0};
        if (open != text) {
            size_t len = open ? (size_t)(open - text) : strlen(text);

            more[f->count].text = strndup(text, len);
            if (!more[f->count++].text)
                return err_set(err, ERR_NOMEM, "faker");
            text += len;
            continue;
        }
        end = directive_end(text);
        if (!end)
            return err_set(err, ERR_INVALID, "'%s' has no end", text);
        rc = parse_directive(&more[f->count++], text + 2, end, err);
        if (rc)
            return rc;
        text = end + 1;
    }
    return 0;
}

/* ---- rows ---- */

static int put_expression(struct faker *k, const struct field *f, struct faker_draw *draw,
                          struct err *err)
{
    int rc = 0;

    buf_clear(&k->value);
    for (size_t i = 0; i < f->count && !rc; i++) {
        const struct piece *p = &f->pieces[i];

        rc = p->word ? faker_word_put(p->word, (const char *const *)p->args, p->arg_count, draw,
                                      &k->value, err)
                     : buf_append_str(&k->value, p->text);
    }
    rc = rc ? rc : row_put_string(&k->text, buf_slice(&k->value));
    return rc;
}

static int put_field(struct faker *k, const struct field *f, uint64_t seed, int64_t n, size_t index,
                     int64_t now_us, struct err *err)
{
    struct faker_draw draw = {.now_us = now_us};
    int rc = buf_append_str(&k->text, f->name);

    draw.state = made_random(seed, n, index);
    if (rc)
        return rc;
    if (f->null_rate > 0 &&
        (double)(made_random(seed, n, index + MOMENT_FIELD) >> 11) * 0x1p-53 < f->null_rate)
        return buf_append_str(&k->text, "null");
    if (f->elements < 0)
        return put_expression(k, f, &draw, err);
    rc = buf_append_u8(&k->text, '[');
    for (int64_t i = 0; i < f->elements && !rc; i++) {
        rc = i ? buf_append_u8(&k->text, ',') : 0;
        rc = rc ? rc : put_expression(k, f, &draw, err);
    }
    return rc ? rc : buf_append_u8(&k->text, ']');
}

static int put_row(struct faker *k, uint64_t seed, int64_t n, int64_t now_us, struct err *err)
{
    int rc;

    buf_clear(&k->text);
    rc = buf_append_u8(&k->text, '{');
    for (size_t i = 0; i < k->count && !rc; i++) {
        rc = i ? buf_append_u8(&k->text, ',') : 0;
        rc = rc ? rc : put_field(k, &k->fields[i], seed, n, i + 1, now_us, err);
    }
    return rc ? rc : buf_append_u8(&k->text, '}');
}

static int fill(void *state, uint64_t seed, int64_t first, idx_t count, duckdb_data_chunk chunk,
                struct err *err)
{
    struct faker *k = state;
    int64_t now_us = clock_wall_us(k->clock);
    int rc = 0;

    row_decode_begin(k->decoder, chunk);
    for (idx_t row = 0; row < count && !rc; row++) {
        struct json_fault fault = {0};

        rc = put_row(k, seed, first + (int64_t)row, now_us, err);
        if (rc && !(err && err->code == rc))
            err_set(err, rc, "a row of faker");
        if (rc)
            break;
        rc = row_decode_json(k->decoder, buf_slice(&k->text), row, &fault);
        if (rc)
            err_set(err, rc, "column `%s`: %s", fault.path, fault.reason);
    }
    row_decode_end(k->decoder);
    return rc;
}

static void faker_free(void *state)
{
    struct faker *k = state;

    if (!k)
        return;
    for (size_t i = 0; i < k->count; i++) {
        struct field *f = &k->fields[i];

        for (size_t p = 0; p < f->count; p++) {
            free(f->pieces[p].text);
            for (size_t a = 0; a < f->pieces[p].arg_count; a++)
                free(f->pieces[p].args[a]);
        }
        free(f->pieces);
        free(f->name);
    }
    free(k->fields);
    row_decoder_free(k->decoder);
    buf_deinit(&k->text);
    buf_deinit(&k->value);
    free(k);
}

/* ---- the table ---- */

static const char *field_option(const struct sql_table *table, const char *field, const char *key)
{
    char name[300];

    snprintf(name, sizeof(name), "fields.%s.%s", field, key);
    return sql_option(table->options, name);
}

static int add_field(struct faker *k, const struct sql_table *table,
                     const struct sql_column *column, struct err *err)
{
    const char *text = field_option(table, column->name, "expression");
    const char *rate = field_option(table, column->name, "null-rate");
    const char *length = field_option(table, column->name, "length");
    struct field *f = &k->fields[k->count++];
    struct buf name = {0};
    int rc = row_put_string(&name, slice_str(column->name));

    f->elements = column->type->kind == SQL_ARRAY ? 1 : -1;
    rc = rc ? rc : buf_append_u8(&name, ':');
    f->name = rc ? NULL : strdup(buf_cstr(&name) ? buf_cstr(&name) : "");
    buf_deinit(&name);
    if (!f->name)
        return err_set(err, ERR_NOMEM, "faker");
    if (column->type->kind == SQL_ROW || column->type->kind == SQL_MAP)
        return err_set(err, ERR_UNSUPPORTED, "column `%s`: faker makes no rows and maps here",
                       column->name);
    if (!text)
        return err_set(err, ERR_INVALID, "column `%s` needs 'fields.%s.expression'", column->name,
                       column->name);
    f->null_rate = rate ? strtod(rate, NULL) : 0;
    if (length &&
        (slice_to_i64(slice_str(length), &f->elements) || f->elements < 0 || f->elements > 10000))
        return err_set(err, ERR_INVALID, "'fields.%s.length' = '%s'", column->name, length);
    rc = parse_expression(f, text, err);
    if (!rc) /* once for nothing: wrong arguments are told now */
        rc = put_expression(k, f, &(struct faker_draw){0}, err);
    return rc ? err_wrap(err, rc, "'fields.%s.expression'", column->name) : 0;
}

static int make_decoder(struct faker *k, const struct source_request *r, struct err *err)
{
    struct json_field *fields = calloc(r->table->column_count + 1, sizeof(*fields));
    struct row_decoder_options in = {.fields = fields};
    struct vec_columns columns = {0};
    size_t at = 0;
    int rc = fields ? source_columns(r, &columns, err) : err_set(err, ERR_NOMEM, "faker");

    for (size_t i = 0; i < r->table->column_count && !rc; i++) {
        const struct sql_column *column = &r->table->columns[i];

        if (column->kind == SQL_COLUMN_PHYSICAL)
            fields[in.field_count++] =
                (struct json_field){column->name, columns.list[at].type, at, ON_FAULT_REJECT,
                                    table_second_digits(column->type)};
        at += column->kind != SQL_COLUMN_COMPUTED;
    }
    if (!rc)
        rc = row_decoder_new(&k->decoder, "json", &in, err);
    free(fields);
    vec_columns_free(&columns);
    return rc;
}

int faker_source_new(const struct source_request *request, struct stream_source **out,
                     struct err *err)
{
    static const struct made_ops ops = {fill, faker_free};
    struct faker *k = calloc(1, sizeof(*k));
    struct made_options options = {.ops = &ops, .state = k, .rows_max = -1, .default_rate = 10000};
    int rc;

    if (!k)
        return err_set(err, ERR_NOMEM, "faker");
    k->clock = request->connector->clock;
    k->text.max = k->value.max = TEXT_MAX;
    k->fields = calloc(request->table->column_count + 1, sizeof(*k->fields));
    rc = k->fields ? make_decoder(k, request, err) : err_set(err, ERR_NOMEM, "faker");
    for (size_t i = 0; i < request->table->column_count && !rc; i++)
        if (request->table->columns[i].kind == SQL_COLUMN_PHYSICAL)
            rc = add_field(k, request->table, &request->table->columns[i], err);
    if (rc) {
        faker_free(k);
        return err_wrap(err, rc, "table `%s`", request->table->name);
    }
    return made_source_new(out, request, &options, err);
}
