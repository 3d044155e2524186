/* client_int.h - what the parts of the producer share: its structures, fields on the wire,
 * connections, and who leads what. One thread, the caller's.
 */
#ifndef TARN_KAFKA_CLIENT_INT_H
#define TARN_KAFKA_CLIENT_INT_H

#include "base/be.h"
#include "kafka/client.h"
#include "log/batch.h"

enum { CLIENT_IN_FLIGHT_MAX = 5, CLIENT_NODES_MAX = 64, CLIENT_IO_TIMEOUT_MS = 10000 };

struct client_node { /* a broker */
    int32_t id;
    char host[256];
    int port, fd; /* fd -1: not connected */
};

struct client_lane { /* one partition */
    struct batch_builder builder;
    int32_t partition, leader;
    int32_t sequence; /* of the next record */
    int64_t began_ms; /* when the batch got its first record */
};

struct client_route { /* one topic */
    char *name;
    struct client_lane *lanes;
    int32_t count, sticky;
};

struct client_request { /* a batch without an answer */
    struct buf frame;
    struct client_route *route;
    int32_t partition, correlation, records;
    int fd; /* where it went; -1: nowhere yet */
};

struct producer {
    struct clock *clock;
    char *bootstrap, *client_id;
    enum codec codec;
    size_t batch_bytes;
    int64_t linger_ms, timeout_ms;
    int in_flight_max;

    struct client_node nodes[CLIENT_NODES_MAX];
    size_t node_count;
    struct client_route **routes;
    size_t route_count;
    struct client_route *last; /* of the latest record */
    int64_t producer_id;
    int16_t producer_epoch;

    struct client_request queue[CLIENT_IN_FLIGHT_MAX]; /* a ring */
    int first, count;
    int32_t correlation;
    struct buf spare; /* memory of an answered frame, for the next */
    struct buf answer;
    struct producer_stats stats;
    int broken; /* a code: nothing more can be sent */
};

/* ---- client_wire.c: fields ---- */

int client_put16(struct buf *b, int16_t v);
int client_put32(struct buf *b, int32_t v);
int client_put_text(struct buf *b, const char *text); /* NULL: none */
/* Request header version 1, with room for the frame's length in front, which the end fills in. */
int client_frame_begin(struct producer *p, struct buf *frame, int16_t api, int16_t version,
                       int32_t *correlation);
void client_frame_end(struct buf *frame);

/* Reads past the end give zeroes and set `short_`: one check at the end of a message. */
struct client_reader {
    const uint8_t *at, *end;
    bool short_;
};
const uint8_t *client_take(struct client_reader *r,
                           size_t len); /* NULL: past the end, and more than 8 bytes */
struct slice client_get_text(struct client_reader *r);
/* Elements to come; each takes at least `least` bytes, so a lie is found before the loop. */
int32_t client_get_count(struct client_reader *r, size_t least);
static inline int16_t client_get16(struct client_reader *r)
{
    return (int16_t)be16_get(client_take(r, 2));
}
static inline int32_t client_get32(struct client_reader *r)
{
    return (int32_t)be32_get(client_take(r, 4));
}
static inline int64_t client_get64(struct client_reader *r)
{
    return (int64_t)be64_get(client_take(r, 8));
}

#define CLIENT_DUPLICATE_SEQUENCE 46 /* taken the first time: that answer was lost */
/* Sets `err` to what a code of the protocol means. `*again`: cured by asking for the leaders anew.
 */
int client_error(int16_t code, const char *where, bool *again, struct err *err);

/* ---- client_wire.c: connections ---- */

/* ERR_TIMEOUT: nothing happened on `fd` meanwhile; ERR_IO. */
int client_wait(int fd, short events, int timeout_ms);
int client_node_connect(struct client_node *node, struct err *err);
void client_disconnect(struct producer *p);
int client_send(int fd, struct slice bytes, struct err *err);
/* One answer into p->answer; `r` walks it behind the correlation id. */
int client_receive(struct producer *p, int fd, int32_t correlation, struct client_reader *r,
                   struct err *err);

/* ---- client_leaders.c ---- */

/* Bootstrap addresses are nodes with negative ids until metadata names the real ones. */
int client_add_bootstrap(struct producer *p, struct err *err);
struct client_node *client_find_node(struct producer *p, int32_t id); /* NULL: none */
/* `route` NULL: the brokers alone. `*again`: what failed may pass later. */
int client_ask_metadata(struct producer *p, struct client_route *route, bool *again,
                        struct err *err);
int client_ask_producer_id(struct producer *p, bool *again, struct err *err);

#endif
