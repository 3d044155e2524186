/* schema_test.c - the tables of messages and the codec that walks them, over every message in every
 * version that is served. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "kafka/kafka_int.h"

/* One message in one version. */
struct form {
    const struct api *api;
    const struct schema *schema;
    int version;
    bool flexible;
};

static void for_each_form(void (*fn)(const struct form *form))
{
    for (size_t i = 0; i < api_count; i++)
        for (int version = apis[i].min; version <= apis[i].max; version++)
            for (int reply = 0; reply < 2; reply++)
                fn(&(struct form){&apis[i], reply ? apis[i].response : apis[i].request, version,
                                  version >= apis[i].flexible});
}

/* ---- filling messages --------------------------------------------------------------------- */

static void fill(const struct schema *schema, struct arena *arena, struct rng *rng, void *out);

static void fill_value(const struct field *field, enum kind kind, struct arena *arena,
                       struct rng *rng, void *at)
{
    static const uint8_t text[] = "some text that is long enough";
    uint64_t any = rng_u64(rng);
    struct kafka_array *array = at;

    switch (kind) {
    case KIND_BOOL:
        *(bool *)at = any & 1;
        break;
    case KIND_INT8:
    case KIND_INT16:
    case KIND_UINT16:
    case KIND_INT32:
    case KIND_INT64:
    case KIND_UUID:
        for (size_t i = 0; i < (field->kind == KIND_ARRAY ? 4 : field->size); i++)
            ((uint8_t *)at)[i] = (uint8_t)rng_u64(rng);
        break;
    case KIND_FLOAT64:
        *(double *)at = (double)any;
        break;
    case KIND_STRING:
    case KIND_BYTES:
        *(struct slice *)at = slice_of(text, any % sizeof(text));
        break;
    case KIND_RECORDS:
        ((struct kafka_records *)at)->bytes = slice_of(text, any % sizeof(text));
        break;
    case KIND_STRUCT:
        fill(field->item, arena, rng, at);
        break;
    case KIND_ARRAY: {
        size_t size = field->item ? field->item->size : sizeof(struct slice);

        array->count = (int32_t)(any % 3);
        array->items = arena_array(arena, 3, size);
        if (!field->item && field->of != KIND_STRING)
            size = field->of == KIND_INT32 ? 4 : (field->of == KIND_INT8 ? 1 : 16);
        for (int32_t i = 0; i < array->count; i++)
            fill_value(field, field->item ? KIND_STRUCT : field->of, arena, rng,
                       (uint8_t *)array->items + (size_t)i * size);
    }
    }
}

static void fill(const struct schema *schema, struct arena *arena, struct rng *rng, void *out)
{
    schema_defaults(schema, out);
    for (size_t i = 0; i < schema->field_count; i++)
        fill_value(&schema->fields[i], schema->fields[i].kind, arena, rng,
                   (uint8_t *)out + schema->fields[i].at);
}

/* ---- tests -------------------------------------------------------------------------------- */

static void check_field(const struct schema *schema, const struct field *field)
{
    static const size_t sizes[] = {[KIND_BOOL] = sizeof(bool),
                                   [KIND_INT8] = 1,
                                   [KIND_INT16] = 2,
                                   [KIND_UINT16] = 2,
                                   [KIND_INT32] = 4,
                                   [KIND_INT64] = 8,
                                   [KIND_FLOAT64] = 8,
                                   [KIND_UUID] = 16,
                                   [KIND_STRING] = sizeof(struct slice),
                                   [KIND_BYTES] = sizeof(struct slice),
                                   [KIND_RECORDS] = sizeof(struct kafka_records),
                                   [KIND_ARRAY] = sizeof(struct kafka_array)};
    size_t want = field->kind == KIND_STRUCT ? field->item->size : sizes[field->kind];

    if (field->size != want || field->at + field->size > schema->size)
        fail_msg("%s.%s: %u bytes at %u", schema->name, field->name, field->size, field->at);
    if (field->kind == KIND_ARRAY && !field->item)
        assert_true(field->of == KIND_STRING || field->of == KIND_INT32 || field->of == KIND_INT8 ||
                    field->of == KIND_UUID || field->of == KIND_BYTES);
    if (field->item)
        for (size_t i = 0; i < field->item->field_count; i++)
            check_field(field->item, &field->item->fields[i]);
}

static void check_form(const struct form *form)
{
    for (size_t i = 0; i < form->schema->field_count; i++)
        check_field(form->schema, &form->schema->fields[i]);
}

static void every_field_has_the_size_of_its_kind(void **state)
{
    (void)state;
    for_each_form(check_form);
}

static void api_keys_are_unique_and_sorted(void **state)
{
    (void)state;
    for (size_t i = 1; i < api_count; i++)
        assert_true(apis[i - 1].key < apis[i].key);
    for (size_t i = 0; i < api_count; i++)
        assert_true(apis[i].min <= apis[i].max);
}

/* Decoding what was encoded, and encoding that, gives the same bytes: nothing is lost that the
 * version carries. */
static void round_trip(const struct form *form)
{
    struct rng rng;

    rng_init(&rng, (uint64_t)form->api->key * 1000 + (uint64_t)form->version);
    for (int round = 0; round < 20; round++) {
        struct buf first = {0}, second = {0};
        struct arena arena = {0};
        void *message = arena_alloc(&arena, form->schema->size);
        void *again = arena_alloc(&arena, form->schema->size);
        struct err err = {0};
        struct slice in;

        fill(form->schema, &arena, &rng, message);
        assert_int_equal(schema_encode(form->schema, form->version, form->flexible, message, &arena,
                                       &first, NULL, &err),
                         0);
        in = buf_slice(&first);
        if (schema_decode(form->schema, form->version, form->flexible, &in, &arena, again, &err))
            fail_msg("%s version %d: %s", form->schema->name, form->version, err.text);
        assert_int_equal(in.len, 0);
        assert_int_equal(schema_encode(form->schema, form->version, form->flexible, again, &arena,
                                       &second, NULL, &err),
                         0);
        assert_true(slice_eq(buf_slice(&first), buf_slice(&second)));
        buf_deinit(&first);
        buf_deinit(&second);
        arena_deinit(&arena);
    }
}

static void every_message_survives_the_round_trip(void **state)
{
    (void)state;
    for_each_form(round_trip);
}

static struct buf encoded(const struct form *form, struct arena *arena)
{
    void *message = arena_alloc(arena, form->schema->size);
    struct buf out = {0};
    struct rng rng;

    rng_init(&rng, 7);
    fill(form->schema, arena, &rng, message);
    assert_int_equal(schema_encode(form->schema, form->version, form->flexible, message, arena,
                                   &out, NULL, NULL),
                     0);
    return out;
}

static void cut_everywhere(const struct form *form)
{
    struct arena arena = {0};
    struct buf bytes = encoded(form, &arena);
    void *message = arena_alloc(&arena, form->schema->size);

    for (size_t len = 0; len < bytes.len; len++) {
        uint8_t *exact = malloc(len ? len : 1); /* so that the sanitizer sees a step beyond */
        struct slice in = slice_of(exact, len);
        struct err err = {0};

        memcpy(exact, bytes.ptr, len);
        assert_int_equal(
            schema_decode(form->schema, form->version, form->flexible, &in, &arena, message, &err),
            ERR_CORRUPT);
        assert_true(err.text[0] != '\0');
        free(exact);
    }
    buf_deinit(&bytes);
    arena_deinit(&arena);
}

static void refuses_every_truncation(void **state)
{
    (void)state;
    for_each_form(cut_everywhere);
}

static void starve(const struct form *form)
{
    struct arena whole = {0};
    struct buf bytes = encoded(form, &whole);
    void *message = arena_alloc(&whole, form->schema->size);
    int rc = ERR_NOMEM;

    for (int nth = 1; rc == ERR_NOMEM; nth++) {
        struct arena arena = {.fail_at = nth};
        struct slice in = buf_slice(&bytes);

        rc = schema_decode(form->schema, form->version, form->flexible, &in, &arena, message, NULL);
        arena_deinit(&arena);
    }
    assert_int_equal(rc, 0);
    buf_deinit(&bytes);
    arena_deinit(&whole);
}

static void survives_each_failed_allocation(void **state)
{
    (void)state;
    for_each_form(starve);
}

/* A count of two thousand million in a few bytes. */
static void refuses_a_count_beyond_the_bytes_left(void **state)
{
    static const uint8_t metadata_v1[] = {0x7f, 0xff, 0xff, 0xff, 0, 1, 'a'};
    static const uint8_t metadata_v9[] = {0xff, 0xff, 0xff, 0xff, 0x0f, 2, 'a', 0, 1, 0, 0, 0};
    const struct api *api = api_find(3);
    struct metadata_request message;
    struct arena arena = {.max_bytes = 4096};
    struct slice in = slice_of(metadata_v1, sizeof(metadata_v1));
    struct err err = {0};

    (void)state;
    assert_int_equal(schema_decode(api->request, 1, false, &in, &arena, &message, &err),
                     ERR_CORRUPT);
    assert_non_null(strstr(err.text, "Topics"));
    in = slice_of(metadata_v9, sizeof(metadata_v9));
    assert_int_equal(schema_decode(api->request, 9, true, &in, &arena, &message, &err),
                     ERR_CORRUPT);
    arena_deinit(&arena);
}

/* Bytes as librdkafka sends them, with a tagged field that nobody knows put in. */
static void skips_tagged_fields_it_does_not_know(void **state)
{
    static const uint8_t api_versions_v3[] = {
        11,  'l', 'i', 'b', 'r', 'd', 'k', 'a', 'f', 'k', 'a', 6,
        '2', '.', '1', '.', '0', 1,   99,  3,   'a', 'b', 'c',
    };
    struct slice in = slice_of(api_versions_v3, sizeof(api_versions_v3));
    const struct api *api = api_find(18);
    struct api_versions_request message;
    struct arena arena = {0};

    (void)state;
    assert_int_equal(schema_decode(api->request, 3, true, &in, &arena, &message, NULL), 0);
    assert_int_equal(in.len, 0);
    assert_true(slice_is(message.client_software_name, "librdkafka"));
    assert_true(slice_is(message.client_software_version, "2.1.0"));
    arena_deinit(&arena);
}

/* Versions carry their own fields: what is left out has the definition's default. */
static void absent_fields_have_their_default(void **state)
{
    const struct api *api = api_find(1);
    static const uint8_t fetch_v4[] = {
        255, 255, 255, 255, 0, 0, 1,   244, 0, 0, 0, 1,  3, 32, 0, 0,
        0,                                           /* replica, wait, min, max, iso */
        0,   0,   0,   1,   0, 1, 't', 0,   0, 0, 1, /* one topic, one partition */
        0,   0,   0,   5,   0, 0, 0,   0,   0, 0, 0, 42, 0, 16, 0, 0, /* 5, offset 42, 1 MiB */
    };
    struct slice in = slice_of(fetch_v4, sizeof(fetch_v4));
    struct fetch_request message;
    struct arena arena = {0};
    struct err err = {0};

    (void)state;
    if (schema_decode(api->request, 4, false, &in, &arena, &message, &err))
        fail_msg("%s", err.text);
    assert_int_equal(in.len, 0);
    assert_int_equal(message.max_wait_ms, 500);
    assert_int_equal(message.max_bytes, 0x03200000);
    assert_int_equal(message.session_epoch, -1);
    assert_int_equal(message.topics.count, 1);
    assert_true(slice_is(message.topics.items[0].topic, "t"));
    assert_int_equal(message.topics.items[0].partitions.items[0].partition, 5);
    assert_int_equal(message.topics.items[0].partitions.items[0].fetch_offset, 42);
    assert_int_equal(message.topics.items[0].partitions.items[0].partition_max_bytes, 1 << 20);
    assert_int_equal(message.topics.items[0].partitions.items[0].current_leader_epoch, -1);
    assert_int_equal(message.topics.items[0].partitions.items[0].log_start_offset, -1);
    arena_deinit(&arena);
}

static void null_is_refused_where_a_value_must_be(void **state)
{
    static const uint8_t heartbeat_v0[] = {255, 255, 0, 0, 0, 1, 0, 1, 'm'}; /* group id null */
    struct slice in = slice_of(heartbeat_v0, sizeof(heartbeat_v0));
    struct heartbeat_request message;
    struct arena arena = {0};
    struct err err = {0};

    (void)state;
    assert_int_equal(schema_decode(api_find(12)->request, 0, false, &in, &arena, &message, &err),
                     ERR_CORRUPT);
    assert_non_null(strstr(err.text, "GroupId"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_has_the_size_of_its_kind),
        cmocka_unit_test(api_keys_are_unique_and_sorted),
        cmocka_unit_test(every_message_survives_the_round_trip),
        cmocka_unit_test(refuses_every_truncation),
        cmocka_unit_test(survives_each_failed_allocation),
        cmocka_unit_test(refuses_a_count_beyond_the_bytes_left),
        cmocka_unit_test(skips_tagged_fields_it_does_not_know),
        cmocka_unit_test(absent_fields_have_their_default),
        cmocka_unit_test(null_is_refused_where_a_value_must_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
