/* refs.h - branches, tags and where they stand: what becomes a commit of the catalog.
 *
 * Most changes are updates and requirements in the REST catalog's own words, made from one version
 * of the table and good for that version alone: the requirement names the snapshot a branch stood
 * at, so that a commit in between is a conflict and never undone. A cherry-pick of a snapshot that
 * the branch has moved past needs new manifests and is a commit of its own.
 */
#ifndef LAKE_REFS_H
#define LAKE_REFS_H

#include "lake/commit.h"
#include "lake/metadata.h"

struct lake;

/* Two JSON arrays for catalog_commit; lake_ref_change_free drops them. Empty updates: nothing to
 * do, the table is as it was asked for. */
struct lake_ref_change {
    json_t *requirements, *updates;
};
void lake_ref_change_free(struct lake_ref_change *change);

struct lake_ref_options {
    int64_t snapshot_id;                         /* -1: where main stands */
    int64_t max_ref_age_ms, max_snapshot_age_ms; /* -1: not set */
    int32_t min_snapshots_to_keep;               /* -1: not set; branches alone */
    bool is_tag;
    bool replace;   /* one that is there moves and gets these limits */
    bool if_absent; /* one that is there stays */
};
/* ERR_EXISTS; ERR_NOENT: no such snapshot; ERR_INVALID: the name or the options. */
int lake_ref_create(const struct lake_metadata *m, const char *name,
                    const struct lake_ref_options *options, struct lake_ref_change *out,
                    struct err *err);
/* ERR_NOENT; ERR_INVALID: main, or a tag where a branch was meant. */
int lake_ref_drop(const struct lake_metadata *m, const char *name, bool is_tag,
                  struct lake_ref_change *out, struct err *err);

/* `branch` NULL: main. Rollback goes back along the branch's own line only: ERR_INVALID else. */
int lake_rollback(const struct lake_metadata *m, const char *branch, int64_t snapshot_id,
                  struct lake_ref_change *out, struct err *err);
/* To the newest snapshot of the line that is older than `ms`. */
int lake_rollback_to_time(const struct lake_metadata *m, const char *branch, int64_t ms,
                          struct lake_ref_change *out, struct err *err);
/* To any snapshot that the table still has. */
int lake_set_current(const struct lake_metadata *m, const char *branch, int64_t snapshot_id,
                     struct lake_ref_change *out, struct err *err);
/* The branch moves to where the ref `to` stands, of which it must be an ancestor. One that is not
 * there yet is made. */
int lake_fast_forward(const struct lake_metadata *m, const char *branch, const char *to,
                      struct lake_ref_change *out, struct err *err);

/* The snapshot that was staged under a write-audit-publish id (summary "wap.id"); NULL. */
const struct lake_snapshot *lake_wap_find(const struct lake_metadata *m, const char *wap_id);
/* How many snapshots were staged under it: one is published, of several nobody knows which. */
size_t lake_wap_count(const struct lake_metadata *m, const char *wap_id);

/* Puts one snapshot's change on the branch. A snapshot whose parent is the head becomes the head
 * (`out`). Else its files are committed once more, under "source-snapshot-id" and
 * "published-wap-id" (*made, out empty): those of an append, and those of an overwrite of whole
 * partitions ("replace-partitions") that was made on an ancestor of the head, while what it removed
 * is still there and nothing came into its partitions since. ERR_INVALID, in Iceberg's words: it is
 * neither, or it is on the branch already. ERR_CONFLICT: an overwrite was checked against a head
 * that moved. Worker. */
int lake_cherry_pick_wait(struct lake *lake, struct lake_catalog *catalog,
                          const struct lake_ident *ident, const struct lake_metadata *m,
                          const char *branch, int64_t snapshot_id, struct lake_ref_change *out,
                          int64_t *made, struct err *err);

#endif
