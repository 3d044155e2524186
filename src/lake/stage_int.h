/* stage_int.h - what the files of staging share.
 *
 *   stage.c           the life of a staged change, one attempt from end to end
 *   stage_rows.c      rows and files that a change takes away
 *   stage_list.c      manifests merged; files replaced by files with the same rows
 *   stage_cut.c       files found in a manifest list, and taken out of it
 *   stage_rebase.c    deletes that follow rewritten rows
 *   stage_queue.c     a change that waits with others for its table
 *   stage_snapshot.c  snapshots: summary, manifest list
 *   tidy.c            manifests written anew
 */
#ifndef LAKE_STAGE_INT_H
#define LAKE_STAGE_INT_H

#include "lake/delete_int.h"

struct lake_staged {
    struct lake *lake;
    struct arena arena; /* what outlives an attempt */
    const char *ns, *name, *uuid;
    struct lines added;    /* manifests of the added files, kept over attempts */
    struct path_list kept; /* their paths */
    struct path_list data; /* files of the change, in flight until it is true */
    int64_t append_id, replace_id;
    struct arena attempt;     /* the rest belongs to the last attempt */
    struct path_list written; /* lists, rewritten manifests, delete files, metadata */
    struct path_list garbage; /* to be removed once the commit is true */
    struct lake_metadata *metadata;
    struct lake_swap swap;
    size_t rewrites_kept;
    bool has_first; /* the first of the two snapshots */
};

/* What one attempt knows. */
struct attempt {
    struct lake_staged *staged;
    struct lake_metadata *base;
    const char *base_location;
    const struct lake_change *change;
    struct lake_carrier *carrier; /* NULL: every file is durable when written */
    const char *branch;
    const struct lake_snapshot *parent;
    struct lines lines;      /* of the newest list so far */
    int64_t sequence_number; /* last one given */
    int64_t parent_id, now_ms, next_row_id;
    const struct lake_property *totals; /* summary of the newest snapshot so far */
    size_t total_count;
    json_t *updates;
    struct err *err;
};

/* What a snapshot adds and takes away, for its summary. */
struct counted {
    int64_t files, rows, bytes; /* data files; bytes: of deletes too */
    int64_t delete_files, position_files, vectors, positions;
    int64_t equality_files, equality_rows;
};
struct change_totals {
    struct counted added, removed;
    struct lake_data_file *files; /* of the first thousand: specs and partitions alone */
    size_t file_count;
};
int totals_add(struct change_totals *totals, bool removed, const struct lake_data_file *file,
               struct arena *arena, struct err *err);

/* Settled, freed or abandoned, by how its commit ended. */
void stage_end(struct lake_staged *staged, int rc);

/* stage_queue.c: lake_commit_wait for a catalog with a queue. */
struct lake_committed;
int stage_through_queue(struct lake *lake, struct lake_catalog *catalog,
                        const struct lake_ident *ident, const struct lake_change *change,
                        struct lake_committed *out, struct err *err);

/* stage_snapshot.c: writes the list of a->lines and adds the snapshot to the updates. */
int stage_snapshot(struct attempt *a, int64_t id, const char *operation,
                   const struct change_totals *totals);

/* Manifests read while entries borrow from them; dropped together. */
struct loaded {
    struct lake_manifest **list;
    size_t count, cap;
};
int list_load(struct list_job *job, struct loaded *loaded, const struct lake_manifest_file *line,
              struct lake_manifest **out, struct err *err);
void list_drop_loaded(struct loaded *loaded);

/* ---- stage_cut.c ---- */

struct target { /* a data file that is looked for */
    const char *path;
    int32_t spec_id;                               /* -1: any */
    int64_t sequence_number, file_sequence_number; /* -1: any */
    bool found;
    struct lake_entry entry; /* inherited; its file is borrowed from what was loaded */
    size_t line, index;
};
/* Looks for live data files by path; each path once. */
int list_find(struct list_job *job, const struct lines *lines, struct target *targets, size_t count,
              struct loaded *loaded, struct err *err);

/* Entries to be taken out: per line NULL, or a flag per entry of its manifest. */
struct cuts {
    bool **taken;
    size_t line_count;
};
int cuts_init(struct cuts *cuts, size_t line_count, struct arena *arena, struct err *err);
int cuts_add(struct cuts *cuts, size_t line, size_t index, size_t entry_count, struct arena *arena,
             struct err *err);
/* Rewrites each manifest that loses entries, one for one: lost ones marked deleted, others
 * existing. Counts what was lost. */
int list_cut(struct list_job *job, struct lines *lines, const struct cuts *cuts,
             struct change_totals *totals, struct err *err);
/* Lines whose manifests hold nothing live any more stay in the list of the snapshot that emptied
 * them, and go with the next. */
void list_drop_dead(struct lines *lines);

/* stage_list.c: as list_rewrite says, by `rewrites`; those still possible are counted in *kept.
 * `db` as in lake_change. */
int list_replace(struct list_job *job, struct lines *lines, const struct lake_rewrite *rewrites,
                 size_t count, struct vec_db *db, struct change_totals *totals, size_t *kept,
                 struct err *err);

/* ---- stage_rebase.c ---- */

struct rebase { /* deletes of the new files of all rewrites at hand; zeroed, then job and db set */
    struct list_job *job;
    struct vec_db *db;
    struct vec_conn *conn;
    struct vectors vectors; /* v3 */
    struct entries added;   /* v3: in the order of the vectors */
};
struct late_delete { /* by position, of a rewrite's input, and not read by it */
    size_t input;
    const struct lake_entry *entry;
};
/* Late deletes by position can follow the rows. */
bool rebase_can(const struct rebase *r, const struct lake_rewrite *rewrite);
int rebase_rewrite(struct rebase *r, const struct lake_rewrite *rewrite,
                   const struct late_delete *late, size_t count, struct err *err);
/* Their manifests, once all rewrites were gone through. */
int rebase_write(struct rebase *r, struct lines *out, struct change_totals *totals,
                 struct err *err);
void rebase_deinit(struct rebase *r);

/* tidy.c: manifests clustered by partition, dangling delete files taken out. `*changed` false: all
 * was as it should be, and nothing was written. */
int list_tidy(struct list_job *job, struct lines *lines, struct change_totals *totals,
              bool *changed, struct err *err);

/* stage_rows.c: deletes written, files taken out of `lines`, checks made. ERR_STALE. The manifests
 * of new deletes go to `fresh`. */
int stage_rows(struct attempt *a, struct list_job *job, struct lines *lines, struct lines *fresh,
               struct change_totals *totals);

#endif
