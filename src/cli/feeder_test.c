/* feeder_test.c - a project's generators go on after a restart, and after a crash no id comes
 * twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/feeder.h"
#include "kafka/kafka.h"
#include "log/batch.h"

enum { IDS_MAX = 100000 };

static char dir[64];
static struct workers *workers;
static struct meta *meta;
static struct broker *broker;
static struct config *config;
static uint8_t seen[IDS_MAX];

static void put_file(const char *name, const char *text)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    assert_int_equal(disk_write_file(disk_system(), path, slice_str(text), NULL), 0);
}

static int start(void **state)
{
    static const struct meta_migration *const migrations[] = {broker_migrations, NULL};
    struct broker_listener listener = {.address = "127.0.0.1"};
    struct arena arena = {0};
    struct yaml_problems problems = {.arena = &arena};
    char path[128];

    (void)state;
    strcpy(dir, "/tmp/feeder_test.XXXXXX");
    if (!mkdtemp(dir) || workers_new(&workers, "test", 2, 64, NULL))
        return -1;
    put_file("tarn.yaml", "version: 1\ngenerators: {run: [all], speed: 10}\n");
    snprintf(path, sizeof(path), "%s/generators", dir);
    if (disk_mkdir(disk_system(), path, NULL))
        return -1;
    put_file("generators/ticks.json",
             "{\"name\": \"ticks\", \"rate\": \"100/s\", \"fields\": {\"id\": {\"kind\": "
             "\"sequence\"}}}");
    if (config_read(&config, disk_system(), dir, &problems, NULL))
        return -1;
    arena_deinit(&arena);
    snprintf(path, sizeof(path), "%s/meta.db", dir);
    if (meta_new(&meta,
                 &(struct meta_options){.path = path,
                                        .disk = disk_system(),
                                        .clock = clock_system(),
                                        .migrations = migrations},
                 NULL))
        return -1;
    snprintf(path, sizeof(path), "%s/kafka", dir);
    if (broker_new(&broker, &(struct broker_options){.meta = meta, .disk = disk_system(),
                                                     .clock = clock_system(), .workers = workers,
                                                     .dir = path, .listeners = &listener,
                                                     .listener_count = 1, .auto_create = true,
                                                     .fsync = FSYNC_NEVER}, NULL))
        return -1;
    return broker_start(broker, NULL);
}

static int stop(void **state)
{
    (void)state;
    broker_stop(broker);
    broker_free(broker);
    meta_free(meta);
    workers_free(workers);
    config_free(config);
    return disk_remove_tree(disk_system(), dir, NULL);
}

/* Runs the generators until they have made `events`. */
static void feed(int64_t events)
{
    struct feeder *feeder = NULL;
    char error[500] = "";

    assert_int_equal(feeder_new(&feeder,
                                &(struct feeder_options){.config = config,
                                                         .disk = disk_system(),
                                                         .clock = clock_system(),
                                                         .data_path = dir,
                                                         .port = broker_port(broker, 0)},
                                NULL),
                     0);
    for (int i = 0; i < 1000 && feeder_events(feeder) < events; i++)
        usleep(5000);
    feeder_error(feeder, error, sizeof(error));
    assert_string_equal(error, "");
    assert_true(feeder_events(feeder) >= events);
    feeder_free(feeder);
}

/* Counts each id in the topic; gives how many records there are and the greatest id. */
static int64_t read_ids(int *greatest)
{
    struct topic *topic = topic_find(broker, "ticks");
    struct log *log = topic_log(topic, 0);
    struct buf bytes = {0}, scratch = {0};
    int64_t next = 0, count = 0;

    memset(seen, 0, sizeof(seen));
    *greatest = 0;
    while (next < log_offsets(log).high_watermark) {
        struct slice rest;
        struct batch batch;
        size_t need;

        buf_clear(&bytes);
        assert_int_equal(log_read(log, next, 1 << 20, true, &bytes, NULL), 0);
        rest = buf_slice(&bytes);
        while (rest.len && !batch_next(&rest, true, &batch, &need, NULL)) {
            struct record_walk walk;
            struct record record;

            assert_int_equal(record_walk_init(&walk, &batch, &scratch, 1 << 26, NULL), 0);
            while (record_next(&walk, &record, NULL) == 1) {
                char text[64];
                int id;

                snprintf(text, sizeof(text), SLICE_FMT, SLICE_ARG(record.value));
                assert_int_equal(sscanf(text, "{\"id\":%d}", &id), 1);
                assert_in_range(id, 1, IDS_MAX - 1);
                seen[id]++;
                *greatest = id > *greatest ? id : *greatest;
                next = record.offset + 1;
                count++;
            }
        }
    }
    topic_unref(topic);
    buf_deinit(&bytes);
    buf_deinit(&scratch);
    return count;
}

static void ids_go_on_after_a_restart(void **state)
{
    int greatest;
    int64_t count;

    (void)state;
    feed(50);
    feed(50);
    feed(50);
    count = read_ids(&greatest);
    assert_true(count >= 150);
    assert_int_equal(count, greatest); /* 1, 2, 3 ... without a gap */
    for (int i = 1; i <= greatest; i++)
        assert_int_equal(seen[i], 1);
}

/* A crash is a run whose last word was never written: the file is put back to what it was while the
 * run was on. */
static void no_id_comes_twice_after_a_crash(void **state)
{
    struct feeder *feeder = NULL;
    struct buf during = {0};
    char path[128];
    int greatest, before;

    (void)state;
    read_ids(&before);
    snprintf(path, sizeof(path), "%s/generators.json", dir);
    assert_int_equal(feeder_new(&feeder,
                                &(struct feeder_options){.config = config,
                                                         .disk = disk_system(),
                                                         .clock = clock_system(),
                                                         .data_path = dir,
                                                         .port = broker_port(broker, 0)},
                                NULL),
                     0);
    while (feeder_events(feeder) < 30)
        usleep(5000);
    assert_int_equal(disk_read_file(disk_system(), path, &during, NULL), 0);
    feeder_free(feeder);
    assert_int_equal(disk_write_file(disk_system(), path, buf_slice(&during), NULL), 0);
    feed(30);
    assert_true(read_ids(&greatest) < greatest); /* a gap, that of the reservation */
    for (int i = 1; i <= greatest; i++)
        assert_true(seen[i] <= 1);
    assert_true(greatest > before + 1000);
    buf_deinit(&during);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_go_on_after_a_restart),
        cmocka_unit_test(no_id_comes_twice_after_a_crash),
    };

    return cmocka_run_group_tests_name("feeder", tests, start, stop);
}
