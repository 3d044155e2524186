/* local_level.h - one folder of the local store, read and sorted.
 *
 * Reading and sorting a folder of many thousand files costs more than a page of its listing, so the
 * levels in which a page ended are kept for the next page: a few, and only while nothing changed.
 */
#ifndef STORE_LOCAL_LEVEL_H
#define STORE_LOCAL_LEVEL_H

#include "store/store_local.h"

struct level_entry {
    struct slice name; /* a segment, decoded */
    const char *path;  /* in the level's folder */
    bool is_dir;
};

struct level {
    struct arena arena;
    struct level_entry *list; /* sorted as S3 does: a folder is its name with a '/' behind */
    size_t count, cap;
    bool spread; /* holds members of folders below, of segments that go on */
    char *dir;   /* owned; when kept, all three must be as they were */
    uint64_t changes;
    int64_t mtime_us;
};

/* A folder that is not there is an empty level. Give every level back. */
int local_level_take(struct local *local, const char *dir, struct level **out, struct err *err);
void local_level_give(struct local *local, struct level *level, bool keep);
void local_level_free(struct level *level); /* NULL is fine */

/* Order of the entry against a text, bytewise, with the '/' of a folder. */
int local_level_cmp(const struct level_entry *entry, struct slice text);

#endif
