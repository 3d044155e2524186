/* s3_expire.c - lifecycle rules obeyed: a walk over every bucket that has some.
 *
 * A page of keys at a time, so that a large bucket costs no memory; an object that is replaced
 * between being seen and being removed stays. What fails is tried again by the next round.
 */
#include <stdio.h>

#include "base/json.h"
#include "s3/s3_lifecycle.h"
#include "s3/s3_upload.h"

#define PAGE 500

struct round {
    struct s3_server *server;
    const struct store_version_ops *ops;
    const char *bucket;
    const struct s3_rules *rules;
    int64_t now_us;
    size_t removed;
};

/* --- which rules speak of it ------------------------------------------------------------------ */

static bool has_tags(struct round *round, const struct s3_rule *rule, const char *key,
                     const char *version)
{
    struct store *store = round->server->store;
    struct store_info info;
    struct buf text = {0};
    json_t *tags = NULL;
    bool all = true;

    if (!rule->tag_count)
        return true;
    if (round->ops->tags_get(store, round->bucket, key, version, &info, &text, NULL) ||
        (text.len && json_parse(buf_slice(&text), &tags, NULL)))
        all = false;
    for (size_t i = 0; i < rule->tag_count && all; i++) {
        const char *value = json_string_value(json_object_get(tags, rule->tags[i].key));

        all = value && strcmp(value, rule->tags[i].value) == 0;
    }
    json_decref(tags);
    buf_deinit(&text);
    return all;
}

static bool speaks_of(const struct s3_rule *rule, const char *key, int64_t size)
{
    return rule->enabled && strncmp(key, rule->prefix, strlen(rule->prefix)) == 0 &&
           (rule->larger_than < 0 || size > rule->larger_than) &&
           (rule->smaller_than < 0 || size < rule->smaller_than);
}

/* --- latest objects --------------------------------------------------------------------------- */

static bool has_expired(struct round *round, const struct store_entry *entry)
{
    for (size_t i = 0; i < round->rules->count; i++) {
        const struct s3_rule *rule = &round->rules->list[i];
        bool due =
            (rule->days >= 0 && s3_expires_at(entry->mtime_us, rule->days) <= round->now_us) ||
            (rule->date_us >= 0 && rule->date_us <= round->now_us);

        if (due && speaks_of(rule, entry->key, entry->size) &&
            has_tags(round, rule, entry->key, NULL))
            return true;
    }
    return false;
}

static int expire_objects(struct round *round, struct err *err)
{
    struct store *store = round->server->store;
    struct arena arena = {0};
    struct buf after = {0};
    bool more = true;
    int rc = 0;

    while (!rc && more) {
        struct store_list page;

        arena_reset(&arena);
        rc = store->ops->list(store, round->bucket, "", "", after.len ? buf_cstr(&after) : "", PAGE,
                              &arena, &page, err);
        more = !rc && page.truncated;
        for (size_t i = 0; i < page.count && !rc; i++) {
            if (!has_expired(round, &page.entries[i]))
                continue;
            rc = round->ops->expire(store, round->bucket, page.entries[i].key,
                                    page.entries[i].mtime_us, err);
            round->removed += rc == 0;
            if (rc == ERR_CONFLICT || rc == ERR_NOENT)
                rc = 0; /* replaced or gone since it was seen */
        }
        buf_clear(&after);
        if (more)
            rc = rc ? rc : buf_append_str(&after, page.entries[page.count - 1].key);
    }
    buf_deinit(&after);
    arena_deinit(&arena);
    return rc;
}

/* --- versions --------------------------------------------------------------------------------- */

/* A noncurrent version with `newer` noncurrent ones ahead of it. */
static bool is_due(struct round *round, const struct store_version *version, int64_t newer)
{
    for (size_t i = 0; i < round->rules->count; i++) {
        const struct s3_rule *rule = &round->rules->list[i];

        if (rule->noncurrent_days >= 0 && newer >= rule->newer_kept &&
            s3_expires_at(version->replaced_us, rule->noncurrent_days) <= round->now_us &&
            speaks_of(rule, version->key, version->size) &&
            has_tags(round, rule, version->key, version->id))
            return true;
    }
    return false;
}

/* A delete marker with nothing behind it. */
static bool is_orphan(struct round *round, const struct store_version *version)
{
    for (size_t i = 0; i < round->rules->count; i++)
        if (round->rules->list[i].markers && !round->rules->list[i].tag_count &&
            speaks_of(&round->rules->list[i], version->key, 0))
            return true;
    return false;
}

/* What the walk remembers of the key it is at. */
struct at_key {
    struct buf key, marker; /* marker: id of the latest, when that is a delete marker */
    int64_t newer;          /* noncurrent versions seen */
    size_t left;            /* versions that stay, the marker too */
};

static int leave_key(struct round *round, struct at_key *at, struct err *err)
{
    struct store *store = round->server->store;
    const char *key = buf_cstr(&at->key), *marker = buf_cstr(&at->marker);
    const struct store_version version = {.key = key};
    int rc = 0;

    if (at->marker.len && at->left == 1 && key && marker && is_orphan(round, &version)) {
        rc = round->ops->remove(store, round->bucket, key, marker, NULL, err);
        round->removed += rc == 0;
    }
    buf_clear(&at->key);
    buf_clear(&at->marker);
    at->newer = 0;
    at->left = 0;
    return rc;
}

static int take_version(struct round *round, struct at_key *at, const struct store_version *version,
                        struct err *err)
{
    struct store *store = round->server->store;
    int rc = 0;

    if (!slice_is(buf_slice(&at->key), version->key)) {
        rc = leave_key(round, at, err);
        if (!rc)
            rc = buf_append_str(&at->key, version->key);
    }
    at->left++;
    if (!rc && version->is_latest && version->is_marker)
        rc = buf_append_str(&at->marker, version->id);
    if (rc || version->is_latest)
        return rc;
    if (is_due(round, version, at->newer)) {
        rc = round->ops->remove(store, round->bucket, version->key, version->id, NULL, err);
        round->removed += rc == 0;
        at->left -= rc == 0;
    }
    at->newer++;
    return rc;
}

static int expire_versions(struct round *round, struct err *err)
{
    struct store *store = round->server->store;
    struct arena arena = {0};
    struct buf after = {0}, after_id = {0};
    struct at_key at = {0};
    bool more = true;
    int rc = 0;

    while (!rc && more) {
        struct store_version_list page;

        arena_reset(&arena);
        rc = round->ops->list(store, round->bucket, "", "", after.len ? buf_cstr(&after) : "",
                              after_id.len ? buf_cstr(&after_id) : NULL, PAGE, &arena, &page, err);
        more = !rc && page.truncated && page.count;
        for (size_t i = 0; i < page.count && !rc; i++)
            rc = take_version(round, &at, &page.entries[i], err);
        buf_clear(&after);
        buf_clear(&after_id);
        if (more && !rc)
            rc = buf_append_str(&after, page.entries[page.count - 1].key);
        if (more && !rc)
            rc = buf_append_str(&after_id, page.entries[page.count - 1].id);
    }
    if (!rc)
        rc = leave_key(round, &at, err);
    buf_deinit(&at.key);
    buf_deinit(&at.marker);
    buf_deinit(&after);
    buf_deinit(&after_id);
    arena_deinit(&arena);
    return rc;
}

/* --- uploads ---------------------------------------------------------------------------------- */

static bool gives_up(struct round *round, const json_t *info)
{
    int64_t started_us = json_integer_value(json_object_get(info, "started_us"));

    for (size_t i = 0; i < round->rules->count; i++) {
        const struct s3_rule *rule = &round->rules->list[i];

        if (rule->abort_days >= 0 && !rule->tag_count &&
            s3_expires_at(started_us, rule->abort_days) <= round->now_us &&
            speaks_of(rule, s3_info_text(info, "key"), 0))
            return true;
    }
    return false;
}

static int expire_uploads(struct round *round, struct err *err)
{
    struct disk *disk = s3_disk(round->server);
    struct arena arena = {0};
    struct disk_entry *entries = NULL;
    const char *root = s3_uploads_dir(round->server, &arena);
    size_t count = 0;
    int rc = root ? disk_list(disk, root, &arena, &entries, &count, err) : ERR_NOMEM;

    if (rc == ERR_NOENT)
        rc = 0; /* there never was one */
    for (size_t i = 0; i < count && !rc; i++) {
        const char *dir = arena_printf(&arena, "%s/%s", root, entries[i].name);
        json_t *info = NULL;

        if (dir && s3_upload_info(disk, &arena, dir, &info) == 0 &&
            strcmp(s3_info_text(info, "bucket"), round->bucket) == 0 && gives_up(round, info)) {
            rc = disk_remove_tree(disk, dir, err);
            round->removed += rc == 0;
        }
        json_decref(info);
    }
    arena_deinit(&arena);
    return rc;
}

/* --- a round ---------------------------------------------------------------------------------- */

static int run_bucket(struct round *round, struct err *err)
{
    bool objects = false, versions = false, uploads = false;
    int rc = 0;

    for (size_t i = 0; i < round->rules->count; i++) {
        const struct s3_rule *rule = &round->rules->list[i];

        objects |= rule->enabled && (rule->days >= 0 || rule->date_us >= 0);
        versions |= rule->enabled && (rule->noncurrent_days >= 0 || rule->markers);
        uploads |= rule->enabled && rule->abort_days >= 0;
    }
    if (objects)
        rc = expire_objects(round, err);
    if (versions && !rc)
        rc = expire_versions(round, err);
    return uploads && !rc ? expire_uploads(round, err) : rc;
}

void s3_lifecycle_run(struct s3_server *server)
{
    struct store *store = server->store;
    struct arena arena = {0};
    struct store_entry *buckets = NULL;
    size_t count = 0;

    if (!store->ops->versions || store->ops->bucket_list(store, &arena, &buckets, &count, NULL))
        count = 0;
    for (size_t i = 0; i < count && !__atomic_load_n(&server->stopping, __ATOMIC_RELAXED); i++) {
        struct round round = {.server = server,
                              .ops = store->ops->versions,
                              .bucket = buckets[i].key,
                              .now_us = clock_wall_us(server->clock)};
        struct s3_rules rules;
        struct buf text = {0};
        struct err err = {0};
        int rc = round.ops->setting_get(store, round.bucket, S3_SETTING_LIFECYCLE, &text, NULL);

        if (rc == 0) {
            round.rules = &rules;
            rc = s3_rules_parse(&arena, buf_slice(&text), &rules, &err);
            if (!rc)
                rc = run_bucket(&round, &err);
            if (rc)
                diag_error("s3", "lifecycle of %s: %s", round.bucket, err.text);
            if (round.removed)
                diag_info("s3", "lifecycle of %s: %zu removed", round.bucket, round.removed);
        }
        buf_deinit(&text);
    }
    arena_deinit(&arena);
}
