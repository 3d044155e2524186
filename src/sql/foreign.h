/* foreign.h - queries that another engine wrote, as our parser takes them.
 *
 * Only what quotes mean is changed, which differs in every dialect: "x" is a name in Trino and
 * DuckDB, a string in Spark and nothing in Flink. Functions are looked up as they are spelled.
 */
#ifndef SQL_FOREIGN_H
#define SQL_FOREIGN_H

#include "base/base.h"

/* `text` of a view's representation in `dialect` ("trino", "spark", ...; one that is not known
 * stays as it is) with Flink's quotes, in the arena; NULL: no memory. A quote that is not closed is
 * left for the parser to refuse. */
const char *sql_foreign_quotes(const char *text, const char *dialect, struct arena *arena);

#endif
