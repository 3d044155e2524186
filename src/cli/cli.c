/* cli.c - finds the command, parses its options, runs it, and explains itself. */
#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/yaml.h"
#include "cli/cli_int.h"

const struct room *cli_rooms; /* set once, before any thread, by cli_main */

static int run_version(const struct cli_call *call)
{
    (void)call;
    printf("tarn %s\n", TARN_VERSION);
    return CLI_OK;
}

static const struct cli_command command_version = {
    .name = "version", .summary = "print the version", .run = run_version};

static const struct cli_command *const commands[] = {
    &command_up,    &command_down,     &command_status, &command_logs,  &command_sql,
    &command_check, &command_test,     &command_doctor, &command_init,  &command_generate,
    &command_bucket, &command_topic,   &command_group,  &command_table, &command_job, &command_dlq,
    &command_maintain, &command_fsck,
    &command_version,
};

int cli_fail(int code, const char *fmt, ...)
{
    va_list args;

    fflush(stdout);
    fputs("tarn: ", stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    return code;
}

static void help_all(FILE *out)
{
    fputs("tarn - a streaming lakehouse in one program\n\nusage: tarn COMMAND [OPTIONS]\n\n", out);
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        if (!commands[i]->hidden)
            fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\ntarn COMMAND --help explains one of them. Exit codes: 0 done, 1 failed, 2 usage or\n"
          "project mistakes, 3 not running.\n", out);
}

static void help_one(const struct cli_command *command, FILE *out)
{
    fprintf(out, "tarn %s - %s\n\nusage: tarn %s%s%s [OPTIONS]\n\n", command->name,
            command->summary, command->name, command->args ? " " : "",
            command->args ? command->args : "");
    options_help(command->options, out);
    if (command->examples)
        fprintf(out, "\nexamples:\n%s", command->examples);
}

static const struct cli_command *find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static int unknown_command(const char *name)
{
    const char *names[COUNT_OF(commands) + 2], *near;
    size_t count = 0;

    for (size_t i = 0; i < COUNT_OF(commands); i++)
        if (!commands[i]->hidden)
            names[count++] = commands[i]->name;
    names[count++] = "help";
    names[count] = NULL;
    near = nearest_name(name, names);
    return near ? cli_fail(CLI_USAGE, "no command '%s': did you mean '%s'?", name, near)
                : cli_fail(CLI_USAGE, "no command '%s'; 'tarn help' lists them", name);
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

static int run_command(const struct cli_command *command, int argc, char **argv)
{
    struct option_list args = {.count = 0};
    void *options = calloc(1, command->options_size + 1);
    struct cli_call call = {command->name, options, &args};
    struct err err = {0};
    int code;

    if (!options)
        return cli_fail(CLI_FAILED, "out of memory");
    if (command->defaults)
        memcpy(options, command->defaults, command->options_size);
    if (options_parse(command->options, argc, argv, options, &args, &err))
        code = cli_fail(CLI_USAGE, "%s: %s\n'tarn %s --help' lists what it takes", command->name,
                        err.text, command->name);
    else if (args.count && !command->args)
        code =
            cli_fail(CLI_USAGE, "%s takes no argument: '%s'\n'tarn %s --help' lists what it takes",
                     command->name, args.items[0], command->name);
    else
        code = command->run(&call);
    free(options);
    if (fflush(stdout) && code == CLI_OK)
        code = CLI_FAILED; /* nobody took the output: a full disk or a closed pipe */
    return code;
}

int cli_main(int argc, char **argv, const struct room *rooms)
{
    const struct cli_command *command;
    const char *name = argc > 1 ? argv[1] : NULL;

    cli_rooms = rooms;
    if (!name)
        return help_all(stderr), CLI_USAGE;
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        command = argc > 2 ? find(argv[2]) : NULL;
        if (argc > 2 && !command)
            return unknown_command(argv[2]);
        if (command)
            help_one(command, stdout);
        else
            help_all(stdout);
        return CLI_OK;
    }
    if (strcmp(name, "--version") == 0)
        return run_version(NULL);
    command = find(name);
    if (!command)
        return unknown_command(name);
    if (wants_help(argc - 2, argv + 2))
        return help_one(command, stdout), CLI_OK;
    return run_command(command, argc - 2, argv + 2);
}
