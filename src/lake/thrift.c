/* thrift.c - see thrift.h. Specification: Thrift's compact protocol encoding. */
#include "lake/thrift.h"

#define DEPTH_MAX 24

struct reader {
    struct slice in;
    size_t at;
    struct arena *arena;
    struct err *err;
};

static int corrupt(struct reader *r)
{
    return err_set(r->err, ERR_CORRUPT, "a Parquet file's structures break off or are none");
}

static int read_byte(struct reader *r, uint8_t *out)
{
    if (r->at == r->in.len)
        return corrupt(r);
    *out = r->in.ptr[r->at++];
    return 0;
}

static int read_varint(struct reader *r, uint64_t *out)
{
    uint8_t byte = 0;

    *out = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        if (read_byte(r, &byte))
            return ERR_CORRUPT;
        *out |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return 0;
    }
    return corrupt(r);
}

static int read_zigzag(struct reader *r, int64_t *out)
{
    uint64_t value;
    int rc = read_varint(r, &value);

    *out = (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
    return rc;
}

static int read_bytes(struct reader *r, uint64_t len, struct slice *out)
{
    if (len > r->in.len - r->at)
        return corrupt(r);
    *out = slice_of(r->in.ptr + r->at, (size_t)len);
    r->at += (size_t)len;
    return 0;
}

static int read_value(struct reader *r, int depth, struct thrift_node *out);

static int read_list(struct reader *r, int depth, struct thrift_node *out)
{
    uint64_t count = 0;
    uint8_t head = 0;
    int rc = read_byte(r, &head);

    if (rc)
        return rc;
    out->item_type = head & 0x0f;
    count = head >> 4;
    if (count == 15)
        rc = read_varint(r, &count);
    if (!rc && count > r->in.len - r->at) /* an item takes a byte at least */
        rc = corrupt(r);
    if (rc)
        return rc;
    out->kid_count = (size_t)count;
    out->kids = ARENA_ARRAY(r->arena, struct thrift_node, out->kid_count + 1);
    if (!out->kids)
        return err_set(r->err, ERR_NOMEM, "a Parquet file's footer");
    for (size_t i = 0; i < out->kid_count && !rc; i++) {
        out->kids[i].type = out->item_type;
        if (out->item_type == THRIFT_TRUE || out->item_type == THRIFT_FALSE) {
            rc = read_byte(r, &head);
            out->kids[i].number = head;
        } else {
            rc = read_value(r, depth + 1, &out->kids[i]);
        }
    }
    return rc;
}

static int add_kid(struct reader *r, struct thrift_node *out, struct thrift_node **kid)
{
    if ((out->kid_count & (out->kid_count - 1)) == 0) { /* full at every power of two */
        size_t cap = out->kid_count ? out->kid_count * 2 : 1;
        struct thrift_node *more = ARENA_ARRAY(r->arena, struct thrift_node, cap);

        if (!more)
            return err_set(r->err, ERR_NOMEM, "a Parquet file's footer");
        if (out->kid_count)
            memcpy(more, out->kids, out->kid_count * sizeof(*more));
        out->kids = more;
    }
    *kid = &out->kids[out->kid_count++];
    memset(*kid, 0, sizeof(**kid));
    return 0;
}

static int read_struct(struct reader *r, int depth, struct thrift_node *out)
{
    int64_t id = 0;

    for (;;) {
        struct thrift_node *kid = NULL;
        int64_t given = 0;
        uint8_t head = 0;
        int rc = read_byte(r, &head);

        if (rc || !head)
            return rc;
        if (head >> 4)
            id += head >> 4;
        else if ((rc = read_zigzag(r, &given)))
            return rc;
        else
            id = given;
        if (id < 1 || id > INT16_MAX)
            return corrupt(r);
        rc = add_kid(r, out, &kid);
        if (rc)
            return rc;
        kid->id = (int16_t)id;
        kid->type = head & 0x0f;
        rc = read_value(r, depth + 1, kid);
        if (rc)
            return rc;
    }
}

static int read_value(struct reader *r, int depth, struct thrift_node *out)
{
    uint64_t len = 0;
    uint8_t byte = 0;
    int rc;

    if (depth > DEPTH_MAX)
        return corrupt(r);
    switch (out->type) {
    case THRIFT_TRUE:
    case THRIFT_FALSE:
        return 0;
    case THRIFT_BYTE:
        rc = read_byte(r, &byte);
        out->number = byte;
        return rc;
    case THRIFT_I16:
    case THRIFT_I32:
    case THRIFT_I64:
        return read_zigzag(r, &out->number);
    case THRIFT_DOUBLE:
        return read_bytes(r, 8, &out->bytes);
    case THRIFT_BINARY:
        rc = read_varint(r, &len);
        return rc ? rc : read_bytes(r, len, &out->bytes);
    case THRIFT_LIST:
    case THRIFT_SET:
        return read_list(r, depth, out);
    case THRIFT_STRUCT:
        return read_struct(r, depth, out);
    default: /* maps: Parquet has none */
        return corrupt(r);
    }
}

int thrift_read(struct slice in, struct arena *arena, struct thrift_node *out, size_t *used,
                struct err *err)
{
    struct reader r = {in, 0, arena, err};
    int rc;

    memset(out, 0, sizeof(*out));
    out->type = THRIFT_STRUCT;
    rc = read_value(&r, 0, out);
    *used = r.at;
    return rc;
}

/* ---- writing --------------------------------------------------------------------------------- */

static int put_varint(struct buf *out, uint64_t value)
{
    int rc = 0;

    for (; value >= 0x80 && !rc; value >>= 7)
        rc = buf_append_u8(out, (uint8_t)(value | 0x80));
    return rc ? rc : buf_append_u8(out, (uint8_t)value);
}

static int put_zigzag(struct buf *out, int64_t value)
{
    return put_varint(out, (uint64_t)value << 1 ^ (uint64_t)(value >> 63));
}

static int put_value(const struct thrift_node *node, struct buf *out);

static int put_list(const struct thrift_node *node, struct buf *out)
{
    bool bools = node->item_type == THRIFT_TRUE || node->item_type == THRIFT_FALSE;
    bool small = node->kid_count < 15;
    int rc = buf_append_u8(out, (uint8_t)((small ? node->kid_count : 15) << 4 | node->item_type));

    if (!rc && !small)
        rc = put_varint(out, node->kid_count);
    for (size_t i = 0; i < node->kid_count && !rc; i++)
        rc = bools ? buf_append_u8(out, (uint8_t)node->kids[i].number)
                   : put_value(&node->kids[i], out);
    return rc;
}

static int put_struct(const struct thrift_node *node, struct buf *out)
{
    int last = 0, rc = 0;

    for (size_t i = 0; i < node->kid_count && !rc; i++) {
        const struct thrift_node *kid = &node->kids[i];
        int delta = kid->id - last;

        if (delta > 0 && delta < 16) {
            rc = buf_append_u8(out, (uint8_t)(delta << 4 | kid->type));
        } else {
            rc = buf_append_u8(out, kid->type);
            rc = rc ? rc : put_zigzag(out, kid->id);
        }
        last = kid->id;
        rc = rc ? rc : put_value(kid, out);
    }
    return rc ? rc : buf_append_u8(out, 0);
}

static int put_value(const struct thrift_node *node, struct buf *out)
{
    int rc;

    switch (node->type) {
    case THRIFT_TRUE:
    case THRIFT_FALSE:
        return 0;
    case THRIFT_BYTE:
        return buf_append_u8(out, (uint8_t)node->number);
    case THRIFT_I16:
    case THRIFT_I32:
    case THRIFT_I64:
        return put_zigzag(out, node->number);
    case THRIFT_DOUBLE:
        return buf_append_slice(out, node->bytes);
    case THRIFT_BINARY:
        rc = put_varint(out, node->bytes.len);
        return rc ? rc : buf_append_slice(out, node->bytes);
    case THRIFT_LIST:
    case THRIFT_SET:
        return put_list(node, out);
    default:
        return put_struct(node, out);
    }
}

int thrift_write(const struct thrift_node *node, struct buf *out)
{
    return put_value(node, out);
}

/* ---- fields ---------------------------------------------------------------------------------- */

struct thrift_node *thrift_field(const struct thrift_node *node, int id)
{
    for (size_t i = 0; node && i < node->kid_count; i++)
        if (node->kids[i].id == id)
            return &node->kids[i];
    return NULL;
}

int64_t thrift_number(const struct thrift_node *node, int id, int64_t absent)
{
    const struct thrift_node *field = thrift_field(node, id);

    return field && field->type >= THRIFT_BYTE && field->type <= THRIFT_I64 ? field->number
                                                                            : absent;
}

int thrift_set(struct thrift_node *node, struct arena *arena, struct thrift_node field)
{
    struct thrift_node *old = thrift_field(node, field.id), *more;
    size_t at = 0;

    if (old) {
        *old = field;
        return 0;
    }
    more = ARENA_ARRAY(arena, struct thrift_node, (node->kid_count + 1) * 2);
    if (!more)
        return ERR_NOMEM;
    while (at < node->kid_count && node->kids[at].id < field.id)
        at++;
    if (at)
        memcpy(more, node->kids, at * sizeof(*more));
    more[at] = field;
    if (node->kid_count > at)
        memcpy(more + at + 1, node->kids + at, (node->kid_count - at) * sizeof(*more));
    node->kids = more;
    node->kid_count++;
    return 0;
}

void thrift_remove(struct thrift_node *node, int id)
{
    struct thrift_node *field = thrift_field(node, id);

    if (!field)
        return;
    memmove(field, field + 1, (size_t)(node->kids + node->kid_count - field - 1) * sizeof(*field));
    node->kid_count--;
}
