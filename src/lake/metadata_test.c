/* metadata_test.c - metadata files and the updates of the REST catalog. */
#include "lake/testing.h"

static const char v1[] =
    "{\"format-version\":1,\"table-uuid\":\"d20125c8-7284-442c-9aea-15fee620737c\",\"location\":"
    "\"s3://b/"
    "t\",\"last-updated-ms\":1602638573874,\"last-column-id\":3,\"unknown-field\":{\"x\":1},"
    "\"schema\":{\"type\":\"struct\",\"fields\":[{\"id\":1,\"name\":\"x\",\"required\":true,"
    "\"type\":"
    "\"long\"}]},\"partition-spec\":[{\"name\":\"x\",\"transform\":\"identity\",\"source-id\":1,"
    "\"field-id\":1000}],\"properties\":{},\"current-snapshot-id\":-1,\"snapshots\":[]}";

static struct lake_metadata *parse(const char *text)
{
    struct lake_metadata *m;
    struct err err = {0};

    if (lake_metadata_parse(slice_str(text), &m, &err))
        fail_msg("%s", err.text);
    return m;
}

static json_t *js(const char *text) /* single quotes are double ones */
{
    char *copy = strdup(text);
    json_error_t error;
    json_t *json;

    for (char *c = copy; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    json = json_loads(copy, 0, &error);
    if (!json)
        fail_msg("%s in %s", error.text, copy);
    free(copy);
    return json;
}

/* A version that shares with the one before is what it would be had it been read from its file. */
static void assert_as_read(const struct lake_metadata *m)
{
    struct buf own = {0}, whole = {0};
    struct lake_metadata *read;
    struct err err = {0};

    assert_int_equal(json_print(m->doc, 0, &whole, &err), 0);
    assert_int_equal(lake_metadata_print(m, &own, &err), 0);
    assert_string_equal(buf_cstr(&own), buf_cstr(&whole));
    read = parse(buf_cstr(&own));
    assert_int_equal(read->schema_count, m->schema_count);
    assert_int_equal(read->spec_count, m->spec_count);
    assert_int_equal(read->order_count, m->order_count);
    assert_int_equal(read->snapshot_count, m->snapshot_count);
    assert_int_equal(read->snapshot_log_count, m->snapshot_log_count);
    for (size_t i = 0; i < m->snapshot_count; i++) {
        const struct lake_snapshot *a = &m->snapshots[i], *b = &read->snapshots[i];

        assert_int_equal(a->id, b->id);
        assert_int_equal(a->sequence_number, b->sequence_number);
        assert_int_equal(a->manifest_count, b->manifest_count);
        assert_int_equal(a->summary_count, b->summary_count);
        assert_string_equal(a->operation, b->operation);
    }
    for (size_t i = 0; i < m->snapshot_log_count; i++) {
        assert_int_equal(m->snapshot_log[i].timestamp_ms, read->snapshot_log[i].timestamp_ms);
        assert_int_equal(m->snapshot_log[i].snapshot_id, read->snapshot_log[i].snapshot_id);
    }
    lake_metadata_free(read);
    buf_deinit(&own);
    buf_deinit(&whole);
}

static int apply(struct lake_metadata **m, const char *requirements, const char *updates,
                 struct err *err)
{
    json_t *r = requirements ? js(requirements) : NULL, *u = js(updates);
    struct lake_metadata *next;
    int rc = lake_metadata_apply(*m, r, u, 1700000000000, &next, err);

    json_decref(r);
    json_decref(u);
    if (!rc) {
        lake_metadata_free(*m);
        *m = next;
        assert_as_read(*m);
    }
    return rc;
}

static void v1_has_the_lists_of_v2_and_keeps_what_is_its_own(void **state)
{
    struct lake_metadata *m = parse(v1);
    struct buf text = {0};

    (void)state;
    assert_int_equal(m->format_version, 1);
    assert_int_equal(m->schema_count, 1);
    assert_int_equal(lake_metadata_spec(m)->field_count, 1);
    assert_int_equal(m->last_partition_id, 1000);
    assert_int_equal(m->last_sequence_number, 0);
    assert_int_equal(m->current_snapshot_id, -1);
    assert_int_equal(lake_metadata_print(m, &text, NULL), 0);
    assert_non_null(strstr(buf_cstr(&text), "\"unknown-field\":{\"x\":1}"));
    assert_non_null(strstr(buf_cstr(&text), "\"format-version\":1"));
    assert_non_null(json_object_get(m->doc, "schema"));
    assert_null(json_object_get(m->doc, "last-sequence-number"));
    buf_deinit(&text);
    lake_metadata_free(m);
}

static void v1_without_a_uuid_has_the_same_each_time(void **state)
{
    char *text = strdup(v1), *at;
    struct lake_metadata *one, *other;

    (void)state;
    at = strstr(text, "table-uuid");
    memcpy(at, "other-uuid", 10);
    one = parse(text);
    other = parse(text);
    assert_int_equal(strlen(one->uuid), 36);
    assert_string_equal(one->uuid, other->uuid);
    lake_metadata_free(one);
    lake_metadata_free(other);
    free(text);
}

/* What pyiceberg sends to create a table. */
static const char create_updates[] =
    "[{'action':'assign-uuid','uuid':'d20125c8-7284-442c-9aea-15fee620737c'},"
    "{'action':'upgrade-format-version','format-version':2},"
    "{'action':'add-schema','schema':{'type':'struct','schema-id':0,'fields':["
    "{'id':1,'name':'id','required':true,'type':'long'},"
    "{'id':2,'name':'ts','required':false,'type':'timestamptz'}]},'last-column-id':2},"
    "{'action':'set-current-schema','schema-id':-1},"
    "{'action':'add-spec','spec':{'spec-id':0,'fields':[{'source-id':2,'field-id':1000,"
    "'transform':'day','name':'ts_day'}]}},"
    "{'action':'set-default-spec','spec-id':-1},"
    "{'action':'add-sort-order','sort-order':{'order-id':0,'fields':[]}},"
    "{'action':'set-default-sort-order','sort-order-id':-1},"
    "{'action':'set-location','location':'s3://w/t/'},"
    "{'action':'set-properties','updates':{'a':'1','b':'2'}}]";

static struct lake_metadata *created(void)
{
    struct lake_metadata *m = NULL;
    struct err err = {0};

    if (apply(&m, "[{'type':'assert-create'}]", create_updates, &err))
        fail_msg("%s", err.text);
    return m;
}

#define SNAPSHOT(id, seq)                                                                          \
    "{'action':'add-snapshot','snapshot':{'snapshot-id':" #id ",'sequence-number':" #seq           \
    ",'timestamp-ms':170000000000" #seq ",'manifest-list':'s3://w/t/metadata/l" #id ".avro',"      \
    "'summary':{'operation':'append'},'schema-id':0}}"
#define REF(name, type, id)                                                                        \
    "{'action':'set-snapshot-ref','ref-name':'" name "','type':'" type "','snapshot-id':" #id "}"

static void a_table_is_created_by_updates(void **state)
{
    struct lake_metadata *m = created();
    struct err err = {0};

    (void)state;
    assert_string_equal(m->location, "s3://w/t");
    assert_string_equal(m->uuid, "d20125c8-7284-442c-9aea-15fee620737c");
    assert_int_equal(m->last_column_id, 2);
    assert_int_equal(lake_metadata_spec(m)->fields[0].transform.kind, LAKE_DAY);
    assert_string_equal(lake_metadata_property(m, "b"), "2");
    assert_int_equal(apply(&m, "[{'type':'assert-create'}]", "[]", &err), ERR_CONFLICT);
    assert_non_null(strstr(err.text, "already exists"));
    lake_metadata_free(m);
}

static void snapshots_and_refs_move_and_go(void **state)
{
    struct lake_metadata *m = created();
    struct err err = {0};

    (void)state;
    assert_int_equal(apply(&m,
                           "[{'type':'assert-ref-snapshot-id','ref':'main','snapshot-id':null}]",
                           "[" SNAPSHOT(10, 1) "," REF("main", "branch", 10) "]", &err),
                     0);
    assert_int_equal(m->current_snapshot_id, 10);
    assert_int_equal(m->last_sequence_number, 1);
    assert_int_equal(m->last_updated_ms, 1700000000001);
    assert_int_equal(m->snapshot_log_count, 1);
    assert_int_equal(
        apply(&m, "[{'type':'assert-ref-snapshot-id','ref':'main','snapshot-id':10}]",
              "[" SNAPSHOT(20, 2) "," REF("main", "branch", 20) "," REF("old", "tag", 10) "]",
              &err),
        0);
    assert_int_equal(lake_metadata_branch(m, "old")->snapshot_id, 10);
    assert_int_equal(lake_metadata_snapshot_at(m, 1700000000001)->id, 10);
    /* The branch has moved: refused, and the metadata is as it was. */
    assert_int_equal(apply(&m, "[{'type':'assert-ref-snapshot-id','ref':'main','snapshot-id':10}]",
                           "[" SNAPSHOT(30, 3) "]", &err),
                     ERR_CONFLICT);
    assert_non_null(strstr(err.text, "branch main has changed: expected id 10 != 20"));
    assert_int_equal(
        apply(&m, "[{'type':'assert-ref-snapshot-id','ref':'old','snapshot-id':null}]", "[]", &err),
        ERR_CONFLICT);
    assert_int_equal(apply(&m, NULL, "[{'action':'remove-snapshots','snapshot-ids':[10]}]", &err),
                     0);
    assert_int_equal(m->snapshot_count, 1);
    assert_null(lake_metadata_branch(m, "old"));
    assert_int_equal(m->snapshot_log_count, 1); /* what came before a hole is cut off */
    assert_int_equal(apply(&m, NULL, "[{'action':'remove-snapshot-ref','ref-name':'main'}]", &err),
                     0);
    assert_int_equal(m->current_snapshot_id, -1);
    lake_metadata_free(m);
}

static void v1_says_its_schema_and_spec_twice_until_it_is_upgraded(void **state)
{
    struct lake_metadata *m = parse(v1);
    struct err err = {0};
    json_t *snapshot;

    (void)state;
    assert_int_equal(
        apply(&m, NULL,
              "[{'action':'add-schema','schema':{'type':'struct','fields':["
              "{'id':1,'name':'x','required':true,'type':'long'},"
              "{'id':4,'name':'y','required':false,'type':'string'}]}},"
              "{'action':'set-current-schema','schema-id':-1},"
              "{'action':'add-spec','spec':{'fields':[]}},"
              "{'action':'set-default-spec','spec-id':-1},"
              "{'action':'add-snapshot','snapshot':{'snapshot-id':7,'timestamp-ms':1700000000000,"
              "'manifests':['s3://b/t/m0.avro'],'summary':{'operation':'append'}}},"
              "{'action':'set-snapshot-ref','ref-name':'main','type':'branch','snapshot-id':7}]",
              &err),
        0);
    assert_int_equal(json_array_size(json_object_get(json_object_get(m->doc, "schema"), "fields")),
                     2);
    assert_int_equal(json_array_size(json_object_get(m->doc, "partition-spec")), 0);
    assert_int_equal(m->spec_count, 2);
    assert_string_equal(m->snapshots[0].manifests[0], "s3://b/t/m0.avro");
    assert_int_equal(apply(&m, NULL, "[" SNAPSHOT(8, 1) "]", &err), 0);
    assert_null(json_object_get(json_array_get(json_object_get(m->doc, "snapshots"), 1),
                                "sequence-number"));
    assert_int_equal(apply(&m, NULL,
                           "[{'action':'add-spec','spec':{'fields':[{'source-id':4,'field-id':1001,"
                           "'transform':'identity','name':'y'}]}}]",
                           &err),
                     ERR_INVALID);
    assert_non_null(strstr(err.text, "sequential IDs"));

    err = (struct err){0};
    assert_int_equal(
        apply(&m, NULL, "[{'action':'upgrade-format-version','format-version':2}]", &err), 0);
    assert_int_equal(m->format_version, 2);
    assert_null(json_object_get(m->doc, "schema"));
    assert_null(json_object_get(m->doc, "partition-spec"));
    assert_int_equal(json_integer_value(json_object_get(m->doc, "last-sequence-number")), 0);
    snapshot = json_array_get(json_object_get(m->doc, "snapshots"), 0);
    assert_true(json_is_integer(json_object_get(snapshot, "sequence-number")));
    assert_int_equal(apply(&m, NULL, "[" SNAPSHOT(9, 1) "]", &err), 0);
    assert_int_equal(
        apply(&m, NULL, "[{'action':'upgrade-format-version','format-version':1}]", &err),
        ERR_INVALID);
    lake_metadata_free(m);
}

static void schemas_and_specs_are_reused_and_numbered(void **state)
{
    static const char same[] = "[{'action':'add-schema','schema':{'type':'struct','schema-id':7,"
                               "'fields':[{'id':1,'name':'id','required':true,'type':'long'},"
                               "{'id':2,'name':'ts','required':false,'type':'timestamptz'}]}},"
                               "{'action':'set-current-schema','schema-id':-1}]";
    static const char more[] = "[{'action':'add-schema','schema':{'type':'struct','schema-id':0,"
                               "'fields':[{'id':1,'name':'id','required':true,'type':'long'},"
                               "{'id':5,'name':'n','required':false,'type':'int'}]}},"
                               "{'action':'set-current-schema','schema-id':-1},"
                               "{'action':'add-spec','spec':{'fields':[{'source-id':5,'transform':"
                               "'bucket[8]','name':'n_b'}]}},"
                               "{'action':'set-default-spec','spec-id':-1}]";
    struct lake_metadata *m = created();
    struct err err = {0};

    (void)state;
    assert_int_equal(apply(&m, NULL, same, &err), 0);
    assert_int_equal(m->schema_count, 1);
    assert_int_equal(
        apply(&m,
              "[{'type':'assert-current-schema-id','current-schema-id':0},"
              "{'type':'assert-last-assigned-field-id','last-assigned-field-id':2},"
              "{'type':'assert-default-spec-id','default-spec-id':0},"
              "{'type':'assert-default-sort-order-id','default-sort-order-id':0},"
              "{'type':'assert-last-assigned-partition-id','last-assigned-partition-id':1000},"
              "{'type':'assert-table-uuid','uuid':'d20125c8-7284-442c-9aea-15fee620737c'}]",
              more, &err),
        0);
    assert_int_equal(m->current_schema_id, 1);
    assert_int_equal(m->last_column_id, 5);
    assert_int_equal(m->default_spec_id, 1);
    assert_int_equal(lake_metadata_spec(m)->fields[0].field_id, 1001);
    assert_int_equal(m->last_partition_id, 1001);
    assert_int_equal(apply(&m, NULL, "[{'action':'remove-schemas','schema-ids':[1]}]", &err),
                     ERR_INVALID);
    assert_int_equal(apply(&m, NULL,
                           "[{'action':'remove-schemas','schema-ids':[0]},"
                           "{'action':'remove-partition-specs','spec-ids':[0]}]",
                           &err),
                     0);
    assert_int_equal(m->schema_count, 1);
    assert_int_equal(m->spec_count, 1);
    lake_metadata_free(m);
}

#define ONE_COLUMN "{'id':1,'name':'id','required':true,'type':'long'}"

/* A column that partitions were made of goes when the spec goes with it. */
static void a_column_goes_with_its_partition_field(void **state)
{
    struct lake_metadata *m = created();
    struct err err = {0};

    (void)state;
    assert_int_equal(apply(&m, NULL,
                           "[{'action':'add-spec','spec':{'fields':[]}},"
                           "{'action':'set-default-spec','spec-id':-1},"
                           "{'action':'add-schema','schema':{'type':'struct','fields':[" ONE_COLUMN
                           "]}},{'action':'set-current-schema','schema-id':-1}]",
                           &err),
                     0);
    assert_int_equal(lake_metadata_schema(m)->root.field_count, 1);
    lake_metadata_free(m);
}

static void updates_that_make_no_sense_are_refused(void **state)
{
    static const struct {
        const char *update;
        int rc;
    } bad[] = {
        {"[{'action':'fly'}]", ERR_UNSUPPORTED},
        {"[{'no':'action'}]", ERR_INVALID},
        {"[{'action':'set-current-schema','schema-id':9}]", ERR_INVALID},
        {"[{'action':'set-current-schema','schema-id':-1}]", ERR_INVALID},
        {"[{'action':'upgrade-format-version','format-version':4}]", ERR_UNSUPPORTED},
        {"[{'action':'upgrade-format-version','format-version':1}]", ERR_INVALID},
        {"[{'action':'assign-uuid','uuid':'00000000-0000-0000-0000-000000000000'}]", ERR_INVALID},
        {"[" REF("main", "branch", 99) "]", ERR_INVALID},
        {"[{'action':'add-spec','spec':{'fields':[{'source-id':1,'transform':'day','name':'d'}]}}]",
         ERR_INVALID},
        {"[{'action':'add-spec','spec':{'fields':[{'source-id':9,'transform':'identity','name':"
         "'d'}]}}]",
         ERR_INVALID},
        {"[{'action':'add-schema','schema':{'type':'struct','fields':[" ONE_COLUMN
         "]}},{'action':'set-current-schema','schema-id':-1}]",
         ERR_INVALID}, /* the partition's column */
        {"[{'action':'add-spec','spec':{'fields':[]}},{'action':'set-default-spec','spec-id':-1},"
         "{'action':'add-sort-order','sort-order':{'order-id':1,'fields':[{'source-id':2,"
         "'transform':'identity','direction':'asc','null-order':'nulls-first'}]}},"
         "{'action':'set-default-sort-order','sort-order-id':-1},"
         "{'action':'add-schema','schema':{'type':'struct','fields':[" ONE_COLUMN
         "]}},{'action':'set-current-schema','schema-id':-1}]",
         ERR_INVALID}, /* the order's */
        {"[{'action':'set-location','location':''}]", ERR_INVALID},
        {"[{'action':'set-properties','updates':{'a':1}}]", ERR_INVALID},
        {"[{'action':'add-snapshot','snapshot':{'snapshot-id':1}}]", ERR_INVALID},
        {"[" SNAPSHOT(1, 1) "," SNAPSHOT(1, 2) "]", ERR_INVALID},
    };
    struct lake_metadata *m = created();

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct err err = {0};
        int rc = apply(&m, NULL, bad[i].update, &err);

        if (rc != bad[i].rc)
            fail_msg("%s: %d %s", bad[i].update, rc, err.text);
        assert_true(err.text[0]);
    }
    lake_metadata_free(m);
}

/* Goal: what stays is shared whatever goes around it, and outlives the version it came from. */
static void a_version_shares_what_did_not_change(void **state)
{
    struct lake_metadata *m = created();
    struct snapshot_card *third, *fifth;
    struct metadata_shape *shape;
    struct err err = {0};

    (void)state;
    assert_int_equal(apply(&m, NULL,
                           "[" SNAPSHOT(1, 1) "," SNAPSHOT(2, 2) "," SNAPSHOT(3, 3) "," SNAPSHOT(
                               4, 4) "," SNAPSHOT(5, 5) "," REF("main", "branch",
                                                                1) "," REF("main", "branch", 5) "]",
                           &err),
                     0);
    third = m->cards[2];
    fifth = m->cards[4];
    shape = m->shape;
    assert_int_equal(apply(&m, NULL,
                           "[{'action':'remove-snapshots','snapshot-ids':[1,4]}," SNAPSHOT(
                               6, 6) "," REF("main", "branch", 6) "]",
                           &err),
                     0);
    assert_int_equal(m->snapshot_count, 4);
    assert_ptr_equal(m->cards[1], third);
    assert_ptr_equal(m->cards[2], fifth);
    assert_ptr_equal(m->shape, shape);
    assert_int_equal(m->snapshots[3].id, 6);
    assert_int_equal(lake_metadata_parent(m, &m->snapshots[3]) == NULL, 1);
    assert_int_equal(apply(&m, NULL,
                           "[{'action':'add-schema','schema':{'type':'struct','fields':["
                           "{'id':9,'name':'z','required':false,'type':'int'}]}}]",
                           &err),
                     0);
    assert_ptr_not_equal(m->shape, shape);
    assert_ptr_equal(m->cards[1], third);
    /* A snapshot that goes and comes back in one breath. */
    assert_int_equal(apply(&m, NULL,
                           "[{'action':'remove-snapshots','snapshot-ids':[3]}," SNAPSHOT(3, 7) "]",
                           &err),
                     0);
    assert_ptr_not_equal(m->cards[3], third);
    assert_int_equal(apply(&m, NULL, "[" SNAPSHOT(3, 8) "]", &err), ERR_INVALID);
    lake_metadata_free(m);
}

static void the_metadata_log_is_pruned(void **state)
{
    struct lake_metadata *m = created();
    struct arena arena = {0};
    const char **dropped;
    size_t count = 0;
    struct err err = {0};

    (void)state;
    assert_int_equal(apply(&m, NULL,
                           "[{'action':'set-properties','updates':{"
                           "'write.metadata.previous-versions-max':'2',"
                           "'write.metadata.delete-after-commit.enabled':'true'}}]",
                           &err),
                     0);
    for (int i = 0; i < 4; i++) {
        struct lake_metadata *next;
        char location[40];

        snprintf(location, sizeof(location), "s3://w/t/metadata/%d.json", i);
        assert_int_equal(
            lake_metadata_log_base(m, m, location, &arena, &next, &dropped, &count, &err), 0);
        lake_metadata_free(m);
        m = next;
        assert_int_equal(m->metadata_log_count, i < 2 ? i + 1 : 2);
        assert_int_equal(count, i >= 2);
    }
    assert_string_equal(dropped[0], "s3://w/t/metadata/1.json");
    assert_non_null(
        strstr(lake_metadata_next_location(m, "s3://w/t/metadata/00009-x.metadata.json", &arena),
               "s3://w/t/metadata/00010-"));
    arena_deinit(&arena);
    lake_metadata_free(m);
}

/* Goal: no metadata file can harm. Method: drop each member in turn; parse what is left. */
static void a_file_without_any_one_member_is_whole_or_refused(void **state)
{
    struct lake_metadata *m = created();
    struct err err = {0};
    const char *key;
    json_t *value, *keys = json_deep_copy(m->doc);

    (void)state;
    assert_int_equal(apply(&m, NULL, "[" SNAPSHOT(10, 1) "," REF("main", "branch", 10) "]", &err),
                     0);
    json_object_foreach(keys, key, value)
    {
        json_t *doc = json_deep_copy(m->doc);
        struct lake_metadata *out = NULL;
        int rc;

        json_object_del(doc, key);
        rc = lake_metadata_from_json(doc, &out, &err);
        assert_true(rc == 0 || rc == ERR_CORRUPT || rc == ERR_UNSUPPORTED);
        lake_metadata_free(out);
        doc = json_deep_copy(m->doc);
        json_object_set_new(doc, key, json_string("nonsense"));
        out = NULL;
        lake_metadata_from_json(doc, &out, &err);
        lake_metadata_free(out);
    }
    json_decref(keys);
    lake_metadata_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(v1_has_the_lists_of_v2_and_keeps_what_is_its_own),
        cmocka_unit_test(v1_without_a_uuid_has_the_same_each_time),
        cmocka_unit_test(v1_says_its_schema_and_spec_twice_until_it_is_upgraded),
        cmocka_unit_test(a_table_is_created_by_updates),
        cmocka_unit_test(snapshots_and_refs_move_and_go),
        cmocka_unit_test(schemas_and_specs_are_reused_and_numbered),
        cmocka_unit_test(a_column_goes_with_its_partition_field),
        cmocka_unit_test(updates_that_make_no_sense_are_refused),
        cmocka_unit_test(a_version_shares_what_did_not_change),
        cmocka_unit_test(the_metadata_log_is_pruned),
        cmocka_unit_test(a_file_without_any_one_member_is_whole_or_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
