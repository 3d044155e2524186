/* json_test.c - documents in and out, members checked by kind, strings quoted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/base.h"
#include "base/json.h"

static void documents_keep_order_and_values(void **state)
{
    static const char text[] =
        "{\"z\":1,\"a\":[true,null,-9223372036854775808,\"\xc3\xa4\"],\"m\":{}}";
    struct buf out = {0};
    json_t *json;

    (void)state;
    assert_int_equal(json_parse(slice_str(text), &json, NULL), 0);
    assert_int_equal(json_print(json, 0, &out, NULL), 0);
    assert_true(slice_is(buf_slice(&out), text));
    buf_clear(&out);
    assert_int_equal(json_print(json, 2, &out, NULL), 0);
    assert_true(slice_starts(buf_slice(&out), SLICE_LIT("{\n  \"z\": 1,\n")));
    buf_deinit(&out);
    buf_init(&out, 5);
    assert_int_equal(json_print(json, 0, &out, NULL), ERR_LIMIT);
    assert_int_equal(out.len, 0);
    buf_deinit(&out);
    json_decref(json);
}

static void bad_text_is_refused_with_its_place(void **state)
{
    static const char *const cases[] = {
        "", "{", "[1,]", "{\"a\":1} x", "\"\xff\"", "nul", "99999999999999999999"};
    struct buf deep = {0};
    struct err err = {0};
    json_t *json;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(json_parse(slice_str(cases[i]), &json, &err), ERR_CORRUPT);
        assert_null(json);
        assert_non_null(strstr(err.text, "line 1"));
    }
    assert_int_equal(json_parse(SLICE_LIT("{\n \"a\": ?}"), &json, &err), ERR_CORRUPT);
    assert_non_null(strstr(err.text, "line 2"));
    for (int i = 0; i < 512; i++)
        assert_int_equal(buf_append_str(&deep, "["), 0);
    assert_int_equal(buf_append_str(&deep, "\"[[[\\\"[[[\""), 0);
    for (int i = 0; i < 512; i++)
        assert_int_equal(buf_append_str(&deep, "]"), 0);
    assert_int_equal(json_parse(buf_slice(&deep), &json, &err), 0);
    json_decref(json);
    assert_int_equal(buf_append_str(&deep, " "), 0);
    deep.ptr[512] = '[';
    assert_int_equal(json_parse(buf_slice(&deep), &json, &err), ERR_CORRUPT);
    assert_non_null(strstr(err.text, "512 levels"));
    buf_deinit(&deep);
}

/* Two bytes of text are enough for a value, a hundred of memory. */
static void a_document_of_too_many_values_is_refused(void **state)
{
    struct buf many = {0};
    struct err err = {0};
    json_t *json;

    (void)state;
    assert_int_equal(buf_append_str(&many, "["), 0);
    for (int i = 0; i < 4000000; i++)
        assert_int_equal(buf_append_str(&many, "0,"), 0);
    assert_int_equal(buf_append_str(&many, "0]"), 0);
    assert_int_equal(json_parse(buf_slice(&many), &json, &err), ERR_LIMIT);
    assert_null(json);
    assert_non_null(strstr(err.text, "4000000 values"));
    buf_deinit(&many);
}

static void members_are_checked_by_kind(void **state)
{
    json_t *json, *child;
    struct err err = {0};
    const char *text;
    int64_t number;
    bool flag;

    (void)state;
    assert_int_equal(
        json_parse(SLICE_LIT("{\"s\":\"x\",\"n\":5,\"r\":1.5,\"b\":true,\"a\":[],\"o\":{}}"), &json,
                   NULL),
        0);
    assert_int_equal(json_get_str(json, "s", "t", &text, &err), 0);
    assert_string_equal(text, "x");
    assert_int_equal(json_get_i64(json, "n", "t", &number, &err), 0);
    assert_int_equal(number, 5);
    assert_int_equal(json_get_bool(json, "b", "t", &flag, &err), 0);
    assert_true(flag);
    assert_int_equal(json_get_arr(json, "a", "t", &child, &err), 0);
    assert_int_equal(json_get_obj(json, "o", "t", &child, &err), 0);
    assert_int_equal(json_get_str(json, "nope", "snapshot", &text, &err), ERR_NOENT);
    assert_string_equal(err.text, "snapshot.nope: missing");
    assert_int_equal(json_get_i64(json, "r", "snapshot", &number, &err), ERR_INVALID);
    assert_string_equal(err.text, "snapshot.r: must be a whole number, is a real number");
    assert_int_equal(json_get_obj(json, "a", "t", &child, &err), ERR_INVALID);
    assert_int_equal(json_get_bool(json, "n", "t", &flag, &err), ERR_INVALID);
    assert_int_equal(json_get_str(child = json_array(), "n", "t", &text, &err), ERR_INVALID);
    json_decref(child);
    json_decref(json);
}

static void quoting_escapes_and_mends(void **state)
{
    static const struct {
        const char *plain, *quoted;
    } cases[] = {
        {"", "\"\""},
        {"a\"b\\c\n\t\x01", "\"a\\\"b\\\\c\\n\\t\\u0001\""},
        {"\xc3\xa4\xf0\x9f\x98\x80", "\"\xc3\xa4\xf0\x9f\x98\x80\""},
        {"a\xff"
         "b\xc3",
         "\"a\xef\xbf\xbd"
         "b\xef\xbf\xbd\""},
        {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* a surrogate */
        {"\xc0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\""},                 /* longer than needed */
    };
    struct buf out = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        json_t *json;

        buf_clear(&out);
        assert_int_equal(json_quote(&out, slice_str(cases[i].plain)), 0);
        assert_true(slice_is(buf_slice(&out), cases[i].quoted));
        assert_int_equal(json_parse(buf_slice(&out), &json, NULL), 0);
        json_decref(json);
    }
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_keep_order_and_values),
        cmocka_unit_test(bad_text_is_refused_with_its_place),
        cmocka_unit_test(a_document_of_too_many_values_is_refused),
        cmocka_unit_test(members_are_checked_by_kind),
        cmocka_unit_test(quoting_escapes_and_mends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
