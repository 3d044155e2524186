/* retype.h - fixed[n] columns, which DuckDB's Parquet writer does not have, put into its files.
 *
 * Iceberg keeps them as FIXED_LEN_BYTE_ARRAY(n). DuckDB writes bytes of any length, which other
 * engines refuse to read as what the table says. So the staging file is gone through once more:
 * values of fixed columns lose the lengths in front of them, page by page, and the footer says the
 * type. All else, levels, dictionaries and statistics included, stays as it was written.
 *
 * Threads: any; blocks on the disk (worker).
 */
#ifndef LAKE_RETYPE_H
#define LAKE_RETYPE_H

#include "lake/types.h"

struct disk;

/* Has the schema columns, at any depth, that need it? */
bool retype_needed(const struct lake_schema *schema);
/* Can it go through files of this codec, as DuckDB names it? */
bool retype_reads(const char *codec);
/* Replaces the local file by one of the schema's types; *size is its new length. ERR_INVALID: a
 * value of a fixed column has another length. ERR_CORRUPT: the file is none of DuckDB's. The file
 * is as it was, or gone, after a failure. */
int retype_file(struct disk *disk, const char *path, const struct lake_schema *schema,
                int64_t *size, struct err *err);

#endif
