/* offsets.c - offsets by time, by leader epoch, and the deletion of records before an offset. */
#include "kafka/kafka_int.h"

/* Times with a meaning of their own in ListOffsets. */
#define TIME_LATEST         (-1)
#define TIME_EARLIEST       (-2)
#define TIME_MAX            (-3) /* KIP-734 */
#define TIME_EARLIEST_LOCAL (-4) /* KIP-405 */
#define TIME_LATEST_TIERED  (-5) /* KIP-1005: nothing is tiered here */

static int16_t find_offset(struct log *log, int64_t time_ms, bool committed,
                           struct list_offsets_partition_reply *out)
{
    struct log_offsets at = log_offsets(log);
    int64_t offset = -1, found_ms = -1;
    int rc = 0;

    switch (time_ms) {
    case TIME_LATEST:
        offset = committed ? at.stable : at.high_watermark;
        break;
    case TIME_EARLIEST:
    case TIME_EARLIEST_LOCAL:
        offset = at.start;
        break;
    case TIME_LATEST_TIERED:
        break;
    case TIME_MAX:
        time_ms = log_time_max(log);
        if (time_ms >= 0)
            rc = log_find_time(log, time_ms, &offset, &found_ms, NULL);
        break;
    default:
        if (time_ms < 0)
            return INVALID_REQUEST;
        rc = log_find_time(log, time_ms, &offset, &found_ms, NULL);
    }
    if (rc)
        return rc == ERR_CORRUPT ? KAFKA_STORAGE_ERROR : kafka_error(rc);
    out->offset = offset;
    out->timestamp = found_ms;
    out->leader_epoch = offset >= 0 ? LEADER_EPOCH : -1;
    return NONE;
}

static void list_topic(struct request *req, const struct list_offsets_topic *in,
                       struct list_offsets_topic_reply *out)
{
    struct topic *topic = topic_find_slice(req->broker, in->name);
    bool committed = ((const struct list_offsets_request *)req->in)->isolation_level == 1;

    out->name = in->name;
    if (!REPLY_ARRAY(req, out->partitions, list_offsets_partition_reply_schema,
                     in->partitions.count))
        in = NULL;
    for (int32_t i = 0; in && i < in->partitions.count; i++) {
        const struct list_offsets_partition *asked = &in->partitions.items[i];
        struct list_offsets_partition_reply *reply = &out->partitions.items[i];
        struct partition *p = topic ? topic_partition(topic, asked->partition_index) : NULL;

        reply->partition_index = asked->partition_index;
        reply->offset = reply->timestamp = reply->leader_epoch = -1;
        if (!p)
            reply->error_code = UNKNOWN_TOPIC_OR_PARTITION;
        else if (asked->current_leader_epoch > LEADER_EPOCH)
            reply->error_code = UNKNOWN_LEADER_EPOCH;
        else if (!p->log)
            reply->error_code = KAFKA_STORAGE_ERROR;
        else
            reply->error_code = find_offset(p->log, asked->timestamp, committed, reply);
    }
    topic_unref(topic);
}

void handle_list_offsets(struct request *req)
{
    const struct list_offsets_request *in = req->in;
    struct list_offsets_response *out = req->out;

    if (REPLY_ARRAY(req, out->topics, list_offsets_topic_reply_schema, in->topics.count))
        for (int32_t i = 0; i < in->topics.count; i++)
            list_topic(req, &in->topics.items[i], &out->topics.items[i]);
}

/* One epoch, so its end is the end of the log: a consumer that asks was never cut off from it. */
static void epoch_topic(struct request *req, const struct epoch_topic *in,
                        struct epoch_topic_reply *out)
{
    struct topic *topic = topic_find_slice(req->broker, in->topic);

    out->topic = in->topic;
    if (!REPLY_ARRAY(req, out->partitions, epoch_end_offset_schema, in->partitions.count))
        in = NULL;
    for (int32_t i = 0; in && i < in->partitions.count; i++) {
        const struct epoch_partition *asked = &in->partitions.items[i];
        struct epoch_end_offset *reply = &out->partitions.items[i];
        struct partition *p = topic ? topic_partition(topic, asked->partition) : NULL;

        reply->partition = asked->partition;
        if (!p) {
            reply->error_code = UNKNOWN_TOPIC_OR_PARTITION;
        } else if (asked->current_leader_epoch > LEADER_EPOCH) {
            reply->error_code = UNKNOWN_LEADER_EPOCH;
        } else if (!p->log) {
            reply->error_code = KAFKA_STORAGE_ERROR;
        } else if (asked->leader_epoch == LEADER_EPOCH) {
            reply->leader_epoch = LEADER_EPOCH;
            reply->end_offset = log_offsets(p->log).high_watermark;
        }
    }
    topic_unref(topic);
}

void handle_offset_for_leader_epoch(struct request *req)
{
    const struct offset_for_leader_epoch_request *in = req->in;
    struct offset_for_leader_epoch_response *out = req->out;

    if (REPLY_ARRAY(req, out->topics, epoch_topic_reply_schema, in->topics.count))
        for (int32_t i = 0; i < in->topics.count; i++)
            epoch_topic(req, &in->topics.items[i], &out->topics.items[i]);
    request_done(req);
}

static void delete_in_partition(struct topic *topic, const struct delete_records_partition *in,
                                struct delete_records_partition_reply *out)
{
    struct log *log = topic ? topic_log(topic, in->partition_index) : NULL;
    int64_t offset = in->offset;
    int rc;

    out->partition_index = in->partition_index;
    out->low_watermark = -1;
    if (!topic || !topic_partition(topic, in->partition_index)) {
        out->error_code = UNKNOWN_TOPIC_OR_PARTITION;
        return;
    }
    if (!log || topic->owned) {
        out->error_code = log ? POLICY_VIOLATION : KAFKA_STORAGE_ERROR;
        return;
    }
    if (offset == -1) /* up to the high watermark */
        offset = log_offsets(log).high_watermark;
    rc = log_delete_before(log, offset, NULL);
    out->error_code = kafka_error(rc);
    if (!rc)
        out->low_watermark = log_offsets(log).start;
}

void handle_delete_records(struct request *req)
{
    const struct delete_records_request *in = req->in;
    struct delete_records_response *out = req->out;

    if (!REPLY_ARRAY(req, out->topics, delete_records_topic_reply_schema, in->topics.count))
        return;
    for (int32_t t = 0; t < in->topics.count; t++) {
        const struct delete_records_topic *asked = &in->topics.items[t];
        struct delete_records_topic_reply *reply = &out->topics.items[t];
        struct topic *topic = topic_find_slice(req->broker, asked->name);

        reply->name = asked->name;
        if (REPLY_ARRAY(req, reply->partitions, delete_records_partition_reply_schema,
                        asked->partitions.count))
            for (int32_t i = 0; i < asked->partitions.count; i++)
                delete_in_partition(topic, &asked->partitions.items[i],
                                    &reply->partitions.items[i]);
        topic_unref(topic);
    }
}
