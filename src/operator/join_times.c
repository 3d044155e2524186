/* join_times.c - rows of two sides whose times lie within bounds of each other, kept by spans of
 * time. */
#include "operator/join.h"

#define SPAN_MS_MIN 1000

int join_times_init(struct join_times *times, const struct op_join_spec *spec, struct err *err)
{
    int64_t quarter = (spec->high_ms - spec->low_ms) / 4;

    times->low = spec->low_ms;
    times->high = spec->high_ms;
    times->span = quarter > SPAN_MS_MIN ? quarter : SPAN_MS_MIN;
    times->column[LEFT] = spec->left_time;
    times->column[RIGHT] = spec->right_time;
    times->ms = calloc(vec_chunk_rows(), sizeof(*times->ms));
    return times->ms ? 0 : err_set(err, ERR_NOMEM, "a join by time");
}

void join_times_deinit(struct join_times *times)
{
    free(times->ms);
}

void join_times_read(struct join_times *times, struct join_side *side, int column,
                     duckdb_data_chunk chunk)
{
    duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, (idx_t)column);
    const int64_t *micros = duckdb_vector_get_data(vector);
    const uint64_t *validity = duckdb_vector_get_validity(vector);
    idx_t rows = duckdb_data_chunk_get_size(chunk);

    for (idx_t i = 0; i < rows; i++) {
        if (vec_is_valid(validity, i))
            times->ms[i] = rows_ms(micros[i]);
        else
            side->keyless[i] = true;
    }
}

int64_t join_span(const struct join_times *times, int64_t ms)
{
    int64_t rest = ms % times->span;

    return (ms - (rest < 0 ? rest + times->span : rest)) / times->span;
}

void join_bounds(const struct join_times *times, int s, int64_t ms, int64_t *from, int64_t *to)
{
    *from = s == LEFT ? ms + times->low : ms - times->high;
    *to = s == LEFT ? ms + times->high : ms - times->low;
}

bool join_span_over(const struct join_times *times, int s, struct state_table *rows, int64_t passed,
                    int64_t *span)
{
    int64_t from, to;

    if (!state_space_from(rows, INT64_MIN, span))
        return false;
    join_bounds(times, s, *span * times->span + times->span - 1, &from, &to);
    return passed >= to;
}
