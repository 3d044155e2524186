/* nexmark.c - persons, auctions and bids by number. */
#include "generate/nexmark.h"

#include <math.h>
#include <pthread.h>

#include "generate/emit.h"

#define PERSONS        1
#define AUCTIONS       3
#define BIDS           46
#define EVENTS         (PERSONS + AUCTIONS + BIDS)
#define FIRST_ID       1000 /* of persons and auctions */
#define FIRST_CATEGORY 10
#define CATEGORIES     5
#define ACTIVE         1000 /* persons that sell and bid */
#define IN_FLIGHT      100  /* auctions that are bid on */
#define LEAD           10   /* ids that may be named before they are there */
#define HOT            100  /* one in so many persons and auctions is hot */
#define CHANNELS       10000
#define PERSON_SIZE    200 /* average bytes, padded by `extra` */
#define AUCTION_SIZE   500
#define BID_SIZE       100

struct maker {
    uint64_t stream, n;
    uint8_t *at; /* where text goes */
};

static uint64_t bits(struct maker *m)
{
    return draw(m->stream, m->n++);
}
static uint64_t below(struct maker *m, uint64_t bound)
{
    return scaled(bits(m), bound);
}

/* ---- texts ---- */

static struct slice done(struct maker *m, uint8_t *from)
{
    struct slice text = slice_of(from, (size_t)(m->at - from));

    return text;
}

/* Texts are cut out of these, as the public generator does: drawing each letter would take longer
 * than all the rest. In the last two one letter in 13 is a blank or a '_'. */
#define POOL (1 << 16)
static uint8_t pools[3][POOL];
enum { LETTERS, WORDS, NAMES };

static void fill_pools(void)
{
    static const uint8_t special[] = {0, ' ', '_'};

    for (uint64_t p = 0; p < COUNT_OF(pools); p++)
        for (uint64_t i = 0; i < POOL; i++) {
            uint64_t drawn = draw(p + 1, i);

            pools[p][i] = special[p] && (drawn >> 32) % 13 == 0
                              ? special[p]
                              : (uint8_t)('a' + (drawn & 0xffffffff) % 26);
        }
}

static uint8_t *cut(struct maker *m, int pool, uint8_t *at, size_t len)
{
    memcpy(at, pools[pool] + below(m, POOL - len), len);
    return at + len;
}

/* Three letters or more, below `most`, the first and the last no blank. */
#define DRAWS_OF_WORD 2
static struct slice word(struct maker *m, size_t most, int pool)
{
    uint8_t *from = m->at;

    m->at = cut(m, pool, from, 3 + below(m, most - 3));
    if (*from == ' ')
        *from = 'a';
    if (m->at[-1] == ' ')
        m->at[-1] = 'z';
    return done(m, from);
}

/* Fills up to an average size, a fifth more or less. */
static struct slice extra(struct maker *m, size_t size, size_t average)
{
    uint8_t *from = m->at;
    size_t room, delta;

    if (size < average) {
        room = average - size;
        delta = (room + 2) / 5;
        m->at = cut(m, LETTERS, from, room - delta + (delta ? below(m, 2 * delta) : 0));
    }
    return done(m, from);
}

static struct slice add(struct maker *m, const char *text)
{
    uint8_t *from = m->at;
    size_t len = strlen(text);

    memcpy(from, text, len);
    m->at += len;
    return done(m, from);
}

/* ---- ids ---- */

static int64_t last_person(int64_t event)
{
    int64_t offset = event % EVENTS;

    return event / EVENTS * PERSONS + (offset < PERSONS ? offset : PERSONS - 1);
}

/* The one that is due or was last; -1: there is none yet. */
static int64_t last_auction(int64_t event)
{
    int64_t round = event / EVENTS, offset = event % EVENTS - PERSONS;

    if (offset < 0)
        return round * AUCTIONS - 1;
    return round * AUCTIONS + (offset < AUCTIONS ? offset : AUCTIONS - 1);
}

static int64_t some_person(struct maker *m, int64_t event)
{
    int64_t count = last_person(event) + 1, active = count < ACTIVE ? count : ACTIVE;

    return count - active + (int64_t)below(m, (uint64_t)active + LEAD);
}

static int64_t some_auction(struct maker *m, int64_t event)
{
    int64_t last = last_auction(event), first = last > IN_FLIGHT ? last - IN_FLIGHT : 0;

    return first + (int64_t)below(m, (uint64_t)(last - first + 1 + LEAD));
}

/* What is not made is drawn all the same: what follows it stays what it is. */
static int64_t price(struct maker *m, const struct nexmark *nexmark)
{
    if (nexmark->no_prices) {
        m->n++;
        return 0;
    }
    return llround(pow(10.0, (double)(bits(m) >> 11) * 0x1p-53 * 6.0) * 100.0);
}

/* ---- the three ---- */

static void make_person(struct maker *m, const struct nexmark *nexmark, int64_t event,
                        struct nexmark_person *out)
{
    static const char *const firsts[] = {"Peter", "Paul",  "Luke",  "John",   "Saul",  "Vicky",
                                         "Kate",  "Julie", "Sarah", "Deiter", "Walter"};
    static const char *const lasts[] = {"Shultz", "Abrams", "Spencer", "White", "Bartels",
                                        "Walton", "Smith",  "Jones",   "Noris"};
    static const char *const cities[] = {"Phoenix",  "Los Angeles", "San Francisco", "Boise",
                                         "Portland", "Bend",        "Redmond",       "Seattle",
                                         "Kent",     "Cheyenne"};
    static const char *const states[] = {"AZ", "CA", "ID", "OR", "WA", "WY"};
    uint8_t *from = m->at;

    *out = (struct nexmark_person){.id = FIRST_ID + last_person(event)};
    if (nexmark->no_texts)
        return;
    add(m, firsts[below(m, COUNT_OF(firsts))]);
    add(m, " ");
    add(m, lasts[below(m, COUNT_OF(lasts))]);
    out->name = done(m, from);
    from = m->at;
    word(m, 7, WORDS);
    add(m, "@");
    word(m, 5, WORDS);
    add(m, ".com");
    out->email = done(m, from);
    from = m->at;
    for (int i = 0; i < 4; i++) {
        if (i)
            add(m, " ");
        m->at = put_u64(m->at, below(m, 10000), 4);
    }
    out->credit_card = done(m, from);
    out->city = add(m, cities[below(m, COUNT_OF(cities))]);
    out->state = add(m, states[below(m, COUNT_OF(states))]);
    out->extra = extra(m,
                       8 + out->name.len + out->email.len + out->credit_card.len + out->city.len +
                           out->state.len,
                       PERSON_SIZE);
}

/* As long as it takes to make the auctions in flight, on average. */
static int64_t auction_us(struct maker *m, const struct nexmark *nexmark)
{
    double horizon = nexmark->interval_us * (IN_FLIGHT * EVENTS / AUCTIONS) / 1000;
    uint64_t most = horizon < 0.5 ? 1 : (uint64_t)fmin(horizon * 2, 1e12);

    return (1 + (int64_t)below(m, most)) * 1000;
}

static void make_auction(struct maker *m, const struct nexmark *nexmark, int64_t event,
                         int64_t time_us, struct nexmark_auction *out)
{
    *out = (struct nexmark_auction){.id = FIRST_ID + last_auction(event)};
    out->seller =
        FIRST_ID + (below(m, 4) > 0 ? last_person(event) / HOT * HOT : some_person(m, event));
    out->category = FIRST_CATEGORY + (int64_t)below(m, CATEGORIES);
    out->initial_bid = price(m, nexmark);
    out->expires_us = time_us + auction_us(m, nexmark);
    if (nexmark->no_texts) {
        m->n += 2 * DRAWS_OF_WORD;
    } else {
        out->item_name = word(m, 20, WORDS);
        out->description = word(m, 100, WORDS);
    }
    out->reserve = out->initial_bid + price(m, nexmark);
    if (nexmark->no_texts)
        return;
    out->extra = extra(m, 48 + out->item_name.len + out->description.len, AUCTION_SIZE);
}

static void make_url(struct maker *m, uint64_t stream, uint64_t channel, struct nexmark_bid *out)
{
    struct maker own = {stream ^ 0x5ca1ab1e, channel << 8, m->at};

    add(&own, "https://www.nexmark.com/");
    for (int i = 0; i < 3; i++) {
        word(&own, 5, NAMES);
        add(&own, "/");
    }
    add(&own, "item.htm?query=1");
    if (channel < CHANNELS && below(&own, 10) > 0) {
        add(&own, "&channel_id=");
        own.at = put_u64(own.at, bits(&own) >> 33, 1);
    }
    out->url = done(&own, m->at);
    m->at = own.at;
}

static void make_bid(struct maker *m, const struct nexmark *nexmark, int64_t event,
                     struct nexmark_bid *out)
{
    static const char *const hot[] = {"Google", "Facebook", "Baidu", "Apple"};
    uint8_t *from = m->at;
    uint64_t channel;

    *out = (struct nexmark_bid){0};
    out->auction =
        FIRST_ID + (below(m, 2) > 0 ? last_auction(event) / HOT * HOT : some_auction(m, event));
    out->bidder =
        FIRST_ID + (below(m, 4) > 0 ? last_person(event) / HOT * HOT + 1 : some_person(m, event));
    out->price = price(m, nexmark);
    if (nexmark->no_texts)
        return;
    if (below(m, 2) > 0) {
        channel = below(m, COUNT_OF(hot));
        out->channel = add(m, hot[channel]);
        channel += CHANNELS;
    } else {
        channel = below(m, CHANNELS);
        add(m, "channel-");
        m->at = put_u64(m->at, channel, 1);
        out->channel = done(m, from);
    }
    make_url(m, nexmark->seed, channel, out);
    out->extra = extra(m, 32, BID_SIZE);
}

/* Of each group of events in a row, another order of the same. */
static uint64_t in_disorder(const struct nexmark *nexmark, uint64_t n)
{
    uint64_t group = nexmark->group;

    return group > 1 ? n / group * group + n * 953 % group : n;
}

void nexmark_event(const struct nexmark *nexmark, uint64_t n, int64_t time_us,
                   struct nexmark_event *out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    uint64_t number = in_disorder(nexmark, n);
    struct maker m = {mix(nexmark->seed ^ draw(0x6e65786d61726b, number)), 0, out->text};
    int64_t event = (int64_t)number, offset = event % EVENTS;

    pthread_once(&once, fill_pools);
    time_us += (int64_t)(((double)number - (double)n) * nexmark->interval_us);
    time_us -= ((time_us % 1000) + 1000) % 1000;
    out->time_us = time_us;
    out->kind = offset < PERSONS              ? NEXMARK_PERSON
                : offset < PERSONS + AUCTIONS ? NEXMARK_AUCTION
                                              : NEXMARK_BID;
    if (out->kind == NEXMARK_PERSON)
        make_person(&m, nexmark, event, &out->person);
    else if (out->kind == NEXMARK_AUCTION)
        make_auction(&m, nexmark, event, time_us, &out->auction);
    else
        make_bid(&m, nexmark, event, &out->bid);
}

/* ---- JSON ---- */

static uint8_t *put_raw(uint8_t *at, const char *text)
{
    size_t len = strlen(text);

    memcpy(at, text, len);
    return at + len;
}

static uint8_t *put_number(uint8_t *at, const char *name, int64_t value)
{
    at = put_raw(at, name);
    return put_u64(at, (uint64_t)value, 1); /* none is negative */
}

/* None of the texts has a character that JSON escapes. */
static uint8_t *put_text(uint8_t *at, const char *name, struct slice text)
{
    at = put_raw(at, name);
    *at++ = '"';
    memcpy(at, text.ptr, text.len);
    at += text.len;
    *at++ = '"';
    return at;
}

/* 2025-01-01 00:00:00.123: years of four digits, times since 1970. */
static uint8_t *put_time(uint8_t *at, const char *name, int64_t us)
{
    int64_t ms = us / 1000, of_day = ms % 86400000;

    at = put_raw(at, name);
    *at++ = '"';
    at = put_date(at, ms / 86400000);
    *at++ = ' ';
    at = put_clock(at, (unsigned)(of_day / 1000));
    *at++ = '.';
    at = put_u64(at, (uint64_t)(of_day % 1000), 3);
    *at++ = '"';
    return at;
}

static uint8_t *person_json(const struct nexmark_event *event, uint8_t *at)
{
    const struct nexmark_person *p = &event->person;

    at = put_number(at, "{\"event_type\":0,\"person\":{\"id\":", p->id);
    at = put_text(at, ",\"name\":", p->name);
    at = put_text(at, ",\"emailAddress\":", p->email);
    at = put_text(at, ",\"creditCard\":", p->credit_card);
    at = put_text(at, ",\"city\":", p->city);
    at = put_text(at, ",\"state\":", p->state);
    at = put_time(at, ",\"dateTime\":", event->time_us);
    at = put_text(at, ",\"extra\":", p->extra);
    return put_raw(at, "},\"auction\":null,\"bid\":null}");
}

static uint8_t *auction_json(const struct nexmark_event *event, uint8_t *at)
{
    const struct nexmark_auction *a = &event->auction;

    at = put_number(at, "{\"event_type\":1,\"person\":null,\"auction\":{\"id\":", a->id);
    at = put_text(at, ",\"itemName\":", a->item_name);
    at = put_text(at, ",\"description\":", a->description);
    at = put_number(at, ",\"initialBid\":", a->initial_bid);
    at = put_number(at, ",\"reserve\":", a->reserve);
    at = put_time(at, ",\"dateTime\":", event->time_us);
    at = put_time(at, ",\"expires\":", a->expires_us);
    at = put_number(at, ",\"seller\":", a->seller);
    at = put_number(at, ",\"category\":", a->category);
    at = put_text(at, ",\"extra\":", a->extra);
    return put_raw(at, "},\"bid\":null}");
}

static uint8_t *bid_json(const struct nexmark_event *event, uint8_t *at)
{
    const struct nexmark_bid *b = &event->bid;

    at = put_number(
        at, "{\"event_type\":2,\"person\":null,\"auction\":null,\"bid\":{\"auction\":", b->auction);
    at = put_number(at, ",\"bidder\":", b->bidder);
    at = put_number(at, ",\"price\":", b->price);
    at = put_text(at, ",\"channel\":", b->channel);
    at = put_text(at, ",\"url\":", b->url);
    at = put_time(at, ",\"dateTime\":", event->time_us);
    at = put_text(at, ",\"extra\":", b->extra);
    return put_raw(at, "}}");
}

uint8_t *nexmark_json(const struct nexmark_event *event, uint8_t *at)
{
    return event->kind == NEXMARK_PERSON    ? person_json(event, at)
           : event->kind == NEXMARK_AUCTION ? auction_json(event, at)
                                            : bid_json(event, at);
}
