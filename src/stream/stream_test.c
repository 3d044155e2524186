/* stream_test.c - jobs over a source and a sink that keep books: nothing lost, nothing doubled.
 *
 * The source hands out the numbers 0, 1, 2, ... of a growing sequence as rows; every seventh number
 * ending in 13 is a record that cannot be decoded. The sink notes the rows of an epoch in the
 * metadata store inside of the job's transaction, so that what it committed is what survives.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/disk_sim.h"
#include "stream/stream_int.h"

#define POLL_ROWS 100

struct world {
    struct meta *meta;
    struct vec_db *db;
    _Atomic int64_t produced;  /* numbers available */
    _Atomic int conflicts;     /* commit_in answers CONFLICT this often */
    _Atomic int drain_fails;   /* drain fails this often */
    _Atomic bool gone;         /* the topic does not exist */
    _Atomic bool stuck;        /* stage never comes back */
    _Atomic int64_t discarded; /* cuts given up */
    const char *select;
    bool bounded;
};

struct test_source {
    struct stream_source source;
    struct world *world;
    struct vec_columns columns;
    _Atomic int64_t next;
    int64_t batch_rows[POLL_ROWS];
};

static bool is_bad(int64_t n)
{
    return n % 100 == 13;
}

static int poll(struct stream_source *source, struct vec_batch *out, stream_reject_fn *reject,
                void *arg, struct err *err)
{
    struct test_source *s = (struct test_source *)source;
    int64_t end = atomic_load(&s->world->produced), *data;
    duckdb_data_chunk chunk;
    idx_t rows = 0;

    if (atomic_load(&s->world->gone))
        return err_set(err, ERR_NOENT, "topic numbers does not exist");
    if (s->next >= end)
        return s->world->bounded ? err_set(err, ERR_CLOSED, "end") : 0;
    chunk = vec_chunk_new(&s->columns);
    data = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
    for (int i = 0; i < POLL_ROWS && s->next < end; i++, s->next++) {
        if (is_bad(s->next)) {
            char text[32];
            struct stream_reject r = {.reason = "thirteen", .topic = "numbers", .offset = s->next};

            snprintf(text, sizeof(text), "%" PRId64, s->next);
            r.value = slice_str(text);
            assert_int_equal(reject(arg, &r, err), 0);
            continue;
        }
        s->batch_rows[rows] = s->next;
        data[rows++] = s->next;
    }
    duckdb_data_chunk_set_size(chunk, rows);
    assert_int_equal(vec_batch_add(out, chunk), 0);
    out->rows = (int64_t)rows;
    return 0;
}

static int origin(struct stream_source *source, int64_t row, struct stream_reject *out,
                  struct err *err)
{
    struct test_source *s = (struct test_source *)source;

    (void)err;
    out->topic = "numbers";
    out->offset = s->batch_rows[row];
    out->value = SLICE_LIT("row");
    return 0;
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
    out->offsets = ARENA_NEW(arena, int64_t);
    out->offsets[0] = ((struct test_source *)source)->next;
    out->count = 1;
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

    return atomic_load(&s->world->produced) - s->next;
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

struct test_cut {
    struct stream_cut cut;
    int64_t *numbers;
    bool staged;
};

struct test_sink {
    struct stream_sink sink;
    struct world *world;
    int column; /* of the number in the feed */
    const char *table;
};

static int drain(struct stream_sink *sink, const struct vec_feed *feed, struct stream_cut **out,
                 struct err *err)
{
    struct test_sink *s = (struct test_sink *)sink;
    struct test_cut *cut = calloc(1, sizeof(*cut));
    size_t cap = 0;

    *out = NULL;
    if (atomic_load(&s->world->drain_fails) > 0) {
        atomic_fetch_sub(&s->world->drain_fails, 1);
        free(cut);
        return err_set(err, ERR_IO, "the disk had a bad day");
    }
    for (;;) {
        duckdb_data_chunk chunk = vec_chunk_new(feed->columns);
        int rc = feed->pull(feed->arg, chunk, err);
        idx_t rows = rc ? 0 : duckdb_data_chunk_get_size(chunk);
        duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, (idx_t)s->column);
        int64_t *data = duckdb_vector_get_data(vector);

        for (idx_t i = 0; i < rows; i++) {
            if ((size_t)cut->cut.rows == cap)
                cut->numbers = realloc(cut->numbers, (cap = cap ? cap * 2 : 64) * sizeof(int64_t));
            cut->numbers[cut->cut.rows++] = data[i];
        }
        duckdb_destroy_data_chunk(&chunk);
        if (rc)
            return rc;
        if (rows == 0)
            break;
    }
    *out = &cut->cut;
    return 0;
}

static int stage(struct stream_sink *sink, struct stream_cut *cut, const struct stream_epoch *epoch,
                 struct err *err)
{
    (void)err;
    assert_true(epoch->epoch > 0);
    while (atomic_load(&((struct test_sink *)sink)->world->stuck))
        clock_system()->sleep_ns(clock_system(), 1000000);
    ((struct test_cut *)cut)->staged = true;
    return 0;
}

static int commit_in(struct stream_sink *sink, struct stream_cut *base, struct meta_txn *txn,
                     struct err *err)
{
    struct test_sink *s = (struct test_sink *)sink;
    struct test_cut *cut = (struct test_cut *)base;
    int rc = 0;

    assert_true(cut->staged);
    if (atomic_load(&s->world->conflicts) > 0) {
        atomic_fetch_sub(&s->world->conflicts, 1);
        return err_set(err, ERR_CONFLICT, "somebody was quicker");
    }
    for (int64_t i = 0; i < cut->cut.rows && !rc; i++)
        rc = meta_exec(txn, err, "INSERT INTO numbers VALUES(?1, ?2)", "si", s->table,
                       cut->numbers[i]);
    return rc;
}

static void after_commit(struct stream_sink *sink, struct stream_cut *base,
                         enum stream_outcome outcome)
{
    if (outcome == STREAM_REFUSED)
        atomic_fetch_add(&((struct test_sink *)sink)->world->discarded, 1);
    free(((struct test_cut *)base)->numbers);
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
    drain, stage, commit_in, after_commit, recover, sink_free,
};

static struct stream_sink *test_sink(struct world *world, const char *table, int column)
{
    struct test_sink *sink = calloc(1, sizeof(*sink));

    *sink = (struct test_sink){{&sink_ops}, world, column, table};
    return &sink->sink;
}

static int plan(void *arg, const char *job, const char *script, struct arena *arena,
                struct stream_plan *out, struct err *err)
{
    struct world *world = arg;
    struct test_source *source;

    (void)job;
    if (!strcmp(script, "nonsense"))
        return err_set(err, ERR_INVALID, "line 1, column 1: what?");
    source = calloc(1, sizeof(*source));
    source->source.ops = &source_ops;
    source->world = world;
    vec_columns_add(&source->columns, "n", duckdb_create_logical_type(DUCKDB_TYPE_BIGINT));
    out->pipelines = ARENA_NEW(arena, struct stream_pipeline);
    out->pipelines[0] = (struct stream_pipeline){.name = "numbers > table",
                                                 .target = "table",
                                                 .inputs = ARENA_NEW(arena, struct stream_input),
                                                 .input_count = 1,
                                                 .sink = test_sink(world, "rows", 0)};
    out->pipelines[0].inputs[0] = (struct stream_input){
        .name = "numbers", .topic = "numbers", .source = &source->source, .pre = world->select};
    out->count = 1;
    out->rejects = test_sink(world, "rejects", 4 /* offset */);
    return 0;
}

static const struct meta_migration test_migrations[] = {
    {"test", 1, "CREATE TABLE numbers(kind TEXT NOT NULL, n INTEGER NOT NULL)"},
    {NULL, 0, NULL},
};
static const struct meta_migration *const migrations[] = {stream_migrations, test_migrations, NULL};

static void open_meta(struct world *world, struct disk *disk, const char *path)
{
    struct meta_options o = {.path = path,
                             .disk = disk,
                             .clock = clock_system(),
                             .migrations = migrations,
                             .no_thread = disk != disk_system()};
    struct err err = {0};

    if (meta_new(&world->meta, &o, &err))
        fail_msg("%s", err.text);
}

static void set_up(struct world *world, const char *path)
{
    struct vec_options o = {.threads = 1, .memory_bytes = (int64_t)256 << 20};
    struct err err = {0};

    *world = (struct world){0};
    if (path)
        open_meta(world, disk_system(), path);
    if (vec_db_new(&world->db, &o, &err))
        fail_msg("%s", err.text);
}

static void tear_down(struct world *world)
{
    meta_free(world->meta);
    vec_db_free(world->db);
}

struct counts {
    int64_t rows, distinct, sum;
};

static int count_in(struct meta_txn *txn, void *arg, struct err *err)
{
    struct counts *c = arg;
    struct meta_stmt *stmt;
    int rc = meta_query(txn, &stmt, err,
                        "SELECT count(*), count(DISTINCT n), coalesce(sum(n), 0) FROM numbers", "");

    if (!rc && meta_next(stmt, err, &rc))
        *c = (struct counts){meta_i64(stmt, 0), meta_i64(stmt, 1), meta_i64(stmt, 2)};
    meta_done(stmt);
    return rc;
}

/* Every number below n is there exactly once, as a row or as a reject. */
static void assert_exactly_once(struct world *world, int64_t n)
{
    struct counts c = {0};
    struct err err = {0};

    if (meta_read(world->meta, count_in, &c, &err))
        fail_msg("%s", err.text);
    assert_int_equal(c.rows, n);
    assert_int_equal(c.distinct, n);
    assert_int_equal(c.sum, n * (n - 1) / 2);
}

static struct stream_engine *engine(struct world *world)
{
    struct stream_engine_options o = {.meta = world->meta,
                                      .db = world->db,
                                      .clock = clock_system(),
                                      .plan = plan,
                                      .plan_arg = world,
                                      .commit_interval_ms = 20,
                                      .restart_min_ms = 5,
                                      .restart_max_ms = 20,
                                      .watchdog_ms = 500};
    struct stream_engine *out;
    struct err err = {0};

    if (stream_engine_new(&out, &o, &err))
        fail_msg("%s", err.text);
    return out;
}

static void catch_up(struct stream_engine *e)
{
    struct err err = {0};

    if (stream_engine_catch_up(e, "job", 20000, &err))
        fail_msg("%s", err.text);
}

static const char *temp_path(void)
{
    static char path[64];
    static int count;
    char *dir;

    snprintf(path, sizeof(path), "/tmp/tarn-stream-test-%d-XXXXXX", count++);
    dir = mkdtemp(path);
    assert_non_null(dir);
    strcat(path, "/meta.db");
    return path;
}

static struct stream_job_info *only_job(struct stream_engine *e, struct arena *arena)
{
    struct stream_job_info *jobs;
    struct err err = {0};
    size_t count;

    assert_int_equal(stream_engine_list(e, arena, &jobs, &count, &err), 0);
    assert_int_equal(count, 1);
    return jobs;
}

static void wait_for_state(struct stream_engine *e, const char *state)
{
    for (int i = 0; i < 2000; i++) {
        struct arena arena = {0};
        bool there = !strcmp(only_job(e, &arena)->state, state);

        arena_deinit(&arena);
        if (there)
            return;
        clock_system()->sleep_ns(clock_system(), 5000000);
    }
    fail_msg("the job never became %s", state);
}

static void a_job_commits_every_record_once(void **state)
{
    struct world world;
    struct stream_engine *e;
    struct arena arena = {0};
    struct stream_job_info *job;

    (void)state;
    set_up(&world, temp_path());
    e = engine(&world);
    assert_int_equal(stream_engine_submit(e, "job", "script", NULL), 0);
    for (int i = 0; i < 20; i++) {
        atomic_fetch_add(&world.produced, 997);
        clock_system()->sleep_ns(clock_system(), 3000000);
    }
    catch_up(e);
    assert_exactly_once(&world, 20 * 997);
    job = only_job(e, &arena);
    assert_string_equal(job->state, "RUNNING");
    assert_int_equal(job->pipelines[0].rows_out + job->rejects, 20 * 997);
    arena_deinit(&arena);
    stream_engine_free(e);
    tear_down(&world);
}

static void a_job_resumes_from_its_row(void **state)
{
    struct world world;

    (void)state;
    set_up(&world, temp_path());
    for (int round = 0; round < 8; round++) {
        struct stream_engine *e = engine(&world);

        assert_int_equal(round ? stream_engine_resume(e, NULL)
                               : stream_engine_submit(e, "job", "script", NULL),
                         0);
        atomic_fetch_add(&world.produced, 1234);
        if (round == 7)
            catch_up(e);
        stream_engine_free(e);
    }
    assert_exactly_once(&world, 8 * 1234);
    tear_down(&world);
}

static void a_conflict_stages_again(void **state)
{
    struct world world;
    struct stream_engine *e;

    (void)state;
    set_up(&world, temp_path());
    world.conflicts = 3;
    world.produced = 500;
    e = engine(&world);
    assert_int_equal(stream_engine_submit(e, "job", "script", NULL), 0);
    catch_up(e);
    assert_exactly_once(&world, 500);
    assert_int_equal(world.discarded, 0);
    stream_engine_free(e);
    tear_down(&world);
}

static void a_failure_restarts_from_what_is_committed(void **state)
{
    struct world world;
    struct stream_engine *e;
    struct arena arena = {0};

    (void)state;
    set_up(&world, temp_path());
    e = engine(&world);
    assert_int_equal(stream_engine_submit(e, "job", "script", NULL), 0);
    for (int i = 0; i < 5; i++) {
        atomic_fetch_add(&world.produced, 800);
        atomic_store(&world.drain_fails, 2);
        clock_system()->sleep_ns(clock_system(), 40000000);
    }
    catch_up(e);
    assert_exactly_once(&world, 4000);
    assert_true(only_job(e, &arena)->restarts >= 2);
    arena_deinit(&arena);
    stream_engine_free(e);
    tear_down(&world);
}

static void rows_that_a_fragment_cannot_compute_become_rejects(void **state)
{
    struct world world;
    struct stream_engine *e;
    struct arena arena = {0};
    struct stream_job_info *job;

    (void)state;
    set_up(&world, temp_path());
    /* Fails on 50, 150, 250, ...: a text that is no number. */
    world.select = "SELECT CAST(CASE WHEN n % 100 = 50 THEN 'x' ELSE n::VARCHAR END AS BIGINT) AS n"
                   " FROM feed";
    world.produced = 3000;
    e = engine(&world);
    assert_int_equal(stream_engine_submit(e, "job", "script", NULL), 0);
    catch_up(e);
    assert_exactly_once(&world, 3000);
    job = only_job(e, &arena);
    assert_int_equal(job->rejects, 60);
    arena_deinit(&arena);
    stream_engine_free(e);
    tear_down(&world);
}

static void a_missing_topic_is_waited_for(void **state)
{
    struct world world;
    struct stream_engine *e;
    struct arena arena = {0};

    (void)state;
    set_up(&world, temp_path());
    world.gone = true;
    world.produced = 100;
    e = engine(&world);
    assert_int_equal(stream_engine_submit(e, "job", "script", NULL), 0);
    for (int i = 0; i < 2000; i++) {
        const struct stream_job_info *job = only_job(e, &arena);

        if (job->count && job->pipelines[0].waiting)
            break;
        clock_system()->sleep_ns(clock_system(), 5000000);
    }
    assert_string_equal(only_job(e, &arena)->state, "RUNNING");
    assert_non_null(only_job(e, &arena)->pipelines[0].waiting);
    world.gone = false;
    catch_up(e);
    assert_exactly_once(&world, 100);
    assert_null(only_job(e, &arena)->pipelines[0].waiting);
    arena_deinit(&arena);
    stream_engine_free(e);
    tear_down(&world);
}

static void a_bounded_job_finishes_and_a_wrong_one_fails(void **state)
{
    struct world world;
    struct stream_engine *e;
    struct arena arena = {0};

    (void)state;
    set_up(&world, temp_path());
    world.bounded = true;
    world.produced = 5000;
    e = engine(&world);
    assert_int_equal(stream_engine_submit(e, "job", "script", NULL), 0);
    wait_for_state(e, "FINISHED");
    assert_exactly_once(&world, 5000);
    assert_int_equal(stream_engine_submit(e, "job", "nonsense", NULL), 0);
    wait_for_state(e, "FAILED");
    assert_string_equal(only_job(e, &arena)->reason, "line 1, column 1: what?");
    assert_int_equal(stream_engine_cancel(e, "job", NULL), 0);
    wait_for_state(e, "CANCELED");
    assert_int_equal(stream_engine_cancel(e, "nobody", NULL), ERR_NOENT);
    arena_deinit(&arena);
    stream_engine_free(e);
    tear_down(&world);
}

static void a_job_that_commits_nothing_says_so_and_goes_on_when_it_can(void **state)
{
    struct world world;
    struct stream_engine *e;
    struct arena arena = {0};

    (void)state;
    set_up(&world, temp_path());
    world.stuck = true;
    world.produced = 100;
    e = engine(&world);
    assert_int_equal(stream_engine_submit(e, "job", "script", NULL), 0);
    for (int i = 0; i < 200; i++) { /* new rows keep coming, as they do */
        atomic_fetch_add(&world.produced, 10);
        clock_system()->sleep_ns(clock_system(), 10000000);
    }
    wait_for_state(e, "RESTARTING");
    assert_non_null(strstr(only_job(e, &arena)->reason, "no table was committed"));
    world.stuck = false;
    wait_for_state(e, "RUNNING");
    assert_string_equal(only_job(e, &arena)->reason, "");
    assert_int_equal(stream_engine_catch_up(e, "job", 20000, NULL), 0);
    arena_deinit(&arena);
    stream_engine_free(e);
    tear_down(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_commits_every_record_once),
        cmocka_unit_test(a_job_resumes_from_its_row),
        cmocka_unit_test(a_conflict_stages_again),
        cmocka_unit_test(a_failure_restarts_from_what_is_committed),
        cmocka_unit_test(rows_that_a_fragment_cannot_compute_become_rejects),
        cmocka_unit_test(a_missing_topic_is_waited_for),
        cmocka_unit_test(a_bounded_job_finishes_and_a_wrong_one_fails),
        cmocka_unit_test(a_job_that_commits_nothing_says_so_and_goes_on_when_it_can),
    };

    diag_set_level(DIAG_ERROR + 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
