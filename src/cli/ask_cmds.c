/* ask_cmds.c - `tarn topic`, `group`, `table`, `job`, `dlq`: one table of actions, each a question
 * to the running instance. */
#include <stdio.h>
#include <unistd.h>

#include "base/term.h"
#include "cli/cli_int.h"
#include "cli/rows.h"

struct ask_args {
    const char *project, *data;
    bool json, all, drop, purge, replace, follow, why;
    int64_t partitions, tail, keep_ms, age_ms, min_snapshots;
    const char *snapshot, *before, *branch, *to, *from;
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
static const struct option table_options[] = {
    COMMON,
    {"snapshot", 's', OPT_STR, AT(snapshot), "ID", "tag, branch, files: not the current snapshot"},
    {"branch", 'b', OPT_STR, AT(branch), "NAME", "rollback, pick, files: not main"},
    {"before", 0, OPT_STR, AT(before), "TIME", "rollback: to the last snapshot before it (UTC)"},
    {"to", 0, OPT_STR, AT(to), "REF", "branch: forward it to where REF stands"},
    {"keep", 0, OPT_DURATION, AT(keep_ms), "TIME", "tag, branch: it goes after that long"},
    {"keep-snapshots", 0, OPT_COUNT, AT(min_snapshots), "N", "branch: this many never expire"},
    {"snapshot-age", 0, OPT_DURATION, AT(age_ms), "TIME", "branch: older ones expire"},
    {"replace", 0, OPT_FLAG, AT(replace), NULL, "tag, branch: move one that is there"},
    {"drop", 0, OPT_FLAG, AT(drop), NULL, "tag, branch: take it away"},
    {"purge", 0, OPT_FLAG, AT(purge), NULL, "drop: its files too"},
    {NULL}};
static const struct option job_options[] = {
    COMMON,
    {"to", 0, OPT_STR, AT(to), "DIR", "stop, savepoint: where it is kept; a folder, or s3://..."},
    {"from", 0, OPT_STR, AT(from), "PATH", "start: the savepoint to begin with"},
    {"follow", 'f', OPT_FLAG, AT(follow), NULL, "show: again every second, until interrupted"},
    {"why", 0, OPT_FLAG, AT(why), NULL, "explain: what holds its time back (it says so anyway)"},
    {NULL}};
static const struct ask_args defaults = {.project = ".", .tail = 20, .partitions = -1,
                                         .keep_ms = -1, .age_ms = -1, .min_snapshots = -1};

static const struct action {
    const char *command, *name, *verb;
    bool takes_name;
    bool takes_file; /* the name is that of a file: its text goes along, its stem is the name */
    const char *word; /* of a second argument, which goes along as "word"; [X]: may be absent */
    bool may_name;    /* a name, or none: of all */
} actions[] = {
    {"topic", "list", "topic.list", false},
    {"topic", "describe", "topic.describe", true},
    {"topic", "create", "topic.create", true},
    {"topic", "delete", "topic.delete", true},
    {"group", "list", "group.list", false},
    {"group", "describe", "group.describe", true},
    {"table", "list", "table.list", false},
    {"table", "describe", "table.describe", true},
    {"table", "show", "table.show", true},
    {"table", "history", "table.history", true},
    {"table", "health", "table.health", .may_name = true},
    {"table", "files", "table.files", true},
    {"table", "rollback", "table.rollback", true, false, "[SNAPSHOT]"},
    {"table", "tag", "table.tag", true, false, "TAG"},
    {"table", "branch", "table.branch", true, false, "BRANCH"},
    {"table", "pick", "table.pick", true, false, "SNAPSHOT"},
    {"table", "register", "table.register", true, false, "LOCATION"},
    {"table", "drop", "table.drop", true},
    {"job", "list", "job.list", false},
    {"job", "show", "job.show", true},
    {"job", "cancel", "job.cancel", true},
    {"job", "submit", "job.submit", true, true},
    {"job", "stop", "job.stop", true},
    {"job", "savepoint", "job.savepoint", true},
    {"job", "start", "job.start", true},
    {"job", "explain", "job.explain", true},
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

static json_t *request_of(const struct action *action, const char *name, const char *word,
                          const struct ask_args *a)
{
    const struct {
        const char *key;
        int64_t value;
    } numbers[] = {{"partitions", a->partitions},
                   {"keep", a->keep_ms},
                   {"age", a->age_ms},
                   {"min", a->min_snapshots}};
    const struct {
        const char *key, *value;
    } texts[] = {{"word", word},
                 {"snapshot", a->snapshot},
                 {"before", a->before},
                 {"branch", a->branch},
                 {"to", a->to},
                 {"from", a->from}};
    const struct {
        const char *key;
        bool value;
    } flags[] = {{"drop", a->drop}, {"purge", a->purge}, {"replace", a->replace}};
    json_t *config = config_json(&a->configs), *request;

    if (!config)
        return NULL;
    request = json_pack("{s:s,s:o,s:I,s:b}", "verb", action->verb, "config", config, "tail",
                        (json_int_t)a->tail, "all", a->all);
    if (request && name)
        json_object_set_new(request, "name", json_string(name));
    for (size_t i = 0; request && i < COUNT_OF(numbers); i++)
        if (numbers[i].value >= 0)
            json_object_set_new(request, numbers[i].key, json_integer(numbers[i].value));
    for (size_t i = 0; request && i < COUNT_OF(texts); i++)
        if (texts[i].value)
            json_object_set_new(request, texts[i].key, json_string(texts[i].value));
    for (size_t i = 0; request && i < COUNT_OF(flags); i++)
        if (flags[i].value)
            json_object_set_new(request, flags[i].key, json_true());
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

static bool arguments_fit(const struct action *action, size_t count)
{
    size_t most = 1u + action->takes_name + (action->word != NULL);

    if (count == 0)
        return true; /* the command alone lists */
    if (action->may_name)
        return count <= 2;
    return count == most || (action->word && action->word[0] == '[' && count == most - 1);
}

/* The same question every second, drawn over the last answer where a person looks on. */
static int follow(const char *data, json_t *request, bool json)
{
    bool screen = term_is_tty(STDOUT_FILENO);
    int code = CLI_OK;

    json_object_set_new(request, "follow", json_string("yes"));
    while (!code) {
        if (screen)
            printf("\033[H\033[2J");
        code = rows_ask(data, request, json);
        fflush(stdout);
        clock_system()->sleep_ns(clock_system(), 1000000000);
    }
    return code;
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
    if (!arguments_fit(action, call->args->count))
        return cli_fail(CLI_USAGE, "usage: tarn %s %s%s%s%s", call->name, word,
                        action->takes_file   ? " FILE"
                        : action->takes_name ? " NAME"
                                             : "",
                        action->word ? " " : "", action->word ? action->word : "");
    code = cli_data_path(a->project, a->data, &data);
    if (code)
        return code;
    request = request_of(action,
                         action->takes_name || (action->may_name && call->args->count > 1)
                             ? call->args->items[1]
                             : NULL,
                         call->args->count > 2 ? call->args->items[2] : NULL, a);
    code = !request             ? CLI_USAGE
           : action->takes_file ? add_file(request, call->args->items[1])
                                : CLI_OK;
    if (!code && a->follow && !strcmp(action->verb, "job.show"))
        code = follow(data, request, a->json);
    else if (!code)
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
ASK(table,
    "[list | show NAME | describe NAME | history NAME | files NAME | rollback NAME [SNAPSHOT] |\n"
    "                  tag NAME TAG | branch NAME BRANCH | pick NAME SNAPSHOT |\n"
    "                  register NAME LOCATION | drop NAME |\n"
    "                  health [NAME]]",
    "Iceberg tables, their snapshots, branches and tags", table_options,
    "  tarn table list\n  tarn table history payments_db.payment_charges\n"
    "  tarn table health payments_db.payment_charges    what it needs, and why\n"
    "  tarn table tag payments_db.payment_charges before-release --keep 30d\n"
    "  tarn table rollback payments_db.payment_charges 5861903817421637271\n");
ASK(job,
    "[list | show NAME | explain NAME | submit FILE | cancel NAME |\n"
    "                stop NAME | savepoint NAME | start NAME]",
    "streaming jobs", job_options,
    "  tarn job list\n  tarn job cancel payments\n  tarn job submit streams/payments.sql\n"
    "  tarn job show payments -f                rates, lag, watermarks, state, every second\n"
    "  tarn job explain payments                which partition holds a window back\n"
    "  tarn job stop payments                   commits, prints the path of a savepoint, ends\n"
    "  tarn job start payments                  goes on where it was\n"
    "  tarn job start payments --from PATH      goes back to a savepoint\n");
ASK(dlq, "[list | show JOB | retry JOB]", "records that could not become rows", dlq_options,
    "  tarn dlq list\n  tarn dlq show payments -n 5\n  tarn dlq retry payments    once the cause "
    "is cured\n");
