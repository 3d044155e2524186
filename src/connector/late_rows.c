/* late_rows.c - the sink of late rows: a lake sink whose table is made when it is first needed, and
 * whose rows say which job they are of. */
#include "connector/late_rows.h"

#include "catalog/catalog.h"
#include "connector/own_table.h"
#include "connector/session.h"

struct late_rows {
    struct stream_sink sink; /* first */
    struct late_rows_options options;
    char *job, *ns, *name;
    struct stream_sink *table; /* NULL: no row was late yet */
};

static struct late_rows *self(struct stream_sink *sink)
{
    return (struct late_rows *)sink;
}

/* The job, then the feed's columns in their order. */
static const struct own_column late_columns[] = {
    {"job", NULL, LAKE_STRING, true},
    {"pipeline", NULL, LAKE_STRING, true},
    {"operator", "what it came too late for", LAKE_STRING, true},
    {"watermark", "that it came behind; none: told before a restart", LAKE_TIMESTAMPTZ, false},
    {"late_at", "when it came", LAKE_TIMESTAMPTZ, true},
    {"row_kind", "+I, or of changes", LAKE_STRING, true},
    {"row", "as the operator saw it, JSON", LAKE_STRING, true},
};

static int make_table(struct late_rows *l, struct err *err)
{
    struct lake_ident ident = {l->ns, l->name};

    return own_table_make(l->options.lake_catalog, &ident, late_columns, COUNT_OF(late_columns),
                          err);
}

static int add_columns(struct vec_columns *columns)
{
    int rc = vec_columns_add(columns, late_columns[0].name,
                             duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR));

    return rc ? rc : stream_late_columns(columns);
}

static int ensure(struct late_rows *l, const struct vec_columns *columns, struct err *err)
{
    struct lake_sink_options sink = l->options.sink;
    int rc = l->table ? 0 : make_table(l, err);

    if (rc || l->table)
        return rc;
    sink.ident = (struct lake_ident){l->ns, l->name};
    sink.columns = columns;
    rc = lake_sink_new(&l->table, &sink, err);
    if (!rc)
        l->sink.queue = l->table->queue;
    return rc ? err_wrap(err, rc, "'table.exec.late-rows.table' = '%s.%s'", l->ns, l->name) : 0;
}

/* ---- rows ---- */

struct named { /* a feed with the job before its columns */
    const struct vec_feed *from;
    struct slice job;
    duckdb_data_chunk chunk;
};

static int pull_named(void *arg, duckdb_data_chunk out, struct err *err)
{
    struct named *n = arg;
    idx_t rows, columns = n->from->columns->count;
    int rc;

    duckdb_data_chunk_reset(n->chunk);
    rc = n->from->pull(n->from->arg, n->chunk, err);
    rows = rc ? 0 : duckdb_data_chunk_get_size(n->chunk);
    for (idx_t c = 0; c < columns && rows; c++)
        duckdb_vector_reference_vector(duckdb_data_chunk_get_vector(out, c + 1),
                                       duckdb_data_chunk_get_vector(n->chunk, c));
    for (idx_t row = 0; row < rows; row++)
        duckdb_vector_assign_string_element_len(duckdb_data_chunk_get_vector(out, 0), row,
                                                (const char *)n->job.ptr, n->job.len);
    duckdb_data_chunk_set_size(out, rows);
    return rc;
}

static int drain(struct stream_sink *sink, const struct vec_feed *feed, struct stream_cut **out,
                 struct err *err)
{
    struct late_rows *l = self(sink);
    struct named named = {feed, slice_str(l->job), vec_chunk_new(feed->columns)};
    struct vec_columns columns = {0};
    struct vec_feed full = {&columns, pull_named, &named};
    int rc = named.chunk ? add_columns(&columns) : ERR_NOMEM;

    *out = NULL;
    rc = rc ? err_set(err, ERR_NOMEM, "late rows") : ensure(l, &columns, err);
    if (!rc)
        rc = l->table->ops->drain(l->table, &full, out, err);
    duckdb_destroy_data_chunk(&named.chunk);
    vec_columns_free(&columns);
    return rc;
}

static int stage(struct stream_sink *sink, struct stream_cut *cut, const struct stream_epoch *epoch,
                 struct err *err)
{
    struct stream_sink *table = self(sink)->table;

    return table->ops->stage(table, cut, epoch, err);
}

static int commit_in(struct stream_sink *sink, struct stream_cut *cut, struct meta_txn *txn,
                     struct err *err)
{
    struct stream_sink *table = self(sink)->table;

    return table->ops->commit_in(table, cut, txn, err);
}

/* The cut is the table's own. */
static struct stream_turn behind(struct stream_sink *sink, struct stream_cut *cut)
{
    return (struct stream_turn){self(sink)->table, cut};
}

static void after_commit(struct stream_sink *sink, struct stream_cut *cut,
                         enum stream_outcome outcome)
{
    struct stream_sink *table = self(sink)->table;

    table->ops->after_commit(table, cut, outcome);
}

static void sink_free(struct stream_sink *sink)
{
    struct late_rows *l = self(sink);

    if (l->table)
        l->table->ops->free(l->table);
    free(l->job);
    free(l->ns);
    free(l->name);
    free(l);
}

static const struct stream_sink_ops ops = {
    .drain = drain,
    .stage = stage,
    .commit_in = commit_in,
    .behind = behind,
    .after_commit = after_commit,
    .free = sink_free,
};

/* [CATALOG.]DATABASE.TABLE */
static int split_name(struct late_rows *l, const char *text, struct err *err)
{
    const char *catalog = catalog_name(l->options.lake_catalog), *dot;
    size_t len = strlen(catalog);

    if (!strncmp(text, catalog, len) && text[len] == '.' && strchr(text + len + 1, '.'))
        text += len + 1;
    dot = strchr(text, '.');
    if (!dot || dot == text || !dot[1] || strchr(dot + 1, '.'))
        return err_set(err, ERR_INVALID,
                       "SET 'table.exec.late-rows.table' = '%s': DATABASE.TABLE of the catalog %s "
                       "is wanted",
                       text, catalog);
    l->ns = strndup(text, (size_t)(dot - text));
    l->name = strdup(dot + 1);
    return l->ns && l->name ? 0 : err_set(err, ERR_NOMEM, "late rows");
}

int late_rows_new(struct stream_sink **out, const struct late_rows_options *options,
                  struct err *err)
{
    struct late_rows *l = calloc(1, sizeof(*l));
    int rc = l ? 0 : err_set(err, ERR_NOMEM, "late rows of %s", options->job);

    if (rc)
        return rc;
    l->sink.ops = &ops;
    l->options = *options;
    l->job = strdup(options->job);
    rc = l->job ? split_name(l, options->table, err) : err_set(err, ERR_NOMEM, "late rows");
    if (rc)
        sink_free(&l->sink);
    else
        *out = &l->sink;
    return rc;
}
