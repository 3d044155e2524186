/* disk_fault.c - passes every call on to another disk, after asking whether it should fail. */
#include <stdlib.h>
#include <string.h>

#include "base/disk_sim.h"

struct fault_disk {
    struct disk disk;
    struct disk *under;
    disk_call_fn *fn;
    void *arg;
};

struct fault_file {
    struct file file;
    struct file *under;
    char path[];
};

static struct fault_disk *disk_of(struct disk *disk) { return (struct fault_disk *)disk; }
static struct fault_file *of(struct file *file) { return (struct fault_file *)file; }

static int ask(struct disk *disk, enum disk_call call, const char *path, struct err *err)
{
    int rc = disk_of(disk)->fn(disk_of(disk)->arg, call, path);

    return rc ? err_set(err, rc, "%s: made to fail with %s", path, err_name(rc)) : 0;
}

static int fault_open(struct disk *disk, struct file **out, const char *path, int flags,
                      struct err *err)
{
    size_t len = strlen(path) + 1;
    struct fault_file *file;
    int rc = ask(disk, CALL_OPEN, path, err);

    if (rc)
        return rc;
    file = calloc(1, sizeof(*file) + len);
    if (!file)
        return err_set(err, ERR_NOMEM, "open %s", path);
    file->file = (struct file){disk->ops, disk};
    memcpy(file->path, path, len);
    rc = disk_open(disk_of(disk)->under, &file->under, path, flags, err);
    if (rc)
        free(file);
    else
        *out = &file->file;
    return rc;
}

static void fault_close(struct file *file)
{
    file_close(of(file)->under);
    free(file);
}

static int fault_pread(struct file *file, void *ptr, size_t len, int64_t pos, size_t *got,
                       struct err *err)
{
    int rc = ask(file->disk, CALL_PREAD, of(file)->path, err);

    return rc ? rc : file_pread(of(file)->under, ptr, len, pos, got, err);
}

/* A write that fails has got half of its bytes down, as happens on a disk that fills up. */
static int fault_pwrite(struct file *file, const void *ptr, size_t len, int64_t pos,
                        struct err *err)
{
    int rc = ask(file->disk, CALL_PWRITE, of(file)->path, err);

    if (rc) {
        file_pwrite(of(file)->under, ptr, len / 2, pos, NULL);
        return rc;
    }
    return file_pwrite(of(file)->under, ptr, len, pos, err);
}

static int fault_sync(struct file *file, struct err *err)
{
    int rc = ask(file->disk, CALL_SYNC, of(file)->path, err);

    return rc ? rc : file_sync(of(file)->under, err);
}

static int fault_truncate(struct file *file, int64_t size, struct err *err)
{
    int rc = ask(file->disk, CALL_TRUNCATE, of(file)->path, err);

    return rc ? rc : file_truncate(of(file)->under, size, err);
}

static int fault_size(struct file *file, int64_t *size, struct err *err)
{
    int rc = ask(file->disk, CALL_OTHER, of(file)->path, err);

    return rc ? rc : file_size(of(file)->under, size, err);
}

static int fault_stat_file(struct file *file, struct disk_stat *stat, struct err *err)
{
    int rc = ask(file->disk, CALL_STAT, of(file)->path, err);

    return rc ? rc : file_stat(of(file)->under, stat, err);
}

static int fault_set_mtime(struct file *file, int64_t mtime_us, struct err *err)
{
    int rc = ask(file->disk, CALL_OTHER, of(file)->path, err);

    return rc ? rc : file_set_mtime(of(file)->under, mtime_us, err);
}

static int fault_set_attr(struct file *file, struct slice value, struct err *err)
{
    int rc = ask(file->disk, CALL_OTHER, of(file)->path, err);

    return rc ? rc : file_set_attr(of(file)->under, value, err);
}

static int fault_get_attr(struct file *file, struct buf *out, struct err *err)
{
    int rc = ask(file->disk, CALL_OTHER, of(file)->path, err);

    return rc ? rc : file_get_attr(of(file)->under, out, err);
}

static void fault_write_early(struct file *file, int64_t pos, int64_t len)
{
    file_write_early(of(file)->under, pos, len);
}

static void fault_reserve(struct file *file, int64_t pos, int64_t len)
{
    file_reserve(of(file)->under, pos, len);
}

static int fault_fd(struct file *file) { return file_fd(of(file)->under); }

static int fault_rename(struct disk *disk, const char *from, const char *to, struct err *err)
{
    int rc = ask(disk, CALL_RENAME, from, err);

    return rc ? rc : disk_rename(disk_of(disk)->under, from, to, err);
}

static int fault_link(struct disk *disk, const char *from, const char *to, struct err *err)
{
    int rc = ask(disk, CALL_LINK, to, err);

    return rc ? rc : disk_link(disk_of(disk)->under, from, to, err);
}

static int fault_unlink(struct disk *disk, const char *path, struct err *err)
{
    int rc = ask(disk, CALL_UNLINK, path, err);

    return rc ? rc : disk_unlink(disk_of(disk)->under, path, err);
}

static int fault_mkdir(struct disk *disk, const char *path, struct err *err)
{
    int rc = ask(disk, CALL_MKDIR, path, err);

    return rc ? rc : disk_mkdir(disk_of(disk)->under, path, err);
}

static int fault_rmdir(struct disk *disk, const char *path, struct err *err)
{
    int rc = ask(disk, CALL_RMDIR, path, err);

    return rc ? rc : disk_rmdir(disk_of(disk)->under, path, err);
}

static int fault_sync_dir(struct disk *disk, const char *path, struct err *err)
{
    int rc = ask(disk, CALL_SYNC_DIR, path, err);

    return rc ? rc : disk_sync_dir(disk_of(disk)->under, path, err);
}

static int fault_sync_all(struct disk *disk, const char *path, struct err *err)
{
    int rc = ask(disk, CALL_SYNC, path, err);

    return rc ? rc : disk_sync_all(disk_of(disk)->under, path, err);
}

static int fault_stat(struct disk *disk, const char *path, struct disk_stat *stat, struct err *err)
{
    int rc = ask(disk, CALL_STAT, path, err);

    return rc ? rc : disk_stat(disk_of(disk)->under, path, stat, err);
}

static int fault_list(struct disk *disk, const char *path, struct arena *arena,
                      struct disk_entry **list, size_t *count, struct err *err)
{
    int rc = ask(disk, CALL_LIST, path, err);

    return rc ? rc : disk_list(disk_of(disk)->under, path, arena, list, count, err);
}

static int fault_free_bytes(struct disk *disk, const char *path, int64_t *bytes, struct err *err)
{
    int rc = ask(disk, CALL_OTHER, path, err);

    return rc ? rc : disk_free_bytes(disk_of(disk)->under, path, bytes, err);
}

static const struct disk_ops ops = {
    .open = fault_open,
    .close = fault_close,
    .pread = fault_pread,
    .pwrite = fault_pwrite,
    .sync = fault_sync,
    .truncate = fault_truncate,
    .size = fault_size,
    .stat_file = fault_stat_file,
    .set_mtime = fault_set_mtime,
    .set_attr = fault_set_attr,
    .get_attr = fault_get_attr,
    .write_early = fault_write_early,
    .reserve = fault_reserve,
    .fd = fault_fd,
    .rename = fault_rename,
    .link = fault_link,
    .unlink = fault_unlink,
    .mkdir = fault_mkdir,
    .rmdir = fault_rmdir,
    .sync_dir = fault_sync_dir,
    .sync_all = fault_sync_all,
    .stat = fault_stat,
    .list = fault_list,
    .free_bytes = fault_free_bytes,
};

int disk_fault_new(struct disk **out, struct disk *under, disk_call_fn *fn, void *arg,
                   struct err *err)
{
    struct fault_disk *disk = calloc(1, sizeof(*disk));

    *out = NULL;
    if (!disk)
        return err_set(err, ERR_NOMEM, "failing disk");
    *disk = (struct fault_disk){{&ops}, under, fn, arg};
    *out = &disk->disk;
    return 0;
}

void disk_fault_free(struct disk *disk) { free(disk); }
