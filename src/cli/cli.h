/* cli.h - the commands a person types: one table, one function per command.
 *
 * Exit codes: what scripts can rely on.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "cli/options.h"

#define TARN_VERSION "0.1.0"

enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1,      /* it was tried and did not work; the reason is on stderr */
    CLI_USAGE = 2,       /* the command line or the project makes no sense */
    CLI_NOT_RUNNING = 3, /* no tarn runs on that data folder */
};

struct cli_call {
    const char *name;           /* of the command */
    const void *options;        /* the command's own struct, filled */
    const struct option_list *args;
};

struct cli_command {
    const char *name, *args, *summary;
    const char *examples;         /* lines for --help; NULL: none */
    const struct option *options; /* NULL: none */
    size_t options_size;
    const void *defaults;         /* a filled struct of that size; NULL: zeroes */
    int (*run)(const struct cli_call *call);
    bool hidden;
};

struct room;

/* Runs a command; returns the exit code. `rooms` is what `up` starts, from the top down. */
int cli_main(int argc, char **argv, const struct room *rooms);

/* "tarn: text" on stderr; returns `code`. */
int cli_fail(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
