/* writer_test.c - what is handed to the writer is in its file, or its error is told. */
#include "state/writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define FILES  8
#define BLOCKS 64

static struct buf block(int file, int number)
{
    struct buf bytes = {0};

    for (int i = 0; i < 1000; i++)
        assert_int_equal(buf_append_u8(&bytes, (uint8_t)(file * 31 + number)), 0);
    return bytes;
}

/* Goal: files written side by side hold their blocks at their places once a sync is over. */
static void blocks_of_many_files_are_where_they_belong(void **arg)
{
    char dir[] = "/tmp/writer-XXXXXX", path[64];
    struct written *files[FILES];
    struct state_writer *writer;
    struct err err = {0};

    (void)arg;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(state_writer_new(&writer, &err), 0);
    for (int f = 0; f < FILES; f++) {
        snprintf(path, sizeof(path), "%s/%d", dir, f);
        assert_int_equal(written_new(&files[f], writer, disk_system(), path, &err), 0);
    }
    for (int n = 0; n < BLOCKS; n++)
        for (int f = 0; f < FILES; f++) {
            struct buf bytes = block(f, n);

            assert_int_equal(written_put(files[f], &bytes, n * 1000, &err), 0);
        }
    for (int f = 0; f < FILES; f++) {
        struct buf text = {0};

        assert_int_equal(written_sync_wait(files[f], &err), 0);
        snprintf(path, sizeof(path), "%s/%d", dir, f);
        assert_int_equal(disk_read_file(disk_system(), path, &text, &err), 0);
        assert_int_equal(text.len, BLOCKS * 1000);
        for (size_t i = 0; i < text.len; i++)
            assert_int_equal(text.ptr[i], (uint8_t)(f * 31 + (int)(i / 1000)));
        buf_deinit(&text);
        written_free(files[f]);
    }
    assert_false(state_writer_is_full(writer, 1000));
    state_writer_free(writer);
    assert_int_equal(disk_remove_tree(disk_system(), dir, &err), 0);
}

/* Goal: an error is told to who waits, and is that file's alone. */
static void an_error_is_told_to_who_syncs(void **arg)
{
    char dir[] = "/tmp/writer-XXXXXX", path[64];
    struct written *bad, *good;
    struct state_writer *writer;
    struct err err = {0};
    struct buf bytes = block(1, 1);

    (void)arg;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(state_writer_new(&writer, &err), 0);
    snprintf(path, sizeof(path), "%s/nowhere/1", dir);
    assert_int_equal(written_new(&bad, writer, disk_system(), path, &err), 0);
    snprintf(path, sizeof(path), "%s/2", dir);
    assert_int_equal(written_new(&good, writer, disk_system(), path, &err), 0);
    assert_int_equal(written_put(bad, &bytes, 0, &err), 0);
    assert_int_equal(bytes.len, 0);
    bytes = block(2, 2);
    assert_int_equal(written_put(good, &bytes, 0, &err), 0);
    assert_int_equal(written_sync_wait(bad, &err), ERR_NOENT);
    assert_non_null(strstr(err.text, "nowhere/1"));
    bytes = block(1, 1);
    assert_int_equal(written_put(bad, &bytes, 1000, &err), ERR_NOENT);
    assert_int_equal(written_sync_wait(good, &err), 0);
    written_free(bad);
    written_free(good);
    state_writer_free(writer);
    assert_int_equal(disk_remove_tree(disk_system(), dir, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_of_many_files_are_where_they_belong),
        cmocka_unit_test(an_error_is_told_to_who_syncs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
