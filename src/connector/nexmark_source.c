/* nexmark_source.c - 'connector' = 'nexmark': the events of generate/nexmark.h as rows, as fast as
 * they are taken. Options as the public benchmark's connector has them.
 *
 * The table has any of the columns event_type INT, person, auction and bid ROW<...>, by their
 * names; in each row the two that the event is not are NULL.
 */
#include <stdio.h>

#include "connector/made_source.h"
#include "connector/nexmark_source.h"
#include "generate/nexmark.h"

#define BASE_TIME_MS 1735689600000 /* 2025-01-01 */
#define RATE_DEFAULT 10000         /* of event time */
#define UNPACED      1000000000    /* rows a second: more than anybody takes */

enum where { NONE, PERSON, AUCTION, BID };
enum what { NUMBER, PRICE, TEXT, TIME, EVENT_TIME };

#define FIELD(kind_, row, name_, what_, member)                                                    \
    {                                                                                              \
        kind_, name_, what_, offsetof(struct nexmark_event, row.member)                            \
    }
static const struct field {
    enum where row;
    const char *name;
    enum what what;
    size_t at;
} fields[] = {
    FIELD(PERSON, person, "id", NUMBER, id),
    FIELD(PERSON, person, "name", TEXT, name),
    FIELD(PERSON, person, "emailAddress", TEXT, email),
    FIELD(PERSON, person, "creditCard", TEXT, credit_card),
    FIELD(PERSON, person, "city", TEXT, city),
    FIELD(PERSON, person, "state", TEXT, state),
    {PERSON, "dateTime", EVENT_TIME, 0},
    FIELD(PERSON, person, "extra", TEXT, extra),
    FIELD(AUCTION, auction, "id", NUMBER, id),
    FIELD(AUCTION, auction, "itemName", TEXT, item_name),
    FIELD(AUCTION, auction, "description", TEXT, description),
    FIELD(AUCTION, auction, "initialBid", PRICE, initial_bid),
    FIELD(AUCTION, auction, "reserve", PRICE, reserve),
    {AUCTION, "dateTime", EVENT_TIME, 0},
    FIELD(AUCTION, auction, "expires", TIME, expires_us),
    FIELD(AUCTION, auction, "seller", NUMBER, seller),
    FIELD(AUCTION, auction, "category", NUMBER, category),
    FIELD(AUCTION, auction, "extra", TEXT, extra),
    FIELD(BID, bid, "auction", NUMBER, auction),
    FIELD(BID, bid, "bidder", NUMBER, bidder),
    FIELD(BID, bid, "price", PRICE, price),
    FIELD(BID, bid, "channel", TEXT, channel),
    FIELD(BID, bid, "url", TEXT, url),
    {BID, "dateTime", EVENT_TIME, 0},
    FIELD(BID, bid, "extra", TEXT, extra),
};
static const char *const rows[] = {"event_type", "person", "auction", "bid"};

struct column {
    enum where row; /* NONE: event_type */
    int at;         /* of the chunk; -1: the table has none */
    const struct field *children[16];
    size_t child_count;
};

struct nexmark_rows {
    struct nexmark nexmark;
    int64_t base_us;
    struct column columns[COUNT_OF(rows)];
    struct nexmark_event event;
};

/* ---- the table ---- */

static const struct field *find_field(enum where row, const char *name)
{
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        if (fields[i].row == row && !strcmp(fields[i].name, name))
            return &fields[i];
    return NULL;
}

static bool fits(const struct field *field, const struct sql_type *type)
{
    return field->what == NUMBER || field->what == PRICE ? type->kind == SQL_BIGINT
           : field->what == TEXT                         ? type->kind == SQL_VARCHAR
                                                         : type->kind == SQL_TIMESTAMP;
}

static int bind_row(struct column *column, const struct sql_column *from, struct err *err)
{
    const struct sql_type *type = from->type;

    if (type->kind != SQL_ROW || type->field_count > COUNT_OF(column->children))
        return err_set(err, ERR_INVALID, "column `%s` is a ROW", from->name);
    for (size_t i = 0; i < type->field_count; i++) {
        const struct field *field = find_field(column->row, type->fields[i].name);

        if (!field || !fits(field, type->fields[i].type))
            return err_set(err, ERR_INVALID, "column `%s`: Nexmark has no field `%s` of that type",
                           from->name, type->fields[i].name);
        column->children[column->child_count++] = field;
    }
    return 0;
}

static bool has(const struct nexmark_rows *n, enum what what)
{
    bool found = false;

    for (size_t c = 0; c < COUNT_OF(rows); c++)
        for (size_t i = 0; i < n->columns[c].child_count; i++)
            found = found || n->columns[c].children[i]->what == what;
    return found;
}

static int bind_columns(struct nexmark_rows *n, const struct sql_table *table, struct err *err)
{
    int at = 0, rc = 0;

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        n->columns[i] = (struct column){.row = (enum where)i, .at = -1};
    for (size_t i = 0; i < table->column_count && !rc; i++) {
        const struct sql_column *column = &table->columns[i];
        size_t row = 0;

        if (column->kind == SQL_COLUMN_COMPUTED)
            continue;
        while (row < COUNT_OF(rows) && strcmp(rows[row], column->name) != 0)
            row++;
        if (column->kind == SQL_COLUMN_PHYSICAL) {
            if (row == COUNT_OF(rows) || (row == 0 && column->type->kind != SQL_INT))
                return err_set(err, ERR_INVALID,
                               "column `%s`: a Nexmark table has event_type INT, person, auction "
                               "and bid",
                               column->name);
            n->columns[row].at = at;
            if (row)
                rc = bind_row(&n->columns[row], column, err);
        }
        at++;
    }
    n->nexmark.no_texts = !has(n, TEXT);
    n->nexmark.no_prices = !has(n, PRICE);
    return rc;
}

/* ---- rows ---- */

static void put_child(const struct field *field, const struct nexmark_event *event,
                      duckdb_vector vector, idx_t row)
{
    const uint8_t *at = (const uint8_t *)event + field->at;

    if (field->what == TEXT) {
        const struct slice *text = (const struct slice *)(const void *)at;

        duckdb_vector_assign_string_element_len(vector, row, (const char *)text->ptr, text->len);
    } else {
        ((int64_t *)duckdb_vector_get_data(vector))[row] =
            field->what == EVENT_TIME ? event->time_us : *(const int64_t *)(const void *)at;
    }
}

static void put_row(const struct column *column, const struct nexmark_event *event,
                    duckdb_data_chunk chunk, idx_t row)
{
    duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, (idx_t)column->at);

    if (column->row == NONE) {
        ((int32_t *)duckdb_vector_get_data(vector))[row] = event->kind;
        return;
    }
    if ((int)event->kind + 1 != (int)column->row)
        vec_set_null(vector, row);
    for (size_t i = 0; i < column->child_count; i++) {
        duckdb_vector child = duckdb_struct_vector_get_child(vector, i);

        if ((int)event->kind + 1 == (int)column->row)
            put_child(column->children[i], event, child, row);
        else
            vec_set_null(child, row);
    }
}

static int fill(void *state, uint64_t seed, int64_t first, idx_t count, duckdb_data_chunk chunk,
                struct err *err)
{
    struct nexmark_rows *n = state;

    (void)seed, (void)err; /* the table's own, so that results can be compared */
    for (idx_t i = 0; i < count; i++) {
        uint64_t number = (uint64_t)first + i;

        nexmark_event(&n->nexmark, number,
                      n->base_us + (int64_t)((double)number * n->nexmark.interval_us), &n->event);
        for (size_t c = 0; c < COUNT_OF(rows); c++)
            if (n->columns[c].at >= 0)
                put_row(&n->columns[c], &n->event, chunk, i);
    }
    return 0;
}

/* ---- options ---- */

static int read_option(const struct sql_table *table, const char *key, int64_t *out,
                       struct err *err)
{
    const char *text = sql_option(table->options, key);

    if (text && (slice_to_i64(slice_str(text), out) || *out < 0))
        return err_set(err, ERR_INVALID, "'%s' = '%s': a number", key, text);
    return 0;
}

static int check_shares(const struct sql_table *table, struct err *err)
{
    static const struct {
        const char *key;
        int64_t share;
    } shares[] = {{"person.proportion", 1}, {"auction.proportion", 3}, {"bid.proportion", 46}};
    int rc = 0;

    for (size_t i = 0; i < COUNT_OF(shares) && !rc; i++) {
        int64_t share = shares[i].share;

        rc = read_option(table, shares[i].key, &share, err);
        if (!rc && share != shares[i].share)
            rc = err_set(err, ERR_UNSUPPORTED, "'%s' = '%" PRId64 "': of 50 events it is %" PRId64,
                         shares[i].key, share, shares[i].share);
    }
    return rc;
}

static int read_options(struct nexmark_rows *n, const struct sql_table *table, int64_t *events,
                        struct err *err)
{
    int64_t rate = RATE_DEFAULT, base_ms = BASE_TIME_MS, seed = 1, group = 0;
    int rc = check_shares(table, err);

    if (!rc)
        rc = read_option(table, "first-event.rate", &rate, err);
    if (!rc)
        rc = read_option(table, "events.num", events, err);
    if (!rc)
        rc = read_option(table, "base-time", &base_ms, err);
    if (!rc)
        rc = read_option(table, "seed", &seed, err);
    if (!rc)
        rc = read_option(table, "out-of-order-group.size", &group, err);
    n->nexmark = (struct nexmark){.seed = (uint64_t)seed,
                                  .interval_us = 1e6 / (double)(rate ? rate : 1),
                                  .group = (uint64_t)group};
    n->base_us = base_ms * 1000;
    return rc;
}

int nexmark_source_new(const struct source_request *request, struct stream_source **out,
                       struct err *err)
{
    static const struct made_ops ops = {fill, free};
    struct nexmark_rows *n = calloc(1, sizeof(*n));
    int64_t events = 0;
    int rc = n ? read_options(n, request->table, &events, err)
               : err_set(err, ERR_NOMEM, "table `%s`", request->table->name);

    if (!rc)
        rc = bind_columns(n, request->table, err);
    if (rc) {
        free(n);
        return rc;
    }
    return made_source_new(
        out, request,
        &(struct made_options){
            .ops = &ops, .state = n, .rows_max = events ? events : -1, .default_rate = UNPACED},
        err);
}
