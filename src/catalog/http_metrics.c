/* http_metrics.c - what clients measured of their scans and commits: POST and GET .../metrics.
 *
 * Iceberg's clients report each scan (files read and skipped, time to plan, the filter) and each
 * commit. The newest reports are kept here, bounded in number and bytes, and given back as they
 * came by GET, which is ours and no part of the specification: newest first, with who sent it and
 * when. A restart forgets them; they are measurements, not history.
 */
#include "catalog/http_int.h"

#define REPORTS_MAX  256
#define REPORT_BYTES 65536 /* a larger one is not kept; a filter may be long */

struct report {
    char *ns, *name, *who;
    json_t *body;
    int64_t wall_ms;
};
struct rest_reports {
    pthread_mutex_t mutex;
    struct report list[REPORTS_MAX]; /* a ring */
    size_t next;
};

static void report_deinit(struct report *report)
{
    free(report->ns);
    free(report->name);
    free(report->who);
    json_decref(report->body);
    *report = (struct report){0};
}

int rest_reports_new(struct rest_reports **out)
{
    struct rest_reports *reports = calloc(1, sizeof(*reports));

    if (!reports)
        return ERR_NOMEM;
    pthread_mutex_init(&reports->mutex, NULL);
    *out = reports;
    return 0;
}

void rest_reports_free(struct rest_reports *reports)
{
    if (!reports)
        return;
    for (size_t i = 0; i < REPORTS_MAX; i++)
        report_deinit(&reports->list[i]);
    pthread_mutex_destroy(&reports->mutex);
    free(reports);
}

/* A copy of its own: the call's body goes with the call. */
static int keep(struct rest_call *call, const struct lake_ident *ident)
{
    struct rest_reports *reports = call->http->reports;
    struct report report = {strdup(ident->ns), strdup(ident->name),
                            strdup(call->who ? call->who : ""), json_deep_copy(call->body),
                            clock_wall_ms(call->http->clock)};

    if (!report.ns || !report.name || !report.who || !report.body) {
        report_deinit(&report);
        return ERR_NOMEM;
    }
    pthread_mutex_lock(&reports->mutex);
    report_deinit(&reports->list[reports->next]);
    reports->list[reports->next] = report;
    reports->next = (reports->next + 1) % REPORTS_MAX;
    pthread_mutex_unlock(&reports->mutex);
    return 0;
}

static int take(struct rest_call *call, struct err *err)
{
    struct lake_ident ident = rest_path_ident(call);
    const char *type = NULL;
    int rc = json_get_str(call->body, "report-type", "report", &type, err);

    if (rc)
        return err_wrap(err, ERR_INVALID, "Cannot parse the request");
    if (json_dumpb(call->body, NULL, 0, JSON_COMPACT) <= REPORT_BYTES && keep(call, &ident))
        return err_set(err, ERR_NOMEM, "report");
    http_status(call->reply, 204);
    return 0;
}

static json_t *as_json(const struct report *report)
{
    return json_pack("{s:I, s:s, s:o}", "received-ms", (json_int_t)report->wall_ms, "from",
                     report->who, "report", json_deep_copy(report->body));
}

static int give(struct rest_call *call, struct err *err)
{
    struct rest_reports *reports = call->http->reports;
    struct lake_ident ident = rest_path_ident(call);
    json_t *list = json_array();
    bool failed = !list;

    pthread_mutex_lock(&reports->mutex);
    for (size_t i = 1; i <= REPORTS_MAX && !failed; i++) {
        struct report *report = &reports->list[(reports->next + REPORTS_MAX - i) % REPORTS_MAX];

        if (report->body && !strcmp(report->ns, ident.ns) && !strcmp(report->name, ident.name))
            failed = json_array_append_new(list, as_json(report)) != 0;
    }
    pthread_mutex_unlock(&reports->mutex);
    if (failed) {
        json_decref(list);
        return err_set(err, ERR_NOMEM, "reports");
    }
    return rest_reply(call, 200, json_pack("{s:o}", "reports", list), err);
}

static const struct rest_op ops[] = {
    {"POST", "/namespaces/{ns}/tables/{table}/metrics", take, REST_PREFIX | REST_BODY, NULL, NULL},
    {"GET", "/namespaces/{ns}/tables/{table}/metrics", give, REST_PREFIX | REST_HIDDEN, NULL, NULL},
};
const struct rest_group rest_metrics = {ops, COUNT_OF(ops)};
