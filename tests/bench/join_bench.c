/* join_bench.c - CPU time per row of joins and top-N in the shapes of Nexmark's queries, the
 * operator alone: rows are made before, come in batches of 4,096 events' worth, and what comes out
 * is thrown away. Of 50 events 1 is a person, 3 are auctions, 46 are bids; half of the bids are on
 * every hundredth auction.
 *
 *   join_bench [EVENTS] [NAME ...]   NAME: part of a case's name; all without one
 */
#include <stdio.h>
#include <stdlib.h>

#include "operator/operator.h"

#define BATCH 4096 /* events */

/* e: the number of an event; columns of text are as long as theirs. */
#define TIME "make_timestamp((e * 100)::BIGINT)"
#define PERSON                                                                                     \
    "SELECT e, (1000 + e // 50)::BIGINT AS id, 'name ' || hash(e) %% 1000 AS name, 'city ' || "    \
    "hash(e) %% 7 AS city, 'OR' AS state, " TIME " AS ts FROM range(%lld) t(e) WHERE e %% 50 = 0"
#define AUCTION                                                                                    \
    "SELECT e, (1000 + e // 50 * 3 + e %% 50 - 1)::BIGINT AS id, repeat('x', 20) AS item, "        \
    "(1000 + greatest(0, e // 50 - (hash(e) %% 1000)::BIGINT))::BIGINT AS seller, (10 + hash(e) "  \
    "%% 5)::BIGINT AS category, " TIME " AS ts, make_timestamp((e * 100 + 1000000 + hash(e) %% "   \
    "2000000)::BIGINT) AS expires FROM range(%lld) t(e) WHERE e %% 50 BETWEEN 1 AND 3"
#define BID                                                                                        \
    "SELECT e, CASE WHEN hash(e) %% 2 = 0 THEN 1000 + e // 50 * 3 // 100 * 100 ELSE "              \
    "greatest(1000,"                                                                               \
    " 1000 + e // 50 * 3 - (hash(e + 1) %% 100)::BIGINT) END::BIGINT AS auction, (1000 + "         \
    "greatest(0, e // 50 - (hash(e) %% 1000)::BIGINT))::BIGINT AS bidder, (100 + hash(e + 2) %% "  \
    "10000000)::BIGINT AS price, 'channel-' || hash(e) %% 10000 AS channel, " TIME " AS ts, "      \
    "repeat('u', 60) AS url FROM range(%lld) t(e) WHERE e %% 50 > 3"

/* Counts of a hundred thousand keys, one of which has half of the rows: an update is two rows. */
#define COUNTS                                                                                     \
    "SELECT e, k, (n - (e %% 2 = 0)::INTEGER)::BIGINT AS n, (1 + e %% 2)::UTINYINT AS "            \
    "\"$row_kind\" FROM (SELECT e, k, row_number() OVER (PARTITION BY k ORDER BY e) // 2 + 1 AS "  \
    "n "                                                                                           \
    "FROM (SELECT e, CASE WHEN hash(e // 2) %% 2 = 0 THEN 0 ELSE hash(e // 2) %% 100000 END AS k " \
    "FROM range(%lld) t(e))) ORDER BY e"

#define BY_TIME                                                                                    \
    {                                                                                              \
        4, true, false                                                                             \
    }
static const struct op_order by_price[] = {{2, true, false}, {4, false, false}};
static const struct op_order by_time[] = {BY_TIME};

#define ON(l, r) .left_keys = (size_t[]){l}, .right_keys = (size_t[]){r}, .key_count = 1
static const struct bench {
    const char *name, *left, *right;
    bool timed;
    struct op_join_spec join;
    struct op_rank_spec rank; /* without a right side */
    struct op_over_spec over; /* with calls: in its stead */
} benches[] = {
    {"q3: auctions and their sellers", AUCTION, PERSON, false, {ON(2, 0)}, {0}},
    {"q3: the same, LEFT", AUCTION, PERSON, false, {ON(2, 0), .kind = OP_LEFT}, {0}},
    {"q4, q9: bids while their auction is open",
     AUCTION,
     BID,
     false,
     {ON(0, 0), .condition = "SELECT r4 BETWEEN l4 AND l5 FROM feed"},
     {0}},
    {"q20: bids and their auction", BID, AUCTION, false, {ON(0, 0)}, {0}},
    {"q20: the same, LEFT", BID, AUCTION, false, {ON(0, 0), .kind = OP_LEFT}, {0}},
    {"bids whose auction is there: SEMI", BID, AUCTION, false, {ON(0, 0), .kind = OP_SEMI}, {0}},
    {"bids within a second of the auction",
     AUCTION,
     BID,
     true,
     {ON(0, 0), .time = OP_INTERVAL, .left_time = 4, .right_time = 4, .high_ms = 1000},
     {0}},
    {"q18: the last bid by bidder and auction",
     BID,
     NULL,
     false,
     {0},
     {(size_t[]){0, 1}, 2, by_time, 1, 1, 1, .by_time = true, .window_end = -1}},
    {"q19: the ten highest bids by auction",
     BID,
     NULL,
     false,
     {0},
     {(size_t[]){0}, 1, by_price, 2, 1, 10, .with_number = true, .window_end = -1}},
    {"q9: the highest bid by auction",
     BID,
     NULL,
     false,
     {0},
     {(size_t[]){0}, 1, by_price, 2, 1, 1, .window_end = -1}},
    {"the thousand highest bids",
     BID,
     NULL,
     false,
     {0},
     {NULL, 0, by_price, 2, 1, 1000, .window_end = -1}},
    {"the ten highest of counts that change",
     COUNTS,
     NULL,
     false,
     {0},
     {NULL, 0, (struct op_order[]){{1, true, false}}, 1, 1, 10, .window_end = -1}},
    {"sums of ten rows by auction: OVER",
     BID,
     NULL,
     true,
     {0},
     {0},
     {(size_t[]){0}, 1, 4, true, 9, (struct op_call[]){{OP_SUM, 2, -1}}, 1}},
    {"sums of a tenth of a second by bidder: OVER",
     BID,
     NULL,
     true,
     {0},
     {0},
     {(size_t[]){1}, 1, 4, false, 100, (struct op_call[]){{OP_SUM, 2, -1}}, 1}},
    {"running sums of all: OVER",
     BID,
     NULL,
     true,
     {0},
     {0},
     {NULL, 0, 4, true, INT64_MAX, (struct op_call[]){{OP_SUM, 2, -1}}, 1}},
};

static void die(const struct err *err)
{
    fprintf(stderr, "join_bench: %s\n", err->text);
    exit(1);
}

struct input {
    struct vec_columns columns, seen;
    struct vec_batch *batches; /* one per BATCH events */
    size_t count;
    int64_t rows;
};

static void query(struct vec_conn *conn, const char *sql, const struct vec_columns *columns,
                  const struct vec_batch *in, struct vec_columns *out_columns,
                  struct vec_batch *out)
{
    struct vec_fragment *fragment;
    struct vec_columns none = {0};
    struct vec_batch empty = {0};
    struct err err = {0};

    vec_columns_add(&none, "x", duckdb_create_logical_type(DUCKDB_TYPE_INTEGER));
    if (vec_fragment_new(&fragment, conn, sql, columns ? columns : &none, &err) ||
        vec_fragment_run(fragment, in ? in : &empty, out, &err) ||
        (out_columns && vec_columns_copy(out_columns, vec_fragment_columns(fragment))))
        die(&err);
    vec_fragment_free(fragment);
    vec_columns_free(&none);
}

static void make_input(struct vec_conn *conn, const char *select, int64_t events,
                       struct input *input)
{
    struct vec_batch all = {0};
    char sql[2000];

    snprintf(sql, sizeof(sql), select, (long long)events);
    query(conn, sql, NULL, NULL, &input->columns, &all);
    input->rows = all.rows;
    input->count = (size_t)((events + BATCH - 1) / BATCH);
    input->batches = calloc(input->count, sizeof(*input->batches));
    for (size_t c = 0, at = 0; c < all.count; c++) {
        /* Chunks are in order: a chunk goes into the batches that its events are of. */
        const int64_t *e = duckdb_vector_get_data(duckdb_data_chunk_get_vector(all.chunks[c], 0));
        idx_t rows = duckdb_data_chunk_get_size(all.chunks[c]);
        struct vec_batch one = {&all.chunks[c], 1, 1, (int64_t)rows};

        for (at = (size_t)(e[0] / BATCH); at <= (size_t)(e[rows - 1] / BATCH); at++) {
            snprintf(sql, sizeof(sql),
                     "SELECT * EXCLUDE (e) FROM feed WHERE e >= %lld AND e < %lld",
                     (long long)at * BATCH, (long long)(at + 1) * BATCH);
            query(conn, sql, &input->columns, &one, input->seen.count ? NULL : &input->seen,
                  &input->batches[at]);
        }
    }
    vec_batch_deinit(&all);
}

static void free_input(struct input *input)
{
    for (size_t i = 0; i < input->count; i++)
        vec_batch_deinit(&input->batches[i]);
    free(input->batches);
    vec_columns_free(&input->columns);
    vec_columns_free(&input->seen);
}

static void run(const struct bench *bench, struct vec_conn *conn, int64_t events)
{
    struct input inputs[2] = {0};
    int count = bench->right ? 2 : 1;
    struct state_info info;
    struct state *state;
    struct op_graph *graph;
    struct op *leaves[2], *root;
    struct err err = {0};
    int64_t start, out = 0;
    int rc;

    for (int n = 0; n < count; n++)
        make_input(conn, n ? bench->right : bench->left, events, &inputs[n]);
    rc = state_new(&state, &(struct state_options){0}, &err);
    if (!rc)
        rc = op_graph_new(&graph, &(struct op_graph_options){.conn = conn, .state = state}, &err);
    for (int n = 0; n < count && !rc; n++)
        rc = op_leaf_new(&leaves[n], graph, &inputs[n].seen, &err);
    if (!rc)
        rc = count == 2               ? op_join_new(&root, leaves[0], leaves[1], &bench->join, &err)
             : bench->over.call_count ? op_over_new(&root, leaves[0], &bench->over, &err)
                                      : op_rank_new(&root, leaves[0], &bench->rank, &err);
    if (rc)
        die(&err);
    start = cpu_thread_ns();
    for (size_t at = 0; at < inputs[0].count; at++) {
        for (int n = 0; n < count; n++)
            if (op_graph_rows(leaves[n], &inputs[n].batches[at], &err) ||
                (bench->timed &&
                 op_graph_mark(leaves[n], (int64_t)(at + 1) * BATCH / 10 - 1, &err)))
                die(&err);
        out += op_graph_out(graph)->rows;
        vec_batch_clear(op_graph_out(graph));
    }
    start = cpu_thread_ns() - start;
    state_info(state, &info);
    printf("%-44s %5.0f ns a row in, %4.0f a row in or out; %8lld in, %9lld out, %6.1f MB\n",
           bench->name, (double)start / (double)(inputs[0].rows + inputs[1].rows),
           (double)start / (double)(inputs[0].rows + inputs[1].rows + out),
           (long long)(inputs[0].rows + inputs[1].rows), (long long)out,
           (double)info.memory_bytes / 1e6);
    fflush(stdout);
    op_graph_free(graph);
    state_free(state);
    free_input(&inputs[0]);
    free_input(&inputs[1]);
}

int main(int argc, char **argv)
{
    int64_t events = argc > 1 ? (int64_t)strtod(argv[1], NULL) : 1000000;
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
            run(&benches[i], conn, events);
    }
    vec_conn_free(conn);
    vec_db_free(db);
    return 0;
}
