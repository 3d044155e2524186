/* auth_test.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/auth.h"

static void reads_bearer_and_basic(void **state)
{
    struct arena arena = {0};
    const char *user, *password;

    (void)state;
    assert_true(slice_is(auth_bearer("Bearer abc.def"), "abc.def"));
    assert_true(slice_is(auth_bearer("bearer  x "), "x"));
    assert_int_equal(auth_bearer("Basic abc").len, 0);
    assert_int_equal(auth_bearer(NULL).len, 0);
    assert_int_equal(auth_basic(&arena, "Basic YWRtaW46cGE6c3M=", &user, &password), 0);
    assert_string_equal(user, "admin");
    assert_string_equal(password, "pa:ss");
    assert_int_equal(auth_basic(&arena, "Basic YWRtaW4=", &user, &password), ERR_INVALID);
    assert_int_equal(auth_basic(&arena, "Basic *", &user, &password), ERR_INVALID);
    assert_int_equal(auth_basic(&arena, "Bearer x", &user, &password), ERR_NOENT);
    arena_deinit(&arena);
}

static void compares_bytes(void **state)
{
    char token[33], other[33];

    (void)state;
    assert_true(auth_equal(SLICE_LIT("abc"), SLICE_LIT("abc")));
    assert_false(auth_equal(SLICE_LIT("abc"), SLICE_LIT("abd")));
    assert_false(auth_equal(SLICE_LIT("abc"), SLICE_LIT("ab")));
    assert_true(auth_equal(SLICE_LIT(""), slice_of(NULL, 0)));
    auth_token(token, 32);
    auth_token(other, 32);
    assert_int_equal(strlen(token), 32);
    assert_string_not_equal(token, other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_bearer_and_basic),
        cmocka_unit_test(compares_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
