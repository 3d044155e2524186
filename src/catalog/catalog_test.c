/* catalog_test.c - what the catalog promises, on the machine's disk. */
#include "catalog/fixture_test.h"

struct fixture {
    struct stack stack;
    char dir[64];
    struct arena arena;
    struct err err;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    strcpy(f->dir, "/tmp/catalog_test.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->stack.disk = disk_system();
    f->stack.clock = clock_system();
    if (stack_open(&f->stack, f->dir, false, &f->err))
        fail_msg("%s", f->err.text);
    assert_int_equal(catalog_namespace_create(f->stack.catalog, "db", NULL, NULL), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    stack_close(&f->stack);
    disk_remove_tree(disk_system(), f->dir, NULL);
    arena_deinit(&f->arena);
    free(f);
    return 0;
}

#define OK(call)                                                                                   \
    do {                                                                                           \
        int rc_ = (call);                                                                          \
        if (rc_)                                                                                   \
            fail_msg("%s: %s: %s", #call, err_name(rc_), f->err.text);                             \
    } while (0)

/* ---- namespaces ---- */

static void namespaces_nest_and_refuse_to_go_while_full(void **state)
{
    struct fixture *f = *state;
    struct catalog *c = f->stack.catalog;
    struct catalog_table table;

    assert_int_equal(catalog_namespace_create(c, "db", NULL, &f->err), ERR_EXISTS);
    assert_string_equal(f->err.text, "Namespace already exists: db");
    assert_int_equal(catalog_namespace_create(c, "no\x1f" "where", NULL, &f->err), ERR_NOENT);
    assert_string_equal(f->err.text, "Namespace does not exist: no");
    OK(catalog_namespace_create(c, "db\x1f" "inner", NULL, &f->err));
    assert_int_equal(catalog_namespace_drop(c, "db", &f->err), ERR_CONFLICT);
    OK(make_table(&f->stack, "db\x1f" "inner", "t", &table, &f->arena, &f->err));
    assert_string_equal(table.metadata->location, "s3://warehouse/polariscatalog/db/inner/t");
    catalog_table_deinit(&table);
    assert_int_equal(catalog_namespace_drop(c, "db\x1f" "inner", &f->err), ERR_CONFLICT);
    OK(catalog_table_drop(c, &(struct lake_ident){"db\x1f" "inner", "t"}, false, &f->err));
    OK(catalog_namespace_drop(c, "db\x1f" "inner", &f->err));
    OK(catalog_namespace_drop(c, "db", &f->err));
    assert_int_equal(catalog_namespace_drop(c, "db", &f->err), ERR_NOENT);
}

static void names_that_make_no_sense_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {"", "\x1f", "a\x1f", "\x1f" "a", "a\x1f\x1f" "b", "a\nb",
                                      "\xff\xfe"};
    char longer[300];
    struct catalog_table table;

    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(catalog_namespace_create(f->stack.catalog, bad[i], NULL, &f->err),
                         ERR_INVALID);
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    assert_int_equal(catalog_namespace_create(f->stack.catalog, longer, NULL, &f->err),
                     ERR_INVALID);
    assert_int_equal(make_table(&f->stack, "db", "", &table, &f->arena, &f->err), ERR_INVALID);
    assert_int_equal(make_table(&f->stack, "db", longer, &table, &f->arena, &f->err), ERR_INVALID);
    assert_int_equal(make_table(&f->stack, "nope", "t", &table, &f->arena, &f->err), ERR_NOENT);
    assert_string_equal(f->err.text, "Namespace does not exist: nope");
}

static void listing_goes_page_by_page(void **state)
{
    struct fixture *f = *state;
    struct catalog *c = f->stack.catalog;
    struct catalog_names names;
    const char *after = NULL;
    int pages = 0, seen = 0;

    for (int i = 0; i < 25; i++) {
        char name[16];

        snprintf(name, sizeof(name), "db\x1fn%02d", i);
        OK(catalog_namespace_create(c, name, NULL, &f->err));
    }
    do {
        OK(catalog_namespace_list(c, "db", after, 10, &f->arena, &names, &f->err));
        seen += (int)names.count;
        after = names.count ? names.list[names.count - 1] : NULL;
        pages++;
    } while (names.more);
    assert_int_equal(pages, 3);
    assert_int_equal(seen, 25);
    OK(catalog_namespace_list(c, NULL, NULL, 0, &f->arena, &names, &f->err));
    assert_int_equal(names.count, 1);
    assert_int_equal(catalog_namespace_list(c, "x", NULL, 0, &f->arena, &names, &f->err),
                     ERR_NOENT);
}

static void properties_are_set_and_removed_and_missed(void **state)
{
    struct fixture *f = *state;
    json_t *updates = json_pack("{s:s,s:s}", "a", "1", "b", "2");
    json_t *removals = json_pack("[s,s]", "b", "zz"), *result, *properties;

    OK(catalog_namespace_update(f->stack.catalog, "db", NULL, updates, &result, &f->err));
    assert_int_equal(json_array_size(json_object_get(result, "updated")), 2);
    json_decref(result);
    OK(catalog_namespace_update(f->stack.catalog, "db", removals, NULL, &result, &f->err));
    assert_int_equal(json_array_size(json_object_get(result, "removed")), 1);
    assert_int_equal(json_array_size(json_object_get(result, "missing")), 1);
    json_decref(result);
    OK(catalog_namespace_load(f->stack.catalog, "db", &properties, &f->err));
    assert_string_equal(json_string_value(json_object_get(properties, "a")), "1");
    assert_null(json_object_get(properties, "b"));
    assert_string_equal(json_string_value(json_object_get(properties, "location")),
                        "s3://warehouse/polariscatalog/db");
    assert_int_equal(
        catalog_namespace_update(f->stack.catalog, "db", removals, updates, &result, &f->err),
        ERR_INVALID);
    json_decref(properties);
    json_decref(updates);
    json_decref(removals);
}

/* ---- tables ---- */

static void a_table_lives_through_create_rename_restart_and_drop(void **state)
{
    struct fixture *f = *state;
    struct lake_ident a = {"db", "a"}, b = {"db", "b"}, c = {"db", "c"};
    struct catalog_table made, again;

    OK(make_table(&f->stack, "db", "a", &made, &f->arena, &f->err));
    assert_string_equal(made.metadata->location, "s3://warehouse/polariscatalog/db/a");
    assert_int_equal(make_table(&f->stack, "db", "a", &again, &f->arena, &f->err), ERR_EXISTS);
    assert_string_equal(f->err.text, "Table already exists: db.a");
    OK(make_table(&f->stack, "db", "c", &again, &f->arena, &f->err));
    catalog_table_deinit(&again);
    assert_int_equal(catalog_table_rename(f->stack.catalog, &a, &c, &f->err), ERR_EXISTS);
    OK(catalog_table_rename(f->stack.catalog, &a, &b, &f->err));
    assert_int_equal(catalog_table_exists(f->stack.catalog, &a, &f->err), ERR_NOENT);
    assert_string_equal(f->err.text, "Table does not exist: db.a");
    assert_int_equal(catalog_table_rename(f->stack.catalog, &a, &b, &f->err), ERR_NOENT);

    stack_close(&f->stack);
    OK(stack_open(&f->stack, f->dir, false, &f->err));
    OK(catalog_table_load(f->stack.catalog, &b, &f->arena, &again, &f->err));
    assert_string_equal(again.metadata->uuid, made.metadata->uuid);
    catalog_table_deinit(&again);
    catalog_table_deinit(&made);

    OK(catalog_table_drop(f->stack.catalog, &b, false, &f->err));
    assert_int_equal(catalog_table_drop(f->stack.catalog, &b, false, &f->err), ERR_NOENT);
}

/* Two tables must never share a folder: purging one would take the other with it. */
static void a_folder_that_holds_files_is_not_given_to_another_table(void **state)
{
    struct fixture *f = *state;
    struct lake_ident a = {"db", "a"}, b = {"db", "b"};
    struct catalog_table first, second, third;

    OK(make_table(&f->stack, "db", "a", &first, &f->arena, &f->err));
    OK(catalog_table_rename(f->stack.catalog, &a, &b, &f->err));
    OK(make_table(&f->stack, "db", "a", &second, &f->arena, &f->err));
    assert_string_not_equal(first.metadata->location, second.metadata->location);
    assert_true(slice_starts(slice_str(second.metadata->location),
                             slice_str("s3://warehouse/polariscatalog/db/a-")));
    OK(store_put_at(f->stack.store, "s3://warehouse/polariscatalog/db/m/data/", slice_of("", 0),
                    &f->err)); /* a folder, as pyarrow makes them */
    OK(make_table(&f->stack, "db", "m", &third, &f->arena, &f->err));
    assert_string_equal(third.metadata->location, "s3://warehouse/polariscatalog/db/m");
    catalog_table_deinit(&third);
    OK(make_table(&f->stack, "db", "../../etc", &third, &f->arena, &f->err));
    assert_null(strstr(third.metadata->location, "/../"));
    assert_true(slice_starts(slice_str(third.metadata->location),
                             slice_str("s3://warehouse/polariscatalog/db/.._.._etc-")));
    catalog_table_deinit(&first);
    catalog_table_deinit(&second);
    catalog_table_deinit(&third);
}

static void a_staged_table_is_nowhere_until_it_is_committed(void **state)
{
    struct fixture *f = *state;
    struct lake_ident ident = {"db", "staged"};
    struct lake_schema schema = {0};
    struct lake_table_options options = {.schema = &schema};
    struct catalog_table table;
    static const char schema_text[] =
        "{\"type\":\"struct\",\"schema-id\":0,\"fields\":["
        "{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"long\"}]}";

    OK(lake_schema_parse_text(slice_str(schema_text), &f->arena, &schema, &f->err));
    OK(catalog_table_create(f->stack.catalog, &ident, &options, true, &f->arena, &table, &f->err));
    assert_null(table.location);
    catalog_table_deinit(&table);
    assert_int_equal(catalog_table_exists(f->stack.catalog, &ident, &f->err), ERR_NOENT);

    const char *updates = arena_printf(
        &f->arena,
        "[{\"action\":\"assign-uuid\",\"uuid\":\"5f5a0c6e-0f4b-4d3e-9a53-0d6f2d0f9a11\"},"
        "{\"action\":\"upgrade-format-version\",\"format-version\":2},"
        "{\"action\":\"add-schema\",\"schema\":%s,\"last-column-id\":1},"
        "{\"action\":\"set-current-schema\",\"schema-id\":-1},"
        "{\"action\":\"add-spec\",\"spec\":{\"spec-id\":0,\"fields\":[]}},"
        "{\"action\":\"set-default-spec\",\"spec-id\":-1},"
        "{\"action\":\"add-sort-order\",\"sort-order\":{\"order-id\":0,\"fields\":[]}},"
        "{\"action\":\"set-default-sort-order\",\"sort-order-id\":-1}]",
        schema_text);
    assert_int_equal(
        commit_text(&f->stack, "db", "staged", "[]", updates, &f->arena, &table, &f->err),
        ERR_NOENT);
    OK(commit_text(&f->stack, "db", "staged", "[{\"type\":\"assert-create\"}]", updates, &f->arena,
                   &table, &f->err));
    assert_string_equal(table.metadata->location, "s3://warehouse/polariscatalog/db/staged");
    catalog_table_deinit(&table);
    assert_int_equal(commit_text(&f->stack, "db", "staged", "[{\"type\":\"assert-create\"}]",
                                 updates, &f->arena, &table, &f->err),
                     ERR_CONFLICT);
}

static void a_dropped_table_can_be_registered_again(void **state)
{
    struct fixture *f = *state;
    struct lake_ident a = {"db", "a"}, b = {"db", "b"};
    struct catalog_table table, back;

    OK(make_table(&f->stack, "db", "a", &table, &f->arena, &f->err));
    OK(catalog_table_drop(f->stack.catalog, &a, false, &f->err));
    OK(catalog_table_register(f->stack.catalog, &b, table.location, false, &f->arena, &back,
                              &f->err));
    assert_string_equal(back.metadata->uuid, table.metadata->uuid);
    catalog_table_deinit(&back);
    assert_int_equal(catalog_table_register(f->stack.catalog, &b, table.location, false, &f->arena,
                                            &back, &f->err),
                     ERR_EXISTS);
    OK(catalog_table_register(f->stack.catalog, &b, table.location, true, &f->arena, &back,
                              &f->err));
    catalog_table_deinit(&back);
    assert_int_equal(catalog_table_register(f->stack.catalog, &a,
                                            "s3://warehouse/nowhere.metadata.json", false,
                                            &f->arena, &back, &f->err),
                     ERR_INVALID);
    catalog_table_deinit(&table);
}

static size_t objects_below(struct fixture *f, const char *prefix)
{
    struct store_list list = {0};

    OK(f->stack.store->ops->list(f->stack.store, "warehouse", prefix, NULL, NULL, 1000, &f->arena,
                                 &list, &f->err));
    return list.count;
}

static void a_purge_takes_all_files_and_survives_a_restart(void **state)
{
    struct fixture *f = *state;
    struct lake_ident a = {"db", "a"};
    struct catalog_table table;

    OK(make_table(&f->stack, "db", "a", &table, &f->arena, &f->err));
    catalog_table_deinit(&table);
    OK(commit_text(&f->stack, "db", "a", "[]",
                   "[{\"action\":\"set-properties\",\"updates\":{\"k\":\"v\"}}]", &f->arena, &table,
                   &f->err));
    catalog_table_deinit(&table);
    assert_int_equal(objects_below(f, "polariscatalog/db/a/"), 2);
    OK(catalog_table_drop(f->stack.catalog, &a, false, &f->err));
    assert_int_equal(objects_below(f, "polariscatalog/db/a/"), 2);

    OK(make_table(&f->stack, "db", "b", &table, &f->arena, &f->err));
    catalog_table_deinit(&table);
    stack_close(&f->stack);
    OK(stack_open(&f->stack, f->dir, true, &f->err)); /* nobody purges in the background */
    OK(catalog_table_drop(f->stack.catalog, &(struct lake_ident){"db", "b"}, true, &f->err));
    assert_int_equal(objects_below(f, "polariscatalog/db/b/"), 1);
    stack_close(&f->stack);
    OK(stack_open(&f->stack, f->dir, true, &f->err));
    OK(catalog_purge_wait(f->stack.catalog, &f->err));
    assert_int_equal(objects_below(f, "polariscatalog/db/b/"), 0);
    assert_int_equal(objects_below(f, "polariscatalog/db/a/"), 2);
}

/* ---- commits ---- */

static void requirements_decide_whether_a_commit_still_makes_sense(void **state)
{
    struct fixture *f = *state;
    struct catalog_table table;

    OK(make_table(&f->stack, "db", "a", &table, &f->arena, &f->err));
    catalog_table_deinit(&table);
    OK(commit_text(&f->stack, "db", "a", "[{\"type\":\"assert-current-schema-id\","
                                         "\"current-schema-id\":0}]",
                   "[{\"action\":\"set-properties\",\"updates\":{\"k\":\"v\"}}]", &f->arena, &table,
                   &f->err));
    assert_string_equal(lake_metadata_property(table.metadata, "k"), "v");
    assert_int_equal(table.metadata->metadata_log_count, 1);
    catalog_table_deinit(&table);
    assert_int_equal(
        commit_text(&f->stack, "db", "a",
                    "[{\"type\":\"assert-current-schema-id\",\"current-schema-id\":9}]",
                    "[{\"action\":\"set-properties\",\"updates\":{\"k\":\"w\"}}]", &f->arena,
                    &table, &f->err),
        ERR_CONFLICT);
    assert_int_equal(objects_below(f, "polariscatalog/db/a/"), 2); /* the refused one left none */
}

static void metadata_is_compressed_where_the_table_asks_for_it(void **state)
{
    struct fixture *f = *state;
    struct catalog_table table;
    struct buf bytes = {0};

    OK(make_table(&f->stack, "db", "a", &table, &f->arena, &f->err));
    catalog_table_deinit(&table);
    OK(commit_text(&f->stack, "db", "a", "[]",
                   "[{\"action\":\"set-properties\",\"updates\":"
                   "{\"write.metadata.compression-codec\":\"gzip\"}}]",
                   &f->arena, &table, &f->err));
    assert_non_null(strstr(table.location, "/00001-"));
    assert_non_null(strstr(table.location, ".gz.metadata.json"));
    OK(store_get_at(f->stack.store, table.location, &bytes, &f->err));
    assert_int_equal(bytes.ptr[0], 0x1f);
    buf_deinit(&bytes);
    catalog_table_deinit(&table);
    stack_close(&f->stack); /* so that it is read from the file */
    OK(stack_open(&f->stack, f->dir, false, &f->err));
    OK(commit_text(&f->stack, "db", "a", "[]",
                   "[{\"action\":\"set-properties\",\"updates\":{\"k\":\"v\"}}]", &f->arena,
                   &table, &f->err));
    assert_non_null(strstr(table.location, "/00002-"));
    catalog_table_deinit(&table);
}

static void a_commit_of_several_tables_is_all_or_nothing(void **state)
{
    struct fixture *f = *state;
    struct catalog_table table, tables[2];
    json_t *updates = json_pack("[{s:s,s:{s:s}}]", "action", "set-properties", "updates", "k", "v");
    json_t *wrong = json_pack("[{s:s,s:i}]", "type", "assert-current-schema-id",
                              "current-schema-id", 9);
    json_t *none = json_array();
    struct catalog_change changes[2] = {{{"db", "a"}, none, updates},
                                        {{"db", "b"}, wrong, updates}};

    OK(make_table(&f->stack, "db", "a", &table, &f->arena, &f->err));
    catalog_table_deinit(&table);
    OK(make_table(&f->stack, "db", "b", &table, &f->arena, &f->err));
    catalog_table_deinit(&table);
    assert_int_equal(
        catalog_commit(f->stack.catalog, changes, 2, "test", &f->arena, tables, &f->err),
        ERR_CONFLICT);
    OK(catalog_table_load(f->stack.catalog, &changes[0].ident, &f->arena, &table, &f->err));
    assert_null(lake_metadata_property(table.metadata, "k"));
    catalog_table_deinit(&table);
    changes[1].requirements = none;
    OK(catalog_commit(f->stack.catalog, changes, 2, "test", &f->arena, tables, &f->err));
    for (int i = 0; i < 2; i++) {
        assert_string_equal(lake_metadata_property(tables[i].metadata, "k"), "v");
        catalog_table_deinit(&tables[i]);
    }
    changes[1] = changes[0];
    assert_int_equal(
        catalog_commit(f->stack.catalog, changes, 2, "test", &f->arena, tables, &f->err),
        ERR_INVALID);
    json_decref(updates);
    json_decref(wrong);
    json_decref(none);
}

#define THREADS 6
#define COMMITS 10

struct committer {
    struct fixture *f;
    int number, failed;
};

static void *commit_many(void *arg)
{
    struct committer *who = arg;

    for (int i = 0; i < COMMITS; i++) {
        struct arena arena = {0};
        struct catalog_table table = {0};
        char updates[120];

        snprintf(updates, sizeof(updates),
                 "[{\"action\":\"set-properties\",\"updates\":{\"k%d-%d\":\"v\"}}]", who->number,
                 i);
        if (commit_text(&who->f->stack, "db", "a", "[]", updates, &arena, &table, NULL))
            who->failed++;
        catalog_table_deinit(&table);
        arena_deinit(&arena);
    }
    return NULL;
}

/* The way of the stream: it stages on a base, and swaps inside a transaction of its own. */
static void *swap_many(void *arg)
{
    struct committer *who = arg;
    struct lake_catalog *seam = catalog_lake(who->f->stack.catalog);
    struct lake_ident ident = {"db", "a"};

    for (int i = 0; i < COMMITS;) {
        struct arena arena = {0};
        struct catalog_table table = {0};
        struct lake_metadata *next = NULL;
        json_t *updates = json_pack("[{s:s,s:{s:s}}]", "action", "set-properties", "updates",
                                    arena_printf(&arena, "s%d", i), "v");
        const char *location = NULL;
        int rc = catalog_table_load(who->f->stack.catalog, &ident, &arena, &table, NULL);

        if (!rc)
            rc = lake_metadata_apply(table.metadata, NULL, updates, 1, &next, NULL);
        if (!rc)
            rc = lake_metadata_store(who->f->stack.lake, next, table.metadata, table.location,
                                     &arena, &location, NULL, NULL, NULL);
        if (!rc) {
            struct lake_swap swap = {ident, table.metadata->uuid, table.location, location};

            rc = seam->ops->swap(seam, &swap, 1, NULL);
        }
        if (rc && rc != ERR_CONFLICT)
            who->failed++;
        i += rc != ERR_CONFLICT;
        lake_metadata_free(next);
        catalog_table_deinit(&table);
        json_decref(updates);
        arena_deinit(&arena);
    }
    return NULL;
}

static void commits_at_the_same_time_lose_none(void **state)
{
    struct fixture *f = *state;
    struct committer whos[THREADS];
    pthread_t threads[THREADS];
    struct catalog_table table;

    OK(make_table(&f->stack, "db", "a", &table, &f->arena, &f->err));
    catalog_table_deinit(&table);
    for (int i = 0; i < THREADS; i++) {
        whos[i] = (struct committer){f, i, 0};
        pthread_create(&threads[i], NULL, i ? commit_many : swap_many, &whos[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(whos[i].failed, 0);
    }
    OK(catalog_table_load(f->stack.catalog, &(struct lake_ident){"db", "a"}, &f->arena, &table,
                          &f->err));
    for (int i = 1; i < THREADS; i++)
        for (int j = 0; j < COMMITS; j++)
            assert_non_null(lake_metadata_property(
                table.metadata, arena_printf(&f->arena, "k%d-%d", i, j)));
    for (int j = 0; j < COMMITS; j++)
        assert_non_null(lake_metadata_property(table.metadata, arena_printf(&f->arena, "s%d", j)));
    catalog_table_deinit(&table);
}

/* ---- the seam ---- */

struct join_call {
    struct lake_catalog *seam;
    struct lake_swap swap;
    int then;
};

static int join_fn(struct meta_txn *txn, void *arg, struct err *err)
{
    struct join_call *call = arg;
    int rc = call->seam->ops->swap_in(call->seam, txn, &call->swap, 1, err);

    return rc ? rc : call->then;
}

static void a_swap_is_part_of_the_transaction_it_joins(void **state)
{
    struct fixture *f = *state;
    struct lake_ident ident = {"db", "a"};
    struct catalog_table table, now;
    struct join_call call = {.seam = catalog_lake(f->stack.catalog), .then = ERR_CANCELLED};

    OK(make_table(&f->stack, "db", "a", &table, &f->arena, &f->err));
    call.swap = (struct lake_swap){ident, table.metadata->uuid, table.location, "s3://warehouse/x"};
    assert_int_equal(meta_write_wait(f->stack.meta, join_fn, &call, &f->err), ERR_CANCELLED);
    OK(catalog_table_load(f->stack.catalog, &ident, &f->arena, &now, &f->err));
    assert_string_equal(now.location, table.location);
    catalog_table_deinit(&now);

    call.then = 0;
    call.swap.base_location = "s3://warehouse/old";
    assert_int_equal(meta_write_wait(f->stack.meta, join_fn, &call, &f->err), ERR_CONFLICT);
    call.swap.base_location = table.location;
    call.swap.uuid = "00000000-0000-0000-0000-000000000000";
    assert_int_equal(meta_write_wait(f->stack.meta, join_fn, &call, &f->err), ERR_CONFLICT);
    assert_non_null(strstr(f->err.text, "replaced"));
    call.swap.ident.name = "gone";
    assert_int_equal(meta_write_wait(f->stack.meta, join_fn, &call, &f->err), ERR_NOENT);
    catalog_table_deinit(&table);
}

static void every_change_is_in_the_log(void **state)
{
    struct fixture *f = *state;
    struct catalog_table table;
    struct catalog_commit_row *rows;
    size_t count;

    OK(make_table(&f->stack, "db", "a", &table, &f->arena, &f->err));
    OK(catalog_table_drop(f->stack.catalog, &(struct lake_ident){"db", "a"}, false, &f->err));
    OK(catalog_log(f->stack.catalog, 0, 10, &f->arena, &rows, &count, &f->err));
    assert_int_equal(count, 3);
    assert_non_null(strstr(rows[0].changes, "\"drop\""));
    assert_non_null(strstr(rows[1].changes, "\"create\""));
    assert_non_null(strstr(rows[1].changes, table.location));
    assert_non_null(strstr(rows[2].changes, "\"create-namespace\""));
    OK(catalog_log(f->stack.catalog, rows[1].seq, 10, &f->arena, &rows, &count, &f->err));
    assert_int_equal(count, 1);
    catalog_table_deinit(&table);
}

/* ---- text ---- */

static void the_text_cache_is_bounded_and_gives_the_same_bytes(void **state)
{
    struct text_cache *cache = NULL;
    struct buf out = {0};
    char key[32], text[1000];
    int rc, found = 0;

    (void)state;
    assert_int_equal(text_cache_new(&cache, 20000), 0);
    memset(text, 'x', sizeof(text));
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof(key), "key %d", i);
        text[0] = (char)i;
        text_cache_put(cache, key, "an older version", slice_of(text, 3)); /* gives way */
        text_cache_put(cache, key, "v", slice_of(text, sizeof(text)));
    }
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof(key), "key %d", i);
        buf_clear(&out);
        assert_false(text_cache_get(cache, key, "an older version", &out, &rc));
        if (!text_cache_get(cache, key, "v", &out, &rc))
            continue;
        assert_int_equal(rc, 0);
        assert_int_equal(out.len, sizeof(text));
        assert_int_equal(out.ptr[0], i);
        found++;
    }
    assert_true(found > 10 && found < 20);
    assert_true(text_cache_get(cache, "key 99", "v", &out, &rc));
    assert_false(text_cache_get(cache, "key 0", "v", &out, &rc));
    buf_deinit(&out);
    text_cache_free(cache);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(namespaces_nest_and_refuse_to_go_while_full),
        TEST(names_that_make_no_sense_are_refused),
        TEST(listing_goes_page_by_page),
        TEST(properties_are_set_and_removed_and_missed),
        TEST(a_table_lives_through_create_rename_restart_and_drop),
        TEST(a_folder_that_holds_files_is_not_given_to_another_table),
        TEST(a_staged_table_is_nowhere_until_it_is_committed),
        TEST(a_dropped_table_can_be_registered_again),
        TEST(a_purge_takes_all_files_and_survives_a_restart),
        TEST(requirements_decide_whether_a_commit_still_makes_sense),
        TEST(metadata_is_compressed_where_the_table_asks_for_it),
        TEST(a_commit_of_several_tables_is_all_or_nothing),
        TEST(commits_at_the_same_time_lose_none),
        TEST(a_swap_is_part_of_the_transaction_it_joins),
        TEST(every_change_is_in_the_log),
        cmocka_unit_test(the_text_cache_is_bounded_and_gives_the_same_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
