/* parquet_tree.c - a table's schema as Parquet has it: nodes, leaves, and the footer's elements.
 *
 * Lists and maps get the three levels of LogicalTypes.md; types are those of the Iceberg table
 * spec, appendix A. `unknown` is an INT32 that is always NULL, so that no group is left empty.
 */
#include "lake/parquet_int.h"

#define LEVEL_MAX 250 /* levels are bytes */

int parquet_nomem(struct err *err)
{
    return err_set(err, ERR_NOMEM, "a Parquet file");
}

/* ---- types ----------------------------------------------------------------------------------- */

static const struct {
    enum parquet_type physical;
    enum parquet_class kind;
    uint8_t size;
} types[] = {
    [LAKE_BOOLEAN] = {P_BOOLEAN, CLASS_BOOL, 1},
    [LAKE_INT] = {P_INT32, CLASS_INT, 4},
    [LAKE_LONG] = {P_INT64, CLASS_LONG, 8},
    [LAKE_FLOAT] = {P_FLOAT, CLASS_FLOAT, 4},
    [LAKE_DOUBLE] = {P_DOUBLE, CLASS_DOUBLE, 8},
    [LAKE_DECIMAL] = {P_FIXED, CLASS_HUGE, 16},
    [LAKE_DATE] = {P_INT32, CLASS_INT, 4},
    [LAKE_TIME] = {P_INT64, CLASS_LONG, 8},
    [LAKE_TIMESTAMP] = {P_INT64, CLASS_LONG, 8},
    [LAKE_TIMESTAMPTZ] = {P_INT64, CLASS_LONG, 8},
    [LAKE_TIMESTAMP_NS] = {P_INT64, CLASS_LONG, 8},
    [LAKE_TIMESTAMPTZ_NS] = {P_INT64, CLASS_LONG, 8},
    [LAKE_STRING] = {P_BYTE_ARRAY, CLASS_BYTES, sizeof(duckdb_string_t)},
    [LAKE_UUID] = {P_FIXED, CLASS_HUGE, 16},
    [LAKE_FIXED] = {P_FIXED, CLASS_BYTES, sizeof(duckdb_string_t)},
    [LAKE_BINARY] = {P_BYTE_ARRAY, CLASS_BYTES, sizeof(duckdb_string_t)},
    [LAKE_UNKNOWN] = {P_INT32, CLASS_INT, 4},
};

/* Bytes that hold every decimal of a precision: the Iceberg spec asks for the fewest. */
static int32_t decimal_width(int32_t precision)
{
    __int128 limit = 1;
    int32_t width = 1;

    for (int32_t i = 0; i < precision; i++)
        limit *= 10;
    while (width < 16 && ((__int128)1 << (8 * width - 1)) < limit)
        width++;
    return width;
}

static void leaf_type(struct parquet_leaf *leaf)
{
    const struct lake_type *type = &leaf->field->type;

    leaf->physical = types[type->kind].physical;
    leaf->kind = types[type->kind].kind;
    leaf->size = types[type->kind].size;
    leaf->width = type->kind == LAKE_FIXED ? type->width : type->kind == LAKE_UUID ? 16 : 0;
    if (type->kind != LAKE_DECIMAL)
        return;
    leaf->width = decimal_width(type->precision);
    if (type->precision <= 9) {
        leaf->physical = P_INT32;
        leaf->kind = CLASS_INT;
        leaf->size = 4;
    } else if (type->precision <= 18) {
        leaf->physical = P_INT64;
        leaf->kind = CLASS_LONG;
        leaf->size = 8;
    }
}

/* ---- nodes ----------------------------------------------------------------------------------- */

struct place {
    const char *dotted;
    const char **parts;
    size_t part_count;
    unsigned def, rep;
};

static size_t count_leaves(const struct lake_type *type)
{
    size_t count = 0;

    if (lake_type_primitive(type))
        return 1;
    for (size_t i = 0; i < type->field_count; i++)
        count += count_leaves(&type->fields[i].type);
    return count;
}

static int leaf_new(struct parquet_writer *w, struct parquet_node *node, const struct place *place)
{
    struct parquet_leaf *leaf = &w->leaves[w->leaf_count++];

    node->leaf = leaf;
    leaf->field = node->field;
    leaf->path = place->dotted;
    leaf->parts = place->parts;
    leaf->part_count = place->part_count;
    leaf->def_max = (uint8_t)place->def;
    leaf->rep_max = (uint8_t)place->rep;
    leaf->options = (struct parquet_leaf_options){.stats = true, .bloom_fpp = 0.01};
    if (w->options.leaf)
        w->options.leaf(w->options.leaf_arg, leaf->path, &leaf->options);
    leaf_type(leaf);
    return 0;
}

/* `between`: the level that Parquet puts under a list or map, NULL: none. */
static int place_under(struct parquet_writer *w, const struct place *parent, const char *between,
                       const char *name, struct place *out)
{
    size_t count = parent->part_count;

    *out = *parent;
    out->dotted = *parent->dotted ? arena_printf(&w->arena, "%s.%s", parent->dotted, name) : name;
    out->parts = ARENA_ARRAY(&w->arena, const char *, count + 2);
    if (!out->dotted || !out->parts)
        return ERR_NOMEM;
    if (count)
        memcpy(out->parts, parent->parts, count * sizeof(*out->parts));
    if (between)
        out->parts[count++] = between;
    out->parts[count++] = name;
    out->part_count = count;
    return 0;
}

static int node_new(struct parquet_writer *w, const struct lake_field *field, struct place place,
                    struct parquet_node *node, struct err *err)
{
    const struct lake_type *type = &field->type;
    bool repeats = type->kind == LAKE_LIST || type->kind == LAKE_MAP;

    node->field = field;
    node->optional = !field->required;
    place.def += node->optional + repeats;
    place.rep += repeats;
    node->rep = (uint8_t)place.rep;
    if (place.def > LEVEL_MAX)
        return err_set(err, ERR_UNSUPPORTED, "column %.100s lies too deep for Parquet",
                       place.dotted);
    if (lake_type_primitive(type))
        return leaf_new(w, node, &place);
    if (!type->field_count)
        return err_set(err, ERR_UNSUPPORTED,
                       "column %.100s is a struct without fields, which Parquet cannot hold",
                       place.dotted);
    node->kid_count = type->field_count;
    node->kids = ARENA_ARRAY(&w->arena, struct parquet_node, node->kid_count);
    if (!node->kids)
        return parquet_nomem(err);
    for (size_t i = 0; i < node->kid_count; i++) {
        const char *between = type->kind == LAKE_LIST  ? "list"
                              : type->kind == LAKE_MAP ? "key_value"
                                                       : NULL;
        struct place under;
        int rc = place_under(w, &place, between, type->fields[i].name, &under);

        rc = rc ? parquet_nomem(err) : node_new(w, &type->fields[i], under, &node->kids[i], err);
        if (rc)
            return rc;
    }
    if (type->kind == LAKE_MAP)
        node->kids[0].optional = false;
    return 0;
}

int parquet_tree_new(struct parquet_writer *w, struct err *err)
{
    static const struct place root = {.dotted = ""};
    const struct lake_type *type = &w->schema->root;
    int rc = 0;

    if (!type->field_count)
        return err_set(err, ERR_UNSUPPORTED, "a table without columns: Parquet has no such files");
    w->leaves = ARENA_ARRAY(&w->arena, struct parquet_leaf, count_leaves(type) + 1);
    w->nodes = ARENA_ARRAY(&w->arena, struct parquet_node, type->field_count);
    if (!w->leaves || !w->nodes)
        return parquet_nomem(err);
    for (size_t i = 0; i < type->field_count && !rc; i++) {
        struct place place;

        rc = place_under(w, &root, NULL, type->fields[i].name, &place) ? parquet_nomem(err) : 0;
        rc = rc ? rc : node_new(w, &type->fields[i], place, &w->nodes[i], err);
    }
    return rc;
}

static void node_free(struct parquet_node *node)
{
    struct buf *bufs[] = {&node->at,     &node->def,     &node->rep_levels,
                          &node->kid_at, &node->kid_def, &node->kid_rep_levels};

    for (size_t i = 0; i < COUNT_OF(bufs); i++)
        buf_deinit(bufs[i]);
    for (size_t i = 0; i < node->kid_count && node->kids; i++)
        node_free(&node->kids[i]);
}

void parquet_tree_free(struct parquet_writer *w)
{
    for (size_t i = 0; w->nodes && i < w->schema->root.field_count; i++)
        node_free(&w->nodes[i]);
    for (size_t i = 0; i < w->leaf_count; i++)
        parquet_leaf_deinit(&w->leaves[i]);
}

/* ---- the footer's schema --------------------------------------------------------------------- */

/* parquet.thrift: ConvertedType, for readers that do not know LogicalType. -1: none. */
static int converted_of(const struct lake_type *type)
{
    switch (type->kind) {
    case LAKE_STRING:
        return 0;
    case LAKE_MAP:
        return 1;
    case LAKE_LIST:
        return 3;
    case LAKE_DECIMAL:
        return 5;
    case LAKE_DATE:
        return 6;
    case LAKE_TIMESTAMPTZ: /* TIMESTAMP_MICROS is of UTC */
        return 10;
    default:
        return -1;
    }
}

/* Fields of the union LogicalType. 0: none. */
static int logical_of(const struct lake_type *type)
{
    switch (type->kind) {
    case LAKE_STRING:
        return 1;
    case LAKE_MAP:
        return 2;
    case LAKE_LIST:
        return 3;
    case LAKE_DECIMAL:
        return 5;
    case LAKE_DATE:
        return 6;
    case LAKE_TIME:
        return 7;
    case LAKE_TIMESTAMP:
    case LAKE_TIMESTAMPTZ:
    case LAKE_TIMESTAMP_NS:
    case LAKE_TIMESTAMPTZ_NS:
        return 8;
    case LAKE_UUID:
        return 14;
    default:
        return 0;
    }
}

static void put_logical(struct thrift_out *t, const struct lake_type *type)
{
    bool nanos = type->kind == LAKE_TIMESTAMP_NS || type->kind == LAKE_TIMESTAMPTZ_NS;
    int logical = logical_of(type);

    if (!logical)
        return;
    thrift_begin_field(t, 10);
    thrift_begin_field(t, logical);
    if (type->kind == LAKE_DECIMAL) {
        thrift_i32(t, 1, type->scale);
        thrift_i32(t, 2, type->precision);
    } else if (logical == 7 || logical == 8) {
        thrift_bool(t, 1, type->kind == LAKE_TIMESTAMPTZ || type->kind == LAKE_TIMESTAMPTZ_NS);
        thrift_begin_field(t, 2);
        thrift_empty(t, nanos ? 3 : 2); /* MICROS 2, NANOS 3 */
        thrift_end(t);
    }
    thrift_end(t);
    thrift_end(t);
}

static void put_element(struct thrift_out *t, const struct parquet_node *node)
{
    const struct lake_type *type = &node->field->type;
    int converted = converted_of(type);

    thrift_begin(t);
    if (node->leaf)
        thrift_i32(t, 1, node->leaf->physical);
    if (node->leaf && node->leaf->physical == P_FIXED)
        thrift_i32(t, 2, node->leaf->width);
    thrift_i32(t, 3, node->optional);
    thrift_binary(t, 4, slice_str(node->field->name));
    if (!node->leaf)
        thrift_i32(t, 5, type->kind == LAKE_STRUCT ? (int64_t)node->kid_count : 1);
    if (converted >= 0)
        thrift_i32(t, 6, converted);
    if (type->kind == LAKE_DECIMAL) {
        thrift_i32(t, 7, type->scale);
        thrift_i32(t, 8, type->precision);
    }
    if (node->field->id > 0)
        thrift_i32(t, 9, node->field->id);
    put_logical(t, type);
    thrift_end(t);
}

static void put_node(struct thrift_out *t, const struct parquet_node *node)
{
    enum lake_kind kind = node->field->type.kind;

    put_element(t, node);
    if (kind == LAKE_LIST || kind == LAKE_MAP) {
        thrift_begin(t);
        thrift_i32(t, 3, 2); /* REPEATED */
        thrift_binary(t, 4, kind == LAKE_LIST ? SLICE_LIT("list") : SLICE_LIT("key_value"));
        thrift_i32(t, 5, (int64_t)node->kid_count);
        thrift_end(t);
    }
    for (size_t i = 0; i < node->kid_count; i++)
        put_node(t, &node->kids[i]);
}

static size_t count_elements(const struct parquet_node *node)
{
    enum lake_kind kind = node->field->type.kind;
    size_t count = kind == LAKE_LIST || kind == LAKE_MAP ? 2 : 1;

    for (size_t i = 0; i < node->kid_count; i++)
        count += count_elements(&node->kids[i]);
    return count;
}

void parquet_tree_schema(const struct parquet_writer *w, struct thrift_out *t)
{
    size_t columns = w->schema->root.field_count, count = 1;

    for (size_t i = 0; i < columns; i++)
        count += count_elements(&w->nodes[i]);
    thrift_list(t, 2, T_STRUCT, count);
    thrift_begin(t);
    thrift_binary(t, 4, SLICE_LIT("table"));
    thrift_i32(t, 5, (int64_t)columns);
    thrift_end(t);
    for (size_t i = 0; i < columns; i++)
        put_node(t, &w->nodes[i]);
}
