/* rest_more_test.c - views, keys, plans, signatures and places over real sockets. */
#include "catalog/http_int.h"
#include "catalog/rest_client_test.h"
#include "net/sigv4.h"

#define KEY1 "Idempotency-Key: 017f22e2-79b0-7cc3-98c4-dc0c0c07398f\r\n"
#define KEY2 "Idempotency-Key: 017f22e2-79b0-7cc3-98c4-dc0c0c073990\r\n"

static struct answer keyed(struct fixture *f, const char *method, const char *path,
                           const char *header, const char *body)
{
    return ask_with(f, method, path, "application/json", header, slice_str(body));
}

static int status_of(struct answer answer)
{
    json_decref(answer.json);
    return answer.status;
}

static const char create_view[] =
    "{\"name\":\"v\",\"schema\":{\"type\":\"struct\",\"schema-id\":0,\"fields\":["
    "{\"id\":1,\"name\":\"id\",\"required\":false,\"type\":\"long\"}]},"
    "\"view-version\":{\"version-id\":1,\"timestamp-ms\":1573518431292,\"schema-id\":0,"
    "\"summary\":{},\"default-namespace\":[\"db\"],"
    "\"representations\":[{\"type\":\"sql\",\"sql\":\"SELECT 1\",\"dialect\":\"spark\"}]},"
    "\"properties\":{\"a\":\"b\"}}";

static void replace_body(char *out, size_t size, const char *uuid, const char *sql)
{
    snprintf(out, size,
             "{\"requirements\":[{\"type\":\"assert-view-uuid\",\"uuid\":\"%s\"}],\"updates\":["
             "{\"action\":\"add-view-version\",\"view-version\":{\"version-id\":1,"
             "\"timestamp-ms\":1573518431293,\"schema-id\":0,\"summary\":{},"
             "\"default-namespace\":[\"db\"],\"representations\":[{\"type\":\"sql\",\"sql\":\"%s\","
             "\"dialect\":\"spark\"}]}},{\"action\":\"set-current-view-version\","
             "\"view-version-id\":-1}]}",
             uuid, sql);
}

static void a_view_goes_its_whole_way(void **state)
{
    struct fixture *f = *state;
    char body[1000], uuid[40];
    json_t *json;

    quiet(f, 200, "POST", "/v1/namespaces", "{\"namespace\":[\"db\"]}");
    json = want(f, 200, "POST", "/v1/namespaces/db/views", create_view);
    snprintf(uuid, sizeof(uuid), "%s", at(json, "metadata", "view-uuid"));
    json_decref(json);
    quiet(f, 409, "POST", "/v1/namespaces/db/views", create_view);
    quiet(f, 204, "HEAD", "/v1/namespaces/db/views/v", NULL);
    replace_body(body, sizeof(body), uuid, "SELECT 2");
    quiet(f, 200, "POST", "/v1/namespaces/db/views/v", body);
    json = want(f, 200, "GET", "/v1/namespaces/db/views/v", NULL);
    assert_int_equal(json_integer_value(
                         json_object_get(json_object_get(json, "metadata"), "current-version-id")),
                     2);
    json_decref(json);
    replace_body(body, sizeof(body), "1b4e28ba-2fa1-11d2-883f-0016d3cca427", "SELECT 3");
    quiet(f, 409, "POST", "/v1/namespaces/db/views/v", body);
    quiet(f, 204, "POST", "/v1/views/rename",
          "{\"source\":{\"namespace\":[\"db\"],\"name\":\"v\"},"
          "\"destination\":{\"namespace\":[\"db\"],\"name\":\"w\"}}");
    quiet(f, 404, "GET", "/v1/namespaces/db/views/v", NULL);
    quiet(f, 409, "DELETE", "/v1/namespaces/db", NULL); /* it is not empty */
    quiet(f, 204, "DELETE", "/v1/namespaces/db/views/w", NULL);
    quiet(f, 404, "DELETE", "/v1/namespaces/db/views/w", NULL);
    quiet(f, 204, "DELETE", "/v1/namespaces/db", NULL);
}

static void a_view_and_a_table_do_not_share_a_name(void **state)
{
    struct fixture *f = *state;
    char view[sizeof(create_view)];

    memcpy(view, create_view, sizeof(view));
    strstr(view, "\"name\":\"v\"")[8] = 't';
    quiet(f, 200, "POST", "/v1/namespaces", "{\"namespace\":[\"db\"]}");
    quiet(f, 200, "POST", "/v1/namespaces/db/tables", create_table);
    quiet(f, 409, "POST", "/v1/namespaces/db/views", view);
    quiet(f, 204, "DELETE", "/v1/namespaces/db/tables/t", NULL);
    quiet(f, 200, "POST", "/v1/namespaces/db/views", view);
    quiet(f, 409, "POST", "/v1/namespaces/db/tables", create_table);
}

static void a_change_under_a_key_is_made_once(void **state)
{
    struct fixture *f = *state;
    static const char update[] = "{\"updates\":{\"x\":\"1\"},\"removals\":[\"no\"]}";
    struct answer first, second;

    assert_int_equal(
        status_of(keyed(f, "POST", "/v1/namespaces", KEY1, "{\"namespace\":[\"db\"]}")), 200);
    assert_int_equal(
        status_of(keyed(f, "POST", "/v1/namespaces", KEY1, "{\"namespace\":[\"db\"]}")), 200);
    quiet(f, 409, "POST", "/v1/namespaces", "{\"namespace\":[\"db\"]}");
    /* another request under the same key */
    assert_int_equal(
        status_of(keyed(f, "POST", "/v1/namespaces", KEY1, "{\"namespace\":[\"other\"]}")), 422);
    assert_int_equal(status_of(keyed(f, "POST", "/v1/namespaces", "Idempotency-Key: me\r\n", "{}")),
                     400);
    first = keyed(f, "POST", "/v1/namespaces/db/properties", KEY2, update);
    second = keyed(f, "POST", "/v1/namespaces/db/properties", KEY2, update);
    assert_int_equal(first.status, 200);
    assert_true(json_equal(first.json, second.json));
    json_decref(first.json);
    json_decref(second.json);
}

static void a_refusal_under_a_key_stays_one(void **state)
{
    struct fixture *f = *state;

    quiet(f, 200, "POST", "/v1/namespaces", "{\"namespace\":[\"db\"]}");
    assert_int_equal(status_of(keyed(f, "DELETE", "/v1/namespaces/db/tables/t", KEY1, NULL)), 404);
    quiet(f, 200, "POST", "/v1/namespaces/db/tables", create_table);
    assert_int_equal(status_of(keyed(f, "DELETE", "/v1/namespaces/db/tables/t", KEY1, NULL)), 404);
    quiet(f, 204, "HEAD", "/v1/namespaces/db/tables/t", NULL);
}

static void a_commit_under_a_key_survives_a_restart(void **state)
{
    struct fixture *f = *state;
    static const char commit[] =
        "{\"requirements\":[{\"type\":\"assert-current-schema-id\",\"current-schema-id\":0}],"
        "\"updates\":[{\"action\":\"add-schema\",\"schema\":{\"type\":\"struct\",\"fields\":["
        "{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"long\"},"
        "{\"id\":2,\"name\":\"at\",\"required\":false,\"type\":\"timestamptz\"},"
        "{\"id\":3,\"name\":\"z\",\"required\":false,\"type\":\"int\"}]}},"
        "{\"action\":\"set-current-schema\",\"schema-id\":-1}]}";

    quiet(f, 200, "POST", "/v1/namespaces", "{\"namespace\":[\"db\"]}");
    quiet(f, 200, "POST", "/v1/namespaces/db/tables", create_table);
    assert_int_equal(status_of(keyed(f, "POST", "/v1/namespaces/db/tables/t", KEY1, commit)), 200);
    catalog_http_free(f->http);
    f->http = NULL;
    stack_close(&f->stack);
    assert_int_equal(stack_open(&f->stack, f->dir, false, NULL), 0);
    assert_int_equal(open_http(f, false, false), 0);
    quiet(f, 409, "POST", "/v1/namespaces/db/tables/t", commit); /* the schema moved on */
    assert_int_equal(status_of(keyed(f, "POST", "/v1/namespaces/db/tables/t", KEY1, commit)), 200);
}

static void a_table_is_not_placed_in_anothers_folder(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *location;
        int status;
    } cases[] = {
        {"s3://warehouse/a/b", 403},    {"s3://warehouse/a/b/c", 403},
        {"s3a://warehouse/a/b/", 403},  {"s3://warehouse/a", 403},
        {"s3://warehouse", 403},        {"s3://warehouse/a/bc", 200},
        {"s3://warehouse/a/bb/c", 200},
    };

    quiet(f, 200, "POST", "/v1/namespaces", "{\"namespace\":[\"db\"]}");
    for (size_t i = 0; i <= COUNT_OF(cases); i++) {
        char body[400];

        snprintf(body, sizeof(body),
                 "{\"name\":\"t%zu\",\"location\":\"%s\",\"schema\":{\"type\":\"struct\","
                 "\"fields\":[{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"long\"}]}}",
                 i, i ? cases[i - 1].location : "s3://warehouse/a/b");
        quiet(f, i ? cases[i - 1].status : 200, "POST", "/v1/namespaces/db/tables", body);
    }
    /* and does not move there */
    quiet(f, 403, "POST", "/v1/namespaces/db/tables/t6",
          "{\"requirements\":[],\"updates\":[{\"action\":\"set-location\","
          "\"location\":\"s3://warehouse/a/b/x\"}]}");
    quiet(f, 200, "POST", "/v1/namespaces/db/tables/t6",
          "{\"requirements\":[],\"updates\":[{\"action\":\"set-location\","
          "\"location\":\"s3://warehouse/elsewhere\"}]}");
}

/* Files that a property sends into another table's folder would be orphans there. */
static void a_table_does_not_write_into_anothers_folder(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *path;
        int status;
    } cases[] = {
        {"s3://warehouse/a/b", 403},    {"s3a://warehouse/a/b/data", 403},
        {"s3://warehouse/a/../a", 400}, {"s3://warehouse/shared", 200},
        {"s3://warehouse/a", 200},
    };
    char body[400];

    quiet(f, 200, "POST", "/v1/namespaces", "{\"namespace\":[\"db\"]}");
    for (int i = 0; i < 2; i++) {
        snprintf(body, sizeof(body),
                 "{\"name\":\"t%d\",\"location\":\"s3://warehouse/%s\",\"schema\":{\"type\":"
                 "\"struct\",\"fields\":[{\"id\":1,\"name\":\"id\",\"required\":true,"
                 "\"type\":\"long\"}]}}",
                 i, i ? "c" : "a/b");
        quiet(f, 200, "POST", "/v1/namespaces/db/tables", body);
    }
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (size_t p = 0; p < PLACE_PROPERTIES; p++) {
            snprintf(body, sizeof(body),
                     "{\"requirements\":[],\"updates\":[{\"action\":\"set-properties\","
                     "\"updates\":{\"%s\":\"%s\"}}]}",
                     place_properties[p], cases[i].path);
            quiet(f, cases[i].status, "POST", "/v1/namespaces/db/tables/t1", body);
        }
    /* its own folder is fine */
    quiet(f, 200, "POST", "/v1/namespaces/db/tables/t1",
          "{\"requirements\":[],\"updates\":[{\"action\":\"set-properties\",\"updates\":"
          "{\"write.data.path\":\"s3://warehouse/c/data\"}}]}");
}

/* ---- access ---- */

static void keys_are_told_or_requests_signed(void **state)
{
    struct fixture *f = *state;
    struct answer answer;

    quiet(f, 200, "POST", "/v1/namespaces", "{\"namespace\":[\"db\"]}");
    quiet(f, 200, "POST", "/v1/namespaces/db/tables", create_table);
    answer = keyed(f, "GET", "/v1/namespaces/db/tables/t",
                   "X-Iceberg-Access-Delegation: vended-credentials,remote-signing\r\n", NULL);
    assert_string_equal(at(answer.json, "config", "s3.secret-access-key"), "password");
    assert_string_equal(
        at(json_array_get(json_object_get(answer.json, "storage-credentials"), 0), "prefix", NULL),
        "s3://warehouse/polariscatalog/db/t");
    json_decref(answer.json);
    answer = keyed(f, "GET", "/v1/namespaces/db/tables/t",
                   "X-Iceberg-Access-Delegation: remote-signing\r\n", NULL);
    assert_null(at(answer.json, "config", "s3.secret-access-key"));
    assert_string_equal(at(answer.json, "config", "s3.signer.endpoint"),
                        "v1/namespaces/db/tables/t/sign");
    assert_int_equal(json_array_size(json_object_get(answer.json, "storage-credentials")), 0);
    json_decref(answer.json);
    answer = keyed(f, "GET", "/v1/namespaces/db/tables/t", "X-Iceberg-Access-Delegation: none\r\n",
                   NULL);
    assert_null(at(answer.json, "config", "s3.secret-access-key"));
    assert_null(at(answer.json, "config", "s3.signer.endpoint"));
    assert_non_null(at(answer.json, "config", "s3.endpoint"));
    assert_int_equal(json_array_size(json_object_get(answer.json, "storage-credentials")), 0);
    json_decref(answer.json);
}

static const char sign_path[] = "/v1/namespaces/db/tables/t/sign";

static json_t *sign(struct fixture *f, int status, const char *method, const char *uri,
                    const char *body)
{
    char text[1000];

    snprintf(text, sizeof(text),
             "{\"region\":\"us-east-1\",\"method\":\"%s\",\"uri\":\"%s\",\"headers\":{"
             "\"Host\":[\"lake.test:9000\"],\"User-Agent\":[\"me\"]}%s%s%s}",
             method, uri, body ? ",\"body\":\"" : "", body ? body : "", body ? "\"" : "");
    return want(f, status, "POST", sign_path, text);
}

static void signatures_are_good_and_for_the_tables_files_alone(void **state)
{
    static const char base[] = "http://lake.test:9000/warehouse/polariscatalog/db/t";
    static const struct {
        const char *method, *uri, *body;
        int status;
    } cases[] = {
        {"GET", "http://lake.test:9000/warehouse/polariscatalog/db/t/data/a.parquet", NULL, 200},
        {"PUT", "http://lake.test:9000/warehouse/polariscatalog/db/t/data/a?partNumber=1", NULL,
         200},
        {"GET", "http://lake.test:9000/warehouse/polariscatalog/db/t2/data/a.parquet", NULL, 403},
        {"GET", "http://lake.test:9000/warehouse/polariscatalog/db/t/../t2/a", NULL, 403},
        {"GET", "http://lake.test:9000/warehouse/polariscatalog/db/t/%2e%2e/t2/a", NULL, 403},
        {"DELETE", "http://lake.test:9000/warehouse", NULL, 403},
        {"GET", "http://lake.test:9000/warehouse?list-type=2&prefix=polariscatalog%2Fdb%2Ft%2F",
         NULL, 200},
        {"GET", "http://lake.test:9000/warehouse?list-type=2&prefix=polariscatalog", NULL, 403},
        {"GET", "http://lake.test:9000/warehouse?list-type=2", NULL, 403},
        {"POST", "http://lake.test:9000/warehouse?delete", NULL, 400},
        {"POST", "http://lake.test:9000/warehouse?delete",
         "<Delete><Object><Key>polariscatalog/db/t/x</Key></Object></Delete>", 200},
        {"POST", "http://lake.test:9000/warehouse?delete",
         "<Delete><Object><Key>polariscatalog/db/t/x</Key></Object>"
         "<Object><Key>polariscatalog/db/u/x</Key></Object></Delete>",
         403},
        {"GET", "not a uri", NULL, 400},
    };
    struct fixture *f = *state;
    struct arena arena = {0};
    struct http_field headers[8];
    struct sigv4_request request = {.method = "GET", .query = "", .headers = headers};
    struct sigv4_auth auth;
    const char *name;
    json_t *json, *values;

    quiet(f, 200, "POST", "/v1/namespaces", "{\"namespace\":[\"db\"]}");
    quiet(f, 200, "POST", "/v1/namespaces/db/tables", create_table);
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        json_decref(sign(f, cases[i].status, cases[i].method, cases[i].uri, cases[i].body));
    json = sign(f, 200, "GET", cases[0].uri, NULL);
    json_object_foreach(json_object_get(json, "headers"), name, values)
    {
        headers[request.header_count++] =
            (struct http_field){name, json_string_value(json_array_get(values, 0))};
    }
    request.path = strstr(base, "/warehouse");
    request.path = arena_printf(&arena, "%s/data/a.parquet", request.path);
    assert_int_equal(sigv4_parse(&arena, &request, &auth, NULL), 0);
    assert_int_equal(sigv4_verify(&arena, &request, &auth, "password", NULL), 0);
    json_decref(json);
    arena_deinit(&arena);
}

/* ---- plans ---- */

static void a_scan_is_planned_and_forgotten(void **state)
{
    static const struct {
        const char *body;
        int status;
    } cases[] = {
        {"{}", 200},
        {"{\"snapshot-id\":5}", 400},
        {"{\"start-snapshot-id\":5}", 400},
        {"{\"filter\":{\"type\":\"eq\",\"term\":\"id\",\"value\":5},\"stats-fields\":[\"id\"]}",
         200},
        {"{\"filter\":{\"type\":\"eq\",\"value\":5}}", 400},
        {"{\"filter\":7}", 400},
        {"{\"stats-fields\":[\"no\"]}", 400},
    };
    struct fixture *f = *state;
    char path[200];
    json_t *json;

    quiet(f, 200, "POST", "/v1/namespaces", "{\"namespace\":[\"db\"]}");
    quiet(f, 200, "POST", "/v1/namespaces/db/tables", create_table);
    quiet(f, 404, "POST", "/v1/namespaces/db/tables/no/plan", "{}");
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        quiet(f, cases[i].status, "POST", "/v1/namespaces/db/tables/t/plan", cases[i].body);
    json = want(f, 200, "POST", "/v1/namespaces/db/tables/t/plan", "{}");
    assert_string_equal(at(json, "status", NULL), "completed");
    assert_true(json_is_array(json_object_get(json, "file-scan-tasks")));
    snprintf(path, sizeof(path), "/v1/namespaces/db/tables/t/plan/%s", at(json, "plan-id", NULL));
    json_decref(json);
    quiet(f, 200, "GET", path, NULL);
    quiet(f, 204, "DELETE", path, NULL);
    json = want(f, 404, "GET", path, NULL);
    assert_string_equal(at(json, "error", "type"), "NoSuchPlanIdException");
    json_decref(json);
    json = want(f, 404, "POST", "/v1/namespaces/db/tables/t/tasks", "{\"plan-task\":\"a:1\"}");
    assert_string_equal(at(json, "error", "type"), "NoSuchPlanTaskException");
    json_decref(json);
}

static void an_unregistered_table_can_be_registered_again(void **state)
{
    struct fixture *f = *state;
    char body[400];
    json_t *json;

    quiet(f, 200, "POST", "/v1/namespaces", "{\"namespace\":[\"db\"]}");
    quiet(f, 200, "POST", "/v1/namespaces/db/tables", create_table);
    json = want(f, 200, "POST", "/v1/namespaces/db/tables/t/unregister", NULL);
    snprintf(body, sizeof(body), "{\"name\":\"again\",\"metadata-location\":\"%s\"}",
             at(json, "metadata-location", NULL));
    json_decref(json);
    quiet(f, 404, "GET", "/v1/namespaces/db/tables/t", NULL);
    quiet(f, 200, "POST", "/v1/namespaces/db/register", body);
}

/* A body nested deeper than JSON is read to, and one far too long. */
static void bombs_are_refused(void **state)
{
    struct fixture *f = *state;
    struct buf deep = {0};
    struct answer answer;

    for (int i = 0; i < 100000; i++)
        buf_append_str(&deep, "{\"a\":");
    answer = ask_with(f, "POST", "/v1/namespaces", "application/json", "", buf_slice(&deep));
    assert_int_equal(answer.status, 400);
    assert_string_equal(at(answer.json, "error", "type"), "BadRequestException");
    json_decref(answer.json);
    buf_deinit(&deep);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_view_goes_its_whole_way),
        TEST(a_view_and_a_table_do_not_share_a_name),
        TEST(a_change_under_a_key_is_made_once),
        TEST(a_refusal_under_a_key_stays_one),
        TEST(a_commit_under_a_key_survives_a_restart),
        TEST(a_table_is_not_placed_in_anothers_folder),
        TEST(a_table_does_not_write_into_anothers_folder),
        TEST(keys_are_told_or_requests_signed),
        TEST(signatures_are_good_and_for_the_tables_files_alone),
        TEST(a_scan_is_planned_and_forgotten),
        TEST(an_unregistered_table_can_be_registered_again),
        TEST(bombs_are_refused),
    };

    diag_set_sink(say_nothing, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
