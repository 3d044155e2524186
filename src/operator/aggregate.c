/* aggregate.c - groups of accumulators by key: rows into them, groups into each other, results out.
 *
 * A chunk is taken in two steps: each row's group is found (or made) once, then each call runs over
 * all rows in a loop of its own. Groups do not move while the batch lasts. Rows that go out are
 * gathered and written column by column.
 */
#include <stdio.h>

#include "operator/aggregate.h"

static int no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "an aggregate");
}

/* ---- making one ---- */

static int init_keys(struct agg *agg, struct op *below, const struct op_aggregate_spec *spec,
                     struct err *err)
{
    size_t *which = calloc(spec->key_count + 1, sizeof(*which));
    int rc = which
                 ? vec_codec_new(&agg->key_codec, &below->columns, spec->keys, spec->key_count, err)
                 : no_memory(err);

    for (size_t i = 0; i < spec->key_count && !rc; i++) {
        const struct vec_column *column = &below->columns.list[spec->keys[i]];
        char name[24];

        which[i] = i;
        snprintf(name, sizeof(name), "c%zu", i);
        if (vec_columns_add(&agg->op.columns, name, vec_type_copy(column->type)))
            rc = no_memory(err);
    }
    if (!rc)
        rc = vec_codec_new(&agg->out_codec, &agg->op.columns, which, spec->key_count, err);
    free(which);
    return rc;
}

static int init_codecs(struct agg *agg, struct agg_call *call, size_t column, struct op *below,
                       struct err *err)
{
    int rc = 0;

    if (call->distinct || call->keep != KEEP_SLOT)
        rc = vec_codec_new(&call->codec, &below->columns, (size_t[]){(size_t)call->spec.arg}, 1,
                           err);
    if (!rc && call->keep == KEEP_MEMBERS)
        rc = vec_codec_new(&call->codec2, &below->columns, (size_t[]){(size_t)call->spec.arg2}, 1,
                           err);
    if (!rc && call->keep != KEEP_SLOT)
        rc = vec_codec_new(&call->result, &agg->op.columns, &column, 1, err);
    return rc;
}

static int init_calls(struct agg *agg, struct op *below, const struct op_aggregate_spec *spec,
                      struct err *err)
{
    int rc = spec->call_count > UINT8_MAX
                 ? err_set(err, ERR_LIMIT, "more than %d aggregates at one place", UINT8_MAX)
                 : 0;

    for (size_t i = 0; i < spec->call_count && !rc; i++) {
        struct agg_call *call = &agg->calls[i];
        duckdb_logical_type type = NULL;
        char name[24];

        call->spec = spec->calls[i];
        rc = keep_init(call, &below->columns, agg->kind_column >= 0, &type, err);
        if (rc)
            break;
        snprintf(name, sizeof(name), "c%zu", spec->key_count + i);
        if (vec_columns_add(&agg->op.columns, name, type))
            rc = no_memory(err);
        if (!rc)
            rc = init_codecs(agg, call, agg->op.columns.count - 1, below, err);
        agg->wide |= call->keep != KEEP_SLOT;
        call->offset = agg->group_size;
        agg->group_size +=
            call->keep == KEEP_SLOT ? accumulator_size(&call->acc) : 2 * (uint32_t)sizeof(int64_t);
    }
    return rc;
}

/* What a chunk of rows needs beside the groups: an array each, at this place of struct agg. A quiet
 * aggregate has none of them. */
struct room {
    size_t at, row_bytes;
};
#define ROOM(field)                                                                                \
    {                                                                                              \
        offsetof(struct agg, field), sizeof(*((struct agg *)0)->field)                             \
    }
#define WIDENED_BYTES 16
static const struct room chunk_rooms[] = {
    ROOM(at),    ROOM(names),   ROOM(spaces),
    ROOM(signs), ROOM(changes), {offsetof(struct agg, widened), WIDENED_BYTES}};
static const struct room pending_rooms[] = {ROOM(out.keys),  ROOM(out.wide),   ROOM(out.groups),
                                            ROOM(out.kinds), ROOM(out.starts), ROOM(out.ends)};

static void **room_of(struct agg *agg, const struct room *room)
{
    return (void **)(void *)((uint8_t *)agg + room->at);
}

static void give_room(struct agg *agg, const struct room *rooms, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(*room_of(agg, &rooms[i]));
        *room_of(agg, &rooms[i]) = NULL;
    }
}

static int take_room(struct agg *agg, const struct room *rooms, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        *room_of(agg, &rooms[i]) = calloc(vec_chunk_rows(), rooms[i].row_bytes);
        if (!*room_of(agg, &rooms[i])) {
            give_room(agg, rooms, count);
            return no_memory(err);
        }
    }
    return 0;
}

int agg_reserve(struct agg *agg, struct err *err)
{
    return agg->at ? 0 : take_room(agg, chunk_rooms, COUNT_OF(chunk_rooms), err);
}

void agg_rest(struct agg *agg)
{
    give_room(agg, chunk_rooms, COUNT_OF(chunk_rooms));
    if (!agg->out.count)
        give_room(agg, pending_rooms, COUNT_OF(pending_rooms));
    vec_rows_deinit(&agg->keys);
    for (size_t i = 0; i < agg->call_count; i++) {
        vec_rows_deinit(&agg->calls[i].seen);
        vec_rows_deinit(&agg->calls[i].seen2);
    }
    arena_deinit(&agg->arena);
    buf_deinit(&agg->scratch);
    buf_deinit(&agg->result);
    buf_deinit(&agg->made);
}

int agg_init(struct agg *agg, struct op *below, const struct op_aggregate_spec *spec,
             struct err *err)
{
    int rc;

    agg->calls = calloc(spec->call_count + 1, sizeof(*agg->calls));
    rc = agg->calls ? 0 : no_memory(err);
    agg->kind_column = op_kind_column(&below->columns);
    agg->group_size = sizeof(struct agg_group);
    agg->key_count = spec->key_count;
    agg->ttl_ms = spec->window ? 0 : spec->ttl_ms;
    agg->call_count = rc ? 0 : spec->call_count;
    if (!rc)
        rc = init_keys(agg, below, spec, err);
    return rc ? rc : init_calls(agg, below, spec, err);
}

int agg_add_columns(struct agg *agg, bool windowed, bool kinds, struct err *err)
{
    char name[24];
    bool bad = false;

    agg->windowed = windowed;
    agg->kinds = kinds;
    for (size_t i = 0; windowed && i < 2; i++) {
        snprintf(name, sizeof(name), "c%zu", agg->op.columns.count);
        bad |= vec_columns_add(&agg->op.columns, name,
                               duckdb_create_logical_type(DUCKDB_TYPE_TIMESTAMP)) != 0;
    }
    if (kinds)
        bad |= vec_columns_add(&agg->op.columns, OP_KIND,
                               duckdb_create_logical_type(DUCKDB_TYPE_UTINYINT)) != 0;
    return bad ? no_memory(err) : 0;
}

/* What is kept beside a group whose time is over goes with it. */
static int group_expired(void *arg, const struct state_key *key, void *value, struct err *err)
{
    struct agg *agg = arg;
    struct agg_place place = {&agg->store, key->space, key->key, value};

    return agg_drop_kept(agg, &place, err);
}

typedef int open_fn(void *arg, const char *name, bool grouped, struct state_table **out,
                    struct err *err);

static int open_tables(const struct agg *agg, struct agg_store *store, open_fn *open, void *arg,
                       struct err *err)
{
    bool distinct = false, kept = false, ordered = false;
    int rc = open(arg, "groups", false, &store->groups, err);

    for (size_t i = 0; i < agg->call_count; i++) {
        enum keep keep = agg->calls[i].keep;
        bool one = keep == KEEP_ONE || keep == KEEP_SKETCH;

        distinct |= agg->calls[i].distinct;
        kept |= one;
        ordered |= !one && keep != KEEP_SLOT;
    }
    if (!rc && distinct)
        rc = open(arg, "distinct", true, &store->distinct, err);
    if (!rc && kept)
        rc = open(arg, "kept", false, &store->kept, err);
    if (!rc && ordered)
        rc = open(arg, "ordered", false, &store->ordered, err);
    return rc;
}

static int open_own(void *arg, const char *name, bool grouped, struct state_table **out,
                    struct err *err)
{
    struct agg *agg = arg;
    struct state_table_options options = {.name = name, .grouped = grouped};

    if (!strcmp(name, "groups") && agg->ttl_ms) {
        options.ttl_ms = agg->ttl_ms;
        options.expired = group_expired;
        options.expired_arg = agg;
    }
    return op_table_open(&agg->op, &options, out, err);
}

int agg_open(struct agg *agg, struct err *err)
{
    return open_tables(agg, &agg->store, open_own, agg, err);
}

static int open_scratch(void *arg, const char *name, bool grouped, struct state_table **out,
                        struct err *err)
{
    struct state_table_options options = {.name = name, .grouped = grouped};

    return state_table_open(arg, &options, out, err);
}

int agg_open_scratch(struct agg *agg, struct state *state, struct agg_store *out, struct err *err)
{
    return open_tables(agg, out, open_scratch, state, err);
}

static void free_calls(struct agg *agg)
{
    for (size_t i = 0; agg->calls && i < agg->call_count; i++) {
        struct agg_call *call = &agg->calls[i];

        vec_codec_free(call->codec);
        vec_codec_free(call->codec2);
        vec_codec_free(call->result);
        vec_rows_deinit(&call->seen);
        vec_rows_deinit(&call->seen2);
    }
    free(agg->calls);
}

void agg_deinit(struct agg *agg)
{
    free_calls(agg);
    vec_codec_free(agg->key_codec);
    vec_codec_free(agg->out_codec);
    vec_rows_deinit(&agg->keys);
    give_room(agg, chunk_rooms, COUNT_OF(chunk_rooms));
    give_room(agg, pending_rooms, COUNT_OF(pending_rooms));
    arena_deinit(&agg->arena);
    ordered_deinit(&agg->map);
    ordered_deinit(&agg->twin);
    buf_deinit(&agg->scratch);
    buf_deinit(&agg->result);
    buf_deinit(&agg->made);
}

/* ---- rows in ---- */

int agg_read_chunk(struct agg *agg, duckdb_data_chunk chunk, struct err *err)
{
    idx_t rows = duckdb_data_chunk_get_size(chunk);
    const uint8_t *kinds;
    int rc = agg_reserve(agg, err);

    if (!rc)
        rc = vec_rows_encode(agg->key_codec, chunk, &agg->keys, err);
    if (rc)
        return rc;
    memset(agg->changes, 1, rows);
    if (agg->kind_column >= 0) {
        kinds =
            duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, (idx_t)agg->kind_column));
        for (idx_t i = 0; i < rows; i++)
            agg->changes[i] = kinds[i] == OP_UPDATE_BEFORE || kinds[i] == OP_DELETE ? -1 : 1;
    }
    for (idx_t i = 0; i < rows; i++)
        agg->names[i] = vec_row(&agg->keys, i);
    return 0;
}

/* Which rows a call takes, and in which direction. */
static void call_signs(struct agg *agg, const struct agg_call *call, duckdb_data_chunk chunk)
{
    idx_t rows = duckdb_data_chunk_get_size(chunk);
    const uint64_t *validity = NULL, *filter_validity = NULL;
    const bool *filter = NULL;
    duckdb_vector vector;

    if (call->spec.arg >= 0 && !call->nulls)
        validity =
            duckdb_vector_get_validity(duckdb_data_chunk_get_vector(chunk, (idx_t)call->spec.arg));
    if (call->spec.filter >= 0) {
        vector = duckdb_data_chunk_get_vector(chunk, (idx_t)call->spec.filter);
        filter = duckdb_vector_get_data(vector);
        filter_validity = duckdb_vector_get_validity(vector);
    }
    for (idx_t i = 0; i < rows; i++)
        agg->signs[i] = agg->at[i] && vec_is_valid(validity, i) &&
                                (!filter || (vec_is_valid(filter_validity, i) && filter[i]))
                            ? agg->changes[i]
                            : 0;
}

static int distinct_name(struct agg *agg, size_t call, struct slice value, struct err *err)
{
    buf_clear(&agg->scratch);
    return buf_append_u8(&agg->scratch, (uint8_t)call) || buf_append_slice(&agg->scratch, value)
               ? no_memory(err)
               : 0;
}

/* A value counts when its number leaves 0 and when it comes back to it. */
static int distinct_sign(struct agg *agg, size_t call, const struct agg_place *at,
                         struct slice value, int64_t by, int8_t *sign, struct err *err)
{
    struct state_key key = {at->space, at->key, {0}};
    int64_t *times, before;
    void *found;
    bool fresh;
    int rc = distinct_name(agg, call, value, err);

    key.sub = buf_slice(&agg->scratch);
    if (!rc)
        rc = state_edit(at->store->distinct, &key, sizeof(*times), &found, &fresh, err);
    if (rc)
        return rc;
    times = found;
    before = *times;
    *times += by;
    *sign = (int8_t)((*times > 0) - (before > 0));
    return *times > 0 ? 0 : state_drop(at->store->distinct, &key, err);
}

static struct agg_place place_of(const struct agg *agg, idx_t row)
{
    return (struct agg_place){&agg->store, agg->spaces[row], agg->names[row],
                              (struct agg_group *)(void *)agg->at[row]};
}

/* The names of the next rows' values, each behind the number of the call, and their way into the
 * cache. */
static int look_ahead(struct agg *agg, size_t call, idx_t from, struct err *err)
{
    const struct vec_rows *seen = &agg->calls[call].seen;
    struct state_key keys[STATE_MANY];
    size_t count = 0, len = 0;
    uint8_t *at;

    for (idx_t i = from; i < agg->keys.count && i < from + STATE_MANY; i++)
        len += agg->signs[i] ? vec_row(seen, i).len + 1 : 0;
    buf_clear(&agg->made);
    if (buf_reserve(&agg->made, len + 1))
        return no_memory(err);
    at = agg->made.ptr;
    for (idx_t i = from; i < agg->keys.count && i < from + STATE_MANY; i++) {
        struct slice value = vec_row(seen, i);

        if (!agg->signs[i])
            continue;
        *at = (uint8_t)call;
        memcpy(at + 1, value.ptr, value.len);
        keys[count++] =
            (struct state_key){agg->spaces[i], agg->names[i], slice_of(at, value.len + 1)};
        at += value.len + 1;
    }
    state_soon(agg->store.distinct, keys, count);
    return 0;
}

static int distinct_signs(struct agg *agg, size_t call, struct err *err)
{
    int rc = 0;

    for (idx_t i = 0; i < agg->keys.count && !rc; i++) {
        struct agg_place place = place_of(agg, i);

        if (i % STATE_MANY == 0)
            rc = look_ahead(agg, call, i, err);
        if (rc)
            break;
        if (agg->signs[i])
            rc = distinct_sign(agg, call, &place, vec_row(&agg->calls[call].seen, i), agg->signs[i],
                               &agg->signs[i], err);
    }
    return rc;
}

static int keep_all(struct agg *agg, size_t c, struct err *err)
{
    struct agg_call *call = &agg->calls[c];
    int rc = 0;

    for (idx_t i = 0; i < agg->keys.count && !rc; i++) {
        struct agg_place place = place_of(agg, i);
        struct slice second = {0};

        if (call->codec2)
            second = vec_row(&call->seen2, i);
        if (agg->signs[i])
            rc = keep_add(agg, c, &place, vec_row(&call->seen, i), second, agg->signs[i], err);
    }
    return rc;
}

static int add_call(struct agg *agg, size_t c, duckdb_data_chunk chunk, struct err *err)
{
    struct agg_call *call = &agg->calls[c];
    idx_t rows = duckdb_data_chunk_get_size(chunk);
    int rc = call->codec ? vec_rows_encode(call->codec, chunk, &call->seen, err) : 0;

    if (!rc && call->codec2)
        rc = vec_rows_encode(call->codec2, chunk, &call->seen2, err);
    call_signs(agg, call, chunk);
    if (!rc && call->distinct)
        rc = distinct_signs(agg, c, err);
    if (rc || call->keep != KEEP_SLOT)
        return rc ? rc : keep_all(agg, c, err);
    if (call->spec.arg >= 0)
        accumulator_read(&call->acc, duckdb_data_chunk_get_vector(chunk, (idx_t)call->spec.arg),
                         rows, agg->widened);
    accumulator_add(&call->acc, agg->at, call->offset, agg->signs, agg->widened, rows);
    return 0;
}

int agg_add_chunk(struct agg *agg, duckdb_data_chunk chunk, struct err *err)
{
    int rc = 0;

    for (size_t c = 0; c < agg->call_count && !rc; c++)
        rc = add_call(agg, c, chunk, err);
    return rc;
}

int agg_find(const struct agg *agg, struct agg_place *place, bool *fresh, struct err *err)
{
    struct state_key key = {place->space, place->key, {0}};
    void *group;
    int rc = state_edit(place->store->groups, &key, agg_group_size(agg), &group, fresh, err);

    place->group = group;
    return rc;
}

/* ---- groups that become one ---- */

/* One value, in bytes of a codec, as a row of the call. */
static int add_value(struct agg *agg, size_t c, const struct agg_place *into, struct slice value,
                     struct err *err)
{
    struct agg_call *call = &agg->calls[c];
    _Alignas(16) uint8_t raw[16] = {0}, widened[16];
    uint8_t *group = (uint8_t *)into->group;
    static const int8_t sign = 1;

    if (call->keep != KEEP_SLOT)
        return keep_add(agg, c, into, value, (struct slice){0}, 1, err);
    if (value.len > 1 && value.len <= 1 + sizeof(raw))
        memcpy(raw, value.ptr + 1, value.len - 1);
    accumulator_widen(&call->acc, raw, 1, widened);
    accumulator_add(&call->acc, &group, call->offset, &sign, widened, 1);
    return 0;
}

/* How often a value of the call was there. */
static int64_t times_of(struct agg *agg, size_t c, const struct agg_place *at, struct slice value)
{
    struct state_key key = {at->space, at->key, {0}};
    int64_t times = 0;
    const void *found;
    uint32_t len;

    if (distinct_name(agg, c, value, NULL))
        return 0;
    key.sub = buf_slice(&agg->scratch);
    found = state_look(at->store->distinct, &key, &len);
    if (found)
        memcpy(&times, found, sizeof(times));
    return times;
}

/* Of a list they come in its order, behind those that are there. */
static int merge_list(struct agg *agg, size_t c, const struct agg_place *from,
                      const struct agg_place *into, struct err *err)
{
    struct ordered list = {0};
    struct ordered_walk walk;
    struct ordered_item item;
    int8_t sign;
    int rc = ordered_at(&list, from->store->ordered, from->space, from->key, (uint8_t)c, 0, err);

    if (!rc)
        ordered_first(&walk, &list);
    while (!rc && ordered_next(&walk, &item)) {
        rc = distinct_sign(agg, c, into, item.payload, times_of(agg, c, from, item.payload), &sign,
                           err);
        if (!rc && sign > 0)
            rc = add_value(agg, c, into, item.payload, err);
    }
    ordered_deinit(&list);
    return rc;
}

/* Values that the other has not had yet come to it as rows would. */
static int merge_distinct(struct agg *agg, const struct agg_place *from,
                          const struct agg_place *into, struct err *err)
{
    struct state_walk walk;
    struct slice sub, value;
    int rc = 0;

    state_walk_group(&walk, from->store->distinct, from->space, from->key);
    while (!rc && state_walk_next(&walk, NULL, &sub, &value)) {
        struct slice what = slice_of(sub.ptr + 1, sub.len - 1);
        int64_t times;
        int8_t sign;

        if (agg->calls[sub.ptr[0]].keep == KEEP_LIST)
            continue;
        memcpy(&times, value.ptr, sizeof(times));
        rc = distinct_sign(agg, sub.ptr[0], into, what, times, &sign, err);
        if (!rc && sign > 0)
            rc = add_value(agg, sub.ptr[0], into, what, err);
    }
    return rc;
}

int agg_merge(struct agg *agg, const struct agg_place *from, const struct agg_place *into,
              struct err *err)
{
    int rc = 0;

    into->group->rows += from->group->rows;
    if (agg->store.distinct)
        rc = merge_distinct(agg, from, into, err);
    for (size_t c = 0; c < agg->call_count && !rc; c++) {
        if (!agg->calls[c].distinct)
            rc = keep_merge(agg, c, from, into, err);
        else if (agg->calls[c].keep == KEEP_LIST)
            rc = merge_list(agg, c, from, into, err);
    }
    return rc;
}

static int drop_distinct(const struct agg_place *place, struct err *err)
{
    struct state_walk walk;
    struct slice sub;
    int rc = 0;

    state_walk_group(&walk, place->store->distinct, place->space, place->key);
    while (!rc && state_walk_next(&walk, NULL, &sub, NULL)) {
        struct state_key key = {place->space, place->key, sub};

        rc = state_drop(place->store->distinct, &key, err);
    }
    return rc;
}

int agg_drop_kept(struct agg *agg, const struct agg_place *place, struct err *err)
{
    int rc = place->store->distinct ? drop_distinct(place, err) : 0;

    for (size_t c = 0; agg->wide && c < agg->call_count && !rc; c++)
        rc = keep_drop(agg, c, place, err);
    return rc;
}

int agg_drop(struct agg *agg, const struct agg_place *place, struct err *err)
{
    struct state_key key = {place->space, place->key, {0}};
    int rc = agg_drop_kept(agg, place, err);

    return rc ? rc : state_drop(place->store->groups, &key, err);
}

int agg_drop_space(const struct agg_store *store, int64_t space, struct err *err)
{
    struct state_table *const tables[] = {store->groups, store->distinct, store->kept,
                                          store->ordered};
    int rc = 0;

    for (size_t i = 0; i < COUNT_OF(tables) && !rc; i++)
        if (tables[i])
            rc = state_drop_space(tables[i], space, err);
    return rc;
}

/* ---- results ---- */

/* Of each such call: the length of its bytes, then they. */
int agg_wide(struct agg *agg, const struct agg_place *place, struct slice *out, struct err *err)
{
    int rc = 0;

    *out = (struct slice){0};
    if (!agg->wide)
        return 0;
    buf_clear(&agg->made);
    for (size_t c = 0; c < agg->call_count && !rc; c++) {
        uint32_t len = 0;
        size_t start = agg->made.len;

        if (agg->calls[c].keep == KEEP_SLOT)
            continue;
        rc = buf_append(&agg->made, &len, sizeof(len))
                 ? no_memory(err)
                 : keep_result(agg, c, place, &agg->made, err);
        if (rc)
            return rc;
        len = (uint32_t)(agg->made.len - start - sizeof(len));
        memcpy(agg->made.ptr + start, &len, sizeof(len));
    }
    *out = arena_slice(&agg->arena, buf_slice(&agg->made));
    return rc ? rc : out->ptr ? 0 : no_memory(err);
}

bool agg_same(const struct agg *agg, const struct agg_group *a, struct slice a_wide,
              const struct agg_group *b, struct slice b_wide)
{
    for (size_t c = 0; c < agg->call_count; c++)
        if (agg->calls[c].keep == KEEP_SLOT &&
            !accumulator_same(&agg->calls[c].acc, agg_slot(agg, a, c), agg_slot(agg, b, c)))
            return false;
    return slice_eq(a_wide, b_wide);
}

int agg_put(struct agg *agg, enum op_kind kind, struct slice key, const struct agg_group *group,
            struct slice wide, int64_t start, int64_t end, struct err *err)
{
    struct agg_pending *out = &agg->out;
    int rc = out->count == vec_chunk_rows() ? agg_flush(agg, err) : 0;

    if (!out->keys)
        rc = take_room(agg, pending_rooms, COUNT_OF(pending_rooms), err);
    if (!out->keys)
        return rc;
    out->keys[out->count] = slice_of(key.ptr, key.len - agg->key_tail);
    out->groups[out->count] = group;
    out->wide[out->count] = wide;
    out->kinds[out->count] = (uint8_t)kind;
    out->starts[out->count] = start;
    out->ends[out->count++] = end;
    return rc;
}

/* The next call's bytes of pending row i. */
static struct slice next_wide(struct agg_pending *out, idx_t i)
{
    struct slice *rest = &out->wide[i], bytes;
    uint32_t len;

    memcpy(&len, rest->ptr, sizeof(len));
    bytes = slice_of(rest->ptr + sizeof(len), len);
    *rest = slice_of(bytes.ptr + len, rest->len - sizeof(len) - len);
    return bytes;
}

static int put_call(struct agg *agg, size_t c, idx_t from, idx_t count, duckdb_data_chunk chunk,
                    idx_t row, struct err *err)
{
    const struct agg_call *call = &agg->calls[c];
    idx_t column = (idx_t)(agg->key_count + c);
    duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, column);
    int rc = 0;

    if (call->keep == KEEP_SLOT) {
        accumulator_results(&call->acc,
                            (const uint8_t *const *)(const void *)agg->out.groups + from,
                            call->offset, count, vector, row);
        return 0;
    }
    for (idx_t i = 0; i < count && !rc; i++)
        rc = vec_row_decode(call->result, next_wide(&agg->out, from + i), chunk, column, row + i,
                            err);
    return rc;
}

static void put_times(const int64_t *ms, idx_t count, duckdb_vector vector, idx_t row)
{
    int64_t *out = (int64_t *)duckdb_vector_get_data(vector) + row;

    for (idx_t i = 0; i < count; i++)
        out[i] = ms[i] * 1000;
}

static int put_rows(struct agg *agg, idx_t from, idx_t count, duckdb_data_chunk chunk, idx_t row,
                    struct err *err)
{
    idx_t column = (idx_t)(agg->key_count + agg->call_count);
    int rc = agg->key_count ? vec_rows_decode(agg->out_codec, agg->out.keys + from, count, chunk,
                                              NULL, 0, row, err)
                            : 0;

    for (size_t c = 0; c < agg->call_count && !rc; c++)
        rc = put_call(agg, c, from, count, chunk, row, err);
    if (agg->windowed) {
        put_times(agg->out.starts + from, count, duckdb_data_chunk_get_vector(chunk, column++),
                  row);
        put_times(agg->out.ends + from, count, duckdb_data_chunk_get_vector(chunk, column++), row);
    }
    if (agg->kinds)
        memcpy((uint8_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, column)) + row,
               agg->out.kinds + from, count);
    return rc;
}

int agg_flush(struct agg *agg, struct err *err)
{
    int rc = 0;

    for (idx_t done = 0; done < agg->out.count && !rc;) {
        idx_t row, count = agg->out.count - done;
        duckdb_data_chunk chunk = op_out_rows(&agg->op, &count, &row);

        rc = chunk ? put_rows(agg, done, count, chunk, row, err) : no_memory(err);
        done += count;
    }
    agg->out.count = 0;
    return rc;
}

/* ---- groups as rows of state ---- */

bool agg_view(const struct op *op, int table, struct op_view *out, const char **part)
{
    (void)op, (void)out, (void)part;
    return table == 0;
}

int agg_result(struct agg *agg, size_t c, const struct agg_place *place, duckdb_data_chunk chunk,
               idx_t column, idx_t row, struct err *err)
{
    const struct agg_call *call = &agg->calls[c];
    int rc;

    if (call->keep == KEEP_SLOT) {
        accumulator_result(&call->acc, agg_slot(agg, place->group, c),
                           duckdb_data_chunk_get_vector(chunk, column), row);
        return 0;
    }
    buf_clear(&agg->made);
    rc = keep_result(agg, c, place, &agg->made, err);
    return rc ? rc : vec_row_decode(call->result, buf_slice(&agg->made), chunk, column, row, err);
}

int agg_read_end(struct agg *agg, struct op_reader *to, struct err *err)
{
    int rc = agg_flush(agg, err);

    arena_reset(&agg->arena);
    return rc ? rc : op_read_out(to, &agg->op, err);
}

int agg_read_group(struct agg *agg, struct op_reader *to, const struct agg_place *place,
                   int64_t start, int64_t end, struct err *err)
{
    struct slice wide;
    int rc = agg->out.count == vec_chunk_rows() ? agg_read_end(agg, to, err) : 0;

    if (rc || place->group->rows <= 0)
        return rc;
    rc = agg_wide(agg, place, &wide, err);
    return rc ? rc : agg_put(agg, OP_INSERT, place->key, place->group, wide, start, end, err);
}

int op_aggregate_new(struct op **out, struct op *below, const struct op_aggregate_spec *spec,
                     struct err *err)
{
    if (!spec->window)
        return changes_new(out, below, spec, err);
    return spec->window->kind == OP_SESSION ? session_window_new(out, below, spec, err)
                                            : window_new(out, below, spec, err);
}
