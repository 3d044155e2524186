/* upkeep.c - what a table needs, done. See health.h.
 *
 * Rewrites first, each paid for from the budget, and all that were made go into one commit, which
 * expires snapshots too; then a commit for manifests or expiry alone, if still due; then orphans,
 * which need no commit. A commit that meets a newer version of the table is staged again on it:
 * rewrites whose inputs changed meanwhile are dropped by staging, and their files removed.
 */
#include <stdarg.h>
#include <stdio.h>

#include "lake/maintain_int.h"

#define ORPHAN_AGE_MIN_MS 3600000
#define METADATA_AGE_MS   3600000

struct run {
    struct lake *lake;
    const struct lake_upkeep_options *o;
    struct lake_metadata *m; /* what the actions were picked from */
    const char *location;
    struct arena *arena;
    struct lake_actions actions;
    struct lake_upkeep *out;
    struct lake_rewrite *rewrites; /* made, not yet committed */
    size_t rewrite_count;
    int first; /* failure */
    struct err *err;
};

static void sooner(struct run *r, int64_t wait_ms)
{
    if (wait_ms >= 0 && (r->out->wait_ms < 0 || wait_ms < r->out->wait_ms))
        r->out->wait_ms = wait_ms;
}

static void tell(struct run *r, enum lake_action_kind kind, int code, int64_t files, int64_t bytes,
                 const char *fmt, ...) __attribute__((format(printf, 6, 7)));
static void tell(struct run *r, enum lake_action_kind kind, int code, int64_t files, int64_t bytes,
                 const char *fmt, ...)
{
    char text[400];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    r->out->done += code == 0 && !r->o->dry;
    if (r->o->tell)
        r->o->tell(r->o->arg, &r->actions.list[kind], code, text, files, bytes);
}

/* One action failed: it is told, and the others go on. */
static void failed(struct run *r, enum lake_action_kind kind, int code, const struct err *why)
{
    tell(r, kind, code, 0, 0, "failed: %s", why->text);
    if (!r->first)
        r->first = err_set(r->err, code, "%s: %s", lake_action_name(kind), why->text);
}

static int load(struct run *r, struct arena *arena, const char **location,
                struct lake_metadata **out, struct err *err)
{
    int rc = r->o->catalog->ops->load(r->o->catalog, &r->o->ident, arena, location, err);

    return rc ? rc : lake_metadata_load(r->lake, *location, out, err);
}

static int commit(struct run *r, const struct lake_change *change, size_t *kept, struct err *err)
{
    struct lake_committed made = {-1, 0};
    int rc = lake_commit_wait(r->lake, r->o->catalog, &r->o->ident, change, &made, err);

    *kept = made.rewrites_kept;
    return rc;
}

/* ---- rewrites ---- */

static const enum lake_action_kind kind_of[LAKE_WHYS] = {
    [LAKE_WHY_SMALL] = LAKE_DO_MERGE,
    [LAKE_WHY_DELETES] = LAKE_DO_DELETES,
    [LAKE_WHY_SPEC] = LAKE_DO_SPEC,
    [LAKE_WHY_SORT] = LAKE_DO_SORT,
};

/* Milliseconds until both budgets have room. */
static int64_t budget_wait(const struct run *r, const struct lake_merge *merge)
{
    struct lake_budget *const budgets[] = {r->o->budget, r->o->own_budget};
    int64_t longest = 0;

    for (size_t i = 0; i < COUNT_OF(budgets); i++) {
        int64_t wait_ms =
            budgets[i] ? lake_budget_wait_ms(budgets[i], merge->rows, merge->bytes * 2) : 0;

        longest = wait_ms > longest ? wait_ms : longest;
    }
    return longest;
}

/* 0: made; ERR_AGAIN: put off. */
static int make_rewrite(struct run *r, const struct lake_merge *merge, struct err *err)
{
    int64_t began_ns = cpu_thread_ns(), bytes = merge->bytes, wait_ms = budget_wait(r, merge);
    struct lake_rewrite *rewrite = &r->rewrites[r->rewrite_count];
    int rc;

    if (wait_ms > 0 || (r->o->stop && r->o->stop(r->o->arg))) {
        sooner(r, wait_ms);
        return ERR_AGAIN;
    }
    rc = lake_maintain_merge(r->lake, r->m, &r->o->rewriter, merge, r->arena, rewrite, err);
    for (size_t i = 0; !rc && i < rewrite->added_count; i++)
        bytes += rewrite->added[i].file_bytes;
    if (r->o->budget)
        lake_budget_spend(r->o->budget, cpu_thread_ns() - began_ns, bytes);
    if (r->o->own_budget)
        lake_budget_spend(r->o->own_budget, cpu_thread_ns() - began_ns, bytes);
    r->rewrite_count += rc == 0;
    return rc;
}

static void drop_rewrites(struct run *r)
{
    for (size_t i = 0; i < r->rewrite_count; i++)
        for (size_t k = 0; k < r->rewrites[i].added_count; k++)
            lake_remove_files(r->lake, &r->rewrites[i].added[k].path, 1);
    r->rewrite_count = 0;
}

struct tally {
    size_t merges, put_off;
    int64_t files, bytes, made, made_bytes;
};

static void make_all(struct run *r, struct tally tallies[LAKE_WHYS])
{
    const struct lake_merges *merges = &r->actions.merges;

    for (size_t i = 0; i < merges->count; i++) {
        const struct lake_merge *merge = &merges->list[i];
        struct tally *t = &tallies[merge->why];
        const struct lake_rewrite *made = &r->rewrites[r->rewrite_count];
        struct err why = {0};
        int rc = make_rewrite(r, merge, &why);

        if (rc == ERR_AGAIN) {
            t->put_off++;
            continue;
        }
        if (rc) {
            failed(r, kind_of[merge->why], rc, &why);
            continue;
        }
        t->merges++;
        t->files += (int64_t)merge->file_count;
        t->bytes += merge->bytes;
        for (size_t k = 0; k < made->added_count; k++) {
            t->made++;
            t->made_bytes += made->added[k].file_bytes;
        }
    }
}

static void tell_rewrites(struct run *r, const struct tally tallies[LAKE_WHYS], size_t kept,
                          int code, const struct err *why)
{
    for (int w = 0; w < LAKE_WHYS; w++) {
        const struct tally *t = &tallies[w];

        if (t->merges && code)
            failed(r, kind_of[w], code, why);
        else if (t->merges)
            tell(r, kind_of[w], 0, t->files, t->bytes - t->made_bytes,
                 "%" PRId64 " files of %" PRId64 " bytes became %" PRId64 " of %" PRId64 " bytes%s",
                 t->files, t->bytes, t->made, t->made_bytes,
                 kept < r->rewrite_count ? "; some had changed meanwhile and stay" : "");
        if (t->put_off)
            tell(r, kind_of[w], ERR_AGAIN, 0, 0, "%zu rewrites wait for their budget", t->put_off);
    }
}

static bool is_kept(const struct run *r)
{
    int64_t since_ms = clock_mono_ms(lake_clock(r->lake)) - LAKE_KEEP_MS;

    return inflight_kept(lake_inflight(r->lake), r->m->uuid, since_ms);
}

/* Its commit expires snapshots too: *expired. */
static void run_rewrites(struct run *r, bool *expired)
{
    struct lake_change change = {.maintain = true, .db = r->o->rewriter.db};
    struct tally tallies[LAKE_WHYS] = {0};
    struct err why = {0};
    size_t kept = 0;
    int rc = 0;

    if (!r->actions.merges.count || !r->o->rewriter.run)
        return;
    if (is_kept(r)) {
        for (int kind = 0; kind <= LAKE_DO_SORT; kind++)
            if (r->actions.list[kind].due)
                tell(r, (enum lake_action_kind)kind, ERR_BUSY, 0, 0,
                     "left to the job that writes this table");
        return;
    }
    r->rewrites = ARENA_ARRAY(r->arena, struct lake_rewrite, r->actions.merges.count);
    if (!r->rewrites) {
        r->first = err_set(r->err, ERR_NOMEM, "upkeep");
        return;
    }
    make_all(r, tallies);
    if (r->rewrite_count) {
        change.rewrites = r->rewrites;
        change.rewrite_count = r->rewrite_count;
        rc = commit(r, &change, &kept, &why);
        *expired = rc == 0;
    }
    if (rc == ERR_AGAIN) /* all were void, and nothing else was to be done */
        rc = 0;
    if (rc && rc != ERR_UNKNOWN)
        drop_rewrites(r);
    tell_rewrites(r, tallies, kept, rc, &why);
}

/* ---- the rest ---- */

static void run_commit(struct run *r, bool expired)
{
    const struct lake_action *tidy = &r->actions.list[LAKE_DO_MANIFESTS];
    const struct lake_action *expire = &r->actions.list[LAKE_DO_EXPIRE];
    struct lake_change change = {.maintain = true, .tidy = tidy->due};
    struct err why = {0};
    size_t kept;
    int rc = 0;

    if (tidy->due || (expire->due && !expired))
        rc = commit(r, &change, &kept, &why);
    rc = rc == ERR_AGAIN ? 0 : rc; /* somebody did it meanwhile */
    if (tidy->due && rc)
        failed(r, LAKE_DO_MANIFESTS, rc, &why);
    else if (tidy->due)
        tell(r, LAKE_DO_MANIFESTS, 0, tidy->count, 0, "manifests written anew by partition");
    if (expire->due && rc && !expired)
        failed(r, LAKE_DO_EXPIRE, rc, &why);
    else if (expire->due)
        tell(r, LAKE_DO_EXPIRE, 0, expire->count, 0,
             "%" PRId64 " snapshots forgotten, files that only they named removed", expire->count);
}

static int64_t orphan_age_ms(const struct run *r)
{
    int64_t age = lake_metadata_property_i64(r->m, "tarn.orphans.age-ms", 259200000);

    return age < ORPHAN_AGE_MIN_MS ? ORPHAN_AGE_MIN_MS : age;
}

/* Older metadata files and orphans need no commit: nobody can name them any more. */
static void run_sweep(struct run *r, enum lake_action_kind kind)
{
    int64_t removed = 0, bytes = 0;
    struct arena arena = {0};
    struct lake_metadata *m = NULL;
    const char *location;
    struct err why = {0};
    int rc;

    if (!r->actions.list[kind].due)
        return;
    rc = load(r, &arena, &location, &m, &why); /* as it is now, with what was just committed */
    if (!rc && kind == LAKE_DO_METADATA)
        rc = metadata_prune(r->lake, location, METADATA_AGE_MS, r->o->dry, &removed, &bytes, &why);
    else if (!rc)
        rc = orphans_sweep(r->lake, location, orphan_age_ms(r), r->o->dry, &removed, &bytes, &why);
    *(kind == LAKE_DO_METADATA ? &r->out->pruned : &r->out->swept) = rc == 0 && !r->o->dry;
    if (rc)
        failed(r, kind, rc, &why);
    else
        tell(r, kind, 0, removed, bytes,
             "%" PRId64 " files of %" PRId64 " bytes that nobody names %s", removed, bytes,
             r->o->dry ? "would be removed" : "removed");
    lake_metadata_free(m);
    arena_deinit(&arena);
}

static void run_dry(struct run *r)
{
    for (int kind = 0; kind < LAKE_DO_METADATA; kind++) {
        const struct lake_action *act = &r->actions.list[kind];

        if (act->due)
            tell(r, (enum lake_action_kind)kind, 0, act->count, act->bytes, "would be done");
    }
    run_sweep(r, LAKE_DO_METADATA);
    run_sweep(r, LAKE_DO_ORPHANS);
}

int lake_upkeep(struct lake *lake, const struct lake_upkeep_options *options,
                struct lake_upkeep *out, struct err *err)
{
    struct arena arena = {0};
    struct run r = {.lake = lake, .o = options, .arena = &arena, .out = out, .err = err};
    bool expired = false;
    int rc;

    *out = (struct lake_upkeep){.wait_ms = -1};
    rc = load(&r, &arena, &r.location, &r.m, err);
    rc = rc ? rc : lake_actions(lake, r.m, &options->past, &arena, &r.actions, err);
    for (int kind = 0; kind < LAKE_DO_KINDS && !rc; kind++)
        sooner(&r, r.actions.list[kind].wait_ms);
    if (!rc && options->dry) {
        run_dry(&r);
    } else if (!rc) {
        run_rewrites(&r, &expired);
        run_commit(&r, expired);
        run_sweep(&r, LAKE_DO_METADATA);
        run_sweep(&r, LAKE_DO_ORPHANS);
    }
    lake_metadata_free(r.m);
    arena_deinit(&arena);
    return rc ? rc : r.first;
}
