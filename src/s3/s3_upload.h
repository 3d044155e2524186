/* s3_upload.h - what the files of multipart uploads share. */
#ifndef S3_S3_UPLOAD_H
#define S3_S3_UPLOAD_H

#include "base/json.h"
#include "s3/s3_int.h"

#define S3_COPY_BYTES ((size_t)1 << 20)

struct part {
    int number;
    const char *name; /* of its file */
    char md5[33];
    int64_t size;
    bool has_sum;
    enum s3_sum sum_kind;
    char sum[64]; /* base64 */
};

struct parts {
    struct part *list; /* sorted by number */
    size_t count;
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
 * info. Answers itself. */
int s3_upload_find(struct s3_call *call, struct upload *out);
int s3_upload_parts(struct s3_call *call, const struct upload *upload, struct parts *out,
                    struct err *err);

/* The checksum that the upload was begun with. False: none. */
bool s3_upload_sum(const json_t *info, enum s3_sum *kind, bool *full_object);
#define S3_FULL_OBJECT "FULL_OBJECT"
#define S3_COMPOSITE   "COMPOSITE"

/* Operations, in s3_complete.c and s3_upload_list.c. */
void s3_complete_upload(struct s3_call *call);
void s3_list_parts(struct s3_call *call);
void s3_list_uploads(struct s3_call *call);

#endif
