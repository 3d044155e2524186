/* s3_form_test.c - uploads by HTML form: what the policy says holds, whoever wrote the form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/codec.h"
#include "base/disk_sim.h"
#include "net/http_client.h"
#include "s3/s3_form.h"

#define NOW_US   (INT64_C(1369353600) * 1000000) /* 2013-05-24T00:00:00Z */
#define DATE     "20130524T000000Z"
#define SCOPE    "/20130524/us-east-1/s3/aws4_request"
#define BOUNDARY "----x"
#define UNTIL    "\"expiration\":\"2013-05-24T00:10:00Z\""
#define BUCKET   "{\"bucket\":\"forms\"}"
#define SIGNERS                                                                                    \
    "[\"starts-with\",\"$x-amz-algorithm\",\"\"],[\"starts-with\",\"$x-amz-credential\",\"\"],"    \
    "[\"starts-with\",\"$x-amz-date\",\"\"]"
/* Allows a key and nothing more. */
#define ALLOWS(more) "{" UNTIL ",\"conditions\":[" BUCKET "," SIGNERS ",{\"key\":\"k\"}" more "]}"
#define PLAIN        ALLOWS("")

struct fixture {
    struct disk_sim *sim;
    struct s3_server *server;
    struct store *store;
    struct http_client *client;
    struct clock_fake clock;
    struct arena arena;
    struct http_answer answer; /* of the last request */
    struct buf body, form;
};

static int set_up(void **state)
{
    static const struct s3_credential credentials[] = {{"admin", "password"}};
    struct fixture *fix = calloc(1, sizeof(*fix));
    const struct http_client_options options = {0};
    struct store_local_options local = {.dir = "data", .clock = clock_system()};
    struct s3_options server = {.credentials = credentials, .credential_count = 1};
    struct err err = {0};

    clock_fake_init(&fix->clock, NOW_US);
    assert_int_equal(disk_sim_new(&fix->sim, 1, NULL), 0);
    local.disk = disk_sim_disk(fix->sim);
    assert_int_equal(store_local_new(&fix->store, &local, &err), 0);
    server.clock = &fix->clock.clock;
    server.store = fix->store;
    if (s3_server_new(&fix->server, &server, &err))
        fail_msg("%s", err.text);
    assert_int_equal(fix->store->ops->bucket_make(fix->store, "forms", NULL), 0);
    assert_int_equal(http_client_new(&fix->client, &options, NULL), 0);
    *state = fix;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fix = *state;

    s3_server_free(fix->server);
    store_free(fix->store);
    http_client_free(fix->client);
    buf_deinit(&fix->body);
    buf_deinit(&fix->form);
    arena_deinit(&fix->arena);
    disk_sim_free(fix->sim);
    free(fix);
    return 0;
}

/* --- a form ----------------------------------------------------------------------------------- */

struct field {
    const char *name, *value;
};

struct post {
    const char *policy; /* its JSON; NULL: an unsigned form */
    const char *base64; /* instead of it */
    struct field more[4];
    const char *key;    /* NULL: "k" */
    const char *secret; /* NULL: the right one */
    const char *date;   /* likewise */
    const char *credential;
    const char *leave_out; /* a field */
    const char *file;      /* NULL: none is sent */
    struct field after;    /* the file */
};

static void add_field(struct fixture *fix, const struct post *post, const char *name,
                      const char *value)
{
    if (!value || (post->leave_out && strcmp(post->leave_out, name) == 0))
        return;
    buf_printf(&fix->form,
               "--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n%s\r\n", name,
               value);
}

static void add_signature(struct fixture *fix, const struct post *post)
{
    const char *credential = post->credential ? post->credential : "admin" SCOPE;
    const char *policy = post->base64;
    struct buf base64 = {0};
    uint8_t key[32], mac[32];
    char hex[65];

    if (!policy && !post->policy)
        return;
    if (!policy) {
        assert_int_equal(base64_encode(slice_str(post->policy), &base64), 0);
        policy = buf_cstr(&base64);
    }
    sigv4_key(post->secret ? post->secret : "password", "20130524", "us-east-1", "s3", key);
    hmac_sha256(key, sizeof(key), policy, strlen(policy), mac);
    hex_encode(mac, sizeof(mac), hex);
    add_field(fix, post, "policy", policy);
    add_field(fix, post, "x-amz-algorithm", "AWS4-HMAC-SHA256");
    add_field(fix, post, "x-amz-credential", credential);
    add_field(fix, post, "x-amz-date", post->date ? post->date : DATE);
    add_field(fix, post, "x-amz-signature", hex);
    buf_deinit(&base64);
}

static int send_form(struct fixture *fix, struct slice form)
{
    const struct http_field type = {"Content-Type", "multipart/form-data; boundary=" BOUNDARY};
    struct http_call call = {.method = "POST",
                             .headers = &type,
                             .header_count = 1,
                             .body = form,
                             .clock = &fix->clock.clock,
                             .into = &fix->body};
    struct err err = {0};

    arena_reset(&fix->arena);
    buf_clear(&fix->body);
    call.url = arena_printf(&fix->arena, "http://127.0.0.1:%d/forms", s3_server_port(fix->server));
    if (http_client_call(fix->client, &call, &fix->arena, &fix->answer, &err))
        fail_msg("%s", err.text);
    assert_non_null(buf_cstr(&fix->body));
    return fix->answer.status;
}

/* Leaves the form in the fixture. */
static int post(struct fixture *fix, struct post post)
{
    buf_clear(&fix->form);
    add_field(fix, &post, "key", post.key ? post.key : "k");
    add_signature(fix, &post);
    for (size_t i = 0; i < COUNT_OF(post.more); i++)
        add_field(fix, &post, post.more[i].name, post.more[i].value);
    if (post.file)
        buf_printf(&fix->form,
                   "--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"file\"; "
                   "filename=\"C:\\photos\\me.png\"\r\nContent-Type: image/png\r\n\r\n%s\r\n",
                   post.file);
    add_field(fix, &post, post.after.name, post.after.value);
    assert_int_equal(buf_append_str(&fix->form, "--" BOUNDARY "--\r\n"), 0);
    return send_form(fix, buf_slice(&fix->form));
}

#define POST(...) post(fix, (struct post){__VA_ARGS__})

static bool has(struct fixture *fix, const char *text)
{
    return strstr(buf_cstr(&fix->body), text) != NULL;
}

static void assert_holds(struct fixture *fix, const char *key, const char *wanted)
{
    struct buf got = {0};
    int rc = fix->store->ops->get(fix->store, "forms", key, 0, -1, &got, NULL);

    assert_int_equal(rc, wanted ? 0 : ERR_NOENT);
    if (wanted)
        assert_true(slice_is(buf_slice(&got), wanted));
    buf_deinit(&got);
}

static void refused(struct fixture *fix, int found, int status, const char *text)
{
    if (found != status || !has(fix, text))
        fail_msg("%d and \"%s\" expected, got %d: %s", status, text, found, buf_cstr(&fix->body));
    assert_holds(fix, "k", NULL);
}

/* --- claims ----------------------------------------------------------------------------------- */

/* Goal: what an allowed form says becomes the object, and what follows the file says nothing. */
static void an_allowed_form_becomes_an_object(void **state)
{
    struct fixture *fix = *state;
    struct store_info info;

    assert_int_equal(POST(.policy = ALLOWS(",[\"starts-with\",\"$Content-Type\",\"image/\"],"
                                           "{\"x-amz-meta-who\":\"me\"}"),
                          .more = {{"Content-Type", "image/png"}, {"x-amz-meta-who", "me"}},
                          .file = "bytes", .after = {"x-amz-meta-late", "no"}),
                     204);
    assert_holds(fix, "k", "bytes");
    assert_int_equal(fix->store->ops->head(fix->store, "forms", "k", &info, NULL), 0);
    assert_string_equal(info.content_type, "image/png");
    assert_non_null(strstr(info.metadata, "\"x-amz-meta-who\":\"me\""));
    assert_null(strstr(info.metadata, "late"));
    assert_int_equal(POST(.policy = "{" UNTIL ",\"conditions\":[" BUCKET "," SIGNERS
                                    ",[\"starts-with\",\"$key\",\"in/\"],"
                                    "{\"success_action_status\":\"201\"}]}",
                          .key = "in/${filename}", .more = {{"success_action_status", "201"}},
                          .file = ""),
                     201);
    assert_true(has(fix, "<Key>in/me.png</Key>"));
    assert_holds(fix, "in/me.png", "");
}

/* Goal: each kind of condition lets pass what meets it and nothing else, and no field comes with a
 * form that its policy does not name. */
static void every_condition_holds(void **state)
{
    static const struct {
        const char *policy;
        struct field field;
        int status;
        const char *text;
    } cases[] = {
        {PLAIN, {0}, 204, ""},
        {PLAIN, {"x-ignore-that", "1"}, 204, ""},
        {PLAIN, {"x-amz-meta-a", "1"}, 403, "Extra input fields: x-amz-meta-a"},
        {PLAIN, {"Content-Type", "text/html"}, 403, "Extra input fields: content-type"},
        {ALLOWS(",{\"acl\":\"private\"}"), {"acl", "private"}, 204, ""},
        {ALLOWS(",{\"acl\":\"private\"}"), {"acl", "public-read"}, 403, "Policy Condition failed"},
        {ALLOWS(",{\"acl\":\"private\"}"), {0}, 403, "Policy Condition failed"},
        {ALLOWS(",[\"EQ\",\"$ACL\",\"private\"]"), {"Acl", "private"}, 204, ""},
        {ALLOWS(",[\"eq\",\"$acl\",\"private\"]"), {"acl", "Private"}, 403, "Policy Condition"},
        {ALLOWS(",[\"eq\",\"acl\",\"private\"]"), {"acl", "private"}, 403, "Extra input fields"},
        {ALLOWS(",[\"starts-with\",\"$x-amz-meta-a\",\"1\"]"), {"x-amz-meta-a", "12"}, 204, ""},
        {ALLOWS(",[\"starts-with\",\"$x-amz-meta-a\",\"1\"]"),
         {"x-amz-meta-a", "21"},
         403,
         "failed"},
        {ALLOWS(",[\"starts-with\",\"$x-amz-meta-a\",\"\"]"), {"x-amz-meta-a", "21"}, 204, ""},
        {ALLOWS(",[\"starts-with\",\"$Content-Type\",\"image/\"]"),
         {"Content-Type", "image/png,image/gif"},
         204,
         ""},
        {ALLOWS(",[\"starts-with\",\"$Content-Type\",\"image/\"]"),
         {"Content-Type", "image/png,text/html"},
         403,
         "Policy Condition failed"},
        {ALLOWS(",{\"key\":\"other\"}"), {0}, 403, "Policy Condition failed"},
        {"{" UNTIL ",\"conditions\":[{\"bucket\":\"other\"}," SIGNERS ",{\"key\":\"k\"}]}",
         {0},
         403,
         "Policy Condition failed"},
        {"{" UNTIL ",\"conditions\":[" SIGNERS ",{\"key\":\"k\"}]}",
         {0},
         403,
         "Extra input fields: bucket"},
        {"{" UNTIL ",\"conditions\":[" BUCKET "," SIGNERS "]}",
         {0},
         403,
         "Extra input fields: key"},
    };
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int status = POST(.policy = cases[i].policy, .more = {cases[i].field}, .file = "bytes");

        if (cases[i].status != 204) {
            refused(fix, status, cases[i].status, cases[i].text);
            continue;
        }
        if (status != 204)
            fail_msg("case %zu: %d: %s", i, status, buf_cstr(&fix->body));
        assert_holds(fix, "k", "bytes");
        assert_int_equal(fix->store->ops->remove(fix->store, "forms", "k", NULL), 0);
    }
}

/* Goal: a file of every size but those allowed is refused, to the byte. */
static void the_length_range_holds_to_the_byte(void **state)
{
    static const struct {
        const char *file;
        int status;
        const char *text;
    } cases[] = {{"1", 400, "EntityTooSmall"},
                 {"12345", 400, "EntityTooLarge"},
                 {"12", 204, ""},
                 {"1234", 204, ""}};
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int status =
            POST(.policy = ALLOWS(",[\"content-length-range\",2,\"4\"]"), .file = cases[i].file);

        if (cases[i].status == 204)
            assert_int_equal(status, 204);
        else
            refused(fix, status, cases[i].status, cases[i].text);
    }
    assert_holds(fix, "k", "1234");
}

/* Goal: a form is good until its policy ends, and for an hour from its date. */
static void a_form_ends(void **state)
{
    struct fixture *fix = *state;

    clock_fake_advance(&fix->clock, INT64_C(600) * 1000000000);
    refused(fix, POST(.policy = PLAIN, .file = "bytes"), 403, "Policy expired");
    refused(fix,
            POST(.policy = "{\"expiration\":\"2099-01-01T00:00:00Z\",\"conditions\":[" BUCKET
                           "," SIGNERS ",{\"key\":\"k\"}]}",
                 .date = "20130523T230959Z", .file = "bytes"),
            403, "Policy expired");
    refused(fix, POST(.policy = PLAIN, .date = "yesterday", .file = "bytes"), 400, "X-Amz-Date");
}

/* Goal: only who knows a key's secret makes a form. */
static void only_a_secret_signs(void **state)
{
    struct fixture *fix = *state;
    size_t at;

    refused(fix, POST(.policy = PLAIN, .secret = "passwore", .file = "bytes"), 403,
            "SignatureDoesNotMatch");
    refused(fix, POST(.policy = PLAIN, .credential = "nobody" SCOPE, .file = "bytes"), 403,
            "InvalidAccessKeyId");
    refused(fix,
            POST(.policy = PLAIN, .credential = "admin/20130525/us-east-1/s3/aws4_request",
                 .file = "bytes"),
            403, "SignatureDoesNotMatch");
    refused(fix,
            POST(.policy = PLAIN, .credential = "admin/us-east-1/s3/aws4_request", .file = "bytes"),
            400, "Credential is mal-formed");
    refused(fix, POST(.file = "bytes"), 403, "AccessDenied"); /* unsigned */
    assert_int_equal(POST(.policy = PLAIN, .file = "bytes"), 204);
    assert_int_equal(fix->store->ops->remove(fix->store, "forms", "k", NULL), 0);
    at = (size_t)(strstr(buf_cstr(&fix->form), "name=\"policy\"") - (char *)fix->form.ptr) + 17;
    for (size_t i = 0; i < 40; i++) { /* a policy that somebody touched */
        fix->form.ptr[at + i] ^= 1;
        assert_in_range(send_form(fix, buf_slice(&fix->form)), 400, 403);
        assert_holds(fix, "k", NULL);
        fix->form.ptr[at + i] ^= 1;
    }
}

/* Goal: a form that lacks something is told what. */
static void what_is_missing_is_named(void **state)
{
    static const char *const signers[] = {"policy", "x-amz-algorithm", "x-amz-credential",
                                          "x-amz-date", "x-amz-signature"};
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT_OF(signers); i++)
        refused(fix, POST(.policy = PLAIN, .leave_out = signers[i], .file = "bytes"), 400,
                signers[i]);
    refused(fix, POST(.policy = PLAIN, .leave_out = "key", .file = "bytes"), 400,
            "<ArgumentName>key<");
    refused(fix, POST(.policy = PLAIN), 400, "exactly one file");
    refused(fix, POST(.policy = PLAIN, .more = {{"key", "k"}}, .file = "bytes"), 400,
            "exactly one value");
    refused(fix, POST(.policy = PLAIN, .more = {{"AWSAccessKeyId", "admin"}}, .file = "bytes"), 400,
            "AWS4-HMAC-SHA256");
}

/* Goal: a text that is no policy allows nothing, however well it is signed. */
static void what_is_no_policy_allows_nothing(void **state)
{
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "{\"conditions\":[]}",
        "{" UNTIL "}",
        "{" UNTIL ",\"conditions\":{}}",
        "{\"expiration\":1,\"conditions\":[]}",
        "{\"expiration\":\"soon\",\"conditions\":[]}",
        "{" UNTIL ",\"conditions\":[],\"more\":1}",
        "{" UNTIL ",\"conditions\":[1]}",
        "{" UNTIL ",\"conditions\":[[]]}",
        "{" UNTIL ",\"conditions\":[{}]}",
        "{" UNTIL ",\"conditions\":[{\"a\":\"b\",\"c\":\"d\"}]}",
        "{" UNTIL ",\"conditions\":[{\"a\":1}]}",
        "{" UNTIL ",\"conditions\":[[\"eq\",\"$a\"]]}",
        "{" UNTIL ",\"conditions\":[[\"ends-with\",\"$a\",\"b\"]]}",
        "{" UNTIL ",\"conditions\":[[\"content-length-range\",-1,4]]}",
        "{" UNTIL ",\"conditions\":[[\"content-length-range\",\"a\",4]]}",
        "{" UNTIL ",\"conditions\":[[1,\"$a\",\"b\"]]}",
    };
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT_OF(texts); i++)
        refused(fix, POST(.policy = texts[i], .file = "bytes"), 400, "Invalid");
    refused(fix, POST(.base64 = "no base64!", .file = "bytes"), 400, "Base64");
}

/* Goal: a form that ends too early stores nothing. Method: a good one cut at every length. */
static void a_cut_form_stores_nothing(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(POST(.policy = PLAIN, .file = "bytes"), 204);
    assert_int_equal(fix->store->ops->remove(fix->store, "forms", "k", NULL), 0);
    for (size_t len = 0; len < fix->form.len - sizeof("--\r\n"); len++) {
        int status = send_form(fix, slice_of(fix->form.ptr, len));

        if (status < 400 || status > 403)
            fail_msg("cut at %zu: %d: %s", len, status, buf_cstr(&fix->body));
        assert_holds(fix, "k", NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_allowed_form_becomes_an_object, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_condition_holds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_length_range_holds_to_the_byte, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_form_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_a_secret_signs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_missing_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_policy_allows_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_cut_form_stores_nothing, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
