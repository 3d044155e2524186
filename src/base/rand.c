/* rand.c - xoshiro256++ for seeded runs, the kernel for secrets. */
#include "base/rand.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

static uint64_t rotl(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

void rng_init(struct rng *rng, uint64_t seed)
{
    for (int i = 0; i < 4; i++) { /* splitmix64 */
        uint64_t z = (seed += 0x9e3779b97f4a7c15u);

        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        rng->s[i] = z ^ (z >> 31);
    }
}

uint64_t rng_u64(struct rng *rng)
{
    uint64_t *s = rng->s, result = rotl(s[0] + s[3], 23) + s[0], t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

/* Lemire's multiplication without the rejection step: the bias is below 2^-32 for the bounds that
 * generators and simulators use. */
uint64_t rng_below(struct rng *rng, uint64_t bound)
{
    return (uint64_t)(((unsigned __int128)rng_u64(rng) * bound) >> 64);
}

double rng_double(struct rng *rng)
{
    return (double)(rng_u64(rng) >> 11) * 0x1.0p-53;
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct rng simulated; /* under the mutex, as is the next */
static bool is_simulated;

void rand_simulate(uint64_t seed)
{
    pthread_mutex_lock(&mutex);
    rng_init(&simulated, seed);
    is_simulated = true;
    pthread_mutex_unlock(&mutex);
}

static bool from_simulation(uint8_t *at, size_t len)
{
    bool done;

    pthread_mutex_lock(&mutex);
    done = is_simulated;
    for (size_t i = 0; done && i < len; i++)
        at[i] = (uint8_t)rng_u64(&simulated);
    pthread_mutex_unlock(&mutex);
    return done;
}

void rand_secret(void *ptr, size_t len)
{
    uint8_t *at = ptr;

    if (from_simulation(at, len))
        return;
    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);

        if (got <= 0)
            abort(); /* a kernel without randomness cannot make ids that are safe to use */
        at += got;
        len -= (size_t)got;
    }
}

void uuid_v4(char out[37])
{
    uint8_t b[16];

    rand_secret(b, sizeof(b));
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    snprintf(out, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
             b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
             b[14], b[15]);
}
