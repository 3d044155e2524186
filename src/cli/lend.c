/* lend.c - keys that the catalog tells its clients: short-lived ones of the S3 face, good for the
 * table's own places alone. The two rooms do not know each other. */
#include "base/json.h"
#include "cli/instance.h"
#include "s3/s3.h"

/* Long jobs read for hours, and not every client knows how to ask again. */
#define LENT_S (12 * 3600)

/* One more statement for a place, into what is there. */
static int add_place(struct arena *arena, json_t *policy, const char *place, struct err *err)
{
    const char *bucket, *key, *text;
    json_t *one = NULL, *statement;
    size_t i;
    int rc = store_split(place, arena, &bucket, &key, err);

    if (rc)
        return rc;
    text = s3_policy_for_prefix(arena, bucket, *key ? arena_printf(arena, "%s/", key) : "", true);
    rc = text ? json_parse(slice_str(text), &one, err) : err_set(err, ERR_NOMEM, "policy");
    json_array_foreach(json_object_get(one, "Statement"), i, statement)
    {
        json_object_del(statement, "Sid"); /* one name must not come twice */
        if (json_array_append(json_object_get(policy, "Statement"), statement))
            rc = err_set(err, ERR_NOMEM, "policy");
    }
    json_decref(one);
    return rc;
}

int instance_lend(void *arg, const char *const *places, size_t count, const char *who,
                  struct arena *arena, struct catalog_lent *out, struct err *err)
{
    struct instance *in = arg;
    const struct s3_credential parent = {in->config->s3.access_key, in->config->s3.secret_key};
    json_t *policy = json_pack("{s:s, s:[]}", "Version", "2012-10-17", "Statement");
    struct s3_session session;
    char *text = NULL;
    int rc = policy ? 0 : err_set(err, ERR_NOMEM, "policy");

    (void)who;
    for (size_t i = 0; !rc && i < count; i++)
        rc = add_place(arena, policy, places[i], err);
    if (!rc && !(text = json_dumps(policy, JSON_COMPACT)))
        rc = err_set(err, ERR_NOMEM, "policy");
    if (!rc)
        rc =
            s3_session_issue(arena, &parent, text, clock_wall_us(in->clock), LENT_S, &session, err);
    if (!rc)
        *out = (struct catalog_lent){.access_key = session.access_key,
                                     .secret_key = session.secret_key,
                                     .session_token = session.token,
                                     .expires_ms = session.expires_us / 1000};
    free(text);
    json_decref(policy);
    return rc;
}
