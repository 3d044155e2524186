/* xml.c - a bounded reader of elements, and escaping for the writer. XML 1.0, fifth edition, less
 * what the S3 API never uses: document types, entities of one's own, other encodings than UTF-8. */
#include "net/xml.h"

#include <stdio.h>

#define TEXT_MAX ((size_t)64 << 10)

void xml_init(struct xml *xml, struct arena *arena, struct slice text)
{
    *xml = (struct xml){.text = text, .arena = arena};
    if (slice_starts(text, SLICE_LIT("\xef\xbb\xbf")))
        xml->pos = 3; /* byte order mark */
}

void xml_deinit(struct xml *xml)
{
    for (size_t i = 0; i < XML_DEPTH_MAX; i++)
        buf_deinit(&xml->texts[i]);
}

static int broken(struct xml *xml, const char *what, struct err *err)
{
    return err_set(err, ERR_CORRUPT, "xml at byte %zu: %s", xml->pos, what);
}

static struct slice rest(const struct xml *xml)
{
    return slice_of(xml->text.ptr + xml->pos, xml->text.len - xml->pos);
}

/* Moves past the next `mark` and gives what stood before it; false: there is none. */
static bool until(struct xml *xml, const char *mark, struct slice *before)
{
    struct slice left = rest(xml);
    const uint8_t *at = left.len ? memmem(left.ptr, left.len, mark, strlen(mark)) : NULL;

    if (!at)
        return false;
    *before = slice_of(left.ptr, (size_t)(at - left.ptr));
    xml->pos += before->len + strlen(mark);
    return true;
}

static int put_utf8(struct buf *out, uint32_t c)
{
    uint8_t bytes[4];
    size_t len = 0;

    if (c < 0x80) {
        bytes[len++] = (uint8_t)c;
    } else if (c < 0x800) {
        bytes[len++] = (uint8_t)(0xc0 | c >> 6);
        bytes[len++] = (uint8_t)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        bytes[len++] = (uint8_t)(0xe0 | c >> 12);
        bytes[len++] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        bytes[len++] = (uint8_t)(0x80 | (c & 0x3f));
    } else {
        bytes[len++] = (uint8_t)(0xf0 | c >> 18);
        bytes[len++] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
        bytes[len++] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        bytes[len++] = (uint8_t)(0x80 | (c & 0x3f));
    }
    return buf_append(out, bytes, len);
}

/* "#65" or "#x41". */
static bool char_reference(struct slice name, uint32_t *out)
{
    bool is_hex = name.len > 1 && (name.ptr[1] == 'x' || name.ptr[1] == 'X');
    uint32_t value = 0, base = is_hex ? 16 : 10;

    if (name.len < (is_hex ? 3U : 2U) || name.len > 9)
        return false;
    for (size_t i = is_hex ? 2 : 1; i < name.len; i++) {
        uint8_t c = name.ptr[i], low = c | 0x20;
        uint32_t digit = 99;

        if (c >= '0' && c <= '9')
            digit = (uint32_t)(c - '0');
        else if (low >= 'a' && low <= 'f')
            digit = (uint32_t)(low - 'a' + 10);
        if (digit >= base)
            return false;
        value = value * base + digit;
        if (value > 0x10ffff)
            return false;
    }
    *out = value;
    return value != 0 && !(value >= 0xd800 && value < 0xe000);
}

static int put_entity(struct xml *xml, struct buf *out, struct slice name, struct err *err)
{
    static const struct {
        const char *name;
        uint32_t c;
    } known[] = {{"lt", '<'}, {"gt", '>'}, {"amp", '&'}, {"quot", '"'}, {"apos", '\''}};
    uint32_t c;

    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (slice_is(name, known[i].name))
            return put_utf8(out, known[i].c);
    if (name.len && name.ptr[0] == '#' && char_reference(name, &c))
        return put_utf8(out, c);
    return broken(xml, "unknown entity", err);
}

static int put_text(struct xml *xml, struct slice text, struct err *err)
{
    struct buf *out;
    int rc = 0;

    if (xml->depth == 0) {
        for (size_t i = 0; i < text.len; i++)
            if (!strchr(" \t\r\n", text.ptr[i]) || !text.ptr[i])
                return broken(xml, "text outside of the root element", err);
        return 0;
    }
    out = &xml->texts[xml->depth - 1];
    while (text.len && !rc) {
        const uint8_t *mark = memchr(text.ptr, '&', text.len);
        size_t len = mark ? (size_t)(mark - text.ptr) : text.len;
        const uint8_t *end;

        if (memchr(text.ptr, 0, len))
            return broken(xml, "a zero byte", err);
        rc = buf_append(out, text.ptr, len);
        text = slice_of(text.ptr + len, text.len - len);
        if (rc || !mark)
            continue;
        end = memchr(text.ptr, ';', text.len < 12 ? text.len : 12);
        if (!end)
            return broken(xml, "an entity without its semicolon", err);
        rc = put_entity(xml, out, slice_of(text.ptr + 1, (size_t)(end - text.ptr) - 1), err);
        text = slice_of(end + 1, text.len - (size_t)(end - text.ptr) - 1);
    }
    if (rc == ERR_LIMIT || rc == ERR_NOMEM)
        return err_set(err, rc, "xml at byte %zu: text too long", xml->pos);
    return rc;
}

/* A name up to white space, '/' or '>', without its prefix; len 0: not a name. */
static struct slice take_name(struct slice tag)
{
    struct slice name = slice_of(tag.ptr, 0);
    const uint8_t *colon;

    while (name.len < tag.len && !strchr(" \t\r\n/>", tag.ptr[name.len]))
        name.len++;
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] <= ' ' || strchr("<&\"'=", name.ptr[i]))
            return slice_of(NULL, 0);
    colon = name.len ? memchr(name.ptr, ':', name.len) : NULL;
    return colon ? slice_of(colon + 1, name.len - (size_t)(colon - name.ptr) - 1) : name;
}

static int open_element(struct xml *xml, struct slice name, struct err *err)
{
    size_t len = strlen(xml->path), start = len ? len + 1 : 0;

    if (name.len == 0)
        return broken(xml, "not an element name", err);
    if (xml->done)
        return broken(xml, "a second root element", err);
    if (xml->depth == XML_DEPTH_MAX || start + name.len + 1 > sizeof(xml->path))
        return err_set(err, ERR_LIMIT, "xml at byte %zu: nested too deep", xml->pos);
    if (len)
        xml->path[len] = '/';
    memcpy(xml->path + start, name.ptr, name.len);
    xml->path[start + name.len] = '\0';
    xml->starts[xml->depth] = start;
    xml->texts[xml->depth].max = TEXT_MAX;
    buf_clear(&xml->texts[xml->depth]);
    xml->depth++;
    return 0;
}

static void pop(struct xml *xml)
{
    size_t start = xml->starts[--xml->depth];

    xml->path[start ? start - 1 : 0] = '\0';
    xml->closing = false;
    xml->done = xml->depth == 0;
}

/* `tag` is what stood between '<' and '>'. Sets xml->closing when an element ended. */
static int take_tag(struct xml *xml, struct slice tag, struct err *err)
{
    bool ends = tag.len && tag.ptr[0] == '/';
    bool empty = !ends && tag.len && tag.ptr[tag.len - 1] == '/';
    struct slice name = take_name(ends ? slice_of(tag.ptr + 1, tag.len - 1) : tag);
    int rc;

    if (!ends) {
        rc = open_element(xml, name, err);
        xml->closing = rc == 0 && empty;
        return rc;
    }
    if (xml->depth == 0 || !slice_is(name, xml->path + xml->starts[xml->depth - 1]))
        return broken(xml, "an end without its beginning", err);
    xml->closing = true;
    return 0;
}

/* One piece of markup that begins at '<'. */
static int take_markup(struct xml *xml, struct err *err)
{
    struct slice inside;

    if (slice_starts(rest(xml), SLICE_LIT("<!--")))
        return until(xml, "-->", &inside) ? 0 : broken(xml, "a comment without end", err);
    if (slice_starts(rest(xml), SLICE_LIT("<?")))
        return until(xml, "?>", &inside) ? 0 : broken(xml, "an instruction without end", err);
    if (slice_starts(rest(xml), SLICE_LIT("<![CDATA["))) {
        xml->pos += 9;
        if (xml->depth == 0 || !until(xml, "]]>", &inside) || memchr(inside.ptr, 0, inside.len))
            return broken(xml, "CDATA out of place or without end", err);
        if (buf_append_slice(&xml->texts[xml->depth - 1], inside))
            return err_set(err, ERR_LIMIT, "xml at byte %zu: text too long", xml->pos);
        return 0;
    }
    if (slice_starts(rest(xml), SLICE_LIT("<!")))
        return broken(xml, "document types are refused", err);
    xml->pos++;
    if (!until(xml, ">", &inside))
        return broken(xml, "a tag without end", err);
    return take_tag(xml, inside, err);
}

bool xml_next(struct xml *xml, const char **path, const char **text, int *rc, struct err *err)
{
    *rc = 0;
    if (xml->closing)
        pop(xml);
    while (!*rc && !xml->closing && xml->pos < xml->text.len) {
        struct slice left = rest(xml);
        const uint8_t *mark = memchr(left.ptr, '<', left.len);
        size_t len = mark ? (size_t)(mark - left.ptr) : left.len;

        *rc = put_text(xml, slice_of(left.ptr, len), err);
        xml->pos += len;
        if (!*rc && mark)
            *rc = take_markup(xml, err);
    }
    if (!*rc && !xml->closing && !xml->done)
        *rc = broken(xml, "the document is cut", err);
    if (*rc || !xml->closing)
        return false;
    *path = xml->path;
    *text = arena_cstr(xml->arena, buf_slice(&xml->texts[xml->depth - 1]));
    if (!*text)
        *rc = err_set(err, ERR_NOMEM, "xml");
    return *rc == 0;
}

int xml_escape(struct buf *out, struct slice text)
{
    int rc = 0;

    for (size_t i = 0; i < text.len && !rc; i++) {
        uint8_t c = text.ptr[i];

        if (c == '&')
            rc = buf_append_str(out, "&amp;");
        else if (c == '<')
            rc = buf_append_str(out, "&lt;");
        else if (c == '>')
            rc = buf_append_str(out, "&gt;");
        else if (c == '"')
            rc = buf_append_str(out, "&quot;");
        else if (c == '\'')
            rc = buf_append_str(out, "&#39;");
        else if (c < 0x20 && c != '\t' && c != '\n')
            rc = buf_printf(out, "&#x%X;", c);
        else
            rc = buf_append_u8(out, c);
    }
    return rc;
}

int xml_element(struct buf *out, const char *name, const char *text)
{
    int rc = buf_printf(out, "<%s>", name);

    if (!rc)
        rc = xml_escape(out, slice_str(text));
    return rc ? rc : buf_printf(out, "</%s>", name);
}
