/* functions.c - functions.def and casts.def as tables, and the small languages of their columns:
 * which arguments fit a line, what they are converted to, what type comes out.
 */
#include <ctype.h>
#include <stdio.h>

#include "sql/bound.h"

static const struct sql_function functions[] = {
#define FUNCTION(name, kind, category, args, result, duckdb)                                       \
    {name, FUNCTION_##kind, #category, args, result, duckdb, NULL},
#define MISSING(name, kind, category, args, result, reason)                                        \
    {name, FUNCTION_##kind, #category, args, result, NULL, reason},
#include "sql/functions.def"
#undef FUNCTION
#undef MISSING
};

static const struct sql_casting castings[] = {
#define CASTING(from, to, duckdb) {from, to, duckdb},
#include "sql/casts.def"
#undef CASTING
};

const struct sql_function *sql_functions(size_t *count)
{
    *count = COUNT_OF(functions);
    return functions;
}

/* ---- families -------------------------------------------------------------------------------- */

static bool is_dt(const struct sql_type *t)
{
    return t->kind == SQL_DATE || t->kind == SQL_TIME || t->kind == SQL_TIMESTAMP ||
           t->kind == SQL_TIMESTAMP_LTZ;
}

/* One word, without its suffixes. */
static bool fits_word(struct slice word, const struct sql_type *t)
{
    static const struct {
        const char *word;
        enum sql_type_kind from, to; /* a run of kinds */
    } runs[] = {
        {"bool", SQL_BOOLEAN, SQL_BOOLEAN},
        {"int", SQL_TINYINT, SQL_BIGINT},
        {"exact", SQL_TINYINT, SQL_DECIMAL},
        {"dec", SQL_DECIMAL, SQL_DECIMAL},
        {"approx", SQL_FLOAT, SQL_DOUBLE},
        {"num", SQL_TINYINT, SQL_DOUBLE},
        {"str", SQL_CHAR, SQL_VARCHAR},
        {"bin", SQL_BINARY, SQL_VARBINARY},
        {"date", SQL_DATE, SQL_DATE},
        {"time", SQL_TIME, SQL_TIME},
        {"ts", SQL_TIMESTAMP, SQL_TIMESTAMP},
        {"ltz", SQL_TIMESTAMP_LTZ, SQL_TIMESTAMP_LTZ},
        {"tsx", SQL_TIMESTAMP, SQL_TIMESTAMP_LTZ},
        {"ym", SQL_INTERVAL_YM, SQL_INTERVAL_YM},
        {"ds", SQL_INTERVAL_DS, SQL_INTERVAL_DS},
        {"interval", SQL_INTERVAL_YM, SQL_INTERVAL_DS},
        {"array", SQL_ARRAY, SQL_ARRAY},
        {"multiset", SQL_MULTISET, SQL_MULTISET},
        {"map", SQL_MAP, SQL_MAP},
        {"coll", SQL_ARRAY, SQL_MAP},
        {"row", SQL_ROW, SQL_ROW},
        {"raw", SQL_RAW, SQL_RAW},
        {"null", SQL_NULL, SQL_NULL},
        {"TINYINT", SQL_TINYINT, SQL_TINYINT},
        {"SMALLINT", SQL_SMALLINT, SQL_SMALLINT},
        {"INT", SQL_INT, SQL_INT},
        {"BIGINT", SQL_BIGINT, SQL_BIGINT},
        {"FLOAT", SQL_FLOAT, SQL_FLOAT},
        {"DOUBLE", SQL_DOUBLE, SQL_DOUBLE},
        {"CHAR", SQL_CHAR, SQL_CHAR},
        {"VARCHAR", SQL_VARCHAR, SQL_VARCHAR},
        {"BINARY", SQL_BINARY, SQL_BINARY},
        {"VARBINARY", SQL_VARBINARY, SQL_VARBINARY},
        {"DATE", SQL_DATE, SQL_DATE},
        {"TIME", SQL_TIME, SQL_TIME},
    };

    for (size_t i = 0; i < COUNT_OF(runs); i++)
        if (slice_is(word, runs[i].word))
            return t->kind >= runs[i].from && t->kind <= runs[i].to;
    if (slice_is(word, "any") || (word.len == 1 && strchr("TEKV", word.ptr[0])))
        return true;
    if (slice_is(word, "dt"))
        return is_dt(t);
    if (slice_is(word, "STRING"))
        return t->kind == SQL_VARCHAR && t->length == SQL_LENGTH_MAX;
    if (slice_is(word, "BYTES"))
        return t->kind == SQL_VARBINARY && t->length == SQL_LENGTH_MAX;
    return false;
}

/* "str|bin" */
static bool fits_words(struct slice words, const struct sql_type *t)
{
    for (size_t at = 0; at <= words.len; at++) {
        size_t from = at;

        while (at < words.len && words.ptr[at] != '|')
            at++;
        if (fits_word(slice_of(words.ptr + from, at - from), t))
            return true;
    }
    return false;
}

const struct sql_casting *sql_casting_find(const struct sql_type *from, const struct sql_type *to)
{
    for (size_t i = 0; i < COUNT_OF(castings); i++)
        if (fits_words(slice_str(castings[i].from), from) &&
            fits_words(slice_str(castings[i].to), to))
            return &castings[i];
    return NULL;
}

/* ---- argument words -------------------------------------------------------------------------- */

#define WORDS_MAX 12

struct word {
    struct slice family; /* before the colon */
    struct slice to;     /* behind it: a type's name or T; empty: as it is */
    bool optional;
};

struct words {
    struct word list[WORDS_MAX];
    size_t count;
    bool repeats; /* the last one */
};

static void words_read(const char *text, struct words *words)
{
    memset(words, 0, sizeof(*words));
    if (!strcmp(text, "-"))
        return;
    while (*text && words->count < WORDS_MAX) {
        size_t len = strcspn(text, " ");
        struct slice word = slice_of(text, len);
        struct word *out = &words->list[words->count];
        const uint8_t *colon;

        text += len;
        while (*text == ' ')
            text++;
        if (slice_is(word, "...")) {
            words->repeats = true;
            continue;
        }
        if (word.ptr[word.len - 1] == '?') {
            out->optional = true;
            word.len--;
        }
        colon = memchr(word.ptr, ':', word.len);
        out->family = word;
        if (colon) {
            out->family.len = (size_t)(colon - word.ptr);
            out->to = slice_of(colon + 1, word.len - out->family.len - 1);
        } else if (word.len == 1 && strchr("TEKV", word.ptr[0])) {
            out->to = word;
        }
        words->count++;
    }
}

static const struct word *word_at(const struct words *words, size_t i)
{
    if (i < words->count)
        return &words->list[i];
    return words->repeats ? &words->list[words->count - 1] : NULL;
}

static bool takes_count(const struct words *words, size_t count)
{
    size_t least = 0;

    for (size_t i = 0; i < words->count; i++)
        least += !words->list[i].optional;
    return count >= least && (count <= words->count || words->repeats);
}

static bool fits(const struct words *words, struct bound_expr **args, size_t count)
{
    if (!takes_count(words, count))
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct word *word = word_at(words, i);
        bool symbol = args[i]->kind == BOUND_SYMBOL;

        if (symbol != slice_is(word->family, "sym"))
            return false;
        if (symbol || args[i]->type->kind == SQL_NULL)
            continue;
        if (!fits_words(word->family, args[i]->type))
            return false;
    }
    return true;
}

/* What a bare NULL becomes where a family is wanted. */
static const struct sql_type *null_type(struct slice family)
{
    static const struct {
        const char *word;
        const struct sql_type *type;
    } types[] = {
        {"str", &sql_type_string},     {"bool", &sql_type_boolean},   {"int", &sql_type_int},
        {"num", &sql_type_int},        {"exact", &sql_type_int},      {"approx", &sql_type_double},
        {"bin", &sql_type_bytes},      {"date", &sql_type_date},      {"dt", &sql_type_date},
        {"str|bin", &sql_type_string}, {"str|num", &sql_type_string},
    };

    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (slice_is(family, types[i].word))
            return types[i].type;
    return NULL;
}

/* The types that T, E, K and V stand for in one call. */
struct variables {
    const struct sql_type *t, *e, *k, *v;
};

static bool variables_find(struct binder *b, const struct words *words, struct bound_expr **args,
                           size_t count, struct variables *out)
{
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < count; i++) {
        const struct word *word = word_at(words, i);
        const struct sql_type *type = args[i]->type;

        if (args[i]->kind == BOUND_SYMBOL)
            continue;
        if (slice_is(word->to, "T")) {
            out->t = out->t ? sql_type_common(b->arena, out->t, type) : type;
            if (!out->t)
                return false;
        }
        if (!out->e && type->kind == SQL_ARRAY)
            out->e = type->item;
        if (!out->k && type->kind == SQL_MAP) {
            out->k = type->key;
            out->v = type->item;
        }
    }
    return true;
}

static const struct sql_type *type_named(struct binder *b, struct slice name)
{
    const struct sql_type *type;
    const char *text = arena_cstr(b->arena, name);

    if (!text || sql_type_parse(text, b->arena, &type, b->err))
        bind_nomem(b);
    return type;
}

/* NULL: leave the argument as it is. */
static const struct sql_type *wanted(struct binder *b, const struct word *word,
                                     const struct sql_type *type, const struct variables *vars)
{
    if (slice_is(word->to, "T"))
        return vars->t;
    if (slice_is(word->to, "E"))
        return vars->e;
    if (slice_is(word->to, "K"))
        return vars->k;
    if (slice_is(word->to, "V"))
        return vars->v;
    if (word->to.len)
        return type_named(b, word->to);
    return type->kind == SQL_NULL ? null_type(word->family) : NULL;
}

/* Arguments marked E, K or V must have a common type with that. */
static bool variables_fit(struct binder *b, const struct words *words, struct bound_expr **args,
                          size_t count, const struct variables *vars)
{
    for (size_t i = 0; i < count; i++) {
        const struct word *word = word_at(words, i);
        const struct sql_type *type;

        if (args[i]->kind == BOUND_SYMBOL || slice_is(word->to, "T"))
            continue;
        type = wanted(b, word, args[i]->type, vars);
        if (word->to.len == 1 && (!type || !sql_type_common(b->arena, type, args[i]->type)))
            return false;
    }
    return true;
}

static void convert_args(struct binder *b, const struct words *words, struct bound_expr **args,
                         size_t count, const struct variables *vars)
{
    for (size_t i = 0; i < count; i++) {
        const struct sql_type *type;

        if (args[i]->kind == BOUND_SYMBOL)
            continue;
        type = wanted(b, word_at(words, i), args[i]->type, vars);
        if (type)
            args[i] = bind_convert(b, args[i], type);
    }
}

/* ---- results --------------------------------------------------------------------------------- */

struct call {
    struct binder *b;
    struct bound_expr **args;
    size_t count;
    const struct variables *vars;
};

static void digits(const struct sql_type *t, int *precision, int *scale)
{
    static const int integers[] = {
        [SQL_TINYINT] = 3, [SQL_SMALLINT] = 5, [SQL_INT] = 10, [SQL_BIGINT] = 19};

    *precision = t->kind == SQL_DECIMAL ? t->precision : integers[t->kind];
    *scale = t->kind == SQL_DECIMAL ? t->scale : 0;
}

static const struct sql_type *decimal_of(struct call *c, char op)
{
    int p1, s1, p2, s2, p, s;

    digits(c->args[0]->type, &p1, &s1);
    digits(c->args[1]->type, &p2, &s2);
    sql_decimal_result(op, p1, s1, p2, s2, &p, &s);
    return sql_type_decimal(c->b->arena, p, s);
}

static const struct sql_type *rule_plus(struct call *c)
{
    return decimal_of(c, '+');
}

static const struct sql_type *rule_times(struct call *c)
{
    return decimal_of(c, '*');
}

static const struct sql_type *rule_divide(struct call *c)
{
    return decimal_of(c, '/');
}

static const struct sql_type *rule_mod(struct call *c)
{
    return decimal_of(c, '%');
}

static const struct sql_type *rule_interval(struct call *c)
{
    return c->args[0]->type->kind == c->args[1]->type->kind ? c->args[0]->type : NULL;
}

/* A date moved by hours is a timestamp; everything else keeps its type. */
static const struct sql_type *rule_dt_plus(struct call *c)
{
    const struct sql_type *a = c->args[0]->type,
                          *t = sql_type_is_interval(a) ? c->args[1]->type : a;

    return t;
}

static const struct sql_type *rule_timestampadd(struct call *c)
{
    const struct sql_type *t = c->args[2]->type;
    const char *unit = c->args[0]->text;

    if (t->kind == SQL_DATE &&
        (!strcmp(unit, "HOUR") || !strcmp(unit, "MINUTE") || !strcmp(unit, "SECOND") ||
         !strcmp(unit, "MILLISECOND") || !strcmp(unit, "MICROSECOND")))
        return sql_type_of(c->b->arena, SQL_TIMESTAMP, 6);
    return t;
}

static const struct sql_type *rule_integral(struct call *c)
{
    return sql_type_decimal(c->b->arena, c->args[0]->type->precision, 0);
}

static bool literal_int(const struct bound_expr *expr, int *value)
{
    int64_t wide;

    while (expr->kind == BOUND_CAST && expr->implicit)
        expr = expr->args[0];
    if (expr->kind != BOUND_LITERAL || expr->literal != SQL_LIT_EXACT ||
        slice_to_i64(slice_str(expr->text), &wide) || wide < -1000 || wide > 1000)
        return false;
    *value = (int)wide;
    return true;
}

static const struct sql_type *rule_round(struct call *c)
{
    const struct sql_type *t = c->args[0]->type;
    int places = 0, p;

    if (c->count > 1 && !literal_int(c->args[1], &places))
        return t;
    if (places >= t->scale)
        return t;
    p = 1 + t->precision - t->scale + (places > 0 ? places : 0);
    if (p > SQL_DECIMAL_MAX)
        p = SQL_DECIMAL_MAX;
    return sql_type_decimal(c->b->arena, p, places > 0 ? places : 0);
}

static const struct sql_type *rule_concat(struct call *c)
{
    const struct sql_type *a = c->args[0]->type, *b = c->args[1]->type;
    bool text = sql_type_is_text(a);
    bool fixed = a->kind == b->kind && (a->kind == SQL_CHAR || a->kind == SQL_BINARY);
    int64_t length = (int64_t)a->length + b->length;

    if (length > SQL_LENGTH_MAX || a->length == SQL_LENGTH_MAX || b->length == SQL_LENGTH_MAX)
        length = SQL_LENGTH_MAX;
    return sql_type_of(c->b->arena,
                       fixed  ? a->kind
                       : text ? SQL_VARCHAR
                              : SQL_VARBINARY,
                       (int)length);
}

static const struct sql_type *rule_watermark(struct call *c)
{
    if (!c->b->streams)
        bind_fail(c->b, ERR_INVALID, c->args[0]->pos,
                  "The argument of CURRENT_WATERMARK() must be a rowtime attribute: tables at rest "
                  "have none");
    return sql_type_of(c->b->arena, c->args[0]->type->kind, 3);
}

/* Null only when all of them are. */
static const struct sql_type *rule_coalesce(struct call *c)
{
    bool nullable = true;

    for (size_t i = 0; i < c->count; i++)
        nullable = nullable && c->args[i]->type->nullable;
    return sql_type_nullable(c->b->arena, c->vars->t, nullable);
}

static const struct sql_type *rule_ifnull(struct call *c)
{
    return sql_type_nullable(c->b->arena, c->vars->t,
                             c->args[0]->type->nullable && c->args[1]->type->nullable);
}

static const struct sql_type *rule_array_add(struct call *c)
{
    const struct sql_type *array = c->args[0]->type;
    const struct sql_type *item = sql_type_common(c->b->arena, array->item, c->args[1]->type);
    const struct sql_type *wide;

    if (!item)
        return NULL;
    wide = sql_type_nullable(c->b->arena, sql_type_array(c->b->arena, item), array->nullable);
    if (!wide)
        return NULL;
    c->args[0] = bind_convert(c->b, c->args[0], wide);
    c->args[1] = bind_convert(c->b, c->args[1], item);
    return wide;
}

static const struct sql_type *rule_map_from_arrays(struct call *c)
{
    return sql_type_map(c->b->arena, c->args[0]->type->item, c->args[1]->type->item);
}

static const struct sql_type *rule_avg(struct call *c)
{
    const struct sql_type *t = c->args[0]->type;

    return t->kind == SQL_DECIMAL ? sql_type_decimal(c->b->arena, 38, t->scale > 6 ? t->scale : 6)
                                  : t;
}

static const struct sql_type *rule_sum(struct call *c)
{
    return sql_type_decimal(c->b->arena, 38, c->args[0]->type->scale);
}

static const struct sql_type *rule_multiset(struct call *c)
{
    const struct sql_type *array = sql_type_array(c->b->arena, c->args[0]->type);
    struct sql_type *type = array ? ARENA_NEW(c->b->arena, struct sql_type) : NULL;

    if (type) {
        *type = *array;
        type->kind = SQL_MULTISET;
    }
    return type;
}

static const struct sql_type *rule_array_agg(struct call *c)
{
    return sql_type_array(c->b->arena, c->args[0]->type);
}

/* Null where the window has no such row, unless a default is given. */
static const struct sql_type *rule_lag(struct call *c)
{
    bool nullable = c->count < 3 || c->args[0]->type->nullable || c->args[2]->type->nullable;

    return sql_type_nullable(c->b->arena, c->vars->t, nullable);
}

static const struct sql_type *rule_array(struct call *c)
{
    return sql_type_nullable(c->b->arena, sql_type_array(c->b->arena, c->vars->t), false);
}

/* MAP[k, v, k, v]: all keys one type, all values one. */
static const struct sql_type *rule_map(struct call *c)
{
    const struct sql_type *parts[2] = {c->args[0]->type, c->count > 1 ? c->args[1]->type : NULL};

    for (size_t i = 2; i < c->count; i++) {
        parts[i % 2] = sql_type_common(c->b->arena, parts[i % 2], c->args[i]->type);
        if (!parts[i % 2])
            return NULL;
    }
    if (c->count % 2)
        return NULL;
    for (size_t i = 0; i < c->count; i++)
        c->args[i] = bind_convert(c->b, c->args[i], parts[i % 2]);
    return sql_type_nullable(c->b->arena, sql_type_map(c->b->arena, parts[0], parts[1]), false);
}

static const struct sql_type *rule_row(struct call *c)
{
    struct sql_field *fields = ARENA_ARRAY(c->b->arena, struct sql_field, c->count + 1);

    for (size_t i = 0; fields && i < c->count; i++) {
        fields[i].name = arena_printf(c->b->arena, "EXPR$%zu", i);
        fields[i].type = c->args[i]->type;
        if (!fields[i].name)
            return NULL;
    }
    if (!fields)
        return NULL;
    return sql_type_nullable(c->b->arena, sql_type_row(c->b->arena, fields, c->count), false);
}

static const struct {
    const char *name;
    const struct sql_type *(*rule)(struct call *c);
    bool whole; /* nullability included */
} rules[] = {
    {"@plus", rule_plus, false},
    {"@times", rule_times, false},
    {"@divide", rule_divide, false},
    {"@mod", rule_mod, false},
    {"@interval", rule_interval, false},
    {"@dt_plus", rule_dt_plus, false},
    {"@timestampadd", rule_timestampadd, false},
    {"@integral", rule_integral, false},
    {"@round", rule_round, false},
    {"@concat", rule_concat, false},
    {"@watermark", rule_watermark, false},
    {"@coalesce", rule_coalesce, true},
    {"@ifnull", rule_ifnull, true},
    {"@array_add", rule_array_add, true},
    {"@map_from_arrays", rule_map_from_arrays, false},
    {"@avg", rule_avg, false},
    {"@sum", rule_sum, false},
    {"@multiset", rule_multiset, false},
    {"@array_agg", rule_array_agg, false},
    {"@lag", rule_lag, true},
    {"@array", rule_array, true},
    {"@map", rule_map, true},
    {"@row", rule_row, true},
};

static const struct sql_type *rows_of(struct call *c)
{
    struct sql_field *fields = ARENA_ARRAY(c->b->arena, struct sql_field, 2);
    const struct sql_type *row;

    if (!fields || !c->vars->k)
        return NULL;
    fields[0] = (struct sql_field){.name = "key", .type = c->vars->k};
    fields[1] = (struct sql_field){.name = "value", .type = c->vars->v};
    row = sql_type_nullable(c->b->arena, sql_type_row(c->b->arena, fields, 2), false);
    return row ? sql_type_array(c->b->arena, row) : NULL;
}

/* The type that the text of a result names, before nullability. */
static const struct sql_type *result_named(struct call *c, struct slice text, bool *whole)
{
    *whole = false;
    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        if (slice_is(text, rules[i].name)) {
            *whole = rules[i].whole;
            return rules[i].rule(c);
        }
    }
    if (text.len == 1 && isdigit(text.ptr[0]))
        return (size_t)(text.ptr[0] - '0') < c->count ? c->args[text.ptr[0] - '0']->type : NULL;
    if (slice_is(text, "T"))
        return c->vars->t;
    if (slice_is(text, "E"))
        return c->vars->e;
    if (slice_is(text, "V"))
        return c->vars->v;
    if (slice_is(text, "ARRAY<K>"))
        return sql_type_array(c->b->arena, c->vars->k);
    if (slice_is(text, "ARRAY<V>"))
        return sql_type_array(c->b->arena, c->vars->v);
    if (slice_is(text, "ROWS<K,V>"))
        return rows_of(c);
    return type_named(c->b, text);
}

static const struct sql_type *result_of(struct call *c, const struct sql_function *function)
{
    struct slice text = slice_str(function->result);
    char suffix = (char)text.ptr[text.len - 1];
    bool nullable = suffix == '?', whole;
    const struct sql_type *type;

    if (suffix == '?' || suffix == '!')
        text.len--;
    type = result_named(c, text, &whole);
    if (!type || whole)
        return type;
    if (suffix != '?' && suffix != '!')
        for (size_t i = 0; i < c->count; i++)
            if (c->args[i]->kind != BOUND_SYMBOL && c->args[i]->type->nullable)
                nullable = true;
    return sql_type_nullable(c->b->arena, type, nullable);
}

/* ---- matching -------------------------------------------------------------------------------- */

static void print_types(struct binder *b, struct bound_expr **args, size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        buf_append_str(out, i ? ", " : "");
        buf_append_str(out, args[i]->kind == BOUND_SYMBOL ? args[i]->text
                                                          : bind_type_text(b, args[i]->type));
    }
}

static _Noreturn void no_signature(struct binder *b, struct sql_pos pos, const char *name,
                                   struct bound_expr **args, size_t count)
{
    struct buf buf;
    const char *text;

    buf_init(&buf, 400);
    print_types(b, args, count, &buf);
    buf_append_str(&buf, "); it takes ");
    for (size_t i = 0, shown = 0; i < COUNT_OF(functions) && shown < 6; i++)
        if (!strcmp(functions[i].name, name))
            buf_printf(&buf, "%s(%s)", shown++ ? " or " : "", functions[i].args);
    text = arena_cstr(b->arena, buf_slice(&buf));
    buf_deinit(&buf);
    bind_fail(b, ERR_INVALID, pos, "%s cannot be applied to (%s", name, text ? text : "");
}

static _Noreturn void no_function(struct binder *b, struct sql_pos pos, const char *name)
{
    const char *known[COUNT_OF(functions)];
    size_t count = 0;
    const char *near;

    for (size_t i = 0; i < COUNT_OF(functions); i++)
        if (isalpha((unsigned char)functions[i].name[0]) && !strchr(functions[i].name, ' '))
            known[count++] = functions[i].name;
    near = sql_nearest(name, known, count);
    if (near)
        bind_fail(b, ERR_INVALID, pos, "unknown function %s; did you mean %s?", name, near);
    bind_fail(b, ERR_INVALID, pos, "unknown function %s", name);
}

const struct sql_function *function_match(struct binder *b, struct sql_pos pos, const char *name,
                                          struct bound_expr **args, size_t count,
                                          const struct sql_type **type)
{
    bool known = false;

    for (size_t i = 0; i < COUNT_OF(functions); i++) {
        const struct sql_function *function = &functions[i];
        struct variables vars;
        struct words words;
        struct call call = {.b = b, .args = args, .count = count, .vars = &vars};

        if (strcmp(function->name, name))
            continue;
        known = true;
        words_read(function->args, &words);
        if (!fits(&words, args, count) || !variables_find(b, &words, args, count, &vars) ||
            !variables_fit(b, &words, args, count, &vars))
            continue;
        if (function->missing)
            bind_fail(b, ERR_UNSUPPORTED, pos, "%s is not built: %s", name, function->missing);
        convert_args(b, &words, args, count, &vars);
        *type = result_of(&call, function);
        if (*type)
            return function;
    }
    if (!known)
        no_function(b, pos, name);
    no_signature(b, pos, name, args, count);
}
