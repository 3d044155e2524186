/* commit_sim.c - the whole way of an event on a disk that loses power: log, checkpoint, commit.
 *
 *     commit_sim [--seeds N] [--first S] [--every | --faults | --allocs] [--verbose]
 *
 * A seed decides everything: what is produced and when it is flushed, when the job steps, at which
 * disk call the power goes, and which of the unsynced writes survive (torn, lost, out of order).
 * The program under test is the real one: broker, logs, source, decoder, dead letters, Iceberg
 * staging, catalog, metadata store, local object store, all on the simulated disk. Only the bytes
 * of a data file are plain lines instead of Parquet, since DuckDB writes to the real disk.
 *
 * After each loss of power everything is opened again, the job runs until it has read all, and
 * then:
 *   - every acknowledged record is in the table once, or in the dead letters once;
 *   - no record is anywhere twice, acknowledged or not;
 *   - the dead-letter topic holds just what the dead-letter table holds;
 *   - the offset of every acknowledged record is as it was told.
 * With --every the power goes at each disk call of a short life in turn.
 * With --faults single calls fail instead (I/O error, disk full), with --allocs single allocations
 * of ours (the linker wraps malloc and its kin), and the program has to go on.
 * A failing seed prints itself; the same seed replays the same run.
 */
#include <stdatomic.h>
#include <stdio.h>

#include "base/disk_sim.h"
#include "catalog/catalog.h"
#include "connector/dead_letters.h"
#include "connector/kafka_source.h"
#include "kafka/kafka.h"
#include "log/batch.h"
#include "stream/job.h"
#include "tests/sim/real_alloc.h"

#define IDS_MAX    4096
#define PARTITIONS 2
#define OPS        40
#define OPS_SHORT  10
#define CRASHES    3
#define START_US   1700000000000000

struct record_state {
    bool sent, acked, bad;
    int32_t partition;
    int64_t offset; /* as told at the append; -1: it failed */
};

struct world {
    uint64_t seed;
    bool verbose, faults, allocs;
    struct rng rng;
    struct disk_sim *sim;
    struct clock_fake clock;
    struct vec_db *db;

    struct meta *meta;
    struct store *store;
    struct lake *lake;
    struct catalog *catalog;
    struct workers *workers;
    struct broker *broker;
    struct stream_job *job;

    struct record_state records[IDS_MAX];
    int sent;
    int ops;                /* of a life */
    bool every, reached;    /* --every: cut at each call in turn; the call was reached */
    int64_t calls, fail_at; /* disk calls of this life; the one at which the power goes */
    int64_t crashes, acked_total, errors;
};

/* Allocations of our own objects: the linker sends them here (see the Makefile). */
static _Atomic int64_t alloc_calls, alloc_fail_at; /* every so many fails; 0: none */

static bool alloc_fails(void)
{
    int64_t every = atomic_load(&alloc_fail_at);

    return every && atomic_fetch_add(&alloc_calls, 1) % every == every - 1;
}

void *__wrap_malloc(size_t);
void *__wrap_calloc(size_t, size_t);
void *__wrap_realloc(void *, size_t);
char *__wrap_strdup(const char *);
void *__wrap_malloc(size_t len) { return alloc_fails() ? NULL : __real_malloc(len); }
void *__wrap_calloc(size_t n, size_t len) { return alloc_fails() ? NULL : __real_calloc(n, len); }
void *__wrap_realloc(void *p, size_t len) { return alloc_fails() ? NULL : __real_realloc(p, len); }
char *__wrap_strdup(const char *text) { return alloc_fails() ? NULL : __real_strdup(text); }

static _Noreturn void broken(struct world *w, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void broken(struct world *w, const char *fmt, ...)
{
    va_list args;

    atomic_store(&alloc_fail_at, 0);
    fprintf(stderr, "seed %" PRIu64 "%s: ", w->seed,
            w->allocs ? " --allocs" : w->faults ? " --faults" : "");
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
    if (w->allocs)
        return 0;
    if (w->faults) /* one call in some hundred fails, and only that one */
        return w->fail_at && w->calls % w->fail_at == 0 ? (w->calls & 1 ? ERR_IO : ERR_NOSPC) : 0;
    w->reached |= w->fail_at && w->calls >= w->fail_at;
    return w->fail_at && w->calls >= w->fail_at ? ERR_IO : 0;
}

/* ---- the job: numbers > table ---- */

/* Rows as lines "offset value": the dead letters' columns 4 and 8, or a table's first column. */
static int write_lines(void *arg, struct lake *lake, const struct lake_metadata *metadata,
                       const struct vec_feed *feed, struct arena *arena,
                       struct lake_data_file **files, size_t *count, struct err *err)
{
    bool letters = feed->columns->count > 1;
    struct world *w = arg;
    struct buf lines = {0};
    int64_t rows = 0;
    int rc = 0;

    *count = 0;
    for (;;) {
        duckdb_data_chunk chunk = vec_chunk_new(feed->columns);
        idx_t n;

        rc = chunk ? feed->pull(feed->arg, chunk, err) : ERR_NOMEM;
        n = rc ? 0 : duckdb_data_chunk_get_size(chunk);
        for (idx_t i = 0; i < n; i++) {
            int64_t *numbers = duckdb_vector_get_data(
                duckdb_data_chunk_get_vector(chunk, letters ? 4 : 0));
            duckdb_string_t *text =
                letters ? duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 8)) : NULL;

            rc = letters ? buf_printf(&lines, "%.*s\n", (int)duckdb_string_t_length(text[i]),
                                      duckdb_string_t_data(&text[i]))
                         : buf_printf(&lines, "%" PRId64 "\n", numbers[i]);
            if (rc)
                break;
            rows++;
        }
        if (chunk)
            duckdb_destroy_data_chunk(&chunk);
        if (rc || n == 0)
            break;
    }
    if (!rc && rows) {
        struct lake_data_file *file = ARENA_NEW(arena, struct lake_data_file);
        const char *path = arena_printf(arena, "%s/data/%016" PRIx64 ".parquet", metadata->location,
                                        rng_u64(&w->rng));

        if (!file || !path)
            rc = err_set(err, ERR_NOMEM, "file");
        else
            rc = store_put_at(lake_store(lake), path, buf_slice(&lines), err);
        if (!rc) {
            *file = (struct lake_data_file){.path = path, .format = "PARQUET",
                                            .record_count = rows, .file_bytes = (int64_t)lines.len,
                                            .sort_order_id = -1, .first_row_id = -1,
                                            .content_pos = -1, .content_bytes = -1};
            *files = file;
            *count = 1;
        }
    }
    buf_deinit(&lines);
    return rc;
}

static int make_table(struct world *w, struct err *err)
{
    struct lake_ident ident = {"db", "numbers"};
    struct lake_field field = {.id = 1, .name = "id", .type = {.kind = LAKE_LONG}};
    struct lake_schema schema = {.root = {.kind = LAKE_STRUCT, .fields = &field, .field_count = 1}};
    struct lake_table_options options = {.schema = &schema, .streaming = true};
    struct catalog_table made = {0};
    struct arena arena = {0};
    int rc = catalog_namespace_create(w->catalog, "db", NULL, err);

    if (rc == 0 || rc == ERR_EXISTS)
        rc = catalog_table_create(w->catalog, &ident, &options, false, &arena, &made, err);
    catalog_table_deinit(&made);
    arena_deinit(&arena);
    return rc == ERR_EXISTS ? 0 : rc;
}

static int plan(void *arg, const char *job, const char *script, struct arena *arena,
                struct stream_plan *out, struct err *err)
{
    static struct sql_option list[] = {{.key = "connector", .value = "kafka"},
                                       {.key = "topic", .value = "numbers"},
                                       {.key = "scan.startup.mode", .value = "earliest-offset"},
                                       {.key = "format", .value = "json"}};
    static const struct sql_options options = {list, COUNT_OF(list)};
    static const struct sql_column column = {.name = "id", .type = &sql_type_bigint};
    static const struct sql_table table = {.name = "numbers", .columns = &column,
                                           .column_count = 1, .options = &options};
    struct world *w = arg;
    struct lake_sink_options sink = {.lake = w->lake, .catalog = catalog_lake(w->catalog),
                                     .db = w->db, .ident = {"db", "numbers"},
                                     .write = write_lines, .write_arg = w};
    struct kafka_source_options source = {.broker = w->broker, .db = w->db,
                                          .clock = &w->clock.clock, .table = &table};
    struct dead_letters_options letters = {.sink = sink, .lake_catalog = w->catalog,
                                           .broker = w->broker, .clock = &w->clock.clock,
                                           .job = job};
    int rc = make_table(w, err);

    (void)script;
    out->pipelines = ARENA_NEW(arena, struct stream_pipeline);
    if (!rc && !out->pipelines)
        rc = err_set(err, ERR_NOMEM, "plan");
    if (rc)
        return rc;
    out->count = 1;
    out->pipelines[0] = (struct stream_pipeline){
        .name = "numbers > db.numbers", .target = "db.numbers",
        .inputs = ARENA_NEW(arena, struct stream_input)};
    if (!out->pipelines[0].inputs)
        return err_set(err, ERR_NOMEM, "plan");
    out->pipelines[0].input_count = 1;
    out->pipelines[0].inputs[0] = (struct stream_input){.name = "numbers", .topic = "numbers"};
    rc = kafka_source_new(&out->pipelines[0].inputs[0].source, &source, err);
    if (!rc)
        rc = lake_sink_new(&out->pipelines[0].sink, &sink, err);
    if (!rc)
        rc = dead_letters_new(&out->rejects, &letters, err);
    if (rc)
        stream_plan_close(out);
    return rc;
}

/* ---- one life of the program ---- */

static void close_all(struct world *w)
{
    stream_job_free(w->job);
    if (w->broker)
        broker_free(w->broker);
    workers_free(w->workers);
    catalog_free(w->catalog);
    lake_free(w->lake);
    store_free(w->store);
    meta_free(w->meta);
    w->job = NULL;
    w->broker = NULL;
    w->workers = NULL;
    w->catalog = NULL;
    w->lake = NULL;
    w->store = NULL;
    w->meta = NULL;
}

static int open_job(struct world *w, struct err *err)
{
    struct stream_engine_options o = {.meta = w->meta, .db = w->db, .clock = &w->clock.clock,
                                      .plan = plan, .plan_arg = w};

    return stream_job_new(&w->job, &o, "sim", "script", err);
}

static int open_all(struct world *w, struct err *err)
{
    static const struct meta_migration *const migrations[] = {broker_migrations, catalog_migrations,
                                                              stream_migrations, NULL};
    struct disk *disk = disk_sim_disk(w->sim);
    struct topic_options topic = {.name = "numbers", .partitions = PARTITIONS};
    int rc = disk_mkdirs(disk, "data", err);

    if (!rc)
        rc = meta_new(&w->meta,
                      &(struct meta_options){.path = "data/meta.db", .disk = disk,
                                             .clock = &w->clock.clock, .migrations = migrations,
                                             .no_thread = true}, err);
    if (!rc)
        rc = store_local_new(&w->store,
                             &(struct store_local_options){.dir = "data", .disk = disk,
                                                           .clock = &w->clock.clock}, err);
    if (!rc)
        rc = lake_new(&w->lake,
                      &(struct lake_options){.store = w->store, .clock = &w->clock.clock}, err);
    if (!rc)
        rc = catalog_new(&w->catalog,
                         &(struct catalog_options){.meta = w->meta, .lake = w->lake,
                                                   .clock = &w->clock.clock, .name = "sim",
                                                   .warehouse = "s3://w/sim", .no_thread = true},
                         err);
    if (!rc)
        rc = workers_new(&w->workers, "sim", 1, 16, err);
    if (!rc)
        rc = broker_new(&w->broker,
                        &(struct broker_options){.meta = w->meta, .disk = disk,
                                                 .clock = &w->clock.clock, .workers = w->workers,
                                                 .dir = "data/log", .segment_bytes = 4096},
                        err);
    if (!rc)
        rc = topic_create_wait(w->broker, &topic, NULL, err);
    if (rc == ERR_EXISTS)
        rc = 0;
    return rc ? rc : open_job(w, err);
}

/* ---- what happens to it ---- */

static int produce(struct world *w, bool ack, struct err *err)
{
    struct topic *topic = topic_find(w->broker, "numbers");
    int32_t partition = (int32_t)rng_below(&w->rng, PARTITIONS);
    int count = 1 + (int)rng_below(&w->rng, 12), first = w->sent;
    struct batch_builder builder;
    struct log_append_result told;
    struct buf batch = {0};
    int rc = 0;

    if (!topic || w->sent + count > IDS_MAX) {
        topic_unref(topic);
        return 0;
    }
    batch_builder_init(&builder);
    builder.producer_id = -1;
    for (int i = 0; i < count && !rc; i++) {
        struct record_state *r = &w->records[w->sent];
        char value[64];

        r->bad = rng_below(&w->rng, 10) == 0;
        r->sent = true;
        r->partition = partition;
        r->offset = -1;
        snprintf(value, sizeof(value), r->bad ? "{\"id\":\"bad %d\"}" : "{\"id\":%d}", w->sent++);
        rc = batch_builder_add(&builder, clock_wall_ms(&w->clock.clock), (struct slice){0},
                               slice_str(value), NULL, 0);
    }
    if (!rc)
        rc = batch_builder_finish(&builder, rng_below(&w->rng, 3) ? CODEC_NONE : CODEC_LZ4, &batch,
                                  err);
    if (!rc)
        rc = topic_append(topic, partition, batch.ptr, batch.len, &told, err);
    for (int i = 0; !rc && i < count; i++)
        w->records[first + i].offset = told.base_offset + i;
    if (!rc && ack)
        rc = log_flush(topic_log(topic, partition), err);
    for (int i = 0; !rc && ack && i < w->sent; i++) /* a flush covers all that came before */
        if (w->records[i].sent && w->records[i].offset >= 0 &&
            w->records[i].partition == partition && !w->records[i].acked) {
            w->records[i].acked = true;
            w->acked_total++;
        }
    batch_builder_deinit(&builder);
    buf_deinit(&batch);
    topic_unref(topic);
    return rc;
}

/* A life: operations until the power goes or the seed's operations are over. */
static void live(struct world *w)
{
    for (int op = 0; op < w->ops; op++) {
        struct err err = {0};
        int rc;

        clock_fake_advance(&w->clock, (int64_t)rng_below(&w->rng, 6000) * 1000000);
        if (rng_below(&w->rng, 3))
            rc = produce(w, rng_below(&w->rng, 3) != 0, &err);
        else if (rng_below(&w->rng, 4) == 0)
            rc = catalog_sync_wait(w->catalog, &err);
        else
            rc = w->job ? stream_job_step(w->job, 1 + (int)rng_below(&w->rng, 4), &err)
                        : open_job(w, &err);
        if (w->verbose)
            fprintf(stderr, "  op %d: %s %s\n", op, err_name(rc), err.text);
        w->errors += rc != 0;
        if (rc && !w->faults)
            return; /* the power is gone */
        if (rc && w->job) { /* a job that failed is opened anew, as its coordinator does */
            stream_job_free(w->job);
            w->job = NULL;
        }
    }
}

/* ---- what must hold ---- */

struct seen {
    int table[IDS_MAX], letters[IDS_MAX];
    int64_t letter_rows, letter_messages;
};

static void see_lines(struct world *w, struct slice text, int *count, int64_t *rows)
{
    const char *at = (const char *)text.ptr, *end = at + text.len;

    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        const char *bad = "{\"id\":\"bad ";
        long id = strtol(!strncmp(at, bad, strlen(bad)) ? at + strlen(bad) : at, NULL, 10);

        if (!line_end || id < 0 || id >= w->sent)
            broken(w, "a data file holds what nobody sent: %.*s", (int)(end - at), at);
        count[id]++;
        if (rows)
            ++*rows;
        at = line_end + 1;
    }
}

static void see_manifest(struct world *w, const struct lake_metadata *metadata,
                         const struct lake_manifest_file *line, int *count, int64_t *rows)
{
    struct lake_manifest *manifest;
    struct err err = {0};

    if (lake_manifest_load(w->lake, metadata, line, &manifest, &err))
        broken(w, "manifest %s: %s", line->path, err.text);
    for (size_t i = 0; i < manifest->entry_count; i++) {
        struct buf bytes = {0};

        if (manifest->entries[i].status == LAKE_DELETED)
            continue;
        if (store_get_at(w->store, manifest->entries[i].file.path, &bytes, &err))
            broken(w, "data file: %s", err.text);
        see_lines(w, buf_slice(&bytes), count, rows);
        buf_deinit(&bytes);
    }
    lake_manifest_free(manifest);
}

static void see_table(struct world *w, const char *ns, const char *name, int *count, int64_t *rows)
{
    struct lake_ident ident = {ns, name};
    struct catalog_table table = {0};
    struct lake_manifest_list *list;
    const struct lake_snapshot *snapshot;
    struct arena arena = {0};
    struct err err = {0};
    int rc = catalog_table_load(w->catalog, &ident, &arena, &table, &err);

    if (rc == ERR_NOENT) {
        arena_deinit(&arena);
        return;
    }
    if (rc)
        broken(w, "table %s.%s: %s", ns, name, err.text);
    snapshot = lake_metadata_snapshot(table.metadata);
    if (snapshot) {
        if (lake_manifest_list_load(w->lake, table.metadata, snapshot, &list, &err))
            broken(w, "manifest list: %s", err.text);
        for (size_t i = 0; i < list->file_count; i++)
            see_manifest(w, table.metadata, &list->files[i], count, rows);
        lake_manifest_list_free(list);
    }
    catalog_table_deinit(&table);
    arena_deinit(&arena);
}

/* The readable records of a partition, each handed to `fn`. */
static void walk_log(struct world *w, struct log *log, void (*fn)(struct world *, void *,
                                                                  const struct record *),
                     void *arg)
{
    struct log_offsets at = log_offsets(log);
    struct buf bytes = {0}, plain = {0};
    int64_t next = at.start;
    struct err err = {0};

    while (next < at.high_watermark) {
        struct slice rest;
        struct batch batch;
        struct record_walk walk;
        struct record record;
        size_t need;

        buf_clear(&bytes);
        if (log_read(log, next, 1 << 20, true, &bytes, &err))
            broken(w, "log at %" PRId64 ": %s", next, err.text);
        rest = buf_slice(&bytes);
        while (rest.len && batch_next(&rest, true, &batch, &need, &err) == 0) {
            if (record_walk_init(&walk, &batch, &plain, 1 << 24, &err))
                broken(w, "batch at %" PRId64 ": %s", next, err.text);
            while (record_next(&walk, &record, &err) == 1)
                if (record.offset >= next)
                    fn(w, arg, &record);
            next = batch.base_offset + batch.last_offset_delta + 1;
        }
    }
    buf_deinit(&bytes);
    buf_deinit(&plain);
}

static void count_record(struct world *w, void *arg, const struct record *record)
{
    (void)w, (void)record;
    ++*(int64_t *)arg;
}

struct place {
    int32_t partition;
    int *found;
};

static void check_record(struct world *w, void *arg, const struct record *record)
{
    const struct place *place = arg;
    const char *text = (const char *)record->value.ptr, *bad = "{\"id\":\"bad ";
    long id = strtol(text + (!strncmp(text, bad, strlen(bad)) ? strlen(bad) : 6), NULL, 10);
    struct record_state *r;

    if (id < 0 || id >= w->sent)
        broken(w, "the log holds what nobody sent");
    r = &w->records[id];
    if (r->acked && (r->offset != record->offset || r->partition != place->partition))
        broken(w, "record %ld was told offset %" PRId64 " and is at %" PRId64, id, r->offset,
               record->offset);
    place->found[id]++;
}

static void check_logs(struct world *w, struct seen *seen)
{
    struct topic *topic = topic_find(w->broker, "numbers");
    struct topic *letters = topic_find(w->broker, "sim.dlq");
    int found[IDS_MAX] = {0};

    if (!topic)
        broken(w, "the topic is gone");
    for (int32_t p = 0; p < PARTITIONS; p++) {
        struct place place = {p, found};

        if (!topic_log(topic, p))
            broken(w, "partition %d is offline", (int)p);
        walk_log(w, topic_log(topic, p), check_record, &place);
    }
    for (int id = 0; id < w->sent; id++)
        if (w->records[id].acked && found[id] != 1)
            broken(w, "acknowledged record %d is in the log %d times", id, found[id]);
    if (letters && topic_log(letters, 0))
        walk_log(w, topic_log(letters, 0), count_record, &seen->letter_messages);
    topic_unref(letters);
    topic_unref(topic);
}

static void check(struct world *w)
{
    static struct seen seen;

    memset(&seen, 0, sizeof(seen));
    see_table(w, "db", "numbers", seen.table, NULL);
    see_table(w, "dlq", "sim", seen.letters, &seen.letter_rows);
    check_logs(w, &seen);
    for (int id = 0; id < w->sent; id++) {
        int rows = seen.table[id], letters = seen.letters[id];
        bool bad = w->records[id].bad;

        if (rows + letters > 1)
            broken(w, "record %d is doubled: %d rows, %d dead letters", id, rows, letters);
        if (w->records[id].acked && (bad ? letters : rows) != 1)
            broken(w, "acknowledged %s record %d is lost: %d rows, %d dead letters",
                   bad ? "bad" : "good", id, rows, letters);
        if (bad ? rows : letters)
            broken(w, "record %d is in the wrong place", id);
    }
    if (seen.letter_rows != seen.letter_messages)
        broken(w, "%" PRId64 " dead letters in the table, %" PRId64 " in the topic",
               seen.letter_rows, seen.letter_messages);
}

/* Runs the job until it has read everything; nothing fails any more. */
static void catch_up(struct world *w)
{
    struct err err = {0};

    if (!w->job && open_job(w, &err))
        broken(w, "the job does not open: %s", err.text);
    for (int i = 0; i < 200; i++) {
        int64_t before = stream_job_epoch(w->job);

        if (stream_job_step(w->job, 100, &err))
            broken(w, "the job does not go on: %s", err.text);
        if (stream_job_epoch(w->job) == before)
            return;
    }
    broken(w, "the job never comes to an end");
}

/* What was not acknowledged before the power went will never be: a later flush is not for it. */
static void forget_unacknowledged(struct world *w)
{
    for (int id = 0; id < w->sent; id++)
        if (!w->records[id].acked)
            w->records[id].offset = -1;
}

static void begin_seed(struct world *w)
{
    struct err err = {0};

    rng_init(&w->rng, w->seed);
    rand_simulate(w->seed);
    atomic_store(&alloc_calls, 0);
    clock_fake_init(&w->clock, START_US);
    w->sent = 0;
    memset(w->records, 0, sizeof(w->records));
    if (disk_sim_new(&w->sim, w->seed, &err))
        broken(w, "%s", err.text);
    disk_sim_on_call(w->sim, on_call, w);
}

/* A life that ends in a loss of power, and what must hold after it. */
static void live_and_check(struct world *w)
{
    struct err err = {0};

    if (open_all(w, &err) == 0)
        live(w);
    else
        w->errors++;
    if (w->verbose)
        fprintf(stderr, " a life ended after %" PRId64 " calls\n", w->calls);
    atomic_store(&alloc_fail_at, 0);
    close_all(w);
    disk_sim_on_call(w->sim, NULL, NULL);
    disk_sim_power_loss(w->sim);
    disk_sim_reboot(w->sim);
    w->crashes++;
    forget_unacknowledged(w);
    if (open_all(w, &err))
        broken(w, "does not open after a loss of power (call %" PRId64 "): %s", w->fail_at,
               err.text);
    catch_up(w);
    check(w);
    close_all(w);
    disk_sim_on_call(w->sim, on_call, w);
}

static void end_seed(struct world *w)
{
    disk_sim_free(w->sim);
    w->sim = NULL;
}

/* Several lives on one disk, each cut at random. */
static void run_seed(struct world *w)
{
    begin_seed(w);
    for (int crash = 0; crash <= CRASHES; crash++) {
        w->calls = 0;
        w->fail_at = crash == CRASHES && !w->faults ? 0
                     : w->faults ? 20 + (int64_t)rng_below(&w->rng, 400)
                                 : 1 + (int64_t)rng_below(&w->rng, crash ? 1500 : 2500);
        if (w->allocs)
            atomic_store(&alloc_fail_at, 20 + (int64_t)rng_below(&w->rng, 4000));
        live_and_check(w);
    }
    end_seed(w);
}

/* One short life on a new disk, cut at its first disk call, at its second, ... until it ends by
 * itself: no write and no sync of the whole way is left out. */
static void run_every_call(struct world *w)
{
    w->ops = OPS_SHORT;
    for (int64_t at = 1; at == 1 || w->reached; at++) {
        begin_seed(w);
        w->calls = 0;
        w->fail_at = at;
        w->reached = false;
        live_and_check(w);
        end_seed(w);
    }
}

int main(int argc, char **argv)
{
    uint64_t first = 1, seeds = 100;
    struct world w = {0};
    struct err err = {0};

    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--seeds") && i + 1 < argc)
            seeds = strtoull(argv[++i], NULL, 10);
        else if (!strcmp(argv[i], "--first") && i + 1 < argc)
            first = strtoull(argv[++i], NULL, 10);
        else if (!strcmp(argv[i], "--faults"))
            w.faults = true;
        else if (!strcmp(argv[i], "--every"))
            w.every = true;
        else if (!strcmp(argv[i], "--allocs"))
            w.faults = w.allocs = true;
        else if (!strcmp(argv[i], "--verbose"))
            w.verbose = true;
        else
            return fprintf(stderr,
                           "usage: %s [--seeds N] [--first S] [--every | --faults | --allocs] "
                           "[--verbose]\n",
                           argv[0]),
                   2;
    }
    w.ops = OPS;
    diag_set_level(w.verbose ? DIAG_INFO : DIAG_ERROR + 1);
    if (vec_db_new(&w.db, &(struct vec_options){.threads = 1, .memory_bytes = 256 << 20}, &err))
        broken(&w, "%s", err.text);
    for (uint64_t seed = first; seed < first + seeds; seed++) {
        w.seed = seed;
        if (w.every)
            run_every_call(&w);
        else
            run_seed(&w);
    }
    vec_db_free(w.db);
    printf("%s: %" PRIu64 " seeds from %" PRIu64 ", %" PRId64 " %s, %" PRId64
           " calls refused, %" PRId64 " records acknowledged: none lost, none doubled\n",
           w.allocs   ? "allocations"
           : w.faults ? "faults"
                      : "power loss",
           seeds, first, w.crashes, "lives", w.errors, w.acked_total);
    return 0;
}
