/* kafka_slices.h - the records of a poll decoded by several threads: each takes a run of them, with
 * decoders of its own, and what they make is put together in the order of the records.
 *
 * Records are only noted when they are added; their bytes stay until the next poll anyway.
 * Threads: belongs to the pipeline's, which shares the work out among its team.
 */
#ifndef CONNECTOR_KAFKA_SLICES_H
#define CONNECTOR_KAFKA_SLICES_H

#include "connector/kafka_rows.h"

struct kafka_slices;

/* `options` as of the source, borrowed for the call: its threads say how many there are. */
int kafka_slices_new(struct kafka_slices **out, const struct kafka_source_options *options,
                     struct err *err);
void kafka_slices_free(struct kafka_slices *slices); /* accepts NULL */
size_t kafka_slices_count(const struct kafka_slices *slices);

void kafka_slices_begin(struct kafka_slices *slices);
int kafka_slices_note(struct kafka_slices *slices, const struct kafka_origin *at,
                      const struct record *record, struct err *err);
/* Decodes what was noted into rows->out, their origins and rejects. */
int kafka_slices_decode(struct kafka_slices *slices, struct team *team, struct kafka_rows *rows,
                        struct err *err);

#endif
