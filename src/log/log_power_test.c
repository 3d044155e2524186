/* log_power_test.c - what a log promises when the power goes, a call fails or a byte rots.
 *
 * Record n always holds "v<n>", so that any record found can be told right from wrong. Method: run
 * a small workload on the simulated disk, cut the power at the first disk call, then at the second,
 * and so on until the workload gets through; after each cut reopen, compare with what was
 * acknowledged, and go on writing. The same with one failing call in place of the cut.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/disk_sim.h"
#include "log/batch.h"
#include "log/log.h"

struct world {
    struct disk_sim *sim;
    struct disk *disk;
    struct clock_fake clock;
    struct log_options options;
    int64_t calls, stop_at; /* the call that does not happen; -1: none */
    int fault;              /* 0: the power goes; else this code, once */
    bool down;
    int64_t appended;     /* records handed to log_append */
    int64_t acknowledged; /* records a flush has confirmed */
    int64_t start;        /* at most this was deleted */
    int64_t vouched;      /* owned: what the commit says */
};

static int on_call(void *arg, enum disk_call call, const char *path)
{
    struct world *w = arg;

    (void)call;
    (void)path;
    if (w->calls++ != w->stop_at)
        return 0;
    if (w->fault)
        return w->fault;
    w->down = true;
    disk_sim_power_loss(w->sim);
    return ERR_IO;
}

static void world_init(struct world *w, uint64_t seed, int64_t stop_at, int fault)
{
    *w = (struct world){.stop_at = stop_at, .fault = fault};
    assert_int_equal(disk_sim_new(&w->sim, seed, NULL), 0);
    w->disk = disk_sim_disk(w->sim);
    clock_fake_init(&w->clock, 1700000000000000);
    w->options = (struct log_options){.dir = "data/log/0",
                                      .segment_bytes = 700,
                                      .retention_ms = -1,
                                      .retention_bytes = -1,
                                      .index_interval_bytes = 100,
                                      .disk = w->disk,
                                      .clock = &w->clock.clock};
    disk_sim_on_call(w->sim, on_call, w);
}

static int append(struct world *w, struct log *log, int count, struct err *err)
{
    struct log_append_result result;
    struct batch_builder builder;
    struct buf bytes = {0};
    int64_t number = log_offsets(log).end;
    int rc = 0;

    batch_builder_init(&builder);
    for (int i = 0; i < count; i++) {
        char text[32];

        snprintf(text, sizeof(text), "v%lld", (long long)(number + i));
        assert_int_equal(batch_builder_add(&builder, 1000 + number + i, (struct slice){0},
                                           slice_str(text), NULL, 0),
                         0);
    }
    assert_int_equal(batch_builder_finish(&builder, CODEC_NONE, &bytes, NULL), 0);
    if (number + count > w->appended)
        w->appended = number + count;
    rc = log_append(log, bytes.ptr, bytes.len, &result, err);
    if (!rc)
        assert_int_equal(result.base_offset, number);
    batch_builder_deinit(&builder);
    buf_deinit(&bytes);
    return rc;
}

/* Every record from the start to the readable end is there, once, with its own content. */
static void check(struct world *w, struct log *log)
{
    struct log_offsets at = log_offsets(log);
    struct buf bytes = {0}, scratch = {0};
    int64_t offset = at.start;
    struct err err = {0};

    assert_true(at.end >= w->acknowledged);
    assert_true(at.end <= w->appended);
    assert_true(at.start <= w->start);
    assert_int_equal(at.high_watermark, w->options.owned ? w->vouched : at.end);
    while (offset < at.high_watermark) {
        struct slice rest;

        buf_clear(&bytes);
        if (log_read(log, offset, 300, true, &bytes, &err))
            fail_msg("read at %lld: %s", (long long)offset, err.text);
        assert_true(bytes.len > 0);
        rest = buf_slice(&bytes);
        while (rest.len) {
            struct record_walk walk;
            struct record record;
            struct batch batch;

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
}

/* Some of everything; stops at the first error. */
static int workload(struct world *w, struct log *log)
{
    struct err err = {0};
    int rc = 0;

    for (int i = 0; i < 14 && !rc; i++) {
        rc = append(w, log, 1 + i % 3, &err);
        if (!rc && i % 2)
            rc = append(w, log, 2, &err);
        if (!rc && i % 3 != 1) {
            int64_t end = log_offsets(log).end;

            rc = log_flush(log, &err);
            if (!rc)
                w->acknowledged = end;
        }
        if (!rc && i % 5 == 3)
            rc = log_checkpoint(log, true, &err);
        if (!rc && i == 9 && !w->options.owned) {
            w->start = 8;
            rc = log_delete_before(log, 8, &err);
        }
    }
    return rc;
}

static void reopen_and_check(struct world *w)
{
    struct log *log = NULL;
    struct err err = {0};

    w->options.owned_end = w->vouched;
    if (log_new(&log, &w->options, &err))
        fail_msg("stopped at call %lld: %s", (long long)w->stop_at, err.text);
    check(w, log);
    for (int i = 0; i < 5; i++)
        assert_int_equal(append(w, log, 2, &err), 0);
    assert_int_equal(log_flush(log, &err), 0);
    w->acknowledged = log_offsets(log).end;
    if (w->options.owned) {
        w->vouched = w->acknowledged;
        log_set_high_watermark(log, w->vouched);
    }
    check(w, log);
    log_free(log);
    w->options.owned_end = w->vouched;
    assert_int_equal(log_new(&log, &w->options, &err), 0); /* also after a clean stop */
    check(w, log);
    log_free(log);
}

static void power_goes_at_every_call(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        bool through = false;

        for (int64_t stop_at = 0; !through; stop_at++) {
            struct world w;
            struct log *log = NULL;

            world_init(&w, seed * 1000 + (uint64_t)stop_at, stop_at, 0);
            if (!log_new(&log, &w.options, NULL))
                workload(&w, log);
            log_free(log);
            through = !w.down;
            if (w.down)
                disk_sim_reboot(w.sim);
            w.stop_at = -1;
            reopen_and_check(&w);
            disk_sim_free(w.sim);
        }
    }
}

/* A second cut during the recovery from the first. */
static void power_goes_again_during_recovery(void **state)
{
    (void)state;
    for (int64_t first = 5; first < 120; first += 7)
        for (int64_t second = 0; second < 30; second++) {
            struct world w;
            struct log *log = NULL;

            world_init(&w, (uint64_t)(first * 100 + second), first, 0);
            if (!log_new(&log, &w.options, NULL))
                workload(&w, log);
            log_free(log);
            log = NULL;
            if (w.down)
                disk_sim_reboot(w.sim);
            w.down = false;
            w.stop_at = w.calls + second;
            log_new(&log, &w.options, NULL);
            log_free(log);
            if (w.down)
                disk_sim_reboot(w.sim);
            w.stop_at = -1;
            reopen_and_check(&w);
            disk_sim_free(w.sim);
        }
}

/* In an owned log the commit decides: what lies beyond is cut, what lies below stays. */
static void power_goes_while_a_job_writes(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++)
        for (int64_t stop_at = 0; stop_at < 150; stop_at++) {
            struct world w;
            struct log *log = NULL;
            struct err err = {0};
            int rc;

            world_init(&w, seed * 777 + (uint64_t)stop_at, stop_at, 0);
            w.options.owned = true;
            rc = log_new(&log, &w.options, NULL);
            for (int i = 0; i < 10 && !rc; i++) {
                rc = append(&w, log, 1 + i % 3, &err);
                if (!rc && i % 2) {
                    rc = log_flush(log, &err);
                    if (!rc) { /* now the metadata transaction, which is another's */
                        w.vouched = w.acknowledged = log_offsets(log).end;
                        log_set_high_watermark(log, w.vouched);
                        rc = log_checkpoint(log, i % 4 == 1, &err);
                    }
                }
                if (!rc && i == 6) { /* the job failed and starts again from its commit */
                    rc = log_truncate(log, w.vouched, &err);
                    if (!rc)
                        assert_int_equal(log_offsets(log).end, w.vouched);
                }
            }
            log_free(log);
            if (w.down)
                disk_sim_reboot(w.sim);
            w.stop_at = -1;
            reopen_and_check(&w);
            disk_sim_free(w.sim);
        }
}

static void any_call_may_fail(void **state)
{
    static const int faults[] = {ERR_IO, ERR_NOSPC, ERR_NOMEM};

    (void)state;
    for (size_t f = 0; f < COUNT_OF(faults); f++) {
        for (int64_t stop_at = 0; stop_at < 200; stop_at++) {
            struct world w;
            struct log *log = NULL;

            world_init(&w, (uint64_t)stop_at, stop_at, faults[f]);
            if (!log_new(&log, &w.options, NULL)) {
                struct err err = {0};
                int64_t end;

                workload(&w, log);
                w.stop_at = -1;
                /* The log lives on: what it takes from here on counts like all else. */
                end = log_offsets(log).end;
                if (!append(&w, log, 2, &err) && !log_flush(log, &err)) {
                    w.acknowledged = log_offsets(log).end;
                    assert_true(w.acknowledged == end + 2);
                    check(&w, log);
                }
            }
            log_free(log);
            w.stop_at = -1;
            reopen_and_check(&w);
            disk_sim_free(w.sim);
        }
    }
}

/* A full disk refuses appends; with room again, all goes on. */
static void a_full_disk_loses_nothing(void **state)
{
    struct world w;
    struct log *log;
    struct err err = {0};
    int rc = 0;

    (void)state;
    world_init(&w, 1, -1, 0);
    assert_int_equal(log_new(&log, &w.options, NULL), 0);
    disk_sim_capacity(w.sim, 3000);
    for (int i = 0; i < 100 && !rc; i++) {
        rc = append(&w, log, 2, &err);
        if (!rc && !log_flush(log, NULL))
            w.acknowledged = log_offsets(log).end;
    }
    assert_int_equal(rc, ERR_NOSPC);
    w.appended = log_offsets(log).end;
    check(&w, log);
    disk_sim_capacity(w.sim, -1);
    assert_int_equal(append(&w, log, 2, &err), 0);
    assert_int_equal(log_flush(log, &err), 0);
    w.acknowledged = log_offsets(log).end;
    check(&w, log);
    log_free(log);
    reopen_and_check(&w);
    disk_sim_free(w.sim);
}

static void flip(struct world *w, const char *path, int64_t pos)
{
    struct file *file;
    uint8_t byte;
    size_t got;

    assert_int_equal(disk_open(w->disk, &file, path, DISK_WRITE, NULL), 0);
    assert_int_equal(file_pread(file, &byte, 1, pos, &got, NULL), 0);
    byte ^= 0x40;
    assert_int_equal(file_pwrite(file, &byte, 1, pos, NULL), 0);
    file_close(file);
}

static int64_t second_segment(struct disk *disk)
{
    char path[64];

    for (int64_t base = 1; base < 100; base++) {
        snprintf(path, sizeof(path), "data/log/0/%020lld.log", (long long)base);
        if (disk_exists(disk, path))
            return base;
    }
    fail_msg("there is one segment only");
    return -1;
}

/* What a client does with the bytes: a batch whose CRC holds has the right records. */
static void check_by_crc(struct slice bytes, int64_t offset)
{
    struct buf scratch = {0};
    struct record_walk walk;
    struct record record;
    struct batch batch;
    char text[32];

    if (batch_next(&bytes, true, &batch, NULL, NULL))
        return;
    assert_int_equal(record_walk_init(&walk, &batch, &scratch, 1 << 20, NULL), 0);
    assert_int_equal(record_next(&walk, &record, NULL), 1);
    snprintf(text, sizeof(text), "v%lld", (long long)offset);
    assert_int_equal(record.offset, offset);
    assert_true(slice_is(record.value, text));
}

/* Rot in the caches is healed, rot in the records is noticed or cut, never served as good: a reader
 * that checks the CRC, as clients do, sees right records or an error. */
static void every_rotten_byte_is_survived(void **state)
{
    static const char *const files[] = {
        "data/log/0/recovery", "data/log/0/producers", "data/log/0/00000000000000000000.index",
        "data/log/0/00000000000000000000.log", NULL /* the second segment */};

    (void)state;
    for (size_t f = 0; f < COUNT_OF(files); f++) {
        int64_t size = 1;

        for (int64_t pos = 0; pos < size; pos++) {
            struct world w;
            struct disk_stat stat;
            struct log *log = NULL;
            struct err err = {0};
            char path[64];
            int rc;

            world_init(&w, 1, -1, 0);
            w.options.segment_bytes = 650;
            assert_int_equal(log_new(&log, &w.options, NULL), 0);
            for (int i = 0; i < 20; i++)
                assert_int_equal(append(&w, log, 1, &err), 0);
            assert_int_equal(log_flush(log, NULL), 0);
            w.acknowledged = 20;
            log_free(log);
            log = NULL;
            if (files[f])
                snprintf(path, sizeof(path), "%s", files[f]);
            else
                snprintf(path, sizeof(path), "data/log/0/%020lld.log",
                         (long long)second_segment(w.disk));
            assert_int_equal(disk_stat(w.disk, path, &stat, NULL), 0);
            size = stat.size;
            flip(&w, path, pos);
            rc = log_new(&log, &w.options, &err);
            if (f < 3) { /* a cache: nothing is lost */
                assert_int_equal(rc, 0);
                check(&w, log);
            } else if (rc) {
                assert_int_equal(rc, ERR_CORRUPT);
                assert_true(err.text[0] != '\0');
            } else {
                struct buf bytes = {0};

                for (int64_t offset = 0; offset < 20 && !rc; offset++) {
                    buf_clear(&bytes);
                    rc = log_read(log, offset, 1, true, &bytes, &err);
                    if (!rc)
                        check_by_crc(buf_slice(&bytes), offset);
                }
                assert_true(rc == 0 || rc == ERR_CORRUPT || rc == ERR_RANGE);
                buf_deinit(&bytes);
            }
            log_free(log);
            disk_sim_free(w.sim);
        }
    }
}

static void quiet(void *arg, enum diag_level level, const char *part, const char *line)
{
    (void)arg, (void)level, (void)part, (void)line;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(power_goes_at_every_call),
        cmocka_unit_test(power_goes_again_during_recovery),
        cmocka_unit_test(power_goes_while_a_job_writes),
        cmocka_unit_test(any_call_may_fail),
        cmocka_unit_test(a_full_disk_loses_nothing),
        cmocka_unit_test(every_rotten_byte_is_survived),
    };

    diag_set_sink(quiet, NULL); /* it warns of each cut */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
