/* query.h - random queries in Flink's SQL over three tables, for streams and for rows at rest.
 *
 *   a, b  rows that come once: id BIGINT, k BIGINT, v BIGINT, s STRING, ts TIMESTAMP(3), which is
 *         their rowtime; ids and times are unique over both
 *   c     the same columns, as a change stream: rows come, change and go
 *
 * Every query has one answer: what depends on the order among equals is ordered by all columns.
 */
#ifndef TESTS_FLOW_QUERY_H
#define TESTS_FLOW_QUERY_H

#include "base/base.h"

#define QUERY_MAX 16384

/* The query's text into `out`. `more`: also joins with windows that bound a row's time, and what is
 * asked for twice; without, a state of rng gives the query that it gave before there were those. */
void query_random(struct rng *rng, bool more, char out[QUERY_MAX]);

#endif
