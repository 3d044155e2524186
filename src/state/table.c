/* table.c - entries: looked up, edited in place, dropped, walked. */
#include "base/codec.h"
#include "state/state_int.h"

static uint32_t state_now(const struct state *state)
{
    return (uint32_t)((state->now_ms ? state->now_ms : clock_wall_ms(state->clock)) / 1000);
}

/* The time of the last change is known to a second: it may have been the end of it. */
bool entry_expired(const struct state_table *table, const struct entry *entry)
{
    int64_t age;

    if (!table->ttl_ms || table->state->loading)
        return false;
    age = (int64_t)state_now(table->state) - (int64_t)entry->touched - 1;
    return age > 0 && age * 1000 >= table->ttl_ms;
}

/* ---- spaces ---- */

static size_t space_at(const struct state_table *table, int64_t number)
{
    size_t low = 0, high = table->space_count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (table->spaces[middle]->number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct space *space_make(struct state_table *table, int64_t number, size_t at)
{
    struct space *space = calloc(1, sizeof(*space));

    if (!space)
        return NULL;
    if (table->space_count == table->space_cap) {
        size_t cap = table->space_cap ? table->space_cap * 2 : 8;
        struct space **more = realloc(table->spaces, cap * sizeof(struct space *));

        if (!more) {
            free(space);
            return NULL;
        }
        table->spaces = more;
        table->space_cap = cap;
    }
    memmove(table->spaces + at + 1, table->spaces + at,
            (table->space_count - at) * sizeof(table->spaces[0]));
    space->number = number;
    space->pool.spill = space->entries.spill = space->groups.spill = table->state->spill;
    table->spaces[at] = space;
    table->space_count++;
    return space;
}

struct space *table_space(struct state_table *table, int64_t number, bool make)
{
    size_t at;

    if (table->last && table->last->number == number)
        return table->last;
    at = space_at(table, number);
    if (at < table->space_count && table->spaces[at]->number == number)
        return table->last = table->spaces[at];
    return make ? (table->last = space_make(table, number, at)) : NULL;
}

/* Lists are as long as the state has entries: their memory is of its budget too. */
static void free_list(struct space *space, struct entries *entries)
{
    spill_plain(space->pool.spill, -(int64_t)(entries->cap * sizeof(struct entry *)));
    free(entries->list);
}

void space_free(struct space *space)
{
    pool_deinit(&space->pool);
    index_deinit(&space->entries);
    index_deinit(&space->groups);
    free_list(space, &space->all);
    free_list(space, &space->changed);
    free_list(space, &space->sealed);
    free(space);
}

bool state_space_from(struct state_table *table, int64_t from, int64_t *space)
{
    for (size_t i = space_at(table, from); i < table->space_count; i++)
        if (table->spaces[i]->entries.used) {
            *space = table->spaces[i]->number;
            return true;
        }
    return false;
}

int64_t state_count(struct state_table *table)
{
    int64_t count = 0;

    for (size_t i = 0; i < table->space_count; i++)
        count += table->spaces[i]->entries.used;
    return count;
}

/* ---- entries ---- */

int entry_list_add(struct space *space, struct entries *entries, struct entry *entry)
{
    if (entries->count == entries->cap) {
        uint32_t cap = entries->cap ? entries->cap * 2 : 16;
        struct entry **more = realloc(entries->list, cap * sizeof(struct entry *));

        if (!more)
            return ERR_NOMEM;
        spill_plain(space->pool.spill, (int64_t)((cap - entries->cap) * sizeof(struct entry *)));
        entries->list = more;
        entries->cap = cap;
    }
    entries->list[entries->count++] = entry;
    return 0;
}

static struct link *link_of(const struct entry *entry)
{
    return (struct link *)(entry + 1);
}

static uint8_t *bytes_of(const struct state_table *table, const struct entry *entry)
{
    return (uint8_t *)(entry + 1) + (table->grouped ? sizeof(struct link) : 0);
}

struct slice entry_key(const struct state_table *table, const struct entry *entry)
{
    const struct group *group = table->grouped ? link_of(entry)->group : NULL;

    return group ? slice_of(group->key, group->key_len)
                 : slice_of(bytes_of(table, entry), entry->key_len);
}

struct slice entry_sub(const struct state_table *table, const struct entry *entry)
{
    return slice_of(bytes_of(table, entry) + (table->grouped ? 0 : entry->key_len), entry->sub_len);
}

struct wanted {
    const struct state_table *table;
    const struct group *group; /* grouped tables */
    struct slice key, sub;
};

static bool same_entry(const void *what, const void *arg)
{
    const struct entry *entry = what;
    const struct wanted *w = arg;
    const uint8_t *bytes = bytes_of(w->table, entry);

    if (w->group)
        return link_of(entry)->group == w->group && entry->sub_len == w->sub.len &&
               memcmp(bytes, w->sub.ptr, w->sub.len) == 0;
    return entry->key_len == w->key.len && memcmp(bytes, w->key.ptr, w->key.len) == 0;
}

static bool same_group(const void *what, const void *arg)
{
    const struct group *group = what;
    const struct slice *key = arg;

    return group->key_len == key->len && memcmp(group->key, key->ptr, key->len) == 0;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Most keys are of a few columns of fixed width: two multiplications, as in wyhash. */
static uint64_t hash_of(struct slice bytes, uint64_t seed)
{
    const uint64_t odd = 0xa0761d6478bd642fULL, other = 0xe7037ed1a0b428dbULL;
    uint64_t a = 0, b = 0;

    if (bytes.len > 16)
        return hash64(bytes.ptr, bytes.len, seed);
    if (bytes.len >= 8) {
        memcpy(&a, bytes.ptr, 8);
        memcpy(&b, bytes.ptr + bytes.len - 8, 8);
    } else if (bytes.len) {
        memcpy(&a, bytes.ptr, bytes.len);
    }
    return mix(odd ^ bytes.len, mix(a ^ other, b ^ seed ^ odd));
}

static uint64_t entry_hash(uint64_t key_hash, bool grouped, struct slice sub)
{
    return grouped ? hash_of(sub, key_hash) : key_hash;
}

/* Without groups, by the hash of the key. */
static struct entry *find_plain(const struct space *space, struct slice key, uint64_t hash)
{
    const struct index *index = &space->entries;

    if (!index->places)
        return NULL;
    for (uint32_t i = (uint32_t)hash & index->mask; index->places[i].what;
         i = (i + 1) & index->mask) {
        struct entry *entry = index->places[i].what;

        if (index->places[i].hash == hash && entry->key_len == key.len &&
            memcmp(entry + 1, key.ptr, key.len) == 0)
            return entry;
    }
    return NULL;
}

static struct entry *find(struct state_table *table, struct space *space,
                          const struct state_key *key, uint64_t hash)
{
    struct wanted w = {table, NULL, key->key, key->sub};

    if (!table->grouped)
        return find_plain(space, key->key, hash);
    w.group = index_find(&space->groups, hash, same_group, &key->key);
    if (!w.group)
        return NULL;
    return index_find(&space->entries, entry_hash(hash, true, key->sub), same_entry, &w);
}

static struct group *find_group(struct space *space, struct slice key, bool make)
{
    uint64_t hash = hash_of(key, 0);
    struct group *group = index_find(&space->groups, hash, same_group, &key);

    if (group || !make)
        return group;
    group = pool_take(&space->pool, sizeof(*group) + key.len);
    if (!group)
        return NULL;
    *group = (struct group){.hash = hash, .key_len = (uint32_t)key.len};
    memcpy(group->key, key.ptr, key.len);
    if (index_add(&space->groups, hash, group) == 0)
        return group;
    pool_give(&space->pool, group, sizeof(*group) + key.len);
    return NULL;
}

static void leave_group(struct entry *entry)
{
    struct link *link = link_of(entry);

    if (link->prev)
        link_of(link->prev)->next = link->next;
    else
        link->group->first = link->next;
    if (link->next)
        link_of(link->next)->prev = link->prev;
}

static void join_group(struct group *group, struct entry *entry)
{
    *link_of(entry) = (struct link){group, group->first, NULL};
    if (group->first)
        link_of(group->first)->prev = entry;
    group->first = entry;
    group->members++;
}

/* Key and sub lie in the entry, so that a tombstone can say whose it is. */
static struct entry *make(struct state_table *table, struct space *space,
                          const struct state_key *key, uint64_t hash, uint32_t size)
{
    struct group *group = table->grouped ? find_group(space, key->key, true) : NULL;
    size_t head = sizeof(struct entry) + (table->grouped ? sizeof(struct link) : 0);
    size_t names = (table->grouped ? 0 : key->key.len) + key->sub.len, room = (names + 7) / 8 * 8;
    struct entry *entry;

    if (table->grouped && !group)
        return NULL;
    entry = pool_take(&space->pool, head + room + size);
    if (!entry)
        return NULL;
    *entry = (struct entry){.hash = entry_hash(hash, table->grouped, key->sub),
                            .value = (uint8_t *)entry + head + room,
                            .key_len = (uint32_t)key->key.len,
                            .sub_len = (uint32_t)key->sub.len,
                            .value_len = size,
                            .value_cap = size,
                            .own_cap = size};
    memset(entry->value, 0, size);
    if (table->grouped)
        join_group(group, entry);
    else
        memcpy(bytes_of(table, entry), key->key.ptr, key->key.len);
    if (key->sub.len)
        memcpy((uint8_t *)entry_sub(table, entry).ptr, key->sub.ptr, key->sub.len);
    return entry;
}

static size_t entry_size(const struct state_table *table, const struct entry *entry)
{
    size_t names = (table->grouped ? 0 : entry->key_len) + entry->sub_len;

    return sizeof(*entry) + (table->grouped ? sizeof(struct link) : 0) + (names + 7) / 8 * 8 +
           entry->own_cap;
}

/* Gives an entry's memory back; no list and no index may know it any more. */
void entry_release(struct state_table *table, struct space *space, struct entry *entry)
{
    struct group *group = table->grouped ? link_of(entry)->group : NULL;

    if (entry->flags & BIG)
        pool_give(&space->pool, entry->value, entry->value_cap);
    pool_give(&space->pool, entry, entry_size(table, entry));
    if (!group || --group->members)
        return;
    index_remove(&space->groups, group->hash, group);
    pool_give(&space->pool, group, sizeof(*group) + group->key_len);
}

static int add(struct state_table *table, struct space *space, const struct state_key *key,
               uint64_t hash, uint32_t size, struct entry **out, struct err *err)
{
    struct entry *entry = *out = make(table, space, key, hash, size);

    if (!entry)
        return err_set(err, ERR_NOMEM, "state %s", table->name);
    entry->at = space->all.count;
    if (entry_list_add(space, &space->all, entry) == 0) {
        if (index_add(&space->entries, entry->hash, entry) == 0)
            return 0;
        space->all.count--;
    }
    if (table->grouped)
        leave_group(entry);
    entry_release(table, space, entry);
    return err_set(err, ERR_NOMEM, "state %s", table->name);
}

/* Takes it out of index, group and walk; it goes on as a tombstone when a list points to it. */
static void take_out(struct state_table *table, struct space *space, struct entry *entry)
{
    index_remove(&space->entries, entry->hash, entry);
    if (table->grouped)
        leave_group(entry);
    base_forget(space, entry);
    entry->flags |= GONE;
    if (!(entry->flags & LISTED))
        entry_release(table, space, entry);
}

int entry_expire(struct state_table *table, struct space *space, struct entry *entry,
                 struct err *err)
{
    struct state_key key = {space->number, entry_key(table, entry), entry_sub(table, entry)};
    int rc = table->expired ? table->expired(table->expired_arg, &key, entry->value, err) : 0;

    if (!rc)
        rc = before_change(table, space, entry, err);
    if (!rc)
        take_out(table, space, entry);
    return rc;
}

/* The one looked for, unless its time is over: then it is dropped first. */
static int find_live(struct state_table *table, struct space *space, const struct state_key *key,
                     uint64_t hash, struct entry **out, struct err *err)
{
    struct entry *entry = *out = space ? find(table, space, key, hash) : NULL;

    if (!entry || !entry_expired(table, entry))
        return 0;
    *out = NULL;
    return entry_expire(table, space, entry, err);
}

const void *state_look(struct state_table *table, const struct state_key *key, uint32_t *len)
{
    struct space *space = table_space(table, key->space, false);
    struct entry *entry = space ? find(table, space, key, hash_of(key->key, 0)) : NULL;

    if (!entry || entry_expired(table, entry))
        return NULL;
    *len = entry->value_len;
    return entry->value;
}

/* The entry, ready to be written to; made with `size` bytes when absent. */
static int open_hashed(struct state_table *table, const struct state_key *key, uint64_t hash,
                       uint32_t size, struct space **space, struct entry **out, bool *fresh,
                       struct err *err)
{
    int rc;

    if (table->state->spill)
        spill_breathe(table->state->spill, 1);
    *space = table_space(table, key->space, true);
    if (!*space)
        return err_set(err, ERR_NOMEM, "state %s", table->name);
    rc = find_live(table, *space, key, hash, out, err);
    if (rc)
        return rc;
    *fresh = !*out;
    if (*fresh)
        rc = add(table, *space, key, hash, size, out, err);
    if (!rc)
        rc = before_change(table, *space, *out, err);
    if (!rc && table->ttl_ms)
        (*out)->touched = state_now(table->state);
    return rc;
}

static int open_entry(struct state_table *table, const struct state_key *key, uint32_t size,
                      struct space **space, struct entry **out, bool *fresh, struct err *err)
{
    return open_hashed(table, key, hash_of(key->key, 0), size, space, out, fresh, err);
}

static int edit_hashed(struct state_table *table, const struct state_key *key, uint64_t hash,
                       uint32_t size, struct entry **entry, bool *fresh, struct err *err)
{
    struct space *space;
    int rc = open_hashed(table, key, hash, size, &space, entry, fresh, err);

    if (!rc && (*entry)->value_len != size)
        rc = err_set(err, ERR_CORRUPT,
                     "state %s keeps %u bytes under a key, not %u: it is of "
                     "another plan",
                     table->name, (*entry)->value_len, size);
    return rc;
}

static int edit(struct state_table *table, const struct state_key *key, uint32_t size,
                struct entry **entry, bool *fresh, struct err *err)
{
    return edit_hashed(table, key, hash_of(key->key, 0), size, entry, fresh, err);
}

#define LINE 64 /* bytes of a cache line */

static void prefetch_place(const struct index *index, uint64_t hash)
{
    if (index->places)
        __builtin_prefetch(&index->places[(uint32_t)hash & index->mask]);
}

/* What will very likely be found. Places are next to each other: to look at some costs nothing
 * beside a wait for the wrong one's neighbour. */
static void *guess(const struct index *index, uint64_t hash)
{
    for (uint32_t i = 0; index->places && i < 16; i++) {
        const struct place *place = &index->places[((uint32_t)hash + i) & index->mask];

        if (!place->what || place->hash == hash)
            return place->what;
    }
    return NULL;
}

static void prefetch_entry(const struct space *space, uint64_t hash, uint32_t bytes)
{
    uint8_t *entry = space ? guess(&space->entries, hash) : NULL;

    if (entry)
        spill_touch(space->entries.spill, entry, bytes);
    for (uint32_t at = 0; entry && at < bytes; at += LINE)
        __builtin_prefetch(entry + at, 1);
}

/* Likewise of what lies in the spill's file, in two rounds: the disk reads them side by side. */
static void read_soon(struct state_table *table, const struct state_key *keys, size_t count,
                      const uint64_t *hashes, uint32_t size)
{
    const struct spill *spill = table->state->spill;

    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < count; i++) {
            const struct space *space = table_space(table, keys[i].space, false);
            const struct index *index = space ? &space->entries : NULL;
            const struct entry *entry;

            if (!index || !index->places)
                continue;
            if (!round)
                spill_soon(spill, &index->places[(uint32_t)hashes[i] & index->mask],
                           sizeof(struct place));
            else if ((entry = guess(index, hashes[i])))
                spill_soon(spill, entry, sizeof(*entry) + keys[i].key.len + size);
        }
}

static void ask_for(const struct spill *spill, const void *what, size_t size)
{
    if (what && spill && spill->base)
        spill_soon(spill, what, 2 * size);
    for (size_t at = 0; what && at < size; at += LINE)
        __builtin_prefetch((const uint8_t *)what + at, 1);
}

void state_soon(struct state_table *table, const struct state_key *keys, size_t count)
{
    const struct spill *spill = table->state->spill;
    uint64_t hashes[STATE_MANY], key_hashes[STATE_MANY];

    assert(count <= STATE_MANY);
    for (size_t i = 0; i < count; i++) {
        const struct space *space = table_space(table, keys[i].space, false);

        key_hashes[i] = hash_of(keys[i].key, 0);
        hashes[i] = entry_hash(key_hashes[i], table->grouped, keys[i].sub);
        if (!space)
            continue;
        prefetch_place(&space->entries, hashes[i]);
        prefetch_place(&space->groups, key_hashes[i]);
    }
    for (size_t i = 0; i < count; i++) {
        const struct space *space = table_space(table, keys[i].space, false);

        if (!space)
            continue;
        ask_for(spill, guess(&space->entries, hashes[i]), 2 * sizeof(struct entry));
        if (table->grouped)
            ask_for(spill, guess(&space->groups, key_hashes[i]), sizeof(struct group));
    }
}

static int64_t space_at_row(const int64_t *spaces, size_t i)
{
    return spaces ? spaces[i] : 0;
}

/* The key is the one before it. */
static bool again(const int64_t *spaces, const struct slice *keys, size_t i)
{
    return i && keys[i - 1].ptr && keys[i].len == keys[i - 1].len &&
           space_at_row(spaces, i) == space_at_row(spaces, i - 1) &&
           memcmp(keys[i].ptr, keys[i - 1].ptr, keys[i].len) == 0;
}

/* Three rounds over a few keys at once, so that the memory's answers for one key are on their way
 * while the next is asked for. */
int state_edit_many(struct state_table *table, const int64_t *spaces, const struct slice *keys,
                    size_t count, uint32_t size, void **values, bool *fresh, struct err *err)
{
    struct state_key wanted[STATE_MANY];
    uint64_t hashes[STATE_MANY];
    uint8_t rows[STATE_MANY];
    struct entry *entry;
    size_t n = 0;
    int rc = 0;

    assert(count <= STATE_MANY && !table->grouped);
    for (size_t i = 0; i < count; i++) {
        const struct space *space;

        if (!keys[i].ptr || again(spaces, keys, i))
            continue;
        rows[n] = (uint8_t)i;
        wanted[n] = (struct state_key){space_at_row(spaces, i), keys[i], {0}};
        hashes[n] = hash_of(keys[i], 0);
        space = table_space(table, wanted[n].space, false);
        if (space)
            prefetch_place(&space->entries, hashes[n]);
        n++;
    }
    if (table->state->spill && table->state->spill->base)
        read_soon(table, wanted, n, hashes, size);
    for (size_t i = 0; i < n; i++)
        prefetch_entry(table_space(table, wanted[i].space, false), hashes[i],
                       (uint32_t)(sizeof(struct entry) + wanted[i].key.len + 7 + size));
    for (size_t i = 0, k = 0; i < count && !rc; i++) {
        fresh[i] = false;
        values[i] = NULL;
        if (k < n && rows[k] == i) {
            rc = edit_hashed(table, &wanted[k], hashes[k], size, &entry, &fresh[i], err);
            values[i] = rc ? NULL : entry->value;
            k++;
        } else if (keys[i].ptr) {
            values[i] = values[i - 1];
        }
    }
    return rc;
}

int state_edit(struct state_table *table, const struct state_key *key, uint32_t size, void **value,
               bool *fresh, struct err *err)
{
    struct entry *entry;
    int rc = edit(table, key, size, &entry, fresh, err);

    if (!rc)
        *value = entry->value;
    return rc;
}

int state_edit_sub(struct state_table *table, const struct state_key *key, uint32_t size,
                   void **value, struct slice *sub, bool *fresh, struct err *err)
{
    struct entry *entry;
    int rc = edit(table, key, size, &entry, fresh, err);

    if (!rc) {
        *value = entry->value;
        *sub = entry_sub(table, entry);
    }
    return rc;
}

int state_modify(struct state_table *table, const struct state_key *key, void **value,
                 uint32_t *len, struct err *err)
{
    struct space *space = table_space(table, key->space, false);
    struct entry *entry;
    int rc = find_live(table, space, key, hash_of(key->key, 0), &entry, err);

    *value = NULL;
    if (!rc && entry)
        rc = before_change(table, space, entry, err);
    if (rc || !entry)
        return rc;
    if (table->ttl_ms)
        entry->touched = state_now(table->state);
    *value = entry->value;
    *len = entry->value_len;
    return 0;
}

static int set_value(struct state_table *table, struct space *space, struct entry *entry,
                     struct slice value, struct err *err)
{
    if (entry->value_cap < value.len) {
        uint32_t cap = ((uint32_t)value.len + (uint32_t)value.len / 2 + 15) / 16 * 16;
        uint8_t *larger = pool_take(&space->pool, cap);

        if (!larger)
            return err_set(err, ERR_NOMEM, "state %s", table->name);
        if (entry->flags & BIG)
            pool_give(&space->pool, entry->value, entry->value_cap);
        entry->value = larger;
        entry->value_cap = cap;
        entry->flags |= BIG;
    }
    if (value.len)
        memmove(entry->value, value.ptr, value.len);
    entry->value_len = (uint32_t)value.len;
    return 0;
}

int state_put(struct state_table *table, const struct state_key *key, struct slice value,
              struct err *err)
{
    struct space *space;
    struct entry *entry;
    bool fresh;
    int rc = open_entry(table, key, (uint32_t)value.len, &space, &entry, &fresh, err);

    return rc ? rc : set_value(table, space, entry, value, err);
}

int state_drop(struct state_table *table, const struct state_key *key, struct err *err)
{
    struct space *space = table_space(table, key->space, false);
    struct entry *entry = space ? find(table, space, key, hash_of(key->key, 0)) : NULL;
    int rc = entry ? before_change(table, space, entry, err) : 0;

    if (entry && !rc)
        take_out(table, space, entry);
    return rc;
}

int state_drop_space(struct state_table *table, int64_t number, struct err *err)
{
    struct space *space = table_space(table, number, false);
    size_t at;
    int rc;

    if (!space)
        return 0;
    rc = before_drop_space(table, space, err);
    if (rc)
        return rc;
    at = space_at(table, number);
    memmove(table->spaces + at, table->spaces + at + 1,
            (table->space_count - at - 1) * sizeof(table->spaces[0]));
    table->space_count--;
    table->last = NULL;
    space_free(space);
    return 0;
}

/* ---- loading: one run is applied as if it were one interval ---- */

int load_put(struct state_table *table, const struct state_key *key, uint32_t touched,
             struct slice value, struct err *err)
{
    struct space *space;
    struct entry *entry;
    bool fresh;
    int rc = open_entry(table, key, (uint32_t)value.len, &space, &entry, &fresh, err);

    if (!rc)
        rc = set_value(table, space, entry, value, err);
    if (!rc)
        entry->touched = touched;
    return rc;
}

/* A key that was dropped and made again in one interval may have its two records in any order. */
int load_drop(struct state_table *table, const struct state_key *key, struct err *err)
{
    struct space *space = table_space(table, key->space, false);
    struct entry *entry = space ? find(table, space, key, hash_of(key->key, 0)) : NULL;

    (void)err;
    if (entry && !(entry->flags & LISTED))
        take_out(table, space, entry);
    return 0;
}

void load_end(struct state_table *table)
{
    for (size_t i = 0; i < table->space_count; i++) {
        struct entries *changed = &table->spaces[i]->changed;

        for (uint32_t k = 0; k < changed->count; k++) {
            changed->list[k]->flags &= (uint8_t)~LISTED;
            if (changed->list[k]->flags & GONE)
                entry_release(table, table->spaces[i], changed->list[k]);
        }
        changed->count = 0;
    }
    table->dropped_count = 0;
}

/* ---- walks ---- */

void state_walk_space(struct state_walk *walk, struct state_table *table, int64_t number)
{
    struct space *space = table_space(table, number, false);

    *walk = (struct state_walk){.table = table, .space = space, .at = space ? space->all.count : 0};
}

void state_walk_group(struct state_walk *walk, struct state_table *table, int64_t number,
                      struct slice key)
{
    struct space *space = table_space(table, number, false);
    struct group *group = space ? find_group(space, key, false) : NULL;

    *walk = (struct state_walk){
        .table = table, .space = space, .group = group, .next = group ? group->first : NULL};
}

/* From the back of `all`: what is dropped meanwhile is replaced by entries given already. */
static struct entry *next_entry(struct state_walk *walk)
{
    struct space *space = walk->space;
    struct entry *entry = walk->next;

    if (walk->group) {
        if (entry)
            walk->next = link_of(entry)->next;
        return entry;
    }
    return walk->at ? space->all.list[--walk->at] : NULL;
}

bool state_walk_next(struct state_walk *walk, struct slice *key, struct slice *sub,
                     struct slice *value)
{
    struct entry *entry;

    do
        entry = next_entry(walk);
    while (entry && entry_expired(walk->table, entry));
    if (!entry)
        return false;
    if (key)
        *key = entry_key(walk->table, entry);
    if (sub)
        *sub = entry_sub(walk->table, entry);
    if (value)
        *value = slice_of(entry->value, entry->value_len);
    return true;
}
