/* options.h - command lines walked by tables: the same table parses, checks and writes --help.
 *
 * An option is --name VALUE, --name=VALUE, -n VALUE; flags take none; "--" ends the options. A
 * table ends with a NULL name. Texts are borrowed from argv.
 * Threads: none of their own.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdio.h>

#include "base/base.h"

enum option_kind {
    OPT_FLAG,     /* bool */
    OPT_STR,      /* const char * */
    OPT_INT,      /* int64_t; also 1k, 10M, 1e6 */
    OPT_COUNT,    /* the same, 0 or more */
    OPT_REAL,     /* double above 0; 200k, 1.5M */
    OPT_DURATION, /* int64_t milliseconds: 500ms, 10s, 5m, 2h, 7d */
    OPT_LIST,     /* struct option_list: may be given again */
    OPT_ENUM      /* int, from `names` */
};

struct option {
    const char *name; /* "rate" for --rate */
    char letter;      /* 'r' for -r; 0: none */
    enum option_kind kind;
    size_t at;           /* offsetof in the command's struct */
    const char *value;   /* how help calls the value: "N" */
    const char *help;    /* one line */
    const char *const *names; /* OPT_ENUM: NULL-ended */
};

#define OPTION_LIST_MAX 64
struct option_list {
    const char *items[OPTION_LIST_MAX];
    size_t count;
};

/* Fills `out` and collects what is no option in `args`. ERR_INVALID with a sentence that names the
 * argument and, when one is near, the option that was meant. */
int options_parse(const struct option *table, int argc, char **argv, void *out,
                  struct option_list *args, struct err *err);
void options_help(const struct option *table, FILE *out);
int parse_count(const char *text, int64_t *out); /* 1000, 10k, 5M, 1e6; ERR_INVALID */
int parse_duration_ms(const char *text, int64_t *out);

#endif
