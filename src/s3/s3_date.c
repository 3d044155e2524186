/* s3_date.c - the two spellings of time that the API uses. */
#include <stdio.h>
#include <time.h>

#include "s3/s3_int.h"

static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

static void split(int64_t time_us, struct tm *out)
{
    time_t seconds = (time_t)(time_us / 1000000);

    if (!gmtime_r(&seconds, out))
        *out = (struct tm){.tm_year = 70, .tm_mday = 1};
}

void s3_iso_date(int64_t time_us, char out[32])
{
    char text[100];
    struct tm tm;

    split(time_us, &tm);
    snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
             tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
             (int)(time_us / 1000 % 1000));
    snprintf(out, 32, "%.31s", text);
}

static void put_two(char *out, int number)
{
    out[0] = (char)('0' + number / 10 % 10);
    out[1] = (char)('0' + number % 10);
}

/* RFC 9110, section 5.6.7: IMF-fixdate. Of every object given out, so printf is too slow. */
void s3_http_date(int64_t time_us, char out[32])
{
    struct tm tm;

    split(time_us, &tm);
    memcpy(out, "Thu, 01 Jan 1970 00:00:00 GMT", 30);
    memcpy(out, days[tm.tm_wday % 7], 3);
    put_two(out + 5, tm.tm_mday);
    memcpy(out + 8, months[tm.tm_mon % 12], 3);
    put_two(out + 12, (tm.tm_year + 1900) / 100);
    put_two(out + 14, (tm.tm_year + 1900) % 100);
    put_two(out + 17, tm.tm_hour);
    put_two(out + 20, tm.tm_min);
    put_two(out + 23, tm.tm_sec);
}

int s3_parse_iso_date(const char *text, int64_t *out_us)
{
    struct tm tm = {0};
    int end = 0, fraction = 0;

    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n.%*3d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
               &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &end, &fraction) != 6 ||
        !end || strcmp(text + (fraction > end ? fraction : end), "Z"))
        return ERR_INVALID;
    if (tm.tm_year < 1970 || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31)
        return ERR_INVALID;
    tm.tm_year -= 1900;
    tm.tm_mon--;
    *out_us = (int64_t)timegm(&tm) * 1000000;
    return 0;
}

int s3_parse_http_date(const char *text, int64_t *out_us)
{
    struct tm tm = {0};
    char month[4] = "";
    int end = 0;

    if (sscanf(text, "%*3s, %2d %3s %4d %2d:%2d:%2d GMT%n", &tm.tm_mday, month, &tm.tm_year,
               &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &end) != 6 ||
        !end)
        return ERR_INVALID;
    tm.tm_mon = -1;
    for (int i = 0; i < 12; i++)
        if (strcmp(month, months[i]) == 0)
            tm.tm_mon = i;
    if (tm.tm_mon < 0 || tm.tm_year < 1970 || tm.tm_year > 9999)
        return ERR_INVALID;
    tm.tm_year -= 1900;
    *out_us = (int64_t)timegm(&tm) * 1000000;
    return 0;
}
