/* demo.h - what a first visitor is shown: the project's queries, answered. */
#ifndef CLI_DEMO_H
#define CLI_DEMO_H

#include "cli/instance.h"

#define DEMO_AFTER_MS 30000 /* enough for some commits of data */

/* Prints each statement of the queries folder and its answer to stdout. */
int demo_show(struct instance *instance, struct err *err);

#endif
