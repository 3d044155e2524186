/* window.h - what the files of windows share: TUMBLE, HOP, CUMULATE and ATTACHED ones.
 *
 * Times of this file are milliseconds of the windows' clock: the local time of their zone, UTC
 * where there is none. What has fired is on that clock too.
 */
#ifndef OPERATOR_WINDOW_H
#define OPERATOR_WINDOW_H

#include "operator/aggregate.h"
#include "vec/zone.h"

/* The clock of windows, for all kinds. */
struct window_clock {
    const struct zone *zone; /* NULL: UTC */
    int rowtime;             /* column; -1: processing time */
    int64_t *ms;             /* of each row of a chunk; OP_TIME_MIN: NULL */
};
int window_clock_init(struct window_clock *clock, const struct op_aggregate_spec *spec,
                      struct err *err);
void window_clock_deinit(struct window_clock *clock);
/* Of the graph's clock, never a time up to `fired`: it may have gone back, at a new start above
 * all, and a row counts in what is still open. */
void window_clock_read(struct window_clock *clock, const struct op *op, int64_t fired,
                       duckdb_data_chunk chunk);
/* How far windows may fire when this watermark has come: a window is over when its end - 1 is not
 * behind that. In an hour that comes twice, the second pass counts, as in Flink. */
int64_t window_clock_mark(const struct window_clock *clock, int64_t watermark);
/* Likewise of the graph's clock: all that came before now. */
int64_t window_clock_now(const struct window_clock *clock, const struct op *op);

struct windows {
    struct agg agg;
    struct op_window w;
    struct window_clock clock;
    int64_t pane;  /* length; 0: by window */
    int64_t fired; /* the highest watermark there was: windows up to it are out */
    /* Times whose space was found last, while nothing fires: where they begin and end, and whether
     * they take rows. */
    int64_t cell_from, cell_to, cell_space;
    bool cell_open;
    struct state_table *progress;
    struct state *scratch;   /* of what lives as long as a call, or can be made again */
    struct agg_store merged; /* a window being merged */
    /* Windows that give results before or after their end: */
    bool updates;
    struct state_table
        *given; /* (space, key) -> what was put out: the group, then its wide bytes */
    struct state_table *dirty; /* (space, key): not put out since it changed */
    int64_t next_ms;           /* when dirty ones are put out; OP_TIME_MAX: none is */
};

int64_t window_start(const struct windows *o, struct slice key, int64_t end);

/* window_update.c */
int update_init(struct windows *o, struct err *err);
int update_touch(struct windows *o, struct err *err); /* rows of the chunk changed their groups */
int update_rows(struct windows *o, struct err *err);  /* behind the rows of a batch */
int update_mark(struct windows *o, int64_t mark, struct err *err);
int update_tick(struct windows *o, struct err *err);
int update_load(struct windows *o, struct err *err);

#endif
