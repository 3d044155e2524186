/* s3_policy_test.c - policies and sessions, by tables of questions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "s3/s3_int.h"

#define HEAD      "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\","
#define EVERYBODY "\"Principal\":\"*\","

struct fact {
    const char *key, *value;
};

static const char *fact(void *arg, const char *key)
{
    for (const struct fact *one = arg; one && one->key; one++)
        if (strcmp(one->key, key) == 0)
            return one->value;
    return NULL;
}

static void matches_patterns(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool matches;
    } cases[] = {
        {"", "", true},           {"*", "", true},
        {"*", "anything", true},  {"a*c", "abc", true},
        {"a*c", "ac", true},      {"a*c", "acb", false},
        {"a?c", "abc", true},     {"a?c", "ac", false},
        {"*a*b*", "xaxbx", true}, {"*a*b*", "xbxax", false},
        {"a**b", "ab", true},     {"a", "ab", false},
        {"ab", "a", false},       {"*.parquet", "t/d/1.parquet", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (s3_glob(cases[i].pattern, cases[i].text) != cases[i].matches)
            fail_msg("%s against %s", cases[i].pattern, cases[i].text);
}

static void judges_by_action_resource_and_principal(void **state)
{
    static const char policy[] =
        "{\"Statement\":["
        "{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":[\"ann\",\"arn:aws:iam::1:user/bob\"]},"
        "\"Action\":[\"s3:Get*\",\"s3:PutObject\"],\"Resource\":\"arn:aws:s3:::lake/in/*\"},"
        "{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"s3:getobject\","
        "\"Resource\":\"arn:aws:s3:::lake/open/?\"},"
        "{\"Effect\":\"Deny\",\"Principal\":\"*\",\"NotAction\":\"s3:GetObject\","
        "\"Resource\":\"arn:aws:s3:::lake/in/fixed\"}]}";
    static const struct {
        const char *who, *action, *key;
        enum s3_verdict verdict;
    } cases[] = {
        {"ann", "s3:GetObject", "in/k", S3_ALLOWS},
        {"bob", "s3:GetObjectTagging", "in/k", S3_ALLOWS},
        {"eve", "s3:GetObject", "in/k", S3_SAYS_NOTHING},
        {NULL, "s3:GetObject", "in/k", S3_SAYS_NOTHING},
        {"ann", "s3:DeleteObject", "in/k", S3_SAYS_NOTHING},
        {"ann", "s3:GetObject", "out/k", S3_SAYS_NOTHING},
        {"ann", "s3:PutObject", "in/fixed", S3_DENIES},
        {"ann", "s3:GetObject", "in/fixed", S3_ALLOWS},
        {NULL, "s3:GetObject", "open/1", S3_ALLOWS},
        {NULL, "s3:GetObject", "open/12", S3_SAYS_NOTHING},
    };
    struct arena arena = {0};
    struct s3_policy *parsed;
    struct err err = {0};

    (void)state;
    assert_int_equal(s3_policy_parse(&arena, SLICE_LIT(policy), "lake", &parsed, &err), 0);
    assert_true(s3_policy_is_public(parsed));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct s3_ask ask = {.access_key = cases[i].who,
                                   .action = cases[i].action,
                                   .resource =
                                       arena_printf(&arena, "arn:aws:s3:::lake/%s", cases[i].key),
                                   .value = fact};

        if (s3_policy_ask(parsed, &ask) != cases[i].verdict)
            fail_msg("%s %s %s", cases[i].who, cases[i].action, cases[i].key);
    }
    arena_deinit(&arena);
}

static void judges_by_conditions(void **state)
{
    static const struct {
        const char *condition;
        struct fact facts[2];
        bool holds;
    } cases[] = {
        {"{\"IpAddress\":{\"aws:SourceIp\":\"10.1.0.0/16\"}}",
         {{"aws:SourceIp", "10.1.2.3"}},
         true},
        {"{\"IpAddress\":{\"aws:SourceIp\":\"10.1.0.0/16\"}}",
         {{"aws:SourceIp", "10.2.2.3"}},
         false},
        {"{\"NotIpAddress\":{\"aws:SourceIp\":[\"10.0.0.1\",\"::1\"]}}",
         {{"aws:SourceIp", "::1"}},
         false},
        {"{\"IpAddress\":{\"aws:SourceIp\":\"2001:db8::/33\"}}",
         {{"aws:SourceIp", "2001:db8:8000::1"}},
         false},
        {"{\"StringLike\":{\"s3:prefix\":[\"a/*\",\"b/*\"]}}", {{"s3:prefix", "b/x"}}, true},
        {"{\"StringLike\":{\"s3:prefix\":\"a/*\"}}", {{NULL, NULL}}, false},
        {"{\"StringLikeIfExists\":{\"s3:prefix\":\"a/*\"}}", {{NULL, NULL}}, true},
        {"{\"StringNotEquals\":{\"aws:username\":\"eve\"}}", {{"aws:username", "ann"}}, true},
        {"{\"Null\":{\"s3:prefix\":\"true\"}}", {{NULL, NULL}}, true},
        {"{\"Null\":{\"s3:prefix\":false}}", {{"s3:prefix", ""}}, true},
        {"{\"NumericLessThanEquals\":{\"s3:max-keys\":10}}", {{"s3:max-keys", "10"}}, true},
        {"{\"NumericLessThanEquals\":{\"s3:max-keys\":10}}", {{"s3:max-keys", "x"}}, false},
        {"{\"Bool\":{\"aws:SecureTransport\":true}}", {{"aws:SecureTransport", "false"}}, false},
        {"{\"DateLessThan\":{\"aws:CurrentTime\":\"2030-01-01T00:00:00Z\"}}",
         {{"aws:CurrentTime", "2029-12-31T23:59:59.000Z"}},
         true},
        {"{\"StringEquals\":{\"s3:prefix\":\"a\"},\"NumericEquals\":{\"s3:max-keys\":\"1\"}}",
         {{"s3:prefix", "a"}},
         false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct arena arena = {0};
        struct s3_policy *parsed;
        struct err err = {0};
        struct fact facts[3] = {cases[i].facts[0], cases[i].facts[1]};
        const struct s3_ask ask = {.action = "s3:ListBucket",
                                   .resource = "arn:aws:s3:::lake",
                                   .value = fact,
                                   .arg = facts};
        const char *text = arena_printf(&arena,
                                        HEAD EVERYBODY "\"Action\":\"s3:ListBucket\",\"Resource\":"
                                                       "\"arn:aws:s3:::lake\",\"Condition\":%s}]}",
                                        cases[i].condition);

        if (s3_policy_parse(&arena, slice_str(text), "lake", &parsed, &err))
            fail_msg("%s: %s", cases[i].condition, err.text);
        if ((s3_policy_ask(parsed, &ask) == S3_ALLOWS) != cases[i].holds)
            fail_msg("%s", cases[i].condition);
        arena_deinit(&arena);
    }
}

/* What would be judged otherwise than by AWS is not stored. */
static void refuses_what_it_would_not_judge(void **state)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{",
        "{}",
        "{\"Statement\":[]}",
        "{\"Version\":\"1\",\"Statement\":[{}]}",
        HEAD EVERYBODY "\"Action\":\"s3:GetObject\"}]}",
        HEAD EVERYBODY "\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::other/*\"}]}",
        HEAD EVERYBODY "\"Action\":\"s3:NoSuchThing\",\"Resource\":\"arn:aws:s3:::lake/*\"}]}",
        HEAD EVERYBODY "\"Action\":\"ec2:*\",\"Resource\":\"arn:aws:s3:::lake/*\"}]}",
        HEAD "\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::lake/*\"}]}",
        HEAD "\"NotPrincipal\":\"*\",\"Action\":\"s3:GetObject\",\"Resource\":"
             "\"arn:aws:s3:::lake/*\"}]}",
        HEAD EVERYBODY "\"Action\":\"s3:ListBucket\",\"Resource\":\"arn:aws:s3:::lake/*\"}]}",
        HEAD EVERYBODY "\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::lake/*\","
                       "\"Condition\":{\"StringEquals\":{\"aws:PrincipalOrgID\":\"o\"}}}]}",
        HEAD EVERYBODY "\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::lake/*\","
                       "\"Condition\":{\"ForAllValues:StringEquals\":{\"s3:prefix\":\"o\"}}}]}",
        HEAD EVERYBODY "\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::lake/*\","
                       "\"Condition\":{\"IpAddress\":{\"aws:SourceIp\":\"10.0.0.0/33\"}}}]}",
        "{\"Statement\":{\"Effect\":\"allow\",\"Principal\":\"*\",\"Action\":\"s3:*\","
        "\"Resource\":\"arn:aws:s3:::lake\"}}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct err err = {0};

        if (s3_policy_check(slice_str(bad[i]), "lake", &err) != ERR_INVALID || !err.text[0])
            fail_msg("taken: %s", bad[i]);
    }
}

static void comes_with_policies_that_mean_what_they_say(void **state)
{
    static const char *const buckets[] = {"lake"};
    static const struct {
        const char *policy, *action, *resource;
        bool may;
    } cases[] = {
        {"readonly", "s3:GetObject", "arn:aws:s3:::lake/k", true},
        {"readonly", "s3:ListBucket", "arn:aws:s3:::lake", true},
        {"readonly", "s3:PutObject", "arn:aws:s3:::lake/k", false},
        {"readonly", "s3:GetObject", "arn:aws:s3:::lakes/k", false},
        {"writeonly", "s3:PutObject", "arn:aws:s3:::lake/k", true},
        {"writeonly", "s3:GetObject", "arn:aws:s3:::lake/k", false},
        {"readwrite", "s3:DeleteObject", "arn:aws:s3:::lake/k", true},
        {"readwrite", "s3:DeleteBucket", "arn:aws:s3:::other", false},
        {"readwrite", "s3:ListAllMyBuckets", "arn:aws:s3:::*", true},
    };
    struct arena arena = {0};
    struct s3_policy *parsed;

    (void)state;
    assert_null(s3_policy_canned(&arena, "nosuch", NULL, 0));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct s3_ask ask = {.access_key = "u",
                                   .action = cases[i].action,
                                   .resource = cases[i].resource,
                                   .value = fact};
        const char *text = s3_policy_canned(&arena, cases[i].policy, buckets, 1);

        assert_int_equal(s3_policy_parse(&arena, slice_str(text), NULL, &parsed, NULL), 0);
        if ((s3_policy_ask(parsed, &ask) == S3_ALLOWS) != cases[i].may)
            fail_msg("%s %s %s", cases[i].policy, cases[i].action, cases[i].resource);
    }
    assert_string_equal(s3_policy_word(slice_of("", 0), "lake"), "none");
    for (int open = 1; open < 4; open++) {
        static const char *const words[] = {"", "read", "write", "readwrite"};
        const char *text =
            s3_policy_public(&arena, "lake", open & S3_PUBLIC_READ, open & S3_PUBLIC_WRITE);

        assert_int_equal(s3_policy_check(slice_str(text), "lake", NULL), 0);
        assert_string_equal(s3_policy_word(slice_str(text), "lake"), words[open]);
    }
    arena_deinit(&arena);
}

static void a_prefix_is_no_pattern(void **state)
{
    struct fact prefix[2] = {{"s3:prefix", "t/a*b/data"}};
    struct arena arena = {0};
    struct s3_policy *parsed;
    struct s3_ask ask = {.access_key = "u", .value = fact, .arg = prefix};
    const char *text = s3_policy_for_prefix(&arena, "lake", "t/a*b/", false);

    (void)state;
    assert_int_equal(s3_policy_parse(&arena, slice_str(text), NULL, &parsed, NULL), 0);
    ask.action = "s3:GetObject";
    ask.resource = "arn:aws:s3:::lake/t/a*b/data/1";
    assert_int_equal(s3_policy_ask(parsed, &ask), S3_ALLOWS);
    ask.resource = "arn:aws:s3:::lake/t/a-other-table-b/data/1";
    assert_int_equal(s3_policy_ask(parsed, &ask), S3_SAYS_NOTHING);
    ask.action = "s3:PutObject";
    ask.resource = "arn:aws:s3:::lake/t/a*b/data/1";
    assert_int_equal(s3_policy_ask(parsed, &ask), S3_SAYS_NOTHING);
    ask.action = "s3:ListBucket";
    ask.resource = "arn:aws:s3:::lake";
    assert_int_equal(s3_policy_ask(parsed, &ask), S3_ALLOWS);
    prefix[0].value = "t/";
    assert_int_equal(s3_policy_ask(parsed, &ask), S3_SAYS_NOTHING);
    arena_deinit(&arena);
}

/* --- sessions --------------------------------------------------------------------------------- */

#define NOW_US (INT64_C(1700000000) * 1000000)

static void a_session_is_known_until_it_ends_and_to_its_own_secret(void **state)
{
    struct s3_credential credentials[] = {{"admin", "password", NULL}, {"user", "secret-1", "{}"}};
    struct s3_server server = {.credentials = credentials, .credential_count = 2};
    struct arena arena = {0};
    struct s3_session session;
    struct s3_session_found found;
    char *forged;

    (void)state;
    assert_int_equal(s3_session_issue(&arena, &credentials[1],
                                      HEAD "\"Action\":\"s3:*\",\"Resource\":\"*\"}]}", NOW_US, 900,
                                      &session, NULL),
                     0);
    assert_int_equal(session.expires_us, NOW_US + INT64_C(900) * 1000000);
    assert_int_equal(
        s3_session_open(&server, &arena, session.token, session.access_key, NOW_US, &found), 0);
    assert_ptr_equal(found.parent, &credentials[1]);
    assert_string_equal(found.secret_key, session.secret_key);
    assert_non_null(strstr(found.policy, "s3:*"));
    assert_int_equal(s3_session_open(&server, &arena, session.token, session.access_key,
                                     session.expires_us + 1000000, &found),
                     ERR_TIMEOUT);
    assert_int_equal(s3_session_open(&server, &arena, session.token, "TARNOTHER", NOW_US, &found),
                     ERR_DENIED);
    for (size_t i = 0; session.token[i]; i++) { /* no byte of it may change */
        forged = arena_strdup(&arena, session.token);
        forged[i] = forged[i] == 'A' ? 'B' : 'A';
        if (strcasecmp(forged, session.token))
            assert_int_equal(
                s3_session_open(&server, &arena, forged, session.access_key, NOW_US, &found),
                ERR_DENIED);
    }
    credentials[1].secret_key = "secret-2";
    assert_int_equal(
        s3_session_open(&server, &arena, session.token, session.access_key, NOW_US, &found),
        ERR_DENIED);
    arena_deinit(&arena);
}

static void a_session_has_bounds(void **state)
{
    const struct s3_credential admin = {"admin", "password", NULL};
    struct arena arena = {0};
    struct s3_session session;
    struct err err = {0};

    (void)state;
    assert_int_equal(s3_session_issue(&arena, &admin, NULL, NOW_US, 899, &session, &err),
                     ERR_INVALID);
    assert_int_equal(s3_session_issue(&arena, &admin, NULL, NOW_US, 604801, &session, &err),
                     ERR_INVALID);
    assert_int_equal(
        s3_session_issue(&arena, &admin, "{\"Statement\":7}", NOW_US, 900, &session, &err),
        ERR_INVALID);
    assert_true(err.text[0]);
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_patterns),
        cmocka_unit_test(judges_by_action_resource_and_principal),
        cmocka_unit_test(judges_by_conditions),
        cmocka_unit_test(refuses_what_it_would_not_judge),
        cmocka_unit_test(comes_with_policies_that_mean_what_they_say),
        cmocka_unit_test(a_prefix_is_no_pattern),
        cmocka_unit_test(a_session_is_known_until_it_ends_and_to_its_own_secret),
        cmocka_unit_test(a_session_has_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
