/* init.c - `tarn init`: a new project, empty or a copy of an example. */
#include <stdio.h>

#include "cli/cli_int.h"
#include "cli/examples.h"

struct init_args {
    const char *example;
    bool list;
};
static const struct option options[] = {
    {"example", 'e', OPT_STR, offsetof(struct init_args, example), "NAME",
     "begin with this example"},
    {"list", 'l', OPT_FLAG, offsetof(struct init_args, list), NULL, "which examples there are"},
    {NULL}};

static const char empty_project[] =
    "# Every key has a default: docs/tarn.schema.json lists them, 'tarn check' reads this file.\n"
    "version: 1\n"
    "\n"
    "# topics:\n"
    "#   orders: {partitions: 3}\n";

/* Distinct names, in the order of the files. */
static size_t example_names(const char *names[], size_t max)
{
    struct example_file file;
    size_t count = 0;

    for (size_t i = 0; example_file(i, &file) && count < max; i++)
        if (count == 0 || strcmp(names[count - 1], file.project) != 0)
            names[count++] = file.project;
    return count;
}

static int write_file(const char *dir, const char *path, struct slice bytes, struct err *err)
{
    char full[4200], folder[4200];
    char *slash;
    int rc;

    snprintf(full, sizeof(full), "%s/%s", dir, path);
    snprintf(folder, sizeof(folder), "%s", full);
    slash = strrchr(folder, '/');
    *slash = '\0';
    rc = disk_mkdirs(disk_system(), folder, err);
    if (!rc)
        rc = disk_write_file(disk_system(), full, bytes, err);
    if (!rc)
        printf("  %s\n", full);
    return rc;
}

/* The example's files, none of which may be there already. */
static int copy_example(const char *name, const char *dir, struct err *err)
{
    struct example_file file;
    char path[4200];
    int rc = 0;

    for (size_t i = 0; example_file(i, &file); i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, file.path);
        if (strcmp(file.project, name) == 0 && disk_exists(disk_system(), path))
            return err_set(err, ERR_EXISTS, "%s is there already; nothing was written", path);
    }
    for (size_t i = 0; !rc && example_file(i, &file); i++)
        if (strcmp(file.project, name) == 0)
            rc = write_file(dir, file.path, file.bytes, err);
    return rc;
}

static int unknown_example(const char *name)
{
    const char *names[65], *near;

    names[example_names(names, 64)] = NULL;
    near = nearest_name(name, names);
    return near ? cli_fail(CLI_USAGE, "no example '%s': did you mean '%s'?", name, near)
                : cli_fail(CLI_USAGE, "no example '%s'; 'tarn init --list' shows them", name);
}

static int list_examples(void)
{
    const char *names[64];
    size_t count = example_names(names, 64);

    for (size_t i = 0; i < count; i++)
        puts(names[i]);
    return CLI_OK;
}

static bool is_example(const char *name)
{
    const char *names[64];
    size_t count = example_names(names, 64);

    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static int run_init(const struct cli_call *call)
{
    const struct init_args *a = call->options;
    const char *dir = call->args->count ? call->args->items[0] : a->example ? a->example : ".";
    struct err err = {0};
    int rc;

    if (a->list)
        return list_examples();
    if (a->example && !is_example(a->example))
        return unknown_example(a->example);
    if (cli_has_project(dir))
        return cli_fail(CLI_FAILED, "%s/tarn.yaml is there already", dir);
    rc = a->example ? copy_example(a->example, dir, &err)
                    : write_file(dir, "tarn.yaml", slice_str(empty_project), &err);
    if (rc)
        return cli_fail(CLI_FAILED, "%s", err.text);
    printf("next: tarn up %s\n", dir);
    return CLI_OK;
}

const struct cli_command command_init = {
    .name = "init", .args = "[DIR]", .summary = "start a project, empty or from an example",
    .examples = "  tarn init shop                 an empty project in ./shop\n"
                "  tarn init --example payments   a copy of the example in ./payments\n",
    .options = options, .options_size = sizeof(struct init_args), .run = run_init};
