/* json_node.c - a decoder's tree from the types of its fields. */
#include "format/json_node.h"

static const struct {
    duckdb_type type;
    enum kind kind;
    const char *name;
    int64_t unit_nanos;
} kinds[] = {
    {DUCKDB_TYPE_BOOLEAN, K_BOOLEAN, "BOOLEAN", 0},
    {DUCKDB_TYPE_TINYINT, K_TINYINT, "TINYINT", 0},
    {DUCKDB_TYPE_SMALLINT, K_SMALLINT, "SMALLINT", 0},
    {DUCKDB_TYPE_INTEGER, K_INTEGER, "INT", 0},
    {DUCKDB_TYPE_BIGINT, K_BIGINT, "BIGINT", 0},
    {DUCKDB_TYPE_FLOAT, K_FLOAT, "FLOAT", 0},
    {DUCKDB_TYPE_DOUBLE, K_DOUBLE, "DOUBLE", 0},
    {DUCKDB_TYPE_DECIMAL, K_DECIMAL, "DECIMAL", 0},
    {DUCKDB_TYPE_VARCHAR, K_VARCHAR, "STRING", 0},
    {DUCKDB_TYPE_BLOB, K_BLOB, "BYTES", 0},
    {DUCKDB_TYPE_DATE, K_DATE, "DATE", 0},
    {DUCKDB_TYPE_TIME, K_TIME, "TIME", 1000},
    {DUCKDB_TYPE_TIME_NS, K_TIME, "TIME", 1},
    {DUCKDB_TYPE_TIMESTAMP, K_TIMESTAMP, "TIMESTAMP", 1000},
    {DUCKDB_TYPE_TIMESTAMP_S, K_TIMESTAMP, "TIMESTAMP", 1000000000},
    {DUCKDB_TYPE_TIMESTAMP_MS, K_TIMESTAMP, "TIMESTAMP", 1000000},
    {DUCKDB_TYPE_TIMESTAMP_NS, K_TIMESTAMP, "TIMESTAMP", 1},
    {DUCKDB_TYPE_TIMESTAMP_TZ, K_TIMESTAMP, "TIMESTAMP_LTZ", 1000},
    {DUCKDB_TYPE_UUID, K_UUID, "UUID", 0},
    {DUCKDB_TYPE_STRUCT, K_STRUCT, "ROW", 0},
    {DUCKDB_TYPE_LIST, K_LIST, "ARRAY", 0},
    {DUCKDB_TYPE_MAP, K_MAP, "MAP", 0},
};

static int node_init(struct json_decoder *d, struct node *node, struct node *parent,
                     const char *name, duckdb_logical_type type, enum json_policy policy,
                     int precision, struct err *err);

static int children_new(struct node *node, size_t count, struct err *err)
{
    node->children = aligned_alloc(_Alignof(struct node), (count + 1) * sizeof(*node->children));
    if (!node->children)
        return err_set(err, ERR_NOMEM, "JSON decoder");
    memset(node->children, 0, count * sizeof(*node->children));
    node->child_count = count;
    return 0;
}

static int table_fill(struct node *node, struct err *err)
{
    size_t size = 8;

    while (size < node->child_count * 2)
        size *= 2;
    node->table = calloc(size, sizeof(*node->table));
    if (!node->table)
        return err_set(err, ERR_NOMEM, "JSON decoder");
    node->table_mask = size - 1;
    for (size_t i = 0; i < node->child_count; i++) {
        const struct node *child = &node->children[i];
        size_t at = name_hash((const uint8_t *)child->name, child->name_len) & node->table_mask;

        while (node->table[at])
            at = (at + 1) & node->table_mask;
        node->table[at] = (uint16_t)(i + 1);
    }
    return 0;
}

static int node_name(struct node *node, const char *name, struct err *err)
{
    uint8_t key[16] = {0};

    node->name = strdup(name);
    if (!node->name)
        return err_set(err, ERR_NOMEM, "JSON decoder");
    node->name_len = strlen(name);
    memcpy(key, name, node->name_len < 16 ? node->name_len : 16);
    if (node->name_len < 16)
        key[node->name_len] = '"';
    node->key = _mm_loadu_si128((const __m128i *)(const void *)key);
    node->key_mask = node->name_len < 16 ? (2u << node->name_len) - 1 : 0xffff;
    return 0;
}

static int list_note(struct json_decoder *d, struct node *node, struct err *err)
{
    if (d->list_count == d->list_cap) {
        size_t cap = d->list_cap ? d->list_cap * 2 : 8;
        struct node **lists = realloc(d->lists, cap * sizeof(*lists));

        if (!lists)
            return err_set(err, ERR_NOMEM, "JSON decoder");
        d->lists = lists;
        d->list_cap = cap;
    }
    d->lists[d->list_count++] = node;
    return 0;
}

static int struct_init(struct json_decoder *d, struct node *node, duckdb_logical_type type,
                       int precision, struct err *err)
{
    idx_t count = duckdb_struct_type_child_count(type);
    int rc = count > UINT16_MAX ? err_set(err, ERR_LIMIT, "a ROW of %" PRIu64 " fields", count)
                                : children_new(node, count, err);

    for (idx_t i = 0; !rc && i < count; i++) {
        char *name = duckdb_struct_type_child_name(type, i);
        duckdb_logical_type child = duckdb_struct_type_child_type(type, i);

        rc = node_init(d, &node->children[i], node, name, child, node->policy, precision, err);
        duckdb_destroy_logical_type(&child);
        duckdb_free(name);
    }
    return rc ? rc : table_fill(node, err);
}

static int list_init(struct json_decoder *d, struct node *node, duckdb_logical_type type,
                     int precision, struct err *err)
{
    duckdb_logical_type parts[2] = {0};
    size_t count = node->kind == K_LIST ? 1 : 2;
    int rc = children_new(node, count, err);

    rc = rc ? rc : list_note(d, node, err);
    if (node->kind == K_LIST) {
        parts[0] = duckdb_list_type_child_type(type);
    } else {
        parts[0] = duckdb_map_type_key_type(type);
        parts[1] = duckdb_map_type_value_type(type);
    }
    for (size_t i = 0; i < count; i++) {
        if (!rc)
            rc = node_init(d, &node->children[i], node, NULL, parts[i], node->policy, precision,
                           err);
        duckdb_destroy_logical_type(&parts[i]);
    }
    /* A key that is NULL has no place in a map: the map itself is at fault. */
    if (!rc && node->kind == K_MAP)
        node->children[0].policy = node->policy == ON_FAULT_FAIL ? ON_FAULT_FAIL : ON_FAULT_REJECT;
    return rc;
}

static int node_init(struct json_decoder *d, struct node *node, struct node *parent,
                     const char *name, duckdb_logical_type type, enum json_policy policy,
                     int precision, struct err *err)
{
    duckdb_type id = duckdb_get_type_id(type);
    size_t i;
    int rc = name ? node_name(node, name, err) : 0;

    if (rc)
        return rc;
    for (i = 0; i < COUNT_OF(kinds) && kinds[i].type != id; i++)
        ;
    if (i == COUNT_OF(kinds))
        return err_set(err, ERR_UNSUPPORTED, "JSON cannot fill the type of field '%s'",
                       name ? name : "(element)");
    node->kind = kinds[i].kind;
    node->type_name = kinds[i].name;
    node->parent = parent;
    node->policy = policy;
    node->storage = id;
    node->unit_nanos = kinds[i].unit_nanos;
    node->cut_nanos = 1;
    for (int digits = precision; digits > 0 && digits < 9; digits++)
        node->cut_nanos *= 10;
    switch (node->kind) {
    case K_DECIMAL:
        node->precision = duckdb_decimal_width(type);
        node->scale = duckdb_decimal_scale(type);
        node->storage = duckdb_decimal_internal_type(type);
        return 0;
    case K_STRUCT:
        return struct_init(d, node, type, precision, err);
    case K_LIST:
    case K_MAP:
        return list_init(d, node, type, precision, err);
    default:
        return 0;
    }
}

int json_decoder_new(struct json_decoder **out, const struct json_decode_options *options,
                     struct err *err)
{
    struct json_decoder *d = aligned_alloc(_Alignof(struct json_decoder), sizeof(*d));
    int rc;

    if (!d)
        return err_set(err, ERR_NOMEM, "JSON decoder");
    memset(d, 0, sizeof(*d));
    d->fail_on_missing = options->fail_on_missing_field;
    d->root.kind = K_STRUCT;
    rc = children_new(&d->root, options->field_count, err);
    for (size_t i = 0; !rc && i < options->field_count; i++) {
        const struct json_field *field = &options->fields[i];

        rc = node_init(d, &d->root.children[i], &d->root, field->name, field->type,
                       options->ignore_parse_errors ? ON_FAULT_NULL : field->policy,
                       field->precision, err);
        d->root.children[i].column = field->column;
    }
    rc = rc ? rc : table_fill(&d->root, err);
    if (rc) {
        json_decoder_free(d);
        return rc;
    }
    *out = d;
    return 0;
}

static void node_deinit(struct node *node)
{
    for (size_t i = 0; i < node->child_count; i++)
        node_deinit(&node->children[i]);
    free(node->children);
    free(node->table);
    free(node->name);
}

void json_decoder_free(struct json_decoder *d)
{
    if (!d)
        return;
    node_deinit(&d->root);
    free(d->lists);
    buf_deinit(&d->scratch);
    free(d);
}
