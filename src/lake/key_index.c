/* key_index.c - changes to a key index and searches in it. See key_index.h. */
#include "lake/key_index_int.h"

#include <stdio.h>

#define MEMORY_MIN  ((int64_t)64 << 10)
#define GONE_MAX    1024 /* files that are gone and remembered, beside as many as are live */
#define DENSE_PAGES 16   /* read at a time when a batch wants a large part of a run */

int lake_row_map_add(struct lake_row_map *map, size_t *cap, struct arena *arena,
                     const struct lake_row_run *row)
{
    struct lake_row_run *list = (struct lake_row_run *)map->runs;
    struct lake_row_run *last = map->run_count ? &list[map->run_count - 1] : NULL;

    if (last && last->old_file == row->old_file && last->new_file == row->new_file &&
        last->old_row + last->count == row->old_row &&
        last->new_row + last->count == row->new_row) {
        last->count += row->count;
        return 0;
    }
    if (map->run_count == *cap) {
        size_t more = *cap ? *cap * 2 : 64;

        list = ARENA_ARRAY(arena, struct lake_row_run, more);
        if (!list)
            return ERR_NOMEM;
        if (map->run_count)
            memcpy(list, map->runs, map->run_count * sizeof(*list));
        map->runs = list;
        *cap = more;
    }
    list[map->run_count++] = *row;
    return 0;
}

/* ---- life ---- */

char *key_run_path(const struct key_index *index, uint64_t number)
{
    char *path;

    return asprintf(&path, "%s/%08" PRIu64 ".run", index->dir, number) < 0 ? NULL : path;
}

static char *state_path(const struct key_index *index)
{
    char *path;

    return asprintf(&path, "%s/state.idx", index->dir) < 0 ? NULL : path;
}

int key_index_lose(struct key_index *index, int rc)
{
    index->snapshot_id = KEY_INDEX_NONE;
    return rc;
}

static void forget_all(struct key_index *index)
{
    for (size_t i = 0; i < index->run_count; i++)
        key_run_free(index->runs[i]);
    index->run_count = 0;
    index->stale_count = 0;
    key_files_deinit(&index->files);
    key_table_clear(&index->fresh);
    index->snapshot_id = KEY_INDEX_NONE;
    index->sequence_number = -1;
}

void key_index_free(struct key_index *index)
{
    if (!index)
        return;
    forget_all(index);
    key_table_deinit(&index->fresh);
    free(index->stale);
    free(index->dir);
    free(index->table);
    free(index);
}

/* Files that the state does not name are of a process that died, or of a state that was lost. */
static void sweep(struct key_index *index)
{
    struct arena arena = {0};
    struct disk_entry *list;
    size_t count;

    if (disk_list(index->disk, index->dir, &arena, &list, &count, NULL) == 0)
        for (size_t i = 0; i < count; i++) {
            char *path = arena_printf(&arena, "%s/%s", index->dir, list[i].name);
            bool named = !strcmp(list[i].name, "state.idx") && index->snapshot_id != KEY_INDEX_NONE;
            char *end;
            uint64_t number = strtoull(list[i].name, &end, 10);

            for (size_t r = 0; r < index->run_count && !named; r++)
                named = number == index->runs[r]->number && !strcmp(end, ".run");
            if (path && !named && !list[i].is_dir)
                disk_unlink(index->disk, path, NULL);
        }
    arena_deinit(&arena);
}

static int load_runs(struct key_index *index, const struct key_run_name *names, size_t count,
                     struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < count && !rc; i++) {
        char *path = key_run_path(index, names[i].number);

        rc = path ? key_run_open(&index->runs[i], index->disk, path, names[i].number,
                                 names[i].count, names[i].crc, err)
                  : err_set(err, ERR_NOMEM, "key index");
        index->run_count += !rc;
        if (names[i].number >= index->next_run)
            index->next_run = names[i].number + 1;
        free(path);
    }
    key_index_fit_memory(index);
    for (size_t i = 0; i < count && !rc; i++) { /* what is not in memory is checked when read */
        struct key_index_stats now;

        key_index_stats(index, &now);
        if (now.memory_bytes + key_run_page_bytes(index->runs[i]) <= index->memory_bytes)
            rc = key_run_load(index->runs[i], err);
    }
    return rc;
}

static int load_state(struct key_index *index, struct err *err)
{
    struct arena arena = {0};
    struct key_run_name *names;
    char *path = state_path(index);
    struct buf bytes;
    size_t count = 0;
    int rc;

    buf_init(&bytes, 0);
    rc = path ? disk_read_file(index->disk, path, &bytes, err)
              : err_set(err, ERR_NOMEM, "key index");
    rc = rc ? rc : key_state_parse(buf_slice(&bytes), index, &arena, &names, &count, err);
    rc = rc ? rc : load_runs(index, names, count, err);
    free(path);
    buf_deinit(&bytes);
    arena_deinit(&arena);
    return rc;
}

int key_index_new(struct key_index **out, const struct key_index_options *o, struct err *lost,
                  struct err *err)
{
    struct key_index *index = calloc(1, sizeof(*index));
    size_t slots = 1024;
    int rc = index ? 0 : err_set(err, ERR_NOMEM, "key index");

    if (rc)
        return rc;
    index->disk = o->disk;
    index->memory_bytes = o->memory_bytes > MEMORY_MIN ? o->memory_bytes : MEMORY_MIN;
    while ((int64_t)(slots * 2 * sizeof(struct key_entry)) <= index->memory_bytes / 4)
        slots *= 2;
    index->fresh_max = slots / 4 * 3 - 1;
    index->snapshot_id = KEY_INDEX_NONE;
    index->table = strdup(o->table);
    index->dir = o->dir ? strdup(o->dir) : NULL;
    rand_secret(index->seeds, sizeof(index->seeds));
    if (!index->table || (o->dir && !index->dir) || key_table_init(&index->fresh, 0))
        rc = err_set(err, ERR_NOMEM, "key index");
    if (!rc && index->dir)
        rc = disk_mkdirs(index->disk, index->dir, err);
    if (!rc && index->dir) {
        struct err why = {0};
        uint64_t seeds[2] = {index->seeds[0], index->seeds[1]};

        if (load_state(index, &why)) {
            forget_all(index);
            memcpy(index->seeds, seeds, sizeof(seeds));
            if (lost && why.code != ERR_NOENT)
                *lost = why;
        }
        sweep(index);
    }
    if (rc) {
        key_index_free(index);
        return rc;
    }
    *out = index;
    return 0;
}

void key_index_reset(struct key_index *index)
{
    forget_all(index);
    if (index->dir)
        sweep(index);
}

void key_index_seeds(const struct key_index *index, uint64_t seeds[2])
{
    memcpy(seeds, index->seeds, sizeof(index->seeds));
}

int64_t key_index_snapshot(const struct key_index *index)
{
    return index->snapshot_id;
}
int64_t key_index_sequence(const struct key_index *index)
{
    return index->sequence_number;
}
void key_index_begin(struct key_index *index)
{
    index->snapshot_id = KEY_INDEX_NONE;
}

/* ---- files ---- */

int key_index_file_add(struct key_index *index, const struct key_file *file, uint32_t *ordinal,
                       struct err *err)
{
    int rc;

    if (file->rows < 0 || file->rows > UINT32_MAX)
        return err_set(err, ERR_LIMIT, "%s has too many rows for upserts", file->path);
    rc = key_files_add(&index->files, file, ordinal);
    return rc ? err_set(err, rc, "key index") : 0;
}

bool key_index_file_find(const struct key_index *index, const char *path, uint32_t *ordinal)
{
    return key_files_find(&index->files, path, ordinal);
}

const struct key_file *key_index_file(const struct key_index *index, uint32_t ordinal)
{
    return &index->files.slots[ordinal].file;
}

void key_index_file_drop(struct key_index *index, uint32_t ordinal)
{
    key_files_drop(&index->files, ordinal);
}

bool key_index_file_next(const struct key_index *index, uint32_t *at, uint32_t *ordinal)
{
    while (++*at < index->files.count)
        if (index->files.slots[*at].live) {
            *ordinal = *at;
            return true;
        }
    return false;
}

/* ---- changes ---- */

static int insert(struct key_index *index, struct key_entry entry, bool replace, struct err *err)
{
    int rc = index->fresh.used >= index->fresh_max ? key_index_flush(index, err) : 0;

    if (rc)
        return rc;
    rc = replace ? key_table_put(&index->fresh, entry) : key_table_insert(&index->fresh, entry);
    if (rc == ERR_LIMIT) { /* many rows of one key: they go where they cost no search */
        rc = key_index_flush(index, err);
        rc = rc ? rc : key_table_insert(&index->fresh, entry);
    }
    return rc && (!err || !err->code) ? err_set(err, rc, "key index") : rc;
}

int key_index_add(struct key_index *index, uint32_t file, uint32_t first_row,
                  const struct key_hash *keys, size_t count, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < count && !rc; i++)
        rc = insert(index,
                    (struct key_entry){keys[i].hash, keys[i].check, file | KEY_MORE,
                                       first_row + (uint32_t)i},
                    false, err);
    return rc ? key_index_lose(index, rc) : 0;
}

int key_index_put(struct key_index *index, struct key_hash key, struct key_place place,
                  struct err *err)
{
    int rc =
        insert(index, (struct key_entry){key.hash, key.check, place.file, place.row}, true, err);

    return rc ? key_index_lose(index, rc) : 0;
}

int key_index_remove(struct key_index *index, struct key_hash key, struct err *err)
{
    int rc = insert(index, (struct key_entry){key.hash, key.check, KEY_TOMB, 0}, true, err);

    return rc ? key_index_lose(index, rc) : 0;
}

/* The table's places are translated at once, and runs when they are merged. */
static void settle_fresh(struct key_index *index)
{
    struct key_table *t = &index->fresh;

    for (size_t i = 0; i < t->cap + t->slack; i++) {
        struct key_entry *e = &t->slots[i];
        uint32_t file = e->file & KEY_FILE, row = e->row;

        if (!e->file || e->file == KEY_DEAD || file == KEY_TOMB)
            continue;
        if (key_files_resolve(&index->files, &file, &row)) {
            e->file = file | (e->file & KEY_MORE);
            e->row = row;
        } else if (e->file & KEY_MORE) {
            e->file = KEY_DEAD;
            t->live--;
        } else {
            e->file = KEY_TOMB;
        }
    }
}

/* Forgets what gone files were once they are many, at the price of touching every entry. */
static int tidy(struct key_index *index, struct err *err)
{
    struct key_files *f = &index->files;

    if (f->gone <= f->live + GONE_MAX && (int64_t)f->forward_bytes <= index->memory_bytes / 8)
        return 0;
    if (index->run_count)
        return key_index_merge_all(index, err);
    settle_fresh(index);
    key_files_forget_gone(f);
    return 0;
}

static int take_forwards(struct key_index *index, const struct lake_row_map *map, uint32_t which,
                         size_t from, size_t to, const uint32_t *new_files, struct err *err)
{
    struct file_slot *slot;
    uint32_t ordinal;

    if (!key_files_find(&index->files, map->old_files[which], &ordinal))
        return err_set(err, ERR_INVALID, "a rewrite of %s, which the key index does not know",
                       map->old_files[which]);
    key_files_drop(&index->files, ordinal);
    slot = &index->files.slots[ordinal];
    slot->forwards = from < to ? malloc((to - from) * sizeof(*slot->forwards)) : NULL;
    if (from < to && !slot->forwards)
        return err_set(err, ERR_NOMEM, "key index");
    for (size_t i = from; i < to; i++) {
        const struct lake_row_run *run = &map->runs[i];

        if (run->old_row < 0 || run->new_row < 0 || run->count <= 0 ||
            run->new_file >= map->new_count || run->old_row + run->count > slot->file.rows ||
            run->new_row + run->count > index->files.slots[new_files[run->new_file]].file.rows ||
            (i > from && run->old_row < run[-1].old_row + run[-1].count))
            return err_set(err, ERR_INVALID, "a row map of %s that makes no sense",
                           map->old_files[which]);
        slot->forwards[i - from] =
            (struct key_forward){(uint32_t)run->old_row, (uint32_t)run->count,
                                 new_files[run->new_file], (uint32_t)run->new_row};
    }
    slot->forward_count = to - from;
    index->files.forward_bytes += slot->forward_count * sizeof(*slot->forwards);
    return 0;
}

int key_index_move(struct key_index *index, const struct lake_row_map *map, struct err *err)
{
    uint32_t *new_files = calloc(map->new_count + 1, sizeof(*new_files));
    size_t from = 0;
    int rc = new_files ? 0 : err_set(err, ERR_NOMEM, "key index");

    for (size_t i = 0; i < map->new_count && !rc; i++)
        if (!key_files_find(&index->files, map->new_files[i], &new_files[i]))
            rc = err_set(err, ERR_INVALID, "%s was not added to the key index", map->new_files[i]);
    for (uint32_t i = 0; i < map->old_count && !rc; i++) {
        size_t to = from;

        while (to < map->run_count && map->runs[to].old_file == i)
            to++;
        rc = take_forwards(index, map, i, from, to, new_files, err);
        from = to;
    }
    if (!rc && from != map->run_count)
        rc = err_set(err, ERR_INVALID, "a row map that is not sorted");
    free(new_files);
    return rc ? key_index_lose(index, rc) : 0;
}

int key_index_end(struct key_index *index, int64_t snapshot_id, int64_t sequence_number,
                  struct err *err)
{
    int rc = tidy(index, err);

    if (rc)
        return key_index_lose(index, rc);
    index->snapshot_id = snapshot_id;
    index->sequence_number = sequence_number;
    return 0;
}

/* ---- searching ---- */

struct search {
    struct key_index *index;
    const struct key_hash *keys;
    uint32_t *open; /* places in keys that may have older entries, ascending */
    size_t open_count;
    key_found_fn *found;
    void *arg;
};

/* One entry of a key: rc, or 1 when it was the last. */
static int take_entry(struct search *s, size_t at, const struct key_entry *entry)
{
    uint32_t file = entry->file & KEY_FILE, row = entry->row;
    int rc = 0;

    if (file != KEY_TOMB && key_files_resolve(&s->index->files, &file, &row))
        rc = s->found(s->arg, at, (struct key_place){file, row});
    return rc ? rc : !(entry->file & KEY_MORE);
}

static int search_fresh(struct search *s)
{
    size_t left = 0;

    for (size_t i = 0; i < s->open_count; i++) {
        struct key_hash key = s->keys[s->open[i]];
        struct key_entry *e = key_table_find(&s->index->fresh, key);
        bool closed = false;

        for (; e; e = key_table_next(&s->index->fresh, key, e)) {
            int rc = take_entry(s, s->open[i], e);

            if (rc < 0)
                return rc;
            closed |= rc == 1;
        }
        if (!closed)
            s->open[left++] = s->open[i];
    }
    s->open_count = left;
    return 0;
}

static uint32_t lower_bound(const struct key_page *page, struct key_hash key)
{
    uint32_t low = 0, high = page->count;

    while (low < high) {
        uint32_t mid = (low + high) / 2;
        const struct key_entry *e = &page->entries[mid];

        if (key_cmp(e->hash, e->check, key.hash, key.check) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Entries of one key in a run, from a page on: rc, or 1 when the last was met. */
static int search_key(struct search *s, struct run_reader *r, uint64_t page_at, size_t at,
                      struct err *err)
{
    struct key_hash key = s->keys[at];

    for (; page_at < r->run->page_count; page_at++) {
        const struct key_page *page;
        int rc = run_reader_page(r, page_at, &page, err);
        uint32_t i;

        if (rc)
            return rc;
        for (i = lower_bound(page, key); i < page->count; i++) {
            if (page->entries[i].hash != key.hash || page->entries[i].check != key.check)
                return 0;
            rc = take_entry(s, at, &page->entries[i]);
            if (rc)
                return rc;
        }
    }
    return 0;
}

static int search_run(struct search *s, struct key_run *run, struct err *err)
{
    bool dense = s->open_count > run->page_count / DENSE_PAGES;
    struct run_reader reader;
    uint64_t page = 0;
    size_t left = 0;
    int rc = run->page_count ? run_reader_init(&reader, run, dense ? DENSE_PAGES : 1,
                                               &s->index->pages_read, err)
                             : 0;

    if (rc || !run->page_count)
        return rc;
    for (size_t i = 0; i < s->open_count && rc >= 0; i++) {
        rc = 0;
        if (key_run_may_have(run, s->keys[s->open[i]])) {
            page = key_run_page_of(run, page, s->keys[s->open[i]].hash);
            rc = search_key(s, &reader, page, s->open[i], err);
        }
        if (rc == 0)
            s->open[left++] = s->open[i];
    }
    s->open_count = left;
    run_reader_deinit(&reader);
    return rc < 0 ? rc : 0;
}

int key_index_find(struct key_index *index, struct key_hash *keys, size_t count,
                   key_found_fn *found, void *arg, struct err *err)
{
    struct search s = {index, keys, NULL, count, found, arg};
    int rc = 0;

    if (count > UINT32_MAX)
        return err_set(err, ERR_LIMIT, "%zu keys in one search", count);
    key_hash_sort(keys, count);
    s.open = malloc((count + 1) * sizeof(*s.open));
    if (!s.open)
        return err_set(err, ERR_NOMEM, "key index");
    for (size_t i = 0; i < count; i++)
        s.open[i] = (uint32_t)i;
    rc = search_fresh(&s);
    for (size_t i = 0; i < index->run_count && s.open_count && !rc; i++)
        rc = search_run(&s, index->runs[i], err);
    free(s.open);
    return rc == ERR_CORRUPT || rc == ERR_IO ? key_index_lose(index, rc) : rc;
}

/* ---- saving ---- */

static int sync_runs(struct key_index *index, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < index->run_count && !rc; i++)
        if (!index->runs[i]->synced) {
            rc = file_sync(index->runs[i]->file, err);
            index->runs[i]->synced = !rc;
        }
    return rc ? rc : disk_sync_dir(index->disk, index->dir, err);
}

int key_index_save(struct key_index *index, struct err *err)
{
    char *path = NULL;
    struct buf bytes;
    int rc = 0;

    if (!index->dir || index->snapshot_id == KEY_INDEX_NONE)
        return 0;
    buf_init(&bytes, 0);
    rc = key_index_flush(index, err);
    if (rc)
        key_index_lose(index, rc);
    rc = rc ? rc : sync_runs(index, err);
    path = rc ? NULL : state_path(index);
    if (!rc && (!path || key_state_print(index, &bytes)))
        rc = err_set(err, ERR_NOMEM, "key index");
    rc = rc ? rc : disk_write_file(index->disk, path, buf_slice(&bytes), err);
    for (size_t i = 0; i < index->stale_count && !rc; i++) {
        char *old = key_run_path(index, index->stale[i]);

        if (old)
            disk_unlink(index->disk, old, NULL);
        free(old);
    }
    if (!rc)
        index->stale_count = 0;
    free(path);
    buf_deinit(&bytes);
    return rc;
}

void key_index_stats(const struct key_index *index, struct key_index_stats *out)
{
    *out = (struct key_index_stats){
        .entries = (int64_t)index->fresh.live,
        .memory_bytes = (int64_t)(key_table_bytes(&index->fresh) + key_files_bytes(&index->files)),
        .runs = index->run_count,
        .pages_read = index->pages_read,
    };
    for (size_t i = 0; i < index->run_count; i++) {
        const struct key_run *run = index->runs[i];

        out->entries += (int64_t)run->count;
        out->memory_bytes += key_run_fixed_bytes(run) + (run->pages ? key_run_page_bytes(run) : 0);
        out->disk_bytes += run->file ? key_run_page_bytes(run) : 0;
        out->runs_in_memory += run->pages != NULL;
    }
}
