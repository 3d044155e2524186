/* sort_sql.c - a table's sort order as SQL. Iceberg spec, "Sorting". */
#include "lake/maintain_int.h"

/* The default sort order; NULL: rows are in no order. */
static const struct lake_sort_order *order_of(const struct lake_metadata *m)
{
    for (size_t i = 0; i < m->order_count; i++)
        if (m->orders[i].id == m->default_order_id && m->orders[i].field_count)
            return &m->orders[i];
    return NULL;
}

/* The field and, in `path`, how DuckDB reaches it: "a"."b". Only structs are walked: a list has no
 * one value. */
static const struct lake_field *find(const struct lake_type *type, int32_t id, struct out *path)
{
    size_t before = path->buf->len;

    for (size_t i = 0; i < type->field_count; i++) {
        const struct lake_field *field = &type->fields[i], *inner;

        path->buf->len = before;
        out_str(path, before ? "." : "");
        out_name(path, field->name);
        if (field->id == id)
            return lake_type_primitive(&field->type) ? field : NULL;
        if (field->type.kind == LAKE_STRUCT && (inner = find(&field->type, id, path)))
            return inner;
    }
    path->buf->len = before;
    return NULL;
}

static bool is_zoned(const struct lake_type *type)
{
    return type->kind == LAKE_TIMESTAMPTZ || type->kind == LAKE_TIMESTAMPTZ_NS;
}

/* Iceberg's day of a timestamp with zone is the day in UTC, whatever zone the session has. */
static void put_time(struct out *out, const char *unit, const struct lake_type *type,
                     const char *path)
{
    if (is_zoned(type))
        out_fmt(out, "date_trunc('%s', make_timestamp(epoch_us(%s)))", unit, path);
    else
        out_fmt(out, "date_trunc('%s', %s)", unit, path);
}

/* The transform's value, or something in the same order. false: not with DuckDB. */
static bool put_transform(struct out *out, const struct lake_transform *transform,
                          const struct lake_type *type, const char *path)
{
    static const char *const units[] = {
        [LAKE_YEAR] = "year", [LAKE_MONTH] = "month", [LAKE_DAY] = "day", [LAKE_HOUR] = "hour"};
    int32_t width = transform->arg;

    switch (transform->kind) {
    case LAKE_IDENTITY:
        out_str(out, path);
        return true;
    case LAKE_YEAR:
    case LAKE_MONTH:
    case LAKE_DAY:
    case LAKE_HOUR:
        put_time(out, units[transform->kind], type, path);
        return true;
    case LAKE_TRUNCATE:
        if (type->kind == LAKE_STRING)
            out_fmt(out, "left(%s, %" PRId32 ")", path, width);
        else if (type->kind == LAKE_INT || type->kind == LAKE_LONG)
            out_fmt(out, "%s::HUGEINT - ((%s %% %" PRId32 ") + %" PRId32 ") %% %" PRId32, path,
                    path, width, width, width);
        else
            return false;
        return true;
    default:
        return false;
    }
}

static bool put_field(const struct lake_metadata *m, const struct lake_sort_field *by,
                      struct out *out)
{
    struct buf path = {0};
    struct out o = {&path, 0};
    const struct lake_field *field = find(&lake_metadata_schema(m)->root, by->source_id, &o);
    bool ok = field && !o.rc && buf_cstr(&path) &&
              put_transform(out, &by->transform, &field->type, (const char *)path.ptr);

    if (ok)
        out_fmt(out, " %s NULLS %s", by->descending ? "DESC" : "ASC",
                by->nulls_last ? "LAST" : "FIRST");
    buf_deinit(&path);
    return ok;
}

/* The next of a run of keys, of which `*put` are there. */
static bool put_key(const struct lake_metadata *m, const struct lake_sort_field *by, size_t *put,
                    struct out *out)
{
    if (by->transform.kind == LAKE_VOID)
        return true;
    out_str(out, (*put)++ ? ", " : " ORDER BY ");
    return put_field(m, by, out);
}

static bool put_order(const struct lake_metadata *m, size_t *put, struct buf *sql)
{
    const struct lake_sort_order *order = order_of(m);
    struct out out = {sql, 0};
    size_t before = *put;

    for (size_t i = 0; order && i < order->field_count; i++)
        if (!put_key(m, &order->fields[i], put, &out))
            return false;
    return *put > before && !out.rc;
}

/* Rows of one partition of the default spec together. false: a transform is not DuckDB's. */
static bool put_partitions(const struct lake_metadata *m, size_t *put, struct buf *sql)
{
    const struct lake_partition_spec *spec = lake_metadata_spec(m);
    struct out out = {sql, 0};

    for (size_t i = 0; i < spec->field_count; i++) {
        struct lake_sort_field by = {.source_id = spec->fields[i].source_id,
                                     .transform = spec->fields[i].transform};

        if (!put_key(m, &by, put, &out))
            return false;
    }
    return *put && !out.rc;
}

bool lake_sort_usable(const struct lake_metadata *m)
{
    struct buf sql = {0};
    size_t put = 0;
    bool ok = order_of(m) && lake_metadata_property_bool(m, "tarn.sort.enabled", true) &&
              put_order(m, &put, &sql);

    buf_deinit(&sql);
    return ok;
}

int lake_sort_sql(const struct lake_metadata *m, struct buf *sql, struct err *err)
{
    size_t put = 0;

    return put_order(m, &put, sql) ? 0 : err_set(err, ERR_NOMEM, "sort order");
}

int lake_move_sql(const struct lake_metadata *m, struct buf *sql, bool *together, struct err *err)
{
    size_t put = 0, before = sql->len;
    int rc = 0;

    *together = put_partitions(m, &put, sql);
    if (!*together) {
        sql->len = before;
        put = 0;
    }
    if (lake_sort_usable(m))
        rc = put_order(m, &put, sql) ? 0 : ERR_NOMEM;
    else if (*together)
        rc = buf_append_str(sql, ", \"$file\", \"$pos\"");
    return rc ? err_set(err, ERR_NOMEM, "sort order") : 0;
}
