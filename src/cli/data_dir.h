/* data_dir.h - the folder that holds all state of one instance.
 *
 *   LOCK          held with flock by the process that runs; its pid is inside
 *   VERSION       format versions: {"format": {"log": 1, "state": 1, "metadata": 1}}
 *   control.sock  the running process answers commands here
 *   logs/         messages to the operator
 *   meta.db, kafka/, objects/, state/, staging/   the rooms' own
 *
 * A part newer than this program knows is refused before anything is touched; an older one is
 * migrated, step by step, before the rooms start.
 */
#ifndef CLI_DATA_DIR_H
#define CLI_DATA_DIR_H

#include "base/base.h"

struct data_dir;

/* Makes the folder when it is absent, takes the lock, checks and migrates formats.
 * ERR_BUSY: in use, the text names the process. ERR_UNSUPPORTED: made by a newer program.
 * ERR_INVALID: a folder with other people's files in it. */
int data_dir_open(struct data_dir **out, struct disk *disk, const char *path, struct err *err);
/* The same questions of a folder that is there, without an answer that changes anything. */
int data_dir_check(struct disk *disk, const char *path, struct err *err);
void data_dir_close(struct data_dir *data); /* NULL is fine; gives the lock back */
const char *data_dir_path(const struct data_dir *data);

/* Who runs on the folder: its pid, or 0 when nobody does. */
int data_dir_owner(struct disk *disk, const char *path);

#endif
