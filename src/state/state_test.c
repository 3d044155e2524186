/* state_test.c - tables against a model: through seals, slices, bases, loads, losses of power. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/disk_sim.h"
#include "state/state.h"

#define SPACES 3
#define KEYS   60
#define SUBS   4
#define LEN    600 /* of the largest value */

struct cell {
    bool there;
    uint16_t len;
    uint8_t byte; /* all bytes of the value */
};
struct model {
    struct cell plain[SPACES][KEYS], grouped[SPACES][KEYS][SUBS];
};

struct world {
    struct rng rand;
    struct disk_sim *sim;
    struct state *state;
    struct state_table *plain, *grouped;
    struct model now, sealed, committed;
    char manifest[8192]; /* "": none */
    bool sealing;
    bool sync_later;
    bool due; /* state_committed, of the last manifest */
    int64_t epoch;
};

static struct slice key_of(size_t number, char text[16])
{
    return slice_of(text, (size_t)snprintf(text, 16, "key %zu", number * number));
}

static void open_world(struct world *w)
{
    struct state_options options = {disk_sim_disk(w->sim), clock_system(), "state", 2000,
                                    w->sync_later};
    struct err err = {0};

    assert_int_equal(state_new(&w->state, &options, &err), 0);
    assert_int_equal(
        state_table_open(w->state, &(struct state_table_options){.name = "plain"}, &w->plain, &err),
        0);
    assert_int_equal(
        state_table_open(w->state,
                         &(struct state_table_options){.name = "grouped", .grouped = true},
                         &w->grouped, &err),
        0);
    if (state_load(w->state, w->manifest[0] ? w->manifest : NULL, &err))
        fail_msg("%s", err.text);
    w->sealing = w->due = false;
}

static bool is_value(struct slice value, const struct cell *cell)
{
    if (value.len != cell->len)
        return false;
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] != cell->byte)
            return false;
    return true;
}

static void check_plain(struct world *w, const struct model *model)
{
    int64_t count = 0, walked = 0;
    struct state_walk walk;
    struct slice value;

    for (size_t s = 0; s < SPACES; s++) {
        for (size_t k = 0; k < KEYS; k++) {
            const struct cell *cell = &model->plain[s][k];
            char text[16];
            uint32_t len = 0;
            const void *found = state_look(
                w->plain, &(struct state_key){.space = (int64_t)s, .key = key_of(k, text)}, &len);

            assert_int_equal(found != NULL, cell->there);
            assert_true(!found || is_value(slice_of(found, len), cell));
            count += cell->there;
        }
        state_walk_space(&walk, w->plain, (int64_t)s);
        while (state_walk_next(&walk, NULL, NULL, &value))
            walked++;
    }
    assert_int_equal(state_count(w->plain), count);
    assert_int_equal(walked, count);
}

static void check_group(struct world *w, const struct cell *cells, size_t space, size_t key)
{
    struct state_walk walk;
    struct slice sub, value;
    char text[16];
    size_t there = 0, walked = 0;

    for (size_t i = 0; i < SUBS; i++)
        there += cells[i].there;
    state_walk_group(&walk, w->grouped, (int64_t)space, key_of(key, text));
    for (; state_walk_next(&walk, NULL, &sub, &value); walked++) {
        assert_int_equal(sub.len, 1);
        assert_true(cells[sub.ptr[0]].there && is_value(value, &cells[sub.ptr[0]]));
    }
    assert_int_equal(walked, there);
}

static void check(struct world *w, const struct model *model)
{
    check_plain(w, model);
    for (size_t s = 0; s < SPACES; s++)
        for (size_t k = 0; k < KEYS; k++)
            check_group(w, model->grouped[s][k], s, k);
}

/* ---- random work; false: the disk failed and the state is to be freed ---- */

static int change(struct world *w)
{
    size_t s = rng_below(&w->rand, SPACES), k = rng_below(&w->rand, KEYS),
           sub = rng_below(&w->rand, SUBS);
    bool grouped = rng_below(&w->rand, 2);
    struct cell *cell = grouped ? &w->now.grouped[s][k][sub] : &w->now.plain[s][k];
    uint8_t sub_byte = (uint8_t)sub, bytes[LEN];
    char text[16];
    struct state_key key = {(int64_t)s, key_of(k, text), {0}};
    struct state_table *table = grouped ? w->grouped : w->plain;
    struct err err = {0};
    int rc;

    if (grouped)
        key.sub = slice_of(&sub_byte, 1);
    if (rng_below(&w->rand, 400) == 0) {
        memset(grouped ? (void *)w->now.grouped[s] : (void *)w->now.plain[s], 0,
               grouped ? sizeof(w->now.grouped[s]) : sizeof(w->now.plain[s]));
        return state_drop_space(table, (int64_t)s, &err);
    }
    if (rng_below(&w->rand, 3) == 0) {
        cell->there = false;
        return state_drop(table, &key, &err);
    }
    if (cell->there && rng_below(&w->rand, 2)) {
        void *value;
        bool fresh;

        rc = state_edit(table, &key, cell->len, &value, &fresh, &err);
        if (rc)
            return rc;
        assert_false(fresh);
        memset(value, ++cell->byte, cell->len);
        return 0;
    }
    *cell = (struct cell){true, (uint16_t)rng_below(&w->rand, LEN), (uint8_t)rng_u64(&w->rand)};
    memset(bytes, cell->byte, cell->len);
    return state_put(table, &key, slice_of(bytes, cell->len), &err);
}

static int finish_epoch(struct world *w)
{
    struct arena arena = {0};
    struct err err = {0};
    const char *json;
    int rc = state_manifest(w->state, &arena, &json, &err);

    if (!rc)
        rc = state_sync_wait(state_take_sync(w->state), &err);
    if (!rc) {
        assert_true(strlen(json) < sizeof(w->manifest));
        strcpy(w->manifest, json);
        w->committed = w->sealed;
        w->sealing = false;
        w->due = true;
    }
    arena_deinit(&arena);
    return rc;
}

static int step(struct world *w)
{
    struct err err = {0};
    bool done = false;
    int rc = change(w);

    if (!rc && !w->sealing && rng_below(&w->rand, 300) == 0) {
        rc = state_seal(w->state, ++w->epoch, &err);
        w->sealed = w->now;
        w->sealing = true;
    }
    if (!rc && rng_below(&w->rand, 20) == 0) {
        rc = state_flush(w->state, rng_below(&w->rand, 3) ? 0 : INT64_MAX, &done, &err);
        if (!rc && done && w->sealing)
            rc = finish_epoch(w);
    }
    if (!rc && w->due && rng_below(&w->rand, 30) == 0) { /* a base may have been finished since */
        w->due = false;
        state_committed(w->state);
    }
    return rc;
}

static int cut_at;
static int count_down(void *arg, enum disk_call call, const char *path)
{
    struct world *w = arg;

    (void)call;
    (void)path;
    if (--cut_at == 0)
        disk_sim_power_loss(w->sim);
    return 0;
}

static void start(struct world *w, uint64_t seed)
{
    struct err err = {0};

    memset(w, 0, sizeof(*w));
    rng_init(&w->rand, seed);
    w->sync_later = seed % 2;
    assert_int_equal(disk_sim_new(&w->sim, seed, &err), 0);
    open_world(w);
}

static void end(struct world *w)
{
    state_free(w->state);
    disk_sim_free(w->sim);
}

static void test_tables_agree_with_a_model_at_every_step(void **arg)
{
    struct world *w = malloc(sizeof(*w));

    (void)arg;
    start(w, 1);
    for (int i = 0; i < 20000; i++) {
        assert_int_equal(step(w), 0);
        if (i % 500 == 0)
            check(w, &w->now);
    }
    check(w, &w->now);
    end(w);
    free(w);
}

static void test_what_was_committed_is_there_after_a_loss_of_power_at_any_call(void **arg)
{
    struct world *w = malloc(sizeof(*w));

    (void)arg;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        start(w, seed);
        for (int life = 0; life < 6; life++) {
            cut_at = 1 + (int)rng_below(&w->rand, 60);
            disk_sim_on_call(w->sim, count_down, w);
            for (int i = 0; i < 6000 && step(w) == 0; i++)
                ;
            disk_sim_on_call(w->sim, NULL, NULL);
            disk_sim_power_loss(w->sim);
            disk_sim_reboot(w->sim);
            state_free(w->state);
            open_world(w);
            check(w, &w->committed);
            w->now = w->committed;
        }
        end(w);
    }
    free(w);
}

static void test_runs_are_replaced_by_a_base_before_they_outweigh_the_state(void **arg)
{
    struct disk_sim *sim;
    struct state_info info;
    struct err err = {0};
    struct state *state;
    struct state_table *table;
    uint64_t words[125];
    bool done;

    (void)arg;
    assert_int_equal(disk_sim_new(&sim, 1, &err), 0);
    assert_int_equal(
        state_new(&state, &(struct state_options){disk_sim_disk(sim), clock_system(), "s"}, &err),
        0);
    assert_int_equal(
        state_table_open(state, &(struct state_table_options){.name = "t"}, &table, &err), 0);
    for (int64_t epoch = 1; epoch <= 200; epoch++) {
        for (uint64_t k = 0; k < 1000; k++) {
            struct rng noise;

            rng_init(&noise, (uint64_t)epoch * 1000 + k);
            for (size_t i = 0; i < COUNT_OF(words); i++)
                words[i] = rng_u64(&noise);
            assert_int_equal(state_put(table, &(struct state_key){.key = slice_of(&k, sizeof(k))},
                                       slice_of(words, sizeof(words)), &err),
                             0);
        }
        assert_int_equal(state_seal(state, epoch, &err), 0);
        assert_int_equal(state_flush(state, INT64_MAX, &done, &err), 0);
        assert_true(done);
        state_committed(state);
        state_info(state, &info);
        assert_true(info.disk_bytes < 24 << 20);
    }
    assert_int_equal(info.entries, 1000);
    assert_true(info.memory_bytes < 3 << 20);
    state_free(state);
    disk_sim_free(sim);
}

static void test_an_entry_not_changed_for_its_ttl_is_gone(void **arg)
{
    struct state *state;
    struct state_table *table;
    struct clock_fake clock;
    struct err err = {0};
    struct state_key key = {.key = SLICE_LIT("k")};
    uint32_t len;
    void *value;
    bool fresh;

    (void)arg;
    clock_fake_init(&clock, 1000000000);
    assert_int_equal(state_new(&state, &(struct state_options){.clock = &clock.clock}, &err), 0);
    assert_int_equal(state_table_open(state,
                                      &(struct state_table_options){.name = "t", .ttl_ms = 10000},
                                      &table, &err),
                     0);
    assert_int_equal(state_edit(table, &key, 8, &value, &fresh, &err), 0);
    memset(value, 1, 8);
    clock_fake_advance(&clock, 10000000000);
    assert_non_null(state_look(table, &key, &len));
    clock_fake_advance(&clock, 1000000000);
    assert_null(state_look(table, &key, &len));
    assert_int_equal(state_edit(table, &key, 8, &value, &fresh, &err), 0);
    assert_true(fresh && *(uint64_t *)value == 0);
    state_free(state);
}

static void test_a_torn_file_is_named(void **arg)
{
    struct world *w = malloc(sizeof(*w));
    struct disk *disk;
    struct file *file;
    struct err err = {0};
    struct state *state;
    struct state_table *table;
    int64_t size;

    (void)arg;
    start(w, 3);
    while (!w->manifest[0])
        assert_int_equal(step(w), 0);
    disk = disk_sim_disk(w->sim);
    assert_int_equal(disk_open(disk, &file, "state/1.run", DISK_WRITE, &err), 0);
    assert_int_equal(file_pwrite(file, "x", 1, 40, &err), 0);
    file_close(file);
    assert_int_equal(
        state_new(&state, &(struct state_options){disk, clock_system(), "state"}, &err), 0);
    assert_int_equal(
        state_table_open(state, &(struct state_table_options){.name = "plain"}, &table, &err), 0);
    assert_int_equal(state_load(state, w->manifest, &err), ERR_CORRUPT);
    assert_non_null(strstr(err.text, "1.run"));
    assert_int_equal(disk_open(disk, &file, "state/1.run", DISK_READ, &err), 0);
    assert_int_equal(file_size(file, &size, &err), 0);
    file_close(file);
    assert_int_equal(state_file_check(disk, "state", "1.run", size, &err), ERR_CORRUPT);
    assert_int_equal(state_file_check(disk, "state", "7.run", size, &err), ERR_NOENT);
    state_free(state);
    end(w);
    free(w);
}

static int count_gone(void *arg, const struct state_key *key, void *value, struct err *err)
{
    (void)err;
    assert_true(slice_starts(key->key, SLICE_LIT("key ")));
    *(int64_t *)arg += *(int64_t *)value;
    return 0;
}

/* Goal: entries go when nothing changed them for their time, neither before nor much later, without
 * anybody asking for them. Method: half of them are changed until a later time. */
static void entries_go_when_their_time_is_over(void **unused)
{
    int64_t gone = 0, now = 1000000;
    struct state_table_options options = {
        .name = "mortal", .ttl_ms = 20000, .expired = count_gone, .expired_arg = &gone};
    struct state_table *table;
    struct state *state;
    struct err err = {0};

    (void)unused;
    assert_int_equal(state_new(&state, &(struct state_options){0}, &err), 0);
    assert_int_equal(state_table_open(state, &options, &table, &err), 0);
    for (int64_t second = 0; second < 80; second++, now += 1000) {
        assert_int_equal(state_tick(state, now, &err), 0);
        for (size_t k = 0; k < 1000 && second < 30; k += second ? 2 : 1) {
            char text[16];
            void *value;
            bool fresh;

            assert_int_equal(state_edit(table, &(struct state_key){.key = key_of(k, text)},
                                        sizeof(int64_t), &value, &fresh, &err),
                             0);
            assert_int_equal(fresh, second == 0);
            *(int64_t *)value = 1;
        }
        if (second <= 20)
            assert_int_equal(state_count(table), 1000);
        if (second == 28 || second == 49)
            assert_int_equal(state_count(table), 500);
    }
    assert_int_equal(state_count(table), 0);
    assert_int_equal(gone, 1000);
    state_free(state);
}

#define MANY_KEYS 24000

static int64_t *slot_at(struct state_table *table, int64_t k, struct err *err)
{
    void *value;
    bool fresh;

    assert_int_equal(state_edit(table, &(struct state_key){.key = slice_of(&k, sizeof(k))}, 240,
                                &value, &fresh, err),
                     0);
    return value;
}

static void write_epoch(struct state *state, int64_t epoch, char manifest[8192], struct err *err)
{
    struct arena arena = {0};
    const char *json;
    bool done;

    assert_int_equal(state_seal(state, epoch, err), 0);
    assert_int_equal(state_flush(state, INT64_MAX, &done, err), 0);
    assert_int_equal(state_manifest(state, &arena, &json, err), 0);
    snprintf(manifest, 8192, "%s", json);
    state_sync_free(state_take_sync(state));
    state_committed(state);
    arena_deinit(&arena);
}

/* Goal: state beyond its budget is the same state, in files too. Method: 8 MB in 4 MB of memory,
 * by many at once and one by one, with drops and a space that goes; then a load without a budget.
 */
static void state_beyond_its_memory_is_all_there(void **unused)
{
    char dir[] = "/tmp/tarn-state-XXXXXX", manifest[8192];
    struct state_options options = {.disk = disk_system(),
                                    .clock = clock_system(),
                                    .dir = dir,
                                    .memory_bytes = 4 << 20,
                                    .sync_later = true};
    int64_t *model = calloc(MANY_KEYS, sizeof(*model)), epoch = 1;
    struct state_table *table;
    struct state *state;
    struct state_info info;
    struct err err = {0};
    struct rng rng;

    (void)unused;
    rng_init(&rng, 5);
    assert_non_null(mkdtemp(dir));
    for (int budget = 1; budget >= 0; budget--) {
        options.memory_bytes *= budget;
        assert_int_equal(state_new(&state, &options, &err), 0);
        assert_int_equal(
            state_table_open(state, &(struct state_table_options){.name = "t"}, &table, &err), 0);
        assert_int_equal(state_load(state, budget ? NULL : manifest, &err), 0);
        for (int64_t i = 0; i < MANY_KEYS * 3 && budget; i++) {
            int64_t k = i < MANY_KEYS ? i : (int64_t)rng_below(&rng, MANY_KEYS);

            if (i >= MANY_KEYS && k % 7 == 0) {
                assert_int_equal(
                    state_drop(table, &(struct state_key){.key = slice_of(&k, 8)}, &err), 0);
                model[k] = 0;
                continue;
            }
            *slot_at(table, k, &err) += i;
            model[k] += i;
            if (i % (MANY_KEYS / 2) == 7)
                write_epoch(state, epoch++, manifest, &err);
        }
        if (budget)
            write_epoch(state, epoch, manifest, &err);
        for (int64_t k = 0; k < MANY_KEYS; k += STATE_MANY / 4) {
            int64_t numbers[STATE_MANY / 4];
            struct slice keys[STATE_MANY / 4];
            void *values[STATE_MANY / 4];
            bool fresh[STATE_MANY / 4];

            for (int64_t i = 0; i < STATE_MANY / 4; i++) {
                numbers[i] = k + i;
                keys[i] = slice_of(&numbers[i], sizeof(numbers[i]));
            }
            assert_int_equal(
                state_edit_many(table, NULL, keys, STATE_MANY / 4, 240, values, fresh, &err), 0);
            for (int64_t i = 0; i < STATE_MANY / 4; i++)
                assert_int_equal(*(int64_t *)values[i], model[k + i]);
        }
        state_info(state, &info);
        assert_int_equal(info.spilled_bytes > 2 << 20, budget);
        assert_int_equal(state_drop_space(table, 0, &err), 0);
        assert_int_equal(state_count(table), 0);
        state_free(state);
    }
    assert_int_equal(disk_remove_tree(disk_system(), dir, &err), 0);
    free(model);
}

/* Goal: what an old file says of an entry is not its end when a newer one says that it changed.
 * Method: a load at a time when the first of two epochs alone would be over. */
static void a_load_ends_nothing(void **unused)
{
    int64_t gone = 0;
    struct clock_fake clock;
    struct disk_sim *sim;
    struct state_options options = {.clock = &clock.clock, .dir = "state"};
    struct state_table_options mortal = {
        .name = "mortal", .ttl_ms = 10000, .expired = count_gone, .expired_arg = &gone};
    struct state_key key = {.key = SLICE_LIT("key 1")};
    struct state_table *table;
    struct state *state;
    struct err err = {0};
    char manifest[8192];
    uint32_t len;
    void *value;
    bool fresh;

    (void)unused;
    clock_fake_init(&clock, 1000000000);
    assert_int_equal(disk_sim_new(&sim, 1, &err), 0);
    options.disk = disk_sim_disk(sim);
    assert_int_equal(state_new(&state, &options, &err), 0);
    assert_int_equal(state_table_open(state, &mortal, &table, &err), 0);
    for (int64_t epoch = 1; epoch <= 2; epoch++) {
        assert_int_equal(state_edit(table, &key, 8, &value, &fresh, &err), 0);
        *(int64_t *)value = epoch;
        write_epoch(state, epoch, manifest, &err);
        clock_fake_advance(&clock, 8000000000);
    }
    state_free(state);
    assert_int_equal(state_new(&state, &options, &err), 0);
    assert_int_equal(state_table_open(state, &mortal, &table, &err), 0);
    assert_int_equal(state_load(state, manifest, &err), 0);
    assert_non_null(state_look(table, &key, &len));
    assert_int_equal(gone, 0);
    clock_fake_advance(&clock, 4000000000);
    assert_int_equal(state_edit(table, &key, 8, &value, &fresh, &err), 0);
    assert_true(fresh);
    assert_int_equal(gone, 2);
    state_free(state);
    disk_sim_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_agree_with_a_model_at_every_step),
        cmocka_unit_test(test_what_was_committed_is_there_after_a_loss_of_power_at_any_call),
        cmocka_unit_test(test_runs_are_replaced_by_a_base_before_they_outweigh_the_state),
        cmocka_unit_test(test_an_entry_not_changed_for_its_ttl_is_gone),
        cmocka_unit_test(test_a_torn_file_is_named),
        cmocka_unit_test(entries_go_when_their_time_is_over),
        cmocka_unit_test(state_beyond_its_memory_is_all_there),
        cmocka_unit_test(a_load_ends_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
