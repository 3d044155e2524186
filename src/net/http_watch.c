/* http_watch.c - a watch over connections that take a place and ask nothing.
 *
 * libmicrohttpd closes a connection on which no byte moves. One that is sent a byte of a header now
 * and then stays open for ever, and a few hundred of those shut everybody else out. So a thread
 * looks once a second at the connections that are not at work: who has waited too long for a whole
 * request is told 408 and shut; when places get scarce, after CROWDED_S already. It alone writes to
 * such a connection: libmicrohttpd waits for bytes then.
 */
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>

#include "net/http_int.h"

#define CROWDED_S 5

struct http_watch {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    bool started, ending;
    struct http_conn *conns;
    int open, max, wait_s;
};

static int64_t now_ns(void)
{
    return clock_mono_ns(clock_system());
}

/* Under the lock, so that the descriptor is still this connection's. */
static void shut(struct http_conn *conn)
{
    static const char answer[] = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n"
                                 "Content-Length: 0\r\n\r\n";

    conn->shut = true;
    if (!conn->is_tls)
        send(conn->fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    shutdown(conn->fd, SHUT_RDWR);
}

static void look(struct http_watch *watch)
{
    bool crowded = watch->open > watch->max - watch->max / 8;
    int64_t wait_s = crowded && watch->wait_s > CROWDED_S ? CROWDED_S : watch->wait_s;
    int64_t before = now_ns() - wait_s * 1000000000;

    for (struct http_conn *conn = watch->conns; conn; conn = conn->next)
        if (!__atomic_load_n(&conn->busy, __ATOMIC_ACQUIRE) && !conn->shut && conn->fd >= 0 &&
            __atomic_load_n(&conn->since_ns, __ATOMIC_RELAXED) < before)
            shut(conn);
}

static void *watch_run(void *arg)
{
    struct http_watch *watch = arg;

    pthread_mutex_lock(&watch->lock);
    while (!watch->ending) {
        struct timespec until;

        if (watch->open == 0) { /* nothing to look at: no ticking while nobody is there */
            pthread_cond_wait(&watch->wake, &watch->lock);
            continue;
        }
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec++;
        pthread_cond_timedwait(&watch->wake, &watch->lock, &until);
        look(watch);
    }
    pthread_mutex_unlock(&watch->lock);
    return NULL;
}

int http_watch_new(struct http_watch **out, int max, int wait_s)
{
    struct http_watch *watch = calloc(1, sizeof(*watch));

    if (!watch)
        return ERR_NOMEM;
    watch->max = max;
    watch->wait_s = wait_s;
    pthread_mutex_init(&watch->lock, NULL);
    pthread_cond_init(&watch->wake, NULL);
    watch->started = pthread_create(&watch->thread, NULL, watch_run, watch) == 0;
    if (!watch->started) {
        http_watch_free(watch);
        return ERR_NOMEM;
    }
    *out = watch;
    return 0;
}

void http_watch_free(struct http_watch *watch)
{
    if (!watch)
        return;
    if (watch->started) {
        pthread_mutex_lock(&watch->lock);
        watch->ending = true;
        pthread_cond_signal(&watch->wake);
        pthread_mutex_unlock(&watch->lock);
        pthread_join(watch->thread, NULL);
    }
    pthread_mutex_destroy(&watch->lock);
    pthread_cond_destroy(&watch->wake);
    free(watch);
}

struct http_conn *http_watch_add(struct http_watch *watch, int fd, bool is_tls)
{
    struct http_conn *conn = calloc(1, sizeof(*conn));

    if (!conn)
        return NULL; /* served, and not watched */
    *conn = (struct http_conn){.fd = fd, .is_tls = is_tls, .since_ns = now_ns()};
    pthread_mutex_lock(&watch->lock);
    conn->over = ++watch->open > watch->max;
    conn->next = watch->conns;
    conn->prev = &watch->conns;
    if (conn->next)
        conn->next->prev = &conn->next;
    watch->conns = conn;
    if (watch->open == 1)
        pthread_cond_signal(&watch->wake);
    pthread_mutex_unlock(&watch->lock);
    return conn;
}

void http_watch_remove(struct http_watch *watch, struct http_conn *conn)
{
    if (!conn)
        return;
    pthread_mutex_lock(&watch->lock);
    watch->open--;
    *conn->prev = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    pthread_mutex_unlock(&watch->lock);
    free(conn);
}

void http_watch_busy(struct http_conn *conn, bool busy)
{
    if (!conn)
        return;
    __atomic_store_n(&conn->since_ns, now_ns(), __ATOMIC_RELAXED);
    __atomic_store_n(&conn->busy, busy, __ATOMIC_RELEASE); /* twice a request: no lock */
}
