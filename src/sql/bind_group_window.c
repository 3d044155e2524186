/* bind_group_window.c - GROUP BY TUMBLE(ts, INTERVAL '1' HOUR), HOP and SESSION: the group windows
 * that came before the table functions, and TUMBLE_START and its like.
 *
 * FROM gets the windows that a row lies in, as a table function has it (bind_window.c):
 *     FROM rows CROSS JOIN UNNEST($TUMBLE(CAST(ts AS TIMESTAMP(6)), size, size, offset)) AS w
 * and the element of GROUP BY becomes two: w.window_start, w.window_end.
 * Source: Flink 1.20, "Window Aggregation", "Group Window Aggregation".
 */
#include <stdio.h>

#include "sql/bound.h"

static const struct kind {
    const char *name, *function;
    enum bound_window_kind kind;
    size_t size, offset; /* arguments; the slide of HOP is the second */
} kinds[] = {
    {"TUMBLE", "$TUMBLE", BOUND_TUMBLE, 1, 2},
    {"HOP", "$HOP", BOUND_HOP, 2, 3},
    {"SESSION", "$SESSION", BOUND_SESSION, 1, 2},
};

struct group_window {
    const struct kind *kind;
    struct bound_expr *time;
    struct bound_tvf *tvf;
    struct bound_source *source; /* of the windows */
};

static int64_t interval_us(struct binder *b, const struct sql_expr *expr)
{
    struct scope none = {0};
    struct bound_expr *bound = bind_expr(b, &none, expr);
    int64_t micros;

    if (bound->kind != BOUND_LITERAL || bound->literal != SQL_LIT_INTERVAL ||
        bound->type->kind != SQL_INTERVAL_DS || slice_to_i64(slice_str(bound->text), &micros) ||
        micros <= 0)
        bind_fail(b, ERR_INVALID, expr->pos,
                  "a window takes an interval of days, hours, minutes or seconds: INTERVAL '5' "
                  "MINUTE");
    return micros;
}

/* TIME '00:10:00', where windows begin. */
static int64_t offset_us(struct binder *b, const struct sql_expr *expr)
{
    int hour, minute, second;

    if (expr->kind == SQL_EXPR_LITERAL && expr->literal == SQL_LIT_INTERVAL)
        return interval_us(b, expr);
    if (expr->kind != SQL_EXPR_LITERAL || expr->literal != SQL_LIT_TIME ||
        sscanf(expr->text, "%d:%d:%d", &hour, &minute, &second) != 3)
        bind_fail(b, ERR_INVALID, expr->pos, "a window's offset is a time: TIME '00:10:00'");
    return ((int64_t)(hour * 60 + minute) * 60 + second) * 1000000;
}

static const struct kind *kind_of(const struct sql_expr *expr)
{
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (expr->kind == SQL_EXPR_CALL && expr->name.count == 1 && !expr->call->over &&
            slice_ieq(slice_str(expr->name.parts[0].text), slice_str(kinds[i].name)))
            return &kinds[i];
    return NULL;
}

/* The call's time and window, as GROUP BY and the functions of it name them. */
static struct group_window read_window(struct binder *b, struct scope *scope,
                                       const struct sql_expr *expr, const struct kind *kind)
{
    struct group_window w = {.kind = kind, .tvf = BIND_NEW(b, struct bound_tvf)};
    const struct sql_exprs *args = &expr->args;

    if (args->count <= kind->size || args->count > kind->offset + 1)
        bind_fail(b, ERR_INVALID, expr->pos, "%s(time, %s[, offset])", kind->name,
                  kind->size == 2 ? "slide, size" : "size");
    w.time = bind_expr(b, scope, args->list[0]);
    if (w.time->type->kind != SQL_TIMESTAMP && w.time->type->kind != SQL_TIMESTAMP_LTZ)
        bind_fail(b, ERR_INVALID, args->list[0]->pos,
                  "Window can only be defined over a time attribute column: this is %s",
                  bind_type_text(b, w.time->type));
    w.tvf->kind = kind->kind;
    w.tvf->size_us = interval_us(b, args->list[kind->size]);
    w.tvf->slide_us = interval_us(b, args->list[1]);
    if (args->count > kind->offset)
        w.tvf->offset_us = offset_us(b, args->list[kind->offset]);
    return w;
}

static struct bound_expr *number(struct binder *b, struct sql_pos pos, int64_t value)
{
    struct bound_expr *expr =
        bound_new(b, BOUND_LITERAL, pos, bind_nullable(b, &sql_type_bigint, false));

    expr->literal = SQL_LIT_EXACT;
    expr->text = arena_printf(b->arena, "%" PRId64, value);
    if (!expr->text)
        bind_nomem(b);
    return expr;
}

static struct bound_source *windows_source(struct binder *b, struct sql_pos pos,
                                           const struct group_window *w)
{
    struct bound_source *source = BIND_NEW(b, struct bound_source);
    struct bound_expr **args = BIND_ARRAY(b, struct bound_expr *, 4);
    struct sql_type *local = BIND_NEW(b, struct sql_type);
    const struct sql_type *row;

    *local = (struct sql_type){.kind = SQL_TIMESTAMP, .nullable = true, .precision = 6};
    args[0] = bind_convert(b, w->time, local);
    args[1] = number(b, pos, w->tvf->slide_us);
    args[2] = number(b, pos, w->tvf->size_us);
    args[3] = number(b, pos, w->tvf->offset_us);
    source->kind = SOURCE_UNNEST;
    source->pos = pos;
    source->number = b->next_number++;
    source->lateral = source->is_row = true;
    source->array = bind_function(b, pos, w->kind->function, args, 4);
    source->tvf = w->tvf;
    row = source->array->type->item;
    source->column_count = row->field_count;
    source->columns = BIND_ARRAY(b, struct bound_column, row->field_count);
    for (size_t i = 0; i < row->field_count; i++)
        source->columns[i] =
            (struct bound_column){.name = row->fields[i].name, .type = row->fields[i].type};
    return source;
}

struct group_window *bind_group_window(struct binder *b, struct scope *scope,
                                       const struct sql_expr *expr, struct bound_source **from)
{
    const struct kind *kind = kind_of(expr);
    struct group_window *w;
    struct bound_source *join;

    if (!kind)
        return NULL;
    if (!*from)
        bind_fail(b, ERR_INVALID, expr->pos, "a window needs FROM");
    if (kind->kind == BOUND_SESSION && !b->streams)
        bind_fail(b, ERR_UNSUPPORTED, expr->pos,
                  "SESSION over a table at rest is not built yet: a stream has it, INSERT INTO");
    w = BIND_NEW(b, struct group_window);
    *w = read_window(b, scope, expr, kind);
    w->source = windows_source(b, expr->pos, w);
    join = BIND_NEW(b, struct bound_source);
    join->kind = SOURCE_JOIN;
    join->pos = expr->pos;
    join->number = b->next_number++;
    join->join = SQL_JOIN_CROSS;
    join->left = *from;
    join->right = w->source;
    *from = join;
    return w;
}

struct bound_expr *group_window_bound(struct binder *b, struct sql_pos pos,
                                      const struct group_window *window, size_t column)
{
    return bound_column(b, pos, window->source, column);
}

static bool same_window(const struct group_window *a, const struct group_window *b)
{
    return a->kind == b->kind && bound_equal(a->time, b->time) &&
           a->tvf->size_us == b->tvf->size_us && a->tvf->slide_us == b->tvf->slide_us &&
           a->tvf->offset_us == b->tvf->offset_us;
}

/* TUMBLE_START: the kind and what is asked of it. */
static const struct kind *asked_of(const char *name, const char **what)
{
    static const char *const asked[] = {"_START", "_END", "_ROWTIME", "_PROCTIME"};

    for (size_t k = 0; k < COUNT_OF(kinds); k++) {
        size_t len = strlen(kinds[k].name);

        for (size_t i = 0; !strncmp(name, kinds[k].name, len) && i < COUNT_OF(asked); i++)
            if (!strcmp(name + len, asked[i])) {
                *what = asked[i];
                return &kinds[k];
            }
    }
    return NULL;
}

struct bound_expr *bind_group_window_call(struct binder *b, struct scope *scope,
                                          const struct sql_expr *expr, const char *name)
{
    const char *what = NULL;
    const struct kind *kind = asked_of(name, &what);
    const struct group_window *window = scope ? scope->window : NULL;
    struct group_window asked;

    if (!kind)
        return NULL;
    asked = read_window(b, scope, expr, kind);
    if (!window || !same_window(&asked, window))
        bind_fail(b, ERR_INVALID, expr->pos, "%s: GROUP BY has no window %s of this time and size",
                  name, kind->name);
    if (!strcmp(what, "_START"))
        return group_window_bound(b, expr->pos, window, 0);
    if (!strcmp(what, "_PROCTIME"))
        return bind_function(b, expr->pos, "PROCTIME", NULL, 0);
    if (!strcmp(what, "_END"))
        return group_window_bound(b, expr->pos, window, 1);
    return bind_function2(b, expr->pos, "$WINDOW_TIME",
                          bound_null(b, expr->pos, window->time->type),
                          group_window_bound(b, expr->pos, window, 1));
}
