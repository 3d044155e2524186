/* why.c - why nothing comes out of a job: which partition holds its time back, who waits for whom,
 * what came too late. */
#include <time.h>

#include "base/term.h"
#include "stream/stream_int.h"

static int put_time(struct buf *out, int64_t ms)
{
    time_t seconds = (time_t)((ms - ((ms % 1000) + 1000) % 1000) / 1000);
    char text[40];
    struct tm tm;

    gmtime_r(&seconds, &tm);
    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
    return buf_printf(out, "%s.%03dZ", text, (int)(((ms % 1000) + 1000) % 1000));
}

static int put_input(struct buf *out, const struct stream_input_info *in, int64_t now_ms)
{
    char behind[TERM_TEXT];
    int rc = buf_printf(out, "  %s: ", in->name);

    if (rc)
        return rc;
    if (in->ended)
        return buf_append_str(out, "read to its end; it holds nothing back\n");
    if (!in->timed)
        return buf_append_str(out, "has no watermark; nothing goes by its time\n");
    if (in->idle)
        return buf_append_str(out, "idle, no partition gave a row for the time allowed; it holds "
                                   "nothing back\n");
    if (in->slowest < 0)
        return buf_append_str(out, "no watermark yet: nothing has been read\n");
    if (in->watermark_ms == OP_TIME_MIN)
        return buf_printf(out,
                          "no watermark yet: partition %" PRId64
                          " has not given a row (SET 'table.exec.source.idle-timeout' lets the "
                          "others go on without it)\n",
                          in->slowest);
    term_duration_ns((now_ms - in->watermark_ms) * 1000000, behind);
    rc = buf_append_str(out, in->held ? "waits for others of its watermark group, at " : "at ");
    rc = rc ? rc : put_time(out, in->watermark_ms);
    return rc ? rc
              : buf_printf(out,
                           ", %s behind the clock; partition %" PRId64 " is the slowest; %" PRId64
                           " records wait\n",
                           behind, in->slowest, in->lag);
}

/* The input that all others wait for; NULL: none goes by time. */
static const struct stream_input_info *slowest_input(const struct stream_pipeline_info *p)
{
    const struct stream_input_info *slowest = NULL;

    for (size_t i = 0; i < p->input_count; i++) {
        const struct stream_input_info *in = &p->inputs[i];

        if (in->timed && !in->idle && !in->ended &&
            (!slowest || in->watermark_ms < slowest->watermark_ms))
            slowest = in;
    }
    return slowest;
}

static int put_pipeline(struct buf *out, const struct stream_pipeline_info *p, int64_t now_ms)
{
    const struct stream_input_info *slowest = slowest_input(p);
    int rc = !slowest ? buf_printf(out, "%s: no watermark holds it back\n", p->name)
             : slowest->slowest < 0
                 ? buf_printf(out, "%s: %s holds its time back\n", p->name, slowest->name)
                 : buf_printf(out, "%s: %s partition %" PRId64 " holds its time back\n", p->name,
                              slowest->name, slowest->slowest);

    if (!rc && p->waiting)
        rc = buf_printf(out, "  waits: %s\n", p->waiting);
    if (!rc && p->backpressured >= 0.5)
        rc = buf_printf(out,
                        "  the sink %s takes rows slower than they come: %.0f%% of the time is "
                        "spent waiting for it\n",
                        p->target, p->backpressured * 100);
    for (size_t i = 0; i < p->input_count && !rc; i++)
        rc = put_input(out, &p->inputs[i], now_ms);
    for (size_t i = 0; i < p->op_count && !rc; i++)
        if (p->ops[i].so_far.late)
            rc = buf_printf(out, "  %s: %" PRId64 " rows came too late\n", p->ops[i].so_far.name,
                            p->ops[i].so_far.late);
    return rc;
}

int stream_why(const struct stream_job_info *job, int64_t now_ms, struct buf *out)
{
    int rc = buf_printf(out, "%s: %s", job->name, job->state);

    if (!rc && job->restarts)
        rc = buf_printf(out, " after %" PRId64 " restart%s", job->restarts,
                        job->restarts == 1 ? "" : "s");
    if (!rc && job->reason && job->reason[0])
        rc = buf_printf(out, ": %s", job->reason);
    rc = rc ? rc : buf_append_u8(out, '\n');
    for (size_t i = 0; i < job->count && !rc; i++)
        rc = put_pipeline(out, &job->pipelines[i], now_ms);
    return rc;
}
