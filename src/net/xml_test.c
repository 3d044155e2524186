/* xml_test.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "net/xml.h"

/* The document as "path=text;" lines; a refusal ends it with "!CODE". */
static const char *walk(struct slice text)
{
    static char out[4096];
    struct arena arena = {0};
    const char *path, *value;
    struct err err = {0};
    struct xml xml;
    size_t len = 0;
    int rc;

    out[0] = '\0';
    xml_init(&xml, &arena, text);
    while (xml_next(&xml, &path, &value, &rc, &err))
        len += (size_t)snprintf(out + len, sizeof(out) - len, "%s=%s;", path, value);
    if (rc)
        snprintf(out + len, sizeof(out) - len, "!%s", err_name(rc));
    assert_true(rc == 0 || err.text[0]);
    xml_deinit(&xml);
    arena_deinit(&arena);
    return out;
}

static void tells_elements_as_they_end(void **state)
{
    (void)state;
    assert_string_equal(
        walk(slice_str("<?xml version=\"1.0\"?><!-- c --><s:Delete xmlns:s=\"u\"><Object a='1'>"
                       "<Key>a&amp;b&#x41;&#66;</Key><V/></Object><Quiet><![CDATA[<t>&]]></Quiet>"
                       "</s:Delete>\n")),
        "Delete/Object/Key=a&bAB;Delete/Object/V=;Delete/Object=;Delete/Quiet=<t>&;Delete=;");
}

static void refuses_what_is_not_well_formed(void **state)
{
    static const char *const bad[] = {
        "",
        "<",
        "<a",
        "<a>",
        "<a></b>",
        "</a>",
        "<a/><b/>",
        "x<a/>",
        "<a/>x",
        "<a>&x;</a>",
        "<a>&amp</a>",
        "<a>&#0;</a>",
        "<>",
        "<a><![CDATA[",
        "<!-- ",
        "<? ",
        "<!DOCTYPE a><a/>",
        "<a>&#xD800;</a>",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_non_null(strstr(walk(slice_str(bad[i])), "!CORRUPT"));
}

static void refuses_every_truncation(void **state)
{
    const char *text = "<a b='c'><d>e&lt;</d><!-- x --><f/><![CDATA[y]]></a>";

    (void)state;
    for (size_t len = 0; len < strlen(text); len++)
        assert_non_null(strstr(walk(slice_of(text, len)), "!CORRUPT"));
    assert_null(strstr(walk(slice_str(text)), "!"));
}

static void bounds_depth_and_text(void **state)
{
    static char deep[1000], wide[70000 + 20];

    (void)state;
    for (size_t i = 0; i < 100; i++)
        memcpy(deep + i * 3, "<a>", 3);
    assert_string_equal(walk(slice_str(deep)), "!LIMIT");
    memset(wide, 'x', sizeof(wide) - 1);
    memcpy(wide, "<a>", 3);
    memcpy(wide + sizeof(wide) - 5, "</a>", 4);
    assert_string_equal(walk(slice_str(wide)), "!LIMIT");
}

static void survives_each_failed_allocation(void **state)
{
    int rc = ERR_NOMEM;

    (void)state;
    for (int nth = 1; rc; nth++) {
        struct arena arena = {.fail_at = nth};
        const char *path, *text;
        struct xml xml;

        xml_init(&xml, &arena, SLICE_LIT("<a><b>c</b><d>e</d></a>"));
        while (xml_next(&xml, &path, &text, &rc, NULL))
            ;
        assert_true(rc == 0 || rc == ERR_NOMEM);
        xml_deinit(&xml);
        arena_deinit(&arena);
    }
}

static void escapes_what_it_writes(void **state)
{
    struct buf out = {0};

    (void)state;
    assert_int_equal(xml_element(&out, "Key", "a<b>&\"'\x01\r\n"), 0);
    assert_string_equal(buf_cstr(&out), "<Key>a&lt;b&gt;&amp;&quot;&#39;&#x1;&#xD;\n</Key>");
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_elements_as_they_end),
        cmocka_unit_test(refuses_what_is_not_well_formed),
        cmocka_unit_test(refuses_every_truncation),
        cmocka_unit_test(bounds_depth_and_text),
        cmocka_unit_test(survives_each_failed_allocation),
        cmocka_unit_test(escapes_what_it_writes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
