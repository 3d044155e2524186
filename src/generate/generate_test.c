/* generate_test.c - the same seed gives the same bytes, links point at events that are there,
 * planted faults come at their rates, and mistakes in a template are found with their place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json.h"
#include "generate/generate.h"

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/generate_test.XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    return disk_remove_tree(disk_system(), dir, NULL);
}

static void put_file(const char *name, const char *text)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    assert_int_equal(disk_write_file(disk_system(), path, slice_str(text), NULL), 0);
}

static const char charges[] =
    "{\"name\": \"charges\", \"rate\": \"500ms\", \"key\": \"id\", \"fields\": {\n"
    " \"id\": {\"kind\": \"sequence\", \"prefix\": \"ch_\", \"digits\": 6},\n"
    " \"amount\": {\"kind\": \"number\", \"min\": 1, \"max\": 100, \"scale\": 2},\n"
    " \"currency\": {\"kind\": \"choice\", \"values\": {\"USD\": 3, \"EUR\": 1}},\n"
    " \"status\": {\"kind\": \"choice\", \"values\": [\"ok\", \"failed\"]},\n"
    " \"code\": {\"kind\": \"choice\", \"values\": [\"declined\"], \"when\": {\"status\": "
    "[\"failed\"]}},\n"
    " \"tag\": {\"kind\": \"pattern\", \"pattern\": \"[A-C]{2}-\\\\d{3}\"},\n"
    " \"uid\": {\"kind\": \"uuid\"}, \"ref\": {\"kind\": \"id\", \"prefix\": \"x\"},\n"
    " \"geo\": {\"kind\": \"object\", \"fields\": {\"lat\": {\"kind\": \"number\", \"min\": -90,"
    " \"max\": 90, \"scale\": 5}, \"note\": \"a \\\"b\\\"\"}},\n"
    " \"items\": {\"kind\": \"array\", \"count\": [0, 3], \"item\": {\"kind\": \"pool\", \"size\": "
    "9}},\n"
    " \"maybe\": {\"kind\": \"uuid\", \"absent\": 0.5}, \"none\": {\"kind\": \"uuid\", \"null\": "
    "\"50%\"},\n"
    " \"at\": {\"kind\": \"time\"}},\n"
    " \"faults\": {\"mixed\": {\"fields\": [\"currency\"], \"case\": \"mixed\"},\n"
    "  \"nulls\": {\"rate\": 0.05, \"fields\": [\"status\"], \"values\": [null, \"null\", "
    "\"NULL\", \"\"]},\n"
    "  \"gone\": {\"fields\": [\"geo.note\"], \"remove\": true},\n"
    "  \"again\": {\"rate\": \"2%\", \"repeat_within\": 20}}}\n";

static const char refunds[] = "{\"name\": \"refunds\", \"rate\": \"2s\", \"fields\": {\n"
                              " \"charge\": {\"kind\": \"ref\", \"generator\": \"charges\", "
                              "\"field\": \"id\", \"link\": \"c\","
                              " \"within\": \"1m\"},\n"
                              " \"currency\": {\"kind\": \"ref\", \"generator\": \"charges\", "
                              "\"field\": \"currency\", \"link\": \"c\","
                              " \"within\": \"1m\"},\n"
                              " \"amount\": {\"kind\": \"ref\", \"generator\": \"charges\", "
                              "\"field\": \"amount\", \"link\": \"c\","
                              " \"within\": \"1m\", \"fraction\": [0.5, 1]}}}\n";

static struct generate_set *load(const struct generate_options *options)
{
    struct arena arena = {0};
    struct yaml_problems problems = {.arena = &arena};
    struct generate_set *set = NULL;
    struct err err = {0};
    int rc = generate_set_load(&set, disk_system(), dir, options, &problems, &err);

    if (rc)
        print_error("%s\n", err.text);
    assert_int_equal(rc, 0);
    arena_deinit(&arena);
    return set;
}

/* Everything a run writes, one line per event: generator, key, time, value. */
struct collected {
    struct buf text;
    int64_t events, flushes;
};

static int collect(void *arg, const struct generate_event *event, struct err *err)
{
    struct collected *c = arg;

    (void)err;
    c->events++;
    return buf_printf(&c->text, "%zu\t%.*s\t%lld\t%.*s\n", event->generator, SLICE_ARG(event->key),
                      (long long)event->time_us, SLICE_ARG(event->value));
}

static int count_flush(void *arg, struct err *err)
{
    (void)err;
    ((struct collected *)arg)->flushes++;
    return 0;
}

static int64_t run(const struct generate_options *options, int64_t from_us, int64_t count,
                   struct collected *out)
{
    struct generate_set *set = load(options);
    struct clock_fake clock;
    struct generate_run r = {.start_us = 1735689600000000, .from_us = from_us, .count = count,
                             .duration_ms = -1, .clock = &clock.clock,
                             .sink = {collect, count_flush, out}};

    clock_fake_init(&clock, 0);
    r.start_us += from_us;
    assert_int_equal(generate_run_wait(set, &r, NULL), 0);
    generate_set_free(set);
    return r.reached_us;
}

static void same_seed_gives_the_same_bytes(void **state)
{
    struct collected a = {0}, b = {0}, other = {0};

    (void)state;
    put_file("charges.json", charges);
    put_file("refunds.json", refunds);
    run(&(struct generate_options){.seed = 7}, 0, 2000, &a);
    run(&(struct generate_options){.seed = 7}, 0, 2000, &b);
    run(&(struct generate_options){.seed = 8}, 0, 2000, &other);
    assert_int_equal(a.events, 2000);
    assert_true(slice_eq(buf_slice(&a.text), buf_slice(&b.text)));
    assert_false(slice_eq(buf_slice(&a.text), buf_slice(&other.text)));
    buf_deinit(&a.text);
    buf_deinit(&b.text);
    buf_deinit(&other.text);
}

/* A duplicate that reaches back before the cut would have another time: no duplicates here. */
static void a_run_goes_on_where_another_stopped(void **state)
{
    struct generate_override off = {"again", 0};
    struct generate_options options = {.seed = 7, .faults = &off, .fault_count = 1};
    struct collected whole = {0}, parts = {0};
    int64_t reached;

    (void)state;
    run(&options, 0, 1000, &whole);
    reached = run(&options, 0, 300, &parts);
    run(&options, reached, 700, &parts);
    assert_true(slice_eq(buf_slice(&whole.text), buf_slice(&parts.text)));
    buf_deinit(&whole.text);
    buf_deinit(&parts.text);
}

/* Walks collected lines as JSON. */
static bool next_event(struct slice *rest, int *generator, char *key, size_t key_len,
                       long long *time_us, json_t **json)
{
    const char *line = (const char *)rest->ptr;
    const char *end = memchr(line, '\n', rest->len), *tab1, *tab2, *tab3;

    if (rest->len == 0)
        return false;
    tab1 = strchr(line, '\t');
    tab2 = strchr(tab1 + 1, '\t');
    tab3 = strchr(tab2 + 1, '\t');
    *generator = atoi(line);
    snprintf(key, key_len, "%.*s", (int)(tab2 - tab1 - 1), tab1 + 1);
    *time_us = atoll(tab2 + 1);
    assert_int_equal(json_parse(slice_of(tab3 + 1, (size_t)(end - tab3 - 1)), json, NULL), 0);
    rest->ptr = (const uint8_t *)end + 1;
    rest->len -= (size_t)(end + 1 - line);
    return true;
}

static void events_are_json_and_faults_come_at_their_rates(void **state)
{
    struct collected c = {0};
    struct slice rest;
    int generator, mixed = 0, nulls = 0, gone = 0, absent = 0, none = 0, declined = 0, failed = 0;
    int repeated = 0, eur = 0, total = 0, last = 0;
    long long time_us, previous = 0;
    char key[64];
    json_t *e;

    (void)state;
    run(&(struct generate_options){.seed = 1, .only = (const char *[]){"charges", NULL}}, 0, 25000,
        &c);
    buf_cstr(&c.text);
    for (rest = buf_slice(&c.text);
         next_event(&rest, &generator, key, sizeof(key), &time_us, &e);) {
        const char *currency, *id = json_string_value(json_object_get(e, "id"));
        json_t *status = json_object_get(e, "status");
        const char *text = json_string_value(status);

        if (generator == 0) {
            assert_true(time_us - previous == 500000 || !previous);
            previous = time_us;
            assert_string_equal(id, key);
            total++;
            repeated += atoi(id + 3) <= last;
            last = atoi(id + 3) > last ? atoi(id + 3) : last;
            currency = json_string_value(json_object_get(e, "currency"));
            mixed += strcmp(currency, "USD") && strcmp(currency, "EUR");
            eur += !strcasecmp(currency, "EUR");
            nulls += json_is_null(status) || (strcmp(text, "ok") && strcmp(text, "failed"));
            failed += text && !strcmp(text, "failed");
            declined += json_is_string(json_object_get(e, "code"));
            gone += !json_object_get(json_object_get(e, "geo"), "note");
            absent += !json_object_get(e, "maybe");
            none += json_is_null(json_object_get(e, "none"));
            assert_int_equal(strlen(json_string_value(json_object_get(e, "tag"))), 6);
            assert_int_equal(strlen(json_string_value(json_object_get(e, "uid"))), 36);
            assert_int_equal(strlen(json_string_value(json_object_get(e, "at"))), 24);
            assert_in_range(json_array_size(json_object_get(e, "items")), 0, 3);
        }
        json_decref(e);
    }
    assert_int_equal(total, 20000); /* 4 of 5: refunds run along */
    assert_in_range(mixed, 900, 1100);
    assert_in_range(nulls, 900, 1100);
    assert_in_range(gone, 900, 1100);
    assert_in_range(repeated, 320, 480);
    assert_in_range(absent, 9700, 10300);
    assert_in_range(none, 9700, 10300);
    assert_in_range(eur, 4700, 5300);
    assert_in_range(failed, 9200, 9800);
    assert_in_range(declined, 9700, 10300); /* the fault hides some of the reasons */
    buf_deinit(&c.text);
}

static void links_point_at_events_that_came_before(void **state)
{
    enum { CHARGES = 5000 };
    static double amounts[CHARGES];
    static char currencies[CHARGES][4];
    struct generate_override off = {"mixed", 0};
    struct collected c = {0};
    struct slice rest;
    int generator, refunds_seen = 0, newest = 0;
    long long time_us;
    char key[64];
    json_t *e;

    (void)state;
    run(&(struct generate_options){.seed = 3, .faults = &off, .fault_count = 1}, 0, 5000, &c);
    buf_cstr(&c.text);
    for (rest = buf_slice(&c.text);
         next_event(&rest, &generator, key, sizeof(key), &time_us, &e);) {
        const char *currency = json_string_value(json_object_get(e, "currency"));
        double amount = json_number_value(json_object_get(e, "amount"));

        if (generator == 0) {
            int n = atoi(key + 3);

            amounts[n] = amount;
            strcpy(currencies[n], currency);
            newest = n > newest ? n : newest;
        } else if (newest > 0) { /* at time 0 both lists begin */
            int n = atoi(json_string_value(json_object_get(e, "charge")) + 3);

            assert_in_range(n, newest - 120 - 20 < 1 ? 1 : newest - 120 - 20, newest);
            assert_true(amounts[n] > 0);
            assert_string_equal(currencies[n], currency);
            assert_true(amount <= amounts[n] + 0.001 && amount >= amounts[n] / 2 - 0.02);
            refunds_seen++;
        }
        json_decref(e);
    }
    assert_in_range(refunds_seen, 990, 1000);
    buf_deinit(&c.text);
}

static void rate_scales_all_generators_alike(void **state)
{
    struct generate_set *set = load(&(struct generate_options){.rate = 1000});

    (void)state;
    assert_int_equal(generate_set_count(set), 2);
    assert_true(generate_set_rate(set, 0) > 799.9 && generate_set_rate(set, 0) < 800.1);
    assert_true(generate_set_rate(set, 1) > 199.9 && generate_set_rate(set, 1) < 200.1);
    generate_set_free(set);
}

static void speed_paces_by_the_clock(void **state)
{
    struct generate_set *set = load(&(struct generate_options){0});
    struct collected c = {0};
    struct clock_fake clock;
    struct generate_run r = {.speed = 10, .start_us = -1, .count = -1, .duration_ms = 10000,
                             .clock = &clock.clock, .sink = {collect, count_flush, &c}};

    (void)state;
    clock_fake_init(&clock, 1735689600000000);
    assert_int_equal(generate_run_wait(set, &r, NULL), 0);
    assert_in_range(c.events, 249, 251); /* 10 s at ten times 2.5 per second */
    assert_true(c.flushes >= 190);
    assert_int_equal(clock.mono / 1000000000, 10);
    generate_set_free(set);
    buf_deinit(&c.text);
}

/* Goal: each mistake is found, in its place. */
static void mistakes_are_reported_with_line_and_suggestion(void **state)
{
    static const struct {
        const char *text, *expect;
        int line;
    } cases[] = {
        {"{\"name\": \"a\", \"fields\": {\n \"x\": {\"kind\": \"sequnce\"}}}", "'sequence'", 2},
        {"{\"name\": \"a\", \"fields\": {\n \"x\": {\"kind\": \"pool\"}}}", "size", 2},
        {"{\"name\": \"a\",\n \"rate\": \"fast\", \"fields\": {}}", "500ms", 2},
        {"{\"name\": \"a\", \"fields\": {\n \"x\": {\"kind\": \"choice\", \"values\": []}}}",
         "values", 2},
        {"{\"name\": \"a\", \"fields\": {\n \"x\": {\"kind\": \"pattern\", \"pattern\": \"[a\"}}}",
         "']'", 2},
        {"{\"name\": \"a\", \"fields\": {\n \"x\": {\"kind\": \"number\", \"min\": 3, \"max\": "
         "1}}}",
         "below", 2},
        {"{\"name\": \"a\", \"fields\": {\n \"x\": {\"kind\": \"ref\", \"generator\": \"b\", "
         "\"field\": \"x\"}}}",
         "no generator 'b'", 2},
        {"{\"name\": \"a\", \"fields\": {\n \"x\": {\"kind\": \"ref\", \"generator\": \"a\", "
         "\"field\": \"x\"}}}",
         "itself", 2},
        {"{\"name\": \"a\", \"key\":\n \"y\", \"fields\": {\"x\": 1}}", "no field 'y'", 2},
        {"{\"name\": \"a\", \"fields\": {\"x\": 1}, \"faults\": {\n \"f\": {\"fields\": [\"z\"], "
         "\"remove\": true}}}",
         "no field 'z'", 2},
        {"{\"name\": \"a\", \"fields\": {\"x\": 1}, \"faults\": {\n \"f\": {\"rate\": 7, "
         "\"fields\": [\"x\"],"
         " \"remove\": true}}}",
         "0.05", 2},
        {"{\"name\": \"a/b\", \"fields\": {\"x\": 1}}", "topic", 1},
        {"{\"name\": \"a\", \"fields\": {\"x\": {\"kind\": \"uuid\",\n \"when\": {\"y\": [1]}}}}",
         "'y'", 2},
    };
    struct disk *disk = disk_system();
    char path[128], broken[96];

    (void)state;
    snprintf(broken, sizeof(broken), "%s/broken", dir);
    assert_int_equal(disk_mkdir(disk, broken, NULL), 0);
    snprintf(path, sizeof(path), "%s/a.json", broken);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct arena arena = {0};
        struct yaml_problems problems = {.arena = &arena};
        struct generate_set *set = NULL;
        struct err err = {0};

        assert_int_equal(disk_write_file(disk, path, slice_str(cases[i].text), NULL), 0);
        assert_int_equal(generate_set_load(&set, disk, broken, &(struct generate_options){0},
                                           &problems, &err), ERR_INVALID);
        assert_null(set);
        assert_true(problems.count >= 1);
        if (!strstr(problems.list[0].text, cases[i].expect))
            print_error("case %zu: %s\n", i, problems.list[0].text);
        assert_non_null(strstr(problems.list[0].text, cases[i].expect));
        assert_int_equal(problems.list[0].line, cases[i].line);
        arena_deinit(&arena);
    }
}

static void unknown_knobs_are_refused(void **state)
{
    struct generate_override fault = {"mixd", 0.1}, rate = {"charge", 5};
    struct generate_options options[] = {{.faults = &fault, .fault_count = 1},
                                         {.rates = &rate, .rate_count = 1},
                                         {.only = (const char *[]){"refund", NULL}}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(options); i++) {
        struct arena arena = {0};
        struct yaml_problems problems = {.arena = &arena};
        struct generate_set *set = NULL;
        struct err err = {0};

        assert_int_equal(generate_set_load(&set, disk_system(), dir, &options[i], &problems, &err),
                         ERR_INVALID);
        assert_non_null(strstr(err.text, "did you mean"));
        arena_deinit(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_seed_gives_the_same_bytes),
        cmocka_unit_test(a_run_goes_on_where_another_stopped),
        cmocka_unit_test(events_are_json_and_faults_come_at_their_rates),
        cmocka_unit_test(links_point_at_events_that_came_before),
        cmocka_unit_test(rate_scales_all_generators_alike),
        cmocka_unit_test(speed_paces_by_the_clock),
        cmocka_unit_test(mistakes_are_reported_with_line_and_suggestion),
        cmocka_unit_test(unknown_knobs_are_refused),
    };

    return cmocka_run_group_tests_name("generate", tests, make_dir, remove_dir);
}
