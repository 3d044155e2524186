/* window.c - aggregates by key and window of time: TUMBLE, HOP and CUMULATE.
 *
 * Two ways. By window: a space of the state is a window, a row is added to each window it lies in,
 * and a window that fires is put out and dropped whole. By pane: where windows overlap and the
 * calls can be merged, a space is the pane that no window boundary cuts; a row is added once, and
 * a window that fires is merged of its panes. Spaces are numbered by the end of what they hold.
 *
 * What has fired is kept in the state: after a restart, when watermarks begin anew, a row for a
 * window that was put out before is late and does not open it a second time.
 */
#include "operator/aggregate.h"

struct windows {
    struct agg agg;
    struct op_window w;
    int rowtime;
    int64_t pane;  /* length; 0: by window */
    int64_t fired; /* the highest watermark there was: windows up to it are out */
    struct state_table *progress;
    struct state *scratch; /* a window being merged */
    struct state_table *merged;
};

static int64_t floor_to(int64_t value, int64_t step, int64_t offset)
{
    int64_t rest = (value - offset) % step;

    return value - (rest < 0 ? rest + step : rest);
}

static int64_t floor_ms(int64_t micros) { return micros / 1000 - (micros % 1000 < 0); }

/* How far apart windows begin. */
static int64_t stride(const struct op_window *w)
{
    return w->kind == OP_HOP ? w->slide : w->size;
}

static int64_t window_start(const struct op_window *w, int64_t end)
{
    return w->kind == OP_CUMULATE ? floor_to(end - 1, w->size, w->offset) : end - w->size;
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

/* ---- rows in ---- */

/* The k-th of the windows that row i lies in and that has not fired; false: there is none. */
static bool nth_space(const struct windows *o, int64_t ms, int k, int64_t *space)
{
    int64_t end;

    if (o->fired == OP_TIME_MAX)
        return false;
    if (o->pane) {
        *space = floor_to(ms, o->pane, o->w.offset) + o->pane;
        return k == 0 && last_end(&o->w, ms) - 1 > o->fired;
    }
    end = first_end(&o->w, ms);
    if (end - 1 <= o->fired && o->fired != OP_TIME_MIN)
        end += (o->fired + 1 - end) / step(&o->w) * step(&o->w) + step(&o->w);
    *space = end + k * step(&o->w);
    return *space <= last_end(&o->w, ms);
}

static int find_groups(struct windows *o, const int64_t *times, const uint64_t *validity, int k,
                       bool *any, struct err *err)
{
    struct agg *agg = &o->agg;
    int rc = 0;

    *any = false;
    for (idx_t i = 0; i < agg->keys.count && !rc; i++) {
        struct state_key key = {.key = vec_row(&agg->keys, i)};
        void *group = NULL;
        bool fresh;

        if (vec_is_valid(validity, i) && nth_space(o, floor_ms(times[i]), k, &agg->spaces[i])) {
            key.space = agg->spaces[i];
            rc = state_edit(agg->groups, &key, agg_group_size(agg), &group, &fresh, err);
            *any = true;
        } else if (k == 0) {
            agg->op.late++;
        }
        agg->at[i] = group;
    }
    return rc;
}

static int window_rows(struct op *op, int input, const struct vec_batch *rows, struct err *err)
{
    struct windows *o = (struct windows *)op;
    int rc = 0;

    (void)input;
    for (size_t c = 0; c < rows->count && !rc; c++) {
        duckdb_vector time = duckdb_data_chunk_get_vector(rows->chunks[c], (idx_t)o->rowtime);
        bool any = true;

        rc = agg_read_chunk(&o->agg, rows->chunks[c], err);
        for (int k = 0; any && !rc; k++) {
            rc = find_groups(o, duckdb_vector_get_data(time), duckdb_vector_get_validity(time), k,
                             &any, err);
            if (!rc && any)
                rc = agg_add_chunk(&o->agg, rows->chunks[c], err);
        }
    }
    return rc;
}

/* ---- windows out ---- */

static int put_window(struct windows *o, struct state_table *table, int64_t space, int64_t end,
                      struct err *err)
{
    struct agg *agg = &o->agg;
    struct state_walk walk;
    struct slice key, value;
    int rc = 0;

    state_walk_space(&walk, table, space);
    while (!rc && state_walk_next(&walk, &key, NULL, &value)) {
        idx_t row, at = (idx_t)(agg->key_count + agg->call_count);
        duckdb_data_chunk out = op_out_row(&agg->op, &row);

        if (!out)
            return err_set(err, ERR_NOMEM, "a window");
        rc = agg_put_row(agg, out, row, key, (const void *)value.ptr, err);
        ((int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(out, at)))[row] =
            window_start(&o->w, end) * 1000;
        ((int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(out, at + 1)))[row] =
            end * 1000;
    }
    return rc;
}

static int fire_windows(struct windows *o, int64_t mark, struct err *err)
{
    struct agg *agg = &o->agg;
    int64_t end;
    int rc = 0;

    while (!rc && state_space_from(agg->groups, INT64_MIN, &end) && end - 1 <= mark) {
        rc = put_window(o, agg->groups, end, end, err);
        if (!rc)
            rc = state_drop_space(agg->groups, end, err);
        if (!rc && agg->distinct)
            rc = state_drop_space(agg->distinct, end, err);
    }
    return rc;
}

static int merge_pane(struct windows *o, int64_t pane, struct err *err)
{
    struct agg *agg = &o->agg;
    struct state_walk walk;
    struct slice key, value;
    int rc = 0;

    state_walk_space(&walk, agg->groups, pane);
    while (!rc && state_walk_next(&walk, &key, NULL, &value)) {
        const struct agg_group *from = (const void *)value.ptr;
        struct agg_group *into;
        void *found;
        bool fresh;

        rc = state_edit(o->merged, &(struct state_key){.key = key}, agg_group_size(agg), &found,
                        &fresh, err);
        into = found;
        for (size_t c = 0; c < agg->call_count && !rc; c++)
            accumulator_merge(&agg->accs[c], &into->slots[c], &from->slots[c]);
    }
    return rc;
}

static int fire_merged(struct windows *o, int64_t end, struct err *err)
{
    int64_t pane = window_start(&o->w, end);
    int rc = 0;

    while (!rc && state_space_from(o->agg.groups, pane + 1, &pane) && pane <= end)
        rc = merge_pane(o, pane, err);
    if (!rc)
        rc = put_window(o, o->merged, 0, end, err);
    return rc ? rc : state_drop_space(o->merged, 0, err);
}

/* Panes that no window needs which has yet to fire. */
static int drop_panes(struct windows *o, int64_t mark, struct err *err)
{
    int64_t pane;
    int rc = 0;

    while (!rc && state_space_from(o->agg.groups, INT64_MIN, &pane) &&
           last_end(&o->w, pane - 1) - 1 <= mark)
        rc = state_drop_space(o->agg.groups, pane, err);
    return rc;
}

/* Every window with a pane in it that ends behind what had fired, up to the watermark. */
static int fire_panes(struct windows *o, int64_t mark, struct err *err)
{
    int64_t pane = INT64_MIN, end = INT64_MIN;
    int rc = 0;

    while (!rc && state_space_from(o->agg.groups, pane, &pane)) {
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
    int rc = state_edit(o->progress, &(struct state_key){.key = SLICE_LIT("fired")},
                        sizeof(mark), &value, &fresh, err);

    if (!rc)
        memcpy(value, &mark, sizeof(mark));
    return rc;
}

static int window_mark(struct op *op, int64_t mark, struct err *err)
{
    struct windows *o = (struct windows *)op;
    int rc;

    if (mark <= o->fired)
        return 0;
    rc = o->pane ? fire_panes(o, mark, err) : fire_windows(o, mark, err);
    o->fired = mark;
    return rc ? rc : save_progress(o, mark, err);
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
    return 0;
}

static void window_free(struct op *op)
{
    struct windows *o = (struct windows *)op;

    agg_deinit(&o->agg);
    state_free(o->scratch);
    free(o);
}

static const struct op_ops window_ops = {.name = "window aggregate", .rows = window_rows,
                                         .mark = window_mark, .load = window_load,
                                         .free = window_free};

static int64_t common_divisor(int64_t a, int64_t b) { return b ? common_divisor(b, a % b) : a; }

static int check_window(const struct op_window *w, struct err *err)
{
    if (w->kind > OP_CUMULATE || w->early || w->late || w->lateness)
        return err_set(err, ERR_UNSUPPORTED, "a window that is not a TUMBLE, HOP or CUMULATE");
    if (w->size <= 0 || (w->kind != OP_TUMBLE && w->slide <= 0))
        return err_set(err, ERR_INVALID, "a window's size and slide must be more than 0 ms");
    if (w->kind == OP_CUMULATE && w->size % w->slide)
        return err_set(err, ERR_INVALID, "CUMULATE: the size must be a multiple of the step");
    return 0;
}

static int window_init(struct windows *o, struct op *below, const struct op_aggregate_spec *spec,
                       struct err *err)
{
    struct vec_columns *columns = &o->agg.op.columns;
    bool distinct = false;
    int rc = check_window(spec->window, err);

    o->w = *spec->window;
    o->rowtime = spec->rowtime;
    o->fired = OP_TIME_MIN;
    if (!rc && op_kind_column(&below->columns) >= 0)
        rc = err_set(err, ERR_UNSUPPORTED, "a window over rows that change: not built yet");
    if (!rc)
        rc = agg_init(&o->agg, below, spec, err);
    if (!rc && (vec_columns_add(columns, "window_start",
                                duckdb_create_logical_type(DUCKDB_TYPE_TIMESTAMP)) ||
                vec_columns_add(columns, "window_end",
                                duckdb_create_logical_type(DUCKDB_TYPE_TIMESTAMP))))
        rc = err_set(err, ERR_NOMEM, "a window");
    for (size_t i = 0; i < spec->call_count && !rc; i++)
        distinct |= o->agg.values[i] != NULL;
    if (!rc && o->w.kind != OP_TUMBLE && !distinct)
        o->pane = o->w.kind == OP_HOP ? common_divisor(o->w.size, o->w.slide) : o->w.slide;
    if (!rc && o->pane)
        rc = state_new(&o->scratch, &(struct state_options){0}, err);
    if (!rc && o->pane)
        rc = state_table_open(o->scratch, &(struct state_table_options){.name = "merged"},
                              &o->merged, err);
    return rc;
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
    rc = agg_open(&o->agg, err);
    return rc ? rc : op_table(*out, "progress", false, &o->progress, err);
}
