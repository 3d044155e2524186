/* local_journal_test.c - many threads share the journal's syncs; what it holds is played back. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/disk_sim.h"
#include "store/local_journal.h"
#include "store/store.h"

#define LANES  8
#define ROUNDS 60

static int64_t segment_bytes; /* of the journals */

struct played {
    size_t count;
    char last[200]; /* "KIND KEY BYTES" of the newest */
};

static int play(void *arg, const struct journal_entry *entry, struct err *err)
{
    struct played *played = arg;

    (void)err;
    played->count++;
    snprintf(played->last, sizeof(played->last), "%d %.*s %.*s", (int)entry->kind,
             SLICE_ARG(entry->key), SLICE_ARG(entry->bytes));
    return 0;
}

static void add(struct journal *journal, enum journal_kind kind, const char *key, const char *bytes)
{
    const struct journal_entry entry = {.kind = kind,
                                        .mtime_us = 7,
                                        .bucket = SLICE_LIT("lake"),
                                        .key = slice_str(key),
                                        .attr = SLICE_LIT("{}"),
                                        .bytes = slice_str(bytes)};
    struct err err = {0};
    int ticket;

    if (journal_add(journal, &entry, &ticket, &err))
        fail_msg("%s", err.text);
    journal_done(journal, ticket);
}

static struct journal *reopen(struct disk *disk, struct journal *old, struct played *played)
{
    struct journal *journal;

    journal_free(old);
    *played = (struct played){0};
    assert_int_equal(journal_new(&journal, disk, "j", segment_bytes, NULL), 0);
    assert_int_equal(journal_replay(journal, play, played, NULL), 0);
    return journal;
}

/* Goal: of a key the end counts, and a key that was forgotten not at all. */
static void plays_back_the_last_change_of_each_key(void **state)
{
    struct disk_sim *sim;
    struct disk *disk;
    struct played played;
    struct journal *journal;

    (void)state;
    assert_int_equal(disk_sim_new(&sim, 1, NULL), 0);
    disk = disk_sim_disk(sim);
    journal = reopen(disk, NULL, &played);
    add(journal, JOURNAL_PUT, "a", "one");
    add(journal, JOURNAL_PUT, "b", "two");
    add(journal, JOURNAL_PUT, "a", "three");
    add(journal, JOURNAL_FORGET, "b", "");
    assert_true(journal_holds(journal, SLICE_LIT("lake"), SLICE_LIT("a")));
    assert_false(journal_holds(journal, SLICE_LIT("lake"), SLICE_LIT("other")));
    journal = reopen(disk, journal, &played);
    assert_int_equal(played.count, 1);
    assert_string_equal(played.last, "1 a three");
    journal = reopen(disk, journal, &played); /* it is empty after that */
    assert_int_equal(played.count, 0);
    add(journal, JOURNAL_PUT, "a", "four");
    assert_int_equal(journal_checkpoint(journal, NULL), 0);
    assert_false(journal_holds(journal, SLICE_LIT("lake"), SLICE_LIT("a")));
    journal = reopen(disk, journal, &played);
    assert_int_equal(played.count, 0);
    journal_free(journal);
    disk_sim_free(sim);
}

/* Goal: what an earlier turn of a segment left behind is never taken for the present one's. */
static void stale_records_behind_the_end_mean_nothing(void **state)
{
    struct disk_sim *sim;
    struct disk *disk;
    struct played played;
    struct journal *journal;
    char key[40];

    (void)state;
    assert_int_equal(disk_sim_new(&sim, 1, NULL), 0);
    disk = disk_sim_disk(sim);
    journal = reopen(disk, NULL, &played);
    for (int turn = 0; turn < 6; turn++) { /* all records are of one size */
        int count = 40 - 7 * turn;

        for (int i = 0; i < count; i++) {
            snprintf(key, sizeof(key), "%d-%02d", turn, i);
            add(journal, JOURNAL_PUT, key, "same");
        }
        assert_int_equal(journal_checkpoint(journal, NULL), 0);
        snprintf(key, sizeof(key), "%d-end", turn);
        add(journal, JOURNAL_PUT, key, "");
        journal = reopen(disk, journal, &played);
        assert_int_equal(played.count, 1);
        assert_non_null(strstr(played.last, "end"));
    }
    journal_free(journal);
    disk_sim_free(sim);
}

/* Goal: no bytes on the disk make it fall. Method: each bit of a journal turned, one by one, behind
 * the first group some of them. */
static void takes_any_damage_for_the_end(void **state)
{
    struct disk_sim *sim;
    struct disk *disk;
    struct played played;
    struct journal *journal;
    struct buf good = {0};

    (void)state;
    assert_int_equal(disk_sim_new(&sim, 1, NULL), 0);
    disk = disk_sim_disk(sim);
    journal = reopen(disk, NULL, &played);
    add(journal, JOURNAL_PUT, "a", "one");
    add(journal, JOURNAL_REMOVE, "b", "");
    assert_int_equal(disk_read_file(disk, "j/0", &good, NULL), 0);
    for (size_t bit = 0; bit < 1600 * 8; bit += 1 + bit / 6400) {
        struct buf bad = {0};

        assert_int_equal(buf_append_slice(&bad, buf_slice(&good)), 0);
        bad.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(disk_write_file(disk, "j/0", buf_slice(&bad), NULL), 0);
        journal = reopen(disk, journal, &played);
        assert_in_range(played.count, 0, 2);
        buf_deinit(&bad);
    }
    buf_deinit(&good);
    journal_free(journal);
    disk_sim_free(sim);
}

struct lane {
    struct store *store;
    int number;
    bool failed;
};

/* Own keys and one that all share; small ones, removed ones, and now and then a large one. */
static void *lane_run(void *arg)
{
    static uint8_t large[70000];
    struct lane *lane = arg;
    char key[60], text[60];

    for (int i = 0; i < ROUNDS && !lane->failed; i++) {
        struct slice bytes;

        snprintf(key, sizeof(key), "%d/%d", lane->number, i % 7);
        snprintf(text, sizeof(text), "%d of %d", i, lane->number);
        bytes = i % 13 == 5 ? slice_of(large, sizeof(large)) : slice_str(text);
        lane->failed |= lane->store->ops->put(lane->store, "lake", key, bytes, NULL, NULL, NULL);
        lane->failed |=
            lane->store->ops->put(lane->store, "lake", "shared", bytes, NULL, NULL, NULL);
        if (i % 5 == 4)
            lane->failed |= lane->store->ops->remove(lane->store, "lake", key, NULL);
    }
    return NULL;
}

static struct store *open_store(struct disk *disk, struct clock *clock)
{
    const struct store_local_options options = {"data", disk, clock, 128 << 10};
    struct store *store = NULL;
    struct err err = {0};

    if (store_local_new(&store, &options, &err))
        fail_msg("%s", err.text);
    return store;
}

/* Goal: with many threads, segments that take turns and power lost at the end, each thread finds
 * its keys as it left them. */
static void many_threads_lose_nothing(void **state)
{
    struct clock_fake clock;
    struct disk_sim *sim;
    struct lane lanes[LANES];
    pthread_t threads[LANES];
    struct store *store;

    (void)state;
    clock_fake_init(&clock, 1000000);
    assert_int_equal(disk_sim_new(&sim, 1, NULL), 0);
    store = open_store(disk_sim_disk(sim), &clock.clock);
    assert_int_equal(store->ops->bucket_make(store, "lake", NULL), 0);
    for (int i = 0; i < LANES; i++) {
        lanes[i] = (struct lane){.store = store, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, lane_run, &lanes[i]), 0);
    }
    for (int i = 0; i < LANES; i++) {
        pthread_join(threads[i], NULL);
        assert_false(lanes[i].failed);
    }
    disk_sim_power_loss(sim);
    store_free(store);
    disk_sim_reboot(sim);
    store = open_store(disk_sim_disk(sim), &clock.clock);
    for (int lane = 0; lane < LANES; lane++)
        for (int i = ROUNDS - 7; i < ROUNDS; i++) {
            struct buf got = {0};
            char key[60], text[60];
            int rc;

            snprintf(key, sizeof(key), "%d/%d", lane, i % 7);
            snprintf(text, sizeof(text), "%d of %d", i, lane);
            rc = store->ops->get(store, "lake", key, 0, -1, &got, NULL);
            if (i % 5 == 4)
                assert_int_equal(rc, ERR_NOENT);
            else if (i % 13 == 5)
                assert_int_equal(got.len, 70000);
            else
                assert_true(slice_is(buf_slice(&got), text));
            buf_deinit(&got);
        }
    store_free(store);
    disk_sim_free(sim);
}

/* Goal: where groups are padded to whole blocks, the padding is no change, and takes nothing of the
 * others. Method: records of every length modulo a block, through segments that fill. */
static void padding_is_nobodys(void **state)
{
    static char bytes[2000];
    struct disk_sim *sim;
    struct disk *disk;
    struct played played;
    struct journal *journal;

    (void)state;
    assert_int_equal(disk_sim_new(&sim, 1, NULL), 0);
    disk = disk_sim_disk(sim);
    journal = reopen(disk, NULL, &played);
    for (size_t len = 0; len < 600; len++) {
        memset(bytes, 'x', len);
        bytes[len] = '\0';
        add(journal, JOURNAL_PUT, "grows", bytes);
        if (len % 7)
            continue;
        journal = reopen(disk, journal, &played);
        assert_int_equal(played.count, 1);
        assert_int_equal(strlen(played.last), len < 192 ? len + 8 : sizeof(played.last) - 1);
    }
    journal_free(journal);
    disk_sim_free(sim);
}

/* Too small to be written past the page cache, and large enough. */
static int with_small_segments(void **state)
{
    (void)state;
    segment_bytes = 4096;
    return 0;
}

static int with_padded_segments(void **state)
{
    (void)state;
    segment_bytes = 8192;
    return 0;
}

#define BOTH(test)                                                                                 \
    cmocka_unit_test_setup(test, with_small_segments),                                             \
        cmocka_unit_test_setup(test, with_padded_segments)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(plays_back_the_last_change_of_each_key),
        BOTH(stale_records_behind_the_end_mean_nothing),
        BOTH(takes_any_damage_for_the_end),
        BOTH(padding_is_nobodys),
        cmocka_unit_test(many_threads_lose_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
