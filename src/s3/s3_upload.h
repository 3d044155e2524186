/* s3_upload.h - what the files of multipart uploads share. */
#ifndef S3_S3_UPLOAD_H
#define S3_S3_UPLOAD_H

#include "base/json.h"
#include "s3/s3_int.h"

#define S3_COPY_BYTES ((size_t)1 << 20)

struct part {
    int number;
    const char *name; /* of its file, or of its record when it is placed */
    bool placed;      /* in the upload's one file, at (number - 1) * part_size */
    char md5[33];
    int64_t size;
    bool has_sum;
    enum s3_sum sum_kind;
    char sum[S3_SUM_TEXT]; /* base64 */
};

struct parts {
    struct part *list; /* sorted by number */
    size_t count;
    const char *whole; /* name of the one file; NULL: there is none */
    int64_t part_size, whole_size;
};

struct upload {
    const char *id, *dir; /* in the arena */
    json_t *info;         /* owned: upload.json */
};

static inline struct disk *s3_disk(const struct s3_server *server) { return server->store->disk; }

const char *s3_uploads_dir(const struct s3_server *server, struct arena *arena);
/* upload.json of a folder; the caller owns *out. */
int s3_upload_info(struct disk *disk, struct arena *arena, const char *dir, json_t **out);
const char *s3_info_text(const json_t *info, const char *name); /* "" when absent */
/* The upload that the query names, when it is one of this bucket and key; the caller releases its
 * info. ERR_NOENT: there is none; ERR_NOMEM. */
int s3_upload_open(struct s3_call *call, struct upload *out);
/* The same. Answers itself. */
int s3_upload_find(struct s3_call *call, struct upload *out);
int s3_upload_parts(struct s3_call *call, const struct upload *upload, struct parts *out,
                    struct err *err);

/* The checksum that the upload was begun with. False: none. */
bool s3_upload_sum(const json_t *info, enum s3_sum *kind, bool *full_object);
#define S3_FULL_OBJECT "FULL_OBJECT"
#define S3_COMPOSITE   "COMPOSITE"

pthread_mutex_t *s3_upload_lock(struct s3_server *server, const char *id);

/* Parts in their places (s3_place.c). */
#define S3_WHOLE "whole-" /* and the parts' size */
struct s3_claim;
bool s3_whole_size(const char *name, int64_t *size);
void s3_place_part(struct s3_call *call);
/* Nobody writes into the upload's file from here to the release; NULL: somebody does now. */
struct s3_claim *s3_upload_seal(struct s3_server *server, const char *id);

/* One file of the chosen parts, at `path` (s3_join.c). *placed: it is the upload's own, and stays
 * when it is not put. */
struct joining {
    struct s3_call *call;
    const struct upload *upload;
    const struct parts *parts;
    const struct part **chosen;
    size_t count;
    const char *path;
    bool placed;
};
/* Copies what is not where it belongs; with seal NULL everything, to `path`. */
int s3_join(struct joining *joining, const struct s3_claim *seal, struct err *err);
/* A part's bytes, read, into a checksum. */
int s3_part_add(const struct joining *joining, const struct part *part, struct s3_checksum *sum,
                struct err *err);
/* The checksum of a part's bytes, read. */
int s3_part_sum(const struct joining *joining, const struct part *part, enum s3_sum kind,
                char out[S3_SUM_TEXT], struct err *err);

/* Operations, in s3_complete.c and s3_upload_list.c. */
void s3_complete_upload(struct s3_call *call);
void s3_list_parts(struct s3_call *call);
void s3_list_uploads(struct s3_call *call);

#endif
