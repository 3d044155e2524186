/* dml.h - statements that change a table, run as one batch and one commit.
 *
 * INSERT of bounded rows (VALUES, Iceberg tables), INSERT OVERWRITE, UPDATE, DELETE, MERGE and
 * TRUNCATE read one snapshot, write what they must, and commit against it. When somebody else's
 * commit got in between and matters (lake/stage.h: ERR_STALE), the statement is computed anew from
 * the newest snapshot, so that its answer is that of a statement that ran alone after it. Until the
 * commit nothing is visible: a crash leaves files that nobody names.
 *
 * Rows are taken away by deletes (write.delete.mode, write.update.mode, write.merge.mode are
 * merge-on-read unless the table says copy-on-write); files that lose all their rows are dropped.
 *
 *   dml.c           attempts, commit, answer
 *   dml_rows.c      the query's rows: which go, which are written
 *   dml_upsert.c    INSERT into a table that is written by key
 *   dml_set.c       several INSERTs, one commit
 *   dml_files.c     whole files: those a condition covers, overwritten ones, copies
 */
#ifndef QUERY_DML_H
#define QUERY_DML_H

#include "query/query_int.h"

/* Positions of rows in one data file of the plan. */
struct dml_file {
    int64_t *list; /* position * 2, + 1 when the row goes (a merge meets rows that stay) */
    size_t count, cap;
};

struct dml {
    struct query_session *q;
    const struct sql_statement *st;
    struct query_plan plan; /* its arena is the attempt's */
    struct sql_change change;
    const struct session_table *handle; /* of the target */
    struct query_scan *scan;            /* of the target; NULL: INSERT */
    struct dml_file *files;             /* per file of the scan */
    struct lake_writer *writer;
    struct vec_columns columns; /* of what is written */
    bool copies;                /* copy-on-write */
    bool sorted;                /* what is written comes in the table's sort order */
    int64_t inserted, updated, deleted;
    /* what the commit takes away */
    struct lake_row_delete *row_deletes;
    size_t row_delete_count;
    struct lake_entry *removed;
    size_t removed_count, removed_cap;
    struct lake_data_file *added;
    size_t added_count;
    bool replaces_partitions, upserts;
    struct lake_property summary[2]; /* what the change says */
    struct dml *sub; /* the DELETE below an INSERT OVERWRITE ... PARTITION, its text */
    struct buf text;
};

int dml_nomem(struct err *err);

/* dml_rows.c: runs the planned query to its end. */
int dml_rows(struct dml *d, struct err *err);
/* Sorted positions become row deletes. ERR_INVALID: a merge met a row twice. */
int dml_positions(struct dml *d, struct err *err);
int dml_writer(struct dml *d, const struct vec_columns *columns, size_t from, struct err *err);
/* The rows of `chunk` at `rows`, columns from `from` on, to the writer. */
int dml_write(struct dml *d, duckdb_data_chunk chunk, size_t from, const sel_t *rows, idx_t count,
              struct err *err);

/* dml_upsert.c: in place of dml_rows. */
bool dml_upserts(const struct dml *d);
int dml_upsert(struct dml *d, struct err *err);

/* dml_files.c */
/* query_plan.planned: takes files out of the scan that the condition covers whole. */
int dml_cover(void *dml, struct query_scan *scan, struct err *err);
/* Writes what is left of the files that lose rows, and removes them instead. */
int dml_copy(struct dml *d, struct err *err);
/* INSERT OVERWRITE: what the new files replace. */
int dml_overwrite(struct dml *d, struct err *err);
/* ERR_INVALID: the table is not partitioned by it as it is. */
int dml_partition_column(const struct dml *d, const struct sql_ident *column, struct err *err);
int dml_remove(struct dml *d, const struct lake_entry *entry, struct err *err);

/* dml_set.c: bounded INSERTs, all or none. */
int dml_run_set(struct query_session *q, struct sql_statement *const *list, size_t count,
                const struct query_out *out, struct err *err);

/* dml.c */
/* Everything but the commit; `q` and `st` set, the rest zero. */
int dml_compute(struct dml *d, struct err *err);
/* What is to be committed then, borrowed from `d`. False: nothing is. */
bool dml_change(struct dml *d, struct lake_change *out);
/* Releases; files that nobody names go unless they are kept. */
void dml_forget(struct dml *d, bool keep_files);
int dml_answer(enum sql_statement_kind kind, const int64_t counts[3], const struct query_out *out,
               struct err *err);
int dml_run(struct query_session *q, const struct sql_statement *st, const struct query_out *out,
            struct err *err);
/* EXPLAIN: what would be read, and what becomes of it. */
int dml_explain(struct query_session *q, const struct sql_statement *st, struct buf *out,
                struct err *err);
/* An INSERT whose rows come from tables that end, into a table of the lake: no job for it. */
bool dml_is_bounded(struct query_session *q, const struct sql_insert *insert);
int dml_create_as(struct query_session *q, const struct sql_statement *st, bool *streams,
                  const struct query_out *out, struct err *err);
/* Takes the table away again. */
void dml_undo_create(struct query_session *q, const struct sql_statement *st);

#endif
