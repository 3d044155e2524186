/* session_int.h - what session.c (names) and ddl.c (statements) share. */
#ifndef CONNECTOR_SESSION_INT_H
#define CONNECTOR_SESSION_INT_H

#include "connector/session.h"

#define MEMORY_CATALOG  "default_catalog"
#define MEMORY_DATABASE "default_database"

struct catalog_entry {
    struct catalog_entry *next;
    const char *name;
    bool lake;                    /* the Iceberg catalog; else in memory */
    const char *default_database; /* or NULL */
    struct sql_options options;   /* as CREATE CATALOG and ALTER CATALOG have them */
    const char *comment;          /* or NULL */
};
struct database_entry { /* of a catalog in memory */
    struct database_entry *next;
    const char *catalog, *name;
};
struct partition_entry { /* only a name: what a source reads does not hang on it */
    struct partition_entry *next;
    const char *name; /* p=1/q=a, in the order of PARTITIONED BY */
};
struct table_entry { /* of a catalog in memory */
    struct table_entry *next;
    struct sql_table table;
    struct session_table handle;
    struct sql_ident key_name; /* CONSTRAINT name PRIMARY KEY; text NULL: it has none */
    const char *comment;
    struct sql_distribution distribution;
    struct partition_entry *partitions;
    struct lake_ident alias; /* 'connector' = 'iceberg': the table it stands for; name NULL: none */
    bool dropped;
};
struct loaded { /* a lake table, for its reference */
    struct loaded *next;
    struct sql_table table;
    struct session_table handle;
};

struct function_entry {
    struct function_entry *next;
    const char *name, *class_name;
    const struct sql_expr *body; /* what tarn.yaml says of the class; NULL: not asked for yet */
    bool dropped;
};

struct session {
    struct connector *connector;
    struct arena *arena;
    struct catalog *lake_catalog;
    struct catalog_entry *catalogs;
    struct database_entry *databases;
    struct table_entry *tables;
    struct loaded *loaded;
    struct function_entry *functions;
    const char *catalog, *database; /* current */
    struct session_setting_row *settings;
    size_t setting_count, setting_cap;
    struct sql_resolver resolver;
    struct session_evaluator evaluator; /* run NULL: none */
    struct session_states states;       /* table NULL: none */
    /* A job plans its script at every start. What the script changed in the catalog was done when
     * it was submitted: then a table that is there is no mistake, and nothing is dropped again. */
    bool replays;
    const char *job; /* whose script it is; NULL: nobody's */
    int threads;     /* of its pipelines, as the settings are when an INSERT is planned */
};

int session_no_memory(struct err *err);
struct catalog_entry *session_find_catalog(struct session *s, const char *name);
bool session_has_database(struct session *s, const char *catalog, const char *name);
struct table_entry *session_find_table(struct session *s, const char *catalog, const char *database,
                                       const char *name);
int session_add_catalog(struct session *s, const char *name, bool lake, const char *database,
                        struct err *err);
int session_add_database(struct session *s, const char *catalog, const char *name, struct err *err);

/* ddl.c */
/* A name of one to three parts, completed with what is current. */
struct full_name {
    const char *catalog, *database, *name;
    struct catalog_entry *entry;
};
int session_complete(struct session *s, const struct sql_name *name, struct full_name *out,
                     struct err *err);
/* What a statement makes in a catalog in memory, in place of `old`; NULL: of nothing. */
int session_define_table(struct session *s, const struct sql_statement *st, struct table_entry *old,
                         struct err *err);
int session_define_view(struct session *s, const struct sql_statement *st, struct table_entry *old,
                        struct err *err);

/* ddl_catalog.c: catalogs and databases. */
int session_create_catalog(struct session *s, const struct sql_statement *st, struct err *err);
int session_alter_catalog(struct session *s, const struct sql_statement *st, struct err *err);
int session_drop_catalog(struct session *s, const struct sql_drop *drop, struct err *err);
int session_create_database(struct session *s, const struct sql_statement *st, struct err *err);
int session_drop_database(struct session *s, const struct sql_drop *drop, struct err *err);
int session_alter_database(struct session *s, const struct sql_statement *st, struct err *err);
/* memory_partitions.c: ADD and DROP PARTITION; *list is what the table is to have. */
int session_alter_partitions(struct session *s, const struct sql_alter *alter,
                             const struct sql_table *table, struct partition_entry **list,
                             struct err *err);
/* alter_memory.c: ALTER TABLE and ALTER VIEW of what is in memory. */
int session_alter_memory(struct session *s, const struct sql_statement *st,
                         struct table_entry *entry, struct err *err);

/* session.c: one to three names. */
int session_resolve(struct session *s, const char *const *parts, size_t count,
                    const struct sql_table **out, struct err *err);
int session_lake_columns(struct session *s, const struct lake_schema *schema, struct sql_table *out,
                         struct err *err);
/* travel.c: names and versions behind them; the resolver's functions. */
int session_table(void *arg, const char *const *parts, size_t count, const struct sql_table **out,
                  struct err *err);
int session_table_at(void *arg, const char *const *parts, size_t count,
                     const struct sql_table_at *at, const struct sql_table **out, struct err *err);

/* Casts a constant expression to a type, through another one when `inner` names it: its text, or
 * microseconds of a TIMESTAMP_LTZ. */
int session_evaluate(struct session *s, const struct sql_expr *expr, const char *inner,
                     const char *type, const char **text, struct err *err);
/* default.c: the JSON single value of DEFAULT for a column of `type` in a table of `format`; NULL:
 * none. In the session's arena. */
int session_default(struct session *s, const struct sql_expr *expr, const char *column,
                    const struct lake_type *type, int format, const char **json, struct err *err);
/* A field's write default as sql_column.given. */
int session_given(struct session *s, const struct lake_field *field, const char **given,
                  struct err *err);
/* alter.c */
int session_alter_table(struct session *s, const struct sql_statement *st, struct err *err);
/* made.c: functions, and tables of queries. */
int session_create_function(struct session *s, const struct sql_statement *st, struct err *err);
int session_alter_function(struct session *s, const struct sql_statement *st, struct err *err);
int session_drop_function(struct session *s, const struct sql_drop *drop, struct err *err);
int session_function(void *arg, const char *name, const struct sql_expr **body, struct err *err);
int session_pass_over(struct session *s, const struct sql_statement *st, struct err *err);
bool session_creates_as(const struct sql_statement *st); /* CREATE TABLE ... AS */
/* The INSERT that fills the table that a CREATE TABLE ... AS has made. */
int session_insert_as(struct session *s, const struct sql_statement *st, struct sql_statement **out,
                      struct err *err);
/* procedures.c: CALL */
int session_call(struct session *s, const struct sql_statement *st, struct err *err);

/* lake_ddl.c: CREATE TABLE in the Iceberg catalog. */
int lake_table_create(struct session *s, const struct lake_ident *ident,
                      const struct sql_create_table *create, const struct sql_table *table,
                      struct err *err);

/* connector.c's parts that sessions need. */
struct lake *connector_lake(struct connector *connector);
const int *connector_catalog_ports(struct connector *connector);
int connector_columns(struct vec_db *db, const struct sql_output *outputs, size_t count,
                      struct vec_columns *out, struct err *err);

#endif
