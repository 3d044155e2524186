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
    {S3_ACCESS_FORBIDDEN, "AccessForbidden", 403,
     "CORSResponse: This CORS request is not allowed."},
    {S3_ACL_NOT_SUPPORTED, "AccessControlListNotSupported", 400, "The bucket does not allow ACLs."},
    {S3_AUTH_HEADER_MALFORMED, "AuthorizationHeaderMalformed", 400,
     "The authorization header is malformed."},
    {S3_AUTH_QUERY_MALFORMED, "AuthorizationQueryParametersError", 400,
     "The presigned query is malformed."},
    {S3_BAD_DIGEST, "BadDigest", 400,
     "The Content-MD5 you specified did not match what we received."},
    {S3_BAD_REQUEST, "BadRequest", 400, "An error occurred when parsing the HTTP request."},
    {S3_BUCKET_ACL_OWNERSHIP, "InvalidBucketAclWithObjectOwnership", 400,
     "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"},
    {S3_BUCKET_EXISTS, "BucketAlreadyOwnedByYou", 409,
     "Your previous request to create the named bucket succeeded and you already own it."},
    {S3_BUCKET_NOT_EMPTY, "BucketNotEmpty", 409, "The bucket you tried to delete is not empty."},
    {S3_CONTENT_SHA256_MISMATCH, "XAmzContentSHA256Mismatch", 400,
     "The provided 'x-amz-content-sha256' header does not match what was computed."},
    {S3_ENTITY_TOO_LARGE, "EntityTooLarge", 400,
     "Your proposed upload exceeds the maximum allowed object size."},
    {S3_ENTITY_TOO_SMALL, "EntityTooSmall", 400,
     "Your proposed upload is smaller than the minimum allowed size"},
    {S3_EXPIRED_TOKEN, "ExpiredToken", 400, "The provided token has expired."},
    {S3_INCOMPLETE_BODY, "IncompleteBody", 400,
     "You did not provide the number of bytes specified by the Content-Length HTTP header"},
    {S3_INTERNAL_ERROR, "InternalError", 500,
     "We encountered an internal error, please try again."},
    {S3_INVALID_ACCESS_KEY, "InvalidAccessKeyId", 403,
     "The AWS Access Key Id you provided does not exist in our records."},
    {S3_INVALID_ARGUMENT, "InvalidArgument", 400, "Invalid Argument"},
    {S3_INVALID_BUCKET_NAME, "InvalidBucketName", 400, "The specified bucket is not valid."},
    {S3_INVALID_BUCKET_STATE, "InvalidBucketState", 409,
     "The request is not valid for the current state of the bucket."},
    {S3_INVALID_CHUNK_SIZE, "InvalidChunkSizeError", 403,
     "Only the last chunk is allowed to have a size less than 8192 bytes"},
    {S3_INVALID_DIGEST, "InvalidDigest", 400, "The Content-Md5 you specified is not valid."},
    {S3_INVALID_PART, "InvalidPart", 400,
     "One or more of the specified parts could not be found.  The part may not have been uploaded, "
     "or the specified entity tag may not match the part's entity tag."},
    {S3_INVALID_PART_NUMBER, "InvalidPartNumber", 416,
     "The requested partnumber is not satisfiable."},
    {S3_INVALID_PART_ORDER, "InvalidPartOrder", 400,
     "The list of parts was not in ascending order. Parts must be ordered by part number."},
    {S3_INVALID_POLICY_DOCUMENT, "InvalidPolicyDocument", 400,
     "The content of the form does not meet the conditions specified in the policy document."},
    {S3_INVALID_RANGE, "InvalidRange", 416, "The requested range is not satisfiable"},
    {S3_INVALID_REDIRECT, "InvalidRedirectLocation", 400,
     "The website redirect location must have a prefix of 'http://' or 'https://' or '/'."},
    {S3_INVALID_REQUEST, "InvalidRequest", 400, "Invalid Request."},
    {S3_INVALID_STORAGE_CLASS, "InvalidStorageClass", 400,
     "The storage class you specified is not valid"},
    {S3_INVALID_TAG, "InvalidTag", 400, "The TagKey you have provided is invalid"},
    {S3_INVALID_TOKEN, "InvalidToken", 400,
     "The provided token is malformed or otherwise invalid."},
    {S3_INVALID_URI, "InvalidURI", 400, "The specified URI couldn't be parsed."},
    {S3_KEY_TOO_LONG, "KeyTooLongError", 400, "Your key is too long."},
    {S3_MALFORMED_ACL, "MalformedACLError", 400,
     "The XML you provided was not well-formed or did not validate against our published schema."},
    {S3_MALFORMED_POLICY, "MalformedPolicy", 400,
     "Policies must be valid JSON and the first byte must be '{'"},
    {S3_MALFORMED_POST, "MalformedPOSTRequest", 400,
     "The body of your POST request is not well-formed multipart/form-data."},
    {S3_MALFORMED_TRAILER, "MalformedTrailerError", 400,
     "The request contained trailing data that was not well-formed or did not conform to our "
     "published schema."},
    {S3_MALFORMED_XML, "MalformedXML", 400,
     "The XML you provided was not well-formed or did not validate against our published schema."},
    {S3_METADATA_TOO_LARGE, "MetadataTooLarge", 400,
     "Your metadata headers exceed the maximum allowed metadata size"},
    {S3_METHOD_NOT_ALLOWED, "MethodNotAllowed", 405,
     "The specified method is not allowed against this resource."},
    {S3_MISSING_BODY, "MissingRequestBodyError", 400, "Request Body is empty"},
    {S3_MISSING_LENGTH, "MissingContentLength", 411,
     "You must provide the Content-Length HTTP header."},
    {S3_NO_SUCH_BUCKET, "NoSuchBucket", 404, "The specified bucket does not exist."},
    {S3_NO_SUCH_CONFIGURATION, "NoSuchConfiguration", 404, "The configuration does not exist."},
    {S3_NO_SUCH_KEY, "NoSuchKey", 404, "The specified key does not exist."},
    {S3_NO_SUCH_UPLOAD, "NoSuchUpload", 404,
     "The specified multipart upload does not exist. The upload ID may be invalid, or the upload "
     "may have been aborted or completed."},
    {S3_NO_SUCH_VERSION, "NoSuchVersion", 404, "The specified version does not exist."},
    {S3_NOT_IMPLEMENTED, "NotImplemented", 501,
     "A header you provided implies functionality that is not implemented."},
    {S3_POST_TOO_LONG, "MaxPostPreDataLengthExceededError", 400,
     "Your POST request fields preceding the upload file were too large."},
    {S3_PRECONDITION_FAILED, "PreconditionFailed", 412,
     "At least one of the pre-conditions you specified did not hold."},
    {S3_REQUEST_EXPIRED, "AccessDenied", 403, "Request has expired."},
    {S3_SIGNATURE_MISMATCH, "SignatureDoesNotMatch", 403,
     "The request signature we calculated does not match the signature you provided. Check your "
     "key and signing method."},
    {S3_SLOW_DOWN, "SlowDown", 503, "Please reduce your request rate."},
    {S3_STORAGE_FULL, "XMinioStorageFull", 507,
     "The disk that holds the objects is full. Please delete a few objects to proceed."},
    {S3_TIME_SKEWED, "RequestTimeTooSkewed", 403,
     "The difference between the request time and the current time is too large."},
};

/* What there is not of a bucket. */
static const struct {
    const char *name, *text;
} absences[] = {
    {"NoSuchBucketPolicy", "The bucket policy does not exist."},
    {"NoSuchTagSet", "The TagSet does not exist."},
    {"NoSuchCORSConfiguration", "The CORS configuration does not exist"},
    {"NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"},
    {"NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration"},
    {"OwnershipControlsNotFoundError", "The bucket ownership controls were not found."},
    {"ObjectLockConfigurationNotFoundError",
     "Object Lock configuration does not exist for this bucket."},
    {"ServerSideEncryptionConfigurationNotFoundError",
     "The server side encryption configuration was not found"},
    {"ReplicationConfigurationNotFoundError", "The replication configuration was not found"},
    {"NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found"},
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

void s3_error_detail(struct s3_call *call, const char *name, const char *value)
{
    if (value && call->detail_count < COUNT_OF(call->details))
        call->details[call->detail_count++] = (struct http_field){name, value};
}

void s3_argument(struct s3_call *call, const char *name, const char *value, const char *text)
{
    s3_error_detail(call, "ArgumentName", name);
    s3_error_detail(call, "ArgumentValue", value ? value : "null");
    s3_error(call, S3_INVALID_ARGUMENT, "%s", text);
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
    if (code == S3_NO_SUCH_CONFIGURATION && call->op && call->op->absent) {
        name = call->op->absent;
        for (size_t i = 0; i < COUNT_OF(absences) && !fmt; i++)
            if (strcmp(absences[i].name, name) == 0)
                snprintf(text, sizeof(text), "%s", absences[i].text);
    }
    http_reply_clear(call->reply);
    buf_append_str(&xml, "<Error>");
    xml_element(&xml, "Code", name);
    xml_element(&xml, "Message", text);
    for (size_t i = 0; i < call->detail_count; i++)
        xml_element(&xml, call->details[i].name, call->details[i].value);
    call->detail_count = 0;
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
