/* test_stream.h - for tests: SQL gives the inputs of a graph, which are cut into random batches,
 * with deaths and reloads on the way; what comes out is compared with SQL over all of the inputs.
 *
 * An input's last column is `i`, the order of its rows, which operators do not see; $row_kind is
 * before it when the rows are changes. Its watermark goes `delay_ms` behind its column `ts`.
 */
#ifndef OPERATOR_TEST_STREAM_H
#define OPERATOR_TEST_STREAM_H

#include "base/disk_sim.h"
#include "base/team.h"
#include "operator/shards.h"
#include "operator/test_sql.h"

#define INPUTS_MAX 2
#define SHARDS_MAX 4

struct test_plan {
    const char *inputs[INPUTS_MAX];
    int64_t delay_ms[INPUTS_MAX]; /* -1: no watermarks */
    int (*build)(struct op **leaves, struct op **root, void *arg, struct err *err);
    void *arg;
    int64_t batch; /* the largest; 0: 400 rows */
    bool forgets;  /* at the end no row is left in state */
    /* Then it is streamed through 1 to SHARDS_MAX shards too, on as many threads. */
    struct op_shard_keys keys[INPUTS_MAX];
};

struct test_input {
    struct vec_columns columns, seen; /* seen: by operators */
    struct vec_batch rows;
    bool timed;
};

struct test_saved {
    char manifest[1 + SHARDS_MAX][4000];
    int64_t next[INPUTS_MAX], marks[INPUTS_MAX];
    size_t out; /* chunks */
};

struct test_life {
    struct state *states[1 + SHARDS_MAX]; /* the graph's, and of each shard */
    struct op_shard shards[SHARDS_MAX];
    size_t shard_count;
    struct team *team;
    struct op_graph *graph;
    struct op *leaves[INPUTS_MAX], *root;
    struct disk_sim *sim;
    int64_t next[INPUTS_MAX], marks[INPUTS_MAX];
    struct test_saved sealed; /* on its way to the disk */
    bool sealing;
};

struct test_shards {
    const struct test_plan *plan;
    struct test_life *life;
};

static int build_shard(void *arg, struct op_graph *graph, struct op *const *leaves, struct err *err)
{
    struct test_shards *s = arg;
    struct op *own[INPUTS_MAX] = {NULL}, *root;

    (void)graph;
    for (int n = 0; n < INPUTS_MAX && s->plan->inputs[n]; n++)
        own[n] = leaves[n];
    return s->plan->build(own, &root, s->plan->arg, err);
}

static void begin(struct test_life *life, const struct test_plan *plan,
                  const struct test_input *inputs, char (*manifests)[4000])
{
    struct op_graph_options graph = {
        .conn = conn, .shards = life->shards, .shard_count = life->shard_count, .team = life->team};
    struct err err = {0};
    size_t count = 0;

    for (size_t i = 0; i <= life->shard_count; i++) {
        char dir[20];

        snprintf(dir, sizeof(dir), i ? "state.%zu" : "state", i);
        OK(state_new(&life->states[i],
                     &(struct state_options){disk_sim_disk(life->sim), clock_system(), dir, 4096},
                     &err));
        if (i) {
            OK(vec_conn_new(&life->shards[i - 1].conn, db, &err));
            life->shards[i - 1].state = life->states[i];
        }
    }
    graph.state = life->states[0];
    OK(op_graph_new(&life->graph, &graph, &err));
    for (; count < INPUTS_MAX && plan->inputs[count]; count++)
        OK(op_leaf_new(&life->leaves[count], life->graph, &inputs[count].seen, &err));
    if (life->shard_count)
        OK(op_shards_new(&life->root, life->leaves, plan->keys, count, build_shard,
                         &(struct test_shards){plan, life}, &err));
    else
        OK(plan->build(life->leaves, &life->root, plan->arg, &err));
    for (size_t i = 0; i <= life->shard_count; i++)
        OK(state_load(life->states[i], manifests && manifests[i][0] ? manifests[i] : NULL, &err));
    OK(op_graph_load(life->graph, &err));
}

static void end(struct test_life *life)
{
    op_graph_free(life->graph);
    for (size_t i = 0; i <= life->shard_count; i++) {
        state_free(life->states[i]);
        if (i)
            vec_conn_free(life->shards[i - 1].conn);
    }
}

static void keep(struct test_life *life, struct vec_batch *out)
{
    struct vec_batch *rows = op_graph_out(life->graph);

    for (size_t i = 0; i < rows->count; i++)
        assert_int_equal(vec_batch_add(out, rows->chunks[i]), 0);
    rows->count = 0;
    rows->rows = 0;
}

/* Seals an epoch now; its files are written beside the work that follows. */
static void seal(struct test_life *life, size_t out, int64_t epoch)
{
    struct err err = {0};

    for (size_t i = 0; i <= life->shard_count; i++)
        OK(state_seal(life->states[i], epoch, &err));
    memcpy(life->sealed.next, life->next, sizeof(life->next));
    memcpy(life->sealed.marks, life->marks, sizeof(life->marks));
    life->sealed.out = out;
    life->sealing = true;
}

/* A slice of that work, or all of it; the epoch is true when it is done. */
static void flush(struct test_life *life, struct test_saved *saved, int64_t budget_ns)
{
    struct arena arena = {0};
    const char *json;
    struct err err = {0};
    bool all = true;

    if (!life->sealing)
        return;
    for (size_t i = 0; i <= life->shard_count; i++) {
        bool done = false;

        OK(state_flush(life->states[i], budget_ns, &done, &err));
        all &= done;
    }
    if (!all)
        return;
    for (size_t i = 0; i <= life->shard_count; i++) {
        OK(state_manifest(life->states[i], &arena, &json, &err));
        snprintf(life->sealed.manifest[i], sizeof(life->sealed.manifest[i]), "%s", json);
        state_committed(life->states[i]);
    }
    *saved = life->sealed;
    life->sealing = false;
    arena_deinit(&arena);
}

static void die(struct test_life *life, const struct test_plan *plan,
                const struct test_input *inputs, const struct test_saved *saved,
                struct vec_batch *out)
{
    struct test_saved last = *saved;

    end(life);
    life->sealing = false;
    disk_sim_power_loss(life->sim);
    disk_sim_reboot(life->sim);
    while (out->count > saved->out) {
        out->rows -= (int64_t)duckdb_data_chunk_get_size(out->chunks[out->count - 1]);
        duckdb_destroy_data_chunk(&out->chunks[--out->count]);
    }
    memcpy(life->next, saved->next, sizeof(saved->next));
    memcpy(life->marks, saved->marks, sizeof(saved->marks));
    begin(life, plan, inputs, last.manifest);
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

/* Rows [from, from + len) of an input, and the watermark behind them. */
static void step(struct test_life *life, const struct test_plan *plan,
                 const struct test_input *input, int n, int64_t len, struct vec_batch *out)
{
    struct vec_batch batch = {0};
    struct err err = {0};
    char sql[200];
    int64_t mark;

    snprintf(sql, sizeof(sql),
             "SELECT * EXCLUDE (i) FROM feed WHERE i >= %" PRId64 " AND i < %" PRId64 " ORDER BY i",
             life->next[n], life->next[n] + len);
    run(sql, &input->columns, &input->rows, NULL, &batch);
    OK(op_graph_rows(life->leaves[n], &batch, &err));
    keep(life, out);
    if (plan->delay_ms[n] >= 0) {
        mark = highest_ms(&input->seen, &batch) - plan->delay_ms[n];
        life->marks[n] = mark > life->marks[n] ? mark : life->marks[n];
        OK(op_graph_mark(life->leaves[n], life->marks[n], &err));
        keep(life, out);
    }
    vec_batch_deinit(&batch);
    life->next[n] += len;
}

static void stream(const struct test_plan *plan, const struct test_input *inputs, uint64_t seed,
                   size_t shards, struct vec_columns *out_columns, struct vec_batch *out)
{
    struct test_saved saved = {.marks = {OP_TIME_MIN, OP_TIME_MIN}};
    struct test_life life = {.marks = {OP_TIME_MIN, OP_TIME_MIN}, .shard_count = shards};
    bool dies = seed > 1;
    struct state_info info;
    int64_t epoch = 0;
    struct err err = {0};
    struct rng rng;

    rng_init(&rng, seed);
    OK(disk_sim_new(&life.sim, seed, &err));
    if (shards)
        OK(team_new(&life.team, "shards", (int)shards, &err));
    begin(&life, plan, inputs, NULL);
    for (;;) {
        int n = plan->inputs[1] ? (int)rng_below(&rng, 2) : 0;
        int64_t len = 1 + (int64_t)rng_below(&rng, plan->batch ? (uint64_t)plan->batch : 400);

        if (life.next[n] >= inputs[n].rows.rows && plan->inputs[1])
            n = !n;
        if (life.next[n] >= inputs[n].rows.rows)
            break;
        step(&life, plan, &inputs[n], n, len, out);
        if (rng_below(&rng, 4) == 0)
            op_graph_rest(life.graph);
        flush(&life, &saved, rng_below(&rng, 3) == 0 ? INT64_MAX : 1);
        if (dies && !life.sealing && rng_below(&rng, 3) == 0)
            seal(&life, out->count, ++epoch);
        if (dies && rng_below(&rng, 5) == 0)
            die(&life, plan, inputs, &saved, out);
    }
    for (int n = 0; n < INPUTS_MAX && plan->inputs[n]; n++) {
        OK(op_graph_mark(life.leaves[n], OP_TIME_MAX, &err));
        keep(&life, out);
    }
    assert_int_equal(vec_columns_copy(out_columns, op_graph_columns(life.graph)), 0);
    for (size_t i = 0; i <= shards && plan->forgets; i++) {
        state_info(life.states[i], &info);
        assert_true(info.entries <= 2); /* how far it has come */
    }
    end(&life);
    team_free(life.team);
    disk_sim_free(life.sim);
}

/* Rows of `select` into leaf `n`, at a time of the clock; what comes out is sorted text. */
struct test_graph {
    struct state *state;
    struct op_graph *graph;
    struct op *leaves[INPUTS_MAX], *root;
    struct vec_columns columns[INPUTS_MAX];
};

static inline void graph_begin(struct test_graph *g, const char *const *selects)
{
    struct vec_batch none = {0};
    struct err err = {0};

    *g = (struct test_graph){0};
    OK(state_new(&g->state, &(struct state_options){.clock = clock_system()}, &err));
    OK(op_graph_new(&g->graph, &(struct op_graph_options){conn, g->state}, &err));
    for (int n = 0; n < INPUTS_MAX && selects[n]; n++) {
        run(selects[n], NULL, NULL, &g->columns[n], &none);
        vec_batch_clear(&none);
        OK(op_leaf_new(&g->leaves[n], g->graph, &g->columns[n], &err));
    }
    vec_batch_deinit(&none);
}

static inline void graph_gives(struct test_graph *g, int64_t now_ms, int n, const char *select,
                               const char *want)
{
    struct vec_batch rows = {0};
    struct buf got = {0};
    struct err err = {0};

    vec_batch_clear(op_graph_out(g->graph));
    OK(op_graph_clock(g->graph, now_ms, &err));
    if (select) {
        run(select, NULL, NULL, NULL, &rows);
        OK(op_graph_rows(g->leaves[n], &rows, &err));
    }
    if (op_graph_out(g->graph)->rows)
        text_of("SELECT * FROM feed", op_graph_columns(g->graph), op_graph_out(g->graph), &got);
    assert_string_equal(got.len ? buf_cstr(&got) : "", want);
    vec_batch_deinit(&rows);
    buf_deinit(&got);
}

static inline void graph_end(struct test_graph *g)
{
    op_graph_free(g->graph);
    state_free(g->state);
    for (int n = 0; n < INPUTS_MAX; n++)
        vec_columns_free(&g->columns[n]);
}

/* A change stream never takes back what it did not give before. */
static void check_whole(const struct vec_columns *columns, const struct vec_batch *out,
                        uint64_t seed)
{
    struct vec_batch bad = {0};

    run("SELECT * FROM (SELECT t, n, sum(s) OVER (PARTITION BY t ORDER BY n ROWS UNBOUNDED "
        "PRECEDING) AS live FROM (SELECT CAST(row(*COLUMNS(* EXCLUDE (\"$row_kind\", n))) AS "
        "VARCHAR) AS t, n, CASE WHEN \"$row_kind\" IN (0, 2) THEN 1 ELSE -1 END AS s FROM (SELECT "
        "*, row_number() OVER () AS n FROM feed))) WHERE live < 0",
        columns, out, NULL, &bad);
    if (bad.rows)
        fail_msg("seed %d: %d rows are taken back that were not given", (int)seed, (int)bad.rows);
    vec_batch_deinit(&bad);
}

/* How many ways a test is run: OPERATOR_SEEDS, for longer searches. */
static uint64_t seed_count(void)
{
    const char *text = getenv("OPERATOR_SEEDS");

    return text ? strtoull(text, NULL, 10) : 3;
}

static void stream_like(const struct test_plan *plan, const struct test_input *inputs,
                        uint64_t seed, size_t shards, const char *streamed, const struct buf *want)
{
    struct vec_columns columns = {0};
    struct vec_batch out = {0};
    struct buf got = {0};

    stream(plan, inputs, seed, shards, &columns, &out);
    if (!strcmp(columns.list[columns.count - 1].name, OP_KIND))
        check_whole(&columns, &out, seed);
    text_of(streamed, &columns, &out, &got);
    if (!slice_eq(buf_slice(want), buf_slice(&got)))
        fail_msg("seed %d, %d shards\n%.3000s\nis not\n%.3000s", (int)seed, (int)shards,
                 (char *)got.ptr, (char *)want->ptr);
    vec_batch_deinit(&out);
    vec_columns_free(&columns);
    buf_deinit(&got);
}

/* Streams the inputs in several ways; `streamed` over what comes out is `batch`, which stands
 * alone, over them all: it reads the inputs as l and r. */
static inline void compare(const struct test_plan *plan, const char *streamed, const char *batch)
{
    struct test_input inputs[INPUTS_MAX] = {0};
    struct buf want = {0}, sql = {0};

    for (int n = 0; n < INPUTS_MAX && plan->inputs[n]; n++) {
        struct vec_batch none = {0};

        run(plan->inputs[n], NULL, NULL, &inputs[n].columns, &inputs[n].rows);
        run("SELECT * EXCLUDE (i) FROM feed WHERE false", &inputs[n].columns, &none,
            &inputs[n].seen, &none);
        vec_batch_deinit(&none);
    }
    assert_int_equal(buf_printf(&sql, "WITH l AS MATERIALIZED (%s), r AS MATERIALIZED (%s) %s",
                                plan->inputs[0], plan->inputs[1] ? plan->inputs[1] : "SELECT 1",
                                batch),
                     0);
    text_of(buf_cstr(&sql), NULL, NULL, &want);
    assert_true(want.len > 100);
    for (uint64_t seed = 1; seed <= seed_count(); seed++) {
        stream_like(plan, inputs, seed, 0, streamed, &want);
        if (plan->keys[0].count)
            stream_like(plan, inputs, seed, 1 + seed % SHARDS_MAX, streamed, &want);
    }
    buf_deinit(&want);
    buf_deinit(&sql);
    for (int n = 0; n < INPUTS_MAX; n++) {
        vec_batch_deinit(&inputs[n].rows);
        vec_columns_free(&inputs[n].columns);
        vec_columns_free(&inputs[n].seen);
    }
}

/* What is left of a change stream, each row with how often it is there. */
#define NET                                                                                        \
    "SELECT * EXCLUDE (\"$row_kind\"), sum(CASE WHEN \"$row_kind\" IN (0, 2) THEN 1 ELSE -1 "      \
    "END)::BIGINT AS n FROM feed GROUP BY ALL HAVING n <> 0"
/* What is left of the changes of l or r, of columns that are not `columns`. */
#define LIVE(table)                                                                                \
    "(SELECT * EXCLUDE (i, \"$row_kind\", c, g) FROM (SELECT *, unnest(range(c)) AS g FROM "       \
    "(SELECT * EXCLUDE (i, \"$row_kind\"), 0 AS \"$row_kind\", 0 AS i, sum(CASE WHEN "             \
    "\"$row_kind\" IN (0, 2) THEN 1 ELSE -1 END)::BIGINT AS c FROM " table                         \
    " GROUP BY ALL HAVING c > 0)))"

#endif
