/* meta_test.c - what the metadata store promises, on the machine's disk. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/disk_sim.h"
#include "meta/meta_int.h"

static const struct meta_migration steps_one[] = {
    {"shop", 1, "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT UNIQUE, data BLOB)"},
    {NULL, 0, NULL},
};
static const struct meta_migration steps_two[] = {
    {"shop", 1, "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT UNIQUE, data BLOB)"},
    {"shop", 2, "ALTER TABLE item ADD COLUMN price REAL; CREATE INDEX item_price ON item (price)"},
    {NULL, 0, NULL},
};
static const struct meta_migration *const one[] = {steps_one, NULL};
static const struct meta_migration *const two[] = {steps_two, NULL};

struct fixture {
    char dir[64], path[96];
    struct disk *disk; /* the machine's, unless a test takes another */
    struct meta *meta;
};

static int open_with(struct fixture *f, const struct meta_migration *const *lists, struct err *err)
{
    struct meta_options options = {.path = f->path,
                                   .disk = f->disk,
                                   .clock = clock_system(),
                                   .migrations = lists};

    meta_free(f->meta);
    f->meta = NULL;
    return meta_new(&f->meta, &options, err);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->disk = disk_system();
    strcpy(f->dir, "/tmp/meta_test.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/meta.db", f->dir);
    assert_int_equal(open_with(f, one, NULL), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    meta_free(f->meta);
    disk_remove_tree(disk_system(), f->dir, NULL);
    free(f);
    return 0;
}

static int add_item(struct meta_txn *txn, void *arg, struct err *err)
{
    return meta_exec(txn, err, "INSERT INTO item (name) VALUES (?)", "s", (const char *)arg);
}

static int count_items(struct meta_txn *txn, void *arg, struct err *err)
{
    struct meta_stmt *stmt = NULL;
    int rc = meta_query(txn, &stmt, err, "SELECT count(*) FROM item", "");

    if (!rc && meta_next(stmt, err, &rc))
        *(int64_t *)arg = meta_i64(stmt, 0);
    meta_done(stmt);
    return rc;
}

static int64_t items(struct meta *meta)
{
    int64_t count = -1;

    assert_int_equal(meta_read(meta, count_items, &count, NULL), 0);
    return count;
}

static void keeps_what_was_written_across_a_restart(void **state)
{
    struct fixture *f = *state;
    int64_t epoch = meta_epoch(f->meta);

    assert_int_equal(meta_write_wait(f->meta, add_item, (void *)"a", NULL), 0);
    assert_int_equal(items(f->meta), 1);
    assert_int_equal(open_with(f, one, NULL), 0);
    assert_int_equal(items(f->meta), 1);
    assert_int_equal(meta_epoch(f->meta), epoch + 1);
    assert_int_equal(meta_check(f->meta, NULL), 0);
}

static int add_then_fail(struct meta_txn *txn, void *arg, struct err *err)
{
    int rc = add_item(txn, arg, err);

    return rc ? rc : err_set(err, ERR_CONFLICT, "changed my mind");
}

static void a_failed_transaction_leaves_nothing_and_says_why(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};

    assert_int_equal(meta_write_wait(f->meta, add_then_fail, (void *)"a", &err), ERR_CONFLICT);
    assert_string_equal(err.text, "changed my mind");
    assert_int_equal(items(f->meta), 0);
    assert_int_equal(meta_write_wait(f->meta, add_item, (void *)"a", &err), 0);
    assert_int_equal(meta_write_wait(f->meta, add_item, (void *)"a", &err), ERR_EXISTS);
}

static int every_kind(struct meta_txn *txn, void *arg, struct err *err)
{
    struct meta_stmt *stmt = NULL;
    int rc;

    (void)arg;
    rc = meta_exec(txn, err, "INSERT INTO item VALUES (?, ?, ?)", "isb", INT64_C(7), "seven",
                   SLICE_LIT("\0\1\2"));
    if (!rc)
        rc = meta_exec(txn, err, "INSERT INTO item VALUES (?, ?, ?)", "inb", INT64_C(8),
                       slice_of(NULL, 0));
    assert_int_equal(meta_changes(txn), 1);
    if (!rc)
        rc =
            meta_query(txn, &stmt, err, "SELECT id, name, data, ? FROM item ORDER BY id", "d", 2.5);
    assert_int_equal(rc, 0);
    assert_true(meta_next(stmt, err, &rc));
    assert_int_equal(meta_i64(stmt, 0), 7);
    assert_string_equal(meta_text(stmt, 1), "seven");
    assert_true(slice_eq(meta_blob(stmt, 2), SLICE_LIT("\0\1\2")));
    assert_true(meta_double(stmt, 3) == 2.5);
    assert_true(meta_next(stmt, err, &rc));
    assert_true(meta_is_null(stmt, 1));
    assert_null(meta_text(stmt, 1));
    assert_false(meta_is_null(stmt, 2));
    assert_int_equal(meta_blob(stmt, 2).len, 0);
    assert_false(meta_next(stmt, err, &rc));
    assert_int_equal(rc, 0);
    meta_done(stmt);
    return 0;
}

static void values_of_every_kind_come_back(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(meta_write_wait(f->meta, every_kind, NULL, NULL), 0);
}

/* The same text inside its own walk, and a walk that nobody ended. */
static int nested_walks(struct meta_txn *txn, void *arg, struct err *err)
{
    static const char sql[] = "SELECT id FROM item ORDER BY id";
    struct meta_stmt *outer = NULL, *inner = NULL;
    int rc, seen = 0;

    (void)arg;
    assert_int_equal(meta_query(txn, &outer, err, sql, ""), 0);
    while (meta_next(outer, err, &rc)) {
        assert_int_equal(meta_query(txn, &inner, err, sql, ""), 0);
        while (meta_next(inner, err, &rc))
            seen++;
        meta_done(inner);
    }
    assert_int_equal(seen, 4);
    return 0;
}

static void a_statement_may_run_inside_of_itself(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(meta_write_wait(f->meta, add_item, (void *)"a", NULL), 0);
    assert_int_equal(meta_write_wait(f->meta, add_item, (void *)"b", NULL), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(meta_read(f->meta, nested_walks, NULL, NULL), 0);
        assert_int_equal(meta_write_wait(f->meta, nested_walks, NULL, NULL), 0);
    }
}

static int many_texts(struct meta_txn *txn, void *arg, struct err *err)
{
    (void)arg;
    for (int i = 0; i < 500; i++) {
        char sql[64];

        snprintf(sql, sizeof(sql), "SELECT %d", i);
        assert_int_equal(meta_exec(txn, err, sql, ""), 0);
    }
    assert_true(txn->conn->stmt_count <= 130);
    return 0;
}

static void the_statement_cache_is_bounded(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(meta_read(f->meta, many_texts, NULL, NULL), 0);
}

static int write_in_read(struct meta_txn *txn, void *arg, struct err *err)
{
    return add_item(txn, arg, err);
}

static void a_read_cannot_write(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(meta_read(f->meta, write_in_read, (void *)"a", NULL), ERR_READONLY);
    assert_int_equal(items(f->meta), 0);
}

static void a_program_without_the_room_is_refused(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    int64_t count;

    assert_int_equal(open_with(f, NULL, &err), ERR_UNSUPPORTED); /* step 1 of shop is unknown */
    assert_non_null(strstr(err.text, "shop"));
    assert_int_equal(open_with(f, one, &err), 0);
    assert_int_equal(meta_read(f->meta, count_items, &count, &err), 0);
}

static void migrations_run_once_and_newer_data_is_refused(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};

    assert_int_equal(meta_write_wait(f->meta, add_item, (void *)"a", NULL), 0);
    assert_int_equal(open_with(f, two, &err), 0);
    assert_int_equal(items(f->meta), 1);
    assert_int_equal(open_with(f, two, &err), 0); /* a second ALTER TABLE would fail */
    assert_int_equal(open_with(f, one, &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "newer version of tarn"));
    assert_non_null(strstr(err.text, "step 2"));
    assert_int_equal(open_with(f, two, &err), 0); /* refused, not damaged */
    assert_int_equal(items(f->meta), 1);
}

static void another_programs_database_is_refused(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    sqlite3 *db = NULL;

    meta_free(f->meta);
    f->meta = NULL;
    snprintf(f->path, sizeof(f->path), "%s/other.db", f->dir);
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    sqlite3_exec(db, "CREATE TABLE theirs (x)", NULL, NULL, NULL);
    sqlite3_close(db);
    assert_int_equal(open_with(f, one, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "another program"));
    assert_int_equal(disk_write_file(disk_system(), f->path, SLICE_LIT("no database at all, is it"),
                                     NULL),
                     0);
    assert_int_equal(open_with(f, one, &err), ERR_CORRUPT);
}

/* Damage is reported or does no harm: never a crash, never an endless walk. */
static void damaged_pages_are_refused_or_reported(void **state)
{
    struct fixture *f = *state;
    struct buf good = {0};
    struct disk_sim *sim = NULL; /* for speed: nothing here waits for a sync */
    struct rng rng;
    int reported = 0;

    assert_int_equal(disk_sim_new(&sim, 1, NULL), 0);
    f->disk = disk_sim_disk(sim);
    strcpy(f->path, "meta.db");
    assert_int_equal(open_with(f, one, NULL), 0);
    for (int i = 0; i < 200; i++) {
        char name[20];

        snprintf(name, sizeof(name), "item %d", i);
        assert_int_equal(meta_write_wait(f->meta, add_item, name, NULL), 0);
    }
    meta_free(f->meta);
    f->meta = NULL;
    assert_int_equal(disk_read_file(f->disk, f->path, &good, NULL), 0);
    rng_init(&rng, 7);
    for (int round = 0; round < 150; round++) {
        struct buf bad = {0};
        struct err err = {0};
        int64_t count = 0;
        int rc;

        assert_int_equal(buf_append_slice(&bad, buf_slice(&good)), 0);
        for (int i = 0; i < 8; i++)
            bad.ptr[rng_below(&rng, bad.len)] = (uint8_t)rng_u64(&rng);
        if (round % 10 == 0)
            bad.len = (size_t)rng_below(&rng, bad.len); /* cut short */
        assert_int_equal(disk_write_file(f->disk, f->path, buf_slice(&bad), NULL), 0);
        buf_deinit(&bad);
        rc = open_with(f, one, &err);
        if (!rc)
            rc = meta_read(f->meta, count_items, &count, &err);
        if (!rc)
            rc = meta_check(f->meta, &err);
        if (rc) {
            assert_true(err.text[0] != '\0');
            reported++;
        }
        meta_free(f->meta);
        f->meta = NULL;
    }
    assert_true(reported > 30);
    buf_deinit(&good);
    disk_sim_free(sim);
}

static int refuse_writing(void *arg, enum disk_call call, const char *path)
{
    (void)path;
    return call == CALL_PWRITE || (call == CALL_OPEN && *(bool *)arg) ? ERR_READONLY : 0;
}

static void a_read_only_folder_is_named(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};

    meta_free(f->meta);
    f->meta = NULL;
    for (int i = 0; i < 2; i++) {
        bool on_open = i == 0;
        struct disk *faulty = NULL;
        struct meta_options options = {
            .path = f->path, .clock = clock_system(), .migrations = one};

        assert_int_equal(
            disk_fault_new(&faulty, disk_system(), refuse_writing, &on_open, NULL), 0);
        options.disk = faulty;
        assert_int_equal(meta_new(&f->meta, &options, &err), ERR_READONLY);
        assert_non_null(strstr(err.text, f->path));
        disk_fault_free(faulty);
    }
}

/* ---- threads ---- */

#define WRITERS 8
#define WRITES  50

struct writer_arg {
    struct meta *meta;
    int number, failed;
};

static int add_numbered(struct meta_txn *txn, void *arg, struct err *err)
{
    int64_t *id = arg;
    int rc = meta_exec(txn, err, "INSERT INTO item (id) VALUES (?)", "i", *id);

    if (!rc && *id % 10 == 3) /* some fail on their own */
        return err_set(err, ERR_CONFLICT, "3 is unlucky");
    return rc;
}

static void *write_many(void *arg)
{
    struct writer_arg *w = arg;

    for (int64_t i = 0; i < WRITES; i++) {
        int64_t id = w->number * 1000 + i;
        int rc = meta_write_wait(w->meta, add_numbered, &id, NULL);

        if (rc != (i % 10 == 3 ? ERR_CONFLICT : 0))
            w->failed++;
    }
    return NULL;
}

static void *read_many(void *arg)
{
    struct writer_arg *w = arg;
    int64_t last = 0;

    for (int i = 0; i < 300; i++) {
        int64_t now = -1;

        if (meta_read(w->meta, count_items, &now, NULL) || now < last)
            w->failed++;
        last = now;
    }
    return NULL;
}

static void groups_fail_one_by_one_and_readers_never_see_time_run_back(void **state)
{
    struct fixture *f = *state;
    struct writer_arg args[WRITERS + 4] = {0};
    pthread_t threads[WRITERS + 4];

    for (int i = 0; i < WRITERS + 4; i++) {
        args[i] = (struct writer_arg){.meta = f->meta, .number = i};
        pthread_create(&threads[i], NULL, i < WRITERS ? write_many : read_many, &args[i]);
    }
    for (int i = 0; i < WRITERS + 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(args[i].failed, 0);
    }
    assert_int_equal(items(f->meta), WRITERS * WRITES * 9 / 10);
}

/* ---- a disk that fails under a group ---- */

static atomic_int disk_calls;

static int fail_some(void *arg, enum disk_call call, const char *path)
{
    const char *wal = strstr(path ? path : "", "-wal");

    (void)arg;
    if (!wal || (call != CALL_SYNC && call != CALL_PWRITE))
        return 0;
    return atomic_fetch_add(&disk_calls, 1) % 23 == 22 ? ERR_IO : 0;
}

struct told_arg {
    struct meta *meta;
    int number;
    int told[WRITES];
};

static void *write_and_note(void *arg)
{
    struct told_arg *w = arg;

    for (int64_t i = 0; i < WRITES; i++) {
        int64_t id = w->number * 1000 + i;

        w->told[i] = meta_write_wait(w->meta, add_numbered, &id, NULL);
    }
    return NULL;
}

static int has_item(struct meta_txn *txn, void *arg, struct err *err)
{
    struct meta_stmt *stmt = NULL;
    int rc = meta_query(txn, &stmt, err, "SELECT 1 FROM item WHERE id = ?", "i", *(int64_t *)arg);

    if (!rc && !meta_next(stmt, err, &rc) && !rc)
        rc = ERR_NOENT;
    meta_done(stmt);
    return rc;
}

static void a_group_whose_disk_fails_is_told_the_truth_one_by_one(void **state)
{
    struct fixture *f = *state;
    struct told_arg args[WRITERS];
    pthread_t threads[WRITERS];
    struct disk *faulty = NULL;
    struct meta_options options = {.path = f->path, .clock = clock_system(), .migrations = one};
    int lost = 0;

    meta_free(f->meta);
    f->meta = NULL;
    atomic_store(&disk_calls, 0);
    assert_int_equal(disk_fault_new(&faulty, disk_system(), fail_some, NULL, NULL), 0);
    options.disk = faulty;
    assert_int_equal(meta_new(&f->meta, &options, NULL), 0);
    for (int i = 0; i < WRITERS; i++) {
        args[i] = (struct told_arg){.meta = f->meta, .number = i};
        pthread_create(&threads[i], NULL, write_and_note, &args[i]);
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(open_with(f, one, NULL), 0);
    disk_fault_free(faulty);
    for (int64_t i = 0; i < WRITERS; i++)
        for (int64_t j = 0; j < WRITES; j++) {
            int64_t id = i * 1000 + j;
            int told = args[i].told[j];
            bool there = meta_read(f->meta, has_item, &id, NULL) == 0;

            lost += told == ERR_IO;
            if (told != ERR_UNKNOWN && there != (told == 0))
                fail_msg("%" PRId64 " was told %d and is%s there", id, told, there ? "" : " not");
        }
    assert_true(lost > 0);
}

/* A read that is under way neither waits for a writer nor sees what it does. */
struct view_arg {
    struct meta *meta;
    int64_t before, after;
};

static int look_twice(struct meta_txn *txn, void *arg, struct err *err)
{
    struct view_arg *view = arg;
    int rc = count_items(txn, &view->before, err);

    if (!rc)
        rc = meta_write_wait(view->meta, add_item, (void *)"new", err);
    if (!rc)
        rc = count_items(txn, &view->after, err);
    return rc;
}

static void a_read_sees_one_point_in_time(void **state)
{
    struct fixture *f = *state;
    struct view_arg view = {.meta = f->meta};

    assert_int_equal(meta_read(f->meta, look_twice, &view, NULL), 0);
    assert_int_equal(view.before, 0);
    assert_int_equal(view.after, 0);
    assert_int_equal(items(f->meta), 1);
}

/* ---- the asynchronous form ---- */

static void note_done(void *arg, int rc, const struct err *err)
{
    (void)err;
    assert_int_equal(rc, 0);
    sem_post(arg);
}

static void the_form_without_waiting_answers_on_the_writer(void **state)
{
    struct fixture *f = *state;
    sem_t done;

    sem_init(&done, 0, 0);
    assert_int_equal(meta_write(f->meta, add_item, (void *)"a", NULL, note_done, &done), 0);
    assert_int_equal(meta_write(f->meta, add_item, (void *)"b", NULL, note_done, &done), 0);
    sem_wait(&done);
    sem_wait(&done);
    sem_destroy(&done);
    assert_int_equal(items(f->meta), 2);
}

struct on_loop {
    sem_t done;
    pthread_t ran_on;
    int rc;
    char text[100];
};

static void note_on_loop(void *arg, int rc, const struct err *err)
{
    struct on_loop *note = arg;

    note->ran_on = pthread_self();
    note->rc = rc;
    snprintf(note->text, sizeof(note->text), "%.90s", err->text);
    sem_post(&note->done);
}

static void note_thread(void *arg)
{
    struct on_loop *note = arg;

    note->ran_on = pthread_self();
    sem_post(&note->done);
}

static void a_loop_is_told_on_its_own_thread(void **state)
{
    struct fixture *f = *state;
    struct on_loop loop_itself = {0}, good = {0}, bad = {0};
    struct loop *loop = NULL;

    sem_init(&loop_itself.done, 0, 0);
    sem_init(&good.done, 0, 0);
    sem_init(&bad.done, 0, 0);
    assert_int_equal(loop_new(&loop, NULL), 0);
    assert_int_equal(loop_start(loop, "test", NULL), 0);
    assert_int_equal(loop_post(loop, note_thread, &loop_itself), 0);
    assert_int_equal(meta_write(f->meta, add_item, (void *)"a", loop, note_on_loop, &good), 0);
    assert_int_equal(meta_write(f->meta, add_then_fail, (void *)"b", loop, note_on_loop, &bad), 0);
    sem_wait(&loop_itself.done);
    sem_wait(&good.done);
    sem_wait(&bad.done);
    loop_join(loop);
    loop_free(loop);
    assert_true(pthread_equal(good.ran_on, loop_itself.ran_on));
    assert_int_equal(good.rc, 0);
    assert_int_equal(bad.rc, ERR_CONFLICT);
    assert_string_equal(bad.text, "changed my mind");
    assert_int_equal(items(f->meta), 1);
}

/* ---- checkpoints ---- */

static int add_blob(struct meta_txn *txn, void *arg, struct err *err)
{
    static uint8_t bytes[100000];

    (void)arg;
    return meta_exec(txn, err, "INSERT INTO item (data) VALUES (?)", "b",
                     slice_of(bytes, sizeof(bytes)));
}

static void the_write_ahead_log_does_not_grow_for_ever(void **state)
{
    struct fixture *f = *state;
    struct disk_stat stat;
    char wal[128];

    snprintf(wal, sizeof(wal), "%s-wal", f->path);
    for (int i = 0; i < 400; i++) /* 40 MB through the log */
        assert_int_equal(meta_write_wait(f->meta, add_blob, NULL, NULL), 0);
    assert_int_equal(disk_stat(disk_system(), wal, &stat, NULL), 0);
    assert_true(stat.size < 12 << 20);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(keeps_what_was_written_across_a_restart),
        TEST(a_failed_transaction_leaves_nothing_and_says_why),
        TEST(values_of_every_kind_come_back),
        TEST(a_statement_may_run_inside_of_itself),
        TEST(the_statement_cache_is_bounded),
        TEST(a_read_cannot_write),
        TEST(a_program_without_the_room_is_refused),
        TEST(migrations_run_once_and_newer_data_is_refused),
        TEST(another_programs_database_is_refused),
        TEST(damaged_pages_are_refused_or_reported),
        TEST(a_read_only_folder_is_named),
        TEST(groups_fail_one_by_one_and_readers_never_see_time_run_back),
        TEST(a_group_whose_disk_fails_is_told_the_truth_one_by_one),
        TEST(a_read_sees_one_point_in_time),
        TEST(the_form_without_waiting_answers_on_the_writer),
        TEST(a_loop_is_told_on_its_own_thread),
        TEST(the_write_ahead_log_does_not_grow_for_ever),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
