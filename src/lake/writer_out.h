/* writer_out.h - a file's bytes on their way to the store, while nobody knows how many they are.
 *
 * The first quarter of a megabyte stays in memory and goes to the store as it is, which costs no
 * file of its own; what is longer goes through a staging file. Threads: one at a time (worker).
 */
#ifndef LAKE_WRITER_OUT_H
#define LAKE_WRITER_OUT_H

#include "store/store.h"

struct writer_out;
int writer_out_new(struct writer_out **out, struct store *store /* borrowed */, struct err *err);
/* Bytes are borrowed for the call. A parquet_put_fn of a struct writer_out. */
int writer_out_put(void *out, struct slice bytes, struct err *err);
/* All becomes an object there, durable; *size is its length. Nothing can be put any more. */
int writer_out_finish(struct writer_out *out, const char *location, int64_t *size, struct err *err);
void writer_out_free(struct writer_out *out); /* NULL is fine; unfinished: leaves nothing */

#endif
