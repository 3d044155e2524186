/* http_route.c - patterns such as "/v1/namespaces/{ns}/tables/{table}", matched on the raw path so
 * that an escaped slash inside a name stays inside it. */
#include "net/http_int.h"
#include "net/url.h"

/* Gives the text up to the next '/' and moves on; false when nothing is left. */
static bool next_segment(struct slice *rest, struct slice *out)
{
    const uint8_t *end;

    if (rest->len == 0 || rest->ptr[0] != '/')
        return false;
    rest->ptr++;
    rest->len--;
    end = rest->len ? memchr(rest->ptr, '/', rest->len) : NULL;
    *out = slice_of(rest->ptr, end ? (size_t)(end - rest->ptr) : rest->len);
    rest->ptr += out->len;
    rest->len -= out->len;
    return true;
}

static int compile(struct http_compiled *out, struct slice pattern)
{
    struct slice text;
    size_t params = 0;

    while (next_segment(&pattern, &text)) {
        struct http_segment *segment = &out->segments[out->count];

        if (out->count == HTTP_SEGMENTS_MAX || (out->count && segment[-1].is_rest))
            return ERR_INVALID;
        if (text.len > 2 && text.ptr[0] == '{' && text.ptr[text.len - 1] == '}') {
            segment->is_param = true;
            text = slice_of(text.ptr + 1, text.len - 2);
            segment->is_rest = slice_ends(text, SLICE_LIT("..."));
            text.len -= segment->is_rest ? 3 : 0;
            if (++params > HTTP_PARAMS_MAX)
                return ERR_INVALID;
        }
        segment->text = text;
        out->count++;
    }
    return pattern.len ? ERR_INVALID : 0; /* did not begin with '/' */
}

int http_table_add(struct http_table *table, const char *prefix, const struct http_route *route,
                   void *arg, struct err *err)
{
    struct http_compiled *slot;
    char *pattern;

    if (table->count == table->cap) {
        size_t cap = table->cap ? table->cap * 2 : 32;
        struct http_compiled *list = realloc(table->list, cap * sizeof(*list));

        if (!list)
            return err_set(err, ERR_NOMEM, "routes");
        table->list = list;
        table->cap = cap;
    }
    pattern = arena_printf(&table->arena, "%s%s", prefix, route->pattern);
    if (!pattern)
        return err_set(err, ERR_NOMEM, "routes");
    slot = &table->list[table->count];
    *slot = (struct http_compiled){.route = route, .arg = arg};
    if (compile(slot, slice_str(pattern)))
        return err_set(err, ERR_INVALID, "route \"%s\": not a pattern", pattern);
    table->count++;
    return 0;
}

void http_table_deinit(struct http_table *table)
{
    free(table->list);
    arena_deinit(&table->arena);
    *table = (struct http_table){0};
}

/* Does the path have this shape? Fills the raw values of the parameters in pattern order. */
static bool matches(const struct http_compiled *compiled, struct slice path, struct slice *values)
{
    size_t params = 0;
    struct slice text;

    for (size_t i = 0; i < compiled->count; i++) {
        const struct http_segment *segment = &compiled->segments[i];

        if (segment->is_rest) {
            if (path.len == 0 || path.ptr[0] != '/')
                return false;
            values[params] = slice_of(path.ptr + 1, path.len - 1);
            return true;
        }
        if (!next_segment(&path, &text))
            return false;
        if (segment->is_param) {
            if (text.len == 0)
                return false;
            values[params++] = text;
        } else if (!slice_eq(text, segment->text)) {
            return false;
        }
    }
    return path.len == 0 || (path.len == 1 && path.ptr[0] == '/');
}

static int decode_params(const struct http_compiled *compiled, const struct slice *values,
                         struct arena *arena, struct http_pairs *params)
{
    size_t param = 0;

    for (size_t i = 0; i < compiled->count; i++) {
        const struct http_segment *segment = &compiled->segments[i];
        const char *name, *value;
        int rc;

        if (!segment->is_param)
            continue;
        rc = url_decode(arena, values[param++], false, &value);
        if (rc)
            return rc;
        name = arena_cstr(arena, segment->text);
        if (!name || http_pairs_add(params, arena, name, value))
            return ERR_NOMEM;
    }
    return 0;
}

static bool method_fits(const char *wanted, const char *method)
{
    return strcmp(wanted, "*") == 0 || strcmp(wanted, method) == 0;
}

static const struct http_compiled *find(const struct http_table *table, const char *method,
                                        struct slice path, struct slice *values)
{
    for (size_t i = 0; i < table->count; i++)
        if (method_fits(table->list[i].route->method, method) &&
            matches(&table->list[i], path, values))
            return &table->list[i];
    return NULL;
}

int http_table_find(const struct http_table *table, const char *method, const char *path,
                    struct arena *arena, const struct http_compiled **out,
                    struct http_pairs *params, struct buf *allow)
{
    struct slice values[HTTP_PARAMS_MAX], raw = slice_str(path);
    const struct http_compiled *found = find(table, method, raw, values);

    if (!found && strcmp(method, "HEAD") == 0)
        found = find(table, "GET", raw, values);
    if (found) {
        *out = found;
        return decode_params(found, values, arena, params);
    }
    for (size_t i = 0; i < table->count; i++)
        if (matches(&table->list[i], raw, values) &&
            buf_printf(allow, "%s%s", allow->len ? ", " : "", table->list[i].route->method))
            return ERR_NOMEM;
    return allow->len ? ERR_UNSUPPORTED : ERR_NOENT;
}
