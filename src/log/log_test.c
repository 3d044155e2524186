/* log_test.c - the partition log on the machine's disk: appending, reading, finding, retention,
 * truncation, idempotence, reopening. What a power loss leaves is in log_power_test.c. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "log/batch.h"
#include "log/log.h"

struct fixture {
    char dir[64];
    struct clock_fake clock;
    struct log_options options;
    struct log *log;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    strcpy(f->dir, "/tmp/log_test.XXXXXX");
    if (!f || !mkdtemp(f->dir))
        return -1;
    clock_fake_init(&f->clock, 1700000000000000);
    f->options = (struct log_options){.dir = f->dir,
                                      .segment_bytes = 1 << 20,
                                      .retention_ms = -1,
                                      .retention_bytes = -1,
                                      .index_interval_bytes = 512,
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

static void reopen(struct fixture *f)
{
    struct err err = {0};

    log_free(f->log);
    f->log = NULL;
    if (log_new(&f->log, &f->options, &err))
        fail_msg("reopen: %s", err.text);
}

/* One batch of `count` records with values "v<number>", numbered from *number on. */
static void make_batch(struct buf *out, int count, int64_t *number, int64_t time_ms, int64_t pid,
                       int32_t sequence)
{
    struct batch_builder builder;

    batch_builder_init(&builder);
    builder.producer_id = pid;
    builder.producer_epoch = pid < 0 ? -1 : 0;
    builder.base_sequence = sequence;
    for (int i = 0; i < count; i++) {
        char text[32];

        snprintf(text, sizeof(text), "v%lld", (long long)(*number)++);
        assert_int_equal(
            batch_builder_add(&builder, time_ms + i, (struct slice){0}, slice_str(text), NULL, 0),
            0);
    }
    assert_int_equal(batch_builder_finish(&builder, CODEC_NONE, out, NULL), 0);
    batch_builder_deinit(&builder);
}

static int64_t append(struct fixture *f, int count, int64_t *number, int64_t time_ms)
{
    struct buf bytes = {0};
    struct log_append_result result;
    struct err err = {0};

    make_batch(&bytes, count, number, time_ms, -1, -1);
    if (log_append(f->log, bytes.ptr, bytes.len, &result, &err))
        fail_msg("append: %s", err.text);
    buf_deinit(&bytes);
    return result.base_offset;
}

/* Reads everything from `offset` in pieces of max_bytes: record n must be "v<n>". */
static int64_t read_all(struct fixture *f, int64_t offset, size_t max_bytes)
{
    struct buf bytes = {0}, scratch = {0};
    struct err err = {0};

    for (;;) {
        struct slice rest;
        struct batch batch;

        buf_clear(&bytes);
        if (log_read(f->log, offset, max_bytes, true, &bytes, &err))
            fail_msg("read at %lld: %s", (long long)offset, err.text);
        if (!bytes.len)
            break;
        rest = buf_slice(&bytes);
        while (rest.len) {
            struct record_walk walk;
            struct record record;

            assert_int_equal(batch_next(&rest, true, &batch, NULL, &err), 0);
            assert_int_equal(record_walk_init(&walk, &batch, &scratch, 1 << 20, &err), 0);
            while (record_next(&walk, &record, &err) == 1) {
                char text[32];

                snprintf(text, sizeof(text), "v%lld", (long long)record.offset);
                assert_true(slice_is(record.value, text));
                if (record.offset >= offset)
                    assert_int_equal(record.offset, offset++);
            }
        }
    }
    buf_deinit(&bytes);
    buf_deinit(&scratch);
    return offset;
}

static void gives_back_what_was_appended(void **state)
{
    struct fixture *f = *state;
    int64_t number = 0;

    for (int i = 0; i < 500; i++)
        append(f, 1 + i % 7, &number, 1000 + i);
    assert_int_equal(log_offsets(f->log).high_watermark, 0); /* nothing visible before a flush */
    assert_int_equal(read_all(f, 0, 100), 0);
    assert_int_equal(log_flush(f->log, NULL), 0);
    assert_int_equal(log_offsets(f->log).high_watermark, number);
    for (size_t max = 1; max < 100000; max = max * 3 + 1)
        assert_int_equal(read_all(f, 0, max), number);
    for (int64_t offset = 0; offset < number; offset += 13)
        assert_int_equal(read_all(f, offset, 700), number);
}

static void respects_max_bytes_unless_one_batch_is_larger(void **state)
{
    struct fixture *f = *state;
    struct buf bytes = {0};
    int64_t number = 0;

    for (int i = 0; i < 200; i++)
        append(f, 3, &number, 1000);
    log_flush(f->log, NULL);
    for (size_t max = 0; max < 3000; max += 17) {
        buf_clear(&bytes);
        assert_int_equal(log_read(f->log, 30, max, false, &bytes, NULL), 0);
        assert_true(bytes.len <= max);
        if (max >= 100)
            assert_true(bytes.len > 0);
    }
    buf_clear(&bytes);
    assert_int_equal(log_read(f->log, 30, 0, true, &bytes, NULL), 0);
    assert_true(bytes.len > 0);
    buf_deinit(&bytes);
}

static void an_extent_holds_the_same_bytes(void **state)
{
    struct fixture *f = *state;
    struct log_extent extent;
    struct buf bytes = {0};
    int64_t number = 0;

    for (int i = 0; i < 100; i++)
        append(f, 5, &number, 1000);
    log_flush(f->log, NULL);
    for (int64_t offset = 0; offset < number; offset += 31) {
        uint8_t copy[4096];

        buf_clear(&bytes);
        assert_int_equal(log_read(f->log, offset, 4000, true, &bytes, NULL), 0);
        assert_int_equal(log_locate(f->log, offset, 4000, true, &extent, NULL), 0);
        assert_int_equal(extent.len, bytes.len);
        assert_int_equal(pread(extent.fd, copy, extent.len, extent.pos), extent.len);
        assert_memory_equal(copy, bytes.ptr, bytes.len);
        log_extent_release(&extent);
    }
    assert_int_equal(log_locate(f->log, number, 4000, true, &extent, NULL), 0);
    assert_int_equal(extent.len, 0);
    assert_int_equal(log_locate(f->log, number + 1, 4000, true, &extent, NULL), ERR_RANGE);
    assert_int_equal(log_locate(f->log, -1, 4000, true, &extent, NULL), ERR_RANGE);
    buf_deinit(&bytes);
}

static void survives_reopening_over_many_segments(void **state)
{
    struct fixture *f = *state;
    int64_t number = 0;

    f->options.segment_bytes = 2000;
    log_configure(f->log, &f->options);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 60; i++)
            append(f, 4, &number, 1000);
        reopen(f);
        assert_int_equal(log_offsets(f->log).end, number);
        assert_int_equal(log_offsets(f->log).high_watermark, number);
        assert_int_equal(read_all(f, 0, 900), number);
    }
}

static void finds_offsets_by_time(void **state)
{
    struct fixture *f = *state;
    int64_t number = 0, offset, ms;

    f->options.segment_bytes = 3000;
    log_configure(f->log, &f->options);
    for (int i = 0; i < 300; i++)
        append(f, 10, &number, i * 10); /* record n has time n */
    log_flush(f->log, NULL);
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t t = 0; t < number; t += 7) {
            assert_int_equal(log_find_time(f->log, t, &offset, &ms, NULL), 0);
            assert_int_equal(offset, t);
            assert_int_equal(ms, t);
        }
        assert_int_equal(log_find_time(f->log, number, &offset, &ms, NULL), 0);
        assert_int_equal(offset, -1);
        assert_int_equal(log_time_max(f->log), number - 1);
        reopen(f);
    }
}

static void refuses_damaged_batches_and_stays_unchanged(void **state)
{
    struct fixture *f = *state;
    struct log_append_result result;
    struct buf bytes = {0};
    struct err err = {0};
    int64_t number = 0;

    make_batch(&bytes, 3, &number, 1000, -1, -1);
    for (size_t i = 8; i < bytes.len; i++) {
        if (i >= 12 && i < 16)
            continue; /* the leader epoch is the broker's to write */
        for (int bit = 0; bit < 8; bit++) {
            bytes.ptr[i] ^= (uint8_t)(1 << bit);
            assert_int_not_equal(log_append(f->log, bytes.ptr, bytes.len, &result, &err), 0);
            bytes.ptr[i] ^= (uint8_t)(1 << bit);
        }
    }
    for (size_t len = 0; len < bytes.len; len++)
        assert_int_not_equal(log_append(f->log, bytes.ptr, len, &result, &err), 0);
    assert_int_equal(log_offsets(f->log).end, 0);
    assert_int_equal(log_append(f->log, bytes.ptr, bytes.len, &result, &err), 0);
    assert_int_equal(log_offsets(f->log).end, 3);
    buf_deinit(&bytes);
}

static int append_as(struct fixture *f, int64_t pid, int32_t sequence, int count,
                     struct log_append_result *result)
{
    struct buf bytes = {0};
    int64_t number = 0;
    int rc;

    make_batch(&bytes, count, &number, 1000, pid, sequence);
    rc = log_append(f->log, bytes.ptr, bytes.len, result, NULL);
    buf_deinit(&bytes);
    return rc;
}

static void a_batch_sent_again_gets_the_place_it_had(void **state)
{
    struct fixture *f = *state;
    struct log_append_result r;

    for (int i = 0; i < 8; i++)
        assert_int_equal(append_as(f, 7, i * 2, 2, &r), 0);
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 3; i < 8; i++) { /* the last five are remembered */
            assert_int_equal(append_as(f, 7, i * 2, 2, &r), 0);
            assert_true(r.duplicate);
            assert_int_equal(r.base_offset, i * 2);
            assert_int_equal(r.last_offset, i * 2 + 1);
        }
        assert_int_equal(append_as(f, 7, 4, 2, &r), ERR_CONFLICT);
        assert_int_equal(append_as(f, 7, 18, 2, &r), ERR_CONFLICT);
        assert_int_equal(log_offsets(f->log).end, 16);
        reopen(f);
    }
    assert_int_equal(append_as(f, 7, 16, 2, &r), 0);
    assert_int_equal(append_as(f, 8, 500, 1, &r), 0); /* not known yet: starts anywhere */
}

static void producer_state_is_rebuilt_without_its_snapshot(void **state)
{
    struct fixture *f = *state;
    struct log_append_result r;
    char path[128];

    for (int i = 0; i < 300; i++)
        assert_int_equal(append_as(f, i % 100, i / 100 * 2, 2, &r), 0);
    log_free(f->log);
    snprintf(path, sizeof(path), "%s/producers", f->dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(log_new(&f->log, &f->options, NULL), 0);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(append_as(f, i, 4, 2, &r), 0);
        assert_true(r.duplicate);
        assert_int_equal(append_as(f, i, 8, 2, &r), ERR_CONFLICT);
    }
}

static void retention_by_size_keeps_the_newest(void **state)
{
    struct fixture *f = *state;
    int64_t number = 0;
    struct log_offsets o;

    f->options.segment_bytes = 2000;
    f->options.retention_bytes = 6000;
    log_configure(f->log, &f->options);
    for (int i = 0; i < 400; i++)
        append(f, 4, &number, 1000);
    log_flush(f->log, NULL);
    assert_int_equal(log_retain(f->log, NULL), 0);
    o = log_offsets(f->log);
    assert_true(o.start > 0 && o.bytes >= 6000 && o.bytes <= 8100);
    assert_int_equal(read_all(f, o.start, 5000), number);
    reopen(f);
    assert_int_equal(log_offsets(f->log).start, o.start);
    assert_int_equal(log_offsets(f->log).end, number);
}

static void retention_by_time_may_empty_the_log_and_keeps_its_end(void **state)
{
    struct fixture *f = *state;
    int64_t number = 0, now_ms = clock_wall_ms(&f->clock.clock);

    f->options.retention_ms = 60000;
    log_configure(f->log, &f->options);
    for (int i = 0; i < 20; i++)
        append(f, 4, &number, now_ms);
    log_flush(f->log, NULL);
    assert_int_equal(log_retain(f->log, NULL), 0);
    assert_int_equal(log_offsets(f->log).start, 0);
    clock_fake_advance(&f->clock, INT64_C(120000) * 1000000);
    assert_int_equal(log_retain(f->log, NULL), 0);
    for (int pass = 0; pass < 2; pass++) {
        assert_int_equal(log_offsets(f->log).start, number);
        assert_int_equal(log_offsets(f->log).end, number);
        assert_int_equal(log_offsets(f->log).bytes, 0);
        reopen(f);
    }
    assert_int_equal(append(f, 1, &number, now_ms), 80);
    log_flush(f->log, NULL);
    assert_int_equal(read_all(f, number - 1, 1000), number);
}

static void deletes_before_an_offset(void **state)
{
    struct fixture *f = *state;
    int64_t number = 0;
    struct buf bytes = {0};

    f->options.segment_bytes = 1000;
    log_configure(f->log, &f->options);
    for (int i = 0; i < 100; i++)
        append(f, 4, &number, 1000);
    log_flush(f->log, NULL);
    assert_int_equal(log_delete_before(f->log, 401, NULL), ERR_RANGE);
    assert_int_equal(log_delete_before(f->log, 202, NULL), 0);
    for (int pass = 0; pass < 2; pass++) {
        assert_int_equal(log_offsets(f->log).start, 202);
        assert_int_equal(log_read(f->log, 201, 100, true, &bytes, NULL), ERR_RANGE);
        assert_int_equal(read_all(f, 202, 100), number);
        reopen(f);
    }
    assert_int_equal(log_delete_before(f->log, 400, NULL), 0);
    reopen(f);
    assert_int_equal(log_offsets(f->log).start, 400);
    buf_deinit(&bytes);
}

static void truncation_cuts_and_the_place_is_written_anew(void **state)
{
    struct fixture *f = *state;
    int64_t number = 0;

    f->options.segment_bytes = 1500;
    log_configure(f->log, &f->options);
    for (int i = 0; i < 100; i++)
        append(f, 4, &number, 1000);
    log_flush(f->log, NULL);
    assert_int_equal(log_truncate(f->log, 201, NULL), ERR_INVALID); /* inside of a batch */
    for (int64_t end = 380; end >= 0; end -= 76) {
        assert_int_equal(log_truncate(f->log, end, NULL), 0);
        assert_int_equal(log_offsets(f->log).end, end);
        assert_int_equal(read_all(f, 0, 1000), end);
        number = end;
        append(f, 4, &number, 1000);
        log_flush(f->log, NULL);
        reopen(f);
        assert_int_equal(read_all(f, 0, 1000), end + 4);
    }
}

static void an_owned_log_shows_what_a_commit_vouches_for(void **state)
{
    struct fixture *f = *state;
    int64_t number = 0;

    log_free(f->log);
    f->options.owned = true;
    assert_int_equal(log_new(&f->log, &f->options, NULL), 0);
    for (int i = 0; i < 50; i++)
        append(f, 2, &number, 1000);
    log_flush(f->log, NULL);
    assert_int_equal(log_offsets(f->log).high_watermark, 0);
    log_set_high_watermark(f->log, 40);
    assert_int_equal(read_all(f, 0, 1000), 40);
    log_set_high_watermark(f->log, 60);
    assert_int_equal(read_all(f, 0, 1000), 60);
    f->options.owned_end = 60;
    reopen(f);
    assert_int_equal(log_offsets(f->log).end, 60);
    assert_int_equal(read_all(f, 0, 1000), 60);
    log_free(f->log);
    f->log = NULL;
    f->options.owned_end = 61;
    assert_int_equal(log_new(&f->log, &f->options, NULL), ERR_CORRUPT);
}

static void counts(void *arg, struct log *log)
{
    (void)log;
    ++*(int *)arg;
}

static void watchers_hear_of_every_advance(void **state)
{
    struct fixture *f = *state;
    int64_t number = 0;
    int heard = 0;

    assert_int_equal(log_on_advance(f->log, counts, &heard), 0);
    append(f, 1, &number, 1000);
    assert_int_equal(heard, 0);
    log_flush(f->log, NULL);
    assert_int_equal(heard, 1);
    log_flush(f->log, NULL);
    assert_int_equal(heard, 1);
    log_off_advance(f->log, counts, &heard);
    append(f, 1, &number, 1000);
    log_flush(f->log, NULL);
    assert_int_equal(heard, 1);
}

static void append_time_is_the_brokers(void **state)
{
    struct fixture *f = *state;
    int64_t number = 0, offset, ms, now_ms = clock_wall_ms(&f->clock.clock);

    f->options.append_time = true;
    log_configure(f->log, &f->options);
    append(f, 3, &number, 5);
    log_flush(f->log, NULL);
    assert_int_equal(log_find_time(f->log, 6, &offset, &ms, NULL), 0);
    assert_int_equal(offset, 0);
    assert_int_equal(ms, now_ms);
    assert_int_equal(read_all(f, 0, 1000), 3); /* checks the CRC too */
}

/* ---- threads ------------------------------------------------------------------------------ */

struct crowd {
    struct fixture *f;
    atomic_bool over;
    atomic_int appended;
};

static void *appends(void *arg)
{
    struct crowd *crowd = arg;

    for (int i = 0; i < 300; i++) {
        struct log_append_result result;
        struct batch_builder builder;
        struct buf bytes = {0};

        batch_builder_init(&builder);
        batch_builder_add(&builder, 1000 + i, (struct slice){0}, SLICE_LIT("some value"), NULL, 0);
        if (batch_builder_finish(&builder, CODEC_NONE, &bytes, NULL) ||
            log_append(crowd->f->log, bytes.ptr, bytes.len, &result, NULL))
            abort();
        if (i % 16 == 0 && log_flush(crowd->f->log, NULL))
            abort();
        atomic_fetch_add(&crowd->appended, 1);
        batch_builder_deinit(&builder);
        buf_deinit(&bytes);
    }
    return NULL;
}

static void *reads(void *arg)
{
    struct crowd *crowd = arg;
    struct buf bytes = {0};
    int64_t offset = 0, found, ms;

    while (!atomic_load(&crowd->over)) {
        struct log_extent extent;

        buf_clear(&bytes);
        if (log_read(crowd->f->log, offset, 500, true, &bytes, NULL)) {
            offset = log_offsets(crowd->f->log).start; /* deleted under us */
            continue;
        }
        for (struct slice rest = buf_slice(&bytes); rest.len;) {
            struct batch batch;

            if (batch_next(&rest, true, &batch, NULL, NULL) || batch.base_offset != offset)
                abort();
            offset += batch.count;
        }
        if (!log_locate(crowd->f->log, offset, 500, true, &extent, NULL))
            log_extent_release(&extent);
        if (log_find_time(crowd->f->log, 1100, &found, &ms, NULL))
            continue; /* a segment may go while it is looked through */
    }
    buf_deinit(&bytes);
    return NULL;
}

static void *keeps_house(void *arg)
{
    struct crowd *crowd = arg;

    while (!atomic_load(&crowd->over)) {
        if (log_retain(crowd->f->log, NULL) || log_checkpoint(crowd->f->log, true, NULL))
            abort();
        usleep(500);
    }
    return NULL;
}

/* Goal: the promises on threads in log.h. Shown best under the thread sanitizer. */
static void appends_reads_and_retention_run_side_by_side(void **state)
{
    struct crowd crowd = {.f = *state};
    pthread_t threads[5];

    crowd.f->options.segment_bytes = 3000;
    crowd.f->options.retention_bytes = 9000;
    log_configure(crowd.f->log, &crowd.f->options);
    pthread_create(&threads[0], NULL, appends, &crowd);
    pthread_create(&threads[1], NULL, appends, &crowd);
    pthread_create(&threads[2], NULL, reads, &crowd);
    pthread_create(&threads[3], NULL, reads, &crowd);
    pthread_create(&threads[4], NULL, keeps_house, &crowd);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    atomic_store(&crowd.over, true);
    for (int i = 2; i < 5; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&crowd.appended), 600);
    assert_int_equal(log_offsets(crowd.f->log).end, 600);
    reopen(crowd.f);
    assert_int_equal(log_offsets(crowd.f->log).end, 600);
    assert_true(log_offsets(crowd.f->log).start > 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(gives_back_what_was_appended),
        CASE(respects_max_bytes_unless_one_batch_is_larger),
        CASE(an_extent_holds_the_same_bytes),
        CASE(survives_reopening_over_many_segments),
        CASE(finds_offsets_by_time),
        CASE(refuses_damaged_batches_and_stays_unchanged),
        CASE(a_batch_sent_again_gets_the_place_it_had),
        CASE(producer_state_is_rebuilt_without_its_snapshot),
        CASE(retention_by_size_keeps_the_newest),
        CASE(retention_by_time_may_empty_the_log_and_keeps_its_end),
        CASE(deletes_before_an_offset),
        CASE(truncation_cuts_and_the_place_is_written_anew),
        CASE(an_owned_log_shows_what_a_commit_vouches_for),
        CASE(watchers_hear_of_every_advance),
        CASE(append_time_is_the_brokers),
        CASE(appends_reads_and_retention_run_side_by_side),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
