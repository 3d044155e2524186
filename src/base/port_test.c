/* port_test.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/port.h"

static void names_the_process_that_holds_a_taken_port(void **state)
{
    struct err err = {0};
    int fd = -1, other = -1, port = 0;
    char pid[32];

    (void)state;
    assert_int_equal(port_listen(&fd, "127.0.0.1", 0, &port, &err), 0);
    assert_true(port > 0);
    assert_int_equal(port_listen(&other, "127.0.0.1", port, NULL, &err), ERR_BUSY);
    snprintf(pid, sizeof(pid), "(process %d)", (int)getpid());
    assert_non_null(strstr(err.text, pid));
    close(fd);
}

static void refuses_what_is_no_address(void **state)
{
    struct err err = {0};
    int fd = -1;

    (void)state;
    assert_int_equal(port_listen(&fd, "not-a-number", 0, NULL, &err), ERR_INVALID);
    assert_int_equal(port_listen(&fd, "127.0.0.1", 70000, NULL, &err), ERR_INVALID);
    assert_int_equal(port_listen(&fd, "::1", 0, NULL, &err), 0);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_the_process_that_holds_a_taken_port),
        cmocka_unit_test(refuses_what_is_no_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
