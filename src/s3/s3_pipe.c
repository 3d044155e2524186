/* s3_pipe.c - buffers go round: one fills, one is hashed, the others wait.
 *
 * Hashing is the slower side of a large put, so it must never stand still: what waits lasts it for
 * a millisecond or two, while the other side is in a write that the disk makes slow. */
#include "s3/s3_pipe.h"

#include <pthread.h>

#include "base/codec.h"

#define BUFFERS      6
#define BUFFER_BYTES ((size_t)256 << 10)
#define EARLY_BYTES  ((int64_t)4 << 20) /* told to the disk at a time */

struct s3_pipe {
    struct file *file; /* borrowed */
    int64_t written, early;
    uint8_t *buffers[BUFFERS];
    size_t lengths[BUFFERS];
    uint64_t filled, hashed; /* buffers so far; their difference waits. Under `lock` */
    bool ending;             /* likewise */
    size_t len;              /* of the one that fills: number `filled` modulo BUFFERS */
    struct digest *md5;
    pthread_mutex_t lock;
    pthread_cond_t moved;
    pthread_t thread;
    bool started;
};

static void *hash_run(void *arg)
{
    struct s3_pipe *pipe = arg;

    pthread_mutex_lock(&pipe->lock);
    for (;;) {
        size_t which = pipe->hashed % BUFFERS;

        while (pipe->hashed == pipe->filled && !pipe->ending)
            pthread_cond_wait(&pipe->moved, &pipe->lock);
        if (pipe->hashed == pipe->filled)
            break;
        pthread_mutex_unlock(&pipe->lock);
        digest_update(pipe->md5, pipe->buffers[which], pipe->lengths[which]);
        pthread_mutex_lock(&pipe->lock);
        pipe->hashed++;
        pthread_cond_broadcast(&pipe->moved);
    }
    pthread_mutex_unlock(&pipe->lock);
    return NULL;
}

int s3_pipe_new(struct s3_pipe **out, struct file *file, int64_t pos, struct err *err)
{
    struct s3_pipe *pipe = calloc(1, sizeof(*pipe));
    bool failed = !pipe;

    if (pipe) {
        pipe->file = file;
        pipe->written = pipe->early = pos;
        pthread_mutex_init(&pipe->lock, NULL);
        pthread_cond_init(&pipe->moved, NULL);
        for (int i = 0; i < BUFFERS; i++)
            failed |= !(pipe->buffers[i] = malloc(BUFFER_BYTES));
        failed = failed || digest_new(&pipe->md5, DIGEST_MD5) ||
                 pthread_create(&pipe->thread, NULL, hash_run, pipe);
        pipe->started = !failed;
    }
    if (failed) {
        s3_pipe_free(pipe);
        return err_set(err, ERR_NOMEM, "body");
    }
    *out = pipe;
    return 0;
}

/* Writes the buffer that was filling, and gives it to be hashed. */
static int pass_on(struct s3_pipe *pipe, struct err *err)
{
    size_t which = pipe->filled % BUFFERS;
    int rc = file_pwrite(pipe->file, pipe->buffers[which], pipe->len, pipe->written, err);

    if (rc)
        return rc;
    pipe->written += (int64_t)pipe->len;
    if (pipe->written - pipe->early >= EARLY_BYTES) {
        file_write_early(pipe->file, pipe->early, pipe->written - pipe->early);
        pipe->early = pipe->written;
    }
    pipe->lengths[which] = pipe->len;
    pipe->len = 0;
    pthread_mutex_lock(&pipe->lock);
    pipe->filled++;
    pthread_cond_broadcast(&pipe->moved);
    while (pipe->filled - pipe->hashed == BUFFERS)
        pthread_cond_wait(&pipe->moved, &pipe->lock);
    pthread_mutex_unlock(&pipe->lock);
    return 0;
}

int s3_pipe_add(struct s3_pipe *pipe, struct slice bytes, struct err *err)
{
    while (bytes.len) {
        size_t room = BUFFER_BYTES - pipe->len, take = bytes.len < room ? bytes.len : room;
        int rc = 0;

        memcpy(pipe->buffers[pipe->filled % BUFFERS] + pipe->len, bytes.ptr, take);
        pipe->len += take;
        bytes = slice_of(bytes.ptr + take, bytes.len - take);
        if (pipe->len == BUFFER_BYTES)
            rc = pass_on(pipe, err);
        if (rc)
            return rc;
    }
    return 0;
}

static void stop(struct s3_pipe *pipe)
{
    if (!pipe->started)
        return;
    pthread_mutex_lock(&pipe->lock);
    pipe->ending = true;
    pthread_cond_broadcast(&pipe->moved);
    pthread_mutex_unlock(&pipe->lock);
    pthread_join(pipe->thread, NULL);
    pipe->started = false;
}

int s3_pipe_end(struct s3_pipe *pipe, uint8_t md5[16], struct err *err)
{
    uint8_t padded[32];
    int rc = pipe->len ? pass_on(pipe, err) : 0;

    if (!rc && pipe->written > pipe->early) /* on its way while the rest is hashed */
        file_write_early(pipe->file, pipe->early, pipe->written - pipe->early);
    stop(pipe);
    digest_final(pipe->md5, padded);
    pipe->md5 = NULL;
    memcpy(md5, padded, 16);
    return rc;
}

void s3_pipe_free(struct s3_pipe *pipe)
{
    if (!pipe)
        return;
    stop(pipe);
    digest_free(pipe->md5);
    for (int i = 0; i < BUFFERS; i++)
        free(pipe->buffers[i]);
    pthread_mutex_destroy(&pipe->lock);
    pthread_cond_destroy(&pipe->moved);
    free(pipe);
}
