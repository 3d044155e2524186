/* outside_int.h - what the files of outside.h share. */
#ifndef KAFKA_OUTSIDE_INT_H
#define KAFKA_OUTSIDE_INT_H

#include <librdkafka/rdkafka.h>
#include <pthread.h>

#include "kafka/outside.h"

/* What connections last complained of. librdkafka tells of each failure and not of recovery: the
 * owner clears it when something came. */
struct outside_trouble {
    pthread_mutex_t mutex;
    bool down;
    char text[300];
};
void outside_trouble_init(struct outside_trouble *trouble);
void outside_trouble_deinit(struct outside_trouble *trouble);
void outside_trouble_note(struct outside_trouble *trouble, rd_kafka_resp_err_t code,
                          const char *text);
void outside_trouble_clear(struct outside_trouble *trouble);
bool outside_trouble_show(struct outside_trouble *trouble, char *text, size_t size);

/* A configuration from the properties; the caller owns it. */
int outside_conf_new(rd_kafka_conf_t **out, const struct outside_options *options, bool producer,
                     struct err *err);
/* One of ours. */
int outside_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value, struct err *err);
/* Our code for librdkafka's. */
int outside_code(rd_kafka_resp_err_t code);
/* Takes the error; 0 for NULL. */
int outside_failed(rd_kafka_error_t *error, const char *what, struct err *err);

#endif
