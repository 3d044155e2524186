/* over.c - OVER: each row with aggregates over a frame of the rows before it and itself.
 *
 * Rows wait until the watermark passes them (by processing time they do not), then fire in the
 * order of time. The aggregates are those of aggregate.c: a row that enters the frame is added to
 * its partition's group, one that leaves it is taken back, and what the group then says is the
 * row's. A frame that begins with the first row keeps nothing but the group; another one keeps the
 * arguments of its rows, in the order of time.
 *
 * Rounds. Groups take rows by the chunk, but a row's result is what the group is right behind it.
 * So the rows that fire together are dealt to rounds, a row of each partition in each; RANGE gives
 * all rows of one time and partition in one round, since they are in each other's frame.
 *
 * A partition whose frame is in time and has become empty is forgotten: one timer waits per
 * partition, and finds out when it fires whether rows have come since.
 */
#include <stdio.h>

#include "operator/over.h"

struct over {
    struct op op;
    struct op_over_spec spec; /* its arrays are not kept */
    struct agg agg;           /* a shell: its op is in no graph */
    bool bounded;
    struct vec_codec *key_codec, *row_codec, *arg_codec;
    duckdb_data_chunk chunk;  /* of these columns: the arguments of a round */
    struct vec_columns input; /* of the shell: the input's columns, and kinds when bounded */
    size_t *arg_columns, arg_count, column_count;
    int *arg_to;  /* where an argument goes in a chunk of the input's columns */
    size_t *from; /* per call: its column in agg's output, or of the specials */
    bool *special;
    size_t call_count;
    size_t *shown; /* to those who read the state: keys, then calls of the shell */
    struct over_specials specials;
    struct vec_rows keys, rows, args;
    struct waiting waiting, timers;
    struct state_table *parts, *frames, *progress;
    struct ordered frame;
    struct buf payload;
    int64_t passed, next;
    struct arena arena; /* of a batch, as is all below */
    struct over_row *list, **sorted;
    size_t count, cap;
    struct slice *events; /* of a round: arguments, and whose they are */
    struct over_row **whose;
    int8_t *signs;
    size_t event_count, event_cap;
};

static int no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "OVER");
}

/* ---- the frame of a partition ---- */

static void frame_key(int64_t ms, int64_t number, uint8_t out[16])
{
    order_put_i64(out, ms);
    order_put_i64(out + 8, number);
}

static int add_event(struct over *o, struct over_row *row, struct slice args, int sign,
                     struct err *err)
{
    if (o->event_count == o->event_cap) {
        size_t cap = o->event_cap ? o->event_cap * 2 : 1024;
        struct slice *events = realloc(o->events, cap * sizeof(*events));
        struct over_row **whose = realloc(o->whose, cap * sizeof(*whose));
        int8_t *signs = realloc(o->signs, cap);

        o->events = events ? events : o->events;
        o->whose = whose ? whose : o->whose;
        o->signs = signs ? signs : o->signs;
        if (!events || !whose || !signs)
            return no_memory(err);
        o->event_cap = cap;
    }
    o->events[o->event_count] = args;
    o->whose[o->event_count] = row;
    o->signs[o->event_count++] = (int8_t)sign;
    return 0;
}

/* Is the first item of the frame outside of it when this row is in it? */
static bool leaves(const struct over *o, const struct over_row *row, struct slice item)
{
    if (o->spec.rows)
        return row->part->in_frame > o->spec.before;
    return order_get_i64(item.ptr) < row->ms - o->spec.before;
}

static int evict(struct over *o, struct over_row *row, struct err *err)
{
    int rc = ordered_at(&o->frame, o->frames, 0, row->key, 0, 0, err);

    while (!rc && row->part->in_frame > 0) {
        struct ordered_walk walk;
        struct ordered_item item;
        uint8_t key[16];
        struct slice args;

        ordered_first(&walk, &o->frame);
        if (!ordered_next(&walk, &item) || item.key.len != sizeof(key) || !leaves(o, row, item.key))
            break;
        memcpy(key, item.key.ptr, sizeof(key));
        args = arena_slice(&o->arena, item.payload);
        if (!args.ptr)
            return no_memory(err);
        rc = add_event(o, row, args, -1, err);
        if (!rc)
            rc = ordered_remove(&o->frame, slice_of(key, sizeof(key)), err);
        row->part->in_frame--;
    }
    return rc;
}

static int enter(struct over *o, struct over_row *row, struct err *err)
{
    uint8_t key[16];
    int rc = o->bounded ? evict(o, row, err) : 0;

    if (!rc)
        rc = add_event(o, row, row->args, 1, err);
    if (rc || !o->bounded)
        return rc;
    frame_key(row->ms, row->number, key);
    row->part->in_frame++;
    return ordered_set(&o->frame, slice_of(key, sizeof(key)), row->args, err);
}

/* ---- a round ---- */

static void number_row(const struct over_row *row)
{
    struct over_part *part = row->part;

    part->rows++;
    if (part->rows == 1 || part->last_ms != row->ms) {
        part->rank = part->rows;
        part->dense++;
    }
    part->last_ms = row->ms;
}

/* Up to a chunk of the round's events; those that enter have their place in it remembered. */
static int add_events(struct over *o, size_t from, idx_t count, struct err *err)
{
    duckdb_data_chunk chunk = o->chunk;
    int rc = agg_reserve(&o->agg, err);

    duckdb_data_chunk_reset(chunk);
    if (!rc)
        rc = vec_rows_decode(o->arg_codec, o->events + from, count, chunk, o->arg_to, 0, 0, err);
    duckdb_data_chunk_set_size(chunk, count);
    o->agg.keys.count = count;
    for (idx_t i = 0; i < count && !rc; i++) {
        struct over_row *row = o->whose[from + i];

        o->agg.changes[i] = o->signs[from + i];
        o->agg.names[i] = row->key;
        o->agg.at[i] = (uint8_t *)row->group;
        row->group->rows += o->signs[from + i];
    }
    if (!rc)
        rc = agg_add_chunk(&o->agg, chunk, err);
    if (!rc && o->specials.count)
        rc = over_specials_read(&o->specials, chunk, err);
    return rc;
}

static int put_result(struct over *o, struct over_row *row, struct err *err)
{
    struct agg_place place = {&o->agg.store, 0, row->key, row->group};
    struct slice wide;
    int rc = agg_wide(&o->agg, &place, &wide, err);

    return rc ? rc : agg_put(&o->agg, OP_INSERT, row->row, row->group, wide, 0, 0, err);
}

/* LAG needs the arguments of a row where its result is made. */
static int put_specials(struct over *o, size_t from, idx_t count, struct err *err)
{
    int rc = 0;

    for (idx_t i = 0; o->specials.count && i < count && !rc; i++) {
        if (o->signs[from + i] < 0)
            continue;
        number_row(o->whose[from + i]);
        rc = over_specials_put(&o->specials, o->whose[from + i], i, err);
    }
    return rc;
}

static int run_round(struct over *o, struct over_row **rows, size_t count, struct err *err)
{
    int rc = 0;

    o->event_count = 0;
    for (size_t i = 0; i < count && !rc; i++)
        rc = enter(o, rows[i], err);
    for (size_t done = 0; done < o->event_count && !rc; done += vec_chunk_rows()) {
        size_t rest = o->event_count - done;
        idx_t part = rest < vec_chunk_rows() ? rest : vec_chunk_rows();

        rc = add_events(o, done, part, err);
        if (!rc)
            rc = put_specials(o, done, part, err);
    }
    for (size_t i = 0; i < count && !rc; i++)
        rc = put_result(o, rows[i], err);
    return rc ? rc : agg_flush(&o->agg, err);
}

/* ---- rows that fire together ---- */

static int find_part(struct over *o, struct over_row *row, struct err *err)
{
    struct agg_place place = {&o->agg.store, 0, row->key, NULL};
    void *value;
    bool fresh;
    int rc = state_edit(o->parts, &(struct state_key){.key = row->key}, sizeof(*row->part), &value,
                        &fresh, err);

    row->part = value;
    if (!rc)
        rc = agg_find(&o->agg, &place, &fresh, err);
    row->group = place.group;
    return rc;
}

/* By round, and within one in the order they have. */
static int deal(struct over *o, uint32_t *rounds, struct err *err)
{
    size_t *starts;

    *rounds = 0;
    for (size_t i = 0; i < o->count; i++) {
        struct over_row *row = &o->list[i];
        struct over_part *part = row->part;

        if (o->spec.rows || !part->round || part->round_ms != row->ms)
            part->round++;
        part->round_ms = row->ms;
        row->round = part->round - 1;
        if (part->round > *rounds)
            *rounds = part->round;
    }
    starts = calloc(*rounds + 1, sizeof(*starts));
    if (!starts)
        return no_memory(err);
    for (size_t i = 0; i < o->count; i++)
        starts[o->list[i].round + 1]++;
    for (uint32_t r = 1; r <= *rounds; r++)
        starts[r] += starts[r - 1];
    for (size_t i = 0; i < o->count; i++) {
        o->list[i].part->round = 0;
        o->sorted[starts[o->list[i].round]++] = &o->list[i];
    }
    free(starts);
    return 0;
}

static int set_timer(struct over *o, const struct over_row *row, struct err *err)
{
    struct over_part *part = row->part;

    part->last_ms = row->ms;
    if (!o->timers.table || part->timer)
        return 0;
    part->timer = 1;
    return waiting_add(&o->timers, row->ms + o->spec.before, slice_of(NULL, 0), row->key,
                       slice_of("", 0), OP_INSERT, err);
}

/* All of o->list, which is in the order of time. */
static int fire(struct over *o, struct err *err)
{
    uint32_t rounds = 0;
    int rc = 0;

    for (size_t i = 0; i < o->count && !rc; i++)
        rc = find_part(o, &o->list[i], err);
    if (!rc)
        rc = deal(o, &rounds, err);
    for (size_t i = 0, k; i < o->count && !rc; i = k) {
        for (k = i; k < o->count && o->sorted[k]->round == o->sorted[i]->round; k++)
            ;
        rc = run_round(o, o->sorted + i, k - i, err);
    }
    for (size_t i = 0; o->timers.table && i < o->count && !rc; i++)
        rc = set_timer(o, &o->list[i], err);
    o->count = 0;
    arena_reset(&o->arena);
    arena_reset(&o->agg.arena);
    return rc;
}

static int list_row(struct over *o, struct over_row row, struct err *err)
{
    if (o->count == o->cap) {
        size_t cap = o->cap ? o->cap * 2 : 4096;
        struct over_row *list = realloc(o->list, cap * sizeof(*list));
        struct over_row **sorted = realloc(o->sorted, cap * sizeof(*sorted));

        o->list = list ? list : o->list;
        o->sorted = sorted ? sorted : o->sorted;
        if (!list || !sorted)
            return no_memory(err);
        o->cap = cap;
    }
    o->list[o->count++] = row;
    return 0;
}

/* What the aggregates put out, with the other calls between them, as the operator's own. */
static int hand_out(struct over *o, struct err *err)
{
    struct vec_batch *from = &o->agg.op.out;

    for (size_t i = 0; i < from->count; i++) {
        duckdb_data_chunk chunk = vec_chunk_new(&o->op.columns), agg = from->chunks[i];
        idx_t rows = duckdb_data_chunk_get_size(agg);

        if (!chunk)
            return no_memory(err);
        for (size_t c = 0; c < o->column_count + o->call_count; c++) {
            size_t call = c < o->column_count ? 0 : c - o->column_count;
            bool special = c >= o->column_count && o->special[call];
            size_t at = c < o->column_count ? c : o->from[call];

            duckdb_vector_reference_vector(
                duckdb_data_chunk_get_vector(chunk, (idx_t)c),
                duckdb_data_chunk_get_vector(special ? o->specials.out.chunks[i] : agg, (idx_t)at));
        }
        duckdb_data_chunk_set_size(chunk, rows);
        if (vec_batch_add(&o->op.out, chunk)) {
            duckdb_destroy_data_chunk(&chunk);
            return no_memory(err);
        }
    }
    vec_batch_clear(from);
    vec_batch_clear(&o->specials.out);
    return 0;
}

/* ---- rows and time ---- */

static int read_chunk(struct over *o, duckdb_data_chunk chunk, struct err *err)
{
    int rc = vec_rows_encode(o->key_codec, chunk, &o->keys, err);

    if (!rc)
        rc = vec_rows_encode(o->row_codec, chunk, &o->rows, err);
    return rc ? rc : vec_rows_encode(o->arg_codec, chunk, &o->args, err);
}

/* A row waits with its arguments in front of it. */
static int wait_row(struct over *o, idx_t i, int64_t ms, struct err *err)
{
    struct slice args = vec_row(&o->args, i), row = vec_row(&o->rows, i);
    uint32_t len = (uint32_t)args.len;

    buf_clear(&o->payload);
    if (buf_append(&o->payload, &len, sizeof(len)) || buf_append_slice(&o->payload, args) ||
        buf_append_slice(&o->payload, row))
        return no_memory(err);
    return waiting_add(&o->waiting, ms, slice_of(NULL, 0), vec_row(&o->keys, i),
                       buf_slice(&o->payload), OP_INSERT, err);
}

static int timed_rows(struct over *o, duckdb_data_chunk chunk, struct err *err)
{
    duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, (idx_t)o->spec.rowtime);
    const int64_t *micros = duckdb_vector_get_data(vector);
    const uint64_t *validity = duckdb_vector_get_validity(vector);
    int rc = 0;

    for (idx_t i = 0; i < o->rows.count && !rc; i++) {
        if (vec_is_valid(validity, i) && rows_ms(micros[i]) > o->passed)
            rc = wait_row(o, i, rows_ms(micros[i]), err);
        else
            rc = op_late(&o->op, 0, chunk, i, err);
    }
    return rc;
}

static int rows_now(struct over *o, struct err *err)
{
    int64_t clock = o->op.graph->now_ms, now = clock == OP_TIME_MIN ? 0 : clock;
    int rc = 0;

    for (idx_t i = 0; i < o->rows.count && !rc; i++)
        rc = list_row(o,
                      (struct over_row){.ms = now,
                                        .number = o->next++,
                                        .key = vec_row(&o->keys, i),
                                        .args = vec_row(&o->args, i),
                                        .row = vec_row(&o->rows, i)},
                      err);
    return rc ? rc : fire(o, err);
}

static int over_rows(struct op *op, int input, const struct vec_batch *rows, struct err *err)
{
    struct over *o = (struct over *)op;
    int rc = 0;

    (void)input;
    for (size_t c = 0; c < rows->count && !rc; c++) {
        rc = read_chunk(o, rows->chunks[c], err);
        if (!rc)
            rc = o->spec.rowtime >= 0 ? timed_rows(o, rows->chunks[c], err) : rows_now(o, err);
    }
    if (!rc && o->spec.rowtime < 0)
        rc = rows_save_i64(o->progress, "next", o->next, err);
    return rc ? rc : hand_out(o, err);
}

static int forget(struct over *o, struct slice key, struct err *err)
{
    struct agg_place place = {&o->agg.store, 0, key, NULL};
    int rc = agg_drop(&o->agg, &place, err);

    if (!rc && o->frames)
        rc = ordered_at(&o->frame, o->frames, 0, key, 0, 0, err);
    if (!rc && o->frames)
        rc = ordered_drop(&o->frame, err);
    return rc ? rc : over_specials_drop(&o->specials, key, err);
}

static int run_timers(struct over *o, int64_t now, struct err *err)
{
    const struct waiting_row *timer;
    int rc;

    while (!(rc = waiting_take(&o->timers, now - 1, &timer, err)) && timer) {
        struct state_key key = {.key = waiting_key(timer)};
        struct over_part *part;
        void *value;
        bool fresh;

        rc = state_edit(o->parts, &key, sizeof(*part), &value, &fresh, err);
        if (rc)
            return rc;
        part = value;
        part->timer = 0;
        if (part->last_ms + o->spec.before >= now) {
            part->timer = 1;
            rc = waiting_add(&o->timers, part->last_ms + o->spec.before, slice_of(NULL, 0), key.key,
                             slice_of("", 0), OP_INSERT, err);
        } else {
            rc = forget(o, key.key, err);
            if (!rc)
                rc = state_drop(o->parts, &key, err);
        }
        if (rc)
            return rc;
    }
    return rc ? rc : waiting_release(&o->timers, err);
}

/* A few thousand at a time, but all of one time together. */
static int fire_waiting(struct over *o, int64_t mark, struct err *err)
{
    const struct waiting_row *row;
    int64_t last_ms = 0;
    int rc;

    while (!(rc = waiting_take(&o->waiting, mark, &row, err)) && row) {
        struct slice payload = waiting_bytes(row);
        uint32_t len;

        if (o->count >= 4096 && row->ms != last_ms)
            rc = fire(o, err);
        memcpy(&len, payload.ptr, sizeof(len));
        last_ms = row->ms;
        if (!rc)
            rc = list_row(
                o,
                (struct over_row){.ms = row->ms,
                                  .number = row->number,
                                  .key = waiting_key(row),
                                  .args = slice_of(payload.ptr + 4, len),
                                  .row = slice_of(payload.ptr + 4 + len, payload.len - 4 - len)},
                err);
        if (rc)
            return rc;
    }
    if (!rc)
        rc = fire(o, err);
    return rc ? rc : waiting_release(&o->waiting, err);
}

static int over_mark(struct op *op, int64_t mark, struct err *err)
{
    struct over *o = (struct over *)op;
    int rc;

    if (o->spec.rowtime < 0 || mark <= o->passed)
        return 0;
    o->passed = mark;
    rc = fire_waiting(o, mark, err);
    if (!rc && o->timers.table)
        rc = run_timers(o, mark, err);
    if (!rc)
        rc = rows_save_i64(o->progress, "passed", mark, err);
    return rc ? rc : hand_out(o, err);
}

static int over_load(struct op *op, struct err *err)
{
    struct over *o = (struct over *)op;
    int rc = o->waiting.table ? waiting_load(&o->waiting, err) : 0;

    o->passed = rows_saved_i64(o->progress, "passed", OP_TIME_MIN);
    o->next = rows_saved_i64(o->progress, "next", 0);
    return rc || !o->timers.table ? rc : waiting_load(&o->timers, err);
}

static void over_free(struct op *op)
{
    struct over *o = (struct over *)op;

    vec_columns_free(&o->agg.op.columns);
    vec_batch_deinit(&o->agg.op.out);
    agg_deinit(&o->agg);
    over_specials_deinit(&o->specials);
    vec_codec_free(o->key_codec);
    vec_codec_free(o->row_codec);
    vec_codec_free(o->arg_codec);
    vec_columns_free(&o->input);
    duckdb_destroy_data_chunk(&o->chunk);
    vec_rows_deinit(&o->keys);
    vec_rows_deinit(&o->rows);
    vec_rows_deinit(&o->args);
    waiting_deinit(&o->waiting);
    waiting_deinit(&o->timers);
    ordered_deinit(&o->frame);
    buf_deinit(&o->payload);
    arena_deinit(&o->arena);
    free(o->arg_columns);
    free(o->arg_to);
    free(o->from);
    free(o->special);
    free(o->shown);
    free(o->list);
    free(o->sorted);
    free(o->events);
    free(o->whose);
    free(o->signs);
    free(o);
}

/* Each partition with the calls over its frame as it is; by rowtime the rows that wait too. */
static bool over_view(const struct op *op, int table, struct op_view *out, const char **part)
{
    const struct over *o = (const struct over *)op;

    if (table == 0) {
        out->which = o->shown;
        out->count = o->spec.key_count + o->agg.call_count;
        out->extras[0] = (struct op_view_extra){"rows_in_frame", false};
        out->extra_count = 1;
        return true;
    }
    *part = "waiting";
    out->of = 0;
    out->extras[out->extra_count++] = (struct op_view_extra){"waits_until", true};
    return table == 1 && o->waiting.table;
}

static int read_part(struct over *o, struct op_reader *to, struct slice key, struct err *err)
{
    struct agg_place place = {&o->agg.store, 0, key, NULL};
    struct state_key name = {.key = key};
    duckdb_data_chunk chunk;
    uint32_t len;
    idx_t row;
    int rc;

    place.group = (struct agg_group *)(uintptr_t)state_look(o->agg.store.groups, &name, &len);
    if (!place.group || len != agg_group_size(&o->agg))
        return 0;
    rc = op_read_row(to, o->key_codec, key, &place.group->rows, err);
    chunk = op_read_last(to, &row);
    for (size_t c = 0; c < o->agg.call_count && !rc; c++)
        rc = agg_result(&o->agg, c, &place, chunk, (idx_t)(o->spec.key_count + c), row, err);
    return rc;
}

static int over_read(struct op *op, int table, struct op_reader *to, struct err *err)
{
    struct over *o = (struct over *)op;
    struct state_walk walk;
    struct slice key;
    int rc = 0;

    if (table)
        return waiting_read(&o->waiting, o->row_codec, true, to, err);
    state_walk_space(&walk, o->parts, 0);
    while (!rc && state_walk_next(&walk, &key, NULL, NULL))
        rc = read_part(o, to, key, err);
    return rc;
}

static void over_rest(struct op *op)
{
    struct over *o = (struct over *)op;

    agg_rest(&o->agg);
    vec_rows_deinit(&o->keys);
    vec_rows_deinit(&o->rows);
    vec_rows_deinit(&o->args);
    arena_deinit(&o->arena);
}

static const char *const over_waiting[] = {"waiting", "timers", NULL};
static const struct op_ops over_ops = {.name = "over",
                                       .rows = over_rows,
                                       .mark = over_mark,
                                       .load = over_load,
                                       .view = over_view,
                                       .read = over_read,
                                       .waiting = over_waiting,
                                       .rest = over_rest,
                                       .free = over_free};

/* ---- making one ---- */

static void need(struct over *o, int column)
{
    for (size_t i = 0; i < o->arg_count; i++)
        if (column < 0 || o->arg_columns[i] == (size_t)column)
            return;
    if (column >= 0)
        o->arg_columns[o->arg_count++] = (size_t)column;
}

/* The aggregates go to the shell, whose keys are all columns; the rest are specials. */
static int init_calls(struct over *o, struct op *below, const struct op_over_spec *spec,
                      struct err *err)
{
    struct op_call *calls = calloc(spec->call_count + 1, sizeof(*calls));
    size_t *all = calloc(o->column_count + 1, sizeof(*all));
    struct op_aggregate_spec agg = {.keys = all, .key_count = o->column_count, .calls = calls};
    struct op shell = {.columns = o->input, .graph = below->graph};
    int rc = calls && all ? 0 : no_memory(err);

    for (size_t i = 0; i < o->column_count && !rc; i++)
        all[i] = i;
    for (size_t i = 0; i < spec->call_count && !rc; i++) {
        const struct op_call *call = &spec->calls[i];

        need(o, call->arg);
        need(o, call->arg2);
        need(o, call->filter);
        o->special[i] = over_is_special(call->what);
        o->from[i] = o->special[i] ? o->specials.count : o->column_count + agg.call_count;
        if (o->special[i])
            rc = over_specials_add(&o->specials, call, i, &o->input, err);
        else {
            o->shown[spec->key_count + agg.call_count] = o->column_count + i;
            calls[agg.call_count++] = *call;
        }
    }
    if (!rc)
        rc = agg_init(&o->agg, &shell, &agg, err);
    if (!rc)
        rc = agg_add_columns(&o->agg, false, false, err);
    free(calls);
    free(all);
    return rc;
}

static int init_columns(struct over *o, const struct vec_columns *below, struct err *err)
{
    int rc = rows_columns(&o->op.columns, below, err);

    for (size_t i = 0; i < o->call_count && !rc; i++) {
        const struct vec_columns *from = o->special[i] ? &o->specials.columns : &o->agg.op.columns;

        rc = rows_add_column(&o->op.columns, vec_type_copy(from->list[o->from[i]].type), err);
    }
    return rc;
}

static int over_init(struct over *o, struct op *below, const struct op_over_spec *spec,
                     struct err *err)
{
    size_t count = 0;
    int rc = vec_columns_copy(&o->input, &below->columns) ? no_memory(err) : 0;

    o->spec = *spec;
    o->passed = OP_TIME_MIN;
    o->bounded = spec->before != INT64_MAX;
    o->column_count = below->columns.count;
    o->call_count = spec->call_count;
    o->agg.op.graph = below->graph;
    o->arg_columns = calloc(3 * spec->call_count + 1, sizeof(size_t));
    o->arg_to = calloc(3 * spec->call_count + 1, sizeof(int));
    o->from = calloc(spec->call_count + 1, sizeof(size_t));
    o->special = calloc(spec->call_count + 1, sizeof(bool));
    o->shown = calloc(spec->key_count + spec->call_count + 1, sizeof(size_t));
    if (rc || !o->arg_columns || !o->arg_to || !o->from || !o->special || !o->shown)
        return no_memory(err);
    for (size_t i = 0; i < spec->key_count; i++)
        o->shown[i] = spec->keys[i];
    if (op_kind_column(&below->columns) >= 0)
        return err_set(err, ERR_UNSUPPORTED, "OVER takes rows that stay, not changes");
    if (spec->before < 0)
        return err_set(err, ERR_INVALID, "OVER: the frame begins behind its row");
    if (o->bounded)
        rc = rows_add_kind(&o->input, err);
    if (!rc)
        rc = init_calls(o, below, spec, err);
    o->chunk = vec_chunk_new(&o->input);
    if (!rc && !o->chunk)
        rc = no_memory(err);
    for (size_t i = 0; i < o->arg_count; i++)
        o->arg_to[i] = (int)o->arg_columns[i];
    if (!rc)
        rc = vec_codec_new(&o->arg_codec, &below->columns, o->arg_columns, o->arg_count, err);
    if (!rc)
        rc = vec_codec_new(&o->key_codec, &below->columns, spec->keys, spec->key_count, err);
    if (!rc)
        rc = rows_codec(&o->row_codec, &below->columns, &count, err);
    return rc ? rc : init_columns(o, &below->columns, err);
}

static int part_expired(void *arg, const struct state_key *key, void *value, struct err *err)
{
    (void)value;
    return forget(arg, key->key, err);
}

static int open_tables(struct over *o, struct err *err)
{
    struct state_table_options parts = {
        .name = "parts", .ttl_ms = o->spec.ttl_ms, .expired = part_expired, .expired_arg = o};
    bool by_time = o->spec.rowtime >= 0;
    int rc;

    o->agg.op.number = o->op.number;
    rc = op_table_open(&o->op, &parts, &o->parts, err);
    if (!rc)
        rc = agg_open(&o->agg, err);
    if (!rc && by_time)
        rc = waiting_open(&o->waiting, &o->op, "waiting", err);
    if (!rc && o->bounded)
        rc = op_table(&o->op, "frames", false, &o->frames, err);
    if (!rc && by_time && o->bounded && !o->spec.rows && !o->specials.count)
        rc = waiting_open(&o->timers, &o->op, "timers", err);
    if (!rc && o->specials.count)
        rc = op_table(&o->op, "lags", false, &o->specials.lags, err);
    return rc ? rc : op_table(&o->op, "progress", false, &o->progress, err);
}

int op_over_new(struct op **out, struct op *below, const struct op_over_spec *spec, struct err *err)
{
    struct over *o = calloc(1, sizeof(*o));
    int rc = o ? over_init(o, below, spec, err) : no_memory(err);

    if (!o)
        return rc;
    if (!rc)
        rc = op_add(&o->op, below->graph, &below, 1, &over_ops, err);
    if (rc) {
        vec_columns_free(&o->op.columns);
        over_free(&o->op);
        return rc;
    }
    *out = &o->op;
    return open_tables(o, err);
}
