/* upkeep_cmds.c - `tarn maintain` and `tarn fsck`. */
#include <signal.h>
#include <stdio.h>

#include "cli/cli_int.h"
#include "cli/verbs.h"

struct upkeep_args {
    const char *project, *data;
    bool json, dry, quiet;
};
#define AT(field) offsetof(struct upkeep_args, field)
#define COMMON                                                                                     \
    {"project", 'p', OPT_STR, AT(project), "DIR", "the project (default: .)"},                     \
        {"data", 0, OPT_STR, AT(data), "DIR", "its data folder, when it is elsewhere"},            \
    {                                                                                              \
        "json", 0, OPT_FLAG, AT(json), NULL, "as JSON, for scripts"                                \
    }

static const struct option maintain_options[] = {
    COMMON,
    {"dry-run", 'n', OPT_FLAG, AT(dry), NULL, "says what it would do, with numbers, and why"},
    {NULL}};
static const struct option fsck_options[] = {
    COMMON, {"quiet", 'q', OPT_FLAG, AT(quiet), NULL, "damage alone: no notes"}, {NULL}};
static const struct upkeep_args defaults = {.project = "."};

static int run_maintain(const struct cli_call *call)
{
    const struct upkeep_args *a = call->options;
    json_t *request;
    char *data = NULL;
    int code;

    if (call->args->count != 1)
        return cli_fail(CLI_USAGE, "usage: tarn maintain NAMESPACE.TABLE [--dry-run]");
    code = cli_data_path(a->project, a->data, &data);
    if (code)
        return code;
    request = json_pack("{s:s, s:s, s:b}", "verb", "maintain", "name", call->args->items[0], "dry",
                        a->dry);
    code = rows_ask(data, request, a->json);
    json_decref(request);
    free(data);
    return code;
}

const struct cli_command command_maintain = {
    .name = "maintain",
    .args = "TABLE",
    .summary = "do all that a table needs, now",
    .examples = "  tarn maintain shop.orders --dry-run    what it would do, and why\n"
                "  tarn maintain shop.orders\n",
    .options = maintain_options,
    .options_size = sizeof(struct upkeep_args),
    .defaults = &defaults,
    .run = run_maintain};

/* ---- fsck ---- */

struct report {
    const struct upkeep_args *args;
    int64_t damages, tables;
};

static const char *text_of(const json_t *line, const char *key)
{
    const char *text = json_string_value(json_object_get(line, key));

    return text ? text : "";
}

static long long number_of(const json_t *line, const char *key)
{
    return json_integer_value(json_object_get(line, key));
}

static void print_line(const struct report *r, const json_t *line)
{
    if (r->args->json) {
        json_dumpf(line, stdout, JSON_COMPACT);
        putchar('\n');
    } else if (json_object_get(line, "finding")) {
        printf("%s %s: %s %s\n", strcmp(text_of(line, "finding"), "damage") ? "note  " : "DAMAGE",
               text_of(line, "table"), text_of(line, "file"), text_of(line, "what"));
    } else {
        printf(
            "%s %s: %lld damages; %lld refs, %lld snapshots, %lld manifests, %lld data files and "
            "%lld delete files, %lld rows, %lld bytes; %lld files unreferenced (%lld bytes)\n",
            number_of(line, "damages") ? "BAD   " : "ok    ", text_of(line, "checked"),
            number_of(line, "damages"), number_of(line, "refs"), number_of(line, "snapshots"),
            number_of(line, "manifests"), number_of(line, "data_files"),
            number_of(line, "delete_files"), number_of(line, "rows"), number_of(line, "bytes"),
            number_of(line, "unreferenced"), number_of(line, "unreferenced_bytes"));
    }
}

static int take_line(void *arg, json_t *line, struct err *err)
{
    struct report *r = arg;

    (void)err;
    if (json_object_get(line, "checked")) {
        r->damages += number_of(line, "damages");
        r->tables++;
    }
    if (r->args->quiet && !strcmp(text_of(line, "finding"), "note"))
        return 0;
    if (json_object_get(line, "checked") || json_object_get(line, "finding"))
        print_line(r, line);
    return 0;
}

static int take_answer(void *arg, const json_t *answer, struct err *err)
{
    return take_line(arg, (json_t *)answer, err);
}

/* Nobody runs on the folder: its rooms are opened here, without their doors. */
static int check_here(struct config *config, const char *data, const char *name, struct report *r,
                      struct err *err)
{
    struct instance in = {.config = config,
                          .disk = disk_system(),
                          .clock = clock_system(),
                          .data_path = data,
                          .offline = true};
    struct fsck_out out = {take_line, NULL, r};
    int rc;

    if (!disk_exists(disk_system(), data))
        return err_set(err, ERR_CLOSED, "nothing runs on %s, and there is no such folder", data);
    config->kafka.enabled = config->s3.enabled = config->catalog.enabled = false;
    diag_set_level(DIAG_WARN);
    rc = data_dir_open(&in.data, in.disk, data, err);
    if (!rc) {
        rc = instance_start(&in, cli_rooms, err);
        if (!rc) {
            rc = fsck_answer(&in, name, &out, err);
            instance_stop(&in, cli_rooms);
        }
    }
    data_dir_close(in.data);
    return rc;
}

static int check(struct config *config, const char *data, const char *name, struct report *r,
                 struct err *err)
{
    json_t *request = json_pack("{s:s, s:s}", "verb", "fsck", "name", name);
    int rc = request ? control_call(data, request, take_answer, r, err)
                     : err_set(err, ERR_NOMEM, "fsck");

    json_decref(request);
    if (rc != ERR_CLOSED)
        return rc;
    *err = (struct err){0};
    return check_here(config, data, name, r, err);
}

static int run_fsck(const struct cli_call *call)
{
    const struct upkeep_args *a = call->options;
    const char *name = call->args->count ? call->args->items[0] : "";
    struct report r = {.args = a};
    struct config *config = NULL;
    struct err err = {0};
    int code, rc;

    if (call->args->count > 1)
        return cli_fail(CLI_USAGE, "usage: tarn fsck [NAMESPACE.TABLE]");
    code = a->data && !cli_has_project(a->project)
               ? (config_default(&config, &err) ? cli_fail(CLI_FAILED, "%s", err.text) : CLI_OK)
               : cli_project(a->project, &config);
    if (code)
        return code;
    signal(SIGPIPE, SIG_IGN);
    rc = check(config, a->data ? a->data : config->data, name, &r, &err);
    if (rc)
        code = cli_fail(rc == ERR_CLOSED ? CLI_NOT_RUNNING : CLI_FAILED, "%s", err.text);
    else if (r.damages)
        code = cli_fail(CLI_FAILED, "%lld damages in %lld tables", (long long)r.damages,
                        (long long)r.tables);
    config_free(config);
    return code;
}

const struct cli_command command_fsck = {
    .name = "fsck",
    .args = "[TABLE]",
    .summary = "prove every table readable: every ref, every file, every row count",
    .examples = "  tarn fsck                          all tables of this project, running or not\n"
                "  tarn fsck shop.orders --json\n"
                "  tarn fsck --data /srv/tarn -q      damage alone; the exit code says: 0 none\n",
    .options = fsck_options,
    .options_size = sizeof(struct upkeep_args),
    .defaults = &defaults,
    .run = run_fsck};
