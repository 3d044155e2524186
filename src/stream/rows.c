/* rows.c - jobs as rows: what makes a job survive. The tables:
 *   jobs         one row per job: script, state, last committed epoch, owner
 *   job_inputs   one row per job, pipeline, input and source partition: next offset to read
 *   job_totals   one row per job and pipeline: rows committed over all starts
 *   job_states   one row per job and pipeline that remembers rows: its state's manifest
 */
#include "base/codec.h"
#include "stream/stream_int.h"

const struct meta_migration stream_migrations[] = {
    {"stream", 1,
     "CREATE TABLE jobs(name TEXT PRIMARY KEY, id TEXT NOT NULL, script TEXT NOT NULL,"
     " state TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '', epoch INTEGER NOT NULL DEFAULT 0,"
     " owner INTEGER NOT NULL DEFAULT 0, created_ms INTEGER NOT NULL,"
     " committed_ms INTEGER NOT NULL DEFAULT 0, rejects INTEGER NOT NULL DEFAULT 0);"
     "CREATE TABLE job_offsets(job TEXT NOT NULL, pipeline TEXT NOT NULL,"
     " partition INTEGER NOT NULL, incarnation TEXT NOT NULL, offset INTEGER NOT NULL,"
     " PRIMARY KEY(job, pipeline, partition)) WITHOUT ROWID;"
     "CREATE TABLE job_totals(job TEXT NOT NULL, pipeline TEXT NOT NULL, rows INTEGER NOT NULL,"
     " PRIMARY KEY(job, pipeline)) WITHOUT ROWID;"},
    {"stream", 2,
     "CREATE TABLE job_states(job TEXT NOT NULL, pipeline TEXT NOT NULL, manifest TEXT NOT NULL,"
     " PRIMARY KEY(job, pipeline)) WITHOUT ROWID;"},
    /* An empty input is the only one of its pipeline: of the time when each had one. */
    {"stream", 3,
     "CREATE TABLE job_inputs(job TEXT NOT NULL, pipeline TEXT NOT NULL, input TEXT NOT NULL,"
     " partition INTEGER NOT NULL, incarnation TEXT NOT NULL, offset INTEGER NOT NULL,"
     " PRIMARY KEY(job, pipeline, input, partition)) WITHOUT ROWID;"
     "INSERT INTO job_inputs SELECT job, pipeline, '', partition, incarnation, offset"
     " FROM job_offsets;"
     "DROP TABLE job_offsets;"},
    {NULL, 0, NULL},
};

struct submit {
    const char *name, *script;
    char id[33];
    int64_t now_ms;
};

static int submit_in(struct meta_txn *txn, void *arg, struct err *err)
{
    struct submit *s = arg;

    /* The same script again only starts a job that had ended; another one replaces it in place, so
     * that pipelines whose names are still there keep their offsets. */
    return meta_exec(txn, err,
                     "INSERT INTO jobs(name, id, script, state, created_ms)"
                     " VALUES(?1, ?2, ?3, 'RUNNING', ?4)"
                     " ON CONFLICT(name) DO UPDATE SET script = ?3, state = 'RUNNING', reason = ''",
                     "sssi", s->name, s->id, s->script, s->now_ms);
}

int rows_submit(struct meta *meta, struct clock *clock, const char *name, const char *script,
                struct err *err)
{
    struct submit s = {name, script, "", clock_wall_ms(clock)};
    uint8_t id[16];

    rand_secret(id, sizeof(id));
    hex_encode(id, sizeof(id), s.id);
    return meta_write_wait(meta, submit_in, &s, err);
}

struct load {
    struct arena *arena;
    const char *name;
    struct job_row *rows;
    size_t count;
};

static int load_in(struct meta_txn *txn, void *arg, struct err *err)
{
    struct load *l = arg;
    struct meta_stmt *stmt;
    size_t cap = 0;
    int rc;

    l->count = 0;
    rc = meta_query(txn, &stmt, err,
                    "SELECT name, id, script, state, reason, epoch, created_ms, committed_ms,"
                    " rejects FROM jobs WHERE ?1 IS NULL OR name = ?1 ORDER BY name",
                    "s", l->name);
    if (rc)
        return rc;
    while (meta_next(stmt, err, &rc)) {
        struct job_row *row;

        if (l->count == cap) {
            struct job_row *more = ARENA_ARRAY(l->arena, struct job_row, cap = cap ? cap * 2 : 8);

            if (!more) {
                rc = err_set(err, ERR_NOMEM, "list of jobs");
                break;
            }
            if (l->count)
                memcpy(more, l->rows, l->count * sizeof(*more));
            l->rows = more;
        }
        row = &l->rows[l->count++];
        row->name = arena_strdup(l->arena, meta_text(stmt, 0));
        row->id = arena_strdup(l->arena, meta_text(stmt, 1));
        row->script = arena_strdup(l->arena, meta_text(stmt, 2));
        row->state = arena_strdup(l->arena, meta_text(stmt, 3));
        row->reason = arena_strdup(l->arena, meta_text(stmt, 4));
        row->epoch = meta_i64(stmt, 5);
        row->created_ms = meta_i64(stmt, 6);
        row->committed_ms = meta_i64(stmt, 7);
        row->rejects = meta_i64(stmt, 8);
        if (!row->name || !row->id || !row->script || !row->state || !row->reason) {
            rc = err_set(err, ERR_NOMEM, "list of jobs");
            break;
        }
    }
    meta_done(stmt);
    return rc;
}

int rows_load(struct meta *meta, struct arena *arena, const char *name, struct job_row **out,
              size_t *count, struct err *err)
{
    struct load l = {.arena = arena, .name = name};
    int rc = meta_read(meta, load_in, &l, err);

    *out = l.rows;
    *count = rc ? 0 : l.count;
    return rc;
}

int rows_find(struct meta *meta, struct arena *arena, const char *name, struct job_row **out,
              struct err *err)
{
    struct job_row *rows;
    size_t count;
    int rc = rows_load(meta, arena, NULL, &rows, &count, err);

    for (size_t pass = 0; pass < 2 && !rc; pass++) /* a name goes before an id */
        for (size_t i = 0; i < count; i++)
            if (!strcmp(pass ? rows[i].id : rows[i].name, name)) {
                *out = &rows[i];
                return 0;
            }
    return rc ? rc : err_set(err, ERR_NOENT, "no job named %s: `tarn job list` shows them", name);
}

struct change {
    const char *name, *state, *reason;
    int64_t owner;
};

static int state_in(struct meta_txn *txn, void *arg, struct err *err)
{
    struct change *c = arg;

    return meta_exec(txn, err, "UPDATE jobs SET state = ?2, reason = ?3 WHERE name = ?1", "sss",
                     c->name, c->state, c->reason);
}

int rows_state(struct meta *meta, const char *name, const char *state, const char *reason,
               struct err *err)
{
    struct change c = {name, state, reason ? reason : "", 0};

    return meta_write_wait(meta, state_in, &c, err);
}

static int claim_in(struct meta_txn *txn, void *arg, struct err *err)
{
    struct change *c = arg;

    return meta_exec(txn, err, "UPDATE jobs SET owner = ?2 WHERE name = ?1", "si", c->name,
                     c->owner);
}

int rows_claim(struct meta *meta, const char *name, struct err *err)
{
    struct change c = {.name = name, .owner = meta_epoch(meta)};

    return meta_write_wait(meta, claim_in, &c, err);
}

struct pipeline_read {
    const char *job, *pipeline;
    struct arena *arena;
    int64_t rows;
    const char *state;
};

static int pipeline_in(struct meta_txn *txn, void *arg, struct err *err)
{
    struct pipeline_read *r = arg;
    struct meta_stmt *stmt;
    int rc = meta_query(txn, &stmt, err,
                        "SELECT coalesce((SELECT rows FROM job_totals WHERE job = ?1 AND pipeline ="
                        " ?2), 0), (SELECT manifest FROM job_states WHERE job = ?1 AND pipeline ="
                        " ?2)",
                        "ss", r->job, r->pipeline);

    if (rc)
        return rc;
    r->state = NULL;
    if (meta_next(stmt, err, &rc)) {
        const char *state = meta_text(stmt, 1);

        r->rows = meta_i64(stmt, 0);
        r->state = state ? arena_strdup(r->arena, state) : NULL;
        if (state && !r->state)
            rc = err_set(err, ERR_NOMEM, "state of %s", r->pipeline);
    }
    meta_done(stmt);
    return rc;
}

int rows_pipeline(struct meta *meta, const char *job, const char *pipeline, struct arena *arena,
                  int64_t *rows_committed, const char **state, struct err *err)
{
    struct pipeline_read r = {job, pipeline, arena, 0, NULL};
    int rc = meta_read(meta, pipeline_in, &r, err);

    *rows_committed = r.rows;
    *state = r.state;
    return rc;
}

struct position_read {
    const char *job, *pipeline, *input;
    struct arena *arena;
    struct stream_position *out;
};

static int count_partitions(struct meta_txn *txn, const struct position_read *r, int64_t *count,
                            struct err *err)
{
    struct meta_stmt *stmt;
    int rc = meta_query(txn, &stmt, err,
                        "SELECT count(*) FROM job_inputs WHERE job = ?1 AND pipeline = ?2 AND"
                        " input = ?3",
                        "sss", r->job, r->pipeline, r->input);

    if (rc)
        return rc;
    if (meta_next(stmt, err, &rc))
        *count = meta_i64(stmt, 0);
    meta_done(stmt);
    return rc;
}

static int position_in(struct meta_txn *txn, void *arg, struct err *err)
{
    struct position_read *r = arg;
    struct stream_position *out = r->out;
    struct meta_stmt *stmt;
    int64_t count = 0;
    int rc = count_partitions(txn, r, &count, err);

    *out = (struct stream_position){0};
    if (rc || count == 0)
        return rc;
    out->offsets = ARENA_ARRAY(r->arena, int64_t, (size_t)count);
    if (!out->offsets)
        return err_set(err, ERR_NOMEM, "offsets of %s", r->pipeline);
    rc = meta_query(txn, &stmt, err,
                    "SELECT partition, offset, incarnation FROM job_inputs"
                    " WHERE job = ?1 AND pipeline = ?2 AND input = ?3 ORDER BY partition",
                    "sss", r->job, r->pipeline, r->input);
    if (rc)
        return rc;
    while (out->count < (size_t)count && meta_next(stmt, err, &rc)) {
        if (meta_i64(stmt, 0) != (int64_t)out->count) {
            rc = err_set(err, ERR_CORRUPT, "offsets of %s: partition %zu is missing", r->pipeline,
                         out->count);
            break;
        }
        out->offsets[out->count++] = meta_i64(stmt, 1);
        if (!out->incarnation)
            out->incarnation = arena_strdup(r->arena, meta_text(stmt, 2));
    }
    meta_done(stmt);
    return rc;
}

int rows_position(struct meta *meta, const char *job, const struct stream_pipeline *pipeline,
                  const char *input, struct arena *arena, struct stream_position *out,
                  struct err *err)
{
    struct position_read r = {job, pipeline->name, input, arena, out};
    int rc = meta_read(meta, position_in, &r, err);

    if (!rc && !out->count && pipeline->input_count == 1) {
        r.input = "";
        rc = meta_read(meta, position_in, &r, err);
    }
    return rc;
}

int rows_commit_epoch(struct meta_txn *txn, struct job *job, int64_t epoch, int64_t rejects,
                      int64_t owner, struct err *err)
{
    int rc =
        meta_exec(txn, err,
                  "UPDATE jobs SET epoch = ?2, rejects = rejects + ?3, committed_ms = ?4"
                  " WHERE name = ?1 AND epoch = ?2 - 1 AND owner = ?5",
                  "siiii", job->name, epoch, rejects, clock_wall_ms(job->options->clock), owner);

    if (rc)
        return rc;
    if (meta_changes(txn) != 1)
        return err_set(err, ERR_DENIED,
                       "job %s: epoch %" PRId64 " belongs to another process or was committed",
                       job->name, epoch);
    return 0;
}

int rows_commit_position(struct meta_txn *txn, const char *job, const char *pipeline,
                         const char *input, const struct stream_position *position, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < position->count && !rc; i++)
        rc = meta_exec(txn, err,
                       "INSERT INTO job_inputs VALUES(?1, ?2, ?3, ?4, ?5, ?6)"
                       " ON CONFLICT(job, pipeline, input, partition)"
                       " DO UPDATE SET incarnation = ?5, offset = ?6",
                       "sssisi", job, pipeline, input, (int64_t)i, position->incarnation,
                       position->offsets[i]);
    return rc;
}

int rows_commit_pipeline(struct meta_txn *txn, const char *job, const char *pipeline, int64_t rows,
                         const char *state, struct err *err)
{
    int rc = 0;

    if (state)
        rc = meta_exec(txn, err,
                       "INSERT INTO job_states VALUES(?1, ?2, ?3)"
                       " ON CONFLICT(job, pipeline) DO UPDATE SET manifest = ?3",
                       "sss", job, pipeline, state);
    if (!rc && rows > 0)
        rc = meta_exec(txn, err,
                       "INSERT INTO job_totals VALUES(?1, ?2, ?3)"
                       " ON CONFLICT(job, pipeline) DO UPDATE SET rows = rows + ?3",
                       "ssi", job, pipeline, rows);
    return rc;
}
