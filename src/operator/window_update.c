/* window_update.c - windows that give results before their end, or again for rows that come after
 * it: each group's last result is kept, and what follows is a change of it.
 *
 * Which groups changed since they were put out is remembered in memory alone: after a restart all
 * open groups count as changed, and those whose result is the one given already give nothing.
 */
#include "operator/window.h"

static int no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "a window");
}

int update_init(struct windows *o, struct err *err)
{
    struct state_table_options options = {.name = "dirty"};
    int rc = op_table(&o->agg.op, "given", false, &o->given, err);

    o->next_ms = OP_TIME_MAX;
    return rc ? rc : state_table_open(o->scratch, &options, &o->dirty, err);
}

static bool has_fired(const struct windows *o, int64_t end)
{
    return o->fired != OP_TIME_MIN && end - 1 <= o->fired;
}

static int64_t delay_of(const struct windows *o)
{
    if (!o->w.early || !o->w.late)
        return o->w.early + o->w.late;
    return o->w.early < o->w.late ? o->w.early : o->w.late;
}

static int mark_dirty(struct windows *o, int64_t end, struct slice key, struct err *err)
{
    int64_t now = o->agg.op.graph->now_ms;
    void *nothing;
    bool fresh;

    if (!has_fired(o, end) && !o->w.early)
        return 0;
    if (o->next_ms == OP_TIME_MAX)
        o->next_ms = now == OP_TIME_MIN ? now : now + delay_of(o);
    return state_edit(o->dirty, &(struct state_key){end, key, {0}}, 0, &nothing, &fresh, err);
}

int update_touch(struct windows *o, struct err *err)
{
    struct agg *agg = &o->agg;
    int rc = 0;

    for (idx_t i = 0; i < agg->keys.count && !rc; i++)
        if (agg->at[i])
            rc = mark_dirty(o, agg->spaces[i], agg->names[i], err);
    return rc;
}

/* ---- results, as changes of what was given ---- */

static int keep_given(struct windows *o, const struct agg_place *place, struct slice wide,
                      struct err *err)
{
    struct buf *made = &o->agg.made;

    buf_clear(made);
    if (buf_append(made, place->group, agg_group_size(&o->agg)) || buf_append_slice(made, wide))
        return no_memory(err);
    return state_put(o->given, &(struct state_key){place->space, place->key, {0}}, buf_slice(made),
                     err);
}

/* What was given, copied; *group NULL: nothing. */
static int look_given(struct windows *o, const struct agg_place *place,
                      const struct agg_group **group, struct slice *wide, struct err *err)
{
    uint32_t len, size = agg_group_size(&o->agg);
    const void *value =
        state_look(o->given, &(struct state_key){place->space, place->key, {0}}, &len);
    struct slice copy;

    *group = NULL;
    *wide = (struct slice){0};
    if (!value)
        return 0;
    if (len < size)
        return err_set(err, ERR_CORRUPT, "windows: a result of %u bytes", len);
    copy = arena_slice(&o->agg.arena, slice_of(value, len));
    if (!copy.ptr)
        return no_memory(err);
    *group = (const void *)copy.ptr;
    *wide = slice_of(copy.ptr + size, len - size);
    return 0;
}

static int put_update(struct windows *o, const struct agg_place *place, struct err *err)
{
    struct agg *agg = &o->agg;
    int64_t end = place->space, start = window_start(o, place->key, end);
    bool is = place->group->rows > 0;
    const struct agg_group *given;
    struct slice given_wide, wide;
    int rc = look_given(o, place, &given, &given_wide, err);

    if (!rc)
        rc = agg_wide(agg, place, &wide, err);
    if (rc || (!given && !is) ||
        (given && is && agg_same(agg, given, given_wide, place->group, wide)))
        return rc;
    if (given)
        rc = agg_put(agg, is ? OP_UPDATE_BEFORE : OP_DELETE, place->key, given, given_wide, start,
                     end, err);
    if (is && !rc)
        rc = agg_put(agg, given ? OP_UPDATE_AFTER : OP_INSERT, place->key, place->group, wide,
                     start, end, err);
    if (rc || is)
        return rc ? rc : keep_given(o, place, wide, err);
    return state_drop(o->given, &(struct state_key){end, place->key, {0}}, err);
}

/* What is on its way out lies in the arena and in groups: both stay until it is written. */
static int end_puts(struct windows *o, int rc, struct err *err)
{
    if (!rc)
        rc = agg_flush(&o->agg, err);
    arena_reset(&o->agg.arena);
    return rc;
}

static int put_all(struct windows *o, int64_t end, struct err *err)
{
    struct agg_place place = {.store = &o->agg.store, .space = end};
    struct state_walk walk;
    struct slice value;
    int rc = 0;

    state_walk_space(&walk, o->agg.store.groups, end);
    while (!rc && state_walk_next(&walk, &place.key, NULL, &value)) {
        place.group = (struct agg_group *)(uintptr_t)value.ptr;
        rc = put_update(o, &place, err);
    }
    rc = end_puts(o, rc, err);
    return rc ? rc : state_drop_space(o->dirty, end, err);
}

static int put_dirty(struct windows *o, int64_t end, struct err *err)
{
    struct agg_place place = {.store = &o->agg.store, .space = end};
    struct state_walk walk;
    uint32_t len;
    int rc = 0;

    state_walk_space(&walk, o->dirty, end);
    while (!rc && state_walk_next(&walk, &place.key, NULL, NULL)) {
        place.group = (void *)(uintptr_t)state_look(place.store->groups,
                                                    &(struct state_key){end, place.key, {0}}, &len);
        if (place.group)
            rc = put_update(o, &place, err);
    }
    rc = end_puts(o, rc, err);
    return rc ? rc : state_drop_space(o->dirty, end, err);
}

/* ---- when ---- */

/* Rows that came after their window's end are told of at once, unless there is a delay. */
int update_rows(struct windows *o, struct err *err)
{
    int64_t end = INT64_MIN;
    int rc = 0;

    while (!rc && !o->w.late && state_space_from(o->dirty, end, &end) && has_fired(o, end))
        rc = put_dirty(o, end++, err);
    return rc;
}

int update_tick(struct windows *o, struct err *err)
{
    int64_t end;
    int rc = 0;

    if (o->agg.op.graph->now_ms < o->next_ms)
        return 0;
    while (!rc && state_space_from(o->dirty, INT64_MIN, &end))
        rc = put_dirty(o, end, err);
    o->next_ms = OP_TIME_MAX;
    return rc;
}

static int drop_closed(struct windows *o, int64_t end, struct err *err)
{
    int rc = put_dirty(o, end, err);

    if (!rc)
        rc = agg_drop_space(&o->agg.store, end, err);
    return rc ? rc : state_drop_space(o->given, end, err);
}

int update_mark(struct windows *o, int64_t mark, struct err *err)
{
    int64_t end = INT64_MIN, closed = mark == OP_TIME_MAX ? mark : mark - o->w.lateness;
    int rc = 0;

    while (!rc && state_space_from(o->agg.store.groups, end, &end) && end - 1 <= mark) {
        if (!has_fired(o, end))
            rc = put_all(o, end, err);
        if (!rc && end - 1 <= closed)
            rc = drop_closed(o, end, err);
        end++;
    }
    return rc;
}

int update_load(struct windows *o, struct err *err)
{
    struct state_walk walk;
    struct slice key;
    int64_t end = INT64_MIN;
    int rc = 0;

    while (!rc && state_space_from(o->agg.store.groups, end, &end)) {
        state_walk_space(&walk, o->agg.store.groups, end);
        while (!rc && state_walk_next(&walk, &key, NULL, NULL))
            rc = mark_dirty(o, end, key, err);
        end++;
    }
    return rc;
}
