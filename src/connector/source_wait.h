/* source_wait.h - how a source waits for rows: until a time, or until it is woken.
 *
 * Being woken while nobody waits ends the next wait at once. Whoever listens is told as well, on
 * the thread that has something to tell, with the lock held: it must not come back here.
 * Threads: any.
 */
#ifndef CONNECTOR_SOURCE_WAIT_H
#define CONNECTOR_SOURCE_WAIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct source_wait {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool woken;
    void (*listener)(void *arg); /* NULL: nobody listens */
    void *listener_arg;
};
void source_wait_init(struct source_wait *wait);
void source_wait_deinit(struct source_wait *wait);
void source_wait_for(struct source_wait *wait, int64_t timeout_ms);
void source_wait_wake(struct source_wait *wait);
void source_wait_listen(struct source_wait *wait, void (*fn)(void *arg), void *arg);
void source_wait_tell(struct source_wait *wait); /* wakes, and tells who listens */

#endif
