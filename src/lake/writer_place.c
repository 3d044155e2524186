/* writer_place.c - where a data file goes, by the table's properties: the two layouts of Iceberg's
 * LocationProviders. Folders by partition, or, with write.object-storage.enabled, folders by a hash
 * of the file's name in front of them, which spread a table over an object store's key space. */
#include "base/codec.h"
#include "lake/writer_int.h"

/* Twenty bits of the hash: 0101/0110/1001/10110010. */
static const char *hash_dirs(const char *name, struct arena *arena)
{
    uint32_t hash = murmur3_x86_32(name, strlen(name), 0);
    char bits[24];
    size_t at = 0;

    for (int bit = 19; bit >= 0; bit--) {
        bits[at++] = (char)('0' + (hash >> bit & 1));
        if (bit == 16 || bit == 12 || bit == 8)
            bits[at++] = '/';
    }
    return arena_cstr(arena, slice_of(bits, at));
}

/* The last two folders of the table's own location: what tells tables that share a place apart. */
static const char *context_of(const char *location, struct arena *arena)
{
    char *copy = arena_strdup(arena, location), *last, *before;

    if (!copy)
        return NULL;
    while (*copy && copy[strlen(copy) - 1] == '/')
        copy[strlen(copy) - 1] = '\0';
    last = strrchr(copy, '/');
    if (!last || last == copy)
        return last ? last + 1 : copy;
    *last = '\0';
    before = strrchr(copy, '/');
    *last = '/';
    return before ? before + 1 : copy;
}

static const char *data_dir(const struct lake_metadata *m, bool spread, struct arena *arena)
{
    const char *dir = lake_metadata_property(m, "write.data.path");

    if (!dir && spread)
        dir = lake_metadata_property(m, "write.object-storage.path");
    return dir ? dir : arena_printf(arena, "%s/data", m->location);
}

int writer_place(const struct lake_metadata *m, const char *key, const char *name,
                 struct arena *arena, const char **out, struct err *err)
{
    bool spread = lake_metadata_property_bool(m, "write.object-storage.enabled", false);
    bool folders =
        !spread || lake_metadata_property_bool(m, "write.object-storage.partitioned-paths", true);
    const char *dir = data_dir(m, spread, arena), *hash;
    const char *file = *key && folders ? arena_printf(arena, "%s/%s", key, name) : name;

    *out = NULL;
    if (!dir || !file)
        return writer_nomem(err);
    if (!spread) {
        *out = arena_printf(arena, "%s/%s", dir, file);
        return *out ? 0 : writer_nomem(err);
    }
    hash = hash_dirs(file, arena);
    if (!hash)
        return writer_nomem(err);
    if (strncmp(dir, m->location, strlen(m->location)) != 0) {
        const char *context = context_of(m->location, arena);

        *out = context ? arena_printf(arena, "%s/%s/%s/%s", dir, hash, context, file) : NULL;
    } else {
        *out = arena_printf(arena, folders ? "%s/%s/%s" : "%s/%s-%s", dir, hash, file);
    }
    return *out ? 0 : writer_nomem(err);
}
