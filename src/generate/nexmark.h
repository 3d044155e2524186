/* nexmark.h - the events of Nexmark: an online auction house with persons, auctions and bids.
 *
 * Of 50 events one is a new person, three are new auctions and 46 are bids, as in the public
 * benchmark (github.com/nexmark/nexmark), with its shares of hot auctions, sellers and bidders, its
 * ranges of ids, prices and lengths. Event n is a function of the seed and n, as everywhere in this
 * room, so it can be made by a generator as JSON or by a source as columns, and is the same.
 * Threads: nothing is shared.
 */
#ifndef GENERATE_NEXMARK_H
#define GENERATE_NEXMARK_H

#include "base/base.h"

struct nexmark {
    uint64_t seed;
    double interval_us; /* time between two events */
    uint64_t group;     /* events of each so many in a row come in disorder; 0, 1: none do */
    /* For whoever reads none of them: the texts are empty then, the prices 0. */
    bool no_texts, no_prices;
};

enum nexmark_kind { NEXMARK_PERSON, NEXMARK_AUCTION, NEXMARK_BID };

struct nexmark_person {
    int64_t id;
    struct slice name, email, credit_card, city, state, extra;
};
struct nexmark_auction {
    int64_t id, initial_bid, reserve, expires_us, seller, category;
    struct slice item_name, description, extra;
};
struct nexmark_bid {
    int64_t auction, bidder, price;
    struct slice channel, url, extra;
};
struct nexmark_event {
    enum nexmark_kind kind;
    int64_t time_us; /* since 1970, whole milliseconds, as are an auction's ends */
    union {
        struct nexmark_person person;
        struct nexmark_auction auction;
        struct nexmark_bid bid;
    };
    uint8_t text[1024]; /* what the slices point into */
};

/* `time_us`: when event n would be due in order. */
void nexmark_event(const struct nexmark *nexmark, uint64_t n, int64_t time_us,
                   struct nexmark_event *out);

#define NEXMARK_JSON_MAX 1600
/* As Flink writes the public benchmark's table in JSON, the absent ones as null. Writes at most
 * NEXMARK_JSON_MAX bytes and gives the end. */
uint8_t *nexmark_json(const struct nexmark_event *event, uint8_t *at);

#endif
