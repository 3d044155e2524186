/* lake_source.c - snapshots, files and rows of a table, in an order that can be taken up again.
 *
 * What is read is a list of files: all of a snapshot, or those that a snapshot appended. One file
 * at a time becomes a query (lake/scan.h), so deletes and old schemas come out right. Planning the
 * same snapshot again gives the same files in the same order, which makes (snapshot, file, row) a
 * place.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <strings.h>

#include "connector/lake_source.h"
#include "connector/made_source.h"
#include "connector/session_int.h"

enum strategy { FROM_TABLE, FROM_LATEST, FROM_EARLIEST, FROM_ID, FROM_TIMESTAMP };

/* The place, as it is kept. */
enum { AT_SNAPSHOT, AT_WHOLE, AT_FILE, AT_ROW, AT_DONE, AT_COUNT };

struct lake_source {
    struct stream_source source; /* first */
    struct lake *lake;
    struct catalog *catalog;
    struct clock *clock;
    char *ns, *name, *branch, *select, *history; /* owned; history: summary asked for last */
    struct vec_columns columns;
    struct vec_conn *conn;
    struct source_wait wait;
    bool streaming;
    enum strategy strategy;
    int64_t monitor_ms, start; /* start: of FROM_ID and FROM_TIMESTAMP */
    int64_t asked;             /* bounded: this snapshot; -1: the newest */

    int64_t snapshot;        /* being read; -1: none */
    bool whole;              /* all of it, else what it appended */
    int64_t file, row, done; /* done: the last one read; -1: none */
    bool began, ended;
    int64_t looked_ms; /* at the table */
    char incarnation[64];

    struct arena arena; /* of the plan */
    struct lake_metadata *metadata;
    struct lake_plan plan;
    bool planned;
    struct vec_result *result;
    struct lake_plan one; /* the file that is open */
    bool opened;
};

static struct lake_source *self(struct stream_source *source)
{
    return (struct lake_source *)source;
}

static void close_file(struct lake_source *s)
{
    vec_result_free(s->result);
    s->result = NULL;
    if (s->opened)
        lake_plan_release(s->lake, &s->one);
    s->opened = false;
}

static void close_plan(struct lake_source *s)
{
    close_file(s);
    if (s->planned)
        lake_plan_release(s->lake, &s->plan);
    s->planned = false;
    lake_metadata_free(s->metadata);
    s->metadata = NULL;
    arena_reset(&s->arena);
}

/* ---- the table ---- */

static int load(struct lake_source *s, struct lake_metadata **out, struct err *err)
{
    struct lake_catalog *catalog = catalog_lake(s->catalog);
    struct lake_ident ident = {s->ns, s->name};
    struct arena arena = {0};
    const char *location;
    int rc = catalog->ops->load(catalog, &ident, &arena, &location, err);

    if (!rc)
        rc = lake_metadata_load(s->lake, location, out, err);
    if (!rc && s->incarnation[0] && strcmp(s->incarnation, (*out)->uuid) != 0) {
        lake_metadata_free(*out);
        rc = err_set(err, ERR_INVALID,
                     "table `%s` was dropped and made again: cancel the job and submit it under "
                     "another name to read the new one",
                     s->name);
    }
    if (!rc)
        snprintf(s->incarnation, sizeof(s->incarnation), "%s", (*out)->uuid);
    arena_deinit(&arena);
    return rc;
}

static int64_t newest(const struct lake_source *s, const struct lake_metadata *m)
{
    const struct lake_ref *ref = s->branch ? lake_metadata_branch(m, s->branch) : NULL;

    return s->branch ? (ref ? ref->snapshot_id : -1) : m->current_snapshot_id;
}

/* The ancestor of the newest that comes right after `done` (-1: the eldest). -1 when there is none;
 * *lost: `done` is no ancestor. */
static int64_t next_after(const struct lake_source *s, const struct lake_metadata *m, int64_t done,
                          bool *lost)
{
    int64_t next = -1, at = newest(s, m);

    *lost = false;
    while (at != -1 && at != done) {
        const struct lake_snapshot *snapshot = lake_metadata_snapshot_by_id(m, at);

        if (!snapshot)
            break; /* expired */
        next = at;
        at = snapshot->parent_id;
    }
    *lost = done != -1 && at != done;
    return next;
}

/* The first place of a stream that begins now. */
static int begin(struct lake_source *s, const struct lake_metadata *m, struct err *err)
{
    const struct lake_snapshot *snapshot;

    s->began = true;
    switch (s->strategy) {
    case FROM_TABLE:
        s->snapshot = newest(s, m);
        s->whole = true;
        break;
    case FROM_LATEST: /* what it appended, then what follows: as Iceberg's source */
        s->snapshot = newest(s, m);
        s->whole = false;
        break;
    case FROM_EARLIEST:
        break;
    case FROM_ID:
        snapshot = lake_metadata_snapshot_by_id(m, s->start);
        if (!snapshot)
            return err_set(err, ERR_INVALID, "`%s` has no snapshot %" PRId64, s->name, s->start);
        s->snapshot = s->start;
        s->whole = false;
        break;
    case FROM_TIMESTAMP:
        for (int64_t at = newest(s, m); at != -1; at = snapshot->parent_id) {
            snapshot = lake_metadata_snapshot_by_id(m, at);
            if (!snapshot || snapshot->timestamp_ms < s->start)
                break;
            s->snapshot = at;
        }
        if (s->snapshot == -1)
            s->done = newest(s, m);
        s->whole = false;
        break;
    }
    return 0;
}

/* Bounded: the one that was asked for. Streaming: the next that may hold rows. */
static int choose(struct lake_source *s, const struct lake_metadata *m, struct err *err)
{
    bool lost;

    if (!s->streaming) {
        s->snapshot = s->asked != -1 ? s->asked : newest(s, m);
        s->whole = s->began = true;
        s->ended = s->snapshot == -1;
        return 0;
    }
    if (!s->began)
        return begin(s, m, err);
    s->snapshot = next_after(s, m, s->done, &lost);
    s->whole = false;
    return lost ? err_set(err, ERR_INVALID,
                          "snapshot %" PRId64 " of `%s`, the last one read, is no ancestor of the "
                          "newest: it expired, or the table was rolled back",
                          s->done, s->name)
                : 0;
}

/* ---- planning ---- */

/* Keeps of the plan what the snapshot appended. False: it appended nothing that can be read. */
static bool keep_appended(struct lake_source *s)
{
    const struct lake_snapshot *snapshot = lake_metadata_snapshot_by_id(s->metadata, s->snapshot);
    size_t kept = 0;

    if (!snapshot || strcmp(snapshot->operation, "append") != 0) {
        if (snapshot && strcmp(snapshot->operation, "replace") != 0)
            diag_warn("job",
                      "`%s`: snapshot %" PRId64 " is an %s: streaming reads appended rows "
                      "alone",
                      s->name, s->snapshot, snapshot->operation);
        return false;
    }
    for (size_t i = 0; i < s->plan.file_count; i++)
        if (s->plan.files[i].entry.snapshot_id == s->snapshot)
            s->plan.files[kept++] = s->plan.files[i];
    s->plan.file_count = kept;
    return true;
}

static int plan(struct lake_source *s, struct err *err)
{
    int rc;

    if (!lake_metadata_snapshot_by_id(s->metadata, s->snapshot))
        return err_set(err, ERR_INVALID, "snapshot %" PRId64 " of `%s` expired before it was read",
                       s->snapshot, s->name);
    rc = lake_plan(s->lake, s->metadata, s->snapshot, lake_metadata_schema(s->metadata), NULL, 0,
                   &s->arena, &s->plan, err);
    s->planned = rc == 0;
    if (!rc && !s->whole && !keep_appended(s))
        s->plan.file_count = 0;
    return rc;
}

/* One file of the plan, as a query from row s->row on. */
static int open_file(struct lake_source *s, struct err *err)
{
    struct buf scan = {.max = SIZE_MAX}, sql = {.max = SIZE_MAX};
    int rc;

    s->one = s->plan;
    s->one.local = s->one.made = NULL;
    s->one.local_count = s->one.made_count = s->one.bit_count = s->one.held_count = 0;
    s->one.bits = NULL;
    s->one.held = NULL;
    s->one.files = &s->plan.files[s->file];
    s->one.file_count = 1;
    s->opened = true;
    rc = lake_scan_sql(s->lake, s->conn, &s->one, NULL, 0, &s->arena, &scan, err);
    if (!rc)
        rc = buf_printf(&sql, "SELECT %s FROM %.*s OFFSET %" PRId64, s->select, (int)scan.len,
                        (const char *)scan.ptr, s->row);
    if (!rc && !buf_cstr(&sql))
        rc = ERR_NOMEM;
    if (!rc)
        rc = vec_query(s->conn, buf_cstr(&sql), &s->result, err);
    buf_deinit(&scan);
    buf_deinit(&sql);
    return rc && !(err && err->code == rc) ? err_set(err, rc, "table `%s`", s->name) : rc;
}

static void finish_snapshot(struct lake_source *s)
{
    close_plan(s);
    s->done = s->snapshot;
    s->snapshot = -1;
    s->file = s->row = 0;
    s->ended = !s->streaming;
}

/* Looks for something to read. 1: there is, 0: not now. */
static int find_work(struct lake_source *s, struct err *err)
{
    int64_t now = clock_mono_ms(s->clock);
    int rc = 0;

    if (s->planned)
        return 1;
    if (s->streaming && s->began && s->snapshot == -1 && s->looked_ms &&
        now - s->looked_ms < s->monitor_ms)
        return 0;
    rc = load(s, &s->metadata, err);
    if (!rc && s->snapshot == -1)
        rc = choose(s, s->metadata, err);
    if (!rc && s->snapshot == -1) {
        s->looked_ms = now;
        close_plan(s);
        return 0;
    }
    rc = rc ? rc : plan(s, err);
    if (rc)
        close_plan(s);
    return rc ? rc : 1;
}

static int add_rows(struct lake_source *s, duckdb_data_chunk rows, struct vec_batch *out,
                    struct err *err)
{
    duckdb_data_chunk chunk = vec_chunk_new(&s->columns);
    int rc = chunk ? 0 : ERR_NOMEM;

    if (!rc) {
        vec_chunk_refer(chunk, rows);
        rc = vec_batch_add(out, chunk);
        if (rc)
            duckdb_destroy_data_chunk(&chunk);
    }
    if (!rc)
        s->row += (int64_t)duckdb_data_chunk_get_size(rows);
    return rc ? err_set(err, rc, "rows of `%s`", s->name) : 0;
}

static int poll(struct stream_source *source, struct vec_batch *out, stream_reject_fn *reject,
                void *arg, struct err *err)
{
    struct lake_source *s = self(source);
    duckdb_data_chunk chunk = NULL;
    int rc;

    (void)reject, (void)arg;
    while (!s->ended) {
        rc = find_work(s, err);
        if (rc < 0)
            return rc;
        if (!rc && !s->ended)
            return 0;
        if (s->ended)
            break;
        if (s->file >= (int64_t)s->plan.file_count) {
            finish_snapshot(s);
            continue;
        }
        rc = s->result ? 0 : open_file(s, err);
        if (!rc)
            rc = vec_result_next(s->result, &chunk, err);
        if (rc) {
            close_file(s);
            return err_wrap(err, rc, "table `%s`", s->name);
        }
        if (chunk && duckdb_data_chunk_get_size(chunk))
            return add_rows(s, chunk, out, err);
        if (!chunk) {
            close_file(s);
            s->file++;
            s->row = 0;
        }
    }
    return err_set(err, ERR_CLOSED, "`%s` is read", s->name);
}

/* ---- the rest of the table of a source ---- */

static int origin(struct stream_source *source, int64_t row, struct stream_reject *out,
                  struct err *err)
{
    struct lake_source *s = self(source);

    (void)err;
    *out = (struct stream_reject){.topic = s->name,
                                  .offset = row,
                                  .timestamp_ms = clock_wall_ms(s->clock),
                                  .value = SLICE_LIT("")};
    return 0;
}

static void wait_rows(struct stream_source *source, int64_t timeout_ms)
{
    struct lake_source *s = self(source);

    source_wait_for(&s->wait, timeout_ms < s->monitor_ms ? timeout_ms : s->monitor_ms);
}

static void wake(struct stream_source *source)
{
    source_wait_wake(&self(source)->wait);
}

static int position(struct stream_source *source, struct arena *arena, struct stream_position *out,
                    struct err *err)
{
    struct lake_source *s = self(source);

    *out = (struct stream_position){0};
    if (!s->began || !s->incarnation[0])
        return 0;
    out->incarnation = arena_strdup(arena, s->incarnation);
    out->offsets = ARENA_ARRAY(arena, int64_t, AT_COUNT);
    if (!out->incarnation || !out->offsets)
        return err_set(err, ERR_NOMEM, "place in `%s`", s->name);
    out->offsets[AT_SNAPSHOT] = s->snapshot;
    out->offsets[AT_WHOLE] = s->whole;
    out->offsets[AT_FILE] = s->file;
    out->offsets[AT_ROW] = s->row;
    out->offsets[AT_DONE] = s->done;
    out->count = AT_COUNT;
    return 0;
}

static int seek(struct stream_source *source, const struct stream_position *from, struct err *err)
{
    struct lake_source *s = self(source);

    (void)err;
    close_plan(s);
    s->snapshot = s->done = -1;
    s->file = s->row = 0;
    s->began = s->ended = s->whole = false;
    s->looked_ms = 0;
    if (!from || !from->incarnation || from->count != AT_COUNT)
        return 0;
    snprintf(s->incarnation, sizeof(s->incarnation), "%s", from->incarnation);
    s->snapshot = from->offsets[AT_SNAPSHOT];
    s->whole = from->offsets[AT_WHOLE] != 0;
    s->file = from->offsets[AT_FILE];
    s->row = from->offsets[AT_ROW];
    s->done = from->offsets[AT_DONE];
    s->began = true;
    s->ended = !s->streaming && s->snapshot == -1;
    return 0;
}

static int flush(struct stream_source *source, struct err *err)
{
    (void)source, (void)err;
    return 0; /* a snapshot is durable */
}

static int64_t lag(struct stream_source *source)
{
    (void)source;
    return -1;
}

static const struct vec_columns *columns(struct stream_source *source)
{
    return &self(source)->columns;
}

static void source_free(struct stream_source *source)
{
    struct lake_source *s = self(source);

    if (!s)
        return;
    close_plan(s);
    vec_conn_free(s->conn);
    vec_columns_free(&s->columns);
    source_wait_deinit(&s->wait);
    arena_deinit(&s->arena);
    free(s->ns);
    free(s->name);
    free(s->branch);
    free(s->select);
    free(s->history);
    free(s);
}

static const struct stream_source_ops ops = {
    poll, origin, wait_rows, wake, position, seek, flush, lag, columns, source_free,
};

const char *lake_source_summary(struct stream_source *source, const char *key)
{
    struct lake_source *s = self(source);
    struct lake_metadata *m = NULL;
    const struct lake_snapshot *snapshot;
    const char *value;
    struct err err = {0};

    free(s->history);
    s->history = NULL;
    if (load(s, &m, &err))
        return NULL;
    snapshot = lake_metadata_snapshot_by_id(m, s->done);
    value = snapshot ? lake_summary(snapshot, key) : NULL;
    while (snapshot && !value) { /* merges and deletions say nothing of it */
        snapshot = lake_metadata_snapshot_by_id(m, snapshot->parent_id);
        value = snapshot ? lake_summary(snapshot, key) : NULL;
    }
    s->history = value ? strdup(value) : NULL;
    lake_metadata_free(m);
    return s->history;
}

/* ---- options ---- */

static int read_strategy(struct lake_source *s, const struct sql_table *table, struct err *err)
{
    static const char *const names[] = {
        "TABLE_SCAN_THEN_INCREMENTAL", "INCREMENTAL_FROM_LATEST_SNAPSHOT",
        "INCREMENTAL_FROM_EARLIEST_SNAPSHOT", "INCREMENTAL_FROM_SNAPSHOT_ID",
        "INCREMENTAL_FROM_SNAPSHOT_TIMESTAMP"};
    static const char *const starts[] = {"start-snapshot-id", "start-snapshot-timestamp"};
    const char *name = sql_option(table->options, "starting-strategy"), *start;
    size_t i = 0;

    s->strategy = FROM_LATEST;
    while (name && i < COUNT_OF(names) && strcasecmp(names[i], name) != 0)
        i++;
    if (i == COUNT_OF(names))
        return err_set(err, ERR_INVALID, "'starting-strategy' = '%s': no such strategy", name);
    if (name)
        s->strategy = (enum strategy)i; /* in the order of the enum */
    if (s->strategy < FROM_ID)
        return 0;
    start = sql_option(table->options, starts[s->strategy - FROM_ID]);
    if (!start || slice_to_i64(slice_str(start), &s->start))
        return err_set(err, ERR_INVALID, "'starting-strategy' = '%s' needs '%s'", name,
                       starts[s->strategy - FROM_ID]);
    return 0;
}

static int read_options(struct lake_source *s, const struct sql_table *table, struct err *err)
{
    const char *streaming = sql_option(table->options, "streaming");
    const char *interval = sql_option(table->options, "monitor-interval");

    s->streaming = streaming && !strcasecmp(streaming, "true");
    s->monitor_ms = 10000;
    if (interval && (s->monitor_ms = source_duration_ms(interval)) <= 0)
        return err_set(err, ERR_INVALID, "'monitor-interval' = '%s' is no time: '5 s'", interval);
    return read_strategy(s, table, err);
}

/* The table's columns by name, cast to what the planner was told. */
static int make_select(struct lake_source *s, const struct sql_table *table, struct err *err)
{
    struct buf text = {0};
    int rc = 0;

    for (size_t i = 0; i < table->column_count && !rc; i++) {
        const struct sql_column *column = &table->columns[i];

        if (column->kind == SQL_COLUMN_COMPUTED)
            continue;
        rc = text.len ? buf_append_str(&text, ", ") : 0;
        rc = rc ? rc : buf_append_str(&text, "CAST(");
        if (column->kind == SQL_COLUMN_METADATA) /* of a topic that has this history */
            rc = rc ? rc : buf_append_str(&text, source_is_partition(column) ? "0" : "NULL");
        else
            rc = rc ? rc : lake_sql_name(&text, column->name);
        rc = rc ? rc : buf_append_str(&text, " AS ");
        rc = rc ? rc : sql_type_print_duckdb(column->type, &text);
        rc = rc ? rc : buf_append_str(&text, ") AS ");
        rc = rc ? rc : lake_sql_name(&text, column->name);
    }
    s->select = rc || !buf_cstr(&text) ? NULL : strdup(buf_cstr(&text));
    buf_deinit(&text);
    return s->select ? 0 : err_set(err, ERR_NOMEM, "table `%s`", table->name);
}

int lake_source_new(const struct source_request *r, struct stream_source **out, struct err *err)
{
    const struct session_table *handle = r->table->handle;
    struct lake_source *s = calloc(1, sizeof(*s));
    int rc;

    if (!s)
        return err_set(err, ERR_NOMEM, "table `%s`", r->table->name);
    s->source.ops = &ops;
    s->lake = r->connector->lake;
    s->catalog = r->connector->catalog;
    s->clock = r->connector->clock;
    s->snapshot = s->done = -1;
    source_wait_init(&s->wait);
    s->ns = strdup(handle->ident.ns);
    s->name = strdup(handle->ident.name);
    s->branch = handle->branch ? strdup(handle->branch) : NULL;
    s->asked = handle->branch ? -1 : handle->snapshot_id;
    rc = s->ns && s->name && (!handle->branch || s->branch)
             ? read_options(s, r->table, err)
             : err_set(err, ERR_NOMEM, "table `%s`", r->table->name);
    if (!rc && handle->inspect >= 0)
        rc = err_set(err, ERR_UNSUPPORTED, "a table about a table cannot be read as a stream");
    if (!rc && s->streaming && s->asked != -1)
        rc = err_set(err, ERR_INVALID,
                     "'streaming' reads from a snapshot on, not one: see "
                     "'starting-strategy'");
    if (!rc)
        rc = source_columns(r, &s->columns, err);
    if (!rc)
        rc = make_select(s, r->table, err);
    if (!rc)
        rc = vec_conn_new(&s->conn, r->connector->db, err);
    if (rc) {
        source_free(&s->source);
        return err_wrap(err, rc, "table `%s`", r->table->name);
    }
    *out = &s->source;
    return 0;
}
