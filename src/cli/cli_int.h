/* cli_int.h - what the commands share. */
#ifndef CLI_CLI_INT_H
#define CLI_CLI_INT_H

#include "cli/cli.h"

#include "base/yaml.h"

extern const struct cli_command command_check, command_generate;

/* One line each, FILE:LINE:COLUMN: what, on stderr. */
void cli_print_problems(const struct yaml_problems *problems);

extern const struct room *cli_rooms; /* what `up` starts; ended by a NULL name */

#endif
