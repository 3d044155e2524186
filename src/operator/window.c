/* window.c - aggregates by key and window of time: TUMBLE, HOP, CUMULATE, and windows that the rows
 * carry (ATTACHED).
 *
 * Two ways. By window: a space of the state is a window, a row is added to each window it lies in,
 * and a window that fires is put out and dropped whole. By pane: where windows overlap, a space is
 * the pane that no window boundary cuts; a row is added once, and a window that fires is merged of
 * its panes. Spaces are numbered by the end of what they hold. ATTACHED windows of one end may
 * begin at different times (sessions): the start is a tail of the group's key.
 *
 * What has fired is kept in the state: after a restart, when watermarks begin anew, a row for a
 * window that was put out before is late and does not open it a second time.
 */
#include "operator/window.h"

#define TAIL sizeof(int64_t)

static int64_t floor_to(int64_t value, int64_t step, int64_t offset)
{
    int64_t rest = (value - offset) % step;

    return value - (rest < 0 ? rest + step : rest);
}

/* How far apart windows begin. */
static int64_t stride(const struct op_window *w)
{
    return w->kind == OP_HOP ? w->slide : w->size;
}

int64_t window_start(const struct windows *o, struct slice key, int64_t end)
{
    int64_t start;

    if (o->w.kind == OP_ATTACHED) {
        memcpy(&start, key.ptr + key.len - TAIL, sizeof(start));
        return start;
    }
    return o->w.kind == OP_CUMULATE ? floor_to(end - 1, o->w.size, o->w.offset) : end - o->w.size;
}

/* The first and the last window with the time `ms` in it, by their ends. */
static int64_t first_end(const struct op_window *w, int64_t ms)
{
    if (w->kind == OP_CUMULATE)
        return floor_to(ms, w->slide, w->offset) + w->slide;
    return floor_to(ms - w->size, stride(w), w->offset) + stride(w) + w->size;
}

static int64_t last_end(const struct op_window *w, int64_t ms)
{
    return floor_to(ms, stride(w), w->offset) + w->size;
}

static int64_t step(const struct op_window *w)
{
    return w->kind == OP_TUMBLE ? w->size : w->slide;
}

/* Windows up to this end take no more rows. */
static int64_t closed(const struct windows *o)
{
    if (o->fired == OP_TIME_MIN || o->fired == OP_TIME_MAX)
        return o->fired;
    return o->fired - o->w.lateness;
}

/* ---- rows in ---- */

/* The k-th of the windows that row i lies in and that take rows; false: there is none. */
static bool work_out_space(const struct windows *o, int64_t ms, int k, int64_t *space)
{
    int64_t done = closed(o), end;

    if (done == OP_TIME_MAX || ms == OP_TIME_MIN)
        return false;
    if (o->pane) {
        *space = floor_to(ms, o->pane, o->w.offset) + o->pane;
        return k == 0 && last_end(&o->w, ms) - 1 > done;
    }
    end = first_end(&o->w, ms);
    if (end - 1 <= done && done != OP_TIME_MIN)
        end += (done + 1 - end) / step(&o->w) * step(&o->w) + step(&o->w);
    *space = end + k * step(&o->w);
    return *space <= last_end(&o->w, ms);
}

/* The same. Divisions cost as much as all else of a row, and neighbours lie in the same place. */
static bool nth_space(struct windows *o, int64_t ms, int k, int64_t *space)
{
    int64_t length = o->pane ? o->pane : o->w.size;

    if (k || (!o->pane && o->w.kind != OP_TUMBLE) || ms == OP_TIME_MIN)
        return work_out_space(o, ms, k, space);
    if (ms < o->cell_from || ms >= o->cell_to) {
        o->cell_from = floor_to(ms, length, o->w.offset);
        o->cell_to = o->cell_from + length;
        o->cell_open = work_out_space(o, ms, 0, &o->cell_space);
    }
    *space = o->cell_space;
    return o->cell_open;
}

/* Rows say their window: the space is its end, and the start goes into the name of the group. */
static int read_attached(struct windows *o, duckdb_data_chunk chunk, struct err *err)
{
    struct agg *agg = &o->agg;
    duckdb_vector start = duckdb_data_chunk_get_vector(chunk, (idx_t)o->w.start);
    duckdb_vector end = duckdb_data_chunk_get_vector(chunk, (idx_t)o->w.end);
    const uint64_t *valid = duckdb_vector_get_validity(end);
    const int64_t *starts = duckdb_vector_get_data(start), *ends = duckdb_vector_get_data(end);

    for (idx_t i = 0; i < agg->keys.count; i++) {
        struct slice key = agg->names[i];
        uint8_t *name = arena_alloc(&agg->arena, key.len + TAIL);
        int64_t ms = starts[i] / 1000;

        if (!name)
            return err_set(err, ERR_NOMEM, "a window");
        memcpy(name, key.ptr, key.len);
        memcpy(name + key.len, &ms, sizeof(ms));
        agg->names[i] = slice_of(name, key.len + TAIL);
        o->clock.ms[i] = vec_is_valid(valid, i) ? ends[i] / 1000 : OP_TIME_MIN;
    }
    return 0;
}

static bool space_of(struct windows *o, idx_t i, int k, int64_t *space)
{
    if (o->w.kind != OP_ATTACHED)
        return nth_space(o, o->clock.ms[i], k, space);
    *space = o->clock.ms[i];
    return !k && *space != OP_TIME_MIN && closed(o) != OP_TIME_MAX &&
           (closed(o) == OP_TIME_MIN || *space - 1 > closed(o));
}

/* Rows [from, from + count): those that lie in a k-th window find its group. */
static int find_some(struct windows *o, duckdb_data_chunk chunk, idx_t from, idx_t count, int k,
                     bool *any, struct err *err)
{
    struct agg *agg = &o->agg;
    struct slice names[STATE_MANY];
    void *groups[STATE_MANY];
    bool fresh[STATE_MANY];
    int rc = 0;

    for (idx_t i = 0; i < count && !rc; i++) {
        bool lies = space_of(o, from + i, k, &agg->spaces[from + i]);

        names[i] = lies ? agg->names[from + i] : (struct slice){0};
        *any |= lies;
        if (!lies && k == 0)
            rc = op_late(&agg->op, 0, chunk, from + i, err);
    }
    if (!rc)
        rc = state_edit_many(agg->store.groups, agg->spaces + from, names, count,
                             agg_group_size(agg), groups, fresh, err);
    for (idx_t i = 0; i < count && !rc; i++) {
        agg->at[from + i] = groups[i];
        if (groups[i])
            ((struct agg_group *)groups[i])->rows += agg->changes[from + i];
    }
    return rc;
}

static int find_groups(struct windows *o, duckdb_data_chunk chunk, int k, bool *any,
                       struct err *err)
{
    idx_t rows = o->agg.keys.count;
    int rc = 0;

    *any = false;
    for (idx_t from = 0; from < rows && !rc; from += STATE_MANY)
        rc = find_some(o, chunk, from, rows - from < STATE_MANY ? rows - from : STATE_MANY, k, any,
                       err);
    return rc;
}

static int add_chunk(struct windows *o, duckdb_data_chunk chunk, struct err *err)
{
    bool any = true;
    int rc = agg_read_chunk(&o->agg, chunk, err);

    if (!rc && o->w.kind == OP_ATTACHED)
        rc = read_attached(o, chunk, err);
    else if (!rc)
        window_clock_read(&o->clock, &o->agg.op, o->fired, chunk);
    for (int k = 0; any && !rc; k++) {
        rc = find_groups(o, chunk, k, &any, err);
        if (!rc && any)
            rc = agg_add_chunk(&o->agg, chunk, err);
        if (!rc && any && o->updates)
            rc = update_touch(o, err);
    }
    return rc;
}

static int window_rows(struct op *op, int input, const struct vec_batch *rows, struct err *err)
{
    struct windows *o = (struct windows *)op;
    int rc = 0;

    (void)input;
    for (size_t c = 0; c < rows->count && !rc; c++) {
        rc = add_chunk(o, rows->chunks[c], err);
        arena_reset(&o->agg.arena);
    }
    return rc || !o->updates ? rc : update_rows(o, err);
}

/* ---- windows out ---- */

static int put_window(struct windows *o, const struct agg_store *store, int64_t space, int64_t end,
                      struct err *err)
{
    struct agg *agg = &o->agg;
    struct agg_place place = {.store = store, .space = space};
    struct state_walk walk;
    struct slice value, wide;
    int rc = 0;

    state_walk_space(&walk, store->groups, space);
    while (!rc && state_walk_next(&walk, &place.key, NULL, &value)) {
        place.group = (struct agg_group *)(uintptr_t)value.ptr;
        if (place.group->rows <= 0)
            continue;
        rc = agg_wide(agg, &place, &wide, err);
        if (!rc)
            rc = agg_put(agg, OP_INSERT, place.key, place.group, wide,
                         window_start(o, place.key, end), end, err);
    }
    if (!rc)
        rc = agg_flush(agg, err);
    arena_reset(&agg->arena);
    return rc;
}

static int fire_windows(struct windows *o, int64_t mark, struct err *err)
{
    struct agg *agg = &o->agg;
    int64_t end;
    int rc = 0;

    while (!rc && state_space_from(agg->store.groups, INT64_MIN, &end) && end - 1 <= mark) {
        rc = put_window(o, &agg->store, end, end, err);
        if (!rc)
            rc = agg_drop_space(&agg->store, end, err);
    }
    return rc;
}

static int merge_pane(struct windows *o, int64_t pane, struct err *err)
{
    struct agg *agg = &o->agg;
    struct agg_place from = {.store = &agg->store, .space = pane}, into = {.store = &o->merged};
    struct state_walk walk;
    struct slice value;
    int rc = 0;

    state_walk_space(&walk, agg->store.groups, pane);
    while (!rc && state_walk_next(&walk, &from.key, NULL, &value)) {
        bool fresh;

        from.group = (struct agg_group *)(uintptr_t)value.ptr;
        into.key = from.key;
        rc = agg_find(agg, &into, &fresh, err);
        if (!rc)
            rc = agg_merge(agg, &from, &into, err);
    }
    return rc;
}

static int fire_merged(struct windows *o, int64_t end, struct err *err)
{
    int64_t pane = window_start(o, (struct slice){0}, end);
    int rc = 0;

    while (!rc && state_space_from(o->agg.store.groups, pane + 1, &pane) && pane <= end)
        rc = merge_pane(o, pane, err);
    if (!rc)
        rc = put_window(o, &o->merged, 0, end, err);
    return rc ? rc : agg_drop_space(&o->merged, 0, err);
}

/* Panes that no window needs which has yet to fire. */
static int drop_panes(struct windows *o, int64_t mark, struct err *err)
{
    int64_t pane;
    int rc = 0;

    while (!rc && state_space_from(o->agg.store.groups, INT64_MIN, &pane) &&
           last_end(&o->w, pane - 1) - 1 <= mark)
        rc = agg_drop_space(&o->agg.store, pane, err);
    return rc;
}

/* Every window with a pane in it that ends behind what had fired, up to the watermark. */
static int fire_panes(struct windows *o, int64_t mark, struct err *err)
{
    int64_t pane = INT64_MIN, end = INT64_MIN;
    int rc = 0;

    while (!rc && state_space_from(o->agg.store.groups, pane, &pane)) {
        int64_t last = last_end(&o->w, pane - 1), next = first_end(&o->w, pane - 1);

        if (next <= end) /* put out with an earlier pane */
            next = end + step(&o->w);
        for (; next <= last && next - 1 <= mark && !rc; next += step(&o->w)) {
            if (o->fired == OP_TIME_MIN || next - 1 > o->fired)
                rc = fire_merged(o, next, err);
            end = next;
        }
        if (pane == INT64_MAX || pane - 1 > mark)
            break;
        pane++;
    }
    return rc ? rc : drop_panes(o, mark, err);
}

static int save_progress(struct windows *o, int64_t mark, struct err *err)
{
    void *value;
    bool fresh;
    int rc = state_edit(o->progress, &(struct state_key){.key = SLICE_LIT("fired")}, sizeof(mark),
                        &value, &fresh, err);

    if (!rc)
        memcpy(value, &mark, sizeof(mark));
    return rc;
}

static int fire(struct windows *o, int64_t mark, struct err *err)
{
    int rc;

    if (mark <= o->fired)
        return 0;
    if (o->updates)
        rc = update_mark(o, mark, err);
    else
        rc = o->pane ? fire_panes(o, mark, err) : fire_windows(o, mark, err);
    o->fired = mark;
    o->cell_from = o->cell_to = 0;
    return rc ? rc : save_progress(o, mark, err);
}

/* Windows of processing time that are open when the input ends are put out too. */
static int window_mark(struct op *op, int64_t mark, struct err *err)
{
    struct windows *o = (struct windows *)op;

    if (o->clock.rowtime < 0 && mark != OP_TIME_MAX)
        return 0;
    return fire(o, window_clock_mark(&o->clock, mark), err);
}

static int window_tick(struct op *op, struct err *err)
{
    struct windows *o = (struct windows *)op;
    int rc = 0;

    if (o->clock.rowtime < 0)
        rc = fire(o, window_clock_now(&o->clock, op), err);
    return rc || !o->updates ? rc : update_tick(o, err);
}

static int window_load(struct op *op, struct err *err)
{
    struct windows *o = (struct windows *)op;
    uint32_t len;
    const void *value =
        state_look(o->progress, &(struct state_key){.key = SLICE_LIT("fired")}, &len);

    if (value && len != sizeof(o->fired))
        return err_set(err, ERR_CORRUPT, "windows: what had fired has %u bytes", len);
    if (value)
        memcpy(&o->fired, value, sizeof(o->fired));
    return o->updates ? update_load(o, err) : 0;
}

static void window_free(struct op *op)
{
    struct windows *o = (struct windows *)op;

    agg_deinit(&o->agg);
    window_clock_deinit(&o->clock);
    state_free(o->scratch);
    free(o);
}

/* Windows that are open or, where they overlap, panes of them: between two bounds of windows. */
static int window_read(struct op *op, int table, struct op_reader *to, struct err *err)
{
    struct windows *o = (struct windows *)op;
    struct agg_place place = {.store = &o->agg.store};
    int64_t end = INT64_MIN;
    int rc = 0;

    (void)table;
    while (!rc && state_space_from(o->agg.store.groups, end, &end)) {
        struct state_walk walk;
        struct slice value;

        place.space = end;
        state_walk_space(&walk, o->agg.store.groups, end);
        while (!rc && state_walk_next(&walk, &place.key, NULL, &value)) {
            place.group = (struct agg_group *)(uintptr_t)value.ptr;
            rc =
                agg_read_group(&o->agg, to, &place,
                               o->pane ? end - o->pane : window_start(o, place.key, end), end, err);
        }
        end++;
    }
    return rc ? rc : agg_read_end(&o->agg, to, err);
}

static void window_rest(struct op *op)
{
    agg_rest(&((struct windows *)op)->agg);
}

static const struct op_ops window_ops = {.name = "window aggregate",
                                         .rows = window_rows,
                                         .mark = window_mark,
                                         .tick = window_tick,
                                         .load = window_load,
                                         .view = agg_view,
                                         .read = window_read,
                                         .rest = window_rest,
                                         .free = window_free};

/* ---- making one ---- */

static int64_t common_divisor(int64_t a, int64_t b)
{
    return b ? common_divisor(b, a % b) : a;
}

static int check_window(const struct op_window *w, struct err *err)
{
    if (w->kind == OP_ATTACHED)
        return 0;
    if (w->size <= 0 || (w->kind != OP_TUMBLE && w->slide <= 0))
        return err_set(err, ERR_INVALID, "a window's size and slide must be more than 0 ms");
    if (w->kind == OP_CUMULATE && w->size % w->slide)
        return err_set(err, ERR_INVALID, "CUMULATE: the size must be a multiple of the step");
    return 0;
}

static int window_init(struct windows *o, struct op *below, const struct op_aggregate_spec *spec,
                       struct err *err)
{
    int rc = check_window(spec->window, err);

    o->w = *spec->window;
    o->fired = OP_TIME_MIN;
    o->updates = o->w.early || o->w.late || o->w.lateness;
    if (!rc)
        rc = window_clock_init(&o->clock, spec, err);
    if (!rc)
        rc = agg_init(&o->agg, below, spec, err);
    if (!rc)
        rc = agg_add_columns(&o->agg, true, o->updates, err);
    o->agg.key_tail = o->w.kind == OP_ATTACHED ? TAIL : 0;
    if (!o->updates && (o->w.kind == OP_HOP || o->w.kind == OP_CUMULATE))
        o->pane = o->w.kind == OP_HOP ? common_divisor(o->w.size, o->w.slide) : o->w.slide;
    if (!rc && (o->pane || o->updates))
        rc = state_new(&o->scratch, &(struct state_options){0}, err);
    return rc || !o->pane ? rc : agg_open_scratch(&o->agg, o->scratch, &o->merged, err);
}

int window_new(struct op **out, struct op *below, const struct op_aggregate_spec *spec,
               struct err *err)
{
    struct windows *o = calloc(1, sizeof(*o));
    int rc = o ? window_init(o, below, spec, err) : err_set(err, ERR_NOMEM, "a window");

    if (!rc)
        rc = op_add(&o->agg.op, below->graph, &below, 1, &window_ops, err);
    if (rc) {
        if (o)
            vec_columns_free(&o->agg.op.columns);
        if (o)
            window_free(&o->agg.op);
        return rc;
    }
    *out = &o->agg.op;
    (*out)->by_rows = o->clock.rowtime >= 0 && !o->updates;
    rc = agg_open(&o->agg, err);
    if (!rc)
        rc = op_table(*out, "progress", false, &o->progress, err);
    return rc || !o->updates ? rc : update_init(o, err);
}
