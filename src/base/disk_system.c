/* disk_system.c - the machine's disk over POSIX. Interrupted and short calls are finished here;
 * every error names the call and the path. */
#include "base/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ATTR_NAME "user.tarn"

struct system_file {
    struct file file;
    int fd;
    bool meta_set; /* time or attribute: not of fdatasync's business */
    char path[];   /* for errors */
};

static struct system_file *of(struct file *file)
{
    return (struct system_file *)file;
}

static int posix_flags(int flags)
{
    return O_CLOEXEC | (flags & DISK_WRITE ? O_RDWR : O_RDONLY) |
           (flags & DISK_CREATE ? O_CREAT : 0) | (flags & DISK_EXCLUSIVE ? O_EXCL : 0) |
           (flags & DISK_TRUNCATE ? O_TRUNC : 0) | (flags & DISK_DIRECT ? O_DIRECT : 0);
}

/* A file system that takes O_DIRECT may still want larger blocks, or copy all the same. */
static bool is_direct(int fd)
{
    struct statx info;

    return statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &info) == 0 &&
           info.stx_mask & STATX_DIOALIGN && info.stx_dio_offset_align > 0 &&
           info.stx_dio_offset_align <= DISK_BLOCK && info.stx_dio_mem_align <= DISK_ALIGNED;
}

static void system_close(struct file *file)
{
    close(of(file)->fd);
    free(file);
}

static int system_open(struct disk *disk, struct file **out, const char *path, int flags,
                       struct err *err)
{
    size_t len = strlen(path) + 1;
    struct system_file *file = malloc(sizeof(*file) + len);

    if (!file)
        return err_set(err, ERR_NOMEM, "open %s", path);
    memcpy(file->path, path, len);
    file->file = (struct file){disk->ops, disk};
    file->meta_set = false;
    do
        file->fd = open(path, posix_flags(flags), 0644);
    while (file->fd < 0 && errno == EINTR);
    if (file->fd < 0) {
        int number = errno;

        free(file);
        if (flags & DISK_DIRECT && number == EINVAL)
            return err_set(err, ERR_UNSUPPORTED, "open %s: not past the cache", path);
        return err_errno(err, number, "open %s", path);
    }
    if (flags & DISK_DIRECT && !is_direct(file->fd)) {
        system_close(&file->file);
        return err_set(err, ERR_UNSUPPORTED, "open %s: not past the cache", path);
    }
    *out = &file->file;
    return 0;
}

static int system_pread(struct file *file, void *ptr, size_t len, int64_t pos, size_t *got,
                        struct err *err)
{
    while (*got < len) {
        ssize_t n = pread(of(file)->fd, (char *)ptr + *got, len - *got, pos + (off_t)*got);

        if (n == 0)
            break;
        if (n > 0)
            *got += (size_t)n;
        else if (errno != EINTR)
            return err_errno(err, errno, "read %s", of(file)->path);
    }
    return 0;
}

static int system_pwrite(struct file *file, const void *ptr, size_t len, int64_t pos,
                         struct err *err)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = pwrite(of(file)->fd, (const char *)ptr + done, len - done, pos + (off_t)done);

        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            return err_errno(err, n ? errno : ENOSPC, "write %s", of(file)->path);
    }
    return 0;
}

/* Not repeated on failure: after a failed fsync Linux may drop the dirty pages and report the next
 * one as fine, so the caller must treat the bytes as lost. */
static int system_sync(struct file *file, struct err *err)
{
    int failed = of(file)->meta_set ? fsync(of(file)->fd) : fdatasync(of(file)->fd);

    of(file)->meta_set &= failed != 0;
    return failed ? err_errno(err, errno, "sync %s", of(file)->path) : 0;
}

static int system_truncate(struct file *file, int64_t size, struct err *err)
{
    return ftruncate(of(file)->fd, size) ? err_errno(err, errno, "truncate %s", of(file)->path) : 0;
}

static int system_size(struct file *file, int64_t *size, struct err *err)
{
    struct stat info;

    if (fstat(of(file)->fd, &info))
        return err_errno(err, errno, "stat %s", of(file)->path);
    *size = info.st_size;
    return 0;
}

static void fill_stat(const struct stat *info, struct disk_stat *out)
{
    out->size = info->st_size;
    out->mtime_us = (int64_t)info->st_mtim.tv_sec * 1000000 + info->st_mtim.tv_nsec / 1000;
    out->is_dir = S_ISDIR(info->st_mode);
}

static int system_stat_file(struct file *file, struct disk_stat *out, struct err *err)
{
    struct stat info;

    if (fstat(of(file)->fd, &info))
        return err_errno(err, errno, "stat %s", of(file)->path);
    fill_stat(&info, out);
    return 0;
}

static int system_set_mtime(struct file *file, int64_t mtime_us, struct err *err)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
                                {mtime_us / 1000000, mtime_us % 1000000 * 1000}};

    of(file)->meta_set = true;
    return futimens(of(file)->fd, times) ? err_errno(err, errno, "time of %s", of(file)->path) : 0;
}

/* Without extended attributes: EOPNOTSUPP; too large for the file system: E2BIG, ERANGE, and on
 * ext4 ENOSPC, which a full disk gives as well. */
static int system_set_attr(struct file *file, struct slice value, struct err *err)
{
    of(file)->meta_set = true;
    if (fsetxattr(of(file)->fd, ATTR_NAME, value.ptr, value.len, 0) == 0)
        return 0;
    if (errno == ENOTSUP || errno == ENOSYS)
        return err_set(err, ERR_UNSUPPORTED, "%s: no extended attributes here", of(file)->path);
    if (errno == E2BIG || errno == ERANGE)
        return err_set(err, ERR_LIMIT, "%s: attribute of %zu bytes", of(file)->path, value.len);
    return err_errno(err, errno, "attribute of %s", of(file)->path);
}

static int system_get_attr(struct file *file, struct buf *out, struct err *err)
{
    size_t room = 512; /* nearly always enough */

    for (;;) {
        ssize_t got;

        if (buf_reserve(out, room))
            return err_set(err, ERR_NOMEM, "attribute of %s", of(file)->path);
        got = fgetxattr(of(file)->fd, ATTR_NAME, out->ptr + out->len, room);
        if (got >= 0) {
            out->len += (size_t)got;
            return 0;
        }
        if (errno == ENODATA || errno == ENOTSUP || errno == ENOSYS)
            return err_set(err, ERR_NOENT, "%s: no attribute", of(file)->path);
        if (errno != ERANGE || room == XATTR_SIZE_MAX)
            return err_errno(err, errno, "attribute of %s", of(file)->path);
        room = XATTR_SIZE_MAX;
    }
}

static void system_write_early(struct file *file, int64_t pos, int64_t len)
{
    sync_file_range(of(file)->fd, pos, len, SYNC_FILE_RANGE_WRITE);
}

/* Where it cannot be done, or there is no room, the write itself will tell. */
static void system_reserve(struct file *file, int64_t pos, int64_t len)
{
    fallocate(of(file)->fd, FALLOC_FL_KEEP_SIZE, pos, len);
}

static int system_fd(struct file *file)
{
    return of(file)->fd;
}

static int system_rename(struct disk *disk, const char *from, const char *to, struct err *err)
{
    (void)disk;
    return rename(from, to) ? err_errno(err, errno, "rename %s to %s", from, to) : 0;
}

static int system_swap(struct disk *disk, const char *a, const char *b, struct err *err)
{
    (void)disk;
    return renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE)
               ? err_errno(err, errno, "swap %s and %s", a, b)
               : 0;
}

static int system_link(struct disk *disk, const char *from, const char *to, struct err *err)
{
    (void)disk;
    return link(from, to) ? err_errno(err, errno, "link %s to %s", from, to) : 0;
}

static int system_unlink(struct disk *disk, const char *path, struct err *err)
{
    (void)disk;
    return unlink(path) ? err_errno(err, errno, "unlink %s", path) : 0;
}

static int system_mkdir(struct disk *disk, const char *path, struct err *err)
{
    struct stat info;

    (void)disk;
    if (mkdir(path, 0755) == 0)
        return 0;
    if (errno == EEXIST && stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return 0;
    return err_errno(err, errno, "mkdir %s", path);
}

static int system_rmdir(struct disk *disk, const char *path, struct err *err)
{
    (void)disk;
    return rmdir(path) ? err_errno(err, errno, "rmdir %s", path) : 0;
}

static int system_sync_dir(struct disk *disk, const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;

    (void)disk;
    if (fd < 0)
        return err_errno(err, errno, "open folder %s", path);
    if (fsync(fd))
        rc = err_errno(err, errno, "sync folder %s", path);
    close(fd);
    return rc;
}

/* syncfs: since Linux 5.8 it tells of pages that could not be written. */
static int system_sync_all(struct disk *disk, const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;

    (void)disk;
    if (fd < 0)
        return err_errno(err, errno, "open folder %s", path);
    if (syncfs(fd))
        rc = err_errno(err, errno, "sync the file system of %s", path);
    close(fd);
    return rc;
}

static int system_stat(struct disk *disk, const char *path, struct disk_stat *out, struct err *err)
{
    struct stat info;

    (void)disk;
    if (stat(path, &info))
        return err_errno(err, errno, "stat %s", path);
    fill_stat(&info, out);
    return 0;
}

/* Grows the array of entries by doubling; what it leaves behind in the arena is below its size. */
static struct disk_entry *next_entry(struct arena *arena, struct disk_entry **list, size_t count,
                                     size_t *cap)
{
    if (count == *cap) {
        size_t wider = *cap ? *cap * 2 : 16;
        struct disk_entry *copy = ARENA_ARRAY(arena, struct disk_entry, wider);

        if (!copy)
            return NULL;
        if (count)
            memcpy(copy, *list, count * sizeof(*copy));
        *list = copy;
        *cap = wider;
    }
    return &(*list)[count];
}

static int read_entries(DIR *dir, const char *path, struct arena *arena, struct disk_entry **list,
                        size_t *count, struct err *err)
{
    struct dirent *at;
    struct stat info;
    size_t cap = 0;

    while (errno = 0, (at = readdir(dir))) {
        struct disk_entry *entry;

        if (strcmp(at->d_name, ".") == 0 || strcmp(at->d_name, "..") == 0)
            continue;
        if (fstatat(dirfd(dir), at->d_name, &info, AT_SYMLINK_NOFOLLOW))
            continue; /* gone since it was listed */
        entry = next_entry(arena, list, *count, &cap);
        if (!entry || !(entry->name = arena_strdup(arena, at->d_name)))
            return err_set(err, ERR_NOMEM, "list %s", path);
        entry->size = info.st_size;
        entry->is_dir = S_ISDIR(info.st_mode);
        (*count)++;
    }
    return errno ? err_errno(err, errno, "list %s", path) : 0;
}

static int system_list(struct disk *disk, const char *path, struct arena *arena,
                       struct disk_entry **list, size_t *count, struct err *err)
{
    DIR *dir = opendir(path);
    int rc;

    (void)disk;
    if (!dir)
        return err_errno(err, errno, "list %s", path);
    rc = read_entries(dir, path, arena, list, count, err);
    closedir(dir);
    return rc;
}

static int system_free_bytes(struct disk *disk, const char *path, int64_t *bytes, struct err *err)
{
    struct statvfs info;

    (void)disk;
    if (statvfs(path, &info))
        return err_errno(err, errno, "statvfs %s", path);
    *bytes = (int64_t)info.f_bavail * (int64_t)info.f_frsize;
    return 0;
}

static int scratch_sync(struct file *file, struct err *err)
{
    (void)file, (void)err;
    return 0;
}

static int scratch_sync_path(struct disk *disk, const char *path, struct err *err)
{
    (void)disk, (void)path, (void)err;
    return 0;
}

/* All but the syncs. */
#define SYSTEM_CALLS                                                                               \
    .open = system_open, .close = system_close, .pread = system_pread, .pwrite = system_pwrite,    \
    .truncate = system_truncate, .size = system_size, .stat_file = system_stat_file,               \
    .set_mtime = system_set_mtime, .set_attr = system_set_attr, .get_attr = system_get_attr,       \
    .write_early = system_write_early, .reserve = system_reserve, .fd = system_fd,                 \
    .rename = system_rename,                                                                       \
    .link = system_link, .unlink = system_unlink, .mkdir = system_mkdir, .rmdir = system_rmdir,    \
    .swap = system_swap, .stat = system_stat, .list = system_list, .free_bytes = system_free_bytes

/* ext4 tells who writes its journal. */
static bool has_no_journal(const char *path)
{
    char link[64], device[PATH_MAX], task[PATH_MAX], text[16] = "";
    struct stat st;
    ssize_t len;
    FILE *in;

    if (stat(path, &st))
        return false;
    snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major(st.st_dev), minor(st.st_dev));
    len = readlink(link, device, sizeof(device) - 1);
    if (len <= 0)
        return false;
    device[len] = '\0';
    if (!strrchr(device, '/') || snprintf(task, sizeof(task), "/sys/fs/ext4%s/journal_task",
                                          strrchr(device, '/')) >= (int)sizeof(task))
        return false;
    in = fopen(task, "re");
    if (!in)
        return false;
    len = (ssize_t)fread(text, 1, sizeof(text) - 1, in);
    fclose(in);
    return len > 0 && strncmp(text, "<none>", 6) == 0;
}

/* Folders below a "top" folder are put where there is most room, each into a block group of its
 * own, and files where their folder is. */
static bool system_spread(struct disk *disk, const char *path)
{
    int flags = 0, fd = has_no_journal(path) ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    bool done;

    (void)disk;
    if (fd < 0)
        return false;
    done = ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0;
    flags |= FS_TOPDIR_FL;
    done = done && ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
    close(fd);
    return done;
}

struct disk *disk_system(void)
{
    static const struct disk_ops ops = {SYSTEM_CALLS, .sync = system_sync,
                                        .sync_dir = system_sync_dir, .sync_all = system_sync_all,
                                        .spread = system_spread};
    static struct disk disk = {&ops};

    return &disk;
}

struct disk *disk_scratch(void)
{
    static const struct disk_ops ops = {SYSTEM_CALLS, .sync = scratch_sync,
                                        .sync_dir = scratch_sync_path,
                                        .sync_all = scratch_sync_path};
    static struct disk disk = {&ops};

    return &disk;
}
