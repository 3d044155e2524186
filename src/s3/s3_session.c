/* s3_session.c - short-lived keys: made, and recognised again, without a table of them.
 *
 * The token carries what the key may do and until when, sealed with a key derived from the secret
 * of the credential it came from: whoever changes that secret ends its sessions. The secret of the
 * session is derived from the same, so that nothing has to be kept and a restart changes nothing.
 */
#include <stdio.h>

#include "base/codec.h"
#include "base/json.h"
#include "net/auth.h"
#include "s3/s3_int.h"

#define KEY_LEN   20
#define TOKEN_MAX 8192

static void seal_key(const struct s3_credential *parent, uint8_t out[32])
{
    static const char purpose[] = "tarn s3 session 1";

    hmac_sha256(parent->secret_key, strlen(parent->secret_key), purpose, sizeof(purpose) - 1, out);
}

/* "base64 of the payload" + "." + its seal in hex. */
static const char *seal(struct arena *arena, const uint8_t key[32], struct slice payload)
{
    struct buf text = {.max = TOKEN_MAX};
    uint8_t mac[32];
    char hex[65], *out = NULL;
    int rc = base64_encode(payload, &text);

    if (!rc) {
        hmac_sha256(key, 32, text.ptr, text.len, mac);
        hex_encode(mac, sizeof(mac), hex);
        rc = buf_printf(&text, ".%s", hex);
    }
    if (!rc)
        out = arena_cstr(arena, buf_slice(&text));
    buf_deinit(&text);
    return out;
}

static const char *secret_of(struct arena *arena, const uint8_t key[32], const char *access_key)
{
    char text[64];
    uint8_t mac[32], hash[65];
    int len = snprintf(text, sizeof(text), "secret of %.*s", KEY_LEN, access_key);

    hmac_sha256(key, 32, text, (size_t)len, mac);
    hex_encode(mac, sizeof(mac), (char *)hash);
    return arena_cstr(arena, slice_of(hash, 40));
}

int s3_session_issue(struct arena *arena, const struct s3_credential *parent, const char *policy,
                     int64_t now_us, int64_t duration_s, struct s3_session *out, struct err *err)
{
    char random[KEY_LEN + 1];
    uint8_t key[32];
    struct buf text = {.max = TOKEN_MAX / 2};
    struct s3_policy *parsed;
    json_t *payload = NULL;
    int rc = 0;

    if (duration_s < S3_SESSION_MIN_S || duration_s > S3_SESSION_MAX_S)
        return err_set(err, ERR_INVALID, "DurationSeconds is not between %d and %d",
                       S3_SESSION_MIN_S, S3_SESSION_MAX_S);
    if (policy && policy[0])
        rc = s3_policy_parse(arena, slice_str(policy), NULL, &parsed, err);
    if (rc)
        return rc;
    auth_token(random, KEY_LEN);
    for (char *c = random; *c; c++)
        *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 32 : *c);
    memcpy(random, "TARN", 4);
    seal_key(parent, key);
    out->expires_us = (now_us / 1000000 + duration_s) * 1000000;
    payload = json_pack("{s:s, s:s, s:I, s:s*}", "k", random, "p", parent->access_key, "e",
                        (json_int_t)(out->expires_us / 1000000), "s", policy);
    rc = payload ? json_print(payload, 0, &text, err) : ERR_NOMEM;
    if (!rc) {
        out->access_key = arena_strdup(arena, random);
        out->secret_key = secret_of(arena, key, random);
        out->token = seal(arena, key, buf_slice(&text));
    }
    if (rc || !out->access_key || !out->secret_key || !out->token)
        rc = err_set(err, rc == ERR_LIMIT ? ERR_INVALID : ERR_NOMEM,
                     "the session cannot be made: the policy is too long");
    json_decref(payload);
    buf_deinit(&text);
    return rc;
}

/* The payload of a token, as text in the arena, and its parent. */
static const struct s3_credential *open_payload(const struct s3_server *server, const char *token,
                                                json_t **payload)
{
    const char *dot = strrchr(token, '.'), *parent;
    struct buf text = {.max = TOKEN_MAX};

    *payload = NULL;
    if (!dot || strlen(token) > TOKEN_MAX ||
        base64_decode(slice_of(token, (size_t)(dot - token)), &text) ||
        json_parse(buf_slice(&text), payload, NULL)) {
        buf_deinit(&text);
        return NULL;
    }
    buf_deinit(&text);
    parent = json_string_value(json_object_get(*payload, "p"));
    for (size_t i = 0; parent && i < server->credential_count; i++)
        if (strcmp(server->credentials[i].access_key, parent) == 0)
            return &server->credentials[i];
    return NULL;
}

int s3_session_open(const struct s3_server *server, struct arena *arena, const char *token,
                    const char *access_key, int64_t now_us, struct s3_session_found *out)
{
    const char *dot = strrchr(token, '.'), *key_text, *policy;
    uint8_t key[32], mac[32];
    char hex[65];
    json_t *payload;
    int rc = ERR_DENIED;

    out->parent = open_payload(server, token, &payload);
    if (!out->parent)
        goto done;
    seal_key(out->parent, key);
    hmac_sha256(key, 32, token, (size_t)(dot - token), mac);
    hex_encode(mac, sizeof(mac), hex);
    if (!auth_equal(slice_str(hex), slice_str(dot + 1)))
        goto done;
    key_text = json_string_value(json_object_get(payload, "k"));
    if (!key_text || strcmp(key_text, access_key))
        goto done;
    if (json_integer_value(json_object_get(payload, "e")) < now_us / 1000000) {
        rc = ERR_TIMEOUT;
        goto done;
    }
    policy = json_string_value(json_object_get(payload, "s"));
    out->policy = policy && policy[0] ? arena_strdup(arena, policy) : NULL;
    out->secret_key = secret_of(arena, key, access_key);
    rc = out->secret_key && (out->policy || !policy || !policy[0]) ? 0 : ERR_NOMEM;
done:
    json_decref(payload);
    return rc;
}
