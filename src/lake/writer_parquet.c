/* writer_parquet.c - what a table's write.parquet.* properties ask of the files that we write.
 *
 * DuckDB's writer knows codecs and levels, sizes of row groups in rows, dictionaries, and bloom
 * filters for columns that have a dictionary. It writes no page indexes and sizes its pages itself:
 * write.parquet.page-size-bytes and page-row-limit are kept for other writers. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "lake/retype.h"
#include "lake/writer_int.h"

#define ROWS_STEP 2048
#define ROWS_MAX  10000000

/* Bytes of a row before compression, guessed from the types: a row group is asked for in bytes and
 * cut by rows. */
static double row_bytes(const struct lake_type *type)
{
    double sum = 0;

    switch (type->kind) {
    case LAKE_BOOLEAN:
        return 1;
    case LAKE_INT:
    case LAKE_FLOAT:
    case LAKE_DATE:
        return 4;
    case LAKE_DECIMAL:
        return type->precision > 18 ? 16 : 8;
    case LAKE_STRING:
    case LAKE_BINARY:
    case LAKE_UUID:
        return 16;
    case LAKE_FIXED:
        return type->width;
    case LAKE_STRUCT:
    case LAKE_LIST:
    case LAKE_MAP:
        for (size_t i = 0; i < type->field_count; i++)
            sum += row_bytes(&type->fields[i].type);
        return type->kind == LAKE_STRUCT ? sum : sum * 3;
    default:
        return 8;
    }
}

static int64_t group_rows(const struct lake_metadata *m)
{
    int64_t bytes = lake_metadata_property_i64(m, "write.parquet.row-group-size-bytes", 0);
    double one = row_bytes(&lake_metadata_schema(m)->root), rows;

    if (bytes <= 0)
        return 0; /* DuckDB's own: 122,880 rows */
    rows = ceil((double)bytes / (one > 1 ? one : 1) / ROWS_STEP) * ROWS_STEP;
    return rows > ROWS_MAX ? ROWS_MAX : (int64_t)rows;
}

/* Bytes of any kind, which DuckDB 1.5.5 hashes in one way when it writes and in another when it
 * reads: whoever looks a value up would not find it. */
static bool has_bytes(const struct lake_type *type)
{
    bool found = type->kind == LAKE_BINARY || type->kind == LAKE_FIXED;

    for (size_t i = 0; i < type->field_count && !found; i++)
        found = has_bytes(&type->fields[i].type);
    return found;
}

/* Bloom filters are for all columns or none: on as soon as one column asks, with the least of the
 * rates asked for; off when all that is said is no. */
static void bloom(const struct lake_metadata *m, struct vec_copy_options *o)
{
    static const char enabled[] = "write.parquet.bloom-filter-enabled.column.";
    static const char rate[] = "write.parquet.bloom-filter-fpp.column.";

    for (size_t i = 0; i < m->property_count; i++) {
        const struct lake_property *p = &m->properties[i];

        if (!strncmp(p->key, enabled, sizeof(enabled) - 1)) {
            bool yes = !strcasecmp(p->value, "true");

            o->bloom = yes ? VEC_BLOOM_ON : o->bloom == VEC_BLOOM_ON ? o->bloom : VEC_BLOOM_OFF;
        } else if (!strncmp(p->key, rate, sizeof(rate) - 1)) {
            double fpp = strtod(p->value, NULL);

            if (fpp > 0 && fpp < 1 && (o->bloom_fpp == 0 || fpp < o->bloom_fpp))
                o->bloom_fpp = fpp;
        }
    }
    if (has_bytes(&lake_metadata_schema(m)->root))
        o->bloom = VEC_BLOOM_OFF;
}

void writer_parquet(const struct lake_metadata *m, struct vec_copy_options *o)
{
    o->row_group_rows = group_rows(m);
    o->dictionary_bytes = lake_metadata_property_i64(m, "write.parquet.dict-size-bytes", 0);
    bloom(m, o);
}

/* DuckDB reads nanoseconds with a zone cut to microseconds: whoever writes such rows again, in a
 * merge of small files or an UPDATE, would lose what others wrote. */
static const struct lake_field *find_unwritable(const struct lake_type *type)
{
    const struct lake_field *found = NULL;

    for (size_t i = 0; i < type->field_count && !found; i++)
        found = type->fields[i].type.kind == LAKE_TIMESTAMPTZ_NS
                    ? &type->fields[i]
                    : find_unwritable(&type->fields[i].type);
    return found;
}

int writer_format_check(const struct lake_metadata *m, struct err *err)
{
    const struct lake_field *field = find_unwritable(&lake_metadata_schema(m)->root);
    const char *format = lake_metadata_property(m, "write.format.default");
    const char *codec = writer_codec(m);

    if (field)
        return err_set(err, ERR_UNSUPPORTED,
                       "column %.100s is of type timestamptz_ns: this tarn reads such columns, cut "
                       "to microseconds, and writes none; declare it TIMESTAMP_LTZ(6)",
                       field->name);
    if (lake_metadata_property(m, "encryption.key-id"))
        return err_set(err, ERR_UNSUPPORTED,
                       "the table asks for encrypted files (encryption.key-id): this tarn writes "
                       "none");
    if (retype_needed(lake_metadata_schema(m)) && !retype_reads(codec))
        return err_set(err, ERR_UNSUPPORTED,
                       "the table has columns of type fixed[N], which are not written with "
                       "%.40s: set write.parquet.compression-codec to zstd, snappy, "
                       "gzip or uncompressed",
                       codec);
    if (!format || !strcasecmp(format, "parquet"))
        return 0;
    return err_set(err, ERR_UNSUPPORTED,
                   "the table asks for files in format %.60s (write.format.default): this tarn "
                   "writes parquet",
                   format);
}

/* Iceberg's names of codecs as DuckDB's. */
const char *writer_codec(const struct lake_metadata *m)
{
    const char *codec = lake_metadata_property(m, "write.parquet.compression-codec");

    if (!codec)
        return "zstd";
    return strcasecmp(codec, "lz4") ? codec : "lz4_raw";
}
