/* manifest_file.c - manifests as Avro files, by one table. Iceberg spec, "Manifests". */
#include "format/avro_file.h"
#include "lake/lake_int.h"

/* As the fields lie in the file; metrics come as six maps there and as one list here. */
struct pair_long {
    int32_t key;
    int64_t value;
};
struct pair_bytes {
    int32_t key;
    struct slice value;
};
enum map_at { SIZES, VALUES, NULLS, NANS, LONG_MAPS };
struct wire_file {
    struct lake_data_file f;
    int64_t block_bytes; /* v1 */
    struct pair_long *longs[LONG_MAPS];
    size_t long_counts[LONG_MAPS];
    struct pair_bytes *lowers, *uppers;
    size_t lower_count, upper_count;
};
struct wire_entry { /* followed by one struct avro_datum per partition field */
    int32_t status;
    int64_t snapshot_id, sequence_number, file_sequence_number;
    struct wire_file file;
};
#define METRICS_INSERTED_MAX 4096
#define V1_BLOCK_BYTES       ((int64_t)64 << 20) /* what the spec asks v1's writers to say */
#define PARTITION_AT         (sizeof(struct wire_entry) - offsetof(struct wire_entry, file))

#define PAIR(shape, type, key_id, value_id, value_kind)                                            \
    static const struct avro_field shape##_fields[] = {                                            \
        {.name = "key",                                                                            \
         .id = key_id,                                                                             \
         .kind = AK_INT,                                                                           \
         .needed = true,                                                                           \
         .at = offsetof(struct type, key)},                                                        \
        {.name = "value",                                                                          \
         .id = value_id,                                                                           \
         .kind = value_kind,                                                                       \
         .needed = true,                                                                           \
         .at = offsetof(struct type, value)},                                                      \
    };                                                                                             \
    static const struct avro_shape shape = {#shape, sizeof(struct type), shape##_fields, 2}

PAIR(k117_v118, pair_long, 117, 118, AK_LONG);
PAIR(k119_v120, pair_long, 119, 120, AK_LONG);
PAIR(k121_v122, pair_long, 121, 122, AK_LONG);
PAIR(k138_v139, pair_long, 138, 139, AK_LONG);
PAIR(k126_v127, pair_bytes, 126, 127, AK_BYTES);
PAIR(k129_v130, pair_bytes, 129, 130, AK_BYTES);

static const struct avro_field offset_item = {.name = "offset", .id = 133, .kind = AK_LONG};
static const struct avro_field equality_item = {.name = "id", .id = 136, .kind = AK_INT};

#define F(field_name, field_id, field_kind, member)                                                \
    .name = field_name, .id = field_id, .kind = field_kind,                                        \
    .at = offsetof(struct wire_file, f) + offsetof(struct lake_data_file, member)
#define MAP(field_name, field_id, map_shape, member, count)                                        \
    .name = field_name, .id = field_id, .kind = AK_MAP, .optional = true, .shape = &map_shape,     \
    .at = offsetof(struct wire_file, member), .at_count = offsetof(struct wire_file, count)
#define LIST(field_name, field_id, list_item, member, count)                                       \
    .name = field_name, .id = field_id, .kind = AK_ARRAY, .optional = true, .item = &list_item,    \
    .at = offsetof(struct wire_file, f) + offsetof(struct lake_data_file, member),                 \
    .at_count = offsetof(struct wire_file, f) + offsetof(struct lake_data_file, count)

/* `since`, `until`: the table formats that know the field; until 0: all later ones. */
static const struct data_field {
    int since;
    struct avro_field field;
    int until;
} data_fields[] = {
    {2, {F("content", 134, AK_INT, content)}},
    {1, {F("file_path", 100, AK_STRING, path), .needed = true}},
    {1, {F("file_format", 101, AK_STRING, format), .needed = true}},
    {1, {.name = "partition", .id = 102, .kind = AK_RECORD, .at = PARTITION_AT}},
    {1, {F("record_count", 103, AK_LONG, record_count), .needed = true}},
    {1, {F("file_size_in_bytes", 104, AK_LONG, file_bytes), .needed = true}},
    {1,
     {.name = "block_size_in_bytes",
      .id = 105,
      .kind = AK_LONG,
      .at = offsetof(struct wire_file, block_bytes)},
     1},
    {1, {MAP("column_sizes", 108, k117_v118, longs[SIZES], long_counts[SIZES])}},
    {1, {MAP("value_counts", 109, k119_v120, longs[VALUES], long_counts[VALUES])}},
    {1, {MAP("null_value_counts", 110, k121_v122, longs[NULLS], long_counts[NULLS])}},
    {1, {MAP("nan_value_counts", 137, k138_v139, longs[NANS], long_counts[NANS])}},
    {1, {MAP("lower_bounds", 125, k126_v127, lowers, lower_count)}},
    {1, {MAP("upper_bounds", 128, k129_v130, uppers, upper_count)}},
    {1, {F("key_metadata", 131, AK_BYTES, key_metadata), .optional = true}},
    {1, {LIST("split_offsets", 132, offset_item, split_offsets, split_count)}},
    {2, {LIST("equality_ids", 135, equality_item, equality_ids, equality_count)}},
    {1, {F("sort_order_id", 140, AK_INT, sort_order_id), .optional = true, .absent = -1}},
    {3, {F("first_row_id", 142, AK_LONG, first_row_id), .optional = true, .absent = -1}},
    {2, {F("referenced_data_file", 143, AK_STRING, referenced_data_file), .optional = true}},
    {3, {F("content_offset", 144, AK_LONG, content_pos), .optional = true, .absent = -1}},
    {3, {F("content_size_in_bytes", 145, AK_LONG, content_bytes), .optional = true, .absent = -1}},
};

static const struct avro_field entry_fields[] = {
    {.name = "status",
     .id = 0,
     .kind = AK_INT,
     .needed = true,
     .at = offsetof(struct wire_entry, status)},
    {.name = "snapshot_id",
     .id = 1,
     .kind = AK_LONG,
     .optional = true,
     .absent = -1,
     .at = offsetof(struct wire_entry, snapshot_id)},
    {.name = "sequence_number",
     .id = 3,
     .kind = AK_LONG,
     .optional = true,
     .absent = -1,
     .at = offsetof(struct wire_entry, sequence_number)},
    {.name = "file_sequence_number",
     .id = 4,
     .kind = AK_LONG,
     .optional = true,
     .absent = -1,
     .at = offsetof(struct wire_entry, file_sequence_number)},
    {.name = "data_file",
     .id = 2,
     .kind = AK_RECORD,
     .needed = true,
     .at = offsetof(struct wire_entry, file)},
};

int partition_types(const struct lake_metadata *metadata, const struct lake_partition_spec *spec,
                    struct arena *arena, struct lake_type **out, struct err *err)
{
    int rc = lake_spec_types(spec, lake_metadata_schema(metadata), arena, out, err);

    for (size_t i = 0; i < spec->field_count && !rc; i++)
        for (size_t k = metadata->schema_count; k-- > 0 && (*out)[i].kind == LAKE_UNKNOWN;) {
            const struct lake_field *source =
                lake_schema_by_id(&metadata->schemas[k], spec->fields[i].source_id);

            if (source &&
                lake_transform_type(&spec->fields[i].transform, &source->type, &(*out)[i], NULL))
                (*out)[i].kind = LAKE_UNKNOWN;
        }
    return rc;
}

const char *avro_codec_of(const struct lake_metadata *metadata)
{
    static const char *const names[][2] = {
        {"gzip", "deflate"}, {"zstd", "zstandard"}, {"snappy", "snappy"}, {"uncompressed", "null"}};
    const char *want = lake_metadata_property(metadata, "write.avro.compression-codec");

    for (size_t i = 0; want && i < COUNT_OF(names); i++)
        if (!strcasecmp(want, names[i][0]))
            return names[i][1];
    return "deflate";
}

/* Iceberg spec, appendix A: fixed with as few bytes as hold the precision. */
static int32_t decimal_width(int32_t precision)
{
    double bits = precision * 3.3219280948873626 + 1; /* log2(10) per digit, and the sign */

    return (int32_t)(bits / 8) + (bits / 8 > (int32_t)(bits / 8));
}

static struct avro_datum_type datum_type(const struct lake_type *type)
{
    switch (type->kind) {
    case LAKE_BOOLEAN:
        return (struct avro_datum_type){.type = AVRO_BOOLEAN};
    case LAKE_INT:
        return (struct avro_datum_type){.type = AVRO_INT};
    case LAKE_DATE:
        return (struct avro_datum_type){.type = AVRO_INT, .logical = "date"};
    case LAKE_LONG:
        return (struct avro_datum_type){.type = AVRO_LONG};
    case LAKE_TIME:
        return (struct avro_datum_type){.type = AVRO_LONG, .logical = "time-micros"};
    case LAKE_TIMESTAMP:
    case LAKE_TIMESTAMPTZ:
        return (struct avro_datum_type){.type = AVRO_LONG,
                                        .logical = "timestamp-micros",
                                        .adjust_to_utc = type->kind == LAKE_TIMESTAMPTZ};
    case LAKE_TIMESTAMP_NS:
    case LAKE_TIMESTAMPTZ_NS:
        return (struct avro_datum_type){.type = AVRO_LONG,
                                        .logical = "timestamp-nanos",
                                        .adjust_to_utc = type->kind == LAKE_TIMESTAMPTZ_NS};
    case LAKE_FLOAT:
        return (struct avro_datum_type){.type = AVRO_FLOAT};
    case LAKE_DOUBLE:
        return (struct avro_datum_type){.type = AVRO_DOUBLE};
    case LAKE_DECIMAL:
        return (struct avro_datum_type){.type = AVRO_FIXED,
                                        .logical = "decimal",
                                        .size = decimal_width(type->precision),
                                        .precision = type->precision,
                                        .scale = type->scale};
    case LAKE_UUID:
        return (struct avro_datum_type){.type = AVRO_FIXED, .size = 16, .logical = "uuid"};
    case LAKE_FIXED:
        return (struct avro_datum_type){.type = AVRO_FIXED, .size = type->width};
    case LAKE_BINARY:
        return (struct avro_datum_type){.type = AVRO_BYTES};
    default:
        return (struct avro_datum_type){.type = AVRO_STRING};
    }
}

/* Avro names are [A-Za-z_][A-Za-z0-9_]*; Iceberg replaces the rest by _x and its hex code. */
static const char *avro_name(struct arena *arena, const char *name)
{
    char *out = arena_alloc(arena, strlen(name) * 4 + 2), *at = out;

    if (out && *name >= '0' && *name <= '9')
        *at++ = '_';
    for (; out && *name; name++) {
        bool fine = (*name >= '0' && *name <= '9') || (*name >= 'A' && *name <= 'Z') ||
                    (*name >= 'a' && *name <= 'z') || *name == '_';

        if (fine)
            *at++ = *name;
        else
            at += sprintf(at, "_x%X", (unsigned char)*name);
    }
    return out;
}

/* The tables with the partition of the moment filled in. */
struct shapes {
    struct avro_shape entry, data, partition;
    struct avro_field entry_fields[COUNT_OF(entry_fields)];
    struct avro_field data_fields[COUNT_OF(data_fields)];
    struct lake_type *types; /* of the partition's fields */
    struct avro_datum_type *datum_types;
};

static int partition_shape(struct shapes *s, const struct lake_partition_spec *spec,
                           struct arena *arena, struct err *err)
{
    struct avro_field *fields = ARENA_ARRAY(arena, struct avro_field, spec->field_count + 1);

    s->datum_types = ARENA_ARRAY(arena, struct avro_datum_type, spec->field_count + 1);
    if (!fields || !s->datum_types)
        return err_set(err, ERR_NOMEM, "manifest");
    for (size_t i = 0; i < spec->field_count; i++) {
        s->datum_types[i] = datum_type(&s->types[i]);
        fields[i] = (struct avro_field){.name = avro_name(arena, spec->fields[i].name),
                                        .id = spec->fields[i].field_id,
                                        .kind = AK_DATUM,
                                        .optional = true,
                                        .datum = &s->datum_types[i],
                                        .at = i * sizeof(struct avro_datum)};
        if (!fields[i].name)
            return err_set(err, ERR_NOMEM, "manifest");
    }
    s->partition = (struct avro_shape){"r102", spec->field_count * sizeof(struct avro_datum),
                                       fields, spec->field_count};
    return 0;
}

static int make_shapes(struct shapes *s, const struct lake_metadata *metadata, int32_t spec_id,
                       int format, struct arena *arena, struct err *err)
{
    const struct lake_partition_spec *spec = lake_metadata_spec_by_id(metadata, spec_id);
    size_t count = 0;
    int rc;

    if (!spec)
        return err_set(err, ERR_CORRUPT, "manifest: partition spec %" PRId32 " does not exist",
                       spec_id);
    rc = partition_types(metadata, spec, arena, &s->types, err);
    rc = rc ? rc : partition_shape(s, spec, arena, err);
    for (size_t i = 0; i < COUNT_OF(data_fields); i++) {
        if (data_fields[i].since > format ||
            (data_fields[i].until && data_fields[i].until < format))
            continue;
        s->data_fields[count] = data_fields[i].field;
        if (data_fields[i].field.id == 102)
            s->data_fields[count].shape = &s->partition;
        count++;
    }
    s->data = (struct avro_shape){"r2", sizeof(struct wire_file), s->data_fields, count};
    count = 0;
    for (size_t i = 0; i < COUNT_OF(entry_fields); i++) {
        struct avro_field *field = &s->entry_fields[count];

        if (format < 2 && (entry_fields[i].id == 3 || entry_fields[i].id == 4))
            continue; /* sequence numbers */
        *field = entry_fields[i];
        if (format < 2 && field->id == 1)
            field->optional = false;
        if (field->id == 2)
            field->shape = &s->data;
        count++;
    }
    s->entry = (struct avro_shape){"manifest_entry", sizeof(struct wire_entry) + s->partition.size,
                                   s->entry_fields, count};
    return rc;
}

static int datum_to_value(const struct lake_type *type, const struct avro_datum *datum,
                          struct lake_value *out, struct err *err)
{
    *out = (struct lake_value){
        .null = datum->null, .i = datum->i, .d = datum->d, .bytes = datum->bytes};
    if (datum->null)
        return 0;
    if (type->kind == LAKE_DECIMAL)
        return lake_value_decode(type, datum->bytes, out, err);
    if (type->kind == LAKE_UUID && datum->bytes.len != 16)
        return err_set(err, ERR_CORRUPT, "manifest: a uuid of %zu bytes", datum->bytes.len);
    return 0;
}

static int value_to_datum(const struct lake_type *type, const struct lake_value *value,
                          struct arena *arena, struct avro_datum *out)
{
    *out = (struct avro_datum){
        .null = value->null, .i = value->i, .d = value->d, .bytes = value->bytes};
    if (!value->null && type->kind == LAKE_DECIMAL) {
        size_t width = (size_t)decimal_width(type->precision);
        uint8_t *bytes = arena_alloc(arena, width);

        if (!bytes)
            return ERR_NOMEM;
        for (size_t i = 0; i < width; i++)
            bytes[i] = width - 1 - i >= 16 ? (value->dec < 0 ? 0xff : 0)
                                           : (uint8_t)(value->dec >> (8 * (width - 1 - i)));
        out->bytes = slice_of(bytes, width);
    }
    out->null |= type->kind == LAKE_UNKNOWN;
    return 0;
}

static int cmp_metric(const void *a, const void *b)
{
    int32_t x = ((const struct lake_metric *)a)->field_id;
    int32_t y = ((const struct lake_metric *)b)->field_id;

    return (x > y) - (x < y);
}

static struct lake_metric *metric_at(struct lake_data_file *file, int32_t id)
{
    struct lake_metric key = {.field_id = id};

    return file->metric_count
               ? bsearch(&key, file->metrics, file->metric_count, sizeof(key), cmp_metric)
               : NULL;
}

const struct lake_metric *lake_data_file_metric(const struct lake_data_file *file, int32_t id)
{
    return metric_at((struct lake_data_file *)file, id);
}

static int64_t *metric_long(struct lake_metric *m, int which)
{
    int64_t *const at[LONG_MAPS] = {&m->column_bytes, &m->value_count, &m->null_count,
                                    &m->nan_count};

    return at[which];
}

/* The metric of a column, made in its place when it is new. All maps of a file mostly name the same
 * columns in the same order: then the place is known beforehand. */
static struct lake_metric *metric_slot(struct lake_data_file *f, size_t hint, int32_t id)
{
    size_t low = 0, high = f->metric_count;

    if (hint < high && f->metrics[hint].field_id == id)
        return &f->metrics[hint];
    if (high && f->metrics[high - 1].field_id < id)
        low = high;
    while (low < high) {
        size_t mid = (low + high) / 2;

        if (f->metrics[mid].field_id < id)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == f->metric_count || f->metrics[low].field_id != id) {
        memmove(&f->metrics[low + 1], &f->metrics[low],
                (f->metric_count - low) * sizeof(*f->metrics));
        f->metrics[low] = (struct lake_metric){id, -1, -1, -1, -1, {0}, {0}};
        f->metric_count++;
    }
    return &f->metrics[low];
}

/* The same by sorting once, for files of very many columns: whatever order they come in, the work
 * stays in bounds. */
static void sort_slots(struct wire_file *w)
{
    struct lake_data_file *f = &w->f;
    size_t total = 0, kept = 0;

    for (int i = 0; i < LONG_MAPS; i++)
        for (size_t k = 0; k < w->long_counts[i]; k++)
            f->metrics[total++].field_id = w->longs[i][k].key;
    for (size_t k = 0; k < w->lower_count; k++)
        f->metrics[total++].field_id = w->lowers[k].key;
    for (size_t k = 0; k < w->upper_count; k++)
        f->metrics[total++].field_id = w->uppers[k].key;
    qsort(f->metrics, total, sizeof(*f->metrics), cmp_metric);
    for (size_t i = 0; i < total; i++)
        if (kept == 0 || f->metrics[kept - 1].field_id != f->metrics[i].field_id)
            f->metrics[kept++] =
                (struct lake_metric){f->metrics[i].field_id, -1, -1, -1, -1, {0}, {0}};
    f->metric_count = kept;
}

/* Six maps become one sorted list. */
static int join_metrics(struct wire_file *w, struct arena *arena)
{
    struct lake_data_file *f = &w->f;
    size_t total = w->lower_count + w->upper_count;

    for (int i = 0; i < LONG_MAPS; i++)
        total += w->long_counts[i];
    f->metric_count = 0;
    f->metrics = ARENA_ARRAY(arena, struct lake_metric, total + 1);
    if (!f->metrics)
        return ERR_NOMEM;
    if (total > METRICS_INSERTED_MAX)
        sort_slots(w);
    for (int i = 0; i < LONG_MAPS; i++)
        for (size_t k = 0; k < w->long_counts[i]; k++)
            *metric_long(metric_slot(f, k, w->longs[i][k].key), i) = w->longs[i][k].value;
    for (size_t k = 0; k < w->lower_count; k++)
        metric_slot(f, k, w->lowers[k].key)->lower = w->lowers[k].value;
    for (size_t k = 0; k < w->upper_count; k++)
        metric_slot(f, k, w->uppers[k].key)->upper = w->uppers[k].value;
    return 0;
}

static int split_metrics(struct wire_file *w, struct arena *arena)
{
    const struct lake_data_file *f = &w->f;
    size_t n = f->metric_count;

    for (int i = 0; i < LONG_MAPS; i++) {
        struct pair_long *pairs = ARENA_ARRAY(arena, struct pair_long, n + 1);

        if (!pairs)
            return ERR_NOMEM;
        for (size_t k = 0; k < n; k++) {
            int64_t value = *metric_long(&f->metrics[k], i);

            if (value >= 0)
                pairs[w->long_counts[i]++] = (struct pair_long){f->metrics[k].field_id, value};
        }
        w->longs[i] = w->long_counts[i] ? pairs : NULL;
    }
    w->lowers = ARENA_ARRAY(arena, struct pair_bytes, n + 1);
    w->uppers = ARENA_ARRAY(arena, struct pair_bytes, n + 1);
    if (!w->lowers || !w->uppers)
        return ERR_NOMEM;
    for (size_t k = 0; k < n; k++) {
        const struct lake_metric *m = &f->metrics[k];

        if (m->lower.ptr)
            w->lowers[w->lower_count++] = (struct pair_bytes){m->field_id, m->lower};
        if (m->upper.ptr)
            w->uppers[w->upper_count++] = (struct pair_bytes){m->field_id, m->upper};
    }
    w->lowers = w->lower_count ? w->lowers : NULL;
    w->uppers = w->upper_count ? w->uppers : NULL;
    return 0;
}

static int from_wire(const struct shapes *s, struct wire_entry *w, int32_t spec_id,
                     struct arena *arena, struct lake_entry *out, struct err *err)
{
    const struct avro_datum *datums = (const struct avro_datum *)(w + 1);
    int rc;

    if (w->status < LAKE_EXISTING || w->status > LAKE_DELETED || w->file.f.content > 2)
        return err_set(err, ERR_CORRUPT, "manifest: status %" PRId32 ", content %d", w->status,
                       (int)w->file.f.content);
    if (!w->file.f.path || !w->file.f.format || w->file.f.record_count < 0 ||
        w->file.f.file_bytes < 0)
        return err_set(err, ERR_CORRUPT, "manifest: an entry without path, format or counts");
    rc = join_metrics(&w->file, arena);
    out->status = w->status;
    out->snapshot_id = w->snapshot_id;
    out->sequence_number = w->sequence_number;
    out->file_sequence_number = w->file_sequence_number;
    out->file = w->file.f;
    out->file.spec_id = spec_id;
    out->file.partition_count = s->partition.field_count;
    out->file.partition = ARENA_ARRAY(arena, struct lake_value, out->file.partition_count + 1);
    if (rc || !out->file.partition)
        return err_set(err, ERR_NOMEM, "manifest");
    for (size_t i = 0; i < out->file.partition_count && !rc; i++)
        rc = datum_to_value(&s->types[i], &datums[i], &out->file.partition[i], err);
    return rc;
}

/* ---- one allocation per data file: a cache holds hundreds of thousands of them ---- */

struct block {
    uint8_t *at; /* NULL: only counts */
    size_t used;
};

static void *take(struct block *b, const void *from, size_t len, size_t align)
{
    void *to;

    b->used = (b->used + align - 1) / align * align;
    to = b->at ? b->at + b->used : NULL;
    if (to && len)
        memcpy(to, from, len);
    b->used += len;
    return to;
}

static void take_slice(struct block *b, struct slice *s)
{
    const void *copy;

    if (!s->ptr)
        return;
    copy = s->len ? take(b, s->ptr, s->len, 1) : "";
    if (b->at)
        s->ptr = copy;
}

static void take_text(struct block *b, const char **text)
{
    const char *copy = *text ? take(b, *text, strlen(*text) + 1, 1) : NULL;

    if (b->at)
        *text = copy;
}

/* Lays out what `f` points to; with b->at also makes it point there. */
static void take_file(struct block *b, struct lake_data_file *f)
{
    struct lake_value *partition =
        take(b, f->partition, f->partition_count * sizeof(*partition), _Alignof(struct lake_value));
    struct lake_metric *metrics = take(b, f->metrics, f->metric_count * sizeof(*metrics), 8);
    int64_t *splits = take(b, f->split_offsets, f->split_count * sizeof(int64_t), 8);
    int32_t *ids = take(b, f->equality_ids, f->equality_count * sizeof(int32_t), 4);

    if (b->at) {
        f->partition = partition;
        f->metrics = metrics;
        f->split_offsets = splits;
        f->equality_ids = ids;
    }
    for (size_t i = 0; i < f->partition_count; i++)
        take_slice(b, &f->partition[i].bytes);
    for (size_t i = 0; i < f->metric_count; i++) {
        take_slice(b, &f->metrics[i].lower);
        take_slice(b, &f->metrics[i].upper);
    }
    take_slice(b, &f->key_metadata);
    take_text(b, &f->path);
    take_text(b, &f->referenced_data_file);
    if (strcmp(f->format, "PARQUET") != 0)
        take_text(b, &f->format);
    else
        f->format = "PARQUET";
}

int lake_data_file_copy(struct arena *arena, struct lake_data_file *out,
                        const struct lake_data_file *from)
{
    struct block count = {0}, block = {0};
    struct lake_data_file copy = *from;

    take_file(&count, &copy);
    block.at = arena_alloc(arena, count.used + 1);
    if (!block.at)
        return ERR_NOMEM;
    *out = *from;
    take_file(&block, out);
    return 0;
}

static int32_t meta_i32(const struct avro_file *file, const char *key, int32_t fallback)
{
    struct slice text = avro_file_meta(file, key);
    int64_t value;

    return text.ptr && slice_to_i64(text, &value) == 0 && value >= INT32_MIN && value <= INT32_MAX
               ? (int32_t)value
               : fallback;
}

/* v3: null row ids count on from the manifest's, in order of the entries. */
static void inherit_row_ids(struct lake_manifest *m)
{
    int64_t next = m->first_row_id;

    for (size_t i = 0; i < m->entry_count && next >= 0 && m->content == 0; i++)
        if (m->entries[i].file.first_row_id < 0) {
            m->entries[i].file.first_row_id = next;
            next += m->entries[i].file.record_count;
        }
}

static int parse_into(struct lake_manifest *m, struct slice bytes,
                      const struct lake_metadata *metadata, const struct lake_manifest_file *from,
                      struct arena *scratch, struct err *err)
{
    struct avro_file file;
    struct shapes shapes;
    void *records = NULL;
    size_t count = 0;
    struct slice content;
    int rc = avro_file_open(bytes, scratch, &file, err);

    if (rc)
        return rc;
    m->first_row_id = from ? from->first_row_id : -1;
    content = avro_file_meta(&file, "content");
    m->content = content.ptr && slice_is(content, "deletes");
    m->spec_id = from ? from->spec_id : meta_i32(&file, "partition-spec-id", 0);
    m->schema_id = meta_i32(&file, "schema-id", 0);
    rc = make_shapes(&shapes, metadata, m->spec_id, 3, scratch, err);
    rc = rc ? rc
            : avro_file_read(&file, &shapes.entry, AVRO_BLOCK_MAX, scratch, &records, &count, err);
    m->entries = rc ? NULL : ARENA_ARRAY(&m->arena, struct lake_entry, count + 1);
    if (!rc && !m->entries)
        rc = err_set(err, ERR_NOMEM, "manifest");
    for (size_t i = 0; i < count && !rc; i++, m->entry_count += !rc) {
        struct lake_entry entry;

        rc = from_wire(&shapes, (void *)((char *)records + i * shapes.entry.size), m->spec_id,
                       scratch, &entry, err);
        m->entries[i] = entry;
        if (!rc && lake_data_file_copy(&m->arena, &m->entries[i].file, &entry.file))
            rc = err_set(err, ERR_NOMEM, "manifest");
    }
    if (!rc)
        inherit_row_ids(m);
    return rc;
}

int lake_manifest_parse(struct slice bytes, const char *path, const struct lake_metadata *metadata,
                        const struct lake_manifest_file *from, struct lake_manifest **out,
                        struct err *err)
{
    struct lake_manifest *m = calloc(1, sizeof(*m));
    struct arena scratch = {.max_bytes = (size_t)1 << 30};
    int rc;

    if (!m)
        return err_set(err, ERR_NOMEM, "manifest");
    m->refs = 1;
    m->arena.max_bytes = (size_t)2 << 30;
    m->path = arena_strdup(&m->arena, path);
    rc = m->path ? parse_into(m, bytes, metadata, from, &scratch, err)
                 : err_set(err, ERR_NOMEM, "manifest");
    arena_deinit(&scratch);
    if (rc) {
        lake_manifest_free(m);
        return err_wrap(err, rc, "manifest %s", path);
    }
    *out = m;
    return 0;
}

/* What parsing the bytes would give. Only for data files of v2: v3 numbers rows by the line in the
 * list, and v1 writes less than an entry holds. */
void manifest_keep(struct lake *lake, const struct lake_metadata *metadata,
                   const struct lake_manifest_file *line, const struct lake_entry *entries,
                   size_t count)
{
    struct lake_manifest *m =
        metadata->format_version != 2 || line->content ? NULL : calloc(1, sizeof(*m));
    int rc;

    if (!m)
        return;
    m->refs = 1;
    m->spec_id = line->spec_id;
    m->schema_id = metadata->current_schema_id;
    m->first_row_id = -1;
    m->path = arena_strdup(&m->arena, line->path);
    m->entries = ARENA_ARRAY(&m->arena, struct lake_entry, count + 1);
    rc = m->path && m->entries ? 0 : ERR_NOMEM;
    for (size_t i = 0; i < count && !rc; i++, m->entry_count++) {
        struct lake_entry *entry = &m->entries[i];

        *entry = entries[i];
        rc = lake_data_file_copy(&m->arena, &entry->file, &entries[i].file);
        entry->file.first_row_id = -1;
    }
    if (!rc)
        cache_put(lake, CACHED_MANIFEST, line->path, m, arena_bytes(&m->arena));
    lake_manifest_free(m);
}

void lake_manifest_free(struct lake_manifest *m)
{
    if (!m || __atomic_sub_fetch(&m->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    arena_deinit(&m->arena);
    free(m);
}

static bool value_is_nan(const struct lake_type *type, const struct lake_value *v)
{
    return (type->kind == LAKE_FLOAT || type->kind == LAKE_DOUBLE) && !v->null && v->d != v->d;
}

static int summarise_partitions(const struct shapes *s, const struct lake_entry *entries,
                                size_t count, struct arena *arena, struct lake_manifest_file *line)
{
    line->partition_count = s->partition.field_count;
    line->partitions = ARENA_ARRAY(arena, struct lake_field_summary, line->partition_count + 1);
    if (!line->partitions)
        return ERR_NOMEM;
    for (size_t i = 0; i < line->partition_count; i++) {
        struct lake_field_summary *sum = &line->partitions[i];
        const struct lake_value *low = NULL, *high = NULL;

        sum->contains_nan = 0;
        for (size_t k = 0; k < count; k++) {
            const struct lake_value *v = &entries[k].file.partition[i];

            sum->contains_null |= v->null;
            sum->contains_nan |= value_is_nan(&s->types[i], v);
            if (v->null || value_is_nan(&s->types[i], v))
                continue;
            low = !low || lake_value_cmp(&s->types[i], v, low) < 0 ? v : low;
            high = !high || lake_value_cmp(&s->types[i], v, high) > 0 ? v : high;
        }
        if (low && (lake_value_encode(&s->types[i], low, arena, &sum->lower) ||
                    lake_value_encode(&s->types[i], high, arena, &sum->upper)))
            return ERR_NOMEM;
    }
    return 0;
}

static void summarise_counts(const struct lake_entry *entries, size_t count,
                             struct lake_manifest_file *line)
{
    int32_t *const files[] = {&line->existing_files, &line->added_files, &line->deleted_files};
    int64_t *const rows[] = {&line->existing_rows, &line->added_rows, &line->deleted_rows};

    line->min_sequence_number = -1;
    for (size_t i = 0; i < count; i++) {
        int64_t seq = entries[i].sequence_number;

        ++*files[entries[i].status];
        *rows[entries[i].status] += entries[i].file.record_count;
        if (entries[i].status != LAKE_DELETED && entries[i].file.first_row_id >= 0)
            line->numbered_rows += entries[i].file.record_count;
        if (entries[i].status != LAKE_DELETED && seq >= 0 &&
            (line->min_sequence_number < 0 || seq < line->min_sequence_number))
            line->min_sequence_number = seq;
    }
}

static int summarise(const struct shapes *s, int32_t spec_id, int32_t content,
                     const struct lake_entry *entries, size_t count, struct arena *arena,
                     struct lake_manifest_file *line)
{
    memset(line, 0, sizeof(*line));
    line->spec_id = spec_id;
    line->content = content;
    line->sequence_number = line->first_row_id = -1;
    summarise_counts(entries, count, line);
    return summarise_partitions(s, entries, count, arena, line);
}

int lake_manifest_summarise(const struct lake_metadata *metadata,
                            const struct lake_manifest *manifest, struct arena *arena,
                            struct lake_manifest_file *line, struct err *err)
{
    struct shapes shapes;
    int rc = make_shapes(&shapes, metadata, manifest->spec_id, 3, arena, err);

    if (rc)
        return rc;
    rc = summarise(&shapes, manifest->spec_id, manifest->content, manifest->entries,
                   manifest->entry_count, arena, line);
    return rc ? err_set(err, rc, "manifest %s", manifest->path) : 0;
}

static int to_wire(const struct shapes *s, const struct lake_entry *from, struct arena *arena,
                   struct wire_entry *out)
{
    struct avro_datum *datums = (struct avro_datum *)(out + 1);

    out->status = from->status;
    out->snapshot_id = from->snapshot_id;
    out->sequence_number = from->sequence_number;
    out->file_sequence_number = from->file_sequence_number;
    out->file.f = from->file;
    out->file.block_bytes = V1_BLOCK_BYTES;
    out->file.f.split_offsets = from->file.split_count ? from->file.split_offsets : NULL;
    out->file.f.equality_ids = from->file.equality_count ? from->file.equality_ids : NULL;
    for (size_t i = 0; i < s->partition.field_count; i++)
        if (value_to_datum(&s->types[i], &from->file.partition[i], arena, &datums[i]))
            return ERR_NOMEM;
    return split_metrics(&out->file, arena);
}

static char *json_text(json_t *json /* take */, struct arena *arena)
{
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    char *copy = text ? arena_strdup(arena, text) : NULL;

    free(text);
    json_decref(json);
    return copy;
}

int lake_manifest_print(const struct lake_metadata *metadata, int32_t spec_id, int32_t content,
                        const struct lake_entry *entries, size_t count, struct arena *arena,
                        struct buf *out, struct lake_manifest_file *line, struct err *err)
{
    const struct lake_schema *schema = lake_metadata_schema(metadata);
    struct shapes shapes;
    int rc = make_shapes(&shapes, metadata, spec_id, metadata->format_version, arena, err);
    uint8_t *records;

    if (!rc && content && metadata->format_version < 2)
        rc = err_set(err, ERR_UNSUPPORTED, "tables of format version 1 have no delete files");
    if (rc)
        return rc;
    records = arena_array(arena, count + 1, shapes.entry.size);
    if (!records)
        return err_set(err, ERR_NOMEM, "manifest");
    for (size_t i = 0; i < count && !rc; i++) {
        if (entries[i].file.partition_count != shapes.partition.field_count)
            return err_set(err, ERR_INVALID, "%s: %zu partition values for spec %" PRId32,
                           entries[i].file.path, entries[i].file.partition_count, spec_id);
        rc = to_wire(&shapes, &entries[i], arena, (void *)(records + i * shapes.entry.size));
    }
    rc = rc ? rc : summarise(&shapes, spec_id, content, entries, count, arena, line);
    if (!rc) {
        struct avro_meta meta[] = {
            {"schema", slice_str(json_text(lake_schema_json(schema), arena))},
            {"schema-id", slice_str(arena_printf(arena, "%" PRId32, schema->id))},
            {"partition-spec",
             slice_str(json_text(lake_spec_fields_json(lake_metadata_spec_by_id(metadata, spec_id)),
                                 arena))},
            {"partition-spec-id", slice_str(arena_printf(arena, "%" PRId32, spec_id))},
            {"format-version", slice_str(arena_printf(arena, "%d", metadata->format_version))},
            {"content", slice_str(content ? "deletes" : "data")},
        };
        size_t meta_count = COUNT_OF(meta) - (metadata->format_version < 2); /* no content in v1 */

        for (size_t i = 0; i < COUNT_OF(meta) && !rc; i++)
            rc = meta[i].value.ptr ? 0 : ERR_NOMEM;
        if (!rc)
            return avro_file_write(&shapes.entry, records, count, meta, meta_count,
                                   avro_codec_of(metadata), out, err);
    }
    return err_set(err, rc, "manifest");
}

void lake_entry_inherit(struct lake_entry *entry, const struct lake_manifest_file *line)
{
    if (entry->snapshot_id < 0)
        entry->snapshot_id = line->added_snapshot_id;
    if (entry->sequence_number < 0)
        entry->sequence_number = line->sequence_number;
    if (entry->file_sequence_number < 0)
        entry->file_sequence_number = line->sequence_number;
}
