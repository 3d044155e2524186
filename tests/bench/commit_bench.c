/* commit_bench.c - small commits of our own: rows to Parquet, staged, true, one after another.
 *
 *     commit_bench [SECONDS [CASE]]            one line per case
 *
 * What a job's epoch or an INSERT does, without what comes before it: ten rows become a data file,
 * the change is staged on the newest state of its table and made true by the catalog, durable when
 * the call returns. Writers are threads of this process; those of one table wait for each other in
 * the catalog's queue, and share its snapshots. Merging is off, snapshots expire and manifests are
 * merged as for every table that a stream fills. BENCH_DIR: where it all lies (a folder in /tmp).
 */
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/hist.h"
#include "catalog/catalog.h"

#define LANES_MAX 64
#define ROWS      10

static const struct bench_case {
    const char *name;
    int lanes, tables;
} cases[] = {
    {"10 rows, 1 writer, 1 table", 1, 1},
    {"10 rows, 16 writers, 1 table", 16, 1},
    {"10 rows, 16 writers, 16 tables", 16, 16},
};

struct bench {
    char dir[300];
    struct meta *meta;
    struct store *store;
    struct lake *lake;
    struct catalog *catalog;
    struct vec_db *db;
    int64_t until_ns;
    const char *history; /* BENCH_HISTORY */
};

struct lane {
    struct bench *bench;
    char table[32];
    struct lake_writer *writer;
    struct vec_conn *conn;
    struct vec_columns columns;
    int64_t next, left;
    struct hist hist;
    struct err err;
    int rc;
};

/* ---- rows ---- */

static int pull(void *arg, duckdb_data_chunk out, struct err *err)
{
    struct lane *lane = arg;
    int64_t *id = duckdb_vector_get_data(duckdb_data_chunk_get_vector(out, 0));
    double *amount = duckdb_vector_get_data(duckdb_data_chunk_get_vector(out, 1));
    duckdb_vector note = duckdb_data_chunk_get_vector(out, 2);
    idx_t count = (idx_t)lane->left;

    (void)err;
    for (idx_t i = 0; i < count; i++) {
        char text[40];
        int len = snprintf(text, sizeof(text), "note %" PRId64, lane->next);

        id[i] = lane->next++;
        amount[i] = (double)(id[i] % 1000) / 10;
        duckdb_vector_assign_string_element_len(note, i, text, (idx_t)len);
    }
    lane->left = 0;
    duckdb_data_chunk_set_size(out, count);
    return 0;
}

static int commit(struct lane *lane)
{
    struct bench *b = lane->bench;
    struct lake_ident ident = {"bench", lane->table};
    struct vec_feed feed = {&lane->columns, pull, lane};
    struct arena arena = {0};
    struct lake_data_file file;
    struct lake_change change = {.added = &file, .added_count = 1, .maintain = true};
    int rc;

    lane->left = ROWS;
    rc = lake_writer_pull(lane->writer, lane->conn, &feed, &arena, &file, &lane->err);
    if (!rc)
        rc = lake_commit_wait(b->lake, catalog_lake(b->catalog), &ident, &change, NULL, &lane->err);
    arena_deinit(&arena);
    return rc;
}

static void *lane_run(void *arg)
{
    struct lane *lane = arg;
    struct clock *clock = clock_system();

    while (!lane->rc && clock_mono_ns(clock) < lane->bench->until_ns) {
        int64_t start = clock_mono_ns(clock);

        lane->rc = commit(lane);
        hist_record(&lane->hist, clock_mono_ns(clock) - start);
    }
    return NULL;
}

/* ---- the tables ---- */

static int open_all(struct bench *b, struct err *err)
{
    static const struct meta_migration *const migrations[] = {catalog_migrations, NULL};
    const char *dir = getenv("BENCH_DIR");
    struct store_local_options store = {.disk = disk_system(), .clock = clock_system()};
    struct meta_options meta = {
        .disk = disk_system(), .clock = clock_system(), .migrations = migrations};
    char path[400];
    int rc;

    snprintf(b->dir, sizeof(b->dir), "%s/tarn-commit-XXXXXX", dir ? dir : "/tmp");
    if (!mkdtemp(b->dir))
        return err_set(err, ERR_IO, "%s: no folder", b->dir);
    snprintf(path, sizeof(path), "%s/meta.db", b->dir);
    meta.path = path;
    store.dir = b->dir;
    rc = meta_new(&b->meta, &meta, err);
    rc = rc ? rc : store_local_new(&b->store, &store, err);
    rc = rc ? rc
            : lake_new(&b->lake, &(struct lake_options){.store = b->store, .clock = clock_system()},
                       err);
    rc = rc ? rc
            : catalog_new(&b->catalog,
                          &(struct catalog_options){.meta = b->meta,
                                                    .lake = b->lake,
                                                    .clock = clock_system(),
                                                    .name = "bench",
                                                    .warehouse = "s3://w/bench"},
                          err);
    rc = rc ? rc
            : vec_db_new(&b->db, &(struct vec_options){.threads = 1, .memory_bytes = 512 << 20},
                         err);
    return rc ? rc : catalog_namespace_create(b->catalog, "bench", NULL, err);
}

static void close_all(struct bench *b)
{
    vec_db_free(b->db);
    catalog_free(b->catalog);
    lake_free(b->lake);
    store_free(b->store);
    meta_free(b->meta);
    disk_remove_tree(disk_system(), b->dir, NULL);
}

static int make_table(struct bench *b, const char *name, struct err *err)
{
    static const char text[] =
        "{\"type\":\"struct\",\"schema-id\":0,\"fields\":["
        "{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"long\"},"
        "{\"id\":2,\"name\":\"amount\",\"required\":false,\"type\":\"double\"},"
        "{\"id\":3,\"name\":\"note\",\"required\":false,\"type\":\"string\"}]}";
    struct lake_ident ident = {"bench", name};
    struct lake_schema schema = {0};
    struct lake_property keep[] = {{"tarn.expire.max-snapshots", "1000000"},
                                   {"history.expire.max-snapshot-age-ms", "86400000"}};
    struct lake_table_options options = {.schema = &schema,
                                         .streaming = true,
                                         .properties = keep,
                                         .property_count = b->history ? COUNT_OF(keep) : 0};
    struct catalog_table made = {0};
    struct arena arena = {0};
    int rc = catalog_table_drop(b->catalog, &ident, false, NULL);

    rc = rc == ERR_NOENT ? 0 : rc;
    rc = rc ? rc : lake_schema_parse_text(SLICE_LIT(text), &arena, &schema, err);
    rc = rc ? rc : catalog_table_create(b->catalog, &ident, &options, false, &arena, &made, err);
    catalog_table_deinit(&made);
    arena_deinit(&arena);
    return rc;
}

static int lane_open(struct bench *b, struct lane *lane, int table)
{
    struct lake_ident ident = {"bench", lane->table};
    struct lake_writer_options options = {.lake = b->lake, .db = b->db};
    struct catalog_table found = {0};
    struct arena arena = {0};
    int rc;

    lane->bench = b;
    snprintf(lane->table, sizeof(lane->table), "t%d", table);
    rc = catalog_table_load(b->catalog, &ident, &arena, &found, &lane->err);
    options.metadata = found.metadata;
    rc = rc ? rc : lake_columns(lake_metadata_schema(found.metadata), &lane->columns, &lane->err);
    rc = rc ? rc : lake_writer_new(&lane->writer, &options, &lane->err);
    rc = rc ? rc : vec_conn_new(&lane->conn, b->db, &lane->err);
    catalog_table_deinit(&found);
    arena_deinit(&arena);
    return rc;
}

static void lane_close(struct lane *lane)
{
    lake_writer_free(lane->writer);
    vec_conn_free(lane->conn);
    vec_columns_free(&lane->columns);
}

/* ---- the cases ---- */

static double cpu_s(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* One after another on each table: a snapshot each. */
static int64_t fill(struct bench *b, const struct bench_case *bench, struct lane *lanes)
{
    int64_t count = b->history ? atoll(b->history) : 0;

    for (int i = 0; i < bench->tables; i++)
        for (int64_t k = 0; k < count && !lanes[i].rc; k++)
            lanes[i].rc = commit(&lanes[i]);
    return count * bench->tables;
}

/* Every row of every commit is there, once. */
static int check_count(struct bench *b, const struct bench_case *bench, int64_t commits,
                       int64_t *snapshots, struct err *err)
{
    int64_t found = 0;
    int rc = 0;

    *snapshots = 0;
    for (int i = 0; i < bench->tables && !rc; i++) {
        struct catalog_table table = {0};
        struct arena arena = {0};
        char name[32];
        struct lake_ident ident = {"bench", name};
        int64_t rows = 0;

        snprintf(name, sizeof(name), "t%d", i);
        rc = catalog_table_load(b->catalog, &ident, &arena, &table, err);
        if (!rc && lake_metadata_snapshot(table.metadata) &&
            slice_to_i64(
                slice_str(lake_summary(lake_metadata_snapshot(table.metadata), "total-records")),
                &rows))
            rc = err_set(err, ERR_INTERNAL, "no total of rows");
        if (!rc)
            *snapshots += table.metadata->last_sequence_number;
        found += rows;
        catalog_table_deinit(&table);
        arena_deinit(&arena);
    }
    if (!rc && found != commits * ROWS)
        rc = err_set(err, ERR_INTERNAL, "%" PRId64 " commits of %d rows made %" PRId64 " rows",
                     commits, ROWS, found);
    return rc;
}

static int run_case(struct bench *b, const struct bench_case *bench, double seconds,
                    struct err *err)
{
    static struct lane lanes[LANES_MAX];
    static struct hist all;
    pthread_t threads[LANES_MAX];
    double began, cpu;
    int64_t snapshots = 0, filled = 0;
    int rc = 0;

    memset(lanes, 0, sizeof(lanes));
    memset(&all, 0, sizeof(all));
    for (int i = 0; i < bench->tables && !rc; i++) {
        char name[32];

        snprintf(name, sizeof(name), "t%d", i);
        rc = make_table(b, name, err);
    }
    for (int i = 0; i < bench->lanes && !rc; i++)
        if ((rc = lane_open(b, &lanes[i], i % bench->tables)))
            *err = lanes[i].err;
    if (!rc)
        filled = fill(b, bench, lanes);
    began = (double)clock_mono_ns(clock_system()) / 1e9;
    b->until_ns = (int64_t)((began + seconds) * 1e9);
    cpu = cpu_s();
    for (int i = 0; i < bench->lanes && !rc; i++)
        if (pthread_create(&threads[i], NULL, lane_run, &lanes[i]))
            abort();
    for (int i = 0; i < bench->lanes && !rc; i++)
        pthread_join(threads[i], NULL);
    seconds = (double)clock_mono_ns(clock_system()) / 1e9 - began;
    cpu = cpu_s() - cpu;
    for (int i = 0; i < bench->lanes; i++) {
        hist_merge(&all, &lanes[i].hist);
        if (!rc && (rc = lanes[i].rc))
            *err = lanes[i].err;
        lane_close(&lanes[i]);
    }
    if (!rc)
        rc = check_count(b, bench, (int64_t)all.count + filled, &snapshots, err);
    if (!rc)
        printf(
            "%-42s %8.0f/s   p50 %7.2f ms   p99 %7.2f ms   CPU %5.2f ms each   %5.1f a snapshot\n",
            bench->name, (double)all.count / seconds, (double)hist_percentile(&all, 50) / 1e6,
            (double)hist_percentile(&all, 99) / 1e6, cpu * 1e3 / (double)all.count,
            (double)all.count / (double)(snapshots - filled));
    fflush(stdout);
    return rc;
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 5;
    struct bench bench = {.history = getenv("BENCH_HISTORY")};
    struct err err = {0};
    int rc = open_all(&bench, &err);

    for (size_t i = 0; i < COUNT_OF(cases) && !rc; i++)
        if (argc < 3 || strstr(cases[i].name, argv[2]))
            rc = run_case(&bench, &cases[i], seconds, &err);
    if (rc)
        fprintf(stderr, "commit_bench: %s\n", err.text);
    close_all(&bench);
    return rc != 0;
}
