/* query.h - SQL statements run for a person or a client: over committed snapshots, now.
 *
 * A query_session holds the names of one user (connector/session.h) and one DuckDB connection of
 * the query instance. A statement's answer goes out through a struct query_out piece by piece, as
 * text in one of three formats, so that a large result never sits in memory.
 * A SELECT reads each Iceberg table at one snapshot, chosen when the statement starts; manifests
 * are pruned by the statement's own conditions. INSERT INTO ... SELECT starts a job.
 * Threads: a session belongs to one thread at a time; query_cancel may be called from any.
 */
#ifndef QUERY_QUERY_H
#define QUERY_QUERY_H

#include "connector/connector.h"

struct query_session;

struct query_options { /* all borrowed for life */
    struct connector *connector;
    struct stream_engine *engine; /* NULL: INSERT is refused (nothing runs here) */
    struct lake *lake;
    struct vec_db *db; /* of queries */
    struct clock *clock;
};

enum query_format { QUERY_TABLE, QUERY_CSV, QUERY_JSON };

/* Where an answer goes. `write` takes text; ERR_CLOSED ends the statement. `progress` (may be NULL)
 * is called about ten times a second while a statement runs: 0..1, or -1 when unknown. */
struct query_out {
    int (*write)(void *arg, struct slice text);
    void (*progress)(void *arg, double done);
    void *arg;
    enum query_format format;
    int width; /* columns of the terminal for QUERY_TABLE; 0: no limit */
};

int query_session_new(struct query_session **out, const struct query_options *options,
                      struct err *err);
void query_session_free(struct query_session *session);

/* Runs every statement of `text`, one after another, until the first error: ERR_INVALID and others
 * with line and column. ERR_CANCELLED after query_cancel. QUIT and EXIT end with ERR_CLOSED. */
int query_run(struct query_session *session, struct slice text, const struct query_out *out,
              struct err *err);
void query_cancel(struct query_session *session);
/* "Flink SQL> " has no use for these, a prompt of ours does. */
const char *query_catalog(struct query_session *session);
const char *query_database(struct query_session *session);

#endif
