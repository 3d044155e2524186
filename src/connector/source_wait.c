/* source_wait.c - a flag under a lock, on the monotonic clock. */
#include "connector/source_wait.h"

#include <time.h>

void source_wait_init(struct source_wait *w)
{
    pthread_condattr_t attr;

    pthread_mutex_init(&w->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->changed, &attr);
    pthread_condattr_destroy(&attr);
    w->woken = false;
    w->listener = NULL;
}

void source_wait_deinit(struct source_wait *w)
{
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->mutex);
}

void source_wait_for(struct source_wait *w, int64_t timeout_ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += timeout_ms % 1000 * 1000000;
    until.tv_sec += timeout_ms / 1000 + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&w->mutex);
    if (!w->woken)
        pthread_cond_timedwait(&w->changed, &w->mutex, &until);
    w->woken = false;
    pthread_mutex_unlock(&w->mutex);
}

void source_wait_wake(struct source_wait *w)
{
    pthread_mutex_lock(&w->mutex);
    w->woken = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->mutex);
}

void source_wait_listen(struct source_wait *w, void (*fn)(void *arg), void *arg)
{
    pthread_mutex_lock(&w->mutex);
    w->listener = fn;
    w->listener_arg = arg;
    pthread_mutex_unlock(&w->mutex);
}

void source_wait_tell(struct source_wait *w)
{
    pthread_mutex_lock(&w->mutex);
    w->woken = true;
    pthread_cond_signal(&w->changed);
    if (w->listener)
        w->listener(w->listener_arg);
    pthread_mutex_unlock(&w->mutex);
}
