/* print_flink_expr.c - expressions of the syntax tree as Flink's text, with as few parentheses as
 * the precedences of parser_expr.c allow.
 */
#include "sql/print_flink.h"

enum { PREC_ANY = 0, PREC_ABOVE_IN = 33, PREC_UNARY = 80, PREC_PRIMARY = 100 };

static const struct {
    const char *text;
    int prec;
} ops[SQL_OP_COUNT] = {
    [SQL_OP_OR] = {"OR", 22},
    [SQL_OP_AND] = {"AND", 24},
    [SQL_OP_NOT] = {"NOT ", 26},
    [SQL_OP_EQ] = {"=", 30},
    [SQL_OP_NE] = {"<>", 30},
    [SQL_OP_LT] = {"<", 30},
    [SQL_OP_LE] = {"<=", 30},
    [SQL_OP_GT] = {">", 30},
    [SQL_OP_GE] = {">=", 30},
    [SQL_OP_PLUS] = {"+", 40},
    [SQL_OP_MINUS] = {"-", 40},
    [SQL_OP_TIMES] = {"*", 60},
    [SQL_OP_DIVIDE] = {"/", 60},
    [SQL_OP_MODULO] = {"%", 60},
    [SQL_OP_CONCAT] = {"||", 60},
    [SQL_OP_POSITIVE] = {"+", 80},
    [SQL_OP_NEGATIVE] = {"-", 80},
    [SQL_OP_LIKE] = {"LIKE", 32},
    [SQL_OP_SIMILAR] = {"SIMILAR TO", 32},
    [SQL_OP_OVERLAPS] = {"OVERLAPS", 30},
    [SQL_OP_CONTAINS] = {"CONTAINS", 30},
    [SQL_OP_EQUALS] = {"EQUALS", 30},
    [SQL_OP_PRECEDES] = {"PRECEDES", 30},
    [SQL_OP_SUCCEEDS] = {"SUCCEEDS", 30},
    [SQL_OP_IMMEDIATELY_PRECEDES] = {"IMMEDIATELY PRECEDES", 30},
    [SQL_OP_IMMEDIATELY_SUCCEEDS] = {"IMMEDIATELY SUCCEEDS", 30},
    [SQL_OP_MEMBER_OF] = {"MEMBER OF", 30},
    [SQL_OP_SUBMULTISET_OF] = {"SUBMULTISET OF", 30},
    [SQL_OP_MULTISET_UNION] = {"MULTISET UNION", 14},
    [SQL_OP_MULTISET_UNION_ALL] = {"MULTISET UNION ALL", 14},
    [SQL_OP_MULTISET_INTERSECT] = {"MULTISET INTERSECT", 14},
    [SQL_OP_MULTISET_INTERSECT_ALL] = {"MULTISET INTERSECT ALL", 14},
    [SQL_OP_MULTISET_EXCEPT] = {"MULTISET EXCEPT", 14},
    [SQL_OP_MULTISET_EXCEPT_ALL] = {"MULTISET EXCEPT ALL", 14},
};

static int precedence(const struct sql_expr *expr)
{
    switch (expr->kind) {
    case SQL_EXPR_UNARY:
    case SQL_EXPR_BINARY:
    case SQL_EXPR_LIKE:
    case SQL_EXPR_QUANTIFIED:
        return ops[expr->op].prec;
    case SQL_EXPR_BETWEEN:
    case SQL_EXPR_IN:
        return 32;
    case SQL_EXPR_IS:
        return expr->is == SQL_IS_DISTINCT ? 30 : 28;
    default:
        return PREC_PRIMARY;
    }
}

void flink_expr_at(struct flink *f, const struct sql_expr *expr, int prec)
{
    int own = precedence(expr);
    bool wrap = own < prec || (f->parentheses && own < PREC_PRIMARY);

    flink_put(f, wrap ? "(" : "");
    flink_expr(f, expr);
    flink_put(f, wrap ? ")" : "");
}

void flink_exprs(struct flink *f, const struct sql_exprs *list, const char *sep)
{
    for (size_t i = 0; i < list->count; i++) {
        flink_put(f, i ? sep : "");
        flink_expr_at(f, list->list[i], PREC_ANY);
    }
}

void flink_orders(struct flink *f, const struct sql_orders *orders)
{
    for (size_t i = 0; i < orders->count; i++) {
        const struct sql_order *order = &orders->list[i];

        flink_put(f, i ? ", " : "");
        flink_expr_at(f, order->expr, PREC_ANY);
        flink_put(f, order->descending ? " DESC" : order->ascending_written ? " ASC" : "");
        if (order->nulls)
            flink_put(f, order->nulls == SQL_NULLS_FIRST ? " NULLS FIRST" : " NULLS LAST");
    }
}

/* ---- windows --------------------------------------------------------------------------------- */

static void print_bound(struct flink *f, const struct sql_frame_bound *bound)
{
    static const char *const texts[] = {
        [SQL_BOUND_NONE] = "",
        [SQL_BOUND_UNBOUNDED_PRECEDING] = "UNBOUNDED PRECEDING",
        [SQL_BOUND_PRECEDING] = " PRECEDING",
        [SQL_BOUND_CURRENT_ROW] = "CURRENT ROW",
        [SQL_BOUND_FOLLOWING] = " FOLLOWING",
        [SQL_BOUND_UNBOUNDED_FOLLOWING] = "UNBOUNDED FOLLOWING",
    };

    if (bound->expr)
        flink_expr_at(f, bound->expr, PREC_ANY);
    flink_put(f, texts[bound->kind]);
}

void flink_window(struct flink *f, const struct sql_window *window)
{
    const char *sep = "";

    flink_put(f, "(");
    if (window->name.text) {
        flink_ident(f, &window->name);
        sep = " ";
    }
    if (window->partition.count) {
        flink_fmt(f, "%sPARTITION BY ", sep);
        flink_exprs(f, &window->partition, ", ");
        sep = " ";
    }
    if (window->order.count) {
        flink_fmt(f, "%sORDER BY ", sep);
        flink_orders(f, &window->order);
        sep = " ";
    }
    if (window->frame != SQL_FRAME_NONE) {
        flink_fmt(f, "%s%s ", sep, window->frame == SQL_FRAME_ROWS ? "ROWS" : "RANGE");
        flink_put(f, window->high.kind ? "BETWEEN " : "");
        print_bound(f, &window->low);
        if (window->high.kind) {
            flink_put(f, " AND ");
            print_bound(f, &window->high);
        }
        sep = " ";
    }
    if (window->partial)
        flink_fmt(f, "%s%s PARTIAL", sep,
                  window->partial == SQL_PARTIAL_ALLOW ? "ALLOW" : "DISALLOW");
    flink_put(f, ")");
}

/* ---- literals -------------------------------------------------------------------------------- */

static void print_literal(struct flink *f, const struct sql_expr *expr)
{
    switch (expr->literal) {
    case SQL_LIT_NULL:
        flink_put(f, "NULL");
        break;
    case SQL_LIT_STRING:
        flink_string(f, expr->text, expr->count_bytes);
        break;
    case SQL_LIT_BINARY:
        flink_put(f, "X");
        flink_text(f, expr->text);
        break;
    case SQL_LIT_DATE:
        flink_put(f, "DATE ");
        flink_text(f, expr->text);
        break;
    case SQL_LIT_TIME:
        flink_put(f, "TIME ");
        flink_text(f, expr->text);
        break;
    case SQL_LIT_TIMESTAMP:
        flink_put(f, "TIMESTAMP ");
        flink_text(f, expr->text);
        break;
    case SQL_LIT_INTERVAL: {
        struct sql_type type = *expr->type;
        struct buf units;

        flink_put(f, expr->negative ? "INTERVAL -" : "INTERVAL ");
        flink_text(f, expr->text);
        type.nullable = true;
        buf_init(&units, 0);
        if (!f->rc)
            f->rc = sql_type_print(&type, &units); /* "INTERVAL DAY(3)": without the first word */
        if (!f->rc)
            f->rc = buf_append(f->out, units.ptr + 8, units.len - 8);
        buf_deinit(&units);
        break;
    }
    default:
        flink_put(f, expr->text);
    }
}

/* ---- calls ----------------------------------------------------------------------------------- */

static void print_behaviors(struct flink *f, const struct sql_call *call)
{
    static const char *const texts[] = {
        [SQL_JSON_NULL] = "NULL",
        [SQL_JSON_ERROR] = "ERROR",
        [SQL_JSON_DEFAULT] = "DEFAULT ",
        [SQL_JSON_EMPTY_ARRAY] = "EMPTY ARRAY",
        [SQL_JSON_EMPTY_OBJECT] = "EMPTY OBJECT",
        [SQL_JSON_TRUE] = "TRUE",
        [SQL_JSON_FALSE] = "FALSE",
        [SQL_JSON_UNKNOWN] = "UNKNOWN",
    };

    if (call->on_empty) {
        flink_fmt(f, " %s", texts[call->on_empty]);
        if (call->empty_default)
            flink_expr_at(f, call->empty_default, PREC_ANY);
        flink_put(f, " ON EMPTY");
    }
    if (call->on_error) {
        flink_fmt(f, " %s", texts[call->on_error]);
        if (call->error_default)
            flink_expr_at(f, call->error_default, PREC_ANY);
        flink_put(f, " ON ERROR");
    }
}

static void print_json_path(struct flink *f, const struct sql_expr *expr)
{
    static const char *const wrappers[] = {
        [SQL_WRAPPER_WITHOUT] = " WITHOUT WRAPPER",
        [SQL_WRAPPER_WITHOUT_ARRAY] = " WITHOUT ARRAY WRAPPER",
        [SQL_WRAPPER_CONDITIONAL] = " WITH CONDITIONAL ARRAY WRAPPER",
        [SQL_WRAPPER_UNCONDITIONAL] = " WITH UNCONDITIONAL ARRAY WRAPPER",
    };
    const struct sql_call *call = expr->call;

    flink_expr_at(f, expr->args.list[0], PREC_ANY);
    flink_put(f, call->json_format ? " FORMAT JSON, " : ", ");
    flink_expr_at(f, expr->args.list[1], PREC_ANY);
    if (call->returning) {
        flink_put(f, " RETURNING ");
        flink_type(f, call->returning);
    }
    if (call->wrapper)
        flink_put(f, wrappers[call->wrapper]);
    print_behaviors(f, call);
}

static void print_json_values(struct flink *f, const struct sql_expr *expr)
{
    const struct sql_call *call = expr->call;
    bool pairs = call->form == SQL_CALL_JSON_OBJECT || call->form == SQL_CALL_JSON_OBJECTAGG;

    for (size_t i = 0; i < expr->args.count; i++) {
        flink_put(f, pairs && i % 2 ? " VALUE " : i ? ", " : "");
        flink_put(f, pairs && i % 2 == 0 ? "KEY " : "");
        flink_expr_at(f, expr->args.list[i], PREC_ANY);
    }
    if (call->order.count) {
        flink_put(f, " ORDER BY ");
        flink_orders(f, &call->order);
    }
    if (call->on_null)
        flink_fmt(f, "%s%s ON NULL", expr->args.count ? " " : "",
                  call->on_null == SQL_ON_NULL_NULL ? "NULL" : "ABSENT");
    if (call->returning) {
        flink_put(f, " RETURNING ");
        flink_type(f, call->returning);
    }
}

/* a WORD b WORD c */
static void print_worded(struct flink *f, const struct sql_expr *expr, const char *const *words)
{
    for (size_t i = 0; i < expr->args.count; i++) {
        if (i)
            flink_put(f, words[i - 1]);
        flink_expr_at(f, expr->args.list[i],
                      expr->call->form == SQL_CALL_POSITION && i == 0 ? PREC_ABOVE_IN : PREC_ANY);
    }
}

static void print_trim(struct flink *f, const struct sql_expr *expr)
{
    const struct sql_exprs *args = &expr->args;

    flink_fmt(f, "%s%s", args->list[0]->text, args->list[0]->text[0] ? " " : "");
    if (args->count == 3)
        flink_expr_at(f, args->list[1], PREC_ANY);
    flink_put(f, args->count == 3 ? " FROM " : "FROM ");
    flink_expr_at(f, args->list[args->count - 1], PREC_ANY);
}

static void print_plain(struct flink *f, const struct sql_expr *expr)
{
    const struct sql_call *call = expr->call;

    flink_put(f, call->distinct ? "DISTINCT " : call->all ? "ALL " : "");
    flink_exprs(f, &expr->args, ", ");
    if (call->order.count) {
        flink_put(f, " ORDER BY ");
        flink_orders(f, &call->order);
    }
}

static void print_arguments(struct flink *f, const struct sql_expr *expr)
{
    static const char *const extract[] = {" FROM "}, *const position[] = {" IN ", " FROM "},
                             *const overlay[] = {" PLACING ", " FROM ", " FOR "},
                             *const substring[] = {" FROM ", " FOR "}, *const to[] = {" TO "},
                             *const convert[] = {" USING "};

    switch (expr->call->form) {
    case SQL_CALL_STAR:
        flink_put(f, "*");
        break;
    case SQL_CALL_EXTRACT:
        print_worded(f, expr, extract);
        break;
    case SQL_CALL_TRIM:
        print_trim(f, expr);
        break;
    case SQL_CALL_POSITION:
        print_worded(f, expr, position);
        break;
    case SQL_CALL_OVERLAY:
        print_worded(f, expr, overlay);
        break;
    case SQL_CALL_SUBSTRING:
        print_worded(f, expr, substring);
        break;
    case SQL_CALL_TO_UNIT:
        print_worded(f, expr, to);
        break;
    case SQL_CALL_CONVERT:
        print_worded(f, expr, convert);
        break;
    case SQL_CALL_JSON_EXISTS:
    case SQL_CALL_JSON_VALUE:
    case SQL_CALL_JSON_QUERY:
        print_json_path(f, expr);
        break;
    case SQL_CALL_JSON_OBJECT:
    case SQL_CALL_JSON_ARRAY:
    case SQL_CALL_JSON_OBJECTAGG:
    case SQL_CALL_JSON_ARRAYAGG:
        print_json_values(f, expr);
        break;
    default:
        print_plain(f, expr);
    }
}

static void print_tail(struct flink *f, const struct sql_call *call)
{
    if (call->within.count) {
        flink_put(f, " WITHIN GROUP (ORDER BY ");
        flink_orders(f, &call->within);
        flink_put(f, ")");
    }
    if (call->within_distinct) {
        flink_put(f, " WITHIN DISTINCT (");
        flink_exprs(f, &call->within_distinct_by, ", ");
        flink_put(f, ")");
    }
    if (call->nulls)
        flink_put(f, call->nulls == SQL_TREAT_RESPECT ? " RESPECT NULLS" : " IGNORE NULLS");
    if (call->filter) {
        flink_put(f, " FILTER (WHERE ");
        flink_expr_at(f, call->filter, PREC_ANY);
        flink_put(f, ")");
    }
    if (!call->over)
        return;
    flink_put(f, " OVER ");
    if (call->over->by_name)
        flink_ident(f, &call->over->name);
    else
        flink_window(f, call->over);
}

/* A function's word may be reserved: it is printed as it was written. */
static void print_function_name(struct flink *f, const struct sql_name *name)
{
    if (name->count == 1 && !name->parts[0].quoted)
        flink_put(f, name->parts[0].text);
    else
        flink_name(f, name);
}

static void print_call(struct flink *f, const struct sql_expr *expr)
{
    const struct sql_call *call = expr->call;

    if (call->semantics)
        flink_put(f, call->semantics == SQL_FINAL ? "FINAL " : "RUNNING ");
    print_function_name(f, &expr->name);
    if (call->form == SQL_CALL_BARE)
        return;
    flink_put(f, "(");
    print_arguments(f, expr);
    flink_put(f, ")");
    print_tail(f, call);
}

/* ---- operators ------------------------------------------------------------------------------- */

static void print_unary(struct flink *f, const struct sql_expr *expr)
{
    const struct sql_expr *arg = expr->args.list[0];
    bool sign = expr->op != SQL_OP_NOT;

    flink_put(f, ops[expr->op].text);
    /* Two signs in a row would begin a comment. */
    flink_expr_at(f, arg,
                  sign ? (arg->kind == SQL_EXPR_UNARY ? PREC_PRIMARY : PREC_UNARY)
                       : ops[expr->op].prec);
}

static void print_binary(struct flink *f, const struct sql_expr *expr)
{
    int prec = ops[expr->op].prec;
    bool flat = expr->op == SQL_OP_AND || expr->op == SQL_OP_OR;

    for (size_t i = 0; i < expr->args.count; i++) {
        if (i)
            flink_fmt(f, " %s ", ops[expr->op].text);
        flink_expr_at(f, expr->args.list[i], i || flat ? prec + 1 : prec);
    }
}

static void print_is(struct flink *f, const struct sql_expr *expr)
{
    static const char *const texts[] = {
        [SQL_IS_NULL] = "NULL",
        [SQL_IS_TRUE] = "TRUE",
        [SQL_IS_FALSE] = "FALSE",
        [SQL_IS_UNKNOWN] = "UNKNOWN",
        [SQL_IS_DISTINCT] = "DISTINCT FROM ",
        [SQL_IS_JSON_VALUE] = "JSON VALUE",
        [SQL_IS_JSON_OBJECT] = "JSON OBJECT",
        [SQL_IS_JSON_ARRAY] = "JSON ARRAY",
        [SQL_IS_JSON_SCALAR] = "JSON SCALAR",
        [SQL_IS_A_SET] = "A SET",
        [SQL_IS_EMPTY] = "EMPTY",
        [SQL_IS_NORMALIZED] = "NORMALIZED",
    };

    flink_expr_at(f, expr->args.list[0], precedence(expr));
    flink_fmt(f, " IS %s%s", expr->negated ? "NOT " : "", texts[expr->is]);
    if (expr->args.count > 1)
        flink_expr_at(f, expr->args.list[1], 31);
}

/* IN (a, b) or IN (query); the same for SOME, ANY, ALL. */
static void print_set(struct flink *f, const struct sql_expr *expr)
{
    flink_expr_at(f, expr->args.list[0], precedence(expr));
    if (expr->kind == SQL_EXPR_IN)
        flink_put(f, expr->negated ? " NOT IN (" : " IN (");
    else
        flink_fmt(f, " %s %s (", ops[expr->op].text,
                  expr->all    ? "ALL"
                  : expr->some ? "SOME"
                               : "ANY");
    if (expr->query)
        flink_query(f, expr->query);
    for (size_t i = 1; i < expr->args.count; i++) {
        flink_put(f, i > 1 ? ", " : "");
        flink_expr_at(f, expr->args.list[i], PREC_ANY);
    }
    flink_put(f, ")");
}

static void print_between(struct flink *f, const struct sql_expr *expr)
{
    flink_expr_at(f, expr->args.list[0], 32);
    flink_fmt(f, "%s BETWEEN %s", expr->negated ? " NOT" : "",
              expr->symmetric    ? "SYMMETRIC "
              : expr->asymmetric ? "ASYMMETRIC "
                                 : "");
    flink_expr_at(f, expr->args.list[1], PREC_ABOVE_IN);
    flink_put(f, " AND ");
    flink_expr_at(f, expr->args.list[2], PREC_ABOVE_IN);
}

static void print_like(struct flink *f, const struct sql_expr *expr)
{
    flink_expr_at(f, expr->args.list[0], 32);
    flink_fmt(f, "%s %s ", expr->negated ? " NOT" : "", ops[expr->op].text);
    flink_expr_at(f, expr->args.list[1], PREC_ABOVE_IN);
    if (expr->args.count > 2) {
        flink_put(f, " ESCAPE ");
        flink_expr_at(f, expr->args.list[2], PREC_ABOVE_IN);
    }
}

/* ---- structures ------------------------------------------------------------------------------ */

static void print_case(struct flink *f, const struct sql_expr *expr)
{
    size_t i = 0, end = expr->args.count - expr->has_else;

    flink_put(f, "CASE");
    if (expr->has_value) {
        flink_put(f, " ");
        flink_expr_at(f, expr->args.list[i++], PREC_ANY);
    }
    for (; i < end; i += 2) {
        const struct sql_expr *when = expr->args.list[i];

        flink_put(f, " WHEN ");
        if (when->kind == SQL_EXPR_ROW && when->any)
            flink_exprs(f, &when->args, ", ");
        else
            flink_expr_at(f, when, PREC_ANY);
        flink_put(f, " THEN ");
        flink_expr_at(f, expr->args.list[i + 1], PREC_ANY);
    }
    if (expr->has_else) {
        flink_put(f, " ELSE ");
        flink_expr_at(f, expr->args.list[i], PREC_ANY);
    }
    flink_put(f, " END");
}

static void print_cast(struct flink *f, const struct sql_expr *expr)
{
    flink_put(f, expr->try_cast ? "TRY_CAST(" : "CAST(");
    flink_expr_at(f, expr->args.list[0], PREC_ANY);
    flink_put(f, " AS ");
    flink_type(f, expr->type);
    if (expr->format) {
        flink_put(f, " FORMAT ");
        flink_text(f, expr->format);
    }
    flink_put(f, ")");
}

static void print_collection(struct flink *f, const struct sql_expr *expr, const char *word)
{
    flink_put(f, word);
    flink_put(f, expr->query ? "(" : "[");
    if (expr->query)
        flink_query(f, expr->query);
    else
        flink_exprs(f, &expr->args, ", ");
    flink_put(f, expr->query ? ")" : "]");
}

/* What stands before .field and [item]: a name before a dot would become one name with it. */
static void print_base(struct flink *f, const struct sql_expr *base, bool dot)
{
    bool plain = (base->kind == SQL_EXPR_CALL && base->call->form != SQL_CALL_BARE &&
                  !base->call->over && !base->call->filter) ||
                 base->kind == SQL_EXPR_ITEM || base->kind == SQL_EXPR_FIELD ||
                 (base->kind == SQL_EXPR_COLUMN && !dot);

    flink_put(f, plain ? "" : "(");
    flink_expr(f, base);
    flink_put(f, plain ? "" : ")");
}

static void print_table_arg(struct flink *f, const struct sql_table_arg *table)
{
    flink_put(f, "TABLE ");
    if (table->query) {
        flink_put(f, "(");
        flink_query(f, table->query);
        flink_put(f, ")");
    } else {
        flink_name(f, &table->name);
    }
    if (table->partition.count) {
        flink_put(f, " PARTITION BY (");
        flink_exprs(f, &table->partition, ", ");
        flink_put(f, ")");
    }
    if (table->order.count) {
        flink_put(f, " ORDER BY (");
        flink_orders(f, &table->order);
        flink_put(f, ")");
    }
}

static void print_wrapped(struct flink *f, const char *word, const struct sql_query *query)
{
    flink_fmt(f, "%s(", word);
    flink_query(f, query);
    flink_put(f, ")");
}

static void print_listed(struct flink *f, const char *word, const struct sql_exprs *list)
{
    flink_fmt(f, "%s(", word);
    flink_exprs(f, list, ", ");
    flink_put(f, ")");
}

static void print_star(struct flink *f, const struct sql_expr *expr)
{
    if (expr->args.count)
        print_base(f, expr->args.list[0], true);
    else if (expr->name.count)
        flink_name(f, &expr->name);
    flink_put(f, expr->args.count || expr->name.count ? ".*" : "*");
}

void flink_expr(struct flink *f, const struct sql_expr *expr)
{
    if (f->rc)
        return;
    switch (expr->kind) {
    case SQL_EXPR_LITERAL:
        print_literal(f, expr);
        break;
    case SQL_EXPR_COLUMN:
        flink_name(f, &expr->name);
        break;
    case SQL_EXPR_STAR:
        print_star(f, expr);
        break;
    case SQL_EXPR_UNARY:
        print_unary(f, expr);
        break;
    case SQL_EXPR_BINARY:
        print_binary(f, expr);
        break;
    case SQL_EXPR_LIKE:
        print_like(f, expr);
        break;
    case SQL_EXPR_BETWEEN:
        print_between(f, expr);
        break;
    case SQL_EXPR_IN:
    case SQL_EXPR_QUANTIFIED:
        print_set(f, expr);
        break;
    case SQL_EXPR_IS:
        print_is(f, expr);
        break;
    case SQL_EXPR_CALL:
        print_call(f, expr);
        break;
    case SQL_EXPR_CASE:
        print_case(f, expr);
        break;
    case SQL_EXPR_CAST:
        print_cast(f, expr);
        break;
    case SQL_EXPR_ROW:
        print_listed(f, expr->explicit_row ? "ROW" : "", &expr->args);
        break;
    case SQL_EXPR_ARRAY:
        print_collection(f, expr, "ARRAY");
        break;
    case SQL_EXPR_MAP:
        print_collection(f, expr, "MAP");
        break;
    case SQL_EXPR_MULTISET:
        print_collection(f, expr, "MULTISET");
        break;
    case SQL_EXPR_FIELD:
        print_base(f, expr->args.list[0], true);
        flink_put(f, ".");
        flink_name(f, &expr->name);
        break;
    case SQL_EXPR_ITEM:
        print_base(f, expr->args.list[0], false);
        flink_put(f, "[");
        flink_expr_at(f, expr->args.list[1], PREC_ANY);
        flink_put(f, "]");
        break;
    case SQL_EXPR_SUBQUERY:
        print_wrapped(f, "", expr->query);
        break;
    case SQL_EXPR_EXISTS:
        print_wrapped(f, "EXISTS ", expr->query);
        break;
    case SQL_EXPR_UNIQUE:
        print_wrapped(f, "UNIQUE ", expr->query);
        break;
    case SQL_EXPR_CURSOR:
        print_wrapped(f, "CURSOR ", expr->query);
        break;
    case SQL_EXPR_PERIOD:
        print_listed(f, "PERIOD ", &expr->args);
        break;
    case SQL_EXPR_DESCRIPTOR:
        print_listed(f, "DESCRIPTOR", &expr->args);
        break;
    case SQL_EXPR_TABLE:
        print_table_arg(f, expr->table);
        break;
    case SQL_EXPR_SYMBOL:
        flink_put(f, expr->text);
        break;
    case SQL_EXPR_NAMED:
        flink_put(f, expr->name.parts[0].text);
        flink_put(f, " => ");
        flink_expr_at(f, expr->args.list[0], PREC_ANY);
        break;
    case SQL_EXPR_DEFAULT:
        flink_put(f, "DEFAULT");
        break;
    }
}
