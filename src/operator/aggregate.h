/* aggregate.h - what aggregates of all kinds share: groups of slots found by key, and what calls
 * keep beside their slot.
 *
 * Most calls need no more than 8 to 24 bytes under a key. The others (`keep`) have values of their
 * own in tables beside the groups, under the group's key and the number of the call: one value, or
 * a map in order. Their results are made as bytes of vec/rows.h, of one column.
 */
#ifndef OPERATOR_AGGREGATE_H
#define OPERATOR_AGGREGATE_H

#include "operator/operator_int.h"
#include "operator/ordered.h"

/* Under each key: the header, then a slot per call, at the call's offset. */
struct agg_group {
    int64_t rows;     /* +I and +U less -U and -D */
    uint64_t touched; /* where it is in the batch's list; means nothing behind the batch */
    uint8_t slots[];
};

/* Tables that belong together: what a group is made of lies under one space and key in all. */
struct agg_store {
    struct state_table *groups;   /* -> agg_group */
    struct state_table *distinct; /* grouped, by call and value -> how often; NULL: not needed */
    struct state_table *kept;     /* and the call -> one value; likewise */
    struct state_table *ordered;  /* maps; likewise */
};
struct agg_place {
    const struct agg_store *store;
    int64_t space;
    struct slice key;
    struct agg_group *group;
};

enum keep {
    KEEP_SLOT,    /* nothing beside it: accumulate.c */
    KEEP_ONE,     /* the one value: least, greatest, first, last, single */
    KEEP_SORTED,  /* MIN, MAX of rows taken back: values and how often, in their order */
    KEEP_LIST,    /* values as they came */
    KEEP_COUNTS,  /* COLLECT: values and how often */
    KEEP_MEMBERS, /* JSON_OBJECTAGG: values by name */
    KEEP_SKETCH   /* APPROX_COUNT_DISTINCT */
};

struct agg_call {
    struct op_call spec;
    enum keep keep;
    uint32_t offset;        /* of its slot in the group */
    bool distinct;          /* only the first of equal values counts */
    bool nulls;             /* NULL counts as a value */
    struct accumulator acc; /* KEEP_SLOT */
    duckdb_type type;       /* of the argument; DECIMAL: what holds it */
    bool decimal;
    struct vec_codec *codec;     /* of the argument; NULL: not needed */
    struct vec_codec *codec2;    /* of the second one */
    struct vec_codec *result;    /* of the output's column; NULL for KEEP_SLOT */
    struct vec_rows seen, seen2; /* of the chunk */
};

/* Rows on their way out, of at most a chunk; NULL: none came since the operator rested. */
struct agg_pending {
    struct slice *keys, *wide;
    const struct agg_group **groups;
    uint8_t *kinds;
    int64_t *starts, *ends; /* of windows, in ms */
    idx_t count;
};

struct agg {
    struct op op;
    struct agg_call *calls;
    size_t key_count, call_count;
    int64_t ttl_ms; /* of groups; 0: for ever */
    uint32_t group_size;
    bool wide;                   /* a call keeps something beside its slot */
    int kind_column;             /* of the input; -1 */
    bool windowed, kinds;        /* what the output has behind the calls */
    uint32_t key_tail;           /* bytes of a group's key that are no columns */
    struct vec_codec *key_codec; /* of the input's rows */
    struct vec_codec *out_codec; /* of the keys in the output */
    struct agg_store store;
    struct vec_rows keys;
    /* Of one chunk; NULL likewise. */
    uint8_t **at;        /* group of each row; NULL: the row is not counted */
    struct slice *names; /* its key: in `keys`, or with a tail; lives as long as the chunk */
    int64_t *spaces;     /* and space */
    int8_t *signs;       /* of a call */
    int8_t *changes;     /* +1, -1 of each row */
    uint8_t *widened;    /* values of a call, 16 bytes each */
    struct agg_pending out;
    struct arena arena; /* of a batch */
    struct ordered map, twin;
    struct buf scratch, result, made;
};

static inline uint32_t agg_group_size(const struct agg *agg)
{
    return agg->group_size;
}
static inline struct slot *agg_slot(const struct agg *agg, const struct agg_group *group,
                                    size_t call)
{
    return (struct slot *)(void *)((uint8_t *)(uintptr_t)group + agg->calls[call].offset);
}
/* What all kinds need, with the output's columns: keys, calls. On an error `agg_deinit` frees what
 * was made. */
int agg_init(struct agg *agg, struct op *below, const struct op_aggregate_spec *spec,
             struct err *err);
int agg_add_columns(struct agg *agg, bool windowed, bool kinds, struct err *err);
int agg_open(struct agg *agg, struct err *err); /* its tables, once it is in the graph */
/* The same tables in a state of its own, for groups that live as long as a call. */
int agg_open_scratch(struct agg *agg, struct state *state, struct agg_store *out, struct err *err);
void agg_deinit(struct agg *agg);
int agg_reserve(struct agg *agg,
                struct err *err); /* room for a chunk; agg_read_chunk does it too */
void agg_rest(struct agg *agg);   /* between batches: all that the next one makes again goes */

/* Keys and directions of a chunk's rows. */
int agg_read_chunk(struct agg *agg, duckdb_data_chunk chunk, struct err *err);
/* Adds the chunk's rows to the groups in agg->at, of agg->store. */
int agg_add_chunk(struct agg *agg, duckdb_data_chunk chunk, struct err *err);
/* The group at `place`; made when absent. */
int agg_find(const struct agg *agg, struct agg_place *place, bool *fresh, struct err *err);
int agg_merge(struct agg *agg, const struct agg_place *from, const struct agg_place *into,
              struct err *err);
/* The group and all that is kept beside it. */
int agg_drop(struct agg *agg, const struct agg_place *place, struct err *err);
int agg_drop_kept(struct agg *agg, const struct agg_place *place, struct err *err); /* not it */
int agg_drop_space(const struct agg_store *store, int64_t space, struct err *err);

/* Results that are not in slots, in agg->arena; nothing when there are none. */
int agg_wide(struct agg *agg, const struct agg_place *place, struct slice *out, struct err *err);
bool agg_same(const struct agg *agg, const struct agg_group *a, struct slice a_wide,
              const struct agg_group *b, struct slice b_wide);
/* A row for the output: `group`, `key` and `wide` are borrowed until agg_flush. */
int agg_put(struct agg *agg, enum op_kind kind, struct slice key, const struct agg_group *group,
            struct slice wide, int64_t start, int64_t end, struct err *err);
int agg_flush(struct agg *agg, struct err *err);
/* The group as a row for who reads the state, in the end by agg_read_end. */
int agg_read_group(struct agg *agg, struct op_reader *to, const struct agg_place *place,
                   int64_t start, int64_t end, struct err *err);
int agg_read_end(struct agg *agg, struct op_reader *to, struct err *err);
/* What the call says of the group now, into one row of a column of its type. */
int agg_result(struct agg *agg, size_t call, const struct agg_place *place, duckdb_data_chunk chunk,
               idx_t column, idx_t row, struct err *err);
bool agg_view(const struct op *op, int table, struct op_view *out, const char **part);

/* ---- calls that keep something (keep.c) ---- */

/* How the call is kept, and the type of its result (owned by the caller). */
int keep_init(struct agg_call *call, const struct vec_columns *columns, bool changes,
              duckdb_logical_type *result, struct err *err);
/* One value more or less; `value2` is the second argument's. */
int keep_add(struct agg *agg, size_t call, const struct agg_place *at, struct slice value,
             struct slice value2, int sign, struct err *err);
/* Appends the result's bytes. */
int keep_result(struct agg *agg, size_t call, const struct agg_place *at, struct buf *out,
                struct err *err);
int keep_merge(struct agg *agg, size_t call, const struct agg_place *from,
               const struct agg_place *into, struct err *err);
int keep_drop(struct agg *agg, size_t call, const struct agg_place *at, struct err *err);
/* The one value of a call. ptr NULL: none. */
int agg_get_kept(struct agg *agg, size_t call, const struct agg_place *at, struct slice *out,
                 struct err *err);
int agg_put_kept(struct agg *agg, size_t call, const struct agg_place *at, struct slice value,
                 struct err *err);

/* APPROX_COUNT_DISTINCT (hll.c) */
int hll_add(struct agg *agg, size_t call, const struct agg_place *at, struct slice value,
            struct err *err);
int hll_result(struct agg *agg, size_t call, const struct agg_place *at, struct buf *out,
               struct err *err);
int hll_merge(struct agg *agg, size_t call, const struct agg_place *from,
              const struct agg_place *into, struct err *err);

int changes_new(struct op **out, struct op *below, const struct op_aggregate_spec *spec,
                struct err *err);
int window_new(struct op **out, struct op *below, const struct op_aggregate_spec *spec,
               struct err *err);
int session_window_new(struct op **out, struct op *below, const struct op_aggregate_spec *spec,
                       struct err *err);

#endif
