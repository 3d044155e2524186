/* scan_deletes.c - which delete files apply to a data file. Iceberg spec, "Scan Planning".
 *
 * A table may have a delete file for each of its data files, so none is looked at twice in vain:
 * those about one data file are found by its path, the others by their partition. Those that are
 * global, deletes by equality under an unpartitioned spec, are few.
 */
#include "base/codec.h"
#include "lake/scan_int.h"

#define DELETE_PATH_ID 2147483546 /* reserved: file_path in position delete files */

struct link {      /* of one chain */
    size_t delete; /* index in the planner's list */
    struct link *next;
};
struct chain {
    struct slice key;
    struct link *first;
};
struct table { /* open addressing; cap is a power of two */
    struct chain *slots;
    size_t cap;
};
struct delete_index {
    struct planner *p;
    struct table by_path, by_partition;
    struct link *global;
    struct lake_type **types; /* per spec of the metadata */
    struct buf key;
};

static int nomem(struct planner *p)
{
    return err_set(p->err, ERR_NOMEM, "planning a scan");
}

static struct chain *chain_of(const struct table *t, struct slice key)
{
    size_t at = hash64(key.ptr, key.len, 0) & (t->cap - 1);

    while (t->slots[at].key.ptr && !slice_eq(t->slots[at].key, key))
        at = (at + 1) & (t->cap - 1);
    return &t->slots[at];
}

static int table_init(struct table *t, size_t count, struct arena *arena)
{
    for (t->cap = 16; t->cap < count * 2;)
        t->cap *= 2;
    t->slots = ARENA_ARRAY(arena, struct chain, t->cap);
    return t->slots ? 0 : ERR_NOMEM;
}

static int push(struct planner *p, struct link **first, size_t delete)
{
    struct link *link = ARENA_NEW(p->arena, struct link);

    if (!link)
        return nomem(p);
    *link = (struct link){delete, *first};
    *first = link;
    return 0;
}

static int table_add(struct planner *p, struct table *t, struct slice key, size_t delete)
{
    struct chain *chain = chain_of(t, key);

    if (!chain->key.ptr && !(chain->key = arena_slice(p->arena, key)).ptr)
        return nomem(p);
    return push(p, &chain->first, delete);
}

/* Spec and values, so that equal partitions have equal keys. */
static int partition_key(struct delete_index *index, const struct lake_data_file *file)
{
    const struct lake_metadata *m = index->p->m;
    size_t spec = 0;
    int rc;

    while (spec < m->spec_count && m->specs[spec].id != file->spec_id)
        spec++;
    if (spec == m->spec_count)
        return err_set(index->p->err, ERR_CORRUPT, "%s: its partition spec is gone", file->path);
    rc = index->types[spec] ? 0
                            : partition_types(m, &m->specs[spec], index->p->arena,
                                              &index->types[spec], index->p->err);
    buf_clear(&index->key);
    rc = rc ? rc : buf_append(&index->key, &file->spec_id, sizeof(file->spec_id));
    for (size_t i = 0; i < file->partition_count && i < m->specs[spec].field_count && !rc; i++) {
        const struct lake_value *v = &file->partition[i];

        rc = buf_append_u8(&index->key, v->null ? 0 : 1);
        if (rc || v->null)
            continue;
        rc = buf_append(&index->key, &v->bytes.len, sizeof(v->bytes.len));
        rc = rc ? rc : buf_append_slice(&index->key, v->bytes);
        rc = rc ? rc : buf_append(&index->key, &v->i, sizeof(v->i));
        rc = rc ? rc : buf_append(&index->key, &v->dec, sizeof(v->dec));
        rc = rc ? rc : buf_append(&index->key, &(double){v->d + 0.0}, sizeof(v->d));
    }
    return rc ? (rc == ERR_CORRUPT ? rc : nomem(index->p)) : 0;
}

/* The data file that a delete file is about alone: named, or by bounds that are one path. */
static struct slice target_of(const struct lake_data_file *d)
{
    const struct lake_metric *m;

    if (d->content != LAKE_POSITION_DELETES)
        return (struct slice){0};
    if (d->referenced_data_file)
        return slice_str(d->referenced_data_file);
    m = lake_data_file_metric(d, DELETE_PATH_ID);
    return m && m->lower.ptr && slice_eq(m->lower, m->upper) ? m->lower : (struct slice){0};
}

/* May a delete file of many data files, by its bounds, be about this one? */
static bool about(const struct lake_data_file *d, const char *path)
{
    const struct lake_metric *m = lake_data_file_metric(d, DELETE_PATH_ID);
    struct slice name = slice_str(path);

    if (!m)
        return true;
    if (m->lower.ptr && slice_cmp(name, m->lower) < 0)
        return false;
    return !m->upper.ptr || slice_cmp(name, m->upper) <= 0 || slice_starts(name, m->upper);
}

/* Bounds of paths may be cut off: then the path is no file's and the partition decides. */
static bool is_whole(struct slice path)
{
    return slice_ends(path, SLICE_LIT(".parquet")) || slice_ends(path, SLICE_LIT(".orc")) ||
           slice_ends(path, SLICE_LIT(".avro"));
}

static int index_delete(struct delete_index *index, size_t i)
{
    struct planner *p = index->p;
    const struct lake_data_file *d = &p->deletes.list[i].file;
    const struct lake_partition_spec *spec = lake_metadata_spec_by_id(p->m, d->spec_id);
    struct slice target = target_of(d);
    int rc;

    if (!spec)
        return err_set(p->err, ERR_CORRUPT, "%s: its partition spec is gone", d->path);
    if (d->content == LAKE_EQUALITY_DELETES && spec->field_count == 0)
        return push(p, &index->global, i);
    if (target.ptr && (d->referenced_data_file || is_whole(target)))
        return table_add(p, &index->by_path, target, i);
    rc = partition_key(index, d);
    return rc ? rc : table_add(p, &index->by_partition, buf_slice(&index->key), i);
}

static int check_delete(struct planner *p, const struct lake_data_file *d)
{
    if (d->content == LAKE_EQUALITY_DELETES && !d->equality_count)
        return err_set(p->err, ERR_CORRUPT, "%s deletes rows by equality of no column", d->path);
    if (!strcasecmp(d->format, "puffin")) {
        if (d->content == LAKE_POSITION_DELETES && d->referenced_data_file && d->content_pos >= 0 &&
            d->content_bytes >= 0)
            return 0;
        return err_set(p->err, ERR_CORRUPT, "%s: a deletion vector without file or place", d->path);
    }
    if (strcasecmp(d->format, "parquet") != 0)
        return err_set(p->err, ERR_UNSUPPORTED, "%s: deletes in format %s", d->path, d->format);
    return 0;
}

/* By sequence numbers: rows written with a delete by position, or after one by equality, stay. */
static bool is_newer(const struct lake_entry *d, const struct lake_entry *file)
{
    return d->file.content == LAKE_EQUALITY_DELETES ? d->sequence_number > file->sequence_number
                                                    : d->sequence_number >= file->sequence_number;
}

struct found { /* of one data file */
    size_t *list, count, cap;
};

static int find(struct planner *p, const struct lake_entry *file, const struct link *link,
                struct found *found)
{
    for (; link; link = link->next) {
        const struct lake_entry *d = &p->deletes.list[link->delete];

        if (!is_newer(d, file) ||
            (d->file.content == LAKE_POSITION_DELETES && !d->file.referenced_data_file &&
             !about(&d->file, file->file.path)))
            continue;
        if (found->count == found->cap) {
            size_t cap = found->cap ? found->cap * 2 : 4;
            size_t *more = ARENA_ARRAY(p->arena, size_t, cap);

            if (!more)
                return nomem(p);
            if (found->count)
                memcpy(more, found->list, found->count * sizeof(*more));
            found->list = more;
            found->cap = cap;
        }
        found->list[found->count++] = link->delete;
    }
    return 0;
}

static int by_order(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;

    return (x > y) - (x < y);
}

/* Deletes of one file, in the order of the manifests: groups of files with the same are alike. */
static int assign(struct delete_index *index, struct lake_scan_file *file, size_t *place)
{
    struct planner *p = index->p;
    struct lake_plan *plan = p->plan;
    struct found found = {0};
    int rc = find(p, &file->entry, index->global, &found);

    rc = rc ? rc
            : find(p, &file->entry,
                   chain_of(&index->by_path, slice_str(file->entry.file.path))->first, &found);
    rc = rc ? rc : partition_key(index, &file->entry.file);
    rc = rc ? rc
            : find(p, &file->entry, chain_of(&index->by_partition, buf_slice(&index->key))->first,
                   &found);
    if (found.count > 1)
        qsort(found.list, found.count, sizeof(*found.list), by_order);
    for (size_t i = 0; i < found.count && !rc; i++) {
        size_t d = found.list[i];

        rc = check_delete(p, &p->deletes.list[d].file);
        if (!place[d]) {
            plan->deletes[plan->delete_count] = p->deletes.list[d];
            place[d] = ++plan->delete_count;
        }
        found.list[i] = place[d] - 1;
    }
    file->deletes = found.list;
    file->delete_count = found.count;
    return rc;
}

int plan_deletes(struct planner *p)
{
    struct lake_plan *plan = p->plan;
    size_t *place = ARENA_ARRAY(p->arena, size_t, p->deletes.count + 1);
    struct delete_index index = {.p = p};
    int rc = 0;

    plan->deletes = ARENA_ARRAY(p->arena, struct lake_entry, p->deletes.count + 1);
    index.types = ARENA_ARRAY(p->arena, struct lake_type *, p->m->spec_count + 1);
    if (!place || !plan->deletes || !index.types ||
        table_init(&index.by_path, p->deletes.count, p->arena) ||
        table_init(&index.by_partition, p->deletes.count, p->arena))
        return nomem(p);
    for (size_t i = 0; i < p->deletes.count && !rc; i++)
        rc = index_delete(&index, i);
    for (size_t f = 0; f < plan->file_count && !rc && p->deletes.count; f++)
        rc = assign(&index, &plan->files[f], place);
    buf_deinit(&index.key);
    return rc;
}
