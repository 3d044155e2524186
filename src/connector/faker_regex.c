/* faker_regex.c - text that a pattern matches: the pattern is walked once, dice choose. */
#include "connector/faker.h"

#define DEPTH_MAX  16
#define REPEAT_MAX 1000
#define STAR_MAX   8 /* what * and + repeat at most */

struct maker {
    const char *at;
    struct faker_draw *draw;
    struct buf *out; /* NULL: the part is passed over */
    struct err *err;
    int depth;
};

static int alternatives(struct maker *m);

static int bad(struct maker *m, const char *what)
{
    return err_set(m->err, ERR_INVALID, "pattern: %s before '%.20s'", what, m->at);
}

static int put(struct maker *m, uint8_t byte)
{
    return m->out ? buf_append_u8(m->out, byte) : 0;
}

static uint64_t below(struct maker *m, uint64_t bound)
{
    return m->out ? faker_random(m->draw) % bound : 0;
}

/* What a backslash and a letter stand for, added to a set. */
static size_t escape_set(char c, uint8_t *set)
{
    const char *from = c == 'd'   ? "0123456789"
                       : c == 'w' ? "abcdefghijklmnopqrstuvwxyz0123456789_"
                       : c == 's' ? " "
                                  : NULL;
    size_t len = from ? strlen(from) : 1;

    if (from)
        memcpy(set, from, len);
    else
        set[0] = (uint8_t)(c == 'n' ? '\n' : c == 't' ? '\t' : c);
    return len;
}

static int class_of(struct maker *m)
{
    uint8_t set[1024];
    size_t len = 0;
    bool not = *++m->at == '^';

    for (m->at += not ; *m->at && *m->at != ']'; m->at++) {
        if (len > sizeof(set) - 300)
            return bad(m, "a class too long");
        if (*m->at == '\\' && m->at[1]) {
            len += escape_set(*++m->at, set + len);
        } else if (m->at[1] == '-' && m->at[2] && m->at[2] != ']') {
            if ((uint8_t)m->at[2] < (uint8_t)*m->at)
                return bad(m, "a range that goes down");
            for (int c = (uint8_t)*m->at; c <= (uint8_t)m->at[2]; c++)
                set[len++] = (uint8_t)c;
            m->at += 2;
        } else {
            set[len++] = (uint8_t)*m->at;
        }
    }
    if (*m->at != ']' || !len)
        return bad(m, "a class without its end");
    m->at++;
    for (int tries = 0; not &&tries < 1000; tries++) {
        uint8_t c = (uint8_t)(0x21 + below(m, 0x5e));

        if (!memchr(set, c, len))
            return put(m, c);
    }
    return put(m, set[below(m, len)]);
}

static int atom(struct maker *m)
{
    uint8_t set[64];

    switch (*m->at) {
    case '[':
        return class_of(m);
    case '(': {
        int rc;

        m->at++;
        if (m->at[0] == '?' && m->at[1] == ':')
            m->at += 2;
        rc = alternatives(m);
        if (!rc && *m->at != ')')
            return bad(m, "a group without its end");
        m->at += !rc;
        return rc;
    }
    case '.':
        m->at++;
        return put(m, (uint8_t)('a' + below(m, 26)));
    case '\\':
        if (!m->at[1])
            return bad(m, "a backslash at the end");
        m->at += 2;
        return put(m, set[below(m, escape_set(m->at[-1], set))]);
    case '*':
    case '+':
    case '?':
    case '{':
        return bad(m, "nothing to repeat");
    default:
        return put(m, (uint8_t)*m->at++);
    }
}

/* {n}, {n,m}, *, +, ? behind an atom. */
static int quantifier(struct maker *m, uint64_t *low, uint64_t *high)
{
    char *end;

    *low = *high = 1;
    if (*m->at == '*' || *m->at == '+' || *m->at == '?') {
        *low = *m->at == '+';
        *high = *m->at == '?' ? 1 : STAR_MAX;
        m->at++;
        return 0;
    }
    if (*m->at != '{')
        return 0;
    *low = *high = strtoull(m->at + 1, &end, 10);
    if (end == m->at + 1)
        return bad(m, "{ without a number");
    if (*end == ',') {
        const char *second = end + 1;

        *high = strtoull(second, &end, 10);
        if (end == second)
            *high = *low + STAR_MAX;
    }
    if (*end != '}' || *low > *high || *high > REPEAT_MAX)
        return bad(m, "a wrong number of repetitions");
    m->at = end + 1;
    return 0;
}

static int sequence(struct maker *m)
{
    int rc = 0;

    while (!rc && *m->at && *m->at != '|' && *m->at != ')') {
        const char *from = m->at, *behind;
        struct buf *out = m->out;
        uint64_t low, high, count;

        m->out = NULL;
        rc = atom(m);
        m->out = out;
        rc = rc ? rc : quantifier(m, &low, &high);
        behind = m->at;
        if (rc || !out)
            continue;
        count = low + below(m, high - low + 1);
        for (uint64_t i = 0; i < count && !rc; i++) {
            m->at = from;
            rc = atom(m);
        }
        m->at = behind;
    }
    return rc;
}

static int alternatives(struct maker *m)
{
    const char *from = m->at, *behind;
    struct buf *out = m->out;
    uint64_t count = 0, chosen;
    int rc = 0;

    if (++m->depth > DEPTH_MAX)
        return bad(m, "groups nested too deep");
    m->out = NULL;
    do {
        m->at += count > 0;
        rc = sequence(m);
        count++;
    } while (!rc && *m->at == '|');
    behind = m->at;
    m->out = out;
    if (!rc && out) {
        chosen = below(m, count);
        m->at = from;
        m->out = NULL;
        for (uint64_t i = 0; i < chosen && !rc; i++) {
            rc = sequence(m);
            m->at++;
        }
        m->out = out;
        rc = rc ? rc : sequence(m);
    }
    m->at = behind;
    m->depth--;
    return rc;
}

int faker_regexify(const char *pattern, struct faker_draw *draw, struct buf *out, struct err *err)
{
    struct maker m = {pattern, draw, out, err, 0};
    int rc = alternatives(&m);

    if (!rc && *m.at)
        rc = bad(&m, "an end without its group");
    if (rc && !(err && err->code == rc))
        err_set(err, rc, "the text of a pattern");
    return rc;
}
