/* yaml_fuzz.c - configuration text: parsed, walked whole, and bound by a table with every kind. */
#include <stdlib.h>

#include "base/base.h"
#include "base/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct inner {
    int64_t number;
};

struct config {
    const char *name;
    int64_t number, bytes, duration;
    bool flag;
    int choice;
    struct inner inner;
    struct yaml_list list;
    const struct yaml_node *free;
};

static const char *const choices[] = {"always", "never", "interval", NULL};
static const struct yaml_field inner_fields[] = {
    {"number", YK_INT, offsetof(struct inner, number), .min = 1, .max = 9, .fallback = "3"},
    {NULL},
};
static const struct yaml_field fields[] = {
    {"name", YK_STR, offsetof(struct config, name), .required = true},
    {"number", YK_INT, offsetof(struct config, number), .min = 1, .max = 65535, .fallback = "1"},
    {"bytes", YK_BYTES, offsetof(struct config, bytes), .fallback = "1GiB"},
    {"duration", YK_DURATION, offsetof(struct config, duration), .fallback = "7d"},
    {"flag", YK_BOOL, offsetof(struct config, flag)},
    {"choice", YK_ENUM, offsetof(struct config, choice), .names = choices},
    {"inner", YK_MAP, offsetof(struct config, inner), .sub = inner_fields},
    {"list", YK_LIST, offsetof(struct config, list)},
    {"free", YK_NODE, offsetof(struct config, free)},
    {NULL},
};

/* Every node has a place in the text and, where it is a value, its text. */
static void walk(const struct yaml_node *node, int depth)
{
    size_t items = node->type == YAML_MAP ? 2 * node->count : node->count;

    if (node->line < 1 || node->column < 1 || depth > 64)
        abort();
    if (node->type == YAML_SCALAR && strlen(node->text) > ((size_t)10 << 20))
        abort();
    for (size_t i = 0; i < items; i++)
        walk(&node->items[i], depth + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {.max_bytes = (size_t)64 << 20};
    struct yaml_problems problems = {.arena = &arena};
    struct config config = {0};
    struct yaml_node node;
    struct err err = {0};
    int rc = yaml_parse(slice_of(data, size), &arena, &node, &err);

    if (rc && !err.text[0])
        abort();
    if (rc == 0) {
        walk(&node, 0);
        rc = yaml_bind(&node, fields, &config, "fuzz.yaml", &problems);
        if ((rc == 0) != (problems.count == 0))
            abort();
        if (rc == 0 && (!config.name || config.number < 1 || config.number > 65535))
            abort();
    }
    arena_deinit(&arena);
    return 0;
}
