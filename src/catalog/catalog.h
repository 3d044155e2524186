/* catalog.h - which tables exist, and which metadata file is true for each of them.
 *
 * Namespaces and tables are rows in the metadata store; the tables themselves are files that room
 * `lake` writes. Every change is one entry in one commit log over the whole catalog, written in the
 * transaction that makes it true: branches and grants are later views of that log. The stream's
 * commits, our own statements and foreign clients over REST all swap pointers through one function
 * inside the one metadata writer, so they cannot disagree.
 *
 * A namespace is written as its levels joined by U+001F, as in the REST paths: "payments_db",
 * "a\x1f" "b". Errors say "Namespace does not exist: a.b" and "Table does not exist: a.b.t", the
 * words that clients of the REST catalog look for.
 * Threads: any; calls that write may block (worker).
 */
#ifndef CATALOG_CATALOG_H
#define CATALOG_CATALOG_H

#include "lake/lake.h"
#include "lake/view.h"
#include "meta/meta.h"

struct catalog;

extern const struct meta_migration catalog_migrations[];

struct catalog_options { /* borrowed for the call unless said otherwise */
    struct meta *meta;     /* borrowed for life */
    struct lake *lake;     /* likewise */
    struct clock *clock;   /* likewise */
    const char *name;      /* "polariscatalog": the prefix of Polaris-style paths */
    const char *warehouse; /* "s3://warehouse/polariscatalog": where tables go by default */
    int64_t cache_bytes;   /* metadata files as text; 0: 32 MiB */
    bool no_thread;        /* simulator: purges run inside of catalog_purge_wait only */
};
/* Makes the warehouse's bucket when it is absent. */
int catalog_new(struct catalog **out, const struct catalog_options *options, struct err *err);
void catalog_free(struct catalog *catalog); /* NULL is fine */
const char *catalog_name(const struct catalog *catalog);
const char *catalog_warehouse(const struct catalog *catalog);

/* The seam of lake/commit.h: load, swap_in and swap on this catalog. Borrowed. */
struct lake_catalog *catalog_lake(struct catalog *catalog);

/* ---- requests that are sent again ---- */

/* A client's key for one change (Idempotency-Key). What was done under it is kept in the
 * transaction of the change, for ONCE_LIFE_MS: asked again, the change is not made again. */
#define ONCE_LIFE_MS INT64_C(3600000)
struct catalog_once {
    const char *key;
    int64_t print; /* of the request: another one under the same key is refused */
};
/* All changes that this thread asks for until the next call belong to `once`; NULL: to none. A
 * change whose key is there already returns ERR_AGAIN and does nothing. */
void catalog_once_set(const struct catalog_once *once);
/* What is known of a key: found, by whose request, and what was answered. body NULL: none was
 * kept, and the answer is what the catalog holds now. In the arena. */
struct catalog_once_answer {
    bool found;
    int64_t print;
    int status; /* 0: it succeeded */
    const char *body;
};
int catalog_once_find(struct catalog *catalog, const char *key, struct arena *arena,
                      struct catalog_once_answer *out, struct err *err);
/* Keeps the refusal that a request met. */
int catalog_once_refused(struct catalog *catalog, const struct catalog_once *once, int status,
                         const json_t *body, struct err *err);

/* ---- namespaces ---- */

struct catalog_names { /* in the arena of the call, sorted */
    const char **list;
    size_t count;
    bool more; /* the page was full: go on after the last */
};

/* `properties` is a JSON object of strings or NULL. ERR_EXISTS; ERR_NOENT: the parent is missing;
 * ERR_INVALID: the name. */
int catalog_namespace_create(struct catalog *catalog, const char *ns, const json_t *properties,
                             struct err *err);
/* Its properties, "location" among them; the caller decrefs. out NULL: only whether it exists. */
int catalog_namespace_load(struct catalog *catalog, const char *ns, json_t **out, struct err *err);
/* Children of `parent` (NULL: the first level), after `after` (NULL: from the start), at most
 * `max` (0: all). */
int catalog_namespace_list(struct catalog *catalog, const char *parent, const char *after,
                           size_t max, struct arena *arena, struct catalog_names *out,
                           struct err *err);
/* Result: {"updated": [...], "removed": [...], "missing": [...]}; the caller decrefs. */
int catalog_namespace_update(struct catalog *catalog, const char *ns, const json_t *removals,
                             const json_t *updates, json_t **result, struct err *err);
int catalog_namespace_drop(struct catalog *catalog, const char *ns, struct err *err); /* CONFLICT:
                                                                                 not empty */

/* ---- tables ---- */

/* Where a table stands. metadata is a reference of the caller's: catalog_table_deinit. */
struct catalog_table {
    const char *location; /* of the metadata file, in the arena of the call; NULL: only staged */
    struct lake_metadata *metadata;
};
void catalog_table_deinit(struct catalog_table *table);

int catalog_table_load(struct catalog *catalog, const struct lake_ident *ident, struct arena *arena,
                       struct catalog_table *out, struct err *err);
int catalog_table_exists(struct catalog *catalog, const struct lake_ident *ident, struct err *err);
int catalog_table_list(struct catalog *catalog, const char *ns, const char *after, size_t max,
                       struct arena *arena, struct catalog_names *out, struct err *err);
/* options->location NULL: <warehouse>/<namespace>/<table>, or with a unique ending when files are
 * there already. `stage`: nothing is written; the client commits with assert-create later. */
int catalog_table_create(struct catalog *catalog, const struct lake_ident *ident,
                         const struct lake_table_options *options, bool stage, struct arena *arena,
                         struct catalog_table *out, struct err *err);
/* `purge`: its files are removed in the background, also after a crash. */
int catalog_table_drop(struct catalog *catalog, const struct lake_ident *ident, bool purge,
                       struct err *err);
/* Drops it and tells how it stood: no commit can come after what `out` holds. */
int catalog_table_unregister(struct catalog *catalog, const struct lake_ident *ident,
                             struct arena *arena, struct catalog_table *out, struct err *err);
int catalog_table_rename(struct catalog *catalog, const struct lake_ident *from,
                         const struct lake_ident *to, struct err *err);
/* An existing metadata file becomes a table. `overwrite`: replaces what has the name. */
int catalog_table_register(struct catalog *catalog, const struct lake_ident *ident,
                           const char *metadata_location, bool overwrite, struct arena *arena,
                           struct catalog_table *out, struct err *err);

/* One table's part of a commit: the REST catalog's requirements and updates (JSON arrays). */
struct catalog_change {
    struct lake_ident ident;
    const json_t *requirements, *updates;
};
/* Applies the changes to the newest metadata, writes the new metadata files, and swaps all pointers
 * or none. When a table moved on meanwhile the changes are applied again to the new base as long as
 * their requirements hold there; else ERR_CONFLICT. `out` has one entry per change. */
int catalog_commit(struct catalog *catalog, const struct catalog_change *changes, size_t count,
                   const char *who, struct arena *arena, struct catalog_table *out,
                   struct err *err);

/* ---- views ---- */

/* Tables and views of a namespace share their names. */
struct catalog_view {
    const char *location;   /* of the metadata file, in the arena of the call */
    struct lake_view *view; /* a reference of the caller's: catalog_view_deinit */
};
void catalog_view_deinit(struct catalog_view *view);

int catalog_view_load(struct catalog *catalog, const struct lake_ident *ident, struct arena *arena,
                      struct catalog_view *out, struct err *err);
int catalog_view_exists(struct catalog *catalog, const struct lake_ident *ident, struct err *err);
int catalog_view_list(struct catalog *catalog, const char *ns, const char *after, size_t max,
                      struct arena *arena, struct catalog_names *out, struct err *err);
/* Both take the REST catalog's updates. A new view without "set-location" gets a place of its
 * own below its namespace's. */
int catalog_view_create(struct catalog *catalog, const struct lake_ident *ident,
                        const json_t *updates, const char *who, struct arena *arena,
                        struct catalog_view *out, struct err *err);
int catalog_view_commit(struct catalog *catalog, const struct lake_ident *ident,
                        const json_t *requirements, const json_t *updates, const char *who,
                        struct arena *arena, struct catalog_view *out, struct err *err);
int catalog_view_drop(struct catalog *catalog, const struct lake_ident *ident, struct err *err);
int catalog_view_rename(struct catalog *catalog, const struct lake_ident *from,
                        const struct lake_ident *to, struct err *err);
int catalog_view_register(struct catalog *catalog, const struct lake_ident *ident,
                          const char *metadata_location, struct arena *arena,
                          struct catalog_view *out, struct err *err);

/* The metadata file as compact JSON text, through a cache; appended to `out`. refs_only: only the
 * snapshots that a branch or tag names. */
int catalog_metadata_text(struct catalog *catalog, const struct catalog_table *table,
                          bool refs_only, struct buf *out, struct err *err);

/* ---- the commit log ---- */

struct catalog_commit_row {
    int64_t seq, time_ms;
    const char *who;
    const char *changes; /* JSON array: {"op","key","uuid","from","to"} */
};
/* Newest first, those before `before` (0: from the newest). Rows in the arena. */
int catalog_log(struct catalog *catalog, int64_t before, size_t max, struct arena *arena,
                struct catalog_commit_row **rows, size_t *count, struct err *err);

/* Runs waiting purges until none is left. Tests and the simulator. Worker. */
int catalog_purge_wait(struct catalog *catalog, struct err *err);
/* Syncs the small files of commits that are true. Likewise. */
int catalog_sync_wait(struct catalog *catalog, struct err *err);

#endif
