/* verbs_kafka.c - topics and consumer groups, asked from the command line. */
#include "cli/verbs.h"

static const char *name_of(const json_t *request)
{
    const char *name = json_string_value(json_object_get(request, "name"));

    return name ? name : "";
}

static int no_topic(const char *name, struct err *err)
{
    return err_set(err, ERR_NOENT, "no topic '%s'; 'tarn topic list' shows them", name);
}

int verb_topic_list(void *arg, const json_t *request, struct control_reply *reply, struct err *err)
{
    struct instance *in = arg;
    struct arena arena = {0};
    struct topic_info *topics = NULL;
    size_t count = 0;
    int rc = broker_topics(in->broker, &arena, &topics, &count, err);

    (void)request;
    if (!rc)
        rc = rows_head(reply, json_pack("[s,s,s,s,s,s]", "topic", "partitions", "records", "bytes",
                                        "in", "out"), err);
    for (size_t i = 0; i < count && !rc; i++)
        rc = rows_add(reply, json_pack("[s,i,I,I,I,I]", topics[i].name, (int)topics[i].partitions,
                                       (json_int_t)topics[i].records, (json_int_t)topics[i].bytes,
                                       (json_int_t)topics[i].records_in,
                                       (json_int_t)topics[i].records_out), err);
    arena_deinit(&arena);
    return rc;
}

int verb_topic_describe(void *arg, const json_t *request, struct control_reply *reply,
                        struct err *err)
{
    struct instance *in = arg;
    struct topic *topic = topic_find(in->broker, name_of(request));
    int rc;

    if (!topic)
        return no_topic(name_of(request), err);
    rc = rows_head(reply, json_pack("[s,s,s,s,s,s]", "partition", "start", "end", "readable",
                                    "on_disk", "bytes"), err);
    for (int32_t i = 0; i < topic_partitions(topic) && !rc; i++) {
        struct log *log = topic_log(topic, i);
        struct log_offsets at = {0};

        if (log)
            at = log_offsets(log);
        rc = rows_add(reply, log ? json_pack("[i,I,I,I,I,I]", (int)i, (json_int_t)at.start,
                                             (json_int_t)at.end, (json_int_t)at.high_watermark,
                                             (json_int_t)at.flushed, (json_int_t)at.bytes)
                                 : json_pack("[i,s,n,n,n,n]", (int)i, "offline"), err);
    }
    topic_unref(topic);
    return rc;
}

int verb_topic_create(void *arg, const json_t *request, struct control_reply *reply,
                      struct err *err)
{
    struct instance *in = arg;
    json_t *config = json_object_get(request, "config"), *value;
    struct broker_config configs[64];
    struct topic_options options = {.name = name_of(request), .partitions = -1, .configs = configs};
    const char *key;
    int rc;

    if (json_is_integer(json_object_get(request, "partitions")))
        options.partitions = (int32_t)json_integer_value(json_object_get(request, "partitions"));
    json_object_foreach(config, key, value) {
        if (options.config_count == COUNT_OF(configs) || !json_is_string(value))
            return err_set(err, ERR_INVALID, "at most %zu settings, each NAME=VALUE",
                           COUNT_OF(configs));
        configs[options.config_count++] = (struct broker_config){key, json_string_value(value)};
    }
    rc = topic_create_wait(in->broker, &options, NULL, err);
    return rc ? rc : control_send(reply, json_pack("{s:s}", "text", "created"), err);
}

int verb_topic_delete(void *arg, const json_t *request, struct control_reply *reply,
                      struct err *err)
{
    struct instance *in = arg;
    int rc = topic_delete_wait(in->broker, name_of(request), err);

    if (rc == ERR_NOENT)
        return no_topic(name_of(request), err);
    return rc ? rc : control_send(reply, json_pack("{s:s}", "text", "deleted"), err);
}

int verb_group_list(void *arg, const json_t *request, struct control_reply *reply, struct err *err)
{
    struct instance *in = arg;
    struct arena arena = {0};
    struct group_info *groups = NULL;
    size_t count = 0;
    int rc = broker_groups(in->broker, &arena, &groups, &count, err);

    (void)request;
    if (!rc)
        rc = rows_head(reply, json_pack("[s,s,s,s]", "group", "state", "members", "lag"), err);
    for (size_t i = 0; i < count && !rc; i++)
        rc = rows_add(reply, json_pack("[s,s,i,I]", groups[i].name, groups[i].state,
                                       (int)groups[i].members, (json_int_t)groups[i].lag), err);
    arena_deinit(&arena);
    return rc;
}

int verb_group_describe(void *arg, const json_t *request, struct control_reply *reply,
                        struct err *err)
{
    struct instance *in = arg;
    struct arena arena = {0};
    struct group_info *groups = NULL;
    const struct group_info *found = NULL;
    size_t count = 0;
    int rc = broker_groups(in->broker, &arena, &groups, &count, err);

    for (size_t i = 0; i < count; i++)
        if (strcmp(groups[i].name, name_of(request)) == 0)
            found = &groups[i];
    if (!rc && !found)
        rc = err_set(err, ERR_NOENT, "no group '%s'; 'tarn group list' shows them",
                     name_of(request));
    if (!rc)
        rc = rows_head(reply, json_pack("[s,s,s,s,s]", "topic", "partition", "committed", "end",
                                        "lag"), err);
    for (size_t i = 0; !rc && i < found->lag_count; i++)
        rc = rows_add(reply, json_pack("[s,i,I,I,I]", found->lags[i].topic,
                                       (int)found->lags[i].partition,
                                       (json_int_t)found->lags[i].offset,
                                       (json_int_t)found->lags[i].end,
                                       (json_int_t)(found->lags[i].end - found->lags[i].offset)),
                      err);
    arena_deinit(&arena);
    return rc;
}
