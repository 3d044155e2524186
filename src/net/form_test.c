/* form_test.c - multipart/form-data cut at every byte, in every odd spelling that browsers have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/form.h"

#define TYPE "multipart/form-data; boundary=\"x y\""

/* What came, as one text: "<name|filename>data;" a part. */
struct seen {
    struct buf text;
    int fail_at; /* the call that fails, from 1; 0: none */
    int calls;
};

static int told(struct seen *seen)
{
    return ++seen->calls == seen->fail_at ? ERR_LIMIT : 0;
}

static int on_part(void *arg, const char *name, const char *filename)
{
    struct seen *seen = arg;

    buf_printf(&seen->text, "<%s|%s>", name, filename ? filename : "-");
    return told(seen);
}

static int on_data(void *arg, struct slice bytes)
{
    struct seen *seen = arg;

    buf_append_slice(&seen->text, bytes);
    return told(seen);
}

static int on_end(void *arg)
{
    struct seen *seen = arg;

    buf_append_str(&seen->text, ";");
    return told(seen);
}

static const struct form_events events = {on_part, on_data, on_end};

/* Feeds it in two pieces, cut at `cut`. */
static int feed(struct form *form, struct slice text, size_t cut)
{
    int rc = form_feed(form, slice_of(text.ptr, cut));

    return rc ? rc : form_feed(form, slice_of(text.ptr + cut, text.len - cut));
}

/* Goal: where the network cuts does not matter. Method: each place, and every byte alone. */
static void reads_the_same_wherever_it_is_cut(void **state)
{
    static const char text[] =
        "a preamble\r\n--x y  \r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x \r\n2"
        "\r\n--x y\r\nX-Other: ;\r\ncontent-disposition: form-data; filename=\"q\\\"\\\\;name=z\"; "
        "name=file\r\nContent-Type: text/plain\r\n\r\n\r\r\n-\r\n--x y\r\n"
        "Content-Disposition: form-data; name=\"\"\r\n\r\n\r\n--x y--\r\n--x y\r\nwhatever follows";
    static const char wanted[] = "<a|->1\r\n--x \r\n2;<file|q\"\\;name=z>\r\r\n-;<|->;";
    struct seen seen = {0};
    struct form form;

    (void)state;
    for (size_t cut = 0; cut < sizeof(text); cut++) {
        buf_clear(&seen.text);
        assert_int_equal(form_init(&form, TYPE, &events, &seen), 0);
        assert_int_equal(feed(&form, slice_of(text, sizeof(text) - 1), cut), 0);
        assert_true(form_ended(&form));
        assert_string_equal(buf_cstr(&seen.text), wanted);
    }
    buf_clear(&seen.text);
    assert_int_equal(form_init(&form, TYPE, &events, &seen), 0);
    for (size_t i = 0; i + 1 < sizeof(text); i++)
        assert_int_equal(form_feed(&form, slice_of(text + i, 1)), 0);
    assert_string_equal(buf_cstr(&seen.text), wanted);
    buf_deinit(&seen.text);
}

static void begins_without_a_preamble(void **state)
{
    static const char text[] =
        "----b\r\nContent-Disposition: form-data; name=k\r\n\r\nv\r\n----b--";
    struct seen seen = {0};
    struct form form;

    (void)state;
    assert_int_equal(form_init(&form, "multipart/form-data;boundary=--b", &events, &seen), 0);
    assert_int_equal(form_feed(&form, SLICE_LIT(text)), 0);
    assert_true(form_ended(&form));
    assert_string_equal(buf_cstr(&seen.text), "<k|->v;");
    buf_deinit(&seen.text);
}

static void refuses_other_types_and_bad_boundaries(void **state)
{
    static const struct {
        const char *type;
        int rc;
    } cases[] = {
        {NULL, ERR_UNSUPPORTED},
        {"text/plain", ERR_UNSUPPORTED},
        {"multipart/form-database; boundary=x", ERR_UNSUPPORTED},
        {"multipart/form-data", ERR_INVALID},
        {"multipart/form-data; boundary=", ERR_INVALID},
        {"multipart/form-data; boundary=\"open", ERR_INVALID},
        {"multipart/form-data; boundary=0123456789012345678901234567890123456789012345678901234567"
         "8901234567890",
         ERR_INVALID},
        {"Multipart/Form-Data ; charset=utf-8; BOUNDARY=x", 0},
    };
    struct form form;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(form_init(&form, cases[i].type, &events, NULL), cases[i].rc);
}

static void refuses_what_is_malformed(void **state)
{
    static const char *const cases[] = {
        "--x y junk\r\n",
        "--x y\r\nContent-Type: text/plain\r\n\r\n",
        "--x y\r\nContent-Disposition: form-data\r\n\r\n",
        "--x y\r\nContent-Disposition: form-data; name=\"open\r\n\r\n",
    };
    struct seen seen = {0};
    struct form form;
    char nul[] = "--x y\r\nContent-Disposition: form-data; name=a_\r\n\r\n";

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(form_init(&form, TYPE, &events, &seen), 0);
        assert_int_equal(form_feed(&form, slice_str(cases[i])), ERR_CORRUPT);
    }
    *strchr(nul, '_') = '\0';
    assert_int_equal(form_init(&form, TYPE, &events, &seen), 0);
    assert_int_equal(form_feed(&form, slice_of(nul, sizeof(nul) - 1)), ERR_CORRUPT);
    buf_deinit(&seen.text);
}

static void bounds_the_headers_of_a_part(void **state)
{
    struct buf text = {0};
    struct seen seen = {0};
    struct form form;

    (void)state;
    buf_append_str(&text, "--x y\r\nX: ");
    for (int i = 0; i < FORM_HEADERS_MAX; i++)
        buf_append_str(&text, "y");
    assert_int_equal(form_init(&form, TYPE, &events, &seen), 0);
    assert_int_equal(form_feed(&form, buf_slice(&text)), ERR_CORRUPT);
    buf_deinit(&text);
}

/* Goal: whoever listens can end it anywhere. Method: fail call 1, then 2, until none is reached. */
static void ends_with_the_error_of_who_listens(void **state)
{
    static const char text[] =
        "--x y\r\nContent-Disposition: form-data; name=k\r\n\r\na\rb\r\n-\r\n"
        "--x y--";
    int rc = ERR_LIMIT;

    (void)state;
    for (int nth = 1; rc; nth++) {
        struct seen seen = {.fail_at = nth};
        struct form form;

        assert_int_equal(form_init(&form, TYPE, &events, &seen), 0);
        rc = form_feed(&form, SLICE_LIT(text));
        assert_true(rc == 0 || rc == ERR_LIMIT);
        assert_int_equal(seen.calls, rc ? nth : seen.calls);
        assert_true(nth < 20);
        buf_deinit(&seen.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_same_wherever_it_is_cut),
        cmocka_unit_test(begins_without_a_preamble),
        cmocka_unit_test(refuses_other_types_and_bad_boundaries),
        cmocka_unit_test(refuses_what_is_malformed),
        cmocka_unit_test(bounds_the_headers_of_a_part),
        cmocka_unit_test(ends_with_the_error_of_who_listens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
