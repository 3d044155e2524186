/* print_flink_query.c - queries of the syntax tree as Flink's text. */
#include "sql/print_flink.h"

static void print_items(struct flink *f, const struct sql_item *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        flink_put(f, i ? ", " : "");
        flink_expr_at(f, items[i].expr, 0);
        if (items[i].alias.text) {
            flink_put(f, " AS ");
            flink_ident(f, &items[i].alias);
        }
    }
}

static void print_alias(struct flink *f, const struct sql_ident *alias,
                        const struct sql_ident *columns, size_t count)
{
    if (!alias->text)
        return;
    flink_put(f, " AS ");
    flink_ident(f, alias);
    if (count) {
        flink_put(f, " ");
        flink_idents(f, columns, count);
    }
}

/* ---- MATCH_RECOGNIZE ------------------------------------------------------------------------- */

static void print_pattern(struct flink *f, const struct sql_pattern *pattern, bool inner)
{
    static const char *const seps[] = {[SQL_PATTERN_SEQUENCE] = " ",
                                       [SQL_PATTERN_ALTERNATION] = " | ",
                                       [SQL_PATTERN_PERMUTE] = ", "};
    bool wrap =
        inner && (pattern->kind == SQL_PATTERN_SEQUENCE ||
                  pattern->kind == SQL_PATTERN_ALTERNATION || pattern->kind == SQL_PATTERN_REPEAT);

    flink_put(f, wrap ? "(" : "");
    switch (pattern->kind) {
    case SQL_PATTERN_SYMBOL:
        flink_ident(f, &pattern->symbol);
        break;
    case SQL_PATTERN_EMPTY:
        flink_put(f, "()");
        break;
    case SQL_PATTERN_EXCLUDE:
        flink_put(f, "{- ");
        print_pattern(f, pattern->parts[0], false);
        flink_put(f, " -}");
        break;
    case SQL_PATTERN_REPEAT:
        print_pattern(f, pattern->parts[0], true);
        if (pattern->min == 0 && pattern->max == 1)
            flink_put(f, "?");
        else if (pattern->max < 0 && pattern->min <= 1)
            flink_put(f, pattern->min ? "+" : "*");
        else if (pattern->max == pattern->min)
            flink_fmt(f, "{%lld}", (long long)pattern->min);
        else if (pattern->max < 0)
            flink_fmt(f, "{%lld,}", (long long)pattern->min);
        else
            flink_fmt(f, "{%lld,%lld}", (long long)pattern->min, (long long)pattern->max);
        flink_put(f, pattern->reluctant ? "?" : "");
        break;
    default:
        flink_put(f, pattern->kind == SQL_PATTERN_PERMUTE ? "PERMUTE(" : "");
        for (size_t i = 0; i < pattern->count; i++) {
            const struct sql_pattern *part = pattern->parts[i];

            flink_put(f, i ? seps[pattern->kind] : "");
            print_pattern(
                f, part,
                part->kind == SQL_PATTERN_ALTERNATION ||
                    (part->kind == SQL_PATTERN_SEQUENCE && pattern->kind == SQL_PATTERN_SEQUENCE));
        }
        flink_put(f, pattern->kind == SQL_PATTERN_PERMUTE ? ")" : "");
    }
    flink_put(f, wrap ? ")" : "");
}

static void print_skip(struct flink *f, const struct sql_match *match)
{
    static const char *const texts[] = {[SQL_SKIP_NEXT_ROW] = "TO NEXT ROW",
                                        [SQL_SKIP_PAST_LAST_ROW] = "PAST LAST ROW",
                                        [SQL_SKIP_TO_FIRST] = "TO FIRST ",
                                        [SQL_SKIP_TO_LAST] = "TO LAST ",
                                        [SQL_SKIP_TO] = "TO "};

    if (!match->skip)
        return;
    flink_fmt(f, " AFTER MATCH SKIP %s", texts[match->skip]);
    if (match->skip_to.text)
        flink_ident(f, &match->skip_to);
}

static void print_match(struct flink *f, const struct sql_match *match)
{
    flink_put(f, " MATCH_RECOGNIZE (");
    if (match->partition.count) {
        flink_put(f, " PARTITION BY ");
        flink_exprs(f, &match->partition, ", ");
    }
    if (match->order.count) {
        flink_put(f, " ORDER BY ");
        flink_orders(f, &match->order);
    }
    for (size_t i = 0; i < match->measure_count; i++) {
        flink_put(f, i ? ", " : " MEASURES ");
        flink_expr_at(f, match->measures[i].expr, 0);
        flink_put(f, " AS ");
        flink_ident(f, &match->measures[i].alias);
    }
    if (match->rows)
        flink_put(f, match->rows == SQL_ONE_ROW ? " ONE ROW PER MATCH" : " ALL ROWS PER MATCH");
    flink_put(f, match->show_empty       ? " SHOW EMPTY MATCHES"
                 : match->omit_empty     ? " OMIT EMPTY MATCHES"
                 : match->with_unmatched ? " WITH UNMATCHED ROWS"
                                         : "");
    print_skip(f, match);
    flink_fmt(f, " PATTERN (%s", match->strict_start ? "^ " : "");
    print_pattern(f, match->pattern, false);
    flink_put(f, match->strict_end ? " $)" : ")");
    if (match->within) {
        flink_put(f, " WITHIN ");
        flink_expr(f, match->within);
    }
    for (size_t i = 0; i < match->subset_count; i++) {
        flink_put(f, i ? ", " : " SUBSET ");
        flink_ident(f, &match->subsets[i].name);
        flink_put(f, " = ");
        flink_idents(f, match->subsets[i].symbols, match->subsets[i].count);
    }
    for (size_t i = 0; i < match->define_count; i++) {
        flink_put(f, i ? ", " : " DEFINE ");
        flink_ident(f, &match->defines[i].symbol);
        flink_put(f, " AS ");
        flink_expr_at(f, match->defines[i].expr, 0);
    }
    flink_put(f, ")");
}

/* ---- PIVOT ----------------------------------------------------------------------------------- */

static void print_values(struct flink *f, const struct sql_exprs *values)
{
    flink_put(f, "(");
    flink_exprs(f, values, ", ");
    flink_put(f, ")");
}

static void print_pivot(struct flink *f, const struct sql_pivot *pivot)
{
    flink_put(f, pivot->unpivot ? " UNPIVOT" : " PIVOT");
    flink_put(f, pivot->include_nulls   ? " INCLUDE NULLS"
                 : pivot->exclude_nulls ? " EXCLUDE NULLS"
                                        : "");
    flink_put(f, " (");
    if (pivot->unpivot)
        flink_idents(f, pivot->measures, pivot->measure_count);
    else
        print_items(f, pivot->aggregates, pivot->aggregate_count);
    flink_put(f, " FOR ");
    flink_idents(f, pivot->axes, pivot->axis_count);
    flink_put(f, " IN (");
    for (size_t i = 0; i < pivot->value_count; i++) {
        flink_put(f, i ? ", " : "");
        print_values(f, &pivot->values[i].values);
        if (pivot->values[i].alias.text) {
            flink_put(f, " AS ");
            flink_ident(f, &pivot->values[i].alias);
        }
        if (pivot->constants[i].count) {
            flink_put(f, " AS ");
            print_values(f, &pivot->constants[i]);
        }
    }
    flink_put(f, "))");
}

/* ---- FROM ------------------------------------------------------------------------------------ */

static void print_join(struct flink *f, const struct sql_from *join)
{
    static const char *const words[] = {[SQL_JOIN_INNER] = "JOIN",
                                        [SQL_JOIN_LEFT] = "LEFT JOIN",
                                        [SQL_JOIN_RIGHT] = "RIGHT JOIN",
                                        [SQL_JOIN_FULL] = "FULL JOIN",
                                        [SQL_JOIN_CROSS] = "CROSS JOIN",
                                        [SQL_JOIN_CROSS_APPLY] = "CROSS APPLY",
                                        [SQL_JOIN_OUTER_APPLY] = "OUTER APPLY"};

    flink_from(f, join->left);
    if (join->join == SQL_JOIN_COMMA)
        flink_put(f, ", ");
    else
        flink_fmt(f, " %s%s ", join->natural ? "NATURAL " : "", words[join->join]);
    flink_from(f, join->right);
    if (join->on) {
        flink_put(f, " ON ");
        flink_expr_at(f, join->on, 0);
    } else if (join->using_count) {
        flink_put(f, " USING ");
        flink_idents(f, join->using_columns, join->using_count);
    }
}

static void print_sample(struct flink *f, const struct sql_from *from)
{
    if (!from->sample.given)
        return;
    flink_put(f, " TABLESAMPLE ");
    if (from->sample.substitute) {
        flink_put(f, "SUBSTITUTE(");
        flink_text(f, from->sample.substitute);
        flink_put(f, ")");
        return;
    }
    flink_put(f, from->sample.bernoulli ? "BERNOULLI(" : "SYSTEM(");
    flink_expr_at(f, from->sample.percent, 0);
    flink_put(f, ")");
    if (from->sample.repeatable) {
        flink_put(f, " REPEATABLE(");
        flink_expr_at(f, from->sample.seed, 0);
        flink_put(f, ")");
    }
}

static void print_source(struct flink *f, const struct sql_from *from)
{
    flink_put(f, from->lateral ? "LATERAL " : "");
    switch (from->kind) {
    case SQL_FROM_TABLE:
        flink_put(f, from->table_keyword ? "TABLE " : "");
        flink_name(f, &from->name);
        flink_hints(f, &from->hints);
        break;
    case SQL_FROM_QUERY:
        flink_put(f, "(");
        flink_query(f, from->query);
        flink_put(f, ")");
        break;
    case SQL_FROM_FUNCTION:
        flink_put(f, from->table_keyword ? "TABLE(" : "");
        flink_expr(f, from->function);
        flink_put(f, from->table_keyword ? ")" : "");
        break;
    case SQL_FROM_UNNEST:
        flink_put(f, "UNNEST(");
        flink_exprs(f, &from->args, ", ");
        flink_put(f, from->with_ordinality ? ") WITH ORDINALITY" : ")");
        break;
    case SQL_FROM_GROUP:
        flink_put(f, "(");
        flink_from(f, from->left);
        flink_put(f, ")");
        break;
    case SQL_FROM_JOIN:
        break;
    }
}

void flink_from(struct flink *f, const struct sql_from *from)
{
    if (from->kind == SQL_FROM_JOIN) {
        print_join(f, from);
        return;
    }
    print_source(f, from);
    if (from->system_time) {
        flink_put(f, " FOR SYSTEM_TIME AS OF ");
        flink_expr_at(f, from->system_time, 0);
    }
    if (from->system_version) {
        flink_put(f, " FOR SYSTEM_VERSION AS OF ");
        flink_expr_at(f, from->system_version, 0);
    }
    print_alias(f, &from->alias, from->columns, from->column_count);
    if (from->match)
        print_match(f, from->match);
    if (from->pivot)
        print_pivot(f, from->pivot);
    print_alias(f, &from->match_alias, from->match_columns, from->match_column_count);
    if (from->kind != SQL_FROM_TABLE)
        flink_hints(f, &from->hints);
    print_sample(f, from);
}

/* ---- SELECT ---------------------------------------------------------------------------------- */

static void print_group(struct flink *f, const struct sql_group *group)
{
    static const char *const words[] = {[SQL_GROUP_ROLLUP] = "ROLLUP",
                                        [SQL_GROUP_CUBE] = "CUBE",
                                        [SQL_GROUP_SETS] = "GROUPING SETS"};

    if (group->kind == SQL_GROUP_EMPTY) {
        flink_put(f, "()");
        return;
    }
    if (group->expr) {
        flink_expr_at(f, group->expr, 0);
        return;
    }
    flink_fmt(f, "%s (", words[group->kind]);
    for (size_t i = 0; i < group->count; i++) {
        flink_put(f, i ? ", " : "");
        print_group(f, &group->parts[i]);
    }
    flink_put(f, ")");
}

static void print_clauses(struct flink *f, const struct sql_select *select)
{
    if (select->where) {
        flink_put(f, " WHERE ");
        flink_expr_at(f, select->where, 0);
    }
    if (select->has_group) {
        flink_fmt(f, " GROUP BY%s ",
                  select->group_distinct ? " DISTINCT"
                  : select->group_all    ? " ALL"
                                         : "");
        for (size_t i = 0; i < select->group_count; i++) {
            flink_put(f, i ? ", " : "");
            print_group(f, &select->groups[i]);
        }
    }
    if (select->having) {
        flink_put(f, " HAVING ");
        flink_expr_at(f, select->having, 0);
    }
    for (size_t i = 0; i < select->window_count; i++) {
        flink_put(f, i ? ", " : " WINDOW ");
        flink_ident(f, &select->windows[i].name);
        flink_put(f, " AS ");
        flink_window(f, select->windows[i].window);
    }
    if (select->qualify) {
        flink_put(f, " QUALIFY ");
        flink_expr_at(f, select->qualify, 0);
    }
}

static void print_select(struct flink *f, const struct sql_select *select)
{
    flink_put(f, "SELECT");
    flink_hints(f, &select->hints);
    flink_fmt(f, "%s%s ", select->stream ? " STREAM" : "",
              select->distinct ? " DISTINCT"
              : select->all    ? " ALL"
                               : "");
    print_items(f, select->items, select->item_count);
    if (select->from) {
        flink_put(f, " FROM ");
        flink_from(f, select->from);
    }
    print_clauses(f, select);
}

static void print_body(struct flink *f, const struct sql_body *body)
{
    static const char *const words[] = {" UNION", " INTERSECT", " EXCEPT"};

    switch (body->kind) {
    case SQL_BODY_SELECT:
        print_select(f, body->select);
        break;
    case SQL_BODY_VALUES:
        flink_put(f, "VALUES ");
        flink_exprs(f, &body->rows, ", ");
        break;
    case SQL_BODY_TABLE:
        flink_put(f, "TABLE ");
        flink_name(f, &body->name);
        break;
    case SQL_BODY_QUERY:
        flink_put(f, "(");
        flink_query(f, body->query);
        flink_put(f, ")");
        break;
    case SQL_BODY_SET:
        print_body(f, body->left);
        flink_fmt(f, "%s%s ", words[body->op],
                  body->all        ? " ALL"
                  : body->distinct ? " DISTINCT"
                                   : "");
        print_body(f, body->right);
        break;
    }
}

static void print_limit(struct flink *f, const struct sql_query *query)
{
    if (query->limit_comma) {
        flink_put(f, " LIMIT ");
        flink_expr_at(f, query->offset, 0);
        flink_put(f, ", ");
        flink_expr_at(f, query->limit, 0);
        return;
    }
    if (query->limit_all)
        flink_put(f, " LIMIT ALL");
    if (query->limit && !query->fetch) {
        flink_put(f, " LIMIT ");
        flink_expr_at(f, query->limit, 0);
    }
    if (query->offset) {
        flink_put(f, " OFFSET ");
        flink_expr_at(f, query->offset, 0);
        flink_put(f, " ROWS");
    }
    if (query->fetch) {
        flink_put(f, " FETCH NEXT ");
        flink_expr_at(f, query->limit, 0);
        flink_put(f, " ROWS ONLY");
    }
}

void flink_query(struct flink *f, const struct sql_query *query)
{
    for (size_t i = 0; i < query->with_count; i++) {
        const struct sql_with *with = &query->with[i];

        flink_put(f, i ? ", " : query->recursive ? "WITH RECURSIVE " : "WITH ");
        flink_ident(f, &with->name);
        if (with->column_count) {
            flink_put(f, " ");
            flink_idents(f, with->columns, with->column_count);
        }
        flink_put(f, " AS (");
        flink_query(f, with->query);
        flink_put(f, ")");
    }
    flink_put(f, query->with_count ? " " : "");
    print_body(f, query->body);
    if (query->order.count) {
        flink_put(f, " ORDER BY ");
        flink_orders(f, &query->order);
    }
    print_limit(f, query);
}
