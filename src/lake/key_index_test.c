/* Goal: an index never knows less than the rows it was told of, in memory and on disk, over any
 * order of changes, and what a crash leaves is either that or nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/codec.h"
#include "base/disk_sim.h"
#include "lake/key_index_int.h"

#define KEYS   600
#define PLACES 24

/* What an index should say: the places of each key. */
struct model {
    struct {
        struct key_place list[PLACES];
        size_t count;
    } keys[KEYS];
    int64_t snapshot_id;
};
struct file_model {
    char path[24];
    uint32_t ordinal;
    uint32_t rows;
    uint16_t *keys; /* of each row */
    bool live;
};
struct world {
    struct disk_sim *sim;
    struct key_index *index;
    struct rng rng;
    struct model now, saved[3];
    size_t saved_count;
    struct file_model files[4000];
    size_t file_count;
    int64_t memory_bytes;
    struct err err;
};

/* Pairs of keys share their hash and differ in the check alone. */
static struct key_hash hash_of(int key)
{
    uint64_t seed = (uint64_t)(key / 2);

    return (struct key_hash){hash64(&seed, sizeof(seed), 7), (uint32_t)key};
}

static void open_index(struct world *w, struct err *lost)
{
    struct key_index_options o = {disk_sim_disk(w->sim), "/idx", "t1", w->memory_bytes};

    assert_int_equal(key_index_new(&w->index, &o, lost, &w->err), 0);
}

static struct file_model *new_file(struct world *w, uint32_t rows)
{
    struct file_model *f = &w->files[w->file_count];
    struct key_file file = {.path = f->path, .rows = rows, .spec_id = 3, .sequence_number = 7};

    assert_true(w->file_count < COUNT_OF(w->files));
    snprintf(f->path, sizeof(f->path), "s3://w/t/%zu", w->file_count++);
    f->rows = rows;
    f->keys = calloc(rows + 1, sizeof(*f->keys));
    f->live = true;
    assert_int_equal(key_index_file_add(w->index, &file, &f->ordinal, &w->err), 0);
    return f;
}

static void model_add(struct world *w, int key, struct key_place place)
{
    assert_true(w->now.keys[key].count < PLACES);
    w->now.keys[key].list[w->now.keys[key].count++] = place;
}

static void model_forget(struct world *w, uint32_t file)
{
    for (int k = 0; k < KEYS; k++)
        for (size_t i = 0; i < w->now.keys[k].count; i++)
            if (w->now.keys[k].list[i].file == file)
                w->now.keys[k].list[i--] = w->now.keys[k].list[--w->now.keys[k].count];
}

/* A foreign append: rows beside what there is. */
static void append(struct world *w)
{
    uint32_t rows = 1 + (uint32_t)rng_below(&w->rng, 40);
    struct file_model *f = new_file(w, rows);
    struct key_hash hashes[64];

    for (uint32_t i = 0; i < rows; i++) {
        int key = (int)rng_below(&w->rng, KEYS);

        while (w->now.keys[key].count == PLACES)
            key = (key + 1) % KEYS;
        f->keys[i] = (uint16_t)key;
        hashes[i] = hash_of(key);
        model_add(w, key, (struct key_place){f->ordinal, i});
    }
    assert_int_equal(key_index_add(w->index, f->ordinal, 0, hashes, rows, &w->err), 0);
}

/* An epoch of our own: some keys get a new place, some lose theirs. */
static void upsert(struct world *w)
{
    uint32_t rows = 1 + (uint32_t)rng_below(&w->rng, 60);
    struct file_model *f = new_file(w, rows);

    for (uint32_t i = 0; i < rows; i++) {
        int key = (int)rng_below(&w->rng, KEYS);
        struct key_place place = {f->ordinal, i};

        f->keys[i] = (uint16_t)key;
        assert_int_equal(key_index_put(w->index, hash_of(key), place, &w->err), 0);
        w->now.keys[key].count = 0;
        model_add(w, key, place);
    }
    for (int i = 0; i < 5; i++) {
        int key = (int)rng_below(&w->rng, KEYS);

        assert_int_equal(key_index_remove(w->index, hash_of(key), &w->err), 0);
        w->now.keys[key].count = 0;
    }
}

static struct file_model *any_live(struct world *w)
{
    for (int tries = 0; tries < 200 && w->file_count; tries++) {
        struct file_model *f = &w->files[rng_below(&w->rng, w->file_count)];

        if (f->live)
            return f;
    }
    return NULL;
}

static void drop(struct world *w)
{
    struct file_model *f = any_live(w);

    if (!f)
        return;
    key_index_file_drop(w->index, f->ordinal);
    model_forget(w, f->ordinal);
    f->live = false;
}

/* A compaction of up to six files that leaves out what no key points at, and some more. */
static void compact(struct world *w)
{
    struct lake_row_map map = {0};
    struct file_model *old[6], *made;
    const char *old_paths[6], *new_path;
    struct arena arena = {0};
    size_t cap = 0, count = 0;
    uint32_t rows = 0;

    for (int i = 0; i < 6; i++) {
        struct file_model *f = any_live(w);

        if (f) {
            f->live = false;
            old[count++] = f;
        }
    }
    if (!count)
        return;
    for (size_t i = 0; i < count; i++)
        rows += old[i]->rows;
    made = new_file(w, rows);
    rows = 0;
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t r = 0; r < old[i]->rows; r++) {
            struct lake_row_run run = {i, 0, r, rows, 1};
            int key = old[i]->keys[r];

            if (rng_below(&w->rng, 10) == 0)
                continue;
            assert_int_equal(lake_row_map_add(&map, &cap, &arena, &run), 0);
            for (size_t p = 0; p < w->now.keys[key].count; p++)
                if (w->now.keys[key].list[p].file == old[i]->ordinal &&
                    w->now.keys[key].list[p].row == r)
                    w->now.keys[key].list[p] = (struct key_place){made->ordinal, rows};
            made->keys[rows++] = (uint16_t)key;
        }
    for (size_t i = 0; i < count; i++) {
        old_paths[i] = old[i]->path;
        model_forget(w, old[i]->ordinal);
    }
    new_path = made->path;
    map.old_files = old_paths;
    map.old_count = count;
    map.new_files = &new_path;
    map.new_count = 1;
    if (key_index_move(w->index, &map, &w->err))
        fail_msg("%s", w->err.text);
    arena_deinit(&arena);
}

struct found {
    const struct key_hash *keys;
    struct model got;
    bool too_many;
};

static int on_found(void *arg, size_t at, struct key_place place)
{
    struct found *f = arg;
    int key = (int)f->keys[at].check;

    if (key >= KEYS || f->got.keys[key].count == PLACES)
        f->too_many = true;
    else
        f->got.keys[key].list[f->got.keys[key].count++] = place;
    return 0;
}

static int by_place(const void *a, const void *b)
{
    const struct key_place *x = a, *y = b;

    return x->file != y->file ? (x->file < y->file ? -1 : 1)
           : x->row < y->row  ? -1
                              : x->row > y->row;
}

/* Every key, and as many that were never there. */
static void check(struct world *w, const struct model *want)
{
    struct key_hash keys[KEYS * 2];
    struct found *found = calloc(1, sizeof(*found));
    struct model *sorted = malloc(sizeof(*sorted));

    memcpy(sorted, want, sizeof(*sorted));
    for (int k = 0; k < KEYS * 2; k++)
        keys[k] = hash_of(k);
    found->keys = keys;
    if (key_index_find(w->index, keys, KEYS * 2, on_found, found, &w->err))
        fail_msg("%s", w->err.text);
    assert_false(found->too_many);
    for (int k = 0; k < KEYS; k++) {
        size_t count = sorted->keys[k].count;

        assert_int_equal(found->got.keys[k].count, count);
        qsort(found->got.keys[k].list, count, sizeof(struct key_place), by_place);
        qsort(sorted->keys[k].list, count, sizeof(struct key_place), by_place);
        assert_memory_equal(found->got.keys[k].list, sorted->keys[k].list,
                            count * sizeof(struct key_place));
    }
    free(found);
    free(sorted);
}

static int random_change(struct world *w)
{
    static void (*const changes[])(struct world *) = {append, upsert, upsert,
                                                      upsert, drop,   compact};

    key_index_begin(w->index);
    changes[rng_below(&w->rng, COUNT_OF(changes))](w);
    w->now.snapshot_id++;
    return key_index_end(w->index, w->now.snapshot_id, w->now.snapshot_id, &w->err);
}

static void save(struct world *w)
{
    if (key_index_save(w->index, &w->err))
        fail_msg("%s", w->err.text);
    memmove(&w->saved[1], &w->saved[0], sizeof(w->saved[0]) * 2);
    w->saved[0] = w->now;
}

static struct world *world_new(uint64_t seed, int64_t memory_bytes)
{
    struct world *w = calloc(1, sizeof(*w));

    rng_init(&w->rng, seed);
    w->memory_bytes = memory_bytes;
    assert_int_equal(disk_sim_new(&w->sim, seed, &w->err), 0);
    open_index(w, NULL);
    return w;
}

static void world_free(struct world *w)
{
    key_index_free(w->index);
    for (size_t i = 0; i < w->file_count; i++)
        free(w->files[i].keys);
    disk_sim_free(w->sim);
    free(w);
}

static void says_what_a_model_says(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct world *w = world_new(seed, seed % 2 ? 0 : 1 << 20);

        for (int step = 0; step < 500; step++) {
            assert_int_equal(random_change(w), 0);
            if (step % 50 == 17)
                save(w);
            if (step % 20 == 0)
                check(w, &w->now);
        }
        check(w, &w->now);
        world_free(w);
    }
}

static void is_the_same_after_it_was_opened_again(void **state)
{
    struct err lost = {0};

    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct world *w = world_new(seed, 0);

        for (int round = 0; round < 12; round++) {
            for (int step = 0; step < 25; step++)
                assert_int_equal(random_change(w), 0);
            save(w);
            key_index_free(w->index);
            open_index(w, &lost);
            assert_int_equal(lost.code, 0);
            assert_int_equal(key_index_snapshot(w->index), w->now.snapshot_id);
            check(w, &w->now);
        }
        world_free(w);
    }
}

/* A reopened index has other ordinals than the model only when it is empty: then both start anew.
 */
static void after_power_loss(struct world *w)
{
    int64_t at;

    key_index_free(w->index);
    disk_sim_power_loss(w->sim);
    disk_sim_reboot(w->sim);
    open_index(w, NULL);
    at = key_index_snapshot(w->index);
    if (at == KEY_INDEX_NONE) {
        for (size_t i = 0; i < w->file_count; i++)
            free(w->files[i].keys);
        memset(&w->now.keys, 0, sizeof(w->now.keys));
        memset(w->files, 0, sizeof(w->files));
        w->file_count = 0;
        return;
    }
    for (size_t i = 0; i < COUNT_OF(w->saved); i++)
        if (w->saved[i].snapshot_id == at) {
            check(w, &w->saved[i]);
            return;
        }
    fail_msg("the index claims snapshot %" PRId64 ", which was never saved", at);
}

struct cut {
    int64_t left;
};

static int cut_power(void *arg, enum disk_call call, const char *path)
{
    struct cut *cut = arg;

    (void)call, (void)path;
    return --cut->left < 0 ? ERR_IO : 0;
}

/* Power goes at any call of a save or of the changes around it; the disk keeps what it likes. */
static void survives_power_loss_anywhere(void **state)
{
    int kept = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct world *w = world_new(seed, 0);
        struct cut cut = {(int64_t)rng_below(&w->rng, 60)};

        for (int step = 0; step < 15; step++)
            assert_int_equal(random_change(w), 0);
        save(w);
        for (int step = 0; step < 10; step++)
            assert_int_equal(random_change(w), 0);
        memmove(&w->saved[1], &w->saved[0], sizeof(w->saved[0]) * 2);
        w->saved[0] = w->now;
        disk_sim_on_call(w->sim, cut_power, &cut);
        key_index_save(w->index, NULL);
        disk_sim_on_call(w->sim, NULL, NULL);
        after_power_loss(w);
        kept += key_index_snapshot(w->index) != KEY_INDEX_NONE;
        world_free(w);
    }
    assert_true(kept > 50); /* or the test shows nothing */
}

/* Each byte of the state and a sample of the runs' bytes is flipped in turn. */
static void notices_every_flipped_byte(void **state)
{
    struct world *w = world_new(3, 0);
    struct disk *disk = disk_sim_disk(w->sim);
    struct arena arena = {0};
    struct disk_entry *list;
    size_t count, tried = 0;

    (void)state;
    for (int step = 0; step < 30; step++)
        assert_int_equal(random_change(w), 0);
    save(w);
    key_index_free(w->index);
    assert_int_equal(disk_list(disk, "/idx", &arena, &list, &count, &w->err), 0);
    for (size_t i = 0; i < count; i++) {
        char *path = arena_printf(&arena, "/idx/%s", list[i].name);
        int64_t step = strcmp(list[i].name, "state.idx") ? list[i].size / 40 + 1 : 13;

        for (int64_t at = 0; at < list[i].size; at += step, tried++) {
            struct buf before = {0}, after = {0};
            struct err lost = {0};

            assert_int_equal(disk_read_file(disk, path, &before, &w->err), 0);
            buf_append(&after, before.ptr, before.len);
            after.ptr[at] ^= 0x10;
            assert_int_equal(disk_write_file(disk, path, buf_slice(&after), &w->err), 0);
            w->memory_bytes = 1 << 20; /* all pages are read, and so all are checked */
            open_index(w, &lost);
            /* Only the unused bytes at a page's end may be what they like. */
            if (key_index_snapshot(w->index) != KEY_INDEX_NONE)
                assert_true(at % RUN_PAGE >= (int64_t)offsetof(struct key_page, zero));
            else
                assert_int_equal(lost.code, ERR_CORRUPT);
            key_index_free(w->index);
            for (size_t k = 0; k < count; k++) { /* a lost index sweeps its folder */
                char *other = arena_printf(&arena, "/idx/%s", list[k].name);

                if (!disk_exists(disk, other))
                    goto gone;
            }
            assert_int_equal(disk_write_file(disk, path, buf_slice(&before), &w->err), 0);
            buf_deinit(&before);
            buf_deinit(&after);
            continue;
        gone: /* build it again */
            buf_deinit(&before);
            buf_deinit(&after);
            w->memory_bytes = 0;
            open_index(w, NULL);
            for (size_t f = 0; f < w->file_count; f++)
                free(w->files[f].keys);
            memset(&w->now, 0, sizeof(w->now));
            w->file_count = 0;
            rng_init(&w->rng, 3);
            for (int s = 0; s < 30; s++)
                assert_int_equal(random_change(w), 0);
            save(w);
            key_index_free(w->index);
            assert_int_equal(disk_list(disk, "/idx", &arena, &list, &count, &w->err), 0);
            if (i >= count)
                break;
            path = arena_printf(&arena, "/idx/%s", list[i].name);
        }
    }
    assert_true(tried > 60);
    open_index(w, NULL);
    world_free(w);
    arena_deinit(&arena);
}

/* Runs that no saved state names go when they are merged: filling an index must not take several
 * times its size on disk. */
static void merged_runs_leave_the_disk(void **state)
{
    struct world *w = world_new(5, 0);
    struct arena arena = {0};
    struct disk_entry *list;
    struct key_index_stats stats;
    size_t count;

    (void)state;
    for (int step = 0; step < 900; step++)
        assert_int_equal(random_change(w), 0);
    key_index_stats(w->index, &stats);
    assert_true(w->index->next_run > stats.runs + 1); /* some were merged */
    assert_int_equal(disk_list(disk_sim_disk(w->sim), "/idx", &arena, &list, &count, &w->err), 0);
    assert_int_equal(count, stats.runs);
    arena_deinit(&arena);
    world_free(w);
}

static void an_index_of_another_table_is_lost(void **state)
{
    struct world *w = world_new(1, 0);
    struct key_index_options o = {disk_sim_disk(w->sim), "/idx", "t2", 0};
    struct err lost = {0};

    (void)state;
    assert_int_equal(random_change(w), 0);
    save(w);
    key_index_free(w->index);
    assert_int_equal(key_index_new(&w->index, &o, &lost, &w->err), 0);
    assert_int_equal(key_index_snapshot(w->index), KEY_INDEX_NONE);
    assert_int_equal(lost.code, ERR_CORRUPT);
    world_free(w);
}

/* A million rows of one key, as a table may hold that was never meant to be keyed. */
static void takes_many_rows_of_one_key(void **state)
{
    struct world *w = world_new(1, 1 << 20);
    struct key_file file = {.path = "s3://w/t/many", .rows = 100000};
    struct key_hash keys[1000], one = hash_of(4);
    struct found *found = calloc(1, sizeof(*found));
    uint32_t ordinal;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        keys[i] = one;
    assert_int_equal(key_index_file_add(w->index, &file, &ordinal, &w->err), 0);
    for (uint32_t row = 0; row < 100000; row += 1000)
        assert_int_equal(key_index_add(w->index, ordinal, row, keys, 1000, &w->err), 0);
    found->keys = &one;
    assert_int_equal(key_index_find(w->index, &one, 1, on_found, found, &w->err), 0);
    assert_true(found->too_many);
    assert_int_equal(key_index_put(w->index, one, (struct key_place){ordinal, 7}, &w->err), 0);
    memset(found, 0, sizeof(*found));
    found->keys = &one;
    assert_int_equal(key_index_find(w->index, &one, 1, on_found, found, &w->err), 0);
    assert_int_equal(found->got.keys[4].count, 1);
    free(found);
    world_free(w);
}

static void a_row_map_that_makes_no_sense_loses_the_index(void **state)
{
    static const struct lake_row_run bad[] = {
        {0, 0, 5, 0, 6}, {0, 0, 0, 8, 5}, {0, 1, 0, 0, 1}, {0, 0, -1, 0, 1}, {1, 0, 0, 0, 1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct world *w = world_new(1, 0);
        const char *old = "s3://w/old", *new = "s3://w/new";
        struct lake_row_map map = {&old, &new, 1, 1, &bad[i], 1};
        uint32_t ordinal;

        key_index_begin(w->index);
        assert_int_equal(key_index_file_add(w->index, &(struct key_file){.path = old, .rows = 10},
                                            &ordinal, &w->err),
                         0);
        assert_int_equal(key_index_file_add(w->index, &(struct key_file){.path = new, .rows = 10},
                                            &ordinal, &w->err),
                         0);
        assert_int_equal(key_index_end(w->index, 1, 1, &w->err), 0);
        assert_int_equal(key_index_move(w->index, &map, &w->err), ERR_INVALID);
        assert_int_equal(key_index_snapshot(w->index), KEY_INDEX_NONE);
        world_free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_a_model_says),
        cmocka_unit_test(is_the_same_after_it_was_opened_again),
        cmocka_unit_test(survives_power_loss_anywhere),
        cmocka_unit_test(notices_every_flipped_byte),
        cmocka_unit_test(merged_runs_leave_the_disk),
        cmocka_unit_test(an_index_of_another_table_is_lost),
        cmocka_unit_test(takes_many_rows_of_one_key),
        cmocka_unit_test(a_row_map_that_makes_no_sense_loses_the_index),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
