/* s3_hasher_test.c - bodies that are hashed side by side have the MD5s they have alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/codec.h"
#include "base/disk_sim.h"
#include "s3/s3_hasher.h"
#include "s3/s3_pipe.h"

#define BODIES 12
#define BYTES  ((size_t)3 << 20)

struct upload {
    struct s3_hasher *hasher;
    struct file *file;
    const uint8_t *bytes;
    size_t len;
    uint8_t md5[16];
    int rc;
};

/* In pieces as a socket gives them; each body's are of another length. */
static void *upload_run(void *arg)
{
    struct upload *upload = arg;
    size_t step = 1000 + upload->len % 70000;
    struct s3_pipe *pipe = NULL;

    upload->rc = s3_pipe_new(&pipe, upload->hasher, upload->file, 0, (int64_t)upload->len, NULL);
    for (size_t at = 0; at < upload->len && !upload->rc; at += step) {
        size_t len = upload->len - at < step ? upload->len - at : step;

        upload->rc = s3_pipe_add(pipe, slice_of(upload->bytes + at, len), NULL);
    }
    if (!upload->rc)
        upload->rc = s3_pipe_end(pipe, upload->md5, NULL);
    s3_pipe_free(pipe);
    return NULL;
}

/* Goal: who shares a turn with whom changes nothing. Method: more bodies at once than lanes, of
 * lengths far apart; of each the MD5, and the bytes that were written. */
static void bodies_do_not_mix(void **state)
{
    static uint8_t bytes[BYTES], found[BYTES];
    struct disk_sim *sim = NULL;
    struct s3_hasher *hasher = NULL;
    struct upload uploads[BODIES] = {0};
    pthread_t threads[BODIES];
    struct rng rng;

    (void)state;
    rng_init(&rng, 1);
    for (size_t i = 0; i < BYTES; i++)
        bytes[i] = (uint8_t)rng_below(&rng, 256);
    assert_int_equal(disk_sim_new(&sim, 1, NULL), 0);
    assert_int_equal(s3_hasher_new(&hasher, NULL), 0);
    for (int i = 0; i < BODIES; i++) {
        char path[16];

        snprintf(path, sizeof(path), "%d", i);
        uploads[i] = (struct upload){.hasher = hasher,
                                     .bytes = bytes + i,
                                     .len = i ? (size_t)rng_below(&rng, BYTES - BODIES) : 0};
        assert_int_equal(
            disk_open(disk_sim_disk(sim), &uploads[i].file, path, DISK_WRITE | DISK_CREATE, NULL),
            0);
    }
    for (int i = 0; i < BODIES; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, upload_run, &uploads[i]), 0);
    for (int i = 0; i < BODIES; i++) {
        uint8_t alone[16];

        pthread_join(threads[i], NULL);
        assert_int_equal(uploads[i].rc, 0);
        md5(uploads[i].bytes, uploads[i].len, alone);
        assert_memory_equal(uploads[i].md5, alone, 16);
        assert_int_equal(file_read_all(uploads[i].file, found, uploads[i].len, 0, NULL), 0);
        assert_memory_equal(found, uploads[i].bytes, uploads[i].len);
        file_close(uploads[i].file);
    }
    s3_hasher_free(hasher);
    disk_sim_free(sim);
}

/* Goal: a body whose connection dies is let go while its pieces wait. */
static void a_body_may_end_early(void **state)
{
    static uint8_t bytes[BYTES];
    struct disk_sim *sim = NULL;
    struct s3_hasher *hasher = NULL;
    struct s3_pipe *pipe = NULL;
    struct file *file = NULL;

    (void)state;
    assert_int_equal(disk_sim_new(&sim, 1, NULL), 0);
    assert_int_equal(s3_hasher_new(&hasher, NULL), 0);
    assert_int_equal(disk_open(disk_sim_disk(sim), &file, "0", DISK_WRITE | DISK_CREATE, NULL), 0);
    assert_int_equal(s3_pipe_new(&pipe, hasher, file, 0, -1, NULL), 0);
    assert_int_equal(s3_pipe_add(pipe, slice_of(bytes, sizeof(bytes)), NULL), 0);
    s3_pipe_free(pipe);
    s3_hasher_free(hasher);
    file_close(file);
    disk_sim_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_do_not_mix),
        cmocka_unit_test(a_body_may_end_early),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
