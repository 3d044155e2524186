/* connected.c - a table of a connector in a query: a topic, files, a database, as they are now.
 *
 * The table's own source is read to its end when the statement is planned. A topic ends where it
 * ended then, a watched folder with the files that it had. A record that is no row fails the
 * statement, unless the table passes over such. Rows that are changes become what they change: the
 * last row of each primary key, unless it was a deletion.
 */
#include <stdio.h>
#include <strings.h>

#include "connector/factory.h"
#include "format/row_format.h"
#include "query/query_int.h"

#define WAIT_MS 100

/* ---- the table, with an end ---- */

static bool is_connector(const struct sql_table *table, const char *name)
{
    const char *connector = sql_option(table->options, "connector");

    return connector && !strcmp(connector, name);
}

static bool is_topic(const struct sql_table *table)
{
    return is_connector(table, "kafka") || is_connector(table, "upsert-kafka");
}

/* A topic's end that the table gives itself. */
static bool has_end(const struct sql_table *table)
{
    const char *mode = sql_option(table->options, "scan.bounded.mode");

    return mode && strcasecmp(mode, "unbounded") != 0;
}

/* Does the option say that a table goes on for ever? */
static bool is_endless(const struct sql_table *table, const char *key)
{
    return !strcmp(key, "source.monitor-interval") ||
           (!strcmp(key, "scan.bounded.mode") && !has_end(table));
}

static int check_bounds(const struct sql_table *table, const struct sql_options *options,
                        struct err *err)
{
    const char *start = sql_option(options, "scan.startup.mode");

    if (is_topic(table) && start && !strcasecmp(start, "latest-offset"))
        return err_set(err, ERR_INVALID,
                       "`%s` starts at 'latest-offset', where a query finds no row yet; /*+ "
                       "OPTIONS('scan.startup.mode' = 'earliest-offset') */ behind its name shows "
                       "what is there",
                       table->name);
    if (!sql_source_bounded(options))
        return err_set(err, ERR_INVALID,
                       "`%s` has no end: say how many rows a query takes of it, with /*+ "
                       "OPTIONS('number-of-rows' = '100') */ behind its name",
                       table->name);
    return 0;
}

/* What has no end by itself gets one, or is refused. */
static int with_end(const struct sql_table *table, struct arena *arena, struct sql_table *out,
                    struct err *err)
{
    struct sql_options *options = ARENA_NEW(arena, struct sql_options);
    size_t count = table->options ? table->options->count : 0;

    *out = *table;
    out->options = options;
    if (options)
        options->list = ARENA_ARRAY(arena, struct sql_option, count + 1);
    if (!options || !options->list)
        return err_set(err, ERR_NOMEM, "table `%s`", table->name);
    for (size_t i = 0; i < count; i++)
        if (!is_endless(table, table->options->list[i].key))
            options->list[options->count++] = table->options->list[i];
    if (is_topic(table) && !has_end(table))
        options->list[options->count++] =
            (struct sql_option){.key = "scan.bounded.mode", .value = "latest-offset"};
    return check_bounds(table, options, err);
}

/* ---- rows ---- */

static int no_hole(void *arg, const struct stream_reject *reject, struct err *err)
{
    (void)arg;
    return err_set(err, ERR_INVALID,
                   "%s, partition %d, offset %" PRId64 "%s%s: %s; a job keeps such records as dead "
                   "letters, a query passes over them with 'FORMAT.ignore-parse-errors' = 'true'",
                   reject->topic, (int)reject->partition, reject->offset,
                   reject->column ? ", column " : "", reject->column ? reject->column : "",
                   reject->reason);
}

static int read_all(struct query_session *q, struct stream_source *source, struct query_made *made,
                    struct err *err)
{
    struct vec_batch rows = {0};
    struct err why = {0};
    int rc = source->ops->seek(source, NULL, &why);

    while (!rc) {
        rc = source->ops->poll(source, &rows, no_hole, NULL, &why);
        if (!rc && !rows.rows)
            source->ops->wait(source, WAIT_MS);
        else if (rows.rows && (!rc || rc == ERR_CLOSED)) {
            int pushed = made_push(made, &rows, err);

            vec_batch_clear(&rows);
            if (pushed)
                rc = pushed;
        }
        if (!rc && atomic_load(&q->cancelled))
            rc = err_set(&why, ERR_CANCELLED, "cancelled");
    }
    vec_batch_deinit(&rows);
    return rc == ERR_CLOSED ? 0 : why.code ? err_set(err, rc, "%s", why.text) : rc;
}

/* The last row of each key, if it is there still. The kind is the file's last column. */
static int put_last(const struct sql_table *table, size_t kind, struct buf *out, struct err *err)
{
    int rc = 0;

    if (!table->primary_key_count)
        return err_set(
            err, ERR_UNSUPPORTED,
            "`%s` tells of changes: a query needs to know by what key, PRIMARY KEY (...) "
            "NOT ENFORCED",
            table->name);
    rc = buf_append_str(out, " QUALIFY row_number() OVER (PARTITION BY ");
    for (size_t k = 0; k < table->primary_key_count && !rc; k++)
        for (size_t i = 0, at = 0; i < table->column_count && !rc; i++) {
            if (!strcmp(table->columns[i].name, table->primary_key[k]))
                rc = buf_printf(out, "%sv%zu", k ? ", " : "", at);
            at += table->columns[i].kind != SQL_COLUMN_COMPUTED;
        }
    rc = rc ? rc
            : buf_printf(out, " ORDER BY file_row_number DESC) = 1 AND v%zu NOT IN (%d, %d)", kind,
                         (int)ROW_UPDATE_BEFORE, (int)ROW_DELETE);
    return rc ? err_set(err, rc, "table `%s`", table->name) : 0;
}

int connected_scan(struct query_plan *s, const struct sql_table *table, struct lake_plan *plan,
                   struct buf *sql, struct err *err)
{
    struct sql_table ending;
    struct source_request r = {.connector = connector_options(s->q->options.connector),
                               .table = &ending,
                               .time_zone = session_resolver(s->q->session)->time_zone};
    struct stream_source *source = NULL;
    struct query_made made = {0};
    struct buf tail = {0};
    int rc = with_end(table, &s->arena, &ending, err);

    if (!rc)
        rc = factory_source(&r, &s->arena, &source, NULL, err);
    if (!rc && sql_source_changes(table->options) != SQL_SOURCE_APPENDS)
        rc = put_last(table, source->ops->columns(source)->count - 1, &tail, err);
    if (!rc)
        rc = made_open(&made, s->q, source->ops->columns(source), &s->arena, err);
    if (!rc && !s->explained)
        rc = read_all(s->q, source, &made, err);
    rc = made_close(&made, rc, &s->arena, plan, err);
    if (source)
        source->ops->free(source);
    if (!rc && (!buf_cstr(&tail) || made_put_select(&made, table, buf_cstr(&tail), sql)))
        rc = err_set(err, ERR_NOMEM, "table `%s`", table->name);
    buf_deinit(&tail);
    return rc;
}
