/* instance.c - rooms start from the top down and stop from the bottom up. */
#include "cli/instance.h"

static void stop_from(struct instance *instance, const struct room *rooms, size_t count)
{
    while (count-- > 0) {
        diag(DIAG_DEBUG, "tarn", "stopping %s", rooms[count].name);
        rooms[count].stop(instance);
    }
}

int instance_start(struct instance *instance, const struct room *rooms, struct err *err)
{
    for (size_t i = 0; rooms[i].name; i++) {
        int64_t began = clock_mono_ns(instance->clock);
        int rc = rooms[i].start(instance, err);

        if (rc) {
            stop_from(instance, rooms, i + 1); /* the last one is half built */
            return err_wrap(err, rc, "%s", rooms[i].name);
        }
        diag(DIAG_DEBUG, "tarn", "%s started in %.1f ms", rooms[i].name,
             (double)(clock_mono_ns(instance->clock) - began) / 1e6);
    }
    return 0;
}

void instance_stop(struct instance *instance, const struct room *rooms)
{
    size_t count = 0;

    while (rooms[count].name)
        count++;
    stop_from(instance, rooms, count);
}
