/* print_flink.c - statements of the syntax tree as Flink's text, which parses to the same tree. */
#include <stdio.h>

#include "sql/print_flink.h"

/* ---- the small pieces ------------------------------------------------------------------------ */

void flink_put(struct flink *f, const char *text)
{
    if (!f->rc)
        f->rc = buf_append_str(f->out, text);
}

void flink_fmt(struct flink *f, const char *fmt, ...)
{
    char text[200];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    flink_put(f, text);
}

/* A zero byte cannot stand in '...': U&'...' with \0000. */
void flink_string(struct flink *f, const char *text, size_t len)
{
    bool zero = memchr(text, 0, len) != NULL;

    flink_put(f, zero ? "U&'" : "'");
    for (size_t i = 0; i < len; i++) {
        if (text[i] == 0)
            flink_put(f, "\\0000");
        else if (text[i] == '\'' || (zero && text[i] == '\\'))
            flink_fmt(f, "%c%c", text[i], text[i]);
        else if (!f->rc)
            f->rc = buf_append_u8(f->out, (uint8_t)text[i]);
    }
    flink_put(f, "'");
}

void flink_text(struct flink *f, const char *text)
{
    flink_string(f, text, strlen(text));
}

static bool is_plain(const char *text)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
              (i && c >= '0' && c <= '9')))
            return false;
    }
    return !keyword_reserved(keyword_of(text, len));
}

void flink_ident(struct flink *f, const struct sql_ident *ident)
{
    if (!ident->quoted && is_plain(ident->text)) {
        flink_put(f, ident->text);
        return;
    }
    flink_put(f, "`");
    for (const char *c = ident->text; *c; c++) {
        flink_put(f, *c == '`' ? "`" : "");
        if (!f->rc)
            f->rc = buf_append_u8(f->out, (uint8_t)*c);
    }
    flink_put(f, "`");
}

void flink_name(struct flink *f, const struct sql_name *name)
{
    for (size_t i = 0; i < name->count; i++) {
        flink_put(f, i ? "." : "");
        flink_ident(f, &name->parts[i]);
    }
}

void flink_idents(struct flink *f, const struct sql_ident *list, size_t count)
{
    flink_put(f, "(");
    for (size_t i = 0; i < count; i++) {
        flink_put(f, i ? ", " : "");
        flink_ident(f, &list[i]);
    }
    flink_put(f, ")");
}

void flink_type(struct flink *f, const struct sql_type *type)
{
    if (!f->rc)
        f->rc = sql_type_print(type, f->out);
}

void flink_options(struct flink *f, const struct sql_options *options)
{
    flink_put(f, "(");
    for (size_t i = 0; i < options->count; i++) {
        flink_put(f, i ? ", " : "");
        flink_text(f, options->list[i].key);
        if (!options->list[i].value)
            continue;
        flink_put(f, " = ");
        flink_text(f, options->list[i].value);
    }
    flink_put(f, ")");
}

void flink_hints(struct flink *f, const struct sql_hints *hints)
{
    for (size_t i = 0; i < hints->count; i++) {
        const struct sql_hint *hint = &hints->list[i];

        flink_put(f, i ? ", " : " /*+ ");
        flink_ident(f, &hint->name);
        if (hint->options.count) {
            flink_options(f, &hint->options);
        } else if (hint->args.count) {
            flink_put(f, "(");
            flink_exprs(f, &hint->args, ", ");
            flink_put(f, ")");
        }
    }
    flink_put(f, hints->count ? " */" : "");
}

void flink_partition(struct flink *f, const struct sql_partition *partition)
{
    flink_put(f, "PARTITION (");
    for (size_t i = 0; i < partition->count; i++) {
        flink_put(f, i ? ", " : "");
        flink_ident(f, &partition->columns[i]);
        if (partition->values[i]) {
            flink_put(f, " = ");
            flink_expr(f, partition->values[i]);
        }
    }
    flink_put(f, ")");
}

void flink_if(struct flink *f, bool condition, const char *text)
{
    if (condition)
        flink_put(f, text);
}

void flink_comment(struct flink *f, const char *comment)
{
    if (comment) {
        flink_put(f, " COMMENT ");
        flink_text(f, comment);
    }
}

void flink_with(struct flink *f, const struct sql_options *options)
{
    if (options->count) {
        flink_put(f, " WITH ");
        flink_options(f, options);
    }
}

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

static const char *const object_names[] = {
    [SQL_OBJECT_TABLE] = "TABLE",       [SQL_OBJECT_VIEW] = "VIEW",
    [SQL_OBJECT_CATALOG] = "CATALOG",   [SQL_OBJECT_DATABASE] = "DATABASE",
    [SQL_OBJECT_FUNCTION] = "FUNCTION", [SQL_OBJECT_MATERIALIZED_TABLE] = "MATERIALIZED TABLE",
    [SQL_OBJECT_MODULES] = "MODULES",   [SQL_OBJECT_JOB] = "JOB",
};

static void print_drop(struct flink *f, const struct sql_drop *drop)
{
    flink_fmt(f, "DROP %s%s%s %s", drop->temporary ? "TEMPORARY " : "",
              drop->system ? "SYSTEM " : "", object_names[drop->object],
              drop->if_exists ? "IF EXISTS " : "");
    flink_name(f, &drop->name);
    flink_put(f, drop->cascade ? " CASCADE" : drop->restrict_written ? " RESTRICT" : "");
}

/* ---- the others ------------------------------------------------------------------------------ */

static void print_statement(struct flink *f, const struct sql_statement *statement);

static void print_insert(struct flink *f, const struct sql_insert *insert)
{
    flink_put(f, insert->upsert ? "UPSERT" : "INSERT");
    flink_hints(f, &insert->hints);
    flink_put(f, insert->overwrite ? " OVERWRITE " : " INTO ");
    flink_name(f, &insert->table);
    flink_hints(f, &insert->table_hints);
    flink_put(f, " ");
    if (insert->partition.count) {
        flink_partition(f, &insert->partition);
        flink_put(f, " ");
    }
    for (size_t i = 0; i < insert->column_count; i++) {
        flink_put(f, i ? ", " : "(");
        flink_name(f, &insert->columns[i]);
    }
    flink_if(f, insert->column_count > 0, ") ");
    flink_query(f, insert->query);
}

static void print_update(struct flink *f, const struct sql_update *update)
{
    flink_put(f, "UPDATE ");
    flink_name(f, &update->table);
    if (update->alias.text) {
        flink_put(f, " AS ");
        flink_ident(f, &update->alias);
    }
    for (size_t i = 0; i < update->set_count; i++) {
        flink_put(f, i ? ", " : " SET ");
        flink_ident(f, &update->sets[i].column);
        flink_put(f, " = ");
        flink_expr_at(f, update->sets[i].value, 0);
    }
    if (update->where) {
        flink_put(f, " WHERE ");
        flink_expr_at(f, update->where, 0);
    }
}

static void print_delete(struct flink *f, const struct sql_delete *delete_from)
{
    flink_put(f, "DELETE FROM ");
    flink_name(f, &delete_from->table);
    if (delete_from->alias.text) {
        flink_put(f, " AS ");
        flink_ident(f, &delete_from->alias);
    }
    if (delete_from->where) {
        flink_put(f, " WHERE ");
        flink_expr_at(f, delete_from->where, 0);
    }
}

static void print_merge_insert(struct flink *f, const struct sql_merge_clause *clause)
{
    for (size_t i = 0; !clause->positional && i < clause->set_count; i++) {
        flink_put(f, i ? ", " : " (");
        flink_ident(f, &clause->sets[i].column);
    }
    flink_put(f, clause->positional ? " VALUES" : ") VALUES");
    for (size_t i = 0; i < clause->set_count; i++) {
        flink_put(f, i ? ", " : " (");
        flink_expr_at(f, clause->sets[i].value, 0);
    }
    flink_put(f, ")");
}

static void print_merge_clause(struct flink *f, const struct sql_merge_clause *clause)
{
    static const char *const whens[] = {" WHEN MATCHED", " WHEN NOT MATCHED",
                                        " WHEN NOT MATCHED BY SOURCE"};
    static const char *const actions[] = {" THEN UPDATE SET", " THEN DELETE", " THEN INSERT"};

    flink_put(f, whens[clause->when]);
    if (clause->condition) {
        flink_put(f, " AND ");
        flink_expr_at(f, clause->condition, 0);
    }
    flink_put(f, actions[clause->action]);
    if (clause->star)
        flink_put(f, " *");
    else if (clause->action == SQL_MERGE_INSERT)
        print_merge_insert(f, clause);
    for (size_t i = 0; clause->action == SQL_MERGE_UPDATE && i < clause->set_count; i++) {
        flink_put(f, i ? ", " : " ");
        flink_ident(f, &clause->sets[i].column);
        flink_put(f, " = ");
        flink_expr_at(f, clause->sets[i].value, 0);
    }
}

static void print_merge(struct flink *f, const struct sql_merge *merge)
{
    flink_put(f, "MERGE INTO ");
    flink_name(f, &merge->table);
    if (merge->alias.text) {
        flink_put(f, " AS ");
        flink_ident(f, &merge->alias);
    }
    flink_put(f, " USING ");
    flink_from(f, merge->source);
    flink_put(f, " ON ");
    flink_expr_at(f, merge->on, 0);
    for (size_t i = 0; i < merge->clause_count; i++)
        print_merge_clause(f, &merge->clauses[i]);
}

static void print_set_of(struct flink *f, const struct sql_statement_set *set, bool execute)
{
    flink_put(f, execute ? "EXECUTE STATEMENT SET BEGIN\n" : "STATEMENT SET BEGIN\n");
    for (size_t i = 0; i < set->count; i++) {
        print_statement(f, set->list[i]);
        flink_put(f, ";\n");
    }
    flink_put(f, "END");
}

static void print_nested(struct flink *f, const struct sql_statement *statement)
{
    if (statement->kind == SQL_STMT_STATEMENT_SET)
        print_set_of(f, statement->set_of, false);
    else
        print_statement(f, statement);
}

static void print_explain(struct flink *f, const struct sql_explain *explain)
{
    static const char *const names[] = {"ESTIMATED_COST", "CHANGELOG_MODE", "JSON_EXECUTION_PLAN",
                                        "PLAN_ADVICE"};
    bool given[] = {explain->estimated_cost, explain->changelog_mode, explain->json_execution_plan,
                    explain->plan_advice};
    const char *sep = "";

    if (explain->why) {
        flink_put(f, "EXPLAIN WHY ");
        flink_text(f, explain->why);
        return;
    }
    flink_put(f, explain->plan_for ? "EXPLAIN PLAN FOR " : "EXPLAIN ");
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (!given[i])
            continue;
        flink_fmt(f, "%s%s", sep, names[i]);
        sep = ", ";
    }
    flink_if(f, *sep != 0, " ");
    print_nested(f, explain->statement);
}

static void print_describe(struct flink *f, const struct sql_describe *describe)
{
    flink_put(f, "DESCRIBE ");
    if (describe->object == SQL_OBJECT_JOB) {
        flink_put(f, "JOB ");
        flink_text(f, describe->job);
        return;
    }
    if (describe->object != SQL_OBJECT_TABLE)
        flink_fmt(f, "%s ", object_names[describe->object]);
    flink_if(f, describe->extended, "EXTENDED ");
    flink_name(f, &describe->name);
}

static void print_show(struct flink *f, const struct sql_show *show)
{
    static const char *const names[] = {
        [SQL_SHOW_CATALOGS] = "CATALOGS",
        [SQL_SHOW_CURRENT_CATALOG] = "CURRENT CATALOG",
        [SQL_SHOW_DATABASES] = "DATABASES",
        [SQL_SHOW_CURRENT_DATABASE] = "CURRENT DATABASE",
        [SQL_SHOW_TABLES] = "TABLES",
        [SQL_SHOW_VIEWS] = "VIEWS",
        [SQL_SHOW_MATERIALIZED_TABLES] = "MATERIALIZED TABLES",
        [SQL_SHOW_COLUMNS] = "COLUMNS",
        [SQL_SHOW_FUNCTIONS] = "FUNCTIONS",
        [SQL_SHOW_USER_FUNCTIONS] = "USER FUNCTIONS",
        [SQL_SHOW_PROCEDURES] = "PROCEDURES",
        [SQL_SHOW_MODULES] = "MODULES",
        [SQL_SHOW_FULL_MODULES] = "FULL MODULES",
        [SQL_SHOW_PARTITIONS] = "PARTITIONS",
        [SQL_SHOW_CREATE_TABLE] = "CREATE TABLE",
        [SQL_SHOW_CREATE_VIEW] = "CREATE VIEW",
        [SQL_SHOW_CREATE_CATALOG] = "CREATE CATALOG",
        [SQL_SHOW_CREATE_MATERIALIZED_TABLE] = "CREATE MATERIALIZED TABLE",
        [SQL_SHOW_JARS] = "JARS",
        [SQL_SHOW_JOBS] = "JOBS",
    };
    static const char *const prepositions[] = {"", " FROM", " IN"};

    flink_fmt(f, "SHOW %s%s", names[show->what], prepositions[show->preposition]);
    if (show->name.count) {
        flink_put(f, " ");
        flink_name(f, &show->name);
    }
    if (show->partition.count) {
        flink_put(f, " ");
        flink_partition(f, &show->partition);
    }
    if (show->pattern) {
        flink_fmt(f, "%s %s ", show->not_like ? " NOT" : "",
                  show->match == SQL_PATTERN_ILIKE ? "ILIKE" : "LIKE");
        flink_text(f, show->pattern);
    }
}

static void print_use(struct flink *f, const struct sql_use *use)
{
    flink_put(f, use->object == SQL_OBJECT_CATALOG   ? "USE CATALOG "
                 : use->object == SQL_OBJECT_MODULES ? "USE MODULES "
                                                     : "USE ");
    flink_name(f, &use->name);
    for (size_t i = 0; i < use->module_count; i++) {
        flink_put(f, i ? ", " : "");
        flink_ident(f, &use->modules[i]);
    }
}

static void print_set(struct flink *f, const struct sql_set *set, bool reset)
{
    flink_put(f, reset ? "RESET" : "SET");
    if (!set->key)
        return;
    flink_put(f, " ");
    flink_text(f, set->key);
    if (!set->value)
        return;
    flink_put(f, " = ");
    flink_text(f, set->value);
}

static void print_analyze(struct flink *f, const struct sql_analyze *analyze)
{
    flink_put(f, "ANALYZE TABLE ");
    flink_name(f, &analyze->table);
    if (analyze->partition.count) {
        flink_put(f, " ");
        flink_partition(f, &analyze->partition);
    }
    flink_put(f, " COMPUTE STATISTICS");
    flink_if(f, analyze->all_columns, " FOR ALL COLUMNS");
    for (size_t i = 0; i < analyze->column_count; i++) {
        flink_put(f, i ? ", " : " FOR COLUMNS ");
        flink_ident(f, &analyze->columns[i]);
    }
}

static void print_plan(struct flink *f, const struct sql_plan *plan)
{
    flink_put(f, !plan->compile  ? "EXECUTE PLAN "
                 : plan->execute ? "COMPILE AND EXECUTE PLAN "
                                 : "COMPILE PLAN ");
    flink_text(f, plan->path);
    flink_if(f, plan->if_not_exists, " IF NOT EXISTS");
    if (plan->statement) {
        flink_put(f, " FOR ");
        print_nested(f, plan->statement);
    }
}

static void print_module(struct flink *f, const struct sql_module *module)
{
    flink_put(f, module->unload ? "UNLOAD MODULE " : "LOAD MODULE ");
    flink_ident(f, &module->name);
    flink_with(f, &module->options);
}

static void print_stop(struct flink *f, const struct sql_stop_job *stop)
{
    flink_put(f, "STOP JOB ");
    flink_text(f, stop->job);
    flink_if(f, stop->with_savepoint, " WITH SAVEPOINT");
    flink_if(f, stop->with_drain, " WITH DRAIN");
}

/* Of rows. false: the statement is another one. */
static bool print_of_rows(struct flink *f, const struct sql_statement *statement)
{
    switch (statement->kind) {
    case SQL_STMT_QUERY:
        flink_query(f, statement->query);
        break;
    case SQL_STMT_INSERT:
        print_insert(f, statement->insert);
        break;
    case SQL_STMT_UPDATE:
        print_update(f, statement->update);
        break;
    case SQL_STMT_DELETE:
        print_delete(f, statement->delete_from);
        break;
    case SQL_STMT_MERGE:
        print_merge(f, statement->merge);
        break;
    case SQL_STMT_TRUNCATE:
        flink_put(f, "TRUNCATE TABLE ");
        flink_name(f, &statement->truncate);
        break;
    case SQL_STMT_STATEMENT_SET:
        print_set_of(f, statement->set_of, true);
        break;
    case SQL_STMT_EXECUTE:
        flink_put(f, "EXECUTE ");
        print_statement(f, statement->execute);
        break;
    default:
        return false;
    }
    return true;
}

/* Of names and what stands behind them; likewise. */
static bool print_definition(struct flink *f, const struct sql_statement *statement)
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

static void print_command(struct flink *f, const struct sql_statement *statement)
{
    switch (statement->kind) {
    case SQL_STMT_EXPLAIN:
        print_explain(f, statement->explain);
        break;
    case SQL_STMT_DESCRIBE:
        print_describe(f, statement->describe);
        break;
    case SQL_STMT_SHOW:
        print_show(f, statement->show);
        break;
    case SQL_STMT_USE:
        print_use(f, statement->use);
        break;
    case SQL_STMT_SET:
    case SQL_STMT_RESET:
        print_set(f, statement->set, statement->kind == SQL_STMT_RESET);
        break;
    case SQL_STMT_JAR:
        flink_put(f, statement->jar->remove ? "REMOVE JAR " : "ADD JAR ");
        flink_text(f, statement->jar->path);
        break;
    case SQL_STMT_MODULE:
        print_module(f, statement->module);
        break;
    case SQL_STMT_ANALYZE:
        print_analyze(f, statement->analyze);
        break;
    case SQL_STMT_CALL:
        flink_put(f, "CALL ");
        flink_expr(f, statement->call);
        break;
    case SQL_STMT_PLAN:
        print_plan(f, statement->plan);
        break;
    case SQL_STMT_STOP_JOB:
        print_stop(f, statement->stop_job);
        break;
    case SQL_STMT_CLIENT:
        flink_put(f, statement->client);
        break;
    default:
        break;
    }
}

static void print_statement(struct flink *f, const struct sql_statement *statement)
{
    if (!print_of_rows(f, statement) && !print_definition(f, statement))
        print_command(f, statement);
}

/* ---- the ways in ----------------------------------------------------------------------------- */

static struct flink printer(const struct sql_print_options *options, struct buf *out)
{
    return (struct flink){.out = out, .parentheses = options && options->parentheses};
}

static int finish(const struct flink *f, struct err *err)
{
    return f->rc ? err_set(err, f->rc, "out of memory while printing SQL") : 0;
}

int sql_print_flink(const struct sql_statement *statement, const struct sql_print_options *options,
                    struct buf *out, struct err *err)
{
    struct flink f = printer(options, out);

    print_statement(&f, statement);
    return finish(&f, err);
}

int sql_print_flink_query(const struct sql_query *query, const struct sql_print_options *options,
                          struct buf *out, struct err *err)
{
    struct flink f = printer(options, out);

    flink_query(&f, query);
    return finish(&f, err);
}

int sql_print_flink_expr(const struct sql_expr *expr, const struct sql_print_options *options,
                         struct buf *out, struct err *err)
{
    struct flink f = printer(options, out);

    flink_expr_at(&f, expr, 0);
    return finish(&f, err);
}

int sql_print_name(const struct sql_name *name, struct buf *out)
{
    struct flink f = printer(NULL, out);

    flink_name(&f, name);
    return f.rc;
}
