/* writer.h - the thread that writes what states hand over, so that nobody who changes a state waits
 * for the disk.
 *
 * One for all states of a process: they share the disk. Blocks of a file are written in the order
 * they were given; the file is made with its first one. An error stays with the file and is told to
 * who waits for it. The queue is soft: who gives too much is told so before (is_full), and goes on
 * with other work. Threads: any; free comes last. */
#ifndef STATE_WRITER_H
#define STATE_WRITER_H

#include "base/base.h"

struct state_writer;
int state_writer_new(struct state_writer **out, struct err *err);
void state_writer_free(struct state_writer *writer); /* writes what is queued; accepts NULL */

struct written; /* a file */
/* `writer` NULL: it is written on the caller's thread. `disk` is borrowed for its life. */
int written_new(struct written **out, struct state_writer *writer, struct disk *disk,
                const char *path, struct err *err);
void written_free(struct written *file); /* waits for what is queued; accepts NULL */
/* At `pos`; takes the bytes, also when it fails. */
int written_put(struct written *file, struct buf *bytes, int64_t pos, struct err *err);
int written_sync_wait(struct written *file, struct err *err); /* all of it is durable */

/* Waits up to wait_ns for room. */
bool state_writer_is_full(struct state_writer *writer, int64_t wait_ns);

#endif
