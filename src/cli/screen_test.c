/* screen_test.c - the picture says what the status says, within the terminal, no tricks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "cli/screen.h"

static json_t *status(int uptime_ms, int records, const char *reason)
{
    return json_pack("{s:s,s:i,s:i,s:i,s:i,s:[{s:s,s:s}],s:[{s:s,s:i,s:i,s:i,s:i}],"
                     "s:[{s:s,s:s,s:s,s:i,s:i,s:i,s:[{s:s,s:s,s:i,s:i,s:i,s:s}]}],s:[s]}",
                     "name", "shop", "uptime_ms", uptime_ms, "now_ms", 61000 + uptime_ms,
                     "memory_bytes", 52428800, "cpu_ns", uptime_ms * 1000, "ports", "name", "kafka",
                     "address", "127.0.0.1:9092", "topics", "name", "orders", "records", records,
                     "records_in", records, "records_out", 0, "bytes", 2500000, "jobs", "name", "j",
                     "state", "RUNNING", "reason", reason, "epoch", 7, "committed_ms", 60000,
                     "rejects", 3, "pipelines", "name", "orders > db.orders", "target", "db.orders",
                     "rows_committed", records / 2, "lag", -1, "rejects", 3, "waiting", "",
                     "messages", "2026 warn x");
}

static const char *picture(const json_t *now, const json_t *before, int columns, struct buf *out)
{
    buf_clear(out);
    assert_int_equal(picture_of(now, before, columns, false, out), 0);
    return buf_cstr(out);
}

static void the_picture_has_rates_ages_and_counts(void **state)
{
    json_t *before = status(1000, 1000000, ""), *now = status(3000, 1246912, "");
    struct buf out = {0};
    const char *text = picture(now, before, 0, &out);

    (void)state;
    assert_non_null(strstr(text, "shop   up 3.0 s   memory 52.4 MB"));
    assert_non_null(strstr(text, "1,246,912"));
    assert_non_null(strstr(text, "123,456/s")); /* 246,912 more within two seconds */
    assert_non_null(strstr(text, "checkpoint 7, age 4.0 s   dead letters 3"));
    assert_non_null(strstr(text, "623,456"));
    assert_non_null(strstr(text, "2.5 MB"));
    assert_non_null(strstr(text, "2026 warn x"));
    text = picture(now, NULL, 0, &out);
    assert_null(strstr(text, "/s"));
    json_decref(before);
    json_decref(now);
    buf_deinit(&out);
}

/* Goal: a reason from a foreign server must not move the cursor, and no line may wrap. */
static void texts_of_others_stay_on_their_line(void **state)
{
    json_t *now = status(3000, 5, "first\nsecond\x1b[2J\ttail that goes on and on and on and on");
    struct buf out = {0};
    const char *text = picture(now, NULL, 60, &out);

    (void)state;
    assert_non_null(strstr(text, "first second [2J"));
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
        assert_true(strcspn(line, "\n") <= 60);
        for (const char *p = line; *p != '\n'; p++)
            assert_true((unsigned char)*p >= 0x20);
    }
    json_decref(now);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_picture_has_rates_ages_and_counts),
        cmocka_unit_test(texts_of_others_stay_on_their_line),
    };

    return cmocka_run_group_tests_name("screen", tests, NULL, NULL);
}
