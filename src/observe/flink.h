/* flink.h - Flink's REST API over our jobs, for the tools that watch a Flink cluster.
 *
 * Paths and shapes are those of Flink 1.20, "REST API"; figures are the engine's own. The engine is
 * one process with `slots` slots, shown as one task manager or in as many equal parts as the
 * project says; a job takes a slot while it runs. Vertices: a pipeline whose rows stand alone is
 * one, as Flink would chain it; else its sources and its operators are, the last one chained with
 * the sink. A vertex is called by a hash of job, pipeline and place: the same
 * after a restart. What changes something is answered as far as tools need it: cancel, stop with a
 * savepoint, savepoints; jars and sessions are not.
 *
 * Threads: handlers run on the server's threads; all calls of the engine are made for any thread.
 */
#ifndef OBSERVE_FLINK_H
#define OBSERVE_FLINK_H

#include "net/http.h"
#include "stream/job.h"

struct flink;

struct flink_setting {
    const char *key, *value;
};
struct flink_options { /* borrowed for life */
    struct stream_engine *engine;
    struct clock *clock;
    const char *address;
    int port;             /* 0 picks one */
    const char *version;  /* of the program, shown as Flink's commit */
    int64_t slots;        /* taskmanager.numberOfTaskSlots, of each */
    int64_t managers;     /* task managers that are shown; 0: 1 */
    int64_t memory_bytes; /* what streams may take */
    int64_t cpus;
    const struct flink_setting *settings; /* shown by /jobmanager/config */
    size_t setting_count;
    int64_t (*resident)(void); /* bytes of this process */
};
int flink_new(struct flink **out, const struct flink_options *options, struct err *err);
int flink_port(const struct flink *flink);
void flink_free(struct flink *flink); /* accepts NULL */

#endif
