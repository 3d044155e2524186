/* delete_power_test.c - a commit that deletes rows, on a disk that fails or loses power. */
#include "lake/delete_int.h"
#include "lake/testing.h"

#define ROWS 10 /* of each of two files */

struct trouble {
    struct bench *b;
    int64_t left; /* calls until it strikes; -1: never */
    bool power, struck;
};

static int strike(void *arg, enum disk_call call, const char *path)
{
    struct trouble *t = arg;

    (void)call;
    (void)path;
    if (t->left < 0 || t->left-- > 0)
        return 0;
    t->struck = true;
    if (t->power)
        disk_sim_power_loss(t->b->sim);
    return ERR_IO;
}

static void make_table(struct bench *b)
{
    struct arena arena = {0};
    struct lake_data_file files[2];
    struct lake_ident ident = {"ns", "t"};
    struct lake_change change = {.added = files, .added_count = 2};
    struct lake_metadata *old, *v3;
    const char *location;
    json_t *updates =
        json_pack("[{s:s, s:i}]", "action", "upgrade-format-version", "format-version", 3);

    bench_init(b);
    bench_table(b, NULL, false);
    old = bench_metadata(b);
    if (lake_metadata_apply(old, NULL, updates, old->last_updated_ms + 1, &v3, &b->err) ||
        lake_metadata_store(b->lake, v3, old, b->location, &arena, &location, NULL, NULL, &b->err))
        fail_msg("%s", b->err.text);
    snprintf(b->location, sizeof(b->location), "%s", location);
    files[0] = bench_file(b, &arena, "a", ROWS, 100);
    files[1] = bench_file(b, &arena, "b", ROWS, 100);
    if (lake_commit_wait(b->lake, &b->catalog, &ident, &change, NULL, &b->err))
        fail_msg("%s", b->err.text);
    json_decref(updates);
    lake_metadata_free(old);
    lake_metadata_free(v3);
    arena_deinit(&arena);
}

/* Row `n` of both files. */
static int delete_row(struct bench *b, int64_t n)
{
    struct lake_row_delete deletes[] = {{"s3://w/t/data/a", -1, -1, -1, &n, 1},
                                        {"s3://w/t/data/b", -1, -1, -1, &n, 1}};
    struct lake_change change = {.row_deletes = deletes, .row_delete_count = 2, .maintain = true};
    struct lake_ident ident = {"ns", "t"};

    return lake_commit_wait(b->lake, &b->catalog, &ident, &change, NULL, &b->err);
}

/* Every live vector can be read; how many rows they delete. */
static int64_t deleted_rows(struct bench *b)
{
    struct lake_metadata *m = bench_metadata(b);
    struct lake_manifest_list *list;
    struct arena arena = {0};
    int64_t rows = 0;
    size_t vectors = 0;

    if (lake_manifest_list_load(b->lake, m, lake_metadata_snapshot(m), &list, &b->err))
        fail_msg("%s", b->err.text);
    for (size_t i = 0; i < list->file_count; i++) {
        struct lake_manifest *manifest;

        if (list->files[i].content != 1)
            continue;
        if (lake_manifest_load(b->lake, m, &list->files[i], &manifest, &b->err))
            fail_msg("%s", b->err.text);
        for (size_t k = 0; k < manifest->entry_count; k++) {
            const struct lake_data_file *d = &manifest->entries[k].file;
            struct positions positions;

            if (manifest->entries[k].status == LAKE_DELETED)
                continue;
            if (delete_file_read(b->lake, NULL, d, d->referenced_data_file, &arena, &positions,
                                 &b->err))
                fail_msg("%s", b->err.text);
            assert_int_equal(positions.count, d->record_count);
            rows += (int64_t)positions.count;
            vectors++;
        }
        lake_manifest_free(manifest);
    }
    assert_true(vectors <= 2); /* one per data file, whatever went wrong in between */
    lake_manifest_list_free(list);
    lake_metadata_free(m);
    arena_deinit(&arena);
    return rows;
}

static void strike_everywhere(bool power)
{
    bool struck = true;

    for (int64_t n = 0; struck; n++) {
        struct trouble t = {.left = -1, .power = power};
        struct bench b;
        int committed = 1;

        make_table(&b);
        assert_int_equal(delete_row(&b, 0), 0);
        t.b = &b;
        t.left = n;
        disk_sim_on_call(b.sim, strike, &t);
        committed += delete_row(&b, 1) == 0;
        struck = t.struck;
        disk_sim_on_call(b.sim, NULL, NULL);
        if (power) {
            lake_free(b.lake);
            store_free(b.store);
            disk_sim_power_loss(b.sim);
            disk_sim_reboot(b.sim);
            bench_reopen(&b);
        }
        assert_int_equal(deleted_rows(&b), committed * 2);
        assert_int_equal(delete_row(&b, 2), 0); /* and it goes on */
        assert_int_equal(deleted_rows(&b), committed * 2 + 2);
        bench_deinit(&b);
    }
}

static void any_disk_call_may_fail(void **state)
{
    (void)state;
    strike_everywhere(false);
}

static void the_power_may_go_at_any_disk_call(void **state)
{
    (void)state;
    strike_everywhere(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_disk_call_may_fail),
        cmocka_unit_test(the_power_may_go_at_any_disk_call),
    };

    diag_set_level(DIAG_ERROR); /* what stays behind on a disk that fails is not news here */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
