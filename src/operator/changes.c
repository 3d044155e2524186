/* changes.c - the aggregate without a window: its output is the changes of its rows, or, when only
 * the end counts, its rows once the input is over. */
#include "operator/aggregate.h"

/* A group that the batch has changed, as it was before. */
struct touched {
    struct agg_group *group, *before;
    struct slice key, wide;
    bool was; /* its row has been put out */
};

struct changes {
    struct agg agg;
    struct touched *touched;
    size_t count, cap;
    bool at_end;
    struct state_table *progress; /* at_end: whether the rows are out */
};

static int no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "an aggregate");
}

static int grow(struct changes *c, struct err *err)
{
    size_t cap = c->cap ? c->cap * 2 : 256;
    struct touched *more = realloc(c->touched, cap * sizeof(*more));

    if (!more)
        return no_memory(err);
    c->touched = more;
    c->cap = cap;
    return 0;
}

/* Without keys there is always one row, though nothing be left to count. */
static int touch(struct changes *c, const struct agg_place *place, bool fresh, struct err *err)
{
    struct agg *agg = &c->agg;
    struct agg_group *group = place->group;
    uint32_t size = agg_group_size(agg);
    struct touched *t;
    int rc = 0;

    if (group->touched < c->count && c->touched[group->touched].group == group)
        return 0;
    if (c->count == c->cap)
        rc = grow(c, err);
    if (rc)
        return rc;
    t = &c->touched[c->count];
    *t = (struct touched){group,
                          arena_alloc(&agg->arena, size),
                          arena_slice(&agg->arena, place->key),
                          {0},
                          agg->key_count ? group->rows > 0 : !fresh};
    if (!t->before || (place->key.len && !t->key.ptr))
        return no_memory(err);
    if (t->was)
        rc = agg_wide(agg, place, &t->wide, err);
    group->touched = c->count++;
    memcpy(t->before, group, size);
    return rc;
}

/* A row that is taken back from nobody is passed over, as in Flink: its key's time was over. */
static int give_group(struct changes *c, idx_t i, struct agg_group *group, bool fresh,
                      struct err *err)
{
    struct agg *agg = &c->agg;
    struct agg_place place = {&agg->store, 0, agg->names[i], group};
    int rc = c->at_end ? 0 : touch(c, &place, fresh, err);

    agg->at[i] = NULL;
    if (rc || (agg->changes[i] < 0 && group->rows <= 0))
        return rc;
    group->rows += agg->changes[i];
    agg->at[i] = (uint8_t *)group;
    return 0;
}

static int find_groups(struct changes *c, struct err *err)
{
    struct agg *agg = &c->agg;
    void *groups[STATE_MANY];
    bool fresh[STATE_MANY];
    int rc = 0;

    for (idx_t from = 0; from < agg->keys.count && !rc; from += STATE_MANY) {
        idx_t count = agg->keys.count - from;

        if (count > STATE_MANY)
            count = STATE_MANY;
        rc = state_edit_many(agg->store.groups, NULL, agg->names + from, count, agg_group_size(agg),
                             groups, fresh, err);
        for (idx_t i = 0; i < count && !rc; i++)
            rc = give_group(c, from + i, groups[i], fresh[i], err);
    }
    return rc;
}

static int put_changes(struct changes *c, const struct touched *t, struct err *err)
{
    struct agg *agg = &c->agg;
    struct agg_place place = {&agg->store, 0, t->key, t->group};
    bool was = t->was, is = t->group->rows > 0 || !agg->key_count;
    struct slice wide = {0};
    int rc = is ? agg_wide(agg, &place, &wide, err) : 0;

    if (rc || (was && is && agg_same(agg, t->before, t->wide, t->group, wide)))
        return rc;
    if (was)
        rc = agg_put(agg, is ? OP_UPDATE_BEFORE : OP_DELETE, t->key, t->before, t->wide, 0, 0, err);
    if (is && !rc)
        rc = agg_put(agg, was ? OP_UPDATE_AFTER : OP_INSERT, t->key, t->group, wide, 0, 0, err);
    return rc || is ? rc : agg_drop(agg, &place, err);
}

#define AHEAD 16

/* The first of them may have left the cache since the batch began. */
static void prefetch(const struct agg *agg, const struct touched *t)
{
    uint32_t size = agg_group_size(agg);

    for (uint32_t at = 0; at < size; at += 64) {
        __builtin_prefetch((const uint8_t *)t->group + at);
        __builtin_prefetch((const uint8_t *)t->before + at);
    }
}

static int changes_rows(struct op *op, int input, const struct vec_batch *rows, struct err *err)
{
    struct changes *c = (struct changes *)op;
    int rc = 0;

    (void)input;
    c->count = 0;
    for (size_t i = 0; i < rows->count && !rc; i++) {
        rc = agg_read_chunk(&c->agg, rows->chunks[i], err);
        if (!rc)
            rc = find_groups(c, err);
        if (!rc)
            rc = agg_add_chunk(&c->agg, rows->chunks[i], err);
    }
    for (size_t i = 0; i < c->count && !rc; i++) {
        if (i + AHEAD < c->count)
            prefetch(&c->agg, &c->touched[i + AHEAD]);
        rc = put_changes(c, &c->touched[i], err);
    }
    if (!rc)
        rc = agg_flush(&c->agg, err);
    arena_reset(&c->agg.arena);
    return rc;
}

/* ---- when only the end counts ---- */

static int put_group(struct agg *agg, const struct agg_place *place, struct err *err)
{
    struct slice wide;
    int rc;

    if (agg->key_count && place->group->rows <= 0)
        return 0;
    rc = agg_wide(agg, place, &wide, err);
    return rc ? rc : agg_put(agg, OP_INSERT, place->key, place->group, wide, 0, 0, err);
}

static int put_all(struct changes *c, struct err *err)
{
    struct agg *agg = &c->agg;
    struct agg_place place = {.store = &agg->store};
    struct state_walk walk;
    struct slice value;
    bool fresh;
    int rc = agg->key_count ? 0 : agg_find(agg, &place, &fresh, err);

    state_walk_space(&walk, agg->store.groups, 0);
    while (!rc && state_walk_next(&walk, &place.key, NULL, &value)) {
        place.group = (struct agg_group *)(uintptr_t)value.ptr;
        rc = put_group(agg, &place, err);
    }
    if (!rc)
        rc = agg_flush(agg, err);
    arena_reset(&agg->arena);
    return rc ? rc : agg_drop_space(&agg->store, 0, err);
}

static int changes_mark(struct op *op, int64_t mark, struct err *err)
{
    struct changes *c = (struct changes *)op;
    struct state_key key = {.key = SLICE_LIT("done")};
    bool fresh;
    void *done;
    int rc;

    if (!c->at_end || mark != OP_TIME_MAX)
        return 0;
    rc = state_edit(c->progress, &key, 1, &done, &fresh, err);
    return rc || !fresh ? rc : put_all(c, err);
}

static int changes_read(struct op *op, int table, struct op_reader *to, struct err *err)
{
    struct changes *c = (struct changes *)op;
    struct agg_place place = {.store = &c->agg.store};
    struct state_walk walk;
    struct slice value;
    int rc = 0;

    (void)table;
    state_walk_space(&walk, c->agg.store.groups, 0);
    while (!rc && state_walk_next(&walk, &place.key, NULL, &value)) {
        place.group = (struct agg_group *)(uintptr_t)value.ptr;
        rc = agg_read_group(&c->agg, to, &place, 0, 0, err);
    }
    return rc ? rc : agg_read_end(&c->agg, to, err);
}

static void changes_rest(struct op *op)
{
    struct changes *c = (struct changes *)op;

    agg_rest(&c->agg);
    free(c->touched);
    c->touched = NULL;
    c->count = c->cap = 0;
}

static void changes_free(struct op *op)
{
    struct changes *c = (struct changes *)op;

    agg_deinit(&c->agg);
    free(c->touched);
    free(c);
}

static const struct op_ops changes_ops = {.name = "aggregate",
                                          .rows = changes_rows,
                                          .mark = changes_mark,
                                          .view = agg_view,
                                          .read = changes_read,
                                          .rest = changes_rest,
                                          .free = changes_free};

int changes_new(struct op **out, struct op *below, const struct op_aggregate_spec *spec,
                struct err *err)
{
    struct changes *c = calloc(1, sizeof(*c));
    int rc = c ? agg_init(&c->agg, below, spec, err) : no_memory(err);

    if (!rc)
        rc = agg_add_columns(&c->agg, false, !spec->at_end, err);
    if (!rc)
        rc = op_add(&c->agg.op, below->graph, &below, 1, &changes_ops, err);
    if (rc) {
        if (c)
            vec_columns_free(&c->agg.op.columns);
        if (c)
            changes_free(&c->agg.op);
        return rc;
    }
    *out = &c->agg.op;
    c->at_end = spec->at_end;
    rc = agg_open(&c->agg, err);
    return rc || !spec->at_end ? rc : op_table(*out, "progress", false, &c->progress, err);
}
