/* md5.h - MD5 (RFC 1321), of one text or of several side by side.
 *
 * MD5 is one chain of dependent steps: of one text nothing is faster than a processor's latency
 * (0.8 to 0.9 GB/s here). The chains of several texts are independent, and vector instructions take
 * 4 or 8 of them for the price of one. S3 wants an MD5 of every upload, and clients send the parts
 * of a large object side by side.
 * Threads: any; a state is one caller's at a time.
 */
#ifndef BASE_MD5_H
#define BASE_MD5_H

#include <stdint.h>

#include "base/slice.h"

#define MD5_LANES 8 /* states that md5_update_many takes at most */

struct md5_state {
    uint32_t words[4];
    uint64_t len;     /* bytes so far */
    uint8_t tail[64]; /* the last len % 64 of them */
};

void md5_init(struct md5_state *state);
void md5_update(struct md5_state *state, const void *ptr, size_t len);
/* The i-th piece goes to the i-th state; no state twice. count 1: as md5_update. */
void md5_update_many(struct md5_state *const *states, const struct slice *pieces, size_t count);
void md5_final(struct md5_state *state, uint8_t out[16]); /* the state is spent */

#endif
