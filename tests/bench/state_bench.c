/* state_bench.c - state that is larger than the memory it may have, and the pause of a cut.
 *
 *   state_bench DIR [STATE_MB] [MEMORY_MB] [VALUE_BYTES] [OPS] [CUTS]
 *
 * Fills a table up to STATE_MB in memory that is limited to MEMORY_MB (0: not), then changes
 * entries at random, uniformly. Then cuts: an epoch of changes is sealed and written in slices of a
 * millisecond between further changes. DIR is emptied.
 */
#include <stdio.h>
#include <stdlib.h>

#include "state/state.h"
#include "state/writer.h"

#define MANY STATE_MANY

static struct state *state;
static struct state_table *table;
static struct rng rng;
static struct err err;
static uint32_t value_bytes;
static int64_t entries;

static void check(int rc)
{
    if (!rc)
        return;
    fprintf(stderr, "state_bench: %s\n", err.text);
    exit(1);
}

/* Some entries: from `first` on, or at random when it is negative. */
static void change(int64_t first, size_t count)
{
    int64_t numbers[MANY];
    struct slice keys[MANY];
    void *values[MANY];
    bool fresh[MANY];

    for (size_t i = 0; i < count; i++) {
        numbers[i] = first < 0 ? (int64_t)rng_below(&rng, (uint64_t)entries) : first + (int64_t)i;
        keys[i] = slice_of(&numbers[i], sizeof(numbers[i]));
    }
    check(state_edit_many(table, NULL, keys, count, value_bytes, values, fresh, &err));
    for (size_t i = 0; i < count; i++)
        ++*(int64_t *)values[i];
}

/* A change is an entry read and written: two state operations, as Flink's own state benchmarks
 * count them (valueGet, valueUpdate). */
static void report(const char *what, int64_t changes, int64_t cpu_ns, int64_t wall_ns)
{
    struct state_info info;
    double per_cpu_s = (double)changes * 1e9 / (double)cpu_ns;

    state_info(state, &info);
    printf("%-8s %9lld changes: %6.2f us of CPU each, %8.0f per CPU second (%.0f operations), "
           "%8.0f per second; state %.0f MB, of it %.0f MB in the file; memory of the process %.0f "
           "MB\n",
           what, (long long)changes, (double)cpu_ns / (double)changes / 1e3, per_cpu_s,
           2 * per_cpu_s, (double)changes * 1e9 / (double)wall_ns, (double)info.memory_bytes / 1e6,
           (double)info.spilled_bytes / 1e6, (double)memory_resident_bytes() / 1e6);
    fflush(stdout);
}

static void fill(int64_t bytes)
{
    struct clock *clock = clock_system();
    int64_t cpu = cpu_thread_ns(), wall = clock_mono_ns(clock);
    struct state_info info = {0};

    while (info.memory_bytes < bytes) {
        for (int i = 0; i < 1000; i++, entries += MANY)
            change(entries, MANY);
        state_info(state, &info);
    }
    report("fill", entries, cpu_thread_ns() - cpu, clock_mono_ns(clock) - wall);
}

static void work(int64_t ops)
{
    struct clock *clock = clock_system();
    int64_t cpu = cpu_thread_ns(), wall = clock_mono_ns(clock);

    for (int64_t done = 0; done < ops; done += MANY)
        change(-1, MANY);
    report("random", ops, cpu_thread_ns() - cpu, clock_mono_ns(clock) - wall);
}

/* The longest time that rows wait: for the seal, or for a slice of what is written. */
static void cut(int64_t epoch, int64_t ops)
{
    struct clock *clock = clock_system();
    int64_t start, seal, longest = 0, busiest = 0, cpu = 0;
    struct arena arena = {0};
    const char *json;
    bool done = false;
    int slices = 0;

    for (int64_t i = 0; i < ops; i += MANY)
        change(-1, MANY);
    start = clock_mono_ns(clock);
    check(state_seal(state, epoch, &err));
    seal = clock_mono_ns(clock) - start;
    for (; !done; slices++) {
        int64_t took, before = cpu_thread_ns();

        start = clock_mono_ns(clock);
        check(state_flush(state, 1000000, &done, &err));
        took = clock_mono_ns(clock) - start;
        before = cpu_thread_ns() - before;
        cpu += before;
        busiest = !done && before > busiest ? before : busiest;
        longest = !done && took > longest ? took : longest;
        change(-1, MANY);
    }
    check(state_manifest(state, &arena, &json, &err));
    state_committed(state);
    arena_deinit(&arena);
    printf(
        "cut %lld  seal %.3f ms, %d slices, the longest %.2f ms (%.2f ms of CPU), %.0f ms of CPU "
        "in all\n",
        (long long)epoch, (double)seal / 1e6, slices, (double)longest / 1e6, (double)busiest / 1e6,
        (double)cpu / 1e6);
    fflush(stdout);
}

static int64_t number(int argc, char **argv, int at, int64_t otherwise)
{
    return argc > at ? (int64_t)strtod(argv[at], NULL) : otherwise;
}

int main(int argc, char **argv)
{
    int64_t state_mb = number(argc, argv, 2, 1000), memory_mb = number(argc, argv, 3, 0);
    int64_t ops = number(argc, argv, 5, 200000);
    struct state_options options = {.disk = disk_system(),
                                    .clock = clock_system(),
                                    .dir = argc > 1 ? argv[1] : NULL,
                                    .memory_bytes = memory_mb << 20,
                                    .sync_later = true};

    if (!options.dir) {
        fprintf(stderr,
                "usage: state_bench DIR [STATE_MB] [MEMORY_MB] [VALUE_BYTES] [OPS] [CUTS]\n");
        return 2;
    }
    value_bytes = (uint32_t)number(argc, argv, 4, 100) / 8 * 8;
    rng_init(&rng, 1);
    check(state_writer_new(&options.writer, &err));
    check(state_new(&state, &options, &err));
    check(state_table_open(state, &(struct state_table_options){.name = "t"}, &table, &err));
    check(state_load(state, NULL, &err));
    fill(state_mb * 1000000);
    for (int64_t epoch = 1; epoch <= number(argc, argv, 6, 3); epoch++) {
        cut(epoch, ops / 10);
        state_sync_free(state_take_sync(state));
    }
    work(ops);
    state_free(state);
    state_writer_free(options.writer);
    return 0;
}
