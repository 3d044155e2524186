/* sigv4.c - canonical request, string to sign, signing key, signature.
 *
 * The path and the query are decoded and encoded again before they are signed, as S3 does: clients
 * sign the canonical encoding and let their HTTP library write another. A client that signs the raw
 * path is believed too (raw_path).
 */
#include "net/sigv4.h"

#include <stdio.h>
#include <strings.h>

#include "base/codec.h"
#include "net/auth.h"
#include "net/url.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
#define PAIRS_MAX 200
#define SKEW_US   ((int64_t)15 * 60 * 1000000)
#define WEEK_S    ((int64_t)7 * 24 * 3600)

/* --- dates (proleptic Gregorian; days from civil, Howard Hinnant) ----------------------------- */

static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t era, of_era, of_year;

    year -= month <= 2;
    era = year / 400;
    of_era = year - era * 400;
    of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int two_digits(const char *text)
{
    return (text[0] - '0') * 10 + text[1] - '0';
}

int sigv4_time(const char *date, int64_t *out_us)
{
    static const char shape[] = "ddddddddTddddddZ";
    int year, month, day, hour, minute, second;

    for (size_t i = 0; i < sizeof(shape); i++) /* its end too */
        if (shape[i] == 'd' ? date[i] < '0' || date[i] > '9' : date[i] != shape[i])
            return ERR_INVALID;
    year = two_digits(date) * 100 + two_digits(date + 2);
    month = two_digits(date + 4);
    day = two_digits(date + 6);
    hour = two_digits(date + 9);
    minute = two_digits(date + 11);
    second = two_digits(date + 13);
    if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60 ||
        year < 1970)
        return ERR_INVALID;
    *out_us = (days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second) * 1000000;
    return 0;
}

void sigv4_date(int64_t time_us, char out[17])
{
    int64_t seconds = time_us / 1000000, days = seconds / 86400 + 719468, era = days / 146097;
    int64_t of_era = days - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100),
            month = (5 * of_year + 2) / 153;
    char text[64];

    seconds %= 86400;
    snprintf(text, sizeof(text), "%04d%02d%02dT%02d%02d%02dZ",
             (int)(year + era * 400 + (month >= 10)), (int)(month < 10 ? month + 3 : month - 9),
             (int)(of_year - (153 * month + 2) / 5 + 1), (int)(seconds / 3600),
             (int)(seconds / 60 % 60), (int)(seconds % 60));
    memcpy(out, text, 16);
    out[16] = '\0';
}

/* --- the canonical request -------------------------------------------------------------------- */

struct pair {
    const char *name, *value; /* encoded */
};

static int by_name_and_value(const void *left, const void *right)
{
    const struct pair *a = left, *b = right;
    int order = strcmp(a->name, b->name);

    return order ? order : strcmp(a->value, b->value);
}

/* Decodes and encodes again; nearly always it is encoded as it should be. */
static int recode(struct arena *arena, struct slice raw, bool plus_is_space, bool keep_slash,
                  const char **out)
{
    struct buf text = {0};
    const char *plain;
    int rc;

    if (url_is_encoded(raw, keep_slash)) {
        *out = arena_cstr(arena, raw);
        return *out ? 0 : ERR_NOMEM;
    }
    rc = url_decode(arena, raw, plus_is_space, &plain);
    if (!rc)
        rc = url_encode(&text, slice_str(plain), keep_slash);
    if (!rc)
        *out = arena_cstr(arena, buf_slice(&text));
    buf_deinit(&text);
    return rc ? rc : *out ? 0 : ERR_NOMEM;
}

static int put_query(struct arena *arena, const char *query, struct buf *out)
{
    struct slice rest = slice_str(query), name, value;
    size_t count = 0, most = 1;
    struct pair *pairs;
    int rc;

    for (const char *at = query; *at; at++)
        most += *at == '&';
    pairs = ARENA_ARRAY(arena, struct pair, most < PAIRS_MAX ? most : PAIRS_MAX);
    rc = pairs ? 0 : ERR_NOMEM;
    while (!rc && url_query_next(&rest, &name, &value)) {
        if (count == PAIRS_MAX)
            return ERR_LIMIT;
        rc = recode(arena, name, true, false, &pairs[count].name);
        if (!rc)
            rc = recode(arena, value, true, false, &pairs[count].value);
        if (!rc && strcmp(pairs[count].name, "X-Amz-Signature")) /* does not sign itself */
            count++;
    }
    if (!rc && count)
        qsort(pairs, count, sizeof(*pairs), by_name_and_value);
    for (size_t i = 0; i < count && !rc; i++) {
        rc = i ? buf_append_u8(out, '&') : 0;
        rc = rc ? rc : buf_append_str(out, pairs[i].name);
        rc = rc ? rc : buf_append_u8(out, '=');
        rc = rc ? rc : buf_append_str(out, pairs[i].value);
    }
    return rc;
}

/* A header's value without spaces around it and with single spaces inside. */
static int put_value(struct buf *out, const char *value)
{
    int rc = 0;

    value += strspn(value, " \t");
    while (*value && !rc) {
        size_t len = strcspn(value, " \t");

        rc = buf_append(out, value, len);
        value += len + strspn(value + len, " \t");
        if (*value && !rc)
            rc = buf_append_u8(out, ' ');
    }
    return rc;
}

static int put_header(const struct sigv4_request *request, struct slice name, struct buf *out)
{
    int rc = buf_append_slice(out, name);
    bool first = true;

    rc = rc ? rc : buf_append_u8(out, ':');

    for (size_t i = 0; i < request->header_count && !rc; i++) {
        if (!slice_ieq(slice_str(request->headers[i].name), name))
            continue;
        if (!first)
            rc = buf_append_u8(out, ',');
        if (!rc)
            rc = put_value(out, request->headers[i].value);
        first = false;
    }
    return rc ? rc : buf_append_u8(out, '\n');
}

/* Walks "a;b;c". */
static bool next_name(struct slice *rest, struct slice *name)
{
    const uint8_t *end = rest->len ? memchr(rest->ptr, ';', rest->len) : NULL;

    if (!rest->len)
        return false;
    *name = slice_of(rest->ptr, end ? (size_t)(end - rest->ptr) : rest->len);
    *rest = slice_of(rest->ptr + name->len + (end != NULL), rest->len - name->len - (end != NULL));
    return true;
}

static int put_canonical(struct arena *arena, const struct sigv4_request *request,
                         const struct sigv4_auth *auth, bool raw_path, struct buf *out)
{
    struct slice names = slice_str(auth->signed_headers), name;
    const char *path = request->path;
    int rc = raw_path ? 0 : recode(arena, slice_str(path), false, true, &path);

    if (!rc)
        rc = buf_printf(out, "%s\n%s\n", request->method, *path ? path : "/");
    if (!rc)
        rc = put_query(arena, request->query, out);
    if (!rc)
        rc = buf_append_u8(out, '\n');
    while (!rc && next_name(&names, &name))
        rc = put_header(request, name, out);
    return rc ? rc : buf_printf(out, "\n%s\n%s", auth->signed_headers, auth->payload);
}

int sigv4_canonical(struct arena *arena, const struct sigv4_request *request,
                    const struct sigv4_auth *auth, bool raw_path, const char **out)
{
    struct buf text = {.max = 1 << 20};
    int rc = put_canonical(arena, request, auth, raw_path, &text);

    if (!rc)
        *out = arena_cstr(arena, buf_slice(&text));
    buf_deinit(&text);
    return rc ? rc : *out ? 0 : ERR_NOMEM;
}

/* --- keys and signatures ---------------------------------------------------------------------- */

/* The last key that this thread derived: a connection asks for the same one over and over, and four
 * of the five steps of a signature make it. */
struct last_key {
    char secret[300], day[16], region[64], service[16];
    uint8_t key[32];
};
static _Thread_local struct last_key last_key;

static bool is_last(const char *secret, const struct sigv4_auth *auth)
{
    return last_key.secret[0] && strcmp(last_key.secret, secret) == 0 &&
           strcmp(last_key.day, auth->day) == 0 && strcmp(last_key.region, auth->region) == 0 &&
           strcmp(last_key.service, auth->service) == 0;
}

static void key_of(const char *secret, const struct sigv4_auth *auth, uint8_t out[32])
{
    if (is_last(secret, auth)) {
        memcpy(out, last_key.key, 32);
        return;
    }
    sigv4_key(secret, auth->day, auth->region, auth->service, out);
    if (strlen(secret) >= sizeof(last_key.secret) || strlen(auth->day) >= sizeof(last_key.day) ||
        strlen(auth->region) >= sizeof(last_key.region) ||
        strlen(auth->service) >= sizeof(last_key.service))
        return;
    strcpy(last_key.secret, secret);
    strcpy(last_key.day, auth->day);
    strcpy(last_key.region, auth->region);
    strcpy(last_key.service, auth->service);
    memcpy(last_key.key, out, 32);
}

void sigv4_key(const char *secret, const char *day, const char *region, const char *service,
               uint8_t out[32])
{
    const char *const steps[] = {day, region, service, "aws4_request"};
    char first[300];
    size_t len = (size_t)snprintf(first, sizeof(first), "AWS4%.290s", secret);

    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        uint8_t next[32];

        hmac_sha256(i ? (const void *)out : first, i ? 32 : len, steps[i], strlen(steps[i]), next);
        memcpy(out, next, 32);
    }
    explicit_bzero(first, sizeof(first));
}

static int signature_of(struct arena *arena, const char *canonical, const struct sigv4_auth *auth,
                        const char *secret, char out[65])
{
    uint8_t key[32], hash[32];
    char hex[65];
    const char *text;

    sha256(canonical, strlen(canonical), hash);
    hex_encode(hash, 32, hex);
    text = arena_printf(arena, ALGORITHM "\n%s\n%s/%s/%s/aws4_request\n%s", auth->date, auth->day,
                        auth->region, auth->service, hex);
    if (!text)
        return ERR_NOMEM;
    key_of(secret, auth, key);
    hmac_sha256(key, 32, text, strlen(text), hash);
    hex_encode(hash, 32, out);
    return 0;
}

int sigv4_verify(struct arena *arena, const struct sigv4_request *request,
                 const struct sigv4_auth *auth, const char *secret, struct err *err)
{
    for (int raw_path = 0; raw_path < 2; raw_path++) {
        const char *canonical;
        char wanted[65];
        int rc = sigv4_canonical(arena, request, auth, raw_path, &canonical);

        if (!rc)
            rc = signature_of(arena, canonical, auth, secret, wanted);
        if (rc)
            return err_set(err, rc == ERR_NOMEM ? rc : ERR_INVALID, "the request cannot be signed");
        if (auth_equal(slice_of(wanted, 64), slice_str(auth->signature)))
            return 0;
    }
    return err_set(err, ERR_DENIED, "the signature does not match");
}

int sigv4_check_time(const struct sigv4_auth *auth, int64_t now_us, struct err *err)
{
    if (auth->time_us > now_us + SKEW_US ||
        (auth->expires_s < 0 && auth->time_us < now_us - SKEW_US))
        return err_set(err, ERR_RANGE, "the request's time %s and the server's differ too much",
                       auth->date);
    if (auth->expires_s >= 0 && auth->time_us + auth->expires_s * 1000000 < now_us)
        return err_set(err, ERR_TIMEOUT, "the URL has expired");
    return 0;
}

/* --- what a request says ---------------------------------------------------------------------- */

static const char *header(const struct sigv4_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++)
        if (strcasecmp(request->headers[i].name, name) == 0)
            return request->headers[i].value;
    return NULL;
}

/* First value of a query parameter, decoded; NULL: absent or not to be decoded. Memory that ran out
 * is noted in *rc, lest a request seem malformed. */
static const char *parameter(struct arena *arena, const struct sigv4_request *request,
                             const char *wanted, int *rc)
{
    struct slice rest = slice_str(request->query), name, value;
    const char *text = NULL;

    while (url_query_next(&rest, &name, &value)) {
        if (!slice_is(name, wanted))
            continue;
        if (url_decode(arena, value, true, &text) == ERR_NOMEM)
            *rc = ERR_NOMEM;
        break;
    }
    return text;
}

/* "KEY/20130524/us-east-1/s3/aws4_request"; the key may hold slashes. `where` begins the error. */
static int parse_credential(struct arena *arena, const char *credential, const char *where,
                            struct sigv4_auth *out, struct err *err)
{
    char *text = arena_strdup(arena, credential);
    char *parts[4];

    if (!text)
        return err_set(err, ERR_NOMEM, "signature");
    for (int i = 3; i >= 0; i--) {
        parts[i] = strrchr(text, '/');
        if (!parts[i])
            return err_set(err, ERR_INVALID,
                           "%s the Credential is mal-formed; expecting "
                           "\"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".",
                           where);
        *parts[i]++ = '\0';
    }
    out->access_key = text;
    out->day = parts[0];
    out->region = parts[1];
    out->service = parts[2];
    if (strcmp(parts[3], "aws4_request"))
        return err_set(err, ERR_INVALID,
                       "%s incorrect terminal \"%.60s\". This endpoint uses \"aws4_request\".",
                       where, parts[3]);
    if (strcmp(out->service, "s3") && strcmp(out->service, "sts"))
        return err_set(err, ERR_INVALID,
                       "%s incorrect service \"%.60s\". This endpoint belongs to \"s3\".", where,
                       out->service);
    if (strlen(out->day) != 8 || strspn(out->day, "0123456789") != 8)
        return err_set(err, ERR_INVALID,
                       "%s incorrect date format \"%.60s\". This date in the credential must be in "
                       "the format \"yyyyMMdd\".",
                       where, out->day);
    if (strlen(out->region) > 60)
        return err_set(err, ERR_INVALID, "%s the region is too long", where);
    return 0;
}

/* The value of "Name=..." in the Authorization header, up to a comma. */
static const char *auth_field(struct arena *arena, const char *text, const char *name, int *rc)
{
    size_t len = strlen(name);
    const char *value;

    while (*text) {
        size_t end;

        text += strspn(text, " \t,");
        end = strcspn(text, ",");
        if (strncmp(text, name, len) == 0 && text[len] == '=') {
            end -= len + 1;
            while (end && (text[len + end] == ' ' || text[len + end] == '\t'))
                end--;
            value = arena_cstr(arena, slice_of(text + len + 1, end));
            *rc = value ? *rc : ERR_NOMEM;
            return value;
        }
        text += end;
    }
    return NULL;
}

#define MALFORMED "The authorization header is malformed;"

/* Of the header, every component is NAME=VALUE. */
static int check_components(struct arena *arena, const char *text, struct err *err)
{
    size_t count = 0;

    for (const char *at = text; *at; count++) {
        size_t len;

        at += strspn(at, " \t,");
        len = strcspn(at, ",");
        if (len && !memchr(at, '=', len))
            return err_set(err, ERR_INVALID,
                           MALFORMED " the authorization component \"%.100s\" is malformed.",
                           arena_cstr(arena, slice_of(at, len)));
        at += len;
    }
    return count < 3 ? err_set(err, ERR_INVALID,
                               MALFORMED " the authorization header requires three components: "
                                         "Credential, SignedHeaders, and Signature.")
                     : 0;
}

static int parse_header_auth(struct arena *arena, const struct sigv4_request *request,
                             const char *text, struct sigv4_auth *out, struct err *err)
{
    const char *credential;
    int rc = 0;

    if (strncmp(text, "AWS ", 4) == 0)
        return err_set(err, ERR_UNSUPPORTED,
                       "The authorization mechanism you have provided is not supported. Please use "
                       "AWS4-HMAC-SHA256.");
    if (strncmp(text, ALGORITHM, sizeof(ALGORITHM) - 1) ||
        !strchr(" \t", text[sizeof(ALGORITHM) - 1]) || !text[sizeof(ALGORITHM) - 1])
        return err_set(err, ERR_UNSUPPORTED, "Unsupported Authorization Type");
    text += sizeof(ALGORITHM);
    rc = check_components(arena, text, err);
    if (rc)
        return rc;
    credential = auth_field(arena, text, "Credential", &rc);
    out->signed_headers = auth_field(arena, text, "SignedHeaders", &rc);
    out->signature = auth_field(arena, text, "Signature", &rc);
    out->date = header(request, "x-amz-date");
    out->payload = header(request, "x-amz-content-sha256");
    out->token = header(request, "x-amz-security-token");
    out->expires_s = -1;
    if (!out->payload)
        out->payload = SIGV4_EMPTY_SHA256;
    if (rc)
        return err_set(err, rc, "signature");
    if (!credential || !out->signed_headers || !out->signature)
        return err_set(err, ERR_INVALID, MALFORMED " missing %s.",
                       !credential            ? "Credential"
                       : !out->signed_headers ? "SignedHeaders"
                                              : "Signature");
    return parse_credential(arena, credential, MALFORMED, out, err);
}

static int check_expires(const char *text, struct sigv4_auth *out, struct err *err)
{
    if (slice_to_i64(slice_str(text), &out->expires_s)) {
        out->expires_s = 0;
        return err_set(err, ERR_INVALID, "X-Amz-Expires should be a number");
    }
    if (out->expires_s < 0) {
        out->expires_s = 0; /* of a query, all the same */
        return err_set(err, ERR_INVALID, "X-Amz-Expires must be non-negative");
    }
    return out->expires_s > WEEK_S
               ? err_set(err, ERR_INVALID,
                         "X-Amz-Expires must be less than a week (in seconds); that is, the given "
                         "X-Amz-Expires must be less than 604800 seconds")
               : 0;
}

static int parse_presigned(struct arena *arena, const struct sigv4_request *request,
                           struct sigv4_auth *out, struct err *err)
{
    int rc = 0;
    const char *algorithm = parameter(arena, request, "X-Amz-Algorithm", &rc);
    const char *credential = parameter(arena, request, "X-Amz-Credential", &rc);
    const char *expires = parameter(arena, request, "X-Amz-Expires", &rc);

    out->date = parameter(arena, request, "X-Amz-Date", &rc);
    out->signed_headers = parameter(arena, request, "X-Amz-SignedHeaders", &rc);
    out->signature = parameter(arena, request, "X-Amz-Signature", &rc);
    out->token = parameter(arena, request, "X-Amz-Security-Token", &rc);
    out->payload = parameter(arena, request, "X-Amz-Content-Sha256", &rc);
    if (!out->payload)
        out->payload = header(request, "x-amz-content-sha256");
    if (!out->payload)
        out->payload = SIGV4_UNSIGNED;
    if (rc)
        return err_set(err, rc, "signature");
    if (!algorithm || !credential || !expires || !out->date || !out->signed_headers ||
        !out->signature)
        return err_set(err, ERR_INVALID,
                       "Query-string authentication version 4 requires the X-Amz-Algorithm, "
                       "X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and "
                       "X-Amz-Expires parameters.");
    if (strcmp(algorithm, ALGORITHM))
        return err_set(err, ERR_INVALID, "X-Amz-Algorithm only supports \"" ALGORITHM "\"");
    rc = parse_credential(arena, credential, "Error parsing the X-Amz-Credential parameter;", out,
                          err);
    if (!rc && sigv4_time(out->date, &out->time_us))
        rc = err_set(err, ERR_INVALID,
                     "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"");
    if (!rc && strncmp(out->date, out->day, 8))
        rc = err_set(err, ERR_INVALID,
                     "Invalid credential date \"%.8s\". This date is not the same as X-Amz-Date: "
                     "\"%.8s\".",
                     out->day, out->date);
    return rc ? rc : check_expires(expires, out, err);
}

static bool is_signed(const struct sigv4_auth *auth, const char *wanted)
{
    struct slice names = slice_str(auth->signed_headers), name;

    while (next_name(&names, &name))
        if (slice_ieq(name, slice_str(wanted)))
            return true;
    return false;
}

/* Host and x-amz-* must be signed, or somebody on the way could add to the request. */
static int check_signed(const struct sigv4_request *request, const struct sigv4_auth *auth,
                        struct err *err)
{
    char names[300] = "";
    size_t len = 0;

    if (!is_signed(auth, "host"))
        len = (size_t)snprintf(names, sizeof(names), "host");
    for (size_t i = 0; i < request->header_count && len < sizeof(names); i++) {
        const char *name = request->headers[i].name;

        if (strncasecmp(name, "x-amz-", 6) == 0 && !is_signed(auth, name) &&
            !(auth->expires_s >= 0 && strcasecmp(name, "x-amz-content-sha256") == 0))
            len +=
                (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", len ? ", " : "", name);
    }
    if (len)
        return err_set(err, ERR_DENIED,
                       "There were headers present in the request which were not signed: %s",
                       names);
    return 0;
}

/* A parameter's raw presence, whatever its value. */
static bool has_parameter(const struct sigv4_request *request, const char *wanted)
{
    struct slice rest = slice_str(request->query), name, value;

    while (url_query_next(&rest, &name, &value))
        if (slice_is(name, wanted))
            return true;
    return false;
}

int sigv4_parse(struct arena *arena, const struct sigv4_request *request, struct sigv4_auth *out,
                struct err *err)
{
    const char *text = header(request, "authorization");
    int rc;

    *out = (struct sigv4_auth){.expires_s = -1};
    if (text)
        rc = parse_header_auth(arena, request, text, out, err);
    else if (has_parameter(request, "X-Amz-Signature") || has_parameter(request, "X-Amz-Algorithm"))
        rc = parse_presigned(arena, request, out, err);
    else if (has_parameter(request, "AWSAccessKeyId") && has_parameter(request, "Signature"))
        rc = err_set(err, ERR_UNSUPPORTED,
                     "The authorization mechanism you have provided is not supported. Please use "
                     "AWS4-HMAC-SHA256.");
    else
        rc = err_set(err, ERR_NOENT, "the request is not signed");
    if (rc)
        return rc;
    if (!out->date || sigv4_time(out->date, &out->time_us))
        return err_set(err, ERR_DENIED,
                       "AWS authentication requires a valid Date or x-amz-date header.");
    if (strncmp(out->date, out->day, 8))
        return err_set(err, ERR_INVALID,
                       MALFORMED " Invalid credential date. Date is not the same as X-Amz-Date.");
    if (strlen(out->signature) != 64)
        return err_set(err, ERR_INVALID, "the signature is not 64 hexadecimal digits");
    return check_signed(request, out, err);
}

/* --- signing ---------------------------------------------------------------------------------- */

static int by_lower_name(const void *left, const void *right)
{
    return strcasecmp(*(const char *const *)left, *(const char *const *)right);
}

/* "host;x-amz-date": the names, lower case, sorted, each once. */
static int name_headers(struct arena *arena, const struct http_field *headers, size_t count,
                        const char **out)
{
    const char *names[SIGV4_HEADERS_MAX + 4];
    struct buf text = {0};
    int rc = 0;

    for (size_t i = 0; i < count; i++)
        names[i] = headers[i].name;
    qsort(names, count, sizeof(*names), by_lower_name);
    for (size_t i = 0; i < count && !rc; i++) {
        if (i && strcasecmp(names[i], names[i - 1]) == 0)
            continue;
        rc = text.len ? buf_append_u8(&text, ';') : 0;
        for (const char *c = names[i]; *c && !rc; c++)
            rc = buf_append_u8(&text, (uint8_t)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c));
    }
    *out = rc ? NULL : arena_cstr(arena, buf_slice(&text));
    buf_deinit(&text);
    return *out ? 0 : ERR_NOMEM;
}

static void scope_auth(struct arena *arena, struct sigv4_auth *auth, const struct sigv4_keys *keys,
                       int64_t now_us)
{
    char date[17];

    sigv4_date(now_us, date);
    *auth = (struct sigv4_auth){.access_key = keys->access_key,
                                .region = keys->region,
                                .service = keys->service,
                                .date = arena_strdup(arena, date),
                                .day = arena_cstr(arena, slice_of(date, 8))};
}

int sigv4_sign(struct arena *arena, const struct sigv4_request *request,
               const struct sigv4_keys *keys, const char *payload, int64_t now_us,
               struct http_field added[4], size_t *added_count, struct err *err)
{
    struct http_field all[SIGV4_HEADERS_MAX + 4];
    struct sigv4_request full = *request;
    struct sigv4_auth auth;
    const char *canonical;
    size_t count = 0;
    char signature[65];
    int rc;

    if (request->header_count > SIGV4_HEADERS_MAX)
        return err_set(err, ERR_LIMIT, "%zu headers to sign", request->header_count);
    scope_auth(arena, &auth, keys, now_us);
    if (!auth.date || !auth.day)
        return err_set(err, ERR_NOMEM, "signature");
    auth.payload = payload;
    added[count++] = (struct http_field){"x-amz-date", auth.date};
    added[count++] = (struct http_field){"x-amz-content-sha256", payload};
    if (keys->session_token && keys->session_token[0])
        added[count++] = (struct http_field){"x-amz-security-token", keys->session_token};
    if (request->header_count)
        memcpy(all, request->headers, request->header_count * sizeof(*all));
    memcpy(all + request->header_count, added, count * sizeof(*all));
    full.headers = all;
    full.header_count += count;
    rc = name_headers(arena, all, full.header_count, &auth.signed_headers);
    if (!rc)
        rc = sigv4_canonical(arena, &full, &auth, false, &canonical);
    if (!rc)
        rc = signature_of(arena, canonical, &auth, keys->secret_key, signature);
    if (rc)
        return err_set(err, rc, "the request cannot be signed");
    added[count++] = (struct http_field){
        "Authorization",
        arena_printf(arena,
                     ALGORITHM " Credential=%s/%s/%s/%s/aws4_request,SignedHeaders=%s,"
                               "Signature=%s",
                     keys->access_key, auth.day, keys->region, keys->service, auth.signed_headers,
                     signature)};
    *added_count = count;
    return added[count - 1].value ? 0 : err_set(err, ERR_NOMEM, "signature");
}

int sigv4_presign(struct arena *arena, const struct sigv4_request *request,
                  const struct sigv4_keys *keys, int64_t expires_s, int64_t now_us,
                  const char **query, struct err *err)
{
    struct sigv4_request full = *request;
    struct buf credential = {0}, names = {0}, token = {0};
    struct sigv4_auth auth;
    const char *canonical, *plain;
    char signature[65];
    int rc = request->header_count > SIGV4_HEADERS_MAX ? ERR_LIMIT : 0;

    scope_auth(arena, &auth, keys, now_us);
    auth.payload = SIGV4_UNSIGNED;
    plain = arena_printf(arena, "%s/%s/%s/%s/aws4_request", keys->access_key, auth.day,
                         keys->region, keys->service);
    if (!rc && (!auth.date || !auth.day || !plain))
        rc = ERR_NOMEM;
    if (!rc)
        rc = name_headers(arena, request->headers, request->header_count, &auth.signed_headers);
    if (!rc)
        rc = url_encode(&credential, slice_str(plain), false);
    if (!rc)
        rc = url_encode(&names, slice_str(auth.signed_headers), false);
    if (!rc && keys->session_token && keys->session_token[0]) {
        rc = buf_append_str(&token, "&X-Amz-Security-Token=");
        if (!rc)
            rc = url_encode(&token, slice_str(keys->session_token), false);
    }
    if (!rc)
        full.query = arena_printf(
            arena,
            "%s%sX-Amz-Algorithm=" ALGORITHM "&X-Amz-Credential=%.*s&X-Amz-Date=%s"
            "&X-Amz-Expires=%" PRId64 "&X-Amz-SignedHeaders=%.*s%.*s",
            request->query, request->query[0] ? "&" : "", SLICE_ARG(buf_slice(&credential)),
            auth.date, expires_s, SLICE_ARG(buf_slice(&names)), SLICE_ARG(buf_slice(&token)));
    if (!rc && !full.query)
        rc = ERR_NOMEM;
    if (!rc)
        rc = sigv4_canonical(arena, &full, &auth, false, &canonical);
    if (!rc)
        rc = signature_of(arena, canonical, &auth, keys->secret_key, signature);
    if (!rc)
        *query = arena_printf(arena, "%s&X-Amz-Signature=%s", full.query, signature);
    buf_deinit(&credential);
    buf_deinit(&names);
    buf_deinit(&token);
    return rc || !*query ? err_set(err, rc ? rc : ERR_NOMEM, "the URL cannot be signed") : 0;
}

/* --- chunks of a streamed body ---------------------------------------------------------------- */

int sigv4_chain_init(struct sigv4_chain *chain, const struct sigv4_auth *auth, const char *secret)
{
    int len = snprintf(chain->scope, sizeof(chain->scope), "%s/%s/%s/aws4_request", auth->day,
                       auth->region, auth->service);

    if (len < 0 || len >= (int)sizeof(chain->scope) || strlen(auth->signature) != 64)
        return ERR_INVALID;
    snprintf(chain->date, sizeof(chain->date), "%s", auth->date);
    memcpy(chain->last, auth->signature, 65);
    sigv4_key(secret, auth->day, auth->region, auth->service, chain->key);
    return 0;
}

static void chain_sign(struct sigv4_chain *chain, const char *text, size_t len, char out[65])
{
    uint8_t hash[32];

    hmac_sha256(chain->key, 32, text, len, hash);
    hex_encode(hash, 32, out);
    memcpy(chain->last, out, 65);
}

void sigv4_chain_chunk(struct sigv4_chain *chain, const uint8_t hash[32], char out[65])
{
    char text[512], hex[65];
    int len;

    hex_encode(hash, 32, hex);
    len = snprintf(text, sizeof(text), ALGORITHM "-PAYLOAD\n%s\n%s\n%s\n" SIGV4_EMPTY_SHA256 "\n%s",
                   chain->date, chain->scope, chain->last, hex);
    chain_sign(chain, text, (size_t)len, out);
}

void sigv4_chain_trailer(struct sigv4_chain *chain, struct slice trailer, char out[65])
{
    char text[512], hex[65];
    uint8_t hash[32];
    int len;

    sha256(trailer.ptr, trailer.len, hash);
    hex_encode(hash, 32, hex);
    len = snprintf(text, sizeof(text), ALGORITHM "-TRAILER\n%s\n%s\n%s\n%s", chain->date,
                   chain->scope, chain->last, hex);
    chain_sign(chain, text, (size_t)len, out);
}
