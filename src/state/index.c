/* index.c - a hash table of pointers: open addressing, no tombstones. */
#include "state/state_int.h"

#define FIRST_SIZE 16

void *index_find(const struct index *index, uint64_t hash, same_fn *same, const void *arg)
{
    if (!index->places)
        return NULL;
    for (uint32_t i = (uint32_t)hash & index->mask; index->places[i].what;
         i = (i + 1) & index->mask)
        if (index->places[i].hash == hash && same(index->places[i].what, arg))
            return index->places[i].what;
    return NULL;
}

static void place(struct index *index, uint64_t hash, void *what)
{
    uint32_t i = (uint32_t)hash & index->mask;

    while (index->places[i].what)
        i = (i + 1) & index->mask;
    index->places[i] = (struct place){hash, what};
}

static int grow(struct index *index)
{
    uint32_t old = index->places ? index->mask + 1 : 0, size = old ? old * 2 : FIRST_SIZE;
    struct index larger = {NULL, size - 1, index->used, index->spill};

    if (size)
        larger.places = huge_alloc(index->spill, size * sizeof(struct place), true);
    if (!larger.places)
        return ERR_NOMEM;
    memset(larger.places, 0, size * sizeof(struct place));
    for (uint32_t i = 0; i < old; i++)
        if (index->places[i].what)
            place(&larger, index->places[i].hash, index->places[i].what);
    huge_free(index->spill, index->places, old * sizeof(struct place));
    *index = larger;
    return 0;
}

int index_add(struct index *index, uint64_t hash, void *what)
{
    if ((!index->places || (uint64_t)(index->used + 1) * 10 > ((uint64_t)index->mask + 1) * 7) &&
        grow(index))
        return ERR_NOMEM;
    place(index, hash, what);
    index->used++;
    return 0;
}

/* Those behind it that could stand in its place move up, so that every search still finds its own
 * without a gap. */
void index_remove(struct index *index, uint64_t hash, const void *what)
{
    uint32_t gap = (uint32_t)hash & index->mask, i;

    while (index->places[gap].what != what)
        gap = (gap + 1) & index->mask;
    for (i = (gap + 1) & index->mask; index->places[i].what; i = (i + 1) & index->mask) {
        uint32_t home = (uint32_t)index->places[i].hash & index->mask;

        if (((i - home) & index->mask) < ((i - gap) & index->mask))
            continue;
        index->places[gap] = index->places[i];
        gap = i;
    }
    index->places[gap].what = NULL;
    index->used--;
}

void index_deinit(struct index *index)
{
    huge_free(index->spill, index->places,
              index->places ? ((size_t)index->mask + 1) * sizeof(struct place) : 0);
    *index = (struct index){.spill = index->spill};
}
