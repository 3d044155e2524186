/* s3_hasher.c - a queue of bodies that have a piece to be hashed, and the threads that take them.
 *
 * A body is in the queue once while pieces of it wait, and in nobody's queue while one of them is
 * being hashed, since each needs the state that the one before left. */
#include "s3/s3_hasher.h"

#include <unistd.h>

#define THREADS_MAX 4

struct s3_hasher {
    pthread_mutex_t lock;
    pthread_cond_t ready;
    struct s3_hashing *first, **last; /* the queue */
    bool ending;
    pthread_t threads[THREADS_MAX];
    int thread_count;
};

static void push(struct s3_hasher *hasher, struct s3_hashing *body)
{
    body->next = NULL;
    *hasher->last = body;
    hasher->last = &body->next;
}

static struct s3_hashing *pop(struct s3_hasher *hasher)
{
    struct s3_hashing *body = hasher->first;

    hasher->first = body->next;
    if (!hasher->first)
        hasher->last = &hasher->first;
    return body;
}

/* One turn: a piece each of up to MD5_LANES bodies. Caller holds the lock, which is given away
 * meanwhile. */
static void hash_some(struct s3_hasher *hasher)
{
    struct s3_hashing *bodies[MD5_LANES];
    struct md5_state *states[MD5_LANES];
    struct slice pieces[MD5_LANES];
    size_t count = 0;

    for (; hasher->first && count < MD5_LANES; count++) {
        struct s3_hashing *body = pop(hasher);

        bodies[count] = body;
        states[count] = &body->md5;
        pieces[count] = body->pieces[body->done % S3_HASH_WAITING];
    }
    pthread_mutex_unlock(&hasher->lock);
    md5_update_many(states, pieces, count);
    pthread_mutex_lock(&hasher->lock);
    for (size_t i = 0; i < count; i++) {
        bodies[i]->done++;
        if (bodies[i]->done < bodies[i]->added)
            push(hasher, bodies[i]);
        pthread_cond_signal(&bodies[i]->moved);
    }
}

static void *hasher_run(void *arg)
{
    struct s3_hasher *hasher = arg;

    pthread_mutex_lock(&hasher->lock);
    for (;;) {
        while (!hasher->first && !hasher->ending)
            pthread_cond_wait(&hasher->ready, &hasher->lock);
        if (!hasher->first)
            break;
        hash_some(hasher);
    }
    pthread_mutex_unlock(&hasher->lock);
    return NULL;
}

/* One for every two processors: receiving and writing want the others. */
static int start(struct s3_hasher *hasher)
{
    long wanted = sysconf(_SC_NPROCESSORS_ONLN) / 2;

    wanted = wanted < 1 ? 1 : wanted > THREADS_MAX ? THREADS_MAX : wanted;
    while (hasher->thread_count < wanted &&
           pthread_create(&hasher->threads[hasher->thread_count], NULL, hasher_run, hasher) == 0)
        hasher->thread_count++;
    return hasher->thread_count ? 0 : ERR_NOMEM;
}

int s3_hasher_new(struct s3_hasher **out, struct err *err)
{
    struct s3_hasher *hasher = calloc(1, sizeof(*hasher));

    if (!hasher)
        return err_set(err, ERR_NOMEM, "s3: hasher");
    hasher->last = &hasher->first;
    pthread_mutex_init(&hasher->lock, NULL);
    pthread_cond_init(&hasher->ready, NULL);
    if (start(hasher)) {
        s3_hasher_free(hasher);
        return err_set(err, ERR_NOMEM, "s3: no thread");
    }
    *out = hasher;
    return 0;
}

void s3_hasher_free(struct s3_hasher *hasher)
{
    if (!hasher)
        return;
    pthread_mutex_lock(&hasher->lock);
    hasher->ending = true;
    pthread_cond_broadcast(&hasher->ready);
    pthread_mutex_unlock(&hasher->lock);
    for (int i = 0; i < hasher->thread_count; i++)
        pthread_join(hasher->threads[i], NULL);
    pthread_cond_destroy(&hasher->ready);
    pthread_mutex_destroy(&hasher->lock);
    free(hasher);
}

/* --- a body ----------------------------------------------------------------------------------- */

void s3_hashing_init(struct s3_hashing *body)
{
    *body = (struct s3_hashing){0};
    md5_init(&body->md5);
    pthread_cond_init(&body->moved, NULL);
}

void s3_hashing_deinit(struct s3_hashing *body)
{
    assert(body->added == body->done);
    pthread_cond_destroy(&body->moved);
}

void s3_hasher_add(struct s3_hasher *hasher, struct s3_hashing *body, struct slice piece)
{
    pthread_mutex_lock(&hasher->lock);
    assert(body->added - body->done < S3_HASH_WAITING);
    body->pieces[body->added % S3_HASH_WAITING] = piece;
    if (body->added++ == body->done) { /* else it is in the queue, or will be after its turn */
        push(hasher, body);
        pthread_cond_signal(&hasher->ready);
    }
    pthread_mutex_unlock(&hasher->lock);
}

void s3_hasher_wait(struct s3_hasher *hasher, struct s3_hashing *body, uint64_t waiting)
{
    pthread_mutex_lock(&hasher->lock);
    while (body->added - body->done > waiting)
        pthread_cond_wait(&body->moved, &hasher->lock);
    pthread_mutex_unlock(&hasher->lock);
}
