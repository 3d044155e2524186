/* term.c - what the terminal is, and numbers written with three digits that matter. */
#include "base/term.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

bool term_is_tty(int fd)
{
    return isatty(fd) == 1;
}

bool term_has_color(int fd)
{
    const char *none = getenv("NO_COLOR"), *kind = getenv("TERM");

    return term_is_tty(fd) && !(none && *none) && kind && strcmp(kind, "dumb") != 0;
}

static struct winsize size_of(int fd)
{
    struct winsize size = {0};

    if (ioctl(fd, TIOCGWINSZ, &size))
        size = (struct winsize){0};
    return size;
}

int term_width(int fd)
{
    int columns = size_of(fd).ws_col;

    return columns ? columns : 80;
}

int term_height(int fd)
{
    int lines = size_of(fd).ws_row;

    return lines ? lines : 24;
}

const char *term_style(int fd, enum term_style style)
{
    static const char *const codes[] = {
        [TERM_PLAIN] = "\x1b[0m", [TERM_BOLD] = "\x1b[1m",   [TERM_DIM] = "\x1b[2m",
        [TERM_RED] = "\x1b[31m",  [TERM_GREEN] = "\x1b[32m", [TERM_YELLOW] = "\x1b[33m",
        [TERM_CYAN] = "\x1b[36m",
    };

    return term_has_color(fd) ? codes[style] : "";
}

/* Three digits: 1.23, 12.3, 123. Rounding never gives a fourth before the point. */
static char *scaled(double value, double step, const char *const *units, char out[TERM_TEXT])
{
    int unit = 0;

    while (units[unit + 1] && (value >= 999.5 || value <= -999.5)) {
        value /= step;
        unit++;
    }
    double size = value < 0 ? -value : value;

    snprintf(out, TERM_TEXT, "%.*f %s",
             size < 9.995   ? 2
             : size < 99.95 ? 1
                            : 0,
             value, units[unit]);
    return out;
}

char *term_bytes(int64_t bytes, char out[TERM_TEXT])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", NULL};

    if (bytes > -1000 && bytes < 1000) {
        snprintf(out, TERM_TEXT, "%" PRId64 " B", bytes);
        return out;
    }
    return scaled((double)bytes, 1024, units, out);
}

char *term_count(int64_t count, char out[TERM_TEXT])
{
    static const char *const units[] = {"", "k", "M", "G", "T", "P", "E", NULL};

    if (count > -1000 && count < 1000) {
        snprintf(out, TERM_TEXT, "%" PRId64, count);
        return out;
    }
    return scaled((double)count, 1000, units, out);
}

char *term_duration_ns(int64_t ns, char out[TERM_TEXT])
{
    static const char *const units[] = {"ns", "us", "ms", "s", NULL};
    int64_t seconds = ns / 1000000000;

    if (ns > -1000 && ns < 1000)
        snprintf(out, TERM_TEXT, "%" PRId64 " ns", ns);
    else if (seconds < 60)
        scaled((double)ns, 1000, units, out);
    else if (seconds < 3600)
        snprintf(out, TERM_TEXT, "%" PRId64 " m %02d s", seconds / 60, (int)(seconds % 60));
    else if (seconds < 86400)
        snprintf(out, TERM_TEXT, "%" PRId64 " h %02d m", seconds / 3600, (int)(seconds / 60 % 60));
    else
        snprintf(out, TERM_TEXT, "%" PRId64 " d %02d h", seconds / 86400,
                 (int)(seconds / 3600 % 24));
    return out;
}
