/* http_auth.c - bearer tokens: POST /v1/oauth/tokens, and the check of a request.
 *
 * A token names its client and its end and carries an HMAC-SHA256 over both, keyed from the
 * client's secret: nothing is stored, a token outlives a restart, and changing the secret ends all.
 * OAuth 2.0 (RFC 6749, section 4.4 and 5.2), token exchange (RFC 8693) to renew one.
 */
#include <stdio.h>

#include "base/codec.h"
#include "catalog/http_int.h"
#include "net/auth.h"
#include "net/url.h"

#define TOKEN_LIFE_S 3600
/* With another dot a token has three parts: Iceberg's Java client takes it for a JWT, and fails. */
#define TOKEN_PREFIX   "tarn1-"
#define ACCESS_TOKEN   "urn:ietf:params:oauth:token-type:access_token"
#define EXCHANGE_GRANT "urn:ietf:params:oauth:grant-type:token-exchange"

static int add_principal(struct catalog_http *http, const char *id, const char *secret)
{
    static const char purpose[] = "tarn catalog token";
    struct rest_principal *p = &http->principals[http->principal_count];

    if (!id || !secret)
        return 0;
    http->principal_count++;
    p->client_id = strdup(id);
    p->client_secret = strdup(secret);
    hmac_sha256(secret, strlen(secret), purpose, sizeof(purpose) - 1, p->token_key);
    return p->client_id && p->client_secret ? 0 : ERR_NOMEM;
}

int rest_auth_init(struct catalog_http *http, const struct catalog_http_options *options)
{
    int rc;

    http->principals = calloc(options->principal_count + 1, sizeof(*http->principals));
    if (!http->principals)
        return ERR_NOMEM;
    rc = add_principal(http, options->client_id, options->client_secret);
    for (size_t i = 0; !rc && i < options->principal_count; i++)
        rc = add_principal(http, options->principals[i].client_id,
                           options->principals[i].client_secret);
    return rc;
}

void rest_auth_deinit(struct catalog_http *http)
{
    for (size_t i = 0; i < http->principal_count; i++) {
        free(http->principals[i].client_id);
        free(http->principals[i].client_secret);
    }
    free(http->principals);
}

static bool same_secret(const char *a, const char *b)
{
    return auth_equal(slice_str(a), slice_str(b));
}

/* tarn1-<end, ms>.<mac>. Whose it is shows in whose key made the mac. */
static void token_make(const struct rest_principal *p, int64_t end_ms, char out[128])
{
    char text[128];
    uint8_t mac[32];
    char hex[65];

    snprintf(text, sizeof(text), "%" PRId64 ".%.60s", end_ms, p->client_id);
    hmac_sha256(p->token_key, sizeof(p->token_key), text, strlen(text), mac);
    hex_encode(mac, sizeof(mac), hex);
    snprintf(out, 128, TOKEN_PREFIX "%" PRId64 ".%s", end_ms, hex);
}

/* NULL: nobody's, or it has ended. */
static const struct rest_principal *token_owner(struct catalog_http *http, struct slice token)
{
    size_t skip = strlen(TOKEN_PREFIX);
    const struct rest_principal *owner = NULL;
    int64_t end_ms = 0;
    const uint8_t *dot;

    if (!slice_starts(token, SLICE_LIT(TOKEN_PREFIX)))
        return NULL;
    dot = memchr(token.ptr + skip, '.', token.len - skip);
    if (!dot || slice_to_i64(slice_of(token.ptr + skip, (size_t)(dot - token.ptr) - skip), &end_ms))
        return NULL;
    if (end_ms < clock_wall_ms(http->clock))
        return NULL;
    for (size_t i = 0; i < http->principal_count; i++) {
        char wanted[128];

        token_make(&http->principals[i], end_ms, wanted);
        if (auth_equal(token, slice_str(wanted)))
            owner = &http->principals[i];
    }
    return owner;
}

static const struct rest_principal *login(struct catalog_http *http, const char *id,
                                          const char *secret)
{
    const struct rest_principal *found = NULL;

    for (size_t i = 0; id && secret && i < http->principal_count; i++)
        if (same_secret(id, http->principals[i].client_id) &&
            same_secret(secret, http->principals[i].client_secret))
            found = &http->principals[i];
    return found;
}

static bool is_loopback(const char *peer)
{
    return strncmp(peer, "127.", 4) == 0 || strncmp(peer, "[::1]", 5) == 0 ||
           strncmp(peer, "[::ffff:127.", 12) == 0;
}

/* A client on this machine may be let in without a token, or with one that is not ours at all; one
 * of ours that has ended is refused even there, so that the client gets itself a new one. */
bool rest_allows(struct rest_call *call)
{
    struct catalog_http *http = call->http;
    struct slice token = auth_bearer(http_header(call->req, "Authorization"));
    const struct rest_principal *owner = token_owner(http, token);

    if (owner) {
        call->who = owner->client_id;
        return true;
    }
    if (!http->login)
        return true;
    return http->loopback_open && is_loopback(http_peer(call->req)) &&
           !slice_starts(token, SLICE_LIT(TOKEN_PREFIX));
}

/* ---- POST /v1/oauth/tokens ---- */

struct form {
    const char *grant, *id, *secret, *subject;
};

static int read_form(struct rest_call *call, struct form *form, struct err *err)
{
    struct slice rest = http_body(call->req), name, value;

    while (url_query_next(&rest, &name, &value)) {
        const char *text;
        int rc = url_decode(call->arena, value, true, &text);

        if (rc)
            return err_set(err, ERR_INVALID, "Cannot parse the form");
        if (slice_is(name, "grant_type"))
            form->grant = text;
        else if (slice_is(name, "client_id"))
            form->id = text;
        else if (slice_is(name, "client_secret"))
            form->secret = text;
        else if (slice_is(name, "subject_token"))
            form->subject = text;
    }
    return 0;
}

static int oauth_error(struct rest_call *call, int status, const char *name, const char *text,
                       struct err *err)
{
    return rest_reply(call, status,
                      json_pack("{s:s, s:s}", "error", name, "error_description", text), err);
}

int rest_token(struct rest_call *call, struct err *err)
{
    struct catalog_http *http = call->http;
    struct form form = {0};
    const struct rest_principal *who;
    char token[128];
    int rc = read_form(call, &form, err);

    if (rc)
        return rc;
    if (!form.id) /* the other way to send them; absent or wrong: refused below */
        auth_basic(call->arena, http_header(call->req, "Authorization"), &form.id, &form.secret);
    if (form.grant && strcmp(form.grant, "client_credentials") == 0)
        who = login(http, form.id, form.secret);
    else if (form.grant && strcmp(form.grant, EXCHANGE_GRANT) == 0)
        who = form.subject ? token_owner(http, slice_str(form.subject)) : NULL;
    else
        return oauth_error(call, 400, "unsupported_grant_type",
                           "grant_type is client_credentials or token exchange", err);
    if (!who)
        return oauth_error(call, 401, "invalid_client", "The credentials are not valid", err);
    token_make(who, clock_wall_ms(http->clock) + TOKEN_LIFE_S * 1000, token);
    http_set_header(call->reply, "Cache-Control", "no-store");
    return rest_reply(call, 200,
                      json_pack("{s:s, s:s, s:s, s:i}", "access_token", token, "token_type",
                                "bearer", "issued_token_type", ACCESS_TOKEN, "expires_in",
                                TOKEN_LIFE_S),
                      err);
}
