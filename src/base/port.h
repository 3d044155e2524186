/* port.h - listening sockets, and who holds a port that is taken.
 * Threads: any.
 */
#ifndef BASE_PORT_H
#define BASE_PORT_H

#include <stddef.h>

#include "base/err.h"

/* A non-blocking, close-on-exec TCP socket that listens at address:port (numeric, v4 or v6; port 0
 * picks one, told through *bound). The caller owns *fd. ERR_BUSY when taken: the text names the
 * holder. ERR_INVALID: not an address. ERR_DENIED: a port below 1024 without the right. */
int port_listen(int *fd, const char *address, int port, int *bound, struct err *err);

/* Writes "kcat (process 4711)" for the process that listens on the port, or "another process" when
 * /proc does not tell (another user's process). Returns `out`. */
const char *port_holder(int port, char *out, size_t size);

/* Fills `err` with who listens on the port and returns ERR_BUSY. */
int port_taken(const char *address, int port, struct err *err);

#endif
