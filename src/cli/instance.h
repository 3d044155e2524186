/* instance.h - one running tarn: what the rooms are given, and the order in which they start.
 *
 * src/main.c lists the rooms; `up` starts them from the top down and stops them from the bottom up.
 * Threads: filled by the main thread before the control socket opens, read by all afterwards.
 */
#ifndef CLI_INSTANCE_H
#define CLI_INSTANCE_H

#include "base/base.h"
#include "base/workers.h"
#include "catalog/http.h"
#include "catalog/upkeep.h"
#include "cli/feeder.h"
#include "cli/config.h"
#include "cli/control.h"
#include "cli/data_dir.h"
#include "cli/logfile.h"
#include "connector/connector.h"
#include "kafka/kafka.h"
#include "observe/flink.h"
#include "s3/s3.h"
#include "vec/vec.h"

struct query_session;

struct instance {
    struct config *config;
    struct disk *disk;
    struct clock *clock;
    struct data_dir *data;
    struct logfile *logfile;
    const char *data_path;
    int64_t started_ns;
    bool offline; /* `tarn sql` on a folder nobody uses: tables can be read, nothing runs */

    struct workers *workers; /* for what may block: syncs, merges */
    struct meta *meta;
    struct store *store;
    struct lake *lake;
    struct catalog *catalog;
    struct catalog_http *catalog_http;
    struct broker *broker;
    struct s3_server *s3;
    struct vec_db *streams_db,
        *queries_db; /* DuckDB twice, so that neither takes the other's memory */
    struct workers *merges;                 /* of small files */
    struct connector *connector;
    struct upkeep *upkeep; /* of every table, by itself */
    struct stream_engine *engine;
    struct flink *flink; /* its REST over the jobs */
    struct feeder *feeder;
    struct control *control;
};

struct room {
    const char *name;
    int (*start)(struct instance *instance, struct err *err);
    void (*stop)(struct instance *instance); /* copes with a room that never started */
};

/* Starts the rooms in order; on a failure stops those that run, names the room and returns. */
int instance_start(struct instance *instance, const struct room *rooms, struct err *err);
/* What tarn.yaml asks for beyond running: topics and buckets that are not there yet are made. */
int instance_make_topics(struct instance *instance, struct err *err);
int instance_make_buckets(struct instance *instance, struct err *err);
/* The keys of tarn.yaml, the project's own first; in the config's arena. */
int instance_s3_credentials(struct instance *instance, struct s3_credential **out, size_t *count,
                            struct err *err);
/* catalog_http_options.lend, with the instance as its arg: keys for a table's own places. */
catalog_lend_fn instance_lend;
/* Runs every *.sql of the project's streams folder in the order of their names; harmless when they
 * ran before. */
int instance_submit_scripts(struct instance *instance, struct err *err);
/* A session for `tarn sql`. */
int instance_session(struct instance *instance, struct query_session **out, struct err *err);
void instance_stop(struct instance *instance, const struct room *rooms);

/* What status and the screen show: one JSON object; the caller decrefs. NULL: out of memory. */
json_t *instance_status(struct instance *instance);

extern const struct control_verb instance_verbs[];

#endif
