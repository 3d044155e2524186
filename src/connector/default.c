/* default.c - DEFAULT of a column: the constant that a statement writes, as the JSON single value
 * that the schema holds (Iceberg spec, "Default values", appendix D). */
#include "connector/session_int.h"

/* The text of a literal, for scripts that are read where nothing computes. NULL: it is none. */
static const char *literal_text(struct arena *arena, const struct sql_expr *expr)
{
    const char *text;

    if (expr->kind == SQL_EXPR_UNARY && expr->op == SQL_OP_NEGATIVE) {
        text = literal_text(arena, expr->args.list[0]);
        return text ? arena_printf(arena, "-%s", text) : NULL;
    }
    return expr->kind == SQL_EXPR_LITERAL && expr->literal != SQL_LIT_INTERVAL ? expr->text : NULL;
}

/* The constant as text of the column's own kind. */
static int value_text(struct session *s, const struct sql_expr *expr, const struct lake_type *type,
                      const char **text, struct err *err)
{
    const struct sql_type *sql = type_from_lake(s->arena, type, false);
    const char *name = sql ? sql_type_text(s->arena, sql) : NULL;

    if (!name)
        return session_no_memory(err);
    if (s->evaluator.run)
        return session_evaluate(s, expr, name, "STRING", text, err);
    *text = literal_text(s->arena, expr);
    return *text ? 0 : err_set(err, ERR_UNSUPPORTED, "a literal is wanted here");
}

static int hex_value(struct session *s, const struct sql_expr *expr, const struct lake_type *type,
                     struct lake_value *out, struct err *err)
{
    const char *json;

    if (expr->kind != SQL_EXPR_LITERAL || expr->literal != SQL_LIT_BINARY)
        return err_set(err, ERR_INVALID, "bytes are wanted: X'0aff'");
    if (type->kind == LAKE_FIXED && strlen(expr->text) != 2 * (size_t)type->width)
        return err_set(err, ERR_INVALID, "%zu bytes where the column has %" PRId32,
                       strlen(expr->text) / 2, type->width);
    json = arena_printf(s->arena, "\"%s\"", expr->text);
    return json ? lake_value_from_json(type, json, s->arena, out, err) : session_no_memory(err);
}

/* An instant: its microseconds, whatever the session's zone; digits beyond them are the same in
 * every zone. */
static int instant_value(struct session *s, const struct sql_expr *expr,
                         const struct lake_type *type, struct lake_value *out, struct err *err)
{
    const char *text, *dot;
    int rc = session_evaluate(s, expr, NULL, "TIMESTAMP_LTZ(6)", &text, err);

    *out = (struct lake_value){0};
    if (!rc && slice_to_i64(slice_str(text), &out->i))
        rc = err_set(err, ERR_INVALID, "'%s' is no time", text);
    if (rc || type->kind == LAKE_TIMESTAMPTZ)
        return rc;
    out->i *= 1000;
    rc = session_evaluate(s, expr, "TIMESTAMP(9)", "STRING", &text, err);
    dot = rc ? NULL : strchr(text, '.');
    for (int i = 1, scale = 100; dot && dot[i] >= '0' && dot[i] <= '9' && i <= 9; i++)
        if (i > 6) {
            out->i += (int64_t)(dot[i] - '0') * scale;
            scale /= 10;
        }
    return rc;
}

static int value_of(struct session *s, const struct sql_expr *expr, const struct lake_type *type,
                    struct lake_value *out, struct err *err)
{
    const char *text;
    int rc;

    switch (type->kind) {
    case LAKE_BINARY:
    case LAKE_FIXED:
        return hex_value(s, expr, type, out, err);
    case LAKE_TIMESTAMPTZ:
    case LAKE_TIMESTAMPTZ_NS:
        return instant_value(s, expr, type, out, err);
    default:
        rc = value_text(s, expr, type, &text, err);
        if (rc)
            return rc;
        if (type->kind == LAKE_STRING) {
            *out = (struct lake_value){.bytes = slice_str(text)};
            return 0;
        }
        return lake_value_parse(type, text, s->arena, out, err);
    }
}

int session_default(struct session *s, const struct sql_expr *expr, const char *column,
                    const struct lake_type *type, int format, const char **json, struct err *err)
{
    struct lake_value value;
    struct buf text = {0};
    int rc;

    *json = NULL;
    if (expr->kind == SQL_EXPR_LITERAL && expr->literal == SQL_LIT_NULL)
        return 0;
    if (format < 3)
        return err_set(err, ERR_INVALID,
                       "column `%s`: DEFAULT needs format version 3, and this table is of %d: say "
                       "'format-version' = '3'",
                       column, format);
    if (!lake_type_primitive(type) || type->kind == LAKE_UNKNOWN)
        return err_set(err, ERR_UNSUPPORTED,
                       "column `%s`: a nested column has no default but NULL; its parts have",
                       column);
    rc = value_of(s, expr, type, &value, err);
    rc = rc ? rc : lake_value_json(type, &value, &text);
    *json = rc ? NULL : arena_cstr(s->arena, buf_slice(&text));
    buf_deinit(&text);
    if (rc && (!err || !err->code))
        return err_set(err, rc, "column `%s`: this value cannot be a DEFAULT", column);
    return rc      ? err_wrap(err, rc, "column `%s`: DEFAULT", column)
           : *json ? 0
                   : session_no_memory(err);
}

int session_given(struct session *s, const struct lake_field *field, const char **given,
                  struct err *err)
{
    struct buf sql = {0};
    bool uuid = field->type.kind == LAKE_UUID; /* reads as text */
    int rc;

    *given = NULL;
    if (!field->write_default || !lake_type_primitive(&field->type))
        return 0;
    rc = uuid ? buf_append_str(&sql, "CAST(") : 0;
    rc = rc ? rc : lake_default_sql(&field->type, field->write_default, s->arena, &sql);
    rc = rc || !uuid ? rc : buf_append_str(&sql, " AS VARCHAR)");
    *given = rc ? NULL : arena_cstr(s->arena, buf_slice(&sql));
    buf_deinit(&sql);
    return *given ? 0 : session_no_memory(err);
}

/* Instants are spelled by their milliseconds, which mean the same in every zone. */
static int print_instant(const struct lake_field *field, const struct lake_value *v,
                         struct buf *out)
{
    int64_t units = field->type.kind == LAKE_TIMESTAMPTZ ? 1000 : 1000000;
    struct buf text = {0};
    int rc;

    if (v->i % units == 0)
        return buf_printf(out, "TO_TIMESTAMP_LTZ(%" PRId64 ", 3)", v->i / units);
    rc = lake_value_text(&field->type, v, &text);
    rc = rc ? rc : buf_printf(out, "'" SLICE_FMT "'", SLICE_ARG(buf_slice(&text)));
    buf_deinit(&text);
    return rc;
}

int default_print(const struct lake_field *field, struct arena *arena, struct buf *out)
{
    static const char *const words[] = {[LAKE_DATE] = "DATE ",
                                        [LAKE_TIME] = "TIME ",
                                        [LAKE_TIMESTAMP] = "TIMESTAMP ",
                                        [LAKE_TIMESTAMP_NS] = "TIMESTAMP ",
                                        [LAKE_MAP] = NULL};
    enum lake_kind kind = field->type.kind;
    struct lake_value v;
    struct buf text = {0};
    char *at;
    int rc = field->write_default
                 ? lake_value_from_json(&field->type, field->write_default, arena, &v, NULL)
                 : ERR_INVALID;

    if (rc || v.null)
        return buf_append_str(out, "NULL");
    if (kind == LAKE_TIMESTAMPTZ || kind == LAKE_TIMESTAMPTZ_NS)
        return print_instant(field, &v, out);
    if (kind == LAKE_FIXED || kind == LAKE_BINARY)
        return buf_printf(out, "X'%.*s'", (int)strlen(field->write_default) - 2,
                          field->write_default + 1);
    rc = lake_value_text(&field->type, &v, &text);
    if (!rc && (words[kind] || kind == LAKE_STRING || kind == LAKE_UUID)) {
        at = words[kind] && buf_cstr(&text) ? strchr((char *)text.ptr, 'T') : NULL;
        if (at)
            *at = ' ';
        rc = words[kind] ? buf_append_str(out, words[kind]) : 0;
        rc = rc ? rc : buf_cstr(&text) ? lake_sql_text(out, buf_cstr(&text)) : ERR_NOMEM;
    } else if (!rc) {
        rc = buf_append_slice(out, buf_slice(&text));
    }
    buf_deinit(&text);
    return rc;
}
