/* bind_call.c - calls: the special forms become plain arguments, then functions.def decides. */
#include <ctype.h>
#include <stdio.h>

#include "sql/bound.h"

#define ARGS_MAX 4096

static struct bound_expr *symbol(struct binder *b, struct sql_pos pos, const char *text)
{
    struct bound_expr *expr = bound_new(b, BOUND_SYMBOL, pos, &sql_type_null);

    expr->text = text;
    return expr;
}

static const char *upper_name(struct binder *b, const struct sql_name *name)
{
    char *text = arena_strdup(b->arena, name->parts[name->count - 1].text);

    if (!text)
        bind_nomem(b);
    for (char *c = text; *c; c++)
        *c = (char)toupper((unsigned char)*c);
    return text;
}

struct bound_expr *bind_function(struct binder *b, struct sql_pos pos, const char *name,
                                 struct bound_expr **args, size_t count)
{
    const struct sql_type *type;
    const struct sql_function *function = function_match(b, pos, name, args, count, &type);
    struct bound_expr *expr = bound_new(b, BOUND_CALL, pos, type);

    expr->function = function;
    expr->args = args;
    expr->arg_count = count;
    return expr;
}

struct bound_expr *bind_function2(struct binder *b, struct sql_pos pos, const char *name,
                                  struct bound_expr *left, struct bound_expr *right)
{
    struct bound_expr **args = BIND_ARRAY(b, struct bound_expr *, 2);

    args[0] = left;
    args[1] = right;
    return bind_function(b, pos, name, args, right ? 2 : 1);
}

/* ---- the arguments of special forms ---------------------------------------------------------- */

struct arguments {
    struct bound_expr **list;
    size_t count;
};

static void add(struct arguments *args, struct bound_expr *expr)
{
    args->list[args->count++] = expr;
}

/* TRIM(where, chars, x) from TRIM(x), TRIM(where FROM x), TRIM(where chars FROM x). */
static void trim_arguments(struct binder *b, struct scope *scope, const struct sql_expr *expr,
                           struct arguments *args)
{
    const struct sql_exprs *in = &expr->args;
    const char *where = "BOTH";

    if (expr->call->form == SQL_CALL_PLAIN) {
        if (in->count != 1)
            bind_fail(b, ERR_INVALID, expr->pos, "TRIM(x) or TRIM(BOTH chars FROM x)");
        add(args, symbol(b, expr->pos, where));
        add(args, bound_text(b, expr->pos, " "));
        add(args, bind_expr(b, scope, in->list[0]));
        return;
    }
    if (in->list[0]->text[0])
        where = in->list[0]->text;
    add(args, symbol(b, expr->pos, where));
    add(args, in->count == 3 ? bind_expr(b, scope, in->list[1]) : bound_text(b, expr->pos, " "));
    add(args, bind_expr(b, scope, in->list[in->count - 1]));
}

/* NULLIF(a = b, a, b): the comparison converts its own copies. */
static void nullif_arguments(struct binder *b, struct scope *scope, const struct sql_expr *expr,
                             struct arguments *args)
{
    struct bound_expr *left, *right;

    if (expr->args.count != 2)
        bind_fail(b, ERR_INVALID, expr->pos, "NULLIF(a, b) takes two arguments");
    left = bind_expr(b, scope, expr->args.list[0]);
    right = bind_expr(b, scope, expr->args.list[1]);
    add(args, bind_function2(b, expr->pos, "=", left, right));
    add(args, left);
    add(args, right);
}

static const char *behavior_text(enum sql_json_behavior behavior, const char *absent)
{
    static const char *const texts[] = {
        [SQL_JSON_NULL] = "NULL",
        [SQL_JSON_ERROR] = "ERROR",
        [SQL_JSON_DEFAULT] = "DEFAULT",
        [SQL_JSON_EMPTY_ARRAY] = "EMPTY ARRAY",
        [SQL_JSON_EMPTY_OBJECT] = "EMPTY OBJECT",
        [SQL_JSON_TRUE] = "TRUE",
        [SQL_JSON_FALSE] = "FALSE",
        [SQL_JSON_UNKNOWN] = "UNKNOWN",
    };

    return behavior == SQL_JSON_UNSET ? absent : texts[behavior];
}

static struct bound_expr *json_default(struct binder *b, struct scope *scope, struct sql_pos pos,
                                       const struct sql_expr *value)
{
    struct bound_expr *bound;

    if (!value)
        return bound_null(b, pos, &sql_type_string);
    bound = bind_expr(b, scope, value);
    if (!sql_type_castable(bound->type, &sql_type_string))
        bind_fail(b, ERR_INVALID, value->pos, "this DEFAULT cannot be text");
    return bind_convert(b, bound, &sql_type_string);
}

static void json_arguments(struct binder *b, struct scope *scope, const struct sql_expr *expr,
                           struct arguments *args)
{
    static const char *const wrappers[] = {
        [SQL_WRAPPER_UNSET] = "WITHOUT",
        [SQL_WRAPPER_WITHOUT] = "WITHOUT",
        [SQL_WRAPPER_WITHOUT_ARRAY] = "WITHOUT",
        [SQL_WRAPPER_CONDITIONAL] = "CONDITIONAL",
        [SQL_WRAPPER_UNCONDITIONAL] = "UNCONDITIONAL",
    };
    const struct sql_call *call = expr->call;

    add(args, bind_expr(b, scope, expr->args.list[0]));
    add(args, bind_expr(b, scope, expr->args.list[1]));
    switch (call->form) {
    case SQL_CALL_JSON_EXISTS:
        add(args, symbol(b, expr->pos, behavior_text(call->on_error, "FALSE")));
        return;
    case SQL_CALL_JSON_QUERY:
        if (call->returning)
            bind_fail(b, ERR_UNSUPPORTED, expr->pos,
                      "RETURNING of JSON_QUERY does not exist in Flink 1.20");
        add(args, symbol(b, expr->pos, wrappers[call->wrapper]));
        add(args, symbol(b, expr->pos, behavior_text(call->on_empty, "NULL")));
        add(args, symbol(b, expr->pos, behavior_text(call->on_error, "NULL")));
        return;
    default:
        add(args, symbol(b, expr->pos, behavior_text(call->on_empty, "NULL")));
        add(args, json_default(b, scope, expr->pos, call->empty_default));
        add(args, symbol(b, expr->pos, behavior_text(call->on_error, "NULL")));
        add(args, json_default(b, scope, expr->pos, call->error_default));
    }
}

static bool is_json_constructor(const struct bound_expr *expr)
{
    return expr->kind == BOUND_CALL && (!strcmp(expr->function->name, "JSON_OBJECT") ||
                                        !strcmp(expr->function->name, "JSON_ARRAY"));
}

/* A value inside a JSON constructor: its JSON text. Null stays null. */
static struct bound_expr *json_text(struct binder *b, struct bound_expr *value)
{
    return is_json_constructor(value) ? value
                                      : bind_function2(b, value->pos, "JSON_STRING", value, NULL);
}

static void json_constructor_arguments(struct binder *b, struct scope *scope,
                                       const struct sql_expr *expr, struct arguments *args)
{
    enum sql_call_form form = expr->call->form;
    bool object = form == SQL_CALL_JSON_OBJECT || form == SQL_CALL_JSON_OBJECTAGG;
    bool absent = expr->call->on_null ? expr->call->on_null == SQL_ON_NULL_ABSENT : !object;

    add(args, symbol(b, expr->pos, absent ? "ABSENT" : "NULL"));
    for (size_t i = 0; i < expr->args.count; i++) {
        struct bound_expr *value = bind_expr(b, scope, expr->args.list[i]);

        if (object && i % 2 == 0 && !sql_type_is_text(value->type))
            bind_fail(b, ERR_INVALID, value->pos, "a key of a JSON object is text, not %s",
                      bind_type_text(b, value->type));
        add(args, object && i % 2 == 0 ? value : json_text(b, value));
    }
}

static void plain_arguments(struct binder *b, struct scope *scope, const struct sql_expr *expr,
                            struct arguments *args)
{
    for (size_t i = 0; i < expr->args.count; i++)
        add(args, bind_expr(b, scope, expr->args.list[i]));
}

static void call_arguments(struct binder *b, struct scope *scope, const struct sql_expr *expr,
                           const char *name, struct arguments *args)
{
    switch (expr->call->form) {
    case SQL_CALL_JSON_EXISTS:
    case SQL_CALL_JSON_VALUE:
    case SQL_CALL_JSON_QUERY:
        json_arguments(b, scope, expr, args);
        return;
    case SQL_CALL_JSON_OBJECT:
    case SQL_CALL_JSON_ARRAY:
    case SQL_CALL_JSON_OBJECTAGG:
    case SQL_CALL_JSON_ARRAYAGG:
        json_constructor_arguments(b, scope, expr, args);
        return;
    case SQL_CALL_CONVERT:
        bind_fail(b, ERR_UNSUPPORTED, expr->pos, "%s ... USING is not built", name);
    default:
        break;
    }
    if (!strcmp(name, "TRIM"))
        trim_arguments(b, scope, expr, args);
    else if (!strcmp(name, "NULLIF"))
        nullif_arguments(b, scope, expr, args);
    else
        plain_arguments(b, scope, expr, args);
}

/* ---- aggregates and windows ------------------------------------------------------------------ */

static const struct sql_window *window_named(struct binder *b, struct scope *scope,
                                             const struct sql_ident *name)
{
    const struct sql_select *select = scope ? scope->select : NULL;

    for (size_t i = 0; select && i < select->window_count; i++)
        if (!strcmp(select->windows[i].name.text, name->text))
            return select->windows[i].window;
    bind_fail(b, ERR_INVALID, name->pos, "unknown window `%s`", name->text);
}

static void window_merge(struct binder *b, struct scope *scope, const struct sql_window *syntax,
                         struct bound_window *out)
{
    bind_enter(b, syntax->pos);
    if (syntax->name.text)
        window_merge(b, scope, window_named(b, scope, &syntax->name), out);
    bind_leave(b);
    if (syntax->partition.count) {
        out->partition_count = syntax->partition.count;
        out->partition = BIND_ARRAY(b, struct bound_expr *, out->partition_count);
        for (size_t i = 0; i < out->partition_count; i++)
            out->partition[i] = bind_expr(b, scope, syntax->partition.list[i]);
    }
    if (syntax->order.count) {
        out->order = bind_orders(b, scope, &syntax->order);
        out->order_count = syntax->order.count;
    }
    if (syntax->frame == SQL_FRAME_NONE)
        return;
    out->frame = (int)syntax->frame;
    out->low = syntax->low.kind;
    out->high = syntax->high.kind;
    if (syntax->low.expr)
        out->low_expr = bind_expr(b, scope, syntax->low.expr);
    if (syntax->high.expr)
        out->high_expr = bind_expr(b, scope, syntax->high.expr);
}

static void bind_over(struct binder *b, struct scope *scope, const struct sql_expr *expr,
                      struct bound_expr *call)
{
    struct bound_window *over = BIND_NEW(b, struct bound_window);

    if (call->function->kind != FUNCTION_AGGREGATE && call->function->kind != FUNCTION_WINDOW)
        bind_fail(b, ERR_INVALID, expr->pos, "%s is no aggregate: it takes no OVER",
                  call->function->name);
    window_merge(b, scope, expr->call->over, over);
    call->over = over;
    b->saw_window = true;
}

/* Calls that gather rows: what surrounds them, and where they may stand. */
static void bind_aggregate(struct binder *b, struct scope *scope, const struct sql_expr *expr,
                           struct bound_expr *call)
{
    const struct sql_orders *order =
        expr->call->within.count ? &expr->call->within : &expr->call->order;

    call->distinct = expr->call->distinct;
    call->ignore_nulls = expr->call->nulls == SQL_TREAT_IGNORE;
    if (expr->call->filter)
        call->filter = bind_condition(b, scope, expr->call->filter, "FILTER");
    if (order->count) {
        call->order = bind_orders(b, scope, order);
        call->order_count = order->count;
    }
}

/* A group and a window hold at least one row: MAX of what is never null is never null there. */
static void never_empty(struct binder *b, struct scope *scope, const struct sql_expr *expr,
                        struct bound_expr *call)
{
    const struct sql_select *select = scope ? scope->select : NULL;
    bool grouped = select && select->group_count && select->groups[0].kind == SQL_GROUP_EXPR;

    if (call->function->kind != FUNCTION_AGGREGATE || call->filter ||
        !(grouped || expr->call->over))
        return;
    for (size_t i = 0; i < call->arg_count; i++)
        if (call->args[i]->kind != BOUND_SYMBOL && call->args[i]->type->nullable)
            return;
    call->type = bind_nullable(b, call->type, false);
}

struct bound_expr *bind_param(struct binder *b, const struct sql_expr *expr)
{
    const char *name = expr->name.parts[0].text;
    int64_t number;

    if (expr->name.count != 1 || name[0] != '$' || slice_to_i64(slice_str(name + 1), &number))
        return NULL;
    if (number < 1 || (uint64_t)number > b->param_count)
        bind_fail(b, ERR_INVALID, expr->pos, "it takes %s and was given %zu arguments", name,
                  b->param_count);
    return b->params[number - 1];
}

/* A function of the script: the expression that stands for it, over the call's arguments. Its
 * mistakes are told where the call is. NULL: the script made none of this name. */
static struct bound_expr *bind_made(struct binder *b, struct scope *scope,
                                    const struct sql_expr *expr)
{
    const struct sql_resolver *r = b->resolver;
    const char *name = expr->name.parts[expr->name.count - 1].text, *view = b->view;
    struct bound_expr **params, **outer = b->params, *bound;
    size_t outer_count = b->param_count;
    const struct sql_expr *body = NULL;
    struct err why = {0};
    int rc = r && r->function ? r->function(r->arg, name, &body, &why) : ERR_NOENT;

    if (rc == ERR_NOENT)
        return NULL;
    if (rc)
        bind_fail(b, rc, expr->pos, "%s", why.text);
    params = BIND_ARRAY(b, struct bound_expr *, expr->args.count + 1);
    for (size_t i = 0; i < expr->args.count; i++)
        params[i] = bind_expr(b, scope, expr->args.list[i]);
    if (!view) {
        b->view = name;
        b->view_pos = expr->pos;
    }
    b->params = params;
    b->param_count = expr->args.count;
    bound = bind_expr(b, NULL, body);
    b->params = outer;
    b->param_count = outer_count;
    b->view = view;
    return bound;
}

struct bound_expr *bind_call(struct binder *b, struct scope *scope, const struct sql_expr *expr)
{
    const char *name = upper_name(b, &expr->name);
    struct arguments args = {0};
    struct bound_expr *call;
    bool inside = b->in_aggregate, over = expr->call->over != NULL;
    const struct sql_function *known;
    size_t count;
    bool aggregate = false, built_in = false;

    if (expr->args.count > ARGS_MAX)
        bind_fail(b, ERR_LIMIT, expr->pos, "more than %d arguments", ARGS_MAX);
    call = bind_group_window_call(b, scope, expr, name);
    if (call)
        return call;
    known = sql_functions(&count);
    for (size_t i = 0; i < count && !built_in; i++)
        built_in = !strcmp(known[i].name, name);
    call = built_in ? NULL : bind_made(b, scope, expr);
    if (call)
        return call;
    for (size_t i = 0; i < count && !aggregate; i++)
        aggregate = !strcmp(known[i].name, name) && known[i].kind == FUNCTION_AGGREGATE && !over;
    if (aggregate && inside)
        bind_fail(b, ERR_INVALID, expr->pos, "an aggregate inside an aggregate: %s", name);
    if (aggregate && b->aggregates_in)
        bind_fail(b, ERR_INVALID, expr->pos, "%s takes no aggregate: %s", b->aggregates_in, name);
    b->in_aggregate = inside || aggregate;
    args.list = BIND_ARRAY(b, struct bound_expr *, expr->args.count + 8);
    call_arguments(b, scope, expr, name, &args);
    call = bind_function(b, expr->pos, name, args.list, args.count);
    if (call->function->kind == FUNCTION_AGGREGATE || call->function->kind == FUNCTION_WINDOW) {
        bind_aggregate(b, scope, expr, call);
        never_empty(b, scope, expr, call);
    } else if (expr->call->distinct || expr->call->filter)
        bind_fail(b, ERR_INVALID, expr->pos, "%s is no aggregate: it takes no DISTINCT or FILTER",
                  name);
    b->in_aggregate = inside;
    if (call->function->kind == FUNCTION_TABLE)
        bind_fail(b, ERR_UNSUPPORTED, expr->pos, "%s on its own is not built yet", name);
    if (over)
        bind_over(b, scope, expr, call);
    else if (call->function->kind == FUNCTION_WINDOW)
        bind_fail(b, ERR_INVALID, expr->pos, "%s needs OVER (...)", name);
    b->saw_aggregate = b->saw_aggregate || aggregate;
    if (expr->call->form == SQL_CALL_JSON_VALUE && expr->call->returning)
        call = bind_convert(b, call, bind_nullable(b, expr->call->returning, true));
    return call;
}
