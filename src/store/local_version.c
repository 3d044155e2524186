/* local_version.c - what a bucket with versioning keeps beside the latest version of a key.
 *
 * objects/BUCKET/KEY is always the latest version, if that is an object: whoever reads the latest
 * need not know of versions. Older ones and delete markers are files in versions/BUCKET/KEY%v/:
 *   SEQ-ID       the bytes: a link to the file that was the latest
 *   SEQ-ID%attr  its record, as in attrs/; written first
 *   SEQ-ID%del   a delete marker, empty
 * SEQ is 16 hex digits that order the versions of a key; ID is "null" or random.
 *
 * A crash may leave more than there should be, never less, and what is too much can be told:
 *   - a version with the id of the latest: it was kept, and not replaced after all (or replaced
 *     back, when what was newer went);
 *   - a delete marker newer than an object that is the latest: the object had not gone yet, so
 *     nobody was told that it is deleted (or the marker was about to go, for the same reason);
 *   - more than one "null": the newest counts, which is the one that replaced the others.
 * Readers pass these over; the next change of the key removes them first.
 */
#include <stdio.h>

#include "base/codec.h"
#include "base/json.h"
#include "store/store_local.h"

#define MARKER    "%del"
#define RECORD    "%attr"
#define SEQ_CHARS 16
#define TICK_US   1000000 /* file times are finer than this */

static const char *version_dir(struct local *local, struct arena *arena, const char *bucket,
                               const char *key)
{
    const char *path = arena_printf(arena, "%s/%s", local->versions, bucket);
    struct local_parts parts;

    if (local_parts(arena, slice_str(key), &parts))
        return NULL;
    for (size_t i = 0; i < parts.count && path; i++)
        path = arena_printf(arena, "%s/%s%s", path, parts.list[i].name,
                            i + 1 == parts.count ? "%v" : "");
    return path;
}

/* --- what there is ---------------------------------------------------------------------------- */

/* The latest object, and the files of the key's folder, before and after the rules. */
struct versions {
    const char *dir, *path; /* of the key's folder; of the latest object */
    bool exists;            /* the latest is an object */
    struct disk_stat stat;
    json_t *record; /* owned, of the latest */
    struct local_version latest;
    struct local_kept *list; /* newest first; those that count, then those that do not */
    size_t count, extra;
};

static void versions_deinit(struct versions *v)
{
    json_decref(v->record);
}

/* "00064f3a5c1d2e7b-null", "00064f3a5c1d2e7b-6f0c4e5a1b2d3c4f%del". */
static bool parse_name(struct arena *arena, const struct disk_entry *entry, struct local_kept *out)
{
    struct slice name = slice_str(entry->name);
    uint8_t seq[SEQ_CHARS / 2];

    out->is_marker = slice_ends(name, SLICE_LIT(MARKER));
    if (out->is_marker)
        name.len -= sizeof(MARKER) - 1;
    if (entry->is_dir || name.len < SEQ_CHARS + 2 || name.ptr[SEQ_CHARS] != '-' ||
        hex_decode(slice_of(name.ptr, SEQ_CHARS), seq) || memchr(name.ptr, '%', name.len))
        return false;
    out->seq = 0;
    for (size_t i = 0; i < sizeof(seq); i++)
        out->seq = (int64_t)((uint64_t)out->seq << 8 | seq[i]);
    out->file = arena_cstr(arena, name);
    out->id = out->file && strcmp(out->file + SEQ_CHARS + 1, "null") == 0
                  ? "null"
                  : arena_printf(arena, "%.*s%s", SEQ_CHARS, entry->name,
                                 out->file ? out->file + SEQ_CHARS + 1 : "");
    return out->file && out->id;
}

static int newest_first(const void *left, const void *right)
{
    const struct local_kept *a = left, *b = right;

    return a->seq != b->seq ? (a->seq < b->seq) - (a->seq > b->seq) : strcmp(b->file, a->file);
}

static bool counts(const struct versions *v, const struct local_kept *kept, bool *null_seen)
{
    bool is_null = strcmp(kept->id, "null") == 0;
    bool again = is_null && *null_seen;

    *null_seen |= is_null;
    if (again || (v->exists && strcmp(kept->id, v->latest.id) == 0))
        return false;
    return !(v->exists && kept->is_marker && kept->seq > v->latest.seq);
}

static int load_latest(struct local *local, struct arena *arena, const char *bucket,
                       const char *key, struct versions *v, struct err *err)
{
    const char *id;
    int rc = local_find(local, arena, bucket, key, &v->path, &v->stat, err);

    if (rc == ERR_NOENT)
        return 0;
    if (!rc)
        rc = local_attr_record(local, bucket, key, &v->stat, &v->record, err);
    if (rc)
        return rc;
    v->exists = true;
    id = json_string_value(json_object_get(v->record, "version"));
    snprintf(v->latest.id, sizeof(v->latest.id), "%s", id ? id : "null");
    v->latest.seq = json_is_integer(json_object_get(v->record, "seq"))
                        ? json_integer_value(json_object_get(v->record, "seq"))
                        : v->stat.mtime_us;
    return 0;
}

static int load(struct local *local, struct arena *arena, const char *bucket, const char *key,
                struct versions *v, struct err *err)
{
    struct disk_entry *entries = NULL;
    struct local_kept *all;
    size_t total = 0, found = 0;
    bool null_seen;
    int rc;

    *v = (struct versions){.dir = version_dir(local, arena, bucket, key)};
    rc = v->dir ? load_latest(local, arena, bucket, key, v, err) : ERR_NOMEM;
    if (!rc)
        rc = disk_list(local->disk, v->dir, arena, &entries, &total, NULL);
    if (rc == ERR_NOENT)
        rc = 0;
    all = ARENA_ARRAY(arena, struct local_kept, total + 1);
    v->list = ARENA_ARRAY(arena, struct local_kept, total + 1);
    if (rc || !all || !v->list) {
        versions_deinit(v);
        v->record = NULL;
        return err_set(err, rc ? rc : ERR_NOMEM, "versions of %s/%s", bucket, key);
    }
    for (size_t i = 0; i < total; i++)
        if (parse_name(arena, &entries[i], &all[found]))
            found++;
    qsort(all, found, sizeof(*all), newest_first);
    null_seen = v->exists && strcmp(v->latest.id, "null") == 0;
    for (size_t i = 0; i < found; i++)
        if (counts(v, &all[i], &null_seen))
            v->list[v->count++] = all[i];
        else
            v->list[found - ++v->extra] = all[i];
    return 0;
}

/* --- changing it; the caller holds the key's stripe ------------------------------------------- */

static const char *file_path(struct arena *arena, const struct versions *v,
                             const struct local_kept *kept, const char *suffix)
{
    return arena_printf(arena, "%s/%s%s", v->dir, kept->file, suffix);
}

/* The name first, durably; then the record, which means nothing without it. */
static int drop(struct local *local, struct arena *arena, const struct versions *v,
                const struct local_kept *kept, struct err *err)
{
    const char *path = file_path(arena, v, kept, kept->is_marker ? MARKER : "");
    const char *record = file_path(arena, v, kept, RECORD);
    int rc = path && record ? disk_unlink(local->disk, path, err) : ERR_NOMEM;

    if (!rc)
        rc = disk_sync_dir(local->disk, v->dir, err);
    if (!rc && !kept->is_marker)
        disk_unlink(local->disk, record, NULL);
    local_changed(local);
    return rc;
}

/* Empty folders go, up to the bucket's. Records that a crash left go with them. */
static void prune(struct local *local, struct arena *arena, const char *bucket,
                  const struct versions *v)
{
    size_t root = strlen(local->versions) + 1 + strlen(bucket);
    struct disk_entry *entries = NULL;
    size_t count = 0;
    char *dir = arena_strdup(arena, v->dir);

    if (!dir || disk_list(local->disk, dir, arena, &entries, &count, NULL))
        return;
    for (size_t i = 0; i < count; i++)
        if (!slice_ends(slice_str(entries[i].name), SLICE_LIT(RECORD)))
            return;
    pthread_rwlock_wrlock(&local->names);
    for (size_t i = 0; i < count; i++) {
        const char *path = arena_printf(arena, "%s/%s", dir, entries[i].name);

        if (path)
            disk_unlink(local->disk, path, NULL);
    }
    while (strlen(dir) > root && disk_rmdir(local->disk, dir, NULL) == 0)
        *strrchr(dir, '/') = '\0';
    local_changed(local);
    pthread_rwlock_unlock(&local->names);
}

/* Removes what does not count, so that no later change can make it count. */
static int settle(struct local *local, struct arena *arena, struct versions *v, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < v->extra && !rc; i++)
        rc = drop(local, arena, v, &v->list[v->count + i], err);
    v->extra = 0;
    return rc;
}

static int make_dir(struct local *local, const struct versions *v, struct err *err)
{
    int rc;

    pthread_rwlock_wrlock(&local->names); /* or another key's prune could take the folders above */
    rc = disk_mkdirs(local->disk, v->dir, err);
    local_changed(local);
    pthread_rwlock_unlock(&local->names);
    return rc;
}

/* Keeps the latest object beside, under its own id. It stays the latest. */
static int keep_latest(struct local *local, struct arena *arena, const struct versions *v,
                       struct err *err)
{
    struct local_kept kept = {
        .file = arena_printf(arena, "%016" PRIx64 "-%s", (uint64_t)v->latest.seq,
                             strcmp(v->latest.id, "null") ? v->latest.id + SEQ_CHARS : "null")};
    const char *path = kept.file ? file_path(arena, v, &kept, "") : NULL;
    const char *record = kept.file ? file_path(arena, v, &kept, RECORD) : NULL;
    struct buf text = {0};
    int rc = path && record ? make_dir(local, v, err) : ERR_NOMEM;

    json_object_set_new(v->record, "version", json_string(v->latest.id));
    json_object_set_new(v->record, "seq", json_integer(v->latest.seq));
    if (!rc)
        rc = json_print(v->record, 0, &text, err);
    if (!rc)
        rc = disk_write_file(local->disk, record, buf_slice(&text), err);
    if (!rc)
        rc = disk_link(local->disk, v->path, path, err);
    if (rc == ERR_EXISTS)
        rc = 0;
    if (!rc)
        rc = disk_sync_dir(local->disk, v->dir, err);
    local_changed(local);
    buf_deinit(&text);
    return rc;
}

/* Ahead of all others. */
static void new_version(struct local *local, const struct versions *v, bool is_null,
                        struct local_version *out)
{
    uint8_t random[8];
    char hex[17];

    out->seq = clock_wall_us(local->clock);
    if (v->exists && out->seq <= v->latest.seq)
        out->seq = v->latest.seq + 1;
    if (v->count && out->seq <= v->list[0].seq)
        out->seq = v->list[0].seq + 1;
    rand_secret(random, sizeof(random));
    hex_encode(random, sizeof(random), hex);
    if (is_null)
        snprintf(out->id, sizeof(out->id), "null");
    else
        snprintf(out->id, sizeof(out->id), "%016" PRIx64 "%s", (uint64_t)out->seq, hex);
}

/* Where versioning is suspended, what is put or deleted is "null" and replaces an older "null". */
static bool replaces(const struct versions *v, bool suspended)
{
    return v->exists && !(suspended && strcmp(v->latest.id, "null") == 0);
}

int local_version_before_put(struct local *local, const char *bucket, const char *key,
                             const char *from, struct disk_stat *next, struct local_version *made,
                             struct err *err)
{
    bool suspended = local_versioning(local, bucket) == STORE_SUSPENDED;
    struct arena arena = {0};
    struct versions v;
    int rc = load(local, &arena, bucket, key, &v, err);

    if (!rc)
        rc = settle(local, &arena, &v, err);
    if (!rc && replaces(&v, suspended))
        rc = keep_latest(local, &arena, &v, err);
    if (!rc)
        new_version(local, &v, suspended, made);
    /* It may be put beside any of them one day, and records go by size and time. */
    for (size_t i = 0; i < v.count && !rc && v.list[i].seq > made->seq - TICK_US; i++) {
        struct disk_stat stat;
        const char *path = file_path(&arena, &v, &v.list[i], "");

        if (!v.list[i].is_marker && path && disk_stat(local->disk, path, &stat, NULL) == 0)
            rc = local_tell_apart(local, from, &stat, next, err);
    }
    versions_deinit(&v);
    arena_deinit(&arena);
    return rc;
}

int local_version_after_put(struct local *local, const char *bucket, const char *key,
                            struct err *err)
{
    struct arena arena = {0};
    struct versions v;
    int rc;

    if (local_versioning(local, bucket) != STORE_SUSPENDED)
        return 0; /* a new id replaces none */
    rc = load(local, &arena, bucket, key, &v, err);
    if (!rc)
        rc = settle(local, &arena, &v, err);
    if (!rc && v.count == 0)
        prune(local, &arena, bucket, &v);
    versions_deinit(&v);
    arena_deinit(&arena);
    return rc;
}

static int put_marker(struct local *local, struct arena *arena, struct versions *v,
                      const struct local_version *made, struct err *err)
{
    const char *path =
        arena_printf(arena, "%s/%016" PRIx64 "-%s%s", v->dir, (uint64_t)made->seq,
                     strcmp(made->id, "null") ? made->id + SEQ_CHARS : "null", MARKER);
    struct file *file = NULL;
    int rc = path ? make_dir(local, v, err) : ERR_NOMEM;

    if (!rc)
        rc = disk_open(local->disk, &file, path, DISK_WRITE | DISK_CREATE, err);
    if (!rc)
        rc = file_sync(file, err);
    file_close(file);
    if (!rc)
        rc = disk_sync_dir(local->disk, v->dir, err);
    local_changed(local);
    return rc;
}

/* DELETE without a version: a marker becomes the latest. */
static int add_marker(struct local *local, struct arena *arena, const char *bucket, const char *key,
                      struct versions *v, struct store_removed *out, struct err *err)
{
    bool suspended = local_versioning(local, bucket) == STORE_SUSPENDED;
    struct local_version made;
    int rc = settle(local, arena, v, err);

    if (!rc && replaces(v, suspended))
        rc = keep_latest(local, arena, v, err);
    new_version(local, v, suspended, &made);
    if (!rc)
        rc = put_marker(local, arena, v, &made, err);
    if (!rc && v->exists)
        rc = local_unname(local, bucket, key, err);
    if (!rc && suspended) { /* an older "null" */
        versions_deinit(v);
        rc = load(local, arena, bucket, key, v, err);
        if (!rc)
            rc = settle(local, arena, v, err);
    }
    *out = (struct store_removed){.is_marker = true};
    snprintf(out->version, sizeof(out->version), "%s", made.id);
    return rc;
}

static int read_record(struct local *local, struct arena *arena, const struct versions *v,
                       const struct local_kept *kept, json_t **out, struct err *err)
{
    const char *path = file_path(arena, v, kept, RECORD);
    struct buf text = {.max = 64 << 10};
    int rc = path ? disk_read_file(local->disk, path, &text, err) : ERR_NOMEM;

    *out = NULL;
    if (!rc)
        rc = json_parse(buf_slice(&text), out, err);
    buf_deinit(&text);
    return rc;
}

/* A version kept becomes the latest again; what was the latest is gone after that. */
static int put_back(struct local *local, struct arena *arena, const char *bucket, const char *key,
                    const struct versions *v, const struct local_kept *kept, struct err *err)
{
    const char *path = file_path(arena, v, kept, "");
    const char *staged = arena_printf(arena, "%s/back.%" PRIu64, local->store.staging,
                                      __atomic_add_fetch(&local->staged, 1, __ATOMIC_RELAXED));
    struct disk_stat stat;
    json_t *record = NULL;
    int rc = path && staged ? read_record(local, arena, v, kept, &record, err) : ERR_NOMEM;

    if (!rc)
        rc = disk_stat(local->disk, path, &stat, err);
    if (!rc)
        rc = local_attr_put_record(local, bucket, key, v->exists ? &v->stat : NULL, &stat, record,
                                   err);
    if (!rc)
        rc = disk_link(local->disk, path, staged, err);
    if (!rc) {
        rc = local_attr_empty(local, staged, err);
        if (!rc)
            rc = local_name_it(local, arena, bucket, key, staged, false, err);
        if (rc)
            disk_unlink(local->disk, staged, NULL);
    }
    json_decref(record);
    return rc;
}

/* DELETE of one version. */
static int remove_one(struct local *local, struct arena *arena, const char *bucket, const char *key,
                      struct versions *v, const char *version, struct store_removed *out,
                      struct err *err)
{
    const struct local_kept *next = v->count ? &v->list[0] : NULL, *gone = NULL;
    int rc = settle(local, arena, v, err);

    if (rc)
        return rc;
    if (v->exists && strcmp(v->latest.id, version) == 0) {
        rc = next && !next->is_marker ? put_back(local, arena, bucket, key, v, next, err)
                                      : local_unname(local, bucket, key, err);
        gone = next && !next->is_marker ? next : NULL; /* it is the latest now */
    } else {
        for (size_t i = 0; i < v->count && !gone; i++)
            gone = strcmp(v->list[i].id, version) == 0 ? &v->list[i] : NULL;
        out->is_marker = gone && gone->is_marker;
        next = !v->exists && gone == next && v->count > 1 ? &v->list[1] : NULL;
        if (next && next->is_marker)
            next = NULL; /* it is the latest by being the newest */
        if (next)
            rc = put_back(local, arena, bucket, key, v, next, err);
    }
    if (!rc && gone)
        rc = drop(local, arena, v, gone, err);
    if (!rc && gone && next && gone != next)
        rc = drop(local, arena, v, next, err);
    snprintf(out->version, sizeof(out->version), "%s", version);
    return rc;
}

/* `mtime_us` -1: whatever the latest is. */
static int remove_locked(struct local *local, const char *bucket, const char *key,
                         const char *version, int64_t mtime_us, struct store_removed *out,
                         struct err *err)
{
    struct arena arena = {0};
    struct versions v;
    int rc = load(local, &arena, bucket, key, &v, err);

    if (!rc && mtime_us >= 0 && (!v.exists || v.stat.mtime_us != mtime_us))
        rc = err_set(err, v.exists ? ERR_CONFLICT : ERR_NOENT, "it is another by now");
    else if (!rc && !version && local_versioning(local, bucket) == STORE_UNVERSIONED)
        rc = local_unname(local, bucket, key, err);
    else if (!rc)
        rc = version ? remove_one(local, &arena, bucket, key, &v, version, out, err)
                     : add_marker(local, &arena, bucket, key, &v, out, err);
    if (!rc)
        prune(local, &arena, bucket, &v);
    versions_deinit(&v);
    arena_deinit(&arena);
    return rc;
}

static int version_remove(struct store *store, const char *bucket, const char *key,
                          const char *version, struct store_removed *out, struct err *err)
{
    struct local *local = (struct local *)store;
    pthread_mutex_t *lock = local_stripe(local, bucket, key);
    struct store_removed unused;
    int rc = local_check(bucket, key, err);

    out = out ? out : &unused;
    *out = (struct store_removed){.version = ""};
    if (!rc)
        rc = local_bucket_check(local, bucket, err);
    if (rc)
        return rc;
    if (!version && local_versioning(local, bucket) == STORE_UNVERSIONED)
        return local_remove(store, bucket, key, err);
    pthread_mutex_lock(lock);
    rc = remove_locked(local, bucket, key, version, -1, out, err);
    pthread_mutex_unlock(lock);
    return rc ? err_wrap(err, rc, "remove %s/%s", bucket, key) : 0;
}

static int version_expire(struct store *store, const char *bucket, const char *key,
                          int64_t mtime_us, struct err *err)
{
    struct local *local = (struct local *)store;
    pthread_mutex_t *lock = local_stripe(local, bucket, key);
    struct store_removed unused = {.version = ""};
    int rc = local_check(bucket, key, err);

    if (rc)
        return rc;
    pthread_mutex_lock(lock);
    rc = remove_locked(local, bucket, key, NULL, mtime_us, &unused, err);
    pthread_mutex_unlock(lock);
    return rc;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* The version asked for among those that count; NULL: not there. The latest is {.file = NULL}. */
static const struct local_kept *pick(struct arena *arena, const struct versions *v,
                                     const char *version)
{
    struct local_kept *latest = ARENA_NEW(arena, struct local_kept);

    if (v->exists && latest && (!version || strcmp(version, v->latest.id) == 0)) {
        *latest = (struct local_kept){.id = v->latest.id, .seq = v->latest.seq};
        return latest;
    }
    for (size_t i = 0; i < v->count; i++)
        if (!version || strcmp(v->list[i].id, version) == 0)
            return &v->list[i];
    return NULL;
}

static int kept_info(struct local *local, struct arena *arena, const struct versions *v,
                     const struct local_kept *kept, struct store_info *out, struct err *err)
{
    const char *path = file_path(arena, v, kept, kept->is_marker ? MARKER : "");
    struct disk_stat stat;
    json_t *record = NULL;
    int rc = path ? disk_stat(local->disk, path, &stat, err) : ERR_NOMEM;

    *out = (struct store_info){.is_marker = kept->is_marker};
    if (!rc && !kept->is_marker) {
        rc = read_record(local, arena, v, kept, &record, err);
        out->size = stat.size;
        snprintf(out->etag, sizeof(out->etag), "%016" PRIx64 "%016" PRIx64 "-1",
                 (uint64_t)stat.mtime_us, (uint64_t)stat.size);
        local_attr_fill(record, out);
        json_decref(record);
    }
    out->mtime_us = rc ? 0 : kept->is_marker ? kept->seq : stat.mtime_us;
    snprintf(out->version, sizeof(out->version), "%s", kept->id);
    return rc;
}

int local_version_info(struct local *local, struct arena *arena, const char *bucket,
                       const char *key, const struct local_kept *kept, struct store_info *out,
                       struct err *err)
{
    struct versions v = {.dir = version_dir(local, arena, bucket, key)};

    if (!kept->file)
        return local_head(&local->store, bucket, key, out, err);
    return v.dir ? kept_info(local, arena, &v, kept, out, err) : ERR_NOMEM;
}

int local_version_all(struct local *local, struct arena *arena, const char *bucket, const char *key,
                      struct local_kept **out, size_t *count, struct err *err)
{
    struct versions v;
    int rc = load(local, arena, bucket, key, &v, err);

    if (rc)
        return rc;
    *count = 0;
    *out = ARENA_ARRAY(arena, struct local_kept, v.count + 1);
    if (*out && v.exists)
        (*out)[(*count)++] =
            (struct local_kept){.id = arena_strdup(arena, v.latest.id), .seq = v.latest.seq};
    if (*out && v.count) {
        memcpy(*out + *count, v.list, v.count * sizeof(**out));
        *count += v.count;
    }
    versions_deinit(&v);
    return *out ? 0 : err_set(err, ERR_NOMEM, "versions");
}

/* One look: ERR_NOENT when the version is not there now. */
static int look(struct local *local, struct arena *arena, const char *bucket, const char *key,
                const char *version, struct store_info *info, struct file **file, struct err *err)
{
    const struct local_kept *kept;
    struct versions v;
    int rc = load(local, arena, bucket, key, &v, err);

    if (rc)
        return rc;
    kept = pick(arena, &v, version);
    if (!kept) {
        rc = ERR_NOENT;
    } else if (!kept->file) {
        rc = file ? local_open(&local->store, bucket, key, info, file, err)
                  : local_head(&local->store, bucket, key, info, err);
        if (!rc && version && !info->version[0]) /* a bucket that never had versions has one */
            snprintf(info->version, sizeof(info->version), "%s", version);
        if (!rc && version && strcmp(info->version, version)) { /* replaced meanwhile */
            if (file)
                file_close(*file);
            rc = ERR_NOENT;
        }
    } else {
        rc = kept_info(local, arena, &v, kept, info, err);
        if (!rc && file && !kept->is_marker)
            rc = disk_open(local->disk, file, file_path(arena, &v, kept, ""), DISK_READ, err);
    }
    if (rc && file)
        *file = NULL;
    versions_deinit(&v);
    return rc;
}

static int version_open(struct store *store, const char *bucket, const char *key,
                        const char *version, struct store_info *info, struct file **out,
                        struct err *err)
{
    struct local *local = (struct local *)store;
    struct arena arena = {0};
    int rc = local_check(bucket, key, err);

    if (out)
        *out = NULL;
    if (!rc)
        rc = ERR_NOENT;
    /* Between two looks a version may move from one place to the other, once each way. */
    for (int i = 0; i < 3 && rc == ERR_NOENT; i++) {
        arena_reset(&arena);
        rc = look(local, &arena, bucket, key, version, info, out, err);
    }
    arena_deinit(&arena);
    return rc == ERR_NOENT ? err_set(err, rc, "object %s/%s: no such version", bucket, key) : rc;
}

static int version_head(struct store *store, const char *bucket, const char *key,
                        const char *version, struct store_info *info, struct err *err)
{
    return version_open(store, bucket, key, version, info, NULL, err);
}

/* --- tags ------------------------------------------------------------------------------------- */

/* The record of a version, and the version. Caller holds the stripe to change it. */
static int find_record(struct local *local, struct arena *arena, const struct versions *v,
                       const char *version, const struct local_kept **kept, json_t **record,
                       struct err *err)
{
    int rc = 0;

    *record = NULL;
    *kept = pick(arena, v, version);
    if (!*kept || (*kept)->is_marker)
        return err_set(err, *kept ? ERR_UNSUPPORTED : ERR_NOENT, "no such version");
    if ((*kept)->file)
        rc = read_record(local, arena, v, *kept, record, err);
    else
        *record = json_incref(v->record);
    return rc;
}

static int tags_get(struct store *store, const char *bucket, const char *key, const char *version,
                    struct store_info *info, struct buf *out, struct err *err)
{
    struct local *local = (struct local *)store;
    const struct local_kept *kept;
    struct arena arena = {0};
    struct versions v;
    json_t *record = NULL;
    const char *tags;
    int rc = local_check(bucket, key, err);

    if (!rc)
        rc = load(local, &arena, bucket, key, &v, err);
    if (!rc) {
        rc = find_record(local, &arena, &v, version, &kept, &record, err);
        tags = json_string_value(json_object_get(record, "tags"));
        if (!rc && tags)
            rc = buf_append_str(out, tags);
        if (!rc)
            rc = local_version_info(local, &arena, bucket, key, kept, info, err);
        json_decref(record);
        versions_deinit(&v);
    }
    arena_deinit(&arena);
    return rc;
}

static int write_record(struct local *local, struct arena *arena, const char *bucket,
                        const char *key, const struct versions *v, const struct local_kept *kept,
                        json_t *record, struct err *err)
{
    struct buf text = {0};
    const char *path;
    int rc;

    if (!kept->file)
        return local_attr_put_record(local, bucket, key, NULL, &v->stat, record, err);
    path = file_path(arena, v, kept, RECORD);
    rc = path ? json_print(record, 0, &text, err) : ERR_NOMEM;
    if (!rc)
        rc = disk_write_file(local->disk, path, buf_slice(&text), err);
    buf_deinit(&text);
    return rc;
}

static int tags_put(struct store *store, const char *bucket, const char *key, const char *version,
                    const char *tags, struct store_info *info, struct err *err)
{
    struct local *local = (struct local *)store;
    pthread_mutex_t *lock = local_stripe(local, bucket, key);
    const struct local_kept *kept;
    struct arena arena = {0};
    struct versions v;
    json_t *record = NULL;
    int rc = local_check(bucket, key, err);

    if (!rc && tags && strlen(tags) > LOCAL_TAGS_MAX)
        rc = err_set(err, ERR_LIMIT, "tags of %zu bytes", strlen(tags));
    if (rc)
        return rc;
    pthread_mutex_lock(lock);
    rc = load(local, &arena, bucket, key, &v, err);
    if (!rc) {
        rc = find_record(local, &arena, &v, version, &kept, &record, err);
        if (!rc && tags && json_object_set_new(record, "tags", json_string(tags)))
            rc = err_set(err, ERR_INVALID, "tags are not UTF-8");
        else if (!rc && !tags)
            json_object_del(record, "tags");
        if (!rc)
            rc = write_record(local, &arena, bucket, key, &v, kept, record, err);
        if (!rc)
            rc = local_version_info(local, &arena, bucket, key, kept, info, err);
        json_decref(record);
        versions_deinit(&v);
    }
    pthread_mutex_unlock(lock);
    arena_deinit(&arena);
    return rc;
}

/* --- settings --------------------------------------------------------------------------------- */

static enum store_versioning versioning_get(struct store *store, const char *bucket)
{
    return local_versioning((struct local *)store, bucket);
}

static int versioning_put(struct store *store, const char *bucket, enum store_versioning versioning,
                          struct err *err)
{
    if (versioning == STORE_UNVERSIONED)
        return err_set(err, ERR_INVALID, "bucket %s: versions cannot be unkept, only suspended",
                       bucket);
    return local_setting_put(store, bucket, "versioning",
                             versioning == STORE_VERSIONED ? "Enabled" : "Suspended", err);
}

const struct store_version_ops local_version_ops = {
    .setting_get = local_setting_get,
    .setting_put = local_setting_put,
    .versioning = versioning_get,
    .versioning_put = versioning_put,
    .open = version_open,
    .head = version_head,
    .remove = version_remove,
    .expire = version_expire,
    .list = local_version_list,
    .tags_get = tags_get,
    .tags_put = tags_put,
};
