/* postgres.h - a connection to a PostgreSQL server: the one header of libpq.
 *
 * Statements go out one at a time, parameters and values as text. A session speaks UTC and ISO
 * dates whatever the server's settings are, and waits for a lock at most as long as the options
 * say. A server that is gone without a word is noticed after half a minute.
 * Errors: ERR_IO: the connection or the server failed, or it was a deadlock: connect and try again.
 * ERR_DENIED: user, password or privileges. ERR_NOENT: no such database, schema or table.
 * ERR_TIMEOUT: a lock was not given in time. ERR_INVALID: the server refuses the statement or a
 * value; the text is the server's. After any error inside a transaction only ROLLBACK helps.
 * Threads: a connection belongs to one at a time.
 */
#ifndef META_POSTGRES_H
#define META_POSTGRES_H

#include "base/base.h"

struct postgres_options {        /* borrowed for the call */
    const char *uri;             /* "postgresql://host:5432/db?sslmode=require", see libpq */
    const char *user, *password; /* NULL: what the uri says */
    int64_t connect_ms;          /* to connect in, at least 2 s; 0: 30 s */
    int64_t lock_ms;             /* to wait for a lock; 0: 60 s */
};

struct postgres;
int postgres_open(struct postgres **out, const struct postgres_options *options, struct err *err);
void postgres_free(struct postgres *connection); /* ends an open transaction by ROLLBACK */

/* Parameters are $1, $2, ...; NULL is NULL. `out` NULL: rows are not wanted. */
struct postgres_rows;
int postgres_run(struct postgres *connection, const char *sql, const char *const *params,
                 size_t param_count, struct postgres_rows **out, struct err *err);
size_t postgres_row_count(const struct postgres_rows *rows);
/* Borrowed until postgres_rows_free; ptr NULL: NULL. NUL-ended. */
struct slice postgres_value(const struct postgres_rows *rows, size_t row, size_t column);
void postgres_rows_free(struct postgres_rows *rows); /* NULL is fine */

/* Appends a name in double quotes. */
int postgres_put_name(struct buf *out, struct slice name);

#endif
