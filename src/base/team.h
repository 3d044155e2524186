/* team.h - threads that do one thing together: the turns of a loop, forked and joined.
 *
 * A caller that holds a team runs fn(arg, i) for every i below count, on its own thread and on the
 * team's others, whichever is free first, and has all of them done on return. So what the caller
 * does before and after is in the order it is written in, as if there were no other thread; only
 * the turns of one run must not touch each other's things.
 * Nothing is allocated in a run. A run of one turn, and of a team of one, wakes nobody.
 * Threads: a team belongs to one thread at a time, and a turn does not run the team it is in.
 */
#ifndef BASE_TEAM_H
#define BASE_TEAM_H

#include <stddef.h>

#include "base/err.h"

struct team;

/* `threads` with the caller: 1 starts none. */
int team_new(struct team **out, const char *name, int threads, struct err *err);
void team_free(struct team *team);         /* accepts NULL */
int team_threads(const struct team *team); /* NULL: 1 */

typedef int team_fn(void *arg, size_t i, struct err *err);
/* The error is the one of the lowest i that fails; no turn begins behind a failure, so those above
 * it may not have run, and all below it have. `team` NULL: on the caller alone, in order. */
int team_run(struct team *team, team_fn *fn, void *arg, size_t count, struct err *err);

#endif
