/* s3_test.c - the server over HTTP with our own client and signer: what real clients rarely do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/disk_sim.h"
#include "net/http_client.h"
#include "s3/s3_int.h"

#define NOW_US (INT64_C(1369353600) * 1000000)

static const struct sigv4_keys admin = {"admin", "password", NULL, "us-east-1", "s3"};

struct fixture {
    struct disk *disk;     /* the system's, that fails writes with `fail_with` */
    _Atomic int fail_with; /* 0: does not */
    struct s3_server *server;
    struct store *store;
    struct http_client *client;
    struct clock_fake clock;
    struct arena arena;
    struct http_answer answer; /* of the last request */
    struct buf body;
    char dir[64];
};

static int on_disk(void *arg, enum disk_call call, const char *path)
{
    (void)path;
    return call == CALL_PWRITE ? atomic_load(&((struct fixture *)arg)->fail_with) : 0;
}

static void start(struct fixture *fix, bool anonymous_read)
{
    const struct store_local_options local = {fix->dir, fix->disk, clock_system()};
    const struct s3_credential credentials[] = {{"admin", "password"}, {"second", "secret"}};
    struct s3_options options = {.clock = &fix->clock.clock,
                                 .credentials = credentials,
                                 .credential_count = 2,
                                 .domain = "s3.test",
                                 .anonymous_read = anonymous_read};
    struct err err = {0};

    assert_int_equal(store_local_new(&fix->store, &local, &err), 0);
    options.store = fix->store;
    if (s3_server_new(&fix->server, &options, &err))
        fail_msg("%s", err.text);
}

static void stop(struct fixture *fix)
{
    s3_server_free(fix->server);
    store_free(fix->store);
    fix->server = NULL;
    fix->store = NULL;
}

static int set_up(void **state)
{
    struct fixture *fix = calloc(1, sizeof(*fix));
    const struct http_client_options options = {0};

    snprintf(fix->dir, sizeof(fix->dir), "/tmp/s3_test.%d", (int)getpid());
    disk_remove_tree(disk_system(), fix->dir, NULL);
    clock_fake_init(&fix->clock, NOW_US);
    assert_int_equal(disk_fault_new(&fix->disk, disk_system(), on_disk, fix, NULL), 0);
    start(fix, false);
    assert_int_equal(fix->store->ops->bucket_make(fix->store, "lake", NULL), 0);
    assert_int_equal(http_client_new(&fix->client, &options, NULL), 0);
    *state = fix;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fix = *state;

    stop(fix);
    disk_fault_free(fix->disk);
    http_client_free(fix->client);
    disk_remove_tree(disk_system(), fix->dir, NULL);
    buf_deinit(&fix->body);
    arena_deinit(&fix->arena);
    free(fix);
    return 0;
}

struct ask {
    const char *method, *path;
    struct http_field headers[8];
    struct slice body;
    const struct sigv4_keys *keys;
    const char *payload;
    int64_t skew_us;
};

/* Gives the status; what came stays in the fixture. */
static int ask(struct fixture *fix, struct ask asked)
{
    struct clock_fake clock;
    struct http_call call = {.method = asked.method,
                             .headers = asked.headers,
                             .body = asked.body,
                             .keys = asked.keys,
                             .payload = asked.payload,
                             .clock = &clock.clock,
                             .into = &fix->body};
    struct err err = {0};

    clock_fake_init(&clock, NOW_US + asked.skew_us);
    arena_reset(&fix->arena);
    buf_clear(&fix->body);
    while (call.header_count < 8 && asked.headers[call.header_count].name)
        call.header_count++;
    call.url =
        arena_printf(&fix->arena, "http://127.0.0.1:%d%s", s3_server_port(fix->server), asked.path);
    if (http_client_call(fix->client, &call, &fix->arena, &fix->answer, &err))
        fail_msg("%s", err.text);
    assert_non_null(buf_cstr(&fix->body));
    return fix->answer.status;
}

#define ASK(...)    ask(fix, (struct ask){__VA_ARGS__})
#define SIGNED(...) ask(fix, (struct ask){__VA_ARGS__, .keys = &admin})

static bool has(struct fixture *fix, const char *text)
{
    return strstr(buf_cstr(&fix->body), text) != NULL;
}

static const char *header(struct fixture *fix, const char *name)
{
    const char *value = http_answer_header(&fix->answer, name);

    return value ? value : "";
}

static void refuses_who_is_not_known(void **state)
{
    const struct sigv4_keys wrong = {"admin", "passwort", NULL, "us-east-1", "s3"};
    const struct sigv4_keys unknown = {"nobody", "password", NULL, "us-east-1", "s3"};
    const struct sigv4_keys second = {"second", "secret", NULL, "anywhere", "s3"};
    struct fixture *fix = *state;

    assert_int_equal(ASK("GET", "/"), 403);
    assert_true(has(fix, "<Code>AccessDenied</Code>"));
    assert_int_equal(ASK("GET", "/lake/k"), 403);
    assert_int_equal(ASK("GET", "/", .keys = &wrong), 403);
    assert_true(has(fix, "<Code>SignatureDoesNotMatch</Code>"));
    assert_int_equal(ASK("GET", "/", .keys = &unknown), 403);
    assert_true(has(fix, "<Code>InvalidAccessKeyId</Code>"));
    assert_int_equal(ASK("GET", "/", .keys = &second), 200);
    assert_true(has(fix, "<Name>lake</Name>"));
    assert_int_equal(ASK("GET", "/", {{"Authorization", "AWS admin:c2ln"}}), 400);
    assert_true(has(fix, "Please use AWS4-HMAC-SHA256"));
    assert_true(has(fix, "<Code>InvalidRequest</Code>"));
    assert_int_equal(ASK("GET", "/lake/k?AWSAccessKeyId=admin&Expires=1&Signature=c2ln"), 400);
    assert_true(has(fix, "Please use AWS4-HMAC-SHA256"));
    assert_int_equal(ASK("GET", "/", {{"Authorization", "AWS4-HMAC-SHA256 nonsense"}}), 400);
    assert_true(has(fix, "<Code>AuthorizationHeaderMalformed</Code>"));
    assert_int_equal(ASK("GET", "/minio/health/live"), 200);
    assert_int_equal(fix->body.len, 0);
    assert_int_equal(ASK("HEAD", "/minio/health/ready"), 200);
}

static void refuses_clocks_that_differ(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(SIGNED("GET", "/", .skew_us = INT64_C(899) * 1000000), 200);
    assert_int_equal(SIGNED("GET", "/", .skew_us = INT64_C(901) * 1000000), 403);
    assert_true(has(fix, "<Code>RequestTimeTooSkewed</Code>"));
    assert_int_equal(SIGNED("GET", "/", .skew_us = INT64_C(-901) * 1000000), 403);
}

static void honours_presigned_urls_until_they_expire(void **state)
{
    struct fixture *fix = *state;
    char host[32], url[1200];
    const struct http_field sent = {"Host", host};
    const struct sigv4_request request = {"GET", "/lake/a%20b", "", &sent, 1};
    struct arena arena = {0};
    const char *query;

    assert_int_equal(SIGNED("PUT", "/lake/a%20b", .body = SLICE_LIT("hello")), 200);
    snprintf(host, sizeof(host), "127.0.0.1:%d", s3_server_port(fix->server));
    assert_int_equal(sigv4_presign(&arena, &request, &admin, 60, NOW_US, &query, NULL), 0);
    snprintf(url, sizeof(url), "/lake/a%%20b?%s", query);
    assert_int_equal(ASK("GET", url), 200);
    assert_string_equal(buf_cstr(&fix->body), "hello");
    assert_int_equal(ASK("PUT", url), 403);
    clock_fake_advance(&fix->clock, INT64_C(61) * 1000000000);
    assert_int_equal(ASK("GET", url), 403);
    assert_true(has(fix, "Request has expired"));
    arena_deinit(&arena);
}

static void keeps_what_a_put_said(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(SIGNED("PUT", "/lake/d/k",
                            {{"Content-Type", "text/csv"},
                             {"x-amz-meta-Colour", "blue"},
                             {"x-amz-meta-empty", ""},
                             {"Content-Encoding", "aws-chunked,gzip"},
                             {"Cache-Control", "no-store"}},
                            .body = SLICE_LIT("a,b\n")),
                     200);
    assert_string_equal(header(fix, "ETag"), "\"f69f5b72bc79a92dc70c63c9aa142e36\"");
    assert_int_equal(SIGNED("HEAD", "/lake/d/k"), 200);
    assert_string_equal(header(fix, "Content-Length"), "4");
    assert_string_equal(header(fix, "Content-Type"), "text/csv");
    assert_string_equal(header(fix, "x-amz-meta-colour"), "blue");
    assert_string_equal(header(fix, "Content-Encoding"), "gzip");
    assert_string_equal(header(fix, "Cache-Control"), "no-store");
    assert_int_equal(SIGNED("PUT", "/lake/copy", {{"x-amz-copy-source", "lake/d%2Fk"}}), 200);
    assert_int_equal(SIGNED("GET", "/lake/copy?response-content-type=x%2Fy"), 200);
    assert_string_equal(buf_cstr(&fix->body), "a,b\n");
    assert_string_equal(header(fix, "Content-Type"), "x/y");
    assert_string_equal(header(fix, "x-amz-meta-colour"), "blue");
    assert_int_equal(SIGNED("PUT", "/lake/copy", {{"x-amz-copy-source", "lake/copy"}}), 400);
    assert_int_equal(SIGNED("PUT", "/lake/copy", {{"x-amz-copy-source", "lake"}}), 400);
    assert_int_equal(SIGNED("PUT", "/lake/copy", {{"x-amz-copy-source", "none/k"}}), 404);
    assert_true(has(fix, "<Code>NoSuchBucket</Code>"));
}

/* --- ranges and conditions -------------------------------------------------------------------- */

static void answers_ranges(void **state)
{
    struct fixture *fix = *state;
    static const struct {
        const char *range;
        int status;
        const char *body, *content_range;
    } cases[] = {
        {"bytes=0-3", 206, "0123", "bytes 0-3/10"},
        {"bytes=4-", 206, "456789", "bytes 4-9/10"},
        {"bytes=-3", 206, "789", "bytes 7-9/10"},
        {"bytes=8-100", 206, "89", "bytes 8-9/10"},
        {"bytes=-100", 206, "0123456789", "bytes 0-9/10"},
        {"bytes=10-", 416, NULL, "bytes */10"},
        {"bytes=-0", 416, NULL, "bytes */10"},
        {"bytes=3-1", 200, "0123456789", ""},
        {"bytes=a-b", 200, "0123456789", ""},
        {"bytes=0-1,3-4", 200, "0123456789", ""},
        {"lines=1-2", 200, "0123456789", ""},
    };

    assert_int_equal(SIGNED("PUT", "/lake/k", .body = SLICE_LIT("0123456789")), 200);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(SIGNED("GET", "/lake/k", {{"Range", cases[i].range}}), cases[i].status);
        assert_string_equal(header(fix, "Content-Range"), cases[i].content_range);
        if (cases[i].body)
            assert_string_equal(buf_cstr(&fix->body), cases[i].body);
    }
}

static void answers_conditions(void **state)
{
    struct fixture *fix = *state;
    const char *etag = "\"781e5e245d69b566979b86e28d23f2c7\"", *past, *future;

    past = "Fri, 24 May 2013 00:00:00 GMT";
    future = "Fri, 24 May 2199 00:00:00 GMT";
    assert_int_equal(SIGNED("PUT", "/lake/k", .body = SLICE_LIT("0123456789")), 200);
    assert_string_equal(header(fix, "ETag"), etag);
    assert_int_equal(SIGNED("GET", "/lake/k", {{"If-Match", etag}}), 200);
    assert_int_equal(SIGNED("GET", "/lake/k", {{"If-Match", "\"x\", \"y\""}}), 412);
    assert_int_equal(SIGNED("GET", "/lake/k", {{"If-None-Match", etag}}), 304);
    assert_string_equal(header(fix, "ETag"), etag);
    assert_int_equal(SIGNED("GET", "/lake/k", {{"If-None-Match", "\"x\""}}), 200);
    assert_int_equal(SIGNED("GET", "/lake/k", {{"If-Modified-Since", future}}), 304);
    assert_int_equal(SIGNED("GET", "/lake/k", {{"If-Modified-Since", past}}), 200);
    assert_int_equal(SIGNED("GET", "/lake/k", {{"If-Unmodified-Since", past}}), 412);
    assert_int_equal(SIGNED("PUT", "/lake/k", {{"If-None-Match", "*"}}), 412);
    assert_int_equal(SIGNED("PUT", "/lake/k", {{"If-None-Match", etag}}), 501);
    assert_int_equal(SIGNED("PUT", "/lake/k", {{"If-Match", "\"x\""}}), 412);
    assert_int_equal(SIGNED("PUT", "/lake/k", {{"If-Match", etag}}, .body = SLICE_LIT("new")), 200);
    assert_int_equal(SIGNED("GET", "/lake/k"), 200);
    assert_string_equal(buf_cstr(&fix->body), "new");
}

/* --- bodies ----------------------------------------------------------------------------------- */

static void stores_nothing_that_is_not_what_was_said(void **state)
{
    struct fixture *fix = *state;
    const char *other = "0000000000000000000000000000000000000000000000000000000000000000";

    assert_int_equal(SIGNED("PUT", "/lake/k", .body = SLICE_LIT("x"), .payload = other), 400);
    assert_true(has(fix, "<Code>XAmzContentSHA256Mismatch</Code>"));
    assert_int_equal(SIGNED("PUT", "/lake/k", {{"Content-MD5", "kAFQmDzST7DWlj99KOF/cg=="}},
                            .body = SLICE_LIT("x")),
                     400);
    assert_true(has(fix, "<Code>BadDigest</Code>"));
    assert_int_equal(SIGNED("PUT", "/lake/k", {{"Content-MD5", "short"}}), 400);
    assert_true(has(fix, "<Code>InvalidDigest</Code>"));
    assert_int_equal(
        SIGNED("PUT", "/lake/k", {{"x-amz-checksum-crc32", "AAAAAA=="}}, .body = SLICE_LIT("x")),
        400);
    assert_true(has(fix, "<Code>BadDigest</Code>"));
    assert_int_equal(SIGNED("GET", "/lake/k"), 404);
    assert_true(has(fix, "<Code>NoSuchKey</Code>"));
    assert_int_equal(SIGNED("GET", "/no%20name/k"), 400);
    assert_true(has(fix, "<Code>InvalidBucketName</Code>"));
}

/* The check values of the five algorithms over "123456789". */
/* Goal: the CRC of a whole from those of its parts. Method: against the whole, cut everywhere. */
static void adds_the_checksum_of_what_follows(void **state)
{
    static const enum s3_sum kinds[] = {S3_SUM_CRC32, S3_SUM_CRC32C, S3_SUM_CRC64NVME};
    uint8_t bytes[300];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7 + i / 9);
    for (size_t k = 0; k < COUNT_OF(kinds); k++)
        for (size_t cut = 0; cut <= sizeof(bytes); cut++) {
            struct s3_checksum whole, left, right;
            char wanted[S3_SUM_TEXT], tail[S3_SUM_TEXT], found[S3_SUM_TEXT];

            s3_checksum_new(&whole, kinds[k]);
            s3_checksum_new(&left, kinds[k]);
            s3_checksum_new(&right, kinds[k]);
            s3_checksum_update(&whole, slice_of(bytes, sizeof(bytes)));
            s3_checksum_update(&left, slice_of(bytes, cut));
            s3_checksum_update(&right, slice_of(bytes + cut, sizeof(bytes) - cut));
            s3_checksum_final(&whole, wanted);
            s3_checksum_final(&right, tail);
            assert_int_equal(s3_checksum_append(&left, tail, (int64_t)(sizeof(bytes) - cut)), 0);
            s3_checksum_final(&left, found);
            assert_string_equal(found, wanted);
        }
}

static void knows_the_five_checksums(void **state)
{
    struct fixture *fix = *state;
    static const struct http_field sums[] = {
        {"x-amz-checksum-crc32", "y/Q5Jg=="},
        {"x-amz-checksum-crc32c", "4waSgw=="},
        {"x-amz-checksum-crc64nvme", "rosUhgp5mIg="},
        {"x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEE="},
        {"x-amz-checksum-sha256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="},
    };

    for (size_t i = 0; i < COUNT_OF(sums); i++) {
        assert_int_equal(SIGNED("PUT", "/lake/k", {sums[i]}, .body = SLICE_LIT("123456789")), 200);
        assert_string_equal(header(fix, sums[i].name), sums[i].value);
        assert_int_equal(SIGNED("GET", "/lake/k", {{"x-amz-checksum-mode", "ENABLED"}}), 200);
        assert_string_equal(header(fix, sums[i].name), sums[i].value);
        assert_int_equal(SIGNED("GET", "/lake/k"), 200);
        assert_string_equal(header(fix, sums[i].name), "");
    }
}

/* A chunked body as a client would send it; `spoil` breaks something in it. */
enum spoil { GOOD, BAD_SIGNATURE, BAD_BYTES, BAD_TRAILER, CUT, LONGER };

static int put_chunks(struct fixture *fix, const char *word, enum spoil spoil)
{
    static char piece[70000];
    bool is_signed = strcmp(word, SIGV4_UNSIGNED_TRAILER) != 0;
    bool trailer = strcmp(word, SIGV4_STREAMING) != 0;
    const size_t lens[] = {65536, 1024, 0};
    struct http_field fields[8] = {{"Host", NULL},
                                   {"x-amz-decoded-content-length", "66560"},
                                   {"Content-Encoding", "aws-chunked"}};
    struct http_field added[4];
    struct sigv4_request request = {"PUT", "/lake/chunks", "", fields, 3};
    struct sigv4_auth auth;
    struct sigv4_chain chain;
    struct arena arena = {0};
    struct buf body = {0};
    struct ask asked = {"PUT", "/lake/chunks"};
    char host[32], signature[65];
    size_t count;
    int status;

    memset(piece, 'a', sizeof(piece));
    snprintf(host, sizeof(host), "127.0.0.1:%d", s3_server_port(fix->server));
    fields[0].value = host;
    if (trailer)
        fields[request.header_count++] =
            (struct http_field){"x-amz-trailer", "x-amz-checksum-crc32c"};
    assert_int_equal(sigv4_sign(&arena, &request, &admin, word, NOW_US, added, &count, NULL), 0);
    memcpy(fields + request.header_count, added, count * sizeof(*added));
    request.header_count += count;
    assert_int_equal(sigv4_parse(&arena, &request, &auth, NULL), 0);
    assert_int_equal(sigv4_chain_init(&chain, &auth, "password"), 0);
    for (size_t i = 0; i < 3; i++) {
        uint8_t hash[32];

        sha256(piece, lens[i], hash);
        sigv4_chain_chunk(&chain, hash, signature);
        if (spoil == BAD_SIGNATURE && i == 1)
            signature[0] ^= 1;
        buf_printf(&body, is_signed ? "%zx;chunk-signature=%s\r\n" : "%zx\r\n", lens[i], signature);
        buf_append(&body, piece, lens[i]);
        if (spoil == BAD_BYTES && i == 1)
            body.ptr[body.len - 1] = 'b';
        if (spoil == LONGER && i == 1)
            buf_append_u8(&body, 'c');
        if (i < 2)
            buf_append_str(&body, "\r\n");
    }
    if (trailer) {
        const char *line = spoil == BAD_TRAILER ? "x-amz-checksum-crc32c:sOO8/A=="
                                                : "x-amz-checksum-crc32c:sOO8/Q==";

        sigv4_chain_trailer(&chain, SLICE_LIT("x-amz-checksum-crc32c:sOO8/Q==\n"), signature);
        buf_printf(&body, "%s\r\n", line);
        if (is_signed)
            buf_printf(&body, "x-amz-trailer-signature:%s\r\n", signature);
    }
    buf_append_str(&body, "\r\n");
    if (spoil == CUT)
        body.len = 66000;
    memcpy(asked.headers, fields, sizeof(fields));
    asked.body = buf_slice(&body);
    status = ask(fix, asked);
    buf_deinit(&body);
    arena_deinit(&arena);
    return status;
}

static void takes_chunked_bodies_and_checks_every_chunk(void **state)
{
    static const char *const words[] = {SIGV4_STREAMING, SIGV4_STREAMING_TRAILER,
                                        SIGV4_UNSIGNED_TRAILER};
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT_OF(words); i++) {
        assert_int_equal(put_chunks(fix, words[i], GOOD), 200);
        assert_int_equal(SIGNED("GET", "/lake/chunks"), 200);
        assert_int_equal(fix->body.len, 66560);
        assert_int_equal(SIGNED("DELETE", "/lake/chunks"), 204);
        if (i < 2) {
            assert_int_equal(put_chunks(fix, words[i], BAD_SIGNATURE), 403);
            assert_true(has(fix, "<Code>SignatureDoesNotMatch</Code>"));
        }
        assert_int_equal(put_chunks(fix, words[i], BAD_BYTES), i < 2 ? 403 : 400);
        assert_int_equal(put_chunks(fix, words[i], LONGER), 400);
        assert_int_equal(put_chunks(fix, words[i], CUT), 400);
        assert_true(has(fix, "<Code>IncompleteBody</Code>"));
        if (i > 0)
            assert_int_equal(put_chunks(fix, words[i], BAD_TRAILER), i == 1 ? 403 : 400);
        assert_int_equal(SIGNED("GET", "/lake/chunks"), 404);
    }
}

/* --- multipart -------------------------------------------------------------------------------- */

static const char *begin_upload(struct fixture *fix, char id[33])
{
    const char *at;

    assert_int_equal(SIGNED("POST", "/lake/big?uploads"), 200);
    at = strstr(buf_cstr(&fix->body), "<UploadId>");
    assert_non_null(at);
    snprintf(id, 33, "%.32s", at + 10);
    return id;
}

static void joins_parts_also_after_a_restart(void **state)
{
    struct fixture *fix = *state;
    const char *complete =
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>%s</ETag></Part><Part>"
        "<PartNumber>3</PartNumber><ETag>%s</ETag></Part></CompleteMultipartUpload>";
    static char five[5 << 20];
    char id[33], path[100], first[40], third[40], xml[500];

    memset(five, '5', sizeof(five));
    begin_upload(fix, id);
    snprintf(path, sizeof(path), "/lake/big?partNumber=3&uploadId=%s", id);
    assert_int_equal(SIGNED("PUT", path, .body = SLICE_LIT("tail")), 200);
    snprintf(third, sizeof(third), "%s", header(fix, "ETag"));
    snprintf(path, sizeof(path), "/lake/big?partNumber=1&uploadId=%s", id);
    assert_int_equal(SIGNED("PUT", path, .body = SLICE_LIT("replaced below")), 200);
    assert_int_equal(SIGNED("PUT", path, .body = slice_of(five, sizeof(five))), 200);
    snprintf(first, sizeof(first), "%s", header(fix, "ETag"));
    stop(fix);
    start(fix, false);
    snprintf(path, sizeof(path), "/lake/big?uploadId=%s", id);
    assert_int_equal(SIGNED("GET", path), 200);
    assert_true(has(fix, "<PartNumber>3</PartNumber>") && has(fix, "<Size>5242880</Size>"));
    assert_false(has(fix, "<Size>14</Size>"));
    assert_int_equal(SIGNED("GET", "/lake?uploads"), 200);
    assert_true(has(fix, id));
    snprintf(xml, sizeof(xml), complete, first, third);
    assert_int_equal(SIGNED("POST", path, .body = slice_str(xml)), 200);
    assert_true(has(fix, "-2&quot;</ETag>"));
    assert_int_equal(SIGNED("POST", path, .body = slice_str(xml)), 200); /* the answer was lost */
    assert_int_equal(SIGNED("GET", "/lake/big", {{"Range", "bytes=5242878-"}}), 206);
    assert_string_equal(buf_cstr(&fix->body), "55tail");
    assert_int_equal(SIGNED("GET", "/lake/big?partNumber=2"), 206);
    assert_string_equal(buf_cstr(&fix->body), "tail");
    assert_string_equal(header(fix, "x-amz-mp-parts-count"), "2");
    assert_string_equal(header(fix, "Content-Range"), "bytes 5242880-5242883/5242884");
    assert_int_equal(SIGNED("HEAD", "/lake/big?partNumber=1"), 206);
    assert_string_equal(header(fix, "Content-Length"), "5242880");
    assert_string_equal(header(fix, S3_PART_SIZES), "");
    assert_int_equal(SIGNED("GET", "/lake/big?partNumber=3"), 416);
    assert_true(has(fix, "<Code>InvalidPartNumber</Code>"));
    assert_int_equal(SIGNED("PUT", "/lake/copy", {{"x-amz-copy-source", "lake/big"}}), 200);
    assert_int_equal(SIGNED("HEAD", "/lake/copy?partNumber=1"), 206);
    assert_string_equal(header(fix, "Content-Length"), "5242884");
    assert_int_equal(SIGNED("GET", path), 404);
    assert_true(has(fix, "<Code>NoSuchUpload</Code>"));
}

static void refuses_parts_that_do_not_fit(void **state)
{
    struct fixture *fix = *state;
    const char *hello = "\"5d41402abc4b2a76b9719d911017c592\"";
    const struct {
        const char *xml, *code;
    } cases[] = {
        {"", "MalformedXML"},
        {"<CompleteMultipartUpload/>", "MalformedXML"},
        {"<CompleteMultipartUpload><Part><PartNumber>9</PartNumber><ETag>"
         "5d41402abc4b2a76b9719d911017c592</ETag></Part></CompleteMultipartUpload>",
         "InvalidPart"},
        {"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part>"
         "</CompleteMultipartUpload>",
         "InvalidPart"},
        {"<CompleteMultipartUpload><Part><PartNumber>2</PartNumber><ETag>"
         "5d41402abc4b2a76b9719d911017c592</ETag></Part><Part><PartNumber>1</PartNumber><ETag>"
         "5d41402abc4b2a76b9719d911017c592</ETag></Part></CompleteMultipartUpload>",
         "InvalidPartOrder"},
        {"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"
         "5d41402abc4b2a76b9719d911017c592</ETag></Part><Part><PartNumber>2</PartNumber><ETag>"
         "5d41402abc4b2a76b9719d911017c592</ETag></Part></CompleteMultipartUpload>",
         "EntityTooSmall"},
    };
    char id[33], path[100], code[64];

    begin_upload(fix, id);
    for (int number = 1; number < 3; number++) {
        snprintf(path, sizeof(path), "/lake/big?partNumber=%d&uploadId=%s", number, id);
        assert_int_equal(SIGNED("PUT", path, .body = SLICE_LIT("hello")), 200);
        assert_string_equal(header(fix, "ETag"), hello);
    }
    snprintf(path, sizeof(path), "/lake/big?uploadId=%s", id);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(SIGNED("POST", path, .body = slice_str(cases[i].xml)), 400);
        snprintf(code, sizeof(code), "<Code>%s</Code>", cases[i].code);
        assert_true(has(fix, code));
    }
    assert_int_equal(SIGNED("PUT", "/lake/big?partNumber=0&uploadId=x"), 400);
    assert_int_equal(SIGNED("PUT", "/lake/big?partNumber=1&uploadId=../../objects"), 404);
    snprintf(path, sizeof(path), "/lake/other?uploadId=%s", id);
    assert_int_equal(SIGNED("DELETE", path), 404);
    snprintf(path, sizeof(path), "/lake/big?uploadId=%s", id);
    assert_int_equal(SIGNED("DELETE", path), 204);
    assert_int_equal(SIGNED("DELETE", path), 404);
}

/* --- the rest --------------------------------------------------------------------------------- */

static void codes_part_sizes(void **state)
{
    const int64_t sizes[] = {8, 8, 8, 5, 8};
    struct arena arena = {0};
    int64_t pos, len, count, sum = 0;
    const char *text = s3_part_sizes(&arena, sizes, COUNT_OF(sizes));

    (void)state;
    assert_string_equal(text, "8x3,5x1,8x1");
    for (int64_t i = 0; i < 5; sum += sizes[i++]) {
        assert_int_equal(s3_part_find(text, i + 1, &pos, &len, &count), 0);
        assert_true(pos == sum && len == sizes[i] && count == 5);
    }
    assert_int_equal(s3_part_find(text, 6, &pos, &len, &count), ERR_RANGE);
    assert_int_equal(s3_part_find("8x", 1, &pos, &len, &count), ERR_CORRUPT);
    assert_int_equal(s3_part_find("8x3,", 4, &pos, &len, &count), ERR_RANGE);
    arena_deinit(&arena);
}

static void lists_in_pages_and_by_folder(void **state)
{
    struct fixture *fix = *state;
    static const char *const keys[] = {"/lake/a", "/lake/b/1", "/lake/b/2", "/lake/c%20%26"};
    const char *at;
    char path[200];
    size_t len;

    for (size_t i = 0; i < COUNT_OF(keys); i++)
        assert_int_equal(SIGNED("PUT", keys[i]), 200);
    assert_int_equal(SIGNED("GET", "/lake?list-type=2&delimiter=/&max-keys=2"), 200);
    assert_true(has(fix, "<Key>a</Key>") && has(fix, "<Prefix>b/</Prefix>"));
    assert_true(has(fix, "<IsTruncated>true</IsTruncated>") && has(fix, "<KeyCount>2</KeyCount>"));
    at = strstr(buf_cstr(&fix->body), "<NextContinuationToken>") + 23;
    len = strcspn(at, "=<");
    /* '=' has its own spelling in a query. */
    snprintf(path, sizeof(path), "/lake?list-type=2&delimiter=/&continuation-token=%.*s%s",
             (int)len, at,
             &"%3D%3D"[len % 4 == 2   ? 0
                       : len % 4 == 3 ? 3
                                      : 6]);
    assert_int_equal(SIGNED("GET", path), 200);
    assert_true(has(fix, "<Key>c &amp;</Key>") && !has(fix, "<Key>a</Key>"));
    assert_false(has(fix, "b/"));
    assert_int_equal(SIGNED("GET", "/lake?encoding-type=url&prefix=c"), 200);
    assert_true(has(fix, "<Key>c%20%26</Key>"));
    assert_int_equal(SIGNED("GET", "/lake?max-keys=x"), 400);
    assert_int_equal(SIGNED("GET", "/lake?list-type=2&continuation-token=*"), 400);
    assert_int_equal(SIGNED("GET", "/none?list-type=2"), 404);
    assert_true(has(fix, "<Code>NoSuchBucket</Code>"));
    assert_int_equal(SIGNED("POST", "/lake?delete",
                            .body = SLICE_LIT("<Delete><Object><Key>a</Key></Object><Object><Key>"
                                              "c &amp;</Key></Object></Delete>")),
                     200);
    assert_int_equal(SIGNED("GET", "/lake"), 200);
    assert_false(has(fix, "<Key>a</Key>") || has(fix, "<Key>c"));
    assert_int_equal(SIGNED("POST", "/lake?delete", .body = SLICE_LIT("<Delete>")), 400);
}

static void lives_on_when_the_disk_is_full(void **state)
{
    struct fixture *fix = *state;
    struct arena arena = {0};
    struct disk_entry *entries;
    size_t count;

    assert_int_equal(SIGNED("PUT", "/lake/k", .body = SLICE_LIT("old")), 200);
    fix->fail_with = ERR_NOSPC;
    assert_int_equal(SIGNED("PUT", "/lake/k", .body = SLICE_LIT("new")), 507);
    assert_true(has(fix, "<Code>XMinioStorageFull</Code>"));
    assert_int_equal(SIGNED("POST", "/lake/big?uploads"), 507);
    assert_int_equal(SIGNED("GET", "/lake/k"), 200);
    assert_string_equal(buf_cstr(&fix->body), "old");
    fix->fail_with = 0;
    assert_int_equal(SIGNED("PUT", "/lake/k", .body = SLICE_LIT("new")), 200);
    assert_int_equal(SIGNED("GET", "/lake/k"), 200);
    assert_string_equal(buf_cstr(&fix->body), "new");
    assert_int_equal(disk_list(disk_system(), fix->store->staging, &arena, &entries, &count, NULL),
                     0);
    for (size_t i = 0; i < count; i++) /* nothing is left behind */
        assert_true(entries[i].is_dir);
    arena_deinit(&arena);
}

static void reads_buckets_by_host(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(SIGNED("PUT", "/lake/k", .body = SLICE_LIT("v")), 200);
    stop(fix);
    start(fix, true);
    assert_int_equal(ASK("GET", "/k", {{"Host", "lake.s3.test:9000"}}), 200);
    assert_string_equal(buf_cstr(&fix->body), "v");
    assert_int_equal(ASK("GET", "/lake/k", {{"Host", "s3.test"}}), 200);
    assert_int_equal(ASK("PUT", "/lake/k"), 403);
    assert_int_equal(ASK("GET", "/"), 403);
}

/* A bucket's policy may let everybody write: an unsigned body comes out of its frames as well, and
 * one that says it is signed is nobody's. */
static void takes_bodies_of_everybody_out_of_their_frames(void **state)
{
    static const char framed[] = "2\r\nhi\r\n0\r\nx-amz-checksum-crc32:2JMqrA==\r\n\r\n";
    static const char policy[] = "{\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\","
                                 "\"Action\":[\"s3:PutObject\",\"s3:GetObject\"],"
                                 "\"Resource\":\"arn:aws:s3:::lake/*\"}]}";
    struct fixture *fix = *state;

    assert_int_equal(SIGNED("PUT", "/lake?policy", .body = SLICE_LIT(policy)), 204);
    assert_int_equal(ASK("PUT", "/lake/k",
                         {{"x-amz-content-sha256", SIGV4_UNSIGNED_TRAILER},
                          {"x-amz-decoded-content-length", "2"},
                          {"x-amz-trailer", "x-amz-checksum-crc32"}},
                         .body = SLICE_LIT(framed)),
                     200);
    assert_int_equal(ASK("GET", "/lake/k"), 200);
    assert_string_equal(buf_cstr(&fix->body), "hi");
    assert_int_equal(
        ASK("PUT", "/lake/k",
            {{"x-amz-content-sha256", SIGV4_STREAMING}, {"x-amz-decoded-content-length", "2"}},
            .body = SLICE_LIT(framed)),
        400);
    assert_int_equal(ASK("PUT", "/lake/k", {{"x-amz-content-sha256", SIGV4_EMPTY_SHA256}},
                         .body = SLICE_LIT("x")),
                     400);
    assert_true(has(fix, "<Code>XAmzContentSHA256Mismatch</Code>"));
    assert_int_equal(ASK("DELETE", "/lake/k"), 403);
    assert_int_equal(ASK("GET", "/lake"), 403);
}

static void refuses_by_name_what_is_not_built(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(SIGNED("PUT", "/lake?encryption", .body = SLICE_LIT("<a/>")), 501);
    assert_true(has(fix, "PUT ?encryption is not implemented"));
    assert_int_equal(SIGNED("GET", "/lake?policy"), 404);
    assert_true(has(fix, "<Code>NoSuchBucketPolicy</Code>"));
    assert_int_equal(SIGNED("GET", "/lake/k?torrent"), 501);
    assert_int_equal(SIGNED("PUT", "/lake/k", {{"x-amz-object-lock-mode", "GOVERNANCE"}}), 501);
    assert_true(has(fix, "<Header>x-amz-object-lock-mode</Header>"));
    assert_int_equal(SIGNED("PUT", "/lake/k", {{"x-amz-server-side-encryption", "AES256"}}), 501);
    assert_int_equal(SIGNED("PUT", "/lake/k", {{"x-amz-storage-class", "GLACIER"}}), 400);
    assert_int_equal(SIGNED("PUT", "/lake/k", {{"x-amz-acl", "public-read"}}), 400);
    assert_int_equal(
        SIGNED("PUT", "/lake/k", {{"x-amz-acl", "private"}, {"x-amz-storage-class", "STANDARD"}}),
        200);
    assert_int_equal(SIGNED("GET", "/minio/admin/v3/info"), 501);
    assert_int_equal(SIGNED("PATCH", "/lake/k"), 405);
    assert_int_equal(SIGNED("PUT", "/lake/%C3%A9%F0%9F%98%80"), 200);
    assert_int_equal(SIGNED("PUT", "/lake/%C3"), 400);
    assert_int_equal(SIGNED("PUT", "/lake/%ED%A0%80"), 400);
    assert_true(has(fix, "<Code>InvalidURI</Code>"));
    assert_int_equal(SIGNED("PUT", "/la"), 400);
    assert_true(has(fix, "<Code>InvalidBucketName</Code>"));
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(refuses_who_is_not_known),
        CLAIM(refuses_clocks_that_differ),
        CLAIM(honours_presigned_urls_until_they_expire),
        CLAIM(keeps_what_a_put_said),
        CLAIM(answers_ranges),
        CLAIM(answers_conditions),
        CLAIM(stores_nothing_that_is_not_what_was_said),
        CLAIM(adds_the_checksum_of_what_follows),
        CLAIM(knows_the_five_checksums),
        CLAIM(takes_chunked_bodies_and_checks_every_chunk),
        CLAIM(joins_parts_also_after_a_restart),
        CLAIM(refuses_parts_that_do_not_fit),
        cmocka_unit_test(codes_part_sizes),
        CLAIM(lists_in_pages_and_by_folder),
        CLAIM(lives_on_when_the_disk_is_full),
        CLAIM(reads_buckets_by_host),
        CLAIM(takes_bodies_of_everybody_out_of_their_frames),
        CLAIM(refuses_by_name_what_is_not_built),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
