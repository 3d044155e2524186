/* plan_share.c - what a query asks for twice is made once: a view that is read in two places, two
 * subqueries that differ in what is done with their rows alone.
 *
 * Two nodes give the same rows when they do the same with inputs that do. The tree stays whole: the
 * later one only knows which one stands for it (`same`), and whoever makes operators makes none of
 * it. Flink does likewise (table.optimizer.reuse-sub-plan-enabled).
 */
#include <ctype.h>

#include "sql/plan_int.h"

#define NAMES_MAX 32 /* that a text may have to be compared */

struct sharing {
    struct planner *p;
    struct sql_node **nodes; /* those that are made, each behind those that are made before it */
    size_t count, max;
};

/* Values that are others each time they are asked for: DuckDB's spelling of RAND, RAND_INTEGER and
 * UUID. A text that only looks like them costs the sharing. */
static bool varies(const char *select)
{
    static const char *const words[] = {"random(", "flink_rand", "uuid("};

    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (strstr(select, words[i]))
            return true;
    return false;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && !strcmp(a, b));
}

/* Sources and lambdas have numbers that no two in a query share: t12, q3, v4. */
static bool is_name(const char *text, char before)
{
    return (*text == 't' || *text == 'q' || *text == 'v') && isdigit((unsigned char)text[1]) &&
           !isalnum((unsigned char)before) && before != '_';
}

struct renaming {
    long from[NAMES_MAX], to[NAMES_MAX];
    size_t count;
};

/* Reads a name in both texts: false if another one of either was met as the same before. */
static bool same_name(struct renaming *r, const char **a, const char **b)
{
    char *a_end, *b_end;
    long from = strtol(*a + 1, &a_end, 10), to = strtol(*b + 1, &b_end, 10);
    size_t i = 0;

    while (i < r->count && r->from[i] != from && r->to[i] != to)
        i++;
    if (i == NAMES_MAX || (i < r->count && (r->from[i] != from || r->to[i] != to)))
        return false;
    r->from[i] = from;
    r->to[i] = to;
    r->count += i == r->count;
    *a = a_end;
    *b = b_end;
    return true;
}

/* The same but for those numbers. */
static bool same_select(const char *a, const char *b)
{
    struct renaming renaming = {.count = 0};
    char quote = 0, before = ' ';

    while (*a && *a == *b) {
        if (!quote && is_name(a, before) && is_name(b, before)) {
            if (!same_name(&renaming, &a, &b))
                return false;
            before = '0';
            continue;
        }
        if (quote ? *a == quote : *a == '\'' || *a == '"')
            quote = quote ? 0 : *a;
        before = *a;
        a++;
        b++;
    }
    return *a == *b;
}

static bool same_columns(const size_t *a, size_t a_count, const size_t *b, size_t b_count)
{
    return a_count == b_count && (!a_count || !memcmp(a, b, a_count * sizeof(*a)));
}

static bool same_call(const struct sql_flow_call *a, const struct sql_flow_call *b)
{
    return a->what == b->what && a->arg == b->arg && a->arg2 == b->arg2 && a->filter == b->filter &&
           a->distinct == b->distinct && a->keep_nulls == b->keep_nulls && a->number == b->number &&
           same_text(a->separator, b->separator);
}

static bool same_aggregate(const struct sql_flow_aggregation *a,
                           const struct sql_flow_aggregation *b)
{
    for (size_t i = 0; i < a->call_count && a->call_count == b->call_count; i++)
        if (!same_call(&a->calls[i], &b->calls[i]))
            return false;
    return same_columns(a->keys, a->key_count, b->keys, b->key_count) &&
           a->call_count == b->call_count && a->window == b->window && a->size_ms == b->size_ms &&
           a->slide_ms == b->slide_ms && a->offset_ms == b->offset_ms && a->rowtime == b->rowtime &&
           a->window_start == b->window_start && a->window_end == b->window_end &&
           a->early_ms == b->early_ms && a->late_ms == b->late_ms &&
           a->allowed_lateness_ms == b->allowed_lateness_ms && same_text(a->zone, b->zone) &&
           a->ttl_ms == b->ttl_ms && a->at_end == b->at_end;
}

/* What is not said here is not shared: joins, ranks and all that seldom comes twice. */
static bool does_the_same(const struct sql_node *a, const struct sql_node *b)
{
    switch (a->kind) {
    case SQL_NODE_SCAN:
        return a->scan.table == b->scan.table;
    case SQL_NODE_SELECT:
        return same_select(a->select, b->select) && !varies(a->select);
    case SQL_NODE_UNION:
        return true;
    case SQL_NODE_AGGREGATE:
        return same_aggregate(&a->aggregate, &b->aggregate);
    default:
        return false;
    }
}

static bool are_same(const struct sql_node *a, const struct sql_node *b)
{
    if (a->kind != b->kind || a->input_count != b->input_count || a->changes != b->changes ||
        a->column_count != b->column_count || !does_the_same(a, b))
        return false;
    for (size_t i = 0; i < a->column_count; i++)
        if (strcmp(a->columns[i].name, b->columns[i].name) != 0 ||
            a->columns[i].type->kind != b->columns[i].type->kind)
            return false;
    for (size_t i = 0; i < a->input_count; i++)
        if (!are_same(a->inputs[i], b->inputs[i]))
            return false;
    return true;
}

static void add(struct sharing *s, struct sql_node *node)
{
    if (s->count == s->max) {
        size_t max = s->max ? s->max * 2 : 32;
        struct sql_node **more = BIND_ARRAY(s->p->b, struct sql_node *, max);

        if (s->count)
            memcpy(more, s->nodes, s->count * sizeof(*more));
        s->nodes = more;
        s->max = max;
    }
    s->nodes[s->count++] = node;
}

/* A SCAN under a SELECT is one input with it, and no node of its own. */
static bool is_within_input(const struct sql_node *node, const struct sql_node *above)
{
    return node->kind == SQL_NODE_SCAN && above && above->kind == SQL_NODE_SELECT;
}

static const struct sql_node *find_same(const struct sharing *s, const struct sql_node *node)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->nodes[i] == node || are_same(s->nodes[i], node)) {
            s->nodes[i]->shared = true;
            return s->nodes[i];
        }
    return NULL;
}

/* The largest trees first. None is one that it is in: that one is added behind it. A node may stand
 * in two places as it is, so each later place gets one of its own. */
static void share(struct sharing *s, struct sql_node **place, const struct sql_node *above)
{
    struct sql_node *node = *place;
    const struct sql_node *same;

    if (is_within_input(node, above))
        return;
    same = find_same(s, node);
    if (same) {
        *place = BIND_NEW(s->p->b, struct sql_node);
        **place = *node;
        (*place)->same = same;
        (*place)->shared = false;
        return;
    }
    for (size_t i = 0; i < node->input_count; i++)
        share(s, &node->inputs[i], node);
    add(s, node);
}

void plan_share(struct planner *p, struct sql_node *root)
{
    struct sharing s = {.p = p};

    share(&s, &root, NULL); /* which nothing is the same as */
}
