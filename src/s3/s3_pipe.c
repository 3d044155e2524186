/* s3_pipe.c - buffers go round: one fills, one is hashed, the others wait.
 *
 * Hashing is the slower side of a large put, so it must never stand still: what waits lasts it for
 * a millisecond or two, while the other side is in a write that the disk makes slow. */
#include "s3/s3_pipe.h"

#include "s3/s3_hasher.h"

#define BUFFERS      S3_HASH_WAITING
#define BUFFER_BYTES ((size_t)256 << 10)
#define EARLY_BYTES  ((int64_t)4 << 20)  /* told to the disk at a time */
#define AHEAD_BYTES  ((int64_t)64 << 20) /* reserved at a time: a client may promise terabytes */

struct s3_pipe {
    struct s3_hasher *hasher;              /* borrowed */
    struct file *file;                     /* likewise */
    int64_t written, early, reserved, end; /* places in the file; end -1: not known */
    uint8_t *buffers[BUFFERS];
    size_t which, len; /* the one that fills, and how much is in it */
    struct s3_hashing hashing;
};

int s3_pipe_new(struct s3_pipe **out, struct s3_hasher *hasher, struct file *file, int64_t pos,
                int64_t size, struct err *err)
{
    struct s3_pipe *pipe = calloc(1, sizeof(*pipe));
    bool failed = !pipe;

    if (pipe) {
        pipe->hasher = hasher;
        pipe->file = file;
        pipe->written = pipe->early = pipe->reserved = pos;
        pipe->end = size < 0 ? -1 : pos + size;
        s3_hashing_init(&pipe->hashing);
        for (int i = 0; i < BUFFERS; i++)
            failed |= !(pipe->buffers[i] = malloc(BUFFER_BYTES));
    }
    if (failed) {
        s3_pipe_free(pipe);
        return err_set(err, ERR_NOMEM, "body");
    }
    *out = pipe;
    return 0;
}

static void reserve(struct s3_pipe *pipe)
{
    int64_t left = pipe->end - pipe->reserved, len = left < AHEAD_BYTES ? left : AHEAD_BYTES;

    if (pipe->end < 0 || len <= 0 || pipe->written < pipe->reserved)
        return;
    file_reserve(pipe->file, pipe->reserved, len);
    pipe->reserved += len;
}

/* Gives the buffer that was filling to be hashed, and writes it; the next one is free then. */
static int pass_on(struct s3_pipe *pipe, struct err *err)
{
    struct slice piece = slice_of(pipe->buffers[pipe->which], pipe->len);
    int rc;

    s3_hasher_add(pipe->hasher, &pipe->hashing, piece);
    reserve(pipe);
    rc = file_pwrite(pipe->file, piece.ptr, piece.len, pipe->written, err);
    if (rc)
        return rc;
    pipe->written += (int64_t)piece.len;
    if (pipe->written - pipe->early >= EARLY_BYTES) {
        file_write_early(pipe->file, pipe->early, pipe->written - pipe->early);
        pipe->early = pipe->written;
    }
    s3_hasher_wait(pipe->hasher, &pipe->hashing, BUFFERS - 1);
    pipe->which = (pipe->which + 1) % BUFFERS;
    pipe->len = 0;
    return 0;
}

int s3_pipe_add(struct s3_pipe *pipe, struct slice bytes, struct err *err)
{
    while (bytes.len) {
        size_t room = BUFFER_BYTES - pipe->len, take = bytes.len < room ? bytes.len : room;
        int rc = 0;

        memcpy(pipe->buffers[pipe->which] + pipe->len, bytes.ptr, take);
        pipe->len += take;
        bytes = slice_of(bytes.ptr + take, bytes.len - take);
        if (pipe->len == BUFFER_BYTES)
            rc = pass_on(pipe, err);
        if (rc)
            return rc;
    }
    return 0;
}

int s3_pipe_end(struct s3_pipe *pipe, uint8_t md5[16], struct err *err)
{
    int rc = pipe->len ? pass_on(pipe, err) : 0;

    if (!rc && pipe->written > pipe->early) /* on its way while the rest is hashed */
        file_write_early(pipe->file, pipe->early, pipe->written - pipe->early);
    s3_hasher_wait(pipe->hasher, &pipe->hashing, 0);
    md5_final(&pipe->hashing.md5, md5);
    return rc;
}

void s3_pipe_free(struct s3_pipe *pipe)
{
    if (!pipe)
        return;
    s3_hasher_wait(pipe->hasher, &pipe->hashing, 0);
    s3_hashing_deinit(&pipe->hashing);
    for (int i = 0; i < BUFFERS; i++)
        free(pipe->buffers[i]);
    free(pipe);
}
