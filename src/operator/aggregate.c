/* aggregate.c - groups of accumulators by key; and the aggregate without a window, whose output is
 * the changes of its rows.
 *
 * A chunk is taken in two steps: each row's group is found (or made) once, then each call runs over
 * all rows in a loop of its own. Groups do not move while the batch lasts.
 */
#include <stdio.h>

#include "operator/aggregate.h"

/* ---- shared ---- */

uint32_t agg_group_size(const struct agg *agg)
{
    return (uint32_t)(sizeof(struct agg_group) + agg->call_count * sizeof(struct slot));
}

static int init_keys(struct agg *agg, struct op *below, const struct op_aggregate_spec *spec,
                     struct err *err)
{
    size_t *which = calloc(spec->key_count + 1, sizeof(*which));
    int rc = which ? vec_codec_new(&agg->key_codec, &below->columns, spec->keys, spec->key_count,
                                   err)
                   : err_set(err, ERR_NOMEM, "an aggregate");

    for (size_t i = 0; i < spec->key_count && !rc; i++) {
        const struct vec_column *column = &below->columns.list[spec->keys[i]];

        which[i] = i;
        if (vec_columns_add(&agg->op.columns, column->name, vec_type_copy(column->type)))
            rc = err_set(err, ERR_NOMEM, "an aggregate");
    }
    if (!rc)
        rc = vec_codec_new(&agg->out_codec, &agg->op.columns, which, spec->key_count, err);
    free(which);
    return rc;
}

static int init_calls(struct agg *agg, struct op *below, const struct op_aggregate_spec *spec,
                      struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < spec->call_count && !rc; i++) {
        const struct op_call *call = &spec->calls[i];
        duckdb_logical_type type = NULL;
        char name[24];

        agg->calls[i] = *call;
        rc = accumulator_init(&agg->accs[i], call, &below->columns, &type, err);
        if (!rc && agg->kind_column >= 0 && (call->what == OP_MIN || call->what == OP_MAX))
            rc = err_set(err, ERR_UNSUPPORTED,
                         "MIN and MAX over rows that are taken back are not built yet");
        if (!rc && call->distinct && call->arg >= 0 && call->what <= OP_SUM)
            rc = vec_codec_new(&agg->values[i], &below->columns, (size_t[]){(size_t)call->arg}, 1,
                               err);
        snprintf(name, sizeof(name), "$%zu", i);
        if (!rc && vec_columns_add(&agg->op.columns, name, type))
            rc = err_set(err, ERR_NOMEM, "an aggregate");
        else if (rc)
            duckdb_destroy_logical_type(&type);
    }
    return rc;
}

int agg_init(struct agg *agg, struct op *below, const struct op_aggregate_spec *spec,
             struct err *err)
{
    idx_t rows = vec_chunk_rows();
    int rc;

    agg->kind_column = op_kind_column(&below->columns);
    agg->key_count = spec->key_count;
    agg->call_count = spec->call_count;
    agg->calls = calloc(spec->call_count + 1, sizeof(*agg->calls));
    agg->accs = calloc(spec->call_count + 1, sizeof(*agg->accs));
    agg->values = calloc(spec->call_count + 1, sizeof(struct vec_codec *));
    agg->seen = calloc(spec->call_count + 1, sizeof(*agg->seen));
    agg->at = calloc(rows, sizeof(uint8_t *));
    agg->spaces = calloc(rows, sizeof(*agg->spaces));
    agg->signs = calloc(rows, 1);
    agg->changes = calloc(rows, 1);
    agg->widened = calloc(rows, 16);
    if (!agg->calls || !agg->accs || !agg->values || !agg->seen || !agg->at || !agg->spaces ||
        !agg->signs || !agg->changes || !agg->widened)
        return err_set(err, ERR_NOMEM, "an aggregate");
    rc = init_keys(agg, below, spec, err);
    return rc ? rc : init_calls(agg, below, spec, err);
}

int agg_open(struct agg *agg, struct err *err)
{
    bool distinct = false;
    int rc = op_table(&agg->op, "groups", false, &agg->groups, err);

    for (size_t i = 0; i < agg->call_count; i++)
        distinct |= agg->values[i] != NULL;
    return rc || !distinct ? rc : op_table(&agg->op, "distinct", true, &agg->distinct, err);
}

void agg_deinit(struct agg *agg)
{
    for (size_t i = 0; agg->values && i < agg->call_count; i++)
        vec_codec_free(agg->values[i]);
    for (size_t i = 0; agg->seen && i < agg->call_count; i++)
        vec_rows_deinit(&agg->seen[i]);
    free(agg->seen);
    free(agg->values);
    vec_codec_free(agg->key_codec);
    vec_codec_free(agg->out_codec);
    vec_rows_deinit(&agg->keys);
    free(agg->calls);
    free(agg->accs);
    free(agg->at);
    free(agg->spaces);
    free(agg->signs);
    free(agg->changes);
    free(agg->widened);
}

int agg_read_chunk(struct agg *agg, duckdb_data_chunk chunk, struct err *err)
{
    idx_t rows = duckdb_data_chunk_get_size(chunk);
    const uint8_t *kinds;

    memset(agg->changes, 1, rows);
    if (agg->kind_column >= 0) {
        kinds = duckdb_vector_get_data(
            duckdb_data_chunk_get_vector(chunk, (idx_t)agg->kind_column));
        for (idx_t i = 0; i < rows; i++)
            agg->changes[i] = kinds[i] == OP_UPDATE_BEFORE || kinds[i] == OP_DELETE ? -1 : 1;
    }
    return vec_rows_encode(agg->key_codec, chunk, &agg->keys, err);
}

/* Which rows a call takes, and in which direction. */
static void call_signs(struct agg *agg, const struct op_call *call, duckdb_data_chunk chunk)
{
    idx_t rows = duckdb_data_chunk_get_size(chunk);
    const uint64_t *validity = NULL, *filter_validity = NULL;
    const bool *filter = NULL;
    duckdb_vector vector;

    if (call->arg >= 0)
        validity = duckdb_vector_get_validity(
            duckdb_data_chunk_get_vector(chunk, (idx_t)call->arg));
    if (call->filter >= 0) {
        vector = duckdb_data_chunk_get_vector(chunk, (idx_t)call->filter);
        filter = duckdb_vector_get_data(vector);
        filter_validity = duckdb_vector_get_validity(vector);
    }
    for (idx_t i = 0; i < rows; i++)
        agg->signs[i] = agg->at[i] && vec_is_valid(validity, i) &&
                                (!filter || (vec_is_valid(filter_validity, i) && filter[i]))
                            ? agg->changes[i]
                            : 0;
}

/* A value counts when its number leaves 0 and when it comes back to it. */
static int distinct_sign(struct agg *agg, size_t call, idx_t row, struct err *err)
{
    uint8_t sub[256];
    struct slice value = vec_row(&agg->seen[call], row);
    struct state_key key = {agg->spaces[row], vec_row(&agg->keys, row), {0}};
    struct buf large = {0};
    int64_t *times;
    void *found;
    bool fresh;
    int rc;

    if (value.len < sizeof(sub)) {
        sub[0] = (uint8_t)call;
        memcpy(sub + 1, value.ptr, value.len);
        key.sub = slice_of(sub, value.len + 1);
    } else {
        if (buf_append_u8(&large, (uint8_t)call) || buf_append_slice(&large, value)) {
            buf_deinit(&large);
            return err_set(err, ERR_NOMEM, "DISTINCT");
        }
        key.sub = buf_slice(&large);
    }
    rc = state_edit(agg->distinct, &key, sizeof(*times), &found, &fresh, err);
    times = found;
    if (!rc) {
        *times += agg->signs[row];
        if (*times != (agg->signs[row] > 0 ? 1 : 0))
            agg->signs[row] = 0;
        if (*times <= 0)
            rc = state_drop(agg->distinct, &key, err);
    }
    buf_deinit(&large);
    return rc;
}

static int distinct_signs(struct agg *agg, size_t call, duckdb_data_chunk chunk, struct err *err)
{
    int rc = vec_rows_encode(agg->values[call], chunk, &agg->seen[call], err);

    for (idx_t i = 0; i < agg->seen[call].count && !rc; i++)
        if (agg->signs[i])
            rc = distinct_sign(agg, call, i, err);
    return rc;
}

int agg_add_chunk(struct agg *agg, duckdb_data_chunk chunk, struct err *err)
{
    idx_t rows = duckdb_data_chunk_get_size(chunk);
    int rc = 0;

    for (idx_t i = 0; i < rows; i++)
        if (agg->at[i])
            ((struct agg_group *)(void *)agg->at[i])->rows += agg->changes[i];
    for (size_t c = 0; c < agg->call_count && !rc; c++) {
        const struct op_call *call = &agg->calls[c];

        call_signs(agg, call, chunk);
        if (agg->values[c])
            rc = distinct_signs(agg, c, chunk, err);
        if (!rc && call->arg >= 0)
            accumulator_read(&agg->accs[c],
                             duckdb_data_chunk_get_vector(chunk, (idx_t)call->arg), rows,
                             agg->widened);
        if (!rc)
            accumulator_add(&agg->accs[c], agg->at,
                            sizeof(struct agg_group) + c * sizeof(struct slot), agg->signs,
                            agg->widened, rows);
    }
    return rc;
}

int agg_put_row(struct agg *agg, duckdb_data_chunk out, idx_t row, struct slice key,
                const struct agg_group *group, struct err *err)
{
    int rc = vec_row_decode(agg->out_codec, key, out, 0, row, err);

    for (size_t c = 0; c < agg->call_count && !rc; c++)
        accumulator_result(&agg->accs[c], &group->slots[c],
                           duckdb_data_chunk_get_vector(out, (idx_t)(agg->key_count + c)), row);
    return rc;
}

/* ---- without a window ---- */

/* A group that the batch has changed, as it was before. */
struct touched {
    struct agg_group *group, *before;
    struct slice key;
    bool was; /* its row has been put out */
};

struct changes {
    struct agg agg;
    struct arena arena; /* of a batch */
    struct touched *touched;
    size_t count, cap;
};

/* Without keys there is always one row, though nothing be left to count. */
static int touch(struct changes *c, struct agg_group *group, struct slice key, bool fresh)
{
    uint32_t size = agg_group_size(&c->agg);

    if (group->touched < c->count && c->touched[group->touched].group == group)
        return 0;
    if (c->count == c->cap) {
        size_t cap = c->cap ? c->cap * 2 : 256;
        struct touched *more = realloc(c->touched, cap * sizeof(*more));

        if (!more)
            return ERR_NOMEM;
        c->touched = more;
        c->cap = cap;
    }
    group->touched = c->count;
    c->touched[c->count] = (struct touched){group, arena_alloc(&c->arena, size),
                                            arena_slice(&c->arena, key),
                                            c->agg.key_count ? group->rows > 0 : !fresh};
    if (!c->touched[c->count].before || (key.len && !c->touched[c->count].key.ptr))
        return ERR_NOMEM;
    memcpy(c->touched[c->count++].before, group, size);
    return 0;
}

static int find_groups(struct changes *c, struct err *err)
{
    struct agg *agg = &c->agg;
    int rc = 0;

    for (idx_t i = 0; i < agg->keys.count && !rc; i++) {
        struct state_key key = {.key = vec_row(&agg->keys, i)};
        void *group;
        bool fresh;

        rc = state_edit(agg->groups, &key, agg_group_size(agg), &group, &fresh, err);
        agg->at[i] = rc ? NULL : group;
        if (!rc && touch(c, group, key.key, fresh))
            rc = err_set(err, ERR_NOMEM, "an aggregate");
    }
    return rc;
}

static int put_change(struct changes *c, enum op_kind kind, struct slice key,
                      const struct agg_group *group, struct err *err)
{
    struct agg *agg = &c->agg;
    idx_t row;
    duckdb_data_chunk out = op_out_row(&agg->op, &row);
    uint8_t *kinds;

    if (!out)
        return err_set(err, ERR_NOMEM, "an aggregate");
    kinds = duckdb_vector_get_data(
        duckdb_data_chunk_get_vector(out, (idx_t)(agg->key_count + agg->call_count)));
    kinds[row] = (uint8_t)kind;
    return agg_put_row(agg, out, row, key, group, err);
}

static bool same_results(const struct agg *agg, const struct agg_group *a,
                         const struct agg_group *b)
{
    for (size_t c = 0; c < agg->call_count; c++)
        if (!accumulator_same(&agg->accs[c], &a->slots[c], &b->slots[c]))
            return false;
    return true;
}

static int put_changes(struct changes *c, const struct touched *t, struct err *err)
{
    struct agg *agg = &c->agg;
    bool was = t->was, is = t->group->rows > 0 || !agg->key_count;
    int rc = 0;

    if (was && is && same_results(agg, t->before, t->group))
        return 0;
    if (was)
        rc = put_change(c, is ? OP_UPDATE_BEFORE : OP_DELETE, t->key, t->before, err);
    if (is && !rc)
        rc = put_change(c, was ? OP_UPDATE_AFTER : OP_INSERT, t->key, t->group, err);
    return rc || is ? rc : state_drop(agg->groups, &(struct state_key){.key = t->key}, err);
}

static int changes_rows(struct op *op, int input, const struct vec_batch *rows, struct err *err)
{
    struct changes *c = (struct changes *)op;
    int rc = 0;

    (void)input;
    c->count = 0;
    memset(c->agg.spaces, 0, vec_chunk_rows() * sizeof(*c->agg.spaces));
    for (size_t i = 0; i < rows->count && !rc; i++) {
        rc = agg_read_chunk(&c->agg, rows->chunks[i], err);
        if (!rc)
            rc = find_groups(c, err);
        if (!rc)
            rc = agg_add_chunk(&c->agg, rows->chunks[i], err);
    }
    for (size_t i = 0; i < c->count && !rc; i++)
        rc = put_changes(c, &c->touched[i], err);
    arena_reset(&c->arena);
    return rc;
}

static void changes_free(struct op *op)
{
    struct changes *c = (struct changes *)op;

    agg_deinit(&c->agg);
    arena_deinit(&c->arena);
    free(c->touched);
    free(c);
}

static const struct op_ops changes_ops = {.name = "aggregate", .rows = changes_rows,
                                          .free = changes_free};

static int changes_new(struct op **out, struct op *below, const struct op_aggregate_spec *spec,
                       struct err *err)
{
    struct changes *c = calloc(1, sizeof(*c));
    int rc = c ? agg_init(&c->agg, below, spec, err) : err_set(err, ERR_NOMEM, "an aggregate");

    if (!rc && vec_columns_add(&c->agg.op.columns, OP_KIND,
                               duckdb_create_logical_type(DUCKDB_TYPE_UTINYINT)))
        rc = err_set(err, ERR_NOMEM, "an aggregate");
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
    return agg_open(&c->agg, err);
}

int op_aggregate_new(struct op **out, struct op *below, const struct op_aggregate_spec *spec,
                     struct err *err)
{
    return spec->window ? window_new(out, below, spec, err) : changes_new(out, below, spec, err);
}
