/* url_test.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/url.h"

static void encodes_all_but_the_unreserved_characters(void **state)
{
    struct buf out = {0};

    (void)state;
    assert_int_equal(url_encode(&out, SLICE_LIT("aZ9-._~ /+%=\xc3\xa9"), false), 0);
    assert_string_equal(buf_cstr(&out), "aZ9-._~%20%2F%2B%25%3D%C3%A9");
    buf_clear(&out);
    assert_int_equal(url_encode(&out, SLICE_LIT("a/b c"), true), 0);
    assert_string_equal(buf_cstr(&out), "a/b%20c");
    buf_deinit(&out);
}

static void decodes_and_refuses_what_is_no_escape(void **state)
{
    static const char *const bad[] = {"%", "%4", "%zz", "%4g", "a%00b", "abc%"};
    struct arena arena = {0};
    const char *text;

    (void)state;
    assert_int_equal(url_decode(&arena, SLICE_LIT("a%2fB+c%41"), false, &text), 0);
    assert_string_equal(text, "a/B+cA");
    assert_int_equal(url_decode(&arena, SLICE_LIT("a+b"), true, &text), 0);
    assert_string_equal(text, "a b");
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(url_decode(&arena, slice_str(bad[i]), false, &text), ERR_INVALID);
    arena_deinit(&arena);
}

/* Goal: nobody can tell it from encoding anew. Method: both, over all short texts of odd bytes. */
static void knows_what_is_encoded_already(void **state)
{
    static const char odd[] = "a/%24cC+~ ";
    struct arena arena = {0};

    (void)state;
    for (int n = 0; n < 10 * 10 * 10 * 10; n++) {
        char text[5] = {odd[n % 10], odd[n / 10 % 10], odd[n / 100 % 10], odd[n / 1000]};

        for (int keep = 0; keep < 2; keep++) {
            struct buf out = {0};
            const char *plain;
            bool same = url_decode(&arena, slice_str(text), true, &plain) == 0 &&
                        url_encode(&out, slice_str(plain), keep) == 0 &&
                        slice_is(buf_slice(&out), text);

            assert_int_equal(url_is_encoded(slice_str(text), keep), same);
            buf_deinit(&out);
        }
        arena_reset(&arena);
    }
    arena_deinit(&arena);
}

static void walks_a_query(void **state)
{
    struct slice rest = SLICE_LIT("a=1&&b&c=x=y&"), name, value;

    (void)state;
    assert_true(url_query_next(&rest, &name, &value) && slice_is(name, "a") &&
                slice_is(value, "1"));
    assert_true(url_query_next(&rest, &name, &value) && slice_is(name, "b") && value.len == 0);
    assert_true(url_query_next(&rest, &name, &value) && slice_is(name, "c") &&
                slice_is(value, "x=y"));
    assert_false(url_query_next(&rest, &name, &value));
}

static void splits_a_url(void **state)
{
    static const char *const bad[] = {"localhost:9000", "ftp://x",      "http://",
                                      "http://u:p@h/",  "http://h:0/",  "http://h:99999",
                                      "http://[::1",    "http://[::1]x"};
    struct arena arena = {0};
    struct err err;
    struct url url;

    (void)state;
    assert_int_equal(url_parse(&arena, "http://127.0.0.1:9000/a%2Fb?x=1#f", &url, &err), 0);
    assert_string_equal(url.host, "127.0.0.1");
    assert_int_equal(url.port, 9000);
    assert_string_equal(url.path, "/a%2Fb");
    assert_string_equal(url.query, "x=1");
    assert_string_equal(url.authority, "127.0.0.1:9000");
    assert_int_equal(url_parse(&arena, "https://[::1]", &url, &err), 0);
    assert_string_equal(url.host, "::1");
    assert_int_equal(url.port, 443);
    assert_string_equal(url.path, "/");
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(url_parse(&arena, bad[i], &url, &err), ERR_INVALID);
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodes_all_but_the_unreserved_characters),
        cmocka_unit_test(decodes_and_refuses_what_is_no_escape),
        cmocka_unit_test(knows_what_is_encoded_already),
        cmocka_unit_test(walks_a_query),
        cmocka_unit_test(splits_a_url),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
