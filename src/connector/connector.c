/* connector.c - scripts of Flink SQL become pipelines.
 *
 * A job's script is the whole file it came from, with the other jobs of the file blanked out, so
 * that positions in errors stay those of the file and the definitions travel with the job: a job
 * can be opened again after any restart from its row alone.
 */
#include <stdio.h>

#include "connector/dead_letters.h"
#include "connector/factory.h"
#include "connector/flink_settings.h"
#include "connector/flow_build.h"
#include "connector/jdbc.h"
#include "connector/lake_sink.h"
#include "connector/late_rows.h"
#include "connector/lookup_table.h"
#include "connector/narrow.h"
#include "connector/session_int.h"
#include "lake/upsert.h"

struct connector {
    struct connector_options options;
};

int connector_new(struct connector **out, const struct connector_options *options, struct err *err)
{
    struct connector *c = calloc(1, sizeof(*c));

    if (!c)
        return err_set(err, ERR_NOMEM, "connector");
    c->options = *options;
    *out = c;
    return 0;
}

void connector_free(struct connector *connector)
{
    free(connector);
}
const struct connector_options *connector_options(struct connector *c)
{
    return &c->options;
}
struct catalog *connector_lake_catalog(struct connector *c)
{
    return c->options.catalog;
}
struct lake *connector_lake(struct connector *c)
{
    return c->options.lake;
}
const int *connector_catalog_ports(struct connector *c)
{
    return c->options.catalog_ports;
}

/* ---- planning ---- */

static int at(const struct sql_statement *st, int rc, struct err *err)
{
    if (rc && err && strncmp(err->text, "line ", 5) != 0)
        err_wrap(err, rc, "line %u, column %u", st->pos.line, st->pos.column);
    return rc;
}

/* In the plan's arena: a table that is looked up is opened whenever its job starts. */
struct opening {
    struct connector *connector;
    const char *time_zone;
    int threads;
};

static bool narrows(void *arg, const struct sql_table *table)
{
    const struct opening *o = arg;

    return !o->connector->options.stand_ins && narrow_may(table);
}

static int open_source(void *arg, const struct sql_table *table, struct arena *arena,
                       struct stream_source **source, const char **topic, struct err *err)
{
    const struct opening *o = arg;
    struct source_request r = {&o->connector->options, table, o->time_zone, o->threads};
    const struct connector_stand_ins *stand_ins = o->connector->options.stand_ins;

    if (stand_ins) {
        *topic = table->name;
        return stand_ins->source(stand_ins->arg, &r, source, err);
    }
    return factory_source(&r, arena, source, topic, err);
}

static int look_up(void *arg, const struct sql_flow_looking *looking, struct op_lookup_table **out,
                   struct err *err)
{
    const struct opening *o = arg;
    struct source_request r = {&o->connector->options, looking->table, o->time_zone};

    return jdbc_is_asked(looking->table) && !r.connector->stand_ins
               ? jdbc_lookup_new(out, &r, looking, err)
               : lookup_table_new(out, &r, looking->select, err);
}

static const char *setting(void *session, const char *key)
{
    return session_setting(session, key);
}

static int open_flow(struct connector *c, struct session *session, const struct sql_node *root,
                     int64_t idle_ms, struct arena *arena, struct stream_pipeline *out,
                     struct err *err)
{
    struct opening *opening = ARENA_NEW(arena, struct opening);
    struct flow_tables *tables = ARENA_NEW(arena, struct flow_tables);
    const char *zone = session_resolver(session)->time_zone;

    if (!opening || !tables)
        return err_set(err, ERR_NOMEM, "plan");
    *opening = (struct opening){c, zone ? arena_strdup(arena, zone) : NULL, session->threads};
    if (zone && !opening->time_zone)
        return err_set(err, ERR_NOMEM, "plan");
    *tables = (struct flow_tables){open_source, look_up, opening, narrows, setting, session};
    return flow_build(root, idle_ms, arena, tables, out, err);
}

static struct lake_sink_options sink_options(struct connector *c)
{
    return (struct lake_sink_options){.lake = c->options.lake,
                                      .catalog = catalog_lake(c->options.catalog),
                                      .db = c->options.db,
                                      .merges = c->options.merges,
                                      .write = c->options.write,
                                      .write_arg = c->options.write_arg};
}

bool session_asks_for_upsert(const struct sql_table *target, const struct sql_hints *hints)
{
    static const char *const keys[] = {"upsert-enabled", "write.upsert.enabled"};
    const char *value = NULL;

    for (size_t k = 0; k < COUNT_OF(keys); k++) {
        const char *option = sql_option(target->options, keys[k]);

        value = option ? option : value;
        for (size_t i = 0; i < hints->count; i++) {
            option = strcasecmp(hints->list[i].name.text, "OPTIONS")
                         ? NULL
                         : sql_option(&hints->list[i].options, keys[k]);
            value = option ? option : value;
        }
    }
    return value && !strcasecmp(value, "true");
}

int session_check_target_hints(const struct sql_hints *hints, struct err *err)
{
    static const char *const keys[] = {"branch", "tag", "snapshot-id", "as-of-timestamp"};

    for (size_t i = 0; i < hints->count; i++)
        for (size_t k = 0; k < COUNT_OF(keys); k++)
            if (!strcasecmp(hints->list[i].name.text, "OPTIONS") &&
                sql_option(&hints->list[i].options, keys[k]))
                return err_set(err, ERR_UNSUPPORTED,
                               "the hint '%s' says what to read; a branch is written to as "
                               "TABLE.branch_NAME",
                               keys[k]);
    return 0;
}

static int open_lake_sink(struct connector *c, const struct sql_insert_plan *plan,
                          const struct sql_insert *insert, const struct vec_columns *columns,
                          struct stream_sink **out, struct err *err)
{
    const struct session_table *handle = plan->target->handle;
    struct lake_sink_options o = sink_options(c);

    o.ident = handle->ident;
    o.upsert = insert->upsert || session_asks_for_upsert(plan->target, &insert->table_hints);
    o.columns = columns;
    return lake_sink_new(out, &o, err);
}

/* Flink's words, behind which the sink says what it takes. */
static int refuse_changes(const struct sql_insert_plan *plan, int rc, struct err *err)
{
    uint32_t line = 0;
    const char *node = sql_plan_changing(plan->root, &line);

    if (rc != ERR_INVALID || !node)
        return rc;
    return err_wrap(err, rc,
                    "Table sink '%s.%s' doesn't support consuming update changes which is produced "
                    "by node %s of line %u",
                    plan->target->database, plan->target->name, node, line);
}

static int open_sink(struct connector *c, const struct sql_insert_plan *plan,
                     struct session *session, const struct sql_insert *insert, const char *pipeline,
                     struct stream_sink **out, struct err *err)
{
    const struct session_table *handle = plan->target->handle;
    struct vec_columns columns = {0};
    struct sink_request r = {&c->options,  plan->target,
                             &columns,     session_resolver(session)->time_zone,
                             session->job, pipeline};
    int rc;

    if (plan->overwrite)
        return err_set(err, ERR_UNSUPPORTED, "INSERT OVERWRITE in a stream makes no sense");
    rc = session_check_target_hints(&insert->table_hints, err);
    if (rc)
        return rc;
    rc = connector_columns(c->options.db, plan->outputs, plan->output_count, &columns, err);
    if (!rc && plan->root->changes &&
        vec_columns_add(&columns, LAKE_ROW_KIND, duckdb_create_logical_type(DUCKDB_TYPE_UTINYINT)))
        rc = err_set(err, ERR_NOMEM, "columns");
    if (!rc && c->options.stand_ins)
        rc = c->options.stand_ins->sink(c->options.stand_ins->arg, &r, out, err);
    else if (!rc)
        rc = handle->kind == SESSION_LAKE ? open_lake_sink(c, plan, insert, &columns, out, err)
                                          : factory_sink(&r, out, err);
    vec_columns_free(&columns);
    return refuse_changes(plan, rc, err);
}

/* "a > db.t"; of many inputs "a, b > db.t". Positions are kept by it. */
static const char *pipeline_name(const struct stream_pipeline *p, struct arena *arena)
{
    const char *name = p->inputs[0].name;

    for (size_t i = 1; name && i < p->input_count; i++)
        name = arena_printf(arena, "%s, %s", name, p->inputs[i].name);
    return name ? arena_printf(arena, "%s > %s", name, p->target) : NULL;
}

static int plan_insert(struct connector *c, struct session *session,
                       const struct sql_insert *insert, struct arena *arena,
                       struct stream_pipeline *out, struct err *err)
{
    struct sql_plan_options options;
    struct sql_insert_plan plan = {0};
    int64_t idle_ms = 0;
    int rc = session_plan_options(session, &options, &idle_ms, err);

    if (!rc)
        rc = sql_plan_insert(insert, session_resolver(session), &options, arena, &plan, err);
    if (!rc)
        rc = open_flow(c, session, plan.root, idle_ms, arena, out, err);
    if (rc)
        return rc;
    out->target = arena_printf(arena, "%s.%s", plan.target->database, plan.target->name);
    out->name = out->target ? pipeline_name(out, arena) : NULL;
    if (!out->name)
        return err_set(err, ERR_NOMEM, "pipeline into %s", plan.target->name);
    return open_sink(c, &plan, session, insert, out->name, &out->sink, err);
}

/* The INSERTs of a statement; count 0: it is none. */
static struct sql_statement **inserts_of(struct sql_statement **st, size_t *count)
{
    struct sql_statement *inner = *st;

    *count = 0;
    if (inner->kind == SQL_STMT_EXECUTE)
        st = &inner->execute;
    if ((*st)->kind == SQL_STMT_INSERT) {
        *count = 1;
        return st;
    }
    if ((*st)->kind == SQL_STMT_STATEMENT_SET) {
        *count = (*st)->set_of->count;
        return (*st)->set_of->list;
    }
    return NULL;
}

/* Sources are made for as many threads as the settings say so far. */
static int note_threads(struct session *session, const struct stream_plan *plan,
                        struct arena *arena, struct err *err)
{
    struct stream_plan said = {.setting = plan->setting, .setting_arg = plan->setting_arg};
    int rc = stream_plan_settings(&said, arena, setting, session, err);

    session->threads = rc ? 1 : (int)stream_plan_threads(&said);
    return rc;
}

static int add_pipelines(struct connector *c, struct session *session, struct sql_statement **list,
                         size_t count, struct arena *arena, struct stream_plan *out,
                         struct err *err)
{
    struct stream_pipeline *all = ARENA_ARRAY(arena, struct stream_pipeline, out->count + count);
    int rc = note_threads(session, out, arena, err);

    if (rc)
        return rc;
    if (!all)
        return err_set(err, ERR_NOMEM, "plan");
    if (out->count)
        memcpy(all, out->pipelines, out->count * sizeof(*all));
    out->pipelines = all;
    for (size_t i = 0; i < count; i++) {
        rc = plan_insert(c, session, list[i]->insert, arena, &all[out->count++], err);
        if (rc)
            return at(list[i], rc, err);
        for (size_t k = 0; k + 1 < out->count; k++)
            if (!strcmp(all[k].name, all[out->count - 1].name))
                return at(list[i],
                          err_set(err, ERR_UNSUPPORTED,
                                  "a second INSERT from and into the same tables (%s)",
                                  all[k].name),
                          err);
    }
    return 0;
}

/* A statement of a script that would show something to somebody: nobody looks, and no job is in it.
 */
static bool only_shows(const struct sql_statement *st)
{
    return st->kind == SQL_STMT_QUERY || st->kind == SQL_STMT_EXPLAIN ||
           st->kind == SQL_STMT_DESCRIBE || st->kind == SQL_STMT_SHOW ||
           st->kind == SQL_STMT_CLIENT;
}

/* DDL, settings and the like. */
static int run_statement(struct session *session, const struct sql_statement *st, struct err *err)
{
    return only_shows(st) ? 0 : session_execute(session, st, err);
}

/* The number of the script's last statement that starts a job. */
static size_t last_job(const struct sql_script *script)
{
    size_t last = SIZE_MAX, count;

    for (size_t i = 0; i < script->count; i++) {
        struct sql_statement *st = script->list[i];

        inserts_of(&st, &count);
        if (count || session_creates_as(script->list[i]))
            last = i;
    }
    return last;
}

static int run_script(struct connector *c, struct session *session, const char *script,
                      struct arena *arena, struct stream_plan *out, struct err *err)
{
    struct sql_script parsed = {0};
    int rc = sql_parse_script(slice_str(script), arena, &parsed, err);
    size_t last = last_job(&parsed);

    for (size_t i = 0; i < parsed.count && !rc; i++) {
        size_t count;
        struct sql_statement **inserts = inserts_of(&parsed.list[i], &count), *fill;

        rc = count ? add_pipelines(c, session, inserts, count, arena, out, err)
                   : run_statement(session, parsed.list[i], err);
        if (rc || i != last || count)
            continue;
        rc = session_insert_as(session, parsed.list[i], &fill, err);
        if (!rc)
            rc = add_pipelines(c, session, &fill, 1, arena, out, err);
    }
    if (!rc && out->count == 0)
        rc = err_set(err, ERR_INVALID, "the script has no INSERT INTO");
    return rc;
}

int connector_plan(void *connector, const char *job, const char *script, struct arena *arena,
                   struct stream_plan *out, struct err *err)
{
    struct connector *c = connector;
    struct dead_letters_options letters = {.lake_catalog = c->options.catalog,
                                           .broker = c->options.broker,
                                           .clock = c->options.clock,
                                           .job = job};
    char *text = arena_strdup(arena, script);
    struct session *session = NULL;
    int rc = text ? session_new(&session, c, arena, err) : err_set(err, ERR_NOMEM, "job %s", job);

    if (!rc) {
        session->replays = true;
        session->job = job;
        rc = run_script(c, session, text, arena, out, err);
    }
    if (!rc) {
        letters.sink = sink_options(c);
        rc = stream_plan_settings(out, arena, setting, session, err);
        if (!rc)
            rc = dead_letters_new(&out->rejects, &letters, err);
        if (!rc && out->late_table) {
            const struct late_rows_options late = {.lake_catalog = c->options.catalog,
                                                   .sink = letters.sink,
                                                   .job = job,
                                                   .table = out->late_table};

            rc = late_rows_new(&out->late, &late, err);
        }
    }
    session_free(session);
    if (rc)
        stream_plan_close(out);
    return rc;
}

/* ---- checking ---- */

struct checking {
    struct connector *connector;
    struct session *session;
    struct arena *arena;
    const char **missing; /* names whose CREATE failed */
    size_t missing_count;
    void (*complain)(void *arg, const struct err *why);
    void *arg;
};

static bool follows_from_another(const struct checking *c, const struct err *why)
{
    for (size_t i = 0; i < c->missing_count; i++)
        if (strstr(why->text, c->missing[i]))
            return true;
    return false;
}

/* The last part of what a CREATE names; NULL: no CREATE. */
static const char *created_name(const struct sql_statement *st)
{
    const struct sql_name *name = st->kind == SQL_STMT_CREATE_TABLE     ? &st->create_table->name
                                  : st->kind == SQL_STMT_CREATE_VIEW    ? &st->create_view->name
                                  : st->kind == SQL_STMT_CREATE_CATALOG ? &st->create_catalog->name
                                  : st->kind == SQL_STMT_CREATE_DATABASE
                                      ? &st->create_database->name
                                      : NULL;

    return name && name->count ? name->parts[name->count - 1].text : NULL;
}

static void check_insert(struct checking *c, struct sql_statement *st)
{
    struct stream_plan one = {0};
    struct err why = {0};

    if (add_pipelines(c->connector, c->session, &st, 1, c->arena, &one, &why) &&
        !follows_from_another(c, &why))
        c->complain(c->arg, &why);
    stream_plan_close(&one);
}

static int check_other(struct checking *c, const struct sql_statement *st, struct err *why)
{
    struct sql_bound *bound;

    if (st->kind == SQL_STMT_QUERY)
        return sql_bind_stream_query(st->query, session_resolver(c->session), c->arena, &bound,
                                     why);
    return run_statement(c->session, st, why);
}

static void check_statement(struct checking *c, struct sql_statement *st)
{
    struct sql_statement **inserts;
    struct err why = {0};
    size_t count;

    inserts = inserts_of(&st, &count);
    for (size_t i = 0; i < count; i++)
        check_insert(c, inserts[i]);
    if (count)
        return;
    if (check_other(c, st, &why) == 0) {
        struct sql_statement *fill;

        if (session_creates_as(st) && session_insert_as(c->session, st, &fill, &why) == 0)
            check_insert(c, fill);
        return;
    }
    if (!follows_from_another(c, &why))
        c->complain(c->arg, &why);
    if (created_name(st))
        c->missing[c->missing_count++] = arena_printf(c->arena, "`%s`", created_name(st));
}

int connector_check(struct connector *connector, const char *script, struct arena *arena,
                    void (*complain)(void *arg, const struct err *why), void *arg, struct err *err)
{
    struct checking c = {.connector = connector, .arena = arena, .complain = complain, .arg = arg};
    struct sql_script parsed = {0};
    char *text = arena_strdup(arena, script);
    int rc = text ? sql_parse_script(slice_str(text), arena, &parsed, err)
                  : err_set(err, ERR_NOMEM, "script");

    if (!rc)
        rc = session_new(&c.session, connector, arena, err);
    c.missing = rc ? NULL : ARENA_ARRAY(arena, const char *, parsed.count + 1);
    if (!rc && !c.missing)
        rc = err_set(err, ERR_NOMEM, "script");
    for (size_t i = 0; i < parsed.count && !rc; i++)
        check_statement(&c, parsed.list[i]);
    session_free(c.session);
    return rc;
}

/* ---- submitting ---- */

/* A copy of the script in which every job statement but the one is blanks; newlines stay. So does a
 * CREATE TABLE ... AS in front of it, for the sake of its table. */
static char *one_job_script(const char *script, const struct sql_script *parsed, size_t keep,
                            struct arena *arena)
{
    char *out = arena_strdup(arena, script);

    for (size_t i = 0; out && i < parsed->count; i++) {
        struct sql_statement *st = parsed->list[i];
        size_t count;

        if (i == keep || (session_creates_as(st) ? i < keep : !inserts_of(&st, &count)))
            continue;
        for (size_t b = 0; b <= st->text.len; b++) { /* and its semicolon */
            char *byte = out + (st->text.ptr - (const uint8_t *)script) + b;

            if (*byte != '\n' && *byte != '\0')
                *byte = ' ';
        }
    }
    return out;
}

static void tell_settings(const char *stem, const struct sql_statement *st)
{
    const char *note = st->kind == SQL_STMT_SET && st->set->key
                           ? flink_setting_note(st->set->key, st->set->value)
                           : NULL;

    if (note)
        diag_info("job", "%s: SET '%s' changes nothing: %s", stem, st->set->key, note);
}

int connector_submit_script(struct connector *connector, struct stream_engine *engine,
                            const char *stem, const char *script, struct err *err)
{
    struct arena arena = {0};
    struct session *session = NULL;
    struct sql_script parsed = {0};
    int rc = sql_parse_script(slice_str(script), &arena, &parsed, err);
    int jobs = 0;

    if (!rc)
        rc = session_new(&session, connector, &arena, err);
    for (size_t i = 0; i < parsed.count && !rc; i++) {
        const char *name = session_setting(session, "pipeline.name");
        struct sql_statement *st = parsed.list[i];
        char *text;
        size_t count;

        inserts_of(&st, &count);
        if (!count)
            rc = run_statement(session, parsed.list[i], err);
        if (!rc)
            tell_settings(stem, st);
        if (rc || (!count && !session_creates_as(st)))
            continue;
        jobs++;
        if (!name)
            name = jobs > 1 ? arena_printf(&arena, "%s_%d", stem, jobs) : stem;
        text = one_job_script(script, &parsed, i, &arena);
        rc = name && text ? stream_engine_submit(engine, name, text, err)
                          : err_set(err, ERR_NOMEM, "script %s", stem);
    }
    session_free(session);
    arena_deinit(&arena);
    return rc;
}
