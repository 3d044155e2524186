/* disk_sim.h - a disk in memory that loses power, and a disk that fails on purpose.
 *
 * disk_sim keeps for each file the synced bytes and a queue of unsynced writes, and for each folder
 * the synced names and the unsynced changes of names. disk_sim_power_loss() keeps, of the unsynced
 * ones, a random part: writes torn at 512-byte sectors, lost, or kept out of order; names likewise.
 * Same seed, same calls: same bytes. disk_sim_on_call() runs before every call, so a test can cut
 * the power at the n-th write or sync.
 * Threads: locked inside; deterministic only when one thread calls.
 */
#ifndef BASE_DISK_SIM_H
#define BASE_DISK_SIM_H

#include "base/disk.h"

struct disk_sim;

enum disk_call { /* what is about to happen */
    CALL_OPEN, CALL_PREAD, CALL_PWRITE, CALL_SYNC, CALL_TRUNCATE, CALL_RENAME, CALL_LINK,
    CALL_UNLINK, CALL_MKDIR, CALL_RMDIR, CALL_SYNC_DIR, CALL_STAT, CALL_LIST, CALL_OTHER
};

/* Returns 0 to go on or an err code (ERR_IO, ERR_NOSPC, ...) that the call then fails with. */
typedef int disk_call_fn(void *arg, enum disk_call call, const char *path);

int disk_sim_new(struct disk_sim **out, uint64_t seed, struct err *err);
void disk_sim_free(struct disk_sim *sim);
struct disk *disk_sim_disk(struct disk_sim *sim); /* borrowed */
void disk_sim_on_call(struct disk_sim *sim, disk_call_fn *fn, void *arg);
void disk_sim_capacity(struct disk_sim *sim, int64_t bytes); /* ERR_NOSPC beyond; -1: none */

/* From now on every call fails with ERR_IO until disk_sim_reboot(). Open files stay unusable. */
void disk_sim_power_loss(struct disk_sim *sim);
void disk_sim_reboot(struct disk_sim *sim);
int64_t disk_sim_calls(struct disk_sim *sim); /* how many calls so far */

/* Wraps `under` (borrowed); `fn` is asked before every call. Release with disk_fault_free. */
int disk_fault_new(struct disk **out, struct disk *under, disk_call_fn *fn, void *arg,
                   struct err *err);
void disk_fault_free(struct disk *disk);

#endif
