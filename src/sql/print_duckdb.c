/* print_duckdb.c - a bound query as DuckDB's SQL.
 *
 * Sources are t0, t1, ...; the columns of subqueries are c0, c1, ... by place, so that neither
 * Flink's case-sensitive names nor its repeated ones can collide. Only the outermost SELECT shows
 * the query's own column names. Expressions follow the templates of functions.def and casts.def.
 */
#include <ctype.h>
#include <stdio.h>

#include "sql/bound.h"

#define TEXT_MAX ((size_t)32 << 20)

struct printer {
    struct buf *out;
    int rc;
    const struct sql_duckdb_options *options;
    const char *time_zone, *database;
    int lambda;        /* numbers the variables of list_transform */
    const char *field; /* of the column that is printed next: all that is read of it; or NULL */
};

/* What a template's {0} stands for: an expression, or text already printed. */
struct operand {
    const struct bound_expr *expr;
    const char *text;
};

static void print_query(struct printer *p, const struct sql_bound *query, bool named);
static void print_expr(struct printer *p, const struct bound_expr *expr);
static void print_cast(struct printer *p, struct operand operand, const struct sql_type *from,
                       const struct sql_type *to, bool try_cast);

static void put(struct printer *p, const char *text)
{
    if (!p->rc)
        p->rc = buf_append_str(p->out, text);
}

static void put_len(struct printer *p, const char *text, size_t len)
{
    if (!p->rc)
        p->rc = buf_append(p->out, text, len);
}

static void put_number(struct printer *p, long long number)
{
    if (!p->rc)
        p->rc = buf_printf(p->out, "%lld", number);
}

static void put_quoted(struct printer *p, const char *text, size_t len, char quote)
{
    put_len(p, &quote, 1);
    for (size_t i = 0; i < len; i++) {
        if (text[i] == quote)
            put_len(p, &quote, 1);
        put_len(p, &text[i], 1);
    }
    put_len(p, &quote, 1);
}

static void put_name(struct printer *p, const char *name)
{
    put_quoted(p, name, strlen(name), '"');
}

static void put_string(struct printer *p, const char *text)
{
    put_quoted(p, text, strlen(text), '\'');
}

static void put_type(struct printer *p, const struct sql_type *type)
{
    if (!p->rc)
        p->rc = sql_type_print_duckdb(type, p->out);
}

static void put_flink_type(struct printer *p, const struct sql_type *type)
{
    struct buf text;

    buf_init(&text, 0);
    if (!p->rc)
        p->rc = sql_type_print(type, &text);
    if (!p->rc)
        put_quoted(p, (const char *)text.ptr, text.len, '\'');
    buf_deinit(&text);
}

/* ---- literals -------------------------------------------------------------------------------- */

/* DuckDB's string literals cannot hold a zero byte: chr(0) between pieces. */
static void print_text(struct printer *p, const char *text, uint32_t len)
{
    const char *zero = memchr(text, 0, len);

    if (!zero) {
        put_quoted(p, text, len, '\'');
        return;
    }
    put(p, "concat(");
    for (;;) {
        put_quoted(p, text, (size_t)(zero - text), '\'');
        put(p, ", chr(0), ");
        len -= (uint32_t)(zero - text) + 1;
        text = zero + 1;
        zero = memchr(text, 0, len);
        if (!zero)
            break;
    }
    put_quoted(p, text, len, '\'');
    put(p, ")");
}

static void print_literal(struct printer *p, const struct bound_expr *expr)
{
    switch (expr->literal) {
    case SQL_LIT_NULL:
        if (expr->type->kind == SQL_NULL) {
            put(p, "NULL");
            return;
        }
        put(p, "CAST(NULL AS ");
        put_type(p, expr->type);
        put(p, ")");
        return;
    case SQL_LIT_BOOLEAN:
    case SQL_LIT_GIVEN:
        put(p, expr->text);
        return;
    case SQL_LIT_EXACT:
    case SQL_LIT_APPROX:
        put(p, "CAST(");
        if (expr->type->kind == SQL_DECIMAL || expr->literal == SQL_LIT_APPROX)
            put_string(p, expr->text);
        else
            put(p, expr->text);
        put(p, " AS ");
        put_type(p, expr->type);
        put(p, ")");
        return;
    case SQL_LIT_STRING:
        print_text(p, expr->text, expr->text_len);
        return;
    case SQL_LIT_BINARY:
        put(p, "CAST('");
        for (const char *c = expr->text; c[0] && c[1]; c += 2) {
            put(p, "\\x");
            put_len(p, c, 2);
        }
        put(p, "' AS BLOB)");
        return;
    case SQL_LIT_INTERVAL:
        put(p, expr->type->kind == SQL_INTERVAL_YM ? "to_months(CAST(" : "to_microseconds(CAST(");
        put(p, expr->text);
        put(p, expr->type->kind == SQL_INTERVAL_YM ? " AS INTEGER))" : " AS BIGINT))");
        return;
    default:
        put(p, "CAST(");
        put_string(p, expr->text);
        put(p, " AS ");
        put_type(p, expr->type);
        put(p, ")");
    }
}

/* ---- windows --------------------------------------------------------------------------------- */

static void print_orders(struct printer *p, const struct bound_order *order, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        put(p, i ? ", " : "");
        if (order[i].ordinal)
            put_number(p, (long long)order[i].ordinal);
        else
            print_expr(p, order[i].expr);
        put(p, order[i].descending ? " DESC" : " ASC");
        put(p, order[i].nulls_first ? " NULLS FIRST" : " NULLS LAST");
    }
}

static void print_bound(struct printer *p, enum sql_bound_kind kind, const struct bound_expr *expr)
{
    static const char *const texts[] = {
        [SQL_BOUND_NONE] = "CURRENT ROW",
        [SQL_BOUND_UNBOUNDED_PRECEDING] = "UNBOUNDED PRECEDING",
        [SQL_BOUND_PRECEDING] = " PRECEDING",
        [SQL_BOUND_CURRENT_ROW] = "CURRENT ROW",
        [SQL_BOUND_FOLLOWING] = " FOLLOWING",
        [SQL_BOUND_UNBOUNDED_FOLLOWING] = "UNBOUNDED FOLLOWING",
    };

    if (expr)
        print_expr(p, expr);
    put(p, texts[kind]);
}

static void print_over(struct printer *p, const struct bound_window *over)
{
    put(p, " OVER (");
    for (size_t i = 0; i < over->partition_count; i++) {
        put(p, i ? ", " : "PARTITION BY ");
        print_expr(p, over->partition[i]);
    }
    if (over->order_count) {
        put(p, over->partition_count ? " ORDER BY " : "ORDER BY ");
        print_orders(p, over->order, over->order_count);
    }
    if (over->frame != SQL_FRAME_NONE) {
        put(p, over->frame == SQL_FRAME_ROWS ? " ROWS BETWEEN " : " RANGE BETWEEN ");
        print_bound(p, over->low, over->low_expr);
        put(p, " AND ");
        print_bound(p, over->high, over->high_expr);
    }
    put(p, ")");
}

static void print_filter(struct printer *p, const struct bound_expr *call, bool not_null)
{
    not_null = not_null && !call->over;
    if (call->filter || not_null) {
        put(p, " FILTER (WHERE ");
        if (call->filter)
            print_expr(p, call->filter);
        if (call->filter && not_null)
            put(p, " AND ");
        if (not_null) {
            print_expr(p, call->args[0]);
            put(p, " IS NOT NULL");
        }
        put(p, ")");
    }
    if (call->over)
        print_over(p, call->over);
}

/* ---- templates ------------------------------------------------------------------------------- */

struct template
{
    const char *text;
    const struct bound_expr *call; /* NULL: a cast */
    struct operand operand;        /* {0} of a cast */
    const struct sql_type *from, *to;
    bool try_cast;
};

static const struct sql_type *argument_type(const struct template *t, size_t i)
{
    return t->call ? t->call->args[i]->type : t->from;
}

static void print_argument(struct printer *p, const struct template *t, size_t i)
{
    if (t->call)
        print_expr(p, t->call->args[i]);
    else if (t->operand.expr)
        print_expr(p, t->operand.expr);
    else
        put(p, t->operand.text);
}

static void print_arguments(struct printer *p, const struct template *t, size_t from)
{
    for (size_t i = from; i < t->call->arg_count; i++) {
        put(p, i > from ? ", " : "");
        print_argument(p, t, i);
    }
}

static void put_lower(struct printer *p, const char *text)
{
    for (; *text; text++) {
        char c = (char)tolower((unsigned char)*text);

        put_len(p, &c, 1);
    }
}

/* tinyint, smallint, int, bigint: the ends of function names. */
static const char *integer_name(const struct sql_type *type)
{
    switch (type->kind) {
    case SQL_TINYINT:
        return "tinyint";
    case SQL_SMALLINT:
        return "smallint";
    case SQL_INT:
        return "int";
    default:
        return "bigint";
    }
}

static bool slot_is(const char *slot, size_t len, const char *text)
{
    return strlen(text) == len && !memcmp(slot, text, len);
}

static void print_slot(struct printer *p, const struct template *t, const char *slot, size_t len)
{
    size_t digit = isdigit((unsigned char)slot[len - 1]) ? (size_t)(slot[len - 1] - '0') : 0;

    if (len == 1 && isdigit((unsigned char)slot[0]))
        print_argument(p, t, digit);
    else if (slot_is(slot, len, "*"))
        print_arguments(p, t, 0);
    else if (slot_is(slot, len, "1*"))
        print_arguments(p, t, 1);
    else if (slot_is(slot, len, "tz"))
        put_string(p, p->time_zone);
    else if (slot_is(slot, len, "db"))
        put_string(p, p->database ? p->database : "");
    else if (slot_is(slot, len, "type"))
        put_type(p, t->to);
    else if (slot_is(slot, len, "t"))
        put(p, integer_name(t->to));
    else if (slot_is(slot, len, "p"))
        put_number(p, t->to->precision);
    else if (slot_is(slot, len, "s"))
        put_number(p, t->to->scale);
    else if (slot_is(slot, len, "n"))
        put_number(p, t->to->length);
    else if (slot_is(slot, len, "try"))
        put(p, t->try_cast ? "try_" : "");
    else if (slot_is(slot, len, "d"))
        put(p, t->call->distinct ? "DISTINCT " : "");
    else if (slot_is(slot, len, "f") || slot_is(slot, len, "fn"))
        print_filter(p, t->call, len == 2);
    else if (slot_is(slot, len, "o") || slot_is(slot, len, "on")) {
        if (len == 2 && t->call->over)
            put(p, " IGNORE NULLS"); /* FILTER is not for window functions */
        if (t->call->order_count) {
            put(p, " ORDER BY ");
            print_orders(p, t->call->order, t->call->order_count);
        }
    } else if (slot[0] == 'p')
        put_number(p, argument_type(t, digit)->precision);
    else if (slot[0] == 's')
        put_number(p, argument_type(t, digit)->scale);
    else if (slot[0] == 't')
        put_flink_type(p, argument_type(t, digit));
    else if (slot[0] == 'u')
        put_lower(p, t->call->args[digit]->text);
    else
        assert(!"a template names a slot that does not exist");
}

/* Braces around other things (there are none in functions.def) would be slots too. */
static void print_template(struct printer *p, const struct template *t)
{
    const char *text = t->text;

    while (*text) {
        size_t plain = strcspn(text, "{");
        const char *end;

        put_len(p, text, plain);
        text += plain;
        if (!*text)
            break;
        end = strchr(text, '}');
        assert(end && end > text + 1);
        print_slot(p, t, text + 1, (size_t)(end - text - 1));
        text = end + 1;
    }
}

/* ---- casts ----------------------------------------------------------------------------------- */

static void put_operand(struct printer *p, struct operand operand)
{
    if (operand.expr)
        print_expr(p, operand.expr);
    else
        put(p, operand.text);
}

static struct operand variable(char *text, size_t size, int number, const char *behind)
{
    snprintf(text, size, "v%d%s", number, behind);
    return (struct operand){.text = text};
}

/* struct_extract(v1, 'name') */
static const char *field_text(struct buf *out, int number, const char *name)
{
    int rc = buf_printf(out, "struct_extract(v%d, '", number);

    for (; !rc && *name; name++) {
        if (*name == '\'')
            rc = buf_append_u8(out, '\'');
        if (!rc)
            rc = buf_append_u8(out, (uint8_t)*name);
    }
    if (!rc)
        rc = buf_append_str(out, "')");
    return rc ? NULL : buf_cstr(out);
}

/* Each field on its own; a null row stays null. */
static void cast_row(struct printer *p, struct operand operand, const struct sql_type *from,
                     const struct sql_type *to, bool try_cast)
{
    int number = p->lambda++;

    /* list_transform gives the operand a name, so that it is evaluated once. */
    if (!p->rc)
        p->rc = buf_printf(p->out, "list_transform([");
    put_operand(p, operand);
    if (!p->rc)
        p->rc =
            buf_printf(p->out, "], lambda v%d: CASE WHEN v%d IS NULL THEN NULL ELSE struct_pack(",
                       number, number);
    for (size_t i = 0; i < to->field_count; i++) {
        struct buf field;
        const char *text;

        put(p, i ? ", " : "");
        put_name(p, to->fields[i].name);
        put(p, " := ");
        buf_init(&field, 0);
        text = field_text(&field, number, from->fields[i].name);
        if (text)
            print_cast(p, (struct operand){.text = text}, from->fields[i].type, to->fields[i].type,
                       try_cast);
        else if (!p->rc)
            p->rc = ERR_NOMEM;
        buf_deinit(&field);
    }
    put(p, ") END)[1]");
}

static void cast_parts(struct printer *p, struct operand operand, const struct sql_type *from,
                       const struct sql_type *to, bool try_cast)
{
    char name[32];
    int number;

    if (to->kind == SQL_ROW) {
        cast_row(p, operand, from, to, try_cast);
        return;
    }
    number = p->lambda++;
    if (to->kind == SQL_ARRAY) {
        put(p, "list_transform(");
        put_operand(p, operand);
        if (!p->rc)
            p->rc = buf_printf(p->out, ", lambda v%d: ", number);
        print_cast(p, variable(name, sizeof(name), number, ""), from->item, to->item, try_cast);
        put(p, ")");
        return;
    }
    /* MAP, and MULTISET as the map it is stored as. */
    put(p, "map_from_entries(list_transform(map_entries(");
    put_operand(p, operand);
    if (!p->rc)
        p->rc = buf_printf(p->out, "), lambda v%d: row(", number);
    print_cast(p, variable(name, sizeof(name), number, ".key"),
               from->kind == SQL_MAP ? from->key : from->item,
               to->kind == SQL_MAP ? to->key : to->item, try_cast);
    put(p, ", ");
    variable(name, sizeof(name), number, ".value");
    if (to->kind == SQL_MAP)
        print_cast(p, (struct operand){.text = name}, from->item, to->item, try_cast);
    else
        put(p, name);
    put(p, ")))");
}

/* A decimal, or a whole number, into a decimal with room for all its digits: nothing to round and
 * nothing to refuse, so that DuckDB's own cast does it. */
static bool widens(const struct sql_type *from, const struct sql_type *to)
{
    static const int digits[] = {
        [SQL_TINYINT] = 3, [SQL_SMALLINT] = 5, [SQL_INT] = 10, [SQL_BIGINT] = 19};

    if (to->kind != SQL_DECIMAL)
        return false;
    if (sql_type_is_integer(from))
        return to->precision - to->scale >= digits[from->kind];
    return from->kind == SQL_DECIMAL && to->scale >= from->scale &&
           to->precision - to->scale >= from->precision - from->scale;
}

static void print_cast(struct printer *p, struct operand operand, const struct sql_type *from,
                       const struct sql_type *to, bool try_cast)
{
    const struct sql_casting *casting;
    struct template t = {.operand = operand, .from = from, .to = to, .try_cast = try_cast};

    if (sql_type_same(from, to)) {
        put_operand(p, operand);
        return;
    }
    if (widens(from, to)) {
        put(p, "CAST(");
        put_operand(p, operand);
        put(p, " AS ");
        put_type(p, to);
        put(p, ")");
        return;
    }
    casting = sql_casting_find(from, to);
    if (!casting) {
        p->rc = p->rc ? p->rc : ERR_UNSUPPORTED;
        return;
    }
    if (!casting->duckdb) {
        cast_parts(p, operand, from, to, try_cast);
        return;
    }
    t.text = casting->duckdb;
    print_template(p, &t);
}

/* Conversions that the binder added lose nothing: between texts, and to a higher precision of the
 * same DuckDB type, there is nothing to do. */
static bool conversion_is_free(const struct bound_expr *cast)
{
    const struct sql_type *from = cast->args[0]->type, *to = cast->type;

    if (!cast->implicit)
        return false;
    if ((sql_type_is_text(from) && sql_type_is_text(to)) ||
        (sql_type_is_bytes(from) && sql_type_is_bytes(to)))
        return to->length >= from->length;
    return from->kind == to->kind &&
           (from->kind == SQL_TIMESTAMP || from->kind == SQL_TIMESTAMP_LTZ ||
            from->kind == SQL_TIME) &&
           from->precision <= to->precision && (from->precision > 6) == (to->precision > 6);
}

/* ---- expressions ----------------------------------------------------------------------------- */

static void print_row(struct printer *p, const struct bound_expr *expr)
{
    put(p, "struct_pack(");
    for (size_t i = 0; i < expr->arg_count; i++) {
        put(p, i ? ", " : "");
        put_name(p, expr->type->fields[i].name);
        put(p, " := ");
        print_expr(p, expr->args[i]);
    }
    put(p, ")");
}

static void print_map(struct printer *p, const struct bound_expr *expr)
{
    put(p, "CAST(flink_map_from_arrays([");
    for (size_t part = 0; part < 2; part++) {
        for (size_t i = part; i < expr->arg_count; i += 2) {
            put(p, i > part ? ", " : "");
            print_expr(p, expr->args[i]);
        }
        put(p, part ? "]" : "], [");
    }
    put(p, ") AS ");
    put_type(p, expr->type);
    put(p, ")");
}

static void print_call(struct printer *p, const struct bound_expr *expr)
{
    struct template t = {.text = expr->function->duckdb, .call = expr, .to = expr->type};

    if (!strcmp(t.text, "@row"))
        print_row(p, expr);
    else if (!strcmp(t.text, "@map"))
        print_map(p, expr);
    else
        print_template(p, &t);
}

static void print_case(struct printer *p, const struct bound_expr *expr)
{
    put(p, "CASE");
    for (size_t i = 0; i + 1 < expr->arg_count; i += 2) {
        put(p, " WHEN ");
        print_expr(p, expr->args[i]);
        put(p, " THEN ");
        print_expr(p, expr->args[i + 1]);
    }
    put(p, " ELSE ");
    print_expr(p, expr->args[expr->arg_count - 1]);
    put(p, " END");
}

/* (a, b) IN (query). DuckDB takes a row with a NULL in it for unknown even where another column
 * differs. */
static void print_in_rows(struct printer *p, const struct bound_expr *expr)
{
    int number = p->lambda++;

    put(p, expr->negated ? "(NOT " : "(");
    put(p, "(SELECT CASE WHEN bool_or(m) THEN TRUE WHEN count(*) > count(m) THEN NULL ELSE FALSE "
           "END FROM (SELECT ");
    for (size_t i = 0; i < expr->arg_count; i++) {
        put(p, i ? " AND (" : "(");
        print_expr(p, expr->args[i]);
        if (!p->rc)
            p->rc = buf_printf(p->out, " = q%d.c%zu)", number, i);
    }
    put(p, " AS m FROM (");
    print_query(p, expr->query, false);
    if (!p->rc)
        p->rc = buf_printf(p->out, ") AS q%d(", number);
    for (size_t i = 0; i < expr->arg_count && !p->rc; i++)
        p->rc = buf_printf(p->out, "%sc%zu", i ? ", " : "", i);
    put(p, "))))");
}

static void print_in(struct printer *p, const struct bound_expr *expr)
{
    if (expr->query && expr->arg_count > 1) {
        print_in_rows(p, expr);
        return;
    }
    put(p, "(");
    print_expr(p, expr->args[0]);
    put(p, expr->negated ? " NOT IN (" : " IN (");
    if (expr->query)
        print_query(p, expr->query, false);
    for (size_t i = 1; i < expr->arg_count; i++) {
        put(p, i > 1 ? ", " : "");
        print_expr(p, expr->args[i]);
    }
    put(p, "))");
}

static void print_column(struct printer *p, const struct bound_expr *expr)
{
    size_t column;
    const struct bound_source *source = bound_at(expr, &column);

    if (source->kind == SOURCE_TABLE && p->options->reads)
        p->options->reads(p->options->arg, source->table, source->columns[column].name, p->field);
    p->field = NULL;
    if (!p->rc)
        p->rc = buf_printf(p->out, "t%d.", source->number);
    if (source->kind == SOURCE_TABLE)
        put_name(p, source->columns[column].name);
    else if (!p->rc)
        p->rc = buf_printf(p->out, "c%zu", column);
}

static void print_expr(struct printer *p, const struct bound_expr *expr)
{
    if (p->rc)
        return;
    switch (expr->kind) {
    case BOUND_LITERAL:
        print_literal(p, expr);
        break;
    case BOUND_COLUMN:
        print_column(p, expr);
        break;
    case BOUND_CALL:
        print_call(p, expr);
        break;
    case BOUND_CAST:
        if (conversion_is_free(expr))
            print_expr(p, expr->args[0]);
        else
            print_cast(p, (struct operand){.expr = expr->args[0]}, expr->args[0]->type, expr->type,
                       expr->try_cast);
        break;
    case BOUND_CASE:
        print_case(p, expr);
        break;
    case BOUND_IN:
        print_in(p, expr);
        break;
    case BOUND_EXISTS:
        put(p, "EXISTS (");
        print_query(p, expr->query, false);
        put(p, ")");
        break;
    case BOUND_SUBQUERY:
        put(p, "(");
        print_query(p, expr->query, false);
        put(p, ")");
        break;
    case BOUND_FIELD:
        put(p, "struct_extract(");
        p->field = expr->args[0]->kind == BOUND_COLUMN ? expr->text : NULL;
        print_expr(p, expr->args[0]);
        put(p, ", ");
        put_string(p, expr->text);
        put(p, ")");
        break;
    case BOUND_SYMBOL:
        put_string(p, expr->text);
        break;
    }
}

/* ---- sources --------------------------------------------------------------------------------- */

static void print_table(struct printer *p, const struct bound_source *source)
{
    const char *text = p->options->table(p->options->arg, source->table);

    if (!text) {
        p->rc = p->rc ? p->rc : ERR_NOENT;
        return;
    }
    if (!source->computed) {
        put(p, text);
        return;
    }
    put(p, "(SELECT *");
    for (size_t i = 0; i < source->column_count; i++) {
        if (!source->computed[i])
            continue;
        put(p, ", ");
        print_expr(p, source->computed[i]);
        put(p, " AS ");
        put_name(p, source->columns[i].name);
    }
    put(p, " FROM ");
    put(p, text);
    if (!p->rc)
        p->rc = buf_printf(p->out, " AS t%d)", source->inner_number);
}

/* What UNNEST makes rows of, as a list: a map's entries; an element of a multiset, which is stored
 * as a map of counts, as often as it is there. */
static void print_elements(struct printer *p, const struct bound_source *source)
{
    bool multiset = source->array->type->kind == SQL_MULTISET;
    int number = p->lambda;

    p->lambda += multiset ? 2 : 0;
    put(p, multiset ? "flatten(list_transform(" : "");
    put(p, multiset || source->is_map ? "map_entries(" : "");
    print_expr(p, source->array);
    put(p, multiset || source->is_map ? ")" : "");
    if (multiset && !p->rc)
        p->rc = buf_printf(p->out,
                           ", lambda v%d: list_transform(range(v%d.value), lambda v%d: v%d.key)))",
                           number, number, number + 1, number);
}

static void print_unnest(struct printer *p, const struct bound_source *source)
{
    size_t columns = source->column_count - source->ordinality;

    put(p, "(SELECT ");
    for (size_t i = 0; i < columns; i++) {
        put(p, i ? ", " : "");
        if (source->is_map) {
            put(p, i ? "u.value" : "u.key");
        } else if (source->is_row) {
            put(p, "struct_extract(u, ");
            put_string(p, source->array->type->item->fields[i].name);
            put(p, ")");
        } else {
            put(p, "u");
        }
    }
    if (source->ordinality)
        put(p, ", o");
    put(p, " FROM (SELECT unnest(");
    print_elements(p, source);
    put(p, ") AS u");
    if (source->ordinality) {
        put(p, ", CAST(generate_subscripts(");
        print_elements(p, source);
        put(p, ", 1) AS INTEGER) AS o");
    }
    put(p, "))");
}

static void print_columns(struct printer *p, size_t count)
{
    put(p, "(");
    for (size_t i = 0; i < count && !p->rc; i++)
        p->rc = buf_printf(p->out, "%sc%zu", i ? ", " : "", i);
    put(p, ")");
}

static bool is_lateral(const struct bound_source *source)
{
    return source->kind != SOURCE_JOIN && source->lateral;
}

static void print_source(struct printer *p, const struct bound_source *source);

static void print_join(struct printer *p, const struct bound_source *join)
{
    static const char *const words[] = {
        [SQL_JOIN_COMMA] = " CROSS JOIN ", [SQL_JOIN_INNER] = " JOIN ",
        [SQL_JOIN_LEFT] = " LEFT JOIN ",   [SQL_JOIN_RIGHT] = " RIGHT JOIN ",
        [SQL_JOIN_FULL] = " FULL JOIN ",   [SQL_JOIN_CROSS] = " CROSS JOIN ",
    };
    bool nested = join->right->kind == SOURCE_JOIN;

    print_source(p, join->left);
    put(p, join->on ? words[join->join] : " CROSS JOIN ");
    if (is_lateral(join->right))
        put(p, "LATERAL ");
    put(p, nested ? "(" : "");
    print_source(p, join->right);
    put(p, nested ? ")" : "");
    if (join->on) {
        put(p, " ON ");
        print_expr(p, join->on);
    }
}

static void print_source(struct printer *p, const struct bound_source *source)
{
    switch (source->kind) {
    case SOURCE_JOIN:
        print_join(p, source);
        return;
    case SOURCE_TABLE:
        print_table(p, source);
        break;
    case SOURCE_UNNEST:
        print_unnest(p, source);
        break;
    case SOURCE_QUERY:
        put(p, "(");
        print_query(p, source->query, false);
        put(p, ")");
        break;
    }
    if (!p->rc)
        p->rc = buf_printf(p->out, " AS t%d", source->number);
    if (source->kind != SOURCE_TABLE)
        print_columns(p, source->column_count);
}

/* ---- queries --------------------------------------------------------------------------------- */

static void print_groups(struct printer *p, const struct bound_group *groups, size_t count);

static void print_group(struct printer *p, const struct bound_group *group)
{
    switch (group->kind) {
    case SQL_GROUP_EXPR:
        print_expr(p, group->expr);
        return;
    case SQL_GROUP_EMPTY:
        put(p, "()");
        return;
    case SQL_GROUP_TUPLE:
        break;
    case SQL_GROUP_ROLLUP:
        put(p, "ROLLUP ");
        break;
    case SQL_GROUP_CUBE:
        put(p, "CUBE ");
        break;
    case SQL_GROUP_SETS:
        put(p, "GROUPING SETS ");
        break;
    }
    put(p, "(");
    print_groups(p, group->parts, group->count);
    put(p, ")");
}

static void print_groups(struct printer *p, const struct bound_group *groups, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        put(p, i ? ", " : "");
        print_group(p, &groups[i]);
    }
}

static void print_select(struct printer *p, const struct sql_bound *query, bool named)
{
    put(p, query->distinct ? "SELECT DISTINCT " : "SELECT ");
    for (size_t i = 0; i < query->output_count; i++) {
        put(p, i ? ", " : "");
        print_expr(p, query->items[i]);
        if (named) {
            put(p, " AS ");
            put_name(p, query->outputs[i].name);
        }
    }
    if (query->from) {
        put(p, " FROM ");
        print_source(p, query->from);
    }
    if (query->where) {
        put(p, " WHERE ");
        print_expr(p, query->where);
    }
    if (query->group_count) {
        put(p, " GROUP BY ");
        print_groups(p, query->groups, query->group_count);
    }
    if (query->having) {
        put(p, " HAVING ");
        print_expr(p, query->having);
    }
    if (query->qualify) {
        put(p, " QUALIFY ");
        print_expr(p, query->qualify);
    }
}

static void print_values(struct printer *p, const struct sql_bound *query, bool named)
{
    put(p, "SELECT ");
    for (size_t i = 0; i < query->output_count && !p->rc; i++) {
        p->rc = buf_printf(p->out, "%sc%zu", i ? ", " : "", i);
        if (named) {
            put(p, " AS ");
            put_name(p, query->outputs[i].name);
        }
    }
    put(p, " FROM (VALUES ");
    for (size_t i = 0; i < query->row_count; i++) {
        put(p, i ? ", (" : "(");
        for (size_t k = 0; k < query->output_count; k++) {
            put(p, k ? ", " : "");
            print_expr(p, query->rows[i][k]);
        }
        put(p, ")");
    }
    put(p, ") AS v");
    print_columns(p, query->output_count);
}

static void print_set(struct printer *p, const struct sql_bound *query, bool named)
{
    static const char *const words[] = {
        [SQL_SET_UNION] = ") UNION",
        [SQL_SET_INTERSECT] = ") INTERSECT",
        [SQL_SET_EXCEPT] = ") EXCEPT",
    };

    put(p, "(");
    print_query(p, query->left, named);
    put(p, words[query->op]);
    put(p, query->all ? " ALL (" : " (");
    print_query(p, query->right, false);
    put(p, ")");
}

static void print_query(struct printer *p, const struct sql_bound *query, bool named)
{
    switch (query->kind) {
    case QUERY_SELECT:
        print_select(p, query, named);
        break;
    case QUERY_VALUES:
        print_values(p, query, named);
        break;
    case QUERY_SET:
        print_set(p, query, named);
        break;
    }
    if (query->order_count) {
        put(p, " ORDER BY ");
        print_orders(p, query->order, query->order_count);
    }
    if (query->limit) {
        put(p, " LIMIT ");
        print_expr(p, query->limit);
    }
    if (query->offset) {
        put(p, " OFFSET ");
        print_expr(p, query->offset);
    }
}

int sql_print_duckdb(const struct sql_bound *bound, const struct sql_duckdb_options *options,
                     struct buf *out, struct err *err)
{
    size_t max = out->max;
    struct printer p = {.out = out,
                        .options = options,
                        .time_zone = bound->time_zone ? bound->time_zone : "UTC",
                        .database = bound->database};

    if (!max || max > TEXT_MAX)
        out->max = TEXT_MAX; /* arguments that a template repeats can grow without end */
    print_query(&p, bound, true);
    out->max = max;
    if (p.rc == ERR_LIMIT)
        return err_set(err, p.rc, "the query's DuckDB text is longer than %zu bytes", TEXT_MAX);
    if (p.rc == ERR_NOENT)
        return err_set(err, p.rc, "a table of this query cannot be read");
    if (p.rc)
        return err_set(err, p.rc, "cannot spell this query for DuckDB");
    return 0;
}
