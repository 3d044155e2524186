/* verbs_lake.c - tables, asked from the command line. */
#include <stdio.h>
#include <time.h>

#include "cli/verbs.h"

static const char *name_of(const json_t *request)
{
    const char *name = json_string_value(json_object_get(request, "name"));

    return name ? name : "";
}

const char *verb_text(const json_t *request, const char *key)
{
    return json_string_value(json_object_get(request, key));
}

static json_t *time_json(int64_t ms)
{
    time_t seconds = (time_t)(ms / 1000);
    char text[40];
    struct tm tm;

    if (ms <= 0)
        return json_null();
    gmtime_r(&seconds, &tm);
    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%SZ", &tm);
    return json_string(text);
}

/* A number that a snapshot's summary carries as text. */
static json_t *summary_json(const struct lake_snapshot *snapshot, const char *key)
{
    const char *text = snapshot ? lake_summary(snapshot, key) : NULL;
    int64_t value;

    if (!snapshot)
        return json_integer(0);
    return text && !slice_to_i64(slice_str(text), &value) ? json_integer(value) : json_null();
}

/* ---- tables ---- */

static int list_tables_of(struct instance *in, const char *ns, struct arena *arena,
                          struct control_reply *reply, struct err *err)
{
    struct catalog_names names = {0};
    int rc = catalog_table_list(in->catalog, ns, NULL, 0, arena, &names, err);

    for (size_t i = 0; i < names.count && !rc; i++) {
        struct lake_ident ident = {ns, names.list[i]};
        struct catalog_table table = {0};
        const struct lake_snapshot *snapshot;
        char name[600];

        if (catalog_table_load(in->catalog, &ident, arena, &table, NULL))
            continue; /* dropped between the list and here */
        snapshot = lake_metadata_snapshot(table.metadata);
        snprintf(name, sizeof(name), "%s.%s", ns, names.list[i]);
        rc = rows_add(reply,
                      json_pack("[s,o,o,o,i,o]", name, summary_json(snapshot, "total-records"),
                                summary_json(snapshot, "total-data-files"),
                                summary_json(snapshot, "total-files-size"),
                                (int)table.metadata->snapshot_count,
                                time_json(snapshot ? snapshot->timestamp_ms : 0)),
                      err);
        catalog_table_deinit(&table);
    }
    return rc;
}

int verb_table_list(void *arg, const json_t *request, struct control_reply *reply, struct err *err)
{
    struct instance *in = arg;
    struct arena arena = {0};
    struct catalog_names spaces = {0};
    int rc = catalog_namespace_list(in->catalog, NULL, NULL, 0, &arena, &spaces, err);

    (void)request;
    if (!rc)
        rc = rows_head(reply, json_pack("[s,s,s,s,s,s]", "table", "rows", "files", "bytes",
                                        "snapshots", "last commit"), err);
    for (size_t i = 0; i < spaces.count && !rc; i++)
        rc = list_tables_of(in, spaces.list[i], &arena, reply, err);
    arena_deinit(&arena);
    return rc;
}

int verb_table_ident(const char *name, struct arena *arena, struct lake_ident *out,
                     struct err *err)
{
    const char *dot = strrchr(name, '.');
    char *ns;

    if (!dot || dot == name || !dot[1])
        return err_set(err, ERR_INVALID, "'%s' is not NAMESPACE.TABLE", name);
    ns = arena_cstr(arena, slice_of(name, (size_t)(dot - name)));
    *out = (struct lake_ident){ns, arena_strdup(arena, dot + 1)};
    if (!ns || !out->name)
        return err_set(err, ERR_NOMEM, "%s", name);
    for (char *p = ns; *p; p++)
        if (*p == '.')
            *p = '\x1f'; /* levels, as the catalog joins them */
    return 0;
}

int verb_table_load(struct instance *in, const char *name, struct arena *arena,
                    struct lake_ident *ident, struct catalog_table *table, struct err *err)
{
    int rc = verb_table_ident(name, arena, ident, err);

    rc = rc ? rc : catalog_table_load(in->catalog, ident, arena, table, err);
    return rc == ERR_NOENT ? err_set(err, rc, "no table '%s'; 'tarn table list' shows them", name)
                           : rc;
}

int verb_table_describe(void *arg, const json_t *request, struct control_reply *reply,
                        struct err *err)
{
    struct arena arena = {0};
    struct catalog_table table = {0};
    struct lake_ident ident;
    const struct lake_type *root;
    int rc = verb_table_load(arg, name_of(request), &arena, &ident, &table, err);

    if (!rc)
        rc = rows_head(reply, json_pack("[s,s,s,s]", "id", "column", "type", "required"), err);
    root = rc ? NULL : &lake_metadata_schema(table.metadata)->root;
    for (size_t i = 0; !rc && i < root->field_count; i++) {
        const struct lake_field *field = &root->fields[i];
        const char *type = lake_type_name(&field->type, &arena);

        rc = rows_add(reply, json_pack("[i,s,s,b]", (int)field->id, field->name, type ? type : "",
                                       field->required), err);
    }
    catalog_table_deinit(&table);
    arena_deinit(&arena);
    return rc;
}

int verb_table_history(void *arg, const json_t *request, struct control_reply *reply,
                       struct err *err)
{
    struct arena arena = {0};
    struct catalog_table table = {0};
    struct lake_ident ident;
    int rc = verb_table_load(arg, name_of(request), &arena, &ident, &table, err);

    if (!rc)
        rc = rows_head(reply, json_pack("[s,s,s,s,s,s]", "snapshot", "time", "operation", "added",
                                        "rows", "files"), err);
    for (size_t i = 0; !rc && i < table.metadata->snapshot_count; i++) {
        const struct lake_snapshot *s = &table.metadata->snapshots[i];

        rc = rows_add(reply, json_pack("[I,o,s,o,o,o]", (json_int_t)s->id,
                                       time_json(s->timestamp_ms), s->operation,
                                       summary_json(s, "added-records"),
                                       summary_json(s, "total-records"),
                                       summary_json(s, "total-data-files")), err);
    }
    catalog_table_deinit(&table);
    arena_deinit(&arena);
    return rc;
}
