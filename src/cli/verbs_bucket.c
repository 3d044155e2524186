/* verbs_bucket.c - buckets, asked and changed from the command line. */
#include "cli/verbs.h"

static const char *text_of(const json_t *request, const char *key)
{
    const char *text = json_string_value(json_object_get(request, key));

    return text ? text : "";
}

/* A setting's text in the arena; "" when there is none. */
static const char *setting(struct instance *in, struct arena *arena, const char *bucket,
                           const char *name)
{
    struct buf text = {0};
    const char *out = NULL;

    if (in->store->ops->versions &&
        in->store->ops->versions->setting_get(in->store, bucket, name, &text, NULL) == 0)
        out = arena_cstr(arena, buf_slice(&text));
    buf_deinit(&text);
    return out ? out : "";
}

static const char *versioning_word(struct instance *in, const char *bucket)
{
    static const char *const words[] = {
        [STORE_UNVERSIONED] = "off", [STORE_VERSIONED] = "on", [STORE_SUSPENDED] = "suspended"};
    const struct store_version_ops *ops = in->store->ops->versions;

    return words[ops ? ops->versioning(in->store, bucket) : STORE_UNVERSIONED];
}

int verb_bucket_list(void *arg, const json_t *request, struct control_reply *reply, struct err *err)
{
    struct instance *in = arg;
    struct arena arena = {0};
    struct store_entry *buckets = NULL;
    size_t count = 0;
    int rc = in->store->ops->bucket_list(in->store, &arena, &buckets, &count, err);

    (void)request;
    if (!rc)
        rc = rows_head(reply, json_pack("[s,s,s,s]", "bucket", "versioning", "public", "lifecycle"),
                       err);
    for (size_t i = 0; i < count && !rc; i++) {
        const char *name = buckets[i].key;

        rc =
            rows_add(reply,
                     json_pack("[s,s,s,s]", name, versioning_word(in, name),
                               s3_policy_word(slice_str(setting(in, &arena, name, "policy")), name),
                               setting(in, &arena, name, "lifecycle")[0] ? "yes" : "no"),
                     err);
    }
    arena_deinit(&arena);
    return rc;
}

/* Counts every version, a page at a time. */
static int count_all(struct instance *in, struct control_reply *reply, const char *bucket,
                     int64_t totals[4], struct err *err)
{
    struct arena arena = {0};
    struct buf key = {0}, id = {0};
    bool more = true;
    int rc = 0;

    while (more && !rc) {
        struct store_version_list page;

        arena_reset(&arena);
        rc = control_interrupted(reply)
                 ? err_set(err, ERR_CANCELLED, "stopped")
                 : in->store->ops->versions->list(
                       in->store, bucket, "", "", key.len ? buf_cstr(&key) : "",
                       id.len ? buf_cstr(&id) : NULL, 1000, &arena, &page, err);
        more = !rc && page.truncated && page.count;
        for (size_t i = 0; !rc && i < page.count; i++) {
            bool latest = page.entries[i].is_latest && !page.entries[i].is_marker;

            totals[latest ? 0 : 2]++;
            totals[latest ? 1 : 3] += page.entries[i].size;
        }
        buf_clear(&key);
        buf_clear(&id);
        if (more && !rc)
            rc = buf_append_str(&key, page.entries[page.count - 1].key);
        if (more && !rc)
            rc = buf_append_str(&id, page.entries[page.count - 1].id);
    }
    buf_deinit(&key);
    buf_deinit(&id);
    arena_deinit(&arena);
    return rc;
}

static int no_settings(struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED, "the objects lie in an outside store: ask it");
}

int verb_bucket_show(void *arg, const json_t *request, struct control_reply *reply, struct err *err)
{
    struct instance *in = arg;
    const char *name = text_of(request, "name");
    struct arena arena = {0};
    int64_t totals[4] = {0};
    int rc = in->store->ops->bucket_check(in->store, name, err);

    if (!rc && !in->store->ops->versions)
        rc = no_settings(err);
    if (!rc)
        rc = count_all(in, reply, name, totals, err);
    if (!rc)
        rc = rows_head(reply, json_pack("[s,s]", "what", "value"), err);
    if (!rc) {
        const struct {
            const char *what, *value;
        } rows[] = {
            {"objects", arena_printf(&arena, "%" PRId64, totals[0])},
            {"bytes", arena_printf(&arena, "%" PRId64, totals[1])},
            {"older versions and delete markers", arena_printf(&arena, "%" PRId64, totals[2])},
            {"their bytes", arena_printf(&arena, "%" PRId64, totals[3])},
            {"versioning", versioning_word(in, name)},
            {"public", s3_policy_word(slice_str(setting(in, &arena, name, "policy")), name)},
            {"lifecycle", setting(in, &arena, name, "lifecycle")[0] ? "yes" : "no"},
            {"cors", setting(in, &arena, name, "cors")[0] ? "yes" : "no"},
            {"tags", setting(in, &arena, name, "tagging")},
        };

        for (size_t i = 0; i < COUNT_OF(rows) && !rc; i++)
            rc = rows_add(reply, json_pack("[s,s]", rows[i].what, rows[i].value), err);
    }
    arena_deinit(&arena);
    return rc;
}

int verb_bucket_create(void *arg, const json_t *request, struct control_reply *reply,
                       struct err *err)
{
    struct instance *in = arg;
    int rc = in->store->ops->bucket_make(in->store, text_of(request, "name"), err);

    return rc ? rc : control_send(reply, json_pack("{s:s}", "text", "created"), err);
}

int verb_bucket_remove(void *arg, const json_t *request, struct control_reply *reply,
                       struct err *err)
{
    struct instance *in = arg;
    int rc = in->store->ops->bucket_remove(in->store, text_of(request, "name"), err);

    return rc ? rc : control_send(reply, json_pack("{s:s}", "text", "removed"), err);
}

/* none, read, write, readwrite, or the policy itself. */
int verb_bucket_policy(void *arg, const json_t *request, struct control_reply *reply,
                       struct err *err)
{
    static const char *const words[] = {"none", "read", "write", "readwrite"};
    struct instance *in = arg;
    const char *name = text_of(request, "name"), *value = text_of(request, "value");
    struct arena arena = {0};
    const char *policy = value;
    int rc = in->store->ops->versions ? in->store->ops->bucket_check(in->store, name, err)
                                      : no_settings(err);

    if (!rc && !value[0]) {
        const char *text = setting(in, &arena, name, "policy");

        rc = control_send(reply, json_pack("{s:s}", "text", text[0] ? text : "none"), err);
        arena_deinit(&arena);
        return rc;
    }
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (strcmp(value, words[i]) == 0)
            policy =
                i ? s3_policy_public(&arena, name, i & S3_PUBLIC_READ, i & S3_PUBLIC_WRITE) : NULL;
    if (!rc && policy)
        rc = s3_policy_check(slice_str(policy), name, err);
    if (!rc)
        rc = in->store->ops->versions->setting_put(in->store, name, "policy", policy, err);
    arena_deinit(&arena);
    return rc ? rc : control_send(reply, json_pack("{s:s}", "text", "set"), err);
}

int verb_bucket_versioning(void *arg, const json_t *request, struct control_reply *reply,
                           struct err *err)
{
    struct instance *in = arg;
    const char *name = text_of(request, "name"), *value = text_of(request, "value");
    const struct store_version_ops *ops = in->store->ops->versions;
    int rc = ops ? in->store->ops->bucket_check(in->store, name, err) : no_settings(err);

    if (!rc && !value[0])
        return control_send(reply, json_pack("{s:s}", "text", versioning_word(in, name)), err);
    if (!rc && strcmp(value, "on") && strcmp(value, "off"))
        rc = err_set(err, ERR_INVALID, "versioning is on or off, not '%s'", value);
    if (!rc && (strcmp(value, "on") == 0 || ops->versioning(in->store, name) == STORE_VERSIONED))
        rc = ops->versioning_put(in->store, name,
                                 strcmp(value, "on") ? STORE_SUSPENDED : STORE_VERSIONED, err);
    return rc ? rc
              : control_send(reply, json_pack("{s:s}", "text", versioning_word(in, name)), err);
}

/* none, a number of days, or the configuration as XML. */
int verb_bucket_lifecycle(void *arg, const json_t *request, struct control_reply *reply,
                          struct err *err)
{
    struct instance *in = arg;
    const char *name = text_of(request, "name"), *value = text_of(request, "value"), *kept = NULL;
    struct arena arena = {0};
    int64_t days;
    int rc = in->store->ops->versions ? in->store->ops->bucket_check(in->store, name, err)
                                      : no_settings(err);

    if (!rc && !value[0]) {
        const char *text = setting(in, &arena, name, "lifecycle");

        rc = control_send(reply, json_pack("{s:s}", "text", text[0] ? text : "none"), err);
        arena_deinit(&arena);
        return rc;
    }
    if (!rc && slice_to_i64(slice_str(value), &days) == 0)
        rc = days < 1 || !(kept = s3_lifecycle_days(&arena, days))
                 ? err_set(err, ERR_INVALID, "'%s' is no number of days", value)
                 : 0;
    else if (!rc && strcmp(value, "none"))
        rc = s3_lifecycle_check(&arena, slice_str(value), &kept, err);
    if (!rc)
        rc = in->store->ops->versions->setting_put(in->store, name, "lifecycle", kept, err);
    arena_deinit(&arena);
    return rc ? rc : control_send(reply, json_pack("{s:s}", "text", "set"), err);
}
