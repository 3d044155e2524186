/* own_table.h - tables that the engine makes for itself: dead letters, late rows. */
#ifndef CONNECTOR_OWN_TABLE_H
#define CONNECTOR_OWN_TABLE_H

#include "lake/commit.h"
#include "lake/types.h"

struct catalog;

struct own_column {
    const char *name, *doc; /* doc: or NULL */
    enum lake_kind kind;
    bool required;
};
/* The table with these columns in their order, and its namespace; 0 when it is there already,
 * whatever its columns are. Waits. */
int own_table_make(struct catalog *catalog, const struct lake_ident *ident,
                   const struct own_column *columns, size_t count, struct err *err);

#endif
