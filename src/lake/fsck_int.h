/* fsck_int.h - what the two halves of fsck share: the walk (fsck.c), the files (fsck_files.c). */
#ifndef LAKE_FSCK_INT_H
#define LAKE_FSCK_INT_H

#include "lake/fsck.h"
#include "lake/lake_int.h"

struct fsck_file { /* a live data or delete file, met at least once */
    const char *path;
    struct lake_data_file file;
    int64_t rows;        /* DATA: record_count */
    size_t seen_in;      /* the number of the snapshot that named it last */
    bool whole;          /* there, and of its length */
    struct fsck_file *next;
};
struct fsck {
    struct lake *lake;
    struct lake_metadata *m;
    const struct lake_fsck_options *options;
    struct lake_fsck *out;
    struct arena arena;
    struct path_set named;  /* every file that somebody names */
    struct path_set walked; /* manifests that were looked into */
    struct fsck_file **files;
    size_t file_count, file_cap; /* a power of two */
    struct vec_conn *conn;
    struct err *err;
};

int fsck_nomem(struct fsck *f);
/* ERR_CANCELLED and the like end the walk; a finding never does. */
int fsck_say(struct fsck *f, bool damage, const char *file, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
struct fsck_file *fsck_find(struct fsck *f, const char *path); /* or NULL */
/* Looks into one file, once. */
int fsck_file_inside(struct fsck *f, struct fsck_file *file);

#endif
