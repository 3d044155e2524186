/* writer.c - rows to data files. See writer.h.
 *
 * The first partitions of an epoch, as many as COPYs may run, gather their rows in a chunk each;
 * full chunks go to the running COPY. Rows of further partitions lie mixed in the overflow, which
 * costs their own bytes and no more. At the cut, or when too many wait, they are sorted by
 * partition and written in turn.
 */
#include "lake/writer.h"

#include "base/codec.h"
#include "lake/lake_int.h"

#define OPEN_MAX_DEFAULT 16
#define OVERFLOW_MAX     (1 << 18) /* rows */
#define PATH_VALUE_MAX   200       /* bytes of a partition value in a path */

/* Fresh files are written quickly, since merging writes their rows again with DuckDB's defaults:
 * zstd at level 3, and dictionaries of up to a fifth of a row group's rows. Most of the time spent
 * on a dictionary goes into columns that turn out to have none. */
#define FRESH_LEVEL             1
#define FRESH_DICTIONARY_VALUES 4096

struct part {
    struct lake_value *values; /* one per spec field, bytes owned by the writer's arena */
    char *key;                 /* the partition's part of the path, "" when there is none */
    uint64_t hash;
    struct part *next;
    bool admitted;             /* one of those with a chunk and a copy of their own */
    uint32_t index;            /* while the overflow is sorted: place from 1 */
    duckdb_data_chunk filling; /* or NULL */
    idx_t filled;
    struct vec_copy *copy;  /* or NULL */
    char *local, *location; /* of the running copy */
};

/* Rows of many partitions, with the owner of each. */
struct overflow {
    struct vec_batch chunks;
    struct part **owners; /* vec_chunk_rows() per chunk */
    size_t cap;           /* of owners */
    idx_t filled;         /* of the last chunk */
};

/* Where a partition field's source lies: column, then struct children. */
struct source_path {
    idx_t steps[LAKE_SCHEMA_DEPTH_MAX];
    size_t count;
    const struct lake_type *type;
    duckdb_vector vector; /* of the chunk at hand */
};

struct lake_writer {
    struct lake *lake;
    struct vec_db *db;
    struct vec_conn *conn;         /* for the cast; NULL when none is needed */
    struct vec_fragment *fragment; /* input columns to the schema's; NULL: not needed */
    struct lake_metadata *metadata;
    const struct lake_schema *schema;
    const struct lake_partition_spec *spec;
    struct lake_type *part_types;
    struct source_path *sources;
    struct vec_columns input, columns; /* of batches; of files */
    struct arena arena;                /* for the writer's life */
    struct arena part_arena;           /* partitions, until they are forgotten */
    struct arena done_arena;           /* files since the last cut */
    struct lake_data_file *done;
    size_t done_count, done_cap;
    const char *field_ids, *codec;
    bool rewrites; /* its files take the place of others, and are to last */
    int level, open_max, admitted, serial;
    int64_t target_bytes, rows, done_bytes;
    struct part *parts[256];
    size_t part_count;
    struct overflow overflow;
    duckdb_selection_vector sel;
};

static int nomem(struct err *err)
{
    return err_set(err, ERR_NOMEM, "writing data files");
}

/* The schema's columns from input columns of the same names; "*" when they are the same. */
static int select_list(const struct lake_writer *w, const struct vec_columns *input,
                       struct buf *out, struct err *err)
{
    struct out o = {out, 0};

    if (columns_same(input, &w->columns))
        return buf_append_str(out, "*") ? nomem(err) : 0;
    for (size_t i = 0; i < w->schema->root.field_count; i++) {
        const struct lake_field *field = &w->schema->root.fields[i];
        bool there = false;

        for (size_t k = 0; k < input->count && !there; k++)
            there = !strcmp(input->list[k].name, field->name);
        if (!there && field->required)
            return err_set(err, ERR_INVALID, "required column %s is not written", field->name);
        out_str(&o, i ? ", CAST(" : "CAST(");
        if (there)
            out_name(&o, field->name);
        else
            out_str(&o, "NULL");
        out_str(&o, " AS ");
        o.rc = o.rc ? o.rc : lake_duckdb_type(&field->type, out, err);
        out_str(&o, ") AS ");
        out_name(&o, field->name);
    }
    return o.rc ? nomem(err) : 0;
}

static bool find_source(const struct lake_type *type, int32_t id, struct source_path *path)
{
    size_t at = path->count;

    if (type->kind != LAKE_STRUCT || at == LAKE_SCHEMA_DEPTH_MAX)
        return false;
    for (size_t i = 0; i < type->field_count; i++) {
        path->steps[at] = i;
        path->count = at + 1;
        path->type = &type->fields[i].type;
        if (type->fields[i].id == id || find_source(&type->fields[i].type, id, path))
            return true;
    }
    path->count = at;
    return false;
}

static int prepare_routing(struct lake_writer *w, struct err *err)
{
    struct buf sql = {0};
    const char *text;
    int rc = partition_types(w->metadata, w->spec, &w->arena, &w->part_types, err);

    w->sources = ARENA_ARRAY(&w->arena, struct source_path, w->spec->field_count + 1);
    if (!w->sources)
        return nomem(err);
    for (size_t i = 0; i < w->spec->field_count && !rc; i++)
        if (w->spec->fields[i].transform.kind == LAKE_UNKNOWN_TRANSFORM)
            rc = err_set(err, ERR_UNSUPPORTED, "partition transform %s",
                         w->spec->fields[i].transform.text);
        else if (!find_source(&w->schema->root, w->spec->fields[i].source_id, &w->sources[i]) &&
                 w->spec->fields[i].transform.kind != LAKE_VOID)
            rc = err_set(err, ERR_INVALID, "partition field %s: its column is gone",
                         w->spec->fields[i].name);
    if (rc || columns_same(&w->input, &w->columns))
        return rc;
    rc = buf_append_str(&sql, "SELECT ");
    rc = rc ? rc : select_list(w, &w->input, &sql, err);
    rc = rc ? rc : buf_append_str(&sql, " FROM feed");
    text = rc ? NULL : buf_cstr(&sql);
    rc = rc ? rc : text ? vec_conn_new(&w->conn, w->db, err) : nomem(err);
    rc = rc ? rc : vec_fragment_new(&w->fragment, w->conn, text, &w->input, err);
    buf_deinit(&sql);
    return rc;
}

static int writer_init(struct lake_writer *w, const struct lake_writer_options *o, struct err *err)
{
    const char *codec;
    struct buf ids = {0};
    int rc;

    w->lake = o->lake;
    w->db = o->db;
    w->metadata = lake_metadata_ref(o->metadata);
    w->schema = lake_metadata_schema(w->metadata);
    w->spec = lake_metadata_spec(w->metadata);
    w->open_max = o->open_max > 0 ? o->open_max : OPEN_MAX_DEFAULT;
    w->target_bytes =
        o->target_bytes > 0
            ? o->target_bytes
            : lake_metadata_property_i64(w->metadata, "write.target-file-size-bytes", 512 << 20);
    codec = lake_metadata_property(w->metadata, "write.parquet.compression-codec");
    w->codec = codec ? codec : "zstd";
    w->level = (int)lake_metadata_property_i64(w->metadata, "write.parquet.compression-level", 0);
    rc = lake_columns(w->schema, &w->columns, err);
    if (!rc && vec_columns_copy(&w->input, o->columns ? o->columns : &w->columns))
        rc = nomem(err);
    rc = rc ? rc : lake_duckdb_field_ids(w->schema, &ids, err);
    w->field_ids = rc ? NULL : arena_cstr(&w->arena, buf_slice(&ids));
    buf_deinit(&ids);
    if (!rc && !w->field_ids)
        rc = nomem(err);
    if (!rc && w->spec->field_count)
        rc = prepare_routing(w, err);
    w->sel = duckdb_create_selection_vector(vec_chunk_rows());
    return rc ? rc : w->sel ? 0 : nomem(err);
}

int lake_writer_new(struct lake_writer **out, const struct lake_writer_options *options,
                    struct err *err)
{
    struct lake_writer *w = calloc(1, sizeof(*w));
    int rc = w ? writer_init(w, options, err) : nomem(err);

    if (rc) {
        lake_writer_free(w);
        return rc;
    }
    *out = w;
    return 0;
}

bool lake_writer_fits(const struct lake_writer *w, const struct lake_metadata *m)
{
    const json_t *a = w->metadata->doc, *b = m->doc;
    static const char *const keys[] = {
        "table-uuid", "location", "current-schema-id", "default-spec-id", "default-sort-order-id",
        "properties"};

    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (!json_equal(json_object_get(a, keys[i]), json_object_get(b, keys[i])))
            return false;
    return true;
}

static void part_close(struct part *part)
{
    vec_copy_free(part->copy);
    part->copy = NULL;
    free(part->local);
    free(part->location);
    part->local = part->location = NULL;
}

void lake_writer_free(struct lake_writer *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < COUNT_OF(w->parts); i++)
        for (struct part *p = w->parts[i], *next; p; p = next) {
            next = p->next;
            part_close(p);
            if (p->filling)
                duckdb_destroy_data_chunk(&p->filling);
        }
    vec_batch_deinit(&w->overflow.chunks);
    free(w->overflow.owners);
    for (size_t i = 0; i < w->done_count; i++) /* never handed out: nobody's */
        lake_remove_files(w->lake, &w->done[i].path, 1);
    if (w->sel)
        duckdb_destroy_selection_vector(w->sel);
    vec_fragment_free(w->fragment);
    vec_conn_free(w->conn);
    vec_columns_free(&w->columns);
    vec_columns_free(&w->input);
    lake_metadata_free(w->metadata);
    arena_deinit(&w->done_arena);
    arena_deinit(&w->part_arena);
    arena_deinit(&w->arena);
    free(w);
}

/* <data>/<partition path>/00000-0-<uuid>.parquet, and a staging file of the same name. */
static int name_file(struct lake_writer *w, const char *key, char **location, char **local,
                     struct err *err)
{
    const char *dir = lake_metadata_property(w->metadata, "write.data.path");
    char uuid[37];
    int a, b;

    uuid_v4(uuid);
    a = asprintf(location, "%s%s/%s%s%05d-0-%s.parquet", dir ? dir : w->metadata->location,
                 dir ? "" : "/data", key, *key ? "/" : "", w->serial++, uuid);
    b = asprintf(local, "%s/%s.parquet", lake_store(w->lake)->staging, uuid);
    if (a >= 0 && b >= 0)
        return 0;
    if (a < 0)
        *location = NULL;
    if (b < 0)
        *local = NULL;
    return nomem(err);
}

static struct vec_copy_options copy_options(const struct lake_writer *w, const char *local,
                                            const char *select)
{
    bool fresh = !w->rewrites;

    return (struct vec_copy_options){
        .path = local,
        .select = select,
        .field_ids = w->field_ids,
        .codec = w->codec,
        .level = fresh && !w->level && !strcmp(w->codec, "zstd") ? FRESH_LEVEL : w->level,
        .dictionary_values = fresh ? FRESH_DICTIONARY_VALUES : 0,
    };
}

/* The staging file becomes an object, its statistics a data file. */
static int take_file(struct lake_writer *w, const char *location, const char *local,
                     const struct lake_value *values, const struct vec_copy_result *result,
                     struct arena *arena, struct lake_data_file *out, struct err *err)
{
    int rc;

    memset(out, 0, sizeof(*out));
    out->path = arena_strdup(arena, location);
    out->format = "PARQUET";
    out->spec_id = w->spec->id;
    out->record_count = result->rows;
    out->sort_order_id = w->metadata->default_order_id ? -1 : 0;
    out->first_row_id = out->content_pos = out->content_bytes = -1;
    out->partition_count = w->spec->field_count;
    out->partition = ARENA_ARRAY(arena, struct lake_value, out->partition_count + 1);
    if (!out->path || !out->partition)
        return nomem(err);
    for (size_t i = 0; i < out->partition_count; i++)
        out->partition[i] = values[i];
    rc = writer_metrics(w->metadata, w->schema, result, arena, out, err);
    if (rc) {
        disk_unlink(disk_system(), local, NULL);
        return rc;
    }
    return store_put_file_at(lake_store(w->lake), location, local, &out->file_bytes, err);
}

static int part_open(struct lake_writer *w, struct part *part, struct err *err)
{
    struct vec_copy_options options;
    struct buf select = {0};
    int rc = name_file(w, part->key, &part->location, &part->local, err);

    if (!rc && w->spec->field_count)
        rc = buf_append_str(&select, "*") ? nomem(err) : 0;
    else if (!rc)
        rc = select_list(w, &w->input, &select, err);
    if (!rc && !buf_cstr(&select))
        rc = nomem(err);
    options = copy_options(w, part->local, (const char *)select.ptr);
    rc = rc ? rc
            : vec_copy_new(&part->copy, w->db, w->spec->field_count ? &w->columns : &w->input,
                           &options, err);
    buf_deinit(&select);
    if (rc)
        part_close(part);
    return rc;
}

static int part_finish(struct lake_writer *w, struct part *part, struct err *err)
{
    struct vec_copy_result result;
    struct lake_data_file file;
    int rc = vec_copy_finish(part->copy, &w->done_arena, &result, err);

    if (!rc)
        rc = take_file(w, part->location, part->local, part->values, &result, &w->done_arena, &file,
                       err);
    part_close(part);
    if (rc)
        return rc;
    if (w->done_count == w->done_cap) {
        size_t cap = w->done_cap ? w->done_cap * 2 : 16;
        struct lake_data_file *more = ARENA_ARRAY(&w->done_arena, struct lake_data_file, cap);

        if (!more)
            return nomem(err);
        if (w->done_count)
            memcpy(more, w->done, w->done_count * sizeof(*more));
        w->done = more;
        w->done_cap = cap;
    }
    w->done[w->done_count++] = file;
    w->done_bytes += file.file_bytes;
    return 0;
}

/* Full chunks go to the running copy; a file that is large enough ends. */
static int part_push(struct lake_writer *w, struct part *part, struct vec_batch *batch,
                     struct err *err)
{
    int rc = part->copy ? 0 : part_open(w, part, err);

    rc = rc ? rc : vec_copy_push(part->copy, batch, err);
    if (!rc && vec_copy_bytes(part->copy) >= w->target_bytes)
        rc = part_finish(w, part, err);
    return rc;
}

/* Takes the chunk. */
static int part_push_chunk(struct lake_writer *w, struct part *part, duckdb_data_chunk chunk,
                           struct err *err)
{
    struct vec_batch batch = {0};
    int rc = vec_batch_add(&batch, chunk);

    if (rc) {
        duckdb_destroy_data_chunk(&chunk);
        return nomem(err);
    }
    rc = part_push(w, part, &batch, err);
    vec_batch_deinit(&batch);
    return rc;
}

static int part_flush_filling(struct lake_writer *w, struct part *part, struct err *err)
{
    duckdb_data_chunk chunk = part->filling;

    if (!chunk)
        return 0;
    part->filling = NULL;
    part->filled = 0;
    return part_push_chunk(w, part, chunk, err);
}

/* All that the partition gathered becomes a file. */
static int part_end(struct lake_writer *w, struct part *part, struct err *err)
{
    int rc = part_flush_filling(w, part, err);

    return rc ? rc : part->copy ? part_finish(w, part, err) : 0;
}

/* `count` rows of `chunk`, by the selection, to the end of what the partition gathers. */
static int part_add_rows(struct lake_writer *w, struct part *part, duckdb_data_chunk chunk,
                         idx_t count, struct err *err)
{
    idx_t done = 0;

    while (done < count) {
        idx_t room, more;

        if (!part->filling && !(part->filling = vec_chunk_new(&w->columns)))
            return nomem(err);
        room = vec_chunk_rows() - part->filled;
        more = count - done < room ? count - done : room;
        for (idx_t i = 0; i < w->columns.count; i++)
            duckdb_vector_copy_sel(duckdb_data_chunk_get_vector(chunk, i),
                                   duckdb_data_chunk_get_vector(part->filling, i), w->sel,
                                   done + more, done, part->filled);
        part->filled += more;
        done += more;
        duckdb_data_chunk_set_size(part->filling, part->filled);
        if (part->filled == vec_chunk_rows()) {
            int rc = part_flush_filling(w, part, err);

            if (rc)
                return rc;
        }
    }
    return 0;
}

static bool part_admit(struct lake_writer *w, struct part *part)
{
    if (!part->admitted && w->admitted < w->open_max) {
        part->admitted = true;
        w->admitted++;
    }
    return part->admitted;
}

/* Room for at least one more row in the overflow's last chunk. */
static int overflow_room(struct lake_writer *w, struct err *err)
{
    struct overflow *o = &w->overflow;
    duckdb_data_chunk chunk;

    if (o->chunks.count && o->filled < vec_chunk_rows())
        return 0;
    if ((o->chunks.count + 1) * vec_chunk_rows() > o->cap) {
        size_t cap = (o->chunks.count * 2 + 8) * vec_chunk_rows();
        struct part **owners = realloc(o->owners, cap * sizeof(*owners));

        if (!owners)
            return nomem(err);
        o->owners = owners;
        o->cap = cap;
    }
    chunk = vec_chunk_new(&w->columns);
    if (!chunk)
        return nomem(err);
    if (vec_batch_add(&o->chunks, chunk)) {
        duckdb_destroy_data_chunk(&chunk);
        return nomem(err);
    }
    o->filled = 0;
    return 0;
}

static size_t overflow_rows(const struct lake_writer *w)
{
    const struct overflow *o = &w->overflow;

    return o->chunks.count ? (o->chunks.count - 1) * vec_chunk_rows() + o->filled : 0;
}

/* `count` rows of `chunk`, by the selection. */
static int overflow_add(struct lake_writer *w, struct part *part, duckdb_data_chunk chunk,
                        idx_t count, struct err *err)
{
    struct overflow *o = &w->overflow;
    idx_t done = 0;

    while (done < count) {
        int rc = overflow_room(w, err);
        idx_t room = vec_chunk_rows() - o->filled;
        idx_t more = count - done < room ? count - done : room;
        duckdb_data_chunk last;

        if (rc)
            return rc;
        last = o->chunks.chunks[o->chunks.count - 1];
        for (idx_t i = 0; i < w->columns.count; i++)
            duckdb_vector_copy_sel(duckdb_data_chunk_get_vector(chunk, i),
                                   duckdb_data_chunk_get_vector(last, i), w->sel, done + more, done,
                                   o->filled);
        for (idx_t i = 0; i < more; i++)
            o->owners[overflow_rows(w) + i] = part;
        o->filled += more;
        duckdb_data_chunk_set_size(last, o->filled);
        done += more;
    }
    return 0;
}

/* The rows of one partition, in their order, chunk by chunk, into a file. */
static int overflow_write_part(struct lake_writer *w, struct part *part, const uint32_t *rows,
                               size_t count, struct err *err)
{
    sel_t *sel = duckdb_selection_vector_get_data_ptr(w->sel);
    idx_t per_chunk = vec_chunk_rows();
    int rc = 0;

    for (size_t i = 0; i < count && !rc;) {
        size_t chunk = rows[i] / per_chunk;
        idx_t taken = 0;

        for (; i < count && rows[i] / per_chunk == chunk; i++)
            sel[taken++] = (sel_t)(rows[i] % per_chunk);
        rc = part_add_rows(w, part, w->overflow.chunks.chunks[chunk], taken, err);
    }
    return rc ? rc : part_end(w, part, err);
}

/* Counting sort by owner, in order of appearance, then one file after the other. */
static int overflow_write(struct lake_writer *w, struct err *err)
{
    size_t rows = overflow_rows(w), parts = 0;
    uint32_t *order = calloc(rows + 1, sizeof(*order)), *ends = calloc(rows + 2, sizeof(*ends));
    struct part **list = calloc(rows + 1, sizeof(*list)), **owners = w->overflow.owners;
    int rc = order && ends && list ? 0 : nomem(err);

    for (size_t i = 0; i < rows && !rc; i++) {
        if (!owners[i]->index) {
            list[parts++] = owners[i];
            owners[i]->index = (uint32_t)parts;
        }
        ends[owners[i]->index]++;
    }
    for (size_t p = 1; p <= parts; p++)
        ends[p] += ends[p - 1];
    for (size_t i = 0; i < rows && !rc; i++) /* ends[p - 1] walks from p's start to its end */
        order[ends[owners[i]->index - 1]++] = (uint32_t)i;
    for (size_t p = 0; p < parts; p++) {
        size_t start = p ? ends[p - 1] : 0;

        rc = rc ? rc : overflow_write_part(w, list[p], order + start, ends[p] - start, err);
        list[p]->index = 0;
    }
    free(order);
    free(ends);
    free(list);
    vec_batch_clear(&w->overflow.chunks);
    w->overflow.filled = 0;
    return rc;
}

static bool row_valid(duckdb_vector vector, idx_t row)
{
    uint64_t *valid = duckdb_vector_get_validity(vector);

    return !valid || duckdb_validity_row_is_valid(valid, row);
}

static __int128 decimal_at(duckdb_vector vector, idx_t row, int32_t precision)
{
    void *data = duckdb_vector_get_data(vector);

    if (precision <= 4)
        return ((int16_t *)data)[row];
    if (precision <= 9)
        return ((int32_t *)data)[row];
    if (precision <= 18)
        return ((int64_t *)data)[row];
    return ((__int128)((duckdb_hugeint *)data)[row].upper << 64) |
           ((duckdb_hugeint *)data)[row].lower;
}

/* Bytes are borrowed from the vector; a uuid lands in `space`. */
static void value_at(const struct lake_type *type, duckdb_vector vector, idx_t row,
                     uint8_t space[16], struct lake_value *out)
{
    void *data = duckdb_vector_get_data(vector);

    *out = (struct lake_value){.null = !row_valid(vector, row)};
    if (out->null)
        return;
    switch (type->kind) {
    case LAKE_BOOLEAN:
        out->i = ((bool *)data)[row];
        break;
    case LAKE_INT:
    case LAKE_DATE:
    case LAKE_UNKNOWN:
        out->i = ((int32_t *)data)[row];
        break;
    case LAKE_FLOAT:
        out->d = ((float *)data)[row];
        break;
    case LAKE_DOUBLE:
        out->d = ((double *)data)[row];
        break;
    case LAKE_DECIMAL:
        out->dec = decimal_at(vector, row, type->precision);
        break;
    case LAKE_STRING:
    case LAKE_BINARY:
    case LAKE_FIXED:
        out->bytes = slice_of(duckdb_string_t_data(&((duckdb_string_t *)data)[row]),
                              duckdb_string_t_length(((duckdb_string_t *)data)[row]));
        break;
    case LAKE_UUID: { /* DuckDB keeps it as a number whose top bit is flipped, to sort rightly */
        duckdb_hugeint number = ((duckdb_hugeint *)data)[row];
        uint64_t high = (uint64_t)number.upper ^ ((uint64_t)1 << 63);

        for (int i = 0; i < 8; i++) {
            space[i] = (uint8_t)(high >> (56 - 8 * i));
            space[8 + i] = (uint8_t)(number.lower >> (56 - 8 * i));
        }
        out->bytes = slice_of(space, 16);
        break;
    }
    default:
        out->i = ((int64_t *)data)[row];
    }
}

static void source_value(const struct source_path *source, duckdb_data_chunk chunk, idx_t row,
                         uint8_t space[16], struct lake_value *out)
{
    duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, source->steps[0]);

    for (size_t i = 1; i < source->count; i++) {
        if (!row_valid(vector, row)) {
            *out = (struct lake_value){.null = true};
            return;
        }
        vector = duckdb_struct_vector_get_child(vector, source->steps[i]);
    }
    value_at(source->type, vector, row, space, out);
}

static uint64_t hash_values(const struct lake_writer *w, const struct lake_value *values)
{
    uint64_t hash = 0;

    for (size_t i = 0; i < w->spec->field_count; i++) {
        const struct lake_value *v = &values[i];
        double real = v->d == 0 ? 0 : v->d; /* -0 and 0 are one partition */

        hash = hash64(&v->null, sizeof(v->null), hash);
        hash = hash64(&v->i, sizeof(v->i), hash);
        if (v->d == v->d)
            hash = hash64(&real, sizeof(real), hash);
        hash = hash64(&v->dec, sizeof(v->dec), hash);
        hash = v->bytes.len ? hash64(v->bytes.ptr, v->bytes.len, hash) : hash;
    }
    return hash;
}

static bool same_values(const struct lake_writer *w, const struct lake_value *a,
                        const struct lake_value *b)
{
    for (size_t i = 0; i < w->spec->field_count; i++)
        if (lake_value_cmp(&w->part_types[i], &a[i], &b[i]) != 0)
            return false;
    return true;
}

static int put_escaped(struct buf *out, struct slice text)
{
    int rc = 0;

    for (size_t i = 0; i < text.len && !rc; i++) {
        uint8_t c = text.ptr[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                     c == '-' || c == '_' || c == '.';

        rc = plain ? buf_append_u8(out, c) : buf_printf(out, "%%%02X", c);
    }
    return rc;
}

/* day=2024-01-01/name=a%20b. A value too long for a path is left out: paths are only for people. */
static int partition_path(struct lake_writer *w, const struct lake_value *values, char **out,
                          struct err *err)
{
    struct buf path = {0}, text = {0};
    int rc = 0;

    for (size_t i = 0; i < w->spec->field_count && !rc; i++) {
        buf_clear(&text);
        rc = lake_transform_human(&w->spec->fields[i].transform, &w->part_types[i], &values[i],
                                  &text);
        if (!rc && text.len > PATH_VALUE_MAX)
            text.len = PATH_VALUE_MAX;
        rc = rc ? rc : path.len ? buf_append_str(&path, "/") : 0;
        rc = rc ? rc : put_escaped(&path, slice_str(w->spec->fields[i].name));
        rc = rc ? rc : buf_append_str(&path, "=");
        rc = rc ? rc : put_escaped(&path, buf_slice(&text));
    }
    if (path.len > 600)
        path.len = 0;
    *out = rc ? NULL : arena_cstr(&w->part_arena, buf_slice(&path));
    buf_deinit(&path);
    buf_deinit(&text);
    return *out ? 0 : nomem(err);
}

static int find_part(struct lake_writer *w, const struct lake_value *values, struct part **out,
                     struct err *err)
{
    uint64_t hash = hash_values(w, values);
    struct part **at = &w->parts[hash % COUNT_OF(w->parts)], *part;

    for (part = *at; part; part = part->next)
        if (part->hash == hash && same_values(w, part->values, values)) {
            *out = part;
            return 0;
        }
    part = ARENA_NEW(&w->part_arena, struct part);
    if (!part)
        return nomem(err);
    part->values = ARENA_ARRAY(&w->part_arena, struct lake_value, w->spec->field_count + 1);
    if (!part->values)
        return nomem(err);
    for (size_t i = 0; i < w->spec->field_count; i++) {
        part->values[i] = values[i];
        if (values[i].bytes.len) {
            part->values[i].bytes = arena_slice(&w->part_arena, values[i].bytes);
            if (!part->values[i].bytes.ptr)
                return nomem(err);
        }
    }
    if (partition_path(w, part->values, &part->key, err))
        return ERR_NOMEM;
    part->hash = hash;
    part->next = *at;
    *at = part;
    w->part_count++;
    *out = part;
    return 0;
}

static int row_part(struct lake_writer *w, duckdb_data_chunk chunk, idx_t row,
                    struct lake_value *values, struct part **out, struct err *err)
{
    uint8_t space[16][16]; /* uuids under identity transforms, one per field */
    uint8_t extra[16];

    for (size_t i = 0; i < w->spec->field_count; i++) {
        const struct lake_partition_field *f = &w->spec->fields[i];
        struct lake_value in = {.null = true};

        if (f->transform.kind != LAKE_VOID)
            source_value(&w->sources[i], chunk, row, i < 16 ? space[i] : extra, &in);
        if (lake_transform_apply(&f->transform, w->sources[i].type, &in, &values[i]))
            return err_set(err, ERR_UNSUPPORTED, "partition field %s", f->name);
    }
    /* Rows come in runs: the partition of the row before is the likely one. */
    if (*out && same_values(w, (*out)->values, values))
        return 0;
    return find_part(w, values, out, err);
}

/* Which partition each row belongs to; whole chunks of one partition go on without a copy. */
static int route_chunk(struct lake_writer *w, duckdb_data_chunk chunk /* take */, struct err *err)
{
    idx_t rows = duckdb_data_chunk_get_size(chunk);
    struct part **owner = calloc(rows + 1, sizeof(*owner)), *part = NULL;
    struct lake_value *values = calloc(w->spec->field_count + 1, sizeof(*values));
    sel_t *sel = duckdb_selection_vector_get_data_ptr(w->sel);
    bool one = true;
    int rc = owner && values ? 0 : nomem(err);

    for (idx_t i = 0; i < rows && !rc; i++) {
        rc = row_part(w, chunk, i, values, &part, err);
        owner[i] = part;
        one &= rc || owner[i] == owner[0];
    }
    if (!rc && rows && one && part_admit(w, owner[0]) && !owner[0]->filled) {
        rc = part_push_chunk(w, owner[0], chunk, err);
        chunk = NULL;
        rows = 0;
    }
    for (idx_t i = 0; i < rows && !rc; i++) {
        idx_t count = 0;

        if (!owner[i])
            continue;
        part = owner[i];
        for (idx_t k = i; k < rows; k++)
            if (owner[k] == part) {
                sel[count++] = (sel_t)k;
                owner[k] = NULL;
            }
        rc = part_admit(w, part) ? part_add_rows(w, part, chunk, count, err)
                                 : overflow_add(w, part, chunk, count, err);
    }
    if (!rc && overflow_rows(w) > OVERFLOW_MAX)
        rc = overflow_write(w, err);
    if (chunk)
        duckdb_destroy_data_chunk(&chunk);
    free(owner);
    free(values);
    return rc;
}

static int check_required(const struct lake_writer *w, const struct vec_columns *columns,
                          const struct vec_batch *batch, struct err *err)
{
    for (size_t c = 0; c < columns->count; c++) {
        const struct lake_field *field = NULL;

        for (size_t i = 0; i < w->schema->root.field_count && !field; i++)
            if (!strcmp(w->schema->root.fields[i].name, columns->list[c].name))
                field = &w->schema->root.fields[i];
        if (!field || !field->required)
            continue;
        for (size_t i = 0; i < batch->count; i++) {
            duckdb_vector vector = duckdb_data_chunk_get_vector(batch->chunks[i], c);
            idx_t rows = duckdb_data_chunk_get_size(batch->chunks[i]);

            if (!duckdb_vector_get_validity(vector))
                continue;
            for (idx_t r = 0; r < rows; r++)
                if (!row_valid(vector, r))
                    return err_set(err, ERR_INVALID, "column %s is required and a value is NULL",
                                   field->name);
        }
    }
    return 0;
}

static int write_routed(struct lake_writer *w, struct vec_batch *batch, struct err *err)
{
    struct vec_batch cast = {0};
    int rc = 0;

    if (w->fragment) {
        rc = vec_fragment_run(w->fragment, batch, &cast, err);
        vec_batch_clear(batch);
    } else {
        cast = *batch;
        *batch = (struct vec_batch){0};
    }
    for (size_t i = 0; i < cast.count; i++) {
        duckdb_data_chunk chunk = cast.chunks[i];

        cast.chunks[i] = NULL;
        if (rc)
            duckdb_destroy_data_chunk(&chunk);
        else
            rc = route_chunk(w, chunk, err);
    }
    cast.count = 0;
    vec_batch_deinit(&cast);
    return rc;
}

int lake_writer_write(struct lake_writer *w, struct vec_batch *batch, struct err *err)
{
    struct part *part = NULL;
    int64_t rows = batch->rows;
    int rc = check_required(w, &w->input, batch, err);

    if (rc || !rows)
        return rc;
    if (w->spec->field_count) {
        rc = write_routed(w, batch, err);
    } else {
        rc = find_part(w, NULL, &part, err);
        rc = rc ? rc : part_push(w, part, batch, err);
    }
    w->rows += rc ? 0 : rows;
    return rc;
}

int64_t lake_writer_rows(const struct lake_writer *w)
{
    return w->rows;
}

int64_t lake_writer_bytes(const struct lake_writer *w)
{
    int64_t bytes = w->done_bytes;

    for (size_t i = 0; i < COUNT_OF(w->parts); i++)
        for (struct part *p = w->parts[i]; p; p = p->next)
            bytes += p->copy ? vec_copy_bytes(p->copy) : 0;
    return bytes + (int64_t)(overflow_rows(w) * w->columns.count * 8);
}

/* Running copies first: then the overflow's turn by turn do not add to them. */
static int finish_all(struct lake_writer *w, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < COUNT_OF(w->parts); i++)
        for (struct part *p = w->parts[i]; p && !rc; p = p->next) {
            rc = part_end(w, p, err);
            p->admitted = false;
        }
    w->admitted = 0;
    return rc ? rc : overflow_write(w, err);
}

int lake_writer_cut(struct lake_writer *w, struct arena *arena, struct lake_data_file **files,
                    size_t *count, struct err *err)
{
    int rc = finish_all(w, err);

    *count = 0;
    *files = rc ? NULL : ARENA_ARRAY(arena, struct lake_data_file, w->done_count + 1);
    if (rc)
        return rc;
    if (!*files)
        return nomem(err);
    for (size_t i = 0; i < w->done_count; i++)
        if (lake_data_file_copy(arena, &(*files)[i], &w->done[i]))
            return nomem(err);
    *count = w->done_count;
    w->done_count = w->done_cap = 0;
    w->done = NULL;
    w->rows = w->done_bytes = 0;
    arena_reset(&w->done_arena);
    /* Partitions of the past (last hour's) must not gather for ever. */
    if (w->part_count > 4096) {
        memset(w->parts, 0, sizeof(w->parts));
        w->part_count = 0;
        arena_reset(&w->part_arena);
    }
    return 0;
}

bool lake_writer_can_pull(const struct lake_writer *w)
{
    return w->spec->field_count == 0;
}

static int write_one(struct lake_writer *w, struct vec_conn *conn, const struct vec_feed *feed,
                     const char *key, const struct lake_value *values, struct arena *arena,
                     struct lake_data_file *file, struct err *err)
{
    char *location = NULL, *local = NULL;
    struct vec_copy_options options;
    struct vec_copy_result result;
    struct buf select = {0};
    int rc = name_file(w, key, &location, &local, err);

    memset(file, 0, sizeof(*file));
    rc = rc ? rc : select_list(w, feed->columns, &select, err);
    if (!rc && !buf_cstr(&select))
        rc = nomem(err);
    options = copy_options(w, local, (const char *)select.ptr);
    rc = rc ? rc : vec_copy_run(conn, feed, &options, arena, &result, err);
    if (!rc && result.rows == 0)
        disk_unlink(disk_system(), local, NULL);
    else if (!rc)
        rc = take_file(w, location, local, values, &result, arena, file, err);
    if (rc)
        file->path = NULL;
    buf_deinit(&select);
    free(location);
    free(local);
    return rc;
}

int lake_writer_pull(struct lake_writer *w, struct vec_conn *conn, const struct vec_feed *feed,
                     struct arena *arena, struct lake_data_file *file, struct err *err)
{
    if (!lake_writer_can_pull(w))
        return err_set(err, ERR_INVALID, "the table is partitioned: rows must be routed");
    return write_one(w, conn, feed, "", NULL, arena, file, err);
}

int writer_one_file(struct lake *lake, struct vec_db *db, struct lake_metadata *metadata,
                    struct vec_conn *conn, const struct vec_feed *feed,
                    const struct lake_value *partition, struct arena *arena,
                    struct lake_data_file *out, struct err *err)
{
    struct lake_writer_options options = {.lake = lake, .db = db, .metadata = metadata};
    struct lake_writer *w = NULL;
    char *key = NULL;
    int rc = lake_writer_new(&w, &options, err);

    if (!rc)
        w->rewrites = true;
    rc = rc ? rc : partition_path(w, partition, &key, err);
    rc = rc ? rc : write_one(w, conn, feed, key, partition, arena, out, err);
    for (size_t i = 0; i < out->partition_count && !rc; i++) /* theirs may go before ours */
        if (out->partition[i].bytes.len &&
            !(out->partition[i].bytes = arena_slice(arena, out->partition[i].bytes)).ptr)
            rc = nomem(err);
    lake_writer_free(w);
    return rc;
}
