/* s3_setup.c - what tarn.yaml says of the object store: its users, its buckets and their settings.
 *
 * Run at every start and harmless when it ran before: buckets that are there stay, settings become
 * what the file says, those it does not name are left alone.
 */
#include <stdio.h>

#include "cli/instance.h"

/* A file of the project as text in its arena. */
static int read_file(struct instance *in, const char *name, const char **out, struct err *err)
{
    const char *path =
        name[0] == '/' ? name : arena_printf(&in->config->arena, "%s/%s", in->config->dir, name);
    struct buf text = {.max = 1 << 20};
    int rc = path ? disk_read_file(in->disk, path, &text, err) : ERR_NOMEM;

    *out = rc ? NULL : arena_cstr(&in->config->arena, buf_slice(&text));
    buf_deinit(&text);
    return rc     ? err_wrap(err, rc, "s3: %s", name)
           : *out ? 0
                  : err_set(err, ERR_NOMEM, "s3: %s", name);
}

static int user_policy(struct instance *in, const struct config_s3_user *user, const char **out,
                       struct err *err)
{
    int rc;

    *out = s3_policy_canned(&in->config->arena, user->policy, user->buckets.items,
                            user->buckets.count);
    if (*out)
        return 0;
    if (!strchr(user->policy, '.') && !strchr(user->policy, '/'))
        return err_set(err, ERR_INVALID,
                       "s3: user %s: no policy '%s': readonly, writeonly, readwrite or a file",
                       user->access_key, user->policy);
    rc = read_file(in, user->policy, out, err);
    if (!rc)
        rc = s3_policy_check(slice_str(*out), NULL, err);
    return rc ? err_wrap(err, rc, "s3: user %s", user->access_key) : 0;
}

int instance_s3_credentials(struct instance *in, struct s3_credential **out, size_t *count,
                            struct err *err)
{
    const struct config *c = in->config;
    struct s3_credential *list =
        ARENA_ARRAY(&in->config->arena, struct s3_credential, c->s3.user_count + 1);
    int rc = list ? 0 : err_set(err, ERR_NOMEM, "s3");

    *count = 0;
    if (list)
        list[(*count)++] = (struct s3_credential){c->s3.access_key, c->s3.secret_key, NULL};
    for (size_t i = 0; i < c->s3.user_count && !rc; i++) {
        const struct config_s3_user *user = &c->s3.users[i];
        const char *policy = NULL;

        rc = user_policy(in, user, &policy, err);
        list[(*count)++] = (struct s3_credential){user->access_key, user->secret_key, policy};
    }
    *out = list;
    return rc;
}

/* ---- buckets ---- */

static int make_bucket(struct instance *in, const char *name, struct err *err)
{
    int rc = in->store->ops->bucket_make(in->store, name, err);

    return rc == ERR_EXISTS ? 0 : rc;
}

static const char *policy_of(struct instance *in, const struct config_s3_bucket *bucket, int *rc,
                             struct err *err)
{
    const char *text = NULL;

    *rc = 0;
    if (bucket->policy) {
        *rc = read_file(in, bucket->policy, &text, err);
        if (!*rc)
            *rc = s3_policy_check(slice_str(text), bucket->name, err);
    } else if (bucket->open) {
        text = s3_policy_public(&in->config->arena, bucket->name, bucket->open & S3_PUBLIC_READ,
                                bucket->open & S3_PUBLIC_WRITE);
        *rc = text ? 0 : err_set(err, ERR_NOMEM, "policy");
    }
    return text;
}

static int set_up(struct instance *in, const struct config_s3_bucket *bucket, struct err *err)
{
    const struct store_version_ops *ops = in->store->ops->versions;
    const char *text;
    int rc = make_bucket(in, bucket->name, err);

    if (rc)
        return rc;
    if (!ops)
        return err_set(err, ERR_UNSUPPORTED,
                       "bucket_settings need 'store: {engine: local}': elsewhere set them there");
    if (bucket->versioning)
        rc = ops->versioning_put(in->store, bucket->name, STORE_VERSIONED, err);
    else if (ops->versioning(in->store, bucket->name) == STORE_VERSIONED)
        rc = ops->versioning_put(in->store, bucket->name, STORE_SUSPENDED, err);
    text = rc ? NULL : policy_of(in, bucket, &rc, err);
    if (!rc)
        rc = ops->setting_put(in->store, bucket->name, "policy", text, err);
    if (!rc && bucket->expire_ms >= 0) {
        text = s3_lifecycle_days(&in->config->arena, bucket->expire_ms / 86400000);
        rc = text ? ops->setting_put(in->store, bucket->name, "lifecycle", text, err)
                  : err_set(err, ERR_NOMEM, "lifecycle");
    }
    return rc;
}

int instance_make_buckets(struct instance *in, struct err *err)
{
    const struct config *c = in->config;
    int rc = 0;

    for (size_t i = 0; i < c->s3.buckets.count && !rc; i++)
        rc = make_bucket(in, c->s3.buckets.items[i], err);
    for (size_t i = 0; i < c->s3.setting_count && !rc; i++) {
        rc = set_up(in, &c->s3.settings[i], err);
        if (rc)
            err_wrap(err, rc, "bucket %s", c->s3.settings[i].name);
    }
    return rc;
}
