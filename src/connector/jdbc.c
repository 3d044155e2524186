/* jdbc.c - what a table of 'connector' = 'jdbc' says, and the statements over it. */
#include <stdio.h>
#include <strings.h>

#include "base/secret.h"
#include "connector/formats.h"
#include "connector/jdbc.h"
#include "connector/made_source.h"

#define SCHEME         "jdbc:"
#define FETCH_ROWS     2048
#define FETCH_ROWS_MAX 100000

/* ---- the url ---- */

/* What the driver of Java calls them, and libpq. Those without a name here change nothing for us.
 */
static const struct {
    const char *java, *libpq;
} params[] = {
    {"user", "user"},
    {"password", "password"},
    {"sslmode", "sslmode"},
    {"sslrootcert", "sslrootcert"},
    {"sslcert", "sslcert"},
    {"sslkey", "sslkey"},
    {"connectTimeout", "connect_timeout"},
    {"loginTimeout", "connect_timeout"},
    {"ApplicationName", "application_name"},
    {"targetServerType", NULL},
    {"stringtype", NULL},
    {"reWriteBatchedInserts", NULL},
    {"prepareThreshold", NULL},
    {"preparedStatementCacheQueries", NULL},
    {"defaultRowFetchSize", NULL},
    {"socketTimeout", NULL},
    {"tcpKeepAlive", NULL},
    {"ssl", NULL},
    {"autosave", NULL},
    {"binaryTransfer", NULL},
    {"readOnly", NULL},
};

static int put_param(struct buf *uri, struct slice param, char *mark, struct err *err)
{
    const uint8_t *equals = memchr(param.ptr, '=', param.len);
    struct slice name = slice_of(param.ptr, equals ? (size_t)(equals - param.ptr) : param.len);
    struct slice value = slice_of(param.ptr + name.len, param.len - name.len);
    bool schema = slice_is(name, "currentSchema");

    if (slice_is(name, "ssl") && !slice_is(value, "=false")) {
        name = SLICE_LIT("sslmode");
        value = SLICE_LIT("=require");
    }
    for (size_t i = 0; i < COUNT_OF(params) && !schema; i++) {
        if (!slice_is(name, params[i].java))
            continue;
        if (params[i].libpq &&
            buf_printf(uri, "%c%s%.*s", *mark, params[i].libpq, SLICE_ARG(value)))
            return err_set(err, ERR_NOMEM, "'url'");
        *mark = params[i].libpq ? '&' : *mark;
        return 0;
    }
    if (!schema)
        return err_set(err, ERR_UNSUPPORTED, "'url': the parameter '%.*s' is not known",
                       SLICE_ARG(name));
    if (buf_printf(uri, "%coptions=-csearch_path%%3D%.*s", *mark, (int)value.len - !!value.len,
                   (const char *)value.ptr + !!value.len))
        return err_set(err, ERR_NOMEM, "'url'");
    *mark = '&';
    return 0;
}

/* "jdbc:postgresql://host:5432/db?sslmode=require" to what libpq reads. */
static int read_url(struct jdbc_table *t, const char *url, struct err *err)
{
    struct buf uri = {0};
    const char *rest, *query;
    char mark = '?';
    int rc;

    if (strncmp(url, SCHEME "postgresql:", strlen(SCHEME "postgresql:")) != 0)
        return err_set(err, ERR_UNSUPPORTED,
                       "'url' = '%s': databases behind 'jdbc' are PostgreSQL's, "
                       "jdbc:postgresql://HOST:PORT/DATABASE; for another one write to a topic or "
                       "an Iceberg table and let it load that",
                       url);
    rest = url + strlen(SCHEME);
    query = strchr(rest, '?');
    rc = buf_append(&uri, rest, query ? (size_t)(query - rest) : strlen(rest));
    if (rc)
        err_set(err, rc, "'url'");
    for (query = query ? query + 1 : ""; *query && !rc;) {
        size_t len = strcspn(query, "&");

        rc = put_param(&uri, slice_of(query, len), &mark, err);
        query += len + (query[len] == '&');
    }
    if (!rc && !(t->uri = arena_cstr(&t->arena, buf_slice(&uri))))
        rc = err_set(err, ERR_NOMEM, "'url'");
    buf_deinit(&uri);
    return rc;
}

/* ---- options and columns ---- */

/* "orders" or "public.orders". */
static int read_target(struct jdbc_table *t, const char *name, struct err *err)
{
    const char *dot = strchr(name, '.');
    struct buf out = {0};
    int rc = 0;

    if (dot) {
        rc = postgres_put_name(&out, slice_of(name, (size_t)(dot - name)));
        rc = rc ? rc : buf_append_u8(&out, '.');
        name = dot + 1;
    }
    rc = rc ? rc : postgres_put_name(&out, slice_str(name));
    if (rc || !(t->target = arena_cstr(&t->arena, buf_slice(&out))))
        rc = err_set(err, ERR_NOMEM, "'table-name'");
    buf_deinit(&out);
    return rc;
}

static int read_count(const struct sql_table *from, const char *key, int64_t max, int64_t *out,
                      struct err *err)
{
    const char *text = sql_option(from->options, key);

    if (text && (slice_to_i64(slice_str(text), out) || *out < 0 || *out > max))
        return err_set(err, ERR_INVALID, "'%s' = '%s': a number from 0 to %" PRId64, key, text,
                       max);
    return 0;
}

static int add_column(struct jdbc_table *t, const struct sql_table *from,
                      const struct sql_column *column, struct err *err)
{
    struct jdbc_column *c = &t->columns[t->count];

    if (column->kind == SQL_COLUMN_METADATA)
        return err_set(err, ERR_INVALID, "column `%s`: the connector 'jdbc' has no metadata",
                       column->name);
    if (column->type->kind == SQL_ROW || column->type->kind == SQL_RAW ||
        column->type->kind == SQL_MULTISET)
        return err_set(err, ERR_UNSUPPORTED,
                       "column `%s`: a table of a database has no columns of this type; a STRING "
                       "goes to a column of json",
                       column->name);
    *c = (struct jdbc_column){.kind = column->type->kind,
                              .second_digits = table_second_digits(column->type),
                              .name = arena_strdup(&t->arena, column->name)};
    for (size_t k = 0; k < from->primary_key_count; k++)
        c->is_key |= !strcmp(from->primary_key[k], column->name);
    t->key_count += c->is_key;
    t->count++;
    return c->name ? 0 : err_set(err, ERR_NOMEM, "columns");
}

/* A login may be kept elsewhere (base/secret.h). NULL: not given. */
static int read_login(struct jdbc_table *t, const struct sql_table *from, const char *key,
                      const char **out, struct err *err)
{
    const char *value = sql_option(from->options, key);
    struct buf text = {0};
    int rc = value ? secret_expand(key, value, &text, err) : 0;

    if (value && !rc && !(*out = arena_strdup(&t->arena, (const char *)text.ptr)))
        rc = err_set(err, ERR_NOMEM, "options");
    buf_deinit(&text);
    return rc;
}

int jdbc_table_init(struct jdbc_table *t, const struct sql_table *from, struct err *err)
{
    const char *url = sql_option(from->options, "url");
    const char *target = sql_option(from->options, "table-name");
    const char *patience = sql_option(from->options, "connection.max-retry-timeout");
    int rc;

    *t = (struct jdbc_table){.fetch_rows = FETCH_ROWS, .retries = 3};
    if (!url || !target)
        return err_set(err, ERR_INVALID, "'%s' is missing", url ? "table-name" : "url");
    t->connect_ms = patience ? source_duration_ms(patience) : 0;
    t->name = arena_strdup(&t->arena, from->name);
    t->columns = ARENA_ARRAY(&t->arena, struct jdbc_column, from->column_count + 1);
    rc = t->name && t->columns ? read_url(t, url, err) : err_set(err, ERR_NOMEM, "options");
    if (!rc)
        rc = read_login(t, from, "username", &t->user, err);
    if (!rc)
        rc = read_login(t, from, "password", &t->password, err);
    if (!rc)
        rc = read_target(t, target, err);
    if (!rc)
        rc = read_count(from, "scan.fetch-size", FETCH_ROWS_MAX, &t->fetch_rows, err);
    if (!rc)
        rc = read_count(from, "lookup.max-retries", 1000, &t->retries, err);
    t->fetch_rows = t->fetch_rows ? t->fetch_rows : FETCH_ROWS; /* 0 is the driver's choice */
    for (size_t i = 0; i < from->column_count && !rc; i++)
        if (from->columns[i].kind != SQL_COLUMN_COMPUTED)
            rc = add_column(t, from, &from->columns[i], err);
    return rc;
}

void jdbc_table_deinit(struct jdbc_table *t)
{
    arena_deinit(&t->arena);
}

/* ---- what the server says of the table ---- */

/* Texts are compared as text, so that none is too long to be asked for; numbers as the type they
 * have here, whatever whole numbers the server keeps. */
static const char *compared_type(const struct jdbc_column *c, struct slice category)
{
    static const char *const own[] = {
        [SQL_TINYINT] = "smallint",       [SQL_SMALLINT] = "smallint", [SQL_INT] = "integer",
        [SQL_BIGINT] = "bigint",          [SQL_DECIMAL] = "numeric",   [SQL_FLOAT] = "real",
        [SQL_DOUBLE] = "double precision"};

    if (slice_is(category, "S"))
        return "text";
    return slice_is(category, "N") && (size_t)c->kind < COUNT_OF(own) ? own[c->kind] : NULL;
}

static int take_types(struct jdbc_table *t, const struct postgres_rows *rows, struct err *err)
{
    for (size_t i = 0; i < t->count; i++) {
        struct jdbc_column *c = &t->columns[i];

        for (size_t row = 0; row < postgres_row_count(rows) && !c->stored_type; row++) {
            if (!slice_is(postgres_value(rows, row, 0), c->name))
                continue;
            c->compared_type = compared_type(c, postgres_value(rows, row, 3));
            if (!c->compared_type)
                c->compared_type = arena_cstr(&t->arena, postgres_value(rows, row, 2));
            c->stored_type = arena_cstr(&t->arena, postgres_value(rows, row, 1));
            if (!c->stored_type || !c->compared_type)
                return err_set(err, ERR_NOMEM, "columns of %s", t->target);
        }
        if (!c->stored_type)
            return err_set(err, ERR_NOENT, "PostgreSQL's table %s has no column \"%s\"", t->target,
                           c->name);
    }
    return 0;
}

static int read_types(struct jdbc_table *t, struct postgres *connection, struct err *err)
{
    struct postgres_rows *rows = NULL;
    int rc = postgres_run(connection,
                          "SELECT a.attname, format_type(a.atttypid, a.atttypmod), "
                          "format_type(a.atttypid, NULL), y.typcategory FROM pg_attribute a "
                          "JOIN pg_type y ON y.oid = a.atttypid WHERE a.attrelid = "
                          "to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped",
                          &t->target, 1, &rows, err);

    if (!rc && !postgres_row_count(rows))
        rc = err_set(err, ERR_NOENT, "PostgreSQL has no table %s", t->target);
    if (!rc)
        rc = take_types(t, rows, err);
    postgres_rows_free(rows);
    return rc;
}

int jdbc_connect(struct jdbc_table *t, struct postgres **out, struct err *err)
{
    struct postgres_options o = {
        .uri = t->uri, .user = t->user, .password = t->password, .connect_ms = t->connect_ms};
    int rc = postgres_open(out, &o, err);

    if (!rc && t->count && !t->columns[t->count - 1].stored_type) {
        rc = read_types(t, *out, err);
        if (rc) {
            postgres_free(*out);
            *out = NULL;
        }
    }
    return rc ? err_wrap(err, rc, "table `%s`", t->name) : 0;
}

/* ---- statements ---- */

/* What JSON cannot hold goes as text: bytes as base64, without the line ends that encode() makes.
 */
static int put_value(struct buf *out, const struct jdbc_column *c)
{
    static const char *const around[SQL_TYPE_KINDS][2] = {
        [SQL_CHAR] = {"", "::text"},
        [SQL_VARCHAR] = {"", "::text"},
        [SQL_BINARY] = {"translate(encode(", ", 'base64'), E'\\n', '')"},
        [SQL_VARBINARY] = {"translate(encode(", ", 'base64'), E'\\n', '')"},
    };
    const char *before = around[c->kind][0], *behind = around[c->kind][1];
    int rc = buf_append_str(out, before ? before : "");

    rc = rc ? rc : postgres_put_name(out, slice_str(c->name));
    rc = rc ? rc : buf_append_str(out, behind ? behind : "");
    rc = rc ? rc : buf_append_str(out, " AS ");
    return rc ? rc : postgres_put_name(out, slice_str(c->name));
}

int jdbc_put_select(struct buf *out, const struct jdbc_table *t)
{
    int rc = buf_append_str(out, "SELECT row_to_json(r)::text FROM (SELECT ");

    for (size_t i = 0; i < t->count && !rc; i++) {
        rc = i ? buf_append_str(out, ", ") : 0;
        rc = rc ? rc : put_value(out, &t->columns[i]);
    }
    return rc ? rc : buf_printf(out, " FROM %s t", t->target);
}

static bool is_bytes(const struct jdbc_column *c)
{
    return c->kind == SQL_BINARY || c->kind == SQL_VARBINARY;
}

/* A text that the server keeps as a document. */
static bool is_json(const struct jdbc_column *c)
{
    return (c->kind == SQL_VARCHAR || c->kind == SQL_CHAR) &&
           (!strcmp(c->stored_type, "json") || !strcmp(c->stored_type, "jsonb"));
}

static const char *record_type(const struct jdbc_column *c, bool compared)
{
    return is_bytes(c) || is_json(c) ? "text" : compared ? c->compared_type : c->stored_type;
}

int jdbc_put_records(struct buf *out, const struct jdbc_table *t, const bool *wanted, bool compared)
{
    const char *between = "";
    int rc = buf_append_str(out, "json_to_recordset($1::json) AS x(");

    for (size_t i = 0; i < t->count && !rc; i++) {
        const struct jdbc_column *c = &t->columns[i];

        if (!wanted[i])
            continue;
        rc = buf_append_str(out, between);
        rc = rc ? rc : postgres_put_name(out, slice_str(c->name));
        rc = rc ? rc : buf_printf(out, " %s", record_type(c, compared));
        between = ", ";
    }
    return rc ? rc : buf_append_str(out, ")");
}

/* x. is a record out of JSON, where bytes are base64 and a text of JSON is a text. */
static int put_column(struct buf *out, const struct jdbc_column *c, const char *prefix)
{
    bool record = !strcmp(prefix, "x.");
    int rc = buf_printf(out, "%s%s", record && is_bytes(c) ? "decode(" : "", prefix);

    rc = rc ? rc : postgres_put_name(out, slice_str(c->name));
    if (!rc && record && is_bytes(c))
        rc = buf_append_str(out, ", 'base64')");
    return rc || !record || !is_json(c) ? rc : buf_printf(out, "::%s", c->stored_type);
}

int jdbc_put_pairs(struct buf *out, const struct jdbc_table *t, const bool *wanted,
                   const char *left, const char *right, const char *between)
{
    const char *before = "";
    int rc = 0;

    for (size_t i = 0; i < t->count && !rc; i++) {
        if (!wanted[i])
            continue;
        rc = buf_append_str(out, before);
        if (!rc && left)
            rc = put_column(out, &t->columns[i], left);
        if (!rc && left)
            rc = buf_append_str(out, " = ");
        rc = rc ? rc : put_column(out, &t->columns[i], right);
        before = between;
    }
    return rc;
}

int jdbc_put_list(struct buf *out, const struct jdbc_table *t, const bool *wanted,
                  const char *prefix)
{
    return jdbc_put_pairs(out, t, wanted, NULL, prefix, ", ");
}

static const char *no_option(void *arg, const char *key)
{
    (void)arg, (void)key;
    return NULL;
}

int jdbc_decoder_new(struct row_decoder **out, const struct jdbc_table *t,
                     const struct vec_columns *columns, struct err *err)
{
    struct json_field *fields = calloc(t->count + 1, sizeof(*fields));
    struct row_decoder_options o = {.field_count = t->count, .options = {no_option, NULL}};
    int rc;

    if (!fields)
        return err_set(err, ERR_NOMEM, "columns of `%s`", t->name);
    for (size_t i = 0; i < t->count; i++)
        fields[i] = (struct json_field){t->columns[i].name, columns->list[i].type, i,
                                        ON_FAULT_REJECT, t->columns[i].second_digits};
    o.fields = fields;
    rc = row_decoder_new(out, "json", &o, err);
    free(fields);
    return rc;
}
