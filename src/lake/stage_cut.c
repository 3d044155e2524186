/* stage_cut.c - files found in a manifest list, and taken out of it.
 *
 * Work is bounded by what changes: manifests are looked into only when their range of sequence
 * numbers may hold a file that is looked for, and rewritten only when they lose one.
 */
#include "base/codec.h"
#include "lake/stage_int.h"

#define PARTITIONS_MAX 1000 /* files whose partitions are counted */

/* Indices of targets by path. */
struct index {
    const struct target *targets;
    size_t *slots, cap; /* index + 1; 0: free */
};

static size_t slot_of(const struct index *x, const char *path)
{
    size_t at = hash64(path, strlen(path), 0) & (x->cap - 1);

    while (x->slots[at] && strcmp(x->targets[x->slots[at] - 1].path, path) != 0)
        at = (at + 1) & (x->cap - 1);
    return at;
}

static int make_index(struct index *x, const struct target *targets, size_t count,
                      struct arena *arena, struct err *err)
{
    *x = (struct index){.targets = targets, .cap = 16};
    while (x->cap < count * 2)
        x->cap *= 2;
    x->slots = ARENA_ARRAY(arena, size_t, x->cap);
    if (!x->slots)
        return err_set(err, ERR_NOMEM, "files of a change");
    for (size_t i = 0; i < count; i++) {
        size_t at = slot_of(x, targets[i].path);

        if (x->slots[at])
            return err_set(err, ERR_INVALID, "%s is named twice in one change", targets[i].path);
        x->slots[at] = i + 1;
    }
    return 0;
}

static bool may_hold(const struct lake_manifest_file *line, const struct target *t)
{
    return (t->spec_id < 0 || line->spec_id == t->spec_id) &&
           (t->file_sequence_number < 0 || line->sequence_number >= t->file_sequence_number) &&
           (t->sequence_number < 0 || line->min_sequence_number <= t->sequence_number);
}

static bool worth_a_look(const struct lake_manifest_file *line, const struct target *targets,
                         size_t count)
{
    if (line->content != 0 || (line->added_files == 0 && line->existing_files == 0))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!targets[i].found && may_hold(line, &targets[i]))
            return true;
    return false;
}

int list_find(struct list_job *job, const struct lines *lines, struct target *targets, size_t count,
              struct loaded *loaded, struct err *err)
{
    struct index index;
    size_t missing = count;
    int rc = make_index(&index, targets, count, job->arena, err);

    for (size_t i = 0; i < lines->count && missing && !rc; i++) {
        struct lake_manifest *manifest;

        if (!worth_a_look(&lines->list[i], targets, count))
            continue;
        rc = list_load(job, loaded, &lines->list[i], &manifest, err);
        for (size_t k = 0; !rc && k < manifest->entry_count; k++) {
            const struct lake_entry *entry = &manifest->entries[k];
            size_t at =
                entry->status == LAKE_DELETED ? 0 : index.slots[slot_of(&index, entry->file.path)];

            if (!at || targets[at - 1].found)
                continue;
            targets[at - 1].found = true;
            targets[at - 1].entry = *entry;
            lake_entry_inherit(&targets[at - 1].entry, &lines->list[i]);
            targets[at - 1].line = i;
            targets[at - 1].index = k;
            missing--;
        }
    }
    return rc;
}

int cuts_init(struct cuts *cuts, size_t line_count, struct arena *arena, struct err *err)
{
    cuts->taken = ARENA_ARRAY(arena, bool *, line_count + 1);
    cuts->line_count = line_count;
    return cuts->taken ? 0 : err_set(err, ERR_NOMEM, "files of a change");
}

int cuts_add(struct cuts *cuts, size_t line, size_t index, size_t entry_count, struct arena *arena,
             struct err *err)
{
    if (!cuts->taken[line])
        cuts->taken[line] = ARENA_ARRAY(arena, bool, entry_count + 1);
    if (!cuts->taken[line])
        return err_set(err, ERR_NOMEM, "files of a change");
    cuts->taken[line][index] = true;
    return 0;
}

/* A copy: the manifests that the file came from are dropped before the summary is written. */
static int remember_partition(struct change_totals *t, const struct lake_data_file *file,
                              struct arena *arena)
{
    struct lake_data_file *copy;

    if (!t->files && !(t->files = ARENA_ARRAY(arena, struct lake_data_file, PARTITIONS_MAX)))
        return ERR_NOMEM;
    if (t->file_count == PARTITIONS_MAX)
        return 0;
    copy = &t->files[t->file_count++];
    copy->spec_id = file->spec_id;
    copy->partition_count = file->partition_count;
    copy->partition = ARENA_ARRAY(arena, struct lake_value, file->partition_count + 1);
    for (size_t i = 0; copy->partition && i < file->partition_count; i++) {
        copy->partition[i] = file->partition[i];
        if (file->partition[i].bytes.len &&
            !(copy->partition[i].bytes = arena_slice(arena, file->partition[i].bytes)).ptr)
            return ERR_NOMEM;
    }
    return copy->partition ? 0 : ERR_NOMEM;
}

int totals_add(struct change_totals *t, bool removed, const struct lake_data_file *file,
               struct arena *arena, struct err *err)
{
    struct counted *c = removed ? &t->removed : &t->added;
    bool vector = !strcasecmp(file->format, "puffin");

    if (remember_partition(t, file, arena))
        return err_set(err, ERR_NOMEM, "snapshot");
    c->bytes += vector && file->content_bytes >= 0 ? file->content_bytes : file->file_bytes;
    if (file->content == LAKE_DATA) {
        c->files++;
        c->rows += file->record_count;
        return 0;
    }
    c->delete_files++;
    if (file->content == LAKE_EQUALITY_DELETES) {
        c->equality_files++;
        c->equality_rows += file->record_count;
    } else {
        c->positions += file->record_count;
        c->vectors += vector;
        c->position_files += !vector;
    }
    return 0;
}

static int cut_one(struct list_job *job, struct lake_manifest_file *line, const bool *taken,
                   struct change_totals *totals, struct loaded *loaded, struct err *err)
{
    struct lake_manifest_file fresh;
    struct lake_manifest *manifest;
    struct entries entries = {0};
    int rc = list_load(job, loaded, line, &manifest, err);

    for (size_t k = 0; !rc && k < manifest->entry_count; k++) {
        struct lake_entry entry = manifest->entries[k];

        if (entry.status == LAKE_DELETED)
            continue;
        lake_entry_inherit(&entry, line);
        entry.status = LAKE_EXISTING;
        if (taken[k]) {
            entry.status = LAKE_DELETED;
            entry.snapshot_id = job->snapshot_id;
            rc = totals_add(totals, true, &manifest->entries[k].file, job->arena, err);
        }
        if (!rc && entries_add(&entries, job->arena, &entry))
            rc = err_set(err, ERR_NOMEM, "files of a change");
    }
    rc = rc ? rc
            : list_write_manifest(job, line->spec_id, line->content, entries.list, entries.count,
                                  &fresh, err);
    if (!rc)
        *line = fresh;
    return rc;
}

int list_cut(struct list_job *job, struct lines *lines, const struct cuts *cuts,
             struct change_totals *totals, struct err *err)
{
    struct loaded loaded = {0};
    int rc = 0;

    for (size_t i = 0; i < cuts->line_count && !rc; i++)
        if (cuts->taken[i])
            rc = cut_one(job, &lines->list[i], cuts->taken[i], totals, &loaded, err);
    list_drop_loaded(&loaded);
    return rc;
}

void list_drop_dead(struct lines *lines)
{
    size_t kept = 0;

    for (size_t i = 0; i < lines->count; i++)
        if (lines->list[i].added_files != 0 || lines->list[i].existing_files != 0)
            lines->list[kept++] = lines->list[i];
    lines->count = kept;
}
