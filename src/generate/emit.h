/* emit.h - the writers of each kind of field (emit.c), for the table of kinds (kinds.c). */
#ifndef GENERATE_EMIT_H
#define GENERATE_EMIT_H

#include "generate/generate_int.h"

emit_fn emit_constant, emit_sequence, emit_pool, emit_id, emit_uuid, emit_choice, emit_number,
    emit_time, emit_pattern, emit_ref, emit_object, emit_array;

extern const char *const time_format_names[]; /* NULL-ended */

/* Pieces: each writes at `at`, where there is room for PUT_SLACK bytes, and gives the end.
 * Digits: at least so many, zeros in front. */
uint8_t *put_u64(uint8_t *at, uint64_t value, int digits);
uint8_t *put_date(uint8_t *at, int64_t days);      /* since 1970: 2024-02-29 */
uint8_t *put_clock(uint8_t *at, unsigned seconds); /* of the day: 12:34:56 */

/* With conditions, nulls and, when wanted, planted faults. NULL: the field is absent. */
uint8_t *node_write(const struct node *node, const struct place *place, uint8_t *at, bool faults);

#endif
