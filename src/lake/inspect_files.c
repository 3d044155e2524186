/* inspect_files.c - rows of files, entries and partitions, from the manifests.
 *
 * all_* tables look at every snapshot of the table and at each manifest once, however many
 * snapshots name it. */
#include "base/codec.h"
#include "lake/inspect_int.h"

static int nomem(struct inspect *in)
{
    return err_set(in->err, ERR_NOMEM, "metadata table");
}

static int snapshot_manifests(struct inspect *in, const struct lake_snapshot *snapshot,
                              struct path_set *seen,
                              int (*each)(struct inspect *, const struct lake_snapshot *,
                                          const struct lake_manifest_file *))
{
    struct lake_manifest_list *list;
    int rc = lake_manifest_list_load(in->lake, in->m, snapshot, &list, in->err);

    if (rc)
        return rc;
    for (size_t i = 0; i < list->file_count && !rc; i++) {
        const char *copy;

        if (seen && path_set_has(seen, list->files[i].path))
            continue;
        copy = seen ? arena_strdup(in->arena, list->files[i].path) : NULL;
        if (seen && (!copy || path_set_add(seen, copy) < 0))
            rc = nomem(in);
        rc = rc ? rc : each(in, snapshot, &list->files[i]);
    }
    lake_manifest_list_free(list);
    return rc;
}

int inspect_manifests(struct inspect *in, bool all,
                      int (*each)(struct inspect *, const struct lake_snapshot *,
                                  const struct lake_manifest_file *))
{
    const struct lake_snapshot *one =
        in->of->snapshot_id == -1 ? lake_metadata_snapshot(in->m)
                                  : lake_metadata_snapshot_by_id(in->m, in->of->snapshot_id);
    struct path_set seen = {.arena = in->arena};
    bool repeat = in->of->kind == LAKE_INSPECT_ALL_MANIFESTS; /* a line per snapshot */
    int rc = 0;

    if (!all)
        return one ? snapshot_manifests(in, one, NULL, each) : 0;
    for (size_t i = 0; i < in->m->snapshot_count && !rc; i++)
        rc = snapshot_manifests(in, &in->m->snapshots[i], repeat ? NULL : &seen, each);
    return rc;
}

const struct lake_value *inspect_partition_value(const struct inspect *in,
                                                 const struct lake_data_file *file, size_t field)
{
    const struct lake_partition_spec *spec = lake_metadata_spec_by_id(in->m, file->spec_id);

    for (size_t i = 0; spec && i < spec->field_count && i < file->partition_count; i++)
        if (spec->fields[i].field_id == in->partition.fields[field].id)
            return &file->partition[i];
    return NULL;
}

static void put_partition(struct inspect *in, const struct lake_data_file *file)
{
    struct rows *r = &in->rows;

    if (!in->partition.field_count)
        return;
    row_key(r, "partition");
    row_open(r, '{');
    for (size_t i = 0; i < in->partition.field_count; i++) {
        const struct lake_value *value = inspect_partition_value(in, file, i);

        if (!value || value->null)
            continue;
        row_key(r, in->partition.fields[i].name);
        row_value(r, &in->partition.fields[i].type, value);
    }
    row_close(r, '}');
}

static void put_long(struct rows *r, const char *name, int64_t value)
{
    if (value < 0)
        return; /* not known: a key that is not there reads as NULL */
    row_key(r, name);
    row_i64(r, value);
}

/* One of the six maps by field id; `at` gives the count, or NULL for bounds. */
static void put_counts(struct rows *r, const char *name, const struct lake_data_file *file,
                       size_t at)
{
    bool any = false;

    for (size_t i = 0; i < file->metric_count; i++) {
        int64_t value = *(const int64_t *)((const char *)&file->metrics[i] + at);
        char id[16];

        if (value < 0)
            continue;
        if (!any) {
            row_key(r, name);
            row_open(r, '{');
            any = true;
        }
        snprintf(id, sizeof(id), "%" PRId32, file->metrics[i].field_id);
        row_key(r, id);
        row_i64(r, value);
    }
    if (any)
        row_close(r, '}');
}

static void put_bounds(struct rows *r, const char *name, const struct lake_data_file *file,
                       bool lower)
{
    bool any = false;

    for (size_t i = 0; i < file->metric_count; i++) {
        struct slice bound = lower ? file->metrics[i].lower : file->metrics[i].upper;
        char id[16];

        if (!bound.ptr)
            continue;
        if (!any) {
            row_key(r, name);
            row_open(r, '{');
            any = true;
        }
        snprintf(id, sizeof(id), "%" PRId32, file->metrics[i].field_id);
        row_key(r, id);
        row_hex(r, bound);
    }
    if (any)
        row_close(r, '}');
}

static void put_lists(struct rows *r, const struct lake_data_file *file)
{
    if (file->split_count) {
        row_key(r, "split_offsets");
        row_open(r, '[');
        for (size_t i = 0; i < file->split_count; i++)
            row_i64(r, file->split_offsets[i]);
        row_close(r, ']');
    }
    if (file->equality_count) {
        row_key(r, "equality_ids");
        row_open(r, '[');
        for (size_t i = 0; i < file->equality_count; i++)
            row_i64(r, file->equality_ids[i]);
        row_close(r, ']');
    }
}

static void put_file(struct inspect *in, const struct lake_data_file *file)
{
    struct rows *r = &in->rows;

    put_long(r, "content", file->content);
    row_key(r, "file_path");
    row_text(r, file->path);
    row_key(r, "file_format");
    row_text(r, file->format);
    put_long(r, "spec_id", file->spec_id);
    put_partition(in, file);
    put_long(r, "record_count", file->record_count);
    put_long(r, "file_size_in_bytes", file->file_bytes);
    put_counts(r, "column_sizes", file, offsetof(struct lake_metric, column_bytes));
    put_counts(r, "value_counts", file, offsetof(struct lake_metric, value_count));
    put_counts(r, "null_value_counts", file, offsetof(struct lake_metric, null_count));
    put_counts(r, "nan_value_counts", file, offsetof(struct lake_metric, nan_count));
    put_bounds(r, "lower_bounds", file, true);
    put_bounds(r, "upper_bounds", file, false);
    if (file->key_metadata.ptr) {
        row_key(r, "key_metadata");
        row_hex(r, file->key_metadata);
    }
    put_lists(r, file);
    put_long(r, "sort_order_id", file->sort_order_id);
    put_long(r, "first_row_id", file->first_row_id);
    if (file->referenced_data_file) {
        row_key(r, "referenced_data_file");
        row_text(r, file->referenced_data_file);
    }
    put_long(r, "content_offset", file->content_pos);
    put_long(r, "content_size_in_bytes", file->content_bytes);
}

static void put_bound(struct rows *r, const char *name, const struct lake_type *type,
                      struct slice bytes)
{
    struct lake_value value;

    if (!bytes.ptr || lake_value_decode(type, bytes, &value, NULL))
        return;
    row_key(r, name);
    row_value(r, type, &value);
}

static void put_metrics(struct inspect *in, const struct lake_data_file *file)
{
    struct rows *r = &in->rows;

    row_key(r, "readable_metrics");
    row_open(r, '{');
    for (size_t i = 0; i < in->leaf_count; i++) {
        const struct lake_metric *m = lake_data_file_metric(file, in->leaves[i]->id);

        row_key(r, in->leaf_names[i]);
        row_open(r, '{');
        if (m) {
            put_long(r, "column_size", m->column_bytes);
            put_long(r, "value_count", m->value_count);
            put_long(r, "null_value_count", m->null_count);
            put_long(r, "nan_value_count", m->nan_count);
            put_bound(r, "lower_bound", &in->leaves[i]->type, m->lower);
            put_bound(r, "upper_bound", &in->leaves[i]->type, m->upper);
        }
        row_close(r, '}');
    }
    row_close(r, '}');
}

/* ---- files and entries ---- */

static bool content_wanted(enum lake_inspect_kind kind, int32_t content)
{
    switch (kind) {
    case LAKE_INSPECT_DATA_FILES:
    case LAKE_INSPECT_ALL_DATA_FILES:
        return content == 0;
    case LAKE_INSPECT_DELETE_FILES:
    case LAKE_INSPECT_ALL_DELETE_FILES:
        return content != 0;
    default:
        return true;
    }
}

static bool is_entries(enum lake_inspect_kind kind)
{
    return kind == LAKE_INSPECT_ENTRIES || kind == LAKE_INSPECT_ALL_ENTRIES;
}

static void put_entry(struct inspect *in, const struct lake_entry *entry)
{
    struct rows *r = &in->rows;
    bool whole = is_entries(in->of->kind);

    row_begin(r);
    if (whole) {
        put_long(r, "status", entry->status);
        put_long(r, "snapshot_id", entry->snapshot_id);
        put_long(r, "sequence_number", entry->sequence_number);
        put_long(r, "file_sequence_number", entry->file_sequence_number);
        row_key(r, "data_file");
        row_open(r, '{');
    }
    put_file(in, &entry->file);
    if (whole)
        row_close(r, '}');
    if (in->leaf_count)
        put_metrics(in, &entry->file);
    row_end(r);
}

static int manifest_files(struct inspect *in, const struct lake_snapshot *snapshot,
                          const struct lake_manifest_file *line)
{
    struct lake_manifest *manifest;
    int rc;

    (void)snapshot;
    if (!content_wanted(in->of->kind, line->content))
        return 0;
    rc = lake_manifest_load(in->lake, in->m, line, &manifest, in->err);
    if (rc)
        return rc;
    for (size_t i = 0; i < manifest->entry_count && !in->rows.rc; i++) {
        struct lake_entry entry = manifest->entries[i];

        if (entry.status == LAKE_DELETED && !is_entries(in->of->kind))
            continue;
        lake_entry_inherit(&entry, line);
        put_entry(in, &entry);
    }
    lake_manifest_free(manifest);
    return in->rows.rc;
}

int inspect_files(struct inspect *in)
{
    enum lake_inspect_kind kind = in->of->kind;
    bool all = kind == LAKE_INSPECT_ALL_FILES || kind == LAKE_INSPECT_ALL_DATA_FILES ||
               kind == LAKE_INSPECT_ALL_DELETE_FILES || kind == LAKE_INSPECT_ALL_ENTRIES;

    return inspect_manifests(in, all, manifest_files);
}

/* ---- partitions ---- */

struct partition {
    struct slice key; /* spelled in JSON */
    int32_t spec_id;
    int64_t rows, files, bytes, position_rows, position_files, equality_rows, equality_files;
    int64_t vectors; /* of the position_files */
    const struct lake_snapshot *updated;
};
struct partitions { /* open addressing; cap is a power of two */
    struct partition **slots;
    size_t count, cap;
};

/* `spec_id` -1: whatever the spec. */
static struct partition **slot_of(struct partitions *p, struct slice key, int32_t spec_id)
{
    size_t at = hash64(key.ptr, key.len, 0) & (p->cap - 1);

    while (p->slots[at] &&
           !(slice_eq(p->slots[at]->key, key) && (spec_id < 0 || p->slots[at]->spec_id == spec_id)))
        at = (at + 1) & (p->cap - 1);
    return &p->slots[at];
}

static int grow(struct inspect *in, struct partitions *p)
{
    struct partitions more = {.cap = p->cap ? p->cap * 2 : 64, .count = p->count};

    if (p->count * 2 < p->cap)
        return 0;
    more.slots = ARENA_ARRAY(in->arena, struct partition *, more.cap);
    if (!more.slots)
        return nomem(in);
    for (size_t i = 0; i < p->cap; i++)
        if (p->slots[i])
            *slot_of(&more, p->slots[i]->key, p->slots[i]->spec_id) = p->slots[i];
    *p = more;
    return 0;
}

/* The partition's spelling is made with the means of rows and taken off their buffer again. */
static struct slice key_of(struct inspect *in, const struct lake_data_file *file)
{
    size_t before = in->rows.buf.len;
    struct slice key;

    put_partition(in, file);
    key = slice_of(in->rows.buf.ptr + before, in->rows.buf.len - before);
    in->rows.buf.len = before;
    return key;
}

static void count_file(struct partition *p, const struct lake_data_file *file)
{
    p->spec_id = file->spec_id;
    if (file->content == LAKE_DATA) {
        p->rows += file->record_count;
        p->files++;
        p->bytes += file->file_bytes;
    } else if (file->content == LAKE_POSITION_DELETES) {
        p->position_rows += file->record_count;
        p->position_files++;
        p->vectors += file->content_pos >= 0;
    } else {
        p->equality_rows += file->record_count;
        p->equality_files++;
    }
}

static int count_entry(struct inspect *in, struct partitions *all, const struct lake_entry *entry)
{
    const struct lake_snapshot *by = lake_metadata_snapshot_by_id(in->m, entry->snapshot_id);
    struct slice key;
    struct partition **slot;
    int rc = grow(in, all);

    if (rc)
        return rc;
    row_begin(&in->rows); /* so that no comma comes first */
    key = key_of(in, &entry->file);
    in->rows.buf.len--;
    slot = slot_of(all, key, in->of->kind == LAKE_INSPECT_STATISTICS ? entry->file.spec_id : -1);
    if (!*slot) {
        *slot = ARENA_NEW(in->arena, struct partition);
        if (!*slot || (key.len && !((*slot)->key = arena_slice(in->arena, key)).ptr))
            return nomem(in);
        all->count++;
    }
    count_file(*slot, &entry->file);
    if (by && (!(*slot)->updated || by->timestamp_ms > (*slot)->updated->timestamp_ms))
        (*slot)->updated = by;
    return in->rows.rc;
}

static void put_row(struct inspect *in, const struct partition *p)
{
    bool statistics = in->of->kind == LAKE_INSPECT_STATISTICS;
    struct rows *r = &in->rows;

    row_begin(r);
    if (!r->rc)
        r->rc = buf_append_slice(&r->buf, p->key);
    if (in->partition.field_count)
        put_long(r, "spec_id", p->spec_id);
    put_long(r, statistics ? "data_record_count" : "record_count", p->rows);
    put_long(r, statistics ? "data_file_count" : "file_count", p->files);
    put_long(r, "total_data_file_size_in_bytes", p->bytes);
    put_long(r, "position_delete_record_count", p->position_rows);
    put_long(r, "position_delete_file_count", p->position_files - (statistics ? p->vectors : 0));
    if (statistics && in->m->format_version >= 3)
        put_long(r, "dv_count", p->vectors);
    put_long(r, "equality_delete_record_count", p->equality_rows);
    put_long(r, "equality_delete_file_count", p->equality_files);
    if (p->updated) {
        row_key(r, "last_updated_at");
        if (statistics)
            row_i64(r, p->updated->timestamp_ms);
        else
            row_time(r, p->updated->timestamp_ms);
        put_long(r, "last_updated_snapshot_id", p->updated->id);
    }
    row_end(r);
}

int inspect_partitions(struct inspect *in)
{
    const struct lake_snapshot *snapshot =
        in->of->snapshot_id == -1 ? lake_metadata_snapshot(in->m)
                                  : lake_metadata_snapshot_by_id(in->m, in->of->snapshot_id);
    struct partitions all = {0};
    struct lake_manifest_list *list = NULL;
    int rc = snapshot ? lake_manifest_list_load(in->lake, in->m, snapshot, &list, in->err) : 0;

    for (size_t i = 0; !rc && list && i < list->file_count; i++) {
        struct lake_manifest *manifest;

        rc = lake_manifest_load(in->lake, in->m, &list->files[i], &manifest, in->err);
        if (rc)
            break;
        for (size_t k = 0; !rc && k < manifest->entry_count; k++) {
            struct lake_entry entry = manifest->entries[k];

            lake_entry_inherit(&entry, &list->files[i]);
            if (entry.status != LAKE_DELETED)
                rc = count_entry(in, &all, &entry);
        }
        lake_manifest_free(manifest);
    }
    lake_manifest_list_free(list);
    for (size_t i = 0; i < all.cap && !rc; i++)
        if (all.slots[i])
            put_row(in, all.slots[i]);
    return rc ? rc : in->rows.rc;
}
