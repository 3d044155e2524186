/* yaml_test.c - trees with positions, tables that fill structs, and problems a person can act on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/base.h"
#include "base/yaml.h"

struct inner {
    int64_t depth;
    const char *root;
};

struct config {
    const char *name;
    int64_t port, retention_ms, segment_bytes;
    bool on;
    int fsync;
    struct inner inner;
    struct yaml_list list;
    const struct yaml_node *extra;
};

static const char *const fsync_names[] = {"always", "never", "interval", NULL};
static const struct yaml_field inner_fields[] = {
    {"depth", YK_INT, offsetof(struct inner, depth), .fallback = "7", .min = 1, .max = 9},
    {"root", YK_STR, offsetof(struct inner, root), .required = true},
    {NULL},
};
static const struct yaml_field fields[] = {
    {"name", YK_STR, offsetof(struct config, name), .required = true, .help = "what it is called"},
    {"port", YK_INT, offsetof(struct config, port), .min = 1, .max = 65535, .fallback = "9092"},
    {"retention", YK_DURATION, offsetof(struct config, retention_ms), .fallback = "7d"},
    {"segment", YK_BYTES, offsetof(struct config, segment_bytes), .fallback = "1GiB"},
    {"on", YK_BOOL, offsetof(struct config, on)},
    {"fsync", YK_ENUM, offsetof(struct config, fsync), .names = fsync_names},
    {"inner", YK_MAP, offsetof(struct config, inner), .sub = inner_fields},
    {"list", YK_LIST, offsetof(struct config, list)},
    {"extra", YK_NODE, offsetof(struct config, extra)},
    {NULL},
};

static int bind(const char *text, struct config *out, struct arena *arena,
                struct yaml_problems *problems)
{
    struct yaml_node *node = ARENA_NEW(arena, struct yaml_node);
    struct err err = {0};

    *out = (struct config){0};
    *problems = (struct yaml_problems){.arena = arena};
    assert_non_null(node);
    assert_int_equal(yaml_parse(slice_str(text), arena, node, &err), 0);
    return yaml_bind(node, fields, out, "tarn.yaml", problems);
}

static void a_table_fills_a_struct(void **state)
{
    struct yaml_problems problems;
    struct arena arena = {0};
    struct config config;

    (void)state;
    assert_int_equal(bind("name: \"x y\"\nport: 80\nretention: 1.5h\nsegment: 64k\non: true\n"
                          "fsync: interval\ninner: {root: /tmp}\nlist: [a, 'b']\nextra: {k: v}\n",
                          &config, &arena, &problems),
                     0);
    assert_string_equal(config.name, "x y");
    assert_int_equal(config.port, 80);
    assert_int_equal(config.retention_ms, 5400000);
    assert_int_equal(config.segment_bytes, 65536);
    assert_true(config.on);
    assert_int_equal(config.fsync, 2);
    assert_int_equal(config.inner.depth, 7);
    assert_string_equal(config.inner.root, "/tmp");
    assert_int_equal(config.list.count, 2);
    assert_string_equal(config.list.items[1], "b");
    assert_string_equal(yaml_get(config.extra, "k")->text, "v");
    arena_reset(&arena);
    assert_int_equal(bind("name: n\nport:\n", &config, &arena, &problems), 0);
    assert_int_equal(config.port, 9092); /* nothing written is as if the key were absent */
    assert_int_equal(config.retention_ms, 604800000);
    assert_int_equal(config.segment_bytes, 1 << 30);
    assert_int_equal(config.inner.depth, 7);
    assert_null(config.inner.root);
    arena_deinit(&arena);
}

static void every_problem_has_its_place_and_a_suggestion(void **state)
{
    static const struct {
        const char *text;
        int line, column;
        const char *says;
    } cases[] = {
        {"name: x\nprot: 1", 2, 1, "unknown key 'prot': did you mean 'port'?"},
        {"name: x\nzebra: 1", 2, 1, "unknown key 'zebra'"},
        {"name: x\nport: 99999", 2, 7, "between 1 and 65535"},
        {"name: x\nport: many", 2, 7, "must be a whole number, is 'many'"},
        {"name: x\nport: \"80\"", 2, 7, "take the quotes away"},
        {"name: x\nretention: 5", 2, 12, "a duration with its unit"},
        {"name: x\nsegment: 5 bananas", 2, 10, "a size such as"},
        {"name: x\nsegment: 99999999999GiB", 2, 10, "a size such as"},
        {"name: x\non: maybe", 2, 5, "true or false"},
        {"name: x\nfsync: alwasy", 2, 8, "did you mean 'always'?"},
        {"name: x\nfsync: sometimes", 2, 8, "always, never, interval"},
        {"name: x\ninner:\n  depth: 12\n  root: r", 3, 10, "between 1 and 9"},
        {"name: x\ninner: {}", 2, 8, "'root' is missing"},
        {"name: x\ninner: 5", 2, 8, "must be a mapping, is a single value"},
        {"name: x\nlist: 5", 2, 7, "must be a list"},
        {"name: x\nlist: [a, [b]]", 2, 11, "item 2 of 'list'"},
        {"name: [x]", 1, 7, "must be a single value, is a list"},
        {"port: 80", 1, 1, "'name' is missing: what it is called"},
        {"", 1, 1, "'name' is missing"},
        {"- a", 1, 1, "a mapping is expected"},
    };
    struct arena arena = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct yaml_problems problems;
        struct config config;

        assert_int_equal(bind(cases[i].text, &config, &arena, &problems), ERR_INVALID);
        assert_int_equal(problems.count, 1);
        if (!strstr(problems.list[0].text, cases[i].says))
            fail_msg("case %zu says: %s", i, problems.list[0].text);
        assert_string_equal(problems.list[0].file, "tarn.yaml");
        assert_int_equal(problems.list[0].line, cases[i].line);
        assert_int_equal(problems.list[0].column, cases[i].column);
        arena_reset(&arena);
    }
    arena_deinit(&arena);
}

static void all_problems_are_collected(void **state)
{
    struct yaml_problems problems;
    struct arena arena = {0};
    struct config config;

    (void)state;
    assert_int_equal(
        bind("a1: 1\na2: 2\na3: 3\na4: 4\na5: 5\non: 7\nport: x", &config, &arena, &problems),
        ERR_INVALID);
    assert_int_equal(problems.count, 8);
    arena_deinit(&arena);
}

static void what_makes_yaml_surprising_is_refused_by_name(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"a: &x 1\nb: *x", "line 2, column 4: alias *x"},
        {"a: [&x b, &y [*x, *x]]", "alias *x"},
        {"a: 1\nb: 2\na: 3", "line 3, column 1: key 'a' is there already, on line 1"},
        {"a: 1\n---\nb: 2", "a second document"},
        {"a: !!python/object x", "tag tag:yaml.org,2002:python/object"},
        {"? [a]\n: b", "a key must be a plain text"},
        {"a: [1,\nb", "line 3, column 1"},
        {"a:\n\t- b", "line 2"},
        {"a: \"\\0\"", "a zero byte"},
        {"a: \xff", "line 1"},
    };
    struct arena arena = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct yaml_node node;
        struct err err = {0};

        assert_int_equal(yaml_parse(slice_str(cases[i].text), &arena, &node, &err), ERR_CORRUPT);
        if (!strstr(err.text, cases[i].says))
            fail_msg("case %zu says: %s", i, err.text);
        arena_reset(&arena);
    }
    arena_deinit(&arena);
}

static void nesting_and_size_are_bounded(void **state)
{
    struct arena arena = {0};
    struct yaml_node node;
    struct buf text = {0};

    (void)state;
    for (int i = 0; i < 70; i++)
        assert_int_equal(buf_append_str(&text, "["), 0);
    assert_int_equal(yaml_parse(buf_slice(&text), &arena, &node, NULL), ERR_CORRUPT);
    buf_clear(&text);
    for (int i = 0; i < 100001; i++)
        assert_int_equal(buf_append_str(&text, "- 1\n"), 0);
    assert_int_equal(yaml_parse(buf_slice(&text), &arena, &node, NULL), ERR_CORRUPT);
    buf_deinit(&text);
    arena_deinit(&arena);
}

/* Goal: memory may run out anywhere. Method: fail allocation 1, then 2, until none is reached. */
static void survives_each_failed_allocation(void **state)
{
    int rc = ERR_NOMEM;

    (void)state;
    for (int nth = 1; rc; nth++) {
        struct arena arena = {.fail_at = nth};
        struct yaml_problems problems = {.arena = &arena};
        struct config config = {0};
        struct yaml_node node;

        rc = yaml_parse(SLICE_LIT("name: x\nlist: [a, b, c, d, e, f, g, h, i]\n"), &arena, &node,
                        NULL);
        assert_true(rc == 0 || rc == ERR_NOMEM);
        if (rc == 0)
            rc = yaml_bind(&node, fields, &config, "f", &problems);
        arena_deinit(&arena);
        assert_true(nth < 100);
    }
}

static void the_nearest_name_is_near(void **state)
{
    static const char *const names[] = {"port", "ports", "retention", "name", NULL};

    (void)state;
    assert_string_equal(nearest_name("prot", names), "port");
    assert_string_equal(nearest_name("PORTS", names), "ports");
    assert_string_equal(nearest_name("retenshun", names), "retention");
    assert_null(nearest_name("xy", names));
    assert_null(nearest_name("", names));
    assert_null(nearest_name("completely-else", names));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_fills_a_struct),
        cmocka_unit_test(every_problem_has_its_place_and_a_suggestion),
        cmocka_unit_test(all_problems_are_collected),
        cmocka_unit_test(what_makes_yaml_surprising_is_refused_by_name),
        cmocka_unit_test(nesting_and_size_are_bounded),
        cmocka_unit_test(survives_each_failed_allocation),
        cmocka_unit_test(the_nearest_name_is_near),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
