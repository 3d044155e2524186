/* s3_form.c - PostObject: an upload by an HTML form, as browsers send it without a line of script.
 *
 * The fields come before the file. With its first byte everything is known that a put knows from
 * its headers: who signed (in a field, not in a header), what the policy of the form allows, under
 * which key. From there on the file's bytes are a body like any other; what follows them is passed
 * over.
 */
#include <stdio.h>
#include <strings.h>

#include "net/auth.h"
#include "net/url.h"
#include "s3/s3_form.h"

#define SIGNED_FOR_US INT64_C(3600000000) /* a form is good for an hour from its date */

const char *s3_form_field(const struct s3_form *form, const char *name)
{
    for (size_t i = 0; i < form->field_count; i++)
        if (strcasecmp(form->fields[i].name, name) == 0)
            return form->fields[i].value;
    return NULL;
}

/* What a put says in headers and a form in fields. Everything else is the request's own. */
static bool is_of_form(const char *name)
{
    static const char *const prefixes[] = {"x-amz-", "content-", "cache-control", "expires"};

    for (size_t i = 0; i < COUNT_OF(prefixes); i++)
        if (strncasecmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

const char *s3_header(struct s3_call *call, const char *name)
{
    return call->form && is_of_form(name) ? s3_form_field(call->form, name)
                                          : http_header(call->req, name);
}

bool s3_header_at(struct s3_call *call, size_t index, const char **name, const char **value)
{
    if (!call->form)
        return http_header_at(call->req, index, name, value);
    if (index >= call->form->field_count)
        return false;
    *name = call->form->fields[index].name;
    *value = call->form->fields[index].value;
    return true;
}

/* --- who signed it ------------------------------------------------------------------------------
 */

static int missing(struct s3_call *call, const char *field)
{
    s3_argument(call, field, "",
                arena_printf(call->arena,
                             "Bucket POST must contain a field named '%s'.  If it is specified, "
                             "please check the order of the fields.",
                             field));
    return ERR_INVALID;
}

static int bad_credential(struct s3_call *call, const char *credential, const char *text)
{
    s3_argument(call, "x-amz-credential", credential, text);
    return ERR_INVALID;
}

/* KEY/20300101/us-east-1/s3/aws4_request. A key may hold slashes, the rest may not. */
static int read_credential(struct s3_call *call, const char *credential)
{
    char *copy = arena_strdup(call->arena, credential);
    const char *scope[4]; /* from behind: terminal, service, region, day */

    if (!copy) {
        s3_error(call, S3_INTERNAL_ERROR, NULL);
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < COUNT_OF(scope); i++) {
        char *slash = strrchr(copy, '/');

        if (!slash || slash == copy)
            return bad_credential(call, credential,
                                  "the Credential is mal-formed; expecting "
                                  "\"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".");
        scope[i] = slash + 1;
        *slash = '\0';
    }
    if (strcmp(scope[0], "aws4_request"))
        return bad_credential(call, credential,
                              arena_printf(call->arena,
                                           "incorrect terminal \"%s\". This endpoint uses "
                                           "\"aws4_request\".",
                                           scope[0]));
    if (strcmp(scope[1], "s3"))
        return bad_credential(call, credential,
                              arena_printf(call->arena,
                                           "incorrect service \"%s\". This endpoint belongs to "
                                           "\"s3\".",
                                           scope[1]));
    if (strlen(scope[3]) != 8 || strspn(scope[3], "0123456789") != 8)
        return bad_credential(call, credential,
                              arena_printf(call->arena,
                                           "incorrect date format \"%s\". This date in the "
                                           "credential must be in the format \"yyyyMMdd\".",
                                           scope[3]));
    call->auth = (struct sigv4_auth){.access_key = copy,
                                     .day = scope[3],
                                     .region = scope[2],
                                     .service = scope[1],
                                     .payload = SIGV4_UNSIGNED,
                                     .expires_s = -1};
    return 0;
}

static int check_date(struct s3_call *call, const char *date)
{
    if (sigv4_time(date, &call->auth.time_us)) {
        s3_argument(call, "X-Amz-Date", date,
                    "X-Amz-Date must be formated via ISO8601 Long format");
        return ERR_INVALID;
    }
    if (clock_wall_us(call->server->clock) - call->auth.time_us <= SIGNED_FOR_US)
        return 0;
    s3_error(call, S3_ACCESS_DENIED, "Invalid according to Policy: Policy expired.");
    return ERR_DENIED;
}

/* The string that is signed is the policy, as it came. */
static int check_signature(struct s3_call *call, const char *policy, const char *signature)
{
    uint8_t key[32], mac[32];
    char wanted[65];

    sigv4_key(call->secret, call->auth.day, call->auth.region, call->auth.service, key);
    hmac_sha256(key, sizeof(key), policy, strlen(policy), mac);
    hex_encode(mac, sizeof(mac), wanted);
    if (auth_equal(slice_str(wanted), slice_str(signature)))
        return 0;
    call->secret = NULL;
    s3_error_detail(call, "AWSAccessKeyId", call->auth.access_key);
    s3_error_detail(call, "StringToSign", policy);
    s3_error_detail(call, "SignatureProvided", signature);
    s3_error(call, S3_SIGNATURE_MISMATCH, NULL);
    return ERR_DENIED;
}

/* Leaves call->credential NULL when nobody signed it. Answers itself. */
static int identify(struct s3_call *call, struct s3_form *form)
{
    static const char *const names[] = {"policy", "x-amz-algorithm", "x-amz-credential",
                                        "x-amz-date", "x-amz-signature"};
    const char *values[COUNT_OF(names)];
    size_t found = 0;
    int rc;

    if (s3_form_field(form, "awsaccesskeyid")) {
        s3_error(call, S3_INVALID_REQUEST,
                 "The authorization mechanism you have provided is not supported. Please use "
                 "AWS4-HMAC-SHA256.");
        return ERR_UNSUPPORTED;
    }
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        values[i] = s3_form_field(form, names[i]);
        found += values[i] != NULL;
    }
    if (!found)
        return 0;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (!values[i])
            return missing(call, names[i]);
    if (strcmp(values[1], "AWS4-HMAC-SHA256")) {
        s3_argument(call, "X-Amz-Algorithm", values[1], "Only AWS4-HMAC-SHA256 is supported");
        return ERR_UNSUPPORTED;
    }
    rc = read_credential(call, values[2]);
    if (!rc)
        rc = check_date(call, values[3]);
    call->auth.token = s3_form_field(form, "x-amz-security-token");
    if (!rc)
        rc = s3_find_secret(call);
    if (!rc)
        rc = check_signature(call, values[0], values[4]);
    return rc ? rc : s3_form_policy(call, form, values[0]);
}

/* --- the file begins ----------------------------------------------------------------------------
 */

/* "${filename}" in the key is the name that the file had where it came from. */
static int take_key(struct s3_call *call, struct s3_form *form)
{
    static const char variable[] = "${filename}";
    const char *key = s3_form_field(form, "key"), *at = key ? strstr(key, variable) : NULL;
    const char *base = form->filename ? form->filename : "", *slash;

    if (!key || !key[0])
        return missing(call, "key");
    slash = strrchr(base, '/');
    slash = slash ? slash : strrchr(base, '\\'); /* some browsers tell the whole path */
    call->key = at ? arena_printf(call->arena, "%.*s%s%s", (int)(at - key), key,
                                  slash ? slash + 1 : base, at + sizeof(variable) - 1)
                   : key;
    if (!call->key || !s3_is_utf8(call->key)) {
        call->key = NULL;
        s3_error(call, S3_INVALID_URI, NULL);
        return ERR_INVALID;
    }
    if (strlen(call->key) > S3_KEY_MAX) {
        s3_error(call, S3_KEY_TOO_LONG, NULL);
        return ERR_LIMIT;
    }
    return 0;
}

/* A checksum of a kind that nobody knows is an error, not a field more. Answers itself. */
static int check_sums(struct s3_call *call, const struct s3_form *form)
{
    enum s3_sum kind;

    for (size_t i = 0; i < form->field_count; i++) {
        const char *name = form->fields[i].name;

        if (strncmp(name, "x-amz-checksum-", 15) || s3_sum_find(name, &kind) ||
            strcmp(name + 15, "algorithm") == 0 || strcmp(name + 15, "type") == 0)
            continue;
        s3_error(call, S3_INVALID_REQUEST,
                 "The algorithm type you specified in x-amz-checksum- header is invalid.");
        return ERR_INVALID;
    }
    return 0;
}

static int refuse_size(struct s3_call *call, enum s3_code code, int64_t size,
                       const char *limit_name, int64_t limit)
{
    s3_error_detail(call, "ProposedSize", arena_printf(call->arena, "%" PRId64, size));
    s3_error_detail(call, limit_name, arena_printf(call->arena, "%" PRId64, limit));
    s3_error(call, code, NULL);
    return ERR_LIMIT;
}

static int begin_file(struct s3_call *call, struct s3_form *form)
{
    struct store *store = call->server->store;
    int64_t told = http_content_length(call->req);
    struct err err = {0};
    int rc = take_key(call, form);

    if (!rc)
        rc = identify(call, form);
    if (!rc && !s3_may(call, "s3:PutObject", call->bucket, call->key)) {
        s3_error(call, S3_ACCESS_DENIED, NULL);
        rc = ERR_DENIED;
    }
    if (rc)
        return rc;
    rc = store->ops->bucket_check(store, call->bucket, &err);
    if (rc) {
        s3_fail(call, rc, &err);
        return rc;
    }
    rc = s3_check_headers(call);
    if (!rc)
        rc = check_sums(call, form);
    if (!rc && form->max_bytes >= 0 && told - S3_FORM_TEXT - FORM_HEADERS_MAX > form->max_bytes)
        rc = refuse_size(call, S3_ENTITY_TOO_LARGE, told, "MaxSizeAllowed", form->max_bytes);
    form->has_file = form->in_file = true;
    return rc ? rc : s3_body_begin_form(call, S3_OBJECT_MAX);
}

/* --- parts of the form --------------------------------------------------------------------------
 */

static int malformed(struct s3_call *call, const char *text)
{
    s3_error(call, S3_MALFORMED_POST, text ? "%s" : NULL, text);
    return ERR_INVALID;
}

static int on_part(void *arg, const char *name, const char *filename)
{
    struct s3_call *call = arg;
    struct s3_form *form = call->form;
    struct http_field *field = &form->fields[form->field_count];
    char *lower;

    if (form->has_file) /* ignored, as AWS does */
        return 0;
    if (strcasecmp(name, "file") == 0) {
        form->filename = filename ? arena_strdup(call->arena, filename) : NULL;
        return begin_file(call, form);
    }
    if (form->text_len == sizeof(form->text)) { /* no room for the end of one more */
        s3_error(call, S3_POST_TOO_LONG, NULL);
        return ERR_LIMIT;
    }
    lower = arena_strdup(call->arena, name);
    if (!lower || form->field_count == S3_FORM_FIELDS)
        return malformed(call, "Your POST request has too many fields.");
    for (char *c = lower; *c; c++)
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
    if (s3_form_field(form, lower)) {
        s3_argument(call, lower, NULL, "POST requires exactly one value for each field.");
        return ERR_INVALID;
    }
    field->name = lower;
    form->text_begin = form->text_len;
    return 0;
}

static int on_data(void *arg, struct slice bytes)
{
    struct s3_call *call = arg;
    struct s3_form *form = call->form;

    if (form->in_file)
        return s3_body_piece(call, bytes);
    if (form->has_file)
        return 0;
    if (bytes.len >= sizeof(form->text) - form->text_len) {
        s3_error(call, S3_POST_TOO_LONG, NULL);
        return ERR_LIMIT;
    }
    memcpy(form->text + form->text_len, bytes.ptr, bytes.len);
    form->text_len += bytes.len;
    return 0;
}

static int on_end(void *arg)
{
    struct s3_call *call = arg;
    struct s3_form *form = call->form;

    if (form->in_file) {
        form->in_file = false;
    } else if (!form->has_file) {
        if (memchr(form->text + form->text_begin, 0, form->text_len - form->text_begin))
            return malformed(call, NULL);
        form->text[form->text_len] = '\0'; /* there is room: on_data leaves a byte a field */
        form->fields[form->field_count++].value = form->text + form->text_begin;
        form->text_len++;
    }
    return 0;
}

static const struct form_events events = {on_part, on_data, on_end};

/* --- the request --------------------------------------------------------------------------------
 */

static int begin(struct s3_call *call)
{
    struct s3_form *form;
    int rc;

    if (call->secret) { /* a form is signed in its fields: nothing else posts to a bucket */
        s3_error(call, S3_METHOD_NOT_ALLOWED, NULL);
        return ERR_UNSUPPORTED;
    }
    form = arena_alloc(call->arena, sizeof(*form));
    if (!form) {
        s3_error(call, S3_INTERNAL_ERROR, NULL);
        return ERR_NOMEM;
    }
    form->field_count = form->text_len = form->text_begin = 0;
    form->filename = NULL;
    form->in_file = form->has_file = false;
    form->min_bytes = form->max_bytes = -1;
    rc = form_init(&form->form, http_header(call->req, "content-type"), &events, call);
    if (rc == ERR_UNSUPPORTED) {
        s3_error_detail(call, "Condition",
                        "Bucket POST must be of the enclosure-type multipart/form-data");
        s3_error(call, S3_PRECONDITION_FAILED, NULL);
    } else if (rc) {
        malformed(call, NULL);
    } else if (http_content_length(call->req) < 0) {
        s3_error(call, S3_MISSING_LENGTH, NULL);
        rc = ERR_INVALID;
    }
    call->form = rc ? NULL : form;
    return rc;
}

static int piece(struct s3_call *call, struct slice bytes)
{
    int rc = form_feed(&call->form->form, bytes);

    return rc == ERR_CORRUPT && !http_is_set(call->reply) ? malformed(call, NULL) : rc;
}

/* http://HOST/BUCKET/KEY, as the browser would ask for it. */
static const char *location(struct s3_call *call)
{
    struct buf text = {0};
    const char *host = http_header(call->req, "host"), *path = http_path(call->req), *out;

    buf_printf(&text, "http://%s%s%s", host ? host : "", path,
               path[strlen(path) - 1] == '/' ? "" : "/");
    url_encode(&text, slice_str(call->key), true);
    out = arena_cstr(call->arena, buf_slice(&text));
    buf_deinit(&text);
    return out ? out : "";
}

/* Where the browser goes next. False: the form does not say. */
static bool redirect(struct s3_call *call, const struct store_info *info)
{
    const char *to = s3_form_field(call->form, "success_action_redirect");
    struct buf text = {0};

    to = to ? to : s3_form_field(call->form, "redirect");
    if (!to || (strncasecmp(to, "http://", 7) && strncasecmp(to, "https://", 8)) ||
        strpbrk(to, "\r\n"))
        return false; /* as AWS: what is no address is passed over */
    buf_printf(&text, "%s%cbucket=", to, strchr(to, '?') ? '&' : '?');
    url_encode(&text, slice_str(call->bucket), false);
    buf_append_str(&text, "&key=");
    url_encode(&text, slice_str(call->key), false);
    buf_printf(&text, "&etag=%%22%s%%22", info->etag);
    http_status(call->reply, 303);
    http_set_header(call->reply, "Location", buf_cstr(&text) ? (const char *)text.ptr : to);
    buf_deinit(&text);
    return true;
}

static void reply_created(struct s3_call *call, const char *where, const char *etag)
{
    struct buf xml = {0};

    buf_append_str(&xml, "<PostResponse" S3_XMLNS ">");
    xml_element(&xml, "Location", where);
    xml_element(&xml, "Bucket", call->bucket);
    xml_element(&xml, "Key", call->key);
    xml_element(&xml, "ETag", etag);
    buf_append_str(&xml, "</PostResponse>");
    s3_reply_xml(call, &xml);
    http_status(call->reply, 201);
}

static void reply(struct s3_call *call, const struct store_info *info)
{
    const char *status = s3_form_field(call->form, "success_action_status"), *where;

    s3_put_answer(call, info);
    if (redirect(call, info))
        return;
    where = location(call);
    if (status && strcmp(status, "201") == 0)
        reply_created(call, where, arena_printf(call->arena, "\"%s\"", info->etag));
    else
        http_status(call->reply, status && strcmp(status, "200") == 0 ? 200 : 204);
    http_set_header(call->reply, "Location", where);
}

static void post_object(struct s3_call *call)
{
    const struct s3_form *form = call->form;
    int64_t size = call->body.size;
    struct store_put_options options;
    struct store_info info;

    if (!form->has_file) {
        s3_argument(call, "file", "0", "POST requires exactly one file upload per request.");
        return;
    }
    if (form->in_file) {
        s3_error(call, S3_INCOMPLETE_BODY, NULL);
        return;
    }
    if (form->max_bytes >= 0 && size > form->max_bytes) {
        refuse_size(call, S3_ENTITY_TOO_LARGE, size, "MaxSizeAllowed", form->max_bytes);
        return;
    }
    if (size < form->min_bytes) {
        refuse_size(call, S3_ENTITY_TOO_SMALL, size, "MinSizeAllowed", form->min_bytes);
        return;
    }
    if (s3_put_options(call, &options))
        return;
    options.etag = call->body.md5_hex;
    if (s3_put_staged(call, &options, &info) == 0)
        reply(call, &info);
}

/* Behind all others: whatever is posted to a bucket and has no name in the query. */
const struct s3_op s3_form_ops[] = {
    {"PostObject", "POST", S3_BUCKET, .run = post_object, .asks_itself = true, .begin = begin,
     .piece = piece},
    {0},
};
