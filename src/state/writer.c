/* writer.c - blocks of state files on their way to the disk, on a thread of their own. */
#include "state/writer.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#define QUEUED_MAX ((int64_t)16 << 20) /* bytes; a block is some 256 KiB */

struct block {
    struct block *next;
    struct written *file;
    struct buf bytes;
    int64_t pos;
};

struct state_writer {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t comes, goes; /* a block */
    struct block *first, **end;
    int64_t queued; /* bytes, that being written too */
    bool stopping;
};

struct written {
    struct state_writer *writer; /* NULL: none */
    struct disk *disk;
    char *path;
    struct file *file; /* NULL: nothing was written yet */
    int64_t queued;    /* blocks; under the writer's mutex, as is the rest */
    int rc;
    struct err err;
};

/* ---- the thread ---- */

static int write_block(struct written *to, const struct buf *bytes, int64_t pos, struct err *err)
{
    int rc = to->file ? 0
                      : disk_open(to->disk, &to->file, to->path,
                                  DISK_WRITE | DISK_CREATE | DISK_TRUNCATE, err);

    return rc ? rc : file_pwrite(to->file, bytes->ptr, bytes->len, pos, err);
}

/* With the mutex held but for the write. After an error the file's other blocks are dropped. */
static void serve(struct state_writer *w, struct block *block)
{
    struct written *to = block->file;
    int rc = to->rc;

    pthread_mutex_unlock(&w->mutex);
    if (!rc) {
        struct err err = {0};

        rc = write_block(to, &block->bytes, block->pos, &err);
        if (rc)
            to->err = err;
    }
    pthread_mutex_lock(&w->mutex);
    to->rc = rc;
    to->queued--;
    w->queued -= (int64_t)block->bytes.len;
    pthread_cond_broadcast(&w->goes);
    buf_deinit(&block->bytes);
    free(block);
}

static void *writer_main(void *arg)
{
    struct state_writer *w = arg;

    pthread_mutex_lock(&w->mutex);
    while (w->first || !w->stopping) {
        struct block *block = w->first;

        if (!block) {
            pthread_cond_wait(&w->comes, &w->mutex);
            continue;
        }
        w->first = block->next;
        if (!w->first)
            w->end = &w->first;
        serve(w, block);
    }
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}

int state_writer_new(struct state_writer **out, struct err *err)
{
    struct state_writer *w = *out = calloc(1, sizeof(*w));
    pthread_condattr_t attr;
    int rc;

    if (!w)
        return err_set(err, ERR_NOMEM, "writer of states");
    w->end = &w->first;
    pthread_mutex_init(&w->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->comes, &attr);
    pthread_cond_init(&w->goes, &attr);
    pthread_condattr_destroy(&attr);
    rc = pthread_create(&w->thread, NULL, writer_main, w);
    if (!rc)
        return 0;
    pthread_cond_destroy(&w->comes);
    pthread_cond_destroy(&w->goes);
    pthread_mutex_destroy(&w->mutex);
    free(w);
    *out = NULL;
    return err_errno(err, rc, "writer of states");
}

void state_writer_free(struct state_writer *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->mutex);
    w->stopping = true;
    pthread_cond_broadcast(&w->comes);
    pthread_mutex_unlock(&w->mutex);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->comes);
    pthread_cond_destroy(&w->goes);
    pthread_mutex_destroy(&w->mutex);
    free(w);
}

/* The time is the machine's, as the thread's is. */
bool state_writer_is_full(struct state_writer *w, int64_t wait_ns)
{
    struct timespec until;
    bool full;

    if (!w)
        return false;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += wait_ns % 1000000000;
    until.tv_sec += wait_ns / 1000000000 + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&w->mutex);
    while (w->queued > QUEUED_MAX && wait_ns > 0 &&
           pthread_cond_timedwait(&w->goes, &w->mutex, &until) != ETIMEDOUT)
        ;
    full = w->queued > QUEUED_MAX;
    pthread_mutex_unlock(&w->mutex);
    return full;
}

/* ---- a file ---- */

int written_new(struct written **out, struct state_writer *writer, struct disk *disk,
                const char *path, struct err *err)
{
    struct written *file = *out = calloc(1, sizeof(*file));

    if (file)
        file->path = strdup(path);
    if (!file || !file->path) {
        free(file);
        *out = NULL;
        return err_set(err, ERR_NOMEM, "%s", path);
    }
    file->writer = writer;
    file->disk = disk;
    return 0;
}

static int await_blocks(struct written *file, struct err *err)
{
    struct state_writer *w = file->writer;

    if (w) {
        pthread_mutex_lock(&w->mutex);
        while (file->queued)
            pthread_cond_wait(&w->goes, &w->mutex);
        pthread_mutex_unlock(&w->mutex);
    }
    if (file->rc && err)
        *err = file->err;
    return file->rc;
}

void written_free(struct written *file)
{
    if (!file)
        return;
    (void)await_blocks(file, NULL);
    file_close(file->file);
    free(file->path);
    free(file);
}

int written_put(struct written *file, struct buf *bytes, int64_t pos, struct err *err)
{
    struct state_writer *w = file->writer;
    struct block *block = w ? calloc(1, sizeof(*block)) : NULL;
    int rc = 0;

    if (!w || !block) {
        rc = w ? err_set(err, ERR_NOMEM, "%s", file->path) : write_block(file, bytes, pos, err);
        buf_deinit(bytes);
        return rc;
    }
    *block = (struct block){.file = file, .bytes = *bytes, .pos = pos};
    *bytes = (struct buf){0};
    pthread_mutex_lock(&w->mutex);
    w->queued += (int64_t)block->bytes.len;
    file->queued++;
    *w->end = block;
    w->end = &block->next;
    rc = file->rc;
    if (rc && err)
        *err = file->err;
    pthread_cond_signal(&w->comes);
    pthread_mutex_unlock(&w->mutex);
    return rc;
}

int written_sync_wait(struct written *file, struct err *err)
{
    int rc = await_blocks(file, err);

    return rc || !file->file ? rc : file_sync(file->file, err);
}
