/* groups.c - life of the group coordinator. */
#include "kafka/kafka_int.h"

struct groups {
    struct broker *broker;
};

int groups_new(struct groups **out, struct broker *broker, struct err *err)
{
    *out = calloc(1, sizeof(**out));
    if (!*out)
        return err_set(err, ERR_NOMEM, "groups");
    (*out)->broker = broker;
    return 0;
}

int groups_start(struct groups *groups, struct err *err)
{
    (void)groups;
    (void)err;
    return 0;
}

void groups_stop(struct groups *groups) { (void)groups; }
void groups_free(struct groups *groups) { free(groups); }
