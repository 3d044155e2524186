/* outbox_test.c - what stays in an outbox and what goes, while nobody answers there. What arrives:
 * tests/clients/outside_kafka.py, with a real Kafka. */
#include "connector/outbox.h"
#include "kafka/broker_fixture.h"

static const struct outside_property nowhere[] = {{"bootstrap.servers", "127.0.0.1:1"}};
static const struct outside_options client = {.properties = nowhere, .property_count = 1};

static struct outbox *open_outbox(struct fixture *f)
{
    struct outbox_options options = {.broker = f->broker,
                                     .clock = clock_system(),
                                     .name = "outbox.job.t.00000000",
                                     .target = "t",
                                     .prefix = "test",
                                     .client = &client};
    struct outbox *outbox;
    struct err err = {0};

    if (outbox_new(&outbox, &options, &err))
        fail_msg("%s", err.text);
    return outbox;
}

static void append(struct outbox *outbox, int rows)
{
    struct batch_builder builder;
    struct err err = {0};

    batch_builder_init(&builder);
    for (int i = 0; i < rows; i++)
        assert_int_equal(batch_builder_add(&builder, i, SLICE_LIT("k"), SLICE_LIT("v"), NULL, 0),
                         0);
    if (outbox_append(outbox, &builder, &err))
        fail_msg("%s", err.text);
    batch_builder_deinit(&builder);
    assert_int_equal(outbox_flush(outbox, NULL), 0);
}

struct commit {
    struct outbox *outbox;
    int64_t end;
};

static int commit_in(struct meta_txn *txn, void *arg, struct err *err)
{
    struct commit *c = arg;

    return outbox_commit_in(c->outbox, c->end, txn, err);
}

static int64_t committed_end(struct fixture *f)
{
    struct topic *topic = topic_find(f->broker, "outbox.job.t.00000000");
    int64_t end = log_offsets(topic_log(topic, 0)).high_watermark;

    topic_unref(topic);
    return end;
}

/* Goal: what the metadata transaction vouches for stays, all else goes. Method: rows that were
 * committed, rows that were not, and rows of a commit that nobody was told of; the job starts
 * again, then the whole process. */
static void holds_what_was_committed_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    struct outbox *outbox = open_outbox(f);
    struct commit commit;

    append(outbox, 3);
    commit = (struct commit){outbox, outbox_end(outbox)};
    append(outbox, 2); /* of the next interval: beside the commit of this one */
    assert_int_equal(meta_write_wait(f->meta, commit_in, &commit, NULL), 0);
    outbox_committed(outbox, commit.end);
    assert_int_equal(committed_end(f), 3);
    outbox_free(outbox);

    outbox = open_outbox(f);
    assert_int_equal(outbox_end(outbox), 3);
    append(outbox, 4);
    commit = (struct commit){outbox, outbox_end(outbox)};
    assert_int_equal(meta_write_wait(f->meta, commit_in, &commit, NULL), 0);
    outbox_free(outbox); /* how it ended is not known: the store knows */

    outbox = open_outbox(f);
    assert_int_equal(outbox_end(outbox), 7);
    assert_int_equal(committed_end(f), 7);
    append(outbox, 1);
    outbox_free(outbox);
    down(f);
    up(f);
    outbox = open_outbox(f);
    assert_int_equal(outbox_end(outbox), 7);
    assert_int_equal(committed_end(f), 7);
    outbox_free(outbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(holds_what_was_committed_and_nothing_else, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
