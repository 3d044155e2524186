/* s3_join.c - the parts of an upload as one file.
 *
 * When every part that lies in the upload's own file lies where the object wants it, that file is
 * the object once the others are copied into the gaps; of an upload by a client that cuts into
 * equal parts that is nothing, or a last part smaller than what is worth a place. Otherwise, and
 * when somebody is still writing into that file, all parts are copied into a new one.
 */
#include <stdio.h>

#include "s3/s3_upload.h"

/* Where a part's bytes are; the caller closes *out. */
static int open_part(const struct joining *joining, const struct part *part, struct file **out,
                     int64_t *pos, struct err *err)
{
    const char *name = part->placed ? joining->parts->whole : part->name;
    const char *path =
        name ? arena_printf(joining->call->arena, "%s/%s", joining->upload->dir, name) : NULL;

    *pos = part->placed ? (part->number - 1) * joining->parts->part_size : 0;
    if (!name)
        return err_set(err, ERR_NOENT, "part %d has no file", part->number);
    return path ? disk_open(s3_disk(joining->call->server), out, path, DISK_READ, err) : ERR_NOMEM;
}

/* Gives the part's bytes piece by piece. */
static int walk(const struct joining *joining, const struct part *part,
                int (*fn)(void *arg, struct slice piece, struct err *err), void *arg,
                struct err *err)
{
    uint8_t *piece = malloc(S3_COPY_BYTES);
    struct file *file = NULL;
    int64_t pos, done = 0;
    int rc = piece ? open_part(joining, part, &file, &pos, err) : ERR_NOMEM;

    while (!rc && done < part->size) {
        int64_t left = part->size - done;
        size_t want = left < (int64_t)S3_COPY_BYTES ? (size_t)left : S3_COPY_BYTES;

        rc = file_read_all(file, piece, want, pos + done, err);
        rc = rc ? rc : fn(arg, slice_of(piece, want), err);
        done += (int64_t)want;
    }
    file_close(file);
    free(piece);
    return rc;
}

/* --- checksums -------------------------------------------------------------------------------- */

static int sum_piece(void *arg, struct slice piece, struct err *err)
{
    (void)err;
    s3_checksum_update(arg, piece);
    return 0;
}

int s3_part_sum(const struct joining *joining, const struct part *part, enum s3_sum kind,
                char out[S3_SUM_TEXT], struct err *err)
{
    struct s3_checksum sum = {0};
    int rc = s3_checksum_new(&sum, kind);

    rc = rc ? rc : walk(joining, part, sum_piece, &sum, err);
    if (!rc)
        s3_checksum_final(&sum, out);
    s3_checksum_deinit(&sum);
    return rc;
}

int s3_part_add(const struct joining *joining, const struct part *part, struct s3_checksum *sum,
                struct err *err)
{
    return walk(joining, part, sum_piece, sum, err);
}

/* --- bytes ------------------------------------------------------------------------------------ */

struct target {
    struct file *to;
    int64_t pos;
};

static int write_piece(void *arg, struct slice piece, struct err *err)
{
    struct target *target = arg;
    int rc = file_pwrite(target->to, piece.ptr, piece.len, target->pos, err);

    target->pos += (int64_t)piece.len;
    return rc;
}

/* `placed`: only those that are not in their place. */
static int copy_parts(const struct joining *joining, bool placed, int flags, struct err *err)
{
    struct target target = {0};
    int rc = disk_open(s3_disk(joining->call->server), &target.to, joining->path, flags, err);

    for (size_t i = 0; i < joining->count && !rc; i++) {
        const struct part *part = joining->chosen[i];

        if (placed && part->placed) {
            target.pos += part->size;
            continue;
        }
        rc = walk(joining, part, write_piece, &target, err);
        if (!rc) /* or the sync at the end has all of it to write */
            file_write_early(target.to, target.pos - part->size, part->size);
    }
    file_close(target.to);
    return rc;
}

/* The upload's file can be the object: what lies in it lies right, and nothing lies behind. */
static bool is_in_place(const struct joining *joining)
{
    int64_t pos = 0;
    bool any = false;

    for (size_t i = 0; i < joining->count; i++) {
        const struct part *part = joining->chosen[i];

        if (part->placed && (part->number - 1) * joining->parts->part_size != pos)
            return false;
        any |= part->placed;
        pos += part->size;
    }
    return any && joining->parts->whole && joining->parts->whole_size <= pos;
}

int s3_join(struct joining *joining, const struct s3_claim *seal, struct err *err)
{
    joining->placed = seal && is_in_place(joining);
    if (!joining->placed)
        return copy_parts(joining, false, DISK_WRITE | DISK_CREATE | DISK_EXCLUSIVE, err);
    joining->path =
        arena_printf(joining->call->arena, "%s/%s", joining->upload->dir, joining->parts->whole);
    return joining->path ? copy_parts(joining, true, DISK_WRITE, err) : ERR_NOMEM;
}
