/* delete_live.c - the live deletes of a manifest list, by the data file that they are about.
 * Iceberg spec, "Scan Planning": which deletes apply to which data files. */
#include "base/codec.h"
#include "lake/delete_int.h"

static int nomem(struct err *err)
{
    return err_set(err, ERR_NOMEM, "live deletes");
}

const char *delete_target(const struct lake_data_file *d, struct arena *arena)
{
    const struct lake_metric *m;

    if (d->referenced_data_file || d->content != LAKE_POSITION_DELETES)
        return d->referenced_data_file;
    m = lake_data_file_metric(d, DELETE_PATH_ID);
    if (!m || !m->lower.len || !slice_eq(m->lower, m->upper))
        return NULL;
    return arena_cstr(arena, m->lower);
}

static struct live_delete **chain(const struct delete_live *live, const char *path)
{
    return &live->own[hash64(path, strlen(path), 0) & (live->own_cap - 1)];
}

static int add(struct delete_live *live, const struct lake_entry *entry, size_t line, size_t index,
               const struct lake_manifest_file *from, struct err *err)
{
    struct live_delete *d = ARENA_NEW(live->arena, struct live_delete);
    struct lake_entry *copy = ARENA_NEW(live->arena, struct lake_entry);
    struct live_delete **to;

    if (!d || !copy)
        return nomem(err);
    *copy = *entry;
    lake_entry_inherit(copy, from);
    if (entry->file.content == LAKE_EQUALITY_DELETES) {
        to = &live->equality;
    } else {
        copy->file.referenced_data_file = delete_target(&entry->file, live->arena);
        to = copy->file.referenced_data_file ? chain(live, copy->file.referenced_data_file)
                                             : &live->shared;
    }
    *d = (struct live_delete){copy, line, index, *to};
    *to = d;
    return 0;
}

static int load_line(struct delete_live *live, const struct lines *lines, size_t i, struct err *err)
{
    const struct lake_manifest_file *line = &lines->list[i];
    int rc = lake_manifest_load(live->lake, live->m, line, &live->loaded[i], err);

    for (size_t k = 0; !rc && k < live->loaded[i]->entry_count; k++)
        if (live->loaded[i]->entries[k].status != LAKE_DELETED)
            rc = add(live, &live->loaded[i]->entries[k], i, k, line, err);
    return rc;
}

static bool holds_deletes(const struct lake_manifest_file *line)
{
    return line->content == 1 && (line->added_files != 0 || line->existing_files != 0);
}

int delete_live_init(struct delete_live *live, struct lake *lake, const struct lake_metadata *m,
                     const struct lines *lines, struct arena *arena, struct err *err)
{
    size_t files = 0;
    int rc = 0;

    *live = (struct delete_live){.lake = lake, .m = m, .arena = arena, .own_cap = 16};
    for (size_t i = 0; i < lines->count; i++)
        if (holds_deletes(&lines->list[i]))
            files += (size_t)lines->list[i].added_files + (size_t)lines->list[i].existing_files;
    while (live->own_cap < files * 2)
        live->own_cap *= 2;
    live->own = ARENA_ARRAY(arena, struct live_delete *, live->own_cap);
    live->loaded = ARENA_ARRAY(arena, struct lake_manifest *, lines->count + 1);
    if (!live->own || !live->loaded)
        return nomem(err);
    live->line_count = lines->count;
    for (size_t i = 0; i < lines->count && !rc; i++)
        if (holds_deletes(&lines->list[i]))
            rc = load_line(live, lines, i, err);
    return rc;
}

void delete_live_deinit(struct delete_live *live)
{
    for (size_t i = 0; live->loaded && i < live->line_count; i++)
        lake_manifest_free(live->loaded[i]);
    live->loaded = NULL;
}

/* The bounds of a shared file's paths leave this one out. */
static bool leaves_out(const struct lake_data_file *d, const char *path)
{
    const struct lake_metric *m = lake_data_file_metric(d, DELETE_PATH_ID);
    struct slice name = slice_str(path);

    if (!m)
        return false;
    if (m->lower.ptr && slice_cmp(name, m->lower) < 0)
        return true;
    return m->upper.ptr && slice_cmp(name, m->upper) > 0 && !slice_starts(name, m->upper);
}

static int same_partition(const struct delete_live *live, const struct lake_data_file *a,
                          const struct lake_data_file *b, bool *out, struct err *err)
{
    const struct lake_partition_spec *spec = lake_metadata_spec_by_id(live->m, a->spec_id);
    struct lake_type *types;
    int rc;

    *out = a->spec_id == b->spec_id && spec && a->partition_count == b->partition_count;
    if (!*out || !spec->field_count)
        return 0;
    rc = partition_types(live->m, spec, live->arena, &types, err);
    for (size_t i = 0; i < a->partition_count && !rc; i++)
        *out &= lake_value_cmp(&types[i], &a->partition[i], &b->partition[i]) == 0;
    return rc;
}

/* An unpartitioned equality delete is global; any delete by equality is of older rows only. */
static int applies(const struct delete_live *live, const struct live_delete *d,
                   const struct lake_entry *file, bool *out, struct err *err)
{
    const struct lake_partition_spec *spec =
        lake_metadata_spec_by_id(live->m, d->entry->file.spec_id);

    if (d->entry->file.content == LAKE_EQUALITY_DELETES) {
        *out = d->entry->sequence_number > file->sequence_number;
        if (!*out || (spec && !spec->field_count))
            return 0;
    } else {
        *out = d->entry->sequence_number >= file->sequence_number &&
               !leaves_out(&d->entry->file, file->file.path);
        if (!*out)
            return 0;
    }
    return same_partition(live, &d->entry->file, &file->file, out, err);
}

int delete_live_of(const struct delete_live *live, const struct lake_entry *file,
                   int (*each)(void *arg, const struct live_delete *d, bool own), void *arg,
                   struct err *err)
{
    const struct live_delete *const shared[] = {live->shared, live->equality};
    int rc = 0;

    for (const struct live_delete *d = *chain(live, file->file.path); d && !rc; d = d->next)
        if (!strcmp(d->entry->file.referenced_data_file, file->file.path) &&
            d->entry->sequence_number >= file->sequence_number)
            rc = each(arg, d, true);
    for (size_t i = 0; i < COUNT_OF(shared); i++)
        for (const struct live_delete *d = shared[i]; d && !rc; d = d->next) {
            bool yes;

            rc = applies(live, d, file, &yes, err);
            if (!rc && yes)
                rc = each(arg, d, false);
        }
    return rc;
}
