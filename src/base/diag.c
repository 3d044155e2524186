/* diag.c - operator messages: composed on the stack when short, written in one call, never lost
 * silently. */
#include "base/diag.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const level_names[] = {"debug", "info ", "warn ", "error"};

static void to_stderr(void *arg, enum diag_level level, const char *part, const char *line)
{
    (void)arg, (void)level, (void)part;
    fputs(line, stderr);
}

/* Set once before threads start; the mutex only keeps lines whole. */
static diag_sink *current = to_stderr;
static void *current_arg;
static enum diag_level lowest = DIAG_INFO;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

void diag_set_sink(diag_sink *sink, void *arg)
{
    pthread_mutex_lock(&mutex);
    current = sink ? sink : to_stderr;
    current_arg = arg;
    pthread_mutex_unlock(&mutex);
}

void diag_set_level(enum diag_level level)
{
    __atomic_store_n(&lowest, level, __ATOMIC_RELAXED);
}

void diag(enum diag_level level, const char *part, const char *fmt, ...)
{
    char line[1200], when[32], *longer = NULL;
    struct timespec now;
    struct tm utc;
    va_list args;
    int head, body;

    if (level < __atomic_load_n(&lowest, __ATOMIC_RELAXED))
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &utc);
    head = snprintf(line, sizeof(line), "%s.%03ldZ %s %-10s ", when, now.tv_nsec / 1000000,
                    level_names[level], part);
    head = head > 150 ? 150 : head;
    va_start(args, fmt);
    body = vsnprintf(line + head, sizeof(line) - (size_t)head - 1, fmt, args);
    va_end(args);
    if (body >= (int)sizeof(line) - head - 1) /* a long one; without memory it is cut */
        longer = malloc((size_t)head + (size_t)body + 2);
    if (longer) {
        memcpy(longer, line, (size_t)head);
        va_start(args, fmt);
        vsnprintf(longer + head, (size_t)body + 1, fmt, args);
        va_end(args);
    }
    strcat(longer ? longer : line, "\n");
    pthread_mutex_lock(&mutex);
    current(current_arg, level, part, longer ? longer : line);
    pthread_mutex_unlock(&mutex);
    free(longer);
}
