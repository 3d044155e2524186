/* fsck_test.c - each kind of damage planted, and found by name. */
#include "lake/fsck.h"

#include "lake/testing_upkeep.h"

struct findings {
    int damages, notes;
    char first[900], last[900]; /* damages */
};

static int note_finding(void *arg, bool damage, const char *file, const char *text, struct err *err)
{
    struct findings *f = arg;

    (void)err;
    if (getenv("TARN_TEST_SAY"))
        print_message("%s %s %s\n", damage ? "DAMAGE" : "note", file, text);
    if (damage && !f->damages)
        snprintf(f->first, sizeof(f->first), "%s %s", file, text);
    if (damage)
        snprintf(f->last, sizeof(f->last), "%s %s", file, text);
    *(damage ? &f->damages : &f->notes) += 1;
    return 0;
}

static struct lake_fsck check(struct real *r, struct findings *f)
{
    struct lake_fsck_options o = {.db = r->db, .young_ms = 1, .say = note_finding, .arg = f};
    struct lake_fsck out;

    memset(f, 0, sizeof(*f));
    OK(lake_fsck(r->lake, r->location, &o, &out, &r->err));
    assert_int_equal(out.damages, f->damages);
    return out;
}

/* A table with everything: three data files, a delete file, a branch. */
static void init(struct real *r)
{
    static const int64_t positions[] = {1, 3};

    real_init(r);
    create(r, TWO_COLUMNS, NULL);
    insert(r, "SELECT i::BIGINT AS id, 'a' || i AS v FROM range(10) r(i)", 0);
    insert(r, "SELECT i::BIGINT AS id, 'b' || i AS v FROM range(10) r(i)", 0);
    insert(r, "SELECT i::BIGINT AS id, 'c' || i AS v FROM range(10) r(i)", 0);
    delete_rows(r, 1, positions, 2);
}

/* The n-th file below a folder whose name ends so, as a place in the store. */
static char *stored(struct real *r, const char *prefix, const char *ending, size_t nth)
{
    static char location[600];
    struct arena arena = {0};
    struct store_list list;

    OK(r->store->ops->list(r->store, "w", prefix, NULL, NULL, 1000, &arena, &list, &r->err));
    for (size_t i = 0; i < list.count; i++)
        if (slice_ends(slice_str(list.entries[i].key), slice_str(ending)) && nth-- == 0) {
            snprintf(location, sizeof(location), "s3://w/%s", list.entries[i].key);
            arena_deinit(&arena);
            return location;
        }
    fail_msg("no %s below %s", ending, prefix);
    return NULL;
}

static struct buf bytes_of(struct real *r, const char *location)
{
    struct buf bytes = {0};

    OK(store_get_at(r->store, location, &bytes, &r->err));
    return bytes;
}

static char *file_of(struct real *r, enum lake_content content, struct arena *arena)
{
    struct lake_plan plan;

    OK(lake_plan(r->lake, r->m, -1, NULL, NULL, 0, arena, &plan, &r->err));
    return arena_strdup(arena, content ? plan.deletes[0].file.path : plan.files[0].entry.file.path);
}

static void a_whole_table_has_no_damage(void **state)
{
    struct real real, *r = &real;
    struct findings f;
    struct lake_fsck out;

    (void)state;
    init(r);
    out = check(r, &f);
    assert_int_equal(f.damages, 0);
    assert_int_equal(out.data_files, 3);
    assert_int_equal(out.delete_files, 1);
    assert_int_equal(out.rows, 30);
    assert_int_equal(out.snapshots, 4);
    assert_int_equal(out.refs, 1);
    assert_int_equal(out.unreferenced, 0);
    real_deinit(r);
}

static void a_missing_file_is_named(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        struct real real, *r = &real;
        struct arena arena = {0};
        struct findings f;
        const char *path;

        init(r);
        path = kind < 2 ? file_of(r, kind ? LAKE_POSITION_DELETES : LAKE_DATA, &arena)
                        : stored(r, "t/metadata/", kind == 2 ? "-m0.avro" : ".avro", 0);
        if (kind == 3)
            path = lake_metadata_snapshot(r->m)->manifest_list;
        OK(store_remove_at(r->store, path, &r->err));
        check(r, &f);
        assert_true(f.damages > 0);
        assert_non_null(strstr(f.first, path));
        assert_non_null(strstr(f.first, "is not there"));
        arena_deinit(&arena);
        real_deinit(r);
    }
}

static void another_length_is_found(void **state)
{
    struct real real, *r = &real;
    struct arena arena = {0};
    struct findings f;
    struct buf bytes;
    char *path;

    (void)state;
    init(r);
    path = file_of(r, LAKE_DATA, &arena);
    bytes = bytes_of(r, path);
    OK(store_put_at(r->store, path, slice_of(bytes.ptr, bytes.len - 1), &r->err));
    check(r, &f);
    assert_int_equal(f.damages, 1);
    assert_non_null(strstr(f.first, "bytes, recorded are"));
    buf_deinit(&bytes);
    arena_deinit(&arena);
    real_deinit(r);
}

/* Goal: the same length is not enough. Method: the footer's last bytes overwritten. */
static void a_broken_footer_is_found(void **state)
{
    struct real real, *r = &real;
    struct arena arena = {0};
    struct findings f;
    struct buf bytes;
    char *path;

    (void)state;
    init(r);
    path = file_of(r, LAKE_DATA, &arena);
    bytes = bytes_of(r, path);
    memset(bytes.ptr + bytes.len - 12, 'x', 12);
    OK(store_put_at(r->store, path, buf_slice(&bytes), &r->err));
    check(r, &f);
    assert_int_equal(f.damages, 1);
    assert_non_null(strstr(f.first, "does not read"));
    buf_deinit(&bytes);
    arena_deinit(&arena);
    real_deinit(r);
}

static void a_broken_manifest_is_found(void **state)
{
    struct real real, *r = &real;
    struct findings f;
    struct buf bytes;
    char *path;

    (void)state;
    init(r);
    path = stored(r, "t/metadata/", "-m0.avro", 0);
    bytes = bytes_of(r, path);
    memset(bytes.ptr + bytes.len - 40, 0xff, 30);
    OK(store_put_at(r->store, path, buf_slice(&bytes), &r->err));
    check(r, &f);
    assert_true(f.damages > 0);
    assert_non_null(strstr(f.first, "does not read"));
    buf_deinit(&bytes);
    real_deinit(r);
}

/* A data file added with another count of rows than it holds. */
static void add_lie(struct real *r, int64_t rows, int64_t bytes, int times)
{
    struct arena arena = {0};
    struct lake_plan plan;
    struct lake_data_file files[2];
    struct lake_change change = {.added = files, .added_count = (size_t)times};

    OK(lake_plan(r->lake, r->m, -1, NULL, NULL, 0, &arena, &plan, &r->err));
    files[0] = plan.files[0].entry.file;
    files[0].path = arena_printf(&arena, "%s.copy.parquet", files[0].path);
    {
        struct buf copy = bytes_of(r, plan.files[0].entry.file.path);

        OK(store_put_at(r->store, files[0].path, buf_slice(&copy), &r->err));
        buf_deinit(&copy);
    }
    files[0].record_count += rows;
    files[0].file_bytes += bytes;
    files[1] = files[0];
    commit(r, &change);
    arena_deinit(&arena);
}

static void another_count_of_rows_is_found(void **state)
{
    struct real real, *r = &real;
    struct findings f;

    (void)state;
    init(r);
    add_lie(r, 1, 0, 1);
    check(r, &f);
    assert_int_equal(f.damages, 1);
    assert_non_null(strstr(f.first, "holds 10 rows, recorded are 11"));
    real_deinit(r);
}

static void a_file_named_twice_is_found(void **state)
{
    struct real real, *r = &real;
    struct findings f;

    (void)state;
    init(r);
    add_lie(r, 0, 0, 2);
    check(r, &f);
    assert_int_equal(f.damages, 1);
    assert_non_null(strstr(f.first, "named twice"));
    real_deinit(r);
}

/* The metadata file with one text replaced by another, in place of the table's. */
static void forge(struct real *r, void (*change)(json_t *doc))
{
    struct buf text = {0};
    json_t *doc;
    char *forged;

    OK(lake_metadata_print(r->m, &text, &r->err));
    doc = json_loadb((const char *)text.ptr, text.len, 0, NULL);
    assert_non_null(doc);
    change(doc);
    forged = json_dumps(doc, 0);
    OK(store_put_at(r->store, r->location, slice_str(forged), &r->err));
    free(forged);
    json_decref(doc);
    buf_deinit(&text);
}

static void lower_last_sequence(json_t *doc)
{
    json_object_set_new(doc, "last-sequence-number", json_integer(3));
}

static void lower_newest_sequence(json_t *doc)
{
    json_t *snapshots = json_object_get(doc, "snapshots");

    json_object_set_new(json_array_get(snapshots, json_array_size(snapshots) - 1),
                        "sequence-number", json_integer(2));
}

static void sequence_numbers_that_disagree_are_found(void **state)
{
    struct real real, *r = &real;
    struct findings f;

    (void)state;
    init(r);
    forge(r, lower_last_sequence);
    check(r, &f);
    assert_true(f.damages > 0);
    assert_non_null(strstr(f.first, "sequence number 4, the table's last is 3"));
    forge(r, lower_newest_sequence);
    check(r, &f);
    assert_true(f.damages > 0);
    assert_non_null(strstr(f.first, "no later than its parent's 3"));
    real_deinit(r);
}

static void metadata_that_does_not_read_is_damage(void **state)
{
    struct real real, *r = &real;
    struct findings f;

    (void)state;
    init(r);
    OK(store_put_at(r->store, r->location, SLICE_LIT("{\"format-version\":2,"), &r->err));
    check(r, &f);
    assert_int_equal(f.damages, 1);
    assert_non_null(strstr(f.first, "does not read"));
    real_deinit(r);
}

/* Writes the newest data manifest of a file once more, with another count of rows for it. */
static void lower_recorded_rows(struct real *r, const char *path, int64_t rows)
{
    struct arena arena = {0};
    struct lake_manifest_list *list;

    OK(lake_manifest_list_load(r->lake, r->m, lake_metadata_snapshot(r->m), &list, &r->err));
    for (size_t i = 0; i < list->file_count; i++) {
        struct lake_manifest_file *lines = list->files;
        struct lake_manifest *manifest;
        struct buf bytes = {0}, text = {0};
        bool mine = false;

        OK(lake_manifest_load(r->lake, r->m, &lines[i], &manifest, &r->err));
        for (size_t k = 0; k < manifest->entry_count; k++)
            if (!strcmp(manifest->entries[k].file.path, path)) {
                manifest->entries[k].file.record_count = rows;
                mine = true;
            }
        if (mine) { /* the manifest, its line's counts and length, and so the list */
            struct lake_manifest_file line = lines[i];

            OK(lake_manifest_print(r->m, line.spec_id, 0, manifest->entries, manifest->entry_count,
                                   &arena, &bytes, &line, &r->err));
            lines[i].length = (int64_t)bytes.len;
            lines[i].added_rows = rows;
            OK(store_put_at(r->store, lines[i].path, buf_slice(&bytes), &r->err));
            OK(lake_manifest_list_print(r->m->format_version, lake_metadata_snapshot(r->m)->id, -1,
                                        lake_metadata_snapshot(r->m)->sequence_number, lines,
                                        list->file_count, &text, &r->err));
            OK(store_put_at(r->store, lake_metadata_snapshot(r->m)->manifest_list, buf_slice(&text),
                            &r->err));
        }
        lake_manifest_free(manifest);
        buf_deinit(&bytes);
        buf_deinit(&text);
    }
    lake_manifest_list_free(list);
    arena_deinit(&arena);
}

/* Goal: positions past the end of their file are found, in both kinds of deletes. Method: a data
 * file of ten rows that the table then says has eight. */
static void positions_out_of_range_are_found(void **state)
{
    static const int64_t positions[] = {2, 9};

    (void)state;
    for (int v3 = 0; v3 < 2; v3++) {
        struct real real, *r = &real;
        struct arena arena = {0};
        struct lake_plan plan;
        struct lake_data_file file;
        struct lake_change change = {.added = &file, .added_count = 1};
        struct findings f;

        real_init(r);
        create(r, TWO_COLUMNS, NULL);
        if (v3)
            upgrade_v3(r);
        insert(r, "SELECT i::BIGINT AS id, 'a' || i AS v FROM range(8) r(i)", 0);
        OK(lake_plan(r->lake, r->m, -1, NULL, NULL, 0, &arena, &plan, &r->err));
        file = plan.files[0].entry.file;
        file.path = "s3://w/t/data/liar.parquet";
        file.record_count = 10;
        file.first_row_id = -1;
        {
            struct buf copy = bytes_of(r, plan.files[0].entry.file.path);

            OK(store_put_at(r->store, file.path, buf_slice(&copy), &r->err));
            buf_deinit(&copy);
        }
        commit(r, &change);
        delete_rows(r, 0, positions, 2);
        check(r, &f); /* it holds 8 rows, and of 10 two are deleted: in range of what is recorded */
        assert_int_equal(f.damages, 1);
        assert_non_null(strstr(f.first, "holds 8 rows, recorded are 10"));
        lower_recorded_rows(r, file.path, 8);
        check(r, &f); /* the older snapshot's list is of the old manifest */
        assert_int_equal(f.damages, 2);
        assert_non_null(strstr(f.last, v3 ? "deletes position 9 of" : "deletes positions 2 to 9"));
        arena_deinit(&arena);
        real_deinit(r);
    }
}

static void a_vector_with_a_flipped_bit_is_found(void **state)
{
    static const int64_t positions[] = {1, 4, 7};
    struct real real, *r = &real;
    struct findings f;
    struct lake_fsck out;
    struct lake_plan plan;
    struct arena arena = {0};
    struct buf bytes;

    (void)state;
    real_init(r);
    create(r, TWO_COLUMNS, NULL);
    upgrade_v3(r);
    insert(r, "SELECT i::BIGINT AS id, 'a' || i AS v FROM range(10) r(i)", 0);
    delete_rows(r, 0, positions, 3);
    out = check(r, &f);
    assert_int_equal(f.damages, 0);
    assert_int_equal(out.vectors, 1);
    OK(lake_plan(r->lake, r->m, -1, NULL, NULL, 0, &arena, &plan, &r->err));
    bytes = bytes_of(r, plan.deletes[0].file.path);
    bytes.ptr[plan.deletes[0].file.content_pos + plan.deletes[0].file.content_bytes - 6] ^= 4;
    OK(store_put_at(r->store, plan.deletes[0].file.path, buf_slice(&bytes), &r->err));
    check(r, &f);
    assert_int_equal(f.damages, 1);
    assert_non_null(strstr(f.first, "checksum"));
    buf_deinit(&bytes);
    arena_deinit(&arena);
    real_deinit(r);
}

static void what_nobody_names_is_a_note(void **state)
{
    struct real real, *r = &real;
    struct findings f;
    struct lake_fsck out;

    (void)state;
    init(r);
    OK(store_put_at(r->store, "s3://w/t/data/lost.parquet", SLICE_LIT("xyz"), &r->err));
    assert_int_equal(check(r, &f).unreferenced, 0); /* a writer may be at it */
    clock_fake_advance(&r->clock, (int64_t)20 * 365 * 86400 * 1000000000);
    out = check(r, &f);
    assert_int_equal(f.damages, 0);
    assert_true(out.unreferenced >= 1);
    OK(inflight_add(lake_inflight(r->lake), "s3://w/t/data/lost.parquet", &r->err));
    assert_int_equal(check(r, &f).unreferenced, out.unreferenced - 1);
    assert_int_equal(check(r, &f).unreferenced_bytes, out.unreferenced_bytes - 3);
    real_deinit(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_table_has_no_damage),
        cmocka_unit_test(a_missing_file_is_named),
        cmocka_unit_test(another_length_is_found),
        cmocka_unit_test(a_broken_footer_is_found),
        cmocka_unit_test(a_broken_manifest_is_found),
        cmocka_unit_test(another_count_of_rows_is_found),
        cmocka_unit_test(a_file_named_twice_is_found),
        cmocka_unit_test(sequence_numbers_that_disagree_are_found),
        cmocka_unit_test(metadata_that_does_not_read_is_damage),
        cmocka_unit_test(positions_out_of_range_are_found),
        cmocka_unit_test(a_vector_with_a_flipped_bit_is_found),
        cmocka_unit_test(what_nobody_names_is_a_note),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
