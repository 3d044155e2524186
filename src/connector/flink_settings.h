/* flink_settings.h - what becomes of each of Flink's settings here, by name.
 *
 * A setting is honoured; or changes nothing here, for a reason that whoever sets it is told; or
 * would change results in a way that is not built, and is refused with the value that does.
 * docs/flink-sql.md has the same table.
 */
#ifndef CONNECTOR_FLINK_SETTINGS_H
#define CONNECTOR_FLINK_SETTINGS_H

#include "base/base.h"

/* ERR_UNSUPPORTED: this value means something that is not built. */
int flink_setting_check(const char *key, const char *value, struct err *err);
/* Why it changes nothing; NULL: it does, or is no setting of Flink's. */
const char *flink_setting_note(const char *key, const char *value);

#endif
