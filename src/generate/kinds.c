/* kinds.c - the kinds of fields: what each may say in a template, and how it becomes a node.
 *
 * One line in `kinds` and one writer in emit.c make a new kind. The same tables check a template
 * and become its JSON Schema.
 */
#include "generate/generate_int.h"

#include <math.h>

#include "base/json.h"
#include "generate/emit.h"

/* Everything any kind may say; each kind's table names its own part of it. */
struct spec {
    const char *kind, *prefix, *suffix, *pick, *pattern, *offset, *jitter, *help;
    const char *generator, *field, *link, *within;
    int64_t digits, start, step, modulo, size, base, scale;
    int distribution, format;
    bool quoted;
    const struct yaml_node *null, *absent, *when, *otherwise;
    const struct yaml_node *value, *values, *weights, *fields, *item, *count, *fraction;
    const struct yaml_node *min, *max, *mean, *deviation, *median, *sigma;
};

enum distribution { UNIFORM, NORMAL, LOGNORMAL };
static const char *const distribution_names[] = {"uniform", "normal", "lognormal", NULL};
static const char *const base_names[] = {"16", "36", "62", NULL};

#define KEY(key_, kind_, ...)                                                                      \
    {                                                                                              \
        .key = #key_, .kind = kind_, .at = offsetof(struct spec, key_), __VA_ARGS__                \
    }
#define INT(key_, low, high, fallback_, help_)                                                     \
    KEY(key_, YK_INT, .min = low, .max = high, .fallback = fallback_, .help = help_)
#define COMMON                                                                                     \
    KEY(kind, YK_STR, .required = true, .help = "what makes the value"),                           \
    KEY(help, YK_STR, .help = "a note for readers"),                                               \
    KEY(null, YK_NODE, .help = "share of events where the value is null: 0.1 or 10%"),             \
    KEY(absent, YK_NODE, .help = "share of events without the field"),                             \
    KEY(when, YK_NODE, .help = "{field: [values]}: only where that choice took one of these"),     \
    KEY(otherwise, YK_NODE, .help = "the value where `when` does not hold; default null")
#define END {.key = NULL}

static const struct yaml_field constant_keys[] = {
    COMMON, KEY(value, YK_NODE, .required = true, .help = "any JSON value"), END};
static const struct yaml_field sequence_keys[] = {
    COMMON,
    KEY(prefix, YK_STR, .help = "text before the number"),
    KEY(suffix, YK_STR, .help = "text behind it"),
    INT(digits, 0, 20, "0", "at least this many digits, with zeros in front"),
    INT(start, 0, INT64_MAX, "1", "number of the first event"),
    INT(step, 1, 1000000000, "1", "from one event to the next"),
    INT(modulo, 0, INT64_MAX, "0", "begin again after this many; 0: never"), END};
static const struct yaml_field id_keys[] = {
    COMMON, KEY(prefix, YK_STR, .help = "text before the identifier"),
    KEY(suffix, YK_STR, .help = "text behind it"),
    KEY(base, YK_ENUM, .names = base_names, .fallback = "62", .help = "digits to write it in"),
    END};
static const struct yaml_field pool_keys[] = {
    COMMON, KEY(prefix, YK_STR, .help = "text before the number"),
    KEY(suffix, YK_STR, .help = "text behind it"),
    INT(digits, 0, 20, "0", "at least this many digits, with zeros in front"),
    INT(start, 0, INT64_MAX, "1", "lowest number"),
    KEY(size, YK_INT, .min = 1, .max = INT64_MAX, .required = true, .help = "how many there are"),
    KEY(pick, YK_STR, .help = "fields with the same name here draw the same place"), END};
static const struct yaml_field uuid_keys[] = {COMMON, END};
static const struct yaml_field choice_keys[] = {
    COMMON,
    KEY(values, YK_NODE, .required = true, .help = "a list, or a map of texts to weights"),
    KEY(weights, YK_NODE, .help = "weights of a list's values"),
    KEY(pick, YK_STR, .help = "fields with the same name here draw the same place"), END};
static const struct yaml_field number_keys[] = {
    COMMON,
    KEY(distribution, YK_ENUM, .names = distribution_names, .fallback = "uniform",
        .help = "how values spread"),
    KEY(min, YK_NODE, .help = "lowest value"), KEY(max, YK_NODE, .help = "highest value"),
    KEY(mean, YK_NODE, .help = "normal"), KEY(deviation, YK_NODE, .help = "normal"),
    KEY(median, YK_NODE, .help = "lognormal: half of the values lie below"),
    KEY(sigma, YK_NODE, .help = "lognormal: deviation of the logarithm"),
    INT(scale, 0, 9, "0", "digits after the point"),
    KEY(quoted, YK_BOOL, .fallback = "false", .help = "write it as a string"), END};
static const struct yaml_field time_keys[] = {
    COMMON,
    KEY(format, YK_ENUM, .names = time_format_names, .fallback = "iso",
        .help = "how it is written"),
    KEY(offset, YK_STR, .help = "from the event's time: 3d, -2h"),
    KEY(jitter, YK_STR, .help = "up to this much earlier, by chance"), END};
static const struct yaml_field pattern_keys[] = {
    COMMON, KEY(pattern, YK_STR, .required = true, .help = "as in ORD-[A-Z]{3}-[0-9]{6}"), END};
static const struct yaml_field ref_keys[] = {
    COMMON, KEY(generator, YK_STR, .required = true, .help = "whose events are pointed at"),
    KEY(field, YK_STR, .required = true, .help = "which of its fields to show: a or a.b"),
    KEY(link, YK_STR, .help = "fields with the same link show the same event"),
    KEY(within, YK_STR, .fallback = "1h", .help = "no older than this"),
    KEY(fraction, YK_NODE, .help = "[low, high]: a part of the number, by chance"), END};
static const struct yaml_field object_keys[] = {
    COMMON, KEY(fields, YK_NODE, .required = true, .help = "fields inside"), END};
static const struct yaml_field array_keys[] = {
    COMMON, KEY(item, YK_NODE, .required = true, .help = "the field that repeats"),
    KEY(count, YK_NODE, .required = true, .help = "how many: 3 or [1, 5]"), END};

typedef int compile_fn(struct compiler *c, struct node *node, const struct spec *spec);
static compile_fn compile_constant, compile_sequence, compile_id, compile_pool, compile_uuid,
    compile_choice, compile_number, compile_time, compile_pattern, compile_ref, compile_object,
    compile_array;

static const struct kind {
    const char *name;
    const struct yaml_field *keys;
    compile_fn *compile;
    emit_fn *emit;
} kinds[] = {
    {"constant", constant_keys, compile_constant, emit_constant},
    {"sequence", sequence_keys, compile_sequence, emit_sequence},
    {"id", id_keys, compile_id, emit_id},
    {"pool", pool_keys, compile_pool, emit_pool},
    {"uuid", uuid_keys, compile_uuid, emit_uuid},
    {"choice", choice_keys, compile_choice, emit_choice},
    {"number", number_keys, compile_number, emit_number},
    {"time", time_keys, compile_time, emit_time},
    {"pattern", pattern_keys, compile_pattern, emit_pattern},
    {"ref", ref_keys, compile_ref, emit_ref},
    {"object", object_keys, compile_object, emit_object},
    {"array", array_keys, compile_array, emit_array},
};
static const char *const kind_names[] = {"constant", "sequence", "id",      "pool",
                                         "uuid",     "choice",   "number",  "time",
                                         "pattern",  "ref",      "object",  "array", NULL};

static int complain(struct compiler *c, const struct yaml_node *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static int complain(struct compiler *c, const struct yaml_node *at, const char *fmt, ...)
{
    char text[300];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    yaml_complain(c->problems, c->template->file, at->line, at->column, "%s", text);
    return ERR_INVALID;
}

static int nomem(struct compiler *c)
{
    c->nomem = true;
    return ERR_NOMEM;
}

uint64_t stream_of(const struct template *t, const char *path, const char *use)
{
    const char *const parts[] = {t->name, path, use};
    uint64_t hash = mix(t->seed + 0x6a09e667f3bcc909u); /* FNV-1a from there */

    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        for (const char *p = parts[i]; *p; p++)
            hash = (hash ^ (uint8_t)*p) * 0x100000001b3u;
        hash = (hash ^ 0xff) * 0x100000001b3u;
    }
    return mix(hash);
}

/* ---- JSON texts made once ---- */

static int literal_bytes(struct compiler *c, const void *ptr, size_t len, struct literal *out)
{
    uint8_t *copy = arena_alloc(c->arena, len + PUT_SLACK);

    if (!copy)
        return nomem(c);
    if (len)
        memcpy(copy, ptr, len);
    *out = (struct literal){copy, (uint32_t)len};
    return 0;
}

int literal_text(struct compiler *c, const char *text, struct literal *out)
{
    return literal_bytes(c, text ? text : "", text ? strlen(text) : 0, out);
}

int literal_json(struct compiler *c, const struct yaml_node *yaml, struct literal *out)
{
    struct buf text = {0};
    int rc = yaml_json(yaml, &text);

    rc = rc ? nomem(c) : literal_bytes(c, text.ptr, text.len, out);
    buf_deinit(&text);
    return rc;
}

/* ,"name": with the comma that the object's brace takes the place of in the first member. */
static int literal_member(struct compiler *c, const char *name, struct literal *out)
{
    struct buf text = {0};
    int rc = buf_append_u8(&text, ',');

    rc = rc ? rc : json_quote(&text, slice_str(name));
    rc = rc ? rc : buf_append_u8(&text, ':');
    rc = rc ? nomem(c) : literal_bytes(c, text.ptr, text.len, out);
    buf_deinit(&text);
    return rc;
}

/* Text inside a string that the writer quotes: escaped, with the quote on one side. */
static int literal_side(struct compiler *c, const char *text, bool before, struct literal *out)
{
    struct buf quoted = {0};
    int rc = json_quote(&quoted, slice_str(text ? text : ""));

    if (rc)
        rc = nomem(c);
    else
        rc = before ? literal_bytes(c, quoted.ptr, quoted.len - 1, out)
                    : literal_bytes(c, quoted.ptr + 1, quoted.len - 1, out);
    buf_deinit(&quoted);
    return rc;
}

/* ---- choices ---- */

/* Vose's alias method: cut[i] of 2^32 keeps i, the rest goes to alias[i]. */
static int alias_tables(struct compiler *c, struct choice *choice, const double *weights)
{
    uint32_t n = choice->count, small_count = 0, large_count = 0, *small, *large;
    double total = 0, *scaled_weights;

    choice->cut = ARENA_ARRAY(c->arena, uint32_t, n);
    choice->alias = ARENA_ARRAY(c->arena, uint32_t, n);
    small = ARENA_ARRAY(c->arena, uint32_t, n);
    large = ARENA_ARRAY(c->arena, uint32_t, n);
    scaled_weights = ARENA_ARRAY(c->arena, double, n);
    if (!choice->cut || !choice->alias || !small || !large || !scaled_weights)
        return nomem(c);
    for (uint32_t i = 0; i < n; i++)
        total += weights[i];
    for (uint32_t i = 0; i < n; i++) {
        scaled_weights[i] = weights[i] * n / total;
        if (scaled_weights[i] < 1)
            small[small_count++] = i;
        else
            large[large_count++] = i;
        choice->cut[i] = UINT32_MAX;
        choice->alias[i] = i;
    }
    while (small_count && large_count) {
        uint32_t less = small[--small_count], more = large[large_count - 1];

        choice->cut[less] = (uint32_t)(scaled_weights[less] * 0x1.0p32);
        choice->alias[less] = more;
        scaled_weights[more] -= 1 - scaled_weights[less];
        if (scaled_weights[more] < 1) {
            large_count--;
            small[small_count++] = more;
        }
    }
    return 0;
}

int choice_compile(struct compiler *c, const struct yaml_node *values,
                   const struct yaml_node *weights, struct choice *out)
{
    bool map = values->type == YAML_MAP;
    double *list, total = 0;

    if ((!map && values->type != YAML_SEQ) || values->count == 0)
        return complain(c, values, "expected a list of values or a map of texts to weights");
    if (map && weights)
        return complain(c, weights, "'weights' belongs to a list; this map carries its own");
    if (weights && (weights->type != YAML_SEQ || weights->count != values->count))
        return complain(c, weights, "expected %zu weights, one for each value", values->count);
    out->count = (uint32_t)values->count;
    out->values = ARENA_ARRAY(c->arena, struct literal, out->count);
    list = ARENA_ARRAY(c->arena, double, out->count);
    if (!out->values || !list)
        return nomem(c);
    for (uint32_t i = 0; i < out->count; i++) {
        const struct yaml_node *weight = map       ? &values->items[2 * i + 1]
                                         : weights ? &weights->items[i]
                                                   : NULL;
        struct yaml_node text = values->items[map ? 2 * i : i];

        text.quoted |= map; /* keys of a map are texts */
        if (literal_json(c, &text, &out->values[i]))
            return ERR_NOMEM;
        list[i] = 1;
        if (weight && (parse_real(weight, &list[i]) || list[i] < 0 || list[i] > 1e9))
            return complain(c, weight, "a weight is a number from 0 to 1e9");
        total += list[i];
    }
    if (total <= 0)
        return complain(c, values, "the weights add up to nothing");
    return alias_tables(c, out, list);
}

static size_t choice_len_max(const struct choice *choice)
{
    size_t len = 0;

    for (uint32_t i = 0; i < choice->count; i++)
        if (choice->values[i].len > len)
            len = choice->values[i].len;
    return len;
}

static int compile_choice(struct compiler *c, struct node *node, const struct spec *spec)
{
    if (spec->pick)
        node->stream = stream_of(c->template, "", spec->pick);
    return choice_compile(c, spec->values, spec->weights, &node->choice);
}

/* ---- the other kinds ---- */

static int compile_constant(struct compiler *c, struct node *node, const struct spec *spec)
{
    return literal_json(c, spec->value, &node->constant);
}

/* A bare number stays a JSON number; with a prefix, a suffix or zeros in front it is a text. */
static int numbered(struct compiler *c, struct node *node, const struct spec *spec)
{
    bool text = spec->prefix || spec->suffix || spec->digits;
    int rc;

    node->id.digits = (int)spec->digits;
    node->id.start = (uint64_t)spec->start;
    node->id.step = (uint64_t)spec->step;
    rc = text ? literal_side(c, spec->prefix, true, &node->id.prefix)
              : literal_text(c, "", &node->id.prefix);
    if (rc)
        return rc;
    return text ? literal_side(c, spec->suffix, false, &node->id.suffix)
                : literal_text(c, "", &node->id.suffix);
}

static int compile_sequence(struct compiler *c, struct node *node, const struct spec *spec)
{
    node->id.modulo = (uint64_t)spec->modulo;
    return numbered(c, node, spec);
}

static int compile_pool(struct compiler *c, struct node *node, const struct spec *spec)
{
    node->id.modulo = (uint64_t)spec->size;
    if (spec->pick)
        node->stream = stream_of(c->template, "", spec->pick);
    return numbered(c, node, spec);
}

static int compile_id(struct compiler *c, struct node *node, const struct spec *spec)
{
    static const struct {
        int base, digits;
    } widths[] = {{16, 16}, {36, 13}, {62, 11}}; /* what 64 bits need, in the order of base_names */
    int rc = literal_side(c, spec->prefix, true, &node->id.prefix);

    node->id.base = widths[spec->base].base;
    node->id.digits = widths[spec->base].digits;
    return rc ? rc : literal_side(c, spec->suffix, false, &node->id.suffix);
}

static int compile_uuid(struct compiler *c, struct node *node, const struct spec *spec)
{
    (void)c, (void)node, (void)spec;
    return 0;
}

/* A number of the template in units of the last digit written. */
static int units_of(struct compiler *c, const struct yaml_node *yaml, double factor, double *out)
{
    if (parse_real(yaml, out))
        return complain(c, yaml, "expected a number");
    *out *= factor;
    if (fabs(*out) > 1e15)
        return complain(c, yaml, "too large: 15 digits are what a number can have here");
    return 0;
}

static int needs(struct compiler *c, const struct node *node, const struct yaml_node *yaml,
                 const char *what)
{
    return yaml ? 0 : complain(c, node->source, "a number of this distribution needs '%s'", what);
}

static int tabulate(struct compiler *c, struct node *node, const struct spec *spec, double factor)
{
    bool normal = spec->distribution == NORMAL;
    const struct yaml_node *first = normal ? spec->mean : spec->median;
    const struct yaml_node *second = normal ? spec->deviation : spec->sigma;
    double centre, width, low = -1e15, high = 1e15;
    int64_t *table;

    if (needs(c, node, first, normal ? "mean" : "median") ||
        needs(c, node, second, normal ? "deviation" : "sigma") ||
        units_of(c, first, factor, &centre) || units_of(c, second, normal ? factor : 1, &width) ||
        (spec->min && units_of(c, spec->min, factor, &low)) ||
        (spec->max && units_of(c, spec->max, factor, &high)))
        return ERR_INVALID;
    if (width < 0 || (!normal && (centre <= 0 || width > 10)))
        return complain(c, second, "a width is 0 or more; a median is above 0, sigma at most 10");
    table = ARENA_ARRAY(c->arena, int64_t, QUANTILES + 1);
    if (!table)
        return nomem(c);
    for (int i = 0; i <= QUANTILES; i++) { /* tails are cut at one in 4,096 */
        double p = fmin(fmax(i / (double)QUANTILES, 0.25 / QUANTILES), 1 - 0.25 / QUANTILES);
        double z = normal_quantile(p);
        double value = normal ? centre + width * z : centre * exp(width * z);

        table[i] = llround(fmin(fmax(value, low), high));
    }
    node->number.quantiles = table;
    return 0;
}

static int compile_number(struct compiler *c, struct node *node, const struct spec *spec)
{
    double factor = pow(10, (double)spec->scale), low, high;

    node->number.scale = (int)spec->scale;
    node->number.quoted = spec->quoted;
    if (spec->distribution != UNIFORM)
        return tabulate(c, node, spec, factor);
    if (needs(c, node, spec->min, "min") || needs(c, node, spec->max, "max") ||
        units_of(c, spec->min, factor, &low) || units_of(c, spec->max, factor, &high))
        return ERR_INVALID;
    if (high < low)
        return complain(c, spec->max, "'max' is below 'min'");
    node->number.base = llround(low);
    node->number.span = (uint64_t)(llround(high) - llround(low)) + 1;
    return 0;
}

static int interval(struct compiler *c, const struct node *node, const char *key, const char *text,
                    double *us)
{
    *us = 0;
    if (text && (generate_parse_interval(text, us) || fabs(*us) > 1e16))
        return complain(c, node->source,
                        "'%s': expected a duration such as 500ms, 2h or -3d, not '%s'", key, text);
    return 0;
}

static int compile_time(struct compiler *c, struct node *node, const struct spec *spec)
{
    double offset, jitter;

    if (interval(c, node, "offset", spec->offset, &offset) ||
        interval(c, node, "jitter", spec->jitter, &jitter))
        return ERR_INVALID;
    if (jitter < 0)
        return complain(c, node->source, "'jitter' is a duration of 0 or more");
    node->time.format = spec->format;
    node->time.offset_us = llround(offset);
    node->time.jitter_us = (uint64_t)llround(jitter);
    return 0;
}

static int compile_pattern(struct compiler *c, struct node *node, const struct spec *spec)
{
    const char *problem = "";
    int rc = parse_pattern(c->arena, spec->pattern, &node->pattern.sets, &node->pattern.count,
                           &problem);

    if (rc == ERR_NOMEM)
        return nomem(c);
    return rc ? complain(c, node->source, "pattern '%s': %s", spec->pattern, problem) : 0;
}

/* Only noted here: the loader binds it once all templates are compiled. */
static int compile_ref(struct compiler *c, struct node *node, const struct spec *spec)
{
    double within, low, high;

    if (interval(c, node, "within", spec->within, &within))
        return ERR_INVALID;
    if (within <= 0)
        return complain(c, node->source, "'within' is a duration above 0");
    node->ref.generator = spec->generator;
    node->ref.field = spec->field;
    node->ref.within_us = llround(within);
    node->ref.fraction_span = -1;
    if (spec->link)
        node->stream = stream_of(c->template, "", spec->link);
    if (!spec->fraction)
        return 0;
    if (spec->fraction->type != YAML_SEQ || spec->fraction->count != 2 ||
        parse_real(&spec->fraction->items[0], &low) ||
        parse_real(&spec->fraction->items[1], &high) || low < 0 || high < low || high > 1)
        return complain(c, spec->fraction, "expected two numbers from 0 to 1: [0.1, 1]");
    node->ref.fraction_min = low;
    node->ref.fraction_span = high - low;
    return 0;
}

static int compile_object(struct compiler *c, struct node *node, const struct spec *spec)
{
    const struct yaml_node *fields = spec->fields;
    int rc = 0;

    if (fields->type != YAML_MAP)
        return complain(c, fields, "expected fields by name");
    node->object.members = ARENA_ARRAY(c->arena, struct member, fields->count + 1);
    if (!node->object.members)
        return nomem(c);
    for (size_t i = 0; i < fields->count; i++) {
        const struct yaml_node *name = &fields->items[2 * i];
        struct member *member = &node->object.members[node->object.count];
        const char *path = node->path[0]
                               ? arena_printf(c->arena, "%s.%s", node->path, name->text)
                               : arena_strdup(c->arena, name->text);

        if (!path || literal_member(c, name->text, &member->prefix))
            return nomem(c);
        member->node = node_compile(c, &fields->items[2 * i + 1], path);
        if (member->node)
            node->object.count++;
        else if (c->nomem)
            return ERR_NOMEM;
        else
            rc = ERR_INVALID; /* noted; the next mistakes shall be found as well */
    }
    return rc;
}

static int compile_array(struct compiler *c, struct node *node, const struct spec *spec)
{
    const struct yaml_node *count = spec->count;
    bool pair = count->type == YAML_SEQ && count->count == 2;
    double low, high;

    if (parse_real(pair ? &count->items[0] : count, &low) ||
        parse_real(pair ? &count->items[1] : count, &high) || low < 0 || high < low ||
        high > 10000 || low != floor(low) || high != floor(high))
        return complain(c, count, "expected a count such as 3, or [1, 5], up to 10000");
    node->array.min = (uint64_t)low;
    node->array.max = (uint64_t)high;
    node->array.item = node_compile(c, spec->item, node->path);
    return node->array.item ? 0 : ERR_INVALID;
}

/* ---- a field from its description ---- */

static const struct node *root_choice(struct compiler *c, const char *path)
{
    const struct node *node = node_find(c->template->root, path);

    return node && node_is_choice(node) ? node : NULL;
}

static bool literal_is(struct literal text, struct literal other)
{
    return text.len == other.len && memcmp(text.ptr, other.ptr, text.len) == 0;
}

/* `when: {status: [failed]}`: a choice made earlier in the same template. */
static int compile_when(struct compiler *c, struct node *node, const struct spec *spec)
{
    const struct yaml_node *when = spec->when, *values;
    struct condition *condition = ARENA_NEW(c->arena, struct condition);
    static const struct yaml_node null_node = {.type = YAML_NULL};

    if (!condition)
        return nomem(c);
    if (when->type != YAML_MAP || when->count != 1 || when->items[1].type != YAML_SEQ)
        return complain(c, when,
                        "expected one field with a list of its values: {status: [failed]}");
    values = &when->items[1];
    condition->on = root_choice(c, when->items[0].text);
    if (!condition->on)
        return complain(c, &when->items[0], "'%s' is not a choice field written before this one",
                        when->items[0].text);
    if (condition->on->choice.count > 64)
        return complain(c, when, "'%s' has more than 64 values", when->items[0].text);
    for (size_t i = 0; i < values->count; i++) {
        struct literal wanted;
        uint64_t found = 0;

        if (literal_json(c, &values->items[i], &wanted))
            return ERR_NOMEM;
        for (uint32_t v = 0; v < condition->on->choice.count; v++)
            if (literal_is(condition->on->choice.values[v], wanted))
                found |= UINT64_C(1) << v;
        if (!found)
            return complain(c, &values->items[i], "'%s' never takes the value %.*s",
                            when->items[0].text, (int)wanted.len, wanted.ptr);
        condition->values |= found;
    }
    node->when = condition;
    return literal_json(c, spec->otherwise ? spec->otherwise : &null_node, &condition->otherwise);
}

static int compile_common(struct compiler *c, struct node *node, const struct spec *spec)
{
    if (spec->null && parse_probability(spec->null, &node->null_below))
        return complain(c, spec->null, "expected a share such as 0.05 or 5%%");
    if (spec->absent && parse_probability(spec->absent, &node->absent_below))
        return complain(c, spec->absent, "expected a share such as 0.05 or 5%%");
    if (spec->otherwise && !spec->when)
        return complain(c, spec->otherwise, "'otherwise' needs a 'when'");
    return spec->when ? compile_when(c, node, spec) : 0;
}

struct node *node_compile(struct compiler *c, const struct yaml_node *yaml, const char *path)
{
    const struct yaml_node *name;
    const struct kind *kind = NULL;
    struct spec spec = {0};
    struct node *node = ARENA_NEW(c->arena, struct node);

    if (!node)
        return c->nomem = true, NULL;
    node->path = path;
    node->source = yaml;
    node->stream = stream_of(c->template, path, "");
    if (yaml->type != YAML_MAP) { /* a plain value stands for itself */
        node->emit = emit_constant;
        node->plain = true;
        return literal_json(c, yaml, &node->constant) ? NULL : node;
    }
    name = yaml_get(yaml, "kind");
    for (size_t i = 0; name && name->type == YAML_SCALAR && i < COUNT_OF(kinds); i++)
        if (strcmp(kinds[i].name, name->text) == 0)
            kind = &kinds[i];
    if (!kind) {
        const char *near = name && name->type == YAML_SCALAR ? nearest_name(name->text, kind_names)
                                                             : NULL;

        if (!name || name->type != YAML_SCALAR)
            complain(c, yaml, "field '%s' needs a 'kind'", path);
        else if (near)
            complain(c, name, "unknown kind '%s': did you mean '%s'?", name->text, near);
        else
            complain(c, name, "unknown kind '%s'", name->text);
        return NULL;
    }
    if (yaml_bind(yaml, kind->keys, &spec, c->template->file, c->problems))
        return NULL;
    node->emit = kind->emit;
    if (!path[0])
        c->template->root = node; /* half built: what `when` may look at */
    if (kind->compile(c, node, &spec) || compile_common(c, node, &spec))
        return NULL;
    node->plain = !node->null_below && !node->absent_below && !node->when;
    return node;
}

bool node_is_choice(const struct node *node) { return node->emit == emit_choice; }
bool node_is_number(const struct node *node) { return node->emit == emit_number; }
bool node_is_ref(const struct node *node) { return node->emit == emit_ref; }
bool node_is_object(const struct node *node) { return node->emit == emit_object; }
bool node_is_time(const struct node *node) { return node->emit == emit_time; }
bool node_is_array(const struct node *node) { return node->emit == emit_array; }

const struct node *node_find(const struct node *root, const char *path)
{
    size_t len = strcspn(path, ".");

    if (!root || !node_is_object(root))
        return NULL;
    for (size_t i = 0; i < root->object.count; i++) {
        const struct node *node = root->object.members[i].node;
        const char *dot = strrchr(node->path, '.'), *name = dot ? dot + 1 : node->path;

        if (strlen(name) == len && memcmp(name, path, len) == 0)
            return path[len] ? node_find(node, path + len + 1) : node;
    }
    return NULL;
}

/* Lengths grow by multiplication in arrays of arrays: past this one is as bad as another. */
static size_t bounded(size_t len)
{
    return len > LEN_BOUND ? LEN_BOUND : len;
}

/* The most bytes a node can write, planted faults included. Depth is bounded by the loader, which
 * refuses references that go round in a circle. */
size_t node_len_max(const struct node *node)
{
    size_t len = 64; /* numbers, times and UUIDs with their quotes */

    if (node->emit == emit_constant)
        len = node->constant.len;
    else if (node->emit == emit_sequence || node->emit == emit_pool || node->emit == emit_id)
        len += node->id.prefix.len + node->id.suffix.len;
    else if (node_is_choice(node))
        len = choice_len_max(&node->choice);
    else if (node->emit == emit_pattern)
        len = node->pattern.count + 2;
    else if (node_is_ref(node))
        len += node_len_max(node->ref.node);
    else if (node_is_array(node))
        len = bounded(2 + node->array.max * (node_len_max(node->array.item) + 1));
    else if (node_is_object(node))
        for (size_t i = 0; i < node->object.count; i++)
            len = bounded(len + node->object.members[i].prefix.len +
                          node_len_max(node->object.members[i].node));
    if (node->when && node->when->otherwise.len > len)
        len = node->when->otherwise.len;
    for (size_t i = 0; i < node->fault_count; i++)
        if (node->faults[i].effect == FAULT_VALUES &&
            choice_len_max(&node->faults[i].values) > len)
            len = choice_len_max(&node->faults[i].values);
    return len < 4 ? 4 : len; /* null */
}

const struct yaml_field *kind_keys(size_t index, const char **name)
{
    if (index >= COUNT_OF(kinds))
        return NULL;
    *name = kinds[index].name;
    return kinds[index].keys;
}
