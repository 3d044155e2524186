/* print_duckdb.c - a bound query as DuckDB's SQL.
 *
 * Sources are t0, t1, ...; the columns of subqueries are c0, c1, ... by place, so that neither
 * Flink's case-sensitive names nor its repeated ones can collide. Only the outermost SELECT shows
 * the query's own column names. Expressions follow the templates of functions.def and casts.def.
 */
#include "sql/print_duckdb_int.h"

#define TEXT_MAX ((size_t)32 << 20)

void duck_put(struct duck_printer *p, const char *text)
{
    if (!p->rc)
        p->rc = buf_append_str(p->out, text);
}

void duck_put_len(struct duck_printer *p, const char *text, size_t len)
{
    if (!p->rc)
        p->rc = buf_append(p->out, text, len);
}

void duck_put_number(struct duck_printer *p, long long number)
{
    if (!p->rc)
        p->rc = buf_printf(p->out, "%lld", number);
}

void duck_put_quoted(struct duck_printer *p, const char *text, size_t len, char quote)
{
    duck_put_len(p, &quote, 1);
    for (size_t i = 0; i < len; i++) {
        if (text[i] == quote)
            duck_put_len(p, &quote, 1);
        duck_put_len(p, &text[i], 1);
    }
    duck_put_len(p, &quote, 1);
}

void duck_put_name(struct duck_printer *p, const char *name)
{
    duck_put_quoted(p, name, strlen(name), '"');
}

void duck_put_string(struct duck_printer *p, const char *text)
{
    duck_put_quoted(p, text, strlen(text), '\'');
}

void duck_put_type(struct duck_printer *p, const struct sql_type *type)
{
    if (!p->rc)
        p->rc = sql_type_print_duckdb(type, p->out);
}

void duck_put_flink_type(struct duck_printer *p, const struct sql_type *type)
{
    struct buf text;

    buf_init(&text, 0);
    if (!p->rc)
        p->rc = sql_type_print(type, &text);
    if (!p->rc)
        duck_put_quoted(p, (const char *)text.ptr, text.len, '\'');
    buf_deinit(&text);
}

/* ---- sources --------------------------------------------------------------------------------- */

static void print_table(struct duck_printer *p, const struct bound_source *source)
{
    const char *text = p->options->table(p->options->arg, source->table);

    if (!text) {
        p->rc = p->rc ? p->rc : ERR_NOENT;
        return;
    }
    if (!source->computed) {
        duck_put(p, text);
        return;
    }
    duck_put(p, "(SELECT *");
    for (size_t i = 0; i < source->column_count; i++) {
        if (!source->computed[i])
            continue;
        duck_put(p, ", ");
        duck_expr(p, source->computed[i]);
        duck_put(p, " AS ");
        duck_put_name(p, source->columns[i].name);
    }
    duck_put(p, " FROM ");
    duck_put(p, text);
    if (!p->rc)
        p->rc = buf_printf(p->out, " AS t%d)", source->inner_number);
}

/* What UNNEST makes rows of, as a list: a map's entries; an element of a multiset, which is stored
 * as a map of counts, as often as it is there. */
static void print_elements(struct duck_printer *p, const struct bound_source *source)
{
    bool multiset = source->array->type->kind == SQL_MULTISET;
    int number = p->lambda;

    p->lambda += multiset ? 2 : 0;
    duck_put(p, multiset ? "flatten(list_transform(" : "");
    duck_put(p, multiset || source->is_map ? "map_entries(" : "");
    duck_expr(p, source->array);
    duck_put(p, multiset || source->is_map ? ")" : "");
    if (multiset && !p->rc)
        p->rc = buf_printf(p->out,
                           ", lambda v%d: list_transform(range(v%d.value), lambda v%d: v%d.key)))",
                           number, number, number + 1, number);
}

static void print_unnest(struct duck_printer *p, const struct bound_source *source)
{
    size_t columns = source->column_count - source->ordinality;

    duck_put(p, "(SELECT ");
    for (size_t i = 0; i < columns; i++) {
        duck_put(p, i ? ", " : "");
        if (source->is_map) {
            duck_put(p, i ? "u.value" : "u.key");
        } else if (source->is_row) {
            duck_put(p, "struct_extract(u, ");
            duck_put_string(p, source->array->type->item->fields[i].name);
            duck_put(p, ")");
        } else {
            duck_put(p, "u");
        }
    }
    if (source->ordinality)
        duck_put(p, ", o");
    duck_put(p, " FROM (SELECT unnest(");
    print_elements(p, source);
    duck_put(p, ") AS u");
    if (source->ordinality) {
        duck_put(p, ", CAST(generate_subscripts(");
        print_elements(p, source);
        duck_put(p, ", 1) AS INTEGER) AS o");
    }
    duck_put(p, "))");
}

static void print_columns(struct duck_printer *p, size_t count)
{
    duck_put(p, "(");
    for (size_t i = 0; i < count && !p->rc; i++)
        p->rc = buf_printf(p->out, "%sc%zu", i ? ", " : "", i);
    duck_put(p, ")");
}

static bool is_lateral(const struct bound_source *source)
{
    return source->kind != SOURCE_JOIN && source->lateral;
}

static void print_source(struct duck_printer *p, const struct bound_source *source);

static void print_join(struct duck_printer *p, const struct bound_source *join)
{
    static const char *const words[] = {
        [SQL_JOIN_COMMA] = " CROSS JOIN ", [SQL_JOIN_INNER] = " JOIN ",
        [SQL_JOIN_LEFT] = " LEFT JOIN ",   [SQL_JOIN_RIGHT] = " RIGHT JOIN ",
        [SQL_JOIN_FULL] = " FULL JOIN ",   [SQL_JOIN_CROSS] = " CROSS JOIN ",
    };
    bool nested = join->right->kind == SOURCE_JOIN;

    print_source(p, join->left);
    duck_put(p, join->on ? words[join->join] : " CROSS JOIN ");
    if (is_lateral(join->right))
        duck_put(p, "LATERAL ");
    duck_put(p, nested ? "(" : "");
    print_source(p, join->right);
    duck_put(p, nested ? ")" : "");
    if (join->on) {
        duck_put(p, " ON ");
        duck_expr(p, join->on);
    }
}

static void print_source(struct duck_printer *p, const struct bound_source *source)
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
        duck_put(p, "(");
        duck_query(p, source->query, false);
        duck_put(p, ")");
        break;
    }
    if (!p->rc)
        p->rc = buf_printf(p->out, " AS t%d", source->number);
    if (source->kind != SOURCE_TABLE)
        print_columns(p, source->column_count);
}

/* ---- queries --------------------------------------------------------------------------------- */

static void print_groups(struct duck_printer *p, const struct bound_group *groups, size_t count);

static void print_group(struct duck_printer *p, const struct bound_group *group)
{
    switch (group->kind) {
    case SQL_GROUP_EXPR:
        duck_expr(p, group->expr);
        return;
    case SQL_GROUP_EMPTY:
        duck_put(p, "()");
        return;
    case SQL_GROUP_TUPLE:
        break;
    case SQL_GROUP_ROLLUP:
        duck_put(p, "ROLLUP ");
        break;
    case SQL_GROUP_CUBE:
        duck_put(p, "CUBE ");
        break;
    case SQL_GROUP_SETS:
        duck_put(p, "GROUPING SETS ");
        break;
    }
    duck_put(p, "(");
    print_groups(p, group->parts, group->count);
    duck_put(p, ")");
}

static void print_groups(struct duck_printer *p, const struct bound_group *groups, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        duck_put(p, i ? ", " : "");
        print_group(p, &groups[i]);
    }
}

static void print_select(struct duck_printer *p, const struct sql_bound *query, bool named)
{
    duck_put(p, query->distinct ? "SELECT DISTINCT " : "SELECT ");
    for (size_t i = 0; i < query->output_count; i++) {
        duck_put(p, i ? ", " : "");
        duck_expr(p, query->items[i]);
        if (named) {
            duck_put(p, " AS ");
            duck_put_name(p, query->outputs[i].name);
        }
    }
    if (query->from) {
        duck_put(p, " FROM ");
        print_source(p, query->from);
    }
    if (query->where) {
        duck_put(p, " WHERE ");
        duck_expr(p, query->where);
    }
    if (query->group_count) {
        duck_put(p, " GROUP BY ");
        print_groups(p, query->groups, query->group_count);
    }
    if (query->having) {
        duck_put(p, " HAVING ");
        duck_expr(p, query->having);
    }
    if (query->qualify) {
        duck_put(p, " QUALIFY ");
        duck_expr(p, query->qualify);
    }
}

static void print_values(struct duck_printer *p, const struct sql_bound *query, bool named)
{
    duck_put(p, "SELECT ");
    for (size_t i = 0; i < query->output_count && !p->rc; i++) {
        p->rc = buf_printf(p->out, "%sc%zu", i ? ", " : "", i);
        if (named) {
            duck_put(p, " AS ");
            duck_put_name(p, query->outputs[i].name);
        }
    }
    duck_put(p, " FROM (VALUES ");
    for (size_t i = 0; i < query->row_count; i++) {
        duck_put(p, i ? ", (" : "(");
        for (size_t k = 0; k < query->output_count; k++) {
            duck_put(p, k ? ", " : "");
            duck_expr(p, query->rows[i][k]);
        }
        duck_put(p, ")");
    }
    duck_put(p, ") AS v");
    print_columns(p, query->output_count);
}

static void print_set(struct duck_printer *p, const struct sql_bound *query, bool named)
{
    static const char *const words[] = {
        [SQL_SET_UNION] = ") UNION",
        [SQL_SET_INTERSECT] = ") INTERSECT",
        [SQL_SET_EXCEPT] = ") EXCEPT",
    };

    duck_put(p, "(");
    duck_query(p, query->left, named);
    duck_put(p, words[query->op]);
    duck_put(p, query->all ? " ALL (" : " (");
    duck_query(p, query->right, false);
    duck_put(p, ")");
}

void duck_query(struct duck_printer *p, const struct sql_bound *query, bool named)
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
        duck_put(p, " ORDER BY ");
        duck_orders(p, query->order, query->order_count);
    }
    if (query->limit) {
        duck_put(p, " LIMIT ");
        duck_expr(p, query->limit);
    }
    if (query->offset) {
        duck_put(p, " OFFSET ");
        duck_expr(p, query->offset);
    }
}

int sql_print_duckdb(const struct sql_bound *bound, const struct sql_duckdb_options *options,
                     struct buf *out, struct err *err)
{
    size_t max = out->max;
    struct duck_printer p = {.out = out,
                             .options = options,
                             .time_zone = bound->time_zone ? bound->time_zone : "UTC",
                             .database = bound->database};

    if (!max || max > TEXT_MAX)
        out->max = TEXT_MAX; /* arguments that a template repeats can grow without end */
    duck_query(&p, bound, true);
    out->max = max;
    if (p.rc == ERR_LIMIT)
        return err_set(err, p.rc, "the query's DuckDB text is longer than %zu bytes", TEXT_MAX);
    if (p.rc == ERR_NOENT)
        return err_set(err, p.rc, "a table of this query cannot be read");
    if (p.rc)
        return err_set(err, p.rc, "cannot spell this query for DuckDB");
    return 0;
}
