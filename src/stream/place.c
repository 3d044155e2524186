/* place.c - the folders that savepoints and copies of checkpoints are: local ones or
 * s3://BUCKET/KEY, their files and their `_metadata`. */
#include "stream/place.h"

#include <stdio.h>

#include "base/codec.h"
#include "store/store.h"

#define COPY_MAX ((size_t)1 << 20)

/* Names may hold anything and be of any length. */
static void folder_of(const char *pipeline, size_t shard, char *folder, size_t size)
{
    int len = snprintf(folder, size, "%016" PRIx64, hash64(pipeline, strlen(pipeline), 0));

    if (shard)
        snprintf(folder + len, size - (size_t)len, ".%zu", shard);
}

void state_folder(const struct stream_engine_options *options, const char *job_id,
                  const char *pipeline, size_t shard, char *path, size_t size)
{
    char folder[40];

    folder_of(pipeline, shard, folder, sizeof(folder));
    snprintf(path, size, "%s/%s/%s", options->state_dir, job_id, folder);
}

static bool is_remote(const char *path)
{
    return !strncmp(path, "s3", 2) && strstr(path, "://");
}

const char *place_plain(const char *path)
{
    return strncmp(path, "file://", 7) ? path : path + 7;
}

/* ---- bytes ---- */

static int copy(struct file *from, struct disk *disk, const char *to, struct err *err)
{
    uint8_t *piece = malloc(COPY_MAX);
    struct file *out = NULL;
    int64_t pos = 0;
    size_t got = 1;
    int rc = piece ? disk_open(disk, &out, to, DISK_CREATE | DISK_WRITE | DISK_TRUNCATE, err)
                   : err_set(err, ERR_NOMEM, "copy");

    while (!rc && got) {
        rc = file_pread(from, piece, COPY_MAX, pos, &got, err);
        if (!rc && got)
            rc = file_pwrite(out, piece, got, pos, err);
        pos += (int64_t)got;
    }
    if (!rc)
        rc = file_sync(out, err);
    file_close(out);
    free(piece);
    return rc;
}

static int copy_file(struct disk *disk, const char *path, const char *to, struct err *err)
{
    struct file *from = NULL;
    int rc = disk_open(disk, &from, path, DISK_READ, err);

    if (!rc)
        rc = copy(from, disk, to, err);
    file_close(from);
    return rc;
}

int place_init(struct place *place, const struct stream_engine_options *o, const char *path,
               struct err *err)
{
    size_t len;

    *place = (struct place){.options = o, .remote = is_remote(path)};
    len = (size_t)snprintf(place->path, sizeof(place->path), "%s", place_plain(path));
    if (len >= sizeof(place->path))
        return err_set(err, ERR_LIMIT, "the savepoint's path is too long: %s", path);
    while (len > 1 && place->path[len - 1] == '/')
        place->path[--len] = '\0';
    strcpy(place->files, place->path);
    if (place->remote ? !o->store : !o->disk)
        return err_set(err, ERR_UNSUPPORTED, "there is no place for savepoints at %s", path);
    return 0;
}

/* A file of the state folder becomes PATH/folder/name. */
int place_keep_file(const struct place *place, const char *from, const char *folder,
                    const char *name, struct err *err)
{
    struct disk *disk = place->options->disk;
    char to[4096], part[4096];
    int64_t size;
    int rc;

    if (!place->remote) {
        snprintf(to, sizeof(to), "%s/%s", place->files, folder);
        rc = disk_mkdirs(disk, to, err);
        snprintf(part, sizeof(part), "%s/%s/%s.part", place->files, folder, name);
        snprintf(to, sizeof(to), "%s/%s/%s", place->files, folder, name);
        if (!rc)
            rc = copy_file(disk, from, part, err);
        return rc ? rc : disk_rename(disk, part, to, err);
    }
    snprintf(to, sizeof(to), "%s.savepoint", from); /* the store takes the file that it is given */
    rc = copy_file(disk, from, to, err);
    if (!rc) {
        char location[4096];

        snprintf(location, sizeof(location), "%s/%s/%s", place->files, folder, name);
        rc = store_put_file_at(place->options->store, location, to, &size, err);
    }
    if (rc)
        (void)disk_unlink(disk, to, NULL);
    return rc;
}

int place_take_file(const struct place *place, const char *folder, const char *name, const char *to,
                    struct err *err)
{
    struct store_info info;
    struct arena arena = {0};
    const char *bucket, *key;
    struct file *file = NULL;
    char from[2048];
    int rc;

    snprintf(from, sizeof(from), "%s/%s/%s", place->files, folder, name);
    if (!place->remote)
        return copy_file(place->options->disk, from, to, err);
    rc = store_split(from, &arena, &bucket, &key, err);
    if (!rc)
        rc =
            place->options->store->ops->open(place->options->store, bucket, key, &info, &file, err);
    if (!rc)
        rc = copy(file, place->options->disk, to, err);
    file_close(file);
    arena_deinit(&arena);
    return rc;
}

int place_keep_metadata(const struct place *place, const json_t *root, struct err *err)
{
    struct buf text = {0};
    char to[2048];
    int rc = json_print(root, 2, &text, err);

    snprintf(to, sizeof(to), "%s/_metadata", place->path);
    if (!rc && !place->remote)
        rc = disk_mkdirs(place->options->disk, place->path, err);
    if (!rc)
        rc = place->remote ? store_put_at(place->options->store, to, buf_slice(&text), err)
                           : disk_write_file(place->options->disk, to, buf_slice(&text), err);
    buf_deinit(&text);
    return rc;
}

int place_share(struct place *place, struct err *err)
{
    const char *slash = strrchr(place->path, '/');
    size_t len = slash ? (size_t)(slash - place->path) : 0;

    if (!slash || snprintf(place->files, sizeof(place->files), "%.*s/shared", (int)len,
                           place->path) >= (int)sizeof(place->files))
        return err_set(err, ERR_LIMIT, "no place beside %s", place->path);
    return 0;
}

int place_take_metadata(struct place *place, json_t **root, struct err *err)
{
    struct buf text = {0};
    char from[2048];
    int64_t version = 0;
    int rc;

    snprintf(from, sizeof(from), "%s/_metadata", place->path);
    rc = place->remote ? store_get_at(place->options->store, from, &text, err)
                       : disk_read_file(place->options->disk, from, &text, err);
    if (!rc)
        rc = json_parse(buf_slice(&text), root, err);
    buf_deinit(&text);
    if (!rc)
        rc = json_get_i64(*root, "version", "savepoint", &version, err);
    if (!rc && version != PLACE_VERSION)
        rc = err_set(err, ERR_UNSUPPORTED, "it is of version %" PRId64 ", and %d is known", version,
                     PLACE_VERSION);
    if (!rc && json_is_true(json_object_get(*root, "shared")))
        rc = place_share(place, err);
    return rc ? err_wrap(err, rc, "savepoint %s", place->path) : 0;
}

/* ---- which files ---- */

static int each_named(const json_t *manifest, const char *folder, file_fn *fn, void *arg,
                      struct err *err)
{
    const char *name;
    json_t *files;
    int64_t bytes;
    int rc = json_get_arr(manifest, "files", "state", &files, err);

    for (size_t i = 0; !rc && i < json_array_size(files); i++) {
        rc = json_get_str(json_array_get(files, i), "name", "state file", &name, err);
        if (!rc)
            rc = json_get_i64(json_array_get(files, i), "bytes", "state file", &bytes, err);
        if (!rc && (strchr(name, '/') || strlen(name) > 100))
            rc = err_set(err, ERR_CORRUPT, "a state file is called '%s'", name);
        if (!rc)
            rc = fn(arg, folder, name, bytes, err);
    }
    return rc;
}

int place_each_file(const char *pipeline, const char *manifest, file_fn *fn, void *arg,
                    struct err *err)
{
    json_t *root = NULL;
    const json_t *states;
    char folder[40];
    int rc = json_parse(slice_str(manifest), &root, err);

    states = rc ? NULL : json_object_get(root, "states");
    if (!rc && !states) {
        folder_of(pipeline, 0, folder, sizeof(folder));
        rc = each_named(root, folder, fn, arg, err);
    }
    for (size_t i = 0; !rc && i < json_array_size(states); i++) {
        folder_of(pipeline, i, folder, sizeof(folder));
        rc = each_named(json_array_get(states, i), folder, fn, arg, err);
    }
    json_decref(root);
    return rc;
}

/* ---- which places ---- */

static int list_remote(const struct stream_engine_options *o, const char *dir, const char *prefix,
                       struct arena *arena, struct store_list *out, struct err *err)
{
    const char *bucket, *key, *begin;
    char location[2048];
    int rc;

    snprintf(location, sizeof(location), "%s/%s", dir, prefix);
    rc = store_split(location, arena, &bucket, &key, err);
    if (rc)
        return rc;
    rc = o->store->ops->list(o->store, bucket, key, "/", NULL, 1000, arena, out, err);
    for (size_t i = 0; i < out->count && !rc; i++) {
        char *name = arena_strdup(arena, out->entries[i].key);

        if (!name)
            return err_set(err, ERR_NOMEM, "places");
        if (*name && name[strlen(name) - 1] == '/')
            name[strlen(name) - 1] = '\0';
        begin = strrchr(name, '/');
        out->entries[i].key = begin ? begin + 1 : name;
    }
    return rc;
}

static int list_local(const struct stream_engine_options *o, const char *dir, struct arena *arena,
                      struct store_list *out, struct err *err)
{
    struct disk_entry *entries = NULL;
    size_t count = 0;
    int rc = disk_list(o->disk, dir, arena, &entries, &count, err);

    out->entries = rc ? NULL : ARENA_ARRAY(arena, struct store_entry, count + 1);
    if (!rc && !out->entries)
        rc = err_set(err, ERR_NOMEM, "places");
    for (size_t i = 0; i < count && !rc; i++)
        if (entries[i].is_dir)
            out->entries[out->count++] =
                (struct store_entry){.key = entries[i].name, .is_prefix = true};
    return rc;
}

int place_list(const struct stream_engine_options *o, const char *dir, const char *prefix,
               struct arena *arena, const char ***names, size_t *count, struct err *err)
{
    struct store_list list = {0};
    bool remote = is_remote(dir);
    int rc = 0;

    *count = 0;
    if (remote ? !o->store : !o->disk)
        return 0;
    rc = remote ? list_remote(o, dir, prefix, arena, &list, err)
                : list_local(o, place_plain(dir), arena, &list, err);
    if (rc)
        return rc == ERR_NOENT ? 0 : rc;
    *names = ARENA_ARRAY(arena, const char *, list.count + 1);
    if (!*names)
        return err_set(err, ERR_NOMEM, "places");
    for (size_t i = 0; i < list.count; i++)
        if (list.entries[i].is_prefix && !strncmp(list.entries[i].key, prefix, strlen(prefix)))
            (*names)[(*count)++] = list.entries[i].key;
    return 0;
}

void place_remove(const struct place *place, const char *path)
{
    if (place->remote)
        (void)store_remove_at(place->options->store, path, NULL);
    else
        (void)disk_unlink(place->options->disk, path, NULL);
}
