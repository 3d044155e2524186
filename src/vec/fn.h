/* fn.h - how Flink's scalar functions are written: rows in, values out.
 *
 * A function is a line in a table of its file: name, letters for its arguments and its result, and
 * a function that computes one row. The frame (fn.c) registers it with DuckDB, walks the rows,
 * gives NULL where an argument is NULL (unless the line says NULLS) and turns call_fail into an
 * error of the statement. DuckDB hands over flat vectors.
 *
 *   letters  b BOOLEAN  t TINYINT  h SMALLINT  i INTEGER  l BIGINT  f FLOAT  d DOUBLE  s VARCHAR
 *            y BLOB  D DATE  T TIME  S TIMESTAMP  N TIMESTAMP_NS  Z TIMESTAMPTZ  V INTERVAL
 *            m MAP(VARCHAR, VARCHAR)  a VARCHAR[]  * any type  + the letter before may repeat
 *            0 DECIMAL(38, scale of the line)
 */
#ifndef VEC_FN_H
#define VEC_FN_H

#include "vec/vec.h"

#define FN_ARGS_MAX 24

struct fn_arg {
    duckdb_vector vector;
    void *data;
    uint64_t *validity; /* NULL: no NULLs */
    duckdb_type type;
    duckdb_type storage;  /* DECIMAL: how it is kept */
    int precision, scale; /* DECIMAL */
};

struct fn_call {
    duckdb_function_info info;
    idx_t row;
    int count;
    struct fn_arg args[FN_ARGS_MAX];
    duckdb_vector out;
    void *out_data;
    uint64_t *out_validity;
    int scale;             /* of the line */
    bool failed;           /* call_fail was called: the rest of the rows is passed over */
    bool try;              /* a failure gives NULL: TRY_CAST */
    struct buf scratch[3]; /* for the row; cleared by whoever uses them */
};

typedef void fn_row(struct fn_call *call);

/* STATE: each place where the function stands in a statement has FN_STATE_BYTES of its own, zero at
 * first and kept from chunk to chunk (call_state). */
enum { NULLS = 1, TRY = 2, VOLATILE = 4, STATE = 8 };
#define FN_STATE_BYTES 64

struct fn {
    const char *name, *args;
    char result;
    fn_row *row;
    int flags;
    int scale;
};

int fn_register(duckdb_connection conn, const struct fn *list, size_t count, struct err *err);

/* ---- reading the row's arguments ---- */

static inline bool arg_null(const struct fn_call *c, int i)
{
    const uint64_t *v = c->args[i].validity;

    return v && !(v[c->row >> 6] >> (c->row & 63) & 1);
}
static inline bool fn_null_at(duckdb_vector vector, idx_t row) /* of an element */
{
    return !duckdb_validity_row_is_valid(duckdb_vector_get_validity(vector), row);
}
#define ARG(c, i, type) (((type *)(c)->args[i].data)[(c)->row])
static inline struct slice arg_text(struct fn_call *c, int i)
{
    duckdb_string_t *s = (duckdb_string_t *)c->args[i].data + c->row;

    return slice_of(duckdb_string_t_data(s), duckdb_string_t_length(*s));
}
int64_t arg_integer(const struct fn_call *c, int i); /* of TINYINT to BIGINT */
/* Any exact number: unscaled, with its scale. */
__int128 arg_exact(const struct fn_call *c, int i, int *scale);

/* ---- giving the row's result ---- */

#define GIVE(c, type, value) (((type *)(c)->out_data)[(c)->row] = (value))
void give_null(struct fn_call *c);
void give_text(struct fn_call *c, const void *ptr, size_t len); /* VARCHAR, BLOB */
static inline void give_buf(struct fn_call *c, const struct buf *buf)
{
    give_text(c, buf->ptr, buf->len);
}
/* Null under TRY, else an error of the statement. */
void call_fail(struct fn_call *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* One of the call's own buffers, emptied. */
static inline struct buf *call_buf(struct fn_call *c, int i)
{
    buf_clear(&c->scratch[i]);
    return &c->scratch[i];
}

/* Locked until call_state_release: a statement may run on several threads. */
void *call_state(struct fn_call *c);
void call_state_release(struct fn_call *c);

/* ---- text ---- */

static inline size_t utf8_len(uint8_t c)
{
    return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}
int64_t utf8_count(struct slice s);             /* code points */
size_t utf8_pos(struct slice s, int64_t chars); /* bytes of the first so many; at most len */
struct slice slice_trim(struct slice s);        /* ASCII blanks and below, as Java's trim */
uint32_t utf8_get(const uint8_t *p, size_t len, size_t *used);
int utf8_put(struct buf *out, uint32_t point);

/* ---- per file ---- */

int fn_number_register(duckdb_connection conn, struct err *err);
int fn_decimal_register(duckdb_connection conn, struct err *err);
int fn_string_register(duckdb_connection conn, struct err *err);
int fn_charset_register(duckdb_connection conn, struct err *err);
int fn_url_register(duckdb_connection conn, struct err *err);
int fn_regex_register(duckdb_connection conn, struct err *err);
int fn_hash_register(duckdb_connection conn, struct err *err);
int fn_cast_register(duckdb_connection conn, struct err *err);
int fn_time_register(duckdb_connection conn, struct err *err);
int fn_json_register(duckdb_connection conn, struct err *err);
int fn_nested_register(duckdb_connection conn, struct err *err);
int fn_macro_register(struct vec_conn *conn, struct err *err);

#endif
