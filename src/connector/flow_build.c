/* flow_build.c - nodes become inputs and operators, one for one.
 *
 * A SCAN is an input, and so is the SELECT right above it, whose bad rows are rejects then. SCANs
 * of one table have one source, which is read once for all of them. All above are operators. The
 * tree is walked in one order both times, so that leaf i is input i.
 */
#include "connector/flow_build.h"
#include "connector/narrow.h"
#include "operator/shards.h"

/* The names of flow.h and of operator.h stand in one order. */
_Static_assert((int)SQL_FLOW_NTH_VALUE == (int)OP_NTH_VALUE, "aggregates");
_Static_assert((int)SQL_FLOW_ATTACHED - (int)SQL_FLOW_TUMBLE == (int)OP_ATTACHED, "windows");
_Static_assert((int)SQL_FLOW_MARK == (int)OP_MARK, "joins");
_Static_assert((int)SQL_FLOW_WINDOWED == (int)OP_WINDOWED, "times of joins");

static bool is_input(const struct sql_node *node)
{
    return node->kind == SQL_NODE_SCAN || node->kind == SQL_NODE_VALUES ||
           (node->kind == SQL_NODE_SELECT && node->inputs[0]->kind == SQL_NODE_SCAN);
}

/* An input whose rows ask for the watermark. */
static bool tells_time(const struct sql_node *input)
{
    const struct sql_node *scan = input->kind == SQL_NODE_SELECT ? input->inputs[0] : input;

    return scan->kind == SQL_NODE_SCAN && scan->scan.marks;
}

/* VALUES, and SELECT without FROM: a source of one row, whose `pre` makes the rows of it. So they
 * come once, however often the job starts anew. */
static const struct sql_table *one_row(struct arena *arena)
{
    static struct sql_option options[] = {{.key = "connector", .value = "datagen"},
                                          {.key = "number-of-rows", .value = "1"}};
    static const struct sql_options with = {options, COUNT_OF(options)};
    static const struct sql_column column = {.name = "row", .type = &sql_type_int};
    struct sql_table *table = ARENA_NEW(arena, struct sql_table);

    if (table)
        *table = (struct sql_table){
            .name = "values", .columns = &column, .column_count = 1, .options = &with};
    return table;
}

/* ---- inputs ---------------------------------------------------------------------------------- */

struct inputs {
    struct stream_input *list;
    const struct sql_node **scans; /* of them; NULL: made up */
    size_t count;
    int64_t idle_ms;
    struct arena *arena;
    const struct flow_tables *from;
};

static size_t count_inputs(const struct sql_node *node)
{
    size_t count = 0;

    if (node->same || is_input(node))
        return !node->same;
    for (size_t i = 0; i < node->input_count; i++)
        count += count_inputs(node->inputs[i]);
    return count;
}

/* The table's name; a second reading of it is t#2. */
static const char *input_name(const struct inputs *in, const char *table)
{
    const char *name = table;
    size_t same = 1;

    for (size_t i = 0; i < in->count; i++) {
        size_t len = strlen(table);

        same += !strncmp(in->list[i].name, table, len) &&
                (in->list[i].name[len] == '\0' || in->list[i].name[len] == '#');
    }
    if (same > 1)
        name = arena_printf(in->arena, "%s#%zu", table, same);
    return name;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && !strcmp(a, b));
}

/* Two inputs of one table. Tables of a catalog tell their versions apart by what the session
 * remembers of them: each is read on its own. */
static bool same_source(const struct inputs *in, size_t a, size_t b)
{
    const struct sql_table *one, *other;

    if (!in->scans[a] || !in->scans[b])
        return a == b;
    one = in->scans[a]->scan.table;
    other = in->scans[b]->scan.table;
    return a == b ||
           (sql_option(one->options, "connector") && other->handle == one->handle &&
            other->options == one->options && other->column_count == one->column_count &&
            same_text(other->name, one->name) && same_text(other->database, one->database) &&
            same_text(other->catalog, one->catalog));
}

/* All that inputs of the table read of it, as a table. */
static const struct sql_table *read_table(const struct inputs *in, size_t number)
{
    const struct sql_table *table = in->scans[number]->scan.table;
    struct narrow n;

    if (!in->from->narrows || !in->from->narrows(in->from->arg, table))
        return table;
    if (narrow_init(&n, table, in->arena))
        return NULL;
    for (size_t i = number; i < in->count; i++) {
        if (!same_source(in, number, i))
            continue;
        if (!in->list[i].pre)
            return table;
        narrow_add(&n, &in->scans[i]->scan);
    }
    return narrow_table(&n);
}

static int open_source(struct inputs *in, size_t number, struct err *err)
{
    struct stream_input *input = &in->list[number];
    const struct sql_table *table;

    for (size_t i = 0; i < number; i++)
        if (same_source(in, i, number)) {
            input->source = in->list[i].source;
            input->topic = in->list[i].topic;
            return 0;
        }
    table = in->scans[number] ? read_table(in, number) : one_row(in->arena);
    if (!table)
        return err_set(err, ERR_NOMEM, "plan");
    return in->from->open(in->from->arg, table, in->arena, &input->source, &input->topic, err);
}

/* The table's, or what is set for all tables. */
static const char *time_option(const struct inputs *in, const struct sql_table *table,
                               const char *key)
{
    const char *value = sql_option(table->options, key);

    return value || !in->from->setting ? value : in->from->setting(in->from->setting_arg, key);
}

static int read_duration(const struct sql_table *table, const char *key, const char *value,
                         int64_t *ms, struct err *err)
{
    return sql_duration_ms(value, ms)
               ? err_set(err, ERR_INVALID, "table `%s`: '%s' = '%s' is no time: '30 s', '1 min'",
                         table->name, key, value)
               : 0;
}

/* Flink 1.20, "Watermark alignment" and "Configure watermark idle-timeout of tables". How often a
 * group is looked at (update-interval) is here: before every poll. */
static int read_time_options(const struct inputs *in, const struct sql_table *table,
                             struct stream_input *input, struct err *err)
{
    static const char group_key[] = "scan.watermark.alignment.group";
    static const char drift_key[] = "scan.watermark.alignment.max-drift";
    static const char idle_key[] = "scan.watermark.idle-timeout";
    const char *group = time_option(in, table, group_key);
    const char *drift = time_option(in, table, drift_key);
    const char *idle = sql_option(table->options, idle_key);
    int rc = idle ? read_duration(table, idle_key, idle, &input->idle_ms, err) : 0;

    if (rc || !input->marks || !group || !*group)
        return rc;
    if (!drift)
        return err_set(err, ERR_INVALID, "table `%s`: '%s' needs '%s'", table->name, group_key,
                       drift_key);
    input->align_group = arena_strdup(in->arena, group);
    return input->align_group ? read_duration(table, drift_key, drift, &input->align_drift_ms, err)
                              : err_set(err, ERR_NOMEM, "plan");
}

static int add_input(struct inputs *in, const struct sql_node *node, struct err *err)
{
    const struct sql_node *scan = node->kind == SQL_NODE_SELECT ? node->inputs[0] : node;
    bool values = node->kind == SQL_NODE_VALUES;
    struct stream_input *input = &in->list[in->count];
    const char *name = input_name(in, values ? "values" : scan->scan.table->name);

    *input = (struct stream_input){.name = name,
                                   .pre = node->kind == SQL_NODE_SCAN ? NULL : node->select,
                                   .marks = values ? NULL : scan->scan.marks,
                                   .idle_ms = in->idle_ms};
    if (!name)
        return err_set(err, ERR_NOMEM, "plan");
    in->scans[in->count++] = values ? NULL : scan;
    return values ? 0 : read_time_options(in, scan->scan.table, input, err);
}

static int add_inputs(struct inputs *in, const struct sql_node *node, struct err *err)
{
    int rc = 0;

    if (node->same)
        return 0;
    if (is_input(node))
        return add_input(in, node, err);
    for (size_t i = 0; i < node->input_count && !rc; i++)
        rc = add_inputs(in, node->inputs[i], err);
    return rc;
}

/* ---- operators ------------------------------------------------------------------------------- */

/* What a stream's graph is made from, each time it is made. */
struct flow {
    const struct sql_node *root;
    const struct flow_tables *tables;
};

struct building {
    struct op_graph *graph;
    const struct flow_tables *tables;
    struct op *const *leaves;
    size_t used;
    struct shared {
        const struct sql_node *node;
        struct op *op;
        struct shared *next;
    } * shared;         /* what is made of nodes that stand for others, too */
    struct arena arena; /* of a call */
};

static int calls_of(struct building *b, const struct sql_flow_call *calls, size_t count,
                    const struct op_call **out, struct err *err)
{
    struct op_call *made = ARENA_ARRAY(&b->arena, struct op_call, count + 1);

    if (!made)
        return err_set(err, ERR_NOMEM, "operators");
    for (size_t i = 0; i < count; i++)
        made[i] = (struct op_call){.what = (enum op_aggregate)calls[i].what,
                                   .arg = calls[i].arg,
                                   .arg2 = calls[i].arg2,
                                   .filter = calls[i].filter,
                                   .distinct = calls[i].distinct,
                                   .keep_nulls = calls[i].keep_nulls,
                                   .number = calls[i].number,
                                   .separator = calls[i].separator};
    *out = made;
    return 0;
}

static const struct op_order *orders_of(struct building *b, const struct sql_flow_order *order,
                                        size_t count)
{
    struct op_order *made = ARENA_ARRAY(&b->arena, struct op_order, count + 1);

    for (size_t i = 0; made && i < count; i++)
        made[i] = (struct op_order){order[i].column, order[i].descending, order[i].nulls_first};
    return made;
}

static int aggregate(struct building *b, const struct sql_node *node, struct op *const *below,
                     struct op **out, struct err *err)
{
    const struct sql_flow_aggregation *a = &node->aggregate;
    struct op_window window = {.kind = (enum op_window_kind)(a->window - SQL_FLOW_TUMBLE),
                               .size = a->size_ms,
                               .slide = a->slide_ms,
                               .offset = a->offset_ms,
                               .start = a->window_start,
                               .end = a->window_end,
                               .early = a->early_ms,
                               .late = a->late_ms,
                               .lateness = a->allowed_lateness_ms,
                               .zone = a->zone};
    struct op_aggregate_spec spec = {.keys = a->keys,
                                     .key_count = a->key_count,
                                     .call_count = a->call_count,
                                     .window = a->window ? &window : NULL,
                                     .rowtime = a->rowtime,
                                     .ttl_ms = a->ttl_ms,
                                     .at_end = a->at_end};
    int rc = calls_of(b, a->calls, a->call_count, &spec.calls, err);

    return rc ? rc : op_aggregate_new(out, below[0], &spec, err);
}

static int join(struct building *b, const struct sql_node *node, struct op *const *below,
                struct op **out, struct err *err)
{
    const struct sql_flow_joining *j = &node->join;
    struct op_join_spec spec = {.kind = (enum op_join_kind)j->join,
                                .time = (enum op_join_time)j->time,
                                .left_keys = j->left_keys,
                                .right_keys = j->right_keys,
                                .null_safe = j->null_safe,
                                .key_count = j->key_count,
                                .condition = j->condition,
                                .null_aware = j->null_aware,
                                .left_time = j->left_time,
                                .right_time = j->right_time,
                                .low_ms = j->low_ms,
                                .high_ms = j->high_ms,
                                .left_forgets = j->left_forgets,
                                .right_forgets = j->right_forgets,
                                .left_end = j->left_end,
                                .right_end = j->right_end,
                                .by_clock = j->by_clock,
                                .left_ttl_ms = j->left_ttl_ms,
                                .right_ttl_ms = j->right_ttl_ms};

    (void)b;
    return op_join_new(out, below[0], below[1], &spec, err);
}

static int look_up(struct building *b, const struct sql_node *node, struct op *const *below,
                   struct op **out, struct err *err)
{
    const struct sql_flow_looking *l = &node->lookup;
    struct op_lookup_spec spec = {.left_keys = l->left_keys,
                                  .right_keys = l->right_keys,
                                  .key_count = l->key_count,
                                  .condition = l->condition,
                                  .left = l->left};
    int rc = b->tables->look(b->tables->arg, l, &spec.table, err);

    return rc ? rc : op_lookup_new(out, below[0], &spec, err);
}

static int rank(struct building *b, const struct sql_node *node, struct op *const *below,
                struct op **out, struct err *err)
{
    const struct sql_flow_ranking *r = &node->rank;
    const struct op_order *order = orders_of(b, r->order, r->order_count);
    struct op_rank_spec spec = {.keys = r->keys,
                                .key_count = r->key_count,
                                .order = order,
                                .order_count = r->order_count,
                                .from = r->from,
                                .to = r->to,
                                .with_number = r->with_number,
                                .by_time = r->order_time != 0,
                                .window_end = r->window_end,
                                .by_clock = r->by_clock,
                                .ttl_ms = r->ttl_ms};

    return order ? op_rank_new(out, below[0], &spec, err) : err_set(err, ERR_NOMEM, "operators");
}

static int over(struct building *b, const struct sql_node *node, struct op *const *below,
                struct op **out, struct err *err)
{
    const struct sql_flow_over *o = &node->over;
    struct op_over_spec spec = {.keys = o->keys,
                                .key_count = o->key_count,
                                .rowtime = o->rowtime,
                                .rows = o->rows,
                                .before = o->before,
                                .call_count = o->call_count,
                                .ttl_ms = o->ttl_ms};
    int rc = calls_of(b, o->calls, o->call_count, &spec.calls, err);

    return rc ? rc : op_over_new(out, below[0], &spec, err);
}

static int sort(struct building *b, const struct sql_node *node, struct op *const *below,
                struct op **out, struct err *err)
{
    const struct op_order *order = orders_of(b, node->sort.order, node->sort.order_count);
    struct op_sort_spec spec = {node->sort.rowtime, order, node->sort.order_count};

    return order ? op_sort_new(out, below[0], &spec, err) : err_set(err, ERR_NOMEM, "operators");
}

static int sets(struct building *b, const struct sql_node *node, struct op *const *below,
                struct op **out, struct err *err)
{
    struct op_sets_spec spec = {node->sets.except, node->sets.all};

    (void)b;
    return op_sets_new(out, below[0], below[1], &spec, err);
}

static int normalize(struct building *b, const struct sql_node *node, struct op *const *below,
                     struct op **out, struct err *err)
{
    struct op_normalize_spec spec = {node->normalize.keys, node->normalize.key_count,
                                     node->normalize.ttl_ms};

    (void)b;
    return op_normalize_new(out, below[0], &spec, err);
}

static int what_is_left(struct building *b, const struct sql_node *node, struct op *const *below,
                        struct op **out, struct err *err)
{
    (void)b, (void)node;
    return op_final_new(out, below[0], err);
}

static int select_rows(struct building *b, const struct sql_node *node, struct op *const *below,
                       struct op **out, struct err *err)
{
    (void)b;
    return op_fragment_new(out, below[0], node->select, err);
}

static int unite(struct building *b, const struct sql_node *node, struct op *const *below,
                 struct op **out, struct err *err)
{
    (void)b;
    return op_union_new(out, below, node->input_count, err);
}

static int (*const makers[])(struct building *, const struct sql_node *, struct op *const *,
                             struct op **, struct err *) = {
    [SQL_NODE_SELECT] = select_rows,  [SQL_NODE_UNION] = unite,
    [SQL_NODE_AGGREGATE] = aggregate, [SQL_NODE_JOIN] = join,
    [SQL_NODE_RANK] = rank,           [SQL_NODE_OVER] = over,
    [SQL_NODE_LOOKUP] = look_up,      [SQL_NODE_SORT] = sort,
    [SQL_NODE_SETS] = sets,           [SQL_NODE_NORMALIZE] = normalize,
    [SQL_NODE_FINAL] = what_is_left,
};

/* ---- in shards: a node that goes by keys, and a SELECT right above it ---- */

struct sharded {
    struct building *b;
    const struct sql_node *node;
    const struct sql_node *select; /* NULL: none */
};

static bool is_keyed(const struct sql_node *node)
{
    struct sql_flow_keys keys;

    return !node->same && !is_input(node) && sql_flow_keyed(node, 0, &keys);
}

static bool has_keyed(const struct sql_node *node)
{
    bool keyed = is_keyed(node);

    for (size_t i = 0; i < node->input_count && !keyed && !node->same; i++)
        keyed = has_keyed(node->inputs[i]);
    return keyed;
}

static int make_shard(void *arg, struct op_graph *graph, struct op *const *leaves, struct err *err)
{
    const struct sharded *s = arg;
    struct op *root;
    int rc = makers[s->node->kind](s->b, s->node, leaves, &root, err);

    (void)graph;
    return rc || !s->select ? rc : op_fragment_new(&root, root, s->select->select, err);
}

static int make(struct building *b, const struct sql_node *node, struct op **out, struct err *err);

static int make_shards(struct building *b, const struct sql_node *node,
                       const struct sql_node *select, struct op **out, struct err *err)
{
    struct op_shard_keys *keys = ARENA_ARRAY(&b->arena, struct op_shard_keys, node->input_count);
    struct op **below = ARENA_ARRAY(&b->arena, struct op *, node->input_count);
    int rc = keys && below ? 0 : err_set(err, ERR_NOMEM, "operators");

    for (size_t i = 0; i < node->input_count && !rc; i++) {
        struct sql_flow_keys of;

        sql_flow_keyed(node, i, &of);
        keys[i] = (struct op_shard_keys){of.columns, of.count};
        rc = make(b, node->inputs[i], &below[i], err);
    }
    return rc ? rc
              : op_shards_new(out, below, keys, node->input_count, make_shard,
                              &(struct sharded){b, node, select}, err);
}

static int make_own(struct building *b, const struct sql_node *node, struct op **out,
                    struct err *err)
{
    struct op **below;
    int rc = 0;

    if (is_input(node)) {
        *out = b->leaves[b->used++];
        return 0;
    }
    if ((size_t)node->kind >= COUNT_OF(makers) || !makers[node->kind])
        return err_set(err, ERR_UNSUPPORTED, "a plan with a node that has no operator");
    if (op_graph_shards(b->graph) && is_keyed(node))
        return make_shards(b, node, NULL, out, err);
    if (op_graph_shards(b->graph) && node->kind == SQL_NODE_SELECT && is_keyed(node->inputs[0]) &&
        !node->inputs[0]->shared)
        return make_shards(b, node->inputs[0], node, out, err);
    below = ARENA_ARRAY(&b->arena, struct op *, node->input_count + 1);
    if (!below)
        return err_set(err, ERR_NOMEM, "operators");
    for (size_t i = 0; i < node->input_count && !rc; i++)
        rc = make(b, node->inputs[i], &below[i], err);
    return rc ? rc : makers[node->kind](b, node, below, out, err);
}

static int make(struct building *b, const struct sql_node *node, struct op **out, struct err *err)
{
    struct shared *shared = b->shared;
    int rc;

    while (node->same && shared && shared->node != node->same)
        shared = shared->next;
    if (node->same) {
        assert(shared); /* what stands for others is made before them */
        *out = shared->op;
        return 0;
    }
    rc = make_own(b, node, out, err);
    if (rc || !node->shared)
        return rc;
    shared = ARENA_NEW(&b->arena, struct shared);
    if (!shared)
        return err_set(err, ERR_NOMEM, "operators");
    *shared = (struct shared){node, *out, b->shared};
    b->shared = shared;
    return 0;
}

/* The node of the operator of that number: leaves come first, then all others as they are made. */
static const struct sql_node *leaf_node(const struct sql_node *node, int *number)
{
    const struct sql_node *found = NULL;

    if (node->same)
        return NULL;
    if (is_input(node))
        return (*number)-- == 0 ? node : NULL;
    for (size_t i = 0; i < node->input_count && !found; i++)
        found = leaf_node(node->inputs[i], number);
    return found;
}

static const struct sql_node *made_node(const struct sql_node *node, int *number)
{
    const struct sql_node *found = NULL;

    if (node->same || is_input(node))
        return NULL;
    for (size_t i = 0; i < node->input_count && !found; i++)
        found = made_node(node->inputs[i], number);
    return found ? found : (*number)-- == 0 ? node : NULL;
}

static bool name_column(void *arg, int op, int input, size_t column, struct sql_output *out)
{
    const struct flow *flow = arg;
    const struct sql_node *node = leaf_node(flow->root, &op);

    if (!node)
        node = made_node(flow->root, &op);
    if (node && input >= 0)
        node = (size_t)input < node->input_count ? node->inputs[input] : NULL;
    if (!node || column >= node->column_count)
        return false;
    *out = node->columns[column];
    if (node->labels[column])
        out->name = node->labels[column];
    return true;
}

static int build(void *arg, struct op_graph *graph, struct op *const *leaves, struct err *err)
{
    const struct flow *flow = arg;
    struct building b = {.graph = graph, .tables = flow->tables, .leaves = leaves};
    struct op *root;
    int rc = make(&b, flow->root, &root, err);

    arena_deinit(&b.arena);
    return rc;
}

/* ---- all of it ------------------------------------------------------------------------------- */

int flow_build(const struct sql_node *root, int64_t idle_ms, struct arena *arena,
               const struct flow_tables *tables, struct stream_pipeline *out, struct err *err)
{
    size_t count = count_inputs(root);
    struct stream_graph *graph = ARENA_NEW(arena, struct stream_graph);
    struct flow *flow = ARENA_NEW(arena, struct flow);
    struct inputs in = {.list = ARENA_ARRAY(arena, struct stream_input, count + 1),
                        .scans = ARENA_ARRAY(arena, const struct sql_node *, count + 1),
                        .idle_ms = idle_ms,
                        .arena = arena,
                        .from = tables};
    int rc;

    if (!graph || !flow || !in.list || !in.scans)
        return err_set(err, ERR_NOMEM, "plan");
    rc = add_inputs(&in, root, err);
    for (size_t i = 0; i < in.count && !rc; i++)
        rc = open_source(&in, i, err);
    out->inputs = in.list;
    out->input_count = in.count;
    *graph = (struct stream_graph){build, flow, name_column, has_keyed(root)};
    *flow = (struct flow){root, tables};
    out->graph = is_input(root) && !tells_time(root) ? NULL : graph;
    return rc;
}
