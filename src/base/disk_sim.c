/* disk_sim.c - the calls of the simulated disk; disk_sim_loss.c decides what survives.
 *
 * Paths are walked from one root, which is also the working folder; ".." is refused. Errors carry
 * the codes that the machine's disk gives for the same mistake. */
#include "base/disk_sim_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct sim_file {
    struct file file;
    struct sim_inode *inode;
    uint64_t boot;
    bool writable;
    char path[]; /* for errors and the callback */
};

static struct disk_sim *sim_of(struct disk *disk) { return (struct disk_sim *)disk; }
static struct sim_file *of(struct file *file) { return (struct sim_file *)file; }

/* ---- around every call ---- */

/* The callback runs unlocked, so that it may cut the power. On success the lock is held. */
static int enter(struct disk_sim *sim, enum disk_call call, const char *path, struct err *err)
{
    disk_call_fn *fn;
    void *arg;
    int rc = 0;

    pthread_mutex_lock(&sim->mutex);
    if (sim->powered) {
        sim->calls++;
        fn = sim->fn;
        arg = sim->arg;
        pthread_mutex_unlock(&sim->mutex);
        rc = fn ? fn(arg, call, path) : 0;
        pthread_mutex_lock(&sim->mutex);
    }
    if (!sim->powered)
        rc = err_set(err, ERR_IO, "%s: the power is off", path);
    else if (rc)
        err_set(err, rc, "%s: made to fail with %s", path, err_name(rc));
    if (rc)
        pthread_mutex_unlock(&sim->mutex);
    return rc;
}

static int leave(struct disk_sim *sim, int rc)
{
    pthread_mutex_unlock(&sim->mutex);
    return rc;
}

static int enter_file(struct file *file, enum disk_call call, struct disk_sim **sim,
                      struct err *err)
{
    int rc;

    *sim = sim_of(file->disk);
    rc = enter(*sim, call, of(file)->path, err);
    if (rc == 0 && of(file)->boot != (*sim)->boot)
        rc = leave(*sim, err_set(err, ERR_IO, "%s: opened before the power was lost",
                                 of(file)->path));
    return rc;
}

/* ---- paths ---- */

/* Copies the next part of *path; 0 length at its end. */
static int next_part(const char **path, char part[SIM_NAME_SIZE])
{
    size_t len;

    for (;;) {
        *path += strspn(*path, "/");
        len = strcspn(*path, "/");
        if (len >= SIM_NAME_SIZE)
            return ENAMETOOLONG;
        memcpy(part, *path, len);
        part[len] = '\0';
        *path += len;
        if (strcmp(part, "..") == 0)
            return EINVAL;
        if (strcmp(part, ".") != 0)
            return 0;
    }
}

/* The folder that holds the last part, and that part: "" for the root itself. An errno or 0. */
static int walk(struct disk_sim *sim, const char *path, struct sim_inode **dir,
                char name[SIM_NAME_SIZE])
{
    char part[SIM_NAME_SIZE];
    int number = next_part(&path, name);

    *dir = sim->root;
    while (number == 0 && (number = next_part(&path, part)) == 0 && part[0]) {
        *dir = sim_names_get(&(*dir)->names, name);
        if (!*dir)
            return ENOENT;
        if (!(*dir)->is_dir)
            return ENOTDIR;
        memcpy(name, part, sizeof(part));
    }
    return number;
}

static int find(struct disk_sim *sim, const char *path, struct sim_inode **inode)
{
    char name[SIM_NAME_SIZE];
    struct sim_inode *dir;
    int number = walk(sim, path, &dir, name);

    if (number)
        return number;
    *inode = name[0] ? sim_names_get(&dir->names, name) : sim->root;
    return *inode ? 0 : ENOENT;
}

static int find_dir(struct disk_sim *sim, const char *path, struct sim_inode **dir)
{
    int number = find(sim, path, dir);

    return number ? number : (*dir)->is_dir ? 0 : ENOTDIR;
}

/* ---- names ---- */

static void hold_entry(struct sim_entry *entry, struct sim_inode *dir, const char *name,
                       struct sim_inode *inode)
{
    *entry = (struct sim_entry){.dir = dir, .inode = inode};
    snprintf(entry->name, sizeof(entry->name), "%s", name);
    sim_inode_ref(dir);
    if (inode)
        sim_inode_ref(inode);
}

static void queue_rename(struct disk_sim *sim, struct sim_rename *rename)
{
    *sim->last_rename = rename;
    sim->last_rename = &rename->next;
}

/* Gives or takes (inode NULL) one name, now and in the queue. An errno or 0. */
static int change_name(struct disk_sim *sim, struct sim_inode *dir, const char *name,
                       struct sim_inode *inode)
{
    struct sim_rename *rename = calloc(1, sizeof(*rename));

    if (!rename || (inode && sim_names_set(sim, &dir->names, name, inode))) {
        free(rename);
        return ENOMEM;
    }
    hold_entry(&rename->entries[0], dir, name, inode);
    queue_rename(sim, rename);
    if (!inode)
        sim_names_remove(sim, &dir->names, name);
    return 0;
}

static int make(struct disk_sim *sim, struct sim_inode *dir, const char *name, bool is_dir,
                struct sim_inode **out)
{
    struct sim_inode *inode = sim_inode_new(sim, is_dir);
    int number = inode ? change_name(sim, dir, name, inode) : ENOMEM;

    if (inode)
        sim_inode_unref(sim, inode); /* its name holds it now */
    *out = number ? NULL : inode;
    return number;
}

/* ---- files ---- */

static int queue_change(struct sim_inode *inode, const void *ptr, size_t pos, size_t len,
                        bool is_size)
{
    struct sim_change *change = malloc(sizeof(*change) + len);

    if (!change)
        return ENOMEM;
    *change = (struct sim_change){.is_size = is_size, .pos = pos, .len = len};
    if (len)
        memcpy(change->bytes, ptr, len);
    *inode->last = change;
    inode->last = &change->next;
    return 0;
}

static int resize(struct disk_sim *sim, struct sim_inode *inode, size_t size)
{
    int64_t before = (int64_t)inode->now.len;

    if (sim_resize(&inode->now, size))
        return ENOMEM;
    sim->used += (int64_t)size - before;
    return 0;
}

/* A size change is queued like a write; the memory for it is found first. */
static int set_size(struct disk_sim *sim, struct sim_inode *inode, size_t size)
{
    if (sim->capacity >= 0 && size > inode->now.len &&
        (int64_t)(size - inode->now.len) > sim->capacity - sim->used)
        return ENOSPC;
    if (buf_reserve(&inode->now, size > inode->now.len ? size - inode->now.len : 0))
        return ENOMEM;
    if (queue_change(inode, NULL, size, 0, true))
        return ENOMEM;
    inode->mtime = sim->calls;
    return resize(sim, inode, size);
}

/* On a full disk the part that fits is written, as the machine's disk does. */
static int write_bytes(struct disk_sim *sim, struct sim_inode *inode, const void *ptr, size_t pos,
                       size_t len)
{
    size_t end = pos + len;
    int number = 0;

    if (sim->capacity >= 0 && end > inode->now.len &&
        (int64_t)(end - inode->now.len) > sim->capacity - sim->used) {
        int64_t left = sim->capacity > sim->used ? sim->capacity - sim->used : 0;

        end = inode->now.len + (size_t)left;
        len = end > pos ? end - pos : 0;
        number = ENOSPC;
    }
    if (len == 0)
        return number;
    if (buf_reserve(&inode->now, end > inode->now.len ? end - inode->now.len : 0) ||
        queue_change(inode, ptr, pos, len, false))
        return ENOMEM;
    if (end > inode->now.len)
        resize(sim, inode, end);
    memcpy(inode->now.ptr + pos, ptr, len);
    inode->mtime = sim->calls;
    return number;
}

static int open_inode(struct disk_sim *sim, const char *path, int flags, struct sim_inode **inode)
{
    char name[SIM_NAME_SIZE];
    struct sim_inode *dir;
    int number = walk(sim, path, &dir, name);

    if (number)
        return number;
    *inode = name[0] ? sim_names_get(&dir->names, name) : sim->root;
    if (!*inode)
        return flags & DISK_CREATE ? make(sim, dir, name, false, inode) : ENOENT;
    if ((flags & DISK_CREATE) && (flags & DISK_EXCLUSIVE))
        return EEXIST;
    if ((*inode)->is_dir)
        return EISDIR;
    return flags & DISK_TRUNCATE && (*inode)->now.len ? set_size(sim, *inode, 0) : 0;
}

static int sim_open(struct disk *disk, struct file **out, const char *path, int flags,
                    struct err *err)
{
    struct disk_sim *sim = sim_of(disk);
    size_t len = strlen(path) + 1;
    struct sim_file *file;
    int rc = enter(sim, CALL_OPEN, path, err), number;

    if (rc)
        return rc;
    file = calloc(1, sizeof(*file) + len);
    number = file ? open_inode(sim, path, flags, &file->inode) : ENOMEM;
    if (number) {
        free(file);
        return leave(sim, err_errno(err, number, "open %s", path));
    }
    file->file = (struct file){disk->ops, disk};
    file->boot = sim->boot;
    file->writable = flags & DISK_WRITE;
    memcpy(file->path, path, len);
    sim_inode_ref(file->inode);
    *out = &file->file;
    return leave(sim, 0);
}

static void sim_close(struct file *file)
{
    struct disk_sim *sim = sim_of(file->disk);

    pthread_mutex_lock(&sim->mutex);
    sim_inode_unref(sim, of(file)->inode);
    pthread_mutex_unlock(&sim->mutex);
    free(file);
}

static int sim_pread(struct file *file, void *ptr, size_t len, int64_t pos, size_t *got,
                     struct err *err)
{
    struct disk_sim *sim;
    int rc = enter_file(file, CALL_PREAD, &sim, err);
    const struct buf *now;

    if (rc)
        return rc;
    if (pos < 0)
        return leave(sim, err_errno(err, EINVAL, "read %s", of(file)->path));
    now = &of(file)->inode->now;
    if ((size_t)pos < now->len) {
        *got = now->len - (size_t)pos < len ? now->len - (size_t)pos : len;
        memcpy(ptr, now->ptr + pos, *got);
    }
    return leave(sim, 0);
}

static int sim_pwrite(struct file *file, const void *ptr, size_t len, int64_t pos, struct err *err)
{
    struct disk_sim *sim;
    int rc = enter_file(file, CALL_PWRITE, &sim, err), number;

    if (rc)
        return rc;
    if (!of(file)->writable)
        number = EBADF;
    else if (pos < 0 || (uint64_t)pos + len > BUF_MAX_DEFAULT)
        number = pos < 0 ? EINVAL : EFBIG;
    else
        number = write_bytes(sim, of(file)->inode, ptr, (size_t)pos, len);
    return leave(sim, number ? err_errno(err, number, "write %s", of(file)->path) : 0);
}

static int sim_sync(struct file *file, struct err *err)
{
    struct disk_sim *sim;
    int rc = enter_file(file, CALL_SYNC, &sim, err);

    if (rc)
        return rc;
    rc = sim_sync_file(of(file)->inode);
    return leave(sim, rc ? err_set(err, rc, "sync %s", of(file)->path) : 0);
}

static int sim_truncate(struct file *file, int64_t size, struct err *err)
{
    struct disk_sim *sim;
    int rc = enter_file(file, CALL_TRUNCATE, &sim, err), number;

    if (rc)
        return rc;
    if (!of(file)->writable || size < 0)
        number = EINVAL;
    else if ((uint64_t)size > BUF_MAX_DEFAULT)
        number = EFBIG;
    else
        number = set_size(sim, of(file)->inode, (size_t)size);
    return leave(sim, number ? err_errno(err, number, "truncate %s", of(file)->path) : 0);
}

static int sim_size(struct file *file, int64_t *size, struct err *err)
{
    struct disk_sim *sim;
    int rc = enter_file(file, CALL_OTHER, &sim, err);

    if (rc)
        return rc;
    *size = (int64_t)of(file)->inode->now.len;
    return leave(sim, 0);
}

static int sim_stat_file(struct file *file, struct disk_stat *out, struct err *err)
{
    struct disk_sim *sim;
    int rc = enter_file(file, CALL_STAT, &sim, err);

    if (rc)
        return rc;
    *out = (struct disk_stat){(int64_t)of(file)->inode->now.len, of(file)->inode->mtime, false};
    return leave(sim, 0);
}

static int sim_set_mtime(struct file *file, int64_t mtime_us, struct err *err)
{
    struct disk_sim *sim;
    int rc = enter_file(file, CALL_OTHER, &sim, err);

    if (rc)
        return rc;
    of(file)->inode->mtime = mtime_us;
    return leave(sim, 0);
}

static int sim_set_attr(struct file *file, struct slice value, struct err *err)
{
    struct disk_sim *sim;
    int rc = enter_file(file, CALL_OTHER, &sim, err);

    if (rc)
        return rc;
    buf_clear(&of(file)->inode->attr);
    of(file)->inode->has_attr = true;
    if (buf_append_slice(&of(file)->inode->attr, value))
        return leave(sim, err_set(err, ERR_NOMEM, "attribute of %s", of(file)->path));
    return leave(sim, 0);
}

static int sim_get_attr(struct file *file, struct buf *out, struct err *err)
{
    struct disk_sim *sim;
    int rc = enter_file(file, CALL_OTHER, &sim, err);

    if (rc)
        return rc;
    if (!of(file)->inode->has_attr)
        rc = err_set(err, ERR_NOENT, "%s: no attribute", of(file)->path);
    else if (buf_append_slice(out, buf_slice(&of(file)->inode->attr)))
        rc = err_set(err, ERR_NOMEM, "attribute of %s", of(file)->path);
    return leave(sim, rc);
}

static int sim_fd(struct file *file)
{
    (void)file;
    return -1;
}

/* ---- names, as calls ---- */

/* May `to` give way to `from`? */
static int check_replace(const struct sim_inode *from, const struct sim_inode *to)
{
    if (!to || to == from)
        return 0;
    if (to->is_dir && !from->is_dir)
        return EISDIR;
    if (!to->is_dir && from->is_dir)
        return ENOTDIR;
    return to->is_dir && to->names.count ? ENOTEMPTY : 0;
}

/* A folder may not move below itself. */
static bool is_below(const struct sim_inode *dir, const struct sim_inode *top)
{
    if (dir == top)
        return true;
    for (size_t i = 0; top->is_dir && i < top->names.count; i++)
        if (is_below(dir, top->names.list[i].inode))
            return true;
    return false;
}

static int move(struct disk_sim *sim, const char *from, const char *to)
{
    char name[SIM_NAME_SIZE], new_name[SIM_NAME_SIZE];
    struct sim_inode *dir, *new_dir, *inode;
    struct sim_rename *rename;
    int number = walk(sim, from, &dir, name);

    if (number == 0)
        number = walk(sim, to, &new_dir, new_name);
    if (number)
        return number;
    inode = name[0] ? sim_names_get(&dir->names, name) : NULL;
    if (!inode || !new_name[0])
        return inode ? EINVAL : ENOENT;
    if (inode->is_dir && is_below(new_dir, inode))
        return EINVAL;
    number = check_replace(inode, sim_names_get(&new_dir->names, new_name));
    if (number || sim_names_get(&new_dir->names, new_name) == inode)
        return number; /* two names of one file stay as they are */
    rename = calloc(1, sizeof(*rename));
    if (!rename || sim_names_set(sim, &new_dir->names, new_name, inode)) {
        free(rename);
        return ENOMEM;
    }
    hold_entry(&rename->entries[0], dir, name, NULL);
    hold_entry(&rename->entries[1], new_dir, new_name, inode);
    queue_rename(sim, rename);
    sim_names_remove(sim, &dir->names, name);
    return 0;
}

static int sim_rename(struct disk *disk, const char *from, const char *to, struct err *err)
{
    struct disk_sim *sim = sim_of(disk);
    int rc = enter(sim, CALL_RENAME, from, err), number;

    if (rc)
        return rc;
    number = move(sim, from, to);
    return leave(sim, number ? err_errno(err, number, "rename %s to %s", from, to) : 0);
}

static int add_link(struct disk_sim *sim, const char *from, const char *to)
{
    char name[SIM_NAME_SIZE];
    struct sim_inode *inode, *dir;
    int number = find(sim, from, &inode);

    if (number == 0)
        number = walk(sim, to, &dir, name);
    if (number)
        return number;
    if (inode->is_dir)
        return EPERM;
    if (!name[0] || sim_names_get(&dir->names, name))
        return EEXIST;
    return change_name(sim, dir, name, inode);
}

static int sim_link(struct disk *disk, const char *from, const char *to, struct err *err)
{
    struct disk_sim *sim = sim_of(disk);
    int rc = enter(sim, CALL_LINK, to, err), number;

    if (rc)
        return rc;
    number = add_link(sim, from, to);
    return leave(sim, number ? err_errno(err, number, "link %s to %s", from, to) : 0);
}

static int remove_name(struct disk_sim *sim, const char *path, bool is_dir)
{
    char name[SIM_NAME_SIZE];
    struct sim_inode *dir, *inode;
    int number = walk(sim, path, &dir, name);

    if (number)
        return number;
    inode = name[0] ? sim_names_get(&dir->names, name) : NULL;
    if (!inode)
        return ENOENT;
    if (inode->is_dir != is_dir)
        return is_dir ? ENOTDIR : EISDIR;
    if (is_dir && inode->names.count)
        return ENOTEMPTY;
    return change_name(sim, dir, name, NULL);
}

static int sim_unlink(struct disk *disk, const char *path, struct err *err)
{
    struct disk_sim *sim = sim_of(disk);
    int rc = enter(sim, CALL_UNLINK, path, err), number;

    if (rc)
        return rc;
    number = remove_name(sim, path, false);
    return leave(sim, number ? err_errno(err, number, "unlink %s", path) : 0);
}

static int sim_rmdir(struct disk *disk, const char *path, struct err *err)
{
    struct disk_sim *sim = sim_of(disk);
    int rc = enter(sim, CALL_RMDIR, path, err), number;

    if (rc)
        return rc;
    number = remove_name(sim, path, true);
    return leave(sim, number ? err_errno(err, number, "rmdir %s", path) : 0);
}

static int add_dir(struct disk_sim *sim, const char *path)
{
    char name[SIM_NAME_SIZE];
    struct sim_inode *dir, *inode;
    int number = walk(sim, path, &dir, name);

    if (number)
        return number;
    inode = name[0] ? sim_names_get(&dir->names, name) : sim->root;
    if (inode)
        return inode->is_dir ? 0 : EEXIST;
    return make(sim, dir, name, true, &inode);
}

static int sim_mkdir(struct disk *disk, const char *path, struct err *err)
{
    struct disk_sim *sim = sim_of(disk);
    int rc = enter(sim, CALL_MKDIR, path, err), number;

    if (rc)
        return rc;
    number = add_dir(sim, path);
    return leave(sim, number ? err_errno(err, number, "mkdir %s", path) : 0);
}

static int sim_sync_folder(struct disk *disk, const char *path, struct err *err)
{
    struct disk_sim *sim = sim_of(disk);
    struct sim_inode *dir;
    int rc = enter(sim, CALL_SYNC_DIR, path, err), number;

    if (rc)
        return rc;
    number = find_dir(sim, path, &dir);
    if (number == 0)
        sim_sync_dir(sim, dir);
    return leave(sim, number ? err_errno(err, number, "sync folder %s", path) : 0);
}

static int sim_sync_system(struct disk *disk, const char *path, struct err *err)
{
    struct disk_sim *sim = sim_of(disk);
    int rc = enter(sim, CALL_SYNC, path, err);

    if (rc)
        return rc;
    rc = sim_sync_all(sim);
    return leave(sim, rc ? err_set(err, rc, "sync all of %s", path) : 0);
}

static int sim_stat(struct disk *disk, const char *path, struct disk_stat *out, struct err *err)
{
    struct disk_sim *sim = sim_of(disk);
    struct sim_inode *inode;
    int rc = enter(sim, CALL_STAT, path, err), number;

    if (rc)
        return rc;
    number = find(sim, path, &inode);
    if (number)
        return leave(sim, err_errno(err, number, "stat %s", path));
    *out = (struct disk_stat){(int64_t)inode->now.len, inode->mtime, inode->is_dir};
    return leave(sim, 0);
}

static int list_names(const struct sim_inode *dir, struct arena *arena, struct disk_entry **list,
                      size_t *count)
{
    *list = ARENA_ARRAY(arena, struct disk_entry, dir->names.count + 1);
    if (!*list)
        return ENOMEM;
    for (size_t i = 0; i < dir->names.count; i++) {
        const struct sim_name *name = &dir->names.list[i];
        struct disk_entry *entry = &(*list)[i];

        entry->name = arena_strdup(arena, name->name);
        if (!entry->name)
            return ENOMEM;
        entry->size = (int64_t)name->inode->now.len;
        entry->is_dir = name->inode->is_dir;
        (*count)++;
    }
    return 0;
}

static int sim_list(struct disk *disk, const char *path, struct arena *arena,
                    struct disk_entry **list, size_t *count, struct err *err)
{
    struct disk_sim *sim = sim_of(disk);
    struct sim_inode *dir;
    int rc = enter(sim, CALL_LIST, path, err), number;

    if (rc)
        return rc;
    number = find_dir(sim, path, &dir);
    if (number == 0)
        number = list_names(dir, arena, list, count);
    return leave(sim, number ? err_errno(err, number, "list %s", path) : 0);
}

static int sim_free_bytes(struct disk *disk, const char *path, int64_t *bytes, struct err *err)
{
    struct disk_sim *sim = sim_of(disk);
    int rc = enter(sim, CALL_OTHER, path, err);

    if (rc)
        return rc;
    *bytes = sim->capacity < 0 ? (int64_t)1 << 40 : sim->capacity - sim->used;
    if (*bytes < 0)
        *bytes = 0;
    return leave(sim, 0);
}

/* ---- the machine ---- */

static const struct disk_ops ops = {
    .open = sim_open,
    .close = sim_close,
    .pread = sim_pread,
    .pwrite = sim_pwrite,
    .sync = sim_sync,
    .truncate = sim_truncate,
    .size = sim_size,
    .stat_file = sim_stat_file,
    .set_mtime = sim_set_mtime,
    .set_attr = sim_set_attr,
    .get_attr = sim_get_attr,
    .fd = sim_fd,
    .rename = sim_rename,
    .link = sim_link,
    .unlink = sim_unlink,
    .mkdir = sim_mkdir,
    .rmdir = sim_rmdir,
    .sync_dir = sim_sync_folder,
    .sync_all = sim_sync_system,
    .stat = sim_stat,
    .list = sim_list,
    .free_bytes = sim_free_bytes,
};

int disk_sim_new(struct disk_sim **out, uint64_t seed, struct err *err)
{
    struct disk_sim *sim = calloc(1, sizeof(*sim));

    *out = NULL;
    if (!sim)
        return err_set(err, ERR_NOMEM, "simulated disk");
    sim->disk.ops = &ops;
    pthread_mutex_init(&sim->mutex, NULL);
    rng_init(&sim->rng, seed);
    sim->last_rename = &sim->renames;
    sim->capacity = -1;
    sim->powered = true;
    sim->root = sim_inode_new(sim, true);
    if (!sim->root) {
        disk_sim_free(sim);
        return err_set(err, ERR_NOMEM, "simulated disk");
    }
    *out = sim;
    return 0;
}

/* Not by counting references: unsynced moves of folders may have made them hold each other. */
static void free_inode(struct sim_inode *inode)
{
    struct sim_names *both[] = {&inode->names, &inode->names_synced};

    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < both[k]->count; i++)
            free(both[k]->list[i].name);
        free(both[k]->list);
    }
    sim_changes_clear(inode);
    buf_deinit(&inode->now);
    buf_deinit(&inode->synced);
    buf_deinit(&inode->attr);
    buf_deinit(&inode->attr_synced);
    free(inode);
}

void disk_sim_free(struct disk_sim *sim)
{
    struct sim_rename *rename;
    struct sim_inode *inode;

    if (!sim)
        return;
    while ((rename = sim->renames)) {
        sim->renames = rename->next;
        free(rename);
    }
    while ((inode = sim->inodes)) {
        sim->inodes = inode->next;
        free_inode(inode);
    }
    pthread_mutex_destroy(&sim->mutex);
    free(sim);
}

struct disk *disk_sim_disk(struct disk_sim *sim) { return &sim->disk; }

void disk_sim_on_call(struct disk_sim *sim, disk_call_fn *fn, void *arg)
{
    pthread_mutex_lock(&sim->mutex);
    sim->fn = fn;
    sim->arg = arg;
    pthread_mutex_unlock(&sim->mutex);
}

void disk_sim_capacity(struct disk_sim *sim, int64_t bytes)
{
    pthread_mutex_lock(&sim->mutex);
    sim->capacity = bytes;
    pthread_mutex_unlock(&sim->mutex);
}

void disk_sim_power_loss(struct disk_sim *sim)
{
    pthread_mutex_lock(&sim->mutex);
    if (sim->powered) {
        sim_lose_power(sim);
        sim->powered = false;
        sim->boot++;
    }
    pthread_mutex_unlock(&sim->mutex);
}

void disk_sim_reboot(struct disk_sim *sim)
{
    pthread_mutex_lock(&sim->mutex);
    sim->powered = true;
    pthread_mutex_unlock(&sim->mutex);
}

int64_t disk_sim_calls(struct disk_sim *sim)
{
    int64_t calls;

    pthread_mutex_lock(&sim->mutex);
    calls = sim->calls;
    pthread_mutex_unlock(&sim->mutex);
    return calls;
}
