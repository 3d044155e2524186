/* metadata.c - what is there: versions, topics, the broker itself as its own coordinator.
 *
 * Every listener has its own advertised address, and the one that was asked answers with its own.
 */
#include <stdio.h>

#include "kafka/kafka_int.h"

#define AUTHORIZED_OPERATIONS_UNKNOWN INT32_MIN

void handle_api_versions(struct request *req)
{
    struct api_versions_response *out = req->out;

    if (REPLY_ARRAY(req, out->api_keys, api_version_range_schema, api_count))
        for (size_t i = 0; i < api_count; i++)
            out->api_keys.items[i] =
                (struct api_version_range){apis[i].key, apis[i].min, apis[i].max};
    request_done(req);
}

/* ---- metadata ----------------------------------------------------------------------------- */

static int describe_partitions(struct request *req, struct topic *topic,
                               struct metadata_topic_reply *out)
{
    struct partition_set *set = atomic_load(&topic->set);
    int32_t *self = ARENA_NEW(&req->arena, int32_t);

    if (!self || !REPLY_ARRAY(req, out->partitions, metadata_partition_reply_schema, set->count))
        return ERR_NOMEM;
    *self = req->broker->options.node_id;
    for (int32_t i = 0; i < set->count; i++) {
        struct metadata_partition_reply *p = &out->partitions.items[i];

        p->partition_index = i;
        p->leader_id = *self;
        p->leader_epoch = LEADER_EPOCH;
        p->replica_nodes.items = self;
        p->replica_nodes.count = 1;
        p->isr_nodes.items = self;
        p->isr_nodes.count = 1;
        if (set->list[i]->log)
            continue;
        p->error_code = KAFKA_STORAGE_ERROR;
        p->offline_replicas.items = self;
        p->offline_replicas.count = 1;
    }
    return 0;
}

static int describe(struct request *req, struct topic *topic, struct metadata_topic_reply *out)
{
    out->name = arena_slice(&req->arena, slice_str(topic->name));
    out->topic_id = topic->id;
    out->topic_authorized_operations = AUTHORIZED_OPERATIONS_UNKNOWN;
    return out->name.ptr ? describe_partitions(req, topic, out) : ERR_NOMEM;
}

/* A topic asked for by name or id; `create`: it may be made, which blocks. 1: it should be made. */
static int describe_asked(struct request *req, const struct metadata_topic *asked, bool create,
                          struct metadata_topic_reply *out)
{
    bool by_name = asked->name.ptr != NULL;
    struct topic *topic = by_name ? topic_find_slice(req->broker, asked->name)
                                  : topic_find_id(req->broker, &asked->topic_id);
    const struct metadata_request *in = req->in;
    int rc = 0;

    out->name = asked->name;
    out->topic_id = asked->topic_id;
    out->topic_authorized_operations = AUTHORIZED_OPERATIONS_UNKNOWN;
    if (!topic && by_name && topic_name_check(asked->name, NULL)) {
        out->error_code = INVALID_TOPIC_EXCEPTION;
        return 0;
    }
    if (!topic && by_name && req->broker->options.auto_create && in->allow_auto_topic_creation) {
        struct topic_options options = {.name = arena_cstr(&req->arena, asked->name),
                                        .partitions = -1};

        if (!create)
            return 1;
        rc = options.name ? topic_create_wait(req->broker, &options, &topic, NULL) : ERR_NOMEM;
        if (rc == ERR_EXISTS)
            topic = topic_find_slice(req->broker, asked->name);
    }
    if (topic)
        rc = describe(req, topic, out);
    else
        out->error_code =
            rc ? kafka_error(rc) : (by_name ? UNKNOWN_TOPIC_OR_PARTITION : UNKNOWN_TOPIC_ID);
    topic_unref(topic);
    return rc == ERR_NOMEM ? rc : 0;
}

static int describe_all(struct request *req, struct metadata_response *out)
{
    struct topic **topics;
    size_t count;
    int rc = topics_list(req->broker, &req->arena, &topics, &count);

    if (!rc && !REPLY_ARRAY(req, out->topics, metadata_topic_reply_schema, count))
        rc = ERR_NOMEM;
    for (size_t i = 0; topics && i < count; i++) {
        if (!rc)
            rc = describe(req, topics[i], &out->topics.items[i]);
        topic_unref(topics[i]);
    }
    return rc;
}

static int describe_topics(struct request *req, bool create)
{
    const struct metadata_request *in = req->in;
    struct metadata_response *out = req->out;
    int rc = 0;

    if (in->topics.count < 0 || (req->version == 0 && in->topics.count == 0))
        return describe_all(req, out);
    if (!REPLY_ARRAY(req, out->topics, metadata_topic_reply_schema, in->topics.count))
        return ERR_NOMEM;
    for (int32_t i = 0; i < in->topics.count && !rc; i++)
        rc = describe_asked(req, &in->topics.items[i], create, &out->topics.items[i]);
    return rc;
}

static void create_and_describe(struct request *req)
{
    if (describe_topics(req, true) < 0)
        ((struct metadata_response *)req->out)->topics.count = 0;
}

void handle_metadata(struct request *req)
{
    struct metadata_response *out = req->out;
    const struct broker_listener *self = &req->broker->listeners[req->conn->listener];

    if (REPLY_ARRAY(req, out->brokers, metadata_broker_reply_schema, 1)) {
        out->brokers.items[0].node_id = req->broker->options.node_id;
        out->brokers.items[0].host = slice_str(self->advertised_host);
        out->brokers.items[0].port = self->advertised_port;
    }
    out->cluster_id = slice_str(req->broker->cluster_id);
    out->controller_id = req->broker->options.node_id;
    out->cluster_authorized_operations = AUTHORIZED_OPERATIONS_UNKNOWN;
    switch (describe_topics(req, false)) {
    case 0:
        break;
    case 1:
        request_offload(req, create_and_describe);
        return;
    default:
        out->topics.count = 0;
        out->error_code = UNKNOWN_SERVER_ERROR;
    }
    request_done(req);
}

void handle_describe_cluster(struct request *req)
{
    const struct describe_cluster_request *in = req->in;
    struct describe_cluster_response *out = req->out;
    const struct broker_listener *self = &req->broker->listeners[req->conn->listener];

    out->cluster_id = slice_str(req->broker->cluster_id);
    out->controller_id = req->broker->options.node_id;
    out->cluster_authorized_operations = AUTHORIZED_OPERATIONS_UNKNOWN;
    out->endpoint_type = in->endpoint_type;
    if (in->endpoint_type != 1) { /* 2: controllers, which are not apart here */
        out->error_code = UNSUPPORTED_ENDPOINT_TYPE;
        out->error_message = SLICE_LIT("This is a broker; ask for endpoint type 1.");
    } else if (REPLY_ARRAY(req, out->brokers, describe_cluster_broker_reply_schema, 1)) {
        out->brokers.items[0].broker_id = req->broker->options.node_id;
        out->brokers.items[0].host = slice_str(self->advertised_host);
        out->brokers.items[0].port = self->advertised_port;
    }
    request_done(req);
}

void handle_find_coordinator(struct request *req)
{
    const struct find_coordinator_request *in = req->in;
    struct find_coordinator_response *out = req->out;
    const struct broker_listener *self = &req->broker->listeners[req->conn->listener];
    struct slice host = slice_str(self->advertised_host);
    /* 0: groups, 1: transactions; the coordinator of both is this broker. */
    int16_t error = in->key_type == 0 || in->key_type == 1 ? NONE : INVALID_REQUEST;

    out->error_code = error;
    out->node_id = error ? -1 : req->broker->options.node_id;
    out->host = error ? SLICE_LIT("") : host;
    out->port = error ? -1 : self->advertised_port;
    if (req->version >= 4 && REPLY_ARRAY(req, out->coordinators, find_coordinator_reply_schema,
                                         in->coordinator_keys.count))
        for (int32_t i = 0; i < in->coordinator_keys.count; i++) {
            struct find_coordinator_reply *one = &out->coordinators.items[i];

            one->key = in->coordinator_keys.items[i];
            one->error_code = error;
            one->node_id = out->node_id;
            one->host = out->host;
            one->port = out->port;
        }
    request_done(req);
}
