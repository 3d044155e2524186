/* verbs.h - what the running instance answers on its control socket, beyond status. */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

#include "cli/instance.h"
#include "cli/rows.h"

typedef int verb_fn(void *arg, const json_t *request, struct control_reply *reply, struct err *err);

/* verbs_kafka.c */
verb_fn verb_topic_list, verb_topic_describe, verb_topic_create, verb_topic_delete, verb_group_list,
    verb_group_describe;
/* verbs_lake.c */
verb_fn verb_table_list, verb_table_describe, verb_table_history;
/* verbs_job.c */
verb_fn verb_job_list, verb_job_show, verb_job_cancel, verb_job_submit, verb_job_stop,
    verb_job_savepoint, verb_job_start, verb_job_explain;
/* "payments_db.payment_charges" as an ident (in the arena) and loaded. catalog_table_deinit. */
int verb_table_ident(const char *name, struct arena *arena, struct lake_ident *out,
                     struct err *err);
int verb_table_load(struct instance *in, const char *name, struct arena *arena,
                    struct lake_ident *ident, struct catalog_table *table, struct err *err);
const char *verb_text(const json_t *request, const char *key); /* NULL: not given */
/* verbs_table.c */
verb_fn verb_table_show, verb_table_files, verb_table_rollback, verb_table_tag, verb_table_branch,
    verb_table_pick, verb_table_register, verb_table_drop, verb_table_lost;
/* verbs_bucket.c */
verb_fn verb_bucket_list, verb_bucket_show, verb_bucket_create, verb_bucket_remove,
    verb_bucket_policy, verb_bucket_versioning, verb_bucket_lifecycle;
/* verbs_dlq.c */
verb_fn verb_dlq_list, verb_dlq_show, verb_dlq_retry;
/* verbs_sql.c */
verb_fn verb_sql;
/* verbs_upkeep.c */
verb_fn verb_table_health, verb_maintain, verb_fsck;

/* Checks one table, or all (name ""), in an instance that runs or was only opened. Lines are
 * {"finding": "damage" or "note", "table", "file", "what"} and, per table, {"checked": its name,
 * "damages", ...}; borrowed. */
struct fsck_out {
    int (*line)(void *arg, json_t *line, struct err *err);
    bool (*stop)(void *arg); /* NULL: never */
    void *arg;
};
int fsck_answer(struct instance *in, const char *name, const struct fsck_out *out, struct err *err);

#endif
