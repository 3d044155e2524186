/* disk_sim_loss.c - inodes and names of the simulated disk, and what a power loss leaves of them.
 *
 * Bytes. A sector of a file passes through versions: as synced, then after each unsynced write that
 * touches it. A power loss leaves every sector at some version of its own choice, which is what a
 * page cache written back in any order does: writes are torn between sectors, lost, or kept while
 * earlier ones elsewhere are lost. The size is metadata and picks its version by itself, so a file
 * may have grown and hold zeroes where its bytes should be.
 *
 * Names. Every unsynced change of a name is kept or lost; once one is lost, later changes of the
 * same name are lost too, since a name passes through its versions in order. A rename touches two
 * names and happens whole or not at all.
 */
#include "base/disk_sim_int.h"

#include <stdlib.h>

/* ---- inodes ---- */

struct sim_inode *sim_inode_new(struct disk_sim *sim, bool is_dir)
{
    struct sim_inode *inode = calloc(1, sizeof(*inode));

    if (!inode)
        return NULL;
    inode->is_dir = is_dir;
    inode->refs = 1;
    inode->last = &inode->first;
    inode->mtime = sim->calls;
    inode->next = sim->inodes;
    inode->prev = &sim->inodes;
    if (inode->next)
        inode->next->prev = &inode->next;
    sim->inodes = inode;
    return inode;
}

void sim_inode_ref(struct sim_inode *inode) { inode->refs++; }

void sim_inode_unref(struct disk_sim *sim, struct sim_inode *inode)
{
    if (--inode->refs > 0)
        return;
    *inode->prev = inode->next;
    if (inode->next)
        inode->next->prev = inode->prev;
    sim->used -= (int64_t)inode->now.len;
    sim_changes_clear(inode);
    sim_names_clear(sim, &inode->names);
    sim_names_clear(sim, &inode->names_synced);
    buf_deinit(&inode->now);
    buf_deinit(&inode->synced);
    buf_deinit(&inode->attr);
    buf_deinit(&inode->attr_synced);
    free(inode);
}

void sim_changes_clear(struct sim_inode *inode)
{
    struct sim_change *change;

    while ((change = inode->first)) {
        inode->first = change->next;
        free(change);
    }
    inode->last = &inode->first;
}

/* ---- names ---- */

/* Where `name` is, or where it would go. */
static size_t find(const struct sim_names *names, const char *name, bool *found)
{
    size_t low = 0, high = names->count;

    *found = false;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(names->list[middle].name, name);

        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct sim_inode *sim_names_get(const struct sim_names *names, const char *name)
{
    bool found;
    size_t at = find(names, name, &found);

    return found ? names->list[at].inode : NULL;
}

int sim_names_set(struct disk_sim *sim, struct sim_names *names, const char *name,
                  struct sim_inode *inode)
{
    bool found;
    size_t at = find(names, name, &found);
    char *copy;

    if (found) {
        struct sim_inode *before = names->list[at].inode;

        sim_inode_ref(inode);
        names->list[at].inode = inode;
        sim_inode_unref(sim, before);
        return 0;
    }
    if (names->count == names->cap) {
        size_t cap = names->cap ? names->cap * 2 : 8;
        struct sim_name *list = realloc(names->list, cap * sizeof(*list));

        if (!list)
            return ERR_NOMEM;
        names->list = list;
        names->cap = cap;
    }
    copy = strdup(name);
    if (!copy)
        return ERR_NOMEM;
    memmove(names->list + at + 1, names->list + at, (names->count - at) * sizeof(*names->list));
    names->list[at] = (struct sim_name){copy, inode};
    names->count++;
    sim_inode_ref(inode);
    return 0;
}

void sim_names_remove(struct disk_sim *sim, struct sim_names *names, const char *name)
{
    bool found;
    size_t at = find(names, name, &found);
    struct sim_inode *inode;

    if (!found)
        return;
    inode = names->list[at].inode;
    free(names->list[at].name);
    names->count--;
    memmove(names->list + at, names->list + at + 1, (names->count - at) * sizeof(*names->list));
    sim_inode_unref(sim, inode);
}

void sim_names_clear(struct disk_sim *sim, struct sim_names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        free(names->list[i].name);
        sim_inode_unref(sim, names->list[i].inode);
    }
    free(names->list);
    *names = (struct sim_names){0};
}

/* ---- syncing ---- */

int sim_resize(struct buf *image, size_t size)
{
    int rc = size > image->len ? buf_reserve(image, size - image->len) : 0;

    if (rc)
        return rc;
    if (size > image->len)
        memset(image->ptr + image->len, 0, size - image->len);
    image->len = size;
    return 0;
}

static int sim_keep_attr(struct buf *to, const struct buf *from)
{
    buf_clear(to);
    return buf_append_slice(to, buf_slice(from));
}

int sim_sync_file(struct sim_inode *inode)
{
    size_t size = inode->synced.len, largest = size;

    for (struct sim_change *c = inode->first; c; c = c->next)
        if (!c->is_size && c->pos + c->len > largest)
            largest = c->pos + c->len;
    if (inode->now.len > largest)
        largest = inode->now.len;
    if (buf_reserve(&inode->synced, largest - size) || /* all memory first: then nothing can fail */
        sim_keep_attr(&inode->attr_synced, &inode->attr))
        return ERR_NOMEM;
    inode->has_attr_synced = inode->has_attr;
    for (struct sim_change *c = inode->first; c; c = c->next) {
        if (c->is_size || c->pos + c->len > inode->synced.len)
            sim_resize(&inode->synced, c->is_size ? c->pos : c->pos + c->len);
        if (!c->is_size && c->len)
            memcpy(inode->synced.ptr + c->pos, c->bytes, c->len);
    }
    sim_changes_clear(inode);
    return 0;
}

static void drop_rename(struct disk_sim *sim, struct sim_rename *rename)
{
    for (int i = 0; i < 2; i++) {
        if (rename->entries[i].dir)
            sim_inode_unref(sim, rename->entries[i].dir);
        if (rename->entries[i].inode)
            sim_inode_unref(sim, rename->entries[i].inode);
    }
    free(rename);
}

static void keep_rename(struct disk_sim *sim, const struct sim_rename *rename)
{
    for (int i = 0; i < 2; i++) {
        const struct sim_entry *entry = &rename->entries[i];

        if (entry->dir && !entry->inode)
            sim_names_remove(sim, &entry->dir->names_synced, entry->name);
        else if (entry->dir &&
                 sim_names_set(sim, &entry->dir->names_synced, entry->name, entry->inode))
            abort(); /* the simulated machine cannot go on without what it promised to keep */
    }
}

static bool same_name(const struct sim_rename *a, const struct sim_rename *b)
{
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++)
            if (a->entries[i].dir && a->entries[i].dir == b->entries[j].dir &&
                strcmp(a->entries[i].name, b->entries[j].name) == 0)
                return true;
    return false;
}

static bool crosses(const struct sim_rename *r)
{
    return r->entries[1].dir && r->entries[0].dir != r->entries[1].dir;
}

/* Marks what a sync of `dir` must carry: all its own changes; and where one of them is a rename
 * from or to elsewhere, the earlier changes of the name at its other end. */
static void mark_for_sync(struct disk_sim *sim, const struct sim_inode *dir)
{
    bool again = true;

    for (struct sim_rename *r = sim->renames; r; r = r->next)
        r->marked = r->entries[0].dir == dir || r->entries[1].dir == dir;
    while (again) {
        again = false;
        for (struct sim_rename *late = sim->renames; late; late = late->next)
            for (struct sim_rename *r = sim->renames; late->marked && crosses(late) && r != late;
                 r = r->next)
                if (!r->marked && same_name(r, late))
                    r->marked = again = true;
    }
}

/* Takes the marked changes off the queue and makes them durable; `all` empties the queue. */
static void take_marked(struct disk_sim *sim, bool all)
{
    struct sim_rename **at = &sim->renames, *r;

    while ((r = *at)) {
        if (!r->marked && !all) {
            at = &r->next;
            continue;
        }
        *at = r->next;
        if (r->marked)
            keep_rename(sim, r);
        drop_rename(sim, r);
    }
    sim->last_rename = at;
}

void sim_sync_dir(struct disk_sim *sim, struct sim_inode *dir)
{
    mark_for_sync(sim, dir);
    take_marked(sim, false);
}

int sim_sync_all(struct disk_sim *sim)
{
    int rc = 0;

    for (struct sim_inode *inode = sim->inodes; inode && !rc; inode = inode->next)
        if (!inode->is_dir)
            rc = sim_sync_file(inode);
    for (struct sim_rename *r = sim->renames; r && !rc; r = r->next)
        r->marked = true;
    if (!rc)
        take_marked(sim, true);
    return rc;
}

/* ---- power loss ---- */

/* What a file does as a whole; within MIXED each sector decides for itself. */
enum fate { FATE_LOST, FATE_KEPT, FATE_MIXED };

static enum fate pick_fate(struct rng *rng)
{
    static const enum fate fates[] = {FATE_LOST, FATE_KEPT, FATE_MIXED, FATE_MIXED};

    return fates[rng_below(rng, COUNT_OF(fates))];
}

/* How many of `count` changes are on the platter. */
static uint32_t pick_version(struct rng *rng, enum fate fate, uint32_t count)
{
    if (fate == FATE_MIXED)
        switch (rng_below(rng, 3)) {
        case 0:
            return 0;
        case 1:
            return count;
        default:
            return (uint32_t)rng_below(rng, (uint64_t)count + 1);
        }
    return fate == FATE_KEPT ? count : 0;
}

struct history {
    uint32_t count; /* changes */
    size_t largest; /* size ever reached, in bytes */
};

static struct history history_of(const struct sim_inode *inode)
{
    struct history h = {0, inode->synced.len};
    size_t size = inode->synced.len;

    for (const struct sim_change *c = inode->first; c; c = c->next, h.count++) {
        if (c->is_size || c->pos + c->len > size)
            size = c->is_size ? c->pos : c->pos + c->len;
        if (size > h.largest)
            h.largest = size;
    }
    return h;
}

static size_t size_at(const struct sim_inode *inode, uint32_t version)
{
    size_t size = inode->synced.len;

    for (const struct sim_change *c = inode->first; c && version > 0; c = c->next, version--)
        if (c->is_size || c->pos + c->len > size)
            size = c->is_size ? c->pos : c->pos + c->len;
    return size;
}

/* One change, in those sectors whose version includes it. */
static void apply(struct buf *image, const struct sim_change *change, uint32_t nth,
                  const uint32_t *versions)
{
    size_t end = change->is_size ? image->len : change->pos + change->len;

    for (size_t from = change->pos; from < end;) {
        size_t to = (from / SECTOR + 1) * SECTOR;

        if (to > end)
            to = end;
        if (nth < versions[from / SECTOR] && change->is_size)
            memset(image->ptr + from, 0, to - from);
        else if (nth < versions[from / SECTOR])
            memcpy(image->ptr + from, change->bytes + (from - change->pos), to - from);
        from = to;
    }
}

static void lose_bytes(struct disk_sim *sim, struct sim_inode *inode)
{
    struct history history = history_of(inode);
    enum fate fate = pick_fate(&sim->rng);
    size_t sectors = history.largest / SECTOR + 1;
    size_t size = size_at(inode, pick_version(&sim->rng, fate, history.count));
    uint32_t *versions = malloc(sectors * sizeof(*versions)), nth = 0;

    /* Memory that runs out loses everything unsynced: also something power loss may do. */
    if (versions && sim_resize(&inode->synced, history.largest) == 0) {
        for (size_t i = 0; i < sectors; i++)
            versions[i] = pick_version(&sim->rng, fate, history.count);
        for (struct sim_change *c = inode->first; c; c = c->next)
            apply(&inode->synced, c, nth++, versions);
        inode->synced.len = size;
    }
    free(versions);
    sim_changes_clear(inode);
}

/* An attribute that no sync covered is there or not. */
static void lose_attr(struct disk_sim *sim, struct sim_inode *inode)
{
    bool differs = inode->has_attr != inode->has_attr_synced ||
                   !slice_eq(buf_slice(&inode->attr), buf_slice(&inode->attr_synced));

    if (!differs)
        return;
    if (rng_below(&sim->rng, 2)) {
        inode->has_attr_synced = inode->has_attr;
        if (sim_keep_attr(&inode->attr_synced, &inode->attr))
            abort(); /* as in keep_rename */
    } else {
        inode->has_attr = inode->has_attr_synced;
        if (sim_keep_attr(&inode->attr, &inode->attr_synced))
            abort();
    }
}

static void lose_file(struct disk_sim *sim, struct sim_inode *inode)
{
    lose_attr(sim, inode);
    if (!inode->first)
        return; /* all of it is synced */
    lose_bytes(sim, inode);
    sim->used -= (int64_t)inode->now.len;
    buf_clear(&inode->now);
    if (buf_append_slice(&inode->now, buf_slice(&inode->synced)))
        abort(); /* as in keep_rename */
    sim->used += (int64_t)inode->now.len;
}

static void lose_names(struct disk_sim *sim)
{
    for (struct sim_rename *r = sim->renames; r; r = r->next) {
        r->marked = rng_below(&sim->rng, 2) == 0;
        for (struct sim_rename *before = sim->renames; before != r; before = before->next)
            if (!before->marked && same_name(before, r))
                r->marked = false;
    }
    take_marked(sim, true);
}

static void restore_names(struct disk_sim *sim, struct sim_inode *dir)
{
    sim_names_clear(sim, &dir->names);
    for (size_t i = 0; i < dir->names_synced.count; i++)
        if (sim_names_set(sim, &dir->names, dir->names_synced.list[i].name,
                          dir->names_synced.list[i].inode))
            abort(); /* likewise */
}

/* Each inode is held while the names change around it: none may go before its turn. */
void sim_lose_power(struct disk_sim *sim)
{
    struct sim_inode *inode, *next;

    lose_names(sim);
    for (inode = sim->inodes; inode; inode = inode->next) {
        sim_inode_ref(inode);
        if (!inode->is_dir)
            lose_file(sim, inode);
    }
    for (inode = sim->inodes; inode; inode = inode->next)
        if (inode->is_dir)
            restore_names(sim, inode);
    for (inode = sim->inodes; inode; inode = next) {
        next = inode->next; /* still held */
        sim_inode_unref(sim, inode);
    }
}
