/* duration.c - Flink's durations: "5s", "500 ms", "1 min", "2 d"; a bare number is milliseconds. */
#include <ctype.h>

#include "sql/sql.h"

int sql_duration_ms(const char *text, int64_t *ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"", 1},          {"ms", 1},          {"milli", 1},
                 {"millis", 1},    {"millisecond", 1}, {"milliseconds", 1},
                 {"s", 1000},      {"sec", 1000},      {"secs", 1000},
                 {"second", 1000}, {"seconds", 1000},  {"m", 60000},
                 {"min", 60000},   {"minute", 60000},  {"minutes", 60000},
                 {"h", 3600000},   {"hour", 3600000},  {"hours", 3600000},
                 {"d", 86400000},  {"day", 86400000},  {"days", 86400000}};
    size_t digits = strspn(text += strspn(text, " "), "0123456789"), len = 0;
    char unit[16];
    int64_t number;

    if (!digits || slice_to_i64(slice_of(text, digits), &number))
        return ERR_INVALID;
    text += digits + strspn(text + digits, " ");
    for (; *text && *text != ' ' && len < sizeof(unit) - 1; text++)
        unit[len++] = (char)tolower((unsigned char)*text);
    unit[len] = '\0';
    if (text[strspn(text, " ")])
        return ERR_INVALID;
    for (size_t i = 0; i < COUNT_OF(units); i++)
        if (!strcmp(units[i].unit, unit) && number <= INT64_MAX / units[i].ms) {
            *ms = number * units[i].ms;
            return 0;
        }
    return ERR_INVALID;
}
