/* disk.h - files, passed in so that a simulator can own them. Outside base nobody calls open().
 *
 * Three implementations: disk_system() is the machine's; disk_sim.h keeps files in memory and
 * tears, loses and reorders unsynced writes at a simulated power loss; disk_fault wraps another
 * and fails the n-th call. Paths are plain strings, relative to the working folder or absolute.
 *
 * What survives power loss: bytes written before a file_sync that returned 0, and names made
 * before a disk_sync_dir of their folder that returned 0. Nothing else may be relied on. What was
 * set of a file's time and attribute goes with the next file_sync of the same struct file.
 * Threads: any; one file's pread and pwrite may run at the same time.
 */
#ifndef BASE_DISK_H
#define BASE_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

struct disk;
struct file;

enum disk_flags {
    DISK_READ = 0,
    DISK_WRITE = 1,     /* read and write */
    DISK_CREATE = 2,    /* with WRITE: make it when absent */
    DISK_EXCLUSIVE = 4, /* with CREATE: ERR_EXISTS when present */
    DISK_TRUNCATE = 8,
    DISK_DIRECT = 16, /* past the page cache: only DISK_BLOCKs at such places, from DISK_ALIGNED
                         memory. ERR_UNSUPPORTED: not here, use the file without */
};

#define DISK_BLOCK   512
#define DISK_ALIGNED 4096

struct disk_stat {
    int64_t size;      /* bytes */
    int64_t mtime_us;
    bool is_dir;
};

struct disk_entry {
    const char *name; /* in the arena of the call */
    int64_t size;
    bool is_dir;
};

struct disk_ops {
    int (*open)(struct disk *, struct file **, const char *path, int flags, struct err *);
    void (*close)(struct file *);
    /* Reads up to len; *got < len only at the end of the file. */
    int (*pread)(struct file *, void *ptr, size_t len, int64_t pos, size_t *got, struct err *);
    int (*pwrite)(struct file *, const void *ptr, size_t len, int64_t pos, struct err *); /* all */
    int (*sync)(struct file *, struct err *);                        /* fdatasync */
    int (*truncate)(struct file *, int64_t size, struct err *);
    int (*size)(struct file *, int64_t *size, struct err *);
    int (*stat_file)(struct file *, struct disk_stat *, struct err *);
    int (*set_mtime)(struct file *, int64_t mtime_us, struct err *);
    int (*set_attr)(struct file *, struct slice value, struct err *);
    int (*get_attr)(struct file *, struct buf *out, struct err *); /* appends */
    void (*write_early)(struct file *, int64_t pos, int64_t len); /* NULL: nothing to tell */
    void (*reserve)(struct file *, int64_t pos, int64_t len);     /* likewise */
    int (*fd)(struct file *); /* for sendfile and mmap; -1 when there is none */
    int (*rename)(struct disk *, const char *from, const char *to, struct err *); /* replaces */
    int (*swap)(struct disk *, const char *a, const char *b, struct err *); /* NULL: rename, then */
    int (*link)(struct disk *, const char *from, const char *to, struct err *); /* ERR_EXISTS */
    int (*unlink)(struct disk *, const char *path, struct err *);                  /* ERR_NOENT */
    int (*mkdir)(struct disk *, const char *path, struct err *); /* one level; present is fine */
    int (*rmdir)(struct disk *, const char *path, struct err *);
    int (*sync_dir)(struct disk *, const char *path, struct err *);
    int (*sync_all)(struct disk *, const char *path, struct err *);
    int (*stat)(struct disk *, const char *path, struct disk_stat *, struct err *); /* ERR_NOENT */
    int (*list)(struct disk *, const char *path, struct arena *, struct disk_entry **,
                size_t *count, struct err *); /* no order promised; "." and ".." left out */
    int (*free_bytes)(struct disk *, const char *path, int64_t *bytes, struct err *);
    bool (*spread)(struct disk *, const char *path); /* NULL: never */
};

struct disk {
    const struct disk_ops *ops;
};

struct file {
    const struct disk_ops *ops;
    struct disk *disk; /* borrowed */
};

struct disk *disk_system(void); /* borrowed, lives for ever */
/* The same files, but a sync does nothing: for what is thrown away. Likewise. */
struct disk *disk_scratch(void);

/* Thin calls through the table. file_close accepts NULL. The caller owns *out of disk_open. */
int disk_open(struct disk *, struct file **out, const char *path, int flags, struct err *);
void file_close(struct file *);
int file_pread(struct file *, void *ptr, size_t len, int64_t pos, size_t *got, struct err *);
int file_read_all(struct file *, void *ptr, size_t len, int64_t pos, struct err *); /* or CORRUPT */
int file_pwrite(struct file *, const void *ptr, size_t len, int64_t pos, struct err *);
int file_sync(struct file *, struct err *);
int file_truncate(struct file *, int64_t size, struct err *);
int file_size(struct file *, int64_t *size, struct err *);
/* What the open file is, whatever its name leads to by now. */
int file_stat(struct file *, struct disk_stat *, struct err *);
int file_set_mtime(struct file *, int64_t mtime_us, struct err *);
/* One small value that goes where the file goes (an extended attribute). ERR_UNSUPPORTED: the file
 * system keeps none; ERR_LIMIT: none this long. file_get_attr: ERR_NOENT: it was never set. */
int file_set_attr(struct file *, struct slice value, struct err *);
int file_get_attr(struct file *, struct buf *out, struct err *);
/* These bytes may go to the disk already: a later sync finds less to do. Promises nothing. */
void file_write_early(struct file *, int64_t pos, int64_t len);
/* These bytes will be written next: room found for all of them at once costs ext4 a third less than
 * page by page. Promises nothing, and the file's size stays. */
void file_reserve(struct file *, int64_t pos, int64_t len);
int file_fd(struct file *);
int disk_rename(struct disk *, const char *from, const char *to, struct err *);
/* As disk_rename where there is a file `to` already, which is gone then. Promises no more, and
 * writes less: a rename over a file makes ext4 write the new one out at once. */
int disk_replace(struct disk *, const char *from, const char *to, struct err *);
int disk_link(struct disk *, const char *from, const char *to, struct err *);
int disk_unlink(struct disk *, const char *path, struct err *);
int disk_mkdir(struct disk *, const char *path, struct err *);
int disk_rmdir(struct disk *, const char *path, struct err *);
int disk_sync_dir(struct disk *, const char *path, struct err *);
/* Everything written so far, names too, to the file system that holds the folder `path`. */
int disk_sync_all(struct disk *, const char *path, struct err *);
int disk_stat(struct disk *, const char *path, struct disk_stat *, struct err *);
bool disk_exists(struct disk *, const char *path);
int disk_list(struct disk *, const char *path, struct arena *, struct disk_entry **, size_t *count,
              struct err *);
int disk_free_bytes(struct disk *, const char *path, int64_t *bytes, struct err *);
/* Folders made in `path` from now on lie far from each other, because making a file here costs
 * more the more files were removed near it lately: ext4 without a journal leaves inodes alone for
 * minutes and looks at each of them again for every new file. false: it is not so here. */
bool disk_spread(struct disk *, const char *path);

/* Built on the above. */
int disk_mkdirs(struct disk *, const char *path, struct err *); /* every level, each synced */
/* One level, made and synced into its parent, or not there: whoever finds a folder may take it for
 * durable. */
int disk_mkdir_sync(struct disk *, const char *path, struct err *);
int disk_remove_tree(struct disk *, const char *path, struct err *); /* absent is fine */
int disk_read_file(struct disk *, const char *path, struct buf *out, struct err *); /* appends */
/* Writes a temporary neighbour, syncs it, renames it over `path`, syncs the folder. */
int disk_write_file(struct disk *, const char *path, struct slice bytes, struct err *);
/* Syncs a file written by a library behind our back (DuckDB's COPY), then its folder. */
int disk_sync_path(struct disk *, const char *path, struct err *);

#endif
