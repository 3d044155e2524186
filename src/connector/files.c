/* files.c - folders and object keys behind one small set of calls. */
#include <stdio.h>

#include "base/codec.h"
#include "connector/files.h"

#define FILES_MAX  200000
#define DEPTH_MAX  32
#define COPY_BYTES ((size_t)1 << 20)

int files_init(struct files *f, struct store *store, const char *path, struct err *err)
{
    struct arena arena = {0};
    const char *bucket, *key;
    int rc = 0;

    *f = (struct files){.store = store, .disk = store->disk};
    if (!strncmp(path, "s3", 2) && strstr(path, "://")) {
        rc = store_split(path, &arena, &bucket, &key, err);
        if (!rc) {
            f->bucket = strdup(bucket);
            f->root = strdup(key);
        }
    } else if (!strncmp(path, "file:", 5)) {
        path += 5;
        while (path[0] == '/' && path[1] == '/')
            path++;
        f->root = strdup(path);
    } else if (strstr(path, "://")) {
        return err_set(err, ERR_UNSUPPORTED, "'path' = '%s': a path, file:// or s3://", path);
    } else {
        f->root = strdup(path);
    }
    arena_deinit(&arena);
    if (!rc && !f->root)
        rc = err_set(err, ERR_NOMEM, "'path'");
    for (size_t len = f->root ? strlen(f->root) : 0; len > 1 && f->root[len - 1] == '/'; len--)
        f->root[len - 1] = '\0';
    return rc;
}

void files_deinit(struct files *f)
{
    free(f->root);
    free(f->bucket);
    *f = (struct files){0};
}

/* ---- lists ---- */

struct listing {
    struct arena *arena;
    bool times; /* of local files too, each of which is asked for it */
    struct files_entry *list;
    size_t count, cap;
};

static int add(struct listing *l, const char *name, int64_t size, int64_t mtime_us, struct err *err)
{
    if (l->count == FILES_MAX)
        return err_set(err, ERR_LIMIT, "more than %d files", FILES_MAX);
    if (l->count == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 64;
        struct files_entry *more = ARENA_ARRAY(l->arena, struct files_entry, cap);

        if (!more)
            return err_set(err, ERR_NOMEM, "list of files");
        if (l->count)
            memcpy(more, l->list, l->count * sizeof(*more));
        l->list = more;
        l->cap = cap;
    }
    l->list[l->count++] = (struct files_entry){name, size, mtime_us};
    return 0;
}

/* No part of the name begins with a dot or an underscore. */
static bool is_shown(const char *name)
{
    for (const char *at = name; at; at = strchr(at, '/') ? strchr(at, '/') + 1 : NULL)
        if (*at == '.' || *at == '_')
            return false;
    return true;
}

/* One that is gone by now is left out, as if it had gone before. */
static int add_local(const struct files *f, struct listing *l, const char *name, int64_t size,
                     struct err *err)
{
    struct disk_stat stat = {0};
    const char *path = l->times ? arena_printf(l->arena, "%s/%s", f->root, name) : NULL;
    struct err why = {0};
    int rc = path ? disk_stat(f->disk, path, &stat, &why) : 0;

    if (l->times && !path)
        return err_set(err, ERR_NOMEM, "list of files");
    if (rc)
        return rc == ERR_NOENT ? 0 : err_set(err, rc, "%s", why.text);
    return add(l, name, size, stat.mtime_us, err);
}

static int walk(const struct files *f, struct listing *l, const char *inside, int depth,
                struct err *err)
{
    const char *dir = *inside ? arena_printf(l->arena, "%s/%s", f->root, inside) : f->root;
    struct disk_entry *entries;
    size_t count;
    int rc;

    if (depth > DEPTH_MAX)
        return err_set(err, ERR_LIMIT, "folders nested more than %d deep", DEPTH_MAX);
    rc = dir ? disk_list(f->disk, dir, l->arena, &entries, &count, err)
             : err_set(err, ERR_NOMEM, "list of files");
    if (rc)
        return rc;
    for (size_t i = 0; i < count && !rc; i++) {
        const char *name =
            *inside ? arena_printf(l->arena, "%s/%s", inside, entries[i].name) : entries[i].name;

        if (!name)
            return err_set(err, ERR_NOMEM, "list of files");
        if (!is_shown(entries[i].name))
            continue;
        rc = entries[i].is_dir ? walk(f, l, name, depth + 1, err)
                               : add_local(f, l, name, entries[i].size, err);
    }
    return rc;
}

static int list_keys(const struct files *f, struct listing *l, struct err *err)
{
    size_t skip = strlen(f->root);
    const char *after = NULL;
    struct store_list keys = {.truncated = true};

    while (keys.truncated) {
        int rc = f->store->ops->list(f->store, f->bucket, f->root, NULL, after, 1000, l->arena,
                                     &keys, err);

        for (size_t i = 0; i < keys.count && !rc; i++) {
            const char *name = keys.entries[i].key + skip;

            after = keys.entries[i].key;
            if (*name && *name != '/' && skip)
                continue; /* a neighbour whose name begins likewise */
            name += *name == '/';
            if (is_shown(name) && (!*name || name[strlen(name) - 1] != '/'))
                rc = add(l, name, keys.entries[i].size, keys.entries[i].mtime_us, err);
        }
        if (rc)
            return rc;
    }
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct files_entry *)a)->name, ((const struct files_entry *)b)->name);
}

static int list_all(const struct files *f, struct listing *l, struct err *err)
{
    struct disk_stat stat;
    struct err why = {0};
    int rc;

    if (f->bucket) {
        rc = list_keys(f, l, &why);
    } else {
        rc = disk_stat(f->disk, f->root, &stat, &why);
        if (!rc)
            rc = stat.is_dir ? walk(f, l, "", 0, &why) : add(l, "", stat.size, stat.mtime_us, &why);
    }
    if (rc == ERR_NOENT)
        return 0; /* nothing there yet, or gone while it was walked */
    if (l->count)
        qsort(l->list, l->count, sizeof(*l->list), by_name);
    return rc ? err_set(err, rc, "%s: %s", f->root, why.text) : 0;
}

int files_list(const struct files *f, struct arena *arena, struct files_entry **out, size_t *count,
               struct err *err)
{
    struct listing l = {.arena = arena};
    int rc = list_all(f, &l, err);

    *out = l.list;
    *count = l.count;
    return rc;
}

int files_stamp(const struct files *f, uint64_t *out, struct err *err)
{
    struct arena arena = {0};
    struct listing l = {.arena = &arena, .times = true};
    int rc = list_all(f, &l, err);

    *out = l.count;
    for (size_t i = 0; i < l.count; i++) {
        int64_t numbers[] = {l.list[i].size, l.list[i].mtime_us};

        *out = hash64(l.list[i].name, strlen(l.list[i].name), *out);
        *out = hash64(numbers, sizeof(numbers), *out);
    }
    arena_deinit(&arena);
    return rc;
}

/* ---- files ---- */

static const char *full_name(const struct files *f, const char *name, struct arena *arena)
{
    if (!*name)
        return arena_strdup(arena, f->root);
    return *f->root ? arena_printf(arena, "%s/%s", f->root, name) : arena_strdup(arena, name);
}

int files_open(const struct files *f, const char *name, struct arena *arena, const char **path,
               struct err *err)
{
    const char *full = full_name(f, name, arena);

    if (!full)
        return err_set(err, ERR_NOMEM, "%s", name);
    if (f->bucket)
        return f->store->ops->local(f->store, f->bucket, full, arena, path, err);
    *path = full;
    return 0;
}

void files_done(const struct files *f, const char *path)
{
    if (f->bucket && path)
        f->store->ops->local_release(f->store, path);
}

/* To another file system maybe: copied beside the name, synced, renamed. */
static int copy_in(struct disk *disk, const char *from, const char *to, struct arena *arena,
                   struct err *err)
{
    const char *slash = strrchr(to, '/');
    const char *dir = slash ? arena_printf(arena, "%.*s", (int)(slash - to), to) : ".";
    const char *hidden =
        dir ? arena_printf(arena, "%s/.%s.part", dir, slash ? slash + 1 : to) : NULL;
    struct file *in = NULL, *out = NULL;
    uint8_t *bytes = malloc(COPY_BYTES);
    size_t got = 1;
    int rc = hidden && bytes ? disk_mkdirs(disk, dir, err) : err_set(err, ERR_NOMEM, "%s", to);

    if (!rc)
        rc = disk_open(disk, &in, from, DISK_READ, err);
    if (!rc)
        rc = disk_open(disk, &out, hidden, DISK_WRITE | DISK_CREATE | DISK_TRUNCATE, err);
    for (int64_t pos = 0; !rc && got; pos += (int64_t)got) {
        rc = file_pread(in, bytes, COPY_BYTES, pos, &got, err);
        if (!rc && got)
            rc = file_pwrite(out, bytes, got, pos, err);
    }
    if (!rc)
        rc = file_sync(out, err);
    file_close(in);
    file_close(out);
    free(bytes);
    if (!rc)
        rc = disk_rename(disk, hidden, to, err);
    if (!rc)
        rc = disk_sync_dir(disk, dir, err);
    if (!rc)
        rc = disk_unlink(disk, from, err);
    return rc;
}

int files_put(const struct files *f, const char *name, const char *path, struct err *err)
{
    struct arena arena = {0};
    const char *full = full_name(f, name, &arena);
    int rc = full ? 0 : err_set(err, ERR_NOMEM, "%s", name);

    if (!rc && f->bucket)
        rc = f->store->ops->put_file(f->store, f->bucket, full, path, NULL, NULL, err);
    else if (!rc)
        rc = copy_in(f->disk, path, full, &arena, err);
    arena_deinit(&arena);
    return rc;
}
