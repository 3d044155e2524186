/* travel.c - names and words that mean a table as it was, a branch of it, or a table about it.
 *
 *   t.snapshots, `t$snapshots`       the metadata tables (lake/inspect.h)
 *   t.branch_x, t.tag_x              a branch or a tag; `t$branch_x` likewise
 *   t.snapshot_id_N, t.at_timestamp_MS    Spark's other selectors
 *   FOR SYSTEM_TIME AS OF ts         Flink's; FOR TIMESTAMP AS OF (Trino), TIMESTAMP AS OF (Spark)
 *   FOR SYSTEM_VERSION AS OF v       Hive's; FOR VERSION AS OF (Trino), VERSION AS OF (Spark)
 *   OPTIONS('snapshot-id' = 'N')     hints: snapshot-id, branch, tag, as-of-timestamp; of a table
 *                                    that a connector makes, any option of its CREATE TABLE
 *   SET 'wap.branch' = 'x'           of a table with write.wap.enabled, when nothing else is said:
 *                                    read from branch x once it is there, written to it
 *
 * A table that has the whole name wins over a suffix. A snapshot, a tag or a time is read with the
 * schema of its time, a branch with the table's current one, as the Java library does.
 */
#include <stdio.h>

#include "connector/session_int.h"
#include "lake/inspect.h"

/* The table is the session's own copy of one load: it may be narrowed in place. */
static struct session_table *lake_handle(const struct sql_table *table)
{
    struct session_table *handle = table->handle;

    return handle && handle->kind == SESSION_LAKE ? handle : NULL;
}

static int use_schema(struct session *s, const struct sql_table *table,
                      const struct lake_schema *schema, struct err *err)
{
    lake_handle(table)->schema = schema;
    return session_lake_columns(s, schema, (struct sql_table *)table, err);
}

static int use_snapshot(struct session *s, const struct sql_table *table,
                        const struct lake_snapshot *snapshot, struct err *err)
{
    struct session_table *handle = lake_handle(table);
    const struct lake_schema *schema =
        lake_metadata_schema_by_id(handle->metadata, snapshot->schema_id);

    handle->snapshot_id = snapshot->id;
    handle->branch = NULL;
    return schema && handle->inspect < 0 ? use_schema(s, table, schema, err) : 0;
}

static int use_id(struct session *s, const struct sql_table *table, int64_t id, struct err *err)
{
    const struct lake_snapshot *snapshot =
        lake_metadata_snapshot_by_id(lake_handle(table)->metadata, id);

    return snapshot ? use_snapshot(s, table, snapshot, err)
                    : err_set(err, ERR_NOENT,
                              "`%s` has no snapshot %" PRId64 ": `%s.snapshots` lists them",
                              table->name, id, table->name);
}

static int use_ref(struct session *s, const struct sql_table *table, const char *name,
                   const char *want /* "branch", "tag", "branch or tag" */, struct err *err)
{
    struct session_table *handle = lake_handle(table);
    const struct lake_ref *ref = lake_metadata_branch(handle->metadata, name);

    if (ref && strcmp(want, "branch or tag") && ref->is_tag != !strcmp(want, "tag"))
        ref = NULL;
    if (!ref && !strcmp(name, "main") && strcmp(want, "tag"))
        return 0; /* an empty table has no main yet */
    if (!ref)
        return err_set(err, ERR_NOENT, "`%s` has no %s `%s`: `%s.refs` lists them", table->name,
                       want, name, table->name);
    if (ref->is_tag)
        return use_id(s, table, ref->snapshot_id, err);
    handle->branch = ref->name;
    handle->snapshot_id = ref->snapshot_id;
    return 0;
}

static int use_time(struct session *s, const struct sql_table *table, int64_t ms, struct err *err)
{
    const struct lake_snapshot *snapshot =
        lake_metadata_snapshot_at(lake_handle(table)->metadata, ms);

    return snapshot ? use_snapshot(s, table, snapshot, err)
                    : err_set(err, ERR_NOENT,
                              "`%s` has no snapshot as old as that: `%s.history` lists them",
                              table->name, table->name);
}

/* ---- suffixes ---- */

static bool starts(const char *text, const char *prefix, const char **rest)
{
    size_t len = strlen(prefix);

    *rest = text + len;
    return !strncasecmp(text, prefix, len) && text[len];
}

static bool is_number(const char *text, int64_t *value)
{
    return slice_to_i64(slice_str(text), value) == 0;
}

static bool is_suffix(const char *word)
{
    static const char *const prefixes[] = {"branch_", "tag_", "snapshot_id_", "at_timestamp_"};
    const char *rest;

    for (size_t i = 0; i < COUNT_OF(prefixes); i++)
        if (starts(word, prefixes[i], &rest))
            return true;
    return lake_inspect_find(word) >= 0;
}

static int use_suffix(struct session *s, const struct sql_table *table, const char *word,
                      struct err *err)
{
    struct session_table *handle = lake_handle(table);
    struct lake_inspect of = {.metadata = handle->metadata};
    struct lake_schema *schema;
    const char *rest;
    int64_t number;
    int kind = lake_inspect_find(word), rc;

    if (kind < 0) {
        if (starts(word, "branch_", &rest))
            return use_ref(s, table, rest, "branch", err);
        if (starts(word, "tag_", &rest))
            return use_ref(s, table, rest, "tag", err);
        if (starts(word, "snapshot_id_", &rest) && is_number(rest, &number))
            return use_id(s, table, number, err);
        if (starts(word, "at_timestamp_", &rest) && is_number(rest, &number))
            return use_time(s, table, number, err);
        return err_set(err, ERR_INVALID, "`%s`: no number behind the name", word);
    }
    handle->inspect = kind;
    of.kind = (enum lake_inspect_kind)kind;
    schema = ARENA_NEW(s->arena, struct lake_schema);
    if (!schema)
        return session_no_memory(err);
    rc = lake_inspect_schema(&of, s->arena, schema, err);
    return rc ? rc : use_schema(s, table, schema, err);
}

static const char *wap_setting(struct session *s, const char *key)
{
    const char *value = session_setting(s, key);

    value = value ? value : session_setting(s, key + strlen("spark."));
    return value && *value ? value : NULL;
}

/* Write, audit, publish: what is written waits in a branch until somebody moves main to it, or is a
 * snapshot of no branch until publish_changes picks it. Iceberg reads such a branch too as soon as
 * there is one, and goes on reading main beside a wap.id. What cannot wait must not land in main.
 */
static int use_wap(struct session *s, const struct sql_table *table, struct err *err)
{
    struct session_table *handle = lake_handle(table);
    const char *branch = wap_setting(s, "spark.wap.branch"), *id = wap_setting(s, "spark.wap.id");
    const struct lake_ref *ref;

    if (!handle || (!branch && !id) ||
        !lake_metadata_property_bool(handle->metadata, "write.wap.enabled", false))
        return 0;
    if (branch && id)
        return err_set(err, ERR_INVALID,
                       "Cannot set both WAP ID and branch, but got ID [%s] and branch [%s]", id,
                       branch);
    if (!s->evaluator.run)
        return err_set(err, ERR_UNSUPPORTED, "`%s`: a job does not write to %s `%s`", table->name,
                       id ? "wap.id" : "wap.branch", id ? id : branch);
    if (id) {
        handle->wap_id = arena_strdup(s->arena, id);
        return handle->wap_id ? 0 : session_no_memory(err);
    }
    ref = lake_metadata_branch(handle->metadata, branch);
    if (ref && ref->is_tag)
        return err_set(err, ERR_INVALID, "wap.branch `%s` is a tag of `%s`", branch, table->name);
    handle->branch = arena_strdup(s->arena, branch);
    if (ref)
        handle->snapshot_id = ref->snapshot_id;
    return handle->branch ? 0 : session_no_memory(err);
}

/* The name as it is; when there is no such table, a shorter name and a suffix. */
int session_table(void *arg, const char *const *parts, size_t count, const struct sql_table **out,
                  struct err *err)
{
    struct session *s = arg;
    const char *list[4], *suffix, *dollar;
    struct err second = {0};
    int rc = ERR_NOENT;

    if (count > COUNT_OF(list))
        return err_set(err, ERR_INVALID, "a table's name has one to three parts");
    if (count <= 3)
        rc = session_resolve(s, parts, count, out, err);
    if (rc != ERR_NOENT || count == 0)
        return rc ? rc : use_wap(s, *out, err);
    memcpy(list, parts, count * sizeof(*list));
    suffix = list[count - 1];
    dollar = strrchr(suffix, '$');
    if (dollar && dollar > suffix && is_suffix(dollar + 1)) {
        list[count - 1] = arena_cstr(s->arena, slice_of(suffix, (size_t)(dollar - suffix)));
        suffix = dollar + 1;
        if (!list[count - 1])
            return session_no_memory(err);
    } else if (count > 1 && is_suffix(suffix)) {
        count--;
    } else {
        return count <= 3 ? rc : err_set(err, rc, "`%s` is no metadata table", suffix);
    }
    if (count > 3 || session_resolve(s, list, count, out, &second))
        return second.code ? err_set(err, second.code, "%s", second.text) : rc;
    if (!lake_handle(*out))
        return err_set(err, ERR_INVALID, "`%s` is no Iceberg table: it has no `%s`",
                       list[count - 1], suffix);
    return use_suffix(s, *out, suffix, err);
}

/* ---- words behind the name ---- */

int session_evaluate(struct session *s, const struct sql_expr *expr, const char *inner,
                     const char *type, const char **text, struct err *err)
{
    struct sql_print_options options = {0};
    struct buf query = {0};
    struct err why = {0};
    int rc;

    if (!s->evaluator.run)
        return err_set(err, ERR_UNSUPPORTED, "a constant is computed in a query, not in a job");
    rc = buf_append_str(&query, inner ? "SELECT CAST(CAST(" : "SELECT CAST(");
    rc = rc ? rc : sql_print_flink_expr(expr, &options, &query, err);
    if (!rc && inner)
        rc = buf_printf(&query, " AS %s)", inner);
    rc = rc ? rc : buf_printf(&query, " AS %s)", type);
    if (!rc && !buf_cstr(&query))
        rc = session_no_memory(err);
    rc = rc ? rc : s->evaluator.run(s->evaluator.arg, buf_cstr(&query), s->arena, text, &why);
    buf_deinit(&query);
    if (rc && why.code)
        return err_set(err, rc, "a constant is wanted: %s", why.text);
    return rc ? rc : *text ? 0 : err_set(err, ERR_INVALID, "a constant is wanted, not NULL");
}

/* A whole number is a time since 1970: of seconds (as Spark reads it) or, where that would be far
 * ahead, of milliseconds. Anything else is what TIMESTAMP_LTZ makes of it. */
static int apply_time(struct session *s, const struct sql_table *table, const struct sql_expr *expr,
                      struct err *err)
{
    const char *text;
    int64_t number;
    int rc = session_evaluate(s, expr, NULL, "STRING", &text, err);

    if (!rc && is_number(text, &number))
        return use_time(s, table, number < 100000000000 ? number * 1000 : number, err);
    rc = rc ? rc : session_evaluate(s, expr, NULL, "TIMESTAMP_LTZ(6)", &text, err);
    if (!rc && !is_number(text, &number))
        rc = err_set(err, ERR_INVALID, "AS OF takes a time, not %s", text);
    return rc ? rc : use_time(s, table, number / 1000, err);
}

static int apply_version(struct session *s, const struct sql_table *table,
                         const struct sql_expr *expr, struct err *err)
{
    const char *text;
    int64_t id;
    int rc = session_evaluate(s, expr, NULL, "STRING", &text, err);

    if (rc)
        return rc;
    return is_number(text, &id) ? use_id(s, table, id, err)
                                : use_ref(s, table, text, "branch or tag", err);
}

static int number_option(const struct sql_option *o, int64_t *value, struct err *err)
{
    return is_number(o->value, value)
               ? 0
               : err_set(err, ERR_INVALID, "the hint '%s' takes a number, not '%s'", o->key,
                         o->value);
}

static int apply_option(struct session *s, const struct sql_table *table,
                        const struct sql_option *o, struct err *err)
{
    int64_t number;
    int rc;

    if (!strcasecmp(o->key, "branch"))
        return use_ref(s, table, o->value, "branch", err);
    if (!strcasecmp(o->key, "tag"))
        return use_ref(s, table, o->value, "tag", err);
    if (!strcasecmp(o->key, "snapshot-id")) {
        rc = number_option(o, &number, err);
        return rc ? rc : use_id(s, table, number, err);
    }
    if (!strcasecmp(o->key, "as-of-timestamp")) {
        rc = number_option(o, &number, err);
        return rc ? rc : use_time(s, table, number, err);
    }
    return 0; /* of reading in general: split sizes, streaming and the like */
}

/* What a hint says of reading (streaming, monitor-interval) the reader finds among the options. */
static int keep_hint(struct session *s, const struct sql_table *table,
                     const struct sql_options *hint)
{
    const struct sql_options *old = table->options;
    struct sql_options *options = ARENA_NEW(s->arena, struct sql_options);

    if (!options)
        return ERR_NOMEM;
    options->list =
        ARENA_ARRAY(s->arena, struct sql_option, hint->count + (old ? old->count : 0) + 1);
    if (!options->list)
        return ERR_NOMEM;
    memcpy(options->list, hint->list, hint->count * sizeof(*hint->list));
    options->count = hint->count;
    for (size_t i = 0; old && i < old->count; i++)
        if (!sql_option(hint, old->list[i].key))
            options->list[options->count++] = old->list[i];
    ((struct sql_table *)table)->options = options;
    return 0;
}

static int apply_hints(struct session *s, const struct sql_table *table,
                       const struct sql_hints *hints, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; hints && i < hints->count; i++)
        if (!strcasecmp(hints->list[i].name.text, "OPTIONS") && hints->list[i].options.count &&
            keep_hint(s, table, &hints->list[i].options))
            return session_no_memory(err);

    for (size_t i = 0; hints && i < hints->count; i++)
        for (size_t k = 0; k < hints->list[i].options.count && !rc; k++)
            if (!strcasecmp(hints->list[i].name.text, "OPTIONS"))
                rc = apply_option(s, table, &hints->list[i].options.list[k], err);
    return rc;
}

/* Of a table that a connector makes: the hint's options, then those of its CREATE TABLE that the
 * hint does not name. The table is the session's for all its statements, so this is a copy. */
static int override_options(struct session *s, const struct sql_table **table,
                            const struct sql_options *hint, struct err *err)
{
    const struct sql_options *old = (*table)->options;
    struct sql_options *options = ARENA_NEW(s->arena, struct sql_options);
    struct sql_table *copy = ARENA_NEW(s->arena, struct sql_table);
    size_t most = hint->count + (old ? old->count : 0);

    if (options)
        options->list = ARENA_ARRAY(s->arena, struct sql_option, most + 1);
    if (!copy || !options || !options->list)
        return session_no_memory(err);
    memcpy(options->list, hint->list, hint->count * sizeof(*hint->list));
    options->count = hint->count;
    for (size_t i = 0; old && i < old->count; i++)
        if (!sql_option(hint, old->list[i].key))
            options->list[options->count++] = old->list[i];
    *copy = **table;
    copy->options = options;
    *table = copy;
    return sql_options_check(options, hint->list[0].key_pos, err);
}

static int connector_hints(struct session *s, const struct sql_table **table,
                           const struct sql_hints *hints, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; hints && i < hints->count && !rc; i++)
        if (!strcasecmp(hints->list[i].name.text, "OPTIONS") && hints->list[i].options.count)
            rc = override_options(s, table, &hints->list[i].options, err);
    return rc;
}

int session_table_at(void *arg, const char *const *parts, size_t count,
                     const struct sql_table_at *at, const struct sql_table **out, struct err *err)
{
    struct session *s = arg;
    int rc = session_table(s, parts, count, out, err);

    if (rc)
        return rc;
    if (!lake_handle(*out) && (at->time || at->version))
        return err_set(err, ERR_UNSUPPORTED, "`%s` is no Iceberg table: it has no older versions",
                       (*out)->name);
    if (!lake_handle(*out))
        return connector_hints(s, out, at->hints, err);
    rc = apply_hints(s, *out, at->hints, err);
    if (!rc && at->time)
        rc = apply_time(s, *out, at->time, err);
    if (!rc && at->version)
        rc = apply_version(s, *out, at->version, err);
    return rc;
}
