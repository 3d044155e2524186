/* http_int.h - what the files of the REST face share. */
#ifndef CATALOG_HTTP_INT_H
#define CATALOG_HTTP_INT_H

#include "catalog/catalog_int.h"
#include "catalog/http.h"

#define PAGE_MAX 1000

struct rest_call;
struct rest_plans;
struct rest_reports;
typedef int rest_fn(struct rest_call *call, struct err *err);

enum rest_flags {
    REST_OPEN = 1,   /* without a token */
    REST_BODY = 2,   /* a JSON object is needed */
    REST_PREFIX = 4, /* also under /v1/{prefix} */
    REST_HIDDEN = 8, /* not in the list of endpoints */
    REST_ONCE = 16,  /* a change: takes an Idempotency-Key */
};

/* One line of the API: drives the routes, the checks before a handler, and the list of endpoints
 * that GET /v1/config gives. */
struct rest_op {
    const char *method, *pattern; /* below /v1 */
    rest_fn *run;
    int flags;
    const char *conflict; /* the exception that ERR_CONFLICT is here */
    rest_fn *again;       /* REST_ONCE: answers for a change that was made before; NULL: 204 */
};

struct rest_group {
    const struct rest_op *ops;
    size_t count;
};
extern const struct rest_group rest_general, rest_namespaces, rest_tables, rest_commits, rest_views,
    rest_planning, rest_signing, rest_metrics;

struct rest_bound { /* what a route hands to the dispatcher */
    struct catalog_http *http;
    const struct rest_op *op;
    struct http_route route;
};

struct rest_principal {
    char *client_id, *client_secret;
    uint8_t token_key[32]; /* from the secret: a new secret ends all tokens */
};

struct catalog_http {
    struct http_server *server;
    struct catalog *catalog;
    struct clock *clock;
    bool login, loopback_open;
    char *s3_endpoint, *s3_region, *s3_access_key, *s3_secret_key;
    catalog_lend_fn *lend;
    void *lend_arg;
    struct rest_principal *principals;
    size_t principal_count;
    struct rest_plans *plans;     /* http_plan.c */
    struct rest_reports *reports; /* http_metrics.c */
    struct rest_bound *bound;
    size_t bound_count;
};

/* One request. The handler fills the reply and returns 0, or returns a code that becomes an error
 * of the protocol; rest_fail sets one by hand. */
struct rest_call {
    struct catalog_http *http;
    struct catalog *catalog;
    const struct rest_op *op;
    struct http_request *req;
    struct http_reply *reply;
    struct arena *arena;
    json_t *body; /* REST_BODY */
    const char *who;
    int error_status; /* of the refusal that was answered; 0: none */
    json_t *error;    /* its body */
};

extern const struct rest_group *const rest_groups[]; /* NULL-ended */

int rest_fail(struct rest_call *call, int status, const char *type, const char *text);
/* Answers with what a code is in this protocol. */
void rest_fail_with(struct rest_call *call, int code, const struct err *err);
/* Takes `json`. */
int rest_reply(struct rest_call *call, int status, json_t *json, struct err *err);

/* Namespaces in JSON are arrays of levels. In the arena; NULL: err tells. */
const char *rest_ns_parse(struct rest_call *call, const json_t *levels, struct err *err);
json_t *rest_ns_json(const char *ns);
json_t *rest_ident_json(const char *ns, const char *name);
int rest_ident_parse(struct rest_call *call, const json_t *json, struct lake_ident *out,
                     struct err *err);
/* From the path: {ns} and {table}. */
struct lake_ident rest_path_ident(struct rest_call *call);
/* pageToken and pageSize. */
void rest_page(struct rest_call *call, const char **after, size_t *max);
/* {key: list, "next-page-token"}. Takes `list`; `failed`: it is not whole, so nothing is sent. */
int rest_reply_page(struct rest_call *call, const char *key, json_t *list, bool failed,
                    const struct catalog_names *names, struct err *err);

/* "location" in the body, if any, is a place that we can write to. */
int rest_check_location(struct rest_call *call, struct err *err);

/* http_once.c: runs a handler, or answers what it did before under the request's key. */
int rest_run_once(struct rest_call *call, rest_fn *run, struct err *err);

/* http_auth.c */
int rest_auth_init(struct catalog_http *http, const struct catalog_http_options *options);
void rest_auth_deinit(struct catalog_http *http);
bool rest_allows(struct rest_call *call);
int rest_token(struct rest_call *call, struct err *err);

/* http_config.c */
int rest_config(struct rest_call *call, struct err *err);

/* http_access.c: {"s3.endpoint": ...}, without keys. */
json_t *rest_s3_config(struct rest_call *call);
/* What a client needs to get at a table's files: the table's `config` and `storage-credentials`.
 * Both are the caller's. */
int rest_access(struct rest_call *call, const struct lake_ident *ident,
                const struct lake_metadata *metadata, json_t **config, json_t **credentials,
                struct err *err);

/* http_table.c: {"metadata-location", "metadata", and but for commits "config" ...}, with an ETag.
 */
enum rest_table_as { REST_AS_LOAD, REST_AS_REFS, REST_AS_COMMIT };
int rest_table_reply(struct rest_call *call, const struct lake_ident *ident,
                     const struct catalog_table *table, enum rest_table_as as, struct err *err);

/* http_plan.c: what is planned and not fetched yet. */
int rest_plans_new(struct rest_plans **out, struct clock *clock);
void rest_plans_free(struct rest_plans *plans); /* NULL is fine */

/* http_metrics.c: what clients measured */
int rest_reports_new(struct rest_reports **out);
void rest_reports_free(struct rest_reports *reports); /* NULL is fine */

/* ---- http_named.c: of tables and of views ---- */

int rest_done(struct rest_call *call, int rc); /* 204 where it is 0; returns it */
typedef int rest_list_fn(struct catalog *catalog, const char *ns, const char *after, size_t max,
                         struct arena *arena, struct catalog_names *out, struct err *err);
int rest_list(struct rest_call *call, rest_list_fn *fn, struct err *err);
typedef int rest_rename_fn(struct catalog *catalog, const struct lake_ident *from,
                           const struct lake_ident *to, struct err *err);
int rest_rename(struct rest_call *call, rest_rename_fn *fn, struct err *err);
/* The body of a request to register: a name, and where its metadata is. */
int rest_read_register(struct rest_call *call, const char *kind, struct lake_ident *ident,
                       const char **location, struct err *err);

#endif
