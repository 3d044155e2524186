/* scan_prune.c - proving that a file or a manifest has no row that a predicate wants.
 *
 * Partition values and column metrics both become a range: the least and greatest value that can
 * occur, and whether NULL, NaN or any value can occur at all. Unknown always means "may match".
 * DuckDB orders NaN above every number, so a column that may hold NaN is never pruned by an upper
 * bound, which leaves NaN out.
 */
#include <math.h>

#include "lake/lake_int.h"

static bool is_nan(const struct lake_type *type, const struct lake_value *v)
{
    return (type->kind == LAKE_FLOAT || type->kind == LAKE_DOUBLE) && !v->null && isnan(v->d);
}

static bool below(const struct lake_type *type, const struct lake_value *a,
                  const struct lake_value *b)
{
    return lake_value_cmp(type, a, b) < 0;
}

/* May a row equal to `v` lie in the range? */
static bool may_equal(const struct lake_type *type, const struct lake_value *v,
                      const struct prune_range *r)
{
    if (v->null)
        return false; /* = NULL is never true */
    if (is_nan(type, v))
        return r->may_nan;
    if (!r->may_value)
        return false;
    return (r->lower.null || !below(type, v, &r->lower)) &&
           (r->upper.null || !below(type, &r->upper, v));
}

static bool may_start(const struct lake_value *v, const struct prune_range *r)
{
    struct slice low = r->lower.bytes, high = r->upper.bytes;

    if (!r->may_value)
        return false;
    low.len = low.len > v->bytes.len ? v->bytes.len : low.len;
    high.len = high.len > v->bytes.len ? v->bytes.len : high.len;
    return (r->lower.null || slice_cmp(low, v->bytes) <= 0) &&
           (r->upper.null || slice_cmp(high, slice_of(v->bytes.ptr, high.len)) >= 0);
}

/* `exact`: every value equals lower = upper (a partition value under identity). */
bool prune_range(const struct lake_type *type, const struct lake_predicate *p,
                 const struct prune_range *r, bool exact)
{
    const struct lake_value *v = p->values;

    if (p->op != LAKE_OP_IS_NULL && p->op != LAKE_OP_NOT_NULL && !p->value_count)
        return p->op == LAKE_OP_IN;
    switch (p->op) {
    case LAKE_OP_IS_NULL:
        return !r->may_null;
    case LAKE_OP_NOT_NULL:
        return !r->may_value && !r->may_nan;
    case LAKE_OP_EQ:
        return !may_equal(type, v, r);
    case LAKE_OP_IN:
        for (size_t i = 0; i < p->value_count; i++)
            if (may_equal(type, &v[i], r))
                return false;
        return true;
    case LAKE_OP_NE:
        return exact && !r->lower.null && lake_value_cmp(type, &r->lower, v) == 0;
    case LAKE_OP_LT:
    case LAKE_OP_LE:
        if (is_nan(type, v))
            return false;
        if (!r->may_value)
            return true;
        return !r->lower.null &&
               (p->op == LAKE_OP_LT ? !below(type, &r->lower, v) : below(type, v, &r->lower));
    case LAKE_OP_GT:
    case LAKE_OP_GE:
        if (r->may_nan || is_nan(type, v))
            return false;
        if (!r->may_value)
            return true;
        return !r->upper.null &&
               (p->op == LAKE_OP_GT ? !below(type, v, &r->upper) : below(type, &r->upper, v));
    case LAKE_OP_STARTS_WITH:
        return !v->null && !may_start(v, r);
    }
    return false;
}

/* The predicate on a column as one on a partition field: what holds of a value holds, weakened, of
 * its transform. False when nothing can be said. */
static bool project(const struct lake_partition_field *field, const struct lake_type *source,
                    const struct lake_predicate *p, struct lake_value *values,
                    struct lake_predicate *out)
{
    enum lake_transform_kind kind = field->transform.kind;
    bool monotone = kind >= LAKE_TRUNCATE && kind <= LAKE_HOUR;

    *out = *p;
    out->values = values;
    if (kind == LAKE_VOID || kind == LAKE_UNKNOWN_TRANSFORM || p->value_count > 64)
        return false;
    for (size_t i = 0; i < p->value_count; i++)
        if (lake_transform_apply(&field->transform, source, &p->values[i], &values[i]))
            return false;
    if (kind == LAKE_IDENTITY)
        return true;
    switch (p->op) {
    case LAKE_OP_IS_NULL:
    case LAKE_OP_NOT_NULL:
    case LAKE_OP_EQ:
    case LAKE_OP_IN:
        return true;
    case LAKE_OP_LT: /* x < v says f(x) <= f(v) */
        out->op = LAKE_OP_LE;
        return monotone;
    case LAKE_OP_GT:
        out->op = LAKE_OP_GE;
        return monotone;
    case LAKE_OP_LE:
    case LAKE_OP_GE:
        return monotone;
    case LAKE_OP_STARTS_WITH:
        return kind == LAKE_TRUNCATE;
    default:
        return false; /* x <> v says nothing of f(x) */
    }
}

/* NaN under a transform: only identity keeps it. */
static bool prune_field(const struct lake_schema *schema, const struct lake_partition_field *field,
                        const struct lake_predicate *p, const struct lake_field_summary *sum,
                        const struct lake_value *exact)
{
    const struct lake_field *source = lake_schema_by_id(schema, p->field_id);
    struct lake_value values[64];
    struct lake_predicate projected;
    struct prune_range range = {0};
    struct lake_type type;

    if (!source || field->source_id != p->field_id ||
        lake_transform_type(&field->transform, &source->type, &type, NULL) ||
        !project(field, &source->type, p, values, &projected))
        return false;
    if (exact) {
        range.lower = range.upper = *exact;
        range.may_null = exact->null;
        range.may_nan = is_nan(&type, exact);
        range.may_value = !exact->null && !range.may_nan;
        if (range.may_nan)
            range.lower.null = range.upper.null = true;
    } else {
        if (lake_value_decode(&type, sum->lower, &range.lower, NULL) ||
            lake_value_decode(&type, sum->upper, &range.upper, NULL))
            return false;
        range.may_null = sum->contains_null;
        range.may_nan =
            (type.kind == LAKE_FLOAT || type.kind == LAKE_DOUBLE) && sum->contains_nan != 0;
        range.may_value = !range.lower.null || !range.upper.null || range.may_nan;
    }
    return prune_range(&type, &projected, &range, exact && field->transform.kind == LAKE_IDENTITY);
}

bool prune_manifest(const struct lake_metadata *m, const struct lake_schema *schema,
                    const struct lake_manifest_file *line, const struct lake_predicate *predicates,
                    size_t count)
{
    const struct lake_partition_spec *spec = lake_metadata_spec_by_id(m, line->spec_id);

    if (!spec || spec->field_count != line->partition_count)
        return false;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < spec->field_count; k++)
            if (prune_field(schema, &spec->fields[k], &predicates[i], &line->partitions[k], NULL))
                return true;
    return false;
}

static bool prune_metric(const struct lake_schema *schema, const struct lake_data_file *file,
                         const struct lake_predicate *p)
{
    const struct lake_field *field = lake_schema_by_id(schema, p->field_id);
    const struct lake_metric *metric = lake_data_file_metric(file, p->field_id);
    struct prune_range range = {0};
    bool real;

    if (!field || !metric || !lake_type_primitive(&field->type))
        return false;
    if (lake_value_decode(&field->type, metric->lower, &range.lower, NULL) ||
        lake_value_decode(&field->type, metric->upper, &range.upper, NULL))
        return false;
    /* Older writers let NaN into bounds: such bounds say nothing. */
    if (is_nan(&field->type, &range.lower) || is_nan(&field->type, &range.upper))
        range.lower.null = range.upper.null = true;
    real = field->type.kind == LAKE_FLOAT || field->type.kind == LAKE_DOUBLE;
    range.may_null = metric->null_count != 0;
    range.may_nan = real && metric->nan_count != 0;
    range.may_value = metric->value_count < 0 || metric->null_count < 0 ||
                      metric->value_count > metric->null_count;
    return prune_range(&field->type, p, &range, false);
}

bool prune_file(const struct lake_metadata *m, const struct lake_schema *schema,
                const struct lake_data_file *file, const struct lake_predicate *predicates,
                size_t count)
{
    const struct lake_partition_spec *spec = lake_metadata_spec_by_id(m, file->spec_id);

    for (size_t i = 0; i < count; i++) {
        if (prune_metric(schema, file, &predicates[i]))
            return true;
        for (size_t k = 0; spec && k < spec->field_count && k < file->partition_count; k++)
            if (prune_field(schema, &spec->fields[k], &predicates[i], NULL, &file->partition[k]))
                return true;
    }
    return false;
}

bool lake_file_excludes(const struct lake_metadata *metadata, const struct lake_schema *schema,
                        const struct lake_data_file *file, const struct lake_predicate *predicate)
{
    return prune_file(metadata, schema, file, predicate, 1);
}
