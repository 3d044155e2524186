/* bind.c - the binder's ground: memory, errors, depth, the ways in. Like the parser it leaves by
 * longjmp, and for the same reason: all it holds is in the arena.
 */
#include <stdio.h>

#include "sql/bound.h"

#define BIND_DEPTH_MAX 1000

_Noreturn void bind_fail(struct binder *b, int code, struct sql_pos pos, const char *fmt, ...)
{
    char text[420];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (b->view)
        b->rc = err_set(b->err, code, "line %u, column %u: %s (line %u of the %s `%s`)",
                        b->view_pos.line, b->view_pos.column, text, pos.line,
                        b->params ? "function" : "view", b->view);
    else
        b->rc = err_set(b->err, code, "line %u, column %u: %s", pos.line, pos.column, text);
    longjmp(b->fail, 1);
}

_Noreturn void bind_nomem(struct binder *b)
{
    b->rc = err_set(b->err, ERR_NOMEM, "out of memory while binding SQL");
    longjmp(b->fail, 1);
}

void *bind_alloc(struct binder *b, size_t size)
{
    void *ptr = arena_alloc(b->arena, size);

    if (!ptr)
        bind_nomem(b);
    return ptr;
}

void *bind_array(struct binder *b, size_t count, size_t size)
{
    void *ptr = arena_array(b->arena, count, size);

    if (!ptr)
        bind_nomem(b);
    return ptr;
}

bool bind_view_enter(struct binder *b, const char *view, struct sql_pos pos)
{
    if (b->view || !view)
        return false;
    b->view = view;
    b->view_pos = pos;
    return true;
}

void bind_view_leave(struct binder *b, bool outermost)
{
    if (outermost)
        b->view = NULL;
}

void bind_enter(struct binder *b, struct sql_pos pos)
{
    if (++b->depth > BIND_DEPTH_MAX)
        bind_fail(b, ERR_LIMIT, pos, "nested more than %d levels deep", BIND_DEPTH_MAX);
}

void bind_leave(struct binder *b)
{
    b->depth--;
}

const char *bind_type_text(struct binder *b, const struct sql_type *type)
{
    const char *text = sql_type_text(b->arena, type);

    if (!text)
        bind_nomem(b);
    return text;
}

const struct sql_type *bind_nullable(struct binder *b, const struct sql_type *type, bool nullable)
{
    type = sql_type_nullable(b->arena, type, nullable);
    if (!type)
        bind_nomem(b);
    return type;
}

int bind_run(const struct sql_resolver *resolver, struct arena *arena, struct err *err,
             void (*step)(struct binder *b, void *arg), void *arg)
{
    struct binder *b = ARENA_NEW(arena, struct binder);

    if (!b)
        return err_set(err, ERR_NOMEM, "out of memory while binding SQL");
    b->arena = arena;
    b->resolver = resolver;
    b->err = err;
    if (setjmp(b->fail))
        return b->rc;
    step(b, arg);
    return 0;
}

/* ---- constants that no statement has --------------------------------------------------------- */

struct bound_expr *bound_truth(struct binder *b, struct sql_pos pos, bool value)
{
    struct bound_expr *expr =
        bound_new(b, BOUND_LITERAL, pos, bind_nullable(b, &sql_type_boolean, false));

    expr->literal = SQL_LIT_BOOLEAN;
    expr->text = value ? "TRUE" : "FALSE";
    return expr;
}

struct bound_expr *bound_int(struct binder *b, struct sql_pos pos, int64_t value)
{
    struct bound_expr *expr =
        bound_new(b, BOUND_LITERAL, pos, bind_nullable(b, &sql_type_bigint, false));

    expr->literal = SQL_LIT_EXACT;
    expr->text = arena_printf(b->arena, "%" PRId64, value);
    if (!expr->text)
        bind_nomem(b);
    return expr;
}

/* ---- queries --------------------------------------------------------------------------------- */

struct query_step {
    const struct sql_query *query;
    struct sql_bound *bound;
    bool streams;
};

static void query_step(struct binder *b, void *arg)
{
    struct query_step *step = arg;

    b->streams = step->streams;
    step->bound = bind_query(b, NULL, step->query);
    step->bound->tables = b->tables;
    step->bound->table_count = b->table_count;
    step->bound->time_zone = b->resolver && b->resolver->time_zone ? b->resolver->time_zone : "UTC";
    step->bound->database = b->resolver ? b->resolver->database : NULL;
}

int sql_bind_query(const struct sql_query *query, const struct sql_resolver *resolver,
                   struct arena *arena, struct sql_bound **out, struct err *err)
{
    struct query_step step = {.query = query};
    int rc = bind_run(resolver, arena, err, query_step, &step);

    *out = step.bound;
    return rc;
}

int sql_bind_stream_query(const struct sql_query *query, const struct sql_resolver *resolver,
                          struct arena *arena, struct sql_bound **out, struct err *err)
{
    struct query_step step = {.query = query, .streams = true};
    int rc = bind_run(resolver, arena, err, query_step, &step);

    *out = step.bound;
    return rc;
}

const struct sql_output *sql_bound_outputs(const struct sql_bound *bound, size_t *count)
{
    *count = bound->output_count;
    return bound->outputs;
}

const struct sql_table *const *sql_bound_tables(const struct sql_bound *bound, size_t *count)
{
    *count = bound->table_count;
    return (const struct sql_table *const *)bound->tables;
}
