/* admin.c - topics made, deleted and grown, their configuration read and changed. All on workers.
 */
#include <stdio.h>

#include "kafka/kafka_int.h"

enum resource { RESOURCE_TOPIC = 2, RESOURCE_BROKER = 4 };

static struct slice keep_text(struct request *req, const char *text)
{
    return arena_slice(&req->arena, slice_str(text));
}

/* Names in the errors of administration. */
static int16_t admin_error(int rc)
{
    return rc == ERR_INVALID ? INVALID_CONFIG
                             : (rc == ERR_CORRUPT ? UNKNOWN_SERVER_ERROR : kafka_error(rc));
}

/* ---- create and delete -------------------------------------------------------------------- */

/* A list of assignments in place of a number of partitions: all must be on this broker. */
static int16_t check_shape(struct request *req, const struct create_topics_topic *in,
                           int32_t *partitions, struct err *err)
{
    *partitions = in->assignments.count > 0 ? in->assignments.count : in->num_partitions;
    if (topic_name_check(in->name, err))
        return INVALID_TOPIC_EXCEPTION;
    if (in->assignments.count <= 0 && in->replication_factor != -1 && in->replication_factor != 1) {
        err_set(err, ERR_INVALID, "Replication factor is %d, but there is 1 broker",
                in->replication_factor);
        return INVALID_REPLICATION_FACTOR;
    }
    for (int32_t i = 0; i < in->assignments.count; i++)
        if (in->assignments.items[i].broker_ids.count != 1 ||
            in->assignments.items[i].broker_ids.items[0] != req->broker->options.node_id) {
            err_set(err, ERR_INVALID, "Partitions can be assigned to broker %d alone",
                    req->broker->options.node_id);
            return INVALID_REPLICA_ASSIGNMENT;
        }
    if (*partitions != -1 && (*partitions < 1 || *partitions > PARTITIONS_MAX)) {
        err_set(err, ERR_INVALID, "Number of partitions is %d, but must be from 1 to %d",
                *partitions, PARTITIONS_MAX);
        return INVALID_PARTITIONS;
    }
    return NONE;
}

/* The configuration as it now stands, for the answer (version 5 and later). */
struct config_read {
    struct request *req;
    struct uuid id;
    struct config_line *lines;
    size_t count;
};

static int read_config(struct meta_txn *txn, void *arg, struct err *err)
{
    struct config_read *read = arg;

    return config_lines(read->req->broker, txn, &read->id, &read->req->arena, &read->lines,
                        &read->count, err);
}

static void tell_created(struct request *req, struct topic *topic,
                         struct create_topics_topic_reply *out)
{
    struct config_read read = {.req = req, .id = topic->id};

    out->topic_id = topic->id;
    out->num_partitions = topic_partitions(topic);
    out->replication_factor = 1;
    if (meta_read(req->broker->options.meta, read_config, &read, NULL) ||
        !REPLY_ARRAY(req, out->configs, create_topics_config_reply_schema, read.count))
        return;
    for (size_t i = 0; i < read.count; i++) {
        out->configs.items[i].name = slice_str(read.lines[i].name);
        out->configs.items[i].value = slice_str(read.lines[i].value);
        out->configs.items[i].config_source = read.lines[i].is_set ? CONFIG_TOPIC : CONFIG_DEFAULT;
    }
}

static int create_one(struct request *req, const struct create_topics_topic *in, int32_t partitions,
                      struct create_topics_topic_reply *out, struct err *err)
{
    const struct create_topics_request *all = req->in;
    size_t count = in->configs.count > 0 ? (size_t)in->configs.count : 0;
    struct broker_config *configs = ARENA_ARRAY(&req->arena, struct broker_config, count);
    struct topic_options options = {.name = arena_cstr(&req->arena, in->name),
                                    .partitions = partitions,
                                    .configs = configs,
                                    .config_count = count};
    struct topic *topic = NULL;
    int rc = 0;

    if (!configs || !options.name)
        return err_set(err, ERR_NOMEM, "no memory");
    for (size_t i = 0; i < count && !rc; i++) {
        rc = config_check(in->configs.items[i].name, in->configs.items[i].value, err);
        if (rc)
            break;
        configs[i].name = arena_cstr(&req->arena, in->configs.items[i].name);
        configs[i].value = arena_cstr(&req->arena, in->configs.items[i].value);
        if (!configs[i].name || !configs[i].value)
            rc = err_set(err, ERR_NOMEM, "no memory");
    }
    if (rc)
        return rc;
    if (all->validate_only) {
        topic = topic_find(req->broker, options.name);
        out->num_partitions =
            partitions == -1 ? req->broker->options.default_partitions : partitions;
        out->replication_factor = 1;
        topic_unref(topic);
        return topic ? err_set(err, ERR_EXISTS, "Topic '%s' already exists.", options.name) : 0;
    }
    rc = topic_create_wait(req->broker, &options, &topic, err);
    if (!rc)
        tell_created(req, topic, out);
    topic_unref(topic);
    return rc;
}

void handle_create_topics(struct request *req)
{
    const struct create_topics_request *in = req->in;
    struct create_topics_response *out = req->out;

    if (!REPLY_ARRAY(req, out->topics, create_topics_topic_reply_schema, in->topics.count))
        return;
    for (int32_t i = 0; i < in->topics.count; i++) {
        struct create_topics_topic_reply *reply = &out->topics.items[i];
        struct err err = {0};
        int32_t partitions;

        reply->name = in->topics.items[i].name;
        reply->error_code = check_shape(req, &in->topics.items[i], &partitions, &err);
        if (!reply->error_code)
            reply->error_code =
                admin_error(create_one(req, &in->topics.items[i], partitions, reply, &err));
        if (reply->error_code)
            reply->error_message = keep_text(req, err.text);
    }
}

static void delete_one(struct request *req, struct slice name, const struct uuid *id,
                       struct delete_topics_topic_reply *out)
{
    struct topic *topic =
        name.ptr ? topic_find_slice(req->broker, name) : topic_find_id(req->broker, id);
    struct err err = {0};
    int rc;

    out->name = name;
    out->topic_id = *id;
    if (!topic) {
        out->error_code = name.ptr ? UNKNOWN_TOPIC_OR_PARTITION : UNKNOWN_TOPIC_ID;
        out->error_message = SLICE_LIT("There is no such topic.");
        return;
    }
    out->name = keep_text(req, topic_name(topic));
    out->topic_id = topic->id;
    if (topic->owned) {
        out->error_code = TOPIC_AUTHORIZATION_FAILED;
        out->error_message = SLICE_LIT("This topic is the output of a job: drop the job.");
    } else {
        rc = topic_delete_wait(req->broker, topic_name(topic), &err);
        out->error_code = kafka_error(rc);
        if (rc)
            out->error_message = keep_text(req, err.text);
    }
    topic_unref(topic);
}

void handle_delete_topics(struct request *req)
{
    static const struct uuid none;
    const struct delete_topics_request *in = req->in;
    struct delete_topics_response *out = req->out;
    bool by_id = req->version >= 6;
    int32_t count = by_id ? in->topics.count : in->topic_names.count;

    if (!REPLY_ARRAY(req, out->responses, delete_topics_topic_reply_schema, count))
        return;
    for (int32_t i = 0; i < count; i++)
        if (by_id)
            delete_one(req, in->topics.items[i].name, &in->topics.items[i].topic_id,
                       &out->responses.items[i]);
        else
            delete_one(req, in->topic_names.items[i], &none, &out->responses.items[i]);
}

void handle_create_partitions(struct request *req)
{
    const struct create_partitions_request *in = req->in;
    struct create_partitions_response *out = req->out;

    if (!REPLY_ARRAY(req, out->results, create_partitions_topic_reply_schema, in->topics.count))
        return;
    for (int32_t i = 0; i < in->topics.count; i++) {
        const struct create_partitions_topic *asked = &in->topics.items[i];
        struct create_partitions_topic_reply *reply = &out->results.items[i];
        struct topic *topic = topic_find_slice(req->broker, asked->name);
        struct err err = {0};
        int rc = 0;

        reply->name = asked->name;
        if (topic && topic->owned)
            rc = err_set(&err, ERR_INVALID, "This topic is the output of a job.");
        else if (!in->validate_only || !topic)
            rc = topic_grow_wait(req->broker, asked->name, asked->count, &err);
        else if (asked->count <= topic_partitions(topic))
            rc = err_set(&err, ERR_INVALID, "The topic has %d partitions already.",
                         topic_partitions(topic));
        reply->error_code = rc == ERR_INVALID ? INVALID_PARTITIONS : kafka_error(rc);
        if (rc)
            reply->error_message = keep_text(req, err.text);
        topic_unref(topic);
    }
}

/* ---- configuration ------------------------------------------------------------------------ */

static bool key_wanted(const struct describe_configs_resource *in, const char *name)
{
    for (int32_t i = 0; i < in->configuration_keys.count; i++)
        if (slice_is(in->configuration_keys.items[i], name))
            return true;
    return in->configuration_keys.count < 0 ||
           (in->configuration_keys.count == 0); /* old clients send an empty list for all */
}

static void describe_line(struct request *req, const struct config_line *line,
                          struct describe_configs_config_reply *out)
{
    const struct describe_configs_request *in = req->in;

    out->name = slice_str(line->name);
    out->value = slice_str(line->value);
    out->read_only = line->read_only;
    out->config_source = line->is_set ? CONFIG_TOPIC : CONFIG_DEFAULT;
    out->config_type = line->type;
    if (in->include_documentation)
        out->documentation = slice_str(line->help);
    if (in->include_synonyms &&
        REPLY_ARRAY(req, out->synonyms, describe_configs_synonym_reply_schema, 1)) {
        out->synonyms.items[0].name = out->name;
        out->synonyms.items[0].value = out->value;
        out->synonyms.items[0].source = out->config_source;
    }
}

static void describe_lines(struct request *req, const struct describe_configs_resource *in,
                           const struct config_line *lines, size_t count,
                           struct describe_configs_resource_reply *out)
{
    int32_t kept = 0;

    if (!REPLY_ARRAY(req, out->configs, describe_configs_config_reply_schema, count))
        return;
    for (size_t i = 0; i < count; i++)
        if (key_wanted(in, lines[i].name))
            describe_line(req, &lines[i], &out->configs.items[kept++]);
    out->configs.count = kept;
}

static void describe_topic(struct request *req, const struct describe_configs_resource *in,
                           struct describe_configs_resource_reply *out)
{
    struct topic *topic = topic_find_slice(req->broker, in->resource_name);
    struct config_read read = {.req = req};
    struct err err = {0};
    int rc = topic ? 0 : err_set(&err, ERR_NOENT, "There is no such topic.");

    if (topic) {
        read.id = topic->id;
        rc = meta_read(req->broker->options.meta, read_config, &read, &err);
    }
    topic_unref(topic);
    out->error_code = kafka_error(rc);
    if (rc)
        out->error_message = keep_text(req, err.text);
    else
        describe_lines(req, in, read.lines, read.count, out);
}

/* What of the broker's own settings clients look at; all are set in tarn.yaml. */
static void describe_broker(struct request *req, const struct describe_configs_resource *in,
                            struct describe_configs_resource_reply *out)
{
    const struct broker_options *o = &req->broker->options;
    struct arena *arena = &req->arena;
    int64_t id;
    struct config_line lines[] = {
        {"auto.create.topics.enable", o->auto_create ? "true" : "false",
         "A topic that a client asks for is made.", 1, false, true},
        {"broker.id", arena_printf(arena, "%d", o->node_id), "This broker.", 3, false, true},
        {"log.retention.ms", arena_printf(arena, "%" PRId64, o->retention_ms),
         "Records older than this go.", 5, false, true},
        {"log.segment.bytes", arena_printf(arena, "%" PRId64, o->segment_bytes),
         "A segment file ends at this size.", 5, false, true},
        {"message.max.bytes", arena_printf(arena, "%d", o->message_bytes_max),
         "The largest record batch that is taken.", 3, false, true},
        {"num.partitions", arena_printf(arena, "%d", o->default_partitions),
         "Partitions of a topic that is made without a number.", 3, false, true},
    };

    if (in->resource_name.len && (slice_to_i64(in->resource_name, &id) || id != o->node_id)) {
        out->error_code = INVALID_REQUEST;
        out->error_message = SLICE_LIT("There is no such broker.");
        return;
    }
    describe_lines(req, in, lines, COUNT_OF(lines), out);
}

void handle_describe_configs(struct request *req)
{
    const struct describe_configs_request *in = req->in;
    struct describe_configs_response *out = req->out;

    if (!REPLY_ARRAY(req, out->results, describe_configs_resource_reply_schema,
                     in->resources.count))
        return;
    for (int32_t i = 0; i < in->resources.count; i++) {
        const struct describe_configs_resource *asked = &in->resources.items[i];
        struct describe_configs_resource_reply *reply = &out->results.items[i];

        reply->resource_type = asked->resource_type;
        reply->resource_name = asked->resource_name;
        if (asked->resource_type == RESOURCE_TOPIC) {
            describe_topic(req, asked, reply);
        } else if (asked->resource_type == RESOURCE_BROKER) {
            describe_broker(req, asked, reply);
        } else {
            reply->error_code = INVALID_REQUEST;
            reply->error_message =
                SLICE_LIT("Topics and brokers have configuration, nothing else.");
        }
    }
}

enum operation {
    OPERATION_SET = 0,
    OPERATION_DELETE = 1,
    OPERATION_APPEND = 2,
    OPERATION_SUBTRACT = 3
};

struct change {
    const char *name, *value; /* value NULL: back to the default */
};

struct alteration {
    struct broker *broker;
    struct topic *topic;
    bool replace; /* AlterConfigs: what is not named goes back to its default */
    struct change *changes;
    size_t count;
    struct topic_config config; /* afterwards */
};

static int alter_in(struct meta_txn *txn, void *arg, struct err *err)
{
    struct alteration *a = arg;
    const char *id = topic_id(a->topic);
    int rc = 0;

    if (a->replace)
        rc = meta_exec(txn, err, "DELETE FROM kafka_topic_config WHERE topic_id = ?", "s", id);
    for (size_t i = 0; i < a->count && !rc; i++)
        rc = a->changes[i].value
                 ? meta_exec(txn, err,
                             "INSERT INTO kafka_topic_config (topic_id, name, value)"
                             " VALUES (?, ?, ?) ON CONFLICT (topic_id, name)"
                             " DO UPDATE SET value = excluded.value",
                             "sss", id, a->changes[i].name, a->changes[i].value)
                 : meta_exec(txn, err,
                             "DELETE FROM kafka_topic_config WHERE topic_id = ? AND name = ?", "ss",
                             id, a->changes[i].name);
    return rc ? rc : config_load(txn, a->broker, &a->topic->id, &a->config, err);
}

static int alter(struct request *req, struct slice name, struct alteration *a, bool validate_only,
                 struct err *err)
{
    int rc;

    a->broker = req->broker;
    a->topic = topic_find_slice(req->broker, name);
    if (!a->topic)
        return err_set(err, ERR_NOENT, "There is no such topic.");
    rc = validate_only ? 0 : meta_write_wait(req->broker->options.meta, alter_in, a, err);
    if (!rc && !validate_only) {
        pthread_mutex_lock(&a->topic->lock);
        a->topic->config = a->config;
        pthread_mutex_unlock(&a->topic->lock);
        topic_apply_config(a->topic);
    }
    topic_unref(a->topic);
    return rc;
}

static int take_change(struct request *req, struct alteration *a, struct slice name,
                       enum operation operation, struct slice value, struct err *err)
{
    struct change *change = &a->changes[a->count];
    int rc = 0;

    if (operation == OPERATION_DELETE) {
        if (!config_known(name))
            rc =
                err_set(err, ERR_INVALID, "Unknown topic config name: " SLICE_FMT, SLICE_ARG(name));
    } else if (operation == OPERATION_SUBTRACT || operation > OPERATION_SUBTRACT) {
        rc = err_set(err, ERR_INVALID, "Nothing can be taken out of " SLICE_FMT, SLICE_ARG(name));
    } else {
        rc = config_check(name, value, err);
    }
    if (rc)
        return rc;
    change->name = arena_cstr(&req->arena, name);
    change->value = operation == OPERATION_DELETE ? NULL : arena_cstr(&req->arena, value);
    if (!change->name || (operation != OPERATION_DELETE && !change->value))
        return err_set(err, ERR_NOMEM, "no memory");
    a->count++;
    return 0;
}

/* Both requests have the same resource and answer but for the operation. */
static int16_t alter_resource(struct request *req, int8_t type, struct slice name,
                              struct alteration *a, int rc, bool validate_only,
                              struct slice *message, struct err *err)
{
    if (!rc && type != RESOURCE_TOPIC)
        rc = err_set(err, ERR_INVALID,
                     "Only topics can be configured here; the broker's settings "
                     "are in tarn.yaml.");
    if (!rc)
        rc = alter(req, name, a, validate_only, err);
    if (rc)
        *message = keep_text(req, err->text);
    return admin_error(rc);
}

void handle_alter_configs(struct request *req)
{
    const struct alter_configs_request *in = req->in;
    struct alter_configs_response *out = req->out;

    if (!REPLY_ARRAY(req, out->responses, alter_configs_resource_reply_schema, in->resources.count))
        return;
    for (int32_t i = 0; i < in->resources.count; i++) {
        const struct alter_configs_resource *asked = &in->resources.items[i];
        struct alter_configs_resource_reply *reply = &out->responses.items[i];
        struct alteration a = {.replace = true};
        struct err err = {0};
        int rc = 0;

        reply->resource_type = asked->resource_type;
        reply->resource_name = asked->resource_name;
        a.changes = ARENA_ARRAY(&req->arena, struct change, (size_t)asked->configs.count);
        if (!a.changes)
            rc = err_set(&err, ERR_NOMEM, "no memory");
        for (int32_t c = 0; c < asked->configs.count && !rc; c++)
            rc = take_change(req, &a, asked->configs.items[c].name, OPERATION_SET,
                             asked->configs.items[c].value, &err);
        reply->error_code = alter_resource(req, asked->resource_type, asked->resource_name, &a, rc,
                                           in->validate_only, &reply->error_message, &err);
    }
}

void handle_incremental_alter_configs(struct request *req)
{
    const struct incremental_alter_configs_request *in = req->in;
    struct incremental_alter_configs_response *out = req->out;

    if (!REPLY_ARRAY(req, out->responses, incremental_alter_configs_resource_reply_schema,
                     in->resources.count))
        return;
    for (int32_t i = 0; i < in->resources.count; i++) {
        const struct incremental_alter_configs_resource *asked = &in->resources.items[i];
        struct incremental_alter_configs_resource_reply *reply = &out->responses.items[i];
        struct alteration a = {0};
        struct err err = {0};
        int rc = 0;

        reply->resource_type = asked->resource_type;
        reply->resource_name = asked->resource_name;
        a.changes = ARENA_ARRAY(&req->arena, struct change, (size_t)asked->configs.count);
        if (!a.changes)
            rc = err_set(&err, ERR_NOMEM, "no memory");
        for (int32_t c = 0; c < asked->configs.count && !rc; c++)
            rc = take_change(req, &a, asked->configs.items[c].name,
                             (enum operation)asked->configs.items[c].config_operation,
                             asked->configs.items[c].value, &err);
        reply->error_code = alter_resource(req, asked->resource_type, asked->resource_name, &a, rc,
                                           in->validate_only, &reply->error_message, &err);
    }
}

/* ---- disk use ----------------------------------------------------------------------------- */

static bool partition_wanted(const struct describe_log_dirs_topic *in, int32_t partition)
{
    for (int32_t i = 0; in && i < in->partitions.count; i++)
        if (in->partitions.items[i] == partition)
            return true;
    return !in;
}

static void describe_sizes(struct request *req, struct topic *topic,
                           const struct describe_log_dirs_topic *in,
                           struct describe_log_dirs_topic_reply *out)
{
    int32_t kept = 0;

    out->name = keep_text(req, topic_name(topic));
    if (!REPLY_ARRAY(req, out->partitions, describe_log_dirs_partition_reply_schema,
                     topic_partitions(topic)))
        return;
    for (int32_t i = 0; i < out->partitions.count; i++) {
        struct log *log = topic_log(topic, i);

        if (!partition_wanted(in, i) || !log)
            continue;
        out->partitions.items[kept].partition_index = i;
        out->partitions.items[kept++].partition_size = log_offsets(log).bytes;
    }
    out->partitions.count = kept;
}

void handle_describe_log_dirs(struct request *req)
{
    const struct describe_log_dirs_request *in = req->in;
    struct describe_log_dirs_response *out = req->out;
    struct describe_log_dirs_result_reply *dir;
    struct topic **topics;
    size_t count;

    if (!REPLY_ARRAY(req, out->results, describe_log_dirs_result_reply_schema, 1) ||
        topics_list(req->broker, &req->arena, &topics, &count))
        return;
    dir = &out->results.items[0];
    dir->log_dir = slice_str(req->broker->dir);
    disk_free_bytes(req->broker->options.disk, req->broker->dir, &dir->usable_bytes, NULL);
    if (REPLY_ARRAY(req, dir->topics, describe_log_dirs_topic_reply_schema, count))
        dir->topics.count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct describe_log_dirs_topic *asked = NULL;

        for (int32_t t = 0; t < in->topics.count; t++)
            if (slice_is(in->topics.items[t].topic, topic_name(topics[i])))
                asked = &in->topics.items[t];
        if (dir->topics.items && (in->topics.count < 0 || asked))
            describe_sizes(req, topics[i], asked, &dir->topics.items[dir->topics.count++]);
        topic_unref(topics[i]);
    }
}
