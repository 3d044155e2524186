/* term.h - writing for people: is a person there, how wide is the screen, colours only then, and
 * numbers at a glance. Threads: any; the text functions touch only what they are given.
 */
#ifndef BASE_TERM_H
#define BASE_TERM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum term_style { TERM_PLAIN, TERM_BOLD, TERM_DIM, TERM_RED, TERM_GREEN, TERM_YELLOW, TERM_CYAN };

bool term_is_tty(int fd);
/* Colours: a terminal, TERM other than "dumb", NO_COLOR unset or empty (no-color.org). */
bool term_has_color(int fd);
int term_width(int fd);  /* columns; 80 when nobody knows */
int term_height(int fd); /* lines; 24 when nobody knows */

/* The escape sequence that starts a style; "" when the fd has no colours. Ends with TERM_PLAIN. */
const char *term_style(int fd, enum term_style style);

/* Each writes a NUL-ended text of at most TERM_TEXT bytes into `out` and returns `out`. */
#define TERM_TEXT 32
char *term_bytes(int64_t bytes, char out[TERM_TEXT]);    /* "512 B", "1.50 KiB", "12.0 MiB" */
char *term_count(int64_t count, char out[TERM_TEXT]);    /* "999", "1.20 k", "3.46 M" */
char *term_duration_ns(int64_t ns, char out[TERM_TEXT]); /* "850 ns", "1.50 ms", "2 m 05 s" */

#endif
