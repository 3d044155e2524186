/* yaml.h - configuration files walked by tables, so that every error has a line, a column and a
 * suggestion. Wraps libyaml.
 *
 * A document becomes a tree of nodes with positions; a struct yaml_field table then says which keys
 * a mapping may have, of which kind, with which default, and where the value goes in a C struct.
 * Threads: none of their own.
 */
#ifndef BASE_YAML_H
#define BASE_YAML_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

enum yaml_type { YAML_NULL, YAML_SCALAR, YAML_SEQ, YAML_MAP };

struct yaml_node {
    enum yaml_type type;
    int line, column;        /* from 1 */
    const char *text;        /* SCALAR: NUL-ended */
    bool quoted;             /* SCALAR: written in quotes, so always a string */
    struct yaml_node *items; /* SEQ: count items; MAP: count pairs, key then value */
    size_t count;
};

/* One problem found; a check collects many. */
struct yaml_problem {
    const char *file;
    int line, column;
    char text[400]; /* "unknown key 'prot': did you mean 'port'?" */
};

struct yaml_problems {
    struct yaml_problem *list; /* in the arena */
    size_t count;
    struct arena *arena;
};

/* Everything lands in the arena. ERR_CORRUPT with "line L, column C: ...". Bounded: 10 MiB,
 * 100,000 nodes, 64 levels, no anchors that expand (aliases are refused by name). */
int yaml_parse(struct slice text, struct arena *arena, struct yaml_node *out, struct err *err);
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key); /* or NULL */
/* Appends the value as JSON: what is not in quotes and looks like a number or a word of JSON is
 * one. ERR_NOMEM, ERR_LIMIT. */
int yaml_json(const struct yaml_node *yaml, struct buf *out);

enum yaml_kind {
    YK_STR,      /* const char * */
    YK_INT,      /* int64_t, with min and max */
    YK_BOOL,     /* bool */
    YK_BYTES,    /* int64_t: 64, 64k, 10MB, 1GiB */
    YK_DURATION, /* int64_t milliseconds: 500ms, 5s, 10m, 2h, 7d; -1 as "forever" */
    YK_ENUM,     /* int, from `names` */
    YK_MAP,      /* nested table `sub`, struct inline at the offset */
    YK_LIST,     /* struct yaml_list of scalars (const char *) */
    YK_NODE      /* const struct yaml_node *, for maps with free keys */
};

struct yaml_list {
    const char **items;
    size_t count;
};

struct yaml_field {
    const char *key;
    enum yaml_kind kind;
    size_t at; /* offsetof in the C struct */
    const struct yaml_field *sub;
    const char *const *names; /* YK_ENUM: NULL-ended */
    int64_t min, max;         /* YK_INT, YK_BYTES, YK_DURATION; both 0: no check */
    const char *fallback;     /* default as it would be written; NULL: leave the struct as it is */
    bool required;
    const char *help; /* one line: feeds the JSON Schema and --help */
};

/* Fills `out` from a mapping by the table (ended by a NULL key). Every problem is added to
 * `problems`; returns 0 when there were none, else ERR_INVALID, and what was refused has its
 * default. `file` is borrowed. */
int yaml_bind(const struct yaml_node *map, const struct yaml_field *fields, void *out,
              const char *file, struct yaml_problems *problems);
void yaml_complain(struct yaml_problems *problems, const char *file, int line, int column,
                   const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* The nearest of `names` (NULL-ended) to `word`, or NULL when none is near: for "did you mean". */
const char *nearest_name(const char *word, const char *const *names);

#endif
