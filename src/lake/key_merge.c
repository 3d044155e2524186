/* key_merge.c - the life of runs: made of the table, merged into larger ones, kept in memory or
 * not. See key_index.h.
 *
 * Of the entries of one key in several runs the newest count until one without KEY_MORE; what is
 * older is left behind. Merging translates places of rewritten files and drops those of gone ones;
 * an entry whose place is gone but that still ends the search becomes a tombstone, which the oldest
 * run does not need. */
#include "lake/key_index_int.h"

#define MERGE_WINDOW 64 /* pages per run read at a time */

struct cursor {
    struct run_reader reader;
    const struct key_page *page;
    uint64_t page_at;
    uint32_t at;
    bool ended;
};

static const struct key_entry *entry_of(const struct cursor *c)
{
    return &c->page->entries[c->at];
}

static int cursor_init(struct cursor *c, struct key_index *index, struct key_run *run,
                       struct err *err)
{
    int rc = run_reader_init(&c->reader, run, MERGE_WINDOW, &index->pages_read, err);

    c->ended = run->page_count == 0;
    return rc || c->ended ? rc : run_reader_page(&c->reader, 0, &c->page, err);
}

static int cursor_next(struct cursor *c, struct err *err)
{
    if (++c->at < c->page->count)
        return 0;
    c->at = 0;
    if (++c->page_at < c->reader.run->page_count)
        return run_reader_page(&c->reader, c->page_at, &c->page, err);
    c->ended = true;
    return 0;
}

/* The cursor whose entry is the next in order; the newest of equal ones. NULL: all ended. */
static struct cursor *least(struct cursor *list, size_t count)
{
    struct cursor *best = NULL;

    for (size_t i = 0; i < count; i++) {
        const struct key_entry *e, *b;

        if (list[i].ended)
            continue;
        e = entry_of(&list[i]);
        b = best ? entry_of(best) : NULL;
        if (!best || key_cmp(e->hash, e->check, b->hash, b->check) < 0)
            best = &list[i];
    }
    return best;
}

/* What becomes of an entry; false: nothing. */
static bool settle_entry(const struct key_files *files, struct key_entry *entry, bool oldest)
{
    uint32_t more = entry->file & KEY_MORE, file = entry->file & KEY_FILE, row = entry->row;
    bool tomb = file == KEY_TOMB || !key_files_resolve(files, &file, &row);

    if (!tomb) {
        entry->file = file | more;
        entry->row = row;
        return true;
    }
    entry->file = KEY_TOMB;
    entry->row = 0;
    return !more && !oldest;
}

static int merge_into(struct key_index *index, struct cursor *cursors, size_t count, bool oldest,
                      struct run_writer *w, struct err *err)
{
    struct key_hash closed = {0, 0};
    bool any_closed = false;
    struct cursor *c;
    int rc = 0;

    while (!rc && (c = least(cursors, count))) {
        struct key_entry entry = *entry_of(c);

        if (!any_closed || key_cmp(entry.hash, entry.check, closed.hash, closed.check) != 0) {
            if (!(entry.file & KEY_MORE)) {
                closed = (struct key_hash){entry.hash, entry.check};
                any_closed = true;
            }
            if (settle_entry(&index->files, &entry, oldest))
                rc = run_writer_add(w, &entry, err);
        }
        rc = rc ? rc : cursor_next(c, err);
    }
    return rc;
}

/* The file of a run that a saved state may name stays until the next one is saved; there is room
 * for its number (room_for_stale). */
static void run_forget(struct key_index *index, struct key_run *run)
{
    char *path = index->dir && !run->synced ? key_run_path(index, run->number) : NULL;

    if (path)
        disk_unlink(index->disk, path, NULL);
    else if (index->dir)
        index->stale[index->stale_count++] = run->number;
    free(path);
    key_run_free(run);
}

static int64_t memory_used(const struct key_index *index)
{
    int64_t bytes = (int64_t)(key_table_bytes(&index->fresh) + key_files_bytes(&index->files));

    for (size_t i = 0; i < index->run_count; i++)
        bytes += key_run_fixed_bytes(index->runs[i]) +
                 (index->runs[i]->pages ? key_run_page_bytes(index->runs[i]) : 0);
    return bytes;
}

void key_index_fit_memory(struct key_index *index)
{
    for (size_t i = index->run_count; i > 0 && memory_used(index) > index->memory_bytes; i--)
        key_run_unload(index->runs[i - 1]);
    /* The filter of the largest run costs a byte per key, and most searches find there. */
    for (size_t i = index->run_count;
         i > 0 && index->dir && memory_used(index) > index->memory_bytes; i--) {
        free(index->runs[i - 1]->bloom);
        index->runs[i - 1]->bloom = NULL;
    }
}

/* Room in the list of stale runs before runs are replaced: so that no file is forgotten. */
static int room_for_stale(struct key_index *index, size_t more, struct err *err)
{
    if (index->stale_count + more > index->stale_cap) {
        size_t cap = (index->stale_count + more) * 2;
        uint64_t *list = realloc(index->stale, cap * sizeof(*list));

        if (!list)
            return err_set(err, ERR_NOMEM, "key index");
        index->stale = list;
        index->stale_cap = cap;
    }
    return 0;
}

static int writer_for(struct key_index *index, struct run_writer *w, uint64_t count_max,
                      char **path, struct err *err)
{
    uint64_t number = index->next_run++;
    int64_t bytes = (int64_t)(count_max / RUN_PER_PAGE + 1) * RUN_PAGE;
    bool keep = memory_used(index) + bytes <= index->memory_bytes;

    *path = index->dir ? key_run_path(index, number) : NULL;
    if (index->dir && !*path)
        return err_set(err, ERR_NOMEM, "key index");
    return run_writer_init(w, index->disk, *path, number, count_max, keep, err);
}

/* The newest `count` runs become one. */
static int merge_runs(struct key_index *index, size_t count, struct err *err)
{
    struct cursor cursors[KEY_RUNS_MAX] = {0};
    bool oldest = count == index->run_count;
    struct run_writer w = {0};
    struct key_run *made = NULL;
    uint64_t total = 0;
    char *path = NULL;
    int rc = room_for_stale(index, count, err);

    for (size_t i = 0; i < count; i++)
        total += index->runs[i]->count;
    rc = rc ? rc : writer_for(index, &w, total, &path, err);
    for (size_t i = 0; i < count && !rc; i++)
        rc = cursor_init(&cursors[i], index, index->runs[i], err);
    rc = rc ? rc : merge_into(index, cursors, count, oldest, &w, err);
    for (size_t i = 0; i < count; i++)
        run_reader_deinit(&cursors[i].reader);
    rc = rc ? rc : run_writer_end(&w, &made, err);
    if (rc) {
        run_writer_deinit(&w);
        if (path)
            disk_unlink(index->disk, path, NULL);
        free(path);
        return rc;
    }
    free(path);
    for (size_t i = 0; i < count; i++)
        run_forget(index, index->runs[i]);
    memmove(&index->runs[1], &index->runs[count],
            (index->run_count - count) * sizeof(*index->runs));
    index->runs[0] = made;
    index->run_count -= count - 1;
    key_index_fit_memory(index);
    return 0;
}

int key_index_merge_all(struct key_index *index, struct err *err)
{
    int rc = key_index_flush(index, err);

    if (!rc && index->run_count)
        rc = merge_runs(index, index->run_count, err);
    if (!rc)
        key_files_forget_gone(&index->files);
    return rc;
}

/* Each run is at least twice the one before it, so there are no more than log2 of them. */
static int merge_small(struct key_index *index, struct err *err)
{
    uint64_t total = index->run_count ? index->runs[0]->count : 0;
    size_t count = 1;

    while (count < index->run_count && total * 2 >= index->runs[count]->count)
        total += index->runs[count++]->count;
    return count > 1 ? merge_runs(index, count, err) : 0;
}

int key_index_flush(struct key_index *index, struct err *err)
{
    struct run_writer w;
    struct key_run *made = NULL;
    char *path = NULL;
    size_t count;
    int rc;

    if (!index->fresh.live)
        return 0;
    count = key_table_sort(&index->fresh);
    rc = writer_for(index, &w, count, &path, err);
    for (size_t i = 0; i < count && !rc; i++)
        rc = run_writer_add(&w, &index->fresh.slots[i], err);
    rc = rc ? rc : run_writer_end(&w, &made, err);
    if (rc) {
        run_writer_deinit(&w);
        if (path)
            disk_unlink(index->disk, path, NULL);
    } else {
        memmove(&index->runs[1], index->runs, index->run_count * sizeof(*index->runs));
        index->runs[0] = made;
        index->run_count++;
    }
    free(path);
    key_table_clear(&index->fresh); /* its order is gone: after an error so is the index */
    return rc ? rc : merge_small(index, err);
}
