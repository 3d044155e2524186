/* print_duckdb_call.c - calls and casts in DuckDB's SQL, by the templates of functions.def and
 * casts.def.
 */
#include <ctype.h>
#include <stdio.h>

#include "sql/print_duckdb_int.h"

/* What a template's {0} stands for: an expression, or text already printed. */
struct operand {
    const struct bound_expr *expr;
    const char *text;
};
static void print_cast(struct duck_printer *p, struct operand operand, const struct sql_type *from,
                       const struct sql_type *to, bool try_cast);

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

static void print_argument(struct duck_printer *p, const struct template *t, size_t i)
{
    if (t->call)
        duck_expr(p, t->call->args[i]);
    else if (t->operand.expr)
        duck_expr(p, t->operand.expr);
    else
        duck_put(p, t->operand.text);
}

static void print_arguments(struct duck_printer *p, const struct template *t, size_t from)
{
    for (size_t i = from; i < t->call->arg_count; i++) {
        duck_put(p, i > from ? ", " : "");
        print_argument(p, t, i);
    }
}

static void put_lower(struct duck_printer *p, const char *text)
{
    for (; *text; text++) {
        char c = (char)tolower((unsigned char)*text);

        duck_put_len(p, &c, 1);
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

static void print_slot(struct duck_printer *p, const struct template *t, const char *slot,
                       size_t len)
{
    size_t digit = isdigit((unsigned char)slot[len - 1]) ? (size_t)(slot[len - 1] - '0') : 0;

    if (len == 1 && isdigit((unsigned char)slot[0]))
        print_argument(p, t, digit);
    else if (slot_is(slot, len, "*"))
        print_arguments(p, t, 0);
    else if (slot_is(slot, len, "1*"))
        print_arguments(p, t, 1);
    else if (slot_is(slot, len, "tz"))
        duck_put_string(p, p->time_zone);
    else if (slot_is(slot, len, "db"))
        duck_put_string(p, p->database ? p->database : "");
    else if (slot_is(slot, len, "type"))
        duck_put_type(p, t->to);
    else if (slot_is(slot, len, "t"))
        duck_put(p, integer_name(t->to));
    else if (slot_is(slot, len, "p"))
        duck_put_number(p, t->to->precision);
    else if (slot_is(slot, len, "s"))
        duck_put_number(p, t->to->scale);
    else if (slot_is(slot, len, "n"))
        duck_put_number(p, t->to->length);
    else if (slot_is(slot, len, "try"))
        duck_put(p, t->try_cast ? "try_" : "");
    else if (slot_is(slot, len, "d"))
        duck_put(p, t->call->distinct ? "DISTINCT " : "");
    else if (slot_is(slot, len, "f") || slot_is(slot, len, "fn"))
        duck_filter(p, t->call, len == 2);
    else if (slot_is(slot, len, "o") || slot_is(slot, len, "on")) {
        if (len == 2 && t->call->over)
            duck_put(p, " IGNORE NULLS"); /* FILTER is not for window functions */
        if (t->call->order_count) {
            duck_put(p, " ORDER BY ");
            duck_orders(p, t->call->order, t->call->order_count);
        }
    } else if (slot[0] == 'p')
        duck_put_number(p, argument_type(t, digit)->precision);
    else if (slot[0] == 's')
        duck_put_number(p, argument_type(t, digit)->scale);
    else if (slot[0] == 't')
        duck_put_flink_type(p, argument_type(t, digit));
    else if (slot[0] == 'u')
        put_lower(p, t->call->args[digit]->text);
    else
        assert(!"a template names a slot that does not exist");
}

/* Braces around other things (there are none in functions.def) would be slots too. */
static void print_template(struct duck_printer *p, const struct template *t)
{
    const char *text = t->text;

    while (*text) {
        size_t plain = strcspn(text, "{");
        const char *end;

        duck_put_len(p, text, plain);
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

static void put_operand(struct duck_printer *p, struct operand operand)
{
    if (operand.expr)
        duck_expr(p, operand.expr);
    else
        duck_put(p, operand.text);
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
static void cast_row(struct duck_printer *p, struct operand operand, const struct sql_type *from,
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

        duck_put(p, i ? ", " : "");
        duck_put_name(p, to->fields[i].name);
        duck_put(p, " := ");
        buf_init(&field, 0);
        text = field_text(&field, number, from->fields[i].name);
        if (text)
            print_cast(p, (struct operand){.text = text}, from->fields[i].type, to->fields[i].type,
                       try_cast);
        else if (!p->rc)
            p->rc = ERR_NOMEM;
        buf_deinit(&field);
    }
    duck_put(p, ") END)[1]");
}

static void cast_parts(struct duck_printer *p, struct operand operand, const struct sql_type *from,
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
        duck_put(p, "list_transform(");
        put_operand(p, operand);
        if (!p->rc)
            p->rc = buf_printf(p->out, ", lambda v%d: ", number);
        print_cast(p, variable(name, sizeof(name), number, ""), from->item, to->item, try_cast);
        duck_put(p, ")");
        return;
    }
    /* MAP, and MULTISET as the map it is stored as. */
    duck_put(p, "map_from_entries(list_transform(map_entries(");
    put_operand(p, operand);
    if (!p->rc)
        p->rc = buf_printf(p->out, "), lambda v%d: row(", number);
    print_cast(p, variable(name, sizeof(name), number, ".key"),
               from->kind == SQL_MAP ? from->key : from->item,
               to->kind == SQL_MAP ? to->key : to->item, try_cast);
    duck_put(p, ", ");
    variable(name, sizeof(name), number, ".value");
    if (to->kind == SQL_MAP)
        print_cast(p, (struct operand){.text = name}, from->item, to->item, try_cast);
    else
        duck_put(p, name);
    duck_put(p, ")))");
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

static void print_cast(struct duck_printer *p, struct operand operand, const struct sql_type *from,
                       const struct sql_type *to, bool try_cast)
{
    const struct sql_casting *casting;
    struct template t = {.operand = operand, .from = from, .to = to, .try_cast = try_cast};

    if (sql_type_same(from, to)) {
        put_operand(p, operand);
        return;
    }
    if (widens(from, to)) {
        duck_put(p, "CAST(");
        put_operand(p, operand);
        duck_put(p, " AS ");
        duck_put_type(p, to);
        duck_put(p, ")");
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
void duck_conversion(struct duck_printer *p, const struct bound_expr *expr)
{
    const struct bound_expr *arg = expr->args[0];

    if (conversion_is_free(expr))
        duck_expr(p, arg);
    else
        print_cast(p, (struct operand){.expr = arg}, arg->type, expr->type, expr->try_cast);
}

/* ---- calls ----------------------------------------------------------------------------------- */

static void print_row(struct duck_printer *p, const struct bound_expr *expr)
{
    duck_put(p, "struct_pack(");
    for (size_t i = 0; i < expr->arg_count; i++) {
        duck_put(p, i ? ", " : "");
        duck_put_name(p, expr->type->fields[i].name);
        duck_put(p, " := ");
        duck_expr(p, expr->args[i]);
    }
    duck_put(p, ")");
}

static void print_map(struct duck_printer *p, const struct bound_expr *expr)
{
    duck_put(p, "CAST(flink_map_from_arrays([");
    for (size_t part = 0; part < 2; part++) {
        for (size_t i = part; i < expr->arg_count; i += 2) {
            duck_put(p, i > part ? ", " : "");
            duck_expr(p, expr->args[i]);
        }
        duck_put(p, part ? "]" : "], [");
    }
    duck_put(p, ") AS ");
    duck_put_type(p, expr->type);
    duck_put(p, ")");
}

void duck_call(struct duck_printer *p, const struct bound_expr *expr)
{
    struct template t = {.text = expr->function->duckdb, .call = expr, .to = expr->type};

    if (!strcmp(t.text, "@row"))
        print_row(p, expr);
    else if (!strcmp(t.text, "@map"))
        print_map(p, expr);
    else
        print_template(p, &t);
}
