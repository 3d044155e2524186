/* disk.c - the calls through the table of a disk, and what is built from them alone, so that it
 * behaves the same on the machine's disk and on the simulated ones. */
#include "base/disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TREE_DEPTH_MAX 64 /* levels below a folder that disk_remove_tree follows */

int disk_open(struct disk *disk, struct file **out, const char *path, int flags, struct err *err)
{
    *out = NULL;
    return disk->ops->open(disk, out, path, flags, err);
}

void file_close(struct file *file)
{
    if (file)
        file->ops->close(file);
}

int file_pread(struct file *file, void *ptr, size_t len, int64_t pos, size_t *got, struct err *err)
{
    *got = 0;
    return file->ops->pread(file, ptr, len, pos, got, err);
}

int file_read_all(struct file *file, void *ptr, size_t len, int64_t pos, struct err *err)
{
    size_t got;
    int rc = file_pread(file, ptr, len, pos, &got, err);

    if (rc)
        return rc;
    if (got < len)
        return err_set(err, ERR_CORRUPT, "file ends at %lld, %zu bytes before it should",
                       (long long)(pos + (int64_t)got), len - got);
    return 0;
}

int file_pwrite(struct file *file, const void *ptr, size_t len, int64_t pos, struct err *err)
{
    return file->ops->pwrite(file, ptr, len, pos, err);
}

int file_sync(struct file *file, struct err *err) { return file->ops->sync(file, err); }

int file_truncate(struct file *file, int64_t size, struct err *err)
{
    return file->ops->truncate(file, size, err);
}

int file_size(struct file *file, int64_t *size, struct err *err)
{
    return file->ops->size(file, size, err);
}

int file_stat(struct file *file, struct disk_stat *stat, struct err *err)
{
    return file->ops->stat_file(file, stat, err);
}

int file_set_mtime(struct file *file, int64_t mtime_us, struct err *err)
{
    return file->ops->set_mtime(file, mtime_us, err);
}

int file_set_attr(struct file *file, struct slice value, struct err *err)
{
    return file->ops->set_attr(file, value, err);
}

int file_get_attr(struct file *file, struct buf *out, struct err *err)
{
    return file->ops->get_attr(file, out, err);
}

void file_write_early(struct file *file, int64_t pos, int64_t len)
{
    if (file->ops->write_early)
        file->ops->write_early(file, pos, len);
}

void file_reserve(struct file *file, int64_t pos, int64_t len)
{
    if (file->ops->reserve)
        file->ops->reserve(file, pos, len);
}

int file_fd(struct file *file) { return file->ops->fd(file); }

int disk_rename(struct disk *disk, const char *from, const char *to, struct err *err)
{
    return disk->ops->rename(disk, from, to, err);
}

int disk_replace(struct disk *disk, const char *from, const char *to, struct err *err)
{
    if (!disk->ops->swap || disk->ops->swap(disk, from, to, NULL))
        return disk_rename(disk, from, to, err);
    (void)disk_unlink(disk, from, NULL); /* it is done: what was there has only a name too many */
    return 0;
}

int disk_link(struct disk *disk, const char *from, const char *to, struct err *err)
{
    return disk->ops->link(disk, from, to, err);
}

int disk_unlink(struct disk *disk, const char *path, struct err *err)
{
    return disk->ops->unlink(disk, path, err);
}

int disk_mkdir(struct disk *disk, const char *path, struct err *err)
{
    return disk->ops->mkdir(disk, path, err);
}

int disk_rmdir(struct disk *disk, const char *path, struct err *err)
{
    return disk->ops->rmdir(disk, path, err);
}

int disk_sync_dir(struct disk *disk, const char *path, struct err *err)
{
    return disk->ops->sync_dir(disk, path, err);
}

int disk_sync_all(struct disk *disk, const char *path, struct err *err)
{
    return disk->ops->sync_all(disk, path, err);
}

int disk_stat(struct disk *disk, const char *path, struct disk_stat *stat, struct err *err)
{
    return disk->ops->stat(disk, path, stat, err);
}

bool disk_spread(struct disk *disk, const char *path)
{
    return disk->ops->spread && disk->ops->spread(disk, path);
}

bool disk_exists(struct disk *disk, const char *path)
{
    struct disk_stat stat;

    return disk_stat(disk, path, &stat, NULL) == 0;
}

int disk_list(struct disk *disk, const char *path, struct arena *arena, struct disk_entry **out,
              size_t *count, struct err *err)
{
    *out = NULL;
    *count = 0;
    return disk->ops->list(disk, path, arena, out, count, err);
}

int disk_free_bytes(struct disk *disk, const char *path, int64_t *bytes, struct err *err)
{
    return disk->ops->free_bytes(disk, path, bytes, err);
}

/* The folder that holds `path`, in a copy that the caller frees: "." and "/" where it has none. */
static char *parent_of(const char *path)
{
    size_t len = strlen(path);

    while (len > 1 && path[len - 1] == '/')
        len--;
    while (len > 0 && path[len - 1] != '/')
        len--;
    if (len == 0)
        return strdup(".");
    while (len > 1 && path[len - 1] == '/')
        len--;
    return strndup(path, len);
}

static int sync_parent(struct disk *disk, const char *path, struct err *err)
{
    char *parent = parent_of(path);
    int rc = parent ? disk_sync_dir(disk, parent, err) : err_set(err, ERR_NOMEM, "sync %s", path);

    free(parent);
    return rc;
}

int disk_mkdir_sync(struct disk *disk, const char *path, struct err *err)
{
    int rc = disk_mkdir(disk, path, err);

    if (rc)
        return rc;
    rc = sync_parent(disk, path, err);
    if (rc) /* else the next caller would find it, and think that it is durable */
        disk_rmdir(disk, path, NULL);
    return rc;
}

/* One level. A level that is there already was synced by whoever made it; syncing it again on each
 * call would put an fsync of every parent in front of each file that is written. */
static int make_level(struct disk *disk, const char *path, struct err *err)
{
    struct disk_stat stat;
    int rc = disk_stat(disk, path, &stat, err);

    if (rc == 0)
        return stat.is_dir ? 0 : err_set(err, ERR_EXISTS, "%s is not a folder", path);
    if (rc != ERR_NOENT)
        return rc;
    return disk_mkdir_sync(disk, path, err);
}

int disk_mkdirs(struct disk *disk, const char *path, struct err *err)
{
    char *copy = strdup(path);
    int rc = 0;

    if (!copy)
        return err_set(err, ERR_NOMEM, "mkdir %s", path);
    for (char *at = copy; rc == 0 && *at; at++) {
        if (*at != '/' || at == copy || at[-1] == '/')
            continue;
        *at = '\0';
        rc = make_level(disk, copy, err);
        *at = '/';
    }
    if (rc == 0)
        rc = make_level(disk, copy, err);
    free(copy);
    return rc;
}

static int remove_below(struct disk *disk, const char *path, int depth, struct err *err);

static int remove_entry(struct disk *disk, const char *dir, const struct disk_entry *entry,
                        struct arena *arena, int depth, struct err *err)
{
    char *path = arena_printf(arena, "%s/%s", dir, entry->name);

    if (!path)
        return err_set(err, ERR_NOMEM, "remove %s/%s", dir, entry->name);
    return entry->is_dir ? remove_below(disk, path, depth + 1, err)
                         : disk_unlink(disk, path, err);
}

static int remove_below(struct disk *disk, const char *path, int depth, struct err *err)
{
    struct arena arena = {0};
    struct disk_entry *entries;
    size_t count;
    int rc;

    if (depth > TREE_DEPTH_MAX)
        return err_set(err, ERR_LIMIT, "%s: more than %d levels of folders", path, TREE_DEPTH_MAX);
    rc = disk_list(disk, path, &arena, &entries, &count, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = remove_entry(disk, path, &entries[i], &arena, depth, err);
        if (rc == ERR_NOENT) /* somebody else was faster: that is what we wanted */
            rc = 0;
    }
    arena_deinit(&arena);
    return rc ? rc : disk_rmdir(disk, path, err);
}

int disk_remove_tree(struct disk *disk, const char *path, struct err *err)
{
    struct disk_stat stat;
    int rc = disk_stat(disk, path, &stat, err);

    if (rc == 0)
        rc = stat.is_dir ? remove_below(disk, path, 0, err) : disk_unlink(disk, path, err);
    return rc == ERR_NOENT ? 0 : rc;
}

static int read_to_end(struct file *file, const char *path, struct buf *out, struct err *err)
{
    size_t before = out->len, got;
    int64_t size;
    int rc = file_size(file, &size, err);

    if (rc)
        return rc;
    /* One byte more than its size, so that a file that grows meanwhile is read to its end. */
    for (size_t want = (size_t)size + 1;; want = 65536) {
        rc = buf_reserve(out, want);
        if (rc)
            return err_set(err, rc, "read %s: %lld bytes are too many", path, (long long)size);
        rc = file_pread(file, out->ptr + out->len, want, (int64_t)(out->len - before), &got, err);
        if (rc)
            return rc;
        out->len += got;
        if (got < want)
            return 0;
    }
}

int disk_read_file(struct disk *disk, const char *path, struct buf *out, struct err *err)
{
    size_t before = out->len;
    struct file *file;
    int rc = disk_open(disk, &file, path, DISK_READ, err);

    if (rc)
        return rc;
    rc = read_to_end(file, path, out, err);
    if (rc)
        out->len = before;
    file_close(file);
    return rc;
}

static int write_synced(struct disk *disk, const char *path, struct slice bytes, struct err *err)
{
    struct file *file;
    int rc = disk_open(disk, &file, path, DISK_WRITE | DISK_CREATE | DISK_TRUNCATE, err);

    if (rc)
        return rc;
    rc = file_pwrite(file, bytes.ptr, bytes.len, 0, err);
    if (rc == 0)
        rc = file_sync(file, err);
    file_close(file);
    return rc;
}

int disk_write_file(struct disk *disk, const char *path, struct slice bytes, struct err *err)
{
    static unsigned counter; /* two threads that write the same path get two neighbours */
    size_t len = strlen(path) + 32;
    char *temporary = malloc(len);
    int rc;

    if (!temporary)
        return err_set(err, ERR_NOMEM, "write %s", path);
    snprintf(temporary, len, "%s.%u.tmp", path,
             __atomic_fetch_add(&counter, 1, __ATOMIC_RELAXED));
    rc = write_synced(disk, temporary, bytes, err);
    if (rc == 0)
        rc = disk_rename(disk, temporary, path, err);
    if (rc)
        disk_unlink(disk, temporary, NULL);
    else
        rc = sync_parent(disk, path, err);
    free(temporary);
    return rc;
}

int disk_sync_path(struct disk *disk, const char *path, struct err *err)
{
    struct file *file;
    int rc = disk_open(disk, &file, path, DISK_READ, err);

    if (rc)
        return rc;
    rc = file_sync(file, err);
    file_close(file);
    return rc ? rc : sync_parent(disk, path, err);
}
