/* store_version_test.c - versions of the local store: what is kept, in which order, and through a
 * loss of power at any call of the disk.
 *
 * A small model says what a key's versions must be after each step: a list of texts, the newest
 * first, "-" for a delete marker. After power was lost the store must show the list as it was
 * after the last step answered, or as after the one in flight; and go on from there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/disk_sim.h"
#include "store/store.h"

#define LIST_MAX 400

struct run {
    struct disk_sim *sim;
    struct store *store;
    struct clock_fake clock;
    int64_t cut_at, calls;
};

static int on_call(void *arg, enum disk_call call, const char *path)
{
    struct run *run = arg;

    (void)call;
    (void)path;
    if (run->cut_at < 0 || run->calls++ != run->cut_at)
        return 0;
    disk_sim_power_loss(run->sim);
    return ERR_IO;
}

static int open_store(struct run *run)
{
    const struct store_local_options options = {
        .dir = "data", .disk = disk_sim_disk(run->sim), .clock = &run->clock.clock};

    return store_local_new(&run->store, &options, NULL);
}

static void run_init(struct run *run, uint64_t seed, int64_t cut_at)
{
    *run = (struct run){.cut_at = cut_at};
    clock_fake_init(&run->clock, 1000000);
    assert_int_equal(disk_sim_new(&run->sim, seed, NULL), 0);
    disk_sim_on_call(run->sim, on_call, run);
}

static void run_deinit(struct run *run)
{
    store_free(run->store);
    disk_sim_free(run->sim);
}

static const struct store_version_ops *ops_of(struct run *run)
{
    return run->store->ops->versions;
}

static int put(struct run *run, const char *key, const char *text)
{
    const struct store_put_options options = {.content_type = text};

    return run->store->ops->put(run->store, "lake", key, slice_str(text), &options, NULL, NULL);
}

/* What a version holds; "-" for a marker. In the arena. */
static const char *text_of(struct run *run, struct arena *arena,
                           const struct store_version *version)
{
    struct store_info info;
    struct file *file = NULL;
    uint8_t text[64] = "";

    assert_int_equal(
        ops_of(run)->open(run->store, "lake", version->key, version->id, &info, &file, NULL), 0);
    assert_int_equal(info.is_marker, version->is_marker);
    assert_string_equal(info.version, version->id);
    if (version->is_marker) {
        assert_null(file);
        return "-";
    }
    assert_in_range(info.size, 0, sizeof(text) - 1);
    assert_int_equal(file_read_all(file, text, (size_t)info.size, 0, NULL), 0);
    file_close(file);
    assert_string_equal(info.content_type, (char *)text); /* its own attributes, not another's */
    return arena_strdup(arena, (char *)text);
}

/* "one two -": the versions of the key, the newest first. In the arena. */
static const char *show(struct run *run, struct arena *arena, const char *key)
{
    struct store_version_list list;
    struct buf out = {.max = LIST_MAX}, latest = {0};
    const char *text;
    int rc;

    assert_int_equal(
        ops_of(run)->list(run->store, "lake", key, "", "", NULL, 100, arena, &list, NULL), 0);
    for (size_t i = 0; i < list.count; i++) {
        if (strcmp(list.entries[i].key, key))
            continue;
        text = text_of(run, arena, &list.entries[i]);
        assert_int_equal(list.entries[i].is_latest, out.len == 0);
        /* Whoever asks without a version gets the first of the list. */
        if (list.entries[i].is_latest) {
            rc = run->store->ops->get(run->store, "lake", key, 0, -1, &latest, NULL);
            assert_int_equal(rc, list.entries[i].is_marker ? ERR_NOENT : 0);
            if (!rc)
                assert_true(slice_is(buf_slice(&latest), text));
        }
        assert_int_equal(buf_printf(&out, "%s%s", out.len ? " " : "", text), 0);
    }
    text = arena_cstr(arena, buf_slice(&out));
    buf_deinit(&out);
    buf_deinit(&latest);
    return text;
}

/* The id of the version that holds the text. */
static const char *id_of(struct run *run, struct arena *arena, const char *key, const char *text)
{
    struct store_version_list list;

    if (ops_of(run)->list(run->store, "lake", key, "", "", NULL, 100, arena, &list, NULL))
        return NULL;
    for (size_t i = 0; i < list.count; i++)
        if (strcmp(list.entries[i].key, key) == 0 &&
            strcmp(text_of(run, arena, &list.entries[i]), text) == 0)
            return list.entries[i].id;
    return NULL;
}

/* --- what is kept ----------------------------------------------------------------------------- */

struct step {
    enum { PUT, DELETE, DELETE_VERSION, ENABLE, SUSPEND, TAG } kind;
    const char *text;  /* what is put; the text of the version that goes or is tagged */
    const char *after; /* what there is then */
};

static const struct step steps[] = {
    {PUT, "zero", "zero"},
    {ENABLE, NULL, "zero"},
    {PUT, "one", "one zero"},
    {PUT, "two", "two one zero"},
    {TAG, "one", "two one zero"},
    {DELETE, NULL, "- two one zero"},
    {DELETE, NULL, "- - two one zero"},
    {DELETE_VERSION, "-", "- two one zero"},
    {DELETE_VERSION, "-", "two one zero"}, /* the object is back */
    {DELETE_VERSION, "two", "one zero"},
    {PUT, "three", "three one zero"},
    {DELETE_VERSION, "one", "three zero"},
    {SUSPEND, NULL, "three zero"},
    {PUT, "four", "four three"}, /* "null" replaces "null" */
    {PUT, "five", "five three"},
    {TAG, "five", "five three"},
    {DELETE, NULL, "- three"},
    {ENABLE, NULL, "- three"},
    {PUT, "six", "six - three"},
    {DELETE_VERSION, "three", "six -"},
    {DELETE_VERSION, "six", "-"},
    {DELETE_VERSION, "-", ""},
};

static int take_step(struct run *run, const struct step *step)
{
    struct store *store = run->store;
    struct store_removed removed;
    struct store_info info;
    struct arena arena = {0};
    const char *id = NULL;
    int rc = 0;

    clock_fake_advance(&run->clock, 1000000);
    if (step->kind == DELETE_VERSION || step->kind == TAG) {
        int64_t cut_at = run->cut_at;

        run->cut_at = -1; /* looking is not part of the step */
        id = id_of(run, &arena, "k", step->text);
        run->cut_at = cut_at;
    }
    switch (step->kind) {
    case PUT:
        rc = put(run, "k", step->text);
        break;
    case DELETE:
        rc = store->ops->remove(store, "lake", "k", NULL);
        break;
    case DELETE_VERSION:
        rc = id ? ops_of(run)->remove(store, "lake", "k", id, &removed, NULL) : ERR_NOENT;
        break;
    case TAG:
        rc = id ? ops_of(run)->tags_put(store, "lake", "k", id, "{\"a\":\"b\"}", &info, NULL)
                : ERR_NOENT;
        break;
    case ENABLE:
    case SUSPEND:
        rc = ops_of(run)->versioning_put(
            store, "lake", step->kind == ENABLE ? STORE_VERSIONED : STORE_SUSPENDED, NULL);
        break;
    }
    arena_deinit(&arena);
    return rc;
}

static size_t take_steps(struct run *run)
{
    size_t done = 0;

    if (open_store(run) || run->store->ops->bucket_make(run->store, "lake", NULL))
        return 0;
    while (done < COUNT_OF(steps) && take_step(run, &steps[done]) == 0)
        done++;
    return done;
}

static void keeps_what_is_replaced_or_deleted(void **state)
{
    struct run run;

    (void)state;
    run_init(&run, 1, -1);
    assert_int_equal(open_store(&run), 0);
    assert_int_equal(run.store->ops->bucket_make(run.store, "lake", NULL), 0);
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        struct arena arena = {0};

        assert_int_equal(take_step(&run, &steps[i]), 0);
        assert_string_equal(show(&run, &arena, "k"), steps[i].after);
        arena_deinit(&arena);
    }
    assert_int_equal(run.store->ops->bucket_remove(run.store, "lake", NULL), 0);
    run_deinit(&run);
}

/* --- loss of power ---------------------------------------------------------------------------- */

static const char *after(size_t done)
{
    return done ? steps[done - 1].after : "";
}

/* False once the cut lies behind the last call. */
static bool lose_power_at(uint64_t seed, int64_t cut_at)
{
    struct arena arena = {0};
    const char *found, *wanted;
    struct run run;
    size_t done;
    bool reached;

    run_init(&run, seed, cut_at);
    done = take_steps(&run);
    reached = run.calls > cut_at;
    store_free(run.store);
    run.store = NULL;
    run.cut_at = -1;
    if (!reached)
        disk_sim_power_loss(run.sim);
    disk_sim_reboot(run.sim);
    assert_int_equal(open_store(&run), 0);
    if (run.store->ops->bucket_check(run.store, "lake", NULL) == 0) {
        found = show(&run, &arena, "k");
        if (strcmp(found, after(done)) &&
            (done == COUNT_OF(steps) || strcmp(found, after(done + 1))))
            fail_msg("seed %d, power lost at call %d, %zu steps answered: \"%s\" is neither \"%s\" "
                     "nor what follows",
                     (int)seed, (int)cut_at, done, found, after(done));
        /* The next change leaves nothing of what the crash left. */
        assert_int_equal(ops_of(&run)->versioning_put(run.store, "lake", STORE_VERSIONED, NULL), 0);
        clock_fake_advance(&run.clock, 1000000);
        assert_int_equal(put(&run, "k", "next"), 0);
        wanted = arena_printf(&arena, "next%s%s", found[0] ? " " : "", found);
        assert_string_equal(show(&run, &arena, "k"), wanted);
    }
    arena_deinit(&arena);
    run_deinit(&run);
    return reached;
}

static void shows_no_torn_version_after_power_loss(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++)
        for (int64_t cut_at = 0; lose_power_at(seed, cut_at); cut_at++)
            ;
}

/* --- the listing ------------------------------------------------------------------------------ */

static void start_versioned(struct run *run)
{
    run_init(run, 1, -1);
    assert_int_equal(open_store(run), 0);
    assert_int_equal(run->store->ops->bucket_make(run->store, "lake", NULL), 0);
    assert_int_equal(ops_of(run)->versioning_put(run->store, "lake", STORE_VERSIONED, NULL), 0);
}

/* Goal: pages of any size show every version once, in order. */
static void lists_every_version_in_pages_of_any_size(void **state)
{
    static const char *const keys[] = {"a", "a/b", "a/b/c", "a//", "b.x", "b/x", "b/y", "z"};
    struct arena all = {0};
    struct store_version_list whole;
    struct run run;

    (void)state;
    start_versioned(&run);
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < COUNT_OF(keys); i++) {
            clock_fake_advance(&run.clock, 1000000);
            assert_int_equal(put(&run, keys[i], "text"), 0);
            if (i % 3 == 0)
                assert_int_equal(run.store->ops->remove(run.store, "lake", keys[i], NULL), 0);
        }
    assert_int_equal(
        ops_of(&run)->list(run.store, "lake", "", "", "", NULL, 1000, &all, &whole, NULL), 0);
    assert_int_equal(whole.count, 3 * COUNT_OF(keys) + 9);
    for (size_t size = 1; size <= whole.count + 1; size++) {
        struct arena arena = {0};
        struct store_version_list page;
        const char *key = "", *id = NULL;
        size_t seen = 0;

        do {
            assert_int_equal(
                ops_of(&run)->list(run.store, "lake", "", "", key, id, size, &arena, &page, NULL),
                0);
            for (size_t i = 0; i < page.count; i++, seen++) {
                assert_string_equal(page.entries[i].key, whole.entries[seen].key);
                assert_string_equal(page.entries[i].id, whole.entries[seen].id);
            }
            key = page.count ? page.entries[page.count - 1].key : "";
            id = page.count ? page.entries[page.count - 1].id : NULL;
        } while (page.truncated);
        assert_int_equal(seen, whole.count);
        arena_deinit(&arena);
    }
    arena_deinit(&all);
    run_deinit(&run);
}

static void lists_versions_by_folder(void **state)
{
    struct arena arena = {0};
    struct store_version_list list;
    struct run run;

    (void)state;
    start_versioned(&run);
    assert_int_equal(put(&run, "t/data/1", "one"), 0);
    assert_int_equal(run.store->ops->remove(run.store, "lake", "t/data/1", NULL), 0);
    assert_int_equal(put(&run, "t/top", "one"), 0);
    assert_int_equal(put(&run, "u", "one"), 0);
    assert_int_equal(
        ops_of(&run)->list(run.store, "lake", "", "/", "", NULL, 10, &arena, &list, NULL), 0);
    assert_int_equal(list.count, 2);
    assert_true(list.entries[0].is_prefix);
    assert_string_equal(list.entries[0].key, "t/");
    assert_string_equal(list.entries[1].key, "u");
    assert_int_equal(
        ops_of(&run)->list(run.store, "lake", "t/", "/", "", NULL, 10, &arena, &list, NULL), 0);
    assert_int_equal(list.count, 2);
    assert_string_equal(list.entries[0].key, "t/data/"); /* nothing in it but versions */
    assert_string_equal(list.entries[1].key, "t/top");
    assert_int_equal(run.store->ops->list(run.store, "lake", "", "", "", 10, &arena,
                                          &(struct store_list){0}, NULL),
                     0);
    assert_int_equal(run.store->ops->bucket_remove(run.store, "lake", NULL), ERR_CONFLICT);
    arena_deinit(&arena);
    run_deinit(&run);
}

/* --- settings and tags ------------------------------------------------------------------------ */

static void settings_go_with_their_bucket(void **state)
{
    struct buf text = {0};
    struct run run;

    (void)state;
    start_versioned(&run);
    assert_int_equal(ops_of(&run)->setting_put(run.store, "lake", "policy", "{}", NULL), 0);
    store_free(run.store);
    assert_int_equal(open_store(&run), 0);
    assert_int_equal(ops_of(&run)->setting_get(run.store, "lake", "policy", &text, NULL), 0);
    assert_true(slice_is(buf_slice(&text), "{}"));
    assert_int_equal(ops_of(&run)->versioning(run.store, "lake"), STORE_VERSIONED);
    assert_int_equal(run.store->ops->bucket_remove(run.store, "lake", NULL), 0);
    assert_int_equal(ops_of(&run)->setting_put(run.store, "lake", "policy", "{}", NULL), ERR_NOENT);
    assert_int_equal(run.store->ops->bucket_make(run.store, "lake", NULL), 0);
    assert_int_equal(ops_of(&run)->setting_get(run.store, "lake", "policy", &text, NULL),
                     ERR_NOENT);
    assert_int_equal(ops_of(&run)->versioning(run.store, "lake"), STORE_UNVERSIONED);
    buf_deinit(&text);
    run_deinit(&run);
}

static void tags_are_of_one_version(void **state)
{
    struct store_info info;
    struct arena arena = {0};
    struct buf text = {0};
    struct run run;

    (void)state;
    start_versioned(&run);
    assert_int_equal(put(&run, "k", "one"), 0);
    assert_int_equal(
        ops_of(&run)->tags_put(run.store, "lake", "k", NULL, "{\"a\":\"1\"}", &info, NULL), 0);
    assert_int_equal(info.tag_count, 1);
    assert_int_equal(put(&run, "k", "two"), 0);
    assert_int_equal(ops_of(&run)->tags_get(run.store, "lake", "k", NULL, &info, &text, NULL), 0);
    assert_int_equal(text.len, 0);
    assert_int_equal(ops_of(&run)->tags_get(run.store, "lake", "k", id_of(&run, &arena, "k", "one"),
                                            &info, &text, NULL),
                     0);
    assert_true(slice_is(buf_slice(&text), "{\"a\":\"1\"}"));
    assert_int_equal(run.store->ops->remove(run.store, "lake", "k", NULL), 0);
    assert_int_equal(ops_of(&run)->tags_get(run.store, "lake", "k", NULL, &info, &text, NULL),
                     ERR_UNSUPPORTED); /* a marker has none */
    buf_deinit(&text);
    arena_deinit(&arena);
    run_deinit(&run);
}

static void expires_only_what_it_saw(void **state)
{
    struct store_info info;
    struct run run;

    (void)state;
    start_versioned(&run);
    assert_int_equal(put(&run, "k", "one"), 0);
    assert_int_equal(run.store->ops->head(run.store, "lake", "k", &info, NULL), 0);
    assert_int_equal(ops_of(&run)->expire(run.store, "lake", "k", info.mtime_us - 1, NULL),
                     ERR_CONFLICT);
    assert_int_equal(ops_of(&run)->expire(run.store, "lake", "k", info.mtime_us, NULL), 0);
    assert_int_equal(run.store->ops->head(run.store, "lake", "k", &info, NULL), ERR_NOENT);
    run_deinit(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_is_replaced_or_deleted),
        cmocka_unit_test(shows_no_torn_version_after_power_loss),
        cmocka_unit_test(lists_every_version_in_pages_of_any_size),
        cmocka_unit_test(lists_versions_by_folder),
        cmocka_unit_test(settings_go_with_their_bucket),
        cmocka_unit_test(tags_are_of_one_version),
        cmocka_unit_test(expires_only_what_it_saw),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
