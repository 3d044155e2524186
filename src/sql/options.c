/* options.c - WITH (...) against options.def: unknown names, wrong values, what is not built. */
#include <ctype.h>
#include <stdio.h>

#include "sql/sql_int.h"

enum option_kind { STRING, INT, BOOL, DURATION, MEMORY, ENUM, LIST };

/* What to do in place of what is not built; options.def says which. */
#define BY_LOADING   "write to an Iceberg table or a topic and let the database load that"
#define BY_DEBEZIUM                                                                                \
    "let Debezium write to a topic here and read it with 'format' = 'debezium-json'"
#define BY_CONNECT   "write to a topic and let Kafka Connect carry it over"
#define IN_THE_LAKE  "keep the table in the Iceberg catalog"
#define BY_PRODUCERS "let the producers write to this tarn's Kafka port"
#define BY_TABLE     "keep what is looked up in an Iceberg table or in files, and join with that"
#define OF_ICEBERG   "'type' = 'iceberg' is"

struct named {
    const char *name, *instead; /* instead: NULL where it is built */
};

static const struct named connectors[] = {
#define CONNECTOR(name, instead) {name, instead},
#define FORMAT(name, instead)
#define CATALOG(name, instead)
#define OPTION(owner, name, kind, values)
#include "sql/options.def"
#undef CONNECTOR
#undef FORMAT
};

static const struct named formats[] = {
#define CONNECTOR(name, instead)
#define FORMAT(name, instead) {name, instead},
#include "sql/options.def"
#undef FORMAT
#undef CATALOG
};

static const struct named catalogs[] = {
#define FORMAT(name, instead)
#define CATALOG(name, instead) {name, instead},
#include "sql/options.def"
#undef CATALOG
#undef OPTION
};

static const struct option_def {
    const char *owner, *name;
    enum option_kind kind;
    const char *values;
} defs[] = {
#define CATALOG(name, instead)
#define OPTION(owner, name, kind, values) {owner, name, kind, values},
#include "sql/options.def"
#undef CONNECTOR
#undef FORMAT
#undef CATALOG
#undef OPTION
};

/* One value asks for another option. */
static const struct {
    const char *connector, *key, *value, *needed;
} needs[] = {
    {"kafka", "scan.startup.mode", "timestamp", "scan.startup.timestamp-millis"},
    {"kafka", "scan.startup.mode", "specific-offsets", "scan.startup.specific-offsets"},
    {"kafka", "scan.bounded.mode", "timestamp", "scan.bounded.timestamp-millis"},
    {"kafka", "scan.bounded.mode", "specific-offsets", "scan.bounded.specific-offsets"},
    {"kafka", "sink.delivery-guarantee", "exactly-once", "sink.transactional-id-prefix"},
    {"kafka", "key.format", NULL, "key.fields"},
    {"upsert-kafka", NULL, NULL, "topic"},
    {"filesystem", NULL, NULL, "path"},
    {"jdbc", NULL, NULL, "url"},
    {"jdbc", NULL, NULL, "table-name"},
};

#define KNOWN_MAX (COUNT_OF(defs) * 2)

const char *sql_option(const struct sql_options *options, const char *key)
{
    for (size_t i = 0; options && i < options->count; i++)
        if (!strcmp(options->list[i].key, key))
            return options->list[i].value;
    return NULL;
}

/* Which words say that rows are changes. */
static const struct {
    const char *key, *value;
    enum sql_source_changes changes;
} changing[] = {
    {"connector", "upsert-kafka", SQL_SOURCE_UPSERTS},
    {"format", "debezium-json", SQL_SOURCE_CHANGES},
    {"format", "canal-json", SQL_SOURCE_CHANGES},
    {"format", "maxwell-json", SQL_SOURCE_CHANGES},
    {"value.format", "debezium-json", SQL_SOURCE_CHANGES},
    {"value.format", "canal-json", SQL_SOURCE_CHANGES},
    {"value.format", "maxwell-json", SQL_SOURCE_CHANGES},
};

enum sql_source_changes sql_source_changes(const struct sql_options *options)
{
    for (size_t i = 0; i < COUNT_OF(changing); i++) {
        const char *value = sql_option(options, changing[i].key);

        if (value && !strcmp(value, changing[i].value))
            return changing[i].changes;
    }
    return SQL_SOURCE_APPENDS;
}

/* Which option says whether the rows of a table end; `ends`: with it they do, else without it. */
static const struct {
    const char *connector, *key;
    bool ends;
    const char *but; /* this value says the contrary; NULL: none does */
} bounds[] = {
    {"kafka", "scan.bounded.mode", true, "unbounded"},
    {"upsert-kafka", "scan.bounded.mode", true, "unbounded"},
    {"datagen", "number-of-rows", true, NULL},
    {"faker", "number-of-rows", true, NULL},
    {"nexmark", "events.num", true, "0"},
    {"filesystem", "source.monitor-interval", false, NULL},
    {"iceberg", "streaming", false, "false"},
};

bool sql_source_bounded(const struct sql_options *options)
{
    const char *connector = sql_option(options, "connector");

    for (size_t i = 0; connector && i < COUNT_OF(bounds); i++) {
        const char *value = sql_option(options, bounds[i].key);
        bool given = value && !(bounds[i].but && !strcmp(value, bounds[i].but));

        if (!strcmp(bounds[i].connector, connector))
            return given == bounds[i].ends;
    }
    return true;
}

static const struct sql_option *option_find(const struct sql_options *options, const char *key)
{
    for (size_t i = 0; i < options->count; i++)
        if (!strcmp(options->list[i].key, key))
            return &options->list[i];
    return NULL;
}

/* "properties.*" and "fields.#.kind". */
static bool name_matches(const char *pattern, const char *key)
{
    while (*pattern) {
        if (!strcmp(pattern, "*"))
            return *key != '\0';
        if (*pattern == '#') {
            size_t len = strcspn(key, ".");

            if (!len)
                return false;
            key += len;
            pattern++;
            continue;
        }
        if (*pattern++ != *key++)
            return false;
    }
    return *key == '\0';
}

/* ---- values ---------------------------------------------------------------------------------- */

static bool value_in(const char *values, const char *value, bool fold)
{
    size_t len = strlen(value);

    while (*values) {
        size_t word = strcspn(values, "|");
        struct slice s = slice_of(values, word);

        if (fold ? slice_ieq(s, slice_of(value, len)) : slice_eq(s, slice_of(value, len)))
            return true;
        values += word + (values[word] == '|');
    }
    return false;
}

/* Digits, then a unit out of a list; none means the smallest. */
static bool quantity(const char *value, const char *units)
{
    size_t digits = strspn(value, "0123456789");

    if (!digits)
        return false;
    value += digits;
    while (*value == ' ')
        value++;
    return !*value || value_in(units, value, true);
}

static bool value_good(const struct option_def *def, const char *value)
{
    int64_t number;

    switch (def->kind) {
    case INT:
        return slice_to_i64(slice_str(value), &number) == 0;
    case BOOL:
        return value_in("true|false", value, true);
    case DURATION:
        return quantity(value,
                        "ns|nano|nanos|nanosecond|nanoseconds|us|µs|micro|micros|microsecond|"
                        "microseconds|ms|milli|millis|millisecond|milliseconds|s|sec|secs|"
                        "second|seconds|m|min|minute|minutes|h|hour|hours|d|day|days");
    case MEMORY:
        return quantity(value,
                        "b|bytes|k|kb|kibibytes|m|mb|mebibytes|g|gb|gibibytes|t|tb|tebibytes");
    case ENUM:
        return value_in(def->values, value, true);
    default:
        return true;
    }
}

static int bad_value(const struct option_def *def, const struct sql_option *option, struct err *err)
{
    static const char *const wanted[] = {
        [INT] = "a whole number",
        [BOOL] = "true or false",
        [DURATION] = "a duration such as '5 s'",
        [MEMORY] = "a size such as '128 mb'",
    };
    const char *words[32], *near;
    char text[400];
    size_t count = 0;

    if (def->kind != ENUM)
        return err_at(err, ERR_INVALID, option->value_pos, "'%s' takes %s, not '%s'", option->key,
                      wanted[def->kind], option->value);
    snprintf(text, sizeof(text), "%s", def->values);
    for (char *word = text; word && count < COUNT_OF(words);) {
        char *bar = strchr(word, '|');

        if (bar)
            *bar++ = '\0';
        words[count++] = word;
        word = bar;
    }
    near = sql_nearest(option->value, words, count);
    if (near)
        return err_at(err, ERR_INVALID, option->value_pos,
                      "'%s' = '%s': no such value; did you mean '%s'?", option->key, option->value,
                      near);
    return err_at(err, ERR_INVALID, option->value_pos, "'%s' = '%s': one of %s", option->key,
                  option->value, def->values);
}

/* ---- names ----------------------------------------------------------------------------------- */

/* The owners that a table's options may come from. */
struct owners {
    const char *list[6];
    const char *prefix[6]; /* what stands before the names: "json." or "value.json." */
    size_t count;
};

static void owner_add(struct owners *owners, const char *name, const char *prefix)
{
    owners->list[owners->count] = name;
    owners->prefix[owners->count++] = prefix;
}

/* `key` under one owner: its definition, or NULL. */
static const struct option_def *def_find(const struct owners *owners, const char *key)
{
    for (size_t o = 0; o < owners->count; o++) {
        const char *name = key;
        size_t len = strlen(owners->list[o]);

        if (owners->prefix[o]) { /* a format: "[value.]json.name" */
            size_t prefix = strlen(owners->prefix[o]);

            if (strncmp(name, owners->prefix[o], prefix) ||
                strncmp(name + prefix, owners->list[o], len) || name[prefix + len] != '.')
                continue;
            name += prefix + len + 1;
        }
        for (size_t i = 0; i < COUNT_OF(defs); i++)
            if (!strcmp(defs[i].owner, owners->list[o]) && name_matches(defs[i].name, name))
                return &defs[i];
    }
    return NULL;
}

static int unknown_option(const struct owners *owners, const struct sql_option *option,
                          struct err *err)
{
    static const size_t text_len = 96;
    char(*texts)[96] = calloc(KNOWN_MAX, text_len);
    const char **known = calloc(KNOWN_MAX, sizeof(*known)), *near = NULL;
    size_t count = 0;
    int rc;

    for (size_t o = 0; texts && known && o < owners->count; o++) {
        for (size_t i = 0; i < COUNT_OF(defs) && count < KNOWN_MAX; i++) {
            if (strcmp(defs[i].owner, owners->list[o]))
                continue;
            snprintf(texts[count], text_len, "%s%s%s%s", owners->prefix[o] ? owners->prefix[o] : "",
                     owners->prefix[o] ? owners->list[o] : "", owners->prefix[o] ? "." : "",
                     defs[i].name);
            known[count] = texts[count];
            count++;
        }
    }
    if (known)
        near = sql_nearest(option->key, known, count);
    if (near)
        rc = err_at(err, ERR_INVALID, option->key_pos, "unknown option '%s'; did you mean '%s'?",
                    option->key, near);
    else
        rc = err_at(err, ERR_INVALID, option->key_pos, "unknown option '%s' of %s", option->key,
                    owners->list[owners->count - 1]);
    free(texts);
    free(known);
    return rc;
}

static int check_all(const struct sql_options *options, const struct owners *owners,
                     struct err *err)
{
    for (size_t i = 0; i < options->count; i++) {
        const struct sql_option *option = &options->list[i];
        const struct option_def *def = def_find(owners, option->key);

        for (size_t k = 0; k < i; k++)
            if (!strcmp(options->list[k].key, option->key))
                return err_at(err, ERR_INVALID, option->key_pos, "option '%s' stands twice",
                              option->key);
        if (!def)
            return unknown_option(owners, option, err);
        if (!value_good(def, option->value))
            return bad_value(def, option, err);
    }
    return 0;
}

static int check_needs(const struct sql_options *options, const char *connector,
                       struct sql_pos statement, struct err *err)
{
    for (size_t i = 0; i < COUNT_OF(needs); i++) {
        const struct sql_option *option = needs[i].key ? option_find(options, needs[i].key) : NULL;

        if (strcmp(needs[i].connector, connector) || (needs[i].key && !option) ||
            (needs[i].value && strcmp(option->value, needs[i].value)) ||
            option_find(options, needs[i].needed))
            continue;
        return err_at(err, ERR_INVALID, option ? option->key_pos : statement,
                      "%s%s%s needs the option '%s'", option ? option->key : connector,
                      needs[i].value ? " = " : "", needs[i].value ? needs[i].value : "",
                      needs[i].needed);
    }
    return 0;
}

static int refuse_unbuilt(const struct sql_option *option, const char *what, const char *instead,
                          struct err *err)
{
    return err_at(err, ERR_UNSUPPORTED, option->value_pos, "the %s '%s' is not built yet: %s", what,
                  option->value, instead);
}

/* ---- connectors, formats, catalogs ----------------------------------------------------------- */

static int named_check(const struct named *list, size_t count, const struct sql_option *option,
                       const char *what, const struct named **out, struct err *err)
{
    const char *known[128], *near;

    static_assert(COUNT_OF(connectors) <= COUNT_OF(known), "room for all names");
    for (size_t i = 0; i < count; i++) {
        known[i] = list[i].name;
        if (!strcmp(list[i].name, option->value)) {
            *out = &list[i];
            return 0;
        }
    }
    near = sql_nearest(option->value, known, count);
    if (near)
        return err_at(err, ERR_INVALID, option->value_pos, "unknown %s '%s'; did you mean '%s'?",
                      what, option->value, near);
    return err_at(err, ERR_INVALID, option->value_pos, "unknown %s '%s'", what, option->value);
}

/* Adds the format that an option names to the owners. */
static int format_check(const struct sql_options *options, const char *key, const char *prefix,
                        struct owners *owners, const struct sql_option **unbuilt,
                        const char **instead, struct err *err)
{
    const struct sql_option *option = option_find(options, key);
    const struct named *format;
    int rc;

    if (!option)
        return 0;
    rc = named_check(formats, COUNT_OF(formats), option, "format", &format, err);
    if (rc)
        return rc;
    owner_add(owners, format->name, prefix);
    if (format->instead && !*unbuilt) {
        *unbuilt = option;
        *instead = format->instead;
    }
    return 0;
}

/* Without a connector the table belongs to its catalog; a mistyped word is still told. */
static int no_connector(const struct sql_options *options, struct err *err)
{
    static const char *const word = "connector";

    for (size_t i = 0; i < options->count; i++)
        if (sql_nearest(options->list[i].key, &word, 1))
            return err_at(err, ERR_INVALID, options->list[i].key_pos,
                          "unknown option '%s'; did you mean 'connector'?", options->list[i].key);
    return 0;
}

/* Of some connectors only the name is known. */
static bool has_options(const char *owner)
{
    for (size_t i = 0; i < COUNT_OF(defs); i++)
        if (!strcmp(defs[i].owner, owner))
            return true;
    return false;
}

int sql_options_check(const struct sql_options *options, struct sql_pos statement, struct err *err)
{
    const struct sql_option *connector = option_find(options, "connector"), *unbuilt = NULL;
    const struct named *named;
    const char *instead = NULL;
    struct owners owners = {0};
    int rc;

    if (!connector)
        return no_connector(options, err);
    rc = named_check(connectors, COUNT_OF(connectors), connector, "connector", &named, err);
    if (rc)
        return rc;
    owner_add(&owners, "*", NULL);
    rc = format_check(options, "format", "", &owners, &unbuilt, &instead, err);
    if (!rc && option_find(options, "key.format"))
        rc = format_check(options, "key.format", "key.", &owners, &unbuilt, &instead, err);
    if (!rc && option_find(options, "value.format"))
        rc = format_check(options, "value.format", "value.", &owners, &unbuilt, &instead, err);
    if (rc)
        return rc;
    if (owners.count == 1)
        owner_add(&owners, "json", ""); /* a table without a format is read as json */
    owner_add(&owners, named->name, NULL);
    rc = has_options(named->name) ? check_all(options, &owners, err) : 0;
    if (!rc)
        rc = check_needs(options, named->name, statement, err);
    if (!rc && named->instead)
        rc = refuse_unbuilt(connector, "connector", named->instead, err);
    if (!rc && unbuilt)
        rc = refuse_unbuilt(unbuilt, "format", instead, err);
    return rc;
}

int sql_catalog_options_check(const struct sql_options *options, struct sql_pos statement,
                              struct err *err)
{
    const struct sql_option *type = option_find(options, "type");
    const struct named *named;
    struct owners owners = {0};
    char owner[64];
    int rc;

    if (!type)
        return err_at(err, ERR_INVALID, statement, "a catalog needs the option 'type'");
    rc = named_check(catalogs, COUNT_OF(catalogs), type, "catalog type", &named, err);
    if (rc)
        return rc;
    snprintf(owner, sizeof(owner), "catalog:%s", named->name);
    owner_add(&owners, "catalog:*", NULL);
    owner_add(&owners, owner, NULL);
    rc = check_all(options, &owners, err);
    return rc || !named->instead ? rc : refuse_unbuilt(type, "catalog type", named->instead, err);
}
