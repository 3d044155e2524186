/* bucket_cmd.c - `tarn bucket`: the object store's buckets and their settings. */
#include <stdio.h>

#include "cli/cli_int.h"
#include "cli/rows.h"

struct bucket_args {
    const char *project, *data;
    bool json;
};
#define AT(field) offsetof(struct bucket_args, field)

static const struct option bucket_options[] = {
    {"project", 'p', OPT_STR, AT(project), "DIR", "the project (default: .)"},
    {"data", 0, OPT_STR, AT(data), "DIR", "its data folder, when it is elsewhere"},
    {"json", 0, OPT_FLAG, AT(json), NULL, "as JSON, for scripts"},
    {NULL}};
static const struct bucket_args defaults = {.project = "."};

static const struct action {
    const char *name, *verb, *usage;
    size_t least, most; /* words behind the action */
} actions[] = {
    {"list", "bucket.list", "", 0, 0},
    {"show", "bucket.show", " NAME", 1, 1},
    {"create", "bucket.create", " NAME", 1, 1},
    {"remove", "bucket.remove", " NAME", 1, 1},
    {"policy", "bucket.policy", " NAME [none | read | write | readwrite | FILE.json]", 1, 2},
    {"versioning", "bucket.versioning", " NAME [on | off]", 1, 2},
    {"lifecycle", "bucket.lifecycle", " NAME [none | DAYS | FILE.xml]", 1, 2},
};

static int unknown_action(const char *name)
{
    const char *names[COUNT_OF(actions) + 1] = {NULL}, *near;

    for (size_t i = 0; i < COUNT_OF(actions); i++)
        names[i] = actions[i].name;
    near = nearest_name(name, names);
    return near ? cli_fail(CLI_USAGE, "bucket: no action '%s': did you mean '%s'?", name, near)
                : cli_fail(CLI_USAGE,
                           "bucket: no action '%s'; there are list, show, create, remove, policy, "
                           "versioning, lifecycle",
                           name);
}

/* A value that names a file stands for its text. */
static int add_value(json_t *request, const char *value)
{
    struct buf text = {.max = CONTROL_LINE_MAX / 2};
    struct err err = {0};
    int rc = 0;

    if (!strchr(value, '.') && !strchr(value, '/')) {
        json_object_set_new(request, "value", json_string(value));
        return CLI_OK;
    }
    rc = disk_read_file(disk_system(), value, &text, &err);
    if (!rc &&
        json_object_set_new(request, "value", json_stringn((const char *)text.ptr, text.len)))
        rc = err_set(&err, ERR_INVALID, "%s: not UTF-8", value);
    buf_deinit(&text);
    return rc ? cli_fail(CLI_USAGE, "%s", err.text) : CLI_OK;
}

static int run_bucket(const struct cli_call *call)
{
    const struct bucket_args *a = call->options;
    const struct option_list *words = call->args;
    const char *word = words->count ? words->items[0] : "list";
    size_t behind = words->count ? words->count - 1 : 0;
    const struct action *action = NULL;
    json_t *request;
    char *data = NULL;
    int code;

    for (size_t i = 0; i < COUNT_OF(actions); i++)
        if (strcmp(actions[i].name, word) == 0)
            action = &actions[i];
    if (!action)
        return unknown_action(word);
    if (behind < action->least || behind > action->most)
        return cli_fail(CLI_USAGE, "usage: tarn bucket %s%s", word, action->usage);
    code = cli_data_path(a->project, a->data, &data);
    if (code)
        return code;
    request = json_pack("{s:s,s:s}", "verb", action->verb, "name", behind ? words->items[1] : "");
    code = !request     ? cli_fail(CLI_USAGE, "the name is not UTF-8")
           : behind > 1 ? add_value(request, words->items[2])
                        : CLI_OK;
    if (!code)
        code = rows_ask(data, request, a->json);
    json_decref(request);
    free(data);
    return code;
}

const struct cli_command command_bucket = {
    .name = "bucket",
    .args = "[list | show NAME | create NAME | remove NAME | policy NAME [none | read | write | "
            "readwrite | FILE] | versioning NAME [on | off] | lifecycle NAME [none | DAYS | FILE]]",
    .summary = "buckets of the object store and their settings",
    .examples = "  tarn bucket list\n"
                "  tarn bucket create raw\n"
                "  tarn bucket versioning raw on\n"
                "  tarn bucket policy raw read       everybody may read\n"
                "  tarn bucket lifecycle raw 30      objects go after 30 days\n",
    .options = bucket_options,
    .options_size = sizeof(struct bucket_args),
    .defaults = &defaults,
    .run = run_bucket};
