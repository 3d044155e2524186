/* sigv4_test.c - against the worked examples of the Amazon S3 API Reference: "Signature
 * Calculations for the Authorization Header" (single chunk, multiple chunks, trailing headers) and
 * "Authenticating Requests: Using Query Parameters". */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/codec.h"
#include "net/sigv4.h"

#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define SCOPE  "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "

static const int64_t may_24_2013 = INT64_C(1369353600) * 1000000;

struct example {
    const char *method, *path, *query;
    struct http_field headers[10];
};

static const struct example examples[] = {
    {"GET",
     "/test.txt",
     "",
     {{"Host", "examplebucket.s3.amazonaws.com"},
      {"Range", "bytes=0-9"},
      {"x-amz-content-sha256", SIGV4_EMPTY_SHA256},
      {"x-amz-date", "20130524T000000Z"},
      {"Authorization",
       "AWS4-HMAC-SHA256 " SCOPE "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
       "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"}}},
    {"PUT",
     "/test$file.text",
     "",
     {{"Host", "examplebucket.s3.amazonaws.com"},
      {"Date", "Fri, 24 May 2013 00:00:00 GMT"},
      {"x-amz-storage-class", "REDUCED_REDUNDANCY"},
      {"x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"},
      {"x-amz-date", "20130524T000000Z"},
      {"Authorization",
       "AWS4-HMAC-SHA256 " SCOPE
       "SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class, "
       "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"}}},
    {"GET",
     "/",
     "lifecycle",
     {{"Host", "examplebucket.s3.amazonaws.com"},
      {"x-amz-content-sha256", SIGV4_EMPTY_SHA256},
      {"x-amz-date", "20130524T000000Z"},
      {"Authorization",
       "AWS4-HMAC-SHA256 " SCOPE "SignedHeaders=host;x-amz-content-sha256;x-amz-date, "
       "Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"}}},
    {"GET",
     "/",
     "max-keys=2&prefix=J",
     {{"Host", "examplebucket.s3.amazonaws.com"},
      {"x-amz-content-sha256", SIGV4_EMPTY_SHA256},
      {"x-amz-date", "20130524T000000Z"},
      {"Authorization",
       "AWS4-HMAC-SHA256 " SCOPE "SignedHeaders=host;x-amz-content-sha256;x-amz-date, "
       "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"}}},
    {"GET",
     "/test.txt",
     "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1"
     "%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
     "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
     {{"Host", "examplebucket.s3.amazonaws.com"}}},
    /* The seed of the example with chunks. */
    {"PUT",
     "/examplebucket/chunkObject.txt",
     "",
     {{"Host", "s3.amazonaws.com"},
      {"x-amz-storage-class", "REDUCED_REDUNDANCY"},
      {"Content-Encoding", "aws-chunked"},
      {"Content-Length", "66824"},
      {"x-amz-decoded-content-length", "66560"},
      {"x-amz-content-sha256", SIGV4_STREAMING},
      {"x-amz-date", "20130524T000000Z"},
      {"Authorization",
       "AWS4-HMAC-SHA256 " SCOPE "SignedHeaders=content-encoding;content-length;host;x-amz-content-"
       "sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class,"
       "Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"}}},
    /* The seed of the example with trailing headers. */
    {"PUT",
     "/examplebucket/chunkObject.txt",
     "",
     {{"Host", "s3.amazonaws.com"},
      {"x-amz-storage-class", "REDUCED_REDUNDANCY"},
      {"Content-Encoding", "aws-chunked"},
      {"x-amz-decoded-content-length", "66560"},
      {"x-amz-trailer", "x-amz-checksum-crc32c"},
      {"x-amz-content-sha256", SIGV4_STREAMING_TRAILER},
      {"x-amz-date", "20130524T000000Z"},
      {"Authorization",
       "AWS4-HMAC-SHA256 " SCOPE "SignedHeaders=content-encoding;host;x-amz-content-sha256;"
       "x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer,"
       "Signature=106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"}}},
};

static struct sigv4_request request_of(const struct example *example)
{
    struct sigv4_request request = {example->method, example->path, example->query,
                                    example->headers, 0};

    while (request.header_count < COUNT_OF(example->headers) &&
           example->headers[request.header_count].name)
        request.header_count++;
    return request;
}

static void verifies_the_published_examples(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        struct sigv4_request request = request_of(&examples[i]);
        struct arena arena = {0};
        struct sigv4_auth auth;
        struct err err = {0};

        if (sigv4_parse(&arena, &request, &auth, &err) ||
            sigv4_verify(&arena, &request, &auth, SECRET, &err))
            fail_msg("example %zu: %s", i, err.text);
        assert_int_equal(sigv4_check_time(&auth, may_24_2013, &err), 0);
        assert_int_equal(sigv4_verify(&arena, &request, &auth, SECRET "x", &err), ERR_DENIED);
        request.method = "DELETE";
        assert_int_equal(sigv4_verify(&arena, &request, &auth, SECRET, &err), ERR_DENIED);
        arena_deinit(&arena);
    }
}

/* 64 KiB and 1 KiB of 'a', as in the example. */
static void signs_the_published_chunks(void **state)
{
    static const struct {
        size_t example, lens[3];
        const char *signatures[3], *trailer;
    } chains[] = {
        {5,
         {65536, 1024, 0},
         {"ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
          "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
          "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"},
         NULL},
        {6,
         {65536, 1024, 0},
         {"b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
          "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
          "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"},
         "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"},
    };
    static char bytes[65536];

    (void)state;
    memset(bytes, 'a', sizeof(bytes));
    for (size_t i = 0; i < COUNT_OF(chains); i++) {
        struct sigv4_request request = request_of(&examples[chains[i].example]);
        struct arena arena = {0};
        struct sigv4_auth auth;
        struct sigv4_chain chain;
        char signature[65];

        assert_int_equal(sigv4_parse(&arena, &request, &auth, NULL), 0);
        assert_int_equal(sigv4_chain_init(&chain, &auth, SECRET), 0);
        for (size_t j = 0; j < 3; j++) {
            uint8_t hash[32];

            sha256(bytes, chains[i].lens[j], hash);
            sigv4_chain_chunk(&chain, hash, signature);
            assert_string_equal(signature, chains[i].signatures[j]);
        }
        if (chains[i].trailer) {
            sigv4_chain_trailer(&chain, SLICE_LIT("x-amz-checksum-crc32c:sOO8/Q==\n"), signature);
            assert_string_equal(signature, chains[i].trailer);
        }
        arena_deinit(&arena);
    }
}

static void verifies_what_it_signs(void **state)
{
    const struct sigv4_keys keys = {"admin", "password", "tok en/+=", "eu-west-1", "s3"};
    const struct http_field sent[] = {{"Host", "localhost:9000"}, {"X-Amz-Meta-A", "  a   b "}};
    struct sigv4_request request = {"PUT", "/lake/a%20b%2Bc/d(1)", "b=2&a=%2F&a=1&uploads", sent,
                                    2};
    struct http_field all[6], added[4];
    struct arena arena = {0};
    struct sigv4_auth auth;
    struct err err = {0};
    const char *query;
    size_t count;

    (void)state;
    assert_int_equal(
        sigv4_sign(&arena, &request, &keys, SIGV4_UNSIGNED, may_24_2013, added, &count, &err), 0);
    memcpy(all, sent, sizeof(sent));
    memcpy(all + 2, added, count * sizeof(*added));
    request.headers = all;
    request.header_count = 2 + count;
    assert_int_equal(sigv4_parse(&arena, &request, &auth, &err), 0);
    assert_string_equal(auth.access_key, "admin");
    assert_string_equal(auth.region, "eu-west-1");
    assert_int_equal(sigv4_verify(&arena, &request, &auth, "password", &err), 0);
    all[1].value = "a c";
    assert_int_equal(sigv4_verify(&arena, &request, &auth, "password", &err), ERR_DENIED);

    request.headers = sent;
    request.header_count = 2;
    assert_int_equal(sigv4_presign(&arena, &request, &keys, 60, may_24_2013, &query, &err), 0);
    request.query = query;
    assert_int_equal(sigv4_parse(&arena, &request, &auth, &err), 0);
    assert_int_equal(sigv4_verify(&arena, &request, &auth, "password", &err), 0);
    assert_int_equal(sigv4_check_time(&auth, may_24_2013 + 59 * 1000000, &err), 0);
    assert_int_equal(sigv4_check_time(&auth, may_24_2013 + 61 * 1000000, &err), ERR_TIMEOUT);
    assert_int_equal(sigv4_check_time(&auth, may_24_2013 - INT64_C(901) * 1000000, &err),
                     ERR_RANGE);
    arena_deinit(&arena);
}

/* Everything once, in an arena whose n-th allocation fails. */
static int sign_and_verify(int nth)
{
    const struct sigv4_keys keys = {"admin", "password", "token", "eu-west-1", "s3"};
    const struct http_field sent[] = {{"Host", "localhost:9000"}};
    struct sigv4_request request = {"PUT", "/lake/a%20b", "b=2&a=%2F", sent, 1};
    struct arena arena = {.fail_at = nth};
    struct http_field all[5], added[4];
    struct sigv4_auth auth;
    struct err err = {0};
    const char *query;
    size_t count;
    int rc = sigv4_presign(&arena, &request, &keys, 60, may_24_2013, &query, &err);

    if (!rc)
        rc = sigv4_sign(&arena, &request, &keys, SIGV4_UNSIGNED, may_24_2013, added, &count, &err);
    if (!rc) {
        all[0] = sent[0];
        memcpy(all + 1, added, count * sizeof(*added));
        request.headers = all;
        request.header_count = 1 + count;
        rc = sigv4_parse(&arena, &request, &auth, &err);
    }
    if (!rc)
        rc = sigv4_verify(&arena, &request, &auth, "password", &err);
    assert_true(rc == 0 || err.text[0]);
    arena_deinit(&arena);
    return rc;
}

static void survives_each_failed_allocation(void **state)
{
    int rc = ERR_NOMEM, nth;

    (void)state;
    for (nth = 1; rc; nth++) {
        rc = sign_and_verify(nth);
        assert_true(rc == 0 || rc == ERR_NOMEM);
    }
    assert_true(nth > 20);
}

static void refuses_what_is_not_a_signature(void **state)
{
    static const struct {
        const char *value;
        int rc;
    } cases[] = {
        {"AWS AKIAIOSFODNN7EXAMPLE:frJIUN8DYpKDtOLCwo//yllqDzg=", ERR_UNSUPPORTED},
        {"Bearer abc", ERR_UNSUPPORTED},
        {"AWS4-HMAC-SHA256", ERR_UNSUPPORTED},
        {"AWS4-HMAC-SHA256 ", ERR_INVALID},
        {"AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=00", ERR_INVALID},
        {"AWS4-HMAC-SHA256 " SCOPE "SignedHeaders=host;x-amz-date, Signature=00", ERR_INVALID},
        {"AWS4-HMAC-SHA256 " SCOPE "SignedHeaders=range;x-amz-date, "
         "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
         ERR_DENIED},
        {"AWS4-HMAC-SHA256 " SCOPE "SignedHeaders=host, "
         "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
         ERR_DENIED},
        {NULL, ERR_NOENT},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct http_field headers[] = {
            {"Host", "x"}, {"x-amz-date", "20130524T000000Z"}, {"Authorization", cases[i].value}};
        const struct sigv4_request request = {"GET", "/", "", headers, cases[i].value ? 3 : 2};
        struct arena arena = {0};
        struct sigv4_auth auth;
        struct err err = {0};

        assert_int_equal(sigv4_parse(&arena, &request, &auth, &err), cases[i].rc);
        assert_true(err.text[0] != '\0');
        arena_deinit(&arena);
    }
}

static void reads_and_writes_dates(void **state)
{
    static const char *const bad[] = {"",
                                      "2013-05-24T00:00",
                                      "20131324T000000Z",
                                      "20130524T250000Z",
                                      "20130524T0000000",
                                      "TTTTTTTTTTTTTTTT"};
    int64_t times[] = {0, INT64_C(951782399) * 1000000, INT64_C(1709164800) * 1000000,
                       INT64_C(4102444799) * 1000000};
    const char *dates[] = {"19700101T000000Z", "20000228T235959Z", "20240229T000000Z",
                           "20991231T235959Z"};
    int64_t time;
    char date[17];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(times); i++) {
        sigv4_date(times[i], date);
        assert_string_equal(date, dates[i]);
        assert_int_equal(sigv4_time(date, &time), 0);
        assert_true(time == times[i]);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(sigv4_time(bad[i], &time), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verifies_the_published_examples),
        cmocka_unit_test(signs_the_published_chunks),
        cmocka_unit_test(verifies_what_it_signs),
        cmocka_unit_test(survives_each_failed_allocation),
        cmocka_unit_test(refuses_what_is_not_a_signature),
        cmocka_unit_test(reads_and_writes_dates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
