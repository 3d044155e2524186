/* tcp_int.h - what tcp.c and tcp_port.c share. */
#ifndef BASE_TCP_INT_H
#define BASE_TCP_INT_H

#include "base/err.h"

/* Fills `err` with who listens on the port, as far as /proc tells, and returns ERR_BUSY. */
int port_taken(const char *address, int port, struct err *err);

#endif
