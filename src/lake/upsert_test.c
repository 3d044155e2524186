/* Goal: a table written by key holds the last row of each key, whatever else happens to it. Method:
 * random changes against a model, among foreign appends and deletes, compactions, rollbacks,
 * refused commits and processes that start anew. */
#include "lake/testing_table.h"
#include "lake/upsert_int.h"

#define KEYS 200

struct row {
    bool there;
    int64_t n;
};
struct world {
    struct real real;
    struct lake_upsert *upsert;
    struct rng rng;
    struct row rows[KEYS];
    int64_t next_n;
    struct arena merge_arena; /* of a merge that waits for a commit to ride in */
    struct lake_rewrite *rewrites;
    size_t rewrite_count;
    size_t merges_kept; /* of those that met deletes they had not read */
};

static void open_upsert(struct world *w)
{
    struct real *r = &w->real;

    OK(lake_upsert_new(
        &w->upsert, &(struct lake_upsert_options){.lake = r->lake, .db = r->db, .metadata = r->m},
        &r->err));
}

static void world_init(struct world *w, uint64_t seed, const char *key, const char *spec,
                       int format)
{
    static const char schema[] =
        "{\"type\":\"struct\",\"schema-id\":0,\"identifier-field-ids\":[%s],\"fields\":["
        "{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"long\"},"
        "{\"id\":2,\"name\":\"name\",\"required\":true,\"type\":\"string\"},"
        "{\"id\":3,\"name\":\"n\",\"required\":false,\"type\":\"long\"}]}";
    char text[1000];

    memset(w, 0, sizeof(*w));
    real_init(&w->real);
    rng_init(&w->rng, seed);
    snprintf(text, sizeof(text), schema, key);
    create(&w->real, text, spec);
    {
        struct real *r = &w->real;
        json_t *updates = json_pack("[{s:s, s:{s:s}}]", "action", "set-properties", "updates",
                                    "tarn.merge.fan-in", "3");
        struct lake_metadata *next;

        OK(lake_metadata_apply(r->m, NULL, updates, r->m->last_updated_ms + 1, &next, &r->err));
        json_decref(updates);
        lake_metadata_free(r->m);
        r->m = next;
    }
    if (format == 3) {
        struct real *r = &w->real;
        json_t *updates =
            json_pack("[{s:s, s:i}]", "action", "upgrade-format-version", "format-version", 3);
        struct lake_metadata *next;

        OK(lake_metadata_apply(r->m, NULL, updates, r->m->last_updated_ms + 1, &next, &r->err));
        json_decref(updates);
        lake_metadata_free(r->m);
        r->m = next;
    }
    open_upsert(w);
}

static void world_deinit(struct world *w)
{
    lake_upsert_free(w->upsert);
    arena_deinit(&w->merge_arena);
    real_deinit(&w->real);
}

/* Drains the rows of a query; the cut and its files. */
static struct lake_upsert_cut *drain(struct world *w, const char *sql, struct arena *arena,
                                     struct lake_data_file **files, size_t *count)
{
    struct real *r = &w->real;
    struct vec_columns columns = {0};
    struct batch_feed from = {0};
    struct vec_feed feed = {&columns, pull_batch, &from};
    struct lake_upsert_cut *cut;

    query_batch(r, sql, &from.batch, &columns);
    OK(lake_upsert_drain(w->upsert, r->m, &feed, arena, files, count, &cut, &r->err));
    vec_batch_deinit(&from.batch);
    vec_columns_free(&columns);
    return cut;
}

/* Rewrites that rode in a commit, kept or not, are over; their maps go to the index. */
static void end_merges(struct world *w, struct lake_row_map *maps, size_t *map_count, size_t kept)
{
    for (size_t i = 0; i < w->rewrite_count; i++)
        if (w->rewrites[i].map)
            maps[(*map_count)++] = *w->rewrites[i].map;
    w->merges_kept += kept;
    w->rewrite_count = 0;
}

/* One epoch: drained, staged (on a base that moves under it at times), refused at times, then true.
 */
static void epoch(struct world *w, const char *sql)
{
    struct real *r = &w->real;
    struct lake_ident ident = {"ns", "t"};
    struct lake_change change = {
        .db = r->db, .rewrites = w->rewrites, .rewrite_count = w->rewrite_count};
    struct lake_row_map maps[16];
    size_t map_count = 0;
    struct lake_staged *staged = NULL;
    struct lake_upsert_cut *cut;
    struct lake_data_file *files;
    struct arena arena = {0};
    struct lake_row_delete *deletes;

    cut = drain(w, sql, &arena, &files, &change.added_count);
    if (!cut) {
        arena_deinit(&arena);
        return;
    }
    change.added = files;
    change.allow_empty = !change.added_count;
    for (int attempt = 0; attempt < 1 + (int)rng_below(&w->rng, 3); attempt++) {
        OK(lake_upsert_stage(w->upsert, cut, r->m, &arena, &deletes, &change.row_delete_count,
                             &r->err));
        change.row_deletes = deletes;
        OK(lake_stage(r->lake, &ident, r->m, r->location, &change, &staged, &r->err));
    }
    snprintf(r->location, sizeof(r->location), "%s", lake_staged_swap(staged)->new_location);
    lake_metadata_free(r->m);
    r->m = lake_metadata_ref(lake_staged_metadata(staged));
    end_merges(w, maps, &map_count, lake_staged_rewrites_kept(staged));
    if (rng_below(&w->rng, 10) > 0) /* else the answer was lost: the index hears nothing */
        lake_upsert_committed(w->upsert, cut, files, change.added_count,
                              lake_staged_snapshot_id(staged), r->m, maps, map_count);
    lake_staged_settle(staged);
    lake_upsert_cut_free(cut);
    arena_deinit(&arena);
}

/* Random changes, the table's and the model's. */
static void upsert(struct world *w)
{
    struct buf sql = {0};
    int count = 1 + (int)rng_below(&w->rng, 150);

    buf_printf(&sql, "SELECT id::BIGINT AS id, ('k' || id)::VARCHAR AS name, n::BIGINT AS n, "
                     "k::UTINYINT AS \"$row_kind\" FROM (VALUES ");
    for (int i = 0; i < count; i++) {
        int key = (int)rng_below(&w->rng, rng_below(&w->rng, 2) ? KEYS : 10);
        int kind = (int)rng_below(&w->rng, 4);

        buf_printf(&sql, "%s(%d, %d, %d)", i ? ", " : "", key, (int)w->next_n, kind);
        if (kind == 0 || kind == 2)
            w->rows[key] = (struct row){true, w->next_n};
        else if (kind == 3)
            w->rows[key].there = false;
        w->next_n++;
    }
    buf_printf(&sql, ") t(id, n, k)");
    epoch(w, buf_cstr(&sql));
    buf_deinit(&sql);
}

/* Rows of keys that are not there, by a writer that knows nothing of keys. */
static void foreign(struct world *w)
{
    struct buf sql = {0};
    int count = 0;

    buf_printf(&sql, "SELECT id::BIGINT AS id, ('k' || id)::VARCHAR AS name, n::BIGINT AS n FROM "
                     "(VALUES ");
    for (int key = 0; key < KEYS && count < 20; key++)
        if (!w->rows[key].there && rng_below(&w->rng, 3) == 0) {
            buf_printf(&sql, "%s(%d, %d)", count++ ? ", " : "", key, (int)w->next_n);
            w->rows[key] = (struct row){true, w->next_n++};
        }
    buf_printf(&sql, ") t(id, n)");
    if (count)
        insert(&w->real, buf_cstr(&sql), 4);
    buf_deinit(&sql);
}

/* Merges that ride in the next epoch's commit, as those of a sink do: by then rows of theirs are
 * gone. Or that are committed at once, as by the maintenance of somebody else. */
static void merge(struct world *w)
{
    struct real *r = &w->real;
    struct lake_rewriter rewriter = lake_rewriter_duckdb(r->db);
    struct lake_change change = {.db = r->db};

    if (w->rewrite_count)
        return;
    arena_reset(&w->merge_arena);
    OK(lake_maintain_run(r->lake, r->m, &rewriter, &w->merge_arena, &w->rewrites, &w->rewrite_count,
                         &r->err));
    if (!w->rewrite_count || rng_below(&w->rng, 3))
        return;
    change.rewrites = w->rewrites;
    change.rewrite_count = w->rewrite_count;
    commit(r, &change);
    w->rewrite_count = 0;
}

static void start_anew(struct world *w)
{
    lake_upsert_free(w->upsert);
    open_upsert(w);
}

/* Another default partition spec. Merges then move what lies in the old one's partitions. */
static void evolve(struct world *w)
{
    static const char *const transforms[] = {"bucket[2]", "bucket[5]", "truncate[50]", "void"};
    struct real *r = &w->real;
    char name[12];
    struct lake_metadata *next;
    json_t *updates;

    snprintf(name, sizeof(name), "p%d", (int)r->m->last_partition_id);
    updates = json_pack("[{s:s, s:{s:i, s:[{s:i, s:s, s:s}]}}, {s:s, s:i}]", "action", "add-spec",
                        "spec", "spec-id", -1, "fields", "source-id", 1, "name", name, "transform",
                        transforms[rng_below(&w->rng, COUNT_OF(transforms))], "action",
                        "set-default-spec", "spec-id", -1);
    OK(lake_metadata_apply(r->m, NULL, updates, r->m->last_updated_ms + 1, &next, &r->err));
    json_decref(updates);
    lake_metadata_free(r->m);
    r->m = next;
}

/* Another default sort order: from now on commits are written in it. */
static void reorder(struct world *w)
{
    struct real *r = &w->real;
    struct lake_metadata *next;
    json_t *updates = json_pack(
        "[{s:s, s:{s:i, s:[{s:s, s:i, s:s, s:s}]}}, {s:s, s:i}]", "action", "add-sort-order",
        "sort-order", "order-id", 1, "fields", "transform", "identity", "source-id",
        1 + (int)rng_below(&w->rng, 3), "direction", rng_below(&w->rng, 2) ? "desc" : "asc",
        "null-order", "nulls-last", "action", "set-default-sort-order", "sort-order-id", -1);

    OK(lake_metadata_apply(r->m, NULL, updates, r->m->last_updated_ms + 1, &next, &r->err));
    json_decref(updates);
    lake_metadata_free(r->m);
    r->m = next;
}

static void check(struct world *w)
{
    struct buf want = {0};
    const char *got;

    for (int key = 0; key < KEYS; key++)
        if (w->rows[key].there)
            buf_printf(&want, "%s%d=%" PRId64, want.len ? "," : "", key, w->rows[key].n);
    got = answer(&w->real, "(SELECT string_agg(id || '=' || n, ',' ORDER BY id) FROM t)", NULL, 0,
                 NULL);
    assert_string_equal(got, want.len ? buf_cstr(&want) : "NULL");
    buf_deinit(&want);
}

static void at_most_one_delete_per_file(struct world *w)
{
    struct real *r = &w->real;
    struct arena arena = {0};
    struct lake_plan plan;

    OK(lake_plan(r->lake, r->m, -1, NULL, NULL, 0, &arena, &plan, &r->err));
    for (size_t i = 0; i < plan.file_count; i++)
        assert_true(plan.files[i].delete_count <= 1);
    assert_true(plan.delete_count <= plan.file_count);
    arena_deinit(&arena);
}

typedef void act_fn(struct world *);

static size_t run_acts(uint64_t seed, const char *key, const char *spec, int format,
                       act_fn *const *acts, size_t act_count)
{
    struct world w;
    size_t kept;

    world_init(&w, seed, key, spec, format);
    for (int step = 0; step < 30; step++) {
        acts[rng_below(&w.rng, act_count)](&w);
        check(&w);
        at_most_one_delete_per_file(&w);
    }
    kept = w.merges_kept;
    world_deinit(&w);
    return kept;
}

static size_t run_random(uint64_t seed, const char *key, const char *spec, int format)
{
    static act_fn *const acts[] = {upsert,  upsert, upsert, upsert,
                                   foreign, merge,  merge,  start_anew};

    return run_acts(seed, key, spec, format, acts, COUNT_OF(acts));
}

#define BUCKETS                                                                                    \
    "{\"spec-id\":0,\"fields\":[{\"source-id\":1,\"field-id\":1000,\"name\":\"b\","                \
    "\"transform\":\"bucket[4]\"}]}"

static void holds_the_last_row_of_each_key(void **state)
{
    size_t kept = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 2; seed++)
        kept += run_random(seed, "1", NULL, 2);
    assert_true(kept > 1); /* nearly each epoch takes rows from every file */
}

static void holds_it_in_buckets(void **state)
{
    (void)state;
    run_random(11, "1", BUCKETS, 2);
}

static void holds_it_while_partitions_change(void **state)
{
    static act_fn *const acts[] = {upsert, upsert, upsert, foreign, merge, merge, evolve};
    size_t kept = 0;

    (void)state;
    for (uint64_t seed = 61; seed <= 64; seed++)
        kept +=
            run_acts(seed, "1", seed & 1 ? BUCKETS : NULL, 2 + (seed > 62), acts, COUNT_OF(acts));
    assert_true(kept > 1);
}

static void holds_it_in_a_sort_order(void **state)
{
    static act_fn *const acts[] = {upsert, upsert, upsert, foreign, merge, merge, reorder};

    (void)state;
    for (uint64_t seed = 71; seed <= 72; seed++)
        run_acts(seed, "1", seed & 1 ? BUCKETS : NULL, 2, acts, COUNT_OF(acts));
}

static void holds_it_with_deletion_vectors(void **state)
{
    (void)state;
    run_random(21, "1", NULL, 3);
}

static void holds_it_for_several_columns(void **state)
{
    (void)state;
    run_random(31, "2, 1", NULL, 2);
}

/* Rows that had been replaced are live again: the index must not think that it knows them. */
static void follows_a_rollback(void **state)
{
    struct world w;
    struct real *r = &w.real;
    struct row before[KEYS];
    int64_t snapshot_id;
    json_t *updates;
    struct lake_metadata *next;

    (void)state;
    world_init(&w, 41, "1", NULL, 2);
    upsert(&w);
    upsert(&w);
    memcpy(before, w.rows, sizeof(before));
    snapshot_id = r->m->current_snapshot_id;
    upsert(&w);
    upsert(&w);
    updates = json_pack("[{s:s, s:s, s:s, s:I}]", "action", "set-snapshot-ref", "ref-name", "main",
                        "type", "branch", "snapshot-id", (json_int_t)snapshot_id);
    OK(lake_metadata_apply(r->m, NULL, updates, r->m->last_updated_ms + 1, &next, &r->err));
    json_decref(updates);
    lake_metadata_free(r->m);
    r->m = next;
    memcpy(w.rows, before, sizeof(before));
    check(&w);
    for (int i = 0; i < 5; i++) {
        upsert(&w);
        check(&w);
    }
    world_deinit(&w);
}

/* The same rows of a key several times, as only a foreign writer makes them. */
static void replaces_every_row_of_a_key(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, 51, "1", NULL, 2);
    insert(&w.real, "SELECT 5::BIGINT AS id, 'a' AS name, i AS n FROM range(10) t(i)", 4);
    insert(&w.real, "SELECT 5::BIGINT AS id, 'a' AS name, i AS n FROM range(10) t(i)", 4);
    epoch(&w, "SELECT 5::BIGINT AS id, 'b' AS name, 77::BIGINT AS n");
    w.rows[5] = (struct row){true, 77};
    check(&w);
    world_deinit(&w);
}

static void refuses_what_is_no_key(void **state)
{
    static const char *const schemas[] = {
        "{\"type\":\"struct\",\"schema-id\":0,\"fields\":["
        "{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"long\"}]}",
        "{\"type\":\"struct\",\"schema-id\":0,\"identifier-field-ids\":[2],\"fields\":["
        "{\"id\":1,\"name\":\"s\",\"required\":true,\"type\":{\"type\":\"struct\",\"fields\":["
        "{\"id\":2,\"name\":\"id\",\"required\":true,\"type\":\"long\"}]}}]}",
    };
    static const int codes[] = {ERR_INVALID, ERR_UNSUPPORTED};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(schemas); i++) {
        struct lake_upsert *upserts = NULL;
        struct real real, *r = &real;

        real_init(r);
        create(r, schemas[i], NULL);
        assert_int_equal(lake_upsert_new(&upserts,
                                         &(struct lake_upsert_options){
                                             .lake = r->lake, .db = r->db, .metadata = r->m},
                                         &r->err),
                         codes[i]);
        real_deinit(r);
    }
}

static void a_null_in_the_key_is_refused(void **state)
{
    struct world w;
    struct vec_columns columns = {0};
    struct batch_feed from = {0};
    struct vec_feed feed = {&columns, pull_batch, &from};
    struct lake_upsert_cut *cut = NULL;
    struct lake_data_file *files;
    struct arena arena = {0};
    size_t count;

    (void)state;
    world_init(&w, 1, "1", NULL, 2);
    query_batch(&w.real, "SELECT NULL::BIGINT AS id, 'a' AS name, 1::BIGINT AS n", &from.batch,
                &columns);
    assert_int_equal(
        lake_upsert_drain(w.upsert, w.real.m, &feed, &arena, &files, &count, &cut, &w.real.err),
        ERR_INVALID);
    assert_null(cut);
    vec_batch_deinit(&from.batch);
    vec_columns_free(&columns);
    arena_deinit(&arena);
    world_deinit(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replaces_every_row_of_a_key),
        cmocka_unit_test(holds_the_last_row_of_each_key),
        cmocka_unit_test(holds_it_in_buckets),
        cmocka_unit_test(holds_it_in_a_sort_order),
        cmocka_unit_test(holds_it_while_partitions_change),
        cmocka_unit_test(holds_it_with_deletion_vectors),
        cmocka_unit_test(holds_it_for_several_columns),
        cmocka_unit_test(follows_a_rollback),
        cmocka_unit_test(refuses_what_is_no_key),
        cmocka_unit_test(a_null_in_the_key_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
