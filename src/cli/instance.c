/* instance.c - rooms start from the top down and stop from the bottom up. */
#include "cli/instance.h"

static void stop_from(struct instance *instance, const struct room *rooms, size_t count)
{
    while (count-- > 0) {
        diag(DIAG_DEBUG, "tarn", "stopping %s", rooms[count].name);
        rooms[count].stop(instance);
    }
}

int instance_start(struct instance *instance, const struct room *rooms, struct err *err)
{
    for (size_t i = 0; rooms[i].name; i++) {
        int64_t began = clock_mono_ns(instance->clock);
        int rc = rooms[i].start(instance, err);

        if (rc) {
            stop_from(instance, rooms, i + 1); /* the last one is half built */
            return err_wrap(err, rc, "%s", rooms[i].name);
        }
        diag(DIAG_DEBUG, "tarn", "%s started in %.1f ms", rooms[i].name,
             (double)(clock_mono_ns(instance->clock) - began) / 1e6);
    }
    return 0;
}

void instance_stop(struct instance *instance, const struct room *rooms)
{
    size_t count = 0;

    while (rooms[count].name)
        count++;
    stop_from(instance, rooms, count);
}

/* ---- what the project asks for at start ---- */

static int make_topic(struct instance *in, const struct config_topic *topic, struct err *err)
{
    struct broker_config *configs = calloc(topic->count + 1, sizeof(*configs));
    struct topic_options options = {.name = topic->name, .partitions = (int32_t)topic->partitions,
                                    .configs = configs, .config_count = topic->count};
    int rc;

    if (!configs)
        return err_set(err, ERR_NOMEM, "topic '%s'", topic->name);
    for (size_t i = 0; i < topic->count; i++)
        configs[i] = (struct broker_config){topic->keys[i], topic->values[i]};
    rc = topic_create_wait(in->broker, &options, NULL, err);
    free(configs);
    return rc == ERR_EXISTS ? 0 : rc;
}

int instance_make_topics(struct instance *in, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < in->config->topic_count && !rc; i++)
        rc = make_topic(in, &in->config->topics[i], err);
    return rc;
}

int instance_make_buckets(struct instance *in, struct err *err)
{
    const struct yaml_list *buckets = &in->config->s3.buckets;
    int rc = 0;

    for (size_t i = 0; i < buckets->count && !rc; i++) {
        rc = in->store->ops->bucket_make(in->store, buckets->items[i], err);
        if (rc == ERR_EXISTS)
            rc = 0;
    }
    return rc;
}
