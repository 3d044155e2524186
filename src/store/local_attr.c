/* local_attr.c - etag, content type and metadata, beside the object.
 *
 * An object and its attributes are two files, and power may fail between their renames. So a record
 * names the size and the time of the version it describes and counts for no other. The new record
 * is written first, together with the old one; then the object is renamed into place. Whichever
 * version a crash leaves behind finds its own record.
 *
 * A small object keeps its record in the attribute of its file (local_small.c), which needs neither
 * size nor time, and is looked at first. When the record changes later, with tags, it is written
 * beside the object and the file's own is emptied.
 */
#include <stdio.h>

#include "base/json.h"
#include "store/store_local.h"

/* "ATTRS/BUCKET/DIR/NAME%attr"; `dir` gets the folder. */
static const char *attr_path(struct local *local, struct arena *arena, const char *bucket,
                             const char *key, const char **dir)
{
    struct local_parts parts;
    const char *path = arena_printf(arena, "%s/%s", local->attrs, bucket);

    if (local_parts(arena, slice_str(key), &parts))
        return NULL;
    for (size_t i = 0; i < parts.count && path; i++) {
        *dir = path;
        path = arena_printf(arena, "%s/%s%s", path, parts.list[i].name,
                            i + 1 == parts.count ? "%attr" : "");
    }
    return path;
}

/* The file's records; an empty array when there is none. */
static int load(struct local *local, const char *path, json_t **out, struct err *err)
{
    struct buf text = {.max = 64 << 10};
    int rc = disk_read_file(local->disk, path, &text, err);

    *out = NULL;
    if (!rc)
        rc = json_parse(buf_slice(&text), out, err);
    buf_deinit(&text);
    if (rc == ERR_NOENT || (!rc && !json_is_array(*out))) {
        json_decref(*out);
        *out = json_array();
        rc = *out ? 0 : err_set(err, ERR_NOMEM, "attributes");
    }
    return rc;
}

static bool describes(const json_t *record, const struct disk_stat *stat)
{
    return json_integer_value(json_object_get(record, "size")) == stat->size &&
           json_integer_value(json_object_get(record, "mtime_us")) == stat->mtime_us;
}

static json_t *find(const json_t *records, const struct disk_stat *stat)
{
    for (size_t i = 0; i < json_array_size(records); i++)
        if (describes(json_array_get(records, i), stat))
            return json_array_get(records, i);
    return NULL;
}

static json_t *record_new(const struct disk_stat *stat, const struct store_put_options *options,
                          const struct local_version *version)
{
    json_t *record = json_pack("{s:I, s:I}", "size", (json_int_t)(stat ? stat->size : 0),
                               "mtime_us", (json_int_t)(stat ? stat->mtime_us : 0));
    const struct {
        const char *name, *value;
    } texts[] = {{"etag", options->etag},
                 {"content_type", options->content_type},
                 {"metadata", options->user_metadata},
                 {"tags", options->tags},
                 {"version", version ? version->id : NULL}};

    for (size_t i = 0; i < COUNT_OF(texts) && record; i++)
        if (texts[i].value &&
            json_object_set_new(record, texts[i].name, json_string(texts[i].value))) {
            json_decref(record);
            return NULL;
        }
    if (!stat) {
        json_object_del(record, "size");
        json_object_del(record, "mtime_us");
    }
    if (record && version && json_object_set_new(record, "seq", json_integer(version->seq))) {
        json_decref(record);
        return NULL;
    }
    return record;
}

int local_attr_empty(struct local *local, const char *path, struct err *err)
{
    struct buf own = {.max = 64 << 10};
    struct file *file = NULL;
    int rc = disk_open(local->disk, &file, path, DISK_WRITE, err);

    if (!rc && file_get_attr(file, &own, NULL) == 0 && own.len) {
        rc = file_set_attr(file, slice_of("", 0), err);
        if (!rc)
            rc = file_sync(file, err);
    }
    file_close(file);
    buf_deinit(&own);
    return rc;
}

/* The record now beside the object is of the version that is there already. */
static int drop_own(struct local *local, const char *bucket, const char *key,
                    const struct disk_stat *version, struct err *err)
{
    struct arena arena = {0};
    struct disk_stat stat;
    const char *path;
    int rc = local_find(local, &arena, bucket, key, &path, &stat, NULL);

    if (!rc && stat.size == version->size && stat.mtime_us == version->mtime_us) {
        rc = local_settle(local, bucket, key, err); /* or playing back would bring it again */
        if (!rc)
            rc = local_attr_empty(local, path, err);
    }
    arena_deinit(&arena);
    return rc == ERR_NOENT ? 0 : rc;
}

int local_attr_put_record(struct local *local, const char *bucket, const char *key,
                          const struct disk_stat *now, const struct disk_stat *next, json_t *record,
                          struct err *err)
{
    struct arena arena = {0};
    struct buf text = {0};
    const char *dir = NULL, *path = attr_path(local, &arena, bucket, key, &dir);
    json_t *records = NULL, *old, *both = json_array();
    int rc = path && both && record ? 0 : err_set(err, ERR_NOMEM, "attributes of %s", key);

    if (!rc && (json_object_set_new(record, "size", json_integer(next->size)) ||
                json_object_set_new(record, "mtime_us", json_integer(next->mtime_us))))
        rc = err_set(err, ERR_NOMEM, "attributes of %s", key);
    if (!rc && now)
        rc = load(local, path, &records, err);
    old = !rc && now ? find(records, now) : NULL;
    if (!rc && (json_array_append(both, record) || (old && json_array_append(both, old))))
        rc = err_set(err, ERR_INVALID, "attributes of %s are not UTF-8", key);
    if (!rc)
        rc = json_print(both, 0, &text, err);
    if (!rc) {
        rc = disk_write_file(local->disk, path, buf_slice(&text), err);
        if (rc == ERR_NOENT) { /* the first of its folder */
            rc = disk_mkdirs(local->disk, dir, err);
            if (!rc)
                rc = disk_write_file(local->disk, path, buf_slice(&text), err);
        }
    }
    json_decref(records);
    json_decref(both);
    buf_deinit(&text);
    arena_deinit(&arena);
    if (!rc)
        rc = drop_own(local, bucket, key, next, err);
    return rc;
}

int local_attr_put(struct local *local, const char *bucket, const char *key,
                   const struct disk_stat *now, const struct disk_stat *next,
                   const struct store_put_options *options, const struct local_version *version,
                   struct err *err)
{
    json_t *record = record_new(next, options, version);
    int rc = local_attr_put_record(local, bucket, key, now, next, record, err);

    json_decref(record);
    return rc;
}

/* The record that the file itself carries; NULL: none. */
static int read_own(struct file *file, json_t **out, struct err *err)
{
    struct buf text = {.max = 64 << 10};
    int rc = file_get_attr(file, &text, NULL);

    *out = NULL;
    if (!rc && text.len)
        rc = json_parse(buf_slice(&text), out, err);
    buf_deinit(&text);
    return rc == ERR_NOENT ? 0 : rc;
}

static int find_own(struct local *local, const char *bucket, const char *key,
                    const struct disk_stat *stat, json_t **out, struct err *err)
{
    struct arena arena = {0};
    struct disk_stat found;
    struct file *file = NULL;
    const char *path;
    int rc = local_find(local, &arena, bucket, key, &path, &found, NULL);

    *out = NULL;
    if (!rc)
        rc = disk_open(local->disk, &file, path, DISK_READ, NULL);
    if (!rc)
        rc = file_stat(file, &found, err);
    if (!rc && found.size == stat->size && found.mtime_us == stat->mtime_us)
        rc = read_own(file, out, err);
    file_close(file);
    arena_deinit(&arena);
    return rc == ERR_NOENT ? 0 : rc; /* gone meanwhile: it has no record */
}

/* The version's record, owned by the caller; NULL: it has none. */
static int find_record(struct local *local, const char *bucket, const char *key, struct file *file,
                       const struct disk_stat *stat, json_t **out, struct err *err)
{
    struct arena arena = {0};
    const char *dir, *path;
    json_t *records = NULL;
    int rc = file ? read_own(file, out, err) : find_own(local, bucket, key, stat, out, err);

    if (rc || *out)
        return rc;
    path = attr_path(local, &arena, bucket, key, &dir);
    rc = path ? load(local, path, &records, err) : ERR_NOMEM;
    *out = rc ? NULL : json_incref(find(records, stat));
    json_decref(records);
    arena_deinit(&arena);
    return rc;
}

int local_attr_record(struct local *local, const char *bucket, const char *key,
                      const struct disk_stat *stat, json_t **out, struct err *err)
{
    json_t *found;
    int rc = find_record(local, bucket, key, NULL, stat, &found, err);

    *out = NULL;
    if (!rc)
        *out = found ? json_copy(found) : json_object();
    json_decref(found);
    if (!rc && (!*out || json_object_set_new(*out, "size", json_integer(stat->size)) ||
                json_object_set_new(*out, "mtime_us", json_integer(stat->mtime_us))))
        rc = err_set(err, ERR_NOMEM, "attributes of %s", key);
    return rc;
}

static void copy_text(char *out, size_t size, const json_t *record, const char *name)
{
    const char *text = json_string_value(json_object_get(record, name));

    if (text && strlen(text) < size)
        memcpy(out, text, strlen(text) + 1);
}

/* Tags are looked into for their number alone, and few objects have any. */
void local_attr_fill(const json_t *record, struct store_info *out)
{
    const char *tags = json_string_value(json_object_get(record, "tags"));
    json_t *parsed = NULL;

    copy_text(out->etag, sizeof(out->etag), record, "etag");
    copy_text(out->content_type, sizeof(out->content_type), record, "content_type");
    copy_text(out->metadata, sizeof(out->metadata), record, "metadata");
    copy_text(out->version, sizeof(out->version), record, "version");
    if (tags && json_parse(slice_str(tags), &parsed, NULL) == 0)
        out->tag_count = (int)json_object_size(parsed);
    json_decref(parsed);
}

/* Of a version without a record. */
static void fill_default(const struct disk_stat *stat, struct store_info *out)
{
    out->size = stat->size;
    out->mtime_us = stat->mtime_us;
    out->content_type[0] = out->metadata[0] = out->version[0] = '\0';
    out->tag_count = 0;
    out->is_marker = false;
    /* Ends like a multipart etag, so that nobody takes it for the MD5 of the bytes. */
    snprintf(out->etag, sizeof(out->etag), "%016" PRIx64 "%016" PRIx64 "-1",
             (uint64_t)stat->mtime_us, (uint64_t)stat->size);
}

int local_attr_get_of(struct local *local, const char *bucket, const char *key, struct file *file,
                      const struct disk_stat *stat, struct store_info *out, struct err *err)
{
    json_t *record = NULL;
    int rc = find_record(local, bucket, key, file, stat, &record, err);

    fill_default(stat, out);
    if (!rc && record)
        local_attr_fill(record, out);
    if (!out->version[0] && local_versioning(local, bucket) != STORE_UNVERSIONED)
        snprintf(out->version, sizeof(out->version), "null");
    json_decref(record);
    return rc;
}

int local_attr_get(struct local *local, const char *bucket, const char *key,
                   const struct disk_stat *stat, struct store_info *out, struct err *err)
{
    return local_attr_get_of(local, bucket, key, NULL, stat, out, err);
}

int local_attr_text(const struct store_put_options *options, struct buf *out, struct err *err)
{
    json_t *record = record_new(NULL, options, NULL);
    int rc = record ? 0 : err_set(err, ERR_INVALID, "attributes are not UTF-8");

    if (!rc && json_object_size(record))
        rc = json_print(record, 0, out, err);
    json_decref(record);
    return rc;
}

void local_attr_describe(const struct store_put_options *options, const struct disk_stat *stat,
                         struct store_info *out)
{
    json_t *record = record_new(NULL, options, NULL);

    fill_default(stat, out);
    if (record)
        local_attr_fill(record, out);
    json_decref(record);
}

void local_attr_remove(struct local *local, const char *bucket, const char *key)
{
    struct arena arena = {0};
    const char *dir, *path = attr_path(local, &arena, bucket, key, &dir);

    if (path)
        disk_unlink(local->disk, path, NULL);
    arena_deinit(&arena);
}
