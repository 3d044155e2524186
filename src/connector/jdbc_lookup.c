/* jdbc_lookup.c - the rows of a database for the keys of a batch: one statement and one answer for
 * all of them, as the table is at that moment. Nothing is kept, so 'lookup.cache' and its limits,
 * which allow older rows, are not needed. Where a key is no column of the table (a cast, a sum) the
 * whole table is read for each batch. */
#include "connector/jdbc.h"
#include "connector/made_source.h"
#include "sql/flow.h"

struct jdbc_lookup {
    struct op_lookup_table table; /* first */
    struct jdbc_table from;
    struct vec_columns columns; /* of `from` */
    struct row_decoder *decoder;
    struct vec_conn *conn;
    struct vec_fragment *select;
    struct postgres *connection; /* NULL: none, or it failed */
    const size_t *left_keys;     /* and names: borrowed from the plan */
    const char *const *names;
    size_t key_count;
    bool *keys;              /* of from.columns: is it a key? */
    bool by_keys;            /* every key is a column */
    struct row_encoder *key; /* made with the first batch, which has the types */
    duckdb_logical_type *types;
    char *sql; /* made with the first connection */
    struct buf text;
};

static struct jdbc_lookup *self(struct op_lookup_table *table)
{
    return (struct jdbc_lookup *)table;
}

bool jdbc_is_asked(const struct sql_table *table)
{
    const char *connector = sql_option(table->options, "connector");

    return connector && !strcmp(connector, "jdbc");
}

/* ---- what is asked ---- */

static int make_encoder(struct jdbc_lookup *l, duckdb_data_chunk chunk, struct err *err)
{
    static const struct row_options none = {NULL, NULL};
    struct row_encoder_field *fields = calloc(l->key_count + 1, sizeof(*fields));
    int rc;

    l->types = calloc(l->key_count + 1, sizeof(*l->types));
    if (!fields || !l->types) {
        free(fields);
        return err_set(err, ERR_NOMEM, "keys of `%s`", l->from.name);
    }
    for (size_t k = 0; k < l->key_count; k++) {
        duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, l->left_keys[k]);

        l->types[k] = duckdb_vector_get_column_type(vector);
        fields[k] = (struct row_encoder_field){l->names[k], l->types[k], l->left_keys[k]};
    }
    rc = row_encoder_new(&l->key, "json", fields, l->key_count, &none, err);
    free(fields);
    return rc;
}

static int put_keys(struct jdbc_lookup *l, const struct vec_batch *rows, struct err *err)
{
    bool null;
    int rc;

    buf_clear(&l->text);
    rc = buf_append_u8(&l->text, '[');
    for (size_t c = 0; c < rows->count && !rc; c++) {
        idx_t count = duckdb_data_chunk_get_size(rows->chunks[c]);

        if (!l->key)
            rc = make_encoder(l, rows->chunks[c], err);
        for (idx_t row = 0; row < count && !rc; row++) {
            rc = l->text.len > 1 ? buf_append_u8(&l->text, ',') : 0;
            rc = rc ? rc
                    : row_encode(l->key, rows->chunks[c], row, ROW_INSERT, &l->text, &null, err);
        }
    }
    rc = rc ? rc : buf_append_u8(&l->text, ']');
    return rc || buf_cstr(&l->text) ? rc : err_set(err, ERR_NOMEM, "keys of `%s`", l->from.name);
}

static int make_statement(struct jdbc_lookup *l, struct err *err)
{
    struct buf sql = {0};
    int rc = jdbc_put_select(&sql, &l->from);

    if (!rc && l->by_keys) {
        rc = buf_append_str(&sql, " WHERE (");
        rc = rc ? rc : jdbc_put_list(&sql, &l->from, l->keys, "t.");
        rc = rc ? rc : buf_append_str(&sql, ") IN (SELECT ");
        rc = rc ? rc : jdbc_put_list(&sql, &l->from, l->keys, "x.");
        rc = rc ? rc : buf_append_str(&sql, " FROM ");
        rc = rc ? rc : jdbc_put_records(&sql, &l->from, l->keys, true);
        rc = rc ? rc : buf_append_u8(&sql, ')');
    }
    rc = rc ? rc : buf_append_str(&sql, ") r");
    if (!rc && !(l->sql = arena_cstr(&l->from.arena, buf_slice(&sql))))
        rc = ERR_NOMEM;
    buf_deinit(&sql);
    return rc ? err_set(err, rc, "statements of `%s`", l->from.name) : 0;
}

/* ---- what is answered ---- */

static int decode(struct jdbc_lookup *l, const struct postgres_rows *rows, struct vec_batch *out,
                  struct err *err)
{
    size_t count = postgres_row_count(rows);
    int rc = 0;

    for (size_t at = 0; at < count && !rc;) {
        duckdb_data_chunk chunk = vec_chunk_new(&l->columns);
        struct json_fault fault = {0};
        idx_t row = 0;

        if (!chunk)
            return err_set(err, ERR_NOMEM, "rows of `%s`", l->from.name);
        row_decode_begin(l->decoder, chunk);
        for (; at < count && row < vec_chunk_rows() && !rc; at++, row++)
            rc = row_decode_json(l->decoder, postgres_value(rows, at, 0), row, &fault);
        row_decode_end(l->decoder);
        duckdb_data_chunk_set_size(chunk, row);
        if (rc)
            err_set(err, rc, "table `%s`, column %s: %s", l->from.name, fault.path, fault.reason);
        else
            rc = vec_batch_add(out, chunk);
        if (rc)
            duckdb_destroy_data_chunk(&chunk);
    }
    return rc;
}

static int ask(struct jdbc_lookup *l, struct postgres_rows **out, struct err *err)
{
    const char *text = (const char *)l->text.ptr;
    int rc = l->connection ? 0 : jdbc_connect(&l->from, &l->connection, err);

    if (!rc && !l->sql)
        rc = make_statement(l, err);
    if (!rc)
        rc = postgres_run(l->connection, l->sql, &text, l->by_keys ? 1 : 0, out, err);
    if (rc) {
        postgres_free(l->connection);
        l->connection = NULL;
    }
    return rc;
}

static int find(struct op_lookup_table *table, const struct vec_batch *rows, struct vec_batch *out,
                struct err *err)
{
    struct jdbc_lookup *l = self(table);
    struct postgres_rows *found = NULL;
    struct vec_batch all = {0};
    int rc = l->by_keys ? put_keys(l, rows, err) : 0;

    if (!rc)
        rc = ask(l, &found, err);
    for (int64_t again = 0; rc == ERR_IO && again < l->from.retries; again++)
        rc = ask(l, &found, err);
    if (!rc)
        rc = decode(l, found, &all, err);
    postgres_rows_free(found);
    if (!rc && all.rows)
        rc = vec_fragment_run(l->select, &all, out, err);
    vec_batch_deinit(&all);
    return rc ? err_wrap(err, rc, "table `%s`", l->from.name) : 0;
}

/* ---- the rest ---- */

static void table_free(struct op_lookup_table *table)
{
    struct jdbc_lookup *l = self(table);

    if (!l)
        return;
    vec_fragment_free(l->select);
    vec_conn_free(l->conn);
    postgres_free(l->connection);
    row_decoder_free(l->decoder);
    row_encoder_free(l->key);
    for (size_t k = 0; l->types && k < l->key_count; k++)
        if (l->types[k])
            duckdb_destroy_logical_type(&l->types[k]);
    free(l->types);
    free(l->keys);
    vec_columns_free(&l->columns);
    buf_deinit(&l->text);
    jdbc_table_deinit(&l->from);
    free(l);
}

static int take_keys(struct jdbc_lookup *l, const struct sql_flow_looking *looking, struct err *err)
{
    l->left_keys = looking->left_keys;
    l->names = looking->key_names;
    l->key_count = looking->key_count;
    l->by_keys = true;
    l->keys = calloc(l->from.count + 1, sizeof(*l->keys));
    if (!l->keys)
        return err_set(err, ERR_NOMEM, "keys");
    for (size_t k = 0; k < l->key_count; k++) {
        bool fresh = false;

        for (size_t c = 0; c < l->from.count && l->names[k]; c++)
            if (!strcmp(l->from.columns[c].name, l->names[k])) {
                fresh = !l->keys[c];
                l->keys[c] = true;
            }
        l->by_keys &= fresh; /* a column that is two keys is asked for nothing */
    }
    return 0;
}

static int init(struct jdbc_lookup *l, const struct source_request *r,
                const struct sql_flow_looking *looking, struct err *err)
{
    int rc = jdbc_table_init(&l->from, looking->table, err);

    if (!rc)
        rc = source_columns(r, &l->columns, err);
    if (!rc)
        rc = jdbc_decoder_new(&l->decoder, &l->from, &l->columns, err);
    if (!rc)
        rc = take_keys(l, looking, err);
    if (!rc)
        rc = vec_conn_new(&l->conn, r->connector->db, err);
    if (!rc)
        rc = vec_fragment_new(&l->select, l->conn, looking->select, &l->columns, err);
    if (!rc)
        l->table.columns = vec_fragment_columns(l->select);
    return rc;
}

int jdbc_lookup_new(struct op_lookup_table **out, const struct source_request *request,
                    const struct sql_flow_looking *looking, struct err *err)
{
    struct jdbc_lookup *l = calloc(1, sizeof(*l));
    int rc;

    if (!l)
        return err_set(err, ERR_NOMEM, "table `%s`", looking->table->name);
    l->table.find = find;
    l->table.free = table_free;
    l->text.max = (size_t)256 << 20;
    rc = init(l, request, looking, err);
    if (rc) {
        table_free(&l->table);
        return err_wrap(err, rc, "table `%s`", looking->table->name);
    }
    *out = &l->table;
    return 0;
}
