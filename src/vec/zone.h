/* zone.h - time zones, from the system's tz database.
 *
 * Names are Java's: regions ("Europe/Berlin"), offsets ("+02:00", "GMT+8", "UTC-5", "Z"). A zone is
 * read once and kept for the life of the program. Threads: any.
 */
#ifndef VEC_ZONE_H
#define VEC_ZONE_H

#include "base/base.h"

struct zone;

const struct zone *zone_get(struct slice name); /* NULL: no such zone */
int32_t zone_offset(const struct zone *zone, int64_t utc_seconds); /* seconds east of UTC */
/* Local clock to UTC as java.time has it: in a gap the clock moves on by the gap, of two instants
 * the earlier one counts (`late`: the later, as java.util.Calendar has it). */
int64_t zone_to_utc(const struct zone *zone, int64_t local_seconds, bool late);

#endif
