/* file_sink.c - rows to files, in two steps.
 *
 * Names in STAGING/file-sink: SINK.START.tmp.N while rows are added, then
 * SINK.START.JOB.EPOCH.PLACE, where SINK is a hash of the table's path, START the process (the
 * metadata store's epoch), JOB an id and PLACE the final name with '/' as "%2F".
 */
#include <stdatomic.h>
#include <stdio.h>

#include "base/codec.h"
#include "connector/file_avro.h"
#include "connector/file_sink.h"
#include "connector/files.h"
#include "connector/formats.h"
#include "connector/row_text.h"
#include "format/avro_rows.h"
#include "operator/operator.h"
#include "stream/job.h"

#define OPEN_MAX    256 /* partitions of one interval */
#define PARQUET_MAX 64  /* of those whose files are Parquet: each has a thread and a row group */
#define WRITE_BYTES ((size_t)256 << 10)

struct part {     /* a file that is being written, or waits */
    char *folder; /* "dt=2024-01-01/hr=10"; "": the root */
    char *path;   /* where it lies now */
    char *place;  /* its final name, once staged */
    struct file *file;
    struct vec_copy *copy; /* parquet: what writes it; else NULL */
    struct buf bytes;
    int64_t size, count; /* count: rows in `bytes` */
};

struct file_cut {
    struct stream_cut cut; /* first */
    struct part *parts;
    size_t count;
    bool staged;
};

struct file_sink {
    struct stream_sink sink; /* first */
    struct files files;
    struct meta *meta;
    struct vec_db *db;
    struct vec_columns columns;
    struct row_encoder *encoder; /* NULL: parquet */
    char *folder;                /* STAGING/file-sink */
    char prefix[64];             /* "SINK.START." */
    char sink_name[20];          /* "SINK." */
    const char *extension;
    const char *codec; /* avro: of its blocks; else NULL */
    struct buf block;
    size_t *keys; /* columns of the partition */
    char **key_names;
    size_t key_count;
    bool changes, success;
    _Atomic int64_t number; /* of temporary files */
    struct buf where, text;
};

static struct file_sink *self(struct stream_sink *sink)
{
    return (struct file_sink *)sink;
}

/* ---- cuts ---- */

static void part_deinit(struct part *p)
{
    vec_copy_free(p->copy);
    file_close(p->file);
    buf_deinit(&p->bytes);
    free(p->folder);
    free(p->path);
    free(p->place);
}

static void cut_free(struct file_sink *s, struct file_cut *cut, bool remove)
{
    for (size_t i = 0; cut && i < cut->count; i++) {
        if (remove && cut->parts[i].path)
            disk_unlink(s->files.disk, cut->parts[i].path, NULL);
        part_deinit(&cut->parts[i]);
    }
    if (cut)
        free(cut->parts);
    free(cut);
}

static int add_part(struct file_sink *s, struct file_cut *cut, const char *folder,
                    struct part **out, struct err *err)
{
    struct part *more, *p;

    if (cut->count == OPEN_MAX)
        return err_set(err, ERR_LIMIT, "rows of more than %d partitions in one interval", OPEN_MAX);
    more = realloc(cut->parts, (cut->count + 1) * sizeof(*more));
    if (!more)
        return err_set(err, ERR_NOMEM, "file");
    cut->parts = more;
    p = &more[cut->count++];
    *p = (struct part){.folder = strdup(folder)};
    p->bytes.max = SIZE_MAX;
    if (asprintf(&p->path, "%s/%stmp.%" PRId64, s->folder, s->prefix,
                 atomic_fetch_add(&s->number, 1)) < 0)
        p->path = NULL;
    *out = p;
    return p->folder && p->path ? disk_mkdirs(s->files.disk, s->folder, err)
                                : err_set(err, ERR_NOMEM, "file");
}

static int write_out(struct file_sink *s, struct part *p, struct err *err)
{
    struct buf *bytes = &p->bytes;
    int rc = 0;

    if (!p->file)
        rc = disk_open(s->files.disk, &p->file, p->path, DISK_WRITE | DISK_CREATE | DISK_TRUNCATE,
                       err);
    if (!rc && s->codec) {
        buf_clear(&s->block);
        rc = file_avro_block(&s->block, p->size == 0, row_encoder_avro_schema(s->encoder), s->codec,
                             buf_slice(&p->bytes), p->count, err);
        bytes = &s->block;
    }
    if (!rc && bytes->len)
        rc = file_pwrite(p->file, bytes->ptr, bytes->len, p->size, err);
    p->size += (int64_t)bytes->len;
    p->count = 0;
    buf_clear(&p->bytes);
    return rc;
}

/* ---- rows to lines ---- */

/* What a folder's name may not hold is written as %XX, as Hive and Flink do. */
static int put_escaped(struct buf *out, struct slice text)
{
    int rc = 0;

    for (size_t i = 0; i < text.len && !rc; i++) {
        uint8_t c = text.ptr[i];

        rc = c < 0x20 || c == 0x7f || strchr("\"#%'*/:=?\\{[]^", c) ? buf_printf(out, "%%%02X", c)
                                                                    : buf_append_u8(out, c);
    }
    return rc;
}

/* The folder of a row, into s->where. */
static int folder_of(struct file_sink *s, duckdb_data_chunk chunk, idx_t row, struct err *err)
{
    int rc = 0;

    buf_clear(&s->where);
    for (size_t i = 0; i < s->key_count && !rc; i++) {
        duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, s->keys[i]);
        duckdb_logical_type type = s->columns.list[s->keys[i]].type;

        rc = buf_printf(&s->where, "%s%s=", i ? "/" : "", s->key_names[i]);
        if (!rc && !vec_is_valid(duckdb_vector_get_validity(vector), row)) {
            rc = buf_append_str(&s->where, "__DEFAULT_PARTITION__");
            continue;
        }
        buf_clear(&s->text);
        rc = rc ? rc : flink_value_text(type, vector, row, &s->text, err);
        rc = rc ? rc : put_escaped(&s->where, buf_slice(&s->text));
    }
    if (!rc && !buf_cstr(&s->where))
        rc = ERR_NOMEM;
    return rc && !(err && err->code == rc) ? err_set(err, rc, "a partition") : rc;
}

static int part_of(struct file_sink *s, struct file_cut *cut, duckdb_data_chunk chunk, idx_t row,
                   struct part **out, struct err *err)
{
    const char *folder;
    int rc = folder_of(s, chunk, row, err);

    if (rc)
        return rc;
    folder = s->where.len ? buf_cstr(&s->where) : "";
    for (size_t i = 0; i < cut->count; i++)
        if (!strcmp(cut->parts[i].folder, folder)) {
            *out = &cut->parts[i];
            return 0;
        }
    return add_part(s, cut, folder, out, err);
}

static int add_chunk(struct file_sink *s, struct file_cut *cut, duckdb_data_chunk chunk,
                     struct err *err)
{
    idx_t rows = duckdb_data_chunk_get_size(chunk);
    const uint8_t *kinds =
        s->changes
            ? duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, s->columns.count - 1))
            : NULL;

    for (idx_t row = 0; row < rows; row++) {
        struct part *p;
        bool null;
        int rc = part_of(s, cut, chunk, row, &p, err);

        rc = rc ? rc
                : row_encode(s->encoder, chunk, row,
                             kinds ? (enum row_kind)(kinds[row] & 3) : ROW_INSERT, &p->bytes, &null,
                             err);
        rc = rc || s->codec ? rc : buf_append_u8(&p->bytes, '\n');
        p->count += !rc;
        if (!rc && p->bytes.len >= WRITE_BYTES)
            rc = write_out(s, p, err);
        if (rc)
            return err && err->code == rc ? rc : err_set(err, rc, "a line");
    }
    cut->cut.rows += (int64_t)rows;
    return 0;
}

struct draining {
    struct file_sink *sink;
    struct file_cut *cut;
    int (*add)(struct file_sink *s, struct file_cut *cut, duckdb_data_chunk chunk, struct err *err);
};

static int take_chunk(void *arg, duckdb_data_chunk chunk, struct err *err)
{
    const struct draining *d = arg;

    return d->add(d->sink, d->cut, chunk, err);
}

static int drain_lines(struct file_sink *s, struct file_cut *cut, const struct vec_feed *feed,
                       struct err *err)
{
    struct draining draining = {s, cut, add_chunk};
    int rc = vec_feed_each(feed, take_chunk, &draining, err);

    for (size_t i = 0; i < cut->count && !rc; i++)
        rc = write_out(s, &cut->parts[i], err);
    return rc;
}

static int drain_parquet(struct file_sink *s, struct file_cut *cut, const struct vec_feed *feed,
                         struct err *err)
{
    struct vec_copy_options options = {.select = "*", .codec = "snappy"};
    struct vec_copy_result result = {0};
    struct vec_conn *conn = NULL;
    struct arena arena = {0};
    struct part *p;
    int rc = add_part(s, cut, "", &p, err);

    if (!rc)
        rc = vec_conn_new(&conn, s->db, err);
    options.path = rc ? NULL : p->path;
    if (!rc)
        rc = vec_copy_run(conn, feed, &options, &arena, &result, err);
    cut->cut.rows = result.rows;
    vec_conn_free(conn);
    arena_deinit(&arena);
    return rc;
}

/* ---- rows to Parquet by partition ---- */

/* The columns that a file has: those that its folder does not say. */
static const char *file_columns(struct file_sink *s, struct buf *out)
{
    int rc = 0;

    for (size_t c = 0; c < s->columns.count && !rc; c++) {
        bool key = false;

        for (size_t k = 0; k < s->key_count; k++)
            key |= s->keys[k] == c;
        rc = key || !out->len ? 0 : buf_append_str(out, ", ");
        rc = rc || key ? rc : lake_sql_name(out, s->columns.list[c].name);
    }
    return rc ? NULL : buf_cstr(out);
}

static int open_copy(struct file_sink *s, struct part *p, struct err *err)
{
    struct vec_copy_options options = {.path = p->path, .codec = "snappy"};
    struct buf select = {0};
    int rc;

    options.select = file_columns(s, &select);
    rc = options.select ? vec_copy_new(&p->copy, s->db, &s->columns, &options, err)
                        : err_set(err, ERR_NOMEM, "file");
    buf_deinit(&select);
    return rc;
}

/* Rows of a chunk by their places, into the part's file. */
static int push_rows(struct file_sink *s, struct part *p, duckdb_data_chunk chunk,
                     duckdb_selection_vector rows, idx_t count, struct err *err)
{
    struct vec_batch batch = {0};
    duckdb_data_chunk copy = vec_chunk_new(&s->columns);
    int rc = copy ? 0 : ERR_NOMEM;

    for (idx_t c = 0; c < s->columns.count && !rc; c++)
        duckdb_vector_copy_sel(duckdb_data_chunk_get_vector(chunk, c),
                               duckdb_data_chunk_get_vector(copy, c), rows, count, 0, 0);
    if (!rc) {
        duckdb_data_chunk_set_size(copy, count);
        rc = vec_batch_add(&batch, copy);
    }
    if (rc) {
        if (copy)
            duckdb_destroy_data_chunk(&copy);
        return err_set(err, rc, "rows");
    }
    batch.rows = (int64_t)count;
    rc = p->copy ? 0 : open_copy(s, p, err);
    if (!rc)
        rc = vec_copy_push(p->copy, &batch, err);
    vec_batch_deinit(&batch);
    return rc;
}

static int add_chunk_by_part(struct file_sink *s, struct file_cut *cut, duckdb_data_chunk chunk,
                             struct err *err)
{
    idx_t rows = duckdb_data_chunk_get_size(chunk), count;
    size_t *part = calloc(rows, sizeof(*part));
    duckdb_selection_vector chosen = duckdb_create_selection_vector(rows);
    sel_t *places = chosen ? duckdb_selection_vector_get_data_ptr(chosen) : NULL;
    int rc = part && places ? 0 : err_set(err, ERR_NOMEM, "rows");

    for (idx_t row = 0; row < rows && !rc; row++) {
        struct part *p;

        rc = part_of(s, cut, chunk, row, &p, err);
        part[row] = rc ? 0 : (size_t)(p - cut->parts);
    }
    if (!rc && cut->count > PARQUET_MAX)
        rc = err_set(err, ERR_LIMIT, "rows of more than %d partitions of Parquet in one interval",
                     PARQUET_MAX);
    for (size_t i = 0; i < cut->count && !rc; i++) {
        count = 0;
        for (idx_t row = 0; row < rows; row++)
            if (part[row] == i)
                places[count++] = (sel_t)row;
        rc = count ? push_rows(s, &cut->parts[i], chunk, chosen, count, err) : 0;
    }
    if (chosen)
        duckdb_destroy_selection_vector(chosen);
    free(part);
    cut->cut.rows += rc ? 0 : (int64_t)rows;
    return rc;
}

static int drain_parquet_by_part(struct file_sink *s, struct file_cut *cut,
                                 const struct vec_feed *feed, struct err *err)
{
    struct draining draining = {s, cut, add_chunk_by_part};
    struct arena arena = {0};
    int rc = vec_feed_each(feed, take_chunk, &draining, err);

    for (size_t i = 0; i < cut->count && !rc; i++) {
        struct vec_copy_result result;

        rc = vec_copy_finish(cut->parts[i].copy, &arena, &result, err);
        vec_copy_free(cut->parts[i].copy);
        cut->parts[i].copy = NULL;
    }
    arena_deinit(&arena);
    return rc;
}

static int drain(struct stream_sink *sink, const struct vec_feed *feed, struct stream_cut **out,
                 struct err *err)
{
    struct file_sink *s = self(sink);
    struct file_cut *cut = calloc(1, sizeof(*cut));
    int rc = cut ? 0 : err_set(err, ERR_NOMEM, "file");

    *out = NULL;
    if (!rc)
        rc = s->encoder     ? drain_lines(s, cut, feed, err)
             : s->key_count ? drain_parquet_by_part(s, cut, feed, err)
                            : drain_parquet(s, cut, feed, err);
    if (rc || !cut->cut.rows) {
        cut_free(s, cut, true);
        return rc ? err_wrap(err, rc, "%s", s->files.root) : 0;
    }
    *out = &cut->cut;
    return 0;
}

/* ---- making it true ---- */

static char *replaced(const char *text, const char *from, const char *to)
{
    struct buf out = {0};
    size_t len = strlen(from);
    char *copy = NULL;
    int rc = 0;

    while (*text && !rc) {
        bool hit = !strncmp(text, from, len);

        rc = hit ? buf_append_str(&out, to) : buf_append_u8(&out, (uint8_t)*text);
        text += hit ? len : 1;
    }
    if (!rc && buf_cstr(&out))
        copy = strdup(buf_cstr(&out));
    buf_deinit(&out);
    return copy;
}

static int stage_part(struct file_sink *s, struct part *p, const struct stream_epoch *epoch,
                      size_t number, struct err *err)
{
    char *flat = NULL, *path = NULL;
    int rc = ERR_NOMEM;

    if (asprintf(&p->place, "%s%spart-%.8s-%" PRId64 "-%zu%s", p->folder, *p->folder ? "/" : "",
                 epoch->job_id, epoch->epoch, number, s->extension) < 0)
        p->place = NULL;
    flat = p->place ? replaced(p->place, "/", "%2F") : NULL;
    if (flat && asprintf(&path, "%s/%s%s.%" PRId64 ".%s", s->folder, s->prefix, epoch->job_id,
                         epoch->epoch, flat) >= 0)
        rc = p->file ? file_sync(p->file, err) : disk_sync_path(s->files.disk, p->path, err);
    else
        err_set(err, rc, "file");
    if (!rc)
        rc = disk_rename(s->files.disk, p->path, path, err);
    free(flat);
    if (rc) {
        free(path);
        return rc;
    }
    file_close(p->file);
    p->file = NULL;
    free(p->path);
    p->path = path;
    return 0;
}

static int stage(struct stream_sink *sink, struct stream_cut *base,
                 const struct stream_epoch *epoch, struct err *err)
{
    struct file_sink *s = self(sink);
    struct file_cut *cut = (struct file_cut *)base;
    int rc = 0;

    for (size_t i = 0; i < cut->count && !rc && !cut->staged; i++)
        rc = stage_part(s, &cut->parts[i], epoch, i, err);
    if (!rc && !cut->staged)
        rc = disk_sync_dir(s->files.disk, s->folder, err);
    cut->staged |= rc == 0;
    return rc ? err_wrap(err, rc, "%s", s->files.root) : 0;
}

/* The job's row, which the same transaction moves on, says that these files are true. */
static int commit_in(struct stream_sink *sink, struct stream_cut *base, struct meta_txn *txn,
                     struct err *err)
{
    (void)sink, (void)base, (void)txn, (void)err;
    return 0;
}

static int put_success(struct file_sink *s, const char *place, struct err *err)
{
    const char *slash = strrchr(place, '/');
    char *name = NULL, *empty = NULL;
    struct file *file = NULL;
    int rc = ERR_NOMEM;

    if (asprintf(&name, "%.*s_SUCCESS", slash ? (int)(slash - place + 1) : 0, place) >= 0 &&
        asprintf(&empty, "%s/%stmp.%" PRId64, s->folder, s->prefix,
                 atomic_fetch_add(&s->number, 1)) >= 0)
        rc = disk_open(s->files.disk, &file, empty, DISK_WRITE | DISK_CREATE, err);
    if (!rc)
        rc = file_sync(file, err);
    file_close(file);
    if (!rc)
        rc = files_put(&s->files, name, empty, err);
    free(name);
    free(empty);
    return rc;
}

static int put_file(struct file_sink *s, const char *place, const char *path, struct err *err)
{
    int rc = files_put(&s->files, place, path, err);

    return rc || !s->success ? rc : put_success(s, place, err);
}

static void after_commit(struct stream_sink *sink, struct stream_cut *base,
                         enum stream_outcome outcome)
{
    struct file_sink *s = self(sink);
    struct file_cut *cut = (struct file_cut *)base;

    for (size_t i = 0; i < cut->count && outcome == STREAM_COMMITTED; i++) {
        struct err err = {0};

        if (put_file(s, cut->parts[i].place, cut->parts[i].path, &err))
            diag_error("job", "%s/%s waits in %s for the next start: %s", s->files.root,
                       cut->parts[i].place, cut->parts[i].path, err.text);
    }
    cut_free(s, cut, outcome == STREAM_REFUSED);
}

/* One file that an earlier process left: "SINK.START.JOB.EPOCH.PLACE" or "SINK.START.tmp.N". */
static int recover_file(struct file_sink *s, const char *name, struct err *err)
{
    char job[40], *path = NULL, *place = NULL;
    int64_t epoch, committed;
    int used = 0, rc = 0;

    if (asprintf(&path, "%s/%s", s->folder, name) < 0)
        return err_set(err, ERR_NOMEM, "recovery");
    if (sscanf(name + strlen(s->sink_name), "%*[0-9].%32[0-9a-f].%" SCNd64 ".%n", job, &epoch,
               &used) != 2 ||
        !used) {
        rc = disk_unlink(s->files.disk, path, err);
    } else {
        rc = stream_committed_epoch(s->meta, job, &committed, err);
        place = replaced(name + strlen(s->sink_name) + used, "%2F", "/");
        if (!rc && !place)
            rc = err_set(err, ERR_NOMEM, "recovery");
        if (!rc && epoch <= committed)
            rc = put_file(s, place, path, err);
        else if (!rc)
            rc = disk_unlink(s->files.disk, path, err);
    }
    free(path);
    free(place);
    return rc;
}

static int recover(struct stream_sink *sink, struct err *err)
{
    struct file_sink *s = self(sink);
    struct arena arena = {0};
    struct disk_entry *entries;
    size_t count = 0;
    int rc = disk_list(s->files.disk, s->folder, &arena, &entries, &count, err);

    if (rc == ERR_NOENT)
        rc = 0;
    for (size_t i = 0; i < count && !rc; i++)
        if (!strncmp(entries[i].name, s->sink_name, strlen(s->sink_name)) &&
            strncmp(entries[i].name, s->prefix, strlen(s->prefix)) != 0)
            rc = recover_file(s, entries[i].name, err);
    arena_deinit(&arena);
    return rc ? err_wrap(err, rc, "%s", s->files.root) : 0;
}

static void sink_free(struct stream_sink *sink)
{
    struct file_sink *s = self(sink);

    if (!s)
        return;
    row_encoder_free(s->encoder);
    buf_deinit(&s->block);
    files_deinit(&s->files);
    vec_columns_free(&s->columns);
    for (size_t i = 0; i < s->key_count; i++)
        free(s->key_names[i]);
    free(s->key_names);
    free(s->keys);
    free(s->folder);
    buf_deinit(&s->where);
    buf_deinit(&s->text);
    free(s);
}

static const struct stream_sink_ops ops = {
    drain, stage, commit_in, after_commit, recover, sink_free,
};

/* ---- the table ---- */

static bool is_part(const struct sql_table *table, const char *name)
{
    for (size_t i = 0; i < table->partition_key_count; i++)
        if (!strcmp(table->partition_keys[i], name))
            return true;
    return false;
}

/* Columns of the lines, and those of the partition in the order of PARTITIONED BY. */
static int lay_out(struct file_sink *s, const struct sql_table *table,
                   struct row_encoder_field *fields, struct table_field *types, size_t *count,
                   struct err *err)
{
    size_t index = 0;

    s->keys = calloc(table->partition_key_count + 1, sizeof(*s->keys));
    s->key_names = calloc(table->partition_key_count + 1, sizeof(*s->key_names));
    if (!s->keys || !s->key_names)
        return err_set(err, ERR_NOMEM, "columns");
    for (size_t i = 0; i < table->column_count; i++) {
        const struct sql_column *column = &table->columns[i];

        if (!table_column_stored(column))
            continue;
        if (!is_part(table, column->name)) {
            types[*count] = (struct table_field){column->name, column->type};
            fields[(*count)++] =
                (struct row_encoder_field){column->name, s->columns.list[index].type, index};
        }
        for (size_t k = 0; k < table->partition_key_count; k++)
            if (!strcmp(table->partition_keys[k], column->name))
                s->keys[k] = index;
        index++;
    }
    for (; s->key_count < table->partition_key_count; s->key_count++) {
        s->key_names[s->key_count] = strdup(table->partition_keys[s->key_count]);
        if (!s->key_names[s->key_count])
            return err_set(err, ERR_NOMEM, "columns");
    }
    return 0;
}

static int make_encoder(struct file_sink *s, const struct sql_table *table, struct err *err)
{
    struct table_format format = table_format_value(table, NULL);
    struct row_options options = {table_format_option, &format};
    struct row_encoder_field *fields = calloc(table->column_count + 1, sizeof(*fields));
    struct table_field *types = calloc(table->column_count + 1, sizeof(*types));
    struct buf schema = {0};
    size_t count = 0;
    int rc = fields && types ? lay_out(s, table, fields, types, &count, err)
                             : err_set(err, ERR_NOMEM, "columns");

    if (!rc && !format.name)
        rc = err_set(err, ERR_INVALID, "'format' is missing: csv, json, raw, avro or parquet");
    if (!rc && s->changes && !row_format_changes(format.name))
        rc = err_set(err, ERR_INVALID,
                     "files of '%s' cannot tell of updates and deletes, which this query gives",
                     format.name);
    s->extension = rc ? "" : !strcmp(format.name, "csv") ? ".csv" : ".json";
    if (!rc && !strcmp(format.name, "raw"))
        s->extension = "";
    if (!rc && !strcmp(format.name, "parquet")) {
        s->extension = ".parquet";
    } else if (!rc) {
        rc = table_format_schema(&format, types, count, &schema, err);
        if (!rc && format.schema) {
            s->extension = ".avro";
            rc = file_avro_codec(table_format_option(&format, "codec"), &s->codec, err);
        }
        rc = rc ? rc : row_encoder_new(&s->encoder, format.name, fields, count, &options, err);
    }
    free(fields);
    free(types);
    buf_deinit(&schema);
    return rc;
}

static int read_policy(struct file_sink *s, const struct sql_table *table, struct err *err)
{
    const char *kind = sql_option(table->options, "sink.partition-commit.policy.kind");

    s->success = kind && !strcmp(kind, "success-file");
    return kind && !s->success
               ? err_set(err, ERR_UNSUPPORTED,
                         "'sink.partition-commit.policy.kind' = '%s': success-file is built", kind)
               : 0;
}

int file_sink_new(const struct sink_request *r, struct stream_sink **out, struct err *err)
{
    const char *path = sql_option(r->table->options, "path");
    struct file_sink *s = calloc(1, sizeof(*s));
    int rc;

    if (!s)
        return err_set(err, ERR_NOMEM, "sink `%s`", r->table->name);
    s->sink.ops = &ops;
    s->meta = r->connector->meta;
    s->db = r->connector->db;
    s->changes = op_kind_column(r->columns) >= 0;
    rc = files_init(&s->files, lake_store(r->connector->lake), path, err);
    if (!rc && asprintf(&s->folder, "%s/file-sink", s->files.store->staging) < 0)
        s->folder = NULL;
    if (!rc && (!s->folder || vec_columns_copy(&s->columns, r->columns)))
        rc = err_set(err, ERR_NOMEM, "sink");
    snprintf(s->sink_name, sizeof(s->sink_name), "%016" PRIx64 ".", hash64(path, strlen(path), 0));
    snprintf(s->prefix, sizeof(s->prefix), "%s%" PRId64 ".", s->sink_name, meta_epoch(s->meta));
    if (!rc)
        rc = read_policy(s, r->table, err);
    if (!rc)
        rc = make_encoder(s, r->table, err);
    if (rc) {
        sink_free(&s->sink);
        return err_wrap(err, rc, "table `%s`", r->table->name);
    }
    *out = &s->sink;
    return 0;
}
