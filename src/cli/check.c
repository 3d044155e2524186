/* check.c - `tarn check`: everything that can be known of a project without starting it. */
#include <stdio.h>

#include "cli/cli_int.h"
#include "cli/instance.h"
#include "sql/sql.h"

struct check_args {
    bool schema, generator_schema;
};
static const struct option options[] = {{"schema", 0, OPT_FLAG, offsetof(struct check_args, schema),
                                         NULL, "print the JSON Schema of tarn.yaml instead"},
                                        {"generator-schema", 0, OPT_FLAG,
                                         offsetof(struct check_args, generator_schema), NULL,
                                         "print the JSON Schema of generators/*.json instead"},
                                        {NULL}};

static int by_place(const void *a, const void *b)
{
    const struct yaml_problem *x = a, *y = b;

    return x->line != y->line ? x->line - y->line : x->column - y->column;
}

/* Files in the order they were read, their mistakes from the top down. */
void cli_print_problems(const struct yaml_problems *problems)
{
    struct yaml_problem *list = problems->list;

    for (size_t from = 0, i = 1; i <= problems->count; i++) {
        if (i < problems->count && strcmp(list[i].file, list[from].file) == 0)
            continue;
        qsort(list + from, i - from, sizeof(*list), by_place);
        from = i;
    }
    for (size_t i = 0; i < problems->count; i++)
        fprintf(stderr, "%s:%d:%d: %s\n", problems->list[i].file, problems->list[i].line,
                problems->list[i].column, problems->list[i].text);
}

static int print_schema(int (*make)(struct buf *out, struct err *err))
{
    struct buf text = {0};
    struct err err = {0};
    int rc = make(&text, &err);

    if (!rc)
        fwrite(text.ptr, 1, text.len, stdout);
    buf_deinit(&text);
    return rc ? cli_fail(CLI_FAILED, "%s", err.text) : CLI_OK;
}

/* The generators of a project, when it has any. */
static int check_generators(const struct config *config, struct yaml_problems *problems,
                            size_t *count, struct err *err)
{
    struct generate_options options_ = {.rates = config->generators.rates,
                                        .rate_count = config->generators.rate_count,
                                        .faults = config->generators.faults,
                                        .fault_count = config->generators.fault_count};
    struct generate_set *set = NULL;
    int rc;

    *count = 0;
    if (!disk_exists(disk_system(), config->generators.dir)) {
        if (config->generators.run.count)
            return err_set(err, ERR_INVALID,
                           "'generators.run' names '%s', but there is no folder %s",
                           config->generators.run.items[0], config->generators.dir);
        return 0;
    }
    if (config->generators.run.count && strcmp(config->generators.run.items[0], "all") != 0)
        options_.only = config->generators.run.items; /* NULL-ended */
    rc = generate_set_load(&set, disk_system(), config->generators.dir, &options_, problems, err);
    if (!rc)
        *count = generate_set_count(set);
    generate_set_free(set);
    return rc;
}

/* ---- scripts ----
 *
 * A script is planned for real, against an empty instance without doors in a folder that is thrown
 * away: so what `check` accepts is what `up` will start.
 */

/* "line 3, column 14: what" as a problem of that file. */
static void complain(struct yaml_problems *problems, const char *file, const char *text)
{
    int line = 1, column = 1, used = 0;

    if (sscanf(text, "line %d, column %d: %n", &line, &column, &used) < 2)
        used = 0;
    yaml_complain(problems, file, line, column, "%s", text + used);
}

struct script_problems {
    struct yaml_problems *problems;
    const char *file;
};

static void complain_of(void *arg, const struct err *why)
{
    struct script_problems *of = arg;

    complain(of->problems, of->file, why->text);
}

static int check_script(struct instance *in, const char *path, struct yaml_problems *problems,
                        struct err *err)
{
    struct arena arena = {0};
    struct buf text = {.max = 4 << 20};
    struct script_problems of = {.problems = problems};
    int rc = disk_read_file(in->disk, path, &text, err);

    if (!rc && !buf_cstr(&text))
        rc = err_set(err, ERR_NOMEM, "%s", path);
    of.file = arena_strdup(problems->arena, path);
    if (!rc && !of.file)
        rc = err_set(err, ERR_NOMEM, "%s", path);
    /* All mistakes of grammar at once; when there are none, all of meaning. */
    if (!rc && !sql_parse_mistakes(buf_slice(&text), &arena, complain_of, &of))
        rc = connector_check(in->connector, (const char *)text.ptr, &arena, complain_of, &of, err);
    buf_deinit(&text);
    arena_deinit(&arena);
    return rc;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct disk_entry *)a)->name, ((const struct disk_entry *)b)->name);
}

static int check_scripts(struct instance *in, size_t *count, struct yaml_problems *problems,
                         struct err *err)
{
    struct arena arena = {0};
    struct disk_entry *entries = NULL;
    size_t found = 0;
    char path[4200];
    int rc = disk_list(in->disk, in->config->streams, &arena, &entries, &found, err);

    qsort(entries, found, sizeof(*entries), by_name);
    for (size_t i = 0; i < found && !rc; i++) {
        if (entries[i].is_dir || !slice_ends(slice_str(entries[i].name), SLICE_LIT(".sql")))
            continue;
        snprintf(path, sizeof(path), "%s/%s", in->config->streams, entries[i].name);
        rc = check_script(in, path, problems, err);
        ++*count;
    }
    arena_deinit(&arena);
    return rc;
}

struct stream_check {
    size_t count;
    struct yaml_problems *problems;
};

static int check_planned(struct instance *in, void *arg, struct err *err)
{
    struct stream_check *check = arg;
    int rc = instance_make_topics(in, err);

    return rc ? rc : check_scripts(in, &check->count, check->problems, err);
}

static int check_streams(struct config *config, size_t *count, struct yaml_problems *problems,
                         struct err *err)
{
    struct stream_check check = {.problems = problems};
    int rc = disk_exists(disk_system(), config->streams)
                 ? cli_scratch(config, check_planned, &check, err)
                 : 0;

    *count = check.count;
    return rc;
}

int cli_check(const char *dir, struct yaml_problems *problems, char *said, size_t said_size,
              struct err *err)
{
    struct config *config = NULL;
    size_t generators = 0, scripts = 0, before;
    int rc = config_read(&config, disk_system(), dir, problems, err);

    if (rc)
        return rc;
    before = problems->count;
    rc = check_generators(config, problems, &generators, err);
    if (rc == ERR_INVALID && problems->count == before) { /* a name that names nothing */
        const char *file = arena_strdup(problems->arena, config->file);

        yaml_complain(problems, file ? file : "tarn.yaml", 1, 1, "%s", err->text);
    }
    if (!rc || rc == ERR_INVALID)
        rc = check_streams(config, &scripts, problems, err);
    if (!rc && problems->count > before)
        rc = err_set(err, ERR_INVALID, "mistakes were found");
    if (!rc)
        snprintf(said, said_size, "%s: no mistakes (%zu topics, %zu generators, %zu scripts)",
                 config->name, config->topic_count, generators, scripts);
    config_free(config);
    return rc;
}

static int run_check(const struct cli_call *call)
{
    const struct check_args *a = call->options;
    const char *dir = call->args->count ? call->args->items[0] : ".";
    struct arena arena = {0};
    struct yaml_problems problems = {.arena = &arena};
    struct err err = {0};
    char said[400];
    int rc;

    if (a->schema)
        return print_schema(config_schema);
    if (a->generator_schema)
        return print_schema(generate_schema);
    rc = cli_check(dir, &problems, said, sizeof(said), &err);
    if (!rc)
        puts(said);
    cli_print_problems(&problems);
    if (rc && problems.count == 0)
        cli_fail(CLI_USAGE, "%s", err.text);
    arena_deinit(&arena);
    return rc == 0 ? CLI_OK : rc == ERR_INVALID || rc == ERR_NOENT ? CLI_USAGE : CLI_FAILED;
}

const struct cli_command command_check = {
    .name = "check",
    .args = "[DIR]",
    .summary = "look for mistakes in a project without starting it",
    .examples = "  tarn check                    the project in this folder\n"
                "  tarn check examples/payments  another one\n",
    .options = options,
    .options_size = sizeof(struct check_args),
    .run = run_check};
