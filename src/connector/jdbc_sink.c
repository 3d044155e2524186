/* jdbc_sink.c - rows to a table of a database.
 *
 * With a primary key a row replaces the one of its key (ON CONFLICT) and a deletion removes it;
 * without one rows are appended. An interval is one transaction on a connection of its own: it is
 * written while rows come and committed when the interval is staged, so the next interval may be
 * written meanwhile, which waits for the first one's locks where both touch a row. */
#include <pthread.h>

#include "connector/formats.h"
#include "connector/jdbc.h"

#define ROWS_MAX    5000 /* of one statement */
#define BATCH_BYTES ((size_t)4 << 20)

struct pending { /* a row on its way, in `text` and `keys` */
    size_t text, text_len, key, key_len;
    uint32_t number;
    bool deletes;
};

struct link { /* a connection, and its next in the list of those that wait */
    struct postgres *connection;
    struct link *next;
};

struct jdbc_cut {
    struct stream_cut cut; /* first */
    struct link *link;     /* its transaction; NULL: committed */
};

struct jdbc_sink {
    struct stream_sink sink; /* first */
    struct jdbc_table table;
    struct vec_columns columns;
    bool changes;
    struct row_encoder *row, *key; /* key: NULL without a primary key */
    char *put, *remove;            /* statements; made with the first connection */
    size_t rows_max;
    struct pending *list;
    size_t count;
    struct buf text, keys, statement;
    pthread_mutex_t mutex; /* of what follows, and of the first connection */
    struct link *idle;
};

static struct jdbc_sink *self(struct stream_sink *sink)
{
    return (struct jdbc_sink *)sink;
}

/* ---- statements ---- */

static int put_conflict(const struct jdbc_sink *s, struct buf *out, const bool *keys,
                        const bool *others)
{
    int rc = buf_append_str(out, " ON CONFLICT (");

    rc = rc ? rc : jdbc_put_list(out, &s->table, keys, "");
    if (!rc && s->table.key_count == s->table.count)
        return buf_append_str(out, ") DO NOTHING");
    rc = rc ? rc : buf_append_str(out, ") DO UPDATE SET ");
    return rc ? rc : jdbc_put_pairs(out, &s->table, others, "", "EXCLUDED.", ", ");
}

static int put_insert(const struct jdbc_sink *s, struct buf *out, const bool *all)
{
    int rc = buf_printf(out, "INSERT INTO %s (", s->table.target);

    rc = rc ? rc : jdbc_put_list(out, &s->table, all, "");
    rc = rc ? rc : buf_append_str(out, ") SELECT ");
    rc = rc ? rc : jdbc_put_list(out, &s->table, all, "x.");
    rc = rc ? rc : buf_append_str(out, " FROM ");
    return rc ? rc : jdbc_put_records(out, &s->table, all, false);
}

static int put_delete(const struct jdbc_sink *s, struct buf *out, const bool *keys)
{
    int rc = buf_printf(out, "DELETE FROM %s t USING ", s->table.target);

    rc = rc ? rc : jdbc_put_records(out, &s->table, keys, true);
    rc = rc ? rc : buf_append_str(out, " WHERE ");
    return rc ? rc : jdbc_put_pairs(out, &s->table, keys, "t.", "x.", " AND ");
}

static int make_statements(struct jdbc_sink *s, struct err *err)
{
    size_t n = s->table.count;
    bool *marks = calloc(3 * n + 1, sizeof(*marks)), *keys = marks + n, *others = keys + n;
    struct buf put = {0}, remove = {0};
    int rc = marks ? 0 : ERR_NOMEM;

    for (size_t i = 0; i < n && !rc; i++) {
        marks[i] = true;
        keys[i] = s->table.columns[i].is_key;
        others[i] = !keys[i];
    }
    rc = rc ? rc : put_insert(s, &put, marks);
    if (!rc && s->key) {
        rc = put_conflict(s, &put, keys, others);
        rc = rc ? rc : put_delete(s, &remove, keys);
        s->remove = rc ? NULL : arena_cstr(&s->table.arena, buf_slice(&remove));
    }
    s->put = rc ? NULL : arena_cstr(&s->table.arena, buf_slice(&put));
    buf_deinit(&put);
    buf_deinit(&remove);
    free(marks);
    return s->put && (s->remove || !s->key) ? 0 : err_set(err, ERR_NOMEM, "statements");
}

/* ---- connections ---- */

static void link_free(struct link *link)
{
    if (!link)
        return;
    postgres_free(link->connection);
    free(link);
}

static int new_link(struct jdbc_sink *s, struct link **out, struct err *err)
{
    struct link *link = calloc(1, sizeof(*link));
    int rc = link ? jdbc_connect(&s->table, &link->connection, err)
                  : err_set(err, ERR_NOMEM, "a connection");

    if (!rc && !s->put)
        rc = make_statements(s, err);
    if (rc) {
        link_free(link);
        return rc;
    }
    *out = link;
    return 0;
}

/* One that waits, or a new one; with a transaction begun. A server that was away has closed those
 * that wait. */
static int take_link(struct jdbc_sink *s, struct link **out, struct err *err)
{
    struct link *link;
    int rc = 0;

    pthread_mutex_lock(&s->mutex);
    while ((link = s->idle)) {
        s->idle = link->next;
        rc = postgres_run(link->connection, "BEGIN", NULL, 0, NULL, err);
        if (!rc)
            break;
        link_free(link);
    }
    if (!link) {
        rc = new_link(s, &link, err);
        if (!rc)
            rc = postgres_run(link->connection, "BEGIN", NULL, 0, NULL, err);
        if (rc)
            link_free(link);
    }
    pthread_mutex_unlock(&s->mutex);
    *out = rc ? NULL : link;
    return rc;
}

static void give_back(struct jdbc_sink *s, struct link *link)
{
    pthread_mutex_lock(&s->mutex);
    link->next = s->idle;
    s->idle = link;
    pthread_mutex_unlock(&s->mutex);
}

/* ---- rows ---- */

static struct slice key_of(const struct jdbc_sink *s, const struct pending *p)
{
    return slice_of(s->keys.ptr + p->key, p->key_len);
}

static int by_key(const void *a, const void *b, void *arg)
{
    const struct pending *x = a, *y = b;
    int order = slice_cmp(key_of(arg, x), key_of(arg, y));

    return order ? order : (x->number > y->number) - (x->number < y->number);
}

/* Of the rows of one key the last one is what counts, and one statement takes a key once. */
static void keep_last(struct jdbc_sink *s)
{
    size_t kept = 0;

    qsort_r(s->list, s->count, sizeof(*s->list), by_key, s);
    for (size_t i = 0; i < s->count; i++)
        if (i + 1 == s->count || !slice_eq(key_of(s, &s->list[i]), key_of(s, &s->list[i + 1])))
            s->list[kept++] = s->list[i];
    s->count = kept;
}

/* All rows that are deleted, or all others, by one statement. */
static int send_some(struct jdbc_sink *s, struct postgres *connection, bool deletes,
                     struct err *err)
{
    const char *text;
    size_t count = 0;
    int rc;

    buf_clear(&s->statement);
    rc = buf_append_u8(&s->statement, '[');
    for (size_t i = 0; i < s->count && !rc; i++) {
        const struct pending *p = &s->list[i];

        if (p->deletes != deletes)
            continue;
        rc = count++ ? buf_append_u8(&s->statement, ',') : 0;
        rc = rc ? rc
                : buf_append(&s->statement, deletes ? s->keys.ptr + p->key : s->text.ptr + p->text,
                             deletes ? p->key_len : p->text_len);
    }
    rc = rc ? rc : buf_append_u8(&s->statement, ']');
    text = rc ? NULL : buf_cstr(&s->statement);
    if (!text)
        return err_set(err, ERR_NOMEM, "rows of `%s`", s->table.name);
    return count ? postgres_run(connection, deletes ? s->remove : s->put, &text, 1, NULL, err) : 0;
}

static int send_pending(struct jdbc_sink *s, struct jdbc_cut *cut, struct err *err)
{
    int rc = 0;

    if (!s->count)
        return 0;
    if (s->key)
        keep_last(s);
    if (!cut->link)
        rc = take_link(s, &cut->link, err);
    if (!rc && s->key)
        rc = send_some(s, cut->link->connection, true, err);
    if (!rc)
        rc = send_some(s, cut->link->connection, false, err);
    s->count = 0;
    buf_clear(&s->text);
    buf_clear(&s->keys);
    return rc;
}

static int add_row(struct jdbc_sink *s, struct jdbc_cut *cut, duckdb_data_chunk chunk, idx_t row,
                   enum row_kind kind, struct err *err)
{
    struct pending p = {.text = s->text.len,
                        .key = s->keys.len,
                        .number = (uint32_t)s->count,
                        .deletes = kind == ROW_DELETE || kind == ROW_UPDATE_BEFORE};
    bool null;
    int rc = row_encode(s->row, chunk, row, kind, &s->text, &null, err);

    if (!rc && s->key)
        rc = row_encode(s->key, chunk, row, kind, &s->keys, &null, err);
    if (rc)
        return rc;
    p.text_len = s->text.len - p.text;
    p.key_len = s->keys.len - p.key;
    s->list[s->count++] = p;
    cut->cut.rows++;
    return s->count == s->rows_max || s->text.len > BATCH_BYTES ? send_pending(s, cut, err) : 0;
}

static int add_chunk(struct jdbc_sink *s, struct jdbc_cut *cut, duckdb_data_chunk chunk,
                     struct err *err)
{
    idx_t rows = duckdb_data_chunk_get_size(chunk);
    const uint8_t *kinds = NULL;
    int rc = 0;

    if (s->changes)
        kinds = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, s->columns.count - 1));
    for (idx_t row = 0; row < rows && !rc; row++)
        rc = add_row(s, cut, chunk, row, kinds ? (enum row_kind)(kinds[row] & 3) : ROW_INSERT, err);
    return rc;
}

struct draining {
    struct jdbc_sink *sink;
    struct jdbc_cut *cut;
};

static int take_chunk(void *arg, duckdb_data_chunk chunk, struct err *err)
{
    const struct draining *d = arg;

    return add_chunk(d->sink, d->cut, chunk, err);
}

static int drain(struct stream_sink *sink, const struct vec_feed *feed, struct stream_cut **out,
                 struct err *err)
{
    struct jdbc_sink *s = self(sink);
    struct jdbc_cut *cut = calloc(1, sizeof(*cut));
    struct draining draining = {s, cut};
    int rc = cut ? vec_feed_each(feed, take_chunk, &draining, err)
                 : err_set(err, ERR_NOMEM, "`%s`", s->table.name);

    *out = NULL;
    if (!rc)
        rc = send_pending(s, cut, err);
    if (!rc && cut->cut.rows) {
        *out = &cut->cut;
        return 0;
    }
    if (cut)
        link_free(cut->link); /* and with it the transaction */
    free(cut);
    return rc ? err_wrap(err, rc, "table `%s`", s->table.name) : 0;
}

/* ---- making it true ---- */

/* Again after a conflict of somebody else's tables: it is committed already. */
static int stage(struct stream_sink *sink, struct stream_cut *base,
                 const struct stream_epoch *epoch, struct err *err)
{
    struct jdbc_sink *s = self(sink);
    struct jdbc_cut *cut = (struct jdbc_cut *)base;
    int rc;

    (void)epoch;
    if (!cut->link)
        return 0;
    rc = postgres_run(cut->link->connection, "COMMIT", NULL, 0, NULL, err);
    if (rc)
        return err_wrap(err, rc, "table `%s`", s->table.name);
    give_back(s, cut->link);
    cut->link = NULL;
    return 0;
}

static void after_commit(struct stream_sink *sink, struct stream_cut *base,
                         enum stream_outcome outcome)
{
    struct jdbc_cut *cut = (struct jdbc_cut *)base;

    (void)sink, (void)outcome;
    link_free(cut->link);
    free(cut);
}

/* A job whose table is not there says so when it starts, not with its first row. */
static int recover(struct stream_sink *sink, struct err *err)
{
    struct jdbc_sink *s = self(sink);
    struct link *link;
    int rc = new_link(s, &link, err);

    if (!rc)
        give_back(s, link);
    return rc;
}

static void sink_free(struct stream_sink *sink)
{
    struct jdbc_sink *s = self(sink);

    if (!s)
        return;
    while (s->idle) {
        struct link *link = s->idle;

        s->idle = link->next;
        link_free(link);
    }
    pthread_mutex_destroy(&s->mutex);
    row_encoder_free(s->row);
    row_encoder_free(s->key);
    vec_columns_free(&s->columns);
    jdbc_table_deinit(&s->table);
    buf_deinit(&s->text);
    buf_deinit(&s->keys);
    buf_deinit(&s->statement);
    free(s->list);
    free(s);
}

static const struct stream_sink_ops ops = {
    .drain = drain,
    .stage = stage,
    .after_commit = after_commit,
    .recover = recover,
    .free = sink_free,
};

/* ---- what the table says ---- */

static const char *format_option(void *arg, const char *key)
{
    (void)arg;
    return !strcmp(key, "timestamp-format.standard") ? "ISO-8601" : NULL;
}

static int make_encoders(struct jdbc_sink *s, struct err *err)
{
    struct row_options options = {format_option, NULL};
    struct row_encoder_field *all = calloc(s->table.count + 1, sizeof(*all)),
                             *keys = calloc(s->table.count + 1, sizeof(*keys));
    size_t count = 0;
    int rc = all && keys ? 0 : err_set(err, ERR_NOMEM, "columns");

    for (size_t i = 0; i < s->table.count && !rc; i++) {
        const struct jdbc_column *c = &s->table.columns[i];

        all[i] = (struct row_encoder_field){c->name, s->columns.list[i].type, i};
        if (c->is_key)
            keys[count++] = all[i];
    }
    if (!rc)
        rc = row_encoder_new(&s->row, "json", all, s->table.count, &options, err);
    if (!rc && count)
        rc = row_encoder_new(&s->key, "json", keys, count, &options, err);
    free(all);
    free(keys);
    return rc;
}

static int read_table(struct jdbc_sink *s, const struct sink_request *r, struct err *err)
{
    const char *most = sql_option(r->table->options, "sink.buffer-flush.max-rows");
    int64_t rows = 0;
    int rc = jdbc_table_init(&s->table, r->table, err);

    if (rc)
        return rc;
    s->changes = op_kind_column(&s->columns) >= 0;
    if (s->columns.count - s->changes != s->table.count)
        return err_set(err, ERR_INTERNAL, "the feed has other columns than the table");
    if (s->changes && !s->table.key_count)
        return err_set(err, ERR_INVALID,
                       "this query gives updates and deletes: 'jdbc' needs a key for them, "
                       "PRIMARY KEY (...) NOT ENFORCED");
    if (most && (slice_to_i64(slice_str(most), &rows) || rows < 0))
        return err_set(err, ERR_INVALID, "'sink.buffer-flush.max-rows' = '%s': a number", most);
    s->rows_max = rows > ROWS_MAX ? (size_t)(rows < 100000 ? rows : 100000) : ROWS_MAX;
    s->list = calloc(s->rows_max, sizeof(*s->list));
    return s->list ? make_encoders(s, err) : err_set(err, ERR_NOMEM, "rows");
}

int jdbc_sink_new(const struct sink_request *r, struct stream_sink **out, struct err *err)
{
    struct jdbc_sink *s = calloc(1, sizeof(*s));
    int rc;

    if (!s)
        return err_set(err, ERR_NOMEM, "sink `%s`", r->table->name);
    s->sink.ops = &ops;
    s->text.max = s->keys.max = s->statement.max = (size_t)512 << 20;
    pthread_mutex_init(&s->mutex, NULL);
    rc = vec_columns_copy(&s->columns, r->columns);
    if (rc)
        err_set(err, rc, "columns");
    if (!rc)
        rc = read_table(s, r, err);
    if (rc) {
        sink_free(&s->sink);
        return err_wrap(err, rc, "table `%s`", r->table->name);
    }
    *out = &s->sink;
    return 0;
}
