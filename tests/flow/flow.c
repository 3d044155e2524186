/* flow.c - stream = batch: random queries over random rows and changes, cut into random batches, by
 * a program that loses power on the way, must leave what the same query gives over all rows at
 * rest.
 *
 *     flow [--first S] [--cases N] [--threads] [--verbose]
 *
 * A seed decides everything: the query (query.c), the rows and their disorder, which stays within
 * the watermarks' bound, the batches, and the disk calls at which power goes. The stream is the
 * real one: planner, operators, state, epochs in the metadata store, on a simulated disk; rows come
 * from and go to tables of connector/given.h's kind. The batch is DuckDB over tables that hold the
 * final rows, by the printer that `tarn sql` uses. A query that the planner refuses by name is
 * counted; one that only the stream refuses is a finding when it says INVALID. A failing seed
 * prints itself and its query; the same seed replays it.
 *
 * Most seeds have their operators in 2 to 4 shards, half of them in others after each restart. With
 * --threads these run on as many threads as the life at hand has, 1 to 4: then disk calls come in
 * any order, and what a seed does between two losses of power is not the same each time.
 */
#include <stdatomic.h>
#include <stdio.h>

#include "base/disk_sim.h"
#include "connector/flow_build.h"
#include "connector/given.h"
#include "connector/row_text.h"
#include "connector/session_int.h"
#include "tests/flow/query.h"

#define START_US   1735689600000000 /* 2025-01-01 */
#define BOUND_MS   5000             /* of disorder */
#define ROWS_MAX   40               /* of a table */
#define EVENTS_MAX 400
#define TABLES     3

static const char *const ddl[TABLES] = {
    "CREATE TABLE a (id BIGINT, k BIGINT, v BIGINT, s STRING, ts TIMESTAMP(3), "
    "WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'kafka', 'topic' = 'a', "
    "'format' = 'json')",
    "CREATE TABLE b (id BIGINT, k BIGINT, v BIGINT, s STRING, ts TIMESTAMP(3), "
    "WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'kafka', 'topic' = 'b', "
    "'format' = 'json')",
    "CREATE TABLE c (id BIGINT, k BIGINT, v BIGINT, s STRING, ts TIMESTAMP(3)) "
    "WITH ('connector' = 'kafka', 'topic' = 'c', 'format' = 'debezium-json')"};
static const char *const names[TABLES] = {"a", "b", "c"};

struct event {
    int table, kind; /* enum op_kind */
    int64_t id;
    int64_t at; /* when it comes; events are sorted by it */
    char json[200], values[200];
};

struct world {
    uint64_t seed;
    bool verbose;
    struct rng rng;
    struct vec_db *db;
    struct vec_conn *conn;
    struct arena arena;                  /* of the case */
    struct sql_table tables[TABLES + 1]; /* the last: where the stream's rows go */
    struct sql_resolver resolver;
    char query[QUERY_MAX], *insert;
    struct event events[EVENTS_MAX];
    int event_count;

    struct disk_sim *sim;
    struct clock_fake clock;
    struct given *given;
    struct connector_options connector; /* what sources look at */
    struct meta *meta;
    struct stream_job *job;
    bool threads;
    int64_t shards, lives; /* shards: of the state; 1: it has none */
    bool moves;            /* another number of them in each life */
    int64_t fail_at;
    _Atomic int64_t calls;
    _Atomic bool power_gone;
    int64_t crashes, refused, done, sharded;
};

/* ---- names ---- */

static int find_table(void *arg, const char *const *parts, size_t count,
                      const struct sql_table **out, struct err *err)
{
    struct world *w = arg;

    for (int i = 0; i <= TABLES; i++)
        if (w->tables[i].name && !strcmp(w->tables[i].name, parts[count - 1])) {
            *out = &w->tables[i];
            return 0;
        }
    return err_set(err, ERR_NOENT, "no table %s", parts[count - 1]);
}

static int define_tables(struct world *w, struct err *err)
{
    int rc = 0;

    w->resolver = (struct sql_resolver){.table = find_table, .arg = w, .time_zone = "UTC"};
    for (int i = 0; i < TABLES && !rc; i++) {
        struct sql_statement *st;

        rc = sql_parse_statement(slice_str(ddl[i]), &w->arena, &st, err);
        if (!rc)
            rc = sql_table_define(&st->create_table[0], NULL, &w->resolver, &w->arena,
                                  &w->tables[i], err);
        if (!rc)
            w->tables[i].options = &st->create_table->options;
    }
    return rc;
}

/* Where the rows go: a table of what the query gives, that takes changes. */
static int define_target(struct world *w, struct sql_bound **bound, struct err *err)
{
    static const char *const option[] = {"CREATE TABLE o (x INT) WITH ('connector' = 'print')"};
    struct sql_table *o = &w->tables[TABLES];
    struct sql_statement *st;
    struct sql_query *query;
    const struct sql_output *outputs;
    struct sql_column *columns;
    size_t count;
    int rc = sql_parse_query(slice_str(w->query), &w->arena, &query, err);

    if (!rc)
        rc = sql_bind_query(query, &w->resolver, &w->arena, bound, err);
    if (!rc)
        rc = sql_parse_statement(slice_str(option[0]), &w->arena, &st, err);
    if (rc)
        return rc;
    outputs = sql_bound_outputs(*bound, &count);
    columns = ARENA_ARRAY(&w->arena, struct sql_column, count);
    for (size_t i = 0; i < count; i++)
        columns[i] =
            (struct sql_column){.name = arena_printf(&w->arena, "o%zu", i),
                                .type = sql_type_nullable(&w->arena, outputs[i].type, true)};
    *o = (struct sql_table){.name = "o",
                            .columns = columns,
                            .column_count = count,
                            .options = &st->create_table->options};
    w->insert = arena_printf(&w->arena, "INSERT INTO o %s", w->query);
    return 0;
}

/* ---- rows ---- */

struct row {
    int64_t id, k, v, ts;
    int s; /* letter; 0: NULL */
    bool has_k, has_v, live;
};

static void random_values(struct world *w, struct row *row)
{
    row->k = (int64_t)rng_below(&w->rng, 5);
    row->v = (int64_t)rng_below(&w->rng, 12);
    row->s = rng_below(&w->rng, 6) ? 'x' + (int)rng_below(&w->rng, 3) : 0;
    row->has_k = rng_below(&w->rng, 8) > 0;
    row->has_v = rng_below(&w->rng, 8) > 0;
}

static void print_row(const struct row *r, int kind, struct event *e)
{
    static const char *const kinds[] = {"+I", "-U", "+U", "-D"};
    char k[24] = "null", v[24] = "null", s[8] = "null", ts[40];

    if (r->has_k)
        snprintf(k, sizeof(k), "%d", (int)r->k);
    if (r->has_v)
        snprintf(v, sizeof(v), "%d", (int)r->v);
    snprintf(ts, sizeof(ts), "2025-01-01 00:%02d:%02d.%03d", (int)(r->ts / 60000 % 60),
             (int)(r->ts / 1000 % 60), (int)(r->ts % 1000));
    if (r->s)
        snprintf(s, sizeof(s), "\"%c\"", r->s);
    snprintf(e->json, sizeof(e->json), "{\"id\":%d,\"k\":%s,\"v\":%s,\"s\":%s,\"ts\":\"%s\"%s%s%s}",
             (int)r->id, k, v, s, ts, kind ? ",\"$row_kind\":\"" : "", kind ? kinds[kind] : "",
             kind ? "\"" : "");
    if (r->s)
        snprintf(s, sizeof(s), "'%c'", r->s);
    snprintf(e->values, sizeof(e->values), "(%d, %s, %s, %s, '%s')", (int)r->id, k, v, s, ts);
}

static void add_event(struct world *w, int table, int kind, const struct row *row, int64_t at)
{
    struct event *e = &w->events[w->event_count++];

    *e = (struct event){.table = table, .kind = kind, .id = row->id, .at = at};
    print_row(row, kind, e);
}

static int by_time(const void *a, const void *b)
{
    const struct event *x = a, *y = b;

    return x->at < y->at ? -1 : x->at > y->at;
}

/* Times are unique; a row comes at most BOUND_MS after its time. */
static void random_rows(struct world *w)
{
    int count = (int)rng_below(&w->rng, ROWS_MAX);
    struct row c[8] = {0};
    int64_t at = 0;

    w->event_count = 0;
    for (int i = 0; i < 2 * count; i++) {
        struct row row = {.id = i, .ts = (at += 1 + (int64_t)rng_below(&w->rng, 1500))};

        random_values(w, &row);
        add_event(w, (int)rng_below(&w->rng, 2), 0, &row,
                  (row.ts + (int64_t)rng_below(&w->rng, BOUND_MS - 1)) * 1000 + i);
    }
    for (int i = 0; i < count; i++) {
        struct row *row = &c[rng_below(&w->rng, COUNT_OF(c))], before = *row;
        int64_t when = (int64_t)rng_below(&w->rng, 1000) + (int64_t)i * 1000000;

        if (row->live)
            add_event(w, 2, rng_below(&w->rng, 2) ? OP_UPDATE_BEFORE : OP_DELETE, row, when);
        if (row->live && w->events[w->event_count - 1].kind == OP_DELETE) {
            row->live = false;
            continue;
        }
        row->id = 1000 + (row - c);
        row->ts = i * 1000 + 7;
        random_values(w, row);
        row->live = true;
        add_event(w, 2, before.live ? OP_UPDATE_AFTER : OP_INSERT, row, when + 1);
    }
    qsort(w->events, (size_t)w->event_count, sizeof(*w->events), by_time);
}

/* ---- the batch ---- */

static const char *table_text(void *arg, const struct sql_table *table)
{
    (void)arg;
    return table->name;
}

static _Noreturn void broken(struct world *w, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void broken(struct world *w, const char *fmt, ...)
{
    va_list args;

    fprintf(stderr, "seed %" PRIu64 ": ", w->seed);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fprintf(stderr, "\n%s\n", w->query);
    exit(1);
}

static void must(struct world *w, int rc, const struct err *err, const char *what)
{
    if (rc)
        broken(w, "%s: %s", what, err->text);
}

/* Changes of c are played forward: only the last of an id counts. */
static bool stays(const struct world *w, int event)
{
    const struct event *e = &w->events[event];

    if (e->kind != OP_INSERT && e->kind != OP_UPDATE_AFTER)
        return false;
    for (int i = event + 1; i < w->event_count; i++)
        if (w->events[i].table == e->table && w->events[i].id == e->id)
            return false;
    return true;
}

static void run_sql(struct world *w, struct buf *sql)
{
    struct err err = {0};

    must(w, buf_cstr(sql) ? vec_exec(w->conn, buf_cstr(sql), &err) : ERR_NOMEM, &err,
         "filling the tables");
    buf_clear(sql);
}

/* The final rows at rest. One statement a table: what a statement costs is most of what a row does.
 */
static void fill_tables(struct world *w)
{
    struct buf sql = {.max = 1 << 20};

    for (int t = 0; t < TABLES; t++) {
        int rows = 0;

        buf_printf(&sql,
                   "CREATE OR REPLACE TABLE %s (id BIGINT, k BIGINT, v BIGINT, "
                   "s VARCHAR, ts TIMESTAMP)",
                   names[t]);
        run_sql(w, &sql);
        buf_printf(&sql, "INSERT INTO %s VALUES ", names[t]);
        for (int i = 0; i < w->event_count; i++)
            if (w->events[i].table == t && stays(w, i))
                buf_printf(&sql, "%s%s", rows++ ? ", " : "", w->events[i].values);
        if (rows)
            run_sql(w, &sql);
        buf_clear(&sql);
    }
    buf_deinit(&sql);
}

struct line {
    const char *text;
    size_t len;
};

static int by_text(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    int order = memcmp(x->text, y->text, x->len < y->len ? x->len : y->len);

    return order ? order : (int)x->len - (int)y->len;
}

/* Lines without their kind, sorted. */
static struct line *lines_of(struct world *w, struct slice text, size_t *count)
{
    size_t most = 1;
    struct line *lines;

    for (size_t i = 0; i < text.len; i++)
        most += text.ptr[i] == '\n';
    lines = ARENA_ARRAY(&w->arena, struct line, most);
    *count = 0;
    while (text.len) {
        const uint8_t *end = memchr(text.ptr, '\n', text.len);
        size_t len = end ? (size_t)(end - text.ptr) : text.len;

        lines[(*count)++] = (struct line){(const char *)text.ptr, len};
        text = slice_of(text.ptr + len + 1, text.len - len - (end != NULL));
    }
    return lines;
}

static struct line *batch_lines(struct world *w, struct sql_bound *bound, size_t *count)
{
    struct sql_duckdb_options options = {.table = table_text};
    struct buf sql = {0}, text = {.max = (size_t)64 << 20};
    struct vec_result *result = NULL;
    duckdb_data_chunk chunk;
    struct slice kept;
    struct err err = {0};
    struct line *lines;
    uint8_t *copy;

    must(w, sql_print_duckdb(bound, &options, &sql, &err), &err, "printing the batch");
    must(w, vec_query(w->conn, buf_cstr(&sql), &result, &err), &err, "the batch");
    for (;;) {
        must(w, vec_result_next(result, &chunk, &err), &err, "the batch");
        if (!chunk)
            break;
        for (idx_t i = 0; i < duckdb_data_chunk_get_size(chunk); i++)
            if (flink_row_text(vec_result_columns(result), chunk, i, &text, &err) ||
                buf_append_u8(&text, '\n'))
                broken(w, "rows of the batch: %s", err.text);
    }
    copy = arena_alloc(&w->arena, text.len + 1);
    memcpy(copy, text.len ? text.ptr : (uint8_t *)"", text.len);
    kept = slice_of(copy, text.len);
    lines = lines_of(w, kept, count);
    qsort(lines, *count, sizeof(*lines), by_text);
    vec_result_free(result);
    buf_deinit(&sql);
    buf_deinit(&text);
    return lines;
}

/* ---- the stream: a sink whose rows are true with the epoch ---- */

struct out_sink {
    struct stream_sink sink;
    struct vec_columns columns;
};
struct out_cut {
    struct stream_cut cut;
    struct buf lines;
};

static void free_cut(struct out_cut *cut)
{
    buf_deinit(&cut->lines);
    free(cut);
}

static int drain(struct stream_sink *sink, const struct vec_feed *feed, struct stream_cut **out,
                 struct err *err)
{
    struct out_sink *s = (struct out_sink *)sink;
    struct out_cut *cut = calloc(1, sizeof(*cut));
    idx_t rows = 1;
    int rc = 0;

    *out = NULL;
    cut->lines.max = (size_t)64 << 20;
    while (!rc && rows) {
        duckdb_data_chunk chunk = vec_chunk_new(&s->columns);

        rc = feed->pull(feed->arg, chunk, err);
        rows = rc ? 0 : duckdb_data_chunk_get_size(chunk);
        for (idx_t i = 0; i < rows && !rc; i++) {
            rc = flink_row_text(&s->columns, chunk, i, &cut->lines, err);
            if (!rc)
                rc = buf_append_u8(&cut->lines, '\n');
        }
        cut->cut.rows += (int64_t)rows;
        duckdb_destroy_data_chunk(&chunk);
    }
    if (rc || !cut->cut.rows)
        free_cut(cut);
    else
        *out = &cut->cut;
    return rc;
}

static int commit_in(struct stream_sink *sink, struct stream_cut *cut, struct meta_txn *txn,
                     struct err *err)
{
    (void)sink;
    return meta_exec(txn, err, "INSERT INTO flow_out (lines) VALUES (?)", "b",
                     buf_slice(&((struct out_cut *)cut)->lines));
}

static void after_commit(struct stream_sink *sink, struct stream_cut *cut,
                         enum stream_outcome outcome)
{
    (void)sink, (void)outcome;
    free_cut((struct out_cut *)cut);
}

static void sink_free(struct stream_sink *sink)
{
    if (sink)
        vec_columns_free(&((struct out_sink *)sink)->columns);
    free(sink);
}

static const struct stream_sink_ops sink_ops = {
    .drain = drain, .commit_in = commit_in, .after_commit = after_commit, .free = sink_free};

static int sink_new(struct world *w, const struct sql_insert_plan *plan, struct stream_sink **out,
                    struct err *err)
{
    struct out_sink *s = calloc(1, sizeof(*s));
    int rc = connector_columns(w->db, plan->outputs, plan->output_count, &s->columns, err);

    s->sink.ops = &sink_ops;
    if (!rc && plan->root->changes)
        vec_columns_add(&s->columns, OP_KIND, duckdb_create_logical_type(DUCKDB_TYPE_UTINYINT));
    *out = &s->sink;
    return rc;
}

static int open_table(void *arg, const struct sql_table *table, struct arena *arena,
                      struct stream_source **source, const char **topic, struct err *err)
{
    struct world *w = arg;
    struct source_request request = {&w->connector, table, "UTC"};

    (void)arena;
    *topic = table->name;
    return given_source(w->given, &request, source, err);
}

static int look_nowhere(void *arg, const struct sql_flow_looking *lookup,
                        struct op_lookup_table **out, struct err *err)
{
    (void)arg, (void)out;
    return err_set(err, ERR_UNSUPPORTED, "`%s` is a stream of this test", lookup->table->name);
}

static int plan(void *arg, const char *job, const char *script, struct arena *arena,
                struct stream_plan *out, struct err *err)
{
    struct sql_plan_options options = {0};
    struct sql_insert_plan insert;
    struct world *w = arg;
    struct flow_tables *tables = ARENA_NEW(arena, struct flow_tables);
    struct sql_statement *st;
    int rc = sql_parse_statement(slice_str(script), arena, &st, err);

    (void)job;
    if (!rc)
        rc = sql_plan_insert(st->insert, &w->resolver, &options, arena, &insert, err);
    if (rc)
        return rc;
    out->pipelines = ARENA_NEW(arena, struct stream_pipeline);
    out->count = 1;
    if (w->moves)
        w->shards = 1 + (int64_t)((w->seed / 8 + (uint64_t)w->lives) % 4);
    out->max_parallelism = w->shards;
    out->parallelism = 1 + (int64_t)((w->seed + (uint64_t)w->lives) % (uint64_t)w->shards);
    out->pipelines->name = "flow > o";
    out->pipelines->target = "o";
    *tables = (struct flow_tables){.open = open_table, .look = look_nowhere, .arg = w};
    rc = flow_build(insert.root, 0, arena, tables, out->pipelines, err);
    return rc ? rc : sink_new(w, &insert, &out->pipelines->sink, err);
}

/* ---- one life after another ---- */

static int on_call(void *arg, enum disk_call call, const char *path)
{
    struct world *w = arg;

    (void)call, (void)path;
    if (w->fail_at && atomic_fetch_add(&w->calls, 1) + 1 >= w->fail_at)
        w->power_gone = true;
    return w->power_gone ? ERR_IO : 0;
}

static int open_life(struct world *w, struct err *err)
{
    static const struct meta_migration out[] = {
        {"flow", 1, "CREATE TABLE flow_out (n INTEGER PRIMARY KEY, lines BLOB)"}, {NULL, 0, NULL}};
    static const struct meta_migration *const migrations[] = {stream_migrations, out, NULL};
    struct disk *disk = disk_sim_disk(w->sim);
    struct meta_options meta = {.path = "data/meta.db",
                                .disk = disk,
                                .clock = &w->clock.clock,
                                .migrations = migrations,
                                .no_thread = true};
    int rc = disk_mkdirs(disk, "data", err);

    w->lives++;
    if (!rc)
        rc = meta_new(&w->meta, &meta, err);
    if (!rc) {
        struct stream_engine_options engine = {.meta = w->meta,
                                               .db = w->db,
                                               .clock = &w->clock.clock,
                                               .disk = disk,
                                               .state_dir = "data/state",
                                               .step_threads = w->threads,
                                               .plan = plan,
                                               .plan_arg = w};

        rc = stream_job_new(&w->job, &engine, "flow", w->insert, err);
    }
    return rc;
}

static void close_life(struct world *w)
{
    stream_job_free(w->job);
    meta_free(w->meta);
    w->job = NULL;
    w->meta = NULL;
}

/* Power comes back, and everything is opened again; nothing fails now. */
static void recover_power(struct world *w)
{
    struct err err = {0};

    w->crashes++;
    w->fail_at = 0;
    w->power_gone = false;
    disk_sim_power_loss(w->sim);
    close_life(w);
    disk_sim_reboot(w->sim);
    must(w, open_life(w, &err), &err, "opening again");
}

static void step(struct world *w, int polls)
{
    struct err err = {0};
    int rc = stream_job_step(w->job, polls, &err);

    if (rc && !w->power_gone)
        broken(w, "the stream: %s", err.text);
    if (w->power_gone)
        recover_power(w);
}

static void run_stream(struct world *w)
{
    int given = 0;

    while (given < w->event_count) {
        int now = 1 + (int)rng_below(&w->rng, rng_below(&w->rng, 3) ? 8 : 80);

        for (; now && given < w->event_count; now--, given++) {
            const struct event *e = &w->events[given];
            struct err err = {0};

            must(w, given_row(w->given, names[e->table], slice_str(e->json), &err), &err, e->json);
        }
        clock_fake_advance(&w->clock, 1000000000);
        w->calls = 0;
        w->fail_at = rng_below(&w->rng, 4) ? 0 : 1 + (int64_t)rng_below(&w->rng, 60);
        step(w, 1 + (int)rng_below(&w->rng, 5));
    }
    w->fail_at = 0;
    given_end(w->given);
    for (int i = 0; i < 3; i++)
        step(w, 1000);
}

static int read_out(struct meta_txn *txn, void *arg, struct err *err)
{
    struct buf *out = arg;
    struct meta_stmt *st = NULL;
    int rc = meta_query(txn, &st, err, "SELECT lines FROM flow_out ORDER BY n", "");

    while (!rc && meta_next(st, err, &rc)) {
        struct slice lines = meta_blob(st, 0);

        buf_append(out, lines.ptr, lines.len);
    }
    meta_done(st);
    return rc;
}

/* ---- the two ---- */

/* +I and +U add a line, -U and -D take one like it back; what is left, sorted. */
static struct line *net_lines(struct world *w, struct line *all, size_t *count)
{
    size_t n = *count, left = 0;
    struct line *plus = ARENA_ARRAY(&w->arena, struct line, n + 1);
    struct line *minus = ARENA_ARRAY(&w->arena, struct line, n + 1);
    size_t p = 0, m = 0, at = 0;

    for (size_t i = 0; i < n; i++) {
        struct line line = {all[i].text + 2, all[i].len - 2};

        if (all[i].text[0] == '+')
            plus[p++] = line;
        else
            minus[m++] = line;
    }
    qsort(plus, p, sizeof(*plus), by_text);
    qsort(minus, m, sizeof(*minus), by_text);
    for (size_t i = 0; i < p; i++) {
        int order = at < m ? by_text(&plus[i], &minus[at]) : -1;

        if (order > 0)
            broken(w, "taken back and never given: %.*s", (int)minus[at].len, minus[at].text);
        if (order == 0)
            at++;
        else
            plus[left++] = plus[i];
    }
    if (at < m)
        broken(w, "taken back and never given: %.*s", (int)minus[at].len, minus[at].text);
    *count = left;
    return plus;
}

static void compare(struct world *w, struct sql_bound *bound)
{
    struct buf out = {.max = (size_t)256 << 20};
    size_t want_count, have_count;
    struct line *want = batch_lines(w, bound, &want_count), *have;
    struct err err = {0};

    must(w, meta_read(w->meta, read_out, &out, &err), &err, "what came out");
    have = lines_of(w, buf_slice(&out), &have_count);
    have = net_lines(w, have, &have_count);
    for (size_t i = 0; i < want_count || i < have_count; i++) {
        struct line none = {"nothing", 7};
        struct line a = i < want_count ? (struct line){want[i].text + 2, want[i].len - 2} : none;
        struct line b = i < have_count ? have[i] : none;

        if (by_text(&a, &b))
            broken(w, "batch has %zu rows, the stream %zu; first: %.*s and %.*s", want_count,
                   have_count, (int)a.len, a.text, (int)b.len, b.text);
    }
    if (w->verbose)
        printf("seed %" PRIu64 ": %zu rows\n", w->seed, want_count);
    buf_deinit(&out);
}

static void run_case(struct world *w)
{
    struct sql_bound *bound = NULL;
    struct err err = {0};
    int rc;

    rng_init(&w->rng, w->seed);
    memset(w->tables, 0, sizeof(w->tables));
    query_random(&w->rng, w->seed % 4 == 3, w->query);
    if (w->verbose)
        printf("seed %" PRIu64 ": %s\n", w->seed, w->query);
    must(w, define_tables(w, &err), &err, "tables");
    must(w, define_target(w, &bound, &err), &err, "binding");
    random_rows(w);
    clock_fake_init(&w->clock, START_US);
    w->connector = (struct connector_options){.db = w->db, .clock = &w->clock.clock};
    must(w, disk_sim_new(&w->sim, w->seed, &err), &err, "disk");
    disk_sim_on_call(w->sim, on_call, w);
    must(w, given_new(&w->given, &err), &err, "given");
    w->fail_at = 0;
    w->power_gone = false;
    w->shards = 1 + (int64_t)(w->seed % 4);
    w->moves = w->seed / 4 % 2;
    w->lives = 0;
    rc = open_life(w, &err);
    if (rc == ERR_UNSUPPORTED) {
        w->refused++;
        if (w->verbose)
            printf("seed %" PRIu64 ": refused: %s\n", w->seed, err.text);
    } else {
        must(w, rc, &err, "planning");
        fill_tables(w);
        run_stream(w);
        compare(w, bound);
        w->done++;
        w->sharded += w->moves || w->shards > 1;
    }
    close_life(w);
    given_free(w->given);
    disk_sim_free(w->sim);
    arena_deinit(&w->arena);
    memset(&w->arena, 0, sizeof(w->arena));
}

int main(int argc, char **argv)
{
    static struct world w;
    struct vec_options options = {.threads = 1, .memory_bytes = 512 << 20, .temp_dir = "/tmp"};
    uint64_t first = 1, cases = 200;
    struct err err = {0};

    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--first") && i + 1 < argc)
            first = strtoull(argv[++i], NULL, 10);
        else if (!strcmp(argv[i], "--cases") && i + 1 < argc)
            cases = strtoull(argv[++i], NULL, 10);
        else if (!strcmp(argv[i], "--threads"))
            w.threads = true;
        else if (!strcmp(argv[i], "--verbose"))
            w.verbose = true;
        else
            return fprintf(stderr, "flow [--first S] [--cases N] [--threads] [--verbose]\n"), 2;
    }
    diag_set_level(w.verbose ? DIAG_INFO : DIAG_ERROR + 1); /* a loss of power is full of errors */
    if (vec_db_new(&w.db, &options, &err) || vec_conn_new(&w.conn, w.db, &err) ||
        vec_functions_register(w.conn, &err))
        return fprintf(stderr, "%s\n", err.text), 1;
    for (w.seed = first; w.seed < first + cases; w.seed++)
        run_case(&w);
    vec_conn_free(w.conn);
    vec_db_free(w.db);
    printf("%" PRId64 " passed, 0 failed\n", w.done);
    fprintf(stderr,
            "%" PRId64 " queries refused by name, power lost %" PRId64 " times, %" PRId64
            " may have shards\n",
            w.refused, w.crashes, w.sharded);
    return 0;
}
