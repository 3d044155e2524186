/* bind_window.c - TABLE(TUMBLE(...)), HOP and CUMULATE: the windowing table functions.
 *
 * A call is rewritten, before it is bound, into what it means for rows that are all there:
 *     SELECT t.*, w.window_start, w.window_end, $WINDOW_TIME(t.ts, w.window_end) AS window_time
 *     FROM t CROSS JOIN UNNEST($TUMBLE(CAST(t.ts AS TIMESTAMP(6)), size, offset)) AS w
 * so that names, types and errors are those of any query. A row without a time lies in no window.
 * What was called stays with the bound source, for streams.
 * Source: Flink 1.20, "Windowing table-valued functions (Windowing TVFs)".
 */
#include "sql/bound.h"

#define WIN "$w" /* a name no one else gives: a dollar needs quotes */

/* Arguments by position; those behind `least` may be left out. */
static const struct tvf {
    const char *name, *function;
    enum bound_window_kind kind;
    const char *args[5];
    size_t count, least;
} tvfs[] = {
    {"TUMBLE", "$TUMBLE", BOUND_TUMBLE, {"DATA", "TIMECOL", "SIZE", "OFFSET"}, 4, 3},
    {"HOP", "$HOP", BOUND_HOP, {"DATA", "TIMECOL", "SLIDE", "SIZE", "OFFSET"}, 5, 4},
    {"CUMULATE", "$CUMULATE", BOUND_CUMULATE, {"DATA", "TIMECOL", "STEP", "SIZE", "OFFSET"}, 5, 4},
    {"SESSION", "$SESSION", BOUND_SESSION, {"DATA", "TIMECOL", "GAP"}, 3, 3},
};

struct tvf_call {
    struct binder *b;
    const struct tvf *tvf;
    struct sql_pos pos;
    const struct sql_expr *args[5]; /* in the order of tvf->args; NULL: left out */
    const char *rows;               /* what the table is called inside */
};

/* ---- arguments ------------------------------------------------------------------------------- */

static size_t arg_named(const struct tvf_call *c, const struct sql_expr *expr)
{
    const char *name = expr->name.parts[0].text;

    for (size_t i = 0; i < c->tvf->count; i++)
        if (slice_ieq(slice_str(name), slice_str(c->tvf->args[i])))
            return i;
    bind_fail(c->b, ERR_INVALID, expr->pos, "%s has no argument %s: it takes %s, %s, %s ...",
              c->tvf->name, name, c->tvf->args[0], c->tvf->args[1], c->tvf->args[2]);
}

static void take_args(struct tvf_call *c, const struct sql_exprs *args)
{
    for (size_t i = 0; i < args->count; i++) {
        const struct sql_expr *arg = args->list[i];
        bool named = arg->kind == SQL_EXPR_NAMED;
        size_t at = named ? arg_named(c, arg) : i;

        if (at >= c->tvf->count || c->args[at])
            bind_fail(c->b, ERR_INVALID, arg->pos, "%s takes %zu to %zu arguments", c->tvf->name,
                      c->tvf->least, c->tvf->count);
        c->args[at] = named ? arg->args.list[0] : arg;
    }
    for (size_t i = 0; i < c->tvf->least; i++)
        if (!c->args[i])
            bind_fail(c->b, ERR_INVALID, c->pos, "%s: the argument %s is missing", c->tvf->name,
                      c->tvf->args[i]);
    if (c->args[0]->kind != SQL_EXPR_TABLE)
        bind_fail(c->b, ERR_INVALID, c->args[0]->pos, "%s(TABLE t, ...): a table is wanted here",
                  c->tvf->name);
    if ((c->args[0]->table->partition.count && c->tvf->kind != BOUND_SESSION) ||
        c->args[0]->table->order.count)
        bind_fail(c->b, ERR_INVALID, c->args[0]->pos,
                  "%s takes no PARTITION BY: keys stand in GROUP BY", c->tvf->name);
    if (c->args[1]->kind != SQL_EXPR_DESCRIPTOR || c->args[1]->args.count != 1)
        bind_fail(c->b, ERR_INVALID, c->args[1]->pos, "DESCRIPTOR(column) is wanted here");
}

/* Of a literal INTERVAL, in microseconds. */
static int64_t interval_of(const struct tvf_call *c, size_t arg)
{
    struct scope none = {0};
    struct bound_expr *bound;
    int64_t micros;

    if (!c->args[arg])
        return 0;
    bound = bind_expr(c->b, &none, c->args[arg]);
    if (bound->kind != BOUND_LITERAL || bound->literal != SQL_LIT_INTERVAL ||
        bound->type->kind != SQL_INTERVAL_DS || slice_to_i64(slice_str(bound->text), &micros))
        bind_fail(c->b, ERR_INVALID, c->args[arg]->pos,
                  "%s is an interval of days, hours, minutes or seconds: INTERVAL '5' MINUTES",
                  c->tvf->args[arg]);
    return micros;
}

static struct bound_tvf *window_of(const struct tvf_call *c)
{
    struct bound_tvf *w = BIND_NEW(c->b, struct bound_tvf);
    size_t size = c->tvf->kind == BOUND_TUMBLE || c->tvf->kind == BOUND_SESSION ? 2 : 3;

    w->kind = c->tvf->kind;
    w->size_us = interval_of(c, size);
    w->slide_us = size == 2 ? w->size_us : interval_of(c, 2);
    w->offset_us = size + 1 < c->tvf->count ? interval_of(c, size + 1) : 0;
    for (size_t i = 2; i <= size; i++)
        if (interval_of(c, i) <= 0)
            bind_fail(c->b, ERR_INVALID, c->args[i]->pos, "%s must be longer than nothing",
                      c->tvf->args[i]);
    if (c->tvf->kind == BOUND_CUMULATE && w->size_us % w->slide_us)
        bind_fail(c->b, ERR_INVALID, c->args[size]->pos, "SIZE must be a multiple of STEP");
    return w;
}

/* ---- the query it stands for ----------------------------------------------------------------- */

static struct sql_expr *node(const struct tvf_call *c, enum sql_expr_kind kind)
{
    struct sql_expr *expr = BIND_NEW(c->b, struct sql_expr);

    expr->kind = kind;
    expr->pos = c->pos;
    return expr;
}

static struct sql_name name_of(const struct tvf_call *c, const char *first, const char *second)
{
    struct sql_name name = {BIND_ARRAY(c->b, struct sql_ident, 2), second ? 2 : 1};

    name.parts[0] = (struct sql_ident){.text = first, .pos = c->pos};
    if (second)
        name.parts[1] = (struct sql_ident){.text = second, .pos = c->pos};
    return name;
}

static struct sql_expr *column(const struct tvf_call *c, const char *table, const char *name)
{
    struct sql_expr *expr = node(c, SQL_EXPR_COLUMN);

    expr->name = name_of(c, table, name);
    return expr;
}

static struct sql_expr *time_column(const struct tvf_call *c)
{
    const struct sql_name *given = &c->args[1]->args.list[0]->name;
    struct sql_expr *expr = column(c, c->rows, NULL);

    expr->name.parts[1] = given->parts[given->count - 1];
    expr->name.count = 2;
    expr->pos = expr->name.parts[0].pos = expr->name.parts[1].pos;
    return expr;
}

static struct sql_expr *call(const struct tvf_call *c, const char *function, size_t count)
{
    struct sql_expr *expr = node(c, SQL_EXPR_CALL);

    expr->name = name_of(c, function, NULL);
    expr->call = BIND_NEW(c->b, struct sql_call);
    expr->args = (struct sql_exprs){BIND_ARRAY(c->b, struct sql_expr *, count), count};
    return expr;
}

static struct sql_expr *number(const struct tvf_call *c, int64_t value)
{
    struct sql_expr *expr = node(c, SQL_EXPR_LITERAL);

    expr->literal = SQL_LIT_EXACT;
    expr->text = arena_printf(c->b->arena, "%" PRId64, value);
    if (!expr->text)
        bind_nomem(c->b);
    return expr;
}

static struct sql_expr *windows_call(const struct tvf_call *c, const struct bound_tvf *w)
{
    struct sql_expr *expr = call(c, c->tvf->function, 4), *local = node(c, SQL_EXPR_CAST);
    struct sql_type *type = BIND_NEW(c->b, struct sql_type);

    *type = (struct sql_type){.kind = SQL_TIMESTAMP, .nullable = true, .precision = 6};
    local->type = type;
    local->args = (struct sql_exprs){BIND_ARRAY(c->b, struct sql_expr *, 1), 1};
    local->args.list[0] = time_column(c);
    expr->args.list[0] = local;
    expr->args.list[1] = number(c, w->slide_us);
    expr->args.list[2] = number(c, w->size_us);
    expr->args.list[3] = number(c, w->offset_us);
    return expr;
}

static struct sql_from *from_rows(const struct tvf_call *c)
{
    const struct sql_table_arg *table = c->args[0]->table;
    struct sql_from *from = BIND_NEW(c->b, struct sql_from);

    from->kind = table->query ? SQL_FROM_QUERY : SQL_FROM_TABLE;
    from->pos = c->args[0]->pos;
    from->name = table->name;
    from->query = table->query;
    from->alias = (struct sql_ident){.text = c->rows, .pos = c->pos};
    return from;
}

static struct sql_from *from_windows(const struct tvf_call *c, const struct bound_tvf *w)
{
    struct sql_from *join = BIND_NEW(c->b, struct sql_from),
                    *unnest = BIND_NEW(c->b, struct sql_from);

    unnest->kind = SQL_FROM_UNNEST;
    unnest->pos = c->pos;
    unnest->alias = (struct sql_ident){.text = WIN, .pos = c->pos};
    unnest->args = (struct sql_exprs){BIND_ARRAY(c->b, struct sql_expr *, 1), 1};
    unnest->args.list[0] = windows_call(c, w);
    join->kind = SQL_FROM_JOIN;
    join->pos = c->pos;
    join->join = SQL_JOIN_CROSS;
    join->left = from_rows(c);
    join->right = unnest;
    return join;
}

static struct sql_query *query_of(const struct tvf_call *c, const struct bound_tvf *w)
{
    struct sql_query *query = BIND_NEW(c->b, struct sql_query);
    struct sql_body *body = BIND_NEW(c->b, struct sql_body);
    struct sql_select *select = BIND_NEW(c->b, struct sql_select);
    struct sql_expr *star = node(c, SQL_EXPR_STAR), *time = call(c, "$WINDOW_TIME", 2);

    star->name = name_of(c, c->rows, NULL);
    time->args.list[0] = time_column(c);
    time->args.list[1] = column(c, WIN, "window_end");
    select->pos = body->pos = query->pos = c->pos;
    select->item_count = 4;
    select->items = BIND_ARRAY(c->b, struct sql_item, 4);
    select->items[0].expr = star;
    select->items[1].expr = column(c, WIN, "window_start");
    select->items[2].expr = column(c, WIN, "window_end");
    select->items[3].expr = time;
    select->items[3].alias = (struct sql_ident){.text = "window_time", .pos = c->pos};
    select->from = from_windows(c, w);
    body->kind = SQL_BODY_SELECT;
    body->select = select;
    query->body = body;
    return query;
}

static size_t output_named(struct binder *b, const struct sql_bound *bound,
                           const struct sql_expr *column)
{
    const struct sql_ident *name = &column->name.parts[column->name.count - 1];

    for (size_t i = 0; column->kind == SQL_EXPR_COLUMN && i < bound->output_count; i++)
        if (!strcmp(bound->outputs[i].name, name->text))
            return i;
    bind_fail(b, ERR_INVALID, column->pos, "PARTITION BY takes columns of the table");
}

/* PARTITION BY of a SESSION, as columns of its rows. */
static void take_partition(const struct tvf_call *c, const struct sql_bound *bound,
                           struct bound_tvf *w)
{
    const struct sql_exprs *keys = &c->args[0]->table->partition;

    if (w->kind == BOUND_SESSION && !c->b->streams)
        bind_fail(c->b, ERR_UNSUPPORTED, c->pos,
                  "SESSION over a table at rest is not built yet: a stream has it, INSERT INTO");
    w->keys = BIND_ARRAY(c->b, size_t, keys->count + 1);
    for (size_t i = 0; i < keys->count; i++)
        w->keys[w->key_count++] = output_named(c->b, bound, keys->list[i]);
}

static _Noreturn void no_table_function(struct binder *b, struct sql_pos pos, const char *name)
{
    const struct sql_resolver *r = b->resolver;
    const struct sql_expr *body;
    struct err why = {0};
    int rc = r && r->function ? r->function(r->arg, name, &body, &why) : ERR_NOENT;

    if (!rc)
        bind_fail(b, ERR_UNSUPPORTED, pos, "%s is an expression of tarn.yaml: it gives no table",
                  name);
    if (rc != ERR_NOENT)
        bind_fail(b, rc, pos, "%s", why.text);
    bind_fail(b, ERR_UNSUPPORTED, pos, "the table function %s is not built yet", name);
}

struct sql_bound *bind_tvf(struct binder *b, struct scope *outer, const struct sql_from *from,
                           struct bound_tvf **window)
{
    const struct sql_expr *function = from->function;
    const char *name = function->name.parts[function->name.count - 1].text;
    struct tvf_call c = {.b = b, .pos = from->pos};
    struct sql_bound *bound;

    for (size_t i = 0; i < COUNT_OF(tvfs); i++)
        if (function->name.count == 1 && slice_ieq(slice_str(name), slice_str(tvfs[i].name)))
            c.tvf = &tvfs[i];
    if (!c.tvf)
        no_table_function(b, from->pos, name);
    take_args(&c, &function->args);
    c.rows = "$t";
    if (!c.args[0]->table->query)
        c.rows = c.args[0]->table->name.parts[c.args[0]->table->name.count - 1].text;
    *window = window_of(&c);
    bound = bind_query(b, outer, query_of(&c, *window));
    name = c.args[1]->args.list[0]->name.parts[c.args[1]->args.list[0]->name.count - 1].text;
    while (strcmp(bound->outputs[(*window)->time_column].name, name) != 0)
        (*window)->time_column++;
    take_partition(&c, bound, *window);
    bound->from->right->tvf = *window;
    return bound;
}
