/* data_dir.c - the lock and the format versions of a data folder. */
#include "cli/data_dir.h"

#include <errno.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/json.h"
#include "cli/cli.h"

struct data_dir {
    struct disk *disk;
    char *path;
    struct file *lock;
};

/* What this program writes. A migration from version n lies at index n - 1 of its part; there is
 * none yet, since every part is at its first version. */
struct format_part {
    const char *name;
    int version;
    int (*const *migrations)(struct disk *disk, const char *path, struct err *err);
};
static const struct format_part format_parts[] = {
    {"log", 1, NULL},
    {"state", 1, NULL},
    {"metadata", 1, NULL},
};

static char *join(const char *path, const char *name)
{
    char *out = NULL;

    return asprintf(&out, "%s/%s", path, name) < 0 ? NULL : out;
}

/* ---- the lock ---- */

static int read_pid(struct file *lock)
{
    char text[32] = "";
    size_t got = 0;

    if (file_pread(lock, text, sizeof(text) - 1, 0, &got, NULL))
        return 0;
    return atoi(text);
}

static const char *process_name(int pid, char *out, size_t size)
{
    char path[64];
    FILE *comm; /* the kernel's own accounting, not data */

    snprintf(path, sizeof(path), "/proc/%d/comm", pid);
    comm = fopen(path, "r");
    snprintf(out, size, "another process");
    if (comm) {
        if (fgets(out, (int)size, comm))
            out[strcspn(out, "\n")] = '\0';
        fclose(comm);
    }
    return out;
}

static int take_elsewhere(int rc, const struct err *why, struct err *err)
{
    return err_set(err, rc, "%s; --data DIR takes another folder", why->text);
}

static int take_lock(struct data_dir *data, struct err *err)
{
    char *path = join(data->path, "LOCK"), text[32], name[64];
    struct err why = {0};
    int rc, pid;

    if (!path)
        return err_set(err, ERR_NOMEM, "%s", data->path);
    rc = disk_open(data->disk, &data->lock, path, DISK_WRITE | DISK_CREATE, &why);
    free(path);
    if (rc)
        return take_elsewhere(rc, &why, err);
    if (flock(file_fd(data->lock), LOCK_EX | LOCK_NB)) {
        if (errno != EWOULDBLOCK)
            return err_errno(err, errno, "lock of %s", data->path);
        pid = read_pid(data->lock);
        return err_set(err, ERR_BUSY,
                       "data folder %s is in use by %s (pid %d); 'tarn down' stops it, "
                       "--data DIR takes another folder",
                       data->path, process_name(pid, name, sizeof(name)), pid);
    }
    snprintf(text, sizeof(text), "%d\n", (int)getpid());
    rc = file_truncate(data->lock, 0, err);
    return rc ? rc : file_pwrite(data->lock, text, strlen(text), 0, err);
}

int data_dir_owner(struct disk *disk, const char *path)
{
    char *lock_path = join(path, "LOCK");
    struct file *lock = NULL;
    int pid = 0;

    /* Opened for writing only because flock on some network file systems asks for it. */
    if (lock_path && disk_exists(disk, lock_path) &&
        !disk_open(disk, &lock, lock_path, DISK_READ, NULL)) {
        if (flock(file_fd(lock), LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK)
            pid = read_pid(lock);
        file_close(lock); /* gives a lock we took back */
    }
    free(lock_path);
    return pid;
}

/* ---- format versions ---- */

static int write_version(struct data_dir *data, const char *path, struct err *err)
{
    json_t *format = json_object(), *doc = json_pack("{s:s,s:O}", "program", TARN_VERSION, "format",
                                                     format);
    struct buf text = {0};
    int rc = format && doc ? 0 : ERR_NOMEM;

    for (size_t i = 0; !rc && i < COUNT_OF(format_parts); i++)
        if (json_object_set_new(format, format_parts[i].name,
                                json_integer(format_parts[i].version)))
            rc = ERR_NOMEM;
    if (!rc)
        rc = json_print(doc, 0, &text, err);
    if (!rc)
        rc = buf_append_u8(&text, '\n');
    if (!rc)
        rc = disk_write_file(data->disk, path, buf_slice(&text), err);
    buf_deinit(&text);
    json_decref(format);
    json_decref(doc);
    return rc;
}

static int migrate(struct data_dir *data, const struct format_part *part, int64_t from,
                   struct err *err)
{
    if (from < 1 || from > part->version)
        return err_set(err, ERR_UNSUPPORTED,
                       "data folder %s: its %s has format %lld, this tarn (%s) knows up to %d: "
                       "use the newer program",
                       data->path, part->name, (long long)from, TARN_VERSION, part->version);
    for (; from < part->version; from++) {
        int rc = part->migrations[from - 1](data->disk, data->path, err);

        if (rc)
            return err_wrap(err, rc, "%s: %s from format %lld", data->path, part->name,
                            (long long)from);
    }
    return 0;
}

/* All parts are looked at before the first one is changed, if any is to be. */
static int check_version(struct data_dir *data, const char *path, bool change, struct err *err)
{
    struct buf text = {.max = 1 << 16};
    json_t *doc = NULL, *format;
    bool older = false;
    int rc = disk_read_file(data->disk, path, &text, err);

    if (!rc)
        rc = json_parse(buf_slice(&text), &doc, err);
    if (!rc)
        rc = json_get_obj(doc, "format", "VERSION", &format, err);
    for (int pass = 0; !rc && pass < (change ? 2 : 1); pass++) {
        for (size_t i = 0; !rc && i < COUNT_OF(format_parts); i++) {
            int64_t version = 0;

            rc = json_get_i64(format, format_parts[i].name, "VERSION.format", &version, err);
            if (!rc && pass == 0 && version >= 1 && version < format_parts[i].version)
                older = true;
            else if (!rc && (pass == 1 || version != format_parts[i].version))
                rc = migrate(data, &format_parts[i], version, err);
        }
    }
    if (!rc && older && change)
        rc = write_version(data, path, err);
    json_decref(doc);
    buf_deinit(&text);
    return rc == ERR_CORRUPT ? err_wrap(err, rc, "%s", path) : rc;
}

/* A first start finds nothing but what open() itself made. */
static int check_empty(struct data_dir *data, struct err *err)
{
    struct arena arena = {0};
    struct disk_entry *entries;
    size_t count;
    int rc = disk_list(data->disk, data->path, &arena, &entries, &count, err);

    for (size_t i = 0; !rc && i < count; i++)
        if (strcmp(entries[i].name, "LOCK") != 0 && strcmp(entries[i].name, "logs") != 0)
            rc = err_set(err, ERR_INVALID,
                         "%s is no data folder of tarn: it has no VERSION, but '%s'; "
                         "--data DIR takes another folder",
                         data->path, entries[i].name);
    arena_deinit(&arena);
    return rc;
}

static int open_version(struct data_dir *data, struct err *err)
{
    char *path = join(data->path, "VERSION");
    int rc;

    if (!path)
        return err_set(err, ERR_NOMEM, "%s", data->path);
    if (disk_exists(data->disk, path)) {
        rc = check_version(data, path, true, err);
    } else {
        rc = check_empty(data, err);
        if (!rc)
            rc = write_version(data, path, err);
    }
    free(path);
    return rc;
}

int data_dir_check(struct disk *disk, const char *path, struct err *err)
{
    char *version = join(path, "VERSION");
    struct data_dir data = {.disk = disk, .path = (char *)path};
    int rc = !version                     ? err_set(err, ERR_NOMEM, "%s", path)
             : disk_exists(disk, version) ? check_version(&data, version, false, err)
                                          : check_empty(&data, err);

    free(version);
    return rc;
}

int data_dir_open(struct data_dir **out, struct disk *disk, const char *path, struct err *err)
{
    struct data_dir *data = calloc(1, sizeof(*data));
    struct err why = {0};
    int rc;

    if (!data || !(data->path = strdup(path))) {
        free(data);
        return err_set(err, ERR_NOMEM, "%s", path);
    }
    data->disk = disk;
    rc = disk_mkdirs(disk, path, &why);
    rc = rc ? take_elsewhere(rc, &why, err) : take_lock(data, err);
    if (!rc)
        rc = open_version(data, err);
    if (rc) {
        data_dir_close(data);
        return rc;
    }
    *out = data;
    return 0;
}

void data_dir_close(struct data_dir *data)
{
    if (!data)
        return;
    file_close(data->lock);
    free(data->path);
    free(data);
}

const char *data_dir_path(const struct data_dir *data) { return data->path; }
