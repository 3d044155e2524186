/* http_once.c - requests with an Idempotency-Key: done once, answered as often as asked.
 *
 * REST catalog specification, parameter "Idempotency-Key": a key whose request succeeded, or was
 * refused for good, gets an equivalent answer without being run again; the answer to a success is
 * what the catalog holds now. A failure of ours (5xx) and a refusal that may pass (login, limits)
 * are not kept. The key becomes durable with the change it names (once.c).
 */
#include "base/codec.h"
#include "catalog/http_int.h"

/* 8-4-4-4-12 hexadecimal digits. */
static bool is_uuid(const char *text)
{
    for (size_t i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? text[i] != '-' : !strchr("0123456789abcdefABCDEF", text[i]) || !text[i])
            return false;
    }
    return text[36] == '\0';
}

/* Two requests under one key are the same when method, path and body are. */
static int64_t print_of(struct rest_call *call)
{
    const char *method = http_method(call->req), *path = http_path(call->req);
    struct slice body = http_body(call->req);
    uint64_t hash = hash64(method, strlen(method), 0);

    hash = hash64(path, strlen(path), hash);
    hash = hash64(http_raw_query(call->req), strlen(http_raw_query(call->req)), hash);
    return (int64_t)(hash64(body.ptr, body.len, hash) >> 1);
}

static int reply_kept(struct rest_call *call, const struct catalog_once_answer *answer,
                      struct err *err)
{
    json_t *json = NULL;
    int rc;

    if (answer->body) {
        rc = json_parse(slice_str(answer->body), &json, err);
        return rc ? rc : rest_reply(call, answer->status ? answer->status : 200, json, err);
    }
    if (call->op->again)
        return call->op->again(call, err);
    http_status(call->reply, 204);
    return 0;
}

static int find(struct rest_call *call, const struct catalog_once *once, bool *found,
                struct err *err)
{
    struct catalog_once_answer answer;
    int rc = catalog_once_find(call->catalog, once->key, call->arena, &answer, err);

    *found = answer.found;
    if (rc || !answer.found)
        return rc;
    if (answer.print != once->print)
        return rest_fail(call, 422, "UnprocessableEntityException",
                         "Idempotency-Key was used for another request");
    return reply_kept(call, &answer, err);
}

static bool is_final(int status)
{
    return status >= 400 && status < 500 && status != 401 && status != 403 && status != 413 &&
           status != 419 && status != 429;
}

int rest_run_once(struct rest_call *call, rest_fn *run, struct err *err)
{
    const char *key = http_header(call->req, "Idempotency-Key");
    struct catalog_once once;
    bool found = false;
    int rc;

    if (!key || !(call->op->flags & REST_ONCE))
        return run(call, err);
    if (!is_uuid(key))
        return err_set(err, ERR_INVALID, "Idempotency-Key: not a UUID: '%.60s'", key);
    once = (struct catalog_once){.key = key, .print = print_of(call)};
    rc = find(call, &once, &found, err);
    if (rc || found)
        return rc;
    catalog_once_set(&once);
    rc = run(call, err);
    catalog_once_set(NULL);
    if (rc == ERR_AGAIN) { /* the same request, by another connection, was faster */
        rc = find(call, &once, &found, err);
        return rc || found ? rc : err_set(err, ERR_BUSY, "Idempotency-Key is in use");
    }
    if (rc)
        rest_fail_with(call, rc, err);
    if (call->error && is_final(call->error_status))
        catalog_once_refused(call->catalog, &once, call->error_status, call->error, NULL);
    return 0;
}
