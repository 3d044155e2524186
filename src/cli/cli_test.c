/* cli_test.c - command lines and tarn.yaml: what is right is taken, what is wrong is named with its
 * place and the word that was meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/config.h"
#include "cli/options.h"

struct sample {
    const char *text;
    int64_t count, time_ms;
    double real;
    bool flag;
    struct option_list list;
    int pick;
};
static const char *const picks[] = {"table", "csv", NULL};
static const struct option table[] = {
    {"text", 't', OPT_STR, offsetof(struct sample, text), "TEXT", "a text"},
    {"count", 'n', OPT_INT, offsetof(struct sample, count), "N", "a number"},
    {"tail", 0, OPT_COUNT, offsetof(struct sample, count), "N", "no negative number"},
    {"time", 0, OPT_DURATION, offsetof(struct sample, time_ms), "TIME", "a time"},
    {"real", 0, OPT_REAL, offsetof(struct sample, real), "X", "a real"},
    {"flag", 'f', OPT_FLAG, offsetof(struct sample, flag), NULL, "a flag"},
    {"list", 'l', OPT_LIST, offsetof(struct sample, list), "ITEM", "a list"},
    {"pick", 0, OPT_ENUM, offsetof(struct sample, pick), "WHICH", "one of", picks},
    {NULL}};

static int parse(struct sample *out, struct option_list *args, struct err *err, int argc, ...)
{
    static char words[16][64];
    char *argv[16];
    va_list list;

    va_start(list, argc);
    for (int i = 0; i < argc; i++) {
        snprintf(words[i], sizeof(words[i]), "%s", va_arg(list, const char *));
        argv[i] = words[i];
    }
    va_end(list);
    return options_parse(table, argc, argv, out, args, err);
}

static void options_come_in_every_usual_form(void **state)
{
    struct sample s = {0};
    struct option_list args = {.count = 0};

    (void)state;
    assert_int_equal(parse(&s, &args, NULL, 13, "one", "--text", "a b", "-n5k", "--time=1.5m",
                           "--real", "2.5k", "-f", "-l", "x", "-l", "y", "--pick=csv"), 0);
    assert_string_equal(s.text, "a b");
    assert_int_equal(s.count, 5000);
    assert_int_equal(s.time_ms, 90000);
    assert_true(s.real == 2500 && s.flag);
    assert_int_equal(s.list.count, 2);
    assert_int_equal(s.pick, 1);
    assert_int_equal(args.count, 1);
    args.count = 0;
    assert_int_equal(parse(&s, &args, NULL, 3, "--", "--text", "-"), 0);
    assert_int_equal(args.count, 2);
}

static void wrong_options_are_named(void **state)
{
    static const struct {
        const char *words[2], *expect;
    } cases[] = {
        {{"--txt", "x"}, "did you mean '--text'"}, {{"--count", "many"}, "'many' is not a whole"},
        {{"--time", "5"}, "500ms"},                {{"--time", "-5s"}, "500ms"},
        {{"ok", "--text"}, "needs a value"},       {{"--flag=1", ""}, "--flag=1"},
        {{"--tail", "-1"}, "'-1' is not 0 or more"}, {{"--real", "0"}, "above 0"},
        {{"--pick", "xml"}, "one of table, csv"},  {{"-z", ""}, "unknown option '-z'"},
        {{"--count", "1.5"}, "a whole number"},    {{"--count", "1e30"}, "a whole number"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct sample s = {0};
        struct option_list args = {.count = 0};
        struct err err = {0};

        assert_int_equal(parse(&s, &args, &err, 2, cases[i].words[0], cases[i].words[1]),
                         ERR_INVALID);
        if (!strstr(err.text, cases[i].expect))
            print_error("case %zu: %s\n", i, err.text);
        assert_non_null(strstr(err.text, cases[i].expect));
    }
}

/* ---- tarn.yaml ---- */

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/cli_test.XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    return disk_remove_tree(disk_system(), dir, NULL);
}

static int load(const char *text, struct config **out, struct yaml_problems *problems)
{
    char path[96];

    snprintf(path, sizeof(path), "%s/tarn.yaml", dir);
    assert_int_equal(disk_write_file(disk_system(), path, slice_str(text), NULL), 0);
    return config_read(out, disk_system(), dir, problems, NULL);
}

static void one_line_is_a_project(void **state)
{
    struct arena arena = {0};
    struct yaml_problems problems = {.arena = &arena};
    struct config *config = NULL;

    (void)state;
    assert_int_equal(load("version: 1\n", &config, &problems), 0);
    arena_deinit(&arena); /* the configuration must not depend on it */
    assert_int_equal(config->kafka.port, 9092);
    assert_int_equal(config->kafka.listener_count, 1);
    assert_string_equal(config->kafka.listeners[0].advertised, "127.0.0.1");
    assert_int_equal(config->jobs.commit_interval_ms, 5000);
    assert_int_equal(config->kafka.retention_ms, 7 * 86400000);
    assert_int_equal(config->kafka.retention_bytes, -1);
    assert_true(config->kafka.auto_create && config->s3.enabled);
    assert_string_equal(config->catalog.client_id, "root");
    assert_string_equal(config->catalog.client_secret, "secret");
    assert_string_equal(config->catalog.warehouse, "s3://warehouse/lake");
    assert_string_equal(config->name, strrchr(dir, '/') + 1);
    assert_string_equal(config->listen, "127.0.0.1");
    assert_non_null(strstr(config->data, "/.tarn"));
    config_free(config);
}

static void every_part_of_a_project_is_read(void **state)
{
    static const char text[] =
        "version: 1\nname: shop\nlisten: 0.0.0.0\ninsecure_listen: true\n"
        "kafka: {port: 19092, listeners: [{port: 29092, advertised: kafka}], fsync: always}\n"
        "s3: {buckets: [a, b]}\n"
        "topics:\n  orders: {partitions: 3, config: {retention.ms: 60000}}\n  events:\n"
        "generators: {run: [x], speed: max, rates: {x: 500ms}, faults: {dup: 10%}}\n";
    struct arena arena = {0};
    struct yaml_problems problems = {.arena = &arena};
    struct config *config = NULL;

    (void)state;
    assert_int_equal(load(text, &config, &problems), 0);
    arena_deinit(&arena);
    assert_int_equal(config->kafka.listener_count, 2);
    assert_int_equal(config->kafka.listeners[1].port, 29092);
    assert_string_equal(config->kafka.listeners[1].advertised, "kafka");
    /* Nobody can dial every address. */
    assert_string_not_equal(config->kafka.listeners[0].advertised, "0.0.0.0");
    assert_int_equal(config->kafka.fsync, 0);
    assert_string_equal(config->s3.buckets.items[1], "b");
    assert_int_equal(config->topic_count, 2);
    assert_int_equal(config->topics[0].partitions, 3);
    assert_string_equal(config->topics[0].keys[0], "retention.ms");
    assert_string_equal(config->topics[0].values[0], "60000");
    assert_int_equal(config->topics[1].partitions, 1);
    assert_true(config->generators.speed == 0 && config->generators.rates[0].value == 2);
    assert_true(config->generators.faults[0].value == 0.1);
    config_free(config);
}

static void mistakes_have_a_place_and_a_suggestion(void **state)
{
    static const struct {
        const char *text, *expect;
        int line, column;
    } cases[] = {
        {"version: 1\nkafka:\n  prot: 9092\n", "did you mean 'port'", 3, 3},
        {"version: 2\n", "must be 1", 1, 10},
        {"name: x\n", "'version' is missing", 1, 1},
        {"version: 1\nlisten: 0.0.0.0\n", "insecure_listen", 2, 9},
        {"version: 1\ns3:\n  port: 9092\n", "is also that of kafka", 3, 9},
        {"version: 1\nkafka:\n  port: 9000\n", "is also that of s3", 3, 9},
        {"version: 1\ncatalog:\n  credential: root\n", "client id", 3, 15},
        {"version: 1\ncatalog:\n  warehouse: /tmp/x\n", "s3://BUCKET", 3, 14},
        {"version: 1\ntopics:\n  a/b: {}\n", "no topic's name", 3, 3},
        {"version: 1\ntopics:\n  a: {partition: 1}\n", "did you mean 'partitions'", 3, 7},
        {"version: 1\njobs:\n  commit_interval: 5\n", "500ms", 3, 20},
        {"version: 1\nstore:\n  engine: s4\n", "'s3'", 3, 11},
        {"version: 1\nstore:\n  engine: s3\n", "endpoint", 3, 3},
        {"version: 1\ngenerators:\n  rates: {a: fast}\n", "2/s", 3, 14},
        {"version: 1\nkafka: [\n", "while parsing", 3, 1},
        {"version: 1\nkafka:\n\tport: 1\n", "a tab?", 3, 1},
        {"- 1\n", "keys and values", 1, 1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct arena arena = {0};
        struct yaml_problems problems = {.arena = &arena};
        struct config *config = NULL;

        assert_int_equal(load(cases[i].text, &config, &problems), ERR_INVALID);
        assert_null(config);
        assert_true(problems.count >= 1);
        if (!strstr(problems.list[0].text, cases[i].expect) ||
            problems.list[0].line != cases[i].line || problems.list[0].column != cases[i].column)
            print_error("case %zu: %d:%d: %s\n", i, problems.list[0].line, problems.list[0].column,
                        problems.list[0].text);
        assert_non_null(strstr(problems.list[0].text, cases[i].expect));
        assert_int_equal(problems.list[0].line, cases[i].line);
        assert_int_equal(problems.list[0].column, cases[i].column);
        arena_deinit(&arena);
    }
}

/* Tests run in the folder of the Makefile. */
static void the_schemas_in_docs_are_current(void **state)
{
    static const struct {
        int (*make)(struct buf *out, struct err *err);
        const char *path, *how;
    } schemas[] = {
        {config_schema, "docs/tarn.schema.json", "--schema"},
        {generate_schema, "docs/generator.schema.json", "--generator-schema"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(schemas); i++) {
        struct buf now = {0}, file = {0};

        assert_int_equal(schemas[i].make(&now, NULL), 0);
        assert_int_equal(disk_read_file(disk_system(), schemas[i].path, &file, NULL), 0);
        if (!slice_eq(buf_slice(&now), buf_slice(&file)))
            print_error("run: build/tarn check %s > %s\n", schemas[i].how, schemas[i].path);
        assert_true(slice_eq(buf_slice(&now), buf_slice(&file)));
        buf_deinit(&now);
        buf_deinit(&file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_come_in_every_usual_form),
        cmocka_unit_test(wrong_options_are_named),
        cmocka_unit_test(one_line_is_a_project),
        cmocka_unit_test(every_part_of_a_project_is_read),
        cmocka_unit_test(mistakes_have_a_place_and_a_suggestion),
        cmocka_unit_test(the_schemas_in_docs_are_current),
    };

    return cmocka_run_group_tests_name("cli", tests, make_dir, remove_dir);
}
