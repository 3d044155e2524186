/* rows.h - small tables that an instance answers with: columns, then rows, printed aligned or as
 * JSON.
 */
#ifndef CLI_ROWS_H
#define CLI_ROWS_H

#include "cli/control.h"

/* In a handler: the head, then each row; both take the reference of a JSON array. */
int rows_head(struct control_reply *reply, json_t *columns, struct err *err);
int rows_add(struct control_reply *reply, json_t *row, struct err *err);

/* In a command: asks and prints. `json`: an array of objects. Returns an exit code. */
int rows_ask(const char *data_path, const json_t *request, bool json);

#endif
