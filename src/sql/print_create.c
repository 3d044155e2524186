/* print_create.c - CREATE and DROP as Flink's text; ALTER is in print_alter.c. */
#include "sql/print_flink.h"

/* ---- schemas --------------------------------------------------------------------------------- */

static void put_enforced(struct flink *f, bool enforced, bool not_enforced)
{
    flink_put(f, not_enforced ? " NOT ENFORCED" : enforced ? " ENFORCED" : "");
}

static void print_column(struct flink *f, const struct sql_column_def *column)
{
    flink_name(f, &column->path);
    if (column->kind == SQL_COLUMN_COMPUTED) {
        flink_put(f, " AS ");
        flink_expr_at(f, column->expr, 0);
    } else {
        flink_put(f, " ");
        flink_type(f, column->type);
    }
    if (column->default_value) {
        flink_put(f, " DEFAULT ");
        flink_expr_at(f, column->default_value, 0);
    }
    if (column->kind == SQL_COLUMN_METADATA) {
        flink_put(f, " METADATA");
        if (column->metadata_key) {
            flink_put(f, " FROM ");
            flink_text(f, column->metadata_key);
        }
        flink_if(f, column->is_virtual, " VIRTUAL");
    }
    if (column->constraint_name.text) {
        flink_put(f, " CONSTRAINT ");
        flink_ident(f, &column->constraint_name);
    }
    flink_if(f, column->primary_key, " PRIMARY KEY");
    flink_if(f, column->unique, " UNIQUE");
    put_enforced(f, column->enforced, column->not_enforced);
    flink_comment(f, column->comment);
    flink_if(f, column->position == SQL_POSITION_FIRST, " FIRST");
    if (column->position == SQL_POSITION_AFTER) {
        flink_put(f, " AFTER ");
        flink_ident(f, &column->after);
    }
}

static void print_constraint(struct flink *f, const struct sql_constraint *constraint)
{
    if (constraint->name.text) {
        flink_put(f, "CONSTRAINT ");
        flink_ident(f, &constraint->name);
        flink_put(f, " ");
    }
    flink_put(f, constraint->primary ? "PRIMARY KEY " : "UNIQUE ");
    flink_idents(f, constraint->columns, constraint->column_count);
    put_enforced(f, constraint->enforced, constraint->not_enforced);
}

void flink_schema(struct flink *f, const struct sql_schema_def *schema)
{
    const char *sep = "";

    for (size_t i = 0; i < schema->column_count; i++, sep = ", ") {
        flink_put(f, sep);
        print_column(f, &schema->columns[i]);
    }
    for (size_t i = 0; i < schema->constraint_count; i++, sep = ", ") {
        flink_put(f, sep);
        print_constraint(f, &schema->constraints[i]);
    }
    if (schema->watermark) {
        flink_put(f, sep);
        flink_put(f, "WATERMARK FOR ");
        flink_name(f, &schema->watermark->column);
        flink_put(f, " AS ");
        flink_expr_at(f, schema->watermark->expr, 0);
    }
}

void flink_distribution(struct flink *f, const char *word,
                        const struct sql_distribution *distribution)
{
    static const char *const kinds[] = {"", "HASH", "RANGE"};

    if (!distribution->given)
        return;
    flink_put(f, word);
    if (distribution->column_count) {
        flink_fmt(f, " BY %s", kinds[distribution->kind]);
        flink_idents(f, distribution->columns, distribution->column_count);
    }
    if (distribution->buckets)
        flink_fmt(f, " INTO %lld BUCKETS", (long long)distribution->buckets);
}

static void print_partitioned(struct flink *f, const struct sql_ident *list, size_t count)
{
    if (count) {
        flink_put(f, " PARTITIONED BY ");
        flink_idents(f, list, count);
    }
}

/* ---- CREATE ---------------------------------------------------------------------------------- */

static void print_like(struct flink *f, const struct sql_create_table *create)
{
    static const char *const strategies[] = {"INCLUDING", "EXCLUDING", "OVERWRITING"};
    static const char *const features[] = {"ALL",      "CONSTRAINTS", "DISTRIBUTION", "GENERATED",
                                           "METADATA", "OPTIONS",     "PARTITIONS",   "WATERMARKS"};

    flink_put(f, " LIKE ");
    flink_name(f, &create->like);
    for (size_t i = 0; i < create->like_option_count; i++)
        flink_fmt(f, "%s%s %s", i ? " " : " (", strategies[create->like_options[i].strategy],
                  features[create->like_options[i].feature]);
    flink_if(f, create->like_option_count > 0, ")");
}

static void print_create_table(struct flink *f, const struct sql_create_table *create)
{
    flink_fmt(f, "CREATE %s%sTABLE %s", create->or_replace ? "OR REPLACE " : "",
              create->temporary ? "TEMPORARY " : "", create->if_not_exists ? "IF NOT EXISTS " : "");
    flink_name(f, &create->name);
    if (create->has_schema) {
        flink_put(f, " (");
        flink_schema(f, &create->schema);
        flink_put(f, ")");
    } else if (create->as_column_count) {
        flink_put(f, " ");
        flink_idents(f, create->as_columns, create->as_column_count);
    }
    flink_comment(f, create->comment);
    flink_distribution(f, " DISTRIBUTED", &create->distribution);
    print_partitioned(f, create->partitions, create->partition_count);
    flink_with(f, &create->options);
    if (create->has_like)
        print_like(f, create);
    if (create->as) {
        flink_put(f, " AS ");
        flink_query(f, create->as);
    }
}

static void print_create_view(struct flink *f, const struct sql_create_view *create)
{
    flink_fmt(f, "CREATE %s%sVIEW %s", create->or_replace ? "OR REPLACE " : "",
              create->temporary ? "TEMPORARY " : "", create->if_not_exists ? "IF NOT EXISTS " : "");
    flink_name(f, &create->name);
    for (size_t i = 0; i < create->column_count; i++) {
        flink_put(f, i ? ", " : " (");
        flink_ident(f, &create->columns[i].name);
        flink_comment(f, create->columns[i].comment);
    }
    flink_if(f, create->column_count > 0, ")");
    flink_comment(f, create->comment);
    flink_with(f, &create->options);
    flink_put(f, " AS ");
    flink_query(f, create->query);
}

static void print_create_catalog(struct flink *f, const struct sql_create_catalog *create)
{
    flink_fmt(f, "CREATE CATALOG %s", create->if_not_exists ? "IF NOT EXISTS " : "");
    flink_name(f, &create->name);
    flink_comment(f, create->comment);
    flink_with(f, &create->options);
}

static void print_create_database(struct flink *f, const struct sql_create_database *create)
{
    flink_fmt(f, "CREATE DATABASE %s", create->if_not_exists ? "IF NOT EXISTS " : "");
    flink_name(f, &create->name);
    flink_comment(f, create->comment);
    flink_with(f, &create->options);
}

static void print_create_function(struct flink *f, const struct sql_create_function *create)
{
    flink_fmt(f, "CREATE %s%sFUNCTION %s", create->temporary ? "TEMPORARY " : "",
              create->system ? "SYSTEM " : "", create->if_not_exists ? "IF NOT EXISTS " : "");
    flink_name(f, &create->name);
    flink_put(f, " AS ");
    flink_text(f, create->class_name);
    if (create->language)
        flink_fmt(f, " LANGUAGE %s", create->language);
    for (size_t i = 0; i < create->jar_count; i++) {
        flink_put(f, i ? ", JAR " : " USING JAR ");
        flink_text(f, create->jars[i]);
    }
    flink_with(f, &create->options);
}

static void print_create_materialized(struct flink *f,
                                      const struct sql_create_materialized_table *create)
{
    flink_put(f, "CREATE MATERIALIZED TABLE ");
    flink_name(f, &create->name);
    if (create->constraint) {
        flink_put(f, " (");
        print_constraint(f, create->constraint);
        flink_put(f, ")");
    }
    flink_comment(f, create->comment);
    flink_distribution(f, " DISTRIBUTED", &create->distribution);
    print_partitioned(f, create->partitions, create->partition_count);
    flink_with(f, &create->options);
    flink_put(f, " FRESHNESS = ");
    flink_expr(f, create->freshness);
    if (create->refresh_mode)
        flink_fmt(f, " REFRESH_MODE = %s", create->refresh_mode);
    flink_put(f, " AS ");
    flink_query(f, create->query);
}

/* ---- DROP ------------------------------------------------------------------------------------ */

const char *flink_object(enum sql_object object)
{
    static const char *const names[] = {
        [SQL_OBJECT_TABLE] = "TABLE",       [SQL_OBJECT_VIEW] = "VIEW",
        [SQL_OBJECT_CATALOG] = "CATALOG",   [SQL_OBJECT_DATABASE] = "DATABASE",
        [SQL_OBJECT_FUNCTION] = "FUNCTION", [SQL_OBJECT_MATERIALIZED_TABLE] = "MATERIALIZED TABLE",
        [SQL_OBJECT_MODULES] = "MODULES",   [SQL_OBJECT_JOB] = "JOB",
    };

    return names[object];
}

static void print_drop(struct flink *f, const struct sql_drop *drop)
{
    flink_fmt(f, "DROP %s%s%s %s", drop->temporary ? "TEMPORARY " : "",
              drop->system ? "SYSTEM " : "", flink_object(drop->object),
              drop->if_exists ? "IF EXISTS " : "");
    flink_name(f, &drop->name);
    flink_put(f, drop->cascade ? " CASCADE" : drop->restrict_written ? " RESTRICT" : "");
}

/* ---- which of them --------------------------------------------------------------------------- */

bool flink_definition(struct flink *f, const struct sql_statement *statement)
{
    switch (statement->kind) {
    case SQL_STMT_CREATE_TABLE:
        print_create_table(f, statement->create_table);
        break;
    case SQL_STMT_CREATE_VIEW:
        print_create_view(f, statement->create_view);
        break;
    case SQL_STMT_CREATE_CATALOG:
        print_create_catalog(f, statement->create_catalog);
        break;
    case SQL_STMT_CREATE_DATABASE:
        print_create_database(f, statement->create_database);
        break;
    case SQL_STMT_CREATE_FUNCTION:
        print_create_function(f, statement->create_function);
        break;
    case SQL_STMT_CREATE_MATERIALIZED_TABLE:
        print_create_materialized(f, statement->create_materialized_table);
        break;
    case SQL_STMT_ALTER_TABLE:
    case SQL_STMT_ALTER_VIEW:
    case SQL_STMT_ALTER_CATALOG:
    case SQL_STMT_ALTER_DATABASE:
    case SQL_STMT_ALTER_FUNCTION:
    case SQL_STMT_ALTER_MATERIALIZED_TABLE:
        flink_alter(f, statement->kind, statement->alter);
        break;
    case SQL_STMT_DROP:
        print_drop(f, statement->drop);
        break;
    default:
        return false;
    }
    return true;
}
