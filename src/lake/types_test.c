/* types_test.c - values, transforms, schemas and their evolution, against the spec's examples. */
#include "lake/testing.h"

static struct lake_value parsed(const char *type_text, const char *text, struct arena *arena,
                                struct lake_type *type)
{
    struct lake_value value;
    struct err err = {0};

    if (lake_type_parse(type_text, type, &err) || lake_value_parse(type, text, arena, &value, &err))
        fail_msg("%s %s: %s", type_text, text, err.text);
    return value;
}

/* Iceberg spec, appendix B. bucket[N] with N = 2^31 - 1 shows nearly the whole hash. */
static void hashes_are_those_of_the_specification(void **state)
{
    static const struct {
        const char *type, *text;
        int32_t hash;
    } vectors[] = {
        {"int", "34", 2017239379},
        {"long", "34", 2017239379},
        {"decimal(9,2)", "14.20", -500754589},
        {"date", "2017-11-16", -653330422},
        {"time", "22:31:08", -662762989},
        {"timestamp", "2017-11-16T22:31:08", -2047944441},
        {"timestamp", "2017-11-16T22:31:08.000001", -1207196810},
        {"timestamptz", "2017-11-16T14:31:08-08:00", -2047944441},
        {"timestamp_ns", "2017-11-16T22:31:08.000001001", -1207196810},
        {"string", "iceberg", 1210000089},
        {"uuid", "f79c3e09-677c-4bbd-a479-3f349cb785e7", 1488055340},
        {"binary", "\\x00\\x01\\x02\\x03", -188683207},
    };
    struct lake_transform bucket = {.kind = LAKE_BUCKET, .arg = INT32_MAX};
    struct arena arena = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        struct lake_type type;
        struct lake_value in = parsed(vectors[i].type, vectors[i].text, &arena, &type), out;

        assert_int_equal(lake_transform_apply(&bucket, &type, &in, &out), 0);
        assert_int_equal(out.i, (vectors[i].hash & INT32_MAX) % INT32_MAX);
    }
    arena_deinit(&arena);
}

static void transforms_round_down_and_read_well(void **state)
{
    static const struct {
        const char *transform, *type, *text, *human;
    } vectors[] = {
        {"year", "date", "1969-12-31", "1969"},
        {"month", "date", "1969-12-31", "1969-12"},
        {"day", "timestamp", "1969-12-31 23:59:59.999999", "1969-12-31"},
        {"hour", "timestamptz", "1969-12-31 23:59:59.999999+00", "1969-12-31-23"},
        {"hour", "timestamp_ns", "2024-02-29 10:59:59.999999999", "2024-02-29-10"},
        {"month", "timestamptz", "2024-03-01 00:30:00+02:00", "2024-02"},
        {"truncate[10]", "int", "-1", "-10"},
        {"truncate[10]", "long", "19", "10"},
        {"truncate[50]", "decimal(9,2)", "10.65", "10.50"},
        {"truncate[50]", "decimal(9,2)", "-0.05", "-0.50"},
        {"truncate[3]", "string", "äöüß", "äöü"},
        {"identity", "boolean", "true", "true"},
        {"identity", "timestamptz", "2024-02-29 12:00:00.5+00", "2024-02-29T12:00:00.500000+00:00"},
        {"void", "string", "x", "null"},
    };
    struct arena arena = {0};
    struct buf text = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        struct lake_type type, result;
        struct lake_transform transform;
        struct lake_value in = parsed(vectors[i].type, vectors[i].text, &arena, &type), out;

        assert_int_equal(lake_transform_parse(vectors[i].transform, &arena, &transform, NULL), 0);
        assert_int_equal(lake_transform_type(&transform, &type, &result, NULL), 0);
        assert_int_equal(lake_transform_apply(&transform, &type, &in, &out), 0);
        buf_clear(&text);
        assert_int_equal(lake_transform_human(&transform, &result, &out, &text), 0);
        assert_string_equal(buf_cstr(&text), vectors[i].human);
    }
    buf_deinit(&text);
    arena_deinit(&arena);
}

static void values_keep_through_binary_and_text(void **state)
{
    static const struct {
        const char *type, *text;
        size_t len; /* of the binary form, appendix D */
    } vectors[] = {
        {"boolean", "true", 1},
        {"int", "-2147483648", 4},
        {"long", "9223372036854775807", 8},
        {"date", "0001-01-01", 4},
        {"date", "9999-12-31", 4},
        {"time", "23:59:59.999999", 8},
        {"timestamp", "1677-09-21T00:12:43.145224", 8},
        {"timestamptz", "2262-04-11T23:47:16.854775+00:00", 8},
        {"timestamp_ns", "2262-04-11T23:47:16.854775807", 8},
        {"decimal(38, 10)", "-1234567890123456789012345678.0123456789", 16},
        {"decimal(9, 2)", "1.28", 2}, /* 128 needs a byte for the sign */
        {"decimal(9, 2)", "-1.28", 1},
        {"decimal(9, 2)", "0.00", 1},
        {"string", "häuser", 7},
        {"uuid", "f79c3e09-677c-4bbd-a479-3f349cb785e7", 16},
    };
    struct arena arena = {0};
    struct buf text = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        struct lake_type type;
        struct lake_value in = parsed(vectors[i].type, vectors[i].text, &arena, &type), out;
        struct slice bytes;

        assert_int_equal(lake_value_encode(&type, &in, &arena, &bytes), 0);
        assert_int_equal(bytes.len, vectors[i].len);
        assert_int_equal(lake_value_decode(&type, bytes, &out, NULL), 0);
        assert_int_equal(lake_value_cmp(&type, &in, &out), 0);
        buf_clear(&text);
        assert_int_equal(lake_value_text(&type, &out, &text), 0);
        assert_string_equal(buf_cstr(&text), vectors[i].text);
    }
    buf_deinit(&text);
    arena_deinit(&arena);
}

static void bounds_of_promoted_columns_still_read(void **state)
{
    struct lake_type type_long = {.kind = LAKE_LONG}, type_double = {.kind = LAKE_DOUBLE};
    struct lake_value value;
    struct err err = {0};
    float half = 0.5f;

    (void)state;
    assert_int_equal(lake_value_decode(&type_long, SLICE_LIT("\xff\xff\xff\xff"), &value, &err), 0);
    assert_int_equal(value.i, -1);
    assert_int_equal(lake_value_decode(&type_double, slice_of(&half, 4), &value, &err), 0);
    assert_true(value.d == 0.5);
    assert_int_equal(lake_value_decode(&type_long, SLICE_LIT("abc"), &value, &err), ERR_CORRUPT);
}

static void texts_that_are_no_values_are_refused(void **state)
{
    static const char *const bad[][2] = {
        {"int", "1x"},
        {"date", "2024-13-01"},
        {"date", "2024-01"},
        {"time", "25:00:00"},
        {"timestamp", "now"},
        {"decimal(9,2)", "1.234"},
        {"decimal(9,2)", "1e5"},
        {"uuid", "f79c3e09"},
        {"boolean", "yes!"},
        {"double", "1,5"},
        {"timestamp", "2024-01-01 10:00:00 o'clock"},
    };
    struct arena arena = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct lake_type type;
        struct lake_value value;
        struct err err = {0};

        assert_int_equal(lake_type_parse(bad[i][0], &type, &err), 0);
        assert_int_equal(lake_value_parse(&type, bad[i][1], &arena, &value, &err), ERR_INVALID);
    }
    arena_deinit(&arena);
}

static const char nested[] =
    "{\"type\":\"struct\",\"schema-id\":3,\"identifier-field-ids\":[1],\"fields\":["
    "{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"int\",\"doc\":\"the key\"},"
    "{\"id\":2,\"name\":\"a.b\",\"required\":false,\"type\":\"fixed[16]\"},"
    "{\"id\":3,\"name\":\"list\",\"required\":false,\"type\":{\"type\":\"list\",\"element-id\":5,"
    "\"element\":{\"type\":\"struct\",\"fields\":[{\"id\":6,\"name\":\"x\",\"required\":false,"
    "\"type\":\"decimal(9, 2)\"}]},\"element-required\":true}},"
    "{\"id\":4,\"name\":\"map\",\"required\":false,\"type\":{\"type\":\"map\",\"key-id\":7,\"key\":"
    "\"string\",\"value-id\":8,\"value\":\"timestamptz_ns\",\"value-required\":false}}]}";

static void schemas_print_as_they_were_read(void **state)
{
    struct arena arena = {0};
    struct lake_schema schema;
    struct buf text = {0};
    json_t *json, *again;

    (void)state;
    assert_int_equal(lake_schema_parse_text(SLICE_LIT(nested), &arena, &schema, NULL), 0);
    json = lake_schema_json(&schema);
    again = json_loads(nested, 0, NULL);
    assert_true(json_equal(json, again));
    json_decref(json);
    json_decref(again);
    assert_int_equal(lake_schema_max_id(&schema), 8);
    assert_int_equal(lake_schema_by_name(&schema, "list.element.x")->id, 6);
    assert_int_equal(lake_schema_by_name(&schema, "a.b")->id, 2);
    assert_int_equal(lake_schema_by_name(&schema, "map.value")->id, 8);
    assert_null(lake_schema_by_name(&schema, "list.x"));
    assert_int_equal(lake_duckdb_type(&schema.root, &text, NULL), 0);
    assert_string_equal(
        buf_cstr(&text),
        "STRUCT(\"id\" INTEGER, \"a.b\" BLOB, \"list\" STRUCT(\"x\" DECIMAL(9,2))[], "
        "\"map\" MAP(VARCHAR, TIMESTAMP_NS))");
    buf_clear(&text);
    assert_int_equal(lake_duckdb_field_ids(&schema, &text, NULL), 0);
    assert_string_equal(
        buf_cstr(&text),
        "{\"id\": 1, \"a.b\": 2, \"list\": {__duckdb_field_id: 3, \"element\": "
        "{__duckdb_field_id: 5, \"x\": 6}}, \"map\": {__duckdb_field_id: 4, \"key\": "
        "7, \"value\": 8}}");
    buf_deinit(&text);
    arena_deinit(&arena);
}

static void broken_schemas_are_refused(void **state)
{
    static const char *const bad[] = {
        "{\"type\":\"struct\"}",
        "{\"type\":\"struct\",\"fields\":[{\"id\":1,\"name\":\"a\",\"required\":true}]}",
        "{\"type\":\"struct\",\"fields\":[{\"id\":1,\"name\":\"a\",\"required\":true,\"type\":"
        "\"int\"},{\"id\":1,\"name\":\"b\",\"required\":true,\"type\":\"int\"}]}",
        "{\"type\":\"struct\",\"fields\":[{\"id\":1,\"name\":\"a\",\"required\":true,\"type\":"
        "\"int\"},{\"id\":2,\"name\":\"a\",\"required\":true,\"type\":\"int\"}]}",
        "{\"type\":\"struct\",\"fields\":[{\"id\":1,\"name\":\"a\",\"required\":true,\"type\":"
        "\"decimal(39, 2)\"}]}",
        "{\"type\":\"struct\",\"fields\":[{\"id\":1,\"name\":\"a\",\"required\":true,\"type\":"
        "\"variant\"}]}",
        "{\"type\":\"struct\",\"identifier-field-ids\":[9],\"fields\":[]}",
    };
    struct arena arena = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct lake_schema schema;
        struct err err = {0};

        assert_int_not_equal(lake_schema_parse_text(slice_str(bad[i]), &arena, &schema, &err), 0);
        assert_true(err.text[0]);
    }
    arena_deinit(&arena);
}

static void evolution_keeps_ids_and_its_rules(void **state)
{
    struct lake_type type_long = {.kind = LAKE_LONG}, type_int = {.kind = LAKE_INT};
    struct lake_type wider = {.kind = LAKE_DECIMAL, .precision = 12, .scale = 2};
    struct lake_type other = {.kind = LAKE_DECIMAL, .precision = 12, .scale = 3};
    const struct lake_edit good[] = {
        {LAKE_PROMOTE, "id", NULL, &type_long, false},
        {LAKE_ADD, "list.element.y", NULL, &type_int, false},
        {LAKE_PROMOTE, "list.element.x", NULL, &wider, false},
        {LAKE_RENAME, "map", "kv", NULL, false},
        {LAKE_ADD, "map", NULL, &type_int, false},
        {LAKE_MOVE_AFTER, "map", "id", NULL, false},
        {LAKE_DROP, "a.b", NULL, NULL, false},
    };
    const struct {
        struct lake_edit edit;
        int rc;
    } bad[] = {
        {{LAKE_PROMOTE, "list.element.x", NULL, &other, false}, ERR_INVALID},
        {{LAKE_DROP, "id", NULL, NULL, false}, ERR_INVALID},
        {{LAKE_DROP, "list.element", NULL, NULL, false}, ERR_INVALID},
        {{LAKE_RENAME, "id", "map", NULL, false}, ERR_EXISTS},
        {{LAKE_ADD, "nobody.x", NULL, &type_int, false}, ERR_NOENT},
        {{LAKE_ADD, "z", NULL, &type_int, true}, ERR_INVALID},
        {{LAKE_MAKE_OPTIONAL, "id", NULL, NULL, false}, ERR_INVALID},
        {{LAKE_MOVE_BEFORE, "id", "id", NULL, false}, ERR_NOENT},
    };
    struct arena arena = {0};
    struct lake_schema schema, next;
    int32_t last = 8;

    (void)state;
    assert_int_equal(lake_schema_parse_text(SLICE_LIT(nested), &arena, &schema, NULL), 0);
    assert_int_equal(lake_schema_edit(&schema, good, COUNT_OF(good), 2, &last, &arena, &next, NULL),
                     0);
    assert_int_equal(last, 10);
    assert_string_equal(next.root.fields[1].name, "map");
    assert_int_equal(next.root.fields[1].id, 10);
    assert_int_equal(lake_schema_by_name(&next, "kv")->id, 4);
    assert_int_equal(lake_schema_by_name(&next, "list.element.y")->id, 9);
    assert_null(lake_schema_by_name(&next, "a.b"));
    assert_string_equal(schema.root.fields[3].name, "map"); /* the base is as it was */
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct err err = {0};

        assert_int_equal(lake_schema_edit(&schema, &bad[i].edit, 1, 2, &last, &arena, &next, &err),
                         bad[i].rc);
    }
    arena_deinit(&arena);
}

/* v3's source-ids: one is the plain form; of several nothing is known but what is written. */
static void transforms_of_several_columns_are_kept_as_written(void **state)
{
    static const char text[] =
        "[{\"source-ids\":[1,2],\"field-id\":1000,\"transform\":\"bucket[4]\",\"name\":\"b\"},"
        "{\"source-ids\":[3],\"field-id\":1001,\"transform\":\"day\",\"name\":\"d\"}]";
    struct arena arena = {0};
    struct lake_partition_spec spec;
    struct err err = {0};
    json_t *json = json_loads(text, 0, NULL), *again;

    (void)state;
    assert_int_equal(lake_spec_parse(json, &arena, &spec, &err), 0);
    assert_int_equal(spec.fields[0].transform.kind, LAKE_UNKNOWN_TRANSFORM);
    assert_int_equal(spec.fields[1].transform.kind, LAKE_DAY);
    assert_int_equal(spec.fields[1].source_id, 3);
    again = lake_spec_fields_json(&spec);
    assert_true(json_equal(json_array_get(json, 0), json_array_get(again, 0)));
    json_decref(again);
    json_decref(json);
    arena_deinit(&arena);
}

static void defaults_go_through_json_and_back(void **state)
{
    static const struct {
        const char *type, *json;
    } values[] = {{"boolean", "true"},
                  {"int", "-7"},
                  {"double", "0.25"},
                  {"decimal(9, 2)", "\"14.20\""},
                  {"string", "\"it's \\\"x\\\"\""},
                  {"date", "\"2017-11-16\""},
                  {"time", "\"22:31:08.123456\""},
                  {"timestamp", "\"2017-11-16T22:31:08.123456\""},
                  {"timestamptz", "\"2017-11-16T22:31:08.123456+00:00\""},
                  {"timestamp_ns", "\"2017-11-16T22:31:08.123456789\""},
                  {"uuid", "\"f79c3e09-677c-4bbd-a479-3f349cb785e7\""},
                  {"fixed[4]", "\"00FF0102\""},
                  {"binary", "\"0001FF\""}};
    struct arena arena = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        struct lake_type type;
        struct lake_value value;
        struct buf out = {0};

        assert_int_equal(lake_type_parse(values[i].type, &type, NULL), 0);
        assert_int_equal(lake_value_from_json(&type, values[i].json, &arena, &value, NULL), 0);
        assert_int_equal(lake_value_json(&type, &value, &out), 0);
        assert_string_equal(buf_cstr(&out), values[i].json);
        buf_deinit(&out);
    }
    arena_deinit(&arena);
}

static void a_format_refuses_types_it_does_not_have(void **state)
{
    static const struct {
        const char *fields;
        int two, three;
    } schemas[] = {
        {"{\"id\":1,\"name\":\"a\",\"required\":false,\"type\":\"unknown\"}", ERR_INVALID, 0},
        {"{\"id\":1,\"name\":\"a\",\"required\":true,\"type\":\"unknown\"}", ERR_INVALID,
         ERR_INVALID},
        {"{\"id\":1,\"name\":\"a\",\"required\":false,\"type\":{\"type\":\"list\","
         "\"element-id\":2,\"element-required\":true,\"element\":\"timestamp_ns\"}}",
         ERR_INVALID, 0},
        {"{\"id\":1,\"name\":\"a\",\"required\":true,\"type\":\"int\",\"initial-default\":5}",
         ERR_INVALID, 0},
        {"{\"id\":1,\"name\":\"a\",\"required\":true,\"type\":\"int\"}", 0, 0}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(schemas); i++) {
        struct arena arena = {0};
        struct lake_schema schema;
        const char *text =
            arena_printf(&arena, "{\"type\":\"struct\",\"fields\":[%s]}", schemas[i].fields);

        assert_int_equal(lake_schema_parse_text(slice_str(text), &arena, &schema, NULL), 0);
        assert_int_equal(lake_schema_check_format(&schema, 2, NULL), schemas[i].two);
        assert_int_equal(lake_schema_check_format(&schema, 3, NULL), schemas[i].three);
        arena_deinit(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_are_those_of_the_specification),
        cmocka_unit_test(transforms_round_down_and_read_well),
        cmocka_unit_test(values_keep_through_binary_and_text),
        cmocka_unit_test(bounds_of_promoted_columns_still_read),
        cmocka_unit_test(texts_that_are_no_values_are_refused),
        cmocka_unit_test(schemas_print_as_they_were_read),
        cmocka_unit_test(broken_schemas_are_refused),
        cmocka_unit_test(evolution_keeps_ids_and_its_rules),
        cmocka_unit_test(transforms_of_several_columns_are_kept_as_written),
        cmocka_unit_test(defaults_go_through_json_and_back),
        cmocka_unit_test(a_format_refuses_types_it_does_not_have),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
