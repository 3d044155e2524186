/* s3_pipe.h - a large body on its way to its file: large writes, and the MD5 on a thread beside.
 *
 * The MD5 that S3's ETag wants takes longer than everything else that is done with a byte (1.3 of
 * 2.5 seconds per GB), and cannot be split. So it runs beside receiving and writing. The disk is
 * told early what to write, so that the sync at the end has little left to do.
 * Threads: one caller; the pipe has a thread of its own.
 */
#ifndef S3_S3_PIPE_H
#define S3_S3_PIPE_H

#include "base/base.h"

struct s3_pipe;

/* The file is borrowed until the end; the body begins at `pos` in it. */
int s3_pipe_new(struct s3_pipe **out, struct file *file, int64_t pos, struct err *err);
int s3_pipe_add(struct s3_pipe *pipe, struct slice bytes, struct err *err);
/* Everything is written (not synced) and hashed when it returns. Once. */
int s3_pipe_end(struct s3_pipe *pipe, uint8_t md5[16], struct err *err);
void s3_pipe_free(struct s3_pipe *pipe); /* NULL is fine; ended or not */

#endif
