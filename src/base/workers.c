/* workers.c - a fixed number of threads behind one bounded queue. The work is the caller's own
 * memory, so submitting allocates nothing; `done` travels back through loop_post. */
#include "base/workers.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/diag.h"
#include "base/loop.h"

struct workers {
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct work *first, **last; /* the queue */
    int queued, queue_max;
    bool stopping;
    int count;
    char name[16]; /* what Linux allows for a thread */
    pthread_t threads[];
};

static struct work *next_work(struct workers *workers)
{
    struct work *work;

    pthread_mutex_lock(&workers->mutex);
    while (!workers->first && !workers->stopping)
        pthread_cond_wait(&workers->wake, &workers->mutex);
    work = workers->first;
    if (work) {
        workers->first = work->next;
        if (!workers->first)
            workers->last = &workers->first;
        workers->queued--;
    }
    pthread_mutex_unlock(&workers->mutex);
    return work;
}

static void posted_done(void *arg)
{
    struct work *work = arg;

    work->done(work);
}

/* A caller that never hears `done` waits for ever, so a post that finds no memory is tried until it
 * gets through; only a loop that has stopped for good drops it. */
static void deliver(struct work *work)
{
    struct loop *loop = work->loop;
    int rc;

    if (!work->done)
        return;
    if (!loop) {
        work->done(work);
        return;
    }
    while ((rc = loop_post(loop, posted_done, work)) == ERR_NOMEM)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    if (rc)
        diag_warn("workers", "finished after its loop had stopped");
}

static void *worker_main(void *arg)
{
    struct workers *workers = arg;
    struct work *work;

    while ((work = next_work(workers))) {
        work->run(work);
        deliver(work);
    }
    return NULL;
}

/* Signals are the main thread's: a worker that took one would be interrupted in a write. */
static int start_thread(struct workers *workers, pthread_t *thread)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(thread, NULL, worker_main, workers);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc == 0)
        pthread_setname_np(*thread, workers->name);
    return rc;
}

int workers_new(struct workers **out, const char *name, int threads, int queue_max,
                struct err *err)
{
    struct workers *workers;

    *out = NULL;
    if (threads < 1 || queue_max < 1)
        return err_set(err, ERR_INVALID, "workers %s: %d threads, queue of %d", name, threads,
                       queue_max);
    workers = calloc(1, sizeof(*workers) + (size_t)threads * sizeof(workers->threads[0]));
    if (!workers)
        return err_set(err, ERR_NOMEM, "workers %s", name);
    pthread_mutex_init(&workers->mutex, NULL);
    pthread_cond_init(&workers->wake, NULL);
    workers->last = &workers->first;
    workers->queue_max = queue_max;
    snprintf(workers->name, sizeof(workers->name), "%s", name);
    for (; workers->count < threads; workers->count++) {
        int rc = start_thread(workers, &workers->threads[workers->count]);

        if (rc) {
            workers_free(workers);
            return err_errno(err, rc, "workers %s: thread", name);
        }
    }
    *out = workers;
    return 0;
}

void workers_free(struct workers *workers)
{
    if (!workers)
        return;
    pthread_mutex_lock(&workers->mutex);
    workers->stopping = true;
    pthread_cond_broadcast(&workers->wake);
    pthread_mutex_unlock(&workers->mutex);
    for (int i = 0; i < workers->count; i++)
        pthread_join(workers->threads[i], NULL);
    pthread_cond_destroy(&workers->wake);
    pthread_mutex_destroy(&workers->mutex);
    free(workers);
}

int workers_submit(struct workers *workers, struct work *work)
{
    int rc = 0;

    work->next = NULL;
    pthread_mutex_lock(&workers->mutex);
    if (workers->stopping) {
        rc = ERR_CLOSED;
    } else if (workers->queued >= workers->queue_max) {
        rc = ERR_LIMIT;
    } else {
        *workers->last = work;
        workers->last = &work->next;
        workers->queued++;
        pthread_cond_signal(&workers->wake);
    }
    pthread_mutex_unlock(&workers->mutex);
    return rc;
}
