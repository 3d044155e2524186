/* files.h - what a 'filesystem' table's path leads to: a folder or file of this machine
 * ("/data/in", "file:///data/in"), or keys of our object store ("s3://bucket/prefix").
 *
 * A folder is walked to its bottom; names that begin with '.' or '_' are not looked at, as in
 * Flink. Partitions are folders NAME=VALUE.
 */
#ifndef CONNECTOR_FILES_H
#define CONNECTOR_FILES_H

#include "base/base.h"
#include "store/store.h"

struct files {
    struct store *store; /* borrowed */
    struct disk *disk;   /* of local paths; borrowed */
    char *root;          /* owned: a path, or the key's beginning */
    char *bucket;        /* owned; NULL: a local path */
};
int files_init(struct files *files, struct store *store, const char *path, struct err *err);
void files_deinit(struct files *files);

struct files_entry {
    const char *name;       /* behind the root; "" when the root is the file. In the arena */
    int64_t size, mtime_us; /* mtime_us: of keys, and of a root that is the file; else 0 */
};
/* Sorted by name. A root that is not there (yet) has none. */
int files_list(const struct files *files, struct arena *arena, struct files_entry **out,
               size_t *count, struct err *err);
/* A number that is another one after a file came, went or was written: of names, sizes and times.
 */
int files_stamp(const struct files *files, uint64_t *out, struct err *err);
/* A local path of the file, good until files_done. */
int files_open(const struct files *files, const char *name, struct arena *arena, const char **path,
               struct err *err);
void files_done(const struct files *files, const char *path);
/* Makes a local file, which is synced, the one of that name: whole or not at all, durable on
 * return. The local file is gone then. Doing it again does no harm. Folders are made. */
int files_put(const struct files *files, const char *name, const char *path, struct err *err);

#endif
