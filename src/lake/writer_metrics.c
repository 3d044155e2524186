/* writer_metrics.c - DuckDB's statistics of a written file as Iceberg's column metrics.
 *
 * Bounds are text there and binary here. Long texts are cut as the table's metrics mode says: the
 * lower bound to a prefix, which only goes down, the upper to a prefix whose last character is
 * raised, so both still enclose every value. What does not parse is left unknown, never guessed.
 */
#include "base/codec.h"
#include "lake/small_parquet.h"

enum mode { MODE_NONE, MODE_COUNTS, MODE_TRUNCATE, MODE_FULL };
struct metrics_mode {
    enum mode mode;
    int32_t len; /* TRUNCATE: characters or bytes */
};

#define ROW_GROUP_ROWS 122880 /* DuckDB's: has_nan is sure for one group only */

static struct metrics_mode mode_parse(const char *text)
{
    int32_t len;

    if (!strcasecmp(text, "none"))
        return (struct metrics_mode){MODE_NONE, 0};
    if (!strcasecmp(text, "counts"))
        return (struct metrics_mode){MODE_COUNTS, 0};
    if (!strcasecmp(text, "full"))
        return (struct metrics_mode){MODE_FULL, 0};
    if (sscanf(text, "truncate(%" SCNd32 ")", &len) == 1 && len > 0)
        return (struct metrics_mode){MODE_TRUNCATE, len};
    return (struct metrics_mode){MODE_TRUNCATE, 16};
}

/* Iceberg keeps metrics of the first hundred columns unless a default is set. */
static struct metrics_mode mode_of(const struct lake_metadata *m, const char *path, size_t place)
{
    int64_t inferred =
        lake_metadata_property_i64(m, "write.metadata.metrics.max-inferred-column-defaults", 100);
    const char *text = NULL;
    char key[600];

    snprintf(key, sizeof(key), "write.metadata.metrics.column.%.500s", path);
    text = lake_metadata_property(m, key);
    text = text ? text : lake_metadata_property(m, "write.metadata.metrics.default");
    if (!text && (int64_t)place >= inferred)
        return (struct metrics_mode){MODE_NONE, 0};
    return mode_parse(text ? text : "truncate(16)");
}

/* The field that a statistic's path names; `repeated` when it is inside of a list or map. */
static const struct lake_field *field_of(const struct lake_schema *schema,
                                         const struct vec_stat *stat, bool *repeated, bool *top)
{
    const struct lake_type *type = &schema->root;
    const struct lake_field *field = NULL;

    *repeated = false;
    *top = stat->part_count == 1;
    for (size_t i = 0; i < stat->part_count; i++) {
        const struct lake_field *next = NULL;

        *repeated |= type->kind == LAKE_LIST || type->kind == LAKE_MAP;
        for (size_t k = 0; k < type->field_count; k++)
            if (!strcmp(type->fields[k].name, stat->parts[i]))
                next = &type->fields[k];
        if (!next) /* some writers name the levels in between: list.element, key_value.key */
            continue;
        field = next;
        type = &next->type;
    }
    return field && lake_type_primitive(&field->type) ? field : NULL;
}

static struct slice prefix(const struct lake_type *type, struct slice bytes, int32_t len)
{
    struct lake_transform cut = {.kind = LAKE_TRUNCATE, .arg = len};
    struct lake_value in = {.bytes = bytes}, out;
    struct lake_type as = {.kind = type->kind == LAKE_STRING ? LAKE_STRING : LAKE_BINARY};

    lake_transform_apply(&cut, &as, &in, &out);
    return out.bytes;
}

/* Raises the last code point that can be raised; false when none can. In place. */
static bool raise_text(uint8_t *bytes, size_t *len)
{
    while (*len) {
        size_t at = *len - 1;
        uint32_t code;

        while (at > 0 && (bytes[at] & 0xc0) == 0x80)
            at--;
        size_t width = *len - at;
        code = width == 1 ? bytes[at] : bytes[at] & (0xff >> (width + 1));
        for (size_t i = 1; i < width; i++)
            code = code << 6 | (bytes[at + i] & 0x3f);
        code = code == 0xd7ff ? 0xe000 : code + 1; /* surrogates are no characters */
        /* Kept to the same width: one more byte might not fit, and shorter prefixes do as well. */
        static const uint32_t limit[] = {0, 0x7f, 0x7ff, 0xffff, 0x10ffff};

        if (width <= 4 && code <= limit[width]) {
            for (size_t i = width; i-- > 1; code >>= 6)
                bytes[at + i] = (uint8_t)(0x80 | (code & 0x3f));
            bytes[at] = width == 1 ? (uint8_t)code : (uint8_t)((0xff00 >> width & 0xff) | code);
            return true;
        }
        *len = at;
    }
    return false;
}

static bool raise_bytes(uint8_t *bytes, size_t *len)
{
    for (; *len; --*len)
        if (bytes[*len - 1] != 0xff) {
            bytes[*len - 1]++;
            return true;
        }
    return false;
}

/* Statistics of blobs are plain hex, unlike blobs elsewhere in DuckDB. */
static int parse_hex(const char *text, struct arena *arena, struct lake_value *out)
{
    size_t len = strlen(text) / 2;
    uint8_t *bytes = arena_alloc(arena, len + 1);

    if (!bytes)
        return ERR_NOMEM;
    *out = (struct lake_value){.bytes = slice_of(bytes, len)};
    return hex_decode(slice_str(text), bytes);
}

int lake_bound_cut(const struct lake_type *type, struct slice whole, bool upper, int32_t len,
                   struct arena *arena, struct slice *out)
{
    uint8_t *raised;
    size_t left;

    *out = prefix(type, whole, len);
    if (!upper || out->len == whole.len) {
        *out = arena_slice(arena, *out);
        return out->ptr ? 0 : ERR_NOMEM;
    }
    left = out->len;
    raised = arena_alloc(arena, left + 1);
    if (!raised)
        return ERR_NOMEM;
    memcpy(raised, out->ptr, left);
    *out = (struct slice){0};
    if (type->kind == LAKE_STRING ? raise_text(raised, &left) : raise_bytes(raised, &left))
        *out = slice_of(raised, left);
    return 0;
}

static int put_bound_of(const struct lake_type *type, const struct lake_value *value, bool upper,
                        struct metrics_mode mode, struct arena *arena, struct slice *out)
{
    bool cut = type->kind == LAKE_STRING || type->kind == LAKE_BINARY;
    struct slice whole;
    int rc = lake_value_encode(type, value, arena, &whole);

    if (rc)
        return rc == ERR_UNSUPPORTED ? 0 : rc;
    if (cut && mode.mode == MODE_TRUNCATE)
        return lake_bound_cut(type, whole, upper, mode.len, arena, out);
    *out = whole;
    return 0;
}

static int put_bound(const struct lake_type *type, const char *text, bool upper,
                     struct metrics_mode mode, struct arena *arena, struct slice *out)
{
    struct lake_value value;
    int rc;

    if (type->kind == LAKE_BINARY || type->kind == LAKE_FIXED)
        rc = parse_hex(text, arena, &value);
    else
        rc = lake_value_parse(type, text, arena, &value, NULL);
    if (rc == ERR_NOMEM)
        return rc;
    if (rc || ((type->kind == LAKE_FLOAT || type->kind == LAKE_DOUBLE) && value.d != value.d))
        return 0; /* unknown */
    return put_bound_of(type, &value, upper, mode, arena, out);
}

static int cmp_id(const void *a, const void *b)
{
    int32_t x = ((const struct lake_metric *)a)->field_id;
    int32_t y = ((const struct lake_metric *)b)->field_id;

    return (x > y) - (x < y);
}

static int null_in_required(const struct lake_field *field, int64_t nulls, struct err *err)
{
    return err_set(err, ERR_INVALID, "column %s is required and %" PRId64 " values are NULL",
                   field->name, nulls);
}

int writer_metrics(const struct lake_metadata *metadata, const struct lake_schema *schema,
                   const struct vec_copy_result *result, struct arena *arena,
                   struct lake_data_file *out, struct err *err)
{
    out->metrics = ARENA_ARRAY(arena, struct lake_metric, result->stat_count + 1);
    out->metric_count = 0;
    if (!out->metrics)
        return err_set(err, ERR_NOMEM, "column metrics");
    for (size_t i = 0; i < result->stat_count; i++) {
        const struct vec_stat *stat = &result->stats[i];
        struct lake_metric *m = &out->metrics[out->metric_count];
        bool repeated, top;
        const struct lake_field *field = field_of(schema, stat, &repeated, &top);
        struct metrics_mode mode = mode_of(metadata, stat->path, i);
        bool real = field && (field->type.kind == LAKE_FLOAT || field->type.kind == LAKE_DOUBLE);

        if (!field)
            continue;
        if (top && field->required && stat->null_count > 0)
            return null_in_required(field, stat->null_count, err);
        if (mode.mode == MODE_NONE)
            continue;
        *m = (struct lake_metric){
            field->id, stat->size_bytes, stat->value_count, stat->null_count, -1, {0}, {0}};
        if (real && !stat->has_nan && result->rows <= ROW_GROUP_ROWS)
            m->nan_count = 0;
        if (mode.mode >= MODE_TRUNCATE && !repeated &&
            ((stat->min && put_bound(&field->type, stat->min, false, mode, arena, &m->lower)) ||
             (stat->max && put_bound(&field->type, stat->max, true, mode, arena, &m->upper))))
            return err_set(err, ERR_NOMEM, "column metrics");
        out->metric_count++;
    }
    qsort(out->metrics, out->metric_count, sizeof(*out->metrics), cmp_id);
    return 0;
}

int writer_small_metrics(const struct lake_metadata *metadata, const struct lake_schema *schema,
                         const struct small_stat *stats, int64_t rows, struct arena *arena,
                         struct lake_data_file *out, struct err *err)
{
    out->metrics = ARENA_ARRAY(arena, struct lake_metric, schema->root.field_count + 1);
    out->metric_count = 0;
    if (!out->metrics)
        return err_set(err, ERR_NOMEM, "column metrics");
    for (size_t i = 0; i < schema->root.field_count; i++) {
        const struct lake_field *field = &schema->root.fields[i];
        struct metrics_mode mode = mode_of(metadata, field->name, i);
        bool real = field->type.kind == LAKE_FLOAT || field->type.kind == LAKE_DOUBLE;
        struct lake_metric *m = &out->metrics[out->metric_count];

        if (field->required && stats[i].null_count)
            return null_in_required(field, stats[i].null_count, err);
        if (mode.mode == MODE_NONE)
            continue;
        *m = (struct lake_metric){field->id,
                                  stats[i].size_bytes,
                                  rows,
                                  stats[i].null_count,
                                  real ? stats[i].nan_count : -1,
                                  {0},
                                  {0}};
        if (mode.mode >= MODE_TRUNCATE && !stats[i].min.null &&
            (put_bound_of(&field->type, &stats[i].min, false, mode, arena, &m->lower) ||
             put_bound_of(&field->type, &stats[i].max, true, mode, arena, &m->upper)))
            return err_set(err, ERR_NOMEM, "column metrics");
        out->metric_count++;
    }
    qsort(out->metrics, out->metric_count, sizeof(*out->metrics), cmp_id);
    return 0;
}
