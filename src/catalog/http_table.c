/* http_table.c - the REST catalog's tables, all but their commits. */
#include "base/codec.h"
#include "catalog/http_int.h"

/* ---- replies ---- */

static int append_json(struct buf *out, const char *key, json_t *value /* take */, struct err *err)
{
    int rc = value ? buf_append_str(out, key) : ERR_NOMEM;

    if (!rc)
        rc = json_print(value, 0, out, err);
    json_decref(value);
    return rc;
}

/* Changes with the metadata file and with what was asked of it. */
static const char *etag_of(struct rest_call *call, const char *location, bool refs_only)
{
    return arena_printf(call->arena, "W/\"%016" PRIx64 "\"",
                        hash64(location, strlen(location), refs_only));
}

static int append_access(struct rest_call *call, const struct lake_ident *ident,
                         const struct catalog_table *table, struct buf *out, struct err *err)
{
    json_t *config, *credentials;
    int rc = rest_access(call, ident, table->metadata, &config, &credentials, err);

    if (rc)
        return rc;
    rc = append_json(out, ",\"config\":", config, err);
    if (rc)
        json_decref(credentials);
    else
        rc = append_json(out, ",\"storage-credentials\":", credentials, err);
    return rc;
}

/* The metadata is text already and is copied, not parsed and printed again. */
int rest_table_reply(struct rest_call *call, const struct lake_ident *ident,
                     const struct catalog_table *table, enum rest_table_as as, struct err *err)
{
    struct buf out = {0};
    int rc = buf_append_str(&out, "{");

    if (!rc && table->location) {
        rc = buf_append_str(&out, "\"metadata-location\":");
        if (!rc)
            rc = json_quote(&out, slice_str(table->location));
        if (!rc)
            rc = buf_append_str(&out, ",");
    }
    if (!rc)
        rc = buf_append_str(&out, "\"metadata\":");
    if (!rc)
        rc = catalog_metadata_text(call->catalog, table, as == REST_AS_REFS, &out, err);
    if (!rc && as != REST_AS_COMMIT)
        rc = append_access(call, ident, table, &out, err);
    if (!rc)
        rc = buf_append_str(&out, "}");
    if (!rc)
        http_reply_buf(call->reply, "application/json", &out);
    if (!rc && table->location)
        http_set_header(call->reply, "ETag", etag_of(call, table->location, as == REST_AS_REFS));
    buf_deinit(&out);
    return rc == ERR_NOMEM ? err_set(err, rc, "reply") : rc;
}

/* ---- list, load ---- */

static int list(struct rest_call *call, struct err *err)
{
    return rest_list(call, catalog_table_list, err);
}

/* RFC 9110, section 13.1.2: a list of tags, compared weakly, or "*". */
static bool is_known(const char *header, const char *etag)
{
    const char *tag = etag + strlen("W/");

    return header && (strcmp(header, "*") == 0 || strstr(header, tag) != NULL);
}

static int load(struct rest_call *call, struct err *err)
{
    struct lake_ident ident = rest_path_ident(call);
    const char *snapshots = http_query(call->req, "snapshots"), *etag;
    bool refs_only = snapshots && strcmp(snapshots, "refs") == 0;
    struct catalog_table table;
    int rc;

    if (snapshots && *snapshots && !refs_only && strcmp(snapshots, "all") != 0)
        return err_set(err, ERR_INVALID, "snapshots is 'all' or 'refs', not '%.100s'", snapshots);
    rc = catalog_table_load(call->catalog, &ident, call->arena, &table, err);
    if (rc)
        return rc;
    etag = etag_of(call, table.location, refs_only);
    if (etag && is_known(http_header(call->req, "If-None-Match"), etag)) {
        http_status(call->reply, 304);
        http_set_header(call->reply, "ETag", etag);
    } else {
        rc = rest_table_reply(call, &ident, &table, refs_only ? REST_AS_REFS : REST_AS_LOAD, err);
    }
    catalog_table_deinit(&table);
    return rc;
}

static int load_again(struct rest_call *call, const struct lake_ident *ident, struct err *err)
{
    struct catalog_table table;
    int rc = catalog_table_load(call->catalog, ident, call->arena, &table, err);

    if (!rc)
        rc = rest_table_reply(call, ident, &table, REST_AS_LOAD, err);
    catalog_table_deinit(&table);
    return rc;
}

/* A table that was created or registered under a key that comes again. */
static int named_again(struct rest_call *call, struct err *err)
{
    struct lake_ident ident = {.ns = http_param(call->req, "ns")};
    int rc = json_get_str(call->body, "name", "request", &ident.name, err);

    return rc ? rc : load_again(call, &ident, err);
}

static int exists(struct rest_call *call, struct err *err)
{
    struct lake_ident ident = rest_path_ident(call);

    return rest_done(call, catalog_table_exists(call->catalog, &ident, err));
}

/* ---- create ---- */

/* "format-version" among the properties picks the version and is no property of the table. */
static int read_properties(struct rest_call *call, struct lake_table_options *options,
                           struct err *err)
{
    json_t *properties = json_object_get(call->body, "properties"), *value;
    struct lake_property *list;
    const char *key;
    int64_t version = 0;

    if (!properties || json_is_null(properties))
        return 0;
    if (!json_is_object(properties))
        return err_set(err, ERR_INVALID, "properties: not an object");
    list = ARENA_ARRAY(call->arena, struct lake_property, json_object_size(properties) + 1);
    if (!list)
        return err_set(err, ERR_NOMEM, "properties");
    options->properties = list;
    json_object_foreach(properties, key, value)
    {
        if (!json_is_string(value))
            return err_set(err, ERR_INVALID, "properties: '%.200s' is not a string", key);
        if (strcmp(key, "format-version") == 0) {
            if (slice_to_i64(slice_str(json_string_value(value)), &version) || version < 1 ||
                version > 3)
                return err_set(err, ERR_INVALID, "format-version is 1, 2 or 3, not '%.50s'",
                               json_string_value(value));
            options->format_version = (int)version;
            continue;
        }
        list[options->property_count++] =
            (struct lake_property){.key = key, .value = json_string_value(value)};
    }
    return 0;
}

static int read_shape(struct rest_call *call, struct lake_table_options *options, struct err *err)
{
    const json_t *spec = json_object_get(call->body, "partition-spec");
    const json_t *order = json_object_get(call->body, "write-order");
    struct lake_schema *schema = ARENA_NEW(call->arena, struct lake_schema);
    struct lake_partition_spec *parsed_spec = ARENA_NEW(call->arena, struct lake_partition_spec);
    struct lake_sort_order *parsed_order = ARENA_NEW(call->arena, struct lake_sort_order);
    json_t *json;
    int rc;

    if (!schema || !parsed_spec || !parsed_order)
        return err_set(err, ERR_NOMEM, "table");
    rc = json_get_obj(call->body, "schema", "request", &json, err);
    if (!rc)
        rc = lake_schema_parse(json, call->arena, schema, err);
    options->schema = schema;
    if (!rc && json_is_object(spec)) {
        rc = lake_spec_parse(spec, call->arena, parsed_spec, err);
        options->spec = parsed_spec;
    }
    if (!rc && json_is_object(order)) {
        rc = lake_order_parse(order, call->arena, parsed_order, err);
        options->order = parsed_order;
    }
    return rc && rc != ERR_NOMEM ? err_wrap(err, ERR_INVALID, "Cannot create the table") : rc;
}

int rest_check_location(struct rest_call *call, struct err *err)
{
    const char *location = json_string_value(json_object_get(call->body, "location"));
    const char *bucket, *key;

    if (!location || !*location || store_split(location, call->arena, &bucket, &key, err) == 0)
        return 0;
    return ERR_INVALID;
}

static int read_location(struct rest_call *call, struct lake_table_options *options,
                         struct err *err)
{
    const char *location = json_string_value(json_object_get(call->body, "location"));
    struct slice plain;

    if (!location || !*location)
        return 0;
    if (rest_check_location(call, err))
        return ERR_INVALID;
    for (plain = slice_str(location); plain.len && plain.ptr[plain.len - 1] == '/';)
        plain.len--;
    options->location = arena_cstr(call->arena, plain);
    return options->location ? 0 : err_set(err, ERR_NOMEM, "table");
}

static int create(struct rest_call *call, struct err *err)
{
    struct lake_ident ident = {.ns = http_param(call->req, "ns")};
    struct lake_table_options options = {0};
    bool stage = json_is_true(json_object_get(call->body, "stage-create"));
    struct catalog_table table;
    int rc = json_get_str(call->body, "name", "request", &ident.name, err);

    if (rc)
        return err_wrap(err, ERR_INVALID, "Cannot create the table");
    rc = read_shape(call, &options, err);
    if (!rc)
        rc = read_properties(call, &options, err);
    if (!rc)
        rc = read_location(call, &options, err);
    if (!rc)
        rc = catalog_table_create(call->catalog, &ident, &options, stage, call->arena, &table, err);
    if (rc)
        return rc;
    rc = rest_table_reply(call, &ident, &table, REST_AS_LOAD, err);
    catalog_table_deinit(&table);
    return rc;
}

/* ---- drop, rename, register ---- */

static int drop(struct rest_call *call, struct err *err)
{
    struct lake_ident ident = rest_path_ident(call);
    const char *purge = http_query(call->req, "purgeRequested");
    bool wanted = purge && strcasecmp(purge, "true") == 0;

    return rest_done(call, catalog_table_drop(call->catalog, &ident, wanted, err));
}

static int rename_table(struct rest_call *call, struct err *err)
{
    return rest_rename(call, catalog_table_rename, err);
}

static int register_table(struct rest_call *call, struct err *err)
{
    struct lake_ident ident;
    bool overwrite = json_is_true(json_object_get(call->body, "overwrite"));
    struct catalog_table table;
    const char *location;
    int rc = rest_read_register(call, "table", &ident, &location, err);

    if (rc)
        return rc;
    rc = catalog_table_register(call->catalog, &ident, location, overwrite, call->arena, &table,
                                err);
    if (rc) /* what the client named is no metadata file */
        return rc == ERR_CORRUPT ? ERR_INVALID : rc;
    rc = rest_table_reply(call, &ident, &table, REST_AS_LOAD, err);
    catalog_table_deinit(&table);
    return rc;
}

/* Its files stay, to be registered elsewhere: the table as it was last. */
static int unregister_table(struct rest_call *call, struct err *err)
{
    struct lake_ident ident = rest_path_ident(call);
    struct catalog_table table = {0};
    int rc = catalog_table_unregister(call->catalog, &ident, call->arena, &table, err);

    if (!rc)
        rc = rest_table_reply(call, &ident, &table, REST_AS_COMMIT, err);
    catalog_table_deinit(&table);
    return rc;
}

#define WRITE (REST_PREFIX | REST_ONCE)

static const struct rest_op ops[] = {
    {"GET", "/namespaces/{ns}/tables", list, REST_PREFIX, NULL, NULL},
    {"POST", "/namespaces/{ns}/tables", create, WRITE | REST_BODY, NULL, named_again},
    {"GET", "/namespaces/{ns}/tables/{table}", load, REST_PREFIX, NULL, NULL},
    {"HEAD", "/namespaces/{ns}/tables/{table}", exists, REST_PREFIX, NULL, NULL},
    {"DELETE", "/namespaces/{ns}/tables/{table}", drop, WRITE, NULL, NULL},
    {"POST", "/namespaces/{ns}/tables/{table}/unregister", unregister_table, REST_PREFIX, NULL,
     NULL},
    {"POST", "/namespaces/{ns}/register", register_table, WRITE | REST_BODY, NULL, named_again},
    {"POST", "/tables/rename", rename_table, WRITE | REST_BODY, NULL, NULL},
};
const struct rest_group rest_tables = {ops, COUNT_OF(ops)};
