/* cli_int.h - what the commands share. */
#ifndef CLI_CLI_INT_H
#define CLI_CLI_INT_H

#include "cli/cli.h"
#include "cli/config.h"

extern const struct cli_command command_bucket, command_check, command_dlq, command_doctor,
    command_down, command_fsck, command_generate, command_group, command_init, command_job,
    command_logs, command_maintain, command_sql, command_status, command_table, command_test,
    command_topic, command_up;

/* Reads a project; mistakes are printed. Returns an exit code. The caller owns *out. */
int cli_project(const char *dir, struct config **out);
bool cli_has_project(const char *dir);
/* The data folder: `data`, or what the project says. Returns an exit code; free *out. */
int cli_data_path(const char *project, const char *data, char **out);

/* What `tarn check` does: mistakes land in `problems` (ERR_INVALID), else `said` sums up. */
int cli_check(const char *dir, struct yaml_problems *problems, char *said, size_t said_size,
              struct err *err);

/* An instance of the project without ports or jobs, in a temporary folder that goes with it. What
 * it writes is not synced: nobody wants it after a loss of power. `fn`'s code is returned. */
struct instance;
typedef int cli_scratch_fn(struct instance *in, void *arg, struct err *err);
int cli_scratch(struct config *config, cli_scratch_fn *fn, void *arg, struct err *err);

/* One line each, FILE:LINE:COLUMN: what, on stderr. */
void cli_print_problems(const struct yaml_problems *problems);

extern const struct room *cli_rooms; /* what `up` starts; ended by a NULL name */

#endif
