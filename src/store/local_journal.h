/* local_journal.h - small changes of the local store, made durable many at a time by one sync.
 *
 * A small put costs five syncs when its file, its folder and its attributes are each made durable.
 * Instead the whole change is written to a journal, all changes that wait are covered by one sync,
 * and only then is the change carried out on plain files, without a sync. After a crash the journal
 * is played back. Of all that happens to a key the journal must know the end, so whoever changes a
 * key without it writes JOURNAL_FORGET first: what the journal holds of the key counts no more.
 *
 * Two segments of fixed size take turns. A full one is emptied by a checkpoint: when every change
 * in it was carried out, one sync of the whole file system makes it superfluous. The segments are
 * overwritten, never truncated, so a sync has no metadata to write.
 *
 *   segment: header (512 bytes): magic, generation, retired, CRC-32C
 *            records: header with CRC-32C and generation, bucket, key, attribute, bytes; 8-aligned
 *            behind the records of a group one of no change, so that groups are whole blocks and go
 *            past the page cache; not where the file system has no such way
 * A segment's records end at the first that is not whole or is of another generation. Records of
 * one group commit may be torn: none of them was answered.
 * Threads: any; adding blocks (worker).
 */
#ifndef STORE_LOCAL_JOURNAL_H
#define STORE_LOCAL_JOURNAL_H

#include "base/base.h"

#define JOURNAL_BYTES     ((int64_t)8 << 20) /* of a segment, unless said otherwise */
#define JOURNAL_ENTRY_MAX ((size_t)96 << 10) /* of a change with all its texts */

struct journal;

enum journal_kind { JOURNAL_PUT = 1, JOURNAL_REMOVE, JOURNAL_FORGET };

struct journal_entry { /* borrowed for the call */
    enum journal_kind kind;
    int64_t mtime_us; /* PUT: that the file gets */
    struct slice bucket, key, attr, bytes;
};

/* Opens the two segments in the folder, making what is not there. `bytes` 0: JOURNAL_BYTES. */
int journal_new(struct journal **out, struct disk *disk, const char *dir, int64_t bytes,
                struct err *err);
void journal_free(struct journal *journal); /* NULL is fine; empties nothing */

/* Before anything is added: gives `apply` the last change of each key, then empties the journal. */
typedef int journal_apply_fn(void *arg, const struct journal_entry *entry, struct err *err);
int journal_replay(struct journal *journal, journal_apply_fn *apply, void *arg, struct err *err);

/* Durable when it returns 0. The caller carries the change out and says so with journal_done. An
 * error: the change may come back after a crash, unless another of the same key follows. */
int journal_add(struct journal *journal, const struct journal_entry *entry, int *ticket,
                struct err *err);
void journal_done(struct journal *journal, int ticket);
/* False: the journal holds nothing of this key. True: it may. */
bool journal_holds(struct journal *journal, struct slice bucket, struct slice key);
/* Empties the journal: at the end, so that the next start has nothing to play back. */
int journal_checkpoint(struct journal *journal, struct err *err);

#endif
