/* outside_producer.c - records to other brokers, plainly or in transactions. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "kafka/outside_int.h"

#define POLL_MS 100

struct outside_producer {
    rd_kafka_t *rk;
    struct outside_trouble trouble;
    enum outside_partitioner partitioner;
    _Atomic uint32_t turn;
};

static void on_error(rd_kafka_t *rk, int code, const char *text, void *opaque)
{
    struct outside_producer *p = opaque;

    (void)rk;
    outside_trouble_note(&p->trouble, (rd_kafka_resp_err_t)code, text);
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    struct outside_producer *p = opaque;
    struct outside_tally *tally = message->_private;
    int none = 0;

    (void)rk;
    if (message->err)
        outside_trouble_note(&p->trouble, message->err, rd_kafka_err2str(message->err));
    else
        outside_trouble_clear(&p->trouble);
    if (!tally)
        return;
    if (message->err)
        atomic_compare_exchange_strong(&tally->failed, &none, outside_code(message->err));
    atomic_fetch_add(&tally->done, 1);
}

/* One record, one partition. */
static int32_t in_turn(const rd_kafka_topic_t *topic, const void *key, size_t len, int32_t count,
                       void *opaque, void *message)
{
    struct outside_producer *p = opaque;

    (void)topic;
    (void)key;
    (void)len;
    (void)message;
    return (int32_t)(atomic_fetch_add(&p->turn, 1) % (uint32_t)count);
}

static int set_partitioner(struct outside_producer *p, rd_kafka_conf_t *conf, struct err *err)
{
    rd_kafka_topic_conf_t *topic;

    if (p->partitioner != OUTSIDE_ROUND_ROBIN)
        return outside_conf_set(conf, "partitioner", "murmur2_random", err);
    topic = rd_kafka_topic_conf_new();
    rd_kafka_topic_conf_set_partitioner_cb(topic, in_turn);
    rd_kafka_topic_conf_set_opaque(topic, p);
    rd_kafka_conf_set_default_topic_conf(conf, topic);
    return 0;
}

/* A record of a transaction may not live longer than that. */
static int set_transactional(rd_kafka_conf_t *conf, const char *id, struct err *err)
{
    char delivery[32] = "", transaction[32] = "";
    size_t size = sizeof(delivery);
    int rc = outside_conf_set(conf, "transactional.id", id, err);

    rd_kafka_conf_get(conf, "delivery.timeout.ms", delivery, &size);
    size = sizeof(transaction);
    rd_kafka_conf_get(conf, "transaction.timeout.ms", transaction, &size);
    if (!rc && atoll(delivery) > atoll(transaction))
        rc = outside_conf_set(conf, "delivery.timeout.ms", transaction, err);
    return rc;
}

int outside_producer_new(struct outside_producer **out, const struct outside_options *options,
                         enum outside_partitioner partitioner, const char *transactional_id,
                         struct err *err)
{
    struct outside_producer *p = calloc(1, sizeof(*p));
    rd_kafka_conf_t *conf = NULL;
    char text[256];
    int rc;

    if (!p)
        return err_set(err, ERR_NOMEM, "producer");
    outside_trouble_init(&p->trouble);
    p->partitioner = partitioner;
    rc = outside_conf_new(&conf, options, true, err);
    if (!rc)
        rc = set_partitioner(p, conf, err);
    if (!rc && transactional_id)
        rc = set_transactional(conf, transactional_id, err);
    if (!rc) {
        rd_kafka_conf_set_error_cb(conf, on_error);
        rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
        rd_kafka_conf_set_opaque(conf, p);
        p->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
        if (p->rk)
            conf = NULL; /* taken */
        else
            rc = err_set(err, ERR_INVALID, "%s", text);
    }
    if (conf)
        rd_kafka_conf_destroy(conf);
    if (rc) {
        outside_producer_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

void outside_producer_free(struct outside_producer *p)
{
    if (!p)
        return;
    if (p->rk) {
        rd_kafka_purge(p->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
                                  RD_KAFKA_PURGE_F_NON_BLOCKING);
        while (rd_kafka_poll(p->rk, 0) > 0) /* tallies hear of what was dropped */
            ;
        rd_kafka_destroy(p->rk);
    }
    outside_trouble_deinit(&p->trouble);
    free(p);
}

bool outside_producer_trouble(struct outside_producer *p, char *text, size_t size)
{
    rd_kafka_poll(p->rk, 0);
    return outside_trouble_show(&p->trouble, text, size);
}

/* ---- records ---- */

static int sending_failed(struct outside_producer *p, const char *topic, int code, struct err *err)
{
    char text[300];

    outside_trouble_show(&p->trouble, text, sizeof(text));
    return err_set(err, code, "topic %s: %s", topic, text[0] ? text : "a record was not taken");
}

static rd_kafka_headers_t *headers_of(const struct outside_message *m)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new((size_t)m->header_count);

    for (int i = 0; i < m->header_count; i++)
        rd_kafka_header_add(headers, (const char *)m->headers[i].key.ptr,
                            (ssize_t)m->headers[i].key.len, m->headers[i].value.ptr,
                            (ssize_t)m->headers[i].value.len);
    return headers;
}

int outside_send(struct outside_producer *p, const struct outside_message *m,
                 struct outside_tally *tally, struct err *err)
{
    rd_kafka_headers_t *headers = m->header_count ? headers_of(m) : NULL;
    int32_t partition = p->partitioner == OUTSIDE_FIXED ? 0 : RD_KAFKA_PARTITION_UA;

    for (;;) {
        rd_kafka_vu_t parts[] = {
            {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = m->topic},
            {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = partition},
            {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
            {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(void *)m->key.ptr, m->key.len}},
            {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)m->value.ptr, m->value.len}},
            {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = m->timestamp_ms},
            {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = tally},
            {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
        };
        rd_kafka_error_t *error =
            rd_kafka_produceva(p->rk, parts, COUNT_OF(parts) - (headers ? 0 : 1));
        bool full = error && rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__QUEUE_FULL;

        if (!error) {
            atomic_fetch_add(&tally->sent, 1);
            return 0;
        }
        if (!full) {
            if (headers)
                rd_kafka_headers_destroy(headers);
            return outside_failed(error, m->topic, err);
        }
        rd_kafka_error_destroy(error);
        rd_kafka_poll(p->rk, POLL_MS);
        if (atomic_load(&tally->failed)) {
            if (headers)
                rd_kafka_headers_destroy(headers);
            return sending_failed(p, m->topic, atomic_load(&tally->failed), err);
        }
    }
}

int outside_settle(struct outside_producer *p, struct outside_tally *tally, struct err *err)
{
    while (atomic_load(&tally->done) < atomic_load(&tally->sent))
        rd_kafka_poll(p->rk, POLL_MS);
    return atomic_load(&tally->failed)
               ? sending_failed(p, "of the sink", atomic_load(&tally->failed), err)
               : 0;
}

/* ---- transactions ---- */

int outside_txn_open(struct outside_producer *p, int timeout_ms, struct err *err)
{
    rd_kafka_error_t *error = rd_kafka_init_transactions(p->rk, timeout_ms);
    bool again = error && rd_kafka_error_is_retriable(error);
    int rc;

    rd_kafka_poll(p->rk, 0);
    rc = outside_failed(error, "opening transactions", err);
    if (!rc)
        outside_trouble_clear(&p->trouble);
    return rc && again ? (err ? (err->code = ERR_TIMEOUT) : ERR_TIMEOUT) : rc;
}

int outside_txn_begin(struct outside_producer *p, struct err *err)
{
    return outside_failed(rd_kafka_begin_transaction(p->rk), "begin of a transaction", err);
}

int outside_txn_commit(struct outside_producer *p, const char *group,
                       const struct outside_place *place, int timeout_ms, struct err *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_consumer_group_metadata_t *who = rd_kafka_consumer_group_metadata_new(group);
    int rc;

    rd_kafka_topic_partition_list_add(list, place->topic, place->partition)->offset = place->offset;
    rc = outside_failed(rd_kafka_send_offsets_to_transaction(p->rk, list, who, timeout_ms),
                        "offset of a transaction", err);
    rd_kafka_consumer_group_metadata_destroy(who);
    rd_kafka_topic_partition_list_destroy(list);
    if (!rc && outside_failed(rd_kafka_commit_transaction(p->rk, timeout_ms),
                              "commit of a transaction", err))
        rc = err ? (err->code = ERR_UNKNOWN) : ERR_UNKNOWN;
    rd_kafka_poll(p->rk, 0);
    return rc;
}
