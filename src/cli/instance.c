/* instance.c - rooms start from the top down and stop from the bottom up. */
#include <sys/resource.h>

#include "cli/instance.h"

static void stop_from(struct instance *instance, const struct room *rooms, size_t count)
{
    while (count-- > 0) {
        diag(DIAG_DEBUG, "tarn", "stopping %s", rooms[count].name);
        rooms[count].stop(instance);
    }
}

/* A log keeps a descriptor open per segment: take all that the system allows. Without it fewer
 * partitions fit, and the error says so when they do not. */
static void raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int instance_start(struct instance *instance, const struct room *rooms, struct err *err)
{
    raise_file_limit();
    for (size_t i = 0; rooms[i].name; i++) {
        int64_t began = clock_mono_ns(instance->clock);
        int rc = rooms[i].start(instance, err);

        if (rc) {
            stop_from(instance, rooms, i + 1); /* the last one is half built */
            return strncmp(err->text, rooms[i].name, strlen(rooms[i].name)) == 0
                       ? rc : err_wrap(err, rc, "%s", rooms[i].name);
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
    if (instance->store && instance->store->ops->hurry)
        instance->store->ops->hurry(instance->store);
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

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct disk_entry *)a)->name, ((const struct disk_entry *)b)->name);
}

/* A script that does not run is said and left out: the others, and the ports, are up. */
static int submit_script(struct instance *in, const char *name, struct err *err)
{
    struct buf text = {.max = 4 << 20};
    struct err why = {0};
    char path[4200], stem[256];
    int rc;

    snprintf(path, sizeof(path), "%s/%s", in->config->streams, name);
    snprintf(stem, sizeof(stem), "%.*s", (int)(strlen(name) - 4), name);
    rc = disk_read_file(in->disk, path, &text, err);
    if (!rc && !buf_cstr(&text))
        rc = err_set(err, ERR_NOMEM, "%s", path);
    if (!rc &&
        connector_submit_script(in->connector, in->engine, stem, (const char *)text.ptr, &why))
        diag_error("streams", "%s: %s", path, why.text);
    buf_deinit(&text);
    return rc;
}

int instance_submit_scripts(struct instance *in, struct err *err)
{
    struct arena arena = {0};
    struct disk_entry *entries = NULL;
    size_t count = 0;
    int rc = 0;

    if (disk_exists(in->disk, in->config->streams))
        rc = disk_list(in->disk, in->config->streams, &arena, &entries, &count, err);
    if (count > 1) /* of none there is no list to sort */
        qsort(entries, count, sizeof(*entries), by_name);
    for (size_t i = 0; i < count && !rc; i++)
        if (!entries[i].is_dir && entries[i].name[0] != '.' &&
            slice_ends(slice_str(entries[i].name), SLICE_LIT(".sql")))
            rc = submit_script(in, entries[i].name, err);
    arena_deinit(&arena);
    return rc;
}
