/* loop.c - one libuv loop with a queue that other threads post to.
 *
 * A turn ends in libuv's prepare step, right before the loop waits: it comes after timers, sockets,
 * posts and close callbacks alike, while the check step would leave the work that timers noted
 * waiting for the next packet. There the hooks do their batched work, and then the conns send.
 */
#include "base/loop_int.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/diag.h"

static int uv_err(struct err *err, int number, const char *what)
{
    return err_errno(err, -number, "%s", what); /* libuv's codes are negated errnos on Linux */
}

/* ---- posts ---- */

static struct post *take_posts(struct loop *loop)
{
    struct post *posts;

    pthread_mutex_lock(&loop->mutex);
    posts = loop->first;
    loop->first = NULL;
    loop->last = &loop->first;
    loop->waking = false;
    pthread_mutex_unlock(&loop->mutex);
    return posts;
}

static void run_posts(struct loop *loop)
{
    struct post *post = take_posts(loop), *next;

    for (; post; post = next) {
        next = post->next;
        loop->busy = true;
        post->fn(post->arg);
        free(post);
    }
}

static void on_wake(uv_async_t *async)
{
    struct loop *loop = async->data;
    bool stopped;

    run_posts(loop);
    pthread_mutex_lock(&loop->mutex);
    stopped = loop->stopped;
    pthread_mutex_unlock(&loop->mutex);
    if (stopped)
        uv_stop(&loop->uv);
}

int loop_post(struct loop *loop, void (*fn)(void *arg), void *arg)
{
    struct post *post = malloc(sizeof(*post));
    bool wake = false, closed;

    if (!post)
        return ERR_NOMEM;
    *post = (struct post){NULL, fn, arg};
    pthread_mutex_lock(&loop->mutex);
    closed = loop->closed;
    if (!closed) {
        *loop->last = post;
        loop->last = &post->next;
        wake = !loop->waking; /* one wake-up carries any number of posts */
        loop->waking = true;
        /* Under the lock: once it is released the loop may end and be freed by its owner. */
        if (wake)
            uv_async_send(&loop->wake);
    }
    pthread_mutex_unlock(&loop->mutex);
    if (closed)
        free(post);
    return closed ? ERR_CLOSED : 0;
}

void loop_stop(struct loop *loop)
{
    pthread_mutex_lock(&loop->mutex);
    loop->stopped = true;
    uv_async_send(&loop->wake);
    pthread_mutex_unlock(&loop->mutex);
}

/* ---- turns ---- */

static void on_prepare(uv_prepare_t *prepare)
{
    struct loop *loop = prepare->data;

    if (loop->busy) {
        loop->busy = false;
        for (int i = 0; i < loop->hook_count; i++)
            loop->hooks[i].fn(loop->hooks[i].arg);
    }
    conns_flush(loop);
    if (loop->busy) /* a file range went out and its owner was told: the hooks have news */
        uv_async_send(&loop->wake);
}

void loop_on_turn(struct loop *loop, void (*fn)(void *arg), void *arg)
{
    assert(loop->hook_count < TURN_HOOKS_MAX);
    loop->hooks[loop->hook_count++] = (struct turn_hook){fn, arg};
}

/* ---- life ---- */

static int open_handles(struct loop *loop)
{
    int rc = uv_loop_init(&loop->uv);

    if (rc)
        return rc;
    loop->opened = true;
    rc = uv_async_init(&loop->uv, &loop->wake, on_wake);
    if (rc)
        return rc;
    loop->wake.data = loop;
    uv_prepare_init(&loop->uv, &loop->prepare); /* these two cannot fail */
    loop->prepare.data = loop;
    uv_prepare_start(&loop->prepare, on_prepare);
    return 0;
}

int loop_new(struct loop **out, struct err *err)
{
    struct loop *loop = calloc(1, sizeof(*loop));
    int rc;

    *out = NULL;
    if (!loop)
        return err_set(err, ERR_NOMEM, "event loop");
    loop->last = &loop->first;
    pthread_mutex_init(&loop->mutex, NULL);
    loop->read_bytes = malloc(READ_BYTES);
    if (!loop->read_bytes) {
        loop_free(loop);
        return err_set(err, ERR_NOMEM, "event loop");
    }
    rc = open_handles(loop);
    if (rc) {
        loop_free(loop);
        return uv_err(err, rc, "event loop");
    }
    signal(SIGPIPE, SIG_IGN); /* sendfile knows no flag for it: a lost peer is an error code */
    *out = loop;
    return 0;
}

/* Only our own two handles are closed here; timers, listeners and conns close themselves. */
static void close_own(uv_handle_t *handle, void *arg)
{
    struct loop *loop = arg;

    if ((handle == (uv_handle_t *)&loop->wake || handle == (uv_handle_t *)&loop->prepare) &&
        !uv_is_closing(handle))
        uv_close(handle, NULL);
}

void loop_free(struct loop *loop)
{
    struct post *post, *next;
    int rc = 0;

    if (!loop)
        return;
    if (loop->opened) {
        conns_close_all(loop);
        uv_walk(&loop->uv, close_own, loop);
        /* Close callbacks may close more, but no more than a few rounds deep. */
        for (int i = 0; i < 16 && (rc = uv_loop_close(&loop->uv)) == UV_EBUSY; i++)
            uv_run(&loop->uv, UV_RUN_NOWAIT);
        if (rc)
            diag_warn("loop", "freed before its timers and listeners");
    }
    for (post = take_posts(loop); post; post = next) {
        next = post->next;
        free(post);
    }
    pthread_mutex_destroy(&loop->mutex);
    free(loop->read_bytes);
    free(loop);
}

/* Whatever loop_post accepted runs: after the stop the queue is emptied until it stays empty. */
static bool close_queue(struct loop *loop)
{
    bool empty;

    pthread_mutex_lock(&loop->mutex);
    empty = !loop->first;
    loop->closed = empty;
    pthread_mutex_unlock(&loop->mutex);
    return empty;
}

int loop_run(struct loop *loop)
{
    pthread_mutex_lock(&loop->mutex);
    loop->closed = false;
    pthread_mutex_unlock(&loop->mutex);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    do {
        run_posts(loop);
        on_prepare(&loop->prepare);
    } while (!close_queue(loop));
    pthread_mutex_lock(&loop->mutex);
    loop->stopped = false;
    pthread_mutex_unlock(&loop->mutex);
    return 0;
}

static void *loop_main(void *arg)
{
    loop_run(arg);
    return NULL;
}

int loop_start(struct loop *loop, const char *name, struct err *err)
{
    sigset_t all, before;
    char text[16]; /* what Linux allows for a thread */
    int rc;

    sigfillset(&all); /* signals are the main thread's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&loop->thread, NULL, loop_main, loop);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc)
        return err_errno(err, rc, "thread of loop %s", name);
    loop->started = true;
    snprintf(text, sizeof(text), "%s", name);
    pthread_setname_np(loop->thread, text);
    return 0;
}

void loop_join(struct loop *loop)
{
    if (!loop || !loop->started)
        return;
    loop_stop(loop);
    pthread_join(loop->thread, NULL);
    loop->started = false;
}

/* ---- timers ---- */

struct timer {
    uv_timer_t uv;
    struct loop *loop;
    void (*fn)(void *arg);
    void *arg;
};

static void on_timer(uv_timer_t *uv)
{
    struct timer *timer = uv->data;

    timer->loop->busy = true;
    timer->fn(timer->arg);
}

int timer_new(struct timer **out, struct loop *loop, void (*fn)(void *arg), void *arg,
              struct err *err)
{
    struct timer *timer = calloc(1, sizeof(*timer));

    *out = timer;
    if (!timer)
        return err_set(err, ERR_NOMEM, "timer");
    *timer = (struct timer){.loop = loop, .fn = fn, .arg = arg};
    uv_timer_init(&loop->uv, &timer->uv); /* cannot fail */
    timer->uv.data = timer;
    return 0;
}

void timer_start(struct timer *timer, int64_t after_ms, int64_t every_ms)
{
    /* libuv counts from the start of the turn, which may be long ago. */
    uv_update_time(&timer->loop->uv);
    uv_timer_start(&timer->uv, on_timer, after_ms > 0 ? (uint64_t)after_ms : 0,
                   every_ms > 0 ? (uint64_t)every_ms : 0);
}

void timer_stop(struct timer *timer) { uv_timer_stop(&timer->uv); }

static void timer_closed(uv_handle_t *handle) { free(handle->data); }

void timer_free(struct timer *timer)
{
    if (timer)
        uv_close((uv_handle_t *)&timer->uv, timer_closed);
}
