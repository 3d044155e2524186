/* state_bench.c - what a cut costs a pipeline that remembers much: the seal, and the slices after it.
 *
 *     state_bench [MIB [CHANGES]]       1,024 MiB of entries, 1,000,000 changes an epoch
 *
 * Entries of 100 bytes are put until they are MIB. Then epochs: CHANGES random entries change, the
 * epoch is sealed, and slices of a millisecond are written between batches of 1,000 changes of the
 * next, as a pipeline does between polls. The pause is the seal; a slice may not be much longer than
 * asked. BENCH_DIR: where the files go (a folder in /tmp). */
#include <stdio.h>
#include <unistd.h>

#include "state/state.h"

#define VALUE    100
#define EPOCHS   5
#define SLICE_NS 1000000

static void die(const struct err *err)
{
    fprintf(stderr, "state_bench: %s\n", err->text);
    exit(1);
}

static void edit(struct state_table *table, uint64_t number, struct err *err)
{
    struct state_key key = {.key = {(const uint8_t *)&number, sizeof(number)}};
    void *value;
    bool fresh;

    if (state_edit(table, &key, VALUE, &value, &fresh, err))
        die(err);
    ++*(uint64_t *)value;
}

/* What one epoch took, in ns. */
struct took {
    int64_t seal, slice_max, changes;
};

static struct took epoch(struct state *state, struct state_table *table, struct rng *rng,
                         uint64_t entries, int64_t changes, int64_t number, struct err *err)
{
    struct clock *clock = clock_system();
    int64_t at = clock_mono_ns(clock);
    struct took took = {0};
    struct arena arena = {0};
    const char *manifest;
    bool done = false;

    if (state_seal(state, number, err))
        die(err);
    took.seal = clock_mono_ns(clock) - at;
    for (int64_t i = 0; i < changes; i++) {
        int64_t slice;

        edit(table, rng_below(rng, entries), err);
        if (i % 1000 || done)
            continue;
        slice = clock_mono_ns(clock);
        if (state_flush(state, SLICE_NS, &done, err))
            die(err);
        slice = clock_mono_ns(clock) - slice;
        if (slice > took.slice_max)
            took.slice_max = slice;
    }
    took.changes = clock_mono_ns(clock) - at;
    while (!done)
        if (state_flush(state, SLICE_NS, &done, err))
            die(err);
    if (state_manifest(state, &arena, &manifest, err) ||
        state_sync_wait(state_take_sync(state), err))
        die(err);
    state_committed(state);
    arena_deinit(&arena);
    return took;
}

int main(int argc, char **argv)
{
    int64_t mib = argc > 1 ? atoll(argv[1]) : 1024, changes = argc > 2 ? atoll(argv[2]) : 1000000;
    const char *in = getenv("BENCH_DIR");
    char dir[300];
    struct state_options options = {.disk = disk_system(), .clock = clock_system(), .dir = dir,
                                    .sync_later = true};
    struct state *state;
    struct state_table *table;
    struct state_info info = {0};
    struct err err = {0};
    struct rng rng;
    uint64_t entries = 0;

    snprintf(dir, sizeof(dir), "%s/tarn-state-bench-XXXXXX", in ? in : "/tmp");
    rng_init(&rng, 1);
    if (!mkdtemp(dir) || state_new(&state, &options, &err) ||
        state_table_open(state, &(struct state_table_options){.name = "sums"}, &table, &err) ||
        state_load(state, NULL, &err))
        die(&err);
    for (; info.memory_bytes < mib << 20; entries++) {
        edit(table, entries, &err);
        if (entries % 100000 == 0)
            state_info(state, &info);
    }
    printf("%" PRIu64 " entries of %d bytes, %" PRId64 " MiB in memory\n", entries, VALUE,
           info.memory_bytes >> 20);
    for (int64_t i = 1; i <= EPOCHS; i++) {
        struct took t = epoch(state, table, &rng, entries, changes, i, &err);

        printf("epoch %" PRId64 ": seal %.3f ms, longest slice %.3f ms, %.0f ns a change\n", i,
               (double)t.seal / 1e6, (double)t.slice_max / 1e6,
               (double)t.changes / (double)changes);
    }
    state_free(state);
    if (disk_remove_tree(disk_system(), dir, &err))
        die(&err);
    return 0;
}
