/* file_source.c - files to rows.
 *
 * Text is read a line at a time out of a window of the file; Avro a record at a time, as the JSON
 * of it, and its place is the number of records; Parquet through a query, as the lake's files are.
 * Which files are done is kept as hashes of their names, in the place of the source.
 */
#include <stdio.h>
#include <strings.h>

#include "base/codec.h"
#include "connector/file_avro.h"
#include "connector/file_source.h"
#include "connector/files.h"
#include "connector/formats.h"
#include "connector/made_source.h"
#include "connector/session_int.h"

#define WINDOW_BYTES ((size_t)1 << 20)
#define LINE_MAX_    ((size_t)64 << 20)
#define ROWS_MAX     8192
#define PARTS_MAX    100
#define PART_MARK    '\1' /* in `select`: a partition column's value, by the next byte */

enum { AT_FILE, AT_POS, AT_DONE }; /* the place: name's hash, bytes or rows, hashes of done ones */

struct file_source {
    struct stream_source source; /* first */
    struct files files;
    struct clock *clock;
    char *name, *select; /* select: of Parquet; NULL: text */
    struct vec_columns columns;
    struct row_decoder *decoder, *parts; /* parts: partition columns, out of folder names */
    bool ignore_parse_errors;
    const char **part_names; /* owned, as the names are */
    size_t part_count;
    struct source_wait wait;
    int64_t monitor_ms; /* 0: bounded */

    int64_t *done; /* hashes, sorted */
    size_t done_count, done_cap;
    int64_t looked_ms;
    bool looked, ended;

    struct arena arena; /* of the list */
    struct files_entry *list;
    size_t list_count, next;

    struct arena file_arena;
    const char *current; /* name; NULL: no file is open */
    const char *path;
    struct file *file;
    bool is_avro;
    struct file_avro *avro; /* NULL: no file is open */
    int64_t size, pos, resume_hash, resume_pos;
    struct buf window; /* from window_pos on */
    int64_t window_pos;
    struct buf part_text, part_value;
    struct vec_conn *conn;
    struct vec_result *result;

    struct buf lines; /* of the last poll, for origin */
    size_t *line_at;
    int64_t *line_pos;
    size_t line_count;
};

static struct file_source *self(struct stream_source *source)
{
    return (struct file_source *)source;
}

static int64_t hash_of(const char *name)
{
    return (int64_t)(hash64(name, strlen(name), 0) | 1); /* never 0, which is none */
}

/* ---- which files are done ---- */

static size_t place_of(const struct file_source *s, int64_t hash)
{
    size_t low = 0, high = s->done_count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (s->done[mid] < hash)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static bool is_done(const struct file_source *s, int64_t hash)
{
    size_t at = place_of(s, hash);

    return at < s->done_count && s->done[at] == hash;
}

static int mark_done(struct file_source *s, int64_t hash, struct err *err)
{
    size_t at = place_of(s, hash);

    if (s->done_count == s->done_cap) {
        size_t cap = s->done_cap ? s->done_cap * 2 : 64;
        int64_t *more = realloc(s->done, cap * sizeof(*more));

        if (!more)
            return err_set(err, ERR_NOMEM, "files of `%s`", s->name);
        s->done = more;
        s->done_cap = cap;
    }
    memmove(s->done + at + 1, s->done + at, (s->done_count++ - at) * sizeof(*s->done));
    s->done[at] = hash;
    return 0;
}

/* ---- one file ---- */

static void close_file(struct file_source *s)
{
    vec_result_free(s->result);
    s->result = NULL;
    file_avro_close(s->avro);
    s->avro = NULL;
    file_close(s->file);
    s->file = NULL;
    files_done(&s->files, s->path);
    s->path = s->current = NULL;
    buf_clear(&s->window);
    arena_reset(&s->file_arena);
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The value of partition column i, out of "dt=2024-01-01/hr=10/x.csv", where %XX stands for what a
 * folder's name may not hold. */
static int part_value(struct file_source *s, const char *name, size_t i, bool *null,
                      struct err *err)
{
    size_t len = strlen(s->part_names[i]);
    const char *at = name;
    int rc = 0;

    while (at && !(strncmp(at, s->part_names[i], len) == 0 && at[len] == '='))
        at = strchr(at, '/') ? strchr(at, '/') + 1 : NULL;
    if (!at)
        return err_set(err, ERR_INVALID, "file %s is in no folder %s=...", name, s->part_names[i]);
    at += len + 1;
    *null = !strncmp(at, "__DEFAULT_PARTITION__", 21);
    buf_clear(&s->part_value);
    for (; *at && *at != '/' && !rc; at++) {
        if (*at == '%' && hex(at[1]) >= 0 && hex(at[2]) >= 0) {
            rc = buf_append_u8(&s->part_value, (uint8_t)(hex(at[1]) << 4 | hex(at[2])));
            at += 2;
        } else {
            rc = buf_append_u8(&s->part_value, (uint8_t)*at);
        }
    }
    return rc ? err_set(err, rc, "file %s", name) : 0;
}

/* Values of partition columns as an object of JSON. */
static int read_parts(struct file_source *s, const char *name, struct err *err)
{
    bool null;
    int rc;

    buf_clear(&s->part_text);
    rc = buf_append_u8(&s->part_text, '{');
    for (size_t i = 0; i < s->part_count && !rc; i++) {
        rc = part_value(s, name, i, &null, err);
        if (rc)
            return rc;
        rc = i ? buf_append_u8(&s->part_text, ',') : 0;
        rc = rc ? rc : row_put_string(&s->part_text, slice_str(s->part_names[i]));
        rc = rc ? rc : buf_append_u8(&s->part_text, ':');
        if (!rc && null)
            rc = buf_append_str(&s->part_text, "null");
        else
            rc = rc ? rc : row_put_string(&s->part_text, buf_slice(&s->part_value));
    }
    rc = rc ? rc : buf_append_u8(&s->part_text, '}');
    return rc ? err_set(err, rc, "file %s", name) : 0;
}

static int put_literal(struct buf *sql, struct slice text)
{
    int rc = buf_append_u8(sql, '\'');

    for (size_t i = 0; i < text.len && !rc; i++) {
        rc = text.ptr[i] == '\'' ? buf_append_u8(sql, '\'') : 0;
        rc = rc ? rc : buf_append_u8(sql, text.ptr[i]);
    }
    return rc ? rc : buf_append_u8(sql, '\'');
}

/* s->select with the file's values for PART_MARK and the number of a partition column. */
static int put_select(struct file_source *s, struct buf *sql, struct err *err)
{
    const char *at = s->select, *mark;
    bool null;
    int rc = 0;

    while (!rc && (mark = strchr(at, PART_MARK))) {
        size_t i = (size_t)(uint8_t)mark[1] - 1;

        rc = part_value(s, s->current, i, &null, err);
        if (rc)
            return rc;
        rc = buf_append(sql, at, (size_t)(mark - at));
        rc = rc     ? rc
             : null ? buf_append_str(sql, "NULL")
                    : put_literal(sql, buf_slice(&s->part_value));
        at = mark + 2;
    }
    rc = rc ? rc : buf_append_str(sql, at);
    return rc ? err_set(err, rc, "file %s", s->current) : 0;
}

static int open_parquet(struct file_source *s, struct err *err)
{
    struct buf sql = {.max = (size_t)16 << 20};
    int rc = buf_append_str(&sql, "SELECT ");

    if (!rc && (rc = put_select(s, &sql, err))) {
        buf_deinit(&sql);
        return rc;
    }
    rc = rc ? rc : buf_append_str(&sql, " FROM read_parquet(");
    rc = rc ? rc : put_literal(&sql, slice_str(s->path));
    rc = rc ? rc : buf_printf(&sql, ", hive_partitioning = false) OFFSET %" PRId64, s->pos);
    if (!rc && !buf_cstr(&sql))
        rc = ERR_NOMEM;
    rc = rc ? err_set(err, rc, "file %s", s->current)
            : vec_query(s->conn, buf_cstr(&sql), &s->result, err);
    buf_deinit(&sql);
    return rc;
}

static int open_file(struct file_source *s, const struct files_entry *entry, struct err *err)
{
    int64_t hash = hash_of(entry->name);
    int rc = files_open(&s->files, entry->name, &s->file_arena, &s->path, err);

    if (rc)
        return rc;
    s->current = entry->name;
    s->size = entry->size;
    s->pos = s->window_pos = s->resume_hash == hash ? s->resume_pos : 0;
    s->resume_hash = 0;
    if (s->select)
        return open_parquet(s, err);
    rc = s->part_count ? read_parts(s, entry->name, err) : 0;
    if (!rc)
        rc = disk_open(s->files.disk, &s->file, s->path, DISK_READ, err);
    if (!rc && s->is_avro)
        rc = file_avro_open(&s->avro, s->file, s->pos, err);
    return rc ? rc : file_size(s->file, &s->size, err);
}

/* The next file that is not done. 1: it is open; 0: there is none now. */
static int next_file(struct file_source *s, struct err *err)
{
    int64_t now = clock_mono_ms(s->clock);

    for (;;) {
        int rc;

        while (s->next < s->list_count) {
            const struct files_entry *entry = &s->list[s->next++];

            if (is_done(s, hash_of(entry->name)))
                continue;
            rc = open_file(s, entry, err);
            if (rc)
                err_wrap(err, rc, "file %s", entry->name);
            return rc ? rc : 1;
        }
        if (s->looked && (!s->monitor_ms || now - s->looked_ms < s->monitor_ms)) {
            s->ended = !s->monitor_ms;
            return 0;
        }
        s->looked = true;
        s->looked_ms = now;
        arena_reset(&s->arena);
        s->next = s->list_count = 0;
        rc = files_list(&s->files, &s->arena, &s->list, &s->list_count, err);
        if (rc)
            return rc;
    }
}

static int finish_file(struct file_source *s, struct err *err)
{
    int rc = mark_done(s, hash_of(s->current), err);

    close_file(s);
    s->pos = 0;
    return rc;
}

/* ---- lines ---- */

/* The line at s->pos, without its end. 1: a line; 0: the file is over. */
static int next_text(struct file_source *s, struct slice *out, int64_t *behind, struct err *err)
{
    size_t from = (size_t)(s->pos - s->window_pos), seen = from;

    for (;;) {
        const uint8_t *end =
            s->window.len > seen ? memchr(s->window.ptr + seen, '\n', s->window.len - seen) : NULL;
        size_t got;
        int rc;

        if (end) {
            *out = slice_of(s->window.ptr + from, (size_t)(end - s->window.ptr) - from);
            *behind = s->pos + (int64_t)out->len + 1;
            break;
        }
        if (from) { /* what was read goes */
            memmove(s->window.ptr, s->window.ptr + from, s->window.len - from);
            s->window.len -= from;
            s->window_pos = s->pos;
            from = 0;
        }
        seen = s->window.len;
        if (seen > LINE_MAX_)
            return err_set(err, ERR_LIMIT, "file %s: a line of more than %zu bytes", s->current,
                           LINE_MAX_);
        rc = buf_reserve(&s->window, WINDOW_BYTES);
        if (rc)
            return err_set(err, rc, "file %s", s->current);
        rc = file_pread(s->file, s->window.ptr + seen, WINDOW_BYTES, s->window_pos + (int64_t)seen,
                        &got, err);
        if (rc)
            return rc;
        s->window.len += got;
        if (got)
            continue;
        if (!seen)
            return 0;
        *out = slice_of(s->window.ptr, seen); /* a last line without an end */
        *behind = s->pos + (int64_t)seen;
        break;
    }
    if (out->len && out->ptr[out->len - 1] == '\r')
        out->len--;
    return 1;
}

static int next_line(struct file_source *s, struct slice *out, int64_t *behind, struct err *err)
{
    *behind = s->pos + 1;
    return s->is_avro ? file_avro_next(s->avro, out, err) : next_text(s, out, behind, err);
}

static int reject_line(struct file_source *s, struct slice line, const struct json_fault *fault,
                       stream_reject_fn *reject, void *arg, struct err *err)
{
    struct stream_reject r = {.reason = fault->reason,
                              .column = fault->path[0] ? fault->path : NULL,
                              .topic = *s->current ? s->current : s->name,
                              .offset = s->pos,
                              .timestamp_ms = clock_wall_ms(s->clock),
                              .value = line};

    if (fault->fatal)
        return err_set(err, ERR_CORRUPT, "file %s, byte %" PRId64 ", column %s: %s", s->current,
                       s->pos, fault->path, fault->reason);
    return s->ignore_parse_errors ? 0 : reject(arg, &r, err);
}

static int note_line(struct file_source *s, struct slice line)
{
    s->line_at[s->line_count] = s->lines.len;
    s->line_pos[s->line_count++] = s->pos;
    return buf_append_slice(&s->lines, line);
}

/* Rows of a line from `row` on. *rows: how many. */
static int decode_line(struct file_source *s, struct slice line, idx_t row, size_t *rows,
                       struct json_fault *fault)
{
    enum row_kind kind;
    int rc = 0;

    if (s->is_avro)
        *rows = 1; /* a record, whose JSON goes by names */
    else
        rc = row_decode_message(s->decoder, line, rows, fault);
    for (size_t i = 0; i < *rows && !rc; i++) {
        rc = s->is_avro ? row_decode_json(s->decoder, line, row + i, fault)
                        : row_decode(s->decoder, i, row + i, &kind, fault);
        if (!rc && s->parts)
            rc = row_decode_json(s->parts, buf_slice(&s->part_text), row + i, fault);
    }
    return rc;
}

static void zero_partition(struct file_source *s, duckdb_data_chunk chunk)
{
    for (size_t i = 0; i < s->columns.count; i++)
        if (!strcmp(s->columns.list[i].name, "$partition"))
            memset(duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, i)), 0,
                   vec_chunk_rows() * sizeof(int32_t));
}

/* One chunk of lines of the open file. */
static int read_lines(struct file_source *s, struct vec_batch *out, stream_reject_fn *reject,
                      void *arg, bool *over, struct err *err)
{
    duckdb_data_chunk chunk = vec_chunk_new(&s->columns);
    idx_t rows = 0;
    int rc = chunk ? 0 : err_set(err, ERR_NOMEM, "rows of `%s`", s->name);

    if (rc)
        return rc;
    row_decode_begin(s->decoder, chunk);
    if (s->parts)
        row_decode_begin(s->parts, chunk);
    zero_partition(s, chunk);
    *over = false;
    while (!rc && rows < vec_chunk_rows()) {
        struct json_fault fault = {0};
        struct slice line;
        int64_t behind = s->pos;
        size_t more = 0;

        rc = next_line(s, &line, &behind, err);
        if (rc <= 0) {
            *over = rc == 0;
            break;
        }
        rc = line.len ? decode_line(s, line, rows, &more, &fault) : 0;
        if (rc == ERR_INVALID)
            rc = reject_line(s, line, &fault, reject, arg, err);
        else if (rc)
            err_set(err, rc, "rows of `%s`", s->name);
        else if (more)
            rc = note_line(s, line);
        else
            rc = 0;
        rows += fault.reason[0] ? 0 : more;
        s->pos = behind;
    }
    row_decode_end(s->decoder);
    if (s->parts)
        row_decode_end(s->parts);
    duckdb_data_chunk_set_size(chunk, rows);
    if (!rc && rows && (rc = vec_batch_add(out, chunk)))
        err_set(err, rc, "rows of `%s`", s->name);
    if (rc || !rows)
        duckdb_destroy_data_chunk(&chunk);
    return rc;
}

static int read_parquet(struct file_source *s, struct vec_batch *out, bool *over, struct err *err)
{
    duckdb_data_chunk rows, chunk;
    int rc = vec_result_next(s->result, &rows, err);

    *over = !rc && !rows;
    if (rc || !rows || !duckdb_data_chunk_get_size(rows))
        return rc;
    chunk = vec_chunk_new(&s->columns);
    if (!chunk)
        return err_set(err, ERR_NOMEM, "rows of `%s`", s->name);
    vec_chunk_refer(chunk, rows);
    s->pos += (int64_t)duckdb_data_chunk_get_size(rows);
    rc = vec_batch_add(out, chunk);
    if (rc)
        duckdb_destroy_data_chunk(&chunk);
    return rc ? err_set(err, rc, "rows of `%s`", s->name) : 0;
}

static int poll(struct stream_source *source, struct vec_batch *out, stream_reject_fn *reject,
                void *arg, struct err *err)
{
    struct file_source *s = self(source);
    bool over;
    int rc = 0;

    buf_clear(&s->lines);
    s->line_count = 0;
    while (!rc && out->rows + (int64_t)vec_chunk_rows() <= ROWS_MAX) {
        if (!s->current) {
            rc = next_file(s, err);
            if (rc <= 0)
                break;
        }
        rc = s->select ? read_parquet(s, out, &over, err)
                       : read_lines(s, out, reject, arg, &over, err);
        if (rc)
            return err_wrap(err, rc, "file %s", s->current);
        if (over)
            rc = finish_file(s, err);
    }
    if (rc < 0)
        return rc;
    return s->ended && !out->rows ? err_set(err, ERR_CLOSED, "`%s`: all its files", s->name) : 0;
}

/* ---- the rest of the table of a source ---- */

static int origin(struct stream_source *source, int64_t row, struct stream_reject *out,
                  struct err *err)
{
    struct file_source *s = self(source);
    size_t end;

    *out = (struct stream_reject){.topic = s->current && *s->current ? s->current : s->name,
                                  .offset = row,
                                  .timestamp_ms = clock_wall_ms(s->clock),
                                  .value = SLICE_LIT("")};
    if (s->select)
        return 0;
    if (row < 0 || (size_t)row >= s->line_count)
        return err_set(err, ERR_RANGE, "`%s`: row %" PRId64 " of %zu", s->name, row, s->line_count);
    end = (size_t)row + 1 < s->line_count ? s->line_at[row + 1] : s->lines.len;
    out->offset = s->line_pos[row];
    out->value = slice_of(s->lines.ptr + s->line_at[row], end - s->line_at[row]);
    return 0;
}

static void wait_rows(struct stream_source *source, int64_t timeout_ms)
{
    source_wait_for(&self(source)->wait, timeout_ms);
}

static void wake(struct stream_source *source)
{
    source_wait_wake(&self(source)->wait);
}

static int position(struct stream_source *source, struct arena *arena, struct stream_position *out,
                    struct err *err)
{
    struct file_source *s = self(source);

    out->incarnation = "files";
    out->offsets = ARENA_ARRAY(arena, int64_t, AT_DONE + s->done_count);
    if (!out->offsets)
        return err_set(err, ERR_NOMEM, "place in `%s`", s->name);
    out->offsets[AT_FILE] = s->current ? hash_of(s->current) : s->resume_hash;
    out->offsets[AT_POS] = s->current ? s->pos : s->resume_pos;
    if (s->done_count)
        memcpy(out->offsets + AT_DONE, s->done, s->done_count * sizeof(*s->done));
    out->count = AT_DONE + s->done_count;
    return 0;
}

static int seek(struct stream_source *source, const struct stream_position *from, struct err *err)
{
    struct file_source *s = self(source);
    int rc = 0;

    close_file(s);
    s->done_count = s->next = s->list_count = 0;
    s->looked = s->ended = false;
    s->resume_hash = s->resume_pos = 0;
    if (!from || from->count < AT_DONE)
        return 0;
    s->resume_hash = from->offsets[AT_FILE];
    s->resume_pos = from->offsets[AT_POS];
    for (size_t i = AT_DONE; i < from->count && !rc; i++)
        rc = mark_done(s, from->offsets[i], err);
    return rc;
}

static int flush(struct stream_source *source, struct err *err)
{
    (void)source, (void)err;
    return 0;
}

static int64_t lag(struct stream_source *source)
{
    (void)source;
    return -1;
}

static const struct vec_columns *columns(struct stream_source *source)
{
    return &self(source)->columns;
}

static void source_free(struct stream_source *source)
{
    struct file_source *s = self(source);

    if (!s)
        return;
    close_file(s);
    vec_conn_free(s->conn);
    row_decoder_free(s->decoder);
    row_decoder_free(s->parts);
    vec_columns_free(&s->columns);
    source_wait_deinit(&s->wait);
    files_deinit(&s->files);
    arena_deinit(&s->arena);
    arena_deinit(&s->file_arena);
    buf_deinit(&s->window);
    buf_deinit(&s->part_text);
    buf_deinit(&s->part_value);
    buf_deinit(&s->lines);
    for (size_t i = 0; i < s->part_count; i++)
        free((char *)s->part_names[i]);
    free(s->part_names);
    free(s->line_at);
    free(s->line_pos);
    free(s->done);
    free(s->select);
    free(s->name);
    free(s);
}

static const struct stream_source_ops ops = {
    poll, origin, wait_rows, wake, position, seek, flush, lag, columns, source_free,
};

/* ---- the table ---- */

static bool is_part(const struct sql_table *table, const char *name)
{
    for (size_t i = 0; i < table->partition_key_count; i++)
        if (!strcmp(table->partition_keys[i], name))
            return true;
    return false;
}

static int make_decoders(struct file_source *s, const struct sql_table *table,
                         const struct table_format *format, struct err *err)
{
    struct json_field *fields = calloc(table->column_count + 1, sizeof(*fields));
    struct json_field *parts = calloc(table->column_count + 1, sizeof(*parts));
    struct row_decoder_options in = {.fields = fields,
                                     .options = {table_format_option, (void *)format},
                                     .ignore_parse_errors = s->ignore_parse_errors};
    struct row_decoder_options of_parts = {.fields = parts};
    idx_t at = 0;
    int rc = fields && parts ? 0 : err_set(err, ERR_NOMEM, "columns");

    for (size_t i = 0; i < table->column_count && !rc; i++) {
        const struct sql_column *column = &table->columns[i];
        struct json_field field = {
            .name = column->name, .column = at, .precision = table_second_digits(column->type)};

        if (column->kind == SQL_COLUMN_COMPUTED)
            continue;
        field.type = s->columns.list[at++].type;
        if (column->kind == SQL_COLUMN_METADATA)
            continue;
        rc = table_column_policy(table, column->name, &field.policy, err);
        if (is_part(table, column->name)) {
            parts[of_parts.field_count++] = field;
            s->part_names[s->part_count] = strdup(column->name);
            rc = s->part_names[s->part_count++] ? rc : err_set(err, ERR_NOMEM, "columns");
        } else {
            fields[in.field_count++] = field;
        }
    }
    if (!rc)
        rc = row_decoder_new(&s->decoder, s->is_avro ? "json" : format->name, &in, err);
    if (!rc && of_parts.field_count)
        rc = row_decoder_new(&s->parts, "json", &of_parts, err);
    free(fields);
    free(parts);
    return rc;
}

/* Of a partition column: what stands for its value in `select`. */
static int put_mark(struct file_source *s, const char *name, struct buf *text, struct err *err)
{
    char mark[3] = {PART_MARK, (char)(s->part_count + 1), '\0'};

    if (s->part_count >= PARTS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d partition columns", PARTS_MAX);
    s->part_names[s->part_count] = strdup(name);
    return s->part_names[s->part_count++] ? buf_append_str(text, mark) : ERR_NOMEM;
}

/* Parquet: the columns by name, cast; partition columns by their marks. */
static int make_select(struct file_source *s, const struct sql_table *table, struct err *err)
{
    struct buf text = {0};
    int rc = 0;

    for (size_t i = 0; i < table->column_count && !rc; i++) {
        const struct sql_column *column = &table->columns[i];

        if (column->kind == SQL_COLUMN_COMPUTED)
            continue;
        rc = buf_append_str(&text, text.len ? ", CAST(" : "CAST(");
        rc = rc                             ? rc
             : source_is_partition(column)  ? buf_append_str(&text, "0")
             : is_part(table, column->name) ? put_mark(s, column->name, &text, err)
                                            : lake_sql_name(&text, column->name);
        rc = rc ? rc : buf_append_str(&text, " AS ");
        rc = rc ? rc : sql_type_print_duckdb(column->type, &text);
        rc = rc ? rc : buf_append_str(&text, ") AS ");
        rc = rc ? rc : lake_sql_name(&text, column->name);
    }
    s->select = rc || !buf_cstr(&text) ? NULL : strdup(buf_cstr(&text));
    buf_deinit(&text);
    if (rc && err && err->code == rc)
        return rc;
    return s->select ? 0 : err_set(err, ERR_NOMEM, "table `%s`", table->name);
}

static int read_table(struct file_source *s, const struct source_request *r, struct err *err)
{
    const struct sql_table *table = r->table;
    struct table_format format = table_format_value(table, NULL);
    const char *interval = sql_option(table->options, "source.monitor-interval");
    int rc;

    if (!format.name)
        return err_set(err, ERR_INVALID, "'format' is missing: csv, json, raw, avro or parquet");
    if (strcmp(format.name, "parquet") != 0 &&
        (!row_format_known(format.name) || row_format_changes(format.name)))
        return err_set(err, ERR_UNSUPPORTED,
                       "format '%s' of files is not built: csv, json, raw, avro and parquet are",
                       format.name);
    if (interval && (s->monitor_ms = source_duration_ms(interval)) <= 0)
        return err_set(err, ERR_INVALID, "'source.monitor-interval' = '%s' is no time", interval);
    if (sql_option(table->options, "source.path.regex-pattern"))
        return err_set(err, ERR_UNSUPPORTED, "'source.path.regex-pattern' is not built yet");
    s->is_avro = !strcmp(format.name, "avro");
    s->ignore_parse_errors = table_format_true(&format, "ignore-parse-errors");
    s->part_names = calloc(table->column_count + 1, sizeof(*s->part_names));
    s->line_at = calloc(ROWS_MAX + ROWS_OF_MESSAGE_MAX, sizeof(*s->line_at));
    s->line_pos = calloc(ROWS_MAX + ROWS_OF_MESSAGE_MAX, sizeof(*s->line_pos));
    if (!s->part_names || !s->line_at || !s->line_pos)
        return err_set(err, ERR_NOMEM, "table `%s`", table->name);
    rc = source_columns(r, &s->columns, err);
    if (rc)
        return rc;
    if (strcmp(format.name, "parquet") != 0)
        return make_decoders(s, table, &format, err);
    rc = make_select(s, table, err);
    return rc ? rc : vec_conn_new(&s->conn, r->connector->db, err);
}

int file_source_new(const struct source_request *r, struct stream_source **out, struct err *err)
{
    struct file_source *s = calloc(1, sizeof(*s));
    int rc;

    if (!s || !(s->name = strdup(r->table->name))) {
        free(s);
        return err_set(err, ERR_NOMEM, "source `%s`", r->table->name);
    }
    s->source.ops = &ops;
    s->clock = r->connector->clock;
    s->window.max = s->lines.max = s->part_text.max = s->part_value.max = SIZE_MAX;
    source_wait_init(&s->wait);
    rc = files_init(&s->files, lake_store(r->connector->lake),
                    sql_option(r->table->options, "path"), err);
    if (!rc)
        rc = read_table(s, r, err);
    if (rc) {
        source_free(&s->source);
        return err_wrap(err, rc, "table `%s`", r->table->name);
    }
    *out = &s->source;
    return 0;
}
