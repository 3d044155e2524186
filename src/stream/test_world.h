/* test_world.h - for tests: two inputs of numbers, operators that count and sum them by key, a sink
 * whose rows are true with the epoch, and what the table must be. */
#ifndef STREAM_TEST_WORLD_H
#define STREAM_TEST_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/disk_sim.h"
#include "operator/shards.h"
#include "stream/stream_int.h"

#define POLL_ROWS 100
#define INPUTS    2
#define KEYS      50

struct world {
    struct meta *meta;
    struct vec_db *db;
    struct clock *clock;
    struct disk *disk;
    char dir[64], savepoints[100];
    _Atomic int64_t produced[INPUTS];
    _Atomic bool bounded[INPUTS], silent_odd[INPUTS];
    _Atomic int drain_fails;
    const char *const *settings; /* key, value, ..., NULL */
    bool windows;                /* else a change stream */
    bool shared;                 /* both inputs read the first source */
    int64_t idle_ms;
};

/* ---- sources ---- */

struct test_source {
    struct stream_source source;
    struct world *world;
    int number;
    struct vec_columns columns;
    _Atomic int64_t next;
};

static int64_t key_of(int input, int64_t n)
{
    return (n * 7 + input) % KEYS;
}

static int poll(struct stream_source *source, struct vec_batch *out, stream_reject_fn *reject,
                void *arg, struct err *err)
{
    struct test_source *s = (struct test_source *)source;
    int64_t end = atomic_load(&s->world->produced[s->number]);
    duckdb_data_chunk chunk;
    idx_t rows = 0;

    (void)reject;
    (void)arg;
    if (s->next >= end)
        return s->world->bounded[s->number] ? err_set(err, ERR_CLOSED, "end") : 0;
    chunk = vec_chunk_new(&s->columns);
    for (; rows < POLL_ROWS && s->next < end; s->next++) {
        int64_t n = s->next;

        if (n % 2 && s->world->silent_odd[s->number])
            continue;
        ((int32_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0)))[rows] =
            (int32_t)(n % 2);
        ((int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 1)))[rows] =
            key_of(s->number, n);
        ((int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 2)))[rows] = n;
        ((int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 3)))[rows] =
            n * 1000;
        rows++;
    }
    duckdb_data_chunk_set_size(chunk, rows);
    assert_int_equal(vec_batch_add(out, chunk), 0);
    return 0;
}

static int origin(struct stream_source *source, int64_t row, struct stream_reject *out,
                  struct err *err)
{
    (void)source;
    (void)row;
    (void)out;
    return err_set(err, ERR_INVALID, "no row of this test is rejected");
}

static void wait_ms(struct stream_source *source, int64_t timeout_ms)
{
    (void)source;
    clock_system()->sleep_ns(clock_system(), timeout_ms > 2 ? 2000000 : timeout_ms * 1000000);
}

static void wake(struct stream_source *source)
{
    (void)source;
}

static int position(struct stream_source *source, struct arena *arena, struct stream_position *out,
                    struct err *err)
{
    (void)err;
    out->incarnation = "one";
    out->offsets = ARENA_ARRAY(arena, int64_t, 2);
    out->offsets[0] = ((struct test_source *)source)->next;
    out->offsets[1] = 0;
    out->count = 2;
    return 0;
}

static int seek(struct stream_source *source, const struct stream_position *from, struct err *err)
{
    (void)err;
    ((struct test_source *)source)->next = from ? from->offsets[0] : 0;
    return 0;
}

static int flush(struct stream_source *source, struct err *err)
{
    return (void)source, (void)err, 0;
}

static int64_t lag(struct stream_source *source)
{
    struct test_source *s = (struct test_source *)source;

    return atomic_load(&s->world->produced[s->number]) - s->next;
}

static const struct vec_columns *columns(struct stream_source *source)
{
    return &((struct test_source *)source)->columns;
}

static void source_free(struct stream_source *source)
{
    vec_columns_free(&((struct test_source *)source)->columns);
    free(source);
}

static const struct stream_source_ops source_ops = {
    poll, origin, wait_ms, wake, position, seek, flush, lag, columns, source_free,
};

static struct stream_source *test_source(struct world *world, int number)
{
    struct test_source *s = calloc(1, sizeof(*s));

    s->source.ops = &source_ops;
    s->world = world;
    s->number = number;
    vec_columns_add(&s->columns, "p", duckdb_create_logical_type(DUCKDB_TYPE_INTEGER));
    vec_columns_add(&s->columns, "k", duckdb_create_logical_type(DUCKDB_TYPE_BIGINT));
    vec_columns_add(&s->columns, "n", duckdb_create_logical_type(DUCKDB_TYPE_BIGINT));
    vec_columns_add(&s->columns, "t", duckdb_create_logical_type(DUCKDB_TYPE_TIMESTAMP));
    return &s->source;
}

/* ---- the sink: (key, count, sum, kind) ---- */

struct test_cut {
    struct stream_cut cut;
    int64_t (*rows)[4];
};

struct test_sink {
    struct stream_sink sink;
    struct world *world;
};

static int drain(struct stream_sink *sink, const struct vec_feed *feed, struct stream_cut **out,
                 struct err *err)
{
    struct test_sink *s = (struct test_sink *)sink;
    struct test_cut *cut = calloc(1, sizeof(*cut));
    size_t cap = 0;
    int rc = 0;

    *out = NULL;
    for (bool more = true; more && !rc;) {
        duckdb_data_chunk chunk = vec_chunk_new(feed->columns);
        idx_t rows;

        rc = feed->pull(feed->arg, chunk, err);
        rows = rc ? 0 : duckdb_data_chunk_get_size(chunk);
        for (idx_t i = 0; i < rows; i++) {
            int64_t *to;

            if ((size_t)cut->cut.rows == cap)
                cut->rows = realloc(cut->rows, (cap = cap ? cap * 2 : 64) * sizeof(*cut->rows));
            to = cut->rows[cut->cut.rows++];
            for (idx_t c = 0; c < 3; c++)
                to[c] =
                    ((int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, c)))[i];
            to[3] = s->world->windows ? 0
                                      : ((uint8_t *)duckdb_vector_get_data(
                                            duckdb_data_chunk_get_vector(chunk, 3)))[i];
        }
        more = rows > 0;
        duckdb_destroy_data_chunk(&chunk);
    }
    if (!rc && atomic_load(&s->world->drain_fails) > 0) {
        atomic_fetch_sub(&s->world->drain_fails, 1);
        rc = err_set(err, ERR_IO, "the disk had a bad day");
    }
    if (rc) {
        free(cut->rows);
        free(cut);
        return rc;
    }
    *out = &cut->cut;
    return 0;
}

static int stage(struct stream_sink *sink, struct stream_cut *cut, const struct stream_epoch *epoch,
                 struct err *err)
{
    return (void)sink, (void)cut, (void)epoch, (void)err, 0;
}

static int commit_in(struct stream_sink *sink, struct stream_cut *base, struct meta_txn *txn,
                     struct err *err)
{
    struct test_cut *cut = (struct test_cut *)base;
    int rc = 0;

    (void)sink;
    for (int64_t i = 0; i < base->rows && !rc; i++)
        rc = meta_exec(txn, err, "INSERT INTO changes VALUES(?1, ?2, ?3, ?4)", "iiii",
                       cut->rows[i][0], cut->rows[i][1], cut->rows[i][2], cut->rows[i][3]);
    return rc;
}

static void after_commit(struct stream_sink *sink, struct stream_cut *base,
                         enum stream_outcome outcome)
{
    (void)sink;
    (void)outcome;
    free(((struct test_cut *)base)->rows);
    free(base);
}

static int recover(struct stream_sink *sink, struct err *err)
{
    return (void)sink, (void)err, 0;
}
static void sink_free(struct stream_sink *sink)
{
    free(sink);
}

static const struct stream_sink_ops sink_ops = {
    .drain = drain,
    .stage = stage,
    .commit_in = commit_in,
    .after_commit = after_commit,
    .recover = recover,
    .free = sink_free,
};

/* ---- plans ---- */

static const size_t keys[] = {1};

static int aggregate(void *arg, struct op_graph *graph, struct op *const *below, struct err *err)
{
    static const struct op_call calls[] = {{.what = OP_COUNT, .arg = -1, .filter = -1, .arg2 = -1},
                                           {.what = OP_SUM, .arg = 2, .filter = -1, .arg2 = -1}};
    static const struct op_window window = {.kind = OP_TUMBLE, .size = 100, .slide = 100};
    struct world *world = arg;
    struct op_aggregate_spec spec = {.keys = keys,
                                     .key_count = 1,
                                     .calls = calls,
                                     .call_count = 2,
                                     .window = world->windows ? &window : NULL,
                                     .rowtime = 3};
    struct op *sums;

    (void)graph;
    return op_aggregate_new(&sums, below[0], &spec, err);
}

static int build(void *arg, struct op_graph *graph, struct op *const *leaves, struct err *err)
{
    struct op *both, *sums;
    int rc = op_union_new(&both, leaves, INPUTS, err);

    if (!rc && op_graph_shards(graph))
        return op_shards_new(&sums, &both, &(struct op_shard_keys){keys, 1}, 1, aggregate, arg,
                             err);
    return rc ? rc : aggregate(arg, graph, &both, err);
}

static const char *setting(void *arg, const char *key)
{
    const struct world *world = arg;

    for (size_t i = 0; world->settings && world->settings[i]; i += 2)
        if (!strcmp(world->settings[i], key))
            return world->settings[i + 1];
    return NULL;
}

static int plan(void *arg, const char *job, const char *script, struct arena *arena,
                struct stream_plan *out, struct err *err)
{
    static const char *const names[INPUTS] = {"left", "right"};
    struct world *world = arg;
    struct test_sink *sink = calloc(1, sizeof(*sink));
    struct stream_graph *graph = ARENA_NEW(arena, struct stream_graph);

    (void)job;
    (void)script;
    (void)err;
    *sink = (struct test_sink){{&sink_ops}, world};
    *graph = (struct stream_graph){.build = build, .arg = world, .keyed = true};
    out->pipelines = ARENA_NEW(arena, struct stream_pipeline);
    out->pipelines[0] =
        (struct stream_pipeline){.name = "left, right > table",
                                 .target = "table",
                                 .inputs = ARENA_ARRAY(arena, struct stream_input, INPUTS),
                                 .input_count = INPUTS,
                                 .graph = graph,
                                 .sink = &sink->sink};
    for (int i = 0; i < INPUTS; i++)
        out->pipelines[0].inputs[i] = (struct stream_input){
            .name = names[i],
            .topic = names[i],
            .source =
                world->shared && i ? out->pipelines[0].inputs[0].source : test_source(world, i),
            .pre = world->shared && i ? "SELECT p, k, n, t FROM feed" : NULL,
            .marks = world->windows ? "SELECT p, max(epoch_ms(t)) - 1 FROM feed GROUP BY p" : NULL,
            .idle_ms = world->idle_ms};
    out->count = 1;
    return stream_plan_settings(out, arena, setting, world, err);
}

static const struct meta_migration test_migrations[] = {
    {"test", 1, "CREATE TABLE changes(k INTEGER, n INTEGER, s INTEGER, kind INTEGER)"},
    {NULL, 0, NULL},
};
static const struct meta_migration *const migrations[] = {stream_migrations, test_migrations, NULL};

/* ---- one world ---- */

static void open_meta(struct world *world, const char *path)
{
    struct meta_options o = {.path = path,
                             .disk = world->disk,
                             .clock = world->clock,
                             .migrations = migrations,
                             .no_thread = world->disk != disk_system()};
    struct err err = {0};

    if (meta_new(&world->meta, &o, &err))
        fail_msg("%s", err.text);
}

static void set_up(struct world *world)
{
    struct vec_options o = {.threads = 1, .memory_bytes = (int64_t)256 << 20};
    struct err err = {0};
    char path[100];

    *world = (struct world){.clock = clock_system(), .disk = disk_system()};
    strcpy(world->dir, "/tmp/tarn-graph-test-XXXXXX");
    assert_non_null(mkdtemp(world->dir));
    snprintf(path, sizeof(path), "%s/meta.db", world->dir);
    snprintf(world->savepoints, sizeof(world->savepoints), "%s/kept", world->dir);
    open_meta(world, path);
    if (vec_db_new(&world->db, &o, &err))
        fail_msg("%s", err.text);
}

static void tear_down(struct world *world)
{
    struct err err = {0};

    meta_free(world->meta);
    vec_db_free(world->db);
    assert_int_equal(disk_remove_tree(disk_system(), world->dir, &err), 0);
}

static struct stream_engine *engine(struct world *world)
{
    struct stream_engine_options o = {.meta = world->meta,
                                      .db = world->db,
                                      .clock = world->clock,
                                      .disk = world->disk,
                                      .state_dir = world->dir,
                                      .savepoint_dir = world->savepoints,
                                      .plan = plan,
                                      .plan_arg = world,
                                      .commit_interval_ms = 20,
                                      .restart_min_ms = 5,
                                      .restart_max_ms = 20};
    struct stream_engine *out;
    struct err err = {0};

    if (stream_engine_new(&out, &o, &err))
        fail_msg("%s", err.text);
    return out;
}

/* Rows of the table that the changes make, as text: one "key count sum" a line, sorted. */
struct table {
    char text[65536];
    size_t len;
    int64_t rows;
};

static int read_in(struct meta_txn *txn, void *arg, struct err *err)
{
    struct table *t = arg;
    struct meta_stmt *stmt;
    int rc = meta_query(txn, &stmt, err,
                        "SELECT k, n, s, sum(CASE WHEN kind IN (0, 2) THEN 1 ELSE -1 END) AS times"
                        " FROM changes GROUP BY k, n, s HAVING times <> 0 ORDER BY k, n, s",
                        "");

    t->len = 0;
    while (!rc && meta_next(stmt, err, &rc)) {
        assert_int_equal(meta_i64(stmt, 3), 1);
        t->len += (size_t)snprintf(t->text + t->len, sizeof(t->text) - t->len,
                                   "%" PRId64 " %" PRId64 " %" PRId64 "\n", meta_i64(stmt, 0),
                                   meta_i64(stmt, 1), meta_i64(stmt, 2));
        t->rows++;
    }
    meta_done(stmt);
    return rc;
}

static struct table *read_table(struct world *world)
{
    struct table *t = calloc(1, sizeof(*t));
    struct err err = {0};

    if (meta_read(world->meta, read_in, t, &err))
        fail_msg("%s", err.text);
    return t;
}

/* One row per key: what all numbers below the produced ones say. */
static void assert_sums(struct world *world)
{
    struct table *t = read_table(world);
    int64_t count[KEYS] = {0}, sum[KEYS] = {0};
    char *expected = calloc(1, sizeof(t->text));
    size_t len = 0;

    for (int i = 0; i < INPUTS; i++)
        for (int64_t n = 0; n < world->produced[world->shared ? 0 : i]; n++) {
            count[key_of(world->shared ? 0 : i, n)]++;
            sum[key_of(world->shared ? 0 : i, n)] += n;
        }
    for (int k = 0; k < KEYS; k++)
        len += (size_t)snprintf(expected + len, sizeof(t->text) - len,
                                "%d %" PRId64 " %" PRId64 "\n", k, count[k], sum[k]);
    assert_string_equal(t->text, expected);
    free(expected);
    free(t);
}

static void catch_up(struct stream_engine *e)
{
    struct err err = {0};

    if (stream_engine_catch_up(e, "job", 20000, &err))
        fail_msg("%s", err.text);
}

static struct stream_job_info *only_job(struct stream_engine *e, struct arena *arena)
{
    struct stream_job_info *jobs;
    size_t count;

    assert_int_equal(stream_engine_list(e, arena, &jobs, &count, NULL), 0);
    assert_int_equal(count, 1);
    return jobs;
}

#endif
