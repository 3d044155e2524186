/* types.c - schemas to and from JSON, and walks over them. Iceberg spec, appendix C. */
#include "lake/types.h"

#include "lake/lake_int.h"

static const struct {
    const char *name;
    enum lake_kind kind;
} primitives[] = {
    {"boolean", LAKE_BOOLEAN},
    {"int", LAKE_INT},
    {"long", LAKE_LONG},
    {"float", LAKE_FLOAT},
    {"double", LAKE_DOUBLE},
    {"date", LAKE_DATE},
    {"time", LAKE_TIME},
    {"timestamp", LAKE_TIMESTAMP},
    {"timestamptz", LAKE_TIMESTAMPTZ},
    {"timestamp_ns", LAKE_TIMESTAMP_NS},
    {"timestamptz_ns", LAKE_TIMESTAMPTZ_NS},
    {"string", LAKE_STRING},
    {"uuid", LAKE_UUID},
    {"binary", LAKE_BINARY},
    {"unknown", LAKE_UNKNOWN},
};

bool lake_type_primitive(const struct lake_type *type)
{
    return type->kind < LAKE_STRUCT;
}

int lake_type_parse(const char *text, struct lake_type *out, struct err *err)
{
    int used = 0;

    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < COUNT_OF(primitives); i++)
        if (!strcmp(text, primitives[i].name)) {
            out->kind = primitives[i].kind;
            return 0;
        }
    if (sscanf(text, "decimal( %" SCNd32 " , %" SCNd32 " )%n", &out->precision, &out->scale,
               &used) == 2 &&
        used > 0 && !text[used]) {
        out->kind = LAKE_DECIMAL;
        if (out->precision < 1 || out->precision > LAKE_DECIMAL_PRECISION_MAX || out->scale < 0 ||
            out->scale > out->precision)
            return err_set(err, ERR_INVALID,
                           "type %s: precision goes from 1 to 38, scale from 0 "
                           "to the precision",
                           text);
        return 0;
    }
    if (sscanf(text, "fixed[ %" SCNd32 " ]%n", &out->width, &used) == 1 && used > 0 &&
        !text[used]) {
        out->kind = LAKE_FIXED;
        return out->width > 0 && out->width <= 1 << 20
                   ? 0
                   : err_set(err, ERR_INVALID, "type %s: the length is out of range", text);
    }
    return err_set(err, ERR_UNSUPPORTED, "type %.100s is not supported by this tarn", text);
}

static const char *primitive_name(const struct lake_type *type, char *space, size_t len)
{
    if (type->kind == LAKE_DECIMAL) {
        snprintf(space, len, "decimal(%" PRId32 ", %" PRId32 ")", type->precision, type->scale);
        return space;
    }
    if (type->kind == LAKE_FIXED) {
        snprintf(space, len, "fixed[%" PRId32 "]", type->width);
        return space;
    }
    for (size_t i = 0; i < COUNT_OF(primitives); i++)
        if (primitives[i].kind == type->kind)
            return primitives[i].name;
    return "unknown";
}

const char *lake_type_name(const struct lake_type *type, struct arena *arena)
{
    char space[48], *text;

    switch (type->kind) {
    case LAKE_LIST:
        return arena_printf(arena, "list<%s>", lake_type_name(&type->fields[0].type, arena));
    case LAKE_MAP:
        return arena_printf(arena, "map<%s, %s>", lake_type_name(&type->fields[0].type, arena),
                            lake_type_name(&type->fields[1].type, arena));
    case LAKE_STRUCT:
        text = arena_strdup(arena, "struct<");
        for (size_t i = 0; i < type->field_count && text; i++)
            text = arena_printf(arena, "%s%s%s: %s", text, i ? ", " : "", type->fields[i].name,
                                lake_type_name(&type->fields[i].type, arena));
        return text ? arena_printf(arena, "%s>", text) : NULL;
    default:
        return arena_strdup(arena, primitive_name(type, space, sizeof(space)));
    }
}

struct parser {
    struct arena *arena;
    struct err *err;
    size_t fields;
};

static int parse_type(struct parser *p, const json_t *json, int depth, struct lake_type *out);

static int nomem(struct parser *p)
{
    return err_set(p->err, ERR_NOMEM, "schema");
}

/* An id from JSON: 1 and up; 0 too, since some writers number from 0. */
static int get_id(struct parser *p, const json_t *obj, const char *key, int32_t *out)
{
    int64_t id;
    int rc = json_get_i64(obj, key, "field", &id, p->err);

    if (!rc && (id < 0 || id > INT32_MAX))
        rc = err_set(p->err, ERR_CORRUPT, "schema: %s %" PRId64 " is out of range", key, id);
    *out = rc ? 0 : (int32_t)id;
    return rc;
}

static int get_default(struct parser *p, const json_t *obj, const char *key, const char **out)
{
    const json_t *value = json_object_get(obj, key);
    char *text;

    *out = NULL;
    if (!value || json_is_null(value))
        return 0;
    text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    *out = text ? arena_strdup(p->arena, text) : NULL;
    free(text);
    return *out ? 0 : nomem(p);
}

static int parse_struct_field(struct parser *p, const json_t *json, int depth,
                              struct lake_field *out)
{
    const char *name, *doc = json_string_value(json_object_get(json, "doc"));
    int rc = json_get_str(json, "name", "field", &name, p->err);

    rc = rc ? rc : get_id(p, json, "id", &out->id);
    rc = rc ? rc : json_get_bool(json, "required", "field", &out->required, p->err);
    rc = rc ? rc : get_default(p, json, "initial-default", &out->initial_default);
    rc = rc ? rc : get_default(p, json, "write-default", &out->write_default);
    if (rc)
        return rc;
    out->name = arena_strdup(p->arena, name);
    out->doc = doc ? arena_strdup(p->arena, doc) : NULL;
    if (!out->name || (doc && !out->doc))
        return nomem(p);
    rc = parse_type(p, json_object_get(json, "type"), depth + 1, &out->type);
    return rc ? err_wrap(p->err, rc, "field %.100s", name) : 0;
}

static int parse_struct(struct parser *p, const json_t *json, int depth, struct lake_type *out)
{
    json_t *fields;
    int rc = json_get_arr(json, "fields", "struct", &fields, p->err);
    size_t count = rc ? 0 : json_array_size(fields);

    p->fields += count;
    if (p->fields > LAKE_SCHEMA_FIELDS_MAX)
        return err_set(p->err, ERR_LIMIT, "schema: more than %d fields", LAKE_SCHEMA_FIELDS_MAX);
    out->kind = LAKE_STRUCT;
    out->field_count = count;
    out->fields = ARENA_ARRAY(p->arena, struct lake_field, count + 1);
    if (!out->fields)
        return nomem(p);
    for (size_t i = 0; i < count && !rc; i++)
        rc = parse_struct_field(p, json_array_get(fields, i), depth, &out->fields[i]);
    return rc;
}

static int parse_child(struct parser *p, const json_t *json, const char *what, int depth,
                       struct lake_field *out)
{
    char key[32];
    int rc;

    snprintf(key, sizeof(key), "%s-id", what);
    rc = get_id(p, json, key, &out->id);
    out->name = what;
    out->required = true; /* map keys always are */
    snprintf(key, sizeof(key), "%s-required", what);
    if (!rc && strcmp(what, "key") != 0)
        rc = json_get_bool(json, key, "field", &out->required, p->err);
    rc = rc ? rc : parse_type(p, json_object_get(json, what), depth + 1, &out->type);
    return rc ? err_wrap(p->err, rc, "%s", what) : 0;
}

static int parse_children(struct parser *p, const json_t *json, enum lake_kind kind, int depth,
                          struct lake_type *out)
{
    int rc;

    out->kind = kind;
    out->field_count = kind == LAKE_LIST ? 1 : 2;
    out->fields = ARENA_ARRAY(p->arena, struct lake_field, out->field_count);
    p->fields += out->field_count;
    if (!out->fields)
        return nomem(p);
    if (kind == LAKE_LIST)
        return parse_child(p, json, "element", depth, &out->fields[0]);
    rc = parse_child(p, json, "key", depth, &out->fields[0]);
    return rc ? rc : parse_child(p, json, "value", depth, &out->fields[1]);
}

static int parse_type(struct parser *p, const json_t *json, int depth, struct lake_type *out)
{
    const char *kind;

    if (depth > LAKE_SCHEMA_DEPTH_MAX)
        return err_set(p->err, ERR_LIMIT, "schema: nested deeper than %d", LAKE_SCHEMA_DEPTH_MAX);
    memset(out, 0, sizeof(*out));
    if (json_is_string(json))
        return lake_type_parse(json_string_value(json), out, p->err);
    kind = json_string_value(json_object_get(json, "type"));
    if (!kind)
        return err_set(p->err, ERR_CORRUPT, "schema: a type is neither text nor an object");
    if (!strcmp(kind, "struct"))
        return parse_struct(p, json, depth, out);
    if (!strcmp(kind, "list"))
        return parse_children(p, json, LAKE_LIST, depth, out);
    if (!strcmp(kind, "map"))
        return parse_children(p, json, LAKE_MAP, depth, out);
    return err_set(p->err, ERR_UNSUPPORTED, "type %.100s", kind);
}

int lake_schema_parse(const json_t *json, struct arena *arena, struct lake_schema *out,
                      struct err *err)
{
    struct parser p = {.arena = arena, .err = err};
    const json_t *ids = json_object_get(json, "identifier-field-ids");
    const json_t *id = json_object_get(json, "schema-id");
    int rc;

    memset(out, 0, sizeof(*out));
    out->id = json_is_integer(id) ? (int32_t)json_integer_value(id) : 0;
    rc = parse_struct(&p, json, 0, &out->root);
    if (rc)
        return err_wrap(err, rc, "schema");
    out->identifier_count = json_array_size(ids);
    out->identifier_ids = ARENA_ARRAY(arena, int32_t, out->identifier_count + 1);
    if (!out->identifier_ids)
        return nomem(&p);
    for (size_t i = 0; i < out->identifier_count; i++)
        out->identifier_ids[i] = (int32_t)json_integer_value(json_array_get(ids, i));
    return lake_schema_check(out, err);
}

int lake_schema_parse_text(struct slice text, struct arena *arena, struct lake_schema *out,
                           struct err *err)
{
    json_t *json = NULL;
    int rc = json_parse(text, &json, err);

    rc = rc ? rc : lake_schema_parse(json, arena, out, err);
    json_decref(json);
    return rc;
}

bool json_put(json_t *obj, const char *key, json_t *value)
{
    return json_object_set_new(obj, key, value) == 0;
}

static json_t *type_json(const struct lake_type *type);

static bool put_default(json_t *obj, const char *key, const char *text)
{
    return !text || json_put(obj, key, json_loads(text, JSON_DECODE_ANY, NULL));
}

static json_t *fields_json(const struct lake_type *type)
{
    json_t *list = json_array();

    for (size_t i = 0; i < type->field_count && list; i++) {
        const struct lake_field *f = &type->fields[i];
        json_t *obj = json_object();
        bool ok = obj && json_put(obj, "id", json_integer(f->id)) &&
                  json_put(obj, "name", json_string(f->name)) &&
                  json_put(obj, "required", json_boolean(f->required)) &&
                  json_put(obj, "type", type_json(&f->type)) &&
                  (!f->doc || json_put(obj, "doc", json_string(f->doc))) &&
                  put_default(obj, "initial-default", f->initial_default) &&
                  put_default(obj, "write-default", f->write_default);

        if (!ok || json_array_append(list, obj)) {
            json_decref(list);
            list = NULL;
        }
        json_decref(obj);
    }
    return list;
}

static json_t *type_json(const struct lake_type *type)
{
    char space[48];
    json_t *obj;
    bool ok;

    if (lake_type_primitive(type))
        return json_string(primitive_name(type, space, sizeof(space)));
    obj = json_object();
    if (type->kind == LAKE_STRUCT)
        ok = json_put(obj, "type", json_string("struct")) &&
             json_put(obj, "fields", fields_json(type));
    else if (type->kind == LAKE_LIST)
        ok = json_put(obj, "type", json_string("list")) &&
             json_put(obj, "element-id", json_integer(type->fields[0].id)) &&
             json_put(obj, "element", type_json(&type->fields[0].type)) &&
             json_put(obj, "element-required", json_boolean(type->fields[0].required));
    else
        ok = json_put(obj, "type", json_string("map")) &&
             json_put(obj, "key-id", json_integer(type->fields[0].id)) &&
             json_put(obj, "key", type_json(&type->fields[0].type)) &&
             json_put(obj, "value-id", json_integer(type->fields[1].id)) &&
             json_put(obj, "value", type_json(&type->fields[1].type)) &&
             json_put(obj, "value-required", json_boolean(type->fields[1].required));
    if (ok)
        return obj;
    json_decref(obj);
    return NULL;
}

json_t *lake_schema_json(const struct lake_schema *schema)
{
    json_t *obj = json_object(), *ids = json_array();
    bool ok = obj && ids && json_put(obj, "type", json_string("struct")) &&
              json_put(obj, "schema-id", json_integer(schema->id)) &&
              json_put(obj, "fields", fields_json(&schema->root));

    for (size_t i = 0; i < schema->identifier_count && ok; i++)
        ok = json_array_append_new(ids, json_integer(schema->identifier_ids[i])) == 0;
    if (ok && schema->identifier_count)
        ok = json_object_set(obj, "identifier-field-ids", ids) == 0;
    json_decref(ids);
    if (ok)
        return obj;
    json_decref(obj);
    return NULL;
}

static const struct lake_field *by_id(const struct lake_type *type, int32_t id)
{
    for (size_t i = 0; i < type->field_count; i++) {
        const struct lake_field *inner;

        if (type->fields[i].id == id)
            return &type->fields[i];
        inner = by_id(&type->fields[i].type, id);
        if (inner)
            return inner;
    }
    return NULL;
}

const struct lake_field *lake_schema_by_id(const struct lake_schema *schema, int32_t id)
{
    return by_id(&schema->root, id);
}

/* A name may hold dots itself, so every prefix that matches is tried. */
static const struct lake_field *by_name(const struct lake_type *type, const char *name)
{
    for (size_t i = 0; i < type->field_count; i++) {
        const char *own = type->fields[i].name;
        size_t len = strlen(own);
        const struct lake_field *inner;

        if (!strcmp(own, name))
            return &type->fields[i];
        if (strncmp(own, name, len) || name[len] != '.')
            continue;
        inner = by_name(&type->fields[i].type, name + len + 1);
        if (inner)
            return inner;
    }
    return NULL;
}

const struct lake_field *lake_schema_by_name(const struct lake_schema *schema, const char *name)
{
    return by_name(&schema->root, name);
}

static int32_t max_id(const struct lake_type *type)
{
    int32_t max = 0;

    for (size_t i = 0; i < type->field_count; i++) {
        int32_t inner = max_id(&type->fields[i].type);

        max = type->fields[i].id > max ? type->fields[i].id : max;
        max = inner > max ? inner : max;
    }
    return max;
}

int32_t lake_schema_max_id(const struct lake_schema *schema)
{
    return max_id(&schema->root);
}

static void number(struct lake_type *type, int32_t *last_id)
{
    for (size_t i = 0; i < type->field_count; i++)
        type->fields[i].id = ++*last_id;
    for (size_t i = 0; i < type->field_count; i++)
        number(&type->fields[i].type, last_id);
}

/* Identifier fields follow their columns to the new ids. */
void lake_schema_number(struct lake_schema *schema, int32_t *last_id)
{
    const struct lake_field *fields[64];
    size_t count =
        schema->identifier_count < COUNT_OF(fields) ? schema->identifier_count : COUNT_OF(fields);

    for (size_t i = 0; i < count; i++)
        fields[i] = lake_schema_by_id(schema, schema->identifier_ids[i]);
    number(&schema->root, last_id);
    for (size_t i = 0; i < count; i++)
        schema->identifier_ids[i] = fields[i] ? fields[i]->id : 0;
}

static int collect_ids(const struct lake_type *type, int32_t *ids, size_t *count, size_t cap)
{
    for (size_t i = 0; i < type->field_count; i++) {
        if (*count == cap)
            return ERR_LIMIT;
        ids[(*count)++] = type->fields[i].id;
        if (collect_ids(&type->fields[i].type, ids, count, cap))
            return ERR_LIMIT;
    }
    return 0;
}

static size_t count_fields(const struct lake_type *type)
{
    size_t count = type->field_count;

    for (size_t i = 0; i < type->field_count; i++)
        count += count_fields(&type->fields[i].type);
    return count;
}

static int cmp_i32(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

    return (x > y) - (x < y);
}

static int cmp_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int check_names(const struct lake_type *type, struct err *err)
{
    const char **names = calloc(type->field_count + 1, sizeof(*names));
    int rc = names ? 0 : err_set(err, ERR_NOMEM, "schema");

    for (size_t i = 0; i < type->field_count && !rc; i++) {
        names[i] = type->fields[i].name;
        rc = check_names(&type->fields[i].type, err);
    }
    if (!rc)
        qsort(names, type->field_count, sizeof(*names), cmp_names);
    for (size_t i = 1; i < type->field_count && !rc; i++)
        if (!strcmp(names[i - 1], names[i]))
            rc = err_set(err, ERR_INVALID, "schema: two fields are named %.100s", names[i]);
    free(names);
    return rc;
}

int lake_schema_check(const struct lake_schema *schema, struct err *err)
{
    size_t cap = count_fields(&schema->root), count = 0;
    int32_t *ids = calloc(cap + 1, sizeof(*ids));
    int rc = ids ? 0 : err_set(err, ERR_NOMEM, "schema");

    rc = rc ? rc : collect_ids(&schema->root, ids, &count, cap);
    if (!rc)
        qsort(ids, count, sizeof(*ids), cmp_i32);
    for (size_t i = 1; i < count && !rc; i++)
        if (ids[i - 1] == ids[i])
            rc = err_set(err, ERR_INVALID, "schema: field id %" PRId32 " is used twice", ids[i]);
    for (size_t i = 0; i < schema->identifier_count && !rc; i++)
        if (!lake_schema_by_id(schema, schema->identifier_ids[i]))
            rc = err_set(err, ERR_INVALID, "schema: identifier field %" PRId32 " does not exist",
                         schema->identifier_ids[i]);
    free(ids);
    return rc ? rc : check_names(&schema->root, err);
}

static int check_format(const struct lake_type *type, int format, struct err *err)
{
    char space[48];

    for (size_t i = 0; i < type->field_count; i++) {
        const struct lake_field *f = &type->fields[i];
        enum lake_kind kind = f->type.kind;
        int rc;

        if (format < 3 && (kind == LAKE_TIMESTAMP_NS || kind == LAKE_TIMESTAMPTZ_NS ||
                           kind == LAKE_UNKNOWN))
            return err_set(err, ERR_INVALID,
                           "Invalid schema for v%d: Invalid type for %.100s: %s is not supported "
                           "until v3",
                           format, f->name, primitive_name(&f->type, space, sizeof(space)));
        if (format < 3 && f->initial_default)
            return err_set(err, ERR_INVALID,
                           "Invalid schema for v%d: Invalid initial default for %.100s: non-null "
                           "default (%.60s) is not supported until v3",
                           format, f->name, f->initial_default);
        if (kind == LAKE_UNKNOWN && f->required)
            return err_set(err, ERR_INVALID,
                           "Invalid schema: %.100s is of type unknown and must be optional",
                           f->name);
        rc = check_format(&f->type, format, err);
        if (rc)
            return rc;
    }
    return 0;
}

int lake_schema_check_format(const struct lake_schema *schema, int format, struct err *err)
{
    return check_format(&schema->root, format, err);
}

bool lake_type_equal(const struct lake_type *a, const struct lake_type *b)
{
    if (a->kind != b->kind || a->precision != b->precision || a->scale != b->scale ||
        a->width != b->width || a->field_count != b->field_count)
        return false;
    for (size_t i = 0; i < a->field_count; i++)
        if (a->fields[i].id != b->fields[i].id || a->fields[i].required != b->fields[i].required ||
            strcmp(a->fields[i].name, b->fields[i].name) != 0 ||
            !lake_type_equal(&a->fields[i].type, &b->fields[i].type))
            return false;
    return true;
}

bool lake_type_promotes(const struct lake_type *from, const struct lake_type *to, int format)
{
    switch (from->kind) {
    case LAKE_INT:
        return to->kind == LAKE_LONG;
    case LAKE_FLOAT:
        return to->kind == LAKE_DOUBLE;
    case LAKE_DECIMAL:
        return to->kind == LAKE_DECIMAL && to->scale == from->scale &&
               to->precision > from->precision;
    case LAKE_DATE:
        return format >= 3 && (to->kind == LAKE_TIMESTAMP || to->kind == LAKE_TIMESTAMP_NS);
    case LAKE_UNKNOWN:
        return format >= 3;
    default:
        return false;
    }
}
