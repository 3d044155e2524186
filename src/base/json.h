/* json.h - control-plane JSON: requests, metadata, configuration. Wraps jansson.
 *
 * Not for event data: format/json.h decodes that straight into columns. A document is a tree of
 * json_t; the caller owns what json_parse gives and releases it with json_decref. jansson keeps
 * the order of keys. Nesting is limited to 512 levels, a document to 4 million values, text to
 * `max` bytes by the caller.
 * Threads: a document belongs to one thread.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <jansson.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

/* ERR_CORRUPT with line and column; ERR_LIMIT: more values than that. Numbers: integers as int64,
 * reals as double. */
int json_parse(struct slice text, json_t **out, struct err *err);
/* Appends compact (indent 0) or indented text to `out`. */
int json_print(const json_t *json, int indent, struct buf *out, struct err *err);

/* Members of an object with a check of their kind. `where` names the object in errors:
 * "snapshot.summary: missing". Missing: ERR_NOENT; wrong kind: ERR_INVALID. */
int json_get_str(const json_t *obj, const char *key, const char *where, const char **out,
                 struct err *err); /* borrowed from obj */
int json_get_i64(const json_t *obj, const char *key, const char *where, int64_t *out,
                 struct err *err);
int json_get_bool(const json_t *obj, const char *key, const char *where, bool *out,
                  struct err *err);
int json_get_arr(const json_t *obj, const char *key, const char *where, json_t **out,
                 struct err *err);
int json_get_obj(const json_t *obj, const char *key, const char *where, json_t **out,
                 struct err *err);

/* Appends `s` as a JSON string with its quotes; invalid UTF-8 becomes U+FFFD. */
int json_quote(struct buf *out, struct slice s);

#endif
