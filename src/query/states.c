/* states.c - `state.JOB.OPERATOR`: what jobs remember, as tables of a query.
 *
 * A name opens the job's last commit (stream/states.h), once for a statement: all tables of a job
 * that it names are of one commit.
 */
#include <stdio.h>

#include "query/query_int.h"
#include "stream/states.h"

struct query_state {
    struct query_state *next;
    struct stream_states *states;
    char job[256];
};

void states_close(struct query_session *q)
{
    while (q->states) {
        struct query_state *next = q->states->next;

        stream_states_free(q->states->states);
        free(q->states);
        q->states = next;
    }
}

static int find_job(struct query_session *q, const char *job, struct stream_states **out,
                    struct err *err)
{
    struct query_state *s = q->states;
    int rc;

    while (s && strcmp(s->job, job) != 0)
        s = s->next;
    if (!s) {
        if (!q->options.engine)
            return err_set(err, ERR_UNSUPPORTED, "state.%s: no job runs here", job);
        s = calloc(1, sizeof(*s));
        if (!s)
            return err_set(err, ERR_NOMEM, "state.%s", job);
        snprintf(s->job, sizeof(s->job), "%s", job);
        rc = stream_states_new(&s->states, q->options.engine, job, err);
        if (rc) {
            free(s);
            return rc;
        }
        s->next = q->states;
        q->states = s;
    }
    *out = s->states;
    return 0;
}

static int no_such_state(const char *job, const char *name, const struct stream_state *list,
                         size_t count, struct err *err)
{
    const char *names[256] = {0};
    const char *near;

    for (size_t i = 0; i < count; i++)
        names[i] = list[i].name;
    near = sql_nearest(name, names, count);
    if (!count)
        return err_set(err, ERR_NOENT,
                       "job %s remembers nothing: every row passes its operators on its own", job);
    return err_set(err, ERR_NOENT,
                   "job %s has no operator %s that remembers rows%s%s%s; SHOW TABLES IN state.`%s` "
                   "lists them",
                   job, name, near ? "; did you mean " : "", near ? near : "", near ? "?" : "",
                   job);
}

/* Names and types are those of what is open until the statement is over. */
static int put_columns(const struct stream_state *state, struct arena *arena, struct sql_table *out,
                       struct err *err)
{
    struct sql_column *columns = ARENA_ARRAY(arena, struct sql_column, state->column_count + 1);

    for (size_t i = 0; columns && i < state->column_count; i++) {
        columns[i].name = state->columns[i].name;
        columns[i].type = state->columns[i].type;
        columns[i].kind = SQL_COLUMN_PHYSICAL;
    }
    out->columns = columns;
    out->column_count = state->column_count;
    return columns ? 0 : err_set(err, ERR_NOMEM, "state of a job");
}

static int find_table(struct query_session *q, const char *job, const char *name,
                      struct stream_states **states, size_t *which, struct err *err)
{
    const struct stream_state *list;
    size_t count;
    int rc = find_job(q, job, states, err);

    if (rc)
        return rc;
    list = stream_states_list(*states, &count);
    for (*which = 0; *which < count; ++*which)
        if (!strcmp(list[*which].name, name))
            return 0;
    return no_such_state(job, name, list, count, err);
}

int states_table(void *arg, const char *job, const char *name, struct arena *arena,
                 struct sql_table *out, struct err *err)
{
    struct stream_states *states;
    size_t which, count;
    int rc = find_table(arg, job, name, &states, &which, err);

    return rc ? rc : put_columns(&stream_states_list(states, &count)[which], arena, out, err);
}

int states_names(void *arg, const char *job, struct arena *arena, struct session_names *out,
                 struct err *err)
{
    struct stream_states *states;
    const struct stream_state *list;
    size_t count;
    int rc = find_job(arg, job, &states, err);

    *out = (struct session_names){0};
    if (rc)
        return rc;
    list = stream_states_list(states, &count);
    out->list = ARENA_ARRAY(arena, const char *, count + 1);
    for (size_t i = 0; out->list && i < count; i++)
        if (!(out->list[out->count++] = arena_strdup(arena, list[i].name)))
            out->list = NULL;
    return out->list ? 0 : err_set(err, ERR_NOMEM, "state.%s", job);
}

/* ---- rows ---- */

int states_scan(struct query_plan *s, const struct sql_table *table, struct lake_plan *plan,
                struct buf *sql, struct err *err)
{
    struct vec_columns columns = {0};
    struct query_made made = {0};
    struct stream_states *states;
    size_t which;
    int rc = find_table(s->q, table->database, table->name, &states, &which, err);

    if (!rc)
        rc = stream_states_columns(states, which, &columns, err);
    if (!rc)
        rc = made_open(&made, s->q, &columns, &s->arena, err);
    if (!rc && !s->explained)
        rc = stream_states_read(states, which, made_push, &made, err);
    rc = made_close(&made, rc, &s->arena, plan, err);
    vec_columns_free(&columns);
    return rc ? rc : made_put_select(&made, table, "", sql);
}
