/* lock.c - locks and shared memory between the connections of one process.
 *
 * SQLite's WAL mode lets readers go on while a writer waits for its sync, but it wants a -shm file
 * mapped by everybody, and POSIX locks on it. The database belongs to this process alone (the data
 * folder is locked by whoever opens it), so both are plain memory here: the rules are SQLite's
 * ("The SQLite OS Interface", "WAL-mode File Format"), the mechanism is one mutex. Nothing of it
 * has to survive: the wal-index is rebuilt from the log by the first connection of the next start.
 */
#include "meta/meta_int.h"

int lock_space_init(struct lock_space *space)
{
    *space = (struct lock_space){0};
    return pthread_mutex_init(&space->mutex, NULL) ? ERR_NOMEM : 0;
}

static void free_regions(struct lock_space *space)
{
    for (int i = 0; i < space->region_count; i++)
        free(space->regions[i]);
    free(space->regions);
    space->regions = NULL;
    space->region_count = 0;
}

void lock_space_deinit(struct lock_space *space)
{
    free_regions(space);
    pthread_mutex_destroy(&space->mutex);
}

static int raise_locked(struct lock_space *space, struct lock_holder *holder, int level)
{
    if (holder->level == SQLITE_LOCK_NONE) { /* SQLite takes SHARED first, alone */
        if (space->pending)
            return SQLITE_BUSY;
        space->shared++;
        holder->level = SQLITE_LOCK_SHARED;
        return SQLITE_OK;
    }
    if (space->reserved && space->reserved != holder)
        return SQLITE_BUSY;
    if (level == SQLITE_LOCK_RESERVED) {
        space->reserved = holder;
        holder->level = SQLITE_LOCK_RESERVED;
        return SQLITE_OK;
    }
    if (space->pending && space->pending != holder)
        return SQLITE_BUSY;
    space->reserved = space->pending = holder; /* no new readers from here on */
    holder->level = SQLITE_LOCK_PENDING;
    if (space->shared > 1)
        return SQLITE_BUSY;
    holder->level = SQLITE_LOCK_EXCLUSIVE;
    return SQLITE_OK;
}

int lock_raise(struct lock_space *space, struct lock_holder *holder, int level)
{
    int rc = SQLITE_OK;

    if (holder->level >= level)
        return SQLITE_OK;
    pthread_mutex_lock(&space->mutex);
    rc = raise_locked(space, holder, level);
    pthread_mutex_unlock(&space->mutex);
    return rc;
}

int lock_lower(struct lock_space *space, struct lock_holder *holder, int level)
{
    if (holder->level <= level)
        return SQLITE_OK;
    pthread_mutex_lock(&space->mutex);
    if (space->reserved == holder)
        space->reserved = NULL;
    if (space->pending == holder)
        space->pending = NULL;
    if (level == SQLITE_LOCK_NONE)
        space->shared--;
    holder->level = level;
    pthread_mutex_unlock(&space->mutex);
    return SQLITE_OK;
}

bool lock_is_reserved(struct lock_space *space)
{
    bool reserved;

    pthread_mutex_lock(&space->mutex);
    reserved = space->reserved != NULL;
    pthread_mutex_unlock(&space->mutex);
    return reserved;
}

/* Makes regions up to and including `region`. */
static int grow_regions(struct lock_space *space, int region, int size)
{
    void **regions = realloc(space->regions, (size_t)(region + 1) * sizeof(*regions));

    if (!regions)
        return SQLITE_IOERR_NOMEM;
    space->regions = regions;
    while (space->region_count <= region) {
        void *memory = calloc(1, (size_t)size);

        if (!memory)
            return SQLITE_IOERR_NOMEM;
        space->regions[space->region_count++] = memory;
    }
    return SQLITE_OK;
}

int shm_map(struct lock_space *space, struct lock_holder *holder, int region, int size, bool extend,
            void volatile **out)
{
    int rc = SQLITE_OK;

    *out = NULL;
    pthread_mutex_lock(&space->mutex);
    if (!holder->mapped) {
        holder->mapped = true;
        space->users++;
    }
    if (region >= space->region_count && extend)
        rc = grow_regions(space, region, size);
    if (rc == SQLITE_OK && region < space->region_count)
        *out = space->regions[region];
    pthread_mutex_unlock(&space->mutex);
    return rc;
}

static int shm_take(struct lock_space *space, struct lock_holder *holder, int first, int count,
                    bool exclusive)
{
    for (int i = first; i < first + count; i++) {
        bool mine = holder->shm_shared & (1u << i);

        if (space->shm_exclusive[i] && space->shm_exclusive[i] != holder)
            return SQLITE_BUSY;
        if (exclusive && space->shm_shared[i] > (mine ? 1 : 0))
            return SQLITE_BUSY;
    }
    for (int i = first; i < first + count; i++) {
        if (exclusive) {
            space->shm_exclusive[i] = holder;
            holder->shm_exclusive |= 1u << i;
        } else if (!(holder->shm_shared & (1u << i))) {
            space->shm_shared[i]++;
            holder->shm_shared |= 1u << i;
        }
    }
    return SQLITE_OK;
}

static void shm_give(struct lock_space *space, struct lock_holder *holder, int first, int count)
{
    for (int i = first; i < first + count; i++) {
        if (holder->shm_exclusive & (1u << i))
            space->shm_exclusive[i] = NULL;
        if (holder->shm_shared & (1u << i))
            space->shm_shared[i]--;
        holder->shm_exclusive &= ~(1u << i);
        holder->shm_shared &= ~(1u << i);
    }
}

int shm_lock(struct lock_space *space, struct lock_holder *holder, int first, int count, int flags)
{
    int rc = SQLITE_OK;

    assert(first >= 0 && count > 0 && first + count <= SHM_LOCKS);
    pthread_mutex_lock(&space->mutex);
    if (flags & SQLITE_SHM_LOCK)
        rc = shm_take(space, holder, first, count, flags & SQLITE_SHM_EXCLUSIVE);
    else
        shm_give(space, holder, first, count);
    pthread_mutex_unlock(&space->mutex);
    return rc;
}

void shm_barrier(struct lock_space *space)
{
    /* The mutex is a full barrier, and one that the thread sanitizer understands. */
    pthread_mutex_lock(&space->mutex);
    pthread_mutex_unlock(&space->mutex);
}

void shm_unmap(struct lock_space *space, struct lock_holder *holder)
{
    if (!holder->mapped)
        return;
    pthread_mutex_lock(&space->mutex);
    shm_give(space, holder, 0, SHM_LOCKS);
    holder->mapped = false;
    if (--space->users == 0)
        free_regions(space);
    pthread_mutex_unlock(&space->mutex);
}
