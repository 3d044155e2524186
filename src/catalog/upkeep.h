/* upkeep.h - the service that looks after every table of the catalog.
 *
 * It follows the catalog's commit log: a table that was committed to, by whomever, is looked at
 * `interval_ms` later at the earliest, and any table once an hour, or when something falls due by
 * time. What a table needs is said and done by lake/health.h: the service gives it its turn, the
 * shared budget, and the place where the log of actions is kept (the metadata store).
 *
 * It is one more writer in the one commit queue: what it rewrote is rebased over the appends that
 * came in meanwhile, and given up when its files changed. Where rows were changed within the last
 * interval its rewrites wait for the next turn, ten turns at most: the engine that changes them may
 * be at its next statement, which fails when the files that it read are gone.
 * Per table, beside the properties of lake/health.h and lake/maintain.h:
 *   tarn.maintain.enabled            true   the off switch
 *   tarn.maintain.cpu-percent        -      of one processor, for this table alone
 *   tarn.maintain.bytes-per-second   -      likewise
 * Threads: one of its own, at a low priority; calls may come from any (worker).
 */
#ifndef CATALOG_UPKEEP_H
#define CATALOG_UPKEEP_H

#include "catalog/catalog.h"
#include "lake/health.h"

struct upkeep;

extern const struct meta_migration upkeep_migrations[];

struct upkeep_options { /* all borrowed for life */
    struct catalog *catalog;
    struct lake *lake;
    struct meta *meta;
    struct clock *clock;
    struct lake_rewriter rewriter;
    int64_t interval_ms; /* 0: a minute */
    bool no_thread;      /* it only moves in upkeep_step: simulator, or switched off */
};
int upkeep_new(struct upkeep **out, const struct upkeep_options *options, struct err *err);
void upkeep_free(struct upkeep *upkeep); /* waits for a rewrite that runs; NULL is fine */

/* One turn: every table whose time has come. The number of tables looked at. */
int upkeep_step(struct upkeep *upkeep, size_t *looked, struct err *err);

/* One table now, whatever its turn; `forced`: past the off switch and the budgets. `tell` as in
 * lake_upkeep_options. */
struct upkeep_call {
    struct lake_ident ident;
    bool dry, forced;
    void (*tell)(void *arg, const struct lake_action *action, enum err_code code, const char *did,
                 int64_t files, int64_t bytes);
    void *arg;
};
int upkeep_table(struct upkeep *upkeep, const struct upkeep_call *call, struct err *err);

/* What it knows of a table. */
struct upkeep_state {
    int64_t swept_ms;   /* last orphan sweep; 0: none */
    int64_t looked_ms;  /* last turn; 0: none */
    int64_t pruned_ms;  /* last look for old metadata files in this life; 0: none */
    int64_t next_ms;    /* next turn by time; 0: not known */
};
int upkeep_state(struct upkeep *upkeep, const char *uuid, struct upkeep_state *out,
                 struct err *err);

/* The log of actions, newest first; uuid NULL: of all tables. In the arena. */
struct upkeep_row {
    int64_t time_ms;
    const char *ns, *name, *action, *reason, *did;
    int code; /* 0: done */
    int64_t files, bytes;
};
int upkeep_log(struct upkeep *upkeep, const char *uuid, size_t max, struct arena *arena,
               struct upkeep_row **rows, size_t *count, struct err *err);

#endif
