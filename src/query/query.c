/* query.c - a user's session: statements one after another, each to the part that runs it. */
#include <stdio.h>

#include "connector/flink_settings.h"
#include "query/dml.h"

#define ATTEMPTS_MAX 5

int query_session_new(struct query_session **out, const struct query_options *options,
                      struct err *err)
{
    struct query_session *q = calloc(1, sizeof(*q));
    int rc = q ? 0 : err_set(err, ERR_NOMEM, "session");

    if (!rc) {
        q->options = *options;
        rc = session_new(&q->session, options->connector, &q->names, err);
    }
    if (!rc) {
        session_evaluate_with(q->session, (struct session_evaluator){select_constant, q});
        session_states_with(q->session, (struct session_states){states_table, states_names, q});
        rc = vec_conn_new(&q->conn, options->db, err);
    }
    if (rc) {
        query_session_free(q);
        return rc;
    }
    *out = q;
    return 0;
}

void query_session_free(struct query_session *q)
{
    if (!q)
        return;
    vec_conn_free(q->conn);
    session_free(q->session);
    arena_deinit(&q->names);
    buf_deinit(&q->ddl);
    free(q);
}

void query_cancel(struct query_session *q)
{
    atomic_store(&q->cancelled, true);
    vec_interrupt(q->conn);
}

const char *query_catalog(struct query_session *q)
{
    return session_catalog(q->session);
}
const char *query_database(struct query_session *q)
{
    return session_database(q->session);
}

/* A job is planned by its own thread; what can be said at once is said to the one who asks. Lines
 * count from the statement, not from the definitions before it. */
static int plan_once(struct query_session *q, const char *name, const char *script, struct err *err)
{
    struct arena arena = {0};
    struct stream_plan plan = {0};
    struct err why = {0};
    unsigned line, column, before = 0;
    int used = 0, rc = connector_plan(q->options.connector, name, script, &arena, &plan, &why);

    for (size_t i = 0; i < q->ddl.len; i++)
        before += q->ddl.ptr[i] == '\n';
    if (rc && sscanf(why.text, "line %u, column %u%n", &line, &column, &used) == 2 && line > before)
        err_set(err, rc, "line %u, column %u%s", line - before, column, why.text + used);
    else if (rc)
        err_set(err, rc, "%s", why.text);
    stream_plan_close(&plan);
    arena_deinit(&arena);
    return rc;
}

/* Starts a job: everything defined so far goes with the statement, so that the row stands alone. */
static int submit(struct query_session *q, const struct sql_statement *st,
                  const struct query_out *out, struct err *err)
{
    const char *name = session_setting(q->session, "pipeline.name");
    char made_up[64], message[200];
    struct buf script = {0};
    int rc;

    if (!q->options.engine)
        return err_set(err, ERR_UNSUPPORTED,
                       "INSERT starts a job, and nothing runs here: start `tarn up` first");
    if (!name) {
        snprintf(made_up, sizeof(made_up), "sql_%" PRId64 "_%d", clock_wall_ms(q->options.clock),
                 ++q->jobs);
        name = made_up;
    }
    rc = buf_append_slice(&script, buf_slice(&q->ddl));
    if (!rc)
        rc = buf_append_slice(&script, st->text);
    if (!rc)
        rc = buf_append_str(&script, ";\n");
    if (!rc && !buf_cstr(&script))
        rc = err_set(err, ERR_NOMEM, "%s", name);
    if (!rc)
        rc = plan_once(q, name, buf_cstr(&script), err);
    if (!rc)
        rc = stream_engine_submit(q->options.engine, name, buf_cstr(&script), err);
    buf_deinit(&script);
    if (rc)
        return rc;
    snprintf(message, sizeof(message), "job %s runs: `tarn job show %s`", name, name);
    return results_ok(out, message, err);
}

#define GROUP_ID "properties.group.id"

/* What was taken for granted, or taken for nothing. */
static void hint_of(const struct sql_statement *st, char *out, size_t size)
{
    const struct sql_options *options;
    const char *connector, *note = NULL;
    bool format, place;

    if (st->kind == SQL_STMT_SET && st->set->key)
        note = flink_setting_note(st->set->key, st->set->value);
    if (note)
        snprintf(out, size, "'%s' changes nothing here: %s.", st->set->key, note);
    if (st->kind != SQL_STMT_CREATE_TABLE || st->create_table->has_like)
        return;
    options = &st->create_table->options;
    connector = sql_option(options, "connector");
    if (!connector || strcmp(connector, "kafka") != 0)
        return;
    format = sql_option(options, "format") || sql_option(options, "value.format");
    /* Without watermarks and a group it may be there to be written to only. */
    place = sql_option(options, "scan.startup.mode") ||
            (!st->create_table->schema.watermark && !sql_option(options, GROUP_ID));
    if (!format || !place)
        snprintf(out, size, "%s%s%s.", format ? "" : "No 'format' is given: json",
                 format || place ? "" : "; no ",
                 place ? ""
                 : format
                     ? "No 'scan.startup.mode' is given: group-offsets, and what the topic has "
                       "from its earliest offset where the group has committed none"
                     : "'scan.startup.mode': group-offsets, and what the topic has from its "
                       "earliest offset where the group has committed none");
}

static int define(struct query_session *q, const struct sql_statement *st,
                  const struct query_out *out, struct err *err)
{
    char hint[400] = "";
    int rc = session_execute(q->session, st, err);

    if (!rc)
        rc = buf_append_slice(&q->ddl, st->text);
    if (!rc)
        rc = buf_append_str(&q->ddl, ";\n");
    if (!rc)
        rc = results_ok(out, "Execute statement succeeded.", err);
    if (!rc)
        hint_of(st, hint, sizeof(hint));
    return rc || !hint[0] ? rc : results_ok(out, hint, err);
}

/* Of rows without end it is a job; the table is there for the statements that follow. */
static int create_as(struct query_session *q, const struct sql_statement *st,
                     const struct query_out *out, struct err *err)
{
    bool streams = false;
    int rc = dml_create_as(q, st, &streams, out, err);

    if (rc || !streams)
        return rc;
    rc = submit(q, st, out, err);
    if (rc) {
        dml_undo_create(q, st);
        return rc;
    }
    rc = buf_append_slice(&q->ddl, st->text);
    return rc || buf_append_str(&q->ddl, ";\n") ? err_set(err, ERR_NOMEM, "a session") : 0;
}

/* INSERTs of bounded rows are one commit; others become one job. */
static int run_set(struct query_session *q, const struct sql_statement *st,
                   const struct query_out *out, struct err *err)
{
    const struct sql_statement *inner = st->kind == SQL_STMT_EXECUTE ? st->execute : st;
    struct sql_statement *const one[] = {(struct sql_statement *)inner};
    struct sql_statement *const *list = one;
    size_t count = inner->kind == SQL_STMT_INSERT;
    bool bounded = true;

    if (inner->kind == SQL_STMT_STATEMENT_SET) {
        list = inner->set_of->list;
        count = inner->set_of->count;
    }
    for (size_t i = 0; i < count; i++)
        bounded &= dml_is_bounded(q, list[i]->insert);
    if (!count || !bounded)
        return submit(q, st, out, err);
    return count == 1 ? dml_run(q, list[0], out, err) : dml_run_set(q, list, count, out, err);
}

/* Flink: "STOP JOB": without a savepoint it is cancelled. */
static int stop_job(struct query_session *q, const struct sql_stop_job *stop,
                    const struct query_out *out, struct err *err)
{
    struct arena arena = {0};
    const char *path = NULL, *dir;
    int rc;

    if (stop->with_drain)
        return err_set(err, ERR_UNSUPPORTED,
                       "STOP JOB ... WITH DRAIN: windows that are open stay open in the savepoint");
    if (!stop->with_savepoint) {
        rc = stream_engine_cancel(q->options.engine, stop->job, err);
        return rc ? rc : results_ok(out, "The specified job is stopped.", err);
    }
    dir = session_setting(q->session, "execution.checkpointing.savepoint-dir");
    if (!dir)
        dir = session_setting(q->session, "state.savepoints.dir");
    rc = stream_engine_savepoint(q->options.engine, stop->job, dir, true, &arena, &path, err);
    if (!rc)
        rc = results_text(out, "savepoint path", path, err);
    arena_deinit(&arena);
    return rc;
}

static int run_one(struct query_session *q, const struct sql_statement *st,
                   const struct query_out *out, struct err *err)
{
    switch (st->kind) {
    case SQL_STMT_QUERY:
        return select_run(q, st->query, out, err);
    case SQL_STMT_SHOW:
    case SQL_STMT_DESCRIBE:
    case SQL_STMT_EXPLAIN:
        return show_run(q, st, out, err);
    case SQL_STMT_ANALYZE:
        return analyze_run(q, st, out, err);
    case SQL_STMT_SET:
        return st->set->key ? define(q, st, out, err) : show_run(q, st, out, err);
    case SQL_STMT_INSERT:
        return dml_is_bounded(q, st->insert) ? dml_run(q, st, out, err) : submit(q, st, out, err);
    case SQL_STMT_STATEMENT_SET:
    case SQL_STMT_EXECUTE:
        return run_set(q, st, out, err);
    case SQL_STMT_UPDATE:
    case SQL_STMT_DELETE:
    case SQL_STMT_MERGE:
    case SQL_STMT_TRUNCATE:
        return dml_run(q, st, out, err);
    case SQL_STMT_CREATE_TABLE:
        return st->create_table->as ? create_as(q, st, out, err) : define(q, st, out, err);
    case SQL_STMT_STOP_JOB:
        if (!q->options.engine)
            return err_set(err, ERR_UNSUPPORTED, "no job runs here");
        return stop_job(q, st->stop_job, out, err);
    case SQL_STMT_CLIENT:
        if (!strcmp(st->client, "QUIT") || !strcmp(st->client, "EXIT"))
            return err_set(err, ERR_CLOSED, "bye");
        return results_ok(out, "statements end with a semicolon; QUIT; ends the session", err);
    default:
        return session_executes(st)
                   ? define(q, st, out, err)
                   : err_set(err, ERR_UNSUPPORTED, "line %u, column %u: %s is not built yet",
                             st->pos.line, st->pos.column, sql_statement_kind_name(st->kind));
    }
}

/* Again when a job whose state it reads has committed before that was read. Nothing was said or
 * changed by then. */
static int run_again(struct query_session *q, const struct sql_statement *st,
                     const struct query_out *out, struct err *err)
{
    int rc = 0;

    for (int i = 0; i < ATTEMPTS_MAX; i++) {
        bool states;

        rc = run_one(q, st, out, err);
        states = q->states != NULL;
        states_close(q);
        if (rc != ERR_CONFLICT || !states)
            break;
    }
    return rc;
}

int query_run(struct query_session *q, struct slice text, const struct query_out *out,
              struct err *err)
{
    struct sql_script script = {0};
    struct arena *arena = &q->names; /* views point into their statements */
    struct slice copy = arena_slice(arena, text);
    int rc = copy.ptr ? sql_parse_script(copy, arena, &script, err)
                      : err_set(err, ERR_NOMEM, "statement");

    atomic_store(&q->cancelled, false);
    for (size_t i = 0; i < script.count && !rc; i++)
        rc = run_again(q, script.list[i], out, err);
    return rc;
}
