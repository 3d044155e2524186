/* upsert_drain.c - a feed of changes becomes the last row of each key, written once. See upsert.h.
 *
 * Chunks are kept as they come, by reference. A table from keys to (chunk, row) says which row is
 * the key's last; each chunk has a bit per row that is one, and goes as soon as it has none left.
 * At the end the rows that are left are written in the order they came in, by selections of the
 * chunks: no row is copied for an unpartitioned table. */
#include "lake/upsert_int.h"

enum row_kind { ROW_INSERT, ROW_UPDATE_BEFORE, ROW_UPDATE_AFTER, ROW_DELETE, ROW_KINDS };

struct held {
    duckdb_data_chunk chunk; /* NULL: all its rows were superseded */
    uint64_t *last;          /* a bit per row */
    uint32_t count;          /* of bits */
};
struct epoch {
    struct lake_upsert *u;
    struct lake_metadata *m;
    struct key_columns key;
    struct vec_columns columns;    /* the table's */
    struct vec_conn *conn;         /* of the fragment; NULL: none */
    struct vec_fragment *fragment; /* the feed's columns to the table's; NULL: the same already */
    const struct vec_feed *feed;
    bool changes; /* the last column is the row's kind */
    struct held *held;
    size_t count, cap;
    struct lake_upsert_cut *cut;
    struct key_hash *hashes; /* of the chunk at hand */
    /* While rows are written. */
    size_t at;
    uint32_t row;
    duckdb_selection_vector sel;
    duckdb_data_chunk lent; /* its vectors are referred to until the next pull */
};

static int nomem(struct err *err)
{
    return err_set(err, ERR_NOMEM, "changes of a table");
}

bool lake_upsert_changes(const struct vec_columns *columns)
{
    return columns->count && !strcmp(columns->list[columns->count - 1].name, LAKE_ROW_KIND);
}

/* ---- what comes in ---- */

static bool same_columns(const struct epoch *e)
{
    struct vec_columns input = *e->feed->columns;

    input.count -= e->changes;
    return columns_same(&input, &e->columns);
}

static int print_select(const struct epoch *e, struct buf *sql, struct err *err)
{
    struct out o = {sql, 0};
    int rc;

    out_str(&o, "SELECT ");
    rc = lake_select_columns(lake_metadata_schema(e->m), e->feed->columns, &o, err);
    if (rc)
        return rc;
    if (e->changes)
        out_str(&o, ", \"" LAKE_ROW_KIND "\"");
    out_str(&o, " FROM feed");
    return o.rc || !buf_cstr(sql) ? nomem(err) : 0;
}

static int epoch_init(struct epoch *e, struct err *err)
{
    const struct lake_schema *schema = lake_metadata_schema(e->m);
    struct buf sql = {0};
    int rc = key_columns_init(&e->key, schema, e->u->seeds, err);

    e->changes = lake_upsert_changes(e->feed->columns);
    if (!rc && e->changes &&
        duckdb_get_type_id(e->feed->columns->list[e->feed->columns->count - 1].type) !=
            DUCKDB_TYPE_UTINYINT)
        rc = err_set(err, ERR_INVALID, "column " LAKE_ROW_KIND " is not a UTINYINT");
    rc = rc ? rc : lake_columns(schema, &e->columns, err);
    if (!rc && !same_columns(e)) {
        rc = print_select(e, &sql, err);
        rc = rc ? rc : vec_conn_new(&e->conn, e->u->db, err);
        rc = rc ? rc
                : vec_fragment_new(&e->fragment, e->conn, (const char *)sql.ptr, e->feed->columns,
                                   err);
    }
    buf_deinit(&sql);
    if (rc)
        return rc;
    e->cut = calloc(1, sizeof(*e->cut));
    e->hashes = malloc(vec_chunk_rows() * sizeof(*e->hashes));
    e->sel = duckdb_create_selection_vector(vec_chunk_rows());
    if (!e->cut || !e->hashes || !e->sel || key_table_init(&e->cut->keys, 0) ||
        !(e->cut->key_name = strdup(e->u->key_name)))
        return nomem(err);
    return 0;
}

static void held_free(struct held *held)
{
    if (held->chunk)
        duckdb_destroy_data_chunk(&held->chunk);
    free(held->last);
    *held = (struct held){0};
}

static void epoch_deinit(struct epoch *e)
{
    for (size_t i = 0; i < e->count; i++)
        held_free(&e->held[i]);
    free(e->held);
    if (e->lent)
        duckdb_destroy_data_chunk(&e->lent);
    if (e->sel)
        duckdb_destroy_selection_vector(e->sel);
    free(e->hashes);
    vec_fragment_free(e->fragment);
    vec_conn_free(e->conn);
    vec_columns_free(&e->columns);
    lake_upsert_cut_free(e->cut);
}

static void supersede(struct epoch *e, const struct key_entry *old)
{
    struct held *held;

    if (old->file == KEY_TOMB)
        return;
    held = &e->held[old->file - 1];
    held->last[old->row >> 6] &= ~(1ull << (old->row & 63));
    if (--held->count == 0 && old->file != e->count)
        held_free(held);
}

static int add_row(struct epoch *e, struct key_hash key, uint32_t row, uint8_t kind,
                   struct err *err)
{
    struct held *held = &e->held[e->count - 1];
    struct key_entry entry = {key.hash, key.check,
                              kind == ROW_DELETE ? KEY_TOMB : (uint32_t)e->count, row};
    struct key_entry *old;
    int rc = 0;

    if (kind >= ROW_KINDS)
        return err_set(err, ERR_INVALID, "column " LAKE_ROW_KIND " holds %d", kind);
    if (kind == ROW_UPDATE_BEFORE)
        return 0;
    old = key_table_find(&e->cut->keys, key);
    if (old) {
        supersede(e, old);
        *old = entry;
    } else {
        rc = key_table_insert(&e->cut->keys, entry);
    }
    if (!rc && kind != ROW_DELETE) {
        held->last[row >> 6] |= 1ull << (row & 63);
        held->count++;
    }
    return rc ? err_set(err, rc, "keys of a commit") : 0;
}

/* Takes the chunk, whatever happens. */
static int add_chunk(struct epoch *e, duckdb_data_chunk chunk, struct err *err)
{
    idx_t rows = duckdb_data_chunk_get_size(chunk);
    const uint8_t *kinds = NULL;
    struct held *held;
    int rc = 0;

    if (e->count == e->cap) {
        size_t cap = e->cap ? e->cap * 2 : 64;
        struct held *more = realloc(e->held, cap * sizeof(*more));

        if (!more) {
            duckdb_destroy_data_chunk(&chunk);
            return nomem(err);
        }
        e->held = more;
        e->cap = cap;
    }
    held = &e->held[e->count++];
    *held = (struct held){.chunk = chunk, .last = calloc((rows + 63) / 64 + 1, sizeof(uint64_t))};
    if (!held->last)
        return nomem(err);
    if (e->changes)
        kinds = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, e->columns.count));
    rc = key_columns_hash(&e->key, chunk, -1, e->hashes, err);
    for (idx_t r = 0; r < rows && !rc; r++)
        rc = add_row(e, e->hashes[r], (uint32_t)r, kinds ? kinds[r] : ROW_INSERT, err);
    e->cut->rows += (int64_t)rows;
    if (!held->count)
        held_free(held);
    return rc;
}

static int add_converted(struct epoch *e, duckdb_data_chunk chunk /* take */, struct err *err)
{
    struct vec_batch in = {0}, out = {0};
    int rc = vec_batch_add(&in, chunk);

    if (rc) {
        duckdb_destroy_data_chunk(&chunk);
        return nomem(err);
    }
    rc = vec_fragment_run(e->fragment, &in, &out, err);
    vec_batch_deinit(&in);
    for (size_t i = 0; i < out.count; i++) {
        chunk = out.chunks[i];
        out.chunks[i] = NULL;
        if (rc)
            duckdb_destroy_data_chunk(&chunk);
        else
            rc = add_chunk(e, chunk, err);
    }
    out.count = 0;
    vec_batch_deinit(&out);
    return rc;
}

static int pull_all(struct epoch *e, struct err *err)
{
    for (;;) {
        duckdb_data_chunk chunk = vec_chunk_new(e->feed->columns);
        int rc = chunk ? e->feed->pull(e->feed->arg, chunk, err) : nomem(err);

        if (rc || duckdb_data_chunk_get_size(chunk) == 0) {
            if (chunk)
                duckdb_destroy_data_chunk(&chunk);
            return rc;
        }
        rc = e->fragment ? add_converted(e, chunk, err) : add_chunk(e, chunk, err);
        if (rc)
            return rc;
    }
}

/* ---- what goes out ---- */

/* The next chunk that has rows left: its selection, and their number. */
static idx_t select_rows(struct epoch *e)
{
    sel_t *sel = duckdb_selection_vector_get_data_ptr(e->sel);
    idx_t count = 0;

    while (e->at < e->count && !e->held[e->at].count)
        held_free(&e->held[e->at++]);
    if (e->at == e->count)
        return 0;
    for (idx_t r = 0, rows = duckdb_data_chunk_get_size(e->held[e->at].chunk); r < rows; r++)
        if (e->held[e->at].last[r >> 6] >> (r & 63) & 1)
            sel[count++] = (sel_t)r;
    return count;
}

/* Where the selected rows go: file 1, row after row. */
static int place_rows(struct epoch *e, idx_t count, struct err *err)
{
    sel_t *sel = duckdb_selection_vector_get_data_ptr(e->sel);
    int rc = key_columns_hash(&e->key, e->held[e->at].chunk, -1, e->hashes, err);

    for (idx_t i = 0; i < count && !rc; i++) {
        struct key_entry *entry = key_table_find(&e->cut->keys, e->hashes[sel[i]]);

        entry->file = 1;
        entry->row = e->row++;
    }
    return rc;
}

static int pull_last(void *arg, duckdb_data_chunk out, struct err *err)
{
    struct epoch *e = arg;
    idx_t count = select_rows(e);
    int rc = count ? place_rows(e, count, err) : 0;

    if (e->lent)
        duckdb_destroy_data_chunk(&e->lent);
    e->lent = NULL;
    if (rc || !count) {
        duckdb_data_chunk_set_size(out, 0);
        return rc;
    }
    e->lent = e->held[e->at].chunk;
    e->held[e->at].chunk = NULL;
    for (idx_t c = 0; c < e->columns.count; c++) { /* who takes them reads flat vectors */
        duckdb_vector from = duckdb_data_chunk_get_vector(e->lent, c);
        duckdb_vector to = duckdb_data_chunk_get_vector(out, c);

        if (count == duckdb_data_chunk_get_size(e->lent))
            duckdb_vector_reference_vector(to, from);
        else
            duckdb_vector_copy_sel(from, to, e->sel, count, 0, 0);
    }
    duckdb_data_chunk_set_size(out, count);
    e->at++;
    return 0;
}

static int write_pulled(struct epoch *e, struct lake_writer *writer, struct arena *arena,
                        struct lake_data_file **files, size_t *count, struct err *err)
{
    struct vec_feed feed = {&e->columns, pull_last, e};
    struct vec_conn *conn = NULL;
    int rc = vec_conn_new(&conn, e->u->db, err);

    *files = ARENA_NEW(arena, struct lake_data_file);
    if (!rc && !*files)
        rc = nomem(err);
    rc = rc ? rc : lake_writer_pull(writer, conn, &feed, arena, *files, err);
    *count = !rc && (*files)->path ? 1 : 0;
    vec_conn_free(conn);
    return rc;
}

/* Rows are routed by value, which takes flat vectors. */
static int write_routed(struct epoch *e, struct lake_writer *writer, struct err *err)
{
    int rc = 0;
    idx_t count;

    while (!rc && (count = select_rows(e))) {
        duckdb_data_chunk chunk = vec_chunk_new(&e->columns);
        struct vec_batch batch = {0};

        if (!chunk)
            return nomem(err);
        for (idx_t c = 0; c < e->columns.count; c++)
            duckdb_vector_copy_sel(duckdb_data_chunk_get_vector(e->held[e->at].chunk, c),
                                   duckdb_data_chunk_get_vector(chunk, c), e->sel, count, 0, 0);
        duckdb_data_chunk_set_size(chunk, count);
        rc = vec_batch_add(&batch, chunk) ? nomem(err) : 0;
        if (rc)
            duckdb_destroy_data_chunk(&chunk);
        rc = rc ? rc : lake_writer_write(writer, &batch, err);
        vec_batch_deinit(&batch);
        held_free(&e->held[e->at++]);
    }
    return rc;
}

static int place_keys(void *arg, size_t file, int64_t first_row, const struct key_hash *keys,
                      size_t count, struct err *err)
{
    struct epoch *e = arg;

    for (size_t i = 0; i < count; i++) {
        struct key_entry *entry = key_table_find(&e->cut->keys, keys[i]);

        if (!entry)
            return err_set(err, ERR_INTERNAL, "a key that was never written");
        entry->file = (uint32_t)file + 1;
        entry->row = (uint32_t)(first_row + (int64_t)i);
    }
    return 0;
}

/* Which rows went where is the writer's business: the files tell. */
static int place_all(struct epoch *e, const struct lake_data_file *files, size_t count,
                     struct err *err)
{
    struct lake_plan plan = {
        .snapshot_id = -1, .metadata = e->m, .schema = lake_metadata_schema(e->m)};
    struct vec_conn *conn = NULL;
    int rc = vec_conn_new(&conn, e->u->db, err);

    plan.files = calloc(count + 1, sizeof(*plan.files));
    if (!rc && !plan.files)
        rc = nomem(err);
    for (size_t i = 0; i < count && !rc; i++) {
        plan.files[i].entry.file = files[i];
        plan.file_count++;
    }
    rc = rc ? rc : upsert_read_keys(e->u->lake, conn, &e->key, &plan, place_keys, e, err);
    free(plan.files);
    vec_conn_free(conn);
    return rc;
}

static int write_last(struct epoch *e, struct arena *arena, struct lake_data_file **files,
                      size_t *count, struct err *err)
{
    struct lake_writer_options options = {.lake = e->u->lake,
                                          .db = e->u->db,
                                          .metadata = e->m,
                                          .sorted = lake_sort_usable(e->m)};
    struct vec_feed rows = {&e->columns, pull_last, e};
    struct lake_writer *writer = NULL;
    int rc = lake_writer_new(&writer, &options, err);

    if (!rc && options.sorted) {
        rc = lake_writer_sort(writer, &rows, arena, files, count, err);
        rc = rc ? rc : place_all(e, *files, *count, err);
    } else if (!rc && lake_writer_can_pull(writer)) {
        rc = write_pulled(e, writer, arena, files, count, err);
    } else if (!rc) {
        rc = write_routed(e, writer, err);
        rc = rc ? rc : lake_writer_cut(writer, arena, files, count, err);
        rc = rc ? rc : place_all(e, *files, *count, err);
    }
    lake_writer_free(writer);
    return rc;
}

int lake_upsert_drain(struct lake_upsert *u, struct lake_metadata *m, const struct vec_feed *feed,
                      struct arena *arena, struct lake_data_file **files, size_t *count,
                      struct lake_upsert_cut **out, struct err *err)
{
    struct epoch e = {.u = u, .m = m, .feed = feed};
    int rc = epoch_init(&e, err);

    *out = NULL;
    *count = 0;
    rc = rc ? rc : pull_all(&e, err);
    rc = rc ? rc : write_last(&e, arena, files, count, err);
    if (rc) {
        for (size_t i = 0; i < *count; i++)
            lake_remove_files(u->lake, &(*files)[i].path, 1);
        *count = 0;
    } else if (e.cut->keys.live) {
        *out = e.cut;
        e.cut = NULL;
    }
    epoch_deinit(&e);
    return rc;
}

void lake_upsert_cut_free(struct lake_upsert_cut *cut)
{
    if (!cut)
        return;
    key_table_deinit(&cut->keys);
    free(cut->key_name);
    free(cut);
}

int64_t lake_upsert_cut_rows(const struct lake_upsert_cut *cut)
{
    return cut->rows;
}
