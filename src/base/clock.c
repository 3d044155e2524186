/* clock.c - the machine's time and a clock that tests move by hand. */
#include "base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static int64_t nanoseconds(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t system_wall(struct clock *clock)
{
    (void)clock;
    return nanoseconds(CLOCK_REALTIME) / 1000;
}

static int64_t system_mono(struct clock *clock)
{
    (void)clock;
    return nanoseconds(CLOCK_MONOTONIC);
}

static void system_sleep(struct clock *clock, int64_t ns)
{
    struct timespec left = {ns / 1000000000, ns % 1000000000};

    (void)clock;
    while (ns > 0 && nanosleep(&left, &left) && errno == EINTR)
        ;
}

struct clock *clock_system(void)
{
    static struct clock machine = {system_wall, system_mono, system_sleep};

    return &machine;
}

static int64_t fake_wall(struct clock *clock)
{
    return __atomic_load_n(&((struct clock_fake *)clock)->wall, __ATOMIC_RELAXED);
}

static int64_t fake_mono(struct clock *clock)
{
    return __atomic_load_n(&((struct clock_fake *)clock)->mono, __ATOMIC_RELAXED);
}

static void fake_sleep(struct clock *clock, int64_t ns)
{
    clock_fake_advance((struct clock_fake *)clock, ns);
}

void clock_fake_init(struct clock_fake *fake, int64_t wall_us)
{
    *fake = (struct clock_fake){{fake_wall, fake_mono, fake_sleep}, wall_us, 0};
}

void clock_fake_advance(struct clock_fake *fake, int64_t ns)
{
    __atomic_fetch_add(&fake->mono, ns, __ATOMIC_RELAXED);
    __atomic_fetch_add(&fake->wall, ns / 1000, __ATOMIC_RELAXED);
}

int64_t cpu_thread_ns(void)
{
    return nanoseconds(CLOCK_THREAD_CPUTIME_ID);
}

int64_t cpu_process_ns(void)
{
    return nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
}

int64_t memory_resident_bytes(void)
{
    FILE *statm = fopen("/proc/self/statm", "r"); /* not data: the kernel's own accounting */
    long pages = 0;

    if (!statm)
        return 0;
    if (fscanf(statm, "%*s %ld", &pages) != 1)
        pages = 0;
    fclose(statm);
    return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

void memory_stack_rest(void)
{
    const uintptr_t page = 4096, kept = page; /* kept: for the calls made here */
    pthread_attr_t attr;
    uintptr_t low, end;
    size_t size;
    void *at;

    if (pthread_getattr_np(pthread_self(), &attr))
        return;
    if (!pthread_attr_getstack(&attr, &at, &size)) {
        low = ((uintptr_t)at + page - 1) / page * page;
        end = ((uintptr_t)__builtin_frame_address(0) - kept) / page * page;
        if (end > low && end < low + size)
            (void)madvise((void *)low, end - low, MADV_DONTNEED);
    }
    pthread_attr_destroy(&attr);
}
