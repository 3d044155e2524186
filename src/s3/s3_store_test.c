/* s3_store_test.c - the store's S3 client against our own S3 server, which may fail or lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "s3/s3.h"

struct fixture {
    struct store *local, *faulty, *remote;
    struct s3_server *server;
    struct clock_fake clock; /* the client's: its waits cost no time */
    char dir[64], far[80], near[80];
    _Atomic int fail_before, fail_after, calls; /* how many of the next calls fail */
    _Atomic int watched;                        /* which call counts, store_call */
};

static int fault(struct fixture *fix, enum store_call call, _Atomic int *left)
{
    if ((int)call != atomic_load(&fix->watched))
        return 0;
    atomic_fetch_add(&fix->calls, 1);
    if (atomic_load(left) <= 0)
        return 0;
    atomic_fetch_sub(left, 1);
    return ERR_IO;
}

static int before(void *arg, enum store_call call, const char *bucket, const char *key)
{
    (void)bucket;
    (void)key;
    return fault(arg, call, &((struct fixture *)arg)->fail_before);
}

static int after(void *arg, enum store_call call, const char *bucket, const char *key)
{
    (void)bucket;
    (void)key;
    return fault(arg, call, &((struct fixture *)arg)->fail_after);
}

static void no_sink(void *arg, enum diag_level level, const char *part, const char *line)
{
    (void)arg;
    (void)level;
    (void)part;
    (void)line;
}

static int set_up(void **state)
{
    struct fixture *fix = calloc(1, sizeof(*fix));
    struct store_local_options local = {NULL, disk_system(), clock_system()};
    const struct s3_credential credential = {"admin", "password"};
    struct s3_options server = {
        .clock = clock_system(), .credentials = &credential, .credential_count = 1};
    struct store_s3_options remote = {.access_key = "admin",
                                      .secret_key = "password",
                                      .path_style = true,
                                      .cache_bytes = 1000,
                                      .disk = disk_system(),
                                      .clock = &fix->clock.clock};
    char endpoint[64];
    struct err err = {0};

    diag_set_sink(no_sink, NULL); /* the failures on purpose are many */
    snprintf(fix->dir, sizeof(fix->dir), "/tmp/s3_store_test.%d", (int)getpid());
    snprintf(fix->far, sizeof(fix->far), "%s/far", fix->dir);
    snprintf(fix->near, sizeof(fix->near), "%s/near", fix->dir);
    disk_remove_tree(disk_system(), fix->dir, NULL);
    clock_fake_init(&fix->clock, clock_wall_us(clock_system()));
    fix->watched = -1;
    local.dir = fix->far;
    remote.dir = fix->near;
    if (store_local_new(&fix->local, &local, &err) ||
        store_fault_new(&fix->faulty, fix->local, before, after, fix, &err))
        fail_msg("%s", err.text);
    server.store = fix->faulty;
    if (s3_server_new(&fix->server, &server, &err))
        fail_msg("%s", err.text);
    snprintf(endpoint, sizeof(endpoint), "http://127.0.0.1:%d", s3_server_port(fix->server));
    remote.endpoint = endpoint;
    if (store_s3_new(&fix->remote, &remote, &err) ||
        fix->remote->ops->bucket_make(fix->remote, "lake", &err))
        fail_msg("%s", err.text);
    *state = fix;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fix = *state;

    store_free(fix->remote);
    s3_server_free(fix->server);
    store_free(fix->faulty);
    store_free(fix->local);
    disk_remove_tree(disk_system(), fix->dir, NULL);
    free(fix);
    return 0;
}

static void put(struct fixture *fix, const char *key, const char *text)
{
    struct err err = {0};

    if (fix->remote->ops->put(fix->remote, "lake", key, slice_str(text), NULL, NULL, &err))
        fail_msg("%s", err.text);
}

static void expect(struct fixture *fix, const char *key, int64_t pos, int64_t len, const char *text)
{
    struct buf got = {0};
    struct err err = {0};

    if (fix->remote->ops->get(fix->remote, "lake", key, pos, len, &got, &err))
        fail_msg("%s: %s", key, err.text);
    assert_string_equal(buf_cstr(&got), text);
    buf_deinit(&got);
}

static void does_what_the_local_store_does(void **state)
{
    struct fixture *fix = *state;
    struct store *store = fix->remote;
    struct store_put_options with = {.content_type = "text/csv",
                                     .user_metadata = "{\"x-amz-meta-a\":\"b\"}"};
    struct store_info info, put_info;
    struct arena arena = {0};
    struct buf got = {0};
    struct err err = {0};

    assert_int_equal(store->ops->put(store, "lake", "d/k +%&?#\xc3\xa9", SLICE_LIT("0123456789"),
                                     &with, &put_info, &err),
                     0);
    expect(fix, "d/k +%&?#\xc3\xa9", 0, -1, "0123456789");
    expect(fix, "d/k +%&?#\xc3\xa9", 3, 2, "34");
    expect(fix, "d/k +%&?#\xc3\xa9", 8, -1, "89");
    expect(fix, "d/k +%&?#\xc3\xa9", 10, -1, "");
    assert_int_equal(store->ops->get(store, "lake", "d/k +%&?#\xc3\xa9", 11, -1, &got, &err),
                     ERR_RANGE);
    assert_int_equal(store->ops->head(store, "lake", "d/k +%&?#\xc3\xa9", &info, &err), 0);
    assert_int_equal(info.size, 10);
    assert_string_equal(info.etag, "781e5e245d69b566979b86e28d23f2c7");
    assert_string_equal(put_info.etag, info.etag);
    assert_string_equal(info.content_type, "text/csv");
    assert_string_equal(info.metadata, "{\"x-amz-meta-a\":\"b\"}");
    assert_true(info.mtime_us > INT64_C(1600000000000000));
    assert_int_equal(store->ops->get(store, "lake", "none", 0, -1, &got, &err), ERR_NOENT);
    assert_non_null(strstr(err.text, "NoSuchKey"));
    assert_int_equal(got.len, 0);
    assert_int_equal(store->ops->remove(store, "lake", "d/k +%&?#\xc3\xa9", &err), 0);
    assert_int_equal(store->ops->remove(store, "lake", "d/k +%&?#\xc3\xa9", &err), 0);
    assert_int_equal(store->ops->remove(store, "none", "k", &err), ERR_NOENT);
    assert_int_equal(store->ops->put(store, "none", "k", SLICE_LIT(""), NULL, NULL, &err),
                     ERR_NOENT);
    assert_int_equal(store->ops->bucket_make(store, "lake", &err), ERR_EXISTS);
    assert_int_equal(store->ops->bucket_check(store, "none", &err), ERR_NOENT);
    assert_int_equal(store->ops->bucket_check(store, "lake", &err), 0);
    put(fix, "x", "");
    assert_int_equal(store->ops->bucket_remove(store, "lake", &err), ERR_CONFLICT);
    buf_deinit(&got);
    arena_deinit(&arena);
}

static const char *list(struct fixture *fix, const char *prefix, const char *delimiter,
                        const char *after_key, size_t max)
{
    static char text[4096];
    struct arena arena = {0};
    struct store_list out;
    struct err err = {0};
    size_t len = 0;

    text[0] = '\0';
    if (fix->remote->ops->list(fix->remote, "lake", prefix, delimiter, after_key, max, &arena, &out,
                               &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < out.count; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s,", out.entries[i].key);
    if (out.truncated)
        snprintf(text + len, sizeof(text) - len, "+");
    arena_deinit(&arena);
    return text;
}

static void lists_and_pages(void **state)
{
    struct fixture *fix = *state;
    const char *keys[] = {"a", "a/1", "a/2", "b c", "b/x", "z&<\x01>"};
    struct arena arena = {0};
    struct store_entry *buckets;
    size_t count;

    for (size_t i = 0; i < COUNT_OF(keys); i++)
        put(fix, keys[i], "v");
    assert_string_equal(list(fix, "", "", NULL, 100), "a,a/1,a/2,b c,b/x,z&<\x01>,");
    assert_string_equal(list(fix, NULL, "/", NULL, 100), "a,a/,b c,b/,z&<\x01>,");
    assert_string_equal(list(fix, "", "/", "a", 2), "a/,b c,+");
    assert_string_equal(list(fix, "", "/", "a/", 3), "b c,b/,z&<\x01>,");
    assert_string_equal(list(fix, "a/", "", NULL, 1), "a/1,+");
    for (int i = 0; i < 1100; i++) {
        char key[32];

        snprintf(key, sizeof(key), "many/%05d", i);
        assert_int_equal(
            fix->local->ops->put(fix->local, "lake", key, SLICE_LIT(""), NULL, NULL, NULL), 0);
    }
    {
        struct store_list out;

        assert_int_equal(fix->remote->ops->list(fix->remote, "lake", "many/", NULL, NULL, 5000,
                                                &arena, &out, NULL),
                         0);
        assert_int_equal(out.count, 1100);
        assert_string_equal(out.entries[1099].key, "many/01099");
        assert_false(out.truncated);
    }
    assert_int_equal(fix->remote->ops->bucket_list(fix->remote, &arena, &buckets, &count, NULL), 0);
    assert_int_equal(count, 1);
    assert_string_equal(buckets[0].key, "lake");
    arena_deinit(&arena);
}

static const char *stage(struct fixture *fix, int64_t size)
{
    static char path[200], piece[1 << 20];
    struct file *file = NULL;

    for (size_t i = 0; i < sizeof(piece); i++)
        piece[i] = (char)(i * 7 + i / 251);
    snprintf(path, sizeof(path), "%s/file", fix->remote->staging);
    assert_int_equal(
        disk_open(disk_system(), &file, path, DISK_WRITE | DISK_CREATE | DISK_TRUNCATE, NULL), 0);
    for (int64_t pos = 0; pos < size; pos += (int64_t)sizeof(piece)) {
        size_t len = size - pos < (int64_t)sizeof(piece) ? (size_t)(size - pos) : sizeof(piece);

        piece[0] = (char)(pos >> 20);
        assert_int_equal(file_pwrite(file, piece, len, pos, NULL), 0);
    }
    file_close(file);
    return path;
}

static void puts_large_files_in_parts(void **state)
{
    struct fixture *fix = *state;
    int64_t size = ((int64_t)64 << 20) + 12345;
    const char *path = stage(fix, size);
    struct buf sent = {0}, got = {0};
    struct store_info info;
    struct err err = {0};

    assert_int_equal(disk_read_file(disk_system(), path, &sent, NULL), 0);
    if (fix->remote->ops->put_file(fix->remote, "lake", "big", path, NULL, &info, &err))
        fail_msg("%s", err.text);
    assert_false(disk_exists(disk_system(), path));
    assert_int_equal(info.size, size);
    assert_non_null(strstr(info.etag, "-2"));
    assert_int_equal(fix->remote->ops->get(fix->remote, "lake", "big", 0, -1, &got, &err), 0);
    assert_true(slice_eq(buf_slice(&sent), buf_slice(&got)));
    /* Once more, and nobody hears how it ends: the server does it and answers 500 to the last. */
    path = stage(fix, size);
    fix->watched = STORE_PUT_FILE;
    fix->fail_after = 1000;
    fix->calls = 0;
    assert_int_equal(
        fix->remote->ops->put_file(fix->remote, "lake", "big", path, NULL, &info, &err), 0);
    assert_true(fix->calls > 0);
    assert_non_null(strstr(info.etag, "-2"));
    assert_int_equal(info.size, size);
    fix->fail_after = 0;
    buf_deinit(&sent);
    buf_deinit(&got);
}

static void tries_again_what_may_pass(void **state)
{
    struct fixture *fix = *state;

    put(fix, "k", "v");
    fix->watched = STORE_OPEN;
    fix->fail_before = 3;
    expect(fix, "k", 0, -1, "v");
    assert_int_equal(fix->fail_before, 0);
    fix->watched = STORE_PUT;
    fix->fail_before = 2;
    put(fix, "k", "v2");
    expect(fix, "k", 0, -1, "v2");
    fix->watched = STORE_HEAD;
    fix->calls = 0;
    assert_int_equal(
        fix->remote->ops->head(fix->remote, "lake", "none", &(struct store_info){0}, NULL),
        ERR_NOENT);
    assert_int_equal(fix->calls, 1); /* an answer is an answer */
}

/* The server does it and says 500. */
static void recognises_its_own_echo(void **state)
{
    struct fixture *fix = *state;
    struct store *store = fix->remote;
    struct store_put_options once = {.if_none_match = true};
    struct store_info info = {0};

    fix->watched = STORE_PUT;
    fix->fail_after = 1;
    assert_int_equal(store->ops->put(store, "lake", "k", SLICE_LIT("mine"), &once, &info, NULL), 0);
    assert_int_equal(info.size, 4);
    assert_int_equal(store->ops->put(store, "lake", "k", SLICE_LIT("mine"), &once, NULL, NULL),
                     ERR_EXISTS);
    fix->fail_after = 1;
    assert_int_equal(store->ops->put(store, "lake", "k", SLICE_LIT("other"), &once, NULL, NULL),
                     ERR_EXISTS);
    expect(fix, "k", 0, -1, "mine");
}

static void says_unknown_when_no_answer_comes(void **state)
{
    struct fixture *fix = *state;
    struct store *store = fix->remote;
    struct err err = {0};

    fix->watched = STORE_PUT;
    fix->fail_after = 100;
    assert_int_equal(store->ops->put(store, "lake", "k", SLICE_LIT("v"), NULL, NULL, &err),
                     ERR_UNKNOWN);
    fix->fail_after = 0;
    expect(fix, "k", 0, -1, "v");
    s3_server_free(fix->server); /* nobody there: surely not done */
    fix->server = NULL;
    assert_int_equal(store->ops->put(store, "lake", "k", SLICE_LIT("v"), NULL, NULL, &err), ERR_IO);
}

static const char *local_copy(struct fixture *fix, const char *key, struct arena *arena)
{
    struct err err = {0};
    const char *path;

    if (fix->remote->ops->local(fix->remote, "lake", key, arena, &path, &err))
        fail_msg("%s", err.text);
    return path;
}

static void keeps_copies_up_to_a_limit(void **state)
{
    struct fixture *fix = *state;
    static char text[401];
    const char *first, *again, *second, *third;
    struct arena arena = {0};
    struct store_info info;
    struct file *file = NULL;
    uint8_t byte;

    memset(text, 'x', 400);
    put(fix, "1", text);
    put(fix, "2", text);
    put(fix, "3", text);
    fix->watched = STORE_OPEN;
    first = local_copy(fix, "1", &arena);
    again = local_copy(fix, "1", &arena);
    assert_string_equal(first, again);
    assert_int_equal(fix->calls, 2); /* before and after one fetch */
    second = local_copy(fix, "2", &arena);
    third = local_copy(fix, "3", &arena); /* 1200 bytes, all held: the limit waits */
    assert_true(disk_exists(disk_system(), first));
    fix->remote->ops->local_release(fix->remote, second);
    assert_false(disk_exists(disk_system(), second));
    fix->remote->ops->local_release(fix->remote, first);
    assert_true(disk_exists(disk_system(), first)); /* held once more, and within the limit */
    fix->remote->ops->local_release(fix->remote, again);
    fix->remote->ops->local_release(fix->remote, third);
    put(fix, "1", "new"); /* another version is another copy */
    first = local_copy(fix, "1", &arena);
    assert_string_not_equal(first, again);
    fix->remote->ops->local_release(fix->remote, first);
    assert_int_equal(fix->remote->ops->open(fix->remote, "lake", "2", &info, &file, NULL), 0);
    assert_int_equal(info.size, 400);
    assert_int_equal(file_read_all(file, &byte, 1, 399, NULL), 0);
    file_close(file);
    arena_deinit(&arena);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(does_what_the_local_store_does), CLAIM(lists_and_pages),
        CLAIM(puts_large_files_in_parts),      CLAIM(tries_again_what_may_pass),
        CLAIM(recognises_its_own_echo),        CLAIM(says_unknown_when_no_answer_comes),
        CLAIM(keeps_copies_up_to_a_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
