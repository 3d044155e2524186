/* feeder.h - the generators that run with `tarn up`: a thread that produces over the Kafka
 * protocol, like any client would.
 *
 * How far the made-up time has come is kept in DATA/generators.json, so that ids go on after a
 * restart. It is written ahead, as a reservation: after a crash some ids are left out, none comes
 * twice.
 */
#ifndef CLI_FEEDER_H
#define CLI_FEEDER_H

#include "cli/config.h"

struct feeder;

struct feeder_options {
    const struct config *config; /* borrowed for life, as are the next two */
    struct disk *disk;
    struct clock *clock;
    const char *data_path; /* borrowed for the call */
    int port;              /* of the broker */
};
/* Loads the templates and starts the thread. *out stays NULL when the project runs none. */
int feeder_new(struct feeder **out, const struct feeder_options *options, struct err *err);
void feeder_free(struct feeder *feeder); /* ends the thread; NULL is fine */
int64_t feeder_events(struct feeder *feeder);
/* Why it stands still right now; "" when it does not. Copied into `out`. */
void feeder_error(struct feeder *feeder, char *out, size_t size);

#endif
