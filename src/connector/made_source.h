/* made_source.h - sources whose rows are made up by number: 'datagen', 'faker'.
 *
 * Row n is a function of a seed and n (but for columns that are "now"). The seed is drawn when a
 * job starts for the first time and is part of the place, so after a crash the rows that were not
 * committed come again as they were.
 */
#ifndef CONNECTOR_MADE_SOURCE_H
#define CONNECTOR_MADE_SOURCE_H

#include <pthread.h>

#include "connector/factory.h"
#include "connector/source_wait.h"

/* The columns that a source gives: physical ones by type, and `partition`, which is 0. ERR_INVALID
 * for other metadata. */
int source_columns(const struct source_request *request, struct vec_columns *out, struct err *err);

/* "5 s", "500ms", "1 min"; a bare number is milliseconds. 0: no time. */
int64_t source_duration_ms(const char *text);

bool source_is_partition(const struct sql_column *column);

struct made_source;
struct made_ops {
    /* Rows `first` to `first + count` into a chunk of `count` rows. */
    int (*fill)(void *state, uint64_t seed, int64_t first, idx_t count, duckdb_data_chunk chunk,
                struct err *err);
    void (*free)(void *state);
};
struct made_options {
    const struct made_ops *ops;
    void *state;          /* taken, on errors too */
    int64_t rows_max;     /* it ends after so many; -1: never */
    int64_t default_rate; /* rows per second, when the table does not say */
};
int made_source_new(struct stream_source **out, const struct source_request *request,
                    const struct made_options *options, struct err *err);

/* A number for row `n` of field `field`: independent of all others. */
uint64_t made_random(uint64_t seed, int64_t n, uint64_t field);

int datagen_source_new(const struct source_request *request, struct stream_source **out,
                       struct err *err);
int faker_source_new(const struct source_request *request, struct stream_source **out,
                     struct err *err);

#endif
