/* repair.c - a state whose files do not all read back: they are fetched from where they were copied
 * to, the copies of the job's checkpoints and its savepoints; or it is said what can be done.
 *
 * A state file is written once, under a name that its job never gives again: another file of that
 * name and length which reads back whole, in a copy made of this very job, is the same. Nothing is
 * guessed: without what is torn, sums would stay wrong, and going back to an older epoch would give
 * rows twice to tables that are not written by key. That is a person's to decide. */
#include <stdio.h>

#include "stream/place.h"

#define PLACES_MAX 32

struct repair {
    struct job *job;
    struct arena arena;
    struct place *places; /* that hold files of this job */
    size_t place_count;
    int64_t newest;       /* epoch of the latest place that a start could begin from; -1: none */
    const char *begin;    /* that place */
    size_t torn, fetched; /* files */
    char what[256];       /* the first that was fetched, and from where */
};

/* ---- where copies may be ---- */

static bool is_of_job(const struct repair *r, const json_t *root, int64_t *epoch)
{
    const char *id;

    return !json_get_str(root, "id", "savepoint", &id, NULL) &&
           !json_get_i64(root, "epoch", "savepoint", epoch, NULL) && !strcmp(id, r->job->id);
}

/* One that cannot be read is passed over. */
static void look_at(struct repair *r, const char *dir, const char *name, bool copied)
{
    struct place *place = &r->places[r->place_count];
    const char *path = arena_printf(&r->arena, "%s/%s", dir, name);
    json_t *root = NULL;
    int64_t epoch;

    if (!path || r->place_count == PLACES_MAX || place_init(place, r->job->options, path, NULL) ||
        place_take_metadata(place, &root, NULL))
        return;
    if (is_of_job(r, root, &epoch)) {
        r->place_count++;
        /* A copy of the last commit has the same manifest: what it lacks, it lacks. */
        if (epoch > r->newest && (!copied || epoch < r->job->epoch)) {
            r->newest = epoch;
            r->begin = path;
        }
    }
    json_decref(root);
}

static void look_into(struct repair *r, const char *dir, const char *prefix, bool copied)
{
    const char **names = NULL;
    size_t count = 0;

    if (!dir || !dir[0] || !prefix ||
        place_list(r->job->options, dir, prefix, &r->arena, &names, &count, NULL))
        return;
    for (size_t i = 0; i < count; i++)
        look_at(r, dir, names[i], copied);
}

static int find_places(struct repair *r, struct err *err)
{
    const struct stream_plan *plan = &r->job->plan;
    const char *own = arena_printf(&r->arena, "savepoint-%.6s-", r->job->id);
    const char *copies = NULL;

    r->places = ARENA_ARRAY(&r->arena, struct place, PLACES_MAX + 1);
    if (plan->checkpoint_dir)
        copies = arena_printf(&r->arena, "%s/%s", plan->checkpoint_dir, r->job->id);
    if (!r->places)
        return err_set(err, ERR_NOMEM, "places of copies");
    look_into(r, copies, "chk-", true);
    look_into(r, plan->savepoint_dir, own, false);
    if (!plan->savepoint_dir)
        look_into(r, r->job->options->savepoint_dir, own, false);
    return 0;
}

/* ---- fetched ---- */

static int fetch_from(struct repair *r, const struct place *place, const char *folder,
                      const char *name, int64_t bytes)
{
    const struct stream_engine_options *o = r->job->options;
    char dir[2048], part[4096], to[4096], fetched[160];
    int rc;

    snprintf(dir, sizeof(dir), "%s/%s/%s", o->state_dir, r->job->id, folder);
    snprintf(fetched, sizeof(fetched), "%s.fetched", name);
    snprintf(part, sizeof(part), "%s/%s", dir, fetched);
    snprintf(to, sizeof(to), "%s/%s", dir, name);
    rc = disk_mkdirs(o->disk, dir, NULL);
    if (!rc)
        rc = place_take_file(place, folder, name, part, NULL);
    if (!rc)
        rc = state_file_check(o->disk, dir, fetched, bytes, NULL);
    if (!rc)
        rc = disk_rename(o->disk, part, to, NULL);
    if (!rc)
        rc = disk_sync_dir(o->disk, dir, NULL);
    if (rc)
        (void)disk_unlink(o->disk, part, NULL);
    return rc;
}

/* What was torn is kept beside nothing: a file that does not read back is of no use to anybody. */
static int mend(void *arg, const char *folder, const char *name, int64_t bytes, struct err *err)
{
    struct repair *r = arg;
    struct err why = {0};
    char dir[2048];
    int rc;

    snprintf(dir, sizeof(dir), "%s/%s/%s", r->job->options->state_dir, r->job->id, folder);
    rc = state_file_check(r->job->options->disk, dir, name, bytes, &why);
    if (!rc)
        return 0;
    if (rc == ERR_NOMEM)
        return err_set(err, rc, "%s", why.text);
    r->torn++;
    for (size_t i = 0; i < r->place_count; i++) {
        const struct place *place = &r->places[i];

        if (fetch_from(r, place, folder, name, bytes))
            continue;
        diag_warn("job", "%s: %s; it was fetched from %s", r->job->name, why.text, place->files);
        if (!r->fetched++)
            snprintf(r->what, sizeof(r->what), "%.40s/%.40s from %.160s", folder, name,
                     place->files);
        return 0;
    }
    return 0;
}

/* ---- or said ---- */

/* Behind what is in `err`: why the state was not loaded. */
static int say_remedies(const struct repair *r, struct err *err)
{
    size_t len = err ? strlen(err->text) : 0, room = err ? sizeof(err->text) - len : 0;
    int64_t behind = r->job->epoch - r->newest;

    if (!err)
        return ERR_INVALID;
    err->code = ERR_INVALID; /* another try finds the same */
    if (!r->begin)
        snprintf(err->text + len, room,
                 ", and no savepoint or copied checkpoint of the job has it: put the file back, or "
                 "start the job from a savepoint or under another name");
    else if (!behind)
        snprintf(err->text + len, room,
                 ", and no copy has it: put the file back, or 'tarn job start %s --from %s', which "
                 "is of the last commit: nothing is lost or doubled",
                 r->job->name, r->begin);
    else
        snprintf(err->text + len, room,
                 ", and no copy has it: put the file back, or 'tarn job start %s --from %s', which "
                 "is %" PRId64 " commit%s older: tables without a key get rows since then twice",
                 r->job->name, r->begin, behind, behind == 1 ? "" : "s");
    return ERR_INVALID;
}

int state_repair(struct job *job, const char *pipeline, const char *manifest, int loaded,
                 struct err *err)
{
    struct repair r = {.job = job, .newest = -1};
    struct err why = {0};
    int rc = find_places(&r, &why);

    if (!rc)
        rc = place_each_file(pipeline, manifest, mend, &r, &why);
    if (rc && err) /* of the repair, not of the state: another try may do */
        *err = why;
    if (!rc && !r.torn && loaded == ERR_NOENT) /* something else is not there, or not yet */
        rc = loaded;
    else if (!rc && (!r.torn || r.fetched < r.torn))
        rc = say_remedies(&r, err);
    if (!rc)
        snprintf(job->repaired, sizeof(job->repaired), "torn state files were fetched: %zu, %.200s",
                 r.fetched, r.what);
    arena_deinit(&r.arena);
    return rc;
}
