/* copy.c - running COPY statements that write one Parquet file from a feed.
 *
 * The pull form runs on the caller's thread. The push form owns a thread with a connection of its
 * own whose feed takes chunks from a bounded queue: the caller's rows become Parquet while the
 * caller makes the next ones.
 */
#include <stdio.h>

#include "vec/vec_int.h"

#define QUEUE_CHUNKS_MAX 32 /* 64 Ki rows of 2048: enough to keep both threads busy */

static int quote(struct buf *out, const char *text)
{
    int rc = buf_append_u8(out, '\'');

    for (; !rc && *text; text++) {
        if (*text == '\'')
            rc = buf_append_u8(out, '\'');
        rc = rc ? rc : buf_append_u8(out, (uint8_t)*text);
    }
    return rc ? rc : buf_append_u8(out, '\'');
}

static int copy_text(const struct vec_slot *slot, const struct vec_copy_options *o, struct buf *out)
{
    int rc = buf_printf(out,
                        "COPY (WITH feed AS NOT MATERIALIZED (FROM tarn_feed(%" PRIu64 ")) "
                        "SELECT %s FROM feed) TO ",
                        slot->number, o->select ? o->select : "*");

    rc = rc ? rc : quote(out, o->path);
    rc = rc ? rc : buf_append_str(out, " (FORMAT parquet, RETURN_STATS");
    rc = rc ? rc : buf_append_str(out, ", COMPRESSION ");
    rc = rc ? rc : quote(out, o->codec ? o->codec : "zstd");
    if (!rc && o->level)
        rc = buf_printf(out, ", COMPRESSION_LEVEL %d", o->level);
    if (!rc && o->dictionary_values > 0)
        rc = buf_printf(out, ", DICTIONARY_SIZE_LIMIT %d", o->dictionary_values);
    if (!rc && o->row_group_rows > 0)
        rc = buf_printf(out, ", ROW_GROUP_SIZE %" PRId64, o->row_group_rows);
    if (!rc && o->dictionary_bytes > 0)
        rc = buf_printf(out, ", STRING_DICTIONARY_PAGE_SIZE_LIMIT %" PRId64, o->dictionary_bytes);
    if (!rc && o->bloom != VEC_BLOOM_DEFAULT)
        rc = buf_printf(out, ", WRITE_BLOOM_FILTER %s",
                        o->bloom == VEC_BLOOM_ON ? "true" : "false");
    if (!rc && o->bloom_fpp > 0)
        rc = buf_printf(out, ", BLOOM_FILTER_FALSE_POSITIVE_RATIO %.9f", o->bloom_fpp);
    if (!rc && o->field_ids)
        rc = buf_printf(out, ", FIELD_IDS %s", o->field_ids);
    return rc ? rc : buf_append_u8(out, ')');
}

/* ---- RETURN_STATS ---- */

/* Splits "s"."y""q" into s and y"q. Returns the number of parts, or -1 when memory ran out. */
static int path_split(struct slice name, struct arena *arena, struct vec_stat *stat)
{
    size_t count = 1, at = 0, part = 0, len;
    char *joined;

    for (size_t i = 0; i + 2 < name.len; i++)
        count += memcmp(name.ptr + i, "\".\"", 3) == 0;
    stat->parts = ARENA_ARRAY(arena, const char *, count);
    joined = arena_alloc(arena, name.len + count + 1);
    if (!stat->parts || !joined)
        return ERR_NOMEM;
    while (at < name.len && part < count) {
        char *text = arena_alloc(arena, name.len - at + 1);

        if (!text)
            return ERR_NOMEM;
        len = 0;
        at += name.ptr[at] == '"';
        while (at < name.len) {
            if (name.ptr[at] == '"') {
                if (at + 1 >= name.len || name.ptr[at + 1] != '"')
                    break;
                at++;
            }
            text[len++] = (char)name.ptr[at++];
        }
        at += 2; /* the quote and the dot */
        stat->parts[part++] = text;
    }
    stat->part_count = part;
    len = 0;
    for (size_t i = 0; i < part; i++) {
        size_t n = strlen(stat->parts[i]);

        if (i)
            joined[len++] = '.';
        memcpy(joined + len, stat->parts[i], n);
        len += n;
    }
    stat->path = joined;
    return 0;
}

static struct slice string_at(duckdb_vector vector, idx_t row)
{
    duckdb_string_t *values = duckdb_vector_get_data(vector);

    return slice_of(duckdb_string_t_data(&values[row]), duckdb_string_t_length(values[row]));
}

static int stat_set(struct vec_stat *stat, struct slice key, struct slice value,
                    struct arena *arena)
{
    int64_t number = -1;

    if (slice_is(key, "min") || slice_is(key, "max")) {
        const char *text = NULL;

        if (value.len && memchr(value.ptr, '\0', value.len))
            return 0; /* the text would end early, and a bound that is too low loses rows */
        text = arena_cstr(arena, value);

        if (!text)
            return ERR_NOMEM;
        *(slice_is(key, "min") ? &stat->min : &stat->max) = text;
    } else if (slice_is(key, "has_nan")) {
        stat->has_nan = slice_is(value, "true");
    } else if (slice_to_i64(value, &number) == 0) {
        if (slice_is(key, "null_count"))
            stat->null_count = number;
        else if (slice_is(key, "num_values"))
            stat->value_count = number;
        else if (slice_is(key, "column_size_bytes"))
            stat->size_bytes = number;
    }
    return 0;
}

/* column_statistics is MAP(VARCHAR, MAP(VARCHAR, VARCHAR)): column path to name to value. */
static int stats_read(duckdb_vector column, struct arena *arena, struct vec_copy_result *out)
{
    duckdb_list_entry outer = *(duckdb_list_entry *)duckdb_vector_get_data(column);
    duckdb_vector entries = duckdb_list_vector_get_child(column);
    duckdb_vector paths = duckdb_struct_vector_get_child(entries, 0);
    duckdb_vector maps = duckdb_struct_vector_get_child(entries, 1);
    duckdb_list_entry *inner = duckdb_vector_get_data(maps);
    duckdb_vector pairs = duckdb_list_vector_get_child(maps);
    duckdb_vector keys = duckdb_struct_vector_get_child(pairs, 0);
    duckdb_vector values = duckdb_struct_vector_get_child(pairs, 1);
    uint64_t *valid = duckdb_vector_get_validity(column);
    int rc = 0;

    if (valid && !duckdb_validity_row_is_valid(valid, 0))
        return 0;
    out->stats = ARENA_ARRAY(arena, struct vec_stat, outer.length ? outer.length : 1);
    if (!out->stats)
        return ERR_NOMEM;
    out->stat_count = outer.length;
    for (idx_t i = 0; !rc && i < outer.length; i++) {
        struct vec_stat *stat = &out->stats[i];
        duckdb_list_entry map = inner[outer.offset + i];

        *stat = (struct vec_stat){.null_count = -1, .value_count = -1, .size_bytes = -1};
        rc = path_split(string_at(paths, outer.offset + i), arena, stat);
        for (idx_t j = map.offset; !rc && j < map.offset + map.length; j++)
            rc = stat_set(stat, string_at(keys, j), string_at(values, j), arena);
    }
    return rc;
}

/* Columns of RETURN_STATS: filename, count, file_size_bytes, footer_size_bytes, column_statistics,
 * partition_keys. */
static int result_read(duckdb_result *result, struct arena *arena, struct vec_copy_result *out,
                       struct err *err)
{
    duckdb_data_chunk chunk = duckdb_fetch_chunk(*result);
    int64_t *numbers[] = {&out->rows, &out->file_bytes, &out->footer_bytes};
    int rc;

    *out = (struct vec_copy_result){0};
    if (!chunk || duckdb_data_chunk_get_size(chunk) != 1 ||
        duckdb_data_chunk_get_column_count(chunk) < 5) {
        duckdb_destroy_data_chunk(&chunk);
        return err_set(err, ERR_INTERNAL, "COPY gave no statistics");
    }
    for (idx_t i = 0; i < COUNT_OF(numbers); i++)
        *numbers[i] =
            *(int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, i + 1));
    rc = stats_read(duckdb_data_chunk_get_vector(chunk, 4), arena, out);
    duckdb_destroy_data_chunk(&chunk);
    return rc ? err_set(err, rc, "statistics of a COPY") : 0;
}

/* ---- pull form ---- */

static int copy_execute(struct vec_conn *conn, struct vec_slot *slot,
                        const struct vec_copy_options *options, duckdb_result *result,
                        struct err *err)
{
    struct buf text = {0};
    const char *sql = NULL;
    int rc = copy_text(slot, options, &text);

    if (!rc && !(sql = buf_cstr(&text)))
        rc = ERR_NOMEM;
    if (rc) {
        buf_deinit(&text);
        *result = (duckdb_result){0};
        return err_set(err, rc, "COPY to %s", options->path);
    }
    if (duckdb_query(conn->raw, sql, result) != DuckDBSuccess)
        rc = vec_fail_result(err, result, slot);
    buf_deinit(&text);
    return rc;
}

/* A COPY that fails before its first row leaves nothing; later it leaves half a file. */
static void remove_half(const char *path) { disk_unlink(disk_system(), path, NULL); }

int vec_copy_run(struct vec_conn *conn, const struct vec_feed *feed,
                 const struct vec_copy_options *options, struct arena *arena,
                 struct vec_copy_result *out, struct err *err)
{
    struct vec_slot *slot = NULL;
    duckdb_result result;
    int rc = vec_slot_new(&slot, conn->db, feed->columns, err);

    if (rc)
        return rc;
    slot->feed = *feed;
    rc = copy_execute(conn, slot, options, &result, err);
    if (!rc)
        rc = result_read(&result, arena, out, err);
    duckdb_destroy_result(&result);
    vec_slot_free(conn->db, slot);
    if (rc)
        remove_half(options->path);
    return rc;
}

/* ---- push form ---- */

struct vec_copy {
    struct vec_db *db; /* borrowed */
    struct vec_conn *conn;
    struct vec_slot *slot;
    struct vec_copy_options options; /* texts owned */
    pthread_t thread;
    bool started, joined;
    duckdb_result result;
    bool has_result;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    duckdb_data_chunk queue[QUEUE_CHUNKS_MAX];
    size_t first, queued;
    bool ended, cancelled, done;
    int64_t rows; /* pushed */
    struct err err; /* of the thread */

    duckdb_data_chunk lent; /* the chunk that DuckDB reads now; the thread's own */
    int64_t row_bytes;      /* width of a row in memory, roughly */
    int64_t flushed_rows, flushed_bytes; /* at the last growth of the file: vec_copy_bytes */
};

static int copy_pull(void *arg, duckdb_data_chunk out, struct err *err)
{
    struct vec_copy *copy = arg;
    bool cancelled;

    duckdb_destroy_data_chunk(&copy->lent);
    pthread_mutex_lock(&copy->lock);
    while (!copy->queued && !copy->ended && !copy->cancelled)
        pthread_cond_wait(&copy->changed, &copy->lock);
    cancelled = copy->cancelled;
    if (!cancelled && copy->queued) {
        copy->lent = copy->queue[copy->first];
        copy->first = (copy->first + 1) % QUEUE_CHUNKS_MAX;
        copy->queued--;
        pthread_cond_broadcast(&copy->changed);
    }
    pthread_mutex_unlock(&copy->lock);
    if (cancelled)
        return err_set(err, ERR_CANCELLED, "the copy was given up");
    if (copy->lent)
        vec_chunk_refer(out, copy->lent);
    else
        duckdb_data_chunk_set_size(out, 0);
    return 0;
}

static void *copy_main(void *arg)
{
    struct vec_copy *copy = arg;
    struct err err = {0};
    int rc = copy_execute(copy->conn, copy->slot, &copy->options, &copy->result, &err);

    duckdb_destroy_data_chunk(&copy->lent);
    pthread_mutex_lock(&copy->lock);
    copy->has_result = true;
    copy->done = true;
    if (rc)
        copy->err = err;
    pthread_cond_broadcast(&copy->changed);
    pthread_mutex_unlock(&copy->lock);
    return NULL;
}

static int64_t type_bytes(duckdb_logical_type type)
{
    switch (duckdb_get_type_id(type)) {
    case DUCKDB_TYPE_BOOLEAN:
    case DUCKDB_TYPE_TINYINT:
        return 1;
    case DUCKDB_TYPE_SMALLINT:
        return 2;
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_FLOAT:
    case DUCKDB_TYPE_DATE:
        return 4;
    case DUCKDB_TYPE_VARCHAR:
    case DUCKDB_TYPE_BLOB:
    case DUCKDB_TYPE_UUID:
    case DUCKDB_TYPE_HUGEINT:
        return 16;
    case DUCKDB_TYPE_LIST:
    case DUCKDB_TYPE_MAP:
    case DUCKDB_TYPE_STRUCT:
        return 48;
    default:
        return 8;
    }
}

static int options_copy(struct vec_copy *copy, const struct vec_copy_options *o)
{
    const char *texts[] = {o->path, o->select, o->field_ids, o->codec};
    const char **to[] = {&copy->options.path, &copy->options.select, &copy->options.field_ids,
                         &copy->options.codec};

    copy->options = *o;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        *to[i] = NULL;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        if (texts[i] && !(*to[i] = strdup(texts[i])))
            return ERR_NOMEM;
    return 0;
}

int vec_copy_new(struct vec_copy **out, struct vec_db *db, const struct vec_columns *columns,
                 const struct vec_copy_options *options, struct err *err)
{
    struct vec_copy *copy = calloc(1, sizeof(*copy));
    int rc;

    if (!copy)
        return err_set(err, ERR_NOMEM, "copy to %s", options->path);
    copy->db = db;
    pthread_mutex_init(&copy->lock, NULL);
    pthread_cond_init(&copy->changed, NULL);
    rc = options_copy(copy, options);
    if (rc)
        err_set(err, rc, "copy to %s", options->path);
    rc = rc ? rc : vec_conn_new(&copy->conn, db, err);
    rc = rc ? rc : vec_slot_new(&copy->slot, db, columns, err);
    if (!rc) {
        copy->slot->feed = (struct vec_feed){&copy->slot->columns, copy_pull, copy};
        for (size_t i = 0; i < columns->count; i++)
            copy->row_bytes += type_bytes(columns->list[i].type);
        copy->started = pthread_create(&copy->thread, NULL, copy_main, copy) == 0;
        if (!copy->started)
            rc = err_set(err, ERR_NOMEM, "thread for a copy to %s", options->path);
    }
    if (rc) {
        vec_copy_free(copy);
        return rc;
    }
    *out = copy;
    return 0;
}

int vec_copy_push(struct vec_copy *copy, struct vec_batch *batch, struct err *err)
{
    size_t i;
    int rc = 0;

    pthread_mutex_lock(&copy->lock);
    for (i = 0; i < batch->count; i++) {
        if (duckdb_data_chunk_get_size(batch->chunks[i]) == 0) {
            duckdb_destroy_data_chunk(&batch->chunks[i]);
            continue; /* an empty chunk would end the scan */
        }
        while (copy->queued == QUEUE_CHUNKS_MAX && !copy->done)
            pthread_cond_wait(&copy->changed, &copy->lock);
        if (copy->done)
            break;
        copy->rows += (int64_t)duckdb_data_chunk_get_size(batch->chunks[i]);
        copy->queue[(copy->first + copy->queued++) % QUEUE_CHUNKS_MAX] = batch->chunks[i];
        pthread_cond_broadcast(&copy->changed);
    }
    if (i < batch->count)
        rc = err_set(err, copy->err.code ? copy->err.code : ERR_INTERNAL, "%s",
                     copy->err.code ? copy->err.text : "the copy ended before its feed");
    pthread_mutex_unlock(&copy->lock);
    for (; i < batch->count; i++)
        duckdb_destroy_data_chunk(&batch->chunks[i]);
    batch->count = 0;
    batch->rows = 0;
    return rc;
}

/* What the file holds, plus the rows that wait for their row group at the rate of those written
 * (at first: at a quarter of their width in memory). */
int64_t vec_copy_bytes(struct vec_copy *copy)
{
    struct disk_stat stat = {0};
    int64_t rows, waiting;

    disk_stat(disk_system(), copy->options.path, &stat, NULL);
    pthread_mutex_lock(&copy->lock);
    rows = copy->rows;
    pthread_mutex_unlock(&copy->lock);
    if (stat.size > copy->flushed_bytes) {
        copy->flushed_bytes = stat.size;
        copy->flushed_rows = stat.size > 4 ? rows : 0; /* the magic alone is 4 bytes */
    }
    waiting = rows - copy->flushed_rows;
    if (copy->flushed_rows > 0)
        return stat.size + waiting * stat.size / copy->flushed_rows;
    return stat.size + waiting * copy->row_bytes / 4;
}

static void copy_join(struct vec_copy *copy, bool cancel)
{
    if (!copy->started || copy->joined)
        return;
    pthread_mutex_lock(&copy->lock);
    copy->ended = true;
    copy->cancelled = cancel;
    pthread_cond_broadcast(&copy->changed);
    pthread_mutex_unlock(&copy->lock);
    if (cancel)
        vec_interrupt(copy->conn);
    pthread_join(copy->thread, NULL);
    copy->joined = true;
}

int vec_copy_finish(struct vec_copy *copy, struct arena *arena, struct vec_copy_result *out,
                    struct err *err)
{
    int rc;

    copy_join(copy, false);
    if (copy->err.code)
        return err_set(err, copy->err.code, "%s", copy->err.text);
    rc = result_read(&copy->result, arena, out, err);
    if (rc)
        copy->err.code = rc; /* so that vec_copy_free removes the file */
    return rc;
}

void vec_copy_free(struct vec_copy *copy)
{
    if (!copy)
        return;
    if (copy->started && (!copy->joined || copy->err.code)) {
        copy_join(copy, true);
        remove_half(copy->options.path);
    }
    while (copy->queued) {
        duckdb_destroy_data_chunk(&copy->queue[copy->first]);
        copy->first = (copy->first + 1) % QUEUE_CHUNKS_MAX;
        copy->queued--;
    }
    if (copy->has_result)
        duckdb_destroy_result(&copy->result);
    vec_slot_free(copy->db, copy->slot);
    vec_conn_free(copy->conn);
    free((void *)(uintptr_t)copy->options.path);
    free((void *)(uintptr_t)copy->options.select);
    free((void *)(uintptr_t)copy->options.field_ids);
    free((void *)(uintptr_t)copy->options.codec);
    pthread_cond_destroy(&copy->changed);
    pthread_mutex_destroy(&copy->lock);
    free(copy);
}
