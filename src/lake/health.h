/* health.h - how a table is, what it needs, and doing it.
 *
 * One list of actions, each with the reason for it or against it, is what `tarn table health`
 * shows, what `tarn maintain --dry-run` says it would do, and what the maintenance service does. An
 * action is due when its count passes what the table's properties say; what is not due tells when
 * it will be, as far as that is a matter of time.
 *
 *   action     due when                                          done by
 *   deletes    a file has tarn.merge.delete-percent deleted      a rewrite without the deleted rows
 *              rows, or tarn.merge.delete-files delete files
 *   merge      a size class of a partition is full               a rewrite into one file
 *   partition  two small files are of older partition specs      a rewrite in the current one
 *   sort       a large file is not in the table's sort order     a rewrite in that order
 *   manifests  commit.manifest.min-count-to-merge small ones,    a new manifest list: manifests
 *              or delete files that apply to nothing             clustered by partition
 *   expire     snapshots or refs are past their age              new metadata; files removed after
 *   metadata   metadata files fell off the log, an hour ago or   the listing of the metadata folder
 *              more; write.metadata.delete-after-commit.enabled
 *              false, if it is written, keeps them
 *   orphans    tarn.orphans.interval-ms since the last sweep     the listing of the table's folder
 *
 *   property                     default
 *   tarn.maintain.enabled        true       the service looks after this table
 *   tarn.orphans.enabled         true       it also removes files that nobody names
 *   tarn.orphans.age-ms          259200000  (3 d) and that are older than this; at least an hour
 *   tarn.orphans.interval-ms     86400000   (1 d) how often it looks for them
 *
 * Threads: worker.
 */
#ifndef LAKE_HEALTH_H
#define LAKE_HEALTH_H

#include "lake/lake.h"

enum lake_action_kind {
    LAKE_DO_DELETES, LAKE_DO_MERGE, LAKE_DO_SPEC, LAKE_DO_SORT, LAKE_DO_MANIFESTS, LAKE_DO_EXPIRE,
    LAKE_DO_METADATA, LAKE_DO_ORPHANS, LAKE_DO_KINDS
};
const char *lake_action_name(enum lake_action_kind kind); /* "deletes", "merge", ... */

struct lake_action {
    enum lake_action_kind kind;
    bool due;
    int64_t count, bytes; /* of files, manifests or snapshots that it is about */
    int64_t wait_ms;      /* not due: until it will be; -1: no matter of time */
    const char *reason;   /* in the arena */
};
/* Wall times of the last orphan sweep and of the last look for old metadata files; 0: never. */
struct lake_past {
    int64_t swept_ms, pruned_ms;
};
/* What is due now. `merges` gets the rewrites behind the first four. Costs what lake_maintain_pick
 * does. */
struct lake_actions {
    struct lake_action list[LAKE_DO_KINDS]; /* by kind */
    struct lake_merges merges;
};
int lake_actions(struct lake *lake, const struct lake_metadata *m, const struct lake_past *past,
                 struct arena *arena, struct lake_actions *out, struct err *err);

/* Counts over the whole table; looks into every manifest of the current snapshot. */
struct lake_health {
    int64_t data_files, data_bytes, rows;
    int64_t small_files;                /* below tarn.merge.small-bytes */
    int64_t delete_files, delete_bytes; /* vectors count as files */
    int64_t deleted_rows;               /* by position, as the delete files count them */
    int64_t equality_files, dangling;   /* dangling: delete files that apply to nothing */
    int64_t manifests, manifest_bytes, small_manifests;
    int64_t snapshots, refs, oldest_ms; /* oldest_ms: wall time of the oldest snapshot; 0: none */
    int64_t metadata_bytes, metadata_logged; /* the metadata file; older ones still named */
    int64_t stored_files, stored_bytes;      /* below the table's folder; -1: not asked for */
    int64_t unreferenced, unreferenced_bytes;
};
/* `list`: also lists the table's folder, and names what all snapshots hold. */
int lake_health(struct lake *lake, const struct lake_metadata *m, const char *location, bool list,
                struct lake_health *out, struct err *err);

/* ---- doing it ---- */

struct lake_upkeep_options {
    struct lake_catalog *catalog;
    struct lake_ident ident;
    struct lake_rewriter rewriter; /* run NULL: no rewrites (a program without DuckDB) */
    struct lake_budget *budget;    /* large rewrites wait for it; NULL: at once */
    struct lake_budget *own_budget; /* and for this one, of the table; NULL: none */
    bool dry;                      /* says what it would do */
    struct lake_past past;
    /* Told of each action that is due, once it was done, failed or was put off. `did`: what came of
     * it. `files` and `bytes` are those taken away. Borrowed for the call. */
    void (*tell)(void *arg, const struct lake_action *action, enum err_code code, const char *did,
                 int64_t files, int64_t bytes);
    bool (*stop)(void *arg); /* asked between rewrites; NULL: never */
    void *arg;
};
struct lake_upkeep {
    int64_t wait_ms; /* until something may be due again, by time or budget; -1: not foreseen */
    bool swept;      /* the orphan sweep ran to its end */
    bool pruned;     /* and that of old metadata files */
    size_t done;     /* actions */
};
/* Does what is due, in commits of its own; one that meets a newer version of the table is staged
 * again on it. Rewrites of a table that a writer of ours keeps (lake_keep) are left to it, and told
 * with ERR_BUSY; those that wait for their budget with ERR_AGAIN. The first failure is returned,
 * after the other actions were tried. */
int lake_upkeep(struct lake *lake, const struct lake_upkeep_options *options,
                struct lake_upkeep *out, struct err *err);

#endif
