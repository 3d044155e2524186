/* fsck.c - the walk from the metadata file down to the names of all files. See fsck.h. */
#include <stdarg.h>
#include <stdio.h>

#include "base/codec.h"
#include "lake/fsck_int.h"

#define LIST_PAGE 1000

int fsck_nomem(struct fsck *f)
{
    return err_set(f->err, ERR_NOMEM, "fsck");
}

int fsck_say(struct fsck *f, bool damage, const char *file, const char *fmt, ...)
{
    char text[600];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    ++*(damage ? &f->out->damages : &f->out->notes);
    return f->options->say ? f->options->say(f->options->arg, damage, file, text, f->err) : 0;
}

static int name(struct fsck *f, const char *path)
{
    const char *copy;

    if (!path || path_set_has(&f->named, path))
        return 0;
    copy = arena_strdup(&f->arena, path);
    return copy && path_set_add(&f->named, copy) >= 0 ? 0 : fsck_nomem(f);
}

/* What the store says of a file: ERR_NOENT and a wrong length are findings, and `*whole` false. */
static int check_there(struct fsck *f, const char *path, int64_t length, const char *what,
                       bool *whole)
{
    struct store *store = lake_store(f->lake);
    struct store_info info;
    struct arena arena = {0};
    const char *bucket, *key;
    struct err err = {0};
    int rc = store_split(path, &arena, &bucket, &key, &err);

    *whole = false;
    rc = rc ? rc : store->ops->head(store, bucket, key, &info, &err);
    arena_deinit(&arena);
    if (rc == ERR_NOENT)
        return fsck_say(f, true, path, "%s is not there", what);
    if (rc)
        return fsck_say(f, true, path, "%s cannot be looked at: %s", what, err.text);
    if (length >= 0 && info.size != length)
        return fsck_say(f, true, path, "%s has %" PRId64 " bytes, recorded are %" PRId64, what,
                        info.size, length);
    *whole = true;
    return 0;
}

/* ---- live files by path ---- */

static struct fsck_file **slot_of(struct fsck_file **files, size_t cap, const char *path)
{
    size_t i = hash64(path, strlen(path), 0) & (cap - 1);

    while (files[i] && strcmp(files[i]->path, path) != 0)
        i = (i + 1) & (cap - 1);
    return &files[i];
}

struct fsck_file *fsck_find(struct fsck *f, const char *path)
{
    return f->file_cap ? *slot_of(f->files, f->file_cap, path) : NULL;
}

static int grow_files(struct fsck *f)
{
    size_t cap = f->file_cap ? f->file_cap * 2 : 1024;
    struct fsck_file **more = ARENA_ARRAY(&f->arena, struct fsck_file *, cap);

    if (!more)
        return fsck_nomem(f);
    for (size_t i = 0; i < f->file_cap; i++)
        if (f->files[i])
            *slot_of(more, cap, f->files[i]->path) = f->files[i];
    f->files = more;
    f->file_cap = cap;
    return 0;
}

/* Vectors share a Puffin file: told apart by their place in it. */
static const char *key_of(struct fsck *f, const struct lake_data_file *file)
{
    return file->content_pos >= 0
               ? arena_printf(&f->arena, "%s#%" PRId64, file->path, file->content_pos)
               : file->path;
}

static int remember(struct fsck *f, const struct lake_data_file *from, struct fsck_file **out,
                    bool *fresh)
{
    const char *key = key_of(f, from);
    struct fsck_file *file = key ? fsck_find(f, key) : NULL;

    *out = file;
    *fresh = false;
    if (!key)
        return fsck_nomem(f);
    if (file)
        return 0;
    file = ARENA_NEW(&f->arena, struct fsck_file);
    if (!file || lake_data_file_copy(&f->arena, &file->file, from) ||
        (f->file_count * 2 >= f->file_cap && grow_files(f)))
        return fsck_nomem(f);
    file->path = from->content_pos >= 0 ? key : file->file.path;
    file->rows = from->record_count;
    *slot_of(f->files, f->file_cap, file->path) = file;
    f->file_count++;
    *out = file;
    *fresh = true;
    return 0;
}

/* ---- entries ---- */

/* Spec, "Deletion Vectors": at most one for a data file in a snapshot. */
static int check_only_vector(struct fsck *f, const struct lake_data_file *d, size_t snapshot)
{
    struct lake_data_file target = {.format = "", .content_pos = -1};
    struct fsck_file *mark;
    bool fresh;
    int rc;

    target.path = arena_printf(&f->arena, "the vector of %s", d->referenced_data_file);
    if (!target.path)
        return fsck_nomem(f);
    rc = remember(f, &target, &mark, &fresh);
    if (!rc && !fresh && mark->seen_in == snapshot)
        rc = fsck_say(f, true, d->path, "is the second deletion vector of %s in one snapshot",
                      d->referenced_data_file);
    if (!rc)
        mark->seen_in = snapshot;
    return rc;
}

static int check_live(struct fsck *f, const struct lake_entry *entry, size_t snapshot)
{
    const struct lake_data_file *d = &entry->file;
    struct fsck_file *file;
    bool fresh;
    int rc = remember(f, d, &file, &fresh);

    if (!rc && d->content == LAKE_POSITION_DELETES && d->content_pos >= 0 &&
        d->referenced_data_file)
        rc = check_only_vector(f, d, snapshot);
    if (rc)
        return rc;
    if (!fresh && file->seen_in == snapshot)
        rc = fsck_say(f, true, d->path, "is named twice by one snapshot: its rows count twice");
    file->seen_in = snapshot;
    if (rc || !fresh)
        return rc;
    rc = check_there(f, d->path, d->file_bytes, d->content ? "delete file" : "data file",
                     &file->whole);
    if (d->content == LAKE_DATA) {
        f->out->data_files++;
        f->out->rows += d->record_count;
        f->out->bytes += d->file_bytes;
    } else if (d->content_pos >= 0) {
        f->out->vectors++;
    } else {
        f->out->delete_files++;
    }
    if (!rc && d->record_count < 0)
        rc = fsck_say(f, true, d->path, "is recorded with %" PRId64 " rows", d->record_count);
    return rc;
}

static int check_entry(struct fsck *f, const struct lake_manifest_file *line,
                       const struct lake_entry *raw, size_t snapshot)
{
    struct lake_entry entry = *raw;
    int rc = name(f, entry.file.path);

    lake_entry_inherit(&entry, line);
    if (rc || entry.status == LAKE_DELETED)
        return rc; /* an older snapshot that may be gone named it */
    if ((line->content == 0) != (entry.file.content == LAKE_DATA))
        return fsck_say(f, true, line->path,
                        "holds %s, which belongs in the other kind of manifest", entry.file.path);
    if (f->m->format_version >= 2 && entry.sequence_number > line->sequence_number)
        rc = fsck_say(f, true, line->path,
                      "gives %s the sequence number %" PRId64 ", its own is %" PRId64,
                      entry.file.path, entry.sequence_number, line->sequence_number);
    if (!rc && f->m->format_version >= 2 && entry.sequence_number < line->min_sequence_number)
        rc = fsck_say(f, true, line->path,
                      "holds %s of sequence number %" PRId64 ", below the least, %" PRId64
                      ", that its list records",
                      entry.file.path, entry.sequence_number, line->min_sequence_number);
    return rc ? rc : check_live(f, &entry, snapshot);
}

/* ---- manifests ---- */

static int check_counts(struct fsck *f, const struct lake_manifest_file *line,
                        const struct lake_manifest *manifest)
{
    static const char *const words[] = {"kept", "added", "deleted"};
    const int64_t files[] = {line->existing_files, line->added_files, line->deleted_files};
    const int64_t rows[] = {line->existing_rows, line->added_rows, line->deleted_rows};
    int64_t had_files[3] = {0}, had_rows[3] = {0};
    int rc = 0;

    for (size_t i = 0; i < manifest->entry_count; i++) {
        had_files[manifest->entries[i].status]++;
        had_rows[manifest->entries[i].status] += manifest->entries[i].file.record_count;
    }
    for (int i = 0; i < 3 && !rc; i++) { /* -1: v1 lists need not say */
        if (files[i] >= 0 && files[i] != had_files[i])
            rc = fsck_say(f, true, line->path, "has %" PRId64 " %s files, its list says %" PRId64,
                          had_files[i], words[i], files[i]);
        else if (rows[i] >= 0 && rows[i] != had_rows[i])
            rc = fsck_say(f, true, line->path, "has %" PRId64 " %s rows, its list says %" PRId64,
                          had_rows[i], words[i], rows[i]);
    }
    return rc;
}

static int check_line(struct fsck *f, const struct lake_snapshot *s,
                      const struct lake_manifest_file *line)
{
    bool v2 = f->m->format_version >= 2 && line->sequence_number > 0;

    if (!lake_metadata_spec_by_id(f->m, line->spec_id))
        return fsck_say(f, true, line->path, "is of partition spec %" PRId32 ", which is gone",
                        line->spec_id);
    if (v2 && line->sequence_number > s->sequence_number)
        return fsck_say(f, true, line->path,
                        "has sequence number %" PRId64 ", later than its snapshot's %" PRId64,
                        line->sequence_number, s->sequence_number);
    if (v2 && line->min_sequence_number > line->sequence_number)
        return fsck_say(f, true, line->path,
                        "has a least sequence number %" PRId64 " above its own, %" PRId64,
                        line->min_sequence_number, line->sequence_number);
    return 0;
}

static int walk_manifest(struct fsck *f, const struct lake_snapshot *s, size_t number,
                         const struct lake_manifest_file *line)
{
    struct lake_manifest *manifest;
    struct err err = {0};
    bool whole, fresh = !path_set_has(&f->walked, line->path);
    const char *copy;
    int rc = check_line(f, s, line);

    if (!rc && fresh) {
        rc = name(f, line->path);
        copy = arena_strdup(&f->arena, line->path);
        if (!copy || path_set_add(&f->walked, copy) < 0)
            return fsck_nomem(f);
        f->out->manifests++;
        rc = rc ? rc : check_there(f, line->path, line->length, "manifest", &whole);
        if (rc || !whole)
            return rc;
        cache_drop(f->lake, line->path); /* what lies in the store, not what is remembered of it */
    }
    if (rc || !lake_metadata_spec_by_id(f->m, line->spec_id))
        return rc;
    if (lake_manifest_load(f->lake, f->m, line, &manifest, &err))
        return fresh ? fsck_say(f, true, line->path, "does not read: %s", err.text) : 0;
    if (fresh)
        rc = check_counts(f, line, manifest);
    for (size_t i = 0; i < manifest->entry_count && !rc; i++)
        rc = check_entry(f, line, &manifest->entries[i], number);
    lake_manifest_free(manifest);
    return rc;
}

/* ---- snapshots ---- */

static int check_snapshot(struct fsck *f, const struct lake_snapshot *s)
{
    const struct lake_snapshot *parent =
        s->parent_id < 0 ? NULL : lake_metadata_snapshot_by_id(f->m, s->parent_id);
    const char *file = s->manifest_list ? s->manifest_list : f->m->location;
    int rc = 0;

    if (s->schema_id >= 0 && !lake_metadata_schema_by_id(f->m, s->schema_id))
        rc = fsck_say(f, true, file, "snapshot %" PRId64 " is of schema %" PRId32 ", which is gone",
                      s->id, s->schema_id);
    if (!rc && s->sequence_number > f->m->last_sequence_number)
        rc = fsck_say(f, true, file,
                      "snapshot %" PRId64 " has sequence number %" PRId64
                      ", the table's last is %" PRId64,
                      s->id, s->sequence_number, f->m->last_sequence_number);
    if (!rc && parent && f->m->format_version >= 2 && s->sequence_number > 0 &&
        parent->sequence_number >= s->sequence_number)
        rc = fsck_say(f, true, file,
                      "snapshot %" PRId64 " has sequence number %" PRId64
                      ", no later than its parent's %" PRId64,
                      s->id, s->sequence_number, parent->sequence_number);
    return rc;
}

static int walk_snapshot(struct fsck *f, const struct lake_snapshot *s, size_t number)
{
    struct lake_manifest_list *list;
    struct err err = {0};
    bool whole = true;
    int rc = check_snapshot(f, s);

    f->out->snapshots++;
    if (!rc && s->manifest_list) {
        rc = name(f, s->manifest_list);
        f->out->manifest_lists++;
        rc = rc ? rc : check_there(f, s->manifest_list, -1, "manifest list", &whole);
    }
    cache_drop(f->lake, list_cache_key(f->m, s, &f->arena));
    if (rc || !whole)
        return rc;
    if (lake_manifest_list_load(f->lake, f->m, s, &list, &err))
        return fsck_say(f, true, s->manifest_list ? s->manifest_list : f->m->location,
                        "snapshot %" PRId64 " does not read: %s", s->id, err.text);
    for (size_t i = 0; i < list->file_count && !rc; i++)
        rc = walk_manifest(f, s, number, &list->files[i]);
    lake_manifest_list_free(list);
    return rc;
}

static int check_refs(struct fsck *f, const char *location)
{
    int rc = 0;

    f->out->refs = (int64_t)f->m->branch_count;
    for (size_t i = 0; i < f->m->branch_count && !rc; i++)
        if (!lake_metadata_snapshot_by_id(f->m, f->m->branches[i].snapshot_id))
            rc = fsck_say(f, true, location, "%s %s names snapshot %" PRId64 ", which is gone",
                          f->m->branches[i].is_tag ? "tag" : "branch", f->m->branches[i].name,
                          f->m->branches[i].snapshot_id);
    if (!rc && f->m->current_snapshot_id >= 0 && !lake_metadata_snapshot(f->m))
        rc = fsck_say(f, true, location, "the current snapshot, %" PRId64 ", is gone",
                      f->m->current_snapshot_id);
    return rc;
}

/* Older metadata files may be gone: nothing reads them but people who look back. */
static int check_log(struct fsck *f)
{
    struct store *store = lake_store(f->lake);
    int rc = 0;

    for (size_t i = 0; i < f->m->metadata_log_count && !rc; i++) {
        const char *path = f->m->metadata_log[i].metadata_file, *bucket, *key;
        struct store_info info;
        struct arena arena = {0};

        rc = name(f, path);
        if (!rc && !store_split(path, &arena, &bucket, &key, NULL) &&
            store->ops->head(store, bucket, key, &info, NULL) == ERR_NOENT)
            rc = fsck_say(f, false, path, "a metadata file of the log was removed");
        arena_deinit(&arena);
    }
    return rc;
}

static int check_statistics(struct fsck *f, const char *list)
{
    size_t i;
    json_t *item;
    int rc = 0;

    json_array_foreach(json_object_get(f->m->doc, list), i, item)
    {
        const char *path = json_string_value(json_object_get(item, "statistics-path"));
        const json_t *size = json_object_get(item, "file-size-in-bytes");
        bool whole;

        if (rc || !path)
            continue;
        rc = name(f, path);
        rc = rc ? rc
                : check_there(f, path, json_is_integer(size) ? json_integer_value(size) : -1,
                              "statistics file", &whole);
    }
    return rc;
}

/* ---- what nobody names ---- */

static int check_page(struct fsck *f, const char *bucket, const char *prefix, const char **after)
{
    struct store *store = lake_store(f->lake);
    struct arena arena = {0};
    struct store_list list;
    int64_t young_us = clock_wall_us(lake_clock(f->lake)) - f->options->young_ms * 1000;
    int rc =
        store->ops->list(store, bucket, prefix, NULL, *after, LIST_PAGE, &arena, &list, f->err);

    *after = NULL;
    for (size_t i = 0; !rc && i < list.count; i++) {
        const char *path = arena_printf(&arena, "s3://%s/%s", bucket, list.entries[i].key);

        if (!path)
            rc = fsck_nomem(f);
        else if (!path_set_has(&f->named, path) && list.entries[i].mtime_us <= young_us &&
                 !inflight_has(lake_inflight(f->lake), path)) {
            f->out->unreferenced++;
            f->out->unreferenced_bytes += list.entries[i].size;
            rc = fsck_say(f, false, path, "nobody names it");
        }
    }
    if (!rc && list.truncated && list.count) {
        *after = arena_strdup(&f->arena, list.entries[list.count - 1].key);
        rc = *after ? 0 : fsck_nomem(f);
    }
    arena_deinit(&arena);
    return rc;
}

static int check_folder(struct fsck *f)
{
    const char *bucket, *key, *prefix, *after = NULL;
    int rc = store_split(f->m->location, &f->arena, &bucket, &key, f->err);

    if (rc || !*key)
        return rc;
    prefix = arena_printf(&f->arena, "%s/", key);
    if (!prefix)
        return fsck_nomem(f);
    do
        rc = check_page(f, bucket, prefix, &after);
    while (!rc && after);
    return rc == ERR_NOENT ? 0 : rc;
}

static int walk(struct fsck *f, const char *location)
{
    int rc = name(f, location);

    rc = rc ? rc : check_refs(f, location);
    for (size_t i = 0; i < f->m->snapshot_count && !rc; i++)
        rc = walk_snapshot(f, &f->m->snapshots[i], i + 1);
    for (size_t i = 0; i < f->file_cap && !rc; i++)
        if (f->files[i] && f->files[i]->whole)
            rc = fsck_file_inside(f, f->files[i]);
    rc = rc ? rc : check_log(f);
    rc = rc ? rc : check_statistics(f, "statistics");
    rc = rc ? rc : check_statistics(f, "partition-statistics");
    return rc ? rc : check_folder(f);
}

int lake_fsck(struct lake *lake, const char *metadata_location,
              const struct lake_fsck_options *options, struct lake_fsck *out, struct err *err)
{
    struct fsck f = {.lake = lake, .options = options, .out = out, .err = err};
    struct err why = {0};
    int rc;

    memset(out, 0, sizeof(*out));
    f.named.arena = f.walked.arena = &f.arena;
    cache_drop(lake, metadata_location);
    rc = lake_metadata_load(lake, metadata_location, &f.m, &why);
    if (rc == ERR_NOMEM)
        return err_set(err, rc, "%s", why.text);
    if (rc)
        return fsck_say(&f, true, metadata_location, "does not read: %s", why.text);
    rc = options->db ? vec_conn_new(&f.conn, options->db, err) : 0;
    rc = rc ? rc : walk(&f, metadata_location);
    vec_conn_free(f.conn);
    lake_metadata_free(f.m);
    arena_deinit(&f.arena);
    return rc;
}
