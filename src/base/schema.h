/* schema.h - a JSON Schema (draft 2020-12) from the table that reads a configuration file, so that
 * editors know what the program knows.
 */
#ifndef BASE_SCHEMA_H
#define BASE_SCHEMA_H

#include "base/json.h"
#include "base/yaml.h"

/* The schema of a mapping read by `fields`. A YK_NODE field with `sub` is a map with free keys
 * whose values follow `sub`. The caller owns the result; NULL: out of memory. */
json_t *schema_of_fields(const struct yaml_field *fields);

#endif
