/* jdbc_source.c - all rows of a table of a database, once.
 *
 * Its place is the number of rows given, in the order of the primary key, or of the rows' places
 * in the table: a job that starts again in the middle goes on behind them. Whoever writes to the
 * table meanwhile may move rows over that border, as with Flink's splits; a table that was read to
 * its end is not read again. */
#include <stdio.h>

#include "connector/jdbc.h"
#include "connector/made_source.h"

enum { AT_ROW, AT_END, PLACE };

struct jdbc_source {
    struct stream_source source; /* first */
    struct jdbc_table table;
    struct clock *clock;
    struct vec_columns columns;
    struct row_decoder *decoder;
    struct source_wait wait;
    struct postgres *connection; /* NULL until the first poll */
    struct postgres_rows *rows;  /* of the last poll */
    size_t *texts;               /* of the rows that were given: their place in `rows` */
    int64_t next, polled;
    bool ended;
};

static struct jdbc_source *self(struct stream_source *source)
{
    return (struct jdbc_source *)source;
}

/* ---- the cursor ---- */

/* What keeps rows in one order: a primary key, or the places of a table, which a scan by one
 * process meets one after the other; a view has neither. */
static int put_order(struct jdbc_source *s, struct buf *sql, bool *ordered, struct err *err)
{
    bool *keys = calloc(s->table.count + 1, sizeof(*keys));
    struct postgres_rows *rows = NULL;
    int rc = keys ? 0 : err_set(err, ERR_NOMEM, "a statement");

    for (size_t i = 0; i < s->table.count && !rc; i++)
        keys[i] = s->table.columns[i].is_key;
    if (!rc)
        rc = postgres_run(s->connection, "SELECT relkind FROM pg_class WHERE oid = to_regclass($1)",
                          &s->table.target, 1, &rows, err);
    *ordered = s->table.key_count > 0;
    if (!rc && *ordered) {
        rc = buf_append_str(sql, " ORDER BY ");
        rc = rc ? rc : jdbc_put_list(sql, &s->table, keys, "t.");
    } else if (!rc && postgres_row_count(rows) && strchr("rpm", *postgres_value(rows, 0, 0).ptr)) {
        rc = postgres_run(s->connection, "SET synchronize_seqscans = off", NULL, 0, NULL, err);
        *ordered = true;
    }
    postgres_rows_free(rows);
    free(keys);
    return rc;
}

static int open_cursor(struct jdbc_source *s, struct err *err)
{
    struct buf sql = {0};
    bool ordered = false;
    int rc = jdbc_connect(&s->table, &s->connection, err);

    if (rc)
        return rc;
    rc = buf_append_str(&sql, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; "
                              "DECLARE rows NO SCROLL CURSOR FOR ");
    rc = rc ? rc : jdbc_put_select(&sql, &s->table);
    rc = rc ? rc : put_order(s, &sql, &ordered, err);
    if (!rc && s->next && !ordered)
        rc = err_set(err, ERR_UNSUPPORTED,
                     "%s is a view without a primary key: reading cannot go on in its middle; "
                     "declare PRIMARY KEY (...) NOT ENFORCED, or start the job anew",
                     s->table.target);
    rc = rc ? rc : buf_printf(&sql, " OFFSET %" PRId64 ") r", s->next);
    if (!rc)
        rc = postgres_run(s->connection, buf_cstr(&sql), NULL, 0, NULL, err);
    buf_deinit(&sql);
    if (rc) {
        postgres_free(s->connection);
        s->connection = NULL;
    }
    return rc;
}

/* ---- rows ---- */

static int reject_row(struct jdbc_source *s, size_t at, const struct json_fault *fault,
                      stream_reject_fn *reject, void *arg, struct err *err)
{
    struct stream_reject r = {.reason = fault->reason,
                              .column = fault->path[0] ? fault->path : NULL,
                              .topic = s->table.name,
                              .offset = s->polled + (int64_t)at,
                              .timestamp_ms = clock_wall_ms(s->clock),
                              .value = postgres_value(s->rows, at, 0)};

    if (fault->fatal)
        return err_set(err, ERR_INVALID, "%s, row %" PRId64 ": %s", s->table.name, r.offset,
                       fault->reason);
    return reject(arg, &r, err);
}

/* From row `at` of those fetched on, as many as a chunk holds. */
static int add_chunk(struct jdbc_source *s, size_t *at, size_t *given, struct vec_batch *out,
                     stream_reject_fn *reject, void *arg, struct err *err)
{
    duckdb_data_chunk chunk = vec_chunk_new(&s->columns);
    size_t count = postgres_row_count(s->rows);
    struct json_fault fault;
    idx_t row = 0;
    int rc = 0;

    if (!chunk)
        return err_set(err, ERR_NOMEM, "rows of %s", s->table.name);
    row_decode_begin(s->decoder, chunk);
    for (; *at < count && row < vec_chunk_rows() && !rc; ++*at) {
        rc = row_decode_json(s->decoder, postgres_value(s->rows, *at, 0), row, &fault);
        if (!rc)
            s->texts[*given + row++] = *at;
        else if (rc == ERR_INVALID)
            rc = reject_row(s, *at, &fault, reject, arg, err);
    }
    row_decode_end(s->decoder);
    duckdb_data_chunk_set_size(chunk, row);
    *given += row;
    if (!rc && row)
        rc = vec_batch_add(out, chunk);
    if (rc || !row)
        duckdb_destroy_data_chunk(&chunk);
    return rc;
}

static int fetch(struct jdbc_source *s, struct err *err)
{
    char sql[64];

    postgres_rows_free(s->rows);
    s->rows = NULL;
    snprintf(sql, sizeof(sql), "FETCH %" PRId64 " FROM rows", s->table.fetch_rows);
    return postgres_run(s->connection, sql, NULL, 0, &s->rows, err);
}

static int poll(struct stream_source *source, struct vec_batch *out, stream_reject_fn *reject,
                void *arg, struct err *err)
{
    struct jdbc_source *s = self(source);
    size_t at = 0, given = 0;
    int rc = 0;

    if (!s->ended && !s->connection)
        rc = open_cursor(s, err);
    if (!s->ended && !rc)
        rc = fetch(s, err);
    if (!rc && !s->ended)
        s->ended = postgres_row_count(s->rows) == 0;
    if (!rc && s->ended) {
        postgres_free(s->connection);
        s->connection = NULL;
        return err_set(err, ERR_CLOSED, "%s: all its rows", s->table.name);
    }
    s->polled = s->next;
    while (!rc && at < postgres_row_count(s->rows))
        rc = add_chunk(s, &at, &given, out, reject, arg, err);
    if (!rc)
        s->next += (int64_t)at;
    return rc;
}

static int origin(struct stream_source *source, int64_t row, struct stream_reject *out,
                  struct err *err)
{
    struct jdbc_source *s = self(source);
    size_t at = s->texts[row];

    (void)err;
    *out = (struct stream_reject){.topic = s->table.name,
                                  .offset = s->polled + (int64_t)at,
                                  .timestamp_ms = clock_wall_ms(s->clock),
                                  .value = postgres_value(s->rows, at, 0)};
    return 0;
}

/* ---- the rest of a source ---- */

static void wait_rows(struct stream_source *source, int64_t timeout_ms)
{
    source_wait_for(&self(source)->wait, timeout_ms);
}

static void wake(struct stream_source *source)
{
    source_wait_wake(&self(source)->wait);
}

static int position(struct stream_source *source, struct arena *arena, struct stream_position *out,
                    struct err *err)
{
    struct jdbc_source *s = self(source);

    out->incarnation = "jdbc";
    out->offsets = ARENA_ARRAY(arena, int64_t, PLACE);
    if (!out->offsets)
        return err_set(err, ERR_NOMEM, "place of %s", s->table.name);
    out->offsets[AT_ROW] = s->next;
    out->offsets[AT_END] = s->ended;
    out->count = PLACE;
    return 0;
}

static int seek(struct stream_source *source, const struct stream_position *from, struct err *err)
{
    struct jdbc_source *s = self(source);
    bool known = from && from->count == PLACE;

    (void)err;
    s->next = known ? from->offsets[AT_ROW] : 0;
    s->ended = known && from->offsets[AT_END];
    postgres_free(s->connection);
    s->connection = NULL;
    return 0;
}

static int flush(struct stream_source *source, struct err *err)
{
    (void)source, (void)err;
    return 0;
}

static int64_t lag(struct stream_source *source)
{
    return self(source)->ended ? 0 : -1;
}

static const struct vec_columns *columns(struct stream_source *source)
{
    return &self(source)->columns;
}

static void source_free(struct stream_source *source)
{
    struct jdbc_source *s = self(source);

    if (!s)
        return;
    postgres_rows_free(s->rows);
    postgres_free(s->connection);
    row_decoder_free(s->decoder);
    vec_columns_free(&s->columns);
    source_wait_deinit(&s->wait);
    jdbc_table_deinit(&s->table);
    free(s->texts);
    free(s);
}

static const struct stream_source_ops ops = {
    poll, origin, wait_rows, wake, position, seek, flush, lag, columns, source_free,
};

int jdbc_source_new(const struct source_request *r, struct stream_source **out, struct err *err)
{
    struct jdbc_source *s = calloc(1, sizeof(*s));
    int rc;

    if (!s)
        return err_set(err, ERR_NOMEM, "source `%s`", r->table->name);
    s->source.ops = &ops;
    s->clock = r->connector->clock;
    source_wait_init(&s->wait);
    rc = jdbc_table_init(&s->table, r->table, err);
    if (!rc)
        rc = source_columns(r, &s->columns, err);
    if (!rc)
        rc = jdbc_decoder_new(&s->decoder, &s->table, &s->columns, err);
    if (!rc && !(s->texts = calloc((size_t)s->table.fetch_rows, sizeof(*s->texts))))
        rc = err_set(err, ERR_NOMEM, "rows");
    if (rc) {
        source_free(&s->source);
        return err_wrap(err, rc, "table `%s`", r->table->name);
    }
    *out = &s->source;
    return 0;
}
