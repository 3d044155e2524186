/* delete_int.h - deletes of rows by position: written, read, found.
 *
 *   delete_vector.c   positions as a deletion-vector-v1 blob; blobs as a Puffin file
 *   delete_file.c     positions as a position delete file; positions out of either kind
 *   delete_live.c     which deletes are live in a manifest list, and which apply to a data file
 *
 * Positions are ascending and each there once, everywhere in here.
 */
#ifndef LAKE_DELETE_INT_H
#define LAKE_DELETE_INT_H

#include "lake/lake_int.h"

#define DELETE_PATH_ID 2147483546 /* reserved: file_path in position delete files */
#define DELETE_POS_ID  2147483545 /* reserved: pos */

struct positions {
    int64_t *list;
    size_t count;
};
/* The union of both, in the arena; *fresh gets how many of b were not in a. */
int positions_unite(const struct positions *a, const struct positions *b, struct arena *arena,
                    struct positions *out, size_t *fresh, struct err *err);

/* The blob of a deletion vector; appends. */
int deletion_vector_encode(const struct positions *positions, struct buf *out, struct err *err);

/* A Puffin file that grows in memory. Zeroed before, deinit after. */
struct puffin {
    struct buf bytes;
    json_t *blobs;
};
int puffin_end(struct puffin *puffin, struct err *err); /* the footer; then `bytes` is the file */
void puffin_deinit(struct puffin *puffin);

/* The vectors of a commit: many blobs, one object. Zeroed before, deinit after. */
struct vector_blob {
    const char *path; /* of its data file */
    struct buf bytes;
    int64_t cardinality, pos; /* pos: in the file, once that is written */
};
struct vectors {
    struct vector_blob *list;
    size_t count, cap;
};
/* Takes the vector of the data file at `path`, which is borrowed for as long. `out` becomes its
 * delete file, but for its place, and partition and spec, which are the data file's. */
int vectors_add(struct vectors *vectors, const char *path, const struct positions *positions,
                struct lake_data_file *out, struct err *err);
/* The Puffin file of all of them, in memory. */
int vectors_encode(struct vectors *vectors, struct puffin *out, struct err *err);
/* Writes that file, durable on return. Entry i becomes that of the i-th vector: its place. */
int vectors_write(struct vectors *vectors, struct lake *lake, const struct lake_metadata *m,
                  struct entries *entries, struct arena *arena, const char **path, struct err *err);
void vectors_deinit(struct vectors *vectors);

/* The folder for delete files about the data file at `path`: its own when it is the table's. */
const char *delete_folder(const struct lake_metadata *m, const char *path, struct arena *arena);
/* Writes the position delete file of one data file, durable on return. `out` lacks partition and
 * spec, which are the data file's. Strings in the arena. Worker. */
int delete_file_write(struct lake *lake, const struct lake_metadata *m, const char *path,
                      const struct positions *positions, struct arena *arena,
                      struct lake_data_file *out, struct err *err);
/* What a vector or position delete file says of the data file at `path`. `conn` NULL: refuses
 * Parquet. Worker. */
int delete_file_read(struct lake *lake, struct vec_conn *conn, const struct lake_data_file *d,
                     const char *path, struct arena *arena, struct positions *out, struct err *err);

/* ---- which deletes are live ---- */

struct live_delete {
    const struct lake_entry *entry; /* inherited; in the arena, its file borrowed from `loaded` */
    size_t line, index;             /* where: line of the list, entry of its manifest */
    struct live_delete *next;       /* of the same data file */
};
struct delete_live {
    struct lake *lake;
    const struct lake_metadata *m;
    struct arena *arena;
    struct lake_manifest **loaded; /* one per line, NULL for data */
    size_t line_count;
    struct live_delete **own; /* by data file: a table of `own_cap` chains */
    size_t own_cap;
    struct live_delete *shared;   /* position deletes of many files */
    struct live_delete *equality; /* deletes by equality */
};
int delete_live_init(struct delete_live *live, struct lake *lake, const struct lake_metadata *m,
                     const struct lines *lines, struct arena *arena, struct err *err);
void delete_live_deinit(struct delete_live *live);
/* The one data file that a delete file is about, or NULL. */
const char *delete_target(const struct lake_data_file *d, struct arena *arena);
/* Calls `each` for every live delete that applies to the file; stops at what is not 0. `own`: the
 * delete is about this file alone. */
int delete_live_of(const struct delete_live *live, const struct lake_entry *file,
                   int (*each)(void *arg, const struct live_delete *d, bool own), void *arg,
                   struct err *err);

#endif
