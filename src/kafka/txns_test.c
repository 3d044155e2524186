/* txns_test.c - transactions of jobs through the broker: who sees what and when, and what a start
 * after a crash makes of those that were open. */
#include "kafka/broker_fixture.h"

static void append(struct broker_txn *txn, struct topic *topic, int32_t partition, int count)
{
    struct batch_builder builder;
    struct err err = {0};

    batch_builder_init(&builder);
    for (int i = 0; i < count; i++)
        assert_int_equal(
            batch_builder_add(&builder, 1000, (struct slice){0}, SLICE_LIT("v"), NULL, 0), 0);
    if (broker_txn_append(txn, topic, partition, &builder, CODEC_NONE, &err))
        fail_msg("append: %s", err.text);
    batch_builder_deinit(&builder);
}

static struct broker_txn *begin(struct fixture *f)
{
    struct broker_txn *txn;

    assert_int_equal(broker_txn_new(&txn, f->broker, NULL), 0);
    return txn;
}

static int decide(struct meta_txn *in, void *arg, struct err *err)
{
    return broker_txn_commit_in(arg, in, err);
}

static struct fetch_partition_reply *fetch(struct fixture *f, int fd, int64_t offset, int isolation)
{
    struct fetch_request *in = a_fetch(f, "t", offset, 0, 0);

    in->isolation_level = (int8_t)isolation;
    return first_part(call(f, fd, 1, 11, in));
}

static int64_t latest(struct fixture *f, int fd, int isolation)
{
    struct list_offsets_request *in = NEW(f, list_offsets_request_schema);
    struct list_offsets_partition p = {.current_leader_epoch = -1, .timestamp = -1};
    struct list_offsets_topic t = {.name = SLICE_LIT("t"), .partitions = {&p, 1}};
    struct list_offsets_response *out;

    in->isolation_level = (int8_t)isolation;
    in->topics.items = &t;
    in->topics.count = 1;
    out = call(f, fd, 2, 5, in);
    return out->topics.items[0].partitions.items[0].offset;
}

static void open_records_show_to_those_who_do_not_wait(void **state)
{
    struct fixture *f = *state;
    struct broker_txn *txn = begin(f);
    struct topic *topic;
    int fd = dial(f, 0);

    make_topic(f, "t", 1, false);
    topic = topic_find(f->broker, "t");
    append(txn, topic, 0, 5);
    assert_int_equal(broker_txn_flush(txn, NULL), 0);
    assert_int_equal(latest(f, fd, 0), 5);
    assert_int_equal(latest(f, fd, 1), 0);
    assert_true(fetch(f, fd, 0, 0)->records.bytes.len > 0);
    assert_int_equal(fetch(f, fd, 0, 1)->records.bytes.len, 0);
    assert_int_equal(fetch(f, fd, 0, 1)->last_stable_offset, 0);
    assert_int_equal(meta_write_wait(f->meta, decide, txn, NULL), 0);
    broker_txn_end(txn, true);
    assert_int_equal(log_flush(topic_log(topic, 0), NULL), 0);
    assert_int_equal(latest(f, fd, 1), 6); /* and its marker */
    assert_true(fetch(f, fd, 0, 1)->records.bytes.len > 0);
    assert_int_equal(fetch(f, fd, 0, 1)->aborted_transactions.count, 0);

    txn = begin(f);
    append(txn, topic, 0, 2);
    broker_txn_end(txn, false);
    assert_int_equal(log_flush(topic_log(topic, 0), NULL), 0);
    assert_int_equal(fetch(f, fd, 0, 1)->aborted_transactions.count, 1);
    assert_int_equal(fetch(f, fd, 0, 1)->aborted_transactions.items[0].first_offset, 6);
    assert_int_equal(fetch(f, fd, 0, 0)->aborted_transactions.count, 0);
    topic_unref(topic);
    close(fd);
}

/* Goal: the row decides. Method: two transactions are open when the power goes, one of them noted
 * as committed; a third used an id of an earlier one that was. */
static void a_start_ends_what_was_open_as_its_row_says(void **state)
{
    struct fixture *f = *state;
    struct broker_txn *first = begin(f), *noted, *lost;
    struct arena arena = {0};
    struct log_aborted *aborted;
    struct topic *topic;
    size_t count;

    make_topic(f, "t", 2, false);
    topic = topic_find(f->broker, "t");
    append(first, topic, 0, 1);
    assert_int_equal(broker_txn_flush(first, NULL), 0);
    assert_int_equal(meta_write_wait(f->meta, decide, first, NULL), 0);
    broker_txn_end(first, true); /* offset 0, marker 1; its id is used again */
    lost = begin(f);
    noted = begin(f);
    append(lost, topic, 0, 3);
    append(lost, topic, 1, 3);
    append(noted, topic, 0, 4);
    assert_int_equal(broker_txn_flush(lost, NULL), 0);
    assert_int_equal(broker_txn_flush(noted, NULL), 0);
    assert_int_equal(meta_write_wait(f->meta, decide, noted, NULL), 0);
    broker_txn_leave(lost);
    broker_txn_leave(noted);
    topic_unref(topic);
    if (f->sim)
        disk_sim_power_loss(f->sim);
    down(f);
    if (f->sim)
        disk_sim_reboot(f->sim);
    for (int start = 0; start < 2; start++) {
        up(f);
        topic = topic_find(f->broker, "t");
        assert_int_equal(log_offsets(topic_log(topic, 0)).end, 2 + 3 + 4 + 2);
        assert_int_equal(log_offsets(topic_log(topic, 0)).stable, 11);
        assert_int_equal(log_offsets(topic_log(topic, 1)).stable, 4);
        assert_int_equal(log_aborted(topic_log(topic, 0), 0, 11, &arena, &aborted, &count), 0);
        assert_int_equal(count, 1);
        assert_int_equal(aborted[0].first_offset, 2);
        topic_unref(topic);
        down(f);
    }
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(open_records_show_to_those_who_do_not_wait),
        CASE(a_start_ends_what_was_open_as_its_row_says),
        CASE_SIM(a_start_ends_what_was_open_as_its_row_says),
    };

    diag_set_sink(quiet, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
