/* maintain_int.h - what picking, rewriting and health share. */
#ifndef LAKE_MAINTAIN_INT_H
#define LAKE_MAINTAIN_INT_H

#include "lake/delete_int.h"
#include "lake/health.h"
#include "lake/lake_int.h"

/* tidy.c: delete files of the current snapshot that apply to no data file. */
int lake_dangling(struct lake *lake, const struct lake_metadata *m, struct arena *arena,
                  size_t *count, struct err *err);
/* sweep.c: fills what lies below the table's folder, and what of it nobody names. */
int lake_stored(struct lake *lake, const char *metadata_location, struct lake_health *out,
                struct err *err);
/* `removed` and `bytes` count what was, or would be, removed. */
int orphans_sweep(struct lake *lake, const char *metadata_location, int64_t age_ms, bool dry,
                  int64_t *removed, int64_t *bytes, struct err *err);
/* Metadata files of versions before those that the log still has. */
int metadata_prune(struct lake *lake, const char *metadata_location, int64_t age_ms, bool dry,
                   int64_t *removed, int64_t *bytes, struct err *err);

#endif
