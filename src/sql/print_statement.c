/* print_statement.c - statements as Flink's text: of rows, of the session, of jobs. */
#include "sql/print_flink.h"

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
        flink_statement(f, set->list[i]);
        flink_put(f, ";\n");
    }
    flink_put(f, "END");
}

static void print_nested(struct flink *f, const struct sql_statement *statement)
{
    if (statement->kind == SQL_STMT_STATEMENT_SET)
        print_set_of(f, statement->set_of, false);
    else
        flink_statement(f, statement);
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
        flink_fmt(f, "%s ", flink_object(describe->object));
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
        flink_statement(f, statement->execute);
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

void flink_statement(struct flink *f, const struct sql_statement *statement)
{
    if (!print_of_rows(f, statement) && !flink_definition(f, statement))
        print_command(f, statement);
}
