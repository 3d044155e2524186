/* verbs_sql.c - statements over the control socket: a session per connection, text back in pieces.
 */
#include <stdio.h>

#include "cli/verbs.h"
#include "query/query.h"
#include "sql/sql.h"

struct remote {
    struct control_reply *reply;
    struct query_session *session;
    bool interrupted;
};

static void release(void *session)
{
    query_session_free(session);
}

static int write_text(void *arg, struct slice text)
{
    struct remote *remote = arg;

    if (!remote->interrupted && control_interrupted(remote->reply)) {
        remote->interrupted = true;
        query_cancel(remote->session);
    }
    return control_send(remote->reply,
                        json_pack("{s:o}", "text", json_stringn((const char *)text.ptr, text.len)),
                        NULL);
}

static void show_progress(void *arg, double done)
{
    struct remote *remote = arg;

    if (!remote->interrupted && control_interrupted(remote->reply)) {
        remote->interrupted = true;
        query_cancel(remote->session);
    }
    control_send(remote->reply, json_pack("{s:f}", "progress", done), NULL);
}

/* ---- catalogs that the project's scripts name ----
 *
 * CREATE CATALOG lives as long as its session in Flink. People who attach to a running project
 * expect the names of its scripts, so every session begins with them.
 */

static int drop_text(void *arg, struct slice text)
{
    (void)arg, (void)text;
    return 0;
}

static void run_catalogs(struct query_session *session, struct slice script)
{
    struct query_out out = {.write = drop_text, .format = QUERY_JSON};
    struct arena arena = {0};
    struct sql_script parsed = {0};

    if (!sql_parse_script(script, &arena, &parsed,
                          NULL)) /* a broken one was reported by the start */
        for (size_t i = 0; i < parsed.count; i++)
            if (parsed.list[i]->kind == SQL_STMT_CREATE_CATALOG)
                query_run(session, parsed.list[i]->text, &out, NULL);
    arena_deinit(&arena);
}

static int add_catalogs(struct instance *in, struct query_session *session, struct err *err)
{
    struct arena arena = {0};
    struct disk_entry *entries = NULL;
    size_t count = 0;
    int rc = 0;

    if (disk_exists(in->disk, in->config->streams))
        rc = disk_list(in->disk, in->config->streams, &arena, &entries, &count, err);
    for (size_t i = 0; i < count && !rc; i++) {
        struct buf text = {.max = SQL_TEXT_MAX};
        char path[4200];

        if (!slice_ends(slice_str(entries[i].name), SLICE_LIT(".sql")))
            continue;
        snprintf(path, sizeof(path), "%s/%s", in->config->streams, entries[i].name);
        rc = disk_read_file(in->disk, path, &text, err);
        if (!rc)
            run_catalogs(session, buf_slice(&text));
        buf_deinit(&text);
    }
    arena_deinit(&arena);
    return rc;
}

int instance_session(struct instance *in, struct query_session **out, struct err *err)
{
    int rc = query_session_new(out,
                               &(struct query_options){.connector = in->connector,
                                                       .engine = in->offline ? NULL : in->engine,
                                                       .lake = in->lake, .db = in->queries_db,
                                                       .clock = in->clock},
                               err);

    if (!rc)
        rc = add_catalogs(in, *out, err);
    return rc;
}

int verb_sql(void *arg, const json_t *request, struct control_reply *reply, struct err *err)
{
    const char *text = json_string_value(json_object_get(request, "text"));
    struct remote remote = {.reply = reply, .session = control_session(reply)};
    struct query_out out = {.write = write_text, .progress = show_progress, .arg = &remote,
                            .format = (enum query_format)json_integer_value(
                                json_object_get(request, "format")),
                            .width = (int)json_integer_value(json_object_get(request, "width"))};
    int rc;

    if (!remote.session) {
        rc = instance_session(arg, &remote.session, err);
        if (rc) {
            query_session_free(remote.session);
            return rc;
        }
        control_session_set(reply, remote.session, release);
    }
    return query_run(remote.session, slice_str(text ? text : ""), &out, err);
}
