/* s3_auth.c - who asks, and may they.
 *
 * A caller is one of: a key without a policy, who may do everything; a key with one; a session,
 * which may do what its parent may and its own policy allows; nobody, who may do what a bucket's
 * policy allows everybody. A bucket's policy can allow a caller more, and forbid anybody but a key
 * without a policy, which is how one gets back into a bucket one has locked.
 */
#include <stdio.h>
#include <strings.h>

#include "net/auth.h"
#include "s3/s3_int.h"

static int deny(struct s3_call *call, enum s3_code code, const struct err *err)
{
    s3_error(call, code, err ? "%s" : NULL, err ? err->text : NULL);
    return ERR_DENIED;
}

/* --- who -------------------------------------------------------------------------------------- */

static int gather(struct s3_call *call, struct sigv4_request *request)
{
    struct http_field *headers = ARENA_ARRAY(call->arena, struct http_field, SIGV4_HEADERS_MAX);

    *request = (struct sigv4_request){http_method(call->req), http_path(call->req),
                                      http_raw_query(call->req), headers, 0};
    while (headers && request->header_count < SIGV4_HEADERS_MAX &&
           http_header_at(call->req, request->header_count, &headers[request->header_count].name,
                          &headers[request->header_count].value))
        request->header_count++;
    if (!headers)
        return deny(call, S3_INTERNAL_ERROR, NULL);
    if (request->header_count == SIGV4_HEADERS_MAX) { /* one unseen could be one unsigned */
        s3_error(call, S3_INVALID_REQUEST, "The request has too many headers.");
        return ERR_LIMIT;
    }
    return 0;
}

static const char *lower(struct s3_call *call, const char *text)
{
    char *copy = arena_strdup(call->arena, text);

    for (char *c = copy; c && *c; c++)
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
    return copy;
}

static int refuse_parse(struct s3_call *call, int rc, const struct err *err)
{
    const char *header = s3_header(call, "authorization"), *unsigned_name;

    switch (rc) {
    case ERR_NOMEM:
        return deny(call, S3_INTERNAL_ERROR, NULL);
    case ERR_DENIED:
        unsigned_name = strstr(err->text, "not signed: ");
        if (!unsigned_name)
            return deny(call, S3_ACCESS_DENIED, err);
        s3_error_detail(call, "HeadersNotSigned",
                        lower(call, unsigned_name + strlen("not signed: ")));
        s3_error(call, S3_ACCESS_DENIED,
                 "There were headers present in the request which were not signed");
        return ERR_DENIED;
    case ERR_UNSUPPORTED: /* signature version 2 by its name; anything else is no scheme at all */
        if (!header || strncmp(header, "AWS ", 4) == 0)
            return deny(call, S3_INVALID_REQUEST, err);
        s3_argument(call, "Authorization",
                    arena_cstr(call->arena, slice_of(header, strcspn(header, " "))),
                    strchr(header, ' ') ? err->text
                                        : "Authorization header is invalid -- one and only one ' ' "
                                          "(space) required.");
        return ERR_DENIED;
    default:
        return deny(call, header ? S3_AUTH_HEADER_MALFORMED : S3_AUTH_QUERY_MALFORMED, err);
    }
}

int s3_find_secret(struct s3_call *call)
{
    const struct s3_server *server = call->server;
    struct s3_session_found session = {0};
    int rc;

    if (call->auth.token && call->auth.token[0]) {
        rc = s3_session_open(server, call->arena, call->auth.token, call->auth.access_key,
                             clock_wall_us(server->clock), &session);
        if (rc)
            return deny(call,
                        rc == ERR_TIMEOUT ? S3_EXPIRED_TOKEN
                        : rc == ERR_NOMEM ? S3_INTERNAL_ERROR
                                          : S3_INVALID_TOKEN,
                        NULL);
        call->credential = session.parent;
        call->session_policy = session.policy;
        call->is_session = true;
        call->secret = session.secret_key;
        return 0;
    }
    for (size_t i = 0; i < server->credential_count; i++)
        if (strcmp(server->credentials[i].access_key, call->auth.access_key) == 0)
            call->credential = &server->credentials[i];
    if (!call->credential) {
        s3_error_detail(call, "AWSAccessKeyId", call->auth.access_key);
        return deny(call, S3_INVALID_ACCESS_KEY, NULL);
    }
    call->secret = call->credential->secret_key;
    return 0;
}

static int verify(struct s3_call *call, const struct sigv4_request *request)
{
    struct err err = {0};
    int rc = sigv4_verify(call->arena, request, &call->auth, call->secret, &err);

    if (rc == ERR_NOMEM)
        return deny(call, S3_INTERNAL_ERROR, NULL);
    return rc ? deny(call, S3_SIGNATURE_MISMATCH, NULL) : 0;
}

/* When a presigned request was good, and what time it is here. */
static void put_expiry(struct s3_call *call)
{
    char until[32], now[32];

    s3_iso_date(call->auth.time_us + call->auth.expires_s * 1000000, until);
    s3_iso_date(clock_wall_us(call->server->clock), now);
    s3_error_detail(call, "Expires", arena_strdup(call->arena, until));
    s3_error_detail(call, "ServerTime", arena_strdup(call->arena, now));
    s3_error_detail(call, "X-Amz-Expires",
                    arena_printf(call->arena, "%" PRId64, call->auth.expires_s));
}

static int check_time(struct s3_call *call)
{
    struct err err = {0};
    int rc = sigv4_check_time(&call->auth, clock_wall_us(call->server->clock), &err);

    if (rc == ERR_TIMEOUT) {
        put_expiry(call);
        return deny(call, S3_REQUEST_EXPIRED, NULL);
    }
    if (rc && call->auth.expires_s >= 0) {
        s3_error(call, S3_ACCESS_DENIED, "Request is not valid yet.");
        return ERR_DENIED;
    }
    return rc ? deny(call, S3_TIME_SKEWED, NULL) : 0;
}

int s3_identify(struct s3_call *call)
{
    struct sigv4_request request;
    struct err err = {0};
    int rc = gather(call, &request);

    if (rc)
        return rc;
    rc = sigv4_parse(call->arena, &request, &call->auth, &err);
    if (rc == ERR_NOENT)
        return 0; /* nobody */
    if (rc)
        return refuse_parse(call, rc, &err);
    if (strcmp(call->auth.service, "sts") == 0 && call->level != S3_SERVICE) {
        s3_error(call, S3_AUTH_HEADER_MALFORMED,
                 "The authorization header is malformed; incorrect service \"sts\". This endpoint "
                 "belongs to \"s3\".");
        return ERR_DENIED;
    }
    rc = s3_find_secret(call);
    if (!rc)
        rc = check_time(call);
    if (rc)
        return rc;
    /* Signers of other services than S3 send no hash: it is that of a body yet to come. */
    if (strcmp(call->auth.service, "sts") == 0 && !s3_header(call, "x-amz-content-sha256")) {
        call->unverified = arena_alloc(call->arena, sizeof(request));
        if (!call->unverified)
            return deny(call, S3_INTERNAL_ERROR, NULL);
        *call->unverified = request;
        call->auth.payload = SIGV4_UNSIGNED; /* of the body's reader */
        return 0;
    }
    return verify(call, &request);
}

int s3_identify_late(struct s3_call *call)
{
    uint8_t hash[32];
    char hex[65];

    if (!call->unverified)
        return 0;
    sha256(call->body.text.ptr, call->body.text.len, hash);
    hex_encode(hash, sizeof(hash), hex);
    call->auth.payload = hex;
    return verify(call, call->unverified);
}

/* --- may they --------------------------------------------------------------------------------- */

static const char *source_ip(struct s3_call *call)
{
    const char *peer = http_peer(call->req), *colon = peer ? strrchr(peer, ':') : NULL;
    struct slice address = colon ? slice_of(peer, (size_t)(colon - peer)) : slice_str(peer);

    if (address.len > 2 && address.ptr[0] == '[')
        address = slice_of(address.ptr + 1, address.len - 2);
    return arena_cstr(call->arena, address);
}

static const char *current_time(struct s3_call *call)
{
    char text[32];

    s3_iso_date(clock_wall_us(call->server->clock), text);
    return arena_strdup(call->arena, text);
}

static const char *epoch_time(struct s3_call *call)
{
    return arena_printf(call->arena, "%" PRId64, clock_wall_us(call->server->clock) / 1000000);
}

static const char *who(struct s3_call *call)
{
    return call->credential ? call->credential->access_key : NULL;
}

static const char *kind_of_principal(struct s3_call *call)
{
    return !call->credential ? "Anonymous" : call->is_session ? "AssumedRole" : "User";
}

static const char *auth_type(struct s3_call *call)
{
    return !call->credential           ? NULL
           : call->auth.expires_s >= 0 ? "REST-QUERY-STRING"
                                       : "REST-HEADER";
}

static const char *version_of_signature(struct s3_call *call)
{
    return call->credential ? "AWS4-HMAC-SHA256" : NULL;
}

static const char *never_secure(struct s3_call *call)
{
    (void)call;
    return "false";
}

/* What a request can tell a condition. */
static const struct {
    const char *key, *query, *header;
    const char *(*value)(struct s3_call *call);
} facts[] = {
    {"aws:SourceIp", .value = source_ip},
    {"aws:CurrentTime", .value = current_time},
    {"aws:EpochTime", .value = epoch_time},
    {"aws:SecureTransport", .value = never_secure},
    {"aws:username", .value = who},
    {"aws:userid", .value = who},
    {"aws:PrincipalType", .value = kind_of_principal},
    {"aws:Referer", .header = "referer"},
    {"aws:UserAgent", .header = "user-agent"},
    {"s3:prefix", .query = "prefix"},
    {"s3:delimiter", .query = "delimiter"},
    {"s3:max-keys", .query = "max-keys"},
    {"s3:VersionId", .query = "versionId"},
    {"s3:x-amz-acl", .header = "x-amz-acl"},
    {"s3:x-amz-content-sha256", .header = "x-amz-content-sha256"},
    {"s3:x-amz-copy-source", .header = "x-amz-copy-source"},
    {"s3:x-amz-metadata-directive", .header = "x-amz-metadata-directive"},
    {"s3:x-amz-storage-class", .header = "x-amz-storage-class"},
    {"s3:authType", .value = auth_type},
    {"s3:signatureversion", .value = version_of_signature},
};

static const char *fact(void *arg, const char *key)
{
    struct s3_call *call = arg;

    for (size_t i = 0; i < COUNT_OF(facts); i++)
        if (strcmp(facts[i].key, key) == 0)
            return facts[i].value   ? facts[i].value(call)
                   : facts[i].query ? s3_query(call, facts[i].query)
                                    : s3_header(call, facts[i].header);
    return NULL;
}

/* A policy that was stored was checked then; one that cannot be read now forbids. */
static enum s3_verdict ask_text(struct s3_call *call, const char *text, const char *bucket,
                                const struct s3_ask *ask)
{
    struct s3_policy *policy;

    if (s3_policy_parse(call->arena, slice_str(text), bucket, &policy, NULL))
        return S3_DENIES;
    return s3_policy_ask(policy, ask);
}

static enum s3_verdict ask_bucket(struct s3_call *call, const char *bucket,
                                  const struct s3_ask *ask)
{
    struct store *store = call->server->store;
    struct buf text = {0};
    enum s3_verdict verdict = S3_SAYS_NOTHING;
    const char *policy;

    if (!bucket || !store->ops->versions)
        return S3_SAYS_NOTHING;
    if (store->ops->versions->setting_get(store, bucket, S3_SETTING_POLICY, &text, NULL) == 0) {
        policy = buf_cstr(&text);
        verdict = policy ? ask_text(call, policy, bucket, ask) : S3_DENIES;
    }
    buf_deinit(&text);
    return verdict;
}

bool s3_may(struct s3_call *call, const char *action, const char *bucket, const char *key)
{
    const struct s3_credential *credential = call->credential;
    struct s3_ask ask = {.access_key = who(call), .action = action, .value = fact, .arg = call};
    enum s3_verdict own, others;

    if (credential && !credential->policy && !call->session_policy)
        return true;
    ask.resource = arena_printf(call->arena, "arn:aws:s3:::%s%s%s", bucket ? bucket : "*",
                                key ? "/" : "", key ? key : "");
    if (!ask.resource)
        return false;
    if (call->session_policy && ask_text(call, call->session_policy, NULL, &ask) != S3_ALLOWS)
        return false;
    if (credential && !credential->policy)
        return true;
    others = ask_bucket(call, bucket, &ask);
    own = credential ? ask_text(call, credential->policy, NULL, &ask)
          : call->server->anonymous_read && bucket && s3_is_read(call) ? S3_ALLOWS
                                                                       : S3_SAYS_NOTHING;
    return own != S3_DENIES && others != S3_DENIES && (own == S3_ALLOWS || others == S3_ALLOWS);
}

bool s3_is_read(const struct s3_call *call)
{
    const char *method = http_method(call->req);

    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

const char *s3_owner(const struct s3_call *call)
{
    return call->server->credential_count ? call->server->credentials[0].access_key : "tarn";
}

void s3_put_owner(struct s3_call *call, struct buf *xml)
{
    buf_append_str(xml, "<Owner>");
    xml_element(xml, "ID", s3_owner(call));
    xml_element(xml, "DisplayName", s3_owner(call));
    buf_append_str(xml, "</Owner>");
}

/* Whoever expects somebody else's bucket must not touch this one. Answers itself. */
static int check_owner(struct s3_call *call)
{
    static const char *const headers[] = {"x-amz-expected-bucket-owner",
                                          "x-amz-source-expected-bucket-owner"};

    for (size_t i = 0; i < COUNT_OF(headers); i++) {
        const char *expected = s3_header(call, headers[i]);

        if (expected && strcmp(expected, s3_owner(call)))
            return deny(call, S3_ACCESS_DENIED, NULL);
    }
    return 0;
}

int s3_authorize(struct s3_call *call)
{
    const struct s3_op *op = call->op;
    const char *action = op->action;

    if (check_owner(call))
        return ERR_DENIED;
    if (op->asks_itself)
        return 0; /* for each thing it touches */
    if (op->version_action && s3_query(call, "versionId"))
        action = op->version_action;
    if (!action)
        action = arena_printf(call->arena, "s3:%s", op->name);
    if (action && s3_may(call, action, call->bucket, call->key))
        return 0;
    return deny(call, S3_ACCESS_DENIED, NULL);
}
