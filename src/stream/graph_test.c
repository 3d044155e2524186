/* graph_test.c - pipelines of two inputs with operators between them and the sink: nothing lost,
 * nothing doubled, whatever fails; time goes by the slowest that still speaks.
 *
 * An input's row n is (n % 2, key, n, n ms): its partitions are even and odd numbers. The sink
 * notes the changes of an epoch in the metadata store inside of the job's transaction; at the end
 * they must cancel to what SQL says of all rows. */
#include "stream/test_world.h"

/* ---- claims ---- */

static void two_inputs_are_counted_once_through_failures_and_new_starts(void **state)
{
    struct world world;

    (void)state;
    set_up(&world);
    for (int round = 0; round < 6; round++) {
        struct stream_engine *e = engine(&world);

        assert_int_equal(stream_engine_submit(e, "job", "script", NULL), 0);
        for (int i = 0; i < 5; i++) {
            atomic_fetch_add(&world.produced[0], 777);
            atomic_fetch_add(&world.produced[1], 55);
            atomic_store(&world.drain_fails, i == round % 5);
            world.clock->sleep_ns(world.clock, 7000000);
        }
        if (round % 2)
            catch_up(e);
        stream_engine_free(e);
    }
    assert_sums(&world);
    tear_down(&world);
}

static int64_t wait_for_rows(struct world *world, int64_t rows)
{
    for (int i = 0; i < 400; i++) {
        struct table *t = read_table(world);
        int64_t have = t->rows;

        free(t);
        if (have >= rows)
            return have;
        world->clock->sleep_ns(world->clock, 5000000);
    }
    return -1;
}

static int move_right(struct meta_txn *txn, void *arg, struct err *err)
{
    (void)arg;
    return meta_exec(txn, err,
                     "UPDATE job_inputs SET \"offset\" = \"offset\" - 1"
                     " WHERE input = 'right' AND partition = 0",
                     "");
}

static void a_source_of_two_inputs_is_read_once(void **state)
{
    struct arena arena = {0};
    struct stream_engine *e;
    struct stream_job_info *job;
    struct err err = {0};
    struct world world;

    (void)state;
    set_up(&world);
    world.shared = true;
    world.produced[0] = 3000;
    e = engine(&world);
    assert_int_equal(stream_engine_submit(e, "job", "script", &err), 0);
    catch_up(e);
    assert_sums(&world);
    stream_engine_free(e);

    e = engine(&world); /* goes on where it was */
    assert_int_equal(stream_engine_resume(e, &err), 0);
    world.produced[0] = 5000;
    catch_up(e);
    assert_sums(&world);
    job = only_job(e, &arena);
    assert_int_equal(job->pipelines[0].rows_in, 2000);
    assert_int_equal(job->pipelines[0].inputs[0].rows, 2000);
    assert_int_equal(job->pipelines[0].inputs[1].rows, 2000);
    stream_engine_free(e);

    assert_int_equal(meta_write_wait(world.meta, move_right, NULL, NULL), 0);
    e = engine(&world);
    assert_int_equal(stream_engine_resume(e, &err), 0);
    for (int i = 0; i < 2000; i++) {
        job = only_job(e, &arena);
        if (strstr(job->reason, "left at different places"))
            break;
        world.clock->sleep_ns(world.clock, 1000000);
    }
    assert_non_null(strstr(job->reason, "left and right are read together"));
    stream_engine_free(e);
    assert_sums(&world);
    arena_deinit(&arena);
    tear_down(&world);
}

static void a_silent_input_holds_windows_back_until_it_is_idle(void **state)
{
    struct world world;
    struct stream_engine *e;
    struct arena arena = {0};
    struct stream_job_info *job;

    (void)state;
    set_up(&world);
    world.windows = true;
    world.idle_ms = 600;
    world.produced[0] = 1000; /* ten windows, the last one open */
    e = engine(&world);
    assert_int_equal(stream_engine_submit(e, "job", "script", NULL), 0);
    do {
        world.clock->sleep_ns(world.clock, 5000000);
        job = only_job(e, &arena);
    } while (!job->count || job->pipelines[0].inputs[0].watermark_ms != 997 ||
             job->pipelines[0].inputs[1].slowest < 0); /* -1: not looked at yet */
    assert_int_equal(job->pipelines[0].rows_committed, 0);
    assert_int_equal(job->pipelines[0].inputs[1].watermark_ms, OP_TIME_MIN);
    assert_int_equal(job->pipelines[0].inputs[1].slowest, 0);
    assert_int_equal(job->pipelines[0].inputs[0].watermark_ms, 997);
    for (int i = 0; i < 80; i++) { /* the other speaks on, within its last window */
        atomic_fetch_add(&world.produced[0], 1);
        world.clock->sleep_ns(world.clock, 10000000);
    }
    assert_true(wait_for_rows(&world, 9 * KEYS) >= 9 * KEYS);
    job = only_job(e, &arena);
    assert_true(job->pipelines[0].inputs[1].idle);
    arena_deinit(&arena);
    stream_engine_free(e);
    tear_down(&world);
}

static void a_partition_without_rows_is_idle_beside_one_that_has_them(void **state)
{
    struct world world;
    struct stream_engine *e;

    (void)state;
    set_up(&world);
    world.windows = true;
    world.idle_ms = 200;
    world.silent_odd[0] = world.silent_odd[1] = true;
    e = engine(&world);
    assert_int_equal(stream_engine_submit(e, "job", "script", NULL), 0);
    for (int i = 0; i < 60; i++) { /* rows come all the time */
        atomic_fetch_add(&world.produced[0], 20);
        atomic_fetch_add(&world.produced[1], 20);
        world.clock->sleep_ns(world.clock, 10000000);
    }
    assert_true(wait_for_rows(&world, 11 * 25) >= 11 * 25); /* even numbers have half the keys */
    stream_engine_free(e);
    tear_down(&world);
}

static void wait_until_finished(struct world *world, struct stream_engine *e)
{
    struct arena arena = {0};

    for (int i = 0; i < 400 && strcmp(only_job(e, &arena)->state, "FINISHED") != 0; i++) {
        world->clock->sleep_ns(world->clock, 5000000);
        arena_reset(&arena);
    }
    assert_string_equal(only_job(e, &arena)->state, "FINISHED");
    arena_deinit(&arena);
}

static void a_bounded_input_beside_an_endless_one_ends_its_time(void **state)
{
    struct world world;
    struct stream_engine *e;
    struct arena arena = {0};

    (void)state;
    set_up(&world);
    world.windows = true;
    world.produced[0] = 1000;
    world.produced[1] = 50;
    world.bounded[1] = true;
    e = engine(&world);
    assert_int_equal(stream_engine_submit(e, "job", "script", NULL), 0);
    assert_true(wait_for_rows(&world, 9 * KEYS) == 9 * KEYS);
    assert_true(only_job(e, &arena)->pipelines[0].inputs[1].ended);
    assert_string_equal(only_job(e, &arena)->state, "RUNNING");
    world.bounded[0] = true; /* now all is over: the last window comes too */
    assert_true(wait_for_rows(&world, 10 * KEYS) == 10 * KEYS);
    wait_until_finished(&world, e);
    arena_deinit(&arena);
    stream_engine_free(e);
    tear_down(&world);
}

static int old_in(struct meta_txn *txn, void *arg, struct err *err)
{
    (void)arg;
    return meta_exec(txn, err,
                     "INSERT INTO job_inputs VALUES('job', 'p', '', 0, 'x', 41),"
                     " ('job', 'p', '', 1, 'x', 42)",
                     "");
}

static void goes_on_from_savepoints(const char *const *settings)
{
    struct world world;
    struct stream_engine *e;
    struct stream_job_info *job;
    struct arena arena = {0};
    struct err err = {0};
    const char *path, *before;
    char dir[200], kept[200];

    set_up(&world);
    world.settings = settings;
    e = engine(&world);
    assert_int_equal(stream_engine_submit(e, "job", "script", NULL), 0);
    for (int round = 0; round < 4; round++) {
        atomic_fetch_add(&world.produced[0], 777);
        atomic_fetch_add(&world.produced[1], 55);
        catch_up(e);
        before = only_job(e, &arena)->id;
        snprintf(dir, sizeof(dir), "%s/savepoints", world.dir);
        if (stream_engine_savepoint(e, "job", round == 1 ? dir : NULL, round < 3, &arena, &path,
                                    &err))
            fail_msg("%s", err.text);
        job = only_job(e, &arena);
        if (round == 3) { /* it runs on */
            assert_string_equal(job->state, "RUNNING");
            break;
        }
        wait_until_finished(&world, e);
        /* It needs nothing that the job had, and stays where it is. */
        snprintf(kept, sizeof(kept), "%s/%s", world.dir, before);
        assert_int_equal(disk_remove_tree(world.disk, kept, NULL), 0);
        atomic_fetch_add(&world.produced[0], 333);
        if (round == 2) { /* another process, as another script */
            stream_engine_free(e);
            e = engine(&world);
            assert_int_equal(stream_engine_submit_from(e, "job", "new", path, &err), 0);
        } else {
            assert_int_equal(stream_engine_start(e, before, path, &err), 0);
        }
        catch_up(e);
        assert_string_not_equal(only_job(e, &arena)->id, before);
        assert_sums(&world);
    }
    assert_string_equal(only_job(e, &arena)->script, "new");
    assert_int_equal(stream_engine_start(e, "job", path, &err), ERR_EXISTS);
    assert_int_equal(stream_engine_cancel(e, "job", NULL), 0);
    assert_int_equal(stream_engine_savepoint(e, "job", NULL, true, &arena, &path, &err),
                     ERR_INVALID);
    assert_int_equal(stream_engine_start(e, "job", "/nowhere", &err), ERR_NOENT);
    assert_int_equal(stream_engine_start(e, "job", NULL, &err), 0); /* where it was */
    atomic_fetch_add(&world.produced[1], 55);
    catch_up(e);
    assert_sums(&world);
    arena_deinit(&arena);
    stream_engine_free(e);
    tear_down(&world);
}

static const char *const in_shards[] = {"parallelism.default", "3", NULL};

static void a_job_goes_on_from_the_savepoint_it_was_stopped_with(void **state)
{
    (void)state;
    goes_on_from_savepoints(NULL);
}

static void a_job_in_shards_goes_on_from_the_savepoint_it_was_stopped_with(void **state)
{
    (void)state;
    goes_on_from_savepoints(in_shards);
}

/* Goal: whatever the number of threads and shards at a start, the state is split so. */
static void shards_are_as_many_as_the_start_says(void **state)
{
    static const struct {
        const char *threads, *shards; /* shards NULL: not said */
    } starts[] = {{"1", NULL}, {"3", NULL}, {"2", NULL}, {"1", "4"}, {"1", NULL}, {"2", "3"}};
    struct world world;

    (void)state;
    set_up(&world);
    for (size_t i = 0; i < COUNT_OF(starts); i++) {
        const char *settings[] = {"parallelism.default", starts[i].threads,
                                  starts[i].shards ? "pipeline.max-parallelism" : NULL,
                                  starts[i].shards, NULL};
        struct arena arena = {0};
        struct stream_engine *e;

        world.settings = settings;
        e = engine(&world);
        assert_int_equal(stream_engine_submit(e, "job", "script", NULL), 0);
        atomic_fetch_add(&world.produced[0], 777);
        atomic_fetch_add(&world.produced[1], 55);
        catch_up(e);
        assert_int_equal(only_job(e, &arena)->parallelism, atoi(starts[i].threads));
        arena_deinit(&arena);
        stream_engine_free(e);
        assert_sums(&world);
    }
    tear_down(&world);
}

/* Goal: likewise from a savepoint, which knows nothing of the start that follows. Method: what the
 * job itself had is gone each time. */
static void a_savepoint_is_split_as_the_start_says(void **state)
{
    static const char *const threads[] = {"1", "3", "2", "1", "4"};
    char path[1024] = "", folder[200];
    struct world world;

    (void)state;
    set_up(&world);
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        const char *const settings[] = {"parallelism.default", threads[i], NULL};
        struct arena arena = {0};
        struct stream_engine *e;
        struct err err = {0};
        const char *saved;

        world.settings = settings;
        e = engine(&world);
        atomic_fetch_add(&world.produced[0], 777);
        if (i ? stream_engine_start(e, "job", path, &err)
              : stream_engine_submit(e, "job", "script", &err))
            fail_msg("on %s threads: %s", threads[i], err.text);
        atomic_fetch_add(&world.produced[1], 55);
        catch_up(e);
        assert_int_equal(only_job(e, &arena)->parallelism, atoi(threads[i]));
        assert_sums(&world);
        snprintf(folder, sizeof(folder), "%s/%s", world.dir, only_job(e, &arena)->id);
        assert_int_equal(stream_engine_savepoint(e, "job", NULL, true, &arena, &saved, &err), 0);
        snprintf(path, sizeof(path), "%s", saved);
        wait_until_finished(&world, e);
        stream_engine_free(e);
        assert_int_equal(disk_remove_tree(world.disk, folder, NULL), 0);
        arena_deinit(&arena);
    }
    tear_down(&world);
}

/* A disk that makes no file of a state until a mono time. */
static int state_waits(void *until_ns, enum disk_call call, const char *path)
{
    struct clock *clock = clock_system();

    while (call == CALL_OPEN && (strstr(path, ".run") || strstr(path, ".base")) &&
           clock_mono_ns(clock) < atomic_load((_Atomic int64_t *)until_ns))
        clock->sleep_ns(clock, 5000000);
    return 0;
}

/* Goal: wherever a cut stands when its job is cancelled, rows are counted once. Method: the disk
 * makes no file of a state for a while. */
static void a_job_cancelled_while_the_disk_stalls_loses_nothing(void **state)
{
    _Atomic int64_t until_ns = 0;
    struct world world;
    struct stream_engine *e;
    struct err err = {0};

    (void)state;
    set_up(&world);
    assert_int_equal(disk_fault_new(&world.disk, disk_system(), state_waits, &until_ns, &err), 0);
    e = engine(&world);
    assert_int_equal(stream_engine_submit(e, "job", "script", NULL), 0);
    for (int round = 0; round < 2; round++) {
        atomic_fetch_add(&world.produced[0], 777);
        catch_up(e);
        atomic_store(&until_ns, clock_mono_ns(world.clock) + 400000000);
        atomic_fetch_add(&world.produced[0], 777);
        world.clock->sleep_ns(world.clock, 100000000); /* a cut is under way, most often */
        assert_int_equal(stream_engine_cancel(e, "job", &err), 0);
        if (stream_engine_start(e, "job", NULL, &err))
            fail_msg("%s", err.text);
        catch_up(e);
        assert_sums(&world);
    }
    stream_engine_free(e);
    disk_fault_free(world.disk);
    tear_down(&world);
}

static void a_savepoint_that_cannot_be_written_stops_nothing(void **state)
{
    struct world world;
    struct stream_engine *e;
    struct arena arena = {0};
    struct err err = {0};
    const char *path;

    (void)state;
    set_up(&world);
    e = engine(&world);
    assert_int_equal(stream_engine_submit(e, "job", "script", NULL), 0);
    atomic_fetch_add(&world.produced[0], 777);
    catch_up(e);
    assert_int_not_equal(
        stream_engine_savepoint(e, "job", "/proc/nowhere", true, &arena, &path, &err), 0);
    assert_int_equal(stream_engine_savepoint(e, "job", "s3://lake/x", true, &arena, &path, &err),
                     ERR_UNSUPPORTED);
    atomic_fetch_add(&world.produced[0], 777);
    catch_up(e);
    assert_string_equal(only_job(e, &arena)->state, "RUNNING");
    assert_sums(&world);
    arena_deinit(&arena);
    stream_engine_free(e);
    tear_down(&world);
}

/* ---- on a simulated disk ---- */

static int cut_at;
static int count_down(void *arg, enum disk_call call, const char *path)
{
    (void)call;
    (void)path;
    if (--cut_at == 0)
        disk_sim_power_loss(arg);
    return 0;
}

static struct stream_engine_options sim_options(struct world *world)
{
    return (struct stream_engine_options){.meta = world->meta,
                                          .db = world->db,
                                          .clock = world->clock,
                                          .disk = world->disk,
                                          .state_dir = "data/state",
                                          .savepoint_dir = "data/kept",
                                          .plan = plan,
                                          .plan_arg = world};
}

static int open_life(struct world *world, struct stream_job **job)
{
    struct meta_options o = {.path = "data/meta.db",
                             .disk = world->disk,
                             .clock = world->clock,
                             .migrations = migrations,
                             .no_thread = true};
    struct stream_engine_options options;
    int rc = disk_mkdirs(world->disk, "data", NULL);

    if (!rc)
        rc = meta_new(&world->meta, &o, NULL);
    options = sim_options(world);
    return rc ? rc : stream_job_new(job, &options, "job", "script", NULL);
}

static void close_life(struct world *world, struct stream_job *job)
{
    stream_job_free(job);
    meta_free(world->meta);
    world->meta = NULL;
}

/* Rows come, epochs end, now and then somebody wants a savepoint: until the power is gone. */
static void live(struct world *world, struct stream_job *job, struct rng *rng)
{
    for (int rc = 0; !rc;) {
        struct stream_engine_options options = sim_options(world);
        char path[1024];

        atomic_fetch_add(&world->produced[0], (int64_t)rng_below(rng, 300));
        atomic_fetch_add(&world->produced[1], (int64_t)rng_below(rng, 60));
        rc = stream_job_step(job, 1 + (int)rng_below(rng, 4), NULL);
        if (!rc && rng_below(rng, 10) == 0)
            rc = savepoint_write(&options, "job", NULL, path, sizeof(path), NULL);
    }
}

static void two_inputs_and_their_state_survive_a_loss_of_power_at_any_call(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct world world = {.clock = clock_system()};
        struct vec_options o = {.threads = 1, .memory_bytes = (int64_t)256 << 20};
        struct disk_sim *sim;
        struct stream_job *job;
        struct rng rng;

        rng_init(&rng, seed);
        if (seed % 2)
            world.settings = in_shards;
        assert_int_equal(vec_db_new(&world.db, &o, NULL), 0);
        assert_int_equal(disk_sim_new(&sim, seed, NULL), 0);
        world.disk = disk_sim_disk(sim);
        for (int life = 0; life < 6; life++) {
            job = NULL;
            cut_at = 1 + (int)rng_below(&rng, life ? 400 : 2000);
            disk_sim_on_call(sim, count_down, sim);
            if (!open_life(&world, &job))
                live(&world, job, &rng);
            close_life(&world, job);
            disk_sim_on_call(sim, NULL, NULL);
            disk_sim_power_loss(sim);
            disk_sim_reboot(sim);
        }
        atomic_fetch_add(&world.produced[0], KEYS); /* every key is there */
        assert_int_equal(open_life(&world, &job), 0);
        for (int64_t epoch = -1; epoch != stream_job_epoch(job);) {
            epoch = stream_job_epoch(job);
            assert_int_equal(stream_job_step(job, 100, NULL), 0);
        }
        assert_sums(&world);
        close_life(&world, job);
        disk_sim_free(sim);
        vec_db_free(world.db);
    }
}

static void a_restart_strategy_says_when_a_job_has_failed(void **state)
{
    static const char *const none[] = {"restart-strategy", "none", NULL};
    static const char *const two[] = {"restart-strategy.type",
                                      "fixed-delay",
                                      "restart-strategy.fixed-delay.attempts",
                                      "2",
                                      "restart-strategy.fixed-delay.delay",
                                      "1 ms",
                                      NULL};
    static const char *const wrong[] = {"restart-strategy.type", "often", NULL};
    static const struct {
        const char *const *settings;
        int fails;
        const char *state;
        int64_t restarts;
    } cases[] = {{none, 1, "FAILED", 0},
                 {two, 2, "RUNNING", 2},
                 {two, 3, "FAILED", 2},
                 {wrong, 0, "FAILED", 0}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct world world;
        struct stream_engine *e;
        struct arena arena = {0};

        set_up(&world);
        world.settings = cases[i].settings;
        world.drain_fails = cases[i].fails;
        world.produced[0] = 100;
        e = engine(&world);
        assert_int_equal(stream_engine_submit(e, "job", "script", NULL), 0);
        if (!strcmp(cases[i].state, "RUNNING"))
            catch_up(e);
        for (int k = 0; k < 400 && strcmp(only_job(e, &arena)->state, cases[i].state) != 0; k++)
            world.clock->sleep_ns(world.clock, 5000000);
        assert_string_equal(only_job(e, &arena)->state, cases[i].state);
        assert_int_equal(only_job(e, &arena)->restarts, cases[i].restarts);
        assert_true(only_job(e, &arena)->failure_count > 0);
        arena_deinit(&arena);
        stream_engine_free(e);
        tear_down(&world);
    }
}

static void backoff_and_failure_rate_follow_their_settings(void **state)
{
    struct stream_restart r = {.kind = STREAM_RESTART_EXPONENTIAL,
                               .initial_ms = 100,
                               .max_ms = 500,
                               .reset_ms = 10000,
                               .multiplier = 2,
                               .exponential_attempts = 6};
    struct restarts past = {0};
    int64_t pause = 0, expected[] = {100, 200, 400, 500, 500};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        assert_true(restart_after(&r, &past, (int64_t)i * 1000, &pause));
        assert_int_equal(pause, expected[i]);
    }
    assert_true(restart_after(&r, &past, 60000, &pause)); /* long quiet: anew */
    assert_int_equal(pause, 100);
    past = (struct restarts){0};
    r = (struct stream_restart){.kind = STREAM_RESTART_RATE,
                                .rate_delay_ms = 7,
                                .rate_interval_ms = 1000,
                                .rate_failures = 2};
    assert_true(restart_after(&r, &past, 0, &pause));
    assert_int_equal(pause, 7);
    assert_true(restart_after(&r, &past, 500, &pause));
    assert_true(restart_after(&r, &past, 1200, &pause)); /* the first is long ago */
    assert_false(restart_after(&r, &past, 1400, &pause));
}

static void a_place_from_before_there_were_inputs_is_found(void **state)
{
    struct stream_pipeline p = {.name = "p", .input_count = 1};
    struct stream_position at = {0};
    struct arena arena = {0};
    struct world world;

    (void)state;
    set_up(&world);
    assert_int_equal(meta_write_wait(world.meta, old_in, NULL, NULL), 0);
    assert_int_equal(rows_position(world.meta, "job", &p, "only", &arena, &at, NULL), 0);
    assert_int_equal(at.count, 2);
    assert_int_equal(at.offsets[1], 42);
    p.input_count = 2; /* it cannot be told whose it was */
    assert_int_equal(rows_position(world.meta, "job", &p, "only", &arena, &at, NULL), 0);
    assert_int_equal(at.count, 0);
    arena_deinit(&arena);
    tear_down(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_inputs_are_counted_once_through_failures_and_new_starts),
        cmocka_unit_test(a_source_of_two_inputs_is_read_once),
        cmocka_unit_test(a_silent_input_holds_windows_back_until_it_is_idle),
        cmocka_unit_test(a_partition_without_rows_is_idle_beside_one_that_has_them),
        cmocka_unit_test(a_bounded_input_beside_an_endless_one_ends_its_time),
        cmocka_unit_test(a_job_goes_on_from_the_savepoint_it_was_stopped_with),
        cmocka_unit_test(a_job_in_shards_goes_on_from_the_savepoint_it_was_stopped_with),
        cmocka_unit_test(shards_are_as_many_as_the_start_says),
        cmocka_unit_test(a_savepoint_is_split_as_the_start_says),
        cmocka_unit_test(a_job_cancelled_while_the_disk_stalls_loses_nothing),
        cmocka_unit_test(a_savepoint_that_cannot_be_written_stops_nothing),
        cmocka_unit_test(two_inputs_and_their_state_survive_a_loss_of_power_at_any_call),
        cmocka_unit_test(a_restart_strategy_says_when_a_job_has_failed),
        cmocka_unit_test(backoff_and_failure_rate_follow_their_settings),
        cmocka_unit_test(a_place_from_before_there_were_inputs_is_found),
    };

    diag_set_level(DIAG_ERROR + 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
