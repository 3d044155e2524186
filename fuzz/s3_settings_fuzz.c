/* s3_settings_fuzz.c - what clients may store as settings of a bucket: policies in JSON, lifecycle
 * and cross-origin rules in XML. The first byte picks which. Whatever comes is refused with words,
 * or kept in a form that reads back as the same; and a policy that was taken can be asked anything.
 */
#include "s3/s3_lifecycle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *fact(void *arg, const char *key)
{
    (void)key;
    return arg;
}

static void policy(struct arena *arena, struct slice text, const char *bucket)
{
    static const char *const facts[] = {NULL,  "",  "a",    "10.0.0.1",
                                        "::1", "7", "true", "2030-01-01T00:00:00Z"};
    struct s3_policy *parsed;
    struct err err = {0};
    int rc = s3_policy_parse(arena, text, bucket, &parsed, &err);

    if (rc) {
        assert(rc == ERR_NOMEM || err.text[0]);
        return;
    }
    for (size_t i = 0; i < COUNT_OF(facts); i++) {
        struct s3_ask ask = {.access_key = i % 2 ? "user" : NULL,
                             .action = "s3:GetObject",
                             .resource = "arn:aws:s3:::lake/a/b",
                             .value = fact,
                             .arg = (void *)facts[i]};
        enum s3_verdict verdict = s3_policy_ask(parsed, &ask);

        assert(verdict == S3_SAYS_NOTHING || verdict == S3_ALLOWS || verdict == S3_DENIES);
    }
    s3_policy_is_public(parsed);
}

static void lifecycle(struct arena *arena, struct slice text)
{
    const char *kept, *again;
    struct err err = {0};
    int rc = s3_lifecycle_check(arena, text, &kept, &err);

    if (rc)
        return;
    rc = s3_lifecycle_check(arena, slice_str(kept), &again, &err);
    assert(rc == ERR_NOMEM || (rc == 0 && strcmp(kept, again) == 0));
}

static void glob(struct slice text)
{
    char pattern[64], plain[64];
    size_t half = text.len / 2 < 63 ? text.len / 2 : 63;

    memcpy(pattern, text.ptr, half);
    memcpy(plain, text.ptr + half, half);
    pattern[half] = plain[half] = '\0';
    s3_glob(pattern, plain);
    assert(s3_glob("*", plain));
    assert(!strpbrk(plain, "") && (strpbrk(plain, "*?") || s3_glob(plain, plain)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {.max_bytes = 64 << 20};
    struct slice text = slice_of(data + 1, size ? size - 1 : 0);

    if (!size || memchr(data, 0, size))
        return 0;
    switch (data[0] % 4) {
    case 0:
        policy(&arena, text, "lake");
        break;
    case 1:
        policy(&arena, text, NULL);
        break;
    case 2:
        lifecycle(&arena, text);
        break;
    default:
        glob(text);
    }
    arena_deinit(&arena);
    return 0;
}
