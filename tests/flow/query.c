/* query.c - a grammar of queries: relations whose columns are called c0, c1, ..., put into each
 * other to a small depth. */
#include "tests/flow/query.h"

#include <stdarg.h>
#include <stdio.h>

#define COLUMNS_MAX 12

enum type { NUMBER, TEXT, TIME };

struct relation {
    char sql[QUERY_MAX]; /* a SELECT */
    enum type types[COLUMNS_MAX];
    int count;
    int rowtime;  /* the column that a watermark goes before; -1: none */
    bool changes; /* rows may be taken back */
};

struct maker {
    struct rng *rng;
    int depth;
    bool more;    /* query.h */
    bool doubled; /* a relation stands in it twice: more would give too many rows */
};

static int below(struct maker *m, int bound)
{
    return (int)(rng_u64(m->rng) % (uint64_t)bound);
}
static bool chance(struct maker *m, int percent)
{
    return below(m, 100) < percent;
}

static void add(char *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(char *out, const char *fmt, ...)
{
    size_t len = strlen(out);
    va_list args;

    va_start(args, fmt);
    vsnprintf(out + len, QUERY_MAX - len, fmt, args);
    va_end(args);
}

static struct relation *relation_new(void)
{
    struct relation *r = calloc(1, sizeof(*r));

    if (!r)
        abort();
    r->rowtime = -1;
    return r;
}

static struct relation *any(struct maker *m);

/* ---- expressions over the columns of `r`, which the query calls `alias` ---- */

/* A column of a type; -1: there is none. */
static int column_of(struct maker *m, const struct relation *r, enum type type)
{
    int found[COLUMNS_MAX], count = 0;

    for (int i = 0; i < r->count; i++)
        if (r->types[i] == type)
            found[count++] = i;
    return count ? found[below(m, count)] : -1;
}

static void put_number(struct maker *m, const struct relation *r, const char *alias, char *out)
{
    int column = column_of(m, r, NUMBER);

    if (column < 0)
        add(out, "%d", below(m, 10));
    else if (chance(m, 70))
        add(out, "%s.c%d", alias, column);
    else if (chance(m, 50))
        add(out, "(%s.c%d + %d)", alias, column, below(m, 5));
    else
        add(out, "COALESCE(%s.c%d, %d)", alias, column, below(m, 5));
}

static void put_condition(struct maker *m, const struct relation *r, const char *alias, char *out)
{
    static const char *const signs[] = {"=", "<>", "<", "<=", ">", ">="};
    int text = column_of(m, r, TEXT);

    switch (below(m, 5)) {
    case 0:
        put_number(m, r, alias, out);
        add(out, " IS %sNULL", chance(m, 50) ? "NOT " : "");
        break;
    case 1:
        if (text >= 0) {
            add(out, "%s.c%d %s '%c'", alias, text, signs[below(m, 6)], 'x' + below(m, 3));
            break;
        } /* fallthrough */
    default:
        put_number(m, r, alias, out);
        add(out, " %s %d", signs[below(m, 6)], below(m, 12));
    }
}

/* Some columns of a relation, or all, as c0, c1, ... of a new one. */
static void put_columns(struct maker *m, const struct relation *from, const char *alias,
                        struct relation *out, bool time)
{
    for (int i = 0; i < from->count && out->count < COLUMNS_MAX - 3; i++) {
        if (from->count > 2 && i != from->rowtime && chance(m, 15))
            continue;
        if (time && i == from->rowtime)
            out->rowtime = out->count;
        out->types[out->count] = from->types[i];
        add(out->sql, "%s%s.c%d AS c%d", out->count ? ", " : "", alias, i, out->count);
        out->count++;
    }
    if (!out->count) {
        out->types[out->count] = from->types[0];
        add(out->sql, "%s.c0 AS c%d", alias, out->count++);
    }
}

/* ---- relations ---- */

static struct relation *table(struct maker *m, bool rows_only)
{
    struct relation *r = relation_new();
    char name = (char)('a' + below(m, rows_only ? 2 : 3));

    snprintf(r->sql, sizeof(r->sql), "SELECT id AS c0, k AS c1, v AS c2, s AS c3, ts AS c4 FROM %c",
             name);
    r->types[3] = TEXT;
    r->types[4] = TIME;
    r->count = 5;
    r->changes = name == 'c';
    r->rowtime = r->changes ? -1 : 4;
    return r;
}

static struct relation *filtered(struct maker *m, struct relation *from)
{
    struct relation *r = relation_new();

    add(r->sql, "SELECT ");
    put_columns(m, from, "t", r, true);
    add(r->sql, " FROM (%s) AS t WHERE ", from->sql);
    put_condition(m, from, "t", r->sql);
    if (chance(m, 30)) {
        add(r->sql, chance(m, 50) ? " AND " : " OR ");
        put_condition(m, from, "t", r->sql);
    }
    r->changes = from->changes;
    free(from);
    return r;
}

static void put_calls(struct maker *m, const struct relation *from, struct relation *r)
{
    static const char *const names[] = {
        "SUM", "MIN", "MAX", "COUNT", "AVG", "COUNT(DISTINCT", "SUM(DISTINCT"};
    int calls = 1 + below(m, 3);

    for (int i = 0; i < calls && r->count < COLUMNS_MAX; i++) {
        int number = column_of(m, from, NUMBER), what = below(m, COUNT_OF(names) + 1);

        add(r->sql, r->count ? ", " : "");
        if (number < 0 || what == COUNT_OF(names))
            add(r->sql, "COUNT(*)");
        else
            add(r->sql, "%s%s t.c%d)", names[what], strchr(names[what], '(') ? "" : "(", number);
        if (chance(m, 20)) {
            add(r->sql, " FILTER (WHERE ");
            put_condition(m, from, "t", r->sql);
            add(r->sql, ")");
        }
        add(r->sql, " AS c%d", r->count);
        r->types[r->count++] = NUMBER;
    }
}

static int put_keys(struct maker *m, const struct relation *from, struct relation *r, char *group)
{
    int keys = below(m, 3);

    for (int i = 0; i < keys; i++) {
        int key = below(m, from->count);

        add(r->sql, "%st.c%d AS c%d", r->count ? ", " : "", key, r->count);
        add(group, "%st.c%d", i ? ", " : "", key);
        r->types[r->count++] = from->types[key];
    }
    return keys;
}

static struct relation *grouped(struct maker *m, struct relation *from)
{
    struct relation *r = relation_new();
    char group[QUERY_MAX] = "";

    add(r->sql, "SELECT ");
    if (!put_keys(m, from, r, group)) { /* of nothing a batch has a row, a stream has none yet */
        add(r->sql, "t.c0 AS c0");
        add(group, "t.c0");
        r->types[r->count++] = from->types[0];
    }
    put_calls(m, from, r);
    add(r->sql, " FROM (%s) AS t GROUP BY %s", from->sql, group);
    if (chance(m, 25))
        add(r->sql, " HAVING COUNT(*) %s %d", chance(m, 50) ? ">" : "<", 1 + below(m, 3));
    r->changes = true;
    free(from);
    return r;
}

/* Rows into multisets, and out of them again. */
static struct relation *collected(struct maker *m, struct relation *from)
{
    struct relation *r = relation_new();
    int key = below(m, from->count), value = column_of(m, from, NUMBER);

    if (value < 0) {
        free(r);
        return from;
    }
    add(r->sql,
        "SELECT t.k AS c0, u.x AS c1 FROM (SELECT t.c%d AS k, COLLECT(%st.c%d) AS m FROM (%s) "
        "AS t GROUP BY t.c%d) AS t CROSS JOIN UNNEST(t.m) AS u (x)",
        key, chance(m, 30) ? "DISTINCT " : "", value, from->sql, key);
    r->types[0] = from->types[key];
    r->types[1] = NUMBER;
    r->count = 2;
    r->changes = true;
    free(from);
    return r;
}

static struct relation *distinct(struct maker *m, struct relation *from)
{
    struct relation *r = relation_new();

    add(r->sql, "SELECT DISTINCT ");
    put_columns(m, from, "t", r, false);
    add(r->sql, " FROM (%s) AS t", from->sql);
    r->changes = true;
    free(from);
    return r;
}

static struct relation *joined(struct maker *m, struct relation *left, struct relation *right)
{
    static const char *const kinds[] = {"JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"};
    int kind = below(m, 4), l = column_of(m, left, NUMBER), r_ = column_of(m, right, NUMBER);
    struct relation *r = relation_new();

    add(r->sql, "SELECT ");
    put_columns(m, left, "l", r, false);
    put_columns(m, right, "r", r, false);
    add(r->sql, " FROM (%s) AS l %s (%s) AS r ON ", left->sql, kinds[kind], right->sql);
    if (l >= 0 && r_ >= 0)
        add(r->sql, "l.c%d = r.c%d", l, r_);
    else
        add(r->sql, "1 = 1");
    if (chance(m, 30)) {
        bool of_left = chance(m, 50);

        add(r->sql, " AND ");
        put_condition(m, of_left ? left : right, of_left ? "l" : "r", r->sql);
    }
    r->changes = true;
    free(left);
    free(right);
    return r;
}

/* FULL JOIN USING of two or three: the columns that are united, then one of each. */
static struct relation *united_by_name(struct maker *m, struct relation *left,
                                       struct relation *right)
{
    struct relation *r = relation_new(), *third = table(m, false);
    int l = column_of(m, left, NUMBER), k = column_of(m, right, NUMBER);
    bool three = chance(m, 30);

    if (l < 0 || k < 0) {
        free(right);
        free(third);
        free(r);
        return left;
    }
    add(r->sql,
        "SELECT key AS c0, l.v AS c1, r.v AS c2 FROM (SELECT t.c%d AS key, t.c0 AS v FROM (%s) "
        "AS t) AS l FULL JOIN (SELECT t.c%d AS key, t.c%d AS v FROM (%s) AS t) AS r USING (key)",
        l, left->sql, k, k, right->sql);
    r->types[0] = NUMBER;
    r->types[1] = left->types[0];
    r->types[2] = NUMBER;
    r->count = 3;
    if (three)
        add(r->sql, " %s JOIN (SELECT t.c1 AS key FROM (%s) AS t) AS x USING (key)",
            chance(m, 50) ? "FULL" : "LEFT", third->sql);
    r->changes = true;
    free(left);
    free(right);
    free(third);
    return r;
}

static struct relation *semi_joined(struct maker *m, struct relation *left, struct relation *right)
{
    int l = column_of(m, left, NUMBER), k = column_of(m, right, NUMBER);
    struct relation *r = relation_new();

    add(r->sql, "SELECT ");
    put_columns(m, left, "t", r, false);
    add(r->sql, " FROM (%s) AS t WHERE ", left->sql);
    if (l < 0 || k < 0)
        add(r->sql, "1 = 1");
    else if (chance(m, 50))
        add(r->sql, "t.c%d IN (SELECT u.c%d FROM (%s) AS u)", l, k, right->sql);
    else
        add(r->sql, "%sEXISTS (SELECT * FROM (%s) AS u WHERE u.c%d = t.c%d)",
            chance(m, 50) ? "NOT " : "", right->sql, k, l);
    r->changes = true;
    free(left);
    free(right);
    return r;
}

/* ---- subqueries as values ---- */

/* A condition on a row of `left`, which the query calls t, that asks `right`; both have numbers. */
static void put_asking(struct maker *m, const struct relation *left, const struct relation *right,
                       const char *t, char *out)
{
    int l = column_of(m, left, NUMBER), l2 = column_of(m, left, NUMBER);
    int r = column_of(m, right, NUMBER), r2 = column_of(m, right, NUMBER);
    const char *not = chance(m, 40) ? "NOT " : "";
    static const char *const quantified[] = {"<", ">=", "=", "<>"};

    switch (below(m, 9)) {
    case 0:
        add(out, "%s.c%d %sIN (SELECT u.c%d FROM (%s) AS u)", t, l, not, r, right->sql);
        break;
    case 1:
        add(out, "%s.c%d %sIN (SELECT u.c%d FROM (%s) AS u WHERE u.c%d %s %s.c%d)", t, l, not, r,
            right->sql, r2, chance(m, 70) ? "=" : "<", t, l2);
        break;
    case 2:
        add(out, "%sEXISTS (SELECT * FROM (%s) AS u WHERE u.c%d %s %s.c%d)", not, right->sql, r,
            chance(m, 70) ? "=" : ">", t, l);
        break;
    case 3:
        add(out, "(%s.c%d, %s.c%d) %sIN (SELECT u.c%d, u.c%d FROM (%s) AS u)", t, l, t, l2, not, r,
            r2, right->sql);
        break;
    case 4:
        add(out, "%s.c%d %s (SELECT %s(u.c%d) FROM (%s) AS u WHERE u.c%d = %s.c%d)", t, l,
            chance(m, 50) ? ">" : "<=", chance(m, 50) ? "MAX" : "MIN", r, right->sql, r2, t, l2);
        break;
    case 5:
        add(out, "(SELECT COUNT(u.c%d) + %d FROM (%s) AS u WHERE u.c%d = %s.c%d) %s %d", r,
            below(m, 3), right->sql, r2, t, l, chance(m, 50) ? "<" : ">=", 1 + below(m, 3));
        break;
    case 6:
        add(out, "%s%s.c%d %s %s (SELECT u.c%d FROM (%s) AS u)", not, t, l,
            quantified[below(m, COUNT_OF(quantified))], chance(m, 50) ? "ALL" : "ANY", r,
            right->sql);
        break;
    case 7:
        add(out, "%s%s.c%d %s %s (SELECT u.c%d FROM (%s) AS u WHERE u.c%d = %s.c%d)", not, t, l,
            quantified[below(m, COUNT_OF(quantified))], chance(m, 50) ? "ALL" : "ANY", r,
            right->sql, r2, t, l2);
        break;
    default:
        add(out, "%sEXISTS (SELECT 1 FROM (%s) AS u WHERE u.c%d = %s.c%d HAVING COUNT(*) %s %d)",
            not, right->sql, r, t, l, chance(m, 50) ? "<" : ">", below(m, 3));
    }
}

static bool has_number(const struct relation *r)
{
    for (int i = 0; i < r->count; i++)
        if (r->types[i] == NUMBER)
            return true;
    return false;
}

static void put_marked(struct maker *m, const struct relation *left, const struct relation *right,
                       struct relation *r)
{
    int form = below(m, 3);

    add(r->sql, "SELECT ");
    put_columns(m, left, "t", r, false);
    if (form == 0) {
        add(r->sql, ", CASE WHEN ");
        put_asking(m, left, right, "t", r->sql);
        add(r->sql, " THEN 1 WHEN ");
        put_condition(m, left, "t", r->sql);
        add(r->sql, " THEN 2 ELSE 3 END AS c%d", r->count);
        r->types[r->count++] = NUMBER;
    } else if (form == 1) {
        add(r->sql, ", CASE (");
        put_asking(m, left, right, "t", r->sql);
        add(r->sql, ") WHEN TRUE THEN 1 WHEN FALSE THEN 2 ELSE 3 END AS c%d", r->count);
        r->types[r->count++] = NUMBER;
    }
    add(r->sql, " FROM (%s) AS t", left->sql);
    if (form < 2)
        return;
    add(r->sql, chance(m, 50) ? " WHERE (" : " WHERE NOT (");
    put_asking(m, left, right, "t", r->sql);
    add(r->sql, chance(m, 50) ? " OR " : " AND ");
    put_condition(m, left, "t", r->sql);
    add(r->sql, ")");
}

static void put_asked_groups(struct maker *m, const struct relation *left,
                             const struct relation *right, struct relation *r)
{
    struct relation *key = relation_new();
    int column = column_of(m, left, NUMBER);

    key->count = 1;
    add(r->sql,
        "SELECT t.c0 AS c0, COUNT(*) AS c1 FROM (SELECT l.c%d AS c0 FROM (%s) AS l) AS t "
        "GROUP BY t.c0 HAVING ",
        column, left->sql);
    put_asking(m, key, right, "t", r->sql);
    if (chance(m, 50))
        add(r->sql, " OR COUNT(*) > %d", below(m, 3));
    r->count = 2;
    free(key);
}

static void put_asked_join(struct maker *m, const struct relation *left,
                           const struct relation *right, struct relation *r)
{
    bool of_left = chance(m, 50); /* DuckDB, which tells what is right, has them in inner joins */

    add(r->sql, "SELECT ");
    put_columns(m, left, "l", r, false);
    put_columns(m, right, "r", r, false);
    add(r->sql, " FROM (%s) AS l JOIN (%s) AS r ON l.c%d = r.c%d AND ", left->sql, right->sql,
        column_of(m, left, NUMBER), column_of(m, right, NUMBER));
    put_asking(m, of_left ? left : right, of_left ? right : left, of_left ? "l" : "r", r->sql);
}

static struct relation *asked(struct maker *m, struct relation *left, struct relation *right)
{
    struct relation *r = relation_new();
    int form = below(m, 5);

    if (!has_number(left) || !has_number(right)) {
        free(right);
        free(r);
        return left;
    }
    if (form < 3)
        put_marked(m, left, right, r);
    else if (form == 3)
        put_asked_groups(m, left, right, r);
    else
        put_asked_join(m, left, right, r);
    r->changes = true;
    free(left);
    free(right);
    return r;
}

static struct relation *united(struct maker *m)
{
    static const char *const words[] = {"UNION ALL", "UNION",         "INTERSECT",
                                        "EXCEPT",    "INTERSECT ALL", "EXCEPT ALL"};
    struct relation *left = table(m, false), *right = table(m, false), *r = relation_new();
    const char *columns = chance(m, 50) ? "c1 AS c0, c3 AS c1" : "c2 AS c0, c3 AS c1";

    add(r->sql, "SELECT %s FROM (%s) AS l %s SELECT %s FROM (%s) AS r", columns, left->sql,
        words[below(m, COUNT_OF(words))], columns, right->sql);
    r->types[1] = TEXT;
    r->count = 2;
    r->changes = true;
    free(left);
    free(right);
    return r;
}

/* The first rows of each key, in an order of all columns. */
static struct relation *top(struct maker *m, struct relation *from)
{
    struct relation *r = relation_new();
    bool number = chance(m, 40);
    int key = below(m, from->count), first = below(m, from->count);

    add(r->sql, "SELECT ");
    put_columns(m, from, "t", r, false);
    if (number) {
        add(r->sql, ", t.rn AS c%d", r->count);
        r->types[r->count++] = NUMBER;
    }
    add(r->sql, " FROM (SELECT u.*, ROW_NUMBER() OVER (");
    if (chance(m, 80))
        add(r->sql, "PARTITION BY u.c%d ", key);
    add(r->sql, "ORDER BY u.c%d%s", first, chance(m, 50) ? " DESC" : "");
    for (int i = 0; i < from->count; i++)
        add(r->sql, ", u.c%d%s", i, chance(m, 30) ? " DESC" : "");
    add(r->sql, ") AS rn FROM (%s) AS u) AS t WHERE t.rn <= %d", from->sql, 1 + below(m, 3));
    if (chance(m, 10)) /* there may be no such number */
        add(r->sql, " AND t.rn > %d", below(m, 6));
    r->changes = true;
    free(from);
    return r;
}

/* ---- time ---- */

static void put_window(struct maker *m, char *out)
{
    switch (below(m, 3)) {
    case 0:
        add(out, "TUMBLE(TABLE t, DESCRIPTOR(c4), INTERVAL '%d' SECOND)", 5 + below(m, 20));
        break;
    case 1:
        add(out, "HOP(TABLE t, DESCRIPTOR(c4), INTERVAL '4' SECOND, INTERVAL '%d' SECOND)",
            4 * (1 + below(m, 4)));
        break;
    default:
        add(out, "CUMULATE(TABLE t, DESCRIPTOR(c4), INTERVAL '5' SECOND, INTERVAL '%d' SECOND)",
            5 * (1 + below(m, 4)));
    }
}

static struct relation *windowed(struct maker *m)
{
    struct relation *from = table(m, true), *r = relation_new();
    char group[QUERY_MAX] = "";

    add(r->sql, "WITH t AS (%s) SELECT ", from->sql);
    if (!put_keys(m, from, r, group)) {
        add(r->sql, "t.c1 AS c0");
        add(group, "t.c1");
        r->types[r->count++] = NUMBER;
    }
    put_calls(m, from, r);
    add(r->sql, ", window_start AS c%d, window_end AS c%d", r->count, r->count + 1);
    r->types[r->count++] = TIME;
    r->types[r->count++] = TIME;
    add(r->sql, " FROM TABLE(");
    put_window(m, r->sql);
    add(r->sql, ") AS t GROUP BY %s, window_start, window_end", group);
    free(from);
    return r;
}

static struct relation *interval_joined(struct maker *m)
{
    static const char *const kinds[] = {"JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"};
    struct relation *left = table(m, true), *right = table(m, true), *r = relation_new();

    add(r->sql, "SELECT ");
    put_columns(m, left, "l", r, false);
    put_columns(m, right, "r", r, false);
    add(r->sql,
        " FROM (%s) AS l %s (%s) AS r ON l.c1 = r.c1 AND r.c4 BETWEEN l.c4 - INTERVAL '%d' SECOND "
        "AND l.c4 + INTERVAL '%d' SECOND",
        left->sql, kinds[below(m, 4)], right->sql, below(m, 10), below(m, 10));
    free(left);
    free(right);
    return r;
}

/* Rows of a table with the windows of one that end near a row's time: windows come once, so the
 * join forgets rows. */
static struct relation *joined_by_windows(struct maker *m)
{
    static const char *const kinds[] = {"JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"};
    struct relation *rows = table(m, true), *from = table(m, true), *windows = relation_new();
    struct relation *r = relation_new();
    bool swapped = chance(m, 50);
    const char *key = chance(m, 70) ? "t.c1" : "t.c2";
    int kind = below(m, 4), before = below(m, 20), after = below(m, 10) - 5;

    add(windows->sql,
        "WITH t AS (%s) SELECT %s AS c0, COUNT(*) AS c1, window_start AS c2, window_end AS c3 FROM "
        "TABLE(",
        from->sql, key);
    put_window(m, windows->sql);
    add(windows->sql, ") AS t GROUP BY %s, window_start, window_end", key);
    windows->types[2] = windows->types[3] = TIME;
    windows->count = 4;
    add(r->sql, "SELECT ");
    put_columns(m, rows, "l", r, false);
    put_columns(m, windows, "w", r, false);
    add(r->sql, " FROM (%s) AS %c %s (%s) AS %c ON l.c1 = w.c0", swapped ? windows->sql : rows->sql,
        swapped ? 'w' : 'l', kinds[kind], swapped ? rows->sql : windows->sql, swapped ? 'l' : 'w');
    add(r->sql, " AND l.c4 BETWEEN w.c3 - INTERVAL '%d' SECOND AND w.c3 + INTERVAL '%d' SECOND",
        before, after > 0 ? after : 0);
    r->changes = true;
    free(rows);
    free(from);
    free(windows);
    return r;
}

/* The same text on both sides of a join. */
static struct relation *joined_with_itself(struct maker *m)
{
    struct relation *r, *again;

    m->doubled = true;
    r = any(m);
    if (strlen(r->sql) > QUERY_MAX / 4)
        return r;
    again = relation_new();
    *again = *r;
    return joined(m, r, again);
}

static struct relation *over(struct maker *m)
{
    static const char *const calls[] = {"SUM(t.c2)", "COUNT(*)", "MIN(t.c2)", "MAX(t.c2)",
                                        "COUNT(t.c1)"};
    struct relation *from = table(m, true), *r = relation_new();
    int count = 1 + below(m, 3);

    add(r->sql, "SELECT ");
    put_columns(m, from, "t", r, false);
    for (int i = 0; i < count; i++) {
        add(r->sql, ", %s OVER w AS c%d", calls[below(m, COUNT_OF(calls))], r->count);
        r->types[r->count++] = NUMBER;
    }
    add(r->sql, " FROM (%s) AS t WINDOW w AS (%sORDER BY t.c4 ", from->sql,
        chance(m, 80) ? "PARTITION BY t.c1 " : "");
    if (chance(m, 50))
        add(r->sql, "ROWS BETWEEN %d PRECEDING AND CURRENT ROW)", below(m, 4));
    else if (chance(m, 70))
        add(r->sql, "RANGE BETWEEN INTERVAL '%d' SECOND PRECEDING AND CURRENT ROW)", below(m, 15));
    else
        add(r->sql, "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)");
    free(from);
    return r;
}

static struct relation *any(struct maker *m)
{
    struct relation *r;

    if (m->depth >= 3)
        return table(m, false);
    m->depth++;
    if (m->more && chance(m, 40)) {
        r = m->doubled || chance(m, 60) ? joined_by_windows(m) : joined_with_itself(m);
        m->depth--;
        return r;
    }
    switch (below(m, 16)) {
    case 0:
    case 1:
        r = filtered(m, any(m));
        break;
    case 2:
    case 3:
        r = grouped(m, any(m));
        break;
    case 4:
        r = chance(m, 70) ? distinct(m, any(m)) : collected(m, any(m));
        break;
    case 5:
    case 6:
        r = any(m);
        r = chance(m, 25) ? united_by_name(m, r, any(m)) : joined(m, r, any(m));
        break;
    case 7:
        r = any(m);
        r = semi_joined(m, r, any(m));
        break;
    case 8:
        r = united(m);
        break;
    case 9:
        r = top(m, any(m));
        break;
    case 10:
        r = windowed(m);
        break;
    case 11:
        r = interval_joined(m);
        break;
    case 12:
    case 13:
    case 14:
        r = any(m);
        r = asked(m, r, any(m));
        break;
    default:
        r = over(m);
    }
    m->depth--;
    return r;
}

void query_random(struct rng *rng, bool more, char out[QUERY_MAX])
{
    struct maker m = {.rng = rng, .more = more};
    struct relation *r = any(&m);

    memcpy(out, r->sql, QUERY_MAX);
    free(r);
}
