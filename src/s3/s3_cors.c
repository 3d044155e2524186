/* s3_cors.c - cross-origin rules of a bucket: kept, told, and applied to browsers' requests.
 *
 * "Using cross-origin resource sharing (CORS)". The first rule that fits origin, method and headers
 * counts. The configuration is kept as XML of ours, written from what was read.
 */
#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "s3/s3_int.h"

#define RULES_MAX 100
#define TEXTS_MAX 100 /* of one kind in a rule */

struct texts {
    const char *list[TEXTS_MAX];
    size_t count;
};

struct rule {
    const char *id, *max_age; /* NULL: not told */
    struct texts headers, methods, origins, exposed;
};

struct rules {
    struct rule *list; /* in the arena */
    size_t count;
};

/* --- the configuration ------------------------------------------------------------------------ */

static const struct {
    const char *name;
    size_t at; /* of a struct texts */
} members[] = {
    {"AllowedHeader", offsetof(struct rule, headers)},
    {"AllowedMethod", offsetof(struct rule, methods)},
    {"AllowedOrigin", offsetof(struct rule, origins)},
    {"ExposeHeader", offsetof(struct rule, exposed)},
};

static struct texts *texts_at(const struct rule *rule, size_t i)
{
    return (struct texts *)((uint8_t *)rule + members[i].at);
}

static bool is_token(const char *text)
{
    for (; *text; text++)
        if (!isalnum((unsigned char)*text) && !strchr("!#$%&'*+-.^_`|~", *text))
            return false;
    return true;
}

static int check_rule(const struct rule *rule, struct err *err)
{
    static const char *const methods[] = {"GET", "PUT", "HEAD", "POST", "DELETE"};

    if (!rule->methods.count || !rule->origins.count)
        return err_set(err, ERR_CORRUPT, "a rule needs methods and origins");
    for (size_t i = 0; i < rule->methods.count; i++) {
        bool known = false;

        for (size_t m = 0; m < COUNT_OF(methods); m++)
            known |= strcmp(rule->methods.list[i], methods[m]) == 0;
        if (!known)
            return err_set(err, ERR_INVALID,
                           "Found unsupported HTTP method in CORS config. Unsupported method is "
                           "%.100s",
                           rule->methods.list[i]);
    }
    for (size_t i = 0; i < rule->origins.count; i++)
        if (strchr(rule->origins.list[i], '*') != strrchr(rule->origins.list[i], '*'))
            return err_set(err, ERR_INVALID,
                           "AllowedOrigin \"%.100s\" can not have more than one wildcard.",
                           rule->origins.list[i]);
    for (size_t i = 0; i < rule->headers.count; i++) {
        if (strchr(rule->headers.list[i], '*') != strrchr(rule->headers.list[i], '*'))
            return err_set(err, ERR_INVALID,
                           "AllowedHeader \"%.100s\" can not have more than one wildcard.",
                           rule->headers.list[i]);
        if (!is_token(rule->headers.list[i]))
            return err_set(err, ERR_INVALID, "AllowedHeader \"%.100s\" contains invalid character.",
                           rule->headers.list[i]);
    }
    for (size_t i = 0; i < rule->exposed.count; i++)
        if (strchr(rule->exposed.list[i], '*') || !is_token(rule->exposed.list[i]))
            return err_set(err, ERR_INVALID, "ExposeHeader \"%.100s\" contains %s.",
                           rule->exposed.list[i],
                           strchr(rule->exposed.list[i], '*')
                               ? "wildcard. We currently do not support wildcard for ExposeHeader"
                               : "invalid character");
    return 0;
}

/* ERR_CORRUPT: not such XML; ERR_INVALID: a rule that makes no sense, in AWS's words. */
static int parse(struct arena *arena, struct slice text, struct rules *out, struct err *err)
{
    static const char head[] = "CORSConfiguration/CORSRule";
    const char *path, *value;
    struct rule *rule;
    struct xml xml;
    int rc = 0;

    out->count = 0;
    out->list = ARENA_ARRAY(arena, struct rule, 1);
    xml_init(&xml, arena, text);
    while (out->list && xml_next(&xml, &path, &value, &rc, err)) {
        rule = &out->list[out->count];
        if (strncmp(path, head, sizeof(head) - 1))
            continue;
        path += sizeof(head) - 1;
        if (!*path) {
            struct rule *list = ARENA_ARRAY(arena, struct rule, out->count + 2);

            rc = !list                      ? ERR_NOMEM
                 : ++out->count > RULES_MAX ? err_set(err, ERR_CORRUPT, "too many rules")
                                            : check_rule(rule, err);
            if (list)
                memcpy(list, out->list, out->count * sizeof(*list));
            out->list = list;
        }
        if (rc)
            break;
        if (strcmp(path, "/ID") == 0)
            rule->id = value;
        if (strcmp(path, "/MaxAgeSeconds") == 0)
            rule->max_age = value;
        for (size_t i = 0; i < COUNT_OF(members) && *path; i++)
            if (strcmp(path + 1, members[i].name) == 0 && texts_at(rule, i)->count < TEXTS_MAX)
                texts_at(rule, i)->list[texts_at(rule, i)->count++] = value;
    }
    xml_deinit(&xml);
    if (!out->list)
        return err_set(err, ERR_NOMEM, "cors");
    return rc || out->count ? rc : err_set(err, ERR_CORRUPT, "no rules");
}

static void print(const struct rules *rules, struct buf *xml)
{
    buf_append_str(xml, "<CORSConfiguration" S3_XMLNS ">");
    for (size_t r = 0; r < rules->count; r++) {
        const struct rule *rule = &rules->list[r];

        buf_append_str(xml, "<CORSRule>");
        if (rule->id)
            xml_element(xml, "ID", rule->id);
        for (size_t i = 0; i < COUNT_OF(members); i++)
            for (size_t t = 0; t < texts_at(rule, i)->count; t++)
                xml_element(xml, members[i].name, texts_at(rule, i)->list[t]);
        if (rule->max_age)
            xml_element(xml, "MaxAgeSeconds", rule->max_age);
        buf_append_str(xml, "</CORSRule>");
    }
    buf_append_str(xml, "</CORSConfiguration>");
}

static void get_cors(struct s3_call *call)
{
    const char *text = s3_setting_asked(call, S3_SETTING_CORS);
    struct buf xml = {0};

    if (!text)
        return;
    buf_append_str(&xml, text);
    s3_reply_xml(call, &xml);
}

static void put_cors(struct s3_call *call)
{
    struct rules rules;
    struct buf xml = {0};
    struct err err = {0};
    int rc = parse(call->arena, buf_slice(&call->body.text), &rules, &err);

    if (rc == ERR_INVALID)
        s3_error(call, S3_INVALID_REQUEST, "%s", err.text);
    else if (rc == ERR_CORRUPT || rc == ERR_LIMIT)
        s3_error(call, S3_MALFORMED_XML, NULL);
    else if (rc)
        s3_fail(call, rc, &err);
    if (rc)
        return;
    print(&rules, &xml);
    s3_setting_change(call, S3_SETTING_CORS, buf_cstr(&xml), 200);
    buf_deinit(&xml);
}

static void delete_cors(struct s3_call *call)
{
    s3_setting_change(call, S3_SETTING_CORS, NULL, 204);
}

/* --- requests of browsers --------------------------------------------------------------------- */

static bool any_text(const struct texts *texts, const char *text, bool folded)
{
    for (size_t i = 0; i < texts->count; i++) {
        char a[256], b[256];

        if (!folded && s3_glob(texts->list[i], text))
            return true;
        if (!folded || strlen(text) >= sizeof(b) || strlen(texts->list[i]) >= sizeof(a))
            continue;
        for (size_t c = 0; c <= strlen(texts->list[i]); c++)
            a[c] = (char)tolower((unsigned char)texts->list[i][c]);
        for (size_t c = 0; c <= strlen(text); c++)
            b[c] = (char)tolower((unsigned char)text[c]);
        if (s3_glob(a, b))
            return true;
    }
    return false;
}

/* Every name in "a, b, c" must be allowed. */
static bool headers_allowed(struct arena *arena, const struct rule *rule, const char *names)
{
    while (names && *names) {
        const char *name;
        size_t len;

        names += strspn(names, " ,\t");
        len = strcspn(names, ", \t");
        name = arena_cstr(arena, slice_of(names, len));
        if (!name || (len && !any_text(&rule->headers, name, true)))
            return false;
        names += len;
    }
    return true;
}

static const struct rule *find_rule(struct s3_call *call, const char *origin, const char *method,
                                    const char *headers, struct rules *rules)
{
    const char *text = s3_setting(call, call->bucket, S3_SETTING_CORS);

    rules->count = 0;
    if (!text || parse(call->arena, slice_str(text), rules, NULL))
        return NULL;
    for (size_t i = 0; i < rules->count; i++) {
        const struct rule *rule = &rules->list[i];

        if (any_text(&rule->origins, origin, false) && any_text(&rule->methods, method, false) &&
            headers_allowed(call->arena, rule, headers))
            return rule;
    }
    return NULL;
}

static void put_list(struct s3_call *call, const char *name, const struct texts *texts)
{
    struct buf text = {0};

    for (size_t i = 0; i < texts->count; i++)
        buf_printf(&text, "%s%s", i ? ", " : "", texts->list[i]);
    if (text.len && buf_cstr(&text))
        http_set_header(call->reply, name, (const char *)text.ptr);
    buf_deinit(&text);
}

static void put_rule(struct s3_call *call, const struct rule *rule, const char *origin)
{
    bool everybody = false;

    for (size_t i = 0; i < rule->origins.count; i++)
        everybody |= strcmp(rule->origins.list[i], "*") == 0;
    http_set_header(call->reply, "Access-Control-Allow-Origin", everybody ? "*" : origin);
    if (!everybody)
        http_set_header(call->reply, "Access-Control-Allow-Credentials", "true");
    put_list(call, "Access-Control-Allow-Methods", &rule->methods);
    put_list(call, "Access-Control-Expose-Headers", &rule->exposed);
    if (rule->max_age)
        http_set_header(call->reply, "Access-Control-Max-Age", rule->max_age);
    http_set_header(call->reply, "Vary",
                    "Origin, Access-Control-Request-Headers, Access-Control-Request-Method");
}

void s3_cors_headers(struct s3_call *call)
{
    const char *origin = s3_header(call, "origin");
    const struct rule *rule;
    struct rules rules;

    if (!origin || !call->bucket)
        return;
    rule = find_rule(call, origin, http_method(call->req), NULL, &rules);
    if (rule)
        put_rule(call, rule, origin);
}

static const char *lower(struct s3_call *call, const char *text)
{
    char *copy = arena_strdup(call->arena, text);

    for (char *c = copy; c && *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return copy ? copy : text;
}

/* Names of headers, by comma. */
static bool are_tokens(const char *names)
{
    for (; names && *names; names++)
        if (!isalnum((unsigned char)*names) && !strchr("!#$%&'*+-.^_`|~, \t", *names))
            return false;
    return true;
}

/* OPTIONS: a browser asks before it sends something else. Nobody signs such a question. */
void s3_preflight(struct s3_call *call)
{
    const char *origin = s3_header(call, "origin");
    const char *method = s3_header(call, "access-control-request-method");
    const char *headers = s3_header(call, "access-control-request-headers");
    struct store *store = call->server->store;
    const struct rule *rule;
    struct rules rules;
    struct err err = {0};
    int rc;

    if (!origin || !origin[0]) {
        s3_error(call, S3_BAD_REQUEST, "Insufficient information. Origin request header needed.");
        return;
    }
    if (!method || !strstr(" GET PUT HEAD POST DELETE ", method) || strlen(method) < 3) {
        s3_error(call, S3_BAD_REQUEST, "Invalid Access-Control-Request-Method: %.100s",
                 method ? method : "null");
        return;
    }
    if (!are_tokens(headers)) {
        s3_error(call, S3_BAD_REQUEST,
                 "Access-Control-Request-Headers \"%.100s\" contains invalid character.", headers);
        return;
    }
    rc = call->bucket ? store->ops->bucket_check(store, call->bucket, &err) : ERR_NOENT;
    if (rc) {
        s3_error(call, call->bucket ? S3_NO_SUCH_BUCKET : S3_METHOD_NOT_ALLOWED, NULL);
        return;
    }
    rule = find_rule(call, origin, method, headers, &rules);
    if (!rule) {
        s3_error(call, S3_ACCESS_FORBIDDEN,
                 rules.count
                     ? "CORSResponse: This CORS request is not allowed. This is usually because "
                       "the evalution of Origin, request method / Access-Control-Request-Method or "
                       "Access-Control-Request-Headers are not whitelisted by the resource's CORS "
                       "spec."
                     : "CORSResponse: CORS is not enabled for this bucket.");
        return;
    }
    http_status(call->reply, 200);
    put_rule(call, rule, origin);
    if (headers && headers[0])
        http_set_header(call->reply, "Access-Control-Allow-Headers", lower(call, headers));
}

const struct s3_op s3_cors_ops[] = {
    {"GetBucketCors", "GET", S3_BUCKET, "cors", .run = get_cors,
     .absent = "NoSuchCORSConfiguration", .action = "s3:GetBucketCORS"},
    {"PutBucketCors", "PUT", S3_BUCKET, "cors", .sink = S3_TO_TEXT, .run = put_cors,
     .action = "s3:PutBucketCORS"},
    {"DeleteBucketCors", "DELETE", S3_BUCKET, "cors", .run = delete_cors,
     .action = "s3:PutBucketCORS"},
    {0},
};
