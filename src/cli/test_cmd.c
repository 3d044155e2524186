/* test_cmd.c - `tarn test`: a project's SQL against rows that are written down, on a clock of its
 * own.
 *
 * Every file of tests/ names a script of the project and gives steps: rows for the tables it reads,
 * time that passes, and the changes that must have come out by then. The script is planned as `up`
 * would plan it, in an instance without doors in a folder that is thrown away; only where rows come
 * from and go to is replaced (connector/given.h). Nothing waits: an hour takes no time.
 */
#include <stdio.h>

#include "cli/cli_int.h"
#include "cli/instance.h"
#include "connector/given.h"

#define POLLS_MAX 100000

struct test_args {
    const char *project, *only;
    bool quiet;
};
static const struct option options[] = {
    {"project", 'p', OPT_STR, offsetof(struct test_args, project), "DIR",
     "the project (default: .)"},
    {"only", 'o', OPT_STR, offsetof(struct test_args, only), "TEXT",
     "tests whose name has this text"},
    {"quiet", 'q', OPT_FLAG, offsetof(struct test_args, quiet), NULL, "say nothing of what passes"},
    {NULL}};

/* ---- the file ---- */

struct file_spec {
    const char *script;
    const struct yaml_node *tests;
};
static const struct yaml_field file_fields[] = {
    {.key = "script",
     .kind = YK_STR,
     .at = offsetof(struct file_spec, script),
     .required = true,
     .help = "the script of the project's streams, with or without .sql"},
    {.key = "tests",
     .kind = YK_NODE,
     .at = offsetof(struct file_spec, tests),
     .required = true,
     .help = "a list of tests"},
    {.key = NULL}};

struct test_spec {
    const char *name, *time;
    const struct yaml_node *steps;
};
static const struct yaml_field test_fields[] = {{.key = "name",
                                                 .kind = YK_STR,
                                                 .at = offsetof(struct test_spec, name),
                                                 .required = true,
                                                 .help = "what is claimed"},
                                                {.key = "time",
                                                 .kind = YK_STR,
                                                 .at = offsetof(struct test_spec, time),
                                                 .fallback = "2025-01-01T00:00:00Z",
                                                 .help = "when the clock starts"},
                                                {.key = "steps",
                                                 .kind = YK_NODE,
                                                 .at = offsetof(struct test_spec, steps),
                                                 .required = true,
                                                 .help = "a list of steps"},
                                                {.key = NULL}};

struct step_spec {
    int64_t advance_ms;
    const struct yaml_node *rows, *expect;
    bool end, in_order;
};
static const struct yaml_field step_fields[] = {
    {.key = "advance",
     .kind = YK_DURATION,
     .at = offsetof(struct step_spec, advance_ms),
     .fallback = "0s",
     .help = "time that passes first"},
    {.key = "rows",
     .kind = YK_NODE,
     .at = offsetof(struct step_spec, rows),
     .help = "rows by table: columns and values"},
    {.key = "end",
     .kind = YK_BOOL,
     .at = offsetof(struct step_spec, end),
     .fallback = "false",
     .help = "every table is over: windows close"},
    {.key = "expect",
     .kind = YK_NODE,
     .at = offsetof(struct step_spec, expect),
     .help = "changes by table since the last expect: +I[1, Alice]"},
    {.key = "in_order",
     .kind = YK_BOOL,
     .at = offsetof(struct step_spec, in_order),
     .fallback = "false",
     .help = "the changes come in this order"},
    {.key = NULL}};

/* ---- one test ---- */

struct tester {
    struct instance *in;
    const struct test_args *args;
    const char *file; /* being run */
    const char *script_text;
    struct yaml_problems problems;
    int run, failed;
};

struct one_test {
    struct tester *t;
    struct given *given;
    struct connector *connector;
    struct stream_job *job;
    struct clock_fake clock;
    struct stream_engine_options engine;
    char state_dir[4200];
};

static int put_rows(struct one_test *o, const struct yaml_node *rows, struct err *err)
{
    int rc = 0;

    if (rows && rows->type != YAML_MAP)
        return err_set(err, ERR_INVALID, "line %d: 'rows' has a list per table", rows->line);
    for (size_t i = 0; rows && i < rows->count && !rc; i++) {
        const char *table = rows->items[2 * i].text;
        const struct yaml_node *list = &rows->items[2 * i + 1];

        if (list->type != YAML_SEQ)
            return err_set(err, ERR_INVALID, "line %d: the rows of `%s` are a list", list->line,
                           table);
        for (size_t r = 0; r < list->count && !rc; r++) {
            struct buf json = {0};

            rc = yaml_json(&list->items[r], &json);
            if (rc)
                err_set(err, rc, "line %d: a row", list->items[r].line);
            else
                rc = given_row(o->given, table, buf_slice(&json), err);
            if (rc)
                err_wrap(err, rc, "line %d", list->items[r].line);
            buf_deinit(&json);
        }
    }
    if (!rc && given_unread(o->given))
        rc = err_set(err, ERR_INVALID, "rows for `%s`, which no statement of the script reads",
                     given_unread(o->given));
    return rc;
}

/* ---- what came and what was to come ----
 *
 * Changes of different keys come in no order that SQL promises, so lines are compared sorted,
 * unless the step asks for their order. */

struct lines {
    struct slice *list;
    size_t count;
};

static int by_text(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

static int given_lines(struct slice text, struct arena *arena, struct lines *out)
{
    size_t count = 0;

    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == '\n';
    *out = (struct lines){ARENA_ARRAY(arena, struct slice, count + 1), count};
    for (size_t i = 0; out->list && i < count; i++) {
        size_t len = (size_t)((const uint8_t *)memchr(text.ptr, '\n', text.len) - text.ptr);

        out->list[i] = slice_of(text.ptr, len);
        text = slice_of(text.ptr + len + 1, text.len - len - 1);
    }
    return out->list ? 0 : ERR_NOMEM;
}

static int wanted_lines(const struct yaml_node *list, struct arena *arena, struct lines *out)
{
    size_t count = list->type == YAML_SEQ ? list->count : 0;

    *out = (struct lines){ARENA_ARRAY(arena, struct slice, count + 1), count};
    for (size_t i = 0; out->list && i < count; i++)
        out->list[i] = slice_str(list->items[i].text);
    return out->list ? 0 : ERR_NOMEM;
}

/* What differs, as a diff: expected with -, given with +. */
static void print_difference(const struct lines *want, const struct lines *have, bool in_order)
{
    size_t w = 0, h = 0;

    while (w < want->count || h < have->count) {
        int order = w == want->count   ? 1
                    : h == have->count ? -1
                                       : slice_cmp(want->list[w], have->list[h]);

        if (order == 0) {
            printf("          " SLICE_FMT "\n", SLICE_ARG(want->list[w]));
            w++, h++;
            continue;
        }
        if (w < want->count && (order < 0 || in_order)) {
            printf("        - " SLICE_FMT "\n", SLICE_ARG(want->list[w]));
            w++;
        }
        if (h < have->count && (order > 0 || in_order)) {
            printf("        + " SLICE_FMT "\n", SLICE_ARG(have->list[h]));
            h++;
        }
    }
}

/* true: the same; else the difference was printed. */
static bool compare(const struct yaml_node *list, const char *table, struct slice given,
                    bool in_order)
{
    struct arena arena = {0};
    struct lines want, have;
    bool same;

    if (wanted_lines(list, &arena, &want) || given_lines(given, &arena, &have)) {
        arena_deinit(&arena);
        return false;
    }
    if (!in_order) {
        qsort(want.list, want.count, sizeof(*want.list), by_text);
        qsort(have.list, have.count, sizeof(*have.list), by_text);
    }
    same = want.count == have.count;
    for (size_t i = 0; same && i < want.count; i++)
        same = slice_cmp(want.list[i], have.list[i]) == 0;
    if (!same) {
        printf("  FAIL  line %d: `%s` was to get (-) and got (+)\n", list->line, table);
        print_difference(&want, &have, in_order);
    }
    arena_deinit(&arena);
    return same;
}

static int check_expect(struct one_test *o, const struct yaml_node *expect, bool in_order,
                        struct err *err)
{
    if (expect && expect->type != YAML_MAP)
        return err_set(err, ERR_INVALID, "line %d: 'expect' has a list per table", expect->line);
    for (size_t i = 0; expect && i < expect->count; i++) {
        const char *table = expect->items[2 * i].text;
        const struct yaml_node *list = &expect->items[2 * i + 1];
        const struct buf *taken = given_taken(o->given, table);

        if (!taken)
            return err_set(err, ERR_INVALID, "line %d: no statement of the script writes `%s`",
                           expect->items[2 * i].line, table);
        for (size_t k = 0; list->type == YAML_SEQ && k < list->count; k++)
            if (list->items[k].type != YAML_SCALAR)
                return err_set(err, ERR_INVALID,
                               "line %d: a change is a text in quotes: \"+I[1, Alice]\"",
                               list->items[k].line);
        if (list->type == YAML_SCALAR || list->type == YAML_MAP)
            return err_set(err, ERR_INVALID, "line %d: the changes of `%s` are a list", list->line,
                           table);
        if (!compare(list, table, buf_slice(taken), in_order))
            return err_set(err, ERR_CONFLICT, "%s", table);
        given_clear(o->given, table);
    }
    return 0;
}

static int run_step(struct one_test *o, const struct yaml_node *node, struct err *err)
{
    struct step_spec step = {0};
    int rc;

    if (node->type != YAML_MAP)
        return err_set(err, ERR_INVALID, "line %d: a step has rows, advance, end or expect",
                       node->line);
    if (yaml_bind(node, step_fields, &step, o->t->file, &o->t->problems))
        return ERR_INVALID;
    clock_fake_advance(&o->clock, step.advance_ms * 1000000);
    rc = put_rows(o, step.rows, err);
    if (!rc)
        rc = stream_job_step(o->job, POLLS_MAX, err);
    if (!rc && step.end) {
        given_end(o->given);
        rc = stream_job_step(o->job, POLLS_MAX, err);
    }
    return rc ? rc : check_expect(o, step.expect, step.in_order, err);
}

/* The time of a test's start: "2025-01-01T00:00:00Z". */
static int parse_time(const char *text, int64_t *us)
{
    int year, month, day, hour = 0, minute = 0, second = 0, used = 0;

    if (sscanf(text, "%4d-%2d-%2d%n", &year, &month, &day, &used) < 3)
        return ERR_INVALID;
    if (text[used] && sscanf(text + used, "%*1[T ]%2d:%2d:%2d", &hour, &minute, &second) < 2)
        return ERR_INVALID;
    *us = (vec_days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second) * 1000000;
    return 0;
}

static int open_test(struct one_test *o, const struct test_spec *spec,
                     struct connector_stand_ins *stand_ins, struct err *err)
{
    struct instance *in = o->t->in;
    struct connector_options with = *connector_options(in->connector);
    char name[40];
    int64_t start_us = 0;
    int rc = parse_time(spec->time, &start_us)
                 ? err_set(err, ERR_INVALID, "'%s' is no time: 2025-01-01T00:00:00Z", spec->time)
                 : given_new(&o->given, err);

    clock_fake_init(&o->clock, start_us);
    *stand_ins = (struct connector_stand_ins){given_source, given_sink, o->given};
    with.clock = &o->clock.clock;
    with.stand_ins = stand_ins;
    if (!rc)
        rc = connector_new(&o->connector, &with, err);
    snprintf(name, sizeof(name), "test_%d", o->t->run);
    snprintf(o->state_dir, sizeof(o->state_dir), "%s/%s", in->data_path, name);
    o->engine = (struct stream_engine_options){.meta = in->meta,
                                               .db = in->streams_db,
                                               .clock = &o->clock.clock,
                                               .disk = in->disk,
                                               .state_dir = o->state_dir,
                                               .plan = connector_plan,
                                               .plan_arg = o->connector};
    return rc ? rc : stream_job_new(&o->job, &o->engine, name, o->t->script_text, err);
}

static void run_test(struct tester *t, const struct yaml_node *node)
{
    struct test_spec spec = {0};
    struct connector_stand_ins stand_ins;
    struct one_test o = {.t = t};
    struct err err = {0};
    int64_t began = clock_mono_ns(clock_system());
    int rc;

    if (node->type != YAML_MAP || yaml_bind(node, test_fields, &spec, t->file, &t->problems)) {
        t->failed++;
        return;
    }
    if (t->args->only && !strstr(spec.name, t->args->only))
        return;
    t->run++;
    rc = open_test(&o, &spec, &stand_ins, &err);
    for (size_t i = 0; !rc && spec.steps->type == YAML_SEQ && i < spec.steps->count; i++)
        rc = run_step(&o, &spec.steps->items[i], &err);
    if (rc) {
        if (rc != ERR_CONFLICT)
            printf("  FAIL  %s\n", err.text);
        printf("        in \"%s\" of %s:%d\n", spec.name, t->file, node->line);
        t->failed++;
    } else if (!t->args->quiet) {
        printf("  ok    %-60s %4.0f ms\n", spec.name,
               (double)(clock_mono_ns(clock_system()) - began) / 1e6);
    }
    stream_job_free(o.job);
    connector_free(o.connector);
    given_free(o.given);
}

/* ---- files ---- */

static int read_script(struct tester *t, const char *name, struct arena *arena, struct err *err)
{
    bool whole = slice_ends(slice_str(name), SLICE_LIT(".sql"));
    struct buf text = {.max = 4 << 20};
    char path[4200];
    int rc;

    snprintf(path, sizeof(path), "%s/%s%s", t->in->config->streams, name, whole ? "" : ".sql");
    rc = disk_read_file(t->in->disk, path, &text, err);
    if (!rc) {
        t->script_text = arena_cstr(arena, buf_slice(&text));
        rc = t->script_text ? 0 : err_set(err, ERR_NOMEM, "%s", path);
    }
    buf_deinit(&text);
    return rc;
}

static int run_file(struct tester *t, const char *path, struct err *err)
{
    struct arena arena = {0};
    struct file_spec spec = {0};
    struct buf text = {.max = 10 << 20};
    struct yaml_node doc;
    int rc = disk_read_file(t->in->disk, path, &text, err);

    t->file = arena_strdup(t->problems.arena, path); /* problems are printed at the end */
    if (!rc && !t->file)
        rc = err_set(err, ERR_NOMEM, "%s", path);
    if (!rc)
        rc = yaml_parse(buf_slice(&text), &arena, &doc, err);
    if (!rc && doc.type != YAML_MAP)
        rc = err_set(err, ERR_INVALID, "a file of tests has 'script' and 'tests'");
    if (!rc)
        rc = yaml_bind(&doc, file_fields, &spec, t->file, &t->problems);
    if (!rc)
        rc = read_script(t, spec.script, &arena, err);
    if (!rc && spec.tests->type != YAML_SEQ)
        rc = err_set(err, ERR_INVALID, "line %d: 'tests' is a list", spec.tests->line);
    if (!rc && !t->args->quiet)
        printf("%s\n", path);
    for (size_t i = 0; !rc && i < spec.tests->count; i++)
        run_test(t, &spec.tests->items[i]);
    if (rc && err->text[0])
        printf("  FAIL  %s: %s\n", path, err->text);
    t->failed += rc != 0;
    buf_deinit(&text);
    arena_deinit(&arena);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct disk_entry *)a)->name, ((const struct disk_entry *)b)->name);
}

static int run_files(struct instance *in, void *arg, struct err *err)
{
    struct tester *t = arg;
    struct arena arena = {0};
    struct disk_entry *entries = NULL;
    size_t found = 0;
    char dir[4200], path[4600];
    int rc;

    t->in = in;
    snprintf(dir, sizeof(dir), "%s/tests", in->config->dir);
    if (!disk_exists(in->disk, dir))
        return err_set(err, ERR_NOENT, "no folder %s: tests are YAML files in it", dir);
    rc = disk_list(in->disk, dir, &arena, &entries, &found, err);
    qsort(entries, found, sizeof(*entries), by_name);
    for (size_t i = 0; i < found && !rc; i++) {
        struct slice name = slice_str(entries[i].name);

        if (entries[i].is_dir ||
            (!slice_ends(name, SLICE_LIT(".yaml")) && !slice_ends(name, SLICE_LIT(".yml"))))
            continue;
        snprintf(path, sizeof(path), "%s/%s", dir, entries[i].name);
        rc = run_file(t, path, err);
    }
    arena_deinit(&arena);
    return rc;
}

static int run_all(struct config *config, const struct test_args *args, struct err *err)
{
    struct arena arena = {0};
    struct tester t = {.args = args, .problems = {.arena = &arena}};
    int64_t began = clock_mono_ns(clock_system());
    int rc = cli_scratch(config, run_files, &t, err);

    cli_print_problems(&t.problems);
    arena_deinit(&arena);
    if (rc)
        return rc;
    printf("%d tests, %d failed, %.0f ms\n", t.run, t.failed,
           (double)(clock_mono_ns(clock_system()) - began) / 1e6);
    return t.failed ? ERR_CONFLICT : 0;
}

static int run(const struct cli_call *call)
{
    const struct test_args *a = call->options;
    const char *dir = a->project ? a->project : call->args->count ? call->args->items[0] : ".";
    struct config *config = NULL;
    struct err err = {0};
    int rc = cli_project(dir, &config);

    if (rc)
        return rc;
    rc = run_all(config, a, &err);
    config_free(config);
    if (rc == 0 || rc == ERR_CONFLICT)
        return rc ? CLI_FAILED : CLI_OK;
    return cli_fail(rc == ERR_NOENT ? CLI_USAGE : CLI_FAILED, "%s", err.text);
}

const struct cli_command command_test = {
    .name = "test",
    .args = "[DIR]",
    .summary = "run a project's SQL against rows written down in tests/",
    .examples = "  tarn test                     every test of the project in this folder\n"
                "  tarn test --only windows      those whose name has this word\n",
    .options = options,
    .options_size = sizeof(struct test_args),
    .run = run};
