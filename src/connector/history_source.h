/* history_source.h - an Iceberg table, then the topic it was filled from, as one source.
 *
 * A kafka table with 'tarn.history' = 'DATABASE.TABLE' is read so: the newest snapshot of that
 * table first, by the names of the columns, then the topic from the very offsets that the snapshot
 * holds ('tarn.offsets' in its summary, which every commit of a job writes). No row is missing
 * between the two and none comes twice, also when the table grows meanwhile.
 */
#ifndef CONNECTOR_HISTORY_SOURCE_H
#define CONNECTOR_HISTORY_SOURCE_H

#include "connector/factory.h"

/* `live` is the topic's source, taken, on errors too. */
int history_source_new(struct stream_source **out, const struct source_request *request,
                       const char *history, struct stream_source *live, struct err *err);

#endif
