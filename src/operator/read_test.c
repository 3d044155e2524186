/* read_test.c - what operators say that they remember is what their rows were. */
#include "operator/test_stream.h"

struct seen {
    struct vec_columns columns;
    struct vec_batch rows;
};

/* Takes the chunks: they are looked at when all have come. */
static int take_rows(void *arg, struct vec_batch *rows, struct err *err)
{
    struct seen *seen = arg;

    (void)err;
    for (size_t i = 0; i < rows->count; i++)
        if (vec_batch_add(&seen->rows, rows->chunks[i]))
            return ERR_NOMEM;
    seen->rows.rows += rows->rows;
    rows->count = 0;
    rows->rows = 0;
    return 0;
}

/* The rows of the view of that name, as SQL over v0, v1, ... gives them, sorted. */
static void expect_state(struct op_graph *graph, const char *name, const char *select,
                         const char *text)
{
    struct op_view views[8];
    size_t count = op_graph_views(graph, views, COUNT_OF(views)), at = 0;
    struct seen seen = {0};
    struct buf got = {0};
    struct err err = {0};

    while (at < count && strcmp(views[at].name, name) != 0)
        at++;
    if (at == count)
        fail_msg("no table %s", name);
    OK(op_view_columns(graph, &views[at], &seen.columns, &err));
    OK(op_graph_read(graph, &views[at], take_rows, &seen, &err));
    text_of(select, &seen.columns, &seen.rows, &got);
    assert_string_equal((const char *)got.ptr, text);
    buf_deinit(&got);
    vec_batch_deinit(&seen.rows);
    vec_columns_free(&seen.columns);
}

#define EVENTS                                                                                     \
    "SELECT 'k' || i % 2 AS k, i::INTEGER AS v, TIMESTAMP '2024-01-01' + INTERVAL 1 SECOND * "     \
    "(i * 10)::BIGINT AS ts FROM range(6) t(i)"

struct one {
    struct state *state;
    struct op_graph *graph;
    struct op *leaves[2];
    struct vec_columns columns;
    struct vec_batch rows;
};

static void one_begin(struct one *o, const char *events)
{
    struct err err = {0};

    *o = (struct one){0};
    run(events, NULL, NULL, &o->columns, &o->rows);
    OK(state_new(&o->state, &(struct state_options){.clock = clock_system()}, &err));
    OK(op_graph_new(&o->graph, &(struct op_graph_options){conn, o->state}, &err));
    for (int i = 0; i < 2; i++)
        OK(op_leaf_new(&o->leaves[i], o->graph, &o->columns, &err));
}

static void feed(struct one *o, int leaf)
{
    struct err err = {0};

    OK(op_graph_rows(o->leaves[leaf], &o->rows, &err));
    vec_batch_clear(op_graph_out(o->graph)); /* as whoever takes it does */
}

static void one_end(struct one *o)
{
    op_graph_free(o->graph);
    state_free(o->state);
    vec_batch_deinit(&o->rows);
    vec_columns_free(&o->columns);
}

static const struct op_call sum = {OP_SUM, 1, -1};

static void an_aggregate_shows_its_keys_and_calls(void **state)
{
    struct op_aggregate_spec spec = {(size_t[]){0}, 1, &sum, 1, NULL, -1};
    struct err err = {0};
    struct op *root;
    struct one o;

    (void)state;
    one_begin(&o, EVENTS);
    OK(op_aggregate_new(&root, o.leaves[0], &spec, &err));
    expect_state(o.graph, "aggregate_2", "SELECT * FROM feed", "");
    feed(&o, 0);
    expect_state(o.graph, "aggregate_2", "SELECT * FROM feed", "(k0, 6)\n(k1, 9)\n");
    feed(&o, 0);
    expect_state(o.graph, "aggregate_2", "SELECT * FROM feed", "(k0, 12)\n(k1, 18)\n");
    one_end(&o);
}

static void a_session_shows_where_it_begins_and_ends(void **state)
{
    struct op_window window = {.kind = OP_SESSION, .size = 25000};
    struct op_aggregate_spec spec = {(size_t[]){0}, 1, &sum, 1, &window, 2};
    struct err err = {0};
    struct op *root;
    struct one o;

    (void)state;
    one_begin(&o, EVENTS);
    OK(op_aggregate_new(&root, o.leaves[0], &spec, &err));
    feed(&o, 0);
    expect_state(o.graph, "session_aggregate_2",
                 "SELECT v0, v1, strftime(v2, '%H:%M:%S'), strftime(v3, '%H:%M:%S') FROM feed",
                 "(k0, 6, '00:00:00', '00:01:05')\n(k1, 9, '00:00:10', '00:01:15')\n");
    one_end(&o);
}

static void a_join_shows_both_sides_and_sets_how_often(void **state)
{
    struct op_join_spec join = {.kind = OP_LEFT,
                                .time = OP_REGULAR,
                                .left_keys = (size_t[]){0},
                                .right_keys = (size_t[]){0},
                                .key_count = 1};
    struct op_sets_spec sets = {.except = true, .all = true};
    struct err err = {0};
    struct op *root;
    struct one o;

    (void)state;
    one_begin(&o, EVENTS);
    OK(op_join_new(&root, o.leaves[0], o.leaves[1], &join, &err));
    feed(&o, 0);
    feed(&o, 0);
    feed(&o, 1);
    expect_state(o.graph, "join_2_left", "SELECT count(*), sum(v1), min(v3), max(v3) FROM feed",
                 "(6, 15, 2, 2)\n");
    expect_state(o.graph, "join_2_right", "SELECT count(*), sum(v1), min(v3), max(v3) FROM feed",
                 "(6, 15, 1, 1)\n");
    one_end(&o);
    one_begin(&o, EVENTS);
    OK(op_sets_new(&root, o.leaves[0], o.leaves[1], &sets, &err));
    feed(&o, 0);
    feed(&o, 0);
    feed(&o, 1);
    expect_state(o.graph, "set_operation_2", "SELECT count(*), min(v3), max(v4) FROM feed",
                 "(6, 2, 1)\n");
    one_end(&o);
}

static void rows_that_wait_and_rows_that_rank_are_shown(void **state)
{
    struct op_order order = {1, true, false};
    struct op_sort_spec sort = {2, &order, 1};
    struct op_rank_spec rank = {.keys = (size_t[]){0},
                                .key_count = 1,
                                .order = &order,
                                .order_count = 1,
                                .from = 1,
                                .to = 2,
                                .window_end = -1};
    struct err err = {0};
    struct op *root;
    struct one o;

    (void)state;
    one_begin(&o, EVENTS);
    OK(op_sort_new(&root, o.leaves[0], &sort, &err));
    feed(&o, 0);
    OK(op_graph_mark(o.leaves[0], 1704067230000, &err)); /* 30 s: four rows have gone */
    expect_state(o.graph, "sort_2", "SELECT v1, strftime(v3, '%S') FROM feed",
                 "(4, 40)\n(5, 50)\n");
    one_end(&o);
    one_begin(&o, EVENTS);
    OK(op_rank_new(&root, o.leaves[0], &rank, &err));
    feed(&o, 0);
    expect_state(o.graph, "top_rows_2", "SELECT v0, v1, v3 FROM feed",
                 "(k0, 2, 2)\n(k0, 4, 1)\n(k1, 3, 2)\n(k1, 5, 1)\n");
    one_end(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_aggregate_shows_its_keys_and_calls),
        cmocka_unit_test(a_session_shows_where_it_begins_and_ends),
        cmocka_unit_test(a_join_shows_both_sides_and_sets_how_often),
        cmocka_unit_test(rows_that_wait_and_rows_that_rank_are_shown),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
