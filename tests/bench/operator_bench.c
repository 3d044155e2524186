/* operator_bench.c - CPU time per row of aggregates and windows, the operator alone: rows are made
 * before, in batches of four chunks, and what comes out is thrown away.
 *
 *   operator_bench [ROWS] [NAME ...]   NAME: one of the cases below; all without one
 */
#include <stdio.h>
#include <stdlib.h>

#include "operator/operator.h"

#define BATCH_CHUNKS 4

/* `i` is the row's number; 100 rows lie in a millisecond. */
static const struct bench {
    const char *name, *rows; /* SELECT over range(ROWS) t(i) */
    struct op_aggregate_spec spec;
    int64_t rows_per_ms; /* 0: no time */
} benches[] = {
    {"one row per key: count, sum, min, max by BIGINT",
     "(hash(i) // 2)::BIGINT AS k, i::BIGINT AS v",
     {(size_t[]){0}, 1,
      (struct op_call[]){{OP_COUNT, -1, -1}, {OP_SUM, 1, -1}, {OP_MIN, 1, -1}, {OP_MAX, 1, -1}}, 4},
     0},
    {"1 M keys: count, sum, min, max by BIGINT",
     "(hash(i) % 1000000)::BIGINT AS k, i::BIGINT AS v",
     {(size_t[]){0}, 1,
      (struct op_call[]){{OP_COUNT, -1, -1}, {OP_SUM, 1, -1}, {OP_MIN, 1, -1}, {OP_MAX, 1, -1}}, 4},
     0},
    {"1,000 keys: count, sum, min, max by BIGINT",
     "(hash(i) % 1000)::BIGINT AS k, i::BIGINT AS v",
     {(size_t[]){0}, 1,
      (struct op_call[]){{OP_COUNT, -1, -1}, {OP_SUM, 1, -1}, {OP_MIN, 1, -1}, {OP_MAX, 1, -1}}, 4},
     0},
    {"100,000 keys of text: count",
     "'channel-' || hash(i) % 100000 AS k, i::BIGINT AS v",
     {(size_t[]){0}, 1, (struct op_call[]){{OP_COUNT, -1, -1}}, 1},
     0},
    {"10,000 keys: count distinct of 100 values",
     "(hash(i) % 10000)::BIGINT AS k, (hash(i + 7) % 100)::BIGINT AS v",
     {(size_t[]){0}, 1, (struct op_call[]){{OP_COUNT, 1, -1, true}}, 1},
     0},
    {"q5: hopping count by auction",
     "(i // 500 + hash(i) % 100)::BIGINT AS k, make_timestamp(i * 100) AS ts",
     {(size_t[]){0}, 1, (struct op_call[]){{OP_COUNT, -1, -1}}, 1,
      &(struct op_window){OP_HOP, 10000, 2000, 0}, 1},
     10},
    {"q7: highest price of ten seconds",
     "(hash(i) % 100000)::BIGINT AS k, make_timestamp(i * 100) AS ts",
     {NULL, 0, (struct op_call[]){{OP_MAX, 0, -1}}, 1, &(struct op_window){OP_TUMBLE, 10000, 0, 0},
      1},
     10},
    {"q11: sessions of bidders",
     "(i // 1000 + hash(i) % 1000)::BIGINT AS k, make_timestamp(i * 100) AS ts",
     {(size_t[]){0}, 1, (struct op_call[]){{OP_COUNT, -1, -1}}, 1,
      &(struct op_window){OP_SESSION, 10000, 0, 0}, 1},
     10},
    {"q12: count by bidder and ten seconds",
     "(i // 1000 + hash(i) % 1000)::BIGINT AS k, make_timestamp(i * 100) AS ts",
     {(size_t[]){0}, 1, (struct op_call[]){{OP_COUNT, -1, -1}}, 1,
      &(struct op_window){OP_TUMBLE, 10000, 0, 0}, 1},
     10},
};

static void die(const struct err *err)
{
    fprintf(stderr, "operator_bench: %s\n", err->text);
    exit(1);
}

static void make_rows(struct vec_conn *conn, const struct bench *bench, int64_t rows,
                      struct vec_columns *columns, struct vec_batch *out)
{
    struct vec_fragment *fragment;
    struct vec_columns none = {0};
    struct vec_batch empty = {0};
    struct err err = {0};
    char sql[500];

    snprintf(sql, sizeof(sql), "SELECT %s FROM range(%lld) t(i)", bench->rows, (long long)rows);
    vec_columns_add(&none, "x", duckdb_create_logical_type(DUCKDB_TYPE_INTEGER));
    if (vec_fragment_new(&fragment, conn, sql, &none, &err) ||
        vec_fragment_run(fragment, &empty, out, &err) ||
        vec_columns_copy(columns, vec_fragment_columns(fragment)))
        die(&err);
    vec_fragment_free(fragment);
    vec_columns_free(&none);
}

static void run(const struct bench *bench, struct vec_conn *conn, int64_t rows)
{
    struct vec_columns columns = {0};
    struct vec_batch in = {0};
    struct state_info info;
    struct state *state;
    struct op_graph *graph;
    struct op *leaf, *root;
    struct err err = {0};
    int64_t start, out = 0, done = 0;

    make_rows(conn, bench, rows, &columns, &in);
    if (state_new(&state, &(struct state_options){0}, &err) ||
        op_graph_new(&graph, &(struct op_graph_options){.conn = conn, .state = state}, &err) ||
        op_leaf_new(&leaf, graph, &columns, &err) ||
        op_aggregate_new(&root, leaf, &bench->spec, &err))
        die(&err);
    start = cpu_thread_ns();
    for (size_t at = 0; at < in.count; at += BATCH_CHUNKS) {
        struct vec_batch batch = {in.chunks + at, in.count - at, 0, 0};

        if (batch.count > BATCH_CHUNKS)
            batch.count = BATCH_CHUNKS;
        for (size_t i = 0; i < batch.count; i++)
            batch.rows += (int64_t)duckdb_data_chunk_get_size(batch.chunks[i]);
        done += batch.rows;
        if (op_graph_rows(leaf, &batch, &err) ||
            (bench->rows_per_ms && op_graph_mark(leaf, done / bench->rows_per_ms - 1, &err)))
            die(&err);
        out += op_graph_out(graph)->rows;
        vec_batch_clear(op_graph_out(graph));
    }
    start = cpu_thread_ns() - start;
    state_info(state, &info);
    printf("%-50s %5.0f ns a row, %9lld rows out, %6.1f MB of state\n", bench->name,
           (double)start / (double)rows, (long long)out, (double)info.memory_bytes / 1e6);
    fflush(stdout);
    op_graph_free(graph);
    state_free(state);
    vec_batch_deinit(&in);
    vec_columns_free(&columns);
}

int main(int argc, char **argv)
{
    int64_t rows = argc > 1 ? (int64_t)strtod(argv[1], NULL) : 1000000;
    struct vec_options options = {.threads = 1, .memory_bytes = (int64_t)1 << 30};
    struct vec_db *db;
    struct vec_conn *conn;
    struct err err = {0};

    if (vec_db_new(&db, &options, &err) || vec_conn_new(&conn, db, &err))
        die(&err);
    for (size_t i = 0; i < COUNT_OF(benches); i++) {
        bool wanted = argc < 3;

        for (int a = 2; a < argc; a++)
            wanted |= strstr(benches[i].name, argv[a]) != NULL;
        if (wanted)
            run(&benches[i], conn, rows);
    }
    vec_conn_free(conn);
    vec_db_free(db);
    return 0;
}
