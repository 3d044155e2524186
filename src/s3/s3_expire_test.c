/* s3_expire_test.c - lifecycle rules under a clock moved by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "s3/s3_lifecycle.h"
#include "s3/s3_upload.h"

#define DAY_NS (INT64_C(24) * 3600 * 1000000000)

struct fixture {
    struct s3_server *server;
    struct store *store;
    struct clock_fake clock; /* the server's; files have the machine's time */
    char dir[64];
};

static int set_up(void **state)
{
    struct fixture *fix = calloc(1, sizeof(*fix));
    const struct s3_credential credential = {"admin", "password", NULL};
    struct store_local_options local = {
        .dir = fix->dir, .disk = disk_system(), .clock = clock_system()};
    struct s3_options options = {
        .clock = &fix->clock.clock, .credentials = &credential, .credential_count = 1};

    snprintf(fix->dir, sizeof(fix->dir), "/tmp/s3_expire_test.%d", (int)getpid());
    disk_remove_tree(disk_system(), fix->dir, NULL);
    clock_fake_init(&fix->clock, clock_wall_us(clock_system()));
    assert_int_equal(store_local_new(&fix->store, &local, NULL), 0);
    assert_int_equal(fix->store->ops->bucket_make(fix->store, "lake", NULL), 0);
    options.store = fix->store;
    assert_int_equal(s3_server_new(&fix->server, &options, NULL), 0);
    *state = fix;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fix = *state;

    s3_server_free(fix->server);
    store_free(fix->store);
    disk_remove_tree(disk_system(), fix->dir, NULL);
    free(fix);
    return 0;
}

static void put(struct fixture *fix, const char *key, const char *tags)
{
    const struct store_put_options options = {.content_type = "text/plain", .tags = tags};

    assert_int_equal(
        fix->store->ops->put(fix->store, "lake", key, SLICE_LIT("text"), &options, NULL, NULL), 0);
}

static void rules(struct fixture *fix, const char *xml)
{
    struct arena arena = {0};
    struct err err = {0};
    const char *text =
        arena_printf(&arena, "<LifecycleConfiguration>%s</LifecycleConfiguration>", xml);
    const char *kept;

    if (s3_lifecycle_check(&arena, slice_str(text), &kept, &err))
        fail_msg("%s", err.text);
    assert_int_equal(
        fix->store->ops->versions->setting_put(fix->store, "lake", "lifecycle", kept, NULL), 0);
    arena_deinit(&arena);
}

/* So many days later; rules count from the midnight after. */
static void pass(struct fixture *fix, int days)
{
    clock_fake_advance(&fix->clock, days * DAY_NS);
    s3_lifecycle_run(fix->server);
}

static size_t count(struct fixture *fix)
{
    struct arena arena = {0};
    struct store_list list;

    assert_int_equal(
        fix->store->ops->list(fix->store, "lake", "", "", "", 1000, &arena, &list, NULL), 0);
    arena_deinit(&arena);
    return list.count;
}

static size_t count_versions(struct fixture *fix)
{
    struct arena arena = {0};
    struct store_version_list list;

    assert_int_equal(fix->store->ops->versions->list(fix->store, "lake", "", "", "", NULL, 1000,
                                                     &arena, &list, NULL),
                     0);
    arena_deinit(&arena);
    return list.count;
}

static bool is_there(struct fixture *fix, const char *key)
{
    struct store_info info;

    return fix->store->ops->head(fix->store, "lake", key, &info, NULL) == 0;
}

static void objects_go_by_age_prefix_tag_and_size(void **state)
{
    struct fixture *fix = *state;

    put(fix, "tmp/1", NULL);
    put(fix, "keep/1", NULL);
    put(fix, "keep/tagged", "{\"temp\":\"yes\"}");
    put(fix, "keep/other", "{\"temp\":\"no\"}");
    rules(fix, "<Rule><ID>a</ID><Status>Enabled</Status><Filter><Prefix>tmp/</Prefix></Filter>"
               "<Expiration><Days>3</Days></Expiration></Rule>"
               "<Rule><ID>b</ID><Status>Enabled</Status><Filter><Tag><Key>temp</Key>"
               "<Value>yes</Value></Tag></Filter><Expiration><Days>1</Days></Expiration></Rule>"
               "<Rule><ID>c</ID><Status>Enabled</Status><Filter><ObjectSizeGreaterThan>4"
               "</ObjectSizeGreaterThan></Filter><Expiration><Days>1</Days></Expiration></Rule>"
               "<Rule><ID>d</ID><Status>Disabled</Status><Filter/>"
               "<Expiration><Days>1</Days></Expiration></Rule>");
    pass(fix, 1);
    assert_int_equal(count(fix), 4); /* not before midnight */
    pass(fix, 1);
    assert_int_equal(count(fix), 3);
    assert_false(is_there(fix, "keep/tagged"));
    assert_true(is_there(fix, "tmp/1"));
    pass(fix, 2);
    assert_int_equal(count(fix), 2);
    assert_false(is_there(fix, "tmp/1"));
    pass(fix, 1000);
    assert_int_equal(count(fix), 2);
}

static void many_objects_go_in_one_round(void **state)
{
    struct fixture *fix = *state;
    char key[40];

    for (int i = 0; i < 1203; i++) { /* more than two pages of the walk */
        snprintf(key, sizeof(key), "%s/%04d", i % 2 ? "tmp" : "keep", i);
        put(fix, key, NULL);
    }
    rules(fix, "<Rule><ID>a</ID><Status>Enabled</Status><Prefix>tmp/</Prefix>"
               "<Expiration><Days>1</Days></Expiration></Rule>");
    pass(fix, 3);
    assert_int_equal(fix->store->ops->bucket_check(fix->store, "lake", NULL), 0);
    assert_int_equal(count(fix), 602);
}

static void old_versions_go_but_the_newest_of_them(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(
        fix->store->ops->versions->versioning_put(fix->store, "lake", STORE_VERSIONED, NULL), 0);
    for (int i = 0; i < 5; i++)
        put(fix, "k", NULL);
    put(fix, "deleted", NULL);
    assert_int_equal(fix->store->ops->remove(fix->store, "lake", "deleted", NULL), 0);
    assert_int_equal(count_versions(fix), 7);
    rules(fix, "<Rule><ID>a</ID><Status>Enabled</Status><Filter/><NoncurrentVersionExpiration>"
               "<NoncurrentDays>2</NoncurrentDays><NewerNoncurrentVersions>1"
               "</NewerNoncurrentVersions></NoncurrentVersionExpiration></Rule>");
    pass(fix, 1);
    assert_int_equal(count_versions(fix), 7);
    pass(fix, 2);
    assert_int_equal(count_versions(fix), 4); /* k and one before, "deleted" and its marker */
    assert_true(is_there(fix, "k"));
    rules(fix,
          "<Rule><ID>a</ID><Status>Enabled</Status><Filter/><NoncurrentVersionExpiration>"
          "<NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>"
          "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"
          "</Rule>");
    pass(fix, 1);
    assert_int_equal(count_versions(fix), 1); /* the marker with nothing behind it went too */
    assert_true(is_there(fix, "k"));
}

static void expiry_leaves_a_marker_where_versions_are_kept(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(
        fix->store->ops->versions->versioning_put(fix->store, "lake", STORE_VERSIONED, NULL), 0);
    put(fix, "k", NULL);
    rules(fix, "<Rule><ID>a</ID><Status>Enabled</Status><Filter/><Expiration><Days>1</Days>"
               "</Expiration></Rule>");
    pass(fix, 2);
    assert_false(is_there(fix, "k"));
    assert_int_equal(count_versions(fix), 2);
    pass(fix, 2);
    assert_int_equal(count_versions(fix), 2); /* once */
}

static void uploads_are_given_up(void **state)
{
    struct fixture *fix = *state;
    struct arena arena = {0};
    const char *dir =
        arena_printf(&arena, "%s/uploads/0123456789abcdef0123456789abcdef", fix->store->staging);
    const char *path = arena_printf(&arena, "%s/upload.json", dir);
    const char *info =
        arena_printf(&arena, "{\"bucket\":\"lake\",\"key\":\"big\",\"started_us\":%" PRId64 "}",
                     clock_wall_us(&fix->clock.clock));

    assert_int_equal(disk_mkdirs(disk_system(), dir, NULL), 0);
    assert_int_equal(disk_write_file(disk_system(), path, slice_str(info), NULL), 0);
    rules(fix, "<Rule><ID>a</ID><Status>Enabled</Status><Filter><Prefix>bi</Prefix></Filter>"
               "<AbortIncompleteMultipartUpload><DaysAfterInitiation>2</DaysAfterInitiation>"
               "</AbortIncompleteMultipartUpload></Rule>");
    pass(fix, 1);
    assert_true(disk_exists(disk_system(), dir));
    pass(fix, 2);
    assert_false(disk_exists(disk_system(), dir));
    arena_deinit(&arena);
}

static void refuses_rules_it_would_not_obey(void **state)
{
    static const struct {
        const char *rule;
        int rc;
    } bad[] = {
        {"", ERR_CORRUPT},
        {"<Rule><Status>Enabled</Status></Rule>", ERR_CORRUPT},
        {"<Rule><Status>On</Status><Expiration><Days>1</Days></Expiration></Rule>", ERR_CORRUPT},
        {"<Rule><Status>Enabled</Status><Expiration><Days>0</Days></Expiration></Rule>",
         ERR_INVALID},
        {"<Rule><Status>Enabled</Status><Expiration><Days>x</Days></Expiration></Rule>",
         ERR_INVALID},
        {"<Rule><Status>Enabled</Status><Expiration><Date>2030-01-01T01:00:00Z</Date></Expiration>"
         "</Rule>",
         ERR_INVALID},
        {"<Rule><Status>Enabled</Status><Transition><Days>1</Days></Transition></Rule>",
         ERR_UNSUPPORTED},
        {"<Rule><ID>a</ID><Status>Enabled</Status><Expiration><Days>1</Days></Expiration></Rule>"
         "<Rule><ID>a</ID><Status>Enabled</Status><Expiration><Days>1</Days></Expiration></Rule>",
         ERR_INVALID},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct arena arena = {0};
        struct err err = {0};
        const char *kept,
            *text = arena_printf(&arena, "<LifecycleConfiguration>%s</LifecycleConfiguration>",
                                 bad[i].rule);

        if (s3_lifecycle_check(&arena, slice_str(text), &kept, &err) != bad[i].rc)
            fail_msg("%s: %s", bad[i].rule, err.text);
        arena_deinit(&arena);
    }
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(objects_go_by_age_prefix_tag_and_size),
        CLAIM(many_objects_go_in_one_round),
        CLAIM(old_versions_go_but_the_newest_of_them),
        CLAIM(expiry_leaves_a_marker_where_versions_are_kept),
        CLAIM(uploads_are_given_up),
        cmocka_unit_test(refuses_rules_it_would_not_obey),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
