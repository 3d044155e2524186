/* states.h - what a job remembers, as rows: SELECT ... FROM state.JOB.OPERATOR.
 *
 * Read from the files of the job's last commit, beside the job and without its knowing: so it is
 * what the tables of that commit were made with, costs the job nothing, and is there for jobs that
 * do not run. The state of a pipeline is loaded into memory of its own (or spilled, beyond the
 * engine's limit) when the first of its tables is read, and stays until the handle is freed.
 * A job that goes on removes files that its newer commits do without; who is in the middle of
 * reading them gets ERR_CONFLICT and begins again.
 * Threads: a handle belongs to one thread.
 */
#ifndef STREAM_STATES_H
#define STREAM_STATES_H

#include "stream/job.h"

struct stream_states;

/* A table. Names are those of the steps of `tarn job show` with their numbers. */
struct stream_state {
    const char *name; /* "aggregate_2"; "p2_aggregate_2": of a job's second pipeline */
    const struct sql_output *columns;
    size_t column_count;
};

/* Of a job by name or id. ERR_NOENT: there is no such job; ERR_CONFLICT: it commits meanwhile. */
int stream_states_new(struct stream_states **out, struct stream_engine *engine, const char *job,
                      struct err *err);
void stream_states_free(struct stream_states *states); /* accepts NULL */
const struct stream_state *stream_states_list(const struct stream_states *states, size_t *count);
int64_t stream_states_epoch(const struct stream_states *states); /* the commit; 0: none yet */

/* All rows of table `which`, some thousand at a time; the batch is lent, its chunks may be taken.
 * stream_states_columns has their columns, named v0, v1 ... */
int stream_states_columns(struct stream_states *states, size_t which, struct vec_columns *out,
                          struct err *err);
int stream_states_read(struct stream_states *states, size_t which, op_view_fn *fn, void *arg,
                       struct err *err);

#endif
