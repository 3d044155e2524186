/* main.c - the table of contents: which rooms an instance has, and what each is given. */
#include "cli/cli.h"
#include "cli/instance.h"

static const char *path_in(struct instance *in, const char *name)
{
    return arena_printf(&in->config->arena, "%s/%s", in->data_path, name);
}

static int start_workers(struct instance *in, struct err *err)
{
    return workers_new(&in->workers, "work", 2, 4096, err);
}

static void stop_workers(struct instance *in)
{
    workers_free(in->workers);
}

static int start_meta(struct instance *in, struct err *err)
{
    static const struct meta_migration *const migrations[] = {broker_migrations, NULL};

    return meta_new(&in->meta,
                    &(struct meta_options){.path = path_in(in, "meta.db"), .disk = in->disk,
                                           .clock = in->clock, .migrations = migrations},
                    err);
}

static void stop_meta(struct instance *in)
{
    meta_free(in->meta);
}

static int start_store(struct instance *in, struct err *err)
{
    const struct config *c = in->config;

    if (c->store.engine == 1)
        return err_set(err, ERR_UNSUPPORTED, "store: engine: s3 is not built in yet");
    return store_local_new(&in->store,
                           &(struct store_local_options){.dir = in->data_path, .disk = in->disk,
                                                         .clock = in->clock},
                           err);
}

static void stop_store(struct instance *in)
{
    store_free(in->store);
}

static int start_lake(struct instance *in, struct err *err)
{
    return lake_new(&in->lake, &(struct lake_options){.store = in->store, .clock = in->clock}, err);
}

static void stop_lake(struct instance *in)
{
    lake_free(in->lake);
}

static int start_kafka(struct instance *in, struct err *err)
{
    const struct config *c = in->config;
    struct broker_listener listeners[COUNT_OF(c->kafka.listeners)];
    struct broker_options options = {
        .meta = in->meta, .disk = in->disk, .clock = in->clock, .workers = in->workers,
        .dir = path_in(in, "kafka"), .listeners = listeners,
        .listener_count = c->kafka.enabled ? c->kafka.listener_count : 0,
        .auto_create = c->kafka.auto_create, .default_partitions = (int32_t)c->kafka.partitions,
        .fsync = (enum broker_fsync)c->kafka.fsync, .fsync_interval_ms = c->kafka.fsync_ms,
        .segment_bytes = c->kafka.segment_bytes, .segment_ms = c->kafka.segment_ms,
        .retention_ms = c->kafka.retention_ms, .retention_bytes = c->kafka.retention_bytes,
        .message_bytes_max = (int32_t)c->kafka.message_bytes_max};
    int rc;

    for (size_t i = 0; i < c->kafka.listener_count; i++)
        listeners[i] = (struct broker_listener){
            .address = c->listen, .port = c->kafka.listeners[i].port,
            .advertised_host = c->kafka.listeners[i].advertised[0]
                                   ? c->kafka.listeners[i].advertised : NULL};
    rc = broker_new(&in->broker, &options, err);
    if (!rc)
        rc = instance_make_topics(in, err);
    return rc ? rc : broker_start(in->broker, err);
}

static void stop_kafka(struct instance *in)
{
    if (in->broker)
        broker_stop(in->broker);
    broker_free(in->broker);
}

static int start_s3(struct instance *in, struct err *err)
{
    const struct config *c = in->config;
    const struct s3_credential credential = {c->s3.access_key, c->s3.secret_key};
    int rc = instance_make_buckets(in, err);

    if (rc || !c->s3.enabled)
        return rc;
    return s3_server_new(&in->s3,
                         &(struct s3_options){.store = in->store, .meta = in->meta,
                                              .clock = in->clock, .address = c->listen,
                                              .port = (int)c->s3.port, .region = c->s3.region,
                                              .credentials = &credential, .credential_count = 1},
                         err);
}

static void stop_s3(struct instance *in)
{
    s3_server_free(in->s3);
}

static int start_control(struct instance *in, struct err *err)
{
    return control_new(&in->control, in->data_path, instance_verbs, in, err);
}

static void stop_control(struct instance *in)
{
    control_free(in->control);
}

/* Started from the top down, stopped from the bottom up. */
static const struct room rooms[] = {
    {"workers", start_workers, stop_workers},
    {"meta",    start_meta,    stop_meta},
    {"store",   start_store,   stop_store},
    {"lake",    start_lake,    stop_lake},
    {"kafka",   start_kafka,   stop_kafka},
    {"s3",      start_s3,      stop_s3},
    {"control", start_control, stop_control},
    {NULL},
};

int main(int argc, char **argv)
{
    return cli_main(argc, argv, rooms);
}
