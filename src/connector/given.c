/* given.c - tables of tests: rows that were written down go in, changes come out as text. */
#include "connector/given.h"

#include <stdio.h>

#include "base/json.h"
#include "connector/formats.h"
#include "connector/made_source.h"
#include "connector/row_text.h"
#include "format/json.h"
#include "operator/operator.h"
#include "sql/sql.h"

struct given_line {
    char *json;
    size_t len;
    enum op_kind kind;
};

struct given_table {
    struct given_table *next;
    char *name;
    struct given_line *lines; /* put in */
    size_t count, cap;
    struct buf taken; /* come out */
    bool read, written;
};

struct given {
    struct given_table *tables;
    bool ended;
};

static struct given_table *find(const struct given *given, const char *name)
{
    struct given_table *t = given->tables;

    while (t && strcmp(t->name, name) != 0)
        t = t->next;
    return t;
}

static struct given_table *get(struct given *given, const char *name)
{
    struct given_table *t = find(given, name);

    if (t)
        return t;
    t = calloc(1, sizeof(*t));
    if (!t || !(t->name = strdup(name))) {
        free(t);
        return NULL;
    }
    t->taken.max = (size_t)64 << 20;
    t->next = given->tables;
    given->tables = t;
    return t;
}

int given_new(struct given **out, struct err *err)
{
    *out = calloc(1, sizeof(**out));
    return *out ? 0 : err_set(err, ERR_NOMEM, "a test");
}

void given_free(struct given *given)
{
    while (given && given->tables) {
        struct given_table *t = given->tables;

        given->tables = t->next;
        for (size_t i = 0; i < t->count; i++)
            free(t->lines[i].json);
        free(t->lines);
        buf_deinit(&t->taken);
        free(t->name);
        free(t);
    }
    free(given);
}

/* ---- what goes in ---- */

static int read_kind(const json_t *row, enum op_kind *out, struct err *err)
{
    static const char *const names[] = {"+I", "-U", "+U", "-D"};
    const json_t *kind = json_object_get(row, OP_KIND);
    const char *text = json_string_value(kind);

    *out = OP_INSERT;
    for (size_t i = 0; text && i < COUNT_OF(names); i++)
        if (!strcmp(text, names[i])) {
            *out = (enum op_kind)i;
            return 0;
        }
    return kind ? err_set(err, ERR_INVALID, "'" OP_KIND "' is \"+I\", \"-U\", \"+U\" or \"-D\"")
                : 0;
}

static int add_line(struct given_table *t, struct slice json, enum op_kind kind, struct err *err)
{
    if (t->count == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 16;
        struct given_line *more = realloc(t->lines, cap * sizeof(*more));

        if (!more)
            return err_set(err, ERR_NOMEM, "rows of a test");
        t->lines = more;
        t->cap = cap;
    }
    t->lines[t->count].json = malloc(json.len + 1);
    if (!t->lines[t->count].json)
        return err_set(err, ERR_NOMEM, "rows of a test");
    memcpy(t->lines[t->count].json, json.ptr, json.len);
    t->lines[t->count].len = json.len;
    t->lines[t->count++].kind = kind;
    return 0;
}

int given_row(struct given *given, const char *table, struct slice json, struct err *err)
{
    struct given_table *t = get(given, table);
    enum op_kind kind = OP_INSERT;
    json_t *row = NULL;
    int rc = t ? json_parse(json, &row, err) : err_set(err, ERR_NOMEM, "rows of a test");

    if (!rc && !json_is_object(row))
        rc = err_set(err, ERR_INVALID, "a row is an object of columns and values");
    if (!rc)
        rc = read_kind(row, &kind, err);
    if (!rc)
        rc = add_line(t, json, kind, err);
    json_decref(row);
    return rc;
}

void given_end(struct given *given)
{
    given->ended = true;
}

const char *given_unread(const struct given *given)
{
    for (const struct given_table *t = given->tables; t; t = t->next)
        if (t->count && !t->read)
            return t->name;
    return NULL;
}

/* ---- a source ---- */

struct given_source {
    struct stream_source source; /* first */
    struct given *given;
    struct given_table *table;
    struct vec_columns columns;
    struct json_decoder *decoder;
    int kind_column, partition_column; /* -1: none */
    const char **names;                /* of the columns, for checks; borrowed from `columns` */
    int64_t at;
};

static struct given_source *self(struct stream_source *source)
{
    return (struct given_source *)source;
}

static int check_names(struct given_source *s, const struct given_line *line, struct err *err)
{
    const char *key;
    json_t *row = NULL, *value;
    int rc = json_parse(slice_of(line->json, line->len), &row, err);

    json_object_foreach(row, key, value)
    {
        const char *near;
        size_t i = 0;

        while (i < s->columns.count && strcmp(s->names[i], key) != 0)
            i++;
        if (rc || i < s->columns.count || !strcmp(key, OP_KIND))
            continue;
        near = sql_nearest(key, s->names, s->columns.count);
        rc = err_set(err, ERR_INVALID, "table `%s` has no column `%s`%s%s%s", s->table->name, key,
                     near ? "; did you mean `" : "", near ? near : "", near ? "`?" : "");
    }
    json_decref(row);
    return rc;
}

static int fill_row(struct given_source *s, duckdb_data_chunk chunk, idx_t row, struct err *err)
{
    const struct given_line *line = &s->table->lines[s->at];
    struct json_fault fault = {0};
    int rc = check_names(s, line, err);

    if (!rc && json_decode_row(s->decoder, slice_of(line->json, line->len), row, &fault))
        rc = err_set(err, ERR_INVALID, "row %" PRId64 " of `%s`%s%s: %s", s->at + 1, s->table->name,
                     fault.path[0] ? ", " : "", fault.path, fault.reason);
    if (!rc && s->kind_column >= 0)
        ((uint8_t *)duckdb_vector_get_data(
            duckdb_data_chunk_get_vector(chunk, (idx_t)s->kind_column)))[row] = (uint8_t)line->kind;
    else if (!rc && line->kind != OP_INSERT)
        rc = err_set(err, ERR_INVALID, "row %" PRId64 " of `%s`: this table's rows are all +I",
                     s->at + 1, s->table->name);
    if (!rc && s->partition_column >= 0)
        ((int32_t *)duckdb_vector_get_data(
            duckdb_data_chunk_get_vector(chunk, (idx_t)s->partition_column)))[row] = 0;
    s->at += !rc;
    return rc;
}

static int poll(struct stream_source *source, struct vec_batch *out, stream_reject_fn *reject,
                void *arg, struct err *err)
{
    struct given_source *s = self(source);
    duckdb_data_chunk chunk;
    idx_t rows = 0;
    int rc = 0;

    (void)reject, (void)arg;
    if (s->at == (int64_t)s->table->count)
        return s->given->ended ? err_set(err, ERR_CLOSED, "`%s` is over", s->table->name) : 0;
    chunk = vec_chunk_new(&s->columns);
    if (!chunk || vec_batch_add(out, chunk))
        return err_set(err, ERR_NOMEM, "rows of `%s`", s->table->name);
    json_decode_begin(s->decoder, chunk);
    while (!rc && rows < vec_chunk_rows() && s->at < (int64_t)s->table->count)
        rc = fill_row(s, chunk, rows++, err);
    json_decode_end(s->decoder);
    duckdb_data_chunk_set_size(chunk, rows);
    out->rows += (int64_t)rows;
    return rc;
}

static int origin(struct stream_source *source, int64_t row, struct stream_reject *out,
                  struct err *err)
{
    (void)row, (void)err;
    *out = (struct stream_reject){.topic = self(source)->table->name};
    return 0;
}

static void wait(struct stream_source *source, int64_t timeout_ms)
{
    (void)source, (void)timeout_ms; /* no thread waits for a test */
}

static void wake(struct stream_source *source)
{
    (void)source;
}

static int position(struct stream_source *source, struct arena *arena, struct stream_position *out,
                    struct err *err)
{
    *out = (struct stream_position){.incarnation = "given", .count = 1};
    out->offsets = ARENA_ARRAY(arena, int64_t, 1);
    if (!out->offsets)
        return err_set(err, ERR_NOMEM, "place in `%s`", self(source)->table->name);
    out->offsets[0] = self(source)->at;
    return 0;
}

static int seek(struct stream_source *source, const struct stream_position *from, struct err *err)
{
    (void)err;
    self(source)->at = from && from->count ? from->offsets[0] : 0;
    return 0;
}

static int flush(struct stream_source *source, struct err *err)
{
    (void)source, (void)err;
    return 0;
}

static int64_t lag(struct stream_source *source)
{
    return (int64_t)self(source)->table->count - self(source)->at;
}

static const struct vec_columns *columns(struct stream_source *source)
{
    return &self(source)->columns;
}

static void source_free(struct stream_source *source)
{
    struct given_source *s = self(source);

    if (!s)
        return;
    json_decoder_free(s->decoder);
    vec_columns_free(&s->columns);
    free(s->names);
    free(s);
}

static const struct stream_source_ops source_ops = {
    poll, origin, wait, wake, position, seek, flush, lag, columns, source_free,
};

/* The table's columns but the computed ones, then the kinds when it has changes. */
static int make_columns(struct given_source *s, const struct source_request *r, struct err *err)
{
    struct source_request any = *r;
    int rc;

    any.any_metadata = true; /* a test gives what the connector would */
    rc = source_columns(&any, &s->columns, err);
    s->kind_column = s->partition_column = -1;
    for (size_t i = 0; !rc && i < s->columns.count; i++)
        if (!strcmp(s->columns.list[i].name, SQL_FLOW_PARTITION))
            s->partition_column = (int)i;
    if (!rc && sql_source_changes(r->table->options)) {
        s->kind_column = (int)s->columns.count;
        if (vec_columns_add(&s->columns, OP_KIND, duckdb_create_logical_type(DUCKDB_TYPE_UTINYINT)))
            rc = err_set(err, ERR_NOMEM, "columns");
    }
    return rc;
}

static int make_decoder(struct given_source *s, const struct sql_table *table, struct err *err)
{
    struct json_field *fields = calloc(s->columns.count + 1, sizeof(*fields));
    struct json_decode_options options = {.fields = fields};
    size_t at = 0;
    int rc = 0;

    s->names = calloc(s->columns.count + 1, sizeof(*s->names));
    if (!fields || !s->names)
        rc = err_set(err, ERR_NOMEM, "columns");
    for (size_t i = 0; !rc && i < s->columns.count; i++)
        s->names[i] = s->columns.list[i].name;
    for (size_t i = 0; !rc && i < table->column_count; i++) {
        const struct sql_column *column = &table->columns[i];

        if (column->kind == SQL_COLUMN_COMPUTED)
            continue;
        if ((int)at != s->partition_column)
            fields[options.field_count++] =
                (struct json_field){.name = column->name,
                                    .type = s->columns.list[at].type,
                                    .column = at,
                                    .precision = table_second_digits(column->type)};
        at++;
    }
    if (!rc)
        rc = json_decoder_new(&s->decoder, &options, err);
    free(fields);
    return rc;
}

int given_source(void *arg, const struct source_request *request, struct stream_source **out,
                 struct err *err)
{
    struct given_source *s = calloc(1, sizeof(*s));
    int rc = 0;

    if (!s)
        return err_set(err, ERR_NOMEM, "table `%s`", request->table->name);
    s->source.ops = &source_ops;
    s->given = arg;
    s->table = get(arg, request->table->name);
    if (!s->table)
        rc = err_set(err, ERR_NOMEM, "table `%s`", request->table->name);
    if (!rc)
        rc = make_columns(s, request, err);
    if (!rc)
        rc = make_decoder(s, request->table, err);
    if (rc) {
        source_free(&s->source);
        return rc;
    }
    s->table->read = true;
    *out = &s->source;
    return 0;
}

/* ---- a sink ---- */

struct given_sink {
    struct stream_sink sink; /* first */
    struct given_table *table;
    struct vec_columns columns;
};

/* What an epoch gave: nothing of it counts before its commit. */
struct given_cut {
    struct stream_cut cut; /* first */
    struct buf lines;
};

struct draining {
    struct given_sink *sink;
    struct given_cut *cut;
};

static int take_chunk(void *arg, duckdb_data_chunk chunk, struct err *err)
{
    const struct draining *d = arg;
    idx_t rows = duckdb_data_chunk_get_size(chunk);
    int rc = 0;

    for (idx_t row = 0; row < rows && !rc; row++) {
        rc = flink_row_text(&d->sink->columns, chunk, row, &d->cut->lines, err);
        if (!rc && buf_append_u8(&d->cut->lines, '\n'))
            rc = err_set(err, ERR_LIMIT, "`%s`: more changes than a test can hold",
                         d->sink->table->name);
    }
    d->cut->cut.rows += (int64_t)rows;
    return rc;
}

static void free_cut(struct given_cut *cut)
{
    buf_deinit(&cut->lines);
    free(cut);
}

static int drain(struct stream_sink *sink, const struct vec_feed *feed, struct stream_cut **out,
                 struct err *err)
{
    struct given_cut *cut = calloc(1, sizeof(*cut));
    struct draining draining = {(struct given_sink *)sink, cut};
    int rc;

    *out = NULL;
    if (!cut)
        return err_set(err, ERR_NOMEM, "rows");
    cut->lines.max = (size_t)64 << 20;
    rc = vec_feed_each(feed, take_chunk, &draining, err);
    if (rc || !cut->cut.rows)
        free_cut(cut);
    else
        *out = &cut->cut;
    return rc;
}

static void after_commit(struct stream_sink *sink, struct stream_cut *cut,
                         enum stream_outcome outcome)
{
    struct given_cut *c = (struct given_cut *)cut;
    struct given_table *table = ((struct given_sink *)sink)->table;

    if (outcome == STREAM_COMMITTED && buf_append(&table->taken, c->lines.ptr, c->lines.len))
        diag_error("test", "`%s`: more changes than a test can hold", table->name);
    free_cut(c);
}

static void sink_free(struct stream_sink *sink)
{
    struct given_sink *s = (struct given_sink *)sink;

    if (s)
        vec_columns_free(&s->columns);
    free(s);
}

static const struct stream_sink_ops sink_ops = {
    .drain = drain, .after_commit = after_commit, .free = sink_free};

int given_sink(void *arg, const struct sink_request *request, struct stream_sink **out,
               struct err *err)
{
    struct given_sink *s = calloc(1, sizeof(*s));

    if (s) {
        s->sink.ops = &sink_ops;
        s->table = get(arg, request->table->name);
    }
    if (!s || !s->table || vec_columns_copy(&s->columns, request->columns)) {
        sink_free(s ? &s->sink : NULL);
        return err_set(err, ERR_NOMEM, "table `%s`", request->table->name);
    }
    s->table->written = true;
    *out = &s->sink;
    return 0;
}

/* ---- what comes out ---- */

const struct buf *given_taken(struct given *given, const char *table)
{
    struct given_table *t = find(given, table);

    return t && t->written ? &t->taken : NULL;
}

void given_clear(struct given *given, const char *table)
{
    struct given_table *t = find(given, table);

    if (t)
        buf_clear(&t->taken);
}
