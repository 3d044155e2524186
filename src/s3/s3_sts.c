/* s3_sts.c - STS AssumeRole on the S3 port, as MinIO has it: short-lived keys for whoever holds a
 * key, narrowed by a policy if one is sent. "AWS Security Token Service API Reference". */
#include <stdio.h>
#include <strings.h>

#include "net/url.h"
#include "s3/s3_int.h"

#define STS_XMLNS " xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\""

/* A parameter of the form, or of the query; NULL: absent. */
static const char *parameter(struct s3_call *call, const char *wanted)
{
    struct slice rest = buf_slice(&call->body.text), name, value;
    const char *text = NULL;

    while (url_query_next(&rest, &name, &value))
        if (slice_is(name, wanted))
            return url_decode(call->arena, value, true, &text) ? NULL : text;
    return s3_query(call, wanted);
}

static void refuse(struct s3_call *call, int status, const char *code, const char *text)
{
    struct buf xml = {0};

    buf_append_str(&xml, "<ErrorResponse" STS_XMLNS "><Error><Type>Sender</Type>");
    xml_element(&xml, "Code", code);
    xml_element(&xml, "Message", text);
    buf_append_str(&xml, "</Error>");
    xml_element(&xml, "RequestId", call->request_id);
    buf_append_str(&xml, "</ErrorResponse>");
    s3_reply_xml(call, &xml);
    http_status(call->reply, status);
}

static void reply_session(struct s3_call *call, const struct s3_session *session)
{
    const char *name = parameter(call, "RoleSessionName"), *role = parameter(call, "RoleArn");
    struct buf xml = {0}, arn = {0};
    char date[32];

    s3_iso_date(session->expires_us, date);
    buf_append_str(&xml, "<AssumeRoleResponse" STS_XMLNS "><AssumeRoleResult><Credentials>");
    xml_element(&xml, "AccessKeyId", session->access_key);
    xml_element(&xml, "SecretAccessKey", session->secret_key);
    xml_element(&xml, "SessionToken", session->token);
    xml_element(&xml, "Expiration", date);
    buf_append_str(&xml, "</Credentials><AssumedRoleUser>");
    buf_printf(&arn, "%s/%s", role && role[0] ? role : "arn:tarn:sts:::assumed-role",
               name && name[0] ? name : call->credential->access_key);
    xml_element(&xml, "Arn", buf_cstr(&arn) ? (const char *)arn.ptr : "");
    xml_element(&xml, "AssumedRoleId", session->access_key);
    buf_append_str(&xml, "</AssumedRoleUser></AssumeRoleResult><ResponseMetadata>");
    xml_element(&xml, "RequestId", call->request_id);
    buf_append_str(&xml, "</ResponseMetadata></AssumeRoleResponse>");
    buf_deinit(&arn);
    s3_reply_xml(call, &xml);
}

static void assume_role(struct s3_call *call)
{
    const char *action = parameter(call, "Action"), *duration = parameter(call, "DurationSeconds");
    const char *policy = parameter(call, "Policy");
    struct s3_session session;
    struct err err = {0};
    int64_t seconds = 3600;
    int rc;

    if (!action || strcmp(action, "AssumeRole"))
        refuse(call, 400, "InvalidAction", "AssumeRole is the one action there is.");
    else if (!call->credential || call->is_session)
        refuse(call, 403, "AccessDenied", "AssumeRole needs a key that is not short-lived.");
    else if (duration && slice_to_i64(slice_str(duration), &seconds))
        refuse(call, 400, "ValidationError", "DurationSeconds is not a number.");
    else {
        rc = s3_session_issue(call->arena, call->credential, policy,
                              clock_wall_us(call->server->clock), seconds, &session, &err);
        if (rc == ERR_INVALID)
            refuse(call, 400,
                   strncmp(err.text, "DurationSeconds", 15) ? "MalformedPolicyDocument"
                                                            : "ValidationError",
                   err.text);
        else if (rc)
            refuse(call, 500, "InternalFailure", err.text);
        else
            reply_session(call, &session);
    }
}

const struct s3_op s3_sts_ops[] = {
    {"AssumeRole", "POST", S3_SERVICE, .sink = S3_TO_TEXT, .run = assume_role, .asks_itself = true},
    {0},
};
