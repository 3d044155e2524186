/* made.c - what a script makes out of something else: functions of classes, tables of queries.
 *
 * Java does not run here. CREATE FUNCTION keeps the name of the class, and a call of it is computed
 * by the expression that tarn.yaml has for the class (functions: {com.acme.Twice: "$1 * 2"}); a
 * class without one is refused where it is called, not where it is named: many scripts make
 * functions that they never call.
 * CREATE TABLE ... AS is a CREATE TABLE, which finds its columns in the query, and an INSERT.
 */
#include <strings.h>

#include "base/diag.h"
#include "connector/session_int.h"

static struct function_entry *find(struct session *s, const char *name)
{
    struct function_entry *entry = s->functions;

    while (entry && (entry->dropped || strcasecmp(entry->name, name) != 0))
        entry = entry->next;
    return entry;
}

int session_create_function(struct session *s, const struct sql_statement *st, struct err *err)
{
    const struct sql_create_function *create = st->create_function;
    const char *name = create->name.parts[create->name.count - 1].text;
    struct function_entry *entry = ARENA_NEW(s->arena, struct function_entry);

    if (find(s, name))
        return create->if_not_exists
                   ? 0
                   : err_set(err, ERR_EXISTS, "function `%s` exists already", name);
    if (!entry || !(entry->name = arena_strdup(s->arena, name)) ||
        !(entry->class_name = arena_strdup(s->arena, create->class_name)))
        return session_no_memory(err);
    entry->next = s->functions;
    s->functions = entry;
    return 0;
}

/* Whoever called it before goes on with the class that it was. */
int session_alter_function(struct session *s, const struct sql_statement *st, struct err *err)
{
    const struct sql_alter *alter = st->alter;
    const char *name = alter->name.parts[alter->name.count - 1].text;
    struct function_entry *old = find(s, name), *entry = ARENA_NEW(s->arena, struct function_entry);

    if (!old)
        return alter->if_exists ? 0 : err_set(err, ERR_NOENT, "there is no function `%s`", name);
    if (!entry || !(entry->class_name = arena_strdup(s->arena, alter->class_name)))
        return session_no_memory(err);
    entry->name = old->name;
    old->dropped = true;
    entry->next = s->functions;
    s->functions = entry;
    return 0;
}

int session_drop_function(struct session *s, const struct sql_drop *drop, struct err *err)
{
    const char *name = drop->name.parts[drop->name.count - 1].text;
    struct function_entry *entry = find(s, name);

    if (!entry)
        return drop->if_exists ? 0 : err_set(err, ERR_NOENT, "there is no function `%s`", name);
    entry->dropped = true;
    return 0;
}

static const char *stand_in(struct session *s, const char *class_name)
{
    const struct connector_options *o = connector_options(s->connector);

    for (size_t i = 0; i < o->function_count; i++)
        if (!strcmp(o->function_classes[i], class_name))
            return o->function_texts[i];
    return NULL;
}

int session_function(void *arg, const char *name, const struct sql_expr **body, struct err *err)
{
    struct session *s = arg;
    struct function_entry *entry = find(s, name);
    const char *text = entry ? stand_in(s, entry->class_name) : NULL;
    struct sql_expr *parsed = NULL;
    struct err why = {0};

    if (!entry)
        return ERR_NOENT;
    if (!text)
        return err_set(err, ERR_UNSUPPORTED,
                       "function `%s` is the class %s, which does not run here: say in tarn.yaml "
                       "what it computes, functions: {%s: \"an expression over $1, $2\"}",
                       entry->name, entry->class_name, entry->class_name);
    if (!entry->body) {
        if (sql_parse_expr(slice_str(text), s->arena, &parsed, &why))
            return err_set(err, ERR_INVALID, "function `%s`: '%s' of tarn.yaml: %s", entry->name,
                           text, why.text);
        entry->body = parsed;
    }
    *body = entry->body;
    return 0;
}

/* ADD JAR, LOAD MODULE, USE MODULES: a script goes on without them; what it needs of them is told
 * there. */
int session_pass_over(struct session *s, const struct sql_statement *st, struct err *err)
{
    (void)s;
    (void)err;
    diag_info("sql", "line %u: %s is passed over: Java does not run here", st->pos.line,
              sql_statement_kind_name(st->kind));
    return 0;
}

/* The query's names, which say where its columns go when the table has more or others' order. */
static int name_columns(struct session *s, struct sql_insert *insert, struct sql_pos pos,
                        struct err *err)
{
    const struct sql_output *outputs;
    struct sql_bound *bound;
    struct sql_ident *idents;
    int rc = sql_bind_stream_query(insert->query, session_resolver(s), s->arena, &bound, err);

    if (rc)
        return rc;
    outputs = sql_bound_outputs(bound, &insert->column_count);
    insert->columns = ARENA_ARRAY(s->arena, struct sql_name, insert->column_count + 1);
    idents = ARENA_ARRAY(s->arena, struct sql_ident, insert->column_count + 1);
    if (!insert->columns || !idents)
        return session_no_memory(err);
    for (size_t i = 0; i < insert->column_count; i++) {
        idents[i] = (struct sql_ident){.text = outputs[i].name, .pos = pos};
        insert->columns[i] = (struct sql_name){.parts = &idents[i], .count = 1};
    }
    return 0;
}

bool session_creates_as(const struct sql_statement *st)
{
    return st->kind == SQL_STMT_CREATE_TABLE && st->create_table->as;
}

int session_insert_as(struct session *s, const struct sql_statement *st, struct sql_statement **out,
                      struct err *err)
{
    const struct sql_create_table *create = st->create_table;
    struct sql_statement *fill = ARENA_NEW(s->arena, struct sql_statement);
    struct sql_insert *insert = ARENA_NEW(s->arena, struct sql_insert);

    if (!fill || !insert)
        return session_no_memory(err);
    *fill = *st;
    fill->kind = SQL_STMT_INSERT;
    fill->insert = insert;
    insert->table = create->name;
    insert->query = create->as;
    *out = fill;
    return create->schema.column_count || create->as_column_count
               ? name_columns(s, insert, st->pos, err)
               : 0;
}
