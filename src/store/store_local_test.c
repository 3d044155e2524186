/* store_local_test.c */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/store.h"

struct fixture {
    struct store *store;
    char dir[64];
};

static void open_store(struct fixture *fix)
{
    const struct store_local_options options = {fix->dir, disk_system(), clock_system()};
    struct err err = {0};

    if (store_local_new(&fix->store, &options, &err))
        fail_msg("%s", err.text);
}

static int set_up(void **state)
{
    struct fixture *fix = calloc(1, sizeof(*fix));

    snprintf(fix->dir, sizeof(fix->dir), "/tmp/store_test.%d", (int)getpid());
    disk_remove_tree(disk_system(), fix->dir, NULL);
    open_store(fix);
    assert_int_equal(fix->store->ops->bucket_make(fix->store, "lake", NULL), 0);
    *state = fix;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fix = *state;

    store_free(fix->store);
    disk_remove_tree(disk_system(), fix->dir, NULL);
    free(fix);
    return 0;
}

static void put(struct fixture *fix, const char *key, const char *text)
{
    struct err err = {0};

    if (fix->store->ops->put(fix->store, "lake", key, slice_str(text), NULL, NULL, &err))
        fail_msg("%s", err.text);
}

static void expect(struct fixture *fix, const char *key, const char *text)
{
    struct buf got = {0};
    struct err err = {0};

    if (fix->store->ops->get(fix->store, "lake", key, 0, -1, &got, &err))
        fail_msg("%s: %s", key, err.text);
    assert_string_equal(buf_cstr(&got), text);
    buf_deinit(&got);
}

static void expect_none(struct fixture *fix, const char *key)
{
    struct buf got = {0};

    assert_int_equal(fix->store->ops->get(fix->store, "lake", key, 0, -1, &got, NULL), ERR_NOENT);
    buf_deinit(&got);
}

/* The listing as text: "a,b/,+" (a prefix keeps its slash, '+' says truncated). */
static const char *list(struct fixture *fix, const char *prefix, const char *delimiter,
                        const char *after, size_t max)
{
    static char text[65536];
    struct arena arena = {0};
    struct store_list out;
    struct err err = {0};
    size_t len = 0;

    text[0] = '\0';
    if (fix->store->ops->list(fix->store, "lake", prefix, delimiter, after, max, &arena, &out,
                              &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < out.count; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s,", out.entries[i].key);
    if (out.truncated)
        snprintf(text + len, sizeof(text) - len, "+");
    arena_deinit(&arena);
    return text;
}

static void keeps_ordinary_keys_as_plain_paths(void **state)
{
    struct fixture *fix = *state;
    char path[200];

    put(fix, "db/table/data/dt=2024-01-01/part-0.parquet", "rows");
    snprintf(path, sizeof(path), "%s/objects/lake/db/table/data/dt=2024-01-01/part-0.parquet",
             fix->dir);
    assert_true(disk_exists(disk_system(), path));
    expect(fix, "db/table/data/dt=2024-01-01/part-0.parquet", "rows");
}

/* One key per page: order and continuation agree. */
static void expect_ascending_pages(struct fixture *fix, size_t count)
{
    char last[1100] = "", next[1100];

    for (size_t i = 0; i < count; i++) {
        const char *page = list(fix, "", "", last, 1);

        snprintf(next, sizeof(next), "%.*s", (int)strcspn(page, ","), page);
        assert_true(strcmp(last, next) < 0);
        assert_true((page[strlen(page) - 1] == '+') == (i + 1 < count));
        memcpy(last, next, sizeof(last));
    }
}

/* Goal: any key holds its own bytes and comes back from a listing as it went in, in bytewise order.
 * Method: keys that a file system cannot hold or that collide with each other's folders. */
static void keeps_odd_keys_apart(void **state)
{
    static char longest[1025], long_a[700], long_b[700];
    const char *keys[] = {"a",        "a/b",    "a/",       "a//b",  "a/b/c",    "/",     "//",
                          "/x",       ".",      "..",       "../..", "a/..",     "a/.",   "%",
                          "%2F",      "%nil",   "a%dir",    "a%obj", "x%+",      "x",     "x%+/y",
                          "\x01\x7f", "sp ace", "\xff\xfe", "a+b",   "\xc3\xa9", "q?#&=", "a\\b",
                          long_a,     long_b,   longest,    "a.txt"};
    struct fixture *fix = *state;
    const char *at;

    memset(long_a, 'A', 650);
    memset(long_b, 'A', 300);
    long_b[250] = 'B';
    memset(longest, '.', 1024);
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        put(fix, keys[i], keys[i]);
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        expect(fix, keys[i], keys[i]);
    at = list(fix, "", "", "", 1000);
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        char entry[1100];

        snprintf(entry, sizeof(entry), "%s,", keys[i]);
        assert_non_null(strstr(at, entry));
    }
    expect_ascending_pages(fix, COUNT_OF(keys));
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        assert_int_equal(fix->store->ops->remove(fix->store, "lake", keys[i], NULL), 0);
        expect_none(fix, keys[i]);
        for (size_t j = i + 1; j < COUNT_OF(keys); j++)
            expect(fix, keys[j], keys[j]);
    }
    assert_int_equal(fix->store->ops->bucket_remove(fix->store, "lake", NULL), 0);
}

/* An object and a folder of one name, in every order of coming and going. */
static void keeps_an_object_beside_a_folder_of_its_name(void **state)
{
    struct fixture *fix = *state;

    put(fix, "n", "object");
    put(fix, "n/1", "one");
    fix->store->ops->remove(fix->store, "lake", "n", NULL);
    put(fix, "n/2", "two"); /* the folder keeps the form it has */
    put(fix, "n", "again");
    expect(fix, "n", "again");
    expect(fix, "n/1", "one");
    expect(fix, "n/2", "two");
    assert_string_equal(list(fix, "", "/", "", 10), "n,n/,");
    assert_string_equal(list(fix, "n/", "", "", 10), "n/1,n/2,");
    fix->store->ops->remove(fix->store, "lake", "n/1", NULL);
    fix->store->ops->remove(fix->store, "lake", "n/2", NULL);
    put(fix, "n/3", "three");
    expect(fix, "n", "again");
    fix->store->ops->remove(fix->store, "lake", "n", NULL);
    fix->store->ops->remove(fix->store, "lake", "n/3", NULL);
    assert_string_equal(list(fix, "", "", "", 10), "");
}

static void lists_sorted_with_prefix_delimiter_and_pages(void **state)
{
    struct fixture *fix = *state;
    const char *keys[] = {"a",  "a-b",   "a/1",   "a/2", "a/sub/x",
                          "a0", "b/c/d", "b/c/e", "b/f", "photos/2024/jan.jpg"};

    for (size_t i = 0; i < COUNT_OF(keys); i++)
        put(fix, keys[i], "");
    assert_string_equal(list(fix, "", "", "", 100),
                        "a,a-b,a/1,a/2,a/sub/x,a0,b/c/d,b/c/e,b/f,photos/2024/jan.jpg,");
    assert_string_equal(list(fix, "", "/", "", 100), "a,a-b,a/,a0,b/,photos/,");
    assert_string_equal(list(fix, "a/", "/", "", 100), "a/1,a/2,a/sub/,");
    assert_string_equal(list(fix, "a", "", "", 100), "a,a-b,a/1,a/2,a/sub/x,a0,");
    assert_string_equal(list(fix, "b/c", "/", "", 100), "b/c/,");
    assert_string_equal(list(fix, "", "/", "a/", 100), "a0,b/,photos/,");
    assert_string_equal(list(fix, "", "/", "a-b", 2), "a/,a0,+");
    assert_string_equal(list(fix, "", "", "a/2", 2), "a/sub/x,a0,+");
    assert_string_equal(list(fix, "", "/2", "", 100), "a,a-b,a/1,a/2,a/sub/x,a0,b/c/d,b/c/e,b/f,"
                                                      "photos/2,");
    assert_string_equal(list(fix, "nothing/here", "", "", 100), "");
    assert_string_equal(list(fix, "b/f/", "", "", 100), "");
}

/* Goal: a page never shows an older state than the one its call began in. Method: pages of a large
 * folder, with keys that come and go between them, by us and by somebody else. */
static void pages_see_every_change(void **state)
{
    struct fixture *fix = *state;
    char key[32], path[200];

    for (int i = 0; i < 400; i++) {
        snprintf(key, sizeof(key), "p/%03d", i);
        put(fix, key, "");
    }
    assert_string_equal(list(fix, "p/", "", "p/100", 2), "p/101,p/102,+");
    put(fix, "p/1025", "");
    put(fix, "p/1025/x", "");
    assert_string_equal(list(fix, "p/", "", "p/102", 3), "p/1025,p/1025/x,p/103,+");
    fix->store->ops->remove(fix->store, "lake", "p/103", NULL);
    assert_string_equal(list(fix, "p/", "/", "p/1025", 2), "p/1025/,p/104,+");
    snprintf(path, sizeof(path), "%s/objects/lake/p/105", fix->dir);
    usleep(20000); /* longer than a step of the file system's clock */
    assert_int_equal(unlink(path), 0);
    assert_string_equal(list(fix, "p/", "", "p/104", 1), "p/106,+");
    assert_string_equal(list(fix, "p/39", "", "", 100),
                        "p/390,p/391,p/392,p/393,p/394,p/395,p/396,p/397,p/398,p/399,");
    assert_string_equal(list(fix, "p/39", "", "p/398", 100), "p/399,");
    assert_string_equal(list(fix, "p/", "", "p/399", 100), "");
}

static void keeps_conditions(void **state)
{
    struct fixture *fix = *state;
    struct store *store = fix->store;
    struct store_put_options once = {.if_none_match = true}, swap = {0};
    struct store_info info, other;

    assert_int_equal(store->ops->put(store, "lake", "k", SLICE_LIT("1"), &once, &info, NULL), 0);
    assert_int_equal(store->ops->put(store, "lake", "k", SLICE_LIT("2"), &once, &other, NULL),
                     ERR_EXISTS);
    expect(fix, "k", "1");
    swap.if_match = info.etag;
    assert_int_equal(store->ops->put(store, "lake", "k", SLICE_LIT("3"), &swap, &other, NULL), 0);
    assert_int_equal(store->ops->put(store, "lake", "k", SLICE_LIT("4"), &swap, NULL, NULL),
                     ERR_CONFLICT);
    expect(fix, "k", "3");
    swap.if_match = "*";
    assert_int_equal(store->ops->put(store, "lake", "none", SLICE_LIT("4"), &swap, NULL, NULL),
                     ERR_NOENT);
}

/* Versions of equal length in quick succession still have etags of their own. */
static void tells_versions_apart(void **state)
{
    struct fixture *fix = *state;
    struct store_info before = {0}, after;

    for (int i = 0; i < 10; i++) {
        char text[2] = {(char)('0' + i), 0};

        assert_int_equal(
            fix->store->ops->put(fix->store, "lake", "k", slice_str(text), NULL, &after, NULL), 0);
        assert_string_not_equal(before.etag, after.etag);
        before = after;
        assert_int_equal(fix->store->ops->head(fix->store, "lake", "k", &after, NULL), 0);
        assert_string_equal(before.etag, after.etag);
    }
}

static void keeps_attributes_with_the_version_they_came_with(void **state)
{
    struct fixture *fix = *state;
    struct store *store = fix->store;
    struct store_put_options with = {.content_type = "text/csv",
                                     .etag = "0123456789abcdef0123456789abcdef",
                                     .user_metadata = "{\"x-amz-meta-a\":\"b\"}"};
    struct store_info info;

    assert_int_equal(store->ops->put(store, "lake", "d/k", SLICE_LIT("1"), &with, NULL, NULL), 0);
    store_free(store);
    open_store(fix);
    store = fix->store;
    assert_int_equal(store->ops->head(store, "lake", "d/k", &info, NULL), 0);
    assert_string_equal(info.content_type, "text/csv");
    assert_string_equal(info.etag, with.etag);
    assert_string_equal(info.metadata, with.user_metadata);
    put(fix, "d/k", "2");
    assert_int_equal(store->ops->head(store, "lake", "d/k", &info, NULL), 0);
    assert_string_equal(info.content_type, "");
    assert_string_not_equal(info.etag, with.etag);
}

/* Goal: a small object carries its own record; when its tags change the record moves beside it, and
 * nothing brings the old one back, not even the journal. */
static void changes_the_tags_of_a_small_object(void **state)
{
    struct fixture *fix = *state;
    const struct store_put_options options = {.etag = "0123456789abcdef0123456789abcdef",
                                              .content_type = "text/x",
                                              .tags = "{\"a\":\"1\"}"};
    struct store_info info;
    struct buf tags = {0};

    assert_int_equal(
        fix->store->ops->put(fix->store, "lake", "k", SLICE_LIT("bytes"), &options, &info, NULL),
        0);
    assert_int_equal(info.tag_count, 1);
    assert_int_equal(fix->store->ops->versions->tags_put(fix->store, "lake", "k", NULL,
                                                         "{\"b\":\"2\",\"c\":\"3\"}", &info, NULL),
                     0);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(fix->store->ops->head(fix->store, "lake", "k", &info, NULL), 0);
        assert_int_equal(info.tag_count, 2);
        assert_string_equal(info.etag, options.etag);
        assert_string_equal(info.content_type, "text/x");
        store_free(fix->store);
        open_store(fix);
    }
    assert_int_equal(
        fix->store->ops->versions->tags_get(fix->store, "lake", "k", NULL, &info, &tags, NULL), 0);
    assert_non_null(strstr(buf_cstr(&tags), "\"c\""));
    buf_deinit(&tags);
    put(fix, "k", "other");
    assert_int_equal(fix->store->ops->head(fix->store, "lake", "k", &info, NULL), 0);
    assert_int_equal(info.tag_count, 0);
    assert_string_equal(info.content_type, "");
}

static void moves_a_staged_file_into_place(void **state)
{
    struct fixture *fix = *state;
    struct store *store = fix->store;
    struct store_info info;
    struct file *file = NULL;
    char path[200];
    uint8_t text[3];

    snprintf(path, sizeof(path), "%s/x.parquet", store->staging);
    assert_int_equal(disk_write_file(disk_system(), path, SLICE_LIT("abc"), NULL), 0);
    assert_int_equal(store->ops->put_file(store, "lake", "t/x", path, NULL, &info, NULL), 0);
    assert_int_equal(info.size, 3);
    assert_false(disk_exists(disk_system(), path));
    assert_int_equal(store->ops->open(store, "lake", "t/x", &info, &file, NULL), 0);
    put(fix, "t/x", "newer");
    assert_int_equal(file_read_all(file, text, 3, 0, NULL), 0);
    assert_memory_equal(text, "abc", 3);
    file_close(file);
}

static size_t files_in(struct fixture *fix, const char *below)
{
    struct arena arena = {0};
    struct disk_entry *entries;
    size_t count = 0, files = 0;
    char dir[200];

    snprintf(dir, sizeof(dir), "%s/%s", fix->dir, below);
    if (disk_list(disk_system(), dir, &arena, &entries, &count, NULL))
        count = 0;
    for (size_t i = 0; i < count; i++)
        files += !entries[i].is_dir;
    arena_deinit(&arena);
    return files;
}

/* Goal: a large object has its attributes in one file with its bytes, what it replaces is gone in
 * the end, and what was beside that counts no more. Method: tags put a record beside the first. */
static void keeps_the_attributes_of_a_large_object_with_it(void **state)
{
    struct fixture *fix = *state;
    struct store *store = fix->store;
    static uint8_t bytes[2 << 20];
    struct store_put_options options = {.etag = "first", .content_type = "text/plain"};
    struct store_info info;

    assert_int_equal(store->ops->put(store, "lake", "big", slice_of(bytes, sizeof(bytes)), &options,
                                     &info, NULL),
                     0);
    assert_string_equal(info.etag, "first");
    assert_int_equal(files_in(fix, "attrs/lake"), 0);
    assert_int_equal(
        store->ops->versions->tags_put(store, "lake", "big", NULL, "{\"a\":\"b\"}", &info, NULL),
        0);
    assert_int_equal(files_in(fix, "attrs/lake"), 1);
    options.etag = "second";
    assert_int_equal(store->ops->put(store, "lake", "big", slice_of(bytes, sizeof(bytes) - 1),
                                     &options, &info, NULL),
                     0);
    assert_int_equal(files_in(fix, "attrs/lake"), 0);
    assert_int_equal(store->ops->head(store, "lake", "big", &info, NULL), 0);
    assert_string_equal(info.etag, "second");
    assert_string_equal(info.content_type, "text/plain");
    assert_int_equal(info.size, sizeof(bytes) - 1);
    assert_int_equal(info.tag_count, 0);
    store_free(fix->store); /* waits for what is removed behind the answer */
    assert_int_equal(files_in(fix, "staging"), 0);
    open_store(fix);
    assert_int_equal(fix->store->ops->head(fix->store, "lake", "big", &info, NULL), 0);
    assert_string_equal(info.etag, "second");
}

/* Goal: a large object put where one was removed a moment ago stays, whatever the journal holds of
 * its key. Method: removed by the journal, put past it, and the store opened anew. */
static void a_removal_in_the_journal_spares_what_comes_after(void **state)
{
    struct fixture *fix = *state;
    static uint8_t bytes[100 << 10];
    struct store_info info;

    for (int round = 0; round < 2; round++) {
        const struct store_ops *ops = fix->store->ops;

        assert_int_equal(
            ops->put(fix->store, "lake", "a/big", slice_of(bytes, sizeof(bytes)), NULL, NULL, NULL),
            0);
        if (round == 0)
            assert_int_equal(ops->remove(fix->store, "lake", "a/big", NULL), 0);
    }
    store_free(fix->store);
    open_store(fix);
    assert_int_equal(fix->store->ops->head(fix->store, "lake", "a/big", &info, NULL), 0);
    assert_int_equal(info.size, sizeof(bytes));
}

static void refuses_bad_names_and_missing_buckets(void **state)
{
    struct fixture *fix = *state;
    struct store *store = fix->store;
    static char key[1100];
    struct buf out = {0};

    memset(key, 'k', 1025);
    assert_int_equal(store->ops->put(store, "lake", "", SLICE_LIT(""), NULL, NULL, NULL),
                     ERR_INVALID);
    assert_int_equal(store->ops->put(store, "lake", key, SLICE_LIT(""), NULL, NULL, NULL),
                     ERR_LIMIT);
    assert_int_equal(store->ops->put(store, "none", "k", SLICE_LIT(""), NULL, NULL, NULL),
                     ERR_NOENT);
    assert_int_equal(store->ops->put(store, "../x", "k", SLICE_LIT(""), NULL, NULL, NULL),
                     ERR_INVALID);
    assert_int_equal(store->ops->bucket_make(store, "..", NULL), ERR_INVALID);
    assert_int_equal(store->ops->bucket_make(store, "lake", NULL), ERR_EXISTS);
    assert_int_equal(store->ops->bucket_remove(store, "none", NULL), ERR_NOENT);
    put(fix, "a/b", "x");
    assert_int_equal(store->ops->bucket_remove(store, "lake", NULL), ERR_CONFLICT);
    assert_int_equal(store->ops->get(store, "lake", "a/b", 2, -1, &out, NULL), ERR_RANGE);
    assert_int_equal(store->ops->remove(store, "lake", "none", NULL), 0);
    expect_none(fix, "a");
    buf_deinit(&out);
}

static void splits_locations(void **state)
{
    static const char *const bad[] = {"", "s3:/x/y", "s3://", "s3:///k", "http://b/k", "/b/k"};
    struct arena arena = {0};
    const char *bucket, *key;

    (void)state;
    assert_int_equal(store_split("s3a://lake/a/b//c", &arena, &bucket, &key, NULL), 0);
    assert_string_equal(bucket, "lake");
    assert_string_equal(key, "a/b//c");
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(store_split(bad[i], &arena, &bucket, &key, NULL), ERR_INVALID);
    arena_deinit(&arena);
}

static int lie(void *arg, enum store_call call, const char *bucket, const char *key)
{
    (void)bucket;
    (void)key;
    return call == STORE_PUT ? *(int *)arg : 0;
}

static void lies_on_purpose_after_the_deed(void **state)
{
    struct fixture *fix = *state;
    struct store *liar = NULL;
    int rc = ERR_UNKNOWN;

    assert_int_equal(store_fault_new(&liar, fix->store, NULL, lie, &rc, NULL), 0);
    assert_int_equal(store_put_at(liar, "s3://lake/k", SLICE_LIT("done"), NULL), ERR_UNKNOWN);
    expect(fix, "k", "done");
    store_free(liar);
}

/* Goal: threads that make, replace and remove objects and folders of the same names neither lose an
 * object nor fail. Method: each thread owns some keys and knows what they must hold. */
struct crowd {
    struct fixture *fix;
    int thread;
    const char *failed;
};

static const char *const crowd_keys[] = {
    "n",   "n/1",  "n/1/x", "n/1/x/y", "n/1/x/y/z", "n/2", "n/2/x", "m",   "m/",
    "m/1", "m/1/", "m//1",  "m/1/x",   "n/1/x/w",   "n/",  "n/2/",  "m/2", "n/1/",
};

/* Gives what failed, or NULL. */
static const char *crowd_step(struct crowd *crowd, struct rng *rng, int round, char held[][32])
{
    struct store *store = crowd->fix->store;
    struct store_put_options with = {.content_type = round % 3 ? NULL : "a/b"};
    size_t at = (size_t)crowd->thread + 6 * rng_below(rng, COUNT_OF(crowd_keys) / 6);
    struct buf got = {0};
    bool right;
    int rc;

    if (rng_below(rng, 3) == 0) {
        if (store->ops->remove(store, "lake", crowd_keys[at], NULL))
            return "remove";
        held[at][0] = '\0';
    } else {
        snprintf(held[at], 32, "%d of %d", round, crowd->thread);
        if (store->ops->put(store, "lake", crowd_keys[at], slice_str(held[at]), &with, NULL, NULL))
            return "put";
    }
    at = (size_t)crowd->thread + 6 * rng_below(rng, COUNT_OF(crowd_keys) / 6);
    rc = store->ops->get(store, "lake", crowd_keys[at], 0, -1, &got, NULL);
    right = held[at][0] ? rc == 0 && slice_is(buf_slice(&got), held[at]) : rc == ERR_NOENT;
    buf_deinit(&got);
    return right ? NULL : "get";
}

static void *crowd_run(void *arg)
{
    struct crowd *crowd = arg;
    char held[COUNT_OF(crowd_keys)][32] = {{0}};
    struct rng rng;

    rng_init(&rng, (uint64_t)crowd->thread);
    for (int round = 0; round < 200 && !crowd->failed; round++)
        crowd->failed = crowd_step(crowd, &rng, round, held);
    return NULL;
}

static void serves_many_threads(void **state)
{
    pthread_t threads[6];
    struct crowd crowd[6];

    for (int i = 0; i < 6; i++) {
        crowd[i] = (struct crowd){*state, i, NULL};
        assert_int_equal(pthread_create(&threads[i], NULL, crowd_run, &crowd[i]), 0);
    }
    for (int i = 0; i < 6; i++) {
        pthread_join(threads[i], NULL);
        if (crowd[i].failed)
            fail_msg("thread %d: %s", i, crowd[i].failed);
    }
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(keeps_ordinary_keys_as_plain_paths),
        CLAIM(keeps_odd_keys_apart),
        CLAIM(keeps_an_object_beside_a_folder_of_its_name),
        CLAIM(lists_sorted_with_prefix_delimiter_and_pages),
        CLAIM(pages_see_every_change),
        CLAIM(keeps_conditions),
        CLAIM(tells_versions_apart),
        CLAIM(keeps_attributes_with_the_version_they_came_with),
        CLAIM(changes_the_tags_of_a_small_object),
        CLAIM(moves_a_staged_file_into_place),
        CLAIM(keeps_the_attributes_of_a_large_object_with_it),
        CLAIM(a_removal_in_the_journal_spares_what_comes_after),
        CLAIM(refuses_bad_names_and_missing_buckets),
        CLAIM(serves_many_threads),
        CLAIM(splits_locations),
        CLAIM(lies_on_purpose_after_the_deed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
