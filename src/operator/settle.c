/* settle.c - the changes of a batch as their sum: each row as often as it is more or less there
 * behind the batch than before it. A row that came and went is not in it. */
#include "base/codec.h"
#include "operator/shards_int.h"

static int no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "changes of shards");
}

int settle_init(struct settle *settle, const struct vec_columns *columns, struct err *err)
{
    size_t count;

    settle->columns = columns;
    settle->kind_column = op_kind_column(columns);
    return settle->kind_column < 0 ? 0 : rows_codec(&settle->codec, columns, &count, err);
}

void settle_rest(struct settle *settle)
{
    for (size_t i = 0; i < settle->row_cap; i++)
        vec_rows_deinit(&settle->rows[i]);
    free(settle->rows);
    free(settle->list);
    free(settle->table);
    settle->rows = NULL;
    settle->list = NULL;
    settle->table = NULL;
    settle->row_cap = settle->cap = settle->table_cap = 0;
}

void settle_deinit(struct settle *settle)
{
    settle_rest(settle);
    vec_codec_free(settle->codec);
}

int shards_move(struct vec_batch *to, struct vec_batch *from, struct err *err)
{
    return vec_batch_move(to, from) ? no_memory(err) : 0;
}

static const uint8_t *kinds_of(const struct settle *s, duckdb_data_chunk chunk)
{
    return duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, (idx_t)s->kind_column));
}

static bool takes_back(uint8_t kind)
{
    return kind == OP_UPDATE_BEFORE || kind == OP_DELETE;
}

/* How many rows are taken back. */
static int64_t count_taken(const struct settle *s, const struct vec_batch *rows)
{
    int64_t taken = 0;

    for (size_t c = 0; c < rows->count; c++) {
        const uint8_t *kinds = kinds_of(s, rows->chunks[c]);

        for (idx_t i = 0; i < duckdb_data_chunk_get_size(rows->chunks[c]); i++)
            taken += takes_back(kinds[i]);
    }
    return taken;
}

static int make_room(struct settle *s, const struct vec_batch *rows, struct err *err)
{
    size_t wanted = 16;

    if (rows->count > s->row_cap) {
        struct vec_rows *more = realloc(s->rows, rows->count * sizeof(*more));

        if (!more)
            return no_memory(err);
        memset(more + s->row_cap, 0, (rows->count - s->row_cap) * sizeof(*more));
        s->rows = more;
        s->row_cap = rows->count;
    }
    if ((size_t)rows->rows > s->cap) {
        struct settled *more = realloc(s->list, (size_t)rows->rows * sizeof(*more));

        if (!more)
            return no_memory(err);
        s->list = more;
        s->cap = (size_t)rows->rows;
    }
    while (wanted < 2 * (size_t)rows->rows)
        wanted *= 2;
    if (wanted > s->table_cap) {
        free(s->table);
        s->table = malloc(wanted * sizeof(*s->table));
        s->table_cap = s->table ? wanted : 0;
        if (!s->table)
            return no_memory(err);
    }
    memset(s->table, 0, s->table_cap * sizeof(*s->table));
    s->count = 0;
    return 0;
}

static struct settled *find(struct settle *s, size_t chunk, idx_t row)
{
    struct slice bytes = vec_row(&s->rows[chunk], row);
    uint64_t hash = hash64(bytes.ptr, bytes.len, 0);
    size_t mask = s->table_cap - 1;

    for (size_t at = hash & mask;; at = (at + 1) & mask) {
        struct settled *known = s->table[at] ? &s->list[s->table[at] - 1] : NULL;

        if (!known) {
            s->list[s->count] = (struct settled){
                .hash = hash, .chunk = (uint32_t)chunk, .row = (uint32_t)row, .taken = OP_DELETE};
            s->table[at] = (uint32_t)++s->count;
            return &s->list[s->count - 1];
        }
        if (known->hash == hash && slice_eq(bytes, vec_row(&s->rows[known->chunk], known->row)))
            return known;
    }
}

static int sum_up(struct settle *s, const struct vec_batch *rows, struct err *err)
{
    int rc = make_room(s, rows, err);

    for (size_t c = 0; c < rows->count && !rc; c++) {
        const uint8_t *kinds = kinds_of(s, rows->chunks[c]);

        rc = vec_rows_encode(s->codec, rows->chunks[c], &s->rows[c], err);
        for (idx_t i = 0; !rc && i < s->rows[c].count; i++) {
            struct settled *row = find(s, c, i);

            if (takes_back(kinds[i])) {
                row->times--;
                row->taken = kinds[i];
            } else {
                row->times++;
                row->given = kinds[i];
            }
        }
    }
    return rc;
}

/* Rows gathered for a chunk. */
struct gathering {
    const struct settle *settle;
    const struct vec_batch *from;
    struct vec_batch *to;
    duckdb_selection_vector sel;
    uint8_t *kinds;
    uint32_t chunk; /* that the rows are of */
    idx_t count;
};

static int flush(struct gathering *g, struct err *err)
{
    duckdb_data_chunk from = g->from->chunks[g->chunk], to;
    idx_t columns = g->settle->columns->count;

    if (!g->count)
        return 0;
    to = vec_chunk_new(g->settle->columns);
    if (!to || vec_batch_add(g->to, to)) {
        duckdb_destroy_data_chunk(&to);
        return no_memory(err);
    }
    for (idx_t c = 0; c + 1 < columns; c++)
        duckdb_vector_copy_sel(duckdb_data_chunk_get_vector(from, c),
                               duckdb_data_chunk_get_vector(to, c), g->sel, g->count, 0, 0);
    memcpy(duckdb_vector_get_data(duckdb_data_chunk_get_vector(to, columns - 1)), g->kinds,
           g->count);
    duckdb_data_chunk_set_size(to, g->count);
    g->to->rows += (int64_t)g->count;
    g->count = 0;
    return 0;
}

static int gather(struct gathering *g, const struct settled *row, int64_t times, uint8_t kind,
                  struct err *err)
{
    sel_t *rows = duckdb_selection_vector_get_data_ptr(g->sel);
    int rc = 0;

    for (; times && !rc; times--) {
        if (g->count == vec_chunk_rows() || row->chunk != g->chunk)
            rc = flush(g, err);
        g->chunk = row->chunk;
        rows[g->count] = (sel_t)row->row;
        g->kinds[g->count++] = kind;
    }
    return rc;
}

static int gather_all(struct gathering *g, struct vec_batch *to, int sign, struct err *err)
{
    const struct settle *s = g->settle;
    int rc = 0;

    g->to = to;
    for (size_t i = 0; i < s->count && !rc; i++)
        if (s->list[i].times * sign > 0)
            rc = gather(g, &s->list[i], s->list[i].times * sign,
                        sign < 0 ? s->list[i].taken : s->list[i].given, err);
    return rc ? rc : flush(g, err);
}

int settle_rows(struct settle *s, struct vec_batch *rows, struct vec_batch *taken,
                struct vec_batch *given, struct err *err)
{
    struct gathering g = {.settle = s, .from = rows};
    int64_t back = s->kind_column < 0 ? 0 : count_taken(s, rows);
    int rc;

    if (!back || back == rows->rows)
        return shards_move(back ? taken : given, rows, err);
    rc = sum_up(s, rows, err);
    if (rc)
        return rc;
    g.sel = duckdb_create_selection_vector(vec_chunk_rows());
    g.kinds = malloc(vec_chunk_rows());
    rc = g.sel && g.kinds ? gather_all(&g, taken, -1, err) : no_memory(err);
    if (!rc)
        rc = gather_all(&g, given, 1, err);
    if (g.sel)
        duckdb_destroy_selection_vector(g.sel);
    free(g.kinds);
    vec_batch_clear(rows);
    return rc;
}
