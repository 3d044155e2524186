/* schema.c - the JSON Schema of a template file, from the tables that read one. */
#include "base/schema.h"
#include "generate/generate_int.h"

/* A field: a plain value, or one of the kinds with exactly its own keys. */
static json_t *schema_of_field(void)
{
    json_t *plain =
        json_pack("{s:[s,s,s,s,s]}", "type", "string", "number", "boolean", "null", "array");
    json_t *any = json_pack("[o]", plain);
    const struct yaml_field *keys;
    const char *name;

    for (size_t i = 0; any && (keys = kind_keys(i, &name)); i++) {
        json_t *one = schema_of_fields(keys), *properties = json_object_get(one, "properties");
        json_t *field = json_pack("{s:s}", "$ref", "#/$defs/field");

        json_object_set_new(properties, "kind", json_pack("{s:s}", "const", name));
        if (json_object_get(properties, "fields"))
            json_object_set_new(
                properties, "fields",
                json_pack("{s:s,s:O}", "type", "object", "additionalProperties", field));
        if (json_object_get(properties, "item"))
            json_object_set(properties, "item", field);
        json_decref(field);
        if (json_array_append_new(any, one)) {
            json_decref(any);
            any = NULL;
        }
    }
    return any ? json_pack("{s:o}", "anyOf", any) : NULL;
}

int generate_schema(struct buf *out, struct err *err)
{
    json_t *schema = json_pack("{s:s,s:s}", "$schema",
                               "https://json-schema.org/draft/2020-12/schema", "title",
                               "A generator of tarn");
    json_t *body = schema_of_fields(template_keys), *field = schema_of_field();
    json_t *fault = schema_of_fields(fault_keys);
    json_t *properties = json_object_get(body, "properties");
    int rc = ERR_NOMEM;

    if (schema && body && field && fault &&
        !json_object_set_new(properties, "fields",
                             json_pack("{s:s,s:{s:s}}", "type", "object", "additionalProperties",
                                       "$ref", "#/$defs/field")) &&
        !json_object_set_new(
            properties, "faults",
            json_pack("{s:s,s:O}", "type", "object", "additionalProperties", fault)) &&
        !json_object_update(schema, body) &&
        !json_object_set_new(schema, "$defs", json_pack("{s:O}", "field", field)))
        rc = json_print(schema, 2, out, err);
    json_decref(schema);
    json_decref(body);
    json_decref(field);
    json_decref(fault);
    return rc ? err_wrap(err, rc, "schema of generators") : buf_append_u8(out, '\n');
}
