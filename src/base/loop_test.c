/* loop_test.c - posts, timers, turns, workers and TCP, against plain blocking client sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base.h"
#include "base/loop.h"
#include "base/workers.h"

#define PIECE ((size_t)3 << 20)

/* ---- posts ---- */

#define POSTERS 4
#define POSTS   5000

struct poster {
    struct loop *loop;
    int next; /* what this poster's next message must be: touched on the loop only */
    int sent;
    bool wrong;
};

struct message {
    struct poster *from;
    int number;
};

static void take_message(void *arg)
{
    struct message *message = arg;

    message->from->wrong |= message->number != message->from->next;
    message->from->next++;
    free(message);
}

static void *post_many(void *arg)
{
    struct poster *poster = arg;

    for (int i = 0; i < POSTS; i++) {
        struct message *message = malloc(sizeof(*message));

        *message = (struct message){poster, i};
        if (loop_post(poster->loop, take_message, message))
            free(message);
        else
            poster->sent++;
    }
    return NULL;
}

static void posts_of_every_thread_arrive_once_and_in_order(void **state)
{
    struct poster posters[POSTERS] = {0};
    pthread_t threads[POSTERS];
    struct loop *loop;

    (void)state;
    assert_int_equal(loop_new(&loop, NULL), 0);
    assert_int_equal(loop_start(loop, "posts", NULL), 0);
    for (int i = 0; i < POSTERS; i++) {
        posters[i].loop = loop;
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, &posters[i]), 0);
    }
    for (int i = 0; i < POSTERS; i++)
        pthread_join(threads[i], NULL);
    loop_join(loop);
    for (int i = 0; i < POSTERS; i++) {
        assert_int_equal(posters[i].sent, POSTS);
        assert_int_equal(posters[i].next, POSTS); /* what was accepted runs, even at a stop */
        assert_false(posters[i].wrong);
    }
    assert_int_equal(loop_post(loop, take_message, NULL), ERR_CLOSED);
    loop_free(loop);
}

/* ---- timers and turns ---- */

struct turns {
    struct loop *loop;
    struct timer *timer;
    int noted, seen, ticks, hooks;
};

static void tick(void *arg)
{
    struct turns *turns = arg;

    turns->noted++;
    if (++turns->ticks == 3)
        loop_stop(turns->loop);
}

static void at_turn(void *arg)
{
    struct turns *turns = arg;

    turns->hooks++;
    turns->seen += turns->noted;
    turns->noted = 0;
}

static void what_a_timer_notes_is_done_in_the_same_turn(void **state)
{
    struct turns turns = {0};

    (void)state;
    assert_int_equal(loop_new(&turns.loop, NULL), 0);
    loop_on_turn(turns.loop, at_turn, &turns);
    assert_int_equal(timer_new(&turns.timer, turns.loop, tick, &turns, NULL), 0);
    timer_start(turns.timer, 1, 1);
    loop_run(turns.loop);
    assert_int_equal(turns.ticks, 3);
    assert_int_equal(turns.seen, 3);
    assert_int_equal(turns.noted, 0);
    timer_free(turns.timer);
    loop_free(turns.loop);
}

/* ---- workers ---- */

struct job {
    struct work work;
    int *done;
    pthread_t loop_thread;
    bool ran, on_loop;
};

static pthread_t loop_thread;

static void note_thread(void *arg)
{
    (void)arg;
    loop_thread = pthread_self();
}

static void run_job(struct work *work)
{
    ((struct job *)work)->ran = true;
}

static void job_done(struct work *work)
{
    struct job *job = (struct job *)work;

    job->on_loop = pthread_equal(pthread_self(), loop_thread);
    ++*job->done;
}

static void work_comes_back_to_its_loop(void **state)
{
    static struct job jobs[500];
    struct workers *workers;
    struct loop *loop;
    int done = 0;

    (void)state;
    assert_int_equal(loop_new(&loop, NULL), 0);
    assert_int_equal(loop_post(loop, note_thread, NULL), 0);
    assert_int_equal(loop_start(loop, "jobs", NULL), 0);
    assert_int_equal(workers_new(&workers, "test", 3, 500, NULL), 0);
    for (int i = 0; i < 500; i++) {
        jobs[i] = (struct job){.work = {run_job, job_done, loop, NULL}, .done = &done};
        assert_int_equal(workers_submit(workers, &jobs[i].work), 0);
    }
    workers_free(workers); /* runs what is queued */
    loop_join(loop);
    assert_int_equal(done, 500);
    for (int i = 0; i < 500; i++)
        assert_true(jobs[i].ran && jobs[i].on_loop);
    loop_free(loop);
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void wait_at_gate(struct work *work)
{
    (void)work;
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
}

static void a_full_queue_refuses_work(void **state)
{
    struct work works[16] = {{0}};
    struct workers *workers;
    int accepted = 0;

    (void)state;
    assert_int_equal(workers_new(&workers, "full", 1, 4, NULL), 0);
    pthread_mutex_lock(&gate);
    for (int i = 0; i < 16; i++) {
        works[i].run = wait_at_gate;
        int rc = workers_submit(workers, &works[i]);

        assert_true(rc == 0 || rc == ERR_LIMIT);
        accepted += rc == 0;
    }
    assert_true(accepted == 4 || accepted == 5); /* one may be with the worker already */
    pthread_mutex_unlock(&gate);
    workers_free(workers);
    assert_int_equal(workers_new(&workers, "none", 0, 4, NULL), ERR_INVALID);
}

/* ---- TCP ---- */

struct server {
    struct loop *loop;
    struct listener *listener;
    int accepted, closed, files_done;
    int fd; /* the file it sends */
};

static void serve_data(void *arg, struct conn *conn, struct slice bytes)
{
    struct server *server = arg;
    struct buf buf = {0};

    for (size_t i = 0; i < bytes.len; i++)
        switch (bytes.ptr[i]) {
        case 'q':
            conn_close(conn);
            buf_append_str(&buf, "too late");
            assert_int_equal(conn_write(conn, &buf), ERR_CLOSED);
            assert_null(buf.ptr);
            break;
        case 'f': /* head, file, tail: must arrive in this order */
            buf_append_str(&buf, "head:");
            conn_write(conn, &buf);
            conn_send_file(conn, server->fd, 1, PIECE - 1, NULL, NULL);
            buf_append_str(&buf, ":tail");
            conn_write(conn, &buf);
            break;
        case 'p':
            conn_read_pause(conn, true);
            break;
        case 'l': /* more than the file holds */
            conn_send_file(conn, server->fd, 0, PIECE + 1, NULL, NULL);
            break;
        default:
            buf_append_u8(&buf, bytes.ptr[i]);
            conn_write(conn, &buf);
        }
}

static void serve_closed(void *arg, struct conn *conn)
{
    (void)conn;
    __atomic_fetch_add(&((struct server *)arg)->closed, 1, __ATOMIC_SEQ_CST);
}

static const struct conn_handler serve = {serve_data, serve_closed};

static void serve_accepted(void *arg, struct conn *conn)
{
    struct server *server = arg;

    server->accepted++;
    assert_int_equal(strncmp(conn_peer(conn), "127.0.0.1:", 10), 0);
    assert_int_equal(atoi(conn_local(conn) + 10), listener_port(server->listener));
    assert_ptr_equal(conn_loop(conn), server->loop);
    conn_handle(conn, &serve, server);
}

static void open_server(struct server *server)
{
    char path[] = "/tmp/tarn-loop-XXXXXX";
    uint8_t *bytes = malloc(PIECE);

    *server = (struct server){.fd = mkstemp(path)};
    assert_true(server->fd >= 0);
    unlink(path);
    for (size_t i = 0; i < PIECE; i++)
        bytes[i] = (uint8_t)(i * 31 >> 8);
    assert_int_equal(write(server->fd, bytes, PIECE), PIECE);
    free(bytes);
    assert_int_equal(loop_new(&server->loop, NULL), 0);
    assert_int_equal(
        listener_new(&server->listener, server->loop, "127.0.0.1", 0, serve_accepted, server, NULL),
        0);
    assert_int_equal(loop_start(server->loop, "server", NULL), 0);
}

static void close_server(struct server *server)
{
    loop_join(server->loop);
    listener_free(server->listener);
    loop_free(server->loop);
    assert_int_equal(server->accepted, server->closed);
    close(server->fd);
}

static int dial(struct server *server)
{
    struct sockaddr_in where = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)listener_port(server->listener)),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = 10};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    assert_int_equal(connect(fd, (struct sockaddr *)&where, sizeof(where)), 0);
    return fd;
}

static void receive_exactly(int fd, uint8_t *bytes, size_t len)
{
    for (size_t got = 0; got < len;) {
        ssize_t n = recv(fd, bytes + got, len - got, 0);

        assert_true(n > 0);
        got += (size_t)n;
    }
}

static void bytes_are_echoed_and_a_close_is_clean(void **state)
{
    struct server server;
    uint8_t got[64];

    (void)state;
    open_server(&server);
    for (int i = 0; i < 20; i++) {
        int fd = dial(&server);

        assert_int_equal(send(fd, "abc", 3, 0), 3);
        receive_exactly(fd, got, 3);
        assert_memory_equal(got, "abc", 3);
        assert_int_equal(send(fd, "xyzq", 4, 0), 4);
        receive_exactly(fd, got, 3);
        assert_memory_equal(got, "xyz", 3);
        assert_int_equal(recv(fd, got, 1, 0), 0);
        close(fd);
    }
    int left_open = dial(&server), reset = dial(&server);
    struct linger now = {1, 0};

    assert_int_equal(send(left_open, "abc", 3, 0), 3);
    receive_exactly(left_open, got, 3);
    setsockopt(reset, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(reset);
    close_server(&server); /* every conn heard `closed` once */
    close(left_open);
}

static void files_and_bytes_arrive_in_order_through_a_slow_reader(void **state)
{
    struct server server;
    size_t len = 4 * (PIECE - 1 + 10);
    uint8_t *got = malloc(len);
    int fd, small = 256 << 10;

    (void)state;
    open_server(&server);
    fd = dial(&server);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    assert_int_equal(send(fd, "ffffq", 5, 0), 5);
    usleep(20000); /* the server fills the socket and has to wait */
    receive_exactly(fd, got, len);
    for (int k = 0; k < 4; k++) {
        const uint8_t *piece = got + (size_t)k * (PIECE - 1 + 10);

        assert_memory_equal(piece, "head:", 5);
        for (size_t i = 1; i < PIECE; i++)
            if (piece[4 + i] != (uint8_t)(i * 31 >> 8))
                fail_msg("byte %zu of piece %d", i, k);
        assert_memory_equal(piece + 4 + PIECE, ":tail", 5);
    }
    assert_int_equal(recv(fd, got, 1, 0), 0);
    close(fd);
    close_server(&server);
    free(got);
}

/* The peer counts on the length it was told: nothing else may follow in its place. */
static void a_file_shorter_than_promised_ends_the_conn(void **state)
{
    struct server server;
    uint8_t *got = malloc(PIECE);
    int fd;

    (void)state;
    open_server(&server);
    fd = dial(&server);
    assert_int_equal(send(fd, "lz", 2, 0), 2);
    receive_exactly(fd, got, PIECE);
    assert_true(recv(fd, got, 1, 0) <= 0);
    close(fd);
    close_server(&server);
    free(got);
}

static void a_taken_port_names_its_holder(void **state)
{
    struct listener *second;
    struct server server;
    struct err err = {0};
    struct loop *loop;
    char pid[32];

    (void)state;
    open_server(&server);
    assert_int_equal(loop_new(&loop, NULL), 0);
    assert_int_equal(listener_new(&second, loop, "127.0.0.1", listener_port(server.listener),
                                  serve_accepted, NULL, &err),
                     ERR_BUSY);
    snprintf(pid, sizeof(pid), "process %d", (int)getpid());
    assert_non_null(strstr(err.text, pid));
    assert_non_null(strstr(err.text, "loop_test"));
    assert_int_equal(listener_new(&second, loop, "not-an-address", 1, serve_accepted, NULL, &err),
                     ERR_INVALID);
    assert_int_equal(listener_new(&second, loop, "127.0.0.1", 70000, serve_accepted, NULL, &err),
                     ERR_INVALID);
    loop_free(loop);
    close_server(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(posts_of_every_thread_arrive_once_and_in_order),
        cmocka_unit_test(what_a_timer_notes_is_done_in_the_same_turn),
        cmocka_unit_test(work_comes_back_to_its_loop),
        cmocka_unit_test(a_full_queue_refuses_work),
        cmocka_unit_test(bytes_are_echoed_and_a_close_is_clean),
        cmocka_unit_test(files_and_bytes_arrive_in_order_through_a_slow_reader),
        cmocka_unit_test(a_file_shorter_than_promised_ends_the_conn),
        cmocka_unit_test(a_taken_port_names_its_holder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
