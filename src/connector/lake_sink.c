/* lake_sink.c - the Iceberg sink: a writer per table, a staged change per epoch.
 *
 * The writer follows the table's metadata: when somebody evolved the table between two epochs, the
 * next drain opens a new writer on the newest schema, and rows keep flowing by column name.
 *
 * Merging. after_commit hands the newest metadata to a worker, at most one merge per table at a
 * time. The worker picks and rewrites files and leaves the result here; the next stage takes it
 * along. A result that no longer fits (its inputs are gone) is dropped by lake_stage, and its
 * files removed.
 *
 * Merging has a budget, which it shares with the maintenance service (lake/budget.h). A table that
 * a job commits to is kept by it (lake_keep): the service merges nothing there until the job falls
 * silent.
 */
#include <pthread.h>
#include <stdio.h>

#include "connector/lake_sink.h"
#include "lake/upsert.h"

struct merge_result {
    struct arena arena;
    struct lake_rewrite *rewrites;
    size_t count;
};

struct lake_sink {
    struct stream_sink sink; /* first */
    struct lake_sink_options options;
    char *ns, *name;
    struct vec_columns columns;
    bool own_columns;
    struct vec_conn *conn;
    struct lake_writer *writer;
    bool sorted; /* the writer's table has a sort order */
    struct lake_upsert *upsert; /* NULL: every row is appended */

    struct work merge_work; /* queued or running while `merging` */
    pthread_mutex_t mutex;
    pthread_cond_t idle;
    bool merging;
    struct lake_metadata *merge_base; /* the worker's, as is the next */
    struct merge_result *merge_result;
    struct merge_result *merged; /* finished, waits for the next stage */
};

struct lake_cut {
    struct stream_cut cut; /* first */
    struct arena arena;
    struct lake_data_file *files;
    size_t count;
    struct lake_upsert_cut *keys; /* of an upsert sink's epoch */
    struct lake_staged *staged;
    struct merge_result *merged; /* rides along */
    struct lake_metadata *base;
};

static struct lake_sink *self(struct stream_sink *sink)
{
    return (struct lake_sink *)sink;
}

static void merge_result_free(struct merge_result *result)
{
    if (!result)
        return;
    arena_deinit(&result->arena);
    free(result);
}

/* Files of a merge that nobody will point at. */
static void merge_result_drop(struct lake_sink *s, struct merge_result *result)
{
    if (!result)
        return;
    for (size_t i = 0; i < result->count; i++)
        for (size_t f = 0; f < result->rewrites[i].added_count; f++)
            lake_remove_files(s->options.lake, &result->rewrites[i].added[f].path, 1);
    merge_result_free(result);
}

static int load_newest(struct lake_sink *s, struct arena *arena, const char **location,
                       struct lake_metadata **out, struct err *err)
{
    struct lake_ident ident = {s->ns, s->name};
    int rc = s->options.catalog->ops->load(s->options.catalog, &ident, arena, location, err);

    return rc ? rc : lake_metadata_load(s->options.lake, *location, out, err);
}

/* A writer on the table as it is now; the old one goes when the schema or spec moved on. */
static int open_writer(struct lake_sink *s, struct err *err)
{
    struct lake_writer_options o = {.lake = s->options.lake, .db = s->options.db};
    struct arena arena = {0};
    struct lake_metadata *metadata = NULL;
    const char *location;
    int rc = load_newest(s, &arena, &location, &metadata, err);

    if (!rc && (!s->writer || !lake_writer_fits(s->writer, metadata))) {
        lake_writer_free(s->writer);
        s->writer = NULL;
        o.metadata = metadata;
        o.sorted = s->sorted = lake_sort_usable(metadata);
        o.columns = s->own_columns && !s->sorted ? &s->columns : NULL;
        rc = lake_writer_new(&s->writer, &o, err);
    }
    lake_metadata_free(metadata);
    arena_deinit(&arena);
    return rc;
}

static int open_upsert(struct lake_sink *s, struct lake_metadata *metadata, struct err *err)
{
    struct lake_upsert_options o = {
        .lake = s->options.lake, .db = s->options.db, .metadata = metadata};
    int rc = lake_upsert_new(&s->upsert, &o, err);

    lake_writer_free(s->writer); /* an epoch's rows are not known before its end */
    s->writer = NULL;
    return rc;
}

/* How rows will be written is known before the first comes, and what cannot be is said then. */
static int open_table(struct lake_sink *s, struct err *err)
{
    struct lake_metadata *metadata = NULL;
    struct arena arena = {0};
    const char *location;
    int rc = load_newest(s, &arena, &location, &metadata, err);

    if (!rc && (s->options.upsert || lake_upsert_wanted(metadata) ||
                (s->own_columns && lake_upsert_changes(&s->columns))))
        rc = open_upsert(s, metadata, err);
    lake_metadata_free(metadata);
    arena_deinit(&arena);
    return rc || s->upsert ? rc : open_writer(s, err);
}

static int drain_write(struct lake_sink *s, const struct vec_feed *feed, struct lake_cut *cut,
                       struct err *err)
{
    struct lake_metadata *metadata;
    const char *location;
    int rc = load_newest(s, &cut->arena, &location, &metadata, err);

    if (rc)
        return rc;
    rc = s->options.write(s->options.write_arg, s->options.lake, metadata, feed, &cut->arena,
                          &cut->files, &cut->count, err);
    lake_metadata_free(metadata);
    return rc;
}

/* Only the last row of each key, on the table as it is now. */
static int drain_changes(struct lake_sink *s, const struct vec_feed *feed, struct lake_cut *cut,
                         struct err *err)
{
    struct lake_metadata *metadata = NULL;
    const char *location;
    int rc = load_newest(s, &cut->arena, &location, &metadata, err);

    if (!rc && !s->upsert)
        rc = open_upsert(s, metadata, err);
    rc = rc ? rc
            : lake_upsert_drain(s->upsert, metadata, feed, &cut->arena, &cut->files, &cut->count,
                                &cut->keys, err);
    lake_metadata_free(metadata);
    return rc;
}

static int drain_pull(struct lake_sink *s, const struct vec_feed *feed, struct lake_cut *cut,
                      struct err *err)
{
    int rc;

    cut->files = ARENA_NEW(&cut->arena, struct lake_data_file);
    if (!cut->files)
        return err_set(err, ERR_NOMEM, "file of %s", s->name);
    rc = lake_writer_pull(s->writer, s->conn, feed, &cut->arena, cut->files, err);
    cut->count = !rc && cut->files[0].path ? 1 : 0;
    return rc;
}

static int drain_push(struct lake_sink *s, const struct vec_feed *feed, struct lake_cut *cut,
                      struct err *err)
{
    struct vec_batch batch = {0};
    int rc = 0;

    while (!rc) {
        duckdb_data_chunk chunk = vec_chunk_new(feed->columns);

        if (!chunk) {
            rc = err_set(err, ERR_NOMEM, "rows of %s", s->name);
            break;
        }
        rc = feed->pull(feed->arg, chunk, err);
        if (rc || duckdb_data_chunk_get_size(chunk) == 0 || vec_batch_add(&batch, chunk)) {
            duckdb_destroy_data_chunk(&chunk);
            break;
        }
        rc = lake_writer_write(s->writer, &batch, err);
    }
    vec_batch_deinit(&batch);
    if (!rc)
        rc = lake_writer_cut(s->writer, &cut->arena, &cut->files, &cut->count, err);
    return rc;
}

static void cut_free(struct lake_sink *s, struct lake_cut *cut, bool keep_files)
{
    if (!keep_files)
        for (size_t i = 0; i < cut->count; i++)
            lake_remove_files(s->options.lake, &cut->files[i].path, 1);
    lake_metadata_free(cut->base);
    lake_upsert_cut_free(cut->keys);
    arena_deinit(&cut->arena);
    free(cut);
}

static int drain(struct stream_sink *sink, const struct vec_feed *feed, struct stream_cut **out,
                 struct err *err)
{
    struct lake_sink *s = self(sink);
    struct lake_cut *cut = calloc(1, sizeof(*cut));
    bool changes = s->upsert || lake_upsert_changes(feed->columns);
    int rc = cut ? 0 : err_set(err, ERR_NOMEM, "rows of %s", s->name);

    *out = NULL;
    if (!rc && !s->options.write && !changes)
        rc = open_writer(s, err);
    if (!rc && changes)
        rc = drain_changes(s, feed, cut, err);
    else if (!rc && s->options.write)
        rc = drain_write(s, feed, cut, err);
    else if (!rc && s->sorted)
        rc = lake_writer_sort(s->writer, feed, &cut->arena, &cut->files, &cut->count, err);
    else if (!rc)
        rc = lake_writer_can_pull(s->writer) ? drain_pull(s, feed, cut, err)
                                             : drain_push(s, feed, cut, err);
    if (rc && s->writer) { /* what it holds belongs to the failed epoch */
        lake_writer_free(s->writer);
        s->writer = NULL;
    }
    if (rc || (cut->count == 0 && !cut->keys)) {
        if (cut)
            cut_free(s, cut, false);
        return rc ? err_wrap(err, rc, "table %s", s->name) : 0;
    }
    for (size_t i = 0; i < cut->count; i++) {
        cut->cut.rows += cut->files[i].record_count;
        cut->cut.bytes += cut->files[i].file_bytes;
    }
    if (cut->keys) /* what came, also of rows that another one of the epoch replaced */
        cut->cut.rows = lake_upsert_cut_rows(cut->keys);
    *out = &cut->cut;
    return 0;
}

static struct merge_result *take_merged(struct lake_sink *s)
{
    struct merge_result *merged;

    pthread_mutex_lock(&s->mutex);
    merged = s->merged;
    s->merged = NULL;
    pthread_mutex_unlock(&s->mutex);
    return merged;
}

/* On the table's newest state: written out, or through a queue's carrier. */
struct target {
    struct lake_metadata *base;
    const char *location; /* of its file; NULL: through the carrier */
    struct lake_carrier *carrier;
    struct lake_metadata **next;
};

static int stage_on(struct lake_sink *s, struct lake_cut *cut, const struct stream_epoch *epoch,
                    const struct target *target, struct err *err)
{
    struct lake_ident ident = {s->ns, s->name};
    struct lake_change change = {.added = cut->files,
                                 .added_count = cut->count,
                                 .maintain = true,
                                 .db = s->options.write ? NULL : s->options.db};
    char number[24];
    int rc = 0;

    snprintf(number, sizeof(number), "%" PRId64, epoch->epoch);
    struct lake_property summary[] = {{"tarn.job", epoch->job},
                                      {"tarn.job-id", epoch->job_id},
                                      {"tarn.epoch", number},
                                      {"tarn.offsets", epoch->offsets_json}};

    change.summary = summary;
    change.summary_count = COUNT_OF(summary);
    if (!cut->merged)
        cut->merged = take_merged(s);
    if (cut->merged) {
        change.rewrites = cut->merged->rewrites;
        change.rewrite_count = cut->merged->count;
    }
    if (cut->keys) {
        struct lake_row_delete *deletes;

        rc = lake_upsert_stage(s->upsert, cut->keys, target->base, &cut->arena, &deletes,
                               &change.row_delete_count, err);
        change.row_deletes = deletes;
        change.allow_empty = cut->count == 0; /* deletes of rows that never were */
    }
    if (!rc && target->location)
        rc = lake_stage(s->options.lake, &ident, target->base, target->location, &change,
                        &cut->staged, err);
    else if (!rc)
        rc = lake_stage_part(s->options.lake, &ident, target->base, &change, target->carrier,
                             &cut->staged, target->next, err);
    lake_metadata_free(cut->base); /* staged held the old one until now */
    cut->base = lake_metadata_ref(target->base);
    return rc ? err_wrap(err, rc, "table %s", s->name) : 0;
}

static int stage(struct stream_sink *sink, struct stream_cut *base,
                 const struct stream_epoch *epoch, struct err *err)
{
    struct lake_sink *s = self(sink);
    struct lake_cut *cut = (struct lake_cut *)base;
    struct target target = {0};
    int rc = load_newest(s, &cut->arena, &target.location, &target.base, err);

    if (rc)
        return err_wrap(err, rc, "table %s", s->name);
    rc = stage_on(s, cut, epoch, &target, err);
    lake_metadata_free(target.base);
    return rc;
}

/* ---- through the catalog's queue ---- */

struct queued {
    struct lake_sink *sink;
    struct lake_cut *cut;
    const struct stream_epoch *epoch;
};

static int stage_part(void *arg, struct lake_metadata *base, struct lake_carrier *carrier,
                      struct lake_metadata **next, struct err *err)
{
    struct queued *q = arg;
    struct target target = {.base = base, .carrier = carrier, .next = next};

    return stage_on(q->sink, q->cut, q->epoch, &target, err);
}

/* A part for each cut, of whichever tables. */
static int commit(const struct stream_turn *turns, size_t count, const struct stream_epoch *epoch,
                  meta_fn *also, void *also_arg, struct err *err)
{
    struct lake_catalog *catalog = self(turns[0].sink)->options.catalog;
    struct arena arena = {0};
    struct lake_part *parts = ARENA_ARRAY(&arena, struct lake_part, count);
    struct queued *queued = ARENA_ARRAY(&arena, struct queued, count);
    int rc = parts && queued ? 0 : err_set(err, ERR_NOMEM, "epoch");

    for (size_t i = 0; i < count && !rc; i++) {
        struct lake_sink *s = self(turns[i].sink);

        queued[i] = (struct queued){s, (struct lake_cut *)turns[i].cut, epoch};
        parts[i] =
            (struct lake_part){.ident = {s->ns, s->name}, .stage = stage_part, .arg = &queued[i]};
    }
    if (!rc) {
        parts[0].also = also;
        parts[0].also_arg = also_arg;
        rc = catalog->ops->commit(catalog, parts, count, err);
    }
    arena_deinit(&arena);
    return rc;
}

static int commit_in(struct stream_sink *sink, struct stream_cut *base, struct meta_txn *txn,
                     struct err *err)
{
    struct lake_sink *s = self(sink);
    struct lake_cut *cut = (struct lake_cut *)base;

    return s->options.catalog->ops->swap_in(s->options.catalog, txn, lake_staged_swap(cut->staged),
                                            1, err);
}

/* Are there merges, and is there budget for them? */
static bool may_merge(struct lake_sink *s, struct arena *arena)
{
    struct lake_merges picked = {0};
    int64_t rows = 0, bytes = 0;

    if (lake_maintain_pick(s->options.lake, s->merge_base, arena, &picked, NULL))
        return true; /* lake_maintain_run will say what is wrong */
    for (size_t i = 0; i < picked.count; i++) {
        rows += picked.list[i].rows;
        bytes += picked.list[i].bytes * 2;
    }
    return picked.count && lake_budget_may(lake_budget(s->options.lake), rows, bytes);
}

/* On the worker. */
static void merge_run(struct work *work)
{
    struct lake_sink *s =
        (struct lake_sink *)((char *)work - offsetof(struct lake_sink, merge_work));
    struct merge_result *result = calloc(1, sizeof(*result));
    struct lake_rewriter rewriter = lake_rewriter_duckdb(s->options.db);
    int64_t began_ns = cpu_thread_ns(), bytes = 0;
    struct err err = {0};
    int rc = result ? 0 : ERR_NOMEM;

    if (!rc && may_merge(s, &result->arena))
        rc = lake_maintain_run(s->options.lake, s->merge_base, &rewriter, &result->arena,
                               &result->rewrites, &result->count, &err);

    if (rc)
        diag_warn("lake", "merging small files of %s: %s", s->name, err.text);
    if (rc || !result->count) {
        merge_result_free(result);
        result = NULL;
    }
    for (size_t i = 0; result && i < result->count; i++) {
        for (size_t k = 0; k < result->rewrites[i].removed_count; k++)
            bytes += result->rewrites[i].removed[k].file.file_bytes;
        for (size_t k = 0; k < result->rewrites[i].added_count; k++)
            bytes += result->rewrites[i].added[k].file_bytes;
    }
    s->merge_result = result;
    lake_budget_spend(lake_budget(s->options.lake), cpu_thread_ns() - began_ns, bytes);
}

/* The pool looks at the work until it calls this: only from here on may it be used again or
 * freed. */
static void merge_done(struct work *work)
{
    struct lake_sink *s =
        (struct lake_sink *)((char *)work - offsetof(struct lake_sink, merge_work));

    pthread_mutex_lock(&s->mutex);
    lake_metadata_free(s->merge_base);
    s->merge_base = NULL;
    s->merged = s->merge_result;
    s->merge_result = NULL;
    s->merging = false;
    pthread_cond_broadcast(&s->idle);
    pthread_mutex_unlock(&s->mutex);
}

static void start_merge(struct lake_sink *s, struct lake_metadata *metadata)
{
    pthread_mutex_lock(&s->mutex);
    if (s->options.merges && !s->merging && !s->merged) {
        s->merging = true;
        s->merge_base = lake_metadata_ref(metadata);
        s->merge_work = (struct work){.run = merge_run, .done = merge_done};
        if (workers_submit(s->options.merges, &s->merge_work)) { /* busy: after the next commit */
            s->merging = false;
            lake_metadata_free(s->merge_base);
            s->merge_base = NULL;
        }
    }
    pthread_mutex_unlock(&s->mutex);
}

/* The key index hears what became true, and where merges that rode along put rows. */
static void follow_commit(struct lake_sink *s, struct lake_cut *cut)
{
    size_t count = cut->merged ? cut->merged->count : 0, known = 0;
    struct lake_row_map *maps = ARENA_ARRAY(&cut->arena, struct lake_row_map, count + 1);

    for (size_t i = 0; maps && i < count; i++)
        if (cut->merged->rewrites[i].map)
            maps[known++] = *cut->merged->rewrites[i].map;
    lake_upsert_committed(s->upsert, cut->keys, cut->files, cut->count,
                          lake_staged_snapshot_id(cut->staged), lake_staged_metadata(cut->staged),
                          maps, known);
}

static void after_commit(struct stream_sink *sink, struct stream_cut *base,
                         enum stream_outcome outcome)
{
    struct lake_sink *s = self(sink);
    struct lake_cut *cut = (struct lake_cut *)base;

    if (outcome == STREAM_COMMITTED) {
        if (cut->keys)
            follow_commit(s, cut);
        if (s->options.merges)
            lake_keep(s->options.lake, lake_staged_metadata(cut->staged)->uuid);
        start_merge(s, lake_staged_metadata(cut->staged));
        lake_staged_settle(cut->staged);
        merge_result_free(cut->merged);
    } else if (outcome == STREAM_UNKNOWN) { /* it may be true: every file stays */
        lake_staged_free(cut->staged);
        merge_result_free(cut->merged);
    } else {
        if (cut->staged)
            lake_staged_abandon(cut->staged);
        merge_result_drop(s, cut->merged);
    }
    cut_free(s, cut, outcome != STREAM_REFUSED);
}

static void sink_free(struct stream_sink *sink)
{
    struct lake_sink *s = self(sink);

    if (!s)
        return;
    pthread_mutex_lock(&s->mutex);
    while (s->merging)
        pthread_cond_wait(&s->idle, &s->mutex);
    pthread_mutex_unlock(&s->mutex);
    merge_result_drop(s, s->merged);
    lake_writer_free(s->writer);
    lake_upsert_free(s->upsert);
    vec_conn_free(s->conn);
    if (s->own_columns)
        vec_columns_free(&s->columns);
    pthread_mutex_destroy(&s->mutex);
    pthread_cond_destroy(&s->idle);
    free(s->ns);
    free(s->name);
    free(s);
}

static const struct stream_sink_ops ops = {
    /* recover: the table is the catalog's, and a committed epoch needs nothing more from us. */
    .drain = drain,    .stage = stage,   .commit_in = commit_in, .after_commit = after_commit,
    .free = sink_free, .commit = commit, /* where there is a queue */
};

int lake_sink_new(struct stream_sink **out, const struct lake_sink_options *options,
                  struct err *err)
{
    struct lake_sink *s = calloc(1, sizeof(*s));
    int rc;

    if (!s)
        return err_set(err, ERR_NOMEM, "sink %s", options->ident.name);
    s->sink.ops = &ops;
    if (options->catalog->joins_meta && options->catalog->ops->commit)
        s->sink.queue = options->catalog;
    s->options = *options;
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->idle, NULL);
    s->ns = strdup(options->ident.ns);
    s->name = strdup(options->ident.name);
    rc = s->ns && s->name ? 0 : err_set(err, ERR_NOMEM, "sink %s", options->ident.name);
    if (!rc && options->columns) {
        s->own_columns = true;
        rc = vec_columns_copy(&s->columns, options->columns);
    }
    if (!rc)
        rc = vec_conn_new(&s->conn, options->db, err);
    if (!rc && !options->write)
        rc = open_table(s, err);
    if (rc) {
        sink_free(&s->sink);
        return rc;
    }
    *out = &s->sink;
    return 0;
}
