/* print_iceberg.c - ALTER TABLE's clauses of parser_iceberg.c, printed. */
#include "sql/print_flink.h"

static void put_transform(struct flink *f, const struct sql_transform *transform)
{
    if (!transform->name.text) {
        flink_name(f, &transform->column);
        return;
    }
    flink_ident(f, &transform->name);
    flink_put(f, "(");
    if (transform->argument >= 0)
        flink_fmt(f, "%" PRId64 ", ", transform->argument);
    flink_name(f, &transform->column);
    flink_put(f, ")");
}

static void put_field(struct flink *f, const struct sql_alter *alter)
{
    const struct sql_iceberg *i = alter->iceberg;

    flink_fmt(f, " %s PARTITION FIELD ",
              alter->action == SQL_ALTER_ADD_FIELD    ? "ADD"
              : alter->action == SQL_ALTER_DROP_FIELD ? "DROP"
                                                      : "REPLACE");
    put_transform(f, &i->field);
    if (alter->action == SQL_ALTER_REPLACE_FIELD) {
        flink_put(f, " WITH ");
        put_transform(f, &i->with);
    }
    if (i->as.text) {
        flink_put(f, " AS ");
        flink_ident(f, &i->as);
    }
}

static void put_order(struct flink *f, const struct sql_iceberg *i)
{
    flink_put(f, i->unordered ? " WRITE UNORDERED" : " WRITE");
    flink_put(f, i->distributed ? " DISTRIBUTED BY PARTITION" : "");
    flink_put(f, i->locally ? " LOCALLY" : "");
    for (size_t k = 0; k < i->order_count; k++) {
        const struct sql_sort_item *item = &i->order[k];

        flink_put(f, k ? ", " : " ORDERED BY ");
        put_transform(f, &item->by);
        flink_put(f, item->descending ? " DESC" : "");
        flink_put(f, item->nulls_first ? " NULLS FIRST" : item->nulls_last ? " NULLS LAST" : "");
    }
}

static void put_period(struct flink *f, int64_t ms)
{
    if (ms % 86400000 == 0)
        flink_fmt(f, "%" PRId64 " DAYS", ms / 86400000);
    else if (ms % 3600000 == 0)
        flink_fmt(f, "%" PRId64 " HOURS", ms / 3600000);
    else
        flink_fmt(f, "%" PRId64 " MINUTES", ms / 60000);
}

static void put_ref(struct flink *f, const struct sql_alter *alter)
{
    const struct sql_iceberg *i = alter->iceberg;
    bool drop = alter->action == SQL_ALTER_DROP_REF;

    flink_put(f, drop ? " DROP" : i->create ? " CREATE" : "");
    flink_put(f, i->replace ? (i->create ? " OR REPLACE" : " REPLACE") : "");
    flink_put(f, i->is_tag ? " TAG " : " BRANCH ");
    flink_put(f, alter->if_not_exists    ? "IF NOT EXISTS "
                 : alter->part_if_exists ? "IF EXISTS "
                                         : "");
    flink_ident(f, &i->ref);
    if (i->version >= 0)
        flink_fmt(f, " AS OF VERSION %" PRId64, i->version);
    if (i->retain_ms >= 0) {
        flink_put(f, " RETAIN ");
        put_period(f, i->retain_ms);
    }
    if (i->keep_snapshots >= 0 || i->keep_ms >= 0)
        flink_put(f, " WITH SNAPSHOT RETENTION");
    if (i->keep_snapshots >= 0)
        flink_fmt(f, " %" PRId64 " SNAPSHOTS", i->keep_snapshots);
    if (i->keep_ms >= 0) {
        flink_put(f, " ");
        put_period(f, i->keep_ms);
    }
}

static void put_column(struct flink *f, const struct sql_alter *alter)
{
    const struct sql_iceberg *i = alter->iceberg;

    flink_put(f, " ALTER COLUMN ");
    flink_name(f, &alter->column);
    switch (i->change) {
    case SQL_COLUMN_TYPE:
        flink_put(f, " TYPE ");
        flink_type(f, i->type);
        break;
    case SQL_COLUMN_COMMENT:
        flink_put(f, " COMMENT ");
        flink_text(f, alter->comment);
        break;
    case SQL_COLUMN_FIRST:
        flink_put(f, " FIRST");
        break;
    case SQL_COLUMN_AFTER:
        flink_put(f, " AFTER ");
        flink_ident(f, &i->after);
        break;
    case SQL_COLUMN_DROP_NOT_NULL:
        flink_put(f, " DROP NOT NULL");
        break;
    case SQL_COLUMN_DROP_DEFAULT:
        flink_put(f, " DROP DEFAULT");
        break;
    case SQL_COLUMN_SET_DEFAULT:
        flink_put(f, " SET DEFAULT ");
        flink_expr_at(f, i->value, 0);
        break;
    }
}

void flink_iceberg(struct flink *f, const struct sql_alter *alter)
{
    switch (alter->action) {
    case SQL_ALTER_ADD_FIELD:
    case SQL_ALTER_DROP_FIELD:
    case SQL_ALTER_REPLACE_FIELD:
        put_field(f, alter);
        break;
    case SQL_ALTER_WRITE_ORDER:
        put_order(f, alter->iceberg);
        break;
    case SQL_ALTER_SET_IDENTIFIER:
    case SQL_ALTER_DROP_IDENTIFIER:
        flink_put(f, alter->action == SQL_ALTER_SET_IDENTIFIER ? " SET IDENTIFIER FIELDS "
                                                               : " DROP IDENTIFIER FIELDS ");
        for (size_t i = 0; i < alter->column_count; i++) {
            flink_put(f, i ? ", " : "");
            flink_name(f, &alter->columns[i]);
        }
        break;
    case SQL_ALTER_CREATE_REF:
    case SQL_ALTER_DROP_REF:
        put_ref(f, alter);
        break;
    case SQL_ALTER_COLUMN:
        put_column(f, alter);
        break;
    default:
        break;
    }
}
