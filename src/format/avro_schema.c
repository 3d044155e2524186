/* avro_schema.c - parsing schemas and the primitives of the binary encoding. */
#include "format/avro_schema.h"

#include "base/json.h"

struct name_entry {
    const char *name;
    const struct avro_schema *schema;
    struct name_entry *next;
};
struct parser {
    struct arena *arena;
    struct name_entry *names;
    size_t nodes;
    struct err *err;
};

static const char *const type_names[] = {
    [AVRO_NULL] = "null",   [AVRO_BOOLEAN] = "boolean", [AVRO_INT] = "int",
    [AVRO_LONG] = "long",   [AVRO_FLOAT] = "float",     [AVRO_DOUBLE] = "double",
    [AVRO_BYTES] = "bytes", [AVRO_STRING] = "string",   [AVRO_FIXED] = "fixed",
    [AVRO_ENUM] = "enum",   [AVRO_RECORD] = "record",   [AVRO_ARRAY] = "array",
    [AVRO_MAP] = "map",     [AVRO_UNION] = "union",
};

const char *avro_type_name(enum avro_type type)
{
    return type_names[type];
}

static int bad(struct parser *p, const char *what)
{
    return err_set(p->err, ERR_CORRUPT, "avro schema: %s", what);
}

static int parse(struct parser *p, const json_t *json, const char *space, int depth,
                 const struct avro_schema **out);

static int32_t id_of(const json_t *obj, const char *key)
{
    const json_t *id = json_object_get(obj, key);
    json_int_t value = json_is_integer(id) ? json_integer_value(id) : -1;

    return value >= 0 && value <= INT32_MAX ? (int32_t)value : -1;
}

/* "name" in the namespace it stands in, unless it has dots of its own. */
static const char *full_name(struct parser *p, const char *name, const char *space)
{
    if (strchr(name, '.') || !space || !*space)
        return arena_strdup(p->arena, name);
    return arena_printf(p->arena, "%s.%s", space, name);
}

static const struct avro_schema *find_name(struct parser *p, const char *name)
{
    for (struct name_entry *e = p->names; e; e = e->next)
        if (!strcmp(e->name, name))
            return e->schema;
    return NULL;
}

static int define_name(struct parser *p, struct avro_schema *schema, const json_t *json,
                       const char **space)
{
    const char *name = json_string_value(json_object_get(json, "name"));
    const char *own = json_string_value(json_object_get(json, "namespace"));
    struct name_entry *entry = ARENA_NEW(p->arena, struct name_entry);
    char *dot;

    if (!name || !*name)
        return bad(p, "a named type without a name");
    if (own)
        *space = own;
    schema->name = full_name(p, name, *space);
    if (!entry || !schema->name)
        return err_set(p->err, ERR_NOMEM, "avro schema");
    dot = strrchr(schema->name, '.');
    if (dot) { /* nested names stand in this one's namespace */
        struct slice s = slice_of(schema->name, (size_t)(dot - schema->name));
        *space = arena_cstr(p->arena, s);
        if (!*space)
            return err_set(p->err, ERR_NOMEM, "avro schema");
    }
    if (find_name(p, schema->name))
        return bad(p, "a name is defined twice");
    *entry = (struct name_entry){schema->name, schema, p->names};
    p->names = entry;
    return 0;
}

static int parse_fields(struct parser *p, const json_t *json, const char *space, int depth,
                        struct avro_schema *schema)
{
    const json_t *fields = json_object_get(json, "fields");
    size_t count = json_array_size(fields);

    if (!json_is_array(fields))
        return bad(p, "a record without fields");
    schema->members = ARENA_ARRAY(p->arena, struct avro_member, count + 1);
    if (!schema->members)
        return err_set(p->err, ERR_NOMEM, "avro schema");
    for (size_t i = 0; i < count; i++) {
        const json_t *field = json_array_get(fields, i);
        const char *name = json_string_value(json_object_get(field, "name"));
        struct avro_member *member = &schema->members[i];
        int rc;

        if (!name)
            return bad(p, "a field without a name");
        member->name = arena_strdup(p->arena, name);
        member->field_id = id_of(field, "field-id");
        if (!member->name)
            return err_set(p->err, ERR_NOMEM, "avro schema");
        rc = parse(p, json_object_get(field, "type"), space, depth + 1, &member->schema);
        if (rc)
            return rc;
        schema->member_count++;
    }
    return 0;
}

static int parse_symbols(struct parser *p, const json_t *json, struct avro_schema *schema)
{
    const json_t *symbols = json_object_get(json, "symbols");
    size_t count = json_array_size(symbols);

    schema->symbols = ARENA_ARRAY(p->arena, const char *, count + 1);
    if (!schema->symbols)
        return err_set(p->err, ERR_NOMEM, "avro schema");
    for (size_t i = 0; i < count; i++) {
        const char *symbol = json_string_value(json_array_get(symbols, i));

        if (!symbol)
            return bad(p, "an enum symbol that is not text");
        schema->symbols[i] = arena_strdup(p->arena, symbol);
        if (!schema->symbols[i])
            return err_set(p->err, ERR_NOMEM, "avro schema");
    }
    schema->symbol_count = count;
    return 0;
}

static int parse_union(struct parser *p, const json_t *json, const char *space, int depth,
                       struct avro_schema *schema)
{
    size_t count = json_array_size(json);

    schema->type = AVRO_UNION;
    schema->members = ARENA_ARRAY(p->arena, struct avro_member, count + 1);
    if (!schema->members)
        return err_set(p->err, ERR_NOMEM, "avro schema");
    for (size_t i = 0; i < count; i++) {
        int rc = parse(p, json_array_get(json, i), space, depth + 1, &schema->members[i].schema);

        if (rc)
            return rc;
        if (schema->members[i].schema->type == AVRO_UNION)
            return bad(p, "a union inside a union");
        schema->member_count++;
    }
    return 0;
}

static int parse_logical(struct parser *p, const json_t *json, struct avro_schema *schema)
{
    const char *logical = json_string_value(json_object_get(json, "logicalType"));

    schema->precision = id_of(json, "precision");
    schema->scale = id_of(json, "scale");
    schema->adjust_to_utc = json_is_true(json_object_get(json, "adjust-to-utc"));
    if (logical && !(schema->logical = arena_strdup(p->arena, logical)))
        return err_set(p->err, ERR_NOMEM, "avro schema");
    return 0;
}

static int parse_complex(struct parser *p, const json_t *json, const char *space, int depth,
                         struct avro_schema *schema)
{
    int rc = parse_logical(p, json, schema);

    if (rc)
        return rc;
    switch (schema->type) {
    case AVRO_RECORD:
        rc = define_name(p, schema, json, &space);
        return rc ? rc : parse_fields(p, json, space, depth, schema);
    case AVRO_ENUM:
        rc = define_name(p, schema, json, &space);
        return rc ? rc : parse_symbols(p, json, schema);
    case AVRO_FIXED:
        schema->size = id_of(json, "size");
        if (schema->size < 0)
            return bad(p, "a fixed type without a size");
        return define_name(p, schema, json, &space);
    case AVRO_ARRAY:
        schema->element_id = id_of(json, "element-id");
        return parse(p, json_object_get(json, "items"), space, depth + 1, &schema->items);
    case AVRO_MAP:
        schema->key_id = id_of(json, "key-id");
        schema->value_id = id_of(json, "value-id");
        return parse(p, json_object_get(json, "values"), space, depth + 1, &schema->items);
    default:
        return 0;
    }
}

static int type_of(const char *name)
{
    for (size_t i = 0; i < AVRO_UNION; i++)
        if (!strcmp(name, type_names[i]))
            return (int)i;
    return -1;
}

static int parse(struct parser *p, const json_t *json, const char *space, int depth,
                 const struct avro_schema **out)
{
    const json_t *type = json_is_object(json) ? json_object_get(json, "type") : json;
    struct avro_schema *schema;
    int kind;

    if (depth > AVRO_DEPTH_MAX || ++p->nodes > AVRO_NODES_MAX)
        return err_set(p->err, ERR_LIMIT, "avro schema: nested deeper than %d or too large",
                       AVRO_DEPTH_MAX);
    if (json_is_object(json) && !json_is_string(type)) /* {"type": {...}} wraps another */
        return parse(p, type, space, depth + 1, out);
    schema = ARENA_NEW(p->arena, struct avro_schema);
    if (!schema)
        return err_set(p->err, ERR_NOMEM, "avro schema");
    schema->element_id = schema->key_id = schema->value_id = -1;
    *out = schema;
    if (json_is_array(json))
        return parse_union(p, json, space, depth, schema);
    if (!json_is_string(type))
        return bad(p, "a type that is neither text, object nor array");
    kind = type_of(json_string_value(type));
    if (kind < 0) {
        const char *name = full_name(p, json_string_value(type), space);

        if (!name)
            return err_set(p->err, ERR_NOMEM, "avro schema");
        *out = find_name(p, name);
        if (!*out)
            *out = find_name(p, json_string_value(type));
        return *out ? 0 : err_set(p->err, ERR_CORRUPT, "avro schema: unknown type %s", name);
    }
    schema->type = (enum avro_type)kind;
    if (json_is_object(json))
        return parse_complex(p, json, space, depth, schema);
    return kind >= AVRO_FIXED ? bad(p, "a complex type without its parts") : 0;
}

int avro_schema_parse(struct slice text, struct arena *arena, const struct avro_schema **out,
                      struct err *err)
{
    struct parser p = {.arena = arena, .err = err};
    json_t *json = NULL;
    int rc;

    /* A schema may be a bare word, which is not a JSON document for every parser. */
    rc = json_parse(text, &json, err);
    if (rc)
        return err_wrap(err, rc, "avro schema");
    rc = parse(&p, json, NULL, 0, out);
    json_decref(json);
    return rc;
}

int avro_get_long(struct avro_cursor *c, int64_t *out, struct err *err)
{
    uint64_t value = 0;

    for (int shift = 0; shift < 64 && c->at < c->end; shift += 7) {
        uint8_t byte = *c->at++;

        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *out = (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
            return 0;
        }
    }
    return err_set(err, ERR_CORRUPT, "avro: a number is cut off or too long");
}

int avro_get_fixed(struct avro_cursor *c, size_t len, const uint8_t **out, struct err *err)
{
    if (len > (size_t)(c->end - c->at))
        return err_set(err, ERR_CORRUPT, "avro: %zu bytes wanted, %zu left", len,
                       (size_t)(c->end - c->at));
    *out = c->at;
    c->at += len;
    return 0;
}

int avro_get_bytes(struct avro_cursor *c, struct slice *out, struct err *err)
{
    int64_t len;
    int rc = avro_get_long(c, &len, err);

    if (rc)
        return rc;
    if (len < 0)
        return err_set(err, ERR_CORRUPT, "avro: a negative length");
    out->len = (size_t)len;
    return avro_get_fixed(c, out->len, &out->ptr, err);
}

int avro_get_count(struct avro_cursor *c, int64_t *out, struct err *err)
{
    int64_t bytes;
    int rc = avro_get_long(c, out, err);

    if (rc || *out == 0)
        return rc;
    if (*out < 0) { /* then the size of the block in bytes follows, for skipping */
        rc = avro_get_long(c, &bytes, err);
        if (rc)
            return rc;
        if (*out == INT64_MIN)
            return err_set(err, ERR_CORRUPT, "avro: an impossible item count");
        *out = -*out;
    }
    if (*out > (c->end - c->at) + AVRO_EMPTY_ITEMS_MAX)
        return err_set(err, ERR_CORRUPT, "avro: %" PRId64 " items claimed, %zu bytes left", *out,
                       (size_t)(c->end - c->at));
    return 0;
}

static int skip(struct avro_cursor *c, const struct avro_schema *schema, int depth,
                struct err *err);

static int skip_blocks(struct avro_cursor *c, const struct avro_schema *schema, int depth,
                       struct err *err)
{
    int64_t total = 0, count;
    struct slice key;
    int rc;

    while (!(rc = avro_get_count(c, &count, err)) && count > 0) {
        const uint8_t *before = c->at;

        for (int64_t i = 0; i < count; i++) {
            if (schema->type == AVRO_MAP && (rc = avro_get_bytes(c, &key, err)))
                return rc;
            rc = skip(c, schema->items, depth + 1, err);
            if (rc)
                return rc;
        }
        total += c->at == before ? count : 0; /* items without bytes cost only time: bound it */
        if (total > AVRO_EMPTY_ITEMS_MAX)
            return err_set(err, ERR_LIMIT, "avro: too many empty items");
    }
    return rc;
}

static int skip(struct avro_cursor *c, const struct avro_schema *schema, int depth, struct err *err)
{
    struct slice bytes;
    const uint8_t *fixed;
    int64_t number;
    int rc = 0;

    if (depth > AVRO_DEPTH_MAX)
        return err_set(err, ERR_LIMIT, "avro: nested deeper than %d", AVRO_DEPTH_MAX);
    switch (schema->type) {
    case AVRO_NULL:
        return 0;
    case AVRO_BOOLEAN:
        return avro_get_fixed(c, 1, &fixed, err);
    case AVRO_INT:
    case AVRO_LONG:
    case AVRO_ENUM:
        return avro_get_long(c, &number, err);
    case AVRO_FLOAT:
        return avro_get_fixed(c, 4, &fixed, err);
    case AVRO_DOUBLE:
        return avro_get_fixed(c, 8, &fixed, err);
    case AVRO_BYTES:
    case AVRO_STRING:
        return avro_get_bytes(c, &bytes, err);
    case AVRO_FIXED:
        return avro_get_fixed(c, (size_t)schema->size, &fixed, err);
    case AVRO_RECORD:
        for (size_t i = 0; i < schema->member_count && !rc; i++)
            rc = skip(c, schema->members[i].schema, depth + 1, err);
        return rc;
    case AVRO_ARRAY:
    case AVRO_MAP:
        return skip_blocks(c, schema, depth, err);
    case AVRO_UNION:
        rc = avro_get_long(c, &number, err);
        if (rc)
            return rc;
        if (number < 0 || (size_t)number >= schema->member_count)
            return err_set(err, ERR_CORRUPT, "avro: union branch %" PRId64, number);
        return skip(c, schema->members[number].schema, depth + 1, err);
    }
    return err_set(err, ERR_CORRUPT, "avro: unknown type");
}

int avro_skip(struct avro_cursor *cursor, const struct avro_schema *schema, struct err *err)
{
    return skip(cursor, schema, 0, err);
}

int avro_put_long(struct buf *out, int64_t value)
{
    uint64_t left = ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
    uint8_t bytes[10];
    size_t len = 0;

    do {
        bytes[len++] = (uint8_t)(left & 0x7f) | (left > 0x7f ? 0x80 : 0);
        left >>= 7;
    } while (left);
    return buf_append(out, bytes, len);
}

int avro_put_bytes(struct buf *out, struct slice bytes)
{
    int rc = avro_put_long(out, (int64_t)bytes.len);

    return rc ? rc : buf_append_slice(out, bytes);
}
