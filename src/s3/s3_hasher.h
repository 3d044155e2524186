/* s3_hasher.h - the MD5s of all large bodies that are being received, several side by side.
 *
 * S3's ETag wants an MD5 of every object and part. It costs 1.3 seconds of processor per GB, more
 * than everything else that is done with a byte, unless several texts are hashed at once: 0.4 to
 * 0.5. So bodies give their pieces to a few threads that serve them all. A piece that is alone is
 * hashed at once; while that goes on others come, and the next turn takes up to MD5_LANES of them.
 * Threads: any; a body is one caller's.
 */
#ifndef S3_S3_HASHER_H
#define S3_S3_HASHER_H

#include <pthread.h>

#include "base/base.h"
#include "base/md5.h"

#define S3_HASH_WAITING 6 /* pieces of one body that wait at most */

struct s3_hasher;

/* A body; the fields are the hasher's. */
struct s3_hashing {
    struct s3_hashing *next;
    struct md5_state md5;
    struct slice pieces[S3_HASH_WAITING];
    uint64_t added, done; /* pieces so far */
    pthread_cond_t moved;
};

int s3_hasher_new(struct s3_hasher **out, struct err *err);
void s3_hasher_free(struct s3_hasher *hasher); /* NULL is fine; no body is left */

void s3_hashing_init(struct s3_hashing *body);
/* The bytes are borrowed until s3_hasher_wait says that they are done with. At most S3_HASH_WAITING
 * wait. */
void s3_hasher_add(struct s3_hasher *hasher, struct s3_hashing *body, struct slice piece);
/* Until at most `waiting` of the body's pieces are not yet hashed: the oldest go first. */
void s3_hasher_wait(struct s3_hasher *hasher, struct s3_hashing *body, uint64_t waiting);
void s3_hashing_deinit(struct s3_hashing *body); /* nothing of it waits */

#endif
