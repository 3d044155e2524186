/* verbs_lake.c - tables and jobs, asked from the command line. */
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

/* ---- jobs ---- */

int verb_job_list(void *arg, const json_t *request, struct control_reply *reply, struct err *err)
{
    struct instance *in = arg;
    struct arena arena = {0};
    struct stream_job_info *jobs = NULL;
    size_t count = 0;
    int rc = stream_engine_list(in->engine, &arena, &jobs, &count, err);

    (void)request;
    if (!rc)
        rc = rows_head(reply,
                       json_pack("[s,s,s,s,s,s,s]", "job", "state", "pipelines", "checkpoint",
                                 "rows", "dead letters", "reason"),
                       err);
    for (size_t i = 0; i < count && !rc; i++) {
        int64_t rows = 0;

        for (size_t p = 0; p < jobs[i].count; p++)
            rows += jobs[i].pipelines[p].rows_committed;
        rc = rows_add(reply, json_pack("[s,s,i,I,I,I,s]", jobs[i].name, jobs[i].state,
                                       (int)jobs[i].count, (json_int_t)jobs[i].epoch,
                                       (json_int_t)rows, (json_int_t)jobs[i].rejects,
                                       jobs[i].reason ? jobs[i].reason : ""), err);
    }
    arena_deinit(&arena);
    return rc;
}

/* "payments: FAILED after 3 restarts: why" */
static int send_state(struct control_reply *reply, const struct stream_job_info *job,
                      struct err *err)
{
    const char *reason = job->reason ? job->reason : "";
    char restarts[48] = "";

    if (job->restarts)
        snprintf(restarts, sizeof(restarts), " after %lld restart%s", (long long)job->restarts,
                 job->restarts == 1 ? "" : "s");
    return control_send(reply,
                        json_pack("{s:o}", "text",
                                  json_sprintf("%s: %s%s%s%s", job->name, job->state, restarts,
                                               reason[0] ? ": " : "", reason)),
                        err);
}

int verb_job_show(void *arg, const json_t *request, struct control_reply *reply, struct err *err)
{
    struct instance *in = arg;
    struct arena arena = {0};
    struct stream_job_info *jobs = NULL;
    const struct stream_job_info *job = NULL;
    size_t count = 0;
    int rc = stream_engine_list(in->engine, &arena, &jobs, &count, err);

    for (size_t i = 0; i < count; i++)
        if (strcmp(jobs[i].name, name_of(request)) == 0)
            job = &jobs[i];
    if (!rc && !job)
        rc = err_set(err, ERR_NOENT, "no job '%s'; 'tarn job list' shows them", name_of(request));
    if (!rc)
        rc = control_send(reply, json_pack("{s:s}", "text", job->script), err);
    if (!rc)
        rc = send_state(reply, job, err);
    if (!rc)
        rc = rows_head(reply, json_pack("[s,s,s,s,s,s]", "pipeline", "read", "written", "committed",
                                        "dead letters", "lag"), err);
    for (size_t i = 0; !rc && i < job->count; i++) {
        const struct stream_pipeline_info *p = &job->pipelines[i];

        rc = rows_add(reply, json_pack("[s,I,I,I,I,I]", p->name, (json_int_t)p->rows_in,
                                       (json_int_t)p->rows_out, (json_int_t)p->rows_committed,
                                       (json_int_t)p->rejects, (json_int_t)p->lag), err);
    }
    arena_deinit(&arena);
    return rc;
}

int verb_job_cancel(void *arg, const json_t *request, struct control_reply *reply, struct err *err)
{
    struct instance *in = arg;
    int rc = stream_engine_cancel(in->engine, name_of(request), err);

    return rc ? rc : control_send(reply, json_pack("{s:s}", "text", "canceled"), err);
}

/* Runs a script's DDL and submits its INSERTs, as at start; harmless when it ran before. */
int verb_job_submit(void *arg, const json_t *request, struct control_reply *reply, struct err *err)
{
    struct instance *in = arg;
    const char *text = json_string_value(json_object_get(request, "text"));
    int rc =
        connector_submit_script(in->connector, in->engine, name_of(request), text ? text : "", err);

    return rc ? rc : control_send(reply, json_pack("{s:s}", "text", "submitted"), err);
}
