/* writer_metrics.c - what the writer of a file knows of its columns as Iceberg's column metrics.
 *
 * Long texts are cut as the table's metrics mode says: the lower bound to a prefix, which only goes
 * down, the upper to a prefix whose last character is raised, so both still enclose every value.
 */
#include "lake/parquet.h"

enum mode { MODE_NONE, MODE_COUNTS, MODE_TRUNCATE, MODE_FULL };
struct metrics_mode {
    enum mode mode;
    int32_t len; /* TRUNCATE: characters or bytes */
};

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

static int put_bound(const struct lake_type *type, const struct lake_value *value, bool upper,
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

static int cmp_id(const void *a, const void *b)
{
    int32_t x = ((const struct lake_metric *)a)->field_id;
    int32_t y = ((const struct lake_metric *)b)->field_id;

    return (x > y) - (x < y);
}

int writer_metrics(const struct lake_metadata *metadata, const struct parquet_result *result,
                   struct arena *arena, struct lake_data_file *out, struct err *err)
{
    out->metrics = ARENA_ARRAY(arena, struct lake_metric, result->stat_count + 1);
    out->metric_count = 0;
    if (!out->metrics)
        return err_set(err, ERR_NOMEM, "column metrics");
    for (size_t i = 0; i < result->stat_count; i++) {
        const struct parquet_stat *stat = &result->stats[i];
        const struct lake_type *type = &stat->field->type;
        struct lake_metric *m = &out->metrics[out->metric_count];
        struct metrics_mode mode = mode_of(metadata, stat->path, i);
        bool real = type->kind == LAKE_FLOAT || type->kind == LAKE_DOUBLE;

        if (mode.mode == MODE_NONE)
            continue;
        *m = (struct lake_metric){stat->field->id,        stat->bytes, stat->values, stat->nulls,
                                  real ? stat->nans : -1, {0},         {0}};
        if (mode.mode >= MODE_TRUNCATE && !stat->repeated && !stat->min.null &&
            (put_bound(type, &stat->min, false, mode, arena, &m->lower) ||
             put_bound(type, &stat->max, true, mode, arena, &m->upper)))
            return err_set(err, ERR_NOMEM, "column metrics");
        out->metric_count++;
    }
    qsort(out->metrics, out->metric_count, sizeof(*out->metrics), cmp_id);
    return 0;
}
