/* diag.h - messages to the operator: one line each, with time, level and part.
 * Any thread. Goes to a FILE-like sink set once at start (a log file per part, stderr, or both).
 */
#ifndef BASE_DIAG_H
#define BASE_DIAG_H

#include <stdbool.h>

enum diag_level { DIAG_DEBUG, DIAG_INFO, DIAG_WARN, DIAG_ERROR };

typedef void diag_sink(void *arg, enum diag_level level, const char *part, const char *line);

void diag_set_sink(diag_sink *sink, void *arg); /* before threads start; NULL: stderr */
void diag_set_level(enum diag_level level);
void diag(enum diag_level level, const char *part, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#define diag_info(part, ...) diag(DIAG_INFO, (part), __VA_ARGS__)
#define diag_warn(part, ...) diag(DIAG_WARN, (part), __VA_ARGS__)
#define diag_error(part, ...) diag(DIAG_ERROR, (part), __VA_ARGS__)

#endif
