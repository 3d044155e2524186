/* place.h - where savepoints and copies of checkpoints are: a local folder or s3://BUCKET/KEY, the
 * files of states in it and its `_metadata`.
 *
 * Threads: any; each place is one caller's. */
#ifndef STREAM_PLACE_H
#define STREAM_PLACE_H

#include "base/json.h"
#include "stream/stream_int.h"

struct place {
    const struct stream_engine_options *options;
    char path[1024];
    char files[1024]; /* the folder that the states' folders are in */
    bool remote;
};

#define PLACE_VERSION 1

int place_init(struct place *place, const struct stream_engine_options *options, const char *path,
               struct err *err);
const char *place_plain(const char *path); /* "file:///x" is /x */
/* Its files are beside it, shared with others. ERR_LIMIT: the path has no room for it. */
int place_share(struct place *place, struct err *err);

/* A file of a state is put there, whole or not at all, and got from there. */
int place_keep_file(const struct place *place, const char *from, const char *folder,
                    const char *name, struct err *err);
int place_take_file(const struct place *place, const char *folder, const char *name, const char *to,
                    struct err *err);
void place_remove(const struct place *place, const char *path); /* what is there: of no matter */

int place_keep_metadata(const struct place *place, const json_t *root, struct err *err);
int place_take_metadata(struct place *place, json_t **root, struct err *err);

/* The names in the folder DIR that begin with `prefix`, in the arena: of places, which are folders,
 * and in no order. A folder that is not there has none. */
int place_list(const struct stream_engine_options *options, const char *dir, const char *prefix,
               struct arena *arena, const char ***names, size_t *count, struct err *err);

/* A file of a state: its folder, below the job's, its name, and how long it is. */
typedef int file_fn(void *arg, const char *folder, const char *name, int64_t bytes,
                    struct err *err);
/* The files that a manifest of a pipeline's state names: of each of its states, where there are
 * shards (flow_state.c). */
int place_each_file(const char *pipeline, const char *manifest, file_fn *fn, void *arg,
                    struct err *err);

#endif
