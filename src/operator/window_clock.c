/* window_clock.c - the time that windows go by: a column or the graph's clock, in a zone or not. */
#include "operator/window.h"

static int64_t floor_div(int64_t value, int64_t by)
{
    return value / by - (value % by < 0);
}

int window_clock_init(struct window_clock *clock, const struct op_aggregate_spec *spec,
                      struct err *err)
{
    const char *zone = spec->window->zone;

    clock->rowtime = spec->rowtime;
    clock->ms = calloc(vec_chunk_rows(), sizeof(*clock->ms));
    if (!clock->ms)
        return err_set(err, ERR_NOMEM, "a window");
    clock->zone = zone && strcmp(zone, "UTC") != 0 ? zone_get(slice_str(zone)) : NULL;
    if (zone && strcmp(zone, "UTC") != 0 && !clock->zone)
        return err_set(err, ERR_INVALID, "there is no time zone '%s'", zone);
    return 0;
}

void window_clock_deinit(struct window_clock *clock)
{
    free(clock->ms);
}

static int64_t local(const struct window_clock *clock, int64_t ms)
{
    if (!clock->zone)
        return ms;
    return ms + (int64_t)zone_offset(clock->zone, floor_div(ms, 1000)) * 1000;
}

void window_clock_read(struct window_clock *clock, const struct op *op, int64_t fired,
                       duckdb_data_chunk chunk)
{
    idx_t rows = duckdb_data_chunk_get_size(chunk);
    const uint64_t *validity;
    const int64_t *times;
    duckdb_vector vector;
    int64_t now;

    if (clock->rowtime < 0) {
        now = local(clock, op->graph->now_ms == OP_TIME_MIN ? 0 : op->graph->now_ms);
        if (now <= fired && fired != OP_TIME_MAX)
            now = fired + 1;
        for (idx_t i = 0; i < rows; i++)
            clock->ms[i] = now;
        return;
    }
    vector = duckdb_data_chunk_get_vector(chunk, (idx_t)clock->rowtime);
    times = duckdb_vector_get_data(vector);
    validity = duckdb_vector_get_validity(vector);
    for (idx_t i = 0; i < rows; i++)
        clock->ms[i] =
            vec_is_valid(validity, i) ? local(clock, floor_div(times[i], 1000)) : OP_TIME_MIN;
}

/* The last local second whose (later) instant has come. It is at most a day behind. */
static int64_t last_second(const struct zone *zone, int64_t seconds, int64_t local_seconds)
{
    int64_t low = local_seconds - 86400, high = local_seconds;

    while (low < high) {
        int64_t middle = high - (high - low) / 2;

        if (zone_to_utc(zone, middle, true) <= seconds)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

int64_t window_clock_mark(const struct window_clock *clock, int64_t watermark)
{
    int64_t seconds, here, last;

    if (!clock->zone || watermark == OP_TIME_MAX || watermark == OP_TIME_MIN)
        return watermark;
    seconds = floor_div(watermark, 1000);
    here = local(clock, watermark);
    last = last_second(clock->zone, seconds, floor_div(here, 1000));
    return last == floor_div(here, 1000) ? here : last * 1000 + 999;
}

int64_t window_clock_now(const struct window_clock *clock, const struct op *op)
{
    int64_t now = op->graph->now_ms;

    return now == OP_TIME_MIN ? now : window_clock_mark(clock, now - 1);
}
