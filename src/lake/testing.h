/* testing.h - a table in a store on a simulated disk, for this room's tests. */
#ifndef LAKE_TESTING_H
#define LAKE_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/disk_sim.h"
#include "lake/lake_int.h"

struct bench {
    struct disk_sim *sim;
    struct clock_fake clock;
    struct store *store;
    struct lake *lake;
    struct lake_catalog catalog; /* one table, swapped in memory */
    char location[300];
    int swaps, conflicts_wanted;
    struct err err;
};

static inline int bench_load(struct lake_catalog *catalog, const struct lake_ident *ident,
                             struct arena *arena, const char **location, struct err *err)
{
    struct bench *b = (struct bench *)((char *)catalog - offsetof(struct bench, catalog));

    (void)ident;
    *location = arena_strdup(arena, b->location);
    return *location ? 0 : err_set(err, ERR_NOMEM, "load");
}

static inline int bench_swap(struct lake_catalog *catalog, const struct lake_swap *swaps,
                             size_t count, struct err *err)
{
    struct bench *b = (struct bench *)((char *)catalog - offsetof(struct bench, catalog));

    assert_int_equal(count, 1);
    if (b->conflicts_wanted > 0 || strcmp(swaps[0].base_location, b->location) != 0) {
        b->conflicts_wanted--;
        return err_set(err, ERR_CONFLICT, "moved on");
    }
    snprintf(b->location, sizeof(b->location), "%s", swaps[0].new_location);
    b->swaps++;
    return 0;
}

static const struct lake_catalog_ops bench_ops = {.load = bench_load, .swap = bench_swap};

static inline void bench_reopen(struct bench *b)
{
    struct store_local_options options = {"/data", disk_sim_disk(b->sim), &b->clock.clock};

    assert_int_equal(store_local_new(&b->store, &options, &b->err), 0);
    assert_int_equal(lake_new(&b->lake,
                              &(struct lake_options){b->store, &b->clock.clock, 0}, &b->err),
                     0);
}

static inline void bench_init(struct bench *b)
{
    memset(b, 0, sizeof(*b));
    clock_fake_init(&b->clock, 1700000000000000);
    assert_int_equal(disk_sim_new(&b->sim, 1, &b->err), 0);
    bench_reopen(b);
    assert_int_equal(b->store->ops->bucket_make(b->store, "w", &b->err), 0);
    b->catalog = (struct lake_catalog){&bench_ops, false};
}

static inline void bench_deinit(struct bench *b)
{
    lake_free(b->lake);
    store_free(b->store);
    disk_sim_free(b->sim);
}

/* A table (id long required, name string), partitioned by spec_json when given. */
static inline void bench_table(struct bench *b, const char *spec_json, bool streaming)
{
    static const char schema_json[] =
        "{\"type\":\"struct\",\"schema-id\":0,\"fields\":["
        "{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"long\"},"
        "{\"id\":2,\"name\":\"name\",\"required\":false,\"type\":\"string\"}]}";
    struct arena arena = {0};
    struct lake_schema schema;
    struct lake_partition_spec spec = {0};
    struct lake_metadata *m;
    const char *location;
    struct lake_table_options options = {.location = "s3://w/t", .schema = &schema,
                                         .streaming = streaming, .now_ms = 1700000000000};

    assert_int_equal(lake_schema_parse_text(SLICE_LIT(schema_json), &arena, &schema, &b->err), 0);
    if (spec_json) {
        json_t *json = json_loads(spec_json, 0, NULL);

        assert_int_equal(lake_spec_parse(json, &arena, &spec, &b->err), 0);
        options.spec = &spec;
        json_decref(json);
    }
    if (lake_metadata_new(&m, &options, &b->err))
        fail_msg("%s", b->err.text);
    if (lake_metadata_store(b->lake, m, NULL, NULL, &arena, &location, NULL, NULL, &b->err))
        fail_msg("%s", b->err.text);
    snprintf(b->location, sizeof(b->location), "%s", location);
    lake_metadata_free(m);
    arena_deinit(&arena);
}

static inline struct lake_metadata *bench_metadata(struct bench *b)
{
    struct lake_metadata *m;

    if (lake_metadata_load(b->lake, b->location, &m, &b->err))
        fail_msg("%s", b->err.text);
    return m;
}

/* A data file that exists in the store, of as many bytes as it claims (they are zeros). */
static inline int put_file(struct bench *b, struct arena *arena, const char *name, int64_t rows,
                           int64_t bytes, struct lake_data_file *out)
{
    static const uint8_t zeros[4096];

    *out = (struct lake_data_file){.format = "PARQUET", .record_count = rows, .file_bytes = bytes,
                                   .sort_order_id = -1, .first_row_id = -1, .content_pos = -1,
                                   .content_bytes = -1};
    out->path = arena_printf(arena, "s3://w/t/data/%s", name);
    out->metrics = ARENA_ARRAY(arena, struct lake_metric, 1);
    out->metric_count = 1;
    out->metrics[0] = (struct lake_metric){1, bytes / 2, rows, 0, -1, SLICE_LIT("\1\0\0\0\0\0\0\0"),
                                           SLICE_LIT("\2\0\0\0\0\0\0\0")};
    return store_put_at(b->store, out->path, slice_of(zeros, (size_t)(bytes > 4096 ? 4096 : bytes)),
                        &b->err);
}

static inline struct lake_data_file bench_file(struct bench *b, struct arena *arena,
                                               const char *name, int64_t rows, int64_t bytes)
{
    struct lake_data_file file;

    if (put_file(b, arena, name, rows, bytes, &file))
        fail_msg("%s", b->err.text);
    return file;
}

#endif
