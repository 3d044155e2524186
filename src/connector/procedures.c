/* procedures.c - CALL catalog.system.NAME(...): the procedures of Iceberg's Spark extension, and of
 * Trino, that move branches. Arguments by place or by name; Trino gives schema and table apart. */
#include <stdio.h>

#include "connector/alter_int.h"

#define ARGS_MAX 4

struct call {
    const struct procedure *procedure;
    const struct sql_expr *args[ARGS_MAX]; /* by the procedure's parameters */
};

struct procedure {
    const char *name;
    const char *params[ARGS_MAX]; /* the first is the table */
    size_t needed;
    int (*run)(struct alter *a, const struct call *call);
};

static int text_arg(struct alter *a, const struct call *call, size_t i, const char **out)
{
    return session_evaluate(a->s, call->args[i], NULL, "STRING", out, a->err);
}

static int number_arg(struct alter *a, const struct call *call, size_t i, int64_t *out)
{
    const char *text;
    int rc = text_arg(a, call, i, &text);

    if (rc)
        return rc;
    return slice_to_i64(slice_str(text), out)
               ? err_set(a->err, ERR_INVALID, "%s takes a number", call->procedure->params[i])
               : 0;
}

static int rollback_to_snapshot(struct alter *a, const struct call *call)
{
    int64_t id;
    int rc = number_arg(a, call, 1, &id);

    return rc ? rc : alter_take(a, lake_rollback(a->m, NULL, id, &a->ref, a->err));
}

static int rollback_to_timestamp(struct alter *a, const struct call *call)
{
    const char *text;
    int64_t us;
    int rc = session_evaluate(a->s, call->args[1], NULL, "TIMESTAMP_LTZ(6)", &text, a->err);

    if (!rc && slice_to_i64(slice_str(text), &us))
        rc = err_set(a->err, ERR_INVALID, "timestamp takes a time");
    return rc ? rc : alter_take(a, lake_rollback_to_time(a->m, NULL, us / 1000, &a->ref, a->err));
}

static int set_current_snapshot(struct alter *a, const struct call *call)
{
    const struct lake_ref *ref;
    const char *name;
    int64_t id;
    int rc = !call->args[1] == !call->args[2]
                 ? err_set(a->err, ERR_INVALID, "either snapshot_id or ref")
                 : 0;

    if (!rc && call->args[1]) {
        rc = number_arg(a, call, 1, &id);
    } else if (!rc) {
        rc = text_arg(a, call, 2, &name);
        ref = rc ? NULL : lake_metadata_branch(a->m, name);
        if (!rc && !ref)
            rc = err_set(a->err, ERR_NOENT, "there is no branch or tag '%s'", name);
        id = ref ? ref->snapshot_id : -1;
    }
    return rc ? rc : alter_take(a, lake_set_current(a->m, NULL, id, &a->ref, a->err));
}

static int cherrypick_snapshot(struct alter *a, const struct call *call)
{
    int64_t id;
    int rc = number_arg(a, call, 1, &id);

    return rc ? rc : alter_pick(a, id);
}

static int publish_changes(struct alter *a, const struct call *call)
{
    const struct lake_snapshot *staged;
    const char *wap;
    int rc = text_arg(a, call, 1, &wap);

    if (rc)
        return rc;
    if (lake_wap_count(a->m, wap) > 1)
        return err_set(a->err, ERR_INVALID,
                       "Cannot apply non-unique WAP ID. Found multiple snapshots with WAP ID '%s': "
                       "cherrypick_snapshot takes one of them",
                       wap);
    staged = lake_wap_find(a->m, wap);
    return staged ? alter_pick(a, staged->id)
                  : err_set(a->err, ERR_NOENT, "Cannot apply unknown WAP ID '%s'", wap);
}

static int fast_forward(struct alter *a, const struct call *call)
{
    const char *branch, *to;
    int rc = text_arg(a, call, 1, &branch);

    rc = rc ? rc : text_arg(a, call, 2, &to);
    return rc ? rc : alter_take(a, lake_fast_forward(a->m, branch, to, &a->ref, a->err));
}

static const struct procedure procedures[] = {
    {"rollback_to_snapshot", {"table", "snapshot_id"}, 2, rollback_to_snapshot},
    {"rollback_to_timestamp", {"table", "timestamp"}, 2, rollback_to_timestamp},
    {"set_current_snapshot", {"table", "snapshot_id", "ref"}, 1, set_current_snapshot},
    {"cherrypick_snapshot", {"table", "snapshot_id"}, 2, cherrypick_snapshot},
    {"publish_changes", {"table", "wap_id"}, 2, publish_changes},
    {"fast_forward", {"table", "branch", "to"}, 3, fast_forward},
};

static const struct procedure *find(const struct sql_name *name, struct err *err)
{
    const char *last = name->count ? name->parts[name->count - 1].text : "";
    char known[300] = "";

    for (size_t i = 0; i < COUNT_OF(procedures); i++) {
        if (name->count > 1 && !strcasecmp(name->parts[name->count - 2].text, "system") &&
            !strcasecmp(procedures[i].name, last))
            return &procedures[i];
        snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s", i ? ", " : "",
                 procedures[i].name);
    }
    err_set(err, ERR_NOENT, "there is no procedure %s; of CALL catalog.system.NAME there are %s",
            last, known);
    return NULL;
}

static int place(struct call *call, const struct sql_exprs *args, size_t skip, struct err *err)
{
    for (size_t i = skip; i < args->count; i++) {
        const struct sql_expr *arg = args->list[i];
        size_t at = i - skip;

        if (arg->kind == SQL_EXPR_NAMED) {
            const char *name = arg->name.parts[arg->name.count - 1].text;

            for (at = 0; at < ARGS_MAX && call->procedure->params[at]; at++)
                if (!strcasecmp(call->procedure->params[at], name))
                    break;
            arg = arg->args.list[0];
        }
        if (at >= ARGS_MAX || !call->procedure->params[at])
            return err_set(err, ERR_INVALID, "%s has no such argument", call->procedure->name);
        call->args[at] = arg;
    }
    for (size_t i = 0; i < call->procedure->needed; i++)
        if (!call->args[i])
            return err_set(err, ERR_INVALID, "%s wants %s", call->procedure->name,
                           call->procedure->params[i]);
    return 0;
}

/* 'db.t' or 'catalog.db.t', as Spark has it; 'db', 't' in Trino's words. */
static int find_table(struct session *s, const struct call *call, const char *schema,
                      const struct session_table **out, struct err *err)
{
    const struct sql_table *table;
    const char *text, *parts[3];
    size_t count = 0;
    char *rest;
    int rc = session_evaluate(s, call->args[0], NULL, "STRING", &text, err);

    if (rc)
        return rc;
    rest = schema ? arena_printf(s->arena, "%s.%s", schema, text) : arena_strdup(s->arena, text);
    if (!rest)
        return session_no_memory(err);
    for (char *part = strsep(&rest, "."); part && count < COUNT_OF(parts);
         part = strsep(&rest, "."))
        parts[count++] = part;
    rc = session_resolve(s, parts, count, &table, err);
    if (rc)
        return rc;
    *out = table->handle;
    return *out && (*out)->kind == SESSION_LAKE
               ? 0
               : err_set(err, ERR_INVALID, "`%s` is no Iceberg table", table->name);
}

static int run(struct alter *a, const void *arg)
{
    const struct call *call = arg;

    return call->procedure->run(a, call);
}

int session_call(struct session *s, const struct sql_statement *st, struct err *err)
{
    const struct sql_expr *expr = st->call;
    struct call call = {.procedure = find(&expr->name, err)};
    const struct session_table *table = NULL;
    const char *schema = NULL;
    size_t most = 0, skip;
    int rc;

    if (!call.procedure)
        return ERR_NOENT;
    if (s->replays) /* it was done when the job was submitted */
        return 0;
    while (most < ARGS_MAX && call.procedure->params[most])
        most++;
    skip = expr->args.count == call.procedure->needed + 1 && call.procedure->needed == most &&
           expr->args.list[0]->kind != SQL_EXPR_NAMED;
    rc = place(&call, &expr->args, skip, err);
    if (!rc && skip)
        rc = session_evaluate(s, expr->args.list[0], NULL, "STRING", &schema, err);
    rc = rc ? rc : find_table(s, &call, schema, &table, err);
    return rc ? rc : alter_with(s, &table->ident, run, &call, err);
}
