/* config.h - tarn.yaml, version 1, as the program sees it.
 *
 * One table in config.c reads the file, gives the defaults, checks ranges, names mistakes with line
 * and column, and is printed as docs/tarn.schema.json. A missing key is its default; a project may
 * consist of `version: 1` and nothing else.
 * Memory: everything lives as long as the struct config.
 */
#ifndef CLI_CONFIG_H
#define CLI_CONFIG_H

#include "base/base.h"
#include "base/yaml.h"
#include "generate/generate.h"

struct config_listener {
    int port;
    const char *advertised; /* the name that clients are told */
};

struct config_topic {
    const char *name;
    int64_t partitions;
    const char **keys, **values; /* topic configuration, as in Kafka */
    size_t count;
};

struct config_s3_user {
    const char *access_key, *secret_key;
    const char *policy; /* a canned one's name, or a file of the project */
    struct yaml_list buckets; /* the canned one is for these; none: for all */
    int line;
};

struct config_s3_bucket {
    const char *name;
    bool versioning;
    int open; /* of enum s3_public: what is allowed to everybody */
    const char *policy; /* a file of the project, or NULL */
    int64_t expire_ms;  /* -1: never */
};

struct config {
    const char *dir;  /* of the project */
    const char *file; /* of tarn.yaml */
    int64_t version;
    const char *name;   /* of the project; default: its folder's */
    const char *data;   /* folder for all state; default: DIR/.tarn */
    const char *listen; /* address for all ports */
    bool insecure_listen;

    struct {
        bool enabled;
        int64_t port;
        const char *advertised;
        const struct yaml_node *listeners_node;
        struct config_listener listeners[4];
        size_t listener_count;
        int64_t partitions;
        bool auto_create;
        int fsync; /* enum broker_fsync: the names in the same order */
        int64_t fsync_ms;
        int64_t retention_ms, retention_bytes, segment_bytes, segment_ms;
        int64_t message_bytes_max;
    } kafka;
    struct {
        bool enabled;
        int64_t port;
        const char *access_key, *secret_key, *region, *domain;
        struct yaml_list buckets;
        const struct yaml_node *users_node, *settings_node;
        struct config_s3_user *users;
        struct config_s3_bucket *settings;
        size_t user_count, setting_count;
    } s3;
    struct {
        bool enabled;
        int64_t port;
        const char *name, *warehouse, *credential;
        const char *client_id, *client_secret; /* the two halves of credential */
        bool token_required;
        struct yaml_list principals; /* "ID:SECRET" */
        const char **principal_ids, **principal_secrets; /* the halves */
    } catalog;
    struct {
        int engine; /* 0: local folder, 1: s3 */
        const char *endpoint, *access_key, *secret_key, *region;
        bool path_style;
        int64_t cache_bytes;
    } store;
    struct {
        int64_t commit_interval_ms, commit_bytes, restart_delay_ms;
    } jobs;
    struct {
        int64_t port, managers; /* port 0: off */
        const struct yaml_node *settings_node;
        struct config_topic settings; /* keys and values; no name */
    } flink;
    const struct yaml_node *functions_node;
    struct config_topic functions; /* classes and their expressions; no name */
    struct {
        int64_t streams_bytes, queries_bytes, state_bytes;
    } memory;
    struct {
        bool enabled;
        int64_t interval_ms, cpu_percent, bytes_per_second;
    } maintenance;
    struct {
        const char *dir;
        struct yaml_list run;
        int64_t seed;
        const char *speed_text;
        double speed;
        const struct yaml_node *rates_node, *faults_node;
        struct generate_override *rates, *faults;
        size_t rate_count, fault_count;
    } generators;
    struct {
        int level; /* enum diag_level */
        int64_t file_bytes, files;
    } log;
    const char *streams; /* folder of *.sql */
    const struct yaml_node *topics_node;
    struct config_topic *topics;
    size_t topic_count;

    struct arena arena;
};

/* Reads DIR/tarn.yaml. Mistakes go to `problems`; then ERR_INVALID.
 * ERR_NOENT: no such file, with a hint. The caller owns *out. */
int config_read(struct config **out, struct disk *disk, const char *dir,
                struct yaml_problems *problems, struct err *err);
/* What an empty project would have. */
int config_default(struct config **out, struct err *err);
void config_free(struct config *config); /* NULL is fine */
bool config_is_loopback(const char *address);
/* docs/tarn.schema.json. */
int config_schema(struct buf *out, struct err *err);

#endif
