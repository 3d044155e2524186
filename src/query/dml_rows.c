/* dml_rows.c - the rows of a changing statement: addresses are gathered, values written. */
#include <stdlib.h>

#include "query/dml.h"

int dml_nomem(struct err *err)
{
    return err_set(err, ERR_NOMEM, "rows of a statement");
}

/* ---- rows that go ---------------------------------------------------------------------------- */

static int note(struct dml *d, int64_t file, int64_t pos, bool goes, struct err *err)
{
    struct dml_file *f;

    if (file < 0 || (size_t)file >= d->scan->plan.file_count)
        return err_set(err, ERR_INTERNAL, "a row of file %" PRId64 " of %zu", file,
                       d->scan->plan.file_count);
    f = &d->files[file];
    if (f->count == f->cap) {
        size_t cap = f->cap ? f->cap * 2 : 64;
        int64_t *more = realloc(f->list, cap * sizeof(*more));

        if (!more)
            return dml_nomem(err);
        f->list = more;
        f->cap = cap;
    }
    f->list[f->count++] = pos * 2 + goes;
    return 0;
}

static int by_position(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static bool sorted(const struct dml_file *f)
{
    for (size_t i = 1; i < f->count; i++)
        if (f->list[i] <= f->list[i - 1])
            return false;
    return true;
}

/* In place: positions of rows that go, without their marks. */
static int settle(struct dml *d, struct dml_file *f, struct err *err)
{
    size_t kept = 0;

    if (!sorted(f)) /* one thread reads a file from its start: most are */
        qsort(f->list, f->count, sizeof(*f->list), by_position);
    for (size_t i = 1; i < f->count; i++)
        if (f->list[i] >> 1 == f->list[i - 1] >> 1)
            return err_set(err, ERR_INVALID,
                           "line %u, column %u: a row of `%s` matches more than one row of the "
                           "source: make the condition of ON narrower",
                           d->st->pos.line, d->st->pos.column, d->change.target->name);
    for (size_t i = 0; i < f->count; i++)
        if (f->list[i] & 1)
            f->list[kept++] = f->list[i] >> 1;
    f->count = kept;
    return 0;
}

int dml_positions(struct dml *d, struct err *err)
{
    size_t count = d->scan ? d->scan->plan.file_count : 0;
    int rc = 0;

    d->row_deletes = ARENA_ARRAY(&d->plan.arena, struct lake_row_delete, count + 1);
    if (!d->row_deletes)
        return dml_nomem(err);
    for (size_t i = 0; i < count && !rc; i++) {
        const struct lake_entry *e = &d->scan->plan.files[i].entry;
        struct dml_file *f = &d->files[i];

        rc = settle(d, f, err);
        if (!rc && f->count)
            d->row_deletes[d->row_delete_count++] = (struct lake_row_delete){
                e->file.path, e->file.spec_id, e->sequence_number, e->file_sequence_number,
                f->list,      f->count};
    }
    return rc;
}

/* ---- rows that are written ------------------------------------------------------------------- */

/* All but the first `from` columns. */
static int copy_columns(struct vec_columns *out, const struct vec_columns *columns, size_t from)
{
    struct vec_columns rest = {columns->list + from, columns->count - from};

    return vec_columns_copy(out, &rest);
}

int dml_writer(struct dml *d, const struct vec_columns *columns, size_t from, struct err *err)
{
    struct lake_writer_options o = {.lake = d->q->options.lake,
                                    .db = d->q->options.db,
                                    .metadata = d->handle->metadata,
                                    .columns = &d->columns,
                                    .sorted = d->sorted};

    if (copy_columns(&d->columns, columns, from))
        return dml_nomem(err);
    for (size_t i = from; i < columns->count; i++)
        o.lineage |= d->change.scanned && !strcmp(columns->list[i].name, "_row_id");
    return lake_writer_new(&d->writer, &o, err);
}

int dml_write(struct dml *d, duckdb_data_chunk chunk, size_t from, const sel_t *rows, idx_t count,
              struct err *err)
{
    duckdb_data_chunk copy = vec_chunk_new(&d->columns);
    duckdb_selection_vector sel = duckdb_create_selection_vector(count);
    struct vec_batch batch = {0};
    int rc = copy && sel ? 0 : dml_nomem(err);

    if (!rc) {
        memcpy(duckdb_selection_vector_get_data_ptr(sel), rows, count * sizeof(*rows));
        for (idx_t i = 0; i < d->columns.count; i++)
            duckdb_vector_copy_sel(duckdb_data_chunk_get_vector(chunk, from + i),
                                   duckdb_data_chunk_get_vector(copy, i), sel, count, 0, 0);
        duckdb_data_chunk_set_size(copy, count);
        if (vec_batch_add(&batch, copy))
            rc = dml_nomem(err);
        else
            copy = NULL;
        batch.rows = (int64_t)count;
    }
    rc = rc ? rc : lake_writer_write(d->writer, &batch, err);
    vec_batch_deinit(&batch);
    if (copy)
        duckdb_destroy_data_chunk(&copy);
    if (sel)
        duckdb_destroy_selection_vector(sel);
    return rc;
}

/* ---- the query's result ---------------------------------------------------------------------- */

static bool is_null(duckdb_vector vector, idx_t row)
{
    uint64_t *valid = duckdb_vector_get_validity(vector);

    return valid && !duckdb_validity_row_is_valid(valid, row);
}

/* What is to be done with a row: told by the statement, or by the row itself. */
static enum sql_change_action action_of(const struct dml *d, duckdb_data_chunk chunk, idx_t row)
{
    switch (d->st->kind) {
    case SQL_STMT_INSERT:
        return SQL_CHANGE_INSERT;
    case SQL_STMT_UPDATE:
        return SQL_CHANGE_UPDATE;
    case SQL_STMT_MERGE:
        return (enum sql_change_action)(
            (int32_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 2)))[row];
    default:
        return SQL_CHANGE_DELETE;
    }
}

static int take_chunk(struct dml *d, duckdb_data_chunk chunk, sel_t *written, struct err *err)
{
    idx_t rows = duckdb_data_chunk_get_size(chunk), count = 0;
    int64_t *const counts[] = {NULL, &d->updated, &d->deleted, &d->inserted};
    int rc = 0;

    for (idx_t row = 0; row < rows && !rc; row++) {
        enum sql_change_action action = action_of(d, chunk, row);

        if (action != SQL_CHANGE_NONE)
            ++*counts[action];
        if (action == SQL_CHANGE_UPDATE || action == SQL_CHANGE_INSERT)
            written[count++] = (sel_t)row;
        if (action != SQL_CHANGE_INSERT) {
            duckdb_vector file = duckdb_data_chunk_get_vector(chunk, 0);
            duckdb_vector pos = duckdb_data_chunk_get_vector(chunk, 1);

            if (is_null(file, row) || is_null(pos, row))
                return err_set(err, ERR_INTERNAL, "a row without address");
            rc =
                note(d, ((int64_t *)duckdb_vector_get_data(file))[row],
                     ((int64_t *)duckdb_vector_get_data(pos))[row], action != SQL_CHANGE_NONE, err);
        }
    }
    return rc || !count ? rc : dml_write(d, chunk, d->change.first_value, written, count, err);
}

/* Rows that are written come in the table's sort order, if it has one. */
static int sort_rows(struct dml *d, struct err *err)
{
    const struct lake_metadata *m = d->handle->metadata;
    struct buf sql = {0};
    int rc;

    d->sorted = d->st->kind != SQL_STMT_DELETE && lake_sort_usable(m);
    if (!d->sorted)
        return 0;
    rc = buf_append_str(&sql, "SELECT * FROM (");
    rc = rc ? rc : buf_append_slice(&sql, buf_slice(&d->plan.sql));
    rc = rc ? rc : buf_append_str(&sql, ") AS tarn_rows");
    rc = rc ? dml_nomem(err) : lake_sort_sql(m, &sql, err);
    buf_deinit(&d->plan.sql);
    d->plan.sql = sql;
    return rc || buf_cstr(&d->plan.sql) ? rc : dml_nomem(err);
}

int dml_rows(struct dml *d, struct err *err)
{
    sel_t *written = calloc(vec_chunk_rows(), sizeof(*written));
    struct vec_result *result = NULL;
    duckdb_data_chunk chunk;
    int rc = written && buf_cstr(&d->plan.sql) ? 0 : dml_nomem(err);

    d->files = d->scan ? calloc(d->scan->plan.file_count + 1, sizeof(*d->files)) : NULL;
    if (!rc && d->scan && !d->files)
        rc = dml_nomem(err);
    rc = rc ? rc : sort_rows(d, err);
    rc = rc ? rc : vec_query(d->q->conn, buf_cstr(&d->plan.sql), &result, err);
    if (!rc && d->st->kind != SQL_STMT_DELETE && d->st->kind != SQL_STMT_TRUNCATE)
        rc = dml_writer(d, vec_result_columns(result), d->change.first_value, err);
    while (!rc) {
        rc = vec_result_next(result, &chunk, err);
        if (rc || !chunk)
            break;
        rc = take_chunk(d, chunk, written, err);
        if (!rc && atomic_load(&d->q->cancelled))
            rc = err_set(err, ERR_CANCELLED, "cancelled");
    }
    vec_result_free(result);
    free(written);
    return rc;
}
