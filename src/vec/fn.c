/* fn.c - the frame of Flink's scalar functions: registration, rows, nulls, errors. */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

#include "vec/fn.h"

static duckdb_logical_type type_of(char letter, int scale)
{
    static const struct {
        char letter;
        duckdb_type type;
    } types[] = {
        {'b', DUCKDB_TYPE_BOOLEAN},      {'t', DUCKDB_TYPE_TINYINT},
        {'h', DUCKDB_TYPE_SMALLINT},     {'i', DUCKDB_TYPE_INTEGER},
        {'l', DUCKDB_TYPE_BIGINT},       {'f', DUCKDB_TYPE_FLOAT},
        {'d', DUCKDB_TYPE_DOUBLE},       {'s', DUCKDB_TYPE_VARCHAR},
        {'y', DUCKDB_TYPE_BLOB},         {'D', DUCKDB_TYPE_DATE},
        {'T', DUCKDB_TYPE_TIME},         {'S', DUCKDB_TYPE_TIMESTAMP},
        {'Z', DUCKDB_TYPE_TIMESTAMP_TZ}, {'N', DUCKDB_TYPE_TIMESTAMP_NS},
        {'V', DUCKDB_TYPE_INTERVAL},     {'*', DUCKDB_TYPE_ANY},
    };
    duckdb_logical_type text, out = NULL;

    if (letter == '0')
        return duckdb_create_decimal_type(38, (uint8_t)scale);
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (types[i].letter == letter)
            return duckdb_create_logical_type(types[i].type);
    text = duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
    if (letter == 'm')
        out = duckdb_create_map_type(text, text);
    else if (letter == 'a')
        out = duckdb_create_list_type(text);
    duckdb_destroy_logical_type(&text);
    assert(out);
    return out;
}

static void arg_load(struct fn_arg *arg, duckdb_vector vector)
{
    duckdb_logical_type type = duckdb_vector_get_column_type(vector);

    arg->vector = vector;
    arg->data = duckdb_vector_get_data(vector);
    arg->validity = duckdb_vector_get_validity(vector);
    arg->type = duckdb_get_type_id(type);
    if (arg->type == DUCKDB_TYPE_DECIMAL) {
        arg->storage = duckdb_decimal_internal_type(type);
        arg->precision = duckdb_decimal_width(type);
        arg->scale = duckdb_decimal_scale(type);
    }
    duckdb_destroy_logical_type(&type);
}

static void run(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    const struct fn *fn = duckdb_scalar_function_get_extra_info(info);
    idx_t rows = duckdb_data_chunk_get_size(input);
    struct fn_call call = {
        .info = info, .out = output, .scale = fn->scale, .try = (fn->flags & TRY) != 0};
    idx_t count = duckdb_data_chunk_get_column_count(input);

    if (count > FN_ARGS_MAX) {
        duckdb_scalar_function_set_error(info, "too many arguments");
        return;
    }
    call.count = (int)count;
    for (idx_t i = 0; i < count; i++)
        arg_load(&call.args[i], duckdb_data_chunk_get_vector(input, i));
    call.out_data = duckdb_vector_get_data(output);
    for (call.row = 0; call.row < rows && !call.failed; call.row++) {
        bool null = false;

        for (int i = 0; i < call.count && !(fn->flags & NULLS); i++)
            null |= arg_null(&call, i);
        if (null)
            give_null(&call);
        else
            fn->row(&call);
    }
    for (size_t i = 0; i < COUNT_OF(call.scratch); i++)
        buf_deinit(&call.scratch[i]);
}

/* ---- state ---- */

struct state {
    pthread_mutex_t lock;
    _Alignas(16) uint8_t bytes[FN_STATE_BYTES];
};

static void state_free(void *arg)
{
    struct state *state = arg;

    pthread_mutex_destroy(&state->lock);
    free(state);
}

/* A copy of an expression starts afresh. */
static void *state_new(void *from)
{
    struct state *state = calloc(1, sizeof(*state));

    (void)from;
    if (state)
        pthread_mutex_init(&state->lock, NULL);
    return state;
}

static void state_bind(duckdb_bind_info info)
{
    void *state = state_new(NULL);

    if (!state) {
        duckdb_scalar_function_bind_set_error(info, "memory ran out");
        return;
    }
    duckdb_scalar_function_set_bind_data(info, state, state_free);
    duckdb_scalar_function_set_bind_data_copy(info, state_new);
}

void *call_state(struct fn_call *c)
{
    struct state *state = duckdb_scalar_function_get_bind_data(c->info);

    pthread_mutex_lock(&state->lock);
    return state->bytes;
}

void call_state_release(struct fn_call *c)
{
    struct state *state = duckdb_scalar_function_get_bind_data(c->info);

    pthread_mutex_unlock(&state->lock);
}

static duckdb_scalar_function function_new(const struct fn *fn)
{
    duckdb_scalar_function function = duckdb_create_scalar_function();
    duckdb_logical_type type;

    duckdb_scalar_function_set_name(function, fn->name);
    for (const char *p = fn->args; *p; p++) {
        type = type_of(*p, fn->scale);
        if (p[1] == '+') {
            duckdb_scalar_function_set_varargs(function, type);
            p++;
        } else {
            duckdb_scalar_function_add_parameter(function, type);
        }
        duckdb_destroy_logical_type(&type);
    }
    type = type_of(fn->result, fn->scale);
    duckdb_scalar_function_set_return_type(function, type);
    duckdb_destroy_logical_type(&type);
    if (fn->flags & NULLS)
        duckdb_scalar_function_set_special_handling(function);
    if (fn->flags & VOLATILE)
        duckdb_scalar_function_set_volatile(function);
    if (fn->flags & STATE)
        duckdb_scalar_function_set_bind(function, state_bind);
    duckdb_scalar_function_set_extra_info(function, (void *)(uintptr_t)fn, NULL);
    duckdb_scalar_function_set_function(function, run);
    return function;
}

/* Lines of one name, which follow each other, are its overloads. */
int fn_register(duckdb_connection conn, const struct fn *list, size_t count, struct err *err)
{
    for (size_t i = 0; i < count;) {
        const char *name = list[i].name;
        duckdb_scalar_function_set set = duckdb_create_scalar_function_set(name);
        duckdb_state state = DuckDBSuccess;

        for (; i < count && !strcmp(list[i].name, name) && state == DuckDBSuccess; i++) {
            duckdb_scalar_function function = function_new(&list[i]);

            state = duckdb_add_scalar_function_to_set(set, function);
            duckdb_destroy_scalar_function(&function);
        }
        if (state == DuckDBSuccess)
            state = duckdb_register_scalar_function_set(conn, set);
        duckdb_destroy_scalar_function_set(&set);
        if (state != DuckDBSuccess)
            return err_set(err, ERR_INTERNAL, "DuckDB refuses the function %s", name);
    }
    return 0;
}

int vec_functions_register(struct vec_conn *conn, struct err *err)
{
    static int (*const files[])(duckdb_connection, struct err *) = {
        fn_number_register, fn_decimal_register, fn_string_register, fn_charset_register,
        fn_url_register,    fn_regex_register,   fn_hash_register,   fn_cast_register,
        fn_time_register,   fn_json_register,    fn_nested_register,
    };

    /* One transaction: nine hundred of their own would take longer than all else at the start. */
    int rc = vec_exec(conn, "BEGIN TRANSACTION", err);

    for (size_t i = 0; !rc && i < COUNT_OF(files); i++)
        rc = files[i](vec_conn_raw(conn), err);
    rc = rc ? rc : fn_macro_register(conn, err);
    return rc ? rc : vec_exec(conn, "COMMIT", err);
}

/* ---- arguments and results ---- */

int64_t arg_integer(const struct fn_call *c, int i)
{
    switch (c->args[i].type) {
    case DUCKDB_TYPE_TINYINT:
        return ARG(c, i, int8_t);
    case DUCKDB_TYPE_SMALLINT:
        return ARG(c, i, int16_t);
    case DUCKDB_TYPE_INTEGER:
        return ARG(c, i, int32_t);
    default:
        return ARG(c, i, int64_t);
    }
}

__int128 arg_exact(const struct fn_call *c, int i, int *scale)
{
    const struct fn_arg *arg = &c->args[i];
    __int128 wide;

    *scale = arg->type == DUCKDB_TYPE_DECIMAL ? arg->scale : 0;
    switch (arg->type == DUCKDB_TYPE_DECIMAL ? arg->storage : arg->type) {
    case DUCKDB_TYPE_TINYINT:
        return ARG(c, i, int8_t);
    case DUCKDB_TYPE_SMALLINT:
        return ARG(c, i, int16_t);
    case DUCKDB_TYPE_INTEGER:
        return ARG(c, i, int32_t);
    case DUCKDB_TYPE_BIGINT:
        return ARG(c, i, int64_t);
    default:
        memcpy(&wide, (duckdb_hugeint *)arg->data + c->row, sizeof(wide));
        return wide;
    }
}

void give_null(struct fn_call *c)
{
    if (!c->out_validity) {
        duckdb_vector_ensure_validity_writable(c->out);
        c->out_validity = duckdb_vector_get_validity(c->out);
    }
    c->out_validity[c->row >> 6] &= ~((uint64_t)1 << (c->row & 63));
}

void give_text(struct fn_call *c, const void *ptr, size_t len)
{
    duckdb_vector_assign_string_element_len(c->out, c->row, ptr ? ptr : "", len);
}

void call_fail(struct fn_call *c, const char *fmt, ...)
{
    char text[300];
    va_list args;

    if (c->try) {
        give_null(c);
        return;
    }
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    c->failed = true;
    duckdb_scalar_function_set_error(c->info, text);
}

/* ---- text ---- */

int64_t utf8_count(struct slice s)
{
    int64_t count = 0;

    for (size_t i = 0; i < s.len; i++)
        count += (s.ptr[i] & 0xc0) != 0x80;
    return count;
}

size_t utf8_pos(struct slice s, int64_t chars)
{
    size_t at = 0;

    while (at < s.len && chars-- > 0)
        at += utf8_len(s.ptr[at]);
    return at < s.len ? at : s.len;
}

struct slice slice_trim(struct slice s)
{
    while (s.len && *s.ptr <= ' ') {
        s.ptr++;
        s.len--;
    }
    while (s.len && s.ptr[s.len - 1] <= ' ')
        s.len--;
    return s;
}

/* The code point at p and its length; a byte that starts none is U+FFFD of length 1. */
uint32_t utf8_get(const uint8_t *p, size_t len, size_t *used)
{
    size_t want = utf8_len(*p);
    uint32_t point;

    *used = 1;
    if (*p < 0x80)
        return *p;
    if (*p < 0xc2 || *p > 0xf4 || want > len)
        return 0xfffd;
    point = *p & (0x7fu >> want);
    for (size_t i = 1; i < want; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0xfffd;
        point = point << 6 | (p[i] & 0x3f);
    }
    if ((want == 3 && (point < 0x800 || (point >= 0xd800 && point < 0xe000))) ||
        (want == 4 && (point < 0x10000 || point > 0x10ffff)))
        return 0xfffd;
    *used = want;
    return point;
}

int utf8_put(struct buf *out, uint32_t c)
{
    uint8_t b[4] = {(uint8_t)c};
    size_t len = 1;

    if (c >= 0x10000) {
        len = 4;
        b[0] = (uint8_t)(0xf0 | c >> 18);
        b[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
        b[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        b[3] = (uint8_t)(0x80 | (c & 0x3f));
    } else if (c >= 0x800) {
        len = 3;
        b[0] = (uint8_t)(0xe0 | c >> 12);
        b[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        b[2] = (uint8_t)(0x80 | (c & 0x3f));
    } else if (c >= 0x80) {
        len = 2;
        b[0] = (uint8_t)(0xc0 | c >> 6);
        b[1] = (uint8_t)(0x80 | (c & 0x3f));
    }
    return buf_append(out, b, len);
}
