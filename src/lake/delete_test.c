/* delete_test.c - rows taken away: vectors and position delete files written, united, refused. */
#include <roaring/roaring.h>

#include "base/codec.h"
#include "lake/delete_int.h"
#include "lake/testing_table.h"

#define SCHEMA                                                                                     \
    "{\"type\":\"struct\",\"schema-id\":0,\"fields\":["                                            \
    "{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"long\"},"                              \
    "{\"id\":2,\"name\":\"name\",\"required\":false,\"type\":\"string\"}]}"
#define BY_NAME                                                                                    \
    "{\"spec-id\":0,\"fields\":[{\"source-id\":2,\"field-id\":1000,\"name\":\"name\","             \
    "\"transform\":\"identity\"}]}"

/* ---- vectors, byte by byte ---- */

static size_t some_positions(int kind, uint32_t seed, int64_t *list)
{
    size_t count = 0;

    for (int64_t i = 0; i < 300000; i++) {
        seed = seed * 1664525 + 1013904223;
        if (kind == 0         ? i % 977 == 0                            /* arrays */
            : kind == 1       ? i % 3 != 0                              /* bitmaps */
            : kind == 2       ? i < 70000 || (i > 200000 && i < 262144) /* runs */
            : kind == 3       ? seed >> 24 < 20                         /* at random */
            : (i / 65536) % 2 ? i % 7 == 0
                              : seed >> 31) /* each in its container */
            list[count++] = i + (kind == 3 && i > 150000 ? (int64_t)5 << 32 : 0);
    }
    return count;
}

/* Goal: the bytes are those that Java's library makes. Method: libroaring, made smallest by
 * run_optimize and written portably, is the same format by the same rules. */
static void vectors_are_byte_for_byte_what_roaring_writes(void **state)
{
    int64_t *list = calloc(300000, sizeof(*list));

    (void)state;
    for (int kind = 0; kind < 5; kind++) {
        struct positions p = {list, some_positions(kind, 7, list)};
        roaring_bitmap_t *low = roaring_bitmap_create(), *high = roaring_bitmap_create();
        struct buf blob = {0}, want = {0};
        struct arena arena = {0};
        struct err err = {0};
        size_t count;
        int64_t *back;

        for (size_t i = 0; i < p.count; i++)
            roaring_bitmap_add(list[i] >> 32 ? high : low, (uint32_t)list[i]);
        roaring_bitmap_run_optimize(low);
        roaring_bitmap_run_optimize(high);
        buf_append(&want, "\xd1\xd3\x39\x64", 4);
        buf_append(&want, kind == 3 ? "\2\0\0\0\0\0\0\0" : "\1\0\0\0\0\0\0\0", 8);
        for (int i = 0; i < (kind == 3 ? 2 : 1); i++) {
            buf_append(&want, i ? "\5\0\0\0" : "\0\0\0\0", 4);
            buf_reserve(&want, roaring_bitmap_portable_size_in_bytes(i ? high : low));
            want.len +=
                roaring_bitmap_portable_serialize(i ? high : low, (char *)want.ptr + want.len);
        }
        assert_int_equal(deletion_vector_encode(&p, &blob, &err), 0);
        assert_int_equal(blob.len, want.len + 8);
        assert_memory_equal(blob.ptr + 4, want.ptr, want.len);
        if (deletion_vector_decode(buf_slice(&blob), &arena, &back, &count, &err))
            fail_msg("%d: %s", kind, err.text);
        assert_int_equal(count, p.count);
        assert_memory_equal(back, list, count * sizeof(*list));
        roaring_bitmap_free(low);
        roaring_bitmap_free(high);
        buf_deinit(&blob);
        buf_deinit(&want);
        arena_deinit(&arena);
    }
    free(list);
}

/* A reader's cache: ranges of the file, none within another. A read of what no range holds fetches
 * up to the next range when that is at most as long again, and what is found is taken from the
 * start of its range (delete_vector.c). */
struct fetched {
    size_t starts[8], ends[8], count;
};

static size_t fetch(struct fetched *f, size_t pos, size_t len)
{
    size_t next = SIZE_MAX, end = pos + len;

    for (size_t i = 0; i < f->count; i++) {
        if (f->starts[i] <= pos && end <= f->ends[i])
            return f->starts[i];
        if (f->starts[i] >= end && f->starts[i] < next)
            next = f->starts[i];
    }
    f->starts[f->count] = pos;
    f->ends[f->count++] = next != SIZE_MAX && next - end <= len ? next : end;
    return pos;
}

/* Goal: no vector is taken for another one. Method: four vectors, of equal and of very different
 * lengths, are read in each order. */
static void a_reader_that_fetches_ahead_finds_each_vector(void **state)
{
    static const size_t counts[] = {3000, 7, 7, 400};
    int64_t list[3000];

    (void)state;
    for (int64_t i = 0; i < 3000; i++)
        list[i] = i * 2;
    for (int order = 0; order < 256; order++) {
        struct vectors vectors = {0};
        struct puffin puffin = {0};
        struct fetched cache = {0};
        struct err err = {0};

        for (size_t i = 0; i < 4; i++) {
            struct lake_data_file file;

            assert_int_equal(vectors_add(&vectors, "s3://w/t/data/a.parquet",
                                         &(struct positions){list, counts[i]}, &file, &err),
                             0);
            assert_int_equal(file.record_count, counts[i]);
        }
        assert_int_equal(vectors_encode(&vectors, &puffin, &err), 0);
        fetch(&cache, puffin.bytes.len - 12, 12);
        for (int i = 0; i < 4; i++) { /* one of them twice at times */
            const struct vector_blob *v = &vectors.list[order >> (2 * i) & 3];

            assert_int_equal(fetch(&cache, (size_t)v->pos, v->bytes.len), v->pos);
            assert_memory_equal(puffin.bytes.ptr + v->pos, v->bytes.ptr, v->bytes.len);
        }
        puffin_deinit(&puffin);
        vectors_deinit(&vectors);
    }
}

/* ---- tables ---- */

static void make(struct real *r, int version, const char *spec)
{
    json_t *updates;
    struct lake_metadata *next;

    real_init(r);
    create(r, SCHEMA, spec);
    if (version < 3)
        return;
    updates = json_pack("[{s:s, s:i}]", "action", "upgrade-format-version", "format-version", 3);
    OK(lake_metadata_apply(r->m, NULL, updates, r->m->last_updated_ms + 1, &next, &r->err));
    json_decref(updates);
    lake_metadata_free(r->m);
    r->m = next;
}

static struct lake_plan plan_of(struct real *r, struct arena *arena)
{
    struct lake_plan plan;

    OK(lake_plan(r->lake, r->m, -1, NULL, NULL, 0, arena, &plan, &r->err));
    return plan;
}

/* One row delete per file of the plan: its first row and, when `wide`, its last one too. */
static struct lake_row_delete *rows_of(struct lake_plan *plan, struct arena *arena, bool wide)
{
    struct lake_row_delete *list = ARENA_ARRAY(arena, struct lake_row_delete, plan->file_count);

    for (size_t i = 0; i < plan->file_count; i++) {
        const struct lake_entry *e = &plan->files[i].entry;
        int64_t *positions = ARENA_ARRAY(arena, int64_t, 2);

        positions[0] = 0;
        positions[1] = e->file.record_count - 1;
        list[i] = (struct lake_row_delete){e->file.path,       e->file.spec_id,
                                           e->sequence_number, e->file_sequence_number,
                                           positions,          wide ? 2 : 1};
    }
    return list;
}

static const char *summary(struct real *r, const char *key)
{
    const char *value = lake_summary(lake_metadata_snapshot(r->m), key);

    return value ? value : "";
}

static void deletes_unite_in_one_file_per_data_file(void **state)
{
    (void)state;
    for (int version = 2; version <= 3; version++) {
        struct real real, *r = &real;
        struct arena arena = {0};
        struct lake_plan plan;
        struct lake_change change = {0};

        make(r, version, BY_NAME);
        insert(r,
               "SELECT i AS id, CASE WHEN i < 10 THEN 'a' ELSE 'b' END AS name "
               "FROM range(20) t(i)",
               4);
        change.db = r->db;
        for (int round = 0; round < 3; round++) {
            plan = plan_of(r, &arena);
            assert_int_equal(plan.file_count, 2);
            change.row_deletes = rows_of(&plan, &arena, round > 0);
            change.row_delete_count = 2;
            if (round == 2) { /* all of it is gone already: nothing to commit */
                struct lake_staged *staged = NULL;
                struct lake_ident ident = {"ns", "t"};

                assert_int_equal(
                    lake_stage(r->lake, &ident, r->m, r->location, &change, &staged, &r->err),
                    ERR_AGAIN);
                assert_null(staged);
                break;
            }
            commit(r, &change);
            assert_string_equal(summary(r, "operation"), "delete");
            assert_string_equal(summary(r, "added-delete-files"), "2");
            assert_string_equal(
                summary(r, version == 3 ? "added-dvs" : "added-position-delete-files"), "2");
            assert_string_equal(summary(r, "removed-delete-files"), round ? "2" : "");
            assert_string_equal(summary(r, "removed-position-deletes"), round ? "2" : "");
            assert_string_equal(summary(r, "added-position-deletes"), round ? "4" : "2");
            assert_string_equal(summary(r, "total-delete-files"), "2");
            assert_string_equal(summary(r, "total-position-deletes"), round ? "4" : "2");
            assert_string_equal(summary(r, "total-records"), "20");
            assert_string_equal(summary(r, "changed-partition-count"), "2");
        }
        plan = plan_of(r, &arena);
        assert_int_equal(plan.delete_count, 2);
        for (size_t i = 0; i < 2; i++) {
            const struct lake_data_file *d = &plan.deletes[i].file;

            assert_string_equal(d->format, version == 3 ? "PUFFIN" : "PARQUET");
            assert_int_equal(d->record_count, 2);
            assert_non_null(d->referenced_data_file);
        }
        assert_int_equal(plan.files[0].delete_count, 1);
        assert_string_equal(answer(r, "SELECT list(id ORDER BY id) FROM t", NULL, 0, NULL),
                            "[1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15, 16, 17, 18]");
        arena_deinit(&arena);
        real_deinit(r);
    }
}

static void a_file_whose_last_row_goes_leaves_the_table(void **state)
{
    (void)state;
    for (int version = 2; version <= 3; version++) {
        struct real real, *r = &real;
        struct arena arena = {0};
        struct lake_plan plan;
        struct lake_change change = {0};
        int64_t first[] = {1}, rest[] = {0, 2};

        make(r, version, NULL);
        insert(r, "SELECT i AS id, 'x' AS name FROM range(3) t(i)", 4);
        insert(r, "SELECT 100 + i AS id, 'x' AS name FROM range(3) t(i)", 4);
        for (int round = 0; round < 2; round++) {
            struct lake_row_delete d;
            size_t old = 0;

            plan = plan_of(r, &arena);
            while (plan.files[old].entry.sequence_number != 1)
                old++;
            d = (struct lake_row_delete){
                plan.files[old].entry.file.path, -1, -1, -1, round ? rest : first, round ? 2 : 1};
            change = (struct lake_change){.row_deletes = &d, .row_delete_count = 1, .db = r->db};
            commit(r, &change);
        }
        assert_string_equal(summary(r, "operation"), "delete");
        assert_string_equal(summary(r, "deleted-data-files"), "1");
        assert_string_equal(summary(r, "removed-delete-files"), "1");
        assert_string_equal(summary(r, "total-delete-files"), "0");
        plan = plan_of(r, &arena);
        assert_int_equal(plan.file_count, 1);
        assert_int_equal(plan.delete_count, 0);
        assert_string_equal(answer(r, "SELECT list(id ORDER BY id) FROM t", NULL, 0, NULL),
                            "[100, 101, 102]");
        arena_deinit(&arena);
        real_deinit(r);
    }
}

/* Goal: two that delete at once lose neither's rows. Method: stage one, commit the other, stage
 * the first again on the newer base. */
static void a_delete_that_lost_the_race_keeps_the_others_rows_deleted(void **state)
{
    (void)state;
    for (int version = 2; version <= 3; version++)
        for (int checked = 0; checked < 2; checked++) {
            struct real real, *r = &real;
            struct arena arena = {0};
            struct lake_ident ident = {"ns", "t"};
            struct lake_staged *staged = NULL;
            struct lake_plan plan;
            int64_t mine[] = {1, 4}, theirs[] = {2, 3}, same[] = {4};
            struct lake_row_delete d, other;
            struct lake_change change, theirs_change;

            make(r, version, NULL);
            insert(r, "SELECT i AS id, 'x' AS name FROM range(6) t(i)", 4);
            plan = plan_of(r, &arena);
            d = (struct lake_row_delete){plan.files[0].entry.file.path, -1, -1, -1, mine, 2};
            other = d;
            other.positions = theirs;
            change = (struct lake_change){.row_deletes = &d,
                                          .row_delete_count = 1,
                                          .db = r->db,
                                          .checks = checked ? LAKE_CHECK_ROWS_LIVE : 0,
                                          .from_snapshot_id = plan.snapshot_id};
            theirs_change =
                (struct lake_change){.row_deletes = &other, .row_delete_count = 1, .db = r->db};
            OK(lake_stage(r->lake, &ident, r->m, r->location, &change, &staged, &r->err));
            commit(r, &theirs_change);
            OK(lake_stage(r->lake, &ident, r->m, r->location, &change, &staged, &r->err));
            lake_staged_abandon(staged);
            staged = NULL;
            commit(r, &change); /* rows apart: both hold, checked or not */
            assert_string_equal(answer(r, "SELECT list(id ORDER BY id) FROM t", NULL, 0, NULL),
                                "[0, 5]");
            plan = plan_of(r, &arena);
            assert_int_equal(plan.delete_count, 1);
            d.positions = same; /* somebody's row by now */
            d.position_count = 1;
            assert_int_equal(
                lake_stage(r->lake, &ident, r->m, r->location, &change, &staged, &r->err),
                checked ? ERR_STALE : ERR_AGAIN);
            assert_null(staged);
            arena_deinit(&arena);
            real_deinit(r);
        }
}

static void what_no_longer_holds_is_stale(void **state)
{
    struct real real, *r = &real;
    struct arena arena = {0};
    struct lake_ident ident = {"ns", "t"};
    struct lake_staged *staged = NULL;
    struct lake_plan before, plan;
    int64_t zero[] = {0};
    struct lake_value low = {.i = 3}, high = {.i = 200};
    struct lake_predicate near = {1, LAKE_OP_LT, &low, 1}, far = {1, LAKE_OP_GT, &high, 1};
    struct lake_row_delete d;
    struct lake_change change;

    (void)state;
    make(r, 2, NULL);
    insert(r, "SELECT i AS id, 'x' AS name FROM range(6) t(i)", 4);
    before = plan_of(r, &arena);
    d = (struct lake_row_delete){before.files[0].entry.file.path, -1, -1, -1, zero, 1};
    change = (struct lake_change){.row_deletes = &d,
                                  .row_delete_count = 1,
                                  .db = r->db,
                                  .checks = LAKE_CHECK_NEW_ROWS,
                                  .filter_count = 1,
                                  .from_snapshot_id = before.snapshot_id};
    insert(r, "SELECT 100 + i AS id, 'x' AS name FROM range(6) t(i)", 4);
    change.filter = &near; /* the new rows cannot match */
    OK(lake_stage(r->lake, &ident, r->m, r->location, &change, &staged, &r->err));
    lake_staged_abandon(staged);
    staged = NULL;
    change.filter = &far;
    OK(lake_stage(r->lake, &ident, r->m, r->location, &change, &staged, &r->err));
    lake_staged_abandon(staged);
    staged = NULL;
    change.filter_count = 0; /* any row counts */
    assert_int_equal(lake_stage(r->lake, &ident, r->m, r->location, &change, &staged, &r->err),
                     ERR_STALE);
    /* The file is removed: nobody can delete rows of it any more. */
    plan = plan_of(r, &arena);
    commit(r, &(struct lake_change){.removed = &before.files[0].entry, .removed_count = 1});
    assert_string_equal(summary(r, "operation"), "delete");
    change.checks = 0;
    assert_int_equal(lake_stage(r->lake, &ident, r->m, r->location, &change, &staged, &r->err),
                     ERR_STALE);
    assert_non_null(strstr(r->err.text, "not in the table any more"));
    d.path = plan.files[0].entry.file.path;
    if (!strcmp(d.path, before.files[0].entry.file.path))
        d.path = plan.files[1].entry.file.path;
    zero[0] = 6;
    assert_int_equal(lake_stage(r->lake, &ident, r->m, r->location, &change, &staged, &r->err),
                     ERR_INVALID);
    change.checks = LAKE_CHECK_NEW_ROWS;
    change.from_snapshot_id = 4711;
    assert_int_equal(lake_stage(r->lake, &ident, r->m, r->location, &change, &staged, &r->err),
                     ERR_STALE);
    arena_deinit(&arena);
    real_deinit(r);
}

static void a_merge_never_brings_a_deleted_row_back(void **state)
{
    (void)state;
    for (int version = 2; version <= 3; version++)
        for (int told = 0; told < 2; told++) {
            struct real real, *r = &real;
            struct arena arena = {0};
            struct lake_plan plan;
            int64_t zero[] = {0};
            struct lake_row_delete d;
            struct lake_data_file merged;
            struct lake_rewrite rewrite;
            struct lake_entry *inputs;

            make(r, version, NULL);
            insert(r, "SELECT i AS id, 'x' AS name FROM range(6) t(i)", 4);
            insert(r, "SELECT 10 + i AS id, 'x' AS name FROM range(6) t(i)", 4);
            plan = plan_of(r, &arena);
            d = (struct lake_row_delete){plan.files[0].entry.file.path, -1, -1, -1, zero, 1};
            commit(r, &(struct lake_change){.row_deletes = &d, .row_delete_count = 1, .db = r->db});
            plan = plan_of(r, &arena);
            inputs = ARENA_ARRAY(&arena, struct lake_entry, 2);
            for (size_t i = 0; i < 2; i++)
                inputs[i] = plan.files[i].entry;
            OK(lake_data_file_copy(&arena, &merged, &inputs[0].file));
            merged.path = "s3://w/t/data/merged.parquet";
            rewrite = (struct lake_rewrite){
                inputs, 2, &merged, 1, 2, plan.deletes, told ? plan.delete_count : 0};
            commit(r, &(struct lake_change){
                          .rewrites = &rewrite, .rewrite_count = 1, .allow_empty = true});
            assert_string_equal(summary(r, "operation"), told ? "replace" : "append");
            plan = plan_of(r, &arena);
            assert_int_equal(plan.file_count, told ? 1 : 2);
            assert_int_equal(plan.delete_count, told ? 0 : 1);
            assert_string_equal(summary(r, "total-delete-files"), told ? "0" : "1");
            arena_deinit(&arena);
            real_deinit(r);
        }
}

static void rows_added_by_the_same_change_stay(void **state)
{
    struct real real, *r = &real;
    struct arena arena = {0};
    struct lake_plan plan;
    struct vec_columns columns = {0};
    struct vec_batch batch;
    struct lake_writer *writer;
    struct lake_data_file *files;
    size_t count;
    int64_t zero[] = {0};
    struct lake_row_delete d;

    (void)state;
    make(r, 3, NULL);
    insert(r, "SELECT i AS id, 'old' AS name FROM range(2) t(i)", 4);
    plan = plan_of(r, &arena);
    d = (struct lake_row_delete){plan.files[0].entry.file.path, -1, -1, -1, zero, 1};
    query_batch(r, "SELECT 0::BIGINT AS id, 'new' AS name", &batch, &columns);
    OK(lake_writer_new(&writer,
                       &(struct lake_writer_options){
                           .lake = r->lake, .db = r->db, .metadata = r->m, .columns = &columns},
                       &r->err));
    OK(lake_writer_write(writer, &batch, &r->err));
    OK(lake_writer_cut(writer, &arena, &files, &count, &r->err));
    commit(r, &(struct lake_change){.added = files,
                                    .added_count = count,
                                    .row_deletes = &d,
                                    .row_delete_count = 1,
                                    .checks = LAKE_CHECK_ROWS_LIVE,
                                    .from_snapshot_id = plan.snapshot_id});
    assert_string_equal(summary(r, "operation"), "overwrite");
    assert_string_equal(summary(r, "added-records"), "1");
    assert_string_equal(answer(r, "SELECT list((id, name) ORDER BY id) FROM t", NULL, 0, NULL),
                        "[(0, new), (1, old)]");
    lake_writer_free(writer);
    vec_batch_deinit(&batch);
    vec_columns_free(&columns);
    arena_deinit(&arena);
    real_deinit(r);
}

/* Goal: many vectors share a Puffin file, which lives as long as one of them does. */
static void expiry_spares_a_file_that_holds_a_live_vector(void **state)
{
    struct real real, *r = &real;
    struct arena arena = {0};
    const struct lake_property properties[] = {{"history.expire.max-snapshot-age-ms", "1"},
                                               {"history.expire.min-snapshots-to-keep", "1"}};
    struct lake_plan plan;

    (void)state;
    make(r, 3, NULL);
    insert(r, "SELECT i AS id, 'x' AS name FROM range(6) t(i)", 4);
    insert(r, "SELECT 10 + i AS id, 'x' AS name FROM range(6) t(i)", 4);
    plan = plan_of(r, &arena);
    commit(r, &(struct lake_change){.row_deletes = rows_of(&plan, &arena, false),
                                    .row_delete_count = 2,
                                    .properties = properties,
                                    .property_count = 2});
    for (int64_t i = 1; i < 5; i++) {
        struct lake_row_delete d;

        clock_fake_advance(&r->clock, 1000000);
        plan = plan_of(r, &arena);
        d = (struct lake_row_delete){plan.files[0].entry.file.path, -1, -1, -1, &i, 1};
        commit(r,
               &(struct lake_change){.row_deletes = &d, .row_delete_count = 1, .maintain = true});
    }
    assert_true(r->m->snapshot_count <= 2);
    assert_string_equal(answer(r, "SELECT count(*) FROM t", NULL, 0, NULL), "6");
    arena_deinit(&arena);
    real_deinit(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_are_byte_for_byte_what_roaring_writes),
        cmocka_unit_test(a_reader_that_fetches_ahead_finds_each_vector),
        cmocka_unit_test(deletes_unite_in_one_file_per_data_file),
        cmocka_unit_test(a_file_whose_last_row_goes_leaves_the_table),
        cmocka_unit_test(a_delete_that_lost_the_race_keeps_the_others_rows_deleted),
        cmocka_unit_test(what_no_longer_holds_is_stale),
        cmocka_unit_test(a_merge_never_brings_a_deleted_row_back),
        cmocka_unit_test(expiry_spares_a_file_that_holds_a_live_vector),
        cmocka_unit_test(rows_added_by_the_same_change_stay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
