/* s3_form_policy.c - the policy of an upload by HTML form: what the signer lets its fields be.
 *
 *   {"expiration": "2030-01-01T00:00:00Z",
 *    "conditions": [{"bucket": "b"}, ["starts-with", "$key", "user/"],
 *                   ["content-length-range", 0, 1048576]]}
 *
 * Every field sent must be met by some condition, and every condition must hold, so that nobody can
 * add to a form what its maker did not think of. The sentences are AWS's.
 */
#include <strings.h>

#include "base/json.h"
#include "s3/s3_form.h"

#define INVALID   "Invalid Policy: "
#define UNMET     "Invalid according to Policy: "
#define BAD_JSON  INVALID "Invalid JSON."
#define CONDITION INVALID "Invalid Condition: "

static int invalid(struct s3_call *call, const char *fmt, const char *value)
{
    s3_error(call, S3_INVALID_POLICY_DOCUMENT, fmt, value);
    return ERR_INVALID;
}

static int unmet(struct s3_call *call, const char *fmt, const char *value)
{
    s3_error(call, S3_ACCESS_DENIED, fmt, value);
    return ERR_DENIED;
}

/* --- is it a policy -----------------------------------------------------------------------------
 */

static int check_simple(struct s3_call *call, const json_t *condition)
{
    json_t *value;
    const char *name;

    if (json_object_size(condition) != 1)
        return invalid(call,
                       INVALID "Invalid Simple-Condition: Simple-Conditions must have exactly one "
                               "property specified.%s",
                       "");
    json_object_foreach((json_t *)condition, name, value)
    {
        if (!json_is_string(value))
            return invalid(call, INVALID "Invalid Simple-Condition: value must be a string.%s", "");
    }
    return 0;
}

/* A whole number, or one as text. */
static bool read_bytes(const json_t *value, int64_t *out)
{
    if (json_is_integer(value))
        *out = json_integer_value(value);
    else if (!json_is_string(value) || slice_to_i64(slice_str(json_string_value(value)), out))
        return false;
    return *out >= 0;
}

static int check_list(struct s3_call *call, const json_t *condition)
{
    const char *word = json_string_value(json_array_get(condition, 0));
    int64_t bytes;
    bool is_range;

    if (json_array_size(condition) == 0)
        return invalid(call, CONDITION "missing operation identifier.%s", "");
    if (!word)
        return invalid(call, BAD_JSON "%s", "");
    is_range = strcasecmp(word, "content-length-range") == 0;
    if (!is_range && strcasecmp(word, "eq") && strcasecmp(word, "starts-with"))
        return invalid(call, CONDITION "unknown operation '%s'.", word);
    if (json_array_size(condition) != 3)
        return invalid(call, INVALID "Invalid %s: wrong number of arguments.", word);
    for (size_t i = 1; i < 3; i++)
        if (is_range ? !read_bytes(json_array_get(condition, i), &bytes)
                     : !json_is_string(json_array_get(condition, i)))
            return invalid(call, BAD_JSON "%s", "");
    return 0;
}

static int check_shape(struct s3_call *call, const json_t *policy)
{
    const json_t *expiration = json_object_get(policy, "expiration");
    const json_t *conditions = json_object_get(policy, "conditions");
    const char *name;
    json_t *value;
    int rc = 0;

    json_object_foreach((json_t *)policy, name, value)
    {
        if (strcmp(name, "expiration") && strcmp(name, "conditions"))
            return invalid(call, INVALID "Unexpected: \"%s\"", name);
    }
    if (!expiration)
        return invalid(call, INVALID "Policy missing expiration.%s", "");
    if (!json_is_string(expiration))
        return invalid(call, BAD_JSON "%s", "");
    if (!conditions)
        return invalid(call, INVALID "Policy missing conditions.%s", "");
    if (!json_is_array(conditions))
        return invalid(call, INVALID "Invalid 'conditions' value: must be a List.%s", "");
    for (size_t i = 0; i < json_array_size(conditions) && !rc; i++) {
        const json_t *one = json_array_get(conditions, i);

        rc = json_is_object(one)  ? check_simple(call, one)
             : json_is_array(one) ? check_list(call, one)
                                  : invalid(call,
                                            INVALID "Invalid condition test: must be a List or "
                                                    "Object.%s",
                                            "");
    }
    return rc;
}

static int check_expiration(struct s3_call *call, const json_t *policy)
{
    const char *text = json_string_value(json_object_get(policy, "expiration"));
    int64_t until_us;

    if (s3_parse_iso_date(text, &until_us))
        return invalid(call, INVALID "Invalid 'expiration' value: '%s'", text);
    if (until_us <= clock_wall_us(call->server->clock))
        return unmet(call, UNMET "Policy expired.%s", "");
    return 0;
}

/* --- does it hold -------------------------------------------------------------------------------
 */

/* A condition as (operation, field, value); the field without its '$', NULL where it had none. */
struct condition {
    const char *word, *field, *value;
    bool is_range;
};

static struct condition read_condition(const json_t *json)
{
    struct condition out = {.word = "eq"};
    const char *name;
    json_t *value;

    if (json_is_object(json)) {
        json_object_foreach((json_t *)json, name, value)
        {
            out.field = name;
            out.value = json_string_value(value);
        }
        return out;
    }
    out.word = json_string_value(json_array_get(json, 0));
    out.is_range = strcasecmp(out.word, "content-length-range") == 0;
    name = json_string_value(json_array_get(json, 1));
    if (!out.is_range && name[0] == '$')
        out.field = name + 1;
    out.value = json_string_value(json_array_get(json, 2));
    return out;
}

/* Types may be a list; all of them must begin so. */
static bool types_start(const char *list, const char *prefix)
{
    size_t len = strlen(prefix);

    for (; *list; list += strcspn(list, ","), list += *list == ',') {
        list += strspn(list, " ");
        if (strncmp(list, prefix, len))
            return false;
    }
    return true;
}

static bool holds(struct s3_call *call, const struct s3_form *form, const struct condition *one)
{
    const char *found;

    if (!one->field)
        return false;
    found = strcasecmp(one->field, "bucket") ? s3_form_field(form, one->field) : call->bucket;
    if (strcasecmp(one->word, "eq") == 0)
        return found && strcmp(found, one->value) == 0;
    if (!one->value[0])
        return true;
    if (found && strcasecmp(one->field, "content-type") == 0)
        return types_start(found, one->value);
    return found && strncmp(found, one->value, strlen(one->value)) == 0;
}

/* As the sentence quotes it: a list as it stood, an object as the list that it means. */
static int failed(struct s3_call *call, const json_t *json, const struct condition *one)
{
    struct buf text = {0};
    int rc;

    if (json_is_object(json))
        buf_printf(&text, "[\"eq\", \"$%s\", \"%s\"]", one->field, one->value);
    else
        json_print(json, 0, &text, NULL);
    rc = unmet(call, UNMET "Policy Condition failed: %s", buf_cstr(&text));
    buf_deinit(&text);
    return rc;
}

static bool is_covered(const json_t *conditions, const char *field)
{
    static const char *const exempt[] = {"x-amz-signature", "file", "policy"};

    if (strncmp(field, "x-ignore-", 9) == 0)
        return true;
    for (size_t i = 0; i < COUNT_OF(exempt); i++)
        if (strcmp(field, exempt[i]) == 0)
            return true;
    for (size_t i = 0; i < json_array_size(conditions); i++) {
        struct condition one = read_condition(json_array_get(conditions, i));

        if (one.field && strcasecmp(one.field, field) == 0)
            return true;
    }
    return false;
}

static int check_conditions(struct s3_call *call, struct s3_form *form, const json_t *conditions)
{
    for (size_t i = 0; i < form->field_count; i++)
        if (!is_covered(conditions, form->fields[i].name))
            return unmet(call, UNMET "Extra input fields: %s", form->fields[i].name);
    for (size_t i = 0; i < json_array_size(conditions); i++) {
        const json_t *json = json_array_get(conditions, i);
        struct condition one = read_condition(json);

        if (one.is_range) {
            read_bytes(json_array_get(json, 1), &form->min_bytes);
            read_bytes(json_array_get(json, 2), &form->max_bytes);
        } else if (!holds(call, form, &one)) {
            return failed(call, json, &one);
        }
    }
    return is_covered(conditions, "bucket") ? 0
                                            : unmet(call, UNMET "Extra input fields: %s", "bucket");
}

int s3_form_policy(struct s3_call *call, struct s3_form *form, const char *base64)
{
    struct buf text = {.max = S3_FORM_TEXT};
    json_t *policy = NULL;
    int rc;

    if (!base64[0])
        return invalid(call, INVALID "Expecting '{' but found End-of-Input%s", "");
    if (base64_decode(slice_str(base64), &text))
        rc = invalid(call, INVALID "invalid Base64 encoding.%s", "");
    else if (json_parse(buf_slice(&text), &policy, NULL) || !json_is_object(policy))
        rc = invalid(call, BAD_JSON "%s", "");
    else
        rc = check_shape(call, policy);
    if (!rc)
        rc = check_expiration(call, policy);
    if (!rc)
        rc = check_conditions(call, form, json_object_get(policy, "conditions"));
    json_decref(policy);
    buf_deinit(&text);
    return rc;
}
