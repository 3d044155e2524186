/* transform.c - partition transforms. Iceberg spec, "Partition Transforms" and appendix B. */
#include <stdio.h>

#include "base/codec.h"
#include "lake/lake_int.h"

static const struct {
    const char *name;
    enum lake_transform_kind kind;
} plain[] = {
    {"identity", LAKE_IDENTITY}, {"year", LAKE_YEAR},    {"month", LAKE_MONTH},
    {"day", LAKE_DAY},           {"hour", LAKE_HOUR},    {"void", LAKE_VOID},
    {"years", LAKE_YEAR},        {"months", LAKE_MONTH}, {"days", LAKE_DAY}, /* older writers */
    {"hours", LAKE_HOUR},
};

int lake_transform_parse(const char *text, struct arena *arena, struct lake_transform *out,
                         struct err *err)
{
    int used = 0;

    *out = (struct lake_transform){.kind = LAKE_UNKNOWN_TRANSFORM};
    out->text = arena_strdup(arena, text);
    if (!out->text)
        return err_set(err, ERR_NOMEM, "transform");
    for (size_t i = 0; i < COUNT_OF(plain); i++)
        if (!strcasecmp(text, plain[i].name)) {
            out->kind = plain[i].kind;
            return 0;
        }
    if (sscanf(text, "bucket[%" SCNd32 "]%n", &out->arg, &used) == 1 && used && !text[used])
        out->kind = LAKE_BUCKET;
    else if (sscanf(text, "truncate[%" SCNd32 "]%n", &out->arg, &used) == 1 && used && !text[used])
        out->kind = LAKE_TRUNCATE;
    if (out->kind != LAKE_UNKNOWN_TRANSFORM && out->arg < 1)
        return err_set(err, ERR_INVALID, "transform %.60s: the argument must be above 0", text);
    return 0;
}

const char *lake_transform_text(const struct lake_transform *t, struct arena *arena)
{
    if (t->kind == LAKE_BUCKET || t->kind == LAKE_TRUNCATE)
        return arena_printf(arena, "%s[%" PRId32 "]",
                            t->kind == LAKE_BUCKET ? "bucket" : "truncate", t->arg);
    for (size_t i = 0; i < COUNT_OF(plain); i++)
        if (plain[i].kind == t->kind)
            return plain[i].name;
    return t->text;
}

static bool is_timestamp(enum lake_kind kind)
{
    return kind >= LAKE_TIMESTAMP && kind <= LAKE_TIMESTAMPTZ_NS;
}

static bool takes(const struct lake_transform *t, enum lake_kind kind)
{
    switch (t->kind) {
    case LAKE_IDENTITY:
        return kind < LAKE_STRUCT;
    case LAKE_BUCKET:
        return kind < LAKE_UNKNOWN && kind != LAKE_BOOLEAN && kind != LAKE_FLOAT &&
               kind != LAKE_DOUBLE;
    case LAKE_TRUNCATE:
        return kind == LAKE_INT || kind == LAKE_LONG || kind == LAKE_DECIMAL ||
               kind == LAKE_STRING || kind == LAKE_BINARY;
    case LAKE_YEAR:
    case LAKE_MONTH:
    case LAKE_DAY:
        return kind == LAKE_DATE || is_timestamp(kind);
    case LAKE_HOUR:
        return is_timestamp(kind);
    default:
        return true;
    }
}

int lake_transform_type(const struct lake_transform *t, const struct lake_type *source,
                        struct lake_type *out, struct err *err)
{

    if (!takes(t, source->kind))
        return err_set(err, ERR_INVALID, "transform %.40s does not take this type",
                       t->text ? t->text : "of the partition spec");
    *out = *source;
    switch (t->kind) {
    case LAKE_BUCKET:
    case LAKE_YEAR:
    case LAKE_MONTH:
    case LAKE_HOUR:
        *out = (struct lake_type){.kind = LAKE_INT};
        break;
    case LAKE_DAY: /* an int by the spec's table; Java writes it as a date, and so do we */
        *out = (struct lake_type){.kind = LAKE_DATE};
        break;
    case LAKE_UNKNOWN_TRANSFORM:
        *out = (struct lake_type){.kind = LAKE_STRING};
        break;
    default:
        break;
    }
    return 0;
}

static int64_t units_per_day(enum lake_kind kind)
{
    if (kind == LAKE_DATE)
        return 1;
    return kind == LAKE_TIMESTAMP_NS || kind == LAKE_TIMESTAMPTZ_NS ? 86400000000000 : 86400000000;
}

static int64_t date_part(enum lake_transform_kind kind, enum lake_kind source, int64_t value)
{
    int64_t per_day = units_per_day(source), year;
    int month, day;

    if (kind == LAKE_HOUR)
        return floor_div(value, per_day / 24);
    value = floor_div(value, per_day);
    if (kind == LAKE_DAY)
        return value;
    civil_from_days(value, &year, &month, &day);
    return kind == LAKE_YEAR ? year - 1970 : (year - 1970) * 12 + month - 1;
}

static int32_t hash_of(const struct lake_type *type, const struct lake_value *value)
{
    uint8_t bytes[16];
    int64_t number = value->i;
    size_t len = 16, skip = 0;

    switch (type->kind) {
    case LAKE_STRING:
    case LAKE_UUID:
    case LAKE_FIXED:
    case LAKE_BINARY:
        return (int32_t)murmur3_x86_32(value->bytes.ptr, value->bytes.len, 0);
    case LAKE_DECIMAL:
        for (int i = 0; i < 16; i++)
            bytes[i] = (uint8_t)(value->dec >> (8 * (15 - i)));
        while (skip < 15 && ((bytes[skip] == 0 && !(bytes[skip + 1] & 0x80)) ||
                             (bytes[skip] == 0xff && (bytes[skip + 1] & 0x80))))
            skip++;
        return (int32_t)murmur3_x86_32(bytes + skip, len - skip, 0);
    case LAKE_TIMESTAMP_NS:
    case LAKE_TIMESTAMPTZ_NS:
        number = floor_div(number, 1000);
        break;
    default:
        break;
    }
    return (int32_t)murmur3_x86_32(&number, sizeof(number), 0);
}

/* The first `count` code points of UTF-8. */
static struct slice prefix_chars(struct slice text, int32_t count)
{
    size_t at = 0;

    for (; at < text.len; at++)
        if ((text.ptr[at] & 0xc0) != 0x80 && count-- == 0)
            break;
    return slice_of(text.ptr, at);
}

static void truncate_value(const struct lake_transform *t, const struct lake_type *source,
                           struct lake_value *out)
{
    __int128 rest;

    switch (source->kind) {
    case LAKE_STRING:
        out->bytes = prefix_chars(out->bytes, t->arg);
        break;
    case LAKE_BINARY:
        out->bytes.len = out->bytes.len > (size_t)t->arg ? (size_t)t->arg : out->bytes.len;
        break;
    case LAKE_DECIMAL:
        rest = out->dec % t->arg;
        out->dec -= rest < 0 ? rest + t->arg : rest;
        break;
    default:
        out->i = (int64_t)((uint64_t)floor_div(out->i, t->arg) * (uint64_t)t->arg);
    }
}

int lake_transform_apply(const struct lake_transform *t, const struct lake_type *source,
                         const struct lake_value *in, struct lake_value *out)
{
    *out = *in;
    if (t->kind == LAKE_UNKNOWN_TRANSFORM)
        return ERR_UNSUPPORTED;
    if (t->kind == LAKE_VOID)
        *out = (struct lake_value){.null = true};
    if (out->null || t->kind == LAKE_IDENTITY)
        return 0;
    switch (t->kind) {
    case LAKE_BUCKET:
        *out = (struct lake_value){.i = (hash_of(source, in) & INT32_MAX) % t->arg};
        break;
    case LAKE_TRUNCATE:
        truncate_value(t, source, out);
        break;
    default:
        *out = (struct lake_value){.i = date_part(t->kind, source->kind, in->i)};
    }
    return 0;
}

int lake_transform_human(const struct lake_transform *t, const struct lake_type *result,
                         const struct lake_value *value, struct buf *buf)
{
    int64_t year;
    int month, day;

    if (value->null)
        return buf_append_str(buf, "null");
    switch (t->kind) {
    case LAKE_YEAR:
        return buf_printf(buf, "%04" PRId64, value->i + 1970);
    case LAKE_MONTH:
        return buf_printf(buf, "%04" PRId64 "-%02d", floor_div(value->i, 12) + 1970,
                          (int)(value->i - floor_div(value->i, 12) * 12) + 1);
    case LAKE_DAY:
    case LAKE_HOUR:
        civil_from_days(t->kind == LAKE_DAY ? value->i : floor_div(value->i, 24), &year, &month,
                        &day);
        if (t->kind == LAKE_DAY)
            return buf_printf(buf, "%04" PRId64 "-%02d-%02d", year, month, day);
        return buf_printf(buf, "%04" PRId64 "-%02d-%02d-%02d", year, month, day,
                          (int)(value->i - floor_div(value->i, 24) * 24));
    default:
        return lake_value_text(result, value, buf);
    }
}
