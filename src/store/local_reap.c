/* local_reap.c - large files that nothing names any more are removed behind the answer.
 *
 * To remove a file of 64 MiB the kernel frees each of its pages and blocks: 10 to 30 ms, a third of
 * what it takes to receive one. So one thread does it for all, beside what comes next. What a crash
 * leaves is in the staging folder, which the next start sweeps.
 */
#include "base/workers.h"
#include "store/store_local.h"

#define REAP_MIN ((int64_t)1 << 20) /* smaller ones are gone sooner than handed over */
#define REAP_MAX 64                 /* that wait */

struct reaped {
    struct work work;
    struct disk *disk;
    char path[];
};

static void reap(struct work *work)
{
    struct reaped *reaped = (struct reaped *)work;

    disk_unlink(reaped->disk, reaped->path, NULL);
}

static void reap_done(struct work *work)
{
    free(work);
}

/* Made at the first use: most stores never need it. NULL: there is no thread. */
static struct workers *reaper(struct local *local)
{
    pthread_mutex_lock(&local->reaper_lock);
    if (!local->reaper)
        workers_new(&local->reaper, "store-reap", 1, REAP_MAX, NULL);
    pthread_mutex_unlock(&local->reaper_lock);
    return local->reaper;
}

void local_reap(struct local *local, const char *path, int64_t size)
{
    size_t len = strlen(path) + 1;
    struct reaped *reaped = size < REAP_MIN ? NULL : malloc(sizeof(*reaped) + len);

    if (reaped && reaper(local)) {
        reaped->work = (struct work){.run = reap, .done = reap_done};
        reaped->disk = local->disk;
        memcpy(reaped->path, path, len);
        if (workers_submit(local->reaper, &reaped->work) == 0)
            return;
    }
    free(reaped);
    disk_unlink(local->disk, path, NULL); /* at worst a file that the next start sweeps */
}
