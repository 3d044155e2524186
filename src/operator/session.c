/* session.c - aggregates by key and session: rows of a key whose times are no more than the gap
 * apart.
 *
 * A session is a group named by its key and a small number; sessions of one key that are open at
 * once have numbers 0, 1, ..., and the first of them knows how many. Nearly always there is one,
 * and a row finds it with one look. A row that lies between two sessions makes them one.
 *
 * When a session may be over is remembered in memory, in buckets of time: a session enters one when
 * it begins, and when that bucket's time has come and the session has grown meanwhile, it moves on.
 * So a row that makes a session longer costs nothing there. After a load they are made again.
 *
 * What has fired is kept as for other windows: a row that would be a session of its own up to there
 * is late; one that meets an open session is not.
 */
#include "operator/window.h"

#define TAIL sizeof(uint32_t)

/* In front of the group. */
struct session {
    int64_t start, end;
    uint32_t span; /* of number 0: numbers below it are in use, or were */
    uint32_t live; /* 0: kept for its span only */
    struct agg_group group;
};

struct sessions {
    struct agg agg;
    struct window_clock clock;
    int64_t gap, bucket; /* ms */
    int64_t fired;
    uint64_t chunk; /* number of the chunk under way */
    struct state_table *progress;
    struct state *scratch;
    struct state_table *timers; /* (bucket, name) */
    struct slice *over;         /* names of sessions on their way out */
    size_t over_count;
};

static int no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "a session");
}

static uint32_t session_size(const struct sessions *o)
{
    return (uint32_t)(offsetof(struct session, group)) + agg_group_size(&o->agg);
}

/* ---- names ---- */

static struct slice numbered(struct slice name, uint32_t number)
{
    memcpy((uint8_t *)(uintptr_t)(name.ptr + name.len - TAIL), &number, sizeof(number));
    return name;
}

static uint32_t number_of(struct slice name)
{
    uint32_t number;

    memcpy(&number, name.ptr + name.len - TAIL, sizeof(number));
    return number;
}

static int name_rows(struct sessions *o, struct err *err)
{
    struct agg *agg = &o->agg;

    for (idx_t i = 0; i < agg->keys.count; i++) {
        struct slice key = agg->names[i];
        uint8_t *name = arena_alloc(&agg->arena, key.len + TAIL);

        if (!name)
            return no_memory(err);
        memcpy(name, key.ptr, key.len);
        agg->names[i] = slice_of(name, key.len + TAIL);
    }
    return 0;
}

/* The session of that number, to be changed; NULL: there is none. */
static int get(struct sessions *o, struct slice name, uint32_t number, struct session **out,
               struct err *err)
{
    struct state_key key = {0, numbered(name, number), {0}};
    void *value;
    uint32_t len = 0;
    int rc = state_modify(o->agg.store.groups, &key, &value, &len, err);

    *out = value;
    if (!rc && value && len != session_size(o))
        return err_set(err, ERR_CORRUPT, "a session of %u bytes: it is of another plan", len);
    return rc;
}

static const struct session *look(struct sessions *o, struct slice name, uint32_t number)
{
    struct state_key key = {0, numbered(name, number), {0}};
    uint32_t len;

    return state_look(o->agg.store.groups, &key, &len);
}

static struct agg_place place_of(struct sessions *o, struct slice name, struct session *session)
{
    return (struct agg_place){&o->agg.store, 0, name, &session->group};
}

/* ---- timers ---- */

static int64_t bucket_of(const struct sessions *o, int64_t end)
{
    return end - ((end % o->bucket) + o->bucket) % o->bucket;
}

static int set_timer(struct sessions *o, struct slice name, int64_t end, struct err *err)
{
    struct state_key key = {bucket_of(o, end), name, {0}};
    void *nothing;
    bool fresh;

    return state_edit(o->timers, &key, 0, &nothing, &fresh, err);
}

/* ---- rows in ---- */

/* What the next rows will look for: nearly always the session of number 0. */
static void look_ahead(struct sessions *o, idx_t from)
{
    struct state_key keys[STATE_MANY];
    size_t count = 0;

    for (idx_t i = from; i < o->agg.keys.count && count < STATE_MANY; i++)
        keys[count++] = (struct state_key){0, numbered(o->agg.names[i], 0), {0}};
    state_soon(o->agg.store.groups, keys, count);
}

static int begin_session(struct sessions *o, struct slice name, uint32_t number, int64_t ms,
                         struct session **out, struct err *err)
{
    struct state_key key = {0, numbered(name, number), {0}};
    uint32_t span = 1;
    void *value;
    bool fresh;
    int rc = state_edit(o->agg.store.groups, &key, session_size(o), &value, &fresh, err);

    if (rc)
        return rc;
    *out = value;
    if (!fresh)
        span = (*out)->span; /* number 0, which was kept */
    (*out)->start = ms;
    (*out)->end = ms + o->gap;
    (*out)->span = span;
    (*out)->live = 1;
    return set_timer(o, key.key, (*out)->end, err);
}

/* Rows of this chunk that were given a group are added before the group is merged away. */
static int add_pending(struct sessions *o, duckdb_data_chunk chunk, struct err *err)
{
    int rc = agg_add_chunk(&o->agg, chunk, err);

    memset(o->agg.at, 0, o->agg.keys.count * sizeof(o->agg.at[0]));
    o->chunk++;
    return rc;
}

/* The session is over without a result of its own: its place becomes free. Number 0 is kept while
 * others need its span. */
static int end_session(struct sessions *o, struct slice name, uint32_t number, struct err *err)
{
    struct session *session, *first;
    struct agg_place place;
    uint32_t live = 0;
    int rc = get(o, name, number, &session, err);

    if (rc || !session)
        return rc;
    place = place_of(o, name, session);
    rc = number ? agg_drop(&o->agg, &place, err) : agg_drop_kept(&o->agg, &place, err);
    if (!rc && !number)
        *session = (struct session){.span = session->span};
    if (!rc && !number)
        memset(&session->group, 0, agg_group_size(&o->agg));
    if (!rc)
        rc = get(o, name, 0, &first, err);
    if (rc || !first)
        return rc;
    for (uint32_t i = 0; i < first->span; i++) {
        const struct session *other = look(o, name, i);

        live = other && other->live ? i + 1 : live;
    }
    first->span = live;
    if (live)
        return 0;
    return state_drop(o->agg.store.groups, &(struct state_key){0, numbered(name, 0), {0}}, err);
}

/* What lies in both becomes the session `into`; its number is what `name` says afterwards. */
static int merge(struct sessions *o, struct slice name, struct session *into, uint32_t number,
                 uint32_t other, duckdb_data_chunk chunk, struct err *err)
{
    uint8_t text[256];
    struct slice copy = slice_of(text, name.len);
    struct session *from;
    struct agg_place a, b;
    int rc;

    if (name.len > sizeof(text))
        copy = arena_slice(&o->agg.arena, name);
    else
        memcpy(text, name.ptr, name.len);
    if (!copy.ptr)
        return no_memory(err);
    rc = get(o, copy, other, &from, err);
    if (rc || !from)
        return rc;
    if (from->group.touched == o->chunk)
        rc = add_pending(o, chunk, err);
    if (from->start < into->start)
        into->start = from->start;
    if (from->end > into->end)
        into->end = from->end;
    a = place_of(o, copy, from);
    b = place_of(o, numbered(name, number), into);
    if (!rc)
        rc = agg_merge(&o->agg, &a, &b, err);
    return rc ? rc : end_session(o, copy, other, err);
}

/* Sessions that the time touches become one; *out NULL: there is none. */
static int meet(struct sessions *o, struct slice name, int64_t ms, duckdb_data_chunk chunk,
                struct session **out, uint32_t *number, struct err *err)
{
    struct session *first;
    uint32_t span;
    int rc = get(o, name, 0, &first, err);

    *out = NULL;
    *number = 0;
    span = first && !rc ? first->span : 0;
    if (span == 1 && first->live && first->start <= ms + o->gap && first->end >= ms) {
        *out = first;
        return 0;
    }
    for (uint32_t i = 0; i < span && !rc; i++) {
        const struct session *session = look(o, name, i);

        if (!session || !session->live || session->start > ms + o->gap || session->end < ms)
            continue;
        if (*out) {
            rc = merge(o, name, *out, *number, i, chunk, err);
        } else {
            *number = i;
            rc = get(o, name, i, out, err);
        }
    }
    return rc;
}

/* A number that no open session of the key has. */
static int free_number(struct sessions *o, struct slice name, uint32_t *number, struct err *err)
{
    struct session *first;
    const struct session *other;
    int rc = get(o, name, 0, &first, err);

    *number = 0;
    if (rc || !first)
        return rc;
    while (*number < first->span && (other = look(o, name, *number)) && other->live)
        ++*number;
    if (*number == first->span)
        first->span++;
    return 0;
}

static int find_session(struct sessions *o, idx_t i, duckdb_data_chunk chunk, struct err *err)
{
    struct agg *agg = &o->agg;
    int64_t ms = o->clock.ms[i];
    struct slice name = agg->names[i];
    struct session *session;
    uint32_t number;
    int rc;

    if (ms == OP_TIME_MIN || o->fired == OP_TIME_MAX)
        return op_late(&agg->op, 0, chunk, i, err);
    rc = meet(o, name, ms, chunk, &session, &number, err);
    if (!rc && !session) {
        if (o->fired != OP_TIME_MIN && ms + o->gap - 1 <= o->fired)
            return op_late(&agg->op, 0, chunk, i, err);
        rc = free_number(o, name, &number, err);
        if (!rc)
            rc = begin_session(o, name, number, ms, &session, err);
    }
    if (rc)
        return rc;
    if (ms < session->start)
        session->start = ms;
    if (ms + o->gap > session->end)
        session->end = ms + o->gap;
    numbered(name, number);
    session->group.rows += agg->changes[i];
    session->group.touched = o->chunk;
    agg->at[i] = (uint8_t *)&session->group;
    return 0;
}

static int add_chunk(struct sessions *o, duckdb_data_chunk chunk, struct err *err)
{
    struct agg *agg = &o->agg;
    int rc = agg_read_chunk(agg, chunk, err);

    if (!rc)
        rc = name_rows(o, err);
    if (rc)
        return rc;
    window_clock_read(&o->clock, &agg->op, o->fired, chunk);
    memset(agg->at, 0, agg->keys.count * sizeof(agg->at[0]));
    o->chunk++;
    for (idx_t i = 0; i < agg->keys.count && !rc; i++) {
        if (i % STATE_MANY == 0)
            look_ahead(o, i);
        rc = find_session(o, i, chunk, err);
    }
    return rc ? rc : agg_add_chunk(agg, chunk, err);
}

static int session_rows(struct op *op, int input, const struct vec_batch *rows, struct err *err)
{
    struct sessions *o = (struct sessions *)op;
    int rc = 0;

    (void)input;
    for (size_t c = 0; c < rows->count && !rc; c++) {
        rc = add_chunk(o, rows->chunks[c], err);
        arena_reset(&o->agg.arena);
    }
    return rc;
}

/* ---- sessions out ---- */

static int end_all(struct sessions *o, struct err *err)
{
    int rc = agg_flush(&o->agg, err);

    for (size_t i = 0; i < o->over_count && !rc; i++)
        rc = end_session(o, o->over[i], number_of(o->over[i]), err);
    o->over_count = 0;
    arena_reset(&o->agg.arena);
    return rc;
}

/* It has two timers when its number was another's before: it counts as over at once. */
static int put_session(struct sessions *o, struct slice name, struct err *err)
{
    struct agg *agg = &o->agg;
    struct session *session;
    struct agg_place place;
    struct slice wide;
    int rc = get(o, name, number_of(name), &session, err);

    if (rc)
        return rc;
    session->live = 0;
    place = place_of(o, name, session);
    rc = agg_wide(agg, &place, &wide, err);
    if (rc)
        return rc;
    if (session->group.rows > 0)
        rc =
            agg_put(agg, OP_INSERT, name, &session->group, wide, session->start, session->end, err);
    o->over[o->over_count++] = name;
    return rc || o->over_count < vec_chunk_rows() ? rc : end_all(o, err);
}

/* A timer whose time has come: its session is over, has grown meanwhile, or is gone. */
static int handle_timer(struct sessions *o, int64_t bucket, struct slice timer, int64_t mark,
                        struct err *err)
{
    struct slice name = arena_slice(&o->agg.arena, timer);
    const struct session *session;
    int rc = 0;

    if (!name.ptr)
        return no_memory(err);
    session = look(o, name, number_of(name));
    if (session && session->live && session->end - 1 > mark) {
        if (bucket_of(o, session->end) == bucket)
            return 0;
        rc = set_timer(o, name, session->end, err);
        session = NULL;
    }
    if (!rc)
        rc = state_drop(o->timers, &(struct state_key){bucket, name, {0}}, err);
    return rc || !session || !session->live ? rc : put_session(o, name, err);
}

static int fire_bucket(struct sessions *o, int64_t bucket, int64_t mark, struct err *err)
{
    struct state_walk walk;
    struct slice timer;
    int64_t next;
    int rc = 0;

    state_walk_space(&walk, o->timers, bucket);
    while (!rc && state_walk_next(&walk, &timer, NULL, NULL))
        rc = handle_timer(o, bucket, timer, mark, err);
    if (rc || (state_space_from(o->timers, bucket, &next) && next == bucket))
        return rc;
    return state_drop_space(o->timers, bucket, err); /* it is empty */
}

static int fire(struct sessions *o, int64_t mark, struct err *err)
{
    int64_t bucket = INT64_MIN;
    int rc = 0;

    while (!rc && state_space_from(o->timers, bucket, &bucket) && bucket - 1 <= mark)
        rc = fire_bucket(o, bucket++, mark, err);
    return rc ? rc : end_all(o, err);
}

static int session_fire(struct sessions *o, int64_t mark, struct err *err)
{
    void *value;
    bool fresh;
    int rc;

    if (mark <= o->fired)
        return 0;
    rc = fire(o, mark, err);
    o->fired = mark;
    if (!rc)
        rc = state_edit(o->progress, &(struct state_key){.key = SLICE_LIT("fired")}, sizeof(mark),
                        &value, &fresh, err);
    if (!rc)
        memcpy(value, &mark, sizeof(mark));
    return rc;
}

static int session_mark(struct op *op, int64_t mark, struct err *err)
{
    struct sessions *o = (struct sessions *)op;

    if (o->clock.rowtime < 0 && mark != OP_TIME_MAX)
        return 0;
    return session_fire(o, window_clock_mark(&o->clock, mark), err);
}

static int session_tick(struct op *op, struct err *err)
{
    struct sessions *o = (struct sessions *)op;

    return o->clock.rowtime < 0 ? session_fire(o, window_clock_now(&o->clock, op), err) : 0;
}

static int session_load(struct op *op, struct err *err)
{
    struct sessions *o = (struct sessions *)op;
    struct state_walk walk;
    struct slice name, value;
    uint32_t len;
    const void *fired =
        state_look(o->progress, &(struct state_key){.key = SLICE_LIT("fired")}, &len);
    int rc = 0;

    if (fired && len != sizeof(o->fired))
        return err_set(err, ERR_CORRUPT, "sessions: what had fired has %u bytes", len);
    if (fired)
        memcpy(&o->fired, fired, sizeof(o->fired));
    state_walk_space(&walk, o->agg.store.groups, 0);
    while (!rc && state_walk_next(&walk, &name, NULL, &value)) {
        const struct session *session = (const void *)value.ptr;

        if (value.len != session_size(o) || name.len < TAIL)
            return err_set(err, ERR_CORRUPT, "a session of %zu bytes: it is of another plan",
                           value.len);
        if (session->live)
            rc = set_timer(o, name, session->end, err);
    }
    return rc;
}

static int session_read(struct op *op, int table, struct op_reader *to, struct err *err)
{
    struct sessions *o = (struct sessions *)op;
    struct state_walk walk;
    struct slice name, value;
    int rc = 0;

    (void)table;
    state_walk_space(&walk, o->agg.store.groups, 0);
    while (!rc && state_walk_next(&walk, &name, NULL, &value)) {
        struct session *session = (struct session *)(uintptr_t)value.ptr;
        struct agg_place place = place_of(o, name, session);

        if (session->live)
            rc = agg_read_group(&o->agg, to, &place, session->start, session->end, err);
    }
    return rc ? rc : agg_read_end(&o->agg, to, err);
}

/* ---- making one ---- */

static void session_rest(struct op *op)
{
    agg_rest(&((struct sessions *)op)->agg);
}

static void session_free(struct op *op)
{
    struct sessions *o = (struct sessions *)op;

    agg_deinit(&o->agg);
    window_clock_deinit(&o->clock);
    state_free(o->scratch);
    free(o->over);
    free(o);
}

static const struct op_ops session_ops = {.name = "session aggregate",
                                          .rows = session_rows,
                                          .mark = session_mark,
                                          .tick = session_tick,
                                          .load = session_load,
                                          .view = agg_view,
                                          .read = session_read,
                                          .rest = session_rest,
                                          .free = session_free};

static int session_init(struct sessions *o, struct op *below, const struct op_aggregate_spec *spec,
                        struct err *err)
{
    const struct op_window *w = spec->window;
    int rc = 0;

    if (w->size <= 0)
        rc = err_set(err, ERR_INVALID, "a session's gap must be more than 0 ms");
    else if (w->early || w->late || w->lateness)
        rc = err_set(err, ERR_UNSUPPORTED,
                     "a SESSION window gives its result once: without early or late firing");
    o->gap = w->size;
    o->bucket = w->size / 32 > 1 ? w->size / 32 : 1;
    o->fired = OP_TIME_MIN;
    o->over = calloc(vec_chunk_rows(), sizeof(*o->over));
    if (!rc && !o->over)
        rc = no_memory(err);
    if (!rc)
        rc = window_clock_init(&o->clock, spec, err);
    if (!rc)
        rc = agg_init(&o->agg, below, spec, err);
    if (!rc)
        rc = agg_add_columns(&o->agg, true, false, err);
    o->agg.key_tail = TAIL;
    if (!rc)
        rc = state_new(&o->scratch, &(struct state_options){0}, err);
    return rc ? rc
              : state_table_open(o->scratch, &(struct state_table_options){.name = "timers"},
                                 &o->timers, err);
}

int session_window_new(struct op **out, struct op *below, const struct op_aggregate_spec *spec,
                       struct err *err)
{
    struct sessions *o = calloc(1, sizeof(*o));
    int rc = o ? session_init(o, below, spec, err) : no_memory(err);

    if (!rc)
        rc = op_add(&o->agg.op, below->graph, &below, 1, &session_ops, err);
    if (rc) {
        if (o)
            vec_columns_free(&o->agg.op.columns);
        if (o)
            session_free(&o->agg.op);
        return rc;
    }
    *out = &o->agg.op;
    (*out)->by_rows = o->clock.rowtime >= 0;
    rc = agg_open(&o->agg, err);
    return rc ? rc : op_table(*out, "progress", false, &o->progress, err);
}
