/* loop.h - one event loop per thread: timers, messages from other threads, TCP. Wraps libuv.
 *
 * A loop never blocks. Everything here is called on the loop's own thread, except loop_post,
 * loop_stop and loop_new. Callbacks run on the loop's thread.
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

struct loop;
struct timer;
struct listener;
struct conn;

int loop_new(struct loop **out, struct err *err);
/* Order of stopping: loop_join (or loop_run returned), free the listeners and timers, loop_free,
 * then free what the handlers point to: loop_free closes the conns that are left, and their
 * `closed` runs inside it, on the caller's thread. */
void loop_free(struct loop *loop);
int loop_run(struct loop *loop);   /* until loop_stop */
void loop_stop(struct loop *loop); /* any thread */
/* Runs fn(arg) on the loop's thread, in the order posted. What was accepted before loop_run ended
 * runs. ERR_NOMEM, ERR_CLOSED (the loop has run and stopped). Any thread. */
int loop_post(struct loop *loop, void (*fn)(void *arg), void *arg);
/* A thread that runs the loop; loop_join stops it and waits. */
int loop_start(struct loop *loop, const char *name, struct err *err);
void loop_join(struct loop *loop);
/* Called once at the end of every turn in which a callback ran, after all of them and before the
 * loop waits: where handlers do their batched work. What conns were given in the turn is sent right
 * after it. Up to 16 per loop, called in the order given. */
void loop_on_turn(struct loop *loop, void (*fn)(void *arg), void *arg);

int timer_new(struct timer **out, struct loop *loop, void (*fn)(void *arg), void *arg,
              struct err *err);
void timer_start(struct timer *timer, int64_t after_ms, int64_t every_ms); /* every 0: once */
void timer_stop(struct timer *timer);
void timer_free(struct timer *timer);

/* A TCP listener. ERR_BUSY when the port is taken; the text names the process that holds it when
 * /proc tells. `accepted` is given a conn that it owns. port 0 picks one: listener_port tells. */
int listener_new(struct listener **out, struct loop *loop, const char *address, int port,
                 void (*accepted)(void *arg, struct conn *conn), void *arg, struct err *err);
int listener_port(struct listener *listener);
void listener_free(struct listener *listener);

struct conn_handler {
    /* Bytes arrived: borrowed for the call. */
    void (*data)(void *arg, struct conn *conn, struct slice bytes);
    /* The peer closed or the connection failed; called once; the conn is freed after it. */
    void (*closed)(void *arg, struct conn *conn);
};

void conn_handle(struct conn *conn, const struct conn_handler *handler, void *arg);
/* Queues bytes, sent at the end of this turn; takes buf's memory and leaves buf empty, also when it
 * fails. ERR_NOMEM, ERR_CLOSED. */
int conn_write(struct conn *conn, struct buf *buf);
/* Queues len bytes of a file at pos, sent with sendfile; `done(arg)` once when they are out or the
 * conn died, so that the caller can release the file. Ordered with conn_write. When the call itself
 * fails (ERR_NOMEM, ERR_CLOSED), `done` is not called. len 0: done runs at once. */
int conn_send_file(struct conn *conn, int fd, int64_t pos, size_t len, void (*done)(void *arg),
                   void *arg);
size_t conn_queued(struct conn *conn);            /* bytes not yet sent */
void conn_read_pause(struct conn *conn, bool on); /* back-pressure */
void conn_close(struct conn *conn);               /* after what is queued; then `closed` runs */
const char *conn_peer(struct conn *conn);         /* "127.0.0.1:51234" */
const char *conn_local(struct conn *conn);        /* address the client dialled */
struct loop *conn_loop(struct conn *conn);

#endif
