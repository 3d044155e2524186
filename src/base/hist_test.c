/* hist_test.c - percentiles against a sorted list, and numbers as people read them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/base.h"
#include "base/hist.h"
#include "base/term.h"

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void percentiles_are_within_the_stated_error(void **state)
{
    static const double percents[] = {0.1, 1, 25, 50, 90, 99, 99.9, 100};
    static int64_t values[20000];
    static struct hist hist, half;
    struct rng rng;

    (void)state;
    rng_init(&rng, 1);
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        values[i] = (int64_t)(rng_u64(&rng) >> (2 + rng_below(&rng, 61)));
        hist_record(i % 2 ? &hist : &half, values[i]);
    }
    hist_merge(&hist, &half);
    qsort(values, COUNT_OF(values), sizeof(values[0]), by_value);
    assert_int_equal(hist.count, COUNT_OF(values));
    assert_true(hist.min == values[0] && hist.max == values[COUNT_OF(values) - 1]);
    for (size_t i = 0; i < COUNT_OF(percents); i++) {
        size_t nth = (size_t)(COUNT_OF(values) * percents[i] / 100 + 0.999999) - 1;
        int64_t exact = values[nth], got = hist_percentile(&hist, percents[i]);

        if (got < exact || (double)got > (double)exact * 1.032 + 1)
            fail_msg("p%g: %lld, exactly %lld", percents[i], (long long)got, (long long)exact);
    }
}

static void the_ends_of_the_range_are_safe(void **state)
{
    static struct hist hist, empty;

    (void)state;
    assert_int_equal(hist_percentile(&empty, 99), 0);
    hist_record(&hist, -5);
    hist_record(&hist, INT64_MAX);
    assert_int_equal(hist_percentile(&hist, 50), 0);
    assert_true(hist_percentile(&hist, 100) == INT64_MAX);
}

static void numbers_read_well(void **state)
{
    char out[TERM_TEXT];

    (void)state;
    assert_string_equal(term_bytes(512, out), "512 B");
    assert_string_equal(term_bytes(1536, out), "1.50 KiB");
    assert_string_equal(term_bytes(12 << 20, out), "12.0 MiB");
    assert_string_equal(term_bytes(INT64_MAX, out), "8.00 EiB");
    assert_string_equal(term_count(999, out), "999");
    assert_string_equal(term_count(999950, out), "1.00 M");
    assert_string_equal(term_count(3456789, out), "3.46 M");
    assert_string_equal(term_duration_ns(850, out), "850 ns");
    assert_string_equal(term_duration_ns(1500000, out), "1.50 ms");
    assert_string_equal(term_duration_ns(125000000000, out), "2 m 05 s");
    assert_string_equal(term_duration_ns(90000000000000, out), "1 d 01 h");
}

static void a_file_is_no_terminal_and_gets_no_colours(void **state)
{
    int fd = open("/dev/null", O_WRONLY);

    (void)state;
    assert_false(term_is_tty(fd));
    assert_string_equal(term_style(fd, TERM_RED), "");
    assert_int_equal(term_width(fd), 80);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_within_the_stated_error),
        cmocka_unit_test(the_ends_of_the_range_are_safe),
        cmocka_unit_test(numbers_read_well),
        cmocka_unit_test(a_file_is_no_terminal_and_gets_no_colours),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
