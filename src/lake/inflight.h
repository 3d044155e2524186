/* inflight.h - what this process is in the middle of: files it made that no commit names yet, and
 * tables whose files somebody here looks after.
 *
 * A file is in flight from before its first byte is in the store until the commit that names it is
 * true, or until it was removed. After a commit of unknown end it stays in flight for the life of
 * the process. The orphan sweep spares such files whatever their age.
 *
 * A job that writes a table merges its small files itself, in its own commits: it keeps the table
 * (`inflight_keep`) so that nobody else rewrites the same files at the same time. Doing it twice
 * would be wasted work, never a wrong table. A job that has not committed for a while keeps
 * nothing.
 * Threads: any.
 */
#ifndef LAKE_INFLIGHT_H
#define LAKE_INFLIGHT_H

#include "base/base.h"

struct inflight;
int inflight_new(struct inflight **out, struct err *err);
void inflight_free(struct inflight *inflight); /* NULL is fine */

/* ERR_NOMEM: the file must not be made. Adding twice is fine. */
int inflight_add(struct inflight *inflight, const char *location, struct err *err);
void inflight_done(struct inflight *inflight, const char *location);
bool inflight_has(struct inflight *inflight, const char *location);
size_t inflight_count(struct inflight *inflight);

/* A writer of ours looks after this table: said again with each of its commits. */
void inflight_keep(struct inflight *inflight, const char *uuid, int64_t mono_ms);
bool inflight_kept(struct inflight *inflight, const char *uuid, int64_t since_mono_ms);

#endif
