/* chunks_fuzz.c - the reader of "aws-chunked" bodies. The first two bytes pick the framing and how
 * the rest is cut into pieces; whatever comes, it is taken whole and as long as told, or refused.
 */
#include "net/http_int.h"
#include "s3/s3_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct s3_op op = {"PutObject", "PUT", S3_OBJECT, .sink = S3_TO_TEXT};
static const char *const words[] = {SIGV4_STREAMING, SIGV4_STREAMING_TRAILER,
                                    SIGV4_UNSIGNED_TRAILER, SIGV4_UNSIGNED};

static void feed(struct s3_call *call, struct slice bytes, size_t piece)
{
    int64_t expected = call->body.size_expected;

    while (bytes.len) {
        size_t len = bytes.len < piece ? bytes.len : piece;

        if (s3_body_piece(call, slice_of(bytes.ptr, len))) {
            assert(http_is_set(call->reply));
            return;
        }
        bytes = slice_of(bytes.ptr + len, bytes.len - len);
    }
    if (s3_body_end(call) == 0) {
        assert(call->body.size == (int64_t)call->body.text.len);
        assert(expected < 0 || call->body.size == expected);
    } else {
        assert(http_is_set(call->reply));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct s3_server server = {0};
    struct http_request req = {.path = "/lake/k", .content_length = -1, .fd = -1};
    struct s3_call call = {.server = &server,
                           .req = &req,
                           .reply = &req.reply,
                           .arena = &req.arena,
                           .op = &op,
                           .secret = "password",
                           .request_id = "0"};
    char length[8] = "5";

    if (size < 2)
        return 0;
    req.reply.arena = &req.arena;
    length[0] = (char)('0' + data[1] % 10);
    http_pairs_add(&req.headers, &req.arena, "x-amz-decoded-content-length", length);
    http_pairs_add(&req.headers, &req.arena, "x-amz-trailer", "x-amz-checksum-crc32");
    call.auth = (struct sigv4_auth){
        .access_key = "admin",
        .date = "20130524T000000Z",
        .day = "20130524",
        .region = "us-east-1",
        .service = "s3",
        .payload = words[data[0] % COUNT_OF(words)],
        .signature = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        .expires_s = -1};
    if (s3_body_begin(&call, false, 1 << 20) == 0)
        feed(&call, slice_of(data + 2, size - 2), 1 + data[1] / 10U);
    s3_body_deinit(&call.body, NULL);
    http_reply_deinit(&req.reply);
    arena_deinit(&req.arena);
    return 0;
}
