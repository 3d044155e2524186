/* postgres.c - libpq, and its errors as ours. */
#include <stdio.h>

#include <postgresql/libpq-fe.h>

#include "meta/postgres.h"

struct postgres {
    PGconn *conn;
};
struct postgres_rows {
    PGresult *result;
};

/* ---- errors ---- */

/* By SQLSTATE, the longest prefix first: appendix A of PostgreSQL's manual. */
static const struct {
    const char *prefix;
    int code;
} states[] = {
    {"42501", ERR_DENIED},                  /* insufficient_privilege */
    {"42P01", ERR_NOENT},                   /* undefined_table */
    {"3D", ERR_NOENT},                      /* invalid_catalog_name */
    {"3F", ERR_NOENT},                      /* invalid_schema_name */
    {"28", ERR_DENIED},                     /* invalid_authorization_specification */
    {"55P03", ERR_TIMEOUT}, {"08", ERR_IO}, /* connection_exception */
    {"40", ERR_IO},                         /* transaction_rollback: deadlock, serialization */
    {"53", ERR_IO},                         /* insufficient_resources */
    {"57", ERR_IO},                         /* operator_intervention */
    {"58", ERR_IO},                         /* system_error */
};

static int code_of(const char *state)
{
    for (size_t i = 0; state && i < COUNT_OF(states); i++)
        if (!strncmp(state, states[i].prefix, strlen(states[i].prefix)))
            return states[i].code;
    return state ? ERR_INVALID : ERR_IO;
}

/* libpq's messages have several lines and end with one: the first says what is wrong. */
static int tell(struct err *err, int code, const char *message)
{
    int len = (int)strcspn(message, "\n");

    return err_set(err, code, "PostgreSQL: %.*s", len, message);
}

static int result_error(const struct postgres *p, const PGresult *result, struct err *err)
{
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    const char *text = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    const char *detail = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL) : NULL;

    if (!text)
        return tell(err, code_of(state), PQerrorMessage(p->conn));
    return err_set(err, code_of(state), "PostgreSQL: %s%s%s (%s)", text, detail ? ": " : "",
                   detail ? detail : "", state ? state : "no state");
}

/* ---- connections ---- */

/* The server speaks of a failed connection in words alone: a reason that time will not mend is one
 * of these. */
static int connect_error(const struct postgres *p, struct err *err)
{
    static const struct {
        const char *words;
        int code;
    } reasons[] = {{"authentication failed", ERR_DENIED},
                   {"no password", ERR_DENIED},
                   {"no pg_hba.conf entry", ERR_DENIED},
                   {"does not exist", ERR_NOENT},
                   {"invalid", ERR_INVALID},
                   {"out of memory", ERR_NOMEM}};
    const char *message = p->conn ? PQerrorMessage(p->conn) : "out of memory";

    for (size_t i = 0; i < COUNT_OF(reasons); i++)
        if (strstr(message, reasons[i].words))
            return tell(err, reasons[i].code, message);
    return tell(err, ERR_IO, message);
}

static int set_session(struct postgres *p, int64_t lock_ms, struct err *err)
{
    char sql[200];

    snprintf(sql, sizeof(sql),
             "SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET extra_float_digits = 1; "
             "SET lock_timeout = %" PRId64,
             lock_ms ? lock_ms : 60000);
    return postgres_run(p, sql, NULL, 0, NULL, err);
}

int postgres_open(struct postgres **out, const struct postgres_options *o, struct err *err)
{
    char seconds[24];
    /* The uri first: what follows overrides it. */
    const char *keys[] = {"dbname",
                          "connect_timeout",
                          "keepalives_idle",
                          "tcp_user_timeout",
                          "application_name",
                          "client_encoding",
                          NULL,
                          NULL,
                          NULL};
    const char *values[] = {o->uri, seconds, "10", "30000", "tarn", "UTF8", NULL, NULL, NULL};
    size_t count = 6;
    struct postgres *p = calloc(1, sizeof(*p));
    int rc;

    if (!p)
        return err_set(err, ERR_NOMEM, "a connection");
    snprintf(seconds, sizeof(seconds), "%" PRId64,
             o->connect_ms ? (o->connect_ms + 999) / 1000 : 30);
    if (o->user) {
        keys[count] = "user";
        values[count++] = o->user;
    }
    if (o->password) {
        keys[count] = "password";
        values[count++] = o->password;
    }
    p->conn = PQconnectdbParams(keys, values, 1);
    rc = PQstatus(p->conn) == CONNECTION_OK ? set_session(p, o->lock_ms, err)
                                            : connect_error(p, err);
    if (rc) {
        postgres_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

void postgres_free(struct postgres *p)
{
    if (!p)
        return;
    PQfinish(p->conn);
    free(p);
}

/* ---- statements ---- */

int postgres_run(struct postgres *p, const char *sql, const char *const *params, size_t count,
                 struct postgres_rows **out, struct err *err)
{
    /* Without parameters several statements may stand in one text. */
    PGresult *result = count ? PQexecParams(p->conn, sql, (int)count, NULL, params, NULL, NULL, 0)
                             : PQexec(p->conn, sql);
    ExecStatusType status = PQresultStatus(result);
    int rc =
        status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ? 0 : result_error(p, result, err);

    if (!rc && out) {
        *out = malloc(sizeof(**out));
        if (!*out)
            rc = err_set(err, ERR_NOMEM, "rows of PostgreSQL");
        else
            (*out)->result = result;
    }
    if (rc || !out)
        PQclear(result);
    return rc;
}

size_t postgres_row_count(const struct postgres_rows *rows)
{
    return (size_t)PQntuples(rows->result);
}

struct slice postgres_value(const struct postgres_rows *rows, size_t row, size_t column)
{
    int r = (int)row, c = (int)column;

    if (PQgetisnull(rows->result, r, c))
        return (struct slice){0};
    return slice_of(PQgetvalue(rows->result, r, c), (size_t)PQgetlength(rows->result, r, c));
}

void postgres_rows_free(struct postgres_rows *rows)
{
    if (!rows)
        return;
    PQclear(rows->result);
    free(rows);
}

/* ---- names ---- */

int postgres_put_name(struct buf *out, struct slice name)
{
    int rc = buf_append_u8(out, '"');

    for (size_t i = 0; i < name.len && !rc; i++) {
        rc = name.ptr[i] == '"' ? buf_append_u8(out, '"') : 0;
        rc = rc ? rc : buf_append_u8(out, name.ptr[i]);
    }
    return rc ? rc : buf_append_u8(out, '"');
}
