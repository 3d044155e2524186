/* print_sink.c - rows to the log, or to nowhere. Both keep nothing: there is nothing to stage. */
#include <stdio.h>

#include "connector/print_sink.h"
#include "connector/row_text.h"

struct print_sink {
    struct stream_sink sink; /* first */
    char *prefix;            /* NULL: rows are only counted */
    struct vec_columns columns;
    struct buf line;
};

static struct print_sink *self(struct stream_sink *sink)
{
    return (struct print_sink *)sink;
}

static int print_rows(struct print_sink *s, duckdb_data_chunk chunk, idx_t rows, struct err *err)
{
    for (idx_t row = 0; row < rows; row++) {
        int rc;

        buf_clear(&s->line);
        rc = flink_row_text(&s->columns, chunk, row, &s->line, err);
        if (rc)
            return rc;
        diag_info("print", "%s%.*s", s->prefix, (int)s->line.len, (const char *)s->line.ptr);
    }
    return 0;
}

struct printing {
    struct print_sink *sink;
    int64_t rows;
};

static int take(void *arg, duckdb_data_chunk chunk, struct err *err)
{
    struct printing *p = arg;
    idx_t rows = duckdb_data_chunk_get_size(chunk);

    p->rows += (int64_t)rows;
    return p->sink->prefix ? print_rows(p->sink, chunk, rows, err) : 0;
}

static int drain(struct stream_sink *sink, const struct vec_feed *feed, struct stream_cut **out,
                 struct err *err)
{
    struct printing printing = {.sink = self(sink)};
    int rc = vec_feed_each(feed, take, &printing, err);

    *out = NULL;
    if (rc || !printing.rows)
        return rc;
    *out = calloc(1, sizeof(**out));
    if (!*out)
        return err_set(err, ERR_NOMEM, "rows to print");
    (*out)->rows = printing.rows;
    return 0;
}

static void after_commit(struct stream_sink *sink, struct stream_cut *cut,
                         enum stream_outcome outcome)
{
    (void)sink, (void)outcome;
    free(cut);
}

static void sink_free(struct stream_sink *sink)
{
    struct print_sink *s = self(sink);

    if (!s)
        return;
    vec_columns_free(&s->columns);
    buf_deinit(&s->line);
    free(s->prefix);
    free(s);
}

static const struct stream_sink_ops ops = {
    .drain = drain, .after_commit = after_commit, .free = sink_free};

static int make(const struct sink_request *r, struct print_sink **out, struct err *err)
{
    struct print_sink *s = calloc(1, sizeof(*s));

    if (!s)
        return err_set(err, ERR_NOMEM, "sink `%s`", r->table->name);
    s->sink.ops = &ops;
    s->line.max = (size_t)16 << 20;
    if (vec_columns_copy(&s->columns, r->columns)) {
        sink_free(&s->sink);
        return err_set(err, ERR_NOMEM, "sink `%s`", r->table->name);
    }
    *out = s;
    return 0;
}

/* Flink's prefix: "identifier> ", nothing without one. */
int print_sink_new(const struct sink_request *r, struct stream_sink **out, struct err *err)
{
    const char *name = sql_option(r->table->options, "print-identifier");
    struct print_sink *s;
    int rc = make(r, &s, err);

    if (rc)
        return rc;
    if (asprintf(&s->prefix, "%s%s", name ? name : "", name && *name ? "> " : "") < 0) {
        s->prefix = NULL;
        sink_free(&s->sink);
        return err_set(err, ERR_NOMEM, "sink `%s`", r->table->name);
    }
    *out = &s->sink;
    return 0;
}

int blackhole_sink_new(const struct sink_request *r, struct stream_sink **out, struct err *err)
{
    struct print_sink *s;
    int rc = make(r, &s, err);

    if (!rc)
        *out = &s->sink;
    return rc;
}
