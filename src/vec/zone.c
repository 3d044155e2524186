/* zone.c - TZif files (RFC 8536) and the POSIX rule at their end for times past the last entry. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/be.h"
#include "vec/vec.h"
#include "vec/zone.h"

#define ZONES_MAX 1024
#define FOLDER    "/usr/share/zoneinfo/"

struct rule_day {
    int month, week, weekday; /* Mm.w.d; week 5: the last */
    int32_t time;             /* local seconds of the day */
};

struct zone {
    char *name;
    size_t count;     /* of transitions */
    int64_t *times;   /* UTC seconds */
    int32_t *offsets; /* from that time on */
    int32_t first;    /* before the first */
    bool has_rule;    /* summer time by rule after the last */
    int32_t standard, summer;
    struct rule_day start, end;
    struct zone *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct zone *zones;
static int zone_count;

/* ---- the POSIX rule: "CET-1CEST,M3.5.0,M10.5.0/3" ---- */

static const char *rule_name(const char *p)
{
    if (*p == '<') {
        p = strchr(p, '>');
        return p ? p + 1 : NULL;
    }
    while ((*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z'))
        p++;
    return p;
}

static const char *rule_time(const char *p, int32_t *seconds)
{
    int sign = 1, part[3] = {0, 0, 0};

    if (*p == '-' || *p == '+')
        sign = *p++ == '-' ? -1 : 1;
    for (int i = 0; i < 3; i++) {
        while (*p >= '0' && *p <= '9' && part[i] < 1000)
            part[i] = part[i] * 10 + (*p++ - '0');
        if (*p != ':' || i == 2)
            break;
        p++;
    }
    *seconds = sign * (part[0] * 3600 + part[1] * 60 + part[2]);
    return p;
}

static const char *rule_day(const char *p, struct rule_day *day)
{
    int used = 0;

    day->time = 7200;
    if (sscanf(p, ",M%d.%d.%d%n", &day->month, &day->week, &day->weekday, &used) != 3)
        return NULL;
    p += used;
    return *p == '/' ? rule_time(p + 1, &day->time) : p;
}

/* False: no summer time by rule; the last transition then holds for ever. */
static bool rule_parse(const char *p, struct zone *zone)
{
    int32_t west;

    p = rule_name(p);
    if (!p || !*p)
        return false;
    p = rule_time(p, &west);
    zone->standard = -west;
    if (!*p)
        return false;
    p = rule_name(p);
    if (!p)
        return false;
    zone->summer = zone->standard + 3600;
    if (*p && *p != ',') {
        p = rule_time(p, &west);
        zone->summer = -west;
    }
    p = rule_day(p, &zone->start);
    return p && rule_day(p, &zone->end);
}

/* UTC seconds of a rule's day in a year, under the offset that holds before it. */
static int64_t rule_at(const struct rule_day *day, int64_t year, int32_t offset)
{
    int64_t first = vec_days(year, day->month, 1);
    int64_t next = day->month == 12 ? vec_days(year + 1, 1, 1) : vec_days(year, day->month + 1, 1);
    int weekday = (int)(((first + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
    int64_t at = first + (day->weekday - weekday + 7) % 7 + (day->week - 1) * 7;

    while (at >= next)
        at -= 7;
    return at * 86400 + day->time - offset;
}

static int32_t rule_offset(const struct zone *zone, int64_t utc)
{
    int64_t days = utc / 86400 - (utc % 86400 < 0), year;
    int month, day;
    int64_t start, end;
    bool summer;

    vec_civil(days, &year, &month, &day);
    start = rule_at(&zone->start, year, zone->standard);
    end = rule_at(&zone->end, year, zone->summer);
    summer = start < end ? utc >= start && utc < end : utc >= start || utc < end;
    return summer ? zone->summer : zone->standard;
}

/* ---- TZif ---- */

/* Skips the 32-bit part, reads the 64-bit one. */
static int tzif_parse(struct slice file, struct zone *zone)
{
    const uint8_t *p = file.ptr, *end = p + file.len;
    uint32_t leap, times, types, chars;
    char footer[128];
    size_t len;

    for (int pass = 0; pass < 2; pass++) {
        size_t time_size = pass == 0 ? 4 : 8, body;

        if (end - p < 44 || memcmp(p, "TZif", 4) || p[4] < '2')
            return ERR_CORRUPT;
        leap = be32_get(p + 28);
        times = be32_get(p + 32);
        types = be32_get(p + 36);
        chars = be32_get(p + 40);
        if (leap > 10000 || times > 100000 || types > 256 || types == 0 || chars > 10000)
            return ERR_CORRUPT;
        body = times * (time_size + 1) + types * 6 + chars + leap * (time_size + 4) +
               be32_get(p + 24) % 1000 + be32_get(p + 20) % 1000;
        p += 44;
        if ((size_t)(end - p) < body)
            return ERR_CORRUPT;
        if (pass == 1) {
            const uint8_t *index = p + (size_t)times * 8, *type = index + times;

            zone->times = calloc(times + 1, sizeof(*zone->times));
            zone->offsets = calloc(times + 1, sizeof(*zone->offsets));
            if (!zone->times || !zone->offsets)
                return ERR_NOMEM;
            zone->first = (int32_t)be32_get(type);
            for (uint32_t i = 0; i < times; i++) {
                if (index[i] >= types)
                    return ERR_CORRUPT;
                zone->times[i] = (int64_t)be64_get(p + (size_t)i * 8);
                zone->offsets[i] = (int32_t)be32_get(type + (size_t)index[i] * 6);
            }
            zone->count = times;
        }
        p += body;
    }
    len = (size_t)(end - p);
    if (len > 2 && len < sizeof(footer) && p[0] == '\n' && p[len - 1] == '\n') {
        memcpy(footer, p + 1, len - 2);
        footer[len - 2] = '\0';
        zone->has_rule = rule_parse(footer, zone);
    }
    return 0;
}

/* [+-]H[H][[:]MM[[:]SS]] */
static bool offset_parse(const char *p, int32_t *seconds)
{
    int sign, part[3] = {0}, i = 0;

    if (*p != '+' && *p != '-')
        return false;
    sign = *p++ == '-' ? -1 : 1;
    while (i < 3 && *p >= '0' && *p <= '9') {
        part[i] = *p++ - '0';
        if (*p >= '0' && *p <= '9')
            part[i] = part[i] * 10 + (*p++ - '0');
        else if (i > 0)
            return false;
        i++;
        if (*p == ':')
            p++;
    }
    *seconds = sign * (part[0] * 3600 + part[1] * 60 + part[2]);
    return i > 0 && !*p && part[0] <= 18 && part[1] < 60 && part[2] < 60;
}

static int zone_fill(struct zone *zone)
{
    static const char *const prefixes[] = {"UTC", "GMT", "UT", ""};
    const char *name = zone->name;
    char path[200];
    struct buf file = {.max = 1 << 20};
    int rc;

    if (!strcmp(name, "Z"))
        return 0;
    for (size_t i = 0; i < COUNT_OF(prefixes); i++) {
        size_t len = strlen(prefixes[i]);

        if (!strncmp(name, prefixes[i], len) &&
            ((len && !name[len]) || offset_parse(name + len, &zone->first)))
            return 0;
    }
    if (strstr(name, "..") || name[0] == '/' || !name[0] || strlen(name) > 100)
        return ERR_NOENT;
    snprintf(path, sizeof(path), "%s%s", FOLDER, name);
    rc = disk_read_file(disk_system(), path, &file, NULL);
    rc = rc ? rc : tzif_parse(buf_slice(&file), zone);
    buf_deinit(&file);
    return rc;
}

static void zone_free(struct zone *zone)
{
    if (!zone)
        return;
    free(zone->times);
    free(zone->offsets);
    free(zone->name);
    free(zone);
}

const struct zone *zone_get(struct slice name)
{
    static _Thread_local const struct zone *last;
    struct zone *zone;

    if (last && strlen(last->name) == name.len && !memcmp(last->name, name.ptr, name.len))
        return last;
    pthread_mutex_lock(&lock);
    for (zone = zones; zone; zone = zone->next)
        if (strlen(zone->name) == name.len && !memcmp(zone->name, name.ptr, name.len))
            break;
    if (!zone && zone_count < ZONES_MAX && (zone = calloc(1, sizeof(*zone)))) {
        zone->name = strndup((const char *)name.ptr, name.len);
        if (!zone->name || zone_fill(zone)) {
            zone_free(zone);
            zone = NULL;
        } else {
            zone->next = zones;
            zones = zone;
            zone_count++;
        }
    }
    pthread_mutex_unlock(&lock);
    if (zone)
        last = zone;
    return zone;
}

int32_t zone_offset(const struct zone *zone, int64_t utc)
{
    size_t low = 0, high = zone->count;

    if (zone->count == 0)
        return zone->has_rule ? rule_offset(zone, utc) : zone->first;
    if (utc < zone->times[0])
        return zone->first;
    if (utc >= zone->times[zone->count - 1] && zone->has_rule)
        return rule_offset(zone, utc);
    while (high - low > 1) {
        size_t mid = (low + high) / 2;

        if (zone->times[mid] <= utc)
            low = mid;
        else
            high = mid;
    }
    return zone->offsets[low];
}

int64_t zone_to_utc(const struct zone *zone, int64_t local, bool late)
{
    int32_t before = zone_offset(zone, local - 86400), after = zone_offset(zone, local + 86400);
    bool first, second;

    if (before == after)
        return local - before;
    first = zone_offset(zone, local - before) == before;
    second = zone_offset(zone, local - after) == after;
    if (second && (late || !first))
        return local - after;
    return local - before;
}
