/* paths.c - sets and lists of file locations, and growing lists of lines and entries. */
#include "base/codec.h"
#include "lake/lake_int.h"

static size_t slot_of(const struct path_set *set, const char *path)
{
    size_t at = hash64(path, strlen(path), 0) & (set->cap - 1);

    while (set->slots[at] && strcmp(set->slots[at], path) != 0)
        at = (at + 1) & (set->cap - 1);
    return at;
}

static int grow(struct path_set *set)
{
    struct path_set bigger = {.arena = set->arena, .cap = set->cap ? set->cap * 2 : 64};

    bigger.slots = ARENA_ARRAY(set->arena, const char *, bigger.cap);
    if (!bigger.slots)
        return ERR_NOMEM;
    for (size_t i = 0; i < set->cap; i++)
        if (set->slots[i])
            bigger.slots[slot_of(&bigger, set->slots[i])] = set->slots[i];
    bigger.count = set->count;
    *set = bigger;
    return 0;
}

int path_set_add(struct path_set *set, const char *path)
{
    size_t at;

    if (set->count * 2 >= set->cap && grow(set))
        return ERR_NOMEM;
    at = slot_of(set, path);
    if (set->slots[at])
        return 0;
    set->slots[at] = path;
    set->count++;
    return 1;
}

bool path_set_has(const struct path_set *set, const char *path)
{
    return set->cap && set->slots[slot_of(set, path)];
}

/* Room for one more element; what was there moves along. */
static int make_room(void **list, size_t count, size_t *cap, size_t size, struct arena *arena)
{
    size_t bigger = *cap ? *cap * 2 : 16;
    void *moved;

    if (count < *cap)
        return 0;
    moved = arena_array(arena, bigger, size);
    if (!moved)
        return ERR_NOMEM;
    if (count)
        memcpy(moved, *list, count * size);
    *list = moved;
    *cap = bigger;
    return 0;
}

int path_list_add(struct path_list *list, struct arena *arena, const char *path)
{
    if (make_room((void **)&list->list, list->count, &list->cap, sizeof(*list->list), arena))
        return ERR_NOMEM;
    list->list[list->count] = arena_strdup(arena, path);
    return list->list[list->count] ? list->count++, 0 : ERR_NOMEM;
}

int lines_add(struct lines *lines, struct arena *arena, const struct lake_manifest_file *line)
{
    if (make_room((void **)&lines->list, lines->count, &lines->cap, sizeof(*line), arena))
        return ERR_NOMEM;
    lines->list[lines->count++] = *line;
    return 0;
}

int entries_add(struct entries *entries, struct arena *arena, const struct lake_entry *entry)
{
    if (make_room((void **)&entries->list, entries->count, &entries->cap, sizeof(*entry), arena))
        return ERR_NOMEM;
    entries->list[entries->count++] = *entry;
    return 0;
}
