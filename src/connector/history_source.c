/* history_source.c - two sources, one after the other, with one place. */
#include <stdatomic.h>
#include <stdio.h>

#include "base/json.h"
#include "connector/history_source.h"
#include "connector/lake_source.h"
#include "kafka/kafka.h"

#define MARK_HISTORY "history:" /* before the incarnation of a place in the table */

struct history_source {
    struct stream_source source; /* first */
    struct stream_source *past, *live;
    struct broker *broker;
    char *topic, *table;
    _Atomic bool is_live;
};

static struct history_source *self(struct stream_source *source)
{
    return (struct history_source *)source;
}

static struct stream_source *now(struct history_source *s)
{
    return atomic_load(&s->is_live) ? s->live : s->past;
}

/* {"payment_charges":[120,98]} */
static int read_offsets(struct history_source *s, const char *text, struct arena *arena,
                        struct stream_position *out, struct err *err)
{
    json_t *doc = json_loads(text, 0, NULL), *list = json_object_get(doc, s->topic);
    size_t count = json_array_size(list);
    int rc = count ? 0
                   : err_set(err, ERR_INVALID,
                             "the snapshots of `%s` hold no offsets of topic %s: no job filled it "
                             "from there",
                             s->table, s->topic);

    out->offsets = rc ? NULL : ARENA_ARRAY(arena, int64_t, count);
    if (!rc && !out->offsets)
        rc = err_set(err, ERR_NOMEM, "offsets of %s", s->topic);
    for (; !rc && out->count < count; out->count++)
        out->offsets[out->count] = json_integer_value(json_array_get(list, out->count));
    json_decref(doc);
    return rc;
}

/* The table is read: on to the topic. ERR_NOENT while that does not exist. */
static int go_live(struct history_source *s, struct err *err)
{
    const char *text = lake_source_summary(s->past, "tarn.offsets");
    struct topic *topic = topic_find(s->broker, s->topic);
    struct stream_position from = {0};
    struct arena arena = {0};
    int rc;

    if (!topic)
        return err_set(err, ERR_NOENT, "topic %s does not exist", s->topic);
    rc = read_offsets(s, text ? text : "{}", &arena, &from, err);
    from.incarnation = topic_id(topic);
    if (!rc)
        rc = s->live->ops->seek(s->live, &from, err);
    if (!rc) {
        diag_info("job", "`%s` is read: topic %s follows", s->table, s->topic);
        atomic_store(&s->is_live, true);
    }
    topic_unref(topic);
    arena_deinit(&arena);
    return rc;
}

static int poll(struct stream_source *source, struct vec_batch *out, stream_reject_fn *reject,
                void *arg, struct err *err)
{
    struct history_source *s = self(source);
    struct err end = {0};
    int rc;

    if (atomic_load(&s->is_live))
        return s->live->ops->poll(s->live, out, reject, arg, err);
    rc = s->past->ops->poll(s->past, out, reject, arg, &end);
    if (rc == ERR_CLOSED)
        return go_live(s, err);
    if (rc && err)
        *err = end;
    return rc;
}

static int origin(struct stream_source *source, int64_t row, struct stream_reject *out,
                  struct err *err)
{
    return now(self(source))->ops->origin(now(self(source)), row, out, err);
}

static void wait_rows(struct stream_source *source, int64_t timeout_ms)
{
    now(self(source))->ops->wait(now(self(source)), timeout_ms);
}

static void wake(struct stream_source *source)
{
    self(source)->past->ops->wake(self(source)->past);
    self(source)->live->ops->wake(self(source)->live);
}

static int position(struct stream_source *source, struct arena *arena, struct stream_position *out,
                    struct err *err)
{
    struct history_source *s = self(source);
    int rc = now(s)->ops->position(now(s), arena, out, err);

    if (rc || !out->incarnation || atomic_load(&s->is_live))
        return rc;
    out->incarnation = arena_printf(arena, MARK_HISTORY "%s", out->incarnation);
    return out->incarnation ? 0 : err_set(err, ERR_NOMEM, "place of %s", s->table);
}

static int seek(struct stream_source *source, const struct stream_position *from, struct err *err)
{
    struct history_source *s = self(source);
    struct stream_position inner;

    if (from && from->incarnation &&
        strncmp(from->incarnation, MARK_HISTORY, strlen(MARK_HISTORY)) != 0) {
        atomic_store(&s->is_live, true);
        return s->live->ops->seek(s->live, from, err);
    }
    atomic_store(&s->is_live, false);
    if (!from || !from->incarnation)
        return s->past->ops->seek(s->past, NULL, err);
    inner = *from;
    inner.incarnation += strlen(MARK_HISTORY);
    return s->past->ops->seek(s->past, &inner, err);
}

static int flush(struct stream_source *source, struct err *err)
{
    return now(self(source))->ops->flush(now(self(source)), err);
}

static int64_t lag(struct stream_source *source)
{
    return now(self(source))->ops->lag(now(self(source)));
}

static const struct vec_columns *columns(struct stream_source *source)
{
    return self(source)->live->ops->columns(self(source)->live);
}

static void source_free(struct stream_source *source)
{
    struct history_source *s = self(source);

    if (!s)
        return;
    if (s->past)
        s->past->ops->free(s->past);
    s->live->ops->free(s->live);
    free(s->topic);
    free(s->table);
    free(s);
}

static const struct stream_source_ops ops = {
    poll, origin, wait_rows, wake, position, seek, flush, lag, columns, source_free,
};

/* The same table, as one of the lake. */
static int open_past(struct history_source *s, const struct source_request *r, const char *history,
                     struct err *err)
{
    const char *dot = strrchr(history, '.');
    char *ns = dot ? strndup(history, (size_t)(dot - history)) : NULL;
    struct session_table handle = {.kind = SESSION_LAKE, .snapshot_id = -1, .inspect = -1};
    struct sql_options none = {0};
    struct sql_table table = *r->table;
    struct source_request inner = *r;
    int rc;

    if (!dot)
        return err_set(err, ERR_INVALID, "'tarn.history' = '%s': DATABASE.TABLE of the lake",
                       history);
    if (!ns)
        return err_set(err, ERR_NOMEM, "history");
    handle.ident = (struct lake_ident){ns, dot + 1};
    table.handle = &handle;
    table.options = &none;
    inner.table = &table;
    inner.any_metadata = true;
    rc = lake_source_new(&inner, &s->past, err);
    free(ns);
    return rc;
}

int history_source_new(struct stream_source **out, const struct source_request *r,
                       const char *history, struct stream_source *live, struct err *err)
{
    struct history_source *s = calloc(1, sizeof(*s));
    int rc = 0;

    if (!s) {
        live->ops->free(live);
        return err_set(err, ERR_NOMEM, "history");
    }
    s->source.ops = &ops;
    s->live = live;
    s->broker = r->connector->broker;
    s->topic = strdup(sql_option(r->table->options, "topic"));
    s->table = strdup(history);
    if (!s->topic || !s->table)
        rc = err_set(err, ERR_NOMEM, "history");
    if (!rc && sql_source_changes(r->table->options) != SQL_SOURCE_APPENDS)
        rc = err_set(err, ERR_UNSUPPORTED, "'tarn.history' is for topics whose rows are appended");
    if (!rc)
        rc = open_past(s, r, history, err);
    if (rc) {
        source_free(&s->source);
        return err_wrap(err, rc, "table `%s`", r->table->name);
    }
    *out = &s->source;
    return 0;
}
