/* disk_sim_int.h - what disk_sim.c (calls) and disk_sim_loss.c (what survives) share. */
#ifndef BASE_DISK_SIM_INT_H
#define BASE_DISK_SIM_INT_H

#include <pthread.h>

#include "base/base.h"
#include "base/disk_sim.h"

#define SECTOR        ((size_t)512) /* written whole or not at all */
#define SIM_NAME_SIZE 256

/* A write or a change of size that no sync has covered. */
struct sim_change {
    struct sim_change *next;
    bool is_size; /* a truncate to `pos`; else `len` bytes at `pos` */
    size_t pos, len;
    uint8_t bytes[];
};

struct sim_name {
    char *name; /* owned */
    struct sim_inode *inode;
};

struct sim_names { /* sorted */
    struct sim_name *list;
    size_t count, cap;
};

/* A file or a folder, whatever its names. */
struct sim_inode {
    struct sim_inode *next, **prev; /* all of the disk's */
    int refs;                       /* names, pending name changes and open files */
    bool is_dir;
    int64_t mtime;
    struct buf now, synced;             /* file: as seen, as on the platter */
    struct buf attr, attr_synced;       /* likewise; the time is never lost */
    bool has_attr, has_attr_synced;
    struct sim_change *first, **last;   /* what leads from synced to now */
    struct sim_names names, names_synced; /* folder: likewise */
};

/* One end of a name change: inode NULL takes the name away. */
struct sim_entry {
    struct sim_inode *dir; /* NULL: no such end */
    char name[SIM_NAME_SIZE];
    struct sim_inode *inode;
};

/* A name change that no sync_dir has covered. A rename has both ends and happens whole or not. */
struct sim_rename {
    struct sim_rename *next;
    struct sim_entry entries[2];
    bool marked; /* scratch of one walk */
};

struct disk_sim {
    struct disk disk;
    pthread_mutex_t mutex;
    struct rng rng;
    struct sim_inode *inodes, *root;
    struct sim_rename *renames, **last_rename; /* in the order they happened */
    int64_t used, capacity;                    /* bytes; -1: no limit */
    int64_t calls;
    uint64_t boot;  /* files opened under another one are dead */
    bool powered;
    disk_call_fn *fn;
    void *arg;
};

struct sim_inode *sim_inode_new(struct disk_sim *sim, bool is_dir);
void sim_inode_ref(struct sim_inode *inode);
void sim_inode_unref(struct disk_sim *sim, struct sim_inode *inode);

struct sim_inode *sim_names_get(const struct sim_names *names, const char *name);
int sim_names_set(struct disk_sim *sim, struct sim_names *names, const char *name,
                  struct sim_inode *inode); /* ERR_NOMEM: unchanged */
void sim_names_remove(struct disk_sim *sim, struct sim_names *names, const char *name);
void sim_names_clear(struct disk_sim *sim, struct sim_names *names);

/* Zeroes up to a larger size; ERR_NOMEM, ERR_LIMIT. */
int sim_resize(struct buf *image, size_t size);
void sim_changes_clear(struct sim_inode *inode);
int sim_sync_file(struct sim_inode *inode);
void sim_sync_dir(struct disk_sim *sim, struct sim_inode *dir);
int sim_sync_all(struct disk_sim *sim);
/* Makes of every file and folder what a power loss may leave. */
void sim_lose_power(struct disk_sim *sim);

#endif
