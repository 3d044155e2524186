/* shards_test.c - what shards add to the operators in them: rows that move between them, keys that
 * have most rows, and what is shown. That they give what one operator gives is tested with each
 * operator (test_stream.h). */
#include "operator/test_stream.h"

#define SHARDS 4

struct shards {
    struct state *states[1 + SHARDS];
    struct op_shard list[SHARDS];
    struct team *team;
    struct op_graph *graph;
    struct op *leaf, *other, *root;
    struct vec_columns columns;
    struct vec_batch out; /* all that came out, in order */
};

/* Two inputs of (id, k, $row_kind), joined by k: the left's rows that have a match. */
static int make_semi(void *arg, struct op_graph *graph, struct op *const *leaves, struct err *err)
{
    static const size_t key[] = {1};
    struct op_join_spec spec = {
        .kind = OP_SEMI, .left_keys = key, .right_keys = key, .key_count = 1};
    struct op *root;

    (void)arg, (void)graph;
    return op_join_new(&root, leaves[0], leaves[1], &spec, err);
}

static int make_count(void *arg, struct op_graph *graph, struct op *const *leaves, struct err *err)
{
    static const size_t key[] = {1};
    static const struct op_call calls[] = {{OP_COUNT, -1, -1}};
    struct op_aggregate_spec spec = {.keys = key, .key_count = 1, .calls = calls, .call_count = 1};
    struct op *root;

    (void)arg, (void)graph;
    return op_aggregate_new(&root, leaves[0], &spec, err);
}

static void open_shards(struct shards *s, size_t inputs, op_shard_make_fn *make)
{
    static const size_t key[] = {1};
    static const struct op_shard_keys keys[] = {{key, 1}, {key, 1}};
    struct state_options memory = {.clock = clock_system()};
    struct op_graph_options options = {.conn = conn, .shards = s->list, .shard_count = SHARDS};
    struct vec_batch none = {0};
    struct err err = {0};

    for (size_t i = 0; i <= SHARDS; i++) {
        OK(state_new(&s->states[i], &memory, &err));
        if (!i)
            continue;
        s->list[i - 1].state = s->states[i];
        OK(vec_conn_new(&s->list[i - 1].conn, db, &err));
    }
    OK(team_new(&s->team, "test", 3, &err));
    options.state = s->states[0];
    options.team = s->team;
    options.clock = clock_system();
    OK(op_graph_new(&s->graph, &options, &err));
    run("SELECT 0 AS id, 0 AS k, 0::UTINYINT AS \"$row_kind\" WHERE false", NULL, NULL, &s->columns,
        &none);
    OK(op_leaf_new(&s->leaf, s->graph, &s->columns, &err));
    if (inputs == 2)
        OK(op_leaf_new(&s->other, s->graph, &s->columns, &err));
    OK(op_shards_new(&s->root, (struct op *[]){s->leaf, s->other}, keys, inputs, make, NULL, &err));
    vec_batch_deinit(&none);
}

static void close_shards(struct shards *s)
{
    op_graph_free(s->graph);
    team_free(s->team);
    for (size_t i = 0; i <= SHARDS; i++)
        state_free(s->states[i]);
    for (size_t i = 0; i < SHARDS; i++)
        vec_conn_free(s->list[i].conn);
    vec_columns_free(&s->columns);
    vec_batch_deinit(&s->out);
}

/* One batch of rows; `one`: with chunks of its own for each query that is joined by UNION ALL. */
static void give(struct shards *s, struct op *leaf, const char *select)
{
    struct vec_batch rows = {0};
    struct err err = {0};

    run(select, NULL, NULL, NULL, &rows);
    OK(op_graph_rows(leaf, &rows, &err));
    assert_int_equal(vec_batch_move(&s->out, op_graph_out(s->graph)), 0);
    op_graph_rest(s->graph); /* what the next batch needs it makes again */
    vec_batch_deinit(&rows);
}

/* What a table by `id` holds that takes every change as the last word on its row's id. */
static void table_is(struct shards *s, const char *want)
{
    struct buf got = {0}, wanted = {0};

    text_of("SELECT id, k FROM (SELECT *, row_number() OVER (PARTITION BY id ORDER BY n DESC) AS r "
            "FROM (SELECT c0 AS id, c1 AS k, \"$row_kind\", row_number() OVER () AS n FROM feed)) "
            "WHERE r = 1 AND \"$row_kind\" IN (0, 2)",
            op_graph_columns(s->graph), &s->out, &got);
    text_of(want, NULL, NULL, &wanted);
    assert_string_equal(buf_cstr(&got), buf_cstr(&wanted));
    buf_deinit(&got);
    buf_deinit(&wanted);
}

/* Goal: a row whose key changes leaves one shard and comes to another, and a sink by another key
 * has it in the end. Method: every id moves by 1, several times, in batches of all of them. */
static void rows_that_move_between_shards_are_there_in_the_end(void **state)
{
    struct shards s = {0};

    (void)state;
    open_shards(&s, 2, make_semi);
    give(&s, s.other, "SELECT 0::INTEGER, i::INTEGER, 0::UTINYINT FROM range(60) t(i)");
    give(&s, s.leaf, "SELECT i::INTEGER, (i % 50)::INTEGER, 0::UTINYINT FROM range(1500) t(i)");
    for (int by = 0; by < 20; by++) {
        char sql[400], want[200];

        snprintf(sql, sizeof(sql),
                 "SELECT i::INTEGER, ((i + %d + u) %% 50)::INTEGER, (1 + u)::UTINYINT FROM "
                 "range(1500) t(i), range(2) v(u) ORDER BY i, u",
                 by);
        give(&s, s.leaf, sql);
        snprintf(want, sizeof(want),
                 "SELECT i::INTEGER, ((i + %d + 1) %% 50)::INTEGER FROM range(1500) t(i)", by);
        table_is(&s, want);
    }
    close_shards(&s);
}

/* A row that comes and goes within a batch is no change, one that only goes is one. */
static void a_batch_is_summed_up_per_row(void **state)
{
    struct shards s = {0};
    struct buf got = {0};

    (void)state;
    open_shards(&s, 2, make_semi);
    give(&s, s.other, "SELECT 0::INTEGER, i::INTEGER, 0::UTINYINT FROM range(9) t(i)");
    give(&s, s.leaf, "SELECT 1, i::INTEGER, 0::UTINYINT FROM range(9) t(i)");
    vec_batch_clear(&s.out);
    give(&s, s.leaf,
         "SELECT id::INTEGER, k::INTEGER, kind::UTINYINT FROM (VALUES (2, 5, 0), (1, 5, 3), "
         "(2, 5, 3), (3, 6, 0), (3, 6, 0), (3, 6, 1), (1, 7, 1), (1, 7, 2)) t(id, k, kind)");
    text_of("SELECT * FROM feed", op_graph_columns(s.graph), &s.out, &got);
    assert_string_equal(buf_cstr(&got), "(1, 5, 3)\n(3, 6, 0)\n");
    buf_deinit(&got);
    close_shards(&s);
}

/* Goal: a key with half of all rows costs time and nothing else. */
static void a_key_with_half_of_all_rows_is_counted(void **state)
{
    struct shards s = {0};
    struct op_info info[8];
    struct buf got = {0};

    (void)state;
    open_shards(&s, 1, make_count);
    for (int n = 0; n < 5; n++)
        give(&s, s.leaf,
             "SELECT i::INTEGER, CASE WHEN i % 2 = 0 THEN 7 ELSE 1000 + i % 100 END::INTEGER, "
             "0::UTINYINT FROM range(4000) t(i)");
    text_of("SELECT count(*), min(c1), max(c1) FROM (SELECT c0, arg_max(c1, n) AS c1 FROM (SELECT "
            "*, row_number() OVER () AS n FROM feed) WHERE \"$row_kind\" IN (0, 2) GROUP BY c0)",
            op_graph_columns(s.graph), &s.out, &got);
    assert_string_equal(buf_cstr(&got), "(51, 200, 10000)\n");
    assert_int_equal(op_graph_info(s.graph, info, COUNT_OF(info)), 2);
    assert_string_equal(info[0].name, "aggregate");
    assert_int_equal(info[0].shards, SHARDS);
    assert_int_equal(info[0].rows_in, 20000);
    assert_int_equal(info[0].number, 1);
    assert_int_equal(info[0].above, -1);
    assert_int_equal(info[1].above, 1);
    assert_int_equal(info[1].shards, 1);
    buf_deinit(&got);
    close_shards(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_that_move_between_shards_are_there_in_the_end),
        cmocka_unit_test(a_batch_is_summed_up_per_row),
        cmocka_unit_test(a_key_with_half_of_all_rows_is_counted),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
