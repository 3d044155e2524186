/* team.c - fork and join over a fixed number of threads.
 *
 * A run is written down under the mutex and told by its number; turns are then taken from a counter
 * without it. The caller takes turns too, so that a run whose helpers are slow to wake is done by
 * the caller alone, and a helper that comes late finds nothing left. Before the caller returns it
 * closes the run, so that nobody may enter any more, and waits for those who are inside. */
#include "base/team.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct team {
    pthread_mutex_t mutex;
    pthread_cond_t wake, left; /* a run is there; the last helper has left it */
    /* The run; written before it is open. */
    team_fn *fn;
    void *arg;
    size_t count;
    atomic_size_t next; /* turn to take */
    /* Under the mutex. */
    uint64_t number; /* of the run */
    bool open, stopping;
    int inside;    /* helpers */
    size_t failed; /* the lowest turn that did; SIZE_MAX: none */
    int rc;
    struct err err;

    char name[16]; /* what Linux allows for a thread */
    int helpers;
    pthread_t threads[];
};

static void note_failure(struct team *team, size_t turn, int rc, const struct err *err)
{
    atomic_store(&team->next, team->count); /* those below it were taken before */
    pthread_mutex_lock(&team->mutex);
    if (turn < team->failed) {
        team->failed = turn;
        team->rc = rc;
        team->err = *err;
    }
    pthread_mutex_unlock(&team->mutex);
}

static void take_turns(struct team *team)
{
    for (;;) {
        size_t turn = atomic_fetch_add(&team->next, 1);
        struct err err = {0};
        int rc;

        if (turn >= team->count)
            return;
        rc = team->fn(team->arg, turn, &err);
        if (rc)
            note_failure(team, turn, rc, &err);
    }
}

static void *helper_main(void *arg)
{
    struct team *team = arg;
    uint64_t seen = 0;

    pthread_mutex_lock(&team->mutex);
    for (;;) {
        while (!team->stopping && !(team->open && team->number != seen))
            pthread_cond_wait(&team->wake, &team->mutex);
        if (team->stopping)
            break;
        seen = team->number;
        team->inside++;
        pthread_mutex_unlock(&team->mutex);
        take_turns(team);
        pthread_mutex_lock(&team->mutex);
        if (--team->inside == 0)
            pthread_cond_signal(&team->left);
    }
    pthread_mutex_unlock(&team->mutex);
    return NULL;
}

/* Signals are the main thread's. */
static int start_helper(struct team *team, pthread_t *thread)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(thread, NULL, helper_main, team);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc == 0)
        pthread_setname_np(*thread, team->name);
    return rc;
}

int team_new(struct team **out, const char *name, int threads, struct err *err)
{
    struct team *team;

    *out = NULL;
    if (threads < 1)
        return err_set(err, ERR_INVALID, "team %s: %d threads", name, threads);
    team = calloc(1, sizeof(*team) + (size_t)threads * sizeof(team->threads[0]));
    if (!team)
        return err_set(err, ERR_NOMEM, "team %s", name);
    pthread_mutex_init(&team->mutex, NULL);
    pthread_cond_init(&team->wake, NULL);
    pthread_cond_init(&team->left, NULL);
    snprintf(team->name, sizeof(team->name), "%s", name);
    for (; team->helpers < threads - 1; team->helpers++) {
        int rc = start_helper(team, &team->threads[team->helpers]);

        if (rc) {
            team_free(team);
            return err_errno(err, rc, "team %s: thread", name);
        }
    }
    *out = team;
    return 0;
}

void team_free(struct team *team)
{
    if (!team)
        return;
    pthread_mutex_lock(&team->mutex);
    team->stopping = true;
    pthread_cond_broadcast(&team->wake);
    pthread_mutex_unlock(&team->mutex);
    for (int i = 0; i < team->helpers; i++)
        pthread_join(team->threads[i], NULL);
    pthread_cond_destroy(&team->wake);
    pthread_cond_destroy(&team->left);
    pthread_mutex_destroy(&team->mutex);
    free(team);
}

int team_threads(const struct team *team)
{
    return team ? team->helpers + 1 : 1;
}

static int run_alone(team_fn *fn, void *arg, size_t count, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < count && !rc; i++)
        rc = fn(arg, i, err);
    return rc;
}

static void open_run(struct team *team, team_fn *fn, void *arg, size_t count)
{
    pthread_mutex_lock(&team->mutex);
    team->fn = fn;
    team->arg = arg;
    team->count = count;
    team->failed = SIZE_MAX;
    team->rc = 0;
    atomic_store(&team->next, 0);
    team->number++;
    team->open = true;
    for (size_t i = 1; i < count && i <= (size_t)team->helpers; i++)
        pthread_cond_signal(&team->wake);
    pthread_mutex_unlock(&team->mutex);
}

int team_run(struct team *team, team_fn *fn, void *arg, size_t count, struct err *err)
{
    int rc;

    if (!team || !team->helpers || count < 2)
        return run_alone(fn, arg, count, err);
    open_run(team, fn, arg, count);
    take_turns(team);
    pthread_mutex_lock(&team->mutex);
    team->open = false;
    while (team->inside)
        pthread_cond_wait(&team->left, &team->mutex);
    rc = team->rc;
    if (rc && err)
        *err = team->err;
    pthread_mutex_unlock(&team->mutex);
    return rc;
}
