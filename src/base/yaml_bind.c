/* yaml_bind.c - a table of fields walks a mapping into a C struct, and collects every problem with
 * its place and, where a name is close, a suggestion. */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <assert.h>

#include "base/yaml.h"

#define WORD_MAX 64 /* longer names are not compared for "did you mean" */

struct binder {
    const char *file;
    struct yaml_problems *problems;
    bool bad;
};

/* ---- problems ---- */

static void add_problem(struct yaml_problems *problems, const char *file, int line, int column,
                        const char *fmt, va_list args)
{
    size_t count = problems->count;

    if ((count & (count - 1)) == 0) { /* full at each power of two */
        struct yaml_problem *wider =
            ARENA_ARRAY(problems->arena, struct yaml_problem, count ? count * 2 : 1);

        if (!wider)
            return; /* the caller's return code still tells that something is wrong */
        if (count)
            memcpy(wider, problems->list, count * sizeof(*wider));
        problems->list = wider;
    }
    problems->list[count] = (struct yaml_problem){.file = file, .line = line, .column = column};
    vsnprintf(problems->list[count].text, sizeof(problems->list[count].text), fmt, args);
    problems->count++;
}

void yaml_complain(struct yaml_problems *problems, const char *file, int line, int column,
                   const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    add_problem(problems, file, line, column, fmt, args);
    va_end(args);
}

static void complain(struct binder *b, const struct yaml_node *node, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void complain(struct binder *b, const struct yaml_node *node, const char *fmt, ...)
{
    va_list args;

    b->bad = true;
    va_start(args, fmt);
    add_problem(b->problems, b->file, node->line, node->column, fmt, args);
    va_end(args);
}

/* ---- did you mean ---- */

static int smallest(int a, int b, int c)
{
    int least = a < b ? a : b;

    return least < c ? least : c;
}

/* Edits between two words, a swap of neighbours counting as one (optimal string alignment);
 * letters compare without case. Both are at most WORD_MAX long. */
static int distance(const char *a, const char *b)
{
    int rows[3][WORD_MAX + 1], len_a = (int)strlen(a), len_b = (int)strlen(b);
    int *before = rows[0], *last = rows[1], *now = rows[2];

    for (int j = 0; j <= len_b; j++)
        last[j] = j;
    for (int i = 1; i <= len_a; i++) {
        int *spare = before;

        now[0] = i;
        for (int j = 1; j <= len_b; j++) {
            int x = tolower((unsigned char)a[i - 1]), y = tolower((unsigned char)b[j - 1]);

            now[j] = smallest(last[j] + 1, now[j - 1] + 1, last[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == tolower((unsigned char)b[j - 2]) &&
                y == tolower((unsigned char)a[i - 2]) && before[j - 2] + 1 < now[j])
                now[j] = before[j - 2] + 1;
        }
        before = last;
        last = now;
        now = spare;
    }
    return last[len_b];
}

const char *nearest_name(const char *word, const char *const *names)
{
    size_t len = strlen(word);
    int best = len < 3 ? 1 : len < 7 ? 2 : 3;
    const char *found = NULL;

    if (len == 0 || len > WORD_MAX)
        return NULL;
    for (; *names; names++) {
        int edits = strlen(*names) <= WORD_MAX ? distance(word, *names) : WORD_MAX;

        /* Changing every letter is no resemblance. */
        if (edits <= best && edits < (int)len && (!found || edits < best)) {
            found = *names;
            best = edits;
        }
    }
    return found;
}

/* ---- values ---- */

static const char *type_name(const struct yaml_node *node)
{
    static const char *const types[] = {"nothing", "a single value", "a list", "a mapping"};

    return types[node->type];
}

struct unit {
    const char *name;
    int64_t factor;
};

/* k, M, G alone are powers of 1024, as in the Java tools that people copy from. */
static const struct unit byte_units[] = {
    {"", 1},           {"B", 1},           {"k", 1 << 10},           {"K", 1 << 10},
    {"kB", 1000},      {"KB", 1000},       {"KiB", 1 << 10},         {"m", 1 << 20},
    {"M", 1 << 20},    {"MB", 1000000},    {"MiB", 1 << 20},         {"g", 1 << 30},
    {"G", 1 << 30},    {"GB", 1000000000}, {"GiB", 1 << 30},         {"t", (int64_t)1 << 40},
    {"T", (int64_t)1 << 40}, {"TB", 1000000000000}, {"TiB", (int64_t)1 << 40}, {NULL, 0},
};

static const struct unit time_units[] = {
    {"ms", 1},      {"s", 1000},     {"m", 60000}, {"min", 60000},
    {"h", 3600000}, {"d", 86400000}, {NULL, 0},
};

/* A number, perhaps with a fraction, and a unit: 1.5h. */
static int read_unit(const char *text, const struct unit *units, int64_t *out)
{
    char *end;
    double number;

    if (!isdigit((unsigned char)*text))
        return ERR_INVALID;
    errno = 0;
    number = strtod(text, &end);
    while (*end == ' ')
        end++;
    for (; units->name; units++) {
        int64_t whole;

        if (strcmp(units->name, end) != 0)
            continue;
        if (errno || number * (double)units->factor >= 9.2e18)
            return ERR_RANGE;
        /* Whole numbers stay exact beyond the 53 bits of a double. */
        if (slice_to_i64(slice_of(text, strspn(text, "0123456789")), &whole) == 0 &&
            (double)whole == number)
            *out = whole * units->factor;
        else
            *out = (int64_t)(number * (double)units->factor + 0.5);
        return 0;
    }
    return ERR_INVALID;
}

static bool is_any(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(text, *words) == 0)
            return true;
    return false;
}

static bool read_number(const struct yaml_field *field, const char *text, int64_t *out)
{
    static const char *const forever[] = {"forever", "-1", NULL};
    static const char *const unlimited[] = {"unlimited", "-1", NULL};

    switch (field->kind) {
    case YK_BYTES:
        *out = -1;
        return is_any(text, unlimited) || read_unit(text, byte_units, out) == 0;
    case YK_DURATION:
        *out = strcmp(text, "0") == 0 ? 0 : -1;
        return *out == 0 || is_any(text, forever) || read_unit(text, time_units, out) == 0;
    default:
        return slice_to_i64(slice_str(text), out) == 0;
    }
}

static void bind_number(struct binder *b, const struct yaml_field *field,
                        const struct yaml_node *node, void *at)
{
    static const char *const wanted[] = {
        [YK_INT] = "a whole number",
        [YK_BYTES] = "a size such as 64k, 10MB or 1GiB",
        [YK_DURATION] = "a duration with its unit, such as 500ms, 5s, 10m, 2h or 7d",
    };
    int64_t value;

    if (!read_number(field, node->text, &value)) {
        complain(b, node, "'%s' must be %s, is '%s'", field->key, wanted[field->kind], node->text);
        return;
    }
    if (field->min && field->min == field->max && value != field->min) {
        complain(b, node, "'%s' must be %lld, is '%s'", field->key, (long long)field->min,
                 node->text);
        return;
    }
    if ((field->min || field->max) && (value < field->min || value > field->max)) {
        complain(b, node, "'%s' must be between %lld and %lld%s, is '%s'", field->key,
                 (long long)field->min, (long long)field->max,
                 field->kind == YK_BYTES      ? " bytes"
                 : field->kind == YK_DURATION ? " ms"
                                              : "",
                 node->text);
        return;
    }
    *(int64_t *)at = value;
}

static void bind_bool(struct binder *b, const struct yaml_field *field,
                      const struct yaml_node *node, void *at)
{
    static const char *const yes[] = {"true", "True", "TRUE", "yes", "on", NULL};
    static const char *const no[] = {"false", "False", "FALSE", "no", "off", NULL};

    if (is_any(node->text, yes))
        *(bool *)at = true;
    else if (is_any(node->text, no))
        *(bool *)at = false;
    else
        complain(b, node, "'%s' must be true or false, is '%s'", field->key, node->text);
}

static void bind_enum(struct binder *b, const struct yaml_field *field,
                      const struct yaml_node *node, void *at)
{
    const char *near = nearest_name(node->text, field->names);
    char known[200] = "";
    size_t len = 0;

    for (int i = 0; field->names[i]; i++) {
        if (strcmp(field->names[i], node->text) == 0) {
            *(int *)at = i;
            return;
        }
        if (len < sizeof(known))
            len += (size_t)snprintf(known + len, sizeof(known) - len, "%s%s", i ? ", " : "",
                                    field->names[i]);
    }
    if (near)
        complain(b, node, "'%s' cannot be '%s': did you mean '%s'?", field->key, node->text, near);
    else
        complain(b, node, "'%s' cannot be '%s': it is one of %s", field->key, node->text, known);
}

static void bind_list(struct binder *b, const struct yaml_field *field,
                      const struct yaml_node *node, void *at)
{
    struct yaml_list *list = at;
    const char **items = ARENA_ARRAY(b->problems->arena, const char *, node->count + 1);

    if (!items) {
        complain(b, node, "'%s': out of memory", field->key);
        return;
    }
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_node *item = &node->items[i];

        if (item->type != YAML_SCALAR) {
            complain(b, item, "item %zu of '%s' must be a single value, is %s", i + 1, field->key,
                     type_name(item));
            return;
        }
        items[i] = item->text;
    }
    *list = (struct yaml_list){items, node->count};
}

static void bind_map(struct binder *b, const struct yaml_node *map,
                     const struct yaml_field *fields, void *out);

static void bind_value(struct binder *b, const struct yaml_field *field,
                       const struct yaml_node *node, void *at)
{
    enum yaml_type wanted = field->kind == YK_MAP    ? YAML_MAP
                            : field->kind == YK_LIST ? YAML_SEQ
                                                     : YAML_SCALAR;

    if (field->kind == YK_NODE) {
        *(const struct yaml_node **)at = node;
        return;
    }
    if (node->type != wanted) {
        complain(b, node, "'%s' must be %s, is %s", field->key,
                 type_name(&(struct yaml_node){.type = wanted}), type_name(node));
        return;
    }
    if (node->quoted && (field->kind == YK_INT || field->kind == YK_BOOL)) {
        complain(b, node, "'%s' must be %s: take the quotes away", field->key,
                 field->kind == YK_INT ? "a whole number" : "true or false");
        return;
    }
    switch (field->kind) {
    case YK_STR:
        *(const char **)at = node->text;
        break;
    case YK_INT:
    case YK_BYTES:
    case YK_DURATION:
        bind_number(b, field, node, at);
        break;
    case YK_BOOL:
        bind_bool(b, field, node, at);
        break;
    case YK_ENUM:
        bind_enum(b, field, node, at);
        break;
    case YK_MAP:
        bind_map(b, node, field->sub, at);
        break;
    case YK_LIST:
        bind_list(b, field, node, at);
        break;
    case YK_NODE:
        break;
    }
}

/* ---- mappings ---- */

/* The default goes through the same code as a written value. One that does not fit its own field is
 * a broken table, found the first time the table is used. */
static void bind_fallback(struct binder *b, const struct yaml_field *field, void *at)
{
    struct yaml_node node = {.type = YAML_SCALAR, .text = field->fallback};
    bool bad_before = b->bad;

    assert(field->kind != YK_LIST && field->kind != YK_NODE && field->kind != YK_MAP);
    b->bad = false;
    bind_value(b, field, &node, at);
    assert(!b->bad && "a default that its own field refuses");
    b->bad = bad_before;
}

static void unknown_key(struct binder *b, const struct yaml_node *key,
                        const struct yaml_field *fields)
{
    const char *names[256], *near;
    size_t count = 0;

    for (; fields[count].key && count + 1 < sizeof(names) / sizeof(names[0]); count++)
        names[count] = fields[count].key;
    names[count] = NULL;
    near = nearest_name(key->text, names);
    if (near)
        complain(b, key, "unknown key '%s': did you mean '%s'?", key->text, near);
    else
        complain(b, key, "unknown key '%s'", key->text);
}

static void refuse_unknown(struct binder *b, const struct yaml_node *map,
                           const struct yaml_field *fields)
{
    for (size_t i = 0; i < map->count; i++) {
        const struct yaml_field *field = fields;

        while (field->key && strcmp(field->key, map->items[2 * i].text) != 0)
            field++;
        if (!field->key)
            unknown_key(b, &map->items[2 * i], fields);
    }
}

/* A value that is refused leaves its default, so that a caller may look at the rest. */
static void bind_written(struct binder *b, const struct yaml_field *field,
                         const struct yaml_node *node, void *at)
{
    bool bad_before = b->bad;

    b->bad = false;
    bind_value(b, field, node, at);
    if (b->bad && field->kind == YK_MAP && node->type != YAML_MAP)
        bind_map(b, NULL, field->sub, at);
    else if (b->bad && field->kind != YK_MAP && field->fallback)
        bind_fallback(b, field, at);
    b->bad |= bad_before;
}

/* `map` is NULL for a mapping that is not there: then only the defaults apply. */
static void bind_map(struct binder *b, const struct yaml_node *map,
                     const struct yaml_field *fields, void *out)
{
    if (map && map->type == YAML_MAP)
        refuse_unknown(b, map, fields);
    for (const struct yaml_field *field = fields; field->key; field++) {
        const struct yaml_node *node = yaml_get(map, field->key);
        void *at = (char *)out + field->at;

        if (node && node->type != YAML_NULL)
            bind_written(b, field, node, at);
        else if (field->required && map)
            complain(b, node ? node : map, "'%s' is missing%s%s", field->key,
                     field->help ? ": " : "", field->help ? field->help : "");
        else if (field->kind == YK_MAP)
            bind_map(b, NULL, field->sub, at);
        else if (field->fallback)
            bind_fallback(b, field, at);
    }
}

int yaml_bind(const struct yaml_node *map, const struct yaml_field *fields, void *out,
              const char *file, struct yaml_problems *problems)
{
    struct binder b = {.file = file, .problems = problems};

    if (map && map->type != YAML_MAP && map->type != YAML_NULL)
        complain(&b, map, "a mapping is expected here, this is %s", type_name(map));
    else
        bind_map(&b, map, fields, out);
    return b.bad ? ERR_INVALID : 0;
}
