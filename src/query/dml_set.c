/* dml_set.c - a STATEMENT SET of bounded INSERTs: computed one after the other, committed together.
 *
 * All tables get their rows by one transaction of the catalog, or none does. INSERTs into the same
 * table become one snapshot of it. What each statement reads is what was there before the set: none
 * sees the rows of another. */
#include "query/dml.h"

#include <stdlib.h>

#define ATTEMPTS_MAX 20

struct set {
    struct query_session *q;
    struct sql_statement *const *list;
    size_t count;
    struct dml *dmls;
    struct lake_table_change *tables; /* of the commit */
    struct lake_change *changes;
    struct dml **firsts; /* whose change each table's is */
    size_t table_count;
    struct err *err;
};

static bool same_place(const struct session_table *a, const struct session_table *b)
{
    return !strcmp(a->ident.ns, b->ident.ns) && !strcmp(a->ident.name, b->ident.name);
}

static bool same_branch(const char *a, const char *b)
{
    return a == b || (a && b && !strcmp(a, b));
}

static bool appends(const struct lake_change *c)
{
    return !c->row_delete_count && !c->removed_count && !c->checks;
}

/* Both only add files, to the same line: one change adds them all. */
static int unite(struct set *s, size_t at, struct dml *d, const struct lake_change *more)
{
    struct lake_change *into = &s->changes[at];
    struct lake_data_file *all = ARENA_ARRAY(&s->firsts[at]->plan.arena, struct lake_data_file,
                                             into->added_count + more->added_count + 1);

    if (!appends(into) || !appends(more) || !same_branch(into->branch, more->branch))
        return err_set(s->err, ERR_UNSUPPORTED,
                       "line %u, column %u: a STATEMENT SET changes a table once, or only by plain "
                       "INSERT INTO: `%s` is in it again",
                       d->st->pos.line, d->st->pos.column, d->change.target->name);
    if (!all)
        return dml_nomem(s->err);
    if (into->added_count)
        memcpy(all, into->added, into->added_count * sizeof(*all));
    if (more->added_count)
        memcpy(all + into->added_count, more->added, more->added_count * sizeof(*all));
    into->added = all;
    into->added_count += more->added_count;
    return 0;
}

static int gather(struct set *s, struct dml *d)
{
    struct lake_change change;
    size_t at = 0;

    if (!dml_change(d, &change))
        return 0;
    while (at < s->table_count && !same_place(s->firsts[at]->handle, d->handle))
        at++;
    if (at < s->table_count)
        return unite(s, at, d, &change);
    s->changes[at] = change;
    s->firsts[at] = d;
    s->tables[at] = (struct lake_table_change){d->handle->ident, &s->changes[at]};
    s->table_count++;
    return 0;
}

static int attempt(struct set *s)
{
    struct catalog *catalog = connector_lake_catalog(s->q->options.connector);
    int rc = 0;

    s->table_count = 0;
    for (size_t i = 0; i < s->count && !rc; i++) {
        s->dmls[i] = (struct dml){.q = s->q, .st = s->list[i]};
        rc = dml_compute(&s->dmls[i], s->err);
    }
    for (size_t i = 0; i < s->count && !rc; i++)
        rc = gather(s, &s->dmls[i]);
    return rc || !s->table_count ? rc
                                 : lake_commit_many_wait(s->q->options.lake, catalog_lake(catalog),
                                                         s->tables, s->table_count, s->err);
}

static int execute(struct set *s, int64_t (*counts)[3])
{
    int rc = ERR_STALE;

    for (int i = 0; i < ATTEMPTS_MAX && rc == ERR_STALE && !atomic_load(&s->q->cancelled); i++) {
        if (s->err)
            *s->err = (struct err){0};
        memset(s->dmls, 0, s->count * sizeof(*s->dmls));
        rc = attempt(s);
        for (size_t k = 0; k < s->count; k++) {
            counts[k][0] = s->dmls[k].inserted;
            if (s->dmls[k].q) /* it was begun */
                dml_forget(&s->dmls[k], rc == 0 || rc == ERR_UNKNOWN);
        }
    }
    if (atomic_load(&s->q->cancelled) && rc)
        return err_set(s->err, ERR_CANCELLED, "cancelled");
    return rc == ERR_STALE
               ? err_wrap(s->err, ERR_CONFLICT, "others changed the tables %d times", ATTEMPTS_MAX)
               : rc;
}

int dml_run_set(struct query_session *q, struct sql_statement *const *list, size_t count,
                const struct query_out *out, struct err *err)
{
    struct set s = {.q = q, .list = list, .count = count, .err = err};
    int64_t(*counts)[3] = calloc(count + 1, sizeof(*counts));
    int rc;

    s.dmls = calloc(count + 1, sizeof(*s.dmls));
    s.tables = calloc(count + 1, sizeof(*s.tables));
    s.changes = calloc(count + 1, sizeof(*s.changes));
    s.firsts = calloc(count + 1, sizeof(struct dml *));
    rc = counts && s.dmls && s.tables && s.changes && s.firsts ? execute(&s, counts)
                                                               : dml_nomem(err);
    for (size_t i = 0; i < count && !rc; i++)
        rc = dml_answer(SQL_STMT_INSERT, counts[i], out, err);
    free(counts);
    free(s.dmls);
    free(s.tables);
    free(s.changes);
    free(s.firsts);
    return rc;
}
