/* logfile.h - messages to the operator, kept in DATA/logs/tarn.log and, when wanted, on stderr.
 * The file is renewed at a size; tarn.log.1 is the newest of the old ones.
 * Threads: diag() calls the sink under its own lock.
 */
#ifndef CLI_LOGFILE_H
#define CLI_LOGFILE_H

#include "base/base.h"

struct logfile;

struct logfile_options {
    struct disk *disk;
    const char *data_path; /* borrowed for the call */
    int64_t file_bytes;
    int files;
    bool to_stderr; /* the same lines there too */
};
/* Becomes the sink of diag() until logfile_free. */
int logfile_new(struct logfile **out, const struct logfile_options *options, struct err *err);
void logfile_free(struct logfile *logfile); /* NULL is fine */

#define LOGFILE_RECENT 5
/* The latest warnings and errors, newest last, for the screen. Returns how many. */
int logfile_recent(struct logfile *logfile, char out[LOGFILE_RECENT][256]);

#endif
