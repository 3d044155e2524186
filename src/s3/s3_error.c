/* s3_error.c - errors in the words of the S3 API: code, HTTP status, sentence. */
#include <stdarg.h>
#include <stdio.h>

#include "s3/s3_int.h"

static const struct {
    enum s3_code code;
    const char *name;
    int status;
    const char *text;
} codes[] = {
    {S3_ACCESS_DENIED, "AccessDenied", 403, "Access Denied."},
    {S3_AUTH_HEADER_MALFORMED, "AuthorizationHeaderMalformed", 400,
     "The authorization header is malformed."},
    {S3_AUTH_QUERY_MALFORMED, "AuthorizationQueryParametersError", 400,
     "The presigned query is malformed."},
    {S3_BAD_DIGEST, "BadDigest", 400, "The digest given is not that of the bytes received."},
    {S3_BUCKET_EXISTS, "BucketAlreadyOwnedByYou", 409, "The bucket exists already and is yours."},
    {S3_BUCKET_NOT_EMPTY, "BucketNotEmpty", 409, "The bucket is not empty."},
    {S3_CONTENT_SHA256_MISMATCH, "XAmzContentSHA256Mismatch", 400,
     "x-amz-content-sha256 is not the SHA-256 of the bytes received."},
    {S3_ENTITY_TOO_LARGE, "EntityTooLarge", 400, "The body is larger than allowed."},
    {S3_ENTITY_TOO_SMALL, "EntityTooSmall", 400,
     "A part other than the last is smaller than 5 MiB."},
    {S3_INCOMPLETE_BODY, "IncompleteBody", 400,
     "The body has not the length that the headers tell."},
    {S3_INTERNAL_ERROR, "InternalError", 500, "Something failed inside. Please try again."},
    {S3_INVALID_ACCESS_KEY, "InvalidAccessKeyId", 403, "The access key is not known here."},
    {S3_INVALID_ARGUMENT, "InvalidArgument", 400, "An argument is not valid."},
    {S3_INVALID_BUCKET_NAME, "InvalidBucketName", 400,
     "Bucket names are 3 to 63 of a-z, 0-9, '.' and '-', beginning and ending with a letter or "
     "digit."},
    {S3_INVALID_DIGEST, "InvalidDigest", 400, "The digest given is not one."},
    {S3_INVALID_PART, "InvalidPart", 400,
     "A part was not uploaded, or its ETag is another than the one listed."},
    {S3_INVALID_PART_NUMBER, "InvalidPartNumber", 416, "The object has no such part."},
    {S3_INVALID_PART_ORDER, "InvalidPartOrder", 400, "The parts are not listed in order."},
    {S3_INVALID_RANGE, "InvalidRange", 416, "The range lies outside of the object."},
    {S3_INVALID_REQUEST, "InvalidRequest", 400, "The request is not valid."},
    {S3_INVALID_URI, "InvalidURI", 400, "The URI cannot be read."},
    {S3_KEY_TOO_LONG, "KeyTooLongError", 400, "The key is longer than 1024 bytes."},
    {S3_MALFORMED_XML, "MalformedXML", 400, "The XML is not well formed or not what is expected."},
    {S3_METADATA_TOO_LARGE, "MetadataTooLarge", 400, "The metadata is too large."},
    {S3_METHOD_NOT_ALLOWED, "MethodNotAllowed", 405, "The method is not allowed here."},
    {S3_MISSING_LENGTH, "MissingContentLength", 411, "Content-Length is missing."},
    {S3_NO_SUCH_BUCKET, "NoSuchBucket", 404, "The bucket does not exist."},
    {S3_NO_SUCH_CONFIGURATION, "NoSuchConfiguration", 404, "The configuration does not exist."},
    {S3_NO_SUCH_KEY, "NoSuchKey", 404, "The key does not exist."},
    {S3_NO_SUCH_UPLOAD, "NoSuchUpload", 404, "The upload does not exist or has ended."},
    {S3_NOT_IMPLEMENTED, "NotImplemented", 501, "This is not implemented."},
    {S3_PRECONDITION_FAILED, "PreconditionFailed", 412, "A condition of the request is not met."},
    {S3_REQUEST_EXPIRED, "AccessDenied", 403, "Request has expired."},
    {S3_SIGNATURE_MISMATCH, "SignatureDoesNotMatch", 403,
     "The signature is not the one that the secret key gives. Check the key and the method of "
     "signing."},
    {S3_SLOW_DOWN, "SlowDown", 503, "Please reduce the rate of requests."},
    {S3_STORAGE_FULL, "InsufficientCapacity", 507, "The disk is full."},
    {S3_TIME_SKEWED, "RequestTimeTooSkewed", 403,
     "The clocks of client and server are more than 15 minutes apart."},
};

static size_t row_of(enum s3_code code)
{
    for (size_t i = 0; i < COUNT_OF(codes); i++)
        if (codes[i].code == code)
            return i;
    return row_of(S3_INTERNAL_ERROR);
}

const char *s3_code_name(enum s3_code code)
{
    return codes[row_of(code)].name;
}

void s3_error(struct s3_call *call, enum s3_code code, const char *fmt, ...)
{
    size_t row = row_of(code);
    const char *name = codes[row].name;
    struct buf xml = {0};
    char text[600];
    va_list args;

    snprintf(text, sizeof(text), "%s", codes[row].text);
    if (fmt) {
        va_start(args, fmt);
        vsnprintf(text, sizeof(text), fmt, args);
        va_end(args);
    }
    if (code == S3_NO_SUCH_CONFIGURATION && call->op && call->op->absent)
        name = call->op->absent;
    http_reply_clear(call->reply);
    buf_append_str(&xml, "<Error>");
    xml_element(&xml, "Code", name);
    xml_element(&xml, "Message", text);
    if (call->bucket)
        xml_element(&xml, "BucketName", call->bucket);
    if (call->key)
        xml_element(&xml, "Key", call->key);
    xml_element(&xml, "Resource", http_path(call->req));
    xml_element(&xml, "RequestId", call->request_id);
    buf_append_str(&xml, "</Error>");
    s3_reply_xml(call, &xml);
    http_status(call->reply, codes[row].status);
}

/* Our codes as the API's; a missing thing is the bucket when that is missing, and else the key. */
enum s3_code s3_code_of(struct s3_call *call, int rc)
{
    static const struct {
        int rc;
        enum s3_code code;
    } map[] = {
        {ERR_EXISTS, S3_PRECONDITION_FAILED},
        {ERR_CONFLICT, S3_PRECONDITION_FAILED},
        {ERR_INVALID, S3_INVALID_ARGUMENT},
        {ERR_RANGE, S3_INVALID_RANGE},
        {ERR_DENIED, S3_ACCESS_DENIED},
        {ERR_UNSUPPORTED, S3_NOT_IMPLEMENTED},
        {ERR_LIMIT, S3_KEY_TOO_LONG},
        {ERR_NOSPC, S3_STORAGE_FULL},
        {ERR_AGAIN, S3_SLOW_DOWN},
        {ERR_BUSY, S3_SLOW_DOWN},
        {ERR_TIMEOUT, S3_SLOW_DOWN},
    };
    struct store *store = call->server->store;

    int bucket = 0;

    if ((rc == ERR_NOENT || rc == ERR_INVALID) && call->bucket)
        bucket = store->ops->bucket_check(store, call->bucket, NULL);
    if (bucket)
        return bucket == ERR_INVALID ? S3_INVALID_BUCKET_NAME : S3_NO_SUCH_BUCKET;
    if (rc == ERR_NOENT)
        return S3_NO_SUCH_KEY;
    for (size_t i = 0; i < COUNT_OF(map); i++)
        if (map[i].rc == rc)
            return map[i].code;
    return S3_INTERNAL_ERROR;
}

void s3_fail(struct s3_call *call, int rc, const struct err *err)
{
    enum s3_code code = s3_code_of(call, rc);

    if (code == S3_INTERNAL_ERROR)
        diag_error("s3", "%s %s: %s", call->op ? call->op->name : "request", http_path(call->req),
                   err && err->text[0] ? err->text : err_name(rc));
    if (err && err->text[0] && (code == S3_INVALID_ARGUMENT || code == S3_NOT_IMPLEMENTED))
        s3_error(call, code, "%s", err->text);
    else
        s3_error(call, code, NULL);
}
