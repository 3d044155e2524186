/* fn_macro.c - functions whose result has the type of their argument. A C function must name its
 * result's type, a macro need not: these are spelled with DuckDB's list functions, wrapped so that
 * null and order are Flink's. */
#include "vec/fn.h"

static const char *const macros[] = {
    "flink_item(l, i) AS CASE WHEN i < 1 THEN error('an array''s first element is 1') ELSE l[i] "
    "END",
    "flink_element(l) AS CASE WHEN len(l) > 1 THEN error('ELEMENT of an array with more than one "
    "element') ELSE l[1] END",
    "flink_array_append(l, x) AS CASE WHEN l IS NOT NULL THEN list_append(l, x) END",
    "flink_array_prepend(l, x) AS CASE WHEN l IS NOT NULL THEN list_prepend(x, l) END",
    "flink_array_contains(l, x) AS CASE WHEN l IS NULL THEN NULL WHEN x IS NULL THEN "
    "len(list_filter(l, lambda e: e IS NULL)) > 0 ELSE list_contains(l, x) END",
    "flink_array_position(l, x) AS CASE WHEN l IS NULL OR x IS NULL THEN NULL ELSE "
    "CAST(coalesce(list_position(l, x), 0) AS INTEGER) END",
    "flink_array_remove(l, x) AS list_filter(l, lambda e: e IS DISTINCT FROM x)",
    "flink_array_distinct(l) AS list_filter(l, lambda e, i: i = 1 OR NOT "
    "flink_array_contains(l[1:i - 1], e))",
    "flink_array_union(a, b) AS flink_array_distinct(flink_array_concat(a, b))",
    "flink_array_except(a, b) AS CASE WHEN b IS NOT NULL THEN list_filter(flink_array_distinct(a), "
    "lambda e: NOT flink_array_contains(b, e)) END",
    "flink_array_intersect(a, b) AS CASE WHEN b IS NOT NULL THEN "
    "list_filter(flink_array_distinct(a), lambda e: flink_array_contains(b, e)) END",
    "flink_array_join(l, sep) AS CASE WHEN l IS NOT NULL AND sep IS NOT NULL THEN "
    "coalesce(array_to_string(list_filter(l, lambda e: e IS NOT NULL), sep), '') END, (l, sep, "
    "other) "
    "AS CASE WHEN l IS NOT NULL AND sep IS NOT NULL AND other IS NOT NULL THEN "
    "coalesce(array_to_string(list_transform(l, lambda e: coalesce(CAST(e AS VARCHAR), other)), "
    "sep), '') END",
    "flink_array_max(l) AS list_max(l)",
    "flink_array_min(l) AS list_min(l)",
    "flink_array_sort(l) AS list_sort(l, 'ASC', 'NULLS FIRST'), (l, up) AS CASE WHEN up THEN "
    "list_sort(l, 'ASC', 'NULLS FIRST') WHEN NOT up THEN list_sort(l, 'DESC', 'NULLS LAST') END, "
    "(l, up, nulls) AS CASE WHEN up AND nulls THEN list_sort(l, 'ASC', 'NULLS FIRST') WHEN up AND "
    "NOT "
    "nulls THEN list_sort(l, 'ASC', 'NULLS LAST') WHEN NOT up AND nulls THEN list_sort(l, 'DESC', "
    "'NULLS FIRST') WHEN NOT up AND NOT nulls THEN list_sort(l, 'DESC', 'NULLS LAST') END",
    /* Positions from the end are negative; both ends are cut to the array. */
    "flink_slice_at(l, i) AS CASE WHEN i < 0 THEN len(l) + i + 1 ELSE i END",
    "flink_array_slice(l, a) AS CASE WHEN l IS NOT NULL AND a IS NOT NULL THEN list_filter(l, "
    "lambda "
    "e, i: i >= flink_slice_at(l, a)) END, (l, a, b) AS CASE WHEN l IS NOT NULL AND a IS NOT NULL "
    "AND b IS NOT NULL THEN list_filter(l, lambda e, i: i >= "
    "flink_slice_at(l, a) AND i <= CASE WHEN b = 0 THEN 1 ELSE flink_slice_at(l, b) END) END",
    /* Of a key given twice the last value counts. */
    "flink_map_from_arrays(k, v) AS CASE WHEN k IS NULL OR v IS NULL THEN NULL WHEN len(k) <> "
    "len(v) "
    "THEN error('MAP_FROM_ARRAYS: arrays of different length') ELSE "
    "map_from_entries(list_filter(list_zip(k, v), lambda e, i: NOT flink_array_contains(k[i + 1:], "
    "k[i]))) END",
    "flink_multiset_of_list(l) AS CASE WHEN l IS NOT NULL THEN map_from_entries(list_transform("
    "flink_array_distinct(l), lambda e: (e, CAST(len(list_filter(l, lambda x: x IS NOT DISTINCT "
    "FROM "
    "e)) AS INTEGER)))) ELSE MAP {} END",
    "flink_trunc_to(x, s) AS trunc(x, s)",
    /* Windows of time, in microseconds: the last start at or before a time, and who lies in what.
     */
    "flink_window_floor(us, step, off) AS us - (((us - off) % step) + step) % step",
    "flink_window(s, e) AS {'window_start': make_timestamp(s), 'window_end': make_timestamp(e)}",
    "flink_tumble(t, size, off) AS CASE WHEN t IS NOT NULL THEN "
    "[flink_window(flink_window_floor(epoch_us(t), size, off), "
    "flink_window_floor(epoch_us(t), size, off) + size)] END",
    "flink_hop_first(us, last, slide, size) AS CASE WHEN us - last < size THEN "
    "last - ((size - 1 - (us - last)) // slide) * slide ELSE last + slide END",
    "flink_hop(t, slide, size, off) AS CASE WHEN t IS NOT NULL THEN "
    "list_transform(range(flink_hop_first(epoch_us(t), flink_window_floor(epoch_us(t), slide, "
    "off), slide, size), flink_window_floor(epoch_us(t), slide, off) + 1, slide), "
    "lambda s: flink_window(s, s + size)) END",
    "flink_cumulate(t, step, size, off) AS CASE WHEN t IS NOT NULL THEN "
    "list_transform(range(flink_window_floor(epoch_us(t), step, off) + step, "
    "flink_window_floor(epoch_us(t), size, off) + size + 1, step), "
    "lambda e: flink_window(flink_window_floor(epoch_us(t), size, off), e)) END",
};

/* A macro does not know how many arguments it gets: one overload per number. Null when any is. */
static const struct {
    const char *name, *duckdb;
} variadic[] = {
    {"flink_greatest", "greatest"},
    {"flink_least", "least"},
    {"flink_array_concat", "list_concat"},
    {"flink_map_union", "map_concat"},
};
#define VARIADIC_MAX 12

static int variadic_sql(size_t which, struct buf *sql)
{
    int rc = buf_printf(sql, "CREATE MACRO %s", variadic[which].name);

    for (int count = 1; !rc && count <= VARIADIC_MAX; count++) {
        rc = buf_append_str(sql, count > 1 ? ", (" : "(");
        for (int i = 0; !rc && i < count; i++)
            rc = buf_printf(sql, "%sa%d", i ? ", " : "", i);
        rc = rc ? rc : buf_append_str(sql, ") AS CASE WHEN a0 IS NOT NULL");
        for (int i = 1; !rc && i < count; i++)
            rc = buf_printf(sql, " AND a%d IS NOT NULL", i);
        rc = rc ? rc : buf_printf(sql, " THEN %s(", count > 1 ? variadic[which].duckdb : "");
        for (int i = 0; !rc && i < count; i++)
            rc = buf_printf(sql, "%sa%d", i ? ", " : "", i);
        rc = rc ? rc : buf_append_str(sql, ") END");
    }
    return rc;
}

int fn_macro_register(struct vec_conn *conn, struct err *err)
{
    struct buf sql = {0};
    int rc = 0;

    for (size_t i = 0; !rc && i < COUNT_OF(variadic); i++) {
        buf_clear(&sql);
        rc = variadic_sql(i, &sql);
        rc = rc ? err_set(err, rc, "macro") : vec_exec(conn, buf_cstr(&sql), err);
    }
    for (size_t i = 0; !rc && i < COUNT_OF(macros); i++) {
        buf_clear(&sql);
        rc = buf_printf(&sql, "CREATE MACRO %s", macros[i]);
        /* "name(a) AS ..., (a, b) AS ..." is DuckDB's way of overloading. */
        rc = rc ? err_set(err, rc, "macro") : vec_exec(conn, buf_cstr(&sql), err);
        if (rc)
            err_wrap(err, rc, "%.40s", macros[i]);
    }
    buf_deinit(&sql);
    return rc;
}
