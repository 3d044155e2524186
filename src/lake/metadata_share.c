/* metadata_share.c - snapshots seen once, and the document printed from them. See
 * metadata_share.h. */
#include "lake/metadata_share.h"

const char *const shape_keys[SHAPE_LISTS] = {
    [SHAPE_SCHEMAS] = "schemas", [SHAPE_SPECS] = "partition-specs", [SHAPE_ORDERS] = "sort-orders"};

struct printed {
    size_t len;
    char bytes[];
};

/* One snapshot, for all documents that hold the same object. */
struct snapshot_card {
    int refs; /* atomic */
    json_t *json;
    struct lake_snapshot view; /* texts are borrowed from the object */
    struct printed *text;      /* NULL until it was asked for; atomic */
    const char **manifests;
    struct lake_property summary[];
};

static int nomem(struct err *err)
{
    return err_set(err, ERR_NOMEM, "table metadata");
}

static int64_t i64_or(const json_t *obj, const char *key, int64_t fallback)
{
    const json_t *value = json_object_get(obj, key);

    return json_is_integer(value) ? json_integer_value(value) : fallback;
}

static const char *text_or_null(const json_t *obj, const char *key)
{
    return json_string_value(json_object_get(obj, key));
}

/* ---- schemas, specs, orders ---- */

static bool same_items(const json_t *a, const json_t *b)
{
    if (json_array_size(a) != json_array_size(b))
        return false;
    for (size_t i = 0; i < json_array_size(a); i++)
        if (json_array_get(a, i) != json_array_get(b, i))
            return false;
    return true;
}

int share_shape(struct lake_metadata *m, const struct lake_metadata *base, bool *made,
                struct err *err)
{
    bool same = base != NULL;

    for (int i = 0; i < SHAPE_LISTS && same; i++)
        same = same_items(base->shape->json[i], json_object_get(m->doc, shape_keys[i]));
    *made = !same;
    if (same) {
        m->shape = base->shape;
        __atomic_add_fetch(&m->shape->refs, 1, __ATOMIC_RELAXED);
        return 0;
    }
    m->shape = calloc(1, sizeof(*m->shape));
    if (!m->shape)
        return nomem(err);
    m->shape->refs = 1;
    for (int i = 0; i < SHAPE_LISTS; i++)
        m->shape->json[i] = json_incref(json_object_get(m->doc, shape_keys[i]));
    return 0;
}

static void shape_free(struct metadata_shape *shape)
{
    if (!shape || __atomic_sub_fetch(&shape->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    for (int i = 0; i < SHAPE_LISTS; i++) {
        json_decref(shape->json[i]);
        free(shape->texts[i]);
    }
    arena_deinit(&shape->arena);
    free(shape);
}

/* ---- one snapshot ---- */

static void card_free(struct snapshot_card *card)
{
    if (!card || __atomic_sub_fetch(&card->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    json_decref(card->json);
    free(card->manifests);
    free(card->text);
    free(card);
}

/* What is not text is not what the specification allows: kept in the document, not seen by us. */
static void see_summary(struct snapshot_card *card, const json_t *summary)
{
    struct lake_snapshot *s = &card->view;
    const char *key;
    json_t *value;

    s->summary = card->summary;
    json_object_foreach((json_t *)summary, key, value)
    {
        if (json_is_string(value))
            s->summary[s->summary_count++] = (struct lake_property){key, json_string_value(value)};
    }
    s->operation = lake_summary(s, "operation");
    s->operation = s->operation ? s->operation : "";
}

/* Of snapshots made in v1, which named their manifests one by one. */
static int see_manifests(struct snapshot_card *card, const json_t *list, struct err *err)
{
    struct lake_snapshot *s = &card->view;
    size_t count = json_array_size(list);

    if (count && !(card->manifests = calloc(count, sizeof(*card->manifests))))
        return nomem(err);
    s->manifests = card->manifests;
    for (size_t i = 0; i < count; i++) {
        s->manifests[i] = json_string_value(json_array_get(list, i));
        if (!s->manifests[i])
            return err_set(err, ERR_CORRUPT, "snapshot.manifests: not text");
        s->manifest_count++;
    }
    return s->manifest_list || json_is_array(list)
               ? 0
               : err_set(err, ERR_CORRUPT, "snapshot %" PRId64 ": no manifest list", s->id);
}

static int card_new(struct snapshot_card **out, json_t *json, struct err *err)
{
    const json_t *summary = json_object_get(json, "summary");
    struct snapshot_card *card =
        calloc(1, sizeof(*card) + json_object_size(summary) * sizeof(card->summary[0]));
    struct lake_snapshot *s = card ? &card->view : NULL;
    int rc = card ? 0 : nomem(err);

    *out = NULL;
    if (rc)
        return rc;
    card->refs = 1;
    card->json = json_incref(json);
    rc = json_get_i64(json, "snapshot-id", "snapshot", &s->id, err);
    rc = rc ? rc : json_get_i64(json, "timestamp-ms", "snapshot", &s->timestamp_ms, err);
    s->parent_id = i64_or(json, "parent-snapshot-id", -1);
    s->sequence_number = i64_or(json, "sequence-number", 0);
    s->schema_id = (int32_t)i64_or(json, "schema-id", -1);
    s->first_row_id = i64_or(json, "first-row-id", -1);
    s->added_rows = i64_or(json, "added-rows", -1);
    s->manifest_list = text_or_null(json, "manifest-list");
    s->key_id = text_or_null(json, "key-id");
    rc = rc ? rc : see_manifests(card, json_object_get(json, "manifests"), err);
    see_summary(card, summary);
    if (rc)
        card_free(card);
    else
        *out = card;
    return rc;
}

/* ---- all of them ---- */

/* The base's place of an item, from *at on, where it is unless something before it went; SIZE_MAX:
 * it is new. Items keep their order from version to version. */
static size_t place_in(const json_t *base_list, const json_t *item, size_t *at)
{
    size_t count = json_array_size(base_list);

    for (size_t i = *at; i < count; i++)
        if (json_array_get(base_list, i) == item) {
            *at = i + 1;
            return i;
        }
    return SIZE_MAX;
}

int share_snapshots(struct lake_metadata *m, const struct lake_metadata *base, struct err *err)
{
    const json_t *list = json_object_get(m->doc, "snapshots");
    const json_t *before = base ? json_object_get(base->doc, "snapshots") : NULL;
    size_t total = json_array_size(list), at = 0;

    m->snapshots = ARENA_ARRAY(&m->arena, struct lake_snapshot, total + 1);
    m->cards = ARENA_ARRAY(&m->arena, struct snapshot_card *, total + 1);
    if (!m->snapshots || !m->cards)
        return nomem(err);
    for (size_t i = 0; i < total; i++) {
        json_t *item = json_array_get(list, i);
        size_t place = place_in(before, item, &at);

        if (place < SIZE_MAX) {
            m->cards[i] = base->cards[place];
            __atomic_add_fetch(&m->cards[i]->refs, 1, __ATOMIC_RELAXED);
        } else {
            int rc = card_new(&m->cards[i], item, err);

            if (rc)
                return err_wrap(err, rc, "table metadata.snapshots[%zu]", i);
        }
        m->snapshots[i] = m->cards[i]->view;
        m->snapshot_count++;
    }
    return 0;
}

int share_snapshot_log(struct lake_metadata *m, const struct lake_metadata *base, struct err *err)
{
    const json_t *list = json_object_get(m->doc, "snapshot-log");
    const json_t *before = base ? json_object_get(base->doc, "snapshot-log") : NULL;
    size_t total = json_array_size(list), at = 0;

    m->snapshot_log = ARENA_ARRAY(&m->arena, struct lake_log_entry, total + 1);
    if (!m->snapshot_log)
        return nomem(err);
    for (size_t i = 0; i < total; i++) {
        const json_t *item = json_array_get(list, i);
        size_t place = place_in(before, item, &at);

        m->snapshot_log[i] =
            place < SIZE_MAX
                ? base->snapshot_log[place]
                : (struct lake_log_entry){.timestamp_ms = i64_or(item, "timestamp-ms", 0),
                                          .snapshot_id = i64_or(item, "snapshot-id", -1)};
        m->snapshot_log_count++;
    }
    return 0;
}

void share_release(struct lake_metadata *m)
{
    for (size_t i = 0; i < m->snapshot_count; i++)
        card_free(m->cards[i]);
    shape_free(m->shape);
}

/* ---- printing ---- */

/* An object's text, kept in *slot. Two threads may print at once: the first one's text stays. */
static int text_of(struct printed **slot, const json_t *json, const struct printed **out,
                   struct err *err)
{
    struct printed *text = __atomic_load_n(slot, __ATOMIC_ACQUIRE), *before = NULL;
    struct buf bytes = {0};
    int rc;

    *out = text;
    if (text)
        return 0;
    rc = json_print(json, 0, &bytes, err);
    if (!rc && !(text = malloc(sizeof(*text) + bytes.len)))
        rc = nomem(err);
    if (!rc) {
        text->len = bytes.len;
        memcpy(text->bytes, bytes.ptr, bytes.len);
        *out = text;
        if (!__atomic_compare_exchange_n(slot, &before, text, false, __ATOMIC_ACQ_REL,
                                         __ATOMIC_ACQUIRE)) {
            free(text);
            *out = before;
        }
    }
    buf_deinit(&bytes);
    return rc;
}

static int print_snapshots(const struct lake_metadata *m, struct buf *out, struct err *err)
{
    int rc = buf_append_u8(out, '[');

    for (size_t i = 0; i < m->snapshot_count && !rc; i++) {
        const struct printed *text;

        rc = text_of(&m->cards[i]->text, m->cards[i]->json, &text, err);
        if (!rc && i)
            rc = buf_append_u8(out, ',');
        rc = rc ? rc : buf_append(out, text->bytes, text->len);
    }
    return rc ? rc : buf_append_u8(out, ']');
}

/* "timestamp-ms" and "snapshot-id" alone, in this order: as nearly every entry is. */
static bool is_plain_entry(json_t *entry)
{
    void *first = json_object_iter(entry), *second = json_object_iter_next(entry, first);

    return json_object_size(entry) == 2 && !strcmp(json_object_iter_key(first), "timestamp-ms") &&
           !strcmp(json_object_iter_key(second), "snapshot-id") &&
           json_is_integer(json_object_iter_value(first)) &&
           json_is_integer(json_object_iter_value(second));
}

/* As %PRId64 does, a thousand times a commit. */
static size_t put_i64(char *out, int64_t value)
{
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    char digits[20];
    size_t count = 0, len = 0;

    do
        digits[count++] = (char)('0' + rest % 10);
    while ((rest /= 10));
    if (value < 0)
        out[len++] = '-';
    while (count)
        out[len++] = digits[--count];
    return len;
}

static size_t put_text(char *out, const char *text)
{
    size_t len = strlen(text);

    memcpy(out, text, len);
    return len;
}

static int print_entry(const struct lake_log_entry *entry, struct buf *out)
{
    char text[96];
    size_t len = put_text(text, "{\"timestamp-ms\":");

    len += put_i64(text + len, entry->timestamp_ms);
    len += put_text(text + len, ",\"snapshot-id\":");
    len += put_i64(text + len, entry->snapshot_id);
    text[len++] = '}';
    return buf_append(out, text, len);
}

static int print_log(const struct lake_metadata *m, const json_t *list, struct buf *out,
                     struct err *err)
{
    int rc = buf_append_u8(out, '[');

    for (size_t i = 0; i < json_array_size(list) && !rc; i++) {
        json_t *entry = json_array_get(list, i);

        rc = i ? buf_append_u8(out, ',') : 0;
        if (!rc && is_plain_entry(entry))
            rc = print_entry(&m->snapshot_log[i], out);
        else if (!rc)
            rc = json_print(entry, 0, out, err);
    }
    return rc ? rc : buf_append_u8(out, ']');
}

/* jansson has a setup for each call that costs more than a number. */
static int print_value(const json_t *value, struct buf *out, struct err *err)
{
    char digits[24];

    if (!json_is_integer(value))
        return json_print(value, 0, out, err);
    return buf_append(out, digits, put_i64(digits, json_integer_value(value)));
}

static int print_shape(struct metadata_shape *shape, int list, struct buf *out, struct err *err)
{
    const struct printed *text;
    int rc = text_of(&shape->texts[list], shape->json[list], &text, err);

    return rc ? rc : buf_append(out, text->bytes, text->len);
}

static int print_member(const struct lake_metadata *m, const char *key, const json_t *value,
                        struct buf *out, struct err *err)
{
    int rc = json_quote(out, slice_str(key));

    rc = rc ? rc : buf_append_u8(out, ':');
    if (rc || !json_is_array(value))
        return rc ? rc : print_value(value, out, err);
    if (!strcmp(key, "snapshots"))
        return print_snapshots(m, out, err);
    if (!strcmp(key, "snapshot-log"))
        return print_log(m, value, out, err);
    for (int i = 0; i < SHAPE_LISTS; i++)
        if (!strcmp(key, shape_keys[i]))
            return print_shape(m->shape, i, out, err);
    return json_print(value, 0, out, err);
}

int lake_metadata_print(const struct lake_metadata *m, struct buf *out, struct err *err)
{
    size_t before = out->len;
    bool first = true;
    const char *key;
    json_t *value;
    int rc = buf_append_u8(out, '{');

    json_object_foreach(m->doc, key, value)
    {
        if (!rc && !first)
            rc = buf_append_u8(out, ',');
        rc = rc ? rc : print_member(m, key, value, out, err);
        first = false;
    }
    rc = rc ? rc : buf_append_u8(out, '}');
    if (rc)
        out->len = before;
    return rc && !(err && err->code) ? err_set(err, rc, "printing table metadata") : rc;
}
