/* s3_lifecycle.c - a bucket's lifecycle configuration: read, kept, told. See s3_lifecycle.h. */
#include "s3/s3_lifecycle.h"

#include <stdio.h>
#include <strings.h>

#define DAY_US ((int64_t)24 * 3600 * 1000000)

int64_t s3_expires_at(int64_t since_us, int64_t days)
{
    return (since_us + days * DAY_US + DAY_US - 1) / DAY_US * DAY_US;
}

/* --- reading ---------------------------------------------------------------------------------- */

static int positive(const char *text, int64_t least, int64_t *out, const char *what,
                    struct err *err)
{
    if (slice_to_i64(slice_str(text), out) || *out < least || *out > 1000000)
        return err_set(err, ERR_INVALID, "'%s' must be a number from %d", what, (int)least);
    return 0;
}

/* "2030-01-01T00:00:00Z" or "2030-01-01T00:00:00.000Z", midnight. */
static int date(const char *text, struct s3_rule *rule, struct err *err)
{
    int year, month, day, end = 0;
    char basic[17];

    if (sscanf(text, "%4d-%2d-%2dT00:00:00%n", &year, &month, &day, &end) != 3 || !end ||
        (strcmp(text + end, "Z") && strcmp(text + end, ".000Z") && strcmp(text + end, "+00:00")))
        return err_set(err, ERR_INVALID, "'Date' must be at midnight GMT");
    snprintf(basic, sizeof(basic), "%04u%02u%02uT000000Z", (unsigned)year % 10000,
             (unsigned)month % 100, (unsigned)day % 100);
    return sigv4_time(basic, &rule->date_us)
               ? err_set(err, ERR_INVALID, "'Date' must be at midnight GMT")
               : 0;
}

static int add_tag(struct s3_rule *rule, const char *key, const char *value, struct err *err)
{
    if (rule->tag_count == S3_RULE_TAGS)
        return err_set(err, ERR_INVALID, "more than %d tags in a filter", S3_RULE_TAGS);
    rule->tags[rule->tag_count].key = key ? key : "";
    rule->tags[rule->tag_count++].value = value ? value : "";
    return 0;
}

struct reading {
    struct s3_rule *rule;
    const char *tag_key, *tag_value;
    bool has_status;
};

/* One element of a rule, its path behind ".../Rule". */
static int take(struct reading *r, const char *path, const char *text, struct err *err)
{
    struct s3_rule *rule = r->rule;

    if (strncmp(path, "/Filter/And/", 12) == 0)
        path += 11;
    else if (strncmp(path, "/Filter/", 8) == 0)
        path += 7;
    else if (strcmp(path, "/Prefix") == 0)
        rule->legacy = true;
    if (strcmp(path, "/ID") == 0)
        rule->id = text;
    else if (strcmp(path, "/Prefix") == 0)
        rule->prefix = text;
    else if (strcmp(path, "/Tag/Key") == 0)
        r->tag_key = text;
    else if (strcmp(path, "/Tag/Value") == 0)
        r->tag_value = text;
    else if (strcmp(path, "/Tag") == 0)
        return add_tag(rule, r->tag_key, r->tag_value, err);
    else if (strcmp(path, "/ObjectSizeGreaterThan") == 0)
        return slice_to_i64(slice_str(text), &rule->larger_than);
    else if (strcmp(path, "/ObjectSizeLessThan") == 0)
        return slice_to_i64(slice_str(text), &rule->smaller_than);
    else if (strcmp(path, "/Expiration/Days") == 0)
        return positive(text, 1, &rule->days, "Days", err);
    else if (strcmp(path, "/Expiration/Date") == 0)
        return date(text, rule, err);
    else if (strcmp(path, "/Expiration/ExpiredObjectDeleteMarker") == 0)
        rule->markers = strcmp(text, "true") == 0;
    else if (strcmp(path, "/NoncurrentVersionExpiration/NoncurrentDays") == 0)
        return positive(text, 1, &rule->noncurrent_days, "NoncurrentDays", err);
    else if (strcmp(path, "/NoncurrentVersionExpiration/NewerNoncurrentVersions") == 0)
        return positive(text, 1, &rule->newer_kept, "NewerNoncurrentVersions", err);
    else if (strcmp(path, "/AbortIncompleteMultipartUpload/DaysAfterInitiation") == 0)
        return positive(text, 1, &rule->abort_days, "DaysAfterInitiation", err);
    else if (strstr(path, "Transition"))
        return err_set(err, ERR_UNSUPPORTED,
                       "Transitions are not implemented: there is one storage class.");
    else if (strcmp(path, "/Status") == 0) {
        r->has_status = strcmp(text, "Enabled") == 0 || strcmp(text, "Disabled") == 0;
        rule->enabled = strcmp(text, "Enabled") == 0;
    }
    return 0;
}

static int check_rule(const struct reading *r, const struct s3_rules *rules, struct err *err)
{
    const struct s3_rule *rule = r->rule;
    bool acts = rule->days >= 0 || rule->date_us >= 0 || rule->markers ||
                rule->noncurrent_days >= 0 || rule->abort_days >= 0;

    if (!r->has_status || !acts)
        return err_set(err, ERR_CORRUPT, "a rule needs a status and an action");
    if (rule->days >= 0 && rule->date_us >= 0)
        return err_set(err, ERR_CORRUPT, "a rule expires by days or by date");
    if (rule->newer_kept > 0 && rule->noncurrent_days < 0)
        return err_set(err, ERR_CORRUPT, "NewerNoncurrentVersions needs NoncurrentDays");
    if (rule->id && strlen(rule->id) > 255)
        return err_set(err, ERR_INVALID, "ID length should not exceed allowed limit of 255");
    for (size_t i = 0; rule->id && i < rules->count; i++)
        if (rules->list[i].id && strcmp(rules->list[i].id, rule->id) == 0)
            return err_set(err, ERR_INVALID,
                           "Rule ID must be unique. Found same ID for more than "
                           "one rule");
    return 0;
}

static struct s3_rule empty_rule(void)
{
    return (struct s3_rule){.prefix = "",
                            .larger_than = -1,
                            .smaller_than = -1,
                            .days = -1,
                            .date_us = -1,
                            .noncurrent_days = -1,
                            .abort_days = -1};
}

int s3_rules_parse(struct arena *arena, struct slice text, struct s3_rules *out, struct err *err)
{
    static const char head[] = "LifecycleConfiguration/Rule";
    struct s3_rule rule = empty_rule();
    struct reading reading = {.rule = &rule};
    const char *path, *value;
    size_t cap = 0;
    struct xml xml;
    int rc = 0;

    *out = (struct s3_rules){0};
    xml_init(&xml, arena, text);
    while (xml_next(&xml, &path, &value, &rc, err)) {
        if (strncmp(path, head, sizeof(head) - 1))
            continue;
        path += sizeof(head) - 1;
        if (*path) {
            rc = take(&reading, path, value, err);
            if (rc)
                break;
            continue;
        }
        rc = check_rule(&reading, out, err);
        if (!rc && out->count == S3_RULES_MAX)
            rc = err_set(err, ERR_CORRUPT, "more than %d rules", S3_RULES_MAX);
        if (!rc && out->count == cap) {
            struct s3_rule *list = ARENA_ARRAY(arena, struct s3_rule, cap ? cap * 2 : 8);

            if (list && cap)
                memcpy(list, out->list, cap * sizeof(*list));
            rc = list ? 0 : ERR_NOMEM;
            out->list = list;
            cap = cap ? cap * 2 : 8;
        }
        if (rc)
            break;
        out->list[out->count++] = rule;
        rule = empty_rule();
        reading = (struct reading){.rule = &rule};
    }
    xml_deinit(&xml);
    return rc || out->count ? rc : err_set(err, ERR_CORRUPT, "no rules");
}

/* --- writing ---------------------------------------------------------------------------------- */

static void put_number(struct buf *xml, const char *name, int64_t value)
{
    if (value >= 0)
        buf_printf(xml, "<%s>%" PRId64 "</%s>", name, value, name);
}

static void put_filter(struct buf *xml, const struct s3_rule *rule)
{
    size_t count = rule->tag_count + (rule->prefix[0] != '\0') + (rule->larger_than >= 0) +
                   (rule->smaller_than >= 0);

    buf_append_str(xml, count > 1 ? "<Filter><And>" : "<Filter>");
    if (rule->prefix[0] || !count)
        xml_element(xml, "Prefix", rule->prefix);
    for (size_t i = 0; i < rule->tag_count; i++) {
        buf_append_str(xml, "<Tag>");
        xml_element(xml, "Key", rule->tags[i].key);
        xml_element(xml, "Value", rule->tags[i].value);
        buf_append_str(xml, "</Tag>");
    }
    put_number(xml, "ObjectSizeGreaterThan", rule->larger_than);
    put_number(xml, "ObjectSizeLessThan", rule->smaller_than);
    buf_append_str(xml, count > 1 ? "</And></Filter>" : "</Filter>");
}

static void put_rule(struct buf *xml, const struct s3_rule *rule, size_t number)
{
    char text[40];

    snprintf(text, sizeof(text), "rule-%zu", number + 1);
    buf_append_str(xml, "<Rule>");
    xml_element(xml, "ID", rule->id && rule->id[0] ? rule->id : text);
    if (rule->legacy)
        xml_element(xml, "Prefix", rule->prefix);
    else
        put_filter(xml, rule);
    xml_element(xml, "Status", rule->enabled ? "Enabled" : "Disabled");
    if (rule->days >= 0 || rule->date_us >= 0 || rule->markers) {
        buf_append_str(xml, "<Expiration>");
        put_number(xml, "Days", rule->days);
        if (rule->date_us >= 0) {
            s3_iso_date(rule->date_us, text);
            xml_element(xml, "Date", text);
        }
        if (rule->markers)
            xml_element(xml, "ExpiredObjectDeleteMarker", "true");
        buf_append_str(xml, "</Expiration>");
    }
    if (rule->noncurrent_days >= 0) {
        buf_append_str(xml, "<NoncurrentVersionExpiration>");
        put_number(xml, "NoncurrentDays", rule->noncurrent_days);
        put_number(xml, "NewerNoncurrentVersions", rule->newer_kept ? rule->newer_kept : -1);
        buf_append_str(xml, "</NoncurrentVersionExpiration>");
    }
    if (rule->abort_days >= 0) {
        buf_append_str(xml, "<AbortIncompleteMultipartUpload>");
        put_number(xml, "DaysAfterInitiation", rule->abort_days);
        buf_append_str(xml, "</AbortIncompleteMultipartUpload>");
    }
    buf_append_str(xml, "</Rule>");
}

/* --- operations ------------------------------------------------------------------------------- */

static void get_lifecycle(struct s3_call *call)
{
    const char *text = s3_setting_asked(call, S3_SETTING_LIFECYCLE);
    struct buf xml = {0};

    if (!text)
        return;
    buf_append_str(&xml, text);
    s3_reply_xml(call, &xml);
}

int s3_lifecycle_check(struct arena *arena, struct slice text, const char **kept, struct err *err)
{
    struct s3_rules rules;
    struct buf xml = {0};
    int rc = s3_rules_parse(arena, text, &rules, err);

    if (rc)
        return rc;
    buf_append_str(&xml, "<LifecycleConfiguration" S3_XMLNS ">");
    for (size_t i = 0; i < rules.count; i++)
        put_rule(&xml, &rules.list[i], i);
    rc = buf_append_str(&xml, "</LifecycleConfiguration>");
    *kept = rc ? NULL : arena_cstr(arena, buf_slice(&xml));
    buf_deinit(&xml);
    return *kept ? 0 : err_set(err, ERR_NOMEM, "lifecycle");
}

const char *s3_lifecycle_days(struct arena *arena, int64_t days)
{
    const char *text = arena_printf(arena,
                                    "<LifecycleConfiguration><Rule><ID>expire</ID><Filter/>"
                                    "<Status>Enabled</Status><Expiration><Days>%" PRId64
                                    "</Days></Expiration></Rule></LifecycleConfiguration>",
                                    days);
    const char *kept = NULL;

    return text && s3_lifecycle_check(arena, slice_str(text), &kept, NULL) == 0 ? kept : NULL;
}

static void put_lifecycle(struct s3_call *call)
{
    struct err err = {0};
    const char *kept;
    int rc = s3_lifecycle_check(call->arena, buf_slice(&call->body.text), &kept, &err);

    if (rc == ERR_INVALID || rc == ERR_RANGE)
        s3_error(call, S3_INVALID_ARGUMENT, "%s", err.text);
    else if (rc == ERR_UNSUPPORTED)
        s3_error(call, S3_NOT_IMPLEMENTED, "%s", err.text);
    else if (rc)
        s3_error(call, rc == ERR_NOMEM ? S3_INTERNAL_ERROR : S3_MALFORMED_XML, NULL);
    else
        s3_setting_change(call, S3_SETTING_LIFECYCLE, kept, 200);
}

static void delete_lifecycle(struct s3_call *call)
{
    s3_setting_change(call, S3_SETTING_LIFECYCLE, NULL, 204);
}

const struct s3_op s3_lifecycle_ops[] = {
    {"GetBucketLifecycleConfiguration", "GET", S3_BUCKET, "lifecycle", .run = get_lifecycle,
     .absent = "NoSuchLifecycleConfiguration", .action = "s3:GetLifecycleConfiguration"},
    {"PutBucketLifecycleConfiguration", "PUT", S3_BUCKET, "lifecycle", .sink = S3_TO_TEXT,
     .run = put_lifecycle, .action = "s3:PutLifecycleConfiguration"},
    {"DeleteBucketLifecycle", "DELETE", S3_BUCKET, "lifecycle", .run = delete_lifecycle,
     .action = "s3:PutLifecycleConfiguration"},
    {0},
};
