/* query_int.h - what the files of this room share. */
#ifndef QUERY_QUERY_INT_H
#define QUERY_QUERY_INT_H

#include <stdatomic.h>

#include "connector/session.h"
#include "query/query.h"

struct query_session {
    struct query_options options;
    struct arena names;      /* of the session: its life long */
    struct session *session;
    struct vec_conn *conn;
    struct buf ddl;          /* definitions so far: go in front of a job that is submitted */
    int jobs;                /* submitted from here, for their names */
    struct query_state *states; /* of the statement: states.c */
    _Atomic bool cancelled;
};

/* cells.c: values as text, Flink's spelling. Appends; NULL is nothing (the caller says it). */
struct cell_column {
    const char *name;
    const struct sql_type *type;
};
bool cell_is_null(duckdb_vector vector, idx_t row);
int cell_print(const struct sql_type *type, duckdb_vector vector, idx_t row, struct buf *out);
bool cell_is_number(const struct sql_type *type); /* aligned right */

/* results.c: rows in the format asked for. A result is begun, given rows, ended. */
struct results;
int results_new(struct results **out, const struct query_out *to, const struct cell_column *columns,
                size_t count, struct err *err);
int results_chunk(struct results *results, duckdb_data_chunk chunk, struct err *err);
/* One row of texts (NULL: null), for SHOW and DESCRIBE. */
int results_row(struct results *results, const char *const *texts, struct err *err);
int results_end(struct results *results, struct err *err);
void results_free(struct results *results);
/* "OK": a statement that has nothing to show (table format only). */
/* One row of one column of text. */
int results_text(const struct query_out *to, const char *title, const char *text, struct err *err);
int results_ok(const struct query_out *to, const char *text, struct err *err);
/* How many rows a statement changed: one row of numbers, or `text` in the table format. */
struct results_count {
    const char *name;
    int64_t rows;
};
int results_counts(const struct query_out *to, const struct results_count *counts, size_t count,
                   const char *text, struct err *err);

/* select.c: a bound query, its tables' files planned, spelled for DuckDB. */
struct query_scan { /* one table of the statement */
    const struct sql_table *table;
    struct lake_plan plan;
    bool planned;
    const struct lake_predicate *predicates; /* what it was pruned by */
    size_t predicate_count;
    char *sql; /* in the arena */
};
struct query_plan {
    struct query_session *q;
    struct arena arena;
    struct sql_bound *bound;
    const struct sql_output *outputs;
    size_t output_count;
    struct sql_condition *conditions;
    size_t condition_count;
    struct query_scan *scans;
    size_t scan_count;
    struct buf sql;
    bool explained; /* no row is wanted: what is made for the statement stays empty */
    /* The table whose rows come with their addresses, and who looks at its files before they are
     * spelled out (and may take some away); NULL: none. */
    const struct sql_table *addressed;
    int (*planned)(void *arg, struct query_scan *scan, struct err *err);
    void *planned_arg;
};
int query_plan_bound(struct query_plan *plan, struct err *err); /* q, bound (in the arena) set */
/* What will be read, and DuckDB's own plan. */
int query_plan_explain(struct query_plan *plan, struct buf *out, struct err *err);
void query_plan_deinit(struct query_plan *plan);
int select_run(struct query_session *q, const struct sql_query *query, const struct query_out *out,
               struct err *err);
int select_explain(struct query_session *q, const struct sql_query *query, struct buf *out,
                   struct err *err);
/* A session_evaluator: `arg` is the query_session. */
int select_constant(void *arg, const char *query, struct arena *arena, const char **text,
                    struct err *err);
/* made.c: rows that lie in no file of a table, written into one of the statement's own, in the
 * staging folder, which goes with the plan. So rows of any number may be joined and sorted. Columns
 * of the file are v0, v1, ... whatever the feed's are called. */
struct query_made {
    const char *path;
    struct vec_copy *copy;
};
int made_open(struct query_made *made, struct query_session *q, const struct vec_columns *columns,
              struct arena *arena, struct err *err);
int made_push(void *made, struct vec_batch *rows, struct err *err); /* takes the chunks */
/* After pushes that went well (`rc` 0) the file is the plan's. */
int made_close(struct query_made *made, int rc, struct arena *arena, struct lake_plan *plan,
               struct err *err);
/* Appends "(SELECT v0 AS name, ... FROM the file TAIL)"; columns that are computed have none. */
int made_put_select(const struct query_made *made, const struct sql_table *table, const char *tail,
                    struct buf *sql);
/* connected.c: a table of a connector, as it is now. */
int connected_scan(struct query_plan *s, const struct sql_table *table, struct lake_plan *plan,
                   struct buf *sql, struct err *err);
/* states.c: state.JOB.OPERATOR. Two functions of a session_states, and what a plan needs; `close`
 * behind each statement. ERR_CONFLICT: a job has committed meanwhile: close, and again. */
int states_table(void *arg, const char *job, const char *name, struct arena *arena,
                 struct sql_table *out, struct err *err);
int states_names(void *arg, const char *job, struct arena *arena, struct session_names *out,
                 struct err *err);
int states_scan(struct query_plan *s, const struct sql_table *table, struct lake_plan *plan,
                struct buf *sql, struct err *err);
void states_close(struct query_session *q);
/* analyze.c: ANALYZE TABLE */
int analyze_run(struct query_session *q, const struct sql_statement *st,
                const struct query_out *out, struct err *err);
/* show.c: SHOW, DESCRIBE, EXPLAIN, SET without arguments. */
/* describe.c */
int describe_run(struct query_session *q, const struct sql_describe *describe,
                 const struct query_out *out, struct err *err);
int describe_table(struct query_session *q, const struct sql_name *name,
                   const struct query_out *out, struct err *err);
/* only: the id of one job; NULL: all. */
int describe_jobs(struct query_session *q, const char *only, const struct query_out *out,
                  struct err *err);
/* show.c: columns of text under these names, in `out`. */
const struct cell_column *text_columns(const char *const *names, size_t count,
                                       struct cell_column *out);
int show_run(struct query_session *q, const struct sql_statement *st, const struct query_out *out,
             struct err *err);

#endif
