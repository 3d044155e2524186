/* options_old.c - the keys of tables before Flink 1.11 ('connector.type' = 'kafka') as today's.
 *
 * Keys that say nothing any more (versions, update-mode) are dropped; a format's options move
 * behind its name. What is not in the tables keeps its words and is refused by name later.
 */
#include <stdio.h>

#include "sql/sql_int.h"

/* Each old key, where a '*' stands for the rest, and what it is today; NULL: dropped. */
static const struct {
    const char *old, *today;
} keys[] = {
    {"connector.type", "connector"},
    {"connector.version", NULL},
    {"connector.property-version", NULL},
    {"connector.topic", "topic"},
    {"connector.startup-mode", "scan.startup.mode"},
    {"connector.specific-offsets", "scan.startup.specific-offsets"},
    {"connector.startup-timestamp-millis", "scan.startup.timestamp-millis"},
    {"connector.sink-partitioner", "sink.partitioner"},
    {"connector.sink-partitioner-class", NULL}, /* beside 'custom', which is refused by name */
    {"connector.properties.zookeeper.connect", NULL},
    {"connector.properties.*", "properties.*"},
    {"connector.path", "path"},
    {"connector.url", "url"},
    {"connector.table", "table-name"},
    {"connector.driver", "driver"},
    {"connector.username", "username"},
    {"connector.password", "password"},
    {"connector.read.partition.column", "scan.partition.column"},
    {"connector.read.partition.num", "scan.partition.num"},
    {"connector.read.partition.lower-bound", "scan.partition.lower-bound"},
    {"connector.read.partition.upper-bound", "scan.partition.upper-bound"},
    {"connector.read.fetch-size", "scan.fetch-size"},
    {"connector.lookup.cache.max-rows", "lookup.cache.max-rows"},
    {"connector.lookup.cache.ttl", "lookup.cache.ttl"},
    {"connector.lookup.max-retries", "lookup.max-retries"},
    {"connector.write.flush.max-rows", "sink.buffer-flush.max-rows"},
    {"connector.write.flush.interval", "sink.buffer-flush.interval"},
    {"connector.write.max-retries", "sink.max-retries"},
    {"format.type", "format"},
    {"format.property-version", NULL},
    {"format.derive-schema", NULL},
    {"format.fields.*", NULL}, /* the table's columns say the same */
    {"format.schema", NULL},
    {"format.json-schema", NULL},
    {"update-mode", NULL},
};

/* 'connector.properties.0.key' = 'group.id' with '.0.value' beside it. 1: `key` is of such a pair
 * and *out is set, or NULL for the half that says the value. */
static int numbered(const struct sql_options *options, const char *key, struct arena *arena,
                    const char **out)
{
    static const char prefix[] = "connector.properties.";
    const char *number = key + strlen(prefix), *value_key;
    size_t digits;

    if (strncmp(key, prefix, strlen(prefix)) != 0)
        return 0;
    digits = strspn(number, "0123456789");
    if (!digits || (strcmp(number + digits, ".key") != 0 && strcmp(number + digits, ".value") != 0))
        return 0;
    *out = NULL;
    if (!strcmp(number + digits, ".key")) /* the other half gives the option */
        return 1;
    value_key = arena_printf(arena, "%s%.*s.key", prefix, (int)digits, number);
    value_key = value_key ? sql_option(options, value_key) : NULL;
    *out = value_key ? arena_printf(arena, "properties.%s", value_key) : NULL;
    return 1;
}

/* 'connector.specific-offsets.0.partition' = '0' with '.0.offset' beside it, and so on: as one
 * text. NULL: the arena is exhausted, or a pair has no other half. */
static const char *numbered_offsets(const struct sql_options *options, struct arena *arena)
{
    const char *text = "";

    for (int i = 0; text; i++) {
        char partition[64], offset[64];
        const char *p, *o;

        snprintf(partition, sizeof(partition), "connector.specific-offsets.%d.partition", i);
        snprintf(offset, sizeof(offset), "connector.specific-offsets.%d.offset", i);
        p = sql_option(options, partition);
        o = sql_option(options, offset);
        if (!p && !o)
            return text;
        text = p && o ? arena_printf(arena, "%s%spartition:%s,offset:%s", text, i ? ";" : "", p, o)
                      : NULL;
    }
    return NULL;
}

/* Today's key, NULL: dropped. */
static const char *key_today(const struct sql_options *options, const char *key,
                             struct arena *arena)
{
    const char *format = sql_option(options, "format.type"), *pair;

    if (numbered(options, key, arena, &pair))
        return pair;
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        size_t len = strlen(keys[i].old) - 1;

        if (!strcmp(keys[i].old, key))
            return keys[i].today;
        if (keys[i].old[len] == '*' && !strncmp(keys[i].old, key, len) && !keys[i].today)
            return NULL;
        if (keys[i].old[len] == '*' && !strncmp(keys[i].old, key, len))
            return arena_printf(arena, "%.*s%s", (int)strlen(keys[i].today) - 1, keys[i].today,
                                key + len);
    }
    if (format && !strncmp(key, "format.", 7))
        return arena_printf(arena, "%s.%s", format, key + 7);
    return key;
}

int sql_options_modernize(const struct sql_options **options, struct arena *arena, struct err *err)
{
    const struct sql_options *old = *options;
    struct sql_options *out;

    if (!sql_option(old, "connector.type"))
        return 0;
    out = ARENA_NEW(arena, struct sql_options);
    if (out)
        out->list = ARENA_ARRAY(arena, struct sql_option, old->count + 1);
    if (!out || !out->list)
        return err_set(err, ERR_NOMEM, "options");
    for (size_t i = 0; i < old->count; i++) {
        static const char offsets[] = "connector.specific-offsets.";
        const char *key = old->list[i].key, *value = old->list[i].value;

        if (!strcmp(key, "connector.specific-offsets.0.partition")) {
            key = "scan.startup.specific-offsets";
            value = numbered_offsets(old, arena);
        } else if (!strncmp(key, offsets, strlen(offsets))) {
            continue; /* the first one has told of all */
        } else {
            key = key_today(old, key, arena);
        }
        if (!key)
            continue;
        if (!value)
            return err_at(err, ERR_INVALID, old->list[i].key_pos,
                          "connector.specific-offsets.N.partition goes with "
                          "connector.specific-offsets.N.offset");
        out->list[out->count] = old->list[i];
        out->list[out->count].value = value;
        out->list[out->count++].key = key;
    }
    *options = out;
    return 0;
}
