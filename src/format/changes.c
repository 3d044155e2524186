/* changes.c - messages that tell of changes: Debezium's, Canal's and Maxwell's JSON, in and out.
 *
 * An envelope is walked once for the few members that matter; the rows in it are read where they
 * stand. Canal and Maxwell give an update as the row after it and the old values of what changed:
 * the row before it is the text of both put together, since of a key given twice the last counts.
 * Source: Flink 1.20, "Debezium Format", "Canal Format", "Maxwell Format".
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "format/json_int.h"
#include "format/row_format_int.h"

struct member {
    const char *name;
    struct slice value; /* its JSON text; ptr NULL: not there */
};

/* Fills the members asked for from an object. */
static int members_find(struct slice text, struct member *list, size_t count,
                        struct json_fault *fault)
{
    const uint8_t *end = text.ptr + text.len, *p = json_skip_space(text.ptr, end);
    const uint8_t *from, *next;

    if (p == end || *p++ != '{')
        return row_fault(fault, 0, "the message is no JSON object");
    for (p = json_skip_space(p, end); p < end && *p != '}'; p = json_skip_space(p, end)) {
        bool escaped = false, high = false;
        const uint8_t *close = *p == '"' ? json_scan_string(p + 1, end, &escaped, &high) : NULL;
        struct slice name = close ? slice_of(p + 1, (size_t)(close - p - 1)) : (struct slice){0};

        from = close ? json_skip_space(close + 1, end) : NULL;
        if (!from || from == end || *from != ':')
            return row_fault(fault, (size_t)(p - text.ptr), "the message is no JSON object");
        from = json_skip_space(from + 1, end);
        next = json_skip_value(from, end);
        if (!next)
            return row_fault(fault, (size_t)(from - text.ptr), "byte %zu begins no JSON value",
                             (size_t)(from - text.ptr));
        for (size_t i = 0; i < count; i++)
            if (slice_is(name, list[i].name))
                list[i].value = slice_of(from, (size_t)(next - from));
        p = json_skip_space(next, end);
        if (p < end && *p == ',')
            p++;
        else if (p == end || *p != '}')
            return row_fault(fault, (size_t)(p - text.ptr), "the message is no JSON object");
    }
    if (p == end || json_skip_space(p + 1, end) != end)
        return row_fault(fault, (size_t)(p - text.ptr),
                         "the message is cut short, or goes on "
                         "behind its end");
    return 0;
}

static bool is_null(const struct member *m)
{
    return !m->value.ptr || slice_is(m->value, "null");
}

static bool is_text(const struct member *m, const char *text)
{
    return m->value.len == strlen(text) + 2 && m->value.ptr[0] == '"' &&
           !memcmp(m->value.ptr + 1, text, strlen(text));
}

/* ---- debezium ---- */

static int debezium_open(struct row_decoder *d, const struct row_decoder_options *o,
                         struct err *err)
{
    (void)err;
    d->state = row_option_true(&o->options, "schema-include") ? d : NULL;
    return 0;
}

static int debezium_split(struct row_decoder *d, struct slice message, struct json_fault *fault)
{
    static const char advice[] = "if it comes from PostgreSQL, set the table's REPLICA IDENTITY to "
                                 "FULL";
    struct member m[] = {{.name = "before"}, {.name = "after"}, {.name = "op"}};
    struct member payload = {.name = "payload"};
    int rc = 0;

    if (d->state) {
        rc = members_find(message, &payload, 1, fault);
        if (!rc && is_null(&payload))
            return row_fault(fault, 0, "no payload, which debezium-json.schema-include asks for");
        message = payload.value;
    }
    if (!rc)
        rc = members_find(message, m, COUNT_OF(m), fault);
    if (rc)
        return rc;
    if (is_text(&m[2], "c") || is_text(&m[2], "r"))
        return is_null(&m[1]) ? row_fault(fault, 0, "an insert without its row in 'after'")
                              : row_piece_add(d, ROW_INSERT, m[1].value);
    if (is_text(&m[2], "u")) {
        if (is_null(&m[0]) || is_null(&m[1]))
            return row_fault(fault, 0, "an update without 'before' or 'after': %s", advice);
        rc = row_piece_add(d, ROW_UPDATE_BEFORE, m[0].value);
        return rc ? rc : row_piece_add(d, ROW_UPDATE_AFTER, m[1].value);
    }
    if (is_text(&m[2], "d"))
        return is_null(&m[0]) ? row_fault(fault, 0, "a delete without 'before': %s", advice)
                              : row_piece_add(d, ROW_DELETE, m[0].value);
    if (is_text(&m[2], "t") || is_text(&m[2], "m")) /* truncate, logical message: no row */
        return 0;
    return row_fault(fault, 0, "'op' is %.*s: c, r, u and d are known%s",
                     is_null(&m[2]) ? 7 : (int)(m[2].value.len > 40 ? 40 : m[2].value.len),
                     is_null(&m[2]) ? "missing" : (const char *)m[2].value.ptr,
                     is_null(&m[2]) ? " (with the schema inside, set schema-include)" : "");
}

/* ---- what canal and maxwell share ---- */

/* The row before an update: the row after it, with the old values behind. */
static int put_before(struct row_decoder *d, struct slice after, struct slice old,
                      struct json_fault *fault)
{
    const uint8_t *end = old.ptr + old.len, *inside;
    size_t from = d->text.len;
    int rc;

    if (!after.len || !old.len || after.ptr[0] != '{' || old.ptr[0] != '{')
        return row_fault(fault, 0, "'old' or 'data' holds no object");
    inside = json_skip_space(old.ptr + 1, end);
    rc = buf_append(&d->text, after.ptr, after.len - 1);
    if (!rc && *inside != '}' && json_skip_space(after.ptr + 1, after.ptr + after.len)[0] != '}')
        rc = buf_append_u8(&d->text, ',');
    rc = rc ? rc : buf_append(&d->text, inside, (size_t)(end - inside));
    return rc ? rc : row_piece_made(d, ROW_UPDATE_BEFORE, from);
}

static int put_row(struct row_decoder *d, enum row_kind kind, struct slice data, struct slice old,
                   struct json_fault *fault)
{
    int rc = 0;

    if (kind == ROW_UPDATE_AFTER && !old.ptr)
        return row_fault(fault, 0, "an update without 'old'");
    if (kind == ROW_UPDATE_AFTER)
        rc = put_before(d, data, old, fault);
    return rc ? rc : row_piece_add(d, kind, data);
}

/* ---- canal ---- */

struct canal {
    pcre2_code *database, *table;
};

static int canal_pattern(const struct row_options *o, const char *key, pcre2_code **out,
                         struct err *err)
{
    const char *text = o->get ? o->get(o->arg, key) : NULL;
    PCRE2_SIZE at;
    int code;

    if (!text)
        return 0;
    *out = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, PCRE2_UTF, &code, &at, NULL);
    return *out ? 0
                : err_set(err, ERR_INVALID, "'%s' = '%s': wrong at character %zu", key, text,
                          (size_t)at);
}

static int canal_open(struct row_decoder *d, const struct row_decoder_options *o, struct err *err)
{
    struct canal *c = d->state = calloc(1, sizeof(*c));
    int rc = c ? canal_pattern(&o->options, "database.include", &c->database, err)
               : err_set(err, ERR_NOMEM, "decoder");

    return rc ? rc : canal_pattern(&o->options, "table.include", &c->table, err);
}

static void canal_close(struct row_decoder *d)
{
    struct canal *c = d->state;

    if (!c)
        return;
    pcre2_code_free(c->database);
    pcre2_code_free(c->table);
    free(c);
}

/* Does all of the text match? */
static bool matches(const pcre2_code *pattern, const struct member *m)
{
    pcre2_match_data *match;
    bool yes;

    if (!pattern)
        return true;
    if (is_null(m) || m->value.ptr[0] != '"')
        return false;
    match = pcre2_match_data_create_from_pattern(pattern, NULL);
    if (!match)
        return false;
    yes = pcre2_match(pattern, m->value.ptr + 1, m->value.len - 2, 0,
                      PCRE2_ANCHORED | PCRE2_ENDANCHORED, match, NULL) >= 0;
    pcre2_match_data_free(match);
    return yes;
}

/* The next value of an array; *at 0 at its start. False at its end. */
static bool next_item(struct slice array, size_t *at, struct slice *out)
{
    const uint8_t *end = array.ptr + array.len, *p = array.ptr + *at, *next;

    if (!array.len || array.ptr[0] != '[')
        return false;
    p = json_skip_space(p + (*at == 0), end);
    if (p < end && *p == ',')
        p = json_skip_space(p + 1, end);
    if (p == end || *p == ']')
        return false;
    next = json_skip_value(p, end);
    if (!next)
        return false;
    *out = slice_of(p, (size_t)(next - p));
    *at = (size_t)(next - array.ptr);
    return true;
}

static int canal_split(struct row_decoder *d, struct slice message, struct json_fault *fault)
{
    static const struct {
        const char *type;
        enum row_kind kind;
    } types[] = {{"INSERT", ROW_INSERT}, {"UPDATE", ROW_UPDATE_AFTER}, {"DELETE", ROW_DELETE}};
    struct member m[] = {{.name = "data"},     {.name = "old"},   {.name = "type"},
                         {.name = "database"}, {.name = "table"}, {.name = "isDdl"}};
    const struct canal *c = d->state;
    struct slice data, old;
    size_t at = 0, old_at = 0, t = 0;
    int rc = members_find(message, m, COUNT_OF(m), fault);

    if (rc)
        return rc;
    if (!matches(c->database, &m[3]) || !matches(c->table, &m[4]))
        return 0;
    while (t < COUNT_OF(types) && !is_text(&m[2], types[t].type))
        t++;
    if (t == COUNT_OF(types)) {
        if (is_text(&m[2], "CREATE") || (m[5].value.ptr && slice_is(m[5].value, "true")))
            return 0; /* a statement that changes no row */
        return row_fault(fault, 0, "'type' is %.*s: INSERT, UPDATE and DELETE are known",
                         is_null(&m[2]) ? 7 : (int)(m[2].value.len > 40 ? 40 : m[2].value.len),
                         is_null(&m[2]) ? "missing" : (const char *)m[2].value.ptr);
    }
    if (is_null(&m[0]) || m[0].value.ptr[0] != '[')
        return row_fault(fault, 0, "'data' is no array of rows");
    while (!rc && next_item(m[0].value, &at, &data)) {
        bool has_old = m[1].value.ptr && next_item(m[1].value, &old_at, &old);

        rc = put_row(d, types[t].kind, data, has_old ? old : (struct slice){0}, fault);
    }
    return rc;
}

/* ---- maxwell ---- */

static int maxwell_split(struct row_decoder *d, struct slice message, struct json_fault *fault)
{
    struct member m[] = {{.name = "data"}, {.name = "old"}, {.name = "type"}};
    enum row_kind kind;
    int rc = members_find(message, m, COUNT_OF(m), fault);

    if (rc)
        return rc;
    if (is_text(&m[2], "insert") || is_text(&m[2], "bootstrap-insert"))
        kind = ROW_INSERT;
    else if (is_text(&m[2], "update"))
        kind = ROW_UPDATE_AFTER;
    else if (is_text(&m[2], "delete"))
        kind = ROW_DELETE;
    else if (is_text(&m[2], "bootstrap-start") || is_text(&m[2], "bootstrap-complete"))
        return 0;
    else
        return row_fault(fault, 0, "'type' is %.*s: insert, update and delete are known",
                         is_null(&m[2]) ? 7 : (int)(m[2].value.len > 40 ? 40 : m[2].value.len),
                         is_null(&m[2]) ? "missing" : (const char *)m[2].value.ptr);
    if (is_null(&m[0]))
        return row_fault(fault, 0, "'data' is missing");
    return put_row(d, kind, m[0].value, is_null(&m[1]) ? (struct slice){0} : m[1].value, fault);
}

const struct row_decoder_ops row_debezium_in = {
    .open = debezium_open, .split = debezium_split, .changes = true};
const struct row_decoder_ops row_canal_in = {
    .open = canal_open, .split = canal_split, .close = canal_close, .changes = true};
const struct row_decoder_ops row_maxwell_in = {.split = maxwell_split, .changes = true};

/* ---- rows to messages: -U is a delete and +U an insert, as Flink writes them ---- */

static bool is_gone(enum row_kind kind)
{
    return kind == ROW_UPDATE_BEFORE || kind == ROW_DELETE;
}

static int wrap(struct row_encoder *e, duckdb_data_chunk chunk, idx_t row, const char *before,
                const char *after, struct buf *out, struct err *err)
{
    int rc = buf_append_str(out, before);

    if (!rc) {
        rc = row_put_object(e, chunk, row, out, err);
        if (rc)
            return rc;
        rc = buf_append_str(out, after);
    }
    return rc ? err_set(err, rc, "a message") : 0;
}

static int debezium_row(struct row_encoder *e, duckdb_data_chunk chunk, idx_t row,
                        enum row_kind kind, struct buf *out, bool *null, struct err *err)
{
    (void)null;
    return is_gone(kind)
               ? wrap(e, chunk, row, "{\"before\":",
                      e->json.skip_nulls ? ",\"op\":\"d\"}" : ",\"after\":null,\"op\":\"d\"}", out,
                      err)
               : wrap(e, chunk, row,
                      e->json.skip_nulls ? "{\"after\":" : "{\"before\":null,\"after\":",
                      ",\"op\":\"c\"}", out, err);
}

static int debezium_out_open(struct row_encoder *e, const struct row_options *o, struct err *err)
{
    (void)e;
    return row_option_true(o, "schema-include")
               ? err_set(err, ERR_INVALID, "debezium-json.schema-include is for reading alone")
               : 0;
}

static int canal_row(struct row_encoder *e, duckdb_data_chunk chunk, idx_t row, enum row_kind kind,
                     struct buf *out, bool *null, struct err *err)
{
    (void)null;
    return wrap(e, chunk, row, "{\"data\":[",
                is_gone(kind) ? "],\"type\":\"DELETE\"}" : "],\"type\":\"INSERT\"}", out, err);
}

static int maxwell_row(struct row_encoder *e, duckdb_data_chunk chunk, idx_t row,
                       enum row_kind kind, struct buf *out, bool *null, struct err *err)
{
    (void)null;
    return wrap(e, chunk, row,
                "{\"data\":", is_gone(kind) ? ",\"type\":\"delete\"}" : ",\"type\":\"insert\"}",
                out, err);
}

const struct row_encoder_ops row_debezium_out = {.open = debezium_out_open, .row = debezium_row};
const struct row_encoder_ops row_canal_out = {.row = canal_row};
const struct row_encoder_ops row_maxwell_out = {.row = maxwell_row};
