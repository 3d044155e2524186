/* delete_file.c - position delete files written; positions read from either kind of delete file.
 *
 * Iceberg spec, "Position Delete Files": columns file_path and pos under their reserved ids, sorted
 * by both. Ours are about one data file each, which the bounds of file_path and
 * referenced_data_file both tell, so that readers without either still prune by the other.
 */
#include <stdlib.h>

#include "base/codec.h"
#include "lake/delete_int.h"
#include "lake/parquet.h"
#include "lake/writer_out.h"

#define POSITIONS_MAX ((size_t)64 << 20) /* of one data file */

static int nomem(struct err *err)
{
    return err_set(err, ERR_NOMEM, "deleted rows");
}

int positions_unite(const struct positions *a, const struct positions *b, struct arena *arena,
                    struct positions *out, size_t *fresh, struct err *err)
{
    int64_t *list = ARENA_ARRAY(arena, int64_t, a->count + b->count + 1);
    size_t i = 0, k = 0, count = 0;

    if (!list)
        return nomem(err);
    *fresh = 0;
    while (i < a->count || k < b->count) {
        bool from_b = i == a->count || (k < b->count && b->list[k] < a->list[i]);

        if (!from_b && k < b->count && b->list[k] == a->list[i])
            k++;
        *fresh += from_b;
        list[count++] = from_b ? b->list[k++] : a->list[i++];
    }
    *out = (struct positions){list, count};
    return 0;
}

const char *delete_folder(const struct lake_metadata *m, const char *path, struct arena *arena)
{
    const char *dir = lake_metadata_property(m, "write.data.path");
    const char *base = arena_printf(arena, "%s%s", dir ? dir : m->location, dir ? "" : "/data");
    const char *end = strrchr(path, '/');

    if (base && end && slice_starts(slice_str(path), slice_str(base)) &&
        (size_t)(end - path) >= strlen(base) && path[strlen(base)] == '/')
        return arena_cstr(arena, slice_of(path, (size_t)(end - path)));
    return base;
}

/* Iceberg table spec, "Position Delete Files". */
static struct lake_field positions_fields[] = {
    {.id = DELETE_PATH_ID, .required = true, .name = "file_path", .type.kind = LAKE_STRING},
    {.id = DELETE_POS_ID, .required = true, .name = "pos", .type.kind = LAKE_LONG},
};
static const struct lake_schema positions_schema = {
    .root = {.kind = LAKE_STRUCT, .fields = positions_fields, .field_count = 2}};

/* Full bounds of both columns, whatever the table's metrics modes say: readers prune by them. */
static int put_metrics(const char *path, const struct positions *p, struct arena *arena,
                       struct lake_data_file *out, struct err *err)
{
    static const struct lake_type pos_type = {.kind = LAKE_LONG};
    struct lake_value low = {.i = p->list[0]}, high = {.i = p->list[p->count - 1]};
    struct lake_metric *m = ARENA_ARRAY(arena, struct lake_metric, 2);

    if (!m)
        return nomem(err);
    m[0] = (struct lake_metric){DELETE_POS_ID, -1, (int64_t)p->count, 0, -1};
    m[1] = (struct lake_metric){DELETE_PATH_ID, -1, (int64_t)p->count, 0, -1, slice_str(path),
                                slice_str(path)};
    if (lake_value_encode(&pos_type, &low, arena, &m[0].lower) ||
        lake_value_encode(&pos_type, &high, arena, &m[0].upper))
        return nomem(err);
    out->metrics = m;
    out->metric_count = 2;
    return 0;
}

/* One chunk's worth of rows of (path, position), from `at` on. */
static void fill(duckdb_data_chunk chunk, const char *path, const struct positions *p, size_t at)
{
    duckdb_vector paths = duckdb_data_chunk_get_vector(chunk, 0);
    int64_t *to = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 1));
    size_t room = vec_chunk_rows(), left = p->count - at, more = left < room ? left : room;

    for (size_t i = 0; i < more; i++)
        duckdb_vector_assign_string_element(paths, i, path);
    memcpy(to, p->list + at, more * sizeof(*to));
    duckdb_data_chunk_set_size(chunk, more);
}

static int put_positions(struct parquet_writer *w, const char *path, const struct positions *p,
                         struct err *err)
{
    struct vec_columns columns = {0};
    duckdb_data_chunk chunk = NULL;
    int rc = lake_columns(&positions_schema, &columns, err);

    if (!rc && !(chunk = vec_chunk_new(&columns)))
        rc = nomem(err);
    for (size_t at = 0; at < p->count && !rc; at += duckdb_data_chunk_get_size(chunk)) {
        duckdb_data_chunk_reset(chunk);
        fill(chunk, path, p, at);
        rc = parquet_push(w, chunk, err);
    }
    duckdb_destroy_data_chunk(&chunk);
    vec_columns_free(&columns);
    return rc;
}

static int write_positions(struct store *store, const struct positions *p, struct arena *arena,
                           struct lake_data_file *out, struct err *err)
{
    struct parquet_options options;
    struct parquet_writer *w = NULL;
    struct parquet_result result;
    struct writer_out *bytes = NULL;
    int rc = writer_out_new(&bytes, store, err);

    parquet_options_init(&options);
    rc = rc ? rc : parquet_new(&w, &positions_schema, &options, writer_out_put, bytes, err);
    rc = rc ? rc : put_positions(w, out->referenced_data_file, p, err);
    rc = rc ? rc : parquet_finish(w, arena, &result, err);
    rc = rc ? rc : writer_out_finish(bytes, out->path, &out->file_bytes, err);
    parquet_free(w);
    writer_out_free(bytes);
    return rc;
}

void cached_positions_free(struct cached_positions *positions)
{
    if (positions && __atomic_sub_fetch(&positions->refs, 1, __ATOMIC_ACQ_REL) == 0)
        free(positions);
}

/* A table that is written by key reads and unites the same positions with every commit, and every
 * scan of it asks for them again. */
static void remember(struct lake *lake, const char *location, const struct positions *p)
{
    size_t bytes = sizeof(struct cached_positions) + p->count * sizeof(*p->list);
    struct cached_positions *kept = malloc(bytes);

    if (!kept)
        return; /* a cache may forget */
    kept->refs = 1;
    kept->count = p->count;
    if (p->count)
        memcpy(kept->list, p->list, p->count * sizeof(*p->list));
    cache_put(lake, CACHED_POSITIONS, location, kept, bytes);
    cached_positions_free(kept);
}

/* 1: found. */
static int recall(struct lake *lake, const char *location, struct arena *arena,
                  struct positions *out, struct err *err)
{
    struct cached_positions *kept = cache_get(lake, CACHED_POSITIONS, location);

    if (!kept)
        return 0;
    out->list = ARENA_ARRAY(arena, int64_t, kept->count + 1);
    out->count = out->list ? kept->count : 0;
    if (out->count)
        memcpy(out->list, kept->list, kept->count * sizeof(*out->list));
    cached_positions_free(kept);
    return out->list ? 1 : err_set(err, ERR_NOMEM, "deleted rows");
}

int delete_file_write(struct lake *lake, const struct lake_metadata *m, const char *path,
                      const struct positions *positions, struct arena *arena,
                      struct lake_data_file *out, struct err *err)
{
    const char *folder = delete_folder(m, path, arena);
    char uuid[37];
    int rc;

    uuid_v4(uuid);
    *out = (struct lake_data_file){.content = LAKE_POSITION_DELETES,
                                   .format = "PARQUET",
                                   .record_count = (int64_t)positions->count,
                                   .sort_order_id = -1,
                                   .first_row_id = -1,
                                   .content_pos = -1,
                                   .content_bytes = -1};
    out->path = arena_printf(arena, "%s/00000-0-%s-deletes.parquet", folder ? folder : "", uuid);
    out->referenced_data_file = arena_strdup(arena, path);
    if (!folder || !out->path || !out->referenced_data_file)
        return nomem(err);
    rc = put_metrics(out->referenced_data_file, positions, arena, out, err);
    rc = rc ? rc : write_positions(lake_store(lake), positions, arena, out, err);
    if (!rc)
        remember(lake, out->path, positions);
    return rc;
}

static int read_vector(struct lake *lake, const struct lake_data_file *d, struct arena *arena,
                       struct positions *out, struct err *err)
{
    struct store *store = lake_store(lake);
    struct buf blob = {0};
    const char *bucket, *key;
    int rc = store_split(d->path, arena, &bucket, &key, err);

    if (!rc && (d->content_pos < 0 || d->content_bytes < 0))
        rc = err_set(err, ERR_CORRUPT, "a deletion vector without a place");
    rc =
        rc ? rc : store->ops->get(store, bucket, key, d->content_pos, d->content_bytes, &blob, err);
    rc = rc ? rc : deletion_vector_decode(buf_slice(&blob), arena, &out->list, &out->count, err);
    buf_deinit(&blob);
    return rc;
}

static int take_rows(struct vec_result *result, struct arena *arena, struct positions *out,
                     struct err *err)
{
    size_t cap = 0;
    duckdb_data_chunk chunk;
    int rc;

    while (!(rc = vec_result_next(result, &chunk, err)) && chunk) {
        size_t more = duckdb_data_chunk_get_size(chunk);
        int64_t *from = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0)), *list;

        if (out->count + more > POSITIONS_MAX)
            return err_set(err, ERR_LIMIT, "more than %zu deleted rows of one file", POSITIONS_MAX);
        if (out->count + more > cap) {
            cap = (out->count + more) * 2;
            list = ARENA_ARRAY(arena, int64_t, cap);
            if (!list)
                return nomem(err);
            if (out->count)
                memcpy(list, out->list, out->count * sizeof(*list));
            out->list = list;
        }
        if (more)
            memcpy(out->list + out->count, from, more * sizeof(*from));
        out->count += more;
    }
    return rc;
}

static int read_parquet(struct lake *lake, struct vec_conn *conn, const struct lake_data_file *d,
                        const char *path, struct arena *arena, struct positions *out,
                        struct err *err)
{
    struct store *store = lake_store(lake);
    struct vec_result *result = NULL;
    struct buf sql = {0};
    struct out o = {&sql, 0};
    const char *bucket, *key, *local = NULL;
    int rc = store_split(d->path, arena, &bucket, &key, err);

    rc = rc ? rc : store->ops->local(store, bucket, key, arena, &local, err);
    if (rc)
        return rc;
    out_str(&o, "SELECT DISTINCT pos FROM read_parquet(");
    out_text(&o, local);
    out_str(&o, ", hive_partitioning = false) WHERE file_path = ");
    out_text(&o, path);
    out_str(&o, " AND pos >= 0 ORDER BY pos");
    rc = o.rc || !buf_cstr(&sql) ? nomem(err) : vec_query(conn, buf_cstr(&sql), &result, err);
    rc = rc ? rc : take_rows(result, arena, out, err);
    vec_result_free(result);
    store->ops->local_release(store, local);
    buf_deinit(&sql);
    return rc;
}

/* Through the cache when the file is about this data file alone. */
static int read_own(struct lake *lake, struct vec_conn *conn, const struct lake_data_file *d,
                    const char *path, struct arena *arena, struct positions *out, struct err *err)
{
    const char *target = delete_target(d, arena);
    bool own = target && !strcmp(target, path);
    int rc = own ? recall(lake, d->path, arena, out, err) : 0;

    if (rc)
        return rc < 0 ? rc : 0;
    rc = conn ? read_parquet(lake, conn, d, path, arena, out, err)
              : err_set(err, ERR_UNSUPPORTED, "nothing here reads Parquet");
    if (!rc && own)
        remember(lake, d->path, out);
    return rc;
}

/* A vector is about one data file, and one of several in its Puffin file. To take it apart costs
 * more than the look at its bits. */
static int read_own_vector(struct lake *lake, const struct lake_data_file *d, struct arena *arena,
                           struct positions *out, struct err *err)
{
    const char *name = arena_printf(arena, "%s#%" PRId64, d->path, d->content_pos);
    int rc = name ? recall(lake, name, arena, out, err) : nomem(err);

    if (rc)
        return rc < 0 ? rc : 0;
    rc = read_vector(lake, d, arena, out, err);
    if (!rc)
        remember(lake, name, out);
    return rc;
}

int delete_file_read(struct lake *lake, struct vec_conn *conn, const struct lake_data_file *d,
                     const char *path, struct arena *arena, struct positions *out, struct err *err)
{
    int rc;

    *out = (struct positions){0};
    if (!strcasecmp(d->format, "puffin"))
        rc = read_own_vector(lake, d, arena, out, err);
    else if (strcasecmp(d->format, "parquet") != 0)
        rc = err_set(err, ERR_UNSUPPORTED, "deletes in format %s", d->format);
    else
        rc = read_own(lake, conn, d, path, arena, out, err);
    return rc ? err_wrap(err, rc, "%s", d->path) : 0;
}
