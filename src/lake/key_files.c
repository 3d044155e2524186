/* key_files.c - data files by the ordinals that entries name them with, and where the rows of
 * rewritten files went. See key_index_int.h.
 *
 * A dropped file keeps its slot while entries may name it: an ordinal that came to mean another
 * file would give rows that were never those of the key. */
#include "base/codec.h"
#include "lake/key_index_int.h"

#define STEPS_MAX 64 /* a row is rewritten once per size class: more is a circle */

static size_t place_of(const struct key_files *f, const char *path)
{
    size_t at = (size_t)hash64(path, strlen(path), 0) & (f->by_path_cap - 1);

    while (f->by_path[at] && strcmp(f->slots[f->by_path[at]].file.path, path) != 0)
        at = (at + 1) & (f->by_path_cap - 1);
    return at;
}

bool key_files_find(const struct key_files *f, const char *path, uint32_t *ordinal)
{
    size_t at = f->by_path_cap ? place_of(f, path) : 0;

    if (!f->by_path_cap || !f->by_path[at] || !f->slots[f->by_path[at]].live)
        return false;
    *ordinal = f->by_path[at];
    return true;
}

/* Holds all slots in use, gone ones too: so a path can go and come again, which a rollback does. */
static int index_paths(struct key_files *f, size_t cap)
{
    uint32_t *more = calloc(cap, sizeof(*more));

    if (!more)
        return ERR_NOMEM;
    free(f->by_path);
    f->by_path = more;
    f->by_path_cap = cap;
    for (uint32_t i = 1; i < f->count; i++)
        if (f->slots[i].file.path && f->slots[i].live)
            f->by_path[place_of(f, f->slots[i].file.path)] = i;
    return 0;
}

static int free_slot(struct key_files *f, uint32_t *ordinal)
{
    for (; f->first_free && f->first_free < f->count; f->first_free++)
        if (!f->slots[f->first_free].file.path) {
            *ordinal = f->first_free++;
            return 0;
        }
    if (f->count >= KEY_FILE_MAX)
        return ERR_LIMIT;
    if (f->count == f->cap) {
        size_t cap = f->cap ? f->cap * 2 : 64;
        struct file_slot *more = realloc(f->slots, cap * sizeof(*more));

        if (!more)
            return ERR_NOMEM;
        memset(more + f->count, 0, (cap - f->count) * sizeof(*more));
        f->slots = more;
        f->cap = cap;
        f->count += f->count == 0; /* ordinal 0 is an empty slot of a table */
    }
    *ordinal = (uint32_t)f->count++;
    return 0;
}

int key_files_add(struct key_files *f, const struct key_file *file, uint32_t *ordinal)
{
    char *path = strdup(file->path);
    int rc = path ? free_slot(f, ordinal) : ERR_NOMEM;

    if (rc) {
        free(path);
        return rc;
    }
    f->slots[*ordinal] = (struct file_slot){.file = *file, .live = true};
    f->slots[*ordinal].file.path = path;
    f->live++;
    if (f->live * 2 < f->by_path_cap) {
        f->by_path[place_of(f, path)] = *ordinal;
        return 0;
    }
    rc = index_paths(f, f->by_path_cap ? f->by_path_cap * 2 : 64);
    if (rc) {
        free(path);
        memset(&f->slots[*ordinal], 0, sizeof(f->slots[*ordinal]));
        f->live--;
    }
    return rc;
}

/* Closes the gap that a path leaves in its run of slots. */
static void unlink_path(struct key_files *f, uint32_t ordinal)
{
    size_t at = place_of(f, f->slots[ordinal].file.path), mask = f->by_path_cap - 1;

    f->by_path[at] = 0;
    for (size_t next = (at + 1) & mask; f->by_path[next]; next = (next + 1) & mask) {
        uint32_t moved = f->by_path[next];

        f->by_path[next] = 0;
        f->by_path[place_of(f, f->slots[moved].file.path)] = moved;
    }
}

void key_files_drop(struct key_files *f, uint32_t ordinal)
{
    if (!f->slots[ordinal].live)
        return;
    unlink_path(f, ordinal);
    f->slots[ordinal].live = false;
    f->live--;
    f->gone++;
}

static const struct key_forward *forward_of(const struct file_slot *slot, uint32_t row)
{
    size_t low = 0, high = slot->forward_count;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (slot->forwards[mid].row <= row)
            low = mid + 1;
        else
            high = mid;
    }
    if (!low || row - slot->forwards[low - 1].row >= slot->forwards[low - 1].count)
        return NULL;
    return &slot->forwards[low - 1];
}

bool key_files_resolve(const struct key_files *f, uint32_t *file, uint32_t *row)
{
    for (int step = 0; step < STEPS_MAX; step++) {
        const struct file_slot *slot = *file < f->count ? &f->slots[*file] : NULL;
        const struct key_forward *to;

        if (!slot || !slot->file.path)
            return false;
        if (slot->live)
            return *row < slot->file.rows;
        to = forward_of(slot, *row);
        if (!to)
            return false;
        *row = to->to + (*row - to->row);
        *file = to->file;
    }
    return false;
}

static void slot_clear(struct key_files *f, struct file_slot *slot)
{
    f->forward_bytes -= slot->forward_count * sizeof(*slot->forwards);
    free((char *)slot->file.path);
    free(slot->forwards);
    memset(slot, 0, sizeof(*slot));
}

void key_files_forget_gone(struct key_files *f)
{
    for (size_t i = 1; i < f->count; i++)
        if (f->slots[i].file.path && !f->slots[i].live)
            slot_clear(f, &f->slots[i]);
    f->gone = 0;
    f->first_free = 1;
}

void key_files_deinit(struct key_files *f)
{
    for (size_t i = 1; i < f->count; i++)
        slot_clear(f, &f->slots[i]);
    free(f->slots);
    free(f->by_path);
    memset(f, 0, sizeof(*f));
}

size_t key_files_bytes(const struct key_files *f)
{
    return f->cap * sizeof(*f->slots) + f->by_path_cap * sizeof(*f->by_path) + f->forward_bytes +
           (f->live + f->gone) * 128; /* paths, about */
}
