/* factory.c - the table of connectors, and what the small ones among the sinks need. */
#include "connector/factory.h"
#include "connector/file_sink.h"
#include "connector/file_source.h"
#include "connector/history_source.h"
#include "connector/jdbc.h"
#include "connector/kafka_options.h"
#include "connector/kafka_sink.h"
#include "connector/kafka_source.h"
#include "connector/lake_source.h"
#include "connector/made_source.h"
#include "connector/nexmark_source.h"
#include "connector/outside.h"
#include "connector/print_sink.h"

static int open_kafka(const struct source_request *r, struct stream_source **out, struct err *err)
{
    struct kafka_source_options o = {.broker = r->connector->broker,
                                     .db = r->connector->db,
                                     .clock = r->connector->clock,
                                     .ports = r->connector->kafka_ports,
                                     .table = r->table,
                                     .time_zone = r->time_zone,
                                     .threads = r->threads};

    const char *history = sql_option(r->table->options, "tarn.history");
    struct stream_source *live;
    bool here = kafka_is_here(r->table, o.ports);
    int rc;

    if (!here && history)
        return err_set(err, ERR_UNSUPPORTED,
                       "table `%s`: 'tarn.history' goes with one topic of this tarn",
                       r->table->name);
    if (!here)
        return outside_source_new(out, &o, err);
    if (history)
        o.threads = 0;
    rc = kafka_source_new(history ? &live : out, &o, err);
    return rc || !history ? rc : history_source_new(out, r, history, live, err);
}

static int open_kafka_sink(const struct sink_request *r, struct stream_sink **out, struct err *err)
{
    return kafka_is_ours(r->table, r->connector->kafka_ports) ? kafka_sink_new(r, out, err)
                                                              : outside_sink_new(r, out, err);
}

static const struct factory {
    const char *name;
    int (*source)(const struct source_request *, struct stream_source **, struct err *);
    int (*sink)(const struct sink_request *, struct stream_sink **, struct err *);
    const char *label; /* the option that names what is read; NULL: the table's name does */
} factories[] = {
    {"kafka", open_kafka, open_kafka_sink, "topic"},
    {"upsert-kafka", open_kafka, open_kafka_sink, "topic"},
    {"filesystem", file_source_new, file_sink_new, "path"},
    {"jdbc", jdbc_source_new, jdbc_sink_new, "table-name"},
    {"datagen", datagen_source_new, NULL, NULL},
    {"faker", faker_source_new, NULL, NULL},
    {"nexmark", nexmark_source_new, NULL, NULL},
    {"print", NULL, print_sink_new, NULL},
    {"blackhole", NULL, blackhole_sink_new, NULL},
};

static const struct factory *find(const struct sql_table *table)
{
    const char *name = sql_option(table->options, "connector");

    for (size_t i = 0; name && i < COUNT_OF(factories); i++)
        if (!strcmp(factories[i].name, name))
            return &factories[i];
    return NULL;
}

static int refuse(const struct sql_table *table, const struct factory *factory, const char *what,
                  struct err *err)
{
    const char *name = sql_option(table->options, "connector");

    if (factory)
        return err_set(err, ERR_INVALID, "table `%s`: the connector '%s' is no %s", table->name,
                       name, what);
    return err_set(err, ERR_UNSUPPORTED, "table `%s`: the connector '%s' is not built yet",
                   table->name, name ? name : "");
}

int factory_source(const struct source_request *r, struct arena *arena, struct stream_source **out,
                   const char **label, struct err *err)
{
    const struct factory *factory = find(r->table);
    const struct session_table *handle = r->table->handle;
    const char *text = NULL;

    if (handle && handle->kind == SESSION_LAKE) {
        if (label)
            *label = r->table->name;
        return lake_source_new(r, out, err);
    }
    if (!factory || !factory->source)
        return refuse(r->table, factory, "source", err);
    if (factory->label)
        text = sql_option(r->table->options, factory->label);
    text = arena_strdup(arena, text ? text : r->table->name);
    if (!text)
        return err_set(err, ERR_NOMEM, "table `%s`", r->table->name);
    if (label)
        *label = text;
    return factory->source(r, out, err);
}

int factory_sink(const struct sink_request *r, struct stream_sink **out, struct err *err)
{
    const struct factory *factory = find(r->table);

    if (!factory || !factory->sink)
        return refuse(r->table, factory, "sink", err);
    return factory->sink(r, out, err);
}
