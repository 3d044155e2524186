/* store_s3_try.c - one request to an S3 endpoint, tried as often as makes sense.
 *
 * What may pass is tried again: 5xx, 429, timeouts, broken connections, and the few 4xx that S3
 * defines as "try again". Waits double and are spread; Retry-After is heeded. Two budgets end it:
 * the time of one call, and, for the store as a whole, tokens that failures take and successes give
 * back, so that an endpoint in trouble is not asked ever more (the retry quota of AWS' SDKs). The
 * error at the end says what the server said, how often it was tried, and what to do.
 */
#include <stdio.h>
#include <strings.h>

#include "base/codec.h"
#include "store/store_s3.h"

#define TRIES       8
#define WAIT_MS     100 /* before the second try; doubles */
#define WAIT_MAX_MS 5000
#define AFTER_MAX_S 20                        /* of a Retry-After */
#define TRIES_SLOW  3     /* where they take long: a watcher is to hear within a minute */
#define SLOW_MS     45000 /* of trying and waiting, for one call */
#define IDLE_MS     15000 /* without a byte */
#define CALL_MS     ((int64_t)10 * 60 * 1000) /* one attempt, at most */
#define SLICE_MS    100                       /* of a wait */

static const char *url_of(struct remote *remote, struct arena *arena, const struct request *request)
{
    struct buf path = {0};
    const char *url = NULL;
    int rc = url_encode(&path, slice_str(request->key), true);
    const char *query = request->query ? request->query : "";

    if (!rc && (remote->path_style || !request->bucket[0]))
        url = arena_printf(arena, "%s://%s/%s%s%.*s%s%s", remote->url.scheme, remote->url.authority,
                           request->bucket, request->key[0] ? "/" : "", SLICE_ARG(buf_slice(&path)),
                           query[0] ? "?" : "", query);
    else if (!rc)
        url = arena_printf(arena, "%s://%s.%s/%.*s%s%s", remote->url.scheme, request->bucket,
                           remote->url.authority, SLICE_ARG(buf_slice(&path)), query[0] ? "?" : "",
                           query);
    buf_deinit(&path);
    return url;
}

/* --- what an answer means --------------------------------------------------------------------- */

enum fate {
    FATE_FINAL,
    FATE_AGAIN,  /* it may pass; a write may have been done */
    FATE_REFUSED /* it may pass; surely nothing was done */
};

/* Codes that say more than their status; "What it means" ends the error's sentence. */
static const struct meaning {
    const char *code;
    enum fate fate;
    int rc; /* 0: the status's */
    const char *remedy;
} meanings[] = {
    {"SlowDown", FATE_REFUSED, ERR_BUSY, "the endpoint asks for fewer requests: try later"},
    {"SlowDownRead", FATE_REFUSED, ERR_BUSY, "the endpoint asks for fewer requests: try later"},
    {"SlowDownWrite", FATE_REFUSED, ERR_BUSY, "the endpoint asks for fewer requests: try later"},
    {"TooManyRequests", FATE_REFUSED, ERR_BUSY, "the endpoint asks for fewer requests: try later"},
    {"RequestTimeout", FATE_AGAIN, ERR_TIMEOUT, "the network to the endpoint is too slow"},
    {"ConditionalRequestConflict", FATE_REFUSED, ERR_BUSY, "somebody else writes the same key"},
    {"OperationAborted", FATE_REFUSED, ERR_BUSY, "somebody else changes the same bucket"},
    {"InvalidAccessKeyId", FATE_FINAL, ERR_DENIED, "is 'store.access_key' right?"},
    {"SignatureDoesNotMatch", FATE_FINAL, ERR_DENIED, "is 'store.secret_key' right?"},
    {"ExpiredToken", FATE_FINAL, ERR_DENIED, "the session's keys have expired: get new ones"},
    {"AccessDenied", FATE_FINAL, ERR_DENIED, "may 'store.access_key' do this to this bucket?"},
    {"RequestTimeTooSkewed", FATE_FINAL, ERR_DENIED,
     "the clocks of this machine and the endpoint are too far apart: set them"},
    {"AuthorizationHeaderMalformed", FATE_FINAL, ERR_DENIED, "is 'store.region' right?"},
    {"PermanentRedirect", FATE_FINAL, ERR_INVALID,
     "the bucket is elsewhere: are 'store.endpoint' and 'store.region' right?"},
    {"NoSuchBucket", FATE_FINAL, 0, "make the bucket, or name one that is there"},
    {"EntityTooLarge", FATE_FINAL, ERR_LIMIT, "the endpoint takes no object of this size"},
    {"QuotaExceeded", FATE_FINAL, ERR_NOSPC, "make room at the endpoint, or raise its quota"},
};

static int code_of_status(int status)
{
    static const struct {
        int status, code;
    } map[] = {
        {301, ERR_INVALID},  {307, ERR_INVALID}, {400, ERR_INVALID},  {401, ERR_DENIED},
        {403, ERR_DENIED},   {404, ERR_NOENT},   {409, ERR_CONFLICT}, {411, ERR_INVALID},
        {412, ERR_CONFLICT}, {416, ERR_RANGE},   {429, ERR_BUSY},     {501, ERR_UNSUPPORTED},
        {507, ERR_NOSPC},
    };

    for (size_t i = 0; i < COUNT_OF(map); i++)
        if (map[i].status == status)
            return map[i].code;
    return ERR_IO;
}

/* What came of one try. */
struct outcome {
    int rc;                        /* of the connection; the answer's status is in the request */
    const char *code, *message;    /* of the error's XML, in the arena; "" */
    const struct meaning *meaning; /* NULL: nothing special */
    enum fate fate;
};

static void read_error(const struct request *request, struct arena *arena, struct outcome *out)
{
    const char *path, *text;
    struct xml xml;
    int rc;

    xml_init(&xml, arena, request->into ? buf_slice(request->into) : slice_of(NULL, 0));
    while (xml_next(&xml, &path, &text, &rc, NULL)) {
        if (strcmp(path, "Error/Code") == 0)
            out->code = text;
        if (strcmp(path, "Error/Message") == 0)
            out->message = text;
    }
    xml_deinit(&xml);
}

static void judge(const struct request *request, struct arena *arena, struct outcome *out)
{
    int status = request->answer.status;

    out->code = out->message = "";
    out->meaning = NULL;
    out->fate = FATE_FINAL;
    if (out->rc) {
        bool passes = out->rc == ERR_IO || out->rc == ERR_TIMEOUT;

        out->fate = !passes ? FATE_FINAL : request->answer.maybe_done ? FATE_AGAIN : FATE_REFUSED;
        return;
    }
    if (status < 300)
        return;
    if (status == 429)
        out->fate = FATE_REFUSED;
    else if (status == 408 || (status >= 500 && status != 501 && status != 507))
        out->fate =
            FATE_AGAIN; /* a 5xx may come after the deed too: from a proxy, or from a liar */
    read_error(request, arena, out);
    for (size_t i = 0; i < COUNT_OF(meanings); i++)
        if (strcmp(meanings[i].code, out->code) == 0) {
            out->meaning = &meanings[i];
            out->fate = meanings[i].fate;
        }
}

/* --- again, or not ---------------------------------------------------------------------------- */

static bool take_tokens(struct remote *remote)
{
    bool enough;

    pthread_mutex_lock(&remote->lock);
    enough = remote->tokens >= REMOTE_RETRY_COST;
    if (enough)
        remote->tokens -= REMOTE_RETRY_COST;
    pthread_mutex_unlock(&remote->lock);
    return enough;
}

static void give_token(struct remote *remote)
{
    pthread_mutex_lock(&remote->lock);
    if (remote->tokens < REMOTE_TOKENS)
        remote->tokens++;
    pthread_mutex_unlock(&remote->lock);
}

/* Milliseconds to wait before try `try`, spread so that many do not come back at once. */
static int64_t wait_of(struct remote *remote, const struct request *request, int try)
{
    const char *after = http_answer_header(&request->answer, "retry-after");
    int64_t ms = (int64_t)WAIT_MS << (try - 1), asked_s;

    ms = ms < WAIT_MAX_MS ? ms : WAIT_MAX_MS;
    pthread_mutex_lock(&remote->lock);
    ms = ms / 2 + (int64_t)rng_below(&remote->rng, (uint64_t)ms);
    pthread_mutex_unlock(&remote->lock);
    if (after && slice_to_i64(slice_str(after), &asked_s) == 0 && asked_s > 0) {
        asked_s = asked_s < AFTER_MAX_S ? asked_s : AFTER_MAX_S;
        ms = ms > asked_s * 1000 ? ms : asked_s * 1000 + ms / 4;
    }
    return ms;
}

/* Milliseconds that are left once the process is about to end; INT64_MAX: it is not. */
static int64_t time_left(struct remote *remote)
{
    int64_t until = atomic_load(&remote->hurry_ms);

    return until ? until - clock_mono_ms(remote->clock) : INT64_MAX;
}

/* false: the time is up. */
static bool pause_before_try(struct remote *remote, int64_t ms)
{
    while (ms > 0 && time_left(remote) > 0) {
        int64_t slice = ms < SLICE_MS ? ms : SLICE_MS;

        remote->clock->sleep_ns(remote->clock, slice * 1000000);
        ms -= slice;
    }
    return time_left(remote) > 0;
}

static int attempt(struct remote *remote, struct request *request, struct arena *arena,
                   struct err *err)
{
    struct http_call call = {.method = request->method,
                             .url = url_of(remote, arena, request),
                             .headers = request->headers,
                             .body = request->body,
                             .body_file = request->file,
                             .body_pos = request->pos,
                             .body_len = request->len,
                             .keys = &remote->keys,
                             .payload = request->payload,
                             .clock = remote->clock,
                             .into = request->into,
                             .take = request->take,
                             .take_arg = request->take_arg,
                             .total_timeout_ms = CALL_MS,
                             .idle_timeout_ms =
                                 request->idle_timeout_ms ? request->idle_timeout_ms : IDLE_MS};

    if (atomic_load(&remote->hurry_ms)) /* what moves may take its time all the same */
        call.idle_timeout_ms = REMOTE_HURRY_MS;
    while (call.header_count < COUNT_OF(request->headers) &&
           request->headers[call.header_count].name)
        call.header_count++;
    if (!call.url)
        return err_set(err, ERR_NOMEM, "url");
    return http_client_call(remote->client, &call, arena, &request->answer, err);
}

/* The sentence at the end: what happened, how often, what to do. */
static int explain(const struct request *request, const struct outcome *outcome, int tries,
                   int64_t waited_ms, bool no_tokens, struct err *err)
{
    const char *remedy = outcome->meaning ? outcome->meaning->remedy : NULL;
    int rc = outcome->rc ? outcome->rc : code_of_status(request->answer.status);
    char again[120] = "";

    if (outcome->meaning && outcome->meaning->rc)
        rc = outcome->meaning->rc;
    if (tries > 1 || no_tokens)
        snprintf(again, sizeof(again), "; tried %d times in %.1f s%s", tries,
                 (double)waited_ms / 1000,
                 no_tokens ? ", and not more because the endpoint fails too often" : "");
    if (outcome->rc) {
        if (!remedy && tries > 1)
            remedy = "is the endpoint up, and 'store.endpoint' right?";
        if (err) /* it names the call and the address already */
            err->code = rc;
        if (err && (again[0] || remedy)) {
            size_t len = strlen(err->text);

            snprintf(err->text + len, sizeof(err->text) - len, "%s%s%s", again, remedy ? ": " : "",
                     remedy ? remedy : "");
        }
        return rc;
    }
    return err_set(err, rc, "%s %s/%s: HTTP %d %.60s%s%.200s%s%s%s", request->method,
                   request->bucket, request->key, request->answer.status, outcome->code,
                   outcome->message[0] ? ": " : "", outcome->message, again, remedy ? ": " : "",
                   remedy ? remedy : "");
}

int remote_run(struct remote *remote, struct request *request, struct arena *arena, struct err *err)
{
    size_t begin = request->into ? request->into->len : 0;
    struct outcome outcome = {0};
    int64_t waited_ms = 0, began_ms = clock_mono_ms(remote->clock);
    bool no_tokens = false;
    int try = 0;

    for (;;) {
        int64_t wait_ms;

        if (request->into)
            request->into->len = begin;
        if (request->restart)
            request->restart(request->take_arg, request);
        outcome.rc = attempt(remote, request, arena, err);
        try++;
        judge(request, arena, &outcome);
        request->maybe_done |= outcome.fate == FATE_AGAIN;
        if (outcome.fate == FATE_FINAL || try == TRIES)
            break;
        wait_ms = wait_of(remote, request, try);
        no_tokens = !take_tokens(remote);
        if (no_tokens ||
            (try >= TRIES_SLOW && clock_mono_ms(remote->clock) + wait_ms - began_ms > SLOW_MS))
            break;
        if (!pause_before_try(remote, wait_ms))
            break;
        waited_ms += wait_ms;
    }
    if (!outcome.rc && request->answer.status >= 200 && request->answer.status < 300) {
        give_token(remote);
        return 0;
    }
    if (request->into)
        request->into->len = begin;
    return explain(request, &outcome, try, waited_ms, no_tokens, err);
}

int remote_settle(const struct request *request, int rc, struct err *err)
{
    char why[400];

    if (!rc || !request->maybe_done || (rc != ERR_IO && rc != ERR_TIMEOUT && rc != ERR_BUSY))
        return rc;
    snprintf(why, sizeof(why), "%.399s", err ? err->text : "");
    return err_set(err, ERR_UNKNOWN, "%s; it may have been done all the same", why);
}
