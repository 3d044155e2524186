/* ordered_test.c - an ordered map in state against one in an array, over random work. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "operator/ordered.h"

#define KEYS 3000

struct model {
    int64_t counts[KEYS]; /* 0: not there */
};

static struct slice key_of(size_t number, char text[80])
{
    /* Keys of very different lengths, in the order of their numbers. */
    int len = snprintf(text, 80, "%05zu%.*s", number, (int)(number * 7 % 60),
                       "............................................................");

    return slice_of(text, (size_t)len);
}

static void check(struct ordered *map, const struct model *model, size_t from, bool back)
{
    struct ordered_walk walk;
    struct ordered_item item;
    char text[80];

    if (back)
        ordered_last(&walk, map);
    else
        ordered_from(&walk, map, key_of(from, text));
    for (size_t n = from; n < (back ? KEYS + from : KEYS); n++) {
        size_t number = back ? KEYS - 1 - (n - from) : n;
        int64_t count;

        if (!model->counts[number])
            continue;
        assert_true(ordered_next(&walk, &item));
        assert_true(slice_eq(item.key, key_of(number, text)));
        memcpy(&count, item.payload.ptr, sizeof(count));
        assert_int_equal(count, model->counts[number]);
    }
    assert_false(ordered_next(&walk, &item));
}

/* Goal: it is a map, and in order. Method: random counts up and down, in phases that fill it, thin
 * it out and empty it. */
static void a_map_keeps_its_keys_in_order(void **state)
{
    struct model *model = calloc(1, sizeof(*model));
    struct ordered map = {0};
    struct state *memory;
    struct state_table *table;
    struct err err = {0};
    struct rng rng;
    char text[80];

    (void)state;
    rng_init(&rng, 7);
    assert_int_equal(state_new(&memory, &(struct state_options){0}, &err), 0);
    assert_int_equal(
        state_table_open(memory, &(struct state_table_options){.name = "m"}, &table, &err), 0);
    assert_int_equal(ordered_at(&map, table, 5, SLICE_LIT("whose"), 1, 0, &err), 0);
    for (size_t i = 0; i < 60000; i++) {
        size_t number = i < 20000 && i % 3 ? i / 7 : (size_t)rng_below(&rng, KEYS);
        int64_t by = i / 15000 % 2 ? -model->counts[number] : 1;

        assert_int_equal(ordered_count(&map, key_of(number, text), by, &err), 0);
        model->counts[number] += by;
        if (i % 500 == 0)
            check(&map, model, (size_t)rng_below(&rng, KEYS), i % 1000 == 0);
    }
    for (size_t i = 0; i < KEYS; i++) {
        assert_int_equal(ordered_remove(&map, key_of(i, text), &err), 0);
        model->counts[i] = 0;
    }
    check(&map, model, 0, true);
    assert_int_equal(state_count(table), 0);
    ordered_deinit(&map);
    state_free(memory);
    free(model);
}

/* Goal: a payload may change its size; dropping leaves nothing; maps of one key do not meet. */
static void payloads_may_grow(void **state)
{
    struct ordered map = {0}, other = {0};
    struct state *memory;
    struct state_table *table;
    struct err err = {0};
    char text[80], large[3000];

    (void)state;
    memset(large, 'x', sizeof(large));
    assert_int_equal(state_new(&memory, &(struct state_options){0}, &err), 0);
    assert_int_equal(
        state_table_open(memory, &(struct state_table_options){.name = "m"}, &table, &err), 0);
    assert_int_equal(ordered_at(&map, table, 0, SLICE_LIT("k"), 1, 0, &err), 0);
    assert_int_equal(ordered_at(&other, table, 0, SLICE_LIT("k"), 1, 1, &err), 0);
    for (size_t i = 0; i < 900; i++) {
        struct slice payload = slice_of(large, i * 37 % sizeof(large));

        assert_int_equal(ordered_set(&map, key_of(i % 300, text), payload, &err), 0);
        assert_true(slice_eq(ordered_get(&map, key_of(i % 300, text)), payload));
    }
    assert_null(ordered_get(&other, key_of(5, text)).ptr);
    assert_int_equal(ordered_set(&other, key_of(5, text), SLICE_LIT("y"), &err), 0);
    assert_int_equal(ordered_drop(&map, &err), 0);
    assert_null(ordered_get(&map, key_of(5, text)).ptr);
    assert_true(slice_is(ordered_get(&other, key_of(5, text)), "y"));
    assert_int_equal(state_count(table), 1);
    ordered_deinit(&map);
    ordered_deinit(&other);
    state_free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_map_keeps_its_keys_in_order),
        cmocka_unit_test(payloads_may_grow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
