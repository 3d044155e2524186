/* sigv4_fuzz.c - a request as a client might write it: "METHOD PATH?QUERY" and header lines.
 * Whatever it says of its signature, nothing breaks; and what we sign ourselves over it, we verify.
 */
#include "net/sigv4.h"

#define HEADERS_MAX 20

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The next line, NUL-ended, in the arena; NULL at the end. */
static char *next_line(struct arena *arena, struct slice *rest)
{
    const uint8_t *end;
    char *line;

    if (!rest->len)
        return NULL;
    end = memchr(rest->ptr, '\n', rest->len);
    line = arena_cstr(arena, slice_of(rest->ptr, end ? (size_t)(end - rest->ptr) : rest->len));
    *rest = end ? slice_of(end + 1, rest->len - (size_t)(end - rest->ptr) - 1) : slice_of(NULL, 0);
    return line;
}

static size_t read_headers(struct arena *arena, struct slice *rest, struct http_field *out)
{
    size_t count = 0;
    char *line;

    while (count < HEADERS_MAX && (line = next_line(arena, rest))) {
        char *colon = strchr(line, ':');

        if (!colon || colon == line)
            continue;
        *colon = '\0';
        out[count++] = (struct http_field){line, colon + 1};
    }
    return count;
}

static void verify_own(struct arena *arena, struct sigv4_request request)
{
    const struct sigv4_keys keys = {"key", "secret", NULL, "us-east-1", "s3"};
    struct http_field all[HEADERS_MAX + 5], added[4];
    struct sigv4_auth auth;
    size_t count;

    all[0] = (struct http_field){"Host", "localhost"};
    for (size_t i = 0; i < request.header_count; i++) {
        const char *name = request.headers[i].name;

        /* The client's own, which would be there twice. */
        if (strcasestr(name, "x-amz-") || strcasestr(name, "authorization") ||
            strcasestr(name, "host") || strpbrk(name, " \t;,="))
            return;
        all[i + 1] = request.headers[i];
    }
    request.headers = all;
    request.header_count++;
    if (sigv4_sign(arena, &request, &keys, SIGV4_UNSIGNED, 1000000000, added, &count, NULL))
        return; /* a path or query that cannot be decoded */
    memcpy(all + request.header_count, added, count * sizeof(*added));
    request.header_count += count;
    assert(sigv4_parse(arena, &request, &auth, NULL) == 0);
    assert(sigv4_verify(arena, &request, &auth, "secret", NULL) == 0);
    assert(sigv4_verify(arena, &request, &auth, "Secret", NULL) == ERR_DENIED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_field headers[HEADERS_MAX];
    struct sigv4_request request = {"GET", "/", "", headers, 0};
    struct slice rest = slice_of(data, size);
    struct arena arena = {.max_bytes = 64 << 20};
    struct sigv4_auth auth;
    struct err err = {0};
    char *line, *mark;

    if (memchr(data, 0, size))
        return 0; /* HTTP has no zero bytes in its head */
    line = next_line(&arena, &rest);
    if (line && (mark = strchr(line, ' '))) {
        *mark = '\0';
        request.method = line;
        request.path = mark + 1;
        mark = strchr(mark + 1, '?');
        if (mark) {
            *mark = '\0';
            request.query = mark + 1;
        }
    }
    request.header_count = read_headers(&arena, &rest, headers);
    if (sigv4_parse(&arena, &request, &auth, &err) == 0) {
        struct sigv4_chain chain;
        char signature[65];

        assert(strlen(auth.signature) == 64 && auth.access_key && auth.region);
        sigv4_verify(&arena, &request, &auth, "secret", &err);
        sigv4_check_time(&auth, 1369353600000000, &err);
        if (sigv4_chain_init(&chain, &auth, "secret") == 0)
            sigv4_chain_trailer(&chain, rest, signature);
    } else {
        assert(err.text[0]);
    }
    verify_own(&arena, request);
    arena_deinit(&arena);
    return 0;
}
