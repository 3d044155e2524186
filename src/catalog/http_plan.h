/* http_plan.h - what a scan request asks for, and a plan as JSON. Only the REST face's. */
#ifndef CATALOG_HTTP_PLAN_H
#define CATALOG_HTTP_PLAN_H

#include "catalog/http_int.h"

struct plan_request {
    int64_t snapshot_id;                  /* -1: the current one */
    int64_t start_snapshot_id;            /* incremental, exclusive; -1: no incremental scan */
    const struct lake_schema *schema;     /* that names mean; of the metadata */
    struct lake_predicate *predicates;    /* those parts of the filter that can prune */
    size_t predicate_count;
    const char *residual;                 /* the whole filter as JSON text; NULL: none */
    int32_t *stats;                       /* columns whose metrics are wanted, by id */
    size_t stats_count;
};

/* Texts in the arena. ERR_INVALID: the request; ERR_NOENT is never returned. */
int plan_request_read(const json_t *body, const struct lake_metadata *metadata, struct arena *arena,
                      struct plan_request *out, struct err *err);
int plan_run(struct lake *lake, const struct lake_metadata *metadata,
             const struct plan_request *request, struct arena *arena, struct lake_plan *out,
             struct err *err);
/* Appends "file-scan-tasks" and "delete-files", of `count` files from `first` on. ERR_NOMEM. */
int plan_print_files(const struct lake_plan *plan, const struct plan_request *request, size_t first,
                     size_t count, struct buf *out);

#endif
