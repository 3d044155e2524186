/* lookup_table.c - a table's source, read to its end as often as the table has changed. */
#include <inttypes.h>
#include <strings.h>

#include "connector/files.h"
#include "connector/lookup_table.h"

struct lookup_table {
    struct op_lookup_table table; /* first */
    struct source_request request;
    struct stream_source *source; /* of the last read, or of the next one */
    struct vec_conn *conn;
    struct vec_fragment *select;
    struct files files; /* of 'filesystem' */
    bool has_files;
    int64_t asked_ms; /* keys: when they were listed last */
    bool asked;

    /* What was read last. */
    uint64_t stamp;      /* of the files */
    char *location;      /* of the lake table's metadata */
    int64_t snapshot_id; /* likewise */
};

static struct lookup_table *self(struct op_lookup_table *table)
{
    return (struct lookup_table *)table;
}

static const struct session_table *lake_table(const struct sql_table *table)
{
    const struct session_table *handle = table->handle;

    return handle && handle->kind == SESSION_LAKE ? handle : NULL;
}

bool lookup_table_is(const struct sql_table *table)
{
    const char *connector = sql_option(table->options, "connector");
    const char *streaming = sql_option(table->options, "streaming");

    if (lake_table(table))
        return !streaming || strcasecmp(streaming, "true") != 0;
    return connector && (!strcmp(connector, "filesystem") || !strcmp(connector, "jdbc"));
}

/* ---- has it changed? ---- */

static int newest_snapshot(struct lookup_table *t, const char *location, int64_t *out,
                           struct err *err)
{
    const struct session_table *handle = lake_table(t->request.table);
    struct lake_metadata *m;
    int rc = lake_metadata_load(t->request.connector->lake, location, &m, err);

    if (rc)
        return rc;
    *out = m->current_snapshot_id;
    if (handle->branch) {
        const struct lake_ref *ref = lake_metadata_branch(m, handle->branch);

        *out = ref ? ref->snapshot_id : -1;
    }
    lake_metadata_free(m);
    return 0;
}

/* Metadata that moved on without a new snapshot, by a property or a merge that failed, is no change
 * of rows. One that was asked for by number never changes. */
static int lake_changed(struct lookup_table *t, bool *yes, struct err *err)
{
    const struct session_table *handle = lake_table(t->request.table);
    struct lake_catalog *catalog = catalog_lake(t->request.connector->catalog);
    struct arena arena = {0};
    const char *location;
    int64_t id = -1;
    char *copy;
    int rc;

    *yes = !t->location;
    if (t->location && !handle->branch && handle->snapshot_id != -1)
        return 0;
    rc = catalog->ops->load(catalog, &handle->ident, &arena, &location, err);
    if (!rc && (!t->location || strcmp(t->location, location) != 0)) {
        rc = newest_snapshot(t, location, &id, err);
        copy = rc ? NULL : strdup(location);
        if (!rc && !copy)
            rc = err_set(err, ERR_NOMEM, "table `%s`", t->request.table->name);
        if (!rc) {
            *yes = *yes || id != t->snapshot_id;
            free(t->location);
            t->location = copy;
            t->snapshot_id = id;
        }
    }
    arena_deinit(&arena);
    return rc;
}

static int files_changed(struct lookup_table *t, bool *yes, struct err *err)
{
    struct clock *clock = t->request.connector->clock;
    uint64_t stamp;
    int rc;

    *yes = false;
    if (t->files.bucket && t->asked && clock_mono_ms(clock) - t->asked_ms < LOOKUP_KEYS_MS)
        return 0;
    t->asked_ms = clock_mono_ms(clock);
    rc = files_stamp(&t->files, &stamp, err);
    *yes = !rc && stamp != t->stamp;
    if (!rc)
        t->stamp = stamp;
    return rc;
}

/* Looked at before the rows are: what comes in between is read twice at worst. */
static int changed(struct op_lookup_table *table, bool *yes, struct err *err)
{
    struct lookup_table *t = self(table);
    int rc;

    if (t->request.connector->stand_ins) { /* rows are given one after the other */
        *yes = t->source->ops->lag(t->source) > 0;
        return 0;
    }
    rc = t->has_files ? files_changed(t, yes, err) : lake_changed(t, yes, err);
    t->asked = true;
    return rc ? err_wrap(err, rc, "table `%s`", t->request.table->name) : 0;
}

/* ---- reading ---- */

static int open_source(struct lookup_table *t, struct err *err)
{
    const struct connector_stand_ins *stand_ins = t->request.connector->stand_ins;
    struct stream_source *source = NULL;
    struct arena arena = {0};
    int rc = stand_ins ? stand_ins->source(stand_ins->arg, &t->request, &source, err)
                       : factory_source(&t->request, &arena, &source, NULL, err);

    arena_deinit(&arena);
    if (rc)
        return rc;
    if (t->source)
        t->source->ops->free(t->source);
    t->source = source;
    return source->ops->seek(source, NULL, err);
}

static int no_hole(void *arg, const struct stream_reject *reject, struct err *err)
{
    const struct lookup_table *t = arg;

    return err_set(err, ERR_INVALID, "table `%s`, %s, at %" PRId64 "%s%s: %s",
                   t->request.table->name, reject->topic, reject->offset,
                   reject->column ? ", column " : "", reject->column ? reject->column : "",
                   reject->reason);
}

/* To the end, or as far as there is something: a watched folder has no end. */
static int read_all(struct lookup_table *t, struct vec_batch *out, struct err *err)
{
    struct vec_batch rows = {0};
    struct err why = {0};
    int rc;

    do {
        vec_batch_clear(&rows);
        rc = t->source->ops->poll(t->source, &rows, no_hole, t, &why);
        if (!rc && rows.rows)
            rc = vec_fragment_run(t->select, &rows, out, &why);
    } while (!rc && rows.rows);
    vec_batch_deinit(&rows);
    return rc && rc != ERR_CLOSED ? err_set(err, rc, "%s", why.text) : 0;
}

static int read_table(struct op_lookup_table *table, struct vec_batch *out, struct err *err)
{
    struct lookup_table *t = self(table);
    bool yes;
    int rc = t->asked ? 0 : changed(table, &yes, err);

    if (!rc)
        rc = open_source(t, err);
    return rc ? rc : read_all(t, out, err);
}

/* ---- the rest ---- */

static void table_free(struct op_lookup_table *table)
{
    struct lookup_table *t = self(table);

    if (!t)
        return;
    vec_fragment_free(t->select);
    vec_conn_free(t->conn);
    if (t->source)
        t->source->ops->free(t->source);
    if (t->has_files)
        files_deinit(&t->files);
    free(t->location);
    free(t);
}

static int init(struct lookup_table *t, const char *select, struct err *err)
{
    const struct connector_options *c = t->request.connector;
    const char *path = sql_option(t->request.table->options, "path");
    int rc = open_source(t, err);

    if (!rc && !c->stand_ins && !lake_table(t->request.table)) {
        t->has_files = true;
        rc = files_init(&t->files, lake_store(c->lake), path, err);
    }
    if (!rc)
        rc = vec_conn_new(&t->conn, c->db, err);
    if (!rc)
        rc = vec_fragment_new(&t->select, t->conn, select, t->source->ops->columns(t->source), err);
    if (!rc)
        t->table.columns = vec_fragment_columns(t->select);
    return rc;
}

int lookup_table_new(struct op_lookup_table **out, const struct source_request *request,
                     const char *select, struct err *err)
{
    struct lookup_table *t = calloc(1, sizeof(*t));
    int rc;

    if (!t)
        return err_set(err, ERR_NOMEM, "table `%s`", request->table->name);
    t->table.changed = changed;
    t->table.read = read_table;
    t->table.free = table_free;
    t->request = *request;
    t->snapshot_id = -1;
    rc = init(t, select, err);
    if (rc) {
        table_free(&t->table);
        return err_wrap(err, rc, "table `%s`", request->table->name);
    }
    *out = &t->table;
    return 0;
}
