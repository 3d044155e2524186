/* join_condition.c - what pairs of rows must fulfil beside equal keys: a SELECT
 * of one BOOLEAN, run over many pairs at once. Only the columns that it names
 * are decoded. */
#include <ctype.h>
#include <stdio.h>

#include "operator/join.h"

/* Is column `number` of a side named in the text: l12, r3? Names inside
 * literals only cost. */
static bool names_column(const char *sql, char side, size_t number)
{
    char name[24];
    size_t len = (size_t)snprintf(name, sizeof(name), "%c%zu", side, number);

    for (const char *at = sql; (at = strstr(at, name)); at += len) {
        bool begins = at == sql || !(isalnum((unsigned char)at[-1]) || at[-1] == '_');

        if (begins && !isalnum((unsigned char)at[len]) && at[len] != '_')
            return true;
    }
    return false;
}

static int add_side(struct condition *c, const char *sql, int side, const struct vec_columns *from,
                    struct err *err)
{
    size_t count = from->count - (op_kind_column(from) >= 0);
    char name[24];

    c->to[side] = calloc(count + 1, sizeof(int));
    if (!c->to[side])
        return err_set(err, ERR_NOMEM, "a join's condition");
    for (size_t i = 0; i < count; i++) {
        c->to[side][i] = -1;
        /* A feed has at least one column, and side 0 has at least one to give. */
        if (!names_column(sql, side ? 'r' : 'l', i) && !(side == LEFT && i == 0))
            continue;
        c->to[side][i] = (int)c->columns.count;
        c->wants[side] = true;
        snprintf(name, sizeof(name), "%c%zu", side ? 'r' : 'l', i);
        if (vec_columns_add(&c->columns, name, vec_type_copy(from->list[i].type)))
            return err_set(err, ERR_NOMEM, "a join's condition");
    }
    return 0;
}

int condition_init(struct condition *c, struct op_graph *graph, const char *sql,
                   const struct vec_columns *left, const struct vec_columns *right, struct err *err)
{
    const struct vec_columns *result;
    int rc;

    *c = (struct condition){0};
    if (!sql)
        return 0;
    rc = add_side(c, sql, LEFT, left, err);
    if (!rc)
        rc = add_side(c, sql, RIGHT, right, err);
    if (!rc)
        rc = vec_fragment_new(&c->fragment, graph->options.conn, sql, &c->columns, err);
    if (rc)
        return err_wrap(err, rc, "a join's condition");
    result = vec_fragment_columns(c->fragment);
    if (result->count != 1 || duckdb_get_type_id(result->list[0].type) != DUCKDB_TYPE_BOOLEAN)
        return err_set(err, ERR_INVALID, "a join's condition is not one BOOLEAN");
    return 0;
}

void condition_deinit(struct condition *c)
{
    vec_fragment_free(c->fragment);
    vec_columns_free(&c->columns);
    free(c->to[LEFT]);
    free(c->to[RIGHT]);
    *c = (struct condition){0};
}

static int decode(struct condition *c, const struct vec_codec *const codecs[2],
                  const struct slice *const rows[2], size_t from, idx_t count, struct vec_batch *in,
                  struct err *err)
{
    duckdb_data_chunk chunk = vec_chunk_new(&c->columns);
    int rc = chunk ? 0 : err_set(err, ERR_NOMEM, "a join's condition");

    for (int side = LEFT; side <= RIGHT && !rc; side++)
        if (c->wants[side])
            rc = vec_rows_decode(codecs[side], rows[side] + from, count, chunk, c->to[side], 0, 0,
                                 err);
    if (!rc) {
        duckdb_data_chunk_set_size(chunk, count);
        if (vec_batch_add(in, chunk))
            rc = err_set(err, ERR_NOMEM, "a join's condition");
    }
    if (rc)
        duckdb_destroy_data_chunk(&chunk);
    return rc;
}

static int read_answers(const struct vec_batch *out, size_t count, bool *yes, struct err *err)
{
    size_t done = 0;

    for (size_t i = 0; i < out->count; i++) {
        duckdb_vector vector = duckdb_data_chunk_get_vector(out->chunks[i], 0);
        const bool *values = duckdb_vector_get_data(vector);
        const uint64_t *validity = duckdb_vector_get_validity(vector);
        idx_t rows = duckdb_data_chunk_get_size(out->chunks[i]);

        if (done + rows > count)
            return err_set(err, ERR_INTERNAL, "a join's condition gives more rows than it took");
        for (idx_t k = 0; k < rows; k++)
            yes[done++] = vec_is_valid(validity, k) && values[k];
    }
    if (done != count)
        return err_set(err, ERR_INTERNAL, "a join's condition gives fewer rows than it took");
    return 0;
}

int condition_run(struct condition *c, const struct vec_codec *left, const struct vec_codec *right,
                  const struct slice *lefts, const struct slice *rights, size_t count, bool *yes,
                  struct err *err)
{
    struct vec_batch in = {0}, out = {0};
    int rc = 0;

    if (!c->fragment && count)
        memset(yes, 1, count);
    if (!c->fragment || !count)
        return 0;
    for (size_t from = 0; from < count && !rc; from += vec_chunk_rows()) {
        size_t rest = count - from;

        rc = decode(c, (const struct vec_codec *const[2]){left, right},
                    (const struct slice *const[2]){lefts, rights}, from,
                    rest < vec_chunk_rows() ? rest : vec_chunk_rows(), &in, err);
    }
    if (!rc && count)
        rc = vec_fragment_run(c->fragment, &in, &out, err);
    if (!rc)
        rc = read_answers(&out, count, yes, err);
    vec_batch_deinit(&in);
    vec_batch_deinit(&out);
    return rc;
}

/* ---- pairs ---- */

void pairs_deinit(struct pairs *pairs)
{
    free(pairs->list);
    free(pairs->lefts);
    free(pairs->rights);
    free(pairs->asked_lefts);
    free(pairs->asked_rights);
    free(pairs->yes);
    *pairs = (struct pairs){0};
}

static int grow(struct pairs *p)
{
    size_t cap = p->cap ? p->cap * 2 : 4096;
    struct candidate *list = realloc(p->list, cap * sizeof(*list));
    struct slice *lefts = realloc(p->lefts, cap * sizeof(*lefts));
    struct slice *rights = realloc(p->rights, cap * sizeof(*rights));
    struct slice *asked_lefts = realloc(p->asked_lefts, cap * sizeof(*asked_lefts));
    struct slice *asked_rights = realloc(p->asked_rights, cap * sizeof(*asked_rights));
    bool *yes = realloc(p->yes, cap * sizeof(*yes));

    p->list = list ? list : p->list;
    p->lefts = lefts ? lefts : p->lefts;
    p->rights = rights ? rights : p->rights;
    p->asked_lefts = asked_lefts ? asked_lefts : p->asked_lefts;
    p->asked_rights = asked_rights ? asked_rights : p->asked_rights;
    p->yes = yes ? yes : p->yes;
    if (!list || !lefts || !rights || !asked_lefts || !asked_rights || !yes)
        return ERR_NOMEM;
    p->cap = cap;
    return 0;
}

int pairs_add(struct pairs *p, int side, uint32_t row, struct slice own, struct slice other,
              void *other_state, struct err *err)
{
    if (p->count == p->cap && grow(p))
        return err_set(err, ERR_NOMEM, "pairs of a join");
    p->list[p->count] = (struct candidate){.row = row, .other = other_state};
    p->lefts[p->count] = side == LEFT ? own : other;
    p->rights[p->count] = side == LEFT ? other : own;
    p->count++;
    return 0;
}

/* Most rows meet nothing: ends are not asked of. */
static size_t gather_asked(struct pairs *p)
{
    size_t count = 0;

    for (size_t k = 0; k < p->count; k++) {
        if (!p->list[k].other)
            continue;
        p->asked_lefts[count] = p->lefts[k];
        p->asked_rights[count++] = p->rights[k];
    }
    return count;
}

int join_look(struct join *j, struct err *err)
{
    struct pairs *p = &j->pairs;
    size_t asked = gather_asked(p);
    struct vec_fragment *fragment = asked ? j->condition.fragment : NULL;
    int rc = fragment ? vec_fragment_watermark(fragment, j->op.mark, err) : 0;

    if (!rc)
        rc = condition_run(&j->condition, j->side[LEFT].codec, j->side[RIGHT].codec, p->asked_lefts,
                           p->asked_rights, asked, p->yes, err);
    for (size_t k = p->count; k-- && asked && !rc;)
        if (p->list[k].other)
            p->yes[k] = p->yes[--asked]; /* which is at most k */
    return rc;
}
