/* jdbc.h - tables of a PostgreSQL: 'connector' = 'jdbc' with a url of "jdbc:postgresql:...".
 *
 * Rows travel as JSON texts, both ways: one parameter holds a batch, json_to_recordset and the
 * types of the table's own columns make rows of it, so arrays, decimals, uuid and jsonb need no
 * spelling of ours. Other databases' urls are refused by name.
 *
 *   scan    all rows once, through a cursor; a bounded source (jdbc_source.c)
 *   lookup  the rows of a batch's keys by one statement (jdbc_lookup.c)
 *   sink    one transaction per interval, committed when the interval is staged: readers see whole
 *           intervals. At least once, as in Flink: what was committed there and not here comes
 *           again, which a primary key makes harmless (jdbc_sink.c)
 *
 * Threads: a struct jdbc_table may be read by any; connections belong to one at a time.
 */
#ifndef CONNECTOR_JDBC_H
#define CONNECTOR_JDBC_H

#include "connector/factory.h"
#include "format/row_format.h"
#include "meta/postgres.h"
#include "operator/operator.h"

struct jdbc_column {
    const char *name;
    enum sql_type_kind kind;
    int second_digits;
    bool is_key; /* of PRIMARY KEY */
    /* As the server names them; NULL before the first jdbc_connect: of values to be stored, and of
     * values to be compared with the column's, which may be longer than it takes. */
    const char *stored_type, *compared_type;
};
struct jdbc_table {
    struct arena arena; /* everything below */
    const char *name;   /* in SQL here */
    const char *target; /* "schema"."table", quoted */
    const char *uri, *user, *password;
    int64_t connect_ms, fetch_rows, retries;
    struct jdbc_column *columns; /* the physical ones, in the table's order */
    size_t count, key_count;
};

/* Reads WITH (...). ERR_UNSUPPORTED, ERR_INVALID name the option. Asks no server. */
int jdbc_table_init(struct jdbc_table *table, const struct sql_table *from, struct err *err);
void jdbc_table_deinit(struct jdbc_table *table);

/* A connection, and the columns' pg_type when they are not known yet. ERR_NOENT: no such table or
 * column there, with its name. */
int jdbc_connect(struct jdbc_table *table, struct postgres **out, struct err *err);

/* Appends "SELECT row_to_json(r)::text FROM (SELECT ... FROM target t": conditions and ") r" are
 * the caller's. jdbc_decoder_new reads the texts. */
int jdbc_put_select(struct buf *out, const struct jdbc_table *table);
/* Appends "json_to_recordset($1::json) AS x(...)" with the columns that are `wanted`. */
int jdbc_put_records(struct buf *out, const struct jdbc_table *table, const bool *wanted,
                     bool compared);
/* Appends `x."a", x."b"` with x. as the prefix, or `t."a" = x."a" AND ...`, of those columns. */
int jdbc_put_list(struct buf *out, const struct jdbc_table *table, const bool *wanted,
                  const char *prefix);
int jdbc_put_pairs(struct buf *out, const struct jdbc_table *table, const bool *wanted,
                   const char *left, const char *right, const char *between);
/* `columns` of a feed, those of the table first. */
int jdbc_decoder_new(struct row_decoder **out, const struct jdbc_table *table,
                     const struct vec_columns *columns, struct err *err);

int jdbc_source_new(const struct source_request *request, struct stream_source **out,
                    struct err *err);
bool jdbc_is_asked(const struct sql_table *table); /* is it one of these? */
struct sql_flow_looking;                           /* sql/flow.h */
int jdbc_lookup_new(struct op_lookup_table **out, const struct source_request *request,
                    const struct sql_flow_looking *looking, struct err *err);
int jdbc_sink_new(const struct sink_request *request, struct stream_sink **out, struct err *err);

#endif
