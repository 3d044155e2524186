/* writer_parquet.c - what a table's write.parquet.* properties ask of the files that we write. */
#include <math.h>
#include <stdlib.h>

#include "lake/writer_int.h"

/* Merging writes the rows of a fresh file again, at zstd's own level and with larger dictionaries:
 * most of the time spent on a dictionary goes into columns that turn out to have none. */
#define FRESH_LEVEL             1
#define FRESH_DICTIONARY_VALUES 4096

#define GROUP_ROWS_MAX 10000000 /* of groups that are cut by bytes */

/* Iceberg's names of codecs. Parquet's older framing of lz4, which nobody agreed on, is not meant
 * by any of them. */
static const struct {
    const char *name;
    enum codec codec;
} codecs[] = {
    {"zstd", CODEC_ZSTD},         {"snappy", CODEC_SNAPPY_RAW}, {"gzip", CODEC_GZIP},
    {"lz4", CODEC_LZ4_RAW},       {"lz4_raw", CODEC_LZ4_RAW},   {"lz4-raw", CODEC_LZ4_RAW},
    {"uncompressed", CODEC_NONE}, {"none", CODEC_NONE},
};

static int find_codec(const struct lake_metadata *m, enum codec *out, struct err *err)
{
    const char *name = lake_metadata_property(m, "write.parquet.compression-codec");

    *out = CODEC_ZSTD;
    if (!name)
        return 0;
    for (size_t i = 0; i < COUNT_OF(codecs); i++)
        if (!strcasecmp(codecs[i].name, name)) {
            *out = codecs[i].codec;
            return 0;
        }
    return err_set(err, ERR_UNSUPPORTED,
                   "write.parquet.compression-codec is %.60s, which this tarn does not write: set "
                   "it to zstd, snappy, gzip, lz4 or uncompressed",
                   name);
}

/* A property of one column: PREFIX.column.NAME. */
static const char *of_column(const struct lake_metadata *m, const char *prefix, const char *path)
{
    char key[700];

    snprintf(key, sizeof(key), "write.parquet.%s.column.%.600s", prefix, path);
    return lake_metadata_property(m, key);
}

static void leaf_options(const void *arg, const char *path, struct parquet_leaf_options *out)
{
    const struct lake_metadata *m = arg;
    const char *stats = of_column(m, "stats-enabled", path);
    const char *bloom = of_column(m, "bloom-filter-enabled", path);
    const char *rate = of_column(m, "bloom-filter-fpp", path);
    double fpp = rate ? strtod(rate, NULL) : 0;

    out->stats = !stats || strcasecmp(stats, "false") != 0;
    out->bloom = bloom && !strcasecmp(bloom, "true");
    if (fpp > 0 && fpp < 1)
        out->bloom_fpp = fpp;
}

/* A number of at least 1; what is less says nothing. */
static void put_number(const struct lake_metadata *m, const char *key, int64_t *out)
{
    int64_t value = lake_metadata_property_i64(m, key, *out);

    if (value > 0)
        *out = value;
}

int writer_parquet(const struct lake_metadata *m, bool fresh, struct parquet_options *o,
                   struct err *err)
{
    parquet_options_init(o);
    put_number(m, "write.parquet.page-size-bytes", &o->page_bytes);
    put_number(m, "write.parquet.page-row-limit", &o->page_rows);
    put_number(m, "write.parquet.row-group-size-bytes", &o->group_bytes);
    put_number(m, "write.parquet.bloom-filter-max-bytes", &o->bloom_bytes);
    if (o->group_bytes)
        o->group_rows = GROUP_ROWS_MAX;
    if (lake_metadata_property(m, "write.parquet.dict-size-bytes")) {
        o->dictionary_bytes =
            lake_metadata_property_i64(m, "write.parquet.dict-size-bytes", o->dictionary_bytes);
        o->dictionary_values = o->dictionary_bytes; /* the bytes are what is asked for */
    } else if (fresh) {
        o->dictionary_values = FRESH_DICTIONARY_VALUES;
    }
    o->leaf = leaf_options;
    o->leaf_arg = m;
    o->level = (int)lake_metadata_property_i64(m, "write.parquet.compression-level", 0);
    if (find_codec(m, &o->codec, err))
        return ERR_UNSUPPORTED;
    if (fresh && !o->level && o->codec == CODEC_ZSTD)
        o->level = FRESH_LEVEL;
    return 0;
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
    enum codec codec;

    if (field)
        return err_set(err, ERR_UNSUPPORTED,
                       "column %.100s is of type timestamptz_ns: this tarn reads such columns, cut "
                       "to microseconds, and writes none; declare it TIMESTAMP_LTZ(6)",
                       field->name);
    if (lake_metadata_property(m, "encryption.key-id"))
        return err_set(err, ERR_UNSUPPORTED,
                       "the table asks for encrypted files (encryption.key-id): this tarn writes "
                       "none");
    if (!format || !strcasecmp(format, "parquet"))
        return find_codec(m, &codec, err);
    return err_set(err, ERR_UNSUPPORTED,
                   "the table asks for files in format %.60s (write.format.default): this tarn "
                   "writes parquet",
                   format);
}
