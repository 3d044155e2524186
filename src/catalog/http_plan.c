/* http_plan.c - scans planned here: POST .../plan, GET and DELETE .../plan/{id}, POST .../tasks.
 *
 * A plan is made at once (it takes milliseconds), so its status is "completed" from the first
 * answer on. What one answer should not hold is cut into tasks that the client fetches; until it
 * has them they are kept here as the text to be sent, bounded in bytes and time. A plan forgotten,
 * by a restart too, is NoSuchPlanIdException and is simply planned again.
 */
#include <stdio.h>

#include "base/rand.h"
#include "catalog/http_plan.h"

#define PLAN_LIFE_MS INT64_C(600000)
#define PLANS_MAX    256
#define PLAN_BYTES   ((size_t)64 << 20) /* of all plans kept */
#define TASK_FILES   1000               /* files in one answer */
#define TASKS_MAX    100000

struct plan {
    struct plan *older;
    char id[37];
    char *ns, *name;
    int64_t made_ms;
    struct slice *texts; /* owned: the first answer, then one per task */
    size_t count, bytes;
};

struct rest_plans {
    pthread_mutex_t mutex;
    struct clock *clock;
    struct plan *newest;
};

/* ---- what is kept ---- */

static void plan_free(struct plan *plan)
{
    if (!plan)
        return;
    for (size_t i = 0; i < plan->count; i++)
        free((void *)plan->texts[i].ptr);
    free(plan->texts);
    free(plan->ns);
    free(plan->name);
    free(plan);
}

int rest_plans_new(struct rest_plans **out, struct clock *clock)
{
    struct rest_plans *plans = calloc(1, sizeof(*plans));

    if (!plans)
        return ERR_NOMEM;
    pthread_mutex_init(&plans->mutex, NULL);
    plans->clock = clock;
    *out = plans;
    return 0;
}

void rest_plans_free(struct rest_plans *plans)
{
    if (!plans)
        return;
    for (struct plan *plan = plans->newest, *older; plan; plan = older) {
        older = plan->older;
        plan_free(plan);
    }
    pthread_mutex_destroy(&plans->mutex);
    free(plans);
}

/* The newest that fit stay; the rest, and what is too old, goes. The mutex is held. */
static void forget_old(struct rest_plans *plans)
{
    int64_t oldest_ms = clock_mono_ms(plans->clock) - PLAN_LIFE_MS;
    struct plan **at = &plans->newest;
    size_t count = 0, bytes = 0;

    while (*at) {
        struct plan *plan = *at;

        bytes += plan->bytes;
        if (plan->made_ms >= oldest_ms && ++count <= PLANS_MAX && bytes <= PLAN_BYTES) {
            at = &plan->older;
            continue;
        }
        *at = plan->older;
        plan_free(plan);
    }
}

static void keep(struct rest_plans *plans, struct plan *plan)
{
    pthread_mutex_lock(&plans->mutex);
    plan->made_ms = clock_mono_ms(plans->clock);
    plan->older = plans->newest;
    plans->newest = plan;
    forget_old(plans);
    pthread_mutex_unlock(&plans->mutex);
}

static struct plan **find(struct rest_plans *plans, const char *id, const struct lake_ident *ident)
{
    struct plan **at = &plans->newest;

    while (*at && (strcmp((*at)->id, id) != 0 || strcmp((*at)->ns, ident->ns) != 0 ||
                   strcmp((*at)->name, ident->name) != 0))
        at = &(*at)->older;
    return at;
}

/* Copies the index-th text of a plan. ERR_NOENT: there is no such plan or text. */
static int recall(struct rest_plans *plans, const char *id, const struct lake_ident *ident,
                  size_t index, struct buf *out)
{
    struct plan *plan;
    int rc = ERR_NOENT;

    pthread_mutex_lock(&plans->mutex);
    forget_old(plans);
    plan = *find(plans, id, ident);
    if (plan && index < plan->count)
        rc = buf_append_slice(out, plan->texts[index]);
    pthread_mutex_unlock(&plans->mutex);
    return rc;
}

/* ---- making one ---- */

static int add_text(struct plan *plan, struct buf *text)
{
    struct slice copy = buf_slice(text);

    plan->texts[plan->count++] = copy;
    plan->bytes += copy.len;
    *text = (struct buf){0}; /* taken */
    return 0;
}

static int print_head(struct buf *out, const struct plan *plan, size_t tasks)
{
    int rc = buf_printf(out, "{\"status\":\"completed\",\"plan-id\":\"%s\",", plan->id);

    if (!rc && tasks)
        rc = buf_append_str(out, "\"plan-tasks\":[");
    for (size_t i = 1; !rc && i <= tasks; i++)
        rc = buf_printf(out, "%s\"%s:%zu\"", i > 1 ? "," : "", plan->id, i);
    return !rc && tasks ? buf_append_str(out, "],") : rc;
}

static int print_credentials(struct rest_call *call, const struct lake_ident *ident,
                             const struct lake_metadata *metadata, struct buf *out, struct err *err)
{
    json_t *config, *credentials;
    int rc = rest_access(call, ident, metadata, &config, &credentials, err);

    if (rc)
        return rc;
    rc = buf_append_str(out, ",\"storage-credentials\":");
    if (!rc)
        rc = json_print(credentials, 0, out, err);
    json_decref(config);
    json_decref(credentials);
    return rc;
}

static int print_texts(struct rest_call *call, const struct lake_ident *ident,
                       const struct lake_plan *from, const struct plan_request *request,
                       struct plan *plan, struct err *err)
{
    size_t tasks = from->file_count > TASK_FILES ? (from->file_count - 1) / TASK_FILES + 1 : 0;
    struct buf text = {0};
    int rc = tasks > TASKS_MAX ? err_set(err, ERR_LIMIT, "The scan has too many files") : 0;

    plan->texts = calloc(tasks + 1, sizeof(*plan->texts));
    if (!rc && !plan->texts)
        rc = ERR_NOMEM;
    rc = rc ? rc : print_head(&text, plan, tasks);
    rc = rc ? rc : plan_print_files(from, request, 0, tasks ? 0 : from->file_count, &text);
    rc = rc ? rc : print_credentials(call, ident, from->metadata, &text, err);
    rc = rc ? rc : buf_append_str(&text, "}");
    rc = rc ? rc : add_text(plan, &text);
    for (size_t i = 0; !rc && i < tasks; i++) {
        size_t from_file = i * TASK_FILES, left = from->file_count - from_file;

        rc = buf_append_str(&text, "{");
        rc = rc ? rc
                : plan_print_files(from, request, from_file, left < TASK_FILES ? left : TASK_FILES,
                                   &text);
        rc = rc ? rc : buf_append_str(&text, "}");
        rc = rc ? rc : add_text(plan, &text);
    }
    buf_deinit(&text);
    return rc == ERR_NOMEM ? err_set(err, rc, "scan plan") : rc;
}

static int make(struct rest_call *call, const struct lake_ident *ident,
                const struct lake_plan *from, const struct plan_request *request, struct plan **out,
                struct err *err)
{
    struct plan *plan = calloc(1, sizeof(*plan));
    int rc;

    if (!plan)
        return err_set(err, ERR_NOMEM, "scan plan");
    uuid_v4(plan->id);
    plan->ns = strdup(ident->ns);
    plan->name = strdup(ident->name);
    rc = plan->ns && plan->name ? print_texts(call, ident, from, request, plan, err)
                                : err_set(err, ERR_NOMEM, "scan plan");
    if (rc) {
        plan_free(plan);
        return rc;
    }
    *out = plan;
    return 0;
}

static int reply_text(struct rest_call *call, struct buf *text)
{
    http_reply_buf(call->reply, "application/json", text);
    buf_deinit(text);
    return 0;
}

/* ---- the requests ---- */

static int submit(struct rest_call *call, struct err *err)
{
    struct lake_ident ident = rest_path_ident(call);
    struct catalog_table table;
    struct plan_request request = {0};
    struct lake_plan scan = {0};
    struct plan *plan = NULL;
    struct buf text = {0};
    int rc = catalog_table_load(call->catalog, &ident, call->arena, &table, err);

    if (!rc)
        rc = plan_request_read(call->body, table.metadata, call->arena, &request, err);
    if (!rc)
        rc = plan_run(call->catalog->lake, table.metadata, &request, call->arena, &scan, err);
    if (!rc)
        rc = make(call, &ident, &scan, &request, &plan, err);
    if (!rc)
        rc = buf_append_slice(&text, plan->texts[0]);
    if (!rc) {
        keep(call->http->plans, plan);
        reply_text(call, &text);
    } else {
        plan_free(plan);
    }
    catalog_table_deinit(&table);
    return rc;
}

static int no_plan(struct err *err, const char *id)
{
    return err_set(err, ERR_NOENT, "Plan id does not exist: %.60s", id);
}

static int fetch(struct rest_call *call, struct err *err)
{
    struct lake_ident ident = rest_path_ident(call);
    const char *id = http_param(call->req, "plan");
    struct buf text = {0};
    int rc = catalog_table_exists(call->catalog, &ident, err);

    if (rc)
        return rc;
    rc = recall(call->http->plans, id, &ident, 0, &text);
    return rc == ERR_NOENT ? no_plan(err, id) : rc ? rc : reply_text(call, &text);
}

static int cancel(struct rest_call *call, struct err *err)
{
    struct rest_plans *plans = call->http->plans;
    struct lake_ident ident = rest_path_ident(call);
    const char *id = http_param(call->req, "plan");
    struct plan **at, *plan;
    int rc = catalog_table_exists(call->catalog, &ident, err);

    if (rc)
        return rc;
    pthread_mutex_lock(&plans->mutex);
    at = find(plans, id, &ident);
    plan = *at;
    if (plan)
        *at = plan->older;
    pthread_mutex_unlock(&plans->mutex);
    if (!plan)
        return no_plan(err, id);
    plan_free(plan);
    http_status(call->reply, 204);
    return 0;
}

static int tasks(struct rest_call *call, struct err *err)
{
    struct lake_ident ident = rest_path_ident(call);
    const char *task, *colon;
    int64_t index = 0;
    struct buf text = {0};
    int rc = json_get_str(call->body, "plan-task", "request", &task, err);

    if (rc)
        return err_wrap(err, ERR_INVALID, "Cannot parse the request");
    rc = catalog_table_exists(call->catalog, &ident, err);
    if (rc)
        return rc;
    colon = strchr(task, ':');
    rc = ERR_NOENT;
    if (colon && slice_to_i64(slice_str(colon + 1), &index) == 0 && index > 0) {
        const char *id = arena_cstr(call->arena, slice_of(task, (size_t)(colon - task)));

        rc = id ? recall(call->http->plans, id, &ident, (size_t)index, &text) : ERR_NOMEM;
    }
    if (rc == ERR_NOENT)
        return err_set(err, rc, "Plan task does not exist: %.60s", task);
    return rc ? rc : reply_text(call, &text);
}

static const struct rest_op ops[] = {
    {"POST", "/namespaces/{ns}/tables/{table}/plan", submit, REST_PREFIX | REST_BODY, NULL, NULL},
    {"GET", "/namespaces/{ns}/tables/{table}/plan/{plan}", fetch, REST_PREFIX, NULL, NULL},
    {"DELETE", "/namespaces/{ns}/tables/{table}/plan/{plan}", cancel, REST_PREFIX, NULL, NULL},
    {"POST", "/namespaces/{ns}/tables/{table}/tasks", tasks, REST_PREFIX | REST_BODY, NULL, NULL},
};
const struct rest_group rest_planning = {ops, COUNT_OF(ops)};
