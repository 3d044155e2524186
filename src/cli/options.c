/* options.c - command lines walked by tables. */
#include "cli/options.h"

#include <errno.h>
#include <math.h>

#include "base/yaml.h"

/* A number with an optional k, M or G (thousands, as counts are said). */
static int parse_scaled(const char *text, double *out)
{
    static const struct {
        const char *unit;
        double factor;
    } units[] = {{"", 1}, {"k", 1e3}, {"K", 1e3}, {"m", 1e6}, {"M", 1e6}, {"G", 1e9}, {"g", 1e9}};
    char *end;
    double value = strtod(text, &end);

    if (end == text || !isfinite(value))
        return ERR_INVALID;
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (strcmp(units[i].unit, end) == 0) {
            *out = value * units[i].factor;
            return 0;
        }
    }
    return ERR_INVALID;
}

int parse_count(const char *text, int64_t *out)
{
    double value;

    if (parse_scaled(text, &value) || fabs(value) > 9e18 || value != floor(value))
        return ERR_INVALID;
    *out = (int64_t)value;
    return 0;
}

int parse_duration_ms(const char *text, int64_t *out)
{
    static const struct {
        const char *unit;
        double ms;
    } units[] = {{"ms", 1}, {"s", 1e3}, {"m", 6e4}, {"min", 6e4}, {"h", 36e5}, {"d", 864e5}};
    char *end;
    double value = strtod(text, &end);

    if (end == text || !isfinite(value) || value < 0)
        return ERR_INVALID;
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (strcmp(units[i].unit, end) == 0 && value * units[i].ms < 9e15) {
            *out = (int64_t)llround(value * units[i].ms);
            return 0;
        }
    }
    return ERR_INVALID;
}

static int parse_enum(const char *const *names, const char *text, int *out)
{
    for (int i = 0; names[i]; i++) {
        if (strcmp(names[i], text) == 0) {
            *out = i;
            return 0;
        }
    }
    return ERR_INVALID;
}

static const char *one_of(const char *const *names, char *out, size_t size)
{
    size_t len = (size_t)snprintf(out, size, "one of");

    for (; *names && len < size; names++)
        len += (size_t)snprintf(out + len, size - len, " %s%s", *names, names[1] ? "," : "");
    return out;
}

static int not_a_value(const struct option *option, const char *text, struct err *err)
{
    static const char *const wanted[] = {[OPT_INT] = "a whole number",
                                         [OPT_COUNT] = "0 or more",
                                         [OPT_REAL] = "a number above 0",
                                         [OPT_DURATION] = "a duration such as 500ms, 10s or 2h"};
    char names[200];

    return err_set(err, ERR_INVALID, "--%s: '%s' is not %s", option->name, text,
                   option->kind == OPT_ENUM ? one_of(option->names, names, sizeof(names))
                                            : wanted[option->kind]);
}

static int set_value(const struct option *option, const char *text, void *out, struct err *err)
{
    void *at = (char *)out + option->at;
    struct option_list *list = at;
    int rc = 0;

    switch (option->kind) {
    case OPT_FLAG:
        *(bool *)at = true;
        return 0;
    case OPT_STR:
        *(const char **)at = text;
        return 0;
    case OPT_INT:
        rc = parse_count(text, at);
        break;
    case OPT_COUNT:
        rc = parse_count(text, at);
        rc = rc || *(int64_t *)at < 0 ? ERR_INVALID : 0;
        break;
    case OPT_REAL:
        rc = parse_scaled(text, at);
        rc = rc || *(double *)at <= 0 ? ERR_INVALID : 0;
        break;
    case OPT_DURATION:
        rc = parse_duration_ms(text, at);
        break;
    case OPT_ENUM:
        rc = parse_enum(option->names, text, at);
        break;
    case OPT_LIST:
        if (list->count == OPTION_LIST_MAX)
            return err_set(err, ERR_INVALID, "--%s: more than %d times", option->name,
                           OPTION_LIST_MAX);
        list->items[list->count++] = text;
        return 0;
    }
    return rc ? not_a_value(option, text, err) : 0;
}

static const struct option *find_long(const struct option *table, const char *name, size_t len)
{
    for (; table && table->name; table++)
        if (strlen(table->name) == len && memcmp(table->name, name, len) == 0)
            return table;
    return NULL;
}

static const struct option *find_letter(const struct option *table, char letter)
{
    for (; table && table->name; table++)
        if (table->letter == letter && letter)
            return table;
    return NULL;
}

static int unknown_option(const struct option *table, const char *arg, struct err *err)
{
    const char *names[64], *near, *word = arg + strspn(arg, "-");
    size_t count = 0;
    char name[64];

    snprintf(name, sizeof(name), "%.*s", (int)strcspn(word, "="), word);
    for (; table && table->name && count < COUNT_OF(names) - 2; table++)
        names[count++] = table->name;
    names[count++] = "help";
    names[count] = NULL;
    near = nearest_name(name, names);
    return near ? err_set(err, ERR_INVALID, "unknown option '%s': did you mean '--%s'?", arg, near)
                : err_set(err, ERR_INVALID, "unknown option '%s'", arg);
}

/* One option at argv[*i]; moves *i over a value of its own. */
static int take_option(const struct option *table, int argc, char **argv, int *i, void *out,
                       struct err *err)
{
    const char *arg = argv[*i], *value = NULL;
    const struct option *option;

    if (arg[1] == '-') {
        const char *equals = strchr(arg, '=');

        option = find_long(table, arg + 2, equals ? (size_t)(equals - arg - 2) : strlen(arg + 2));
        value = equals ? equals + 1 : NULL;
    } else {
        option = find_letter(table, arg[1]);
        value = arg[2] ? arg + 2 : NULL;
    }
    if (!option || (option->kind == OPT_FLAG && value))
        return unknown_option(table, arg, err);
    if (option->kind != OPT_FLAG && !value) {
        if (*i + 1 >= argc)
            return err_set(err, ERR_INVALID, "--%s needs a value: %s", option->name, option->value);
        value = argv[++*i];
    }
    return set_value(option, value, out, err);
}

int options_parse(const struct option *table, int argc, char **argv, void *out,
                  struct option_list *args, struct err *err)
{
    bool only_args = false;

    for (int i = 0; i < argc; i++) {
        int rc = 0;

        if (!only_args && strcmp(argv[i], "--") == 0)
            only_args = true;
        else if (!only_args && argv[i][0] == '-' && argv[i][1])
            rc = take_option(table, argc, argv, &i, out, err);
        else if (args->count == OPTION_LIST_MAX)
            rc = err_set(err, ERR_INVALID, "more than %d arguments", OPTION_LIST_MAX);
        else
            args->items[args->count++] = argv[i];
        if (rc)
            return rc;
    }
    return 0;
}

void options_help(const struct option *table, FILE *out)
{
    for (; table && table->name; table++) {
        char left[64];
        int len = table->letter
                      ? snprintf(left, sizeof(left), "-%c, --%s", table->letter, table->name)
                      : snprintf(left, sizeof(left), "    --%s", table->name);

        if (table->kind != OPT_FLAG)
            snprintf(left + len, sizeof(left) - (size_t)len, " %s", table->value);
        fprintf(out, "  %-28s %s\n", left, table->help);
    }
    fprintf(out, "  %-28s %s\n", "-h, --help", "this text");
}
