/* local_path.c - keys to paths and back. The rules are in store_local.h. */
#include "base/codec.h"
#include "store/store_local.h"

int local_check(const char *bucket, const char *key, struct err *err)
{
    size_t len = strlen(bucket);

    if (len == 0 || len > 63 || bucket[0] == '.' || bucket[0] == '-')
        return err_set(err, ERR_INVALID, "bucket \"%.100s\": not a bucket name", bucket);
    for (size_t i = 0; i < len; i++) {
        char c = bucket[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            c != '.' && c != '-' && c != '_')
            return err_set(err, ERR_INVALID, "bucket \"%.100s\": not a bucket name", bucket);
    }
    if (!key)
        return 0;
    if (!key[0])
        return err_set(err, ERR_INVALID, "an empty key");
    if (strlen(key) > LOCAL_KEY_MAX)
        return err_set(err, ERR_LIMIT, "key of %zu bytes: at most %d", strlen(key), LOCAL_KEY_MAX);
    return 0;
}

static bool is_plain(uint8_t c)
{
    return c >= 0x20 && c != 0x7f && c != '%';
}

static int add_part(struct arena *arena, struct local_parts *parts, size_t *cap, struct slice name,
                    bool goes_on)
{
    if (parts->count == *cap) {
        struct local_part *list = ARENA_ARRAY(arena, struct local_part, *cap ? *cap * 2 : 8);

        if (!list)
            return ERR_NOMEM;
        if (parts->count)
            memcpy(list, parts->list, parts->count * sizeof(*list));
        parts->list = list;
        *cap = *cap ? *cap * 2 : 8;
    }
    parts->list[parts->count].name =
        arena_printf(arena, "%.*s%s", SLICE_ARG(name), goes_on ? "%+" : "");
    parts->list[parts->count].goes_on = goes_on;
    return parts->list[parts->count++].name ? 0 : ERR_NOMEM;
}

/* One segment is one part, or several when it is too long for a file name. */
static int add_segment(struct arena *arena, struct local_parts *parts, size_t *cap,
                       struct slice segment)
{
    static const char hex[] = "0123456789ABCDEF";
    bool dots = slice_is(segment, ".") || slice_is(segment, "..") || segment.len > LOCAL_NAME_PART;
    uint8_t part[LOCAL_NAME_PART];
    size_t len = 0;
    int rc = 0;

    if (segment.len == 0)
        return add_part(arena, parts, cap, SLICE_LIT("%nil"), false);
    for (size_t i = 0; i < segment.len && !rc; i++) {
        uint8_t c = segment.ptr[i];
        bool plain = is_plain(c) && !(dots && c == '.');

        if (len + (plain ? 1 : 3) > sizeof(part)) {
            rc = add_part(arena, parts, cap, slice_of(part, len), true);
            len = 0;
        }
        if (plain) {
            part[len++] = c;
        } else {
            part[len++] = '%';
            part[len++] = (uint8_t)hex[c >> 4];
            part[len++] = (uint8_t)hex[c & 15];
        }
    }
    return rc ? rc : add_part(arena, parts, cap, slice_of(part, len), false);
}

int local_parts(struct arena *arena, struct slice key, struct local_parts *out)
{
    size_t cap = 0;

    *out = (struct local_parts){0};
    for (;;) {
        const uint8_t *slash = key.len ? memchr(key.ptr, '/', key.len) : NULL;
        size_t len = slash ? (size_t)(slash - key.ptr) : key.len;
        int rc = add_segment(arena, out, &cap, slice_of(key.ptr, len));

        if (rc || !slash)
            return rc;
        key = slice_of(slash + 1, key.len - len - 1);
    }
}

int local_unescape(struct arena *arena, const char *name, size_t len, struct slice *out)
{
    uint8_t *text = arena_alloc(arena, len + 1);
    size_t count = 0;

    if (!text)
        return ERR_NOMEM;
    if (len == 4 && memcmp(name, "%nil", 4) == 0)
        len = 0;
    for (size_t i = 0; i < len; i++) {
        if (name[i] == '%') {
            if (len - i < 3 || hex_decode(slice_of(name + i + 1, 2), &text[count]))
                return ERR_CORRUPT;
            i += 2;
            count++;
        } else {
            text[count++] = (uint8_t)name[i];
        }
    }
    *out = slice_of(text, count);
    return 0;
}

/* "DIR/NAME" in one of its forms, when it exists as what is wanted; NULL otherwise. */
static const char *look(struct local *local, struct arena *arena, const char *dir, const char *name,
                        const char *form, bool want_dir, struct disk_stat *stat, int *rc)
{
    const char *path = arena_printf(arena, "%s/%s%s", dir, name, form);

    if (!path) {
        *rc = ERR_NOMEM;
        return NULL;
    }
    *rc = disk_stat(local->disk, path, stat, NULL);
    if (*rc == ERR_NOENT)
        *rc = 0;
    else if (*rc == 0 && stat->is_dir == want_dir)
        return path;
    return NULL;
}

/* In `dir`, the folder or the object `name`, whichever form it has; NULL: neither. */
static const char *look_both(struct local *local, struct arena *arena, const char *dir,
                             const struct local_part *part, bool want_dir, struct disk_stat *stat,
                             int *rc)
{
    const char *path = look(local, arena, dir, part->name, "", want_dir, stat, rc);

    if (path || *rc || part->goes_on)
        return path;
    return look(local, arena, dir, part->name, want_dir ? "%dir" : "%obj", want_dir, stat, rc);
}

static const char *join_in(const char *root, struct arena *arena, const char *bucket,
                           const struct local_parts *parts, size_t count)
{
    struct buf path = {.max = 16384};
    char *text = NULL;
    int rc = buf_printf(&path, "%s/%s", root, bucket);

    for (size_t i = 0; i < count && !rc; i++)
        rc = buf_printf(&path, "/%s", parts->list[i].name);
    if (!rc)
        text = arena_cstr(arena, buf_slice(&path));
    buf_deinit(&path);
    return text;
}

static const char *join(struct local *local, struct arena *arena, const char *bucket,
                        const struct local_parts *parts, size_t count)
{
    return join_in(local->objects, arena, bucket, parts, count);
}

int local_bucket_check(struct local *local, const char *bucket, struct err *err)
{
    struct arena arena = {0};
    struct disk_stat stat;
    const char *path = arena_printf(&arena, "%s/%s", local->objects, bucket);
    int rc = path ? disk_stat(local->disk, path, &stat, err) : ERR_NOMEM;

    if (rc == ERR_NOENT || (!rc && !stat.is_dir))
        rc = err_set(err, ERR_NOENT, "bucket %s: no such bucket", bucket);
    arena_deinit(&arena);
    return rc;
}

int local_guess(struct local *local, struct arena *arena, const char *bucket, const char *key,
                const char **path, struct err *err)
{
    struct local_parts parts;
    int rc = local_check(bucket, key, err);

    if (rc)
        return rc;
    rc = local_parts(arena, slice_str(key), &parts);
    *path = rc ? NULL : join(local, arena, bucket, &parts, parts.count);
    return *path ? 0 : err_set(err, ERR_NOMEM, "object %s", key);
}

/* Nothing has the plain name. When its folder is there in the plain form, only the object's other
 * form is left to look for; else every level has to be looked at. */
static bool is_surely_absent(struct local *local, struct arena *arena, const char *bucket,
                             const struct local_parts *parts, const char *plain)
{
    const char *dir = join(local, arena, bucket, parts, parts->count - 1);
    const char *other = arena_printf(arena, "%s%%obj", plain);
    struct disk_stat stat;

    return dir && other && disk_stat(local->disk, dir, &stat, NULL) == 0 && stat.is_dir &&
           disk_stat(local->disk, other, &stat, NULL) == ERR_NOENT;
}

int local_find(struct local *local, struct arena *arena, const char *bucket, const char *key,
               const char **path, struct disk_stat *stat, struct err *err)
{
    struct local_parts parts;
    int rc = local_check(bucket, key, err);

    if (rc)
        return rc;
    rc = local_parts(arena, slice_str(key), &parts);
    *path = rc ? NULL : join(local, arena, bucket, &parts, parts.count);
    if (!*path)
        return err_set(err, ERR_NOMEM, "object %s", key);
    rc = disk_stat(local->disk, *path, stat, err);
    if (rc == 0 && !stat->is_dir)
        return 0; /* nearly always */
    if (rc && rc != ERR_NOENT)
        return rc;
    if (rc == ERR_NOENT && is_surely_absent(local, arena, bucket, &parts, *path))
        return err_set(err, ERR_NOENT, "object %s/%s: no such object", bucket, key);
    *path = join(local, arena, bucket, &parts, 0);
    rc = *path ? 0 : ERR_NOMEM;
    for (size_t i = 0; i < parts.count && *path && !rc; i++)
        *path = look_both(local, arena, *path, &parts.list[i], i + 1 < parts.count, stat, &rc);
    if (rc)
        return err_set(err, rc, "object %s/%s", bucket, key);
    return *path ? 0 : err_set(err, ERR_NOENT, "object %s/%s: no such object", bucket, key);
}

int local_find_dir(struct local *local, struct arena *arena, const char *root, const char *bucket,
                   struct slice prefix, const char **path, struct err *err)
{
    struct local_parts parts = {0};
    struct disk_stat stat;
    int rc = 0;

    if (prefix.len)
        rc = local_parts(arena, slice_of(prefix.ptr, prefix.len - 1), &parts);
    *path = rc ? NULL : join_in(root, arena, bucket, &parts, 0);
    if (!*path)
        return err_set(err, ERR_NOMEM, "list %s", bucket);
    for (size_t i = 0; i < parts.count && *path && !rc; i++)
        *path = look_both(local, arena, *path, &parts.list[i], true, &stat, &rc);
    if (rc)
        return err_set(err, rc, "list %s", bucket);
    return *path ? 0 : err_set(err, ERR_NOENT, "no such folder");
}

/* The folder `part` in `dir`: found, or made in the form that is free. */
static int make_dir(struct local *local, struct arena *arena, const char *dir,
                    const struct local_part *part, const char **out, struct err *err)
{
    const char *plain = arena_printf(arena, "%s/%s", dir, part->name);
    struct disk_stat stat;
    int rc = 0;

    *out = look_both(local, arena, dir, part, true, &stat, &rc);
    if (*out)
        return 0;
    if (rc || !plain)
        return err_set(err, rc ? rc : ERR_NOMEM, "folder %s", dir);
    *out = disk_exists(local->disk, plain) ? arena_printf(arena, "%s%%dir", plain) : plain;
    if (!*out)
        return err_set(err, ERR_NOMEM, "folder %s", dir);
    return disk_mkdir_sync(local->disk, *out, err);
}

int local_make(struct local *local, struct arena *arena, const char *bucket, const char *key,
               const char **path, struct err *err)
{
    struct local_parts parts;
    const char *dir, *plain;
    struct disk_stat stat;
    int rc = local_parts(arena, slice_str(key), &parts);

    dir = rc ? NULL : join(local, arena, bucket, &parts, parts.count - 1);
    if (!dir)
        return err_set(err, ERR_NOMEM, "object %s", key);
    rc = disk_stat(local->disk, dir, &stat, NULL);
    if (rc || !stat.is_dir) { /* else the folders are all there in their plain form */
        dir = join(local, arena, bucket, &parts, 0);
        rc = dir ? local_bucket_check(local, bucket, err) : ERR_NOMEM;
        for (size_t i = 0; i + 1 < parts.count && !rc; i++)
            rc = make_dir(local, arena, dir, &parts.list[i], &dir, err);
        if (rc)
            return rc;
    }
    *path = look_both(local, arena, dir, &parts.list[parts.count - 1], false, &stat, &rc);
    if (*path || rc)
        return rc;
    plain = arena_printf(arena, "%s/%s", dir, parts.list[parts.count - 1].name);
    if (plain)
        *path = disk_exists(local->disk, plain) ? arena_printf(arena, "%s%%obj", plain) : plain;
    return *path ? 0 : err_set(err, ERR_NOMEM, "object %s", key);
}
