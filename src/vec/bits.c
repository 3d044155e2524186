/* bits.c - rows of files that SQL leaves out: tarn_kept(SET, file, row).
 *
 * How deleted rows leave a scan: a look at a bit costs a few nanoseconds, where an anti join hashes
 * every row of the file. One set is about all files of a read_parquet, by their place in its list
 * (its column file_index), so that one scan reads them all: a SELECT of its own for each file, as
 * it once was, makes a pipeline for each, and every aggregate above it a table for each. A set
 * belongs to its instance and lives until vec_bits_free; a statement that names a set that is gone
 * fails.
 */
#include "vec/vec_int.h"

struct rows {
    uint64_t *words; /* NULL: all rows are kept */
    int64_t count;
};
struct vec_bits {
    struct vec_db *db;
    uint64_t number;
    struct rows *files;
    size_t file_count;
    struct vec_bits *next;
};

static const struct vec_bits *find(struct vec_db *db, uint64_t number)
{
    struct vec_bits *bits;

    pthread_mutex_lock(&db->lock);
    for (bits = db->bits; bits && bits->number != number; bits = bits->next)
        ;
    pthread_mutex_unlock(&db->lock);
    return bits;
}

static bool is_kept(const struct rows *r, int64_t row)
{
    return row < 0 || row >= r->count || !(r->words[row >> 6] >> (row & 63) & 1);
}

/* Up to where from `at` rows are of the same set and file as the first one, and whether they are
 * one after the other: so a scan gives them, as long as nothing below took some away. */
static idx_t same_file(const int64_t *sets, const uint64_t *files, const int64_t *rows, idx_t at,
                       idx_t count, bool *in_a_row)
{
    uint64_t first = (uint64_t)rows[at] - at, astray = 0;
    idx_t end = at;

    for (; end < count && files[end] == files[at] && sets[end] == sets[at]; end++)
        astray |= (uint64_t)rows[end] - end - first;
    *in_a_row = !astray;
    return end;
}

/* Eight rows at a time: the bits from `row` on, each as a byte that is 1 for a row that is kept.
 * All of them are of the set. Returns how many were told. */
static idx_t tell_eights(const struct rows *r, int64_t row, idx_t count, bool *out)
{
    static const uint64_t ones = 0x0101010101010101u, diagonal = 0x8040201008040201u;
    idx_t told = 0;

    for (; told + 8 <= count; told += 8, row += 8) {
        unsigned shift = (unsigned)row & 63;
        uint64_t bits = r->words[row >> 6] >> shift, bytes;

        if (shift > 56)
            bits |= r->words[(row >> 6) + 1] << (64 - shift);
        bytes = (bits & 0xff) * ones & diagonal;   /* byte i has bit i alone, or is 0 */
        bytes = (bytes + 0x7f * ones) >> 7 & ones; /* any bit becomes 1 */
        bytes ^= ones;
        memcpy(out + told, &bytes, sizeof(bytes));
    }
    return told;
}

static void run(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    struct vec_db *db = duckdb_scalar_function_get_extra_info(info);
    const int64_t *sets = duckdb_vector_get_data(duckdb_data_chunk_get_vector(input, 0));
    const uint64_t *files = duckdb_vector_get_data(duckdb_data_chunk_get_vector(input, 1));
    const int64_t *rows = duckdb_vector_get_data(duckdb_data_chunk_get_vector(input, 2));
    idx_t count = duckdb_data_chunk_get_size(input), end;
    bool *out = duckdb_vector_get_data(output), in_a_row;
    const struct vec_bits *bits = count ? find(db, (uint64_t)sets[0]) : NULL;

    for (idx_t i = 0; i < count; i = end) { /* mostly once: a chunk is of one file */
        const struct rows *of;

        if (!bits || bits->number != (uint64_t)sets[i] || files[i] >= bits->file_count) {
            duckdb_scalar_function_set_error(info, "no such set of rows");
            return;
        }
        of = &bits->files[files[i]];
        end = same_file(sets, files, rows, i, count, &in_a_row);
        if (!of->words) {
            memset(out + i, true, end - i);
            continue;
        }
        if (in_a_row && rows[i] >= 0 && rows[end - 1] < of->count)
            i += tell_eights(of, rows[i], end - i, out + i);
        for (; i < end; i++)
            out[i] = is_kept(of, rows[i]);
    }
}

int vec_bits_register(struct vec_conn *conn, struct err *err)
{
    duckdb_scalar_function function = duckdb_create_scalar_function();
    duckdb_logical_type number = duckdb_create_logical_type(DUCKDB_TYPE_BIGINT);
    duckdb_logical_type file = duckdb_create_logical_type(DUCKDB_TYPE_UBIGINT);
    duckdb_logical_type yes = duckdb_create_logical_type(DUCKDB_TYPE_BOOLEAN);
    int rc = function && number && file && yes ? 0 : err_set(err, ERR_NOMEM, "tarn_kept");

    if (!rc) {
        duckdb_scalar_function_set_name(function, "tarn_kept");
        duckdb_scalar_function_add_parameter(function, number);
        duckdb_scalar_function_add_parameter(function, file);
        duckdb_scalar_function_add_parameter(function, number);
        duckdb_scalar_function_set_return_type(function, yes);
        duckdb_scalar_function_set_extra_info(function, conn->db, NULL);
        duckdb_scalar_function_set_function(function, run);
        /* A set may go and its number never comes again, but no answer is to be kept. */
        duckdb_scalar_function_set_volatile(function);
        if (duckdb_register_scalar_function(conn->raw, function) != DuckDBSuccess)
            rc = err_set(err, ERR_INTERNAL, "DuckDB refuses the function tarn_kept");
    }
    duckdb_destroy_logical_type(&number);
    duckdb_destroy_logical_type(&file);
    duckdb_destroy_logical_type(&yes);
    duckdb_destroy_scalar_function(&function);
    return rc;
}

int vec_bits_new(struct vec_bits **out, struct vec_conn *conn, size_t file_count, struct err *err)
{
    struct vec_bits *bits = calloc(1, sizeof(*bits));
    struct vec_db *db = conn->db;

    if (bits)
        bits->files = calloc(file_count + 1, sizeof(*bits->files));
    if (!bits || !bits->files) {
        free(bits);
        return err_set(err, ERR_NOMEM, "a set of rows");
    }
    bits->db = db;
    bits->file_count = file_count;
    pthread_mutex_lock(&db->lock);
    bits->number = ++db->last_number;
    bits->next = db->bits;
    db->bits = bits;
    pthread_mutex_unlock(&db->lock);
    *out = bits;
    return 0;
}

int vec_bits_set(struct vec_bits *bits, size_t file, const int64_t *rows, size_t count,
                 int64_t row_count, struct err *err)
{
    struct rows *of = &bits->files[file];

    assert(file < bits->file_count && !of->words);
    of->words = calloc((size_t)(row_count / 64) + 1, sizeof(*of->words));
    if (!of->words)
        return err_set(err, ERR_NOMEM, "a set of rows");
    of->count = row_count;
    for (size_t i = 0; i < count; i++)
        if (rows[i] >= 0 && rows[i] < row_count)
            of->words[rows[i] >> 6] |= 1ull << (rows[i] & 63);
    return 0;
}

uint64_t vec_bits_number(const struct vec_bits *bits)
{
    return bits->number;
}

void vec_bits_free(struct vec_bits *bits)
{
    struct vec_bits **at;

    if (!bits)
        return;
    pthread_mutex_lock(&bits->db->lock);
    for (at = &bits->db->bits; *at != bits; at = &(*at)->next)
        ;
    *at = bits->next;
    pthread_mutex_unlock(&bits->db->lock);
    for (size_t i = 0; i < bits->file_count; i++)
        free(bits->files[i].words);
    free(bits->files);
    free(bits);
}
