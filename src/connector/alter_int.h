/* alter_int.h - one ALTER TABLE on its way to a commit; what alter.c and alter_spec.c share. */
#ifndef CONNECTOR_ALTER_INT_H
#define CONNECTOR_ALTER_INT_H

#include "connector/session_int.h"
#include "lake/refs.h"

struct alter {
    struct session *s;
    const struct sql_alter *alter;
    struct lake_ident ident;
    const struct lake_metadata *m; /* the version that is changed */
    struct arena *arena;
    json_t *requirements, *updates;
    struct lake_ref_change ref;
    struct err *err;
};

/* Loads the table, runs `run` on that version and commits what it made; again after a conflict. */
int alter_with(struct session *s, const struct lake_ident *ident,
               int (*run)(struct alter *, const void *), const void *arg, struct err *err);
int alter_add(struct alter *a, json_t *update /* take; NULL: no memory */);
int alter_require(struct alter *a, const char *type, const char *key, int64_t value);
const char *alter_path(struct alter *a, const struct sql_name *name); /* NULL: no memory */
const struct lake_field *alter_field(struct alter *a, const struct sql_name *name);

/* alter_spec.c */
int alter_partition(struct alter *a);
int alter_order(struct alter *a);
int alter_ref(struct alter *a);
int alter_pick(struct alter *a, int64_t snapshot_id);
/* Moves a->ref, made with result `rc`, into the commit. */
int alter_take(struct alter *a, int rc);

#endif
