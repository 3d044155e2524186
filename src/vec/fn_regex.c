/* fn_regex.c - regular expressions. Wraps PCRE2, whose dialect is Java's but for corners (classes
 * joined with &&): look-around, possessive quantifiers, back-references and named groups are there;
 * RE2, which DuckDB uses, has none of them.
 *
 * As in Java \w, \d and \s are ASCII, and . stops at a line end. Patterns are compiled once per
 * thread and kept while they stay the same; matching is bounded, so that a pattern that would run
 * for ever fails its row.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <pthread.h>

#include "vec/fn.h"

#define CACHE 8

struct regex {
    pcre2_code *code; /* NULL: the pattern is wrong */
    pcre2_match_data *match;
    char *pattern;
    size_t len;
    uint32_t options;
};

struct parts {
    struct slice list[4096];
    size_t count;
    size_t limit; /* 0: none; the last part takes the rest */
};

/* What a thread keeps; freed when it ends. */
struct thread_state {
    struct regex cache[CACHE];
    unsigned next;
    pcre2_match_context *limits;
    struct parts parts[2];
};

static pthread_key_t state_key;
static pthread_once_t state_once = PTHREAD_ONCE_INIT;

static void state_free(void *arg)
{
    struct thread_state *state = arg;

    for (size_t i = 0; i < CACHE; i++) {
        pcre2_match_data_free(state->cache[i].match);
        pcre2_code_free(state->cache[i].code);
        free(state->cache[i].pattern);
    }
    pcre2_match_context_free(state->limits);
    free(state);
}

static void state_init(void)
{
    pthread_key_create(&state_key, state_free);
}

static struct thread_state *state_get(void)
{
    struct thread_state *state;

    pthread_once(&state_once, state_init);
    state = pthread_getspecific(state_key);
    if (state)
        return state;
    state = calloc(1, sizeof(*state));
    if (!state)
        return NULL;
    state->limits = pcre2_match_context_create(NULL);
    if (!state->limits || pthread_setspecific(state_key, state)) {
        state_free(state);
        return NULL;
    }
    pcre2_set_match_limit(state->limits, 5000000);
    pcre2_set_heap_limit(state->limits, 20000); /* KiB */
    return state;
}

static struct regex *regex_get(struct slice pattern, uint32_t options)
{
    struct thread_state *state = state_get();
    struct regex *r;
    size_t at;
    int code;

    if (!state)
        return NULL;
    for (size_t i = 0; i < CACHE; i++) {
        r = &state->cache[i];
        if (r->pattern && r->len == pattern.len && r->options == options &&
            !memcmp(r->pattern, pattern.ptr, pattern.len))
            return r;
    }
    r = &state->cache[state->next++ % CACHE];
    pcre2_match_data_free(r->match);
    pcre2_code_free(r->code);
    free(r->pattern);
    *r = (struct regex){.len = pattern.len, .options = options};
    r->pattern = malloc(pattern.len + 1);
    if (!r->pattern)
        return NULL;
    if (pattern.len)
        memcpy(r->pattern, pattern.ptr, pattern.len);
    r->pattern[pattern.len] = '\0';
    r->code = pcre2_compile((PCRE2_SPTR)r->pattern, pattern.len,
                            options | PCRE2_UTF | PCRE2_NO_UTF_CHECK, &code, &at, NULL);
    if (r->code)
        r->match = pcre2_match_data_create_from_pattern(r->code, NULL);
    return r;
}

/* Groups found, 0: no match, -1: the limits were met (the row has failed). */
static int regex_match(struct fn_call *c, struct regex *r, struct slice s, size_t from,
                       uint32_t options)
{
    int rc = pcre2_match(r->code, (PCRE2_SPTR)(s.ptr ? s.ptr : (const uint8_t *)""), s.len, from,
                         options | PCRE2_NO_UTF_CHECK, r->match, state_get()->limits);

    if (rc >= 0 || rc == PCRE2_ERROR_NOMATCH)
        return rc >= 0 ? rc : 0;
    call_fail(c, "the pattern '%.80s' takes too long", r->pattern);
    return -1;
}

static struct slice group(const struct regex *r, struct slice s, size_t n)
{
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(r->match);

    if (at[2 * n] == PCRE2_UNSET)
        return (struct slice){0};
    return slice_of(s.ptr + at[2 * n], at[2 * n + 1] - at[2 * n]);
}

static void regexp(struct fn_call *c)
{
    struct slice pattern = arg_text(c, 1);
    struct regex *r = regex_get(pattern, 0);
    int found;

    if (pattern.len == 0) {
        GIVE(c, bool, false);
        return;
    }
    if (!r || !r->code) { /* Flink logs a wrong pattern and finds nothing */
        GIVE(c, bool, false);
        return;
    }
    found = regex_match(c, r, arg_text(c, 0), 0, 0);
    if (found >= 0)
        GIVE(c, bool, found > 0);
}

static void regexp_extract(struct fn_call *c)
{
    struct slice s = arg_text(c, 0), part;
    struct regex *r = regex_get(arg_text(c, 1), 0);
    int32_t n = c->count > 2 ? ARG(c, 2, int32_t) : 0;
    int found;

    if (!r || !r->code || n < 0) {
        give_null(c);
        return;
    }
    found = regex_match(c, r, s, 0, 0);
    if (found < 0)
        return;
    if (found == 0 || (uint32_t)n >= pcre2_get_ovector_count(r->match)) {
        give_null(c);
        return;
    }
    part = group(r, s, (size_t)n);
    if (part.ptr)
        give_text(c, part.ptr, part.len);
    else
        give_null(c);
}

/* Walks matches the way Matcher.find does: after an empty one it goes on by a character. */
typedef void found_fn(void *arg, struct slice before, struct slice match);

static bool each_match(struct fn_call *c, struct regex *r, struct slice s, found_fn *fn, void *arg,
                       size_t *rest)
{
    size_t from = 0, done = 0;

    while (from <= s.len) {
        int found = regex_match(c, r, s, from, 0);
        struct slice hit;
        size_t start;

        if (found < 0)
            return false;
        if (found == 0)
            break;
        hit = group(r, s, 0);
        start = pcre2_get_ovector_pointer(r->match)[0];
        fn(arg, slice_of(s.ptr + done, start - done), hit);
        done = start + hit.len;
        from = done;
        if (hit.len == 0)
            from += from < s.len ? utf8_len(s.ptr[from]) : 1;
    }
    *rest = done;
    return true;
}

struct replacing {
    struct buf *out;
    struct slice by;
};

static void replace_one(void *arg, struct slice before, struct slice match)
{
    struct replacing *r = arg;

    (void)match;
    buf_append_slice(r->out, before);
    buf_append_slice(r->out, r->by);
}

/* The replacement is taken as it is: Flink quotes $1. A wrong pattern gives NULL. */
static void regexp_replace(struct fn_call *c)
{
    struct slice s = arg_text(c, 0);
    struct regex *r = regex_get(arg_text(c, 1), 0);
    struct replacing to = {&c->scratch[0], arg_text(c, 2)};
    size_t rest;

    buf_clear(to.out);
    if (!r || !r->code) {
        give_null(c);
        return;
    }
    if (!each_match(c, r, s, replace_one, &to, &rest))
        return;
    buf_append(to.out, s.ptr + rest, s.len - rest);
    give_buf(c, to.out);
}

/* ---- SIMILAR TO: SQL's patterns as regular expressions ---- */

static const struct {
    const char *name, *regex;
} classes[] = {
    {"[:ALPHA:]", "\\p{L}"},
    {"[:alpha:]", "\\p{L}"},
    {"[:UPPER:]", "\\p{Lu}"},
    {"[:upper:]", "\\p{Lu}"},
    {"[:LOWER:]", "\\p{Ll}"},
    {"[:lower:]", "\\p{Ll}"},
    {"[:DIGIT:]", "\\d"},
    {"[:digit:]", "\\d"},
    {"[:SPACE:]", " "},
    {"[:space:]", " "},
    {"[:WHITESPACE:]", "\\s"},
    {"[:whitespace:]", "\\s"},
    {"[:ALNUM:]", "\\p{L}\\p{Nd}"},
    {"[:alnum:]", "\\p{L}\\p{Nd}"},
};

static int similar_regex(struct slice p, uint32_t escape, struct buf *out)
{
    bool in_class = false;

    buf_append_str(out, "\\A(?:");
    for (size_t i = 0, used; i < p.len; i += used) {
        uint32_t point = utf8_get(p.ptr + i, p.len - i, &used), next;
        size_t more, k;

        if (point == escape) {
            if (i + used >= p.len)
                return ERR_INVALID;
            next = utf8_get(p.ptr + i + used, p.len - i - used, &more);
            if (next < 0x80 && strchr("_%|*+-?{}()[]^", (int)next) == NULL && next != escape)
                return ERR_INVALID;
            if (next < 0x80)
                buf_append_u8(out, '\\');
            buf_append(out, p.ptr + i + used, more);
            used += more;
            continue;
        }
        for (k = 0; in_class && k < COUNT_OF(classes); k++)
            if (p.len - i >= strlen(classes[k].name) &&
                !memcmp(p.ptr + i, classes[k].name, strlen(classes[k].name))) {
                buf_append_str(out, classes[k].regex);
                used = strlen(classes[k].name);
                break;
            }
        if (in_class && k < COUNT_OF(classes))
            continue;
        in_class = point == '[' ? true : point == ']' ? false : in_class;
        if (in_class && point != '\\')
            buf_append(out, p.ptr + i, used);
        else if (point == '%')
            buf_append_str(out, ".*");
        else if (point == '_')
            buf_append_u8(out, '.');
        else if (point < 0x80 && strchr("\\.^$", (int)point))
            buf_append(out, (uint8_t[2]){'\\', (uint8_t)point}, 2);
        else
            buf_append(out, p.ptr + i, used);
    }
    return buf_append_str(out, ")\\z");
}

static void similar(struct fn_call *c)
{
    struct slice pattern = arg_text(c, 1), escape;
    struct buf *text = &c->scratch[0];
    uint32_t point = UINT32_MAX;
    struct regex *r = NULL;
    size_t used;
    int found;

    buf_clear(text);
    if (c->count > 2) {
        escape = arg_text(c, 2);
        if (utf8_count(escape) != 1) {
            call_fail(c, "the escape of SIMILAR TO must be one character");
            return;
        }
        point = utf8_get(escape.ptr, escape.len, &used);
    }
    if (!similar_regex(pattern, point, text))
        r = regex_get(buf_slice(text), PCRE2_DOTALL | PCRE2_UCP);
    if (!r || !r->code) {
        call_fail(c, "'%.*s' is not a pattern of SIMILAR TO",
                  (int)(pattern.len > 80 ? 80 : pattern.len), pattern.ptr);
        return;
    }
    found = regex_match(c, r, arg_text(c, 0), 0, 0);
    if (found >= 0)
        GIVE(c, bool, found > 0);
}

/* ---- character classes of whole texts; NULL is false ---- */

static void is_all(struct fn_call *c, const char *pattern)
{
    struct regex *r = regex_get(slice_str(pattern), PCRE2_UCP);
    int found = 0;

    if (!arg_null(c, 0) && r && r->code)
        found = regex_match(c, r, arg_text(c, 0), 0, 0);
    if (found >= 0)
        GIVE(c, bool, found > 0);
}

static void is_alpha(struct fn_call *c)
{
    is_all(c, "\\A\\p{L}+\\z");
}
static void is_digit(struct fn_call *c)
{
    is_all(c, "\\A\\p{Nd}+\\z");
}
static void is_decimal(struct fn_call *c)
{
    is_all(c, "\\A[+-]?(?:\\p{Nd}+(?:\\.\\p{Nd}*)?|\\.\\p{Nd}+)(?:[eE][+-]?\\p{Nd}+)?[fFdD]?\\z");
}

/* ---- splitting ---- */

static void part_add(void *arg, struct slice before, struct slice match)
{
    struct parts *p = arg;

    if (match.len == 0 && before.len == 0 && p->count == 0)
        return; /* String.split: no empty part before a match of no width at the start */
    if ((p->limit && p->count + 1 >= p->limit) || p->count + 1 >= COUNT_OF(p->list))
        return;
    p->list[p->count++] = before;
}

/* String.split(pattern, limit): parts point into s. */
static bool split(struct fn_call *c, struct slice s, struct slice pattern, size_t limit,
                  struct parts *out)
{
    struct regex *r = regex_get(pattern, 0);
    size_t rest = 0;
    const uint8_t *start;

    out->count = 0;
    out->limit = limit;
    if (!r || !r->code) {
        call_fail(c, "'%.*s' is not a regular expression",
                  (int)(pattern.len > 80 ? 80 : pattern.len), pattern.ptr);
        return false;
    }
    if (limit == 2) { /* only the first match counts */
        int found = regex_match(c, r, s, 0, 0);
        struct slice hit;

        if (found < 0)
            return false;
        hit = found ? group(r, s, 0) : (struct slice){0};
        if (found && !(hit.len == 0 && hit.ptr == s.ptr)) {
            out->list[out->count++] = slice_of(s.ptr, (size_t)(hit.ptr - s.ptr));
            rest = (size_t)(hit.ptr - s.ptr) + hit.len;
        }
    } else if (!each_match(c, r, s, part_add, out, &rest)) {
        return false;
    }
    start = s.ptr + rest;
    out->list[out->count++] = slice_of(start, s.len - rest);
    while (!limit && out->count > 1 && out->list[out->count - 1].len == 0)
        out->count--;
    return true;
}

static struct parts *parts_of_thread(int which)
{
    struct thread_state *state = state_get();

    return state ? &state->parts[which] : NULL;
}

static void give_pair(struct fn_call *c, duckdb_vector keys, duckdb_vector values, idx_t at,
                      struct slice key, const struct slice *value)
{
    (void)c;
    duckdb_vector_assign_string_element_len(keys, at, (const char *)key.ptr, key.len);
    if (value) {
        duckdb_vector_assign_string_element_len(values, at, (const char *)value->ptr, value->len);
        return;
    }
    duckdb_vector_ensure_validity_writable(values);
    duckdb_validity_set_row_invalid(duckdb_vector_get_validity(values), at);
}

/* Of a key given twice the last value counts. */
static void give_map(struct fn_call *c, const struct parts *pairs, struct slice by)
{
    struct parts *kv = parts_of_thread(1);
    idx_t start = duckdb_list_vector_get_size(c->out), size = start;
    duckdb_vector entries, keys, values;

    duckdb_list_vector_reserve(c->out, start + pairs->count);
    entries = duckdb_list_vector_get_child(c->out);
    keys = duckdb_struct_vector_get_child(entries, 0);
    values = duckdb_struct_vector_get_child(entries, 1);
    for (size_t i = 0; kv && i < pairs->count; i++) {
        duckdb_string_t *had = duckdb_vector_get_data(keys);
        idx_t at;

        if (!split(c, pairs->list[i], by, 2, kv))
            return;
        for (at = start; at < size; at++)
            if (slice_eq(kv->list[0],
                         slice_of(duckdb_string_t_data(&had[at]), duckdb_string_t_length(had[at]))))
                break;
        give_pair(c, keys, values, at, kv->list[0], kv->count > 1 ? &kv->list[1] : NULL);
        size += at == size;
    }
    GIVE(c, duckdb_list_entry, ((duckdb_list_entry){start, size - start}));
    duckdb_list_vector_set_size(c->out, size);
}

static void str_to_map(struct fn_call *c)
{
    struct slice s = arg_text(c, 0);
    struct slice list_by = c->count > 1 ? arg_text(c, 1) : SLICE_LIT(",");
    struct slice pair_by = c->count > 2 ? arg_text(c, 2) : SLICE_LIT("=");
    struct parts *pairs = parts_of_thread(0);

    if (pairs)
        pairs->count = 0;
    if (!pairs)
        call_fail(c, "memory ran out");
    else if (slice_trim(s).len == 0)
        give_map(c, pairs, pair_by);
    else if (split(c, s, list_by, 0, pairs))
        give_map(c, pairs, pair_by);
}

/* SPLIT(text, separator): no regular expression; an empty one parts all characters. */
static void split_plain(struct fn_call *c)
{
    struct slice s = arg_text(c, 0), by = arg_text(c, 1);
    idx_t start = duckdb_list_vector_get_size(c->out), size = start;
    bool more = s.len > 0;

    while (more) {
        const uint8_t *hit = NULL;
        size_t n;

        if (by.len == 0) {
            n = s.len ? utf8_len(*s.ptr) : 0;
            more = s.len > n;
        } else {
            hit = memmem(s.ptr, s.len, by.ptr, by.len);
            n = hit ? (size_t)(hit - s.ptr) : s.len;
            more = hit != NULL;
        }
        duckdb_list_vector_reserve(c->out, size + 1);
        duckdb_vector_assign_string_element_len(duckdb_list_vector_get_child(c->out), size++,
                                                (const char *)s.ptr, n);
        n += hit ? by.len : 0;
        s = slice_of(s.ptr + n, s.len - n);
    }
    GIVE(c, duckdb_list_entry, ((duckdb_list_entry){start, size - start}));
    duckdb_list_vector_set_size(c->out, size);
}

static const struct fn functions[] = {
    {"flink_regexp", "ss", 'b', regexp},
    {"flink_regexp_extract", "ss", 's', regexp_extract},
    {"flink_regexp_extract", "ssi", 's', regexp_extract},
    {"flink_regexp_replace", "sss", 's', regexp_replace},
    {"flink_similar", "ss", 'b', similar},
    {"flink_similar", "sss", 'b', similar},
    {"flink_is_alpha", "s", 'b', is_alpha, NULLS},
    {"flink_is_decimal", "s", 'b', is_decimal, NULLS},
    {"flink_is_digit", "s", 'b', is_digit, NULLS},
    {"flink_str_to_map", "s", 'm', str_to_map},
    {"flink_str_to_map", "sss", 'm', str_to_map},
    {"flink_split", "ss", 'a', split_plain},
};

int fn_regex_register(duckdb_connection conn, struct err *err)
{
    return fn_register(conn, functions, COUNT_OF(functions), err);
}
