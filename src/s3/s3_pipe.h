/* s3_pipe.h - a large body on its way to its file: large writes, and the MD5 on a thread beside.
 *
 * The MD5 that S3's ETag wants takes longer than everything else that is done with a byte. So it
 * runs beside receiving and writing, and beside those of other bodies (s3_hasher.h). The disk is
 * told what will come, and early what to write, so that the sync at the end has little left to do.
 * Threads: one caller.
 */
#ifndef S3_S3_PIPE_H
#define S3_S3_PIPE_H

#include "base/base.h"

struct s3_pipe;
struct s3_hasher;

/* Hasher and file are borrowed until the end; the body begins at `pos` in the file, and has `size`
 * bytes, -1: as many as come. */
int s3_pipe_new(struct s3_pipe **out, struct s3_hasher *hasher, struct file *file, int64_t pos,
                int64_t size, struct err *err);
int s3_pipe_add(struct s3_pipe *pipe, struct slice bytes, struct err *err);
/* Everything is written (not synced) and hashed when it returns. Once. */
int s3_pipe_end(struct s3_pipe *pipe, uint8_t md5[16], struct err *err);
void s3_pipe_free(struct s3_pipe *pipe); /* NULL is fine; ended or not */

#endif
