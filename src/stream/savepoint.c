/* savepoint.c - a job as of one commit, as a folder that needs nothing outside of it; and back.
 *
 *   PATH/_metadata           JSON: job, script, epoch, places of inputs, manifests of states
 *   PATH/FOLDER/NAME         files of the states; FOLDER as below the job's own folder
 *
 * A copied checkpoint (savepoint_copy) shares its files with the one before it: DIR/ID/chk-EPOCH
 * has `_metadata` alone, DIR/ID/shared the files, each of them written once.
 *
 * `_metadata` is written last and read first: a folder without it is no savepoint. PATH is a local
 * folder or s3://BUCKET/KEY. The files that a committed manifest names do not change, and go only
 * behind a later commit: they are copied while the job runs. */
#include <stdio.h>

#include "base/codec.h"
#include "stream/place.h"

/* ---- written ---- */

struct gathering {
    const char *job;
    json_t *root;
};

static int gather_rows(struct meta_txn *txn, const char *job, const char *sql, json_t *list,
                       json_t *(*row)(struct meta_stmt *stmt), struct err *err)
{
    struct meta_stmt *stmt;
    int rc = meta_query(txn, &stmt, err, sql, "s", job);

    if (rc)
        return rc;
    while (meta_next(stmt, err, &rc))
        if (json_array_append_new(list, row(stmt))) {
            rc = err_set(err, ERR_NOMEM, "savepoint");
            break;
        }
    meta_done(stmt);
    return rc;
}

static json_t *input_row(struct meta_stmt *stmt)
{
    return json_pack("{s:s,s:s,s:I,s:s,s:I}", "pipeline", meta_text(stmt, 0), "input",
                     meta_text(stmt, 1), "partition", (json_int_t)meta_i64(stmt, 2), "incarnation",
                     meta_text(stmt, 3), "offset", (json_int_t)meta_i64(stmt, 4));
}

static json_t *state_row(struct meta_stmt *stmt)
{
    return json_pack("{s:s,s:s}", "pipeline", meta_text(stmt, 0), "manifest", meta_text(stmt, 1));
}

static json_t *total_row(struct meta_stmt *stmt)
{
    return json_pack("{s:s,s:I}", "pipeline", meta_text(stmt, 0), "rows",
                     (json_int_t)meta_i64(stmt, 1));
}

static int gather_in(struct meta_txn *txn, void *arg, struct err *err)
{
    struct gathering *g = arg;
    json_t *inputs = json_array(), *states = json_array(), *totals = json_array();
    int rc = 0;

    if (json_object_set_new(g->root, "inputs", inputs) ||
        json_object_set_new(g->root, "states", states) ||
        json_object_set_new(g->root, "totals", totals))
        rc = err_set(err, ERR_NOMEM, "savepoint");
    if (!rc)
        rc = gather_rows(txn, g->job,
                         "SELECT pipeline, input, partition, incarnation, offset FROM job_inputs"
                         " WHERE job = ?1 ORDER BY pipeline, input, partition",
                         inputs, input_row, err);
    if (!rc)
        rc = gather_rows(txn, g->job,
                         "SELECT pipeline, manifest FROM job_states WHERE job = ?1"
                         " ORDER BY pipeline",
                         states, state_row, err);
    if (!rc)
        rc = gather_rows(txn, g->job,
                         "SELECT pipeline, rows FROM job_totals WHERE job = ?1 ORDER BY pipeline",
                         totals, total_row, err);
    return rc;
}

struct carrying {
    const struct place *place;
    const char *id;
    struct copies *copies; /* NULL: every file is written */
};

static int each_of(const json_t *state, file_fn *fn, void *arg, struct err *err)
{
    const char *pipeline, *manifest;
    int rc = json_get_str(state, "pipeline", "savepoint", &pipeline, err);

    if (!rc)
        rc = json_get_str(state, "manifest", "savepoint", &manifest, err);
    return rc ? rc : place_each_file(pipeline, manifest, fn, arg, err);
}

static int keep_one(void *arg, const char *folder, const char *name, int64_t bytes, struct err *err)
{
    const struct carrying *c = arg;
    char from[2048];

    (void)bytes;
    snprintf(from, sizeof(from), "%s/%s/%s/%s", c->place->options->state_dir, c->id, folder, name);
    return place_keep_file(c->place, from, folder, name, err);
}

/* All that rows say of the job; the caller decrefs. */
static int gather(const struct stream_engine_options *o, const struct job_row *row, bool shared,
                  json_t **root, struct err *err)
{
    struct gathering g = {.job = row->name};

    g.root = *root =
        json_pack("{s:i,s:b,s:s,s:s,s:s,s:I,s:I}", "version", PLACE_VERSION, "shared", shared,
                  "job", row->name, "id", row->id, "script", row->script, "epoch",
                  (json_int_t)row->epoch, "time_ms", (json_int_t)clock_wall_ms(o->clock));
    return g.root ? meta_read(o->meta, gather_in, &g, err) : err_set(err, ERR_NOMEM, "savepoint");
}

static int keep_files(json_t *root, struct carrying *c, file_fn *keep, struct err *err)
{
    const json_t *states = json_object_get(root, "states");
    int rc = 0;

    for (size_t i = 0; !rc && i < json_array_size(states); i++)
        rc = each_of(json_array_get(states, i), keep, c, err);
    return rc ? rc : place_keep_metadata(c->place, root, err);
}

int savepoint_write(const struct stream_engine_options *o, const char *name, const char *dir,
                    char *path, size_t path_size, struct err *err)
{
    struct arena arena = {0};
    struct place place;
    struct carrying c = {.place = &place};
    json_t *root = NULL;
    struct job_row *row;
    uint8_t random[6];
    char hex[13];
    int rc = rows_find(o->meta, &arena, name, &row, err);

    if (!dir)
        dir = o->savepoint_dir;
    if (!rc && !dir)
        rc = err_set(err, ERR_INVALID,
                     "where to? SET 'execution.checkpointing.savepoint-dir', or "
                     "name a folder");
    if (!rc) {
        rand_secret(random, sizeof(random));
        hex_encode(random, sizeof(random), hex);
        if (snprintf(path, path_size, "%s/savepoint-%.6s-%s", place_plain(dir), row->id, hex) >=
            (int)path_size)
            rc = err_set(err, ERR_LIMIT, "the savepoint's path is too long: %s", dir);
    }
    if (!rc)
        rc = place_init(&place, o, path, err);
    if (!rc) {
        c.id = row->id;
        rc = gather(o, row, false, &root, err);
    }
    if (!rc)
        rc = keep_files(root, &c, keep_one, err);
    json_decref(root);
    arena_deinit(&arena);
    return rc ? err_wrap(err, rc, "savepoint of %s", name) : 0;
}

/* ---- checkpoints copied as they are made ---- */

static struct copy *find_copy(struct copies *copies, const char *path)
{
    for (size_t i = 0; i < copies->count; i++)
        if (!strcmp(copies->list[i].path, path))
            return &copies->list[i];
    return NULL;
}

static struct copy *add_copy(struct copies *copies, const char *path)
{
    struct copy *more;

    if (copies->count == copies->cap) {
        size_t cap = copies->cap ? copies->cap * 2 : 16;

        more = realloc(copies->list, cap * sizeof(*more));
        if (!more)
            return NULL;
        copies->list = more;
        copies->cap = cap;
    }
    more = &copies->list[copies->count];
    more->path = strdup(path);
    copies->count += more->path != NULL;
    return more->path ? more : NULL;
}

/* Files never change: one that was copied is not copied again. */
static int copy_one(void *arg, const char *folder, const char *name, int64_t bytes, struct err *err)
{
    struct carrying *c = arg;
    struct copy *copy;
    char path[2048];
    int rc;

    snprintf(path, sizeof(path), "%s/%s/%s", c->place->files, folder, name);
    copy = find_copy(c->copies, path);
    if (!copy) {
        rc = keep_one(arg, folder, name, bytes, err);
        if (rc)
            return rc;
        copy = add_copy(c->copies, path);
        if (!copy)
            return err_set(err, ERR_NOMEM, "checkpoint");
    }
    copy->round = c->copies->round;
    return 0;
}

/* What the new checkpoint does without, and the one before it. */
static void remove_older(struct carrying *c)
{
    struct copies *copies = c->copies;
    char path[1100];
    size_t kept = 0;

    if (copies->last[0] && strcmp(copies->last, c->place->path) != 0) {
        snprintf(path, sizeof(path), "%s/_metadata", copies->last);
        place_remove(c->place, path);
        if (!c->place->remote)
            (void)disk_rmdir(c->place->options->disk, copies->last, NULL);
    }
    for (size_t i = 0; i < copies->count; i++) {
        if (copies->list[i].round == copies->round) {
            copies->list[kept++] = copies->list[i];
            continue;
        }
        place_remove(c->place, copies->list[i].path);
        free(copies->list[i].path);
    }
    copies->count = kept;
}

int savepoint_copy(const struct stream_engine_options *o, const char *name, const char *dir,
                   struct copies *copies, struct err *err)
{
    struct arena arena = {0};
    struct place place;
    struct carrying c = {.place = &place, .copies = copies};
    json_t *root = NULL;
    struct job_row *row;
    char path[1024];
    int rc = rows_find(o->meta, &arena, name, &row, err);

    if (!rc && snprintf(path, sizeof(path), "%s/%s/chk-%" PRId64, place_plain(dir), row->id,
                        row->epoch) >= (int)sizeof(path))
        rc = err_set(err, ERR_LIMIT, "the path of checkpoints is too long: %s", dir);
    if (!rc)
        rc = place_init(&place, o, path, err);
    if (!rc)
        rc = place_share(&place, err);
    if (!rc) {
        c.id = row->id;
        copies->round++;
        rc = gather(o, row, true, &root, err);
    }
    if (!rc)
        rc = keep_files(root, &c, copy_one, err);
    if (!rc) {
        remove_older(&c);
        strcpy(copies->last, path);
    }
    json_decref(root);
    arena_deinit(&arena);
    return rc ? err_wrap(err, rc, "copy of a checkpoint of %s", name) : 0;
}

void copies_deinit(struct copies *copies)
{
    for (size_t i = 0; i < copies->count; i++)
        free(copies->list[i].path);
    free(copies->list);
    *copies = (struct copies){0};
}

/* ---- read ---- */

static int take_one(void *arg, const char *folder, const char *name, int64_t bytes, struct err *err)
{
    const struct carrying *c = arg;
    char to[2048];
    int rc;

    (void)bytes;
    snprintf(to, sizeof(to) - 110, "%s/%s/%s", c->place->options->state_dir, c->id, folder);
    rc = disk_mkdirs(c->place->options->disk, to, err);
    snprintf(to + strlen(to), 110, "/%s", name);
    if (!rc)
        rc = place_take_file(c->place, folder, name, to, err);
    if (!rc)
        rc = disk_sync_path(c->place->options->disk, to, err);
    return rc;
}

struct restore {
    const char *job, *script;
    char id[33];
    int64_t epoch, now_ms;
    const json_t *root;
};

static int restore_input(struct meta_txn *txn, const struct restore *r, const json_t *row,
                         struct err *err)
{
    const char *pipeline, *input, *incarnation;
    int64_t partition, offset;
    int rc = json_get_str(row, "pipeline", "savepoint", &pipeline, err);

    if (!rc)
        rc = json_get_str(row, "input", "savepoint", &input, err);
    if (!rc)
        rc = json_get_str(row, "incarnation", "savepoint", &incarnation, err);
    if (!rc)
        rc = json_get_i64(row, "partition", "savepoint", &partition, err);
    if (!rc)
        rc = json_get_i64(row, "offset", "savepoint", &offset, err);
    return rc ? rc
              : meta_exec(txn, err, "INSERT INTO job_inputs VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
                          "sssisi", r->job, pipeline, input, partition, incarnation, offset);
}

static int restore_state(struct meta_txn *txn, const struct restore *r, const json_t *row,
                         struct err *err)
{
    const char *pipeline, *manifest;
    int rc = json_get_str(row, "pipeline", "savepoint", &pipeline, err);

    if (!rc)
        rc = json_get_str(row, "manifest", "savepoint", &manifest, err);
    return rc ? rc
              : meta_exec(txn, err, "INSERT INTO job_states VALUES(?1, ?2, ?3)", "sss", r->job,
                          pipeline, manifest);
}

static int restore_in(struct meta_txn *txn, void *arg, struct err *err)
{
    const struct restore *r = arg;
    const json_t *inputs = json_object_get(r->root, "inputs");
    const json_t *states = json_object_get(r->root, "states");
    int rc = meta_exec(txn, err,
                       "INSERT INTO jobs(name, id, script, state, epoch, created_ms)"
                       " VALUES(?1, ?2, ?3, 'RUNNING', ?4, ?5)"
                       " ON CONFLICT(name) DO UPDATE SET id = ?2, script = ?3, state = 'RUNNING',"
                       " reason = '', epoch = max(epoch, ?4)",
                       "sssii", r->job, r->id, r->script, r->epoch, r->now_ms);

    if (!rc)
        rc = meta_exec(txn, err, "DELETE FROM job_inputs WHERE job = ?1", "s", r->job);
    if (!rc)
        rc = meta_exec(txn, err, "DELETE FROM job_states WHERE job = ?1", "s", r->job);
    for (size_t i = 0; i < json_array_size(inputs) && !rc; i++)
        rc = restore_input(txn, r, json_array_get(inputs, i), err);
    for (size_t i = 0; i < json_array_size(states) && !rc; i++)
        rc = restore_state(txn, r, json_array_get(states, i), err);
    return rc;
}

int savepoint_restore(const struct stream_engine_options *o, const char *job, const char *script,
                      const char *path, struct err *err)
{
    struct restore r = {.job = job, .now_ms = clock_wall_ms(o->clock)};
    struct place place;
    struct carrying c = {.place = &place, .id = r.id};
    json_t *root = NULL, *states = NULL;
    uint8_t id[16];
    int rc = place_init(&place, o, path, err);

    rand_secret(id, sizeof(id));
    hex_encode(id, sizeof(id), r.id);
    if (!rc)
        rc = place_take_metadata(&place, &root, err);
    r.root = root;
    r.script = script;
    if (!rc && !script)
        rc = json_get_str(root, "script", "savepoint", &r.script, err);
    if (!rc)
        rc = json_get_i64(root, "epoch", "savepoint", &r.epoch, err);
    if (!rc)
        rc = json_get_arr(root, "states", "savepoint", &states, err);
    for (size_t i = 0; i < json_array_size(states) && !rc; i++)
        rc = each_of(json_array_get(states, i), take_one, &c, err);
    if (!rc)
        rc = meta_write_wait(o->meta, restore_in, &r, err);
    json_decref(root);
    return rc;
}

/* What a job left that is gone or has got another id, and what a restore left that did not end. */
void savepoint_sweep(const struct stream_engine_options *o)
{
    struct arena arena = {0};
    struct disk_entry *entries = NULL;
    struct job_row *rows;
    size_t count = 0, jobs = 0;

    if (o->state_dir && !rows_load(o->meta, &arena, NULL, &rows, &jobs, NULL) &&
        !disk_list(o->disk, o->state_dir, &arena, &entries, &count, NULL))
        for (size_t i = 0; i < count; i++) {
            bool known = !entries[i].is_dir || strlen(entries[i].name) != 32;
            char path[4096];

            for (size_t k = 0; k < jobs && !known; k++)
                known = !strcmp(rows[k].id, entries[i].name);
            snprintf(path, sizeof(path), "%s/%s", o->state_dir, entries[i].name);
            if (!known)
                (void)disk_remove_tree(o->disk, path, NULL);
        }
    arena_deinit(&arena);
}
