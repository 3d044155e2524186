/* namespace.c - folders for tables, with properties. */
#include "catalog/catalog_int.h"

struct ns_call {
    struct catalog *catalog;
    const char *ns;
    char *properties; /* JSON text */
    const json_t *removals, *updates;
    json_t *result;
};

/* "a\x1f" "b" is below "a"; the first level is below "". In the arena. */
static const char *parent_of(struct arena *arena, const char *ns)
{
    const char *last = strrchr(ns, LEVEL_SEPARATOR);

    return arena_cstr(arena, slice_of(ns, last ? (size_t)(last - ns) : 0));
}

static int check_properties(const json_t *properties, struct err *err)
{
    const char *key;
    json_t *value;

    if (!properties)
        return 0;
    if (!json_is_object(properties))
        return err_set(err, ERR_INVALID, "properties: not an object");
    json_object_foreach((json_t *)properties, key, value)
    {
        if (!json_is_string(value))
            return err_set(err, ERR_INVALID, "properties: '%.200s' is not a string", key);
    }
    return 0;
}

/* ---- create ---- */

static int create_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    struct ns_call *call = arg;
    struct lake_ident ident = {.ns = call->ns};
    struct arena arena = {0};
    const char *parent = parent_of(&arena, call->ns);
    json_t *changes = NULL;
    int rc = parent ? 0 : err_set(err, ERR_NOMEM, "namespace");

    if (!rc && *parent)
        rc = ns_require(txn, parent, err);
    if (!rc)
        rc = meta_exec(txn, err, "INSERT INTO catalog_namespace VALUES (?, ?, ?, ?)", "sssi",
                       call->ns, parent, call->properties, clock_wall_ms(call->catalog->clock));
    if (rc == ERR_EXISTS)
        rc = err_set(err, rc, "Namespace already exists: %s", show_ns(call->ns).text);
    if (!rc) {
        changes = json_pack("[o]", log_change("create-namespace", &ident, NULL, NULL, NULL));
        rc = catalog_log_append(call->catalog, txn, "tarn", changes, err);
    }
    arena_deinit(&arena);
    return rc;
}

int catalog_namespace_create(struct catalog *catalog, const char *ns, const json_t *properties,
                             struct err *err)
{
    struct ns_call call = {.catalog = catalog, .ns = ns};
    int rc = check_ns(ns, err);

    if (!rc)
        rc = check_properties(properties, err);
    if (rc)
        return rc;
    call.properties = properties ? json_dumps(properties, JSON_COMPACT) : strdup("{}");
    if (!call.properties)
        return err_set(err, ERR_NOMEM, "namespace");
    rc = write_once(catalog, create_fn, &call, NULL, err);
    free(call.properties);
    return rc;
}

/* ---- load ---- */

static int read_properties(struct meta_txn *txn, const char *ns, json_t **out, struct err *err)
{
    struct meta_stmt *stmt = NULL;
    const char *text = NULL;
    int rc = meta_query(txn, &stmt, err, "SELECT properties FROM catalog_namespace WHERE ns = ?",
                        "s", ns);

    if (!rc && meta_next(stmt, err, &rc)) {
        text = meta_text(stmt, 0);
        rc = text ? json_parse(slice_str(text), out, err) : err_set(err, ERR_NOMEM, "namespace");
    } else if (!rc) {
        rc = no_namespace(err, ns);
    }
    meta_done(stmt);
    return rc;
}

static int load_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    struct ns_call *call = arg;

    return read_properties(txn, call->ns, &call->result, err);
}

int catalog_namespace_load(struct catalog *catalog, const char *ns, json_t **out, struct err *err)
{
    struct ns_call call = {.ns = ns};
    struct arena arena = {0};
    bool odd = false;
    int rc = meta_read(catalog->meta, load_fn, &call, err);

    if (!rc && out && !json_object_get(call.result, "location")) {
        const char *path = path_below(&arena, catalog->warehouse, ns, NULL, &odd);

        if (!path || json_object_set_new(call.result, "location", json_string(path)))
            rc = err_set(err, ERR_NOMEM, "namespace");
    }
    if (!rc && out)
        *out = json_incref(call.result);
    json_decref(call.result);
    arena_deinit(&arena);
    return rc;
}

/* ---- list ---- */

struct list_call {
    const char *sql, *key, *after;
    size_t max;
    struct arena *arena;
    struct catalog_names *out;
    bool check_parent;
};

static int list_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    struct list_call *call = arg;
    struct catalog_names *out = call->out;
    struct meta_stmt *stmt = NULL;
    size_t cap = 0;
    int rc = call->check_parent ? ns_require(txn, call->key, err) : 0;

    *out = (struct catalog_names){0};
    if (!rc)
        rc =
            meta_query(txn, &stmt, err, call->sql, "ssi", call->key, call->after ? call->after : "",
                       call->max ? (int64_t)call->max + 1 : INT64_C(-1));
    while (!rc && meta_next(stmt, err, &rc)) {
        if (call->max && out->count == call->max) {
            out->more = true;
            break;
        }
        if (out->count == cap) {
            const char **list = ARENA_ARRAY(call->arena, const char *, cap = cap ? 2 * cap : 32);

            if (list && out->count)
                memcpy(list, out->list, out->count * sizeof(*list));
            out->list = list;
        }
        if (!out->list ||
            !(out->list[out->count++] = arena_strdup(call->arena, meta_text(stmt, 0))))
            rc = err_set(err, ERR_NOMEM, "listing");
    }
    meta_done(stmt);
    return rc;
}

int catalog_namespace_list(struct catalog *catalog, const char *parent, const char *after,
                           size_t max, struct arena *arena, struct catalog_names *out,
                           struct err *err)
{
    struct list_call call = {
        .sql = "SELECT ns FROM catalog_namespace WHERE parent = ? AND ns > ? ORDER BY ns LIMIT ?",
        .key = parent ? parent : "",
        .after = after,
        .max = max,
        .arena = arena,
        .out = out,
        .check_parent = parent && *parent,
    };

    return meta_read(catalog->meta, list_fn, &call, err);
}

int catalog_table_list(struct catalog *catalog, const char *ns, const char *after, size_t max,
                       struct arena *arena, struct catalog_names *out, struct err *err)
{
    struct list_call call = {
        .sql = "SELECT name FROM catalog_table WHERE ns = ? AND name > ? ORDER BY name LIMIT ?",
        .key = ns,
        .after = after,
        .max = max,
        .arena = arena,
        .out = out,
        .check_parent = true,
    };

    return meta_read(catalog->meta, list_fn, &call, err);
}

int catalog_view_list(struct catalog *catalog, const char *ns, const char *after, size_t max,
                      struct arena *arena, struct catalog_names *out, struct err *err)
{
    struct list_call call = {
        .sql = "SELECT name FROM catalog_view WHERE ns = ? AND name > ? ORDER BY name LIMIT ?",
        .key = ns,
        .after = after,
        .max = max,
        .arena = arena,
        .out = out,
        .check_parent = true,
    };

    return meta_read(catalog->meta, list_fn, &call, err);
}

/* ---- update ---- */

static int apply_removals(const json_t *removals, json_t *properties, json_t *result)
{
    json_t *removed = json_object_get(result, "removed");
    json_t *missing = json_object_get(result, "missing"), *key;
    size_t at;

    json_array_foreach(removals, at, key)
    {
        bool had = json_object_del(properties, json_string_value(key)) == 0;

        if (json_array_append(had ? removed : missing, key))
            return ERR_NOMEM;
    }
    return 0;
}

static int apply_updates(const json_t *updates, json_t *properties, json_t *result)
{
    json_t *updated = json_object_get(result, "updated"), *value;
    const char *key;

    json_object_foreach((json_t *)updates, key, value)
    {
        if (json_object_set(properties, key, value) ||
            json_array_append_new(updated, json_string(key)))
            return ERR_NOMEM;
    }
    return 0;
}

static int update_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    struct ns_call *call = arg;
    struct lake_ident ident = {.ns = call->ns};
    json_t *properties = NULL;
    char *text = NULL;
    int rc;

    json_decref(call->result); /* of an earlier run */
    call->result = json_pack("{s:[], s:[], s:[]}", "updated", "removed", "missing");
    rc = read_properties(txn, call->ns, &properties, err);
    if (!rc && (!call->result || apply_removals(call->removals, properties, call->result) ||
                apply_updates(call->updates, properties, call->result) ||
                !(text = json_dumps(properties, JSON_COMPACT))))
        rc = err_set(err, ERR_NOMEM, "namespace");
    if (!rc)
        rc = meta_exec(txn, err, "UPDATE catalog_namespace SET properties = ? WHERE ns = ?", "ss",
                       text, call->ns);
    if (!rc)
        rc = catalog_log_append(
            call->catalog, txn, "tarn",
            json_pack("[o]", log_change("update-namespace", &ident, NULL, NULL, NULL)), err);
    free(text);
    json_decref(properties);
    return rc;
}

static int check_update(const json_t *removals, const json_t *updates, struct err *err)
{
    size_t at;
    json_t *key;

    if (removals && !json_is_array(removals))
        return err_set(err, ERR_INVALID, "removals: not an array");
    json_array_foreach(removals, at, key)
    {
        if (!json_is_string(key))
            return err_set(err, ERR_INVALID, "removals: not an array of strings");
        if (json_object_get(updates, json_string_value(key)))
            return err_set(err, ERR_INVALID, "Cannot update and remove the same key: %.200s",
                           json_string_value(key));
    }
    return check_properties(updates, err);
}

int catalog_namespace_update(struct catalog *catalog, const char *ns, const json_t *removals,
                             const json_t *updates, json_t **result, struct err *err)
{
    struct ns_call call = {.catalog = catalog, .ns = ns, .removals = removals, .updates = updates};
    int rc = check_update(removals, updates, err);

    if (!rc)
        rc = write_once(catalog, update_fn, &call, &call.result, err);
    if (!rc && result)
        *result = json_incref(call.result);
    json_decref(call.result);
    return rc;
}

/* ---- drop ---- */

static int count_below(struct meta_txn *txn, const char *sql, const char *ns, int64_t *count,
                       struct err *err)
{
    struct meta_stmt *stmt = NULL;
    int rc = meta_query(txn, &stmt, err, sql, "s", ns);

    if (!rc && meta_next(stmt, err, &rc))
        *count += meta_i64(stmt, 0);
    meta_done(stmt);
    return rc;
}

static int drop_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    struct ns_call *call = arg;
    struct lake_ident ident = {.ns = call->ns};
    int64_t count = 0;
    int rc = ns_require(txn, call->ns, err);

    if (!rc)
        rc = count_below(txn, "SELECT count(*) FROM catalog_table WHERE ns = ?", call->ns, &count,
                         err);
    if (!rc)
        rc = count_below(txn, "SELECT count(*) FROM catalog_view WHERE ns = ?", call->ns, &count,
                         err);
    if (!rc)
        rc = count_below(txn, "SELECT count(*) FROM catalog_namespace WHERE parent = ?", call->ns,
                         &count, err);
    if (!rc && count)
        rc = err_set(err, ERR_CONFLICT,
                     "Namespace %s is not empty: %" PRId64 " tables or namespaces are in it",
                     show_ns(call->ns).text, count);
    if (!rc)
        rc = meta_exec(txn, err, "DELETE FROM catalog_namespace WHERE ns = ?", "s", call->ns);
    if (!rc)
        rc = catalog_log_append(
            call->catalog, txn, "tarn",
            json_pack("[o]", log_change("drop-namespace", &ident, NULL, NULL, NULL)), err);
    return rc;
}

int catalog_namespace_drop(struct catalog *catalog, const char *ns, struct err *err)
{
    struct ns_call call = {.catalog = catalog, .ns = ns};

    return write_once(catalog, drop_fn, &call, NULL, err);
}
