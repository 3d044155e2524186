/* verbs_table.c - one table shown and changed from the command line: its files, where its branches
 * and tags stand, registering and dropping. */
#include <stdio.h>

#include "catalog/lost.h"
#include "cli/verbs.h"
#include "lake/refs.h"
#include "lake/statistics.h"

#define LOST_MAX         100
#define PARTITIONS_SHOWN 20

/* A table in the course of one request. */
struct named {
    struct instance *in;
    struct arena arena;
    struct lake_ident ident;
    struct catalog_table table;
};

static int open_named(struct named *n, struct instance *in, const json_t *request, struct err *err)
{
    const char *name = verb_text(request, "name");

    *n = (struct named){.in = in};
    return verb_table_load(in, name ? name : "", &n->arena, &n->ident, &n->table, err);
}

static void close_named(struct named *n)
{
    catalog_table_deinit(&n->table);
    arena_deinit(&n->arena);
}

static int say(struct control_reply *reply, json_t *text /* take */, struct err *err)
{
    return control_send(reply, json_pack("{s:o}", "text", text), err);
}

static int64_t number_of(const json_t *request, const char *key)
{
    const json_t *value = json_object_get(request, key);

    return json_is_integer(value) ? json_integer_value(value) : -1;
}

static bool flag_of(const json_t *request, const char *key)
{
    return json_is_true(json_object_get(request, key));
}

/* A snapshot by its id, by a branch or tag, or by a write-audit-publish id. */
static int find_snapshot(const struct lake_metadata *m, const char *word, int64_t *id,
                         struct err *err)
{
    const struct lake_ref *ref = lake_metadata_branch(m, word);
    const struct lake_snapshot *staged = lake_wap_find(m, word);

    if (slice_to_i64(slice_str(word), id) == 0 && lake_metadata_snapshot_by_id(m, *id))
        return 0;
    if (!ref && !staged)
        return err_set(err, ERR_NOENT,
                       "no snapshot, branch or tag '%s'; 'tarn table history' shows snapshots, "
                       "'tarn table show' branches and tags",
                       word);
    *id = ref ? ref->snapshot_id : staged->id;
    return 0;
}

static int snapshot_option(const struct lake_metadata *m, const json_t *request, int64_t *id,
                           struct err *err)
{
    const char *word = verb_text(request, "snapshot");

    *id = -1;
    return word ? find_snapshot(m, word, id, err) : 0;
}

/* ---- show ---- */

static int show_line(struct control_reply *reply, const char *what, const char *value,
                     struct err *err)
{
    return rows_add(reply, json_pack("[s,s]", what, value ? value : ""), err);
}

static const char *spec_text(struct named *n, const struct lake_partition_spec *spec)
{
    const struct lake_schema *schema = lake_metadata_schema(n->table.metadata);
    const char *text = "";

    for (size_t i = 0; i < spec->field_count && text; i++) {
        const struct lake_partition_field *f = &spec->fields[i];
        const struct lake_field *source = lake_schema_by_id(schema, f->source_id);
        const char *transform = lake_transform_text(&f->transform, &n->arena);

        text = arena_printf(&n->arena, "%s%s%s(%s)", text, i ? ", " : "",
                            transform ? transform : "", source ? source->name : "a dropped column");
    }
    return text;
}

static const char *order_text(struct named *n, const struct lake_metadata *m)
{
    const char *text = "";

    for (size_t i = 0; i < m->order_count; i++)
        for (size_t k = 0;
             m->orders[i].id == m->default_order_id && text && k < m->orders[i].field_count; k++) {
            const struct lake_sort_field *f = &m->orders[i].fields[k];
            const struct lake_field *source =
                lake_schema_by_id(lake_metadata_schema(m), f->source_id);
            const char *transform = lake_transform_text(&f->transform, &n->arena);

            text =
                arena_printf(&n->arena, "%s%s%s(%s) %s nulls %s", text, k ? ", " : "",
                             transform ? transform : "", source ? source->name : "a dropped column",
                             f->descending ? "desc" : "asc", f->nulls_last ? "last" : "first");
        }
    return text;
}

static const char *ref_text(struct named *n, const struct lake_ref *ref)
{
    const struct {
        const char *name;
        int64_t value;
        const char *unit;
    } limits[] = {{"kept for", ref->max_ref_age_ms, "ms"},
                  {"snapshots for", ref->max_snapshot_age_ms, "ms"},
                  {"at least", ref->min_snapshots_to_keep, "snapshots"}};
    const char *text = arena_printf(&n->arena, "%" PRId64, ref->snapshot_id);

    for (size_t i = 0; i < COUNT_OF(limits) && text; i++)
        if (limits[i].value >= 0)
            text = arena_printf(&n->arena, "%s, %s %" PRId64 " %s", text, limits[i].name,
                                limits[i].value, limits[i].unit);
    return text;
}

/* What ANALYZE TABLE found of the partitions; a file that does not read is told, not fatal. */
static int show_partitions(struct named *n, struct control_reply *reply, struct err *err)
{
    struct lake_partition_statistics of;
    struct vec_conn *conn = NULL;
    struct err why = {0};
    int rc;

    if (!json_array_size(json_object_get(n->table.metadata->doc, "partition-statistics")) ||
        !n->in->queries_db)
        return 0;
    rc = vec_conn_new(&conn, n->in->queries_db, &why);
    rc = rc ? rc
            : lake_partition_statistics_read(n->in->lake, conn, n->table.metadata, PARTITIONS_SHOWN,
                                             &n->arena, &of, &why);
    vec_conn_free(conn);
    if (rc)
        return show_line(reply, "partition statistics", why.text, err);
    if (of.snapshot_id < 0)
        return 0;
    rc = show_line(reply, "partition statistics",
                   arena_printf(&n->arena, "%" PRId64 " partitions, as of snapshot %" PRId64,
                                of.count, of.snapshot_id),
                   err);
    for (size_t i = 0; i < of.line_count && !rc; i++) {
        const struct lake_partition_line *p = &of.lines[i];

        rc = show_line(reply, arena_printf(&n->arena, "partition %s", p->partition),
                       arena_printf(&n->arena,
                                    "%" PRId64 " rows in %" PRId64 " files of %" PRId64
                                    " bytes, %" PRId64 " deleted",
                                    p->rows, p->files, p->bytes, p->deleted),
                       err);
    }
    return rc;
}

static int show_lines(struct named *n, struct control_reply *reply, struct err *err)
{
    const struct lake_metadata *m = n->table.metadata;
    const struct lake_snapshot *s = lake_metadata_snapshot(m);
    const struct {
        const char *what, *value;
    } lines[] = {
        {"location", m->location},
        {"uuid", m->uuid},
        {"format version", arena_printf(&n->arena, "%d", m->format_version)},
        {"metadata file", n->table.location},
        {"partitioned by", spec_text(n, lake_metadata_spec(m))},
        {"sorted by", order_text(n, m)},
        {"snapshot", s ? arena_printf(&n->arena, "%" PRId64, s->id) : "none yet"},
        {"snapshots", arena_printf(&n->arena, "%zu", m->snapshot_count)},
        {"rows", s ? lake_summary(s, "total-records") : "0"},
        {"data files", s ? lake_summary(s, "total-data-files") : "0"},
        {"delete files", s ? lake_summary(s, "total-delete-files") : "0"},
        {"bytes", s ? lake_summary(s, "total-files-size") : "0"},
    };
    int rc = rows_head(reply, json_pack("[s,s]", "what", "value"), err);

    for (size_t i = 0; i < COUNT_OF(lines) && !rc; i++)
        rc = show_line(reply, lines[i].what, lines[i].value, err);
    for (size_t i = 0; i < lake_metadata_schema(m)->root.field_count && !rc; i++) {
        const struct lake_field *f = &lake_metadata_schema(m)->root.fields[i];
        const char *type = lake_type_name(&f->type, &n->arena);

        rc = show_line(
            reply, arena_printf(&n->arena, "column %s", f->name),
            arena_printf(&n->arena, "%s%s", type ? type : "", f->required ? ", required" : ""),
            err);
    }
    rc = rc ? rc : show_partitions(n, reply, err);
    for (size_t i = 0; i < m->branch_count && !rc; i++)
        rc = show_line(reply,
                       arena_printf(&n->arena, "%s %s", m->branches[i].is_tag ? "tag" : "branch",
                                    m->branches[i].name),
                       ref_text(n, &m->branches[i]), err);
    for (size_t i = 0; i < m->property_count && !rc; i++)
        rc = show_line(reply, arena_printf(&n->arena, "property %s", m->properties[i].key),
                       m->properties[i].value, err);
    return rc;
}

int verb_table_show(void *arg, const json_t *request, struct control_reply *reply, struct err *err)
{
    struct named n;
    int rc = open_named(&n, arg, request, err);

    rc = rc ? rc : show_lines(&n, reply, err);
    close_named(&n);
    return rc;
}

/* ---- files ---- */

static const char *partition_text(struct named *n, const struct lake_data_file *file)
{
    const struct lake_metadata *m = n->table.metadata;
    const struct lake_partition_spec *spec = lake_metadata_spec_by_id(m, file->spec_id);
    struct lake_type *types;
    struct buf text = {0};
    const char *out;

    if (!spec || lake_spec_types(spec, lake_metadata_schema(m), &n->arena, &types, NULL))
        return "";
    for (size_t i = 0; i < spec->field_count && i < file->partition_count; i++) {
        if (buf_printf(&text, "%s%s=", i ? "/" : "", spec->fields[i].name) ||
            lake_transform_human(&spec->fields[i].transform, &types[i], &file->partition[i], &text))
            break;
    }
    out = arena_cstr(&n->arena, buf_slice(&text));
    buf_deinit(&text);
    return out ? out : "";
}

static int file_rows(struct named *n, const struct lake_snapshot *snapshot,
                     struct control_reply *reply, struct err *err)
{
    static const char *const contents[] = {"data", "position deletes", "equality deletes"};
    const struct lake_metadata *m = n->table.metadata;
    struct lake_manifest_list *list;
    int rc = lake_manifest_list_load(n->in->lake, m, snapshot, &list, err);

    if (rc)
        return rc;
    for (size_t i = 0; i < list->file_count && !rc; i++) {
        struct lake_manifest *manifest;

        rc = lake_manifest_load(n->in->lake, m, &list->files[i], &manifest, err);
        if (rc)
            break;
        for (size_t k = 0; k < manifest->entry_count && !rc; k++) {
            const struct lake_data_file *f = &manifest->entries[k].file;

            if (manifest->entries[k].status == LAKE_DELETED)
                continue;
            rc = rows_add(reply,
                          json_pack("[s,s,I,I,s,s]", f->path, contents[f->content % 3],
                                    (json_int_t)f->record_count, (json_int_t)f->file_bytes,
                                    partition_text(n, f), f->format),
                          err);
        }
        lake_manifest_free(manifest);
    }
    lake_manifest_list_free(list);
    return rc;
}

int verb_table_files(void *arg, const json_t *request, struct control_reply *reply, struct err *err)
{
    const char *branch = verb_text(request, "branch");
    const struct lake_snapshot *snapshot;
    int64_t id = -1;
    struct named n;
    int rc = open_named(&n, arg, request, err);

    rc = rc ? rc : snapshot_option(n.table.metadata, request, &id, err);
    if (!rc && branch)
        rc = find_snapshot(n.table.metadata, branch, &id, err);
    rc = rc ? rc
            : rows_head(reply,
                        json_pack("[s,s,s,s,s,s]", "file", "content", "rows", "bytes", "partition",
                                  "format"),
                        err);
    snapshot = rc         ? NULL
               : id == -1 ? lake_metadata_snapshot(n.table.metadata)
                          : lake_metadata_snapshot_by_id(n.table.metadata, id);
    if (snapshot)
        rc = file_rows(&n, snapshot, reply, err);
    close_named(&n);
    return rc;
}

/* ---- changes ---- */

/* Commits what was made of the table's version at hand; says so. */
static int commit(struct named *n, struct lake_ref_change *made, struct control_reply *reply,
                  json_t *text /* take */, struct err *err)
{
    struct catalog_change change = {n->ident, made->requirements, made->updates};
    struct catalog_table out = {0};
    int rc = 0;

    if (json_array_size(made->updates))
        rc = catalog_commit(n->in->catalog, &change, 1, "tarn table", &n->arena, &out, err);
    catalog_table_deinit(&out);
    lake_ref_change_free(made);
    if (!rc)
        return say(reply, text, err);
    json_decref(text);
    return rc;
}

/* "2024-01-01 10:00:00" (UTC), with a zone, or milliseconds since 1970. */
static int parse_time(const char *text, struct arena *arena, int64_t *ms, struct err *err)
{
    struct lake_type zoned = {.kind = LAKE_TIMESTAMPTZ}, plain = {.kind = LAKE_TIMESTAMP};
    struct lake_value value;

    if (slice_to_i64(slice_str(text), ms) == 0)
        return 0;
    if (lake_value_parse(&zoned, text, arena, &value, NULL) &&
        lake_value_parse(&plain, text, arena, &value, NULL))
        return err_set(err, ERR_INVALID, "'%s' is no time: 2024-01-31 10:00:00, or milliseconds",
                       text);
    *ms = value.i / 1000;
    return 0;
}

int verb_table_rollback(void *arg, const json_t *request, struct control_reply *reply,
                        struct err *err)
{
    const char *word = verb_text(request, "word"), *before = verb_text(request, "before");
    const char *branch = verb_text(request, "branch");
    struct lake_ref_change made = {0};
    const struct lake_metadata *m;
    struct named n;
    int64_t id = -1;
    int rc = open_named(&n, arg, request, err);

    m = n.table.metadata;
    if (!rc && !word == !before)
        rc = err_set(err, ERR_INVALID, "rollback takes a snapshot, or --before TIME");
    if (!rc && before) {
        rc = parse_time(before, &n.arena, &id, err);
        rc = rc ? rc : lake_rollback_to_time(m, branch, id, &made, err);
    } else if (!rc) {
        rc = find_snapshot(m, word, &id, err);
        rc = rc ? rc : lake_rollback(m, branch, id, &made, err);
    }
    if (!rc) {
        const json_t *update = json_array_get(made.updates, 0);
        const json_t *to = json_object_get(update, "snapshot-id");

        rc = commit(&n, &made, reply,
                    to ? json_sprintf("%s is at snapshot %" JSON_INTEGER_FORMAT,
                                      branch ? branch : "main", json_integer_value(to))
                       : json_sprintf("%s is there already", branch ? branch : "main"),
                    err);
    }
    close_named(&n);
    return rc;
}

/* Tags and branches are made, moved and dropped by the same words. */
static int change_ref(struct instance *in, const json_t *request, bool is_tag,
                      struct control_reply *reply, struct err *err)
{
    struct lake_ref_options o = {-1,
                                 number_of(request, "keep"),
                                 number_of(request, "age"),
                                 (int32_t)number_of(request, "min"),
                                 is_tag,
                                 flag_of(request, "replace"),
                                 false};
    const char *name = verb_text(request, "word"), *to = verb_text(request, "to");
    const char *kind = is_tag ? "tag" : "branch";
    struct lake_ref_change made = {0};
    struct named n;
    int rc = open_named(&n, in, request, err);

    rc = rc ? rc : snapshot_option(n.table.metadata, request, &o.snapshot_id, err);
    if (!rc && flag_of(request, "drop"))
        rc = lake_ref_drop(n.table.metadata, name, is_tag, &made, err);
    else if (!rc && to && !is_tag)
        rc = lake_fast_forward(n.table.metadata, name, to, &made, err);
    else if (!rc)
        rc = lake_ref_create(n.table.metadata, name, &o, &made, err);
    rc = rc ? rc
            : commit(&n, &made, reply,
                     json_sprintf("%s %s %s", kind, name,
                                  flag_of(request, "drop") ? "dropped"
                                  : to                     ? "forwarded"
                                                           : "set"),
                     err);
    close_named(&n);
    return rc;
}

int verb_table_tag(void *arg, const json_t *request, struct control_reply *reply, struct err *err)
{
    return change_ref(arg, request, true, reply, err);
}

int verb_table_branch(void *arg, const json_t *request, struct control_reply *reply,
                      struct err *err)
{
    return change_ref(arg, request, false, reply, err);
}

int verb_table_pick(void *arg, const json_t *request, struct control_reply *reply, struct err *err)
{
    const char *branch = verb_text(request, "branch");
    struct lake_ref_change made = {0};
    int64_t id, now;
    struct named n;
    int rc = open_named(&n, arg, request, err);

    rc = rc ? rc : find_snapshot(n.table.metadata, verb_text(request, "word"), &id, err);
    rc = rc ? rc
            : lake_cherry_pick_wait(n.in->lake, catalog_lake(n.in->catalog), &n.ident,
                                    n.table.metadata, branch, id, &made, &now, err);
    rc = rc ? rc
            : commit(
                  &n, &made, reply,
                  json_sprintf("%s is at snapshot %lld", branch ? branch : "main", (long long)now),
                  err);
    close_named(&n);
    return rc;
}

/* ---- register and drop ---- */

int verb_table_register(void *arg, const json_t *request, struct control_reply *reply,
                        struct err *err)
{
    struct instance *in = arg;
    const char *name = verb_text(request, "name"), *location = verb_text(request, "word");
    struct arena arena = {0};
    struct catalog_table table = {0};
    struct lake_ident ident;
    int rc = verb_table_ident(name, &arena, &ident, err);

    rc =
        rc ? rc : catalog_table_register(in->catalog, &ident, location, false, &arena, &table, err);
    rc =
        rc ? rc
           : say(reply,
                 json_sprintf("%s registered: %zu snapshots", name, table.metadata->snapshot_count),
                 err);
    catalog_table_deinit(&table);
    arena_deinit(&arena);
    return rc;
}

/* {"lost": [{"place", "metadata"}]} */
int verb_table_lost(void *arg, const json_t *request, struct control_reply *reply, struct err *err)
{
    struct instance *in = arg;
    struct arena arena = {0};
    struct catalog_lost *lost = ARENA_ARRAY(&arena, struct catalog_lost, LOST_MAX);
    json_t *list = json_array();
    size_t count = 0;
    int rc = lost && list ? catalog_lost_find(in->catalog, LOST_MAX, &arena, lost, &count, err)
                          : err_set(err, ERR_NOMEM, "lost tables");

    (void)request;
    for (size_t i = 0; !rc && i < count; i++)
        if (json_array_append_new(list, json_pack("{s:s, s:s}", "place", lost[i].place, "metadata",
                                                  lost[i].metadata)))
            rc = err_set(err, ERR_NOMEM, "lost tables");
    if (!rc)
        rc = control_send(reply, json_pack("{s:O}", "lost", list), err);
    json_decref(list);
    arena_deinit(&arena);
    return rc;
}

int verb_table_drop(void *arg, const json_t *request, struct control_reply *reply, struct err *err)
{
    struct instance *in = arg;
    const char *name = verb_text(request, "name");
    bool purge = flag_of(request, "purge");
    struct named n;
    int rc = open_named(&n, in, request, err);

    rc = rc ? rc : catalog_table_drop(in->catalog, &n.ident, purge, err);
    rc =
        rc ? rc
           : say(reply,
                 purge ? json_sprintf("%s dropped; its files are being removed", name)
                       : json_sprintf("%s dropped; its files stay, and 'tarn table register %s %s' "
                                      "brings it back",
                                      name, name, n.table.location),
                 err);
    close_named(&n);
    return rc;
}
