/* auth.c - bearer tokens, basic credentials, comparison in constant time. */
#include "net/auth.h"

#include <strings.h>

#include "base/codec.h"

bool auth_equal(struct slice a, struct slice b)
{
    volatile uint8_t differ = 0;

    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        differ |= a.ptr[i] ^ b.ptr[i];
    return differ == 0;
}

/* What follows "SCHEME "; ptr NULL when the scheme is another. */
static struct slice after_scheme(const char *authorization, const char *scheme)
{
    size_t len = strlen(scheme);

    if (!authorization || strncasecmp(authorization, scheme, len) || authorization[len] != ' ')
        return slice_of(NULL, 0);
    authorization += len;
    authorization += strspn(authorization, " ");
    return slice_of(authorization, strcspn(authorization, " "));
}

struct slice auth_bearer(const char *authorization)
{
    return after_scheme(authorization, "Bearer");
}

int auth_basic(struct arena *arena, const char *authorization, const char **user,
               const char **password)
{
    struct slice text = after_scheme(authorization, "Basic");
    struct buf plain = {.max = 4096};
    char *copy, *colon;
    int rc;

    if (!text.ptr)
        return ERR_NOENT;
    rc = base64_decode(text, &plain);
    copy = rc ? NULL : arena_cstr(arena, buf_slice(&plain));
    colon = copy ? strchr(copy, ':') : NULL;
    if (!rc && !copy)
        rc = ERR_NOMEM;
    else if (rc || !colon || strlen(copy) != plain.len)
        rc = ERR_INVALID;
    buf_deinit(&plain);
    if (rc)
        return rc;
    *colon = '\0';
    *user = copy;
    *password = colon + 1;
    return 0;
}

void auth_token(char *out, size_t len)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

    for (size_t i = 0; i < len;) {
        uint8_t byte;

        rand_secret(&byte, 1);
        if (byte < 4 * (sizeof(letters) - 1)) /* 248: every letter as likely as the others */
            out[i++] = letters[byte % (sizeof(letters) - 1)];
    }
    out[len] = '\0';
}
