/* hll.c - APPROX_COUNT_DISTINCT: the hashes themselves while they are few, then HyperLogLog.
 *
 * 2^14 registers of a byte give an error of 0.8%; a register is the greatest number of leading
 * zeros of the hashes that fall to it. The estimate is O. Ertl's ("New cardinality estimation
 * algorithms for HyperLogLog sketches", 2017), which needs no tables to be right between small and
 * large.
 */
#include <math.h>

#include "base/codec.h"
#include "operator/aggregate.h"

#define BITS      14
#define REGISTERS ((size_t)1 << BITS)
#define FEW_MAX   ((size_t)512 * 8) /* bytes of hashes */

static bool is_dense(struct slice kept)
{
    return kept.len == REGISTERS;
}

static void set(uint8_t *registers, uint64_t hash)
{
    size_t at = (size_t)(hash >> (64 - BITS));
    uint64_t rest = hash << BITS;
    uint8_t zeros = (uint8_t)(rest ? __builtin_clzll(rest) + 1 : 64 - BITS + 1);

    if (registers[at] < zeros)
        registers[at] = zeros;
}

static uint64_t hash_at(struct slice few, size_t i)
{
    uint64_t hash;

    memcpy(&hash, few.ptr + i, sizeof(hash));
    return hash;
}

static bool has(struct slice few, uint64_t hash)
{
    for (size_t i = 0; i < few.len; i += sizeof(hash))
        if (hash_at(few, i) == hash)
            return true;
    return false;
}

static int no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "APPROX_COUNT_DISTINCT");
}

/* The kept bytes in agg->result, as registers. */
static int to_registers(struct agg *agg, struct slice kept)
{
    buf_clear(&agg->result);
    if (buf_reserve(&agg->result, REGISTERS))
        return ERR_NOMEM;
    agg->result.len = REGISTERS;
    if (is_dense(kept)) {
        memcpy(agg->result.ptr, kept.ptr, REGISTERS);
        return 0;
    }
    memset(agg->result.ptr, 0, REGISTERS);
    for (size_t i = 0; i < kept.len; i += 8)
        set(agg->result.ptr, hash_at(kept, i));
    return 0;
}

static int set_dense(struct agg *agg, size_t call, const struct agg_place *at, uint64_t hash,
                     struct err *err)
{
    struct state_key key;
    void *registers;
    uint32_t len;
    int rc;

    buf_clear(&agg->scratch);
    if (buf_append_slice(&agg->scratch, at->key) || buf_append_u8(&agg->scratch, (uint8_t)call))
        return no_memory(err);
    key = (struct state_key){at->space, buf_slice(&agg->scratch), {0}};
    rc = state_modify(at->store->kept, &key, &registers, &len, err);
    if (!rc)
        set(registers, hash);
    return rc;
}

static int add_hash(struct agg *agg, size_t call, const struct agg_place *at, uint64_t hash,
                    struct err *err)
{
    struct slice kept;
    int rc = agg_get_kept(agg, call, at, &kept, err);

    if (rc || is_dense(kept))
        return rc ? rc : set_dense(agg, call, at, hash, err);
    if (has(kept, hash))
        return 0;
    if (kept.len >= FEW_MAX) {
        if (to_registers(agg, kept))
            return no_memory(err);
        set(agg->result.ptr, hash);
    } else {
        buf_clear(&agg->result);
        if (buf_append_slice(&agg->result, kept) || buf_append(&agg->result, &hash, sizeof(hash)))
            return no_memory(err);
    }
    return agg_put_kept(agg, call, at, buf_slice(&agg->result), err);
}

int hll_add(struct agg *agg, size_t call, const struct agg_place *at, struct slice value,
            struct err *err)
{
    return add_hash(agg, call, at, hash64(value.ptr, value.len, 0), err);
}

/* ---- the estimate ---- */

static double sigma(double x)
{
    double y = 1, z = x, before;

    do {
        x *= x;
        before = z;
        z += x * y;
        y += y;
    } while (z != before && isfinite(z));
    return z;
}

static double tau(double x)
{
    double y = 1, z = 1 - x, before;

    if (x <= 0 || x >= 1)
        return 0;
    do {
        x = sqrt(x);
        before = z;
        y *= 0.5;
        z -= (1 - x) * (1 - x) * y;
    } while (z != before);
    return z / 3;
}

static int64_t estimate(const uint8_t *registers)
{
    uint32_t counts[64 - BITS + 2] = {0};
    double m = (double)REGISTERS, z;

    for (size_t i = 0; i < REGISTERS; i++)
        counts[registers[i] < COUNT_OF(counts) ? registers[i] : COUNT_OF(counts) - 1]++;
    z = m * tau(1 - counts[64 - BITS + 1] / m);
    for (int k = 64 - BITS; k >= 1; k--)
        z = 0.5 * (z + counts[k]);
    z += m * sigma(counts[0] / m);
    return llround(m * m / (2 * M_LN2) / z);
}

int hll_result(struct agg *agg, size_t call, const struct agg_place *at, struct buf *out,
               struct err *err)
{
    struct slice kept;
    int rc = agg_get_kept(agg, call, at, &kept, err);
    int64_t count;

    if (rc)
        return rc;
    count = is_dense(kept) ? estimate(kept.ptr) : (int64_t)(kept.len / 8);
    rc = buf_append_u8(out, 0);
    return rc ? rc : buf_append(out, &count, sizeof(count));
}

int hll_merge(struct agg *agg, size_t call, const struct agg_place *from,
              const struct agg_place *into, struct err *err)
{
    struct slice kept, other;
    int rc = agg_get_kept(agg, call, from, &other, err);

    if (rc || !other.ptr)
        return rc;
    if (!is_dense(other)) {
        for (size_t i = 0; i < other.len && !rc; i += 8)
            rc = add_hash(agg, call, into, hash_at(other, i), err);
        return rc;
    }
    rc = agg_get_kept(agg, call, into, &kept, err);
    if (!rc && to_registers(agg, kept))
        rc = no_memory(err);
    for (size_t i = 0; i < REGISTERS && !rc; i++)
        if (agg->result.ptr[i] < other.ptr[i])
            agg->result.ptr[i] = other.ptr[i];
    return rc ? rc : agg_put_kept(agg, call, into, buf_slice(&agg->result), err);
}
