/* session.h - what names mean to one script or one user: catalogs, databases, tables, settings.
 *
 * Two kinds of catalog. The memory catalog `default_catalog` holds what CREATE TABLE ... WITH
 * ('connector' = ...) and CREATE VIEW define, for the life of the session. A lake catalog is our
 * Iceberg catalog under the name that CREATE CATALOG gave it; it is there from the start under its
 * own name. A name is looked up in the current catalog and database first; what is not found there
 * and has two parts is looked up in the lake.
 * Memory: everything given out lives in the arena given to session_new.
 * Threads: one at a time.
 */
#ifndef CONNECTOR_SESSION_H
#define CONNECTOR_SESSION_H

#include "connector/connector.h"
#include "sql/sql.h"

struct session;

/* STATE: what an operator of a job remembers, read only; the database is the job. */
enum session_table_kind { SESSION_CONNECTOR, SESSION_LAKE, SESSION_VIEW, SESSION_STATE };
/* A table of the lake or of state: it can be read to its end, now. */
bool session_table_ends(const struct sql_table *table);
struct session_table { /* sql_table.handle */
    enum session_table_kind kind;
    struct lake_ident ident;        /* LAKE */
    struct lake_metadata *metadata; /* LAKE: the session's reference */
    const char *metadata_location;  /* LAKE */
    const char *text;               /* CONNECTOR, VIEW: the statement as written */
    /* LAKE: which of its versions was asked for; see travel.c. */
    int64_t snapshot_id;              /* -1: the current one */
    const struct lake_schema *schema; /* of the rows */
    const char *branch;               /* `t.branch_x`; NULL: main */
    const char *wap_id;               /* what is written is staged under it; NULL: it is not */
    int inspect;                      /* enum lake_inspect_kind, `t.snapshots`; -1: the table */
};

int session_new(struct session **out, struct connector *connector, struct arena *arena,
                struct err *err);
void session_free(struct session *session);
const struct sql_resolver *session_resolver(struct session *session);
/* Computes the constant behind AS OF. `query` is a SELECT of one STRING, or of one TIMESTAMP_LTZ
 * whose text is then its microseconds since 1970; *text is in the arena, NULL for NULL. */
struct session_names;
struct session_evaluator {
    int (*run)(void *arg, const char *query, struct arena *arena, const char **text,
               struct err *err);
    void *arg;
};
void session_evaluate_with(struct session *session, struct session_evaluator evaluator);

/* `state.JOB.OPERATOR` and SHOW TABLES IN state.JOB; without it there is no such catalog. A catalog
 * that the session names so itself goes before it. */
#define SESSION_STATES "state"
struct session_states {
    /* Fills the columns, which live as long as the statement. */
    int (*table)(void *arg, const char *job, const char *name, struct arena *arena,
                 struct sql_table *out, struct err *err);
    int (*names)(void *arg, const char *job, struct arena *arena, struct session_names *out,
                 struct err *err);
    void *arg;
};
void session_states_with(struct session *session, struct session_states states);

/* True for statements that session_execute runs: DDL, USE, SET, RESET. */
bool session_executes(const struct sql_statement *statement);
/* ERR_INVALID, ERR_EXISTS, ERR_NOENT, ERR_UNSUPPORTED with line and column of the statement. */
int session_execute(struct session *session, const struct sql_statement *statement,
                    struct err *err);

const char *session_setting(struct session *session, const char *key); /* or NULL */
const char *session_catalog(struct session *session);                  /* current */
const char *session_database(struct session *session);
/* Names, sorted, for SHOW. `catalog`, `database` NULL: the current one. */
struct session_names {
    const char **list;
    size_t count;
};
int session_catalogs(struct session *session, struct session_names *out, struct err *err);
int session_databases(struct session *session, const char *catalog, struct session_names *out,
                      struct err *err);
int session_tables(struct session *session, const char *catalog, const char *database,
                   bool views_only, struct session_names *out, struct err *err);
/* What CREATE CATALOG said; of the catalogs that are always there, only their type. */
int session_catalog_options(struct session *session, const char *name,
                            const struct sql_options **options, const char **comment,
                            struct err *err);
/* Of a table in memory, as ALTER TABLE ... ADD PARTITION has made them: p=1/q=a. */
int session_partitions(struct session *session, const struct sql_name *table,
                       struct session_names *out, struct err *err);
/* In how many shards operators with keys would be made (stream/job.h); 0: in one. */
int session_plan_shards(struct session *session, struct arena *arena, int64_t *shards,
                        struct err *err);
/* What the settings say of planning a stream. ERR_INVALID names the one that makes no sense. */
int session_plan_options(struct session *session, struct sql_plan_options *out, int64_t *idle_ms,
                         struct err *err);
struct session_setting_row {
    const char *key, *value;
};
const struct session_setting_row *session_settings(struct session *session, size_t *count);

/* connector.c: does an INSERT ask for upserts? As Flink's Iceberg sink spells it, in the table's
 * options or in an OPTIONS hint. The Iceberg table's properties say it too: lake_upsert_wanted. */
bool session_asks_for_upsert(const struct sql_table *target, const struct sql_hints *hints);

/* Hints that say where a table is read from change nothing of where it is written to: refused, lest
 * the rows of a branch land in main. */
int session_check_target_hints(const struct sql_hints *hints, struct err *err);

/* types.c: columns of Iceberg as Flink sees them, and back. */
const struct sql_type *type_from_lake(struct arena *arena, const struct lake_type *type,
                                      bool required);
int type_to_lake(struct arena *arena, const struct sql_type *type, struct lake_type *out,
                 struct err *err); /* of the newest format: type_for_format narrows it */
void type_for_format(struct lake_type *type, int format);
/* Are there uuids in it, which SQL sees as text? Then what a scan gives is cast to `type`. */
bool type_has_uuid(const struct sql_type *type);
/* default.c: a field's write default as CREATE TABLE writes it: DATE '2024-01-01'. */
int default_print(const struct lake_field *field, struct arena *arena, struct buf *out);

#endif
