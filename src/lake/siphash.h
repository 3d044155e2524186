/* siphash.h - SipHash-2-4 with 128 bits of result (Aumasson and Bernstein, 2012).
 *
 * A keyed hash: whoever chooses the bytes but does not know the key cannot make two texts meet more
 * often than chance has it. Pure; any thread.
 */
#ifndef LAKE_SIPHASH_H
#define LAKE_SIPHASH_H

#include "base/base.h"

void siphash128(const void *bytes, size_t len, const uint64_t key[2], uint64_t out[2]);

#endif
