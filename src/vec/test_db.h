/* test_db.h - a database for the tests of this room, with Flink's functions in it. */
#ifndef VEC_TEST_DB_H
#define VEC_TEST_DB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "vec/vec.h"

static struct vec_db *db;
static struct vec_conn *conn;

static int open_all(void **state)
{
    struct vec_options options = {.threads = 1, .memory_bytes = 256 << 20};
    struct err err = {0};

    (void)state;
    if (vec_db_new(&db, &options, &err) || vec_conn_new(&conn, db, &err) ||
        vec_functions_register(conn, &err)) {
        print_error("%s\n", err.text);
        return -1;
    }
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    vec_conn_free(conn);
    vec_db_free(db);
    return 0;
}

#endif
