/* loop_int.h - what loop.c and tcp.c share. */
#ifndef BASE_LOOP_INT_H
#define BASE_LOOP_INT_H

#include <pthread.h>
#include <uv.h>

#include "base/loop.h"

#define READ_BYTES     ((size_t)256 << 10)
#define TURN_HOOKS_MAX 16 /* a few rooms share a loop; each has one */

struct post {
    struct post *next;
    void (*fn)(void *arg);
    void *arg;
};

struct turn_hook {
    void (*fn)(void *arg);
    void *arg;
};

struct loop {
    uv_loop_t uv;
    uv_async_t wake;      /* other threads posted or want a stop */
    uv_prepare_t prepare; /* the end of a turn: after all callbacks, before waiting */
    bool busy;            /* a callback of ours ran since the end of the last turn */
    struct turn_hook hooks[TURN_HOOKS_MAX];
    int hook_count;
    struct conn *unsent;      /* conns with bytes queued in this turn */
    struct conn *conns;       /* all of them */
    uint8_t *read_bytes;      /* READ_BYTES, lent to one conn at a time */

    pthread_mutex_t mutex; /* guards the five below */
    struct post *first, **last;
    bool waking;  /* wake was sent and not yet answered */
    bool stopped; /* loop_stop was called */
    bool closed;  /* loop_run is over: nothing posted would run */

    pthread_t thread;
    bool started; /* thread is there to be joined */
    bool opened;  /* the libuv handles are there */
};

/* Sends what the conns of this turn have queued. */
void conns_flush(struct loop *loop);
/* Closes every conn that is left, sent or not. */
void conns_close_all(struct loop *loop);

#endif
