/* join.h - what the kinds of joins share: two sides with keys and rows as
 * bytes, pairs of rows, the condition that a pair must fulfil beside equal
 * keys.
 *
 * A call brings rows of one side; the other side does not change meanwhile, so
 * the bytes of its rows stay where they are until the call ends, and pairs may
 * be gathered and looked at by the thousand.
 */
#ifndef OPERATOR_JOIN_H
#define OPERATOR_JOIN_H

#include "operator/rows_out.h"

enum { LEFT, RIGHT };

struct join_side {
    struct vec_codec *key_codec, *codec;
    size_t *keys;
    size_t column_count; /* without kinds */
    int kind_column;
    bool outer;                /* its rows come out without a match */
    struct state_table *rows;  /* (key, row) -> what the kind of join keeps */
    struct vec_rows key_bytes; /* of the chunk at hand, as are the next */
    struct vec_rows row_bytes;
    int8_t *signs;
    bool *keyless; /* a NULL where it meets nothing */
};

/* ---- times of both sides within bounds of each other (join_times.c) ---- */

/* Right time in [left time + low, left time + high], all in ms. A side's rows may lie in spaces of
 * the state that are spans of time, a quarter of the interval long: a row looks only into the spans
 * that its bounds touch, and a span goes as a whole. */
struct join_times {
    int64_t low, high, span;
    int column[2]; /* of the rows' times */
    int64_t *ms;   /* of the rows of the chunk at hand */
};
int join_times_init(struct join_times *times, const struct op_join_spec *spec, struct err *err);
void join_times_deinit(struct join_times *times);
/* Of a chunk of a side; a row without a time is as one without a key. */
void join_times_read(struct join_times *times, struct join_side *side, int column,
                     duckdb_data_chunk chunk);
int64_t join_span(const struct join_times *times, int64_t ms);
/* Of rows at `ms` of side s, what times of the other side they meet. */
void join_bounds(const struct join_times *times, int s, int64_t ms, int64_t *from, int64_t *to);
/* The oldest span of a side's rows, if no row of the other side behind its watermark `passed` can
 * meet any in it. */
bool join_span_over(const struct join_times *times, int s, struct state_table *rows, int64_t passed,
                    int64_t *span);

/* ---- the condition (join_condition.c) ---- */

struct condition {
    struct vec_fragment *fragment; /* NULL: every pair is one */
    struct vec_columns columns;    /* of the two sides, those that it names */
    int *to[2];                    /* per side: where a column goes; -1 */
    bool wants[2];                 /* any */
};
int condition_init(struct condition *condition, struct op_graph *graph, const char *sql,
                   const struct vec_columns *left, const struct vec_columns *right,
                   struct err *err);
void condition_deinit(struct condition *condition);
/* yes[i] for pair i of lefts and rights, as many as there are. */
int condition_run(struct condition *condition, const struct vec_codec *left,
                  const struct vec_codec *right, const struct slice *lefts,
                  const struct slice *rights, size_t count, bool *yes, struct err *err);

/* Pairs that wait to be looked at, and where the pairs of a row end. */
struct candidate {
    uint32_t row; /* of the chunk */
    uint32_t unused;
    void *other; /* what state keeps of the other row; NULL: the end of the row's
                    pairs */
};
struct pairs {
    struct candidate *list;
    struct slice *lefts, *rights;             /* an end is a pair too: the lists keep step */
    struct slice *asked_lefts, *asked_rights; /* those that are not, for the condition */
    bool *yes;
    size_t count, cap;
};
void pairs_deinit(struct pairs *pairs);
/* `own` is a row of `side`; other_state NULL: the end of its pairs. */
int pairs_add(struct pairs *pairs, int side, uint32_t row, struct slice own, struct slice other,
              void *other_state, struct err *err);

/* ---- all kinds ---- */

struct join {
    struct op op;
    enum op_join_kind kind;
    size_t key_count;
    bool *null_safe;
    struct vec_codec *mark_codec; /* MARK: of the one BOOLEAN behind the left's columns */
    struct vec_rows marks;        /* FALSE and TRUE, as rows of it */
    struct join_side side[2];
    struct rows_out out;
    struct condition condition;
    struct pairs pairs;
    int64_t ttl_ms[2];
};
/* Sides, condition, columns and the way out; op_add is the caller's, and
 * join_deinit whatever came of it. */
int join_init(struct join *join, struct op_graph *graph, const struct vec_columns *left,
              const struct vec_columns *right, const struct op_join_spec *spec, bool changes,
              struct err *err);
void join_deinit(struct join *join);
void join_rest(struct op *join); /* op_ops.rest of all kinds */
/* Adds it to the graph; on an error, its own or the `rc` so far, frees it. */
int join_add(struct join *join, struct op *const *below, int count, const struct op_ops *ops,
             int rc, struct err *err);
/* yes[] of the pairs; of ends it means nothing. */
int join_look(struct join *join, struct err *err);
/* Keys, rows, signs of a chunk of one side. */
int join_read(struct join *join, int side, duckdb_data_chunk chunk, struct err *err);
/* A pair, or a row alone with NULLs for the other side: `own` is of `side`. */
static inline int join_put(struct join *join, int side, struct slice own, struct slice other,
                           enum op_kind kind, struct err *err)
{
    return side == LEFT ? rows_out_put(&join->out, own, other, kind, 0, err)
                        : rows_out_put(&join->out, other, own, kind, 0, err);
}
#define JOIN_NONE slice_of(NULL, 0)

/* Rows of the left come out, and none of the right. */
static inline bool join_one_sided(const struct join *join)
{
    return join->kind >= OP_SEMI;
}
static inline int join_put_times(struct join *join, int side, struct slice own, struct slice other,
                                 enum op_kind kind, int64_t times, struct err *err)
{
    int rc = 0;

    for (; times > 0 && !rc; times--)
        rc = join_put(join, side, own, other, kind, err);
    return rc;
}

/* Two tables of state, "left" and "right", of the rows of each side. */
bool join_view(const struct op *op, int table, struct op_view *out, const char **part);

int join_regular_new(struct op **out, struct op *left, struct op *right,
                     const struct op_join_spec *spec, struct err *err);
int join_not_in_new(struct op **out, struct op *left, struct op *right,
                    const struct op_join_spec *spec, struct err *err);
int join_interval_new(struct op **out, struct op *left, struct op *right,
                      const struct op_join_spec *spec, struct err *err);
int join_window_new(struct op **out, struct op *left, struct op *right,
                    const struct op_join_spec *spec, struct err *err);
int join_temporal_new(struct op **out, struct op *left, struct op *right,
                      const struct op_join_spec *spec, struct err *err);

#endif
