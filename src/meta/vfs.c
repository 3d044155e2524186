/* vfs.c - SQLite's files on our disk ("The SQLite OS Interface or VFS").
 *
 * One VFS per metadata store, registered under a name of its own, so that a simulator may own the
 * disk, the clock and the randomness of each. Three kinds of file come by: the database, its
 * write-ahead log, and the rollback journal that SQLite uses once, before the database is in WAL
 * mode. Temporary files never do (temp_store=MEMORY).
 *
 * A file that was made here is durable only once its folder was synced too: the first sync of such
 * a file syncs the folder (as SQLite's own unix VFS does for journals).
 */
#include <stdio.h>

#include "meta/meta_int.h"

struct vfs {
    sqlite3_vfs base;
    char name[40];
    struct disk *disk;
    struct clock *clock;
    pthread_mutex_t rng_mutex;
    struct rng rng;
    struct lock_space locks;
    int64_t wal_from;      /* lowest place written in the log since the mark; -1: none */
    struct vfs_file *wal;  /* the handle that wrote it */
};

struct vfs_file {
    sqlite3_file base;
    struct vfs *vfs;
    struct file *file;
    char *path;        /* owned */
    bool is_wal;
    bool sync_folder;  /* made by us, its name not yet durable */
    bool delete_on_close;
    struct lock_holder holder;
};

static _Thread_local struct err disk_error;

struct err *vfs_disk_error(void)
{
    return &disk_error;
}

static struct vfs_file *file_of(sqlite3_file *base)
{
    return (struct vfs_file *)base;
}

static struct vfs *vfs_of(sqlite3_vfs *base)
{
    return base->pAppData;
}

/* SQLite treats a full disk and lost memory apart from all other failures. */
static int sqlite_code(int rc, int otherwise)
{
    switch (rc) {
    case 0:
        return SQLITE_OK;
    case ERR_NOSPC:
        return SQLITE_FULL;
    case ERR_NOMEM:
        return SQLITE_IOERR_NOMEM;
    default:
        return otherwise;
    }
}

static int folder_sync(struct disk *disk, const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    int rc;

    if (!folder)
        return err_set(err, ERR_NOMEM, "sync the folder of %s", path);
    rc = disk_sync_dir(disk, folder, err);
    free(folder);
    return rc;
}

/* ---- files ---- */

static int x_close(sqlite3_file *base)
{
    struct vfs_file *file = file_of(base);

    if (file->vfs->wal == file)
        file->vfs->wal = NULL;
    file_close(file->file);
    if (file->delete_on_close)
        disk_unlink(file->vfs->disk, file->path, NULL);
    free(file->path);
    return SQLITE_OK;
}

static int x_read(sqlite3_file *base, void *ptr, int len, sqlite3_int64 pos)
{
    size_t got = 0;
    int rc = file_pread(file_of(base)->file, ptr, (size_t)len, pos, &got, &disk_error);

    if (rc)
        return sqlite_code(rc, SQLITE_IOERR_READ);
    if (got < (size_t)len) {
        memset((char *)ptr + got, 0, (size_t)len - got); /* the contract of xRead */
        return SQLITE_IOERR_SHORT_READ;
    }
    return SQLITE_OK;
}

static int x_write(sqlite3_file *base, const void *ptr, int len, sqlite3_int64 pos)
{
    struct vfs_file *file = file_of(base);

    if (file->is_wal) {
        file->vfs->wal = file;
        if (file->vfs->wal_from < 0 || pos < file->vfs->wal_from)
            file->vfs->wal_from = pos;
    }
    return sqlite_code(file_pwrite(file->file, ptr, (size_t)len, pos, &disk_error),
                       SQLITE_IOERR_WRITE);
}

static int x_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    return sqlite_code(file_truncate(file_of(base)->file, size, &disk_error),
                       SQLITE_IOERR_TRUNCATE);
}

static int x_sync(sqlite3_file *base, int flags)
{
    struct vfs_file *file = file_of(base);
    int rc = file_sync(file->file, &disk_error);

    (void)flags; /* fdatasync covers the size too */
    if (!rc && file->sync_folder) {
        rc = folder_sync(file->vfs->disk, file->path, &disk_error);
        file->sync_folder = rc != 0;
    }
    return sqlite_code(rc, SQLITE_IOERR_FSYNC);
}

static int x_file_size(sqlite3_file *base, sqlite3_int64 *size)
{
    int64_t bytes = 0;
    int rc = file_size(file_of(base)->file, &bytes, &disk_error);

    *size = bytes;
    return sqlite_code(rc, SQLITE_IOERR_FSTAT);
}

static int x_lock(sqlite3_file *base, int level)
{
    return lock_raise(&file_of(base)->vfs->locks, &file_of(base)->holder, level);
}

static int x_unlock(sqlite3_file *base, int level)
{
    return lock_lower(&file_of(base)->vfs->locks, &file_of(base)->holder, level);
}

static int x_check_reserved(sqlite3_file *base, int *out)
{
    *out = lock_is_reserved(&file_of(base)->vfs->locks);
    return SQLITE_OK;
}

static int x_file_control(sqlite3_file *base, int op, void *arg)
{
    (void)base, (void)op, (void)arg;
    return SQLITE_NOTFOUND;
}

static int x_sector_size(sqlite3_file *base)
{
    (void)base;
    return 4096;
}

/* A write that is torn by a power loss damages nothing outside of itself: true of our disk, and
 * what SQLite assumes of every disk unless told otherwise. */
static int x_characteristics(sqlite3_file *base)
{
    (void)base;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static int x_shm_map(sqlite3_file *base, int region, int size, int extend, void volatile **out)
{
    struct vfs_file *file = file_of(base);

    return shm_map(&file->vfs->locks, &file->holder, region, size, extend, out);
}

static int x_shm_lock(sqlite3_file *base, int first, int count, int flags)
{
    struct vfs_file *file = file_of(base);

    return shm_lock(&file->vfs->locks, &file->holder, first, count, flags);
}

static void x_shm_barrier(sqlite3_file *base)
{
    shm_barrier(&file_of(base)->vfs->locks);
}

static int x_shm_unmap(sqlite3_file *base, int delete)
{
    (void)delete; /* the memory goes with its last user */
    shm_unmap(&file_of(base)->vfs->locks, &file_of(base)->holder);
    return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = x_close,
    .xRead = x_read,
    .xWrite = x_write,
    .xTruncate = x_truncate,
    .xSync = x_sync,
    .xFileSize = x_file_size,
    .xLock = x_lock,
    .xUnlock = x_unlock,
    .xCheckReservedLock = x_check_reserved,
    .xFileControl = x_file_control,
    .xSectorSize = x_sector_size,
    .xDeviceCharacteristics = x_characteristics,
    .xShmMap = x_shm_map,
    .xShmLock = x_shm_lock,
    .xShmBarrier = x_shm_barrier,
    .xShmUnmap = x_shm_unmap,
};

/* ---- the file system ---- */

static int x_open(sqlite3_vfs *base, const char *path, sqlite3_file *out, int flags, int *out_flags)
{
    struct vfs_file *file = file_of(out);
    int how = flags & SQLITE_OPEN_READWRITE ? DISK_WRITE : DISK_READ;
    bool present;
    int rc;

    *file = (struct vfs_file){.vfs = vfs_of(base)};
    if (!path) {
        err_set(&disk_error, ERR_UNSUPPORTED, "a temporary file of SQLite");
        return SQLITE_CANTOPEN;
    }
    if (flags & SQLITE_OPEN_CREATE)
        how |= DISK_CREATE;
    if (flags & SQLITE_OPEN_EXCLUSIVE)
        how |= DISK_EXCLUSIVE;
    present = disk_exists(file->vfs->disk, path);
    file->path = strdup(path);
    if (!file->path)
        return SQLITE_NOMEM;
    rc = disk_open(file->vfs->disk, &file->file, path, how, &disk_error);
    if (rc) {
        free(file->path);
        *file = (struct vfs_file){0};
        return rc == ERR_NOMEM ? SQLITE_NOMEM : rc == ERR_NOSPC ? SQLITE_FULL : SQLITE_CANTOPEN;
    }
    file->is_wal = flags & SQLITE_OPEN_WAL;
    file->sync_folder = !present && (how & DISK_CREATE);
    file->delete_on_close = flags & SQLITE_OPEN_DELETEONCLOSE;
    file->base.pMethods = &methods;
    if (out_flags)
        *out_flags = flags;
    return SQLITE_OK;
}

static int x_delete(sqlite3_vfs *base, const char *path, int sync_folder)
{
    struct vfs *vfs = vfs_of(base);
    int rc = disk_unlink(vfs->disk, path, &disk_error);

    if (rc == ERR_NOENT) {
        disk_error.code = 0;
        return SQLITE_IOERR_DELETE_NOENT;
    }
    if (!rc && sync_folder)
        rc = folder_sync(vfs->disk, path, &disk_error);
    return sqlite_code(rc, SQLITE_IOERR_DELETE);
}

/* Absent or not must be known for sure: to take a hot journal for absent would be to lose data. */
static int x_access(sqlite3_vfs *base, const char *path, int flags, int *out)
{
    struct disk_stat stat;
    struct err err = {0};
    int rc = disk_stat(vfs_of(base)->disk, path, &stat, &err);

    *out = rc == 0 && (flags != SQLITE_ACCESS_EXISTS || stat.size > 0);
    if (rc == 0 || rc == ERR_NOENT)
        return SQLITE_OK;
    disk_error = err;
    return sqlite_code(rc, SQLITE_IOERR_ACCESS);
}

static int x_full_path(sqlite3_vfs *base, const char *path, int len, char *out)
{
    (void)base;
    return snprintf(out, (size_t)len, "%s", path) < len ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int x_randomness(sqlite3_vfs *base, int len, char *out)
{
    struct vfs *vfs = vfs_of(base);

    pthread_mutex_lock(&vfs->rng_mutex);
    for (int i = 0; i < len; i++)
        out[i] = (char)rng_u64(&vfs->rng);
    pthread_mutex_unlock(&vfs->rng_mutex);
    return len;
}

static int x_sleep(sqlite3_vfs *base, int us)
{
    struct clock *clock = vfs_of(base)->clock;

    clock->sleep_ns(clock, (int64_t)us * 1000);
    return us;
}

/* Julian day in milliseconds. */
static int x_time_i64(sqlite3_vfs *base, sqlite3_int64 *out)
{
    *out = INT64_C(210866760000000) + clock_wall_ms(vfs_of(base)->clock);
    return SQLITE_OK;
}

static int x_time(sqlite3_vfs *base, double *out)
{
    sqlite3_int64 ms;

    x_time_i64(base, &ms);
    *out = (double)ms / 86400000.0;
    return SQLITE_OK;
}

static int x_last_error(sqlite3_vfs *base, int len, char *out)
{
    (void)base;
    if (len > 0)
        snprintf(out, (size_t)len, "%s", disk_error.text);
    return disk_error.code;
}

int vfs_new(struct vfs **out, struct disk *disk, struct clock *clock, struct err *err)
{
    struct vfs *vfs = calloc(1, sizeof(*vfs));

    if (!vfs)
        return err_set(err, ERR_NOMEM, "metadata files");
    snprintf(vfs->name, sizeof(vfs->name), "tarn-%p", (void *)vfs);
    vfs->disk = disk;
    vfs->clock = clock;
    vfs->wal_from = -1;
    /* Salts of the log only: a clock that a simulator owns makes them repeat. */
    rng_init(&vfs->rng, (uint64_t)clock_wall_us(clock));
    vfs->base = (sqlite3_vfs){
        .iVersion = 2,
        .szOsFile = sizeof(struct vfs_file),
        .mxPathname = 4096,
        .zName = vfs->name,
        .pAppData = vfs,
        .xOpen = x_open,
        .xDelete = x_delete,
        .xAccess = x_access,
        .xFullPathname = x_full_path,
        .xRandomness = x_randomness,
        .xSleep = x_sleep,
        .xCurrentTime = x_time,
        .xGetLastError = x_last_error,
        .xCurrentTimeInt64 = x_time_i64,
    };
    pthread_mutex_init(&vfs->rng_mutex, NULL);
    lock_space_init(&vfs->locks);
    if (sqlite3_vfs_register(&vfs->base, 0) != SQLITE_OK) {
        vfs->base.zName = NULL;
        vfs_free(vfs);
        return err_set(err, ERR_NOMEM, "metadata files");
    }
    *out = vfs;
    return 0;
}

void vfs_free(struct vfs *vfs)
{
    if (!vfs)
        return;
    if (vfs->base.zName)
        sqlite3_vfs_unregister(&vfs->base);
    lock_space_deinit(&vfs->locks);
    pthread_mutex_destroy(&vfs->rng_mutex);
    free(vfs);
}

const char *vfs_name(struct vfs *vfs)
{
    return vfs->name;
}

void vfs_wal_mark(struct vfs *vfs)
{
    vfs->wal_from = -1;
}

bool vfs_wal_touched(struct vfs *vfs)
{
    return vfs->wal_from >= 0;
}

/* Everything before the first place written is older and promised; everything after is either new
 * or, when the log began again at its start, already in the database. So cutting is safe. */
int vfs_wal_cut(struct vfs *vfs, struct err *err)
{
    int rc;

    if (vfs->wal_from < 0 || !vfs->wal)
        return 0;
    rc = file_truncate(vfs->wal->file, vfs->wal_from, err);
    if (!rc)
        rc = file_sync(vfs->wal->file, err);
    if (!rc)
        vfs->wal_from = -1;
    return rc;
}
