/* sketch_test.c - theta sketches: their bytes are DataSketches', their numbers are right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "lake/sketch.h"

static void assert_bytes(const struct sketch *sketch, const char *hex)
{
    struct buf bytes = {0};
    char *text;

    assert_int_equal(sketch_print(sketch, &bytes), 0);
    text = calloc(bytes.len + 1, 2);
    assert_non_null(text);
    for (size_t i = 0; i < bytes.len; i++)
        sprintf(text + 2 * i, "%02x", bytes.ptr[i]);
    assert_string_equal(text, hex);
    free(text);
    buf_deinit(&bytes);
}

/* As Apache DataSketches 5.2 (C++) serializes the same values, but for the unused sampling rate,
 * which Java writes as 1.0. */
static void bytes_are_those_of_datasketches(void **state)
{
    struct sketch sketch;

    (void)state;
    assert_int_equal(sketch_init(&sketch), 0);
    assert_bytes(&sketch, "01030300001ecc93");
    sketch_add(&sketch, SLICE_LIT("solo"));
    sketch_add(&sketch, SLICE_LIT("solo"));
    sketch_add(&sketch, SLICE_LIT(""));
    assert_bytes(&sketch, "01030300001acc939e2dd03d11f98a65");
    sketch_deinit(&sketch);
    assert_int_equal(sketch_init(&sketch), 0);
    sketch_add(&sketch, SLICE_LIT("v2"));
    sketch_add(&sketch, SLICE_LIT("v0"));
    sketch_add(&sketch, SLICE_LIT("v1"));
    assert_bytes(&sketch, "02030300001acc93030000000000803f"
                          "08a06c56d6aba5159ad1a87cc67b3445ad50444f08f3f163");
    sketch_deinit(&sketch);
}

static void few_values_are_counted_exactly_and_many_nearly(void **state)
{
    struct sketch sketch;
    char text[32];

    (void)state;
    assert_int_equal(sketch_init(&sketch), 0);
    for (int i = 0; i < 200000; i++) {
        snprintf(text, sizeof(text), "a value, number %d", i % 100000);
        sketch_add(&sketch, slice_str(text));
        if (i == 3999)
            assert_true(sketch_estimate(&sketch) == 4000);
    }
    assert_true(sketch_estimate(&sketch) > 95000);
    assert_true(sketch_estimate(&sketch) < 105000);
    assert_true(sketch.theta < (uint64_t)INT64_MAX);
    sketch_deinit(&sketch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_those_of_datasketches),
        cmocka_unit_test(few_values_are_counted_exactly_and_many_nearly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
