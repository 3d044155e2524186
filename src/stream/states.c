/* states.c - the tables of a job's operators, read from the files of its last commit.
 *
 * The job is planned and its operators are made a second time, in pipelines that never run: first
 * without state, which says what tables there are; then with the state of one pipeline, when it is
 * asked for. The manifests of all pipelines are taken at once, between two looks at the job's
 * epoch: so all tables are of one commit.
 */
#include <stdio.h>

#include "stream/states.h"
#include "stream/stream_int.h"

#define VIEWS_MAX 128
#define TRIES_MAX 100 /* to look up what is of one commit */

struct table {
    size_t pipeline;
    char view[64];
};

struct stream_states {
    struct job *job; /* never started */
    struct stream_state list[VIEWS_MAX];
    struct table tables[VIEWS_MAX];
    size_t count;
    const char **manifests; /* of the pipelines, in the job's arena; NULL: nothing was committed */
    struct pipeline *readers;
    bool *loaded;
};

static const struct sql_type instant = {.kind = SQL_TIMESTAMP, .precision = 3, .nullable = true};
static const struct sql_type number = {.kind = SQL_BIGINT};

static int no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "the state of a job");
}

void stream_states_free(struct stream_states *s)
{
    if (!s)
        return;
    for (size_t i = 0; s->job && s->readers && i < s->job->plan.count; i++)
        if (s->readers[i].job)
            pipeline_close(&s->readers[i]);
    free(s->readers);
    free(s->loaded);
    job_free(s->job);
    free(s);
}

const struct stream_state *stream_states_list(const struct stream_states *s, size_t *count)
{
    *count = s->count;
    return s->list;
}

int64_t stream_states_epoch(const struct stream_states *s)
{
    return s->job->epoch;
}

/* ---- what tables there are ---- */

static bool is_taken(const struct sql_output *columns, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(columns[i].name, name))
            return true;
    return false;
}

/* `name`, or name_2 where there is one already. */
static const char *own_name(struct stream_states *s, const struct sql_output *columns, size_t count,
                            const char *name)
{
    const char *made = arena_strdup(&s->job->arena, name);

    for (int n = 2; made && is_taken(columns, count, made); n++)
        made = arena_printf(&s->job->arena, "%s_%d", name, n);
    return made;
}

static int name_columns(struct stream_states *s, const struct stream_graph *graph,
                        const struct op_view *view, struct stream_state *out, struct err *err)
{
    size_t count = view->count + view->extra_count;
    struct sql_output *columns = ARENA_ARRAY(&s->job->arena, struct sql_output, count + 1);

    if (!columns)
        return no_memory(err);
    for (size_t i = 0; i < count; i++) {
        const struct op_view_extra *extra = i < view->count ? NULL : &view->extras[i - view->count];
        struct sql_output column = {0};

        if (extra)
            column = (struct sql_output){extra->name, extra->time ? &instant : &number};
        else if (!graph->column || !graph->column(graph->arg, view->of, -1,
                                                  view->which ? view->which[i] : i, &column))
            return err_set(err, ERR_UNSUPPORTED, "%s: its columns have no names", view->name);
        columns[i].type = column.type;
        columns[i].name = own_name(s, columns, i, column.name);
        if (!columns[i].name)
            return no_memory(err);
    }
    out->columns = columns;
    out->column_count = count;
    return 0;
}

static int list_pipeline(struct stream_states *s, size_t pipeline, bool several, struct err *err)
{
    const struct stream_pipeline *spec = &s->job->plan.pipelines[pipeline];
    struct op_view views[VIEWS_MAX];
    struct pipeline p;
    size_t count = 0;
    int rc = pipeline_open_reader(&p, s->job, spec, READS_NAMES, NULL, err);

    if (!rc)
        count = op_graph_views(flow_graph(p.flow), views, VIEWS_MAX);
    for (size_t i = 0; i < count && !rc && s->count < VIEWS_MAX; i++) {
        struct stream_state *state = &s->list[s->count];
        struct table *table = &s->tables[s->count++];

        table->pipeline = pipeline;
        memcpy(table->view, views[i].name, sizeof(table->view));
        state->name = several ? arena_printf(&s->job->arena, "p%zu_%s", pipeline + 1, views[i].name)
                              : arena_strdup(&s->job->arena, views[i].name);
        rc = state->name ? name_columns(s, spec->graph, &views[i], state, err) : no_memory(err);
    }
    pipeline_close(&p);
    return rc;
}

/* ---- one commit ---- */

static int find_job(struct stream_states *s, struct job_row **row, struct err *err)
{
    return rows_find(s->job->options->meta, &s->job->arena, s->job->id, row, err);
}

/* All of one commit: looked up anew when another one came between. */
static int take_manifests(struct stream_states *s, struct err *err)
{
    struct job_row *row;
    int64_t rows;
    int rc = find_job(s, &row, err);

    s->manifests = ARENA_ARRAY(&s->job->arena, const char *, s->job->plan.count + 1);
    if (!s->manifests)
        return no_memory(err);
    for (int tries = 0; tries < TRIES_MAX && !rc && !strcmp(row->script, s->job->script); tries++) {
        s->job->epoch = row->epoch;
        for (size_t i = 0; i < s->job->plan.count && !rc; i++)
            rc = rows_pipeline(s->job->options->meta, s->job->name, s->job->plan.pipelines[i].name,
                               &s->job->arena, &rows, &s->manifests[i], err);
        if (!rc)
            rc = find_job(s, &row, err);
        if (!rc && row->epoch == s->job->epoch)
            return 0;
    }
    return rc ? rc
              : err_set(err, ERR_CONFLICT, "job %s commits while its state is looked up",
                        s->job->name);
}

static int plan_job(struct stream_states *s, const struct stream_engine_options *o,
                    const struct job_row *row, struct err *err)
{
    int rc = job_new(&s->job, o, row, err);

    if (rc)
        return rc;
    stream_plan_defaults(&s->job->plan);
    s->job->plan.setting = o->setting;
    s->job->plan.setting_arg = o->setting_arg;
    rc = o->plan(o->plan_arg, s->job->name, s->job->script, &s->job->arena, &s->job->plan, err);
    if (rc)
        return rc;
    s->readers = calloc(s->job->plan.count + 1, sizeof(*s->readers));
    s->loaded = calloc(s->job->plan.count + 1, sizeof(*s->loaded));
    return s->readers && s->loaded ? 0 : no_memory(err);
}

int stream_states_new(struct stream_states **out, struct stream_engine *engine, const char *job,
                      struct err *err)
{
    const struct stream_engine_options *o = stream_engine_options(engine);
    struct stream_states *s = calloc(1, sizeof(*s));
    struct arena arena = {0};
    struct job_row *row = NULL;
    int rc = s ? rows_find(o->meta, &arena, job, &row, err) : no_memory(err);

    if (!rc)
        rc = plan_job(s, o, row, err);
    if (!rc)
        rc = take_manifests(s, err);
    for (size_t i = 0; !rc && i < s->job->plan.count; i++)
        if (s->job->plan.pipelines[i].graph)
            rc = list_pipeline(s, i, s->job->plan.count > 1, err);
    arena_deinit(&arena);
    if (rc)
        stream_states_free(s);
    else
        *out = s;
    return rc ? err_wrap(err, rc, "the state of job %s", job) : 0;
}

/* ---- rows ---- */

/* A file that is gone was removed by a newer commit. */
static int load(struct stream_states *s, size_t pipeline, struct err *err)
{
    struct pipeline *p = &s->readers[pipeline];
    struct job_row *row;
    int rc;

    if (s->loaded[pipeline])
        return 0;
    rc = pipeline_open_reader(p, s->job, &s->job->plan.pipelines[pipeline],
                              s->manifests[pipeline] ? READS_STATE : READS_NAMES,
                              s->manifests[pipeline], err);
    s->loaded[pipeline] = rc == 0;
    if (!rc)
        return 0;
    pipeline_close(p);
    p->job = NULL;
    if (rc == ERR_NOENT &&
        !rows_find(s->job->options->meta, &s->job->arena, s->job->id, &row, NULL) &&
        row->epoch != s->job->epoch)
        return err_set(err, ERR_CONFLICT, "job %s has committed since", s->job->name);
    return rc;
}

/* Finds the table among the operators of its pipeline, which has its state then. */
static int find_view(struct stream_states *s, size_t which, struct op_graph **graph,
                     struct op_view *view, struct err *err)
{
    const struct table *table = &s->tables[which];
    struct op_view views[VIEWS_MAX];
    size_t count;
    int rc = load(s, table->pipeline, err);

    if (rc)
        return rc;
    *graph = flow_graph(s->readers[table->pipeline].flow);
    count = op_graph_views(*graph, views, VIEWS_MAX);
    for (size_t i = 0; i < count; i++)
        if (!strcmp(views[i].name, table->view)) {
            *view = views[i];
            return 0;
        }
    return err_set(err, ERR_NOENT, "%s is not there any more", s->list[which].name);
}

int stream_states_columns(struct stream_states *s, size_t which, struct vec_columns *out,
                          struct err *err)
{
    struct op_graph *graph;
    struct op_view view;
    int rc = find_view(s, which, &graph, &view, err);

    return rc ? rc : op_view_columns(graph, &view, out, err);
}

int stream_states_read(struct stream_states *s, size_t which, op_view_fn *fn, void *arg,
                       struct err *err)
{
    struct op_graph *graph;
    struct op_view view;
    int rc = find_view(s, which, &graph, &view, err);

    return rc ? rc : op_graph_read(graph, &view, fn, arg, err);
}
