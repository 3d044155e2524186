/* upsert_bench.c - what writing by key costs, and what it leaves to readers.
 *
 *   upsert_bench ROWS [CHANGES [EPOCHS [uniform|zipf [FORMAT]]]]
 *
 * A table of ROWS rows (id BIGINT, n BIGINT, amount DOUBLE, name STRING) gets EPOCHS commits of
 * CHANGES changes each, as a job makes them: drained, found in the key index, staged, committed,
 * with a merge between any two commits when one is due that rides in the next. All on one thread;
 * seconds are CPU seconds of the process. Scans are of one thread: before the first change (the
 * best of fifteen), after the last, and of a table that was written with the rows of the latter, in
 * their order and in one file, without any delete. The last two are what a bar can be about: the
 * first one's rows come in the order of their keys, and names that follow each other take half as
 * long to unpack as the same names in any order. They are scanned in turns, and how many times
 * longer one takes is the median of the turns: a busy neighbour on the same core makes both of a
 * turn slower, and the best of each may come from different weather. BENCH_DIR: where the table
 * lies (a folder in /tmp).
 */
#include <math.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lake/lake.h"
#include "lake/upsert.h"

#define FILE_ROWS 10000000
#define SCANS     15

struct bench {
    char dir[300];
    struct store *store;
    struct lake *lake;
    struct vec_db *db;
    struct vec_conn *conn;
    struct lake_metadata *m;
    char location[400];
    struct lake_upsert *upsert;
    struct rng rng;
    struct err err;
};

static void must(struct bench *b, int rc, const char *what)
{
    if (!rc)
        return;
    fprintf(stderr, "%s: %s\n", what, b->err.text);
    exit(1);
}
#define MUST(call) must(b, (call), #call)

static double cpu_s(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static long memory_mb(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return u.ru_maxrss / 1024;
}

/* ---- rows ---- */

struct rows {
    struct bench *b;
    int64_t left, next, keys; /* next < 0: drawn keys, else one after the other */
    bool zipf;
};

static int64_t draw(struct rows *r)
{
    if (!r->zipf)
        return (int64_t)rng_below(&r->b->rng, (uint64_t)r->keys);
    /* The rank of a Zipf law with exponent 1, spread over the keys. */
    return (int64_t)(((uint64_t)exp(rng_double(&r->b->rng) * log((double)r->keys)) *
                      0x9e3779b97f4a7c15ull) %
                     (uint64_t)r->keys);
}

static int pull(void *arg, duckdb_data_chunk out, struct err *err)
{
    struct rows *r = arg;
    idx_t count = r->left < (int64_t)vec_chunk_rows() ? (idx_t)r->left : vec_chunk_rows();
    int64_t *id = duckdb_vector_get_data(duckdb_data_chunk_get_vector(out, 0));
    int64_t *n = duckdb_vector_get_data(duckdb_data_chunk_get_vector(out, 1));
    double *amount = duckdb_vector_get_data(duckdb_data_chunk_get_vector(out, 2));
    duckdb_vector name = duckdb_data_chunk_get_vector(out, 3);

    (void)err;
    for (idx_t i = 0; i < count; i++) {
        char text[40];

        id[i] = r->next < 0 ? draw(r) : r->next++;
        n[i] = r->left - (int64_t)i;
        amount[i] = (double)(rng_u64(&r->b->rng) % 100000) / 100;
        duckdb_vector_assign_string_element_len(
            name, i, text,
            (idx_t)snprintf(text, sizeof(text), "customer %d", (int)(id[i] % 50000)));
    }
    r->left -= (int64_t)count;
    duckdb_data_chunk_set_size(out, count);
    return 0;
}

/* ---- the table ---- */

static void open_all(struct bench *b)
{
    const char *dir = getenv("BENCH_DIR");
    struct store_local_options store = {.disk = disk_system(), .clock = clock_system()};
    struct vec_options vec = {.threads = 1, .memory_bytes = (int64_t)2 << 30};

    snprintf(b->dir, sizeof(b->dir), "%s/tarn-upsert-XXXXXX", dir ? dir : "/tmp");
    if (!mkdtemp(b->dir)) {
        perror(b->dir);
        exit(1);
    }
    store.dir = b->dir;
    rng_init(&b->rng, 1);
    MUST(store_local_new(&b->store, &store, &b->err));
    MUST(b->store->ops->bucket_make(b->store, "w", &b->err));
    MUST(lake_new(&b->lake, &(struct lake_options){b->store, clock_system(), 0}, &b->err));
    MUST(vec_db_new(&b->db, &vec, &b->err));
    MUST(vec_conn_new(&b->conn, b->db, &b->err));
}

static void create(struct bench *b, const char *at, int format)
{
    static const char text[] =
        "{\"type\":\"struct\",\"schema-id\":0,\"identifier-field-ids\":[1],\"fields\":["
        "{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"long\"},"
        "{\"id\":2,\"name\":\"n\",\"required\":false,\"type\":\"long\"},"
        "{\"id\":3,\"name\":\"amount\",\"required\":false,\"type\":\"double\"},"
        "{\"id\":4,\"name\":\"name\",\"required\":false,\"type\":\"string\"}]}";
    struct arena arena = {0};
    struct lake_schema schema;
    struct lake_table_options options = {.location = at,
                                         .schema = &schema,
                                         .format_version = format,
                                         .streaming = true,
                                         .now_ms = 1700000000000};
    const char *location;

    MUST(lake_schema_parse_text(SLICE_LIT(text), &arena, &schema, &b->err));
    MUST(lake_metadata_new(&b->m, &options, &b->err));
    MUST(lake_metadata_store(b->lake, b->m, NULL, NULL, &arena, &location, NULL, NULL, &b->err));
    snprintf(b->location, sizeof(b->location), "%s", location);
    arena_deinit(&arena);
}

/* Staged and true; the caller settles. */
static struct lake_staged *commit(struct bench *b, const struct lake_change *change)
{
    struct lake_ident ident = {"ns", "t"};
    struct lake_staged *staged = NULL;

    MUST(lake_stage(b->lake, &ident, b->m, b->location, change, &staged, &b->err));
    snprintf(b->location, sizeof(b->location), "%s", lake_staged_swap(staged)->new_location);
    lake_metadata_free(b->m);
    b->m = lake_metadata_ref(lake_staged_metadata(staged));
    return staged;
}

static void fill(struct bench *b, int64_t rows)
{
    struct lake_writer_options options = {.lake = b->lake, .db = b->db, .metadata = b->m};
    struct vec_columns columns = {0};
    struct lake_writer *writer;
    double began = cpu_s();

    MUST(lake_columns(lake_metadata_schema(b->m), &columns, &b->err));
    MUST(lake_writer_new(&writer, &options, &b->err));
    for (int64_t at = 0; at < rows; at += FILE_ROWS) {
        struct rows from = {
            .b = b, .left = rows - at < FILE_ROWS ? rows - at : FILE_ROWS, .next = at};
        struct vec_feed feed = {&columns, pull, &from};
        struct arena arena = {0};
        struct lake_data_file file;
        struct lake_change change = {.added = &file, .added_count = 1, .db = b->db};

        MUST(lake_writer_pull(writer, b->conn, &feed, &arena, &file, &b->err));
        lake_staged_settle(commit(b, &change));
        arena_deinit(&arena);
    }
    lake_writer_free(writer);
    vec_columns_free(&columns);
    printf("filled with %" PRId64 " rows in %.1f CPU s\n", rows, cpu_s() - began);
}

static double scan_once(struct bench *b, struct lake_metadata *m, int64_t rows)
{
    struct arena arena = {0};
    struct lake_plan plan;
    struct vec_result *result;
    duckdb_data_chunk chunk;
    struct buf sql = {0};
    double began = cpu_s();

    buf_append_str(&sql, "SELECT count(*), sum(amount), count(DISTINCT name) FROM ");
    MUST(lake_plan(b->lake, m, -1, NULL, NULL, 0, &arena, &plan, &b->err));
    MUST(lake_scan_sql(b->lake, b->conn, &plan, NULL, 0, &arena, &sql, &b->err));
    MUST(vec_query(b->conn, buf_cstr(&sql), &result, &b->err));
    MUST(vec_result_next(result, &chunk, &b->err));
    if (*(int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0)) != rows) {
        fprintf(stderr, "the table has another number of rows than it should\n");
        exit(1);
    }
    vec_result_free(result);
    lake_plan_release(b->lake, &plan);
    buf_deinit(&sql);
    arena_deinit(&arena);
    return cpu_s() - began;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The best of each, and how many times longer the first takes than the second. */
static double scan(struct bench *b, struct lake_metadata *const *tables, size_t count, int64_t rows,
                   double *best)
{
    double times[SCANS];

    for (int i = 0; i < SCANS; i++) {
        double took[2] = {0};

        for (size_t t = 0; t < count; t++) {
            took[t] = scan_once(b, tables[t], rows);
            best[t] = i && best[t] < took[t] ? best[t] : took[t];
        }
        times[i] = count > 1 ? took[0] / took[1] : 1;
    }
    qsort(times, SCANS, sizeof(*times), by_size);
    return times[SCANS / 2];
}

static int pull_result(void *arg, duckdb_data_chunk out, struct err *err)
{
    duckdb_data_chunk chunk;
    int rc = vec_result_next(arg, &chunk, err);

    duckdb_data_chunk_set_size(out, 0);
    if (rc || !chunk)
        return rc;
    for (idx_t i = 0; i < duckdb_data_chunk_get_column_count(out); i++)
        duckdb_vector_reference_vector(duckdb_data_chunk_get_vector(out, i),
                                       duckdb_data_chunk_get_vector(chunk, i));
    duckdb_data_chunk_set_size(out, duckdb_data_chunk_get_size(chunk));
    return 0;
}

/* Another table with the same rows and no deletes takes the place of this one. */
static void copy_table(struct bench *b, int format)
{
    struct arena arena = {0};
    struct lake_metadata *from = b->m;
    struct lake_writer *writer;
    struct vec_result *result;
    struct lake_plan plan;
    struct lake_data_file file;
    struct lake_change change = {.added = &file, .added_count = 1, .db = b->db};
    struct vec_conn *conn;
    struct buf sql = {0};

    MUST(vec_conn_new(&conn, b->db, &b->err));
    buf_append_str(&sql, "FROM ");
    MUST(lake_plan(b->lake, from, -1, NULL, NULL, 0, &arena, &plan, &b->err));
    MUST(lake_scan_sql(b->lake, b->conn, &plan, NULL, 0, &arena, &sql, &b->err));
    MUST(vec_query(b->conn, buf_cstr(&sql), &result, &b->err));
    create(b, "s3://w/copy", format);
    MUST(lake_writer_new(
        &writer, &(struct lake_writer_options){.lake = b->lake, .db = b->db, .metadata = b->m},
        &b->err));
    struct vec_feed feed = {vec_result_columns(result), pull_result, result};
    MUST(lake_writer_pull(writer, conn, &feed, &arena, &file, &b->err));
    lake_staged_settle(commit(b, &change));
    lake_writer_free(writer);
    vec_result_free(result);
    vec_conn_free(conn);
    lake_plan_release(b->lake, &plan);
    lake_metadata_free(from);
    buf_deinit(&sql);
    arena_deinit(&arena);
}

/* ---- changes ---- */

struct merges {
    struct arena arena;
    struct lake_rewrite *list;
    size_t count, kept, made;
    double seconds;
};

static void merge(struct bench *b, struct merges *merges)
{
    struct lake_rewriter rewriter = lake_rewriter_duckdb(b->db);
    double began = cpu_s();

    arena_reset(&merges->arena);
    MUST(lake_maintain_run(b->lake, b->m, &rewriter, &merges->arena, &merges->list, &merges->count,
                           &b->err));
    merges->made += merges->count;
    merges->seconds += cpu_s() - began;
}

static void epoch(struct bench *b, struct rows *from, struct merges *merges, double took[3])
{
    struct lake_change change = {
        .db = b->db, .maintain = true, .rewrites = merges->list, .rewrite_count = merges->count};
    struct vec_columns columns = {0};
    struct vec_feed feed = {&columns, pull, from};
    struct lake_row_map *maps = calloc(merges->count + 1, sizeof(*maps));
    struct lake_row_delete *deletes;
    struct lake_upsert_cut *cut;
    struct lake_data_file *files;
    struct lake_staged *staged;
    struct arena arena = {0};
    size_t map_count = 0;
    double began = cpu_s();

    MUST(lake_columns(lake_metadata_schema(b->m), &columns, &b->err));
    MUST(lake_upsert_drain(b->upsert, b->m, &feed, &arena, &files, &change.added_count, &cut,
                           &b->err));
    took[0] += cpu_s() - began;
    began = cpu_s();
    MUST(lake_upsert_stage(b->upsert, cut, b->m, &arena, &deletes, &change.row_delete_count,
                           &b->err));
    took[1] += cpu_s() - began;
    began = cpu_s();
    change.added = files;
    change.row_deletes = deletes;
    staged = commit(b, &change);
    took[2] += cpu_s() - began;
    began = cpu_s();
    for (size_t i = 0; i < merges->count; i++)
        if (merges->list[i].map)
            maps[map_count++] = *merges->list[i].map;
    merges->kept += lake_staged_rewrites_kept(staged);
    lake_upsert_committed(b->upsert, cut, files, change.added_count,
                          lake_staged_snapshot_id(staged), b->m, maps, map_count);
    lake_staged_settle(staged);
    took[1] += cpu_s() - began;
    merges->count = 0;
    lake_upsert_cut_free(cut);
    vec_columns_free(&columns);
    arena_deinit(&arena);
    free(maps);
}

static void report_files(struct bench *b)
{
    struct arena arena = {0};
    struct lake_plan plan;
    size_t most = 0;
    int64_t deleted = 0;

    MUST(lake_plan(b->lake, b->m, -1, NULL, NULL, 0, &arena, &plan, &b->err));
    for (size_t i = 0; i < plan.file_count; i++)
        most = plan.files[i].delete_count > most ? plan.files[i].delete_count : most;
    for (size_t i = 0; i < plan.delete_count; i++)
        deleted += plan.deletes[i].file.record_count;
    printf("files         %zu data, %zu delete, at most %zu per data file; %" PRId64
           " rows deleted in them\n",
           plan.file_count, plan.delete_count, most, deleted);
    arena_deinit(&arena);
}

int main(int argc, char **argv)
{
    int64_t rows = argc > 1 ? (int64_t)atof(argv[1]) : 1000000;
    int64_t changes = argc > 2 ? (int64_t)atof(argv[2]) : 100000;
    int epochs = argc > 3 ? atoi(argv[3]) : 20;
    bool zipf = argc > 4 && !strcmp(argv[4], "zipf");
    struct bench bench = {0}, *b = &bench;
    struct merges merges = {0};
    struct lake_upsert_stats stats;
    double took[3] = {0}, began, clean, after[2], total, times;
    struct lake_metadata *tables[2];

    setvbuf(stdout, NULL, _IOLBF, 0); /* a large run tells how far it is */
    open_all(b);
    create(b, "s3://w/t", argc > 5 ? atoi(argv[5]) : 2);
    fill(b, rows);
    scan(b, &b->m, 1, rows, &clean);
    MUST(lake_upsert_new(&b->upsert, &(struct lake_upsert_options){b->lake, b->db, b->m}, &b->err));
    for (int i = 0; i <= epochs; i++) {
        struct rows from = {
            .b = b, .left = i ? changes : 1, .next = -1, .keys = rows, .zipf = zipf};

        began = cpu_s();
        epoch(b, &from, &merges, took);
        if (i == 0) { /* the first one builds the index */
            printf("index built   in %.2f CPU s\n", cpu_s() - began);
            memset(took, 0, sizeof(took));
        }
        merge(b, &merges);
    }
    began = cpu_s();
    lake_upsert_stats(b->upsert, &stats);
    total = took[0] + took[1] + took[2];
    printf("%s, %d commits of %" PRId64 " changes: %.0f changes per CPU s; %.0f with merges\n",
           zipf ? "zipf" : "uniform", epochs, changes, (double)changes * epochs / total,
           (double)changes * epochs / (total + merges.seconds));
    printf("of it         %.2f s drained and written, %.2f s in the index, %.2f s staged, %.2f s "
           "in %zu merges (%zu kept)\n",
           took[0], took[1], took[2], merges.seconds, merges.made, merges.kept);
    printf("index         %" PRId64
           " entries, %.0f MB in memory, %.0f MB on disk, %zu runs (%zu in "
           "memory), %" PRId64 " pages read\n",
           stats.index.entries, (double)stats.index.memory_bytes / 1e6,
           (double)stats.index.disk_bytes / 1e6, stats.index.runs, stats.index.runs_in_memory,
           stats.index.pages_read);
    report_files(b);
    tables[0] = lake_metadata_ref(b->m);
    copy_table(b, argc > 5 ? atoi(argv[5]) : 2);
    tables[1] = b->m;
    times = scan(b, tables, 2, rows, after);
    printf("scan          %.3f s, of the same rows without deletes %.3f s: %.2f times; before any "
           "change %.3f s\n",
           after[0], after[1], times, clean);
    lake_metadata_free(tables[0]);
    printf("memory        %ld MB at most\n", memory_mb());
    lake_upsert_free(b->upsert);
    arena_deinit(&merges.arena);
    lake_metadata_free(b->m);
    vec_conn_free(b->conn);
    vec_db_free(b->db);
    lake_free(b->lake);
    store_free(b->store);
    disk_remove_tree(disk_system(), b->dir, NULL);
    return 0;
}
