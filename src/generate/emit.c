/* emit.c - the way of an event: nodes write themselves, by pointer, into reserved memory.
 *
 * The hot file of this room. Nothing here allocates, fails or looks at YAML. One function per kind;
 * a field's value depends on its stream and the event's number only.
 */
#include "generate/generate_int.h"

#include <math.h>

#include "generate/emit.h"

static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                            "25262728293031323334353637383940414243444546474849"
                            "50515253545556575859606162636465666768697071727374"
                            "75767778798081828384858687888990919293949596979899";

static inline uint8_t *put_pair(uint8_t *at, unsigned value)
{
    memcpy(at, pairs + 2 * value, 2);
    return at + 2;
}

/* Decimal digits, at least `digits` of them. */
uint8_t *put_u64(uint8_t *at, uint64_t value, int digits)
{
    char text[40]; /* digits end at 20; the rest lets the copy have a fixed length */
    int len = 0;

    while (value >= 100) {
        len += 2;
        memcpy(text + 20 - len, pairs + 2 * (value % 100), 2);
        value /= 100;
    }
    if (value >= 10) {
        len += 2;
        memcpy(text + 20 - len, pairs + 2 * value, 2);
    } else {
        text[20 - ++len] = (char)('0' + value);
    }
    for (; digits > len; digits--)
        *at++ = '0';
    memcpy(at, text + 20 - len, 20);
    return at + len;
}

static uint8_t *put_decimal(uint8_t *at, int64_t value, int scale)
{
    static const uint64_t powers[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000,
                                      100000000, 1000000000};
    uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

    if (value < 0)
        *at++ = '-';
    if (scale == 0)
        return put_u64(at, size, 1);
    at = put_u64(at, size / powers[scale], 1);
    *at++ = '.';
    if (scale == 2)
        return put_pair(at, (unsigned)(size % 100));
    return put_u64(at, size % powers[scale], scale);
}

uint8_t *emit_constant(const struct node *node, const struct place *place, uint8_t *at)
{
    (void)place;
    return put(at, node->constant);
}

uint8_t *emit_sequence(const struct node *node, const struct place *place, uint8_t *at)
{
    uint64_t value = place->n * node->id.step;

    if (node->id.modulo)
        value %= node->id.modulo;
    at = put(at, node->id.prefix);
    at = put_u64(at, node->id.start + value, node->id.digits);
    return put(at, node->id.suffix);
}

uint8_t *emit_pool(const struct node *node, const struct place *place, uint8_t *at)
{
    uint64_t value = scaled(draw(node->stream, place->n), node->id.modulo);

    at = put(at, node->id.prefix);
    at = put_u64(at, node->id.start + value, node->id.digits);
    return put(at, node->id.suffix);
}

/* Scrambled and still unique: mix() maps 64 bits one to one. */
uint8_t *emit_id(const struct node *node, const struct place *place, uint8_t *at)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    uint64_t value = draw(node->stream, place->n), base = (uint64_t)node->id.base;

    at = put(at, node->id.prefix);
    for (int i = node->id.digits; i-- > 0; value /= base)
        at[i] = (uint8_t)digits[value % base];
    return put(at + node->id.digits, node->id.suffix);
}

uint8_t *emit_uuid(const struct node *node, const struct place *place, uint8_t *at)
{
    static const char hex[] = "0123456789abcdef";
    uint64_t high = draw(node->stream, place->n), low = mix(high ^ node->stream);

    high = (high & ~UINT64_C(0xf000)) | 0x4000; /* version 4, RFC 9562 */
    low = (low & ~(UINT64_C(3) << 62)) | UINT64_C(1) << 63;
    *at++ = '"';
    for (int i = 0; i < 16; i++) {
        uint64_t half = i < 8 ? high : low;
        unsigned byte = (unsigned)(half >> (56 - 8 * (i & 7))) & 0xff;

        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        *at++ = (uint8_t)hex[byte >> 4];
        *at++ = (uint8_t)hex[byte & 15];
    }
    *at++ = '"';
    return at;
}

uint8_t *emit_choice(const struct node *node, const struct place *place, uint8_t *at)
{
    uint32_t index = choice_pick(&node->choice, draw(node->stream, place->n));

    return put(at, node->choice.values[index]);
}

int64_t number_value(const struct node *node, uint64_t n)
{
    const struct number *number = &node->number;
    uint64_t bits = draw(node->stream, n), index;
    int64_t low, high;

    if (number->span)
        return number->base + (int64_t)scaled(bits, number->span);
    index = bits >> 54; /* ten bits choose the quantile, the next 32 the place within */
    low = number->quantiles[index];
    high = number->quantiles[index + 1];
    return low + (int64_t)(((__int128)(high - low) * (int64_t)((bits >> 22) & 0xffffffff)) >> 32);
}

static uint8_t *put_number(const struct number *number, int64_t value, uint8_t *at)
{
    if (!number->quoted)
        return put_decimal(at, value, number->scale);
    *at++ = '"';
    at = put_decimal(at, value, number->scale);
    *at++ = '"';
    return at;
}

uint8_t *emit_number(const struct node *node, const struct place *place, uint8_t *at)
{
    return put_number(&node->number, number_value(node, place->n), at);
}

/* Days since 1970 to year, month, day (H. Hinnant, "chrono-compatible low-level date algorithms").
 */
static void civil(int64_t days, unsigned *year, unsigned *month, unsigned *day)
{
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
    unsigned doe = (unsigned)(z - era * 146097);
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

    *day = doy - (153 * mp + 2) / 5 + 1;
    *month = mp < 10 ? mp + 3 : mp - 9;
    *year = (unsigned)((int64_t)yoe + era * 400 + (*month <= 2));
}

uint8_t *put_date(uint8_t *at, int64_t days)
{
    unsigned year, month, day;

    civil(days, &year, &month, &day);
    at = put_pair(at, year / 100 % 100);
    at = put_pair(at, year % 100);
    *at++ = '-';
    at = put_pair(at, month);
    *at++ = '-';
    return put_pair(at, day);
}

uint8_t *put_clock(uint8_t *at, unsigned seconds)
{
    at = put_pair(at, seconds / 3600);
    *at++ = ':';
    at = put_pair(at, seconds / 60 % 60);
    *at++ = ':';
    return put_pair(at, seconds % 60);
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Epochs count whole units since 1970; the divisor is in microseconds. */
static const struct {
    const char *name;
    int64_t epoch_us; /* 0: written as text */
    char between;     /* date and time of day; 0: date only */
    int fraction;     /* digits after the seconds */
    bool zulu;
} time_formats[] = {
    {"iso", 0, 'T', 3, true},    {"iso_local", 0, 'T', 3, false}, {"iso_micros", 0, 'T', 6, true},
    {"iso_seconds", 0, 'T', 0, true}, {"sql", 0, ' ', 3, false},  {"date", 0, 0, 0, false},
    {"epoch_s", 1000000, 0, 0, false}, {"epoch_ms", 1000, 0, 0, false},
    {"epoch_us", 1, 0, 0, false},
};

/* In the order of the table above; ended by NULL for binding. */
const char *const time_format_names[] = {"iso",  "iso_local", "iso_micros", "iso_seconds", "sql",
                                         "date", "epoch_s",   "epoch_ms",   "epoch_us",    NULL};

uint8_t *emit_time(const struct node *node, const struct place *place, uint8_t *at)
{
    int format = node->time.format;
    int64_t time_us = place->time_us + node->time.offset_us, days, in_day;

    if (node->time.jitter_us)
        time_us -= (int64_t)scaled(draw(node->stream, place->n), node->time.jitter_us + 1);
    if (time_formats[format].epoch_us)
        return put_decimal(at, floor_div(time_us, time_formats[format].epoch_us), 0);
    days = floor_div(time_us, 86400000000);
    in_day = time_us - days * 86400000000;
    *at++ = '"';
    at = put_date(at, days);
    if (time_formats[format].between) {
        *at++ = (uint8_t)time_formats[format].between;
        at = put_clock(at, (unsigned)(in_day / 1000000));
    }
    if (time_formats[format].fraction) {
        *at++ = '.';
        at = time_formats[format].fraction == 3
                 ? put_u64(at, (uint64_t)(in_day / 1000 % 1000), 3)
                 : put_u64(at, (uint64_t)(in_day % 1000000), 6);
    }
    if (time_formats[format].zulu)
        *at++ = 'Z';
    *at++ = '"';
    return at;
}

/* One 64-bit draw serves eight positions: each multiplication hands over the quotient as the
 * position's index and keeps the remainder as the bits for the next. */
uint8_t *emit_pattern(const struct node *node, const struct place *place, uint8_t *at)
{
    uint64_t bits = 0;

    *at++ = '"';
    for (uint32_t i = 0; i < node->pattern.count; i++) {
        const struct pattern_set *set = &node->pattern.sets[i];
        unsigned __int128 product;

        if (i % 8 == 0)
            bits = mix(draw(node->stream, place->n) + i);
        product = (unsigned __int128)bits * set->count;
        *at++ = (uint8_t)set->chars[(uint64_t)(product >> 64)];
        bits = (uint64_t)product;
    }
    *at++ = '"';
    return at;
}

/* Which event of the target this event points at: one of those due before it, no further back than
 * `within`, and never the number of a duplicate, which stands for an earlier event. */
static uint64_t ref_number(const struct node *node, const struct place *place)
{
    double due = fmin((double)place->event * node->ref.ratio, 0x1p62);
    uint64_t there = (uint64_t)due, back;

    there += (double)there < due;
    if (there == 0)
        there = 1;
    back = there < node->ref.within ? there : node->ref.within;
    return template_source(node->ref.target,
                           there - 1 - scaled(draw(node->stream, place->n), back));
}

uint8_t *emit_ref(const struct node *node, const struct place *place, uint8_t *at)
{
    uint64_t n = ref_number(node, place);
    struct place there = {n, n, 0};
    const struct node *field = node->ref.node;
    double fraction;
    int64_t value;

    if (node->ref.fraction_span < 0)
        return node_write(field, &there, at, false);
    fraction = node->ref.fraction_min +
               node->ref.fraction_span *
                   ((double)(mix(draw(node->stream, place->n)) >> 11) * 0x1.0p-53);
    value = (int64_t)((double)number_value(field, n) * fraction);
    return put_number(&field->number, value > 0 ? value : 1, at);
}

uint8_t *emit_object(const struct node *node, const struct place *place, uint8_t *at)
{
    uint8_t *start = at;

    for (size_t i = 0; i < node->object.count; i++) {
        const struct member *member = &node->object.members[i];
        uint8_t *value = put(at, member->prefix);

        value = member->node->plain ? member->node->emit(member->node, place, value)
                                    : node_write(member->node, place, value, true);
        if (value)
            at = value;
    }
    if (at == start)
        at++; /* no member: the brace alone */
    *start = '{'; /* over the first member's comma */
    *at++ = '}';
    return at;
}

uint8_t *emit_array(const struct node *node, const struct place *place, uint8_t *at)
{
    uint64_t count = node->array.min +
                     scaled(draw(node->stream, place->n), node->array.max - node->array.min + 1);
    uint8_t *start = at;

    for (uint64_t i = 0; i < count; i++) {
        struct place item = {place->n * node->array.max + i, place->event, place->time_us};
        uint8_t *value;

        *at = ',';
        value = node_write(node->array.item, &item, at + 1, true);
        if (value)
            at = value;
    }
    if (at == start)
        at++;
    *start = '[';
    *at++ = ']';
    return at;
}

/* Changes the case of letters of a string so that at least one is not what it was: "USD" to "uSd".
 * What follows a backslash is an escape and stays. */
static void mix_case(uint8_t *from, uint8_t *end, uint64_t bits)
{
    uint8_t *first = NULL;
    bool changed = false;

    if (*from != '"')
        return;
    for (uint8_t *p = from + 1; p < end; p++) {
        bool letter = (*p | 32) >= 'a' && (*p | 32) <= 'z' && p[-1] != '\\';

        if (letter && !first)
            first = p;
        if (letter && (bits >> ((p - from) & 63) & 1)) {
            *p ^= 32;
            changed = true;
        }
    }
    if (first && !changed)
        *first ^= 32;
}

/* The first planted fault that strikes this field of this event; NULL: none does. */
static const struct field_fault *strike(const struct node *node, uint64_t n)
{
    for (size_t i = 0; i < node->fault_count; i++)
        if (chance(node->faults[i].stream, n, node->faults[i].below))
            return &node->faults[i];
    return NULL;
}

uint8_t *node_write(const struct node *node, const struct place *place, uint8_t *at, bool faults)
{
    static const struct literal null_text = {(const uint8_t *)"null\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                                                              "\0\0\0\0\0\0\0\0\0\0\0\0\0", 4};
    const struct field_fault *fault = faults ? strike(node, place->n) : NULL;
    const struct condition *when = node->when;
    uint8_t *end;

    if (fault && fault->effect == FAULT_REMOVE)
        return NULL;
    if (fault && fault->effect == FAULT_VALUES)
        return put(at, fault->values.values[choice_pick(&fault->values,
                                                        draw(~fault->stream, place->n))]);
    if (chance(node->stream + 1, place->n, node->absent_below))
        return NULL;
    if (when) {
        uint32_t value = choice_pick(&when->on->choice, draw(when->on->stream, place->event));

        if (!(when->values >> value & 1))
            return put(at, when->otherwise);
    }
    if (chance(node->stream + 2, place->n, node->null_below))
        return put(at, null_text);
    end = node->emit(node, place, at);
    if (fault && end)
        mix_case(at, end, draw(~fault->stream, place->n));
    return end;
}
