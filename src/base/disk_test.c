/* disk_test.c - the machine's disk, the simulated one and the failing one behave alike; a power
 * loss keeps what was synced and nothing can be relied on beyond it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base.h"
#include "base/disk_sim.h"

static struct slice text(const char *s) { return slice_str(s); }

static void write_synced(struct disk *disk, const char *path, const char *bytes)
{
    struct err err = {0};
    struct file *file;

    assert_int_equal(disk_open(disk, &file, path, DISK_WRITE | DISK_CREATE, &err), 0);
    assert_int_equal(file_pwrite(file, bytes, strlen(bytes), 0, &err), 0);
    assert_int_equal(file_sync(file, &err), 0);
    file_close(file);
}

static void assert_holds(struct disk *disk, const char *path, const char *bytes)
{
    struct buf buf = {0};

    assert_int_equal(disk_read_file(disk, path, &buf, NULL), 0);
    assert_int_equal(buf.len, strlen(bytes));
    assert_memory_equal(buf.ptr, bytes, buf.len);
    buf_deinit(&buf);
}

/* ---- what all disks do ---- */

static void exercise(struct disk *disk, const char *root)
{
    char a[300], b[300], deep[300];
    struct arena arena = {0};
    struct disk_entry *entries;
    struct disk_stat stat;
    struct err err = {0};
    struct file *file;
    uint8_t got[16];
    size_t count, n;
    int64_t size;

    snprintf(a, sizeof(a), "%s/a", root);
    snprintf(b, sizeof(b), "%s/b", root);
    snprintf(deep, sizeof(deep), "%s/x/y/z", root);
    assert_int_equal(disk_mkdirs(disk, deep, &err), 0);
    assert_int_equal(disk_mkdirs(disk, deep, &err), 0);
    assert_int_equal(disk_mkdir(disk, deep, &err), 0);
    assert_int_equal(disk_open(disk, &file, a, DISK_READ, &err), ERR_NOENT);
    assert_non_null(strstr(err.text, a));
    assert_int_equal(disk_open(disk, &file, a, DISK_WRITE | DISK_CREATE | DISK_EXCLUSIVE, &err), 0);
    file_reserve(file, 0, 1 << 20); /* neither size nor bytes are of that */
    file_reserve(file, 5, 0);
    assert_int_equal(file_pwrite(file, "hello", 5, 3, &err), 0);
    assert_int_equal(file_pread(file, got, sizeof(got), 0, &n, &err), 0);
    assert_int_equal(n, 8);
    assert_memory_equal(got, "\0\0\0hello", 8);
    assert_int_equal(file_read_all(file, got, 9, 0, &err), ERR_CORRUPT);
    assert_int_equal(file_pread(file, got, 4, 100, &n, &err), 0);
    assert_int_equal(n, 0);
    assert_int_equal(file_truncate(file, 4, &err), 0);
    assert_int_equal(file_size(file, &size, &err), 0);
    assert_int_equal(size, 4);
    file_close(file);
    assert_int_equal(disk_open(disk, &file, a, DISK_WRITE | DISK_CREATE | DISK_EXCLUSIVE, &err),
                     ERR_EXISTS);
    assert_int_equal(disk_link(disk, a, b, &err), 0);
    assert_int_equal(disk_link(disk, a, b, &err), ERR_EXISTS);
    assert_int_equal(disk_unlink(disk, a, &err), 0);
    assert_int_equal(disk_unlink(disk, a, &err), ERR_NOENT);
    assert_int_equal(disk_rename(disk, b, a, &err), 0);
    assert_false(disk_exists(disk, b));
    assert_int_equal(disk_write_file(disk, a, text("whole"), &err), 0);
    assert_holds(disk, a, "whole");
    assert_int_equal(disk_sync_path(disk, a, &err), 0);
    assert_int_equal(disk_stat(disk, a, &stat, &err), 0);
    assert_int_equal(stat.size, 5);
    assert_false(stat.is_dir);
    assert_int_equal(disk_list(disk, root, &arena, &entries, &count, &err), 0);
    assert_int_equal(count, 2);
    assert_int_equal(disk_rmdir(disk, root, &err), ERR_IO);
    assert_int_equal(disk_free_bytes(disk, root, &size, &err), 0);
    assert_true(size > 0);
    assert_int_equal(disk_remove_tree(disk, root, &err), 0);
    assert_false(disk_exists(disk, root));
    assert_int_equal(disk_remove_tree(disk, root, &err), 0);
    arena_deinit(&arena);
}

/* What went past the cache is read by who reads through it, and the other way round. */
static void exercise_direct(struct disk *disk, const char *root)
{
    static uint8_t block[DISK_BLOCK] __attribute__((aligned(DISK_ALIGNED)));
    uint8_t got[2 * DISK_BLOCK];
    struct file *file, *direct;
    char path[300];
    int rc;

    snprintf(path, sizeof(path), "%s/direct", root);
    assert_int_equal(disk_open(disk, &file, path, DISK_WRITE | DISK_CREATE, NULL), 0);
    rc = disk_open(disk, &direct, path, DISK_WRITE | DISK_DIRECT, NULL);
    if (rc == 0) {
        memset(block, 'd', sizeof(block));
        assert_int_equal(file_pwrite(file, "plain", 5, 0, NULL), 0);
        assert_int_equal(file_pwrite(direct, block, sizeof(block), DISK_BLOCK, NULL), 0);
        assert_int_equal(file_read_all(file, got, sizeof(got), 0, NULL), 0);
        assert_memory_equal(got, "plain", 5);
        assert_memory_equal(got + DISK_BLOCK, block, sizeof(block));
        assert_int_equal(file_pwrite(file, "over", 4, DISK_BLOCK, NULL), 0);
        assert_int_equal(file_pwrite(direct, block, sizeof(block), 0, NULL), 0);
        assert_int_equal(file_read_all(file, got, sizeof(got), 0, NULL), 0);
        assert_memory_equal(got + DISK_BLOCK, "overdd", 6);
        assert_memory_equal(got, block, sizeof(block));
        file_close(direct);
    } else {
        assert_int_equal(rc, ERR_UNSUPPORTED);
    }
    file_close(file);
    assert_int_equal(disk_unlink(disk, path, NULL), 0);
}

/* The attribute and the time go with the file, not with its name. /tmp may keep no attributes. */
static void exercise_attributes(struct disk *disk, const char *root)
{
    char a[300], b[300];
    struct disk_stat stat;
    struct file *file;
    struct buf got = {0};
    int rc;

    snprintf(a, sizeof(a), "%s/attr", root);
    snprintf(b, sizeof(b), "%s/moved", root);
    assert_int_equal(disk_open(disk, &file, a, DISK_WRITE | DISK_CREATE, NULL), 0);
    assert_int_equal(file_get_attr(file, &got, NULL), ERR_NOENT);
    rc = file_set_attr(file, text("kept"), NULL);
    assert_true(rc == 0 || rc == ERR_UNSUPPORTED);
    assert_int_equal(file_pwrite(file, "12345", 5, 0, NULL), 0);
    assert_int_equal(file_set_mtime(file, 1700000000123456, NULL), 0);
    assert_int_equal(disk_rename(disk, a, b, NULL), 0);
    assert_int_equal(file_sync(file, NULL), 0);
    assert_int_equal(file_stat(file, &stat, NULL), 0);
    assert_int_equal(stat.size, 5);
    assert_int_equal(stat.mtime_us, 1700000000123456);
    file_close(file);
    assert_int_equal(disk_sync_all(disk, root, NULL), 0);
    assert_int_equal(disk_stat(disk, b, &stat, NULL), 0);
    assert_int_equal(stat.mtime_us, 1700000000123456);
    assert_int_equal(disk_open(disk, &file, b, DISK_READ, NULL), 0);
    if (rc == 0) {
        assert_int_equal(file_get_attr(file, &got, NULL), 0);
        assert_true(slice_is(buf_slice(&got), "kept"));
    }
    file_close(file);
    buf_deinit(&got);
    assert_int_equal(disk_unlink(disk, b, NULL), 0);
}

static void the_machines_disk_keeps_the_contract(void **state)
{
    char root[] = "/tmp/tarn-disk-XXXXXX", other[] = "/tmp/tarn-disk-XXXXXX";

    (void)state;
    assert_non_null(mkdtemp(root));
    exercise_attributes(disk_system(), root);
    exercise_direct(disk_system(), root);
    exercise(disk_system(), root);
    assert_non_null(mkdtemp(other));
    exercise_attributes(disk_scratch(), other);
    exercise(disk_scratch(), other);
}

static void the_simulated_disk_keeps_the_contract(void **state)
{
    struct disk_sim *sim;

    (void)state;
    assert_int_equal(disk_sim_new(&sim, 1, NULL), 0);
    assert_int_equal(disk_mkdir(disk_sim_disk(sim), "root", NULL), 0);
    exercise_attributes(disk_sim_disk(sim), "root");
    exercise(disk_sim_disk(sim), "root");
    disk_sim_free(sim);
}

static int never(void *arg, enum disk_call call, const char *path)
{
    (void)call, (void)path;
    ++*(int *)arg;
    return 0;
}

static void the_failing_disk_keeps_the_contract_while_it_does_not_fail(void **state)
{
    struct disk_sim *sim;
    struct disk *disk;
    int calls = 0;

    (void)state;
    assert_int_equal(disk_sim_new(&sim, 1, NULL), 0);
    assert_int_equal(disk_fault_new(&disk, disk_sim_disk(sim), never, &calls, NULL), 0);
    assert_int_equal(disk_mkdir(disk, "root", NULL), 0);
    exercise_attributes(disk, "root");
    exercise(disk, "root");
    assert_int_equal(calls, disk_sim_calls(sim));
    disk_fault_free(disk);
    disk_sim_free(sim);
}

/* ---- failing calls ---- */

struct nth {
    int at, left;
    int code;
};

static int fail_nth(void *arg, enum disk_call call, const char *path)
{
    struct nth *nth = arg;

    (void)call, (void)path;
    return nth->left-- == 0 ? nth->code : 0;
}

/* Goal: an atomic write leaves the old or the new bytes. Method: fail call 0, then 1, ... */
static void an_atomic_write_that_fails_leaves_the_old_bytes(void **state)
{
    int rc = ERR_IO;

    (void)state;
    for (int at = 0; rc; at++) {
        struct nth nth = {at, at, ERR_NOSPC};
        struct disk_sim *sim;
        struct disk *disk;
        struct buf buf = {0};

        assert_int_equal(disk_sim_new(&sim, 7, NULL), 0);
        assert_int_equal(disk_write_file(disk_sim_disk(sim), "f", text("old"), NULL), 0);
        assert_int_equal(disk_fault_new(&disk, disk_sim_disk(sim), fail_nth, &nth, NULL), 0);
        rc = disk_write_file(disk, "f", text("new and longer"), NULL);
        assert_true(rc == 0 || rc == ERR_NOSPC);
        assert_int_equal(disk_read_file(disk_sim_disk(sim), "f", &buf, NULL), 0);
        assert_true(slice_is(buf_slice(&buf), "new and longer") ||
                    (rc && slice_is(buf_slice(&buf), "old")));
        buf_deinit(&buf);
        disk_fault_free(disk);
        disk_sim_free(sim);
    }
}

static void a_full_disk_takes_what_fits_and_says_so(void **state)
{
    struct disk_sim *sim;
    struct file *file;
    struct err err = {0};
    int64_t size;

    (void)state;
    assert_int_equal(disk_sim_new(&sim, 1, NULL), 0);
    disk_sim_capacity(sim, 10);
    assert_int_equal(disk_open(disk_sim_disk(sim), &file, "f", DISK_WRITE | DISK_CREATE, &err), 0);
    assert_int_equal(file_pwrite(file, "12345678", 8, 0, &err), 0);
    assert_int_equal(file_pwrite(file, "abcdefgh", 8, 8, &err), ERR_NOSPC);
    assert_int_equal(file_size(file, &size, &err), 0);
    assert_int_equal(size, 10);
    assert_int_equal(file_pwrite(file, "overwrite!", 10, 0, &err), 0);
    assert_int_equal(file_truncate(file, 0, &err), 0);
    assert_int_equal(disk_free_bytes(disk_sim_disk(sim), "/", &size, &err), 0);
    assert_int_equal(size, 10);
    file_close(file);
    disk_sim_free(sim);
}

/* ---- power loss ---- */

static void cut(struct disk_sim *sim)
{
    disk_sim_power_loss(sim);
    assert_int_equal(disk_mkdir(disk_sim_disk(sim), "while-off", NULL), ERR_IO);
    disk_sim_reboot(sim);
}

static void synced_bytes_under_synced_names_always_survive(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct disk_sim *sim;
        struct disk *disk;
        struct file *file;

        assert_int_equal(disk_sim_new(&sim, seed, NULL), 0);
        disk = disk_sim_disk(sim);
        assert_int_equal(disk_mkdirs(disk, "data/part", NULL), 0);
        write_synced(disk, "data/part/log", "acknowledged");
        assert_int_equal(disk_sync_dir(disk, "data/part", NULL), 0);
        assert_int_equal(disk_open(disk, &file, "data/part/log", DISK_WRITE, NULL), 0);
        assert_int_equal(file_pwrite(file, "tail", 4, 12, NULL), 0);
        cut(sim);
        assert_int_equal(file_pwrite(file, "x", 1, 0, NULL), ERR_IO);
        file_close(file);
        struct buf buf = {0};
        assert_int_equal(disk_read_file(disk, "data/part/log", &buf, NULL), 0);
        assert_true(slice_starts(buf_slice(&buf), text("acknowledged")));
        assert_true(buf.len <= 16);
        buf_deinit(&buf);
        disk_sim_free(sim);
    }
}

/* Goal: unsynced writes are torn, lost and kept out of order. Method: write eight sectors one by
 * one after a sync, lose power, and see each kind over the seeds. */
static void unsynced_sectors_are_lost_kept_and_kept_out_of_order(void **state)
{
    int lost = 0, kept = 0, torn = 0, out_of_order = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        uint8_t old[4096], fresh[4096], got[4096];
        int first_old = -1, new_after_old = 0, count = 0;
        struct disk_sim *sim;
        struct file *file;

        memset(old, 'o', sizeof(old));
        memset(fresh, 'n', sizeof(fresh));
        assert_int_equal(disk_sim_new(&sim, seed, NULL), 0);
        assert_int_equal(disk_write_file(disk_sim_disk(sim), "f", slice_of(old, sizeof(old)), NULL),
                         0);
        assert_int_equal(disk_open(disk_sim_disk(sim), &file, "f", DISK_WRITE, NULL), 0);
        for (int i = 0; i < 8; i++)
            assert_int_equal(file_pwrite(file, fresh, 512, i * 512, NULL), 0);
        file_close(file);
        cut(sim);
        assert_int_equal(disk_open(disk_sim_disk(sim), &file, "f", DISK_READ, NULL), 0);
        assert_int_equal(file_read_all(file, got, sizeof(got), 0, NULL), 0);
        file_close(file);
        for (int i = 0; i < 8; i++) {
            bool is_new = got[i * 512] == 'n';

            assert_memory_equal(got + i * 512, is_new ? fresh : old, 512); /* whole sectors */
            count += is_new;
            if (!is_new && first_old < 0)
                first_old = i;
            if (is_new && first_old >= 0)
                new_after_old = 1;
        }
        lost += count == 0;
        kept += count == 8;
        torn += count > 0 && count < 8;
        out_of_order += new_after_old;
        disk_sim_free(sim);
    }
    assert_true(lost > 10 && kept > 10 && torn > 10 && out_of_order > 10);
}

static void unsynced_names_are_lost_or_kept(void **state)
{
    int there = 0, renamed = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct disk_sim *sim;
        struct disk *disk;

        assert_int_equal(disk_sim_new(&sim, seed, NULL), 0);
        disk = disk_sim_disk(sim);
        write_synced(disk, "old", "1");
        assert_int_equal(disk_sync_dir(disk, "/", NULL), 0);
        write_synced(disk, "fresh", "2");
        assert_int_equal(disk_rename(disk, "old", "moved", NULL), 0);
        cut(sim);
        there += disk_exists(disk, "fresh");
        renamed += disk_exists(disk, "moved");
        /* A rename is whole or not at all. */
        assert_int_equal(disk_exists(disk, "old") + disk_exists(disk, "moved"), 1);
        assert_holds(disk, disk_exists(disk, "old") ? "old" : "moved", "1");
        disk_sim_free(sim);
    }
    assert_true(there > 20 && there < 180 && renamed > 20 && renamed < 180);
}

/* Goal: write-sync-rename-sync is atomic. Method: cut the power at each call of it, many seeds. */
struct cutter {
    struct disk_sim *sim;
    int left;
};

static int cut_nth(void *arg, enum disk_call call, const char *path)
{
    struct cutter *cutter = arg;

    (void)call, (void)path;
    if (cutter->left-- == 0)
        disk_sim_power_loss(cutter->sim);
    return 0;
}

static void an_atomic_write_survives_power_loss_at_every_call(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        int rc = ERR_IO;

        for (int at = 0; rc; at++) {
            struct cutter cutter = {NULL, at};
            struct buf buf = {0};

            assert_int_equal(disk_sim_new(&cutter.sim, seed, NULL), 0);
            struct disk *disk = disk_sim_disk(cutter.sim);
            assert_int_equal(disk_write_file(disk, "f", text("old"), NULL), 0);
            disk_sim_on_call(cutter.sim, cut_nth, &cutter);
            rc = disk_write_file(disk, "f", text("new and longer"), NULL);
            disk_sim_on_call(cutter.sim, NULL, NULL);
            if (rc == 0)
                disk_sim_power_loss(cutter.sim);
            disk_sim_reboot(cutter.sim);
            assert_int_equal(disk_read_file(disk, "f", &buf, NULL), 0);
            assert_true(slice_is(buf_slice(&buf), "new and longer") ||
                        (rc && slice_is(buf_slice(&buf), "old")));
            buf_deinit(&buf);
            disk_sim_free(cutter.sim);
        }
    }
}

/* A random life of a few files, ending in a power loss; returns a hash-like string of what is
 * left. */
static void random_life(uint64_t seed, struct buf *out)
{
    static const char *const names[] = {"a", "b", "d/c", "d/e", "d/f"};
    struct arena arena = {0};
    struct disk_sim *sim;
    struct disk *disk;
    struct rng rng;

    rng_init(&rng, seed);
    assert_int_equal(disk_sim_new(&sim, seed, NULL), 0);
    disk = disk_sim_disk(sim);
    assert_int_equal(disk_mkdir(disk, "d", NULL), 0);
    for (int i = 0; i < 60; i++) {
        const char *name = names[rng_below(&rng, 5)], *other = names[rng_below(&rng, 5)];
        struct file *file = NULL;
        uint8_t bytes[1500];

        memset(bytes, 'a' + i % 26, sizeof(bytes));
        switch (rng_below(&rng, 8)) {
        case 0:
            disk_rename(disk, name, other, NULL);
            break;
        case 1:
            disk_unlink(disk, name, NULL);
            break;
        case 2:
            disk_sync_dir(disk, rng_below(&rng, 2) ? "d" : "/", NULL);
            break;
        case 3:
            disk_link(disk, name, other, NULL);
            break;
        default:
            assert_int_equal(disk_open(disk, &file, name, DISK_WRITE | DISK_CREATE, NULL), 0);
            file_pwrite(file, bytes, rng_below(&rng, sizeof(bytes)),
                        (int64_t)rng_below(&rng, 4096), NULL);
            if (rng_below(&rng, 3) == 0)
                file_sync(file, NULL);
            if (rng_below(&rng, 6) == 0)
                file_truncate(file, (int64_t)rng_below(&rng, 3000), NULL);
            file_close(file);
        }
        if (i % 20 == 19)
            cut(sim);
        if (i % 20 == 19)
            disk_mkdir(disk, "d", NULL);
    }
    for (int i = 0; i < 5; i++) {
        assert_int_equal(buf_printf(out, "|%s:", names[i]), 0);
        disk_read_file(disk, names[i], out, NULL);
    }
    arena_deinit(&arena);
    disk_sim_free(sim);
}

static void the_same_seed_gives_the_same_bytes(void **state)
{
    int differ = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct buf once = {0}, again = {0}, other = {0};

        random_life(seed, &once);
        random_life(seed, &again);
        random_life(seed + 1000, &other);
        assert_true(slice_eq(buf_slice(&once), buf_slice(&again)));
        differ += !slice_eq(buf_slice(&once), buf_slice(&other));
        buf_deinit(&once);
        buf_deinit(&again);
        buf_deinit(&other);
    }
    assert_true(differ > 40);
}

static void a_rename_across_folders_never_loses_the_file(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct disk_sim *sim;
        struct disk *disk;

        assert_int_equal(disk_sim_new(&sim, seed, NULL), 0);
        disk = disk_sim_disk(sim);
        assert_int_equal(disk_mkdirs(disk, "from", NULL), 0);
        assert_int_equal(disk_mkdirs(disk, "to", NULL), 0);
        write_synced(disk, "from/f", "bytes"); /* its name is not synced */
        assert_int_equal(disk_rename(disk, "from/f", "to/f", NULL), 0);
        if (seed % 2) {
            assert_int_equal(disk_sync_dir(disk, "to", NULL), 0);
            cut(sim);
            assert_holds(disk, "to/f", "bytes");
            assert_false(disk_exists(disk, "from/f"));
        } else {
            assert_int_equal(disk_sync_dir(disk, "from", NULL), 0);
            cut(sim);
            assert_int_equal(disk_exists(disk, "from/f") + disk_exists(disk, "to/f"), 1);
        }
        disk_sim_free(sim);
    }
}

/* An attribute is kept by a sync of the file, or of everything; else it may go or stay. */
static void attributes_survive_once_synced(void **state)
{
    int kept = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct disk_sim *sim;
        struct disk *disk;
        struct file *file;
        struct buf got = {0};

        assert_int_equal(disk_sim_new(&sim, seed, NULL), 0);
        disk = disk_sim_disk(sim);
        write_synced(disk, "f", "bytes");
        assert_int_equal(disk_sync_dir(disk, ".", NULL), 0);
        assert_int_equal(disk_open(disk, &file, "f", DISK_WRITE, NULL), 0);
        assert_int_equal(file_set_attr(file, text("a"), NULL), 0);
        if (seed % 3 == 1)
            assert_int_equal(file_sync(file, NULL), 0);
        file_close(file);
        if (seed % 3 == 2) {
            write_synced(disk, "g", "more"); /* its name is not synced by itself */
            assert_int_equal(disk_sync_all(disk, ".", NULL), 0);
        }
        cut(sim);
        assert_int_equal(disk_open(disk, &file, "f", DISK_READ, NULL), 0);
        kept += seed % 3 == 0 && file_get_attr(file, &got, NULL) == 0;
        if (seed % 3)
            assert_int_equal(file_get_attr(file, &got, NULL), 0);
        if (seed % 3 == 2)
            assert_holds(disk, "g", "more");
        file_close(file);
        buf_deinit(&got);
        disk_sim_free(sim);
    }
    assert_in_range(kept, 1, 19);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_machines_disk_keeps_the_contract),
        cmocka_unit_test(the_simulated_disk_keeps_the_contract),
        cmocka_unit_test(the_failing_disk_keeps_the_contract_while_it_does_not_fail),
        cmocka_unit_test(an_atomic_write_that_fails_leaves_the_old_bytes),
        cmocka_unit_test(a_full_disk_takes_what_fits_and_says_so),
        cmocka_unit_test(synced_bytes_under_synced_names_always_survive),
        cmocka_unit_test(unsynced_sectors_are_lost_kept_and_kept_out_of_order),
        cmocka_unit_test(unsynced_names_are_lost_or_kept),
        cmocka_unit_test(an_atomic_write_survives_power_loss_at_every_call),
        cmocka_unit_test(the_same_seed_gives_the_same_bytes),
        cmocka_unit_test(a_rename_across_folders_never_loses_the_file),
        cmocka_unit_test(attributes_survive_once_synced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
