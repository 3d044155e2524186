/* ask_cmds.c - `tarn topic`, `group`, `table`, `job`, `dlq`: one table of actions, each a question
 * to the running instance. */
#include <stdio.h>

#include "cli/cli_int.h"
#include "cli/rows.h"

struct ask_args {
    const char *project, *data;
    bool json, all;
    int64_t partitions, tail;
    struct option_list configs;
};
#define AT(field) offsetof(struct ask_args, field)
#define COMMON                                                                                     \
    {"project", 'p', OPT_STR, AT(project), "DIR", "the project (default: .)"},                     \
    {"data", 0, OPT_STR, AT(data), "DIR", "its data folder, when it is elsewhere"},                \
    {"json", 0, OPT_FLAG, AT(json), NULL, "as JSON, for scripts"}

static const struct option plain_options[] = {COMMON, {NULL}};
static const struct option topic_options[] = {
    COMMON,
    {"partitions", 0, OPT_COUNT, AT(partitions), "N", "create: how many (default: the project's)"},
    {"config", 'c', OPT_LIST, AT(configs), "NAME=VALUE",
     "create: a setting by Kafka's name; again for more"},
    {NULL}};
static const struct option dlq_options[] = {
    COMMON,
    {"tail", 'n', OPT_COUNT, AT(tail), "N", "show: the last N (default: 20; 0: all)"},
    {"all", 'a', OPT_FLAG, AT(all), NULL, "retry: also those sent again before"},
    {NULL}};
static const struct ask_args defaults = {.project = ".", .tail = 20, .partitions = -1};

static const struct action {
    const char *command, *name, *verb;
    bool takes_name;
    bool takes_file; /* the name is that of a file: its text goes along, its stem is the name */
} actions[] = {
    {"topic", "list", "topic.list", false},
    {"topic", "describe", "topic.describe", true},
    {"topic", "create", "topic.create", true},
    {"topic", "delete", "topic.delete", true},
    {"group", "list", "group.list", false},
    {"group", "describe", "group.describe", true},
    {"table", "list", "table.list", false},
    {"table", "describe", "table.describe", true},
    {"table", "history", "table.history", true},
    {"job", "list", "job.list", false},
    {"job", "show", "job.show", true},
    {"job", "cancel", "job.cancel", true},
    {"job", "submit", "job.submit", true, true},
    {"dlq", "list", "dlq.list", false},
    {"dlq", "show", "dlq.show", true},
    {"dlq", "retry", "dlq.retry", true},
};

static int unknown_action(const char *command, const char *name)
{
    const char *names[COUNT_OF(actions) + 1], *near;
    char list[200] = "";
    size_t count = 0;

    for (size_t i = 0; i < COUNT_OF(actions); i++) {
        if (strcmp(actions[i].command, command) != 0)
            continue;
        names[count++] = actions[i].name;
        snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", count > 1 ? ", " : "",
                 actions[i].name);
    }
    names[count] = NULL;
    near = nearest_name(name, names);
    return near ? cli_fail(CLI_USAGE, "%s: no action '%s': did you mean '%s'?", command, name, near)
                : cli_fail(CLI_USAGE, "%s: no action '%s'; there are %s", command, name, list);
}

/* NAME=VALUE pairs as an object; NULL after a complaint. */
static json_t *config_json(const struct option_list *list)
{
    json_t *config = json_object();

    for (size_t i = 0; config && i < list->count; i++) {
        const char *equals = strchr(list->items[i], '=');
        char name[128];

        if (!equals || equals == list->items[i] ||
            (size_t)(equals - list->items[i]) >= sizeof(name)) {
            cli_fail(CLI_USAGE, "--config: '%s' is not NAME=VALUE", list->items[i]);
            json_decref(config);
            return NULL;
        }
        snprintf(name, sizeof(name), "%.*s", (int)(equals - list->items[i]), list->items[i]);
        json_object_set_new(config, name, json_string(equals + 1));
    }
    return config;
}

static json_t *request_of(const struct action *action, const char *name, const struct ask_args *a)
{
    json_t *config = config_json(&a->configs), *request;

    if (!config)
        return NULL;
    request = json_pack("{s:s,s:o,s:I,s:b}", "verb", action->verb, "config", config, "tail",
                        (json_int_t)a->tail, "all", a->all);
    if (request && name)
        json_object_set_new(request, "name", json_string(name));
    if (request && a->partitions >= 0)
        json_object_set_new(request, "partitions", json_integer(a->partitions));
    return request;
}

/* "streams/payments.sql" as its text and the name "payments". */
static int add_file(json_t *request, const char *path)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    size_t len = strlen(base);
    struct buf text = {.max = CONTROL_LINE_MAX / 2};
    struct err err = {0};
    json_t *json;
    int rc = disk_read_file(disk_system(), path, &text, &err);

    if (!rc && !(json = json_stringn((const char *)text.ptr, text.len)))
        rc = err_set(&err, ERR_INVALID, "%s: not UTF-8", path);
    if (!rc) {
        json_object_set_new(request, "text", json);
        len -= len > 4 && strcmp(base + len - 4, ".sql") == 0 ? 4 : 0;
        json_object_set_new(request, "name", json_stringn(base, len));
    }
    buf_deinit(&text);
    return rc ? cli_fail(CLI_USAGE, "%s", err.text) : CLI_OK;
}

static int run_ask(const struct cli_call *call)
{
    const struct ask_args *a = call->options;
    const char *word = call->args->count ? call->args->items[0] : "list";
    const struct action *action = NULL;
    json_t *request;
    char *data = NULL;
    int code;

    for (size_t i = 0; i < COUNT_OF(actions); i++)
        if (strcmp(actions[i].command, call->name) == 0 && strcmp(actions[i].name, word) == 0)
            action = &actions[i];
    if (!action)
        return unknown_action(call->name, word);
    if (call->args->count != (action->takes_name ? 2u : 1u) && !(call->args->count == 0))
        return cli_fail(CLI_USAGE, "usage: tarn %s %s%s", call->name, word,
                        action->takes_file   ? " FILE"
                        : action->takes_name ? " NAME"
                                             : "");
    code = cli_data_path(a->project, a->data, &data);
    if (code)
        return code;
    request = request_of(action, action->takes_name ? call->args->items[1] : NULL, a);
    code = !request             ? CLI_USAGE
           : action->takes_file ? add_file(request, call->args->items[1])
                                : CLI_OK;
    if (!code)
        code = rows_ask(data, request, a->json);
    json_decref(request);
    free(data);
    return code;
}

#define ASK(name_, args_, summary_, options_, examples_)                                           \
    const struct cli_command command_##name_ = {                                                   \
        .name = #name_, .args = args_, .summary = summary_, .examples = examples_,                 \
        .options = options_, .options_size = sizeof(struct ask_args), .defaults = &defaults,       \
        .run = run_ask}

ASK(topic, "[list | describe NAME | create NAME | delete NAME]", "topics of the broker",
    topic_options,
    "  tarn topic list\n  tarn topic create orders --partitions 3 -c retention.ms=3600000\n");
ASK(group, "[list | describe NAME]", "consumer groups and their lag", plain_options,
    "  tarn group list\n  tarn group describe my-consumer-group\n");
ASK(table, "[list | describe NAME | history NAME]", "Iceberg tables and their snapshots",
    plain_options, "  tarn table list\n  tarn table history payments_db.payment_charges\n");
ASK(job, "[list | show NAME | cancel NAME | submit FILE]", "streaming jobs", plain_options,
    "  tarn job list\n  tarn job cancel payments\n  tarn job submit streams/payments.sql\n");
ASK(dlq, "[list | show JOB | retry JOB]", "records that could not become rows", dlq_options,
    "  tarn dlq list\n  tarn dlq show payments -n 5\n  tarn dlq retry payments    once the cause "
    "is cured\n");
