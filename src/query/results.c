/* results.c - rows in three formats: an aligned table, CSV (RFC 4180), one JSON object a line.
 *
 * The table's widths come from the first SAMPLE_ROWS rows, which wait until then; later rows are
 * printed as they come, so a result of any size passes in little memory.
 */
#include <stdio.h>

#include "base/json.h"
#include "format/json.h"
#include "query/query_int.h"

#define SAMPLE_ROWS 500
#define FLUSH_BYTES ((size_t)32 << 10)
#define WIDTH_MIN   6 /* a column is never cut below this */

struct cell {
    const char *text; /* in the arena of the sample */
    size_t len;       /* bytes */
};

struct results {
    const struct query_out *to;
    const struct cell_column *columns;
    size_t count;
    size_t *widths; /* characters */
    struct cell *sample;
    size_t sample_rows;
    bool flowing; /* widths are fixed, rows go straight out */
    int64_t rows;
    struct arena arena;
    struct buf text, cell;
};

static size_t characters(const char *text, size_t len)
{
    size_t count = 0;

    for (size_t i = 0; i < len; i++)
        count += (text[i] & 0xc0) != 0x80;
    return count;
}

static int send_out(struct results *r, bool all, struct err *err)
{
    int rc;

    if (!all && r->text.len < FLUSH_BYTES)
        return 0;
    if (!r->text.len)
        return 0;
    rc = r->to->write(r->to->arg, buf_slice(&r->text));
    buf_clear(&r->text);
    return rc ? err_set(err, rc, "the reader went away") : 0;
}

int results_new(struct results **out, const struct query_out *to, const struct cell_column *columns,
                size_t count, struct err *err)
{
    struct results *r = calloc(1, sizeof(*r));

    if (!r)
        return err_set(err, ERR_NOMEM, "result");
    r->to = to;
    r->columns = columns;
    r->count = count;
    r->widths = calloc(count ? count : 1, sizeof(*r->widths));
    r->sample = calloc(count * SAMPLE_ROWS + 1, sizeof(*r->sample));
    if (!r->widths || !r->sample) {
        results_free(r);
        return err_set(err, ERR_NOMEM, "result");
    }
    *out = r;
    return 0;
}

void results_free(struct results *r)
{
    if (!r)
        return;
    arena_deinit(&r->arena);
    buf_deinit(&r->text);
    buf_deinit(&r->cell);
    free(r->widths);
    free(r->sample);
    free(r);
}

/* ---- the aligned table ---- */

static int rule(struct results *r)
{
    int rc = 0;

    for (size_t c = 0; c < r->count && !rc; c++) {
        rc = buf_append_str(&r->text, c ? "-+-" : "+-");
        for (size_t i = 0; i < r->widths[c] && !rc; i++)
            rc = buf_append_u8(&r->text, '-');
    }
    return rc ? rc : buf_append_str(&r->text, "-+\n");
}

/* Pads or cuts to the column's width; line breaks and tabs would break the frame. */
static int framed(struct results *r, size_t column, const char *text, size_t len, bool right)
{
    size_t width = r->widths[column], have = characters(text, len), shown = have, bytes = len;
    int rc = buf_append_str(&r->text, column ? " | " : "| ");

    if (have > width && r->to->width) {
        for (bytes = shown = 0; shown + 1 < width; shown++)
            for (bytes++; bytes < len && (text[bytes] & 0xc0) == 0x80; bytes++)
                ;
    }
    for (size_t i = shown + (bytes < len); right && i < width && !rc; i++)
        rc = buf_append_u8(&r->text, ' ');
    for (size_t i = 0; i < bytes && !rc; i++)
        rc = buf_append_u8(&r->text, (uint8_t)text[i] < ' ' ? ' ' : (uint8_t)text[i]);
    if (bytes < len && !rc)
        rc = buf_append_str(&r->text, "\u2026");
    for (size_t i = shown + (bytes < len); !right && i < width && !rc; i++)
        rc = buf_append_u8(&r->text, ' ');
    return rc;
}

static int table_line(struct results *r, const struct cell *cells)
{
    int rc = 0;

    for (size_t c = 0; c < r->count && !rc; c++)
        rc = framed(r, c, cells[c].text, cells[c].len, cell_is_number(r->columns[c].type));
    return rc ? rc : buf_append_str(&r->text, " |\n");
}

/* Takes width from the widest columns until the frame fits the terminal. */
static void fit(struct results *r)
{
    size_t frame = 3 * r->count + 1, sum = 0;

    for (size_t c = 0; c < r->count; c++)
        sum += r->widths[c];
    while (r->to->width && sum + frame > (size_t)r->to->width) {
        size_t widest = 0;

        for (size_t c = 1; c < r->count; c++)
            if (r->widths[c] > r->widths[widest])
                widest = c;
        if (r->widths[widest] <= WIDTH_MIN)
            break;
        r->widths[widest]--;
        sum--;
    }
}

/* Fixes the widths and lets the sample go. */
static int start_flowing(struct results *r)
{
    int rc;

    r->flowing = true;
    for (size_t c = 0; c < r->count; c++) {
        r->widths[c] = characters(r->columns[c].name, strlen(r->columns[c].name));
        for (size_t i = 0; i < r->sample_rows; i++) {
            const struct cell *cell = &r->sample[i * r->count + c];
            size_t width = characters(cell->text, cell->len);

            if (width > r->widths[c])
                r->widths[c] = width;
        }
    }
    fit(r);
    rc = rule(r);
    for (size_t c = 0; c < r->count && !rc; c++)
        rc = framed(r, c, r->columns[c].name, strlen(r->columns[c].name),
                    cell_is_number(r->columns[c].type));
    if (!rc)
        rc = buf_append_str(&r->text, " |\n");
    if (!rc)
        rc = rule(r);
    for (size_t i = 0; i < r->sample_rows && !rc; i++)
        rc = table_line(r, &r->sample[i * r->count]);
    arena_reset(&r->arena);
    return rc;
}

static int table_row(struct results *r, const struct cell *cells)
{
    if (r->flowing)
        return table_line(r, cells);
    for (size_t c = 0; c < r->count; c++) {
        struct cell *kept = &r->sample[r->sample_rows * r->count + c];

        kept->text = arena_cstr(&r->arena, slice_of(cells[c].text, cells[c].len));
        kept->len = cells[c].len;
        if (!kept->text)
            return ERR_NOMEM;
    }
    return ++r->sample_rows == SAMPLE_ROWS ? start_flowing(r) : 0;
}

/* ---- CSV and JSON ---- */

static int csv_cell(struct results *r, size_t column, const char *text, size_t len, bool null)
{
    bool quoted = !null && (len == 0 || memchr(text, ',', len) || memchr(text, '"', len) ||
                            memchr(text, '\n', len) || memchr(text, '\r', len));
    int rc = column ? buf_append_u8(&r->text, ',') : 0;

    if (null || !quoted)
        return rc || null ? rc : buf_append(&r->text, text, len);
    if (!rc)
        rc = buf_append_u8(&r->text, '"');
    for (size_t i = 0; i < len && !rc; i++) {
        if (text[i] == '"')
            rc = buf_append_u8(&r->text, '"');
        if (!rc)
            rc = buf_append_u8(&r->text, (uint8_t)text[i]);
    }
    return rc ? rc : buf_append_u8(&r->text, '"');
}

static int csv_header(struct results *r)
{
    int rc = 0;

    r->flowing = true;
    for (size_t c = 0; c < r->count && !rc; c++)
        rc = csv_cell(r, c, r->columns[c].name, strlen(r->columns[c].name), false);
    return rc ? rc : buf_append_u8(&r->text, '\n');
}

static int json_name(struct results *r, size_t column)
{
    int rc = buf_append_str(&r->text, column ? "," : "{");

    if (!rc)
        rc = json_quote(&r->text, slice_str(r->columns[column].name));
    return rc ? rc : buf_append_u8(&r->text, ':');
}

static int json_row(struct results *r, duckdb_data_chunk chunk, idx_t row, struct err *err)
{
    static const struct json_encode_options options = {0};
    int rc = 0;

    for (size_t c = 0; c < r->count && !rc; c++) {
        duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, c);
        duckdb_logical_type type = duckdb_vector_get_column_type(vector);

        rc = json_name(r, c);
        if (!rc)
            rc = json_encode_value(type, vector, row, &options, &r->text, err);
        duckdb_destroy_logical_type(&type);
    }
    return rc ? rc : buf_append_str(&r->text, "}\n");
}

/* ---- rows ---- */

static int text_row(struct results *r, const struct cell *cells, const bool *nulls)
{
    int rc = 0;

    if (r->to->format == QUERY_TABLE)
        return table_row(r, cells);
    if (!r->flowing)
        rc = csv_header(r);
    for (size_t c = 0; c < r->count && !rc; c++)
        rc = csv_cell(r, c, cells[c].text, cells[c].len, nulls[c]);
    return rc ? rc : buf_append_u8(&r->text, '\n');
}

static int chunk_row(struct results *r, duckdb_data_chunk chunk, idx_t row, struct cell *cells,
                     bool *nulls, size_t *starts)
{
    bool table = r->to->format == QUERY_TABLE;
    int rc = 0;

    buf_clear(&r->cell);
    for (size_t c = 0; c < r->count && !rc; c++) {
        duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, c);

        starts[c] = r->cell.len;
        nulls[c] = cell_is_null(vector, row);
        if (!nulls[c])
            rc = cell_print(r->columns[c].type, vector, row, &r->cell);
        else if (table)
            rc = buf_append_str(&r->cell, "<NULL>");
        cells[c].len = r->cell.len - starts[c];
    }
    for (size_t c = 0; c < r->count && !rc; c++)
        cells[c].text = r->cell.ptr ? (const char *)r->cell.ptr + starts[c] : "";
    return rc ? rc : text_row(r, cells, nulls);
}

int results_chunk(struct results *r, duckdb_data_chunk chunk, struct err *err)
{
    idx_t rows = duckdb_data_chunk_get_size(chunk);
    struct cell *cells = calloc(r->count + 1, sizeof(*cells));
    bool *nulls = calloc(r->count + 1, sizeof(*nulls));
    size_t *starts = calloc(r->count + 1, sizeof(*starts));
    int rc = cells && nulls && starts ? 0 : ERR_NOMEM;

    for (idx_t row = 0; row < rows && !rc; row++) {
        rc = r->to->format == QUERY_JSON ? json_row(r, chunk, row, err)
                                         : chunk_row(r, chunk, row, cells, nulls, starts);
        r->rows++;
        if (!rc)
            rc = send_out(r, false, err);
    }
    free(cells);
    free(nulls);
    free(starts);
    if (rc == ERR_NOMEM)
        err_set(err, rc, "result");
    return rc;
}

int results_row(struct results *r, const char *const *texts, struct err *err)
{
    struct cell *cells = calloc(r->count + 1, sizeof(*cells));
    bool *nulls = calloc(r->count + 1, sizeof(*nulls));
    int rc = cells && nulls ? 0 : ERR_NOMEM;

    for (size_t c = 0; c < r->count && !rc; c++) {
        nulls[c] = !texts[c];
        cells[c].text = texts[c] ? texts[c] : r->to->format == QUERY_TABLE ? "<NULL>" : "";
        cells[c].len = strlen(cells[c].text);
        if (r->to->format != QUERY_JSON)
            continue;
        rc = json_name(r, c);
        if (!rc)
            rc = texts[c] ? json_quote(&r->text, slice_str(texts[c]))
                          : buf_append_str(&r->text, "null");
    }
    if (!rc)
        rc = r->to->format == QUERY_JSON ? buf_append_str(&r->text, "}\n")
                                         : text_row(r, cells, nulls);
    r->rows++;
    free(cells);
    free(nulls);
    return rc ? err_set(err, rc, "result") : send_out(r, false, err);
}

int results_end(struct results *r, struct err *err)
{
    int rc = 0;

    if (r->to->format == QUERY_TABLE && r->rows == 0) {
        rc = buf_append_str(&r->text, "Empty set\n");
    } else if (r->to->format == QUERY_TABLE) {
        if (!r->flowing)
            rc = start_flowing(r);
        if (!rc)
            rc = rule(r);
        if (!rc)
            rc = buf_printf(&r->text, "%" PRId64 " row%s in set\n", r->rows,
                            r->rows == 1 ? "" : "s");
    } else if (r->to->format == QUERY_CSV && !r->flowing) {
        rc = csv_header(r);
    }
    return rc ? err_set(err, rc, "result") : send_out(r, true, err);
}

int results_text(const struct query_out *to, const char *title, const char *text, struct err *err)
{
    const struct cell_column column = {title, &sql_type_string};
    struct results *results = NULL;
    int rc = results_new(&results, to, &column, 1, err);

    if (!rc)
        rc = results_row(results, &text, err);
    if (!rc)
        rc = results_end(results, err);
    results_free(results);
    return rc;
}

int results_ok(const struct query_out *to, const char *text, struct err *err)
{
    struct buf line = {0};
    int rc = to->format == QUERY_TABLE ? buf_printf(&line, "[INFO] %s\n", text) : 0;

    if (!rc && line.len)
        rc = to->write(to->arg, buf_slice(&line));
    buf_deinit(&line);
    return rc ? err_set(err, rc, "the reader went away") : 0;
}

int results_counts(const struct query_out *to, const struct results_count *counts, size_t count,
                   const char *text, struct err *err)
{
    bool json = to->format == QUERY_JSON;
    struct buf line = {0};
    int rc = 0;

    if (to->format == QUERY_TABLE)
        return results_ok(to, text, err);
    for (size_t i = 0; i < count && !rc; i++)
        rc = json ? buf_printf(&line, "%s\"%s\":%" PRId64, i ? "," : "{", counts[i].name,
                               counts[i].rows)
                  : buf_printf(&line, "%s%s", i ? "," : "", counts[i].name);
    rc = rc ? rc : buf_append_str(&line, json ? "}\n" : "\n");
    for (size_t i = 0; i < count && !json && !rc; i++)
        rc = buf_printf(&line, "%s%" PRId64 "%s", i ? "," : "", counts[i].rows,
                        i + 1 == count ? "\n" : "");
    rc = rc ? rc : to->write(to->arg, buf_slice(&line));
    buf_deinit(&line);
    return rc ? err_set(err, rc, "the reader went away") : 0;
}
