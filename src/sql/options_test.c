/* Options are known by name, kind and value; what is wrong is told with the nearest right one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "sql/sql.h"

static const struct {
    const char *with; /* between WITH ( and ) */
    const char *error;
} cases[] = {
    {"'connector'='kafka','topic'='t','properties.bootstrap.servers'='localhost:9092','format'='"
     "json',"
     "'scan.startup.mode'='earliest-offset','json.ignore-parse-errors'='true',"
     "'json.timestamp-format.standard'='ISO-8601','properties.group.id'='g',"
     "'scan.topic-partition-discovery.interval'='10 s'",
     NULL},
    {"'connector'='kafka','topic'='t','json.fail-on-missing-field'='false'", NULL},
    {"'connector'='kafka','topic'='t','key.format'='json','key.fields'='a','value.format'='json',"
     "'value.json.ignore-parse-errors'='true'",
     NULL},
    {"'write.format.default'='parquet'", NULL}, /* a catalog's own table */
    {"'conector'='kafka'",
     "line 1, column 30: unknown option 'conector'; did you mean 'connector'?"},
    {"'connector'='kafak'", "line 1, column 42: unknown connector 'kafak'; did you mean 'kafka'?"},
    {"'connector'='kafka','topci'='t'",
     "line 1, column 50: unknown option 'topci'; did you mean 'topic'?"},
    {"'connector'='kafka','format'='jsno'",
     "line 1, column 59: unknown format 'jsno'; did you mean 'json'?"},
    {"'connector'='kafka','format'='json','json.ignore-parse-error'='true'",
     "line 1, column 66: unknown option 'json.ignore-parse-error'; did you mean "
     "'json.ignore-parse-errors'?"},
    {"'connector'='kafka','scan.startup.mode'='earliest'",
     "line 1, column 70: 'scan.startup.mode' = 'earliest': one of "
     "earliest-offset|latest-offset|group-offsets|timestamp|specific-offsets"},
    {"'connector'='kafka','scan.startup.mode'='earliest-ofset'",
     "line 1, column 70: 'scan.startup.mode' = 'earliest-ofset': no such value; did you mean "
     "'earliest-offset'?"},
    {"'connector'='kafka','scan.startup.mode'='timestamp'",
     "line 1, column 50: scan.startup.mode = timestamp needs the option "
     "'scan.startup.timestamp-millis'"},
    {"'connector'='kafka','json.ignore-parse-errors'='yes'",
     "line 1, column 77: 'json.ignore-parse-errors' takes true or false, not 'yes'"},
    {"'connector'='kafka','topic'='a','topic'='b'",
     "line 1, column 62: option 'topic' stands twice"},
    {"'connector'='datagen','rows-per-second'='x'",
     "line 1, column 70: 'rows-per-second' takes a whole number, not 'x'"},
    {"'connector'='datagen','fields.a.kind'='random'", NULL},
    {"'connector'='datagen','fields.a.kid'='random'",
     "line 1, column 52: unknown option 'fields.a.kid'; did you mean 'fields.#.kind'?"},
    {"'connector'='kafka','topic'='t','format'='avro-confluent'",
     "line 1, column 71: the format 'avro-confluent' is not built yet: it needs a schema registry; "
     "take avro, json or csv"},
    {"'connector'='hbase-2.2','zookeeper.quorum'='h'",
     "line 1, column 42: the connector 'hbase-2.2' is not built yet: write to a topic and let "
     "Kafka "
     "Connect carry it over"},
    {"'connector'='postgres-cdc','hostname'='db'",
     "line 1, column 42: the connector 'postgres-cdc' is not built yet: let Debezium write to a "
     "topic here and read it with 'format' = 'debezium-json'"},
};

static void options_are_checked_by_name_kind_and_value(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct arena arena = {0};
        struct sql_statement *statement;
        struct err err = {0};
        const char *text = arena_printf(&arena, "CREATE TABLE t (a INT) WITH (%s)", cases[i].with);
        int rc;

        if (sql_parse_statement(slice_str(text), &arena, &statement, &err))
            fail_msg("%s", err.text);
        rc = sql_options_check(&statement->create_table->options, statement->pos, &err);
        if (!cases[i].error && rc)
            fail_msg("%s: %s", cases[i].with, err.text);
        if (cases[i].error)
            assert_string_equal(err.text, cases[i].error);
        arena_deinit(&arena);
    }
}

static const struct {
    const char *with, *error;
} catalogs[] = {
    {"'type'='iceberg','catalog-type'='rest','uri'='http://localhost:8181/api/catalog',"
     "'warehouse'='polariscatalog','credential'='root:secret','scope'='PRINCIPAL_ROLE:ALL'",
     NULL},
    {"'type'='iceberg','warehuose'='w'",
     "line 1, column 41: unknown option 'warehuose'; did you mean 'warehouse'?"},
    {"'type'='icebreg'",
     "line 1, column 31: unknown catalog type 'icebreg'; did you mean 'iceberg'?"},
    {"'type'='hive'",
     "line 1, column 31: the catalog type 'hive' is not built yet: 'type' = 'iceberg' "
     "is"},
    {"'uri'='x'", "line 1, column 1: a catalog needs the option 'type'"},
};

static void catalog_options_are_checked(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(catalogs); i++) {
        struct arena arena = {0};
        struct sql_statement *statement;
        struct err err = {0};
        const char *text = arena_printf(&arena, "CREATE CATALOG c WITH (%s)", catalogs[i].with);
        int rc;

        assert_int_equal(sql_parse_statement(slice_str(text), &arena, &statement, &err), 0);
        rc = sql_catalog_options_check(&statement->create_catalog->options, statement->pos, &err);
        if (!catalogs[i].error && rc)
            fail_msg("%s", err.text);
        if (catalogs[i].error)
            assert_string_equal(err.text, catalogs[i].error);
        arena_deinit(&arena);
    }
}

static void the_nearest_name_is_near(void **state)
{
    static const char *const known[] = {"amount", "currency", "created_at", "id"};

    (void)state;
    assert_string_equal(sql_nearest("amuont", known, COUNT_OF(known)), "amount");
    assert_string_equal(sql_nearest("Currency", known, COUNT_OF(known)), "currency");
    assert_string_equal(sql_nearest("createdat", known, COUNT_OF(known)), "created_at");
    assert_null(sql_nearest("zebra", known, COUNT_OF(known)));
    assert_null(sql_nearest("x", known, COUNT_OF(known)));
}

static void keys_of_old_become_todays(void **state)
{
    static const char text[] =
        "CREATE TABLE t (a INT) WITH ('connector.type'='kafka', 'connector.version'='universal',"
        " 'connector.topic'='x', 'connector.startup-mode'='earliest-offset',"
        " 'connector.properties.bootstrap.servers'='h:9092',"
        " 'connector.properties.0.key'='group.id', 'connector.properties.0.value'='g',"
        " 'format.type'='json', 'format.derive-schema'='true',"
        " 'format.ignore-parse-errors'='true', 'update-mode'='append')";
    static const char *const wanted[] = {"connector",
                                         "kafka",
                                         "topic",
                                         "x",
                                         "scan.startup.mode",
                                         "earliest-offset",
                                         "properties.bootstrap.servers",
                                         "h:9092",
                                         "format",
                                         "json",
                                         "json.ignore-parse-errors",
                                         "true"};
    struct arena arena = {0};
    struct sql_statement *statement;
    const struct sql_options *options;
    struct err err = {0};

    (void)state;
    assert_int_equal(sql_parse_statement(slice_str(text), &arena, &statement, &err), 0);
    options = &statement->create_table->options;
    assert_int_equal(sql_options_modernize(&options, &arena, &err), 0);
    for (size_t i = 0; i < COUNT_OF(wanted); i += 2)
        assert_string_equal(sql_option(options, wanted[i]), wanted[i + 1]);
    assert_string_equal(sql_option(options, "properties.group.id"), "g");
    assert_int_equal(options->count, COUNT_OF(wanted) / 2 + 1);
    if (sql_options_check(options, statement->pos, &err))
        fail_msg("%s", err.text);
    arena_deinit(&arena);
}

/* What Flink 1.10's documentation has of kafka and filesystem, and what is made of it; today NULL:
 * nothing is left of it. */
static const struct {
    const char *old, *key, *value;
} old_keys[] = {
    {"'connector.version'='0.11'", "connector.version", NULL},
    {"'connector.property-version'='1'", "connector.property-version", NULL},
    {"'connector.topic'='x'", "topic", "x"},
    {"'update-mode'='append'", "update-mode", NULL},
    {"'connector.properties.zookeeper.connect'='z:2181'", "properties.zookeeper.connect", NULL},
    {"'connector.properties.bootstrap.servers'='h:9092'", "properties.bootstrap.servers", "h:9092"},
    {"'connector.properties.0.key'='group.id','connector.properties.0.value'='g'",
     "properties.group.id", "g"},
    {"'connector.startup-mode'='latest-offset'", "scan.startup.mode", "latest-offset"},
    {"'connector.specific-offsets'='partition:0,offset:42'", "scan.startup.specific-offsets",
     "partition:0,offset:42"},
    {"'connector.specific-offsets.0.partition'='0','connector.specific-offsets.0.offset'='42',"
     "'connector.specific-offsets.1.partition'='1','connector.specific-offsets.1.offset'='300'",
     "scan.startup.specific-offsets", "partition:0,offset:42;partition:1,offset:300"},
    {"'connector.startup-timestamp-millis'='5'", "scan.startup.timestamp-millis", "5"},
    {"'connector.sink-partitioner'='round-robin'", "sink.partitioner", "round-robin"},
    {"'connector.sink-partitioner-class'='com.P'", "sink.partitioner-class", NULL},
    {"'connector.path'='file:///x'", "path", "file:///x"},
    {"'format.type'='csv','format.field-delimiter'=';'", "csv.field-delimiter", ";"},
    {"'format.type'='csv','format.quote-character'='|'", "csv.quote-character", "|"},
    {"'format.type'='csv','format.allow-comments'='true'", "csv.allow-comments", "true"},
    {"'format.type'='csv','format.array-element-delimiter'='|'", "csv.array-element-delimiter",
     "|"},
    {"'format.type'='csv','format.escape-character'='e'", "csv.escape-character", "e"},
    {"'format.type'='csv','format.null-literal'='n'", "csv.null-literal", "n"},
    {"'format.type'='csv','format.fields.0.name'='a','format.fields.0.data-type'='INT'",
     "csv.fields.0.name", NULL},
    {"'format.type'='json','format.fail-on-missing-field'='true'", "json.fail-on-missing-field",
     "true"},
    {"'format.type'='json','format.derive-schema'='true'", "json.derive-schema", NULL},
    {"'format.type'='json','format.json-schema'='{}'", "json.json-schema", NULL},
};

static void each_old_key_of_kafka_and_filesystem_has_its_own_of_today(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(old_keys); i++) {
        struct arena arena = {0};
        struct sql_statement *statement;
        const struct sql_options *options;
        const char *text = arena_printf(
            &arena, "CREATE TABLE t (a INT) WITH ('connector.type'='kafka',%s)", old_keys[i].old);
        struct err err = {0};

        assert_int_equal(sql_parse_statement(slice_str(text), &arena, &statement, &err), 0);
        options = &statement->create_table->options;
        assert_int_equal(sql_options_modernize(&options, &arena, &err), 0);
        if (old_keys[i].value && !sql_option(options, old_keys[i].key))
            fail_msg("%s: no '%s'", old_keys[i].old, old_keys[i].key);
        if (old_keys[i].value)
            assert_string_equal(sql_option(options, old_keys[i].key), old_keys[i].value);
        else
            assert_null(sql_option(options, old_keys[i].key));
        for (size_t k = 0; k < options->count; k++)
            assert_true(strncmp(options->list[k].key, "connector.", 10) != 0 &&
                        strncmp(options->list[k].key, "format.", 7) != 0);
        arena_deinit(&arena);
    }
}

static void secrets_are_not_shown(void **state)
{
    static const char *const texts[][2] = {
        {"WITH ('properties.sasl.password' = 'x''y', 'topic'='t')",
         "WITH ('properties.sasl.password' = '******', 'topic'='t')"},
        {"SET 's3.secret-access-key'='x';", "SET 's3.secret-access-key'='******';"},
        {"-- it's 'password' = 'x'\n'a'='b'", "-- it's 'password' = 'x'\n'a'='b'"},
        {"/* ' */ 'properties.sasl.jaas.config' /* is */ = 'p \"w\"'",
         "/* ' */ 'properties.sasl.jaas.config' /* is */ = '******'"},
        {"'password' = '${PASSWORD}'", "'password' = '${PASSWORD}'"},
        {"'password' = '${A}b}c'", "'password' = '******'"},
        {"SELECT 'password' AS a, 'b' = 'password'", "SELECT 'password' AS a, 'b' = 'password'"},
        {"'password' = 'not closed", "'password' = '******'"},
        {"'password' = '", "'password' = '"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct buf out = {0};

        assert_int_equal(sql_hide_secrets(slice_str(texts[i][0]), &out), 0);
        assert_string_equal(buf_cstr(&out), texts[i][1]);
        buf_deinit(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_checked_by_name_kind_and_value),
        cmocka_unit_test(catalog_options_are_checked),
        cmocka_unit_test(the_nearest_name_is_near),
        cmocka_unit_test(keys_of_old_become_todays),
        cmocka_unit_test(each_old_key_of_kafka_and_filesystem_has_its_own_of_today),
        cmocka_unit_test(secrets_are_not_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
