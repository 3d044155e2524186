/* schema.c - walks a table of fields and writes down what it accepts. */
#include "base/schema.h"

#include <stdlib.h>

/* Units are part of the value, so sizes and durations are texts or plain numbers. */
static json_t *schema_of_kind(const struct yaml_field *field)
{
    json_t *schema;

    switch (field->kind) {
    case YK_STR:
        return json_pack("{s:s}", "type", "string");
    case YK_INT:
        schema = json_pack("{s:s}", "type", "integer");
        if (schema && (field->min || field->max)) {
            json_object_set_new(schema, "minimum", json_integer(field->min));
            if (field->max != INT64_MAX)
                json_object_set_new(schema, "maximum", json_integer(field->max));
        }
        return schema;
    case YK_BOOL:
        return json_pack("{s:s}", "type", "boolean");
    case YK_BYTES:
        return json_pack("{s:[s,s],s:s}", "type", "string", "integer", "pattern",
                         "^(unlimited|-1|[0-9.]+ ?[kKmMgGtT]?i?B?)$");
    case YK_DURATION:
        return json_pack("{s:[s,s],s:s}", "type", "string", "integer", "pattern",
                         "^(forever|-1|0|[0-9.]+ ?(ms|s|m|min|h|d))$");
    case YK_ENUM:
        schema = json_pack("{s:[]}", "enum");
        for (int i = 0; schema && field->names[i]; i++)
            json_array_append_new(json_object_get(schema, "enum"), json_string(field->names[i]));
        return schema;
    case YK_MAP:
        return schema_of_fields(field->sub);
    case YK_LIST:
        return json_pack("{s:s,s:{s:[s,s,s]}}", "type", "array", "items", "type", "string",
                         "number", "boolean");
    case YK_NODE:
        if (!field->sub)
            return json_object();
        return json_pack("{s:s,s:o}", "type", "object", "additionalProperties",
                         schema_of_fields(field->sub));
    }
    return NULL;
}

/* A default as the type it is read as. */
static json_t *schema_default(const struct yaml_field *field)
{
    if (field->kind == YK_INT)
        return json_integer(strtoll(field->fallback, NULL, 10));
    if (field->kind == YK_BOOL)
        return json_boolean(strcmp(field->fallback, "true") == 0);
    return json_string(field->fallback);
}

json_t *schema_of_fields(const struct yaml_field *fields)
{
    json_t *schema = json_pack("{s:s,s:b,s:{}}", "type", "object", "additionalProperties", 0,
                               "properties");
    json_t *required = json_array();

    for (; schema && required && fields->key; fields++) {
        json_t *one = schema_of_kind(fields);
        int bad = !one;

        if (one && fields->help)
            bad |= json_object_set_new(one, "description", json_string(fields->help));
        if (one && fields->fallback)
            bad |= json_object_set_new(one, "default", schema_default(fields));
        if (fields->required)
            bad |= json_array_append_new(required, json_string(fields->key));
        if (one)
            bad |= json_object_set_new(json_object_get(schema, "properties"), fields->key, one);
        if (bad) {
            json_decref(schema);
            schema = NULL;
        }
    }
    if (schema && json_array_size(required))
        json_object_set(schema, "required", required);
    json_decref(required);
    return schema;
}
