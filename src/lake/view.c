/* view.c - view metadata: reading it, and the updates to it, one handler per line of a table. */
#include "lake/view.h"

#include <strings.h>

#include "base/rand.h"
#include "lake/draft.h"
#include "lake/lake_int.h"

#define HISTORY_SIZE "version.history.num-entries"
#define DROP_DIALECT "replace.drop-dialect.allowed"

/* ---- reading ---- */

static int64_t number(const json_t *obj, const char *key, int64_t fallback)
{
    const json_t *value = json_object_get(obj, key);

    return json_is_integer(value) ? json_integer_value(value) : fallback;
}

static json_t *find(const json_t *array, const char *key, int64_t id)
{
    size_t i;
    json_t *item;

    json_array_foreach(array, i, item)
    {
        if (number(item, key, INT64_MIN) == id)
            return item;
    }
    return NULL;
}

static int check_representations(const json_t *version, struct err *err)
{
    const json_t *list = json_object_get(version, "representations");
    size_t i;
    json_t *one;

    json_array_foreach(list, i, one)
    {
        const char *type, *text;
        int rc = json_get_str(one, "type", "representation", &type, err);

        if (rc)
            return rc;
        if (strcmp(type, "sql") != 0)
            return err_set(err, ERR_UNSUPPORTED, "Found unsupported view representations: %.60s",
                           type);
        rc = json_get_str(one, "sql", "representation", &text, err);
        rc = rc ? rc : json_get_str(one, "dialect", "representation", &text, err);
        if (rc)
            return rc;
        for (size_t k = 0; k < i; k++)
            if (!strcasecmp(text,
                            json_string_value(json_object_get(json_array_get(list, k), "dialect"))))
                return err_set(
                    err, ERR_INVALID,
                    "Invalid view version: Cannot add multiple queries for dialect %.60s", text);
    }
    return 0;
}

static int check_version(const json_t *doc, const json_t *version, struct err *err)
{
    int64_t id, stamp, schema_id;
    json_t *list;
    int rc = json_get_i64(version, "version-id", "view version", &id, err);

    rc = rc ? rc : json_get_i64(version, "timestamp-ms", "view version", &stamp, err);
    rc = rc ? rc : json_get_i64(version, "schema-id", "view version", &schema_id, err);
    rc = rc ? rc : json_get_arr(version, "representations", "view version", &list, err);
    if (rc)
        return rc;
    if (id < INT32_MIN || id > INT32_MAX)
        return err_set(err, ERR_INVALID, "version-id is out of range");
    if (!find(json_object_get(doc, "schemas"), "schema-id", schema_id))
        return err_set(err, ERR_INVALID, "Cannot add version with unknown schema: %" PRId64,
                       schema_id);
    return check_representations(version, err);
}

/* Takes the document. */
static int view_of(json_t *doc, struct lake_view **out, struct err *err)
{
    struct lake_view *view = calloc(1, sizeof(*view));
    int64_t format, current = 0;
    json_t *versions, *version;
    size_t i;
    int rc = view ? 0 : err_set(err, ERR_NOMEM, "view metadata");

    rc = rc ? rc : json_get_i64(doc, "format-version", "view metadata", &format, err);
    if (!rc && format != 1)
        rc = err_set(err, ERR_UNSUPPORTED, "view format version %" PRId64, format);
    rc = rc ? rc : json_get_str(doc, "view-uuid", "view metadata", &view->uuid, err);
    rc = rc ? rc : json_get_str(doc, "location", "view metadata", &view->location, err);
    rc = rc ? rc : json_get_i64(doc, "current-version-id", "view metadata", &current, err);
    rc = rc ? rc : json_get_arr(doc, "versions", "view metadata", &versions, err);
    if (!rc)
        json_array_foreach(versions, i, version)
        {
            rc = rc ? rc : check_version(doc, version, err);
        }
    if (!rc && !(view->version = find(versions, "version-id", current)))
        rc = err_set(err, ERR_CORRUPT, "Cannot find current version %" PRId64 " in view versions",
                     current);
    if (rc) {
        json_decref(doc);
        free(view);
        return rc;
    }
    view->doc = doc;
    view->refs = 1;
    *out = view;
    return 0;
}

int lake_view_parse(struct slice text, struct lake_view **out, struct err *err)
{
    json_t *doc = NULL;
    int rc = json_parse(text, &doc, err);

    if (!rc && !json_is_object(doc)) {
        json_decref(doc);
        rc = err_set(err, ERR_CORRUPT, "view metadata: not an object");
    }
    rc = rc ? rc : view_of(doc, out, err);
    return rc == ERR_NOENT || rc == ERR_INVALID ? err_wrap(err, ERR_CORRUPT, "view metadata") : rc;
}

int lake_view_print(const struct lake_view *view, struct buf *out, struct err *err)
{
    return json_print(view->doc, 0, out, err);
}

struct lake_view *lake_view_ref(struct lake_view *view)
{
    __atomic_add_fetch(&view->refs, 1, __ATOMIC_RELAXED);
    return view;
}

void lake_view_free(struct lake_view *view)
{
    if (!view || __atomic_sub_fetch(&view->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    json_decref(view->doc);
    free(view);
}

static const json_t *representation(const json_t *version, const char *dialect)
{
    size_t i;
    json_t *one;

    json_array_foreach(json_object_get(version, "representations"), i, one)
    {
        const char *have = json_string_value(json_object_get(one, "dialect"));

        if (have && !strcasecmp(have, dialect))
            return one;
    }
    return NULL;
}

const char *lake_view_sql(const struct lake_view *view, const char *const *dialects, size_t count,
                          const char **dialect)
{
    for (size_t i = 0; i < count; i++) {
        const json_t *found = representation(view->version, dialects[i]);

        if (found) {
            *dialect = dialects[i];
            return json_string_value(json_object_get(found, "sql"));
        }
    }
    return NULL;
}

/* ---- updates ---- */

struct change {
    json_t *doc;
    int64_t now_ms;
    struct err *err;
    int64_t added_schema, added_version; /* what -1 means; -1: none yet */
    size_t versions_added;
    bool current_set;
    bool current_is_new; /* the current version was added by this change */
};

static int nomem(struct change *c)
{
    return err_set(c->err, ERR_NOMEM, "view metadata update");
}

static json_t *list(struct change *c, const char *key)
{
    return json_object_get(c->doc, key);
}

static int assign_uuid(struct change *c, const json_t *update)
{
    const char *uuid, *old = json_string_value(json_object_get(c->doc, "view-uuid"));
    int rc = json_get_str(update, "uuid", "assign-uuid", &uuid, c->err);

    if (rc)
        return rc;
    if (json_array_size(list(c, "versions")) && old && strcasecmp(old, uuid) != 0)
        return err_set(c->err, ERR_INVALID, "Cannot reassign uuid");
    return json_put(c->doc, "view-uuid", json_string(uuid)) ? 0 : nomem(c);
}

static int upgrade_format(struct change *c, const json_t *update)
{
    int64_t version;
    int rc = json_get_i64(update, "format-version", "upgrade-format-version", &version, c->err);

    if (!rc && version != 1)
        rc = version < 1
                 ? err_set(c->err, ERR_INVALID, "Cannot downgrade v1 view to v%" PRId64, version)
                 : err_set(c->err, ERR_UNSUPPORTED, "view format version %" PRId64, version);
    return rc;
}

static bool same_schema(const json_t *a, const json_t *b)
{
    const json_t *x = json_object_get(a, "identifier-field-ids");
    const json_t *y = json_object_get(b, "identifier-field-ids");

    return json_equal(json_object_get(a, "fields"), json_object_get(b, "fields")) &&
           (json_array_size(x) == 0 ? json_array_size(y) == 0 : json_equal(x, y));
}

static int append_with_id(struct change *c, const char *key, const char *id_key, int64_t id,
                          const json_t *from)
{
    json_t *copy = json_deep_copy(from);

    if (!copy || !json_put(copy, id_key, json_integer(id)) ||
        json_array_append(list(c, key), copy)) {
        json_decref(copy);
        return nomem(c);
    }
    json_decref(copy);
    return 0;
}

static int add_schema(struct change *c, const json_t *update)
{
    struct arena arena = {0};
    struct lake_schema schema;
    json_t *given = json_object_get(update, "schema"), *old;
    int64_t id = 0;
    size_t i;
    int rc = lake_schema_parse(given, &arena, &schema, c->err);

    arena_deinit(&arena);
    if (rc)
        return rc;
    json_array_foreach(list(c, "schemas"), i, old)
    {
        if (same_schema(old, given)) {
            c->added_schema = number(old, "schema-id", 0);
            return 0;
        }
        id = number(old, "schema-id", 0) >= id ? number(old, "schema-id", 0) + 1 : id;
    }
    c->added_schema = id;
    return append_with_id(c, "schemas", "schema-id", id, given);
}

static bool same_version(const json_t *a, const json_t *b)
{
    static const char *const keys[] = {"summary", "representations", "default-catalog",
                                       "default-namespace", "schema-id"};

    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        const json_t *x = json_object_get(a, keys[i]), *y = json_object_get(b, keys[i]);

        if (x != y && !json_equal(x, y))
            return false;
    }
    return true;
}

static int add_version(struct change *c, const json_t *update)
{
    json_t *version = json_copy(json_object_get(update, "view-version")), *old;
    int64_t id = number(version, "version-id", 1);
    size_t i;
    int rc = 0;

    if (!json_is_object(version))
        rc = err_set(c->err, ERR_INVALID, "add-view-version: no view-version");
    if (!rc && number(version, "schema-id", -2) == -1) {
        if (c->added_schema == -1)
            rc = err_set(c->err, ERR_INVALID,
                         "Cannot set last added schema: no schema has been added");
        else if (!json_put(version, "schema-id", json_integer(c->added_schema)))
            rc = nomem(c);
    }
    if (!rc)
        rc = check_version(c->doc, version, c->err);
    if (!rc)
        json_array_foreach(list(c, "versions"), i, old)
        {
            int64_t old_id = number(old, "version-id", 0);

            if (same_version(old, version)) {
                c->added_version = old_id;
                json_decref(version);
                return 0;
            }
            id = old_id >= id ? old_id + 1 : id;
        }
    if (!rc)
        rc = append_with_id(c, "versions", "version-id", id, version);
    if (!rc) {
        c->added_version = id;
        c->versions_added++;
    }
    json_decref(version);
    return rc;
}

static int set_current(struct change *c, const json_t *update)
{
    int64_t id;
    int rc = json_get_i64(update, "view-version-id", "set-current-view-version", &id, c->err);

    if (rc)
        return rc;
    if (id == -1 && c->added_version == -1)
        return err_set(c->err, ERR_INVALID,
                       "Cannot set last version id: no current version id has been set");
    id = id == -1 ? c->added_version : id;
    if (!find(list(c, "versions"), "version-id", id))
        return err_set(c->err, ERR_INVALID,
                       "Cannot set current version to unknown version: %" PRId64, id);
    if (number(c->doc, "current-version-id", -1) == id)
        return 0;
    c->current_set = true;
    c->current_is_new = c->versions_added > 0 && id == c->added_version;
    return json_put(c->doc, "current-version-id", json_integer(id)) ? 0 : nomem(c);
}

static int set_location(struct change *c, const json_t *update)
{
    const char *location;
    int rc = json_get_str(update, "location", "set-location", &location, c->err);
    size_t len = rc ? 0 : strlen(location);

    while (len > 1 && location[len - 1] == '/')
        len--;
    if (rc)
        return rc;
    return json_put(c->doc, "location", json_stringn(location, len)) ? 0 : nomem(c);
}

static int set_properties(struct change *c, const json_t *update)
{
    json_t *updates = json_object_get(update, "updates"), *value;
    const char *key;

    if (!json_is_object(updates))
        return err_set(c->err, ERR_INVALID, "set-properties: no updates");
    json_object_foreach(updates, key, value)
    {
        if (!json_is_string(value))
            return err_set(c->err, ERR_INVALID, "set-properties: %.100s is not text", key);
        if (json_object_set(list(c, "properties"), key, value))
            return nomem(c);
    }
    return 0;
}

static int remove_properties(struct change *c, const json_t *update)
{
    json_t *removals = json_object_get(update, "removals"), *key;
    size_t i;

    if (!json_is_array(removals))
        return err_set(c->err, ERR_INVALID, "remove-properties: no removals");
    json_array_foreach(removals, i, key)
    {
        if (json_is_string(key))
            json_object_del(list(c, "properties"), json_string_value(key));
    }
    return 0;
}

static const struct {
    const char *action;
    int (*apply)(struct change *, const json_t *update);
} updates_known[] = {
    {"assign-uuid", assign_uuid},       {"upgrade-format-version", upgrade_format},
    {"add-schema", add_schema},         {"set-location", set_location},
    {"set-properties", set_properties}, {"remove-properties", remove_properties},
    {"add-view-version", add_version},  {"set-current-view-version", set_current},
};

static int apply_one(struct change *c, const json_t *update)
{
    const char *action = json_string_value(json_object_get(update, "action"));

    if (!action)
        return err_set(c->err, ERR_INVALID, "an update without an action");
    for (size_t i = 0; i < COUNT_OF(updates_known); i++)
        if (!strcmp(action, updates_known[i].action)) {
            int rc = updates_known[i].apply(c, update);

            return rc == ERR_NOENT ? err_wrap(c->err, ERR_INVALID, "%s", action) : rc;
        }
    return err_set(c->err, ERR_UNSUPPORTED, "unknown update %.100s", action);
}

/* ---- once all updates are in ---- */

static int log_current(struct change *c)
{
    int64_t id = number(c->doc, "current-version-id", -1);
    const json_t *version = find(list(c, "versions"), "version-id", id);
    int64_t stamp = c->current_is_new ? number(version, "timestamp-ms", c->now_ms) : c->now_ms;
    json_t *entry = json_object();

    json_put(entry, "timestamp-ms", json_integer(stamp));
    json_put(entry, "version-id", json_integer(id));
    return json_array_append_new(list(c, "version-log"), entry) ? nomem(c) : 0;
}

static const char *property(struct change *c, const char *key)
{
    return json_string_value(json_object_get(list(c, "properties"), key));
}

/* A reader of a dialect must not lose its view in silence. */
static int check_dialects(struct change *c, const struct lake_view *base)
{
    const json_t *now =
        find(list(c, "versions"), "version-id", number(c->doc, "current-version-id", -1));
    const char *allowed = property(c, DROP_DIALECT);
    size_t i;
    json_t *one;

    if (allowed && !strcasecmp(allowed, "true"))
        return 0;
    json_array_foreach(json_object_get(base->version, "representations"), i, one)
    {
        const char *dialect = json_string_value(json_object_get(one, "dialect"));

        if (dialect && !representation(now, dialect))
            return err_set(c->err, ERR_INVALID,
                           "Cannot replace view due to loss of view dialects (" DROP_DIALECT
                           "=false): %.60s",
                           dialect);
    }
    return 0;
}

static int lowest_other(struct change *c, int64_t current, size_t *at)
{
    json_t *versions = list(c, "versions"), *version;
    int64_t least = INT64_MAX;
    size_t i;

    json_array_foreach(versions, i, version)
    {
        int64_t id = number(version, "version-id", 0);

        if (id != current && id < least) {
            least = id;
            *at = i;
        }
    }
    return least == INT64_MAX ? ERR_NOENT : 0;
}

/* The oldest versions go, but never the current one nor those that this change added. */
static int expire(struct change *c)
{
    const char *text = property(c, HISTORY_SIZE);
    int64_t keep = 10, current = number(c->doc, "current-version-id", -1);
    json_t *log = list(c, "version-log");
    size_t least = c->versions_added + !c->current_is_new, at = 0;

    if (text && (slice_to_i64(slice_str(text), &keep) || keep <= 0))
        return err_set(c->err, ERR_INVALID, HISTORY_SIZE " must be positive but was %.40s", text);
    keep = keep < (int64_t)least ? (int64_t)least : keep;
    while ((int64_t)json_array_size(list(c, "versions")) > keep && !lowest_other(c, current, &at))
        json_array_remove(list(c, "versions"), at);
    for (size_t i = json_array_size(log); i-- > 0;)
        if (!find(list(c, "versions"), "version-id",
                  number(json_array_get(log, i), "version-id", 0))) {
            for (size_t k = 0; k <= i; k++) /* history does not have holes */
                json_array_remove(log, 0);
            break;
        }
    return 0;
}

static int complete(struct change *c, const struct lake_view *base)
{
    int rc = 0;

    if (!json_string_length(json_object_get(c->doc, "location")))
        return err_set(c->err, ERR_INVALID, "Invalid location: null");
    if (json_array_size(list(c, "versions")) == 0)
        return err_set(c->err, ERR_INVALID, "Invalid view: no versions were added");
    if (c->current_set)
        rc = log_current(c);
    if (!rc && base)
        rc = check_dialects(c, base);
    return rc ? rc : expire(c);
}

static int check_requirement(const struct lake_view *base, const json_t *req, struct err *err)
{
    const char *type, *uuid = json_string_value(json_object_get(req, "uuid"));

    if (json_get_str(req, "type", "requirement", &type, err))
        return err_set(err, ERR_INVALID, "a requirement without a type");
    if (strcmp(type, "assert-view-uuid") != 0)
        return err_set(err, ERR_UNSUPPORTED, "unknown requirement %.100s", type);
    if (base && uuid && !strcasecmp(uuid, base->uuid))
        return 0;
    return err_set(err, ERR_CONFLICT,
                   "Requirement failed: view UUID does not match: expected %s != %.60s",
                   base ? base->uuid : "none", uuid ? uuid : "none");
}

static json_t *empty_document(void)
{
    char uuid[37];

    uuid_v4(uuid);
    return json_pack("{s:s, s:i, s:s, s:[], s:i, s:[], s:[], s:{}}", "view-uuid", uuid,
                     "format-version", 1, "location", "", "schemas", "current-version-id", -1,
                     "versions", "version-log", "properties");
}

static json_t *fork_of(const struct lake_view *base)
{
    static const char *const lists[] = {"schemas", "versions", "version-log"};
    json_t *doc = base ? lake_doc_fork(base->doc) : empty_document();
    bool ok = doc != NULL;

    for (size_t i = 0; ok && i < COUNT_OF(lists); i++)
        if (!json_is_array(json_object_get(doc, lists[i])))
            ok = json_put(doc, lists[i], json_array());
    if (ok && !json_is_object(json_object_get(doc, "properties")))
        ok = json_put(doc, "properties", json_object());
    if (ok)
        return doc;
    json_decref(doc);
    return NULL;
}

int lake_view_apply(const struct lake_view *base, const json_t *requirements, const json_t *updates,
                    int64_t now_ms, struct lake_view **out, struct err *err)
{
    struct change c = {.now_ms = now_ms, .err = err, .added_schema = -1, .added_version = -1};
    json_t *item;
    size_t i;
    int rc = 0;

    json_array_foreach((json_t *)requirements, i, item)
    {
        rc = rc ? rc : check_requirement(base, item, err);
    }
    if (rc)
        return rc;
    c.doc = fork_of(base);
    if (!c.doc)
        return nomem(&c);
    json_array_foreach((json_t *)updates, i, item)
    {
        rc = rc ? rc : apply_one(&c, item);
    }
    rc = rc ? rc : complete(&c, base);
    if (rc) {
        json_decref(c.doc);
        return rc == ERR_CORRUPT || rc == ERR_NOENT ? err_wrap(err, ERR_INVALID, "view") : rc;
    }
    rc = view_of(c.doc, out, err);
    return rc == ERR_CORRUPT || rc == ERR_NOENT
               ? err_wrap(err, ERR_INVALID, "the updates make no view")
               : rc;
}
