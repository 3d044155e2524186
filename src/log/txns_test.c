/* txns_test.c - transactions in a partition log, against a model that remembers every batch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "log/batch.h"
#include "log/log.h"

#define PRODUCERS 6
#define STEPS     600

struct noted { /* one batch, as the model knows it */
    int64_t offset, end, pid;
    int state; /* 0: open, 1: committed, 2: aborted, 3: of no transaction */
};

struct fixture {
    char dir[64];
    struct clock_fake clock;
    struct log_options options;
    struct log *log;
    struct noted batches[STEPS * 2];
    size_t count;
    int32_t sequence[PRODUCERS];
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    strcpy(f->dir, "/tmp/txns_test.XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    clock_fake_init(&f->clock, 1700000000000000);
    f->options = (struct log_options){.dir = f->dir,
                                      .segment_bytes = 4000,
                                      .retention_ms = -1,
                                      .retention_bytes = -1,
                                      .index_interval_bytes = 512,
                                      .visible_unsynced = true,
                                      .disk = disk_system(),
                                      .clock = &f->clock.clock};
    *state = f;
    return log_new(&f->log, &f->options, NULL);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    log_free(f->log);
    disk_remove_tree(disk_system(), f->dir, NULL);
    free(f);
    return 0;
}

static void append(struct fixture *f, int64_t pid, int records)
{
    struct batch_builder builder;
    struct log_append_result at;
    struct buf bytes = {0};
    struct err err = {0};

    batch_builder_init(&builder);
    builder.producer_id = pid;
    builder.producer_epoch = pid < 0 ? -1 : 0;
    builder.base_sequence = pid < 0 ? -1 : f->sequence[pid];
    builder.attributes = pid < 0 ? 0 : BATCH_TRANSACTIONAL;
    for (int i = 0; i < records; i++)
        assert_int_equal(
            batch_builder_add(&builder, 1000, (struct slice){0}, SLICE_LIT("value"), NULL, 0), 0);
    assert_int_equal(batch_builder_finish(&builder, CODEC_NONE, &bytes, &err), 0);
    batch_builder_deinit(&builder);
    if (log_append(f->log, bytes.ptr, bytes.len, &at, &err))
        fail_msg("append: %s", err.text);
    buf_deinit(&bytes);
    if (pid >= 0)
        f->sequence[pid] += records;
    f->batches[f->count++] =
        (struct noted){at.base_offset, at.last_offset + 1, pid, pid < 0 ? 3 : 0};
}

static void end(struct fixture *f, int64_t pid, bool commit)
{
    struct log_append_result at;
    bool open = false;
    int rc = log_end_txn(f->log, pid, 0, commit, &at, NULL);

    for (size_t i = 0; i < f->count; i++)
        if (f->batches[i].pid == pid && f->batches[i].state == 0) {
            f->batches[i].state = commit ? 1 : 2;
            open = true;
        }
    assert_int_equal(rc, open ? 0 : ERR_NOENT);
}

/* What a reader of committed records gets, as clients do it: the aborted list, the markers. */
static void check_reader(struct fixture *f)
{
    int64_t stable = log_offsets(f->log).high_watermark, offset = 0;
    struct buf bytes = {.max = SIZE_MAX};
    struct arena arena = {0};
    size_t at = 0;

    for (size_t i = 0; i < f->count; i++)
        if (f->batches[i].state == 0) {
            stable = f->batches[i].offset;
            break;
        }
    assert_int_equal(log_offsets(f->log).stable, stable);
    while (offset < stable) {
        struct log_aborted *aborted;
        struct slice rest;
        struct batch batch;
        size_t count;

        buf_clear(&bytes);
        assert_int_equal(log_read_stable(f->log, offset, 700, true, &bytes, NULL), 0);
        rest = buf_slice(&bytes);
        assert_true(rest.len > 0);
        assert_int_equal(log_aborted(f->log, offset, stable, &arena, &aborted, &count), 0);
        while (rest.len) {
            bool listed = false;

            assert_int_equal(batch_next(&rest, true, &batch, NULL, NULL), 0);
            offset = batch.base_offset + batch.last_offset_delta + 1;
            assert_true(offset <= stable);
            if (batch_is_control(&batch))
                continue;
            assert_int_equal(f->batches[at].offset, batch.base_offset);
            for (size_t i = 0; i < count; i++)
                listed |= aborted[i].producer_id == batch.producer_id &&
                          aborted[i].first_offset <= batch.base_offset;
            if (f->batches[at].state == 2)
                assert_true(listed);
            assert_int_equal(batch_is_transactional(&batch) &&
                                 log_is_aborted(f->log, batch.producer_id, batch.base_offset),
                             f->batches[at].state == 2);
            at++;
        }
        arena_reset(&arena);
    }
    buf_clear(&bytes);
    assert_int_equal(log_read_stable(f->log, stable, 700, true, &bytes, NULL), 0);
    assert_int_equal(bytes.len, 0);
    buf_deinit(&bytes);
    arena_deinit(&arena);
}

/* Goal: readers of committed records get them and no others, whatever was open when the log was
 * closed and whether its cache of producers is there. Method: random transactions, compared. */
static void committed_readers_see_committed_records_alone(void **state)
{
    struct fixture *f = *state;
    struct rng rand;
    char path[128];

    rng_init(&rand, 11);
    snprintf(path, sizeof(path), "%s/producers", f->dir);
    for (int step = 0; step < STEPS; step++) {
        uint64_t what = rng_below(&rand, 100);

        if (what < 60)
            append(f, (int64_t)rng_below(&rand, PRODUCERS + 1) - 1, 1 + (int)rng_below(&rand, 5));
        else if (what < 92)
            end(f, (int64_t)rng_below(&rand, PRODUCERS), rng_below(&rand, 2));
        else if (what < 96)
            check_reader(f);
        else {
            log_free(f->log);
            f->log = NULL;
            if (what & 1)
                unlink(path);
            assert_int_equal(log_new(&f->log, &f->options, NULL), 0);
            check_reader(f);
        }
    }
    check_reader(f);
}

static void a_marker_needs_the_epoch_that_is_open(void **state)
{
    struct fixture *f = *state;
    struct log_append_result at;
    struct arena arena = {0};
    struct log_txn *open;
    size_t count;

    append(f, 3, 2);
    assert_int_equal(log_end_txn(f->log, 3, 1, true, &at, NULL), ERR_NOENT);
    assert_int_equal(log_end_txn(f->log, 4, 0, true, &at, NULL), ERR_NOENT);
    assert_int_equal(log_open_txns(f->log, &arena, &open, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(open[0].producer_id, 3);
    assert_int_equal(open[0].first_offset, 0);
    assert_int_equal(log_end_txn(f->log, 3, 0, true, &at, NULL), 0);
    assert_int_equal(at.base_offset, 2);
    assert_int_equal(log_offsets(f->log).stable, 3);
    arena_deinit(&arena);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(committed_readers_see_committed_records_alone),
        CASE(a_marker_needs_the_epoch_that_is_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
