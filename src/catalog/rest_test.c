/* rest_test.c - the REST catalog over real sockets: what is answered, and in which words. */
#include "catalog/rest_client_test.h"

/* ---- tests ---- */

static void config_tells_endpoints_prefix_and_store(void **state)
{
    struct fixture *f = *state;
    json_t *json = want(f, 200, "GET", "/v1/config", NULL);

    assert_string_equal(at(json, "defaults", "s3.endpoint"), "http://lake.test:9000");
    assert_null(at(json, "defaults", "s3.secret-access-key"));
    assert_true(json_is_object(json_object_get(json, "overrides")));
    assert_true(json_array_size(json_object_get(json, "endpoints")) > 10);
    json_decref(json);
    json = want(f, 200, "GET", "/api/catalog/v1/config?warehouse=polariscatalog", NULL);
    assert_string_equal(at(json, "overrides", "prefix"), "polariscatalog");
    json_decref(json);
    quiet(f, 404, "GET", "/api/catalog/v1/config?warehouse=other", NULL);
    quiet(f, 200, "GET", "/v1/config?warehouse=s3://warehouse/", NULL);
}

static void every_refusal_has_its_status_and_its_exception(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *method, *path, *body;
        int status;
        const char *type;
    } cases[] = {
        {"GET", "/v1/namespaces/no", NULL, 404, "NoSuchNamespaceException"},
        {"GET", "/v1/namespaces/no/tables", NULL, 404, "NoSuchNamespaceException"},
        {"POST", "/v1/namespaces/no/tables", create_table, 404, "NoSuchNamespaceException"},
        {"GET", "/v1/namespaces?parent=no", NULL, 404, "NoSuchNamespaceException"},
        {"DELETE", "/v1/namespaces/no", NULL, 404, "NoSuchNamespaceException"},
        {"GET", "/v1/namespaces/db/tables/no", NULL, 404, "NoSuchTableException"},
        {"DELETE", "/v1/namespaces/db/tables/no", NULL, 404, "NoSuchTableException"},
        {"GET", "/v1/namespaces/db/views/no", NULL, 404, "NoSuchViewException"},
        {"GET", "/v1/namespaces/no/views", NULL, 404, "NoSuchNamespaceException"},
        {"GET", "/v1/nothing", NULL, 404, "NotFoundException"},
        {"GET", "/v1/elsewhere/namespaces", NULL, 404, "NotFoundException"},
        {"POST", "/v1/namespaces", "{\"namespace\":[\"db\"]}", 409, "AlreadyExistsException"},
        {"POST", "/v1/namespaces", "{\"namespace\":[]}", 400, "BadRequestException"},
        {"POST", "/v1/namespaces", "{\"namespace\":\"db\"}", 400, "BadRequestException"},
        {"POST", "/v1/namespaces", "[1]", 400, "BadRequestException"},
        {"POST", "/v1/namespaces", "", 400, "BadRequestException"},
        {"DELETE", "/v1/namespaces/db", NULL, 409, "NamespaceNotEmptyException"},
        {"POST", "/v1/namespaces/db/tables", create_table, 409, "AlreadyExistsException"},
        {"POST", "/v1/namespaces/db/tables", "{\"name\":\"x\"}", 400, "BadRequestException"},
        {"POST", "/v1/namespaces/db/tables/t", "{}", 400, "BadRequestException"},
        {"POST", "/v1/namespaces/db/tables/t",
         "{\"requirements\":[{\"type\":\"assert-create\"}],\"updates\":[]}", 409,
         "CommitFailedException"},
        {"POST", "/v1/namespaces/db/tables/t",
         "{\"requirements\":[{\"type\":\"assert-table-uuid\",\"uuid\":\"x\"}],\"updates\":[]}", 409,
         "CommitFailedException"},
        {"POST", "/v1/namespaces/db/tables/no", "{\"requirements\":[],\"updates\":[]}", 404,
         "NoSuchTableException"},
        {"POST", "/v1/namespaces/db/properties", "{\"removals\":[\"a\"],\"updates\":{\"a\":\"b\"}}",
         422, "UnprocessableEntityException"},
        {"POST", "/v1/namespaces/db/register",
         "{\"name\":\"x\",\"metadata-location\":\"s3://warehouse/no\"}", 400,
         "BadRequestException"},
        {"POST", "/v1/namespaces/db/register",
         "{\"name\":\"x\",\"metadata-location\":\"file:///etc/passwd\"}", 400,
         "BadRequestException"},
        {"POST", "/v1/tables/rename", "{\"source\":{\"namespace\":[\"db\"],\"name\":\"t\"}}", 400,
         "BadRequestException"},
        {"POST", "/v1/transactions/commit", "{\"table-changes\":[]}", 400, "BadRequestException"},
        {"GET", "/v1/namespaces/db/tables/t?snapshots=some", NULL, 400, "BadRequestException"},
    };

    quiet(f, 200, "POST", "/v1/namespaces", "{\"namespace\":[\"db\"]}");
    quiet(f, 200, "POST", "/v1/namespaces/db/tables", create_table);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        json_t *json = want(f, cases[i].status, cases[i].method, cases[i].path, cases[i].body);
        const char *type = at(json, "error", "type");

        if (!type || strcmp(type, cases[i].type) != 0)
            fail_msg("%s %s: %s instead of %s", cases[i].method, cases[i].path, type,
                     cases[i].type);
        assert_int_equal(
            json_integer_value(json_object_get(json_object_get(json, "error"), "code")),
            cases[i].status);
        assert_non_null(at(json, "error", "message"));
        json_decref(json);
    }
}

static void a_table_goes_its_whole_way(void **state)
{
    struct fixture *f = *state;
    static const char base[] = "/api/catalog/v1/polariscatalog/namespaces/a%1Fb/tables";
    char path[200], register_body[600];
    json_t *json, *config;

    quiet(f, 200, "POST", "/v1/namespaces", "{\"namespace\":[\"a\"],\"properties\":{\"k\":\"v\"}}");
    quiet(f, 200, "POST", "/v1/namespaces", "{\"namespace\":[\"a\",\"b\"]}");
    quiet(f, 204, "HEAD", "/v1/namespaces/a%1Fb", NULL);
    json = want(f, 200, "POST", base, create_table);
    assert_string_equal(at(json, "metadata", "location"), "s3://warehouse/polariscatalog/a/b/t");
    assert_string_equal(at(json, "config", "s3.secret-access-key"), "password");
    config = json_array_get(json_object_get(json, "storage-credentials"), 0);
    assert_string_equal(at(config, "config", "s3.access-key-id"), "admin");
    json_decref(json);

    snprintf(path, sizeof(path), "%s/t", base);
    json = want(f, 200, "POST", path,
                "{\"requirements\":[],\"updates\":[{\"action\":\"set-properties\","
                "\"updates\":{\"x\":\"y\"}}]}");
    assert_string_equal(json_string_value(json_object_get(
                            json_object_get(json_object_get(json, "metadata"), "properties"), "x")),
                        "y");
    snprintf(register_body, sizeof(register_body), "{\"name\":\"r\",\"metadata-location\":\"%s\"}",
             at(json, "metadata-location", NULL));
    json_decref(json);
    quiet(f, 204, "HEAD", path, NULL);
    quiet(f, 204, "POST", "/v1/tables/rename",
          "{\"source\":{\"namespace\":[\"a\",\"b\"],\"name\":\"t\"},"
          "\"destination\":{\"namespace\":[\"a\"],\"name\":\"u\"}}");
    quiet(f, 404, "HEAD", path, NULL);
    quiet(f, 204, "POST", "/v1/namespaces/a/tables/u/metrics", "{\"report-type\":\"scan-report\"}");
    quiet(f, 204, "POST", "/v1/namespaces/a/tables/u/metrics",
          "{\"report-type\":\"commit-report\",\"operation\":\"append\"}");
    json = want(f, 200, "GET", "/v1/namespaces/a/tables/u/metrics", NULL); /* newest first */
    assert_int_equal(json_array_size(json_object_get(json, "reports")), 2);
    config = json_array_get(json_object_get(json, "reports"), 0);
    assert_string_equal(at(config, "report", "operation"), "append");
    json_decref(json);
    json = want(f, 200, "GET", "/v1/namespaces/a/tables/v/metrics", NULL);
    assert_int_equal(json_array_size(json_object_get(json, "reports")), 0);
    json_decref(json);
    quiet(f, 204, "DELETE", "/v1/namespaces/a/tables/u", NULL);
    quiet(f, 200, "POST", "/v1/namespaces/a/register", register_body);
    json = want(f, 200, "GET", "/v1/namespaces/a/tables", NULL);
    assert_int_equal(json_array_size(json_object_get(json, "identifiers")), 1);
    json_decref(json);
    quiet(f, 204, "DELETE", "/v1/namespaces/a/tables/r?purgeRequested=true", NULL);
    quiet(f, 204, "DELETE", "/v1/namespaces/a%1Fb", NULL);
    quiet(f, 204, "DELETE", "/v1/namespaces/a", NULL);
}

static void a_transaction_moves_all_tables_or_none(void **state)
{
    struct fixture *f = *state;
    static const char body[] =
        "{\"table-changes\":[{\"identifier\":{\"namespace\":[\"db\"],\"name\":\"t\"},"
        "\"requirements\":[],\"updates\":[{\"action\":\"set-properties\",\"updates\":{\"x\":\"y\"}}"
        "]},{\"identifier\":{\"namespace\":[\"db\"],\"name\":\"%s\"},\"requirements\":[],"
        "\"updates\":[{\"action\":\"set-properties\",\"updates\":{\"x\":\"y\"}}]}]}";
    char text[600];
    json_t *json;

    quiet(f, 200, "POST", "/v1/namespaces", "{\"namespace\":[\"db\"]}");
    quiet(f, 200, "POST", "/v1/namespaces/db/tables", create_table);
    snprintf(text, sizeof(text), body, "missing");
    quiet(f, 404, "POST", "/v1/transactions/commit", text);
    json = want(f, 200, "GET", "/v1/namespaces/db/tables/t", NULL);
    assert_null(
        json_object_get(json_object_get(json_object_get(json, "metadata"), "properties"), "x"));
    json_decref(json);
    snprintf(text, sizeof(text), body, "t");
    quiet(f, 400, "POST", "/v1/transactions/commit", text); /* twice the same */
}

static void a_table_whose_metadata_file_is_gone_is_called_so(void **state)
{
    struct fixture *f = *state;
    json_t *json;

    quiet(f, 200, "POST", "/v1/namespaces", "{\"namespace\":[\"db\"]}");
    json = want(f, 200, "POST", "/v1/namespaces/db/tables", create_table);
    assert_int_equal(store_remove_at(f->stack.store, at(json, "metadata-location", NULL), NULL), 0);
    json_decref(json);
    json = want(f, 404, "GET", "/v1/namespaces/db/tables/t", NULL);
    assert_string_equal(at(json, "error", "type"), "NotFoundException");
    json_decref(json);
    quiet(f, 204, "DELETE", "/v1/namespaces/db/tables/t", NULL);
}

static void an_unchanged_table_is_not_sent_again(void **state)
{
    struct fixture *f = *state;
    struct answer answer;
    char header[200], *etag;

    quiet(f, 200, "POST", "/v1/namespaces", "{\"namespace\":[\"db\"]}");
    quiet(f, 200, "POST", "/v1/namespaces/db/tables", create_table);
    answer = ask(f, "GET", "/v1/namespaces/db/tables/t", NULL);
    assert_int_equal(answer.status, 200);
    json_decref(answer.json);
    etag = strstr(answer.head, "ETag: ");
    assert_non_null(etag);
    snprintf(header, sizeof(header), "If-None-Match: %.*s\r\n", (int)strcspn(etag + 6, "\r\n"),
             etag + 6);
    answer = ask_with(f, "GET", "/v1/namespaces/db/tables/t", "", header, slice_of(NULL, 0));
    assert_int_equal(answer.status, 304);
    answer = ask_with(f, "GET", "/v1/namespaces/db/tables/t?snapshots=refs", "", header,
                      slice_of(NULL, 0));
    assert_int_equal(answer.status, 200);
    json_decref(answer.json);
}

static void lists_are_paged_by_token(void **state)
{
    struct fixture *f = *state;
    char path[200] = "/v1/namespaces?pageSize=4&pageToken=";
    int pages = 0, seen = 0;

    for (int i = 0; i < 10; i++) {
        char body[60];

        snprintf(body, sizeof(body), "{\"namespace\":[\"n%d\"]}", i);
        quiet(f, 200, "POST", "/v1/namespaces", body);
    }
    for (;;) {
        json_t *json = want(f, 200, "GET", path, NULL);
        const char *next = at(json, "next-page-token", NULL);

        seen += (int)json_array_size(json_object_get(json, "namespaces"));
        pages++;
        if (next)
            snprintf(path, sizeof(path), "/v1/namespaces?pageSize=4&pageToken=%.20s", next);
        json_decref(json);
        if (!next)
            break;
    }
    assert_int_equal(pages, 3);
    assert_int_equal(seen, 10);
}

/* ---- login ---- */

static struct answer log_in(struct fixture *f, const char *form)
{
    return ask_with(f, "POST", "/api/catalog/v1/oauth/tokens", "application/x-www-form-urlencoded",
                    "", slice_str(form));
}

static void a_token_opens_until_it_ends_and_only_unchanged(void **state)
{
    struct fixture *f = *state;
    struct answer answer;
    size_t len;

    assert_int_equal(open_http(f, true, false), 0);
    quiet(f, 200, "GET", "/v1/config", NULL);
    quiet(f, 401, "GET", "/v1/namespaces", NULL);
    quiet(f, 401, "GET", "/api/catalog/v1/polariscatalog/namespaces", NULL);
    answer = log_in(f, "grant_type=client_credentials&client_id=root&client_secret=wrong");
    assert_int_equal(answer.status, 401);
    assert_string_equal(at(answer.json, "error", NULL), "invalid_client");
    json_decref(answer.json);
    answer = log_in(f, "grant_type=password");
    assert_int_equal(answer.status, 400);
    json_decref(answer.json);
    answer = log_in(f, "grant_type=client_credentials&client_id=root&client_secret=secret"
                       "&scope=PRINCIPAL_ROLE:ALL");
    assert_int_equal(answer.status, 200);
    assert_string_equal(at(answer.json, "token_type", NULL), "bearer");
    snprintf(f->token, sizeof(f->token), "%s", at(answer.json, "access_token", NULL));
    json_decref(answer.json);
    quiet(f, 200, "GET", "/v1/namespaces", NULL);

    assert_int_equal(open_http(f, true, false), 0); /* a restart does not log people out */
    quiet(f, 200, "GET", "/v1/namespaces", NULL);
    len = strlen(f->token);
    for (size_t i = 0; i < len; i += 7) { /* any change breaks it */
        char was = f->token[i];

        f->token[i] = was == '1' ? '2' : '1';
        quiet(f, 401, "GET", "/v1/namespaces", NULL);
        f->token[i] = was;
    }
    clock_fake_advance(&f->clock, INT64_C(3601) * 1000000000);
    quiet(f, 401, "GET", "/v1/namespaces", NULL);
}

static void this_machine_may_be_let_in_without_login(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(open_http(f, true, true), 0);
    quiet(f, 200, "GET", "/v1/namespaces", NULL);
}

/* ---- bad input ---- */

static void refuses_every_truncation_of_a_request(void **state)
{
    struct fixture *f = *state;
    static const char commit[] =
        "{\"requirements\":[{\"type\":\"assert-ref-snapshot-id\",\"ref\":\"main\","
        "\"snapshot-id\":null}],\"updates\":[{\"action\":\"set-properties\",\"updates\":"
        "{\"x\":\"y\"}}]}";

    quiet(f, 200, "POST", "/v1/namespaces", "{\"namespace\":[\"db\"]}");
    for (size_t len = 0; len < sizeof(create_table) - 1; len += 3) {
        struct answer answer = ask_with(f, "POST", "/v1/namespaces/db/tables", "application/json",
                                        "", slice_of(create_table, len));

        assert_int_equal(answer.status, 400);
        json_decref(answer.json);
    }
    quiet(f, 200, "POST", "/v1/namespaces/db/tables", create_table);
    for (size_t len = 0; len < sizeof(commit) - 1; len += 3) {
        struct answer answer = ask_with(f, "POST", "/v1/namespaces/db/tables/t", "application/json",
                                        "", slice_of(commit, len));

        assert_int_equal(answer.status, 400);
        json_decref(answer.json);
    }
    quiet(f, 200, "POST", "/v1/namespaces/db/tables/t", commit);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(config_tells_endpoints_prefix_and_store),
        TEST(every_refusal_has_its_status_and_its_exception),
        TEST(a_table_goes_its_whole_way),
        TEST(a_transaction_moves_all_tables_or_none),
        TEST(a_table_whose_metadata_file_is_gone_is_called_so),
        TEST(an_unchanged_table_is_not_sent_again),
        TEST(lists_are_paged_by_token),
        TEST(a_token_opens_until_it_ends_and_only_unchanged),
        TEST(this_machine_may_be_let_in_without_login),
        TEST(refuses_every_truncation_of_a_request),
    };

    diag_set_sink(say_nothing, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
