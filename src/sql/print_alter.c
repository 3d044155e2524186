/* print_alter.c - ALTER as Flink's text; clauses of Iceberg's own are print_iceberg.c's. */
#include "sql/print_flink.h"

static void print_alter_partitions(struct flink *f, const struct sql_alter *alter)
{
    bool add = alter->action == SQL_ALTER_ADD_PARTITIONS;

    flink_put(f, add ? " ADD" : " DROP");
    flink_if(f, alter->if_not_exists, " IF NOT EXISTS");
    flink_if(f, alter->part_if_exists, " IF EXISTS");
    for (size_t i = 0; i < alter->partition_count; i++) {
        flink_put(f, i && !add ? ", " : " ");
        flink_partition(f, &alter->partitions[i]);
        if (add)
            flink_with(f, &alter->partition_options[i]);
    }
}

static void print_drop_columns(struct flink *f, const struct sql_alter *alter)
{
    flink_put(f, alter->parenthesized ? " DROP (" : " DROP ");
    for (size_t i = 0; i < alter->column_count; i++) {
        flink_put(f, i ? ", " : "");
        flink_name(f, &alter->columns[i]);
    }
    flink_if(f, alter->parenthesized, ")");
}

/* What a clause begins with; many are no more than that. */
static const char *const alter_words[] = {
    [SQL_ALTER_RENAME] = " RENAME TO ",
    [SQL_ALTER_RENAME_COLUMN] = " RENAME ",
    [SQL_ALTER_SET] = " SET ",
    [SQL_ALTER_RESET] = " RESET ",
    [SQL_ALTER_ADD] = " ADD ",
    [SQL_ALTER_MODIFY] = " MODIFY ",
    [SQL_ALTER_DROP_DISTRIBUTION] = " DROP DISTRIBUTION",
    [SQL_ALTER_DROP_CONSTRAINT] = " DROP CONSTRAINT ",
    [SQL_ALTER_DROP_PRIMARY_KEY] = " DROP PRIMARY KEY",
    [SQL_ALTER_DROP_WATERMARK] = " DROP WATERMARK",
    [SQL_ALTER_REFRESH] = " REFRESH",
    [SQL_ALTER_AS] = " AS ",
    [SQL_ALTER_FUNCTION] = " AS ",
    [SQL_ALTER_SUSPEND] = " SUSPEND",
    [SQL_ALTER_RESUME] = " RESUME",
    [SQL_ALTER_FRESHNESS] = " SET FRESHNESS = ",
    [SQL_ALTER_REFRESH_MODE] = " SET REFRESH_MODE = ",
};

static void print_one_partition(struct flink *f, const struct sql_alter *alter)
{
    if (alter->partition_count) {
        flink_put(f, " ");
        flink_partition(f, &alter->partitions[0]);
    }
    flink_if(f, alter->action == SQL_ALTER_COMPACT, " COMPACT");
}

/* Behind its words. false: the clause is not of a table's names, columns and options. */
static bool print_alter_table(struct flink *f, const struct sql_alter *alter)
{
    switch (alter->action) {
    case SQL_ALTER_RENAME:
        flink_name(f, &alter->new_name);
        return true;
    case SQL_ALTER_RENAME_COLUMN:
        flink_name(f, &alter->column);
        flink_put(f, " TO ");
        flink_name(f, &alter->new_column);
        return true;
    case SQL_ALTER_SET:
    case SQL_ALTER_RESET:
        flink_options(f, &alter->options);
        return true;
    case SQL_ALTER_ADD:
    case SQL_ALTER_MODIFY:
        flink_if(f, alter->parenthesized, "(");
        flink_schema(f, &alter->schema);
        flink_if(f, alter->parenthesized, ")");
        return true;
    case SQL_ALTER_ADD_DISTRIBUTION:
        flink_distribution(f, " ADD DISTRIBUTION", &alter->distribution);
        return true;
    case SQL_ALTER_MODIFY_DISTRIBUTION:
        flink_distribution(f, " MODIFY DISTRIBUTION", &alter->distribution);
        return true;
    case SQL_ALTER_DROP_COLUMNS:
        print_drop_columns(f, alter);
        return true;
    case SQL_ALTER_DROP_CONSTRAINT:
        flink_name(f, &alter->new_column);
        return true;
    case SQL_ALTER_ADD_PARTITIONS:
    case SQL_ALTER_DROP_PARTITIONS:
        print_alter_partitions(f, alter);
        return true;
    default:
        return false;
    }
}

static void print_alter_action(struct flink *f, const struct sql_alter *alter)
{
    bool known = (size_t)alter->action < COUNT_OF(alter_words) && alter_words[alter->action];

    if (known)
        flink_put(f, alter_words[alter->action]);
    if (print_alter_table(f, alter))
        return;
    switch (alter->action) {
    case SQL_ALTER_COMMENT:
        flink_comment(f, alter->comment);
        break;
    case SQL_ALTER_COMPACT:
    case SQL_ALTER_REFRESH:
        print_one_partition(f, alter);
        break;
    case SQL_ALTER_AS:
        flink_query(f, alter->query);
        break;
    case SQL_ALTER_FUNCTION:
        flink_text(f, alter->class_name);
        if (alter->language)
            flink_fmt(f, " LANGUAGE %s", alter->language);
        break;
    case SQL_ALTER_RESUME:
        flink_with(f, &alter->options);
        break;
    case SQL_ALTER_FRESHNESS:
        flink_expr(f, alter->freshness);
        break;
    case SQL_ALTER_REFRESH_MODE:
        flink_put(f, alter->refresh_mode);
        break;
    default:
        if (!known)
            flink_iceberg(f, alter);
    }
}

void flink_alter(struct flink *f, enum sql_statement_kind kind, const struct sql_alter *alter)
{
    const char *name = sql_statement_kind_name(kind); /* "ALTER TABLE" */

    flink_fmt(f, "ALTER %s%s%s %s", alter->temporary ? "TEMPORARY " : "",
              alter->system ? "SYSTEM " : "", name + 6, alter->if_exists ? "IF EXISTS " : "");
    flink_name(f, &alter->name);
    print_alter_action(f, alter);
}
