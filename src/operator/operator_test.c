/* operator_test.c - operators over batches cut at random are what SQL says over all rows at once;
 * also when the process dies on the way and goes on from what it had written down. */
#include "base/disk_sim.h"
#include "operator/operator.h"
#include "operator/test_sql.h"

#define ROWS "3000"
/* Out of order by up to 20 s around a clock of 10 rows a second; some times and values are NULL. */
#define EVENTS                                                                                     \
    "SELECT CASE WHEN h % 11 > 0 THEN 'key ' || h % 7 END AS k, CASE WHEN h % 5 > 0 THEN "         \
    "(h % 100)::INTEGER END AS v, (h % 1000 / 8)::DECIMAL(12,3) AS d, (h % 17)::DOUBLE / 4 AS f, " \
    "h % 3 = 0 AS b, CASE WHEN h % 97 > 0 THEN TIMESTAMP '2024-01-01' + INTERVAL 1 MILLISECOND * " \
    "(i * 100 - h % 20000)::BIGINT END AS ts, i FROM (SELECT i, hash(i) % 1000003 AS h FROM "      \
    "range(" ROWS ") t(i))"

/* ---- a run: batches in, watermarks behind them, deaths on the way ---- */

struct plan {
    const struct op_aggregate_spec *spec;
    int64_t delay_ms; /* of the watermark behind the highest time; -1: no watermarks */
    bool dies;
};

struct life {
    struct state *state;
    struct op_graph *graph;
    struct op *leaf, *root;
};

static void begin(struct life *life, const struct plan *plan, const struct vec_columns *columns,
                  struct disk_sim *sim, const char *manifest)
{
    struct state_options options = {disk_sim_disk(sim), clock_system(), "state", 4096};
    struct err err = {0};

    OK(state_new(&life->state, &options, &err));
    OK(op_graph_new(&life->graph, &(struct op_graph_options){conn, life->state}, &err));
    OK(op_leaf_new(&life->leaf, life->graph, columns, &err));
    OK(op_aggregate_new(&life->root, life->leaf, plan->spec, &err));
    OK(state_load(life->state, manifest, &err));
    OK(op_graph_load(life->graph, &err));
}

static void end(struct life *life)
{
    op_graph_free(life->graph);
    state_free(life->state);
}

/* Rows [from, from + len) of the input, by their column `i`. */
static void part(const struct vec_columns *columns, const struct vec_batch *in, int64_t from,
                 int64_t len, struct vec_batch *out)
{
    char sql[200];

    snprintf(sql, sizeof(sql),
             "SELECT * FROM feed WHERE i >= %" PRId64 " AND i < %" PRId64 " ORDER BY i", from,
             from + len);
    run(sql, columns, in, NULL, out);
}

static int64_t highest_ms(const struct vec_columns *columns, const struct vec_batch *rows)
{
    struct vec_batch out = {0};
    int64_t ms = 0;

    run("SELECT COALESCE(epoch_ms(max(ts)), 0)::BIGINT FROM feed", columns, rows, NULL, &out);
    ms = *(int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(out.chunks[0], 0));
    vec_batch_deinit(&out);
    return ms;
}

static void keep(struct life *life, struct vec_batch *out)
{
    struct vec_batch *rows = op_graph_out(life->graph);

    for (size_t i = 0; i < rows->count; i++)
        assert_int_equal(vec_batch_add(out, rows->chunks[i]), 0);
    rows->count = 0;
    rows->rows = 0;
}

struct checkpoint {
    char manifest[2000];
    int64_t next; /* row */
    size_t out;   /* chunks of the output */
    int64_t mark;
};

static void save(struct life *life, struct checkpoint *c, int64_t next, size_t out, int64_t mark,
                 int64_t epoch)
{
    struct arena arena = {0};
    const char *json;
    struct err err = {0};
    bool done;

    OK(state_seal(life->state, epoch, &err));
    OK(state_flush(life->state, INT64_MAX, &done, &err));
    OK(state_manifest(life->state, &arena, &json, &err));
    snprintf(c->manifest, sizeof(c->manifest), "%s", json);
    state_committed(life->state);
    c->next = next;
    c->out = out;
    c->mark = mark;
    arena_deinit(&arena);
}

static void drop_out(struct vec_batch *out, size_t keep_count)
{
    while (out->count > keep_count) {
        duckdb_destroy_data_chunk(&out->chunks[--out->count]);
    }
    out->rows = 0;
    for (size_t i = 0; i < out->count; i++)
        out->rows += (int64_t)duckdb_data_chunk_get_size(out->chunks[i]);
}

static void stream(const struct plan *plan, const struct vec_columns *columns,
                   const struct vec_batch *in, uint64_t seed, struct vec_columns *out_columns,
                   struct vec_batch *out)
{
    struct checkpoint saved = {.mark = OP_TIME_MIN};
    int64_t next = 0, mark = OP_TIME_MIN, epoch = 0;
    struct disk_sim *sim;
    struct life life;
    struct err err = {0};
    struct rng rng;

    rng_init(&rng, seed);
    OK(disk_sim_new(&sim, seed, &err));
    begin(&life, plan, columns, sim, NULL);
    while (next < in->rows) {
        struct vec_batch batch = {0};
        int64_t len = 1 + (int64_t)rng_below(&rng, 400);

        part(columns, in, next, len, &batch);
        OK(op_graph_rows(life.leaf, &batch, &err));
        keep(&life, out);
        if (plan->delay_ms >= 0 && highest_ms(columns, &batch) - plan->delay_ms > mark)
            mark = highest_ms(columns, &batch) - plan->delay_ms;
        if (plan->delay_ms >= 0)
            OK(op_graph_mark(life.leaf, mark, &err));
        keep(&life, out);
        vec_batch_deinit(&batch);
        next += len;
        if (rng_below(&rng, 4) == 0)
            op_graph_rest(life.graph);
        if (plan->dies && rng_below(&rng, 3) == 0)
            save(&life, &saved, next, out->count, mark, ++epoch);
        if (plan->dies && rng_below(&rng, 5) == 0) {
            end(&life);
            disk_sim_power_loss(sim);
            disk_sim_reboot(sim);
            drop_out(out, saved.out);
            next = saved.next;
            mark = saved.mark;
            begin(&life, plan, columns, sim, saved.manifest[0] ? saved.manifest : NULL);
        }
    }
    OK(op_graph_mark(life.leaf, OP_TIME_MAX, &err));
    keep(&life, out);
    assert_int_equal(vec_columns_copy(out_columns, op_graph_columns(life.graph)), 0);
    end(&life);
    disk_sim_free(sim);
}

/* Streams `input` through the plan, in several ways, and compares with `batch` over all of it. */
static void compare(const char *input, struct plan plan, const char *streamed, const char *batch)
{
    struct vec_columns columns = {0};
    struct buf want = {0}, got = {0};
    struct vec_batch in = {0};

    run(input, NULL, NULL, &columns, &in);
    text_of(batch, &columns, &in, &want);
    assert_true(want.len > 200);
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct vec_columns out_columns = {0};
        struct vec_batch out = {0};

        plan.dies = seed > 2;
        stream(&plan, &columns, &in, seed, &out_columns, &out);
        text_of(streamed, &out_columns, &out, &got);
        if (!slice_eq(buf_slice(&want), buf_slice(&got)))
            fail_msg("seed %d\n%.3000s\nis not\n%.3000s", (int)seed, (char *)got.ptr,
                     (char *)want.ptr);
        vec_batch_deinit(&out);
        vec_columns_free(&out_columns);
    }
    buf_deinit(&want);
    buf_deinit(&got);
    vec_batch_deinit(&in);
    vec_columns_free(&columns);
}

/* ---- the claims ---- */

#define CALLS                                                                                      \
    {OP_COUNT, -1, -1, false}, {OP_COUNT, 1, -1, false}, {OP_SUM, 1, -1, false},                   \
        {OP_SUM, 2, 4, false}, {OP_SUM, 3, -1, false}
#define MORE {OP_MIN, 1, -1, false}, {OP_MAX, 5, -1, false}, {OP_MAX, 2, -1, false}
#define SQL_CALLS                                                                                  \
    "count(*), count(v), sum(v)::BIGINT, sum(d) FILTER (WHERE b), sum(f)"
#define SQL_MORE "min(v), max(ts), max(d)"

static const struct op_call calls[] = {CALLS, MORE};
static const struct op_call distinct_calls[] = {CALLS, {OP_COUNT, 1, -1, true},
                                                {OP_SUM, 1, 4, true}};
#define SQL_DISTINCT "count(DISTINCT v), sum(DISTINCT v) FILTER (WHERE b)::BIGINT"

#define NET                                                                                        \
    "SELECT * EXCLUDE (\"$row_kind\") FROM feed GROUP BY ALL HAVING sum(CASE WHEN \"$row_kind\" "  \
    "IN (0, 2) THEN 1 ELSE -1 END) > 0"

static void an_aggregate_ends_as_group_by(void **state)
{
    struct op_aggregate_spec spec = {(size_t[]){0}, 1, calls, COUNT_OF(calls), NULL, 0};

    (void)state;
    compare(EVENTS, (struct plan){.spec = &spec, .delay_ms = -1}, NET,
            "SELECT k, " SQL_CALLS ", " SQL_MORE " FROM feed GROUP BY k");
}

static void an_aggregate_of_all_rows_is_one_row(void **state)
{
    struct op_aggregate_spec spec = {NULL, 0, calls, COUNT_OF(calls), NULL, 0};

    (void)state;
    compare(EVENTS, (struct plan){.spec = &spec, .delay_ms = -1},
            "SELECT *, repeat('.', 200) FROM (" NET ")",
            "SELECT *, repeat('.', 200) FROM (SELECT " SQL_CALLS ", " SQL_MORE " FROM feed)");
}

static void distinct_counts_a_value_once(void **state)
{
    struct op_aggregate_spec spec = {(size_t[]){0, 4}, 2, distinct_calls,
                                     COUNT_OF(distinct_calls), NULL, 0};

    (void)state;
    compare(EVENTS, (struct plan){.spec = &spec, .delay_ms = -1}, NET,
            "SELECT k, b, " SQL_CALLS ", " SQL_DISTINCT " FROM feed GROUP BY k, b");
}

/* Each fourth row comes again as its own end. */
static void rows_that_are_taken_back_do_not_count(void **state)
{
    struct op_aggregate_spec spec = {(size_t[]){0}, 1, distinct_calls, COUNT_OF(distinct_calls),
                                     NULL, 0};

    (void)state;
    compare("SELECT * EXCLUDE (i, n, \"$row_kind\"), "
            "row_number() OVER (ORDER BY n, \"$row_kind\") - 1 AS i, \"$row_kind\" FROM "
            "(SELECT *, i AS n, 0::UTINYINT AS \"$row_kind\" FROM (" EVENTS ") "
            "UNION ALL SELECT *, i + 300 AS n, 3::UTINYINT FROM (" EVENTS ") WHERE i % 4 = 0 OR k "
            "= 'key 3') ORDER BY i",
            (struct plan){.spec = &spec, .delay_ms = -1}, NET,
            "WITH live AS (SELECT k, v, d, f, b, ts FROM feed WHERE \"$row_kind\" = 0 EXCEPT ALL "
            "SELECT k, v, d, f, b, ts FROM feed WHERE \"$row_kind\" = 3) "
            "SELECT k, " SQL_CALLS ", " SQL_DISTINCT " FROM live GROUP BY k");
}

static void windows(enum op_window_kind kind, int64_t size, int64_t slide, bool distinct,
                    const char *assign)
{
    struct op_window window = {kind, size, slide, 1000};
    struct op_aggregate_spec spec = {(size_t[]){0}, 1, distinct ? distinct_calls : calls,
                                     distinct ? COUNT_OF(distinct_calls) : COUNT_OF(calls),
                                     &window, 5};
    char sql[1500];

    /* No row is later than 20 s: none is dropped. */
    snprintf(sql, sizeof(sql),
             "SELECT k, " SQL_CALLS ", %s, ws, we FROM (SELECT *, UNNEST(%s, recursive := true) "
             "FROM (SELECT *, epoch_ms(ts) - 1000 AS ms FROM feed WHERE ts IS NOT NULL)) "
             "GROUP BY k, ws, we",
             distinct ? SQL_DISTINCT : SQL_MORE, assign);
    compare(EVENTS, (struct plan){.spec = &spec, .delay_ms = 20000}, "SELECT * FROM feed", sql);
}

#define WINDOW_AT(start, end)                                                                      \
    "{ws: make_timestamp((" start " + 1000) * 1000), we: make_timestamp((" end " + 1000) * 1000)}"

static void tumbling_windows_come_once_and_whole(void **state)
{
    (void)state;
    windows(OP_TUMBLE, 15000, 0, false,
            "[" WINDOW_AT("ms // 15000 * 15000", "ms // 15000 * 15000 + 15000") "]");
    windows(OP_TUMBLE, 15000, 0, true,
            "[" WINDOW_AT("ms // 15000 * 15000", "ms // 15000 * 15000 + 15000") "]");
}

#define HOPS                                                                                       \
    "list_transform(range(ms // 4000 * 4000 - 8000, ms // 4000 * 4000 + 1, 4000)::BIGINT[], "      \
    "lambda s: " WINDOW_AT("s", "s + 10000") ")"

/* 10 s every 4 s: a row lies in two windows or three. */
static void hopping_windows_overlap(void **state)
{
    const char *hops = "list_filter(" HOPS ", lambda w: epoch_ms(w.we) - 1000 > ms)";

    (void)state;
    windows(OP_HOP, 10000, 4000, false, hops);
    windows(OP_HOP, 10000, 4000, true, hops);
}

static void cumulating_windows_grow(void **state)
{
    const char *steps = "list_transform(range((ms // 5000 + 1) * 5000, ms // 20000 * 20000 + "
                        "20001, 5000)::BIGINT[], lambda e: " WINDOW_AT("ms // 20000 * 20000", "e")
                        ")";

    (void)state;
    windows(OP_CUMULATE, 20000, 5000, false, steps);
    windows(OP_CUMULATE, 20000, 5000, true, steps);
}

static void late_rows_are_dropped_and_counted(void **state)
{
    struct op_window window = {OP_TUMBLE, 10000, 0, 0};
    struct op_call count = {OP_COUNT, -1, -1, false};
    struct op_aggregate_spec spec = {NULL, 0, &count, 1, &window, 0};
    struct vec_columns columns = {0};
    struct vec_batch in = {0};
    struct op_info info[2];
    struct state *memory;
    struct op_graph *graph;
    struct op *leaf, *root;
    struct err err = {0};

    (void)state;
    run("SELECT make_timestamp(t * 1000000) AS ts FROM (VALUES (5), (12), (9)) v(t)", NULL, NULL,
        &columns, &in);
    OK(state_new(&memory, &(struct state_options){0}, &err));
    OK(op_graph_new(&graph, &(struct op_graph_options){conn, memory}, &err));
    OK(op_leaf_new(&leaf, graph, &columns, &err));
    OK(op_aggregate_new(&root, leaf, &spec, &err));
    OK(op_graph_rows(leaf, &in, &err));
    OK(op_graph_mark(leaf, 9998, &err));
    assert_int_equal(op_graph_out(graph)->rows, 0);
    OK(op_graph_mark(leaf, 9999, &err));
    assert_int_equal(op_graph_out(graph)->rows, 1);
    vec_batch_clear(op_graph_out(graph));
    OK(op_graph_rows(leaf, &in, &err));
    OK(op_graph_mark(leaf, OP_TIME_MAX, &err));
    assert_int_equal(op_graph_out(graph)->rows, 1);
    assert_int_equal(op_graph_info(graph, info, 2), 2);
    assert_int_equal(info[0].late, 2);
    op_graph_free(graph);
    state_free(memory);
    vec_batch_deinit(&in);
    vec_columns_free(&columns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_aggregate_ends_as_group_by),
        cmocka_unit_test(an_aggregate_of_all_rows_is_one_row),
        cmocka_unit_test(distinct_counts_a_value_once),
        cmocka_unit_test(rows_that_are_taken_back_do_not_count),
        cmocka_unit_test(tumbling_windows_come_once_and_whole),
        cmocka_unit_test(hopping_windows_overlap),
        cmocka_unit_test(cumulating_windows_grow),
        cmocka_unit_test(late_rows_are_dropped_and_counted),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
