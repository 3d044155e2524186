/* fn_json.c - SQL's JSON functions over text.
 *
 * Documents are parsed by jansson; paths are the part of SQL/JSON that Flink's own examples use:
 * [lax|strict] $ then .key ['key'] [n] [n, m] [n:m] .* [*] ..key. As in Flink a path without a mode
 * is strict: what is missing is an error, which ON ERROR handles (NULL when nothing is said); under
 * lax it is empty, which ON EMPTY handles. A step to many values gives an array.
 */
#include <math.h>
#include <stdio.h>

#include "base/json.h"
#include "vec/fn.h"
#include "vec/fn_pattern.h"
#include "vec/zone.h"

#define PATH_STEPS_MAX 64
#define DEPTH_MAX      64

/* ---- writing ---- */

static int put_quoted(struct buf *out, struct slice s)
{
    return json_quote(out, s);
}

static int put_json(struct buf *out, const json_t *v, int depth)
{
    char text[40];
    const char *key;
    json_t *item;
    size_t i;
    bool first = true;
    int rc = 0;

    if (depth > DEPTH_MAX)
        return ERR_LIMIT;
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        rc = buf_append_u8(out, '{');
        json_object_foreach((json_t *)(uintptr_t)v, key, item)
        {
            rc = rc ? rc : first ? 0 : buf_append_u8(out, ',');
            first = false;
            rc = rc ? rc : put_quoted(out, slice_str(key));
            rc = rc ? rc : buf_append_u8(out, ':');
            rc = rc ? rc : put_json(out, item, depth + 1);
        }
        return rc ? rc : buf_append_u8(out, '}');
    case JSON_ARRAY:
        rc = buf_append_u8(out, '[');
        json_array_foreach(v, i, item)
        {
            rc = rc ? rc : i == 0 ? 0 : buf_append_u8(out, ',');
            rc = rc ? rc : put_json(out, item, depth + 1);
        }
        return rc ? rc : buf_append_u8(out, ']');
    case JSON_STRING:
        return put_quoted(out, slice_of(json_string_value(v), json_string_length(v)));
    case JSON_INTEGER:
        return buf_printf(out, "%" PRId64, (int64_t)json_integer_value(v));
    case JSON_REAL:
        return buf_append(out, text, vec_text_double(json_real_value(v), text));
    case JSON_TRUE:
        return buf_append_str(out, "true");
    case JSON_FALSE:
        return buf_append_str(out, "false");
    default:
        return buf_append_str(out, "null");
    }
}

/* The whole text as one value, or NULL. Integers past 64 bits are read as reals. */
static json_t *parse(struct slice text)
{
    json_error_t error;
    json_t *v =
        json_loadb((const char *)text.ptr, text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);

    if (!v && json_error_code(&error) == json_error_numeric_overflow)
        v = json_loadb((const char *)text.ptr, text.len,
                       JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
    return v;
}

/* ---- paths ---- */

enum step_kind { STEP_KEY, STEP_INDEX, STEP_SLICE, STEP_ALL, STEP_DEEP };

struct step {
    enum step_kind kind;
    const char *key; /* in the path's buffer */
    size_t key_len;
    int64_t from, to;
};

struct path {
    bool lax, many;
    struct step steps[PATH_STEPS_MAX];
    size_t count;
    char text[512];
};

static const char *skip_blank(const char *p)
{
    while (*p == ' ')
        p++;
    return p;
}

static const char *take_int(const char *p, int64_t *out)
{
    char *end;

    *out = strtoll(p, &end, 10);
    return end == p ? NULL : skip_blank(end);
}

/* After '[': up to and with ']'. Keys are unquoted in place. */
static char *take_bracket(char *p, struct path *path, struct step *step)
{
    const char *q = skip_blank(p);

    p += q - p;
    if (*p == '\'' || *p == '"') {
        char quote = *p++, *to = p;

        step->kind = STEP_KEY;
        step->key = p;
        for (; *p && *p != quote; p++) {
            if (*p == '\\' && p[1])
                p++;
            *to++ = *p;
        }
        if (*p != quote)
            return NULL;
        step->key_len = (size_t)(to - step->key);
        p++;
        p += skip_blank(p) - p;
        return *p == ']' ? p + 1 : NULL;
    }
    if (*p == '*') {
        step->kind = STEP_ALL;
        path->many = true;
        p++;
        p += skip_blank(p) - p;
        return *p == ']' ? p + 1 : NULL;
    }
    step->kind = STEP_INDEX;
    q = take_int(p, &step->from);
    if (!q)
        return NULL;
    if (*q == ':') {
        step->kind = STEP_SLICE;
        path->many = true;
        q = take_int(q + 1, &step->to);
    }
    return q && *q == ']' ? p + (q - p) + 1 : NULL;
}

static bool path_parse(struct slice text, struct path *path)
{
    char *p = path->text, *from;

    path->lax = path->many = false;
    path->count = 0;
    if (text.len >= sizeof(path->text))
        return false;
    memcpy(p, text.ptr, text.len);
    p[text.len] = '\0';
    p += skip_blank(p) - p;
    if (!strncmp(p, "lax ", 4)) {
        path->lax = true;
        p += 4;
    } else if (!strncmp(p, "strict ", 7)) {
        p += 7;
    }
    p += skip_blank(p) - p;
    if (*p++ != '$')
        return false;
    while (*p) {
        struct step *step = &path->steps[path->count++];

        if (path->count > PATH_STEPS_MAX)
            return false;
        *step = (struct step){.kind = STEP_KEY};
        if (*p == '[') {
            p = take_bracket(p + 1, path, step);
            if (!p)
                return false;
            continue;
        }
        if (*p++ != '.')
            return false;
        if (*p == '.') {
            step->kind = STEP_DEEP;
            path->many = true;
            p++;
        }
        if (*p == '*') {
            step->kind = step->kind == STEP_DEEP ? STEP_DEEP : STEP_ALL;
            path->many = true;
            p++;
            continue;
        }
        from = p;
        while (*p && *p != '.' && *p != '[' && *p != ' ')
            p++;
        if (p == from || (p > from && p[-1] == ')'))
            return false; /* functions of paths are not built */
        step->key = from;
        step->key_len = (size_t)(p - from);
        if (*p == ' ' && *skip_blank(p))
            return false;
        p += skip_blank(p) - p;
    }
    return true;
}

static void walk(const struct path *path, size_t at, json_t *v, json_t *found, int depth);

static void walk_deep(const struct path *path, size_t at, json_t *v, json_t *found, int depth)
{
    const struct step *step = &path->steps[at];
    const char *key;
    json_t *item;
    size_t i;

    if (depth > DEPTH_MAX)
        return;
    if (step->key && json_is_object(v)) {
        item = json_object_getn(v, step->key, step->key_len);
        if (item)
            walk(path, at + 1, item, found, depth + 1);
    }
    if (json_is_object(v)) {
        json_object_foreach(v, key, item) walk_deep(path, at, item, found, depth + 1);
    } else if (json_is_array(v)) {
        json_array_foreach(v, i, item) walk_deep(path, at, item, found, depth + 1);
    }
}

/* Adds what the path's steps from `at` on find in v. */
static void walk(const struct path *path, size_t at, json_t *v, json_t *found, int depth)
{
    const struct step *step = &path->steps[at];
    const char *key;
    json_t *item;
    int64_t size, from, to;
    size_t i;

    if (at == path->count) {
        json_array_append(found, v);
        return;
    }
    switch (step->kind) {
    case STEP_KEY:
        item = json_is_object(v) ? json_object_getn(v, step->key, step->key_len) : NULL;
        if (item)
            walk(path, at + 1, item, found, depth);
        return;
    case STEP_INDEX:
    case STEP_SLICE:
        size = json_is_array(v) ? (int64_t)json_array_size(v) : 0;
        from = step->from < 0 ? step->from + size : step->from;
        to = step->kind == STEP_INDEX ? from + 1 : step->to < 0 ? step->to + size : step->to;
        for (; from >= 0 && from < to && from < size; from++)
            walk(path, at + 1, json_array_get(v, (size_t)from), found, depth);
        return;
    case STEP_ALL:
        if (json_is_object(v)) {
            json_object_foreach(v, key, item) walk(path, at + 1, item, found, depth);
        } else {
            json_array_foreach(v, i, item) walk(path, at + 1, item, found, depth);
        }
        return;
    case STEP_DEEP:
        walk_deep(path, at, v, found, depth);
        return;
    }
}

enum outcome { FOUND, EMPTY, BAD };

/* *out is owned by the caller when FOUND. `why` says what was wrong. */
static enum outcome find(struct fn_call *c, json_t **out, const char **why)
{
    struct path path;
    json_t *document, *found;

    *out = NULL;
    if (!path_parse(arg_text(c, 1), &path)) {
        *why = "the path is wrong";
        return BAD;
    }
    document = parse(arg_text(c, 0));
    if (!document) {
        *why = "the text is not JSON";
        return BAD;
    }
    found = json_array();
    walk(&path, 0, document, found, 0);
    if (path.many)
        *out = json_incref(found);
    else if (json_array_size(found))
        *out = json_incref(json_array_get(found, 0));
    json_decref(found);
    json_decref(document);
    *why = "nothing is at the path";
    return *out ? FOUND : path.lax ? EMPTY : BAD;
}

/* ---- the functions ---- */

static void is_json(struct fn_call *c)
{
    struct slice kind = arg_text(c, 1);
    json_t *v = arg_null(c, 0) ? NULL : parse(arg_text(c, 0));
    bool yes = v != NULL;

    if (slice_is(kind, "OBJECT"))
        yes = json_is_object(v);
    else if (slice_is(kind, "ARRAY"))
        yes = json_is_array(v);
    else if (slice_is(kind, "SCALAR"))
        yes = v && !json_is_object(v) && !json_is_array(v);
    json_decref(v);
    GIVE(c, bool, yes);
}

static void json_exists(struct fn_call *c)
{
    struct slice behaviour = arg_text(c, 2);
    const char *why;
    json_t *v;
    enum outcome outcome = find(c, &v, &why);

    if (outcome != BAD)
        GIVE(c, bool, outcome == FOUND && !json_is_null(v));
    else if (slice_is(behaviour, "TRUE"))
        GIVE(c, bool, true);
    else if (slice_is(behaviour, "UNKNOWN"))
        give_null(c);
    else if (slice_is(behaviour, "ERROR"))
        call_fail(c, "JSON_EXISTS: %s", why);
    else
        GIVE(c, bool, false);
    json_decref(v);
}

/* An argument of any type as text, for defaults. */
static void give_default(struct fn_call *c, int i)
{
    char text[48];
    int scale;
    __int128 exact;
    struct slice s;

    if (arg_null(c, i) || c->args[i].type == DUCKDB_TYPE_SQLNULL) {
        give_null(c);
        return;
    }
    switch (c->args[i].type) {
    case DUCKDB_TYPE_VARCHAR:
        s = arg_text(c, i);
        give_text(c, s.ptr, s.len);
        return;
    case DUCKDB_TYPE_BOOLEAN:
        s = slice_str(ARG(c, i, bool) ? "true" : "false");
        give_text(c, s.ptr, s.len);
        return;
    case DUCKDB_TYPE_DOUBLE:
        give_text(c, text, vec_text_double(ARG(c, i, double), text));
        return;
    default:
        exact = arg_exact(c, i, &scale);
        give_text(c, text, vec_text_decimal(exact, scale, text));
    }
}

/* `behaviour` is argument i, its default i + 1. */
static void value_otherwise(struct fn_call *c, int i, const char *why)
{
    struct slice behaviour = arg_text(c, i);

    if (slice_is(behaviour, "ERROR"))
        call_fail(c, "JSON_VALUE: %s", why);
    else if (slice_is(behaviour, "DEFAULT"))
        give_default(c, i + 1);
    else
        give_null(c);
}

/* JSON_VALUE(text, path, on empty, default, on error, default) */
static void json_value(struct fn_call *c)
{
    struct buf *out = &c->scratch[0];
    enum outcome outcome;
    const char *why;
    json_t *v;

    if (arg_null(c, 0) || arg_null(c, 1)) {
        give_null(c);
        return;
    }
    outcome = find(c, &v, &why);
    if (outcome == FOUND && (json_is_object(v) || json_is_array(v))) {
        outcome = BAD;
        why = "the value is not a scalar";
    }
    if (outcome != FOUND || json_is_null(v)) {
        if (outcome == BAD)
            value_otherwise(c, 4, why);
        else if (outcome == EMPTY)
            value_otherwise(c, 2, why);
        else
            give_null(c);
        json_decref(v);
        return;
    }
    buf_clear(out);
    if (json_is_string(v))
        buf_append(out, json_string_value(v), json_string_length(v));
    else
        put_json(out, v, 0);
    give_buf(c, out);
    json_decref(v);
}

static void query_otherwise(struct fn_call *c, int i, const char *why)
{
    struct slice behaviour = arg_text(c, i);

    if (slice_is(behaviour, "ERROR"))
        call_fail(c, "JSON_QUERY: %s", why);
    else if (slice_is(behaviour, "EMPTY ARRAY"))
        give_text(c, "[]", 2);
    else if (slice_is(behaviour, "EMPTY OBJECT"))
        give_text(c, "{}", 2);
    else
        give_null(c);
}

/* JSON_QUERY(text, path, wrapper, on empty, on error) */
static void json_query(struct fn_call *c)
{
    struct slice wrapper = arg_text(c, 2);
    struct buf *out = &c->scratch[0];
    const char *why;
    json_t *v;
    enum outcome outcome = find(c, &v, &why);
    bool wrap = slice_is(wrapper, "UNCONDITIONAL") ||
                (slice_is(wrapper, "CONDITIONAL") && !json_is_array(v));

    if (outcome == FOUND && !wrap && !json_is_object(v) && !json_is_array(v)) {
        outcome = json_is_null(v) ? EMPTY : BAD;
        why = "the value is a scalar";
    }
    if (outcome != FOUND) {
        query_otherwise(c, outcome == EMPTY ? 3 : 4, why);
    } else {
        buf_clear(out);
        if (wrap)
            buf_append_u8(out, '[');
        put_json(out, v, 0);
        if (wrap)
            buf_append_u8(out, ']');
        give_buf(c, out);
    }
    json_decref(v);
}

/* ---- constructors: values come as JSON text, NULL is null ---- */

static bool absent(const struct slice how)
{
    return slice_is(how, "ABSENT");
}

struct member {
    struct slice key, value; /* value.ptr NULL: null */
};

static int member_cmp(const void *a, const void *b)
{
    return slice_cmp(((const struct member *)a)->key, ((const struct member *)b)->key);
}

/* Keys are sorted, as Flink's mapper is set to; of a key given twice the last value counts. */
static void give_object(struct fn_call *c, struct member *members, size_t count, bool drop_nulls)
{
    struct buf *out = &c->scratch[0];
    bool first = true;

    qsort(members, count, sizeof(*members), member_cmp);
    buf_clear(out);
    buf_append_u8(out, '{');
    for (size_t i = 0; i < count; i++) {
        if (drop_nulls && !members[i].value.ptr)
            continue;
        if (!first)
            buf_append_u8(out, ',');
        first = false;
        put_quoted(out, members[i].key);
        buf_append_u8(out, ':');
        if (members[i].value.ptr)
            buf_append_slice(out, members[i].value);
        else
            buf_append_str(out, "null");
    }
    buf_append_u8(out, '}');
    give_buf(c, out);
}

static void json_object_new(struct fn_call *c)
{
    struct member members[FN_ARGS_MAX / 2];
    size_t count = 0;

    for (int i = 1; i + 1 < c->count; i += 2) {
        if (arg_null(c, i)) {
            call_fail(c, "JSON_OBJECT: a key is null");
            return;
        }
        members[count++] = (struct member){arg_text(c, i), arg_null(c, i + 1) ? (struct slice){0}
                                                                              : arg_text(c, i + 1)};
    }
    give_object(c, members, count, absent(arg_text(c, 0)));
}

static void json_array_new(struct fn_call *c)
{
    struct buf *out = &c->scratch[0];
    bool drop = absent(arg_text(c, 0)), first = true;

    buf_clear(out);
    buf_append_u8(out, '[');
    for (int i = 1; i < c->count; i++) {
        bool null = arg_null(c, i);

        if (null && drop)
            continue;
        if (!first)
            buf_append_u8(out, ',');
        first = false;
        if (null)
            buf_append_str(out, "null");
        else
            buf_append_slice(out, arg_text(c, i));
    }
    buf_append_u8(out, ']');
    give_buf(c, out);
}

static struct slice list_text(struct fn_call *c, int i, idx_t at)
{
    duckdb_vector child = duckdb_list_vector_get_child(c->args[i].vector);
    duckdb_string_t *strings = duckdb_vector_get_data(child);

    if (fn_null_at(child, at))
        return (struct slice){0};
    return slice_of(duckdb_string_t_data(&strings[at]), duckdb_string_t_length(strings[at]));
}

/* Aggregates: lists of keys and of values. No rows: NULL lists. */
static void json_object_of_lists(struct fn_call *c)
{
    duckdb_list_entry keys, values;
    struct member *members;
    size_t count = 0;

    if (arg_null(c, 1) || arg_null(c, 2)) {
        give_object(c, NULL, 0, false);
        return;
    }
    keys = ARG(c, 1, duckdb_list_entry);
    values = ARG(c, 2, duckdb_list_entry);
    members = calloc(keys.length + 1, sizeof(*members));
    if (!members) {
        call_fail(c, "memory ran out");
        return;
    }
    for (idx_t i = 0; i < keys.length && i < values.length; i++)
        members[count++] =
            (struct member){list_text(c, 1, keys.offset + i), list_text(c, 2, values.offset + i)};
    give_object(c, members, count, absent(arg_text(c, 0)));
    free(members);
}

static void json_array_of_list(struct fn_call *c)
{
    struct buf *out = &c->scratch[0];
    bool drop = absent(arg_text(c, 0)), first = true;
    duckdb_list_entry list = {0};

    if (!arg_null(c, 1))
        list = ARG(c, 1, duckdb_list_entry);
    buf_clear(out);
    buf_append_u8(out, '[');
    for (idx_t i = 0; i < list.length; i++) {
        struct slice value = list_text(c, 1, list.offset + i);

        if (!value.ptr && drop)
            continue;
        if (!first)
            buf_append_u8(out, ',');
        first = false;
        if (value.ptr)
            buf_append_slice(out, value);
        else
            buf_append_str(out, "null");
    }
    buf_append_u8(out, ']');
    give_buf(c, out);
}

static const struct fn functions[] = {
    {"flink_is_json", "ss", 'b', is_json, NULLS},
    {"flink_json_exists", "sss", 'b', json_exists},
    {"flink_json_value", "sss*s*", 's', json_value, NULLS},
    {"flink_json_query", "sssss", 's', json_query},
    {"flink_json_object", "s+", 's', json_object_new, NULLS},
    {"flink_json_array", "s+", 's', json_array_new, NULLS},
    {"flink_json_object_of_lists", "saa", 's', json_object_of_lists, NULLS},
    {"flink_json_array_of_list", "sa", 's', json_array_of_list, NULLS},
};

int fn_json_register(duckdb_connection conn, struct err *err)
{
    return fn_register(conn, functions, COUNT_OF(functions), err);
}
