/* json.c - jansson with a limit on nesting, errors with positions, and members checked by kind. */
#include "base/json.h"

#include <string.h>

#define DEPTH_MAX  512
#define VALUES_MAX 4000000 /* of some 100 bytes each: two bytes of text are enough for one */

/* jansson recurses up to 2,048 levels, more stack than a worker should risk on outside bytes, and
 * takes any number of values. */
static int check_bounds(struct slice text, struct err *err)
{
    int depth = 0;
    size_t values = 1;
    bool quoted = false;

    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];

        if (quoted && c == '\\') {
            i++;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (!quoted && (c == '[' || c == '{')) {
            if (++depth > DEPTH_MAX)
                return err_set(err, ERR_CORRUPT, "JSON: more than %d levels", DEPTH_MAX);
            values++;
        } else if (!quoted && c == ',') {
            values++;
        } else if (!quoted && (c == ']' || c == '}')) {
            depth--;
        }
    }
    if (values > VALUES_MAX)
        return err_set(err, ERR_LIMIT, "JSON: more than %d values", VALUES_MAX);
    return 0;
}

int json_parse(struct slice text, json_t **out, struct err *err)
{
    json_error_t why;
    int rc;

    *out = NULL;
    rc = check_bounds(text, err);
    if (rc)
        return rc;
    *out = json_loadb(text.len ? (const char *)text.ptr : "", text.len, JSON_DECODE_ANY, &why);
    if (*out)
        return 0;
    if (json_error_code(&why) == json_error_out_of_memory)
        return err_set(err, ERR_NOMEM, "JSON: out of memory");
    return err_set(err, ERR_CORRUPT, "JSON: line %d, column %d: %s", why.line, why.column,
                   why.text);
}

struct sink {
    struct buf *out;
    int rc;
};

static int sink_write(const char *bytes, size_t len, void *arg)
{
    struct sink *sink = arg;

    if (!sink->rc)
        sink->rc = buf_append(sink->out, bytes, len);
    return sink->rc ? -1 : 0;
}

int json_print(const json_t *json, int indent, struct buf *out, struct err *err)
{
    struct sink sink = {out, 0};
    size_t before = out->len;
    size_t flags = JSON_ENCODE_ANY | (indent > 0 ? JSON_INDENT((size_t)indent) : JSON_COMPACT);

    /* jansson 2.14 goes on after a key whose write failed: what the sink remembers counts. */
    if (json_dump_callback(json, sink_write, &sink, flags) == 0 && sink.rc == 0)
        return 0;
    out->len = before;
    return err_set(err, sink.rc ? sink.rc : ERR_NOMEM, "printing JSON");
}

static const char *kind_name(const json_t *json)
{
    static const char *const kinds[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array",   [JSON_STRING] = "a string",
        [JSON_INTEGER] = "a number", [JSON_REAL] = "a real number", [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",      [JSON_NULL] = "null",
    };

    return kinds[json_typeof(json)];
}

/* The member when it is there; the error says missing or of which kind it is instead. */
static int member(const json_t *obj, const char *key, const char *where, json_t **out,
                  struct err *err)
{
    if (!json_is_object(obj))
        return err_set(err, ERR_INVALID, "%s: must be an object", where);
    *out = json_object_get(obj, key);
    return *out ? 0 : err_set(err, ERR_NOENT, "%s.%s: missing", where, key);
}

static int wrong_kind(const json_t *found, const char *key, const char *where, const char *wanted,
                      struct err *err)
{
    return err_set(err, ERR_INVALID, "%s.%s: must be %s, is %s", where, key, wanted,
                   kind_name(found));
}

int json_get_str(const json_t *obj, const char *key, const char *where, const char **out,
                 struct err *err)
{
    json_t *found;
    int rc = member(obj, key, where, &found, err);

    if (rc)
        return rc;
    if (!json_is_string(found))
        return wrong_kind(found, key, where, "a string", err);
    *out = json_string_value(found);
    return 0;
}

int json_get_i64(const json_t *obj, const char *key, const char *where, int64_t *out,
                 struct err *err)
{
    json_t *found;
    int rc = member(obj, key, where, &found, err);

    if (rc)
        return rc;
    if (!json_is_integer(found))
        return wrong_kind(found, key, where, "a whole number", err);
    *out = json_integer_value(found);
    return 0;
}

int json_get_bool(const json_t *obj, const char *key, const char *where, bool *out,
                  struct err *err)
{
    json_t *found;
    int rc = member(obj, key, where, &found, err);

    if (rc)
        return rc;
    if (!json_is_boolean(found))
        return wrong_kind(found, key, where, "true or false", err);
    *out = json_is_true(found);
    return 0;
}

int json_get_arr(const json_t *obj, const char *key, const char *where, json_t **out,
                 struct err *err)
{
    json_t *found;
    int rc = member(obj, key, where, &found, err);

    if (rc)
        return rc;
    if (!json_is_array(found))
        return wrong_kind(found, key, where, "an array", err);
    *out = found;
    return 0;
}

int json_get_obj(const json_t *obj, const char *key, const char *where, json_t **out,
                 struct err *err)
{
    json_t *found;
    int rc = member(obj, key, where, &found, err);

    if (rc)
        return rc;
    if (!json_is_object(found))
        return wrong_kind(found, key, where, "an object", err);
    *out = found;
    return 0;
}

/* Length of the UTF-8 character at `at` (RFC 3629: no surrogates, nothing longer than needed),
 * 0 when there is none. */
static size_t utf8_len(const uint8_t *at, size_t left)
{
    size_t len = at[0] < 0x80 ? 1 : at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;

    if (len == 0 || len > left || at[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
        (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
        return 0;
    return len;
}

static int quote_special(struct buf *out, uint8_t c)
{
    static const char letters[] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't',
    };

    if (c == '"' || c == '\\')
        return buf_append(out, (char[]){'\\', (char)c}, 2);
    if (c < sizeof(letters) && letters[c])
        return buf_append(out, (char[]){'\\', letters[c]}, 2);
    return buf_printf(out, "\\u%04x", c);
}

int json_quote(struct buf *out, struct slice s)
{
    size_t before = out->len, plain = 0, i = 0;
    int rc = buf_append_u8(out, '"');

    /* Runs of plain characters are copied at once. */
    while (rc == 0 && i < s.len) {
        size_t len = utf8_len(s.ptr + i, s.len - i);
        uint8_t c = s.ptr[i];

        if (len > 0 && c >= 0x20 && c != '"' && c != '\\') {
            i += len;
            continue;
        }
        rc = buf_append(out, s.ptr + plain, i - plain);
        if (rc == 0)
            rc = len ? quote_special(out, c) : buf_append_str(out, "\xef\xbf\xbd");
        plain = ++i;
    }
    if (rc == 0)
        rc = buf_append(out, s.ptr + plain, i - plain);
    if (rc == 0)
        rc = buf_append_u8(out, '"');
    if (rc)
        out->len = before;
    return rc;
}
