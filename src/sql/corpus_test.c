/* tests/sql/: each statement is read, printed and read again; the two trees are the same. Each file
 * of tests/sql/bad/ is refused with the error that its first line tells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>

#include "sql/sql.h"

#define FILE_MAX (1 << 20)

/* Run from the root of the project; TARN_SOURCE names another. */
static const char *source_dir(void)
{
    const char *dir = getenv("TARN_SOURCE");

    return dir ? dir : ".";
}

static struct slice read_file(struct arena *arena, const char *folder, const char *name)
{
    char path[512];
    uint8_t *text = arena_alloc(arena, FILE_MAX);
    FILE *file;
    size_t len;

    snprintf(path, sizeof(path), "%s/%s/%s", source_dir(), folder, name);
    file = fopen(path, "rb");
    if (!file || !text)
        fail_msg("cannot read %s", path);
    len = fread(text, 1, FILE_MAX, file);
    fclose(file);
    assert_true(len < FILE_MAX);
    return slice_of(text, len);
}

/* Calls `each` for every *.sql file; gives their number. */
static int walk(const char *folder, void (*each)(const char *name))
{
    char path[512];
    struct dirent *entry;
    int count = 0;
    DIR *dir;

    snprintf(path, sizeof(path), "%s/%s", source_dir(), folder);
    dir = opendir(path);
    if (!dir)
        fail_msg("cannot open %s", path);
    while ((entry = readdir(dir))) {
        if (!slice_ends(slice_str(entry->d_name), SLICE_LIT(".sql")))
            continue;
        each(entry->d_name);
        count++;
    }
    closedir(dir);
    return count;
}

static const char *print(struct arena *arena, const struct sql_statement *statement,
                         bool parentheses)
{
    struct sql_print_options options = {.parentheses = parentheses};
    const char *text;
    struct buf buf;

    buf_init(&buf, 0);
    assert_int_equal(sql_print_flink(statement, &options, &buf, NULL), 0);
    text = arena_cstr(arena, buf_slice(&buf));
    buf_deinit(&buf);
    assert_non_null(text);
    return text;
}

static void round_trip(struct arena *arena, const struct sql_statement *statement)
{
    const char *shape = print(arena, statement, true), *text = print(arena, statement, false);
    struct sql_statement *again;
    struct err err = {0};

    if (sql_parse_statement(slice_str(text), arena, &again, &err))
        fail_msg("%s\n%s", err.text, text);
    assert_string_equal(print(arena, again, true), shape);
    assert_string_equal(print(arena, again, false), text);
    if (sql_parse_statement(slice_str(shape), arena, &again, &err))
        fail_msg("%s\n%s", err.text, shape);
    assert_string_equal(print(arena, again, false), text);
}

static void check_good(const char *name)
{
    struct arena arena = {0};
    struct sql_script script;
    struct err err = {0};

    if (sql_parse_script(read_file(&arena, "tests/sql", name), &arena, &script, &err))
        fail_msg("%s: %s", name, err.text);
    assert_true(script.count > 0);
    for (size_t i = 0; i < script.count; i++)
        round_trip(&arena, script.list[i]);
    arena_deinit(&arena);
}

static void every_statement_survives_a_round_trip(void **state)
{
    (void)state;
    assert_true(walk("tests/sql", check_good) >= 7);
}

static void check_bad(const char *name)
{
    struct arena arena = {0};
    struct slice text = read_file(&arena, "tests/sql/bad", name);
    const uint8_t *end = memchr(text.ptr, '\n', text.len);
    const char *expected;
    struct sql_script script;
    struct err err = {0};

    assert_non_null(end);
    expected = arena_cstr(&arena, slice_of(text.ptr + 3, (size_t)(end - text.ptr) - 3));
    if (!sql_parse_script(text, &arena, &script, &err))
        fail_msg("%s was not refused", name);
    if (strcmp(err.text, expected))
        fail_msg("%s: '%s' instead of '%s'", name, err.text, expected);
    arena_deinit(&arena);
}

static void every_bad_script_is_refused_as_told(void **state)
{
    (void)state;
    assert_true(walk("tests/sql/bad", check_bad) >= 20);
}

/* Goal: no cut and no broken byte crashes the parser. Method: cut and break every statement. */
static void check_damaged(const char *name)
{
    struct arena arena = {0}, work = {0};
    struct slice text = read_file(&arena, "tests/sql", name);
    struct sql_script script;

    for (size_t len = 0; len < text.len; len += 7) {
        sql_parse_script(slice_of(text.ptr, len), &work, &script, NULL);
        arena_reset(&work);
    }
    arena_deinit(&work);
    arena_deinit(&arena);
}

static void no_cut_crashes_the_parser(void **state)
{
    (void)state;
    walk("tests/sql", check_damaged);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_statement_survives_a_round_trip),
        cmocka_unit_test(every_bad_script_is_refused_as_told),
        cmocka_unit_test(no_cut_crashes_the_parser),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
