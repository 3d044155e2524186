/* clock.h - time, passed in so that a simulator can own it. Outside base nobody calls time().
 *
 * wall time may jump in both directions; mono time only grows. Any thread may call.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

struct clock {
    int64_t (*wall_us)(struct clock *clock);           /* since 1970-01-01T00:00:00Z */
    int64_t (*mono_ns)(struct clock *clock);           /* since some start */
    void (*sleep_ns)(struct clock *clock, int64_t ns); /* worker threads only */
};

static inline int64_t clock_wall_us(struct clock *clock)
{
    return clock->wall_us(clock);
}
static inline int64_t clock_wall_ms(struct clock *clock)
{
    return clock->wall_us(clock) / 1000;
}
static inline int64_t clock_mono_ns(struct clock *clock)
{
    return clock->mono_ns(clock);
}
static inline int64_t clock_mono_ms(struct clock *clock)
{
    return clock->mono_ns(clock) / 1000000;
}

struct clock *clock_system(void); /* the machine's; borrowed, lives for ever */

/* A clock that a test moves by hand. */
struct clock_fake {
    struct clock clock;
    int64_t wall; /* microseconds */
    int64_t mono; /* nanoseconds */
};
void clock_fake_init(struct clock_fake *fake, int64_t wall_us);
void clock_fake_advance(struct clock_fake *fake, int64_t ns); /* both times; sleep does the same */

/* CPU time of the calling thread and of the whole process, and resident memory. */
int64_t cpu_thread_ns(void);
int64_t cpu_process_ns(void);
int64_t memory_resident_bytes(void);
/* Gives back what deep calls have used of this thread's stack, all but 16 KiB below the caller. Not
 * for the first thread of a process. */
void memory_stack_rest(void);

#endif
