/* flink_int.h - what the handlers share: the jobs as vertices, and savepoints under way. */
#ifndef OBSERVE_FLINK_INT_H
#define OBSERVE_FLINK_INT_H

#include <pthread.h>

#include "base/json.h"
#include "observe/flink.h"

#define FLINK_VERSION "1.20.0"
#define TRIGGERS_KEPT 64

/* A savepoint that somebody asked for. */
struct trigger {
    char id[33], job[33];
    bool done;
    char location[1024], error[600];
};

struct flink {
    struct flink_options options;
    struct http_server *server;
    int64_t started_ms;
    pthread_mutex_t mutex; /* of the next two */
    struct trigger triggers[TRIGGERS_KEPT];
    int64_t trigger_count;
};

/* A step of a job's plan. */
struct vertex {
    char id[33];
    const char *name;
    bool source, sink, timed, ended;
    const struct stream_pipeline_info *pipeline;
    const struct stream_input_info *input; /* NULL: an operator */
    int64_t rows_in, rows_out, late, watermark_ms, state_bytes, lag;
    int64_t busy_ms; /* of the pipeline, or of the operator alone */
    double in_s, out_s, busy, backpressured, idle;
    int parallelism, max_parallelism; /* threads that may be at it; shards */
    size_t inputs[64];                /* vertices below it */
    size_t input_count;
};

/* flink_vertex.c: of a job, in the arena; sources first. */
int vertices_of(const struct stream_job_info *job, struct arena *arena, struct vertex **out,
                size_t *count);
const struct vertex *vertex_find(const struct vertex *list, size_t count, const char *id);

/* flink.c */
const char *flink_state(const struct stream_job_info *job); /* Flink's word */
bool flink_is_over(const struct stream_job_info *job);
void flink_error(struct http_reply *reply, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void flink_reply(struct http_reply *reply, int status, json_t *json /* take; NULL: no memory */);
/* The job that {job} names, and its vertices. false: the reply is made. */
struct job_view {
    const struct stream_job_info *job;
    struct vertex *vertices;
    size_t count;
};
bool flink_job(struct flink *flink, struct http_request *req, struct http_reply *reply,
               struct job_view *out);
bool flink_jobs(struct flink *flink, struct http_request *req, struct http_reply *reply,
                struct stream_job_info **out, size_t *count);

/* flink_jobs.c, flink_metrics.c, flink_checkpoints.c */
http_fn flink_jobs_list, flink_jobs_overview, flink_job_show, flink_job_status, flink_job_plan,
    flink_job_config, flink_job_exceptions, flink_job_cancel, flink_vertex_show;
http_fn flink_vertex_metrics, flink_vertex_watermarks, flink_vertex_backpressure,
    flink_subtask_metrics, flink_job_metrics, flink_jobs_metrics, flink_manager_metrics,
    flink_taskmanager_metrics;
http_fn flink_checkpoints, flink_checkpoint_config, flink_checkpoint_show, flink_savepoint_start,
    flink_savepoint_stop, flink_savepoint_show;
json_t *vertex_metrics_json(const struct vertex *v);

#endif
