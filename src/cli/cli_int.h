/* cli_int.h - what the commands share. */
#ifndef CLI_CLI_INT_H
#define CLI_CLI_INT_H

#include "cli/cli.h"

extern const struct room *cli_rooms; /* what `up` starts; ended by a NULL name */

#endif
