/* config.c - the table that is tarn.yaml, and the checks that a table cannot express. */
#include "cli/config.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "base/schema.h"
#include "cli/config_s3.h"

#define FIELD(place, key_, kind_, ...)                                                             \
    {.key = key_, .kind = kind_, .at = offsetof(struct config, place), __VA_ARGS__}
#define PORT(place, value, help_)                                                                  \
    FIELD(place, "port", YK_INT, .min = 1, .max = 65535, .fallback = value, .help = help_)
#define FLAG(place, key_, value, help_)                                                            \
    FIELD(place, key_, YK_BOOL, .fallback = value, .help = help_)
#define TEXT(place, key_, value, help_)                                                            \
    FIELD(place, key_, YK_STR, .fallback = value, .help = help_)
#define BYTES(place, key_, low, high, value, help_)                                                \
    FIELD(place, key_, YK_BYTES, .min = low, .max = high, .fallback = value, .help = help_)
#define TIME(place, key_, low, high, value, help_)                                                 \
    FIELD(place, key_, YK_DURATION, .min = low, .max = high, .fallback = value, .help = help_)
/* Nested tables keep offsets from the start of struct config. */
#define SECTION(key_, table, help_) {.key = key_, .kind = YK_MAP, .sub = table, .help = help_}
#define END {.key = NULL}

static const char *const fsync_names[] = {"always", "interval", "never", NULL};
static const char *const engine_names[] = {"local", "s3", NULL};
static const char *const level_names[] = {"debug", "info", "warn", "error", NULL};

static const struct yaml_field kafka_keys[] = {
    FLAG(kafka.enabled, "enabled", "true", "answer the Kafka protocol"),
    PORT(kafka.port, "9092", "port of the broker"),
    TEXT(kafka.advertised, "advertised", "",
         "name that clients are told; left out: `listen`, or this machine's name for 0.0.0.0"),
    FIELD(kafka.listeners_node, "listeners", YK_NODE,
          .help = "further ports: [{port: 29092, advertised: kafka}]"),
    FIELD(kafka.partitions, "partitions", YK_INT, .min = 1, .max = 1024, .fallback = "1",
          .help = "of topics made without saying how many"),
    FLAG(kafka.auto_create, "auto_create", "true", "make a topic when a client first names it"),
    FIELD(kafka.fsync, "fsync", YK_ENUM, .names = fsync_names, .fallback = "always",
          .help =
              "when a record is on the disk for certain: before the answer, every fsync_interval, "
              "or when the system likes"),
    TIME(kafka.fsync_ms, "fsync_interval", 1, 60000, "200ms", "for fsync: interval"),
    TIME(kafka.retention_ms, "retention", -1, INT64_MAX, "7d", "how long records are kept"),
    BYTES(kafka.retention_bytes, "retention_size", -1, INT64_MAX, "unlimited",
          "how much of a partition is kept"),
    BYTES(kafka.segment_bytes, "segment_size", 1 << 14, INT64_C(2) << 30, "256MiB",
          "size of one file of a partition"),
    TIME(kafka.segment_ms, "segment_age", 1000, INT64_MAX, "7d", "age of one file of a partition"),
    BYTES(kafka.message_bytes_max, "message_size_max", 1 << 10, 1 << 28, "16MiB",
          "largest batch of records taken"),
    END};

static const struct yaml_field s3_keys[] = {
    FLAG(s3.enabled, "enabled", "true", "answer the S3 protocol"),
    PORT(s3.port, "9000", "port of the object store"),
    TEXT(s3.access_key, "access_key", "admin", "what clients sign with"),
    TEXT(s3.secret_key, "secret_key", "password", "its secret"),
    TEXT(s3.region, "region", "us-east-1", "the region clients are told"),
    TEXT(s3.domain, "domain", "localhost", "BUCKET.domain as a host names the bucket"),
    FIELD(s3.buckets, "buckets", YK_LIST, .help = "made at start; the warehouse's always is"),
    FIELD(s3.settings_node, "bucket_settings", YK_NODE, .sub = config_s3_bucket_keys,
          .help = "by bucket, made at start too: {raw: {versioning: true, public: read}}"),
    FIELD(s3.users_node, "users", YK_NODE, .sub = config_s3_user_keys,
          .help = "further keys by their name: {reports: {secret_key: ..., policy: readonly}}"),
    END};

static const struct yaml_field catalog_keys[] = {
    FLAG(catalog.enabled, "enabled", "true", "answer the Iceberg REST protocol"),
    PORT(catalog.port, "8181", "port of the catalog"),
    TEXT(catalog.name, "name", "lake", "name of the catalog"),
    TEXT(catalog.warehouse, "warehouse", NULL, "where tables go: s3://BUCKET/PATH; "
                                               "default s3://warehouse/NAME"),
    TEXT(catalog.credential, "credential", "root:secret", "client id and secret for tokens"),
    FLAG(catalog.token_required, "token_required", "false",
         "ask clients on this machine for a token too"),
    FIELD(catalog.principals, "principals", YK_LIST,
          .help = "further client ids and secrets for tokens: [\"reports:secret\"]"),
    END};

static const struct yaml_field store_keys[] = {
    FIELD(store.engine, "engine", YK_ENUM, .names = engine_names, .fallback = "local",
          .help = "local: files below the data folder; s3: an outside object store"),
    TEXT(store.endpoint, "endpoint", NULL, "engine s3: its address, https://..."),
    TEXT(store.access_key, "access_key", NULL, "engine s3"),
    TEXT(store.secret_key, "secret_key", NULL, "engine s3"),
    TEXT(store.region, "region", "us-east-1", "engine s3"),
    FLAG(store.path_style, "path_style", "true", "engine s3: the bucket in the path, not the host"),
    BYTES(store.cache_bytes, "cache_size", 1 << 20, INT64_MAX, "1GiB", "engine s3: local copies"),
    END};

static const struct yaml_field jobs_keys[] = {
    TIME(jobs.commit_interval_ms, "commit_interval", 100, 3600000, "5s",
         "how often a job's work becomes visible in its tables"),
    BYTES(jobs.commit_bytes, "commit_size", 1 << 20, INT64_MAX, "512MiB",
          "or earlier, after this much"),
    TIME(jobs.restart_delay_ms, "restart_delay", 0, 3600000, "1s",
         "pause before a failed job restarts"),
    END};

static const struct yaml_field flink_keys[] = {
    FIELD(flink.port, "port", YK_INT, .min = 0, .max = 65535, .fallback = "0",
          .help = "port of Flink's REST over the jobs, 8081 by habit; 0: it does not answer"),
    FIELD(flink.managers, "taskmanagers", YK_INT, .min = 1, .max = 100, .fallback = "1",
          .help = "in how many task managers its REST shows this process, each with as many slots"),
    FIELD(flink.settings_node, "settings", YK_NODE,
          .help = "Flink's configuration by its own names, what a script does not SET: "
                  "{parallelism.default: 2}"),
    END};

static const struct yaml_field memory_keys[] = {
    BYTES(memory.streams_bytes, "streams", 16 << 20, INT64_MAX, "512MiB",
          "limit for streaming SQL"),
    BYTES(memory.queries_bytes, "queries", 16 << 20, INT64_MAX, "1GiB", "limit for queries"),
    BYTES(memory.state_bytes, "state", 16 << 20, INT64_MAX, "1GiB",
          "what each INSERT of a job remembers; more of it lies on disk"),
    END};

static const struct yaml_field maintenance_keys[] = {
    FLAG(maintenance.enabled, "enabled", "true",
         "look after every table of the catalog: merge, sort, expire, remove what nobody names"),
    TIME(maintenance.interval_ms, "interval", 1000, 86400000, "1m",
         "a table that is committed to is looked at so often"),
    FIELD(maintenance.cpu_percent, "cpu_percent", YK_INT, .min = 1, .max = 800, .fallback = "10",
          .help = "of one processor, for all large rewrites together, those of jobs included"),
    BYTES(maintenance.bytes_per_second, "bytes_per_second", 1 << 16, INT64_MAX, "64MiB",
          "read and written by large rewrites, on the average of an hour"),
    END};

static const struct yaml_field generator_keys[] = {
    TEXT(generators.dir, "folder", "generators", "folder of event templates"),
    FIELD(generators.run, "run", YK_LIST, .help = "names of those that run with `tarn up`; [all]"),
    FIELD(generators.seed, "seed", YK_INT, .min = 0, .max = INT64_MAX, .fallback = "1",
          .help = "same seed, same events"),
    TEXT(generators.speed_text, "speed", "1", "times the pace of the templates"),
    FIELD(generators.rates_node, "rates", YK_NODE,
          .help = "other rates by generator: {orders: 10/s}"),
    FIELD(generators.faults_node, "faults", YK_NODE,
          .help = "other rates of planted faults: {duplicates: 0.1}"),
    END};

static const struct yaml_field log_keys[] = {
    FIELD(log.level, "level", YK_ENUM, .names = level_names, .fallback = "info",
          .help = "the least important messages shown"),
    BYTES(log.file_bytes, "file_size", 1 << 16, INT64_MAX, "10MiB",
          "a log file is renewed at this size"),
    FIELD(log.files, "files", YK_INT, .min = 1, .max = 100, .fallback = "5",
          .help = "how many are kept"),
    END};

struct topic_spec {
    int64_t partitions;
    const struct yaml_node *config;
};
static const struct yaml_field topic_keys[] = {
    {.key = "partitions", .kind = YK_INT, .at = offsetof(struct topic_spec, partitions), .min = 1,
     .max = 1024, .help = "how many"},
    {.key = "config", .kind = YK_NODE, .at = offsetof(struct topic_spec, config),
     .help = "settings by the names that Kafka gives them: {retention.ms: 60000}"},
    END};

static const struct yaml_field config_keys[] = {
    FIELD(version, "version", YK_INT, .min = 1, .max = 1, .required = true,
          .help = "of this file's format: 1"),
    TEXT(name, "name", NULL, "of the project; default: the folder's name"),
    TEXT(data, "data", NULL, "folder for all state; default: .tarn beside this file"),
    TEXT(listen, "listen", "127.0.0.1", "address of all ports"),
    FLAG(insecure_listen, "insecure_listen", "false",
         "allow another address than loopback though the Kafka port asks for no login"),
    SECTION("kafka", kafka_keys, "the broker"),
    SECTION("s3", s3_keys, "the object store's protocol"),
    SECTION("catalog", catalog_keys, "the Iceberg catalog"),
    SECTION("store", store_keys, "where the tables' files lie"),
    SECTION("jobs", jobs_keys, "streaming jobs"),
    SECTION("flink", flink_keys, "what jobs take over from a Flink cluster"),
    SECTION("memory", memory_keys, "limits"),
    SECTION("maintenance", maintenance_keys, "of tables, by itself"),
    SECTION("generators", generator_keys, "made-up events"),
    SECTION("log", log_keys, "messages to the operator"),
    FIELD(functions_node, "functions", YK_NODE,
          .help = "what classes of CREATE FUNCTION compute: {com.acme.Twice: \"$1 * 2\"}"),
    TEXT(streams, "streams", "streams", "folder of Flink SQL scripts, each run at start"),
    FIELD(topics_node, "topics", YK_NODE, .sub = topic_keys,
          .help = "topics made at start, by name"),
    END};

/* ---- checks beyond the table ---- */

struct checker {
    const char *file; /* lives as long as the problems */
    struct config *config;
    const struct yaml_node *doc;
    struct yaml_problems *problems;
    bool nomem;
};

static void complain(struct checker *c, const struct yaml_node *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void complain(struct checker *c, const struct yaml_node *at, const char *fmt, ...)
{
    char text[400];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    yaml_complain(c->problems, c->file, at->line, at->column, "%s", text);
}

/* The node of a key, "kafka.port", or the nearest mapping around where it would be. */
static const struct yaml_node *node_at(struct checker *c, const char *section, const char *key)
{
    const struct yaml_node *map = section ? yaml_get(c->doc, section) : c->doc;
    const struct yaml_node *node;

    if (!map || map->type != YAML_MAP)
        return c->doc;
    node = key ? yaml_get(map, key) : map;
    return node ? node : map;
}

bool config_is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0 ||
           strcmp(address, "localhost") == 0;
}

static void check_listen(struct checker *c)
{
    if (!config_is_loopback(c->config->listen) && !c->config->insecure_listen)
        complain(c, node_at(c, NULL, "listen"),
                 "'%s' is open to other machines and the Kafka port asks for no login: "
                 "set 'insecure_listen: true' if that is meant", c->config->listen);
}

static const struct yaml_field listener_keys[] = {
    {.key = "port", .kind = YK_INT, .at = 0, .min = 1, .max = 65535, .required = true,
     .help = "its port"},
    {.key = "advertised", .kind = YK_STR, .at = sizeof(int64_t), .fallback = "",
     .help = "name that clients are told"},
    END};

static char *copy(struct checker *c, const char *text)
{
    char *out = arena_strdup(&c->config->arena, text);

    c->nomem |= !out;
    return out;
}

/* An address that clients can dial: "every address of this machine" is none. */
static const char *dialable(struct checker *c)
{
    static const char *const every[] = {"0.0.0.0", "::", "*"};
    char host[256] = "";

    for (size_t i = 0; i < COUNT_OF(every); i++)
        if (strcmp(c->config->listen, every[i]) == 0 && !gethostname(host, sizeof(host) - 1))
            return copy(c, host);
    return c->config->listen;
}

static void check_listeners(struct checker *c)
{
    struct config *config = c->config;
    const struct yaml_node *list = config->kafka.listeners_node;

    if (!config->kafka.advertised[0])
        config->kafka.advertised = dialable(c);
    config->kafka.listeners[0] =
        (struct config_listener){(int)config->kafka.port, config->kafka.advertised};
    config->kafka.listener_count = 1;
    if (!list)
        return;
    if (list->type != YAML_SEQ || list->count >= COUNT_OF(config->kafka.listeners)) {
        complain(c, list, "'listeners' is a list of at most %zu",
                 COUNT_OF(config->kafka.listeners) - 1);
        return;
    }
    for (size_t i = 0; i < list->count; i++) {
        struct {
            int64_t port;
            const char *advertised;
        } one = {0};

        if (list->items[i].type != YAML_MAP)
            complain(c, &list->items[i], "a listener is {port: 29092, advertised: NAME}");
        else if (!yaml_bind(&list->items[i], listener_keys, &one, c->file, c->problems))
            config->kafka.listeners[config->kafka.listener_count++] = (struct config_listener){
                (int)one.port, one.advertised[0] ? one.advertised : config->kafka.advertised};
    }
}

/* At the one that was written, when the other is a default. */
static void complain_ports(struct checker *c, const char *first, const char *second, int64_t port)
{
    const struct yaml_node *map = yaml_get(c->doc, first);
    bool written = map && yaml_get(map, "port");

    complain(c, node_at(c, written ? first : second, "port"),
             "port %lld of %s is also that of %s: each needs its own", (long long)port,
             written ? first : second, written ? second : first);
}

static void check_ports(struct checker *c)
{
    struct config *config = c->config;
    struct {
        const char *section;
        int64_t port;
        bool on;
    } ports[9] = {{"s3", config->s3.port, config->s3.enabled},
                  {"catalog", config->catalog.port, config->catalog.enabled},
                  {"flink", config->flink.port, config->flink.port > 0}};
    size_t count = 3;

    for (size_t i = 0; i < config->kafka.listener_count; i++) {
        ports[count].section = "kafka";
        ports[count].on = config->kafka.enabled;
        ports[count++].port = config->kafka.listeners[i].port;
    }
    for (size_t i = 0; i < count; i++)
        for (size_t j = i + 1; j < count; j++)
            if (ports[i].on && ports[j].on && ports[i].port == ports[j].port)
                complain_ports(c, ports[i].section, ports[j].section, ports[i].port);
}

/* Binding left the list in the arena of the problems. */
static void keep_list(struct checker *c, struct yaml_list *list)
{
    const char **items = ARENA_ARRAY(&c->config->arena, const char *, list->count + 1);

    if (items && list->count)
        memcpy(items, list->items, list->count * sizeof(*items));
    list->items = items;
    c->nomem |= !items;
}

/* "ID:SECRET" as its two halves; false: it is not of this form. */
static bool split_credential(struct checker *c, const char *credential, const char **id,
                             const char **secret)
{
    const char *colon = strchr(credential, ':');
    char *half;

    if (!colon || colon == credential || !colon[1])
        return false;
    half = copy(c, credential);
    if (half)
        half[colon - credential] = '\0';
    *id = half;
    *secret = colon + 1;
    return true;
}

static void check_principals(struct checker *c)
{
    struct config *config = c->config;
    size_t count = config->catalog.principals.count;

    config->catalog.principal_ids = ARENA_ARRAY(&config->arena, const char *, count + 1);
    config->catalog.principal_secrets = ARENA_ARRAY(&config->arena, const char *, count + 1);
    if (!config->catalog.principal_ids || !config->catalog.principal_secrets) {
        c->nomem = true;
        return;
    }
    keep_list(c, &config->catalog.principals);
    for (size_t i = 0; i < count; i++)
        if (!split_credential(c, config->catalog.principals.items[i],
                              &config->catalog.principal_ids[i],
                              &config->catalog.principal_secrets[i]))
            complain(c, node_at(c, "catalog", "principals"),
                     "'%s' in 'principals' is no client id and secret: reports:secret",
                     config->catalog.principals.items[i]);
}

static void check_catalog(struct checker *c)
{
    struct config *config = c->config;
    const char *warehouse = config->catalog.warehouse;

    if (!split_credential(c, config->catalog.credential, &config->catalog.client_id,
                          &config->catalog.client_secret))
        complain(c, node_at(c, "catalog", "credential"),
                 "'credential' is a client id and a secret: root:secret");
    check_principals(c);
    if (!config->catalog.name[0] || strpbrk(config->catalog.name, "/ ?#%"))
        complain(c, node_at(c, "catalog", "name"), "'%s' cannot be part of an address",
                 config->catalog.name);
    if (!warehouse)
        config->catalog.warehouse =
            arena_printf(&config->arena, "s3://warehouse/%s", config->catalog.name);
    else if (strncmp(warehouse, "s3://", 5) != 0 || !warehouse[5] || warehouse[5] == '/')
        complain(c, node_at(c, "catalog", "warehouse"), "'%s' is no s3://BUCKET/PATH", warehouse);
    c->nomem |= !config->catalog.warehouse;
}

static void check_store(struct checker *c)
{
    struct config *config = c->config;

    if (config->store.engine == 1 &&
        (!config->store.endpoint || !config->store.access_key || !config->store.secret_key))
        complain(c, node_at(c, "store", NULL),
                 "engine s3 needs 'endpoint', 'access_key' and 'secret_key'");
    if (strlen(config->s3.secret_key) < 8)
        complain(c, node_at(c, "s3", "secret_key"), "S3 clients want 8 characters or more");
}

static bool is_topic(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

    return len > 0 && len <= 249 && !name[len] && strcmp(name, ".") && strcmp(name, "..");
}

static void read_topic_config(struct checker *c, const struct yaml_node *map,
                              struct config_topic *topic)
{
    struct arena *arena = &c->config->arena;

    if (map->type != YAML_MAP) {
        complain(c, map, "'config' is a map of settings");
        return;
    }
    topic->keys = ARENA_ARRAY(arena, const char *, map->count + 1);
    topic->values = ARENA_ARRAY(arena, const char *, map->count + 1);
    if (!topic->keys || !topic->values) {
        c->nomem = true;
        return;
    }
    for (size_t i = 0; i < map->count; i++) {
        if (map->items[2 * i + 1].type != YAML_SCALAR) {
            complain(c, &map->items[2 * i + 1], "a setting has a single value");
            continue;
        }
        topic->keys[topic->count] = map->items[2 * i].text;
        topic->values[topic->count++] = map->items[2 * i + 1].text;
    }
}

static void check_flink(struct checker *c)
{
    if (c->config->flink.settings_node)
        read_topic_config(c, c->config->flink.settings_node, &c->config->flink.settings);
    if (c->config->functions_node)
        read_topic_config(c, c->config->functions_node, &c->config->functions);
}

static void check_topics(struct checker *c)
{
    struct config *config = c->config;
    const struct yaml_node *map = config->topics_node;

    if (!map)
        return;
    if (map->type != YAML_MAP) {
        complain(c, map, "'topics' is a map by name: {orders: {partitions: 3}}");
        return;
    }
    config->topics = ARENA_ARRAY(&config->arena, struct config_topic, map->count + 1);
    for (size_t i = 0; config->topics && i < map->count; i++) {
        const struct yaml_node *name = &map->items[2 * i], *value = name + 1;
        struct topic_spec spec = {config->kafka.partitions, NULL};
        struct config_topic *topic = &config->topics[config->topic_count];

        if (!is_topic(name->text))
            complain(c, name, "'%s' is no topic's name: letters, digits, '.', '_' and '-' only",
                     name->text);
        if (value->type == YAML_MAP)
            yaml_bind(value, topic_keys, &spec, c->file, c->problems);
        else if (value->type != YAML_NULL)
            complain(c, value, "expected {partitions: 3} or nothing");
        topic->name = name->text;
        topic->partitions = spec.partitions;
        if (spec.config)
            read_topic_config(c, spec.config, topic);
        config->topic_count++;
    }
    c->nomem |= !config->topics;
}

/* "10/s" or "500ms" as events per second. */
static bool rate_of(const struct yaml_node *node, double *out)
{
    double us;

    if (node->type != YAML_SCALAR || generate_parse_interval(node->text, &us) || us <= 0)
        return false;
    *out = 1e6 / us;
    return true;
}

static bool share_of(const struct yaml_node *node, double *out)
{
    char *end;

    if (node->type != YAML_SCALAR)
        return false;
    *out = strtod(node->text, &end);
    if (end != node->text && strcmp(end, "%") == 0) {
        *out /= 100;
        end++;
    }
    return end != node->text && !*end && *out >= 0 && *out <= 1;
}

static void read_overrides(struct checker *c, const struct yaml_node *map, bool rates,
                           struct generate_override **list, size_t *count)
{
    if (!map)
        return;
    if (map->type != YAML_MAP) {
        complain(c, map, "expected a map by name");
        return;
    }
    *list = ARENA_ARRAY(&c->config->arena, struct generate_override, map->count + 1);
    for (size_t i = 0; *list && i < map->count; i++) {
        const struct yaml_node *name = &map->items[2 * i], *value = name + 1;
        struct generate_override one = {.name = name->text};

        if (rates ? rate_of(value, &one.value) : share_of(value, &one.value))
            (*list)[(*count)++] = one;
        else
            complain(c, value,
                     rates ? "'%s' is no rate: 2/s or 500ms" : "'%s' is no share: 0.05 or 5%%",
                     value->type == YAML_SCALAR ? value->text : "this");
    }
    c->nomem |= !*list;
}

static void check_generators(struct checker *c)
{
    struct config *config = c->config;
    const char *speed = config->generators.speed_text;
    char *end;

    config->generators.speed = strtod(speed, &end);
    if (strcmp(speed, "max") == 0)
        config->generators.speed = 0;
    else if (end == speed || *end || !(config->generators.speed > 0) ||
             isinf(config->generators.speed))
        complain(c, node_at(c, "generators", "speed"), "'%s' is neither a number above 0 nor max",
                 speed);
    read_overrides(c, config->generators.rates_node, true, &config->generators.rates,
                   &config->generators.rate_count);
    read_overrides(c, config->generators.faults_node, false, &config->generators.faults,
                   &config->generators.fault_count);
}

/* Folders are relative to the project. */
static const char *resolve(struct checker *c, const char *path)
{
    bool as_is = path[0] == '/' || strcmp(c->config->dir, ".") == 0;
    char *out = as_is ? arena_strdup(&c->config->arena, path)
                      : arena_printf(&c->config->arena, "%s/%s", c->config->dir, path);

    c->nomem |= !out;
    return out;
}

static const char *folder_name(struct checker *c, const char *dir)
{
    char *real = realpath(dir, NULL);
    const char *name = real ? copy(c, strrchr(real, '/') + 1) : "tarn";

    free(real);
    return name && name[0] ? name : "tarn";
}

static void check_all(struct checker *c)
{
    struct config *config = c->config;

    keep_list(c, &config->s3.buckets);
    keep_list(c, &config->generators.run);
    if (!config->name)
        config->name = folder_name(c, config->dir);
    config->data = resolve(c, config->data ? config->data : ".tarn");
    config->streams = resolve(c, config->streams);
    config->generators.dir = resolve(c, config->generators.dir);
    check_listen(c);
    check_listeners(c);
    check_ports(c);
    check_catalog(c);
    check_store(c);
    c->nomem |= config_s3_check(config, c->file, c->problems) != 0;
    check_flink(c);
    check_topics(c);
    check_generators(c);
}

/* ---- reading ---- */

static int parse(struct checker *c, struct disk *disk, struct yaml_node *doc, struct err *err)
{
    struct config *config = c->config;
    struct buf text = {.max = 10 << 20};
    struct err inner = {0};
    int line = 1, column = 1, used = 0;
    int rc = disk_read_file(disk, config->file, &text, err);

    if (rc == ERR_NOENT)
        err_set(err, rc,
                "no %s here: 'tarn init' starts a project, 'tarn up DIR' takes one elsewhere",
                config->file);
    if (!rc)
        rc = yaml_parse(buf_slice(&text), &config->arena, doc, &inner);
    buf_deinit(&text);
    if (rc == ERR_CORRUPT) {
        if (sscanf(inner.text, "line %d, column %d: %n", &line, &column, &used) < 2)
            used = 0;
        yaml_complain(c->problems, c->file, line, column, "%s", inner.text + used);
        return ERR_INVALID;
    }
    if (!rc && doc->type != YAML_MAP) {
        yaml_complain(c->problems, c->file, 1, 1,
                      "expected keys and values, at least 'version: 1'");
        return ERR_INVALID;
    }
    return rc;
}

/* From a parsed document to a checked configuration. */
static int bind_config(struct checker *c, const struct yaml_node *doc, struct err *err)
{
    size_t before = c->problems->count;

    c->doc = doc;
    yaml_bind(doc, config_keys, c->config, c->file, c->problems);
    check_all(c); /* all mistakes at once: what was refused above has its default */
    if (c->nomem)
        return err_set(err, ERR_NOMEM, "tarn.yaml");
    return c->problems->count > before ? ERR_INVALID : 0;
}

int config_read(struct config **out, struct disk *disk, const char *dir,
                struct yaml_problems *problems, struct err *err)
{
    struct config *config = calloc(1, sizeof(*config));
    struct yaml_node *doc;
    struct checker c = {NULL, config, NULL, problems, false};
    size_t before = problems->count;
    int rc;

    if (!config)
        return err_set(err, ERR_NOMEM, "tarn.yaml");
    doc = ARENA_NEW(&config->arena, struct yaml_node);
    config->dir = arena_strdup(&config->arena, dir);
    config->file =
        strcmp(dir, ".") == 0 ? "tarn.yaml" : arena_printf(&config->arena, "%s/tarn.yaml", dir);
    c.file = config->file ? arena_strdup(problems->arena, config->file) : NULL;
    rc = doc && config->dir && c.file ? parse(&c, disk, doc, err)
                                      : err_set(err, ERR_NOMEM, "tarn.yaml");
    if (!rc)
        rc = bind_config(&c, doc, err);
    if (rc == ERR_INVALID && problems->count > before)
        err_set(err, rc, "%s:%d:%d: %s", problems->list[before].file, problems->list[before].line,
                problems->list[before].column, problems->list[before].text);
    if (rc) {
        config_free(config);
        return rc;
    }
    *out = config;
    return 0;
}

int config_default(struct config **out, struct err *err)
{
    struct config *config = calloc(1, sizeof(*config));
    struct arena arena = {0};
    struct yaml_problems problems = {.arena = &arena};
    struct yaml_node doc;
    struct checker c = {"tarn.yaml", config, NULL, &problems, false};
    int rc;

    if (!config)
        return err_set(err, ERR_NOMEM, "configuration");
    config->dir = ".";
    config->file = "tarn.yaml";
    rc = yaml_parse(SLICE_LIT("version: 1\n"), &config->arena, &doc, err);
    if (!rc)
        rc = bind_config(&c, &doc, err);
    arena_deinit(&arena);
    if (rc) {
        config_free(config);
        return rc;
    }
    *out = config;
    return 0;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    arena_deinit(&config->arena);
    free(config);
}

int config_schema(struct buf *out, struct err *err)
{
    json_t *schema = json_pack("{s:s,s:s,s:s}", "$schema",
                               "https://json-schema.org/draft/2020-12/schema", "title", "tarn.yaml",
                               "description", "A project of tarn. Made by `tarn check --schema`.");
    json_t *body = schema_of_fields(config_keys);
    int rc = ERR_NOMEM;

    if (schema && body && !json_object_update(schema, body))
        rc = json_print(schema, 2, out, err);
    json_decref(schema);
    json_decref(body);
    return rc ? err_wrap(err, rc, "schema of tarn.yaml") : buf_append_u8(out, '\n');
}
