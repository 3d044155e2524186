/* dead_letters.h - where records go that could not become rows: topic JOB.dlq and table dlq.JOB.
 *
 * One sink per job. Its table is made when the first record is rejected. The topic is an owned log
 * (log/log.h): readers see its records once the job's commit that carries them is true, and
 * recovery cuts what lies beyond the committed end, so topic and table always hold the same
 * records.
 */
#ifndef CONNECTOR_DEAD_LETTERS_H
#define CONNECTOR_DEAD_LETTERS_H

#include "connector/lake_sink.h"

struct broker;

struct dead_letters_options {
    struct lake_sink_options sink; /* ident is set here */
    struct catalog *lake_catalog;  /* makes namespace and table */
    struct broker *broker;
    struct clock *clock;
    const char *job; /* borrowed for the call */
};
#define DEAD_LETTERS_NAMESPACE "dlq"
int dead_letters_new(struct stream_sink **out, const struct dead_letters_options *options,
                     struct err *err);

#endif
