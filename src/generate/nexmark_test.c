/* nexmark_test.c - Nexmark's events: their shares, their ids, and that they are JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/json.h"
#include "generate/nexmark.h"

#define START_US 1735689600000000 /* 2025-01-01 */
#define EVENTS   500000

static const struct nexmark nexmark = {.seed = 7, .interval_us = 100};

static int64_t due(uint64_t n)
{
    return START_US + (int64_t)((double)n * nexmark.interval_us);
}

static void of_fifty_events_one_is_a_person_and_three_are_auctions(void **state)
{
    static struct nexmark_event event;
    int64_t counts[3] = {0}, persons = 0, auctions = 0, hot = 0;

    (void)state;
    for (uint64_t n = 0; n < EVENTS; n++) {
        nexmark_event(&nexmark, n, due(n), &event);
        counts[event.kind]++;
        if (event.kind == NEXMARK_PERSON) {
            assert_int_equal(event.person.id, 1000 + persons++);
        } else if (event.kind == NEXMARK_AUCTION) {
            assert_int_equal(event.auction.id, 1000 + auctions++);
            assert_true(event.auction.seller >= 1000 && event.auction.seller < 1010 + persons);
            assert_true(event.auction.expires_us > event.time_us);
            assert_true(event.auction.reserve >= event.auction.initial_bid);
        } else {
            assert_true(event.bid.auction >= 1000 && event.bid.auction < 1010 + auctions);
            assert_true(event.bid.bidder >= 1000 && event.bid.bidder < 1010 + persons);
            assert_true(event.bid.price >= 100 && event.bid.price <= 100000000);
            hot += event.bid.auction == 1000 + (auctions - 1) / 100 * 100;
        }
    }
    assert_int_equal(counts[NEXMARK_PERSON], EVENTS / 50);
    assert_int_equal(counts[NEXMARK_AUCTION], EVENTS / 50 * 3);
    assert_true(hot > counts[NEXMARK_BID] * 45 / 100 && hot < counts[NEXMARK_BID] * 55 / 100);
}

static void what_is_left_out_changes_nothing_else(void **state)
{
    static struct nexmark_event whole, less;
    struct nexmark other = nexmark;

    (void)state;
    other.no_texts = other.no_prices = true;
    for (uint64_t n = 0; n < 10000; n++) {
        nexmark_event(&nexmark, n, due(n), &whole);
        nexmark_event(&other, n, due(n), &less);
        assert_int_equal(less.kind, whole.kind);
        assert_int_equal(less.time_us, whole.time_us);
        if (whole.kind == NEXMARK_PERSON) {
            assert_int_equal(less.person.id, whole.person.id);
            assert_int_equal(less.person.name.len, 0);
        } else if (whole.kind == NEXMARK_AUCTION) {
            assert_int_equal(less.auction.seller, whole.auction.seller);
            assert_int_equal(less.auction.category, whole.auction.category);
            assert_int_equal(less.auction.expires_us, whole.auction.expires_us);
            assert_int_equal(less.auction.reserve, 0);
        } else {
            assert_int_equal(less.bid.auction, whole.bid.auction);
            assert_int_equal(less.bid.bidder, whole.bid.bidder);
            assert_int_equal(less.bid.url.len, 0);
        }
        other.no_prices = n % 2; /* a reserve is drawn behind the texts */
        nexmark_event(&other, n, due(n), &less);
        if (whole.kind == NEXMARK_AUCTION && !other.no_prices)
            assert_int_equal(less.auction.reserve, whole.auction.reserve);
        other.no_prices = true;
    }
}

static void an_event_is_a_function_of_seed_and_number(void **state)
{
    static struct nexmark_event a, b;
    struct nexmark other = nexmark;
    uint8_t one[NEXMARK_JSON_MAX], two[NEXMARK_JSON_MAX];
    size_t length, differ = 0;

    (void)state;
    other.seed = 8;
    for (uint64_t n = 0; n < 1000; n++) {
        nexmark_event(&nexmark, n, due(n), &a);
        nexmark_event(&nexmark, n + 1, due(n + 1), &b); /* nothing is carried over */
        nexmark_event(&nexmark, n, due(n), &b);
        length = (size_t)(nexmark_json(&a, one) - one);
        assert_int_equal(nexmark_json(&b, two) - two, length);
        assert_memory_equal(one, two, length);
        nexmark_event(&other, n, due(n), &b);
        differ += nexmark_json(&b, two) - two != (ptrdiff_t)length || memcmp(one, two, length);
    }
    assert_int_equal(differ, 1000);
}

static void disorder_stays_within_its_group(void **state)
{
    static struct nexmark_event event;
    struct nexmark wild = nexmark;
    int64_t disorder = 0, last = 0, sum = 0;

    (void)state;
    wild.group = 1000; /* 100 ms */
    for (uint64_t n = 0; n < 50000; n++) {
        nexmark_event(&wild, n, due(n), &event);
        assert_true(event.time_us > due(n) - 101000 && event.time_us < due(n) + 101000);
        disorder += event.time_us < last;
        last = event.time_us;
        sum += event.kind == NEXMARK_PERSON ? event.person.id - 999 : 0;
    }
    assert_true(disorder > 5000);
    assert_int_equal(sum, 1000 * 1001 / 2); /* every person, once */
}

static void events_are_json_of_the_benchmarks_sizes(void **state)
{
    static struct nexmark_event event;
    static const char *const names[] = {"person", "auction", "bid"};
    uint8_t text[NEXMARK_JSON_MAX];
    size_t bytes = 0, longest = 0;

    (void)state;
    for (uint64_t n = 0; n < 20000; n++) {
        size_t length;
        json_t *json;

        nexmark_event(&nexmark, n, due(n), &event);
        length = (size_t)(nexmark_json(&event, text) - text);
        bytes += length;
        longest = length > longest ? length : longest;
        json = json_loadb((char *)text, length, 0, NULL);
        assert_non_null(json);
        assert_int_equal(json_integer_value(json_object_get(json, "event_type")), event.kind);
        for (size_t i = 0; i < 3; i++)
            assert_int_equal(json_is_object(json_object_get(json, names[i])), i == event.kind);
        json_decref(json);
    }
    assert_true(longest + 100 < NEXMARK_JSON_MAX);
    assert_in_range(bytes / 20000, 300, 360);
}

static void a_bids_json_reads_as_flink_writes_it(void **state)
{
    struct nexmark_event event = {.kind = NEXMARK_BID,
                                  .time_us = 1709210096123000,
                                  .bid = {.auction = 1,
                                          .bidder = 2,
                                          .price = 3,
                                          .channel = SLICE_LIT("Apple"),
                                          .url = SLICE_LIT("u"),
                                          .extra = SLICE_LIT("")}};
    char text[NEXMARK_JSON_MAX];

    (void)state;
    *nexmark_json(&event, (uint8_t *)text) = '\0';
    assert_string_equal(text,
                        "{\"event_type\":2,\"person\":null,\"auction\":null,\"bid\":{\"auction\":1,"
                        "\"bidder\":2,\"price\":3,\"channel\":\"Apple\",\"url\":\"u\","
                        "\"dateTime\":\"2024-02-29 12:34:56.123\",\"extra\":\"\"}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_fifty_events_one_is_a_person_and_three_are_auctions),
        cmocka_unit_test(what_is_left_out_changes_nothing_else),
        cmocka_unit_test(an_event_is_a_function_of_seed_and_number),
        cmocka_unit_test(disorder_stays_within_its_group),
        cmocka_unit_test(events_are_json_of_the_benchmarks_sizes),
        cmocka_unit_test(a_bids_json_reads_as_flink_writes_it),
    };

    return cmocka_run_group_tests_name("nexmark", tests, NULL, NULL);
}
