/* connector.h - sources and sinks, bound to jobs: scripts of Flink SQL become pipelines.
 *
 *   session.h      catalogs, databases, tables and settings of one script or one user
 *   lake_sink.h    rows to Iceberg tables
 *   kafka_source.h topics of our own log to rows
 *   dead_letters.h rejects to a topic and a table
 *
 * Threads: a connector is shared by all jobs and sessions.
 */
#ifndef CONNECTOR_CONNECTOR_H
#define CONNECTOR_CONNECTOR_H

#include "base/workers.h"
#include "catalog/catalog.h"
#include "stream/job.h"

struct broker; /* kafka/kafka.h */
struct connector;
struct source_request; /* factory.h */
struct sink_request;

/* In place of every table's source and sink: tests of SQL (given.h). */
struct connector_stand_ins {
    int (*source)(void *arg, const struct source_request *request, struct stream_source **out,
                  struct err *err);
    int (*sink)(void *arg, const struct sink_request *request, struct stream_sink **out,
                struct err *err);
    void *arg;
};
struct connector_options { /* all borrowed for life */
    struct clock *clock;
    struct meta *meta;
    struct broker *broker;
    struct lake *lake;
    struct catalog *catalog;
    struct vec_db *db;      /* of the streams */
    struct workers *merges; /* for merging small files; NULL: none */
    int (*write)(void *, struct lake *, const struct lake_metadata *, const struct vec_feed *,
                 struct arena *, struct lake_data_file **, size_t *, struct err *);
    void *write_arg;          /* both: see lake_sink.h; NULL: Parquet */
    const int *kafka_ports;   /* of our own broker: which bootstrap.servers are ours; 0 ends;
                                 NULL: all are */
    const int *catalog_ports; /* likewise, of our own catalog */
    /* Classes that scripts make functions of, and the expression over $1, $2 in place of each. */
    const char *const *function_classes, *const *function_texts;
    size_t function_count;
    const struct connector_stand_ins *stand_ins; /* NULL: tables are what they say */
};
int connector_new(struct connector **out, const struct connector_options *options, struct err *err);
void connector_free(struct connector *connector);
const struct connector_options *connector_options(struct connector *connector); /* borrowed */
struct catalog *connector_lake_catalog(struct connector *connector);            /* borrowed */

/* stream_plan_fn with a connector as its arg: runs the script's DDL and turns its INSERT or
 * STATEMENT SET into pipelines. A CREATE TABLE ... AS in front of another job statement only makes
 * its table: filling it is a job of its own. */
int connector_plan(void *connector, const char *job, const char *script, struct arena *arena,
                   struct stream_plan *out, struct err *err);

/* Plans every statement of a script and goes on after each that is wrong: `complain` hears of all,
 * but of those that only follow from another (a table whose CREATE failed). Starts no job, but
 * makes the tables that the script makes: meant for an instance that is thrown away. */
int connector_check(struct connector *connector, const char *script, struct arena *arena,
                    void (*complain)(void *arg, const struct err *why), void *arg, struct err *err);

/* Runs a script file: DDL first, then each INSERT or STATEMENT SET is submitted as a job. Its name
 * is SET 'pipeline.name', else `stem` (then stem_2, ...). Submitting again is harmless.
 * Errors name line and column of the script. */
int connector_submit_script(struct connector *connector, struct stream_engine *engine,
                            const char *stem, const char *script, struct err *err);

#endif
