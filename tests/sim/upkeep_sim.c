/* upkeep_sim.c - maintenance on a disk that loses power, beside a writer that adds and deletes
 * rows.
 *
 *     upkeep_sim [--seeds N] [--first S] [--every | --faults] [--verbose]
 *
 * A seed decides everything: which rows are added and deleted, when the clock moves on, when the
 * maintenance service takes its turn, at which disk call the power goes, and what survives of the
 * unsynced writes. Catalog, metadata store, Iceberg staging, maintenance and object store are the
 * program's own, on the simulated disk. Only the bytes of a data file are plain lines of ids
 * instead of Parquet, since DuckDB writes to the real disk; deletes are deletion vectors (v3),
 * which are ours from end to end, and the rewriter applies them to lines.
 *
 * After each loss of power all is opened again, and then:
 *   - every row whose commit was acknowledged is there once, unless its deletion was begun;
 *   - no row is there twice, and none whose deletion was acknowledged has come back;
 *   - fsck finds no damage, before maintenance takes its turn again and after it.
 * With --every the power goes at each disk call of a short life in turn, with --faults single calls
 * fail instead. A failing seed prints itself; the same seed replays the same run.
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/disk_sim.h"
#include "catalog/upkeep.h"
#include "lake/fsck.h"
#include "lake/lake_int.h"
#include "tests/sim/real_alloc.h"

#define IDS_MAX   4096
#define OPS       60
#define OPS_SHORT 14
#define CRASHES   3
#define START_US  1700000000000000

/* The linker sends our allocations here (see the Makefile); in this simulator none fails. */
void *__wrap_malloc(size_t);
void *__wrap_calloc(size_t, size_t);
void *__wrap_realloc(void *, size_t);
char *__wrap_strdup(const char *);
void *__wrap_malloc(size_t len)
{
    return __real_malloc(len);
}
void *__wrap_calloc(size_t n, size_t len)
{
    return __real_calloc(n, len);
}
void *__wrap_realloc(void *p, size_t len)
{
    return __real_realloc(p, len);
}
char *__wrap_strdup(const char *text)
{
    return __real_strdup(text);
}

enum fate { ABSENT, MAY_BE, THERE, MAY_GO, GONE }; /* of a row: what was asked and answered */

struct world {
    uint64_t seed;
    bool verbose, faults, every, reached;
    struct rng rng;
    struct disk_sim *sim;
    struct clock_fake clock;

    struct meta *meta;
    struct store *store;
    struct lake *lake;
    struct catalog *catalog;
    struct upkeep *upkeep;

    enum fate rows[IDS_MAX];
    int next_id, ops;
    int64_t calls, fail_at;
    int64_t lives, refused, added, deleted, merges;
};

static _Noreturn void broken(struct world *w, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void broken(struct world *w, const char *fmt, ...)
{
    va_list args;

    fprintf(stderr, "seed %" PRIu64 "%s%s (call %" PRId64 "): ", w->seed,
            w->every ? " --every" : "", w->faults ? " --faults" : "", w->fail_at);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fprintf(stderr, "\n");
    abort();
}

static int on_call(void *arg, enum disk_call call, const char *path)
{
    struct world *w = arg;

    (void)call, (void)path;
    w->calls++;
    if (w->faults)
        return w->fail_at && w->calls % w->fail_at == 0 ? (w->calls & 1 ? ERR_IO : ERR_NOSPC) : 0;
    w->reached |= w->fail_at && w->calls >= w->fail_at;
    return w->fail_at && w->calls >= w->fail_at ? ERR_IO : 0;
}

/* ---- data files of lines ---- */

static int put_lines(struct world *w, struct lake *lake, const struct lake_metadata *m,
                     const int *ids, size_t count, struct arena *arena, struct lake_data_file *out,
                     struct err *err)
{
    struct buf lines = {0};
    int rc = 0;

    for (size_t i = 0; i < count && !rc; i++)
        rc = buf_printf(&lines, "%d\n", ids[i]);
    *out = (struct lake_data_file){.path = arena_printf(arena, "%s/data/%016" PRIx64 ".parquet",
                                                        m->location, rng_u64(&w->rng)),
                                   .format = "PARQUET",
                                   .record_count = (int64_t)count,
                                   .file_bytes = (int64_t)lines.len,
                                   .sort_order_id = -1,
                                   .first_row_id = -1,
                                   .content_pos = -1,
                                   .content_bytes = -1};
    if (!rc && !out->path)
        rc = err_set(err, ERR_NOMEM, "lines");
    rc = rc ? rc : store_put_at(lake_store(lake), out->path, buf_slice(&lines), err);
    buf_deinit(&lines);
    return rc;
}

/* The live ids of a file: its lines but those its vector deletes. */
static int read_lines(struct lake *lake, const struct lake_scan_file *file,
                      const struct lake_entry *deletes, struct arena *arena, int *ids,
                      int64_t *places, size_t *count, struct err *err)
{
    struct buf bytes = {0}, blob = {0};
    struct store *store = lake_store(lake);
    int64_t *gone = NULL, row = 0;
    size_t gone_count = 0, at = 0;
    int rc = store_get_at(store, file->entry.file.path, &bytes, err);

    if (!rc && file->delete_count) {
        const struct lake_data_file *d = &deletes[file->deletes[0]].file;
        const char *bucket, *key;

        rc = file->delete_count > 1 ? err_set(err, ERR_CORRUPT, "two vectors of one file") : 0;
        rc = rc ? rc : store_split(d->path, arena, &bucket, &key, err);
        rc = rc ? rc
                : store->ops->get(store, bucket, key, d->content_pos, d->content_bytes, &blob, err);
        rc = rc ? rc : deletion_vector_decode(buf_slice(&blob), arena, &gone, &gone_count, err);
    }
    for (const char *p = (const char *)bytes.ptr, *end = p + bytes.len; !rc && p < end; row++) {
        const char *line_end = memchr(p, '\n', (size_t)(end - p));

        if (at < gone_count && gone[at] == row) {
            at++;
        } else {
            if (places)
                places[*count] = row;
            ids[(*count)++] = (int)strtol(p, NULL, 10);
        }
        p = line_end ? line_end + 1 : end;
    }
    buf_deinit(&bytes);
    buf_deinit(&blob);
    return rc;
}

static int rewrite_lines(void *arg, struct lake *lake, const struct lake_metadata *m,
                         const struct lake_merge *merge, struct arena *arena,
                         struct lake_data_file **files, size_t *count, struct err *err)
{
    static int ids[IDS_MAX];
    struct world *w = arg;
    size_t rows = 0;
    int rc = 0;

    for (size_t i = 0; i < merge->file_count && !rc; i++)
        rc = read_lines(lake, &merge->scans[i], merge->deletes, arena, ids, NULL, &rows, err);
    *files = ARENA_NEW(arena, struct lake_data_file);
    *count = 0;
    if (!*files)
        return err_set(err, ERR_NOMEM, "lines");
    if (!rc && rows)
        rc = put_lines(w, lake, m, ids, rows, arena, *files, err);
    *count = !rc && rows ? 1 : 0;
    w->merges += rc == 0;
    return rc;
}

/* ---- one life of the program ---- */

static const struct lake_ident ident = {"db", "numbers"};

static int make_table(struct world *w, struct err *err)
{
    static const struct lake_property properties[] = {
        {"tarn.merge.fan-in", "3"},
        {"commit.manifest.min-count-to-merge", "6"},
        {"tarn.merge.delete-percent", "20"},
        {"history.expire.max-snapshot-age-ms", "20000"},
        {"history.expire.min-snapshots-to-keep", "2"},
        {"tarn.orphans.age-ms", "3600000"},
        {"tarn.orphans.interval-ms", "60000"},
        {"write.metadata.previous-versions-max", "4"}};
    struct lake_field field = {.id = 1, .name = "id", .type = {.kind = LAKE_LONG}};
    struct lake_schema schema = {.root = {.kind = LAKE_STRUCT, .fields = &field, .field_count = 1}};
    struct lake_table_options options = {.schema = &schema,
                                         .format_version = 3,
                                         .properties = properties,
                                         .property_count = COUNT_OF(properties)};
    struct catalog_table made = {0};
    struct arena arena = {0};
    int rc = catalog_namespace_create(w->catalog, "db", NULL, err);

    if (rc == 0 || rc == ERR_EXISTS)
        rc = catalog_table_create(w->catalog, &ident, &options, false, &arena, &made, err);
    catalog_table_deinit(&made);
    arena_deinit(&arena);
    return rc == ERR_EXISTS ? 0 : rc;
}

static void close_all(struct world *w)
{
    upkeep_free(w->upkeep);
    catalog_free(w->catalog);
    lake_free(w->lake);
    store_free(w->store);
    meta_free(w->meta);
    w->upkeep = NULL;
    w->catalog = NULL;
    w->lake = NULL;
    w->store = NULL;
    w->meta = NULL;
}

static int open_all(struct world *w, struct err *err)
{
    static const struct meta_migration *const migrations[] = {catalog_migrations, upkeep_migrations,
                                                              NULL};
    struct disk *disk = disk_sim_disk(w->sim);
    int rc = disk_mkdirs(disk, "data", err);

    if (!rc)
        rc = meta_new(&w->meta,
                      &(struct meta_options){.path = "data/meta.db",
                                             .disk = disk,
                                             .clock = &w->clock.clock,
                                             .migrations = migrations,
                                             .no_thread = true},
                      err);
    if (!rc)
        rc = store_local_new(
            &w->store,
            &(struct store_local_options){.dir = "data", .disk = disk, .clock = &w->clock.clock},
            err);
    if (!rc)
        rc = lake_new(&w->lake, &(struct lake_options){.store = w->store, .clock = &w->clock.clock},
                      err);
    if (!rc)
        rc = catalog_new(&w->catalog,
                         &(struct catalog_options){.meta = w->meta,
                                                   .lake = w->lake,
                                                   .clock = &w->clock.clock,
                                                   .name = "sim",
                                                   .warehouse = "s3://w/sim",
                                                   .no_thread = true},
                         err);
    if (!rc)
        rc = upkeep_new(&w->upkeep,
                        &(struct upkeep_options){.catalog = w->catalog,
                                                 .lake = w->lake,
                                                 .meta = w->meta,
                                                 .clock = &w->clock.clock,
                                                 .rewriter = {rewrite_lines, w},
                                                 .interval_ms = 1000,
                                                 .no_thread = true},
                        err);
    return rc ? rc : make_table(w, err);
}

/* ---- what happens to it ---- */

static int load(struct world *w, struct arena *arena, struct catalog_table *table, struct err *err)
{
    return catalog_table_load(w->catalog, &ident, arena, table, err);
}

static int add_rows(struct world *w, struct err *err)
{
    int count = 1 + (int)rng_below(&w->rng, 8), ids[8], first = w->next_id, rc;
    struct arena arena = {0};
    struct catalog_table table = {0};
    struct lake_data_file file;
    struct lake_change change = {.added = &file, .added_count = 1};

    if (w->next_id + count > IDS_MAX)
        return 0;
    for (int i = 0; i < count; i++) {
        ids[i] = w->next_id++;
        w->rows[ids[i]] = MAY_BE;
    }
    rc = load(w, &arena, &table, err);
    rc = rc ? rc : put_lines(w, w->lake, table.metadata, ids, (size_t)count, &arena, &file, err);
    rc = rc ? rc : lake_commit_wait(w->lake, catalog_lake(w->catalog), &ident, &change, NULL, err);
    for (int i = 0; i < count && !rc; i++)
        w->rows[first + i] = THERE;
    w->added += rc ? 0 : count;
    catalog_table_deinit(&table);
    arena_deinit(&arena);
    return rc;
}

/* Some rows of one file, as a statement would delete them; computed on one version of the table and
 * committed on whichever is there by then. */
static int delete_rows(struct world *w, struct err *err)
{
    static int ids[IDS_MAX];
    static int64_t places[IDS_MAX];
    int64_t chosen[IDS_MAX];
    struct arena arena = {0};
    struct catalog_table table = {0};
    struct lake_plan plan = {0};
    size_t count = 0, taken = 0, which;
    int rc = load(w, &arena, &table, err);

    rc = rc ? rc : lake_plan(w->lake, table.metadata, -1, NULL, NULL, 0, &arena, &plan, err);
    if (!rc && plan.file_count) {
        struct lake_row_delete rows;
        struct lake_change change = {.row_deletes = &rows,
                                     .row_delete_count = 1,
                                     .checks = LAKE_CHECK_ROWS_LIVE,
                                     .from_snapshot_id = plan.snapshot_id};

        which = rng_below(&w->rng, plan.file_count);
        rc =
            read_lines(w->lake, &plan.files[which], plan.deletes, &arena, ids, places, &count, err);
        for (size_t i = 0; i < count && !rc; i++)
            if (rng_below(&w->rng, 3) == 0) {
                chosen[taken++] = places[i];
                w->rows[ids[i]] = MAY_GO;
                ids[taken - 1] = ids[i];
            }
        rows = (struct lake_row_delete){.path = plan.files[which].entry.file.path,
                                        .spec_id = -1,
                                        .sequence_number = -1,
                                        .file_sequence_number = -1,
                                        .positions = chosen,
                                        .position_count = taken};
        if (!rc && taken && rng_below(&w->rng, 3) == 0) /* maintenance comes in between */
            upkeep_step(w->upkeep, NULL, NULL);
        if (!rc && taken)
            rc = lake_commit_wait(w->lake, catalog_lake(w->catalog), &ident, &change, NULL, err);
        for (size_t i = 0; i < taken; i++) /* refused for certain: nothing of it happened */
            w->rows[ids[i]] = rc == 0 ? GONE : rc == ERR_STALE ? THERE : MAY_GO;
        rc = rc == ERR_STALE ? 0 : rc;
        w->deleted += rc ? 0 : (int64_t)taken;
    }
    lake_plan_release(w->lake, &plan);
    catalog_table_deinit(&table);
    arena_deinit(&arena);
    return rc;
}

static void live(struct world *w)
{
    for (int op = 0; op < w->ops; op++) {
        struct err err = {0};
        uint64_t dice = rng_below(&w->rng, 10);
        int rc;

        clock_fake_advance(&w->clock, (int64_t)rng_below(&w->rng, 5000) * 1000000);
        if (rng_below(&w->rng, 40) == 0) /* the sweep finds what earlier lives left behind */
            clock_fake_advance(&w->clock, (int64_t)2 * 3600 * 1000000000);
        rc = dice < 5   ? add_rows(w, &err)
             : dice < 7 ? delete_rows(w, &err)
                        : upkeep_step(w->upkeep, NULL, &err);
        if (w->verbose)
            fprintf(stderr, "  op %d (%d): %s %s\n", op, (int)dice, err_name(rc), err.text);
        w->refused += rc != 0;
        if (rc && !w->faults)
            return; /* the power is gone */
    }
}

/* ---- what must hold ---- */

static int say(void *arg, bool damage, const char *file, const char *text, struct err *err)
{
    (void)err;
    if (damage)
        broken(arg, "fsck: %s %s", file, text);
    return 0;
}

static void check(struct world *w, const char *when)
{
    static int ids[IDS_MAX], found[IDS_MAX];
    struct lake_fsck_options options = {.say = say, .arg = w};
    struct lake_fsck fsck;
    struct arena arena = {0};
    struct catalog_table table = {0};
    struct lake_plan plan = {0};
    struct err err = {0};

    memset(found, 0, sizeof(found));
    if (load(w, &arena, &table, &err) ||
        lake_fsck(w->lake, table.location, &options, &fsck, &err) ||
        lake_plan(w->lake, table.metadata, -1, NULL, NULL, 0, &arena, &plan, &err))
        broken(w, "%s: %s", when, err.text);
    for (size_t f = 0; f < plan.file_count; f++) {
        size_t count = 0;

        if (read_lines(w->lake, &plan.files[f], plan.deletes, &arena, ids, NULL, &count, &err))
            broken(w, "%s: %s", when, err.text);
        for (size_t i = 0; i < count; i++)
            found[ids[i]]++;
    }
    for (int id = 0; id < w->next_id; id++) {
        enum fate fate = w->rows[id];

        if (found[id] > 1)
            broken(w, "%s: row %d is there %d times", when, id, found[id]);
        if (found[id] ? fate == GONE || fate == ABSENT : fate == THERE)
            broken(w, "%s: row %d %s", when, id, found[id] ? "has come back" : "is lost");
        w->rows[id] = found[id] ? THERE : fate == MAY_BE ? ABSENT : GONE; /* now it is known */
    }
    lake_plan_release(w->lake, &plan);
    catalog_table_deinit(&table);
    arena_deinit(&arena);
}

static void begin_seed(struct world *w)
{
    struct err err = {0};

    rng_init(&w->rng, w->seed);
    rand_simulate(w->seed);
    clock_fake_init(&w->clock, START_US);
    memset(w->rows, 0, sizeof(w->rows));
    w->next_id = 0;
    if (disk_sim_new(&w->sim, w->seed, &err))
        broken(w, "%s", err.text);
    disk_sim_on_call(w->sim, on_call, w);
}

static void live_and_check(struct world *w)
{
    struct err err = {0};

    if (open_all(w, &err) == 0)
        live(w);
    else
        w->refused++;
    close_all(w);
    disk_sim_on_call(w->sim, NULL, NULL);
    disk_sim_power_loss(w->sim);
    disk_sim_reboot(w->sim);
    w->lives++;
    if (open_all(w, &err))
        broken(w, "does not open after a loss of power: %s", err.text);
    check(w, "after a loss of power");
    clock_fake_advance(&w->clock, (int64_t)2 * 3600 * 1000000000);
    if (upkeep_step(w->upkeep, NULL, &err))
        broken(w, "maintenance does not go on: %s", err.text);
    check(w, "after maintenance");
    close_all(w);
    disk_sim_on_call(w->sim, on_call, w);
}

/* Several lives on one disk, each cut at random. */
static void run_seed(struct world *w)
{
    begin_seed(w);
    for (int crash = 0; crash <= CRASHES; crash++) {
        w->calls = 0;
        w->fail_at = crash == CRASHES && !w->faults ? 0
                     : w->faults                    ? 20 + (int64_t)rng_below(&w->rng, 400)
                                 : 1 + (int64_t)rng_below(&w->rng, crash ? 1500 : 2500);
        live_and_check(w);
    }
    disk_sim_free(w->sim);
}

/* A life, and one more in which maintenance has much to do, cut at its first disk call, at its
 * second, ... until it ends by itself. */
static void run_every_call(struct world *w)
{
    for (int64_t at = 1; at == 1 || w->reached; at++) {
        begin_seed(w);
        w->fail_at = 0;
        w->ops = OPS_SHORT;
        live_and_check(w);
        w->calls = 0;
        w->fail_at = at;
        w->reached = false;
        live_and_check(w);
        disk_sim_free(w->sim);
    }
}

int main(int argc, char **argv)
{
    uint64_t first = 1, seeds = 100;
    static struct world w;

    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--seeds") && i + 1 < argc)
            seeds = strtoull(argv[++i], NULL, 10);
        else if (!strcmp(argv[i], "--first") && i + 1 < argc)
            first = strtoull(argv[++i], NULL, 10);
        else if (!strcmp(argv[i], "--faults"))
            w.faults = true;
        else if (!strcmp(argv[i], "--every"))
            w.every = true;
        else if (!strcmp(argv[i], "--verbose"))
            w.verbose = true;
        else
            return fprintf(stderr,
                           "usage: %s [--seeds N] [--first S] [--every | --faults] "
                           "[--verbose]\n",
                           argv[0]),
                   2;
    }
    w.ops = OPS;
    diag_set_level(w.verbose ? DIAG_INFO : DIAG_ERROR + 1);
    for (uint64_t seed = first; seed < first + seeds; seed++) {
        w.seed = seed;
        if (w.every)
            run_every_call(&w);
        else
            run_seed(&w);
    }
    printf("%s: %" PRIu64 " seeds from %" PRIu64 ", %" PRId64 " lives, %" PRId64
           " calls refused, %" PRId64 " rows added, %" PRId64 " deleted, %" PRId64
           " rewrites: none lost, none doubled, none back\n",
           w.faults ? "faults" : "power loss", seeds, first, w.lives, w.refused, w.added, w.deleted,
           w.merges);
    return 0;
}
