/* s3_body.c - a request's body: taken out of its frames, checked, put into a file or into memory.
 *
 * A body may come plain, with its SHA-256 signed in a header, or as "aws-chunked": pieces with
 * their length in hexadecimal in front, each signed or not, then perhaps headers ("Signature
 * Calculations for the Authorization Header: Transferring Payload in Multiple Chunks", and
 * "... with trailing headers"). Nothing that was not checked is ever named in the store: bytes go
 * to a staged file and the file moves on after s3_body_end. What is small stays in memory.
 */
#include <stdio.h>
#include <strings.h>

#include "net/auth.h"
#include "s3/s3_int.h"

#define LINE_MAX_BYTES 8192
#define TERMINATED     "The request body terminated unexpectedly"

enum { AT_SIZE, IN_DATA, AFTER_DATA, AT_TRAILER, AT_END };

const char *s3_staged_path(struct s3_server *server, struct arena *arena)
{
    return arena_printf(arena, "%s/s3.%s.%" PRIu64, server->store->staging, server->boot,
                        __atomic_add_fetch(&server->requests, 1, __ATOMIC_RELAXED));
}

static int refuse(struct s3_call *call, enum s3_code code, const char *text)
{
    s3_error(call, code, text ? "%s" : NULL, text);
    return ERR_INVALID;
}

/* --- what the headers say --------------------------------------------------------------------- */

static int read_framing(struct s3_call *call)
{
    static const struct {
        const char *word;
        enum s3_framing framing;
        bool trailer;
    } words[] = {
        {SIGV4_UNSIGNED, S3_PLAIN, false},
        {SIGV4_STREAMING, S3_CHUNKS_SIGNED, false},
        {SIGV4_STREAMING_TRAILER, S3_CHUNKS_SIGNED, true},
        {SIGV4_UNSIGNED_TRAILER, S3_CHUNKS_UNSIGNED, true},
    };
    struct s3_body *body = &call->body;
    const char *payload =
        call->secret ? call->auth.payload : s3_header(call, "x-amz-content-sha256");

    if (!payload)
        payload = SIGV4_UNSIGNED;
    if (!call->secret && strncmp(payload, "STREAMING-AWS4-", 15) == 0) /* signed by nobody */
        return refuse(
            call, S3_INVALID_REQUEST,
            "Anonymous requests don't support this x-amz-content-sha256 value. Please use "
            "UNSIGNED-PAYLOAD or STREAMING-UNSIGNED-PAYLOAD-TRAILER.");
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (strcmp(payload, words[i].word))
            continue;
        body->framing = words[i].framing;
        body->trailer = words[i].trailer;
        if (body->framing == S3_CHUNKS_SIGNED &&
            sigv4_chain_init(&body->chain, &call->auth, call->secret))
            return refuse(call, S3_AUTH_HEADER_MALFORMED, NULL);
        return 0;
    }
    if (strlen(payload) != 64 || strspn(payload, "0123456789abcdefABCDEF") != 64)
        return refuse(call, S3_INVALID_REQUEST,
                      "The value of x-amz-content-sha256 header is invalid.");
    body->sha256_expected = payload; /* without the header: that of nothing */
    return 0;
}

static int read_sizes(struct s3_call *call)
{
    struct s3_body *body = &call->body;
    const char *text = s3_header(call, "x-amz-decoded-content-length");

    body->size_expected = http_content_length(call->req);
    if (body->framing != S3_PLAIN) {
        body->size_expected = -1;
        if (!text || slice_to_i64(slice_str(text), &body->size_expected) || body->size_expected < 0)
            return refuse(call, S3_MISSING_LENGTH, NULL);
    }
    if (body->size_expected < 0 && (call->op->sink == S3_TO_FILE || http_chunked(call->req)))
        return refuse(call, S3_MISSING_LENGTH, NULL);
    if (body->size_expected > body->size_max)
        return refuse(call, S3_ENTITY_TOO_LARGE, NULL);
    return 0;
}

#define MANY_SUMS                                                                                  \
    "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."

static int invalid_value(struct s3_call *call, const char *header, const char *kind)
{
    s3_error(call, S3_INVALID_REQUEST, "Value for %s %sheader is invalid.", header, kind);
    return ERR_INVALID;
}

/* x-amz-checksum-KIND, at most one. */
static int read_sum_headers(struct s3_call *call, enum s3_sum *kind)
{
    struct s3_body *body = &call->body;

    for (int i = 0; i < S3_SUM_COUNT; i++) {
        const char *value = s3_header(call, s3_sum_header((enum s3_sum)i));

        if (!value)
            continue;
        if (body->has_sum)
            return refuse(call, S3_INVALID_REQUEST, MANY_SUMS);
        body->has_sum = true;
        body->sum_expected = value;
        *kind = (enum s3_sum)i;
    }
    return body->has_sum && !s3_sum_valid(*kind, body->sum_expected)
               ? invalid_value(call, s3_sum_header(*kind), "")
               : 0;
}

/* What the SDK says it has added must be there. */
static bool check_algorithm(struct s3_call *call, const char *algorithm, enum s3_sum found)
{
    enum s3_sum kind;

    if (!s3_sum_named(algorithm, &kind)) {
        s3_error(call, S3_INVALID_REQUEST, S3_SUM_UNKNOWN);
        return false;
    }
    if (call->body.has_sum && kind != found)
        return invalid_value(call, "x-amz-sdk-checksum-algorithm", "") == 0;
    if (!call->body.has_sum && call->op->sink == S3_TO_FILE &&
        !s3_header(call, "x-amz-copy-source") && !call->body.trailer) {
        s3_error(call, S3_INVALID_REQUEST,
                 "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or "
                 "x-amz-trailer headers were found.");
        return false;
    }
    return true;
}

static int invalid_md5(struct s3_call *call, const char *value)
{
    s3_error_detail(call, "Content-MD5", value);
    return refuse(call, S3_INVALID_DIGEST, NULL);
}

static int read_sums(struct s3_call *call)
{
    struct s3_body *body = &call->body;
    const char *trailer = s3_header(call, "x-amz-trailer");
    const char *algorithm = s3_header(call, "x-amz-sdk-checksum-algorithm");
    enum s3_sum kind = S3_SUM_CRC32;
    struct buf raw = {.max = 64};
    int rc = 0;

    body->md5_expected = s3_header(call, "content-md5");
    if (body->md5_expected) {
        rc = base64_decode(slice_str(body->md5_expected), &raw);
        if (rc || raw.len != 16)
            rc = invalid_md5(call, body->md5_expected);
        buf_deinit(&raw);
        if (rc)
            return rc;
    }
    rc = call->op->sum_elsewhere ? 0 : read_sum_headers(call, &kind);
    if (rc)
        return rc;
    if (trailer && body->trailer) {
        if (!s3_sum_find(trailer, &kind))
            return refuse(call, S3_INVALID_REQUEST,
                          "The value specified in the x-amz-trailer header is not supported");
        if (body->has_sum)
            return refuse(call, S3_INVALID_REQUEST, MANY_SUMS);
        body->has_sum = true;
    }
    if (algorithm && !call->op->sum_elsewhere && !check_algorithm(call, algorithm, kind))
        return ERR_INVALID;
    if (body->has_sum && s3_checksum_new(&body->sum, kind))
        return refuse(call, S3_INTERNAL_ERROR, NULL);
    return 0;
}

int s3_body_begin(struct s3_call *call, bool to_file, int64_t size_max)
{
    struct s3_body *body = &call->body;
    int rc;

    body->used = true;
    body->to_file = to_file;
    body->size_max = size_max;
    body->line.max = LINE_MAX_BYTES;
    body->trailers.max = LINE_MAX_BYTES;
    body->text.max = to_file ? S3_SMALL_BODY : (size_t)size_max;
    rc = read_framing(call);
    if (!rc)
        rc = read_sizes(call);
    if (!rc)
        rc = read_sums(call);
    if (rc)
        return rc;
    if ((body->sha256_expected || body->framing == S3_CHUNKS_SIGNED) &&
        digest_new(&body->sha256, DIGEST_SHA256))
        return refuse(call, S3_INTERNAL_ERROR, NULL);
    return 0;
}

int s3_body_begin_form(struct s3_call *call, int64_t size_max)
{
    struct s3_body *body = &call->body;

    *body = (struct s3_body){.used = true,
                             .to_file = true,
                             .framing = S3_PLAIN,
                             .size_expected = -1,
                             .size_max = size_max,
                             .text.max = S3_SMALL_BODY};
    return read_sums(call);
}

/* --- where they go ---------------------------------------------------------------------------- */

static int open_file(struct s3_call *call, struct err *err)
{
    struct s3_body *body = &call->body;

    body->path = s3_staged_path(call->server, call->arena);
    return body->path ? disk_open(call->server->store->disk, &body->file, body->path,
                                  DISK_WRITE | DISK_CREATE | DISK_EXCLUSIVE, err)
                      : ERR_NOMEM;
}

/* It does not stay small: what is in memory goes ahead through the pipe. */
static int begin_pipe(struct s3_call *call, struct err *err)
{
    struct s3_body *body = &call->body;
    int rc = 0;

    if (call->op->place)
        call->op->place(call);
    if (!body->placed)
        rc = open_file(call, err);
    if (!rc)
        rc = s3_pipe_new(&body->pipe, call->server->hasher, body->file, body->base,
                         body->size_expected, err);
    if (!rc)
        rc = s3_pipe_add(body->pipe, buf_slice(&body->text), err);
    buf_deinit(&body->text);
    return rc;
}

static int put_bytes(struct s3_call *call, struct slice bytes, struct err *err)
{
    struct s3_body *body = &call->body;
    int rc = 0;

    if (body->to_file && !body->pipe &&
        ((int64_t)body->text.len + (int64_t)bytes.len > (int64_t)S3_SMALL_BODY ||
         body->size_expected > (int64_t)S3_SMALL_BODY))
        rc = begin_pipe(call, err);
    if (rc)
        return rc;
    return body->pipe ? s3_pipe_add(body->pipe, bytes, err) : buf_append_slice(&body->text, bytes);
}

int s3_body_to_file(struct s3_call *call)
{
    struct s3_body *body = &call->body;
    struct err err = {0};
    int rc = body->file ? 0 : open_file(call, &err);

    if (!rc && body->text.len)
        rc = file_pwrite(body->file, body->text.ptr, body->text.len, 0, &err);
    if (rc)
        s3_fail(call, rc, &err);
    return rc;
}

/* --- bytes out of their frames ---------------------------------------------------------------- */

static int take(struct s3_call *call, struct slice bytes)
{
    struct s3_body *body = &call->body;
    struct err err = {0};
    int rc;

    if ((int64_t)bytes.len > body->size_max - body->size)
        return refuse(call, S3_ENTITY_TOO_LARGE, NULL);
    if (body->sha256)
        digest_update(body->sha256, bytes.ptr, bytes.len);
    if (body->has_sum)
        s3_checksum_update(&body->sum, bytes);
    rc = put_bytes(call, bytes, &err);
    body->size += (int64_t)bytes.len;
    if (rc)
        s3_fail(call, rc, &err);
    return rc;
}

/* "400;chunk-signature=..." */
static int take_size_line(struct s3_call *call, struct slice line)
{
    static const char mark[] = ";chunk-signature=";
    struct s3_body *body = &call->body;
    int64_t size = 0;
    size_t i = 0;

    for (; i < line.len && line.ptr[i] != ';'; i++) {
        uint8_t c = line.ptr[i], low = c | 0x20;
        int digit = c >= '0' && c <= '9' ? c - '0' : low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;

        if (digit < 0 || size > S3_OBJECT_MAX)
            return refuse(call, S3_INCOMPLETE_BODY, TERMINATED);
        size = size * 16 + digit;
    }
    if (i == 0)
        return refuse(call, S3_INCOMPLETE_BODY, TERMINATED);
    if (body->framing == S3_CHUNKS_SIGNED) {
        struct slice rest = slice_of(line.ptr + i, line.len - i);

        if (!slice_starts(rest, SLICE_LIT(mark)) || rest.len != sizeof(mark) - 1 + 64)
            return refuse(call, S3_SIGNATURE_MISMATCH, "A chunk is not signed.");
        memcpy(body->chunk_signature, rest.ptr + sizeof(mark) - 1, 64);
    }
    body->chunk_left = size;
    return 0;
}

static int check_chunk(struct s3_call *call)
{
    struct s3_body *body = &call->body;
    char wanted[65];
    uint8_t hash[32];

    if (body->framing != S3_CHUNKS_SIGNED)
        return 0;
    digest_final(body->sha256, hash);
    body->sha256 = NULL;
    if (digest_new(&body->sha256, DIGEST_SHA256))
        return refuse(call, S3_INTERNAL_ERROR, NULL);
    sigv4_chain_chunk(&body->chain, hash, wanted);
    if (!auth_equal(slice_of(wanted, 64), slice_of(body->chunk_signature, 64)))
        return refuse(call, S3_SIGNATURE_MISMATCH, "A chunk's signature does not match.");
    return 0;
}

/* "name:value" behind the last chunk. The signature of the others comes last. */
static int take_trailer_line(struct s3_call *call, struct slice line)
{
    struct s3_body *body = &call->body;
    const uint8_t *colon = line.len ? memchr(line.ptr, ':', line.len) : NULL;
    struct slice name, value;
    const char *text;
    enum s3_sum kind;
    char wanted[65];

    if (!colon)
        return refuse(call, S3_MALFORMED_TRAILER, NULL);
    name = slice_of(line.ptr, (size_t)(colon - line.ptr));
    value = slice_of(colon + 1, line.len - name.len - 1);
    while (value.len && value.ptr[0] == ' ')
        value = slice_of(value.ptr + 1, value.len - 1);
    if (slice_ieq(name, SLICE_LIT("x-amz-trailer-signature"))) {
        sigv4_chain_trailer(&body->chain, buf_slice(&body->trailers), wanted);
        if (!auth_equal(slice_of(wanted, 64), value))
            return refuse(call, S3_SIGNATURE_MISMATCH, "The trailer's signature does not match.");
        body->trailer_signed = true;
        return 0;
    }
    text = arena_cstr(call->arena, name);
    if (text && body->has_sum && s3_sum_find(text, &kind) && kind == body->sum.kind)
        body->sum_expected = arena_cstr(call->arena, value);
    if (!text || buf_printf(&body->trailers, "%s:%.*s\n", text, SLICE_ARG(value)))
        return refuse(call, S3_MALFORMED_TRAILER, NULL);
    return 0;
}

/* A line, or what there is of it, moves into body->line. True when it is whole, without its end. */
static bool gather_line(struct s3_call *call, struct slice *piece, struct slice *line, int *rc)
{
    struct s3_body *body = &call->body;
    const uint8_t *end = memchr(piece->ptr, '\n', piece->len);
    size_t len = end ? (size_t)(end - piece->ptr) : piece->len;

    if (buf_append(&body->line, piece->ptr, len)) {
        *rc = refuse(call, S3_INVALID_REQUEST, "A chunk's header is too long.");
        return false;
    }
    *piece = slice_of(piece->ptr + len + (end != NULL), piece->len - len - (end != NULL));
    *line = buf_slice(&body->line);
    if (line->len && line->ptr[line->len - 1] == '\r')
        line->len--;
    return end != NULL;
}

static int take_line(struct s3_call *call, struct slice line)
{
    struct s3_body *body = &call->body;
    int rc = 0;

    switch (body->state) {
    case AT_SIZE:
        rc = take_size_line(call, line);
        if (!rc && body->chunk_left)
            body->state = IN_DATA;
        else if (!rc) { /* the last chunk is empty, and signed */
            rc = check_chunk(call);
            body->state = AT_TRAILER;
        }
        return rc;
    case AFTER_DATA:
        body->state = AT_SIZE;
        return line.len ? refuse(call, S3_INCOMPLETE_BODY, TERMINATED) : 0;
    case AT_TRAILER:
        if (line.len)
            return take_trailer_line(call, line);
        body->state = AT_END;
        return 0;
    default:
        return refuse(call, S3_INVALID_REQUEST, "Bytes behind the last chunk.");
    }
}

static int take_framed(struct s3_call *call, struct slice piece)
{
    struct s3_body *body = &call->body;
    int rc = 0;

    while (piece.len && !rc) {
        struct slice line;

        if (body->state == IN_DATA) {
            size_t len =
                (int64_t)piece.len < body->chunk_left ? piece.len : (size_t)body->chunk_left;

            rc = take(call, slice_of(piece.ptr, len));
            body->chunk_left -= (int64_t)len;
            piece = slice_of(piece.ptr + len, piece.len - len);
            if (!rc && body->chunk_left == 0) {
                rc = check_chunk(call);
                body->state = AFTER_DATA;
            }
        } else if (gather_line(call, &piece, &line, &rc)) {
            rc = take_line(call, line);
            buf_clear(&body->line);
        }
    }
    return rc;
}

int s3_body_piece(struct s3_call *call, struct slice piece)
{
    return call->body.framing == S3_PLAIN ? take(call, piece) : take_framed(call, piece);
}

/* --- the end: everything that was said must be true ------------------------------------------- */

static int check_sha256(struct s3_call *call)
{
    struct s3_body *body = &call->body;
    uint8_t hash[32];
    char hex[65];

    if (!body->sha256_expected)
        return 0;
    digest_final(body->sha256, hash);
    body->sha256 = NULL;
    hex_encode(hash, 32, hex);
    if (strcasecmp(hex, body->sha256_expected) == 0)
        return 0;
    s3_error_detail(call, "ClientComputedContentSHA256", body->sha256_expected);
    s3_error_detail(call, "S3ComputedContentSHA256", hex);
    return refuse(call, S3_CONTENT_SHA256_MISMATCH, NULL);
}

static int check_md5(struct s3_call *call)
{
    struct s3_body *body = &call->body;
    struct buf text = {.max = 64};
    struct err err = {0};
    int rc = 0;

    if (body->pipe)
        rc = s3_pipe_end(body->pipe, body->md5_raw, &err);
    else
        md5(body->text.ptr, body->text.len, body->md5_raw);
    s3_pipe_free(body->pipe);
    body->pipe = NULL;
    if (rc) {
        s3_fail(call, rc, &err);
        return rc;
    }
    hex_encode(body->md5_raw, 16, body->md5_hex);
    if (!body->md5_expected)
        return 0;
    if (base64_encode(slice_of(body->md5_raw, 16), &text) ||
        !slice_eq(buf_slice(&text), slice_str(body->md5_expected)))
        rc = refuse(call, S3_BAD_DIGEST, NULL);
    buf_deinit(&text);
    return rc;
}

static int check_sum(struct s3_call *call)
{
    struct s3_body *body = &call->body;

    if (!body->has_sum)
        return 0;
    s3_checksum_final(&body->sum, body->sum_found);
    if (!body->sum_expected) /* of a copy: nobody told one */
        return body->trailer ? refuse(call, S3_MALFORMED_TRAILER, NULL) : 0;
    if (body->trailer && !s3_sum_valid(body->sum.kind, body->sum_expected))
        return invalid_value(call, s3_sum_header(body->sum.kind), "trailing ");
    if (strcmp(body->sum_expected, body->sum_found) == 0)
        return 0;
    s3_error(call, S3_BAD_DIGEST, "The %s you specified did not match the calculated checksum.",
             s3_sum_name(body->sum.kind));
    return ERR_INVALID;
}

int s3_body_end(struct s3_call *call)
{
    struct s3_body *body = &call->body;
    int rc;

    if (body->framing != S3_PLAIN && body->state != AT_END &&
        !(body->state == AT_TRAILER && !body->trailer))
        return refuse(call, S3_INCOMPLETE_BODY, TERMINATED);
    if (body->framing == S3_CHUNKS_SIGNED && body->trailer && body->trailers.len &&
        !body->trailer_signed)
        return refuse(call, S3_SIGNATURE_MISMATCH, "The trailing headers are not signed.");
    if (body->size_expected >= 0 && body->size != body->size_expected)
        return refuse(call, S3_INCOMPLETE_BODY, NULL);
    rc = check_sha256(call);
    if (!rc)
        rc = check_md5(call);
    return rc ? rc : check_sum(call);
}

int s3_body_restart(struct s3_call *call, const enum s3_sum *kind)
{
    struct s3_body *body = &call->body;

    if (body->size)
        return refuse(call, S3_INVALID_REQUEST, "A copy takes no body.");
    body->framing = S3_PLAIN;
    body->size_expected = -1;
    body->sha256_expected = body->md5_expected = NULL;
    s3_checksum_deinit(&body->sum);
    body->sum_expected = NULL;
    body->has_sum = kind != NULL;
    return kind && s3_checksum_new(&body->sum, *kind) ? refuse(call, S3_INTERNAL_ERROR, NULL) : 0;
}

void s3_body_deinit(struct s3_body *body, struct disk *disk)
{
    if (!body->used)
        return;
    s3_pipe_free(body->pipe);
    file_close(body->file);
    if (body->path)
        disk_unlink(disk, body->path, NULL); /* gone already when it moved on */
    digest_free(body->sha256);
    s3_checksum_deinit(&body->sum);
    buf_deinit(&body->text);
    buf_deinit(&body->line);
    buf_deinit(&body->trailers);
    body->used = false;
}
