/* s3_policy.c - reads a policy and judges by it. The grammar is IAM's; see s3_policy.h. */
#include "s3/s3_policy.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "base/json.h"
#include "s3/s3_condition.h"

#define STATEMENTS_MAX 100
#define ARN            "arn:aws:s3:::"

struct texts {
    const char **list;
    size_t count;
};

struct statement {
    bool deny, not_action, not_resource;
    bool anybody;            /* the principal is "*" */
    struct texts principals; /* access keys */
    struct texts actions;    /* "s3:Get*" */
    struct texts resources;
    struct s3_conditions_set conditions;
};

struct s3_policy {
    bool of_bucket;
    struct statement *list;
    size_t count;
};

bool s3_glob(const char *pattern, const char *text)
{
    const char *star = NULL, *from = NULL;

    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            from = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++from;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* A string or a list of strings. */
static int read_texts(struct arena *arena, const json_t *from, struct texts *out)
{
    size_t count = json_is_array(from) ? json_array_size(from) : 1;

    out->list = ARENA_ARRAY(arena, const char *, count + 1);
    if (!out->list)
        return ERR_NOMEM;
    for (size_t i = 0; i < count; i++) {
        const json_t *one = json_is_array(from) ? json_array_get(from, i) : from;

        if (!json_is_string(one))
            return ERR_INVALID;
        out->list[out->count] = arena_strdup(arena, json_string_value(one));
        if (!out->list[out->count++])
            return ERR_NOMEM;
    }
    return out->count ? 0 : ERR_INVALID;
}

/* "AKIA...", "arn:aws:iam::123456789012:user/NAME" or ".../root": the last part is the key. */
static const char *principal_key(const char *text)
{
    const char *slash = strrchr(text, '/'), *colon = strrchr(text, ':');

    if (strncmp(text, "arn:", 4))
        return text;
    return slash ? slash + 1 : colon + 1;
}

static int read_principal(struct arena *arena, const json_t *json, struct statement *out,
                          struct err *err)
{
    const json_t *aws = json_is_object(json) ? json_object_get(json, "AWS") : json;
    bool lone = json_is_object(json) && json_object_size(json) == 1;
    int rc = aws && (lone || json_is_string(json) || json_is_array(json))
                 ? read_texts(arena, aws, &out->principals)
                 : ERR_INVALID;

    for (size_t i = 0; !rc && i < out->principals.count; i++) {
        const char *text = out->principals.list[i];

        if (strcmp(text, "*") == 0)
            out->anybody = true;
        if (!text[0] || (out->anybody && out->principals.count > 1))
            rc = ERR_INVALID;
        out->principals.list[i] = principal_key(text);
    }
    return rc == ERR_INVALID ? err_set(err, rc, "Invalid principal in policy")
           : rc              ? err_set(err, rc, "policy")
                             : 0;
}

static int read_actions(struct arena *arena, const json_t *json, struct statement *out,
                        bool of_bucket, struct err *err)
{
    int rc = read_texts(arena, json, &out->actions);

    for (size_t i = 0; !rc && i < out->actions.count; i++) {
        const char *text = out->actions.list[i];

        if (strcmp(text, "*") == 0)
            continue;
        if (of_bucket ? !s3_action_known(text) : !strchr(text, ':'))
            rc = ERR_INVALID;
    }
    return rc == ERR_INVALID ? err_set(err, rc, "Policy has invalid action")
           : rc              ? err_set(err, rc, "policy")
                             : 0;
}

/* "arn:aws:s3:::BUCKET/KEY"; of a bucket's policy, the bucket is its own. */
static bool resource_fits(const char *text, const char *bucket)
{
    size_t len;

    if (!bucket)
        return strcmp(text, "*") == 0 || strncmp(text, ARN, sizeof(ARN) - 1) == 0;
    if (strncmp(text, ARN, sizeof(ARN) - 1))
        return false;
    text += sizeof(ARN) - 1;
    len = strcspn(text, "/");
    if (strcspn(text, "*?") < len) { /* a pattern: does it match the bucket? */
        char part[256];

        if (len >= sizeof(part))
            return false;
        snprintf(part, sizeof(part), "%.*s", (int)len, text);
        return s3_glob(part, bucket);
    }
    return strlen(bucket) == len && strncmp(text, bucket, len) == 0 &&
           (!text[len] || text[len + 1]);
}

static int read_resources(struct arena *arena, const json_t *json, const char *bucket,
                          struct statement *out, struct err *err)
{
    int rc = read_texts(arena, json, &out->resources);

    for (size_t i = 0; !rc && i < out->resources.count; i++)
        if (!resource_fits(out->resources.list[i], bucket))
            rc = ERR_INVALID;
    return rc == ERR_INVALID ? err_set(err, rc, "Policy has invalid resource")
           : rc              ? err_set(err, rc, "policy")
                             : 0;
}

/* An action on objects needs a resource that can be one, and on a bucket the same. */
static int check_match(const struct statement *statement, struct err *err)
{
    bool objects = false, buckets = false;

    for (size_t i = 0; i < statement->resources.count; i++) {
        const char *text = statement->resources.list[i];
        bool either = strchr(text, '*') && !strchr(text, '/');

        objects |= either || strchr(text, '/');
        buckets |= either || !strchr(text, '/');
    }
    for (size_t i = 0; i < statement->actions.count; i++) {
        const char *text = statement->actions.list[i];

        if (strchr(text, '*') || strchr(text, '?'))
            continue;
        if (s3_action_on_object(text) ? !objects : !buckets)
            return err_set(err, ERR_INVALID,
                           "Action does not apply to any resource(s) in statement");
    }
    return 0;
}

static int check_keys(const json_t *json, bool of_bucket, struct err *err)
{
    static const char *const known[] = {"Sid",       "Effect",   "Principal",   "Action",
                                        "NotAction", "Resource", "NotResource", "Condition"};
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)json, key, value)
    {
        bool found = false;

        for (size_t i = 0; i < COUNT_OF(known); i++)
            found |= strcmp(known[i], key) == 0 && (of_bucket || strcmp(key, "Principal"));
        if (!found)
            return err_set(err, ERR_INVALID, "Policy element has invalid field: %.100s", key);
    }
    return 0;
}

static int read_statement(struct arena *arena, const json_t *json, const char *bucket,
                          struct statement *out, struct err *err)
{
    const char *effect = json_string_value(json_object_get(json, "Effect"));
    const json_t *action = json_object_get(json, "Action"), *resource;
    int rc;

    if (!json_is_object(json))
        return err_set(err, ERR_INVALID, "This policy contains invalid Json");
    rc = check_keys(json, bucket != NULL, err);
    if (!rc && (!effect || (strcmp(effect, "Allow") && strcmp(effect, "Deny"))))
        rc = err_set(err, ERR_INVALID, "Invalid effect: %.100s", effect ? effect : "");
    out->deny = !rc && strcmp(effect, "Deny") == 0;
    if (!rc && bucket)
        rc = read_principal(arena, json_object_get(json, "Principal"), out, err);
    out->not_action = !action;
    action = action ? action : json_object_get(json, "NotAction");
    resource = json_object_get(json, "Resource");
    out->not_resource = !resource;
    resource = resource ? resource : json_object_get(json, "NotResource");
    if (!rc && (!action || (!out->not_action && json_object_get(json, "NotAction"))))
        rc = err_set(err, ERR_INVALID, "Policy has invalid action");
    if (!rc)
        rc = read_actions(arena, action, out, bucket != NULL, err);
    if (!rc && (!resource || (!out->not_resource && json_object_get(json, "NotResource"))))
        rc = err_set(err, ERR_INVALID, "Policy has invalid resource");
    if (!rc)
        rc = read_resources(arena, resource, bucket, out, err);
    if (!rc && bucket && !out->not_action && !out->not_resource)
        rc = check_match(out, err);
    if (!rc)
        rc = s3_conditions_read(arena, json_object_get(json, "Condition"), &out->conditions, err);
    return rc;
}

static int read_all(struct arena *arena, const json_t *json, const char *bucket,
                    struct s3_policy *out, struct err *err)
{
    const json_t *version = json_object_get(json, "Version");
    const json_t *list = json_object_get(json, "Statement");
    const char *text = json_string_value(version);
    size_t count = json_is_array(list) ? json_array_size(list) : 1;
    int rc = 0;

    if (version && (!text || (strcmp(text, "2012-10-17") && strcmp(text, "2008-10-17"))))
        return err_set(err, ERR_INVALID, "The policy must contain a valid version string");
    if (!list)
        return err_set(err, ERR_INVALID, "Missing required field Statement");
    if (count == 0)
        return err_set(err, ERR_INVALID, "Could not parse the policy: Statement is empty!");
    if (count > STATEMENTS_MAX)
        return err_set(err, ERR_INVALID, "more than %d statements", STATEMENTS_MAX);
    out->of_bucket = bucket != NULL;
    out->list = ARENA_ARRAY(arena, struct statement, count);
    if (!out->list)
        return err_set(err, ERR_NOMEM, "policy");
    for (; out->count < count && !rc; out->count++)
        rc = read_statement(arena, json_is_array(list) ? json_array_get(list, out->count) : list,
                            bucket, &out->list[out->count], err);
    return rc;
}

int s3_policy_parse(struct arena *arena, struct slice text, const char *bucket,
                    struct s3_policy **out, struct err *err)
{
    json_t *json = NULL;
    int rc;

    *out = ARENA_NEW(arena, struct s3_policy);
    if (!*out)
        return err_set(err, ERR_NOMEM, "policy");
    while (text.len && isspace(text.ptr[0]))
        text = slice_of(text.ptr + 1, text.len - 1);
    if (text.len > S3_POLICY_MAX)
        return err_set(err, ERR_INVALID, "Normal policies may not be larger than 20 KB");
    if (!text.len || text.ptr[0] != '{')
        return err_set(err, ERR_INVALID,
                       "Policies must be valid JSON and the first byte must be '{'");
    rc = json_parse(text, &json, NULL);
    if (rc)
        return err_set(err, rc == ERR_NOMEM ? rc : ERR_INVALID,
                       "This policy contains invalid Json");
    rc = read_all(arena, json, bucket, *out, err);
    json_decref(json);
    return rc;
}

/* --- judging ---------------------------------------------------------------------------------- */

static bool any_action(const struct texts *texts, const char *action)
{
    for (size_t i = 0; i < texts->count; i++)
        if (s3_action_fits(texts->list[i], action))
            return true;
    return false;
}

static bool any_resource(const struct texts *texts, const char *resource)
{
    for (size_t i = 0; i < texts->count; i++)
        if (s3_glob(texts->list[i], resource))
            return true;
    return false;
}

static bool any_principal(const struct statement *statement, const char *access_key)
{
    if (statement->anybody)
        return true;
    for (size_t i = 0; i < statement->principals.count && access_key; i++)
        if (strcmp(statement->principals.list[i], access_key) == 0)
            return true;
    return false;
}

enum s3_verdict s3_policy_ask(const struct s3_policy *policy, const struct s3_ask *ask)
{
    enum s3_verdict verdict = S3_SAYS_NOTHING;

    for (size_t i = 0; i < policy->count; i++) {
        const struct statement *statement = &policy->list[i];

        if (policy->of_bucket && !any_principal(statement, ask->access_key))
            continue;
        if (any_action(&statement->actions, ask->action) == statement->not_action ||
            any_resource(&statement->resources, ask->resource) == statement->not_resource)
            continue;
        if (!s3_conditions_hold(&statement->conditions, ask))
            continue;
        if (statement->deny)
            return S3_DENIES;
        verdict = S3_ALLOWS;
    }
    return verdict;
}

bool s3_policy_is_public(const struct s3_policy *policy)
{
    for (size_t i = 0; i < policy->count; i++)
        if (!policy->list[i].deny && policy->list[i].anybody)
            return true;
    return false;
}

const char *s3_policy_canned(struct arena *arena, const char *name, const char *const *buckets,
                             size_t bucket_count)
{
    static const struct {
        const char *name, *actions;
    } canned[] = {
        {"readonly", "\"s3:GetObject*\",\"s3:ListBucket*\",\"s3:GetBucket*\""},
        {"writeonly",
         "\"s3:PutObject*\",\"s3:AbortMultipartUpload\",\"s3:ListMultipartUploadParts\""},
        {"readwrite", "\"s3:*\""},
    };
    const char *actions = NULL, *every[] = {"*"};
    struct buf text = {.max = S3_POLICY_MAX};
    char *out = NULL;
    int rc = 0;

    for (size_t i = 0; i < COUNT_OF(canned); i++)
        if (strcmp(canned[i].name, name) == 0)
            actions = canned[i].actions;
    if (!actions)
        return NULL;
    if (!bucket_count) {
        buckets = every;
        bucket_count = 1;
    }
    rc = buf_printf(&text,
                    "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\","
                    "\"Action\":[%s],\"Resource\":[",
                    actions);
    for (size_t i = 0; i < bucket_count && !rc; i++)
        rc = buf_printf(&text, "%s\"" ARN "%s\",\"" ARN "%s/*\"", i ? "," : "", buckets[i],
                        buckets[i]);
    if (!rc)
        rc = buf_append_str(&text, "]},{\"Effect\":\"Allow\",\"Action\":[\"s3:ListAllMyBuckets\"],"
                                   "\"Resource\":[\"*\"]}]}");
    if (!rc)
        out = arena_cstr(arena, buf_slice(&text));
    buf_deinit(&text);
    return out;
}

/* Nothing in a prefix may act as a pattern: IAM's "${*}" would be the way to say it. */
static int append_quoted(struct buf *out, const char *bucket, const char *prefix, const char *tail)
{
    struct buf plain = {.max = S3_POLICY_MAX};
    int rc = buf_printf(&plain, ARN "%s/", bucket);

    for (const char *c = prefix; *c && !rc; c++)
        rc = buf_append_u8(&plain, *c == '*' ? '?' : (uint8_t)*c);
    if (!rc)
        rc = buf_append_str(&plain, tail);
    if (!rc)
        rc = json_quote(out, buf_slice(&plain));
    buf_deinit(&plain);
    return rc;
}

const char *s3_policy_for_prefix(struct arena *arena, const char *bucket, const char *prefix,
                                 bool write)
{
    struct buf text = {.max = S3_POLICY_MAX}, quoted = {.max = S3_POLICY_MAX};
    char *out = NULL;
    int rc = append_quoted(&quoted, bucket, prefix, "*");

    if (!rc)
        rc = buf_printf(
            &text,
            "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\","
            "\"Action\":[\"s3:GetObject\",\"s3:GetObjectVersion\"%s],\"Resource\":[%.*s]},",
            write ? ",\"s3:PutObject\",\"s3:DeleteObject\",\"s3:AbortMultipartUpload\","
                    "\"s3:ListMultipartUploadParts\""
                  : "",
            SLICE_ARG(buf_slice(&quoted)));
    buf_clear(&quoted);
    for (const char *c = prefix; *c && !rc; c++)
        rc = buf_append_u8(&quoted, *c == '*' ? '?' : (uint8_t)*c);
    if (!rc)
        rc = buf_printf(&text,
                        "{\"Effect\":\"Allow\",\"Action\":[\"s3:GetBucketLocation\"],\"Resource\":"
                        "[\"" ARN "%s\"]},{\"Effect\":\"Allow\",\"Action\":[\"s3:ListBucket\","
                        "\"s3:ListBucketMultipartUploads\"],\"Resource\":[\"" ARN "%s\"],"
                        "\"Condition\":{\"StringLike\":{\"s3:prefix\":[",
                        bucket, bucket);
    if (!rc)
        rc = buf_append_u8(&quoted, '*');
    if (!rc)
        rc = json_quote(&text, buf_slice(&quoted));
    if (!rc)
        rc = buf_append_str(&text, "]}}}]}");
    if (!rc)
        out = arena_cstr(arena, buf_slice(&text));
    buf_deinit(&text);
    buf_deinit(&quoted);
    return out;
}

int s3_policy_check(struct slice json, const char *bucket, struct err *err)
{
    struct arena arena = {0};
    struct s3_policy *policy;
    int rc = s3_policy_parse(&arena, json, bucket, &policy, err);

    arena_deinit(&arena);
    return rc;
}

const char *s3_policy_public(struct arena *arena, const char *bucket, bool read, bool write)
{
    struct buf text = {.max = S3_POLICY_MAX};
    char *out = NULL;
    int rc = buf_printf(
        &text,
        "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\","
        "\"Principal\":{\"AWS\":[\"*\"]},\"Action\":[\"s3:GetBucketLocation\"%s%s],"
        "\"Resource\":[\"" ARN "%s\"]},{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":"
        "[\"*\"]},\"Action\":[%s%s%s],\"Resource\":[\"" ARN "%s/*\"]}]}",
        read ? ",\"s3:ListBucket\"" : "", write ? ",\"s3:ListBucketMultipartUploads\"" : "", bucket,
        write ? "\"s3:AbortMultipartUpload\",\"s3:DeleteObject\","
                "\"s3:ListMultipartUploadParts\",\"s3:PutObject\""
              : "",
        read && write ? "," : "", read ? "\"s3:GetObject\"" : "", bucket);

    if (!rc)
        out = arena_cstr(arena, buf_slice(&text));
    buf_deinit(&text);
    return out;
}

static const char *no_fact(void *arg, const char *key)
{
    (void)arg;
    (void)key;
    return NULL;
}

const char *s3_policy_word(struct slice json, const char *bucket)
{
    static const char *const words[] = {"custom", "read", "write", "readwrite"};
    struct arena arena = {0};
    struct s3_ask ask = {.value = no_fact};
    struct s3_policy *policy;
    int word = 0;

    if (!json.len)
        return "none";
    ask.resource = arena_printf(&arena, ARN "%s/any", bucket);
    if (ask.resource && s3_policy_parse(&arena, json, bucket, &policy, NULL) == 0) {
        ask.action = "s3:GetObject";
        word |= s3_policy_ask(policy, &ask) == S3_ALLOWS ? S3_PUBLIC_READ : 0;
        ask.action = "s3:PutObject";
        word |= s3_policy_ask(policy, &ask) == S3_ALLOWS ? S3_PUBLIC_WRITE : 0;
    }
    arena_deinit(&arena);
    return words[word];
}
