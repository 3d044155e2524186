/* screen.h - the live picture of an instance on a terminal, and the same picture once for `status`.
 * Drawn from the JSON of instance_status, so both show the same.
 */
#ifndef CLI_SCREEN_H
#define CLI_SCREEN_H

#include "cli/instance.h"

struct screen;

struct screen *screen_new(const char *name); /* NULL: out of memory, then nothing is drawn */
void screen_free(struct screen *screen);     /* gives the terminal back; NULL is fine */
/* Wipes the picture, so that something else can be printed; the next one is drawn below it. */
void screen_pause(struct screen *screen); /* NULL is fine */
void screen_draw(struct screen *screen, struct instance *instance);

/* The picture as text. Rates come from the difference to `before` (NULL: none are shown). */
int picture_of(const json_t *status, const json_t *before, int columns, bool colour,
               struct buf *out);

#endif
