/* config_s3.c - users and bucket settings of the s3 section. See config.h. */
#include <stdio.h>

#include "cli/config_s3.h"

#define AT(type, field) offsetof(struct type, field)

static const char *const public_names[] = {"none", "read", "write", "readwrite", NULL};

const struct yaml_field config_s3_user_keys[] = {
    {.key = "secret_key",
     .kind = YK_STR,
     .at = AT(config_s3_user, secret_key),
     .required = true,
     .help = "8 characters or more"},
    {.key = "policy",
     .kind = YK_STR,
     .at = AT(config_s3_user, policy),
     .fallback = "readwrite",
     .help =
         "readonly, writeonly, readwrite, or a file of the project with a policy in AWS's JSON"},
    {.key = "buckets",
     .kind = YK_LIST,
     .at = AT(config_s3_user, buckets),
     .help = "those the policy is for; left out: all"},
    {.key = NULL}};

const struct yaml_field config_s3_bucket_keys[] = {
    {.key = "versioning",
     .kind = YK_BOOL,
     .at = AT(config_s3_bucket, versioning),
     .fallback = "false",
     .help = "keep what is replaced or deleted"},
    {.key = "public",
     .kind = YK_ENUM,
     .at = AT(config_s3_bucket, open),
     .names = public_names,
     .fallback = "none",
     .help = "what may be done without a signature"},
    {.key = "policy",
     .kind = YK_STR,
     .at = AT(config_s3_bucket, policy),
     .help = "instead of public: a file of the project with the policy in AWS's JSON"},
    {.key = "expire",
     .kind = YK_DURATION,
     .at = AT(config_s3_bucket, expire_ms),
     .fallback = "-1",
     .min = -1,
     .max = INT64_MAX,
     .help = "objects older than this are removed, in whole days: 30d"},
    {.key = NULL}};

/* A list that binding left in the arena of the problems. */
static int keep_list(struct arena *arena, struct yaml_list *list)
{
    const char **items = ARENA_ARRAY(arena, const char *, list->count + 1);

    if (items && list->count)
        memcpy(items, list->items, list->count * sizeof(*items));
    list->items = items;
    return items ? 0 : ERR_NOMEM;
}

static bool is_map(const struct yaml_node *node, const char *what, const char *file,
                   struct yaml_problems *problems)
{
    if (node->type != YAML_MAP)
        yaml_complain(problems, file, node->line, node->column, "'%s' is a map by name", what);
    return node->type == YAML_MAP;
}

static int read_users(struct config *config, const char *file, struct yaml_problems *problems)
{
    const struct yaml_node *map = config->s3.users_node;

    if (!map || !is_map(map, "users", file, problems))
        return 0;
    config->s3.users = ARENA_ARRAY(&config->arena, struct config_s3_user, map->count + 1);
    for (size_t i = 0; config->s3.users && i < map->count; i++) {
        const struct yaml_node *name = &map->items[2 * i], *value = name + 1;
        struct config_s3_user *user = &config->s3.users[config->s3.user_count];

        if (value->type != YAML_MAP) {
            yaml_complain(problems, file, value->line, value->column,
                          "a user is {secret_key: ..., policy: readonly}");
            continue;
        }
        if (yaml_bind(value, config_s3_user_keys, user, file, problems))
            continue;
        if (strlen(user->secret_key) < 8)
            yaml_complain(problems, file, value->line, value->column,
                          "S3 clients want secrets of 8 characters or more");
        if (strcmp(name->text, config->s3.access_key) == 0)
            yaml_complain(problems, file, name->line, name->column,
                          "'%s' is the project's own access key", name->text);
        user->access_key = name->text;
        user->line = name->line;
        if (keep_list(&config->arena, &user->buckets))
            return ERR_NOMEM;
        config->s3.user_count++;
    }
    return config->s3.users ? 0 : ERR_NOMEM;
}

static int read_settings(struct config *config, const char *file, struct yaml_problems *problems)
{
    const struct yaml_node *map = config->s3.settings_node;

    if (!map || !is_map(map, "bucket_settings", file, problems))
        return 0;
    config->s3.settings = ARENA_ARRAY(&config->arena, struct config_s3_bucket, map->count + 1);
    for (size_t i = 0; config->s3.settings && i < map->count; i++) {
        const struct yaml_node *name = &map->items[2 * i], *value = name + 1;
        struct config_s3_bucket *bucket = &config->s3.settings[config->s3.setting_count];

        if (value->type != YAML_MAP) {
            yaml_complain(problems, file, value->line, value->column,
                          "settings are {versioning: true, public: read}");
            continue;
        }
        if (yaml_bind(value, config_s3_bucket_keys, bucket, file, problems))
            continue;
        if (bucket->policy && bucket->open)
            yaml_complain(problems, file, value->line, value->column,
                          "'public' and 'policy' exclude each other");
        if (bucket->expire_ms >= 0 && bucket->expire_ms < 86400000)
            yaml_complain(problems, file, value->line, value->column,
                          "'expire' is a day or more: 30d");
        bucket->name = name->text;
        config->s3.setting_count++;
    }
    return config->s3.settings ? 0 : ERR_NOMEM;
}

int config_s3_check(struct config *config, const char *file, struct yaml_problems *problems)
{
    int rc = read_users(config, file, problems);

    return rc ? rc : read_settings(config, file, problems);
}
