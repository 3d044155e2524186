/* main.c - the table of contents: which rooms an instance has, and what each is given. */
#include <unistd.h>

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
    static const struct meta_migration *const migrations[] = {broker_migrations, catalog_migrations,
                                                             stream_migrations, upkeep_migrations,
                                                             NULL};

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

    if (c->store.engine == 0)
        return store_local_new(&in->store,
                               &(struct store_local_options){.dir = in->data_path, .disk = in->disk,
                                                             .clock = in->clock},
                               err);
    return store_s3_new(&in->store,
                        &(struct store_s3_options){
                            .endpoint = c->store.endpoint, .region = c->store.region,
                            .access_key = c->store.access_key, .secret_key = c->store.secret_key,
                            .path_style = c->store.path_style, .dir = in->data_path,
                            .cache_bytes = c->store.cache_bytes, .disk = in->disk,
                            .clock = in->clock},
                        err);
}

static void stop_store(struct instance *in)
{
    store_free(in->store);
}

static int start_lake(struct instance *in, struct err *err)
{
    return lake_new(&in->lake,
                    &(struct lake_options){
                        .store = in->store, .clock = in->clock,
                        .budget = {in->config->maintenance.cpu_percent,
                                   in->config->maintenance.bytes_per_second}},
                    err);
}

static void stop_lake(struct instance *in)
{
    lake_free(in->lake);
}

static int start_catalog(struct instance *in, struct err *err)
{
    const struct config *c = in->config;
    struct catalog_principal *principals =
        ARENA_ARRAY(&in->config->arena, struct catalog_principal, c->catalog.principals.count + 1);
    bool open = config_is_loopback(c->listen) && !c->catalog.token_required;
    int rc = catalog_new(&in->catalog,
                         &(struct catalog_options){.meta = in->meta, .lake = in->lake,
                                                   .clock = in->clock, .name = c->catalog.name,
                                                   .warehouse = c->catalog.warehouse},
                         err);

    if (rc || !c->catalog.enabled)
        return rc;
    if (!principals)
        return err_set(err, ERR_NOMEM, "catalog");
    for (size_t i = 0; i < c->catalog.principals.count; i++)
        principals[i] = (struct catalog_principal){c->catalog.principal_ids[i],
                                                   c->catalog.principal_secrets[i]};
    return catalog_http_new(
        &in->catalog_http,
        &(struct catalog_http_options){
            .catalog = in->catalog, .clock = in->clock, .address = c->listen,
            .port = (int)c->catalog.port, .client_id = c->catalog.client_id,
            .client_secret = c->catalog.client_secret, .login = !open, .loopback_open = open,
            .s3_endpoint = arena_printf(&in->config->arena, "http://{host}:%d", (int)c->s3.port),
            .s3_region = c->s3.region, .s3_access_key = c->s3.access_key,
            .s3_secret_key = c->s3.secret_key, .principals = principals,
            .principal_count = c->catalog.principals.count,
            .lend = c->s3.enabled ? instance_lend : NULL, .lend_arg = in},
        err);
}

static void stop_catalog(struct instance *in)
{
    catalog_http_free(in->catalog_http);
    catalog_free(in->catalog);
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
            .advertised_host = c->kafka.listeners[i].advertised};
    rc = broker_new(&in->broker, &options, err);
    if (!rc && !in->offline)
        rc = instance_make_topics(in, err);
    return rc || !options.listener_count ? rc : broker_start(in->broker, err);
}

static void stop_kafka(struct instance *in)
{
    if (in->broker && in->config->kafka.enabled)
        broker_stop(in->broker);
    broker_free(in->broker);
}

static int start_s3(struct instance *in, struct err *err)
{
    const struct config *c = in->config;
    struct s3_credential *credentials;
    size_t count;
    int rc = in->offline ? 0 : instance_make_buckets(in, err);

    if (!rc)
        rc = instance_s3_credentials(in, &credentials, &count, err);
    if (rc || !c->s3.enabled)
        return rc;
    return s3_server_new(&in->s3,
                         &(struct s3_options){.store = in->store, .meta = in->meta,
                                              .clock = in->clock, .address = c->listen,
                                              .port = (int)c->s3.port, .region = c->s3.region,
                                              .domain = c->s3.domain, .credentials = credentials,
                                              .credential_count = count},
                         err);
}

static void stop_s3(struct instance *in)
{
    s3_server_free(in->s3);
}

static int new_duckdb(struct vec_db **out, const struct vec_options *options, struct err *err)
{
    struct vec_conn *conn = NULL;
    int rc = vec_db_new(out, options, err);

    if (!rc)
        rc = vec_conn_new(&conn, *out, err);
    if (!rc)
        rc = vec_functions_register(conn, err);
    vec_conn_free(conn);
    return rc;
}

/* Streams run on the jobs' own threads; queries may use all processors, at a lower priority. */
static int start_duckdb(struct instance *in, struct err *err)
{
    const char *temp = path_in(in, "tmp");
    int rc = disk_mkdirs(in->disk, temp, err);

    if (!rc)
        rc = new_duckdb(&in->streams_db,
                        &(struct vec_options){.threads = 1, .temp_dir = temp,
                                              .memory_bytes = in->config->memory.streams_bytes},
                        err);
    return rc ? rc
              : new_duckdb(&in->queries_db,
                           &(struct vec_options){.threads = 2, .temp_dir = temp,
                                                 .memory_bytes = in->config->memory.queries_bytes},
                           err);
}

static void stop_duckdb(struct instance *in)
{
    vec_db_free(in->queries_db);
    vec_db_free(in->streams_db);
}

static int start_connector(struct instance *in, struct err *err)
{
    static int kafka_ports[COUNT_OF(in->config->kafka.listeners) + 1], catalog_ports[2];
    int rc = workers_new(&in->merges, "merge", 1, 256, err);

    for (size_t i = 0; i < in->config->kafka.listener_count; i++)
        kafka_ports[i] = in->config->kafka.listeners[i].port;
    catalog_ports[0] = (int)in->config->catalog.port;
    return rc ? rc
              : connector_new(&in->connector,
                              &(struct connector_options){
                                  .clock = in->clock, .meta = in->meta, .broker = in->broker,
                                  .lake = in->lake, .catalog = in->catalog, .db = in->streams_db,
                                  .merges = in->merges, .kafka_ports = kafka_ports,
                                  .catalog_ports = catalog_ports,
                                  .function_classes = in->config->functions.keys,
                                  .function_texts = in->config->functions.values,
                                  .function_count = in->config->functions.count},
                              err);
}

static void stop_connector(struct instance *in)
{
    workers_free(in->merges);
    connector_free(in->connector);
}

/* What tarn.yaml says where a script says nothing. */
static const char *flink_setting(void *arg, const char *key)
{
    const struct instance *in = arg;
    const struct config_topic *settings = &in->config->flink.settings;

    for (size_t i = 0; i < settings->count; i++)
        if (!strcmp(settings->keys[i], key))
            return settings->values[i];
    return NULL;
}

static int start_stream(struct instance *in, struct err *err)
{
    const struct config *c = in->config;
    int rc;

    if (in->offline)
        return 0;
    rc = stream_engine_new(&in->engine,
                           &(struct stream_engine_options){
                               .meta = in->meta, .db = in->streams_db, .clock = in->clock,
                               .disk = in->disk, .state_dir = path_in(in, "state"),
                               .state_memory_bytes = c->memory.state_bytes,
                               .savepoint_dir = path_in(in, "savepoints"), .store = in->store,
                               .plan = connector_plan, .plan_arg = in->connector,
                               .commit_interval_ms = c->jobs.commit_interval_ms,
                               .commit_bytes = c->jobs.commit_bytes,
                               .restart_min_ms = c->jobs.restart_delay_ms,
                               .setting = flink_setting, .setting_arg = in},
                           err);
    if (!rc)
        rc = stream_engine_resume(in->engine, err);
    return rc ? rc : instance_submit_scripts(in, err);
}

static void stop_stream(struct instance *in)
{
    stream_engine_free(in->engine);
}

/* What /jobmanager/config shows: the project's settings, and what is so whatever they say. */
static struct flink_setting *flink_settings(struct instance *in, size_t *count)
{
    struct arena *arena = &in->config->arena;
    const struct config_topic *given = &in->config->flink.settings;
    const struct flink_setting own[] = {
        {"jobmanager.rpc.address", "localhost"},
        {"rest.address", in->config->listen},
        {"rest.port", arena_printf(arena, "%lld", (long long)in->config->flink.port)},
        {"execution.checkpointing.interval",
         arena_printf(arena, "%lld ms", (long long)in->config->jobs.commit_interval_ms)},
        {"execution.checkpointing.mode", "EXACTLY_ONCE"},
        {"execution.checkpointing.savepoint-dir", path_in(in, "savepoints")},
        {"state.backend.type", "tarn"},
    };
    struct flink_setting *all = ARENA_ARRAY(arena, struct flink_setting,
                                            given->count + COUNT_OF(own));

    *count = 0;
    for (size_t i = 0; all && i < given->count; i++)
        all[(*count)++] = (struct flink_setting){given->keys[i], given->values[i]};
    for (size_t i = 0; all && i < COUNT_OF(own); i++)
        if (!flink_setting(in, own[i].key))
            all[(*count)++] = own[i];
    return all;
}

static int start_flink(struct instance *in, struct err *err)
{
    const struct config *c = in->config;
    const char *slots = flink_setting(in, "taskmanager.numberOfTaskSlots");
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    struct flink_options o = {.engine = in->engine, .clock = in->clock, .address = c->listen,
                              .port = (int)c->flink.port, .version = "tarn-" TARN_VERSION,
                              .slots = slots ? atoll(slots) : cpus, .cpus = cpus,
                              .managers = c->flink.managers,
                              .memory_bytes = c->memory.streams_bytes,
                              .resident = memory_resident_bytes};

    if (in->offline || !c->flink.port)
        return 0;
    o.settings = flink_settings(in, &o.setting_count);
    return o.settings ? flink_new(&in->flink, &o, err) : err_set(err, ERR_NOMEM, "flink");
}

static void stop_flink(struct instance *in)
{
    flink_free(in->flink);
    in->flink = NULL;
}

/* Switched off it moves for nobody but `tarn maintain`. */
static int start_upkeep(struct instance *in, struct err *err)
{
    const struct config *c = in->config;

    return upkeep_new(&in->upkeep,
                      &(struct upkeep_options){
                          .catalog = in->catalog, .lake = in->lake, .meta = in->meta,
                          .clock = in->clock, .rewriter = lake_rewriter_duckdb(in->streams_db),
                          .interval_ms = c->maintenance.interval_ms,
                          .no_thread = in->offline || !c->maintenance.enabled},
                      err);
}

static void stop_upkeep(struct instance *in)
{
    upkeep_free(in->upkeep);
}

static int start_generators(struct instance *in, struct err *err)
{
    if (in->offline || !in->config->kafka.enabled)
        return 0;
    return feeder_new(&in->feeder,
                      &(struct feeder_options){.config = in->config, .disk = in->disk,
                                               .clock = in->clock, .data_path = in->data_path,
                                               .port = broker_port(in->broker, 0)},
                      err);
}

static void stop_generators(struct instance *in)
{
    feeder_free(in->feeder);
}

static int start_control(struct instance *in, struct err *err)
{
    if (in->offline)
        return 0;
    return control_new(&in->control, in->data_path, instance_verbs, in, err);
}

static void stop_control(struct instance *in)
{
    control_free(in->control);
}

/* Started from the top down, stopped from the bottom up. */
static const struct room rooms[] = {
    {"workers",    start_workers,    stop_workers},
    {"meta",       start_meta,       stop_meta},
    {"store",      start_store,      stop_store},
    {"lake",       start_lake,       stop_lake},
    {"catalog",    start_catalog,    stop_catalog},
    {"kafka",      start_kafka,      stop_kafka},
    {"s3",         start_s3,         stop_s3},
    {"duckdb",     start_duckdb,     stop_duckdb},
    {"connector",  start_connector,  stop_connector},
    {"upkeep",     start_upkeep,     stop_upkeep},
    {"stream",     start_stream,     stop_stream},
    {"flink",      start_flink,      stop_flink},
    {"generators", start_generators, stop_generators},
    {"control",    start_control,    stop_control},
    {NULL},
};

int main(int argc, char **argv)
{
    return cli_main(argc, argv, rooms);
}
