/* verbs_upkeep.c - how tables are, what was done for them, and doing it now: asked on the socket.
 */
#include <stdio.h>
#include <time.h>

#include "cli/verbs.h"
#include "lake/fsck.h"

#define LOG_SHOWN 10

static const char *text_of(const json_t *request, const char *key)
{
    const char *text = json_string_value(json_object_get(request, key));

    return text ? text : "";
}

static const char *size_text(char out[24], int64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;

    while (value >= 1024 && unit + 1 < COUNT_OF(units)) {
        value /= 1024;
        unit++;
    }
    snprintf(out, 24, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return out;
}

static const char *span_text(char out[24], int64_t ms)
{
    if (ms < 120000)
        snprintf(out, 24, "%lld s", (long long)(ms / 1000));
    else if (ms < 7200000)
        snprintf(out, 24, "%lld min", (long long)(ms / 60000));
    else if (ms < 172800000)
        snprintf(out, 24, "%lld h", (long long)(ms / 3600000));
    else
        snprintf(out, 24, "%lld d", (long long)(ms / 86400000));
    return out;
}

static const char *time_text(char out[32], int64_t ms)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;

    gmtime_r(&seconds, &tm);
    strftime(out, 32, "%Y-%m-%d %H:%M:%SZ", &tm);
    return out;
}

static int say(struct control_reply *reply, struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static int say(struct control_reply *reply, struct err *err, const char *fmt, ...)
{
    char text[1200];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return control_send(reply, json_pack("{s:s}", "note", text), err);
}

/* "a.b.t" as the catalog has it: levels joined by U+001F. */
static int ident_of(const char *name, struct arena *arena, struct lake_ident *out, struct err *err)
{
    const char *dot = strrchr(name, '.');
    char *ns;

    if (!dot || dot == name || !dot[1])
        return err_set(err, ERR_INVALID, "'%s' is not NAMESPACE.TABLE", name);
    ns = arena_cstr(arena, slice_of(name, (size_t)(dot - name)));
    if (!ns)
        return err_set(err, ERR_NOMEM, "%s", name);
    for (char *p = ns; *p; p++)
        *p = *p == '.' ? '\x1f' : *p;
    *out = (struct lake_ident){ns, arena_strdup(arena, dot + 1)};
    return out->name ? 0 : err_set(err, ERR_NOMEM, "%s", name);
}

static const char *shown(struct arena *arena, const struct lake_ident *ident)
{
    char *text = arena_printf(arena, "%s.%s", ident->ns, ident->name);

    for (char *p = text; p && *p; p++)
        *p = *p == '\x1f' ? '.' : *p;
    return text ? text : "";
}

/* Every table, level by level. */
static int each_table(struct instance *in, const char *parent, struct arena *arena,
                      int (*each)(void *arg, const struct lake_ident *ident, struct err *err),
                      void *arg, struct err *err)
{
    struct catalog_names spaces = {0}, names = {0};
    int rc = catalog_namespace_list(in->catalog, parent, NULL, 0, arena, &spaces, err);

    if (!rc && parent)
        rc = catalog_table_list(in->catalog, parent, NULL, 0, arena, &names, err);
    for (size_t i = 0; i < names.count && !rc; i++)
        rc = each(arg, &(struct lake_ident){parent, names.list[i]}, err);
    for (size_t i = 0; i < spaces.count && !rc; i++)
        rc = each_table(in, spaces.list[i], arena, each, arg, err);
    return rc;
}

/* ---- table.health ---- */

struct looking {
    struct instance *in;
    struct arena *arena;
    struct control_reply *reply;
    const json_t *request;
};

static int64_t percent(int64_t part, int64_t whole)
{
    return whole > 0 ? part * 100 / whole : 0;
}

/* What is due, as words: "merge, expire". */
static const char *due_text(struct arena *arena, const struct lake_actions *actions)
{
    char text[200] = "";

    for (int kind = 0; kind < LAKE_DO_KINDS; kind++)
        if (actions->list[kind].due)
            snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", text[0] ? ", " : "",
                     lake_action_name((enum lake_action_kind)kind));
    return text[0] ? arena_strdup(arena, text) : "";
}

static int row_of_table(void *arg, const struct lake_ident *ident, struct err *err)
{
    struct looking *l = arg;
    struct catalog_table table = {0};
    struct lake_health health;
    struct lake_actions actions;
    struct upkeep_state state = {0};
    struct err why = {0};
    char data[24], meta[24];
    int rc = catalog_table_load(l->in->catalog, ident, l->arena, &table, &why);

    rc = rc ? rc : upkeep_state(l->in->upkeep, table.metadata->uuid, &state, &why);
    rc = rc ? rc : lake_health(l->in->lake, table.metadata, table.location, false, &health, &why);
    rc = rc ? rc
            : lake_actions(l->in->lake, table.metadata,
                           &(struct lake_past){state.swept_ms, state.pruned_ms}, l->arena, &actions,
                           &why);
    if (rc == ERR_NOENT && !table.metadata) {
        rc = 0; /* dropped between the list and here */
    } else if (rc) {
        rc = rows_add(l->reply, json_pack("[s,n,n,n,n,n,n,n,s]", shown(l->arena, ident), why.text),
                      err);
    } else {
        rc = rows_add(
            l->reply,
            json_pack("[s,I,I,s,I,I,I,s,s]", shown(l->arena, ident), (json_int_t)health.data_files,
                      (json_int_t)health.small_files, size_text(data, health.data_bytes),
                      (json_int_t)percent(health.deleted_rows, health.rows),
                      (json_int_t)health.snapshots, (json_int_t)health.manifests,
                      size_text(meta, health.metadata_bytes), due_text(l->arena, &actions)),
            err);
    }
    catalog_table_deinit(&table);
    return rc;
}

static int say_counts(struct looking *l, const struct lake_health *h, const char *name,
                      struct err *err)
{
    char a[24], b[24], c[32];
    int rc = say(l->reply, err, "%s", name);

    rc = rc ? rc
            : say(l->reply, err, "  data       %lld rows in %lld files of %s; %lld are small",
                  (long long)h->rows, (long long)h->data_files, size_text(a, h->data_bytes),
                  (long long)h->small_files);
    rc = rc ? rc
            : say(l->reply, err,
                  "  deletes    %lld delete files of %s: %lld rows by position (%lld%%), %lld "
                  "files by equality, %lld apply to nothing",
                  (long long)h->delete_files, size_text(a, h->delete_bytes),
                  (long long)h->deleted_rows, (long long)percent(h->deleted_rows, h->rows),
                  (long long)h->equality_files, (long long)h->dangling);
    rc = rc ? rc
            : say(l->reply, err, "  snapshots  %lld, the oldest of %s; %lld branches and tags",
                  (long long)h->snapshots, h->oldest_ms ? time_text(c, h->oldest_ms) : "-",
                  (long long)h->refs);
    rc = rc ? rc
            : say(l->reply, err,
                  "  metadata   %lld manifests of %s, %lld small; metadata file "
                  "of %s, %lld older ones kept",
                  (long long)h->manifests, size_text(a, h->manifest_bytes),
                  (long long)h->small_manifests, size_text(b, h->metadata_bytes),
                  (long long)h->metadata_logged);
    return rc ? rc
              : say(l->reply, err, "  stored     %lld files of %s; nobody names %lld of %s",
                    (long long)h->stored_files, size_text(a, h->stored_bytes),
                    (long long)h->unreferenced, size_text(b, h->unreferenced_bytes));
}

static int say_log(struct looking *l, const char *uuid, struct err *err)
{
    struct upkeep_row *rows = NULL;
    size_t count = 0;
    char at[32];
    int rc = upkeep_log(l->in->upkeep, uuid, LOG_SHOWN, l->arena, &rows, &count, err);

    if (!rc && count)
        rc = say(l->reply, err, "  done");
    for (size_t i = 0; i < count && !rc; i++)
        rc = say(l->reply, err, "    %s  %-9s %s (%s)", time_text(at, rows[i].time_ms),
                 rows[i].action, rows[i].did, rows[i].reason);
    return rc;
}

/* When it will be: at the service's next turn, or in so long. */
static const char *when_text(struct looking *l, const struct lake_action *action,
                             const struct lake_metadata *m, const struct upkeep_state *state,
                             char out[24])
{
    int64_t now_ms = clock_wall_ms(l->in->clock);

    if (!lake_metadata_property_bool(m, "tarn.maintain.enabled", true) ||
        !l->in->config->maintenance.enabled)
        return action->due ? "by hand" : "";
    if (action->due) {
        int64_t next_ms = state->looked_ms + l->in->config->maintenance.interval_ms;

        next_ms = state->next_ms && state->next_ms < next_ms ? state->next_ms : next_ms;
        return next_ms > now_ms ? span_text(out, next_ms - now_ms) : "now";
    }
    return action->wait_ms >= 0 ? span_text(out, action->wait_ms) : "";
}

static int show_table(struct looking *l, const char *name, struct err *err)
{
    struct lake_ident ident;
    struct catalog_table table = {0};
    struct lake_health health;
    struct lake_actions actions;
    struct upkeep_state state = {0};
    char when[24];
    int rc = ident_of(name, l->arena, &ident, err);

    rc = rc ? rc : catalog_table_load(l->in->catalog, &ident, l->arena, &table, err);
    if (rc == ERR_NOENT && !table.metadata)
        return err_set(err, rc, "no table '%s'; 'tarn table list' shows them", name);
    rc = rc ? rc : upkeep_state(l->in->upkeep, table.metadata->uuid, &state, err);
    rc = rc ? rc : lake_health(l->in->lake, table.metadata, table.location, true, &health, err);
    rc = rc ? rc
            : lake_actions(l->in->lake, table.metadata,
                           &(struct lake_past){state.swept_ms, state.pruned_ms}, l->arena, &actions,
                           err);
    rc = rc ? rc : say_counts(l, &health, name, err);
    rc = rc ? rc : say_log(l, table.metadata->uuid, err);
    rc = rc ? rc
            : rows_head(l->reply, json_pack("[s,s,s,s,s]", "action", "due", "when", "of", "reason"),
                        err);
    for (int kind = 0; kind < LAKE_DO_KINDS && !rc; kind++) {
        const struct lake_action *act = &actions.list[kind];

        rc = rows_add(l->reply,
                      json_pack("[s,b,s,I,s]", lake_action_name(act->kind), act->due,
                                when_text(l, act, table.metadata, &state, when),
                                (json_int_t)act->count, act->reason),
                      err);
    }
    catalog_table_deinit(&table);
    return rc;
}

int verb_table_health(void *arg, const json_t *request, struct control_reply *reply,
                      struct err *err)
{
    struct arena arena = {0};
    struct looking l = {arg, &arena, reply, request};
    const char *name = text_of(request, "name");
    int rc;

    if (name[0]) {
        rc = show_table(&l, name, err);
    } else {
        rc = rows_head(reply,
                       json_pack("[s,s,s,s,s,s,s,s,s]", "table", "files", "small", "data",
                                 "deleted %", "snapshots", "manifests", "metadata", "due"),
                       err);
        rc = rc ? rc : each_table(l.in, NULL, &arena, row_of_table, &l, err);
    }
    arena_deinit(&arena);
    return rc;
}

/* ---- maintain ---- */

struct maintaining {
    struct control_reply *reply;
    bool dry;
    size_t told;
    int rc;
    struct err *err;
};

static void tell_action(void *arg, const struct lake_action *action, enum err_code code,
                        const char *did, int64_t files, int64_t bytes)
{
    struct maintaining *m = arg;

    m->told++;
    if (!m->rc)
        m->rc = rows_add(m->reply,
                         json_pack("[s,s,s,I,I,s]", lake_action_name(action->kind),
                                   m->dry                             ? "would do"
                                   : code == 0                        ? "done"
                                   : code == (enum err_code)ERR_AGAIN ? "later"
                                   : code == (enum err_code)ERR_BUSY  ? "left"
                                                                      : "failed",
                                   did, (json_int_t)files, (json_int_t)bytes, action->reason),
                         m->err);
}

int verb_maintain(void *arg, const json_t *request, struct control_reply *reply, struct err *err)
{
    struct instance *in = arg;
    struct arena arena = {0};
    struct maintaining m = {
        .reply = reply, .err = err, .dry = json_is_true(json_object_get(request, "dry"))};
    struct upkeep_call call = {.dry = m.dry, .forced = true, .tell = tell_action, .arg = &m};
    const char *name = text_of(request, "name");
    int rc = ident_of(name, &arena, &call.ident, err);

    rc = rc ? rc
            : rows_head(reply,
                        json_pack("[s,s,s,s,s,s]", "action", "outcome", "what", "files", "bytes",
                                  "reason"),
                        err);
    if (!rc) {
        rc = upkeep_table(in->upkeep, &call, err);
        if (rc == ERR_NOENT && !m.told)
            rc = err_set(err, rc, "no table '%s'; 'tarn table list' shows them", name);
    }
    if (!rc && !m.told)
        rc = say(reply, err, "%s needs nothing; 'tarn table health %s' says why", name, name);
    arena_deinit(&arena);
    return rc ? rc : m.rc;
}

/* ---- fsck ---- */

struct checking {
    struct instance *in;
    const struct fsck_out *out;
    const char *name; /* of the table at hand */
    struct arena *arena;
};

/* One line of the answer; takes the reference. */
static int put(struct checking *c, json_t *line, struct err *err)
{
    int rc = line ? c->out->line(c->out->arg, line, err) : err_set(err, ERR_NOMEM, "fsck");

    json_decref(line);
    return rc;
}

static int say_finding(void *arg, bool damage, const char *file, const char *text, struct err *err)
{
    struct checking *c = arg;

    if (c->out->stop && c->out->stop(c->out->arg))
        return err_set(err, ERR_CANCELLED, "cancelled");
    return put(c,
               json_pack("{s:s, s:s, s:s, s:s}", "finding", damage ? "damage" : "note", "table",
                         c->name, "file", file, "what", text),
               err);
}

static int check_table(void *arg, const struct lake_ident *ident, struct err *err)
{
    struct checking *c = arg;
    struct lake_catalog *catalog = catalog_lake(c->in->catalog);
    struct arena arena = {0};
    struct lake_fsck_options options = {
        .db = c->in->streams_db, .young_ms = 3600000, .say = say_finding, .arg = c};
    struct lake_fsck f = {0};
    const char *location = NULL;
    struct err why = {0};
    int rc = catalog->ops->load(catalog, ident, &arena, &location, &why);

    c->name = shown(c->arena, ident);
    if (rc == ERR_NOENT) {
        arena_deinit(&arena);
        return 0; /* dropped between the list and here */
    }
    if (rc) {
        f.damages = 1;
        rc = say_finding(c, true, c->name, why.text, err);
    } else {
        rc = lake_fsck(c->in->lake, location, &options, &f, err);
    }
    if (!rc)
        rc = put(c,
                 json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "checked",
                           c->name, "damages", (json_int_t)f.damages, "refs", (json_int_t)f.refs,
                           "snapshots", (json_int_t)f.snapshots, "manifests",
                           (json_int_t)f.manifests, "data_files", (json_int_t)f.data_files,
                           "delete_files", (json_int_t)(f.delete_files + f.vectors), "rows",
                           (json_int_t)f.rows, "bytes", (json_int_t)f.bytes, "unreferenced",
                           (json_int_t)f.unreferenced, "unreferenced_bytes",
                           (json_int_t)f.unreferenced_bytes),
                 err);
    arena_deinit(&arena);
    return rc;
}

int fsck_answer(struct instance *in, const char *name, const struct fsck_out *out, struct err *err)
{
    struct arena arena = {0};
    struct checking c = {.in = in, .out = out, .arena = &arena};
    struct lake_ident ident;
    int rc;

    if (name[0]) {
        rc = ident_of(name, &arena, &ident, err);
        rc = rc ? rc : catalog_table_exists(in->catalog, &ident, err);
        rc = rc ? rc : check_table(&c, &ident, err);
    } else {
        rc = each_table(in, NULL, &arena, check_table, &c, err);
    }
    arena_deinit(&arena);
    return rc;
}

static int send_line(void *arg, json_t *line, struct err *err)
{
    return control_send(arg, json_incref(line), err);
}

static bool is_interrupted(void *arg)
{
    return control_interrupted(arg);
}

int verb_fsck(void *arg, const json_t *request, struct control_reply *reply, struct err *err)
{
    struct fsck_out out = {send_line, is_interrupted, reply};

    return fsck_answer(arg, text_of(request, "name"), &out, err);
}
