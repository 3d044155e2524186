/* rand.h - seeded randomness, passed in. Outside base nobody calls rand().
 * xoshiro256++ (Blackman and Vigna), seeded by splitmix64. Not for secrets: rand_secret is.
 */
#ifndef BASE_RAND_H
#define BASE_RAND_H

#include <stddef.h>
#include <stdint.h>

struct rng {
    uint64_t s[4];
};

void rng_init(struct rng *rng, uint64_t seed);
uint64_t rng_u64(struct rng *rng);
uint64_t rng_below(struct rng *rng, uint64_t bound); /* 0 <= x < bound; bound > 0 */
double rng_double(struct rng *rng);                  /* 0 <= x < 1 */

void rand_secret(void *ptr, size_t len); /* from the kernel */
void uuid_v4(char out[37]);              /* from the same, lower case, NUL-ended */
/* Simulators only: from now on "secrets" come from this seed, so that a run can be replayed. */
void rand_simulate(uint64_t seed);

#endif
