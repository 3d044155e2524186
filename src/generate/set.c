/* set.c - the templates of a project: read, compiled, bound to each other.
 *
 * Three passes, because templates point at each other: (1) read each file and compile its fields,
 * (2) bind references to fields of other templates, faults to fields of their own, (3) with all
 * rates known, turn "within an hour" into a number of events and add up lengths. Every pass goes
 * on after a mistake, so that one `tarn check` shows them all.
 */
#include "generate/generate_int.h"

#include <math.h>
#include <stdio.h>

struct header {
    const char *name, *description, *topic, *rate, *key, *schema, *events;
    const struct yaml_node *fields, *faults;
};
#define KEY(key_, kind_, ...)                                                                      \
    {.key = #key_, .kind = kind_, .at = offsetof(struct header, key_), __VA_ARGS__}

const struct yaml_field template_keys[] = {
    {.key = "$schema",
     .kind = YK_STR,
     .at = offsetof(struct header, schema),
     .help = "address of the schema, for editors"},
    KEY(name, YK_STR, .required = true, .help = "what commands and references call it"),
    KEY(description, YK_STR, .help = "one line for people"),
    KEY(topic, YK_STR, .help = "where its events go; the name when left out"),
    KEY(rate, YK_STR, .fallback = "1s",
        .help = "time between events or events per unit: 500ms, 2/s"),
    KEY(key, YK_STR, .help = "the field whose text becomes the record's key"),
    KEY(fields, YK_NODE, .help = "the event's fields in the order written"),
    KEY(events, YK_STR, .help = "nexmark: events of that benchmark, in place of fields"),
    KEY(faults, YK_NODE, .help = "planted faults by name"),
    {.key = NULL}};
#undef KEY

struct fault_spec {
    const struct yaml_node *rate, *fields, *values, *weights, *remove;
    const char *letter_case, *help;
    int64_t repeat_within;
};
#define KEY(key_, kind_, ...)                                                                      \
    {.key = #key_, .kind = kind_, .at = offsetof(struct fault_spec, key_), __VA_ARGS__}
const struct yaml_field fault_keys[] = {
    KEY(rate, YK_NODE, .help = "share of events: 0.05 or 5%, which is the default"),
    KEY(help, YK_STR, .help = "a note for readers"),
    KEY(fields, YK_NODE, .help = "list of the fields it strikes, each by its own chance"),
    KEY(values, YK_NODE, .help = "what is written instead: a list, or a map of texts to weights"),
    KEY(weights, YK_NODE, .help = "weights of a list's values"),
    KEY(remove, YK_NODE, .help = "true: the field is left out"),
    {.key = "case", .kind = YK_STR, .at = offsetof(struct fault_spec, letter_case),
     .help = "mixed: letters change their case"},
    KEY(repeat_within, YK_INT, .min = 0, .max = REPEAT_WITHIN_MAX, .fallback = "0",
        .help = "repeat one of this many earlier events, byte for byte"),
    {.key = NULL}};
#undef KEY

#define COMPLAIN(t, at_, ...)                                                                      \
    yaml_complain(problems, (t)->file, (at_)->line, (at_)->column, __VA_ARGS__)

static struct template *set_find(const struct generate_set *set, const char *name)
{
    for (size_t i = 0; i < set->count; i++)
        if (strcmp(set->list[i].name, name) == 0)
            return &set->list[i];
    return NULL;
}

static const char *const *set_names(struct generate_set *set)
{
    const char **names = ARENA_ARRAY(&set->arena, const char *, set->count + 1);

    for (size_t i = 0; names && i < set->count; i++)
        names[i] = set->list[i].name;
    return (const char *const *)names;
}

/* "; did you mean 'x'?" or nothing. */
static const char *hint(struct arena *arena, const char *word, const char *const *names)
{
    const char *near = names ? nearest_name(word, names) : NULL;
    const char *text = near ? arena_printf(arena, ": did you mean '%s'?", near) : NULL;

    return text ? text : "";
}

/* ---- pass 1: one file ---- */

/* A topic's name as Kafka has it: letters, digits, '.', '_' and '-', at most 249. */
static bool is_topic(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

    return len > 0 && len <= 249 && name[len] == '\0' && strcmp(name, ".") && strcmp(name, "..");
}

static int template_header(struct generate_set *set, struct template *t,
                           const struct yaml_node *doc, const struct header *header,
                           struct yaml_problems *problems)
{
    const struct yaml_node *rate = yaml_get(doc, "rate");

    t->name = header->name;
    t->description = header->description ? header->description : "";
    t->topic = header->topic ? header->topic : header->name;
    t->faults_node = header->faults;
    if (set_find(set, t->name))
        return COMPLAIN(t, yaml_get(doc, "name"), "a generator '%s' is there already", t->name),
               ERR_INVALID;
    if (!is_topic(t->topic) || !is_topic(t->name))
        return COMPLAIN(t, doc, "'%s' cannot be a topic: letters, digits, '.', '_' and '-' only",
                        is_topic(t->name) ? t->topic : t->name), ERR_INVALID;
    if (generate_parse_interval(header->rate, &t->interval_us) ||
        t->interval_us < INTERVAL_US_MIN || t->interval_us > INTERVAL_US_MAX)
        return COMPLAIN(t, rate ? rate : doc,
                        "'%s' is no rate: write 500ms (the time between two) or 2/s", header->rate),
               ERR_INVALID;
    return 0;
}

static int template_key(struct compiler *c, const struct yaml_node *doc, const char *key)
{
    struct template *t = c->template;
    struct yaml_problems *problems = c->problems;
    const struct yaml_node *at = yaml_get(doc, "key");

    t->key = (struct node *)node_find(t->root, key);
    if (!t->key)
        return COMPLAIN(t, at, "no field '%s' to be the key", key), ERR_INVALID;
    if (node_is_object(t->key) || node_is_array(t->key))
        return COMPLAIN(t, at, "the key must be a single value, and '%s' is not", key), ERR_INVALID;
    return 0;
}

/* The fields of the file as one object node, so that the writer needs no special case for it. */
static struct node *template_root(struct compiler *c, const struct yaml_node *fields)
{
    struct yaml_node *pairs = ARENA_ARRAY(c->arena, struct yaml_node, 4);
    struct yaml_node *object = ARENA_NEW(c->arena, struct yaml_node);

    if (!pairs || !object)
        return c->nomem = true, NULL;
    pairs[0] = (struct yaml_node){.type = YAML_SCALAR, .text = "kind"};
    pairs[1] = (struct yaml_node){.type = YAML_SCALAR, .text = "object"};
    pairs[2] = (struct yaml_node){.type = YAML_SCALAR, .text = "fields"};
    pairs[3] = *fields;
    *object = (struct yaml_node){.type = YAML_MAP, .line = fields->line, .column = fields->column,
                                 .items = pairs, .count = 2};
    return node_compile(c, object, "");
}

static int template_load(struct generate_set *set, struct disk *disk, const char *file,
                         const struct generate_options *options, struct yaml_problems *problems,
                         struct err *err)
{
    struct template *t = &set->list[set->count];
    struct compiler c = {&set->arena, t, problems, false};
    struct header header = {0};
    struct yaml_node doc;
    struct buf text = {.max = 10 << 20};
    struct err inner = {0};
    int rc = disk_read_file(disk, file, &text, err);

    *t = (struct template){.file = file, .seed = options->seed};
    if (!rc && (rc = yaml_parse(buf_slice(&text), &set->arena, &doc, &inner)) == ERR_CORRUPT) {
        int line = 1, column = 1;

        sscanf(inner.text, "line %d, column %d", &line, &column);
        yaml_complain(problems, file, line, column, "%s", inner.text);
    }
    buf_deinit(&text);
    if (rc)
        return rc == ERR_CORRUPT ? ERR_INVALID : rc;
    if (doc.type != YAML_MAP)
        return COMPLAIN(t, &doc, "a generator is an object with name, rate and fields"),
               ERR_INVALID;
    if (yaml_bind(&doc, template_keys, &header, file, problems) ||
        template_header(set, t, &doc, &header, problems))
        return ERR_INVALID;
    if (!header.fields == !header.events || (header.events && (header.key || header.faults)))
        return COMPLAIN(t, &doc,
                        "a generator has 'fields', with a 'key' and 'faults' where wanted, or "
                        "'events'"), ERR_INVALID;
    if (header.events && strcmp(header.events, "nexmark") != 0)
        return COMPLAIN(t, yaml_get(&doc, "events"), "the one kind of 'events' there is is "
                                                     "'nexmark'"), ERR_INVALID;
    if (header.events) {
        t->nexmark = true;
        t->len_max = NEXMARK_JSON_MAX;
        set->count++;
        return 0;
    }
    t->root = template_root(&c, header.fields);
    if (c.nomem)
        return err_set(err, ERR_NOMEM, "%s", file);
    if (!t->root || (header.key && template_key(&c, &doc, header.key)))
        return ERR_INVALID;
    set->count++;
    return 0;
}

/* ---- pass 2: references and faults ---- */

static int ref_bind(struct generate_set *set, struct template *t, struct node *node,
                    struct yaml_problems *problems)
{
    struct template *target = set_find(set, node->ref.generator);

    if (!target) {
        COMPLAIN(t, node->source, "no generator '%s'%s", node->ref.generator,
                 hint(&set->arena, node->ref.generator, set_names(set)));
        return ERR_INVALID;
    }
    node->ref.target = target;
    node->ref.node = node_find(target->root, node->ref.field);
    if (!node->ref.node) {
        COMPLAIN(t, node->source, "generator '%s' has no field '%s'", target->name,
                 node->ref.field);
        return ERR_INVALID;
    }
    if (node_is_time(node->ref.node) || node_is_array(node->ref.node) ||
        node_is_object(node->ref.node)) {
        COMPLAIN(t, node->source, "only single values other than times can be referred to");
        return ERR_INVALID;
    }
    if (node->ref.fraction_span >= 0 && !node_is_number(node->ref.node)) {
        COMPLAIN(t, node->source, "a 'fraction' needs a number, and '%s' is none", node->ref.field);
        return ERR_INVALID;
    }
    return 0;
}

typedef int visit_fn(struct generate_set *set, struct template *t, struct node *node,
                     struct yaml_problems *problems);

static int each_ref(struct generate_set *set, struct template *t, struct node *node,
                    visit_fn *visit, struct yaml_problems *problems)
{
    int rc = 0;

    if (!node) /* Nexmark's events have no fields of the file's */
        return 0;
    if (node_is_ref(node))
        return visit(set, t, node, problems);
    if (node_is_array(node))
        return each_ref(set, t, node->array.item, visit, problems);
    if (node_is_object(node))
        for (size_t i = 0; i < node->object.count; i++)
            if (each_ref(set, t, node->object.members[i].node, visit, problems))
                rc = ERR_INVALID;
    return rc;
}

/* A chain of references longer than there are templates goes round. */
static int ref_check_chain(struct generate_set *set, struct template *t, struct node *node,
                           struct yaml_problems *problems)
{
    const struct node *at = node;

    for (size_t i = 0; node_is_ref(at); i++, at = at->ref.node) {
        if (i > set->count) {
            COMPLAIN(t, node->source, "this reference leads back to itself");
            return ERR_INVALID;
        }
    }
    return 0;
}

static int ref_finish(struct generate_set *set, struct template *t, struct node *node,
                      struct yaml_problems *problems)
{
    const struct template *target = node->ref.target;
    double within = (double)node->ref.within_us / target->interval_us;

    (void)set, (void)problems;
    node->ref.ratio = t->interval_us / target->interval_us;
    node->ref.within = within < 1 ? 1 : (uint64_t)within;
    return 0;
}

static double option_fault(const struct generate_options *options, const struct template *t,
                           const char *fault, double otherwise)
{
    size_t len = strlen(t->name);

    for (size_t i = 0; i < options->fault_count; i++) {
        const char *name = options->faults[i].name;

        if (strcmp(name, fault) == 0 ||
            (strncmp(name, t->name, len) == 0 && name[len] == '.' &&
             strcmp(name + len + 1, fault) == 0))
            otherwise = options->faults[i].value;
    }
    return otherwise;
}

static int fault_effect(struct compiler *c, const struct yaml_node *at,
                        const struct fault_spec *spec, struct field_fault *out)
{
    struct yaml_problems *problems = c->problems;
    struct template *t = c->template;
    int effects = !!spec->values + !!spec->remove + !!spec->letter_case;

    if (effects != 1 || !spec->fields || spec->fields->type != YAML_SEQ) {
        COMPLAIN(t, at, "a fault has 'fields' and one of 'values', 'case' or 'remove', or it has "
                        "'repeat_within'");
        return ERR_INVALID;
    }
    if (spec->values) {
        out->effect = FAULT_VALUES;
        return choice_compile(c, spec->values, spec->weights, &out->values);
    }
    out->effect = spec->remove ? FAULT_REMOVE : FAULT_CASE;
    if (spec->letter_case && strcmp(spec->letter_case, "mixed") != 0) {
        COMPLAIN(t, yaml_get(at, "case"), "the one 'case' there is is 'mixed'");
        return ERR_INVALID;
    }
    return 0;
}

static int fault_attach(struct compiler *c, const struct yaml_node *field, const char *name,
                        const struct field_fault *fault)
{
    struct yaml_problems *problems = c->problems;
    struct template *t = c->template;
    struct node *node = field->type == YAML_SCALAR
                            ? (struct node *)node_find(t->root, field->text) : NULL;
    struct field_fault *list;

    if (!node) {
        COMPLAIN(t, field, "no field '%s' for fault '%s'",
                 field->type == YAML_SCALAR ? field->text : "?", name);
        return ERR_INVALID;
    }
    list = ARENA_ARRAY(c->arena, struct field_fault, node->fault_count + 1);
    if (!list)
        return c->nomem = true, ERR_NOMEM;
    if (node->fault_count)
        memcpy(list, node->faults, node->fault_count * sizeof(*list));
    list[node->fault_count] = *fault;
    list[node->fault_count].stream = stream_of(t, node->path, name);
    node->faults = list;
    node->fault_count++;
    node->plain = false;
    return 0;
}

static int fault_bind(struct compiler *c, const struct generate_options *options,
                      const struct yaml_node *name, const struct yaml_node *yaml)
{
    struct yaml_problems *problems = c->problems;
    struct template *t = c->template;
    struct fault_spec spec = {0};
    struct field_fault fault = {0};
    uint64_t written = (uint64_t)(0.05 * 0x1.0p32);
    int rc;

    if (yaml->type != YAML_MAP)
        return COMPLAIN(t, yaml, "fault '%s': expected its rate and effect", name->text),
               ERR_INVALID;
    if (yaml_bind(yaml, fault_keys, &spec, t->file, problems))
        return ERR_INVALID;
    if (spec.rate && parse_probability(spec.rate, &written))
        return COMPLAIN(t, spec.rate, "expected a share such as 0.05 or 5%%"), ERR_INVALID;
    fault.below = (uint64_t)llround(
        option_fault(options, t, name->text, (double)written * 0x1.0p-32) * 0x1.0p32);
    if (spec.repeat_within) {
        if (spec.fields || spec.values || spec.remove || spec.letter_case || t->repeat_within)
            return COMPLAIN(t, name, "'repeat_within' stands alone, once in a generator"),
                   ERR_INVALID;
        t->repeat_below = fault.below;
        t->repeat_stream = stream_of(t, "", name->text);
        t->repeat_within = (uint64_t)spec.repeat_within;
        return 0;
    }
    rc = fault_effect(c, yaml, &spec, &fault);
    for (size_t i = 0; !rc && i < spec.fields->count; i++)
        rc = fault_attach(c, &spec.fields->items[i], name->text, &fault);
    return rc;
}

static int template_faults(struct generate_set *set, struct template *t,
                           const struct generate_options *options, struct yaml_problems *problems,
                           struct err *err)
{
    struct compiler c = {&set->arena, t, problems, false};
    const struct yaml_node *faults = t->faults_node;
    int rc = 0;

    if (!faults)
        return 0;
    if (faults->type != YAML_MAP)
        return COMPLAIN(t, faults, "expected faults by name"), ERR_INVALID;
    for (size_t i = 0; i < faults->count; i++)
        if (fault_bind(&c, options, &faults->items[2 * i], &faults->items[2 * i + 1]))
            rc = ERR_INVALID;
    return c.nomem ? err_set(err, ERR_NOMEM, "%s", t->file) : rc;
}

/* ---- options ---- */

static int wanted(const struct generate_options *options, const char *name)
{
    if (!options->only)
        return true;
    for (size_t i = 0; options->only[i]; i++)
        if (strcmp(options->only[i], name) == 0)
            return true;
    return false;
}

static int unknown(struct generate_set *set, const char *name, struct err *err)
{
    return err_set(err, ERR_INVALID, "no generator '%s'%s", name,
                   hint(&set->arena, name, set_names(set)));
}

/* `rate` shrinks all intervals alike, so that references keep pointing at events that are there. */
static int apply_rates(struct generate_set *set, const struct generate_options *options,
                       struct err *err)
{
    double total = 0;

    for (size_t i = 0; options->only && options->only[i]; i++)
        if (!set_find(set, options->only[i]))
            return unknown(set, options->only[i], err);
    for (size_t i = 0; i < options->rate_count; i++) {
        struct template *t = set_find(set, options->rates[i].name);

        if (!t)
            return unknown(set, options->rates[i].name, err);
        if (!(options->rates[i].value > 0 && options->rates[i].value <= 1e9))
            return err_set(err, ERR_INVALID, "rate of '%s': more than 0, at most 1e9 per second",
                           t->name);
        t->interval_us = 1e6 / options->rates[i].value;
    }
    for (size_t i = 0; i < set->count; i++)
        if (wanted(options, set->list[i].name))
            total += 1e6 / set->list[i].interval_us;
    for (size_t i = 0; options->rate > 0 && i < set->count; i++) {
        set->list[i].interval_us *= total / options->rate;
        if (!(set->list[i].interval_us >= INTERVAL_US_MIN &&
              set->list[i].interval_us <= INTERVAL_US_MAX))
            return err_set(err, ERR_INVALID, "with that rate '%s' would be out of all bounds",
                           set->list[i].name);
    }
    return 0;
}

/* Each --fault must hit something: a misspelt knob must not pass in silence. */
static int check_faults(struct generate_set *set, const struct generate_options *options,
                        struct err *err)
{
    const char **names = NULL;
    size_t count = 0, total = 0;

    for (size_t i = 0; i < set->count; i++)
        total += set->list[i].faults_node ? set->list[i].faults_node->count : 0;
    names = ARENA_ARRAY(&set->arena, const char *, 2 * total + 1);
    if (!names)
        return err_set(err, ERR_NOMEM, "names of faults");
    for (size_t i = 0; i < set->count; i++)
        for (size_t f = 0; set->list[i].faults_node && f < set->list[i].faults_node->count; f++) {
            const char *name = set->list[i].faults_node->items[2 * f].text;

            names[count++] = name;
            names[count++] = arena_printf(&set->arena, "%s.%s", set->list[i].name, name);
        }
    for (size_t i = 0; i < options->fault_count; i++) {
        bool known = false;

        for (size_t n = 0; n < count; n++)
            known |= names[n] && strcmp(names[n], options->faults[i].name) == 0;
        if (!known)
            return err_set(err, ERR_INVALID, "no fault '%s'%s", options->faults[i].name,
                           hint(&set->arena, options->faults[i].name, names));
        if (!(options->faults[i].value >= 0 && options->faults[i].value <= 1))
            return err_set(err, ERR_INVALID, "fault '%s': a share from 0 to 1",
                           options->faults[i].name);
    }
    return 0;
}

/* ---- all of it ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct disk_entry *)a)->name, ((const struct disk_entry *)b)->name);
}

static bool is_template_file(const struct disk_entry *entry)
{
    struct slice name = slice_str(entry->name);

    return !entry->is_dir && entry->name[0] != '.' &&
           (slice_ends(name, SLICE_LIT(".json")) || slice_ends(name, SLICE_LIT(".yaml"))) &&
           !slice_ends(name, SLICE_LIT(".schema.json"));
}

static int load_files(struct generate_set *set, struct disk *disk, const char *dir,
                      const struct generate_options *options, struct yaml_problems *problems,
                      struct err *err)
{
    struct disk_entry *entries;
    size_t count;
    int rc = disk_list(disk, dir, &set->arena, &entries, &count, err), all = 0;

    if (rc)
        return rc;
    qsort(entries, count, sizeof(*entries), by_name);
    set->list = ARENA_ARRAY(&set->arena, struct template, count + 1);
    if (!set->list)
        return err_set(err, ERR_NOMEM, "%s", dir);
    for (size_t i = 0; i < count; i++) {
        const char *file = arena_printf(problems->arena, "%s/%s", dir, entries[i].name);

        if (!is_template_file(&entries[i]))
            continue;
        if (!file)
            return err_set(err, ERR_NOMEM, "%s", dir);
        rc = template_load(set, disk, file, options, problems, err);
        if (rc && rc != ERR_INVALID)
            return rc;
        all = all ? all : rc;
    }
    return all;
}

static int bind_all(struct generate_set *set, const struct generate_options *options,
                    struct yaml_problems *problems, struct err *err)
{
    int all = 0;

    for (size_t i = 0; i < set->count; i++) {
        struct template *t = &set->list[i];
        int rc = each_ref(set, t, t->root, ref_bind, problems);

        all = rc ? rc : all;
        rc = template_faults(set, t, options, problems, err);
        if (rc && rc != ERR_INVALID)
            return rc;
        all = rc ? rc : all;
    }
    for (size_t i = 0; !all && i < set->count; i++)
        all = each_ref(set, &set->list[i], set->list[i].root, ref_check_chain, problems);
    return all;
}

int generate_set_load(struct generate_set **out, struct disk *disk, const char *dir,
                      const struct generate_options *options, struct yaml_problems *problems,
                      struct err *err)
{
    struct generate_set *set = calloc(1, sizeof(*set));
    size_t before = problems->count;
    int rc;

    if (!set)
        return err_set(err, ERR_NOMEM, "generators in %s", dir);
    rc = load_files(set, disk, dir, options, problems, err);
    if (!rc)
        rc = bind_all(set, options, problems, err);
    if (rc == ERR_INVALID && problems->count > before)
        err_set(err, rc, "%s:%d:%d: %s", problems->list[before].file, problems->list[before].line,
                problems->list[before].column, problems->list[before].text);
    if (!rc)
        rc = apply_rates(set, options, err);
    if (!rc)
        rc = check_faults(set, options, err);
    for (size_t i = 0; !rc && i < set->count; i++) {
        struct template *t = &set->list[i];

        each_ref(set, t, t->root, ref_finish, problems);
        if (t->root)
            t->len_max = node_len_max(t->root);
        if (t->len_max > EVENT_BYTES_MAX)
            rc = err_set(err, ERR_LIMIT, "generator '%s': an event could have more than %zu MiB",
                         t->name, EVENT_BYTES_MAX >> 20);
        t->key_len_max = t->key ? node_len_max(t->key) : 0;
    }
    if (rc) {
        generate_set_free(set);
        return rc;
    }
    *out = set;
    return 0;
}

void generate_set_free(struct generate_set *set)
{
    if (!set)
        return;
    arena_deinit(&set->arena);
    free(set);
}

size_t generate_set_count(const struct generate_set *set) { return set->count; }

const char *generate_set_name(const struct generate_set *set, size_t index)
{
    return set->list[index].name;
}

const char *generate_set_topic(const struct generate_set *set, size_t index)
{
    return set->list[index].topic;
}

double generate_set_rate(const struct generate_set *set, size_t index)
{
    return 1e6 / set->list[index].interval_us;
}
