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

/* A Puffin file that grows in memory: many vectors, one object. Zeroed before, deinit after. */
struct puffin {
    struct buf bytes;
    json_t *blobs;
};
/* Adds the vector of `path`; where its blob lies goes to *pos and *len. */
int puffin_add_vector(struct puffin *puffin, const char *path, const struct positions *positions,
                      int64_t *pos, int64_t *len, struct err *err);
int puffin_end(struct puffin *puffin, struct err *err); /* the footer; then `bytes` is the file */
void puffin_deinit(struct puffin *puffin);

/* The folder for delete files about the data file at `path`: its own when it is the table's. */
const char *delete_folder(const struct lake_metadata *m, const char *path, struct arena *arena);
/* Writes the position delete file of one data file, durable on return. `out` lacks partition and
 * spec, which are the data file's. Strings in the arena. Worker. */
int delete_file_write(struct lake *lake, struct vec_conn *conn, const struct lake_metadata *m,
                      const char *path, const struct positions *positions, struct arena *arena,
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
