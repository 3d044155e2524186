/* spill.c - state beyond its budget of memory: a file that is mapped, and whose pages leave memory
 * when there are too many of them.
 *
 * Blocks of pools are plain memory up to a quarter of the budget, indexes up to seven eighths;
 * lists of entries are plain and count too.
 * Those that come later lie in a file without a name, in the state's folder. They are used like any
 * memory, by walks, joins and checkpoints too; the kernel reads a page when it is touched. What is
 * in the file is never read again by another process: it is a cache of what the checkpoints say.
 *
 * Pages in memory are counted by the faults of this thread, and a hand goes round over the file: it
 * starts writing what is ahead of itself and sends away what is under it. Whoever is about to
 * touch many entries says so before (spill_soon), so that the disk reads them side by side.
 *
 * Room on disk is taken before a unit is used: a full disk is an error here and no signal later. A
 * disk that cannot read is SIGBUS: the process ends and goes on from the last checkpoint.
 * An embedded database as spill would copy each entry in and out, and compact what will be dropped
 * anyway; an own log of cold entries would be quicker still and would have to be known by every
 * walk.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "state/state_int.h"

#define UNIT     HUGE_BYTES
#define PAGE     ((size_t)4096)
#define PAGES    (UNIT / PAGE)
#define RESERVED ((size_t)1 << 38) /* of addresses; a state that needs more takes plain memory */
#define STEPS    64                /* of the hand in a round */
#define PAUSE    128               /* single changes between two looks at the count */

int spill_new(struct spill **out, struct disk *disk, const char *dir, int64_t memory_bytes,
              struct err *err)
{
    struct spill *spill = *out = calloc(1, sizeof(*spill));
    char path[4096];

    if (!spill)
        return err_set(err, ERR_NOMEM, "state");
    spill->budget = memory_bytes;
    spill->disk = disk;
    /* Somebody may read the state beside its owner. */
    snprintf(path, sizeof(path), "%s/spill.%p", dir, (void *)spill);
    spill->path = strdup(path);
    if (spill->path)
        return 0;
    free(spill);
    *out = NULL;
    return err_set(err, ERR_NOMEM, "state");
}

void spill_free(struct spill *spill)
{
    if (!spill)
        return;
    if (spill->base)
        (void)munmap(spill->base, RESERVED);
    file_close(spill->file);
    free(spill->units);
    free(spill->path);
    free(spill);
}

static int64_t faults_of_thread(void)
{
    struct rusage usage;

    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_minflt + usage.ru_majflt;
}

/* The file has no name as soon as it is open. */
static int open_file(struct spill *spill)
{
    void *base;

    if (disk_open(spill->disk, &spill->file, spill->path, DISK_WRITE | DISK_CREATE | DISK_TRUNCATE,
                  NULL))
        return ERR_IO;
    (void)disk_unlink(spill->disk, spill->path, NULL);
    spill->fd = file_fd(spill->file);
    base = spill->fd < 0 ? MAP_FAILED
                         : mmap(NULL, RESERVED, PROT_NONE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) {
        file_close(spill->file);
        spill->file = NULL;
        return ERR_UNSUPPORTED;
    }
    spill->base = base;
    spill->faults = faults_of_thread();
    return 0;
}

static bool in_file(const struct spill *spill, const void *memory)
{
    return spill && spill->base && (const uint8_t *)memory >= spill->base &&
           (const uint8_t *)memory < spill->base + spill->end;
}

/* Units at the end of the file, mapped. */
static void *extend(struct spill *spill, size_t size)
{
    uint8_t *at = spill->base + spill->end;

    if (posix_fallocate(spill->fd, (off_t)spill->end, (off_t)size) ||
        mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, spill->fd,
             (off_t)spill->end) == MAP_FAILED)
        return NULL;
    (void)madvise(at, size, MADV_RANDOM);
    spill->end += size;
    return at;
}

static void *take_unit(struct spill *spill)
{
    size_t unit = spill->units[--spill->unit_count];

    if (posix_fallocate(spill->fd, (off_t)(unit * UNIT), (off_t)UNIT))
        return NULL;
    return spill->base + unit * UNIT;
}

void spill_plain(struct spill *spill, int64_t bytes)
{
    if (spill)
        spill->plain += bytes;
}

/* What a search jumps about in lies on huge pages: by pages of 4 KiB it would wait for the tables
 * of pages as often as for the memory. A kernel that has none gives it all the same. */
static void *plain_of(struct spill *spill, size_t size)
{
    void *memory = aligned_alloc(UNIT, size);

    if (memory)
        (void)madvise(memory, size, MADV_HUGEPAGE);
    if (memory && spill)
        spill->plain += (int64_t)size;
    return memory;
}

void *huge_alloc(struct spill *spill, size_t size, bool index)
{
    if (size < UNIT)
        return malloc(size);
    size = (size + UNIT - 1) / UNIT * UNIT;
    /* An index that grows is there twice for a moment: half of the new one is freed at once. */
    if (!spill ||
        spill->plain + (int64_t)(index ? size / 2 : size) <= spill->budget / 8 * (index ? 7 : 2) ||
        (!spill->base && open_file(spill))) {
        return plain_of(spill, size);
    }
    if (size == UNIT && spill->unit_count)
        return take_unit(spill);
    return spill->end + size <= RESERVED ? extend(spill, size) : plain_of(spill, size);
}

void huge_free(struct spill *spill, void *memory, size_t size)
{
    size_t unit;

    if (size < UNIT || !memory) {
        free(memory);
        return;
    }
    size = (size + UNIT - 1) / UNIT * UNIT;
    if (!in_file(spill, memory)) {
        if (spill)
            spill->plain -= (int64_t)size;
        free(memory);
        return;
    }
    /* The pages and their room on disk go now. */
    (void)madvise(memory, size, MADV_REMOVE);
    unit = (size_t)((uint8_t *)memory - spill->base) / UNIT;
    for (size_t i = 0; i < size / UNIT; i++) {
        if (spill->unit_count == spill->unit_cap) {
            size_t cap = spill->unit_cap ? spill->unit_cap * 2 : 64;
            uint32_t *more = realloc(spill->units, cap * sizeof(*more));

            if (!more) /* these addresses are not used again */
                return;
            spill->units = more;
            spill->unit_cap = cap;
        }
        spill->units[spill->unit_count++] = (uint32_t)(unit + i);
    }
}

/* ---- pages in memory ---- */

void spill_soon(const struct spill *spill, const void *memory, size_t size)
{
    uintptr_t from = (uintptr_t)memory / PAGE * PAGE;

    if (in_file(spill, memory))
        (void)madvise((void *)from, (uintptr_t)memory + size - from, MADV_WILLNEED);
}

/* A fault of a read maps the page and its neighbours, and the write that follows faults again. */
void spill_touch(const struct spill *spill, void *memory, size_t size)
{
    uint8_t *at = memory, *end = at + size;

    if (!in_file(spill, memory))
        return;
    for (; at < end; at = (uint8_t *)((uintptr_t)at / PAGE * PAGE + PAGE))
        (void)__atomic_fetch_or(at, 0, __ATOMIC_RELAXED);
}

static void count_pages(struct spill *spill)
{
    unsigned char there[PAGES];

    spill->pages = 0;
    for (size_t at = 0; at < spill->end; at += UNIT) {
        if (mincore(spill->base + at, UNIT, there))
            continue;
        for (size_t i = 0; i < PAGES; i++)
            spill->pages += there[i] & 1;
    }
}

/* Units that the hand comes to next lose their mappings, in one go and not page by page, and are
 * written. Whoever touches one of their pages meanwhile maps it again. */
static void give_notice(struct spill *spill, size_t unit, size_t count)
{
    (void)madvise(spill->base + unit * UNIT, count * UNIT, MADV_DONTNEED);
    (void)sync_file_range(spill->fd, (off_t)(unit * UNIT), (off_t)(count * UNIT),
                          SYNC_FILE_RANGE_WRITE);
}

/* Units under the hand, at most as many as are left before the end of the file. Pages go that are
 * written and not mapped: that was begun when the hand was one step behind, and those that were
 * touched since stay for a round. How many went is not asked of the kernel, which would cost more
 * than sending them: the hand's share, until a round is over and all are counted. */
static void send_away(struct spill *spill)
{
    size_t units = spill->end / UNIT, step = units / STEPS + 1, left = units - spill->hand;
    off_t pos = (off_t)(spill->hand * UNIT);

    if (step > left)
        step = left;
    (void)sync_file_range(spill->fd, pos, (off_t)(step * UNIT), SYNC_FILE_RANGE_WAIT_BEFORE);
    (void)posix_fadvise(spill->fd, pos, (off_t)(step * UNIT), POSIX_FADV_DONTNEED);
    spill->pages -= spill->pages * (int64_t)step / (int64_t)units;
    spill->hand = (spill->hand + step) % units;
    left = units - spill->hand;
    give_notice(spill, spill->hand, step < left ? step : left);
    if (!spill->hand)
        count_pages(spill);
}

void spill_breathe(struct spill *spill, size_t changes)
{
    int64_t limit;

    if (!spill->base)
        return;
    spill->changes += changes;
    if (spill->changes < PAUSE)
        return;
    spill->changes = 0;
    spill->pages += faults_of_thread() - spill->faults;
    limit = spill->budget - spill->plain;
    if (limit < spill->budget / 8)
        limit = spill->budget / 8;
    for (int i = 0; i < STEPS && spill->pages > limit / (int64_t)PAGE; i++)
        send_away(spill);
    spill->faults = faults_of_thread();
}
