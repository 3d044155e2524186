/* yaml.c - a YAML text becomes a tree of nodes with positions, by walking libyaml's events.
 *
 * Configuration is small and written by hand, so what makes YAML surprising is refused by name:
 * aliases (they expand), tags, several documents, the same key twice.
 */
#include "base/yaml.h"

#include <stdlib.h>
#include <yaml.h>

#include "base/base.h"
#include "base/json.h"

#define TEXT_MAX  ((size_t)10 << 20)
#define NODES_MAX 100000
#define DEPTH_MAX 64

struct reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the one being looked at */
    bool has_event;
    struct arena *arena;
    struct err *err;
    int nodes;
};

static int fail_at(struct reader *r, yaml_mark_t mark, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static int fail_at(struct reader *r, yaml_mark_t mark, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    err_setv(r->err, ERR_CORRUPT, fmt, args);
    va_end(args);
    return err_wrap(r->err, ERR_CORRUPT, "line %zu, column %zu", mark.line + 1, mark.column + 1);
}

static int no_memory(struct reader *r)
{
    return err_set(r->err, ERR_NOMEM, "YAML: out of memory");
}

static int next_event(struct reader *r)
{
    if (r->has_event)
        yaml_event_delete(&r->event);
    r->has_event = false;
    if (!yaml_parser_parse(&r->parser, &r->event)) {
        const yaml_parser_t *p = &r->parser;

        if (p->error == YAML_MEMORY_ERROR)
            return no_memory(r);
        return fail_at(r, p->error == YAML_READER_ERROR ? p->mark : p->problem_mark, "%s%s%s%s",
                       p->context ? p->context : "", p->context ? ": " : "",
                       p->problem ? p->problem : "malformed",
                       p->problem && strstr(p->problem, "cannot start any token")
                           ? " (a tab? YAML is indented with spaces)"
                           : "");
    }
    r->has_event = true;
    return 0;
}

static int read_node(struct reader *r, struct yaml_node *out, int depth);

static bool is_null(const char *text)
{
    return !*text || strcmp(text, "~") == 0 || strcmp(text, "null") == 0 ||
           strcmp(text, "Null") == 0 || strcmp(text, "NULL") == 0;
}

static int read_scalar(struct reader *r, struct yaml_node *out)
{
    const char *tag = (const char *)r->event.data.scalar.tag;

    out->type = YAML_SCALAR;
    out->quoted = r->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    if (tag && strcmp(tag, YAML_STR_TAG) == 0)
        out->quoted = true;
    else if (tag && strcmp(tag, "!") != 0)
        return fail_at(r, r->event.start_mark, "tag %s is not supported: leave it out", tag);
    if (memchr(r->event.data.scalar.value, 0, r->event.data.scalar.length))
        return fail_at(r, r->event.start_mark, "a zero byte in a text");
    out->text =
        arena_cstr(r->arena, slice_of(r->event.data.scalar.value, r->event.data.scalar.length));
    if (!out->text)
        return no_memory(r);
    if (!out->quoted && is_null(out->text))
        out->type = YAML_NULL;
    return 0;
}

/* Room for one more: doubled in the arena, whose leftovers stay below what is kept. */
static struct yaml_node *add_item(struct reader *r, struct yaml_node *list, size_t *used,
                                  size_t *cap)
{
    if (*used == *cap) {
        size_t wider = *cap ? *cap * 2 : 8;
        struct yaml_node *copy = ARENA_ARRAY(r->arena, struct yaml_node, wider);

        if (!copy)
            return NULL;
        if (*used)
            memcpy(copy, list->items, *used * sizeof(*copy));
        list->items = copy;
        *cap = wider;
    }
    return &list->items[(*used)++];
}

static int read_seq(struct reader *r, struct yaml_node *out, int depth)
{
    size_t cap = 0;
    int rc;

    out->type = YAML_SEQ;
    while ((rc = next_event(r)) == 0 && r->event.type != YAML_SEQUENCE_END_EVENT) {
        struct yaml_node *item = add_item(r, out, &out->count, &cap);

        rc = item ? read_node(r, item, depth + 1) : no_memory(r);
        if (rc)
            return rc;
    }
    return rc;
}

/* Sorted by text, so that a mapping with many keys is not compared pair by pair. */
static int by_text(const void *a, const void *b)
{
    const struct yaml_node *left = *(const struct yaml_node *const *)a;
    const struct yaml_node *right = *(const struct yaml_node *const *)b;
    int order = strcmp(left->text, right->text);

    if (order)
        return order;
    return left->line != right->line ? left->line - right->line : left->column - right->column;
}

static int refuse_twice(struct reader *r, const struct yaml_node *map)
{
    const struct yaml_node **keys = ARENA_ARRAY(r->arena, const struct yaml_node *, map->count + 1);

    if (!keys)
        return no_memory(r);
    for (size_t i = 0; i < map->count; i++)
        keys[i] = &map->items[2 * i];
    qsort(keys, map->count, sizeof(keys[0]), by_text);
    for (size_t i = 1; i < map->count; i++) {
        yaml_mark_t mark = {0, (size_t)keys[i]->line - 1, (size_t)keys[i]->column - 1};

        if (strcmp(keys[i - 1]->text, keys[i]->text) == 0)
            return fail_at(r, mark, "key '%s' is there already, on line %d", keys[i]->text,
                           keys[i - 1]->line);
    }
    return 0;
}

static int read_map(struct reader *r, struct yaml_node *out, int depth)
{
    size_t used = 0, cap = 0;
    int rc;

    out->type = YAML_MAP;
    while ((rc = next_event(r)) == 0 && r->event.type != YAML_MAPPING_END_EVENT) {
        struct yaml_node *key = add_item(r, out, &used, &cap), *value;

        if (r->event.type != YAML_SCALAR_EVENT && r->event.type != YAML_ALIAS_EVENT)
            return fail_at(r, r->event.start_mark, "a key must be a plain text");
        rc = key ? read_node(r, key, depth + 1) : no_memory(r);
        if (rc == 0)
            rc = next_event(r);
        if (rc)
            return rc;
        value = add_item(r, out, &used, &cap);
        rc = value ? read_node(r, value, depth + 1) : no_memory(r);
        if (rc)
            return rc;
        out->count++;
    }
    return rc ? rc : refuse_twice(r, out);
}

static int read_node(struct reader *r, struct yaml_node *out, int depth)
{
    yaml_mark_t mark = r->event.start_mark;

    if (++r->nodes > NODES_MAX)
        return fail_at(r, mark, "more than %d values", NODES_MAX);
    if (depth > DEPTH_MAX)
        return fail_at(r, mark, "nested more than %d levels deep", DEPTH_MAX);
    out->line = (int)mark.line + 1;
    out->column = (int)mark.column + 1;
    switch (r->event.type) {
    case YAML_SCALAR_EVENT:
        return read_scalar(r, out);
    case YAML_SEQUENCE_START_EVENT:
        if (r->event.data.sequence_start.tag)
            return fail_at(r, mark, "tag %s is not supported: leave it out",
                           (const char *)r->event.data.sequence_start.tag);
        return read_seq(r, out, depth);
    case YAML_MAPPING_START_EVENT:
        if (r->event.data.mapping_start.tag)
            return fail_at(r, mark, "tag %s is not supported: leave it out",
                           (const char *)r->event.data.mapping_start.tag);
        return read_map(r, out, depth);
    case YAML_ALIAS_EVENT:
        return fail_at(r, mark, "alias *%s: aliases are not supported, write the value out",
                       (const char *)r->event.data.alias.anchor);
    default:
        return fail_at(r, mark, "a value is missing");
    }
}

/* stream start, document start, one node, document end, stream end */
static int read_document(struct reader *r, struct yaml_node *out)
{
    int rc = next_event(r);

    if (rc == 0)
        rc = next_event(r);
    if (rc)
        return rc;
    if (r->event.type == YAML_STREAM_END_EVENT) {
        *out = (struct yaml_node){.type = YAML_NULL, .line = 1, .column = 1, .text = ""};
        return 0;
    }
    rc = next_event(r);
    if (rc == 0)
        rc = read_node(r, out, 0);
    if (rc == 0)
        rc = next_event(r);
    if (rc == 0)
        rc = next_event(r);
    if (rc == 0 && r->event.type != YAML_STREAM_END_EVENT)
        return fail_at(r, r->event.start_mark, "a second document: one file holds one");
    return rc;
}

int yaml_parse(struct slice text, struct arena *arena, struct yaml_node *out, struct err *err)
{
    struct reader r = {.arena = arena, .err = err};
    int rc;

    memset(out, 0, sizeof(*out));
    if (text.len > TEXT_MAX)
        return err_set(err, ERR_CORRUPT, "line 1, column 1: more than %zu MiB", TEXT_MAX >> 20);
    if (!yaml_parser_initialize(&r.parser))
        return no_memory(&r);
    yaml_parser_set_input_string(&r.parser, text.len ? text.ptr : (const uint8_t *)"", text.len);
    rc = read_document(&r, out);
    if (r.has_event)
        yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    return rc;
}

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
    if (!map || map->type != YAML_MAP)
        return NULL;
    for (size_t i = 0; i < map->count; i++)
        if (strcmp(map->items[2 * i].text, key) == 0)
            return &map->items[2 * i + 1];
    return NULL;
}

/* ---- as JSON ---- */

static bool is_json_scalar(const char *text)
{
    static const char *const words[] = {"true", "false", "null"};
    const char *p = text + (*text == '-');
    char *end;

    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (strcmp(text, words[i]) == 0)
            return true;
    if (*p < '0' || *p > '9' || (p[0] == '0' && p[1] >= '0' && p[1] <= 'x'))
        return false; /* JSON writes no +1, .5, 007, 0x10 or inf */
    strtod(text, &end);
    return *end == '\0' && end[-1] != '.';
}

int yaml_json(const struct yaml_node *yaml, struct buf *out)
{
    int rc;

    switch (yaml->type) {
    case YAML_NULL:
        return buf_append_str(out, "null");
    case YAML_SCALAR:
        return !yaml->quoted && is_json_scalar(yaml->text) ? buf_append_str(out, yaml->text)
                                                           : json_quote(out, slice_str(yaml->text));
    default:
        break;
    }
    rc = buf_append_u8(out, yaml->type == YAML_MAP ? '{' : '[');
    for (size_t i = 0; !rc && i < yaml->count; i++) {
        rc = i ? buf_append_u8(out, ',') : 0;
        if (!rc && yaml->type == YAML_MAP) {
            rc = json_quote(out, slice_str(yaml->items[2 * i].text));
            if (!rc)
                rc = buf_append_u8(out, ':');
        }
        if (!rc)
            rc = yaml_json(&yaml->items[yaml->type == YAML_MAP ? 2 * i + 1 : i], out);
    }
    return rc ? rc : buf_append_u8(out, yaml->type == YAML_MAP ? '}' : ']');
}
