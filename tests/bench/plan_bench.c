/* plan_bench.c - planning over a table of many data files that were never written.
 *
 *     plan_bench FOLDER [FILES]
 *
 * FOLDER becomes a local store with bucket "warehouse" and a table s3://warehouse/plan/t of FILES
 * (100000) entries in manifests of 1000, partitioned by day, with metrics of ten columns. Prints
 * what a plan takes: cold (a new process's cache), warm, with conditions, and what stays in memory.
 * The table's metadata file is named last, for engines that plan the same table.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lake/lake.h"

#define PER_MANIFEST 1000
#define COLUMNS      10

static struct err err;

static void die(const char *what)
{
    fprintf(stderr, "plan_bench: %s: %s\n", what, err.text);
    exit(1);
}

static double now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static long resident_kb(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    if (!file || fscanf(file, "%*d %ld", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static struct lake_metadata *make_table(struct arena *arena)
{
    static const char schema_head[] =
        "{\"type\":\"struct\",\"fields\":[{\"id\":1,\"name\":\"day\",\"type\":\"date\","
        "\"required\":false}";
    struct buf text = {0};
    struct lake_schema schema;
    struct lake_partition_field field = {
        .source_id = 1, .field_id = 1000, .name = "day", .transform = {.kind = LAKE_IDENTITY}};
    struct lake_partition_spec spec = {.fields = &field, .field_count = 1};
    struct lake_table_options options = {.location = "s3://warehouse/plan/t",
                                         .schema = &schema,
                                         .spec = &spec,
                                         .now_ms = 1700000000000};
    struct lake_metadata *m;

    if (buf_append_str(&text, schema_head))
        die("schema");
    for (int i = 2; i <= COLUMNS; i++)
        if (buf_printf(&text, ",{\"id\":%d,\"name\":\"c%d\",\"type\":\"%s\",\"required\":false}", i,
                       i, i % 2 ? "long" : "string"))
            die("schema");
    if (buf_append_str(&text, "]}") ||
        lake_schema_parse_text(buf_slice(&text), arena, &schema, &err) ||
        lake_metadata_new(&m, &options, &err))
        die("table");
    buf_deinit(&text);
    return m;
}

/* File n: its day, and columns whose values grow with n. */
static void make_file(size_t n, struct arena *arena, struct lake_data_file *out)
{
    struct lake_type number = {.kind = LAKE_LONG}, text = {.kind = LAKE_STRING},
                     date = {.kind = LAKE_DATE};

    *out = (struct lake_data_file){.format = "PARQUET",
                                   .record_count = 1000,
                                   .file_bytes = 1 << 20,
                                   .partition_count = 1,
                                   .metric_count = COLUMNS,
                                   .sort_order_id = -1,
                                   .first_row_id = -1,
                                   .content_pos = -1,
                                   .content_bytes = -1};
    out->path = arena_printf(arena,
                             "s3://warehouse/plan/t/data/day=%zu/00000-0-%08zx-6b1c-4b7e-9d51-"
                             "0242ac120002.parquet",
                             n / 100, n);
    out->partition = ARENA_ARRAY(arena, struct lake_value, 1);
    out->metrics = ARENA_ARRAY(arena, struct lake_metric, COLUMNS);
    out->partition[0].i = (int64_t)(n / 100);
    for (int i = 0; i < COLUMNS; i++) {
        const struct lake_type *type = i == 0 ? &date : i % 2 ? &text : &number;
        struct lake_value low = {.i = (int64_t)(i ? n * 1000 : n / 100)}, high = low;
        char bytes[2][40];

        high.i += i ? 999 : 0;
        snprintf(bytes[0], 40, "value-%010zu", n);
        snprintf(bytes[1], 40, "value-%010zu", n + 1);
        if (i % 2) {
            low.bytes = slice_str(bytes[0]);
            high.bytes = slice_str(bytes[1]);
        }
        out->metrics[i] = (struct lake_metric){i + 1, 8000, 1000, 0, -1, {0}, {0}};
        if (lake_value_encode(type, &low, arena, &out->metrics[i].lower) ||
            lake_value_encode(type, &high, arena, &out->metrics[i].upper))
            die("bounds");
    }
}

static struct lake_metadata *fill(struct lake *lake, struct lake_metadata *m, size_t files,
                                  char location[300])
{
    struct arena arena = {0};
    const char *at;

    if (lake_metadata_store(lake, m, NULL, NULL, &arena, &at, NULL, NULL, &err))
        die("metadata");
    snprintf(location, 300, "%s", at);
    for (size_t n = 0; n < files; n += PER_MANIFEST) {
        struct lake_data_file *list = ARENA_ARRAY(&arena, struct lake_data_file, PER_MANIFEST);
        struct lake_change change = {.added = list};
        struct lake_staged *staged = NULL;

        for (; change.added_count < PER_MANIFEST && n + change.added_count < files;
             change.added_count++)
            make_file(n + change.added_count, &arena, &list[change.added_count]);
        if (lake_stage(lake, &(struct lake_ident){"plan", "t"}, m, location, &change, &staged,
                       &err))
            die("commit");
        snprintf(location, 300, "%s", lake_staged_swap(staged)->new_location);
        lake_metadata_free(m);
        m = lake_metadata_ref(lake_staged_metadata(staged));
        lake_staged_settle(staged);
        arena_reset(&arena);
    }
    arena_deinit(&arena);
    return m;
}

static void plan(struct lake *lake, const struct lake_metadata *m, const char *what, int rounds,
                 const struct lake_predicate *predicates, size_t count)
{
    double least = 1e9, sum = 0;
    size_t found = 0, pruned = 0;

    for (int i = 0; i < rounds; i++) {
        struct arena arena = {0};
        struct lake_plan plan;
        double began = now_ms(), took;

        if (lake_plan_borrowed(lake, m, -1, NULL, predicates, count, &arena, &plan, &err))
            die("plan");
        took = now_ms() - began;
        least = took < least ? took : least;
        sum += took;
        found = plan.file_count;
        pruned = plan.files_pruned;
        lake_plan_release(lake, &plan);
        arena_deinit(&arena);
    }
    printf("%-34s %8.1f ms (mean of %d: %.1f)  %zu files, %zu pruned, %ld MB resident\n", what,
           least, rounds, sum / rounds, found, pruned, resident_kb() / 1024);
}

int main(int argc, char **argv)
{
    size_t files = argc > 2 ? (size_t)atol(argv[2]) : 100000;
    struct store_local_options options = {argc > 1 ? argv[1] : "", disk_system(), clock_system()};
    struct lake_value day = {.i = 500}, number = {.i = 500 * 1000 * 100};
    struct lake_predicate by_day = {1, LAKE_OP_EQ, &day, 1},
                          by_number = {3, LAKE_OP_EQ, &number, 1};
    struct arena arena = {0};
    struct store *store;
    struct lake *lake;
    struct lake_metadata *m;
    char location[300];
    double began;

    if (argc < 2) {
        fprintf(stderr, "usage: plan_bench FOLDER [FILES]\n");
        return 2;
    }
    if (store_local_new(&store, &options, &err))
        die("store");
    store->ops->bucket_make(store, "warehouse", NULL);
    if (lake_new(&lake, &(struct lake_options){.store = store, .clock = options.clock}, &err))
        die("lake");
    began = now_ms();
    m = fill(lake, make_table(&arena), files, location);
    printf("%zu files in %zu commits: %.0f ms\n", files, (files + PER_MANIFEST - 1) / PER_MANIFEST,
           now_ms() - began);
    lake_free(lake);
    if (lake_new(&lake, &(struct lake_options){.store = store, .clock = options.clock}, &err))
        die("lake");
    plan(lake, m, "all files, cold", 1, NULL, 0);
    plan(lake, m, "all files, warm", 10, NULL, 0);
    plan(lake, m, "one day of 1000, warm", 10, &by_day, 1);
    plan(lake, m, "one value of a column, warm", 10, &by_number, 1);
    lake_free(lake);
    if (lake_new(&lake, &(struct lake_options){.store = store, .clock = options.clock}, &err))
        die("lake");
    plan(lake, m, "one day of 1000, cold", 1, &by_day, 1);
    plan(lake, m, "one value of a column, cold", 1, &by_number, 1);
    printf("%s\n", location);
    lake_metadata_free(m);
    lake_free(lake);
    store_free(store);
    arena_deinit(&arena);
    return 0;
}
